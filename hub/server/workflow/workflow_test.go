package workflow

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cotmoc/playlist"
)

var (
	states = []playlist.State{playlist.Draft, playlist.InReview, playlist.Approved, playlist.Published, playlist.Superseded, playlist.Withdrawn, playlist.Expired}
	acts   = []Act{Edit, Submit, Approve, Reject, Publish, Supersede, Withdraw, Expire}
)

func TestEveryStateAndAct(t *testing.T) {
	want := `draft edit draft
draft submit in review
draft supersede superseded
in review edit superseded
in review approve approved
in review reject superseded
approved edit superseded
approved reject superseded
approved publish published
approved withdraw withdrawn
published edit published
published supersede superseded
published withdraw withdrawn
published expire expired
`
	var got strings.Builder
	for _, from := range states {
		for _, act := range acts {
			if to, err := Next(from, act); err == nil {
				fmt.Fprintln(&got, from, act, to)
			} else if playlist.CodeOf(err) != playlist.CodeRefused {
				t.Errorf("%s %s: %v", from, act, err)
			}
		}
	}
	if got.String() != want {
		t.Errorf("got\n%s", got.String())
	}
}

// Nothing is published that was not submitted and approved.
func TestNoWayAroundApproval(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		state := playlist.Draft
		var did []Act
		for _, act := range rapid.SliceOfN(rapid.SampledFrom(acts), 0, 12).Draw(t, "acts") {
			if to, err := Next(state, act); err == nil {
				state = to
				did = append(did, act)
			}
			if state == playlist.Published && (!slices.Contains(did, Submit) || !slices.Contains(did, Approve)) {
				t.Fatalf("published after %v", did)
			}
		}
	})
}

func TestNeeded(t *testing.T) {
	bulletin := Class{Levels: []playlist.PlaceKind{playlist.Province}}
	law := Class{Levels: []playlist.PlaceKind{playlist.Province, playlist.Ministry}}
	by := func(list ...string) (out []Review) {
		for _, s := range list {
			who, level, _ := strings.Cut(s, ":")
			out = append(out, Review{By: playlist.ID(who), Level: playlist.PlaceKind(level), Approved: true})
		}
		return out
	}
	for name, c := range map[string]struct {
		class   Class
		owner   playlist.PlaceKind
		reviews []Review
		want    string
	}{
		"none yet":                     {bulletin, playlist.Commune, nil, "[province]"},
		"province":                     {bulletin, playlist.Commune, by("a:province"), "[]"},
		"ministry for province":        {bulletin, playlist.Gate, by("a:ministry"), "[]"},
		"commune is not enough":        {bulletin, playlist.Post, by("a:commune"), "[province]"},
		"rejection counts for nothing": {bulletin, playlist.Commune, []Review{{By: "a", Level: playlist.Province}}, "[province]"},
		"law, none":                    {law, playlist.Commune, nil, "[ministry province]"},
		"law, province":                {law, playlist.Commune, by("a:province"), "[ministry]"},
		"law, ministry":                {law, playlist.Commune, by("a:ministry"), "[province]"},
		"law, both":                    {law, playlist.Commune, by("a:province", "b:ministry"), "[]"},
		"law, two of ministry":         {law, playlist.Province, by("a:ministry", "b:ministry"), "[]"},
		"law, one person twice":        {law, playlist.Province, by("a:province", "a:ministry"), "[province]"},
		"law, two of province":         {law, playlist.Province, by("a:province", "b:province"), "[ministry]"},
		"the ministry's own law":       {law, playlist.Ministry, by("a:ministry"), "[]"},
		"the ministry's own bulletin":  {bulletin, playlist.Ministry, by("a:province"), "[ministry]"},
	} {
		if got := fmt.Sprint(Needed(c.class, c.owner, c.reviews)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	if Useful([]playlist.PlaceKind{playlist.Ministry}, playlist.Province) || !Useful([]playlist.PlaceKind{playlist.Province}, playlist.Ministry) || Useful(nil, playlist.Ministry) {
		t.Error("an approval is useful where it should not be, or not where it should")
	}
}

// More approvals never make more needed, and the same person never fills two places.
func TestNeededShrinks(t *testing.T) {
	levels := []playlist.PlaceKind{playlist.Commune, playlist.Province, playlist.Ministry}
	rapid.Check(t, func(t *rapid.T) {
		class := Class{Levels: rapid.SliceOfN(rapid.SampledFrom(levels), 1, 4).Draw(t, "levels")}
		owner := rapid.SampledFrom(append(levels, playlist.Gate)).Draw(t, "owner")
		review := rapid.Custom(func(t *rapid.T) Review {
			return Review{By: playlist.ID(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "by")), Level: rapid.SampledFrom(levels).Draw(t, "level"), Approved: true}
		})
		reviews := rapid.SliceOfN(review, 0, 5).Draw(t, "reviews")
		all := len(Needed(class, owner, nil))
		people := map[playlist.ID]bool{}
		before := all
		for n := range reviews {
			people[reviews[n].By] = true
			now := len(Needed(class, owner, reviews[:n+1]))
			if now > before || all-now > len(people) {
				t.Fatalf("needed %d of %d after %v", now, all, reviews[:n+1])
			}
			before = now
		}
	})
}

func TestRejection(t *testing.T) {
	if err := CheckRejection(WrongPicture, "bản đồ thiếu Hoàng Sa"); err != nil {
		t.Error(err)
	}
	for _, r := range []struct {
		reason Reason
		note   string
	}{{"", "why not"}, {"because", "why not"}, {WrongFact, ""}, {WrongFact, "no"}, {WrongFact, strings.Repeat("x", 4001)}} {
		if CheckRejection(r.reason, r.note) == nil {
			t.Errorf("%q %.10q was taken", r.reason, r.note)
		}
	}
}

func TestClass(t *testing.T) {
	if _, err := NewClass(Class{ID: "law", Levels: []playlist.PlaceKind{playlist.Ministry}}); err != nil {
		t.Error(err)
	}
	for _, c := range []Class{{ID: "x"}, {Levels: []playlist.PlaceKind{playlist.Ministry}}, {ID: "x", Levels: []playlist.PlaceKind{playlist.Gate}},
		{ID: "x", Levels: slices.Repeat([]playlist.PlaceKind{playlist.Ministry}, 5)}} {
		if _, err := NewClass(c); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}

func TestCells(t *testing.T) {
	v := func(id, lang string, s playlist.State, base string, material bool) playlist.Version {
		return playlist.Version{ID: playlist.ID(id), Language: playlist.Language(lang), State: s, BaseVersion: playlist.ID(base), MaterialChange: material}
	}
	versions := []playlist.Version{
		v("vi1", "vi", playlist.Superseded, "", false), v("lo1", "lo", playlist.Published, "vi1", false),
		v("vi2", "vi", playlist.Superseded, "", true), v("vi3", "vi", playlist.Published, "", false),
		v("en1", "en", playlist.Published, "vi3", false), v("en2", "en", playlist.Draft, "vi3", false),
		v("zh1", "zh-Hans", playlist.InReview, "vi3", false), v("km1", "km", playlist.Withdrawn, "vi1", false), v("fr1", "fr", playlist.Approved, "vi3", false),
	}
	want := map[playlist.Language]Cell{
		"vi": {Standing: Live, Published: "vi3"}, "lo": {Standing: Outdated, Published: "lo1", Base: "vi1", Newer: "vi3", Material: true},
		"en": {Standing: Live, Published: "en1", Coming: "en2", Base: "vi3"}, "zh-Hans": {Standing: Reviewing, Coming: "zh1"},
		"km": {Standing: Missing}, "fr": {Standing: Ready, Coming: "fr1"},
	}
	got := Cells(versions, []playlist.Language{"vi", "lo", "km"})
	if len(got) != len(want) || got[0].Language != "vi" || got[2].Language != "km" {
		t.Fatalf("%+v", got)
	}
	for _, c := range got {
		w := want[c.Language]
		w.Language = c.Language
		if c != w {
			t.Errorf("%+v, want %+v", c, w)
		}
	}
}

func TestDiff(t *testing.T) {
	old := playlist.Version{Title: "Giờ mở cửa", Text: "Cửa khẩu mở 7 giờ", Media: []playlist.Hash{"aa"}, Display: "Cửa khẩu mở 7 giờ"}
	now := old
	now.Text, now.Display = "Cửa khẩu mở 8 giờ", "Cửa khẩu mở\u200B 8 giờ"
	got := Diff(old, now)
	if len(got) != 1 || got[0].Field != "text" || fmt.Sprint(got[0].Pieces) != "[{  Cửa khẩu mở } {7 8 } {   giờ}]" {
		t.Errorf("%+v", got)
	}
	marks := old
	marks.Display = "Cửa\u200B khẩu\u2060 mở 7 giờ"
	if got := Diff(old, marks); len(got) != 0 {
		t.Errorf("marks alone differ: %+v", got)
	}
	lao := Words("ສະ\u200Bບາຍ\u200Bດີ", "ສະ\u200Bບາຍ\u200Bໃຈ")
	if fmt.Sprint(lao) != "[{  ສະບາຍ} {ດີ ໃຈ }]" {
		t.Errorf("Lao: %v", lao)
	}
}

// A comparison loses nothing of either text, whatever they are.
func TestWordsLoseNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("ab \n\u200B\u2060ກ国")))
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		var old, now strings.Builder
		for _, p := range Words(a, b) {
			old.WriteString(p.Same + p.Old)
			now.WriteString(p.Same + p.New)
		}
		if old.String() != bare(a) || now.String() != bare(b) {
			t.Fatalf("%q and %q became %q and %q", a, b, old.String(), now.String())
		}
	})
}

func TestWordsOfLongTexts(t *testing.T) {
	long := strings.Repeat("một hai ba\n", 3000)
	got := Words(long, long+"bốn\n")
	if len(got) != 2 || got[0].Same != long || got[1].New != "bốn\n" {
		t.Errorf("%d pieces", len(got))
	}
	if got := Words(strings.Repeat("a\n", 20000), "b"); len(got) != 1 {
		t.Errorf("%d pieces", len(got))
	}
}
