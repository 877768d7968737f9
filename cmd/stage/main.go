// Stage renders the programme it is given, full screen. It is started by
// kiosk; with --programme it renders one document without any other process.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image/png"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	_ "time/tzdata"

	"cotmoc/device"
	"cotmoc/internal/atomicfile"
	"cotmoc/internal/typeset"
	"cotmoc/player/link"
	"cotmoc/player/scene"
	"cotmoc/player/stage"
	"cotmoc/playlist"
)

func main() {
	code, err := run(context.Background(), os.Args[1:], os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "stage:", err)
	}
	os.Exit(code)
}

type flags struct {
	programme, socket, size, report, shots string
	display                                string
	frames, choice                         string
	fullscreen, corner                     bool
	monitor                                int
	length                                 time.Duration
}

func run(ctx context.Context, args []string, stderr io.Writer) (int, error) {
	var f flags
	set := flag.NewFlagSet("stage", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&f.programme, "programme", "", "programme document to render, without kiosk")
	set.StringVar(&f.socket, "socket", "", "kiosk.sock to take programmes from")
	set.StringVar(&f.display, "display", "", "id of the display, with --socket")
	set.StringVar(&f.size, "size", "", "size of the window, as 1280x720 (default: the display's)")
	set.BoolVar(&f.fullscreen, "fullscreen", false, "fill the monitor")
	set.IntVar(&f.monitor, "monitor", 0, "number of the monitor to fill")
	set.DurationVar(&f.length, "for", 0, "end after this time (default: never)")
	set.StringVar(&f.report, "report", "", "file to write the report to, as JSON")
	set.StringVar(&f.shots, "shots", "", "folder to leave pictures of the screen in, one every 2 s")
	set.BoolVar(&f.corner, "corner-code", false, "draw the code that proves which item and frame is seen")
	set.StringVar(&f.frames, "frames", "auto", "how video frames reach the screen: rgba, yuv (a shader makes the colours), or auto: whichever measures cheaper")
	set.StringVar(&f.choice, "choice", "", "file that keeps what auto measured, for the next start")
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0, nil
		}
		return 2, nil
	}
	if (f.programme == "") == (f.socket == "") || set.NArg() > 0 {
		return 2, errors.New("give exactly one of --programme FILE and --socket PATH")
	}
	if f.frames != "auto" && f.frames != "rgba" && f.frames != "yuv" {
		return 2, fmt.Errorf("--frames %q is none of auto, rgba, yuv", f.frames)
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := present(ctx, f); err != nil {
		return 1, err
	}
	return 0, nil
}

func present(ctx context.Context, f flags) error {
	opt := stage.Options{Fullscreen: f.fullscreen, Monitor: f.monitor, For: f.length, CornerCode: f.corner, ChoiceFile: f.choice}
	if f.frames != "auto" {
		opt.Frames = f.frames
	}
	renderer := make(chan string, 1)
	go func() { renderer <- device.Renderer() }() // ends by itself, while kiosk is asked for a programme
	if f.size != "" {
		w, h, _ := strings.Cut(f.size, "x")
		var err1, err2 error
		opt.Width, err1 = strconv.Atoi(w)
		opt.Height, err2 = strconv.Atoi(h)
		if err := errors.Join(err1, err2); err != nil || opt.Width < 16 || opt.Height < 16 || opt.Width > playlist.MaxPixels || opt.Height > playlist.MaxPixels {
			return fmt.Errorf("size %q is not a size such as 1280x720", f.size)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var outlet *stage.Outlet
	if f.programme != "" {
		raw, err := os.ReadFile(f.programme)
		if err != nil {
			return fmt.Errorf("read the programme: %w", err)
		}
		if opt.Programme, err = playlist.DecodeProgramme(raw); err != nil {
			return err
		}
		opt.Events = func(m link.Message) {
			if m.Kind == link.Fault {
				fmt.Fprintln(os.Stderr, "stage:", m.Reason)
			}
		}
	} else {
		var err error
		if outlet, err = connect(ctx, cancel, f, &opt); err != nil {
			return err
		}
	}
	// The picture comes first on this machine. Without the right to ask for it
	// the stage plays at normal priority; its decoders inherit either.
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, -10)
	if screen := paintBackground(opt.Programme); screen != nil {
		defer screen.Close() // until the end: a server that loses its last client starts anew, black
	}
	if f.shots != "" {
		go shoot(ctx, f.shots) // ends with ctx
	}
	opt.Renderer = <-renderer
	stats, err := stage.Run(ctx, opt)
	if outlet != nil {
		outlet.Drain(time.Second)
	}
	if f.report != "" && stats != nil {
		raw, jsonErr := json.MarshalIndent(stats.Report(opt.Renderer, "ffmpeg"), "", " ")
		err = errors.Join(err, jsonErr, atomicfile.Write(f.report, append(raw, '\n'), 0o644))
	}
	return err
}

// paintBackground leaves the evergreen page behind the stage's window, without
// a clock, which would stand still. Without it the stage plays as well.
func paintBackground(p *playlist.Programme) *device.Screen {
	screen, err := device.OpenScreen()
	if err != nil {
		return nil // the window's own error says it better
	}
	lang := playlist.Vietnamese
	if len(p.Place.Languages) > 0 {
		lang = p.Place.Languages[0]
	}
	img := scene.Evergreen(typeset.New(), screen.Size.X, screen.Size.Y, p.Place, lang, time.Time{}, false)
	if err := screen.SetBackground(img); err != nil {
		fmt.Fprintln(os.Stderr, "stage:", err)
	}
	return screen
}

// connect waits for kiosk's first programme and plays those that follow.
func connect(ctx context.Context, cancel context.CancelFunc, f flags, opt *stage.Options) (*stage.Outlet, error) {
	outlet := &stage.Outlet{Socket: f.socket, Display: playlist.ID(f.display)}
	in := &inlet{outlet: outlet, quit: cancel, first: make(chan struct{}, 1)}
	opt.Events, opt.Started = outlet.Send, in.started
	go outlet.Serve(context.WithoutCancel(ctx), in.receive) // ends with the process: its last words are told below
	select {
	case <-in.first:
		in.mu.Lock()
		defer in.mu.Unlock()
		opt.Programme = in.latest
		in.taken = in.latest
		return outlet, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// inlet hands kiosk's messages to the director, and keeps the newest programme
// until there is one.
type inlet struct {
	outlet        *stage.Outlet
	quit          context.CancelFunc
	first         chan struct{}
	mu            sync.Mutex
	director      *stage.Director
	latest, taken *playlist.Programme
	covered       bool
}

func (in *inlet) started(d *stage.Director) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.director = d
	if in.covered {
		d.Cover(true)
	}
	if in.latest != in.taken {
		in.play(in.latest)
	}
}

func (in *inlet) play(p *playlist.Programme) {
	if err := in.director.Play(p); err != nil {
		in.outlet.Send(link.Message{Kind: link.Fault, Reason: err.Error()})
	}
}

func (in *inlet) receive(m link.Message) {
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case m.Kind == link.Quit:
		in.quit()
	case m.Kind == link.Programme && m.Programme != nil:
		if in.latest = m.Programme; in.director != nil {
			in.play(m.Programme)
			return
		}
		select {
		case in.first <- struct{}{}:
		default:
		}
	case m.Kind == link.Cover || m.Kind == link.Uncover:
		in.covered = m.Kind == link.Cover
		if in.director != nil {
			in.director.Cover(in.covered)
		}
	}
}

// shoot leaves a picture of the screen every two seconds.
func shoot(ctx context.Context, dir string) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, "stage: shots:", err)
		return
	}
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := shot(filepath.Join(dir, fmt.Sprintf("stage-%03d.png", n))); err != nil {
			fmt.Fprintln(os.Stderr, "stage: shots:", err)
			return
		}
	}
}

func shot(path string) error {
	screen, err := device.OpenScreen()
	if err != nil {
		return err
	}
	defer screen.Close()
	img, err := screen.GrabAll()
	if err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(png.Encode(file, img), file.Close())
}
