package kiosk

import (
	"fmt"
	"slices"

	"cotmoc/playlist"
)

// entry turns the n-th entry of a playlist into what a stage needs; ok is false
// if it cannot play here now.
func (c *Composer) entry(e playlist.Entry, n int, allowed []playlist.Language, d playlist.Display, m Moment) (playlist.ProgrammeEntry, bool) {
	item, ok := c.Catalogue.Items[e.Item]
	if !ok || m.Trusted && !item.ValidAt(m.At) || !m.Trusted && item.Dated() {
		return playlist.ProgrammeEntry{}, false
	}
	versions, _ := c.plan().Versions(item, allowed)
	out := playlist.ProgrammeEntry{
		ID: playlist.ID(fmt.Sprintf("%d:%s", n, item.ID)), Item: item.ID, Kind: item.Kind, Duration: e.Duration, Fit: e.Fit,
		Transition: e.Transition, Source: item.Source, Date: item.ValidFrom,
	}
	if m.Trusted {
		out.ValidUntil = item.ValidUntil
	}
	if item.Kind == playlist.Fact {
		gate := item.Gate
		if gate == "" {
			gate = d.Place
		}
		out.Gate = c.Catalogue.GateCard(gate)
		versions = cardVersions(item, versions, c.Catalogue.LanguagesOf(d.Place), allowed)
	}
	for _, v := range versions {
		out.Versions = append(out.Versions, c.version(v))
	}
	return out, len(out.Versions) > 0
}

// cardVersions gives a gate card a version in every language of the place: its
// words are the program's own.
func cardVersions(item playlist.Item, have []playlist.Version, place, allowed []playlist.Language) []playlist.Version {
	for _, l := range place {
		if len(allowed) > 0 && !slices.Contains(allowed, l) || slices.ContainsFunc(have, func(v playlist.Version) bool { return v.Language == l }) {
			continue
		}
		have = append(have, playlist.Version{ID: item.ID + ":" + playlist.ID(l), Item: item.ID, Language: l})
	}
	return have
}

func (c *Composer) version(v playlist.Version) playlist.ProgrammeVersion {
	out := playlist.ProgrammeVersion{Version: v.ID, Language: v.Language, Title: v.Title, Text: v.Text}
	if v.Display != "" {
		out.Text = v.Display
	}
	for _, h := range v.Media {
		out.Media = append(out.Media, *c.file(h, ""))
	}
	for _, t := range v.Captions {
		out.Captions = append(out.Captions, *c.file(t.Media, t.Language))
	}
	for _, t := range v.Sounds {
		out.Sounds = append(out.Sounds, *c.file(t.Media, t.Language))
	}
	return out
}

func (c *Composer) file(h playlist.Hash, lang playlist.Language) *playlist.ProgrammeFile {
	return &playlist.ProgrammeFile{Path: c.Files.Path(h), SHA256: h, Type: c.Catalogue.Media[h].Type, Language: lang}
}

// mandatory adds the mandatory items of the display's place and its ancestors.
func (c *Composer) mandatory(p *playlist.Programme, d playlist.Display, m Moment, kept Kept) {
	for _, must := range c.Catalogue.Mandatory {
		if !c.Catalogue.Applies(must.Places, nil, d) {
			continue
		}
		entry, ok := c.entry(playlist.Entry{Item: must.Item, Fit: playlist.Contain}, 0, nil, d, m)
		if !ok {
			continue
		}
		due, known := kept.Left[must.ID]
		if !known {
			due = must.Every.Std().Milliseconds()
		}
		p.Mandatory = append(p.Mandatory, playlist.ProgrammeMust{ID: must.ID, Entry: entry, Every: must.Every, DueIn: due})
	}
}

// Playable lists the items of a playlist that can play at a moment, in order.
func (c *Composer) Playable(d playlist.Display, list playlist.ID, m Moment) []playlist.ID {
	var out []playlist.ID
	for n, e := range c.Catalogue.Flatten(list) {
		if entry, ok := c.entry(e, n, nil, d, m); ok {
			out = append(out, entry.Item)
		}
	}
	return out
}
