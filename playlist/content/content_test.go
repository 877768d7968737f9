package content

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cotmoc/playlist"
	"cotmoc/playlist/media"
)

func folder(t *testing.T, change func(dir string, r *playlist.Rows)) string {
	t.Helper()
	dir := t.TempDir()
	text := []byte("picture")
	sum := sha256.Sum256(text)
	if err := os.WriteFile(filepath.Join(dir, "a.png"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	r := playlist.Rows{Format: playlist.Format,
		Places:    []playlist.Place{{ID: "m", Kind: playlist.Ministry, Names: playlist.Names{"vi": "Bộ"}}, {ID: "g", Parent: "m", Kind: playlist.Gate, Names: playlist.Names{"vi": "Cửa"}}},
		Displays:  []playlist.Display{{ID: "d", Place: "g", Width: 100, Height: 100}},
		Media:     []playlist.Media{{SHA256: playlist.Hash(hex.EncodeToString(sum[:])), Path: "a.png", Type: "image/png", Bytes: int64(len(text))}},
		Items:     []playlist.Item{{ID: "i", Kind: playlist.Picture}},
		Versions:  []playlist.Version{{Item: "i", Language: "zxx", Media: []playlist.Hash{playlist.Hash(hex.EncodeToString(sum[:]))}}},
		Playlists: []playlist.Playlist{{ID: "p", Entries: []playlist.Entry{{Item: "i"}}}},
		Schedules: []playlist.Schedule{{ID: "s", Owner: "m", Playlist: "p", Starts: "0 8 * * *", Lasts: playlist.Duration(3600e9), Priority: 90, Places: []playlist.ID{"g"}}},
	}
	if change != nil {
		change(dir, &r)
	}
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "content.json"), raw, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAGoodFolderIsTakenIn(t *testing.T) {
	f, err := Read(folder(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	store := media.Open(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.CopyFiles(t.Context(), store); err != nil || len(store.All()) != 1 {
		t.Errorf("files %v, %v", store.All(), err)
	}
	if !strings.HasPrefix(f.ID, "local-") {
		t.Errorf("edition %s", f.ID)
	}
}

func TestBadFoldersAreRefusedInPlainWords(t *testing.T) {
	cases := map[string]struct {
		change func(dir string, r *playlist.Rows)
		says   string
	}{
		"missing file": {func(dir string, _ *playlist.Rows) { os.Remove(filepath.Join(dir, "a.png")) }, "a.png"},
		"wrong size":   {func(_ string, r *playlist.Rows) { r.Media[0].Bytes = 3 }, "7 bytes"},
		"path with ..": {func(_ string, r *playlist.Rows) { r.Media[0].Path = "../../etc/passwd" }, "leads out"},
		"absolute":     {func(_ string, r *playlist.Rows) { r.Media[0].Path = "/etc/passwd" }, "leads out"},
		"symlink": {func(dir string, r *playlist.Rows) {
			os.Symlink("/etc/passwd", filepath.Join(dir, "l"))
			r.Media[0].Path = "l"
		}, "not a regular file"},
		"duplicate id":     {func(_ string, r *playlist.Rows) { r.Items = append(r.Items, r.Items[0]) }, "two rows"},
		"unknown language": {func(_ string, r *playlist.Rows) { r.Versions[0].Language = "qq" }, "not known"},
		"cyclic playlist": {func(_ string, r *playlist.Rows) {
			r.Playlists = []playlist.Playlist{{ID: "p", Entries: []playlist.Entry{{Playlist: "q"}}}, {ID: "q", Entries: []playlist.Entry{{Playlist: "p"}}}}
		}, "contains itself"},
		"cyclic places": {func(_ string, r *playlist.Rows) { r.Places[0].Parent = "g" }, "contains itself"},
		"missing item":  {func(_ string, r *playlist.Rows) { r.Playlists[0].Entries[0].Item = "nope" }, "does not exist"},
		"bad cron":      {func(_ string, r *playlist.Rows) { r.Schedules[0].Starts = "@daily" }, "descriptors"},
		"never":         {func(_ string, r *playlist.Rows) { r.Schedules[0].Starts = "0 0 31 2 *" }, "never happen"},
		"priority":      {func(_ string, r *playlist.Rows) { r.Schedules[0].Owner = "g" }, "ceiling"},
		"other's place": {func(_ string, r *playlist.Rows) {
			r.Schedules[0].Owner, r.Schedules[0].Places, r.Schedules[0].Priority = "g", []playlist.ID{"m"}, 1
		}, "does not lie under"},
		"300 years": {func(_ string, r *playlist.Rows) {
			r.Playlists[0].Entries[0].Duration = playlist.Duration(1<<62 + 1<<61)
		}, "not"},
		"marks":           {func(_ string, r *playlist.Rows) { r.Versions[0].Text, r.Versions[0].Display = "abc", "ab\u200Bx" }, "line-break marks"},
		"format":          {func(_ string, r *playlist.Rows) { r.Format = "other" }, "format"},
		"control letters": {func(_ string, r *playlist.Rows) { r.Versions[0].Text = "a\x01b" }, "control"},
		"huge display":    {func(_ string, r *playlist.Rows) { r.Displays[0].Width = 1 << 20 }, "pixels"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f, err := Read(folder(t, c.change))
			if err == nil {
				f.Close()
				t.Fatal("it was taken")
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("it says %q, want something with %q", err, c.says)
			}
		})
	}
}

func TestWrongHashIsFoundWhileCopying(t *testing.T) {
	dir := folder(t, nil)
	if err := os.WriteFile(filepath.Join(dir, "a.png"), []byte("pictuRe"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	store := media.Open(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.CopyFiles(t.Context(), store); !errors.Is(err, media.ErrWrongHash) || len(store.All()) != 0 {
		t.Errorf("%v, %v", store.All(), err)
	}
}

func TestMalformedJSON(t *testing.T) {
	for name, raw := range map[string]string{"empty": "", "cut": `{"format":"cotmoc-content/1","items":[`, "unknown field": `{"format":"cotmoc-content/1","itmes":[]}`,
		"two values": `{"format":"cotmoc-content/1"} {}`, "wrong type": `{"format":1}`, "deep": strings.Repeat("[", 100000)} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "content.json"), []byte(raw), 0o644); err != nil {
			t.Fatal(err)
		}
		if f, err := Read(dir); err == nil {
			f.Close()
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := Read(filepath.Join(t.TempDir(), "nothing")); err == nil {
		t.Error("a folder that is not there was taken")
	}
}
