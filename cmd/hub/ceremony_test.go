package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cotmoc/hub/local"
	"cotmoc/hub/trust"
)

// told runs the program with words on its standard input and returns its exit code.
func told(t *testing.T, in string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "HUB_TEST_PROGRAM=1")
	cmd.Stdin = strings.NewReader(in)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// ceremony is a hub whose keys lie elsewhere.
type ceremony struct {
	t         *testing.T
	hub, desk string // the hub's folder; the table where keys are
}

func (c *ceremony) do(in string, args ...string) string {
	c.t.Helper()
	out, code := told(c.t, in, args...)
	if code != 0 {
		c.t.Fatalf("hub %v: exit code %d\n%s", args, code, out)
	}
	return out
}

func (c *ceremony) key(name string) string { return filepath.Join(c.desk, name) }

// signAway carries what waits to the keys' table, signs it there with each key, and
// brings it back.
func (c *ceremony) signAway(keys ...string) string {
	c.t.Helper()
	stick := c.t.TempDir()
	c.do("", "sign", "--give", stick, "--data", c.hub)
	files, err := filepath.Glob(filepath.Join(stick, "*.sign.json"))
	if err != nil || len(files) == 0 {
		c.t.Fatalf("nothing was carried away: %v", err)
	}
	shown := ""
	for _, k := range keys {
		for _, f := range files {
			shown += c.do("bảy con ngựa\nyes\n", "sign", "--key", c.key(k), f)
		}
	}
	c.do("", append([]string{"sign", "--take", "--data", c.hub}, files...)...)
	return shown
}

// The whole ceremony by the commands of the manual: keys that never come near the
// hub, a root of two of three, the ministry's two, a province, and a publication
// that counts once both of the ministry's signers have signed.
func TestCeremony(t *testing.T) {
	c := &ceremony{t: t, hub: filepath.Join(t.TempDir(), "hub"), desk: t.TempDir()}
	c.do("", "init", "--data", c.hub)
	for _, k := range []string{"root-1", "root-2", "root-3", "targets-1", "targets-2", "ls-1", "duty-1"} {
		if out := c.do("bảy con ngựa\n", "key", "new", c.key(k)); !strings.Contains(out, "locked with its passphrase") {
			t.Fatal(out)
		}
	}
	if out, code := told(t, "", "key", "new", c.key("root-1")); code != 1 || !strings.Contains(out, "never overwritten") {
		t.Errorf("a key was overwritten: %s", out)
	}
	pub := func(names ...string) (out []string) {
		for _, n := range names {
			out = append(out, "--key", c.key(n)+".pub")
		}
		return out
	}
	c.do("", append([]string{"trust", "set", "--data", c.hub, "--role", "root", "--threshold", "2"}, pub("root-1", "root-2", "root-3")...)...)
	c.do("", append([]string{"trust", "set", "--data", c.hub, "--role", "targets", "--threshold", "2"}, pub("targets-1", "targets-2")...)...)
	c.do("", "trust", "start", "--data", c.hub)
	if out := c.do("", "trust", "status", "--data", c.hub); !strings.Contains(out, "no root of trust yet") || !strings.Contains(out, "0 of 2 signatures") {
		t.Errorf("before the ceremony: %s", out)
	}
	c.signAway("root-1", "root-3")
	status := c.do("", "trust", "status", "--data", c.hub)
	if !strings.Contains(status, "root 1, accepted until") || strings.Contains(status, "DEMONSTRATION") {
		t.Fatal(status)
	}
	c.do("", append([]string{"trust", "set", "--data", c.hub, "--role", "p-lang-son"}, pub("ls-1")...)...)
	c.do("", append([]string{"trust", "set", "--data", c.hub, "--role", "emergency"}, pub("duty-1")...)...)
	c.signAway("targets-1", "targets-2")
	out := c.do("", "publish", "--data", c.hub)
	if !strings.Contains(out, "waits for 2 more signatures") {
		t.Errorf("publish says: %s", out)
	}
	if shown := c.signAway("targets-1"); !strings.Contains(shown, "rows differ from what is signed") || !strings.Contains(shown, "new place") {
		t.Errorf("the signer saw: %.600s", shown)
	}
	if c.heads() != 0 {
		t.Error("one of two signatures was enough")
	}
	// The second signs at the hub itself, and says no at first.
	if out, _ := told(t, "bảy con ngựa\nno\n", "sign", "--data", c.hub, "--key", c.key("targets-2")); !strings.Contains(out, "not signed") {
		t.Errorf("who says no: %s", out)
	}
	c.do("bảy con ngựa\n", "sign", "--data", c.hub, "--key", c.key("targets-2"), "--yes")
	c.do("bảy con ngựa\n", "sign", "--data", c.hub, "--key", c.key("ls-1"), "--yes")
	if n := c.heads(); n != 2 {
		t.Errorf("%d heads are signed, not the ministry's and the province's", n)
	}
	if out, code := told(t, "wrong\n", "sign", "--data", c.hub, "--key", c.key("ls-1")); code != 1 || !strings.Contains(out, "passphrase") {
		t.Errorf("a wrong passphrase: %d %s", code, out)
	}
	c.tampered()
}

// heads counts what the published metadata lets a kiosk believe.
func (c *ceremony) heads() int {
	c.t.Helper()
	root, err := os.ReadFile(filepath.Join(c.hub, "public", "trust", "1.root.json"))
	if os.IsNotExist(err) {
		return 0
	}
	if err != nil {
		c.t.Fatal(err)
	}
	s, err := trust.Begin(root)
	if err != nil {
		c.t.Fatal(err)
	}
	folder, err := local.OpenFolder(filepath.Join(c.hub, "public"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer folder.Close()
	_, ed, err := s.Refresh(context.Background(), folder, time.Now(), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return len(ed.Heads)
}

// tampered: a hub that shows other rows than it would have signed is found out
// before the key is used.
func (c *ceremony) tampered() {
	t := c.t
	t.Helper()
	stick := t.TempDir()
	c.do("", append([]string{"trust", "set", "--data", c.hub, "--role", "p-lang-son", "--threshold", "1", "--key", c.key("ls-1") + ".pub"}, "--key", c.key("duty-1")+".pub")...)
	c.do("", "sign", "--give", stick, "--data", c.hub)
	files, _ := filepath.Glob(filepath.Join(stick, "targets-*.sign.json"))
	if len(files) != 1 {
		t.Fatalf("%v", files)
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var f map[string]any
	if err := json.Unmarshal(raw, &f); err != nil {
		t.Fatal(err)
	}
	f["version"] = f["version"].(float64) + 1
	if raw, err = json.Marshal(f); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], raw, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, code := told(t, "bảy con ngựa\nyes\n", "sign", "--key", c.key("targets-1"), files[0]); code != 3 {
		t.Errorf("a file that lies was signed: %d %s", code, out)
	}
}
