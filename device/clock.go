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

// Limits of what a clock may say and be believed.
const (
	maxAhead   = 400 * 24 * time.Hour // ahead of the floor
	maxLift    = 24 * time.Hour       // by which unproved times lift the floor, beyond what passed
	freshTime  = 10 * time.Minute     // for which a signed time contradicts the clock
	maxDiffers = 2 * time.Minute      // between a signed time and the clock
)

// Clock says what time it is and whether that may be believed: a fresh signed time agrees
// with it, or at least does not contradict it while the kernel keeps it synchronised, staff
// confirmed it at the machine, or it lies between the floor and 400 days after it.
//
// The floor is an instant that is known to have passed. What a hub signs by itself, and
// what a clock says that is merely plausible, lifts it by at most 24 hours beyond the time
// that passed since the last proof: the anchor.
type Clock struct {
	Now    func() time.Time
	Synced func() bool
	Mono   func() time.Duration // since boot, which nobody sets

	mu        sync.Mutex
	floor     time.Time
	anchor    time.Time // an instant that passed, by proof
	anchored  time.Duration
	confirmed bool
	heard     *heardTime
	differs   *Doubt
}

// heardTime is a signed time that answered a question of ours.
type heardTime struct {
	at   time.Time
	mono time.Duration
	took time.Duration // the answer took so long
}

// Doubt is a signed time and the clock that contradict each other.
type Doubt struct {
	Local  time.Time     `json:"local"`
	Signed time.Time     `json:"signed"` // as it would be at that moment
	Age    time.Duration `json:"age"`    // of the signed time
}

// Kept is what a clock keeps for the next run.
type Kept struct {
	Floor, Anchor time.Time
}

// SystemTime is what the machine's own clock says. A test of the whole program sets
// another before any clock is made.
var SystemTime = time.Now

// NewClock starts from the floor kept from the last run (zero: none).
func NewClock(kept time.Time) *Clock { return ContinueClock(Kept{Floor: kept}) }

// ContinueClock starts from what was kept from the last run.
func ContinueClock(kept Kept) *Clock {
	c := &Clock{Now: SystemTime, Synced: synchronised, Mono: SinceBoot}
	if s, err := strconv.ParseInt(BuildUnix, 10, 64); err == nil {
		c.floor = time.Unix(s, 0)
	}
	if kept.Anchor.IsZero() {
		kept.Anchor = kept.Floor
	}
	if kept.Floor.After(c.floor) {
		c.floor = kept.Floor
	}
	if c.anchor = c.floor; kept.Anchor.Before(c.floor) && !kept.Anchor.IsZero() {
		c.anchor = kept.Anchor
	}
	c.anchored = c.Mono()
	return c
}

// prove notes an instant that has passed by proof.
func (c *Clock) prove(t time.Time) {
	if t.After(c.reach()) || t.After(c.anchor.Add(c.Mono()-c.anchored)) {
		c.anchor, c.anchored = t, c.Mono()
	}
	if t.After(c.floor) {
		c.floor = t
	}
}

// reach is how far the floor may be lifted without proof.
func (c *Clock) reach() time.Time { return c.anchor.Add(c.Mono() - c.anchored).Add(maxLift) }

// Raise lifts the floor to an instant that a signature says has passed, but not further
// than 24 hours beyond what is proved. It never falls.
func (c *Clock) Raise(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raise(t)
}

func (c *Clock) raise(t time.Time) {
	if limit := c.reach(); t.After(limit) {
		t = limit
	}
	if t.After(c.floor) {
		c.floor = t
	}
}

// Lower sets the floor back to an instant that the root's holders have signed: what lifted
// it was wrong. It never goes below the time at which this program was built, and never
// lifts it.
func (c *Clock) Lower(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, err := strconv.ParseInt(BuildUnix, 10, 64); err == nil && t.Before(time.Unix(s, 0)) {
		t = time.Unix(s, 0)
	}
	if t.Before(c.floor) {
		c.floor, c.anchor, c.anchored, c.heard, c.differs = t, t, c.Mono(), nil, nil
	}
}

// Heard notes a signed time that answered a question which was asked took ago.
func (c *Clock) Heard(at time.Time, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = &heardTime{at: at, mono: c.Mono(), took: took}
	c.differs = nil
	now := c.Now()
	if c.doubt(now); c.differs == nil { // two clocks that know nothing of each other agree
		c.prove(at)
		return
	}
	c.raise(at)
}

// doubt looks whether the clock contradicts the signed time that was heard last. Once it
// did, it stays in doubt until they agree, another time is heard, or staff confirm it.
func (c *Clock) doubt(now time.Time) {
	h := c.heard
	if h == nil {
		return
	}
	age := c.Mono() - h.mono
	signed := h.at.Add(age)
	off := now.Sub(signed).Abs()
	switch {
	case off <= maxDiffers+h.took:
		c.differs = nil
	case age > freshTime && c.Synced(): // a time service keeps it, and nobody says otherwise any more
		c.differs = nil
	case age <= freshTime || c.differs != nil:
		c.differs = &Doubt{Local: now, Signed: signed, Age: age}
	}
}

// Confirm is staff's word that the clock is right, until the next boot.
func (c *Clock) Confirm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.confirmed, c.heard, c.differs = true, nil, nil
	c.prove(c.Now())
}

// ClockState is why the clock is believed or not.
type ClockState string

// The states. The last three are not believed.
const (
	ClockSynced    ClockState = "synced"    // a time service keeps it
	ClockConfirmed ClockState = "confirmed" // by staff
	ClockAgrees    ClockState = "agrees"    // with a signed time of the hub
	ClockPlausible ClockState = "plausible" // no earlier and not much later than what was known
	ClockDiffers   ClockState = "differs"   // from a fresh signed time
	ClockBehind    ClockState = "behind"    // earlier than an instant that has passed
	ClockAhead     ClockState = "ahead"     // more than 400 days after it
)

// State says whether the clock is believed, and why.
func (c *Clock) State() ClockState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state(c.Now())
}

// Doubt returns the two times that contradict each other, or nil.
func (c *Clock) Doubt() *Doubt {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.doubt(c.Now())
	return c.differs
}

func (c *Clock) state(now time.Time) ClockState {
	c.doubt(now)
	switch {
	case c.differs != nil:
		return ClockDiffers
	case c.Synced(): // asked each time: a service that stopped keeps no clock
		return ClockSynced
	case c.confirmed:
		return ClockConfirmed
	case c.heard != nil && c.Mono()-c.heard.mono <= freshTime:
		return ClockAgrees
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
	iso := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	switch c.state(now) {
	case ClockSynced:
		return true, "a time service keeps it"
	case ClockConfirmed:
		return true, "confirmed by staff"
	case ClockAgrees:
		return true, "it agrees with the hub's signed time"
	case ClockDiffers:
		return false, fmt.Sprintf("the clock says %s, the hub has signed %s", iso(c.differs.Local), iso(c.differs.Signed))
	case ClockBehind:
		return false, fmt.Sprintf("the clock says %s, earlier than %s, which has passed", iso(now), iso(c.floor))
	case ClockAhead:
		return false, fmt.Sprintf("the clock says %s, more than 400 days after %s", iso(now), iso(c.floor))
	}
	return true, "plausible"
}

// Floor is the instant that is known to have passed; where the clock may be believed, it
// is lifted to now first.
func (c *Clock) Floor() time.Time { return c.Keep().Floor }

// Keep is what to keep for the next run.
func (c *Clock) Keep() Kept {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.Now()
	switch c.state(now) {
	case ClockSynced, ClockConfirmed:
		c.prove(now)
	case ClockPlausible, ClockAgrees:
		c.raise(now)
	}
	passed := c.Mono() - c.anchored // across a start only what ran counts
	c.anchor, c.anchored = c.anchor.Add(passed), c.anchored+passed
	return Kept{Floor: c.floor, Anchor: c.anchor}
}

// synchronised asks the kernel whether a time service disciplines the clock.
func synchronised() bool {
	var tx unix.Timex
	state, err := unix.Adjtimex(&tx)
	const timeError = 5
	return err == nil && state != timeError && tx.Status&unix.STA_UNSYNC == 0
}

// SinceBoot is how long the machine has run, suspended or not.
func SinceBoot() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
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
