package typeset

import (
	"image"
	"image/color"
	"math"
	"unicode"

	"github.com/go-text/typesetting/font"
	ot "github.com/go-text/typesetting/font/opentype"
	"github.com/go-text/typesetting/shaping"
	"golang.org/x/image/vector"
)

// maskKey names a glyph picture: subpixel positions are quarters of a pixel.
type maskKey struct {
	face *font.Font
	gid  font.GID
	size int32 // 26.6
	sub  uint8 // right of a whole pixel, in quarters
	up   uint8 // above one
	fake bool  // a regular face drawn bold
}

type mask struct {
	alpha *image.Alpha
	x, y  int // offset of the picture from the pen
}

// maskCache holds glyph pictures up to a bound, then starts afresh: a page
// fills it again in milliseconds.
type maskCache struct {
	masks map[maskKey]mask
	bytes int
}

const maxMaskBytes = 24 << 20

// Draw draws the block with its top left corner at x, y.
func (b *Block) Draw(dst *image.RGBA, x, y float64, c color.Color) {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	ink := color.RGBAModel.Convert(c).(color.RGBA)
	for _, l := range b.Lines {
		b.e.drawLine(dst, l, x+l.x, math.Round(y+l.Base), ink)
	}
}

// DrawLines draws lines [from, to) so that line from is the topmost.
func (b *Block) DrawLines(dst *image.RGBA, from, to int, x, y float64, c color.Color) {
	b.e.mu.Lock()
	defer b.e.mu.Unlock()
	ink := color.RGBAModel.Convert(c).(color.RGBA)
	for i := from; i < min(to, len(b.Lines)); i++ {
		l := b.Lines[i]
		b.e.drawLine(dst, l, x+l.x, math.Round(y+l.Base-float64(from)*b.Pitch), ink)
	}
}

func (e *Engine) drawLine(dst *image.RGBA, l Line, x, base float64, ink color.RGBA) {
	for _, run := range l.runs {
		for _, g := range run.Glyphs {
			px := x + float64(g.XOffset)/64
			py := base - float64(g.YOffset)/64
			e.drawGlyph(dst, run, g.GlyphID, px, py, ink)
			x += float64(g.Advance) / 64
		}
	}
}

func (e *Engine) drawGlyph(dst *image.RGBA, run shaping.Output, gid font.GID, x, y float64, ink color.RGBA) {
	whole, row := math.Floor(x), math.Ceil(y)
	key := maskKey{run.Face.Font, gid, int32(run.Size), uint8((x - whole) * 4), uint8((row - y) * 4), e.families[true].faked[run.Face]}
	m, ok := e.masks.masks[key]
	if !ok {
		m = rasterise(run, gid, float64(key.sub)/4, float64(key.up)/4, key.fake)
		e.masks.add(key, m)
	}
	if m.alpha != nil {
		blend(dst, m.alpha, int(whole)+m.x, int(row)+m.y, ink)
	}
}

func (c *maskCache) add(key maskKey, m mask) {
	if m.alpha != nil {
		c.bytes += len(m.alpha.Pix)
	}
	if c.masks == nil || c.bytes > maxMaskBytes {
		c.masks, c.bytes = map[maskKey]mask{}, 0
	}
	c.masks[key] = m
}

// fatness is how much wider than a regular stroke a bold one is drawn where no
// bold face is carried, in ems.
const fatness = 0.032

func rasterise(run shaping.Output, gid font.GID, sub, up float64, fake bool) mask {
	outline, ok := run.Face.GlyphDataOutline(gid)
	if !ok || len(outline.Segments) == 0 {
		return mask{}
	}
	size := float32(run.Size) / 64
	scale := size / float32(run.Face.Upem())
	shifts := []float32{0}
	if fake { // strokes overlap and so grow together
		fat := fatness * size
		shifts = []float32{-fat / 2, -fat / 6, fat / 6, fat / 2}
	}
	at := func(p ot.SegmentPoint) (float32, float32) { return p.X*scale + float32(sub), -p.Y*scale - float32(up) }
	minX, minY, maxX, maxY := float32(math.MaxFloat32), float32(math.MaxFloat32), float32(-math.MaxFloat32), float32(-math.MaxFloat32)
	for _, s := range outline.Segments {
		for _, p := range s.ArgsSlice() {
			x, y := at(p)
			minX, maxX, minY, maxY = min(minX, x), max(maxX, x), min(minY, y), max(maxY, y)
		}
	}
	left, top := int(math.Floor(float64(minX+shifts[0]))), int(math.Floor(float64(minY)))
	w, h := int(math.Ceil(float64(maxX+shifts[len(shifts)-1])))-left, int(math.Ceil(float64(maxY)))-top
	if w <= 0 || h <= 0 || w > 8192 || h > 8192 {
		return mask{}
	}
	alpha := image.NewAlpha(image.Rect(0, 0, w, h))
	for _, shift := range shifts {
		pt := func(p ot.SegmentPoint) (float32, float32) {
			x, y := at(p)
			return x - float32(left) + shift, y - float32(top)
		}
		// A raster for each: added up in one, the counters of letters would fill.
		r := vector.NewRasterizer(w, h)
		trace(r, outline.Segments, pt)
		r.Draw(alpha, alpha.Rect, image.Opaque, image.Point{})
	}
	return mask{alpha, left, top}
}

func trace(r *vector.Rasterizer, segments []font.Segment, pt func(ot.SegmentPoint) (float32, float32)) {
	for i, s := range segments {
		x, y := pt(s.Args[0])
		switch s.Op {
		case ot.SegmentOpMoveTo:
			if i > 0 {
				r.ClosePath()
			}
			r.MoveTo(x, y)
		case ot.SegmentOpLineTo:
			r.LineTo(x, y)
		case ot.SegmentOpQuadTo:
			x1, y1 := pt(s.Args[1])
			r.QuadTo(x, y, x1, y1)
		case ot.SegmentOpCubeTo:
			x1, y1 := pt(s.Args[1])
			x2, y2 := pt(s.Args[2])
			r.CubeTo(x, y, x1, y1, x2, y2)
		}
	}
	r.ClosePath()
}

// blend lays ink through an alpha mask over dst (premultiplied).
func blend(dst *image.RGBA, m *image.Alpha, x, y int, ink color.RGBA) {
	area := image.Rect(x, y, x+m.Rect.Dx(), y+m.Rect.Dy()).Intersect(dst.Rect)
	for py := area.Min.Y; py < area.Max.Y; py++ {
		src := m.Pix[(py-y)*m.Stride+area.Min.X-x:]
		d := dst.Pix[dst.PixOffset(area.Min.X, py):]
		for i := range area.Dx() {
			a := uint32(src[i])
			if a == 0 {
				continue
			}
			p := d[i*4 : i*4+4 : i*4+4]
			inv := 255 - a*uint32(ink.A)/255
			p[0] = uint8((uint32(ink.R)*a + uint32(p[0])*inv) / 255)
			p[1] = uint8((uint32(ink.G)*a + uint32(p[1])*inv) / 255)
			p[2] = uint8((uint32(ink.B)*a + uint32(p[2])*inv) / 255)
			p[3] = uint8((uint32(ink.A)*a + uint32(p[3])*inv) / 255)
		}
	}
}

// combines says whether r attaches to the character before it.
func combines(r rune) bool {
	return unicode.In(r, unicode.M) || r == 0x200D || r == 0x0E33 || r == 0x0EB3
}
