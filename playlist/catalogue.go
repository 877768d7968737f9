package playlist

import (
	"errors"
	"fmt"
)

// Format is the version of the content folder and catalogue format.
const Format = "cotmoc-content/1"

// Rows is everything that an edition holds, as it is written in content.json.
type Rows struct {
	Format    string      `json:"format"`
	Name      string      `json:"name,omitempty"`
	Places    []Place     `json:"places,omitempty"`
	Displays  []Display   `json:"displays,omitempty"`
	Layouts   []Layout    `json:"layouts,omitempty"`
	Items     []Item      `json:"items,omitempty"`
	Versions  []Version   `json:"versions,omitempty"`
	Media     []Media     `json:"media,omitempty"`
	Facts     []GateFact  `json:"gate_facts,omitempty"`
	Playlists []Playlist  `json:"playlists,omitempty"`
	Schedules []Schedule  `json:"schedules,omitempty"`
	Calendars []Calendar  `json:"calendars,omitempty"`
	Mandatory []Mandatory `json:"mandatory,omitempty"`
	Notices   []Notice    `json:"notices,omitempty"`
}

// DecodeRows reads a content.json strictly; unknown fields are refused.
func DecodeRows(raw []byte) (Rows, error) {
	var r Rows
	if err := unmarshalStrict(raw, &r); err != nil {
		return Rows{}, invalid("content.json", "%v", err)
	}
	if r.Format != Format {
		return Rows{}, invalid("content.json", "format is %.40q, not %q", r.Format, Format)
	}
	return r, nil
}

// Catalogue is a checked set of rows with every reference resolved. It is
// immutable once made.
type Catalogue struct {
	Name      string
	Places    map[ID]Place
	Displays  map[ID]Display
	Layouts   map[ID]Layout
	Items     map[ID]Item
	Versions  map[ID][]Version // by item, in the order given
	Media     map[Hash]Media
	Facts     map[ID][]GateFact // by gate
	Playlists map[ID]Playlist
	Schedules []Schedule
	Calendars map[ID]Calendar
	Mandatory []Mandatory
	Notices   []Notice

	// DisplayOrder lists the displays as they were given.
	DisplayOrder []ID
}

// NewCatalogue checks every row, every reference and every ceiling. The error
// joins all problems found, the first hundred of them.
func NewCatalogue(r Rows) (*Catalogue, error) {
	b := &builder{c: &Catalogue{
		Name: r.Name, Versions: map[ID][]Version{}, Facts: map[ID][]GateFact{}, Media: map[Hash]Media{},
	}}
	c := b.c
	c.Places = index(b, "place", r.Places, NewPlace, func(p Place) ID { return p.ID })
	for _, d := range r.Displays {
		c.DisplayOrder = append(c.DisplayOrder, d.ID)
	}
	c.Displays = index(b, "display", r.Displays, NewDisplay, func(d Display) ID { return d.ID })
	c.Layouts = index(b, "layout", r.Layouts, NewLayout, func(l Layout) ID { return l.ID })
	c.Items = index(b, "item", r.Items, NewItem, func(i Item) ID { return i.ID })
	c.Playlists = index(b, "playlist", r.Playlists, NewPlaylist, func(p Playlist) ID { return p.ID })
	c.Calendars = index(b, "calendar", r.Calendars, func(c Calendar) (Calendar, error) { return c, c.ID.Check("calendar") },
		func(c Calendar) ID { return c.ID })
	c.Schedules = list(b, "schedule", r.Schedules, NewSchedule, func(s Schedule) ID { return s.ID })
	c.Mandatory = list(b, "mandatory", r.Mandatory, NewMandatory, func(m Mandatory) ID { return m.ID })
	c.Notices = list(b, "notice", r.Notices, NewNotice, func(n Notice) ID { return n.ID })
	for _, m := range r.Media {
		b.media(m)
	}
	for _, f := range list(b, "gate fact", r.Facts, NewGateFact, func(f GateFact) ID { return f.ID }) {
		c.Facts[f.Gate] = append(c.Facts[f.Gate], f)
	}
	for _, v := range list(b, "version", r.Versions, NewVersion, func(v Version) ID { return v.ID }) {
		c.Versions[v.Item] = append(c.Versions[v.Item], v)
	}
	b.references()
	b.cycles()
	if err := errors.Join(b.errs...); err != nil {
		return nil, err
	}
	return c, nil
}

type builder struct {
	c    *Catalogue
	errs []error
}

func (b *builder) add(err error) {
	if err != nil && len(b.errs) < 100 {
		b.errs = append(b.errs, err)
	}
}

func list[T any](b *builder, kind string, rows []T, check func(T) (T, error), id func(T) ID) []T {
	out := make([]T, 0, len(rows))
	seen := make(map[ID]bool, len(rows))
	for _, row := range rows {
		row, err := check(row)
		if err != nil {
			b.add(err)
			continue
		}
		if seen[id(row)] {
			b.add(&Error{Code: CodeDuplicate, Where: fmt.Sprintf("%s %s", kind, id(row)), Detail: "two rows have this id"})
			continue
		}
		seen[id(row)] = true
		out = append(out, row)
	}
	return out
}

func index[T any](b *builder, kind string, rows []T, check func(T) (T, error), id func(T) ID) map[ID]T {
	m := make(map[ID]T, len(rows))
	for _, row := range list(b, kind, rows, check, id) {
		m[id(row)] = row
	}
	return m
}

// need reports a missing reference; an empty id refers to nothing and is fine.
func need[T any](b *builder, where, kind string, m map[ID]T, ids ...ID) {
	for _, id := range ids {
		if _, ok := m[id]; !ok && id != "" {
			b.add(missing(where, kind, id))
		}
	}
}

func (b *builder) references() {
	c := b.c
	for id, p := range c.Places {
		need(b, "place "+string(id), "place", c.Places, p.Parent)
		need(b, "place "+string(id), "layout", c.Layouts, p.Layout)
		for _, l := range p.Defaults {
			need(b, "place "+string(id), "playlist", c.Playlists, l)
		}
	}
	for id, d := range c.Displays {
		where := "display " + string(id)
		need(b, where, "place", c.Places, d.Place)
		need(b, where, "layout", c.Layouts, d.Layout)
		for _, l := range d.Defaults {
			need(b, where, "playlist", c.Playlists, l)
		}
	}
	for id, l := range c.Layouts {
		for _, z := range l.Zones {
			need(b, "layout "+string(id), "playlist", c.Playlists, z.Source.Playlist)
			b.needMedia("layout "+string(id), z.Source.Media)
		}
	}
	for id, i := range c.Items {
		need(b, "item "+string(id), "place", c.Places, i.Gate)
	}
	for item, versions := range c.Versions {
		need(b, "version "+string(versions[0].ID), "item", c.Items, item)
		for _, v := range versions {
			b.needMedia("version "+string(v.ID), v.Files()...)
		}
	}
	for gate := range c.Facts {
		need(b, "gate fact", "place", c.Places, gate)
	}
	for id, p := range c.Playlists {
		for _, e := range p.Entries {
			need(b, "playlist "+string(id), "item", c.Items, e.Item)
			need(b, "playlist "+string(id), "playlist", c.Playlists, e.Playlist)
		}
	}
	for i, s := range c.Schedules {
		b.schedule(s)
		c.Schedules[i].Places = b.scope("schedule "+string(s.ID), s.Owner, s.Places, s.Displays)
	}
	b.imposed()
}

// imposed checks what is imposed from above: mandatory items and notices.
func (b *builder) imposed() {
	c := b.c
	for i, m := range c.Mandatory {
		where := "mandatory " + string(m.ID)
		need(b, where, "item", c.Items, m.Item)
		need(b, where, "place", c.Places, append([]ID{m.Owner}, m.Places...)...)
		c.Mandatory[i].Places = b.scope(where, m.Owner, m.Places, nil)
	}
	for i, n := range c.Notices {
		where := "notice " + string(n.ID)
		need(b, where, "place", c.Places, append([]ID{n.Owner}, n.Places...)...)
		c.Notices[i].Places = b.scope(where, n.Owner, n.Places, nil)
		b.needMedia(where, n.Sound)
		if len(n.Bodies) == 0 {
			b.add(invalid(where, "it has no text in any language"))
		}
	}
}

func (b *builder) needMedia(where string, files ...Hash) {
	for _, h := range files {
		if _, ok := b.c.Media[h]; !ok && h != "" {
			b.add(missing(where, "media", ID(clip(string(h), 12))))
		}
	}
}

func (b *builder) schedule(s Schedule) {
	c, where := b.c, "schedule "+string(s.ID)
	need(b, where, "playlist", c.Playlists, s.Playlist)
	if s.Playlist == "" {
		b.add(missing(where, "playlist", ""))
	}
	need(b, where, "layout", c.Layouts, s.Layout)
	need(b, where, "place", c.Places, append([]ID{s.Owner}, s.Places...)...)
	need(b, where, "display", c.Displays, s.Displays...)
	for _, e := range s.Except {
		if len(e) > 4 && e[:4] == "cal:" {
			need(b, where, "calendar", c.Calendars, ID(e[4:]))
		}
	}
	owner, ok := c.Places[s.Owner]
	if ok && s.Priority > owner.Kind.Ceiling() {
		b.add(&Error{Code: CodeRefused, Where: where, Detail: fmt.Sprintf(
			"priority %d is above %d, the ceiling of a %s", s.Priority, owner.Kind.Ceiling(), owner.Kind)})
	}
}

// media takes a file in. Two paths with the same bytes are one file; two sizes
// or types under one hash are a lie.
func (b *builder) media(m Media) {
	m, err := NewMedia(m)
	if err != nil {
		b.add(err)
		return
	}
	if old, ok := b.c.Media[m.SHA256]; ok && (old.Bytes != m.Bytes || old.Type != m.Type) {
		b.add(&Error{Code: CodeDuplicate, Where: "media " + clip(string(m.SHA256), 12), Detail: "listed twice, with another size or type"})
		return
	}
	b.c.Media[m.SHA256] = m
}

// scope refuses places and displays outside the owner's subtree, and returns
// the places that a row holds for: without places or displays, the owner's. A
// row without an owner can only come from a folder taken in on the machine
// itself: no signed scope contains it.
func (b *builder) scope(where string, owner ID, places, displays []ID) []ID {
	if _, ok := b.c.Places[owner]; !ok {
		return places
	}
	outside := func(kind string, id, place ID) {
		if !b.c.Within(place, owner) {
			b.add(&Error{Code: CodeRefused, Where: where, Detail: fmt.Sprintf("%s %s does not lie under its owner %s", kind, id, owner)})
		}
	}
	for _, id := range places {
		outside("place", id, id)
	}
	for _, id := range displays {
		if d, ok := b.c.Displays[id]; ok {
			outside("display", id, d.Place)
		}
	}
	if len(places) == 0 && len(displays) == 0 {
		return []ID{owner}
	}
	return places
}
