package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cotmoc/hub/server"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/intake"
	"cotmoc/hub/server/rights"
	"cotmoc/playlist"
)

// TestMain lets the test's own program be the child that draws PDF pages.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "render-pdf" {
		if err := intake.RenderPDF(os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const pass = "mật khẩu để thử"

// running is a hub that serves on a port of its own.
type running struct {
	*server.Hub
	t    *testing.T
	url  string
	stop func()
}

func options(now func() time.Time) server.Options {
	if now == nil {
		now = time.Now
	}
	return server.Options{Now: now, Log: slog.New(slog.DiscardHandler), Self: []string{os.Args[0], "render-pdf"}}
}

// start serves a hub's folder, which is made if it is not there.
func start(t *testing.T, dir string, now func() time.Time) *running {
	return startWith(t, dir, options(now))
}

func startWith(t *testing.T, dir string, o server.Options) *running {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, "hub.db")); err != nil {
		if err := server.Init(t.Context(), dir, o); err != nil {
			t.Fatal(err)
		}
	}
	h, err := server.Open(context.Background(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Serve(ctx, listener, "", "") }()
	r := &running{Hub: h, t: t, url: "http://" + listener.Addr().String()}
	r.stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		r.stop = func() {}
	}
	t.Cleanup(func() { r.stop() })
	return r
}

var console = desk.Caller{Account: desk.Console, Login: "console", From: "console"}

// person makes an account and signs it in.
func (r *running) person(login string, place playlist.ID, roles ...rights.Role) *client {
	r.t.Helper()
	a, err := r.Desk.AddAccount(r.t.Context(), console, desk.Account{Login: login, Name: login, Place: place}, pass)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, role := range roles {
		if _, err := r.Desk.AddGrant(r.t.Context(), console, rights.Grant{Account: a.ID, Role: role, Place: place}); err != nil {
			r.t.Fatal(err)
		}
	}
	return r.signIn(login)
}

func (r *running) signIn(login string) *client {
	r.t.Helper()
	c := &client{t: r.t, url: r.url, login: login}
	var out struct {
		Token string `json:"token"`
	}
	c.do(http.MethodPost, "/session", map[string]any{"login": login, "password": pass}).want(http.StatusCreated).into(&out)
	c.token = out.Token
	return c
}

// client asks the API as one person.
type client struct {
	t     *testing.T
	url   string
	login string
	token string
}

// answer is what came back.
type answer struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	body   []byte
}

// do asks; headers come in pairs.
func (c *client) do(method, path string, body any, headers ...string) *answer {
	c.t.Helper()
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		in = bytes.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			c.t.Fatal(err)
		}
		in = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+"/api/v1"+path, in)
	if err != nil {
		c.t.Fatal(err)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for n := 0; n+1 < len(headers); n += 2 {
		req.Header.Set(headers[n], headers[n+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return &answer{c.t, c.login + " " + method + " " + path, res.StatusCode, res.Header, raw}
}

func (a *answer) want(status int) *answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: %d, want %d: %.600s", a.what, a.status, status, a.body)
	}
	return a
}

// refused expects a problem with this status and code.
func (a *answer) refused(status int, code string) *answer {
	a.t.Helper()
	var p struct{ Type, Title, Code, Detail string }
	if err := json.Unmarshal(a.body, &p); err != nil || a.status != status || p.Code != code || p.Type != "/problems/"+code || p.Title == "" || p.Detail == "" ||
		!strings.HasPrefix(a.header.Get("Content-Type"), "application/problem+json") {
		a.t.Errorf("%s: %d %.300s, want %d %s", a.what, a.status, a.body, status, code)
	}
	return a
}

func (a *answer) into(v any) *answer {
	a.t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		a.t.Fatalf("%s: %v: %.300s", a.what, err, a.body)
	}
	return a
}

func (a *answer) etag() string { return a.header.Get("Etag") }

type stored struct {
	ID    playlist.ID     `json:"id"`
	Rev   int64           `json:"rev"`
	State string          `json:"state"`
	Row   json.RawMessage `json:"row"`
}

// put creates a row.
func (c *client) create(path string, row any) stored {
	c.t.Helper()
	var s stored
	c.do(http.MethodPost, path, row).want(http.StatusCreated).into(&s)
	return s
}

func tag(rev int64) string { return fmt.Sprintf(`"%d"`, rev) }

// bulletin makes a bulletin's draft, and submits it.
func (c *client) bulletin(item playlist.ID, owner playlist.ID, l playlist.Language, title, text string) stored {
	c.t.Helper()
	if c.do(http.MethodGet, "/items/"+string(item), nil).status == http.StatusNotFound {
		c.create("/items", playlist.Item{ID: item, Owner: owner, Kind: playlist.Bulletin, Class: "bulletin"})
	}
	v := c.create("/versions", map[string]any{"item": item, "language": l, "title": title, "text": text})
	c.do(http.MethodPost, "/versions/"+string(v.ID)+"/submit", nil, "If-Match", tag(v.Rev)).want(http.StatusOK).into(&v)
	return v
}

const langSon, laoCai = playlist.ID("p-lang-son"), playlist.ID("p-lao-cai")

// handled is a hub whose handler is called without a network.
type handled struct {
	handler http.Handler
	token   string
}

// fuzzHub is a hub with an author who is signed in.
func fuzzHub(f *testing.F, dir string) handled {
	f.Helper()
	ctx := context.Background()
	if err := server.Init(ctx, dir, options(nil)); err != nil {
		f.Fatal(err)
	}
	h, err := server.Open(ctx, dir, options(nil))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { h.Close() })
	a, err := h.Desk.AddAccount(ctx, console, desk.Account{Login: "x1", Name: "x", Place: langSon}, pass)
	if err != nil {
		f.Fatal(err)
	}
	for _, role := range rights.Roles {
		if _, err := h.Desk.AddGrant(ctx, console, rights.Grant{Account: a.ID, Role: role, Place: langSon}); err != nil {
			f.Fatal(err)
		}
	}
	token, err := h.Desk.SignIn(ctx, "x1", pass, "", "here")
	if err != nil {
		f.Fatal(err)
	}
	return handled{h.Handler, token}
}

// insecure asks without knowing whom.
var insecure = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func restore(ctx context.Context, from, to string) (server.Manifest, error) {
	return server.Restore(ctx, from, to, nil)
}
