package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"cotmoc/hub/server"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/seed"
	"cotmoc/playlist"
)

// border is a hub of full size with demonstration keys, as a process, and kiosks
// that belong to it.
type border struct {
	l    *lab
	dir  string // the hub's
	hub  *exec.Cmd
	door string // for kiosks
	web  string // for people
}

const (
	benchGate playlist.ID = "G007"
)

// Ports of the hub's two doors.
const (
	doorPort = "18943"
	webPort  = "18980"
)

// onHub works on the hub's folder while no process does.
func (b *border) onHub(ctx context.Context, work func(*server.Hub) error) error {
	o := server.Options{Now: time.Now, Log: slog.New(slog.DiscardHandler), Self: []string{filepath.Join(b.l.bin, "hub"), "render-pdf"}}
	h, err := server.Open(ctx, b.dir, o)
	if err != nil {
		return err
	}
	return errors.Join(work(h), h.Close())
}

// publish prepares, signs and writes the next editions.
func publishAll(ctx context.Context, h *server.Hub) error {
	console := desk.Caller{Account: desk.Console, Login: "console", From: "console"}
	if _, err := h.Desk.Publish(ctx, console, []playlist.ID{seed.Ministry, "p-lang-son"}, true); err != nil {
		return err
	}
	return h.Distribute(ctx)
}

// newBorder makes a hub with so many items, each with a version: twice as many rows.
func newBorder(ctx context.Context, l *lab, name string, items int) (*border, error) {
	b := &border{l: l, dir: filepath.Join(l.work, name, "hub"), door: "https://127.0.0.1:" + doorPort, web: "http://127.0.0.1:" + webPort}
	if err := os.RemoveAll(filepath.Join(l.work, name)); err != nil {
		return nil, err
	}
	o := server.Options{Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	if err := server.Init(ctx, b.dir, o); err != nil {
		return nil, err
	}
	return b, b.onHub(ctx, func(h *server.Hub) error {
		err := addPeople(ctx, h)
		if err == nil {
			err = h.Desk.Store.Write(ctx, func(tx central.Tx) error { return fillSome(ctx, tx, 0, items, "") })
		}
		if err == nil {
			err = h.StartDemoTrust(ctx)
		}
		if err == nil {
			err = publishAll(ctx, h)
		}
		return err
	})
}

// fillSome writes items and their versions, approved.
func fillSome(ctx context.Context, tx central.Tx, from, to int, mark string) error {
	for n := from; n < to; n++ {
		item := playlist.Item{ID: itemID(n), Owner: seed.Ministry, Kind: playlist.Bulletin, Class: "bulletin", Audience: playlist.Public, Shelf: fmt.Sprint("shelf-", n%20)}
		_, err := tx.Get(ctx, central.Items, item.ID)
		if errors.Is(err, central.ErrNotFound) {
			err = keepDoc(ctx, tx, central.Doc{Kind: central.Items, ID: item.ID, Owner: item.Owner, State: string(playlist.Approved)}, item)
		}
		if err != nil {
			return err
		}
		text := bulletinText(n, mark)
		v := desk.Version{Number: 1, Authors: []playlist.ID{"x"}}
		v.Version = playlist.Version{ID: item.ID + ":vi", Item: item.ID, Language: "vi", Form: playlist.FormText, Title: fmt.Sprintf("Bản tin số %d%s", n, mark), Text: text, State: playlist.Published}
		d := central.Doc{Kind: central.Versions, ID: v.ID, Owner: item.Owner, Parent: item.ID, Name: "vi", State: string(playlist.Published)}
		if old, err := tx.Get(ctx, central.Versions, v.ID); err == nil {
			d.Rev = old.Rev
		}
		if err := keepDoc(ctx, tx, d, v); err != nil {
			return err
		}
	}
	return nil
}

var benchWords = strings.Fields("cửa khẩu mở cửa từ bảy giờ sáng đến hai mươi hai giờ hành khách mang theo hộ chiếu còn hạn và giấy thông hành hàng hóa xuất nhập khẩu phải khai báo hải quan kiểm dịch biên phòng tỉnh huyện xã thông báo thời tiết mưa lũ đường sạt lở xe khách dừng chờ")

// bulletinText is a text of some 600 bytes, the same for the same number; a mark
// changes one sentence of it.
func bulletinText(n int, mark string) string {
	var b strings.Builder
	x := uint64(n)*2862933555777941757 + 3037000493
	for i := range 90 {
		x = x*2862933555777941757 + 3037000493
		if i == 40 && mark != "" {
			b.WriteString("Sửa ngày" + mark + ". ")
		}
		b.WriteString(benchWords[x>>33%uint64(len(benchWords))] + " ")
	}
	return b.String()
}

// serve starts the hub's process.
func (b *border) serve(ctx context.Context) error {
	log, err := os.Create(filepath.Join(filepath.Dir(b.dir), "hub.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	b.hub = exec.CommandContext(ctx, filepath.Join(b.l.bin, "hub"), "serve", "--data", b.dir, "--listen", "127.0.0.1:"+webPort,
		"--device-listen", "0.0.0.0:"+doorPort, "--device-names", "127.0.0.1,"+hubAddress)
	b.hub.Stderr = log
	b.hub.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := b.hub.Start(); err != nil {
		return err
	}
	for range 200 {
		if _, err := os.Stat(filepath.Join(b.dir, "hub.sock")); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.New("the hub did not start")
}

func (b *border) stop() {
	if b.hub != nil && b.hub.Process != nil {
		_ = b.hub.Process.Signal(syscall.SIGTERM)
		_ = b.hub.Wait() // by the signal
		b.hub = nil
	}
}

// tool runs one of our programs and returns what it prints.
func (b *border) tool(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(b.l.bin, name), args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w: %s %s", name, args[0], err, out, stderr.String())
	}
	return string(out), nil
}

// enrol makes a kiosk's folder.
func (b *border) enrol(ctx context.Context, kiosk, door string, in ...string) error {
	status, err := b.tool(ctx, "hub", "trust", "status", "--data", b.dir)
	if err != nil {
		return err
	}
	print := ""
	for _, line := range strings.Split(status, "\n") {
		if s, ok := strings.CutPrefix(line, "fingerprint "); ok {
			print = s
		}
	}
	code, err := b.tool(ctx, "hub", "device", "invite", "--place", string(benchGate), "--data", b.dir)
	if err != nil {
		return err
	}
	args := append(in, filepath.Join(b.l.bin, "kiosk"), "enrol", "--data", kiosk, "--hub", door, "--root", print, "--code", strings.TrimSpace(code))
	if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("enrol: %w: %s", err, out)
	}
	return nil
}

// sync runs one round and returns the bytes that moved, TLS included.
func (b *border) sync(ctx context.Context, kiosk string) (float64, error) {
	out, err := b.tool(ctx, "kiosk", "sync", "--data", kiosk, "--json")
	if err != nil {
		return 0, err
	}
	var d struct {
		Moved float64 `json:"moved"`
	}
	return d.Moved, json.Unmarshal([]byte(out), &d)
}

// rsync copies a file over another one and returns what it says it sent and
// received, over a pipe: no encryption, no handshake.
func rsync(ctx context.Context, from, to string) (float64, error) {
	out, err := exec.CommandContext(ctx, "rsync", "--no-whole-file", "-z", "--stats", from, to).Output()
	if err != nil {
		return 0, fmt.Errorf("rsync: %w", err)
	}
	var total float64
	for _, line := range strings.Split(string(out), "\n") {
		for _, what := range []string{"Total bytes sent: ", "Total bytes received: "} {
			if s, ok := strings.CutPrefix(line, what); ok {
				n, err := strconv.ParseFloat(strings.ReplaceAll(s, ",", ""), 64)
				if err != nil {
					return 0, err
				}
				total += n
			}
		}
	}
	return total, nil
}

// Addresses of the two ends of a slow link.
const (
	hubAddress   = "10.77.0.1"
	kioskAddress = "10.77.0.2"
	netns        = "cotmoc-bench"
)

// slowLink makes a network namespace for kiosks behind a link of a rate such as
// 256kbit, in both directions.
func slowLink(ctx context.Context, rate string) (stop func(), err error) {
	stop = func() { _ = exec.Command("ip", "netns", "del", netns).Run() } // it may be gone
	stop()
	burst := "8k"
	if strings.HasSuffix(rate, "mbit") {
		burst = "64k"
	}
	for _, words := range []string{
		"ip netns add " + netns, "ip link add vbench0 type veth peer name vbench1 netns " + netns,
		"ip addr add " + hubAddress + "/24 dev vbench0", "ip link set vbench0 up",
		"ip -n " + netns + " addr add " + kioskAddress + "/24 dev vbench1", "ip -n " + netns + " link set vbench1 up", "ip -n " + netns + " link set lo up",
		"tc qdisc add dev vbench0 root tbf rate " + rate + " burst " + burst + " latency 400ms",
		"tc -n " + netns + " qdisc add dev vbench1 root tbf rate " + rate + " burst " + burst + " latency 400ms",
	} {
		f := strings.Fields(words)
		if out, err := exec.CommandContext(ctx, f[0], f[1:]...).CombinedOutput(); err != nil {
			stop()
			return nil, fmt.Errorf("%s: %w: %s", words, err, out)
		}
	}
	return stop, nil
}

// onLink is how many bytes went over the slow link, both ways, with all headers.
func onLink() (total float64) {
	for _, name := range []string{"rx_bytes", "tx_bytes"} {
		raw, err := os.ReadFile("/sys/class/net/vbench0/statistics/" + name)
		if err != nil {
			return 0
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(string(raw)), 64)
		if err != nil {
			return 0
		}
		total += n
	}
	return total
}

var inNetns = []string{"ip", "netns", "exec", netns}
