package timeline

import (
	"slices"
	"time"

	"cotmoc/playlist"
)

// Cue is one showing: an entry in the language, or languages, of its turn.
type Cue struct {
	Entry     playlist.ProgrammeEntry
	Versions  []playlist.ProgrammeVersion // more than one: side by side
	Wanted    playlist.Language           // the language whose turn it was
	Fallback  bool                        // Versions[0] is not in the wanted language: say so
	Mandatory playlist.ID                 // set if a mandatory item is woven in
	After     playlist.Position           // where the playlist stands once this was shown
}

// Language is the language of the showing.
func (c Cue) Language() playlist.Language { return c.Versions[0].Language }

// SameAs says whether both cues show the same thing.
func (c Cue) SameAs(o Cue) bool {
	if c.Entry.Item != o.Entry.Item || len(c.Versions) != len(o.Versions) {
		return false
	}
	for i := range c.Versions {
		if c.Versions[i].Version != o.Versions[i].Version || !slices.Equal(c.Versions[i].Media, o.Versions[i].Media) {
			return false
		}
	}
	return true
}

// Track walks a zone's playlist for ever. It is not safe for concurrent use.
type Track struct {
	zone      playlist.ProgrammeZone
	languages []playlist.Language // in turn
	fallback  []playlist.Language // the place's order, for falling back
	pos       playlist.Position
}

// maxColumns is how many languages fit side by side.
const maxColumns = 2

// NewTrack starts a zone's playlist at a kept position. A position whose entry
// is no longer there goes on at the same index.
func NewTrack(zone playlist.ProgrammeZone, place []playlist.Language, pos playlist.Position) *Track {
	t := &Track{zone: zone, fallback: place, pos: pos}
	for _, l := range place {
		if len(zone.Allowed) == 0 || slices.Contains(zone.Allowed, l) {
			t.languages = append(t.languages, l)
		}
	}
	for _, l := range zone.Allowed {
		if !slices.Contains(t.languages, l) {
			t.languages = append(t.languages, l)
		}
	}
	if len(t.languages) == 0 {
		t.languages = []playlist.Language{playlist.Vietnamese}
	}
	t.seek()
	return t
}

func (t *Track) seek() {
	if t.pos.Round < 0 || t.pos.Turn < 0 {
		t.pos.Round, t.pos.Turn = 0, 0
	}
	if i := slices.IndexFunc(t.zone.Entries, func(e playlist.ProgrammeEntry) bool { return e.ID == t.pos.Entry }); i >= 0 {
		t.pos.Index = i
	} else {
		t.pos.Turn = 0
	}
	if t.pos.Index < 0 || t.pos.Index >= len(t.zone.Entries) {
		t.pos.Index = 0
	}
}

// Position is the next showing's place in the playlist.
func (t *Track) Position() playlist.Position { return t.pos }

// Next returns the next showing and moves on. ok is false if no entry can be
// shown at instant now. now is used only to leave out expired entries.
func (t *Track) Next(now time.Time) (cue Cue, ok bool) {
	n := len(t.zone.Entries)
	// Within one cycle over all languages every entry gets its turn.
	for range n*(len(t.languages)+1) + 1 {
		if n == 0 {
			return Cue{}, false
		}
		e := t.zone.Entries[t.pos.Index]
		versions, wanted, more := t.turn(e)
		t.step(more)
		if len(versions) == 0 || e.ValidUntil != nil && !now.Before(*e.ValidUntil) {
			continue
		}
		cue := Cue{Entry: e, Versions: versions, Wanted: wanted, After: t.pos}
		lang := versions[0].Language
		cue.Fallback = wanted != "" && lang != wanted && lang != playlist.Wordless
		return cue, true
	}
	return Cue{}, false
}

// step moves to the next turn of the entry, the next entry, or the next round.
func (t *Track) step(more bool) {
	if more {
		t.pos.Turn++
	} else {
		t.pos.Turn = 0
		t.pos.Index++
		if t.pos.Index >= len(t.zone.Entries) {
			t.pos.Index = 0
			t.pos.Round++
		}
	}
	t.pos.Entry = t.zone.Entries[t.pos.Index].ID
}

// turn picks the versions of e for the current turn; none means that e is not
// shown in it. more says that e has a further turn before the next entry.
func (t *Track) turn(e playlist.ProgrammeEntry) (versions []playlist.ProgrammeVersion, wanted playlist.Language, more bool) {
	switch t.zone.Turns {
	case playlist.Each:
		return t.each(e)
	case playlist.Together:
		return t.together(e)
	}
	round := t.pos.Round % len(t.languages)
	wanted = t.languages[round]
	if v, ok := find(e, wanted); ok {
		return []playlist.ProgrammeVersion{v}, wanted, false
	}
	// Shown once per cycle in a fallback: in the first round that it lacks.
	for _, earlier := range t.languages[:round] {
		if _, ok := find(e, earlier); !ok {
			return nil, wanted, false
		}
	}
	if v, ok := t.fall(e, wanted); ok {
		return []playlist.ProgrammeVersion{v}, wanted, false
	}
	return nil, wanted, false
}

func (t *Track) each(e playlist.ProgrammeEntry) ([]playlist.ProgrammeVersion, playlist.Language, bool) {
	var all []playlist.ProgrammeVersion
	for _, l := range t.languages {
		if v, ok := exact(e, l); ok {
			all = append(all, v)
		}
	}
	if v, ok := exact(e, playlist.Wordless); ok && len(all) == 0 {
		all = append(all, v)
	}
	if len(all) == 0 {
		if v, ok := t.fall(e, t.languages[0]); ok {
			return []playlist.ProgrammeVersion{v}, t.languages[0], false
		}
		return nil, "", false
	}
	i := min(t.pos.Turn, len(all)-1)
	return all[i : i+1], all[i].Language, i+1 < len(all)
}

// together shows as many languages as fit side by side; the next round goes on
// with the languages after them, so that none starves.
func (t *Track) together(e playlist.ProgrammeEntry) ([]playlist.ProgrammeVersion, playlist.Language, bool) {
	var all []playlist.ProgrammeVersion
	for _, l := range t.languages {
		if v, ok := exact(e, l); ok {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		if v, ok := find(e, t.languages[0]); ok {
			return []playlist.ProgrammeVersion{v}, "", false
		}
		v, ok := t.fall(e, t.languages[0])
		if !ok {
			return nil, "", false
		}
		return []playlist.ProgrammeVersion{v}, t.languages[0], false
	}
	if len(all) <= maxColumns {
		return all, "", false
	}
	var shown []playlist.ProgrammeVersion
	for i := range maxColumns {
		shown = append(shown, all[(t.pos.Round*maxColumns+i)%len(all)])
	}
	return shown, "", false
}

// find returns e's version in l; a wordless version is in every language.
func find(e playlist.ProgrammeEntry, l playlist.Language) (playlist.ProgrammeVersion, bool) {
	if v, ok := exact(e, l); ok {
		return v, true
	}
	return exact(e, playlist.Wordless)
}

func exact(e playlist.ProgrammeEntry, l playlist.Language) (playlist.ProgrammeVersion, bool) {
	for _, v := range e.Versions {
		if v.Language == l {
			return v, true
		}
	}
	return playlist.ProgrammeVersion{}, false
}

func (t *Track) fall(e playlist.ProgrammeEntry, wanted playlist.Language) (playlist.ProgrammeVersion, bool) {
	l, ok := playlist.Fallback(wanted, t.fallback, func(l playlist.Language) bool {
		_, ok := exact(e, l)
		return ok
	})
	if !ok {
		if len(e.Versions) == 0 {
			return playlist.ProgrammeVersion{}, false
		}
		return e.Versions[0], true // a language of no list here: better than never
	}
	return exact(e, l)
}
