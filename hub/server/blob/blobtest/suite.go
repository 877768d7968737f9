// Package blobtest is the contract of blob.Store: every store passes it.
package blobtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"cotmoc/hub/server/blob"
	"cotmoc/playlist"
)

// Media names bytes.
func Media(b []byte) playlist.Media {
	sum := sha256.Sum256(b)
	return playlist.Media{SHA256: playlist.Hash(hex.EncodeToString(sum[:])), Bytes: int64(len(b)), Type: "application/octet-stream"}
}

// Bytes makes n bytes that depend on seed alone.
func Bytes(seed uint64, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(b)
	return b
}

type broken struct{ io.Reader }

func (b broken) Read(p []byte) (int, error) {
	if n, err := b.Reader.Read(p); err == nil {
		return n, nil
	}
	return 0, errors.New("the link broke")
}

// Run runs the suite on empty stores.
func Run(t *testing.T, open func(t *testing.T) blob.Store) {
	t.Run("sizes", func(t *testing.T) {
		s := open(t)
		for _, n := range []int{0, 1, 4095, 4096, 1 << 20, 21 << 20} {
			data := Bytes(uint64(n), n)
			m := Media(data)
			for range 2 { // the second time it is here
				if err := s.Put(t.Context(), m, bytes.NewReader(data)); err != nil {
					t.Fatalf("%d bytes: %v", n, err)
				}
			}
			if size, err := s.Size(t.Context(), m.SHA256); err != nil || size != int64(n) {
				t.Errorf("%d bytes: the store says %d, %v", n, size, err)
			}
			if err := blob.Verify(t.Context(), s, m); err != nil {
				t.Error(err)
			}
		}
		list, err := s.List(t.Context())
		if err != nil || len(list) != 6 || !slices.IsSorted(list) {
			t.Errorf("%d files listed, %v", len(list), err)
		}
	})
	t.Run("refused", func(t *testing.T) { refused(t, open(t)) })
	more(t, open)
}

// refused brings what is not what it says.
func refused(t *testing.T, s blob.Store) {
	data := Bytes(1, 100_000)
	m := Media(data)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, put := range map[string]func() error{
		"other bytes": func() error { return s.Put(t.Context(), m, bytes.NewReader(Bytes(2, 100_000))) },
		"short":       func() error { return s.Put(t.Context(), m, bytes.NewReader(data[:99_999])) },
		"long":        func() error { return s.Put(t.Context(), m, bytes.NewReader(append(slices.Clone(data), 0))) },
		"broken":      func() error { return s.Put(t.Context(), m, broken{bytes.NewReader(data[:5000])}) },
		"cancelled":   func() error { return s.Put(cancelled, m, bytes.NewReader(data)) },
		"no hash": func() error {
			return s.Put(t.Context(), playlist.Media{SHA256: "../../etc/passwd", Bytes: 1}, strings.NewReader("x"))
		},
	} {
		if put() == nil {
			t.Errorf("%s: it was taken", name)
		}
		if _, err := s.Size(t.Context(), m.SHA256); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("%s: something is kept: %v", name, err)
		}
	}
	if _, err := s.Open(t.Context(), m.SHA256); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if err := s.Remove(t.Context(), m.SHA256); err != nil {
		t.Errorf("removing what is not here: %v", err)
	}
}

func more(t *testing.T, open func(t *testing.T) blob.Store) {
	t.Run("ranges", func(t *testing.T) {
		s := open(t)
		data := Bytes(3, 70_000)
		m := Media(data)
		if err := s.Put(t.Context(), m, bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		f, err := s.Open(t.Context(), m.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		part := make([]byte, 1000)
		if _, err := f.ReadAt(part, 65_000); err != nil || !bytes.Equal(part, data[65_000:66_000]) {
			t.Errorf("ReadAt: %v", err)
		}
		if _, err := f.Seek(-10, io.SeekEnd); err != nil {
			t.Error(err)
		}
		if rest, err := io.ReadAll(f); err != nil || !bytes.Equal(rest, data[len(data)-10:]) {
			t.Errorf("after Seek: %v", err)
		}
		if err := s.Remove(t.Context(), m.SHA256); err != nil {
			t.Error(err)
		}
		if _, err := s.Size(t.Context(), m.SHA256); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("after its removal: %v", err)
		}
	})
	t.Run("together", func(t *testing.T) {
		s := open(t)
		data := Bytes(4, 3<<20)
		m := Media(data)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if err := s.Put(t.Context(), m, bytes.NewReader(data)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if err := blob.Verify(t.Context(), s, m); err != nil {
			t.Error(err)
		}
	})
}
