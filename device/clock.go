package device

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// BuildUnix is when this program was built, in Unix seconds; set by the linker.
var BuildUnix = "1793491200" // 1 November 2026

// maxAhead is how far a clock may be ahead of its floor and still be believed.
const maxAhead = 400 * 24 * time.Hour

// Clock says what time it is and whether that may be believed: the machine was
// synchronised since it booted, or its clock lies between the floor and 400
// days after it, or staff confirmed it at the machine.
type Clock struct {
	Now    func() time.Time
	Synced func() bool

	mu        sync.Mutex
	floor     time.Time
	synced    bool
	confirmed bool
}

// NewClock starts from the floor kept from the last run (zero: none).
func NewClock(kept time.Time) *Clock {
	c := &Clock{Now: time.Now, Synced: synchronised}
	if s, err := strconv.ParseInt(BuildUnix, 10, 64); err == nil {
		c.floor = time.Unix(s, 0)
	}
	c.Raise(kept)
	return c
}

// Raise lifts the floor to an instant that is known to have passed, such as a
// verified signature's. It never falls.
func (c *Clock) Raise(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.floor) {
		c.floor = t
	}
}

// Confirm is staff's word that the clock is right, until the next boot.
func (c *Clock) Confirm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.confirmed = true
}

// ClockState is why the clock is believed or not.
type ClockState string

// The states. The last two are not believed.
const (
	ClockSynced    ClockState = "synced"    // synchronised since boot
	ClockConfirmed ClockState = "confirmed" // by staff
	ClockPlausible ClockState = "plausible" // no earlier and not much later than what was known
	ClockBehind    ClockState = "behind"    // earlier than an instant that has passed
	ClockAhead     ClockState = "ahead"     // more than 400 days after it
)

// State says whether the clock is believed, and why.
func (c *Clock) State() ClockState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state(c.Now())
}

func (c *Clock) state(now time.Time) ClockState {
	if !c.synced {
		c.synced = c.Synced()
	}
	switch {
	case c.synced:
		return ClockSynced
	case c.confirmed:
		return ClockConfirmed
	case now.Before(c.floor):
		return ClockBehind
	case now.Sub(c.floor) > maxAhead:
		return ClockAhead
	}
	return ClockPlausible
}

// Trusted says whether the clock may be believed now, and why (not).
func (c *Clock) Trusted() (bool, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.Now()
	switch c.state(now) {
	case ClockSynced:
		return true, "synchronised since boot"
	case ClockConfirmed:
		return true, "confirmed by staff"
	case ClockBehind:
		return false, fmt.Sprintf("the clock says %s, earlier than %s, which has passed", now.UTC().Format(time.RFC3339), c.floor.UTC().Format(time.RFC3339))
	case ClockAhead:
		return false, fmt.Sprintf("the clock says %s, more than 400 days after %s", now.UTC().Format(time.RFC3339), c.floor.UTC().Format(time.RFC3339))
	}
	return true, "plausible"
}

// Floor is the instant to keep for the next run: now, if now may be believed.
func (c *Clock) Floor() time.Time {
	ok, _ := c.Trusted()
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.Now(); ok && now.After(c.floor) {
		c.floor = now
	}
	return c.floor
}

// synchronised asks the kernel whether a time service disciplines the clock.
func synchronised() bool {
	var tx unix.Timex
	state, err := unix.Adjtimex(&tx)
	const timeError = 5
	return err == nil && state != timeError && tx.Status&unix.STA_UNSYNC == 0
}

// Uptime is how long the machine has run, in seconds; 0 if it cannot tell.
func Uptime() int64 {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) != nil {
		return 0
	}
	return t.Sec
}

// Steps calls changed whenever somebody sets the wall clock, until stop is
// closed. It sleeps in the kernel meanwhile.
func Steps(stop <-chan struct{}, changed func()) error {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("watch the clock: %w", err)
	}
	defer unix.Close(fd)
	wake, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("watch the clock: %w", err)
	}
	defer unix.Close(wake)
	done := make(chan struct{})
	defer close(done)
	go func() { // ends with Steps
		select {
		case <-stop:
			unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		case <-done:
		}
	}()
	for {
		far := unix.ItimerSpec{Value: unix.NsecToTimespec(time.Now().Add(20 * 365 * 24 * time.Hour).UnixNano())}
		if err := unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, &far, nil); err != nil {
			return fmt.Errorf("watch the clock: %w", err)
		}
		polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(wake), Events: unix.POLLIN}}
		if _, err := unix.Poll(polled, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("watch the clock: %w", err)
		}
		if polled[1].Revents != 0 {
			return nil
		}
		if polled[0].Revents != 0 {
			var buf [8]byte
			if _, err := unix.Read(fd, buf[:]); errors.Is(err, unix.ECANCELED) {
				changed()
			}
		}
	}
}
