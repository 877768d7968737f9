package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"cotmoc/hub/feed"
	"cotmoc/hub/server"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/fleet"
	"cotmoc/hub/server/publish/publishtest"
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
