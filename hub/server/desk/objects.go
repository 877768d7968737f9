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

// Put creates an object (rev 0) or changes the revision rev of it. The row is
// checked as an edition would check it, with everything that it refers to.
func (d *Desk) Put(ctx context.Context, by Caller, kind central.Kind, id playlist.ID, rev int64, raw json.RawMessage) (central.Doc, error) {
	name := "change " + string(kind)
	if rev == 0 {
		name = "create " + string(kind)
	}
	put := func() (central.Doc, error) {
		return do(ctx, d, by, name, func(t *tx) (central.Doc, error) { return t.object(kind, id, rev, raw) })
	}
	if kind == central.Notices && mayHurry(by, rights.Alert) {
		return urgently(&d.way, put)
	}
	return put()
}

func (t *tx) object(kind central.Kind, id playlist.ID, rev int64, raw json.RawMessage) (central.Doc, error) {
	k, ok := kinds[kind]
	if !ok {
		return central.Doc{}, fmt.Errorf("%s: %w", kind, central.ErrNotFound)
	}
	o, err := k.decode(raw)
	if err != nil {
		return central.Doc{}, err
	}
	if err := bounded(o.row); err != nil {
		return central.Doc{}, err
	}
	if id != "" && o.id != id {
		return central.Doc{}, &playlist.Error{Code: playlist.CodeInvalid, Where: string(kind), Detail: fmt.Sprintf("the row says that it is %q, the address %q", o.id, id)}
	}
	if kind == central.Classes {
		o.owner = t.tree.root
	}
	t.about(kind, o.id, o.owner)
	doc := central.Doc{Kind: kind, ID: o.id, Rev: rev, Owner: o.owner, Name: o.name}
	if err := t.mayPut(k, kind, o, rev); err != nil {
		return doc, err
	}
	if n, ok := o.row.(playlist.Notice); ok {
		if err := errors.Join(t.mayCancel(n), t.keepsCancelling(n)); err != nil {
			return doc, err
		}
	}
	if err := checkRow(t, o); err != nil {
		return doc, err
	}
	// A notice goes out at once and is reviewed afterwards.
	if kind == central.Items || kind == central.Facts || kind == central.Notices {
		doc.State = string(playlist.InReview)
	}
	if err := doc.Encode(o.row); err != nil {
		return doc, err
	}
	return t.put(doc)
}

// mayPut asks for the right at the owner; for a row that changes its owner, at
// both.
func (t *tx) mayPut(k kindOf, kind central.Kind, o object, rev int64) error {
	if place, ok := o.row.(playlist.Place); ok {
		return t.mayPutPlace(place, rev)
	}
	if _, ok := t.tree.Places[o.owner]; !ok {
		return &playlist.Error{Code: playlist.CodeMissing, Where: fmt.Sprintf("%s %s", kind, o.id), Detail: fmt.Sprintf("its owner, the place %q, does not exist", o.owner)}
	}
	if err := t.need(k.right, o.owner); err != nil || rev == 0 {
		return err
	}
	old, err := t.Get(t.ctx, kind, o.id)
	if err != nil {
		return err
	}
	if err := t.need(k.right, old.Owner); err != nil || old.Owner == o.owner || kind != central.Items {
		return err
	}
	if n, err := t.Count(t.ctx, central.Query{Kind: central.Versions, Parent: o.id}); err != nil || n > 0 {
		return errors.Join(err, inUse(kind, o.id, "its versions belong to its owner's reviewers: make a new item for the other owner"))
	}
	return nil
}

// mayCancel: only who could have given a notice may take it back.
func (t *tx) mayCancel(n playlist.Notice) error {
	for _, id := range n.Cancels {
		old, err := t.Get(t.ctx, central.Notices, id)
		if errors.Is(err, central.ErrNotFound) {
			return &playlist.Error{Code: playlist.CodeMissing, Where: "notice " + string(n.ID), Detail: fmt.Sprintf("the notice %q that it cancels does not exist", id)}
		}
		if err != nil {
			return err
		}
		if err := t.need(rights.Alert, old.Owner); err != nil {
			return err
		}
	}
	return nil
}

// mayPutPlace: whoever administers a place may change what is said of it; what
// it is and where it lies is for those above it.
func (t *tx) mayPutPlace(p playlist.Place, rev int64) error {
	t.entry.Place = p.Parent
	above := p.Parent
	if above == "" {
		above = p.ID
	}
	old, known := t.tree.Places[p.ID]
	switch {
	case rev == 0 && known: // Put says that it exists
	case known && old.Parent == p.Parent && old.Kind == p.Kind:
		above = p.ID
	case known && old.Parent != "":
		if err := t.need(rights.Administer, old.Parent); err != nil {
			return err
		}
	}
	if p.Parent == "" && !known && t.by.Account != Console {
		return &Refusal{Act: rights.Administer, Place: p.ID}
	}
	if err := t.need(rights.Administer, above); err != nil {
		return err
	}
	return t.tree.fits(p)
}

// Delete removes an object that nothing refers to. Its history stays. What is used it
// refuses with an InUseError, which says by whom.
func (d *Desk) Delete(ctx context.Context, by Caller, kind central.Kind, id playlist.ID, rev int64) error {
	return d.remove(ctx, by, kind, id, rev, false)
}

// DeleteUsed removes an object though rows refer to it, after the caller was asked. The
// offices that own those rows are told; the rows stay, and do not count until they are
// mended.
func (d *Desk) DeleteUsed(ctx context.Context, by Caller, kind central.Kind, id playlist.ID, rev int64) error {
	return d.remove(ctx, by, kind, id, rev, true)
}

// mayCutOff are the kinds whose rows others can do without.
var mayCutOff = []central.Kind{central.Layouts, central.Playlists, central.Calendars, central.Items, central.Displays}

func (d *Desk) remove(ctx context.Context, by Caller, kind central.Kind, id playlist.ID, rev int64, confirmed bool) error {
	remove := func() (struct{}, error) { return d.removeNow(ctx, by, kind, id, rev, confirmed) }
	if kind == central.Notices && mayHurry(by, rights.Alert) {
		_, err := urgently(&d.way, remove)
		return err
	}
	_, err := remove()
	return err
}

func (d *Desk) removeNow(ctx context.Context, by Caller, kind central.Kind, id playlist.ID, rev int64, confirmed bool) (struct{}, error) {
	return do(ctx, d, by, "delete "+string(kind), func(t *tx) (struct{}, error) {
		k, ok := kinds[kind]
		if !ok {
			return struct{}{}, fmt.Errorf("%s: %w", kind, central.ErrNotFound)
		}
		old, err := t.Get(t.ctx, kind, id)
		if err != nil {
			return struct{}{}, err
		}
		t.about(kind, id, old.Owner)
		place := old.Owner
		if kind == central.Places {
			place = t.tree.Places[id].Parent
		}
		if err := t.need(k.right, place); err != nil {
			return struct{}{}, err
		}
		err = t.unused(kind, id)
		if used, ok := errors.AsType[*InUseError](err); ok && confirmed && used.May {
			err = t.tellUsers(used, kind, id, old.Owner)
		}
		if err != nil {
			return struct{}{}, err
		}
		if err := t.forgetApproval(kind, id, old.Owner); err != nil {
			return struct{}{}, err
		}
		if err := t.drop(kind, id, rev); err != nil || kind != central.Notices {
			return struct{}{}, err
		}
		return struct{}{}, t.afterDeleting(old)
	})
}

// tellUsers leaves a message for every office whose rows lose what they use.
func (t *tx) tellUsers(used *InUseError, kind central.Kind, id, owner playlist.ID) error {
	for _, u := range used.Uses {
		if u.Scope == owner || u.Scope == "" {
			continue
		}
		if err := t.tell(u.Scope, Message{Code: "deleted", Kind: u.Kind, Row: u.ID, Args: []string{string(kind), string(id)}}); err != nil {
			return err
		}
	}
	return t.detail(map[string]any{"used_by": len(used.Uses)})
}

// forgetApproval: what is on the screens is taken off them by who may withdraw,
// and a new row with the same id begins without an approval.
func (t *tx) forgetApproval(kind central.Kind, id, owner playlist.ID) error {
	kept, err := t.Get(t.ctx, central.Approvals, approvalID(kind, id))
	if errors.Is(err, central.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := t.need(rights.Withdraw, owner); err != nil {
		return err
	}
	return t.drop(central.Approvals, kept.ID, kept.Rev)
}

// referrers are the kinds whose rows may name one of the kind.
var referrers = map[central.Kind][]central.Kind{
	central.Places:    {central.Places, central.Displays, central.Schedules, central.Mandatory, central.Notices, central.Items, central.Facts},
	central.Displays:  {central.Schedules, central.Devices},
	central.Layouts:   {central.Places, central.Displays, central.Schedules},
	central.Items:     {central.Playlists, central.Mandatory},
	central.Playlists: {central.Places, central.Displays, central.Layouts, central.Playlists, central.Schedules},
	central.Calendars: {central.Schedules},
	central.Classes:   {central.Items},
}

// InUseError says what uses something that is to be deleted. May says whether it can be
// deleted all the same.
type InUseError struct {
	why  *playlist.Error
	Uses []Held
	May  bool
}

func (e *InUseError) Error() string { return e.why.Error() }

// Unwrap lets it pass for a playlist.Error.
func (e *InUseError) Unwrap() error { return e.why }

// maxUses bounds how many uses are listed.
const maxUses = 100

// unused refuses to remove what something refers to, and says what.
func (t *tx) unused(kind central.Kind, id playlist.ID) error {
	if kind == central.Items {
		if n, err := t.Count(t.ctx, central.Query{Kind: central.Versions, Parent: id}); err != nil || n > 0 {
			return errors.Join(err, inUse(kind, id, fmt.Sprintf("it has %d versions: withdraw them instead", n)))
		}
	}
	if kind == central.Places {
		if err := t.emptyPlace(id); err != nil {
			return err
		}
	}
	uses, err := t.uses(kind, id)
	if err != nil || len(uses) == 0 {
		return err
	}
	var names []string
	for _, u := range uses[:min(len(uses), 10)] {
		names = append(names, fmt.Sprintf("%s %s of %s", u.Kind, u.ID, u.Scope))
	}
	why := fmt.Sprintf("%d rows refer to it: %s", len(uses), strings.Join(names, ", "))
	return &InUseError{why: inUse(kind, id, why), Uses: uses, May: slices.Contains(mayCutOff, kind)}
}

// emptyPlace refuses to close a place at which something still is, or which editions
// still hold for others.
func (t *tx) emptyPlace(id playlist.ID) error {
	for _, k := range []central.Kind{central.Layouts, central.Playlists, central.Calendars, central.Accounts, central.Grants, central.Devices, central.Pairings} {
		n, err := t.Count(t.ctx, central.Query{Kind: k, Owners: []playlist.ID{id}})
		if k == central.Devices && err == nil {
			var revoked int
			revoked, err = t.Count(t.ctx, central.Query{Kind: k, Owners: []playlist.ID{id}, States: []string{string(DeviceRevoked)}})
			n -= revoked
		}
		if err != nil || n > 0 {
			return errors.Join(err, inUse(central.Places, id, fmt.Sprintf("it owns a %s", k)))
		}
	}
	heads, err := t.d.heads(t.ctx, t, t.tree)
	if err != nil || heads[id] == 0 {
		return err
	}
	s, err := t.d.signedRows(t.ctx, t, id, heads[id])
	if err != nil {
		return err
	}
	for place := range s.places {
		p, ok := t.tree.Places[place]
		if !ok {
			continue
		}
		to := t.tree.scopeOfPlace(p)
		fresh, err := t.d.signedRows(t.ctx, t, to, heads[to])
		if err != nil {
			return err
		}
		if !fresh.places[place] {
			return inUse(central.Places, id, fmt.Sprintf("its signed edition still holds %s, which %s has not signed yet: its machines would show nothing", place, to))
		}
	}
	return nil
}

// uses lists the rows that refer to one.
func (t *tx) uses(kind central.Kind, id playlist.ID) (out []Held, err error) {
	needle := string(id)
	for _, k := range referrers[kind] {
		docs, err := t.List(t.ctx, central.Query{Kind: k})
		if err != nil {
			return nil, err
		}
		for _, doc := range docs {
			if k == kind && doc.ID == id || !strings.Contains(string(doc.Body), needle) || !refersTo(doc.Body, kind, id) {
				continue
			}
			if out = append(out, Held{Kind: k, ID: doc.ID, Scope: doc.Owner, Why: "it refers to it"}); len(out) == maxUses {
				return out, nil
			}
		}
	}
	return out, nil
}

func inUse(kind central.Kind, id playlist.ID, why string) *playlist.Error {
	return &playlist.Error{Code: playlist.CodeRefused, Where: fmt.Sprintf("%s %s", kind, id), Detail: why}
}

// refersTo says whether any text of a row, outside of what people read, is id. A
// calendar is named with "cal:" before it.
func refersTo(body json.RawMessage, kind central.Kind, id playlist.ID) bool {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return true
	}
	want := string(id)
	if kind == central.Calendars {
		want = "cal:" + want
	}
	var in func(v any) bool
	in = func(v any) bool {
		switch v := v.(type) {
		case string:
			return v == want
		case []any:
			return slices.ContainsFunc(v, in)
		case map[string]any:
			for key, x := range v {
				if key != "id" && key != "names" && in(x) {
					return true
				}
			}
		}
		return false
	}
	return in(v)
}

// Get returns an object. Every member of staff may see what is planned where;
// what only some may read are drafts, which are versions.
func (d *Desk) Get(ctx context.Context, kind central.Kind, id playlist.ID) (central.Doc, error) {
	var doc central.Doc
	err := d.Store.Read(ctx, func(r central.Reader) (err error) {
		doc, err = r.Get(ctx, kind, id)
		return err
	})
	return doc, err
}

// Page is a part of a list. Next continues it; it is empty at the end.
type Page struct {
	Docs []central.Doc
	Next playlist.ID
	Seq  int64 // of the kind, for an ETag
}

// List returns a page of at most limit documents, of a place and everything
// below it where under is given.
func (d *Desk) List(ctx context.Context, q central.Query, under playlist.ID) (Page, error) {
	var page Page
	err := d.read(ctx, func(r central.Reader, places *tree) (err error) {
		if page.Seq, err = r.Seq(ctx, q.Kind); err != nil {
			return err
		}
		if under != "" {
			q.Owners = places.below(under)
		}
		limit := q.Limit
		q.Limit++ // one more tells whether there is a next page
		if page.Docs, err = r.List(ctx, q); err == nil && len(page.Docs) > limit {
			page.Docs = page.Docs[:limit]
			page.Next = page.Docs[limit-1].ID
		}
		return err
	})
	return page, err
}

// Seq says how often a kind changed, cheaply.
func (d *Desk) Seq(ctx context.Context, kind central.Kind) (n int64, err error) {
	err = d.Store.Read(ctx, func(r central.Reader) (err error) { n, err = r.Seq(ctx, kind); return err })
	return n, err
}

// History returns the revisions of an object, the oldest first.
func (d *Desk) History(ctx context.Context, kind central.Kind, id playlist.ID) ([]central.Doc, error) {
	var all []central.Doc
	err := d.Store.Read(ctx, func(r central.Reader) (err error) {
		all, err = r.History(ctx, kind, id)
		if err == nil && len(all) == 0 {
			return fmt.Errorf("%s %q: %w", kind, id, central.ErrNotFound)
		}
		return err
	})
	return all, err
}
