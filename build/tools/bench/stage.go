package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"cotmoc/device"
	"cotmoc/playlist"
)

const pairs = 3

// bench1080 plays a 1080p30 H.264 clip of 8 Mb/s without a GPU, in alternation
// with mpv's GL output on the same display.
func bench1080(ctx context.Context, l *lab) ([]result, error) {
	clip, err := l.make("1080p30.mp4", "-f", "lavfi", "-i", "testsrc2=s=1920x1080:r=30:d=62", "-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-b:v", "8M", "-pix_fmt", "yuv420p")
	if err != nil {
		return nil, err
	}
	doc, err := l.programme("1080p30", 1920, 1080, mainZone(1000, clipEntry("clip", clip)))
	if err != nil {
		return nil, err
	}
	x, err := startX(ctx, 1920, 1080)
	if err != nil {
		return nil, err
	}
	defer x.stop()
	bin, report := filepath.Join(l.bin, "stage"), filepath.Join(l.work, "report.json")
	const short = 20 * time.Second
	ours := func(length time.Duration) (float64, error) {
		return x.spent(ctx, length, bin, "--choice", filepath.Join(l.work, "frames.json"), "--programme", doc, "--for", (length - time.Second/2).String(), "--report", report)
	}
	var us, them, ratios []float64
	for range pairs {
		a, err := ours(short)
		if err != nil {
			return nil, err
		}
		b, err := x.spent(ctx, short, "mpv", "--no-config", "--vo=gpu", "--gpu-sw=yes", "--no-audio", "--loop=inf", "--really-quiet", "--fs", clip)
		if err != nil {
			return nil, err
		}
		us, them, ratios = append(us, a), append(them, b), append(ratios, a/b)
	}
	plain, err := x.spent(ctx, short, "mpv", "--no-config", "--vo=x11", "--no-audio", "--loop=inf", "--really-quiet", "--fs", clip)
	if err != nil {
		return nil, err
	}
	if _, err := ours(60 * time.Second); err != nil {
		return nil, err
	}
	r, err := readReport(report)
	if err != nil {
		return nil, err
	}
	psnr, err := l.psnr(ctx, x)
	if err != nil {
		return nil, err
	}
	seen := 60 - r.FirstFrameMS/1000
	return []result{{Name: "stage/1080p30", Pairs: pairs, Ratio: median(ratios),
		Figures: map[string]float64{"cpu_s_per_s": median(us), "lost_frames": float64(r.Dropped), "fps": float64(r.UniqueFrames) / seen, "late_frames": float64(r.Late),
			"psnr_db": psnr, "rss_mb": r.RSSMB, "interval_p99_ms": r.IntervalMS["p99"]},
		Peer:   &peer{"mpv --vo=gpu --gpu-sw=yes", map[string]float64{"cpu_s_per_s": median(them)}},
		Beside: &peer{"mpv --vo=x11", map[string]float64{"cpu_s_per_s": plain}}}}, nil
}

// psnr compares the screen with ffmpeg's own frames of the same clip: one
// frame a second, so that the one on the screen is known to be still.
func (l *lab) psnr(ctx context.Context, x *xServer) (float64, error) {
	clip, err := l.make("still709.mp4", "-f", "lavfi", "-i", "testsrc2=s=1920x1080:r=1:d=12", "-vf", "scale=out_color_matrix=bt709", "-colorspace", "bt709", "-c:v", "libx264", "-crf", "18", "-pix_fmt", "yuv420p")
	if err != nil {
		return 0, err
	}
	doc, err := l.programme("still", 1920, 1080, mainZone(1000, clipEntry("still", clip)))
	if err != nil {
		return 0, err
	}
	raw, err := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-i", clip, "-pix_fmt", "rgba", "-f", "rawvideo", "pipe:1").Output()
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(l.bin, "stage"), "--choice", filepath.Join(l.work, "frames.json"), "--programme", doc, "--for", "9s")
	cmd.Env = append(os.Environ(), "DISPLAY="+x.name)
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	time.Sleep(5 * time.Second)
	screen, err := device.OpenScreenNamed(x.name)
	if err != nil {
		return 0, err
	}
	defer screen.Close()
	img, err := screen.GrabAll()
	if err = errors.Join(err, cmd.Wait()); err != nil {
		return 0, err
	}
	best := 0.0
	const size = 1920 * 1080 * 4
	for n := 0; (n+1)*size <= len(raw); n++ {
		best = max(best, psnrOf(img, raw[n*size:(n+1)*size]))
	}
	return best, nil
}

func psnrOf(img *image.RGBA, frame []byte) float64 {
	var sum float64
	for i := range frame {
		if i%4 != 3 {
			d := float64(img.Pix[i]) - float64(frame[i])
			sum += d * d
		}
	}
	if sum == 0 {
		return 99
	}
	return 10 * math.Log10(255*255/(sum/(float64(len(frame))*3/4)))
}

// benchTicker plays 720p30 with a ticker that moves at the display's rate.
func benchTicker(ctx context.Context, l *lab) ([]result, error) {
	clip, err := l.make("720p30.mp4", "-f", "lavfi", "-i", "testsrc2=s=1280x720:r=30:d=40", "-c:v", "libx264", "-preset", "veryfast", "-b:v", "4M", "-pix_fmt", "yuv420p")
	if err != nil {
		return nil, err
	}
	ticker := playlist.ProgrammeZone{Zone: playlist.Zone{ID: "ticker", Y: 900, W: 1000, H: 100, Source: playlist.Source{Kind: playlist.FromLayer, Layer: playlist.Ticker}},
		Entries: []playlist.ProgrammeEntry{{ID: "t", Item: "t", Kind: playlist.Bulletin, Versions: []playlist.ProgrammeVersion{{Version: "t", Language: "vi",
			Text: "Xin chuẩn bị sẵn giấy tờ trước khi đến quầy kiểm soát. Cửa khẩu mở cửa bình thường trong dịp lễ."}}}}}
	doc, err := l.programme("ticker", 1280, 720, mainZone(900, clipEntry("clip", clip)), ticker)
	if err != nil {
		return nil, err
	}
	x, err := startX(ctx, 1280, 720)
	if err != nil {
		return nil, err
	}
	defer x.stop()
	report := filepath.Join(l.work, "report.json")
	var p50, p99, lost, cpu []float64
	for range pairs {
		c, err := x.spent(ctx, 37*time.Second, filepath.Join(l.bin, "stage"), "--choice", filepath.Join(l.work, "frames.json"), "--programme", doc, "--for", "36s", "--report", report)
		if err != nil {
			return nil, fmt.Errorf("stage: %w", err)
		}
		r, err := readReport(report)
		if err != nil {
			return nil, err
		}
		p50, p99 = append(p50, r.IntervalMS["p50"]), append(p99, r.IntervalMS["p99"])
		lost, cpu = append(lost, float64(r.Dropped)), append(cpu, c)
	}
	return []result{{Name: "stage/ticker", Figures: map[string]float64{"interval_p50_ms": median(p50), "interval_p99_ms": median(p99), "lost_frames": median(lost), "cpu_s_per_s": median(cpu), "runs": pairs}}}, nil
}
