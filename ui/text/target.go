package text

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// Target is text on a plate that can be touched: a tile, a row of a list. It
// can be selected, and reached with a keyboard.
type Target struct {
	widget.BaseWidget

	Block    *Block
	Selected bool
	OnTapped func()
	Least    fyne.Size // at least so large: fingers need 20 mm, which is for the screen to say

	pressed, focused bool
}

var (
	_ fyne.Tappable     = (*Target)(nil)
	_ fyne.Focusable    = (*Target)(nil)
	_ desktop.Mouseable = (*Target)(nil)
)

// NewTarget makes a target of a text.
func NewTarget(b *Block, tapped func()) *Target {
	t := &Target{Block: b, OnTapped: tapped}
	t.ExtendBaseWidget(t)
	return t
}

// Select marks the target as the chosen one, or not.
func (t *Target) Select(on bool) {
	t.Selected = on
	t.Refresh()
}

// Tapped implements fyne.Tappable.
func (t *Target) Tapped(*fyne.PointEvent) {
	if t.OnTapped != nil {
		t.OnTapped()
	}
}

// MouseDown implements desktop.Mouseable: a touch is answered at once.
func (t *Target) MouseDown(*desktop.MouseEvent) { t.press(true) }

// MouseUp implements desktop.Mouseable.
func (t *Target) MouseUp(*desktop.MouseEvent) { t.press(false) }

func (t *Target) press(on bool) {
	t.pressed = on
	t.Refresh()
}

// FocusGained implements fyne.Focusable.
func (t *Target) FocusGained() { t.focus(true) }

// FocusLost implements fyne.Focusable.
func (t *Target) FocusLost() { t.focus(false) }

func (t *Target) focus(on bool) {
	t.focused = on
	t.Refresh()
}

// TypedRune implements fyne.Focusable.
func (t *Target) TypedRune(rune) {}

// TypedKey implements fyne.Focusable: Enter and Space are a touch.
func (t *Target) TypedKey(e *fyne.KeyEvent) {
	if e.Name == fyne.KeyReturn || e.Name == fyne.KeyEnter || e.Name == fyne.KeySpace {
		t.Tapped(nil)
	}
}

// CreateRenderer implements fyne.Widget.
func (t *Target) CreateRenderer() fyne.WidgetRenderer {
	t.ExtendBaseWidget(t)
	r := &targetRenderer{t: t, plate: canvas.NewRectangle(nil), bar: canvas.NewRectangle(nil)}
	r.plate.CornerRadius = 12
	r.bar.CornerRadius = 3
	r.inside = container.NewPadded(container.NewPadded(t.Block))
	r.paint()
	return r
}

type targetRenderer struct {
	t          *Target
	plate, bar *canvas.Rectangle
	inside     *fyne.Container
}

func (r *targetRenderer) paint() {
	th := r.t.Theme()
	colour := func(n fyne.ThemeColorName) { r.plate.FillColor = th.Color(n, theme.VariantDark) }
	colour(theme.ColorNameButton)
	r.t.Block.Colour = theme.ColorNameForeground
	if r.t.pressed || r.t.Selected { // by light and dark, not by hue alone
		colour(theme.ColorNameForeground)
		r.t.Block.Colour = theme.ColorNameBackground
	}
	r.bar.FillColor = th.Color(theme.ColorNamePrimary, theme.VariantDark)
	r.bar.Hidden = !r.t.Selected && !r.t.focused
}

// Layout implements fyne.WidgetRenderer.
func (r *targetRenderer) Layout(size fyne.Size) {
	r.plate.Resize(size)
	r.bar.Resize(fyne.NewSize(6, size.Height))
	least := r.inside.MinSize()
	r.inside.Move(fyne.NewPos(0, max(0, (size.Height-least.Height)/2)))
	r.inside.Resize(fyne.NewSize(size.Width, min(size.Height, least.Height)))
	if again := r.inside.MinSize(); again != least { // its height follows its width
		r.inside.Move(fyne.NewPos(0, max(0, (size.Height-again.Height)/2)))
		r.inside.Resize(fyne.NewSize(size.Width, again.Height))
	}
}

// MinSize implements fyne.WidgetRenderer.
func (r *targetRenderer) MinSize() fyne.Size { return r.inside.MinSize().Max(r.t.Least) }

// Refresh implements fyne.WidgetRenderer.
func (r *targetRenderer) Refresh() {
	r.paint()
	r.plate.Refresh()
	r.bar.Refresh()
	r.t.Block.Refresh()
}

// Objects implements fyne.WidgetRenderer.
func (r *targetRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{r.plate, r.bar, r.inside}
}

// Destroy implements fyne.WidgetRenderer.
func (r *targetRenderer) Destroy() {}
