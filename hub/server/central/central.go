// Package central is the central database as its users see it: documents with
// revisions and history, the audit's rows, and editions. The interface Store is
// kept by package sqlite; another database joins by passing centraltest.
package central

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"cotmoc/hub/feed"
	"cotmoc/playlist"
)

// Errors that every store wraps.
var (
	ErrNotFound = errors.New("it does not exist")
	ErrChanged  = errors.New("someone else changed it meanwhile")
	ErrExists   = errors.New("it exists already")
	ErrNoRoom   = errors.New("there is no room left for the database")
)

// Kind names a collection of documents.
type Kind string

// The kinds of document. Those of the first group are the contract's types;
// their history is kept for ever.
const (
	Places    Kind = "place"
	Displays  Kind = "display"
	Layouts   Kind = "layout"
	Items     Kind = "item"
	Versions  Kind = "version"
	Facts     Kind = "fact"
	Playlists Kind = "playlist"
	Schedules Kind = "schedule"
	Calendars Kind = "calendar"
	Mandatory Kind = "mandatory"
	Notices   Kind = "notice"
	Classes   Kind = "class" // who reviews what
	Accounts  Kind = "account"
	Grants    Kind = "grant"
	Reviews   Kind = "review"
	Comments  Kind = "comment"
	Files     Kind = "file"
	Approvals Kind = "approval" // which revision of an item or fact may be shown

	Devices Kind = "device" // kiosks, their keys and places
	Roots   Kind = "root"   // of trust, each version

	Moves Kind = "move" // of places, planned and done

	Settings Kind = "setting" // of the hub itself

	Sessions Kind = "session" // from here on: kept while they are needed
	Jobs     Kind = "job"
	Uploads  Kind = "upload"
	Answers  Kind = "answer"   // to requests with an idempotency key
	Signed   Kind = "signed"   // newest metadata of each role, as it was signed
	Signing  Kind = "signing"  // metadata that waits for signatures
	Pairings Kind = "pairing"  // kiosks that want to be enrolled
	Messages Kind = "message"  // to offices, of what others' acts have done to their rows
	Assigned Kind = "assigned" // what each device was last told to hold, as a hash
)

// Transient says whether documents of the kind leave no history.
func (k Kind) Transient() bool {
	switch k {
	case Sessions, Jobs, Uploads, Answers, Signed, Signing, Pairings, Messages, Assigned:
		return true
	}
	return false
}

// Doc is one document. Everything beside Body is there to be looked for.
type Doc struct {
	Kind    Kind
	ID      playlist.ID
	Rev     int64           // 1 at creation, one more with each change
	Owner   playlist.ID     // the place that owns it
	Parent  playlist.ID     // what it belongs to: a version's item, a grant's account
	State   string          // of its workflow
	Name    string          // that it is looked up by: a login, a language
	Due     time.Time       // when something is to happen to it; zero: never
	Body    json.RawMessage // the row itself
	At      time.Time       // of this revision
	By      playlist.ID     // account that made it
	Deleted bool            // in a history only
}

// Query selects documents of one kind, in the order of their ids. Empty fields
// do not restrict.
type Query struct {
	Kind   Kind
	Owners []playlist.ID
	Parent playlist.ID
	States []string
	Name   string
	Due    time.Time   // due at this instant or before
	After  playlist.ID // continues behind this id
	Limit  int         // 0: all
}

// AuditRow is a link of the audit's chain; package audit makes and checks it.
type AuditRow struct {
	Seq  int64
	Row  json.RawMessage // canonical
	Hash []byte          // SHA-256 of the previous hash and Row
}

// Checkpoint is a signed statement of how long the audit's chain is.
type Checkpoint struct {
	Seq       int64     `json:"seq"`
	Hash      []byte    `json:"hash"`
	At        time.Time `json:"at"`
	Signature []byte    `json:"signature"`
}

// Edition is a published state of one scope. Head is the document that is
// signed; Snapshot is the compressed catalogue, kept for the newest editions,
// from which every static file can be written again.
type Edition struct {
	Scope    playlist.ID
	Number   int64
	Head     json.RawMessage
	Snapshot []byte // nil where it was let go
	At       time.Time
	By       playlist.ID
}

// Said is what a kiosk last said of itself.
type Said struct {
	feed.Report
	Received time.Time `json:"received"`
	Boots    []string  `json:"boots,omitempty"` // before this one, the newest first
}

// Reader answers from one consistent state.
type Reader interface {
	// Get returns a document, or ErrNotFound.
	Get(ctx context.Context, kind Kind, id playlist.ID) (Doc, error)
	List(ctx context.Context, q Query) ([]Doc, error)
	Count(ctx context.Context, q Query) (int, error)
	// History returns the revisions of a document, the oldest first, the last
	// of them Deleted if it was.
	History(ctx context.Context, kind Kind, id playlist.ID) ([]Doc, error)
	// Seq grows with each change of a kind and never returns to an old value.
	Seq(ctx context.Context, kind Kind) (int64, error)

	// Audit calls each for the rows behind seq, in order, at most limit of
	// them (0: all), until it returns an error.
	Audit(ctx context.Context, after int64, limit int, each func(AuditRow) error) error
	AuditHead(ctx context.Context) (AuditRow, error) // Seq 0 where there is none
	Checkpoints(ctx context.Context, after int64) ([]Checkpoint, error)

	// Edition returns a scope's edition, the newest for number 0, or ErrNotFound.
	Edition(ctx context.Context, scope playlist.ID, number int64) (Edition, error)
	// Editions lists the newest editions of a scope, the newest first, without
	// snapshots. An empty scope lists those of all.
	Editions(ctx context.Context, scope playlist.ID, limit int) ([]Edition, error)
}

// Tx is a Reader that can change what it reads.
type Tx interface {
	Reader
	// Put writes a document whose Rev is the one that it replaces, 0 for a new
	// one, and returns it with its new Rev. ErrChanged and ErrExists tell that
	// the state is another one.
	Put(ctx context.Context, d Doc) (Doc, error)
	// Delete removes a document whose revision is rev.
	Delete(ctx context.Context, kind Kind, id playlist.ID, rev int64, at time.Time, by playlist.ID) error
	// TrimHistory forgets the revisions of a document that were in a state, but the
	// newest keep of these.
	TrimHistory(ctx context.Context, kind Kind, id playlist.ID, state string, keep int) error
	AppendAudit(ctx context.Context, r AuditRow) error
	AddCheckpoint(ctx context.Context, c Checkpoint) error
	// AddEdition adds a scope's edition, whose number is higher than all before,
	// and lets go the snapshots of all but the newest keep of that scope.
	AddEdition(ctx context.Context, e Edition, keep int) error
}

// Store keeps the database.
type Store interface {
	// Read runs f on one consistent state, beside writers and other readers.
	Read(ctx context.Context, f func(Reader) error) error
	// Write runs f alone: all that it does becomes durable together, or, if it
	// returns an error, nothing of it.
	Write(ctx context.Context, f func(Tx) error) error
	// Backup writes a consistent copy to a new file, beside everything else.
	Backup(ctx context.Context, path string) error
	Close() error
}

// Decode reads a document's body.
func Decode[T any](d Doc) (T, error) {
	var v T
	if err := json.Unmarshal(d.Body, &v); err != nil {
		return v, fmt.Errorf("%s %s: %w", d.Kind, d.ID, err)
	}
	return v, nil
}

// Encode sets a document's body.
func (d *Doc) Encode(v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("%s %s: %w", d.Kind, d.ID, err)
	}
	d.Body = raw
	return nil
}

// Load returns a document and its body.
func Load[T any](ctx context.Context, r Reader, kind Kind, id playlist.ID) (Doc, T, error) {
	var v T
	d, err := r.Get(ctx, kind, id)
	if err != nil {
		return d, v, err
	}
	v, err = Decode[T](d)
	return d, v, err
}

// All returns the bodies of all documents that q selects.
func All[T any](ctx context.Context, r Reader, q Query) ([]T, error) {
	docs, err := r.List(ctx, q)
	if err != nil {
		return nil, err
	}
	out := make([]T, 0, len(docs))
	for _, d := range docs {
		v, err := Decode[T](d)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}
