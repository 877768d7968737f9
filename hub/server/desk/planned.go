package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/rights"
	"cotmoc/playlist"
)

// PlannedMove is a move that waits for its day, or what became of it.
type PlannedMove struct {
	ID playlist.ID `json:"id"`
	Move
	By      string      `json:"by"`                // login of who planned it
	Account playlist.ID `json:"account,omitempty"` // theirs; moves planned before this was kept have none
	State   MoveState   `json:"state"`
	Why     string      `json:"why,omitempty"`
	Begins  time.Time   `json:"begins,omitzero"` // the instant at which its day begins at the place
}

// MoveState is what became of a move.
type MoveState string

// States of a move. A place that closes is still there until nothing needs it.
const (
	MovePlanned   MoveState = "planned"
	MoveClosing   MoveState = "closing"
	MoveDone      MoveState = "done"
	MoveFailed    MoveState = "failed"
	MoveCancelled MoveState = "cancelled"
)

// MovePlace moves a place, at once or on its day. seen is of the preview that the caller
// has seen: a move whose effects have changed since is refused.
func (d *Desk) MovePlace(ctx context.Context, by Caller, m Move, seen string) (MovePreview, error) {
	var due error
	p, err := do(ctx, d, by, "move place", func(t *tx) (MovePreview, error) {
		t.about(central.Places, m.Place, m.Place)
		m, err := t.closing(m)
		if err != nil {
			return MovePreview{}, err
		}
		p, err := t.previewMove(m)
		if err != nil {
			return p, err
		}
		if err := t.unplanned(m); err != nil {
			return p, err
		}
		if p.Seen != seen {
			return p, &playlist.Error{Code: playlist.CodeRefused, Where: "place " + string(m.Place), Detail: "look at what the move does first: its effects are not those that were confirmed"}
		}
		if err := t.detail(map[string]any{"to": m.To, "merge": m.Merge, "close": m.Close, "on": m.On, "places": len(p.Places), "machines": len(p.Machines)}); err != nil {
			return p, err
		}
		plan := PlannedMove{ID: NewID(), Move: m, By: by.Login, Account: by.Account, State: MovePlanned, Begins: t.dayOf(m)}
		if err := t.keepMove(central.Doc{Kind: central.Moves, ID: plan.ID, Owner: t.tree.root, Due: plan.Begins}, plan); err != nil {
			return p, err
		}
		if !plan.Begins.After(t.now) {
			for _, h := range p.Changed {
				if h.Why == whyInForce {
					return p, inUse(central.Places, m.Place, fmt.Sprintf("%v: %s", errNotice, h.ID))
				}
			}
			t.after = append(t.after, func() { due = d.carryOutMove(context.WithoutCancel(ctx), plan.ID) })
		}
		return p, nil
	})
	return p, errors.Join(err, due)
}

// unplanned refuses a second plan for a place: the first is cancelled before.
func (t *tx) unplanned(m Move) error {
	docs, err := t.List(t.ctx, central.Query{Kind: central.Moves, States: []string{string(MovePlanned), string(MoveClosing)}})
	if err != nil {
		return err
	}
	for _, doc := range docs {
		other, err := decodeMove(doc)
		if err != nil {
			return err
		}
		if other.Place == m.Place {
			return &playlist.Error{Code: playlist.CodeRefused, Where: "place " + string(m.Place), Detail: fmt.Sprintf("another move of it is %s (%s): cancel that one first", other.State, other.ID)}
		}
	}
	return nil
}

// dayOf is the instant at which a move's day begins at its place.
func (t *tx) dayOf(m Move) time.Time {
	if m.On == (playlist.Date{}) {
		return t.now
	}
	day := m.On.UTC()
	return time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, t.tree.ZoneOf(m.Place)).UTC()
}

func (t *tx) keepMove(doc central.Doc, m PlannedMove) error {
	doc.State = string(m.State)
	if m.State != MovePlanned && m.State != MoveClosing { // nothing is to be done any more
		doc.Due = time.Time{}
	}
	if err := doc.Encode(m); err != nil {
		return err
	}
	_, err := t.put(doc)
	return err
}

func decodeMove(doc central.Doc) (PlannedMove, error) {
	m, err := central.Decode[PlannedMove](doc)
	m.ID = doc.ID
	if m.Begins.IsZero() { // it was planned before this was kept
		m.Begins = doc.Due
	}
	return m, err
}

// PlannedMoves lists the moves that wait, and what became of those before, the newest
// first. Everybody who is signed in may see them, as they see where places lie.
func (d *Desk) PlannedMoves(ctx context.Context) ([]PlannedMove, error) {
	out := []PlannedMove{}
	err := d.Store.Read(ctx, func(r central.Reader) error {
		docs, err := r.List(ctx, central.Query{Kind: central.Moves})
		for _, doc := range docs {
			m, err := decodeMove(doc)
			if err != nil {
				return err
			}
			out = append(out, m)
		}
		return err
	})
	slices.SortFunc(out, func(a, b PlannedMove) int { return b.Begins.Compare(a.Begins) })
	return out, err
}

// CancelMove takes back a move whose day has not come. It asks for the rights that
// planning it asked for.
func (d *Desk) CancelMove(ctx context.Context, by Caller, id playlist.ID) error {
	_, err := do(ctx, d, by, "cancel move", func(t *tx) (struct{}, error) {
		doc, err := t.Get(t.ctx, central.Moves, id)
		if err != nil {
			return struct{}{}, err
		}
		m, err := decodeMove(doc)
		if err != nil {
			return struct{}{}, err
		}
		t.about(central.Places, m.Place, m.Place)
		if err := t.needsBoth(m.Move); err != nil {
			return struct{}{}, err
		}
		if m.State != MovePlanned {
			return struct{}{}, &playlist.Error{Code: playlist.CodeRefused, Where: "move " + string(id), Detail: "it is " + string(m.State) + ": only a planned move can be cancelled"}
		}
		m.State = MoveCancelled
		return struct{}{}, t.keepMove(doc, m)
	})
	return err
}

// needsBoth asks for the right at both ends of a move, as far as they still exist.
func (t *tx) needsBoth(m Move) error {
	for _, id := range []playlist.ID{t.tree.Places[m.Place].Parent, m.To} {
		if _, ok := t.tree.Places[id]; !ok {
			id = t.tree.root
		}
		if err := t.need(rights.Administer, id); err != nil {
			return err
		}
	}
	return nil
}

// planner is who planned a move, with the rights that they have now: who lost them since
// moves nothing.
func (t *tx) planner(m PlannedMove) (Caller, error) {
	if m.Account == Console || m.Account == "" && (m.By == string(Console) || m.By == worker.Login) {
		return worker, nil
	}
	by := Caller{Account: m.Account, Login: m.By, From: "hub"}
	if by.Account == "" {
		_, s, err := accountByLogin(t.ctx, t, m.By)
		if err != nil {
			return by, err
		}
		by.Account = s.ID
	}
	_, s, err := central.Load[secret](t.ctx, t, central.Accounts, by.Account)
	if err != nil {
		return by, err
	}
	if s.Disabled {
		return by, &Refusal{Act: rights.Administer, Place: m.Place, Why: "the account " + m.By + ", which planned it, is disabled"}
	}
	by.Grants, err = grantsOf(t.ctx, t, by.Account)
	return by, err
}

// ApplyMoves carries out the moves whose day has come, and deletes closed places that
// nothing needs any more. A move that cannot be carried out is told of and keeps no other
// waiting.
func (d *Desk) ApplyMoves(ctx context.Context) error {
	var due []central.Doc
	if d.Clock.Check() != nil { // its day may not have come
		return nil
	}
	err := d.Store.Read(ctx, func(r central.Reader) (err error) {
		due, err = r.List(ctx, central.Query{Kind: central.Moves, States: []string{string(MovePlanned), string(MoveClosing)}, Due: d.Now()})
		return err
	})
	errs := []error{err}
	for _, doc := range due {
		if doc.State == string(MoveClosing) {
			errs = append(errs, d.removeClosed(ctx, doc.ID))
			continue
		}
		errs = append(errs, d.carryOutMove(ctx, doc.ID))
	}
	return errors.Join(errs...)
}

// carryOutMove carries out one move. One that a notice in force holds up waits; another
// that cannot be carried out has failed.
func (d *Desk) carryOutMove(ctx context.Context, id playlist.ID) error {
	err := d.applyMove(ctx, id)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errNotice):
		return d.moveWaits(ctx, id, MovePlanned, err.Error())
	}
	return errors.Join(err, d.moveFailed(ctx, id, err))
}

// stillIn reads a move that is to be in a state; it may have left it meanwhile.
func (t *tx) stillIn(id playlist.ID, state MoveState) (doc central.Doc, m PlannedMove, still bool, err error) {
	if doc, err = t.Get(t.ctx, central.Moves, id); err == nil {
		m, err = decodeMove(doc)
	}
	t.about(central.Places, m.Place, m.Place)
	return doc, m, m.State == state, err
}

func (d *Desk) applyMove(ctx context.Context, id playlist.ID) error {
	_, err := do(ctx, d, worker, "carry out move", func(t *tx) (struct{}, error) {
		doc, m, still, err := t.stillIn(id, MovePlanned)
		if err != nil || !still {
			return struct{}{}, err
		}
		if m.Close { // the place above may be another by now
			m.To = ""
			if m.Move, err = t.closing(m.Move); err != nil {
				return struct{}{}, err
			}
		}
		if t.by, err = t.planner(m); err != nil {
			return struct{}{}, err
		}
		_, err = t.mayMove(m.Move)
		if t.by = worker; err != nil {
			return struct{}{}, err
		}
		if err := t.carryOut(m.Move); err != nil {
			return struct{}{}, err
		}
		m.State, m.Why = MoveDone, ""
		if m.Close {
			m.State = MoveClosing
		}
		return struct{}{}, t.keepMove(doc, m)
	})
	if err == nil {
		err = d.removeClosed(ctx, id)
	}
	return err
}

func (d *Desk) moveFailed(ctx context.Context, id playlist.ID, failure error) error {
	_, err := do(ctx, d, worker, "move failed", func(t *tx) (struct{}, error) {
		doc, m, still, err := t.stillIn(id, MovePlanned)
		if err != nil || !still {
			return struct{}{}, err
		}
		m.State, m.Why = MoveFailed, failure.Error()
		told := m.Place
		if _, ok := t.tree.Places[told]; !ok {
			told = t.tree.root
		}
		return struct{}{}, errors.Join(t.keepMove(doc, m), t.tell(told, Message{Code: "move-failed", Kind: central.Places, Row: m.Place, Args: []string{string(m.To), m.Why}}))
	})
	return err
}

// removeClosed deletes a place that was closed, once nothing needs it. Rights at it and
// invitations to it end with it.
func (d *Desk) removeClosed(ctx context.Context, id playlist.ID) error {
	var waits bool
	err := d.Store.Read(ctx, func(r central.Reader) error {
		doc, err := r.Get(ctx, central.Moves, id)
		waits = doc.State == string(MoveClosing)
		return err
	})
	if err != nil || !waits {
		return err
	}
	_, err = do(ctx, d, worker, "close place", func(t *tx) (struct{}, error) {
		doc, m, still, err := t.stillIn(id, MoveClosing)
		if err != nil || !still {
			return struct{}{}, err
		}
		if err := t.endOf(m); err != nil {
			return struct{}{}, err
		}
		m.State, m.Why = MoveDone, ""
		return struct{}{}, t.keepMove(doc, m)
	})
	if playlist.CodeOf(err) == playlist.CodeRefused || errors.Is(err, errNotice) { // something needs it still: looked at again
		return d.moveWaits(ctx, id, MoveClosing, err.Error())
	}
	return err
}

// moveWaits keeps what a move waits for that stays in its state.
func (d *Desk) moveWaits(ctx context.Context, id playlist.ID, state MoveState, why string) error {
	doc, err := d.Get(ctx, central.Moves, id)
	if err != nil {
		return err
	}
	if m, err := decodeMove(doc); err != nil || m.Why == why {
		return err
	}
	_, err = do(ctx, d, worker, "move waits", func(t *tx) (struct{}, error) {
		doc, m, still, err := t.stillIn(id, state)
		if err != nil || !still {
			return struct{}{}, err
		}
		m.Why = why
		return struct{}{}, t.keepMove(doc, m)
	})
	return err
}

// endOf deletes a closed place with the rights at it and the invitations to it. What came
// to it since it was closed goes the way of the rest.
func (t *tx) endOf(m PlannedMove) error {
	place := m.Place
	doc, err := t.Get(t.ctx, central.Places, place)
	if errors.Is(err, central.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, ok := t.tree.Places[m.To]; ok {
		if err := t.goUp(m.Move); err != nil {
			return err
		}
	}
	busy, err := t.Count(t.ctx, central.Query{Kind: central.Jobs, Owners: []playlist.ID{place}, States: []string{JobQueued, JobRunning}})
	if err == nil && busy == 0 {
		busy, err = t.Count(t.ctx, central.Query{Kind: central.Uploads, Owners: []playlist.ID{place}})
	}
	if err != nil || busy > 0 {
		return errors.Join(err, inUse(central.Places, place, "files are still being taken in there"))
	}
	for _, k := range []central.Kind{central.Grants, central.Pairings} {
		docs, err := t.List(t.ctx, central.Query{Kind: k, Owners: []playlist.ID{place}})
		if err != nil {
			return err
		}
		for _, doc := range docs {
			if err := t.drop(k, doc.ID, doc.Rev); err != nil {
				return err
			}
		}
	}
	t.after = append(t.after, t.d.people.forget)
	if err := t.unused(central.Places, place); err != nil {
		return err
	}
	return t.drop(central.Places, place, doc.Rev)
}
