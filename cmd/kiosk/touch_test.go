package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"cotmoc/internal/supervise"
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
