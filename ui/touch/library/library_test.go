package library

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cotmoc/playlist"
	"cotmoc/playlist/store"
)

var now = Now{At: time.Date(2027, 3, 1, 5, 0, 0, 0, time.UTC), Trusted: true}

// shelves is a library of a place that speaks Vietnamese and English.
func shelves(t *testing.T, dir string) Choice {
	t.Helper()
	sum := sha256.Sum256([]byte("gone"))
	missing := playlist.Hash(hex.EncodeToString(sum[:]))
	over := now.At.Add(-time.Hour)
	r := playlist.Rows{Format: playlist.Format, Places: []playlist.Place{{ID: "g", Kind: playlist.Gate, Names: playlist.Names{"vi": "Cửa khẩu"}, Languages: []playlist.Language{"vi", "en"}}},
		Displays: []playlist.Display{{ID: "d", Place: "g", Width: 1280, Height: 720}},
		Media:    []playlist.Media{{SHA256: missing, Bytes: 4, Type: "video/mp4"}}}
	add := func(id playlist.ID, kind playlist.ItemKind, shelf string, versions ...playlist.Version) {
		r.Items = append(r.Items, playlist.Item{ID: id, Kind: kind, Shelf: shelf})
		for _, v := range versions {
			v.Item, v.ID = id, id+":"+playlist.ID(v.Language)
			r.Versions = append(r.Versions, v)
		}
	}
	add("vi-only", playlist.Bulletin, "", playlist.Version{Language: "vi", Title: "Khai báo hải quan", Text: "Người xuất cảnh khai báo hải quan tại quầy số 4."})
	add("both", playlist.Bulletin, "", playlist.Version{Language: "vi", Title: "Giờ mở cửa"}, playlist.Version{Language: "en", Title: "Opening hours", Text: "The customs open at seven."})
	add("jarai", playlist.Bulletin, "", playlist.Version{Language: "jra", Title: "Hră"})
	add("old", playlist.Bulletin, "", playlist.Version{Language: "vi", Title: "Đã hết hạn"})
	r.Items[len(r.Items)-1].ValidUntil = &over
	add("film", playlist.Video, "", playlist.Version{Language: "vi", Title: "Phim chưa tải", Media: []playlist.Hash{missing}})
	add("wordless", playlist.Picture, "", playlist.Version{Language: "zxx"})
	add("law", playlist.Bulletin, "law", playlist.Version{Language: "vi", Title: "Luật"})
	add("put", playlist.Bulletin, "about", playlist.Version{Language: "vi", Title: "Về cửa khẩu"})
	if err := store.WriteEdition(t.Context(), dir, "e", r); err != nil {
		t.Fatal(err)
	}
	return Choice{Edition: "e", Display: playlist.Display{ID: "d", Place: "g"}, Trusted: true}
}

func open(t *testing.T, dir string, c Choice) *Library {
	t.Helper()
	l, err := Open(t.Context(), dir, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func names(all []Entry) string {
	var out []string
	for _, e := range all {
		out = append(out, string(e.ID))
	}
	return strings.Join(out, " ")
}

func TestShelves(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, shelves(t, dir))
	for _, c := range []struct {
		shelf Shelf
		lang  playlist.Language
		n     int
		want  string
	}{
		{News, "vi", 10, "vi-only both jarai"}, {News, "en", 10, "both vi-only jarai"}, {News, "jra", 10, "jarai vi-only both"}, // the visitor's language first
		{News, "jra", 1, "jarai"}, {News, "lo", 1, "vi-only"}, {News, "lo", 2, "vi-only both"}, {News, "vi", 0, ""},
		{Watch, "vi", 10, "wordless"}, // the film's file is not here
		{Read, "vi", 10, "law"}, {About, "vi", 10, "put"},
	} {
		if got := names(l.On(c.shelf, c.lang, now, c.n)); got != c.want {
			t.Errorf("%s in %s, %d of them: %s, want %s", c.shelf, c.lang, c.n, got, c.want)
		}
	}
	if got := fmt.Sprint(l.Spoken(now)); got != "[jra]" {
		t.Errorf("spoken beside the place's: %s", got)
	}
	if got := names(l.On(News, "vi", Now{At: time.Unix(0, 0)}, 10)); got != "vi-only both jarai" {
		t.Errorf("by a clock that nobody believes: %s", got)
	}
}

func TestFindAndFallBack(t *testing.T) {
	dir := t.TempDir()
	c := shelves(t, dir)
	l := open(t, dir, c)
	for _, id := range []playlist.ID{"old", "film", "nothing"} {
		if _, ok := l.Find(id, now); ok {
			t.Errorf("%s is there", id)
		}
	}
	e, ok := l.Find("both", now)
	if !ok {
		t.Fatal("it is gone")
	}
	for want, lang := range map[playlist.Language]string{"en": "en ", "vi": "vi ", "lo": "vi vi"} {
		if v, fallback := e.In(want, l.Languages); string(v.Language)+" "+string(fallback) != lang {
			t.Errorf("%s: %s, said %q", want, v.Language, fallback)
		}
	}
	if e, _ := l.Find("wordless", now); e.ID != "" {
		if v, fallback := e.In("lo", l.Languages); v.Language != Wordless || fallback != "" {
			t.Errorf("%s %q", v.Language, fallback)
		}
	}
	c.Withdrawn = []playlist.ID{"both:vi", "vi-only:vi"}
	l = open(t, dir, c)
	if got := names(l.On(News, "vi", now, 10)); got != "both jarai" {
		t.Errorf("after a withdrawal: %s", got)
	}
	if e, ok := l.Find("both", now); !ok || len(e.versions) != 1 {
		t.Errorf("%+v", e)
	}
}

func TestSearch(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, shelves(t, dir))
	for query, want := range map[string]string{"hai quan": "vi-only", "hải quan": "vi-only", "customs": "both", "gio mo": "both", "het han": "", "": "", "  ": "", "***": ""} {
		found, instead, err := l.Search(t.Context(), query, "vi", now)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range found {
			got = append(got, string(f.ID))
		}
		if strings.Join(got, " ") != want || instead != "" {
			t.Errorf("%q: %v, instead %q", query, got, instead)
		}
		if query == "hai quan" && !strings.Contains(found[0].Snippet, "**hải quan**") {
			t.Errorf("the hit is not marked: %q", found[0].Snippet)
		}
	}
	found, instead, err := l.Search(t.Context(), "hai qaun", "vi", now)
	if err != nil || len(found) != 1 || instead == "" {
		t.Errorf("a slip: %v %q %v", found, instead, err)
	}
}

// What is damaged is an error, and what was never there is an empty library.
func TestDamaged(t *testing.T) {
	dir := t.TempDir()
	c := shelves(t, dir)
	empty := open(t, t.TempDir(), Choice{})
	if len(empty.On(News, "vi", now, 10)) != 0 || len(empty.Languages) == 0 {
		t.Error("an empty library shows something")
	}
	if _, err := empty.Open(t.Context(), playlist.Version{ID: "x"}); err == nil {
		t.Error("a body without an edition")
	}
	if _, err := Open(t.Context(), dir, Choice{Edition: "other"}); err == nil {
		t.Error("an edition that is not there")
	}
	if err := os.Remove(filepath.Join(dir, "editions", "e.fts.db")); err != nil {
		t.Fatal(err)
	}
	l := open(t, dir, c)
	if found, _, err := l.Search(t.Context(), "hai quan", "vi", now); err != nil || len(found) != 0 {
		t.Errorf("without an index: %v %v", found, err)
	}
	for _, n := range []int64{0, 100, 4096} {
		if err := os.Truncate(filepath.Join(dir, "editions", "e.db"), n); err != nil {
			t.Fatal(err)
		}
		if l, err := Open(t.Context(), dir, c); err == nil {
			t.Errorf("an edition of %d bytes was opened", n)
			l.Close()
		}
	}
}
