package desk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/rights"
	"cotmoc/playlist"
)

// FileState says whether a file may be shown.
type FileState string

// The states of a file.
const (
	FileWorking FileState = "working" // renditions are being made
	FileReady   FileState = "ready"
	FileFailed  FileState = "failed"
)

// TypeEPUB is the type of a book: the screens get its text and not its file.
const TypeEPUB = "application/epub+zip"

// File is what the hub knows of a file. Renditions are made of it: "1080p",
// "720p", "poster", or "page-001" and so on; the screens get those in its place.
type File struct {
	SHA256     playlist.Hash            `json:"sha256"`
	Bytes      int64                    `json:"bytes"`
	Type       string                   `json:"type"`
	Name       string                   `json:"name"` // as it came
	State      FileState                `json:"state"`
	Problem    string                   `json:"problem,omitempty"`
	Width      int                      `json:"width,omitempty"`
	Height     int                      `json:"height,omitempty"`
	Lasts      playlist.Duration        `json:"lasts,omitempty"`
	Text       string                   `json:"text,omitempty"` // of a PDF's pages, for search; of a book in Markdown
	Of         playlist.Hash            `json:"of,omitempty"`   // it is a rendition of this one
	Renditions map[string]playlist.Hash `json:"renditions,omitempty"`
	Pages      []playlist.Hash          `json:"pages,omitempty"`
	Also       []playlist.ID            `json:"also,omitempty"` // places that brought it as well as its owner
}

// Media returns the file as an edition names it.
func (f File) Media() playlist.Media {
	return playlist.Media{SHA256: f.SHA256, Bytes: f.Bytes, Type: f.Type}
}

// AddFile keeps a file's bytes, verified, and what is known of it. job is queued
// with it where work remains; nil where there is none. A file that is known is
// returned as it is.
func (d *Desk) AddFile(ctx context.Context, by Caller, owner playlist.ID, f File, r io.Reader, job *Job) (central.Doc, error) {
	if err := d.Files.Put(ctx, f.Media(), r); err != nil {
		return central.Doc{}, err
	}
	return do(ctx, d, by, "take in file", func(t *tx) (central.Doc, error) {
		t.about(central.Files, playlist.ID(f.SHA256), owner)
		if err := t.mayBring(owner); err != nil {
			return central.Doc{}, err
		}
		return t.addFile(owner, f, job)
	})
}

// mayBring: files are brought by those who write, translate, plan or alert.
func (t *tx) mayBring(owner playlist.ID) error {
	for _, act := range []rights.Act{rights.Translate, rights.Plan, rights.Alert} {
		if t.need(act, owner) == nil {
			return nil
		}
	}
	return t.need(rights.Write, owner)
}

func (t *tx) addFile(owner playlist.ID, f File, job *Job) (central.Doc, error) {
	id := playlist.ID(f.SHA256)
	if known, err := t.Get(t.ctx, central.Files, id); err == nil {
		return known, t.share(id, owner)
	} else if !errors.Is(err, central.ErrNotFound) {
		return known, err
	}
	doc := central.Doc{Kind: central.Files, ID: id, Owner: owner, Parent: playlist.ID(f.Of), State: string(f.State)}
	if err := doc.Encode(f); err != nil {
		return doc, err
	}
	if job != nil {
		if err := t.queue(*job); err != nil {
			return doc, err
		}
	}
	return t.put(doc)
}

// SettleFile writes what the work on a file brought. f says all that is known
// of it now; made are the files that were made of it.
func (d *Desk) SettleFile(ctx context.Context, f File, made []File) error {
	worker := Caller{Account: Console, Login: "worker", From: "hub"}
	_, err := do(ctx, d, worker, "finish file", func(t *tx) (struct{}, error) {
		doc, old, err := central.Load[File](t.ctx, t, central.Files, playlist.ID(f.SHA256))
		if err != nil {
			return struct{}{}, err
		}
		t.about(central.Files, doc.ID, doc.Owner)
		f.Of, f.Also = old.Of, old.Also
		for _, m := range made {
			m.Of, m.State = f.SHA256, FileReady
			if _, err := t.addFile(doc.Owner, m, nil); err != nil {
				return struct{}{}, err
			}
		}
		doc.State = string(f.State)
		if err := doc.Encode(f); err != nil {
			return struct{}{}, err
		}
		_, err = t.put(doc)
		return struct{}{}, err
	})
	return err
}

// File returns what is known of a file.
func (d *Desk) File(ctx context.Context, h playlist.Hash) (File, error) {
	doc, err := d.Get(ctx, central.Files, playlist.ID(h))
	if err != nil {
		return File{}, err
	}
	return central.Decode[File](doc)
}

// Upload is a file on its way, in pieces.
type Upload struct {
	ID      playlist.ID `json:"id"`
	Account playlist.ID `json:"account"`
	Owner   playlist.ID `json:"owner"` // place
	Name    string      `json:"name"`
	Length  int64       `json:"length"` // bytes in all
	Expires time.Time   `json:"expires"`
	// File is what it became: the answer for whoever lost the link while it was
	// looked at.
	File playlist.Hash `json:"file,omitempty"`
}

// MaxUploads is how many an account may have open.
const MaxUploads = 20

// StartUpload opens an upload that lives until expires.
func (d *Desk) StartUpload(ctx context.Context, by Caller, u Upload) (Upload, error) {
	return do(ctx, d, by, "start upload", func(t *tx) (Upload, error) {
		t.about(central.Uploads, u.ID, u.Owner)
		if err := t.mayBring(u.Owner); err != nil {
			return u, err
		}
		open, err := t.Count(t.ctx, central.Query{Kind: central.Uploads, Parent: by.Account, States: []string{uploadOpen}})
		if err != nil {
			return u, err
		}
		if open >= MaxUploads {
			return u, &playlist.Error{Code: playlist.CodeRefused, Where: "upload", Detail: fmt.Sprintf("%d uploads are open already: finish or delete them first", open)}
		}
		if err := t.roomForUpload(u.Length); err != nil {
			return u, err
		}
		u.Account = by.Account
		doc := central.Doc{Kind: central.Uploads, ID: u.ID, Owner: u.Owner, Parent: by.Account, State: uploadOpen, Due: u.Expires}
		if err := doc.Encode(u); err != nil {
			return u, err
		}
		_, err = t.put(doc)
		return u, err
	})
}

// Upload returns an open upload of this account.
func (d *Desk) Upload(ctx context.Context, by Caller, id playlist.ID) (Upload, error) {
	doc, err := d.Get(ctx, central.Uploads, id)
	if err != nil {
		return Upload{}, err
	}
	u, err := central.Decode[Upload](doc)
	if err == nil && (u.Account != by.Account || !d.Now().Before(u.Expires)) {
		return Upload{}, fmt.Errorf("upload %q: %w", id, central.ErrNotFound)
	}
	return u, err
}

// uploadOpen is the state of an upload whose bytes are on their way.
const uploadOpen = "open"

// FinishUpload notes what an upload became.
func (d *Desk) FinishUpload(ctx context.Context, id playlist.ID, file playlist.Hash) error {
	return d.Store.Write(ctx, func(tx central.Tx) error {
		doc, u, err := central.Load[Upload](ctx, tx, central.Uploads, id)
		if err != nil {
			return err
		}
		u.File, doc.State, doc.At = file, "", d.Now()
		if err := doc.Encode(u); err != nil {
			return err
		}
		_, err = tx.Put(ctx, doc)
		return err
	})
}

// EndUpload forgets an upload.
func (d *Desk) EndUpload(ctx context.Context, id playlist.ID) error {
	return d.Store.Write(ctx, func(tx central.Tx) error {
		doc, err := tx.Get(ctx, central.Uploads, id)
		if err != nil {
			return err
		}
		return tx.Delete(ctx, central.Uploads, id, doc.Rev, d.Now(), "")
	})
}
