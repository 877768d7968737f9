// Package client fetches what a hub has published and delivers what a kiosk has to
// tell. It runs in the child kiosk fetch, which alone opens network sockets. What
// it brings lies in the kiosk's data folder until kiosk has verified it.
package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"cotmoc/hub/local"
)

// Patience with the other side. Whole files may take days; silence may not.
const (
	connectTime = 20 * time.Second
	answerTime  = 60 * time.Second
	silence     = 20 * time.Second // without a byte of a body
	unsent      = 20 * time.Second // for which bytes of ours may stay without an answer of the other side's TCP
)

// Client speaks with one hub.
type Client struct {
	Dir string // the kiosk's data folder
	ID  *local.Identity

	base     *url.URL
	http     *http.Client
	at       atomic.Pointer[instant]
	stamp    sync.Mutex // one writes the timestamp at a time
	sent     atomic.Int64
	received atomic.Int64

	made    time.Time
	heardAt atomic.Pointer[time.Time] // the hub, at last
	ping    atomic.Int64              // in seconds, as the hub said
	restart atomic.Int64              // in seconds, within which a hub that goes down wants to be asked again
	lines   sync.Map                  // open connections
	wake    chan struct{}             // the network changed
}

// instant is a time that kiosk believes in, and when it said so.
type instant struct {
	at   time.Time
	said time.Time
}

// New makes a client for the hub of an enrolled machine.
func New(dir string, id *local.Identity) (*Client, error) {
	c := &Client{Dir: dir, ID: id, made: time.Now(), wake: make(chan struct{}, 1)}
	base, err := url.Parse(strings.TrimSuffix(id.Hub, "/"))
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("the hub's address %q is no URL", id.Hub)
	}
	c.base = base
	authority, err := x509.ParseCertificate(id.Authority)
	if err != nil {
		return nil, fmt.Errorf("hub's certificate: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	c.http = &http.Client{Transport: c.transport(&tls.Config{
		// The hub is known by its authority, whatever the clock says: the hub is where the
		// time comes from.
		MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error { return known(s, pool) },
		Certificates: []tls.Certificate{{Certificate: [][]byte{id.Certificate}, PrivateKey: id.Key}},
	}), CheckRedirect: noRedirect}
	return c, nil
}

// Through makes a client that asks over a transport of the caller's choice: tests put
// a network in memory.
func Through(dir string, over http.RoundTripper) *Client {
	return &Client{Dir: dir, made: time.Now(), wake: make(chan struct{}, 1), base: &url.URL{Scheme: "https", Host: "hub.test"}, http: &http.Client{Transport: over, CheckRedirect: noRedirect}}
}

// known checks that the other side has a certificate of the pinned authority for the
// name that was asked for. Its validity in time is not looked at.
func known(s tls.ConnectionState, pool *x509.CertPool) error {
	if len(s.PeerCertificates) == 0 {
		return errForged
	}
	leaf := s.PeerCertificates[0]
	_, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: s.ServerName, CurrentTime: leaf.NotBefore.Add(time.Second), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	if err != nil {
		return fmt.Errorf("%w (%w)", errForged, err)
	}
	return nil
}

// noRedirect: a captive portal sends everybody elsewhere.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (c *Client) transport(config *tls.Config) *http.Transport {
	dialer := &net.Dialer{Timeout: connectTime, KeepAlive: -1, Control: userTimeout} // the stream has pings of its own, and every answer its deadline
	return &http.Transport{
		TLSClientConfig: config, TLSHandshakeTimeout: connectTime, ResponseHeaderTimeout: answerTime,
		IdleConnTimeout: 90 * time.Second, MaxIdleConnsPerHost: 2, MaxConnsPerHost: 2, // the stream, and one for everything else: a handshake costs 5 KB
		ForceAttemptHTTP2: false,
		TLSNextProto:      map[string]func(string, *tls.Conn) http.RoundTripper{}, ReadBufferSize: 16 << 10,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			line := &counted{Conn: conn, c: c}
			c.lines.Store(line, true)
			return line, nil
		},
	}
}

// counted counts bytes on the wire.
type counted struct {
	net.Conn
	c *Client
}

func (n *counted) Read(b []byte) (int, error) {
	k, err := n.Conn.Read(b)
	n.c.received.Add(int64(k))
	return k, err
}

// Close implements net.Conn.
func (n *counted) Close() error {
	n.c.lines.Delete(n)
	return n.Conn.Close()
}

// userTimeout has the kernel give a connection up whose bytes nobody acknowledges.
func userTimeout(_, _ string, raw syscall.RawConn) (err error) {
	set := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unsent/time.Millisecond))
	})
	return errors.Join(set, err)
}

func (n *counted) Write(b []byte) (int, error) {
	k, err := n.Conn.Write(b)
	n.c.sent.Add(int64(k))
	return k, err
}

// now is the time by which certificates are judged: the one that kiosk believes in,
// and what has passed since.
func (c *Client) now() time.Time {
	i := c.at.Load()
	if i == nil {
		return time.Now()
	}
	return i.at.Add(time.Since(i.said))
}

// Believe sets the time by which certificates are judged.
func (c *Client) Believe(at time.Time) { c.at.Store(&instant{at, time.Now()}) }

// Moved is how many bytes went over the wire, TLS included.
func (c *Client) Moved() (sent, received int64) { return c.sent.Load(), c.received.Load() }

// Errors that a caller tells apart.
var (
	errAbsent  = fs.ErrNotExist
	errForged  = errors.New("the answer is not the hub's: a portal or a broken proxy is in between")
	errRefused = errors.New("the hub refuses this machine")
)

// busyError is a hub that asks to come again.
type busyError struct{ after time.Duration }

func (b *busyError) Error() string { return fmt.Sprintf("the hub is busy, again in %s", b.after) }

// refusal is what a hub says to a machine that it does not want to hear.
type refusal struct{ why string }

func (r *refusal) Error() string { return errRefused.Error() + ": " + r.why }
func (r *refusal) Unwrap() error { return errRefused }

// status turns an answer that brings nothing into an error.
func status(r *http.Response) error {
	switch {
	case r.StatusCode == http.StatusOK || r.StatusCode == http.StatusPartialContent:
		return nil
	case r.StatusCode == http.StatusNotFound:
		return errAbsent
	case r.StatusCode == http.StatusServiceUnavailable || r.StatusCode == http.StatusTooManyRequests:
		return &busyError{retryAfter(r.Header)}
	case r.StatusCode == http.StatusForbidden || r.StatusCode == http.StatusUnauthorized:
		why, _ := io.ReadAll(io.LimitReader(r.Body, 200))
		return &refusal{strings.TrimSpace(string(why))}
	case r.StatusCode >= 300 && r.StatusCode < 400:
		return errForged
	}
	return fmt.Errorf("the hub answers %s", r.Status)
}

// do asks, and hands the answer's body over. A body that stops for long is cut off.
func (c *Client) do(ctx context.Context, method, path string, header http.Header, body io.Reader, use func(*http.Response) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.base.String()+path, body)
	if err != nil {
		return fmt.Errorf("ask the hub: %w", err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	req.Header.Set("User-Agent", "cotmoc")
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask the hub: %w", err)
	}
	watch := time.AfterFunc(silence, cancel)
	defer watch.Stop()
	resp.Body = &watched{resp.Body, watch}
	defer resp.Body.Close()
	if err := status(resp); err != nil {
		if isBusy(err) != nil || errors.Is(err, errRefused) {
			c.hears()
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxWord)) // so that the connection is used again; a failure costs only the connection
		return err
	}
	c.hears()
	return use(resp)
}

// maxWord bounds what is read of an answer that brings nothing, in bytes.
const maxWord = 4096

// watched winds a clock with each piece that comes.
type watched struct {
	io.ReadCloser
	watch *time.Timer
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.ReadCloser.Read(b)
	if n > 0 {
		w.watch.Reset(silence)
	}
	return n, err
}

// get fetches a small published file.
func (c *Client) get(ctx context.Context, name string, most int64) ([]byte, error) {
	var out []byte
	err := c.do(ctx, http.MethodGet, "/public/"+name, nil, nil, func(r *http.Response) (err error) {
		out, err = io.ReadAll(io.LimitReader(r.Body, most+1))
		if err == nil && int64(len(out)) > most {
			err = fmt.Errorf("%s has more than %d bytes", name, most)
		}
		return err
	})
	return out, err
}

// post sends and receives JSON.
func (c *Client) post(ctx context.Context, path string, in, out any) error {
	raw, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("ask the hub: %w", err)
	}
	header := http.Header{"Content-Type": {"application/json"}}
	return c.do(ctx, http.MethodPost, path, header, strings.NewReader(string(raw)), func(r *http.Response) error {
		return decode(r.Body, out)
	})
}

// maxAnswer bounds what the hub answers to a device, in bytes.
const maxAnswer = 1 << 20

func decode(r io.Reader, out any) error {
	raw, err := io.ReadAll(io.LimitReader(r, maxAnswer))
	if err != nil {
		return fmt.Errorf("the hub's answer: %w", err)
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("the hub's answer: %w (%w)", errForged, err)
	}
	return nil
}
