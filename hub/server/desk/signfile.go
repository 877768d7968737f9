package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"cotmoc/hub/edition"
	"cotmoc/hub/feed"
	"cotmoc/hub/server/central"
	"cotmoc/hub/trust"
	"cotmoc/playlist"
)

// SignFile is a request on its way to whoever holds the key, with all that is
// needed to see what it would change without believing the hub.
type SignFile struct {
	Format  string   `json:"format"`
	Role    string   `json:"role"`
	Version int64    `json:"version"`
	Keys    []string `json:"keys,omitempty"` // that may sign it
	Raw     []byte   `json:"metadata"`       // with the signatures so far
	Old     []byte   `json:"old,omitempty"`  // the role's metadata that holds now
	Head    []byte   `json:"head,omitempty"` // the document that the new metadata names
	Rows    []byte   `json:"rows,omitempty"` // packed rows of that edition
	Before  []byte   `json:"before,omitempty"`
}

// SignFormat is the version of SignFile.
const SignFormat = "cotmoc-sign/1"

// SignFile makes the file of what waits in a role.
func (d *Desk) SignFile(ctx context.Context, role string) (f SignFile, err error) {
	err = d.Store.Read(ctx, func(r central.Reader) error {
		_, m, err := central.Load[metadataDoc](ctx, r, central.Signing, playlist.ID(role))
		if err != nil {
			return err
		}
		said, err := trust.Read(m.Raw)
		if err != nil {
			return err
		}
		f = SignFile{Format: SignFormat, Role: role, Version: said.Version, Raw: m.Raw, Head: m.Head}
		_, old, err := load(ctx, r, central.Signed, role)
		if err != nil {
			return err
		}
		if f.Old = old.Raw; role == trust.Root {
			if f.Old, err = newestRoot(ctx, r); errors.Is(err, ErrNoTrust) {
				return nil
			}
			return err
		}
		if said.Head == nil || role == trust.Emergency {
			return nil
		}
		scope := playlist.ID(strings.SplitN(said.Head.Path, "/", 2)[0])
		now, err := r.Edition(ctx, scope, said.Head.Number)
		if err != nil {
			return err
		}
		f.Head, f.Rows = now.Head, now.Snapshot
		return f.before(ctx, r, scope)
	})
	return f, err
}

func (f *SignFile) before(ctx context.Context, r central.Reader, scope playlist.ID) error {
	if f.Old == nil {
		return nil
	}
	said, err := trust.Read(f.Old)
	if err != nil || said.Head == nil {
		return err
	}
	was, err := r.Edition(ctx, scope, said.Head.Number)
	if errors.Is(err, central.ErrNotFound) {
		return nil
	}
	f.Before = was.Snapshot
	return err
}

// Changes checks that the file is about what its metadata names, and says what a
// signature would let happen. It believes nothing that the metadata does not fix.
func (f SignFile) Changes() ([]string, error) {
	if f.Format != SignFormat {
		return nil, fmt.Errorf("this is no file to sign: its format is %.40q", f.Format)
	}
	said, err := trust.Read(f.Raw)
	if err != nil {
		return nil, err
	}
	if said.Version != f.Version {
		return nil, errors.New("the file says another version than its metadata")
	}
	out := []string{fmt.Sprintf("%s, version %d, accepted until %s", f.Role, said.Version, said.Expires.Format("2006-01-02"))}
	if said.Head != nil && f.Head != nil {
		lines, err := f.headLines(*said.Head)
		if err != nil {
			return nil, err
		}
		out = append(out, lines...)
	} else if said.Head != nil {
		out = append(out, "it goes on naming "+said.Head.Path)
	}
	lines, err := f.roleLines()
	return append(out, lines...), err
}

func (f SignFile) headLines(t trust.Target) ([]string, error) {
	if f.Role == trust.Emergency {
		e, err := t.Notices(f.Head)
		if err != nil {
			return nil, err
		}
		return emergencyLines(e), nil
	}
	head, err := t.Head(f.Head)
	if err != nil {
		return nil, err
	}
	var rows, before []feed.Row
	if err := edition.Unpack(f.Rows, &rows); err != nil {
		return nil, err
	}
	if feed.Sum(rows).Catalogue() != head.Catalogue {
		return nil, errors.New("the rows in this file are not those that would be signed")
	}
	if f.Before != nil {
		if err := edition.Unpack(f.Before, &before); err != nil {
			return nil, err
		}
	}
	diff, err := feed.Diff(before, rows)
	if err != nil {
		return nil, err
	}
	return append([]string{fmt.Sprintf("edition %d of %s: %d of %d rows differ from what is signed", head.Number, head.Scope, len(diff), len(rows))}, changeLines(diff, rows)...), nil
}

func (f SignFile) roleLines() ([]string, error) {
	is, err := trust.AllHolders(f.Raw)
	if err != nil {
		return nil, err
	}
	was := map[string]trust.Holders{}
	if f.Old != nil {
		if was, err = trust.AllHolders(f.Old); err != nil {
			return nil, err
		}
	}
	return compareHolders(was, is), nil
}

// ReadSignFile reads a file to sign.
func ReadSignFile(raw []byte) (f SignFile, err error) {
	if err := json.Unmarshal(raw, &f); err != nil {
		return f, fmt.Errorf("this is no file to sign: %w", err)
	}
	return f, nil
}
