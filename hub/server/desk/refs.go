package desk

import (
	"strings"

	"cotmoc/hub/server/central"
	"cotmoc/playlist"
)

// rowName names a row by kind and id.
type rowName struct {
	kind central.Kind
	id   playlist.ID
}

type rowNames map[rowName]bool

func (n rowNames) add(kind central.Kind, ids ...playlist.ID) {
	for _, id := range ids {
		if id != "" {
			n[rowName{kind, id}] = true
		}
	}
}

func (n rowNames) addAll(more rowNames) {
	for name := range more {
		n[name] = true
	}
}

// idsOf names the rows that others may name.
func idsOf(r playlist.Rows) rowNames {
	out := rowNames{}
	for _, x := range r.Items {
		out.add(central.Items, x.ID)
	}
	for _, x := range r.Playlists {
		out.add(central.Playlists, x.ID)
	}
	for _, x := range r.Layouts {
		out.add(central.Layouts, x.ID)
	}
	for _, x := range r.Calendars {
		out.add(central.Calendars, x.ID)
	}
	return out
}

// namedBy names the items, lists, layouts and calendars that rows name.
func namedBy(r playlist.Rows) rowNames {
	out := rowNames{}
	for _, x := range r.Playlists {
		for _, e := range x.Entries {
			out.add(central.Items, e.Item)
			out.add(central.Playlists, e.Playlist)
		}
	}
	for _, x := range r.Mandatory {
		out.add(central.Items, x.Item)
	}
	for _, x := range r.Schedules {
		out.add(central.Playlists, x.Playlist)
		out.add(central.Layouts, x.Layout)
		for _, e := range x.Except {
			if id, is := strings.CutPrefix(e, "cal:"); is {
				out.add(central.Calendars, playlist.ID(id))
			}
		}
	}
	for _, x := range r.Layouts {
		for _, z := range x.Zones {
			out.add(central.Playlists, z.Source.Playlist)
		}
	}
	for _, x := range r.Places {
		out.add(central.Layouts, x.Layout)
		for _, id := range x.Defaults {
			out.add(central.Playlists, id)
		}
	}
	for _, x := range r.Displays {
		out.add(central.Layouts, x.Layout)
		for _, id := range x.Defaults {
			out.add(central.Playlists, id)
		}
	}
	return out
}

// standsAlone says whether rows name nothing but each other and what the ministry has.
func standsAlone(own, top playlist.Rows) bool {
	known := idsOf(own)
	known.addAll(idsOf(top))
	for name := range namedBy(own) {
		if !known[name] {
			return false
		}
	}
	places, files := map[playlist.ID]bool{"": true}, map[playlist.Hash]bool{"": true}
	for _, r := range []playlist.Rows{own, top} {
		for _, p := range r.Places {
			places[p.ID] = true
		}
		for _, m := range r.Media {
			files[m.SHA256] = true
		}
	}
	for _, i := range own.Items {
		if !places[i.Gate] {
			return false
		}
	}
	for _, f := range own.Facts {
		if !places[f.Gate] {
			return false
		}
	}
	for _, v := range own.Versions {
		for _, h := range v.Files() {
			if !files[h] {
				return false
			}
		}
	}
	for _, l := range own.Layouts {
		for _, z := range l.Zones {
			if !files[z.Source.Media] {
				return false
			}
		}
	}
	for _, n := range own.Notices {
		if !files[n.Sound] {
			return false
		}
	}
	return true
}
