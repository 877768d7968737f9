package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"cotmoc/playlist"
	"cotmoc/playlist/resolve"
)

// thousand schedules, every fiftieth minutely, every fiftieth week-long.
func thousand() []playlist.Schedule {
	r := rand.New(rand.NewPCG(1, 1))
	rules := []string{"0 8 * * MON-FRI", "30 7 * * *", "0 22 * * *", "0 */2 * * *", "15 9 1 * *", "0 0 * * MON", "45 13 * 1-6 *"}
	var out []playlist.Schedule
	for i := range 1000 {
		s := playlist.Schedule{ID: playlist.ID(fmt.Sprintf("s%04d", i)), Playlist: "p", Priority: r.IntN(70), Starts: rules[r.IntN(len(rules))]}
		s.Lasts = playlist.Duration(time.Duration(10+r.IntN(240)) * time.Minute)
		switch i % 50 {
		case 0:
			s.Starts, s.Lasts = "* * * * *", playlist.Duration(40*time.Second)
		case 1:
			s.Starts, s.Lasts = "0 6 * * *", playlist.Duration(168*time.Hour)
		case 2:
			s.Starts, s.Lasts, s.Always = "", 0, true
		}
		out = append(out, s)
	}
	return out
}

func benchResolve(context.Context, *lab) ([]result, error) {
	loc, err := time.LoadLocation("Asia/Ho_Chi_Minh")
	if err != nil {
		return nil, err
	}
	set, err := resolve.Compile(thousand(), nil, loc)
	if err != nil {
		return nil, err
	}
	at := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
	var instant, week []float64
	for range 500 {
		at = at.Add(617 * time.Second)
		instant = append(instant, took(func() { set.Resolve(resolve.Question{At: at, Why: true}) }))
	}
	for range 15 {
		week = append(week, took(func() { set.Range(resolve.Question{}, at, at.AddDate(0, 0, 7)) }))
	}
	return []result{
		{Name: "resolve/instant", Figures: map[string]float64{"ms": median(instant), "schedules": 1000}},
		{Name: "resolve/week", Figures: map[string]float64{"ms": median(week), "schedules": 1000}},
	}, nil
}

func took(f func()) float64 {
	start := time.Now()
	f()
	return float64(time.Since(start).Nanoseconds()) / 1e6
}
