package plan

import (
	"slices"
	"testing"
	"time"

	"cotmoc/playlist"
	"cotmoc/playlist/resolve"
)

var eight = time.Date(2027, 1, 1, 8, 0, 0, 0, time.UTC)

func TestUnion(t *testing.T) {
	at := func(h int) time.Time { return eight.Add(time.Duration(h) * time.Hour) }
	got := union([]resolve.Span{{Start: at(5), End: at(6)}, {Start: at(1), End: at(3)}, {Start: at(2), End: at(4)}, {Start: at(8)}, {Start: at(9), End: at(10)}})
	want := []resolve.Span{{Start: at(1), End: at(4)}, {Start: at(5), End: at(6)}, {Start: at(8)}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

type all struct{}

func (all) Has(playlist.Hash) bool { return true }

// Range, Decide and what is beaten agree with each other at every instant.
func TestRangeAgreesWithDecide(t *testing.T) {
	local := func(s string) playlist.OneOrMany[playlist.Local] {
		l, err := playlist.NewLocal(s)
		if err != nil {
			t.Fatal(err)
		}
		return playlist.OneOrMany[playlist.Local]{l}
	}
	hours := func(n int) playlist.Duration { return playlist.Duration(time.Duration(n) * time.Hour) }
	c, err := playlist.NewCatalogue(playlist.Rows{
		Places:    []playlist.Place{{ID: "vn", Kind: playlist.Ministry, Names: playlist.Names{"vi": "x"}, Zone: "UTC", Defaults: map[playlist.Layer]playlist.ID{"main": "p"}}},
		Displays:  []playlist.Display{{ID: "d", Place: "vn", Width: 100, Height: 100}},
		Items:     []playlist.Item{{ID: "i", Kind: playlist.Bulletin}},
		Versions:  []playlist.Version{{Item: "i", Language: "vi", Title: "x"}},
		Playlists: []playlist.Playlist{{ID: "p", Entries: []playlist.Entry{{Item: "i"}}}, {ID: "empty"}},
		Schedules: []playlist.Schedule{
			{ID: "low", Owner: "vn", Playlist: "p", Starts: "0 8 * * *", Lasts: hours(10), Priority: 10},
			{ID: "high", Owner: "vn", Playlist: "p", Starts: "0 9,12 * * *", Lasts: hours(2), Priority: 20},
			{ID: "once", Owner: "vn", Playlist: "p", At: local("2027-01-01T09:30"), Lasts: hours(1), Priority: 20},
			{ID: "never", Owner: "vn", Playlist: "empty", Always: true, Priority: 100},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	p := &Planner{Catalogue: c, Files: all{}}
	d := c.Displays["d"]
	notice := resolve.Notice{Notice: playlist.Notice{ID: "n", Severity: playlist.Severe, Starts: eight.Add(6 * time.Hour), Ends: eight.Add(7 * time.Hour)}}
	got, ok := p.Range(d, playlist.Main, []resolve.Notice{notice}, eight.Add(-8*time.Hour), eight.Add(16*time.Hour), 10)
	if !ok {
		t.Fatal("ten changes are too many")
	}
	if _, ok := p.Range(d, playlist.Main, nil, eight, eight.Add(16*time.Hour), 2); ok {
		t.Error("more changes than asked for")
	}
	beaten := map[string][]playlist.ID{}
	for _, s := range got {
		for at := s.Start; at.Before(s.End); at = at.Add(10 * time.Minute) {
			dec := p.Decide(d, playlist.Main, Moment{At: at, Trusted: true, Notices: []resolve.Notice{notice}}, true)
			want := "default"
			if s.Notice != nil {
				want = "notice:n"
			} else if s.Winner != nil {
				want = string(s.Winner.ID)
			}
			if dec.Winner != want {
				t.Errorf("%v: range says %s, decide %s", at, want, dec.Winner)
			}
			beaten[want] = s.Beaten
		}
	}
	if len(got) != 10 || !slices.Equal(beaten["high"], []playlist.ID{"low"}) || !slices.Equal(beaten["once"], []playlist.ID{"high", "low"}) || len(beaten["default"]) != 0 {
		t.Errorf("%d segments, beaten %v", len(got), beaten)
	}
	if problems := p.Problems(d); len(problems) != 0 {
		t.Errorf("%v", problems)
	}
}
