package media

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"cotmoc/playlist"
)

// rehash is how far the background check has come.
type rehash struct {
	last playlist.Hash // file that was finished, or is being read
	file *os.File
	sum  hash.Hash
}

// Verify hashes the next slice of at most budget bytes, file after file, for
// ever. A damaged file is moved away and returned: it is no longer present.
func (s *Store) Verify(budget int64) (damaged playlist.Hash, err error) {
	for budget > 0 {
		if s.rehash.file == nil {
			if !s.nextFile() {
				return "", nil
			}
		}
		n, err := io.CopyN(s.rehash.sum, s.rehash.file, budget)
		budget -= n
		if err == nil {
			continue
		}
		got := playlist.Hash(hex.EncodeToString(s.rehash.sum.Sum(nil)))
		closeErr := s.rehash.file.Close()
		s.rehash.file = nil
		if !errors.Is(err, io.EOF) || got != s.rehash.last {
			return s.rehash.last, errors.Join(s.setAside(s.rehash.last), closeErr)
		}
	}
	return "", nil
}

func (s *Store) nextFile() bool {
	all := s.All()
	if len(all) == 0 {
		return false
	}
	next := all[0]
	for _, h := range all {
		if h > s.rehash.last {
			next = h
			break
		}
	}
	s.rehash.last, s.rehash.sum = next, sha256.New()
	f, err := os.Open(s.Path(next))
	if err != nil { // gone behind our back
		s.forget(next)
		return false
	}
	s.rehash.file = f
	return true
}

func (s *Store) setAside(h playlist.Hash) error {
	s.forget(h)
	s.mu.Lock()
	if len(s.damaged) < 1000 {
		s.damaged = append(s.damaged, h)
	}
	s.mu.Unlock()
	dir := filepath.Join(s.dir, "damaged")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("set a damaged file aside: %w", err)
	}
	if err := os.Rename(s.Path(h), filepath.Join(dir, string(h))); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("set a damaged file aside: %w", err)
	}
	return nil
}

// VerifyAll hashes every file now and returns the damaged ones. progress is
// called after each file.
func (s *Store) VerifyAll(progress func(done, all int)) (damaged []playlist.Hash, err error) {
	all := s.All()
	for i, h := range all {
		f, err := os.Open(s.Path(h))
		if err != nil {
			return damaged, fmt.Errorf("verify: %w", err)
		}
		sum := sha256.New()
		_, copyErr := io.Copy(sum, f)
		if err := f.Close(); err != nil {
			return damaged, fmt.Errorf("verify: %w", err)
		}
		if copyErr != nil || playlist.Hash(hex.EncodeToString(sum.Sum(nil))) != h {
			damaged = append(damaged, h)
		}
		progress(i+1, len(all))
	}
	return damaged, nil
}

func freeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("ask for free space: %w", err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}

func reserveOf(dir string) int64 {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return Reserve
	}
	return min(Reserve, int64(st.Blocks)*st.Bsize/10)
}
