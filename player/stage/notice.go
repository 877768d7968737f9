package stage

import (
	"reflect"
	"time"

	"cotmoc/player/link"
	"cotmoc/player/timeline"
	"cotmoc/playlist"
)

func (d *Director) setNotice(p *playlist.Programme) {
	switch {
	case p.Notice == nil || d.noticeOver(p.Notice):
		d.endNotice("programme changed")
	case d.notice == nil || d.noticed == nil || !reflect.DeepEqual(*d.noticed, p.Notice.Notice):
		if d.notice != nil {
			if ready, _ := d.notice.state(); ready {
				d.dropOldNotice()
				d.noticeOld = d.notice
			} else {
				(&zone{d: d}).drop(d.notice)
			}
		}
		src := newNotice(d.typ, p.Notice.Notice, d.canvas, d)
		d.notice = (&zone{d: d}).open(timeline.Cue{Entry: playlist.ProgrammeEntry{Item: p.Notice.ID}}, src)
		src.begin(time.Since(d.began)) // a notice has its own time
		d.noticed, d.noticedAt, d.noticeSpan = &p.Notice.Notice, time.Now(), p.Notice.Remaining.Std()
		if d.noticeSpan <= 0 {
			d.noticeSpan = p.Notice.Ends.Sub(p.Notice.Starts)
		}
	}
}

// noticeOver says whether a notice has ended: kiosk may be gone when it does.
func (d *Director) noticeOver(n *playlist.ProgrammeNotice) bool { return d.noticeLeft(n) <= 0 }

// noticeLeft is how long a notice still runs, by the clock or, without one, by the time
// since it came.
func (d *Director) noticeLeft(n *playlist.ProgrammeNotice) time.Duration {
	if d.clock.Trusted {
		return n.Ends.Sub(d.wall())
	}
	if d.noticed != nil && d.noticed.ID == n.ID && d.noticed.Ends.Equal(n.Ends) {
		return d.noticeSpan - time.Since(d.noticedAt)
	}
	return time.Second // it is new
}

// dropOldNotice lets go of the notice that another one has replaced.
func (d *Director) dropOldNotice() {
	if d.noticeOld != nil {
		d.endProof("replaced")
		(&zone{d: d}).drop(d.noticeOld)
		d.noticeOld = nil
	}
}

func (d *Director) endNotice(why string) {
	if d.noticed != nil && d.noticeOver(&playlist.ProgrammeNotice{Notice: *d.noticed}) {
		why = "done"
	}
	d.dropOldNotice()
	if d.notice != nil {
		d.endProof(why)
		(&zone{d: d}).drop(d.notice)
		d.notice = nil
		d.hold("notice", false)
	}
}

// noticePiece is how long one row of a notice's proof is at most: a power cut takes no
// more than that of the proof of a notice that runs for days.
const noticePiece = 5 * time.Minute

// prove begins the proof of the notice that is seen, and a new row after each noticePiece.
// It returns how long this row still runs.
func (d *Director) prove() time.Duration {
	if d.proving != nil && time.Since(d.provingAt) >= noticePiece {
		d.endProof("continued")
	}
	if d.proving == nil {
		n := d.noticed
		s := &link.Showing{ID: d.nextID(), Schedule: playlist.NoticePrefix + n.ID, Item: n.ID,
			Start: d.wall(), StartMono: link.Mono(), Trusted: d.clock.Trusted}
		if langs := noticeLanguages(*n, d.place.Languages); len(langs) > 0 {
			s.Language, s.Languages = langs[0], langs
		}
		d.proving, d.provingAt = s, time.Now()
		d.send(link.Message{Kind: link.Shown, Showing: s, At: s.StartMono})
	}
	return noticePiece - time.Since(d.provingAt)
}

// endProof ends the proof of the notice that was seen, and says why.
func (d *Director) endProof(why string) {
	if d.proving == nil {
		return
	}
	s := d.proving
	d.proving = nil
	s.End, s.EndMono = d.wall(), link.Mono()
	d.send(link.Message{Kind: link.Ended, Showing: s, Reason: why, At: s.EndMono})
}
