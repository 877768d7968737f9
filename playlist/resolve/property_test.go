package resolve

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cotmoc/playlist"
)

func drawSet(t *rapid.T) (*Set, []playlist.Schedule, Question) {
	seed := rapid.Uint64().Draw(t, "seed")
	r := rand.New(rand.NewPCG(seed, 3))
	zone := rapid.SampledFrom([]string{"Asia/Ho_Chi_Minh", "America/New_York", "Australia/Lord_Howe", "UTC"}).Draw(t, "zone")
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	var schedules []playlist.Schedule
	for i := range rapid.IntRange(0, 8).Draw(t, "schedules") {
		schedules = append(schedules, randomSchedule(r, i, 2026))
	}
	set, _ := Compile(schedules, nil, loc)
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.Int64Range(0, int64(366*24*time.Hour)).Draw(t, "at")))
	q := Question{At: at, Why: true, Available: map[playlist.ID]Availability{}}
	for i := range rapid.IntRange(0, 3).Draw(t, "limited") {
		from := at.Add(time.Duration(rapid.Int64Range(-int64(48*time.Hour), int64(48*time.Hour)).Draw(t, "from")))
		q.Available[playlist.ID(fmt.Sprintf("s%02d", i))] = Availability{Spans: []Span{{from, from.Add(5 * time.Hour)}, {from.Add(9 * time.Hour), time.Time{}}}}
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "notices") {
		from := at.Add(time.Duration(rapid.Int64Range(-int64(48*time.Hour), int64(48*time.Hour)).Draw(t, "starts")))
		n := playlist.Notice{ID: playlist.ID(fmt.Sprintf("n%d", i)), Severity: playlist.Severe, Starts: from, Ends: from.Add(6 * time.Hour)}
		if i > 0 && rapid.Bool().Draw(t, "cancels") {
			n.Cancels = []playlist.ID{"n0"}
		}
		q.Notices = append(q.Notices, Notice{Notice: n})
	}
	return set, schedules, q
}

// The answer is constant on [At, Next), and differs at Next.
func TestNextIsNeverWrong(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set, schedules, q := drawSet(t)
		a := set.Resolve(q)
		span := 30 * 24 * time.Hour
		if !a.Next.IsZero() {
			if !a.Next.After(q.At) {
				t.Fatalf("next %v is not after %v", a.Next, q.At)
			}
			later := q
			later.At = a.Next
			if set.Resolve(later).ID("d") == a.ID("d") {
				t.Fatalf("at next, %v, still %s\n%+v", a.Next, a.ID("d"), schedules)
			}
			span = a.Next.Sub(q.At)
		}
		for range 20 {
			within := q
			within.At = q.At.Add(time.Duration(rapid.Int64Range(0, int64(span)-1).Draw(t, "within")))
			if got := set.Resolve(within).ID("d"); got != a.ID("d") {
				t.Fatalf("at %v, before next %v: %s, not %s\n%+v", within.At, a.Next, got, a.ID("d"), schedules)
			}
		}
	})
}

func TestResolveIsDeterministicAndOrderIndependent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set, schedules, q := drawSet(t)
		a := set.Resolve(q)
		if b := set.Resolve(q); !reflect.DeepEqual(a, b) {
			t.Fatalf("two answers: %+v and %+v", a, b)
		}
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(schedules), func(i, j int) { schedules[i], schedules[j] = schedules[j], schedules[i] })
		again, _ := Compile(schedules, nil, set.loc)
		if b := again.Resolve(q); b.ID("d") != a.ID("d") || !b.Next.Equal(a.Next) {
			t.Fatalf("shuffled: %s until %v, not %s until %v", b.ID("d"), b.Next, a.ID("d"), a.Next)
		}
		known := len(set.schedules) + len(q.Notices)
		if a.ID("d") != "d" {
			known--
		}
		if len(a.Losers) != known {
			t.Fatalf("%d losers for %d rows beside the winner %s", len(a.Losers), known, a.ID("d"))
		}
	})
}

// Range is the same answer for every instant at once.
func TestRangeEqualsResolve(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set, schedules, q := drawSet(t)
		until := q.At.Add(time.Duration(rapid.Int64Range(1, int64(9*24*time.Hour)).Draw(t, "span")))
		segments := set.Range(q, q.At, until)
		at := q.At
		for _, s := range segments {
			if !s.Start.Equal(at) || !s.End.After(s.Start) {
				t.Fatalf("segment %v–%v does not follow %v", s.Start, s.End, at)
			}
			at = s.End
			one := q
			one.At = s.Start
			a := set.Resolve(one)
			if got := (Answer{Winner: s.Winner, Notice: s.Notice}).ID("d"); got != a.ID("d") {
				t.Fatalf("%v: Range %s, Resolve %s\n%+v", s.Start, got, a.ID("d"), schedules)
			}
			if s.End.Before(until) && !a.Next.Equal(s.End) {
				t.Fatalf("%v: Range changes at %v, Resolve at %v\n%+v", s.Start, s.End, a.Next, schedules)
			}
		}
		if !at.Equal(until) {
			t.Fatalf("segments end at %v, not %v", at, until)
		}
	})
}

func FuzzRule(f *testing.F) {
	for _, s := range []string{"0 8 * * MON-FRI", "*/2 * 1-5 JAN 7", "TZ=UTC", "@daily", "0 0 31 2 *", "0 8 * * 5-7/2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := parseRule(text)
		if err == nil && !r.possible() {
			t.Errorf("%q was taken and can never happen", text)
		}
	})
}

func benchSchedules() []playlist.Schedule {
	r := rand.New(rand.NewPCG(1, 1))
	rules := []string{"0 8 * * MON-FRI", "30 7 * * *", "0 22 * * *", "0 */2 * * *", "15 9 1 * *", "0 0 * * MON", "45 13 * 1-6 *"}
	var out []playlist.Schedule
	for i := range 1000 {
		s := playlist.Schedule{ID: playlist.ID(fmt.Sprintf("s%04d", i)), Playlist: "p", Priority: r.IntN(70), Starts: rules[r.IntN(len(rules))]}
		s.Lasts = playlist.Duration(time.Duration(10+r.IntN(240)) * time.Minute)
		switch i % 50 {
		case 0:
			s.Starts, s.Lasts = "* * * * *", playlist.Duration(40*time.Second) // minutely
		case 1:
			s.Starts, s.Lasts = "0 6 * * *", playlist.Duration(168*time.Hour) // week-long
		case 2:
			s.Starts, s.Lasts, s.Always = "", 0, true
		}
		out = append(out, s)
	}
	return out
}

func BenchmarkResolveInstant(b *testing.B) {
	loc, err := time.LoadLocation("Asia/Ho_Chi_Minh")
	if err != nil {
		b.Fatal(err)
	}
	set, err := Compile(benchSchedules(), nil, loc)
	if err != nil {
		b.Fatal(err)
	}
	at := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
	for b.Loop() {
		at = at.Add(617 * time.Second)
		set.Resolve(Question{At: at, Why: true})
	}
}

func BenchmarkResolveWeek(b *testing.B) {
	loc, err := time.LoadLocation("Asia/Ho_Chi_Minh")
	if err != nil {
		b.Fatal(err)
	}
	set, err := Compile(benchSchedules(), nil, loc)
	if err != nil {
		b.Fatal(err)
	}
	from := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
	for b.Loop() {
		set.Range(Question{}, from, from.AddDate(0, 0, 7))
	}
}
