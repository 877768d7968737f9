package kiosk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cotmoc/hub/client"
	"cotmoc/hub/client/clienttest"
	"cotmoc/hub/local"
	"cotmoc/hub/server/publish/publishtest"
	"cotmoc/internal/step"
	"cotmoc/playlist"
)

// history is what a hub published, day by day, and what each day's programme is.
type history struct {
	w      *publishtest.World
	days   []string // published folders
	shows  [][]string
	hashes map[string]playlist.Hash // of what is shown, by item and title
}

const (
	withdrawnDay = 3 // on which the duty officers take this off the screens:
	withdrawn    = "i-1 day2"
)

func newHistory(t *testing.T) *history {
	h := &history{w: publishtest.New(t), hashes: map[string]playlist.Hash{}}
	for day := range 6 {
		title := fmt.Sprint("day", day)
		pictures := [][]byte{publishtest.Noise("stays", 90_000), publishtest.Noise(title, 30_000+day*1000)}
		if day%2 == 1 {
			pictures = append(pictures, publishtest.Noise(title+"more", 9000))
		}
		h.w.Show("p-a", title, pictures...)
		if day == withdrawnDay {
			h.w.Emergency(1, nil, "v-1-day2")
		}
		if day == 0 {
			h.w.All()
		} else {
			h.w.Edition("p-a")
			h.w.Sign()
		}
		var shows []string
		for n, raw := range pictures {
			sum := sha256.Sum256(raw)
			entry := fmt.Sprintf("i-%d %s", n, title)
			shows = append(shows, entry)
			h.hashes[entry] = playlist.Hash(hex.EncodeToString(sum[:]))
		}
		h.days, h.shows = append(h.days, h.w.Copy()), append(h.shows, shows)
	}
	return h
}

// machine is a simulated kiosk with its fetch, and everything that can happen to it.
type machine struct {
	*history
	t      *testing.T
	rt     *rapid.T
	g      *gate
	c      *client.Client
	line   *clienttest.Line
	now    time.Time // by the machine's clock
	synced bool
	best   int64 // newest snapshot that was accepted
	lasts  bool  // something was shown that nothing since may have taken away
	gone   bool  // what the duty officers said is known
}

// start is a machine's start, after whatever ended it before.
func (m *machine) start(dir string) {
	m.g = newGate(m.t, m.w, dir, m.now)
	m.g.clock.Now, m.g.clock.Synced = func() time.Time { return m.now }, func() bool { return m.synced }
	m.c = client.Through(dir, m.line)
}

// die is a power cut: nothing is told.
func (m *machine) die() {
	g := m.g
	_ = g.state.Close()
	if g.edition != nil {
		_ = g.edition.Close()
	}
	_ = g.lock.Close()
	m.start(g.dir)
}

// round is what fetch and kiosk do together: look, take in, bring files.
func (m *machine) round(files int) {
	ctx := context.Background()
	w, err := m.g.fetch.want(ctx)
	if err != nil {
		return
	}
	if came, err := m.c.Look(ctx, w); came && err == nil {
		_, _ = m.g.Take(ctx, filepath.Join(m.g.dir, local.PublicDir))
	}
	for range files {
		w, err := m.g.fetch.want(ctx)
		if err != nil || len(w.Files) == 0 {
			return
		}
		file := w.Files[0]
		if whole, _ := m.c.Bring(ctx, file, func(context.Context, int64) int64 { return 16 << 10 }); whole {
			m.g.fetch.file(ctx, file)
		}
	}
}

// act is one thing that happens.
func (m *machine) act() {
	switch rapid.SampledFrom([]string{"round", "round", "round", "hub", "line", "clock", "cut", "start", "flip", "room"}).Draw(m.rt, "what") {
	case "round":
		m.round(3)
	case "hub": // it publishes, or is restored from a backup
		m.line.Dir = m.days[rapid.IntRange(0, len(m.days)-1).Draw(m.rt, "day")]
	case "line":
		m.fault()
	case "clock":
		m.now = rapid.SampledFrom([]time.Time{publishtest.Now, publishtest.Now.Add(72 * time.Hour), time.Unix(0, 0), publishtest.Now.AddDate(10, 0, 0)}).Draw(m.rt, "clock")
		m.synced = m.now.Sub(publishtest.Now).Abs() < 100*time.Hour && rapid.Bool().Draw(m.rt, "synced")
	case "cut":
		m.cut(rapid.IntRange(1, 25).Draw(m.rt, "step"))
	case "start":
		m.die()
	case "flip":
		m.flip()
	case "room":
		m.g.media.Limit(rapid.SampledFrom([]int64{0, 1, 100_000, 140_000}).Draw(m.rt, "quota"))
	}
}

func (m *machine) fault() {
	names := slices.Sorted(maps.Keys(clienttest.Lies))
	lie := clienttest.Lies[rapid.SampledFrom(names).Draw(m.rt, "lie")]
	every, n := rapid.IntRange(0, 4).Draw(m.rt, "every"), 0
	m.line.Fault = func(r *http.Request, a *http.Response) (*http.Response, error) {
		if n++; every > 0 && n%every == 0 {
			return lie(r, a)
		}
		return a, nil
	}
}

// cut cuts the power at a numbered step of a round.
func (m *machine) cut(at int) {
	n := 0
	step.Hook(func(string) {
		if n++; n == at {
			panic("power cut")
		}
	})
	func() {
		defer func() { _ = recover() }()
		m.round(3)
	}()
	step.Hook(func(string) {})
	m.die()
}

// flip turns a bit of a file that the machine keeps. What is shown it notices by its
// background check.
func (m *machine) flip() {
	var paths []string
	_ = filepath.WalkDir(m.g.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && d.Name() != "lock" && !strings.HasPrefix(d.Name(), "state.db") {
			paths = append(paths, path)
		}
		return err
	})
	if len(paths) == 0 {
		return
	}
	path := rapid.SampledFrom(paths).Draw(m.rt, "file")
	raw, err := os.ReadFile(path)
	if err != nil || len(raw) == 0 {
		return
	}
	raw[rapid.IntRange(0, len(raw)-1).Draw(m.rt, "byte")] ^= 8
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		m.rt.Fatal(err)
	}
	m.lasts = false
	m.die()
	for range 12 {
		_, _ = m.g.media.Verify(1 << 20)
	}
}

// check is what holds at every moment.
func (m *machine) check() {
	shown := m.g.shows()
	for _, entry := range shown {
		want, ok := m.hashes[entry]
		if !ok {
			m.rt.Fatalf("%q is shown, which nobody signed", entry)
		}
		raw, err := os.ReadFile(m.g.media.Path(want))
		if sum := sha256.Sum256(raw); err != nil || hex.EncodeToString(sum[:]) != string(want) {
			m.rt.Fatalf("%q is shown and is not whole: %v", entry, err)
		}
	}
	accepted, _ := strconv.ParseInt(m.g.accepted(), 10, 64)
	if accepted < m.best {
		m.rt.Fatalf("snapshot %d was accepted after %d", accepted, m.best)
	}
	m.best = accepted
	m.gone = m.gone || m.g.emergency(context.Background()).Number > 0
	if m.gone && slices.Contains(shown, withdrawn) {
		m.rt.Fatalf("what was withdrawn is shown: %v", shown)
	}
	if m.lasts && len(shown) == 0 {
		m.rt.Fatalf("nothing is shown any more: %v", m.g.Status().Problems)
	}
	if len(shown) > 0 { // a withdrawal may leave a screen without anything until a file comes
		m.lasts = !slices.Equal(shown, []string{withdrawn})
	}
	var bytes int64
	_ = filepath.WalkDir(m.g.dir, func(_ string, d fs.DirEntry, err error) error {
		if info, err := d.Info(); err == nil {
			bytes += info.Size()
		}
		return err
	})
	if bytes > 4<<20 {
		m.rt.Fatalf("%d bytes are kept", bytes)
	}
}

// A gate over weeks: the line lies and dies, the clock jumps, power goes at any step,
// bits flip, the disk is full, the hub is restored from yesterday. At no moment is
// anything shown that is not signed and whole, and nothing goes back; once the faults
// end, the machine shows what the hub has. -rapid.checks says how many seeds.
func TestSimulatedWeeks(t *testing.T) {
	h := newHistory(t)
	defer step.Hook(func(string) {})
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp("", "weeks-")
		if err != nil {
			rt.Fatal(err)
		}
		m := &machine{history: h, t: t, rt: rt, line: &clienttest.Line{Dir: h.days[0], Served: map[string]int64{}}, now: publishtest.Now}
		m.start(dir)
		defer func() {
			_ = m.g.Close()
			_ = os.RemoveAll(dir)
		}()
		for range rapid.IntRange(5, 25).Draw(rt, "events") {
			m.act()
			m.check()
		}
		last := len(h.days) - 1
		m.line.Dir, m.line.Fault, m.now, m.synced = h.days[last], nil, publishtest.Now, true
		m.g.media.Limit(0)
		for range 8 {
			m.round(3)
			m.check()
		}
		if got := m.g.shows(); !slices.Equal(got, h.shows[last]) {
			rt.Fatalf("after the faults it shows %v, not %v: %v", got, h.shows[last], m.g.Status().Problems)
		}
	})
}
