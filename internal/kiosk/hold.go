package kiosk

import (
	"slices"

	"cotmoc/playlist"
)

// A group is an item with all its versions and their files, and a list with its
// items. An item goes live as a whole: until everything of the new one is here, it
// plays as it was, if that is whole and was not withdrawn. A list goes live once each
// of its items can play, in the one state or the other.

// groups is what an edition says of its lists and items.
type groups struct {
	items    map[playlist.ID]playlist.Item
	versions map[playlist.ID][]playlist.Version
	lists    map[playlist.ID]playlist.Playlist
	media    map[playlist.Hash]playlist.Media
}

func groupsOf(r playlist.Rows) groups {
	g := groups{map[playlist.ID]playlist.Item{}, map[playlist.ID][]playlist.Version{}, map[playlist.ID]playlist.Playlist{}, map[playlist.Hash]playlist.Media{}}
	for _, i := range r.Items {
		g.items[i.ID] = i
	}
	for _, v := range r.Versions {
		g.versions[v.Item] = append(g.versions[v.Item], v)
	}
	for _, p := range r.Playlists {
		g.lists[p.ID] = p
	}
	for _, m := range r.Media {
		g.media[m.SHA256] = m
	}
	return g
}

// shown says whether a version may be shown at all.
func shown(v playlist.Version) bool { return v.State == "" || v.State == playlist.Published }

// ready says whether an item is here with everything that it shows.
func (g groups) ready(id playlist.ID, has func(playlist.Hash) bool) bool {
	if _, ok := g.items[id]; !ok {
		return false
	}
	for _, v := range g.versions[id] {
		if shown(v) && slices.ContainsFunc(v.Files(), func(h playlist.Hash) bool { return !has(h) }) {
			return false
		}
	}
	return true
}

// hold replaces, in the rows of an edition, the groups that are not ready by those
// held from the edition before. gone are versions that may not be shown any more.
func hold(now, before playlist.Rows, has func(playlist.Hash) bool, gone map[playlist.ID]bool) playlist.Rows {
	now = withoutVersions(now, gone)
	withdrawn := map[playlist.ID]bool{}
	for _, v := range now.Versions {
		withdrawn[v.ID] = v.State == playlist.Withdrawn
	}
	for id := range gone {
		withdrawn[id] = true
	}
	before = withoutVersions(before, withdrawn)
	if len(before.Items)+len(before.Playlists) == 0 {
		return now
	}
	h := holder{now: groupsOf(now), old: groupsOf(before), has: has, swapped: map[playlist.ID]bool{}}
	out := now
	out.Playlists = slices.Clone(now.Playlists)
	for n, p := range out.Playlists {
		if old, ok := h.old.lists[p.ID]; ok && !h.complete(p) && h.whole(old) {
			out.Playlists[n] = old
			for _, e := range old.Entries {
				h.swap(e.Item)
			}
		}
	}
	for id := range h.now.items {
		if !h.now.ready(id, has) {
			h.swap(id)
		}
	}
	return h.rows(out)
}

type holder struct {
	now, old groups
	has      func(playlist.Hash) bool
	swapped  map[playlist.ID]bool // items that stay as they were
}

// swap keeps an item as it was, if it is not ready as it is to be.
func (h holder) swap(id playlist.ID) {
	if id != "" && !h.now.ready(id, h.has) && h.old.ready(id, h.has) && len(h.old.versions[id]) > 0 {
		h.swapped[id] = true
	}
}

// complete says whether every item of a new list can play, as it is or as it was.
func (h holder) complete(p playlist.Playlist) bool {
	for _, e := range p.Entries {
		if e.Item != "" && !h.now.ready(e.Item, h.has) && !h.old.ready(e.Item, h.has) {
			return false
		}
	}
	return true
}

// whole says whether an old list can still play as it was.
func (h holder) whole(p playlist.Playlist) bool {
	for _, e := range p.Entries {
		if e.Playlist != "" {
			if _, ok := h.now.lists[e.Playlist]; !ok {
				return false
			}
		}
		if e.Item != "" && !h.now.ready(e.Item, h.has) && !h.old.ready(e.Item, h.has) {
			return false
		}
	}
	return true
}

// rows puts the swapped items' rows in the place of the new ones.
func (h holder) rows(out playlist.Rows) playlist.Rows {
	if len(h.swapped) == 0 {
		return out
	}
	out.Items = slices.DeleteFunc(slices.Clone(out.Items), func(i playlist.Item) bool { return h.swapped[i.ID] })
	out.Versions = slices.DeleteFunc(slices.Clone(out.Versions), func(v playlist.Version) bool { return h.swapped[v.Item] })
	out.Media = slices.Clone(out.Media)
	ids := make([]playlist.ID, 0, len(h.swapped))
	for id := range h.swapped {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		out.Items = append(out.Items, h.old.items[id])
		out.Versions = append(out.Versions, h.old.versions[id]...)
		for _, v := range h.old.versions[id] {
			for _, f := range v.Files() {
				if _, named := h.now.media[f]; !named {
					h.now.media[f] = h.old.media[f]
					out.Media = append(out.Media, h.old.media[f])
				}
			}
		}
	}
	return out
}

func withoutVersions(r playlist.Rows, gone map[playlist.ID]bool) playlist.Rows {
	if len(gone) == 0 {
		return r
	}
	r.Versions = slices.DeleteFunc(slices.Clone(r.Versions), func(v playlist.Version) bool { return gone[v.ID] && v.State != playlist.Withdrawn })
	return r
}

// toHold picks, of the rows that play now, those whose successors in the next
// edition are not ready: they go with it until these are.
func toHold(playing, next playlist.Rows, has func(playlist.Hash) bool) playlist.Rows {
	now, old := groupsOf(next), groupsOf(playing)
	var out playlist.Rows
	items := map[playlist.ID]bool{}
	for _, p := range playing.Playlists {
		fresh, ok := now.lists[p.ID]
		if !ok || !slices.ContainsFunc(fresh.Entries, func(e playlist.Entry) bool { return e.Item != "" && !now.ready(e.Item, has) }) {
			continue
		}
		out.Playlists = append(out.Playlists, p)
		for _, e := range p.Entries {
			items[e.Item] = true
		}
	}
	for id := range now.items {
		if !now.ready(id, has) {
			items[id] = true
		}
	}
	files := map[playlist.Hash]bool{}
	for _, i := range playing.Items {
		if !items[i.ID] || !old.ready(i.ID, has) {
			continue
		}
		out.Items = append(out.Items, i)
		for _, v := range old.versions[i.ID] {
			if !shown(v) {
				continue
			}
			out.Versions = append(out.Versions, v)
			for _, f := range v.Files() {
				if !files[f] {
					files[f] = true
					out.Media = append(out.Media, old.media[f])
				}
			}
		}
	}
	return out
}
