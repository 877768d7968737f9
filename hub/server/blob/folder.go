package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"cotmoc/playlist"
	"cotmoc/playlist/media"
)

// Folder is a Store in a folder: the store of files that kiosks use as well.
type Folder struct{ files *media.Store }

var _ Store = Folder{}

// OpenFolder opens or creates a folder for the process that alone writes it.
func OpenFolder(dir string) (Folder, error) {
	f := Folder{media.Open(dir, 0)}
	return f, f.files.Problem()
}

// Path is where a file is, or would be.
func (f Folder) Path(h playlist.Hash) string { return f.files.Path(h) }

// Has says whether a file is here.
func (f Folder) Has(h playlist.Hash) bool { return f.files.Has(h) }

// Put implements Store.
func (f Folder) Put(ctx context.Context, m playlist.Media, r io.Reader) error {
	return f.files.Put(m, reader{ctx, r})
}

// reader ends a copy when its context does.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// Open implements Store.
func (f Folder) Open(_ context.Context, h playlist.Hash) (File, error) {
	if !f.files.Has(h) {
		return nil, fmt.Errorf("file %.12s…: %w", h, ErrNotFound)
	}
	file, err := os.Open(f.files.Path(h))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("file %.12s…: %w", h, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("open a file: %w", err)
	}
	return file, nil
}

// Size implements Store.
func (f Folder) Size(_ context.Context, h playlist.Hash) (int64, error) {
	info, err := os.Stat(f.files.Path(h))
	if !f.files.Has(h) || errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("file %.12s…: %w", h, ErrNotFound)
	}
	if err != nil {
		return 0, fmt.Errorf("look at a file: %w", err)
	}
	return info.Size(), nil
}

// List implements Store.
func (f Folder) List(context.Context) ([]playlist.Hash, error) { return f.files.All(), nil }

// Remove implements Store.
func (f Folder) Remove(_ context.Context, h playlist.Hash) error { return f.files.Remove(h) }
