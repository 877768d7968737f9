package main

import (
	"fmt"
	"image"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"cotmoc/internal/screentest"
	"cotmoc/internal/supervise"
	"cotmoc/internal/words"
	"cotmoc/playlist"
)

// tap touches the screen as a panel does: motion and press come together.
func (m *machine) tap(x, y int) {
	m.t.Helper()
	cmd := exec.Command("xdotool", "mousemove", fmt.Sprint(x), fmt.Sprint(y), "click", "1")
	cmd.Env = append(os.Environ(), "DISPLAY="+m.display)
	if out, err := cmd.CombinedOutput(); err != nil {
		m.t.Fatalf("xdotool: %v %s", err, out)
	}
}

// library is the process of the library; 0 while there is none.
func (m *machine) library() int {
	st := m.status()
	if st == nil {
		return 0
	}
	i := slices.IndexFunc(st.Children, func(c supervise.Status) bool { return c.Name == "touch" })
	if i < 0 || st.Children[i].LastBeat.IsZero() {
		return 0
	}
	return st.Children[i].PID
}

// With the real programs: a touch of the stage brings the library up, its tiles answer
// where the finger is, "finish" brings the stage back, and so do the library's death and
// its silence.
func TestTouch(t *testing.T) {
	if _, err := exec.LookPath("xdotool"); err != nil {
		t.Skip("there is no xdotool to touch with; build/test installs it")
	}
	m := newMachine(t)
	m.start(contentOf(t, func(r *playlist.Rows) { r.Displays[0].Role = playlist.RoleBoth }, orange))
	m.until("the stage shows its picture", m.shows(orange))
	m.until("the library is there", func() bool { return m.library() > 0 })
	up := func() {
		t.Helper()
		began := time.Now()
		m.tap(200, 100)
		m.until("the library comes up", func() bool { return !m.shows(orange)() })
		t.Logf("up after %v, xdotool and the looking included", time.Since(began).Round(time.Millisecond))
	}
	up()
	if st := m.status(); st.Visits.Visits != 1 {
		t.Errorf("%+v", st.Visits)
	}
	// The bar of home: finish, search, text size, contrast, reach. Two touches at places
	// far from each other: the second must not land where the first did.
	m.tap(320, 345) // text size
	m.tap(60, 345)  // finish
	m.until("the stage is back", m.shows(orange))

	up()
	first := m.library()
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	m.until("the stage is back after the library's death", m.shows(orange))
	m.until("the library was started again", func() bool { p := m.library(); return p > 0 && p != first })

	up()
	second := m.library()
	if err := syscall.Kill(second, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	m.until("the stage is back when the library says nothing", m.shows(orange))
	m.until("the library was started again", func() bool { p := m.library(); return p > 0 && p != second })
}

// xrandr sets the screen as whoever plugs a monitor does.
func (m *machine) xrandr(args ...string) {
	m.t.Helper()
	cmd := exec.Command("xrandr", args...)
	cmd.Env = append(os.Environ(), "DISPLAY="+m.display)
	if out, err := cmd.CombinedOutput(); err != nil {
		m.t.Fatalf("xrandr %v: %v %s", args, err, out)
	}
}

// A monitor that is unplugged, and one of another size that is plugged in: stage and
// library fill the one that is there, and a touch is answered where the finger is.
func TestAnotherMonitor(t *testing.T) {
	if _, err := exec.LookPath("xrandr"); err != nil {
		t.Skip("there is no xrandr to change the screen with; build/test installs it")
	}
	m := newMachineOf(t, 1280, 720)
	m.xrandr("--newmode", "small", "33.75", "800", "856", "976", "1040", "600", "637", "643", "666")
	m.xrandr("--addmode", "screen", "small")
	v := meet(m, contentOf(t, func(r *playlist.Rows) {
		r.Displays[0].Role, r.Displays[0].Width, r.Displays[0].Height = playlist.RoleBoth, 1280, 720
	}, orange))
	v.until("the stage shows its picture", v.shows(orange))
	fills := func(w, h int) func() bool {
		return func() bool {
			at, ok := v.look().Target(plain(words.In("vi", "finish")))
			if !ok || at.Y < h*9/10 || at.Y >= h {
				return false
			}
			for _, t := range v.look().Targets {
				if !t.At.In(image.Rect(0, 0, w, h)) {
					return false
				}
			}
			return true
		}
	}
	v.until("the library fills the screen", fills(1280, 720))
	for _, change := range []struct {
		args []string
		w, h int
	}{
		{[]string{"--output", "screen", "--mode", "small"}, 800, 600},
		{[]string{"--output", "screen", "--off", "--fb", "1280x720"}, 0, 0},
		{[]string{"--output", "screen", "--mode", "1280x720"}, 1280, 720},
	} {
		first := v.library()
		v.xrandr(change.args...)
		if change.w == 0 {
			continue // nobody looks; everything goes on
		}
		v.until(fmt.Sprintf("the library was started for %d×%d", change.w, change.h), func() bool { p := v.library(); return p > 0 && p != first && fills(change.w, change.h)() })
		v.until("the stage is there", func() bool {
			return screentest.Near(v.pixelAt(change.w-100, change.h*6/10), orange, 12)
		})
		v.arriveAt(image.Pt(change.w/2, change.h/3))
		v.touch(plain(words.In("vi", "search")))
		v.touch(plain(words.In("vi", "home")))
		v.leave()
	}
}

// windows are the sizes of the library's windows, as the X server knows them.
func (m *machine) windows() (out []string) {
	m.t.Helper()
	cmd := exec.Command("xdotool", "search", "--name", "Mốc", "getwindowgeometry", "%@")
	cmd.Env = append(os.Environ(), "DISPLAY="+m.display)
	raw, err := cmd.Output()
	if err != nil {
		m.t.Fatalf("xdotool: %v %s", err, raw)
	}
	for _, line := range strings.Split(string(raw), "\n") {
		if size, ok := strings.CutPrefix(strings.TrimSpace(line), "Geometry: "); ok {
			out = append(out, size)
		}
	}
	return out
}

// Whatever text size a visitor chooses, the window stays as large as the screen, and the
// next visitor finds everything where it was.
func TestTextSizeKeepsTheWindow(t *testing.T) {
	if _, err := exec.LookPath("xdotool"); err != nil {
		t.Skip("there is no xdotool to ask for windows with; build/test installs it")
	}
	m := newMachineOf(t, 1920, 1080)
	v := meet(m, contentOf(t, func(r *playlist.Rows) {
		r.Displays[0].Role, r.Displays[0].Width, r.Displays[0].Height = playlist.RoleBoth, 1920, 1080
	}, orange))
	v.until("the stage shows its picture", v.shows(orange))
	v.until("the library is there", func() bool { return m.library() > 0 })
	v.arriveAt(image.Pt(960, 300))
	first := v.look()
	for _, word := range []string{"text_size", "text_size", "reach", "contrast", "search", "home", "text_size"} {
		v.touch(plain(words.In("vi", word)))
		all := m.windows()
		if len(all) == 0 {
			t.Fatal("the X server knows no window of the library")
		}
		for _, size := range all {
			var w, h int
			if n, err := fmt.Sscanf(size, "%dx%d", &w, &h); err != nil || n != 2 || w > 1920 || h > 1080 {
				t.Errorf("after %s a window is %s", word, size)
			}
		}
		for _, at := range v.look().Targets {
			if !at.At.In(image.Rect(0, 0, 1920, 1080)) {
				t.Errorf("after %s %q lies at %v", word, at.Words, at.At)
			}
		}
	}
	v.leave()
	v.arriveAt(image.Pt(960, 300))
	if again := v.look(); fmt.Sprint(again.Targets) != fmt.Sprint(first.Targets) {
		t.Errorf("the next visitor finds\n%v\nnot\n%v", again.Targets, first.Targets)
	}
}
