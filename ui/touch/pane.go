package touch

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"
)

// pane shows something that may be longer than the screen. One finger drags it; who
// cannot drag has buttons, which the page puts beside it.
type pane struct {
	widget.BaseWidget
	scroll *container.Scroll
	moved  func()
}

func newPane(content fyne.CanvasObject, moved func()) *pane {
	p := &pane{scroll: container.NewVScroll(content), moved: moved}
	p.scroll.OnScrolled = func(fyne.Position) { moved() }
	p.ExtendBaseWidget(p)
	return p
}

// Resize implements fyne.CanvasObject.
func (p *pane) Resize(size fyne.Size) {
	p.BaseWidget.Resize(size)
	p.moved()
}

// span is how far the pane can be moved.
func (p *pane) span() float32 {
	return max(0, p.scroll.Content.MinSize().Height-p.scroll.Size().Height)
}

func (p *pane) to(y float32) { p.put(p.scroll.Offset.X, y) }

// put moves the pane to a place, as far as it goes.
func (p *pane) put(x, y float32) {
	wide := max(0, p.scroll.Content.MinSize().Width-p.scroll.Size().Width)
	if p.scroll.Direction == container.ScrollVerticalOnly {
		wide = 0
	}
	p.scroll.ScrollToOffset(fyne.NewPos(min(max(0, x), wide), min(max(0, y), p.span())))
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
