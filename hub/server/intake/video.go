package intake

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"cotmoc/hub/server/desk"
	"cotmoc/internal/bounded"
	"cotmoc/internal/ffmpeg"
	"cotmoc/playlist"
)

// Loudness that every sound gets: EBU R 128, in LUFS and dBTP.
const (
	loudness = -23.0
	truePeak = -2.0
)

// rendition is one size of a video.
type rendition struct {
	name          string
	width, height int
	rate, buffer  string // at most, as ffmpeg writes bits a second
}

// With its buffer and its sound a clip of a few seconds stays under 6 and 2.5
// Mb/s as a whole.
var sizes = []rendition{{"1080p", 1920, 1080, "5200k", "3000k"}, {"720p", 1280, 720, "2150k", "1200k"}}

// renditions makes 1080p, 720p and a poster of a video, or even sound of a sound.
func (w *Worker) renditions(ctx context.Context, f *desk.File, source, dir string, progress chan<- int) ([]desk.File, error) {
	info, err := ffmpeg.Probe(ctx, source)
	if err != nil {
		return nil, err
	}
	// Ten times as long as it plays is generous for two sizes on one slow core.
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute+20*info.Duration)
	defer cancel()
	sound := ""
	if info.Audio {
		if sound, err = loudnorm(ctx, source); err != nil {
			return nil, err
		}
	}
	f.Renditions = map[string]playlist.Hash{}
	if info.Width == 0 {
		return w.evenSound(ctx, f, source, dir, sound, info, progress)
	}
	if err := w.encode(ctx, source, encodeArgs(info, dir, sound), info.Duration, progress); err != nil {
		return nil, err
	}
	var made []desk.File
	for _, s := range sizes {
		out, err := w.made(ctx, filepath.Join(dir, s.name+".mp4"), f, info)
		if err != nil {
			return nil, err
		}
		f.Renditions[s.name] = out.SHA256
		made = append(made, out)
	}
	poster, err := w.keep(ctx, filepath.Join(dir, "poster.jpg"), desk.File{Name: f.Name + " poster", Type: "image/jpeg"})
	if err != nil {
		return nil, err
	}
	f.Renditions["poster"] = poster.SHA256
	return append(made, poster), nil
}

// encodeArgs makes both sizes and the poster while the source is decoded once.
func encodeArgs(info ffmpeg.Info, dir, sound string) []string {
	fps := info.FPS.Float()
	group := strconv.Itoa(max(1, int(math.Round(2*fps))))
	rate := fmt.Sprintf("%d/%d", info.FPS.Num, info.FPS.Den)
	var graph strings.Builder
	fmt.Fprintf(&graph, "[0:V:0]fps=%s,scale=w='trunc(iw*sar/2)*2':h=ih,setsar=1,split=%d", rate, len(sizes)+1) // not a cover picture; square pixels
	for n := range len(sizes) + 1 {
		fmt.Fprintf(&graph, "[s%d]", n)
	}
	for n, s := range sizes {
		// Fitted into the size, never enlarged, even sides.
		fmt.Fprintf(&graph, ";[s%d]scale=w='min(%d,iw)':h='min(%d,ih)':force_original_aspect_ratio=decrease:force_divisible_by=2,setsar=1,format=yuv420p[v%d]", n, s.width, s.height, n)
	}
	at := min(info.Duration.Seconds()/10, 10)
	fmt.Fprintf(&graph, ";[s%d]select='gte(t,%.3f)',scale=w='min(1280,iw)':h=-2,setsar=1[p]", len(sizes), at)
	if sound != "" {
		fmt.Fprintf(&graph, ";[0:a:0]%s,aresample=48000,asplit=%d", sound, len(sizes))
		for n := range sizes {
			fmt.Fprintf(&graph, "[a%d]", n)
		}
	}
	args := []string{"-filter_complex", graph.String()}
	for n, s := range sizes {
		args = append(args, "-map", fmt.Sprintf("[v%d]", n), "-c:v", "libx264", "-profile:v", "high", "-preset", "medium", "-crf", "20", "-maxrate", s.rate, "-bufsize", s.buffer,
			"-g", group, "-keyint_min", group, "-sc_threshold", "0", "-flags", "+cgop", "-color_range", "tv")
		if sound != "" {
			args = append(args, "-map", fmt.Sprintf("[a%d]", n), "-c:a", "aac", "-b:a", "128k", "-ac", "2")
		}
		args = append(args, "-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact", "-movflags", "+faststart", "-threads", "2", "-f", "mp4", filepath.Join(dir, s.name+".mp4"))
	}
	return append(args, "-map", "[p]", "-frames:v", "1", "-q:v", "3", "-map_metadata", "-1", "-f", "image2", "-update", "1", filepath.Join(dir, "poster.jpg"))
}

// evenSound makes an AAC file of a sound at the common loudness.
func (w *Worker) evenSound(ctx context.Context, f *desk.File, source, dir, sound string, info ffmpeg.Info, progress chan<- int) ([]desk.File, error) {
	path := filepath.Join(dir, "sound.m4a")
	args := []string{"-map", "0:a:0", "-af", sound + ",aresample=48000", "-c:a", "aac", "-b:a", "128k", "-ac", "2", "-map_metadata", "-1", "-fflags", "+bitexact", "-movflags", "+faststart", "-f", "mp4", path}
	if err := w.encode(ctx, source, args, info.Duration, progress); err != nil {
		return nil, err
	}
	if err := asLong(ctx, path, info); err != nil {
		return nil, err
	}
	out, err := w.keep(ctx, path, desk.File{Name: f.Name, Type: "audio/mp4", Lasts: playlist.Duration(info.Duration)})
	if err != nil {
		return nil, err
	}
	f.Renditions["sound"] = out.SHA256
	return []desk.File{out}, nil
}

// made checks a rendition against its source, and keeps it.
func (w *Worker) made(ctx context.Context, path string, f *desk.File, source ffmpeg.Info) (desk.File, error) {
	got, err := ffmpeg.Probe(ctx, path)
	if err != nil {
		return desk.File{}, fmt.Errorf("the rendition cannot be read: %w", err)
	}
	if err := lasts(got, source); err != nil {
		return desk.File{}, err
	}
	f.Lasts = playlist.Duration(got.Duration)
	return w.keep(ctx, path, desk.File{Name: f.Name, Type: "video/mp4", Width: got.Width, Height: got.Height, Lasts: playlist.Duration(got.Duration)})
}

// lasts finds out a file that says that it is longer than what can be played.
func lasts(got, source ffmpeg.Info) error {
	if short := source.Duration - got.Duration; short > time.Second && short > source.Duration/10 {
		return fmt.Errorf("%w: it says that it lasts %v, but only %v can be played", errHopeless, source.Duration.Round(time.Second), got.Duration.Round(time.Second/10))
	}
	return nil
}

func asLong(ctx context.Context, path string, source ffmpeg.Info) error {
	got, err := ffmpeg.Probe(ctx, path)
	if err != nil {
		return fmt.Errorf("the rendition cannot be read: %w", err)
	}
	return lasts(got, source)
}

// child runs ffmpeg on a source, in the background of everything else.
func child(ctx context.Context, source string, global, output []string) (*exec.Cmd, *bounded.Tail) {
	args := append([]string{"-n", "10", "ffmpeg", "-nostdin", "-y"}, global...)
	args = append(append(args, ffmpeg.InputArgs(source)...), output...)
	cmd := exec.CommandContext(ctx, "nice", args...)
	complaint := &bounded.Tail{}
	cmd.Stderr = complaint
	return cmd, complaint
}

// encode runs ffmpeg and reports how far it is, in per cent.
func (w *Worker) encode(ctx context.Context, source string, args []string, lasts time.Duration, progress chan<- int) error {
	cmd, complaint := child(ctx, source, []string{"-v", "error", "-progress", "pipe:1"}, args)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	if err := bounded.Start(cmd, 4<<30); err != nil {
		return err
	}
	follow(out, lasts, progress)
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("encoding took too long or was stopped: %w", context.Cause(ctx))
		}
		return fmt.Errorf("ffmpeg: %s", bounded.Reason(complaint, err))
	}
	return nil
}

// follow reads ffmpeg's progress until it ends.
func follow(out io.Reader, lasts time.Duration, progress chan<- int) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		text, ok := strings.CutPrefix(lines.Text(), "out_time_us=")
		us, err := strconv.ParseInt(text, 10, 64)
		if !ok || err != nil || lasts <= 0 {
			continue
		}
		percent := int(100 * time.Duration(us) * time.Microsecond / lasts)
		select {
		case progress <- min(max(percent, 0), 99):
		default: // the last figure was not asked for yet
		}
	}
}

// loudnorm measures a sound and returns the filter that brings it to the common
// loudness, evenly over its whole length.
func loudnorm(ctx context.Context, source string) (string, error) {
	base := fmt.Sprintf("loudnorm=I=%g:TP=%g:LRA=11", loudness, truePeak)
	cmd, complaint := child(ctx, source, []string{"-v", "info", "-nostats", "-hide_banner"}, []string{"-map", "0:a:0", "-af", base + ":print_format=json", "-f", "null", "-"})
	if err := bounded.Start(cmd, 2<<30); err != nil {
		return "", err
	}
	if err := cmd.Wait(); err != nil {
		return "", fmt.Errorf("measure its loudness: %s", bounded.Reason(complaint, err))
	}
	text := complaint.String()
	from := strings.LastIndex(text, "{")
	if from < 0 {
		return "", fmt.Errorf("measure its loudness: ffmpeg gave no figures")
	}
	var m struct {
		I      string `json:"input_i"`
		TP     string `json:"input_tp"`
		LRA    string `json:"input_lra"`
		Thresh string `json:"input_thresh"`
		Offset string `json:"target_offset"`
	}
	if err := json.NewDecoder(strings.NewReader(text[from:])).Decode(&m); err != nil {
		return "", fmt.Errorf("measure its loudness: %w", err)
	}
	if strings.Contains(m.I+m.TP+m.Thresh+m.Offset, "inf") {
		return "anull", nil // silence stays silence
	}
	return fmt.Sprintf("%s:measured_I=%s:measured_TP=%s:measured_LRA=%s:measured_thresh=%s:offset=%s:linear=true", base, m.I, m.TP, m.LRA, m.Thresh, m.Offset), nil
}

// percent passes on the figures that a child prints, one a line.
func percent(out io.Reader, progress chan<- int) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if n, err := strconv.Atoi(lines.Text()); err == nil {
			select {
			case progress <- min(max(n, 0), 99):
			default:
			}
		}
	}
}
