package edition

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cotmoc/playlist"
)

func names(s string) playlist.Names { return playlist.Names{"vi": s} }

// land is a ministry with two provinces, a gate in each, and a programme.
func land() []Scoped {
	hour := playlist.Duration(time.Hour)
	province := func(p, gate playlist.ID) Scoped {
		return Scoped{p, playlist.Rows{
			Places:    []playlist.Place{{ID: gate + "-post", Parent: gate, Kind: playlist.Post, Names: names("trạm")}, {ID: gate, Parent: p, Kind: playlist.Gate, Names: names("cửa khẩu")}},
			Displays:  []playlist.Display{{ID: gate + "-d", Place: gate, Width: 100, Height: 100}},
			Items:     []playlist.Item{{ID: p + "-i", Owner: p, Kind: playlist.Bulletin}},
			Versions:  []playlist.Version{{ID: p + "-v", Item: p + "-i", Language: "vi", Title: "tin", Text: "tin"}},
			Playlists: []playlist.Playlist{{ID: p + "-l", Owner: p, Entries: []playlist.Entry{{Item: p + "-i"}, {Item: "vn-i"}}}},
			Schedules: []playlist.Schedule{{ID: p + "-s", Owner: p, Playlist: p + "-l", Starts: "0 8 * * *", Lasts: hour, Priority: 80, Places: []playlist.ID{gate}}},
		}}
	}
	ministry := Scoped{"vn", playlist.Rows{
		Places: []playlist.Place{{ID: "vn", Kind: playlist.Ministry, Names: names("Bộ")}, {ID: "p-a", Parent: "vn", Kind: playlist.Province, Names: names("A")}, {ID: "p-b", Parent: "vn", Kind: playlist.Province, Names: names("B")}},
		Items:  []playlist.Item{{ID: "vn-i", Owner: "vn", Kind: playlist.Bulletin}},
	}}
	return []Scoped{ministry, province("p-a", "ga"), province("p-b", "gb")}
}

func TestUnion(t *testing.T) {
	c, _, dropped, err := Union("vn", land())
	if err != nil || len(dropped) > 0 || len(c.Places) != 7 || len(c.Schedules) != 2 || len(c.Items) != 3 {
		t.Fatalf("%v %v", dropped, err)
	}
}

// What a province may not say does not count, and takes nothing of others with it.
func TestUnionRefuses(t *testing.T) {
	hour := playlist.Duration(time.Hour)
	for name, c := range map[string]struct {
		evil func(r *playlist.Rows)
		row  string
	}{
		"a schedule at another's gate": {func(r *playlist.Rows) {
			r.Schedules = append(r.Schedules, playlist.Schedule{ID: "x", Owner: "p-a", Playlist: "p-a-l", Starts: "0 8 * * *", Lasts: hour, Priority: 10, Places: []playlist.ID{"gb"}})
		}, "schedule x"},
		"a schedule on another's display": {func(r *playlist.Rows) {
			r.Schedules = append(r.Schedules, playlist.Schedule{ID: "x", Owner: "p-a", Playlist: "p-a-l", Starts: "0 8 * * *", Lasts: hour, Priority: 10, Displays: []playlist.ID{"gb-d"}})
		}, "schedule x"},
		"priority 100": {func(r *playlist.Rows) {
			r.Schedules = append(r.Schedules, playlist.Schedule{ID: "x", Owner: "p-a", Playlist: "p-a-l", Starts: "0 8 * * *", Lasts: hour, Priority: 100})
		}, "schedule x"},
		"in the ministry's name": {func(r *playlist.Rows) {
			r.Schedules = append(r.Schedules, playlist.Schedule{ID: "x", Owner: "vn", Playlist: "p-a-l", Starts: "0 8 * * *", Lasts: hour, Priority: 100})
		}, "schedule x"},
		"in nobody's name": {func(r *playlist.Rows) {
			r.Playlists = append(r.Playlists, playlist.Playlist{ID: "x", Entries: []playlist.Entry{{Item: "p-a-i"}}})
		}, "playlist x"},
		"a notice for the country": {func(r *playlist.Rows) {
			r.Notices = append(r.Notices, playlist.Notice{ID: "x", Owner: "vn", Severity: "extreme", Starts: time.Unix(0, 0), Ends: time.Unix(3600, 0), Bodies: map[playlist.Language]playlist.Body{"vi": {}}})
		}, "notice x"},
		"another's gate as its own": {func(r *playlist.Rows) {
			r.Places = append(r.Places, playlist.Place{ID: "gb", Parent: "p-b", Kind: playlist.Gate, Names: names("giả")})
		}, "place gb"},
		"a province of its own": {func(r *playlist.Rows) {
			r.Places = append(r.Places, playlist.Place{ID: "p-c", Parent: "p-a", Kind: playlist.Province, Names: names("C")})
		}, "place p-c"},
		"a version of the ministry's item": {func(r *playlist.Rows) {
			r.Versions = append(r.Versions, playlist.Version{ID: "x", Item: "vn-i", Language: "vi", Title: "giả", Text: "giả"})
		}, "version x"},
		"a fact of another's gate": {func(r *playlist.Rows) {
			r.Facts = append(r.Facts, playlist.GateFact{ID: "x", Gate: "gb", Kind: "hotline", Value: names("113"), Source: "s"})
		}, "gate fact x"},
		"the ministry's item again": {func(r *playlist.Rows) {
			r.Items = append(r.Items, playlist.Item{ID: "vn-i", Owner: "p-a", Kind: playlist.Bulletin})
		}, "item vn-i"},
		"a display at another's gate": {func(r *playlist.Rows) {
			r.Displays = append(r.Displays, playlist.Display{ID: "x", Place: "gb", Width: 10, Height: 10})
		}, "display x"},
		"a mandatory item everywhere": {func(r *playlist.Rows) {
			r.Mandatory = append(r.Mandatory, playlist.Mandatory{ID: "x", Owner: "p-a", Item: "p-a-i", Every: hour, Places: []playlist.ID{"vn"}})
		}, "mandatory x"},
		"a place that is its own parent": {func(r *playlist.Rows) {
			r.Places = append(r.Places, playlist.Place{ID: "x", Parent: "x", Kind: playlist.Gate, Names: names("x")})
		}, "place x"},
		"an item that cannot be": {func(r *playlist.Rows) {
			r.Items = append(r.Items, playlist.Item{ID: "x", Owner: "p-a", Kind: "virus"})
		}, "item x"},
	} {
		t.Run(name, func(t *testing.T) {
			l := land()
			c.evil(&l[1].Rows)
			got, _, dropped, err := Union("vn", l)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(dropped, func(d Dropped) bool { return d.Row == c.row }) {
				t.Errorf("%s was not dropped: %+v", c.row, dropped)
			}
			want, _, _, _ := Union("vn", land())
			if len(got.Places) != len(want.Places) || len(got.Items) != 3 || len(got.Schedules) != 2 || len(got.Displays) != 2 || got.Places["gb"].Names["vi"] != "cửa khẩu" || got.Items["vn-i"].Owner != "vn" || len(got.Versions["vn-i"]) > 0 {
				t.Errorf("something else changed: %+v", dropped)
			}
		})
	}
}

// A kiosk that holds only its own province's scope lacks what the ministry names of
// others: the rest plays.
func TestUnionOfSome(t *testing.T) {
	l := land()
	l[0].Rows.Playlists = []playlist.Playlist{{ID: "vn-l", Owner: "vn", Entries: []playlist.Entry{{Item: "vn-i"}, {Item: "p-b-i"}}}}
	l[0].Rows.Schedules = []playlist.Schedule{{ID: "vn-s", Owner: "vn", Playlist: "vn-l", Always: true, Priority: 90}, {ID: "vn-t", Owner: "vn", Playlist: "vn-l", Always: true, Places: []playlist.ID{"gb"}}}
	l[0].Rows.Places[0].Defaults = map[playlist.Layer]playlist.ID{playlist.Main: "p-b-l"}
	c, _, dropped, err := Union("vn", l[:2])
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Playlists["vn-l"].Entries) != 1 || len(c.Schedules) != 2 || len(c.Places["vn"].Defaults) != 0 || len(dropped) != 3 {
		t.Errorf("%+v %+v", dropped, c.Schedules)
	}
}

// Whatever a province signs, the union holds together, and the rows of the ministry
// and of the machine's own province stay whole.
func TestUnionHoldsTogether(t *testing.T) {
	ids := []playlist.ID{"vn", "p-a", "p-b", "ga", "gb", "gb-d", "vn-i", "p-b-i", "p-b-l", "x", "y", ""}
	id := rapid.SampledFrom(ids)
	rapid.Check(t, func(t *rapid.T) {
		l := land()
		l[1], l[2] = l[2], l[1] // the machine's own province comes before others
		r := &l[2].Rows
		for range rapid.IntRange(0, 8).Draw(t, "rows") {
			a, b, c := id.Draw(t, "a"), id.Draw(t, "b"), id.Draw(t, "c")
			switch rapid.IntRange(0, 7).Draw(t, "kind") {
			case 0:
				r.Places = append(r.Places, playlist.Place{ID: a, Parent: b, Kind: rapid.SampledFrom([]playlist.PlaceKind{playlist.Gate, playlist.Province, playlist.Ministry}).Draw(t, "k"), Layout: c, Names: names("x")})
			case 1:
				r.Displays = append(r.Displays, playlist.Display{ID: a, Place: b, Width: 10, Height: 10, Layout: c})
			case 2:
				r.Items = append(r.Items, playlist.Item{ID: a, Owner: b, Kind: playlist.Bulletin, Gate: c})
			case 3:
				r.Versions = append(r.Versions, playlist.Version{ID: a, Item: b, Language: "vi", Title: "x", Text: "x", Media: []playlist.Hash{"zz"}})
			case 4:
				r.Playlists = append(r.Playlists, playlist.Playlist{ID: a, Owner: b, Entries: []playlist.Entry{{Item: c}, {Playlist: a}}})
			case 5:
				r.Schedules = append(r.Schedules, playlist.Schedule{ID: a, Owner: b, Playlist: c, Always: true, Places: []playlist.ID{b, c}, Displays: []playlist.ID{a}})
			case 6:
				r.Mandatory = append(r.Mandatory, playlist.Mandatory{ID: a, Owner: b, Item: c, Every: playlist.Duration(time.Hour)})
			case 7:
				r.Facts = append(r.Facts, playlist.GateFact{ID: a, Gate: b, Kind: "hotline", Value: names("1"), Source: "s"})
			}
		}
		c, _, _, err := Union("vn", l)
		if err != nil {
			if errors.Is(err, ErrNothing) {
				t.Fatalf("nothing is left: %v", err)
			}
			t.Fatal(err)
		}
		for _, want := range []playlist.ID{"vn", "p-a", "p-b", "gb", "gb-post"} {
			if _, ok := c.Places[want]; !ok {
				t.Fatalf("place %s went away", want)
			}
		}
		if !slices.ContainsFunc(c.Schedules, func(s playlist.Schedule) bool { return s.ID == "p-b-s" }) || len(c.Versions["p-b-i"]) != 1 || c.Displays["gb-d"].Place != "gb" {
			t.Fatal(fmt.Sprint("the other province lost something: ", c.Schedules))
		}
		for _, s := range c.Schedules {
			if s.ID != "p-b-s" && s.Owner == "p-b" {
				t.Fatalf("%+v", s)
			}
		}
	})
}

// A province cancels its own notices, the ministry those of all.
func TestUnionCancels(t *testing.T) {
	at := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	notice := func(id, owner playlist.ID, cancels ...playlist.ID) playlist.Notice {
		return playlist.Notice{ID: id, Owner: owner, Severity: "extreme", Starts: at, Ends: at.Add(time.Hour), Cancels: cancels, Bodies: map[playlist.Language]playlist.Body{"vi": {Title: "x"}}}
	}
	s := land()
	s[0].Rows.Notices = []playlist.Notice{notice("vn-n", "vn", "a-n", "b-n"), notice("vn-m", "vn")}
	s[1].Rows.Notices = []playlist.Notice{notice("a-n", "p-a"), notice("a-m", "p-a", "a-n", "vn-m", "b-n")}
	s[2].Rows.Notices = []playlist.Notice{notice("b-n", "p-b")}
	c, _, dropped, err := Union("vn", s)
	if err != nil || len(c.Notices) != 5 || len(dropped) != 2 {
		t.Fatalf("%d notices, %v, %v", len(c.Notices), dropped, err)
	}
	want := map[playlist.ID][]playlist.ID{"vn-n": {"a-n", "b-n"}, "a-m": {"a-n"}}
	for _, n := range c.Notices {
		if !slices.Equal(n.Cancels, want[n.ID]) {
			t.Errorf("%s cancels %v, not %v", n.ID, n.Cancels, want[n.ID])
		}
	}
}
