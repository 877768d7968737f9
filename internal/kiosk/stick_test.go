package kiosk

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cotmoc/hub/feed"
	"cotmoc/hub/server/publish/publishtest"
	"cotmoc/playlist"
)

// country is a published folder with content of two provinces.
func country(t *testing.T) *publishtest.World {
	w := publishtest.New(t)
	w.Show("p-a", "a", publishtest.Noise("a", 4000))
	r := w.Rows["p-b"]
	h := w.Media("p-b", publishtest.Noise("b", 4000))
	r = w.Rows["p-b"]
	r.Items = []playlist.Item{{ID: "b-0", Owner: "p-b", Kind: playlist.Picture}}
	r.Versions = []playlist.Version{{ID: "b-v", Item: "b-0", Language: "zxx", Title: "b", Media: []playlist.Hash{h}, State: playlist.Published}}
	r.Playlists = []playlist.Playlist{{ID: "b-l", Owner: "p-b", Entries: []playlist.Entry{{Item: "b-0", Duration: playlist.Duration(1e10)}}}}
	r.Schedules = []playlist.Schedule{{ID: "b-s", Owner: "p-b", Playlist: "b-l", Always: true, Priority: 50}}
	w.Rows["p-b"] = r
	w.All()
	return w
}

// forPlace makes a stick for a gate: everything of another province but its metadata is
// left away.
func forPlace(t *testing.T, w *publishtest.World, note bool) string {
	t.Helper()
	dir := w.Copy()
	if err := os.RemoveAll(filepath.Join(dir, "p-b")); err != nil {
		t.Fatal(err)
	}
	if note {
		raw, err := json.Marshal(feed.Stick{Format: feed.StickFormat, Place: "ga", Scopes: []string{"vn", "p-a"}})
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, feed.StickFile), raw, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// spoil changes a bit of a file.
func spoil(t *testing.T, path string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err == nil {
		raw[len(raw)/2] ^= 1
		err = os.WriteFile(path, raw, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A new machine takes a stick that was made for its gate, with what it says of itself and
// without, and shows that gate's display.
func TestStickForAPlace(t *testing.T) {
	w := country(t)
	for _, note := range []bool{true, false} {
		g := newGate(t, w, t.TempDir(), publishtest.Now)
		got := take(t, g, forPlace(t, w, note))
		if !got.Switched || len(got.Aside) != 1 || got.Aside[0].Scope != "p-b" || got.Missing != 0 || !slices.Equal(g.shows(), []string{"i-0 a"}) || !slices.Equal(g.screens(), []playlist.ID{"d1"}) {
			t.Errorf("note %v: %+v %v %v", note, got, g.shows(), g.screens())
		}
	}
}

// Of a stick of the whole country, whatever is damaged of another province does not keep a
// new machine from taking its own; what is its own does.
func TestDamagedStickOfOthers(t *testing.T) {
	w := country(t)
	base := w.Copy()
	var files []string
	if err := filepath.Walk(base, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			rel, _ := filepath.Rel(base, path)
			files = append(files, rel)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	others, own := 0, 0
	bFile := string(w.Media("p-b", publishtest.Noise("b", 4000)))
	for _, name := range files {
		alien := strings.HasPrefix(name, "p-b/") || strings.Contains(name, ".p-b.json") || strings.HasSuffix(name, bFile)
		mine := strings.HasPrefix(name, "p-a/1/snapshot") || strings.HasPrefix(name, "p-a/1/head") || strings.Contains(name, ".p-a.json") || strings.HasPrefix(name, "vn/1/snapshot")
		if !alien && !mine || strings.HasPrefix(name, "chunks/") {
			continue
		}
		dir := w.Copy()
		note, err := json.Marshal(feed.Stick{Format: feed.StickFormat, Place: "ga", Scopes: []string{"vn", "p-a"}})
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, feed.StickFile), note, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		spoil(t, filepath.Join(dir, name))
		g := newGate(t, w, t.TempDir(), publishtest.Now)
		got, err := g.Import(t.Context(), dir, nil)
		switch {
		case alien && (err != nil || !slices.Equal(g.shows(), []string{"i-0 a"})):
			t.Errorf("%s, which is another province's, is damaged: %v; it shows %v", name, err, g.shows())
		case alien:
			others++
			needed := !strings.HasSuffix(name, "buckets") && !strings.HasSuffix(name, "parts.zst") && !strings.Contains(name, "delta-") && !strings.HasSuffix(name, "newest.json")
			if needed && len(got.Aside)+len(got.Damaged) == 0 {
				t.Errorf("%s: nothing is said of it", name)
			}
		case err == nil:
			t.Errorf("%s, which is its own, is damaged, and the stick was taken", name)
		default:
			own++
		}
	}
	if others < 4 || own < 3 {
		t.Errorf("only %d files of others and %d of its own were damaged", others, own)
	}
}

// A second stick whose part for this machine is damaged takes nothing away that plays, and
// what is whole on it is kept.
func TestDamagedSecondStick(t *testing.T) {
	w := country(t)
	g := newGate(t, w, t.TempDir(), publishtest.Now)
	take(t, g, w.Copy())
	w.Show("p-a", "new", publishtest.Noise("n", 4000))
	w.Edition("p-a")
	w.Sign()
	dir := w.Copy()
	spoil(t, filepath.Join(dir, "p-a", "2", "snapshot.zst"))
	if _, err := g.Import(t.Context(), dir, nil); err == nil && !slices.Contains(g.shows(), "i-0 a") {
		t.Errorf("it shows %v", g.shows())
	}
	if got := g.shows(); !slices.Contains(got, "i-0 a") {
		t.Errorf("it shows %v", got)
	}
}
