package store

import (
	"slices"
	"testing"
	"time"

	"cotmoc/playlist"
)

func TestLibraryRows(t *testing.T) {
	dir := t.TempDir()
	rows := playlist.Rows{Format: playlist.Format,
		Items: []playlist.Item{{ID: "a", Kind: playlist.Bulletin}, {ID: "s", Kind: playlist.Bulletin, Audience: playlist.Staff}},
		Versions: []playlist.Version{{ID: "a1", Item: "a", Language: "vi", Title: "Một", Text: "rất dài", Display: "rất dài", State: playlist.Published}, {ID: "a2", Item: "a", Language: "en", State: playlist.Draft},
			{ID: "s1", Item: "s", Language: "vi", State: playlist.Published}}}
	if err := WriteEdition(t.Context(), dir, "e", rows); err != nil {
		t.Fatal(err)
	}
	e, err := OpenEdition(t.Context(), dir, "e")
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	got, err := e.LibraryRows(t.Context())
	if err != nil || len(got.Items) != 1 || len(got.Versions) != 1 || got.Versions[0].Title != "Một" || got.Versions[0].Text != "" || got.Versions[0].Display != "" {
		t.Errorf("%+v %v", got, err)
	}
	if v, err := e.Version(t.Context(), "a1"); err != nil || v.Text != "rất dài" {
		t.Errorf("%+v %v", v, err)
	}
	if _, err := e.Version(t.Context(), "gone"); err == nil {
		t.Error("a version that is not there was read")
	}
}

// Counts add up, over a restart, and older ones than 13 months go.
func TestCounts(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenState(t.Context(), dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	day := playlist.Date{Year: 2027, Month: 3, Day: 1}
	visit, item := Count{Day: day, What: "visit"}, Count{Day: day, What: "item", Item: "a", Language: "vi"}
	for range 2 {
		if err := s.AddCounts(t.Context(), map[Count]int64{visit: 2, item: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = OpenState(t.Context(), dir, time.Now()); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got, err := s.Counts(t.Context(), day)
	if err != nil || got[visit] != 4 || got[item] != 2 || len(got) != 2 {
		t.Errorf("%v %v", got, err)
	}
	if err := s.AddCounts(t.Context(), map[Count]int64{{Day: day.Add(keptDays + 1), What: "visit"}: 1}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Counts(t.Context(), day); err != nil || len(got) != 0 {
		t.Errorf("13 months later: %v %v", got, err)
	}
	if err := s.AddCounts(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// What the hub holds is not sent again, what grows is sent anew as a whole, and a hub that
// was restored gets everything.
func TestCountsForTheHub(t *testing.T) {
	s, err := OpenState(t.Context(), t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	day := playlist.Date{Year: 2027, Month: 3, Day: 1}
	visit, next := Count{Day: day, What: "visit"}, Count{Day: day.Add(1), What: "visit"}
	unsent := func(want ...Counted) []Counted {
		t.Helper()
		got, err := s.UnsentCounts(t.Context(), 10)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%v %v, want %v", got, err, want)
		}
		return got
	}
	unsent()
	add := func(c Count, n int64) {
		t.Helper()
		if err := s.AddCounts(t.Context(), map[Count]int64{c: n}); err != nil {
			t.Fatal(err)
		}
	}
	add(next, 1)
	add(visit, 2)
	first := unsent(Counted{visit, 2}, Counted{next, 1})
	add(visit, 3) // while they are on their way
	if err := s.SentCounts(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	unsent(Counted{visit, 5})
	if err := s.SentCounts(t.Context(), []Counted{{visit, 5}, {visit, 1}, {Count{Day: day, What: "item"}, 9}}); err != nil {
		t.Fatal(err)
	}
	unsent()
	if err := s.ResendCounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	unsent(Counted{visit, 5}, Counted{next, 1})
	if got, err := s.UnsentCounts(t.Context(), 1); err != nil || len(got) != 1 {
		t.Errorf("%v %v", got, err)
	}
}
