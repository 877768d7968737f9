package kiosk

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"runtime"
	"slices"
	"time"

	"cotmoc/internal/supervise"
	"cotmoc/player/link"
	"cotmoc/playlist"
)

// Status is what `kiosk status` prints.
type Status struct {
	Edition   string             `json:"edition"`
	Enrolled  bool               `json:"enrolled"`
	Now       time.Time          `json:"now"`
	Clock     ClockStatus        `json:"clock"`
	Inventory InventoryStatus    `json:"inventory"`
	Displays  []DisplayStatus    `json:"displays"`
	Children  []supervise.Status `json:"children"`
	Routines  int                `json:"goroutines"` // of kiosk itself
	Plays     int64              `json:"plays"`      // rows of proof
	Problems  []string           `json:"problems,omitempty"`
	Faults    []Fault            `json:"faults,omitempty"`
}

// ClockStatus says whether the clock is believed.
type ClockStatus struct {
	Trusted bool      `json:"trusted"`
	Why     string    `json:"why"`
	Floor   time.Time `json:"floor"`
}

// InventoryStatus is what the machine really holds.
type InventoryStatus struct {
	Files   int             `json:"files"`
	Bytes   int64           `json:"bytes"`
	Damaged []playlist.Hash `json:"damaged,omitempty"`
}

// DisplayStatus is what is on one display.
type DisplayStatus struct {
	ID        playlist.ID     `json:"id"`
	Place     playlist.ID     `json:"place"`
	Connected bool            `json:"connected"`
	Frames    uint64          `json:"frames"`
	Plan      []Decision      `json:"plan"`
	Showing   []*link.Showing `json:"showing"`
}

// Status sums up the running kiosk.
func (k *Kiosk) Status() Status {
	trusted, why := k.clock.Trusted()
	plays, err := k.state.CountPlays(context.Background())
	files, bytes := k.media.Usage()
	k.mu.Lock()
	defer k.mu.Unlock()
	st := Status{Now: k.clock.Now(), Clock: ClockStatus{trusted, why, k.clock.Floor()}, Plays: plays, Routines: runtime.NumGoroutine(),
		Inventory: InventoryStatus{files, bytes, k.media.Damaged()}, Faults: slices.Clone(k.faults)}
	if k.edition != nil {
		st.Edition = k.edition.ID
	}
	for subject, text := range k.problems {
		st.Problems = append(st.Problems, subject+": "+text)
	}
	if err != nil {
		st.Problems = append(st.Problems, err.Error())
	}
	for _, s := range k.screens {
		d := DisplayStatus{ID: s.display.ID, Place: s.display.Place, Connected: s.conn != nil, Frames: s.beat.Frames, Plan: s.plan}
		for _, show := range s.showing {
			copied := *show
			d.Showing = append(d.Showing, &copied)
		}
		slices.SortFunc(d.Showing, func(a, b *link.Showing) int { return cmp.Compare(a.Zone, b.Zone) })
		st.Displays = append(st.Displays, d)
		if s.child != nil {
			c := s.child.Status()
			st.Children = append(st.Children, c)
			if c.Problem != "" {
				st.Problems = append(st.Problems, c.Problem)
			}
		}
	}
	if c := k.sound.child; c != nil {
		st.Children = append(st.Children, c.Status())
	}
	slices.SortFunc(st.Displays, func(a, b DisplayStatus) int { return cmp.Compare(a.ID, b.ID) })
	slices.Sort(st.Problems)
	return st
}

// AskStatus asks the running kiosk of a folder.
func AskStatus(ctx context.Context, dir string) (*Status, error) {
	var dialer net.Dialer
	var raw net.Conn
	var err error
	for _, path := range SocketPaths(dir) {
		if raw, err = dialer.DialContext(ctx, "unix", path); err == nil {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("no kiosk is running on %s: %w", dir, err)
	}
	c := link.NewConn(raw)
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	if err := c.Send(link.Message{Kind: link.Ask}); err != nil {
		return nil, err
	}
	m, err := c.Receive()
	if err != nil {
		return nil, fmt.Errorf("the kiosk did not answer: %w", err)
	}
	var st Status
	if err := json.Unmarshal(m.Body, &st); err != nil {
		return nil, fmt.Errorf("the kiosk's answer: %w", err)
	}
	return &st, nil
}
