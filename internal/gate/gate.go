// Package gate says in words what is known of a gate: open or closed, until when, by
// whose clock, and "ask at the counter" where nothing is known. Stage and touch screen
// show the same words.
package gate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"cotmoc/internal/words"
	"cotmoc/playlist"
)

// Card is a gate as it is shown to somebody now. Trusted says whether Now may be
// believed: if not, no clock and no open or closed is shown.
type Card struct {
	playlist.GateCard
	Lang    playlist.Language
	Langs   []playlist.Language // the place's, for falling back
	Now     time.Time
	Trusted bool
}

// Fact returns the fact of a kind that holds now.
func (card Card) Fact(kind playlist.FactKind) (playlist.GateFact, bool) {
	for _, f := range card.Facts {
		if f.Kind == kind && (!card.Trusted || f.ValidAt(card.Now)) {
			return f, true
		}
	}
	return playlist.GateFact{}, false
}

// State is whether a gate can be crossed now.
type State int

// The states.
const (
	Unknown State = iota
	Open
	Closed
)

// Status says whether the gate is open, and when that changes, in both sides' time.
func (card Card) Status() (state State, word, detail string) {
	lang := string(card.Lang)
	word, detail = words.In(lang, "ask"), words.In(lang, "hours")
	f, known := card.Fact(playlist.FactHours)
	switch {
	case !known || !card.Trusted:
		return Unknown, word, detail
	case f.Stale(At(card.Now, card.Zone)):
		return Unknown, word, words.In(lang, "stale")
	}
	open, _, next := f.OpenAt(card.Now)
	state, word, detail = Closed, words.In(lang, "closed"), ""
	at, soon := "opens_at", "opens_soon"
	if open {
		state, word, at, soon = Open, words.In(lang, "open"), "closes_at", "closes_soon"
	}
	switch left := next.Sub(card.Now); {
	case next.IsZero():
	case left <= time.Hour: // whoever hurries need not reckon
		detail = words.Count(lang, soon, int((left+time.Minute-1)/time.Minute), "t", card.Both(next))
	default:
		detail = words.In(lang, at, "t", card.Both(next))
	}
	return state, word, detail
}

// Both writes an instant in Vietnam's time and, if it differs, the neighbour's.
func (card Card) Both(t time.Time) string {
	here := At(t, card.Zone)
	s := here.Format("15:04")
	if n := card.Neighbour; n != nil && n.Zone != "" {
		if there := At(t, n.Zone); there.Format("15:04") != s {
			s += fmt.Sprintf(" (%s %s)", words.In(string(card.Lang), "time_"+n.Country), there.Format("15:04"))
		}
	}
	return s
}

// At is an instant in a named zone.
func At(t time.Time, zone string) time.Time {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return t.UTC()
	}
	return t.In(loc)
}

// Zones lists the clocks that are shown: the words for each, and its zone.
func (card Card) Zones() [][2]string {
	zones := [][2]string{{"time_VN", card.Zone}}
	if n := card.Neighbour; n != nil && n.Zone != "" {
		zones = append(zones, [2]string{"time_" + n.Country, n.Zone})
	}
	return zones
}

// Row is a fact that a card always speaks of, known or not.
type Row struct {
	Kind playlist.FactKind
	Key  string // of its name among the words
}

// Rows are all.
var Rows = []Row{
	{playlist.FactHours, "hours"}, {playlist.FactPapers, "papers"}, {playlist.FactEVisa, "evisa"},
	{playlist.FactFee, "fee"}, {playlist.FactForbidden, "forbidden"}, {playlist.FactHotline, "hotline"},
}

// Value says in words what is known of a kind, and in which language. What is not
// known, or overdue for checking, is for the counter to say: known is false.
func (card Card) Value(kind playlist.FactKind) (value string, lang playlist.Language, known bool) {
	f, ok := card.Fact(kind)
	if !ok {
		return words.In(string(card.Lang), "ask"), card.Lang, false
	}
	return card.ValueOf(f)
}

// ValueOf is Value of one fact.
func (card Card) ValueOf(f playlist.GateFact) (value string, lang playlist.Language, known bool) {
	if card.Trusted && f.Stale(At(card.Now, card.Zone)) {
		return words.In(string(card.Lang), "stale"), card.Lang, false
	}
	if f.Kind == playlist.FactHours && len(f.Value) == 0 {
		return hoursText(f, card), card.Lang, true
	}
	if v, l := f.Value.In(card.Lang, card.Langs); v != "" {
		return v, l, true
	}
	return words.In(string(card.Lang), "ask"), card.Lang, false
}

func hoursText(f playlist.GateFact, card Card) string {
	var parts []string
	for _, s := range f.Hours {
		if s.Side != "vietnam" && len(f.Hours) > 1 {
			continue
		}
		for _, h := range s.Weekly {
			parts = append(parts, DaysText(string(card.Lang), h.Days)+" "+h.Open.String()+"–"+h.Close.String())
		}
	}
	return strings.Join(parts, ", ")
}

// DaysText names days of the week, as a range where they are one.
func DaysText(lang string, days []playlist.Weekday) string {
	if len(days) == 0 || len(days) == 7 {
		return words.In(lang, "every_day")
	}
	sorted := slices.Clone(days)
	slices.SortFunc(sorted, func(a, b playlist.Weekday) int { return (int(a)+6)%7 - (int(b)+6)%7 })
	first, last := sorted[0], sorted[len(sorted)-1]
	name := func(d playlist.Weekday) string { return words.Weekday(lang, time.Weekday(d)) }
	if len(sorted) > 2 && (int(last)+6)%7-(int(first)+6)%7 == len(sorted)-1 {
		return name(first) + " – " + name(last)
	}
	var names []string
	for _, d := range sorted {
		names = append(names, name(d))
	}
	return strings.Join(names, ", ")
}

// SourceNote says where the facts are from and when they were checked.
func (card Card) SourceNote() string {
	var notes []string
	for _, f := range card.Facts {
		if note := words.In(string(card.Lang), "source", "s", f.Source); !slices.Contains(notes, note) && len(notes) < 2 {
			notes = append(notes, note)
		}
	}
	if len(card.Facts) > 0 && !card.Facts[0].CheckedOn.IsZero() {
		notes = append(notes, words.In(string(card.Lang), "checked", "d", words.Date(string(card.Lang), card.Facts[0].CheckedOn.UTC())))
	}
	return strings.Join(notes, "  ·  ")
}
