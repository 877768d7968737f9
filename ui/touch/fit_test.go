package touch

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"fyne.io/fyne/v2"

	"cotmoc/internal/corner"
)

// placed is a control and where it is on the screen.
type placed struct {
	t    *tile
	at   fyne.Position
	size fyne.Size
	pane bool // it is on something that scrolls
}

func (p placed) String() string {
	var words []string
	for _, b := range p.t.blocks {
		words = append(words, b.Words())
	}
	return fmt.Sprintf("%q at %.0f,%.0f of %.0f×%.0f", strings.Join(words, " "), p.at.X, p.at.Y, p.size.Width, p.size.Height)
}

// controls are all that can be touched, with their places.
func (d *desk) controls() (out []placed) {
	var walk func(o fyne.CanvasObject, at fyne.Position, scrolls bool)
	walk = func(o fyne.CanvasObject, at fyne.Position, scrolls bool) {
		if !o.Visible() {
			return
		}
		at = at.Add(o.Position())
		switch o := o.(type) {
		case *tile:
			out = append(out, placed{o, at, o.Size(), scrolls})
		case *pane:
			walk(o.scroll.Content, at, true)
		case *fyne.Container:
			for _, c := range o.Objects {
				walk(c, at, scrolls)
			}
		}
	}
	walk(d.stage(), fyne.NewPos(0, 0), false)
	return out
}

// fits says what is wrong with the places of the controls of a screen.
func (d *desk) fits(size fyne.Size) (wrong []string) {
	if got := d.win.Content().MinSize(); got.Width > size.Width || got.Height > size.Height {
		wrong = append(wrong, fmt.Sprintf("the content asks for %v", got))
	}
	const slack = 1.5 // letters are set in whole pixels
	all := d.controls()
	for n, c := range all {
		if c.at.X < -slack || c.at.X+c.size.Width > size.Width+slack {
			wrong = append(wrong, fmt.Sprintf("%v is off the side", c))
		}
		if c.pane {
			continue
		}
		if c.at.Y < -slack || c.at.Y+c.size.Height > size.Height+slack {
			wrong = append(wrong, fmt.Sprintf("%v is off the screen", c))
		}
		if min := c.t.inside.MinSize(); min.Height > c.size.Height+slack {
			wrong = append(wrong, fmt.Sprintf("%v: its words need %.0f of height", c, min.Height))
		}
		for _, b := range c.t.blocks {
			room := c.size.Width + slack
			if utf8.RuneCountInString(b.Words()) <= 3 { // a letter may reach into the gap between keys
				room += gap / 2
			}
			if w := b.Narrow(); w > room {
				wrong = append(wrong, fmt.Sprintf("%v: its longest word needs %.0f", c, w))
			}
		}
		for _, o := range all[:n] {
			if !o.pane && c.at.X+slack < o.at.X+o.size.Width && o.at.X+slack < c.at.X+c.size.Width && c.at.Y+slack < o.at.Y+o.size.Height && o.at.Y+slack < c.at.Y+c.size.Height {
				wrong = append(wrong, fmt.Sprintf("%v lies over %v", c, o))
			}
		}
	}
	return wrong
}

// everyScreen are the pages, and what else can be on the screen.
func everyScreen() map[string]func(d *desk) {
	all := map[string]func(d *desk){
		"long query": func(d *desk) { d.find(); d.visit.query = strings.Repeat("hải quan ", 6) },
		"photo":      func(d *desk) { d.open(page{kind: itemPage, item: "photo"}) },
		"said":       func(d *desk) { d.said = "Mục này vừa được thu hồi và không còn xem được nữa." },
		"aloud":      func(d *desk) { d.open(page{kind: itemPage, item: "rights"}); d.build(); d.read("đọc") },
		"languages":  func(d *desk) { d.open(page{kind: languagePage}) },
	}
	for name, open := range screens {
		all[name] = open
	}
	for name, state := range map[string]corner.State{"pin": {Set: true}, "wrong": {Set: true, Wrong: true, Left: 3}, "locked": {Set: true, Wait: 300}, "no pin": {}} {
		all["staff "+name] = func(d *desk) { d.StaffIn(); d.staff.known, d.staff.state = true, state }
	}
	all["staff page"] = func(d *desk) {
		d.StaffIn()
		d.staff.known, d.staff.state = true, corner.State{Set: true, Page: standing()}
	}
	all["staff test"] = func(d *desk) {
		d.StaffIn()
		d.staff.known, d.staff.test, d.staff.state = true, true, corner.State{Set: true, Page: standing()}
	}
	return all
}

// Whatever a visitor chooses, every control is on the screen, whole and apart from others,
// the window is as large as the screen, and at the visit's end all is as at first.
func TestEverythingFits(t *testing.T) {
	for _, size := range []fyne.Size{{Width: 1280, Height: 720}, {Width: 720, Height: 1280}} {
		for _, finger := range []float32{56, 118} { // on a large screen, and on one of ten inches
			d := start(t, size.Width, size.Height)
			d.o.Finger, d.o.Scratch = finger, t.TempDir()
			d.build()
			first := fmt.Sprint(d.controls())
			worst := map[string]int{}
			for name, open := range everyScreen() {
				for _, lang := range languages {
					for step := range 3 {
						for _, low := range []bool{false, true} {
							d.Wipe()
							d.visit = newVisit(lang)
							d.visit.step, d.visit.low = step, low
							open(d)
							d.build()
							for _, w := range d.fits(size) {
								if worst[name]++; worst[name] <= 2 {
									t.Errorf("%.0f×%.0f, finger %.0f, %s, %s, size %d, low %v: %s", size.Width, size.Height, finger, name, lang, step, low, w)
								}
							}
						}
					}
				}
			}
			d.Wipe()
			if got := d.win.Canvas().Size(); got != size {
				t.Errorf("the window is %v, not %v", got, size)
			}
			if got := fmt.Sprint(d.controls()); got != first {
				t.Errorf("after the visit:\n%s\nnot\n%s", got, first)
			}
		}
	}
}
