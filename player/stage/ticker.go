package stage

import (
	"context"
	"fmt"
	"image"
	"time"

	"cotmoc/internal/typeset"
	"cotmoc/player/scene"
	"cotmoc/playlist"
)

// ticker moves a strip of text to the left at constant speed. Its position is
// computed from the time, so a late frame does not slow it down.
type ticker struct {
	endless
	e      *typeset.Engine
	height int
	width  int
	texts  []string
	langs  []playlist.Language
	tiles  []picture
	length int
	began  time.Duration
	last   int
	frame  time.Duration // shortest time between frames
}

// newTicker shows every entry of a ticker zone in each of its languages.
func newTicker(e *typeset.Engine, zone playlist.ProgrammeZone, size image.Point, frame time.Duration) *ticker {
	t := &ticker{e: e, width: size.X, height: size.Y, frame: frame, last: -1}
	for _, entry := range zone.Entries {
		for _, v := range entry.Versions {
			s := v.Title
			if s != "" && v.Text != "" {
				s += ": "
			}
			t.texts, t.langs = append(t.texts, s+v.Text), append(t.langs, v.Language)
		}
	}
	return t
}

func (t *ticker) prepare(context.Context) error {
	tiles, length := scene.Ticker(t.e, t.height, t.texts, t.langs)
	if length == 0 {
		return fmt.Errorf("the ticker has no text")
	}
	t.length = length
	for _, img := range tiles {
		t.tiles = append(t.tiles, picture{rgba: img})
	}
	return nil
}

func (t *ticker) begin(at time.Duration) { t.began = at }

// speed is one and a half times the strip's height a second: a letter stays
// readable for about ten seconds on a full-width strip.
func (t *ticker) offset(at time.Duration) int {
	return int((at-t.began).Seconds()*float64(t.height)*1.5) % t.length
}

func (t *ticker) tick(at time.Duration) (bool, time.Duration) {
	return t.offset(at) != t.last, at + t.frame
}

func (t *ticker) draw(p *painter, zone image.Rectangle, at time.Duration, l look) {
	t.last = t.offset(at)
	x := zone.Min.X - t.last
	p.fill(zone, scene.Navy, l.alpha)
	for x < zone.Max.X {
		for i := range t.tiles {
			img := t.tiles[i].image()
			p.image(img, image.Pt(x, zone.Min.Y), zone, l)
			x += img.Bounds().Dx()
		}
	}
}

func (t *ticker) close() {
	for i := range t.tiles {
		t.tiles[i].free()
	}
}
