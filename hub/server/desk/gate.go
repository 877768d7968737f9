package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/rights"
	"cotmoc/playlist"
)

// All that people read of what is not published goes through here: rows, lists, histories
// and files. What a caller may not see is as if it did not exist.

// open are the kinds that everybody who is signed in may read: offices plan with each
// other's, and none of it is a draft.
var open = []central.Kind{central.Places, central.Displays, central.Layouts, central.Playlists, central.Schedules, central.Calendars, central.Mandatory, central.Classes}

// gate answers what one caller may see.
type gate struct {
	ctx    context.Context
	d      *Desk
	r      central.Reader
	places *tree
	by     Caller
}

func (g *gate) may(act rights.Act, place playlist.ID) bool {
	_, ok := rights.Find(g.by.Grants, act, place, g.places)
	return ok || g.by.Account == Console
}

// works says whether the caller has any right at a place.
func (g *gate) works(place playlist.ID) bool {
	return g.by.Account == Console || slices.ContainsFunc(g.by.Grants, func(o rights.Grant) bool { return g.places.Within(place, o.Place) })
}

// see returns a row as the caller may see it, or nil: of a draft, others see what was
// approved before.
func (g *gate) see(doc central.Doc) (*central.Doc, error) {
	mine := false
	switch doc.Kind {
	case central.Versions:
		mine = mayRead(g.by, g.places, doc)
	case central.Items, central.Facts, central.Notices:
		if mine = g.may(rights.Read, doc.Owner) || doc.Kind == central.Notices && doc.State == string(playlist.Approved); !mine {
			return approvedRow(g.ctx, g.r, doc)
		}
	case central.Files:
		f, err := central.Decode[File](doc)
		if err != nil {
			return nil, err
		}
		if mine, err = g.file(doc, f); err != nil {
			return nil, err
		}
	case central.Jobs:
		mine = g.may(rights.Read, doc.Owner) || g.may(rights.Configure, doc.Owner)
	case central.Accounts:
		mine = doc.ID == g.by.Account || g.may(rights.Administer, doc.Owner)
	case central.Grants:
		o, err := central.Decode[rights.Grant](doc)
		if err != nil {
			return nil, err
		}
		mine = o.Account == g.by.Account || g.may(rights.Administer, doc.Owner)
		if account, err := g.r.Get(g.ctx, central.Accounts, o.Account); err == nil && g.may(rights.Administer, account.Owner) {
			mine = true // who administers a person sees what they were given elsewhere
		}
	default:
		mine = slices.Contains(open, doc.Kind)
	}
	if mine || g.by.Account == Console {
		return &doc, nil
	}
	return nil, nil
}

// file says whether a file is the caller's to read and to use: their office's, or on the
// screens already.
func (g *gate) file(doc central.Doc, f File) (bool, error) {
	owners := append([]playlist.ID{doc.Owner}, f.Also...)
	names := []playlist.Hash{f.SHA256}
	if f.Of != "" {
		names = append(names, f.Of)
		_, source, err := central.Load[File](g.ctx, g.r, central.Files, playlist.ID(f.Of))
		if err != nil && !errors.Is(err, central.ErrNotFound) {
			return false, err
		}
		owners = append(owners, source.Also...)
	}
	if slices.ContainsFunc(owners, func(o playlist.ID) bool { return g.may(rights.Read, o) }) {
		return true, nil
	}
	shown, err := g.d.shownFiles(g.ctx, g.r)
	return slices.ContainsFunc(names, func(h playlist.Hash) bool { return shown[h] }), err
}

// shownNow are the files that published versions name, as of a number of changes.
type shownNow struct {
	seq   int64
	files map[playlist.Hash]bool
}

// shownFiles are the files of published versions. A layout or a notice that names a file
// publishes nothing: anybody could write one.
func (d *Desk) shownFiles(ctx context.Context, r central.Reader) (map[playlist.Hash]bool, error) {
	seq, err := r.Seq(ctx, central.Versions)
	if err != nil {
		return nil, err
	}
	if kept := d.shown.Load(); kept != nil && kept.seq == seq {
		return kept.files, nil
	}
	published, err := central.All[playlist.Version](ctx, r, central.Query{Kind: central.Versions, States: []string{string(playlist.Published)}})
	if err != nil {
		return nil, err
	}
	files := map[playlist.Hash]bool{}
	for _, v := range published {
		for _, h := range v.Files() {
			files[h] = true
		}
	}
	d.shown.Store(&shownNow{seq, files})
	return files, nil
}

func (d *Desk) through(ctx context.Context, by Caller, f func(g *gate) error) error {
	return d.read(ctx, func(r central.Reader, places *tree) error { return f(&gate{ctx, d, r, places, by}) })
}

// row reads a row as the caller may see it.
func (g *gate) row(kind central.Kind, id playlist.ID) (central.Doc, error) {
	doc, err := g.r.Get(g.ctx, kind, id)
	if err != nil {
		return central.Doc{}, err
	}
	seen, err := g.see(doc)
	if err != nil {
		return central.Doc{}, err
	}
	if seen == nil {
		return central.Doc{}, fmt.Errorf("%s %q: %w", kind, id, central.ErrNotFound)
	}
	return *seen, nil
}

// Row returns a row as the caller may see it.
func (d *Desk) Row(ctx context.Context, by Caller, kind central.Kind, id playlist.ID) (doc central.Doc, err error) {
	err = d.through(ctx, by, func(g *gate) error {
		doc, err = g.row(kind, id)
		return err
	})
	return doc, err
}

// Rows is List, with what the caller may see of it: rows that they may not see count for
// nothing, and are not named as the place at which the next page begins.
func (d *Desk) Rows(ctx context.Context, by Caller, q central.Query, under playlist.ID) (out Page, err error) {
	limit := q.Limit
	q.Limit++ // where all are seen, one page tells whether there is a next
	for more := true; more; {
		page, err := d.List(ctx, q, under)
		if err != nil {
			return out, err
		}
		if out.Seq == 0 {
			out.Seq = page.Seq
		}
		more = page.Next != ""
		q.After = page.Next
		err = d.through(ctx, by, func(g *gate) error {
			for _, doc := range page.Docs {
				seen, err := g.see(doc)
				if err != nil {
					return err
				}
				if seen == nil || len(q.States) > 0 && !slices.Contains(q.States, seen.State) {
					continue
				}
				if len(out.Docs) == limit { // there is one more
					out.Next, more = out.Docs[limit-1].ID, false
					return nil
				}
				out.Docs = append(out.Docs, *seen)
			}
			return nil
		})
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// Revisions is History, for those who may see drafts where it belongs; others see the
// revision that was approved.
func (d *Desk) Revisions(ctx context.Context, by Caller, kind central.Kind, id playlist.ID) ([]central.Doc, error) {
	all, err := d.History(ctx, kind, id)
	if err != nil {
		return nil, err
	}
	last := all[len(all)-1]
	var out []central.Doc
	err = d.through(ctx, by, func(g *gate) error {
		if g.may(rights.Read, last.Owner) || slices.Contains(open, kind) {
			out = all
			return nil
		}
		seen, err := g.see(last)
		if err == nil && seen != nil && !seen.Deleted {
			out = []central.Doc{*seen}
		}
		return err
	})
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("%s %q: %w", kind, id, central.ErrNotFound)
	}
	return out, err
}

// FileFor returns what is known of a file that the caller may see.
func (d *Desk) FileFor(ctx context.Context, by Caller, h playlist.Hash) (File, error) {
	doc, err := d.Row(ctx, by, central.Files, playlist.ID(h))
	if err != nil {
		return File{}, err
	}
	return central.Decode[File](doc)
}

// mayTake refuses a file that is not the caller's to use. One that the row names already
// stays.
func (t *tx) mayTake(doc central.Doc, f File, has []playlist.Hash) error {
	if slices.Contains(has, f.SHA256) {
		return nil
	}
	ok, err := (&gate{t.ctx, t.d, t, t.tree, t.by}).file(doc, f)
	if err == nil && !ok {
		err = &playlist.Error{Code: playlist.CodeMissing, Where: "file", Detail: fmt.Sprintf("the file %.12s… was not taken in", f.SHA256)}
	}
	return err
}

// Shares notes that another office has brought a file which is known.
func (d *Desk) Shares(ctx context.Context, by Caller, owner playlist.ID, h playlist.Hash) error {
	_, err := do(ctx, d, by, "take in file", func(t *tx) (struct{}, error) {
		t.about(central.Files, playlist.ID(h), owner)
		if err := t.mayBring(owner); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, t.share(playlist.ID(h), owner)
	})
	return err
}

func (t *tx) share(id, owner playlist.ID) error {
	doc, f, err := central.Load[File](t.ctx, t, central.Files, id)
	if err != nil || doc.Owner == owner || slices.Contains(f.Also, owner) {
		return err
	}
	f.Also = append(f.Also, owner)
	if err := doc.Encode(f); err != nil {
		return err
	}
	_, err = t.put(doc)
	return err
}

// Works refuses who has no right at a place.
func (d *Desk) Works(ctx context.Context, by Caller, place playlist.ID) error {
	return d.through(ctx, by, func(g *gate) error {
		if !g.works(place) {
			return &Refusal{Act: rights.Read, Place: place}
		}
		return nil
	})
}
