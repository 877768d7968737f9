package server

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"cotmoc/hub/server/desk"
	"cotmoc/internal/atomicfile"
)

// clockFile is what the watch on the clock keeps from one run to the next.
const clockFile = "clock.json"

// SinceBoot is how long this machine has run, suspended or not: time that nobody sets.
func SinceBoot() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// bootID names this run of the machine.
func bootID() string {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}

// watchClock makes the watch on this hub's clock, and goes on where the last run ended.
func (h *Hub) watchClock(o Options, config Config) error {
	var second func() (time.Time, bool)
	if config.TimeServer != "" {
		second = func() (time.Time, bool) {
			at, err := askTime(config.TimeServer, 3*time.Second)
			if err != nil {
				h.Log.Warn("The time server does not answer", "error", err)
			}
			return at, err == nil
		}
	}
	h.clock = desk.NewWatch(o.Now, o.Mono, second)
	raw, err := os.ReadFile(filepath.Join(h.Dir, clockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var kept desk.Kept
	if err == nil && json.Unmarshal(raw, &kept) == nil { // a damaged one is as none
		h.clock.Continue(kept, bootID())
	}
	return err
}

// keepClock keeps what the watch must know at the next start.
func (h *Hub) keepClock() error {
	if h.clock == nil {
		return nil
	}
	raw, err := json.Marshal(h.clock.Keep(bootID()))
	if err != nil {
		return fmt.Errorf("clock: %w", err)
	}
	return atomicfile.Write(filepath.Join(h.Dir, clockFile), raw, 0o600)
}

// lookAtClock compares the clock with everything else; it is done each minute.
func (h *Hub) lookAtClock(ctx context.Context) {
	if at, err := h.Desk.SignedLast(ctx); err == nil {
		h.clock.Signed(at)
	}
	was := h.clock.Held()
	err := h.clock.Look()
	if was == nil {
		h.report(ctx, "The clock cannot be believed", err)
	}
	h.report(ctx, "What is known of the clock was not kept", h.keepClock())
}

// ntpEpoch is where NTP's seconds begin.
var ntpEpoch = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)

// askTime asks a time server (RFC 4330).
func askTime(server string, within time.Duration) (time.Time, error) {
	if _, _, err := net.SplitHostPort(server); err != nil {
		server = net.JoinHostPort(server, "123")
	}
	c, err := net.DialTimeout("udp", server, within)
	if err != nil {
		return time.Time{}, fmt.Errorf("time server: %w", err)
	}
	defer c.Close()
	began := time.Now()
	_ = c.SetDeadline(began.Add(within))
	ask := make([]byte, 48)
	ask[0] = 4<<3 | 3                                                    // version 4, client
	binary.BigEndian.PutUint64(ask[40:], uint64(began.UnixNano())|1<<63) // comes back as it is: whose answer this is
	if _, err := c.Write(ask); err != nil {
		return time.Time{}, fmt.Errorf("time server: %w", err)
	}
	got := make([]byte, 48)
	n, err := c.Read(got)
	if err != nil {
		return time.Time{}, fmt.Errorf("time server: %w", err)
	}
	if n < 48 || got[0]&7 != 4 || got[0]>>6 == 3 || got[1] == 0 || got[1] > 15 || string(got[24:32]) != string(ask[40:48]) {
		return time.Time{}, errors.New("time server: it is not synchronised, or this is no answer")
	}
	seconds, fraction := binary.BigEndian.Uint32(got[40:]), binary.BigEndian.Uint32(got[44:])
	at := ntpEpoch.Add(time.Duration(seconds) * time.Second).Add(time.Duration(fraction) * time.Second >> 32)
	if seconds < 1<<31 { // NTP's seconds begin again in 2036
		at = at.Add((1 << 32) * time.Second)
	}
	return at.Add(time.Since(began) / 2), nil
}
