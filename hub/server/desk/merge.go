package desk

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"cotmoc/hub/server/central"
	"cotmoc/playlist"
)

// errNotice is returned while a notice is in force that is meant for a place which is to go
// up in another: it would end, or be shown where it is not meant.
var errNotice = errors.New("a notice is in force there")

const whyInForce = "it is in force: the place stays until it has ended"

// goUp lets a place go up in another one: what is below it and its own screens show what
// they showed, and what it owned is the other's.
func (t *tx) goUp(m Move) error {
	if err := firstOf(t.bequeath(m.Place), t.holdDisplays(m.Place), t.holdDisplays(m.To), t.handPIN(m.Place)); err != nil {
		return err
	}
	if _, err := t.retarget(m, true); err != nil {
		return err
	}
	return t.reown(m.Place, m.To)
}

// ownerFields are the fields of a row that say who owns it.
var ownerFields = map[central.Kind]string{central.Displays: "place", central.Facts: "gate", central.Accounts: "place", central.Grants: "place", central.Devices: "place"}

// reown gives everything that a place owns to another, but for rights: those over a small
// place are none over a large one.
func (t *tx) reown(from, to playlist.ID) error {
	owned := slices.DeleteFunc(slices.Clone(ownedKinds), func(k central.Kind) bool { return k == central.Grants })
	for _, k := range append(owned, central.Versions, central.Comments, central.Reviews, central.Approvals, central.Files) {
		docs, err := t.List(t.ctx, central.Query{Kind: k, Owners: []playlist.ID{from}})
		if err != nil {
			return err
		}
		for _, doc := range docs {
			doc.Owner = to
			var body map[string]json.RawMessage
			field := ownerFields[k]
			if field == "" {
				field = "owner"
			}
			if json.Unmarshal(doc.Body, &body) == nil && body[field] != nil {
				if body[field], err = json.Marshal(to); err != nil {
					return fmt.Errorf("%s %s: %w", k, doc.ID, err)
				}
				if err := doc.Encode(body); err != nil {
					return err
				}
			}
			if _, err := t.put(doc); err != nil {
				return err
			}
		}
	}
	return nil
}

// aim is what a row is meant for.
type aim struct{ Places, Displays []playlist.ID }

// aimed is what a row of a kind is meant for once a place has gone up in another. nowhere
// says that it was meant for no screen, and would be meant for others now.
func (t *tx) aimed(kind central.Kind, was aim, m Move, own []playlist.ID) (now aim, nowhere bool, err error) {
	if len(was.Displays) > 0 { // they alone count
		return aim{slices.DeleteFunc(slices.Clone(was.Places), func(p playlist.ID) bool { return p == m.Place }), was.Displays}, false, nil
	}
	var places []playlist.ID
	for _, p := range append(slices.Clone(was.Places), t.tree.children[m.Place]...) {
		if p != m.Place {
			places = with(places, p)
		}
	}
	switch {
	case len(own) == 0 && len(places) > 0:
		return aim{Places: places}, false, nil
	case len(own) == 0 && kind != central.Notices:
		return aim{}, true, nil
	case len(own) == 0 || kind != central.Schedules: // it cannot name screens
		return aim{Places: with(places, m.To)}, false, nil
	}
	displays := slices.Clone(own)
	for _, p := range places {
		docs, err := t.List(t.ctx, central.Query{Kind: central.Displays, Owners: t.tree.below(p)})
		if err != nil {
			return aim{}, false, err
		}
		for _, doc := range docs {
			displays = with(displays, doc.ID)
		}
	}
	return aim{Displays: displays}, false, nil
}

// retarget lists the rows that were meant for a place which goes up in another, and with
// do changes what they are meant for.
func (t *tx) retarget(m Move, do bool) ([]Held, error) {
	out := []Held{}
	docs, err := displaysAt(t.ctx, t, m.Place)
	if err != nil {
		return nil, err
	}
	var own []playlist.ID
	for _, doc := range docs {
		own = append(own, doc.ID)
	}
	for _, k := range []central.Kind{central.Schedules, central.Mandatory, central.Notices} {
		docs, err := t.List(t.ctx, central.Query{Kind: k})
		if err != nil {
			return nil, err
		}
		for _, doc := range docs {
			var was aim
			if err := json.Unmarshal(doc.Body, &was); err != nil {
				return nil, fmt.Errorf("%s %s: %w", k, doc.ID, err)
			}
			everywhere := doc.Owner == m.Place && len(was.Places)+len(was.Displays) == 0
			if !slices.Contains(was.Places, m.Place) && !everywhere {
				continue
			}
			held, err := t.aimAgain(doc, was, m, own, do)
			if err != nil {
				return nil, err
			}
			out = append(out, held)
		}
	}
	return out, nil
}

// aimAgain says what becomes of one row, and with do does it.
func (t *tx) aimAgain(doc central.Doc, was aim, m Move, own []playlist.ID, do bool) (Held, error) {
	held := Held{Kind: doc.Kind, ID: doc.ID, Scope: doc.Owner, Why: "it is meant for the same screens, which it names now"}
	if doc.Kind == central.Notices {
		n, err := central.Decode[playlist.Notice](doc)
		if err != nil {
			return held, err
		}
		if held.Why = "it has ended"; n.Ends.After(t.now) {
			held.Why = whyInForce
			if do {
				return held, fmt.Errorf("notice %s: %w: wait until it has ended, or cancel it", doc.ID, errNotice)
			}
			return held, nil
		}
	}
	now, nowhere, err := t.aimed(doc.Kind, was, m, own)
	if err != nil {
		return held, err
	}
	switch {
	case nowhere:
		held.Why = "it was meant for no screen, and is deleted"
	case slices.Contains(now.Places, m.To) && doc.Kind == central.Mandatory:
		held.Why = fmt.Sprintf("it is meant for all of %s from then on", m.To)
	}
	if !do {
		return held, nil
	}
	if nowhere {
		if doc.Owner != m.Place && doc.Owner != m.To {
			if err := t.tell(doc.Owner, Message{Code: "target-gone", Kind: doc.Kind, Row: doc.ID, Args: []string{string(m.Place)}}); err != nil {
				return held, err
			}
		}
		return held, firstOf(t.forgetApproval(doc.Kind, doc.ID, doc.Owner), t.drop(doc.Kind, doc.ID, doc.Rev))
	}
	return held, t.writeAim(doc, now)
}

func (t *tx) writeAim(doc central.Doc, now aim) error {
	var body map[string]json.RawMessage
	if err := json.Unmarshal(doc.Body, &body); err != nil {
		return fmt.Errorf("%s %s: %w", doc.Kind, doc.ID, err)
	}
	for field, ids := range map[string][]playlist.ID{"places": now.Places, "displays": now.Displays} {
		delete(body, field)
		if len(ids) == 0 {
			continue
		}
		raw, err := json.Marshal(ids)
		if err != nil {
			return fmt.Errorf("%s %s: %w", doc.Kind, doc.ID, err)
		}
		body[field] = raw
	}
	return t.encode(doc, body)
}

// bequeath gives what a place says for all that is below it to the places directly below,
// and to its own screens, as far as they say nothing of their own.
func (t *tx) bequeath(place playlist.ID) error {
	from := t.tree.Places[place]
	for _, id := range t.tree.children[place] {
		doc, p, err := central.Load[playlist.Place](t.ctx, t, central.Places, id)
		if err != nil {
			return err
		}
		if len(p.Languages) == 0 {
			p.Languages = from.Languages
		}
		if p.Zone == "" {
			p.Zone = from.Zone
		}
		if p.Layout == "" {
			p.Layout = from.Layout
		}
		p.Defaults = filled(p.Defaults, from.Defaults)
		if err := t.encode(doc, p); err != nil {
			return err
		}
	}
	docs, err := displaysAt(t.ctx, t, place)
	if err != nil {
		return err
	}
	for _, doc := range docs {
		d, err := central.Decode[playlist.Display](doc)
		if err != nil {
			return err
		}
		if d.Layout == "" {
			d.Layout = from.Layout
		}
		d.Defaults = filled(d.Defaults, from.Defaults)
		if err := t.encode(doc, d); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) encode(doc central.Doc, row any) error {
	if err := doc.Encode(row); err != nil {
		return err
	}
	_, err := t.put(doc)
	return err
}

// filled are the defaults of layers, with others where there are none.
func filled(own, others map[playlist.Layer]playlist.ID) map[playlist.Layer]playlist.ID {
	if len(others) == 0 {
		return own
	}
	out := map[playlist.Layer]playlist.ID{}
	for layer, id := range others {
		out[layer] = id
	}
	for layer, id := range own {
		out[layer] = id
	}
	return out
}

// holdDisplays lets the machines of a place that drive all its displays go on with those
// that it has now.
func (t *tx) holdDisplays(place playlist.ID) error {
	docs, err := displaysAt(t.ctx, t, place)
	if err != nil || len(docs) == 0 {
		return err
	}
	var own []playlist.ID
	for _, doc := range docs {
		own = append(own, doc.ID)
	}
	return t.devicesAt(place, func(dev *Device) {
		if len(dev.Displays) == 0 {
			dev.Displays = own
		}
	})
}

// devicesAt changes the machines of a place.
func (t *tx) devicesAt(place playlist.ID, change func(*Device)) error {
	docs, err := t.List(t.ctx, central.Query{Kind: central.Devices, Owners: []playlist.ID{place}})
	if err != nil {
		return err
	}
	for _, doc := range docs {
		dev, err := central.Decode[Device](doc)
		if err != nil {
			return err
		}
		change(&dev)
		if err := t.keepDevice(doc, dev); err != nil {
			return err
		}
	}
	return nil
}

// handPIN gives a place's PIN to the places below it and to its machines.
func (t *tx) handPIN(place playlist.ID) error {
	doc, pin, err := central.Load[placePIN](t.ctx, t, central.Settings, pinID(place))
	if errors.Is(err, central.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, id := range t.tree.children[place] {
		if _, err := t.Get(t.ctx, central.Settings, pinID(id)); !errors.Is(err, central.ErrNotFound) {
			if err != nil {
				return err
			}
			continue
		}
		if err := t.encode(central.Doc{Kind: central.Settings, ID: pinID(id), Owner: id}, pin); err != nil {
			return err
		}
	}
	if err := t.devicesAt(place, func(dev *Device) { dev.PIN = pin.Hash }); err != nil {
		return err
	}
	return t.drop(doc.Kind, doc.ID, doc.Rev)
}
