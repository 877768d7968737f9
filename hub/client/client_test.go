package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cotmoc/hub/client/clienttest"
	"cotmoc/hub/edition"
	"cotmoc/hub/feed"
	"cotmoc/hub/local"
	"cotmoc/hub/server/publish/publishtest"
	"cotmoc/hub/trust"
)

// site is a world, a line to it, and a machine.
type site struct {
	*publishtest.World
	line *clienttest.Line
	c    *Client
	want local.Want
}

func newSite(t testing.TB) *site {
	w := publishtest.New(t)
	l := &clienttest.Line{Dir: w.Dir, Served: map[string]int64{}}
	root, err := trust.Begin(w.Repo.Files["1.root.json"])
	w.Must(err)

	c := Through(t.TempDir(), l)
	return &site{World: w, line: l, c: c, want: local.Want{Trust: root, At: publishtest.Now}}
}

// look is a round, and what kiosk would accept of it.
func (s *site) look(ctx context.Context) (bool, error) {
	came, err := s.c.Look(ctx, s.want)
	if !came || err != nil {
		return came, err
	}
	folder, err := local.OpenFolder(filepath.Join(s.c.Dir, local.PublicDir))
	if err != nil {
		return came, err
	}
	defer folder.Close()
	state, ed, err := s.want.Trust.Refresh(ctx, folder, s.want.At, nil)
	if err != nil {
		return came, fmt.Errorf("kiosk would not take it: %w", err)
	}
	for _, head := range ed.Heads {
		raw, err := folder.Read(head.Path, trust.MaxMetadata)
		if err != nil {
			return came, err
		}
		h, err := head.Head(raw)
		if err != nil {
			return came, err
		}
		var rows []feed.Row
		packed, err := folder.Read(strings.TrimSuffix(head.Path, "head.json")+"snapshot.zst", 1<<30)
		if err == nil {
			err = edition.Unpack(packed, &rows)
		}
		if err != nil || feed.Sum(rows).Catalogue() != h.Catalogue {
			return came, fmt.Errorf("%s: the rows are not what was signed (%w)", head.Path, err)
		}
	}
	s.want.Trust = state
	return came, nil
}

func (s *site) forget() { s.line.Asked, s.line.Served = nil, map[string]int64{} }

// always lets a transfer go on without a pause.
func always(context.Context, int64) int64 { return maxSpan }

func TestLook(t *testing.T) {
	s := newSite(t)
	s.Show("p-a", "one", publishtest.Noise("a", 100))
	s.All()
	for n, want := range []bool{true, false} {
		if came, err := s.look(t.Context()); err != nil || came != want {
			t.Fatalf("round %d: %v %v", n, came, err)
		}
	}
	s.forget()
	s.Show("p-a", "two", publishtest.Noise("a", 100))
	s.Edition("p-a")
	s.Sign()
	if came, err := s.look(t.Context()); err != nil || !came || s.line.Count("delta-1") != 1 || s.line.Count("snapshot.zst")+s.line.Count("parts")+s.line.Count("targets") != 0 {
		t.Errorf("by delta: %v %v %v", came, err, s.line.Asked)
	}
	s.forget()
	s.want.Scopes = []string{"vn"}
	s.Show("p-b", "one", publishtest.Noise("a", 100))
	s.Edition("p-b")
	s.Sign()
	if _, err := s.c.Look(t.Context(), s.want); err != nil || s.line.Count("/p-b/") != 0 {
		t.Errorf("a scope that is not wanted was fetched: %v %v", s.line.Asked, err)
	}
}

// Where no delta leads here, the buckets that differ are fetched, and where nothing
// is here to begin with, everything.
func TestWaysToRows(t *testing.T) {
	s := newSite(t)
	many := make([][]byte, 300)
	for n := range many {
		many[n] = publishtest.Noise(fmt.Sprint("p", n), 50)
	}
	s.Show("p-a", "one", many...)
	s.All()
	if _, err := s.look(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := s.Rows["p-a"]
	r.Versions[7].Title = "changed"
	s.Edition("p-a")
	s.Sign()
	for _, gone := range []string{"delta-1.zst", "delta-2.zst", "delta-3.zst"} {
		_ = os.Remove(filepath.Join(s.Dir, "p-a", "2", gone))
	}
	s.forget()
	if _, err := s.look(t.Context()); err != nil || s.line.Count("parts.zst") != 1 || s.line.Count("snapshot.zst") != 0 {
		t.Errorf("by buckets: %v %v", s.line.Asked, err)
	}
	whole, _ := os.Stat(filepath.Join(s.Dir, "p-a", "2", "parts.zst"))
	if got := s.line.Served["/public/p-a/2/parts.zst"]; got > whole.Size()/20 {
		t.Errorf("%d of %d bytes of the parts were fetched for one row", got, whole.Size())
	}
	if err := os.RemoveAll(filepath.Join(s.c.Dir, local.PublicDir)); err != nil {
		t.Fatal(err)
	}
	s.forget()
	if _, err := s.look(t.Context()); err != nil || s.line.Count("p-a/2/snapshot.zst") != 1 {
		t.Errorf("by snapshot: %v %v", s.line.Asked, err)
	}
}

// Whatever stands in between: nothing false is kept, and once it is gone everything
// comes out right.
func TestLies(t *testing.T) {
	for name, lie := range clienttest.Lies {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			raw := publishtest.Noise("film", 1<<20)
			s.Show("p-a", "one", raw)
			s.All()
			if _, err := s.look(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.Show("p-a", "two", raw)
			s.Edition("p-a")
			s.Sign()
			file := s.file("p-a", 0)
			s.line.Fault = lie
			if came, err := s.look(t.Context()); came && err != nil {
				t.Errorf("kiosk would have been told: %v", err)
			}
			whole, err := s.c.Bring(t.Context(), file, always)
			if whole && !s.right(file) {
				t.Errorf("the file counts as whole: %v", err)
			}
			s.line.Fault = nil
			if _, err := s.look(t.Context()); err != nil {
				t.Fatalf("afterwards: %v", err)
			}
			if s.want.Trust.Snapshot == nil || s.snapshot() != 3 {
				t.Errorf("afterwards the machine is at snapshot %d", s.snapshot())
			}
			for n := 0; n < 3 && !whole; n++ {
				whole, err = s.c.Bring(t.Context(), file, always)
			}
			if !whole || !s.right(file) {
				t.Errorf("afterwards the file is not right: %v", err)
			}
		})
	}
}

func (s *site) snapshot() int64 {
	ed, err := s.want.Trust.Edition(nil)
	if err != nil {
		return 0
	}
	return ed.Number
}

// file is the n-th file of a scope.
func (s *site) file(scope string, n int) local.File {
	m := s.Rows[scope].Media[n]
	return local.File{SHA256: m.SHA256, Bytes: m.Bytes}
}

func (s *site) right(f local.File) bool {
	raw, err := os.ReadFile(filepath.Join(s.c.Dir, local.PartDir, string(f.SHA256)+".part"))
	if err != nil {
		return false
	}
	table, err := edition.Chunks(bytes.NewReader(raw), int64(len(raw)))
	return err == nil && feed.HexName(table.File) == string(f.SHA256)
}

// A table that lies costs time and nothing else: in the end the file's own hash must
// come out, and the transfer begins anew.
func TestLyingTable(t *testing.T) {
	s := newSite(t)
	s.Show("p-a", "one", publishtest.Noise("film", 200_000))
	s.All()
	file := s.file("p-a", 0)
	other, err := edition.Chunks(bytes.NewReader(publishtest.Noise("other", 200_000)), 200_000)
	s.Must(err)
	copy(other.File[:], mustHex(t, string(file.SHA256)))
	raw, err := other.MarshalBinary()
	s.Must(err)
	s.Must(os.WriteFile(filepath.Join(s.Dir, filepath.FromSlash(filePath("chunks", file.SHA256))), raw, 0o644))
	if whole, err := s.c.Bring(t.Context(), file, always); whole || err == nil {
		t.Errorf("chunks that are not there came: %v", err)
	}
	s.Must(s.c.drop(file.SHA256))
	left, _ := filepath.Glob(filepath.Join(s.c.Dir, local.PartDir, "*"))
	if len(left) != 0 {
		t.Errorf("%v", left)
	}
}

func mustHex(t *testing.T, s string) []byte {
	t.Helper()
	var out []byte
	if _, err := fmt.Sscanf(s, "%x", &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// Files that came with an event land where published files lie, and nowhere else.
func TestKeepFiles(t *testing.T) {
	s := newSite(t)
	good := feed.Event{Files: map[string][]byte{"trust/timestamp.json": []byte("t"), "emergency/3/head.json": []byte("e")}}
	if err := s.c.KeepFiles(good); err != nil {
		t.Fatal(err)
	}
	for name := range good.Files {
		if _, err := os.Stat(s.c.public(name)); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"../state.db", "trust/../../device/key.pem", "/etc/passwd", "p-a/1/snapshot.zst", "trust", "trust//x"} {
		if err := s.c.KeepFiles(feed.Event{Files: map[string][]byte{name: []byte("x")}}); name != "trust" && err == nil {
			t.Errorf("%s was kept", name)
		}
	}
}

func TestWithin(t *testing.T) {
	at := func(clock string) time.Time {
		got, err := time.Parse("15:04 MST", clock+" UTC")
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for _, c := range []struct {
		hours, zone, at string
		clock, want     bool
	}{
		{"", "UTC", "12:00", true, true}, {"22:00-05:00", "UTC", "23:00", true, true}, {"22:00-05:00", "UTC", "04:59", true, true}, {"22:00-05:00", "UTC", "05:00", true, false},
		{"22:00-05:00", "Asia/Ho_Chi_Minh", "16:00", true, true}, {"08:00-09:00", "UTC", "08:30", true, true}, {"08:00-09:00", "UTC", "09:00", true, false},
		{"08:00-09:00", "UTC", "09:00", false, true}, {"rubbish", "UTC", "09:00", true, true},
	} {
		if got := within(c.hours, c.zone, at(c.at), c.clock); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// The pauses spread: thousands that broke off together do not come back together. A broken
// line is tried again within half a minute; a hub that is busy, refuses or was not heard for
// long is left alone for longer, and for as long as it asks.
func TestBackoff(t *testing.T) {
	local, busy := errors.New("no route"), &busyError{7 * time.Second}
	for name, c := range map[string]struct {
		err     error
		unheard time.Duration
		most    time.Duration
		least   time.Duration
	}{
		"the line":              {local, time.Minute, localPause, 0},
		"busy":                  {busy, time.Minute, remotePause, 7 * time.Second},
		"busy for an hour":      {&busyError{time.Hour}, 0, 2 * time.Hour, time.Hour},
		"refused":               {&refusal{"held"}, time.Minute, remotePause, 0},
		"not heard for so long": {local, longUnheard + time.Second, remotePause, 0},
	} {
		seen := map[time.Duration]bool{}
		longest := time.Duration(0)
		for n := range 400 {
			b := backoff{n: min(n, 50)}
			got := b.next(c.err, c.unheard)
			if got > c.most+time.Second || got < c.least {
				t.Fatalf("%s: a pause of %v", name, got)
			}
			longest = max(longest, got)
			seen[got.Truncate(100*time.Millisecond)] = true
		}
		if len(seen) < 60 || longest < c.most/2 {
			t.Errorf("%s: pauses fall on %d moments, the longest %v", name, len(seen), longest)
		}
		if first := (&backoff{}).next(c.err, c.unheard); first > max(firstPause, c.least*12/10)+2*time.Second {
			t.Errorf("%s: the first pause is %v", name, first)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{"7": 7 * time.Second, "0": 0, "99999": maxAfter, "": 5 * time.Second, "soon": 5 * time.Second, "-1": 5 * time.Second,
		now.Add(90 * time.Second).Format(http.TimeFormat): 90 * time.Second, now.Add(48 * time.Hour).Format(http.TimeFormat): maxAfter, now.Add(-time.Hour).Format(http.TimeFormat): 5 * time.Second} {
		if got := retryAfter(http.Header{"Retry-After": {text}, "Date": {now.Format(http.TimeFormat)}}); got != want {
			t.Errorf("%q: %v, not %v", text, got, want)
		}
	}
}

// The network's state as text: it changes with carriers, addresses and gateways only.
func TestNetworkIsQuiet(t *testing.T) {
	before := network()
	for range 20 {
		if now := network(); now != before {
			t.Fatalf("nothing changed, and it is\n%s\nnot\n%s", now, before)
		}
	}
}

// hashes lists the files of a scope as kiosk would want them.
func (s *site) files(scope string) []local.File {
	var out []local.File
	for _, m := range s.Rows[scope].Media {
		out = append(out, local.File{SHA256: m.SHA256, Bytes: m.Bytes})
	}
	return out
}
