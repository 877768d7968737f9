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
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"cotmoc/internal/atomicfile"
	"cotmoc/internal/step"
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
	problem error
}

// Open opens a folder for the process that alone writes it, and removes what a
// power cut left half written. A folder that cannot be read, in part or at
// all, is no reason to stay dark: see Problem.
func Open(dir string, quota int64) *Store {
	s := OpenReadOnly(dir)
	s.quota = quota
	if err := os.MkdirAll(dir, 0o755); err != nil {
		s.problem = fmt.Errorf("media folder: %w", err)
	}
	parts, _ := filepath.Glob(filepath.Join(dir, "*", "*.part"))
	for _, path := range parts {
		_ = os.Remove(path) // a read-only disk keeps it; it is never taken for a file
	}
	return s
}

// OpenReadOnly looks at a folder that another process may be writing.
func OpenReadOnly(dir string) *Store {
	s := &Store{dir: dir, spare: reserveOf(filepath.Dir(dir)), free: freeBytes, present: map[playlist.Hash]int64{}}
	// Begin anywhere: a machine that is switched off every night must not
	// check the same first files for ever.
	s.rehash.last = playlist.Hash(fmt.Sprintf("%02x", rand.IntN(256)))
	for n := range 256 {
		prefix := fmt.Sprintf("%02x", n)
		entries, err := os.ReadDir(filepath.Join(dir, prefix))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.problem = fmt.Errorf("media folder: %w", err)
		}
		for _, e := range entries {
			name := playlist.Hash(e.Name())
			if name.Check("") != nil || string(name[:2]) != prefix {
				continue
			}
			if info, err := e.Info(); err == nil && info.Mode().IsRegular() { // else it went away meanwhile
				s.present[name] = info.Size()
				s.total += info.Size()
			}
		}
	}
	return s
}

// Problem is what kept a part of the folder from being read at opening, or nil.
func (s *Store) Problem() error { return s.problem }

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
	if err := s.makeFolder(filepath.Dir(path)); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), string(m.SHA256[:8])+"-*.part") // two may bring the same file
	if err != nil {
		return fmt.Errorf("store a file: %w", err)
	}
	part := f.Name()
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
	if err := f.Chmod(0o644); err != nil { // others may verify
		return fmt.Errorf("store a file: %w", err)
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
	if _, twice := s.present[m.SHA256]; !twice {
		s.present[m.SHA256] = n
		s.total += n
	}
	return nil
}

// Limit changes the quota, in bytes; 0 for none.
func (s *Store) Limit(quota int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quota = quota
}

// Fits says whether so many bytes more may be kept without anything going.
func (s *Store) Fits(bytes int64) bool { return s.room(bytes) == nil }

// Adopt verifies a file that lies on the same disk and takes it, without copying
// it. It is moved aside before it is read, so that what is verified is what gets the
// name, whoever still works at the path. What is not as hash and size say is removed.
func (s *Store) Adopt(m playlist.Media, path string) error {
	if err := m.SHA256.Check("media"); err != nil {
		return err
	}
	aside := path + Aside
	if err := os.Rename(path, aside); err != nil {
		return fmt.Errorf("take a file: %w", err)
	}
	err := s.adopt(m, aside)
	if errors.Is(err, ErrWrongHash) {
		return errors.Join(err, os.Remove(aside))
	}
	if err != nil { // of the disk: the file may be as good as before
		if back := os.Rename(aside, path); back != nil {
			err = errors.Join(err, back)
		}
	}
	return err
}

// Aside is added to the name of a file that Adopt has moved aside. A power cut may
// leave it so; it is renamed back then.
const Aside = ".taken"

func (s *Store) adopt(m playlist.Media, path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("take a file: %w", err)
	}
	hash := sha256.New()
	n, err := io.Copy(hash, io.LimitReader(f, m.Bytes+1))
	if err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("take a file: %w", err)
	}
	if got := hex.EncodeToString(hash.Sum(nil)); n != m.Bytes || got != string(m.SHA256) {
		return fmt.Errorf("%w: %d bytes with hash %.12s…, expected %d with %.12s…", ErrWrongHash, n, got, m.Bytes, m.SHA256)
	}
	if err := s.makeFolder(filepath.Dir(s.Path(m.SHA256))); err != nil {
		return err
	}
	step.At("adopt file")
	if err := atomicfile.Rename(path, s.Path(m.SHA256)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, twice := s.present[m.SHA256]; !twice {
		s.present[m.SHA256] = n
		s.total += n
	}
	return nil
}

// makeFolder makes a file's folder so that it outlives a power cut.
func (s *Store) makeFolder(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("media folder: %w", err)
	}
	return atomicfile.SyncDir(filepath.Dir(dir))
}

func (s *Store) room(bytes int64) error {
	s.mu.Lock()
	total, quota := s.total, s.quota
	s.mu.Unlock()
	if quota > 0 && total+bytes > quota {
		return fmt.Errorf("%w: %d bytes beyond the quota of %d", ErrNoRoom, total+bytes-quota, quota)
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
// into quota and disk, the longest unused first. With need 0 nothing is removed
// while there is room; where nothing that may go would help, nothing goes.
func (s *Store) Collect(keep map[playlist.Hash]bool, need int64) (removed int64, err error) {
	type file struct {
		hash playlist.Hash
		size int64
		used time.Time
	}
	s.mu.Lock()
	var idle []file
	var idleBytes int64
	for h, size := range s.present {
		if !keep[h] {
			f := file{hash: h, size: size}
			if info, err := os.Stat(s.Path(h)); err == nil {
				f.used = info.ModTime()
			}
			idle = append(idle, f)
			idleBytes += size
		}
	}
	total, quota := s.total, s.quota
	s.mu.Unlock()
	if quota > 0 && total+need-idleBytes > quota {
		return 0, fmt.Errorf("%w: %d bytes beyond the quota even without what may go", ErrNoRoom, total+need-idleBytes-quota)
	}
	if free, err := s.free(s.dir); err != nil {
		return 0, err
	} else if free+idleBytes-need < s.spare {
		return 0, fmt.Errorf("%w: %d MB are free, %d MB may go, %d MB must stay free", ErrNoRoom, free>>20, idleBytes>>20, s.spare>>20)
	}
	slices.SortFunc(idle, func(a, b file) int { return a.used.Compare(b.used) })
	for _, f := range idle {
		if s.room(need) == nil {
			break
		}
		if err := s.Remove(f.hash); err != nil {
			return removed, err
		}
		removed += f.size
	}
	return removed, nil
}

// Remove removes a file; one that is not here is no error.
func (s *Store) Remove(h playlist.Hash) error {
	if err := os.Remove(s.Path(h)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove a file: %w", err)
	}
	s.forget(h)
	return nil
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
