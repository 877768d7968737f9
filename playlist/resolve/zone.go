package resolve

import (
	"time"
)

// zone maps wall times to instants. Around the instant of a question most
// zones have one offset for months; flat answers there without a table look-up.
type zone struct {
	loc      *time.Location
	from, to time.Time // instants between which offset holds; zero: for ever
	offset   time.Duration
}

func zoneAt(loc *time.Location, at time.Time) zone {
	local := at.In(loc)
	from, to := local.ZoneBounds()
	_, seconds := local.Zone()
	z := zone{loc: loc, from: from, to: to, offset: time.Duration(seconds) * time.Second}
	// A day's margin on either side keeps every wall time that could touch a
	// transition out of the flat range.
	if !z.from.IsZero() {
		z.from = z.from.Add(26 * time.Hour)
	}
	if !z.to.IsZero() {
		z.to = z.to.Add(-26 * time.Hour)
	}
	return z
}

func (z zone) isFlat(t time.Time) bool {
	return (z.from.IsZero() || t.After(z.from)) && (z.to.IsZero() || t.Before(z.to))
}

// wall returns the wall time at instant t, carried in UTC.
func (z zone) wall(t time.Time) time.Time {
	if z.isFlat(t) {
		return t.Add(z.offset).UTC()
	}
	_, seconds := t.In(z.loc).Zone()
	return t.Add(time.Duration(seconds) * time.Second).UTC()
}

// near returns a zone that is flat at t, if any is.
func (z zone) near(t time.Time) zone {
	if z.isFlat(t) {
		return z
	}
	return zoneAt(z.loc, t)
}

// latestWall bounds from above the wall times that have happened by t, and
// earliestWall from below those that have not happened before t: around a
// transition the same instant has more than one offset to reckon with.
func (z zone) latestWall(t time.Time) time.Time {
	if z.isFlat(t) {
		return z.wall(t)
	}
	return z.shifted(t, func(a, b int) int { return max(a, b) })
}

func (z zone) earliestWall(t time.Time) time.Time {
	if z.isFlat(t) {
		return z.wall(t)
	}
	return z.shifted(t, func(a, b int) int { return min(a, b) })
}

func (z zone) shifted(t time.Time, pick func(a, b int) int) time.Time {
	_, offset := t.In(z.loc).Zone()
	for _, near := range []time.Duration{-26 * time.Hour, 26 * time.Hour} {
		_, o := t.Add(near).In(z.loc).Zone()
		offset = pick(offset, o)
	}
	return t.Add(time.Duration(offset) * time.Second).UTC()
}

// instant returns when wall time w (carried in UTC) happens: the first of two
// instants in an overlap, the first valid instant after a gap.
func (z zone) instant(w time.Time) time.Time {
	if u := w.Add(-z.offset); z.isFlat(u) {
		return u
	}
	return instantIn(z.loc, w)
}

func instantIn(loc *time.Location, w time.Time) time.Time {
	// Every offset in force within a day of w is a candidate.
	var best, gapEnd time.Time
	t := w.Add(-26 * time.Hour).In(loc)
	for {
		from, to := t.ZoneBounds()
		_, seconds := t.Zone()
		u := w.Add(-time.Duration(seconds) * time.Second)
		if (from.IsZero() || !u.Before(from)) && (to.IsZero() || u.Before(to)) {
			if best.IsZero() || u.Before(best) {
				best = u
			}
		}
		if to.IsZero() || to.Sub(w) > 26*time.Hour {
			break
		}
		_, after := to.In(loc).Zone()
		if !u.Before(to) && w.Add(-time.Duration(after)*time.Second).Before(to) {
			gapEnd = to // w lies in the gap that opens at to
		}
		t = to.In(loc)
	}
	if best.IsZero() {
		return gapEnd.UTC()
	}
	return best.UTC()
}

// day numbers local dates: days since 1970-01-01.
type day int

func dayOf(wall time.Time) day {
	s := wall.Unix()
	if s < 0 {
		s -= 86399
	}
	return day(s / 86400)
}

func (d day) utc() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

func (d day) weekday() time.Weekday { return time.Weekday(((int(d)+4)%7 + 7) % 7) }
