package decode

import (
	"bytes"
	"context"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cotmoc/playlist"
)

func makeClip(t *testing.T, out string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), out)
	args = append([]string{"-nostdin", "-v", "error", "-y"}, append(args, path)...)
	if text, err := exec.Command("ffmpeg", args...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v: %s", err, text)
	}
	return path
}

func clip(t *testing.T, out, source string, more ...string) string {
	return makeClip(t, out, append([]string{"-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p"}, more...)...)
}

// frames decodes a whole file as fast as it goes.
func frames(t *testing.T, path string, o VideoOptions) (n int, v *Video, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	if o.Width == 0 {
		o.Width, o.Height = 160, 90
	}
	v, err = OpenVideo(ctx, path, o)
	if err != nil {
		return 0, nil, err
	}
	defer v.Close()
	for f := range v.frames {
		if len(f.Pix) != v.frameBytes() || f.Due != v.Info.FPS.At(f.Number) {
			t.Errorf("frame %d: %d bytes, due %v", f.Number, len(f.Pix), f.Due)
		}
		f.Release()
		n++
	}
	<-v.done
	return n, v, v.err
}

func TestVideosPlay(t *testing.T) {
	for name, c := range map[string]struct {
		path string
		n    int // frames, at least
	}{
		"H.264":          {clip(t, "a.mp4", "testsrc=s=320x180:r=30:d=1", "-c:v", "libx264"), 30},
		"odd size":       {clip(t, "o.mkv", "testsrc=s=321x181:r=25:d=1", "-c:v", "mpeg4"), 25},
		"MPEG-2":         {clip(t, "m.mpg", "testsrc=s=320x180:r=25:d=1", "-c:v", "mpeg2video"), 24},
		"VP8":            {clip(t, "w.webm", "testsrc=s=160x90:r=10:d=1", "-c:v", "libvpx"), 10},
		"one frame":      {clip(t, "1.mp4", "testsrc=s=160x90:r=25:d=0.04", "-c:v", "libx264"), 1},
		"variable rate":  {clip(t, "v.mkv", "testsrc=s=160x90:r=30:d=2", "-vf", "select='not(mod(n\\,3))+gt(n\\,40)'", "-vsync", "vfr", "-c:v", "libx264"), 30},
		"no duration":    {clip(t, "n.h264", "testsrc=s=160x90:r=25:d=1", "-c:v", "libx264"), 25},
		"phone, rotated": {"/usr/share/forensics-samples/original-files/movie1/VID_20191220_170832.mp4", 40},
		"Theora 0/0 fps": {"/usr/share/forensics-samples/original-files/movie2/movie-hello.ogg", 100},
	} {
		t.Run(name, func(t *testing.T) {
			n, _, err := frames(t, c.path, VideoOptions{})
			if err != nil || n < c.n {
				t.Errorf("%d frames, want %d; %v", n, c.n, err)
			}
		})
	}
}

// What cannot be played says so in plain words and never hangs or crashes.
func TestBadVideos(t *testing.T) {
	good, err := os.ReadFile(clip(t, "a.mp4", "testsrc=s=320x180:r=30:d=2", "-c:v", "libx264"))
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, raw []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret := write("secret.mp4", good)
	for name, path := range map[string]string{
		"0 bytes":         write("0.mp4", nil),
		"truncated":       write("t.mp4", good[:len(good)/3]),
		"noise":           write("n.mp4", bytes.Repeat([]byte{0xA5, 0x17}, 5000)),
		"text":            write("x.mp4", []byte("this is no video")),
		"audio only":      makeClip(t, "s.m4a", "-f", "lavfi", "-i", "sine=d=1"),
		"HLS":             write("h.mp4", []byte("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:"+secret+"\n#EXT-X-ENDLIST\n")),
		"concat":          write("c.mp4", []byte("ffconcat version 1.0\nfile "+secret+"\n")),
		"encrypted":       makeClip(t, "e.mp4", "-f", "lavfi", "-i", "testsrc=s=160x90:r=25:d=1", "-c:v", "libx264", "-encryption_scheme", "cenc-aes-ctr", "-encryption_key", strings.Repeat("ab", 16), "-encryption_kid", strings.Repeat("cd", 16)),
		"8192x4320":       clip(t, "big.mkv", "color=s=8192x4320:r=1:d=1", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p"),
		"a folder":        t.TempDir(),
		"not there":       "/nowhere/at/all.mp4",
		"picture as film": write("p.mp4", pngBytes(t, 10, 10)),
	} {
		t.Run(name, func(t *testing.T) {
			n, _, err := frames(t, path, VideoOptions{})
			if err == nil && name != "encrypted" {
				t.Fatalf("it played %d frames", n)
			}
			if err != nil && len(err.Error()) < 10 {
				t.Errorf("it only says %q", err)
			}
		})
	}
}

func TestFlippedBitsDoNotStopTheDecoder(t *testing.T) {
	raw, err := os.ReadFile(clip(t, "a.mkv", "testsrc=s=320x180:r=30:d=2", "-c:v", "libx264"))
	if err != nil {
		t.Fatal(err)
	}
	for i := 5000; i < len(raw); i += 997 {
		raw[i] ^= 0x10
	}
	path := filepath.Join(t.TempDir(), "f.mkv")
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	n, _, err := frames(t, path, VideoOptions{})
	t.Logf("%d frames, %v", n, err)
	if n == 0 && err == nil {
		t.Error("neither frames nor an error")
	}
}

func TestCloseEndsADecoderInTheMiddle(t *testing.T) {
	path := clip(t, "a.mp4", "testsrc=s=320x180:r=30:d=20", "-c:v", "libx264", "-preset", "ultrafast")
	v, err := OpenVideo(t.Context(), path, VideoOptions{Width: 320, Height: 180})
	if err != nil {
		t.Fatal(err)
	}
	for ready := false; !ready; {
		if ready, err = v.Ready(); err != nil {
			t.Fatal(err)
		}
	}
	v.Close()
	select {
	case <-v.done:
	default:
		t.Error("the reader goes on")
	}
}

// A hitch costs no frame; a machine that is far behind shows the newest one due.
func TestLateFrames(t *testing.T) {
	v := &Video{frames: make(chan *Frame, 20), free: make(chan []byte, 20)}
	for n := range 12 {
		v.frames <- &Frame{Pix: []byte{0}, Number: n, Due: time.Duration(n) * 33 * time.Millisecond, video: v}
	}
	for _, c := range []struct {
		at            time.Duration
		want, dropped int
	}{{0, 0, 0}, {10, -1, 0}, {80, 1, 0}, {80, 2, 0}, {80, -1, 0}, {99, 3, 0}, {299, 7, 3}, {299, 8, 0}} {
		f, dropped := v.Newest(c.at * time.Millisecond)
		got := -1
		if f != nil {
			got = f.Number
			f.Release()
		}
		if got != c.want || dropped != c.dropped {
			t.Errorf("at %d ms: frame %d, %d dropped; want %d, %d", c.at, got, dropped, c.want, c.dropped)
		}
	}
}

func TestSizesToDecode(t *testing.T) {
	for _, c := range []struct {
		w, h, zw, zh int
		fit          playlist.Fit
		format       PixelFormat
		want         image.Point
	}{
		{1920, 1080, 1280, 720, playlist.Contain, RGBA, image.Pt(1280, 720)}, {1080, 1920, 1280, 720, playlist.Contain, RGBA, image.Pt(405, 720)},
		{720, 576, 1280, 720, playlist.Cover, RGBA, image.Pt(1280, 720)}, {1, 4000, 100, 100, playlist.Contain, RGBA, image.Pt(1, 100)},
		{1080, 1920, 1280, 720, playlist.Contain, YUV420, image.Pt(400, 720)},
	} {
		w, h, _ := fitSize(c.w, c.h, VideoOptions{Width: c.zw, Height: c.zh, Fit: c.fit, Format: c.format})
		if image.Pt(w, h) != c.want {
			t.Errorf("%d×%d in %d×%d: %d×%d, want %v", c.w, c.h, c.zw, c.zh, w, h, c.want)
		}
	}
}

func pngBytes(t *testing.T, w, h int) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewRGBA(image.Rect(0, 0, w, h))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bomb is a PNG that claims 30,000×30,000 pixels.
func bomb(t *testing.T) []byte {
	raw := pngBytes(t, 4, 4)
	binary.BigEndian.PutUint32(raw[16:], 30000)
	binary.BigEndian.PutUint32(raw[20:], 30000)
	return raw
}

func TestPictures(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, raw []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var jpg bytes.Buffer
	if err := jpeg.Encode(&jpg, image.NewRGBA(image.Rect(0, 0, 200, 100)), nil); err != nil {
		t.Fatal(err)
	}
	sixteen := image.NewNRGBA64(image.Rect(0, 0, 20, 10))
	sixteen.SetNRGBA64(3, 3, color.NRGBA64{0xFFFF, 0, 0, 0xFFFF})
	var deep bytes.Buffer
	if err := png.Encode(&deep, sixteen); err != nil {
		t.Fatal(err)
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	std := filepath.Join(strings.TrimSpace(string(goroot)), "src/image/testdata")
	good := map[string]string{
		"JPEG": write("a.jpg", jpg.Bytes()), "16-bit PNG": write("d.png", deep.Bytes()), "wrong extension": write("x.gif", jpg.Bytes()),
		"CMYK": filepath.Join(std, "video-001.cmyk.jpeg"), "progressive": filepath.Join(std, "video-001.progressive.jpeg"),
		"GIF":  filepath.Join(std, "video-001.gif"),
		"WebP": makeClip(t, "a.webp", "-f", "lavfi", "-i", "testsrc=s=64x48:d=0.04:r=25", "-frames:v", "1"),
	}
	for name, path := range good {
		for _, fit := range []playlist.Fit{playlist.Contain, playlist.Cover, playlist.Blur} {
			img, err := Picture(path, 160, 90, fit)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if s := img.Rect.Size(); fit != playlist.Contain && s != image.Pt(160, 90) || s.X > 160 || s.Y > 90 {
				t.Errorf("%s %s: %v", name, fit, s)
			}
		}
	}
	for name, raw := range map[string][]byte{"bomb": bomb(t), "truncated": jpg.Bytes()[:jpg.Len()/2], "empty": nil, "text": []byte("hello")} {
		if _, err := Picture(write(name, raw), 160, 90, playlist.Contain); err == nil {
			t.Errorf("%s was shown", name)
		}
	}
}

// A picture turned by each EXIF orientation comes out upright.
func TestOrientation(t *testing.T) {
	upright := image.NewRGBA(image.Rect(0, 0, 40, 20))
	upright.SetRGBA(2, 3, color.RGBA{255, 0, 0, 255})
	back := map[int]int{1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6} // the orientation that undoes each
	for o, undo := range back {
		if got := turn(turn(upright, undo), o); got.RGBAAt(2, 3).R != 255 || got.Rect != upright.Rect {
			t.Errorf("orientation %d is not undone", o)
		}
	}
	exif := []byte("\xFF\xD8\xFF\xE1\x00\x22Exif\x00\x00MM\x00\x2A\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00")
	if got := orientationIn(exif); got != 6 {
		t.Errorf("orientation %d, want 6", got)
	}
}

func FuzzOrientation(f *testing.F) {
	f.Add([]byte("\xFF\xD8\xFF\xE1\x00\x22Exif\x00\x00MM\x00\x2A\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if o := orientationIn(b); o < 1 || o > 8 {
			t.Errorf("orientation %d", o)
		}
	})
}

func TestAudio(t *testing.T) {
	path := makeClip(t, "s.ogg", "-f", "lavfi", "-i", "sine=d=1", "-c:a", "libvorbis")
	for speed, want := range map[float64]time.Duration{0: 750, 1: 750, 1.5: 500, 0.5: 1500} {
		a, err := OpenAudio(t.Context(), path, 250*time.Millisecond, speed)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := b.ReadFrom(a); err != nil {
			t.Fatal(err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		want *= time.Millisecond
		if got := time.Duration(b.Len()/4) * time.Second / SampleRate; (got - want).Abs() > 70*time.Millisecond {
			t.Errorf("%v of sound from 0.25 s of a second on at speed %v", got, speed)
		}
	}
	for _, speed := range []float64{-1, 0.1, 9, math.NaN(), math.Inf(1)} {
		if a, err := OpenAudio(t.Context(), path, 0, speed); err == nil {
			t.Errorf("speed %v was taken", speed)
			a.Close()
		}
	}
}

// A film that is begun in the middle shows what is due there.
func TestVideoFrom(t *testing.T) {
	path := makeClip(t, "v.mp4", "-f", "lavfi", "-i", "color=red:s=64x64:r=25:d=1", "-f", "lavfi", "-i", "color=blue:s=64x64:r=25:d=1",
		"-filter_complex", "[0][1]concat", "-pix_fmt", "yuv420p")
	v, err := OpenVideo(t.Context(), path, VideoOptions{Width: 64, Height: 64, From: 1200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	n := 0
	for !v.Ended() {
		f := v.First()
		if f == nil {
			continue
		}
		if n == 0 && f.Due != 1200*time.Millisecond {
			t.Errorf("the first is due at %v", f.Due)
		}
		if r, b := f.Pix[0], f.Pix[2]; r > 40 || b < 200 {
			t.Errorf("frame %d is not blue: %v", n, f.Pix[:4])
		}
		n++
		f.Release()
	}
	if n < 19 || n > 21 {
		t.Errorf("%d frames of the last 0.8 s", n)
	}
}
