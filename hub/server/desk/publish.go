package desk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cotmoc/hub/edition"
	"cotmoc/hub/feed"
	"cotmoc/hub/server/audit"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/publish"
	"cotmoc/hub/server/rights"
	"cotmoc/hub/server/workflow"
	"cotmoc/playlist"
)

// Publication is what publishing a scope did.
type Publication struct {
	Scope     playlist.ID   `json:"scope"`
	Number    int64         `json:"number"`
	Rows      int           `json:"rows"`
	Published []playlist.ID `json:"published,omitempty"` // versions that are new on the screens
	Withdrawn int           `json:"withdrawn"`
	Held      []Held        `json:"held,omitempty"`
	Others    []Held        `json:"others,omitempty" doc:"what other offices' rows lack: for them to mend, and no hindrance here"`
	Unchanged bool          `json:"unchanged,omitempty"` // nothing to publish: Number is the one that holds
	Unheld    bool          `json:"unheld,omitempty" doc:"nobody holds the scope's role of trust: no kiosk will ever show this"`
}

// Scopes lists the scopes that have editions of their own: the ministry and
// every province.
func (d *Desk) Scopes(ctx context.Context) ([]playlist.Place, error) {
	var out []playlist.Place
	err := d.read(ctx, func(_ central.Reader, places *tree) error {
		for _, p := range places.Places {
			if p.Kind == playlist.Ministry || p.Kind == playlist.Province {
				out = append(out, p)
			}
		}
		slices.SortFunc(out, func(a, b playlist.Place) int { return cmp.Compare(a.ID, b.ID) })
		return nil
	})
	return out, err
}

// Publish makes the next editions of scopes, of all that is approved in them, in
// one transaction: what one names of another appears together. The editions are
// committed before any file is written: WriteEditions writes those, now or after
// a power cut.
func (d *Desk) Publish(ctx context.Context, by Caller, scopes []playlist.ID, force bool) ([]Publication, error) {
	return givingWay(ctx, &d.way, func(ctx context.Context) ([]Publication, error) { return d.publish(ctx, by, scopes, force) })
}

func (d *Desk) publish(ctx context.Context, by Caller, scopes []playlist.ID, force bool) ([]Publication, error) {
	return do(ctx, d, by, "publish", func(t *tx) ([]Publication, error) {
		if len(scopes) == 0 || len(scopes) > 100 {
			return nil, &playlist.Error{Code: playlist.CodeInvalid, Where: "publish", Detail: "name 1 to 100 scopes"}
		}
		gatheredOf := map[playlist.ID]gathered{}
		for _, scope := range scopes {
			t.about("edition", "", scope)
			place, ok := t.tree.Places[scope]
			if !ok || place.Kind != playlist.Ministry && place.Kind != playlist.Province {
				return nil, &playlist.Error{Code: playlist.CodeInvalid, Where: "publish", Detail: fmt.Sprintf("%q is neither the ministry nor a province", scope)}
			}
			if err := t.need(rights.Publish, scope); err != nil {
				return nil, err
			}
		}
		content, err := readApproved(ctx, t)
		if err != nil {
			return nil, err
		}
		for _, scope := range scopes {
			g, err := gather(ctx, t, t.tree, scope, content)
			if err != nil {
				return nil, err
			}
			if err := t.carryOver(scope, &g.rows); err != nil {
				return nil, err
			}
			if g.rows.Notices, err = counting(ctx, t, g.rows.Notices, t.now); err != nil {
				return nil, err
			}
			gatheredOf[scope] = g
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
		checks, err := t.checks(scopes, gatheredOf, force)
		if err != nil {
			return nil, err
		}
		var out []Publication
		said := map[string]any{}
		for _, scope := range scopes {
			p, err := t.publishOne(scope, gatheredOf[scope])
			if err := firstOf(err, ctx.Err()); err != nil {
				return nil, err
			}
			p.Held, p.Others = append(p.Held, checks[scope].held...), checks[scope].others
			said[string(scope)] = map[string]any{"number": p.Number, "unchanged": p.Unchanged, "versions": len(p.Published)}
			out = append(out, p)
		}
		if err := t.alsoAbout(scopes[1:]); err != nil {
			return nil, err
		}
		t.about("edition", "", scopes[0])
		return out, t.detail(said)
	})
}

// alsoAbout writes the act once for each scope: its auditors read of theirs.
func (t *tx) alsoAbout(scopes []playlist.ID) error {
	for _, scope := range scopes {
		e := t.entry
		e.Place, e.Detail = scope, nil
		if err := audit.Append(t.ctx, t, e); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) publishOne(scope playlist.ID, g gathered) (Publication, error) {
	p := Publication{Scope: scope, Held: g.held}
	rows, err := edition.Rows(g.rows)
	if err != nil {
		return p, err
	}
	if p.Published, err = t.goLive(scope, g.rows); err != nil {
		return p, err
	}
	return t.addEdition(p, rows, g.withdrawn)
}

// publishedRows returns the catalogue of a scope's newest edition.
func publishedRows(ctx context.Context, r central.Reader, scope playlist.ID) (playlist.Rows, error) {
	e, err := r.Edition(ctx, scope, 0)
	if errors.Is(err, central.ErrNotFound) {
		return playlist.Rows{}, nil
	}
	if err != nil {
		return playlist.Rows{}, err
	}
	var rows []feed.Row
	if err := edition.Unpack(e.Snapshot, &rows); err != nil {
		return playlist.Rows{}, fmt.Errorf("edition %d of %s: %w", e.Number, scope, err)
	}
	return edition.Catalogue(rows)
}

// join puts two scopes' rows together. A file may be named by both.
func join(a, b playlist.Rows) playlist.Rows {
	a.Places = append(slices.Clone(a.Places), b.Places...)
	a.Displays = append(slices.Clone(a.Displays), b.Displays...)
	a.Layouts = append(slices.Clone(a.Layouts), b.Layouts...)
	a.Items = append(slices.Clone(a.Items), b.Items...)
	a.Versions = append(slices.Clone(a.Versions), b.Versions...)
	a.Media = append(slices.Clone(a.Media), b.Media...)
	a.Facts = append(slices.Clone(a.Facts), b.Facts...)
	a.Playlists = append(slices.Clone(a.Playlists), b.Playlists...)
	a.Schedules = append(slices.Clone(a.Schedules), b.Schedules...)
	a.Calendars = append(slices.Clone(a.Calendars), b.Calendars...)
	a.Mandatory = append(slices.Clone(a.Mandatory), b.Mandatory...)
	a.Notices = append(slices.Clone(a.Notices), b.Notices...)
	return a
}

// goLive moves the approved versions that are in rows to published, and those
// that they replace out of the way.
func (t *tx) goLive(scope playlist.ID, rows playlist.Rows) ([]playlist.ID, error) {
	shown := map[playlist.ID]bool{}
	for _, v := range rows.Versions {
		shown[v.ID] = v.State == playlist.Published
	}
	docs, err := t.List(t.ctx, central.Query{Kind: central.Versions, States: []string{string(playlist.Approved)}})
	if err != nil {
		return nil, err
	}
	var live []playlist.ID
	for _, doc := range docs {
		if !shown[doc.ID] || t.tree.scope(doc.Owner) != scope {
			continue
		}
		before, err := t.List(t.ctx, central.Query{Kind: central.Versions, Parent: doc.Parent, Name: doc.Name, States: []string{string(playlist.Published)}})
		if err != nil {
			return nil, err
		}
		for _, old := range before {
			if err := t.move(old, workflow.Supersede); err != nil {
				return nil, err
			}
		}
		if err := t.move(doc, workflow.Publish); err != nil {
			return nil, err
		}
		live = append(live, doc.ID)
	}
	return live, nil
}

func (t *tx) move(doc central.Doc, act workflow.Act) error {
	v, err := central.Decode[Version](doc)
	if err != nil {
		return err
	}
	to, err := workflow.Next(v.State, act)
	if err != nil {
		return err
	}
	_, err = t.setState(doc, v, to)
	return err
}

func (t *tx) addEdition(p Publication, rows []feed.Row, withdrawn []string) (Publication, error) {
	held, err := t.isHeld(t.roleOf(p.Scope))
	if err != nil {
		return p, err
	}
	p.Unheld = !held
	e, err := input(t.ctx, t, p.Scope, 0)
	if err != nil {
		return p, err
	}
	last := e.Number
	if last > 0 {
		var old []feed.Row
		if err := edition.Unpack(e.Older[0].Snapshot, &old); err != nil {
			return p, err
		}
		if feed.Sum(old) == feed.Sum(rows) {
			p.Number, p.Unchanged, p.Rows = last, true, len(rows)
			return p, nil
		}
	}
	number, err := nextNumber(t.ctx, t, p.Scope, last)
	if err != nil {
		return p, err
	}
	e.Scope, e.Number, e.At, e.Rows, e.Withdrawn = string(p.Scope), number, t.now, rows, withdrawn
	built, err := publish.Build(e)
	if err != nil {
		return p, err
	}
	p.Number, p.Rows, p.Withdrawn = e.Number, len(rows), len(withdrawn)
	t.after = append(t.after, t.d.distribute)
	if _, err := t.propose(t.roleOf(p.Scope), built.HeadRaw, p.Number, nil); err != nil {
		return p, err
	}
	return p, t.AddEdition(t.ctx, central.Edition{Scope: p.Scope, Number: p.Number, Head: built.HeadRaw, Snapshot: built.Snapshot, At: t.now, By: t.by.Account}, publish.Kept)
}

// input returns what a scope's editions before number (0: all) leave for the one
// that comes after: the last head and the kept snapshots.
func input(ctx context.Context, r central.Reader, scope playlist.ID, before int64) (publish.Edition, error) {
	all, err := r.Editions(ctx, scope, publish.Kept+1)
	if err != nil {
		return publish.Edition{}, err
	}
	var e publish.Edition
	for _, old := range all {
		if before > 0 && old.Number >= before || len(e.Older) == publish.Deltas {
			continue
		}
		full, err := r.Edition(ctx, scope, old.Number)
		if err != nil {
			return e, err
		}
		if len(e.Older) == 0 {
			e.Number, e.Previous = full.Number, full.Head
		}
		e.Older = append(e.Older, publish.Older{Number: full.Number, Snapshot: full.Snapshot})
	}
	return e, nil
}

// rebuild makes the newest edition of a scope again from the database, byte for
// byte.
func rebuild(ctx context.Context, r central.Reader, scope playlist.ID) (*publish.Built, []playlist.Media, error) {
	newest, err := r.Edition(ctx, scope, 0)
	if err != nil {
		return nil, nil, err
	}
	e, err := input(ctx, r, scope, newest.Number)
	if err != nil {
		return nil, nil, err
	}
	if err := edition.Unpack(newest.Snapshot, &e.Rows); err != nil {
		return nil, nil, err
	}
	e.Scope, e.Number, e.At = string(scope), newest.Number, newest.At
	for _, row := range e.Rows {
		if row.Kind == "version" && isWithdrawn(row.Row) {
			e.Withdrawn = append(e.Withdrawn, row.ID)
		}
	}
	built, err := publish.Build(e)
	if err != nil {
		return nil, nil, err
	}
	if err := built.As(newest.Head, newest.Snapshot); err != nil {
		return nil, nil, err
	}
	files, err := publish.FilesOf(e.Rows)
	return built, files, err
}

func isWithdrawn(raw []byte) bool {
	v, err := central.Decode[playlist.Version](central.Doc{Body: raw})
	return err == nil && v.State == playlist.Withdrawn
}

// WriteEditions writes the newest edition of every scope as static files, as
// far as they are not there. It is what makes a publication visible; it may be
// cut off at any moment and done again.
func (d *Desk) WriteEditions(ctx context.Context, to publish.Public) ([]playlist.ID, error) {
	scopes, err := d.Scopes(ctx)
	if err != nil {
		return nil, err
	}
	d.writing.Lock()
	defer d.writing.Unlock()
	signed, err := d.SignedHeads(ctx)
	if err != nil {
		return nil, err
	}
	var written []playlist.ID
	var errs []error
	for _, s := range scopes { // one that is damaged must not hold up the others
		var built *publish.Built
		var files []playlist.Media
		err := d.Store.Read(ctx, func(r central.Reader) (err error) {
			newest, err := r.Edition(ctx, s.ID, 0)
			if err != nil {
				return err
			}
			if to.Whole(&publish.Built{Head: feed.Head{Scope: string(s.ID), Number: newest.Number}, HeadRaw: newest.Head}) {
				return nil
			}
			built, files, err = rebuild(ctx, r, s.ID)
			return err
		})
		if errors.Is(err, central.ErrNotFound) || err == nil && built == nil {
			continue
		}
		if err == nil {
			err = errors.Join(to.Write(ctx, built, files), to.Prune(string(s.ID), built.Head.Number, signed[s.ID]))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("edition of %s: %w", s.ID, err))
			continue
		}
		written = append(written, s.ID)
	}
	return written, errors.Join(errs...)
}

// Expire moves published versions whose item's time is over out of the way.
func (d *Desk) Expire(ctx context.Context) (int, error) {
	worker := Caller{Account: Console, Login: "worker", From: "hub"}
	var due []playlist.ID
	err := d.read(ctx, func(r central.Reader, _ *tree) error {
		docs, err := r.List(ctx, central.Query{Kind: central.Items})
		if err != nil {
			return err
		}
		for _, doc := range docs {
			shown, err := approvedRow(ctx, r, doc) // not what somebody wants it to be
			if err != nil {
				return err
			}
			if shown == nil {
				continue
			}
			i, err := central.Decode[playlist.Item](*shown)
			if err != nil {
				return err
			}
			if i.ValidUntil != nil && !d.Now().Before(*i.ValidUntil) {
				due = append(due, i.ID)
			}
		}
		return nil
	})
	n := 0
	for _, item := range due {
		if err != nil {
			return n, err
		}
		var docs []central.Doc
		err = d.Store.Read(ctx, func(r central.Reader) (err error) {
			docs, err = r.List(ctx, central.Query{Kind: central.Versions, Parent: item, States: []string{string(playlist.Published)}})
			return err
		})
		if err != nil || len(docs) == 0 {
			continue
		}
		_, err = do(ctx, d, worker, "expire", func(t *tx) (struct{}, error) {
			t.about(central.Items, item, docs[0].Owner)
			for _, doc := range docs {
				if err := t.move(doc, workflow.Expire); err != nil {
					return struct{}{}, err
				}
				n++
			}
			return struct{}{}, nil
		})
	}
	return n, err
}

// Sweep removes what is no longer needed: answers to old requests, sessions and
// uploads that ended, jobs done a month ago. It returns the uploads' ids.
func (d *Desk) Sweep(ctx context.Context) (uploads []playlist.ID, err error) {
	now := d.Now()
	err = d.Store.Write(ctx, func(tx central.Tx) error {
		for _, q := range []central.Query{{Kind: central.Answers, Due: now}, {Kind: central.Sessions, Due: now}, {Kind: central.Uploads, Due: now}, {Kind: central.Pairings, Due: now}, {Kind: central.Messages, Due: now},
			{Kind: central.Jobs, States: []string{JobDone}}} {
			q.Limit = 1000
			docs, err := tx.List(ctx, q)
			if err != nil {
				return err
			}
			for _, doc := range docs {
				if q.Kind == central.Jobs && now.Sub(doc.At) < 30*24*time.Hour {
					continue
				}
				if q.Kind == central.Uploads {
					uploads = append(uploads, doc.ID)
				}
				if err := tx.Delete(ctx, doc.Kind, doc.ID, doc.Rev, now, ""); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return uploads, err
}
