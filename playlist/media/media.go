// Package media keeps content files by their SHA-256. A file counts as present
// only because its hash was computed on this machine: it gets its name after
// that, and is hashed again, a slice at a time, for as long as it stays.
package media

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"cotmoc/internal/atomicfile"
	"cotmoc/playlist"
)

// ErrWrongHash is wrapped when bytes are not what their name says.
var ErrWrongHash = errors.New("the file is not what its hash says")

// ErrNoRoom is wrapped when a file would exceed the quota or the disk's reserve.
var ErrNoRoom = errors.New("there is no room for the file")

// Reserve is the part of the disk that is never filled, in bytes: databases
// and logs must go on. On a small disk it is a tenth.
const Reserve = 200 << 20

// Store is a folder of verified files. It is safe for concurrent use.
type Store struct {
	dir   string
	quota int64 // bytes; 0: none
	spare int64 // bytes of the disk that stay free
	free  func(dir string) (int64, error)

	mu      sync.Mutex
	present map[playlist.Hash]int64 // bytes
	total   int64
	rehash  rehash
	damaged []playlist.Hash
}

// Open opens a folder and removes what a power cut left half written.
func Open(dir string, quota int64) (*Store, error) {
	s := &Store{dir: dir, quota: quota, spare: reserveOf(filepath.Dir(dir)), free: freeBytes, present: map[playlist.Hash]int64{}}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return s, nil // a disk that takes no folder holds no files: the caller says that it is full or read-only
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name := playlist.Hash(d.Name())
		if name.Check("") != nil || filepath.Base(filepath.Dir(path)) == "damaged" {
			if strings.HasSuffix(d.Name(), ".part") {
				_ = os.Remove(path) // a read-only disk keeps it; it is never taken for a file
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().IsRegular() {
			s.present[name] = info.Size()
			s.total += info.Size()
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("media folder: %w", err)
	}
	return s, nil
}

// Path is where a file is, or would be.
func (s *Store) Path(h playlist.Hash) string {
	if len(h) < 2 {
		return filepath.Join(s.dir, "none")
	}
	return filepath.Join(s.dir, string(h[:2]), string(h))
}

// Has says whether the file is here, verified.
func (s *Store) Has(h playlist.Hash) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.present[h]
	return ok
}

// Put takes a file's bytes and verifies them. Nothing is kept if they are not
// what hash and size say. A file that is here already is not read.
func (s *Store) Put(m playlist.Media, r io.Reader) (err error) {
	if err := m.SHA256.Check("media"); err != nil {
		return err
	}
	if s.Has(m.SHA256) {
		return nil
	}
	if err := s.room(m.Bytes); err != nil {
		return err
	}
	path := s.Path(m.SHA256)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("media folder: %w", err)
	}
	part := path + ".part"
	f, err := os.Create(part)
	if err != nil {
		return fmt.Errorf("store a file: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(part))
		}
	}()
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, hash), io.LimitReader(r, m.Bytes+1))
	if err != nil {
		return fmt.Errorf("store a file: %w", err)
	}
	if got := hex.EncodeToString(hash.Sum(nil)); n != m.Bytes || got != string(m.SHA256) {
		return fmt.Errorf("%w: %d bytes with hash %.12s…, expected %d with %.12s…", ErrWrongHash, n, got, m.Bytes, m.SHA256)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("flush a file: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("close a file: %w", err)
	}
	if err := atomicfile.Rename(part, path); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.present[m.SHA256] = n
	s.total += n
	return nil
}

func (s *Store) room(bytes int64) error {
	s.mu.Lock()
	total := s.total
	s.mu.Unlock()
	if s.quota > 0 && total+bytes > s.quota {
		return fmt.Errorf("%w: %d bytes beyond the quota of %d", ErrNoRoom, total+bytes-s.quota, s.quota)
	}
	free, err := s.free(s.dir)
	if err != nil {
		return err
	}
	if free-bytes < s.spare {
		return fmt.Errorf("%w: %d MB are free, %d MB must stay so", ErrNoRoom, free>>20, s.spare>>20)
	}
	return nil
}

// Collect removes files that keep does not name, until need more bytes fit
// into quota and disk. With need 0 nothing is removed while there is room.
func (s *Store) Collect(keep map[playlist.Hash]bool, need int64) (removed int64, err error) {
	type file struct {
		hash playlist.Hash
		size int64
		used time.Time
	}
	s.mu.Lock()
	var idle []file
	for h, size := range s.present {
		if !keep[h] {
			f := file{hash: h, size: size}
			if info, err := os.Stat(s.Path(h)); err == nil {
				f.used = info.ModTime()
			}
			idle = append(idle, f)
		}
	}
	s.mu.Unlock()
	slices.SortFunc(idle, func(a, b file) int { return a.used.Compare(b.used) })
	for _, f := range idle {
		if s.room(need) == nil {
			break
		}
		if err := os.Remove(s.Path(f.hash)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return removed, fmt.Errorf("remove a file: %w", err)
		}
		s.forget(f.hash)
		removed += f.size
	}
	return removed, nil
}

func (s *Store) forget(h playlist.Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total -= s.present[h]
	delete(s.present, h)
}

// Usage returns how many files and bytes are here.
func (s *Store) Usage() (files int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.present), s.total
}

// Damaged lists files that were found damaged since the start.
func (s *Store) Damaged() []playlist.Hash {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.damaged)
}

// All lists every file here, in order.
func (s *Store) All() []playlist.Hash {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]playlist.Hash, 0, len(s.present))
	for h := range s.present {
		all = append(all, h)
	}
	slices.Sort(all)
	return all
}
