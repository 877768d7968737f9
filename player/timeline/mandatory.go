package timeline

import (
	"time"

	"cotmoc/playlist"
)

// Duties weaves mandatory items into the main zone. Each item's clock counts
// uncovered main time since it last ended.
type Duties struct {
	musts []duty
}

type duty struct {
	playlist.ProgrammeMust
	track *Track
	since time.Duration // uncovered main time since its last end
}

// NewDuties starts from the times left that the programme states. What an
// earlier Duties counted is kept for items that are still mandatory.
func NewDuties(musts []playlist.ProgrammeMust, place []playlist.Language, before *Duties) *Duties {
	d := &Duties{}
	for _, m := range musts {
		zone := playlist.ProgrammeZone{Turns: playlist.Rotate, Entries: []playlist.ProgrammeEntry{m.Entry}}
		one := duty{ProgrammeMust: m, track: NewTrack(zone, place, playlist.Position{}),
			since: m.Every.Std() - time.Duration(m.DueIn)*time.Millisecond}
		if before != nil {
			for _, old := range before.musts {
				if old.ID == m.ID {
					one.since = old.since
					one.track.pos.Round = old.track.pos.Round
				}
			}
		}
		d.musts = append(d.musts, one)
	}
	return d
}

// Advance counts uncovered main time that passed.
func (d *Duties) Advance(passed time.Duration) {
	for i := range d.musts {
		d.musts[i].since += passed
	}
}

// Due returns the longest overdue item at an entry's end that lies ahead by
// so much, and how late it then is. playing is the item that is on, if one is:
// it does not follow itself.
func (d *Duties) Due(ahead time.Duration, now time.Time, playing playlist.ID) (cue Cue, late time.Duration, ok bool) {
	best := -1
	for i, m := range d.musts {
		if m.ID == playing && playing != "" {
			continue
		}
		over := m.since + ahead - m.Every.Std()
		if over >= 0 && (best < 0 || over > late) {
			best, late = i, over
		}
	}
	if best < 0 {
		return Cue{}, 0, false
	}
	cue, ok = d.musts[best].track.Next(now)
	cue.Mandatory = d.musts[best].ID
	if !ok {
		d.musts[best].since = 0 // cannot be shown: try again after its interval
		return Cue{}, 0, false
	}
	return cue, late, true
}

// Ended starts an item's interval anew.
func (d *Duties) Ended(id playlist.ID) {
	for i := range d.musts {
		if d.musts[i].ID == id {
			d.musts[i].since = 0
		}
	}
}

// Left returns the time left until each item is due; negative: overdue.
func (d *Duties) Left() map[playlist.ID]time.Duration {
	left := map[playlist.ID]time.Duration{}
	for _, m := range d.musts {
		left[m.ID] = m.Every.Std() - m.since
	}
	return left
}
