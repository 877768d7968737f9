package main

import (
	"bufio"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cotmoc/hub/feed"
	"cotmoc/hub/trust"
)

// fleetClients is the other process: it holds all clients and does what it is told.
func fleetClients(path, door string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	c := &crowd{door: door}
	if err := json.Unmarshal(raw, &c.muster); err != nil {
		return err
	}
	authority, err := x509.ParseCertificate(c.muster.Authority)
	if err != nil {
		return err
	}
	c.pool = x509.NewCertPool()
	c.pool.AddCert(authority)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		word, arg, _ := strings.Cut(lines.Text(), " ")
		var got map[string]float64
		switch word {
		case "connect":
			got = c.connect(64)
		case "await":
			c.await()
			continue
		case "since":
			ns, err := strconv.ParseInt(arg, 10, 64)
			if err != nil {
				return err
			}
			got = c.since(time.Unix(0, ns))
		case "leave":
			got = c.leave()
		case "return":
			got = c.comeBack()
		}
		out, err := json.Marshal(got)
		if err != nil {
			return err
		}
		fmt.Println(string(out))
	}
	return lines.Err()
}

type crowd struct {
	muster muster
	door   string
	pool   *x509.CertPool

	mu    sync.Mutex
	conns []net.Conn
	got   []time.Time // when each received what is awaited
	want  atomic.Bool
}

func (c *crowd) config(n int) *tls.Config {
	s := c.muster.Devices[n]
	return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: c.pool, ServerName: "127.0.0.1",
		Certificates: []tls.Certificate{{Certificate: [][]byte{s.Cert}, PrivateKey: ed25519.NewKeyFromSeed(s.Key)}}}
}

// stream opens one client's stream and listens on it.
func (c *crowd) stream(n int) error {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 30 * time.Second}, "tcp", c.door, c.config(n))
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "GET /device/v1/events?boot=b HTTP/1.1\r\nHost: hub\r\n\r\n"); err != nil {
		return err
	}
	r := bufio.NewReaderSize(conn, 1024)
	line, err := r.ReadString('\n')
	if err != nil || !strings.Contains(line, " 200 ") {
		conn.Close()
		return errors.Join(err, fmt.Errorf("the hub answers %q", line))
	}
	c.mu.Lock()
	c.conns = append(c.conns, conn)
	c.mu.Unlock()
	go c.listen(conn, r) // ends with the connection
	return nil
}

func (c *crowd) listen(conn net.Conn, r *bufio.Reader) {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		if strings.HasPrefix(line, "data: ") && c.want.Load() && strings.Contains(line, "emergency/") {
			c.mu.Lock()
			c.got = append(c.got, time.Now())
			c.mu.Unlock()
		}
	}
}

func (c *crowd) connect(atOnce int) map[string]float64 {
	began := time.Now()
	var next, failed atomic.Int64
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for n := next.Add(1) - 1; n < int64(len(c.muster.Devices)); n = next.Add(1) - 1 {
				if c.stream(int(n)) != nil {
					failed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return map[string]float64{"connected": float64(int64(len(c.muster.Devices)) - failed.Load()), "seconds": time.Since(began).Seconds()}
}

func (c *crowd) await() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = nil
	c.want.Store(true)
}

func (c *crowd) since(began time.Time) map[string]float64 {
	for range 200 {
		c.mu.Lock()
		n := len(c.got)
		c.mu.Unlock()
		if n >= len(c.muster.Devices) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	c.want.Store(false)
	c.mu.Lock()
	defer c.mu.Unlock()
	var ms []float64
	for _, at := range c.got {
		ms = append(ms, float64(at.Sub(began).Microseconds())/1000)
	}
	slices.Sort(ms)
	return map[string]float64{"received": float64(len(ms)), "p50_ms": percentile(ms, 0.5), "p99_ms": percentile(ms, 0.99)}
}

func (c *crowd) leave() map[string]float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		conn.Close()
	}
	n := len(c.conns)
	c.conns = nil
	return map[string]float64{"left": float64(n)}
}

// comeBack has every client return at its own moment within a minute.
func (c *crowd) comeBack() map[string]float64 {
	began := time.Now()
	var wg sync.WaitGroup
	var converged, failed, busy atomic.Int64
	for n := range c.muster.Devices {
		wg.Go(func() {
			time.Sleep(mathrand.N(time.Minute))
			if err := c.catchUp(n, &busy); err != nil {
				if failed.Add(1) < 5 {
					fmt.Fprintln(os.Stderr, "client:", err)
				}
				return
			}
			converged.Add(1)
		})
	}
	wg.Wait()
	return map[string]float64{"converged": float64(converged.Load()), "errors": float64(failed.Load()), "busy": float64(busy.Load()), "seconds": time.Since(began).Seconds()}
}

// catchUp is what a kiosk fetches after three dark days.
func (c *crowd) catchUp(n int, busy *atomic.Int64) error {
	if err := c.stream(n); err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: c.config(n), TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}, ReadBufferSize: 64 << 10}}
	defer client.CloseIdleConnections()
	get := func(name string) ([]byte, error) { return c.get(client, name, busy) }
	stamp, err := get("trust/timestamp.json")
	if err != nil {
		return err
	}
	if said, err := trust.Read(stamp); err != nil || said.Version == 0 {
		return errors.Join(err, errors.New("no timestamp"))
	}
	head, number, err := c.newestHead(get)
	if err != nil {
		return err
	}
	if len(head.Deltas) == 0 {
		return errors.New("the head has no delta")
	}
	d := head.Deltas[0]
	delta, err := get(fmt.Sprintf("%s/%d/delta-%d.zst", head.Scope, number, d.From))
	if err != nil || int64(len(delta)) != d.Bytes {
		return errors.Join(err, errors.New("the delta is another one"))
	}
	h := c.muster.File.SHA256
	if _, err := get("chunks/" + h[:2] + "/" + h); err != nil {
		return err
	}
	raw, err := get("files/" + h[:2] + "/" + h)
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != h {
		return errors.New("the file is another one")
	}
	return nil
}

// newestHead follows the metadata to the ministry's head.
func (c *crowd) newestHead(get func(string) ([]byte, error)) (head feed.Head, number int64, err error) {
	raw, err := get("bvhttdl/newest.json")
	if err != nil {
		return head, 0, err
	}
	var newest struct{ Number int64 }
	if err := json.Unmarshal(raw, &newest); err != nil {
		return head, 0, err
	}
	if raw, err = get(fmt.Sprintf("bvhttdl/%d/head.json", newest.Number)); err != nil {
		return head, 0, err
	}
	return head, newest.Number, json.Unmarshal(raw, &head)
}

func (c *crowd) get(client *http.Client, name string, busy *atomic.Int64) ([]byte, error) {
	for {
		resp, err := client.Get("https://" + c.door + "/public/" + name)
		if err != nil {
			return nil, err
		}
		raw, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode == http.StatusServiceUnavailable {
			after, convErr := strconv.Atoi(resp.Header.Get("Retry-After"))
			if convErr != nil {
				return nil, errors.New("busy without a Retry-After")
			}
			busy.Add(1)
			time.Sleep(time.Duration(after)*time.Second + mathrand.N(time.Second))
			continue
		}
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", name, resp.Status)
		}
		return raw, err
	}
}
