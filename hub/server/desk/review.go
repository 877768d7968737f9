package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/rights"
	"cotmoc/hub/server/workflow"
	"cotmoc/playlist"
)

// Approval names the revision of an item or a gate fact that may be shown.
type Approval struct {
	Rev int64 `json:"rev"`
}

func approvalID(kind central.Kind, id playlist.ID) playlist.ID { return playlist.ID(kind) + "/" + id }

// Verdict is what became of a review.
type Verdict struct {
	Doc    central.Doc          `json:"-"`
	Rev    int64                `json:"rev"`
	State  playlist.State       `json:"state"`
	Needed []playlist.PlaceKind `json:"needed,omitempty"` // approvals that are still missing
	Draft  playlist.ID          `json:"draft,omitempty"`  // made for the author after a rejection
}

// level is the highest level for which the caller may review at a place.
func (t *tx) level(owner playlist.ID) (playlist.PlaceKind, error) {
	best := playlist.Other
	found := false
	for _, g := range t.by.Grants {
		if _, ok := rights.Find([]rights.Grant{g}, rights.Review, owner, t.tree); ok {
			if k := t.tree.Places[g.Place].Kind; !found || levels[k] > levels[best] {
				best, found = k, true
			}
		}
	}
	if !found {
		return "", &Refusal{Act: rights.Review, Place: owner}
	}
	return best, nil
}

// class is what decides the reviewers of an item; an item without a class, or
// of one that is gone, needs the province.
func (t *tx) class(id string) (workflow.Class, error) {
	_, c, err := central.Load[workflow.Class](t.ctx, t, central.Classes, playlist.ID(id))
	if errors.Is(err, central.ErrNotFound) {
		return workflow.Class{Levels: []playlist.PlaceKind{playlist.Province}}, nil
	}
	return c, err
}

// reviews lists what was said of a version (or of a revision of an item or fact).
func reviewsOf(ctx context.Context, r central.Reader, subject playlist.ID) ([]workflow.Review, error) {
	return central.All[workflow.Review](ctx, r, central.Query{Kind: central.Reviews, Parent: subject})
}

// approve records the caller's approval of a subject and returns what is still
// needed. Authors never approve, and nobody approves twice.
func (t *tx) approve(subject, owner playlist.ID, class workflow.Class, authors []playlist.ID) ([]playlist.PlaceKind, error) {
	level, err := t.level(owner)
	if err != nil {
		return nil, err
	}
	refuse := func(why string) error { return &Refusal{Act: rights.Review, Place: owner, Why: why} }
	if slices.Contains(authors, t.by.Account) {
		return nil, refuse("you wrote this version: another person must approve it")
	}
	given, err := reviewsOf(t.ctx, t, subject)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(given, func(r workflow.Review) bool { return r.By == t.by.Account }) {
		return nil, refuse("you have approved this already: another person must do it too")
	}
	kind := t.tree.Places[owner].Kind
	// Where nothing is needed any more, because the class changed meanwhile, the
	// next approval completes it.
	if still := workflow.Needed(class, kind, given); len(still) > 0 && !workflow.Useful(still, level) {
		return nil, refuse(fmt.Sprintf("content of the class %q needs approval from a higher level than %s", class.ID, level))
	}
	review := workflow.Review{ID: NewID(), Version: subject, By: t.by.Account, Level: level, Approved: true, At: t.now}
	if err := t.keepReview(review, owner); err != nil {
		return nil, err
	}
	return workflow.Needed(class, kind, append(given, review)), nil
}

func (t *tx) keepReview(r workflow.Review, owner playlist.ID) error {
	doc := central.Doc{Kind: central.Reviews, ID: r.ID, Owner: owner, Parent: r.Version}
	if err := doc.Encode(r); err != nil {
		return err
	}
	_, err := t.put(doc)
	return err
}

// Approve gives one approval to a version in review. Once all that its class
// asks for are given, it is approved, and its item with it.
func (d *Desk) Approve(ctx context.Context, by Caller, id playlist.ID, rev int64) (Verdict, error) {
	return do(ctx, d, by, "approve version", func(t *tx) (Verdict, error) {
		doc, v, err := t.version(id, rev)
		if err != nil {
			return Verdict{}, err
		}
		if _, err := t.level(doc.Owner); err != nil {
			return Verdict{}, err
		}
		state, err := workflow.Next(v.State, workflow.Approve)
		if err != nil {
			return Verdict{}, err
		}
		item, row, err := central.Load[playlist.Item](t.ctx, t, central.Items, v.Item)
		if err != nil {
			return Verdict{}, err
		}
		class, err := t.classOf(item, row)
		if err != nil {
			return Verdict{}, err
		}
		needed, err := t.approve(id, doc.Owner, class, v.Authors)
		if err != nil {
			return Verdict{}, err
		}
		if len(needed) > 0 {
			state = v.State
		} else if err := t.approveItem(item, v); err != nil {
			return Verdict{}, err
		}
		doc, err = t.setState(doc, v, state)
		return Verdict{Doc: doc, Rev: doc.Rev, State: state, Needed: needed}, err
	})
}

// approveItem takes a new item with the approval of its first version, if it
// stood so when the version was submitted: all reviewers saw it, and none of them
// wrote it. Every later change of an item is reviewed by itself.
func (t *tx) approveItem(item central.Doc, v Version) error {
	shown, err := approvedRow(t.ctx, t, item)
	if err != nil || shown != nil || v.Submitted == nil || item.At.After(*v.Submitted) {
		return err
	}
	authors, err := t.authorsSince(item)
	if err != nil {
		return err
	}
	given, err := reviewsOf(t.ctx, t, v.ID)
	if err != nil {
		return err
	}
	for _, r := range given {
		if slices.Contains(authors, r.By) {
			return nil
		}
	}
	_, err = t.settle(item)
	return err
}

// settle makes the current revision of an item or fact the one that is shown.
func (t *tx) settle(doc central.Doc) (central.Doc, error) {
	doc.State = string(playlist.Approved)
	author := doc.By
	doc.At, doc.By = t.now, author // who wrote it stays on the row; who approved it is in the review and the audit
	doc, err := t.Put(t.ctx, doc)
	if err != nil {
		return doc, err
	}
	kept, err := t.Get(t.ctx, central.Approvals, approvalID(doc.Kind, doc.ID))
	if err != nil && !errors.Is(err, central.ErrNotFound) {
		return doc, err
	}
	kept.Kind, kept.ID, kept.Owner = central.Approvals, approvalID(doc.Kind, doc.ID), doc.Owner
	if err := kept.Encode(Approval{doc.Rev}); err != nil {
		return doc, err
	}
	_, err = t.put(kept)
	return doc, err
}

// GateFactClass is the class that decides who reviews gate facts.
const GateFactClass = "gate-fact"

// NoticeClass is the class that decides who reviews notices, after they went out.
const NoticeClass = "notice"

// ApproveObject gives one approval to a gate fact, or to a change of an item
// that has been shown before.
func (d *Desk) ApproveObject(ctx context.Context, by Caller, kind central.Kind, id playlist.ID, rev int64) (Verdict, error) {
	return do(ctx, d, by, "approve "+string(kind), func(t *tx) (Verdict, error) {
		doc, class, err := t.reviewable(kind, id, rev)
		if err != nil {
			return Verdict{}, err
		}
		authors, err := t.authorsSince(doc)
		if err != nil {
			return Verdict{}, err
		}
		subject := playlist.ID(fmt.Sprintf("%s/%s@%d", kind, id, rev))
		needed, err := t.approve(subject, doc.Owner, class, authors)
		if err != nil {
			return Verdict{}, err
		}
		if len(needed) == 0 {
			doc, err = t.settle(doc)
		}
		return Verdict{Doc: doc, Rev: doc.Rev, State: playlist.State(doc.State), Needed: needed}, err
	})
}

func (t *tx) reviewable(kind central.Kind, id playlist.ID, rev int64) (doc central.Doc, class workflow.Class, err error) {
	t.about(kind, id, "")
	if kind != central.Items && kind != central.Facts && kind != central.Notices {
		return doc, class, fmt.Errorf("%s: %w", kind, central.ErrNotFound)
	}
	if doc, err = t.Get(t.ctx, kind, id); err != nil {
		return doc, class, err
	}
	t.about(kind, id, doc.Owner)
	if _, err := t.level(doc.Owner); err != nil {
		return doc, class, err
	}
	if doc.Rev != rev {
		return doc, class, fmt.Errorf("%s %s: %w: it is at revision %d", kind, id, central.ErrChanged, doc.Rev)
	}
	if doc.State != string(playlist.InReview) {
		return doc, class, &playlist.Error{Code: playlist.CodeRefused, Where: fmt.Sprintf("%s %s", kind, id), Detail: "it is not in review"}
	}
	switch kind {
	case central.Facts:
		class, err = t.class(GateFactClass)
		return doc, class, err
	case central.Notices:
		class, err = t.class(NoticeClass)
		return doc, class, err
	}
	row, err := central.Decode[playlist.Item](doc)
	if err != nil {
		return doc, class, err
	}
	class, err = t.classOf(doc, row)
	return doc, class, err
}

// classOf is what an item's reviewers must satisfy: its class, and that of the
// revision that is shown. Nobody gets round the ministry by giving an item
// another class first.
func (t *tx) classOf(doc central.Doc, row playlist.Item) (workflow.Class, error) {
	class, err := t.class(row.Class)
	if err != nil {
		return class, err
	}
	shown, err := approvedRow(t.ctx, t, doc)
	if err != nil || shown == nil {
		return class, err
	}
	old, err := central.Decode[playlist.Item](*shown)
	if err != nil || old.Class == row.Class {
		return class, err
	}
	before, err := t.class(old.Class)
	class.Levels = append(slices.Clone(class.Levels), before.Levels...)
	return class, err
}

// approvedRow returns the revision of an item or fact that may be shown, or nil
// if none may.
func approvedRow(ctx context.Context, r central.Reader, doc central.Doc) (*central.Doc, error) {
	if doc.State == string(playlist.Approved) {
		return &doc, nil
	}
	_, a, err := central.Load[Approval](ctx, r, central.Approvals, approvalID(doc.Kind, doc.ID))
	if errors.Is(err, central.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all, err := r.History(ctx, doc.Kind, doc.ID)
	if err != nil {
		return nil, err
	}
	for _, old := range all {
		if old.Rev == a.Rev {
			return &old, nil
		}
	}
	return nil, fmt.Errorf("%s %s: its approved revision %d is not in the history", doc.Kind, doc.ID, a.Rev)
}

// Shown returns an item or fact as the caller may see it, with the revision of it that may
// be shown, nil if none may.
func (d *Desk) Shown(ctx context.Context, by Caller, kind central.Kind, id playlist.ID) (doc central.Doc, shown *central.Doc, err error) {
	err = d.through(ctx, by, func(g *gate) error {
		if doc, err = g.row(kind, id); err != nil {
			return err
		}
		shown, err = approvedRow(ctx, g.r, doc)
		return err
	})
	return doc, shown, err
}

// authorsSince lists who wrote an item or fact since it was last approved.
func (t *tx) authorsSince(doc central.Doc) ([]playlist.ID, error) {
	all, err := t.History(t.ctx, doc.Kind, doc.ID)
	if err != nil {
		return nil, err
	}
	var authors []playlist.ID
	for _, old := range slices.Backward(all) {
		if old.State == string(playlist.Approved) {
			break
		}
		authors = with(authors, old.By)
	}
	return authors, nil
}

// RejectObject sends a change of an item or a gate fact back: what was approved
// before stays on the screens.
func (d *Desk) RejectObject(ctx context.Context, by Caller, kind central.Kind, id playlist.ID, rev int64, reason workflow.Reason, note string) (Verdict, error) {
	return do(ctx, d, by, "reject "+string(kind), func(t *tx) (Verdict, error) {
		doc, _, err := t.reviewable(kind, id, rev)
		if err != nil {
			return Verdict{}, err
		}
		if kind == central.Notices {
			return Verdict{}, &playlist.Error{Code: playlist.CodeRefused, Where: "notice " + string(id), Detail: "a notice that went out is taken back by another one that cancels it"}
		}
		if err := workflow.CheckRejection(reason, strings.TrimSpace(note)); err != nil {
			return Verdict{}, err
		}
		level, err := t.level(doc.Owner)
		if err != nil {
			return Verdict{}, err
		}
		subject := playlist.ID(fmt.Sprintf("%s/%s@%d", kind, id, rev))
		review := workflow.Review{ID: NewID(), Version: subject, By: t.by.Account, Level: level, Reason: reason, Note: note, At: t.now}
		if err := t.keepReview(review, doc.Owner); err != nil {
			return Verdict{}, err
		}
		if err := t.detail(map[string]any{"reason": reason, "note": note}); err != nil {
			return Verdict{}, err
		}
		doc.State = string(playlist.Draft)
		doc.At = t.now // who wrote it stays on the row
		doc, err = t.Put(t.ctx, doc)
		return Verdict{Doc: doc, Rev: doc.Rev, State: playlist.Draft}, err
	})
}

// Reject sends a version that is in review or approved back with a reason, and
// makes a draft of it for the author to go on with.
func (d *Desk) Reject(ctx context.Context, by Caller, id playlist.ID, rev int64, reason workflow.Reason, note string) (Verdict, error) {
	return doPrepared(ctx, d, by, "reject version", func(t *tx) (Verdict, error) {
		doc, v, err := t.version(id, rev)
		if err != nil {
			return Verdict{}, err
		}
		level, err := t.level(doc.Owner)
		if err != nil {
			return Verdict{}, err
		}
		if err := workflow.CheckRejection(reason, strings.TrimSpace(note)); err != nil {
			return Verdict{}, err
		}
		state, err := workflow.Next(v.State, workflow.Reject)
		if err != nil {
			return Verdict{}, err
		}
		review := workflow.Review{ID: NewID(), Version: id, By: t.by.Account, Level: level, Reason: reason, Note: note, At: t.now}
		if err := t.keepReview(review, doc.Owner); err != nil {
			return Verdict{}, err
		}
		if err := t.detail(map[string]any{"reason": reason, "note": note}); err != nil {
			return Verdict{}, err
		}
		rejected, err := t.setState(doc, v, state)
		if err != nil {
			return Verdict{}, err
		}
		again := v.Version
		again.ID = NewID()
		draft, err := t.newDraft(Version{Version: again, Authors: v.Authors, Replaces: v.ID}, doc.Owner)
		return Verdict{Doc: rejected, Rev: rejected.Rev, State: state, Draft: draft.ID}, err
	})
}

// Comment is a remark on a version.
type Comment struct {
	ID   playlist.ID `json:"id"`
	By   playlist.ID `json:"by"`
	Name string      `json:"name"`
	At   time.Time   `json:"at"`
	Text string      `json:"text"`
}

// AddComment adds a remark to a version; whoever may read it may.
func (d *Desk) AddComment(ctx context.Context, by Caller, version playlist.ID, text string) (Comment, error) {
	return do(ctx, d, by, "comment", func(t *tx) (Comment, error) {
		t.about(central.Versions, version, "")
		doc, err := t.Get(t.ctx, central.Versions, version)
		if err != nil {
			return Comment{}, err
		}
		t.about(central.Versions, version, doc.Owner)
		if err := t.need(rights.Read, doc.Owner); err != nil {
			return Comment{}, err
		}
		if text = strings.TrimSpace(text); text == "" || len(text) > 10_000 {
			return Comment{}, &playlist.Error{Code: playlist.CodeInvalid, Where: "comment", Detail: "it has 1 to 10000 bytes"}
		}
		if n, err := t.Count(t.ctx, central.Query{Kind: central.Comments, Parent: version}); err != nil {
			return Comment{}, err
		} else if n >= maxRemarks {
			return Comment{}, tooMuch("comment", "the version has %d comments already", n)
		}
		c := Comment{ID: NewID(), By: t.by.Account, Name: t.by.Login, At: t.now, Text: text}
		kept := central.Doc{Kind: central.Comments, ID: c.ID, Owner: doc.Owner, Parent: version}
		if err := kept.Encode(c); err != nil {
			return c, err
		}
		_, err = t.put(kept)
		return c, err
	})
}
