package store

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cotmoc/playlist"
)

func TestCorrect(t *testing.T) {
	dir := t.TempDir()
	rows := playlist.Rows{Format: playlist.Format, Items: []playlist.Item{{ID: "a", Kind: playlist.Bulletin}, {ID: "b", Kind: playlist.Bulletin}},
		Versions: []playlist.Version{{ID: "a1", Item: "a", Language: "vi", Title: "Đường biên giới", Text: "thủ tục hải quan, passport"}, {ID: "b1", Item: "b", Language: "en", Title: "Passport declaration", Text: "customs 海关 passports"}}}
	if err := WriteEdition(t.Context(), dir, "e", rows); err != nil {
		t.Fatal(err)
	}
	x, err := OpenIndex(dir, "e")
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	for in, want := range map[string]string{"pasport": "passport", "passprot": "passport", "declaratoin": "declaration", "dclartion": "declaration", "custims": "customs", "thu tuc haai quan": "thu tuc hai quan", "đừơng": "",
		"duong": "", "pass": "", "海关": "", "xyzzy": "", "": "", "giới pasport": "gioi passport", "biien": "bien"} {
		got, ok, err := x.Correct(t.Context(), in)
		if err != nil || ok != (want != "") || ok && got != want {
			t.Errorf("%q became %q %v %v, not %q", in, got, ok, err, want)
		}
	}
	if got, _, err := x.Correct(t.Context(), strings.Repeat("pasport ", 200)); err != nil || len(got) > 2*maxQuery {
		t.Errorf("%d bytes %v", len(got), err)
	}
}

// distance is a distance: none to itself, the same both ways, at least the lengths'.
func TestDistance(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := rapid.StringMatching("[a-d]{0,8}").Draw(rt, "a"), rapid.StringMatching("[a-d]{0,8}").Draw(rt, "b")
		d := distance(a, b, 20)
		if distance(a, a, 20) != 0 || d != distance(b, a, 20) || d < max(len(a)-len(b), len(b)-len(a)) || d > max(len(a), len(b)) || (d == 0) != (a == b) {
			rt.Fatalf("%q %q: %d", a, b, d)
		}
	})
}
