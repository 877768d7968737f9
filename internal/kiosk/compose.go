// Package kiosk is the supervisor on a gate's machine and the only writer of
// its data: it resolves the schedule, hands programmes to the stage, keeps
// proof of play, and starts, watches and adopts its children.
package kiosk

import (
	"fmt"
	"slices"
	"time"

	"cotmoc/playlist"
	"cotmoc/playlist/resolve"
)

// Inventory says which files are here, verified; media.Store is one.
type Inventory interface {
	Has(h playlist.Hash) bool
	Path(h playlist.Hash) string
}

// Composer turns a catalogue and what is here into programmes.
type Composer struct {
	Catalogue *playlist.Catalogue
	Edition   string
	Files     Inventory
	sets      map[setKey]*layerSet
}

type setKey struct {
	display playlist.ID
	layer   playlist.Layer
}

// layerSet is the schedules of one layer of one display, ready to resolve.
type layerSet struct {
	set       *resolve.Set
	available map[playlist.ID]resolve.Availability
	err       error
}

// Moment is the instant for which a programme is wanted.
type Moment struct {
	At      time.Time
	Trusted bool
	Notices []resolve.Notice // that apply to the display
}

// Decision is what one layer shows and why.
type Decision struct {
	Layer    playlist.Layer `json:"layer"`
	Winner   string         `json:"winner"` // schedule id, notice:ID or default
	Playlist playlist.ID    `json:"playlist,omitempty"`
	Start    *time.Time     `json:"start,omitempty"`
	Next     *time.Time     `json:"next,omitempty"`
	Losers   []resolve.Loss `json:"losers,omitempty"`
	answer   resolve.Answer
}

// Forget drops what was computed from the inventory; call it when files come
// or go.
func (c *Composer) Forget() { c.sets = nil }

func (c *Composer) layer(d playlist.Display, l playlist.Layer) *layerSet {
	key := setKey{d.ID, l}
	if s, ok := c.sets[key]; ok {
		return s
	}
	var schedules []playlist.Schedule
	available := map[playlist.ID]resolve.Availability{}
	for _, s := range c.Catalogue.Schedules {
		if s.Layer != l || !c.Catalogue.Applies(s.Places, s.Displays, d) {
			continue
		}
		schedules = append(schedules, s)
		if a, limited := c.availability(s); limited {
			available[s.ID] = a
		}
	}
	set, err := resolve.Compile(schedules, c.Catalogue.Calendars, c.Catalogue.ZoneOf(d.Place))
	out := &layerSet{set, available, err}
	if c.sets == nil {
		c.sets = map[setKey]*layerSet{}
	}
	c.sets[key] = out
	return out
}

// availability says when a schedule's playlist has something to play; limited
// is false if that is always.
func (c *Composer) availability(s playlist.Schedule) (a resolve.Availability, limited bool) {
	reason := "its playlist is empty"
	var spans []resolve.Span
	for _, e := range c.Catalogue.Flatten(s.Playlist) {
		item := c.Catalogue.Items[e.Item]
		versions, why := c.versions(item, s.Languages)
		if len(versions) == 0 && (item.Kind != playlist.Fact || item.Audience != playlist.Public) {
			reason = why // a gate card's words are the program's own: it needs no version
			continue
		}
		if !item.Dated() {
			return resolve.Availability{}, false
		}
		var span resolve.Span
		if item.ValidFrom != nil {
			span.Start = *item.ValidFrom
		}
		if item.ValidUntil != nil {
			span.End = *item.ValidUntil
		}
		spans = append(spans, span)
		reason = "every item in its playlist is out of date"
	}
	return resolve.Availability{Spans: union(spans), Reason: reason}, true
}

// union joins spans into ordered, disjoint ones.
func union(spans []resolve.Span) []resolve.Span {
	slices.SortFunc(spans, func(a, b resolve.Span) int { return a.Start.Compare(b.Start) })
	var out []resolve.Span
	for _, s := range spans {
		if n := len(out) - 1; n >= 0 && (out[n].End.IsZero() || !s.Start.After(out[n].End)) {
			if !out[n].End.IsZero() && (s.End.IsZero() || s.End.After(out[n].End)) {
				out[n].End = s.End
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

// versions returns what may be shown of an item here: published, for the
// public, in an allowed language, with every file present.
func (c *Composer) versions(item playlist.Item, allowed []playlist.Language) (out []playlist.Version, why string) {
	if item.Audience != playlist.Public {
		return nil, fmt.Sprintf("item %s is for staff", item.ID)
	}
	why = fmt.Sprintf("item %s has no published version in an allowed language", item.ID)
	for _, v := range c.Catalogue.Versions[item.ID] {
		if v.State != playlist.Published || len(allowed) > 0 && v.Language != playlist.Wordless && !slices.Contains(allowed, v.Language) {
			continue
		}
		missing := slices.IndexFunc(v.Files(), func(h playlist.Hash) bool { return !c.Files.Has(h) })
		if missing >= 0 {
			why = fmt.Sprintf("a file of version %s is not here", v.ID)
			continue
		}
		out = append(out, v)
	}
	return out, why
}

// Decide resolves one layer of a display.
func (c *Composer) Decide(d playlist.Display, l playlist.Layer, m Moment, why bool) Decision {
	s := c.layer(d, l)
	a := s.set.Resolve(resolve.Question{At: m.At, Untrusted: !m.Trusted, Available: s.available, Notices: m.Notices, Why: why})
	out := Decision{Layer: l, Winner: a.ID("default"), Losers: a.Losers, answer: a}
	if !a.Next.IsZero() {
		out.Next = &a.Next
	}
	switch {
	case a.Winner != nil:
		out.Playlist = a.Winner.Playlist
		if !a.Start.IsZero() {
			out.Start = &a.Start
		}
	case a.Notice == nil:
		out.Playlist = c.Catalogue.DefaultOf(d, l)
	}
	return out
}

// Problems lists what is wrong with a display's schedules, in plain words.
func (c *Composer) Problems(d playlist.Display) []string {
	var out []string
	for _, l := range playlist.Layers {
		if err := c.layer(d, l).err; err != nil {
			out = append(out, err.Error())
		}
	}
	return out
}

// Kept is what the stage must know of earlier: positions and mandatory items.
type Kept struct {
	Positions map[playlist.ID]playlist.Position
	Left      map[playlist.ID]int64         // ms until a mandatory item is due
	Notices   map[playlist.ID]time.Duration // what remains of each without a clock; for a stage that starts
}

// Compose makes the programme of a display for a moment. The programme shows
// what plays under a notice as well, so that it goes on when the notice ends.
func (c *Composer) Compose(d playlist.Display, m Moment, kept Kept) (*playlist.Programme, []Decision) {
	under := m
	under.Notices = nil
	p := c.frame(d, m)
	decisions := make([]Decision, 0, len(playlist.Layers))
	layout := c.Catalogue.LayoutOf(d)
	plain := map[playlist.Layer]Decision{}
	for _, l := range playlist.Layers {
		decisions = append(decisions, c.Decide(d, l, m, false))
		plain[l] = c.Decide(d, l, under, false)
	}
	if w := plain[playlist.Main].answer.Winner; w != nil && w.Layout != "" {
		layout = c.Catalogue.Layouts[w.Layout]
	}
	p.Zones = c.zones(d, layout, m, func(l playlist.Layer) (playlist.ID, *playlist.Schedule) {
		return plain[l].Playlist, plain[l].answer.Winner
	})
	p.Positions = kept.Positions
	c.mandatory(p, d, m, kept)
	for _, dec := range decisions {
		p.ValidUntil = sooner(p.ValidUntil, dec.Next)
		if dec.answer.Notice != nil && p.Notice == nil {
			n := dec.answer.Notice
			p.Notice = &playlist.ProgrammeNotice{Notice: n.Notice, Remaining: playlist.Duration(n.Remaining)}
			if n.Sound != "" && c.Files.Has(n.Sound) {
				p.Notice.SoundFile = c.file(n.Sound, "")
			}
		}
	}
	if m.Trusted {
		p.ValidUntil = sooner(p.ValidUntil, c.edge(p, m.At))
	}
	fallback := c.frame(d, Moment{At: m.At, Trusted: m.Trusted})
	fallback.Zones = c.zones(d, c.Catalogue.LayoutOf(d), m, func(l playlist.Layer) (playlist.ID, *playlist.Schedule) {
		return c.Catalogue.DefaultOf(d, l), nil
	})
	fallback.Positions = kept.Positions
	p.Default = fallback
	return p, decisions
}

func sooner(a, b *time.Time) *time.Time {
	if a == nil || b != nil && b.Before(*a) {
		return b
	}
	return a
}

// edge is the next instant at which an item that could play becomes valid or
// invalid.
func (c *Composer) edge(p *playlist.Programme, at time.Time) *time.Time {
	var next *time.Time
	for _, z := range p.Zones {
		for _, e := range c.Catalogue.Flatten(z.Playlist) {
			item := c.Catalogue.Items[e.Item]
			for _, t := range []*time.Time{item.ValidFrom, item.ValidUntil} {
				if t != nil && t.After(at) {
					next = sooner(next, t)
				}
			}
		}
	}
	return next
}

func (c *Composer) frame(d playlist.Display, m Moment) *playlist.Programme {
	place := c.Catalogue.Places[d.Place]
	p := &playlist.Programme{
		Format:  playlist.ProgrammeFormat,
		Display: playlist.ProgrammeDisplay{ID: d.ID, Width: d.Width, Height: d.Height, Rotation: d.Rotation},
		Place: playlist.ProgrammePlace{ID: place.ID, Names: place.Names, Languages: c.Catalogue.LanguagesOf(d.Place),
			Zone: c.Catalogue.ZoneOf(d.Place).String(), Neighbour: place.Neighbour, Sample: place.Sample},
		Clock: playlist.ProgrammeClock{Trusted: m.Trusted},
	}
	return p
}

// zones fills a layout's zones for a moment.
func (c *Composer) zones(d playlist.Display, layout playlist.Layout, m Moment, playing func(playlist.Layer) (playlist.ID, *playlist.Schedule)) []playlist.ProgrammeZone {
	var out []playlist.ProgrammeZone
	for _, z := range layout.Zones {
		pz := playlist.ProgrammeZone{Zone: z, Edition: c.Edition}
		switch z.Source.Kind {
		case playlist.FromLayer:
			id, s := playing(z.Source.Layer)
			if s != nil {
				pz.Schedule, pz.Allowed = s.ID, s.Languages
			}
			c.fill(&pz, id, d, m)
		case playlist.FromPlaylist:
			c.fill(&pz, z.Source.Playlist, d, m)
		case playlist.FromGate:
			pz.Gate = c.gateCard(d.Place)
		case playlist.FromLogo:
			if z.Source.Media != "" && c.Files.Has(z.Source.Media) {
				pz.Logo = c.Files.Path(z.Source.Media)
			}
		}
		out = append(out, pz)
	}
	return out
}

func (c *Composer) fill(z *playlist.ProgrammeZone, id playlist.ID, d playlist.Display, m Moment) {
	list, ok := c.Catalogue.Playlists[id]
	if !ok {
		return
	}
	z.Playlist, z.Turns = id, list.Turns
	for n, e := range c.Catalogue.Flatten(id) {
		if entry, ok := c.entry(e, n, z.Allowed, d, m); ok {
			z.Entries = append(z.Entries, entry)
		}
	}
}
