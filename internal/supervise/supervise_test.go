package supervise

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets this program be its own child: it lives until it is killed, or
// ends at once.
func TestMain(m *testing.M) {
	switch os.Getenv("COTMOC_TEST_CHILD") {
	case "stay":
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, os.Interrupt)
		<-stop
		os.Exit(0)
	case "end":
		os.Stderr.WriteString("I cannot go on\n")
		os.Exit(3)
	}
	os.Exit(m.Run())
}

func child(t *testing.T, dir, manner string) *Child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &Child{Name: "it", Path: exe, Env: []string{"COTMOC_TEST_CHILD=" + manner}, Dir: dir}
	t.Cleanup(c.Kill)
	return c
}

// serve runs c until the test, or the function returned, ends it.
func serve(t *testing.T, c *Child) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Serve(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for tick := time.NewTicker(5 * time.Millisecond); ; <-tick.C {
		if ok() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestAKilledChildIsStartedAgain(t *testing.T) {
	c := child(t, t.TempDir(), "stay")
	serve(t, c)
	until(t, "it runs", c.Alive)
	first := c.Status().PID
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "it runs again", func() bool { return c.Status().PID != first && c.Alive() })
	if st := c.Status(); st.Restarts != 1 {
		t.Errorf("%d restarts", st.Restarts)
	}
}

// The next parent takes a running child over instead of starting a second.
func TestAChildOutlivesItsParentAndIsAdopted(t *testing.T) {
	dir := t.TempDir()
	first := child(t, dir, "stay")
	stop := serve(t, first)
	until(t, "it runs", first.Alive)
	pid := first.Status().PID
	stop()
	if !first.Alive() {
		t.Fatal("it ended with its parent")
	}
	second := child(t, dir, "stay")
	serve(t, second)
	second.Hello(pid) // it connects again
	second.Beat(7)
	until(t, "it is adopted", func() bool { return second.Status().PID == pid })
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "a new one runs after it ended", func() bool { return second.Status().PID != pid && second.Alive() })
}

// A process number that now belongs to another program is not touched.
func TestAnotherProgramIsNotAdopted(t *testing.T) {
	dir := t.TempDir()
	c := child(t, dir, "stay")
	if err := os.WriteFile(filepath.Join(dir, "it.pid"), []byte("1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	serve(t, c)
	until(t, "its own runs", c.Alive)
	if pid := c.Status().PID; pid == 1 {
		t.Error("process 1 was adopted")
	}
}

func TestACrashLoopIsOneLineOfHealth(t *testing.T) {
	dir := t.TempDir()
	c := child(t, dir, "end")
	serve(t, c)
	until(t, "it is called a crash loop", func() bool { return strings.Contains(c.Status().Problem, "times in a row") })
	if st := c.Status(); st.Restarts < crashLoop {
		t.Errorf("said after %d restarts", st.Restarts)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "it.log"))
	if err != nil || !strings.Contains(string(raw), "I cannot go on") {
		t.Errorf("log %q, %v", raw, err)
	}
}

func TestARetiredChildIsNotStartedAgain(t *testing.T) {
	c := child(t, t.TempDir(), "stay")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Serve(ctx)
	}()
	until(t, "it runs", c.Alive)
	c.Retire()
	if err := syscall.Kill(c.Status().PID, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	<-done
	if c.Status().Restarts != 0 {
		t.Error("it was started again")
	}
}

// Buffered words of a process that has ended are no sign of life of the next.
func TestOldWordsAreNoSignOfLife(t *testing.T) {
	c := child(t, t.TempDir(), "stay")
	serve(t, c)
	until(t, "it runs", c.Alive)
	c.Beat(1)
	if !c.Status().LastBeat.IsZero() {
		t.Error("a beat before the greeting counted")
	}
	c.Hello(c.Status().PID)
	c.Beat(3)
	if st := c.Status(); st.LastBeat.IsZero() || st.Routines != 3 {
		t.Errorf("%+v", st)
	}
}

// A programme whose log cannot be written runs all the same.
func TestAFullDiskDoesNotKeepAChildFromRunning(t *testing.T) {
	c := child(t, filepath.Join(t.TempDir(), "none", "there"), "stay")
	serve(t, c)
	until(t, "it runs", c.Alive)
	until(t, "and it is said", func() bool { return strings.Contains(c.Status().Problem, "process number") })
}

// A child that is to run otherwise is started again, once, and not for the same words.
func TestUse(t *testing.T) {
	c := child(t, t.TempDir(), "stay")
	c.Args = []string{"one"}
	serve(t, c)
	until(t, "it runs", c.Alive)
	first := c.Status().PID
	c.Use([]string{"one"})
	if s := c.Status(); s.PID != first || !c.Alive() {
		t.Errorf("%+v", s)
	}
	c.Use([]string{"two", "words"})
	until(t, "another runs", func() bool { return c.Status().PID != first && c.Alive() })
	raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(c.Status().PID), "cmdline"))
	if err != nil || !strings.HasSuffix(string(raw), "\x00two\x00words\x00") {
		t.Errorf("%q %v", raw, err)
	}
}
