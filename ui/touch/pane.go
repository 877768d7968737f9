package touch

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/widget"
)

// pane shows something that may be longer than the screen. One finger drags it; who
// cannot drag has buttons, which the page puts beside it.
type pane struct {
	widget.BaseWidget
	scroll  *container.Scroll
	touched func()
	moved   func()
}

var (
	_ fyne.Draggable    = (*pane)(nil)
	_ fyne.Tappable     = (*pane)(nil)
	_ desktop.Mouseable = (*pane)(nil)
)

func newPane(content fyne.CanvasObject, touched, moved func()) *pane {
	p := &pane{scroll: container.NewVScroll(content), touched: touched, moved: moved}
	p.scroll.OnScrolled = func(fyne.Position) { moved() }
	p.ExtendBaseWidget(p)
	return p
}

// Resize implements fyne.CanvasObject.
func (p *pane) Resize(size fyne.Size) {
	p.BaseWidget.Resize(size)
	p.moved()
}

// Dragged implements fyne.Draggable: the page follows the finger.
func (p *pane) Dragged(e *fyne.DragEvent) {
	if held != nil {
		held.press(false)
	}
	p.touched()
	p.to(p.scroll.Offset.Y - e.Dragged.DY)
}

// DragEnd implements fyne.Draggable.
func (p *pane) DragEnd() {}

// Tapped implements fyne.Tappable: a touch beside everything is a touch as well.
func (p *pane) Tapped(*fyne.PointEvent) { p.touched() }

// MouseDown implements desktop.Mouseable.
func (p *pane) MouseDown(*desktop.MouseEvent) { p.touched() }

// MouseUp implements desktop.Mouseable.
func (p *pane) MouseUp(*desktop.MouseEvent) {}

// span is how far the pane can be moved.
func (p *pane) span() float32 {
	return max(0, p.scroll.Content.MinSize().Height-p.scroll.Size().Height)
}

func (p *pane) to(y float32) {
	p.scroll.ScrollToOffset(fyne.NewPos(0, min(max(0, y), p.span())))
	p.moved()
}

// turn moves by most of a screen, so that the eye finds its line again.
func (p *pane) turn(down bool) {
	step := p.scroll.Size().Height * 0.85
	if !down {
		step = -step
	}
	p.to(p.scroll.Offset.Y + step)
}

// part is how far the pane is moved, from 0 to 1.
func (p *pane) part() float32 {
	if p.span() == 0 {
		return 0
	}
	return p.scroll.Offset.Y / p.span()
}

// CreateRenderer implements fyne.Widget.
func (p *pane) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(p.scroll) }

// area is a part of a page in which a touch does nothing but count as one.
type area struct {
	widget.BaseWidget
	content fyne.CanvasObject
	touched func()
}

func newArea(content fyne.CanvasObject, touched func()) *area {
	r := &area{content: content, touched: touched}
	r.ExtendBaseWidget(r)
	return r
}

// Tapped implements fyne.Tappable.
func (r *area) Tapped(*fyne.PointEvent) { r.touched() }

// CreateRenderer implements fyne.Widget.
func (r *area) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(r.content) }
