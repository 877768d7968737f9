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

	"cotmoc/internal/atomicfile"
	"cotmoc/playlist"
)

// rehash is how far the background check has come.
type rehash struct {
	last playlist.Hash // file that was finished, or is being read
	file *os.File
	sum  hash.Hash
}

// Verify hashes the next slice of at most budget bytes, file after file, for
// ever. A file that is damaged, or gone behind our back, is no longer present
// and is returned; an error means that a file could not be read this time.
func (s *Store) Verify(budget int64) (damaged playlist.Hash, err error) {
	// Opening costs too: many small files are a slice as well.
	for opened := 0; budget > 0 && opened < 64; {
		if s.rehash.file == nil {
			opened++
			gone, err := s.nextFile()
			if gone != "" || err != nil || s.rehash.file == nil {
				return gone, err
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

// nextFile opens the file after the last one; none if there are no files.
func (s *Store) nextFile() (gone playlist.Hash, err error) {
	all := s.All()
	if len(all) == 0 {
		return "", nil
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
	if errors.Is(err, os.ErrNotExist) {
		s.forget(next)
		return next, nil
	}
	if err != nil { // out of descriptors, or a bad sector: asked again next time round
		return "", fmt.Errorf("check a file: %w", err)
	}
	s.rehash.file = f
	return "", nil
}

// keptDamaged is how many damaged files are kept for whoever wants to know why.
const keptDamaged = 4

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
	kept, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("set a damaged file aside: %w", err)
	}
	for _, e := range kept {
		if len(kept) > keptDamaged && e.Name() != string(h) {
			kept = kept[:len(kept)-1]
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("remove an old damaged file: %w", err)
			}
		}
	}
	return nil
}

// VerifyAll hashes every file now and returns the damaged ones, those that
// cannot be read among them. progress is called after each file.
func (s *Store) VerifyAll(progress func(done, all int)) (damaged []playlist.Hash) {
	all := s.All()
	for i, h := range all {
		if got, err := atomicfile.Hash(s.Path(h)); err != nil || got != string(h) {
			damaged = append(damaged, h)
		}
		progress(i+1, len(all))
	}
	return damaged
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
