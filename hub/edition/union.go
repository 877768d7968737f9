package edition

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cotmoc/playlist"
)

// Scoped are the rows that one scope has signed.
type Scoped struct {
	Scope playlist.ID
	Rows  playlist.Rows
}

// Dropped is a row that does not count, and why.
type Dropped struct {
	Scope playlist.ID `json:"scope,omitempty"`
	Row   string      `json:"row"` // kind and id
	Why   string      `json:"why"`
}

// maxDropped bounds how many are listed.
const maxDropped = 1000

// maxRounds bounds how often rows that lean on dropped ones are looked for.
const maxRounds = 50

// ErrNothing is returned where no row of the union can count.
var ErrNothing = errors.New("edition: what is left of the union does not hold together")

// Union joins what scopes have signed into what counts. The ministry's rows come
// first; a province's row counts only if its owner and all its places lie in the
// province, and if no scope before it has a row of that name. Rows that refer to
// something that is not there are dropped as well, so that what is left holds
// together. A row that is wrong never takes another scope's rows with it.
func Union(ministry playlist.ID, scopes []Scoped) (*playlist.Catalogue, playlist.Rows, []Dropped, error) {
	u := &union{ministry: ministry, seen: map[string]bool{}, from: map[string]playlist.ID{}, places: map[playlist.ID]playlist.Place{}, items: map[playlist.ID]playlist.ID{}, displays: map[playlist.ID]playlist.ID{}}
	u.out.Format = playlist.Format
	for _, s := range scopes {
		u.addPlaces(s)
	}
	for _, s := range scopes {
		u.add(s)
	}
	u.ownCancelling()
	for range maxRounds {
		c, err := playlist.NewCatalogue(u.out)
		if err == nil {
			return c, u.out, u.dropped, nil
		}
		if !u.prune(err) {
			return nil, u.out, u.dropped, fmt.Errorf("%w: %w", ErrNothing, err)
		}
	}
	return nil, u.out, u.dropped, ErrNothing
}

type union struct {
	ministry playlist.ID
	out      playlist.Rows
	seen     map[string]bool
	from     map[string]playlist.ID // scope by kind and id
	places   map[playlist.ID]playlist.Place
	items    map[playlist.ID]playlist.ID // scope by item
	displays map[playlist.ID]playlist.ID // place by display
	dropped  []Dropped
}

func (u *union) drop(scope playlist.ID, row, why string) {
	if len(u.dropped) < maxDropped {
		u.dropped = append(u.dropped, Dropped{scope, row, why})
	}
}

// take says whether a row counts: whether it is the first of its name and lies in
// its scope with everything that it names.
func (u *union) take(scope playlist.ID, kind string, id playlist.ID, places ...playlist.ID) bool {
	name := kind + " " + string(id)
	if id == "" {
		u.drop(scope, name, "it has no id")
		return false
	}
	for _, p := range places {
		if p == "" && scope != u.ministry {
			u.drop(scope, name, "it names no place of the scope as its owner")
			return false
		}
		if p != "" && !u.within(p, scope) {
			u.drop(scope, name, fmt.Sprintf("the place %s is not the scope's", p))
			return false
		}
	}
	if u.seen[name] {
		u.drop(scope, name, "a scope before it has a row of this name")
		return false
	}
	u.seen[name], u.from[name] = true, scope
	return true
}

// scopeOf is the scope of the row that an error of the catalogue names; "" where it
// cannot be told.
func (u *union) scopeOf(where string) playlist.ID {
	if scope, ok := u.from[where]; ok {
		return scope
	}
	name, _, _ := strings.Cut(where, ":")
	return u.from[name]
}

// ownCancelling lets a province cancel its own notices only: another scope's stay.
func (u *union) ownCancelling() {
	for n, r := range u.out.Notices {
		scope := u.from["notice "+string(r.ID)]
		if scope == u.ministry {
			continue
		}
		u.out.Notices[n].Cancels = slices.DeleteFunc(slices.Clone(r.Cancels), func(id playlist.ID) bool {
			of, known := u.from["notice "+string(id)]
			foreign := known && of != scope
			if foreign {
				u.drop(scope, "notice "+string(r.ID), fmt.Sprintf("it may not cancel %s, which is another scope's", id))
			}
			return foreign
		})
	}
}

// within says whether a place lies in a scope. The ministry's is everywhere.
func (u *union) within(id, scope playlist.ID) bool {
	if scope == u.ministry {
		return true
	}
	for range 32 { // deeper than any tree of places
		if id == scope {
			return true
		}
		p, ok := u.places[id]
		if !ok || p.Parent == "" {
			return false
		}
		id = p.Parent
	}
	return false
}

// addPlaces takes a scope's places. A province makes no ministry and no province,
// and every place of it hangs below it.
func (u *union) addPlaces(s Scoped) {
	waiting := slices.Clone(s.Rows.Places)
	for {
		var left []playlist.Place
		for _, p := range waiting {
			if s.Scope == u.ministry || u.within(p.Parent, s.Scope) {
				u.addPlace(s.Scope, p)
			} else {
				left = append(left, p)
			}
		}
		if len(left) == len(waiting) {
			break
		}
		waiting = left
	}
	for _, p := range waiting {
		u.drop(s.Scope, "place "+string(p.ID), "it does not lie below the scope's place")
	}
}

func (u *union) addPlace(scope playlist.ID, p playlist.Place) {
	if scope != u.ministry && (p.Kind == playlist.Ministry || p.Kind == playlist.Province) {
		u.drop(scope, "place "+string(p.ID), "only the ministry says what is a province")
		return
	}
	if _, err := playlist.NewPlace(p); err != nil {
		u.drop(scope, "place "+string(p.ID), err.Error())
		return
	}
	if u.take(scope, "place", p.ID) {
		u.places[p.ID] = p
		u.out.Places = append(u.out.Places, p)
	}
}

// owned takes the rows of a kind that name their places.
func owned[T any](u *union, scope playlist.ID, kind string, rows []T, out *[]T, check func(T) (T, error), id func(T) playlist.ID, places func(T) []playlist.ID) {
	for _, r := range rows {
		if _, err := check(r); err != nil {
			u.drop(scope, kind+" "+string(id(r)), err.Error())
		} else if u.take(scope, kind, id(r), places(r)...) {
			*out = append(*out, r)
		}
	}
}

func (u *union) add(s Scoped) {
	r, scope := s.Rows, s.Scope
	none := func(id playlist.ID) []playlist.ID { return []playlist.ID{id} }
	owned(u, scope, "display", r.Displays, &u.out.Displays, playlist.NewDisplay, func(d playlist.Display) playlist.ID { return d.ID }, func(d playlist.Display) []playlist.ID { return none(d.Place) })
	for _, d := range u.out.Displays {
		u.displays[d.ID] = d.Place
	}
	owned(u, scope, "layout", r.Layouts, &u.out.Layouts, playlist.NewLayout, func(l playlist.Layout) playlist.ID { return l.ID }, func(l playlist.Layout) []playlist.ID { return none(l.Owner) })
	owned(u, scope, "item", r.Items, &u.out.Items, playlist.NewItem, func(i playlist.Item) playlist.ID { return i.ID }, func(i playlist.Item) []playlist.ID { return none(i.Owner) })
	for _, i := range u.out.Items {
		if _, known := u.items[i.ID]; !known {
			u.items[i.ID] = scope
		}
	}
	owned(u, scope, "playlist", r.Playlists, &u.out.Playlists, playlist.NewPlaylist, func(p playlist.Playlist) playlist.ID { return p.ID }, func(p playlist.Playlist) []playlist.ID { return none(p.Owner) })
	owned(u, scope, "schedule", r.Schedules, &u.out.Schedules, playlist.NewSchedule, func(s playlist.Schedule) playlist.ID { return s.ID }, func(s playlist.Schedule) []playlist.ID {
		all := append([]playlist.ID{s.Owner}, s.Places...)
		for _, d := range s.Displays {
			all = append(all, u.displays[d])
		}
		return all
	})
	owned(u, scope, "mandatory", r.Mandatory, &u.out.Mandatory, playlist.NewMandatory, func(m playlist.Mandatory) playlist.ID { return m.ID }, func(m playlist.Mandatory) []playlist.ID { return append([]playlist.ID{m.Owner}, m.Places...) })
	owned(u, scope, "notice", r.Notices, &u.out.Notices, playlist.NewNotice, func(n playlist.Notice) playlist.ID { return n.ID }, func(n playlist.Notice) []playlist.ID { return append([]playlist.ID{n.Owner}, n.Places...) })
	owned(u, scope, "calendar", r.Calendars, &u.out.Calendars, func(c playlist.Calendar) (playlist.Calendar, error) { return c, c.ID.Check("calendar") }, func(c playlist.Calendar) playlist.ID { return c.ID }, func(playlist.Calendar) []playlist.ID { return nil })
	u.parts(s)
}

// parts takes the rows that belong to others: versions to items, facts to gates,
// and files to whoever names them.
func (u *union) parts(s Scoped) {
	for _, v := range s.Rows.Versions {
		name := "version " + string(v.ID)
		_, err := playlist.NewVersion(v)
		switch of, ok := u.items[v.Item]; {
		case err != nil:
			u.drop(s.Scope, name, err.Error())
		case !ok || of != s.Scope:
			u.drop(s.Scope, name, fmt.Sprintf("the item %s is not the scope's", v.Item))
		case u.take(s.Scope, "version", v.ID):
			u.out.Versions = append(u.out.Versions, v)
		}
	}
	for _, f := range s.Rows.Facts {
		if _, err := playlist.NewGateFact(f); err != nil {
			u.drop(s.Scope, "gate fact "+string(f.ID), err.Error())
		} else if _, ok := u.places[f.Gate]; !ok {
			u.drop(s.Scope, "gate fact "+string(f.ID), fmt.Sprintf("the gate %s does not exist", f.Gate))
		} else if u.take(s.Scope, "gate fact", f.ID, f.Gate) {
			u.out.Facts = append(u.out.Facts, f)
		}
	}
	for _, m := range s.Rows.Media {
		if _, err := playlist.NewMedia(m); err != nil {
			u.drop(s.Scope, "media "+string(m.SHA256), err.Error())
		} else if !u.seen["media "+string(m.SHA256)] { // files are the same whoever names them
			u.seen["media "+string(m.SHA256)] = true
			u.from["media "+short(string(m.SHA256))] = s.Scope
			u.out.Media = append(u.out.Media, m)
		}
	}
}

// prune drops the rows that an error of the catalogue is about. It returns false if
// it cannot tell which they are.
func (u *union) prune(err error) bool {
	bad := map[string]string{}
	var walk func(error)
	walk = func(err error) {
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range many.Unwrap() {
				walk(e)
			}
			return
		}
		var e *playlist.Error
		if errors.As(err, &e) {
			bad[e.Where] = e.Detail
		}
	}
	walk(err)
	all := len(bad)
	u.mend(bad)
	n := u.without(bad) + all - len(bad)
	for where, why := range bad {
		u.drop(u.scopeOf(where), where, why)
	}
	return n > 0
}

func remove[T any](n *int, kind string, rows []T, id func(T) string, bad map[string]string) []T {
	return slices.DeleteFunc(rows, func(r T) bool {
		_, is := bad[kind+" "+id(r)]
		if is {
			*n++
		}
		return is
	})
}

// without removes rows by kind and id, and says how many there were.
func (u *union) without(bad map[string]string) (n int) {
	o := &u.out
	o.Places = remove(&n, "place", o.Places, func(r playlist.Place) string { return string(r.ID) }, bad)
	o.Displays = remove(&n, "display", o.Displays, func(r playlist.Display) string { return string(r.ID) }, bad)
	o.Layouts = remove(&n, "layout", o.Layouts, func(r playlist.Layout) string { return string(r.ID) }, bad)
	o.Items = remove(&n, "item", o.Items, func(r playlist.Item) string { return string(r.ID) }, bad)
	o.Versions = remove(&n, "version", o.Versions, func(r playlist.Version) string { return string(r.ID) }, bad)
	o.Media = remove(&n, "media", o.Media, func(r playlist.Media) string { return short(string(r.SHA256)) }, bad)
	o.Facts = remove(&n, "gate fact", o.Facts, func(r playlist.GateFact) string { return string(r.ID) }, bad)
	o.Playlists = remove(&n, "playlist", o.Playlists, func(r playlist.Playlist) string { return string(r.ID) }, bad)
	o.Schedules = remove(&n, "schedule", o.Schedules, func(r playlist.Schedule) string { return string(r.ID) }, bad)
	o.Calendars = remove(&n, "calendar", o.Calendars, func(r playlist.Calendar) string { return string(r.ID) }, bad)
	o.Mandatory = remove(&n, "mandatory", o.Mandatory, func(r playlist.Mandatory) string { return string(r.ID) }, bad)
	o.Notices = remove(&n, "notice", o.Notices, func(r playlist.Notice) string { return string(r.ID) }, bad)
	return n
}

// short is how the catalogue's errors name a file.
func short(h string) string { return h[:min(12, len(h))] + "…" }

// mend takes away what a row names and is not there, where the row is worth keeping
// without it: a place, a display, a list. It does so once for each row.
func (u *union) mend(bad map[string]string) {
	first := func(kind string, id playlist.ID) bool {
		name := kind + " " + string(id)
		why, is := bad[name]
		if !is || u.seen["mended "+name] {
			return false
		}
		u.seen["mended "+name] = true
		u.drop(u.scopeOf(name), name, "what it names is taken away: "+why)
		delete(bad, name)
		return true
	}
	for n, p := range u.out.Places {
		if first("place", p.ID) {
			u.out.Places[n].Layout, u.out.Places[n].Defaults = "", nil
		}
	}
	for n, d := range u.out.Displays {
		if first("display", d.ID) {
			u.out.Displays[n].Layout, u.out.Displays[n].Defaults = "", nil
		}
	}
	items, lists := map[playlist.ID]bool{"": true}, map[playlist.ID]bool{"": true}
	for _, i := range u.out.Items {
		items[i.ID] = true
	}
	for _, p := range u.out.Playlists {
		lists[p.ID] = true
	}
	for n, p := range u.out.Playlists {
		if first("playlist", p.ID) {
			u.out.Playlists[n].Entries = slices.DeleteFunc(slices.Clone(p.Entries), func(e playlist.Entry) bool { return !items[e.Item] || !lists[e.Playlist] })
		}
	}
}
