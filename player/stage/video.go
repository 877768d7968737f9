package stage

import (
	"context"
	"fmt"
	"image"
	"os"
	"strings"
	"time"

	"github.com/hajimehoshi/ebiten/v2"

	"cotmoc/internal/typeset"
	"cotmoc/player/decode"
	"cotmoc/player/scene"
	"cotmoc/player/timeline"
	"cotmoc/playlist"
)

// firstFrame bounds the wait for a decoder's first frame; a starved machine
// was seen to need 13 s.
const firstFrame = 30 * time.Second

// video shows a file's frames when they are due.
type video struct {
	e     *typeset.Engine
	cue   timeline.Cue
	size  image.Point
	paths *framePath
	stats *Stats
	later func(func()) // runs what must not hold up a frame
	v     *decode.Video
	began time.Duration
	img   *ebiten.Image
	due   time.Duration // of the frame on screen
	sides picture       // blurred sides, made from the first frame
	final time.Duration // when the last frame was seen to be the last

	captions []timeline.Captions
	langs    []playlist.Language
	said     []string
	caption  picture
}

func newVideo(d *Director, cue timeline.Cue, size image.Point) source {
	return &video{e: d.typ, cue: cue, size: size, paths: d.path, stats: d.stats, later: d.loading.Go, due: -1, final: -1}
}

func (s *video) prepare(ctx context.Context) error {
	files := s.cue.Versions[0].Media
	if len(files) == 0 {
		return fmt.Errorf("the video item has no file")
	}
	fit := s.cue.Entry.Fit
	v, err := decode.OpenVideo(ctx, files[0].Path, decode.VideoOptions{
		Width: s.size.X, Height: s.size.Y, Fit: fit, Format: s.paths.format, Limit: s.cue.Entry.Duration.Std()})
	if err != nil {
		return err
	}
	s.v = v
	s.readCaptions()
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	late := time.After(firstFrame)
	for {
		ready, err := v.Ready()
		if ready || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late:
			return fmt.Errorf("no frame within %v", firstFrame)
		case <-poll.C:
		}
	}
}

// readCaptions takes the captions of the first two languages. Captions that
// cannot be read are left out: the video is worth showing without.
func (s *video) readCaptions() {
	for _, v := range s.cue.Versions {
		for _, f := range v.Captions {
			if f.Language == "" {
				f.Language = v.Language
			}
			if c, ok := readCaption(f.Path); ok && len(s.captions) < 2 {
				s.captions, s.langs = append(s.captions, c), append(s.langs, f.Language)
			}
		}
	}
	s.said = make([]string, len(s.captions))
}

func readCaption(path string) (timeline.Captions, bool) {
	file, err := os.Open(path)
	if err != nil {
		return nil, false
	}
	defer file.Close()
	c, err := timeline.ParseVTT(file)
	return c, err == nil
}

func (s *video) begin(at time.Duration) { s.began = at }

func (s *video) tick(at time.Duration) (dirty bool, wake time.Duration) {
	elapsed := at - s.began
	if due, ok := s.v.NextDue(); ok {
		dirty = due <= elapsed
		wake = s.began + due
	} else if !s.v.Ended() {
		wake = at + 2*time.Millisecond // the decoder is behind
	} else {
		if s.final < 0 {
			s.final = at
		}
		wake = s.end()
	}
	for i, c := range s.captions {
		text, next := c.At(elapsed)
		dirty = dirty || text != s.said[i]
		if next > 0 {
			wake = min(wake, s.began+next)
		}
	}
	return dirty, wake
}

func (s *video) draw(p *painter, zone image.Rectangle, at time.Duration, l look) {
	frame, passed := s.v.Newest(at - s.began)
	s.stats.dropped(passed)
	if frame == nil && s.img == nil { // the first frame, drawn in a transition before it is due
		frame = s.v.First()
	}
	if frame != nil {
		if s.img == nil {
			s.img = s.paths.newImage(s.v)
			if s.cue.Entry.Fit == playlist.Blur && (s.v.Width != zone.Dx() || s.v.Height != zone.Dy()) {
				s.sides.set(s.paths.blurred(s.v, frame, zone.Size()))
			}
		}
		s.img.WritePixels(frame.Pix)
		s.stats.frame(at - s.began - frame.Due)
		s.due = frame.Due
		frame.Release()
	}
	corner := zone.Min.Add(image.Pt((zone.Dx()-s.v.Width)/2, (zone.Dy()-s.v.Height)/2))
	if s.v.Width < zone.Dx() || s.v.Height < zone.Dy() {
		if sides := s.sides.image(); sides != nil {
			p.image(sides, zone.Min, zone, l)
		} else {
			p.surround(zone, image.Rect(0, 0, s.v.Width, s.v.Height).Add(corner), scene.Navy, l)
		}
	}
	s.paths.draw(p, s.img, s.v, corner, zone, l)
	s.drawCaption(p, zone, at, l)
}

func (s *video) drawCaption(p *painter, zone image.Rectangle, at time.Duration, l look) {
	changed := false
	for i, c := range s.captions {
		if text, _ := c.At(at - s.began); text != s.said[i] {
			s.said[i], changed = text, true
		}
	}
	if changed {
		img := scene.Caption(s.e, zone.Dx(), zone.Dy(), s.said, s.langs)
		if img == nil {
			s.caption.free()
		} else {
			s.caption.set(img)
		}
	}
	if strings.Join(s.said, "") == "" {
		return
	}
	if img := s.caption.image(); img != nil {
		b := img.Bounds()
		p.image(img, image.Pt(zone.Min.X+(zone.Dx()-b.Dx())/2, zone.Max.Y-b.Dy()-zone.Dy()*6/100), zone, l)
	}
}

// end is when the video is over: its last frame stays for one frame period,
// a single frame for a second.
func (s *video) end() time.Duration {
	due := s.due
	if due <= 0 {
		return s.began + time.Second
	}
	return s.began + due + s.v.Info.FPS.At(1)
}

func (s *video) limit() time.Duration { return s.cue.Entry.Duration.Std() }

func (s *video) remaining(at time.Duration) (time.Duration, bool) {
	elapsed := at - s.began
	if s.v.Ended() {
		return max(0, s.end()-at), true
	}
	left, known := s.v.Info.Duration-elapsed, s.v.Info.Duration > 0
	if l := s.limit(); l > 0 && (!known || l-elapsed < left) {
		return l - elapsed, true
	}
	return max(left, 0), known
}

func (s *video) ended(at time.Duration) bool {
	if l := s.limit(); l > 0 && at-s.began >= l {
		return true
	}
	if s.v.Ended() {
		return s.due >= 0 && at >= s.end()
	}
	// A decoder that hangs in the middle does not hold the screen for ever.
	_, waiting := s.v.NextDue()
	return !waiting && s.due >= 0 && at-s.began-s.due > firstFrame
}

func (s *video) close() {
	if s.v != nil {
		s.later(s.v.Close) // waits for ffmpeg to end
	}
	textures.give(s.img)
	s.img = nil
	s.sides.free()
	s.caption.free()
}
