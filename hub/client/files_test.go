package client

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"cotmoc/hub/client/clienttest"
	"cotmoc/hub/local"
	"cotmoc/hub/server/publish/publishtest"
	"cotmoc/internal/step"
)

// The process dies at each step of a transfer, again and again. The file comes out
// right, and of what was fetched only the last piece is fetched twice.
func TestBringCutAnywhere(t *testing.T) {
	s := newSite(t)
	const size = 3 << 20
	s.Show("p-a", "one", publishtest.Noise("film", size))
	s.All()
	file := s.file("p-a", 0)
	defer step.Hook(func(string) {})
	cuts, whole := 0, false
	for every := 7; !whole; every++ {
		steps := 0
		step.Hook(func(string) {
			if steps++; steps == every%23+1 {
				panic("power cut")
			}
		})
		func() {
			defer func() {
				if recover() != nil {
					cuts++
				}
			}()
			var err error
			if whole, err = s.c.Bring(t.Context(), file, always); err != nil {
				t.Fatal(err)
			}
		}()
		if cuts > 200 {
			t.Fatal("it does not come to an end")
		}
	}
	if !s.right(file) || cuts < 3 {
		t.Errorf("after %d cuts the file is not right", cuts)
	}
	got := s.line.Served["/public/"+filePath("files", file.SHA256)]
	if more := got - size; more > int64(cuts)*320<<10 {
		t.Errorf("%d cuts cost %d bytes", cuts, more)
	}
}

// What a power cut leaves of the journal, or of the bytes behind it, is never taken
// for more than it is.
func TestTornJournals(t *testing.T) {
	s := newSite(t)
	s.Show("p-a", "one", publishtest.Noise("film", 2<<20))
	s.All()
	file := s.file("p-a", 0)
	half := func() (part, journal string) {
		t.Helper()
		if err := s.c.drop(file.SHA256); err != nil {
			t.Fatal(err)
		}
		asked := 0
		_, err := s.c.Bring(t.Context(), file, func(context.Context, int64) int64 {
			if asked++; asked > 2 {
				return 0
			}
			return 512 << 10
		})
		if err != nil {
			t.Fatal(err)
		}
		base := filepath.Join(s.c.Dir, local.PartDir, string(file.SHA256))
		return base + ".part", base + ".journal"
	}
	for name, tear := range map[string]func(part, journal string) error{
		"half a line more":       func(_, j string) error { return appendTo(j, []byte{0, 0, 0}) },
		"zeroes at the end":      func(_, j string) error { return appendTo(j, make([]byte, 64)) },
		"a chunk that is not":    func(_, j string) error { return appendTo(j, []byte{0, 0, 0, 20, 1, 2, 3, 4}) },
		"a number beyond":        func(_, j string) error { return appendTo(j, bytes.Repeat([]byte{255}, 8)) },
		"an empty journal":       func(_, j string) error { return os.Truncate(j, 0) },
		"no journal":             func(_, j string) error { return os.Remove(j) },
		"no part":                func(p, _ string) error { return os.Remove(p) },
		"an empty part":          func(p, _ string) error { return os.Truncate(p, 0) },
		"a part of another size": func(p, _ string) error { return os.Truncate(p, 100) },
		"bytes behind the journal that are not the file's": func(p, _ string) error { return scribble(p, 1900<<10) },
	} {
		part, journal := half()
		if err := tear(part, journal); err != nil {
			t.Fatal(err)
		}
		whole, err := s.c.Bring(t.Context(), file, always)
		if err != nil || !whole {
			t.Fatalf("%s: %v %v", name, whole, err)
		}
		if right := s.right(file); !right {
			// The journal vouched for bytes that a damaged disk lost. Kiosk finds that by
			// the file's hash, and the transfer begins anew.
			if err := s.c.drop(file.SHA256); err != nil {
				t.Fatal(err)
			}
			if _, err := s.c.Bring(t.Context(), file, always); err != nil || !s.right(file) {
				t.Errorf("%s: not even anew: %v", name, err)
			}
			if !slices.Contains([]string{"no part", "an empty part", "a part of another size"}, name) {
				t.Errorf("%s: the file was not right at once", name)
			}
		}
	}
}

func appendTo(path string, raw []byte) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	return errors.Join(err, f.Close())
}

func scribble(path string, at int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte("scribble"), at)
	return errors.Join(err, f.Close())
}

// A file that differs little from one that is here costs little.
func TestReuse(t *testing.T) {
	s := newSite(t)
	old := publishtest.Noise("film", 8<<20)
	edited := slices.Concat([]byte("a new title in front"), old[:5<<20], []byte("a frame more"), old[5<<20:])
	s.Show("p-a", "one", edited)
	s.All()
	file := s.file("p-a", 0)
	sum := s.Media("p-b", old)
	path := filepath.Join(s.c.Dir, "media", string(sum[:2]), string(sum))
	s.Must(os.MkdirAll(filepath.Dir(path), 0o755))
	s.Must(os.WriteFile(path, old, 0o644))
	if whole, err := s.c.Bring(t.Context(), file, always); err != nil || !whole || !s.right(file) {
		t.Fatalf("%v %v", whole, err)
	}
	if got := s.line.Served["/public/"+filePath("files", file.SHA256)]; got > 1<<20 {
		t.Errorf("%d bytes were fetched", got)
	}
	// A damaged neighbour does no harm.
	s.Must(s.c.drop(file.SHA256))
	s.Must(scribble(path, 1<<20))
	if whole, err := s.c.Bring(t.Context(), file, always); err != nil || !whole || !s.right(file) {
		t.Errorf("from a damaged file: %v %v", whole, err)
	}
}

// A full disk shows before the first byte, not in the middle.
func TestNoRoom(t *testing.T) {
	s := newSite(t)
	s.Show("p-a", "one", publishtest.Noise("film", 300_000))
	s.All()
	file := s.file("p-a", 0)
	s.Must(os.WriteFile(filepath.Join(s.c.Dir, local.PartDir), nil, 0o644)) // nothing can be made below it
	if _, err := s.c.Bring(t.Context(), file, always); err == nil {
		t.Error("there was room")
	}
	if s.line.Served["/public/"+filePath("files", file.SHA256)] != 0 {
		t.Error("bytes were fetched for nothing")
	}
}

// Thousands of lines, each with its own accidents: as long as they happen nothing
// false is kept, and when they end everything converges.
func TestConverges(t *testing.T) {
	base := newSite(t)
	films := [][]byte{publishtest.Noise("x", 150_000), publishtest.Noise("y", 70_000)}
	base.Show("p-a", "one", films...)
	base.All()
	names := []string{}
	for name := range clienttest.Lies {
		names = append(names, name)
	}
	slices.Sort(names)
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp("", "converge-")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		seed := rapid.Uint64().Draw(rt, "seed")
		r := rand.New(rand.NewPCG(seed, 1))
		s := *base
		l := &clienttest.Line{Dir: base.Dir, Served: map[string]int64{}}
		s.c = Through(dir, l)
		s.line = l
		bad := rapid.IntRange(0, 90).Draw(rt, "percent of answers")
		l.Fault = func(req *http.Request, a *http.Response) (*http.Response, error) {
			if r.IntN(100) < bad {
				return clienttest.Lies[names[r.IntN(len(names))]](req, a)
			}
			return a, nil
		}
		for range 4 {
			if came, err := s.look(context.Background()); came && err != nil {
				rt.Fatalf("kiosk would have been told: %v", err)
			}
			for _, f := range s.files("p-a") {
				if whole, _ := s.c.Bring(context.Background(), f, always); whole && !s.right(f) {
					rt.Fatal("a file that is not right counts as whole")
				}
			}
		}
		l.Fault = nil
		verified, lied := int64(0), false
		for range 2 {
			if _, err := s.look(context.Background()); err != nil {
				rt.Fatalf("it does not converge: %v", err)
			}
		}
		if s.snapshot() != 2 {
			rt.Fatalf("at snapshot %d", s.snapshot())
		}
		l.Served = map[string]int64{}
		for _, f := range s.files("p-a") {
			tr, err := s.c.begin(context.Background(), f)
			if err != nil {
				rt.Fatal(err)
			}
			verified += f.Bytes - tr.left
			if err := tr.close(); err != nil {
				rt.Fatal(err)
			}
			whole, err := s.c.Bring(context.Background(), f, always)
			if errors.Is(err, errForged) { // its table had been damaged on the way: another one
				lied = true
				whole, err = s.c.Bring(context.Background(), f, always)
			}
			if err != nil || !whole || !s.right(f) {
				rt.Fatalf("%v %v", whole, err)
			}
		}
		if lied {
			return
		}
		var fetched, all int64
		for _, f := range s.files("p-a") {
			fetched += l.Served["/public/"+filePath("files", f.SHA256)]
			all += f.Bytes
		}
		if fetched+verified > all {
			rt.Fatalf("%d bytes were verified, and %d of %d fetched again", verified, fetched, all)
		}
	})
}
