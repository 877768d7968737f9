package resolve

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"cotmoc/playlist"
)

// Availability says when a schedule's playlist has something playable here.
// No spans: never, for the reason given. Spans must be in order and disjoint.
type Availability struct {
	Spans  []Span
	Reason string
}

// Set is the schedules of one layer of one display, ready for questions.
type Set struct {
	loc       *time.Location
	schedules []*schedule
}

// Compile checks schedules and makes them ready, in the given zone. The error
// joins every problem; the set holds the schedules that have none.
func Compile(schedules []playlist.Schedule, calendars map[playlist.ID]playlist.Calendar, loc *time.Location) (*Set, error) {
	set := &Set{loc: loc}
	var errs []error
	for _, s := range schedules {
		c, err := compileOne(s, calendars, loc)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		set.schedules = append(set.schedules, c)
	}
	// Ids decide last, so their order is the only one that never matters.
	slices.SortStableFunc(set.schedules, func(a, b *schedule) int { return cmp.Compare(a.ID, b.ID) })
	return set, errors.Join(errs...)
}

// CheckRule says whether text is a cron rule that a schedule may have.
func CheckRule(text string) error {
	_, err := parseRule(text)
	return err
}

// Question is what Resolve needs beside the schedules.
type Question struct {
	At        time.Time
	Untrusted bool // the clock is not trusted
	Available map[playlist.ID]Availability
	Notices   []Notice
	Why       bool // fill in Answer.Losers
}

// Notice is a notice that applies here. Remaining is how long it still runs
// while the clock is not trusted; zero means its whole length.
type Notice struct {
	playlist.Notice
	Remaining time.Duration
	Spent     bool // its time is over; what it cancels stays cancelled
}

// Rule names the rule by which a schedule lost.
type Rule string

// The rules, in the order in which they are tried.
const (
	RuleNotice     Rule = "notice"      // a notice covers every layer
	RuleClock      Rule = "clock"       // the clock is not trusted
	RuleNotNow     Rule = "not now"     // no occurrence covers the instant
	RuleUnplayable Rule = "unplayable"  // nothing in its playlist can play here
	RulePriority   Rule = "priority"    // the winner's priority is higher
	RuleOneOff     Rule = "one-off"     // the winner is a one-off, or recurring against always
	RuleLater      Rule = "later start" // the winner started later
	RuleID         Rule = "smaller id"  // the winner's id is smaller
)

// Loss says why a schedule or notice does not play.
type Loss struct {
	ID     playlist.ID `json:"id"`
	Rule   Rule        `json:"rule"`
	By     playlist.ID `json:"by,omitempty"`
	Detail string      `json:"detail,omitempty"`
}

// Answer is what plays at the instant asked about, on [At, Next).
type Answer struct {
	Winner *playlist.Schedule // nil: the default playlist
	Start  time.Time          // of the winning occurrence; zero: minus infinity
	Notice *Notice            // not nil: it covers everything
	Next   time.Time          // first instant at which the winner differs; zero: never
	Losers []Loss
}

// ID is the winner as a vector names it, or fallback for the default.
func (a Answer) ID(fallback string) string {
	switch {
	case a.Notice != nil:
		return string(playlist.NoticePrefix + a.Notice.ID)
	case a.Winner != nil:
		return string(a.Winner.ID)
	}
	return fallback
}

// Resolve answers q. It is total and deterministic.
func (set *Set) Resolve(q Question) Answer {
	var a Answer
	notice, noticeNext := resolveNotices(q)
	a.Notice, a.Next = notice, noticeNext
	var won *contender
	if !q.Untrusted {
		z := zoneAt(set.loc, q.At)
		won = set.winner(z, q)
		if won != nil {
			a.Winner, a.Start = &won.Schedule, won.start
		}
		if a.Notice == nil {
			next := set.change(z, q, won, noticeNext)
			a.Next = earlier(a.Next, next)
		}
	}
	if q.Why {
		a.Losers = set.losses(q, a, won)
	}
	if a.Notice != nil {
		a.Winner, a.Start = nil, time.Time{}
	}
	return a
}

// contender is a schedule that covers the instant, with the start compared.
type contender struct {
	*schedule
	start time.Time
}

// beats orders contenders by the contract's rules and names the one that decided.
func (c contender) beats(o contender) (bool, Rule) {
	switch {
	case c.Priority != o.Priority:
		return c.Priority > o.Priority, RulePriority
	case c.class != o.class:
		return c.class > o.class, RuleOneOff
	case !c.start.Equal(o.start):
		return c.start.After(o.start), RuleLater
	}
	return c.ID < o.ID, RuleID
}

func (q Question) spans(c *schedule) []Span {
	if a, ok := q.Available[c.ID]; ok {
		return a.Spans
	}
	return []Span{{}}
}

func (q Question) playable(c *schedule, t time.Time) bool {
	a, limited := q.Available[c.ID]
	return !limited || slices.ContainsFunc(a.Spans, func(s Span) bool { return s.Contains(t) })
}

func (set *Set) winner(z zone, q Question) *contender {
	var best contender
	for _, c := range set.schedules {
		// A lower rank cannot win, whether it covers the instant or not.
		if best.schedule != nil && (c.Priority < best.Priority || c.Priority == best.Priority && c.class < best.class) {
			continue
		}
		if !q.playable(c, q.At) {
			continue
		}
		start, ok := c.covering(z, q.At)
		if !ok {
			continue
		}
		if best.schedule == nil {
			best = contender{c, start}
		} else if wins, _ := (contender{c, start}).beats(best); wins {
			best = contender{c, start}
		}
	}
	if best.schedule == nil {
		return nil
	}
	return &best
}

// change returns the first instant after q.At, and before limit, at which the
// winner is another one.
//
// While the winner's coverage lasts, its compared start only grows. So another
// schedule can overtake it only at a start of its own, or when it becomes
// playable in the middle of an occurrence.
func (set *Set) change(z zone, q Question, won *contender, limit time.Time) time.Time {
	next := limit
	if won != nil {
		if end, ok := won.end(z, q.At, next); ok {
			next = earlier(next, end)
		}
		for _, s := range q.spans(won.schedule) {
			if s.Contains(q.At) {
				next = earlier(next, s.End)
			}
		}
	}
	for _, c := range set.schedules {
		if won != nil && (c == won.schedule || c.Priority < won.Priority || c.Priority == won.Priority && c.class < won.class) {
			continue
		}
		if t, ok := set.overtakes(z, q, c, won, next); ok {
			next = earlier(next, t)
		}
	}
	return next
}

func (set *Set) overtakes(z zone, q Question, c *schedule, won *contender, limit time.Time) (time.Time, bool) {
	for _, s := range q.spans(c) {
		if !s.End.IsZero() && !s.End.After(q.At) {
			continue
		}
		if !s.Start.IsZero() && !limit.IsZero() && !s.Start.Before(limit) {
			break
		}
		from := q.At.Add(time.Nanosecond)
		if s.Start.After(q.At) {
			from = s.Start
			if set.leads(z, c, won, from) {
				return from, true
			}
		}
		if t, ok := set.firstLead(z, c, won, from, earlier(limit, s.End)); ok {
			return t, true
		}
	}
	return time.Time{}, false
}

// leads says whether c covers t and beats the winner as it stands at t.
func (set *Set) leads(z zone, c *schedule, won *contender, t time.Time) bool {
	start, ok := c.covering(z, t)
	if !ok || won == nil {
		return ok
	}
	held, _ := won.covering(z, t)
	wins, _ := (contender{c, start}).beats(contender{won.schedule, held})
	return wins
}

// firstLead returns c's first start in [from, limit) at which it leads.
// It looks as far as a rule must look for its next start, and no further: two
// rules that always start together would be searched for ever.
func (set *Set) firstLead(z zone, c *schedule, won *contender, from, limit time.Time) (time.Time, bool) {
	if far := from.AddDate(0, 0, int(horizon)); limit.IsZero() || far.Before(limit) {
		limit = far
	}
	for {
		t, ok := c.next(z, from, limit)
		if !ok {
			return time.Time{}, false
		}
		if set.leads(z, c, won, t) {
			return t, true
		}
		if c.class == always {
			return time.Time{}, false // its rank at a later start is the same
		}
		from = t.Add(time.Nanosecond)
		// Both start together and the winner's id is smaller: days on which
		// every start of c is one of the winner's cannot bring a change.
		z := z.near(t)
		if c.class == recurring && won.class == recurring && c.rule.within(won.rule) && z.isFlat(t) {
			d := dayOf(z.wall(t))
			for won.on(d) && z.isFlat(d.utc().Add(24*time.Hour)) && (limit.IsZero() || d.utc().Before(limit.Add(48*time.Hour))) && d < dayOf(t)+horizon {
				d++
			}
			if u := d.utc().Add(-z.offset); u.After(from) {
				from = u
			}
		}
	}
}

func (set *Set) losses(q Question, a Answer, won *contender) []Loss {
	losses := noticeLosses(q, a)
	z := zoneAt(set.loc, q.At)
	for _, c := range set.schedules {
		loss := Loss{ID: c.ID}
		start, covers := c.covering(z, q.At)
		switch {
		case q.Untrusted:
			loss.Rule, loss.Detail = RuleClock, "the clock is not trusted"
		case !covers:
			loss.Rule = RuleNotNow
		case !q.playable(c, q.At):
			loss.Rule, loss.Detail = RuleUnplayable, q.Available[c.ID].Reason
		case c == won.schedule:
			if a.Notice == nil {
				continue
			}
			loss.Rule, loss.By = RuleNotice, a.Notice.ID
		default:
			_, loss.Rule = won.beats(contender{c, start})
			loss.By = won.ID
		}
		losses = append(losses, loss)
	}
	return losses
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
