// Package proof turns what the stage says it showed into durable rows: proof of
// play. Rows are written in batches, at most Within after they happened.
package proof

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"cotmoc/player/link"
	"cotmoc/playlist"
	"cotmoc/playlist/store"
)

// Within is how long a row may wait for its batch.
const Within = 5 * time.Second

// maxRows wait in memory if the disk takes nothing; then the oldest are lost,
// and counted.
const maxRows = 50_000

// Writer takes a batch durably; store.State is one.
type Writer interface {
	Write(ctx context.Context, b store.Batch) error
}

// Log collects rows and writes them. It is safe for concurrent use.
type Log struct {
	to   Writer
	boot string

	// Noticed is called after proof of a notice was written: somebody waits for it.
	Noticed func()

	writing chan struct{} // one batch at a time: an older one that fails must not come after a newer
	mu      sync.Mutex
	batch   store.Batch
	lost    int
	lastErr error
}

// NewLog makes a log that writes to w.
func NewLog(w Writer) *Log { return &Log{to: w, boot: BootID(), writing: make(chan struct{}, 1)} }

// BootID names this boot of the machine, so that monotonic times can be
// compared and wall times corrected later.
func BootID() string {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(raw))
}

// Ended notes that a showing ended.
func (l *Log) Ended(display playlist.ID, m link.Message) {
	s := m.Showing
	if s == nil || s.ID == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.batch.Plays = append(l.batch.Plays, store.Play{
		ID: string(display) + "/" + s.ID, Boot: l.boot, Display: display, Zone: s.Zone, Layer: s.Layer, Schedule: s.Schedule,
		Playlist: s.Playlist, Edition: s.Edition, Item: s.Item, Version: s.Version, Language: s.Language,
		Mandatory: s.Mandatory, LateMS: s.LateMS, Start: s.Start, End: s.End, StartMono: s.StartMono, EndMono: s.EndMono,
		Trusted: s.Trusted, Reason: m.Reason,
	})
	l.bound() // a write may hang
	if s.Position != nil && s.Playlist != "" {
		if l.batch.Positions == nil {
			l.batch.Positions = map[playlist.ID]map[playlist.ID]playlist.Position{}
		}
		if l.batch.Positions[display] == nil {
			l.batch.Positions[display] = map[playlist.ID]playlist.Position{}
		}
		l.batch.Positions[display][s.Playlist] = *s.Position
	}
}

// Left notes the time left until each mandatory item is due.
func (l *Log) Left(display playlist.ID, left map[string]int64) {
	if len(left) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.batch.Mandatory == nil {
		l.batch.Mandatory = map[playlist.ID]map[playlist.ID]int64{}
	}
	rows := map[playlist.ID]int64{}
	for id, ms := range left {
		rows[playlist.ID(id)] = ms
	}
	l.batch.Mandatory[display] = rows
}

// Serve writes batches until ctx ends, and a last one then.
func (l *Log) Serve(ctx context.Context) error {
	tick := time.NewTicker(Within)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.Flush(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			l.Flush(last)
			return ctx.Err()
		}
	}
}

// Flush writes what waits. What cannot be written waits on.
func (l *Log) Flush(ctx context.Context) {
	select {
	case l.writing <- struct{}{}:
		defer func() { <-l.writing }()
	case <-ctx.Done(): // a write hangs: what waits goes with the next
		return
	}
	l.mu.Lock()
	batch := l.batch
	l.batch = store.Batch{}
	l.mu.Unlock()
	if batch.Empty() {
		return
	}
	err := l.to.Write(ctx, batch)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastErr = err
	if err == nil {
		if l.Noticed != nil && slices.ContainsFunc(batch.Plays, func(p store.Play) bool { return strings.HasPrefix(string(p.Schedule), playlist.NoticePrefix) }) {
			l.Noticed()
		}
		return
	}
	l.batch.Plays = append(batch.Plays, l.batch.Plays...)
	l.bound()
	// Newer positions and times left win over those that failed.
	l.batch.Positions = merged(batch.Positions, l.batch.Positions)
	l.batch.Mandatory = merged(batch.Mandatory, l.batch.Mandatory)
}

func (l *Log) bound() {
	if over := len(l.batch.Plays) - maxRows; over > 0 {
		l.batch.Plays = l.batch.Plays[over:]
		l.lost += over
	}
}

func merged[V any](older, newer map[playlist.ID]map[playlist.ID]V) map[playlist.ID]map[playlist.ID]V {
	if older == nil {
		return newer
	}
	for display, rows := range newer {
		if older[display] == nil {
			older[display] = map[playlist.ID]V{}
		}
		for id, v := range rows {
			older[display][id] = v
		}
	}
	return older
}

// Health says what is wrong, if anything is.
func (l *Log) Health() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lastErr != nil {
		return fmt.Errorf("proof of play waits in memory (%d rows, %d lost): %w", len(l.batch.Plays), l.lost, l.lastErr)
	}
	if l.lost > 0 {
		return fmt.Errorf("%d rows of proof of play were lost while the disk took no writes", l.lost)
	}
	return nil
}
