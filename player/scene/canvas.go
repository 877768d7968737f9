// Package scene draws every still picture of the stage on the processor:
// bulletins, gate cards, notices, the evergreen loop, clock, logo, captions and
// the ticker's strip. It needs no display, so each picture can be tested.
package scene

import (
	"image"
	"image/color"
	"image/draw"
	"math"
	"strings"

	"golang.org/x/image/vector"

	"cotmoc/internal/palette"
	"cotmoc/internal/typeset"
	"cotmoc/playlist"
)

// The palette's colours, by the names that the pictures use.
var (
	Navy    = palette.Navy
	Panel   = palette.Panel
	White   = palette.White
	Mist    = palette.Mist
	Gold    = palette.Gold
	Paper   = palette.Paper
	Ink     = palette.Ink
	Soft    = palette.Soft
	Green   = palette.Green
	Red     = palette.Red
	Orange  = palette.Orange
	Blue    = palette.Blue
	Amber   = palette.Amber
	Backing = palette.Backing
)

// canvas is a picture being drawn. unit is 1 for a 1920×1080 zone and grows
// with the square root of the area.
type canvas struct {
	*image.RGBA
	e    *typeset.Engine
	unit float64
	w, h int
	// The languages that take turns here: what is set for one of them leaves
	// the others room, so that nothing jumps when the language turns.
	strut string
}

// turns names the languages that take turns on the canvas.
func (c *canvas) turns(langs []playlist.Language) *canvas {
	var tags []string
	for _, l := range langs {
		tags = append(tags, string(l))
	}
	c.strut = strings.Join(tags, ",")
	return c
}

func newCanvas(e *typeset.Engine, w, h int, back color.RGBA) *canvas {
	w, h = max(w, 8), max(h, 8)
	c := &canvas{RGBA: image.NewRGBA(image.Rect(0, 0, w, h)), e: e, w: w, h: h, unit: unit(w, h)}
	if back.A > 0 {
		draw.Draw(c.RGBA, c.Rect, image.NewUniform(back), image.Point{}, draw.Src)
	}
	return c
}

func unit(w, h int) float64 {
	u := math.Sqrt(float64(w) * float64(h) / (1920 * 1080))
	return min(u, float64(w)/700)
}

// px scales a length given for 1920×1080.
func (c *canvas) px(n float64) int { return int(math.Round(n * c.unit)) }

func (c *canvas) fill(r image.Rectangle, col color.RGBA) {
	draw.Draw(c.RGBA, r, image.NewUniform(col), image.Point{}, draw.Over)
}

// round fills a rectangle with round corners.
func (c *canvas) round(r image.Rectangle, radius int, col color.RGBA) {
	radius = min(radius, r.Dx()/2, r.Dy()/2)
	if radius <= 0 || r.Empty() {
		c.fill(r, col)
		return
	}
	w, h, k := float32(r.Dx()), float32(r.Dy()), float32(radius)
	const bend = 0.5523 // a quarter circle as a cubic curve
	v := vector.NewRasterizer(r.Dx(), r.Dy())
	v.MoveTo(k, 0)
	v.LineTo(w-k, 0)
	v.CubeTo(w-k+k*bend, 0, w, k-k*bend, w, k)
	v.LineTo(w, h-k)
	v.CubeTo(w, h-k+k*bend, w-k+k*bend, h, w-k, h)
	v.LineTo(k, h)
	v.CubeTo(k-k*bend, h, 0, h-k+k*bend, 0, h-k)
	v.LineTo(0, k)
	v.CubeTo(0, k-k*bend, k-k*bend, 0, k, 0)
	v.ClosePath()
	v.Draw(c.RGBA, r, image.NewUniform(col), image.Point{})
}

// text is set text waiting to be placed.
type text struct {
	*typeset.Block
	col color.RGBA
}

func (c *canvas) set(s string, lang playlist.Language, size float64, width int, o options) text {
	col := o.col
	if col.A == 0 {
		col = White
	}
	strut := c.strut
	if o.digits {
		strut = ""
	}
	return text{c.e.Layout(s, typeset.Style{
		Lang: string(lang), Size: math.Round(size * c.unit), Width: max(width, 1), Bold: o.bold,
		MaxLines: o.lines, Lead: o.lead, Centre: o.centre, Balance: o.title, Strut: strut,
	}), col}
}

type options struct {
	bold   bool
	centre bool
	title  bool // lines of about the same length
	digits bool // the same in every language: needs no room for others
	lines  int
	lead   float64
	col    color.RGBA
}

// shrink sets text at the largest size between most and least whose height and
// width fit; at least it is cut with an ellipsis.
func (c *canvas) shrink(s string, lang playlist.Language, most, least float64, width, height int, o options) text {
	for size := most; size > least; size -= max(1, (most-least)/12) {
		t := c.set(s, lang, size, width, o)
		if t.Height <= height && t.Width <= width && !t.Cut && !t.Torn {
			return t
		}
	}
	t := c.set(s, lang, least, width, o)
	if t.Height > height && t.Pitch > 0 {
		o.lines = t.fitting(height)
		t = c.set(s, lang, least, width, o)
	}
	return t
}

// fitting is how many of the text's lines fit a height, at least one.
func (t text) fitting(height int) int {
	one := float64(t.Height) - float64(len(t.Lines)-1)*t.Pitch
	return max(1, 1+int((float64(height)-one)/t.Pitch))
}

func (c *canvas) put(t text, x, y int) { t.Draw(c.RGBA, float64(x), float64(y), t.col) }

// chip draws a word on a round plate with its right or left edge at x, and
// returns the plate.
func (c *canvas) chip(s string, lang playlist.Language, size float64, x, y int, right bool, back, ink color.RGBA) image.Rectangle {
	t := c.set(s, lang, size, c.w, options{col: ink, bold: true, lines: 1})
	padX, padY := c.px(size*0.6), c.px(size*0.18)
	r := image.Rect(x, y, x+t.Width+2*padX, y+t.Height+2*padY)
	if right {
		r = r.Sub(image.Pt(r.Dx(), 0))
	}
	c.round(r, r.Dy()/2, back)
	c.put(t, r.Min.X+padX, r.Min.Y+padY)
	return r
}

// cover draws a picture over all of r, its edges cut.
func (c *canvas) picture(p image.Image, r image.Rectangle) {
	if p != nil {
		draw.Draw(c.RGBA, r, p, p.Bounds().Min, draw.Over)
	}
}

func inset(r image.Rectangle, x, y int) image.Rectangle {
	return image.Rect(r.Min.X+x, r.Min.Y+y, r.Max.X-x, r.Max.Y-y)
}
