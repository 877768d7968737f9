// Touch is the library that travellers browse by touch. It is started by kiosk, which
// tells it what is in force and raises its window when somebody touches the stage.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata"

	"cotmoc/device"
	"cotmoc/internal/corner"
	"cotmoc/player/link"
	"cotmoc/playlist"
	"cotmoc/ui/touch"
	"cotmoc/ui/touch/library"
)

func main() {
	code, err := run(context.Background(), os.Args[1:], os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "touch:", err)
	}
	os.Exit(code)
}

type flags struct {
	socket, data, display, edition, size string
	shots, seen                          string
	idle                                 time.Duration
	millimetres                          int
}

func run(ctx context.Context, args []string, stderr io.Writer) (int, error) {
	var f flags
	set := flag.NewFlagSet("touch", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&f.socket, "socket", "", "kiosk.sock to hear from what is in force")
	set.StringVar(&f.data, "data", "", "folder of the kiosk's data, which is only read")
	set.StringVar(&f.display, "display", "", "id of the display")
	set.StringVar(&f.edition, "edition", "", "edition to show without kiosk; with --place")
	place := set.String("place", "", "place whose library it is, without kiosk")
	set.StringVar(&f.size, "size", "1280x720", "size and place of the window, as 1920x1080+0+0")
	set.StringVar(&f.shots, "shots", "", "folder to leave pictures of the screen in, then end; with --edition")
	set.StringVar(&f.seen, "seen", "", "file to keep what the screen says and offers in, as JSON, for those who drive it from outside")
	set.DurationVar(&f.idle, "idle", touch.DefaultIdle, "end a visit after this time without a touch")
	set.IntVar(&f.millimetres, "mm", 0, "width of the panel in millimetres: touch targets are 20 mm high; 0: not known")
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0, nil
		}
		return 2, nil
	}
	at, err := geometry(f.size)
	if err != nil || f.data == "" || (f.socket == "") == (f.edition == "") || set.NArg() > 0 || f.idle < 20*time.Second {
		return 2, errors.Join(err, errors.New("give --data DIR and either --socket PATH or --edition ID; --idle takes 20s at least"))
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := present(ctx, stop, f, at, playlist.ID(*place)); err != nil {
		return 1, err
	}
	return 0, nil
}

// gcPercent lets the heap grow by less than Go would: a kiosk's memory is the stage's.
const gcPercent = 30

// present shows the library until ctx ends.
func present(ctx context.Context, stop func(), f flags, at image.Rectangle, place playlist.ID) error {
	debug.SetGCPercent(gcPercent)
	h := &host{out: make(chan link.Message, maxWaiting)}
	o := touch.Options{Dir: f.data, Now: time.Now, Idle: f.idle, Host: h}
	if run := filepath.Join(f.data, "run"); f.socket != "" && os.MkdirAll(run, 0o755) == nil { // the kiosk's folder for what its children leave
		o.Scratch = run
	}
	if f.millimetres > 0 {
		o.Finger = 20 * float32(at.Dx()) / float32(f.millimetres) / touch.Scale(at)
	}
	if f.seen != "" {
		o.Seen = func(s touch.Seen) { keepSeen(f.seen, s) }
	}
	screen, err := device.OpenScreen()
	if err != nil {
		return err
	}
	defer screen.Close()
	w, err := touch.Open(o, at, screen.Pointer)
	if err != nil {
		return err
	}
	alone := library.Choice{Edition: f.edition, Display: playlist.Display{Place: place}, Trusted: true}
	failed := make(chan error, 1)
	w.Run(ctx, func() {
		if f.socket != "" {
			go h.serve(ctx, stop, f, w) // ends with ctx
			return
		}
		go func() { // ends with the process
			if err := showAlone(ctx, w, alone, screen, at, f.shots); err != nil {
				failed <- err
				stop()
			} else if f.shots != "" {
				stop()
			}
		}()
	})
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// showAlone shows a library without kiosk, and leaves pictures of it if a folder is named.
func showAlone(ctx context.Context, w *touch.Window, c library.Choice, screen *device.Screen, at image.Rectangle, shots string) (err error) {
	w.Choose(c, func(e error) { err = e })
	if err != nil || shots == "" {
		return err
	}
	return shoot(ctx, w, screen, at, shots)
}

// keepSeen writes what the screen shows. It is for tests, which find out soon enough if it
// cannot be written.
func keepSeen(path string, s touch.Seen) {
	raw, err := json.Marshal(s)
	if err == nil && os.WriteFile(path+".part", raw, 0o600) == nil { // not synced: the screen would wait
		_ = os.Rename(path+".part", path)
	}
}

func geometry(s string) (image.Rectangle, error) {
	var w, h, x, y int
	whole := s
	if !strings.Contains(s, "+") {
		whole += "+0+0"
	}
	n, _ := fmt.Sscanf(whole, "%dx%d+%d+%d", &w, &h, &x, &y)
	if n != 4 || fmt.Sprintf("%dx%d+%d+%d", w, h, x, y) != whole || w <= 0 || h <= 0 || w > playlist.MaxPixels || h > playlist.MaxPixels {
		return image.Rectangle{}, fmt.Errorf("size %q is not a size such as 1920x1080+0+0", s)
	}
	return image.Rect(x, y, x+w, y+h), nil
}

// maxWaiting bounds what waits for a kiosk that is being restarted.
const maxWaiting = 1000

// host says to kiosk what the library says.
type host struct{ out chan link.Message }

func (h *host) say(m link.Message) {
	select {
	case h.out <- m:
	default: // kiosk has been away for long; counts are lost, nothing else waits
	}
}

// Idle implements touch.Host.
func (h *host) Idle() { h.say(link.Message{Kind: link.Idle}) }

// Wiped implements touch.Host.
func (h *host) Wiped() {
	h.say(link.Message{Kind: link.Wiped})
	go debug.FreeOSMemory() // nobody waits now
}

// Counted implements touch.Host.
func (h *host) Counted(c touch.Count) {
	if raw, err := json.Marshal(c); err == nil {
		h.say(link.Message{Kind: link.Count, Body: raw})
	}
}

// Sound implements touch.Host.
func (h *host) Sound(path string, from time.Duration, speed float64) {
	h.say(link.Message{Kind: link.Play, Path: path, Speed: speed, From: from.Milliseconds(), At: link.Mono() + touch.SoundLead.Nanoseconds()})
}

// Volume implements touch.Host.
func (h *host) Volume(level float64) { h.say(link.Message{Kind: link.Gain, Level: level}) }

// Staff implements touch.Host.
func (h *host) Staff(o corner.Order) {
	if raw, err := json.Marshal(o); err == nil {
		h.say(link.Message{Kind: link.Staff, Body: raw})
	}
}

// serve talks with kiosk until ctx ends.
func (h *host) serve(ctx context.Context, quit func(), f flags, w *touch.Window) {
	choices := make(chan library.Choice, 1)
	go func() { // an edition is read beside what kiosk says meanwhile; the last one counts
		for {
			select {
			case <-ctx.Done():
				return
			case c := <-choices:
				w.Choose(c, func(err error) { h.say(link.Message{Kind: link.Fault, Reason: err.Error()}) })
				debug.FreeOSMemory() // what reading took is twice what stays
			}
		}
	}()
	client := link.Client{
		Socket: f.socket,
		Greet: func(c *link.Conn) error {
			if err := c.Send(link.Message{Kind: link.Hello, Role: "touch", Display: playlist.ID(f.display), PID: os.Getpid()}); err != nil {
				return err
			}
			return c.Send(link.Message{Kind: link.Ready})
		},
		Receive: func(m link.Message) {
			switch m.Kind {
			case link.Quit:
				quit()
			case link.Home:
				w.Do(func(a *touch.App) { a.Home() })
			case link.Wipe:
				w.Do(func(a *touch.App) { a.Wipe() })
			case link.Staff:
				var s corner.State
				if json.Unmarshal(m.Body, &s) == nil {
					w.Do(func(a *touch.App) { a.Told(s) })
				}
			case link.Edition:
				var c library.Choice
				if json.Unmarshal(m.Body, &c) != nil {
					return
				}
				select {
				case <-choices:
				default:
				}
				choices <- c
			}
		},
		Pump: func(ctx context.Context, c *link.Conn) error { return h.pump(ctx, c, w) },
	}
	_ = client.Serve(ctx) // it says that ctx ended
}

// pump sends what the library says, and each second a beat that went through the
// screen's own loop.
func (h *host) pump(ctx context.Context, c *link.Conn, w *touch.Window) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		m := link.Message{Kind: link.Beat, At: link.Mono(), Routines: runtime.NumGoroutine()}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case m = <-h.out:
		case <-tick.C:
			w.Do(func(*touch.App) {})
		}
		if err := c.Send(m); err != nil {
			return err
		}
	}
}

// shoot leaves pictures of some pages, as they are on the screen.
func shoot(ctx context.Context, w *touch.Window, screen *device.Screen, at image.Rectangle, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("pictures: %w", err)
	}
	w.Do(func(a *touch.App) { a.Home() })
	for _, lang := range []playlist.Language{"vi", "en", "zh-Hans", "lo", "km"} {
		for _, page := range []string{"home", "cross", "item"} {
			w.Do(func(a *touch.App) {
				a.Speak(lang)
				if page == "item" {
					a.Visit(a.First())
					return
				}
				a.Visit(page)
			})
			select { // for the picture to be drawn
			case <-ctx.Done():
				return nil
			case <-time.After(700 * time.Millisecond):
			}
			img, err := screen.Grab(at)
			if err != nil {
				return err
			}
			if err := save(filepath.Join(dir, "touch-"+page+"-"+string(lang)+".png"), img); err != nil {
				return err
			}
		}
	}
	return nil
}

func save(path string, img image.Image) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("pictures: %w", err)
	}
	return errors.Join(png.Encode(f, img), f.Close())
}
