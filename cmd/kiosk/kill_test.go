package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"cotmoc/device"
	"cotmoc/hub/server/publish/publishtest"
	"cotmoc/hub/trust"
	"cotmoc/internal/step"
)

// TestMain runs the program itself where a test asks for it: as a process that can
// be killed at a numbered step.
func TestMain(m *testing.M) {
	if os.Getenv("KIOSK_TEST_PROGRAM") == "" {
		os.Exit(m.Run())
	}
	if off, err := time.ParseDuration(os.Getenv("KIOSK_TEST_CLOCK")); err == nil {
		device.SystemTime = func() time.Time { return time.Now().Add(off) }
	}
	if at, err := strconv.Atoi(os.Getenv("KIOSK_TEST_KILL")); err == nil {
		n := 0
		step.Hook(func(string) {
			if n++; n == at && meant() {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		})
	}
	main()
}

// meant says whether this process is the one to be killed, and it was not yet.
func meant() bool {
	if who := os.Getenv("KIOSK_TEST_WHO"); who != "" && os.Args[1] != who {
		return false
	}
	if once := os.Getenv("KIOSK_TEST_ONCE"); once != "" {
		f, err := os.OpenFile(once, os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return false
		}
		_ = f.Close()
	}
	return true
}

// program runs the program; kill is the step at which it is killed, 0 for none.
func program(kill int, args ...string) (out string, killed bool, err error) {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "KIOSK_TEST_PROGRAM=1", "KIOSK_TEST_KILL="+strconv.Itoa(kill))
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	err = cmd.Run()
	if e, ok := errors.AsType[*exec.ExitError](err); ok && e.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return b.String(), true, nil
	}
	if err != nil {
		err = fmt.Errorf("kiosk %v: %w\n%s", args, err, b.String())
	}
	return b.String(), false, err
}

// sticks are two sticks of one hub, the second newer, and the root's fingerprint.
func sticks(t *testing.T) (first, second, root string) {
	t.Helper()
	w := publishtest.New(t)
	w.Now = time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
	w.Stamp()
	w.Show("p-a", "one", publishtest.Noise("a", 300_000), publishtest.Noise("b", 200_000))
	w.All()
	first = w.Copy()
	w.Show("p-a", "two", publishtest.Noise("b", 200_000), publishtest.Noise("c", 300_000))
	w.Edition("p-a")
	w.Sign()
	return first, w.Dir, trust.Fingerprint(w.Repo.Files["1.root.json"])
}

// sound says whether a data folder is whole: the machine reads it, and knows what
// plays.
func sound(data string) error {
	out, _, err := program(0, "plan", "--data", data, "--at", time.Now().Format(time.RFC3339), "--display", "d1")
	if err == nil && !strings.Contains(out, "main: s (playlist l") {
		err = fmt.Errorf("another plan: %s", out)
	}
	return err
}

// The real program is killed at each numbered step of taking a stick in. Whatever
// was there is whole, and the next run ends as if nothing had happened.
func TestImportKilledAtEveryStep(t *testing.T) {
	first, second, root := sticks(t)
	for n := 1; ; n++ {
		data := filepath.Join(t.TempDir(), "data")
		if _, _, err := program(0, "import", "--data", data, "--root", root, first); err != nil {
			t.Fatal(err)
		}
		_, killed, err := program(n, "import", "--data", data, second)
		if err != nil {
			t.Fatal(err)
		}
		if err := sound(data); err != nil {
			t.Fatalf("killed at step %d: %v", n, err)
		}
		if _, _, err := program(0, "import", "--data", data, second); err != nil {
			t.Fatalf("killed at step %d and done again: %v", n, err)
		}
		out, _, err := program(0, "verify", "--data", data)
		if err != nil || !strings.Contains(out, ": 0 missing, 0 damaged") {
			t.Fatalf("killed at step %d and done again: %v %s", n, err, out)
		}
		if !killed {
			if n < 5 {
				t.Errorf("there are only %d steps", n-1)
			}
			return
		}
	}
}

// mounted mounts something on a folder, or skips with the reason.
func mounted(t *testing.T, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", append(args, dir)...).CombinedOutput(); err != nil {
		t.Skipf("nothing can be mounted here: %v %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("%v %s", err, out)
		}
	})
	return dir
}

// A disk that fills up at any moment: what plays goes on, and once there is room
// again everything comes.
func TestImportOnAFullDisk(t *testing.T) {
	first, second, root := sticks(t)
	disk := mounted(t, "-t", "tmpfs", "-o", "size=64m", "tmpfs")
	data := filepath.Join(disk, "data")
	if _, _, err := program(0, "import", "--data", data, "--root", root, first); err != nil {
		t.Fatal(err)
	}
	full := 0
	for _, leave := range []int64{0, 4 << 10, 20 << 10, 60 << 10, 120 << 10, 250 << 10, 400 << 10} {
		ballast := filepath.Join(disk, "ballast")
		if err := fill(disk, ballast, leave); err != nil {
			t.Fatal(err)
		}
		if out, _, err := program(0, "import", "--data", data, second); err != nil {
			full++
		} else if strings.Contains(out, " 0 are missing") && leave == 0 {
			t.Error("a full disk took everything")
		}
		if err := sound(data); err != nil {
			t.Fatalf("with %d bytes left: %v", leave, err)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	}
	if full == 0 {
		t.Error("the disk was never full")
	}
	if _, _, err := program(0, "import", "--data", data, second); err != nil {
		t.Fatal(err)
	}
	if out, _, err := program(0, "verify", "--data", data); err != nil || !strings.Contains(out, ": 0 missing, 0 damaged") {
		t.Errorf("%v %s", err, out)
	}
}

// fill leaves so many bytes of a disk.
func fill(disk, path string, leave int64) error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(disk, &st); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, zeroes{}, int64(st.Bavail)*st.Bsize-leave)
	return errors.Join(err, f.Close())
}

type zeroes struct{}

func (zeroes) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// What a power cut would leave at each numbered step: there the backing file of a
// mounted ext4, which flushes nothing by itself, is copied. Each copy is mounted, and holds a
// machine that starts, knows what plays, and takes the stick in.
func TestCrashImages(t *testing.T) {
	first, second, root := sticks(t)
	image := filepath.Join(t.TempDir(), "disk.img")
	makeDisk(t, image)
	disk := mounted(t, "-o", "loop,commit=300", image)
	data := filepath.Join(disk, "data")
	if _, _, err := program(0, "import", "--data", data, "--root", root, first); err != nil {
		t.Fatal(err)
	}
	var copies []string
	for n, killed := 1, true; killed; n++ {
		var err error
		if _, killed, err = program(n, "import", "--data", data, second); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), fmt.Sprintf("cut-%d.img", n))
		copyDisk(t, image, path)
		copies = append(copies, path)
		// Back to the first stick's state for the next cut.
		if err := os.RemoveAll(data); err != nil {
			t.Fatal(err)
		}
		if _, _, err := program(0, "import", "--data", data, "--root", root, first); err != nil {
			t.Fatal(err)
		}
	}
	if len(copies) < 5 {
		t.Errorf("there are only %d cuts", len(copies))
	}
	for n, path := range copies {
		cut := filepath.Join(mounted(t, "-o", "loop", path), "data")
		if err := sound(cut); err != nil {
			t.Errorf("cut %d: %v", n, err)
		}
		if _, _, err := program(0, "import", "--data", cut, "--root", root, second); err != nil {
			t.Errorf("cut %d, and the stick again: %v", n, err)
		}
		if out, _, err := program(0, "verify", "--data", cut); err != nil || !strings.Contains(out, ": 0 missing, 0 damaged") {
			t.Errorf("cut %d, and the stick again: %v %s", n, err, out)
		}
	}
}
