package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"cotmoc/hub/server"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/publish/publishtest"
	"cotmoc/hub/server/seed"
	"cotmoc/playlist"
)

// benchFetch measures what changes cost on the wire, and how soon they are there.
func benchFetch(ctx context.Context, l *lab) ([]result, error) {
	b, err := newBorder(ctx, l, "sync", 10_000)
	if err != nil {
		return nil, err
	}
	defer b.stop()
	kiosk := filepath.Join(l.work, "sync", "kiosk")
	var out []result
	for _, run := range []func(context.Context, *border, string) (result, error){fetchCatalogue, fetchRemux, fetchSlow, fetchKills} {
		r, err := run(ctx, b, kiosk)
		if err != nil {
			return out, err
		}
		fmt.Fprintln(os.Stderr, r.Name, r.Figures)
		out = append(out, r)
	}
	return out, nil
}

func catalogueFile(kiosk string) (string, error) {
	found, err := filepath.Glob(filepath.Join(kiosk, "editions", "e????????????????.db"))
	if err != nil || len(found) == 0 {
		return "", errors.Join(err, errors.New("the kiosk has no edition"))
	}
	newest, at := "", time.Time{}
	for _, f := range found {
		if info, err := os.Stat(f); err == nil && info.ModTime().After(at) {
			newest, at = f, info.ModTime()
		}
	}
	return newest, nil
}

// fetchCatalogue: 200 of 20,000 rows are edited and 50 are new.
func fetchCatalogue(ctx context.Context, b *border, kiosk string) (result, error) {
	r := result{Name: "sync/catalogue", Figures: map[string]float64{}}
	if err := b.serve(ctx); err != nil {
		return r, err
	}
	if err := b.enrol(ctx, kiosk, b.door); err != nil {
		return r, err
	}
	first, err := b.sync(ctx, kiosk)
	if err != nil {
		return r, err
	}
	old, err := catalogueFile(kiosk)
	if err != nil {
		return r, err
	}
	before := filepath.Join(b.l.work, "sync", "before.db")
	if err := copyFile(old, before); err != nil {
		return r, err
	}
	b.stop()
	if err := b.edit(ctx); err != nil {
		return r, err
	}
	if err := b.serve(ctx); err != nil {
		return r, err
	}
	moved, err := b.published(ctx, kiosk)
	if err != nil {
		return r, err
	}
	now, err := catalogueFile(kiosk)
	if err != nil || now == old {
		return r, errors.Join(err, errors.New("the kiosk did not switch"))
	}
	peerBytes, err := rsync(ctx, now, before)
	if err != nil {
		return r, err
	}
	r.Figures = map[string]float64{"rows": 20_000, "changed": 250, "kb": moved / 1000, "first_kb": first / 1000}
	r.Peer = &peer{"rsync --no-whole-file -z of the SQLite file", map[string]float64{"kb": peerBytes / 1000}}
	r.Ratio, r.Pairs = moved/peerBytes, 1
	return r, nil
}

// edit changes 200 versions of the catalogue, and adds 25 items with a version each.
func (b *border) edit(ctx context.Context) error {
	return b.onHub(ctx, func(h *server.Hub) error {
		return h.Desk.Store.Write(ctx, func(tx central.Tx) error {
			for n := range 200 {
				if err := fillSome(ctx, tx, n*50, n*50+1, fmt.Sprintf(" %d tháng 3", n)); err != nil {
					return err
				}
			}
			return fillSome(ctx, tx, 10_000, 10_025, "")
		})
	})
}

// published publishes while a kiosk runs and listens, and returns the bytes that
// moved until it plays the new edition and has told the hub so: all of them, from
// the event to the report.
func (b *border) published(ctx context.Context, kiosk string) (float64, error) {
	cmd, err := b.kioskAlone(ctx, kiosk)
	if err != nil {
		return 0, err
	}
	defer end(cmd)
	for n := 0; !b.status(ctx, kiosk).Sync.Stream; n++ {
		if n > 300 {
			return 0, errors.New("the stream did not open")
		}
		time.Sleep(100 * time.Millisecond)
	}
	time.Sleep(8 * time.Second)
	was := b.status(ctx, kiosk)
	if _, err := b.tool(ctx, "hub", "publish", "--scope", string(seed.Ministry), "--data", b.dir); err != nil {
		return 0, err
	}
	for n := 0; b.status(ctx, kiosk).Edition == was.Edition; n++ {
		if n > 600 {
			return 0, errors.New("the edition did not come")
		}
		time.Sleep(100 * time.Millisecond)
	}
	time.Sleep(6 * time.Second)
	now := b.status(ctx, kiosk)
	return now.Sync.Sent + now.Sync.Received - was.Sync.Sent - was.Sync.Received, nil
}

func copyFile(from, to string) error {
	raw, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, raw, 0o644)
}

// show publishes a clip at the gate.
func (b *border) show(ctx context.Context, path string) error {
	return b.onHub(ctx, func(h *server.Hub) error {
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		m := playlist.Media{SHA256: hashOf(raw), Bytes: int64(len(raw)), Type: "video/mp4"}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := h.Desk.Files.Put(ctx, m, f); err != nil {
			return err
		}
		err = h.Desk.Store.Write(ctx, func(tx central.Tx) error {
			file := desk.File{SHA256: m.SHA256, Bytes: m.Bytes, Type: m.Type, Name: "clip.mp4", State: desk.FileReady, Lasts: playlist.Duration(40 * time.Second), Width: 1280, Height: 720}
			if err := keepDoc(ctx, tx, central.Doc{Kind: central.Files, ID: playlist.ID(m.SHA256), Owner: seed.Ministry, State: string(desk.FileReady)}, file); err != nil {
				return err
			}
			item := playlist.Item{ID: "clip", Owner: seed.Ministry, Kind: playlist.Video, Class: "bulletin", Audience: playlist.Public}
			d := central.Doc{Kind: central.Items, ID: item.ID, Owner: item.Owner, State: string(playlist.Approved)}
			if old, err := tx.Get(ctx, central.Items, item.ID); err == nil {
				d.Rev = old.Rev
			}
			if err := keepDoc(ctx, tx, d, item); err != nil {
				return err
			}
			v := desk.Version{Number: 1}
			v.Version = playlist.Version{ID: "clip:zxx", Item: "clip", Language: "zxx", Form: playlist.FormVideo, Title: "clip", Media: []playlist.Hash{m.SHA256}, State: playlist.Published}
			d = central.Doc{Kind: central.Versions, ID: v.ID, Owner: item.Owner, Parent: item.ID, Name: "zxx", State: string(playlist.Published)}
			if old, err := tx.Get(ctx, central.Versions, v.ID); err == nil {
				d.Rev = old.Rev
			}
			return keepDoc(ctx, tx, d, v)
		})
		if err != nil {
			return err
		}
		return publishAll(ctx, h)
	})
}

// fetchRemux: a clip of 30 MB comes again with its index in front and a title.
func fetchRemux(ctx context.Context, b *border, kiosk string) (result, error) {
	r := result{Name: "sync/remux", Figures: map[string]float64{}}
	clip, err := b.l.make("remux.mp4", "-f", "lavfi", "-i", "mandelbrot=size=1280x720:rate=30", "-f", "lavfi", "-i", "sine=frequency=440", "-t", "40",
		"-c:v", "libx264", "-preset", "veryfast", "-b:v", "6M", "-minrate", "6M", "-maxrate", "6M", "-bufsize", "12M", "-x264-params", "nal-hrd=cbr", "-pix_fmt", "yuv420p", "-c:a", "aac")
	if err != nil {
		return r, err
	}
	again, err := b.l.make("remuxed.mp4", "-i", clip, "-c", "copy", "-movflags", "+faststart", "-metadata", "title=Cửa khẩu Hữu Nghị")
	if err != nil {
		return r, err
	}
	var moved float64
	for _, path := range []string{clip, again} {
		b.stop()
		if err := b.show(ctx, path); err != nil {
			return r, err
		}
		if err := b.serve(ctx); err != nil {
			return r, err
		}
		if moved, err = b.sync(ctx, kiosk); err != nil {
			return r, err
		}
		if out, err := b.tool(ctx, "kiosk", "verify", "--data", kiosk); err != nil {
			return r, fmt.Errorf("%w: %s", err, out)
		}
	}
	info, err := os.Stat(again)
	if err != nil {
		return r, err
	}
	before := filepath.Join(b.l.work, "sync", "before.mp4")
	if err := copyFile(clip, before); err != nil {
		return r, err
	}
	peerBytes, err := rsync(ctx, again, before)
	if err != nil {
		return r, err
	}
	r.Figures = map[string]float64{"clip_mb": float64(info.Size()) / 1e6, "kb": moved / 1000}
	r.Peer = &peer{"rsync --no-whole-file -z of the clip", map[string]float64{"kb": peerBytes / 1000}}
	r.Ratio, r.Pairs = moved/peerBytes, 1
	return r, nil
}

// kioskAlone starts kiosk run without screens, beside a copy of its binary alone.
func (b *border) kioskAlone(ctx context.Context, kiosk string, in ...string) (*exec.Cmd, error) {
	dir := filepath.Join(b.l.work, "sync", "bin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(filepath.Join(b.l.bin, "kiosk"))
	if err != nil {
		return nil, err
	}
	exe := filepath.Join(dir, "kiosk")
	if err := os.WriteFile(exe+".new", raw, 0o755); err != nil {
		return nil, err
	}
	if err := os.Rename(exe+".new", exe); err != nil {
		return nil, err
	}
	args := append(append([]string{}, in...), exe, "run", "--data", kiosk)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd, cmd.Start()
}

type kioskStatus struct {
	Edition   string `json:"edition"`
	Number    int64  `json:"number"`
	Inventory struct {
		Files int `json:"files"`
	} `json:"inventory"`
	Sync struct {
		Stream   bool    `json:"stream"`
		Sent     float64 `json:"sent"`
		Received float64 `json:"received"`
	} `json:"sync"`
	Children []struct {
		Name string `json:"name"`
		PID  int    `json:"pid"`
	} `json:"children"`
}

func (b *border) status(ctx context.Context, kiosk string) (s kioskStatus) {
	out, err := b.tool(ctx, "kiosk", "status", "--data", kiosk, "--json")
	if err == nil {
		_ = json.Unmarshal([]byte(out), &s) // a zero status is asked again
	}
	return s
}

func end(cmd *exec.Cmd) {
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = cmd.Wait() // by the signal
}

// fetchSlow: a small edit behind 256 kbit/s, from its signature to the switch.
func fetchSlow(ctx context.Context, b *border, kiosk string) (result, error) {
	r := result{Name: "sync/256kbit", Figures: map[string]float64{}}
	stop, err := slowLink(ctx, "256kbit")
	if err != nil {
		return r, err
	}
	defer stop()
	if err := os.RemoveAll(filepath.Join(kiosk, "device")); err != nil { // it moves behind the slow link
		return r, err
	}
	if err := b.enrol(ctx, kiosk, "https://"+hubAddress+":"+doorPort, inNetns...); err != nil {
		return r, err
	}
	cmd, err := b.kioskAlone(ctx, kiosk, inNetns...)
	if err != nil {
		return r, err
	}
	defer end(cmd)
	for n := 0; !b.status(ctx, kiosk).Sync.Stream; n++ {
		if n > 300 {
			return r, errors.New("the stream did not open")
		}
		time.Sleep(100 * time.Millisecond)
	}
	time.Sleep(3 * time.Second)
	h := &hubProcess{url: b.web + "/api/v1", http: http.DefaultClient}
	if err := h.signIn(ctx); err != nil {
		return r, err
	}
	var seconds []float64
	for n := range 5 {
		was := b.status(ctx, kiosk).Edition
		row := playlist.Playlist{ID: playlist.ID(fmt.Sprintf("edit-%d", n)), Owner: seed.Ministry, Names: playlist.Names{"vi": fmt.Sprintf("Sửa lần %d", n)}, Entries: []playlist.Entry{{Item: itemID(n)}}}
		if err := h.ask(ctx, "POST", "/playlists", row, nil); err != nil {
			return r, err
		}
		if _, err := b.tool(ctx, "hub", "publish", "--scope", string(seed.Ministry), "--data", b.dir); err != nil {
			return r, err
		}
		signed := time.Now() // publish returns once it is signed and announced
		for b.status(ctx, kiosk).Edition == was {
			if time.Since(signed) > time.Minute {
				return r, errors.New("the edit did not arrive")
			}
			time.Sleep(20 * time.Millisecond)
		}
		seconds = append(seconds, time.Since(signed).Seconds())
		time.Sleep(2 * time.Second)
	}
	r.Figures["visible_s"], r.Figures["worst_s"] = median(seconds), seconds[0]
	for _, s := range seconds {
		r.Figures["worst_s"] = max(r.Figures["worst_s"], s)
	}
	return r, nil
}

// fetchKills: 64 MB at 20 Mbit/s while the fetching process is killed 40 times.
func fetchKills(ctx context.Context, b *border, kiosk string) (result, error) {
	r := result{Name: "sync/kills", Figures: map[string]float64{}}
	const size, kills = 64 << 20, 40
	film := filepath.Join(b.l.work, "sync", "film.mp4")
	if err := os.WriteFile(film, publishtest.Noise("film", size), 0o644); err != nil {
		return r, err
	}
	b.stop()
	if err := b.show(ctx, film); err != nil {
		return r, err
	}
	if err := b.serve(ctx); err != nil {
		return r, err
	}
	stop, err := slowLink(ctx, "20mbit")
	if err != nil {
		return r, err
	}
	defer stop()
	before := onLink()
	killed := 0
	for began := time.Now(); ; {
		if time.Since(began) > 4*time.Minute {
			return r, fmt.Errorf("it did not arrive after %d kills", killed)
		}
		wait := time.Duration(300+(killed*137)%900) * time.Millisecond
		if killed >= kills {
			wait = 3 * time.Minute
		}
		whole, err := b.syncFor(ctx, kiosk, wait)
		if err != nil {
			return r, err
		}
		if whole {
			break
		}
		killed++
	}
	moved := onLink() - before
	if out, err := b.tool(ctx, "kiosk", "verify", "--data", kiosk); err != nil {
		return r, fmt.Errorf("%w: %s", err, out)
	}
	// All beyond the file's own bytes counts: TCP/IP, TLS, handshakes, metadata.
	r.Figures = map[string]float64{"mb": size / 1e6, "kills": float64(killed), "moved_mb": moved / 1e6, "extra_kb_per_kill": (moved - size) / 1000 / float64(max(killed, 1))}
	return r, nil
}

// syncFor runs a round behind the slow link and kills it, and the child that fetches
// for it, after a time. It returns true if the round ended before.
func (b *border) syncFor(ctx context.Context, kiosk string, wait time.Duration) (bool, error) {
	args := append(append([]string{}, inNetns...), filepath.Join(b.l.bin, "kiosk"), "sync", "--data", kiosk)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	if err := cmd.Start(); err != nil {
		return false, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		return err == nil, err
	case <-time.After(wait):
	}
	_ = cmd.Process.Kill()
	raw, err := os.ReadFile(filepath.Join(kiosk, "run", "fetch.pid"))
	var pid int
	if _, scanErr := fmt.Sscan(string(raw), &pid); err == nil && scanErr == nil {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-done
	return false, nil
}
