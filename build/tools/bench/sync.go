package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"cotmoc/internal/screentest"
	"cotmoc/playlist"
)

// benchSync plays a clip that flashes and beeps once a second through the real
// kiosk, stage and sound, into a PulseAudio null sink, and measures from
// outside how far each beep is from its flash. The recording itself is read
// in pieces of about 10 ms, which is the accuracy of the figure.
func benchSync(ctx context.Context, l *lab) ([]result, error) {
	clip, err := l.make("sync.mp4", "-f", "lavfi", "-i", "color=c=0x306090:s=640x360:r=30:d=60,drawbox=c=white:t=fill:enable='lt(mod(t,1),0.1)'",
		"-f", "lavfi", "-i", "aevalsrc='0.8*sin(1000*2*PI*t)*lt(mod(t,1),0.1)':s=48000:d=60", "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-c:a", "pcm_s16le", "-f", "mov")
	if err != nil {
		return nil, err
	}
	content, err := l.clipContent("content-sync", clip)
	if err != nil {
		return nil, err
	}
	pulse, stopPulse, err := l.startPulse(ctx)
	if err != nil {
		return nil, err
	}
	defer stopPulse()
	x, err := startX(ctx, 640, 360)
	if err != nil {
		return nil, err
	}
	defer x.stop()
	data, err := os.MkdirTemp(l.work, "sync")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(data)
	cmd := exec.CommandContext(ctx, filepath.Join(l.bin, "kiosk"), "run", "--data", data, "--content", content)
	cmd.Env = append(os.Environ(), "DISPLAY="+x.name, "PULSE_SERVER="+pulse)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	}()
	flashes, beeps, err := l.listen(ctx, x.name, pulse, 40*time.Second)
	if err != nil {
		return nil, err
	}
	var offs []float64
	for _, f := range flashes {
		for _, b := range beeps {
			if d := b.Sub(f); d > -500*time.Millisecond && d < 500*time.Millisecond {
				offs = append(offs, ms(d))
			}
		}
	}
	if len(offs) < 5 {
		return nil, fmt.Errorf("%d flashes and %d beeps make only %d pairs", len(flashes), len(beeps), len(offs))
	}
	slices.Sort(offs)
	return []result{{Name: "sound/sync", Figures: map[string]float64{"pairs": float64(len(offs)), "sound_after_picture_p50_ms": median(offs), "min_ms": offs[0], "max_ms": offs[len(offs)-1]}}}, nil
}

// clipContent writes a content folder that plays one clip.
func (l *lab) clipContent(name, clip string) (string, error) {
	dir := filepath.Join(l.work, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	raw, err := os.ReadFile(clip)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "clip.mp4"), raw, 0o644); err != nil {
		return "", err
	}
	h := hashOf(raw)
	rows := playlist.Rows{Format: playlist.Format, Places: []playlist.Place{{ID: "g", Kind: playlist.Gate, Names: playlist.Names{"vi": "Cửa khẩu"}}},
		Displays: []playlist.Display{{ID: "d", Place: "g", Width: 640, Height: 360, Sound: playlist.Sound{Volume: 100}, Defaults: map[playlist.Layer]playlist.ID{playlist.Main: "list"}}},
		Media:    []playlist.Media{{SHA256: h, Path: "clip.mp4", Type: "video/mp4", Bytes: int64(len(raw))}},
		Items:    []playlist.Item{{ID: "clip", Kind: playlist.Video}}, Versions: []playlist.Version{{Item: "clip", Language: "zxx", Media: []playlist.Hash{h}}},
		Playlists: []playlist.Playlist{{ID: "list", Entries: []playlist.Entry{{Item: "clip"}}}}}
	out, err := json.Marshal(rows)
	if err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "content.json"), out, 0o644)
}

func (l *lab) startPulse(ctx context.Context) (server string, stop func(), err error) {
	dir, err := os.MkdirTemp("", "pulse")
	if err != nil {
		return "", nil, err
	}
	socket := filepath.Join(dir, "native")
	cmd := exec.CommandContext(ctx, "pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disallow-exit", "--use-pid-file=no",
		"--load=module-null-sink sink_name=hall rate=48000", "--load=module-native-protocol-unix auth-anonymous=1 socket="+socket)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_RUNTIME_DIR="+dir, "PULSE_RUNTIME_PATH="+dir)
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		cmd.Process.Kill()
		cmd.Wait()
		os.RemoveAll(dir)
	}
	for range 200 {
		if _, err := os.Stat(socket); err == nil {
			return "unix:" + socket, stop, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	stop()
	return "", nil, errors.New("PulseAudio did not start")
}

// listen notes when the screen turns white and when a beep begins.
func (l *lab) listen(ctx context.Context, display, pulse string, length time.Duration) (flashes, beeps []time.Time, err error) {
	var mu sync.Mutex
	white := false
	stop, err := screentest.Watch(display, image.Rect(300, 150, 304, 154), 2*time.Millisecond, func(s screentest.Sample) {
		c := s.Img.RGBAAt(1, 1)
		now := c.R > 220 && c.G > 220
		if now && !white {
			mu.Lock()
			flashes = append(flashes, s.At)
			mu.Unlock()
		}
		white = now
	})
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	rec := exec.CommandContext(ctx, "parec", "--server="+pulse, "--device=hall.monitor", "--latency-msec=10", "--rate=48000", "--channels=1", "--format=s16le", "--raw")
	out, err := rec.StdoutPipe()
	if err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	if err := rec.Start(); err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	beeps = onsets(out)
	rec.Wait()
	err = stop()
	mu.Lock()
	defer mu.Unlock()
	return flashes, beeps, err
}

// onsets returns when a sound began after silence.
func onsets(r io.Reader) (out []time.Time) {
	buf := make([]byte, 4096)
	quiet := 0
	for {
		n, err := r.Read(buf)
		at := time.Now()
		samples := n / 2
		for i := range samples {
			v := int16(binary.LittleEndian.Uint16(buf[i*2:]))
			if v > 3000 || v < -3000 {
				if quiet > 48000/5 {
					out = append(out, at.Add(-time.Duration(samples-i)*time.Second/48000))
				}
				quiet = 0
			} else {
				quiet++
			}
		}
		if err != nil {
			return out
		}
	}
}
