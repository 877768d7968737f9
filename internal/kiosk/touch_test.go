package kiosk

import (
	"encoding/json"
	"testing"
	"time"

	"cotmoc/player/link"
	"cotmoc/playlist"
	"cotmoc/playlist/store"
)

// hears waits for a message of a kind.
func (d *desk) hears(in <-chan link.Message, kind link.Kind) link.Message {
	d.t.Helper()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for {
		select {
		case m, open := <-in:
			if !open {
				d.t.Fatalf("the connection closed before %q came", kind)
			}
			if m.Kind == kind {
				return m
			}
		case <-limit.C:
			d.t.Fatalf("%q never came", kind)
		}
	}
}

func (d *desk) says(c *link.Conn, m link.Message) {
	d.t.Helper()
	if err := c.Send(m); err != nil {
		d.t.Fatal(err)
	}
}

// A visit from the first touch to the last: the stage is covered, the library is told to
// begin, what is in force follows every change, and the stage goes on when the visit is
// wiped. A notice ends a visit at once.
func TestVisit(t *testing.T) {
	both := func(r *playlist.Rows) { r.Displays[0].Role = playlist.RoleBoth }
	d := newDesk(t, t.TempDir(), hall(both))
	stage, told := d.stage(1000001, 0)
	d.told(told, "a programme", plays("day"))
	library, in := d.connect(link.Message{Kind: link.Hello, Role: "touch", Display: "d", PID: 1000002})
	var c struct {
		Edition string           `json:"edition"`
		Display playlist.Display `json:"display"`
		Trusted bool             `json:"trusted"`
	}
	if err := json.Unmarshal(d.hears(in, link.Edition).Body, &c); err != nil || c.Edition != "e1" || c.Display.Place != "g" || !c.Trusted {
		t.Errorf("%+v %v", c, err)
	}
	d.says(stage, link.Message{Kind: link.Touched}) // it is not ready: nobody is led to a black window
	d.says(library, link.Message{Kind: link.Ready})
	until(t, "it is ready", func() bool { d.k.touch.mu.Lock(); defer d.k.touch.mu.Unlock(); return d.k.touch.ready })
	d.says(stage, link.Message{Kind: link.Touched})
	d.hears(in, link.Home)
	d.hears(told, link.Cover)
	for _, count := range []store.Count{{What: "visit"}, {What: "item", Item: "a", Language: "vi"}, {What: "somebody's name"}} {
		raw, _ := json.Marshal(map[string]any{"what": count.What, "item": count.Item, "language": "vi"})
		d.says(library, link.Message{Kind: link.Count, Body: raw})
	}
	d.adopt("e2", hall(both))
	if err := json.Unmarshal(d.hears(in, link.Edition).Body, &c); err != nil || c.Edition != "e2" {
		t.Errorf("%+v %v", c, err)
	}
	d.says(library, link.Message{Kind: link.Wiped})
	d.hears(told, link.Uncover)
	if v := d.k.Status().Visits; v.Visits != 1 || v.Items != 1 {
		t.Errorf("%+v", v)
	}

	d.says(stage, link.Message{Kind: link.Touched})
	d.hears(in, link.Home)
	d.hears(told, link.Cover)
	d.adopt("e3", hall(func(r *playlist.Rows) {
		both(r)
		r.Notices = []playlist.Notice{{ID: "n", Owner: "g", Places: []playlist.ID{"g"}, Severity: playlist.Extreme, Starts: d.clock().Add(-time.Minute), Ends: d.clock().Add(time.Hour),
			Bodies: map[playlist.Language]playlist.Body{"vi": {Title: "Sạt lở"}}}}
	}))
	d.hears(in, link.Wipe)
	d.hears(told, link.Uncover)
	d.says(stage, link.Message{Kind: link.Touched})
	until(t, "the touch was heard", func() bool { d.k.touch.mu.Lock(); defer d.k.touch.mu.Unlock(); return !d.k.touch.up })
}

// A library that goes while somebody visits leaves the stage.
func TestLibraryGone(t *testing.T) {
	d := newDesk(t, t.TempDir(), hall(func(r *playlist.Rows) { r.Displays[0].Role = playlist.RoleBoth }))
	stage, told := d.stage(1000001, 0)
	d.told(told, "a programme", plays("day"))
	library, in := d.connect(link.Message{Kind: link.Hello, Role: "touch", Display: "d", PID: 1000002})
	d.hears(in, link.Edition)
	d.says(library, link.Message{Kind: link.Ready})
	until(t, "it is ready", func() bool { d.k.touch.mu.Lock(); defer d.k.touch.mu.Unlock(); return d.k.touch.ready })
	d.says(stage, link.Message{Kind: link.Touched})
	d.hears(told, link.Cover)
	library.Close()
	d.hears(told, link.Uncover)
}

// Whatever is started again during a visit: a new stage is covered as the old one was,
// and a kiosk that finds a visit going ends it and uncovers the stage, which would stand
// still for ever.
func TestStartedAgainDuringAVisit(t *testing.T) {
	both := func(r *playlist.Rows) { r.Displays[0].Role = playlist.RoleBoth }
	d := newDesk(t, t.TempDir(), hall(both))
	stage, told := d.stage(1000001, 0)
	d.told(told, "a programme", plays("day"))
	library, in := d.connect(link.Message{Kind: link.Hello, Role: "touch", Display: "d", PID: 1000002})
	d.hears(in, link.Edition)
	d.says(library, link.Message{Kind: link.Ready})
	d.hears(in, link.Wipe) // of the kiosk before this one
	d.hears(told, link.Uncover)
	d.says(stage, link.Message{Kind: link.Touched})
	d.hears(told, link.Cover)
	_, again := d.stage(1000003, 0)
	d.hears(again, link.Cover)
	d.says(library, link.Message{Kind: link.Wiped})
	d.hears(again, link.Uncover)
}

// A display for touch alone shows the library, but for a notice, and afterwards again.
func TestTouchAlone(t *testing.T) {
	alone := func(r *playlist.Rows) { r.Displays[0].Role = playlist.RoleTouch }
	d := newDesk(t, t.TempDir(), hall(alone))
	_, told := d.stage(1000001, 0)
	library, in := d.connect(link.Message{Kind: link.Hello, Role: "touch", Display: "d", PID: 1000002})
	d.hears(in, link.Edition)
	d.says(library, link.Message{Kind: link.Ready})
	d.hears(in, link.Home)
	d.hears(told, link.Cover)
	d.says(library, link.Message{Kind: link.Wiped}) // the visitor has gone; the library stays
	d.adopt("e2", hall(func(r *playlist.Rows) {
		alone(r)
		r.Notices = []playlist.Notice{{ID: "n", Owner: "g", Places: []playlist.ID{"g"}, Severity: playlist.Extreme, Starts: d.clock().Add(-time.Minute), Ends: d.clock().Add(time.Hour),
			Bodies: map[playlist.Language]playlist.Body{"vi": {Title: "Sạt lở"}}}}
	}))
	d.hears(told, link.Uncover)
	d.set(d.clock().Add(2 * time.Hour))
	d.hears(told, link.Cover)
}

// A visitor's film is heard from where it stands, and no louder than the place allows.
func TestVisitorsSound(t *testing.T) {
	d := newDesk(t, t.TempDir(), hall(func(r *playlist.Rows) {
		r.Displays[0].Role, r.Displays[0].Sound.Volume = playlist.RoleBoth, 50
	}))
	_, heard := d.connect(link.Message{Kind: link.Hello, Role: "sound", PID: 1000003})
	until(t, "the sound child is there", func() bool { d.k.sound.mu.Lock(); defer d.k.sound.mu.Unlock(); return d.k.sound.conn != nil })
	library, in := d.connect(link.Message{Kind: link.Hello, Role: "touch", Display: "d", PID: 1000002})
	d.hears(in, link.Edition)
	at := link.Mono() + int64(time.Second)
	d.says(library, link.Message{Kind: link.Play, Path: "/film.mp4", From: 2000, At: at})
	if m := d.hears(heard, link.Prepare); m.Path != "/film.mp4" || m.From != 2000 {
		t.Errorf("%+v", m)
	}
	if m := d.hears(heard, link.Start); m.At != at {
		t.Errorf("it begins at %d, not at %d", m.At, at)
	}
	// Started again, the child takes it up where it stands at the speed that was chosen.
	d.says(library, link.Message{Kind: link.Play, Path: "/film.mp4", From: 4000, Speed: 2, At: link.Mono()})
	if m := d.hears(heard, link.Prepare); m.Speed != 2 || m.From != 4000 {
		t.Errorf("%+v", m)
	}
	_, heard = d.connect(link.Message{Kind: link.Hello, Role: "sound", PID: 1000004})
	again := d.hears(heard, link.Prepare)
	begins := time.Duration(d.hears(heard, link.Start).At - link.Mono())
	if again.Speed != 2 || again.From < 7000 || again.From > 12000 || begins < 500*time.Millisecond || begins > 2*time.Second {
		t.Errorf("%+v in %v", again, begins)
	}
	d.says(library, link.Message{Kind: link.Gain, Level: 7})
	if m := d.hears(heard, link.Gain); m.Level > 0.5 {
		t.Errorf("the place allows 0.5, and it is heard with %v", m.Level)
	}
	d.says(library, link.Message{Kind: link.Play})
	d.hears(heard, link.Stop)
}

// Another display for touch, by a new edition: the visit is over, the stage of the old
// one goes on, and the library comes up on the new one.
func TestTouchMoves(t *testing.T) {
	two := func(first, second playlist.Role) playlist.Rows {
		return hall(func(r *playlist.Rows) {
			r.Displays[0].Role = first
			r.Displays = append(r.Displays, playlist.Display{ID: "e", Place: "g", Width: 1280, Height: 720, Role: second})
		})
	}
	d := newDesk(t, t.TempDir(), two(playlist.RoleBoth, playlist.RoleStage))
	stage, told := d.stage(1000001, 0)
	d.told(told, "a programme", plays("day"))
	other, told2 := d.connect(link.Message{Kind: link.Hello, Role: "stage", Display: "e", PID: 1000003})
	d.told(told2, "a programme", plays("day"))
	library, in := d.connect(link.Message{Kind: link.Hello, Role: "touch", Display: "d", PID: 1000002})
	d.hears(in, link.Edition)
	d.says(library, link.Message{Kind: link.Ready})
	d.hears(in, link.Wipe)
	d.hears(told, link.Uncover)
	d.says(stage, link.Message{Kind: link.Touched})
	d.hears(told, link.Cover)
	d.adopt("e2", two(playlist.RoleStage, playlist.RoleBoth))
	d.hears(told, link.Uncover)
	until(t, "the library has moved", func() bool { d.k.touch.mu.Lock(); defer d.k.touch.mu.Unlock(); return d.k.touch.display.ID == "e" })
	d.says(other, link.Message{Kind: link.Touched})
	d.hears(told2, link.Cover)
}
