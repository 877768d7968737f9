package touch

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cotmoc/internal/golden"
	"cotmoc/playlist"
	"cotmoc/playlist/store"
)

// keep puts a file into a data folder's media and its row into the catalogue.
func keep(t testing.TB, dir, path, kind string, r *playlist.Rows) playlist.Hash {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	h := playlist.Hash(hex.EncodeToString(sum[:]))
	to := filepath.Join(dir, "media", string(h[:2]), string(h))
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	r.Media = append(r.Media, playlist.Media{SHA256: h, Bytes: int64(len(raw)), Type: kind})
	return h
}

// A film plays with its sound and its captions, is paused and goes on, ends by itself,
// and a damaged one says so.
func TestFilm(t *testing.T) {
	d := start(t, 1280, 720)
	r := content(t, d.dir)
	clip, vtt, broken := filepath.Join(t.TempDir(), "clip.mp4"), filepath.Join(t.TempDir(), "c.vtt"), filepath.Join(t.TempDir(), "b.mp4")
	cmd := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=1.2", "-f", "lavfi", "-i", "sine=d=1.2", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", clip)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	for path, text := range map[string]string{vtt: "WEBVTT\n\n00:00.000 --> 00:09.000\nChúc thượng lộ bình an\n", broken: "this is no film"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	film := keep(t, d.dir, clip, "video/mp4", &r)
	words := keep(t, d.dir, vtt, "text/vtt", &r)
	bad := keep(t, d.dir, broken, "video/mp4", &r)
	r.Items = append(r.Items, playlist.Item{ID: "film", Kind: playlist.Video}, playlist.Item{ID: "bad", Kind: playlist.Video})
	r.Versions = append(r.Versions, playlist.Version{Item: "film", Language: "vi", Title: "Phim", Media: []playlist.Hash{film}, Captions: []playlist.Track{{Language: "vi", Media: words}}},
		playlist.Version{Item: "bad", Language: "vi", Title: "Phim hỏng", Media: []playlist.Hash{bad}})
	if err := store.WriteEdition(t.Context(), d.dir, "e2", r); err != nil {
		t.Fatal(err)
	}
	d.load("e2")
	d.tap("Xem và nghe")
	d.tap("Phim")
	m := d.film
	if m == nil || !m.run || !d.idle.playing || len(d.host.sounds) != 1 || !strings.HasSuffix(d.host.sounds[0], string(film)) {
		t.Fatalf("it does not play: %+v %v", m, d.host.sounds)
	}
	d.tap("Tạm dừng")
	if m.run || d.idle.playing || d.host.sounds[len(d.host.sounds)-1] != "" {
		t.Error("it is not paused")
	}
	d.tap("Tốc độ 1×")
	if at := m.at; m.run || at > time.Second {
		t.Errorf("paused at %v", at)
	}
	d.tap("Phát")
	if d.host.speed != 1.25 {
		t.Errorf("it is heard at speed %v", d.host.speed)
	}
	d.until("the film is over", func() bool { return m.ended && !d.idle.playing })
	if m.img.Image.Bounds().Dx() < 300 || m.line.Words() != "Chúc thượng lộ bình an" {
		t.Errorf("%v %q", m.img.Image.Bounds(), m.line.Words())
	}
	d.tap("Quay lại")
	if d.film != nil {
		t.Error("it plays on behind the page")
	}
	d.tap("Phim hỏng")
	d.until("it says that it cannot be shown", func() bool { return d.says("Không mở được tệp này") })
}

// A page is read by the machine: it says so, stands still when it is paused, and leaves
// no file behind. Where there is no voice nothing is offered.
func TestAloud(t *testing.T) {
	d := start(t, 1280, 720)
	if d.tiles()["Đọc to"] != nil {
		t.Error("without a folder to work in it is offered")
	}
	d.o.Scratch = t.TempDir()
	files := func() []string {
		found, err := filepath.Glob(filepath.Join(d.o.Scratch, "*"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	d.open(page{kind: itemPage, item: "only-vi"})
	d.build()
	d.tap("Đọc to")
	if !d.says("Giọng đọc của máy") {
		t.Error("nobody says that this is a machine")
	}
	d.until("it is heard", func() bool { return len(d.host.sounds) == 1 })
	if len(files()) != 1 || d.host.sounds[0] != files()[0] || !strings.HasPrefix(d.film.aloud.text, "Hướng dẫn khai báo hải quan") || !strings.Contains(d.film.aloud.text, "quầy số 4") {
		t.Errorf("%q %v %v", d.film.aloud.text, d.host.sounds, files())
	}
	golden.Check(t, "aloud-vi-1280", d.picture())
	d.tap("Tạm dừng")
	d.tap("Phát")
	d.tap("Đọc to")
	if len(files()) != 0 || d.film != nil || d.idle.playing {
		t.Errorf("%v is left", files())
	}
	d.tap("Đọc to")
	d.tap("Tạm dừng") // before it was made
	d.tap("Phát")
	d.until("it is heard to its end", func() bool { return d.film.ended })
	d.Wipe()
	if len(files()) != 0 {
		t.Errorf("%v is left", files())
	}
	d.Home()
	d.Speak("lo")
	if d.film != nil || d.says("ອ່ານອອກສຽງ") {
		t.Error("Lao has no voice")
	}
	if err := os.WriteFile(filepath.Join(d.o.Scratch, "spoken-1.wav"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := clearSpoken(d.o.Scratch); err != nil || len(files()) != 0 {
		t.Errorf("%v %v", files(), err)
	}
}

// until does what is to be done by Fyne's goroutine, until something holds.
func (d *desk) until(what string, ok func() bool) {
	d.t.Helper()
	end := time.After(time.Minute)
	for !ok() {
		select {
		case <-end:
			d.t.Fatalf("waited a minute until %s", what)
		case f := <-d.todo:
			f()
		}
	}
}
