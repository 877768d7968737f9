// Package kiosk is the supervisor on a gate's machine and the only writer of
// its data: it resolves the schedule, hands programmes to the stage, keeps
// proof of play, and starts, watches and adopts its children.
package kiosk

import (
	"time"

	"cotmoc/playlist"
	"cotmoc/playlist/plan"
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
	planner   *plan.Planner
}

// Moment is the instant for which a programme is wanted.
type Moment = plan.Moment

// Decision is what one layer shows and why.
type Decision = plan.Decision

func (c *Composer) plan() *plan.Planner {
	if c.planner == nil {
		c.planner = &plan.Planner{Catalogue: c.Catalogue, Files: c.Files}
	}
	return c.planner
}

// Forget drops what was computed from the inventory; call it when files come
// or go.
func (c *Composer) Forget() { c.planner = nil }

// Decide resolves one layer of a display.
func (c *Composer) Decide(d playlist.Display, l playlist.Layer, m Moment, why bool) Decision {
	return c.plan().Decide(d, l, m, why)
}

// Problems lists what is wrong with a display's schedules, in plain words.
func (c *Composer) Problems(d playlist.Display) []string { return c.plan().Problems(d) }

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
	if w := plain[playlist.Main].Answer.Winner; w != nil && w.Layout != "" {
		layout = c.Catalogue.Layouts[w.Layout]
	}
	p.Zones = c.zones(d, layout, m, func(l playlist.Layer) (playlist.ID, *playlist.Schedule) {
		return plain[l].Playlist, plain[l].Answer.Winner
	})
	p.Positions = kept.Positions
	c.mandatory(p, d, m, kept)
	for _, dec := range decisions {
		p.ValidUntil = sooner(p.ValidUntil, dec.Next)
		if dec.Answer.Notice != nil && p.Notice == nil {
			n := dec.Answer.Notice
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
			pz.Gate = c.Catalogue.GateCard(d.Place)
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
