package server_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"cotmoc/hub/server"
	"cotmoc/hub/server/rights"
	"cotmoc/playlist"
)

// small mounts a disk of so many MB.
func small(t *testing.T, mb int) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm", mb), "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("a small disk cannot be mounted here (%v): %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	return dir
}

// A disk that runs full refuses what is new in plain words, loses nothing of
// what was taken, and goes on once there is room.
func TestFullDisk(t *testing.T) {
	disk := small(t, 24)
	dir := filepath.Join(disk, "hub")
	r := start(t, dir, nil)
	p := r.person("lan", langSon, rights.Author)
	p.create("/items", playlist.Item{ID: "i", Owner: langSon, Kind: playlist.Bulletin, Class: "bulletin"})
	kept := p.create("/versions", map[string]any{"item": "i", "language": "vi", "title": "Giữ", "text": "nguyên"})
	ballast := filepath.Join(disk, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	for piece := make([]byte, 64<<10); ; { // until the disk is full
		if _, err := f.Write(piece); err != nil {
			break
		}
	}
	f.Close()
	full := 0
	for n := range 40 {
		got := p.do("POST", "/items", playlist.Item{ID: playlist.ID("j" + strconv.Itoa(n)), Owner: langSon, Kind: playlist.Bulletin, Class: "bulletin", Source: strings.Repeat("x", 900)})
		if got.status == 507 {
			got.refused(507, "no-room")
			full++
		} else if got.status != 201 {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	if full == 0 {
		t.Error("the disk was never full")
	}
	p.do("GET", "/versions/"+string(kept.ID), nil).want(200)
	data := pictureBytes()
	if url := p.do("POST", "/uploads", nil, "Tus-Resumable", "1.0.0", "Upload-Length", strconv.Itoa(len(data)), "Upload-Metadata", "place cC1sYW5nLXNvbg=="); url.status != 507 {
		got := p.tus("PATCH", url.want(201).header.Get("Location"), data, "Upload-Offset", "0")
		got.refused(507, "no-room")
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	p.create("/items", playlist.Item{ID: "later", Owner: langSon, Kind: playlist.Bulletin, Class: "bulletin"})
	r.stop()
	if _, err := server.VerifyAudit(t.Context(), dir, "", ""); err != nil {
		t.Error(err)
	}
	r = start(t, dir, nil)
	p.url = r.url
	p.do("GET", "/versions/"+string(kept.ID), nil).want(200)
}
