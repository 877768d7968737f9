package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cotmoc/playlist"
)

var now = time.Date(2027, 3, 1, 5, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string) *State {
	t.Helper()
	s, err := OpenState(t.Context(), dir, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func play(id string) Play {
	return Play{ID: id, Boot: "b", Display: "d", Zone: "main", Layer: "main", Playlist: "p", Edition: "e", Item: "i", Version: "i:vi", Language: "vi",
		Start: now, End: now.Add(time.Second), StartMono: 1, EndMono: 2, Trusted: true, Reason: "done"}
}

func TestStateKeepsWhatItWasGiven(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	batch := Batch{
		Plays:     []Play{play("1"), play("2")},
		Positions: map[playlist.ID]map[playlist.ID]playlist.Position{"d": {"p": {Entry: "3:x", Index: 3, Round: 2, Turn: 1}}},
		Mandatory: map[playlist.ID]map[playlist.ID]int64{"d": {"m": -5000}},
	}
	for range 2 { // the second time changes nothing: exactly once by id
		if err := s.Write(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	n := playlist.Notice{ID: "n", Severity: playlist.Severe, Starts: now, Ends: now.Add(time.Hour)}
	if err := s.SwitchEdition(t.Context(), Switch{Edition: "e1", Notices: []playlist.Notice{n}, At: now}); err != nil {
		t.Fatal(err)
	}
	if err := s.AgeNotices(t.Context(), 20*time.Minute, time.Time{}, false); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = open(t, dir)
	plays, err := s.Plays(t.Context(), 0, 10)
	if err != nil || len(plays) != 2 || plays[1].ID != "2" || !plays[0].Start.Equal(now) || !plays[0].Trusted {
		t.Errorf("plays %+v, %v", plays, err)
	}
	positions, err := s.Positions(t.Context(), "d")
	if err != nil || positions["p"] != (playlist.Position{Entry: "3:x", Index: 3, Round: 2, Turn: 1}) {
		t.Errorf("positions %+v, %v", positions, err)
	}
	left, err := s.MandatoryLeft(t.Context(), "d")
	if err != nil || left["m"] != -5000 {
		t.Errorf("mandatory %v, %v", left, err)
	}
	if v, err := s.Meta(t.Context(), "edition"); err != nil || v != "e1" {
		t.Errorf("edition %q, %v", v, err)
	}
	kept, err := s.Notices(t.Context())
	if err != nil || len(kept) != 1 || kept[0].Remaining != 40*time.Minute || kept[0].ID != "n" {
		t.Errorf("notices %+v, %v", kept, err)
	}
}

// A damaged state.db is set aside and replaced; nothing is lost.
func TestDamagedStateIsSetAside(t *testing.T) {
	for name, damage := range map[string]func(b []byte) []byte{
		"truncated":   func(b []byte) []byte { return b[:len(b)/3] },
		"zeroed page": func(b []byte) []byte { copy(b[4096:], make([]byte, 8192)); return b },
		"not SQLite":  func([]byte) []byte { return bytes.Repeat([]byte("hello"), 5000) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			var plays []Play
			for i := range 200 {
				plays = append(plays, play(fmt.Sprint(i)))
			}
			if err := s.Write(t.Context(), Batch{Plays: plays}); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "state.db")
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, damage(raw), 0o644); err != nil {
				t.Fatal(err)
			}
			s = open(t, dir)
			if s.SetAside == "" {
				t.Fatal("the damage was not noticed")
			}
			if _, err := os.Stat(s.SetAside); err != nil {
				t.Errorf("the damaged file is gone: %v", err)
			}
			if err := s.Write(t.Context(), Batch{Plays: []Play{play("new")}}); err != nil {
				t.Errorf("the new file takes nothing: %v", err)
			}
		})
	}
}

func TestEmptyStateFileIsANewOne(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "state.db"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if s := open(t, dir); s.SetAside != "" {
		t.Errorf("set aside %s", s.SetAside)
	}
}

func TestNewerSchemaIsRefusedAndKept(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := s.db.ExecContext(t.Context(), "PRAGMA user_version=99"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenState(t.Context(), dir, now); err == nil || !strings.Contains(err.Error(), "newer program") {
		t.Errorf("got %v", err)
	}
}

func rows(n int) playlist.Rows {
	r := playlist.Rows{Format: playlist.Format,
		Places:    []playlist.Place{{ID: "g", Kind: playlist.Gate, Names: playlist.Names{"vi": "Cửa khẩu"}}},
		Displays:  []playlist.Display{{ID: "d", Place: "g", Width: 100, Height: 100}},
		Playlists: []playlist.Playlist{{ID: "p", Entries: []playlist.Entry{{Item: "i0"}}}},
	}
	for i := range n {
		id := playlist.ID(fmt.Sprintf("i%d", i))
		r.Items = append(r.Items, playlist.Item{ID: id, Kind: playlist.Bulletin})
		r.Versions = append(r.Versions, playlist.Version{Item: id, Language: "vi", Title: "Tin " + string(id), Text: "Đường biên giới"})
	}
	return r
}

func TestEditionHoldsItsRowsAndLoadsWhatIsProgrammed(t *testing.T) {
	dir := t.TempDir()
	if err := WriteEdition(t.Context(), dir, "e1", rows(50)); err != nil {
		t.Fatal(err)
	}
	e, err := OpenEdition(t.Context(), dir, "e1")
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	cat, err := e.Programmed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(cat.Items) != 1 || len(cat.Versions["i0"]) != 1 || cat.Displays["d"].Width != 100 {
		t.Errorf("catalogue %+v", cat)
	}
	if _, err := e.db.ExecContext(t.Context(), "DELETE FROM rows"); err == nil {
		t.Error("an edition can be written")
	}
}

func TestDamagedEditionIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := WriteEdition(t.Context(), dir, "e1", rows(500)); err != nil {
		t.Fatal(err)
	}
	path := editionPath(dir, "e1")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(raw[8192:], make([]byte, 8192))
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	if e, err := OpenEdition(t.Context(), dir, "e1"); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v", err)
		if err == nil {
			e.Close()
		}
	}
}

// A write that is cut off leaves no edition that could be opened.
func TestHalfWrittenEditionIsNotThere(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := WriteEdition(ctx, dir, "e1", rows(10)); err == nil {
		t.Fatal("a cancelled write succeeded")
	}
	if _, err := OpenEdition(t.Context(), dir, "e1"); err == nil {
		t.Error("it can be opened")
	}
	if err := WriteEdition(t.Context(), dir, "e1", rows(10)); err != nil {
		t.Errorf("the second try: %v", err)
	}
}

func TestPruneKeepsThree(t *testing.T) {
	dir := t.TempDir()
	for i := range 6 {
		id := fmt.Sprintf("e%d", i)
		if err := WriteEdition(t.Context(), dir, id, rows(1)); err != nil {
			t.Fatal(err)
		}
		stamp := now.Add(time.Duration(i) * time.Minute)
		if err := os.Chtimes(editionPath(dir, id), stamp, stamp); err != nil {
			t.Fatal(err)
		}
	}
	if err := Prune(dir, "e0"); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]bool{"e0": true, "e5": true, "e4": true, "e3": false, "e1": false} {
		_, err := os.Stat(editionPath(dir, id))
		if (err == nil) != want {
			t.Errorf("%s kept %v, want %v", id, err == nil, want)
		}
	}
}

func TestSearchFoldsMarks(t *testing.T) {
	dir := t.TempDir()
	r := rows(0)
	for id, text := range map[string]string{"a": "đường biên giới", "b": "duong thang", "c": "中华人民共和国重庆", "d": "ມະນຸດ\u200Bເກີດ\u200Bມາ", "e": "មនុស្សទាំងអស់", "f": "ƀuôn Ê-đê"} {
		r.Items = append(r.Items, playlist.Item{ID: playlist.ID(id), Kind: playlist.Bulletin})
		r.Versions = append(r.Versions, playlist.Version{Item: playlist.ID(id), Language: "vi", Text: text})
	}
	r.Playlists = nil
	if err := WriteEdition(t.Context(), dir, "e", r); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{"đường": "a", "duong bien": "a", "gio": "a", "重庆": "c", "ເກີດ": "d", "ទាំង": "e", "buon": "f", "DUONG B": "a", "xyz": "", "\"": "", "": ""} {
		hits, err := Search(t.Context(), dir, "e", query, "", 5)
		if err != nil {
			t.Errorf("%q: %v", query, err)
			continue
		}
		got := ""
		if len(hits) > 0 {
			got = string(hits[0].Item)
		}
		if got != want {
			t.Errorf("%q found %q, want %q", query, got, want)
		}
	}
}

func TestReadOnlyFolderIsReported(t *testing.T) {
	if err := Writable(t.TempDir()); err != nil {
		t.Errorf("a folder that can be written: %v", err)
	}
	if err := Writable("/proc"); err == nil {
		t.Error("/proc can be written?")
	}
}
