package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	hubclient "cotmoc/hub/client"
	"cotmoc/hub/feed"
	"cotmoc/hub/local"
	"cotmoc/hub/server"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/rights"
	"cotmoc/hub/trust"
	"cotmoc/playlist"
)

// clock can be set while a hub runs.
type clock struct {
	mu   sync.Mutex
	at   time.Time
	boot time.Duration // the machine's own time, which no wrong clock changes
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.boot = c.at.Add(d), c.boot+d
}

// slip makes the wall clock wrong.
func (c *clock) slip(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func (c *clock) mono() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.boot
}

// gateplace is a gate of the seed, in Lạng Sơn.
const gateplace playlist.ID = "G007"

// fleet is a hub with demonstration keys that serves kiosks.
type fleetHub struct {
	*running
	door string
	clk  *clock
}

func startFleet(t *testing.T, dir string) *fleetHub {
	t.Helper()
	clk := &clock{at: time.Now()}
	return startFleetOn(t, dir, clk, options(clk.now))
}

func startFleetOn(t *testing.T, dir string, clk *clock, o server.Options) *fleetHub {
	t.Helper()
	r := startWith(t, dir, o)
	ctx, cancel := context.WithCancel(context.Background())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- r.ServeDevices(ctx, l, []string{"127.0.0.1"}) }()
	before := r.stop
	r.stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		before()
	}
	f := &fleetHub{r, "https://" + l.Addr().String(), clk}
	if !r.Demo() {
		f.must(r.StartDemoTrust(t.Context()))
		_, err := r.Desk.Publish(t.Context(), console, []playlist.ID{f.root(), langSon}, true)
		f.must(err)
		f.must(r.Distribute(t.Context()))
	}
	return f
}

func (f *fleetHub) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fleetHub) root() playlist.ID {
	root, err := f.Desk.Root(f.t.Context())
	f.must(err)
	return root
}

func (f *fleetHub) fingerprint() string {
	raw, err := f.Desk.TrustRoot(f.t.Context())
	f.must(err)
	return trust.Fingerprint(raw)
}

// enrol makes a machine at the gate.
func (f *fleetHub) enrol(dir string) (*local.Identity, *hubclient.Client) {
	f.t.Helper()
	p, err := f.Desk.Invite(f.t.Context(), console, gateplace, nil)
	f.must(err)
	e, err := hubclient.Enrol(f.t.Context(), dir, f.door, f.fingerprint(), p.Code, f.clk.now())
	f.must(err)
	id, err := e.Wait(f.t.Context())
	f.must(err)
	f.must(id.Save(dir))
	c, err := hubclient.New(dir, id)
	f.must(err)
	c.Believe(f.clk.now())
	return id, c
}

func TestEnrolByWords(t *testing.T) {
	f := startFleet(t, filepath.Join(t.TempDir(), "hub"))
	dir := t.TempDir()
	e, err := hubclient.Enrol(t.Context(), dir, f.door, "", "", f.clk.now())
	f.must(err)
	p, err := f.Desk.PairingByCode(t.Context(), console, strings.ToLower(e.Code))
	f.must(err)
	if len(e.Words) != 8 || !slices.Equal(p.Words, e.Words) {
		t.Errorf("the machine shows %v, the hub %v", e.Words, p.Words)
	}
	stranger, err := f.Desk.AddAccount(t.Context(), console, desk.Account{Login: "stranger", Name: "x", Place: laoCai}, pass)
	f.must(err)
	_, err = f.Desk.AddGrant(t.Context(), console, rights.Grant{Account: stranger.ID, Role: rights.Technician, Place: laoCai})
	f.must(err)
	other, err := f.Desk.As(t.Context(), "stranger")
	f.must(err)
	var no *desk.Refusal
	if _, err := f.Desk.Confirm(t.Context(), other, e.Code, gateplace, nil); !errors.As(err, &no) {
		t.Errorf("another province's technician enrolled it: %v", err)
	}
	d, err := f.Desk.Confirm(t.Context(), console, e.Code, gateplace, nil)
	f.must(err)
	id, err := e.Wait(t.Context())
	f.must(err)
	if id.Device != string(d.ID) {
		t.Errorf("%s is not %s", id.Device, d.ID)
	}
	if _, err := f.Desk.Confirm(t.Context(), console, e.Code, gateplace, nil); !errors.Is(err, desk.ErrPairing) {
		t.Errorf("the code served twice: %v", err)
	}
}

func TestCodes(t *testing.T) {
	f := startFleet(t, filepath.Join(t.TempDir(), "hub"))
	p, err := f.Desk.Invite(t.Context(), console, gateplace, nil)
	f.must(err)
	other, err := f.Desk.Invite(t.Context(), console, gateplace, nil)
	f.must(err)
	// Five wrong codes void the one invitation that they name, and no other.
	for n := range 5 {
		if _, err := hubclient.Enrol(t.Context(), t.TempDir(), f.door, f.fingerprint(), wrongCode(p.Code, n), f.clk.now()); err == nil {
			t.Error("a wrong code was taken")
		}
	}
	if _, err := hubclient.Enrol(t.Context(), t.TempDir(), f.door, f.fingerprint(), p.Code, f.clk.now()); err == nil {
		t.Error("the right code was taken after five wrong ones")
	}
	if _, err := hubclient.Enrol(t.Context(), t.TempDir(), f.door, f.fingerprint(), other.Code, f.clk.now()); err != nil {
		t.Errorf("another invitation: %v", err)
	}
	p, err = f.Desk.Invite(t.Context(), console, gateplace, nil)
	f.must(err)
	f.clk.add(desk.PairingTime + time.Second)
	if _, err := hubclient.Enrol(t.Context(), t.TempDir(), f.door, f.fingerprint(), p.Code, f.clk.now()); err == nil {
		t.Error("a code was taken after its ten minutes")
	}
	if _, err := hubclient.Enrol(t.Context(), t.TempDir(), f.door, strings.Repeat("0", 64), p.Code, f.clk.now()); !errors.Is(err, hubclient.ErrRootKey) {
		t.Errorf("a root with another fingerprint: %v", err)
	}
	e, err := hubclient.Enrol(t.Context(), t.TempDir(), f.door, "", "", f.clk.now())
	f.must(err)
	f.clk.add(desk.PairingTime + time.Second)
	if _, err := e.Wait(t.Context()); !errors.Is(err, hubclient.ErrOver) {
		t.Errorf("a code that nobody confirmed: %v", err)
	}
}

// wrongCode is a code that begins as another and goes on otherwise.
func wrongCode(code string, n int) string {
	const letters = "ABCDEFGHJK"
	last := letters[n : n+1]
	if strings.HasSuffix(code, last) {
		last = "Z"
	}
	return code[:len(code)-1] + last
}

// status asks the hub for its stream and returns what it answers.
func (f *fleetHub) stream(c *hubclient.Client, boot string) error {
	ctx, cancel := context.WithTimeout(f.t.Context(), 10*time.Second)
	defer cancel()
	var last error
	heard := false
	c.Listen(ctx, boot, func(feed.Event) { heard = true; cancel() }, func(_ bool, err error) {
		if err != nil && last == nil && !heard {
			last = err
		}
		if err != nil {
			cancel()
		}
	})
	return last
}

// Certificates renew themselves, also after an outage that outlasted them; a device
// that was revoked gets nothing.
func TestCertificates(t *testing.T) {
	f := startFleet(t, filepath.Join(t.TempDir(), "hub"))
	dir := t.TempDir()
	id, c := f.enrol(dir)
	state, err := trust.Begin(id.Root)
	f.must(err)
	f.must(f.Distribute(t.Context()))
	look := func() error {
		_, err := c.Look(t.Context(), local.Want{Trust: state, At: f.clk.now(), Scopes: []string{string(f.root()), string(langSon)}})
		return err
	}
	f.must(look())
	fresh := trustOf(f, dir, state)
	if renewed, err := c.Renew(t.Context(), fresh); renewed || err != nil {
		t.Errorf("a young certificate was renewed: %v", err)
	}
	for _, away := range []time.Duration{50 * 24 * time.Hour, 200 * 24 * time.Hour} {
		f.clk.add(away)
		c.Believe(f.clk.now())
		renewed, err := c.Renew(t.Context(), fresh)
		if err != nil || !renewed {
			t.Fatalf("after %v: %v %v", away, renewed, err)
		}
		id, err = local.Load(dir)
		f.must(err)
		c, err = hubclient.New(dir, id)
		f.must(err)
		c.Believe(f.clk.now())
		f.must(f.stream(c, "boot-1"))
	}
	_, err = f.Desk.SetDevice(t.Context(), console, playlist.ID(id.Device), desk.DeviceRevoked, "stolen")
	f.must(err)
	f.Fleet.Forget()
	f.clk.add(60 * 24 * time.Hour)
	if err := f.stream(c, "boot-1"); err == nil || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("a revoked device whose clock is behind listens: %v", err)
	}
	c.Believe(f.clk.now())
	if renewed, err := c.Renew(t.Context(), fresh); renewed || err == nil {
		t.Error("a revoked device got a certificate")
	}
	if err := f.stream(c, "boot-1"); err == nil || !strings.Contains(err.Error(), "refuses") {
		t.Errorf("a revoked device listens: %v", err)
	}
}

func trustOf(f *fleetHub, dir string, state trust.State) trust.State {
	folder, err := local.OpenFolder(filepath.Join(dir, local.PublicDir))
	f.must(err)
	defer folder.Close()
	state, _, err = state.Refresh(f.t.Context(), folder, f.clk.now(), nil)
	f.must(err)
	return state
}

// Two machines with one key: whoever comes back with a boot that was over shows that
// there are two, and both are held.
func TestTwoMachinesOneKey(t *testing.T) {
	f := startFleet(t, filepath.Join(t.TempDir(), "hub"))
	id, c := f.enrol(t.TempDir())
	for _, boot := range []string{"a", "b", "c"} { // a machine that is started again and again
		f.must(f.stream(c, boot))
	}
	if err := f.stream(c, "b"); err == nil || !strings.Contains(err.Error(), "held") {
		t.Errorf("a boot came back: %v", err)
	}
	if err := f.stream(c, "c"); err == nil || !strings.Contains(err.Error(), "held") {
		t.Errorf("the other machine is not held: %v", err)
	}
	all, err := f.Desk.Devices(t.Context())
	f.must(err)
	if all[0].State != desk.DeviceHeld || all[0].Why == "" {
		t.Errorf("%+v", all[0])
	}
	_, err = f.Desk.SetDevice(t.Context(), console, playlist.ID(id.Device), desk.DeviceActive, "the copy was destroyed")
	f.must(err)
	f.Fleet.Forget()
	f.must(f.stream(c, "d"))
}

// A notice reaches whoever listens with its content; what the officers' key did not
// sign is not in it.
func TestNoticeGoesOutAtOnce(t *testing.T) {
	f := startFleet(t, filepath.Join(t.TempDir(), "hub"))
	_, c := f.enrol(t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	events := make(chan feed.Event, 100)
	go c.Listen(ctx, "boot", func(e feed.Event) { events <- e }, func(bool, error) {})
	for e := range events {
		if e.Kind == "hello" {
			break
		}
	}
	n := playlist.Notice{ID: "flood", Owner: langSon, Severity: "extreme", Starts: f.clk.now(), Ends: f.clk.now().Add(time.Hour),
		Bodies: map[playlist.Language]playlist.Body{"vi": {Title: "Lũ", Text: "Lũ về"}}}
	raw, err := json.Marshal(n)
	f.must(err)
	_, err = f.Desk.Put(t.Context(), console, central.Notices, n.ID, 0, raw)
	f.must(err)
	for {
		select {
		case <-ctx.Done():
			t.Fatal("the notice did not come")
		case e := <-events:
			if len(e.Files) == 0 {
				continue
			}
			found := false
			for name, raw := range e.Files {
				found = found || strings.HasPrefix(name, "emergency/") && strings.Contains(string(raw), "Lũ về")
			}
			if !found || len(e.Files) != 4 {
				t.Errorf("%v", e.Files)
			}
			return
		}
	}
}

// Without a certificate there is nothing but the published files and the wish to be
// enrolled.
func TestStrangersAtTheDoor(t *testing.T) {
	f := startFleet(t, filepath.Join(t.TempDir(), "hub"))
	_, c := f.enrol(t.TempDir())
	_ = c
	for path, want := range map[string]int{"/public/trust/timestamp.json": 200, "/public/": 404, "/public/../hub.db": 404, "/device/v1/events": 401, "/device/v1/ask/nobody": 200, "/api/v1/items": 404} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.door+path, nil)
		f.must(err)
		resp, err := insecure.Do(req)
		f.must(err)
		resp.Body.Close()
		if resp.StatusCode != want && !(want == 404 && resp.StatusCode/100 == 3) {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
		}
	}
	for _, body := range []string{"", "{", `{"public":"AA","csr":"AA"}`, `{"public":null}`, strings.Repeat("x", 20_000)} { // the last is sent at once: its sender reads the answer though it was not read whole
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.door+"/device/v1/ask", strings.NewReader(body))
		f.must(err)
		resp, err := insecure.Do(req)
		f.must(err)
		resp.Body.Close()
		if resp.StatusCode != 400 {
			t.Errorf("%.40q: %d", body, resp.StatusCode)
		}
	}
}
