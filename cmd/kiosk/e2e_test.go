package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cotmoc/internal/kiosk"
	"cotmoc/internal/screentest"
	"cotmoc/playlist"
	"cotmoc/playlist/store"
)

// machine is a kiosk's machine: a display, a data folder, the real programs.
type machine struct {
	t       *testing.T
	bin     string
	display string
	data    string
	cmd     *exec.Cmd
}

func newMachine(t *testing.T) *machine { return newMachineOf(t, 640, 360) }

// newMachineOf is a machine with a display of so many pixels.
func newMachineOf(t *testing.T, w, h int) *machine {
	t.Helper()
	bin := os.Getenv("COTMOC_BIN")
	if bin == "" {
		t.Skip("COTMOC_BIN names no folder of built programs; build/test sets it")
	}
	name, _, stop, err := screentest.StartX(t.Context(), w, h)
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, bin: bin, display: name, data: filepath.Join(t.TempDir(), "data")}
	t.Cleanup(func() {
		m.stop(os.Interrupt)
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func (m *machine) start(content string, more ...string) {
	m.t.Helper()
	args := append([]string{"run", "--data", m.data}, more...)
	if content != "" {
		args = append(args, "--content", content)
	}
	m.cmd = exec.Command(filepath.Join(m.bin, "kiosk"), args...)
	m.cmd.Env = append(os.Environ(), "DISPLAY="+m.display)
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) stop(sig os.Signal) {
	if m.cmd != nil {
		m.cmd.Process.Signal(sig)
		m.cmd.Wait()
		m.cmd = nil
	}
}

func (m *machine) status() *kiosk.Status {
	ctx, cancel := context.WithTimeout(m.t.Context(), 5*time.Second)
	defer cancel()
	st, err := kiosk.AskStatus(ctx, m.data)
	if err != nil {
		return nil
	}
	return st
}

// until asks again and again, for at most a minute: machines are slow and shared.
func (m *machine) until(what string, ok func() bool) {
	m.t.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if ok() {
			return
		}
		if time.Now().After(deadline) {
			raw, _ := json.Marshal(m.status())
			m.t.Fatalf("waited a minute until %s\n%s", what, raw)
		}
	}
}

func (m *machine) pixel() color.RGBA { return m.pixelAt(200, 100) }

func (m *machine) pixelAt(x, y int) color.RGBA {
	var got color.RGBA
	seen := make(chan struct{})
	var once sync.Once
	stop, err := screentest.Watch(m.display, image.Rect(x, y, x+1, y+1), 5*time.Millisecond, func(s screentest.Sample) {
		once.Do(func() { got = s.Img.RGBAAt(0, 0); close(seen) })
	})
	if err != nil {
		m.t.Fatal(err)
	}
	<-seen
	if err := stop(); err != nil {
		m.t.Fatal(err)
	}
	return got
}

func (m *machine) shows(c color.RGBA) func() bool {
	return func() bool { return screentest.Near(m.pixel(), c, 12) }
}

var orange, teal = color.RGBA{240, 140, 20, 255}, color.RGBA{20, 160, 150, 255}

// contentOf writes a content folder with one plain picture per colour, each in
// a playlist that is always on.
func contentOf(t *testing.T, change func(r *playlist.Rows), colours ...color.RGBA) string {
	t.Helper()
	dir := t.TempDir()
	r := playlist.Rows{Format: playlist.Format,
		Places:   []playlist.Place{{ID: "g", Kind: playlist.Gate, Names: playlist.Names{"vi": "Cửa khẩu thử"}, Zone: "Asia/Ho_Chi_Minh", Languages: []playlist.Language{"vi", "en"}}},
		Displays: []playlist.Display{{ID: "d", Place: "g", Width: 640, Height: 360, Defaults: map[playlist.Layer]playlist.ID{playlist.Main: "list"}}}}
	list := playlist.Playlist{ID: "list"}
	for i, c := range colours {
		img := image.NewRGBA(image.Rect(0, 0, 64, 36))
		for p := 0; p < len(img.Pix); p += 4 {
			copy(img.Pix[p:], []byte{c.R, c.G, c.B, 255})
		}
		name := fmt.Sprintf("%d.png", i)
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, img); err != nil {
			t.Fatal(err)
		}
		f.Close()
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(raw)
		h := playlist.Hash(hex.EncodeToString(sum[:]))
		id := playlist.ID(fmt.Sprintf("pic%d-%02x%02x%02x", i, c.R, c.G, c.B))
		r.Media = append(r.Media, playlist.Media{SHA256: h, Path: name, Type: "image/png", Bytes: int64(len(raw))})
		r.Items = append(r.Items, playlist.Item{ID: id, Kind: playlist.Picture})
		r.Versions = append(r.Versions, playlist.Version{Item: id, Language: "zxx", Media: []playlist.Hash{h}})
		list.Entries = append(list.Entries, playlist.Entry{Item: id, Duration: playlist.Duration(2 * time.Second), Fit: playlist.Cover})
	}
	r.Playlists = append(r.Playlists, list)
	if change != nil {
		change(&r)
	}
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "content.json"), raw, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// kiosk killed and started again: no black frame, the same stage goes on.
// stage killed: the right picture comes back, and nothing black between.
func TestKillsLeaveThePicture(t *testing.T) {
	m := newMachine(t)
	m.start(contentOf(t, nil, orange))
	m.until("the picture is seen", m.shows(orange))
	black, samples := 0, 0
	var blackAt []time.Time
	var mu sync.Mutex
	stop, err := screentest.Watch(m.display, image.Rect(0, 0, 640, 360), 8*time.Millisecond, func(s screentest.Sample) {
		mu.Lock()
		defer mu.Unlock()
		samples++
		if screentest.Black(s.Img) {
			black++
			blackAt = append(blackAt, s.At)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	pid := m.status().Children[0].PID
	m.stop(syscall.SIGKILL)
	m.start("")
	m.until("the stage is adopted", func() bool {
		st := m.status()
		return st != nil && len(st.Displays) == 1 && st.Displays[0].Connected && st.Displays[0].Frames > 0
	})
	if got := m.status().Children[0].PID; got != pid {
		t.Errorf("stage %d was replaced by %d", pid, got)
	}
	if !m.shows(orange)() {
		t.Errorf("the screen shows %v", m.pixel())
	}
	killed := time.Now()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	m.until("the picture is gone", func() bool { return !m.shows(orange)() })
	m.until("the picture is back", m.shows(orange))
	t.Logf("the right picture was back %v after the stage was killed", time.Since(killed))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if black > 0 || samples < 50 {
		for _, at := range blackAt {
			t.Logf("black %v after the kill", at.Sub(killed))
		}
		t.Errorf("%d of %d samples were black", black, samples)
	}
}

func TestContentIsSwitchedAndBadContentRefused(t *testing.T) {
	m := newMachine(t)
	m.start(contentOf(t, nil, orange))
	m.until("the first content is seen", m.shows(orange))
	m.stop(os.Interrupt)
	m.start(contentOf(t, nil, teal))
	m.until("the second is seen", m.shows(teal))
	m.stop(os.Interrupt)
	bad := contentOf(t, func(r *playlist.Rows) { r.Media[0].Path = "../../../etc/passwd" }, orange)
	m.start(bad)
	m.until("the refusal is said", func() bool {
		st := m.status()
		return st != nil && slices.ContainsFunc(st.Problems, func(p string) bool { return strings.Contains(p, "leads out") })
	})
	m.until("what was there plays on", m.shows(teal))
}

func TestProofOfPlayIsKept(t *testing.T) {
	m := newMachine(t)
	m.start(contentOf(t, nil, orange, teal))
	m.until("three showings are proved", func() bool { st := m.status(); return st != nil && st.Plays >= 3 })
	m.stop(syscall.SIGKILL)
	state, err := store.OpenState(t.Context(), m.data, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer state.Close()
	plays, err := state.Plays(t.Context(), 0, 100)
	if err != nil || len(plays) < 3 {
		t.Fatalf("%d rows, %v", len(plays), err)
	}
	for i, p := range plays {
		span := time.Duration(p.EndMono - p.StartMono)
		if p.Display != "d" || p.Playlist != "list" || p.Reason != "done" || span < 1900*time.Millisecond || p.Edition == "" {
			t.Errorf("row %d: %+v, %v long", i, p, span)
		}
		if i > 0 && plays[i-1].Item == p.Item {
			t.Errorf("rows %d and %d both prove %s", i-1, i, p.Item)
		}
	}
	positions, err := state.Positions(t.Context(), "d")
	if err != nil || positions["list"].Entry == "" {
		t.Errorf("positions %+v, %v", positions, err)
	}
	m.start("")
	m.until("stage and kiosk are together again", func() bool { st := m.status(); return st != nil && st.Displays[0].Connected })
}

func TestDamagedDatabaseIsSaidAndThePictureStays(t *testing.T) {
	m := newMachine(t)
	content := contentOf(t, nil, orange)
	m.start(content)
	m.until("the picture is seen", m.shows(orange))
	m.stop(os.Interrupt)
	path := filepath.Join(m.data, "state.db")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, raw[:len(raw)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	m.start("") // without the content folder: the edition on disk is found again
	m.until("the damage is said", func() bool {
		st := m.status()
		return st != nil && slices.ContainsFunc(st.Problems, func(p string) bool { return strings.Contains(p, "set aside") })
	})
	m.until("the picture is seen", m.shows(orange))
}

// The programs say which version they are.
func TestVersion(t *testing.T) {
	want, err := os.ReadFile("../../VERSION")
	if err != nil {
		t.Fatal(err)
	}
	bin := os.Getenv("COTMOC_BIN")
	if bin == "" {
		t.Skip("COTMOC_BIN names no folder of built programs; build/test sets it")
	}
	for _, program := range []string{"hub", "kiosk"} {
		out, err := exec.Command(filepath.Join(bin, program), "--version").Output()
		if err != nil || string(out) != program+" "+string(want) {
			t.Errorf("%q, %v", out, err)
		}
	}
}

// A notice covers everything at once, ends by itself, and the programme goes
// on where it stood.
func TestNoticeCoversAndEnds(t *testing.T) {
	m := newMachine(t)
	m.start(contentOf(t, nil, orange))
	m.until("the picture is seen", m.shows(orange))
	m.stop(os.Interrupt)
	now := time.Now()
	m.start(contentOf(t, func(r *playlist.Rows) {
		r.Notices = []playlist.Notice{{ID: "n", Severity: playlist.Extreme, Starts: now.Add(-time.Minute), Ends: now.Add(9 * time.Second),
			Bodies: map[playlist.Language]playlist.Body{"vi": {Title: "Đường bị chia cắt", Text: "Hãy ở yên tại chỗ."}}}}
	}, orange))
	red := color.RGBA{0xB4, 0x1F, 0x24, 0xFF}
	m.until("the notice is seen", func() bool { return screentest.Near(m.pixelAt(8, 350), red, 12) })
	if st := m.status(); st == nil || st.Displays[0].Plan[0].Winner != "notice:n" {
		t.Errorf("the status does not name the notice: %+v", st)
	}
	m.until("the picture is back", m.shows(orange))
	if time.Now().Before(now.Add(9 * time.Second)) {
		t.Error("the notice ended too soon")
	}
	m.stop(os.Interrupt)
	var proved []string
	for _, p := range m.plays() {
		if p.Schedule == "notice:n" {
			proved = append(proved, fmt.Sprintf("%s %s %s", p.Item, p.Language, p.Reason))
			if seen := p.End.Sub(p.Start); seen < time.Second || p.End.After(now.Add(11*time.Second)) || p.Zone != "" {
				t.Errorf("proved %v until %v in zone %q", seen, p.End, p.Zone)
			}
		}
	}
	if !slices.Equal(proved, []string{"n vi done"}) && !slices.Equal(proved, []string{"n vi programme changed"}) {
		t.Errorf("the notice proved %q", proved)
	}
}

// plays is the proof that is kept on the machine, which was stopped.
func (m *machine) plays() []store.Play {
	m.t.Helper()
	state, err := store.OpenState(m.t.Context(), m.data, time.Now())
	if err != nil {
		m.t.Fatal(err)
	}
	plays, err := state.Plays(m.t.Context(), 0, 1000)
	if err := errors.Join(err, state.Close()); err != nil {
		m.t.Fatal(err)
	}
	return plays
}

// What a killed stage showed is proved until its last sign of life.
func TestAKilledStageLeavesItsProof(t *testing.T) {
	m := newMachine(t)
	long := func(r *playlist.Rows) { r.Playlists[0].Entries[0].Duration = playlist.Duration(time.Hour) }
	m.start(contentOf(t, long, orange))
	m.until("the picture is seen", m.shows(orange))
	m.until("the stage has said so", func() bool { st := m.status(); return st != nil && len(st.Displays[0].Showing) == 1 })
	first := m.status().Children[0].PID
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	m.until("the proof is written", func() bool { st := m.status(); return st != nil && st.Plays >= 1 })
	m.stop(os.Interrupt)
	state, err := store.OpenState(t.Context(), m.data, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer state.Close()
	plays, err := state.Plays(t.Context(), 0, 10)
	if err != nil || len(plays) < 1 || plays[0].Reason != "stage ended" {
		t.Errorf("%+v, %v", plays, err)
	}
}

// On a disk that became read-only, and on a full one, the picture comes and
// the status says why nothing is kept.
func TestDisksThatTakeNoWrites(t *testing.T) {
	for name, change := range map[string]func(dir string) error{
		"read-only": func(dir string) error { return syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, "") },
		"full": func(dir string) error {
			f, err := os.Create(filepath.Join(dir, "filler"))
			if err != nil {
				return err
			}
			defer f.Close()
			for err == nil {
				_, err = f.Write(make([]byte, 4096))
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			if err := os.MkdirAll(m.data, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mount("tmpfs", m.data, "tmpfs", 0, "size=4m"); err != nil {
				t.Skipf("no disk can be mounted here: %v", err)
			}
			t.Cleanup(func() { syscall.Unmount(m.data, syscall.MNT_DETACH) })
			m.start(contentOf(t, nil, orange))
			m.until("the picture is seen", m.shows(orange))
			m.stop(os.Interrupt)
			// A killed child may hold its log for some milliseconds yet.
			m.until("the disk is changed", func() bool { return change(m.data) == nil })
			m.start("")
			m.until("the picture is seen", m.shows(orange))
			m.until("the trouble is said", func() bool {
				st := m.status()
				return st != nil && slices.ContainsFunc(st.Problems, func(p string) bool {
					return strings.Contains(p, "takes no writes") || strings.Contains(p, "cannot be written")
				})
			})
			m.stop(os.Interrupt)
		})
	}
}

func TestNothingPlayableMeansTheEvergreenPage(t *testing.T) {
	m := newMachine(t)
	navy := color.RGBA{0x0B, 0x25, 0x45, 0xFF}
	m.start("")
	m.until("an empty machine shows a page", func() bool { return m.shows(navy)() && m.status() != nil && m.status().Displays[0].Frames > 0 })
	if m.cmd == nil {
		t.Fatal("the kiosk has ended")
	}
}
