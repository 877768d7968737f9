package main

import (
	"context"
	"errors"
	"path/filepath"
	"time"
)

// benchIdle: what a kiosk costs in a day that has nothing to do, counted at the
// network interface with all headers.
func benchIdle(ctx context.Context, l *lab) ([]result, error) {
	b, err := newBorder(ctx, l, "sync", 100)
	if err != nil {
		return nil, err
	}
	defer b.stop()
	if err := b.serve(ctx); err != nil {
		return nil, err
	}
	stop, err := slowLink(ctx, "1mbit")
	if err != nil {
		return nil, err
	}
	defer stop()
	kiosk := filepath.Join(l.work, "sync", "kiosk")
	if err := b.enrol(ctx, kiosk, "https://"+hubAddress+":"+doorPort, inNetns...); err != nil {
		return nil, err
	}
	for range 2 { // everything is here, and known, before it counts
		cmd, err := b.kioskAlone(ctx, kiosk, inNetns...)
		if err != nil {
			return nil, err
		}
		if err := b.settled(ctx, kiosk); err != nil {
			return nil, err
		}
		end(cmd)
	}
	start := onLink()
	cmd, err := b.kioskAlone(ctx, kiosk, inNetns...)
	if err != nil {
		return nil, err
	}
	defer end(cmd)
	if err := b.settled(ctx, kiosk); err != nil {
		return nil, err
	}
	hello := onLink() - start                          // a stream, a look, a report: more than an hour brings
	if err := rest(ctx, 110*time.Second); err != nil { // the connection that the hello used ends
		return nil, err
	}
	quiet := onLink()
	const watch = 5 * time.Minute // two pings
	if err := rest(ctx, watch); err != nil {
		return nil, err
	}
	pings := (onLink() - quiet) * float64(24*time.Hour) / float64(watch)
	return []result{{Name: "idle", Figures: map[string]float64{"pings_mb_per_day": pings / 1e6, "hello_kb": hello / 1000,
		"mb_per_day": (pings + 12*hello) / 1e6}}}, nil // a report each two hours
}

// settled waits until a kiosk listens and has said all that it has to say.
func (b *border) settled(ctx context.Context, kiosk string) error {
	for n := 0; !b.status(ctx, kiosk).Sync.Stream; n++ {
		if n > 300 {
			return errors.New("the stream did not open")
		}
		if err := rest(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return rest(ctx, 15*time.Second)
}

// rest waits for a time that is itself what is measured.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
