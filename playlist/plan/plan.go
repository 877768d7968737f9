// Package plan says what plays on a display: it joins a catalogue, what is here
// of it, and the resolver. Kiosk and hub answer from the same code.
package plan

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
}

// Planner answers for the displays of one catalogue. It is not safe for
// concurrent use.
type Planner struct {
	Catalogue *playlist.Catalogue
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
	Answer   resolve.Answer `json:"-"`
}

// Forget drops what was computed from the inventory; call it when files come
// or go.
func (p *Planner) Forget() { p.sets = nil }

func (p *Planner) layer(d playlist.Display, l playlist.Layer) *layerSet {
	key := setKey{d.ID, l}
	if s, ok := p.sets[key]; ok {
		return s
	}
	var schedules []playlist.Schedule
	available := map[playlist.ID]resolve.Availability{}
	for _, s := range p.Catalogue.Schedules {
		if s.Layer != l || !p.Catalogue.Applies(s.Places, s.Displays, d) {
			continue
		}
		schedules = append(schedules, s)
		if a, limited := p.availability(s); limited {
			available[s.ID] = a
		}
	}
	set, err := resolve.Compile(schedules, p.Catalogue.Calendars, p.Catalogue.ZoneOf(d.Place))
	out := &layerSet{set, available, err}
	if p.sets == nil {
		p.sets = map[setKey]*layerSet{}
	}
	p.sets[key] = out
	return out
}

// availability says when a schedule's playlist has something to play; limited
// is false if that is always.
func (p *Planner) availability(s playlist.Schedule) (a resolve.Availability, limited bool) {
	reason := "its playlist is empty"
	var spans []resolve.Span
	for _, e := range p.Catalogue.Flatten(s.Playlist) {
		item := p.Catalogue.Items[e.Item]
		versions, why := p.Versions(item, s.Languages)
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

// Versions returns what may be shown of an item here: published, for the
// public, in an allowed language, with every file present.
func (p *Planner) Versions(item playlist.Item, allowed []playlist.Language) (out []playlist.Version, why string) {
	if item.Audience != playlist.Public {
		return nil, fmt.Sprintf("item %s is for staff", item.ID)
	}
	why = fmt.Sprintf("item %s has no published version in an allowed language", item.ID)
	for _, v := range p.Catalogue.Versions[item.ID] {
		if v.State != playlist.Published || len(allowed) > 0 && v.Language != playlist.Wordless && !slices.Contains(allowed, v.Language) {
			continue
		}
		missing := slices.IndexFunc(v.Files(), func(h playlist.Hash) bool { return !p.Files.Has(h) })
		if missing >= 0 {
			why = fmt.Sprintf("a file of version %s is not here", v.ID)
			continue
		}
		out = append(out, v)
	}
	return out, why
}

// Decide resolves one layer of a display.
func (p *Planner) Decide(d playlist.Display, l playlist.Layer, m Moment, why bool) Decision {
	s := p.layer(d, l)
	a := s.set.Resolve(resolve.Question{At: m.At, Untrusted: !m.Trusted, Available: s.available, Notices: m.Notices, Why: why})
	out := Decision{Layer: l, Winner: a.ID("default"), Losers: a.Losers, Answer: a}
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
		out.Playlist = p.Catalogue.DefaultOf(d, l)
	}
	return out
}

// Problems lists what is wrong with a display's schedules, in plain words.
func (p *Planner) Problems(d playlist.Display) []string {
	var out []string
	for _, l := range playlist.Layers {
		if err := p.layer(d, l).err; err != nil {
			out = append(out, err.Error())
		}
	}
	return out
}

// Segment is a time in which one thing plays, with the schedules that it beats.
type Segment struct {
	resolve.Segment
	Beaten []playlist.ID
}

// Range says what plays on a layer of a display from one instant to another; ok
// is false if it changes more than limit times. The clock is taken as trusted.
func (p *Planner) Range(d playlist.Display, l playlist.Layer, notices []resolve.Notice, from, until time.Time, limit int) (out []Segment, ok bool) {
	s := p.layer(d, l)
	q := resolve.Question{Available: s.available, Notices: notices}
	segments := s.set.Range(q, from, until)
	if len(segments) > limit {
		return nil, false
	}
	for _, seg := range segments {
		x := Segment{Segment: seg}
		for _, id := range s.set.Covering(q, seg.Span) {
			if seg.Winner == nil || seg.Winner.ID != id {
				x.Beaten = append(x.Beaten, id)
			}
		}
		out = append(out, x)
	}
	return out, true
}
