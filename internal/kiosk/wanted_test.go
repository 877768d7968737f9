package kiosk

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"cotmoc/hub/feed"
	"cotmoc/hub/local"
	"cotmoc/hub/server/publish/publishtest"
	"cotmoc/playlist"
	"cotmoc/playlist/store"
)

// identityOf is a machine that is called me.
func identityOf(t *testing.T, dir string) *local.Identity {
	t.Helper()
	key, err := local.Key(dir)
	if err != nil {
		t.Fatal(err)
	}
	return &local.Identity{Hub: "https://hub.test", Device: "me", Key: key}
}

// withoutFiles is a stick that brings no files.
func withoutFiles(t *testing.T, w *publishtest.World) string {
	t.Helper()
	dir := w.Copy()
	if err := os.RemoveAll(filepath.Join(dir, "files")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// What is due today comes before what is scheduled later, and that before the
// library.
func TestWanted(t *testing.T) {
	w := publishtest.New(t)
	w.Show("p-a", "one", publishtest.Noise("today", 5000))
	library := w.Media("p-a", publishtest.Noise("library", 100))
	later := w.Media("p-a", publishtest.Noise("later", 100))
	fallback := w.Media("p-a", publishtest.Noise("fallback", 9000))
	r := w.Rows["p-a"]
	for id, h := range map[playlist.ID]playlist.Hash{"lib": library, "late": later, "fall": fallback} {
		r.Items = append(r.Items, playlist.Item{ID: id, Owner: "p-a", Kind: playlist.Picture})
		r.Versions = append(r.Versions, playlist.Version{ID: "v-" + id, Item: id, Language: "zxx", Title: string(id), Media: []playlist.Hash{h}, State: playlist.Published})
	}
	r.Playlists = append(r.Playlists, playlist.Playlist{ID: "ll", Owner: "p-a", Entries: []playlist.Entry{{Item: "late"}}}, playlist.Playlist{ID: "fl", Owner: "p-a", Entries: []playlist.Entry{{Item: "fall"}}})
	r.Schedules = append(r.Schedules, playlist.Schedule{ID: "next", Owner: "p-a", Playlist: "ll", At: []playlist.Local{}, Starts: "0 8 1 12 *", Lasts: playlist.Duration(time.Hour), Priority: 60})
	r.Displays[0].Defaults = map[playlist.Layer]playlist.ID{playlist.Main: "fl"}
	w.Rows["p-a"] = r
	w.All()
	g := newGate(t, w, t.TempDir(), publishtest.Now)
	take(t, g, withoutFiles(t, w))
	files, err := g.wanted(t.Context())
	if err != nil || len(files) != 4 {
		t.Fatalf("%+v %v", files, err)
	}
	var classes []local.Class
	for _, f := range files {
		classes = append(classes, f.Class)
	}
	if !slices.Equal(classes, []local.Class{local.Fallback, local.Today, local.Later, local.Library}) || files[0].SHA256 != fallback || files[2].SHA256 != later || files[3].SHA256 != library || files[1].Due.IsZero() {
		t.Errorf("%+v", files)
	}
}

// The quota holds: the library makes way for what is scheduled, never the other way
// round, and nothing goes while the clock is not trusted.
func TestRoom(t *testing.T) {
	w := publishtest.New(t)
	w.Show("p-a", "one", publishtest.Noise("shown", 6000))
	library := w.Media("p-a", publishtest.Noise("library", 3500))
	r := w.Rows["p-a"]
	r.Items = append(r.Items, playlist.Item{ID: "lib", Owner: "p-a", Kind: playlist.Picture})
	r.Versions = append(r.Versions, playlist.Version{ID: "v-lib", Item: "lib", Language: "zxx", Title: "lib", Media: []playlist.Hash{library}, State: playlist.Published})
	w.Rows["p-a"] = r
	w.All()
	g := newGate(t, w, t.TempDir(), publishtest.Now)
	g.media.Limit(10_000)
	take(t, g, w.Dir)
	w.Show("p-a", "two", publishtest.Noise("shown", 6000), publishtest.Noise("more", 3000))
	r = w.Rows["p-a"]
	r.Items = append(r.Items, playlist.Item{ID: "lib", Owner: "p-a", Kind: playlist.Picture})
	r.Versions = append(r.Versions, playlist.Version{ID: "v-lib", Item: "lib", Language: "zxx", Title: "lib", Media: []playlist.Hash{library}, State: playlist.Published})
	w.Rows["p-a"] = r
	w.Media("p-a", publishtest.Noise("library", 3500))
	w.Edition("p-a")
	w.Sign()
	take(t, g, withoutFiles(t, w))
	g.now = publishtest.Now.AddDate(5, 0, 0) // nobody can believe that
	if files, err := g.wanted(t.Context()); err != nil || len(files) != 0 || !g.media.Has(library) {
		t.Errorf("without a clock: %+v %v", files, err)
	}
	g.now = publishtest.Now
	files, err := g.wanted(t.Context())
	if err != nil || len(files) != 1 || g.media.Has(library) {
		t.Fatalf("%+v %v, the library's file is here: %v", files, err, g.media.Has(library))
	}
	// What is shown is never let go, whatever is wanted.
	if got := g.shows(); len(got) == 0 {
		t.Error("nothing is shown any more")
	}
}

func TestLate(t *testing.T) {
	now := publishtest.Now
	files := []local.File{{SHA256: "a", Bytes: 1000, Due: now.Add(5 * time.Second)}, {SHA256: "b", Bytes: 9000, Due: now.Add(20 * time.Second)}, {SHA256: "c", Bytes: 5000}}
	if got := late(files, 400, now); len(got) != 1 || got[0].SHA256 != "b" || !got[0].Comes.Equal(now.Add(25*time.Second)) {
		t.Errorf("%+v", got)
	}
	if got := late(files, 4000, now); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	if got := late(files, 0, now); len(got) != 2 {
		t.Errorf("nobody knows how fast it is: %+v", got)
	}
}

func TestOutbox(t *testing.T) {
	w := publishtest.New(t)
	w.All()
	g := newGate(t, w, t.TempDir(), publishtest.Now)
	g.identity = identityOf(t, g.dir)
	if b, err := g.fetch.batch(t.Context()); err != nil || b != nil {
		t.Fatalf("%+v %v", b, err)
	}
	writePlays(t, g, 0, 3)
	b, err := g.fetch.batch(t.Context())
	if err != nil || len(b.Plays) != 3 || b.From != 0 || b.Gone != 0 || b.Epoch == "" || b.Plays[2].Seq != 3 {
		t.Fatalf("%+v %v", b, err)
	}
	g.fetch.receipt(t.Context(), receipt("another database", 3))
	if again, _ := g.fetch.batch(t.Context()); len(again.Plays) != 3 {
		t.Errorf("a receipt of another epoch counted: %+v", again)
	}
	g.fetch.receipt(t.Context(), receipt(b.Epoch, 2))
	if b, err = g.fetch.batch(t.Context()); err != nil || len(b.Plays) != 1 || b.From != 2 {
		t.Fatalf("%+v %v", b, err)
	}
	g.fetch.receipt(t.Context(), receipt(b.Epoch, 0)) // the hub was restored
	if b, err = g.fetch.batch(t.Context()); err != nil || len(b.Plays) != 3 {
		t.Fatalf("%+v %v", b, err)
	}
}

// Counts go with the proof, or alone, until the hub says that it holds them.
func TestCountsInTheOutbox(t *testing.T) {
	w := publishtest.New(t)
	w.All()
	g := newGate(t, w, t.TempDir(), publishtest.Now)
	g.identity = identityOf(t, g.dir)
	visit := store.Count{Day: playlist.Date{Year: 2027, Month: 3, Day: 1}, What: "visit"}
	count := func(n int64) {
		t.Helper()
		if err := g.state.AddCounts(t.Context(), map[store.Count]int64{visit: n}); err != nil {
			t.Fatal(err)
		}
	}
	batch := func(plays int, n int64) *feed.Batch {
		t.Helper()
		b, err := g.fetch.batch(t.Context())
		switch {
		case err != nil:
			t.Fatal(err)
		case n == 0 && plays == 0 && b == nil:
		case b == nil || len(b.Plays) != plays || n == 0 && len(b.Counts) > 0 || n > 0 && (len(b.Counts) != 1 || b.Counts[0] != feed.Count{Day: "2027-03-01", What: "visit", N: n} || b.Tally == ""):
			t.Fatalf("%+v, want %d plays and %d", b, plays, n)
		}
		return b
	}
	count(2)
	first := batch(0, 2)
	if again := batch(0, 2); again.Tally != first.Tally {
		t.Error("the same batch has another name")
	}
	count(1)
	second := batch(0, 3)
	g.fetch.receipt(t.Context(), feed.Receipt{Epoch: first.Epoch, Tally: first.Tally}) // too late
	writePlays(t, g, 0, 3)
	batch(3, 3)
	g.fetch.receipt(t.Context(), feed.Receipt{Epoch: first.Epoch, Seq: 3, Tally: second.Tally})
	batch(0, 0)
	g.fetch.receipt(t.Context(), feed.Receipt{Epoch: first.Epoch, Seq: 1}) // the hub was restored
	batch(2, 3)
}

func writePlays(t *testing.T, g *gate, from, n int) {
	t.Helper()
	var b store.Batch
	for i := from; i < from+n; i++ {
		b.Plays = append(b.Plays, store.Play{ID: fmt.Sprint("p", i), Item: "i", Start: g.now, End: g.now})
	}
	if err := g.state.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

func receipt(epoch string, seq int64) feed.Receipt { return feed.Receipt{Epoch: epoch, Seq: seq} }
