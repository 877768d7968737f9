package store

import (
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
