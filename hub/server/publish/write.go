package publish

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"cotmoc/hub/edition"
	"cotmoc/hub/feed"
	"cotmoc/hub/server/blob"
	"cotmoc/internal/atomicfile"
	"cotmoc/internal/step"
	"cotmoc/playlist"
)

// Newest is the only file that changes: which edition of a scope is the newest.
type Newest struct {
	Number int64    `json:"number"`
	Head   feed.Ref `json:"head"`
}

// Public is the folder of everything that kiosks and mirrors fetch:
//
//	SCOPE/newest.json
//	SCOPE/NUMBER/head.json, snapshot.zst, buckets, parts.zst, delta-FROM.zst
//	trust/…             signed metadata; see Trust
//	files/ab/abcd…     by SHA-256
//	chunks/ab/abcd…    the chunk table of the file with that SHA-256
//
// Files are written before what names them, so that a reader at any moment, or
// after a power cut at any moment, finds everything that it is told of.
type Public struct {
	Dir   string
	Files blob.Store
}

// pather is a store whose files lie in a folder: they are linked, not copied.
type pather interface{ Path(h playlist.Hash) string }

// Write writes an edition and the files that it names. What is there already is
// left, so that a write that was cut off is simply done again.
func (p Public) Write(ctx context.Context, b *Built, files []playlist.Media) error {
	for _, m := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := p.file(ctx, m); err != nil {
			return fmt.Errorf("publish file %.12s…: %w", m.SHA256, err)
		}
		step.At("publish file")
	}
	dir := p.dir(b.Head.Scope, b.Head.Number)
	if err := makeDir(dir); err != nil {
		return err
	}
	for from, raw := range b.Deltas {
		if err := put(filepath.Join(dir, "delta-"+strconv.FormatInt(from, 10)+".zst"), raw); err != nil {
			return err
		}
		step.At("publish delta")
	}
	for _, f := range []struct {
		name string
		raw  []byte
	}{{"snapshot.zst", b.Snapshot}, {"parts.zst", b.Parts}, {"buckets", b.Buckets}, {"head.json", b.HeadRaw}} {
		if f.raw == nil {
			continue
		}
		if err := put(filepath.Join(dir, f.name), f.raw); err != nil {
			return err
		}
		step.At("publish " + f.name)
	}
	raw, err := json.Marshal(Newest{b.Head.Number, feed.RefOf(b.HeadRaw)})
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	if err := atomicfile.Write(filepath.Join(p.Dir, b.Head.Scope, "newest.json"), raw, 0o644); err != nil {
		return err
	}
	step.At("publish newest")
	return nil
}

func (p Public) dir(scope string, number int64) string {
	return filepath.Join(p.Dir, scope, strconv.FormatInt(number, 10))
}

// Newest returns what newest.json of a scope says; number 0 if there is none.
func (p Public) Newest(scope string) (Newest, error) {
	var n Newest
	raw, err := os.ReadFile(filepath.Join(p.Dir, scope, "newest.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return n, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &n)
	}
	if err != nil {
		return n, fmt.Errorf("newest edition of %s: %w", scope, err)
	}
	return n, nil
}

// Whole says whether the newest edition of a scope is there as it should be.
func (p Public) Whole(b *Built) bool {
	n, err := p.Newest(b.Head.Scope)
	if err != nil || n.Number != b.Head.Number {
		return false
	}
	raw, err := os.ReadFile(filepath.Join(p.dir(b.Head.Scope, b.Head.Number), "head.json"))
	return err == nil && bytes.Equal(raw, b.HeadRaw)
}

// Has says whether an edition of a scope was written whole: its head is written last.
func (p Public) Has(scope string, number int64) bool {
	_, err := os.Stat(filepath.Join(p.dir(scope, number), "head.json"))
	return err == nil
}

// Prune removes editions of a scope older than the newest Kept, but the one that is
// signed. Files stay: another scope may name them; Collect removes those that none
// does.
func (p Public) Prune(scope string, newest, signed int64) error {
	entries, err := os.ReadDir(filepath.Join(p.Dir, scope))
	if err != nil {
		return fmt.Errorf("old editions: %w", err)
	}
	for _, e := range entries {
		n, err := strconv.ParseInt(e.Name(), 10, 64)
		if err == nil && n <= newest-Kept && n != signed {
			if err := os.RemoveAll(filepath.Join(p.Dir, scope, e.Name())); err != nil {
				return fmt.Errorf("old editions: %w", err)
			}
		}
	}
	return nil
}

// Collect removes the published files and chunk tables that keep does not name.
func (p Public) Collect(keep map[playlist.Hash]bool) (removed int, err error) {
	for _, kind := range []string{"files", "chunks"} {
		found, err := filepath.Glob(filepath.Join(p.Dir, kind, "??", "*"))
		if err != nil {
			return removed, fmt.Errorf("collect published files: %w", err)
		}
		for _, path := range found {
			if keep[playlist.Hash(filepath.Base(path))] {
				continue
			}
			if err := os.Remove(path); err != nil {
				return removed, fmt.Errorf("collect published files: %w", err)
			}
			removed++
		}
	}
	return removed, nil
}

// file publishes one file: its bytes, verified, and its chunk table.
func (p Public) file(ctx context.Context, m playlist.Media) error {
	table := p.path("chunks", m.SHA256)
	if _, err := os.Stat(table); err == nil {
		return nil // written last
	}
	f, err := p.Files.Open(ctx, m.SHA256)
	if err != nil {
		return err
	}
	defer f.Close()
	chunks, err := edition.Chunks(f, m.Bytes)
	if err != nil {
		return err
	}
	if got := feed.HexName(chunks.File); got != string(m.SHA256) {
		return fmt.Errorf("the file is damaged: it hashes to %.12s…", got)
	}
	if err := p.link(f, m.SHA256); err != nil {
		return err
	}
	raw, err := chunks.MarshalBinary()
	if err != nil {
		return err
	}
	if err := makeDir(filepath.Dir(table)); err != nil {
		return err
	}
	return put(table, raw)
}

func (p Public) path(kind string, h playlist.Hash) string {
	return filepath.Join(p.Dir, kind, string(h[:2]), string(h))
}

// link gives a file its public name; where it cannot be linked it is copied.
func (p Public) link(f io.ReadSeeker, h playlist.Hash) error {
	to := p.path("files", h)
	if err := makeDir(filepath.Dir(to)); err != nil {
		return err
	}
	store := p.Files
	if c, ok := store.(blob.Checked); ok {
		store = c.Store
	}
	if in, ok := store.(pather); ok {
		err := os.Link(in.Path(h), to)
		if err == nil || errors.Is(err, fs.ErrExist) {
			return atomicfile.SyncDir(filepath.Dir(to))
		}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read the file: %w", err)
	}
	part, err := os.CreateTemp(filepath.Dir(to), ".part-*")
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	_, err = io.Copy(part, f)
	if err = errors.Join(err, part.Chmod(0o644), part.Sync(), part.Close()); err != nil {
		return errors.Join(fmt.Errorf("publish: %w", err), os.Remove(part.Name()))
	}
	return atomicfile.Rename(part.Name(), to)
}

func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	return atomicfile.SyncDir(filepath.Dir(dir))
}

// put writes a file unless it is there with these bytes.
func put(path string, raw []byte) error {
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, raw) {
		return nil
	}
	return atomicfile.Write(path, raw, 0o644)
}

// FilesOf lists the files that rows name, in order.
func FilesOf(rows []feed.Row) ([]playlist.Media, error) {
	var out []playlist.Media
	for _, r := range rows {
		if r.Kind != "media" {
			continue
		}
		var m playlist.Media
		if err := json.Unmarshal(r.Row, &m); err != nil {
			return nil, fmt.Errorf("media %s: %w", r.ID, err)
		}
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b playlist.Media) int { return bytes.Compare([]byte(a.SHA256), []byte(b.SHA256)) })
	return out, nil
}
