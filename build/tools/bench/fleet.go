package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
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
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"cotmoc/hub/feed"
	"cotmoc/hub/server"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/fleet"
	"cotmoc/hub/server/publish/publishtest"
	"cotmoc/hub/trust"
	"cotmoc/playlist"
)

// fleetSize is how many kiosks hang on the hub.
const fleetSize = 5000

// benchFleet measures a hub with thousands of kiosks, whose clients run in a process
// of their own.
func benchFleet(ctx context.Context, l *lab) ([]result, error) {
	b, err := newBorder(ctx, l, "fleet", 10_000)
	if err != nil {
		return nil, err
	}
	defer b.stop()
	certs := filepath.Join(l.work, "fleet", "devices.json")
	if err := b.enlist(ctx, certs); err != nil {
		return nil, err
	}
	if err := b.prepareReturn(ctx); err != nil {
		return nil, err
	}
	if err := b.serve(ctx); err != nil {
		return nil, err
	}
	empty := b.rss()
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	clients := exec.CommandContext(ctx, exe)
	clients.Env = append(os.Environ(), "COTMOC_FLEET_CLIENTS="+certs, "COTMOC_FLEET_DOOR=127.0.0.1:"+doorPort)
	clients.Stderr = os.Stderr
	clients.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := clients.StdinPipe()
	if err != nil {
		return nil, err
	}
	outPipe, err := clients.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := clients.Start(); err != nil {
		return nil, err
	}
	defer func() { _ = in.Close(); _ = clients.Wait() }()
	f := &fleetRun{b: b, in: in, out: bufio.NewScanner(outPipe), empty: empty}
	f.out.Buffer(nil, 1<<20)
	var out []result
	for _, run := range []func(context.Context) (result, error){f.idle, f.notice, f.comeBack} {
		r, err := run(ctx)
		if err != nil {
			return out, err
		}
		fmt.Fprintln(os.Stderr, r.Name, r.Figures)
		out = append(out, r)
	}
	return out, nil
}

type fleetRun struct {
	b     *border
	in    io.Writer
	out   *bufio.Scanner
	empty float64
}

// tell gives the clients an order and reads their answer.
func (f *fleetRun) tell(order string) (map[string]float64, error) {
	if _, err := fmt.Fprintln(f.in, order); err != nil {
		return nil, err
	}
	if !f.out.Scan() {
		return nil, errors.Join(errors.New("the clients ended"), f.out.Err())
	}
	var got map[string]float64
	return got, json.Unmarshal(f.out.Bytes(), &got)
}

func (b *border) rss() float64 { return rss(b.hub.Process.Pid) }

// cpu is the processor time that the hub has used, in seconds.
func (b *border) cpu() float64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", b.hub.Process.Pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	user, err1 := strconv.ParseFloat(fields[11], 64)
	system, err2 := strconv.ParseFloat(fields[12], 64)
	if err1 != nil || err2 != nil {
		return 0
	}
	return (user + system) / 100
}

func (f *fleetRun) idle(ctx context.Context) (result, error) {
	got, err := f.tell("connect")
	if err != nil {
		return result{}, err
	}
	select { // until the handshakes' garbage is gone
	case <-ctx.Done():
		return result{}, ctx.Err()
	case <-time.After(45 * time.Second):
	}
	before := f.b.cpu()
	const watch = 65 * time.Second // a ping and a bit
	select {
	case <-ctx.Done():
		return result{}, ctx.Err()
	case <-time.After(watch):
	}
	full := f.b.rss()
	return result{Name: "fleet/idle", Figures: map[string]float64{
		"kiosks": fleetSize, "connected": got["connected"], "connect_s": got["seconds"], "rss_mb": full, "rss_mb_without": f.empty,
		"kb_each": (full - f.empty) * 1024 / fleetSize, "core_percent": (f.b.cpu() - before) / watch.Seconds() * 100}}, nil
}

// notice: from the request that makes a notice until each client has its signed
// bytes.
func (f *fleetRun) notice(ctx context.Context) (result, error) {
	h := &hubProcess{url: f.b.web + "/api/v1", http: http.DefaultClient}
	if err := h.signIn(ctx); err != nil {
		return result{}, err
	}
	r := result{Name: "fleet/notice", Figures: map[string]float64{}}
	var p50, p99 []float64
	for n := range 3 {
		if _, err := fmt.Fprintln(f.in, "await"); err != nil {
			return r, err
		}
		time.Sleep(300 * time.Millisecond)
		row := playlist.Notice{ID: playlist.ID(fmt.Sprintf("flood-%d", n)), Owner: "p-lang-son", Severity: "extreme", Starts: time.Now(), Ends: time.Now().Add(time.Hour),
			Bodies: map[playlist.Language]playlist.Body{"vi": {Title: "Lũ", Text: "Lũ về, xin rời khỏi bãi xe"}}}
		began := time.Now()
		if err := h.ask(ctx, "POST", "/notices", row, nil); err != nil {
			return r, err
		}
		got, err := f.tell(fmt.Sprint("since ", began.UnixNano()))
		if err != nil {
			return r, err
		}
		if got["received"] < fleetSize {
			return r, fmt.Errorf("%v of %d received it", got["received"], fleetSize)
		}
		p50, p99 = append(p50, got["p50_ms"]), append(p99, got["p99_ms"])
		time.Sleep(2 * time.Second)
	}
	r.Figures = map[string]float64{"kiosks": fleetSize, "p50_ms": median(p50), "p99_ms": slices.Max(p99)}
	return r, nil
}

// comeBack: all were dark for three days, and return within a minute. Each opens its
// stream and fetches metadata, 250 rows and a file of 1 MB.
func (f *fleetRun) comeBack(ctx context.Context) (result, error) {
	if _, err := f.tell("leave"); err != nil {
		return result{}, err
	}
	before := f.b.cpu()
	peak := make(chan float64)
	stop, cancel := context.WithCancel(ctx)
	go func() { // ends with cancel
		most := 0.0
		for stop.Err() == nil {
			most = max(most, f.b.rss())
			time.Sleep(200 * time.Millisecond)
		}
		peak <- most
	}()
	got, err := f.tell("return")
	cancel()
	most := <-peak
	if err != nil {
		return result{}, err
	}
	return result{Name: "fleet/return", Figures: map[string]float64{"kiosks": fleetSize, "converged": got["converged"], "errors": got["errors"], "busy_answers": got["busy"],
		"seconds": got["seconds"], "hub_peak_mb": most, "hub_cpu_s": f.b.cpu() - before}}, nil
}

// soldier is a device of the bench.
type soldier struct {
	Key  []byte `json:"key"`
	Cert []byte `json:"cert"`
}

// muster is what the clients know: who they are and what they fetch.
type muster struct {
	Authority []byte    `json:"authority"`
	Devices   []soldier `json:"devices"`
	File      feed.Ref  `json:"file"`
}

// enlist enrols thousands of devices straight into the hub's database.
func (b *border) enlist(ctx context.Context, path string) error {
	var m muster
	err := b.onHub(ctx, func(h *server.Hub) error {
		m.Authority = h.Fleet.Authority.Certificate.Raw
		return h.Desk.Store.Write(ctx, func(tx central.Tx) error {
			for range fleetSize {
				s, err := enlistOne(ctx, tx, h.Fleet.Authority)
				if err != nil {
					return err
				}
				m.Devices = append(m.Devices, s)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	raw := publishtest.Noise("return", 1_000_000)
	m.File = feed.Ref{SHA256: string(hashOf(raw)), Bytes: int64(len(raw))}
	out, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return os.WriteFile(path, out, 0o600)
}

func enlistOne(ctx context.Context, tx central.Tx, authority *fleet.Authority) (soldier, error) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return soldier{}, err
	}
	d := desk.Device{ID: desk.NewID(), Place: benchGate, Public: hex.EncodeToString(public), State: desk.DeviceActive, Created: time.Now()}
	if err := keepDoc(ctx, tx, central.Doc{Kind: central.Devices, ID: d.ID, Owner: d.Place, Name: d.Public, State: string(d.State)}, d); err != nil {
		return soldier{}, err
	}
	cert, err := authority.Issue(string(d.ID), public, time.Now())
	return soldier{Key: key.Seed(), Cert: cert}, err
}

// prepareReturn publishes what the returning fetch: 250 changed rows and a file.
func (b *border) prepareReturn(ctx context.Context) error {
	if err := b.edit(ctx); err != nil {
		return err
	}
	path := filepath.Join(filepath.Dir(b.dir), "return.mp4")
	if err := os.WriteFile(path, publishtest.Noise("return", 1_000_000), 0o644); err != nil {
		return err
	}
	return b.show(ctx, path)
}

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
			got = c.connect(64, 0)
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

func (c *crowd) connect(atOnce int, spread time.Duration) map[string]float64 {
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
