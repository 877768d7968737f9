package stage

import (
	"fmt"
	"image"
	"runtime"
	"time"

	"cotmoc/player/link"
	"cotmoc/playlist"
)

// tick moves everything on. It says whether a frame must be drawn and when it
// wants to be called again.
func (d *Director) tick() (dirty bool, sleep time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sweep()
	if d.still["covered"] {
		return false, time.Second
	}
	if d.notice != nil && d.noticeOver(&playlist.ProgrammeNotice{Notice: *d.noticed}) {
		d.endNotice("done")
	}
	if d.notice != nil {
		ready, err := d.notice.state()
		if err != nil { // what was on stays on, and the page says that it could not come
			d.send(link.Message{Kind: link.Fault, Reason: fmt.Sprintf("notice %s: %v", d.noticed.ID, err)})
			d.endNotice("failed")
		}
		if !ready && d.still["notice"] { // the one before stays on until this one has a picture
			return false, 10 * time.Millisecond
		}
		if ready {
			d.dropOldNotice()
			d.hold("notice", true)
			own := time.Since(d.began)
			left := min(d.prove(), d.noticeLeft(&playlist.ProgrammeNotice{Notice: *d.noticed}))
			changed, w := d.notice.src.tick(own)
			return changed, min(w-own, left)
		}
	}
	at := d.at()
	wake := at + time.Second
	d.fallBack(at)
	for _, z := range d.zones {
		changed, w := z.tick(at)
		dirty, wake = dirty || changed, min(wake, w)
	}
	if len(d.pending) > 0 {
		dirty = d.switchLayout(at) || dirty
		wake = min(wake, at+10*time.Millisecond)
	}
	if d.notice != nil {
		wake = min(wake, at+10*time.Millisecond) // it is being prepared
	}
	return dirty, wake - at
}

// switchLayout shows the prepared zones once all of them have a picture. A
// zone that will never have one does not hold up the others.
func (d *Director) switchLayout(at time.Duration) bool {
	all, any := true, false
	for _, z := range d.pending {
		z.last = at
		z.prepareNext(at)
		ready := z.current != nil
		if z.next != nil {
			var err error
			if ready, err = z.next.state(); err != nil {
				z.failed(at, z.next, err)
				z.next = nil
			}
		}
		if z.dead(at) {
			ready = true
		}
		all, any = all && ready, any || ready
	}
	late := at-d.since > layoutPatience
	if !all && !(late && any) {
		return false
	}
	for _, z := range d.zones {
		z.close("programme changed")
	}
	d.zones, d.pending = d.pending, nil
	for _, z := range d.zones {
		if z.next != nil {
			if ready, _ := z.next.state(); ready {
				z.swap(at)
			}
		}
	}
	return true
}

// fallBack goes from the programme to the default programme to the evergreen
// loop, and tries again every minute.
func (d *Director) fallBack(at time.Duration) {
	if d.active == nil {
		return
	}
	if d.retry > 0 && at >= d.retry {
		d.retry = 0
		d.stage(d.doc)
		return
	}
	expired := d.active == d.doc && d.runOut()
	dead := false
	for _, z := range d.mainZones() {
		dead = dead || z.dead(at)
	}
	if !expired && !dead {
		return
	}
	if d.active == d.doc && d.doc.Default != nil {
		reason := "nothing in the programme can be shown: the default programme plays"
		if expired {
			reason = "no new programme came in time: the default programme plays"
		} else {
			d.retry = at + retryFailed
		}
		d.send(link.Message{Kind: link.Fault, Reason: reason})
		next := *d.doc.Default
		next.Notice = d.doc.Notice
		d.stage(&next)
		return
	}
	if dead {
		d.send(link.Message{Kind: link.Fault, Reason: "nothing can be shown: the evergreen loop plays"})
		d.retry = at + retryFailed
		next := *d.active
		next.Zones = nil
		for _, z := range d.active.Zones {
			if z.Source.Kind == playlist.FromLayer && z.Source.Layer == playlist.Main {
				z.Entries = nil
			}
			next.Zones = append(next.Zones, z)
		}
		d.stage(&next)
	}
}

// grace is how long kiosk may take to send the next programme. It is counted
// from when the end was seen, not by the wall clock: that may have stepped.
const grace = 3 * time.Second

func (d *Director) runOut() bool {
	if d.doc.ValidUntil == nil || !d.doc.Clock.Trusted || !d.wall().After(*d.doc.ValidUntil) {
		d.overdue = time.Time{}
		return false
	}
	if d.overdue.IsZero() {
		d.overdue = time.Now()
	}
	return time.Since(d.overdue) > grace
}

func (d *Director) mainZones() []*zone {
	var main []*zone
	for _, z := range append(d.zones[:len(d.zones):len(d.zones)], d.pending...) {
		if z.isMain() && !z.fixed {
			main = append(main, z)
		}
	}
	return main
}

// paint draws the whole stage.
func (d *Director) paint(p *painter) (something bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at := d.at()
	whole := fullRect(d)
	if d.notice != nil {
		showing := d.notice
		ready, _ := d.notice.state()
		if !ready && d.noticeOld != nil {
			showing, ready = d.noticeOld, true
		}
		if ready {
			showing.src.draw(p, whole, time.Since(d.began), plain)
			d.stats.drawn(true)
			return true
		}
	}
	if !d.fullyCovered() {
		p.fill(whole, sceneBack, 1)
	}
	for _, z := range d.zones {
		z.draw(p, at)
		something = something || z.current != nil
	}
	if img := d.invite.image(); img != nil {
		p.image(img, image.Pt(0, d.canvas.Y-d.band), whole, plain)
	}
	if img := d.mark.image(); img != nil {
		b := img.Bounds()
		margin := d.canvas.Y / 90
		corner := image.Pt(d.canvas.X-b.Dx()-margin, d.canvas.Y-d.band-b.Dy()-margin)
		if d.pairing {
			corner = image.Pt((d.canvas.X-b.Dx())/2, (d.canvas.Y-b.Dy())/2)
		}
		p.image(img, corner, whole, plain)
	}
	d.stats.drawn(something)
	return something
}

// beat is what the render loop reports once a second.
func (d *Director) beat() link.Message {
	m := link.Message{Kind: link.Beat, Frames: d.stats.count(), At: link.Mono(), Routines: runtime.NumGoroutine(), Left: map[string]int64{}}
	if d.doc != nil {
		m.Sequence = d.doc.Sequence
	}
	for _, z := range d.mainZones() {
		if z.duties != nil {
			for id, left := range z.duties.Left() {
				m.Left[string(id)] = left.Milliseconds()
			}
		}
	}
	return m
}

// Close ends every source and waits for their goroutines.
func (d *Director) Close() {
	d.mu.Lock()
	for _, z := range append(d.zones, d.pending...) {
		z.close("stopped")
	}
	d.zones, d.pending = nil, nil
	d.dropOldNotice()
	d.endProof("stopped")
	if d.notice != nil {
		(&zone{d: d}).drop(d.notice)
	}
	d.mu.Unlock()
	d.loading.Wait()
	d.mu.Lock()
	d.sweep()
	d.mu.Unlock()
	d.loading.Wait() // for the decoders that the sweep closed
}
