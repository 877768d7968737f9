// Package ffmpeg starts ffmpeg and ffprobe as bounded children: they die with
// the process that started them, open no playlist and no network, and have
// limits on memory and computing.
package ffmpeg

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
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

// formats are the containers that ffmpeg may open. Playlist formats (hls,
// concat, dash) are not among them: they would play other local files.
const formats = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,mpegtsraw,ogg,flv,asf,h264,hevc,m4v," +
	"mp3,flac,wav,aac,w64,aiff,caf,opus,ac3,gif,ivf"

// InputArgs names an input file so that ffmpeg opens it, and nothing else.
func InputArgs(path string) []string {
	return []string{"-protocol_whitelist", "file", "-format_whitelist", formats, "-i", "file:" + path}
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

// CheckFile refuses what is not a regular, non-empty file.
func CheckFile(path string) (os.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("media file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("media file %s is not a regular file", path)
	}
	if info.Size() == 0 {
		return nil, fmt.Errorf("media file %s is empty", path)
	}
	return info, nil
}
