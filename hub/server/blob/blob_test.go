package blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"testing"

	"cotmoc/hub/server/blob"
	"cotmoc/hub/server/blob/blobtest"
	"cotmoc/playlist"
)

func folder(t *testing.T) blob.Folder {
	t.Helper()
	f, err := blob.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFolder(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store { return folder(t) })
}

func TestChecked(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store { return blob.Checked{Store: folder(t)} })
}

// liar keeps its protocol's framing with the bytes and reports no error.
type liar struct {
	blob.Folder
	framed *bool
}

func (l liar) Put(ctx context.Context, m playlist.Media, r io.Reader) error {
	if err := l.Folder.Put(ctx, m, r); err != nil {
		return err
	}
	*l.framed = true
	return os.WriteFile(l.Path(m.SHA256), []byte("20000;chunk-signature=…"), 0o644)
}

func TestLyingStore(t *testing.T) {
	framed := false
	s := blob.Checked{Store: liar{folder(t), &framed}}
	data := blobtest.Bytes(1, 20_000)
	m := blobtest.Media(data)
	if err := s.Put(t.Context(), m, bytes.NewReader(data)); err == nil || !framed {
		t.Errorf("a file that was kept otherwise was taken: %v", err)
	}
	if _, err := s.Size(t.Context(), m.SHA256); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("it is still there: %v", err)
	}
}
