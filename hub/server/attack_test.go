package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	hubclient "cotmoc/hub/client"
	"cotmoc/hub/feed"
	"cotmoc/hub/server"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/rights"
	"cotmoc/playlist"
)

// crowd does something at many places at once until it is told to stop.
type crowd struct {
	stop context.CancelFunc
	wg   sync.WaitGroup
}

// gather starts an attack and waits until each of its n has begun.
func gather(t *testing.T, n int, each func(ctx context.Context, n int, begun func())) *crowd {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := &crowd{stop: cancel}
	var begun sync.WaitGroup
	begun.Add(n)
	for i := range n {
		c.wg.Go(func() { each(ctx, i, sync.OnceFunc(begun.Done)) })
	}
	begun.Wait()
	return c
}

func (c *crowd) end() { c.stop(); c.wg.Wait() }

// held opens a connection that says only so much, and holds it.
func held(ctx context.Context, address string, over *tls.Config, say string, begun func()) {
	defer begun()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(4 << 10)
	}
	if over != nil {
		conn = tls.Client(conn, over)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, say); err != nil {
		return
	}
	begun()
	<-ctx.Done()
}

func hostOf(t *testing.T, address string) string {
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// Each attack goes on from the very address at which everybody else is. Meanwhile people
// sign in and work, an emergency notice is taken and reaches a machine, the published
// metadata is served, and a machine is enrolled by its invitation and by its words.
func TestNobodyTakesTheHubFromOthers(t *testing.T) {
	f := startFleet(t, filepath.Join(t.TempDir(), "hub"))
	officer := f.person("truc-ban", langSon, rights.EmergencyOfficer, rights.Author)
	f.person("dong-nghiep", langSon, rights.Author)
	_, machine := f.enrol(t.TempDir())
	film := playlist.Hash(strings.Repeat("ab", 32))
	f.must(os.MkdirAll(filepath.Join(f.Public.Dir, "files", "ab"), 0o755))
	f.must(os.WriteFile(filepath.Join(f.Public.Dir, "files", "ab", string(film)), make([]byte, 64<<20), 0o644))
	people, kiosks := hostOf(t, f.url), hostOf(t, f.door)
	plain := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // a stranger believes anything
	attacks := map[string]func() *crowd{
		"300 slow bodies at the sign-in": func() *crowd {
			return gather(t, 300, func(ctx context.Context, _ int, begun func()) {
				held(ctx, people, nil, "POST /api/v1/session HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", begun)
			})
		},
		"300 slow forms": func() *crowd {
			return gather(t, 300, func(ctx context.Context, _ int, begun func()) {
				held(ctx, people, nil, "POST /sign-in HTTP/1.1\r\nHost: hub\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nl", begun)
			})
		},
		"300 wrong passwords": func() *crowd {
			return gather(t, 300, func(ctx context.Context, n int, begun func()) {
				begun()
				for ctx.Err() == nil {
					body := fmt.Sprintf(`{"login":"someone-%d","password":"wrong password"}`, n)
					req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url+"/api/v1/session", strings.NewReader(body))
					if err != nil {
						return
					}
					req.Header.Set("Content-Type", "application/json")
					if resp, err := http.DefaultClient.Do(req); err == nil {
						resp.Body.Close()
					}
				}
			})
		},
		"256 slow readers of a film at the device port": func() *crowd {
			return gather(t, 256, func(ctx context.Context, _ int, begun func()) {
				held(ctx, kiosks, plain, fmt.Sprintf("GET /public/files/ab/%s HTTP/1.1\r\nHost: hub\r\n\r\n", film), begun)
			})
		},
		"256 slow readers of a film at the people's port": func() *crowd {
			return gather(t, 256, func(ctx context.Context, _ int, begun func()) {
				held(ctx, people, nil, fmt.Sprintf("GET /public/files/ab/%s HTTP/1.1\r\nHost: hub\r\n\r\n", film), begun)
			})
		},
		"256 slow questions for enrolment": func() *crowd {
			return gather(t, 256, func(ctx context.Context, _ int, begun func()) {
				held(ctx, kiosks, plain, "POST /device/v1/ask HTTP/1.1\r\nHost: hub\r\nContent-Length: 500\r\n\r\n{", begun)
			})
		},
		"300 questions for enrolment": func() *crowd {
			for range 300 {
				e, err := hubclient.Enrol(t.Context(), t.TempDir(), f.door, "", "", f.clk.now())
				if err != nil {
					break // told to come later: the table is full of its own
				}
				_ = e
			}
			return gather(t, 1, func(ctx context.Context, _ int, begun func()) { begun(); <-ctx.Done() })
		},
		"100 wrong codes": func() *crowd {
			for range 100 {
				_, _ = hubclient.Enrol(t.Context(), t.TempDir(), f.door, f.fingerprint(), "AAAA-0000", f.clk.now())
			}
			return gather(t, 1, func(ctx context.Context, _ int, begun func()) { begun(); <-ctx.Done() })
		},
	}
	n := 0
	for name, begin := range attacks {
		t.Run(name, func(t *testing.T) {
			n++
			attack := begin()
			defer attack.end()
			f.works(t, officer, machine, playlist.ID(fmt.Sprint("n", n)), name != "100 wrong codes")
		})
	}
}

// works does what everybody must be able to do at any time.
func (f *fleetHub) works(t *testing.T, officer *client, machine *hubclient.Client, notice playlist.ID, invited bool) {
	t.Helper()
	officer = &client{t: t, url: f.url, login: officer.login, token: officer.token}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	came := make(chan time.Time, 1)
	ready := make(chan struct{})
	go machine.Listen(ctx, "boot", func(e feed.Event) {
		if e.Kind == "hello" {
			close(ready)
		}
		for name, raw := range e.Files {
			if strings.HasPrefix(name, "emergency/") && bytes.Contains(raw, []byte(notice)) {
				came <- time.Now()
			}
		}
	}, func(bool, error) {})
	<-ready
	// A colleague who was here before signs in again.
	(&running{Hub: f.Hub, t: t, url: f.url}).signIn("dong-nghiep")
	officer.do(http.MethodGet, "/me", nil).want(http.StatusOK)
	sent := time.Now()
	officer.do(http.MethodPost, "/notices", playlist.Notice{ID: notice, Owner: langSon, Severity: "extreme", Starts: f.clk.now(), Ends: f.clk.now().Add(time.Hour),
		Bodies: map[playlist.Language]playlist.Body{"vi": {Title: "Lũ", Text: "Lũ về " + string(notice)}}}).want(http.StatusCreated)
	select {
	case at := <-came:
		t.Logf("a notice took %v", at.Sub(sent).Round(time.Millisecond))
	case <-ctx.Done():
		t.Error("the notice did not come")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.door+"/public/trust/timestamp.json", nil)
	f.must(err)
	if resp, err := insecure.Do(req); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("the timestamp: %v %v", resp, err)
	} else {
		resp.Body.Close()
	}
	if invited {
		p, err := f.Desk.Invite(ctx, console, gateplace, nil)
		f.must(err)
		if _, err := hubclient.Enrol(ctx, t.TempDir(), f.door, f.fingerprint(), p.Code, f.clk.now()); err != nil {
			t.Errorf("a machine with an invitation: %v", err)
		}
	}
	e, err := hubclient.Enrol(ctx, t.TempDir(), f.door, "", "", f.clk.now())
	if err != nil {
		t.Errorf("a machine without one: %v", err)
		return
	}
	done := make(chan error, 1)
	go func() { _, err := e.Wait(ctx); done <- err }()
	if _, err := f.Desk.Confirm(ctx, console, e.Code, gateplace, nil); err != nil {
		t.Errorf("it is not confirmed: %v", err)
		return
	}
	if err := <-done; err != nil {
		t.Errorf("it is not enrolled: %v", err)
	}
}

// What a client says of where it comes from counts only as far as trusted proxies said it.
func TestTrustedProxies(t *testing.T) {
	for _, c := range []struct {
		trusted, peer, header, want string
	}{
		{"", "10.0.0.1:1", "1.2.3.4", "10.0.0.1"},
		{"10.0.0.0/8", "10.0.0.1:1", "", "10.0.0.1"},
		{"10.0.0.0/8", "10.0.0.1:1", "1.2.3.4", "1.2.3.4"},
		{"10.0.0.0/8", "10.0.0.1:1", "6.6.6.6, 1.2.3.4", "1.2.3.4"},
		{"10.0.0.0/8", "10.0.0.1:1", "6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4"},
		{"10.0.0.0/8", "10.0.0.1:1", "6.6.6.6, nonsense, 10.0.0.2", "10.0.0.2"},
		{"10.0.0.0/8", "9.9.9.9:1", "1.2.3.4", "9.9.9.9"},
		{"::1/128", "[::1]:5", "2001:db8::7", "2001:db8::7"},
	} {
		var trusted []netip.Prefix
		if c.trusted != "" {
			trusted = append(trusted, netip.MustParsePrefix(c.trusted))
		}
		got := ""
		h := server.Forwarded(trusted, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got, _, _ = net.SplitHostPort(r.RemoteAddr) }))
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.RemoteAddr = c.peer
		if c.header != "" {
			r.Header.Set("X-Forwarded-For", c.header)
		}
		h.ServeHTTP(nil, r)
		if got != c.want {
			t.Errorf("%+v: it is %s", c, got)
		}
	}
}

// 503 and 429 say when to come back, in the API and on the pages.
func TestBusySaysWhen(t *testing.T) {
	f := startFleet(t, filepath.Join(t.TempDir(), "hub"))
	f.person("lan", langSon, rights.Author)
	slow := func(login string) *http.Response {
		t.Helper()
		body, err := json.Marshal(map[string]string{"login": login, "password": "wrong password"})
		f.must(err)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+"/api/v1/session", bytes.NewReader(body))
		f.must(err)
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		f.must(err)
		resp.Body.Close()
		return resp
	}
	var last *http.Response
	for range 8 {
		last = slow("lan")
	}
	if last.StatusCode != http.StatusTooManyRequests || last.Header.Get("Retry-After") == "" {
		t.Errorf("%d, Retry-After %q", last.StatusCode, last.Header.Get("Retry-After"))
	}
	form := url.Values{"login": {"lan"}, "password": {"wrong password"}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+"/sign-in", strings.NewReader(form.Encode()))
	f.must(err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	f.must(err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" {
		t.Errorf("the page: %d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
}

// A body that does not come is let go in time, and its connection with it.
func TestSlowBodyIsLetGo(t *testing.T) {
	f := startFleet(t, filepath.Join(t.TempDir(), "hub"))
	conn, err := net.Dial("tcp", hostOf(t, f.url))
	f.must(err)
	defer conn.Close()
	_, err = io.WriteString(conn, "POST /api/v1/session HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	f.must(err)
	begin := time.Now()
	f.must(conn.SetReadDeadline(begin.Add(30 * time.Second)))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	f.must(err)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest || time.Since(begin) > 20*time.Second {
		t.Errorf("%d after %v", resp.StatusCode, time.Since(begin))
	}
}

// An author's long text in a script that needs a dictionary keeps nobody's writing waiting.
func TestLongTextsWaitByThemselves(t *testing.T) {
	f := startFleet(t, filepath.Join(t.TempDir(), "hub"))
	author := f.person("dai-dong", langSon, rights.Author)
	other := f.person("khac", laoCai, rights.Publisher)
	var item desk.Version
	author.do(http.MethodPost, "/items", playlist.Item{ID: "long", Owner: langSon, Kind: playlist.Bulletin, Class: "bulletin"}).want(http.StatusCreated)
	text := strings.Repeat("ពលរដ្ឋខ្មែរត្រូវបង្ហាញលិខិតឆ្លងដែននៅច្រកទ្វារព្រំដែន", 6_000)
	began := make(chan struct{})
	done := make(chan time.Duration, 1)
	go func() {
		defer close(done) // also where the request fails the test
		close(began)
		begin := time.Now()
		author.do(http.MethodPost, "/versions", playlist.Version{Item: "long", Language: "km", Title: "x", Text: text}).want(http.StatusCreated).into(&item)
		done <- time.Since(begin)
	}()
	<-began
	worst, n := time.Duration(0), 0
	for {
		select {
		case took := <-done:
			t.Logf("the long text took %v; %d others wrote meanwhile, at worst in %v", took, n, worst)
			if n < 3 {
				t.Errorf("only %d others wrote while %d bytes were prepared", n, len(text))
			}
			return
		default:
		}
		begin := time.Now()
		other.do(http.MethodPost, "/playlists", playlist.Playlist{ID: playlist.ID(fmt.Sprint("p", n)), Owner: laoCai}).want(http.StatusCreated)
		worst, n = max(worst, time.Since(begin)), n+1
	}
}
