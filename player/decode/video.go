package decode

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"cotmoc/internal/bounded"
	"cotmoc/internal/ffmpeg"
	"cotmoc/playlist"
)

// PixelFormat is the layout of a frame's bytes.
type PixelFormat int

// The pixel formats. Without a GPU swscale makes RGBA at the size shown; with
// one, planar YUV is a third of the bytes and a shader unpacks it.
const (
	RGBA PixelFormat = iota
	YUV420
)

// Frame is one picture of a video. Release gives its buffer back.
type Frame struct {
	Pix    []byte
	Number int
	Due    time.Duration // from the start of the file
	video  *Video
}

// Release returns the frame's buffer for reuse.
func (f *Frame) Release() {
	if f != nil && f.Pix != nil {
		f.video.free <- f.Pix
		f.Pix = nil
	}
}

// Video decodes one file ahead of its showing: up to ringSize frames wait in
// reused buffers while ffmpeg is held back by the full pipe.
type Video struct {
	Info          ffmpeg.Info
	Width, Height int // of the frames
	Format        PixelFormat
	from          time.Duration
	frames        chan *Frame
	free          chan []byte
	cancel        context.CancelFunc
	done          chan struct{}
	mu            sync.Mutex
	err           error
	head          *Frame
	ended         bool
}

const ringSize = 4

// VideoOptions say how a video is decoded.
type VideoOptions struct {
	Width, Height int // of the place to fill, in pixels
	Fit           playlist.Fit
	Format        PixelFormat
	Limit         time.Duration // longest showing; 0: the whole file
	Threads       int           // 0: as many as the size needs
	From          time.Duration // where in the file to begin
}

// OpenVideo probes a file and starts to decode it. The caller must Close it.
func OpenVideo(ctx context.Context, path string, o VideoOptions) (*Video, error) {
	info, err := ffmpeg.Probe(ctx, path)
	if err != nil {
		return nil, err
	}
	if info.Width == 0 {
		return nil, fmt.Errorf("the file holds no video")
	}
	v := &Video{Info: info, Format: o.Format, from: o.From, done: make(chan struct{}),
		frames: make(chan *Frame, ringSize), free: make(chan []byte, ringSize)}
	var crop bool
	v.Width, v.Height, crop = fitSize(info.Width, info.Height, o)
	args := v.command(path, o, crop)
	ctx, v.cancel = context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, "ffmpeg", args...)
	out, err := bigPipe(cmd)
	if err != nil {
		v.cancel()
		return nil, err
	}
	complaint := &bounded.Tail{}
	cmd.Stderr = complaint
	if err := bounded.Start(cmd, 3<<30); err != nil {
		v.cancel()
		return nil, err
	}
	cmd.Stdout.(*os.File).Close()
	for range ringSize {
		v.free <- buffers.take(v.frameBytes())
	}
	go v.read(ctx, cmd, out, complaint) // ends when ffmpeg does; Close waits for it
	return v, nil
}

// bigPipe gives cmd a pipe of 1 MiB for its output, so that ffmpeg can run ahead.
func bigPipe(cmd *exec.Cmd) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("pipe for frames: %w", err)
	}
	// A smaller pipe, if this is refused, only costs more context switches.
	_, _ = unix.FcntlInt(r.Fd(), unix.F_SETPIPE_SZ, 1<<20)
	cmd.Stdout = w
	return r, nil
}

func (v *Video) command(path string, o VideoOptions, crop bool) []string {
	threads := o.Threads
	if threads == 0 {
		// One thread decodes up to 1080p30 with ease; a second only adds the
		// cost of sharing, which on two cores is taken from the drawing.
		threads = 1
		if float64(v.Info.Width*v.Info.Height)*v.Info.FPS.Float() > 1920*1080*31 {
			threads = 2
		}
	}
	scale := fmt.Sprintf("scale=%d:%d:flags=fast_bilinear", v.Width, v.Height)
	if crop { // to cover, by the picture's shape as shown: its pixels may not be square
		cw, ch := coverSize(v.Info.Width, v.Info.Height, v.Width, v.Height)
		scale = fmt.Sprintf("scale=%d:%d:flags=fast_bilinear", cw, ch)
	}
	if v.Info.Matrix != "" {
		scale += ":in_color_matrix=" + v.Info.Matrix
	}
	format := "rgba"
	if v.Format == YUV420 {
		format = "yuv420p"
		scale += ":out_color_matrix=bt709:out_range=tv" // what the stage's shader reads
	}
	if crop { // cut the edges that stick out
		scale += fmt.Sprintf(",crop=%d:%d", v.Width, v.Height)
	}
	args := []string{"-nostdin", "-v", "error", "-threads", strconv.Itoa(threads)}
	if o.From > 0 {
		args = append(args, "-ss", seconds(o.From))
	}
	args = append(args, ffmpeg.InputArgs(path)...)
	args = append(args, "-map", "0:V:0", "-an", "-sn", "-dn")
	if o.Limit > 0 {
		args = append(args, "-t", seconds(o.Limit+time.Second))
	}
	filter := fmt.Sprintf("fps=%d/%d,%s", v.Info.FPS.Num, v.Info.FPS.Den, scale)
	return append(args, "-vf", filter, "-pix_fmt", format, "-f", "rawvideo", "pipe:1")
}

// seconds writes a duration as ffmpeg reads it.
func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 6, 64) }

// fitSize returns the size of the frames to decode for the zone.
func fitSize(w, h int, o VideoOptions) (int, int, bool) {
	fw, fh := o.Width, o.Height
	crop := o.Fit == playlist.Cover
	if !crop {
		if w*o.Height > o.Width*h {
			fh = max(1, (h*o.Width+w/2)/w)
		} else {
			fw = max(1, (w*o.Height+h/2)/h)
		}
	}
	if o.Format == YUV420 { // the shader reads whole groups of texels
		fw, fh = max(8, fw&^7), max(4, fh&^3)
	}
	return fw, fh, crop
}

// coverSize is the smallest size of shape sw×sh that covers w×h.
func coverSize(sw, sh, w, h int) (int, int) {
	if sw*h > w*sh {
		return (sw*h + sh - 1) / sh, h
	}
	return w, (sh*w + sw - 1) / sw
}

func (v *Video) frameBytes() int {
	if v.Format == YUV420 {
		return v.Width * v.Height * 3 / 2
	}
	return v.Width * v.Height * 4
}

func (v *Video) read(ctx context.Context, cmd *exec.Cmd, out *os.File, complaint *bounded.Tail) {
	defer close(v.done)
	defer close(v.frames)
	defer out.Close()
	n := 0
	for {
		var buf []byte
		select {
		case buf = <-v.free:
		case <-ctx.Done():
			cmd.Wait() // it was killed with ctx
			return
		}
		if _, err := io.ReadFull(out, buf); err != nil {
			v.free <- buf
			break
		}
		v.frames <- &Frame{Pix: buf, Number: n, Due: v.from + v.Info.FPS.At(n), video: v}
		n++
	}
	err := cmd.Wait()
	if n == 0 && ctx.Err() == nil {
		if err == nil {
			err = fmt.Errorf("no frame")
		}
		v.mu.Lock()
		v.err = fmt.Errorf("no frame could be decoded: %s", bounded.Reason(complaint, err))
		v.mu.Unlock()
	}
}

// Ready says whether the first frame is in hand. An error means that there
// will never be one.
func (v *Video) Ready() (bool, error) {
	if v.peek() != nil {
		return true, nil
	}
	select {
	case <-v.done:
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.err == nil && v.peek() == nil && !v.ended {
			v.err = fmt.Errorf("no frame could be decoded")
		}
		return v.head != nil, v.err
	default:
		return false, nil
	}
}

func (v *Video) peek() *Frame {
	if v.head == nil {
		select {
		case f, ok := <-v.frames:
			if !ok {
				v.ended = true
			}
			v.head = f
		default:
		}
	}
	return v.head
}

// slack is how late a frame may be and still be shown before its successor: a
// moment's hitch then costs no frame. A machine that is further behind shows
// the newest due frame.
const slack = 100 * time.Millisecond

// Newest returns the frame to show at elapsed, or nil if none that was not
// returned before is due. dropped counts due frames passed over. The caller
// releases the frame. Frames are never thrown away in the hope of being on
// time: a slow machine shows what it has.
func (v *Video) Newest(elapsed time.Duration) (frame *Frame, dropped int) {
	for {
		f := v.peek()
		if f == nil || f.Due > elapsed || frame != nil && elapsed-frame.Due <= slack {
			return frame, dropped
		}
		if frame != nil {
			frame.Release()
			dropped++
		}
		frame, v.head = f, nil
	}
}

// First returns the next frame whether it is due or not; nil if none is here.
func (v *Video) First() *Frame {
	f := v.peek()
	v.head = nil
	return f
}

// NextDue returns when the next frame is due; ok is false if it is not here.
func (v *Video) NextDue() (due time.Duration, ok bool) {
	if f := v.peek(); f != nil {
		return f.Due, true
	}
	return 0, false
}

// Ended says whether every frame has been taken.
func (v *Video) Ended() bool {
	v.peek()
	return v.ended && v.head == nil
}

// Close stops the decoder and waits until it is gone.
func (v *Video) Close() {
	v.cancel()
	v.head.Release()
	for f := range v.frames { // lets the reader out of a full channel
		f.Release()
	}
	<-v.done
	for {
		select {
		case b := <-v.free:
			buffers.give(b)
		default:
			return
		}
	}
}

// shelf keeps frame buffers between videos: a list of clips would otherwise
// leave megabytes of garbage at every change.
type shelf struct {
	mu   sync.Mutex
	idle [][]byte
}

var buffers shelf

const maxIdle = 3 * ringSize

func (s *shelf) take(size int) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, b := range s.idle {
		if cap(b) >= size && cap(b) <= size*2 {
			s.idle = append(s.idle[:i], s.idle[i+1:]...)
			return b[:size]
		}
	}
	return make([]byte, size)
}

func (s *shelf) give(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.idle) >= maxIdle {
		s.idle = s.idle[1:]
	}
	s.idle = append(s.idle, b)
}
