package scene

import (
	"image"
	"image/color"
	"strings"

	"cotmoc/internal/gate"
	"cotmoc/internal/typeset"
	"cotmoc/internal/words"
	"cotmoc/playlist"
)

// Card is what a gate card shows, and the language that it falls back to.
type Card struct {
	gate.Card
	Fallback playlist.Language
}

// GateCard draws a gate's facts. What is not known says "ask at the counter".
func GateCard(e *typeset.Engine, w, h int, card Card) *image.RGBA {
	c := newCanvas(e, w, h, Navy).turns(card.Langs)
	lang := string(card.Lang)
	margin := c.px(64)
	area := inset(c.Rect, margin, c.px(48))
	y := area.Min.Y
	y += c.gateTitle(card, area, y)
	bottom := area.Max.Y - c.px(48)
	rest := image.Rect(area.Min.X, y+c.px(24), area.Max.X, bottom)
	gap := c.px(28)
	if w > h*11/10 {
		left := image.Rect(rest.Min.X, rest.Min.Y, rest.Min.X+rest.Dx()*52/100, rest.Max.Y)
		right := image.Rect(left.Max.X+gap, rest.Min.Y, rest.Max.X, rest.Max.Y)
		half := left.Min.Y + left.Dy()*42/100
		c.status(card, image.Rect(left.Min.X, left.Min.Y, left.Max.X, half-gap/2))
		c.clocks(card, image.Rect(left.Min.X, half+gap/2, left.Max.X, left.Max.Y))
		c.facts(card, right)
	} else {
		a, b := rest.Min.Y+rest.Dy()*20/100, rest.Min.Y+rest.Dy()*48/100
		c.status(card, image.Rect(rest.Min.X, rest.Min.Y, rest.Max.X, a))
		c.clocks(card, image.Rect(rest.Min.X, a+gap, rest.Max.X, b))
		c.facts(card, image.Rect(rest.Min.X, b+gap, rest.Max.X, rest.Max.Y))
	}
	if note := card.SourceNote(); note != "" {
		t := c.set(note, card.Lang, 24, area.Dx(), options{col: Mist, lines: 1})
		c.put(t, area.Min.X, area.Max.Y-t.Height)
	}
	x := area.Max.X
	if card.Sample {
		r := c.chip(words.In(lang, "sample"), card.Lang, 28, x, area.Min.Y, true, Gold, Ink)
		x = r.Min.X - c.px(16)
	}
	if card.Fallback != "" {
		c.chip(words.In(lang, "fallback", "l", words.LanguageName(string(card.Fallback))), card.Lang, 24, x, area.Min.Y, true, Panel, White)
	}
	return c.RGBA
}

// gateTitle draws class and name and returns their height.
func (c *canvas) gateTitle(card Card, area image.Rectangle, y int) int {
	class := card.Class
	if class == "" {
		class = "other"
	}
	kind := c.set(words.In(string(card.Lang), "gate_"+class), card.Lang, 40, area.Dx()*2/3, options{col: Gold, bold: true, lines: 1})
	c.put(kind, area.Min.X, y)
	name, lang := card.Names.In(card.Lang, card.Langs)
	t := c.shrink(name, lang, 110, 60, area.Dx(), c.px(170), options{bold: true, lines: 1})
	c.put(t, area.Min.X, y+kind.Height)
	height := kind.Height + t.Height
	var places []string
	if p, _ := card.Province.In(card.Lang, card.Langs); p != "" {
		places = append(places, p)
	}
	if n := card.Neighbour; n != nil {
		if o, _ := n.Gate.In(card.Lang, card.Langs); o != "" {
			country, _ := n.Names.In(card.Lang, card.Langs)
			places = append(places, words.In(string(card.Lang), "opposite")+": "+strings.TrimSuffix(o+", "+country, ", "))
		}
	}
	if len(places) > 0 {
		s := c.set(strings.Join(places, "   ·   "), card.Lang, 34, area.Dx(), options{col: Mist, lines: 1})
		c.put(s, area.Min.X, y+height)
		height += s.Height
	}
	return height
}

// status draws open or closed and the next change, in both sides' time.
func (c *canvas) status(card Card, r image.Rectangle) {
	state, word, detail := card.Status()
	back := map[gate.State]color.RGBA{gate.Unknown: Amber, gate.Open: Green, gate.Closed: Red}[state]
	c.round(r, c.px(24), back)
	in := inset(r, c.px(36), c.px(20))
	small := c.shrink(detail, card.Lang, 40, 26, in.Dx(), in.Dy()*45/100, options{lines: 2})
	big := c.shrink(word, card.Lang, 88, 44, in.Dx(), in.Dy()-small.Height, options{bold: true, lines: 2})
	top := in.Min.Y + max(0, (in.Dy()-big.Height-small.Height)/2)
	if state == gate.Unknown && detail != "" { // the question first, then the advice
		c.put(small, in.Min.X, top)
		c.put(big, in.Min.X, top+small.Height)
		return
	}
	c.put(big, in.Min.X, top)
	c.put(small, in.Min.X, top+big.Height)
}

// clocks draws the two clocks side by side.
func (c *canvas) clocks(card Card, r image.Rectangle) {
	zones := card.Zones()
	gap := c.px(28)
	width := (r.Dx() - gap*(len(zones)-1)) / len(zones)
	for i, z := range zones {
		box := image.Rect(r.Min.X+i*(width+gap), r.Min.Y, r.Min.X+i*(width+gap)+width, r.Max.Y)
		c.round(box, c.px(24), Panel)
		in := inset(box, c.px(24), c.px(20))
		label := c.shrink(words.In(string(card.Lang), z[0]), card.Lang, 36, 22, in.Dx(), in.Dy()/4, options{col: Gold, centre: true, lines: 1})
		c.put(label, in.Min.X, in.Min.Y)
		if !card.Trusted {
			ask := c.shrink(words.In(string(card.Lang), "ask"), card.Lang, 52, 24, in.Dx(), in.Dy()-label.Height, options{centre: true, lines: 2})
			c.put(ask, in.Min.X, in.Min.Y+label.Height+max(0, (in.Dy()-label.Height-ask.Height)/2))
			continue
		}
		t := gate.At(card.Now, z[1])
		day := words.Weekday(string(card.Lang), t.Weekday()) + "  ·  " + words.Date(string(card.Lang), t)
		date := c.shrink(day, card.Lang, 30, 20, in.Dx(), in.Dy()/3, options{col: Mist, centre: true, lines: 2})
		digits := c.shrink(t.Format("15:04"), "en", 150, 50, in.Dx(), in.Dy()-label.Height-date.Height, options{bold: true, centre: true, lines: 1, digits: true})
		middle := in.Min.Y + label.Height + (in.Dy()-label.Height-date.Height-digits.Height)/2
		c.put(digits, in.Min.X, middle)
		c.put(date, in.Min.X, in.Max.Y-date.Height)
	}
}

func (c *canvas) facts(card Card, r image.Rectangle) {
	lang := string(card.Lang)
	c.round(r, c.px(24), Panel)
	in := inset(r, c.px(36), c.px(20))
	height := in.Dy() / len(gate.Rows)
	for i, row := range gate.Rows {
		y := in.Min.Y + i*height
		if i > 0 {
			c.fill(image.Rect(in.Min.X, y, in.Max.X, y+max(1, c.px(2))), color.RGBA{0x2B, 0x50, 0x79, 0xFF})
		}
		value, vlang, known := card.Value(row.Kind)
		col := White
		if !known {
			col = Mist
		}
		// The label stands left of its value: both can be large.
		split := in.Dx() * 36 / 100
		label := c.shrink(words.In(lang, row.Key), card.Lang, 34, 20, split-c.px(12), height-c.px(10), options{col: Gold, lines: 2})
		v := c.shrink(value, vlang, 40, 22, in.Dx()-split, height-c.px(10), options{col: col, lines: 3})
		middle := func(t text) int { return y + c.px(4) + max(0, (height-c.px(4)-t.Height)/2) }
		c.put(label, in.Min.X, middle(label))
		c.put(v, in.Min.X+split, middle(v))
	}
}
