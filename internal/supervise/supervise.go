// Package supervise starts, watches, adopts and restarts child processes that
// outlive their parent.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"cotmoc/internal/atomicfile"
)

// Bounds of watching and restarting.
const (
	StartPatience = 20 * time.Second // from start to the first beat
	BeatPatience  = 5 * time.Second  // between beats
	adoptPatience = 3 * time.Second  // for a child of an earlier kiosk to say hello
	firstDelay    = 250 * time.Millisecond
	maxDelay      = 30 * time.Second
	healthyAfter  = time.Minute
	crashLoop     = 5 // restarts without a healthy minute between
	maxLog        = 1 << 20
)

// Child is one supervised process. Beat and Gone are called by whoever hears
// it; Serve does the rest.
type Child struct {
	Name string
	Path string
	Args []string
	Env  []string
	Dir  string // for its pid file and log

	mu       sync.Mutex
	pid      int
	started  time.Time
	lastBeat time.Time
	routines int
	hello    time.Time // when it said who it is
	restarts int
	streak   int
	problem  string
	gone     chan struct{}
	retired  bool // it is not started again
}

// Status is a child's state for people.
type Status struct {
	Name     string    `json:"name"`
	PID      int       `json:"pid"`
	Since    time.Time `json:"since,omitzero"`
	LastBeat time.Time `json:"last_beat,omitzero"`
	Restarts int       `json:"restarts"`
	Routines int       `json:"goroutines,omitempty"` // as its last beat said
	Problem  string    `json:"problem,omitempty"`
}

// Status returns the child's state.
func (c *Child) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Status{c.Name, c.pid, c.started, c.lastBeat, c.restarts, c.routines, c.problem}
}

// Hello notes that process pid has connected. It is not a beat: what it must do
// before its first picture or sound may still take long.
func (c *Child) Hello(pid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pid, c.hello = pid, time.Now()
}

// Beat notes a sign of life of a process that runs so many goroutines.
func (c *Child) Beat(routines int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hello.Before(c.started) {
		return // buffered words of a process that has ended
	}
	c.lastBeat, c.routines = time.Now(), routines
	if c.lastBeat.Sub(c.started) > healthyAfter {
		c.streak, c.problem = 0, ""
	}
}

// Gone notes that the child's connection closed; Serve then looks at once.
func (c *Child) Gone() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone != nil {
		select {
		case c.gone <- struct{}{}:
		default:
		}
	}
}

func (c *Child) pidFile() string { return filepath.Join(c.Dir, c.Name+".pid") }

// Serve keeps the child running until ctx ends. The child is left running
// then: whoever wants it to end says so over the socket, or calls Kill.
func (c *Child) Serve(ctx context.Context) error {
	c.mu.Lock()
	c.gone = make(chan struct{}, 1)
	c.mu.Unlock()
	exited := c.adopt(ctx)
	for ctx.Err() == nil && !c.isRetired() {
		if exited == nil {
			var err error
			if exited, err = c.start(); err != nil {
				c.note(err.Error())
			}
		}
		if exited != nil {
			c.watch(ctx, exited)
			exited = nil
		}
		if ctx.Err() == nil && !c.isRetired() {
			c.backOff(ctx)
		}
	}
	return ctx.Err()
}

// adopt takes over a child that an earlier parent left running. It returns nil
// if there is none.
func (c *Child) adopt(ctx context.Context) <-chan struct{} {
	raw, err := os.ReadFile(c.pidFile())
	if err != nil {
		return nil
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil || !c.isOurs(pid) {
		return nil
	}
	c.mu.Lock()
	if c.hello.IsZero() {
		c.pid = pid
	}
	c.started, c.lastBeat = time.Now(), time.Time{}
	if !c.hello.IsZero() {
		c.hello = c.started // it was quicker than we
	}
	c.mu.Unlock()
	deadline := time.Now().Add(adoptPatience)
	for ctx.Err() == nil && time.Now().Before(deadline) {
		if c.greeted() {
			exited := make(chan struct{})
			go c.poll(ctx, pid, exited) // ends with the process or ctx
			return exited
		}
		wait(ctx, 20*time.Millisecond)
	}
	c.kill(pid) // it is there but does not talk
	return nil
}

// Retire says that the child is not started again once it ends.
func (c *Child) Retire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retired = true
}

func (c *Child) isRetired() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.retired
}

func (c *Child) greeted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.hello.IsZero()
}

// isOurs guards against a process number that was given to another program.
func (c *Child) isOurs(pid int) bool {
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && filepath.Base(strings.TrimSuffix(exe, " (deleted)")) == filepath.Base(c.Path)
}

func (c *Child) poll(ctx context.Context, pid int, exited chan<- struct{}) {
	defer close(exited)
	for ctx.Err() == nil && c.isOurs(pid) {
		wait(ctx, 200*time.Millisecond)
	}
}

func (c *Child) start() (<-chan struct{}, error) {
	log, err := c.openLog()
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c.mu.Lock()
	cmd := exec.Command(c.Path, c.Args...)
	c.mu.Unlock()
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	c.mu.Lock()
	c.pid, c.started, c.lastBeat, c.hello = cmd.Process.Pid, time.Now(), time.Time{}, time.Time{}
	c.mu.Unlock()
	if err := atomicfile.Write(c.pidFile(), []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o644); err != nil {
		c.note(fmt.Sprintf("note the process number: %v", err))
	}
	exited := make(chan struct{})
	go func() { // ends with the process
		defer close(exited)
		if err := cmd.Wait(); err != nil {
			c.note(fmt.Sprintf("%s ended: %v", c.Name, err))
		}
	}()
	return exited, nil
}

func (c *Child) openLog() (*os.File, error) {
	path := filepath.Join(c.Dir, c.Name+".log")
	flags := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		flags = os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	}
	log, err := os.OpenFile(path, flags, 0o644)
	if err == nil {
		return log, nil
	}
	// A read-only or full disk must not keep the screen dark.
	log, nullErr := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if nullErr != nil {
		return nil, fmt.Errorf("open the log of %s: %w", c.Name, errors.Join(err, nullErr))
	}
	return log, nil
}

// watch returns when the child has ended, or after killing one that no longer beats.
func (c *Child) watch(ctx context.Context, exited <-chan struct{}) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-exited:
			return
		case <-c.gone:
			// Usually the process is ending: exited follows at once.
		case <-tick.C:
		}
		s := c.Status()
		silent := s.LastBeat.IsZero() && time.Since(s.Since) > StartPatience ||
			!s.LastBeat.IsZero() && time.Since(s.LastBeat) > BeatPatience
		if silent {
			c.note(fmt.Sprintf("%s gave no sign of life for %v and was restarted", c.Name, BeatPatience))
			c.kill(s.PID)
			select {
			case <-exited:
			case <-ctx.Done():
			case <-time.After(2 * time.Second):
			}
			return
		}
	}
}

// backOff waits before a restart: not at all after a healthy minute, then
// longer each time. A crash loop is one line of health, not a flood.
func (c *Child) backOff(ctx context.Context) {
	c.mu.Lock()
	c.restarts++
	if time.Since(c.started) > healthyAfter {
		c.streak = 0
	}
	c.streak++
	delay := time.Duration(0)
	if c.streak > 1 {
		delay = min(maxDelay, firstDelay<<min(c.streak-2, 10))
	}
	if c.streak >= crashLoop {
		c.problem = fmt.Sprintf("%s ended %d times in a row; it is tried again every %v (see %s.log)", c.Name, c.streak, delay, c.Name)
	}
	c.mu.Unlock()
	wait(ctx, delay)
}

func (c *Child) note(problem string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problem = problem
}

// Use has the child run with these arguments from now on: one that runs with others is
// ended, and started again by Serve.
func (c *Child) Use(args []string) {
	c.mu.Lock()
	same := slices.Equal(c.Args, args)
	c.Args = args
	c.mu.Unlock()
	if !same {
		c.Kill()
	}
}

// Kill ends the child at once, by its last known process number.
func (c *Child) Kill() { c.kill(c.Status().PID) }

func (c *Child) kill(pid int) {
	if pid > 1 && c.isOurs(pid) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			c.note(fmt.Sprintf("end %s: %v", c.Name, err))
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// Alive says whether the child's process exists.
func (c *Child) Alive() bool {
	pid := c.Status().PID
	return pid > 1 && c.isOurs(pid)
}
