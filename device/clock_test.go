package device

import (
	"testing"
	"time"
)

func TestTrust(t *testing.T) {
	floor := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		now               time.Time
		synced, confirmed bool
		want              bool
	}{
		"1970":                 {time.Unix(0, 0), false, false, false},
		"just before floor":    {floor.Add(-time.Nanosecond), false, false, false},
		"at the floor":         {floor, false, false, true},
		"400 days after":       {floor.Add(maxAhead), false, false, true},
		"a moment more":        {floor.Add(maxAhead + time.Nanosecond), false, false, false},
		"ten years on":         {floor.AddDate(10, 0, 0), false, false, false},
		"1970 but synced":      {time.Unix(0, 0), true, false, true},
		"ten years, confirmed": {floor.AddDate(10, 0, 0), false, true, true},
	} {
		k := NewClock(floor)
		k.Now, k.Synced = func() time.Time { return c.now }, func() bool { return c.synced }
		if c.confirmed {
			k.Confirm()
		}
		if got, why := k.Trusted(); got != c.want || why == "" {
			t.Errorf("%s: trusted %v (%s)", name, got, why)
		}
	}
}

func TestFloorOnlyRises(t *testing.T) {
	floor := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	now := floor.Add(time.Hour)
	c := NewClock(floor)
	c.Now, c.Synced = func() time.Time { return now }, func() bool { return false }
	if got := c.Floor(); !got.Equal(now) {
		t.Errorf("floor %v", got)
	}
	now = floor.Add(-time.Hour) // the clock steps back while playing
	if got := c.Floor(); !got.Equal(floor.Add(time.Hour)) {
		t.Errorf("floor fell to %v", got)
	}
	if ok, _ := c.Trusted(); ok {
		t.Error("a clock an hour behind what has passed is believed")
	}
	c.Raise(floor)
	if got := c.Floor(); !got.Equal(floor.Add(time.Hour)) {
		t.Errorf("floor fell to %v", got)
	}
}

func TestStepsEndsWhenToldTo(t *testing.T) {
	stop := make(chan struct{})
	ended := make(chan error, 1)
	go func() { ended <- Steps(stop, func() {}) }()
	close(stop)
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it goes on")
	}
}
