package desk

import (
	"context"
	"fmt"
	"slices"

	"cotmoc/hub/server/central"
	"cotmoc/playlist"
)

// tree is the places of one state of the database.
type tree struct {
	*playlist.Catalogue
	seq      int64
	root     playlist.ID
	children map[playlist.ID][]playlist.ID // in order
}

// places returns the tree of the state that r reads. The one of the last
// committed state is kept; a transaction that changed a place reads its own.
func (d *Desk) places(ctx context.Context, r central.Reader) (*tree, error) {
	seq, err := r.Seq(ctx, central.Places)
	if err != nil {
		return nil, err
	}
	if kept := d.tree.Load(); kept != nil && kept.seq == seq {
		return kept, nil
	}
	rows, err := central.All[playlist.Place](ctx, r, central.Query{Kind: central.Places})
	if err != nil {
		return nil, err
	}
	t := newTree(rows)
	t.seq = seq
	if _, changing := r.(central.Tx); !changing {
		d.tree.Store(t)
	}
	return t, nil
}

func newTree(rows []playlist.Place) *tree {
	t := &tree{Catalogue: &playlist.Catalogue{Places: map[playlist.ID]playlist.Place{}}, children: map[playlist.ID][]playlist.ID{}}
	for _, p := range rows {
		t.Places[p.ID] = p
		t.children[p.Parent] = append(t.children[p.Parent], p.ID)
		if p.Parent == "" {
			t.root = p.ID
		}
	}
	return t
}

// below lists a place and everything below it.
func (t *tree) below(place playlist.ID) []playlist.ID {
	out := []playlist.ID{place}
	for n := 0; n < len(out); n++ {
		out = append(out, t.children[out[n]]...)
	}
	return out
}

// scope is the place whose edition carries a row of this owner: the nearest
// province, or else the ministry.
func (t *tree) scope(owner playlist.ID) playlist.ID {
	for _, p := range t.Ancestry(owner) {
		if p.Kind == playlist.Province || p.Kind == playlist.Ministry {
			return p.ID
		}
	}
	return t.root
}

// scopeOfPlace is the scope of a place's own row: of its parent, for a province
// does not say of itself that it is one.
func (t *tree) scopeOfPlace(p playlist.Place) playlist.ID {
	if p.Parent == "" {
		return p.ID
	}
	return t.scope(p.Parent)
}

// scopes lists the places that have editions of their own, in order.
func (t *tree) scopes() []playlist.ID {
	var out []playlist.ID
	for id, p := range t.Places {
		if p.Kind == playlist.Ministry || p.Kind == playlist.Province {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

var levels = map[playlist.PlaceKind]int{playlist.Ministry: 3, playlist.Province: 2, playlist.Commune: 1}

// fits checks a place against its parent: levels only go down, and there is one
// root, the ministry.
func (t *tree) fits(p playlist.Place) error {
	where := "place " + string(p.ID)
	if p.Parent == "" {
		if p.Kind != playlist.Ministry || t.root != "" && t.root != p.ID {
			return &playlist.Error{Code: playlist.CodeRefused, Where: where, Detail: "only the ministry has no parent, and there is one"}
		}
		return nil
	}
	parent, ok := t.Places[p.Parent]
	if !ok {
		return &playlist.Error{Code: playlist.CodeMissing, Where: where, Detail: fmt.Sprintf("its parent %q does not exist", p.Parent)}
	}
	if t.Within(p.Parent, p.ID) {
		return &playlist.Error{Code: playlist.CodeCycle, Where: where, Detail: "it would lie within itself"}
	}
	if levels[p.Kind] > 0 && levels[p.Kind] >= levels[parent.Kind] {
		return &playlist.Error{Code: playlist.CodeRefused, Where: where, Detail: fmt.Sprintf("a %s cannot lie under a %s", p.Kind, parent.Kind)}
	}
	for _, child := range t.children[p.ID] {
		if k := t.Places[child].Kind; levels[k] > 0 && levels[k] >= levels[p.Kind] {
			return &playlist.Error{Code: playlist.CodeRefused, Where: where, Detail: fmt.Sprintf("a %s lies under it, so it cannot be a %s", k, p.Kind)}
		}
	}
	return nil
}
