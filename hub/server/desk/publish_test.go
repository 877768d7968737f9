package desk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cotmoc/hub/edition"
	"cotmoc/hub/feed"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/publish"
	"cotmoc/hub/server/rights"
	"cotmoc/internal/step"
	"cotmoc/playlist"
)

// planned makes a display with a playlist of one bulletin with a picture.
func (w *world) planned() playlist.ID {
	w.t.Helper()
	w.put(w.ministry, central.Displays, "d1", playlist.Display{ID: "d1", Place: "hn", Width: 1920, Height: 1080})
	w.item("i1", "bulletin")
	picture := w.file("a.png", strings.Repeat("picture", 1000), FileReady)
	id := w.draft(w.editor, playlist.Version{Item: "i1", Language: "vi", Media: []playlist.Hash{picture}})
	w.submit(w.editor, id)
	if _, err := w.Approve(w.t.Context(), w.reviewer, id, w.rev(id)); err != nil {
		w.t.Fatal(err)
	}
	w.put(w.publisher, central.Playlists, "p1", playlist.Playlist{ID: "p1", Owner: "ls", Entries: []playlist.Entry{{Item: "i1"}}})
	w.put(w.publisher, central.Schedules, "s1", playlist.Schedule{ID: "s1", Owner: "ls", Playlist: "p1", Starts: "0 8 * * *", Lasts: playlist.Duration(2 * time.Hour), Priority: 50})
	return id
}

func TestPublish(t *testing.T) {
	w := newWorld(t)
	w.planned()
	w.item("i2", "bulletin")
	w.put(w.publisher, central.Playlists, "p1", playlist.Playlist{ID: "p1", Owner: "ls", Entries: []playlist.Entry{{Item: "i1"}, {Item: "i2"}}})
	_, err := w.Publish(t.Context(), w.editor, []playlist.ID{"ls"}, false)
	w.refused("an author publishes", err)
	_, err = w.Publish(t.Context(), w.publisher, []playlist.ID{"vn"}, false)
	w.refused("the province publishes for the ministry", err)
	_, err = w.Publish(t.Context(), w.ministry, []playlist.ID{"dd"}, false)
	w.code("a commune has no edition", err, playlist.CodeInvalid)
	p := w.publish("ls")
	if p.Number != 1 || len(p.Published) != 1 || len(p.Held) != 1 || !strings.Contains(p.Held[0].Why, "i2") {
		t.Errorf("%+v", p)
	}
	if again := w.publish("ls"); !again.Unchanged || again.Number != 1 {
		t.Errorf("%+v", again)
	}
}

func TestPublishRefusesWhatWouldNotFit(t *testing.T) {
	w := newWorld(t)
	w.planned()
	big := playlist.Display{ID: "d2", Place: "hn", Width: 100, Height: 100, QuotaMB: 1}
	w.put(w.ministry, central.Displays, "d2", big)
	video := w.file("b.png", strings.Repeat("x", 2_000_000), FileReady)
	w.item("i3", "bulletin")
	id := w.draft(w.editor, playlist.Version{Item: "i3", Language: "vi", Media: []playlist.Hash{video}})
	w.submit(w.editor, id)
	if _, err := w.Approve(t.Context(), w.reviewer, id, w.rev(id)); err != nil {
		t.Fatal(err)
	}
	w.put(w.publisher, central.Mandatory, "m1", playlist.Mandatory{ID: "m1", Owner: "ls", Item: "i3", Every: playlist.Duration(time.Hour)})
	_, err := w.Publish(t.Context(), w.publisher, []playlist.ID{"ls"}, false)
	w.code("more than a display may keep", err, playlist.CodeRefused)
	if w.state(id) != playlist.Approved {
		t.Errorf("a publication that was refused left the version %s", w.state(id))
	}
	v, err := NewPlans(w.Desk).View(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	pre, err := v.Preflight("ls")
	if err != nil || len(pre.Displays) != 2 || !pre.Displays[1].TooMuch || pre.Displays[0].TooMuch || pre.Displays[1].Bytes != 2_007_000 || pre.Displays[1].Quota != 1e6 {
		t.Errorf("%+v %v", pre, err)
	}
	if l := pre.Displays[0].Lacks; len(l) != 1 || l[0].Language != "zh-Hans" || l[0].Items != 2 {
		t.Errorf("%+v", l)
	}
	if p, err := w.Publish(t.Context(), w.publisher, []playlist.ID{"ls"}, true); err != nil || p[0].Number != 1 {
		t.Errorf("by force: %+v %v", p, err)
	}
}

// What two scopes name of each other is published together, or not at all.
func TestScopesTogether(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.put(w.console, central.Places, "tn", playlist.Place{ID: "tn", Parent: "vn", Kind: playlist.Province, Names: playlist.Names{"vi": "Tây Ninh"}})
	w.put(w.console, central.Places, "mb", playlist.Place{ID: "mb", Parent: "tn", Kind: playlist.Gate, Names: playlist.Names{"vi": "Mộc Bài"}})
	author := w.person("author", "vn", rights.Author)
	doc := w.put(author, central.Items, "card", playlist.Item{ID: "card", Owner: "vn", Kind: playlist.Fact, Gate: "mb", Class: "bulletin"})
	if q, err := w.Queue(ctx, w.ministry); err != nil || len(q) != 1 || !q[0].Mine {
		t.Errorf("a gate card does not wait for its review: %+v %v", q, err)
	}
	if _, err := w.ApproveObject(ctx, w.ministry, central.Items, "card", doc.Rev); err != nil {
		t.Fatal(err)
	}
	_, err := w.Publish(ctx, w.ministry, []playlist.ID{"vn"}, false)
	w.code("a gate that its province has not published", err, playlist.CodeInvalid)
	_, err = w.Publish(ctx, w.publisher, []playlist.ID{"ls", "tn"}, false)
	w.refused("one of two scopes is not the publisher's", err)
	got, err := w.Publish(ctx, w.ministry, []playlist.ID{"vn", "tn"}, false)
	if err != nil || len(got) != 2 || got[0].Number != 2 || got[1].Number != 1 {
		t.Errorf("%+v %v", got, err)
	}
}

// After a restore no number comes twice: not that of a scope which had editions,
// nor of one whose first edition the backup did not have.
func TestLeapAhead(t *testing.T) {
	w := newWorld(t)
	w.planned()
	change := func(n int) int64 {
		w.put(w.publisher, central.Playlists, "p2", playlist.Playlist{ID: "p2", Owner: "ls", Names: playlist.Names{"vi": fmt.Sprint(n)}})
		return w.publish("ls").Number
	}
	leap := func() {
		if err := w.Store.Write(t.Context(), func(tx central.Tx) error { return LeapAhead(t.Context(), tx) }); err != nil {
			t.Fatal(err)
		}
	}
	leap()
	var got []int64
	got = append(got, change(1), change(2))
	leap()
	got = append(got, change(3), change(4))
	if fmt.Sprint(got) != "[1000 1001 2001 2002]" {
		t.Errorf("%v", got)
	}
	to := publish.Public{Dir: t.TempDir(), Files: w.Files}
	if _, err := w.WriteEditions(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	if head, _ := readEdition(t, to.Dir, "ls", 2002); len(head.Deltas) != 3 {
		t.Errorf("%+v", head.Deltas)
	}
}

func treeOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		out[strings.TrimPrefix(path, dir)] = string(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Whatever moment the writing is cut off at: what is there is whole, and doing
// it again ends with the same files, byte for byte.
func TestWriteEditionsCutAnywhere(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.planned()
	w.publish("ls")
	w.now = w.now.Add(time.Hour)
	w.put(w.publisher, central.Playlists, "p2", playlist.Playlist{ID: "p2", Owner: "ls", Names: playlist.Names{"vi": "hai <&> ba"}})
	w.publish("ls")
	defer step.Hook(func(string) {})
	want := map[string]string{}
	cut := errors.New("power cut")
	for n := 0; ; n++ {
		dir := t.TempDir()
		to := publish.Public{Dir: dir, Files: w.Files}
		steps := 0
		step.Hook(func(string) {
			if steps++; steps == n {
				panic(cut)
			}
		})
		func() {
			defer func() { _ = recover() }()
			_, _ = w.WriteEditions(ctx, to)
		}()
		for _, scope := range []string{"vn", "ls"} {
			newest, err := to.Newest(scope)
			if err != nil {
				t.Fatalf("cut at step %d: %v", n, err)
			}
			if newest.Number > 0 {
				readEdition(t, dir, scope, newest.Number)
			}
		}
		step.Hook(func(string) {})
		if _, err := w.WriteEditions(ctx, to); err != nil {
			t.Fatalf("again after step %d: %v", n, err)
		}
		got := treeOf(t, dir)
		if n == 0 {
			want = got
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("cut at step %d and done again, the files differ", n)
		}
		if n > 0 && steps < n {
			if n < 8 {
				t.Errorf("there are only %d steps", n-1)
			}
			return
		}
	}
}

// readEdition reads an edition as a kiosk would, with everything it names.
func readEdition(t *testing.T, dir, scope string, number int64) (feed.Head, []feed.Row) {
	t.Helper()
	at := filepath.Join(dir, scope, fmt.Sprint(number))
	read := func(path string) []byte {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	var head feed.Head
	if err := json.Unmarshal(read(filepath.Join(at, "head.json")), &head); err != nil {
		t.Fatal(err)
	}
	if err := head.Check(); err != nil {
		t.Fatal(err)
	}
	var rows []feed.Row
	if err := edition.Unpack(read(filepath.Join(at, "snapshot.zst")), &rows); err != nil {
		t.Fatal(err)
	}
	index, err := feed.ReadIndex(read(filepath.Join(at, "buckets")))
	if err != nil {
		t.Fatal(err)
	}
	if feed.Sum(rows).Catalogue() != head.Catalogue || len(rows) != head.Rows || index.Sums != feed.Sum(rows) {
		t.Fatalf("%s/%d: the snapshot is not what the head says", scope, number)
	}
	parts, found := read(filepath.Join(at, "parts.zst")), 0
	for n, size := range index.Sizes {
		if size == 0 {
			continue
		}
		var some []feed.Row
		if err := edition.Unpack(parts[index.At(n):index.At(n)+int64(size)], &some); err != nil {
			t.Fatal(err)
		}
		for _, r := range some {
			if feed.BucketOf(r) != n {
				t.Errorf("row %s lies in bucket %d", r.ID, n)
			}
		}
		found += len(some)
	}
	if found != len(rows) || index.At(feed.Buckets-1)+int64(index.Sizes[feed.Buckets-1]) != int64(len(parts)) {
		t.Errorf("the parts hold %d of %d rows", found, len(rows))
	}
	files, err := publish.FilesOf(rows)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range files {
		raw := read(filepath.Join(dir, "files", string(m.SHA256[:2]), string(m.SHA256)))
		var table feed.ChunkTable
		if err := table.UnmarshalBinary(read(filepath.Join(dir, "chunks", string(m.SHA256[:2]), string(m.SHA256)))); err != nil {
			t.Fatal(err)
		}
		if int64(len(raw)) != m.Bytes || table.Size() != m.Bytes || feed.HexName(table.File) != string(m.SHA256) {
			t.Errorf("file %.8s is not what its row says", m.SHA256)
		}
	}
	return head, rows
}

// Every delta leads from its edition to the newest, and there are no more than
// agreed; old editions go.
func TestDeltas(t *testing.T) {
	w := newWorld(t)
	w.planned()
	dir := t.TempDir()
	to := publish.Public{Dir: dir, Files: w.Files}
	snapshots := map[int64][]feed.Row{}
	for n := range int64(12) {
		w.now = w.now.Add(time.Minute)
		w.put(w.publisher, central.Playlists, "p2", playlist.Playlist{ID: "p2", Owner: "ls", Names: playlist.Names{"vi": fmt.Sprint(n)}})
		if p := w.publish("ls"); p.Number != n+1 {
			t.Fatalf("%+v", p)
		}
		if _, err := w.WriteEditions(t.Context(), to); err != nil {
			t.Fatal(err)
		}
		head, rows := readEdition(t, dir, "ls", n+1)
		snapshots[n+1] = rows
		if len(head.Deltas) != int(min(n, publish.Deltas)) {
			t.Errorf("edition %d has %d deltas", n+1, len(head.Deltas))
		}
		for _, ref := range head.Deltas {
			raw, err := os.ReadFile(filepath.Join(dir, "ls", fmt.Sprint(n+1), fmt.Sprintf("delta-%d.zst", ref.From)))
			if err != nil || int64(len(raw)) != ref.Bytes {
				t.Fatal(err)
			}
			d, err := edition.UnpackDelta(raw, snapshots[ref.From])
			if err != nil {
				t.Fatal(err)
			}
			got, err := feed.Apply(snapshots[ref.From], d.Changes)
			if err != nil || feed.Sum(got).Catalogue() != head.Catalogue || len(d.Changes) != 1 {
				t.Errorf("from %d to %d: %v, %d changes", ref.From, n+1, err, len(d.Changes))
			}
		}
	}
	if kept, _ := filepath.Glob(filepath.Join(dir, "ls", "*", "head.json")); len(kept) != publish.Kept {
		t.Errorf("%d editions are kept", len(kept))
	}
	if removed, err := to.Collect(map[playlist.Hash]bool{}); err != nil || removed != 2 {
		t.Errorf("%d removed, %v", removed, err)
	}
}

func TestPlan(t *testing.T) {
	w := newWorld(t)
	w.planned()
	plans := NewPlans(w.Desk)
	view, err := plans.View(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := plans.View(t.Context(), false); again != view {
		t.Error("an unchanged plan was made anew")
	}
	got, err := view.At("d1", time.Date(2027, 1, 5, 2, 0, 0, 0, time.UTC)) // 9 o'clock at the gate
	if err != nil || len(got) != 4 || got[0].Winner != "s1" || got[0].Owner != "ls" || got[1].Winner != "default" {
		t.Errorf("%+v %v", got, err)
	}
	day := time.Date(2027, 1, 4, 17, 0, 0, 0, time.UTC)
	stretches, err := view.Range("d1", playlist.Main, day, day.Add(24*time.Hour))
	if err != nil || ids(stretches, func(s Stretch) string { return fmt.Sprintf("%s:%t:%v", s.Schedule, s.Gap, s.End.Sub(s.Start)) }) != "[:true:8h0m0s s1:false:2h0m0s :true:14h0m0s]" {
		t.Errorf("%+v %v", stretches, err)
	}
	if _, err := view.Range("d1", playlist.Main, day, day.Add(63*24*time.Hour)); playlist.CodeOf(err) != playlist.CodeInvalid {
		t.Error(err)
	}
	if _, err := view.At("none", day); !errors.Is(err, central.ErrNotFound) {
		t.Error(err)
	}
	published, err := plans.View(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := published.At("d1", day); !errors.Is(err, central.ErrNotFound) {
		t.Errorf("a display that was not published: %v", err)
	}
	w.publish("ls")
	if published, err = plans.View(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if got, err := published.At("d1", day); err != nil || got[0].Winner != "default" {
		t.Errorf("%+v %v", got, err)
	}
	start := w.now
	w.put(w.officer, central.Notices, "n1", playlist.Notice{ID: "n1", Owner: "ls", Severity: playlist.Extreme, Starts: start, Ends: start.Add(time.Hour), Bodies: map[playlist.Language]playlist.Body{"lo": {Title: "ດິນເຈື່ອນ"}}})
	if view, err = plans.View(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if got, err := view.At("d1", start); err != nil || got[0].Notice != "n1" || got[0].Winner != "notice:n1" {
		t.Errorf("%+v %v", got, err)
	}
}

func TestJobs(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	f := File{SHA256: playlist.Hash(strings.Repeat("0", 64))}
	_ = f
	content := "a clip"
	h := w.file("clip.mp4", content, FileWorking)
	if job, err := w.Lease(ctx, time.Minute); err != nil || job != nil {
		t.Fatalf("%+v %v", job, err)
	}
	_, err := do(ctx, w.Desk, w.editor, "test", func(tx *tx) (int, error) {
		return 0, tx.queue(Job{Kind: "rendition", Subject: playlist.ID(h), Owner: "dd"})
	})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-w.Woken():
	default:
		t.Error("nobody was woken")
	}
	first, err := w.Lease(ctx, time.Minute)
	if err != nil || first == nil || first.Attempts != 1 {
		t.Fatalf("%+v %v", first, err)
	}
	if again, _ := w.Lease(ctx, time.Minute); again != nil {
		t.Error("a job was leased twice")
	}
	w.now = w.now.Add(50 * time.Second)
	if err := w.Renew(ctx, *first, time.Minute, 40); err != nil {
		t.Error(err)
	}
	w.now = w.now.Add(50 * time.Second)
	if again, _ := w.Lease(ctx, time.Minute); again != nil {
		t.Error("a renewed lease ended early")
	}
	w.now = w.now.Add(time.Minute)
	second, _ := w.Lease(ctx, time.Minute)
	if second == nil || second.Attempts != 2 {
		t.Fatalf("the job of a dead worker: %+v", second)
	}
	for _, err := range []error{w.Renew(ctx, *first, time.Minute, 50), w.Finish(ctx, *first, nil, false)} {
		if !errors.Is(err, ErrLeaseLost) {
			t.Errorf("the dead worker came back: %v", err)
		}
	}
	for job := second; job != nil; {
		if err := w.Finish(ctx, *job, errors.New("ffmpeg failed"), false); err != nil {
			t.Fatal(err)
		}
		w.now = w.now.Add(time.Hour)
		if job, err = w.Lease(ctx, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	page, _ := w.List(ctx, central.Query{Kind: central.Jobs, Limit: 5}, "")
	job, _ := central.Decode[Job](page.Docs[0])
	if page.Docs[0].State != JobDead || job.Attempts != MaxAttempts || job.Problem != "ffmpeg failed" {
		t.Errorf("%s %+v", page.Docs[0].State, job)
	}
	_, err = w.RetryJob(ctx, w.editor, job.ID)
	w.refused("an author retries a job", err)
	if _, err := w.RetryJob(ctx, w.ministry, job.ID); err != nil {
		t.Error(err)
	}
	last, _ := w.Lease(ctx, time.Minute)
	if last == nil || last.Attempts != 1 {
		t.Fatalf("%+v", last)
	}
	if err := w.Finish(ctx, *last, nil, false); err != nil {
		t.Error(err)
	}
	w.now = w.now.Add(31 * 24 * time.Hour)
	if _, err := w.Sweep(ctx); err != nil {
		t.Error(err)
	}
	if page, _ = w.List(ctx, central.Query{Kind: central.Jobs, Limit: 5}, ""); len(page.Docs) != 0 {
		t.Error("a job that was done a month ago is still there")
	}
}

// A worker that dies each time without a word ends in the dead letters.
func TestJobThatKillsItsWorker(t *testing.T) {
	w := newWorld(t)
	_, err := do(t.Context(), w.Desk, w.editor, "test", func(tx *tx) (int, error) {
		return 0, tx.queue(Job{Kind: "x", Subject: "y", Owner: "dd"})
	})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; n < 20; n++ {
		job, err := w.Lease(t.Context(), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if job == nil {
			break
		}
		w.now = w.now.Add(2 * time.Minute)
	}
	page, _ := w.List(t.Context(), central.Query{Kind: central.Jobs, Limit: 5}, "")
	if n != MaxAttempts || page.Docs[0].State != JobDead {
		t.Errorf("leased %d times, %s", n, page.Docs[0].State)
	}
}
