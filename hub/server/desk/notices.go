package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cotmoc/hub/server/central"
	"cotmoc/playlist"
)

// A notice counts until it has ended, and one that cancels others until all of those
// have ended: a machine that knows only the cancelled one would show it again.

// noticeEnds knows when each notice ends, deleted ones included.
type noticeEnds struct {
	ctx context.Context
	r   central.Reader
	of  map[playlist.ID]time.Time
}

func newNoticeEnds(ctx context.Context, r central.Reader) *noticeEnds {
	return &noticeEnds{ctx, r, map[playlist.ID]time.Time{}}
}

// end is the latest end that a notice ever had: an edition that still holds an earlier
// revision of it may reach a machine late. It is zero where there never was one.
func (e *noticeEnds) end(id playlist.ID) (time.Time, error) {
	if at, known := e.of[id]; known {
		return at, nil
	}
	all, err := e.r.History(e.ctx, central.Notices, id)
	if err != nil && !errors.Is(err, central.ErrNotFound) {
		return time.Time{}, err
	}
	var latest time.Time
	for _, doc := range all {
		n, err := central.Decode[playlist.Notice](doc)
		if err != nil {
			return latest, err
		}
		if n.Ends.After(latest) {
			latest = n.Ends
		}
	}
	e.of[id] = latest
	return latest, nil
}

// counts says whether a notice still counts at an instant.
func (e *noticeEnds) counts(n playlist.Notice, at time.Time) (bool, error) {
	if n.Ends.After(at) {
		return true, nil
	}
	for _, id := range n.Cancels {
		end, err := e.end(id)
		if err != nil || end.After(at) {
			return err == nil, err
		}
	}
	return false, nil
}

// counting leaves out the notices that do not count any more.
func counting(ctx context.Context, r central.Reader, notices []playlist.Notice, at time.Time) ([]playlist.Notice, error) {
	ends := newNoticeEnds(ctx, r)
	var out []playlist.Notice
	for _, n := range notices {
		ok, err := ends.counts(n, at)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, n)
		}
	}
	return out, nil
}

// keepsCancelling refuses a change by which a notice that took effect would give back
// what it cancelled.
func (t *tx) keepsCancelling(n playlist.Notice) error {
	old, was, err := central.Load[playlist.Notice](t.ctx, t, central.Notices, n.ID)
	if errors.Is(err, central.ErrNotFound) || err == nil && (old.Rev == 0 || was.Starts.After(t.now)) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, id := range was.Cancels {
		if !slices.Contains(n.Cancels, id) || n.Starts.After(t.now) {
			return &playlist.Error{Code: playlist.CodeRefused, Where: "notice " + string(n.ID),
				Detail: fmt.Sprintf("it has cancelled the notice %q, which stays cancelled: give a new notice instead", id)}
		}
	}
	return nil
}

// ended is what machines say of a notice that was deleted, should their clock not be
// believed: with a clock they say nothing.
var ended = map[playlist.Language]playlist.Body{
	"vi":      {Title: "Đã hết hiệu lực", Text: "Thông báo trước đã hết hiệu lực."},
	"en":      {Title: "No longer in force", Text: "The previous notice is no longer in force."},
	"zh-Hans": {Title: "已取消", Text: "先前的通知已取消。"},
	"lo":      {Title: "ຍົກເລີກແລ້ວ", Text: "ແຈ້ງການກ່ອນໜ້ານີ້ຖືກຍົກເລີກແລ້ວ."},
	"km":      {Title: "បានលុបចោល", Text: "សេចក្តីជូនដំណឹងមុនត្រូវបានលុបចោលហើយ។"},
}

// afterDeleting leaves, for a deleted notice that still counts, one that cancels it and
// all that it had cancelled. An edition that was signed before holds it still, and
// machines that saw it must be told.
func (t *tx) afterDeleting(doc central.Doc) error {
	n, err := central.Decode[playlist.Notice](doc)
	if err != nil {
		return err
	}
	if counts, err := newNoticeEnds(t.ctx, t).counts(n, t.now); err != nil || !counts {
		return err
	}
	over := playlist.Notice{ID: NewID(), Owner: n.Owner, Severity: "moderate", Places: n.Places, Starts: t.now.Add(-time.Second).Truncate(time.Millisecond),
		Bodies: ended, Cancels: playlist.OneOrMany[playlist.ID]{n.ID}}
	if !n.Starts.After(t.now) { // what was planned only has cancelled nothing yet
		over.Cancels = append(over.Cancels, n.Cancels...)
	}
	over.Ends = over.Starts.Add(time.Second)
	left := central.Doc{Kind: central.Notices, ID: over.ID, Owner: n.Owner, State: string(playlist.Approved)}
	if err := left.Encode(over); err != nil {
		return err
	}
	_, err = t.put(left)
	return err
}

// Alerted says at which places a notice runs now.
func (d *Desk) Alerted(ctx context.Context) (func(playlist.ID) bool, error) {
	var places *tree
	var at []playlist.ID
	err := d.read(ctx, func(r central.Reader, t *tree) error {
		places = t
		all, err := central.All[playlist.Notice](ctx, r, central.Query{Kind: central.Notices})
		for _, n := range all {
			if !n.Ends.After(d.Now()) {
				continue
			}
			if at = append(at, n.Places...); len(n.Places) == 0 {
				at = append(at, n.Owner)
			}
		}
		return err
	})
	return func(place playlist.ID) bool {
		return slices.ContainsFunc(at, func(root playlist.ID) bool { return places.Within(place, root) })
	}, err
}
