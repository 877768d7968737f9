package stage

import (
	"context"
	"errors"
	"fmt"
	"image"
	"sync/atomic"
	"time"

	"github.com/hajimehoshi/ebiten/v2"

	"cotmoc/player/link"
	"cotmoc/playlist"
)

// Options say how the stage's window is made.
type Options struct {
	Width, Height int  // of the window; 0: the programme's display
	Fullscreen    bool // on the monitor whose number is Monitor
	Monitor       int
	For           time.Duration // end by itself; 0: never
	CornerCode    bool
	Frames        string // how video frames reach the screen: rgba, yuv, or "" to measure which is cheaper
	ChoiceFile    string // keeps what was measured; "": measured at every start
	Renderer      string // what draws with OpenGL here; it decides between vsync and drawing on demand
	Programme     *playlist.Programme
	Events        func(link.Message) // called for everything kiosk must know
	Started       func(d *Director)  // called once the window is about to open
}

// game is the window. It draws only when the director says that something
// changed, and once a second, which carries the heartbeat.
type game struct {
	d        *Director
	rotation int
	canvas   image.Point
	pixel    *ebiten.Image
	drawn    atomic.Uint64
	taken    chan struct{} // a frame was drawn
	over     atomic.Bool   // the game has ended
	beatAt   time.Time
	opt      Options
	ctx      context.Context
	ready    bool
	started  bool // the programme plays
	pressed  bool
}

// Run opens the window and shows programmes until ctx ends. It must be called
// on the main goroutine. stats are those of the whole run.
func Run(ctx context.Context, opt Options) (*Stats, error) {
	p := opt.Programme
	w, h := windowSize(opt)
	canvas := image.Pt(w, h)
	if p.Display.Rotation == 90 || p.Display.Rotation == 270 {
		canvas = image.Pt(h, w)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if opt.For > 0 {
		ctx, cancel = context.WithTimeout(ctx, opt.For)
		defer cancel()
	}
	d := NewDirector(ctx, canvas, opt.Events)
	defer d.Close()
	pixel := ebiten.NewImage(1, 1)
	pixel.Fill(image.White.C)
	g := &game{d: d, rotation: p.Display.Rotation, canvas: canvas, opt: opt, ctx: ctx, pixel: pixel, taken: make(chan struct{}, 1)}
	prepareWindow(opt, w, h)
	if choice, known := opt.choice(); known {
		// The first entry is prepared while the window opens.
		if err := g.start(choice); err != nil {
			return d.stats, err
		}
	}
	stopped := make(chan struct{})
	go func() { // ends with ctx; Run waits for it
		defer close(stopped)
		g.loop(ctx)
	}()
	err := ebiten.RunGameWithOptions(g, &ebiten.RunGameOptions{X11ClassName: "cotmoc-stage", X11InstanceName: "stage", SingleThread: true})
	g.over.Store(true)
	cancel()
	<-stopped
	if err != nil && !errors.Is(err, ebiten.Termination) {
		return d.stats, fmt.Errorf("stage window: %w", err)
	}
	return d.stats, nil
}

// choice is what was asked for or measured earlier.
func (o Options) choice() (c Choice, known bool) {
	if o.Frames != "" {
		return Choice{Renderer: o.Renderer, Frames: o.Frames}, true
	}
	if o.ChoiceFile == "" {
		return Choice{}, false
	}
	return LoadChoice(o.ChoiceFile, o.Renderer)
}

// start plays the programme, once it is known how frames reach the screen.
func (g *game) start(c Choice) error {
	path, err := newFramePath(c.format())
	if err != nil {
		return err
	}
	g.started = true
	g.d.path, g.d.stats.way = path, c
	if err := g.d.Play(g.opt.Programme); err != nil {
		return err
	}
	if g.opt.Started != nil {
		g.opt.Started(g.d)
	}
	return nil
}

// measureAndStart is for the first start on a machine.
func (g *game) measureAndStart() error {
	c, err := measure(g.ctx, g.opt.Renderer)
	if err == nil && g.opt.ChoiceFile != "" {
		err = c.Save(g.opt.ChoiceFile)
	}
	if err != nil { // measured again at the next start
		g.d.send(link.Message{Kind: link.Fault, Reason: "measure the way of frames: " + err.Error()})
	}
	return g.start(c)
}

// windowSize is the size given, the monitor's, or the programme's display.
func windowSize(opt Options) (w, h int) {
	w, h = opt.Width, opt.Height
	if w == 0 || h == 0 {
		w, h = opt.Programme.Display.Width, opt.Programme.Display.Height
	}
	if opt.Fullscreen {
		monitors := ebiten.AppendMonitors(nil)
		if opt.Monitor < len(monitors) {
			ebiten.SetMonitor(monitors[opt.Monitor])
			w, h = monitors[opt.Monitor].Size()
		}
		ebiten.SetFullscreen(true)
	}
	return w, h
}

func prepareWindow(opt Options, w, h int) {
	ebiten.SetWindowTitle("Cột Mốc stage " + string(opt.Programme.Display.ID))
	ebiten.SetWindowSize(w, h)
	ebiten.SetWindowDecorated(false)
	ebiten.SetCursorMode(ebiten.CursorModeHidden)
	ebiten.SetRunnableOnUnfocused(true)
	ebiten.SetWindowClosingHandled(true)
	ebiten.SetScreenClearedEveryFrame(false)
	if !Software(opt.Renderer) {
		ebiten.SetVsyncEnabled(true)
	} else {
		//lint:ignore SA1019 the only mode that draws on demand; half the CPU of the others without a GPU
		ebiten.SetFPSMode(ebiten.FPSModeVsyncOffMinimum)
	}
}

// loop wakes the window when a frame is due. A wake-up that arrives while a
// frame is being drawn is lost, so it goes on until the frame was taken.
func (g *game) loop(ctx context.Context) {
	timer, retry := time.NewTimer(0), time.NewTimer(time.Hour)
	defer timer.Stop()
	defer retry.Stop()
	rest := time.Now()
	for ctx.Err() == nil {
		dirty, sleep := g.d.tick()
		if dirty || time.Since(rest) >= time.Second {
			g.request(retry)
			rest = time.Now()
			continue
		}
		timer.Reset(max(0, min(sleep, time.Until(rest.Add(time.Second)))))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-g.d.wake:
		}
	}
	// The game ends in its next Update, and a single wake-up may be lost.
	for !g.over.Load() {
		wakeWindow()
		pause(context.Background(), 5*time.Millisecond)
	}
}

func wakeWindow() {
	//lint:ignore SA1019 goes with FPSModeVsyncOffMinimum
	ebiten.ScheduleFrame()
}

// request asks for a frame until one was drawn.
func (g *game) request(retry *time.Timer) {
	select {
	case <-g.taken: // of a frame that nobody asked for
	default:
	}
	for range 200 {
		wakeWindow()
		retry.Reset(8 * time.Millisecond)
		select {
		case <-g.taken:
			return
		case <-retry.C:
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// Update implements ebiten.Game.
func (g *game) Update() error {
	if g.ctx.Err() != nil || ebiten.IsWindowBeingClosed() {
		return ebiten.Termination
	}
	if !g.started {
		if err := g.measureAndStart(); err != nil {
			return err
		}
	}
	pressed := ebiten.IsMouseButtonPressed(ebiten.MouseButtonLeft)
	if pressed && !g.pressed { // once: somebody may lean on the screen
		g.d.send(link.Message{Kind: link.Touched, At: link.Mono()})
	}
	g.pressed = pressed
	return nil
}

// Draw implements ebiten.Game. Something must be drawn into the offscreen each
// time, or Ebitengine thinks that nothing changed and shows nothing.
func (g *game) Draw(offscreen *ebiten.Image) {
	offscreen.Set(0, 0, image.Black.C)
}

// DrawFinalScreen implements ebiten.FinalScreenDrawer.
func (g *game) DrawFinalScreen(screen ebiten.FinalScreen, _ *ebiten.Image, _ ebiten.GeoM) {
	p := newPainter(screen, g.canvas.X, g.canvas.Y, g.rotation, g.pixel)
	something := g.d.paint(p)
	if g.opt.CornerCode {
		g.drawCode(p)
	}
	g.drawn.Add(1)
	select {
	case g.taken <- struct{}{}:
	default:
	}
	now := time.Now()
	if something && !g.ready {
		g.ready = true
		g.d.send(link.Message{Kind: link.Ready, At: link.Mono()})
	}
	if now.Sub(g.beatAt) >= time.Second-20*time.Millisecond {
		g.beatAt = now
		g.d.mu.Lock()
		m := g.d.beat()
		g.d.mu.Unlock()
		g.d.send(m)
	}
}

// Layout implements ebiten.Game: the offscreen is not used, so it is tiny.
func (g *game) Layout(int, int) (int, int) { return 16, 9 }
