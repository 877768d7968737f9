package playlist

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func clock(t testing.TB, text string) ClockTime {
	t.Helper()
	c, err := NewClockTime(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func at(t testing.TB, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func hours(t testing.TB, zone, from, to string) SideHours {
	return SideHours{Zone: zone, Weekly: []DayHours{{Open: clock(t, from), Close: clock(t, to)}}}
}

// Hữu Nghị opens 7:00 to 19:00 on both sides: Vietnam in UTC+7, China in UTC+8.
// The gate is open while both are.
func TestGateIsOpenWhileBothSidesAre(t *testing.T) {
	f := GateFact{Hours: []SideHours{hours(t, "Asia/Ho_Chi_Minh", "07:00", "19:00"), hours(t, "Asia/Shanghai", "07:00", "19:00")}}
	for _, c := range []struct {
		at   string
		open bool
		next string
	}{
		{"2027-03-01T06:59:59+07:00", false, "2027-03-01T07:00:00+07:00"}, // China opened at 6:00 of our time
		{"2027-03-01T07:00:00+07:00", true, "2027-03-01T18:00:00+07:00"},  // and closes at 18:00 of ours
		{"2027-03-01T17:59:59+07:00", true, "2027-03-01T18:00:00+07:00"},
		{"2027-03-01T18:00:00+07:00", false, "2027-03-02T07:00:00+07:00"},
		{"2027-03-01T23:30:00+07:00", false, "2027-03-02T07:00:00+07:00"},
	} {
		open, known, next := f.OpenAt(at(t, c.at))
		if open != c.open || !known || !next.Equal(at(t, c.next)) {
			t.Errorf("%s: open %v, next %v", c.at, open, next)
		}
	}
	if _, known, _ := (GateFact{}).OpenAt(at(t, "2027-03-01T08:00:00Z")); known {
		t.Error("without hours it claims to know")
	}
}

func TestHoursPastMidnightAndExceptions(t *testing.T) {
	s := hours(t, "Asia/Ho_Chi_Minh", "22:00", "04:00")
	s.Weekly[0].Days = []Weekday{Weekday(time.Friday)}
	s.Exceptions = []HoursException{
		{Date: Date{2027, time.March, 12}},
		{Date: Date{2027, time.March, 19}, Hours: []DayHours{{Open: clock(t, "08:00"), Close: clock(t, "09:00")}}},
	}
	for _, c := range []struct {
		at   string
		open bool
	}{
		{"2027-03-05T21:59:59+07:00", false},
		{"2027-03-05T22:00:00+07:00", true}, // Friday
		{"2027-03-06T03:59:59+07:00", true}, // past midnight it is still Friday's
		{"2027-03-06T04:00:00+07:00", false},
		{"2027-03-06T22:30:00+07:00", false}, // Saturday has none
		{"2027-03-12T22:30:00+07:00", false}, // closed that Friday
		{"2027-03-13T01:00:00+07:00", false},
		{"2027-03-19T08:30:00+07:00", true}, // other hours that Friday
		{"2027-03-19T22:30:00+07:00", false},
	} {
		if open, _ := s.OpenAt(at(t, c.at)); open != c.open {
			t.Errorf("%s: open %v", c.at, open)
		}
	}
}

// Whatever the hours: the answer holds until next, and differs there.
func TestNextChangeIsNeverWrong(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		side := func(zone string) SideHours {
			s := SideHours{Zone: zone}
			for range rapid.IntRange(0, 3).Draw(rt, "spans") {
				s.Weekly = append(s.Weekly, DayHours{Open: ClockTime(rapid.IntRange(0, 1439).Draw(rt, "open")), Close: ClockTime(rapid.IntRange(0, 1439).Draw(rt, "close")),
					Days: []Weekday{Weekday(rapid.IntRange(0, 6).Draw(rt, "day")), Weekday(rapid.IntRange(0, 6).Draw(rt, "day"))}})
			}
			return s
		}
		f := GateFact{Hours: []SideHours{side("Asia/Ho_Chi_Minh"), side("Asia/Shanghai")}}
		now := time.Unix(1_800_000_000+rapid.Int64Range(0, 700_000).Draw(rt, "at"), 0)
		open, _, next := f.OpenAt(now)
		end := next
		if end.IsZero() {
			end = now.Add(48 * time.Hour)
		}
		for i := range 20 {
			probe := now.Add(end.Sub(now) * time.Duration(i) / 20)
			if o, _, _ := f.OpenAt(probe); o != open {
				rt.Fatalf("open %v at %v, but %v at %v, before %v", open, now, o, probe, end)
			}
		}
		if !next.IsZero() {
			if o, _, _ := f.OpenAt(next); o == open {
				rt.Fatalf("nothing changes at %v", next)
			}
		}
	})
}

func TestStaleFactsAreSaidSoFromTheDayAfter(t *testing.T) {
	f := GateFact{ReviewBy: Date{2027, time.March, 1}}
	zone := time.FixedZone("ICT", 7*3600)
	if f.Stale(time.Date(2027, 3, 1, 23, 59, 59, 0, zone)) || !f.Stale(time.Date(2027, 3, 2, 0, 0, 0, 0, zone)) || (GateFact{}).Stale(time.Now()) {
		t.Error("a fact is stale from the day after its review_by, in the gate's zone")
	}
}

func TestSoundByDaypart(t *testing.T) {
	s := Sound{Volume: 50,
		Dayparts: []Daypart{{From: clock(t, "08:00"), To: clock(t, "12:00"), Level: 80}, {From: clock(t, "18:00"), To: clock(t, "18:00"), Level: 20}},
		Silent:   []Daypart{{From: clock(t, "21:00"), To: clock(t, "06:00"), Days: []Weekday{Weekday(time.Monday)}}}}
	for text, want := range map[string]int{
		"2027-03-01T07:00:00Z": 20, // Monday; from 18:00 to 18:00 is the whole day round
		"2027-03-01T08:00:00Z": 80,
		"2027-03-01T12:00:00Z": 20,
		"2027-03-01T21:00:00Z": 0,
		"2027-03-02T05:59:00Z": 0, // Tuesday morning is Monday's night
		"2027-03-02T06:00:00Z": 20,
		"2027-03-02T21:30:00Z": 20,
	} {
		if got := s.LevelAt(at(t, text)); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}
