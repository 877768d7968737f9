package decode

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"time"

	"cotmoc/internal/bounded"
	"cotmoc/internal/ffmpeg"
)

// SampleRate is the rate at which all sound is decoded, in Hz.
const SampleRate = 48000

// Audio is a stream of interleaved stereo samples, signed 16 bit little endian.
type Audio struct {
	io.Reader
	cancel    context.CancelFunc
	cmd       *exec.Cmd
	complaint *bounded.Tail
}

// Slowest and Fastest bound the speed at which a file is played, as a part of its own.
const (
	Slowest = 0.5
	Fastest = 2.0
)

// OpenAudio decodes a file's first sound track from the given position, at a speed from
// Slowest to Fastest times its own (0: its own). Voices keep their pitch.
func OpenAudio(ctx context.Context, path string, from time.Duration, speed float64) (*Audio, error) {
	if speed == 0 {
		speed = 1
	}
	if !(speed >= Slowest && speed <= Fastest) {
		return nil, fmt.Errorf("sound at %v times its speed cannot be played", speed)
	}
	if _, err := ffmpeg.CheckFile(path); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	args := []string{"-nostdin", "-v", "error"}
	if from > 0 {
		args = append(args, "-ss", seconds(from))
	}
	args = append(args, ffmpeg.InputArgs(path)...)
	args = append(args, "-map", "0:a:0", "-vn", "-sn", "-dn")
	if speed != 1 {
		args = append(args, "-af", "atempo="+strconv.FormatFloat(speed, 'f', 3, 64))
	}
	args = append(args, "-ac", "2", "-ar", strconv.Itoa(SampleRate), "-f", "s16le", "pipe:1")
	a := &Audio{cancel: cancel, cmd: exec.CommandContext(ctx, "ffmpeg", args...), complaint: &bounded.Tail{}}
	a.cmd.Stderr = a.complaint
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		cancel()
		return nil, fmt.Errorf("pipe for sound: %w", err)
	}
	a.Reader = &impatient{r: out, cancel: cancel}
	if err := bounded.Start(a.cmd, 1<<30); err != nil {
		cancel()
		return nil, err
	}
	return a, nil
}

// firstSample is how long a sound file may take to yield anything.
const firstSample = 15 * time.Second

// impatient ends a decoder that yields nothing: the list of songs goes on.
type impatient struct {
	r      io.Reader
	cancel context.CancelFunc
	heard  bool
}

func (i *impatient) Read(p []byte) (int, error) {
	if i.heard {
		return i.r.Read(p)
	}
	t := time.AfterFunc(firstSample, i.cancel)
	n, err := i.r.Read(p)
	t.Stop()
	i.heard = n > 0
	return n, err
}

// Close stops the decoder and waits until it is gone. The error is what
// ffmpeg complained about, if anything.
func (a *Audio) Close() error {
	a.cancel()
	err := a.cmd.Wait() // being stopped here is no failure; a complaint is
	if a.complaint.String() != "" {
		return fmt.Errorf("sound: %s", bounded.Reason(a.complaint, err))
	}
	return nil
}

// Length returns how long a file plays.
func Length(ctx context.Context, path string) (time.Duration, error) {
	info, err := ffmpeg.Probe(ctx, path)
	if err != nil {
		return 0, err
	}
	return info.Duration, nil
}
