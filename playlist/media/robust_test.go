package media

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"cotmoc/internal/step"
	"cotmoc/playlist"
)

// Two carriers may bring the same file at once: it is counted once and whole.
func TestSameFileTwiceAtOnce(t *testing.T) {
	s := open(t, t.TempDir(), 0)
	text := strings.Repeat("cột mốc ", 20_000)
	m, _ := file(text)
	var g sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		g.Go(func() { errs[i] = s.Put(m, strings.NewReader(text)) })
	}
	g.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n, bytes := s.Usage(); n != 1 || bytes != m.Bytes {
		t.Errorf("%d files, %d bytes", n, bytes)
	}
	if bad := s.VerifyAll(func(int, int) {}); len(bad) > 0 {
		t.Errorf("damaged: %v", bad)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "*", "*.part")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A look from beside leaves half-written files alone: the kiosk is writing them.
func TestReadOnlyLeavesPartsAlone(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 0)
	h := put(t, s, "a")
	part := filepath.Join(filepath.Dir(s.Path(h)), "12345678-1.part")
	if err := os.WriteFile(part, []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	if r := OpenReadOnly(dir); !r.Has(h) {
		t.Error("the file is not seen")
	}
	if _, err := os.Stat(part); err != nil {
		t.Errorf("a reader removed what is being written: %v", err)
	}
	Open(dir, 0)
	if _, err := os.Stat(part); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the writer left a half file: %v", err)
	}
}

// What is in the folder beside the 256 of ours, or cannot be read, is no reason
// not to start.
func TestStrangeFoldersAreNoReasonToStop(t *testing.T) {
	dir := t.TempDir()
	h := put(t, open(t, dir, 0), "a")
	for _, name := range []string{"lost+found", "zz"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0); err != nil {
			t.Fatal(err)
		}
	}
	s := Open(dir, 0)
	if !s.Has(h) || s.Problem() != nil {
		t.Errorf("has %v, problem %v", s.Has(h), s.Problem())
	}
	// A file where a folder should be cannot be listed: said, not fatal.
	if err := os.WriteFile(filepath.Join(dir, "00"), nil, 0o644); err != nil && !errors.Is(err, os.ErrExist) {
		t.Fatal(err)
	}
	if s = Open(dir, 0); !s.Has(h) && h[:2] != "00" {
		t.Error("one bad folder hides the others")
	}
	if s.Problem() == nil {
		t.Error("nothing is said of it")
	}
}

// Files that went away behind our back are found, one after the other, and are
// no longer said to be here.
func TestVanishedFilesAreFound(t *testing.T) {
	s := open(t, t.TempDir(), 0)
	lost := put(t, s, "lost")
	kept := put(t, s, "kept")
	if err := os.Remove(s.Path(lost)); err != nil {
		t.Fatal(err)
	}
	var found []playlist.Hash
	for range 20 {
		h, err := s.Verify(5)
		if err != nil {
			t.Fatal(err)
		}
		if h != "" {
			found = append(found, h)
		}
	}
	if len(found) != 1 || found[0] != lost || s.Has(lost) || !s.Has(kept) {
		t.Errorf("found %v", found)
	}
}

// Damaged files are kept for whoever asks why, but never fill the disk.
func TestDamagedFilesAreBounded(t *testing.T) {
	s := open(t, t.TempDir(), 0)
	for i := range 12 {
		h := put(t, s, fmt.Sprint("file ", i))
		if err := os.WriteFile(s.Path(h), []byte("flipped"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for range 40 {
		if _, err := s.Verify(100); err != nil {
			t.Fatal(err)
		}
	}
	left, err := os.ReadDir(filepath.Join(s.dir, "damaged"))
	if err != nil || len(left) != keptDamaged || len(s.Damaged()) != 12 {
		t.Errorf("%d kept, %d named, %v", len(left), len(s.Damaged()), err)
	}
}

// Collection takes nothing where all that may go would not make room.
func TestNothingGoesInVain(t *testing.T) {
	s := open(t, t.TempDir(), 100)
	h := put(t, s, "idle")
	if _, err := s.Collect(nil, 1000); !errors.Is(err, ErrNoRoom) {
		t.Errorf("need beyond the quota: %v", err)
	}
	s.quota = 0
	s.free = func(string) (int64, error) { return 0, errors.New("the disk does not answer") }
	if _, err := s.Collect(nil, 10); err == nil {
		t.Error("free space unknown, and nothing said")
	}
	s.free = func(string) (int64, error) { return s.spare + 5, nil }
	if _, err := s.Collect(nil, 100); !errors.Is(err, ErrNoRoom) {
		t.Errorf("need beyond the disk: %v", err)
	}
	if !s.Has(h) {
		t.Error("a file went in vain")
	}
}

// Whatever is put, kept and needed: what is to be kept stays, the count of
// bytes is that of the files, and after a success there is room.
func TestCollectProperties(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		sub, err := os.MkdirTemp(dir, "m")
		if err != nil {
			rt.Fatal(err)
		}
		keep := map[playlist.Hash]bool{}
		for i := range rapid.IntRange(0, 12).Draw(rt, "files") {
			text := strings.Repeat(string(rune('a'+i)), rapid.IntRange(1, 60).Draw(rt, "size"))
			m, _ := file(text)
			// Written past Put, which flushes: a hundred cases of it take minutes.
			path := (&Store{dir: sub}).Path(m.SHA256)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
				rt.Fatal(err)
			}
			keep[m.SHA256] = rapid.Bool().Draw(rt, "keep")
		}
		s := open(t, sub, int64(rapid.IntRange(50, 700).Draw(rt, "quota")))
		need := int64(rapid.IntRange(0, 400).Draw(rt, "need"))
		before, _ := s.Usage()
		removed, err := s.Collect(keep, need)
		for h, wanted := range keep {
			if wanted && !s.Has(h) {
				rt.Fatalf("%v went though it was to be kept", h)
			}
		}
		after, total := s.Usage()
		var sum int64
		for _, h := range s.All() {
			info, statErr := os.Stat(s.Path(h))
			if statErr != nil {
				rt.Fatal(statErr)
			}
			sum += info.Size()
		}
		if sum != total {
			rt.Fatalf("%d bytes counted, %d are there", total, sum)
		}
		if err == nil && s.room(need) != nil {
			rt.Fatalf("no error, and no room for %d", need)
		}
		if err != nil && (removed > 0 || before != after) {
			rt.Fatalf("refused, and yet %d bytes went", removed)
		}
	})
}

// Somebody still works at the path of a file while it is taken: what was verified is
// what gets the name.
func TestAdoptWhatWasVerified(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "media"), 0)
	good := []byte("what was signed")
	sum := sha256.Sum256(good)
	m := playlist.Media{SHA256: playlist.Hash(hex.EncodeToString(sum[:])), Bytes: int64(len(good))}
	path := filepath.Join(dir, "x.part")
	for _, when := range []string{"", "adopt file"} {
		if err := os.WriteFile(path, good, 0o644); err != nil {
			t.Fatal(err)
		}
		step.Hook(func(at string) {
			if at == when {
				if err := os.WriteFile(path, make([]byte, len(good)), 0o644); err != nil {
					t.Error(err)
				}
			}
		})
		err := s.Adopt(m, path)
		step.Hook(func(string) {})
		raw, err2 := os.ReadFile(s.Path(m.SHA256))
		if err != nil || err2 != nil || !bytes.Equal(raw, good) {
			t.Errorf("%q %v %v", raw, err, err2)
		}
	}
	if err := os.WriteFile(path, []byte("another thing"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Adopt(m, path); !errors.Is(err, ErrWrongHash) {
		t.Errorf("%v", err)
	}
	if left, _ := filepath.Glob(path + "*"); len(left) != 0 {
		t.Errorf("%v was left", left)
	}
}
