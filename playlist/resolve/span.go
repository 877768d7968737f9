package resolve

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"cotmoc/playlist"
)

// Segment is a stretch of time with one answer. Winner is nil for the default
// playlist or while a notice shows.
type Segment struct {
	Span
	Winner *playlist.Schedule
	Notice *Notice
}

// Range answers for every instant of [from, until) at once, as segments that
// abut and differ from their neighbours. q.At is ignored. The clock is taken
// as trusted.
//
// It paints from the highest rank down and expands a schedule's occurrences
// only where nothing above it shows, so a hidden minutely rule costs nothing.
func (set *Set) Range(q Question, from, until time.Time) []Segment {
	q.Untrusted = false
	free := []Span{{from, until}}
	var out []Segment
	take := func(s Segment) { out = append(out, s) }
	free = paintNotices(q, free, take)
	ranked := slices.Clone(set.schedules)
	slices.SortStableFunc(ranked, func(a, b *schedule) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(b.class, a.class))
	})
	for len(ranked) > 0 && len(free) > 0 {
		n := 1
		for n < len(ranked) && ranked[n].Priority == ranked[0].Priority && ranked[n].class == ranked[0].class {
			n++
		}
		free = set.paintGroup(q, ranked[:n], free, take)
		ranked = ranked[n:]
	}
	for _, s := range free {
		take(Segment{Span: s})
	}
	slices.SortFunc(out, func(a, b Segment) int { return a.Start.Compare(b.Start) })
	return merge(out)
}

func merge(in []Segment) []Segment {
	var out []Segment
	for _, s := range in {
		if n := len(out) - 1; n >= 0 && out[n].Winner == s.Winner && out[n].Notice == s.Notice && out[n].End.Equal(s.Start) {
			out[n].End = s.End
		} else {
			out = append(out, s)
		}
	}
	return out
}

func paintNotices(q Question, free []Span, take func(Segment)) []Span {
	if len(q.Notices) == 0 {
		return free
	}
	var left []Span
	for _, f := range free {
		for t := f.Start; t.Before(f.End); {
			q.At = t
			n, next := resolveNotices(q)
			if next.IsZero() || next.After(f.End) {
				next = f.End
			}
			if n != nil {
				take(Segment{Span: Span{t, next}, Notice: n})
			} else {
				left = append(left, Span{t, next})
			}
			t = next
		}
	}
	return left
}

// stretch is a piece of an occurrence that could show.
type stretch struct {
	Span
	c      *schedule
	anchor time.Time
}

// paintGroup shows one priority and class in the free spans and returns what
// is still free after it.
func (set *Set) paintGroup(q Question, group []*schedule, free []Span, take func(Segment)) []Span {
	var left []Span
	for _, f := range free {
		var all []stretch
		for _, c := range group {
			for _, s := range q.spans(c) {
				if w, ok := cut(s, f); ok {
					all = set.expand(all, c, w)
				}
			}
		}
		left = append(left, sweep(all, f, take)...)
	}
	return left
}

func cut(s, within Span) (Span, bool) {
	if s.Start.Before(within.Start) {
		s.Start = within.Start
	}
	if s.End.IsZero() || s.End.After(within.End) {
		s.End = within.End
	}
	return s, s.Start.Before(s.End)
}

// expand adds c's occurrences within w, each cut where the next one starts.
func (set *Set) expand(all []stretch, c *schedule, w Span) []stretch {
	if c.class == always {
		for _, s := range c.spans {
			if p, ok := cut(s, w); ok {
				all = append(all, stretch{p, c, c.anchor})
			}
		}
		return all
	}
	z := zoneAt(set.loc, w.Start)
	base := len(all)
	add := func(start time.Time) {
		// Starts come in order: this one ends the one before, if that is c's
		// and of this window.
		if n := len(all) - 1; n >= base && start.Before(all[n].End) {
			all[n].End = start
		}
		if p, ok := cut(Span{start, start.Add(c.lasts)}, w); ok {
			all = append(all, stretch{p, c, start})
		}
	}
	if s, ok := c.covering(z, w.Start); ok {
		add(s)
	}
	c.each(z, w.Start.Add(time.Nanosecond), w.End, add)
	return all
}

// each calls f for every start in [from, to), in order.
func (c *schedule) each(z zone, from, to time.Time, f func(time.Time)) {
	if c.class == oneOff {
		for _, s := range c.starts {
			if !s.Before(from) && s.Before(to) {
				f(s)
			}
		}
		return
	}
	var prev time.Time
	for d := max(dayOf(z.wall(from))-2, c.from); d <= min(dayOf(z.wall(to))+2, c.until); d++ {
		if !c.on(d) {
			continue
		}
		midnight := d.utc()
		for m, ok := c.rule.after(0); ok && m < 24*60; m, ok = c.rule.after(m + 1) {
			u := z.instant(midnight.Add(minutes(m)))
			if !u.Before(from) && u.Before(to) && !u.Equal(prev) {
				f(u)
				prev = u
			}
		}
	}
}

// byStart is a heap of stretches, the one that wins on top.
type byStart []stretch

func (h byStart) Len() int           { return len(h) }
func (h byStart) Less(i, j int) bool { return winsOver(h[i], h[j]) }
func (h byStart) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *byStart) Push(x any)        { *h = append(*h, x.(stretch)) }
func (h *byStart) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

func winsOver(a, b stretch) bool {
	if !a.anchor.Equal(b.anchor) {
		return a.anchor.After(b.anchor)
	}
	return a.c.ID < b.c.ID
}

// sweep shows the winning stretch at each instant of f and returns the gaps.
func sweep(all []stretch, f Span, take func(Segment)) []Span {
	slices.SortFunc(all, func(a, b stretch) int { return a.Start.Compare(b.Start) })
	var live byStart
	var gaps []Span
	for t, n := f.Start, 0; t.Before(f.End); {
		for n < len(all) && !all[n].Start.After(t) {
			heap.Push(&live, all[n])
			n++
		}
		for len(live) > 0 && !live[0].End.After(t) {
			heap.Pop(&live)
		}
		next := f.End
		if n < len(all) && all[n].Start.Before(next) {
			next = all[n].Start
		}
		if len(live) == 0 {
			gaps = append(gaps, Span{t, next})
		} else {
			next = earlier(next, live[0].End)
			take(Segment{Span: Span{t, next}, Winner: &live[0].c.Schedule})
		}
		t = next
	}
	return gaps
}

// Covering lists the schedules that have a playable occurrence somewhere in s,
// in the order of their ids.
func (set *Set) Covering(q Question, s Span) []playlist.ID {
	z := zoneAt(set.loc, s.Start)
	var out []playlist.ID
	for _, c := range set.schedules {
		for _, can := range q.spans(c) {
			w, ok := cut(can, s)
			if !ok {
				continue
			}
			_, covers := c.covering(z.near(w.Start), w.Start)
			if !covers {
				_, covers = c.next(z.near(w.Start), w.Start, w.End)
			}
			if covers {
				out = append(out, c.ID)
				break
			}
		}
	}
	return out
}
