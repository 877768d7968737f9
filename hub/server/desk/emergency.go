package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"cotmoc/hub/feed"
	"cotmoc/hub/server/central"
	"cotmoc/hub/trust"
	"cotmoc/playlist"
)

// prepareEmergency lets the duty officers' document wait for a signature whenever
// what it should say is not what it says: notices that are not over and newer than
// their scope's signed edition, and versions withdrawn since then.
func (d *Desk) prepareEmergency(ctx context.Context) error {
	heads, err := d.SignedHeads(ctx)
	if err != nil {
		return err
	}
	if len(heads) == 0 {
		return nil
	}
	var want feed.Emergency
	var last int64
	same := false
	err = d.read(ctx, func(r central.Reader, places *tree) error {
		if _, held, err := holders(ctx, r, trust.Emergency); err != nil || !held {
			same = true
			return err
		}
		if want, err = d.emergency(ctx, r, places, heads); err != nil {
			return err
		}
		last, same, err = saysAlready(ctx, r, want)
		return err
	})
	if err != nil || same {
		return err
	}
	_, err = do(ctx, d, worker, "prepare emergency", func(t *tx) (struct{}, error) {
		t.about(central.Signing, playlist.ID(trust.Emergency), t.tree.root)
		number, err := nextNumber(t.ctx, t, playlist.ID(trust.Emergency), last)
		if err != nil {
			return struct{}{}, err
		}
		want.Number, want.IssuedAt = number, t.now.Truncate(time.Second)
		raw, err := json.Marshal(want)
		if err != nil {
			return struct{}{}, fmt.Errorf("emergency: %w", err)
		}
		_, err = t.propose(trust.Emergency, raw, number, nil)
		return struct{}{}, err
	})
	return err
}

func saysAlready(ctx context.Context, r central.Reader, want feed.Emergency) (last int64, same bool, err error) {
	var now feed.Emergency
	found := false
	for _, kind := range []central.Kind{central.Signed, central.Signing} {
		_, m, err := load(ctx, r, kind, trust.Emergency)
		if err != nil {
			return 0, false, err
		}
		if m.Head == nil {
			continue
		}
		now, found = feed.Emergency{}, true
		if err := json.Unmarshal(m.Head, &now); err != nil {
			return 0, false, fmt.Errorf("emergency: %w", err)
		}
	}
	last = now.Number
	now.Number, now.IssuedAt = 0, time.Time{}
	a, err1 := json.Marshal(now)
	b, err2 := json.Marshal(want)
	if !found { // nothing was ever said, and there is nothing to say
		return 0, len(want.Notices)+len(want.Withdrawn) == 0, errors.Join(err1, err2)
	}
	return last, string(a) == string(b), errors.Join(err1, err2)
}

func (d *Desk) emergency(ctx context.Context, r central.Reader, places *tree, heads map[playlist.ID]int64) (feed.Emergency, error) {
	e := feed.Emergency{Format: feed.EmergencyFormat}
	since := map[playlist.ID]time.Time{}
	for scope, number := range heads {
		if _, ok := places.Places[scope]; !ok {
			continue
		}
		ed, err := r.Edition(ctx, scope, number)
		if err != nil {
			return e, err
		}
		since[scope] = ed.At
	}
	newer := func(doc central.Doc) bool {
		at, ok := since[places.scope(doc.Owner)]
		return !ok || !doc.At.Before(at)
	}
	notices, err := r.List(ctx, central.Query{Kind: central.Notices})
	if err != nil {
		return e, err
	}
	for _, doc := range notices {
		n, err := central.Decode[playlist.Notice](doc)
		if err != nil {
			return e, err
		}
		if n.Ends.After(d.Now()) && newer(doc) {
			raw, err := feed.Canonical(doc.Body)
			if err != nil {
				return e, err
			}
			e.Notices = append(e.Notices, raw)
		}
	}
	gone, err := r.List(ctx, central.Query{Kind: central.Versions, States: []string{string(playlist.Withdrawn)}})
	for _, doc := range gone {
		if newer(doc) {
			e.Withdrawn = append(e.Withdrawn, string(doc.ID))
		}
	}
	return e, err
}
