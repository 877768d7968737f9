package store

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"cotmoc/playlist"
)

func notice(id playlist.ID, lasts time.Duration) playlist.Notice {
	return playlist.Notice{ID: id, Severity: playlist.Severe, Starts: now, Ends: now.Add(lasts)}
}

func remaining(t *testing.T, s *State) map[playlist.ID]time.Duration {
	t.Helper()
	kept, err := s.Notices(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[playlist.ID]time.Duration{}
	for _, n := range kept {
		out[n.ID] = n.Remaining
	}
	return out
}

// A switch keeps what was kept already, adds what is new and drops the rest.
func TestSwitchKeepsNoticesWhereTheyStand(t *testing.T) {
	s := open(t, t.TempDir())
	ctx := t.Context()
	if err := s.SwitchEdition(ctx, Switch{Edition: "1", Notices: []playlist.Notice{notice("a", time.Hour), notice("b", time.Hour)}, At: now}); err != nil {
		t.Fatal(err)
	}
	if err := s.AgeNotices(ctx, 50*time.Minute, now.Add(50*time.Minute), false); err != nil {
		t.Fatal(err)
	}
	if err := s.SwitchEdition(ctx, Switch{Edition: "2", Notices: []playlist.Notice{notice("a", time.Hour), notice("c", 2*time.Hour)}, At: now}); err != nil {
		t.Fatal(err)
	}
	got := remaining(t, s)
	if len(got) != 2 || got["a"] != 10*time.Minute || got["c"] != 2*time.Hour {
		t.Errorf("remaining %v", got)
	}
	if id, err := s.Meta(ctx, "edition"); err != nil || id != "2" {
		t.Errorf("edition %q, %v", id, err)
	}
}

// A notice that is extended under its own id runs on by as much, also after it
// had ended; what came a moment ago has not aged by a minute.
func TestExtendedNoticesRunOn(t *testing.T) {
	s := open(t, t.TempDir())
	ctx := t.Context()
	step := func(lasts time.Duration) {
		t.Helper()
		if err := s.SwitchEdition(ctx, Switch{Edition: "e", Notices: []playlist.Notice{notice("a", lasts)}, At: now}); err != nil {
			t.Fatal(err)
		}
	}
	step(time.Hour)
	if err := s.AgeNotices(ctx, time.Minute, now.Add(5*time.Second), false); err != nil || remaining(t, s)["a"] != time.Hour-5*time.Second {
		t.Errorf("%v remain of what came five seconds ago, %v", remaining(t, s)["a"], err)
	}
	if err := s.AgeNotices(ctx, 2*time.Hour, now.Add(3*time.Hour), false); err != nil || remaining(t, s)["a"] != 0 {
		t.Errorf("%v remain, %v", remaining(t, s)["a"], err)
	}
	step(7 * time.Hour)
	if got := remaining(t, s)["a"]; got != 6*time.Hour {
		t.Errorf("extended by six hours, %v remain", got)
	}
	step(2 * time.Hour)
	if got := remaining(t, s)["a"]; got != time.Hour {
		t.Errorf("shortened by five hours, %v remain", got)
	}
}

// On a trusted clock what remains is what the clock leaves, so that an ended
// notice does not come back after a start without a clock.
func TestNoticesAgeByTheClock(t *testing.T) {
	s := open(t, t.TempDir())
	ctx := t.Context()
	if err := s.SwitchEdition(ctx, Switch{Edition: "1", Notices: []playlist.Notice{notice("a", time.Hour)}, At: now}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		at   time.Duration
		left time.Duration
	}{{-time.Hour, time.Hour}, {0, time.Hour}, {45 * time.Minute, 15 * time.Minute}, {time.Hour, 0}, {100 * time.Hour, 0}} {
		if err := s.AgeNotices(ctx, 0, now.Add(c.at), true); err != nil {
			t.Fatal(err)
		}
		if got := remaining(t, s)["a"]; got != c.left {
			t.Errorf("at %v: %v remain, want %v", c.at, got, c.left)
		}
	}
	// Without a clock an ended one stays ended.
	if err := s.AgeNotices(ctx, time.Minute, now, false); err != nil || remaining(t, s)["a"] != 0 {
		t.Errorf("%v, %v", remaining(t, s), err)
	}
}

// Whatever the order of ageing and switching, a notice never gains time.
func TestNoticesNeverGainTimeWithoutAClock(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s, err := openVolatile(t.Context(), nil)
		if err != nil {
			rt.Fatal(err)
		}
		defer s.Close()
		left := time.Hour
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			if rapid.Bool().Draw(rt, "switch") {
				err = s.SwitchEdition(t.Context(), Switch{Edition: "e", Notices: []playlist.Notice{notice("a", time.Hour)}, At: now})
			} else {
				passed := time.Duration(rapid.IntRange(0, 1500).Draw(rt, "seconds")) * time.Second
				err = s.AgeNotices(t.Context(), passed, now.Add(passed), false)
			}
			if err != nil {
				rt.Fatal(err)
			}
			kept, err := s.Notices(t.Context())
			if err != nil {
				rt.Fatal(err)
			}
			for _, n := range kept {
				if n.Remaining > left || n.Remaining < 0 {
					rt.Fatalf("%v remain after %v", n.Remaining, left)
				}
				left = n.Remaining
			}
		}
	})
}
