package touch

import (
	"image"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"cotmoc/ui/text"
)

// Seen is what the screen says and offers, for whoever drives it from outside: a test, or
// a person at a desk who wants to know what a kiosk shows. It holds nothing about a visitor
// that is not on the screen.
type Seen struct {
	N       int      `json:"n"`    // grows with every change of the screen
	Says    []string `json:"says"` // texts, from top to bottom
	Targets []Target `json:"targets"`
}

// Target is something that can be touched.
type Target struct {
	Words []string        `json:"words"`
	At    image.Rectangle `json:"at"` // in pixels of the window
}

// tell says what the screen shows now.
func (a *App) tell() {
	if a.o.Seen == nil {
		return
	}
	a.seen++
	s := Seen{N: a.seen}
	a.gather(a.stage(), fyne.Position{}, fyne.NewPos(0, 0), fyne.NewPos(a.size.Width, a.size.Height), &s)
	a.o.Seen(s)
}

// gather walks what is shown; from and to bound what of it can be seen.
func (a *App) gather(o fyne.CanvasObject, at, from, to fyne.Position, s *Seen) {
	if !o.Visible() {
		return
	}
	at = at.Add(o.Position())
	size := o.Size()
	switch o := o.(type) {
	case *text.Block:
		s.Says = append(s.Says, bare(o.Words()))
	case *tile:
		t := Target{}
		for _, b := range o.blocks {
			t.Words = append(t.Words, bare(b.Words()))
		}
		s.Says = append(s.Says, t.Words...)
		x0, y0 := max(at.X, from.X), max(at.Y, from.Y)
		x1, y1 := min(at.X+size.Width, to.X), min(at.Y+size.Height, to.Y)
		if x1 > x0 && y1 > y0 && !o.dim {
			k := a.pixels()
			t.At = image.Rect(int(x0*k), int(y0*k), int(x1*k), int(y1*k))
			s.Targets = append(s.Targets, t)
		}
	case *pane:
		a.gather(o.scroll, at, at, at.AddXY(size.Width, size.Height), s)
	case *container.Scroll:
		a.gather(o.Content, at, from, to, s)
	case *fyne.Container:
		for _, c := range o.Objects {
			a.gather(c, at, from, to, s)
		}
	}
}

func bare(s string) string { return strings.NewReplacer("\u200B", "", "\u2060", "").Replace(s) }
