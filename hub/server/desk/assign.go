package desk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"cotmoc/hub/feed"
	"cotmoc/hub/server/central"
	"cotmoc/hub/trust"
	"cotmoc/playlist"
)

// An assignment is derived: from the device, its place and the places above, the displays
// there, the PIN, and the scopes whose signed editions hold the place. It is numbered by
// its content, so that a change of any of these reaches the machine.

// assigned is what a device was last told, as a hash, and how often that changed.
type assigned struct {
	Sum      string `json:"sum"`
	Count    int64  `json:"count"`
	Displays int    `json:"displays"`

	Had []playlist.ID `json:"had,omitempty"` // displays that it was told of, the newest last: proof of play comes late
}

// maxHad is how many displays of a device are remembered.
const maxHad = 64

// Told is what a device was last told to hold.
type Told struct {
	Number   int64
	Displays int // of its own
}

// Told lists what every device was last told.
func (d *Desk) Told(ctx context.Context) (map[playlist.ID]Told, error) {
	out := map[playlist.ID]Told{}
	err := d.Store.Read(ctx, func(r central.Reader) error {
		_, l, err := central.Load[leaps](ctx, r, central.Settings, leapSetting)
		if err != nil && !errors.Is(err, central.ErrNotFound) {
			return err
		}
		docs, err := r.List(ctx, central.Query{Kind: central.Assigned})
		for _, doc := range docs {
			a, err := central.Decode[assigned](doc)
			if err != nil {
				return err
			}
			out[doc.ID] = Told{a.Count + int64(l.Restores)*leapBy, a.Displays}
		}
		return err
	})
	return out, err
}

// maxLost bounds how far a device's number may be ahead of the hub's and be believed.
const maxLost = 1_000_000

func sumOf(a feed.Assignment) (string, error) {
	a.Number, a.IssuedAt = 0, time.Time{}
	raw, err := json.Marshal(a)
	if err != nil {
		return "", fmt.Errorf("assignment: %w", err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

// assignedNumber is the number of what a device was last told. Restores count apart: a
// hub that was restored does not know what it told since.
func assignedNumber(ctx context.Context, r central.Reader, device central.Doc) (int64, error) {
	_, l, err := central.Load[leaps](ctx, r, central.Settings, leapSetting)
	if err != nil && !errors.Is(err, central.ErrNotFound) {
		return 0, err
	}
	_, a, err := central.Load[assigned](ctx, r, central.Assigned, device.ID)
	if errors.Is(err, central.ErrNotFound) { // as hubs numbered before: by the device's own row
		a.Count, err = device.Rev, nil
	}
	return a.Count + int64(l.Restores)*leapBy, err
}

// content is what a device holds and shows now, without its number.
func (d *Desk) content(ctx context.Context, r central.Reader, places *tree, heads map[playlist.ID]int64, dev Device, at []central.Doc) (feed.Assignment, error) {
	a := feed.Assignment{Device: string(dev.ID), Place: string(dev.Place), Kbit: dev.Kbit, Hours: dev.Hours, QuotaMB: dev.QuotaMB}
	var err error
	if a.PIN, err = pinOf(ctx, r, places, dev); err != nil {
		return a, err
	}
	for _, p := range places.Ancestry(dev.Place) {
		if p.ID != dev.Place {
			a.Above = append(a.Above, string(p.ID))
		}
	}
	for _, s := range dev.Displays {
		a.Displays = append(a.Displays, string(s))
	}
	if len(a.Displays) == 0 {
		for _, doc := range at {
			a.Displays = append(a.Displays, string(doc.ID))
		}
	}
	slices.Sort(a.Displays)
	a.Scopes, err = d.scopesHeld(ctx, r, places, heads, dev.Place, a.Displays)
	return a, err
}

// scopesHeld are the scopes that a machine at a place holds, in the order in which they
// take precedence: the ministry, the place's own, and, until that one's signed edition
// holds the place and the machine's displays, those whose signed editions do. So a machine whose place moves shows
// what it showed until its new province's edition is signed. What that one names of other
// provinces comes last: a place that moved brought along what leans on it.
func (d *Desk) scopesHeld(ctx context.Context, r central.Reader, places *tree, heads map[playlist.ID]int64, place playlist.ID, displays []string) ([]string, error) {
	out := []string{string(places.root)}
	own := places.scope(place)
	if own == places.root {
		return out, nil
	}
	out = append(out, string(own))
	mine, err := d.signedRows(ctx, r, own, heads[own])
	if err != nil {
		return out, err
	}
	shows := func(s *signedRows) bool {
		return slices.ContainsFunc(displays, func(id string) bool { return s.screens[playlist.ID(id)] })
	}
	ready := mine.places[place] && (len(displays) == 0 || shows(mine))
	if ready && len(mine.names) == 0 {
		return out, nil
	}
	top, err := d.signedRows(ctx, r, places.root, heads[places.root])
	if err != nil {
		return out, err
	}
	var more []string
	others := map[playlist.ID]*signedRows{}
	for scope, number := range heads {
		if string(scope) == trust.Emergency || scope == own || scope == places.root {
			continue
		}
		s, err := d.signedRows(ctx, r, scope, number)
		if err != nil {
			return out, err
		}
		others[scope] = s
		if !ready && (s.places[place] && !mine.places[place] || shows(s)) {
			more = append(more, string(scope))
		}
	}
	slices.Sort(more)
	for _, scope := range namedElsewhere(mine, top, others) {
		if !slices.Contains(more, scope) {
			more = append(more, scope)
		}
	}
	return append(out, more...), nil
}

func displaysAt(ctx context.Context, r central.Reader, place playlist.ID) ([]central.Doc, error) {
	return r.List(ctx, central.Query{Kind: central.Displays, Owners: []playlist.ID{place}})
}

// Assignment says what a device holds: the ministry's edition and its province's, and
// the displays that are its own. What changed since it was last asked for gets the next
// number.
func (d *Desk) Assignment(ctx context.Context, id playlist.ID) (feed.Assignment, error) {
	return d.assignment(ctx, id, 0)
}

func (d *Desk) assignment(ctx context.Context, id playlist.ID, beyond int64) (a feed.Assignment, err error) {
	same := false
	err = d.read(ctx, func(r central.Reader, places *tree) error {
		doc, err := r.Get(ctx, central.Devices, id)
		if err != nil {
			return err
		}
		now, err := d.derive(ctx, r, places, doc)
		a, same = now.a, now.same && now.a.Number > beyond
		return err
	})
	if err != nil || same {
		return a, err
	}
	err = d.Store.Write(ctx, func(tx central.Tx) error {
		places, err := d.places(ctx, tx)
		if err != nil {
			return err
		}
		doc, err := tx.Get(ctx, central.Devices, id)
		if err != nil {
			return err
		}
		a, _, err = d.assign(ctx, tx, places, doc, beyond)
		return err
	})
	return a, err
}

// derived is a device's assignment, with the number that it was last told.
type derived struct {
	a    feed.Assignment
	sum  string
	kept central.Doc
	was  assigned
	same bool // it was told so
}

func (d *Desk) derive(ctx context.Context, r central.Reader, places *tree, doc central.Doc) (out derived, err error) {
	dev, err := central.Decode[Device](doc)
	if err != nil {
		return out, err
	}
	heads, err := d.heads(ctx, r, places)
	if err != nil {
		return out, err
	}
	at, err := displaysAt(ctx, r, dev.Place)
	if err != nil {
		return out, err
	}
	if out.a, err = d.content(ctx, r, places, heads, dev, at); err != nil {
		return out, err
	}
	if out.sum, err = sumOf(out.a); err != nil {
		return out, err
	}
	out.kept, out.was, err = central.Load[assigned](ctx, r, central.Assigned, dev.ID)
	if err != nil && !errors.Is(err, central.ErrNotFound) {
		return out, err
	}
	out.same = out.was.Sum == out.sum
	out.a.IssuedAt = out.kept.At
	out.a.Number, err = assignedNumber(ctx, r, doc)
	return out, err
}

// had are the displays that a device has had.
func (d derived) had() []playlist.ID {
	out := slices.Clone(d.was.Had)
	for _, id := range d.a.Displays {
		out = with(out, playlist.ID(id))
	}
	return out[max(0, len(out)-maxHad):]
}

// DisplaysOf lists the displays that a device has or had.
func (d *Desk) DisplaysOf(ctx context.Context, id playlist.ID) (out []playlist.ID, err error) {
	err = d.read(ctx, func(r central.Reader, places *tree) error {
		doc, err := r.Get(ctx, central.Devices, id)
		if err != nil {
			return err
		}
		now, err := d.derive(ctx, r, places, doc)
		out = now.had()
		return err
	})
	return out, err
}

// assign brings the number of a device's assignment up to date; it is more than beyond.
// It says whether the number is a new one.
func (d *Desk) assign(ctx context.Context, tx central.Tx, places *tree, doc central.Doc, beyond int64) (feed.Assignment, bool, error) {
	now, err := d.derive(ctx, tx, places, doc)
	if err != nil || now.same && now.a.Number > beyond {
		return now.a, false, err
	}
	kept := now.kept
	kept.Kind, kept.ID, kept.Owner, kept.At, kept.By = central.Assigned, doc.ID, doc.Owner, d.Now().UTC(), Console
	if err := kept.Encode(assigned{Sum: now.sum, Count: max(now.was.Count, doc.Rev) + max(1, beyond-now.a.Number+1), Displays: len(now.a.Displays), Had: now.had()}); err != nil {
		return now.a, false, err
	}
	if kept, err = tx.Put(ctx, kept); err != nil {
		return now.a, false, err
	}
	now.a.IssuedAt = kept.At
	now.a.Number, err = assignedNumber(ctx, tx, doc)
	return now.a, true, err
}

// OutrunAssignment gives a device's assignment a number beyond one that the device says
// it holds: this hub lost count of what it told. What cannot be a number of ours is not
// believed.
func (d *Desk) OutrunAssignment(ctx context.Context, id playlist.ID, has int64) (feed.Assignment, error) {
	a, err := d.assignment(ctx, id, 0)
	if err != nil || has-a.Number > maxLost {
		return a, err
	}
	return d.assignment(ctx, id, has)
}

// assignedOf are the kinds of which assignments are made, but for the numbers of the signed
// editions.
var assignedOf = []central.Kind{central.Places, central.Displays, central.Devices, central.Settings}

// basis is equal as long as nothing has changed of which assignments are made. What is
// signed again with the same number, as each notice and each minute may, changes nothing.
func (d *Desk) basis(ctx context.Context, r central.Reader, places *tree) (out []int64, err error) {
	for _, k := range assignedOf {
		n, err := r.Seq(ctx, k)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	heads, err := d.heads(ctx, r, places)
	for _, scope := range slices.Sorted(maps.Keys(heads)) {
		if string(scope) != trust.Emergency {
			out = append(out, heads[scope])
		}
	}
	return out, err
}

// Reassign brings all assignments up to date and returns the devices whose changed. It
// does nothing where nothing changed of which assignments are made.
func (d *Desk) Reassign(ctx context.Context) (changed []playlist.ID, err error) {
	var now []int64
	var due []playlist.ID
	err = d.read(ctx, func(r central.Reader, places *tree) error {
		if now, err = d.basis(ctx, r, places); err != nil {
			return err
		}
		if kept := d.assignedAt.Load(); kept != nil && slices.Equal(*kept, now) {
			return nil
		}
		due, err = d.behindAssigned(ctx, r, places)
		return err
	})
	if err != nil {
		return nil, err
	}
	for len(due) > 0 {
		some := due[:min(len(due), 500)] // the writer is others' as well
		due = due[len(some):]
		err := d.Store.Write(ctx, func(tx central.Tx) error {
			places, err := d.places(ctx, tx)
			if err != nil {
				return err
			}
			for _, id := range some {
				doc, err := tx.Get(ctx, central.Devices, id)
				if err != nil {
					return err
				}
				_, is, err := d.assign(ctx, tx, places, doc, 0)
				if err != nil {
					return err
				}
				if is {
					changed = append(changed, id)
				}
			}
			return nil
		})
		if err != nil {
			return changed, err
		}
	}
	d.assignedAt.Store(&now)
	return changed, nil
}

// behindAssigned lists the devices whose assignment is not what they were last told.
func (d *Desk) behindAssigned(ctx context.Context, r central.Reader, places *tree) (due []playlist.ID, err error) {
	heads, err := d.heads(ctx, r, places)
	if err != nil {
		return nil, err
	}
	displays, err := r.List(ctx, central.Query{Kind: central.Displays})
	if err != nil {
		return nil, err
	}
	at := map[playlist.ID][]central.Doc{}
	for _, doc := range displays {
		at[doc.Owner] = append(at[doc.Owner], doc)
	}
	told, err := r.List(ctx, central.Query{Kind: central.Assigned})
	if err != nil {
		return nil, err
	}
	sums := map[playlist.ID]string{}
	for _, doc := range told {
		a, err := central.Decode[assigned](doc)
		if err != nil {
			return nil, err
		}
		sums[doc.ID] = a.Sum
	}
	devices, err := central.All[Device](ctx, r, central.Query{Kind: central.Devices})
	if err != nil {
		return nil, err
	}
	for _, dev := range devices {
		if dev.State == DeviceRevoked {
			continue
		}
		a, err := d.content(ctx, r, places, heads, dev, at[dev.Place])
		if err != nil {
			return nil, err
		}
		sum, err := sumOf(a)
		if err != nil {
			return nil, err
		}
		if sum != sums[dev.ID] {
			due = append(due, dev.ID)
		}
	}
	return due, nil
}
