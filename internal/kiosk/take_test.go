package kiosk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cotmoc/device"
	"cotmoc/hub/local"
	"cotmoc/hub/server/publish/publishtest"
	"cotmoc/hub/trust"
	"cotmoc/internal/step"
	"cotmoc/playlist"
)

// gate is a kiosk in this process that believes a world's root.
type gate struct {
	*Kiosk
	t     testing.TB
	dir   string
	now   time.Time
	clock *device.Clock
}

func newGate(t testing.TB, w *publishtest.World, dir string, now time.Time) *gate {
	t.Helper()
	g := &gate{t: t, dir: dir, now: now}
	g.clock = device.NewClock(time.Time{})
	g.clock.Now, g.clock.Synced = func() time.Time { return g.now }, func() bool { return false }
	k, err := Open(t.Context(), Config{Dir: dir, NoChildren: true, Clock: g.clock})
	if err != nil {
		t.Fatal(err)
	}
	g.Kiosk = k
	t.Cleanup(func() { _ = k.Close() }) // a second time is no harm
	if w != nil {
		k.identity = &local.Identity{Device: "me", Root: w.Repo.Files["1.root.json"]}
	}
	return g
}

// shows lists the files that the programme of display d1 shows, by title.
func (g *gate) shows() []string {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.composer == nil {
		return nil
	}
	d := g.composer.Catalogue.Displays["d1"]
	p, _ := g.composer.Compose(d, Moment{At: g.now, Trusted: true}, Kept{})
	var out []string
	for _, z := range p.Zones {
		for _, e := range z.Entries {
			for _, v := range e.Versions {
				out = append(out, string(e.Item)+" "+v.Title)
				for _, m := range v.Media {
					if _, err := os.Stat(m.Path); err != nil {
						g.t.Errorf("%s is shown and is not here", m.SHA256)
					}
				}
			}
		}
	}
	return out
}

func (g *gate) accepted() string {
	n, _ := g.state.Meta(context.Background(), metaAccepted)
	return n
}

func take(t testing.TB, g *gate, dir string) Taken {
	t.Helper()
	got, err := g.Import(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestTake(t *testing.T) {
	w := publishtest.New(t)
	w.Show("p-a", "one", publishtest.Noise("a", 1000), publishtest.Noise("b", 2000))
	w.All()
	g := newGate(t, w, t.TempDir(), publishtest.Now)
	got := take(t, g, w.Dir)
	if !got.Switched || got.Files != 2 || got.Missing != 0 || len(got.Dropped) != 0 || !slices.Equal(g.shows(), []string{"i-0 one", "i-1 one"}) {
		t.Fatalf("%+v %v", got, g.shows())
	}
	if again := take(t, g, w.Dir); again.Switched {
		t.Errorf("%+v", again)
	}
	// Another stick, other content: it plays, and survives a restart.
	w.Show("p-a", "two", publishtest.Noise("c", 1000))
	w.Edition("p-a")
	w.Sign()
	take(t, g, w.Dir)
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	g = newGate(t, w, g.dir, publishtest.Now)
	if !slices.Equal(g.shows(), []string{"i-0 two"}) || g.accepted() != "3" {
		t.Errorf("after a restart: %v, snapshot %s", g.shows(), g.accepted())
	}
	if built := device.NewClock(time.Time{}).Floor(); !g.Floor().After(built) {
		t.Errorf("the floor %v is not lifted", g.Floor())
	}
}

// Floor is the clock's floor.
func (g *gate) Floor() time.Time { return g.clock.Floor() }

// An older stick never becomes active, but its files are kept.
func TestOlderStick(t *testing.T) {
	w := publishtest.New(t)
	w.Show("p-a", "one", publishtest.Noise("a", 1000))
	w.All()
	older := w.Copy()
	w.Edition("p-a")
	w.Sign()
	newer := w.Copy()
	if err := os.RemoveAll(filepath.Join(newer, "files")); err != nil {
		t.Fatal(err)
	}
	g := newGate(t, w, t.TempDir(), publishtest.Now)
	take(t, g, newer)
	if len(g.shows()) != 0 {
		t.Fatalf("%v", g.shows())
	}
	got, err := g.Import(t.Context(), older, nil)
	if !errors.Is(err, trust.ErrRefused) || got.Files != 1 || g.accepted() != "3" || !slices.Equal(g.shows(), []string{"i-0 one"}) {
		t.Errorf("%+v %v %v", got, err, g.shows())
	}
}

// An item goes live with all its files; until then it plays as it was, and a list
// with an item that has neither stays as it was.
func TestGroupsGoLiveWhole(t *testing.T) {
	w := publishtest.New(t)
	a, b, c := publishtest.Noise("a", 1000), publishtest.Noise("b", 1000), publishtest.Noise("c", 1000)
	w.Show("p-a", "one", a, b)
	w.All()
	g := newGate(t, w, t.TempDir(), publishtest.Now)
	take(t, g, w.Dir)
	w.Show("p-a", "two", a, c, b) // one picture is new and not here yet
	w.Edition("p-a")
	w.Sign()
	late := w.Copy()
	if err := os.RemoveAll(filepath.Join(late, "files")); err != nil {
		t.Fatal(err)
	}
	if got := take(t, g, late); !got.Switched || got.Missing != 1 {
		t.Fatalf("%+v", got)
	}
	// i-1 is not ready as it is to be: it plays as it was.
	if got := g.shows(); !slices.Equal(got, []string{"i-0 two", "i-1 one", "i-2 two"}) {
		t.Errorf("while files are on their way: %v", got)
	}
	// An item that never was here: the list stays as it was.
	w.Show("p-a", "half", a, c, b, publishtest.Noise("e", 1000))
	w.Edition("p-a")
	w.Sign()
	take(t, g, withoutFiles(t, w))
	if got := g.shows(); !slices.Equal(got, []string{"i-0 half", "i-1 one", "i-2 half"}) {
		t.Errorf("while an item is on its way: %v", got)
	}
	// Another edition comes before the second was whole.
	w.Show("p-a", "three", a, publishtest.Noise("d", 1000), c)
	w.Edition("p-a")
	w.Sign()
	if err := os.RemoveAll(late); err != nil {
		t.Fatal(err)
	}
	late = w.Copy()
	if err := os.RemoveAll(filepath.Join(late, "files")); err != nil {
		t.Fatal(err)
	}
	take(t, g, late)
	if got := g.shows(); !slices.Equal(got, []string{"i-0 three", "i-1 one", "i-2 half"}) {
		t.Errorf("with two editions on their way: %v", got)
	}
	take(t, g, w.Dir)
	if got := g.shows(); !slices.Equal(got, []string{"i-0 three", "i-1 three", "i-2 three"}) {
		t.Errorf("once all is here: %v", got)
	}
}

// What is withdrawn leaves at once, whatever else is on its way.
func TestWithdrawal(t *testing.T) {
	w := publishtest.New(t)
	w.Show("p-a", "one", publishtest.Noise("a", 1000), publishtest.Noise("b", 1000))
	w.All()
	g := newGate(t, w, t.TempDir(), publishtest.Now)
	r := w.Rows["p-a"] // one that no playlist names is for the library alone
	alone := r.Versions[0]
	alone.ID, alone.Item = "v-alone", "i-alone"
	item := r.Items[0]
	item.ID = "i-alone"
	r.Items, r.Versions = append(r.Items, item), append(r.Versions, alone)
	w.Rows["p-a"] = r
	w.Edition("p-a")
	w.Sign()
	take(t, g, w.Dir)
	w.Emergency(1, nil, "v-0-one", "v-alone")
	w.Sign()
	got := take(t, g, w.Dir)
	if got.Emergency != 1 || !slices.Equal(g.shows(), []string{"i-1 one"}) {
		t.Errorf("by the duty officers: %+v %v", got, g.shows())
	}
	if !slices.Equal(g.withdrawn, []playlist.ID{"v-0-one", "v-alone"}) {
		t.Errorf("the library is told of %v", g.withdrawn)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	g = newGate(t, w, g.dir, publishtest.Now)
	if !slices.Equal(g.shows(), []string{"i-1 one"}) {
		t.Errorf("after a restart: %v", g.shows())
	}
	// The edition says so as well, and its new files are missing: nothing withdrawn
	// is held.
	w.Show("p-a", "two", publishtest.Noise("c", 1000), publishtest.Noise("d", 1000))
	r = w.Rows["p-a"]
	old := r.Versions[1]
	old.ID, old.State, old.Media = "v-1-one", playlist.Withdrawn, nil
	r.Versions = append(r.Versions, old)
	w.Rows["p-a"] = r
	w.Edition("p-a")
	w.Sign()
	late := w.Copy()
	if err := os.RemoveAll(filepath.Join(late, "files")); err != nil {
		t.Fatal(err)
	}
	take(t, g, late)
	if len(g.shows()) != 0 {
		t.Errorf("%v", g.shows())
	}
}

func TestEmergencyNotice(t *testing.T) {
	w := publishtest.New(t)
	w.Show("p-a", "one", publishtest.Noise("a", 1000))
	w.All()
	g := newGate(t, w, t.TempDir(), publishtest.Now)
	take(t, g, w.Dir)
	n := playlist.Notice{ID: "flood", Owner: "p-a", Severity: "extreme", Starts: g.now.Add(-time.Minute), Ends: g.now.Add(time.Hour), Bodies: map[playlist.Language]playlist.Body{"vi": {Title: "Lũ", Text: "Lũ về"}}}
	w.Emergency(1, []playlist.Notice{n})
	w.Sign()
	take(t, g, w.Dir)
	kept, err := g.state.Notices(t.Context())
	if err != nil || len(kept) != 1 || kept[0].ID != "flood" || !slices.Equal(kept[0].Places, []playlist.ID{"p-a"}) {
		t.Fatalf("%+v %v", kept, err)
	}
	// The next edition has it as well; then it is over.
	w.Emergency(2, nil)
	w.Sign()
	take(t, g, w.Dir)
	if kept, err = g.state.Notices(t.Context()); err != nil || len(kept) != 0 {
		t.Errorf("%+v %v", kept, err)
	}
}

// Whatever the clock says: in 1970 and ten years ahead the machine takes what is
// signed, and with a clock that is right it takes nothing whose time is over.
func TestClocks(t *testing.T) {
	for name, c := range map[string]struct {
		now   time.Time
		taken bool
	}{
		"1970":               {time.Unix(0, 0), true},
		"ten years ahead":    {publishtest.Now.AddDate(10, 0, 0), true},
		"right":              {publishtest.Now.Add(24 * time.Hour), true},
		"sixty days on":      {publishtest.Now.AddDate(0, 0, 60), false},
		"the day it expires": {publishtest.Now.Add(trust.TimestampLife + time.Second), false},
	} {
		t.Run(name, func(t *testing.T) {
			w := publishtest.New(t)
			w.Show("p-a", "one", publishtest.Noise("a", 1000))
			w.All()
			g := newGate(t, w, t.TempDir(), c.now)
			_, err := g.Import(t.Context(), w.Dir, nil)
			if taken := err == nil; taken != c.taken || !taken && !errors.Is(err, trust.ErrExpired) {
				t.Errorf("%v", err)
			}
		})
	}
}

// All metadata expired two months ago: what was accepted plays on, and the next
// that is signed is taken.
func TestExpiredPlaysOn(t *testing.T) {
	w := publishtest.New(t)
	w.Show("p-a", "one", publishtest.Noise("a", 1000))
	w.All()
	g := newGate(t, w, t.TempDir(), publishtest.Now)
	take(t, g, w.Dir)
	g.now = publishtest.Now.AddDate(0, 0, 100)
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	g = newGate(t, w, g.dir, g.now)
	if _, err := g.Import(t.Context(), w.Dir, nil); !errors.Is(err, trust.ErrExpired) || !slices.Equal(g.shows(), []string{"i-0 one"}) {
		t.Errorf("%v %v", err, g.shows())
	}
	w.Now = g.now
	w.Show("p-a", "two", publishtest.Noise("b", 1000))
	w.Edition("p-a")
	w.Sign()
	take(t, g, w.Dir)
	if !slices.Equal(g.shows(), []string{"i-0 two"}) {
		t.Errorf("%v", g.shows())
	}
}

// Three root rotations while the machine was away.
func TestRotationsWhileAway(t *testing.T) {
	w := publishtest.New(t)
	w.Show("p-a", "one", publishtest.Noise("a", 1000))
	w.All()
	g := newGate(t, w, t.TempDir(), publishtest.Now)
	take(t, g, w.Dir)
	for range 3 {
		w.Rotate(w.With(trust.Root)...)
	}
	w.Show("p-a", "two", publishtest.Noise("b", 1000))
	w.Edition("p-a")
	w.Sign()
	take(t, g, w.Dir)
	s, err := g.TrustState(t.Context())
	if err != nil || s.RootVersion() != 4 || !slices.Equal(g.shows(), []string{"i-0 two"}) {
		t.Errorf("%v %v %v", s.RootVersion(), err, g.shows())
	}
}

// The process dies at each step of taking in. What plays then is one edition or the
// other, whole, and doing it again ends with the new one.
func TestTakeCutAnywhere(t *testing.T) {
	w := publishtest.New(t)
	w.Show("p-a", "one", publishtest.Noise("a", 1000))
	w.All()
	first := w.Copy()
	w.Show("p-a", "two", publishtest.Noise("b", 1000), publishtest.Noise("c", 1000))
	w.Edition("p-a")
	w.Sign()
	defer step.Hook(func(string) {})
	for n := 1; ; n++ {
		step.Hook(func(string) {})
		dir := t.TempDir()
		g := newGate(t, w, dir, publishtest.Now)
		take(t, g, first)
		steps, at := 0, ""
		step.Hook(func(name string) {
			if steps++; steps == n {
				at = name
				panic("power cut")
			}
		})
		func() {
			defer func() { _ = recover() }()
			_, _ = g.Import(t.Context(), w.Dir, nil)
		}()
		step.Hook(func(string) {})
		_ = g.lock.Close() // the process is gone; nothing else is told
		_ = g.state.Close()
		again := newGate(t, w, dir, publishtest.Now)
		got := again.shows()
		if one, two := slices.Equal(got, []string{"i-0 one"}), len(got) > 0 && strings.HasSuffix(got[0], "two"); !one && !two {
			t.Fatalf("cut at %s: %v", at, got)
		}
		take(t, again, w.Dir)
		if !slices.Equal(again.shows(), []string{"i-0 two", "i-1 two"}) {
			t.Fatalf("cut at %s and done again: %v", at, again.shows())
		}
		if at == "" {
			if n < 6 {
				t.Errorf("there are only %d steps", n-1)
			}
			return
		}
	}
}

// A bit flips in any file of a stick: nothing false is shown, what played plays on,
// and the stick that is whole is taken afterwards.
func TestFlippedBitsOfAStick(t *testing.T) {
	w := publishtest.New(t)
	w.Show("p-a", "one", publishtest.Noise("a", 1000))
	w.All()
	first := w.Copy()
	w.Show("p-a", "two", publishtest.Noise("b", 3000))
	w.Edition("p-a")
	w.Sign()
	var names []string
	_ = filepath.WalkDir(w.Dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, strings.TrimPrefix(path, w.Dir+"/"))
		}
		return err
	})
	for n, name := range names {
		stick := w.Copy()
		raw, err := os.ReadFile(filepath.Join(stick, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []int{0, len(raw) / 2, len(raw) - 1} {
			bad := slices.Clone(raw)
			bad[at] ^= 1 << (n % 8)
			if err := os.WriteFile(filepath.Join(stick, name), bad, 0o644); err != nil {
				t.Fatal(err)
			}
			g := newGate(t, w, t.TempDir(), publishtest.Now)
			take(t, g, first)
			_, _ = g.Import(t.Context(), stick, nil)
			if got := fmt.Sprint(g.shows()); got != "[i-0 one]" && got != "[i-0 two]" {
				t.Errorf("%s, byte %d: %s", name, at, got)
			}
			take(t, g, w.Dir)
			if got := fmt.Sprint(g.shows()); got != "[i-0 two]" {
				t.Errorf("%s, byte %d, then a whole stick: %s", name, at, got)
			}
			_ = g.Close()
		}
	}
}

// A bit flips in any file that the machine itself keeps. It starts, shows nothing
// false, and is whole again after the next stick.
func TestFlippedBitsAtHome(t *testing.T) {
	w := publishtest.New(t)
	w.Show("p-a", "one", publishtest.Noise("a", 3000))
	w.All()
	home := t.TempDir()
	g := newGate(t, w, home, publishtest.Now)
	take(t, g, w.Dir)
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	w.Show("p-a", "two", publishtest.Noise("b", 3000))
	w.Edition("p-a")
	w.Sign()
	var names []string
	_ = filepath.WalkDir(home, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && d.Name() != "lock" {
			names = append(names, strings.TrimPrefix(path, home+"/"))
		}
		return err
	})
	if len(names) < 8 {
		t.Fatalf("only %v", names)
	}
	for _, name := range names {
		for part := range 8 {
			dir := filepath.Join(t.TempDir(), "home")
			if err := os.CopyFS(dir, os.DirFS(home)); err != nil {
				t.Fatal(err)
			}
			raw, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if len(raw) == 0 {
				continue
			}
			raw[(len(raw)-1)*part/7] ^= 16
			if err := os.WriteFile(filepath.Join(dir, name), raw, 0o644); err != nil {
				t.Fatal(err)
			}
			g := newGate(t, w, dir, publishtest.Now)
			for range 40 { // the background check
				_, _ = g.media.Verify(1 << 20)
			}
			if got := fmt.Sprint(g.shows()); got != "[i-0 one]" && got != "[]" {
				t.Errorf("%s, part %d: %s", name, part, got)
			}
			take(t, g, w.Dir)
			if got := fmt.Sprint(g.shows()); got != "[i-0 two]" {
				t.Errorf("%s, part %d, after the next stick: %s", name, part, got)
			}
			_ = g.Close()
		}
	}
}
