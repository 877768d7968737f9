// Package publishtest makes published folders for tests: a ministry with two
// provinces whose editions are built, written and signed as a hub does it.
package publishtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cotmoc/hub/edition"
	"cotmoc/hub/feed"
	"cotmoc/hub/server/blob"
	"cotmoc/hub/server/publish"
	"cotmoc/hub/trust"
	"cotmoc/hub/trust/trusttest"
	"cotmoc/playlist"
)

// Now is when the world's content is published.
var Now = time.Date(2027, 3, 1, 1, 0, 0, 0, time.UTC)

// World is a published folder and all its keys.
type World struct {
	*trusttest.Repo
	Dir    string
	Blobs  blob.Store
	public publish.Public
	older  map[string][]publish.Older
	number map[string]int64
	heads  map[string][]byte
	Rows   map[string]playlist.Rows // as they are edited; Edition publishes them
}

// New makes a world whose ministry has a province p-a with the gate ga and its
// display d1, and a province p-b with the gate gb. Nothing is published yet.
func New(t testing.TB) *World {
	t.Helper()
	dir := t.TempDir()
	files, err := blob.OpenFolder(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	w := &World{Repo: trusttest.New(t, Now, "p-a", "p-b"), Dir: filepath.Join(dir, "public"), Blobs: files, older: map[string][]publish.Older{}, number: map[string]int64{}, heads: map[string][]byte{}}
	w.public = publish.Public{Dir: w.Dir, Files: files}
	name := func(s string) playlist.Names { return playlist.Names{"vi": s} }
	gate := func(p, g, d playlist.ID) playlist.Rows {
		return playlist.Rows{Format: playlist.Format,
			Places:   []playlist.Place{{ID: g, Parent: p, Kind: playlist.Gate, Names: name("Cửa khẩu " + string(g))}},
			Displays: []playlist.Display{{ID: d, Place: g, Width: 1280, Height: 720}}}
	}
	w.Rows = map[string]playlist.Rows{
		"vn": {Format: playlist.Format, Places: []playlist.Place{{ID: "vn", Kind: playlist.Ministry, Names: name("Bộ")},
			{ID: "p-a", Parent: "vn", Kind: playlist.Province, Names: name("A")}, {ID: "p-b", Parent: "vn", Kind: playlist.Province, Names: name("B")}}},
		"p-a": gate("p-a", "ga", "d1"), "p-b": gate("p-b", "gb", "d2"),
	}
	return w
}

// Media puts a file with these bytes into a scope's rows and returns its hash.
func (w *World) Media(scope string, raw []byte) playlist.Hash {
	w.T.Helper()
	sum := sha256.Sum256(raw)
	m := playlist.Media{SHA256: playlist.Hash(hex.EncodeToString(sum[:])), Bytes: int64(len(raw)), Type: "image/png"}
	w.Must(w.Blobs.Put(w.T.Context(), m, bytes.NewReader(raw)))
	r := w.Rows[scope]
	if !slices.ContainsFunc(r.Media, func(o playlist.Media) bool { return o.SHA256 == m.SHA256 }) {
		r.Media = append(slices.Clone(r.Media), m)
	}
	w.Rows[scope] = r
	return m.SHA256
}

// Show lets a province show items with these pictures all day at its gate: item n
// is called i-n and its version v-n-REVISION.
func (w *World) Show(scope, revision string, pictures ...[]byte) {
	w.T.Helper()
	r := w.Rows[scope]
	r.Items, r.Versions, r.Playlists, r.Schedules, r.Media = nil, nil, nil, nil, nil
	w.Rows[scope] = r
	var entries []playlist.Entry
	for n, raw := range pictures {
		h := w.Media(scope, raw)
		r = w.Rows[scope]
		id := playlist.ID(fmt.Sprintf("i-%d", n))
		r.Items = append(r.Items, playlist.Item{ID: id, Owner: playlist.ID(scope), Kind: playlist.Picture})
		r.Versions = append(r.Versions, playlist.Version{ID: playlist.ID(fmt.Sprintf("v-%d-%s", n, revision)), Item: id, Language: "zxx", Title: revision, Media: []playlist.Hash{h}, State: playlist.Published})
		entries = append(entries, playlist.Entry{Item: id, Duration: playlist.Duration(10 * time.Second)})
		w.Rows[scope] = r
	}
	r = w.Rows[scope]
	r.Playlists = []playlist.Playlist{{ID: "l", Owner: playlist.ID(scope), Names: playlist.Names{"vi": revision}, Entries: entries}}
	r.Schedules = []playlist.Schedule{{ID: "s", Owner: playlist.ID(scope), Playlist: "l", Always: true, Priority: 50}}
	w.Rows[scope] = r
}

// Edition publishes a scope's rows and has its role name them.
func (w *World) Edition(scope string) int64 {
	w.T.Helper()
	w.number[scope]++
	return w.EditionAs(scope, w.number[scope])
}

// EditionAs is Edition with a number of the caller's choice.
func (w *World) EditionAs(scope string, number int64) int64 {
	w.T.Helper()
	w.number[scope] = number
	rows, err := edition.Rows(w.Rows[scope])
	w.Must(err)
	b, err := publish.Build(publish.Edition{Scope: scope, Number: number, Previous: w.heads[scope], At: w.Now, Rows: rows, Older: w.older[scope]})
	w.Must(err)
	files, err := publish.FilesOf(rows)
	w.Must(err)
	w.Must(w.public.Write(w.T.Context(), b, files))
	w.older[scope] = append([]publish.Older{{Number: number, Snapshot: b.Snapshot}}, w.older[scope]...)
	w.older[scope] = w.older[scope][:min(len(w.older[scope]), publish.Deltas)]
	w.heads[scope] = b.HeadRaw
	w.Head(scope, number, b.HeadRaw)
	return number
}

// Emergency has the duty officers say something.
func (w *World) Emergency(number int64, notices []playlist.Notice, withdrawn ...string) {
	w.T.Helper()
	e := feed.Emergency{Format: feed.EmergencyFormat, Number: number, IssuedAt: w.Now, Withdrawn: withdrawn}
	for _, n := range notices {
		raw, err := json.Marshal(n)
		w.Must(err)
		e.Notices = append(e.Notices, raw)
	}
	raw, err := json.Marshal(e)
	w.Must(err)
	w.write(trust.HeadPath(trust.Emergency, number), raw)
	w.Head(trust.Emergency, number, raw)
}

// All publishes every scope and signs a snapshot of it.
func (w *World) All() {
	w.T.Helper()
	for _, scope := range slices.Sorted(maps.Keys(w.Rows)) {
		w.Edition(scope)
	}
	w.Sign()
}

// Sign signs a snapshot of what the roles name, and writes all metadata.
func (w *World) Sign() {
	w.T.Helper()
	w.Publish()
	w.Flush()
}

// Flush writes all metadata.
func (w *World) Flush() {
	w.T.Helper()
	for name, raw := range w.Repo.Files {
		w.write("trust/"+name, raw)
	}
}

func (w *World) write(name string, raw []byte) {
	w.T.Helper()
	path := filepath.Join(w.Dir, filepath.FromSlash(name))
	w.Must(os.MkdirAll(filepath.Dir(path), 0o755))
	w.Must(os.WriteFile(path, raw, 0o644))
}

// Copy copies the published folder as it is now.
func (w *World) Copy() string {
	w.T.Helper()
	to := filepath.Join(w.T.TempDir(), "stick")
	w.Must(os.CopyFS(to, os.DirFS(w.Dir)))
	return to
}

// Noise is a file of so many bytes that no packer makes smaller; the same for the
// same seed.
func Noise(seed string, n int) []byte {
	out := make([]byte, 0, n+32)
	for i := 0; len(out) < n; i++ {
		sum := sha256.Sum256([]byte(seed + strings.Repeat("x", i%7) + fmt.Sprint(i)))
		out = append(out, sum[:]...)
	}
	return out[:n]
}
