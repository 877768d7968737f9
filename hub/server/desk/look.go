package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"cotmoc/hub/server/audit"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/rights"
	"cotmoc/hub/server/workflow"
	"cotmoc/playlist"
)

// mayRead says whether a caller may see a version: what is published is for
// everyone here, what is not for those who work at its place or above.
func mayRead(by Caller, places *tree, doc central.Doc) bool {
	if doc.State == string(playlist.Published) || by.Account == Console {
		return true
	}
	_, ok := rights.Find(by.Grants, rights.Read, doc.Owner, places)
	return ok
}

// Version returns a version that the caller may read. One that they may not is
// as if it did not exist.
func (d *Desk) Version(ctx context.Context, by Caller, id playlist.ID) (central.Doc, Version, error) {
	var doc central.Doc
	var v Version
	err := d.read(ctx, func(r central.Reader, places *tree) (err error) {
		if doc, v, err = central.Load[Version](ctx, r, central.Versions, id); err == nil && !mayRead(by, places, doc) {
			return &Refusal{Act: rights.Read, Place: doc.Owner}
		}
		return err
	})
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		err = errors.Join(fmt.Errorf("version %q: %w", id, central.ErrNotFound), d.refused(ctx, by, refusal, "read version", central.Versions, id))
	}
	return doc, v, err
}

// refused records an attempt that was refused while reading.
func (d *Desk) refused(ctx context.Context, by Caller, r *Refusal, act string, kind central.Kind, id playlist.ID) error {
	e := audit.Entry{At: d.Now(), By: by.Account, Name: by.Login, From: by.From, Act: act, Kind: kind, ID: id, Place: r.Place, Outcome: audit.Refused}
	return d.record(context.WithoutCancel(ctx), e)
}

// Versions returns the versions of an item that the caller may read, the oldest
// first.
func (d *Desk) Versions(ctx context.Context, by Caller, item playlist.ID) ([]central.Doc, error) {
	var out []central.Doc
	err := d.read(ctx, func(r central.Reader, places *tree) error {
		if _, err := r.Get(ctx, central.Items, item); err != nil {
			return err
		}
		docs, err := r.List(ctx, central.Query{Kind: central.Versions, Parent: item})
		for _, doc := range docs {
			if mayRead(by, places, doc) {
				out = append(out, doc)
			}
		}
		return err
	})
	return out, err
}

// Waiting is something in the review queue.
type Waiting struct {
	Kind     central.Kind         `json:"kind"`
	ID       playlist.ID          `json:"id"`
	Rev      int64                `json:"rev"`
	Owner    playlist.ID          `json:"owner"`
	Item     playlist.ID          `json:"item,omitempty"`
	Language playlist.Language    `json:"language,omitempty"`
	Title    string               `json:"title"`
	Class    string               `json:"class,omitempty"`
	Authors  []playlist.ID        `json:"authors"`
	Needed   []playlist.PlaceKind `json:"needed"`            // approvals that are missing
	Mine     bool                 `json:"mine"`              // the caller may approve it now
	WhyNot   string               `json:"why_not,omitempty"` // else
}

// Queue lists what waits for a review at places where the caller may review.
func (d *Desk) Queue(ctx context.Context, by Caller) ([]Waiting, error) {
	out := []Waiting{}
	err := d.read(ctx, func(r central.Reader, places *tree) error {
		t := &tx{Tx: readOnly{r}, ctx: ctx, d: d, by: by, tree: places, now: d.Now()}
		for _, kind := range []central.Kind{central.Notices, central.Versions, central.Items, central.Facts} {
			docs, err := r.List(ctx, central.Query{Kind: kind, States: []string{string(playlist.InReview)}})
			if err != nil {
				return err
			}
			for _, doc := range docs {
				if _, err := t.level(doc.Owner); err != nil {
					continue
				}
				w, err := t.waiting(doc)
				if err != nil {
					return err
				}
				if w != nil {
					out = append(out, *w)
				}
			}
		}
		return nil
	})
	return out, err
}

// readOnly lets code that needs a transaction to look around run on a reader.
type readOnly struct{ central.Reader }

func (readOnly) Put(context.Context, central.Doc) (central.Doc, error) {
	return central.Doc{}, errReadOnly
}
func (readOnly) Delete(context.Context, central.Kind, playlist.ID, int64, time.Time, playlist.ID) error {
	return errReadOnly
}
func (readOnly) TrimHistory(context.Context, central.Kind, playlist.ID, string, int) error {
	return errReadOnly
}
func (readOnly) AppendAudit(context.Context, central.AuditRow) error     { return errReadOnly }
func (readOnly) AddCheckpoint(context.Context, central.Checkpoint) error { return errReadOnly }
func (readOnly) AddEdition(context.Context, central.Edition, int) error  { return errReadOnly }

var errReadOnly = errors.New("this is for looking only")

func (t *tx) describeNotice(doc central.Doc, w *Waiting) (workflow.Class, error) {
	row, err := central.Decode[playlist.Notice](doc)
	if err != nil {
		return workflow.Class{}, err
	}
	w.Title, w.Language, w.Class = row.Bodies[playlist.Vietnamese].Title, playlist.Vietnamese, NoticeClass
	if w.Authors, err = t.authorsSince(doc); err != nil {
		return workflow.Class{}, err
	}
	return t.class(NoticeClass)
}

// waiting describes a document in review; nil for an item that was never shown,
// which is approved together with its first version. A gate card has no version:
// its words are the program's own.
func (t *tx) waiting(doc central.Doc) (*Waiting, error) {
	w := &Waiting{Kind: doc.Kind, ID: doc.ID, Rev: doc.Rev, Owner: doc.Owner}
	subject := playlist.ID(fmt.Sprintf("%s/%s@%d", doc.Kind, doc.ID, doc.Rev))
	var class workflow.Class
	var err error
	switch doc.Kind {
	case central.Versions:
		subject = doc.ID
		class, err = t.describeVersion(doc, w)
	case central.Items:
		row, err := central.Decode[playlist.Item](doc)
		if err != nil {
			return nil, err
		}
		shown, err := approvedRow(t.ctx, t, doc)
		if err != nil {
			return nil, err
		}
		if shown == nil && row.Kind != playlist.Fact {
			waiting, err := t.Count(t.ctx, central.Query{Kind: central.Versions, Parent: doc.ID, States: []string{string(playlist.Approved), string(playlist.Published)}})
			if err != nil || waiting == 0 {
				return nil, err
			}
		}
		w.Item, w.Title, w.Class = doc.ID, string(doc.ID), row.Class
		if class, err = t.classOf(doc, row); err != nil {
			return nil, err
		}
		w.Authors, err = t.authorsSince(doc)
		if err != nil {
			return nil, err
		}
	case central.Notices:
		class, err = t.describeNotice(doc, w)
	default:
		row, err := central.Decode[playlist.GateFact](doc)
		if err != nil {
			return nil, err
		}
		w.Title, w.Language = row.Value.In(playlist.Vietnamese, nil)
		if w.Title == "" {
			w.Title = string(row.Kind)
		}
		w.Class = GateFactClass
		if class, err = t.class(GateFactClass); err != nil {
			return nil, err
		}
		if w.Authors, err = t.authorsSince(doc); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	return w, t.mine(w, subject, class)
}

func (t *tx) describeVersion(doc central.Doc, w *Waiting) (workflow.Class, error) {
	v, err := central.Decode[Version](doc)
	if err != nil {
		return workflow.Class{}, err
	}
	item, row, err := central.Load[playlist.Item](t.ctx, t, central.Items, v.Item)
	if err != nil {
		return workflow.Class{}, err
	}
	w.Item, w.Language, w.Title, w.Class, w.Authors = v.Item, v.Language, v.Title, row.Class, v.Authors
	return t.classOf(item, row)
}

// mine says what is still needed, and whether the caller can give it.
func (t *tx) mine(w *Waiting, subject playlist.ID, class workflow.Class) error {
	given, err := reviewsOf(t.ctx, t, subject)
	if err != nil {
		return err
	}
	w.Needed = workflow.Needed(class, t.tree.Places[w.Owner].Kind, given)
	level, err := t.level(w.Owner)
	switch {
	case err != nil:
		w.WhyNot = err.Error()
	case slices.Contains(w.Authors, t.by.Account):
		w.WhyNot = "author"
	case slices.ContainsFunc(given, func(r workflow.Review) bool { return r.By == t.by.Account }):
		w.WhyNot = "approved already"
	case !workflow.Useful(w.Needed, level):
		w.WhyNot = "level"
	default:
		w.Mine = true
	}
	return nil
}

// Comparison is a version beside what is published in its language.
type Comparison struct {
	Version   playlist.ID       `json:"version"`
	Published playlist.ID       `json:"published,omitempty"` // empty: nothing is
	Changes   []workflow.Change `json:"changes"`
}

// Diff compares a version with what the screens show in its language now.
func (d *Desk) Diff(ctx context.Context, by Caller, id playlist.ID) (Comparison, error) {
	out := Comparison{Version: id}
	_, v, err := d.Version(ctx, by, id)
	if err != nil {
		return out, err
	}
	var live Version
	err = d.Store.Read(ctx, func(r central.Reader) error {
		docs, err := r.List(ctx, central.Query{Kind: central.Versions, Parent: v.Item, Name: string(v.Language), States: []string{string(playlist.Published)}})
		if err != nil || len(docs) == 0 {
			return err
		}
		live, err = central.Decode[Version](docs[0])
		return err
	})
	out.Published, out.Changes = live.ID, workflow.Diff(live.Version, v.Version)
	return out, err
}

// Translation is a row of the matrix of items and languages.
type Translation struct {
	Item  playlist.ID     `json:"item"`
	Owner playlist.ID     `json:"owner"`
	Title string          `json:"title"`
	Cells []workflow.Cell `json:"cells"`
}

// Translations is a page of the matrix: items below a place, each with its
// standing in the languages wanted there.
func (d *Desk) Translations(ctx context.Context, by Caller, under, after playlist.ID, limit int) (rows []Translation, next playlist.ID, err error) {
	page, err := d.Rows(ctx, by, central.Query{Kind: central.Items, After: after, Limit: limit}, under)
	if err != nil {
		return nil, "", err
	}
	rows = []Translation{}
	err = d.read(ctx, func(r central.Reader, places *tree) error {
		for _, item := range page.Docs {
			docs, err := r.List(ctx, central.Query{Kind: central.Versions, Parent: item.ID})
			if err != nil {
				return err
			}
			row := Translation{Item: item.ID, Owner: item.Owner}
			var readable []central.Doc
			for _, doc := range docs {
				v, err := central.Decode[Version](doc)
				if err != nil {
					return err
				}
				if !mayRead(by, places, doc) {
					continue
				}
				readable = append(readable, doc)
				if row.Title == "" || v.Language == playlist.Vietnamese {
					row.Title = v.Title
				}
			}
			versions, err := inTime(readable)
			if err != nil {
				return err
			}
			row.Cells = workflow.Cells(versions, places.LanguagesOf(item.Owner))
			rows = append(rows, row)
		}
		return nil
	})
	return rows, page.Next, err
}

// Remarks are the reviews and comments of a version.
type Remarks struct {
	Reviews  []workflow.Review `json:"reviews"`
	Comments []Comment         `json:"comments"`
}

// Remarks lists what was said of a version that the caller may read.
func (d *Desk) Remarks(ctx context.Context, by Caller, id playlist.ID) (Remarks, error) {
	out := Remarks{Reviews: []workflow.Review{}, Comments: []Comment{}}
	if _, _, err := d.Version(ctx, by, id); err != nil {
		return out, err
	}
	err := d.Store.Read(ctx, func(r central.Reader) error {
		reviews, err1 := reviewsOf(ctx, r, id)
		comments, err2 := central.All[Comment](ctx, r, central.Query{Kind: central.Comments, Parent: id})
		out.Reviews, out.Comments = append(out.Reviews, reviews...), append(out.Comments, comments...)
		return errors.Join(err1, err2)
	})
	return out, err
}

// AuditPage returns rows of the audit about places where the caller may read
// it; rows about no place are for the auditors of the ministry.
func (d *Desk) AuditPage(ctx context.Context, by Caller, after int64, limit int) (rows []json.RawMessage, next int64, err error) {
	rows = []json.RawMessage{}
	err = d.read(ctx, func(r central.Reader, places *tree) error {
		t := &tx{ctx: ctx, d: d, by: by, tree: places}
		if !slices.ContainsFunc(by.Grants, func(g rights.Grant) bool { return g.Role.Allows(rights.Audit) }) && by.Account != Console {
			return &Refusal{Act: rights.Audit, Place: places.root}
		}
		full := errors.New("the page is full")
		err := r.Audit(ctx, after, 0, func(a central.AuditRow) error {
			var e audit.Entry
			if err := json.Unmarshal(a.Row, &e); err != nil {
				return err
			}
			at := e.Place
			if _, known := places.Places[at]; !known {
				at = places.root
			}
			if t.need(rights.Audit, at) != nil {
				return nil
			}
			if len(rows) == limit {
				return full
			}
			rows, next = append(rows, slices.Clone(a.Row)), a.Seq
			return nil
		})
		if errors.Is(err, full) {
			return nil
		}
		next = 0
		return err
	})
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		err = errors.Join(err, d.refused(ctx, by, refusal, "read audit", "audit", ""))
	}
	return rows, next, err
}

// Login returns an account's login, for people to read; its id if it is gone.
func (d *Desk) Login(ctx context.Context, id playlist.ID) string {
	if id == Console {
		return string(Console)
	}
	if _, a, err := d.Account(ctx, id); err == nil {
		return a.Login
	}
	return string(id)
}

// Place returns a place of the tree.
func (d *Desk) Place(ctx context.Context, id playlist.ID) (p playlist.Place, err error) {
	err = d.read(ctx, func(_ central.Reader, places *tree) error {
		var ok bool
		if p, ok = places.Places[id]; !ok {
			return fmt.Errorf("place %q: %w", id, central.ErrNotFound)
		}
		return nil
	})
	return p, err
}

// Root returns the ministry's place, empty in a new database.
func (d *Desk) Root(ctx context.Context) (root playlist.ID, err error) {
	err = d.read(ctx, func(_ central.Reader, places *tree) error { root = places.root; return nil })
	return root, err
}

// Below lists a place and every place below it.
func (d *Desk) Below(ctx context.Context, place playlist.ID) (out []playlist.ID, err error) {
	err = d.read(ctx, func(_ central.Reader, places *tree) error {
		if _, ok := places.Places[place]; !ok {
			return fmt.Errorf("place %s: %w", place, central.ErrNotFound)
		}
		out = places.below(place)
		return nil
	})
	return out, err
}
