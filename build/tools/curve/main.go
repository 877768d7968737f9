// Curve draws the hour that build/bench soak/hour recorded: memory, descriptors
// and goroutines of each process, minute by minute.
//
//	go run ./build/tools/curve .cache/bench/hour.csv docs/images/soak-hour.png
package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"strconv"

	"golang.org/x/image/vector"

	"cotmoc/internal/palette"
	"cotmoc/internal/typeset"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: curve HOUR.csv PICTURE.png")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "curve:", err)
		os.Exit(1)
	}
}

// series is one process's values by minute.
type series struct {
	name   string
	values [][3]float64 // memory in MB, descriptors, goroutines
}

func read(path string) ([]*series, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, err
	}
	var all []*series
	for _, row := range rows[1:] {
		var s *series
		for _, known := range all {
			if known.name == row[1] {
				s = known
			}
		}
		if s == nil {
			s = &series{name: row[1]}
			all = append(all, s)
		}
		var v [3]float64
		for i := range v {
			if v[i], err = strconv.ParseFloat(row[2+i], 64); err != nil {
				return nil, err
			}
		}
		s.values = append(s.values, v)
	}
	return all, nil
}

const (
	width, panel = 1200, 240
	left, right  = 90, 200
)

var colours = []color.RGBA{palette.Green, palette.Red, palette.Blue, palette.Orange}

func run(from, to string) error {
	all, err := read(from)
	if err != nil {
		return err
	}
	titles := [3]string{"Bộ nhớ (RSS), MB · memory", "Bộ mô tả tệp · file descriptors", "Goroutines"}
	img := image.NewRGBA(image.Rect(0, 0, width, 3*panel+30))
	draw.Draw(img, img.Rect, image.White, image.Point{}, draw.Src)
	e := typeset.New()
	for i, title := range titles {
		drawPanel(e, img, i, title, all)
	}
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	return errors.Join(png.Encode(f, img), f.Close())
}

func drawPanel(e *typeset.Engine, img *image.RGBA, n int, title string, all []*series) {
	top, bottom := n*panel+50, (n+1)*panel-10
	say := func(text string, x, y int, c color.Color) {
		e.Layout(text, typeset.Style{Lang: "vi", Size: 18}).Draw(img, float64(x), float64(y), c)
	}
	say(title, left, n*panel+14, palette.Ink)
	most, minutes := 1.0, 1
	for _, s := range all {
		minutes = max(minutes, len(s.values))
		for _, v := range s.values {
			most = max(most, v[n]*1.15)
		}
	}
	for k := range 5 {
		y := bottom - (bottom-top)*k/4
		draw.Draw(img, image.Rect(left, y, width-right, y+1), image.NewUniform(color.RGBA{0xDD, 0xDD, 0xDD, 0xFF}), image.Point{}, draw.Src)
		say(strconv.Itoa(int(most*float64(k)/4)), 20, y-14, palette.Soft)
	}
	for i, s := range all {
		c := colours[i%len(colours)]
		at := func(m int) (float32, float32) {
			return float32(left) + float32(width-right-left)*float32(m)/float32(max(1, minutes-1)), float32(bottom) - float32(bottom-top)*float32(s.values[m][n]/most)
		}
		for m := 1; m < len(s.values); m++ {
			x0, y0 := at(m - 1)
			x1, y1 := at(m)
			line(img, x0, y0, x1, y1, c)
		}
		last := s.values[len(s.values)-1][n]
		say(fmt.Sprintf("%s %.0f", s.name, last), width-right+10, top+i*28-8, c)
	}
	if n == 2 {
		say(fmt.Sprintf("%d phút · minutes", minutes), left, bottom+6, palette.Soft)
	}
}

func line(img *image.RGBA, x0, y0, x1, y1 float32, c color.RGBA) {
	const thick = 1.3
	v := vector.NewRasterizer(img.Rect.Dx(), img.Rect.Dy())
	v.MoveTo(x0, y0-thick)
	v.LineTo(x1, y1-thick)
	v.LineTo(x1, y1+thick)
	v.LineTo(x0, y0+thick)
	v.ClosePath()
	v.Draw(img, img.Rect, image.NewUniform(c), image.Point{})
}
