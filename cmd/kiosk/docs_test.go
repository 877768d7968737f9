package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// typed lists the commands of a document in order: lines of code blocks, and code
// within sentences, that begin with one of our programs or pipe into one.
func typed(t *testing.T, path string) (out []string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile("(?s)```\\w*\n(.*?)```|`([^`\n]+)`")
	begins := regexp.MustCompile(`^(echo [^|]*\| *)?(bin/)?(hub|kiosk|stage|touch|build/run|build/test|pkill|kill|xset) ?`)
	for _, m := range code.FindAllStringSubmatch(string(raw), -1) {
		lines := []string{m[2]}
		if m[1] != "" {
			lines = strings.Split(m[1], "\n")
		}
		for _, line := range lines {
			line, _, _ = strings.Cut(line, " #")
			line = strings.TrimSpace(strings.ReplaceAll(line, `\|`, "|"))
			if begins.MatchString(line) && strings.Contains(line, " ") {
				out = append(out, strings.Join(strings.Fields(line), " "))
			}
		}
	}
	return out
}

// variants are a command without what it has in brackets, and with it.
func variants(command string) []string {
	optional := regexp.MustCompile(` ?\[([^\]]*)\]`)
	if !optional.MatchString(command) {
		return []string{command}
	}
	return []string{optional.ReplaceAllString(command, ""), optional.ReplaceAllString(command, " $1")}
}

// typist types what the documents say.
type typist struct {
	*demoHub
	work, kiosk string // where relative paths are meant; a machine's folder
	print, code string // the root's fingerprint; what a machine shows that asks to be enrolled
}

// translate puts what is really there in the place of a document's words for it.
func (r *typist) translate(command string) string {
	data := r.data
	if regexp.MustCompile(`\bkiosk\b|^touch\b|^stage\b`).MatchString(command) && !strings.Contains(command, "hub ") {
		data = r.kiosk
	}
	pairs := []string{"THƯ_MỤC_MỚI", filepath.Join(r.work, "restored"), "NEW_DIR", filepath.Join(r.work, "restored"), "THƯ_MỤC", data, "DIR", data,
		"NỘI_DUNG", r.sample(), "FOLDER", r.sample(), "NGƯỜI_DUYỆT", "bo-duyet", "--as NGƯỜI", "--as bo-bien-tap", "--as LOGIN", "--as bo-bien-tap", "--reviewer LOGIN", "--reviewer bo-duyet",
		"user add TÊN", "user add lan", "user add LOGIN", "user add lan", "NƠI_LƯU", filepath.Join(r.work, "backup"), "backup TO", "backup " + filepath.Join(r.work, "backup"), "restore FROM", "restore " + filepath.Join(r.work, "backup"),
		"TỆP", filepath.Join(r.work, "text.txt"), "FILE", filepath.Join(r.work, "text.txt"), "DẤU-VÂN-TAY", r.print, "FINGERPRINT", r.print, "https://HUB:8443", "https://" + r.door, "https://MÁY-CHỦ:8443", "https://" + r.door,
		"/media/stick", filepath.Join(r.work, "stick"), "/tmp/stick", filepath.Join(r.work, "stick"), "ĐƯỜNG-DẪN", filepath.Join(r.work, "stick"), "import --data " + data + " PATH", "import --data " + data + " " + filepath.Join(r.work, "stick"),
		".cache/kiosk", r.kiosk, ".cache/hub", r.data, "https://HUB", "https://" + r.door, "--until …", "--until 2027-03-01T18:00:00+07:00", "--displays ID,ID", "--displays g007-1"}
	for n := 0; n < len(pairs); n += 2 {
		command = strings.ReplaceAll(command, pairs[n], pairs[n+1])
	}
	return command
}

func (r *typist) sample() string { return os.Getenv("COTMOC_SAMPLE") }

// shell runs a command as somebody types it.
func (r *typist) shell(command, in string) (string, error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", command)
	cmd.Dir, cmd.Stdin = r.work, strings.NewReader(in)
	cmd.Env = append(os.Environ(), "PATH="+r.bin+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// serves runs a command that goes on, until it answers, and stops it.
func (r *typist) serves(command string, up func() bool) error {
	ctx, cancel := context.WithCancel(r.t.Context())
	cmd := exec.CommandContext(ctx, "bash", "-c", "exec "+command)
	var out bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = r.work, &out, &out
	cmd.Env = append(os.Environ(), "PATH="+r.bin+":"+os.Getenv("PATH"))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Start(); err != nil {
		cancel()
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for {
		select {
		case err := <-ended:
			cancel()
			return fmt.Errorf("it ended by itself: %w\n%s", err, out.String())
		case <-deadline:
			cancel()
			<-ended
			return errors.New("it does not answer\n" + out.String())
		case <-tick.C:
			if up() {
				cancel()
				<-ended
				return nil
			}
		}
	}
}

// how is what is done with a command of the documents.
type how struct {
	match string
	do    func(r *typist, command string) error
}

func plainly(r *typist, command string) error {
	out, err := r.shell(r.translate(command), "")
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// elsewhere says why a command is not run here, and what runs it.
func elsewhere(string) func(*typist, string) error { return func(*typist, string) error { return nil } }

var rules = []how{
	{`^(hub|kiosk)( [a-z]+){1,2}$`, func(r *typist, c string) error { // only named
		return plainly(r, c+" --help")
	}},
	{`^build/(run|test)`, elsewhere("build/test cannot run itself; cmd/hub and cmd/kiosk drive what build/run starts")},
	{`^pkill|^kill`, elsewhere("TestStageOutlivesKiosk kills kiosk by its number")},
	{`^xset`, elsewhere("it sets a monitor that a virtual display has not")},
	{`audit verify.*--key`, func(r *typist, c string) error {
		return plainly(r, strings.NewReplacer("--key …", "--key "+filepath.Join(r.data, "keys", "audit.public"), "--checkpoints …", "--checkpoints "+filepath.Join(r.data, "audit-checkpoints.jsonl")).Replace(c))
	}},
	{`--key …|trust set|trust start|sign --|key new`, elsewhere("TestCeremony of cmd/hub runs them in order, with keys made for it")},
	{`^hub place (close|cancel)`, elsewhere("TestPlacesFromATable of cmd/hub closes and cancels, with places made for it")},
	{`^hub init --demo$`, func(r *typist, _ string) error {
		return plainly(r, "hub init --demo --data "+filepath.Join(r.t.TempDir(), "new"))
	}},
	{`^hub init --data`, func(r *typist, c string) error {
		r.data = filepath.Join(r.t.TempDir(), "new")
		return plainly(r, c)
	}},
	{`hub user add`, func(r *typist, c string) error {
		c = strings.NewReplacer("'password'", "'mật khẩu dài mới'", "'mật khẩu'", "'mật khẩu dài mới'").Replace(r.translate(c))
		out, err := r.shell(strings.Replace(c, "user add lan", fmt.Sprintf("user add lan%d", time.Now().UnixNano()), 1), "")
		if err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	}},
	{`^hub serve`, (*typist).tryServe},
	{`^hub restore`, func(r *typist, c string) error {
		if err := os.RemoveAll(filepath.Join(r.work, "restored")); err != nil {
			return err
		}
		return plainly(r, c)
	}},
	{`hub device (show|confirm)`, (*typist).confirm},
	{`kiosk enrol.*--code`, func(r *typist, c string) error {
		out, err := r.shell("hub device invite --place G007 --data "+r.data, "")
		if err != nil {
			return errors.New(out)
		}
		code := regexp.MustCompile(`[A-Z0-9]{4}-[A-Z0-9]{4}`).FindString(out)
		old := r.kiosk
		defer func() { r.kiosk = old }()
		r.kiosk = r.t.TempDir()
		return plainly(r, regexp.MustCompile(`--code \S+`).ReplaceAllString(c, "--code "+code))
	}},
	{`kiosk enrol`, (*typist).askToEnrol},
	{`hub device revoke`, func(r *typist, c string) error {
		return plainly(r, strings.Replace(r.translate(c), " ID", " "+r.newDevice(), 1))
	}},
	{`hub device set`, func(r *typist, c string) error {
		return plainly(r, strings.Replace(r.translate(c), " ID", " "+r.newDevice(), 1))
	}},
	{`kiosk run`, func(r *typist, c string) error {
		old := r.kiosk
		defer func() { r.kiosk = old }()
		r.kiosk = r.t.TempDir()
		c = r.translate(c)
		if !strings.Contains(c, "--data") {
			c += " --data " + r.kiosk
		}
		if !strings.Contains(c, "--content") {
			c += " --content " + r.sample()
		}
		return r.serves(c, func() bool { out, err := r.shell("kiosk status --data "+r.kiosk, ""); return err == nil && out != "" })
	}},
	{`^touch --data`, elsewhere("TestTextSizeKeepsTheWindow and others run it by kiosk; by itself it needs an edition's id")},
	{`kiosk vectors`, func(r *typist, _ string) error {
		return plainly(r, "kiosk vectors "+filepath.Join(r.root(), "playlist/resolve/testdata/contract.json"))
	}},
	{`kiosk status`, func(r *typist, c string) error { // it asks a kiosk that runs
		return r.serves("kiosk run --data "+r.kiosk, func() bool { return plainly(r, c) == nil })
	}},
	{`kiosk import`, func(r *typist, c string) error {
		if err := plainly(r, "hub export --data "+r.data+" --place G007 "+filepath.Join(r.work, "stick")); err != nil {
			return err
		}
		if strings.Contains(c, "--root") { // a machine that was never enrolled
			old := r.kiosk
			defer func() { r.kiosk = old }()
			r.kiosk = r.t.TempDir()
		}
		return plainly(r, c)
	}},
	{`^(echo [^|]*\| )?(bin/)?(hub|kiosk) `, plainly},
}

// tryServe serves a hub of its own as the manual says, on ports that are free: what the
// certificate is called, and nothing else, is put in.
func (r *typist) tryServe(command string) error {
	old := r.data
	defer func() { r.data = old }()
	r.data = filepath.Join(r.t.TempDir(), "served")
	if err := plainly(r, "hub init --data "+r.data); err != nil {
		return err
	}
	command = r.translate(command)
	address := "127.0.0.1:8080"
	if m := regexp.MustCompile(`--listen (\S+)`).FindStringSubmatch(command); m != nil {
		address = m[1]
	}
	if strings.Contains(command, "--tls-cert") {
		cert := filepath.Join(r.work, "cert.pem")
		if out, err := r.shell("openssl req -x509 -newkey ed25519 -nodes -keyout key.pem -out cert.pem -days 1 -subj /CN=localhost", ""); err != nil {
			return errors.New(out)
		}
		command = strings.NewReplacer("--tls-cert …", "--tls-cert "+cert, "--tls-key …", "--tls-key "+filepath.Join(r.work, "key.pem")).Replace(command)
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	return r.serves(command, func() bool {
		c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// askToEnrol begins an enrolment and goes on until its code is shown.
func (r *typist) askToEnrol(command string) error {
	r.kiosk = r.t.TempDir()
	cmd := exec.CommandContext(r.t.Context(), "bash", "-c", "exec "+r.translate(command))
	cmd.Dir = r.work
	cmd.Env = append(os.Environ(), "PATH="+r.bin+":"+os.Getenv("PATH"))
	if err := cmd.Start(); err != nil {
		return err
	}
	r.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	code := regexp.MustCompile(`[A-Z0-9]{4}-[A-Z0-9]{4}`)
	deadline := time.Now().Add(20 * time.Second)
	for tick := time.NewTicker(50 * time.Millisecond); ; <-tick.C {
		out, err := r.shell("hub device waiting --data "+r.data, "")
		for _, line := range strings.Split(out, "\n") {
			if r.code = code.FindString(line); err == nil && r.code != "" && !strings.Contains(line, "is for a machine") {
				return nil
			}
		}
		if time.Now().After(deadline) {
			return errors.New("no code is shown: " + out)
		}
	}
}

// confirm shows and confirms the code of the enrolment that waits.
func (r *typist) confirm(command string) error {
	if r.code == "" {
		if err := r.askToEnrol("kiosk enrol --data DIR --hub https://HUB:8443 --root FINGERPRINT"); err != nil {
			return err
		}
	}
	err := plainly(r, regexp.MustCompile(`(show|confirm) \S+`).ReplaceAllString(r.translate(command), "$1 "+r.code))
	if strings.Contains(command, "confirm") {
		r.code = ""
	}
	return err
}

// newDevice is the id of a machine that was enrolled for the purpose.
func (r *typist) newDevice() string {
	r.t.Helper()
	r.enrol(r.t.TempDir(), "G007")
	ids := regexp.MustCompile(`(?m)^(\S+) at G007: active`).FindAllStringSubmatch(r.do("device", "list", "--data", r.data), -1)
	if len(ids) == 0 {
		r.t.Fatal("no machine is enrolled")
	}
	return ids[len(ids)-1][1]
}

// readmeNotice puts a notice on the gate with the lines of the README.
func (r *typist) readmeNotice() {
	r.t.Helper()
	raw, err := os.ReadFile(filepath.Join(r.root(), "README.md"))
	if err != nil {
		r.t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```\\n( *password=.*?)```").FindSubmatch(raw)
	if block == nil {
		r.t.Fatal("the README puts no notice on the gate")
	}
	script := strings.NewReplacer("127.0.0.1:8080", r.http, ".cache/hub-people.txt", filepath.Join(r.work, "people.txt")).Replace(string(block[1]))
	if err := os.WriteFile(filepath.Join(r.work, "people.txt"), []byte("all with the password "+r.password+":\n"), 0o600); err != nil {
		r.t.Fatal(err)
	}
	if out, err := r.shell(script, ""); err != nil || !strings.Contains(out, `"id":"thu"`) {
		r.t.Errorf("the README's notice: %v\n%s", err, out)
	}
}

func (r *typist) root() string {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		r.t.Fatal(err)
	}
	return root
}

// Every command of the README and the manuals works as it stands there. One that no rule
// knows fails: a document may not say what nobody has tried.
func TestCommandsOfTheDocuments(t *testing.T) {
	h := newDemoHub(t)
	r := &typist{demoHub: h, work: t.TempDir(), kiosk: t.TempDir()}
	for name, to := range map[string]string{"bin": h.bin} {
		if err := os.Symlink(to, filepath.Join(r.work, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(r.work, "text.txt"), []byte("ດ່ານຊາຍແດນເປີດ 7 ໂມງ"), 0o644); err != nil {
		t.Fatal(err)
	}
	h.enrol(r.kiosk, "G007")
	for _, line := range strings.Split(h.do("trust", "status", "--data", h.data), "\n") {
		if f := strings.Fields(line); len(f) > 1 && strings.HasPrefix(f[0], "fingerprint") {
			r.print = f[1]
		}
	}
	served := h.data
	r.readmeNotice()
	for _, path := range []string{"README.md", "docs/manual.en.md", "docs/manual.vi.md", "docs/hub.en.md", "docs/hub.vi.md", "docs/touch.en.md", "docs/touch.vi.md", "docs/trust.en.md", "docs/trust.vi.md"} {
		all := typed(t, filepath.Join(r.root(), path))
		if len(all) < 4 {
			t.Errorf("%s: only %d commands were found", path, len(all))
		}
		for _, command := range all {
			for _, v := range variants(command) {
				n := slices.IndexFunc(rules, func(h how) bool { return regexp.MustCompile(h.match).MatchString(v) })
				if n < 0 {
					t.Errorf("%s: no rule says how to try %q", path, v)
					continue
				}
				r.data = served
				kiosk := r.kiosk
				if err := rules[n].do(r, v); err != nil {
					t.Errorf("%s: %s\n%v", path, v, err)
				}
				r.kiosk = kiosk
			}
		}
	}
}
