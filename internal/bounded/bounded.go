// Package bounded starts children that die with the process that started them
// and may take no more than they were given.
package bounded

import (
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// PDEATHSIG is sent when the thread that started a child ends, not when the
// process does. So one goroutine, locked to a thread that never ends, starts
// every child.
var spawner struct {
	once sync.Once
	jobs chan func()
}

// maxCPU is what a child may compute in seconds: a day's clip of 1080p takes
// less, and a file that keeps a decoder busy for nothing ends.
const maxCPU = 24 * 3600

// Start starts a child that dies with this process and may take so much memory,
// in bytes, and no more than maxCPU of computing.
func Start(cmd *exec.Cmd, memory uint64) error {
	spawner.once.Do(func() {
		spawner.jobs = make(chan func())
		go func() { // lives as long as the process, by design
			runtime.LockOSThread()
			for job := range spawner.jobs {
				job()
			}
		}()
	})
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	result := make(chan error)
	spawner.jobs <- func() { result <- cmd.Start() }
	if err := <-result; err != nil {
		return fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	limit := unix.Rlimit{Cur: memory, Max: memory}
	if err := unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_AS, &limit, nil); err != nil && err != unix.ESRCH {
		return fmt.Errorf("limit the memory of %s: %w", cmd.Path, err)
	}
	seconds := unix.Rlimit{Cur: maxCPU, Max: maxCPU}
	if err := unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_CPU, &seconds, nil); err != nil && err != unix.ESRCH {
		return fmt.Errorf("limit the time of %s: %w", cmd.Path, err)
	}
	return nil
}

// Tail keeps the last bytes that a child wrote, for its error message.
type Tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > 2048 {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-2048:]...)
	}
	return len(p), nil
}

func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}

// Reason is the last line of a child's complaint, or err's text.
func Reason(t *Tail, err error) string {
	lines := strings.Split(strings.TrimSpace(t.String()), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return last
	}
	return err.Error()
}
