package link

import (
	"time"

	"golang.org/x/sys/unix"
)

// Mono returns CLOCK_MONOTONIC in nanoseconds: the one clock that stage, sound
// and kiosk share and that never steps.
func Mono() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return time.Since(started).Nanoseconds()
	}
	return ts.Nano()
}

var started = time.Now()
