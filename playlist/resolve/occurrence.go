package resolve

import (
	"slices"
	"strings"
	"time"

	"cotmoc/playlist"
)

// class orders schedules of equal priority: a one-off beats a recurring one,
// which beats one that always shows.
type class int

const (
	always class = iota
	recurring
	oneOff
)

// Span is a half-open interval of instants. A zero Start is minus infinity, a
// zero End plus infinity.
type Span struct{ Start, End time.Time }

// Contains says whether t lies in the span.
func (s Span) Contains(t time.Time) bool {
	return (s.Start.IsZero() || !t.Before(s.Start)) && (s.End.IsZero() || t.Before(s.End))
}

// schedule is a playlist.Schedule made ready for questions in one zone.
type schedule struct {
	playlist.Schedule
	class  class
	lasts  time.Duration
	rule   rule
	from   day // first and last local day of a start
	until  day
	except map[day]bool
	starts []time.Time // one-offs, in order
	spans  []Span      // always: when it shows
	anchor time.Time   // always: the start that is compared
}

const (
	firstDay day = -1 << 30
	lastDay  day = 1 << 30
	// horizon bounds every search forward. Nine years hold every date a cron
	// rule can name, 29 February around 2100 included.
	horizon = 9 * 366
)

func compileOne(s playlist.Schedule, calendars map[playlist.ID]playlist.Calendar, loc *time.Location) (*schedule, error) {
	s, err := playlist.NewSchedule(s)
	if err != nil {
		return nil, err
	}
	c := &schedule{Schedule: s, lasts: s.Lasts.Std(), from: firstDay, until: lastDay, except: map[day]bool{}}
	if !s.From.IsZero() {
		c.from = dayOf(s.From.UTC())
	}
	if !s.Until.IsZero() {
		c.until = dayOf(s.Until.UTC())
	}
	for _, e := range s.Except {
		dates := []playlist.Date{}
		if name, ok := strings.CutPrefix(e, "cal:"); ok {
			cal, ok := calendars[playlist.ID(name)]
			if !ok {
				return nil, &playlist.Error{Code: playlist.CodeMissing, Where: "schedule " + string(s.ID), Detail: "calendar " + name + " does not exist"}
			}
			dates = cal.Dates
		} else if d, err := playlist.NewDate(e); err == nil {
			dates = append(dates, d)
		}
		for _, d := range dates {
			c.except[dayOf(d.UTC())] = true
		}
	}
	switch {
	case s.Always:
		c.class = always
		c.showAlways(loc)
	case len(s.At) > 0:
		c.class = oneOff
		for _, l := range s.At {
			if c.dateAllowed(dayOf(l.UTC())) {
				c.starts = append(c.starts, instantIn(loc, l.UTC()))
			}
		}
		slices.SortFunc(c.starts, time.Time.Compare)
		c.starts = slices.CompactFunc(c.starts, time.Time.Equal)
	default:
		c.class = recurring
		if c.rule, err = parseRule(s.Starts); err != nil {
			return nil, &playlist.Error{Code: playlist.CodeInvalid, Where: "schedule " + string(s.ID), Detail: err.Error()}
		}
	}
	return c, nil
}

func (c *schedule) dateAllowed(d day) bool { return c.from <= d && d <= c.until && !c.except[d] }

func (c *schedule) on(d day) bool { return c.dateAllowed(d) && c.rule.on(d) }

// showAlways turns the dates of an always schedule into spans of instants. At
// each candidate instant where the local date may change, the date decides.
func (c *schedule) showAlways(loc *time.Location) {
	if c.from != firstDay {
		c.anchor = instantIn(loc, c.from.utc())
	}
	edges := map[day]bool{}
	for _, d := range []day{c.from, c.until + 1} {
		if d != firstDay && d != lastDay+1 {
			edges[d] = true
		}
	}
	for d := range c.except {
		if c.from <= d && d <= c.until {
			edges[d], edges[d+1] = true, true
		}
	}
	if len(edges) == 0 {
		c.spans = []Span{{}}
		return
	}
	var at []time.Time
	for d := range edges {
		at = append(at, instantIn(loc, d.utc()))
		// A transition next to the date line may cross it a second time.
		t := d.utc().Add(-40 * time.Hour).In(loc)
		for {
			_, to := t.ZoneBounds()
			if to.IsZero() || to.Sub(d.utc()) > 40*time.Hour {
				break
			}
			_, seconds := to.In(loc).Zone()
			at = append(at, to, d.utc().Add(-time.Duration(seconds)*time.Second))
			t = to.In(loc)
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	shown := func(t time.Time) bool { return c.dateAllowed(dayOf(zoneAt(loc, t).wall(t))) }
	var open *Span
	if shown(at[0].Add(-time.Nanosecond)) {
		open = &Span{}
	}
	for _, t := range at {
		switch now := shown(t); {
		case now && open == nil:
			open = &Span{Start: t.UTC()}
		case !now && open != nil:
			open.End = t.UTC()
			c.spans, open = append(c.spans, *open), nil
		}
	}
	if open != nil {
		c.spans = append(c.spans, *open)
	}
}

// latest returns the latest start that is not after t, as far back as an
// occurrence could still cover t. For always it is the anchor.
func (c *schedule) latest(z zone, t time.Time) (time.Time, bool) {
	switch c.class {
	case always:
		for _, s := range c.spans {
			if s.Contains(t) {
				return c.anchor, true
			}
		}
		return time.Time{}, false
	case oneOff:
		n, found := slices.BinarySearchFunc(c.starts, t, time.Time.Compare)
		if !found {
			n--
		}
		if n < 0 {
			return time.Time{}, false
		}
		return c.starts[n], true
	}
	z = z.near(t)
	bound := z.latestWall(t)
	today := dayOf(bound)
	oldest := dayOf(z.wall(t.Add(-c.lasts))) - 1
	for d := min(today, c.until); d >= max(oldest, c.from); d-- {
		if !c.on(d) {
			continue
		}
		minute := 24*60 - 1
		if d == today {
			minute = int(bound.Sub(today.utc()) / time.Minute)
		}
		for m, ok := c.rule.before(minute); ok; m, ok = c.rule.before(m - 1) {
			if u := z.instant(d.utc().Add(minutes(m))); !u.After(t) {
				return u, true
			}
			if m == 0 {
				break
			}
		}
	}
	return time.Time{}, false
}

// covering returns the start of the latest occurrence that covers t.
func (c *schedule) covering(z zone, t time.Time) (time.Time, bool) {
	s, ok := c.latest(z, t)
	return s, ok && (c.class == always || t.Before(s.Add(c.lasts)))
}

// next returns the first start that is not before t and lies before limit
// (zero: the horizon). For always it is the first instant at which it shows.
func (c *schedule) next(z zone, t, limit time.Time) (time.Time, bool) {
	ok := func(u time.Time) (time.Time, bool) { return u, limit.IsZero() || u.Before(limit) }
	switch c.class {
	case always:
		for _, s := range c.spans {
			if !s.Start.IsZero() && !s.Start.Before(t) {
				return ok(s.Start)
			}
		}
		return time.Time{}, false
	case oneOff:
		n, _ := slices.BinarySearchFunc(c.starts, t, time.Time.Compare)
		if n == len(c.starts) {
			return time.Time{}, false
		}
		return ok(c.starts[n])
	}
	z = z.near(t)
	bound := z.earliestWall(t)
	first := max(dayOf(bound), c.from)
	end := first + horizon
	if !limit.IsZero() {
		end = min(end, dayOf(z.near(limit).wall(limit))+2)
	}
	for d := first; d <= min(end, c.until); d++ {
		if !c.on(d) {
			continue
		}
		lowest := 0
		if d == dayOf(bound) {
			lowest = int(bound.Sub(d.utc()) / time.Minute)
		}
		for m, more := c.rule.after(lowest); more; m, more = c.rule.after(m + 1) {
			if u := z.instant(d.utc().Add(minutes(m))); !u.Before(t) {
				return ok(u)
			}
		}
	}
	return time.Time{}, false
}

// end returns when the unbroken coverage that holds at t ends; ok is false if
// it does not end before limit or the horizon.
func (c *schedule) end(z zone, t, limit time.Time) (time.Time, bool) {
	if c.class == always {
		for _, s := range c.spans {
			if s.Contains(t) {
				return s.End, !s.End.IsZero() && (limit.IsZero() || s.End.Before(limit))
			}
		}
	}
	start, _ := c.covering(z, t)
	last := t.AddDate(0, 0, horizon)
	for {
		end := start.Add(c.lasts)
		if !limit.IsZero() && !end.Before(limit) || end.After(last) {
			return time.Time{}, false
		}
		later, ok := c.latest(z, end)
		if !ok || !later.After(start) {
			return end, true
		}
		start = c.skipDense(z, later, limit)
	}
}

// skipDense moves a start over whole days through which coverage cannot break:
// each such day has starts at most lasts apart, and so has the night between.
func (c *schedule) skipDense(z zone, start, limit time.Time) time.Time {
	if c.class != recurring || minutes(c.rule.widest) > c.lasts || minutes(c.rule.first+24*60-c.rule.last) > c.lasts {
		return start
	}
	z = z.near(start)
	d := dayOf(z.wall(start))
	stop := d + horizon
	if !limit.IsZero() {
		stop = min(stop, dayOf(z.wall(limit)))
	}
	best := start
	for ; d <= stop && c.on(d); d++ {
		last := d.utc().Add(minutes(c.rule.last) - z.offset)
		if !z.isFlat(start) || !z.isFlat(last) {
			break
		}
		if last.After(best) {
			best = last
		}
	}
	return best
}
