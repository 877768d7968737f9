package kiosk

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strconv"
	"time"

	"cotmoc/device"
	"cotmoc/internal/supervise"
	"cotmoc/player/link"
	"cotmoc/playlist"
)

// Status is what `kiosk status` prints.
type Status struct {
	Edition   string             `json:"edition"`
	Number    int64              `json:"number"` // of the snapshot that was accepted
	Enrolled  bool               `json:"enrolled"`
	Device    string             `json:"device,omitempty"`
	Place     string             `json:"place,omitempty"`
	Sync      *SyncStatus        `json:"sync,omitempty"`
	Now       time.Time          `json:"now"`
	Clock     ClockStatus        `json:"clock"`
	Inventory InventoryStatus    `json:"inventory"`
	Displays  []DisplayStatus    `json:"displays"`
	Children  []supervise.Status `json:"children"`
	Routines  int                `json:"goroutines"` // of kiosk itself
	Plays     int64              `json:"plays"`      // rows of proof
	Visits    VisitStatus        `json:"visits"`     // of today, at the library
	Problems  []string           `json:"problems,omitempty"`
	Faults    []Fault            `json:"faults,omitempty"`
}

// SyncStatus is how the machine stands with its hub.
type SyncStatus struct {
	Hub      string    `json:"hub"`
	Online   bool      `json:"online"`
	Heard    time.Time `json:"heard,omitzero"` // when the hub last said anything
	Age      int       `json:"heard_ago_s"`    // the same, in seconds
	Stream   bool      `json:"stream"`         // the hub tells at once
	Synced   time.Time `json:"synced,omitzero"`
	Rounds   int       `json:"rounds"`
	Error    string    `json:"error,omitempty"`
	Sent     int64     `json:"sent"` // bytes on the wire since fetch started
	Received int64     `json:"received"`
	Outbox   int64     `json:"outbox"` // rows of proof that the hub lacks
}

// VisitStatus sums up what visitors did today.
type VisitStatus struct {
	Visits  int64 `json:"visits"`
	Items   int64 `json:"items"`
	Missing int64 `json:"missing"` // searches that found nothing
}

func (k *Kiosk) visits(ctx context.Context) (v VisitStatus, err error) {
	k.touch.keep(ctx)
	counts, err := k.state.Counts(ctx, k.touch.today())
	for c, n := range counts {
		switch c.What {
		case "visit":
			v.Visits += n
		case "item":
			v.Items += n
		case "missing":
			v.Missing += n
		}
	}
	return v, err
}

// ClockStatus says whether the clock is believed.
type ClockStatus struct {
	Trusted bool      `json:"trusted"`
	Why     string    `json:"why"`
	Floor   time.Time `json:"floor"`

	State device.ClockState `json:"state"`
	Doubt *device.Doubt     `json:"doubt,omitempty"` // the clock and a signed time that contradict each other
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
	sync, number := k.syncStatus(context.Background())
	plays, err := k.state.CountPlays(context.Background())
	visits, err2 := k.visits(context.Background())
	err = errors.Join(err, err2)
	files, bytes := k.media.Usage()
	k.mu.Lock()
	defer k.mu.Unlock()
	st := Status{Visits: visits, Now: k.clock.Now(), Clock: ClockStatus{trusted, why, k.clock.Floor(), k.clock.State(), k.clock.Doubt()}, Plays: plays, Routines: runtime.NumGoroutine(),
		Inventory: InventoryStatus{files, bytes, k.media.Damaged()}, Faults: slices.Clone(k.faults)}
	if k.edition != nil {
		st.Edition = k.edition.ID
	}
	st.Sync, st.Number, st.Enrolled = sync, number, k.identity != nil
	if k.identity != nil {
		st.Device = k.identity.Device
	}
	if k.assignment != nil {
		st.Place = k.assignment.Place
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
	if c := k.touch.child; c != nil {
		st.Children = append(st.Children, c.Status())
	}
	if c := k.sound.child; c != nil {
		st.Children = append(st.Children, c.Status())
	}
	if c := k.fetch.child; c != nil && st.Enrolled {
		st.Children = append(st.Children, c.Status())
	}
	slices.SortFunc(st.Displays, func(a, b DisplayStatus) int { return cmp.Compare(a.ID, b.ID) })
	slices.Sort(st.Problems)
	return st
}

// syncStatus is nil where the machine belongs to no hub.
func (k *Kiosk) syncStatus(ctx context.Context) (*SyncStatus, int64) {
	accepted, _ := k.state.Meta(ctx, metaAccepted)
	number, _ := strconv.ParseInt(accepted, 10, 64) // 0: nothing was accepted yet
	k.mu.Lock()
	id := k.identity
	k.mu.Unlock()
	if id == nil {
		return nil, number
	}
	k.fetch.mu.Lock()
	s := &SyncStatus{Hub: id.Hub, Heard: k.fetch.heardAt, Online: k.fetch.online(), Stream: k.fetch.last.Stream, Synced: k.fetch.synced, Rounds: k.fetch.rounds,
		Error: k.fetch.last.Error, Sent: k.fetch.last.Sent, Received: k.fetch.last.Received}
	k.fetch.mu.Unlock()
	if !s.Heard.IsZero() {
		s.Age = int(time.Since(s.Heard).Seconds())
	}
	delivered, _ := k.state.Meta(ctx, metaDelivered)
	last, _ := strconv.ParseInt(delivered, 10, 64)
	if n, err := k.state.PlaysAfter(ctx, last); err == nil {
		s.Outbox = n
	}
	return s, number
}

// Brief is what the hub is told of a machine.
type Brief struct {
	Clock     ClockStatus     `json:"clock"`
	Inventory InventoryStatus `json:"inventory"`
	Missing   int             `json:"missing"`
	Displays  []BriefDisplay  `json:"displays"`
	Problems  []string        `json:"problems,omitempty"`
	Restarts  int             `json:"restarts"`
}

// BriefDisplay is what is on one display.
type BriefDisplay struct {
	ID       playlist.ID `json:"id"`
	Main     string      `json:"main"` // what won the main layer
	Playlist playlist.ID `json:"playlist"`
	Item     playlist.ID `json:"item,omitempty"`
	On       bool        `json:"on"` // its stage is connected
}

func (k *Kiosk) brief() Brief {
	st := k.Status()
	b := Brief{Clock: st.Clock, Inventory: st.Inventory, Problems: st.Problems}
	for _, c := range st.Children {
		b.Restarts += c.Restarts
	}
	for _, d := range st.Displays {
		row := BriefDisplay{ID: d.ID, On: d.Connected}
		for _, p := range d.Plan {
			if p.Layer == playlist.Main {
				row.Main, row.Playlist = p.Winner, p.Playlist
			}
		}
		if len(d.Showing) > 0 {
			row.Item = d.Showing[0].Item
		}
		b.Displays = append(b.Displays, row)
	}
	return b
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

// online says whether the hub is there: it answered the last question, or said so on its
// stream, and not longer ago than two of its pings.
func (f *fetcher) online() bool {
	if f.heardAt.IsZero() || f.conn == nil || !f.last.Online && !f.last.Stream {
		return false
	}
	return time.Since(f.heardAt) <= 2*max(f.last.Ping, time.Minute)+20*time.Second
}
