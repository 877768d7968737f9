package touch

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"cotmoc/ui/text"
)

// tile is whatever a finger may touch: a plate with anything on it. It answers at once,
// by light and dark and not by hue alone. The glass presses it.
type tile struct {
	widget.BaseWidget
	inside  fyne.CanvasObject
	blocks  []*text.Block
	inks    []fyne.ThemeColorName // of the blocks, while nothing is pressed
	fill    fyne.ThemeColorName
	chosen  bool
	dim     bool // nothing to do there now
	pressed bool
	middle  bool // what is on it stands in the middle of its height
	least   fyne.Size
	tapped  func()
}

// newTile puts blocks below each other on a plate.
func newTile(tapped func(), blocks ...*text.Block) *tile {
	t := &tile{blocks: blocks, fill: theme.ColorNameButton, middle: true, tapped: tapped}
	var all []fyne.CanvasObject
	for _, b := range blocks {
		all = append(all, b)
		ink := b.Colour
		if ink == "" {
			ink = theme.ColorNameForeground
		}
		t.inks = append(t.inks, ink)
	}
	t.inside = container.New(inset{16, 8}, text.NewColumn(all...))
	t.ExtendBaseWidget(t)
	return t
}

// newChip puts one line in the middle of a plate that is no larger than it must be.
func newChip(tapped func(), label *text.Block, padding float32) *tile {
	t := newTile(tapped, label)
	t.inside = container.New(inset{padding, padding / 2}, container.NewCenter(label))
	return t
}

// narrow is the width of the longest word on it.
func (t *tile) narrow() (w float32) {
	for _, b := range t.blocks {
		w = max(w, b.Narrow())
	}
	return w
}

func (t *tile) press(on bool) {
	if t.pressed == on {
		return
	}
	t.pressed = on
	t.Refresh()
}

// CreateRenderer implements fyne.Widget.
func (t *tile) CreateRenderer() fyne.WidgetRenderer {
	t.ExtendBaseWidget(t)
	r := &tileRenderer{t: t, plate: canvas.NewRectangle(nil)}
	r.plate.CornerRadius = 14
	r.paint()
	return r
}

type tileRenderer struct {
	t     *tile
	plate *canvas.Rectangle
}

func (r *tileRenderer) paint() {
	th := r.t.Theme()
	name := r.t.fill
	dark := r.t.pressed || r.t.chosen
	if dark {
		name = theme.ColorNameForeground
	}
	r.plate.FillColor = th.Color(name, theme.VariantDark)
	r.plate.StrokeColor = th.Color(theme.ColorNamePrimary, theme.VariantDark)
	r.plate.StrokeWidth = 0
	if th.Color(theme.ColorNameButton, theme.VariantDark) == th.Color(theme.ColorNameBackground, theme.VariantDark) {
		r.plate.StrokeWidth = 2 // plates of the ground's own colour need an edge
	}
	for i, b := range r.t.blocks {
		b.Colour = r.t.inks[i]
		if r.t.dim {
			b.Colour = theme.ColorNameButton
		}
		if dark {
			b.Colour = theme.ColorNameBackground
		}
	}
}

// Layout implements fyne.WidgetRenderer.
func (r *tileRenderer) Layout(size fyne.Size) {
	r.plate.Resize(size)
	r.t.inside.Resize(size)
	height := min(size.Height, r.t.inside.MinSize().Height)
	top := float32(0)
	if r.t.middle {
		top = (size.Height - height) / 2
	}
	r.t.inside.Move(fyne.NewPos(0, max(0, top)))
	r.t.inside.Resize(fyne.NewSize(size.Width, height))
}

// MinSize implements fyne.WidgetRenderer.
func (r *tileRenderer) MinSize() fyne.Size { return r.t.inside.MinSize().Max(r.t.least) }

// Refresh implements fyne.WidgetRenderer.
func (r *tileRenderer) Refresh() {
	r.paint()
	r.plate.Refresh()
	for _, b := range r.t.blocks {
		b.Refresh()
	}
}

// Objects implements fyne.WidgetRenderer.
func (r *tileRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{r.plate, r.t.inside}
}

// Destroy implements fyne.WidgetRenderer.
func (r *tileRenderer) Destroy() {}
