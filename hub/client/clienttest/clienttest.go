// Package clienttest puts a network in memory between a machine and a published
// folder, with whatever may stand in between.
package clienttest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
)

// Line is a network in memory: a web server that serves a published folder, and
// whatever stands in between.
type Line struct {
	mu     sync.Mutex
	Dir    string
	Served map[string]int64 // bytes of bodies, by path
	Asked  []string
	Fault  func(r *http.Request, answer *http.Response) (*http.Response, error)
}

// RoundTrip implements http.RoundTripper.
func (l *Line) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Asked = append(l.Asked, r.URL.Path)
	rec := httptest.NewRecorder()
	http.StripPrefix("/public", http.FileServer(http.Dir(l.Dir))).ServeHTTP(rec, r)
	answer := rec.Result()
	if l.Fault != nil {
		var err error
		if answer, err = l.Fault(r, answer); err != nil {
			return nil, err
		}
	}
	answer.Body = &metered{answer.Body, func(n int) { l.mu.Lock(); l.Served[r.URL.Path] += int64(n); l.mu.Unlock() }}
	return answer, nil
}

type metered struct {
	io.ReadCloser
	count func(int)
}

func (m *metered) Read(b []byte) (int, error) {
	n, err := m.ReadCloser.Read(b)
	m.count(n)
	return n, err
}

// Count is how many questions had part in their path.
func (l *Line) Count(part string) (n int) {
	for _, p := range l.Asked {
		if strings.Contains(p, part) {
			n++
		}
	}
	return n
}

func body(r *http.Response, b []byte) *http.Response {
	r.Body = io.NopCloser(bytes.NewReader(b))
	r.ContentLength = int64(len(b))
	return r
}

// Lies are what stands in between.
var Lies = map[string]func(r *http.Request, a *http.Response) (*http.Response, error){
	"a captive portal": func(_ *http.Request, a *http.Response) (*http.Response, error) {
		a.StatusCode, a.Header = 200, http.Header{"Content-Type": {"text/html"}}
		return body(a, []byte("<html>Xin đăng nhập</html>")), nil
	},
	"a portal that leads elsewhere": func(_ *http.Request, a *http.Response) (*http.Response, error) {
		a.StatusCode, a.Header = 302, http.Header{"Location": {"http://portal.test/"}}
		return body(a, nil), nil
	},
	"a shifted range": func(r *http.Request, a *http.Response) (*http.Response, error) {
		if a.StatusCode == 206 {
			raw, _ := io.ReadAll(a.Body)
			var from, to, total int64
			_, _ = fmt.Sscanf(a.Header.Get("Content-Range"), "bytes %d-%d/%d", &from, &to, &total)
			a.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from+1, to+1, total))
			return body(a, raw), nil
		}
		return a, nil
	},
	"a range that lies": func(_ *http.Request, a *http.Response) (*http.Response, error) {
		if a.StatusCode == 206 {
			raw, _ := io.ReadAll(a.Body)
			return body(a, append(raw[1:], 0)), nil
		}
		return a, nil
	},
	"an answer cut short": func(_ *http.Request, a *http.Response) (*http.Response, error) {
		raw, _ := io.ReadAll(a.Body)
		a.Body = io.NopCloser(io.MultiReader(bytes.NewReader(raw[:len(raw)/2]), broken{}))
		return a, nil
	},
	"a flipped bit": func(_ *http.Request, a *http.Response) (*http.Response, error) {
		raw, _ := io.ReadAll(a.Body)
		if len(raw) > 0 {
			raw[len(raw)/2] ^= 4
		}
		return body(a, raw), nil
	},
	"nothing": func(_ *http.Request, a *http.Response) (*http.Response, error) { return body(a, nil), nil },
	"a dead line": func(*http.Request, *http.Response) (*http.Response, error) {
		return nil, errors.New("connection reset")
	},
	"a busy hub": func(_ *http.Request, a *http.Response) (*http.Response, error) {
		a.StatusCode = 503
		a.Header.Set("Retry-After", "7")
		return a, nil
	},
	"a broken hub": func(_ *http.Request, a *http.Response) (*http.Response, error) { a.StatusCode = 500; return a, nil },
	"endless bytes": func(_ *http.Request, a *http.Response) (*http.Response, error) {
		a.StatusCode = 200
		a.ContentLength = -1
		a.Body = io.NopCloser(endless{})
		return a, nil
	},
	"another file": func(_ *http.Request, a *http.Response) (*http.Response, error) {
		a.StatusCode = 200
		return body(a, bytes.Repeat([]byte("other"), 20_000)), nil
	},
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

type endless struct{}

func (endless) Read(b []byte) (int, error) { clear(b); return len(b), nil }
