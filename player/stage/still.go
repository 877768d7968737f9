package stage

import (
	"context"
	"fmt"
	"image"
	"image/draw"
	"strings"
	"time"

	"cotmoc/internal/typeset"
	"cotmoc/player/decode"
	"cotmoc/player/scene"
	"cotmoc/player/timeline"
	"cotmoc/playlist"
)

// stills shows drawn pages one after another: a picture is one page, a
// bulletin as many as it needs.
type stills struct {
	pages []page
	began time.Duration
	shown int // page last drawn, -1: none
	pic   picture
	load  func(ctx context.Context) ([]page, error)
	ahead chan drawnPage
	busy  bool // a page is being drawn
	next  int  // page being drawn ahead of its turn
}

type page struct {
	lasts time.Duration
	draw  func() *image.RGBA
	ready *image.RGBA
}

func (s *stills) prepare(ctx context.Context) (err error) {
	if s.pages, err = s.load(ctx); err != nil {
		return err
	}
	s.shown, s.ahead = -1, make(chan drawnPage, 1)
	s.pages[0].ready = s.pages[0].draw()
	return nil
}

type drawnPage struct {
	n   int
	img *image.RGBA
}

// safely draws; a panic over somebody's text costs that picture, not the screen.
func safely(draw func() *image.RGBA) (img *image.RGBA) {
	defer func() {
		if recover() != nil {
			img = nil
		}
	}()
	return draw()
}

func (s *stills) begin(at time.Duration) { s.began = at }

// now returns the page due and when it ends, from the beginning.
func (s *stills) now(at time.Duration) (int, time.Duration) {
	var end time.Duration
	for i, p := range s.pages {
		end += p.lasts
		if at-s.began < end || i == len(s.pages)-1 {
			return i, end
		}
	}
	return 0, 0
}

// tick draws the page after the current one beside the game's goroutine, so
// that turning it does not hold up a video in the next zone.
func (s *stills) tick(at time.Duration) (bool, time.Duration) {
	n, end := s.now(at)
	select {
	case p := <-s.ahead:
		s.pages[p.n].ready, s.busy = p.img, false
	default:
	}
	if n+1 < len(s.pages) && s.next != n+1 && !s.busy {
		s.next, s.busy = n+1, true
		next, draw := n+1, s.pages[n+1].draw
		go func() { s.ahead <- drawnPage{next, safely(draw)} }() // ends with the picture; the channel has room
	}
	return n != s.shown, s.began + end
}

func (s *stills) draw(p *painter, zone image.Rectangle, at time.Duration, l look) {
	if n, _ := s.now(at); n != s.shown {
		if s.pages[n].ready == nil {
			s.pages[n].ready = safely(s.pages[n].draw)
		}
		if img := s.pages[n].ready; img != nil { // else the page before stays
			s.pic.set(img)
		}
		s.pages[n].ready = nil
		s.shown = n
	}
	img := s.pic.image()
	size := img.Bounds().Size()
	corner := zone.Min.Add(image.Pt((zone.Dx()-size.X)/2, (zone.Dy()-size.Y)/2))
	if size != zone.Size() {
		p.surround(zone, image.Rectangle{corner, corner.Add(size)}, scene.Navy, l)
	}
	p.image(img, corner, zone, l)
}

func (s *stills) remaining(at time.Duration) (time.Duration, bool) {
	var all time.Duration
	for _, p := range s.pages {
		all += p.lasts
	}
	return s.began + all - at, true
}

func (s *stills) ended(at time.Duration) bool {
	left, _ := s.remaining(at)
	return left <= 0
}

func (s *stills) close() { s.pic.free() }

// forever is longer than any machine runs.
const forever = 1 << 61 * time.Nanosecond

// opaque puts a picture with holes on white, as it was made to be seen: the
// stage's own ground is dark.
func opaque(img *image.RGBA) *image.RGBA {
	if img.Opaque() {
		return img
	}
	out := image.NewRGBA(img.Rect)
	draw.Draw(out, out.Rect, image.White, image.Point{}, draw.Src)
	draw.Draw(out, out.Rect, img, img.Rect.Min, draw.Over)
	return out
}

const pictureLasts = 10 * time.Second

// newPicture shows a picture item.
func newPicture(cue timeline.Cue, size image.Point) source {
	return &stills{load: func(context.Context) ([]page, error) {
		files := cue.Versions[0].Media
		if len(files) == 0 {
			return nil, fmt.Errorf("the picture item has no file")
		}
		lasts := cue.Entry.Duration.Std()
		if lasts == 0 {
			lasts = pictureLasts
		}
		img, err := decode.Picture(files[0].Path, size.X, size.Y, cue.Entry.Fit)
		if err != nil {
			return nil, err
		}
		return []page{{lasts: lasts, draw: func() *image.RGBA { return opaque(img) }}}, nil
	}}
}

// newBulletin shows a text item, in one language or side by side.
func newBulletin(e *typeset.Engine, cue timeline.Cue, langs []playlist.Language, size image.Point) source {
	return &stills{load: func(context.Context) ([]page, error) {
		b := scene.Bulletin{W: size.X, H: size.Y, Source: cue.Entry.Source, Langs: langs}
		if cue.Entry.Date != nil {
			b.Date = *cue.Entry.Date
		}
		for i, v := range cue.Versions {
			c := scene.Column{Lang: v.Language, Title: v.Title, Text: v.Text}
			if i == 0 && cue.Fallback {
				c.Fallback = cue.Wanted
			}
			b.Columns = append(b.Columns, c)
		}
		for _, f := range cue.Versions[0].Media {
			if strings.HasPrefix(f.Type, "image/") {
				w, h := scene.PictureSize(size.X, size.Y)
				img, err := decode.Picture(f.Path, w, h, playlist.Cover)
				if err != nil {
					return nil, err
				}
				b.Picture = img
				break
			}
		}
		set := scene.NewBulletin(e, b)
		var pages []page
		for n := range set.Pages() {
			lasts := set.Reading(n)
			if d := cue.Entry.Duration.Std(); d > 0 {
				lasts = max(d/time.Duration(set.Pages()), time.Second)
			}
			pages = append(pages, page{lasts: lasts, draw: func() *image.RGBA { return set.Draw(n) }})
		}
		return pages, nil
	}}
}
