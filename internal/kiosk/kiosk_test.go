package kiosk

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cotmoc/device"
	"cotmoc/player/link"
	"cotmoc/playlist"
	"cotmoc/playlist/store"
)

// desk is a kiosk in this process, with a clock that can be set, and a stage
// that is played by the test.
type desk struct {
	t   *testing.T
	k   *Kiosk
	dir string
	mu  sync.Mutex
	now time.Time
}

func newDesk(t *testing.T, dir string, rows playlist.Rows) *desk {
	t.Helper()
	d := &desk{t: t, dir: dir, now: time.Date(2027, 3, 1, 1, 30, 0, 0, time.UTC)}
	clock := device.NewClock(d.now.Add(-time.Hour))
	clock.Now, clock.Synced = d.clock, func() bool { return false }
	k, err := Open(t.Context(), Config{Dir: dir, NoChildren: true, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	d.k = k
	if len(rows.Places) > 0 {
		d.adopt("e1", rows)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- k.Serve(ctx) }()
	until(t, "it knows its displays", func() bool { return len(k.Status().Displays) > 0 })
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, k.Close()); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *desk) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

// set steps the clock; the kernel would tell the kiosk through timerfd.
func (d *desk) set(t time.Time) {
	d.mu.Lock()
	d.now = t
	d.mu.Unlock()
	d.k.Nudge()
}

func (d *desk) adopt(id string, rows playlist.Rows) {
	d.t.Helper()
	if err := store.WriteEdition(d.t.Context(), d.dir, id, rows); err != nil {
		d.t.Fatal(err)
	}
	if err := d.k.Adopt(d.t.Context(), id); err != nil {
		d.t.Fatal(err)
	}
}

// stage connects as display d's stage and hands over what it is told.
func (d *desk) stage(pid int, sequence uint64) (*link.Conn, <-chan link.Message) {
	d.t.Helper()
	return d.connect(link.Message{Kind: link.Hello, Role: "stage", Display: "d", PID: pid, Sequence: sequence})
}

// connect connects as a child and hands over what it is told.
func (d *desk) connect(hello link.Message) (*link.Conn, <-chan link.Message) {
	d.t.Helper()
	var raw net.Conn
	deadline := time.Now().Add(20 * time.Second)
	for tick := time.NewTicker(10 * time.Millisecond); ; <-tick.C {
		var dialer net.Dialer
		var err error
		if raw, err = dialer.DialContext(d.t.Context(), "unix", SocketPaths(d.dir)[0]); err == nil {
			break
		}
		if time.Now().After(deadline) {
			d.t.Fatal(err)
		}
	}
	c := link.NewConn(raw)
	if err := c.Send(hello); err != nil {
		d.t.Fatal(err)
	}
	out := make(chan link.Message, 100)
	go func() { // ends with the connection
		defer close(out)
		for {
			m, err := c.Receive()
			if err != nil {
				return
			}
			out <- m
		}
	}()
	d.t.Cleanup(func() { c.Close() })
	return c, out
}

// told waits for a programme that satisfies ok.
func (d *desk) told(in <-chan link.Message, what string, ok func(*playlist.Programme) bool) *playlist.Programme {
	d.t.Helper()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for {
		select {
		case m, open := <-in:
			if !open {
				d.t.Fatalf("the connection closed before: %s", what)
			}
			if m.Kind == link.Programme && ok(m.Programme) {
				return m.Programme
			}
		case <-limit.C:
			d.t.Fatalf("never told: %s", what)
		}
	}
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for tick := time.NewTicker(10 * time.Millisecond); ; <-tick.C {
		if ok() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func hall(change func(*playlist.Rows)) playlist.Rows {
	name := playlist.Names{"vi": "Cửa khẩu"}
	r := playlist.Rows{Format: playlist.Format,
		Places:    []playlist.Place{{ID: "g", Kind: playlist.Gate, Names: name, Zone: "Asia/Ho_Chi_Minh", Languages: []playlist.Language{"vi"}, Defaults: map[playlist.Layer]playlist.ID{"main": "def"}}},
		Displays:  []playlist.Display{{ID: "d", Place: "g", Width: 1280, Height: 720}},
		Items:     []playlist.Item{{ID: "a", Kind: playlist.Bulletin}, {ID: "b", Kind: playlist.Bulletin}, {ID: "c", Kind: playlist.Bulletin}},
		Versions:  []playlist.Version{{Item: "a", Language: "vi", Title: "a"}, {Item: "b", Language: "vi", Title: "b"}, {Item: "c", Language: "vi", Title: "c"}},
		Playlists: []playlist.Playlist{{ID: "day", Entries: []playlist.Entry{{Item: "a"}, {Item: "b"}}}, {ID: "def", Entries: []playlist.Entry{{Item: "c"}}}},
		Schedules: []playlist.Schedule{{ID: "s", Owner: "g", Playlist: "day", Starts: "0 8 * * *", Lasts: playlist.Duration(2 * time.Hour), Priority: 10}},
	}
	if change != nil {
		change(&r)
	}
	return r
}

func plays(list playlist.ID) func(*playlist.Programme) bool {
	return func(p *playlist.Programme) bool { return p.Zones[0].Playlist == list }
}

// It is 8:30 at the gate and the day's list plays. Whatever somebody does to
// the clock, the stage gets what that clock allows, and the status says why.
func TestClockSteps(t *testing.T) {
	d := newDesk(t, t.TempDir(), hall(nil))
	right := d.clock()
	_, in := d.stage(1000001, 0)
	d.told(in, "the day's list", plays("day"))
	says := func(text string) bool {
		return slices.ContainsFunc(d.k.Status().Problems, func(p string) bool { return strings.HasPrefix(p, "clock: ") && strings.Contains(p, text) })
	}
	for name, c := range map[string]struct {
		to   time.Time
		list playlist.ID
		says string
	}{
		"1970":            {time.Date(1970, 1, 1, 0, 0, 5, 0, time.UTC), "def", "1970"},
		"ten years later": {right.AddDate(10, 0, 0), "def", "2037"},
	} {
		d.set(c.to)
		p := d.told(in, name, plays(c.list))
		if p.Clock.Trusted {
			t.Errorf("%s: the clock is trusted", name)
		}
		if !says(c.says) || d.k.Status().Clock.Trusted {
			t.Errorf("%s: the status says %q", name, d.k.Status().Problems)
		}
		d.set(right)
		d.told(in, name+" and back", plays("day"))
		until(t, "the problem is taken back", func() bool { return !says("") })
	}
	// Back an hour while playing: that has passed, so it is not believed.
	d.set(right.Add(-time.Hour))
	if p := d.told(in, "an hour earlier", plays("def")); p.Clock.Trusted || !says("which has passed") {
		t.Errorf("an hour earlier: trusted %v, %q", p.Clock.Trusted, d.k.Status().Problems)
	}
	// Forward past the end.
	d.set(right.Add(2 * time.Hour))
	d.told(in, "two hours later", plays("def"))
}

func emergency(id playlist.ID, at time.Time, cancels ...playlist.ID) playlist.Notice {
	return playlist.Notice{ID: id, Owner: "g", Severity: playlist.Extreme, Starts: at, Ends: at.Add(time.Hour), Cancels: cancels, Bodies: map[playlist.Language]playlist.Body{"vi": {Title: "Sơ tán"}}}
}

// A notice that has ended does not come back when the machine starts without a
// clock; one that runs goes on for what was left of it.
func TestNoticesOverAStartWithoutAClock(t *testing.T) {
	for name, c := range map[string]struct {
		age  time.Duration
		want playlist.ID
	}{"ended": {2 * time.Hour, ""}, "running": {20 * time.Minute, "n"}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Run("before", func(t *testing.T) {
				d := newDesk(t, dir, playlist.Rows{})
				d.adopt("e1", hall(func(r *playlist.Rows) { r.Notices = []playlist.Notice{emergency("n", d.clock().Add(-c.age))} }))
			})
			d := newDesk(t, dir, playlist.Rows{})
			d.set(time.Unix(100, 0))
			_, in := d.stage(1000001, 0)
			p := d.told(in, "a programme without a clock", func(p *playlist.Programme) bool { return !p.Clock.Trusted })
			got := playlist.ID("")
			if p.Notice != nil {
				got = p.Notice.ID
			}
			if got != c.want {
				t.Errorf("shows notice %q", got)
			}
			if c.want != "" && (p.Notice.Remaining.Std() > 41*time.Minute || p.Notice.Remaining.Std() < 39*time.Minute) {
				t.Errorf("for another %v", p.Notice.Remaining.Std())
			}
		})
	}
}

// What an "all clear" cancelled stays cancelled after the all clear itself ended.
func TestCancelledStaysCancelled(t *testing.T) {
	now := time.Date(2027, 3, 1, 1, 30, 0, 0, time.UTC)
	long := emergency("storm", now.Add(-3*time.Hour))
	long.Ends = now.Add(69 * time.Hour)
	clear := emergency("clear", now.Add(-2*time.Hour), "storm")
	d := newDesk(t, t.TempDir(), hall(func(r *playlist.Rows) { r.Notices = []playlist.Notice{long, clear} }))
	_, in := d.stage(1000001, 0)
	if p := d.told(in, "with a clock", func(*playlist.Programme) bool { return true }); p.Notice != nil {
		t.Errorf("with a clock %s shows", p.Notice.ID)
	}
	d.set(time.Unix(100, 0))
	if p := d.told(in, "without", func(p *playlist.Programme) bool { return !p.Clock.Trusted }); p.Notice != nil {
		t.Errorf("without a clock %s shows", p.Notice.ID)
	}
}

func showing(id, item string) *link.Showing {
	return &link.Showing{ID: id, Zone: "main", Layer: "main", Playlist: "day", Item: playlist.ID(item), Version: playlist.ID(item), Language: "vi",
		Start: time.Now(), StartMono: link.Mono(), Position: &playlist.Position{Entry: "1:b", Index: 1, Round: 7}}
}

// A stage that ends twice on the same item is begun after it the third time:
// one bad file must not keep the screen dark. Each death is proved and said.
func TestAnItemThatKillsTheStageIsPassedOver(t *testing.T) {
	d := newDesk(t, t.TempDir(), hall(nil))
	for n := range 3 {
		c, in := d.stage(1000001+n, 0)
		p := d.told(in, "a programme", plays("day"))
		if passed := p.Positions["day"].Round == 7; passed != (n >= 2) {
			t.Errorf("start %d: position %+v", n+1, p.Positions["day"])
		}
		if err := c.Send(link.Message{Kind: link.Shown, Showing: showing(strings.Repeat("x", n+1), "a"), At: link.Mono()}); err != nil {
			t.Fatal(err)
		}
		until(t, "it is shown", func() bool { st := d.k.Status(); return len(st.Displays) == 1 && len(st.Displays[0].Showing) == 1 })
		c.Close()
		until(t, "it is gone", func() bool { return !d.k.Status().Displays[0].Connected })
	}
	if f := d.k.Status().Faults; len(f) != 1 || !strings.Contains(f[0].Text, "passed over") {
		t.Errorf("faults %+v", f)
	}
}

// What a child says wrongly does not end the kiosk.
func TestStrangeWords(t *testing.T) {
	d := newDesk(t, t.TempDir(), hall(nil))
	c, in := d.stage(1000001, 0)
	d.told(in, "a programme", plays("day"))
	for _, kind := range []link.Kind{link.Shown, link.Ended, link.Upcoming, link.Cancelled, link.Beat, link.Fault, "nonsense", ""} {
		if err := c.Send(link.Message{Kind: kind}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Send(link.Message{Kind: link.Shown, Showing: showing("1", "a"), At: link.Mono()}); err != nil {
		t.Fatal(err)
	}
	until(t, "it still listens", func() bool { return len(d.k.Status().Displays[0].Showing) == 1 })
}

// A second stage for one display sends the first away: else both would play.
func TestTwoStagesForOneDisplay(t *testing.T) {
	d := newDesk(t, t.TempDir(), hall(nil))
	_, first := d.stage(1000001, 0)
	d.told(first, "a programme", plays("day"))
	_, second := d.stage(1000002, 0)
	d.told(second, "a programme", plays("day"))
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for {
		select {
		case m := <-first:
			if m.Kind == link.Quit {
				return
			}
		case <-limit.C:
			t.Fatal("the first was not told to end")
		}
	}
}

// An unchanged programme is not sent again; a changed one is.
func TestOnlyChangesAreSent(t *testing.T) {
	d := newDesk(t, t.TempDir(), hall(nil))
	_, in := d.stage(1000001, 0)
	first := d.told(in, "a programme", plays("day"))
	for range 5 {
		d.k.Nudge()
	}
	d.adopt("e2", hall(func(r *playlist.Rows) { r.Playlists[0].Entries = r.Playlists[0].Entries[:1] }))
	second := d.told(in, "the changed one", func(p *playlist.Programme) bool { return len(p.Zones[0].Entries) == 1 })
	if second.Sequence != first.Sequence+1 {
		t.Errorf("sequence %d after %d: something was sent between", second.Sequence, first.Sequence)
	}
}
