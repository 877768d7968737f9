package client

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
)

// An answer that brings nothing leaves the connection whole: a new one costs a handshake of
// 5 KB, and every look at the hub ends with a root that is not there.
func TestOneConnectionServesAll(t *testing.T) {
	var opened atomic.Int64
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/public/absent":
			http.NotFound(w, r)
		case "/public/busy":
			http.Error(w, "busy", http.StatusServiceUnavailable)
		case "/public/refused":
			http.Error(w, "revoked", http.StatusForbidden)
		default:
			_, _ = w.Write([]byte("{}"))
		}
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	c := Through(t.TempDir(), nil)
	c.http.Transport = c.transport(nil)
	var err error
	if c.base, err = url.Parse(srv.URL); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, name := range []string{"there", "absent", "busy", "refused"} {
			if _, err := c.get(t.Context(), name, 100); (err == nil) != (name == "there") {
				t.Errorf("%s: %v", name, err)
			}
		}
		var out struct{}
		if err := c.post(t.Context(), "/device/v1/report", out, &out); err != nil {
			t.Error(err)
		}
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections for ten requests, one after another", n)
	}
}
