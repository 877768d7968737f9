package desk

import (
	"strings"
	"testing"

	"cotmoc/playlist"
)

// Rows stand alone only if each name in them is of a row there or of the ministry's.
func TestStandsAlone(t *testing.T) {
	file := playlist.Hash(strings.Repeat("ab", 32))
	top := playlist.Rows{Places: []playlist.Place{{ID: "vn"}}, Items: []playlist.Item{{ID: "i0"}}, Playlists: []playlist.Playlist{{ID: "p0"}},
		Layouts: []playlist.Layout{{ID: "l0"}}, Calendars: []playlist.Calendar{{ID: "c0"}}, Media: []playlist.Media{{SHA256: file}}}
	own := func() playlist.Rows {
		return playlist.Rows{
			Places:    []playlist.Place{{ID: "ls", Parent: "vn", Layout: "l0", Defaults: map[playlist.Layer]playlist.ID{playlist.Main: "p1"}}},
			Displays:  []playlist.Display{{ID: "d", Place: "ls", Layout: "l0", Defaults: map[playlist.Layer]playlist.ID{playlist.Main: "p0"}}},
			Items:     []playlist.Item{{ID: "i1", Gate: "ls"}},
			Versions:  []playlist.Version{{ID: "v1", Item: "i1", Media: []playlist.Hash{file}}},
			Playlists: []playlist.Playlist{{ID: "p1", Entries: []playlist.Entry{{Item: "i0"}, {Item: "i1"}, {Playlist: "p0"}}}},
			Layouts:   []playlist.Layout{{ID: "l1", Zones: []playlist.Zone{{Source: playlist.Source{Playlist: "p1"}}, {Source: playlist.Source{Media: file}}}}},
			Schedules: []playlist.Schedule{{ID: "s1", Playlist: "p1", Layout: "l1", Except: []string{"cal:c0"}}},
			Mandatory: []playlist.Mandatory{{ID: "m1", Item: "i1"}},
			Facts:     []playlist.GateFact{{Gate: "ls"}},
			Notices:   []playlist.Notice{{ID: "n1", Sound: file}},
		}
	}
	if !standsAlone(own(), top) {
		t.Error("rows that name their own and the ministry's do not stand alone")
	}
	other := playlist.Hash(strings.Repeat("cd", 32))
	for name, change := range map[string]func(r *playlist.Rows){
		"a place's layout":    func(r *playlist.Rows) { r.Places[0].Layout = "x" },
		"a place's list":      func(r *playlist.Rows) { r.Places[0].Defaults[playlist.Main] = "x" },
		"a display's layout":  func(r *playlist.Rows) { r.Displays[0].Layout = "x" },
		"a display's list":    func(r *playlist.Rows) { r.Displays[0].Defaults[playlist.Main] = "x" },
		"an item's gate":      func(r *playlist.Rows) { r.Items[0].Gate = "x" },
		"a version's file":    func(r *playlist.Rows) { r.Versions[0].Media[0] = other },
		"a version's caption": func(r *playlist.Rows) { r.Versions[0].Captions = []playlist.Track{{Media: other}} },
		"an entry's item":     func(r *playlist.Rows) { r.Playlists[0].Entries[0].Item = "x" },
		"an entry's list":     func(r *playlist.Rows) { r.Playlists[0].Entries[2].Playlist = "x" },
		"a zone's list":       func(r *playlist.Rows) { r.Layouts[0].Zones[0].Source.Playlist = "x" },
		"a zone's file":       func(r *playlist.Rows) { r.Layouts[0].Zones[1].Source.Media = other },
		"a schedule's list":   func(r *playlist.Rows) { r.Schedules[0].Playlist = "x" },
		"a schedule's layout": func(r *playlist.Rows) { r.Schedules[0].Layout = "x" },
		"a calendar":          func(r *playlist.Rows) { r.Schedules[0].Except[0] = "cal:x" },
		"what is mandatory":   func(r *playlist.Rows) { r.Mandatory[0].Item = "x" },
		"a fact's gate":       func(r *playlist.Rows) { r.Facts[0].Gate = "x" },
		"a notice's sound":    func(r *playlist.Rows) { r.Notices[0].Sound = other },
	} {
		r := own()
		if change(&r); standsAlone(r, top) {
			t.Errorf("%s is another province's", name)
		}
	}
}
