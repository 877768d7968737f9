package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/rights"
	"cotmoc/playlist"
)

// Move puts a place under another one, with everything below it and all that it owns. With
// Merge the place itself ends: what lies under it and what it owns goes to the other, and
// it can be deleted once that one's edition is signed. Close is a merger into the place
// above, after which the place is deleted as soon as nothing needs it.
type Move struct {
	Place  playlist.ID   `json:"place"`
	To     playlist.ID   `json:"to"`
	Merge  bool          `json:"merge,omitempty"`
	Close  bool          `json:"close,omitempty"`
	On     playlist.Date `json:"on,omitzero" doc:"local date of effect at the place; empty: at once"`
	Source string        `json:"source,omitempty" doc:"the decision on which it rests"`
}

// MovePreview says what a move would do.
type MovePreview struct {
	Move
	From     playlist.ID    `json:"from"`     // scope that holds it now
	Scope    playlist.ID    `json:"scope"`    // scope that will hold it
	Places   []playlist.ID  `json:"places"`   // that move, itself among them
	Machines []playlist.ID  `json:"machines"` // that are there
	Rows     map[string]int `json:"rows"`     // that they own, by kind
	Naming   []Held         `json:"naming"`   // rows of others that name what moves: they will not reach it
	Leaning  []Held         `json:"leaning"`  // rows of others on which the places' own rows lean: they go along
	Changed  []Held         `json:"changed"`  // rows of a merger that are meant for other screens afterwards, or for none
	Loses    []playlist.ID  `json:"loses"`    // accounts whose rights from above end there
	Gains    []playlist.ID  `json:"gains"`    // accounts whose rights from above begin there
	Unheld   bool           `json:"unheld"`   // nobody can sign for the new scope
	Seen     string         `json:"seen"`     // confirms that this was seen
}

// PreviewMove says what a move would do.
func (d *Desk) PreviewMove(ctx context.Context, by Caller, m Move) (p MovePreview, err error) {
	err = d.read(ctx, func(r central.Reader, places *tree) error {
		t := &tx{Tx: readOnly{r}, ctx: ctx, d: d, by: by, tree: places, now: d.Now()}
		m, err := t.closing(m)
		if err != nil {
			return err
		}
		p, err = t.previewMove(m)
		return err
	})
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return p, errors.Join(err, d.refused(ctx, by, refusal, "preview move", central.Places, m.Place))
	}
	return p, err
}

// closing says what closing a place is: a merger into the place above.
func (t *tx) closing(m Move) (Move, error) {
	if !m.Close {
		return m, nil
	}
	above := t.tree.Places[m.Place].Parent
	if m.To != "" && m.To != above {
		return m, &playlist.Error{Code: playlist.CodeInvalid, Where: "place " + string(m.Place), Detail: "a place that is closed leaves what it has to the place above it: merge it to give it to another"}
	}
	m.Merge, m.To = true, above
	return m, nil
}

func (t *tx) mayMove(m Move) (playlist.Place, error) {
	p, ok := t.tree.Places[m.Place]
	if !ok || p.Parent == "" {
		return p, fmt.Errorf("place %q: %w", m.Place, central.ErrNotFound)
	}
	if _, ok := t.tree.Places[m.To]; !ok {
		return p, fmt.Errorf("place %q: %w", m.To, central.ErrNotFound)
	}
	if err := firstOf(t.need(rights.Administer, p.Parent), t.need(rights.Administer, m.To)); err != nil {
		return p, err
	}
	if p.Parent == m.To && !m.Merge {
		return p, &playlist.Error{Code: playlist.CodeRefused, Where: "place " + string(m.Place), Detail: fmt.Sprintf("it lies under %s already", m.To)}
	}
	if m.Merge && p.Kind == playlist.Gate { // its facts are no other place's
		return p, &playlist.Error{Code: playlist.CodeRefused, Where: "place " + string(m.Place), Detail: "a gate does not go up in another place: say in its facts that it is closed, or delete it once nothing is there"}
	}
	for _, moved := range t.moved(m) {
		if err := t.tree.fits(moved); err != nil {
			return p, err
		}
	}
	return p, nil
}

// moved are the places that get another parent.
func (t *tx) moved(m Move) []playlist.Place {
	ids := []playlist.ID{m.Place}
	if m.Merge {
		ids = slices.Clone(t.tree.children[m.Place])
	}
	var out []playlist.Place
	for _, id := range ids {
		p := t.tree.Places[id]
		p.Parent = m.To
		out = append(out, p)
	}
	return out
}

func (t *tx) previewMove(m Move) (MovePreview, error) {
	old, err := t.mayMove(m)
	err = firstOf(err, t.dayIsLeft(m))
	p := MovePreview{Move: m, Rows: map[string]int{}, Machines: []playlist.ID{}, Naming: []Held{}, Leaning: []Held{}, Changed: []Held{}, Loses: []playlist.ID{}, Gains: []playlist.ID{}}
	if err != nil {
		return p, err
	}
	p.From, p.Scope = t.tree.scope(m.Place), t.tree.scope(m.To)
	p.Places = t.tree.below(m.Place)
	in := map[playlist.ID]bool{}
	for _, id := range p.Places {
		in[id] = true
	}
	for _, k := range append(slices.Clone(ownedKinds), central.Versions) {
		docs, err := t.List(t.ctx, central.Query{Kind: k, Owners: p.Places})
		if err != nil {
			return p, err
		}
		if len(docs) > 0 {
			p.Rows[string(k)] = len(docs)
		}
		for _, doc := range docs {
			if k == central.Devices && doc.State != string(DeviceRevoked) {
				p.Machines = append(p.Machines, doc.ID)
			}
		}
	}
	if err := t.entangled(&p, in); err != nil {
		return p, err
	}
	if m.Merge {
		if p.Changed, err = t.retarget(m, false); err != nil {
			return p, err
		}
	}
	left := old.Parent
	if m.Merge { // rights over a place that is merged are not rights over what it is merged into
		left = m.Place
	}
	if p.Loses, err = t.holdersAbove(left); err == nil {
		p.Gains, err = t.holdersAbove(m.To)
	}
	if err != nil {
		return p, err
	}
	same := func(of []playlist.ID) func(playlist.ID) bool {
		return func(id playlist.ID) bool { return slices.Contains(of, id) }
	}
	loses, gains := p.Loses, p.Gains
	p.Loses = slices.DeleteFunc(slices.Clone(loses), same(gains))
	p.Gains = slices.DeleteFunc(slices.Clone(gains), same(loses))
	held, err := t.isHeld(t.roleOf(p.Scope))
	if err != nil {
		return p, err
	}
	p.Unheld = !held
	raw, err := json.Marshal(p)
	p.Seen = short("move", string(raw))
	return p, err
}

// dayIsLeft refuses a day of effect that has passed.
func (t *tx) dayIsLeft(m Move) error {
	today := playlist.DateOf(t.now.In(t.tree.ZoneOf(m.Place)))
	if m.On == (playlist.Date{}) || !m.On.UTC().Before(today.UTC()) {
		return nil
	}
	return &playlist.Error{Code: playlist.CodeInvalid, Where: "place " + string(m.Place), Detail: "the day of effect has passed: without a day it happens at once"}
}

// ownedKinds are the kinds whose rows a place owns.
var ownedKinds = []central.Kind{central.Displays, central.Layouts, central.Items, central.Facts, central.Playlists, central.Schedules, central.Calendars,
	central.Mandatory, central.Notices, central.Accounts, central.Grants, central.Devices}

// entangled finds rows of others that name what moves, and those on which it leans.
func (t *tx) entangled(p *MovePreview, in map[playlist.ID]bool) error {
	displays := map[playlist.ID]bool{}
	docs, err := t.List(t.ctx, central.Query{Kind: central.Displays, Owners: p.Places})
	if err != nil {
		return err
	}
	for _, doc := range docs {
		displays[doc.ID] = true
	}
	for _, k := range []central.Kind{central.Schedules, central.Mandatory, central.Notices} {
		docs, err := t.List(t.ctx, central.Query{Kind: k})
		if err != nil {
			return err
		}
		for _, doc := range docs {
			var row struct {
				Places, Displays []playlist.ID
			}
			if in[doc.Owner] || t.tree.Within(p.To, doc.Owner) || json.Unmarshal(doc.Body, &row) != nil {
				continue
			}
			if slices.ContainsFunc(row.Places, func(id playlist.ID) bool { return in[id] }) || slices.ContainsFunc(row.Displays, func(id playlist.ID) bool { return displays[id] }) {
				p.Naming = append(p.Naming, Held{Kind: k, ID: doc.ID, Scope: doc.Owner, Why: "it will not reach what moves: its owner changes it, or the new province makes one of its own"})
			}
		}
	}
	g := &gatherer{ctx: t.ctx, r: t, tree: t.tree, scope: p.From, files: map[playlist.Hash]bool{}, approved: &approved{items: map[playlist.ID]bool{}, seen: map[playlist.Hash]bool{}}}
	if err := firstOf(g.planning(), g.listsAsTheyAre()); err != nil {
		return err
	}
	for name := range namedBy(ownedBy(g.out.rows, in)) {
		doc, err := t.Get(t.ctx, name.kind, name.id)
		if err == nil && !in[doc.Owner] && t.tree.scope(doc.Owner) == p.From && p.From != t.tree.root {
			p.Leaning = append(p.Leaning, Held{Kind: name.kind, ID: name.id, Scope: doc.Owner, Why: "machines of the place hold it as long as the place's own rows name it"})
		}
	}
	slices.SortFunc(p.Leaning, func(a, b Held) int {
		return strings.Compare(string(a.Kind)+" "+string(a.ID), string(b.Kind)+" "+string(b.ID))
	})
	return nil
}

// listsAsTheyAre gathers playlists and mandatory items whether approved or not.
func (g *gatherer) listsAsTheyAre() error {
	return firstOf(each(g, central.Playlists, func(_ central.Doc, p playlist.Playlist) { g.out.rows.Playlists = append(g.out.rows.Playlists, p) }),
		each(g, central.Mandatory, func(_ central.Doc, m playlist.Mandatory) { g.out.rows.Mandatory = append(g.out.rows.Mandatory, m) }))
}

// ownedBy keeps the rows that some places own.
func ownedBy(r playlist.Rows, in map[playlist.ID]bool) (out playlist.Rows) {
	carry(&out.Displays, r.Displays, func(d playlist.Display) bool { return in[d.Place] })
	carry(&out.Layouts, r.Layouts, func(l playlist.Layout) bool { return in[l.Owner] })
	carry(&out.Playlists, r.Playlists, func(p playlist.Playlist) bool { return in[p.Owner] })
	carry(&out.Schedules, r.Schedules, func(s playlist.Schedule) bool { return in[s.Owner] })
	carry(&out.Mandatory, r.Mandatory, func(m playlist.Mandatory) bool { return in[m.Owner] })
	return out
}

// holdersAbove lists the accounts with a right at a place or above it.
func (t *tx) holdersAbove(place playlist.ID) (out []playlist.ID, err error) {
	var above []playlist.ID
	for _, p := range t.tree.Ancestry(place) {
		above = append(above, p.ID)
	}
	grants, err := central.All[rights.Grant](t.ctx, t, central.Query{Kind: central.Grants, Owners: above})
	for _, g := range grants {
		out = with(out, g.Account)
	}
	slices.Sort(out)
	return out, err
}

// carryOut moves places, and for a merger what the place owns.
func (t *tx) carryOut(m Move) error {
	if _, err := t.mayMove(m); err != nil {
		return err
	}
	on := m.On
	if on == (playlist.Date{}) {
		on = playlist.DateOf(t.now.In(t.tree.ZoneOf(m.Place)))
	}
	change := playlist.PlaceChange{On: on, What: fmt.Sprintf("từ %s sang %s", t.tree.Places[m.Place].Parent, m.To), Source: m.Source}
	if m.Merge {
		change.What = fmt.Sprintf("%s sáp nhập vào %s", m.Place, m.To)
	}
	if m.Close {
		change.What = fmt.Sprintf("%s ngừng hoạt động", m.Place)
	}
	for _, p := range t.moved(m) {
		p.History = append(slices.Clone(p.History), change)
		doc, err := t.Get(t.ctx, central.Places, p.ID)
		if err != nil {
			return err
		}
		if err := doc.Encode(p); err != nil {
			return err
		}
		if _, err := t.put(doc); err != nil {
			return err
		}
	}
	if !m.Merge {
		return nil
	}
	return t.goUp(m)
}
