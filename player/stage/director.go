package stage

import (
	"context"
	"fmt"
	"image"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"time"

	"cotmoc/internal/typeset"
	"cotmoc/player/link"
	"cotmoc/player/scene"
	"cotmoc/player/timeline"
	"cotmoc/playlist"
)

var sceneBack = scene.Navy

// Director decides which programme is on the stage and moves its zones. All
// of it is under one lock, which the game takes to draw.
type Director struct {
	mu      sync.Mutex
	ctx     context.Context
	loading sync.WaitGroup
	typ     *typeset.Engine
	path    *framePath // set before the first programme
	stats   *Stats
	frame   time.Duration // shortest time between frames
	events  func(link.Message)
	wake    chan struct{}

	canvas     image.Point
	doc        *playlist.Programme // as it was sent
	active     *playlist.Programme // doc, or its default
	place      playlist.ProgrammePlace
	clock      playlist.ProgrammeClock
	zones      []*zone // on screen, in z order
	pending    []*zone // of another layout, being prepared
	since      time.Duration
	notice     *slot
	noticeOld  *slot            // seen until notice has a picture
	noticed    *playlist.Notice // what it says
	noticedAt  time.Time        // when it came
	noticeSpan time.Duration    // how long it runs from then without a clock
	proving    *link.Showing    // of the notice that is seen; nil: none is
	provingAt  time.Time        // since when
	overdue    time.Time        // when the programme was first seen to have run out
	mark       picture
	invite     picture // to touch: a band below the zones
	band       int     // its height
	pairing    bool    // the mark is the plate with the enrolment code

	began   time.Time
	still   map[string]bool // why stage time stands still: covered, notice
	stillAt time.Time       // since when
	lost    time.Duration
	ids     int
	boot    string
	faults  map[string]bool
	trash   []*slot
	retry   time.Duration // when a programme that could not play is tried again
}

const (
	layoutPatience = 15 * time.Second // then a new layout is shown even if a zone has no picture yet
	maxFaults      = 500
)

// NewDirector makes a director for a canvas of the given size. events is
// called, with the lock held, for everything that kiosk must know.
func NewDirector(ctx context.Context, canvas image.Point, events func(link.Message)) *Director {
	now := time.Now()
	return &Director{
		ctx: ctx, typ: typeset.New(), stats: &Stats{start: now}, frame: time.Second / 60, events: events,
		wake: make(chan struct{}, 1), canvas: canvas, began: now, boot: strconv.FormatInt(now.UnixNano(), 36), faults: map[string]bool{},
		still: map[string]bool{},
		place: playlist.ProgrammePlace{Zone: "Asia/Ho_Chi_Minh", Languages: []playlist.Language{"vi", "en"}},
	}
}

// nudge wakes the loop before its time.
func (d *Director) nudge() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// at is stage time: it stands still while the stage is covered by another
// window or by a notice.
func (d *Director) at() time.Duration {
	now := time.Now()
	if len(d.still) > 0 {
		now = d.stillAt
	}
	return now.Sub(d.began) - d.lost
}

// hold stops stage time for a reason, or takes the reason away.
func (d *Director) hold(reason string, on bool) {
	switch {
	case on && len(d.still) == 0:
		d.stillAt = time.Now()
		for _, z := range d.zones {
			z.interrupt(reason)
		}
	case !on && d.still[reason] && len(d.still) == 1:
		d.lost += time.Since(d.stillAt)
		defer func() { // once stage time runs again
			for _, z := range d.zones {
				z.goOn()
			}
		}()
	}
	if on {
		d.still[reason] = true
	} else {
		delete(d.still, reason)
	}
}

// wall is the wall time, with the programme's correction.
func (d *Director) wall() time.Time { return time.Now().Add(d.clock.Offset.Std()) }

func (d *Director) nextID() string {
	d.ids++
	return d.boot + "-" + strconv.Itoa(d.ids)
}

func (d *Director) send(m link.Message) {
	if d.events != nil {
		d.events(m)
	}
}

// fault reports a bad entry once per programme.
func (d *Director) fault(cue timeline.Cue, err error) {
	text := errorText(cue, err)
	if !d.faults[text] && len(d.faults) < maxFaults {
		d.faults[text] = true
		d.send(link.Message{Kind: link.Fault, Reason: text})
	}
}

// discard closes a slot as soon as its preparation has returned.
func (d *Director) discard(s *slot) { d.trash = append(d.trash, s) }

func (d *Director) sweep() {
	d.trash = slices.DeleteFunc(d.trash, func(s *slot) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.done {
			s.src.close()
		}
		return s.done
	})
}

// Play takes a programme. What plays goes on if the new one still contains it;
// a new layout is prepared behind the old one.
func (d *Director) Play(p *playlist.Programme) error {
	if err := p.Check(); err != nil {
		return fmt.Errorf("programme refused: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.doc = p
	d.faults = map[string]bool{}
	d.stage(p)
	d.nudge()
	return nil
}

// stage puts a programme on, keeping zones whose place does not change.
func (d *Director) stage(p *playlist.Programme) {
	at := d.at()
	trustChanged := d.clock.Trusted != p.Clock.Trusted
	samePlace := reflect.DeepEqual(d.place, p.Place)
	d.active, d.place, d.clock = p, p.Place, p.Clock
	if len(d.place.Languages) == 0 {
		d.place.Languages = []playlist.Language{playlist.Vietnamese, playlist.English}
	}
	band := d.band
	d.setMark(p)
	d.setNotice(p)
	for _, z := range d.pending {
		z.close("replaced")
	}
	d.pending = nil
	docs := d.visible(p.Zones)
	slices.SortStableFunc(docs, func(a, b playlist.ProgrammeZone) int { return a.Z - b.Z })
	same := len(docs) == len(d.zones) && band == d.band
	for i := range docs {
		same = same && d.zones[i].doc.Zone == docs[i].Zone
	}
	if same {
		for i, z := range d.zones {
			d.retarget(z, docs[i], trustChanged || !samePlace, at)
		}
		return
	}
	for _, doc := range docs {
		d.pending = append(d.pending, d.newZone(doc))
	}
	d.since = at
}

// smallest is the side of a zone below which nothing can be shown.
const smallest = 8

// visible leaves out zones that are too small on this display. A programme
// without any left shows the evergreen page.
func (d *Director) visible(zones []playlist.ProgrammeZone) []playlist.ProgrammeZone {
	var out []playlist.ProgrammeZone
	for _, z := range zones {
		if z.W*d.canvas.X/1000 >= smallest && z.H*d.canvas.Y/1000 >= smallest {
			out = append(out, z)
			continue
		}
		d.send(link.Message{Kind: link.Fault, Reason: fmt.Sprintf("zone %s is too small on this display", z.ID)})
	}
	if len(out) == 0 {
		full := playlist.ProgrammeZone{Zone: playlist.Zone{ID: "main", W: 1000, H: 1000, Source: playlist.Source{Kind: playlist.FromLayer, Layer: playlist.Main}}}
		out = append(out, full)
	}
	return out
}

func (d *Director) newZone(doc playlist.ProgrammeZone) *zone {
	w, h := d.canvas.X, d.canvas.Y-d.band
	z := &zone{d: d, doc: doc, last: d.at(), rect: image.Rect(doc.X*w/1000, doc.Y*h/1000, (doc.X+doc.W)*w/1000, (doc.Y+doc.H)*h/1000)}
	d.feed(z)
	return z
}

// feed gives a zone its playlist or its built-in source.
func (d *Director) feed(z *zone) {
	src := d.builtIn(z)
	z.fixed = src != nil
	z.track = nil
	if src == nil {
		z.track = timeline.NewTrack(z.doc, d.place.Languages, d.active.Positions[z.doc.Playlist])
		if z.isMain() {
			z.duties = timeline.NewDuties(d.active.Mandatory, d.place.Languages, z.duties)
		}
		return
	}
	z.cancelNext()
	z.next = z.open(timeline.Cue{Entry: playlist.ProgrammeEntry{Item: z.doc.ID}}, src)
}

func (d *Director) builtIn(z *zone) source {
	size := z.rect.Size()
	switch {
	case z.doc.Source.Kind == playlist.FromClock:
		return newClock(d.typ, size, d)
	case z.doc.Source.Kind == playlist.FromLogo:
		return newLogo(d, z.doc.Logo, size)
	case z.doc.Source.Kind == playlist.FromGate && z.doc.Gate != nil:
		return newGateCard(d.typ, *z.doc.Gate, timeline.Cue{}, size, d)
	case z.doc.Source.Layer == playlist.Ticker && len(z.doc.Entries) > 0:
		return newTicker(d.typ, z.doc, size, d.frame)
	case len(z.doc.Entries) > 0:
		return nil
	case z.isMain():
		return newEvergreen(d.typ, size, d)
	}
	return newLogo(d, "", size) // what was there has run out or was withdrawn
}

// retarget gives a zone another playlist. The entry that plays goes on if the
// new playlist has it; otherwise the first of the new one replaces it as soon
// as it is ready.
func (d *Director) retarget(z *zone, doc playlist.ProgrammeZone, redraw bool, at time.Duration) {
	old := z.doc
	z.doc = doc
	if old.Playlist == doc.Playlist && reflect.DeepEqual(old.Entries, doc.Entries) && old.Turns == doc.Turns && old.Logo == doc.Logo &&
		reflect.DeepEqual(old.Gate, doc.Gate) && !redraw && z.failures == 0 {
		if z.isMain() {
			z.duties = timeline.NewDuties(d.active.Mandatory, d.place.Languages, z.duties)
		}
		return
	}
	wasFixed := z.fixed
	if old.Playlist != doc.Playlist {
		z.pos = nil
	}
	z.failures, z.retryAt = 0, 0
	z.cancelNext()
	var pos *playlist.Position
	if z.current != nil && !wasFixed && old.Playlist == doc.Playlist {
		pos = z.pos // of the playlist itself: a mandatory item between has its own
	}
	d.feed(z)
	if z.track != nil && pos != nil {
		z.track = timeline.NewTrack(doc, d.place.Languages, *pos)
	}
	z.hurry, z.why = z.current != nil, "programme changed"
	if z.hurry && !z.fixed && !wasFixed && contains(doc, z.current.cue) {
		z.hurry = false
	}
}

func contains(doc playlist.ProgrammeZone, cue timeline.Cue) bool {
	if cue.Mandatory != "" {
		return true // it is not cut; the new playlist begins after it
	}
	return slices.ContainsFunc(doc.Entries, func(e playlist.ProgrammeEntry) bool {
		if e.Item != cue.Entry.Item || len(cue.Versions) == 0 {
			return false
		}
		return slices.ContainsFunc(e.Versions, func(v playlist.ProgrammeVersion) bool {
			return reflect.DeepEqual(v, cue.Versions[0])
		})
	})
}

func (d *Director) sourceFor(z *zone, cue timeline.Cue) source {
	size := z.rect.Size()
	switch cue.Entry.Kind {
	case playlist.Video:
		return newVideo(d, cue, size)
	case playlist.Picture:
		return newPicture(cue, size)
	case playlist.Fact:
		if cue.Entry.Gate != nil {
			return newGateCard(d.typ, *cue.Entry.Gate, cue, size, d)
		}
	}
	return newBulletin(d.typ, cue, d.place.Languages, size)
}

func (d *Director) setMark(p *playlist.Programme) {
	d.mark.free()
	d.invite.free()
	if d.band = 0; p.Touch {
		img := scene.Invite(d.typ, d.canvas.X, d.canvas.Y, d.place.Languages)
		d.band = img.Rect.Dy()
		d.invite.set(img)
	}
	d.pairing = p.Pairing != nil
	if d.pairing {
		d.mark.set(scene.Pairing(d.typ, d.canvas.X, d.canvas.Y, d.place.Languages[0], *p.Pairing))
	} else if p.Unenrolled {
		d.mark.set(scene.Mark(d.typ, d.canvas.X, d.canvas.Y, "unenrolled", d.place.Languages))
	} else if p.NoDisplay {
		d.mark.set(scene.Mark(d.typ, d.canvas.X, d.canvas.Y, "no_display", d.place.Languages))
	}
}

// Cover pauses the timeline, decoding and proof while another window is above.
func (d *Director) Cover(covered bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if covered {
		d.endProof("covered")
	}
	d.hold("covered", covered)
	d.nudge()
}
