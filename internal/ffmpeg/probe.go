package ffmpeg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"cotmoc/internal/bounded"
)

// The largest video that is played. Larger ones cost more than a border
// gate's machine can decode in software.
const (
	MaxVideoPixels = 4096 * 2304
	MaxFrameRate   = 60
)

// Info is what a media file says about itself. None of it is trusted further
// than the bounds checked here.
type Info struct {
	Width, Height int           // as shown: rotation and pixel aspect applied; 0: no video
	FPS           Rational      // output rate: constant, at most 60
	Duration      time.Duration // 0: not known
	Audio         bool
	Matrix        string // of its colours: bt709 or bt601 where the file does not say, else ""
	Codec         string
}

// Rational is Num/Den.
type Rational struct{ Num, Den int }

// Float returns the rate in frames per second.
func (r Rational) Float() float64 { return float64(r.Num) / float64(r.Den) }

// At returns when frame n is due, from the start.
func (r Rational) At(n int) time.Duration {
	return time.Duration(float64(n) * float64(time.Second) * float64(r.Den) / float64(r.Num))
}

type probeOutput struct {
	Streams []struct {
		Type        string `json:"codec_type"`
		Codec       string `json:"codec_name"`
		Width       int    `json:"width"`
		Height      int    `json:"height"`
		Aspect      string `json:"sample_aspect_ratio"`
		Rate        string `json:"r_frame_rate"`
		Average     string `json:"avg_frame_rate"`
		Space       string `json:"color_space"`
		Duration    string `json:"duration"`
		Disposition struct {
			Picture int `json:"attached_pic"`
		} `json:"disposition"`
		SideData []struct {
			Rotation float64 `json:"rotation"`
		} `json:"side_data_list"`
	} `json:"streams"`
	Format struct {
		Duration string `json:"duration"`
	} `json:"format"`
}

// ErrUnplayable is wrapped where the file is at fault, and not the machine.
var ErrUnplayable = errors.New("not a media file that can be played")

// Probe asks ffprobe about a file. It takes about 100 ms. What is wrong with the
// file itself is an ErrUnplayable.
func Probe(ctx context.Context, path string) (Info, error) {
	if _, err := CheckFile(path); err != nil {
		return Info{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	args := append([]string{"-v", "error", "-show_streams", "-show_format", "-of", "json"}, InputArgs(path)...)
	cmd := exec.CommandContext(ctx, "ffprobe", args...)
	var out head
	var complaint bounded.Tail
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := bounded.Start(cmd, 1<<30); err != nil {
		return Info{}, err
	}
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return Info{}, fmt.Errorf("ffprobe: %w", ctx.Err())
		}
		return Info{}, fmt.Errorf("%w: %s", ErrUnplayable, bounded.Reason(&complaint, err))
	}
	var p probeOutput
	if err := json.Unmarshal(out.buf, &p); err != nil {
		return Info{}, fmt.Errorf("ffprobe answered nonsense: %w", err)
	}
	return p.info()
}

func (p probeOutput) info() (Info, error) {
	info := Info{Duration: seconds(p.Format.Duration)}
	for _, s := range p.Streams {
		switch {
		case s.Type == "audio":
			info.Audio = true
		case s.Type == "video" && s.Disposition.Picture == 0 && info.Width == 0:
			info.Codec = s.Codec
			info.Width, info.Height = s.Width, s.Height
			if s.Width <= 0 || s.Height <= 0 {
				return Info{}, fmt.Errorf("%w: the video has no picture size", ErrUnplayable)
			}
			if s.Width > 16384 || s.Height > 16384 || s.Width*s.Height > MaxVideoPixels {
				return Info{}, fmt.Errorf("%w: the video is %d×%d, larger than 4096×2304", ErrUnplayable, s.Width, s.Height)
			}
			if a, ok := rational(strings.Replace(s.Aspect, ":", "/", 1)); ok && a.Float() > 0.1 && a.Float() < 10 {
				info.Width = int(math.Round(float64(info.Width) * a.Float()))
			}
			for _, d := range s.SideData {
				if int(math.Abs(d.Rotation))%180 == 90 {
					info.Width, info.Height = info.Height, info.Width
				}
			}
			info.Matrix = guessMatrix(s.Space, s.Width, s.Height)
			info.FPS = rate(s.Rate, s.Average)
			if d := seconds(s.Duration); d > 0 {
				info.Duration = d // not the container's: its sound may be longer
			}
		}
	}
	return info, nil
}

// head keeps the first part of what a child wrote, which is all of it unless
// the file is out to fill the memory.
type head struct{ buf []byte }

func (h *head) Write(p []byte) (int, error) {
	h.buf = append(h.buf, p[:min(len(p), 4<<20-len(h.buf))]...)
	return len(p), nil
}

// guessMatrix is for files that do not say how their colours are coded: large
// pictures follow HD television, small ones the older rule. swscale would take
// the older one for all, and skins and flags would be off.
func guessMatrix(space string, w, h int) string {
	switch {
	case space != "" && space != "unknown" && space != "reserved":
		return ""
	case w >= 1280 || h > 576:
		return "bt709"
	}
	return "bt601"
}

// rate picks the constant rate at which frames are put out. A variable rate
// keeps its nominal one, so that no frame of the source is lost.
func rate(nominal, average string) Rational {
	for _, text := range []string{nominal, average} {
		if r, ok := rational(text); ok && r.Float() >= 1 && r.Float() <= MaxFrameRate+0.5 {
			return r
		}
	}
	if r, ok := rational(average); ok && r.Float() > MaxFrameRate {
		return Rational{MaxFrameRate, 1}
	}
	return Rational{25, 1}
}

func rational(text string) (Rational, bool) {
	n, d, ok := strings.Cut(text, "/")
	num, err1 := strconv.Atoi(n)
	den, err2 := strconv.Atoi(d)
	return Rational{num, den}, ok && err1 == nil && err2 == nil && num > 0 && den > 0
}

func seconds(text string) time.Duration {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f <= 0 || f > 100*3600 {
		return 0
	}
	return time.Duration(f * float64(time.Second))
}
