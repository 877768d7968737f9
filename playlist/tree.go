package playlist

import (
	"fmt"
	"slices"
	"time"
)

// maxDepth bounds a walk up the tree of places or down nested playlists.
const maxDepth = 32

// Within says whether place lies in the subtree of root (itself included).
func (c *Catalogue) Within(place, root ID) bool {
	for range maxDepth {
		if place == root {
			return true
		}
		p, ok := c.Places[place]
		if !ok || p.Parent == "" {
			return false
		}
		place = p.Parent
	}
	return false
}

// Ancestry returns the place and its ancestors, the nearest first.
func (c *Catalogue) Ancestry(place ID) []Place {
	var line []Place
	for range maxDepth {
		p, ok := c.Places[place]
		if !ok {
			break
		}
		line = append(line, p)
		place = p.Parent
	}
	return line
}

// ZoneOf returns the place's time zone, inherited from the nearest ancestor
// that has one; Asia/Ho_Chi_Minh where none has.
func (c *Catalogue) ZoneOf(place ID) *time.Location {
	for _, p := range c.Ancestry(place) {
		if p.Zone != "" {
			if loc, err := time.LoadLocation(p.Zone); err == nil {
				return loc
			}
		}
	}
	loc, err := time.LoadLocation("Asia/Ho_Chi_Minh")
	if err != nil {
		return time.FixedZone("Asia/Ho_Chi_Minh", 7*3600)
	}
	return loc
}

// LanguagesOf returns the place's languages in order, inherited likewise;
// Vietnamese and English where none are listed.
func (c *Catalogue) LanguagesOf(place ID) []Language {
	for _, p := range c.Ancestry(place) {
		if len(p.Languages) > 0 {
			return p.Languages
		}
	}
	return []Language{Vietnamese, English}
}

// DefaultOf returns the default playlist of a display's layer, its own or the
// nearest ancestor place's; "" if none is set.
func (c *Catalogue) DefaultOf(d Display, layer Layer) ID {
	if id := d.Defaults[layer]; id != "" {
		return id
	}
	for _, p := range c.Ancestry(d.Place) {
		if id := p.Defaults[layer]; id != "" {
			return id
		}
	}
	return ""
}

// LayoutOf returns a display's layout, its own or the nearest ancestor
// place's; one full zone where none is set.
func (c *Catalogue) LayoutOf(d Display) Layout {
	ids := []ID{d.Layout}
	for _, p := range c.Ancestry(d.Place) {
		ids = append(ids, p.Layout)
	}
	for _, id := range ids {
		if l, ok := c.Layouts[id]; ok {
			return l
		}
	}
	return FullLayout()
}

// Applies says whether a row meant for places and displays holds for d. A row
// without either holds everywhere.
func (c *Catalogue) Applies(places, displays []ID, d Display) bool {
	if len(displays) > 0 {
		return slices.Contains(displays, d.ID)
	}
	if len(places) == 0 {
		return true
	}
	return slices.ContainsFunc(places, func(p ID) bool { return c.Within(d.Place, p) })
}

// Flatten returns the item entries of a playlist, nested playlists replaced
// by theirs. An entry's own transition and fit win over none.
func (c *Catalogue) Flatten(id ID) []Entry {
	return c.flatten(id, map[ID][]Entry{})
}

// flatten visits every playlist once: an empty one that is named ten thousand
// times on each of three levels must not cost 10¹² steps. NewCatalogue has
// refused cycles.
func (c *Catalogue) flatten(id ID, known map[ID][]Entry) []Entry {
	if out, ok := known[id]; ok {
		return out
	}
	known[id] = nil
	var out []Entry
	for _, e := range c.Playlists[id].Entries {
		if e.Playlist != "" {
			out = append(out, c.flatten(e.Playlist, known)...)
		} else {
			out = append(out, e)
		}
		if len(out) >= MaxListEntries {
			out = out[:MaxListEntries]
			break
		}
	}
	known[id] = out
	return out
}

// cycles refuses playlists and places that contain themselves.
func (b *builder) cycles() {
	lists := map[ID][]ID{}
	for id, p := range b.c.Playlists {
		for _, e := range p.Entries {
			if e.Playlist != "" {
				lists[id] = append(lists[id], e.Playlist)
			}
		}
	}
	b.acyclic("playlist", lists)
	parents := map[ID][]ID{}
	for id, p := range b.c.Places {
		if p.Parent != "" {
			parents[id] = []ID{p.Parent}
		}
	}
	b.acyclic("place", parents)
}

func (b *builder) acyclic(kind string, edges map[ID][]ID) {
	const visiting = -1
	height := map[ID]int{} // of what hangs below, 1 for a leaf
	var visit func(id ID) int
	visit = func(id ID) int {
		height[id] = visiting
		tallest := 0
		for _, next := range edges[id] {
			h, known := height[next]
			switch {
			case h == visiting:
				b.add(&Error{Code: CodeCycle, Where: kind + " " + string(id), Detail: "it contains itself through " + string(next)})
			case !known:
				h = visit(next)
			}
			tallest = max(tallest, h)
		}
		if tallest == maxDepth {
			b.add(&Error{Code: CodeCycle, Where: kind + " " + string(id), Detail: fmt.Sprintf("it is nested more than %d deep", maxDepth)})
		}
		height[id] = tallest + 1
		return tallest + 1
	}
	for id := range edges {
		if _, known := height[id]; !known {
			visit(id)
		}
	}
}

// GateCard gathers what is known of a place for a screen.
func (c *Catalogue) GateCard(id ID) *GateCard {
	place := c.Places[id]
	card := &GateCard{Place: id, Names: place.Names, Class: place.GateClass, Zone: c.ZoneOf(id).String(),
		Neighbour: place.Neighbour, Facts: c.Facts[id], Sample: place.Sample}
	for _, up := range c.Ancestry(id) {
		if up.Kind == Province {
			card.Province = up.Names
		}
	}
	return card
}
