// Package blob keeps files by their SHA-256, each verified after it was
// written: what a store says it kept is read back and hashed.
package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"cotmoc/playlist"
)

// ErrNotFound is wrapped when a file is not here.
var ErrNotFound = errors.New("the file is not here")

// File is an open file that can be read from any offset.
type File interface {
	io.ReadSeekCloser
	io.ReaderAt
}

// Store keeps files. A name is taken only once; bytes never change.
type Store interface {
	// Put keeps a file whose hash and size are known. Nothing is kept if the
	// bytes are others. A file that is here already is not written again.
	Put(ctx context.Context, m playlist.Media, r io.Reader) error
	// Open opens a file, or returns ErrNotFound.
	Open(ctx context.Context, h playlist.Hash) (File, error)
	// Size returns a file's size in bytes, or ErrNotFound.
	Size(ctx context.Context, h playlist.Hash) (int64, error)
	// List returns the hashes of all files, in order.
	List(ctx context.Context) ([]playlist.Hash, error)
	// Remove removes a file; one that is not here is no error.
	Remove(ctx context.Context, h playlist.Hash) error
}

// Checked reads every file back after it was put, and removes it if size or
// hash are not what they should be: a store has been seen that kept its
// protocol's framing with the bytes, and reported no error.
type Checked struct{ Store }

// Put implements Store.
func (c Checked) Put(ctx context.Context, m playlist.Media, r io.Reader) error {
	if _, err := c.Size(ctx, m.SHA256); err == nil {
		return nil // verified when it came
	}
	if err := c.Store.Put(ctx, m, r); err != nil {
		return err
	}
	if err := Verify(ctx, c.Store, m); err != nil {
		return errors.Join(err, c.Remove(context.WithoutCancel(ctx), m.SHA256))
	}
	return nil
}

// Verify reads a file and compares its size and hash.
func Verify(ctx context.Context, s Store, m playlist.Media) error {
	f, err := s.Open(ctx, m.SHA256)
	if err != nil {
		return err
	}
	defer f.Close()
	hash := sha256.New()
	n, err := io.Copy(hash, f)
	if err != nil {
		return fmt.Errorf("read file %.12s… back: %w", m.SHA256, err)
	}
	if got := hex.EncodeToString(hash.Sum(nil)); n != m.Bytes || got != string(m.SHA256) {
		return fmt.Errorf("file %.12s…: the store kept %d bytes with hash %.12s…, not the %d that were given", m.SHA256, n, got, m.Bytes)
	}
	return nil
}
