package server_test

import (
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cotmoc/hub/server"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/rights"
	"cotmoc/hub/server/seed"
	"cotmoc/hub/trust"
	"cotmoc/playlist"
)

// A hub that was opened without the machine's own time says nothing of it: the next run
// compares the clock with what that run measures itself.
func TestWatchWithoutTheMachinesTime(t *testing.T) {
	wall := time.Date(2027, 1, 1, 8, 0, 0, 0, time.UTC)
	now := func() time.Time { return wall }
	for name, kept := range map[string]desk.Kept{
		"kept now":    desk.NewWatch(now, nil, nil).Keep("boot"),
		"kept before": {Boot: "boot", Wall: wall, Since: &desk.Anchor{Wall: wall}},
	} {
		mono := 6 * time.Hour
		w := desk.NewWatch(now, func() time.Duration { return mono }, nil)
		w.Continue(kept, "boot")
		if err := w.Look(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		mono += time.Minute
		wall = wall.Add(10 * time.Minute)
		if err := w.Look(); !errors.Is(err, desk.ErrClock) {
			t.Errorf("%s: a step is not seen: %v", name, err)
		}
		wall = wall.Add(-10 * time.Minute)
	}
}

// The watch holds whenever the wall clock moves by more than five minutes against
// anything else, over starts as well, and until a person confirms it.
func TestWatch(t *testing.T) {
	start := time.Date(2027, 1, 1, 8, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		wall, mono time.Duration // that pass
		restart    string        // same, another, or none
		signed     time.Duration
		second     time.Duration // off the wall; 0: none
		held       string
	}{
		"nothing happens":                        {time.Hour, time.Hour, "", 0, 0, ""},
		"four minutes ahead":                     {time.Hour + 4*time.Minute, time.Hour, "", 0, 0, ""},
		"six minutes ahead":                      {time.Hour + 6*time.Minute, time.Hour, "", 0, 0, "monotonic"},
		"six minutes back":                       {time.Hour - 6*time.Minute, time.Hour, "", 0, 0, "monotonic"},
		"a year ahead":                           {365 * 24 * time.Hour, time.Minute, "", 0, 0, "monotonic"},
		"a year ahead over a start of the hub":   {365 * 24 * time.Hour, time.Minute, "same", 0, 0, "monotonic"},
		"back over a start of the machine":       {-time.Hour, time.Minute, "another", 0, 0, "signature"},
		"a night off":                            {12 * time.Hour, time.Minute, "another", 0, 0, ""},
		"off for a year":                         {365 * 24 * time.Hour, time.Minute, "another", 0, 0, "away"},
		"off for a year, by a second source too": {365 * 24 * time.Hour, time.Minute, "another", 0, time.Second, ""},
		"signed later than now":                  {time.Hour, time.Hour, "", 2 * time.Hour, 0, "signature"},
		"a second source six minutes off":        {time.Hour, time.Hour, "", 0, 6 * time.Minute, "second source"},
		"a second source that agrees":            {time.Hour, time.Hour, "", 0, time.Minute, ""},
	} {
		t.Run(name, func(t *testing.T) {
			wall, mono := start, time.Hour
			var second func() (time.Time, bool)
			if c.second != 0 {
				second = func() (time.Time, bool) { return wall.Add(c.second), true }
			}
			watch := func() *desk.Watch {
				return desk.NewWatch(func() time.Time { return wall }, func() time.Duration { return mono }, second)
			}
			w := watch()
			kept := w.Keep("boot")
			wall, mono = wall.Add(c.wall), mono+c.mono
			switch c.restart {
			case "same":
				w = watch()
				w.Continue(kept, "boot")
			case "another":
				mono = c.mono
				w = watch()
				w.Continue(kept, "other")
			}
			if c.signed != 0 {
				w.Signed(start.Add(c.signed))
			}
			err := w.Look()
			held := w.Held()
			if (err != nil) != (c.held != "") || held != nil && held.Against != c.held || held == nil && c.held != "" {
				t.Fatalf("%v %+v", err, held)
			}
			if c.held == "" {
				return
			}
			// It stays so, also over a start, whatever the clock says then.
			wall = start.Add(time.Hour)
			kept = w.Keep("boot")
			w = watch()
			if w.Continue(kept, "boot"); !errors.Is(w.Check(), desk.ErrClock) {
				t.Error("it signs again before anybody confirmed the clock")
			}
		})
	}
}

// A hub whose clock leaps signs nothing, says so everywhere, and goes on once a person
// has confirmed it; a notice that was given meanwhile goes out then.
func TestHubWhoseClockLeaps(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hub")
	clk := &clock{at: time.Now()}
	var mono atomic.Int64
	mono.Store(int64(time.Hour))
	o := options(clk.now)
	o.Mono = func() time.Duration { return time.Duration(mono.Load()) }
	if err := server.Init(t.Context(), dir, o); err != nil {
		t.Fatal(err)
	}
	h, err := server.Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(h.StartDemoTrust(t.Context()))
	_, err = h.Desk.Publish(t.Context(), console, []playlist.ID{seed.Ministry, langSon}, true)
	must(err)
	must(h.Distribute(t.Context()))
	newest := func() (version int64, at time.Time) {
		_, raw, err := h.Desk.TrustFiles(t.Context())
		must(err)
		said, err := trust.Read(raw)
		must(err)
		return said.Version, trust.IssuedAt(raw)
	}
	before, _ := newest()
	clk.add(365 * 24 * time.Hour)
	f := &fleetHub{running: &running{Hub: h, t: t}, clk: clk}
	f.put(central.Notices, "a", playlist.Notice{ID: "a", Owner: langSon, Severity: "extreme", Starts: clk.now(), Ends: clk.now().Add(time.Hour), Bodies: map[playlist.Language]playlist.Body{"vi": {Title: "Lũ", Text: "Lũ"}}})
	if err := h.Distribute(t.Context()); !errors.Is(err, desk.ErrClock) {
		t.Errorf("it signs: %v", err)
	}
	if now, _ := newest(); now != before {
		t.Error("it has signed")
	}
	if health, well := h.Health(t.Context()); well || health.Clock == nil || health.Clock.Against != "monotonic" {
		t.Errorf("%+v", health)
	}
	for path, want := range map[string]string{"/metrics": "hub_clock_held 1", "/sign-in": "Đồng hồ của máy chủ", "/healthz": `"clock"`} {
		if got := answerOf(t, h.Handler, path); !strings.Contains(got, want) {
			t.Errorf("%s does not say %q", path, want)
		}
	}
	clk.add(-365 * 24 * time.Hour) // it is set right
	if err := h.Distribute(t.Context()); !errors.Is(err, desk.ErrClock) {
		t.Errorf("it signs before anybody confirmed it: %v", err)
	}
	stranger, err := h.Desk.AddAccount(t.Context(), console, desk.Account{Login: "la", Name: "x", Place: langSon}, pass)
	must(err)
	_, err = h.Desk.AddGrant(t.Context(), console, rights.Grant{Account: stranger.ID, Role: rights.Administrator, Place: langSon})
	must(err)
	other, err := h.Desk.As(t.Context(), "la")
	must(err)
	if h.Desk.ConfirmClock(t.Context(), other) == nil {
		t.Error("a province confirmed the hub's clock")
	}
	must(h.Desk.ConfirmClock(t.Context(), console))
	must(h.Distribute(t.Context()))
	if now, at := newest(); now <= before || at.After(clk.now().Add(time.Minute)) {
		t.Errorf("timestamp %d of %v", now, at)
	}
	if _, well := h.Health(t.Context()); !well {
		t.Error("it is not well")
	}
	files, _, err := h.Desk.TrustFiles(t.Context())
	must(err)
	found := false
	for name, raw := range files {
		found = found || strings.HasPrefix(name, "emergency/") && strings.Contains(string(raw), "Lũ")
	}
	if !found {
		t.Error("the notice did not go out")
	}
}

// What was signed while the clock was ahead is signed again, and kiosks are corrected by a
// root.
func TestAfterTheClockWasAhead(t *testing.T) {
	f := startFleet(t, filepath.Join(t.TempDir(), "hub"))
	right := f.clk.now()
	f.clk.add(365 * 24 * time.Hour)
	f.put(central.Playlists, "p", playlist.Playlist{ID: "p", Owner: langSon})
	_, err := f.Desk.Publish(t.Context(), console, []playlist.ID{langSon}, true)
	f.must(err)
	f.must(f.Distribute(t.Context()))
	f.clk.add(right.Sub(f.clk.now()))
	f.must(f.Desk.ConfirmClock(t.Context(), console))
	f.must(f.Distribute(t.Context()))
	files, stamp, err := f.Desk.TrustFiles(t.Context())
	f.must(err)
	if at := trust.IssuedAt(stamp); at.After(right.Add(time.Hour)) {
		t.Errorf("the timestamp is of %v", at)
	}
	for name, raw := range files {
		if said, err := trust.Read(raw); err == nil && !strings.Contains(name, ".root.") && strings.HasPrefix(name, "trust/") && said.Expires.After(right.Add(trust.TargetsLife+48*time.Hour)) {
			t.Errorf("%s is believed until %v", name, said.Expires)
		}
	}
	if _, err := f.CorrectClocks(t.Context(), console, right.Add(24*time.Hour)); err == nil {
		t.Error("a correction to tomorrow")
	}
	q, err := f.CorrectClocks(t.Context(), console, right)
	f.must(err)
	if !strings.Contains(strings.Join(q.Changes, "\n"), "begins again from") {
		t.Errorf("who signs it reads %v", q.Changes)
	}
	f.must(f.Distribute(t.Context()))
	root, err := f.Desk.TrustRoot(t.Context())
	f.must(err)
	c, err := trust.CorrectionOf(root)
	if err != nil || c == nil || !c.Floor.Equal(right.Truncate(time.Second)) {
		t.Fatalf("%+v %v", c, err)
	}
	// The next root says it still.
	_, err = f.StartTrust(t.Context(), console, nil)
	f.must(err)
	f.must(f.Distribute(t.Context()))
	if root, err = f.Desk.TrustRoot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again, err := trust.CorrectionOf(root); err != nil || again == nil || *again != *c {
		t.Errorf("%+v %v", again, err)
	}
}

// A time server's answer is taken only if it is one.
func TestTimeServer(t *testing.T) {
	conn, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answers := make(chan func(ask []byte) []byte, 1)
	go func() {
		buf := make([]byte, 100)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if got := (<-answers)(append([]byte(nil), buf[:n]...)); got != nil {
				_, _ = conn.WriteTo(got, from)
			}
		}
	}()
	at := time.Date(2040, 5, 6, 7, 8, 9, 0, time.UTC)
	good := func(ask []byte) []byte {
		out := make([]byte, 48)
		out[0], out[1] = 4<<3|4, 2
		copy(out[24:32], ask[40:48])
		binary.BigEndian.PutUint32(out[40:], uint32(at.Unix()+2208988800)) //nolint:gosec // it begins again in 2036
		return out
	}
	change := func(n int, b byte) func([]byte) []byte {
		return func(ask []byte) []byte { out := good(ask); out[n] = b; return out }
	}
	for name, c := range map[string]struct {
		answer func([]byte) []byte
		ok     bool
	}{"good": {good, true}, "short": {func(ask []byte) []byte { return good(ask)[:40] }, false}, "not synchronised": {change(0, 3<<6|4<<3|4), false},
		"a client": {change(0, 4<<3|3), false}, "stratum 0": {change(1, 0), false}, "another's": {change(25, 99), false}, "silent": {func([]byte) []byte { return nil }, false}} {
		answers <- c.answer
		got, err := server.AskTime(conn.LocalAddr().String(), 300*time.Millisecond)
		if (err == nil) != c.ok || c.ok && got.Sub(at).Abs() > time.Second {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
}

// answerOf is what an address answers, whatever its status.
func answerOf(t *testing.T, h http.Handler, path string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.RemoteAddr = "127.0.0.1:1"
	w := &recorder{header: http.Header{}}
	h.ServeHTTP(w, r)
	return w.body.String()
}

type recorder struct {
	header http.Header
	body   strings.Builder
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(int)             {}
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
