package stage

import (
	"image"
	"image/color"
	"math"

	"github.com/hajimehoshi/ebiten/v2"
)

// painter draws straight onto the final screen: an offscreen would be
// composited a second time, which without a GPU costs a third of the frame rate.
type painter struct {
	screen ebiten.FinalScreen
	turn   ebiten.GeoM // canvas to screen
	exact  bool        // turn keeps pixels whole
	pixel  *ebiten.Image
}

// newPainter maps a w×h canvas, turned clockwise by rotation degrees, onto the
// screen.
func newPainter(screen ebiten.FinalScreen, w, h, rotation int, pixel *ebiten.Image) *painter {
	p := &painter{screen: screen, pixel: pixel, exact: true}
	switch rotation {
	case 90:
		p.turn.Rotate(math.Pi / 2)
		p.turn.Translate(float64(h), 0)
	case 180:
		p.turn.Rotate(math.Pi)
		p.turn.Translate(float64(w), float64(h))
	case 270:
		p.turn.Rotate(-math.Pi / 2)
		p.turn.Translate(0, float64(w))
	}
	if rotation == 90 || rotation == 270 {
		w, h = h, w
	}
	if b := screen.Bounds(); b.Dx() != w || b.Dy() != h {
		p.turn.Scale(float64(b.Dx())/float64(w), float64(b.Dy())/float64(h))
		p.exact = false
	}
	return p
}

// image draws img with its top left corner at at, clipped to zone.
func (p *painter) image(img *ebiten.Image, at image.Point, zone image.Rectangle, l look) {
	if img == nil || l.alpha <= 0 {
		return
	}
	at.X += l.shift
	whole := img.Bounds().Add(at)
	seen := whole.Intersect(zone)
	if seen.Empty() {
		return
	}
	if seen != whole {
		img = img.SubImage(seen.Sub(at)).(*ebiten.Image)
	}
	op := &ebiten.DrawImageOptions{}
	op.GeoM.Translate(float64(seen.Min.X), float64(seen.Min.Y))
	op.GeoM.Concat(p.turn)
	if l.alpha < 1 {
		op.ColorScale.ScaleAlpha(l.alpha)
	}
	if !p.exact {
		op.Filter = ebiten.FilterLinear
	}
	if l.alpha >= 1 {
		op.Blend = ebiten.BlendCopy
	}
	p.screen.DrawImage(img, op)
}

// fill draws a rectangle of one colour.
func (p *painter) fill(r image.Rectangle, c color.RGBA, alpha float32) {
	if r.Empty() || alpha <= 0 {
		return
	}
	op := &ebiten.DrawImageOptions{}
	op.GeoM.Scale(float64(r.Dx()), float64(r.Dy()))
	op.GeoM.Translate(float64(r.Min.X), float64(r.Min.Y))
	op.GeoM.Concat(p.turn)
	op.ColorScale.ScaleWithColor(c)
	op.ColorScale.ScaleAlpha(alpha)
	p.screen.DrawImage(p.pixel, op)
}

// surround fills what a picture at inner leaves free of the zone.
func (p *painter) surround(zone, inner image.Rectangle, c color.RGBA, l look) {
	inner = inner.Add(image.Pt(l.shift, 0)).Intersect(zone)
	if inner.Empty() {
		p.fill(zone, c, l.alpha)
		return
	}
	for _, r := range []image.Rectangle{
		{zone.Min, image.Pt(zone.Max.X, inner.Min.Y)},
		{image.Pt(zone.Min.X, inner.Max.Y), zone.Max},
		{image.Pt(zone.Min.X, inner.Min.Y), image.Pt(inner.Min.X, inner.Max.Y)},
		{image.Pt(inner.Max.X, inner.Min.Y), image.Pt(zone.Max.X, inner.Max.Y)},
	} {
		p.fill(r, c, l.alpha)
	}
}
