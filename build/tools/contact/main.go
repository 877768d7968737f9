// Contact draws a sheet of every script that the program sets, with real text,
// so that readers of each language can judge it.
//
//	go run ./build/tools/contact docs/images/scripts.png
package main

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"

	"cotmoc/internal/palette"
	"cotmoc/internal/specimen"
	"cotmoc/internal/typeset"
	"cotmoc/internal/words"
)

// order of the sheet: the languages of the screens, the neighbours', the
// peoples' of the border, and what else must not break.
var order = []string{"vi", "en", "zh-Hans", "lo", "km", "th", "fr", "blt", "tyz", "hni", "hea", "rad", "jra", "cjm", "mixed", "he", "ar"}

var names = map[string]string{"mixed": "vi zh lo km th blt", "he": "עברית", "ar": "العربية", "hni": "Hà Nhì", "hea": "Hmub"}

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "contact:", err)
		os.Exit(1)
	}
}

func run(path string) error {
	texts, err := specimen.Prepared()
	if err != nil {
		return err
	}
	const width, margin, gap, measure = 1720, 40, 40, 800
	e := typeset.New()
	img := image.NewRGBA(image.Rect(0, 0, width, 6000))
	draw.Draw(img, img.Rect, image.NewUniform(palette.Paper), image.Point{}, draw.Src)
	y := [2]int{margin, margin}
	for _, lang := range order {
		column := 0
		if y[1] < y[0] {
			column = 1
		}
		x := float64(margin + column*(measure+gap))
		name := names[lang]
		if name == "" {
			name = words.LanguageName(lang)
		}
		head := e.Layout(name+"  ·  "+lang, typeset.Style{Lang: lang, Size: 22, Bold: true})
		head.Draw(img, x, float64(y[column]), palette.Navy)
		body := e.Layout(texts[lang], typeset.Style{Lang: lang, Size: 34, Width: measure, MaxLines: 5})
		if len(body.Missing) > 0 {
			return fmt.Errorf("%s: no font draws %q", lang, string(body.Missing))
		}
		body.Draw(img, x, float64(y[column]+head.Height+6), color.RGBA(palette.Ink))
		y[column] += head.Height + body.Height + 36
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(png.Encode(f, img.SubImage(image.Rect(0, 0, width, max(y[0], y[1])))), f.Close())
}
