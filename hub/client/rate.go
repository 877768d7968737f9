package client

import (
	"context"
	"fmt"
	"time"

	"cotmoc/hub/local"
)

// within says whether an instant lies in the hours of a day, such as 22:00-05:00.
// Without hours, or without a clock, every time will do.
func within(hours, zone string, at time.Time, clock bool) bool {
	if hours == "" || !clock {
		return true
	}
	var h1, m1, h2, m2 int
	if n, err := fmt.Sscanf(hours, "%d:%d-%d:%d", &h1, &m1, &h2, &m2); n != 4 || err != nil {
		return true
	}
	if z, err := time.LoadLocation(zone); err == nil {
		at = at.In(z)
	}
	now, from, to := at.Hour()*60+at.Minute(), h1*60+m1, h2*60+m2
	if from <= to {
		return from <= now && now < to
	}
	return now >= from || now < to
}

// pace keeps a transfer within the bandwidth, and ends it where something more
// urgent came up.
func (f *Fetch) pace(w local.Want, file local.File) func(context.Context, int64) int64 {
	began := time.Now()
	return func(ctx context.Context, came int64) int64 {
		if came > 0 {
			f.mu.Lock()
			f.speed.add(came, time.Since(began))
			f.mu.Unlock()
			f.progress(local.Progress{Arriving: map[string]int64{string(file.SHA256): came}})
			if w.Kbit > 0 {
				due := time.Duration(float64(came) * 8 / float64(w.Kbit) * float64(time.Millisecond))
				select {
				case <-ctx.Done():
				case <-time.After(due - time.Since(began)):
				}
			}
		}
		began = time.Now()
		now, ok := f.current()
		if first, found := f.next(now); !ok || !found || first.SHA256 != file.SHA256 {
			return 0
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		// Four seconds' worth: on slow lines little is lost, and little waits.
		return max(64<<10, int64(f.speed.rate()*4))
	}
}

// speed is the goodput of the last pieces.
type speed struct {
	bytes float64
	time  float64
}

func (s *speed) add(bytes int64, took time.Duration) {
	const fade = 0.9
	s.bytes, s.time = s.bytes*fade+float64(bytes), s.time*fade+took.Seconds()
}

// rate is in bytes a second; 0 while nothing came.
func (s *speed) rate() float64 {
	if s.time <= 0 {
		return 0
	}
	return s.bytes / s.time
}
