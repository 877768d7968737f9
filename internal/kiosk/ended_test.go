package kiosk

import (
	"slices"
	"testing"
	"time"

	"cotmoc/hub/server/publish/publishtest"
	"cotmoc/playlist"
)

// noticed is the notice that display d1 shows now; "" for none.
func (g *gate) noticed() playlist.ID {
	g.t.Helper()
	kept, err := g.noticesLeft(g.t.Context())
	if err != nil {
		g.t.Fatal(err)
	}
	trusted, _ := g.clock.Trusted()
	g.mu.Lock()
	defer g.mu.Unlock()
	cat := g.composer.Catalogue
	p, _ := g.composer.Compose(cat.Displays["d1"], Moment{At: g.now, Trusted: trusted, Notices: g.noticesFor(cat, cat.Displays["d1"], kept)}, Kept{})
	if p.Notice == nil {
		return ""
	}
	return p.Notice.ID
}

func alert(id playlist.ID, starts time.Time, lasts time.Duration, cancels ...playlist.ID) playlist.Notice {
	return playlist.Notice{ID: id, Owner: "p-a", Severity: "extreme", Starts: starts, Ends: starts.Add(lasts), Cancels: cancels,
		Bodies: map[playlist.Language]playlist.Body{"vi": {Title: "Lũ", Text: "Lũ về"}}}
}

// A notice that was cancelled never shows again, though a hub of before forgets the one
// that cancelled it as soon as that one has ended.
func TestCancelledNoticeNeverReturns(t *testing.T) {
	for name, synced := range map[string]bool{"clock right": true, "clock not trusted": false} {
		t.Run(name, func(t *testing.T) {
			w := publishtest.New(t)
			w.Show("p-a", "one", publishtest.Noise("a", 1000))
			w.All()
			g := newGate(t, w, t.TempDir(), publishtest.Now)
			if !synced {
				g.now = time.Unix(0, 0)
			}
			take(t, g, w.Dir)
			at := publishtest.Now
			a, b := alert("a", at, 30*time.Minute), alert("b", at.Add(time.Minute), 20*time.Second, "a")
			say := func(number int64, notices ...playlist.Notice) {
				t.Helper()
				w.Emergency(number, notices)
				w.Sign()
				take(t, g, w.Dir)
			}
			pass := func(d time.Duration) {
				t.Helper()
				g.now = g.now.Add(d)
				if err := g.state.AgeNotices(t.Context(), d, g.now, synced); err != nil {
					t.Fatal(err)
				}
			}
			expect := func(want playlist.ID) {
				t.Helper()
				if got := g.noticed(); got != want {
					t.Fatalf("it shows %q, not %q", got, want)
				}
			}
			say(1, a)
			expect("a")
			pass(time.Minute)
			say(2, a, b)
			expect("b")
			pass(time.Minute)
			expect("")
			say(3, a, alert("c", at.Add(2*time.Minute), time.Minute)) // b is told of no more
			expect("c")
			pass(2 * time.Minute)
			expect("")
			say(4, a)
			expect("")
			if err := g.Close(); err != nil {
				t.Fatal(err)
			}
			again := newGate(t, w, g.dir, g.now)
			if got := again.noticed(); got != "" {
				t.Errorf("after a restart it shows %q", got)
			}
		})
	}
}

// What is planned to be cancelled later may still be taken back.
func TestCancellingThatIsTakenBackInTime(t *testing.T) {
	w := publishtest.New(t)
	w.Show("p-a", "one", publishtest.Noise("a", 1000))
	w.All()
	g := newGate(t, w, t.TempDir(), publishtest.Now)
	take(t, g, w.Dir)
	a, b := alert("a", g.now, time.Hour), alert("b", g.now.Add(10*time.Minute), time.Minute, "a")
	w.Emergency(1, []playlist.Notice{a, b})
	w.Sign()
	take(t, g, w.Dir)
	w.Emergency(2, []playlist.Notice{a})
	w.Sign()
	take(t, g, w.Dir)
	g.now = g.now.Add(20 * time.Minute)
	if got := g.noticed(); got != "a" {
		t.Errorf("it shows %q", got)
	}
}

// A version that was withdrawn stays so when the document that said it is followed by one
// that does not, and its edition by one that cannot be had.
func TestWithdrawnStaysWithdrawn(t *testing.T) {
	w := publishtest.New(t)
	w.Show("p-a", "one", publishtest.Noise("a", 1000), publishtest.Noise("b", 1000))
	w.All()
	g := newGate(t, w, t.TempDir(), publishtest.Now)
	take(t, g, w.Dir)
	w.Emergency(1, nil, "v-0-one")
	w.Sign()
	take(t, g, w.Dir)
	want := []string{"i-1 one"}
	if !slices.Equal(g.shows(), want) {
		t.Fatalf("%v", g.shows())
	}
	w.Emergency(2, nil)
	w.Sign()
	take(t, g, w.Dir)
	if !slices.Equal(g.shows(), want) {
		t.Errorf("a later document without it: %v", g.shows())
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	g = newGate(t, w, g.dir, publishtest.Now)
	if !slices.Equal(g.shows(), want) || !slices.Equal(g.withdrawn, []playlist.ID{"v-0-one"}) {
		t.Errorf("after a restart: %v %v", g.shows(), g.withdrawn)
	}
}
