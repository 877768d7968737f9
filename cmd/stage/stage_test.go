package main

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cotmoc/device"
	"cotmoc/internal/screentest"
	"cotmoc/player/stage"
	"cotmoc/playlist"
)

// show runs the real stage on a virtual screen and returns what it said, its
// report and the screen near the end.
func show(t *testing.T, p *playlist.Programme, seconds int, more ...string) (said string, r stage.Report, img *image.RGBA) {
	t.Helper()
	bin := os.Getenv("COTMOC_BIN")
	if bin == "" {
		t.Skip("COTMOC_BIN names no folder of built programs; build/test sets it")
	}
	w, h := p.Display.Width, p.Display.Height
	name, _, stop, err := screentest.StartX(t.Context(), w, h)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	doc := writeProgramme(t, p)
	report := filepath.Join(filepath.Dir(doc), "r.json")
	length := time.Duration(seconds) * time.Second
	if !slices.Contains(more, "--frames") { // measuring takes a second of each start
		more = append(more, "--frames", "rgba")
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "stage"), append([]string{"--programme", doc, "--for", length.String(), "--report", report}, more...)...)
	cmd.Env = append(os.Environ(), "DISPLAY="+name)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	screen, err := device.OpenScreenNamed(name)
	if err != nil {
		t.Fatal(err)
	}
	defer screen.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.NewTimer(length - 500*time.Millisecond)
	defer timer.Stop()
	<-timer.C
	img, err = screen.GrabAll()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("stage: %v: %s", err, complaint.String())
	}
	raw, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatal(err)
	}
	return complaint.String(), r, img
}

func writeProgramme(t *testing.T, p *playlist.Programme) string {
	t.Helper()
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "p.json")
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func programme(w, h, rotation int, entries ...playlist.ProgrammeEntry) *playlist.Programme {
	return &playlist.Programme{Format: 1, Display: playlist.ProgrammeDisplay{ID: "d", Width: w, Height: h, Rotation: rotation},
		Place: playlist.ProgrammePlace{ID: "g", Names: playlist.Names{"vi": "Cửa khẩu"}, Languages: []playlist.Language{"vi", "en"}, Zone: "Asia/Ho_Chi_Minh"},
		Clock: playlist.ProgrammeClock{Trusted: true},
		Zones: []playlist.ProgrammeZone{{Zone: playlist.Zone{ID: "main", W: 1000, H: 1000, Source: playlist.Source{Kind: "layer", Layer: "main"}}, Playlist: "p", Entries: entries}}}
}

func media(id string, kind playlist.ItemKind, path, mime string) playlist.ProgrammeEntry {
	return playlist.ProgrammeEntry{ID: playlist.ID(id), Item: playlist.ID(id), Kind: kind, Fit: playlist.Cover,
		Versions: []playlist.ProgrammeVersion{{Version: playlist.ID(id), Language: "zxx", Media: []playlist.ProgrammeFile{{Path: path, Type: mime}}}}}
}

var (
	red, green, blue, yellow = color.RGBA{220, 30, 30, 255}, color.RGBA{30, 180, 60, 255}, color.RGBA{30, 60, 210, 255}, color.RGBA{230, 210, 40, 255}
)

// quarters writes a picture with a colour in each corner.
func quarters(t *testing.T, w, h int) string {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := [4]color.RGBA{red, green, blue, yellow}[x*2/w+y*2/h*2]
			img.SetRGBA(x, y, c)
		}
	}
	path := filepath.Join(t.TempDir(), "q.png")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, img); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRotation(t *testing.T) {
	for rotation, want := range map[int][4]color.RGBA{ // top left, top right, bottom left, bottom right
		0: {red, green, blue, yellow}, 90: {blue, red, yellow, green}, 180: {yellow, blue, green, red}, 270: {green, yellow, red, blue},
	} {
		w, h := 320, 180
		if rotation%180 == 90 {
			w, h = 180, 320
		}
		p := programme(320, 180, rotation, media("q", playlist.Picture, quarters(t, w, h), "image/png"))
		_, _, img := show(t, p, 3)
		for i, at := range []image.Point{{40, 30}, {280, 30}, {40, 150}, {280, 150}} {
			if got := img.RGBAAt(at.X, at.Y); !screentest.Near(got, want[i], 12) {
				t.Errorf("turned by %d: corner %d is %v, want %v", rotation, i, got, want[i])
			}
		}
	}
}

func TestBadEntriesAreSkippedAndReported(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := media("good", playlist.Picture, quarters(t, 320, 180), "image/png")
	good.Duration = playlist.Duration(time.Second)
	p := programme(320, 180, 0,
		media("empty", playlist.Video, write("0.mp4", ""), "video/mp4"), media("gone", playlist.Video, "/nowhere.mp4", "video/mp4"),
		media("hls", playlist.Video, write("h.mp4", "#EXTM3U\nfile:/etc/passwd\n"), "video/mp4"), media("torn", playlist.Picture, write("t.png", "\x89PNG\r\n"), "image/png"),
		playlist.ProgrammeEntry{ID: "bare", Item: "bare", Kind: playlist.Video, Versions: []playlist.ProgrammeVersion{{Version: "bare", Language: "vi"}}}, good)
	said, r, img := show(t, p, 6)
	for _, id := range []string{"empty", "gone", "hls", "torn", "bare"} {
		if !strings.Contains(said, "item "+id) {
			t.Errorf("nothing is said of %s:\n%s", id, said)
		}
	}
	if !screentest.Near(img.RGBAAt(40, 30), red, 12) {
		t.Errorf("the good picture is not on the screen: %v", img.RGBAAt(40, 30))
	}
	if len(r.Changes) < 2 {
		t.Errorf("it changed %d times", len(r.Changes))
	}
}

func TestOnlyBadEntriesMeanDefaultThenEvergreen(t *testing.T) {
	bad := media("bad", playlist.Video, "/nowhere.mp4", "video/mp4")
	p := programme(320, 180, 0, bad)
	p.Default = programme(320, 180, 0, media("good", playlist.Picture, quarters(t, 320, 180), "image/png"))
	said, _, img := show(t, p, 6)
	if !screentest.Near(img.RGBAAt(40, 30), red, 12) || !strings.Contains(said, "default programme") {
		t.Errorf("the default programme is not on: %v\n%s", img.RGBAAt(40, 30), said)
	}
	p.Default = programme(320, 180, 0, bad)
	said, _, img = show(t, p, 8)
	navy := color.RGBA{0x0B, 0x25, 0x45, 255}
	if !screentest.Near(img.RGBAAt(10, 10), navy, 12) || !strings.Contains(said, "evergreen") {
		t.Errorf("the evergreen page is not on: %v\n%s", img.RGBAAt(10, 10), said)
	}
}

func TestVideoPlaysEveryFrame(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.mp4")
	if text, err := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc=s=320x180:r=25:d=2", "-c:v", "libx264", "-pix_fmt", "yuv420p", path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	for name, more := range framePaths {
		t.Run(name, func(t *testing.T) {
			_, r, _ := show(t, programme(320, 180, 0, media("v", playlist.Video, path, "video/mp4")), 5, more...)
			if r.UniqueFrames < 60 || r.FirstFrameMS <= 0 || r.Decoder == "" || r.Renderer == "" {
				t.Errorf("report %+v", r)
			}
		})
	}
}

var framePaths = map[string][]string{"RGBA": {"--frames", "rgba"}, "YUV": {"--frames", "yuv"}, "measured": {"--frames", "auto"}}

// Every way to the screen shows ffmpeg's own colours, whatever the file says
// of its matrix and range. The zone has another shape than the video, so that
// its sides are blurred.
func TestColoursOfEveryWay(t *testing.T) {
	dir := t.TempDir()
	for name, coded := range map[string][]string{
		"untagged":   {"-pix_fmt", "yuv420p"},
		"BT.709":     {"-vf", "scale=out_color_matrix=bt709", "-colorspace", "bt709", "-pix_fmt", "yuv420p"},
		"full range": {"-vf", "scale=out_range=pc", "-color_range", "pc", "-pix_fmt", "yuvj420p"},
	} {
		path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".mp4")
		args := append([]string{"-nostdin", "-v", "error", "-f", "lavfi", "-i", "smptebars=s=320x176:r=25:d=2", "-c:v", "libx264", "-crf", "10"}, coded...)
		if text, err := exec.Command("ffmpeg", append(args, path)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		want, err := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-i", path, "-frames:v", "1", "-pix_fmt", "rgba", "-f", "rawvideo", "pipe:1").Output()
		if err != nil {
			t.Fatal(err)
		}
		for way, more := range framePaths {
			t.Run(name+" "+way, func(t *testing.T) {
				entry := media("v", playlist.Video, path, "video/mp4")
				entry.Fit = playlist.Blur
				_, _, img := show(t, programme(400, 176, 0, entry), 4, more...)
				for x := 20; x < 320; x += 45 {
					for _, y := range []int{30, 160} {
						i := (y*320 + x) * 4
						c := color.RGBA{want[i], want[i+1], want[i+2], 255}
						if got := img.RGBAAt(40+x, y); !screentest.Near(got, c, 10) {
							t.Errorf("at %d,%d: %v, ffmpeg has %v", x, y, got, c)
						}
					}
				}
				if side := img.RGBAAt(20, 60); side.R < 40 && side.G < 40 && side.B < 60 {
					t.Errorf("the blurred side is dark: %v", side)
				}
			})
		}
	}
}

func TestWrongDocumentsAreRefused(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "no zones": `{"format":1,"sequence":1,"display":{"id":"d","width":100,"height":100},"place":{"id":"p","names":{},"languages":[],"zone":""},"clock":{"trusted":true},"zones":[]}`,
		"other format": `{"format":7}`, "unknown field": `{"format":1,"zoens":[]}`, "not JSON": "hello"} {
		path := filepath.Join(t.TempDir(), "p.json")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		code, err := run(t.Context(), []string{"--programme", path}, &bytes.Buffer{})
		if code != 1 || err == nil {
			t.Errorf("%s: code %d, %v", name, code, err)
		}
	}
	if code, _ := run(t.Context(), nil, &bytes.Buffer{}); code != 2 {
		t.Errorf("no arguments: code %d", code)
	}
}
