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

// PrepareEmergency lets the duty officers' document wait for a signature whenever
// what it should say is not what it says.
func (d *Desk) PrepareEmergency(ctx context.Context) error {
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

// emergency is what the duty officers' document has to say: the notices that count and
// the withdrawn versions that the signed editions do not tell of yet. That is decided by
// what those editions hold, never by the times at which either was written.
func (d *Desk) emergency(ctx context.Context, r central.Reader, places *tree, heads map[playlist.ID]int64) (feed.Emergency, error) {
	e := feed.Emergency{Format: feed.EmergencyFormat}
	signed := map[playlist.ID]*signedRows{}
	of := func(owner playlist.ID) (*signedRows, error) {
		scope := places.scope(owner)
		if known, ok := signed[scope]; ok {
			return known, nil
		}
		s, err := d.signedRows(ctx, r, scope, heads[scope])
		signed[scope] = s
		return s, err
	}
	g := &gatherer{ctx: ctx, r: r, tree: places, files: map[playlist.Hash]bool{}}
	if err := g.notices(); err != nil {
		return e, err
	}
	notices, err := counting(ctx, r, g.out.rows.Notices, d.Now())
	if err != nil {
		return e, err
	}
	for _, n := range notices {
		s, err := of(n.Owner)
		if err != nil {
			return e, err
		}
		raw, err := canonical(n)
		if err != nil {
			return e, err
		}
		if !s.notices[string(raw)] {
			e.Notices = append(e.Notices, raw)
		}
	}
	gone, err := r.List(ctx, central.Query{Kind: central.Versions, States: []string{string(playlist.Withdrawn)}})
	if err != nil {
		return e, err
	}
	for _, doc := range gone {
		s, err := of(doc.Owner)
		if err != nil {
			return e, err
		}
		still, err := d.shownSigned(ctx, r, heads, doc.ID)
		if err != nil {
			return e, err
		}
		if s.whole && !still {
			continue
		}
		e.Withdrawn = append(e.Withdrawn, string(doc.ID))
	}
	return e, nil
}

// shownSigned says whether any signed edition shows a version: its place may have moved
// since that edition was signed.
func (d *Desk) shownSigned(ctx context.Context, r central.Reader, heads map[playlist.ID]int64, version playlist.ID) (bool, error) {
	for scope, number := range heads {
		if string(scope) == trust.Emergency {
			continue
		}
		s, err := d.signedRows(ctx, r, scope, number)
		if err != nil || s.shown[version] {
			return true, err
		}
	}
	return false, nil
}

func canonical(v any) (json.RawMessage, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("emergency: %w", err)
	}
	return feed.Canonical(raw)
}

// signedRows is what the signed edition of a scope says of notices and versions. Where
// that edition is not known in whole, everything is said again.
type signedRows struct {
	scope   playlist.ID
	number  int64
	whole   bool
	places  map[playlist.ID]bool
	screens map[playlist.ID]bool // displays
	notices map[string]bool      // rows, canonical
	shown   map[playlist.ID]bool // versions that are on the screens

	ids, names rowNames // rows that others may name; rows of others that it names
}

// signedRows reads the signed edition of a scope; what was read last is kept.
func (d *Desk) signedRows(ctx context.Context, r central.Reader, scope playlist.ID, number int64) (*signedRows, error) {
	s := &signedRows{scope: scope, number: number, places: map[playlist.ID]bool{}, screens: map[playlist.ID]bool{}, notices: map[string]bool{}, shown: map[playlist.ID]bool{}}
	if number == 0 {
		return s, nil
	}
	if kept, ok := d.signedNow.Load(scope); ok && kept.(*signedRows).number == number {
		return kept.(*signedRows), nil
	}
	d.reading.Lock() // a new edition is asked for by many at once, and read by one
	defer d.reading.Unlock()
	if kept, ok := d.signedNow.Load(scope); ok && kept.(*signedRows).number == number {
		return kept.(*signedRows), nil
	}
	rows, err := rowsOfEdition(ctx, r, scope, number)
	if errors.Is(err, central.ErrNotFound) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	s.whole = true
	if err := s.readSigned(rows); err != nil {
		return nil, err
	}
	for _, row := range rows {
		switch row.Kind {
		case "place":
			s.places[playlist.ID(row.ID)] = true
		case "display":
			s.screens[playlist.ID(row.ID)] = true
		case "notice":
			s.notices[string(row.Row)] = true
		case "version":
			s.shown[playlist.ID(row.ID)] = !isWithdrawn(row.Row)
		}
	}
	d.signedNow.Store(scope, s)
	return s, nil
}
