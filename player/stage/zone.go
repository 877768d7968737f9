package stage

import (
	"context"
	"fmt"
	"image"
	"strings"
	"sync"
	"time"

	"cotmoc/player/link"
	"cotmoc/player/timeline"
	"cotmoc/playlist"
)

const (
	preroll      = 2 * time.Second        // the next entry is opened so long before the cut
	announce     = 500 * time.Millisecond // and announced so long before it
	retryFailed  = time.Minute
	patience     = 10 * time.Second
	failureDelay = 200 * time.Millisecond // between attempts, so that a list of bad files costs nothing
)

// slot is one showing: from the opening of its files to its end.
type slot struct {
	cue    timeline.Cue
	src    source
	cancel context.CancelFunc
	mu     sync.Mutex
	ready  bool
	err    error
	done   bool // prepare has returned

	announced int64 // CLOCK_MONOTONIC at which it was promised to start; 0: not yet
	showing   *link.Showing
	since     time.Duration // stage time at which it came
	standIn   bool          // shown while the playlist has nothing
	paused    bool          // covered: what was seen of it is proved already
}

func (s *slot) state() (ready bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready, s.err
}

// zone shows one source after another and never nothing: the next one is
// prepared behind the current one, and replaces it only once it has a picture.
type zone struct {
	d        *Director
	doc      playlist.ProgrammeZone
	rect     image.Rectangle
	track    *timeline.Track
	duties   *timeline.Duties // main layer only
	current  *slot
	next     *slot
	leaving  *slot // still seen during a transition
	turning  time.Duration
	failures int           // since something was last put on
	failedAt time.Duration // the first of them
	retryAt  time.Duration
	hurry    bool // replace the current entry as soon as the next is ready
	why      string
	fixed    bool               // an endless source that is not a playlist
	pos      *playlist.Position // after the playlist's own last entry
	last     time.Duration
}

func (z *zone) isMain() bool {
	return z.doc.Source.Kind == playlist.FromLayer && z.doc.Source.Layer == playlist.Main
}

// open starts to prepare a cue on its own goroutine.
func (z *zone) open(cue timeline.Cue, src source) *slot {
	ctx, cancel := context.WithCancel(z.d.ctx)
	s := &slot{cue: cue, src: src, cancel: cancel}
	z.d.loading.Go(func() {
		err := prepare(ctx, src)
		s.mu.Lock()
		s.done, s.err, s.ready = true, err, err == nil
		s.mu.Unlock()
		z.d.nudge()
	})
	return s
}

// prepare turns a panic over somebody's file into an error of that entry: one
// bad file must not take the screen with it.
func prepare(ctx context.Context, src source) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it cannot be shown: %v", p)
		}
	}()
	return src.prepare(ctx)
}

// drop closes a slot once its preparation has returned.
func (z *zone) drop(s *slot) {
	if s == nil {
		return
	}
	s.cancel()
	z.d.discard(s)
}

// cancelNext drops the next entry; if it was announced, its sound must not begin.
func (z *zone) cancelNext() {
	if z.next != nil && z.next.announced != 0 {
		z.d.send(link.Message{Kind: link.Cancelled, Showing: z.next.showing})
	}
	z.drop(z.next)
	z.next = nil
}

// tick moves the zone on to instant at.
func (z *zone) tick(at time.Duration) (dirty bool, wake time.Duration) {
	if z.duties != nil && z.current != nil {
		z.duties.Advance(at - z.last)
	}
	z.last = at
	wake = at + time.Second
	if z.leaving != nil {
		if at-z.turning >= z.current.cue.Entry.Transition.Lasts.Std() {
			z.drop(z.leaving)
			z.leaving = nil
		}
		dirty, wake = true, at+z.d.frame
	}
	if z.current != nil {
		changed, w := z.current.src.tick(at)
		dirty, wake = dirty || changed, min(wake, w)
	}
	z.prepareNext(at)
	z.standBy(at)
	if z.next != nil {
		swapped, w := z.turnover(at)
		dirty, wake = dirty || swapped, min(wake, w)
	} else if z.current == nil || z.failures > 0 {
		wake = min(wake, max(z.retryAt, at+20*time.Millisecond))
	}
	if z.current != nil {
		if left, known := z.current.src.remaining(at); known && left < 1<<61 {
			for _, before := range []time.Duration{preroll, announce, 0} {
				if left > before {
					wake = min(wake, at+left-before)
				}
			}
		}
	}
	return dirty, max(wake, at+time.Millisecond)
}

// prepareNext opens the next entry two seconds before it is needed, or at
// once if nobody knows when that will be.
func (z *zone) prepareNext(at time.Duration) {
	if z.next != nil || z.fixed && z.current != nil || at < z.retryAt || z.leaving != nil {
		return
	}
	var left time.Duration
	if z.current != nil && !z.hurry && !z.current.standIn {
		l, known := z.current.src.remaining(at)
		if known && l > preroll {
			return
		}
		left = l
	}
	cue, late, ok := timeline.Cue{}, time.Duration(0), false
	if z.duties != nil && z.current != nil {
		cue, late, ok = z.duties.Due(left, z.d.wall(), z.current.cue.Mandatory)
	}
	if !ok && z.track != nil {
		cue, ok = z.track.Next(z.d.wall())
	}
	if !ok {
		z.nothing(at)
		return
	}
	z.next = z.open(cue, z.d.sourceFor(z, cue))
	z.next.showing = z.describe(cue, late)
}

// standBy covers what a zone beside the main one showed last once its playlist
// has nothing more: an old price or closing time must not stay. (Main zones go
// to the default programme.)
func (z *zone) standBy(at time.Duration) {
	if z.isMain() || z.fixed || z.next != nil || z.current == nil || z.current.standIn || !z.dead(at) {
		return
	}
	z.next = z.open(timeline.Cue{Entry: playlist.ProgrammeEntry{Item: z.doc.ID}}, newLogo(z.d, "", z.rect.Size()))
	z.next.standIn = true
}

// nothing is called when the playlist has nothing that can be shown.
func (z *zone) nothing(at time.Duration) {
	if z.failures == 0 {
		z.failedAt = at
	}
	z.failures += playlist.MaxListEntries * 64
	z.retryAt = at + retryFailed
}

// turnover puts the next entry on screen when its time has come and it has a
// picture; a failed one is reported and skipped.
func (z *zone) turnover(at time.Duration) (swapped bool, wake time.Duration) {
	ready, err := z.next.state()
	if err != nil {
		z.failed(at, z.next, err)
		z.next = nil
		return false, z.retryAt
	}
	if !ready {
		return false, at + 20*time.Millisecond // preparation nudges when it is done
	}
	var left time.Duration
	if z.current != nil && !z.hurry && !z.current.standIn && !z.current.src.ended(at) {
		l, known := z.current.src.remaining(at)
		if !known {
			return false, at + 50*time.Millisecond
		}
		left = max(l, time.Millisecond)
	}
	if left <= announce && z.next.announced == 0 && z.next.showing != nil {
		z.next.announced = link.Mono() + left.Nanoseconds()
		z.d.send(link.Message{Kind: link.Upcoming, Showing: z.next.showing, At: z.next.announced})
	}
	if left > 0 {
		return false, at + left
	}
	z.swap(at)
	return true, at + z.d.frame
}

func (z *zone) swap(at time.Duration) {
	old := z.current
	z.current, z.next = z.next, nil
	if !z.current.standIn {
		z.failures = 0
	}
	if cue := z.current.cue; cue.Mandatory == "" && len(cue.Versions) > 0 {
		z.pos = &cue.After
	}
	z.current.src.begin(at)
	z.current.since = at
	if old != nil {
		reason := "done"
		if z.hurry && !old.src.ended(at) {
			reason = z.why
		}
		z.finish(old, reason)
		if t := z.current.cue.Entry.Transition; t.Kind != playlist.Cut && t.Kind != "" {
			z.drop(z.leaving)
			z.leaving, z.turning = old, at
		} else {
			z.drop(old)
		}
	}
	z.hurry = false
	z.d.stats.change(old, z.current)
	z.show(z.current)
}

// show reports that an entry is on the screen.
func (z *zone) show(s *slot) {
	if s.showing == nil {
		return
	}
	s.showing.Start, s.showing.StartMono, s.showing.Trusted = z.d.wall(), link.Mono(), z.d.clock.Trusted
	if s.cue.Mandatory == "" {
		s.showing.Position = &s.cue.After // for whoever must pass it over
	}
	z.d.send(link.Message{Kind: link.Shown, Showing: s.showing, At: s.showing.StartMono})
}

// finish reports why an entry left the screen.
func (z *zone) finish(s *slot, reason string) {
	if s == nil || s.showing == nil || s.showing.StartMono == 0 {
		return
	}
	if s.paused {
		s.showing = nil
		return
	}
	s.showing.End, s.showing.EndMono = z.d.wall(), link.Mono()
	pos := s.cue.After
	if s.cue.Mandatory == "" {
		s.showing.Position = &pos
	} else if z.duties != nil {
		z.duties.Ended(s.cue.Mandatory)
	}
	z.d.send(link.Message{Kind: link.Ended, Showing: s.showing, Reason: reason, At: s.showing.EndMono})
	s.showing = nil
}

// interrupt ends the showing of what stays on stage but is covered: proof says
// what could be seen, and for how long.
func (z *zone) interrupt(reason string) {
	s := z.current
	if s == nil || s.showing == nil || s.showing.StartMono == 0 {
		return
	}
	s.paused = true
	part := *s.showing
	part.End, part.EndMono, part.Position = z.d.wall(), link.Mono(), nil
	z.d.send(link.Message{Kind: link.Ended, Showing: &part, Reason: reason, At: part.EndMono})
}

// goOn begins a new showing of the same entry where it was interrupted.
func (z *zone) goOn() {
	s := z.current
	if s == nil || s.showing == nil || s.showing.StartMono == 0 {
		return
	}
	s.paused = false
	again := *s.showing
	again.ID, again.SoundMS = z.d.nextID(), (z.d.at() - s.since).Milliseconds()
	s.showing = &again
	z.show(s)
}

func (z *zone) failed(at time.Duration, s *slot, err error) {
	if z.failures == 0 {
		z.failedAt = at
	}
	z.failures++
	z.retryAt = at + failureDelay
	if s.cue.Mandatory != "" && z.duties != nil {
		z.duties.Ended(s.cue.Mandatory)
	}
	z.d.fault(s.cue, err)
	z.drop(s)
}

// dead says whether nothing of the playlist can be shown: every entry was
// tried, or ten seconds' worth of them, and what is on has had its time.
func (z *zone) dead(at time.Duration) bool {
	tried := z.failures > len(z.doc.Entries)*max(1, len(z.d.place.Languages)) || z.failures > 0 && at-z.failedAt > patience
	return tried && (z.current == nil || z.hurry || z.current.src.ended(at))
}

func (z *zone) describe(cue timeline.Cue, late time.Duration) *link.Showing {
	v := cue.Versions[0]
	s := &link.Showing{
		ID: z.d.nextID(), Zone: z.doc.ID, Layer: z.doc.Source.Layer, Schedule: z.doc.Schedule, Playlist: z.doc.Playlist,
		Edition: z.doc.Edition, Item: cue.Entry.Item, Version: v.Version, Language: v.Language,
		Mandatory: cue.Mandatory, LateMS: late.Milliseconds(),
	}
	for _, v := range cue.Versions {
		s.Languages = append(s.Languages, v.Language)
	}
	switch {
	case len(v.Sounds) > 0:
		s.Sound, s.Speech = v.Sounds[0].Path, true
	case cue.Entry.Kind == playlist.Video && len(v.Media) > 0 && strings.HasPrefix(v.Media[0].Type, "video/"):
		s.Sound, s.Speech = v.Media[0].Path, true
	}
	return s
}

// draw draws the zone, with whatever is leaving it underneath.
func (z *zone) draw(p *painter, at time.Duration) {
	if z.current == nil {
		p.fill(z.rect, sceneBack, 1)
		return
	}
	if z.leaving == nil {
		z.current.src.draw(p, z.rect, at, plain)
		return
	}
	t := z.current.cue.Entry.Transition
	done := min(1, float64(at-z.turning)/float64(t.Lasts.Std()))
	if t.Kind == playlist.Slide {
		eased := done * done * (3 - 2*done)
		shift := int(eased * float64(z.rect.Dx()))
		z.leaving.src.draw(p, z.rect, at, look{shift: -shift, alpha: 1})
		z.current.src.draw(p, z.rect, at, look{shift: z.rect.Dx() - shift, alpha: 1})
		return
	}
	z.leaving.src.draw(p, z.rect, at, plain)
	z.current.src.draw(p, z.rect, at, look{alpha: float32(done)})
}

// close ends the zone; its entry is reported as ended for the given reason.
func (z *zone) close(reason string) {
	z.finish(z.current, reason)
	z.cancelNext()
	z.drop(z.current)
	z.drop(z.leaving)
	z.current, z.leaving = nil, nil
}

func errorText(cue timeline.Cue, err error) string {
	if len(cue.Versions) == 0 { // a built-in source: a clock, a ticker
		return fmt.Sprintf("zone %s: %v", cue.Entry.Item, err)
	}
	return fmt.Sprintf("item %s, version %s: %v", cue.Entry.Item, cue.Versions[0].Version, err)
}
