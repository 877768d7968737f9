package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"cotmoc/hub/feed"
	"cotmoc/hub/server/seed"
	"cotmoc/internal/step"
)

// TestMain runs the program itself where a test asks for it: as a process that
// can be killed at a numbered step.
func TestMain(m *testing.M) {
	if os.Getenv("HUB_TEST_PROGRAM") == "" && (len(os.Args) < 2 || os.Args[1] != renderCommand) {
		os.Exit(m.Run())
	}
	if at, err := strconv.Atoi(os.Getenv("HUB_TEST_KILL")); err == nil {
		n := 0
		step.Hook(func(name string) {
			if n++; n == at {
				fmt.Fprintln(os.Stderr, "killed at:", name)
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		})
	}
	main()
}

// program runs the program; kill is the step at which it is killed, 0 for none.
func program(t *testing.T, kill int, args ...string) (out string, killed bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "HUB_TEST_PROGRAM=1", "HUB_TEST_KILL="+strconv.Itoa(kill))
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	err := cmd.Run()
	if e, ok := errors.AsType[*exec.ExitError](err); ok && e.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return b.String(), true
	}
	if err != nil {
		t.Fatalf("hub %v: %v\n%s", args, err, b.String())
	}
	return b.String(), false
}

// folder makes a small content folder: a clip, a picture, a bulletin in two
// languages, a playlist.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=160x90:rate=5:duration=1", "-f", "lavfi", "-i", "sine=duration=1", "-pix_fmt", "yuv420p", filepath.Join(dir, "a.mp4")).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if out, err := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=160x90", "-frames:v", "1", filepath.Join(dir, "b.png")).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	media := func(name, kind string) (string, map[string]any) {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		hash := fmt.Sprintf("%x", sum(raw))
		return hash, map[string]any{"sha256": hash, "path": name, "type": kind, "bytes": len(raw)}
	}
	clip, clipRow := media("a.mp4", "video/mp4")
	pic, picRow := media("b.png", "image/png")
	raw, err := json.Marshal(map[string]any{
		"format": "cotmoc-content/1", "name": "small", "media": []any{clipRow, picRow},
		"items": []any{map[string]any{"id": "clip", "kind": "video"}, map[string]any{"id": "bulletin", "kind": "bulletin"}},
		"versions": []any{
			map[string]any{"item": "clip", "language": "zxx", "media": []string{clip}},
			map[string]any{"item": "bulletin", "language": "vi", "title": "Chào", "text": "Chào mừng <quý khách> & gia đình", "media": []string{pic}},
			map[string]any{"item": "bulletin", "language": "lo", "title": "ສະບາຍດີ", "text": "ຍິນດີຕ້ອນຮັບ"},
		},
		"playlists": []any{map[string]any{"id": "p", "entries": []any{map[string]any{"item": "clip"}, map[string]any{"item": "bulletin"}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "content.json"), raw, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// work imports, approves and publishes; kill counts the steps of all commands.
func work(t *testing.T, data, content string, kill int, which int) (said string, killed bool) {
	t.Helper()
	commands := [][]string{
		{"import", content, "--data", data, "--reviewer", "duyet"},
		{"publish", "--data", data, "--scope", string(seed.Ministry)},
	}
	for n, args := range commands {
		k := 0
		if n == which {
			k = kill
		}
		if said, killed = program(t, k, args...); killed {
			return said, true
		}
	}
	return said, false
}

// outcome is what must be the same however often a hub was killed on the way.
func outcome(t *testing.T, data string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(data, "public", string(seed.Ministry), "1", "head.json"))
	if err != nil {
		t.Fatal(err)
	}
	var head feed.Head
	if err := json.Unmarshal(raw, &head); err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, kind := range []string{"files", "chunks"} {
		found, _ := filepath.Glob(filepath.Join(data, "public", kind, "*", "*"))
		for _, f := range found {
			info, err := os.Stat(f)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, fmt.Sprintf("%s %d", filepath.Base(f)[:12], info.Size()))
		}
	}
	out, _ := program(t, 0, "status", "--json", "--data", data)
	var s struct {
		Counts map[string]int
	}
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatal(err)
	}
	if text, _ := program(t, 0, "audit", "verify", "--data", data); !strings.Contains(text, "hold together") {
		t.Error(text)
	}
	if left, _ := filepath.Glob(filepath.Join(data, "files", "*", "*.part")); len(left) > 0 {
		t.Errorf("half-written files are left: %v", left)
	}
	return fmt.Sprint(head.Catalogue, head.Rows, files, s.Counts)
}

// Killed at every numbered step of import, rendition and publication, and
// started again, the hub ends where one ends that was never killed.
func TestKilledAtEveryStep(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts the program some sixty times: not with -short")
	}
	content, fresh := folder(t), filepath.Join(t.TempDir(), "fresh")
	program(t, 0, "init", "--data", fresh)
	cmd := exec.Command(os.Args[0], "user", "add", "duyet", "--data", fresh, "--role", "reviewer")
	cmd.Env = append(os.Environ(), "HUB_TEST_PROGRAM=1")
	cmd.Stdin = strings.NewReader("một mật khẩu dài\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	begin := func() string {
		data := filepath.Join(t.TempDir(), "hub")
		if out, err := exec.Command("cp", "-a", fresh, data).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		return data
	}
	whole := begin()
	work(t, whole, content, 0, 0)
	want := outcome(t, whole)
	var names []string
	for which := range 2 {
		for n := 1; ; n++ {
			data := begin()
			said, killed := work(t, data, content, n, which)
			if !killed {
				break
			}
			at := said[strings.LastIndex(said, "killed at:"):]
			names = append(names, strings.TrimSpace(strings.TrimPrefix(at, "killed at:")))
			if _, killed := work(t, data, content, 0, 0); killed {
				t.Fatal("killed without being asked")
			}
			if got := outcome(t, data); got != want {
				t.Errorf("%s step %d: the hub ended as\n%s\nnot as\n%s", at, n, got, want)
			}
			os.RemoveAll(data)
		}
	}
	for _, must := range []string{"import hashed", "import looked", "import kept", "import rows", "job leased", "job fetched", "job kept a file", "job made", "publish file", "publish snapshot.zst", "publish buckets", "publish head.json", "publish newest"} {
		if !strings.Contains(strings.Join(names, "\n"), must) {
			t.Errorf("nothing was killed at %q: %v", must, names)
		}
	}
	t.Logf("%d steps: %v", len(names), names)
}
