package proof

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cotmoc/player/link"
	"cotmoc/playlist"
	"cotmoc/playlist/store"
)

type disk struct {
	mu   sync.Mutex
	full bool
	rows []store.Play
	at   []time.Time
	pos  map[playlist.ID]playlist.Position
}

func (d *disk) Write(_ context.Context, b store.Batch) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full {
		return errors.New("no space left on device")
	}
	for _, p := range b.Plays {
		d.rows, d.at = append(d.rows, p), append(d.at, time.Now())
	}
	for id, p := range b.Positions["d"] {
		if d.pos == nil {
			d.pos = map[playlist.ID]playlist.Position{}
		}
		d.pos[id] = p
	}
	return nil
}

func ended(id string, index int) link.Message {
	return link.Message{Kind: link.Ended, Reason: "done", Showing: &link.Showing{ID: id, Playlist: "p", Item: "i", Position: &playlist.Position{Index: index}}}
}

// Rows are durable within ten seconds, and at the latest when the kiosk ends.
func TestRowsAreDurableInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		l := NewLog(d)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- l.Serve(ctx) }()
		time.Sleep(1100 * time.Millisecond)
		noted := time.Now()
		l.Ended("d", ended("1", 1))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.rows) != 1 || d.at[0].Sub(noted) > 10*time.Second {
			t.Fatalf("rows %d", len(d.rows))
		}
		d.mu.Unlock()
		l.Ended("d", ended("2", 2))
		cancel()
		<-done
		d.mu.Lock()
		if len(d.rows) != 2 || d.pos["p"].Index != 2 {
			t.Errorf("at the end: %d rows, position %+v", len(d.rows), d.pos["p"])
		}
	})
}

func TestAFullDiskLosesNothingAndIsSaid(t *testing.T) {
	d := &disk{full: true}
	l := NewLog(d)
	l.Ended("d", ended("1", 1))
	l.Flush(t.Context())
	l.Ended("d", ended("2", 2))
	l.Flush(t.Context())
	if l.Health() == nil {
		t.Error("nothing is said")
	}
	d.full = false
	l.Flush(t.Context())
	if len(d.rows) != 2 || d.rows[0].ID != "d/1" || d.pos["p"].Index != 2 {
		t.Errorf("%d rows, position %+v", len(d.rows), d.pos["p"])
	}
	if err := l.Health(); err != nil {
		t.Errorf("still said: %v", err)
	}
}
