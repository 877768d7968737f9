package stage

import (
	"context"
	"fmt"
	"image"
	"maps"
	"slices"
	"time"

	"cotmoc/internal/gate"
	"cotmoc/internal/typeset"
	"cotmoc/player/decode"
	"cotmoc/player/link"
	"cotmoc/player/scene"
	"cotmoc/player/timeline"
	"cotmoc/playlist"
)

// living is a drawn picture that changes with the minute and, where it turns
// through languages, every turn: gate cards, clocks, notices, the evergreen.
type living struct {
	render func(now time.Time, lang playlist.Language) *image.RGBA
	langs  []playlist.Language
	turn   time.Duration // how long each language stays; 0: does not turn
	lasts  time.Duration // 0: endless
	wall   func() time.Time
	began  time.Duration
	drawn  key
	pic    picture
	fresh  chan rendered // a picture being drawn on another goroutine
	busy   bool
}

type key struct {
	minute int64
	lang   int
}

type rendered struct {
	key
	img *image.RGBA
}

func (s *living) key(at time.Duration) key {
	k := key{minute: s.wall().Unix() / 60}
	if s.turn > 0 {
		k.lang = int((at-s.began)/s.turn) % len(s.langs)
	}
	return k
}

func (s *living) prepare(context.Context) error {
	s.fresh = make(chan rendered, 1)
	if len(s.langs) == 0 {
		s.langs = []playlist.Language{playlist.Vietnamese}
	}
	now := s.wall()
	s.drawn = key{minute: now.Unix() / 60}
	s.pic.set(s.render(now, s.langs[0]))
	return nil
}

func (s *living) begin(at time.Duration) { s.began = at }

// tick draws a new picture beside the game's goroutine: it takes tens of
// milliseconds, and a video may be running in the next zone.
func (s *living) tick(at time.Duration) (dirty bool, wake time.Duration) {
	select {
	case r := <-s.fresh:
		s.drawn, s.busy = r.key, false
		if r.img != nil {
			s.pic.set(r.img)
			dirty = true
		}
	default:
	}
	k := s.key(at)
	if k != s.drawn && !s.busy {
		s.busy = true
		now, lang := s.wall(), s.langs[k.lang]
		go func() { s.fresh <- rendered{k, safely(func() *image.RGBA { return s.render(now, lang) })} }() // ends with the picture; the channel has room
	}
	if s.busy {
		return dirty || s.pic.rgba != nil, at + 10*time.Millisecond
	}
	wall := s.wall()
	wake = at + wall.Truncate(time.Minute).Add(time.Minute).Sub(wall)
	if s.turn > 0 {
		wake = min(wake, s.began+((at-s.began)/s.turn+1)*s.turn)
	}
	return dirty || s.pic.rgba != nil, wake
}

func (s *living) draw(p *painter, zone image.Rectangle, _ time.Duration, l look) {
	p.image(s.pic.image(), zone.Min, zone, l)
}

func (s *living) remaining(at time.Duration) (time.Duration, bool) {
	if s.lasts == 0 {
		return 1 << 62, true
	}
	return s.began + s.lasts - at, true
}

func (s *living) ended(at time.Duration) bool {
	left, _ := s.remaining(at)
	return left <= 0
}

func (s *living) close() { s.pic.free() }

const (
	gateLasts    = 12 * time.Second
	languageTurn = 8 * time.Second
)

func newGateCard(e *typeset.Engine, facts playlist.GateCard, cue timeline.Cue, size image.Point, d *Director) source {
	card := scene.Card{Card: gate.Card{GateCard: facts, Langs: d.place.Languages, Trusted: d.clock.Trusted}}
	s := &living{wall: d.wall, langs: d.place.Languages, turn: languageTurn}
	if len(cue.Versions) > 0 { // an entry of a playlist: one language, one showing
		s.langs, s.turn, s.lasts = []playlist.Language{cue.Language()}, 0, cue.Entry.Duration.Std()
		if s.lasts == 0 {
			s.lasts = gateLasts
		}
		if cue.Fallback {
			card.Fallback = cue.Wanted
		}
	}
	s.render = func(now time.Time, lang playlist.Language) *image.RGBA {
		card := card
		card.Now, card.Lang = now, lang
		return scene.GateCard(e, size.X, size.Y, card)
	}
	return s
}

func newEvergreen(e *typeset.Engine, size image.Point, d *Director) source {
	place, trusted := d.place, d.clock.Trusted
	return &living{wall: d.wall, langs: place.Languages, turn: languageTurn,
		render: func(now time.Time, lang playlist.Language) *image.RGBA {
			return scene.Evergreen(e, size.X, size.Y, place, lang, now, trusted)
		}}
}

func newClock(e *typeset.Engine, size image.Point, d *Director) source {
	zone, trusted, langs := d.place.Zone, d.clock.Trusted, d.place.Languages
	return &living{wall: d.wall, langs: langs, turn: languageTurn,
		render: func(now time.Time, lang playlist.Language) *image.RGBA {
			return scene.Clock(e, size.X, size.Y, lang, langs, now, zone, trusted)
		}}
}

// newLogo shows the picture in file, or our own mark.
func newLogo(d *Director, file string, size image.Point) source {
	return &stills{load: func(context.Context) ([]page, error) {
		var logo *image.RGBA
		if file != "" {
			img, err := decode.Picture(file, size.X, size.Y, playlist.Contain)
			if err != nil {
				d.mu.Lock()
				d.send(link.Message{Kind: link.Fault, Reason: fmt.Sprintf("logo: %v", err)})
				d.mu.Unlock()
			}
			logo = img
		}
		return []page{{lasts: forever, draw: func() *image.RGBA { return scene.Logo(d.typ, size.X, size.Y, logo) }}}, nil
	}}
}

func newNotice(e *typeset.Engine, n playlist.Notice, size image.Point, d *Director) source {
	zone, trusted := d.place.Zone, d.clock.Trusted
	langs := noticeLanguages(n, d.place.Languages)
	return &living{wall: d.wall, langs: langs, turn: languageTurn,
		render: func(now time.Time, lang playlist.Language) *image.RGBA {
			return scene.Notice(e, size.X, size.Y, n, lang, now, zone, trusted)
		}}
}

// noticeLanguages are the languages in which a notice is shown in turn at a place: the
// place's own; without any of them Vietnamese, English or the first that the notice has.
func noticeLanguages(n playlist.Notice, place []playlist.Language) (langs []playlist.Language) {
	for _, l := range place {
		if _, ok := n.Bodies[l]; ok {
			langs = append(langs, l)
		}
	}
	if len(langs) > 0 {
		return langs
	}
	for _, l := range append([]playlist.Language{playlist.Vietnamese, playlist.English}, slices.Sorted(maps.Keys(n.Bodies))...) {
		if _, ok := n.Bodies[l]; ok {
			return []playlist.Language{l}
		}
	}
	return nil
}
