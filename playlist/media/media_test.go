package media

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cotmoc/playlist"
)

func file(text string) (playlist.Media, *strings.Reader) {
	sum := sha256.Sum256([]byte(text))
	return playlist.Media{SHA256: playlist.Hash(hex.EncodeToString(sum[:])), Bytes: int64(len(text)), Type: "text/plain"}, strings.NewReader(text)
}

func open(t *testing.T, dir string, quota int64) *Store {
	t.Helper()
	s := Open(dir, quota)
	if err := s.Problem(); err != nil {
		t.Fatal(err)
	}
	s.free = func(string) (int64, error) { return 1 << 40, nil }
	return s
}

func put(t *testing.T, s *Store, text string) playlist.Hash {
	t.Helper()
	m, r := file(text)
	if err := s.Put(m, r); err != nil {
		t.Fatal(err)
	}
	return m.SHA256
}

func TestOnlyVerifiedFilesArePresent(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 0)
	good := put(t, s, "hello")
	m, _ := file("promised")
	for name, r := range map[string]io.Reader{
		"other bytes": strings.NewReader("promisex"), "shorter": strings.NewReader("prom"), "longer": strings.NewReader("promised and more"),
		"empty": strings.NewReader(""), "breaks off": io.MultiReader(strings.NewReader("pro"), broken{}),
	} {
		if err := s.Put(m, r); err == nil {
			t.Errorf("%s was taken", name)
		}
		if s.Has(m.SHA256) {
			t.Errorf("%s is present", name)
		}
	}
	again := open(t, dir, 0)
	if !again.Has(good) || again.Has(m.SHA256) || len(again.All()) != 1 {
		t.Errorf("after opening again: %v", again.All())
	}
	raw, err := os.ReadFile(again.Path(good))
	if err != nil || string(raw) != "hello" {
		t.Errorf("%q, %v", raw, err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("the stick was pulled out") }

func TestHalfWrittenFilesAreRemovedAtStart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 0)
	h := put(t, s, "hello")
	part := s.Path(h) + "x.part"
	if err := os.WriteFile(part, []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	open(t, dir, 0)
	if _, err := os.Stat(part); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// Every bit of a file that flips is found by the background check, a slice at
// a time, and the file is no longer present.
func TestRehashFindsAFlippedBit(t *testing.T) {
	for _, at := range []int{0, 4999, 9999} {
		dir := t.TempDir()
		s := open(t, dir, 0)
		text := strings.Repeat("0123456789", 1000)
		h := put(t, s, text)
		other := put(t, s, "other")
		raw := []byte(text)
		raw[at] ^= 4
		if err := os.WriteFile(s.Path(h), raw, 0o644); err != nil {
			t.Fatal(err)
		}
		found := playlist.Hash("")
		for range 40 {
			d, err := s.Verify(1000)
			if err != nil {
				t.Fatal(err)
			}
			if d != "" {
				found = d
			}
		}
		if found != h || s.Has(h) || !s.Has(other) {
			t.Errorf("bit in byte %d: found %.8s, present %v, the other %v", at, found, s.Has(h), s.Has(other))
		}
		if _, err := os.Stat(filepath.Join(dir, "damaged", string(h))); err != nil {
			t.Errorf("it was not set aside: %v", err)
		}
	}
}

func TestVerifyOfAVanishedFile(t *testing.T) {
	s := open(t, t.TempDir(), 0)
	h := put(t, s, "hello")
	if err := os.Remove(s.Path(h)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verify(100); err != nil {
		t.Fatal(err)
	}
	if s.Has(h) {
		t.Error("it still counts as present")
	}
}

func TestQuotaAndReserve(t *testing.T) {
	s := open(t, t.TempDir(), 10)
	put(t, s, "12345678")
	m, r := file("abcdef")
	if err := s.Put(m, r); !errors.Is(err, ErrNoRoom) {
		t.Errorf("beyond the quota: %v", err)
	}
	s = open(t, t.TempDir(), 0)
	s.free = func(string) (int64, error) { return Reserve + 3, nil }
	if err := s.Put(m, bytes.NewReader([]byte("abcdef"))); !errors.Is(err, ErrNoRoom) {
		t.Errorf("into the reserve: %v", err)
	}
}

func TestCollectTakesOnlyWhatNobodyKeepsAndOnlyWhenNeeded(t *testing.T) {
	s := open(t, t.TempDir(), 30)
	kept := put(t, s, "kept------")
	old := put(t, s, "old-------")
	young := put(t, s, "young-----")
	stamp := time.Now().Add(-time.Hour)
	if err := os.Chtimes(s.Path(old), stamp, stamp); err != nil {
		t.Fatal(err)
	}
	keep := map[playlist.Hash]bool{kept: true}
	if n, err := s.Collect(keep, 0); err != nil || n != 0 {
		t.Errorf("with room: removed %d, %v", n, err)
	}
	if n, err := s.Collect(keep, 10); err != nil || n != 10 || s.Has(old) || !s.Has(young) {
		t.Errorf("for 10 bytes: removed %d, %v", n, err)
	}
	if _, err := s.Collect(keep, 1000); !errors.Is(err, ErrNoRoom) || !s.Has(kept) || !s.Has(young) {
		t.Errorf("for too much: kept %v, young %v, %v", s.Has(kept), s.Has(young), err)
	}
}
