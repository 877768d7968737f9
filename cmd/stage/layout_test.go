package main

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"cotmoc/internal/screentest"
	"cotmoc/playlist"
)

// plainPicture writes a picture of one colour.
func plainPicture(t *testing.T, name string, c color.NRGBA) string {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, 64, 64))
	for i := 0; i < len(img.Pix); i += 4 {
		img.Pix[i], img.Pix[i+1], img.Pix[i+2], img.Pix[i+3] = c.R, c.G, c.B, c.A
	}
	path := filepath.Join(t.TempDir(), name+".png")
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

func solid(t *testing.T, id string, c color.RGBA) playlist.ProgrammeEntry {
	return media(id, playlist.Picture, plainPicture(t, id, color.NRGBA(c)), "image/png")
}

func zone(id string, x, y, w, h, z int, layer playlist.Layer, entries ...playlist.ProgrammeEntry) playlist.ProgrammeZone {
	return playlist.ProgrammeZone{Zone: playlist.Zone{ID: playlist.ID(id), X: x, Y: y, W: w, H: h, Z: z, Source: playlist.Source{Kind: playlist.FromLayer, Layer: layer}},
		Playlist: playlist.ID("list-" + id), Entries: entries}
}

// looks checks the screen at places given in per mille of the canvas as it is
// read, before the display is turned.
func looks(t *testing.T, img *image.RGBA, rotation int, want map[[2]int]color.RGBA) {
	t.Helper()
	w, h := img.Rect.Dx(), img.Rect.Dy()
	for at, c := range want {
		x, y := at[0], at[1]
		switch rotation {
		case 90:
			x, y = 1000-y, x
		case 180:
			x, y = 1000-x, 1000-y
		case 270:
			x, y = y, 1000-x
		}
		if got := img.RGBAAt(x*w/1000, y*h/1000); !screentest.Near(got, c, 12) {
			t.Errorf("at %v: %v, want %v", at, got, c)
		}
	}
}

// Every zone shows its own, in every layout and rotation; where zones overlap,
// the higher one is seen.
func TestLayoutsInEveryRotation(t *testing.T) {
	r, g, b, y := solid(t, "red", red), solid(t, "green", green), solid(t, "blue", blue), solid(t, "yellow", yellow)
	for name, l := range map[string]struct {
		zones []playlist.ProgrammeZone
		want  map[[2]int]color.RGBA
	}{
		"L-shape": {[]playlist.ProgrammeZone{zone("main", 250, 0, 750, 750, 0, playlist.Main, r), zone("left", 0, 0, 250, 1000, 0, playlist.Side, g), zone("foot", 250, 750, 750, 250, 0, playlist.Side, b)},
			map[[2]int]color.RGBA{{260, 20}: red, {980, 730}: red, {240, 20}: green, {20, 980}: green, {260, 770}: blue, {980, 980}: blue}},
		"portrait split": {[]playlist.ProgrammeZone{zone("main", 0, 0, 1000, 500, 0, playlist.Main, r), zone("low", 0, 500, 1000, 500, 0, playlist.Side, b)},
			map[[2]int]color.RGBA{{20, 20}: red, {980, 480}: red, {20, 520}: blue, {980, 980}: blue}},
		"overlap": {[]playlist.ProgrammeZone{zone("top", 400, 400, 400, 400, 5, playlist.Side, y), zone("main", 0, 0, 1000, 1000, 0, playlist.Main, r), zone("mid", 300, 300, 300, 300, 3, playlist.Side, g)},
			map[[2]int]color.RGBA{{100, 100}: red, {350, 350}: green, {500, 500}: yellow, {750, 750}: yellow, {900, 900}: red}},
	} {
		for _, rotation := range []int{0, 90, 180, 270} {
			t.Run(name, func(t *testing.T) {
				p := programme(400, 240, rotation)
				p.Zones = l.zones
				_, _, img := show(t, p, 3)
				looks(t, img, rotation, l.want)
			})
		}
	}
}

// A picture with holes is seen on white, as it was made to be.
func TestTransparentPictures(t *testing.T) {
	path := plainPicture(t, "hole", color.NRGBA{0, 0, 0, 0})
	_, _, img := show(t, programme(320, 180, 0, media("p", playlist.Picture, path, "image/png")), 3)
	looks(t, img, 0, map[[2]int]color.RGBA{{500, 500}: {255, 255, 255, 255}})
}

// shown looks at a place of the screen all the while a programme plays.
func watchPixel(t *testing.T, p *playlist.Programme, x, y, seconds int) (seen []color.RGBA) {
	t.Helper()
	bin := os.Getenv("COTMOC_BIN")
	if bin == "" {
		t.Skip("COTMOC_BIN names no folder of built programs; build/test sets it")
	}
	name, _, stop, err := screentest.StartX(t.Context(), p.Display.Width, p.Display.Height)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	doc := writeProgramme(t, p)
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "stage"), "--programme", doc, "--frames", "rgba", "--for", (time.Duration(seconds) * time.Second).String())
	cmd.Env = append(os.Environ(), "DISPLAY="+name)
	unwatch, err := screentest.Watch(name, image.Rect(x, y, x+1, y+1), 4*time.Millisecond, func(s screentest.Sample) {
		seen = append(seen, s.Img.RGBAAt(s.Img.Rect.Min.X, s.Img.Rect.Min.Y))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if err := unwatch(); err != nil {
		t.Fatal(err)
	}
	return seen
}

// A crossfade goes through colours between the two, a slide through both, a
// cut through none; and no transition passes through black.
func TestTransitions(t *testing.T) {
	for kind, between := range map[playlist.TransitionKind]bool{playlist.Cut: false, playlist.Crossfade: true, playlist.Slide: false} {
		t.Run(string(kind), func(t *testing.T) {
			a, b := solid(t, "red", red), solid(t, "blue", blue)
			for _, e := range []*playlist.ProgrammeEntry{&a, &b} {
				e.Duration, e.Transition = playlist.Duration(1500*time.Millisecond), playlist.Transition{Kind: kind, Lasts: playlist.Duration(600 * time.Millisecond)}
			}
			reds, blues, mixed, dark := 0, 0, 0, 0
			began := false
			for _, c := range watchPixel(t, programme(320, 180, 0, a, b), 160, 90, 8) {
				began = began || screentest.Near(c, red, 12)
				switch {
				case !began:
				case screentest.Near(c, red, 12):
					reds++
				case screentest.Near(c, blue, 12):
					blues++
				case c.R < 20 && c.G < 20 && c.B < 20:
					dark++
				case c.R > blue.R && c.R < red.R && c.B > red.B && c.B < blue.B:
					mixed++
				}
			}
			if reds == 0 || blues == 0 || dark > 0 || (mixed > 2) != between {
				t.Errorf("%d red, %d blue, %d between, %d dark", reds, blues, mixed, dark)
			}
		})
	}
}

// Captions in two languages are over the picture while they are due, and gone after.
func TestCaptionsAreSeenWhileTheyAreDue(t *testing.T) {
	dir := t.TempDir()
	clip := filepath.Join(dir, "v.mp4")
	if text, err := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "color=c=0x1E3CD2:s=640x360:r=25:d=12", "-c:v", "libx264", "-pix_fmt", "yuv420p", clip).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	track := func(lang playlist.Language, words string) playlist.ProgrammeFile {
		path := filepath.Join(dir, string(lang)+".vtt")
		if err := os.WriteFile(path, []byte("WEBVTT\n\n00:00.000 --> 00:06.000\n"+words+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return playlist.ProgrammeFile{Path: path, Type: "text/vtt", Language: lang}
	}
	count := func(seconds int, captions ...playlist.ProgrammeFile) (white, gold int) {
		e := media("v", playlist.Video, clip, "video/mp4")
		e.Versions[0].Captions = captions
		_, _, img := show(t, programme(640, 360, 0, e), seconds)
		for y := 180; y < 360; y++ {
			for x := range 640 {
				switch c := img.RGBAAt(x, y); {
				case c.R > 200 && c.G > 200 && c.B > 200:
					white++
				case c.R > 200 && c.G > 150 && c.B < 150:
					gold++
				}
			}
		}
		return white, gold
	}
	vi, lo := track("vi", "Xin chuẩn bị sẵn giấy tờ"), track("lo", "ກະລຸນາ\u200bກຽມ\u200bເອກະສານ")
	for name, c := range map[string]struct {
		seconds     int
		captions    []playlist.ProgrammeFile
		white, gold bool
	}{"none": {4, nil, false, false}, "one": {4, []playlist.ProgrammeFile{vi}, true, false}, "two": {4, []playlist.ProgrammeFile{vi, lo}, true, true},
		"three, of which two are shown": {4, []playlist.ProgrammeFile{vi, lo, vi}, true, true}, "afterwards": {9, []playlist.ProgrammeFile{vi, lo}, false, false}} {
		if white, gold := count(c.seconds, c.captions...); (white > 200) != c.white || (gold > 200) != c.gold {
			t.Errorf("%s: %d white, %d gold pixels", name, white, gold)
		}
	}
}

// A film that claims ten hours and holds a second does not keep the screen: the
// next entry comes when the film is over.
func TestAFilmThatClaimsTenHours(t *testing.T) {
	path := filepath.Join(t.TempDir(), "liar.mkv")
	if text, err := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "color=c=0xDC1E1E:s=320x180:r=25:d=1", "-c:v", "libx264", "-pix_fmt", "yuv420p", path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(raw, []byte{0x44, 0x89, 0x88}) // Matroska's Duration, a float of 8 bytes
	if at < 0 {
		t.Fatal("the file has no duration to change")
	}
	binary.BigEndian.PutUint64(raw[at+3:], math.Float64bits(10*3600*1000))
	if i := bytes.Index(raw, []byte("DURATION")); i > 0 { // and the stream's own tag
		copy(raw[i+11:], "10:00:00.000000000")
	}
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	p := programme(320, 180, 0, media("liar", playlist.Video, path, "video/mp4"), solid(t, "blue", blue))
	_, r, img := show(t, p, 6)
	looks(t, img, 0, map[[2]int]color.RGBA{{500, 500}: blue})
	if len(r.Changes) < 2 || r.Changes[1].GapMS > 3000 {
		t.Errorf("changes %+v", r.Changes)
	}
}
