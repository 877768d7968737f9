// Package desk is where staff do their work on the central database: every act
// asks for its right, follows the workflow, is written in one transaction
// together with its row in the audit, and happens once however often a request
// is repeated. API, pages and commands all come through here.
package desk

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"cotmoc/hub/server/admission"
	"cotmoc/hub/server/audit"
	"cotmoc/hub/server/blob"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/rights"
	"cotmoc/playlist"
)

// Console is the account name of whoever works on the hub's own machine. It is
// no account: nobody can sign in as it.
const Console playlist.ID = "console"

// Fonts knows which characters the screens can draw; typeset.Engine is one.
type Fonts interface {
	Missing(text string) []rune
}

// Desk is the hub's staff work. Make it with New.
type Desk struct {
	Store central.Store
	Files blob.Store
	Fonts Fonts
	Now   func() time.Time
	Log   *slog.Logger
	Clock *Watch // whether this hub's clock may sign

	// Written says whether an edition's files are there for machines to fetch; nil: all are.
	// It is set before the desk is used.
	Written func(scope string, number int64) bool

	key     ed25519.PrivateKey       // signs the audit's checkpoints
	signed  func(central.Checkpoint) // keeps one elsewhere
	tree    atomic.Pointer[tree]
	wake    chan struct{} // a job was queued
	changed chan struct{} // kiosks are to be told of something
	writing sync.Mutex    // one writes editions' files at a time
	people  *people
	asks    *asks
	way     way

	preparing  *admission.Room // long texts
	signedNow  sync.Map        // *signedRows of each scope
	reading    sync.Mutex      // one reads a signed edition at a time
	shown      atomic.Pointer[shownNow]
	signedAt   atomic.Pointer[headsAt]
	assignedAt atomic.Pointer[[]int64]
}

// Options are what New needs beside a store.
type Options struct {
	Store      central.Store
	Files      blob.Store
	Fonts      Fonts
	Now        func() time.Time
	Log        *slog.Logger
	Key        ed25519.PrivateKey
	Checkpoint func(central.Checkpoint)
	Clock      *Watch // nil: nothing is compared
}

// New makes a desk.
func New(o Options) *Desk {
	if o.Clock == nil {
		o.Clock = NewWatch(o.Now, nil, nil)
	}
	return &Desk{Clock: o.Clock, Store: o.Store, Files: o.Files, Fonts: o.Fonts, Now: o.Now, Log: o.Log, key: o.Key, signed: o.Checkpoint,
		wake: make(chan struct{}, 1), changed: make(chan struct{}, 1), people: newPeople(), asks: newAsks(), preparing: admission.NewRoom(2, 1)}
}

// Caller is who does something, from where, and under which idempotency key.
type Caller struct {
	Account playlist.ID
	Login   string
	Grants  []rights.Grant
	From    string // address, or "console"

	// Key and Request make a repeated request harmless: the first answer is
	// given again. Request is a hash of what is asked for.
	Key     string
	Request []byte
}

// Refusal is an act that the caller has no right to.
type Refusal struct {
	Act   rights.Act
	Place playlist.ID
	Why   string // where the right is there, but another rule forbids it
}

func (r *Refusal) Error() string {
	if r.Why != "" {
		return r.Why
	}
	return fmt.Sprintf("you have no right to %s at %s", r.Act, r.Place)
}

// ErrKeyReused is returned when an idempotency key comes with another request.
var ErrKeyReused = errors.New("this idempotency key was used for another request")

// tx is a transaction of one caller's act.
type tx struct {
	central.Tx
	ctx   context.Context
	d     *Desk
	by    Caller
	tree  *tree
	entry audit.Entry
	now   time.Time
	after []func() // once it is durable

	copies copies // made before
}

// about says what the act is about, for the audit.
func (t *tx) about(kind central.Kind, id, place playlist.ID) {
	t.entry.Kind, t.entry.ID, t.entry.Place = kind, id, place
}

// detail adds to the audit what should be known of the act.
func (t *tx) detail(v map[string]any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write the audit: %w", err)
	}
	t.entry.Detail = raw
	return nil
}

// need refuses the act unless the caller may do it at the place.
func (t *tx) need(act rights.Act, place playlist.ID) error {
	if t.by.Account == Console {
		return nil
	}
	if _, ok := rights.Find(t.by.Grants, act, place, t.tree); ok {
		return nil
	}
	return &Refusal{Act: act, Place: place}
}

// put writes a document of this caller, now.
func (t *tx) put(doc central.Doc) (central.Doc, error) {
	doc.At, doc.By = t.now, t.by.Account
	t.changes(doc.Kind)
	return t.Put(t.ctx, doc)
}

// drop deletes a document whose revision is rev, now.
func (t *tx) drop(kind central.Kind, id playlist.ID, rev int64) error {
	t.changes(kind)
	return t.Delete(t.ctx, kind, id, rev, t.now, t.by.Account)
}

// changes has those told who keep something of a kind of document.
func (t *tx) changes(kind central.Kind) {
	switch kind {
	case central.Accounts, central.Grants, central.Sessions:
		t.after = append(t.after, t.d.people.forget)
	case central.Notices, central.Devices, central.Places, central.Displays, central.Settings:
		t.after = append(t.after, t.d.distribute)
	}
}

// NewID returns a fresh UUIDv7: ids sort by the time at which they were made.
func NewID() playlist.ID { return playlist.ID(uuid.Must(uuid.NewV7()).String()) }

// answer is a kept result of a request with an idempotency key.
type answer struct {
	Request []byte          `json:"request"`
	Result  json.RawMessage `json:"result"`
}

// keepAnswers is how long an idempotency key is remembered.
const keepAnswers = 48 * time.Hour

// do runs an act. Its row in the audit is written with it; a refused act leaves
// a row as well, in a transaction of its own.
func do[T any](ctx context.Context, d *Desk, by Caller, name string, f func(*tx) (T, error)) (T, error) {
	var out T
	var entry audit.Entry
	var after []func()
	err := d.Store.Write(ctx, func(central central.Tx) error {
		places, err := d.places(ctx, central)
		if err != nil {
			return err
		}
		t := &tx{Tx: central, ctx: ctx, d: d, by: by, tree: places, now: d.Now().UTC()}
		t.entry = audit.Entry{At: t.now, By: by.Account, Name: by.Login, From: by.From, Act: name, Outcome: audit.Done}
		if replayed, err := recall(t, &out); replayed || err != nil {
			return err
		}
		out, err = f(t)
		entry = t.entry
		if err != nil {
			return err
		}
		after = t.after
		if err := remember(t, out); err != nil {
			return err
		}
		return audit.Append(ctx, central, t.entry)
	})
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		entry.Outcome = audit.Refused
		entry.Detail, _ = json.Marshal(map[string]string{"why": refusal.Error()})
		return out, errors.Join(err, d.record(context.WithoutCancel(ctx), entry))
	}
	if err == nil {
		for _, f := range after {
			f()
		}
	}
	return out, err
}

// record writes one row of the audit by itself.
func (d *Desk) record(ctx context.Context, e audit.Entry) error {
	return d.Store.Write(ctx, func(tx central.Tx) error { return audit.Append(ctx, tx, e) })
}

func answerID(t *tx) playlist.ID {
	return playlist.ID(string(t.by.Account) + ":" + t.by.Key)
}

// recall gives the answer that was given before to the same key.
func recall[T any](t *tx, out *T) (bool, error) {
	if t.by.Key == "" {
		return false, nil
	}
	_, kept, err := central.Load[answer](t.ctx, t, central.Answers, answerID(t))
	if errors.Is(err, central.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !bytes.Equal(kept.Request, t.by.Request) {
		return false, ErrKeyReused
	}
	if err := json.Unmarshal(kept.Result, out); err != nil {
		return false, fmt.Errorf("kept answer: %w", err)
	}
	return true, nil
}

func remember[T any](t *tx, out T) error {
	if t.by.Key == "" {
		return nil
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("keep the answer: %w", err)
	}
	doc := central.Doc{Kind: central.Answers, ID: answerID(t), Due: t.now.Add(keepAnswers)}
	if err := doc.Encode(answer{t.by.Request, raw}); err != nil {
		return err
	}
	_, err = t.put(doc)
	return err
}

// Checkpoint signs the audit's end, if it moved since it was last signed.
func (d *Desk) Checkpoint(ctx context.Context) error {
	var c *central.Checkpoint
	err := d.Store.Write(ctx, func(tx central.Tx) (err error) {
		c, err = audit.Checkpoint(ctx, tx, d.key, d.Now())
		return err
	})
	if err == nil && c != nil && d.signed != nil {
		d.signed(*c)
	}
	return err
}

// Woken is signalled when there may be a job to do.
func (d *Desk) Woken() <-chan struct{} { return d.wake }

func (d *Desk) wakeUp() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// read runs f on one state, with the places of that state.
func (d *Desk) read(ctx context.Context, f func(central.Reader, *tree) error) error {
	return d.Store.Read(ctx, func(r central.Reader) error {
		places, err := d.places(ctx, r)
		if err != nil {
			return err
		}
		return f(r, places)
	})
}
