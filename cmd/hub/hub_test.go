package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func sum(b []byte) [32]byte { return sha256.Sum256(b) }

// wrong runs the program and expects an exit code, one plain sentence and no
// stack trace.
func wrong(t *testing.T, code int, what string, args ...string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "HUB_TEST_PROGRAM=1")
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	err := cmd.Run()
	e, ok := errors.AsType[*exec.ExitError](err)
	if !ok || e.ExitCode() != code || !strings.Contains(b.String(), what) || strings.Contains(b.String(), "goroutine") {
		t.Errorf("hub %v: %v, want %d and %q\n%s", args, err, code, what, b.String())
	}
}

func TestWrongCommands(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hub")
	wrong(t, 2, "no command was given")
	wrong(t, 2, `no command "dance"`, "dance")
	wrong(t, 2, "give --data DIR", "publish")
	wrong(t, 1, "there is no hub", "serve", "--data", dir)
	wrong(t, 1, "there is no hub", "status", "--data", dir)
	program(t, 0, "init", "--data", dir)
	wrong(t, 1, "is not empty", "init", "--data", dir)
	wrong(t, 2, "flag provided but not defined", "publish", "--data", dir, "--loud")
	wrong(t, 2, "give the content folder", "import", "--data", dir)
	wrong(t, 1, "content folder", "import", "/nowhere", "--data", dir)
	wrong(t, 1, "account", "publish", "--data", dir, "--as", "nobody")
	wrong(t, 2, "roles are", "user", "add", "x", "--role", "king", "--data", dir)
	wrong(t, 2, "audit verify", "audit", "--data", dir)
	wrong(t, 1, "no whole backup", "restore", t.TempDir(), "--data", filepath.Join(t.TempDir(), "x"))
	cmd := exec.Command(os.Args[0], "user", "add", "lan", "--data", dir, "--role", "author")
	cmd.Env = append(os.Environ(), "HUB_TEST_PROGRAM=1")
	cmd.Stdin = strings.NewReader("một mật khẩu dài\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	wrong(t, 3, "no right to publish", "publish", "--data", dir, "--as", "lan", "--scope", "bvhttdl")
	if out, _ := program(t, 0, "publish", "--data", dir, "--json"); !json.Valid([]byte(out)) || !strings.Contains(out, `"p-lang-son"`) {
		t.Error(out)
	}
	key := filepath.Join(dir, "keys", "audit.key")
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the audit's key is open to others: %v %v", info, err)
	}
}

// Commands work through the hub that runs, and a second hub is refused.
func TestConsole(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hub")
	program(t, 0, "init", "--demo", "--data", dir)
	serve := exec.Command(os.Args[0], "serve", "--data", dir, "--listen", "127.0.0.1:0", "--device-listen", "127.0.0.1:0")
	serve.Env = append(os.Environ(), "HUB_TEST_PROGRAM=1")
	log, err := serve.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	defer serve.Process.Kill()
	var first struct{ Address string }
	if err := json.NewDecoder(log).Decode(&first); err != nil {
		t.Fatal(err)
	}
	res, err := http.Get("http://" + first.Address + "/healthz")
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("%v %v", res, err)
	}
	res.Body.Close()
	for deadline := time.Now().Add(20 * time.Second); ; {
		if _, err := os.Stat(filepath.Join(dir, "hub.sock")); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the hub opens no console")
		}
	}
	wrong(t, 1, "a hub is running", "serve", "--data", dir, "--listen", "127.0.0.1:0", "--device-listen", "127.0.0.1:0")
	if out, _ := program(t, 0, "status", "--data", dir); !strings.Contains(out, "account: 6") {
		t.Error(out)
	}
	content := folder(t)
	if out, _ := program(t, 0, "import", content, "--data", dir, "--reviewer", "bo-duyet"); !strings.Contains(out, "3 drafts") {
		t.Error(out)
	}
	if out, _ := program(t, 0, "publish", "--data", dir); !strings.Contains(out, "bvhttdl: edition 1") || !strings.Contains(out, "3 versions are new") {
		t.Error(out)
	}
	res, err = http.Get("http://" + first.Address + "/public/bvhttdl/newest.json")
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("%v %v", res, err)
	}
	res.Body.Close()
	if out, _ := program(t, 0, "backup", filepath.Join(t.TempDir(), "b"), "--data", dir); !strings.Contains(out, "holds") {
		t.Error(out)
	}
	wrong(t, 3, "versions belong to its owner", "import", content, "--data", dir, "--as", "bo-bien-tap", "--owner", "p-lang-son", "--reviewer", "bo-bien-tap")
	if out, _ := program(t, 0, "audit", "verify", "--data", dir); !strings.Contains(out, "hold together") {
		t.Error(out)
	}
	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := serve.Wait(); err != nil {
		t.Errorf("the hub did not end well: %v", err)
	}
}

// Communes come from a table, and move by a command that first says what it does.
func TestPlacesFromATable(t *testing.T) {
	dir := t.TempDir() + "/hub"
	hub := func(t *testing.T, args ...string) (int, string) {
		code, out, said := hub(t, "", args...)
		return code, out + said
	}
	if code, out := hub(t, "init", "--data", dir); code != 0 {
		t.Fatal(out)
	}
	table := func(text string) string {
		path := filepath.Join(t.TempDir(), "communes.csv")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := table("\ufeffid,parent,kind,name_vi,name_en\nx-dong-dang,p-lang-son,commune,Xã Đồng Đăng,\nx-tan-thanh,p-lang-son,commune,Xã Tân Thanh,Tan Thanh\n")
	if code, out := hub(t, "place", "import", good, "--data", dir); code != 0 || !strings.Contains(out, "2 places are new") {
		t.Fatalf("%d %s", code, out)
	}
	if code, out := hub(t, "place", "import", good, "--data", dir); code != 0 || !strings.Contains(out, "0 places are new, 0 changed, 2 were here") {
		t.Errorf("again: %d %s", code, out)
	}
	for text, want := range map[string]string{
		"": "empty", "id,name_vi\n": "no column", "id,parent,kind,name_vi,x\na,p-lang-son,commune,b,c\n": "not known", "id,parent,kind,name_vi\n,p-lang-son,commune,b\n": "line 2",
		"id,parent,kind,name_vi\nx-dong-dang,p-lao-cai,commune,b\n": "hub place move",
	} {
		if code, out := hub(t, "place", "import", table(text), "--data", dir); code == 0 || !strings.Contains(out, want) {
			t.Errorf("%q: %d %s", text, code, out)
		}
	}
	parent := func() string {
		_, out := hub(t, "place", "move", "x-dong-dang", "--to", "p-cao-bang", "--json", "--data", dir)
		return out
	}
	if code, out := hub(t, "place", "move", "x-dong-dang", "--to", "p-lao-cai", "--data", dir); code != 0 || !strings.Contains(out, "Nothing was changed") || !strings.Contains(parent(), `"from": "p-lang-son"`) {
		t.Errorf("%d %s", code, out)
	}
	if code, out := hub(t, "place", "move", "x-dong-dang", "--to", "p-lao-cai", "--yes", "--data", dir); code != 0 || !strings.Contains(out, "It is done") || !strings.Contains(parent(), `"from": "p-lao-cai"`) {
		t.Errorf("%d %s %s", code, out, parent())
	}
	if code, out := hub(t, "place", "close", "x-tan-thanh", "--on", "2099-01-01", "--yes", "--data", dir); code != 0 || !strings.Contains(out, "It happens on 2099-01-01") {
		t.Errorf("closing: %d %s", code, out)
	}
	_, listed := hub(t, "place", "moves", "--data", dir)
	line := strings.Fields(listed)
	if len(line) == 0 || !strings.Contains(listed, "planned   close x-tan-thanh to p-lang-son") || !strings.Contains(listed, "done      move x-dong-dang") {
		t.Fatalf("planned moves:\n%s", listed)
	}
	if code, out := hub(t, "place", "cancel", line[0], "--data", dir); code != 0 {
		t.Errorf("cancelling: %d %s", code, out)
	}
	if _, listed := hub(t, "place", "moves", "--data", dir); !strings.Contains(listed, "cancelled close x-tan-thanh") {
		t.Errorf("after cancelling:\n%s", listed)
	}
	for _, wrong := range [][]string{{"close", "x-tan-thanh", "--to", "p-lao-cai"}, {"merge", "x-tan-thanh"}, {"cancel"}, {"moves", "x"}} {
		if code, out := hub(t, append([]string{"place", "--data", dir}, wrong...)...); code != 2 || !strings.Contains(out, "give:") {
			t.Errorf("%v: %d %s", wrong, code, out)
		}
	}
}
