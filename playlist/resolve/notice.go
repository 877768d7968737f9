package resolve

import (
	"slices"
	"time"

	"cotmoc/playlist"
)

// window returns when n shows, before any cancelling.
func (q Question) window(n Notice) Span {
	if q.Untrusted {
		if n.Spent {
			return Span{End: q.At}
		}
		left := n.Remaining
		if left <= 0 {
			left = n.Ends.Sub(n.Starts)
		}
		return Span{End: q.At.Add(left)}
	}
	return Span{n.Starts, n.Ends}
}

// cancelled returns the instant from which id is cancelled, if it ever is. A
// cancelled notice stays so after the one that cancelled it has ended.
func (q Question) cancelled(id playlist.ID) (time.Time, bool) {
	var from time.Time
	found := false
	for _, n := range q.Notices {
		if slices.Contains(n.Cancels, id) {
			start := n.Starts
			if q.Untrusted {
				start = q.At
			}
			if !found || start.Before(from) {
				from, found = start, true
			}
		}
	}
	return from, found
}

// effective returns the span in which n really shows; ok is false for none.
func (q Question) effective(n Notice) (Span, bool) {
	s := q.window(n)
	if t, ok := q.cancelled(n.ID); ok && t.Before(s.End) {
		s.End = t
	}
	return s, s.Start.IsZero() || s.Start.Before(s.End)
}

func gravest(a, b *Notice) *Notice {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.Severity.Rank() != b.Severity.Rank():
		if a.Severity.Rank() > b.Severity.Rank() {
			return a
		}
	case !a.Starts.Equal(b.Starts):
		if a.Starts.After(b.Starts) {
			return a
		}
	case a.ID < b.ID:
		return a
	}
	return b
}

// resolveNotices returns the notice that shows at q.At and the first instant
// at which that answer differs (zero: never).
func resolveNotices(q Question) (*Notice, time.Time) {
	if len(q.Notices) == 0 {
		return nil, time.Time{}
	}
	spans := make([]Span, len(q.Notices))
	var edges []time.Time
	for i, n := range q.Notices {
		s, ok := q.effective(n)
		if !ok {
			s = Span{Start: q.At, End: q.At} // empty
		}
		spans[i] = s
		for _, t := range []time.Time{s.Start, s.End} {
			if t.After(q.At) {
				edges = append(edges, t)
			}
		}
	}
	at := func(t time.Time) *Notice {
		var best *Notice
		for i := range q.Notices {
			if spans[i].Contains(t) {
				best = gravest(best, &q.Notices[i])
			}
		}
		return best
	}
	now := at(q.At)
	slices.SortFunc(edges, time.Time.Compare)
	for _, t := range edges {
		if at(t) != now {
			return now, t
		}
	}
	return now, time.Time{}
}

func noticeLosses(q Question, a Answer) []Loss {
	var losses []Loss
	for _, n := range q.Notices {
		s, ok := q.effective(n)
		switch {
		case a.Notice != nil && a.Notice.ID == n.ID:
		case !ok || !s.Contains(q.At):
			losses = append(losses, Loss{ID: playlist.NoticePrefix + n.ID, Rule: RuleNotNow})
		case n.Severity.Rank() != a.Notice.Severity.Rank():
			losses = append(losses, Loss{ID: playlist.NoticePrefix + n.ID, Rule: RulePriority, By: a.Notice.ID, Detail: "less severe"})
		case !n.Starts.Equal(a.Notice.Starts):
			losses = append(losses, Loss{ID: playlist.NoticePrefix + n.ID, Rule: RuleLater, By: a.Notice.ID})
		default:
			losses = append(losses, Loss{ID: playlist.NoticePrefix + n.ID, Rule: RuleID, By: a.Notice.ID})
		}
	}
	return losses
}
