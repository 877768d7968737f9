package store

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"cotmoc/playlist"
)

// written is an edition on the disk, opened.
func written(t *testing.T, dir string, rows playlist.Rows) *Edition {
	t.Helper()
	if err := WriteEdition(t.Context(), dir, "e1", rows); err != nil {
		t.Fatal(err)
	}
	e, err := OpenEdition(t.Context(), dir, "e1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func TestSounds(t *testing.T) {
	for title, want := range map[string][]string{
		"友谊关口岸": {"youyiguankouan", "you yi guan kou an", "guankouan", "an"}, "重庆": {"chongqing", "zhongqing"}, "绿色通道": {"lvsetongdao"}, "Hữu Nghị 友谊": {"youyi"},
	} {
		got := strings.Split(sounds(title), "\n")
		for _, w := range want {
			if !slices.Contains(got, w) {
				t.Errorf("%s: no %q in %q", title, w, got)
			}
		}
	}
	if s := sounds("Cửa khẩu Hữu Nghị ດ່ານ"); s != "" {
		t.Errorf("%q", s)
	}
	if n := len(sounds(strings.Repeat("重长行乐", 1000))); n > 100_000 {
		t.Errorf("%d bytes for one title", n)
	}
}

// Chinese titles and tags are found by any part of their pinyin, whichever way a
// character is read, together or syllable by syllable; what is spelt out goes first.
func TestSearchByPinyin(t *testing.T) {
	dir := t.TempDir()
	e := written(t, dir, playlist.Rows{Format: playlist.Format,
		Items:    []playlist.Item{{ID: "pass", Kind: playlist.Bulletin}, {ID: "city", Kind: playlist.Bulletin, Tags: []string{"签证"}}, {ID: "latin", Kind: playlist.Bulletin}},
		Versions: []playlist.Version{{Item: "pass", Language: "zh-Hans", Title: "友谊关口岸", Text: "海关"}, {Item: "city", Language: "zh-Hans", Title: "重庆"}, {Item: "latin", Language: "en", Title: "Youyiguan Pass"}}})
	if err := EnsureIndex(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	search := func(q string) (ids []playlist.ID) {
		t.Helper()
		hits, err := Search(t.Context(), dir, "e1", q, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range hits {
			ids = append(ids, h.Item)
		}
		return ids
	}
	for q, want := range map[string][]playlist.ID{
		"youyiguan": {"latin", "pass"}, "guankou": {"pass"}, "you yi": {"pass"}, "GUAN KOU": {"pass"}, "chongq": {"city"}, "zhongqing": {"city"}, "qianzheng": {"city"}, "签证": {"city"},
		"haiguan": nil, "k": nil, "guan2": nil, "": nil, "'": nil, `" OR`: nil,
	} {
		if got := search(q); !slices.Equal(got, want) {
			t.Errorf("%q: %v, not %v", q, got, want)
		}
	}
}

// An index of a version that knew no sounds is made anew.
func TestOldIndex(t *testing.T) {
	dir := t.TempDir()
	e := written(t, dir, playlist.Rows{Format: playlist.Format, Items: []playlist.Item{{ID: "a", Kind: playlist.Bulletin}}, Versions: []playlist.Version{{Item: "a", Language: "zh-Hans", Title: "友谊"}}})
	if err := os.Remove(indexPath(dir, "e1")); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	old, err := sql.Open("sqlite3", "file:"+indexPath(dir, "e1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.ExecContext(t.Context(), strings.Replace(indexSchema, "CREATE VIRTUAL TABLE sounds", "CREATE VIRTUAL TABLE noise", 1)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(old.Close(), EnsureIndex(context.WithoutCancel(t.Context()), e)); err != nil {
		t.Fatal(err)
	}
	if hits, err := Search(t.Context(), dir, "e1", "youyi", "", 5); err != nil || len(hits) != 1 {
		t.Errorf("%v %v", hits, err)
	}
	if _, err := os.Stat(indexPath(dir, "e1") + ".part"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
