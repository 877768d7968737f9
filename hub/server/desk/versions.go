package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"

	"cotmoc/hub/prepare"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/rights"
	"cotmoc/hub/server/workflow"
	"cotmoc/playlist"
)

// Version is a version of an item with what the hub knows of its making. What
// it says never changes once it was submitted.
type Version struct {
	playlist.Version
	Number    int           `json:"number"` // 1, 2, … of its item and language
	Authors   []playlist.ID `json:"authors"`
	Replaces  playlist.ID   `json:"replaces,omitempty"`
	Submitted *time.Time    `json:"submitted,omitempty"`
	Missing   string        `json:"missing,omitempty"` // characters that no screen can draw
	Why       string        `json:"why,omitempty"`     // it was withdrawn
}

// coming are the states of a version on its way to the screens.
var coming = []string{string(playlist.Draft), string(playlist.InReview), string(playlist.Approved)}

// CreateVersion makes a draft. Whoever may write at the item's owner may; a
// translator may where the version names the one that it translates.
func (d *Desk) CreateVersion(ctx context.Context, by Caller, v playlist.Version) (central.Doc, error) {
	return doPrepared(ctx, d, by, "create version", func(t *tx) (central.Doc, error) { return t.createVersion(v) })
}

func (t *tx) createVersion(v playlist.Version) (central.Doc, error) {
	if v.ID == "" {
		v.ID = NewID()
	}
	t.about(central.Versions, v.ID, "")
	item, err := t.Get(t.ctx, central.Items, v.Item)
	if err != nil {
		return central.Doc{}, err
	}
	t.about(central.Versions, v.ID, item.Owner)
	if err := t.mayWrite(v, item.Owner); err != nil {
		return central.Doc{}, err
	}
	full := Version{Version: v, Authors: []playlist.ID{t.by.Account}}
	return t.newDraft(full, item.Owner)
}

// newDraft numbers and keeps a draft; there is one version on its way at a time.
func (t *tx) newDraft(v Version, owner playlist.ID) (central.Doc, error) {
	same, err := t.List(t.ctx, central.Query{Kind: central.Versions, Parent: v.Item, Name: string(v.Language)})
	if err != nil {
		return central.Doc{}, err
	}
	for _, o := range same {
		if slices.Contains(coming, o.State) {
			return central.Doc{}, fmt.Errorf("version %s in %s is %s: %w: go on with that one", o.ID, v.Language, o.State, central.ErrExists)
		}
	}
	if err := t.roomForDraft(v, owner, len(same)); err != nil {
		return central.Doc{}, err
	}
	v.Number, v.State, v.Submitted, v.Why = len(same)+1, playlist.Draft, nil, ""
	doc := central.Doc{Kind: central.Versions, ID: v.ID, Owner: owner, Parent: v.Item, Name: string(v.Language)}
	return t.keepVersion(doc, v)
}

// keepVersion checks and prepares what a version says, and writes it.
func (t *tx) keepVersion(doc central.Doc, v Version) (central.Doc, error) {
	if err := t.prepare(&v); err != nil {
		return doc, err
	}
	doc.State = string(v.State)
	if err := doc.Encode(v); err != nil {
		return doc, err
	}
	doc, err := t.put(doc)
	if err == nil && doc.Rev%keptDrafts == 0 { // what was submitted is kept for ever
		err = t.TrimHistory(t.ctx, central.Versions, doc.ID, string(playlist.Draft), keptDrafts)
	}
	return doc, err
}

// prepare makes the display copy of the text and looks for characters that no
// font draws. Drafts may have such; they cannot be submitted.
func (t *tx) prepare(v *Version) error {
	checked, err := playlist.NewVersion(v.Version)
	if err != nil {
		return err
	}
	if _, err := language.Parse(string(v.Language)); err != nil {
		return &playlist.Error{Code: playlist.CodeLanguage, Where: "version " + string(v.ID), Detail: fmt.Sprintf("language %q is not known: %v", v.Language, err)}
	}
	if v.BaseVersion != "" {
		base, err := t.Get(t.ctx, central.Versions, v.BaseVersion)
		if err != nil {
			return err
		}
		if base.Parent != v.Item || base.Name == string(v.Language) {
			return &playlist.Error{Code: playlist.CodeInvalid, Where: "version " + string(v.ID), Detail: "the base version is not the same item in another language"}
		}
	}
	if v.Display != "" && prepare.Bare(v.Display) != prepare.Bare(v.Text) {
		return &playlist.Error{Code: playlist.CodeInvalid, Where: "version " + string(v.ID), Detail: "display differs from text by more than line-break marks"}
	}
	_, was, err := central.Load[playlist.Version](t.ctx, t, central.Versions, v.ID)
	if err != nil && !errors.Is(err, central.ErrNotFound) {
		return err
	}
	for _, h := range checked.Files() {
		doc, f, err := central.Load[File](t.ctx, t, central.Files, playlist.ID(h))
		if errors.Is(err, central.ErrNotFound) {
			return &playlist.Error{Code: playlist.CodeMissing, Where: "version " + string(v.ID), Detail: fmt.Sprintf("the file %.12s… was not taken in", h)}
		} else if err != nil {
			return err
		}
		if err := t.mayTake(doc, f, was.Files()); err != nil {
			return err
		}
		if checked.Text == "" { // the words of a document are found by search
			checked.Text = f.Text
		}
	}
	checked.Title, checked.Summary, checked.Text = norm.NFC.String(checked.Title), norm.NFC.String(checked.Summary), norm.NFC.String(checked.Text)
	checked.Display, checked.DisplayBy = "", ""
	var missing []rune
	if checked.Text != "" {
		marked := checked.Text
		if v.Display != "" {
			marked = v.Display // with the breaks that staff allowed and forbade
		}
		c, err := t.displayCopy(checked.Language, marked)
		if err != nil {
			return err
		}
		checked.Display, checked.DisplayBy, missing = c.Display, c.ICU, c.missing
	}
	checked.State = v.State
	v.Version = checked
	v.Missing = together(t.d.Fonts.Missing(checked.Title+checked.Summary), missing)
	return nil
}

// mayWrite asks for the right to write, or to translate where it is a translation.
func (t *tx) mayWrite(v playlist.Version, owner playlist.ID) error {
	if v.BaseVersion == "" || t.need(rights.Write, owner) == nil {
		return t.need(rights.Write, owner)
	}
	if err := t.need(rights.Translate, owner); err != nil {
		return err
	}
	same, err := t.List(t.ctx, central.Query{Kind: central.Versions, Parent: v.Item, Name: string(v.Language)})
	if err != nil {
		return err
	}
	for _, doc := range same { // the text itself is not theirs to write
		if old, err := central.Decode[Version](doc); err != nil || old.BaseVersion == "" {
			return errors.Join(err, &Refusal{Act: rights.Write, Place: owner})
		}
	}
	return nil
}

// version loads a version for an act on revision rev of it.
func (t *tx) version(id playlist.ID, rev int64) (central.Doc, Version, error) {
	t.about(central.Versions, id, "")
	doc, v, err := central.Load[Version](t.ctx, t, central.Versions, id)
	if err != nil {
		return doc, v, err
	}
	t.about(central.Versions, id, doc.Owner)
	if doc.Rev != rev {
		return doc, v, fmt.Errorf("version %s: %w: it is at revision %d since %s, not at %d", id, central.ErrChanged, doc.Rev, doc.At.Format(time.RFC3339), rev)
	}
	return doc, v, nil
}

// EditVersion changes what a version says. A draft is changed in place. Of a
// version that was submitted a new draft is made, and its review begins anew:
// what is in review or approved is taken back, what is published stays on the
// screens until the new one replaces it.
func (d *Desk) EditVersion(ctx context.Context, by Caller, id playlist.ID, rev int64, now playlist.Version) (central.Doc, error) {
	return doPrepared(ctx, d, by, "edit version", func(t *tx) (central.Doc, error) {
		doc, v, err := t.version(id, rev)
		if err != nil {
			return doc, err
		}
		if now.Item != v.Item || now.Language != v.Language || now.ID != id && now.ID != "" {
			return doc, &playlist.Error{Code: playlist.CodeInvalid, Where: "version " + string(id), Detail: "id, item and language of a version never change"}
		}
		// The old base decides as well: naming one must not open a text to
		// those who may only translate.
		if err := errors.Join(t.mayWrite(v.Version, doc.Owner), t.mayWrite(now, doc.Owner)); err != nil {
			return doc, err
		}
		state, err := workflow.Next(v.State, workflow.Edit)
		if err != nil {
			return doc, err
		}
		now.ID, now.State = id, playlist.Draft
		if v.State == playlist.Draft {
			v.Version = now
			v.Authors = with(v.Authors, t.by.Account)
			return t.keepVersion(doc, v)
		}
		return t.replace(doc, v, state, now)
	})
}

// replace makes a draft that takes a submitted version's place. Until one is
// published, all who wrote it remain its authors.
func (t *tx) replace(doc central.Doc, v Version, state playlist.State, now playlist.Version) (central.Doc, error) {
	authors := []playlist.ID{t.by.Account}
	if v.State != playlist.Published {
		authors = with(v.Authors, t.by.Account)
		if _, err := t.setState(doc, v, state); err != nil {
			return doc, err
		}
	}
	now.ID = NewID()
	return t.newDraft(Version{Version: now, Authors: authors, Replaces: v.ID}, doc.Owner)
}

func with(list []playlist.ID, id playlist.ID) []playlist.ID {
	if slices.Contains(list, id) {
		return list
	}
	return append(slices.Clone(list), id)
}

// setState moves a version and changes nothing that it says.
func (t *tx) setState(doc central.Doc, v Version, to playlist.State) (central.Doc, error) {
	v.State = to
	doc.State = string(to)
	if err := doc.Encode(v); err != nil {
		return doc, err
	}
	return t.put(doc)
}

// DeleteVersion removes a draft that was never submitted.
func (d *Desk) DeleteVersion(ctx context.Context, by Caller, id playlist.ID, rev int64) error {
	_, err := do(ctx, d, by, "delete version", func(t *tx) (struct{}, error) {
		doc, v, err := t.version(id, rev)
		if err != nil {
			return struct{}{}, err
		}
		if err := t.mayWrite(v.Version, doc.Owner); err != nil {
			return struct{}{}, err
		}
		if v.State != playlist.Draft {
			return struct{}{}, &playlist.Error{Code: playlist.CodeRefused, Where: "version " + string(id), Detail: "only a draft can be deleted"}
		}
		return struct{}{}, t.drop(central.Versions, id, rev)
	})
	return err
}

// Submit hands a draft to its reviewers. From here on what it says is fixed.
func (d *Desk) Submit(ctx context.Context, by Caller, id playlist.ID, rev int64) (central.Doc, error) {
	return doPrepared(ctx, d, by, "submit version", func(t *tx) (central.Doc, error) {
		doc, v, err := t.version(id, rev)
		if err != nil {
			return doc, err
		}
		if err := t.mayWrite(v.Version, doc.Owner); err != nil {
			return doc, err
		}
		state, err := workflow.Next(v.State, workflow.Submit)
		if err != nil {
			return doc, err
		}
		if err := t.prepare(&v); err != nil { // a document's words may have come since
			return doc, err
		}
		if err := t.complete(v); err != nil {
			return doc, err
		}
		now := t.now
		v.Submitted = &now
		return t.setState(doc, v, state)
	})
}

// complete says whether a version can be shown as it is.
func (t *tx) complete(v Version) error {
	bad := func(format string, args ...any) error {
		return &playlist.Error{Code: playlist.CodeInvalid, Where: "version " + string(v.ID), Detail: fmt.Sprintf(format, args...)}
	}
	if strings.TrimSpace(v.Title) == "" && v.Language != playlist.Wordless {
		return bad("it has no title")
	}
	if strings.TrimSpace(v.Text) == "" && len(v.Media) == 0 {
		return bad("it has neither text nor a file")
	}
	if v.Missing != "" {
		return bad("no screen can draw %q", v.Missing)
	}
	files := 0
	for _, h := range v.Files() {
		_, f, err := central.Load[File](t.ctx, t, central.Files, playlist.ID(h))
		if err != nil {
			return err
		}
		if files += max(1, len(f.Pages)); files > 100 {
			return bad("its documents have more than 100 pages together: make several items of it")
		}
		switch f.State {
		case FileReady:
		case FileFailed:
			return bad("the file %s cannot be shown: %s", f.Name, f.Problem)
		default:
			return bad("the file %s is still being worked on", f.Name)
		}
	}
	return nil
}

// Withdraw takes a version back: with the next edition it leaves the screens.
func (d *Desk) Withdraw(ctx context.Context, by Caller, id playlist.ID, rev int64, why string) (central.Doc, error) {
	withdraw := func() (central.Doc, error) { return d.withdraw(ctx, by, id, rev, why) }
	if mayHurry(by, rights.Withdraw) {
		return urgently(&d.way, withdraw)
	}
	return withdraw()
}

func (d *Desk) withdraw(ctx context.Context, by Caller, id playlist.ID, rev int64, why string) (central.Doc, error) {
	return do(ctx, d, by, "withdraw version", func(t *tx) (central.Doc, error) {
		doc, v, err := t.version(id, rev)
		if err != nil {
			return doc, err
		}
		if err := t.need(rights.Withdraw, doc.Owner); err != nil {
			return doc, err
		}
		if len([]rune(strings.TrimSpace(why))) < 3 || len(why) > 4000 {
			return doc, &playlist.Error{Code: playlist.CodeInvalid, Where: "withdrawal", Detail: "it needs a reason of 3 to 4000 characters"}
		}
		state, err := workflow.Next(v.State, workflow.Withdraw)
		if err != nil {
			return doc, err
		}
		v.Why = why
		t.after = append(t.after, d.distribute) // the duty officers' word goes out at once
		if err := t.detail(map[string]any{"why": why}); err != nil {
			return doc, err
		}
		return t.setState(doc, v, state)
	})
}
