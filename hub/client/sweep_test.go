package client

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"cotmoc/hub/local"
	"cotmoc/hub/server/publish/publishtest"
)

// What years leave behind goes; what is wanted, held or believed stays.
func TestSweep(t *testing.T) {
	s := newSite(t)
	s.Show("p-a", "one", publishtest.Noise("x", 50_000))
	s.All()
	if _, err := s.look(t.Context()); err != nil {
		t.Fatal(err)
	}
	wanted, idle := s.file("p-a", 0), "ab"+string(s.file("p-a", 0).SHA256)[2:]
	long := time.Now().Add(-30 * 24 * time.Hour)
	lie := func(path string) string {
		t.Helper()
		s.Must(os.MkdirAll(filepath.Dir(path), 0o755))
		s.Must(os.WriteFile(path, []byte("x"), 0o644))
		s.Must(os.Chtimes(path, long, long))
		return path
	}
	part := func(h string) string { return filepath.Join(s.c.Dir, local.PartDir, h+".part") }
	stay := []string{lie(s.c.public(filePath("chunks", wanted.SHA256))), lie(part(string(wanted.SHA256))), lie(s.c.public("trust/7.root.json"))}
	go1 := []string{lie(s.c.public("chunks/ab/" + idle)), lie(part(idle)), lie(s.c.public("trust/1.p-gone.json"))}
	s.want.Files = []local.File{wanted}
	if err := s.c.sweep(s.want, s.want.Trust); err != nil {
		t.Fatal(err)
	}
	for _, path := range stay {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("it went away: %v", err)
		}
	}
	for _, path := range go1 {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s stayed", path)
		}
	}
	s.Must(os.Remove(s.c.public("trust/7.root.json")))
	if _, err := s.look(t.Context()); err != nil {
		t.Error(err)
	}
}
