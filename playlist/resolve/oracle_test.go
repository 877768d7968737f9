package resolve

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/robfig/cron/v3"

	"cotmoc/playlist"
)

// oracle decides by walking every minute of the past in order. It shares no
// code with the resolver beyond robfig's Next.
type oracle struct {
	loc       *time.Location
	schedules []playlist.Schedule
	specs     []cron.Schedule
	starts    [][]time.Time // recent starts of each schedule
	seen      time.Time     // latest wall time that has happened
}

func newOracle(loc *time.Location, schedules []playlist.Schedule, from time.Time) *oracle {
	o := &oracle{loc: loc, schedules: schedules, starts: make([][]time.Time, len(schedules))}
	for _, s := range schedules {
		var spec cron.Schedule
		if s.Starts != "" {
			spec, _ = cron.ParseStandard(s.Starts)
		}
		o.specs = append(o.specs, spec)
	}
	o.seen = wallOf(from.Add(-time.Minute), loc)
	return o
}

func wallOf(t time.Time, loc *time.Location) time.Time {
	l := t.In(loc)
	return time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), 0, 0, time.UTC)
}

func dateAllowed(s playlist.Schedule, wall time.Time) bool {
	d := playlist.DateOf(wall)
	if !s.From.IsZero() && d.Compare(s.From) < 0 || !s.Until.IsZero() && d.Compare(s.Until) > 0 {
		return false
	}
	for _, e := range s.Except {
		if e == d.String() {
			return false
		}
	}
	return true
}

// minute takes in instant t (a whole minute) and returns the winner's index or -1.
func (o *oracle) minute(t time.Time) int {
	wall := wallOf(t, o.loc)
	for w := o.seen.Add(time.Minute); !w.After(wall); w = w.Add(time.Minute) {
		for i, s := range o.schedules {
			happens := o.specs[i] != nil && o.specs[i].Next(w.Add(-time.Second)).Equal(w)
			for _, at := range s.At {
				happens = happens || at.UTC().Equal(w)
			}
			if happens && dateAllowed(s, w) {
				o.starts[i] = append(o.starts[i], t)
			}
		}
		o.seen = w
	}
	best, bestKind := -1, 0
	var bestStart time.Time
	for i, s := range o.schedules {
		kind, start, covers := 0, time.Time{}, false
		switch {
		case s.Always:
			covers = dateAllowed(s, wall)
			if !s.From.IsZero() {
				start = time.Date(s.From.Year, s.From.Month, s.From.Day, 0, 0, 0, 0, o.loc)
			}
		default:
			kind = 1
			if len(s.At) > 0 {
				kind = 2
			}
			if n := len(o.starts[i]); n > 0 {
				start = o.starts[i][n-1]
				covers = t.Before(start.Add(s.Lasts.Std()))
				o.starts[i] = o.starts[i][n-1:]
			}
		}
		if !covers {
			continue
		}
		b := playlist.Schedule{}
		if best >= 0 {
			b = o.schedules[best]
		}
		switch {
		case best < 0, s.Priority > b.Priority,
			s.Priority == b.Priority && kind > bestKind,
			s.Priority == b.Priority && kind == bestKind && start.After(bestStart),
			s.Priority == b.Priority && kind == bestKind && start.Equal(bestStart) && s.ID < b.ID:
			best, bestKind, bestStart = i, kind, start
		}
	}
	return best
}

func randomSchedule(r *rand.Rand, id int, year int) playlist.Schedule {
	pick := func(options ...string) string { return options[r.IntN(len(options))] }
	date := func() playlist.Date {
		return playlist.DateOf(time.Date(year, 1, 1+r.IntN(365), 0, 0, 0, 0, time.UTC))
	}
	s := playlist.Schedule{ID: playlist.ID(fmt.Sprintf("s%02d", id)), Playlist: "p", Priority: r.IntN(3) * 10}
	lasts := []time.Duration{time.Minute, 7 * time.Minute, 30 * time.Minute, time.Hour, 90 * time.Minute, 8 * time.Hour, 24 * time.Hour, 168 * time.Hour}
	s.Lasts = playlist.Duration(lasts[r.IntN(len(lasts))])
	switch r.IntN(6) {
	case 0:
		s.Always, s.Lasts = true, 0
	case 1:
		for range 1 + r.IntN(4) {
			d := date()
			l, err := playlist.NewLocal(fmt.Sprintf("%sT%02d:%02d", d, r.IntN(24), r.IntN(60)))
			if err != nil {
				panic(err)
			}
			s.At = append(s.At, l)
		}
	default:
		s.Starts = fmt.Sprintf("%s %s %s %s %s", pick("0", "*", "30", "*/20", "5,35"), pick("2", "8", "*", "8-17", "*/3", "0,23"),
			pick("*", "*", "1", "*/2", "13"), pick("*", "*", "3", "11", "1-6"), pick("*", "*", "MON-FRI", "0", "5"))
	}
	if r.IntN(3) == 0 {
		s.From = date()
		s.Until = s.From.Add(r.IntN(200))
	}
	for range r.IntN(3) {
		s.Except = append(s.Except, date().String())
	}
	return s
}

func TestAgainstMinuteByMinuteOracle(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	zones := []string{"Asia/Ho_Chi_Minh", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Europe/London", "Asia/Shanghai"}
	months := 4 // a full two years are scanned over the sub-tests: 6 zones × 4 months
	for _, name := range zones {
		t.Run(name, func(t *testing.T) {
			loc, err := time.LoadLocation(name)
			if err != nil {
				t.Fatal(err)
			}
			year := 2024 + r.IntN(8)
			var schedules []playlist.Schedule
			for i := range 2 + r.IntN(6) {
				schedules = append(schedules, randomSchedule(r, i, year))
			}
			set, err := Compile(schedules, nil, loc)
			if err != nil {
				t.Skipf("a random rule can never fire: %v", err)
			}
			from := time.Date(year, time.Month([]int{1, 2, 3, 8, 9}[r.IntN(5)]), 1, 0, 0, 0, 0, time.UTC)
			checkMinutes(t, set, newOracle(loc, schedules, from.AddDate(0, 0, -8)), from, from.AddDate(0, months, 0))
		})
	}
}

func checkMinutes(t *testing.T, set *Set, o *oracle, from, until time.Time) {
	segments := set.Range(Question{}, from, until)
	var expectedChange time.Time
	last := -2
	for at := from.AddDate(0, 0, -8); at.Before(until); at = at.Add(time.Minute) {
		want := o.minute(at)
		if at.Before(from) {
			continue // warming up: occurrences last up to a week
		}
		wantID := "default"
		if want >= 0 {
			wantID = string(o.schedules[want].ID)
		}
		for len(segments) > 1 && !at.Before(segments[0].End) {
			segments = segments[1:]
		}
		if got := (Answer{Winner: segments[0].Winner}).ID("default"); got != wantID {
			t.Fatalf("%v: Range says %s, the oracle %s\n%+v", at, got, wantID, o.schedules)
		}
		if want == last && at.Unix()%(60*61) != 0 {
			continue
		}
		a := set.Resolve(Question{At: at})
		if got := a.ID("default"); got != wantID {
			t.Fatalf("%v: got %s, the oracle says %s\n%+v", at, got, wantID, o.schedules)
		}
		if want != last {
			if !expectedChange.IsZero() && !expectedChange.Equal(at) {
				t.Fatalf("winner changed at %v, next had promised %v\n%+v", at, expectedChange, o.schedules)
			}
			expectedChange, last = a.Next, want
		} else if !a.Next.Equal(expectedChange) {
			t.Fatalf("%v: next is %v, earlier it was %v\n%+v", at, a.Next, expectedChange, o.schedules)
		}
	}
}

func TestRuleAgainstNext(t *testing.T) {
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 2))
	for range 300 {
		s := randomSchedule(r, 0, 2026)
		if s.Starts == "" {
			continue
		}
		spec, err := cron.ParseStandard(s.Starts)
		if err != nil {
			t.Fatal(err)
		}
		s.From, s.Until, s.Except = playlist.Date{}, playlist.Date{}, nil
		c, err := compileOne(s, nil, time.UTC)
		if err != nil {
			continue
		}
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(r.IntN(365*24*3600)) * time.Second)
		z := zoneAt(time.UTC, at)
		for range 50 {
			want := spec.Next(at)
			got, ok := c.next(z, at.Add(time.Nanosecond), time.Time{})
			if !ok || !got.Equal(want) {
				t.Fatalf("%s after %v: %v, robfig says %v", s.Starts, at, got, want)
			}
			if back, ok := c.latest(z, got.Add(time.Second)); !ok || !back.Equal(got) {
				t.Fatalf("%s: latest start after %v is %v", s.Starts, got, back)
			}
			at = got
		}
	}
}
