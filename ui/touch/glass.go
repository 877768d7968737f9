package touch

import (
	"math"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/widget"
)

// glass lies over everything and takes every touch. Fyne 2.8 delivers a press at the
// place where the pointer was before, if both come in one batch, as they always do from
// a touch panel: the first finger would touch what the last one did. The glass asks the
// screen where the finger is, and finds what lies there by itself.
type glass struct {
	widget.BaseWidget
	a     *App
	at    fyne.Position // the finger's last place
	down  fyne.Position // where it came down
	tile  *tile         // under the finger when it came down
	pane  *pane
	moved bool
	held  bool // the finger is down
}

var (
	_ desktop.Mouseable  = (*glass)(nil)
	_ desktop.Cursorable = (*glass)(nil)
	_ fyne.Draggable     = (*glass)(nil)
)

func newGlass(a *App) *glass {
	g := &glass{a: a}
	g.ExtendBaseWidget(g)
	return g
}

// slip is how far a finger may move, in Fyne's units, and still mean the tile on which
// it came down.
const slip = 16

// finger is where the finger is now.
func (g *glass) finger(said fyne.Position) fyne.Position {
	if g.a.o.Pointer != nil {
		if p, ok := g.a.o.Pointer(); ok {
			return p
		}
	}
	return said
}

// MouseDown implements desktop.Mouseable: a touch is answered at once.
func (g *glass) MouseDown(e *desktop.MouseEvent) {
	g.down = g.finger(e.AbsolutePosition)
	g.at, g.moved, g.held = g.down, false, true
	g.tile, g.pane = under(g.a.stage(), g.down) // before a warning goes: what it covered is not meant
	g.a.touch()
	if a := g.a; a.staff == nil && a.warned == 0 && a.sign.touched(g.down, a.size, a.o.Finger, a.o.Now()) {
		g.tile = nil
		a.StaffIn()
		return
	}
	g.a.mark(g.down)
	if g.tile != nil {
		g.tile.press(true)
	}
}

// Dragged implements fyne.Draggable: the page follows the finger.
func (g *glass) Dragged(e *fyne.DragEvent) {
	at := g.finger(e.AbsolutePosition)
	if !g.moved && math.Hypot(float64(at.X-g.down.X), float64(at.Y-g.down.Y)) < slip {
		return
	}
	g.moved = true
	g.a.touch()
	g.a.mark(at)
	if g.tile != nil {
		g.tile.press(false)
		g.tile = nil
	}
	if g.pane != nil {
		off := g.pane.scroll.Offset
		g.pane.put(off.X-(at.X-g.at.X), off.Y-(at.Y-g.at.Y))
	}
	g.at = at
}

// Cursor implements desktop.Cursorable: a finger needs no arrow.
func (g *glass) Cursor() desktop.Cursor { return desktop.HiddenCursor }

// DragEnd implements fyne.Draggable.
func (g *glass) DragEnd() {}

// MouseUp implements desktop.Mouseable.
func (g *glass) MouseUp(*desktop.MouseEvent) {
	g.held = false
	t := g.tile
	if g.tile = nil; t == nil {
		return
	}
	t.press(false)
	if t.tapped != nil {
		t.tapped()
	}
}

// release forgets a finger that is down: what it lay on is gone, and the visit with it.
func (g *glass) release() {
	g.tile, g.pane, g.held, g.moved = nil, nil, false, false
	g.a.sign = sign{}
}

// CreateRenderer implements fyne.Widget: glass cannot be seen.
func (g *glass) CreateRenderer() fyne.WidgetRenderer {
	return widget.NewSimpleRenderer(&fyne.Container{})
}

// under finds the uppermost tile at a place, and the pane around it.
func under(o fyne.CanvasObject, at fyne.Position) (t *tile, p *pane) {
	if !o.Visible() {
		return nil, nil
	}
	at = at.Subtract(o.Position())
	if size := o.Size(); at.X < 0 || at.Y < 0 || at.X >= size.Width || at.Y >= size.Height {
		return nil, nil
	}
	switch o := o.(type) {
	case *tile:
		return o, nil
	case *pane:
		t, _ := under(o.scroll.Content, at)
		return t, o
	case *fyne.Container:
		for i := len(o.Objects) - 1; i >= 0; i-- {
			if t, p := under(o.Objects[i], at); t != nil || p != nil {
				return t, p
			}
		}
	}
	return nil, nil
}
