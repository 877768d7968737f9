package main

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
)

// Coded material carries in its top row which item and which frame it is, so
// that a watcher of the screen can tell, for our stage and for mpv alike: 18
// cells of 40 pixels, a green one, 8 bits of item, 8 bits of frame, a red one.
const (
	cell  = 40
	cells = 18
)

var (
	greenCell, redCell = color.RGBA{0, 200, 0, 255}, color.RGBA{220, 0, 0, 255}
	oneCell, zeroCell  = color.RGBA{255, 255, 255, 255}, color.RGBA{40, 60, 230, 255}
)

func codedFrame(item, frame int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, 1280, 720))
	back := color.RGBA{uint8(120 + item*37%120), uint8(110 + item*71%130), uint8(100 + item*53%140), 255}
	bar := frame * 9 % 1280
	for y := range 720 {
		row := img.Pix[y*img.Stride:]
		for x := range 1280 {
			c := back
			if y < cell && x < cell*cells {
				c = codeColour(x/cell, item, frame)
			} else if x >= bar && x < bar+60 {
				c = color.RGBA{250, 240, 120, 255}
			}
			row[x*4], row[x*4+1], row[x*4+2], row[x*4+3] = c.R, c.G, c.B, 255
		}
	}
	return img
}

func codeColour(n, item, frame int) color.RGBA {
	bits := item<<8 | frame&0xFF
	switch {
	case n == 0:
		return greenCell
	case n == cells-1:
		return redCell
	case bits&(1<<(16-n)) != 0:
		return oneCell
	}
	return zeroCell
}

// readCode returns what the top row of the screen says; ok is false for a
// picture that is not one of ours, or torn.
func readCode(img *image.RGBA) (item, frame int, ok bool) {
	at := func(n int) color.RGBA { return img.RGBAAt(n*cell+cell/2, cell/2) }
	is := func(c, want color.RGBA) bool {
		d := func(a, b uint8) bool { return int(a)-int(b) < 70 && int(b)-int(a) < 70 }
		return d(c.R, want.R) && d(c.G, want.G) && d(c.B, want.B)
	}
	if !is(at(0), greenCell) || !is(at(cells-1), redCell) {
		return 0, 0, false
	}
	bits := 0
	for n := 1; n <= 16; n++ {
		switch c := at(n); {
		case is(c, oneCell):
			bits |= 1 << (16 - n)
		case !is(c, zeroCell):
			return 0, 0, false
		}
	}
	return bits >> 8, bits & 0xFF, true
}

// codedClip makes a clip of so many frames at 30 frames a second, once.
func (l *lab) codedClip(item, frames int) (string, error) {
	path := filepath.Join(l.work, fmt.Sprintf("coded-%d-%d.mp4", item, frames))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	part := path + ".part.mp4"
	cmd := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgba", "-s", "1280x720", "-r", "30", "-i", "pipe:0",
		"-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p", part)
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	for n := range frames {
		if _, err := in.Write(codedFrame(item, n).Pix); err != nil {
			return "", err
		}
	}
	if err := in.Close(); err != nil {
		return "", err
	}
	if err := cmd.Wait(); err != nil {
		return "", err
	}
	return path, os.Rename(part, path)
}

func (l *lab) codedPicture(item int) (string, error) {
	path := filepath.Join(l.work, fmt.Sprintf("coded-%d.png", item))
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	if err := png.Encode(f, codedFrame(item, 0)); err != nil {
		return "", err
	}
	return path, f.Close()
}
