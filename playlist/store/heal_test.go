package store

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"cotmoc/playlist"
)

func library() playlist.Rows {
	return playlist.Rows{Format: playlist.Format,
		Places: []playlist.Place{{ID: "p", Kind: playlist.Gate, Names: playlist.Names{"vi": "Cửa khẩu"}}},
		Items: []playlist.Item{{ID: "open", Kind: playlist.Bulletin}, {ID: "inner", Kind: playlist.Bulletin, Audience: playlist.Staff},
			{ID: "draft", Kind: playlist.Bulletin}, {ID: "gone", Kind: playlist.Bulletin}},
		Versions: []playlist.Version{
			{Item: "open", Language: "vi", Title: "Giờ mở cửa khẩu"},
			{Item: "inner", Language: "vi", Title: "Giờ trực nội bộ"},
			{Item: "draft", Language: "vi", Title: "Giờ dự thảo", State: playlist.Draft},
			{Item: "gone", Language: "vi", Title: "Giờ đã rút", State: playlist.Withdrawn},
		},
	}
}

func hits(t *testing.T, dir, query string) []playlist.ID {
	t.Helper()
	found, err := Search(t.Context(), dir, "e", query, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	var ids []playlist.ID
	for _, h := range found {
		ids = append(ids, h.Item)
	}
	return ids
}

// What is not published for the public cannot be found by it.
func TestSearchFindsOnlyWhatIsPublished(t *testing.T) {
	dir := t.TempDir()
	if err := WriteEdition(t.Context(), dir, "e", library()); err != nil {
		t.Fatal(err)
	}
	if got := hits(t, dir, "gio"); len(got) != 1 || got[0] != "open" {
		t.Errorf("found %v", got)
	}
}

// Taking the same content in again mends a damaged edition and a lost or
// damaged index; without content the index alone is rebuilt.
func TestDamagedEditionIsMendedByTheSameContent(t *testing.T) {
	for name, harm := range map[string]func(dir string) error{
		"edition zeroed":    func(dir string) error { return spoil(editionPath(dir, "e")) },
		"edition truncated": func(dir string) error { return os.Truncate(editionPath(dir, "e"), 5000) },
		"edition empty":     func(dir string) error { return os.Truncate(editionPath(dir, "e"), 0) },
		"index zeroed":      func(dir string) error { return spoil(indexPath(dir, "e")) },
		"index gone":        func(dir string) error { return os.Remove(indexPath(dir, "e")) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for range 2 {
				if err := WriteEdition(t.Context(), dir, "e", library()); err != nil {
					t.Fatal(err)
				}
				e, err := OpenEdition(t.Context(), dir, "e")
				if err != nil {
					t.Fatal(err)
				}
				cat, err := e.Programmed(t.Context())
				if err := errors.Join(err, e.Close()); err != nil || len(cat.Places) != 1 {
					t.Fatalf("%+v, %v", cat, err)
				}
				if got := hits(t, dir, "cửa khẩu"); len(got) != 1 {
					t.Fatalf("found %v", got)
				}
				if err := harm(dir); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// spoil overwrites the file's inner pages.
func spoil(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	copy(raw[1024:], bytes.Repeat([]byte{0xA5}, len(raw)))
	return os.WriteFile(path, raw, 0o644)
}

func TestIndexIsRebuiltFromTheEdition(t *testing.T) {
	dir := t.TempDir()
	if err := WriteEdition(t.Context(), dir, "e", library()); err != nil {
		t.Fatal(err)
	}
	if err := spoil(indexPath(dir, "e")); err != nil {
		t.Fatal(err)
	}
	e, err := OpenEdition(t.Context(), dir, "e")
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := EnsureIndex(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if got := hits(t, dir, "gio mo"); len(got) != 1 {
		t.Errorf("found %v", got)
	}
}

// What a power cut leaves is swept away, what is whole stays.
func TestPruneSweepsLeftovers(t *testing.T) {
	dir := t.TempDir()
	if err := WriteEdition(t.Context(), dir, "e", library()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"half.db.part", "half.db.part-journal", "orphan.fts.db", "orphan.sum"} {
		if err := os.WriteFile(filepath.Join(dir, "editions", name), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := Prune(dir, "e"); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(filepath.Join(dir, "editions"))
	if err != nil || len(left) != 3 { // catalogue, hash and index
		t.Errorf("left: %v, %v", left, err)
	}
}

// Two paths of a folder may hold the same bytes.
func TestOneFileUnderTwoPaths(t *testing.T) {
	rows := library()
	m := playlist.Media{SHA256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", Path: "a.png", Type: "image/png"}
	again := m
	again.Path = "b.png"
	rows.Media = []playlist.Media{m, again}
	if _, err := playlist.NewCatalogue(rows); err != nil {
		t.Fatal(err)
	}
	if err := WriteEdition(t.Context(), t.TempDir(), "e", rows); err != nil {
		t.Fatal(err)
	}
}

// A command that only looks changes nothing: no migration, no file set aside,
// no folder made, and it sees what the running kiosk has written.
func TestReadOnlyStateTouchesNothing(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenStateReadOnly(t.Context(), dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no state.db: %v", err)
	}
	s := open(t, dir)
	if err := s.SetMeta(t.Context(), "edition", "e7"); err != nil {
		t.Fatal(err)
	}
	r, err := OpenStateReadOnly(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := r.Meta(t.Context(), "edition"); err != nil || v != "e7" {
		t.Errorf("edition %q, %v", v, err)
	}
	if err := r.SetMeta(t.Context(), "edition", "x"); err == nil {
		t.Error("a read-only state took a write")
	}
	if err := errors.Join(r.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "state.db"), []byte("this is not a database, and longer than a header of one"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenStateReadOnly(t.Context(), dir); err == nil {
		t.Error("rubbish was opened")
	}
	if aside, _ := filepath.Glob(filepath.Join(dir, "*.damaged-*")); len(aside) > 0 {
		t.Errorf("a reader set %v aside", aside)
	}
}
