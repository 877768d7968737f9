package decode

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"time"

	"cotmoc/internal/bounded"
)

// ConversionCost measures what ffmpeg takes to turn one YUV frame of the given
// size into RGBA, on this machine and now. It takes some tenths of a second.
func ConversionCost(ctx context.Context, w, h int) (time.Duration, error) {
	const frames = 6
	run := func(format string) (time.Duration, error) {
		size := fmt.Sprintf("%dx%d", w, h)
		cmd := exec.CommandContext(ctx, "ffmpeg", "-nostdin", "-v", "error", "-protocol_whitelist", "pipe", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", size, "-i", "pipe:0",
			"-pix_fmt", format, "-f", "rawvideo", "pipe:1")
		cmd.Stdin = io.LimitReader(zeros{}, int64(w*h*3/2*frames))
		cmd.Stdout = io.Discard
		var complaint bytes.Buffer
		cmd.Stderr = &complaint
		if err := bounded.Start(cmd, 3<<30); err != nil {
			return 0, err
		}
		if err := cmd.Wait(); err != nil {
			return 0, fmt.Errorf("measure ffmpeg: %w: %s", err, bytes.TrimSpace(complaint.Bytes()))
		}
		return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
	}
	rgba, err := run("rgba")
	if err != nil {
		return 0, err
	}
	yuv, err := run("yuv420p")
	if err != nil {
		return 0, err
	}
	return max(0, rgba-yuv) / frames, nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
