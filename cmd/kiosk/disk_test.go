package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A disk whose writes begin to fail at any block: the machine plays what it had or
// what came, and once the disk is well again everything comes. The disk is a loop
// device whose backing store ends, so that the kernel answers EIO to whatever is
// written beyond.
func TestImportOnAFailingDisk(t *testing.T) {
	first, second, root := sticks(t)
	store := mounted(t, "-t", "tmpfs", "-o", "size=256m", "tmpfs")
	begun := filepath.Join(store, "begun.img")
	makeDisk(t, begun)
	onDisk(t, begun, func(data string) {
		if _, _, err := program(0, "import", "--data", data, "--root", root, first); err != nil {
			t.Fatal(err)
		}
	})
	offset, failed, blocks, told := rand.IntN(4), 0, 0, 0
	for n := offset; ; n += 4 {
		image := filepath.Join(store, "disk.img")
		copyDisk(t, begun, image)
		whole := false
		onDisk(t, image, func(data string) {
			limit(t, store, int64(n))
			_, _, err := program(0, "import", "--data", data, second)
			if err != nil {
				told++
			}
			// What failed may come to light only when the kernel writes back.
			whole = err == nil && exec.Command("sync", "-f", data).Run() == nil
		})
		limit(t, store, -1)
		if out, err := exec.Command(sbin("e2fsck"), "-fy", image).CombinedOutput(); err != nil && !strings.Contains(string(out), "FILE SYSTEM WAS MODIFIED") {
			t.Fatalf("after %d blocks: %v %s", n, err, out)
		}
		onDisk(t, image, func(data string) {
			if err := sound(data); err != nil {
				t.Errorf("after %d blocks: %v", n, err)
			}
			if _, _, err := program(0, "import", "--data", data, "--root", root, second); err != nil {
				t.Errorf("after %d blocks, and the stick again: %v", n, err)
			}
			if out, _, err := program(0, "verify", "--data", data); err != nil || !strings.Contains(out, ": 0 missing, 0 damaged") {
				t.Errorf("after %d blocks, and the stick again: %v %s", n, err, out)
			}
		})
		if whole {
			blocks = n
			break
		}
		failed++
	}
	if failed < 20 || told < 10 {
		t.Errorf("the disk failed only %d times within %d blocks, and the import said so %d times", failed, blocks, told)
	}
	t.Logf("the disk failed at %d places within %d blocks; the import said so at %d", failed, blocks, told)
}

func sbin(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	return "/sbin/" + name
}

// makeDisk makes an ext4 of 48 MB in a file.
func makeDisk(t *testing.T, image string) {
	t.Helper()
	if err := os.WriteFile(image, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 48<<20); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(sbin("mkfs.ext4"), "-q", "-F", image).CombinedOutput(); err != nil {
		t.Skipf("no ext4 can be made here: %v %s", err, out)
	}
}

func copyDisk(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", "--sparse=always", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
}

// onDisk does something with the data folder of a disk while it is mounted.
func onDisk(t *testing.T, image string, do func(data string)) {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-o", "loop,commit=300", image, dir).CombinedOutput(); err != nil {
		t.Skipf("nothing can be mounted here: %v %s", err, out)
	}
	defer func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("%v %s", err, out)
		}
	}()
	do(filepath.Join(dir, "data"))
}

// limit lets a tmpfs take so many blocks more; -1: as many as at first.
func limit(t *testing.T, dir string, blocks int64) {
	t.Helper()
	size := "size=256m"
	if blocks >= 0 {
		var st syscall.Statfs_t
		if err := syscall.Statfs(dir, &st); err != nil {
			t.Fatal(err)
		}
		size = fmt.Sprintf("size=%d", (int64(st.Blocks-st.Bfree)+blocks)*st.Bsize)
	}
	if out, err := exec.Command("mount", "-o", "remount,"+size, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
}
