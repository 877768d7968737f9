// Package stage renders the programme it is given, full screen, for ever. It
// knows no database, no network and no schedule.
//
// Its parts: the director (which programme, which zones), zones (which entry,
// what comes next, transitions), sources (what an entry looks like at an
// instant), and the game (the window, drawn on demand).
package stage

import (
	"context"
	"image"
	"sync"
	"time"

	"github.com/hajimehoshi/ebiten/v2"
)

// source is something that a zone shows. Times are stage time: it stands
// still while the stage is covered.
//
// prepare runs on its own goroutine; every other method is called with the
// director's lock held, draw only by the game.
type source interface {
	prepare(ctx context.Context) error // returns once the first picture is in hand
	begin(at time.Duration)
	// tick says whether the picture differs from the one last drawn, and when
	// to ask again.
	tick(at time.Duration) (dirty bool, wake time.Duration)
	draw(p *painter, zone image.Rectangle, at time.Duration, look look)
	// remaining is the time until the source has nothing more to show; known
	// is false if only the end itself will tell.
	remaining(at time.Duration) (left time.Duration, known bool)
	ended(at time.Duration) bool
	close()
}

// endless is embedded by sources that never end.
type endless struct{}

func (endless) remaining(time.Duration) (time.Duration, bool) { return 1 << 62, true }
func (endless) ended(time.Duration) bool                      { return false }

// look is how a zone's picture is drawn during a transition: shifted to the
// side, or translucent.
type look struct {
	shift int // pixels to the right
	alpha float32
}

var plain = look{alpha: 1}

// picture is a still picture that is uploaded when it is first drawn.
type picture struct {
	rgba *image.RGBA
	img  *ebiten.Image
}

func (p *picture) set(rgba *image.RGBA) { p.rgba = rgba }

// image uploads what was set and returns the texture; nil if nothing was ever set.
func (p *picture) image() *ebiten.Image {
	if p.rgba == nil {
		return p.img
	}
	size := p.rgba.Rect.Size()
	if p.img != nil && p.img.Bounds().Size() != size {
		textures.give(p.img)
		p.img = nil
	}
	if p.img == nil {
		p.img = textures.take(size)
	}
	p.img.WritePixels(p.rgba.Pix)
	p.rgba = nil
	return p.img
}

// free gives the texture back. It may be called from any goroutine that holds
// the director's lock.
func (p *picture) free() {
	textures.give(p.img)
	p.img, p.rgba = nil, nil
}

// shelf keeps textures between entries: making and giving back megabytes at
// every change lets the process grow for days.
type shelf struct {
	mu   sync.Mutex
	idle []*ebiten.Image
}

var textures shelf

const maxTextures = 8

func (s *shelf) take(size image.Point) *ebiten.Image {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, img := range s.idle {
		if img.Bounds().Size() == size {
			s.idle = append(s.idle[:i], s.idle[i+1:]...)
			return img
		}
	}
	return ebiten.NewImageWithOptions(image.Rectangle{Max: size}, &ebiten.NewImageOptions{Unmanaged: true})
}

func (s *shelf) give(img *ebiten.Image) {
	if img == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.idle) >= maxTextures {
		s.idle[0].Deallocate()
		s.idle = s.idle[1:]
	}
	s.idle = append(s.idle, img)
}
