package screentest

import (
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"os"
	"slices"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
	"github.com/jezek/xgb/xtest"
)

// Finger touches a screen as a panel does that speaks as a mouse: motion and press come
// together.
type Finger struct{ conn *xgb.Conn }

// NewFinger opens a display for touching.
func NewFinger(display string) (*Finger, error) {
	conn, err := xgb.NewConnDisplay(display)
	if err != nil {
		return nil, fmt.Errorf("finger: %w", err)
	}
	if err := xtest.Init(conn); err != nil {
		conn.Close()
		return nil, fmt.Errorf("finger: %w", err)
	}
	return &Finger{conn}, nil
}

// Close lets the display go.
func (f *Finger) Close() { f.conn.Close() }

func (f *Finger) send(kind byte, detail byte, at image.Point) error {
	root := xproto.Setup(f.conn).DefaultScreen(f.conn).Root
	if err := xtest.FakeInputChecked(f.conn, kind, detail, 0, root, int16(at.X), int16(at.Y), 0).Check(); err != nil {
		return fmt.Errorf("finger: %w", err)
	}
	return nil
}

// Move moves the finger, which is down or not.
func (f *Finger) Move(to image.Point) error { return f.send(xproto.MotionNotify, 0, to) }

// Down puts the finger down.
func (f *Finger) Down(at image.Point) error {
	return errors.Join(f.Move(at), f.send(xproto.ButtonPress, 1, image.Point{}))
}

// Up lifts it.
func (f *Finger) Up() error { return f.send(xproto.ButtonRelease, 1, image.Point{}) }

// Tap touches a place for a moment.
func (f *Finger) Tap(at image.Point) error { return errors.Join(f.Down(at), f.Up()) }

// Seen is what `touch --seen` writes.
type Seen struct {
	N       int
	Says    []string
	Targets []struct {
		Words []string
		At    image.Rectangle
	}
}

// ReadSeen reads what the library shows; the zero value while nobody has written it.
func ReadSeen(path string) (s Seen, err error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &s)
	}
	if err != nil {
		return s, fmt.Errorf("what the library shows: %w", err)
	}
	return s, nil
}

// Target is the middle of what can be touched and bears these words.
func (s Seen) Target(words string) (image.Point, bool) {
	for _, t := range s.Targets {
		if slices.Contains(t.Words, words) {
			return image.Pt((t.At.Min.X+t.At.Max.X)/2, (t.At.Min.Y+t.At.Max.Y)/2), true
		}
	}
	return image.Point{}, false
}

// FirstChange touches nothing itself: it does something and returns how long afterwards a
// part of the screen first changed, and how long until it changed last before it stood
// still for a time. The screen is looked at as often as it can be.
func FirstChange(display string, r image.Rectangle, still time.Duration, do func() error) (first, last time.Duration, err error) {
	w, err := watchChanges(display, r)
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	err = do()
	if err == nil {
		first, last, err = w.wait(began, still)
	}
	return first, last, errors.Join(err, w.stop())
}

type changes struct {
	at   chan time.Time
	stop func() error
}

func watchChanges(display string, r image.Rectangle) (*changes, error) {
	c := &changes{at: make(chan time.Time, 10_000)}
	var before []byte
	ready := make(chan struct{})
	stop, err := Watch(display, r, time.Millisecond, func(s Sample) {
		switch {
		case before == nil:
			close(ready)
		case !slices.Equal(before, s.Img.Pix):
			select {
			case c.at <- s.At:
			default: // nobody counts that many
			}
		}
		before = append(before[:0], s.Img.Pix...)
	})
	if err != nil {
		return nil, err
	}
	c.stop = stop
	<-ready
	return c, nil
}

// patience is how long a change may take to come.
const patience = 20 * time.Second

func (c *changes) wait(began time.Time, still time.Duration) (first, last time.Duration, err error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case at := <-c.at:
			last = at.Sub(began)
			if first == 0 {
				first = last
			}
			timer.Reset(still)
		case <-timer.C:
			if first == 0 {
				err = fmt.Errorf("nothing changed on the screen in %v", patience)
			}
			return first, last, err
		}
	}
}
