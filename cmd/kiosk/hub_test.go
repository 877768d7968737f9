package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"cotmoc/internal/words"
	"cotmoc/playlist"
)

// demoHub is a hub of the demonstration, run by the real program.
type demoHub struct {
	t          *testing.T
	bin, data  string
	http, door string
	password   string
	token      string
	serving    *exec.Cmd
}

func newDemoHub(t *testing.T) *demoHub { return newDemoHubOf(t, os.Getenv("COTMOC_SAMPLE")) }

// newDemoHubOf is such a hub with the content of a folder.
func newDemoHubOf(t *testing.T, sample string) *demoHub {
	t.Helper()
	bin := os.Getenv("COTMOC_BIN")
	if sample == "" || bin == "" {
		t.Skip("COTMOC_SAMPLE and COTMOC_BIN name no content folder and no programs; build/test sets them")
	}
	h := &demoHub{t: t, bin: bin, data: filepath.Join(t.TempDir(), "hub"), http: free(t), door: free(t)}
	people := h.do("init", "--demo", "--data", h.data)
	found := regexp.MustCompile(`password (\S+):`).FindStringSubmatch(people)
	if found == nil {
		t.Fatal(people)
	}
	h.password = found[1]
	h.publish(sample)
	h.serve()
	t.Cleanup(h.stop)
	return h
}

// serve starts the hub on its folder.
func (h *demoHub) serve() {
	h.t.Helper()
	h.serving = exec.Command(filepath.Join(h.bin, "hub"), "serve", "--data", h.data, "--listen", h.http, "--device-listen", h.door)
	if err := h.serving.Start(); err != nil {
		h.t.Fatal(err)
	}
}

func (h *demoHub) stop() {
	_ = h.serving.Process.Signal(os.Interrupt)
	_ = h.serving.Wait()
}

// free is an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (h *demoHub) do(args ...string) string {
	h.t.Helper()
	return h.run("hub", args...)
}

func (h *demoHub) run(program string, args ...string) string {
	h.t.Helper()
	var out, complaint bytes.Buffer
	cmd := exec.Command(filepath.Join(h.bin, program), args...)
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		h.t.Fatalf("%s %v: %v\n%s%s", program, args, err, out.String(), complaint.String())
	}
	return out.String() + complaint.String()
}

// publish brings a content folder, has it approved, and publishes it.
func (h *demoHub) publish(folder string) {
	h.t.Helper()
	h.do("import", folder, "--data", h.data, "--reviewer", "bo-duyet")
	h.do("publish", "--data", h.data)
}

// enrol makes a folder a machine of this hub.
func (h *demoHub) enrol(data string, place playlist.ID) {
	h.t.Helper()
	h.enrolThrough(data, place, h.door)
}

// enrolThrough makes a folder a machine whose line to the hub has the given address.
func (h *demoHub) enrolThrough(data string, place playlist.ID, door string) {
	h.t.Helper()
	var code, print string
	deadline := time.Now().Add(time.Minute)
	for tick := time.NewTicker(50 * time.Millisecond); ; <-tick.C {
		if _, err := os.Stat(filepath.Join(h.data, "hub.sock")); err == nil {
			break
		}
		if time.Now().After(deadline) {
			h.t.Fatal("the hub does not serve")
		}
	}
	for _, line := range strings.Split(h.do("trust", "status", "--data", h.data), "\n") {
		if f := strings.Fields(line); len(f) > 1 && strings.HasPrefix(f[0], "fingerprint") {
			print = f[1]
		}
	}
	if code = regexp.MustCompile(`[A-Z0-9]{4}-?[A-Z0-9]{4}`).FindString(h.do("device", "invite", "--place", string(place), "--data", h.data)); code == "" {
		h.t.Fatal("there is no code")
	}
	h.run("kiosk", "enrol", "--data", data, "--hub", "https://"+door, "--root", print, "--code", code)
	h.run("kiosk", "sync", "--data", data)
}

// ask speaks with the hub's API as somebody of the demonstration.
func (h *demoHub) ask(method, path, match string, body, answer any) {
	h.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		h.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(h.t.Context(), method, "http://"+h.http+"/api/v1"+path, bytes.NewReader(raw))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+h.token)
	if match != "" {
		req.Header.Set("If-Match", match)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	var said bytes.Buffer
	_, err = said.ReadFrom(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s: %s", resp.Status, said.String())
	}
	if err == nil && answer != nil {
		err = json.Unmarshal(said.Bytes(), answer)
	}
	if err != nil {
		h.t.Fatalf("%s %s: %v", method, path, err)
	}
}

// With hub, kiosk, stage and library as they run at a gate: what is published is seen in
// the library of a visitor without any restart, and what is withdrawn while they read it
// closes with a word of why.
func TestPublishedAndWithdrawnBeforeAVisitor(t *testing.T) {
	h := newDemoHub(t)
	m := newMachineOf(t, 1280, 720)
	h.enrol(m.data, "G007")
	v := meet(m, "")
	v.arrive()
	v.touch(words.In("vi", "news"))

	const title = "Từ 1 tháng 12 cửa khẩu đóng sớm một giờ"
	folder := t.TempDir()
	raw, err := json.Marshal(playlist.Rows{Format: playlist.Format, Items: []playlist.Item{{ID: "early", Owner: "bvhttdl", Kind: playlist.Bulletin, Source: "thử"}},
		Versions: []playlist.Version{{Item: "early", Language: "vi", Title: title, Text: "Quầy kiểm dịch đóng lúc 16 giờ."}}})
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "content.json"), raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	h.do("import", folder, "--data", h.data, "--reviewer", "bo-duyet")
	began := time.Now()
	h.do("publish", "--data", h.data)
	v.says(title)
	t.Logf("seen in the library %d ms after `hub publish` began", time.Since(began).Milliseconds())

	v.touch(title)
	v.says("Quầy kiểm dịch đóng lúc 16 giờ.")
	var session struct{ Token string }
	h.ask(http.MethodPost, "/session", "", map[string]string{"login": "bo-cong-bo", "password": h.password}, &session)
	h.token = session.Token
	var list []struct {
		ID  playlist.ID
		Rev int64
	}
	h.ask(http.MethodGet, "/items/early/versions", "", nil, &list)
	if len(list) != 1 {
		t.Fatalf("%+v", list)
	}
	began = time.Now()
	h.ask(http.MethodPost, "/versions/"+string(list[0].ID)+"/withdraw", fmt.Sprintf("%q", fmt.Sprint(list[0].Rev)), map[string]string{"why": "sai giờ"}, nil)
	v.says(plain(words.In("vi", "withdrawn")))
	t.Logf("closed before the reader %d ms after it was withdrawn", time.Since(began).Milliseconds())
}
