package scene

import (
	"image"
	"image/color"
	"image/draw"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"golang.org/x/image/vector"

	"cotmoc/internal/gate"
	"cotmoc/internal/typeset"
	"cotmoc/internal/words"
	"cotmoc/playlist"
)

// Evergreen draws the page of last resort: it names the place and the time.
func Evergreen(e *typeset.Engine, w, h int, place playlist.ProgrammePlace, lang playlist.Language, now time.Time, trusted bool) *image.RGBA {
	c := newCanvas(e, w, h, Navy).turns(place.Languages)
	c.fill(image.Rect(0, h-max(4, c.px(24)), w, h), Gold)
	size := min(c.px(200), h/4)
	logo := drawLogo(size, size)
	c.picture(logo, image.Rect((w-size)/2, h*12/100, (w+size)/2, h*12/100+size))
	name, nameLang := place.Names.In(lang, place.Languages)
	y := h*14/100 + size
	if name != "" {
		hello := c.shrink(words.In(string(lang), "welcome"), lang, 54, 24, w*9/10, h/8, options{col: Gold, centre: true, lines: 1})
		c.put(hello, w*5/100, y)
		y += hello.Height
		title := c.shrink(name, nameLang, 120, 36, w*9/10, h/4, options{bold: true, centre: true, lines: 2, title: true})
		c.put(title, w*5/100, y)
		y += title.Height
	}
	if trusted {
		t := gate.At(now, place.Zone)
		clock := c.shrink(t.Format("15:04"), "en", 150, 40, w*9/10, h/5, options{bold: true, centre: true, lines: 1, digits: true})
		day := words.Weekday(string(lang), t.Weekday()) + "  ·  " + words.Date(string(lang), t)
		date := c.shrink(day, lang, 44, 20, w*9/10, h/10, options{col: Mist, centre: true, lines: 1})
		y = max(y, h-c.px(60)-clock.Height-date.Height)
		c.put(clock, w*5/100, y)
		c.put(date, w*5/100, y+clock.Height)
	}
	if place.Sample {
		c.chip(words.In(string(lang), "sample"), lang, 26, w-c.px(40), c.px(40), true, Gold, Ink)
	}
	return c.RGBA
}

// Notice draws an emergency notice in one language.
func Notice(e *typeset.Engine, w, h int, n playlist.Notice, lang playlist.Language, now time.Time, zone string, trusted bool) *image.RGBA {
	back := map[playlist.Severity]color.RGBA{playlist.Extreme: Red, playlist.Severe: Orange, playlist.Moderate: Blue}[n.Severity]
	c := newCanvas(e, w, h, back).turns(slices.Sorted(maps.Keys(n.Bodies)))
	band := h * 20 / 100
	c.fill(image.Rect(0, 0, w, band), White)
	c.warning(image.Rect(c.px(60), band/6, c.px(60)+band*2/3, band*5/6), back)
	word := c.shrink(words.In(string(lang), string(n.Severity)), lang, 110, 40, w-c.px(180)-band, band*9/10, options{bold: true, col: back, lines: 1})
	c.put(word, c.px(100)+band*2/3, (band-word.Height)/2)
	body := n.Bodies[lang]
	area := image.Rect(c.px(80), band+c.px(50), w-c.px(80), h-c.px(90))
	title := c.shrink(body.Title, lang, 100, 44, area.Dx(), area.Dy()/2, options{bold: true, title: true})
	c.put(title, area.Min.X, area.Min.Y)
	if body.Text != "" {
		y := area.Min.Y + title.Height + c.px(30)
		t := c.shrink(body.Text, lang, 64, 36, area.Dx(), area.Max.Y-y, options{lead: 0.1})
		c.put(t, area.Min.X, y)
	}
	if trusted {
		t := gate.At(now, zone)
		clock := c.set(t.Format("15:04")+"  ·  "+words.Date(string(lang), t), lang, 36, w, options{lines: 1})
		c.put(clock, w-c.px(80)-clock.Width, h-c.px(24)-clock.Height)
	}
	return c.RGBA
}

// warning draws a triangle with an exclamation mark.
func (c *canvas) warning(r image.Rectangle, col color.RGBA) {
	w, h := float32(r.Dx()), float32(r.Dy())
	v := vector.NewRasterizer(r.Dx(), r.Dy())
	v.MoveTo(w/2, 0)
	v.LineTo(w, h)
	v.LineTo(0, h)
	v.ClosePath()
	v.Draw(c.RGBA, r, image.NewUniform(col), image.Point{})
	bar := max(2, r.Dx()/11)
	x := r.Min.X + (r.Dx()-bar)/2
	c.fill(image.Rect(x, r.Min.Y+r.Dy()*36/100, x+bar, r.Min.Y+r.Dy()*70/100), White)
	c.fill(image.Rect(x, r.Min.Y+r.Dy()*78/100, x+bar, r.Min.Y+r.Dy()*78/100+bar), White)
}

// Clock draws a clock zone in lang, one of langs that take turns. An untrusted clock is not shown: the logo is.
func Clock(e *typeset.Engine, w, h int, lang playlist.Language, langs []playlist.Language, now time.Time, zone string, trusted bool) *image.RGBA {
	if !trusted {
		return Logo(e, w, h, nil)
	}
	c := newCanvas(e, w, h, Navy).turns(langs)
	t := gate.At(now, zone)
	in := inset(c.Rect, w/16, h/16)
	day := words.Weekday(string(lang), t.Weekday()) + "\n" + words.Date(string(lang), t)
	if w > h*4 { // a flat zone: beside each other
		digits := c.shrink(t.Format("15:04"), "en", 400, 12, in.Dx()/2, in.Dy(), options{bold: true, lines: 1, digits: true})
		date := c.shrink(day, lang, 120, 10, in.Dx()/2-w/20, in.Dy(), options{col: Mist})
		c.put(digits, in.Min.X, in.Min.Y+(in.Dy()-digits.Height)/2)
		c.put(date, in.Max.X-date.Width, in.Min.Y+(in.Dy()-date.Height)/2)
		return c.RGBA
	}
	digits := c.shrink(t.Format("15:04"), "en", 400, 12, in.Dx(), in.Dy()*55/100, options{bold: true, centre: true, lines: 1, digits: true})
	date := c.shrink(day, lang, 120, 10, in.Dx(), in.Dy()*40/100, options{col: Mist, centre: true})
	top := in.Min.Y + (in.Dy()-digits.Height-date.Height)/2
	c.put(digits, in.Min.X, top)
	c.put(date, in.Min.X, top+digits.Height)
	return c.RGBA
}

// Logo draws a logo zone: the given picture, or the built-in mark.
func Logo(e *typeset.Engine, w, h int, picture *image.RGBA) *image.RGBA {
	c := newCanvas(e, w, h, Navy)
	if picture == nil {
		size := min(w, h) * 8 / 10
		picture = drawLogo(size, size)
	}
	x, y := (w-picture.Rect.Dx())/2, (h-picture.Rect.Dy())/2
	c.picture(picture, picture.Rect.Add(image.Pt(x, y)))
	return c.RGBA
}

// drawLogo draws a border post: a stone with a pointed head on a base.
func drawLogo(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, max(w, 8), max(h, 8)))
	shape := func(col color.RGBA, points ...float32) {
		v := vector.NewRasterizer(img.Rect.Dx(), img.Rect.Dy())
		for i := 0; i < len(points); i += 2 {
			x, y := points[i]*float32(w)/100, points[i+1]*float32(h)/100
			if i == 0 {
				v.MoveTo(x, y)
			} else {
				v.LineTo(x, y)
			}
		}
		v.ClosePath()
		v.Draw(img, img.Rect, image.NewUniform(col), image.Point{})
	}
	shape(Mist, 18, 88, 82, 88, 82, 98, 18, 98)
	shape(White, 30, 26, 50, 4, 70, 26, 74, 88, 26, 88)
	shape(color.RGBA{0xD9, 0x2B, 0x2B, 0xFF}, 33, 34, 67, 34, 69, 54, 31, 54)
	shape(Gold, 31, 60, 69, 60, 70, 65, 30, 65)
	return img
}

// Mark draws the small plate that says why a machine shows nothing of its place's: that
// it is not enrolled, or that it has no display, in the first two of langs.
func Mark(e *typeset.Engine, w, h int, word string, langs []playlist.Language) *image.RGBA {
	c := &canvas{e: e, w: w, h: h, unit: unit(w, h)}
	var lines []text
	width, height := 0, 0
	for _, l := range langs[:min(2, len(langs))] {
		t := c.set(words.In(string(l), word), l, 22, w/2, options{col: White, lines: 1})
		lines = append(lines, t)
		width, height = max(width, t.Width), height+t.Height
	}
	pad := c.px(12)
	c = &canvas{RGBA: image.NewRGBA(image.Rect(0, 0, width+2*pad, height+pad)), e: e, w: w, h: h, unit: c.unit}
	c.round(c.Rect, min(c.Rect.Dy()/2, 2*pad), Backing)
	y := pad / 2
	for _, t := range lines {
		c.put(t, pad, y)
		y += t.Height
	}
	return c.RGBA
}

// Invite draws the band that invites to touch, as wide as the screen, in each language
// that has words for it.
func Invite(e *typeset.Engine, w, h int, langs []playlist.Language) *image.RGBA {
	c := &canvas{e: e, w: w, h: h, unit: unit(w, h)}
	gap := c.px(36)
	lines := [][]text{nil}
	width, height := 0, 0
	for _, l := range langs {
		if !words.Has(string(l)) {
			continue
		}
		b := c.set(words.In(string(l), "touch_invite"), l, 30, w-2*gap, options{col: Ink, lines: 1, bold: true})
		if width += gap + b.Width; width+gap > w && len(lines[len(lines)-1]) > 0 {
			lines, width = append(lines, nil), gap+b.Width
		}
		lines[len(lines)-1] = append(lines[len(lines)-1], b)
		height = max(height, b.Height)
	}
	pad := c.px(8)
	c = newCanvas(e, w, len(lines)*height+2*pad, Gold)
	for i, l := range lines {
		long := -gap
		for _, b := range l {
			long += gap + b.Width
		}
		x := (w - long) / 2
		for _, b := range l {
			c.put(b, x, pad+i*height+(height-b.Height)/2)
			x += b.Width + gap
		}
	}
	return c.RGBA
}

// Pairing draws the plate that shows a machine's enrolment code and the eight words
// that the hub must show as well.
func Pairing(e *typeset.Engine, w, h int, lang playlist.Language, p playlist.Pairing) *image.RGBA {
	c := &canvas{e: e, w: w, h: h, unit: unit(w, h)}
	measure := w * 7 / 10
	half := len(p.Words) / 2
	blocks := []text{
		c.set(words.In(string(lang), "pairing"), lang, 30, measure, options{col: White, lines: 1, centre: true}),
		c.set(p.Code, playlist.English, 84, measure, options{col: Gold, lines: 1, centre: true, bold: true}),
		c.set(strings.Join(p.Words[:half], "   "), playlist.English, 36, measure, options{col: White, lines: 1, centre: true}),
		c.set(strings.Join(p.Words[half:], "   "), playlist.English, 36, measure, options{col: White, lines: 1, centre: true}),
	}
	pad := c.px(28)
	height := pad
	for _, b := range blocks {
		height += b.Height + pad
	}
	c = &canvas{RGBA: image.NewRGBA(image.Rect(0, 0, measure+2*pad, height)), e: e, w: w, h: h, unit: c.unit}
	draw.Draw(c.RGBA, c.Rect, image.NewUniform(color.RGBA{0x10, 0x1A, 0x26, 0xFF}), image.Point{}, draw.Src)
	y := pad
	for _, b := range blocks {
		c.put(b, pad, y)
		y += b.Height + pad
	}
	return c.RGBA
}

// Caption draws captions for a w×h zone, up to two languages one above the
// other. It is nil if there is nothing to say.
func Caption(e *typeset.Engine, w, h int, texts []string, langs []playlist.Language) *image.RGBA {
	c := &canvas{e: e, w: w, h: h, unit: unit(w, h)}
	var blocks []text
	width, height := 0, 0
	for i, s := range texts {
		if strings.TrimSpace(s) == "" || i >= 2 {
			continue
		}
		col := White
		if i == 1 {
			col = Gold
		}
		t := c.shrink(s, langs[i], 48, 30, w*84/100, h*18/100, options{centre: true, col: col})
		blocks = append(blocks, t)
		width, height = max(width, t.Width), height+t.Height
	}
	if len(blocks) == 0 {
		return nil
	}
	measure := w * 84 / 100
	pad := c.px(18)
	out := &canvas{RGBA: image.NewRGBA(image.Rect(0, 0, measure+2*pad, height+2*pad)), e: e, unit: c.unit}
	side := (measure - width) / 2
	out.round(image.Rect(side, 0, side+width+2*pad, height+2*pad), c.px(14), Backing)
	y := pad
	for _, t := range blocks {
		out.put(t, pad, y)
		y += t.Height
	}
	return out.RGBA
}

// maxTicker is how many characters one ticker text may have: at 60 pixels high
// that is three minutes of reading.
const maxTicker = 4000

// TileWidth is the width of a ticker tile, in pixels.
const TileWidth = 1024

// Ticker draws the strip that a ticker moves: texts one after another, cut
// into tiles of TileWidth. The strip's length is returned in pixels.
func Ticker(e *typeset.Engine, h int, texts []string, langs []playlist.Language) (tiles []*image.RGBA, length int) {
	size := math.Round(float64(h) * 0.5)
	type part struct {
		*typeset.Block
		x int
	}
	var parts []part
	gap := h
	strut := (&canvas{}).turns(langs).strut // one baseline for all
	for i, s := range texts {
		s = strings.Join(strings.Fields(s), " ")
		if s == "" {
			continue
		}
		if runes := []rune(s); len(runes) > maxTicker {
			s = string(runes[:typeset.CutAt(runes, maxTicker)]) + "…"
		}
		b := e.Layout(s, typeset.Style{Lang: string(langs[i]), Size: size, Strut: strut})
		parts = append(parts, part{b, length + gap/2})
		length += b.Width + gap
		if length > 400*TileWidth { // 400 tiles of 60 px take 100 MB
			break
		}
	}
	length = min(length, 400*TileWidth)
	for x := 0; x < length; x += TileWidth {
		c := newCanvas(e, min(TileWidth, length-x), h, Navy)
		for _, p := range parts {
			if p.x+p.Width < x || p.x-gap > x+TileWidth {
				continue
			}
			p.Draw(c.RGBA, float64(p.x-x), float64(h-p.Height)/2, White)
			dot := p.x - gap/2 - x
			draw.Draw(c.RGBA, image.Rect(dot-h/14, h/2-h/14, dot+h/14, h/2+h/14), image.NewUniform(Gold), image.Point{}, draw.Src)
		}
		tiles = append(tiles, c.RGBA)
	}
	return tiles, length
}
