package intake

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cotmoc/hub/server/api"
	"cotmoc/hub/server/blob"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/sqlite"
	"cotmoc/hub/server/workflow"
	"cotmoc/playlist"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "render-pdf" {
		if err := RenderPDF(os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var console = desk.Caller{Account: desk.Console, Login: "console", From: "console"}

type everyGlyph struct{}

func (everyGlyph) Missing(string) []rune { return nil }

type bench struct {
	*Worker
	t   *testing.T
	now time.Time
}

// newBench is a worker at a desk with one ministry.
func newBench(t *testing.T) *bench {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hub.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	files, err := blob.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	_, key, _ := ed25519.GenerateKey(nil)
	b := &bench{t: t, now: time.Date(2027, 1, 4, 8, 0, 0, 0, time.UTC)}
	d := desk.New(desk.Options{Store: store, Files: blob.Checked{Store: files}, Fonts: everyGlyph{}, Now: func() time.Time { return b.now }, Log: slog.New(slog.DiscardHandler), Key: key})
	b.Worker = &Worker{Desk: d, Dir: t.TempDir(), Self: []string{os.Args[0], "render-pdf"}, Log: slog.New(slog.DiscardHandler)}
	for kind, row := range map[central.Kind]any{
		central.Places:  playlist.Place{ID: "vn", Kind: playlist.Ministry, Names: playlist.Names{"vi": "Bộ"}},
		central.Classes: nil,
	} {
		if row == nil {
			continue
		}
		raw, _ := json.Marshal(row)
		if _, err := d.Put(t.Context(), console, kind, "", 0, raw); err != nil {
			t.Fatal(err)
		}
	}
	raw, _ := json.Marshal(workflow.Class{ID: "bulletin", Levels: []playlist.PlaceKind{playlist.Province}})
	if _, err := d.Put(t.Context(), console, central.Classes, "", 0, raw); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) write(name string, data []byte) string {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// take brings a file and does all work on it.
func (b *bench) take(path string) desk.File {
	b.t.Helper()
	f, err := b.TakeIn(b.t.Context(), console, "vn", filepath.Base(path), path)
	if err != nil {
		b.t.Fatal(err)
	}
	for {
		worked, err := b.One(b.t.Context())
		if err != nil {
			b.t.Fatal(err)
		}
		if !worked {
			break
		}
		b.now = b.now.Add(time.Hour)
	}
	f, err = b.Desk.File(b.t.Context(), f.SHA256)
	if err != nil {
		b.t.Fatal(err)
	}
	return f
}

// clip makes a video with ffmpeg.
func makeClip(t *testing.T, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	out, err := exec.Command("ffmpeg", append(append([]string{"-nostdin", "-v", "error", "-y"}, args...), path)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg: %v: %s", err, out)
	}
	return path
}

func picture(w, h int) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = byte(i * 7)
	}
	img.Set(1, 1, color.White)
	return img
}

func pngOf(img image.Image) []byte {
	var b bytes.Buffer
	_ = png.Encode(&b, img)
	return b.Bytes()
}

// claim is a PNG that says that it is w×h.
func claim(w, h uint32) []byte {
	raw := pngOf(picture(8, 8))
	binary.BigEndian.PutUint32(raw[16:], w)
	binary.BigEndian.PutUint32(raw[20:], h)
	// The header's checksum must fit, or it is refused for another reason.
	sum := crc(raw[12:29])
	binary.BigEndian.PutUint32(raw[29:], sum)
	return raw
}

func crc(b []byte) uint32 {
	c := ^uint32(0)
	for _, x := range b {
		c ^= uint32(x)
		for range 8 {
			c = c>>1 ^ (0xEDB88320 & -(c & 1))
		}
	}
	return ^c
}

func TestHostileFiles(t *testing.T) {
	b := newBench(t)
	zip := append([]byte("PK\x03\x04"), bytes.Repeat([]byte{0}, 2000)...)
	good := pngOf(picture(20, 20))
	var jpg bytes.Buffer
	_ = jpeg.Encode(&jpg, picture(20, 20), nil)
	mp4, err := os.ReadFile(makeClip(t, "a.mp4", "-f", "lavfi", "-i", "testsrc=size=64x64:rate=5:duration=2", "-pix_fmt", "yuv420p"))
	if err != nil {
		t.Fatal(err)
	}
	long, err := os.ReadFile(makeClip(t, "b.mp4", "-f", "lavfi", "-i", "color=size=32x32:rate=1/60:duration=36000", "-pix_fmt", "yuv420p"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"nothing":               {nil, "empty"},
		"zip bomb":              {zip, "ZIP archive"},
		"gzip":                  {[]byte("\x1f\x8b\x08 and so on"), "archive"},
		"svg with script":       {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), "SVG, HTML"},
		"svg after spaces":      {[]byte("\ufeff \n\t<SVG onload=alert(1)>"), "SVG, HTML"},
		"xml svg":               {[]byte(`<?xml version="1.0"?><!DOCTYPE svg><svg/>`), "SVG, HTML"},
		"html":                  {[]byte("<!DOCTYPE html><html></html>"), "SVG, HTML"},
		"program":               {[]byte("\x7fELF\x02\x01\x01"), "program"},
		"script":                {[]byte("#!/bin/sh\nrm -rf /"), "program"},
		"playlist":              {[]byte("#EXTM3U\n#EXTINF:1\nfile:///etc/passwd\n"), "playlist"},
		"concat":                {[]byte("ffconcat version 1.0\nfile /etc/passwd\n"), "playlist"},
		"word":                  {[]byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "Office"},
		"noise":                 {bytes.Repeat([]byte("noise "), 500), "not a media file"},
		"cut png":               {good[:len(good)/2], "damaged"},
		"png and zip":           {append(bytes.Clone(good), zip...), "behind the picture's end"},
		"png and html":          {append(bytes.Clone(good), []byte("<script>alert(1)</script>")...), "behind the picture's end"},
		"jpeg and zip":          {append(jpg.Bytes(), zip...), "behind the picture's end"},
		"30,000 by 30,000":      {claim(30_000, 30_000), "30000×30000"},
		"one line of 1,000,000": {claim(1_000_000, 1), "1000000×1"},
		"0 by 0":                {claim(0, 0), "damaged"},
		"cut mp4":               {mp4[:len(mp4)/3], "not a media file"},
		"ten hours":             {long, "lasts 10h"},
		"captions in Latin-1":   {[]byte("WEBVTT\n\n00:00.000 --> 00:01.000\nC\xe9ng"), "UTF-8"},
		"captions without any":  {[]byte("WEBVTT\n\nhello"), "no line with a time"},
		"huge captions":         {append([]byte("WEBVTT\n"), bytes.Repeat([]byte("x"), maxCaptions)...), "1 MiB"},
	} {
		path := b.write("x.mp4", c.data) // the name says nothing
		_, err := b.TakeIn(t.Context(), console, "vn", "x.mp4", path)
		if !errors.Is(err, api.ErrFile) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want a refusal with %q", name, err, c.want)
		}
	}
	if files, err := b.Desk.Files.List(t.Context()); err != nil || len(files) != 0 {
		t.Errorf("%d files were kept, %v", len(files), err)
	}
}

func TestTakenAsTheyAre(t *testing.T) {
	b := newBench(t)
	var jpg bytes.Buffer
	_ = jpeg.Encode(&jpg, picture(40, 30), nil)
	for name, c := range map[string]struct {
		data []byte
		kind string
	}{
		"a.txt": {pngOf(picture(40, 30)), "image/png"}, "b.jpg": {jpg.Bytes(), "image/jpeg"},
		"padded.jpg": {append(jpg.Bytes(), 0, 0, 0), "image/jpeg"},
		"c.vtt":      {[]byte("\ufeffWEBVTT\n\n00:00.000 --> 00:02.000\nXin chào\n"), "text/vtt"},
	} {
		f := b.take(b.write(name, c.data))
		if f.Type != c.kind || f.State != desk.FileReady || f.Bytes != int64(len(c.data)) || c.kind != "text/vtt" && (f.Width != 40 || f.Height != 30) {
			t.Errorf("%s: %+v", name, f)
		}
	}
	again, err := b.TakeIn(t.Context(), console, "vn", "other name.png", b.write("a.png", pngOf(picture(40, 30))))
	if err != nil || again.Name != "a.txt" {
		t.Errorf("the same bytes are another file: %+v %v", again, err)
	}
}

func TestRenditions(t *testing.T) {
	b := newBench(t)
	// An odd size, a strange rate, a mono sound far too loud, and where it was made.
	path := makeClip(t, "phone.mov", "-f", "lavfi", "-i", "testsrc2=size=2001x1125:rate=24:duration=5", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=5,volume=20dB",
		"-c:v", "mpeg4", "-q:v", "2", "-c:a", "pcm_s16le", "-ac", "1", "-metadata", "location=+21.97+106.71/", "-metadata", "artist=Nguyễn Văn A")
	f := b.take(path)
	if f.State != desk.FileReady || len(f.Renditions) != 3 || f.Width != 2000 {
		t.Fatalf("%+v", f)
	}
	folder := b.Desk.Files.(blob.Checked).Store.(blob.Folder)
	for name, want := range map[string]struct {
		w, h int
		max  float64
	}{"1080p": {1920, 1080, 6e6}, "720p": {1280, 720, 2.5e6}} {
		got := streams(t, folder.Path(f.Renditions[name]))
		v, a := got.stream("video"), got.stream("audio")
		if v.Codec != "h264" || v.Profile != "High" || v.Pix != "yuv420p" || v.Width < want.w-2 || v.Width > want.w || v.Height > want.h || v.Height%2 != 0 || v.Aspect != "1:1" {
			t.Errorf("%s: %+v", name, v)
		}
		if a.Codec != "aac" || a.Channels != 2 || a.Rate != "48000" {
			t.Errorf("%s: %+v", name, a)
		}
		if rate := got.rate(t); rate > want.max*1.05 {
			t.Errorf("%s has %.1f Mb/s", name, rate/1e6)
		}
		raw, err := os.ReadFile(folder.Path(f.Renditions[name]))
		if err != nil {
			t.Fatal(err)
		}
		if moov, mdat := bytes.Index(raw, []byte("moov")), bytes.Index(raw, []byte("mdat")); moov < 0 || moov > mdat {
			t.Errorf("%s does not begin with its index", name)
		}
		if bytes.Contains(raw, []byte("+21.97")) || bytes.Contains(raw, []byte("Nguyễn")) {
			t.Errorf("%s says where and by whom it was made", name)
		}
		keyframes(t, name, folder.Path(f.Renditions[name]))
		if l := lufs(t, folder.Path(f.Renditions[name])); math.Abs(l-loudness) > 1 {
			t.Errorf("%s is %.1f LUFS loud", name, l)
		}
	}
	poster, err := b.Desk.File(t.Context(), f.Renditions["poster"])
	if err != nil || poster.Type != "image/jpeg" || poster.Of != f.SHA256 {
		t.Errorf("%+v %v", poster, err)
	}
}

// keyframes checks that each group of pictures is closed and lasts two seconds.
func keyframes(t *testing.T, name, path string) {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "v:0", "-skip_frame", "nokey", "-show_entries", "frame=pts_time", "-of", "csv=p=0", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(strings.ReplaceAll(string(out), ",", "")); !slices.Equal(got, []string{"0.000000", "2.000000", "4.000000"}) {
		t.Errorf("%s has key frames at %v", name, got)
	}
}

func lufs(t *testing.T, path string) float64 {
	t.Helper()
	out, err := exec.Command("ffmpeg", "-nostdin", "-hide_banner", "-i", path, "-map", "0:a", "-af", "ebur128", "-f", "null", "-").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	var l float64
	tail := string(out[bytes.LastIndex(out, []byte("Summary:")):])
	if _, err := fmt.Sscanf(tail[strings.Index(tail, "I:"):], "I: %f", &l); err != nil {
		t.Fatal(err)
	}
	return l
}

type streamList struct {
	Streams []stream `json:"streams"`
	Format  struct {
		Bits string `json:"bit_rate"`
	} `json:"format"`
}

type stream struct {
	Type     string `json:"codec_type"`
	Codec    string `json:"codec_name"`
	Profile  string `json:"profile"`
	Pix      string `json:"pix_fmt"`
	Width    int    `json:"width"`
	Height   int    `json:"height"`
	Aspect   string `json:"sample_aspect_ratio"`
	Channels int    `json:"channels"`
	Rate     string `json:"sample_rate"`
}

func (l streamList) stream(kind string) stream {
	for _, s := range l.Streams {
		if s.Type == kind {
			return s
		}
	}
	return stream{}
}

func (l streamList) rate(t *testing.T) (r float64) {
	t.Helper()
	if _, err := fmt.Sscan(l.Format.Bits, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func streams(t *testing.T, path string) (l streamList) {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &l); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestSmallVideoIsNotEnlarged(t *testing.T) {
	b := newBench(t)
	f := b.take(makeClip(t, "small.mp4", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=10:duration=2", "-pix_fmt", "yuv420p"))
	got, err := b.Desk.File(t.Context(), f.Renditions["1080p"])
	if err != nil || got.Width != 320 || got.Height != 180 {
		t.Errorf("%+v %v", got, err)
	}
}

func TestSoundAlone(t *testing.T) {
	b := newBench(t)
	f := b.take(makeClip(t, "a.mp3", "-f", "lavfi", "-i", "sine=frequency=300:duration=6,volume=-20dB"))
	made := f.Renditions["sound"]
	if f.State != desk.FileReady || made == "" {
		t.Fatalf("%+v", f)
	}
	if l := lufs(t, b.Desk.Files.(blob.Checked).Store.(blob.Folder).Path(made)); math.Abs(l-loudness) > 1 {
		t.Errorf("%.1f LUFS", l)
	}
	silent := b.take(makeClip(t, "b.wav", "-f", "lavfi", "-i", "anullsrc", "-t", "2"))
	if silent.State != desk.FileReady {
		t.Errorf("silence: %+v", silent)
	}
}

// A file whose inside is shorter than it says is found out, and whoever brought
// it is told.
func TestCutInside(t *testing.T) {
	b := newBench(t)
	path := makeClip(t, "a.mkv", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=10:duration=20", "-c:v", "libx264", "-pix_fmt", "yuv420p")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := b.take(b.write("cut.mkv", raw[:len(raw)/2]))
	if f.State != desk.FileFailed || !strings.Contains(f.Problem, "can be played") {
		t.Errorf("%+v", f)
	}
}

func TestProgressAndLostLease(t *testing.T) {
	progress := make(chan int, 100)
	follow(strings.NewReader("frame=1\nout_time_us=1000000\nout_time_us=nonsense\nout_time_us=99000000\nprogress=end\n"), 4*time.Second, progress)
	close(progress)
	var got []int
	for p := range progress {
		got = append(got, p)
	}
	if !slices.Equal(got, []int{25, 99}) {
		t.Errorf("%v", got)
	}
	b := newBench(t)
	if worked, err := b.One(t.Context()); worked || err != nil {
		t.Errorf("%t %v", worked, err)
	}
}

// FuzzLook: whatever the bytes are, looking at them ends and keeps nothing.
func FuzzLook(f *testing.F) {
	f.Add(pngOf(picture(4, 4)))
	f.Add([]byte("WEBVTT\n\n00:00.000 --> 00:01.000\na"))
	f.Add([]byte("%PDF-1.4\n"))
	f.Add(bookOf(nil, "<p>a</p>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if sniff(data[:min(512, len(data))]) == "media" {
			return // ffprobe's, in a child
		}
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		got, _, err := Look(context.Background(), path, "x")
		if err == nil && (got.Type == "" || got.Bytes != int64(len(data))) {
			t.Errorf("%+v", got)
		}
	})
}
