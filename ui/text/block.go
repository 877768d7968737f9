// Package text sets words on Fyne's screens with the engine of the stage.
// Fyne's own labels ignore U+200B, cut Lao, Khmer and Thai inside words, clip
// their marks and let fallback fonts wander off the line; whatever is longer
// than a button's word is set here.
package text

import (
	"image"
	"image/color"
	"math"
	"slices"
	"strings"
	"unicode"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"cotmoc/internal/typeset"
)

// engine is shared by all blocks: fonts and glyph pictures are kept once.
var engine = typeset.New()

// Block is a label or a paragraph. It wraps at its own width and is as high as
// its lines are. Fields may be set until it is shown; then change them through
// Set, or call Refresh.
type Block struct {
	widget.BaseWidget

	Spans    []typeset.Span
	Lang     string              // BCP 47
	TextSize fyne.ThemeSizeName  // default: the theme's text
	Colour   fyne.ThemeColorName // default: the theme's foreground
	Bold     bool
	Centre   bool
	Balance  bool   // lines of about the same length, for titles
	MaxLines int    // a longer text ends in an ellipsis; 0: no limit
	Strut    string // languages that take turns here; see typeset.Style
	Wrap     bool   // break lines at the width given; without it one line

	wide float32 // the width that the layout is made for, in Fyne's units

	set   *typeset.Block // the last layout, and what it was made of
	style typeset.Style
	spans []typeset.Span
	shown *renderer
}

// New makes a paragraph in lang.
func New(lang, words string) *Block {
	b := &Block{Spans: []typeset.Span{{Text: words}}, Lang: lang, Wrap: true}
	b.ExtendBaseWidget(b)
	return b
}

// NewLabel makes a single line in lang.
func NewLabel(lang, words string) *Block {
	b := New(lang, words)
	b.Wrap = false
	return b
}

// NewTitle makes a bold title in lang whose lines are about equally long.
func NewTitle(lang, words string) *Block {
	b := New(lang, words)
	b.Bold, b.Balance, b.TextSize = true, true, theme.SizeNameHeadingText
	return b
}

// Set changes language and words.
func (b *Block) Set(lang, words string) {
	b.Lang, b.Spans = lang, []typeset.Span{{Text: words}}
	b.Refresh()
}

// Words is the text without its marks of bold.
func (b *Block) Words() string {
	var all string
	for _, s := range b.Spans {
		all += s.Text
	}
	return all
}

// layout sets the text for the block's width on its canvas. What was set last is
// kept: Fyne asks for sizes again and again.
func (b *Block) layout() *typeset.Block {
	size, scale := b.TextSize, b.scale()
	if size == "" {
		size = theme.SizeNameText
	}
	s := typeset.Style{Lang: b.Lang, Size: math.Round(float64(b.Theme().Size(size) * scale)), Bold: b.Bold, Centre: b.Centre, Balance: b.Balance, MaxLines: b.MaxLines, Strut: b.Strut}
	if b.Wrap && b.wide > 0 {
		s.Width = max(1, int(b.wide*scale))
	}
	if b.set == nil || b.style != s || !slices.Equal(b.spans, b.Spans) {
		b.set, b.style, b.spans = engine.LayoutSpans(b.Spans, s), s, slices.Clone(b.Spans)
	}
	return b.set
}

func (b *Block) scale() float32 {
	if app := fyne.CurrentApp(); app != nil {
		if c := app.Driver().CanvasForObject(b); c != nil && c.Scale() > 0 {
			return c.Scale()
		}
	}
	return 1
}

// narrowest is the measure that a wrapping block asks for at least, in ems.
const narrowest = 6

// MinSize implements fyne.CanvasObject: the height for the width it has.
func (b *Block) MinSize() fyne.Size {
	b.ExtendBaseWidget(b)
	scale := b.scale()
	set := b.layout()
	height := float32(set.Height) / scale
	if !b.Wrap {
		return fyne.NewSize(float32(set.Width)/scale+1, height)
	}
	em := b.Theme().Size(theme.SizeNameText)
	return fyne.NewSize(min(float32(set.Width)/scale+1, narrowest*em), height)
}

// Narrow is the width below which a word would be torn: that of the longest one.
func (b *Block) Narrow() (w float32) {
	size, scale := b.TextSize, b.scale()
	if size == "" {
		size = theme.SizeNameText
	}
	style := typeset.Style{Lang: b.Lang, Size: math.Round(float64(b.Theme().Size(size) * scale)), Bold: b.Bold}
	for _, word := range strings.FieldsFunc(b.Words(), func(r rune) bool { return r == ' ' || r == '\n' || r == '\u200b' || r == '/' || r == '-' }) {
		if strings.ContainsFunc(word, func(r rune) bool { return unicode.In(r, unicode.Han) }) { // a line may end after each
			w = max(w, float32(style.Size)/scale)
			continue
		}
		w = max(w, float32(engine.LayoutSpans([]typeset.Span{{Text: word}}, style).Width)/scale)
	}
	return w
}

// Resize implements fyne.CanvasObject. Another width may mean another height,
// which whoever holds the block must hear of.
func (b *Block) Resize(size fyne.Size) {
	before := b.wide
	b.wide = size.Width
	b.BaseWidget.Resize(size)
	if b.Wrap && before != b.wide {
		b.Refresh()
	}
}

// CreateRenderer implements fyne.Widget.
func (b *Block) CreateRenderer() fyne.WidgetRenderer {
	b.ExtendBaseWidget(b)
	b.shown = &renderer{block: b}
	return b.shown
}

// Release gives back the pictures of a block that is not on the screen any more. Fyne
// keeps what was shown for a minute, which for somebody in a hurry is hundreds of
// megabytes. A block that is shown again draws itself anew.
func (b *Block) Release() {
	if b.shown == nil {
		return
	}
	for _, s := range b.shown.strips {
		s.img = nil
	}
	canvas.Refresh(b) // frees what the graphics card holds
}

// renderer shows the lines in strips: a picture of all of a long text would be
// higher than a graphics card takes.
type renderer struct {
	block  *Block
	strips []*strip
	size   fyne.Size
}

const (
	stripHeight = 1024 // pixels, about
	overhang    = 8    // Fyne's units by which a picture reaches beyond the text on either side: a J's hook lies left of where its line begins
)

// strip is the picture of some lines.
type strip struct {
	raster   *canvas.Raster
	from, to int // lines
	drawn    drawn
	img      *image.RGBA
}

// drawn is what a strip's kept picture shows.
type drawn struct {
	set      *typeset.Line // the first line of a layout names it
	from, to int
	colour   color.Color
	w, h     int
}

// arrange makes as many strips as the lines need and puts each in its place.
func (r *renderer) arrange() {
	set, scale := r.block.layout(), r.block.scale()
	lines := max(1, int(stripHeight/max(set.Pitch, 1)))
	n := max(1, (len(set.Lines)+lines-1)/lines)
	for len(r.strips) < n {
		s := &strip{}
		s.raster = canvas.NewRaster(func(w, h int) image.Image { return r.draw(s, w, h) })
		r.strips = append(r.strips, s)
	}
	r.strips = r.strips[:n]
	for i, s := range r.strips {
		s.from, s.to = i*lines, min((i+1)*lines, len(set.Lines))
		top := float32(float64(i*lines)*set.Pitch) / scale
		bottom := r.size.Height
		if i < n-1 {
			bottom = float32(float64(s.to)*set.Pitch) / scale
		}
		s.raster.Move(fyne.NewPos(-overhang, top))
		s.raster.Resize(fyne.NewSize(r.size.Width+2*overhang, max(0, bottom-top)))
	}
}

// draw makes the picture of a strip, w×h pixels.
func (r *renderer) draw(s *strip, w, h int) image.Image {
	b := r.block
	set := b.layout()
	name := b.Colour
	if name == "" {
		name = theme.ColorNameForeground
	}
	now := drawn{from: s.from, to: s.to, colour: b.Theme().Color(name, theme.VariantDark), w: w, h: h}
	if len(set.Lines) > 0 {
		now.set = &set.Lines[0]
	}
	if s.img == nil || now != s.drawn {
		s.drawn = now
		s.img = image.NewRGBA(image.Rect(0, 0, max(w, 1), max(h, 1)))
		set.DrawLines(s.img, s.from, s.to, math.Round(float64(overhang*b.scale())), 0, now.colour)
	}
	return s.img
}

// Layout implements fyne.WidgetRenderer.
func (r *renderer) Layout(size fyne.Size) {
	r.size = size
	r.arrange()
}

// MinSize implements fyne.WidgetRenderer.
func (r *renderer) MinSize() fyne.Size { return r.block.MinSize() }

// Refresh implements fyne.WidgetRenderer.
func (r *renderer) Refresh() {
	r.arrange()
	for _, s := range r.strips {
		canvas.Refresh(s.raster)
	}
}

// Objects implements fyne.WidgetRenderer.
func (r *renderer) Objects() []fyne.CanvasObject {
	if len(r.strips) == 0 {
		r.arrange()
	}
	out := make([]fyne.CanvasObject, len(r.strips))
	for i, s := range r.strips {
		out[i] = s.raster
	}
	return out
}

// Destroy implements fyne.WidgetRenderer.
func (r *renderer) Destroy() {}
