package touch

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"os"
	"strconv"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/app"
	"fyne.io/fyne/v2/driver/desktop"

	"cotmoc/ui/touch/library"
)

// shortSide is the shorter side of a screen in Fyne's units, whatever its pixels.
const shortSide = 720

// Scale is how many pixels a unit of Fyne's takes on a screen: in whole tenths, to which
// Fyne rounds whatever it is told. A page made for anything else would not end where the
// screen does.
func Scale(r image.Rectangle) float32 {
	return float32(math.Round(float64(min(r.Dx(), r.Dy()))*10/shortSide) / 10)
}

// Window is the library on a screen.
type Window struct {
	*App
	win fyne.Window
	app fyne.App
}

// Open makes the window, of the size of the monitor and without any frame. It must be
// called by the goroutine that calls Run, which is the process's first.
// pointer says where the pointer is on the screen, in pixels.
func Open(o Options, at image.Rectangle, pointer func() (image.Point, bool)) (*Window, error) {
	if at.Dx() < 320 || at.Dy() < 320 {
		return nil, fmt.Errorf("the screen of %d×%d pixels is too small for the library", at.Dx(), at.Dy())
	}
	scale := Scale(at)
	err := errors.Join(os.Setenv("FYNE_SCALE", strconv.FormatFloat(float64(scale), 'f', 4, 32)), os.Setenv("FYNE_DISABLE_DPI_DETECTION", "true"))
	if err != nil {
		return nil, fmt.Errorf("touch window: %w", err)
	}
	o.Pointer = func() (fyne.Position, bool) {
		p, ok := pointer()
		p = p.Sub(at.Min)
		return fyne.NewPos(float32(p.X)/scale, float32(p.Y)/scale), ok
	}
	w := &Window{app: app.NewWithID("vn.cotmoc.touch")}
	if w.App, err = New(o); err != nil {
		return nil, err
	}
	w.win = w.app.NewWindow("Cột Mốc")
	size := fyne.NewSize(float32(at.Dx())/scale, float32(at.Dy())/scale)
	w.win.SetPadded(false)
	w.win.SetContent(w.Show(size))
	w.win.Resize(size)
	if d, ok := w.win.(desktop.Window); ok {
		d.RequestPosition(at.Min.X, at.Min.Y)
	}
	return w, nil
}

// Do has something done by Fyne's goroutine, and returns when it was.
func (w *Window) Do(f func(*App)) { fyne.DoAndWait(func() { f(w.App) }) }

// Choose takes what is in force, which is read beside the screen. What cannot be read
// is reported and changes nothing.
func (w *Window) Choose(c library.Choice, failed func(error)) {
	lib, err := library.Open(context.Background(), w.o.Dir, c)
	if err != nil {
		failed(err)
		return
	}
	w.Do(func(a *App) { err = a.Use(lib, c) })
	if err != nil {
		failed(err)
	}
}

// Run shows the window until ctx ends. ready is called once its first picture is there.
func (w *Window) Run(ctx context.Context, ready func()) {
	go func() { // ends with ctx
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				fyne.Do(w.app.Quit)
				return
			case <-tick.C:
				w.Do(func(a *App) { a.Tick() })
			}
		}
	}()
	w.app.Lifecycle().SetOnStarted(ready)
	w.win.ShowAndRun()
}
