// Package text sets words on Fyne's screens with the engine of the stage.
// Fyne's own labels ignore U+200B, cut Lao, Khmer and Thai inside words, clip
// their marks and let fallback fonts wander off the line; whatever is longer
// than a button's word is set here.
package text

import (
	"image"
	"image/color"
	"image/draw"
	"math"

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

	wide float32 // the width that the layout was made for, in Fyne's units
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

// layout sets the text for a width in Fyne's units on a canvas of that scale;
// 0 means no width.
func (b *Block) layout(width, scale float32) *typeset.Block {
	size := b.TextSize
	if size == "" {
		size = theme.SizeNameText
	}
	s := typeset.Style{Lang: b.Lang, Size: float64(b.Theme().Size(size) * scale), Bold: b.Bold, Centre: b.Centre, Balance: b.Balance, MaxLines: b.MaxLines, Strut: b.Strut}
	if b.Wrap && width > 0 {
		s.Width = max(1, int(width*scale))
	}
	return engine.LayoutSpans(b.Spans, s)
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
	set := b.layout(b.wide, scale)
	height := float32(set.Height) / scale
	if !b.Wrap {
		return fyne.NewSize(float32(set.Width)/scale+1, height)
	}
	em := b.Theme().Size(theme.SizeNameText)
	return fyne.NewSize(min(float32(set.Width)/scale+1, narrowest*em), height)
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
	r := &renderer{block: b}
	r.raster = canvas.NewRaster(r.draw)
	return r
}

type renderer struct {
	block  *Block
	raster *canvas.Raster
	drawn  drawn
	img    *image.RGBA
}

// drawn is what the kept picture shows.
type drawn struct {
	set    *typeset.Line // the first line of a layout names it
	colour color.Color
	w, h   int
	height int
}

// overhang is how far the picture reaches beyond the text's own box on either
// side, in Fyne's units: a J's hook lies left of where its line begins.
const overhang = 8

// draw makes the picture for w×h pixels.
func (r *renderer) draw(w, h int) image.Image {
	b := r.block
	scale := float32(w) / (b.wide + 2*overhang)
	set := b.layout(b.wide, scale)
	name := b.Colour
	if name == "" {
		name = theme.ColorNameForeground
	}
	now := drawn{colour: b.Theme().Color(name, theme.VariantDark), w: w, h: h, height: set.Height}
	if len(set.Lines) > 0 {
		now.set = &set.Lines[0]
	}
	if r.img == nil || now != r.drawn {
		r.drawn = now
		r.img = image.NewRGBA(image.Rect(0, 0, max(w, 1), max(h, 1)))
		draw.Draw(r.img, r.img.Rect, image.Transparent, image.Point{}, draw.Src)
		set.Draw(r.img, math.Round(float64(overhang*scale)), 0, now.colour)
	}
	return r.img
}

// Layout implements fyne.WidgetRenderer.
func (r *renderer) Layout(size fyne.Size) {
	r.raster.Move(fyne.NewPos(-overhang, 0))
	r.raster.Resize(size.AddWidthHeight(2*overhang, 0))
}

// MinSize implements fyne.WidgetRenderer.
func (r *renderer) MinSize() fyne.Size { return r.block.MinSize() }

// Refresh implements fyne.WidgetRenderer.
func (r *renderer) Refresh() { canvas.Refresh(r.raster) }

// Objects implements fyne.WidgetRenderer.
func (r *renderer) Objects() []fyne.CanvasObject { return []fyne.CanvasObject{r.raster} }

// Destroy implements fyne.WidgetRenderer.
func (r *renderer) Destroy() {}
