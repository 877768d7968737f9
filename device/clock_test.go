package device

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The contract's cases of whether a clock may be believed.
func TestVectors(t *testing.T) {
	raw, err := os.ReadFile("testdata/clock.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Floor time.Time
		Cases []struct {
			Name              string
			Now               time.Time
			Synced, Confirmed bool
			Heard             *time.Time
			Took, Age         int // seconds
			Expect            ClockState
			Trusted           bool
		}
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			mono := time.Hour
			now := c.Now.Add(-time.Duration(c.Age) * time.Second)
			k := testClock(Kept{Floor: file.Floor}, &now, &mono, c.Synced)
			if c.Heard != nil {
				k.Heard(*c.Heard, time.Duration(c.Took)*time.Second)
			}
			if c.Confirmed {
				k.Confirm()
			}
			now, mono = c.Now, mono+time.Duration(c.Age)*time.Second
			if got := k.State(); got != c.Expect {
				t.Errorf("it is %s, not %s", got, c.Expect)
			}
			if ok, why := k.Trusted(); ok != c.Trusted || why == "" {
				t.Errorf("trusted: %v (%s)", ok, why)
			}
		})
	}
	if len(file.Cases) < 20 {
		t.Errorf("only %d cases", len(file.Cases))
	}
}

func testClock(kept Kept, now *time.Time, mono *time.Duration, synced bool) *Clock {
	c := ContinueClock(kept)
	c.Now, c.Synced, c.Mono = func() time.Time { return *now }, func() bool { return synced }, func() time.Duration { return *mono }
	c.anchored = *mono
	return c
}

// A time service that stops is noticed: it is asked at each look.
func TestSynchronisedIsAskedAgain(t *testing.T) {
	synced := true
	c := NewClock(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC))
	c.Now, c.Synced = func() time.Time { return time.Unix(0, 0) }, func() bool { return synced }
	if c.State() != ClockSynced {
		t.Error(c.State())
	}
	synced = false
	if c.State() != ClockBehind {
		t.Error(c.State())
	}
}

// Whatever a hub signs, however often, and whatever the clock says, the floor does not run
// ahead of what passed by more than a day; what the root's holders sign sets it back.
func TestFloorIsNotLiftedFar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
		real, mono := start, time.Duration(0)
		wrong := time.Duration(rapid.Int64Range(0, int64(800*24*time.Hour)).Draw(t, "clock ahead by"))
		local := real.Add(wrong)
		c := testClock(Kept{Floor: start}, &local, &mono, false)
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			passed := time.Duration(rapid.Int64Range(0, int64(48*time.Hour)).Draw(t, "passes"))
			real, local, mono = real.Add(passed), local.Add(passed), mono+passed
			signed := real.Add(time.Duration(rapid.Int64Range(0, int64(1000*24*time.Hour)).Draw(t, "signed ahead by")))
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				c.Raise(signed)
			case 1:
				if signed.Sub(local).Abs() > maxDiffers { // two that are wrong alike cannot be told from two that are right
					c.Heard(signed, 0)
				}
			case 2:
				c = testClock(c.Keep(), &local, &mono, false)
			}
			if floor := c.Floor(); floor.After(real.Add(maxLift)) {
				t.Fatalf("the floor is %v ahead", floor.Sub(real))
			}
		}
		back := start.Add(time.Hour)
		if c.Lower(back); c.floor.After(back) {
			t.Fatalf("the floor stays at %v", c.floor)
		}
	})
}

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
