package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"cotmoc/internal/kiosk"
	"cotmoc/internal/screentest"
	"cotmoc/playlist"
)

var mark = color.RGBA{230, 120, 20, 255}

// bigContent writes a content folder with 20,000 items, one of which plays: a
// plain picture whose colour proves the first correct frame.
func (l *lab) bigContent() (string, error) {
	dir := filepath.Join(l.work, "content-20000")
	if _, err := os.Stat(filepath.Join(dir, "content.json")); err == nil {
		return dir, nil
	}
	return dir, l.writeBig(dir, func(*playlist.Rows) {})
}

// writeBig writes such a folder, changed.
func (l *lab) writeBig(dir string, change func(*playlist.Rows)) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	img := image.NewRGBA(image.Rect(0, 0, 1280, 720))
	for i := 0; i < len(img.Pix); i += 4 {
		copy(img.Pix[i:], []byte{mark.R, mark.G, mark.B, 255})
	}
	f, err := os.Create(filepath.Join(dir, "mark.png"))
	if err != nil {
		return err
	}
	if err := errors.Join(png.Encode(f, img), f.Close()); err != nil {
		return err
	}
	raw, err := os.ReadFile(filepath.Join(dir, "mark.png"))
	if err != nil {
		return err
	}
	h := hashOf(raw)
	r := playlist.Rows{Format: playlist.Format, Places: []playlist.Place{{ID: "g", Kind: playlist.Gate, Names: playlist.Names{"vi": "Cửa khẩu"}}},
		Displays:  []playlist.Display{{ID: "d", Place: "g", Width: 1280, Height: 720, Defaults: map[playlist.Layer]playlist.ID{playlist.Main: "list"}}},
		Media:     []playlist.Media{{SHA256: h, Path: "mark.png", Type: "image/png", Bytes: int64(len(raw))}},
		Items:     []playlist.Item{{ID: "mark", Kind: playlist.Picture}},
		Versions:  []playlist.Version{{Item: "mark", Language: "zxx", Media: []playlist.Hash{h}}},
		Playlists: []playlist.Playlist{{ID: "list", Entries: []playlist.Entry{{Item: "mark", Fit: playlist.Cover, Duration: playlist.Duration(time.Minute)}}}}}
	for i := range 20_000 {
		id := playlist.ID(fmt.Sprintf("item-%05d", i))
		r.Items = append(r.Items, playlist.Item{ID: id, Kind: playlist.Bulletin})
		for _, lang := range []playlist.Language{"vi", "en"} {
			r.Versions = append(r.Versions, playlist.Version{Item: id, Language: lang, Title: "Tin số " + string(id), Text: "Nội dung của bản tin, để danh mục có kích thước thật."})
		}
	}
	change(&r)
	out, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "content.json"), out, 0o644)
}

// untilSeen starts a command and returns the time until the colour is on the screen.
func (x *xServer) untilSeen(ctx context.Context, c color.RGBA, cmd *exec.Cmd) (time.Duration, error) {
	seen := make(chan time.Time, 1)
	var once sync.Once
	stop, err := screentest.Watch(x.name, image.Rect(600, 300, 616, 316), 3*time.Millisecond, func(s screentest.Sample) {
		if screentest.Near(s.Img.RGBAAt(8, 8), c, 12) {
			once.Do(func() { seen <- s.At })
		}
	})
	if err != nil {
		return 0, err
	}
	cmd.Env = append(os.Environ(), "DISPLAY="+x.name)
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, errors.Join(err, stop())
	}
	select {
	case at := <-seen:
		return at.Sub(start), stop()
	case <-time.After(time.Minute):
		return 0, errors.Join(fmt.Errorf("%s showed nothing for a minute", cmd.Path), stop())
	case <-ctx.Done():
		return 0, errors.Join(ctx.Err(), stop())
	}
}

// benchStart measures from `kiosk run` to the first correct frame, with 20,000
// items cached, beside mpv's start on the same picture; then a killed stage.
func benchStart(ctx context.Context, l *lab) ([]result, error) {
	content, err := l.bigContent()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(l.work, "data-20000")
	bin := filepath.Join(l.bin, "kiosk")
	var ours, theirs, ratios, killed []float64
	for i := range pairs + 1 {
		a, k, err := l.startOnce(ctx, bin, data, content, i == 0)
		if err != nil {
			return nil, err
		}
		content = ""
		if i == 0 {
			continue // the first run takes the content in
		}
		x, err := startX(ctx, 1280, 720)
		if err != nil {
			return nil, err
		}
		mpv := exec.CommandContext(ctx, "mpv", "--no-config", "--vo=gpu", "--gpu-sw=yes", "--really-quiet", "--fs", "--image-display-duration=inf", filepath.Join(l.work, "content-20000", "mark.png"))
		b, err := x.untilSeen(ctx, mark, mpv)
		if mpv.Process != nil {
			mpv.Process.Kill()
			mpv.Wait()
		}
		if err = errors.Join(err, x.stop()); err != nil {
			return nil, err
		}
		ours, theirs, killed = append(ours, ms(a)), append(theirs, ms(b)), append(killed, ms(k))
		ratios = append(ratios, ms(a)/ms(b))
	}
	return []result{
		{Name: "start/20000", Figures: map[string]float64{"ms": median(ours), "items": 20000}, Peer: &peer{"mpv --vo=gpu on the same picture", map[string]float64{"ms": median(theirs)}}, Ratio: median(ratios), Pairs: pairs},
		{Name: "start/stage-killed", Figures: map[string]float64{"ms_to_right_picture": median(killed), "runs": pairs}},
	}, nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (l *lab) startOnce(ctx context.Context, bin, data, content string, first bool) (start, killed time.Duration, err error) {
	x, err := startX(ctx, 1280, 720)
	if err != nil {
		return 0, 0, err
	}
	defer x.stop()
	args := []string{"run", "--data", data}
	if first {
		args = append(args, "--content", content)
	}
	cmd := exec.CommandContext(ctx, bin, args...)
	start, err = x.untilSeen(ctx, mark, cmd)
	if err != nil {
		return 0, 0, err
	}
	defer func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	}()
	time.Sleep(time.Second)
	st, err := kiosk.AskStatus(ctx, data)
	if err != nil {
		return 0, 0, err
	}
	away, back := make(chan time.Time, 1), make(chan time.Time, 1)
	gone := false
	stop, err := screentest.Watch(x.name, image.Rect(600, 300, 616, 316), 3*time.Millisecond, func(s screentest.Sample) {
		right := screentest.Near(s.Img.RGBAAt(8, 8), mark, 12)
		if !right && !gone {
			gone = true
			away <- s.At
		} else if right && gone {
			select {
			case back <- s.At:
			default:
			}
		}
	})
	if err != nil {
		return 0, 0, err
	}
	if err := syscall.Kill(st.Children[0].PID, syscall.SIGKILL); err != nil {
		return 0, 0, errors.Join(err, stop())
	}
	at := time.Now()
	select {
	case t := <-back:
		killed = t.Sub(at)
	case <-time.After(30 * time.Second):
		err = errors.New("the picture did not come back")
	}
	return start, killed, errors.Join(err, stop())
}

func hashOf(raw []byte) playlist.Hash {
	sum := sha256.Sum256(raw)
	return playlist.Hash(hex.EncodeToString(sum[:]))
}
