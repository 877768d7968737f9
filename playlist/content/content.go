// Package content takes in a content folder: content.json and the files that
// it names. Everything is checked before anything is kept.
package content

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"

	"cotmoc/playlist"
	"cotmoc/playlist/resolve"
)

// maxJSON bounds content.json.
const maxJSON = 128 << 20

// Folder is a content folder that was read and checked.
type Folder struct {
	Dir  string
	Rows playlist.Rows
	ID   string // of the local edition: a hash of content.json
	root *os.Root
}

// Read reads and checks a folder. The error joins all problems found.
func Read(dir string) (*Folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("content folder: %w", err)
	}
	f := &Folder{Dir: dir, root: root}
	raw, err := f.readJSON()
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	if f.Rows, err = playlist.DecodeRows(raw); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	sum := sha256.Sum256(raw)
	f.ID = "local-" + hex.EncodeToString(sum[:8])
	if err := f.check(); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return f, nil
}

// Close releases the folder.
func (f *Folder) Close() error { return f.root.Close() }

func (f *Folder) readJSON() ([]byte, error) {
	file, err := f.open("content.json")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, maxJSON+1))
	if err != nil {
		return nil, fmt.Errorf("read content.json: %w", err)
	}
	if len(raw) > maxJSON {
		return nil, fmt.Errorf("content.json is larger than %d MiB", maxJSON>>20)
	}
	return raw, nil
}

// open opens a regular file inside the folder. A path that leads out of it, by
// ".." or by a symbolic link, is refused.
func (f *Folder) open(path string) (*os.File, error) {
	if !filepath.IsLocal(path) {
		return nil, fmt.Errorf("the path %q leads out of the content folder", path)
	}
	info, err := f.root.Lstat(path)
	if err != nil {
		return nil, fmt.Errorf("content folder: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%q is not a regular file", path)
	}
	file, err := f.root.Open(path)
	if err != nil {
		return nil, fmt.Errorf("content folder: %w", err)
	}
	return file, nil
}

func (f *Folder) check() error {
	_, err := playlist.NewCatalogue(f.Rows)
	errs := []error{err}
	for _, m := range f.Rows.Media {
		errs = append(errs, f.checkFile(m))
	}
	for i, v := range f.Rows.Versions {
		errs = append(errs, known(v.Language, "version "+string(v.Item)), marks(&f.Rows.Versions[i]))
	}
	for _, p := range f.Rows.Places {
		for _, l := range p.Languages {
			errs = append(errs, known(l, "place "+string(p.ID)))
		}
	}
	for _, s := range f.Rows.Schedules {
		if s.Starts == "" {
			continue
		}
		if err := resolve.CheckRule(s.Starts); err != nil {
			errs = append(errs, fmt.Errorf("schedule %s: %w", s.ID, err))
		}
	}
	return errors.Join(errs...)
}

func (f *Folder) checkFile(m playlist.Media) error {
	if m.Path == "" {
		return fmt.Errorf("media %.12s…: it has no path", m.SHA256)
	}
	file, err := f.open(m.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("content folder: %w", err)
	}
	if info.Size() != m.Bytes {
		return fmt.Errorf("%s has %d bytes, content.json says %d", m.Path, info.Size(), m.Bytes)
	}
	return nil
}

// known refuses tags whose language is not in the IANA registry.
func known(l playlist.Language, where string) error {
	if _, err := language.Parse(string(l)); err != nil {
		return &playlist.Error{Code: playlist.CodeLanguage, Where: where, Detail: fmt.Sprintf("language %q is not known: %v", l, err)}
	}
	return nil
}

// marks checks that a display text is its text with line-break marks only, and
// puts both into NFC.
func marks(v *playlist.Version) error {
	v.Text, v.Title = norm.NFC.String(v.Text), norm.NFC.String(v.Title)
	if v.Display == "" {
		return nil
	}
	bare := func(s string) string { return strings.NewReplacer("\u200B", "", "\u2060", "").Replace(s) }
	if bare(v.Display) != bare(v.Text) {
		return &playlist.Error{Code: playlist.CodeInvalid, Where: "version " + string(v.Item) + ":" + string(v.Language),
			Detail: "display differs from text by more than line-break marks"}
	}
	return nil
}

// Sink takes verified files; media.Store is one.
type Sink interface {
	Put(m playlist.Media, r io.Reader) error
}

// CopyFiles hands every file to the sink, which verifies it.
func (f *Folder) CopyFiles(ctx context.Context, to Sink) error {
	for _, m := range f.Rows.Media {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := f.copyFile(m, to); err != nil {
			return fmt.Errorf("%s: %w", m.Path, err)
		}
	}
	return nil
}

func (f *Folder) copyFile(m playlist.Media, to Sink) error {
	file, err := f.open(m.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	return to.Put(m, file)
}
