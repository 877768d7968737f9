package scene

import (
	"image"
	"image/color"
	"time"

	"cotmoc/internal/typeset"
	"cotmoc/internal/words"
	"cotmoc/player/timeline"
	"cotmoc/playlist"
)

// Column is a bulletin in one language.
type Column struct {
	Lang     playlist.Language
	Title    string
	Text     string
	Fallback playlist.Language // the language that was wanted and is not there
}

// Bulletin is a text item laid out for a zone: one language, or two side by
// side, paged where it is long.
type Bulletin struct {
	W, H    int
	Columns []Column
	Picture *image.RGBA // already cut to PictureSize, or nil
	Source  string
	Date    time.Time
	Langs   []playlist.Language // that take turns here
	e       *typeset.Engine
	body    []text
	lines   int // body lines on a page
	pages   int
}

const (
	bodyMost  = 76 // body sizes at 1920×1080
	bodyLeast = 40
	maxPages  = 60
)

// PictureSize is the part of a w×h zone that a bulletin's picture fills.
func PictureSize(w, h int) (pw, ph int) {
	if w >= h {
		return w * 36 / 100, h
	}
	return w, h * 30 / 100
}

// NewBulletin lays the columns out. The body is set at the largest size that
// fits one page, else in pages at the smallest.
func NewBulletin(e *typeset.Engine, b Bulletin) *Bulletin {
	b.e = e
	b.pages = 1
	size := float64(bodyMost)
	for _, c := range b.Columns {
		if len(c.Text) > 4000 { // needs pages at any size: set it once only
			size = bodyLeast
		}
	}
	for ; ; size -= 4 {
		b.body, b.lines, b.pages = nil, 1<<30, 1
		for i := range b.Columns {
			c, area, _ := b.frame(i, nil)
			t := c.set(b.Columns[i].Text, b.Columns[i].Lang, size, area.Dx(), options{col: Ink, lead: 0.12})
			lines := t.fitting(area.Dy())
			b.body = append(b.body, t)
			b.lines = min(b.lines, lines)
		}
		for _, t := range b.body { // columns turn their pages together
			b.pages = max(b.pages, (len(t.Lines)+b.lines-1)/b.lines)
		}
		if b.pages == 1 || size <= bodyLeast {
			break
		}
	}
	b.pages = min(b.pages, maxPages)
	return &b
}

// Pages is the number of pages, at least 1.
func (b *Bulletin) Pages() int { return b.pages }

// Reading is how long a page stays.
func (b *Bulletin) Reading(page int) time.Duration {
	var longest time.Duration
	for i, t := range b.body {
		words := b.Columns[i].Title
		for n := page * b.lines; n < min((page+1)*b.lines, len(t.Lines)); n++ {
			words += t.Lines[n].Text
		}
		longest = max(longest, timeline.ReadingTime(b.Columns[i].Lang, words))
	}
	return longest
}

// Draw draws a page, from 0.
func (b *Bulletin) Draw(page int) *image.RGBA {
	c := newCanvas(b.e, b.W, b.H, Paper).turns(b.Langs)
	if b.Picture != nil {
		_, r := b.split()
		c.picture(b.Picture, r)
	}
	for i, t := range b.body {
		_, area, _ := b.frame(i, c)
		from := page * b.lines
		t.DrawLines(c.RGBA, from, min(from+b.lines, len(t.Lines)), float64(area.Min.X), float64(area.Min.Y), Ink)
	}
	b.footer(c, page)
	return c.RGBA
}

// split divides the zone into text and picture.
func (b *Bulletin) split() (words, picture image.Rectangle) {
	all := image.Rect(0, 0, b.W, b.H)
	if b.Picture == nil {
		return all, image.Rectangle{}
	}
	pw, ph := PictureSize(b.W, b.H)
	if b.W >= b.H {
		return image.Rect(0, 0, b.W-pw, b.H), image.Rect(b.W-pw, 0, b.W, b.H)
	}
	return image.Rect(0, ph, b.W, b.H), image.Rect(0, 0, b.W, ph)
}

// frame draws (if c is given) a column's title and returns its body's area.
func (b *Bulletin) frame(i int, c *canvas) (*canvas, image.Rectangle, text) {
	draws := c != nil
	if !draws {
		c = (&canvas{e: b.e, w: b.W, h: b.H, unit: unit(b.W, b.H)}).turns(b.Langs)
	}
	area, _ := b.split()
	n := len(b.Columns)
	width := area.Dx() / n
	col := image.Rect(area.Min.X+i*width, area.Min.Y, area.Min.X+(i+1)*width, area.Max.Y)
	if draws {
		c.fill(image.Rect(col.Min.X, col.Min.Y, col.Max.X, col.Min.Y+c.px(14)), Navy)
		if i > 0 {
			c.fill(image.Rect(col.Min.X-1, col.Min.Y+c.px(60), col.Min.X+1, col.Max.Y-c.px(120)), color.RGBA{0xC9, 0xCE, 0xD4, 0xFF})
		}
	}
	col = inset(col, c.px(72), c.px(64))
	column := b.Columns[i]
	if column.Fallback != "" && draws {
		c.chip(words.In(string(column.Lang), "fallback", "l", words.LanguageName(string(column.Fallback))),
			column.Lang, 24, col.Min.X, col.Min.Y-c.px(30), false, color.RGBA{0xE7, 0xE2, 0xD4, 0xFF}, Soft)
	}
	if column.Fallback != "" {
		col.Min.Y += c.px(28)
	}
	title := c.shrink(column.Title, column.Lang, 84, 52, col.Dx(), b.H*30/100, options{bold: true, col: Navy, title: true})
	if column.Title == "" {
		title.Height = 0
	}
	if draws {
		c.put(title, col.Min.X, col.Min.Y)
		y := col.Min.Y + title.Height + c.px(14)
		c.fill(image.Rect(col.Min.X, y, col.Min.X+c.px(120), y+max(2, c.px(7))), Gold)
	}
	body := image.Rect(col.Min.X, col.Min.Y+title.Height+c.px(44), col.Max.X, col.Max.Y-c.px(44))
	return c, body, title
}

func (b *Bulletin) footer(c *canvas, page int) {
	area, _ := b.split()
	lang := b.Columns[0].Lang
	y := area.Max.Y - c.px(64)
	note := ""
	if b.Source != "" {
		note = words.In(string(lang), "source", "s", b.Source)
	}
	if !b.Date.IsZero() {
		if note != "" {
			note += "  ·  "
		}
		note += words.Date(string(lang), b.Date)
	}
	right := area.Max.X - c.px(72)
	if b.pages > 1 {
		t := c.set(words.In(string(lang), "page", "n", words.Number(string(lang), page+1), "m", words.Number(string(lang), b.pages)), lang, 26, area.Dx()/3, options{col: Soft, lines: 1})
		c.put(t, right-t.Width, y)
		right -= t.Width + c.px(40)
	}
	if note != "" {
		t := c.set(note, lang, 26, right-area.Min.X-c.px(72), options{col: Soft, lines: 1})
		c.put(t, area.Min.X+c.px(72), y)
	}
}
