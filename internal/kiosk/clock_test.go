package kiosk

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"cotmoc/device"
	"cotmoc/hub/feed"
	"cotmoc/hub/local"
	"cotmoc/hub/server/publish/publishtest"
	"cotmoc/hub/trust"
	"cotmoc/playlist"
)

// hears has the hub answer a question about the time.
func (g *gate) hears(w *publishtest.World, at time.Time) {
	g.t.Helper()
	g.fetch.mu.Lock()
	g.fetch.nonce = "n"
	g.fetch.mu.Unlock()
	e, err := trust.Seal(feed.WhatTime, feed.Time{Nonce: "n", At: at}, w.Keys[trust.Assignment][0])
	if err != nil {
		g.t.Fatal(err)
	}
	g.fetch.time(g.t.Context(), local.Progress{Time: &e})
}

// A clock three hours ahead is believed until the hub says otherwise; then a notice that it
// had ended runs on for what is left of it, and both times go to the hub.
func TestClockAheadOfTheHub(t *testing.T) {
	w := publishtest.New(t)
	w.Show("p-a", "one", publishtest.Noise("a", 1000))
	n := alert("a", publishtest.Now, time.Hour)
	w.Emergency(1, []playlist.Notice{n})
	w.All()
	g := newGate(t, w, t.TempDir(), publishtest.Now.Add(3*time.Hour))
	take(t, g, w.Dir)
	g.ageNotices(t.Context())
	if got := g.noticed(); got != "" {
		t.Fatalf("it shows %q", got)
	}
	right := publishtest.Now.Add(10 * time.Minute)
	g.hears(w, right)
	if trusted, _ := g.clock.Trusted(); trusted {
		t.Error("the clock is still believed")
	}
	if got := g.noticed(); got != "a" {
		t.Errorf("it shows %q", got)
	}
	kept, err := g.noticesKept(t.Context())
	if err != nil || len(kept) != 1 || (kept[0].Remaining-50*time.Minute).Abs() > time.Minute {
		t.Errorf("%+v %v", kept, err)
	}
	// It ends on time, not when what is left of it is written next.
	for passed, want := range map[time.Duration]playlist.ID{49 * time.Minute: "a", 51 * time.Minute: ""} {
		g.now, g.aged = g.now.Add(passed), g.aged.Add(-passed)
		if got := g.noticed(); got != want {
			t.Errorf("after %v it shows %q", passed, got)
		}
		g.now, g.aged = g.now.Add(-passed), g.aged.Add(passed)
	}
	b := g.brief()
	if b.Clock.Trusted || b.Clock.State != device.ClockDiffers || b.Clock.Doubt == nil || !b.Clock.Doubt.Local.Equal(g.now) || b.Clock.Doubt.Signed.Sub(right).Abs() > time.Minute {
		t.Errorf("the hub is told %+v", b.Clock)
	}
	g.now = right // somebody sets it
	if trusted, _ := g.clock.Trusted(); !trusted {
		t.Error("a clock that was set right is not believed")
	}
	g.hears(w, right)
	if got := g.clock.State(); got != device.ClockAgrees {
		t.Errorf("it is %s: only staff confirm a clock", got)
	}
}

// A hub whose clock was a year ahead has signed; machines took it by wire or by stick. A
// correction that the root's holders sign makes them right again, and nothing else does.
func TestClockCorrection(t *testing.T) {
	for _, way := range []string{"stick", "wire"} {
		t.Run(way, func(t *testing.T) {
			w := publishtest.New(t)
			w.Show("p-a", "one", publishtest.Noise("a", 1000))
			w.All()
			g := newGate(t, w, t.TempDir(), publishtest.Now)
			take(t, g, w.Dir)
			before := g.Floor()
			// What is signed a year ahead is taken; it lifts the floor by a day.
			w.Now = publishtest.Now.AddDate(1, 0, 0)
			w.Edition("p-a")
			w.Sign()
			take(t, g, w.Dir)
			g.hears(w, w.Now)
			if lifted := g.Floor().Sub(publishtest.Now); lifted > 24*time.Hour+time.Minute || g.Floor().Before(before) {
				t.Errorf("the floor was lifted by %v", lifted)
			}
			// An earlier program has lifted it by the year.
			if err := g.state.Keep(t.Context(), map[string]string{metaFloor: w.Now.Format(time.RFC3339), metaAnchor: ""}); err != nil {
				t.Fatal(err)
			}
			if err := g.Close(); err != nil {
				t.Fatal(err)
			}
			kept := device.Kept{Floor: w.Now}
			again := func() *gate {
				c := device.ContinueClock(kept)
				x := &gate{t: t, dir: g.dir, now: publishtest.Now.Add(3 * time.Hour), clock: c}
				c.Now, c.Synced = func() time.Time { return x.now }, func() bool { return false }
				k, err := Open(t.Context(), Config{Dir: g.dir, NoChildren: true, Clock: c})
				if err != nil {
					t.Fatal(err)
				}
				x.Kiosk = k
				t.Cleanup(func() { _ = k.Close() })
				k.identity = &local.Identity{Device: "me", Root: w.Repo.Files["1.root.json"]}
				return x
			}
			g = again()
			if trusted, _ := g.clock.Trusted(); trusted {
				t.Fatal("a clock a year behind the floor is believed")
			}
			// The hub is right again.
			w.Now = publishtest.Now.Add(2 * time.Hour)
			w.Show("p-a", "two", publishtest.Noise("b", 1000))
			w.Edition("p-a")
			w.Sign()
			if _, err := g.Import(t.Context(), w.Dir, nil); err == nil {
				t.Fatal("what is signed for now is taken though the machine lives in a year")
			}
			w.Correct(publishtest.Now)
			w.Sign()
			if way == "wire" {
				w.Must(g.takeRootOnly(w))
			}
			take(t, g, w.Dir)
			if trusted, why := g.clock.Trusted(); !trusted {
				t.Errorf("after the correction: %s", why)
			}
			if got := g.shows(); len(got) != 1 || got[0] != "i-0 two" {
				t.Errorf("it shows %v", got)
			}
			if f := g.Floor(); f.After(publishtest.Now.Add(26 * time.Hour)) {
				t.Errorf("the floor stays at %v", f)
			}
			text, err := g.state.Meta(t.Context(), metaFloor)
			if err != nil || text >= publishtest.Now.AddDate(0, 1, 0).Format(time.RFC3339) {
				t.Errorf("what is kept of the floor: %s %v", text, err)
			}
			// It is taken once: the same root does not set the clock back again.
			g.clock.Confirm()
			lifted := g.Floor()
			w.Edition("p-a")
			w.Sign()
			take(t, g, w.Dir)
			if g.Floor().Before(lifted) {
				t.Error("the correction was taken twice")
			}
		})
	}
}

// takeRootOnly takes what a broken line left: the new root, and a timestamp of before.
func (g *gate) takeRootOnly(w *publishtest.World) error {
	part := w.Copy()
	if err := os.Remove(filepath.Join(part, "trust", "timestamp.json")); err != nil {
		return err
	}
	_, err := g.Take(g.t.Context(), part)
	return err
}
