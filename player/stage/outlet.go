package stage

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"time"

	"cotmoc/player/link"
	"cotmoc/playlist"
)

// Outlet is the stage's end of kiosk.sock. The stage outlives kiosk: while
// nobody listens, what was shown is kept (up to a bound) and told later, and
// the connection is tried again.
type Outlet struct {
	Socket  string
	Display playlist.ID

	mu      sync.Mutex
	backlog []link.Message
	more    chan struct{}
	playing map[playlist.ID]*link.Showing // by zone
	seq     uint64
	started bool
	sending int // messages taken and not yet sent
}

const maxBacklog = 20_000

// Send queues a message. It never blocks.
func (o *Outlet) Send(m link.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.playing == nil {
		o.playing = map[playlist.ID]*link.Showing{}
	}
	switch m.Kind {
	case link.Shown:
		copied := *m.Showing
		o.playing[m.Showing.Zone] = &copied
	case link.Ended:
		if now := o.playing[m.Showing.Zone]; now != nil && now.ID == m.Showing.ID {
			delete(o.playing, m.Showing.Zone)
		}
	case link.Ready:
		o.started = true
	case link.Beat:
		o.seq = m.Sequence
		// Only the newest beat matters.
		if n := len(o.backlog); n > 0 && o.backlog[n-1].Kind == link.Beat {
			o.backlog = o.backlog[:n-1]
		}
	}
	if m.Showing != nil { // what is queued must not change any more
		copied := *m.Showing
		m.Showing = &copied
	}
	o.backlog = append(o.backlog, m)
	if len(o.backlog) > maxBacklog {
		o.makeRoom()
	}
	if o.more != nil {
		select {
		case o.more <- struct{}{}:
		default:
		}
	}
}

// makeRoom drops a tenth of what waits: everything but proof of play first.
func (o *Outlet) makeRoom() {
	room := maxBacklog / 10
	o.backlog = slices.DeleteFunc(o.backlog, func(m link.Message) bool {
		drop := room > 0 && m.Kind != link.Ended
		if drop {
			room--
		}
		return drop
	})
	o.backlog = slices.Delete(o.backlog, 0, max(0, len(o.backlog)-maxBacklog))
}

func (o *Outlet) take() []link.Message {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := o.backlog
	o.backlog, o.sending = nil, len(all)
	return all
}

// putBack returns messages that could not be sent to the front of the queue.
func (o *Outlet) putBack(m []link.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.backlog, o.sending = append(m, o.backlog...), 0
}

// Drain waits until everything was told, at most so long.
func (o *Outlet) Drain(limit time.Duration) {
	deadline := time.Now().Add(limit)
	for time.Now().Before(deadline) {
		o.mu.Lock()
		rest := len(o.backlog) + o.sending
		o.mu.Unlock()
		if rest == 0 {
			return
		}
		pause(context.Background(), 10*time.Millisecond)
	}
}

// Serve connects to kiosk for as long as ctx lives and hands what it says to
// receive.
func (o *Outlet) Serve(ctx context.Context, receive func(link.Message)) error {
	o.mu.Lock()
	o.more = make(chan struct{}, 1)
	o.mu.Unlock()
	return link.Client{Socket: o.Socket, Greet: o.greet, Receive: receive, Pump: o.pump}.Serve(ctx)
}

func (o *Outlet) pump(ctx context.Context, conn *link.Conn) error {
	for {
		for batch := o.take(); len(batch) > 0; batch = batch[1:] {
			if err := conn.Send(batch[0]); err != nil {
				o.putBack(batch)
				return err
			}
			if len(batch) == 1 {
				o.mu.Lock()
				o.sending = 0
				o.mu.Unlock()
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-o.more:
		}
	}
}

// greet says who this is and, to a kiosk that was started again, what is on.
func (o *Outlet) greet(conn *link.Conn) error {
	o.mu.Lock()
	hello := link.Message{Kind: link.Hello, Role: "stage", Display: o.Display, PID: os.Getpid(), Sequence: o.seq}
	var playing []link.Message
	if o.started {
		playing = append(playing, link.Message{Kind: link.Ready})
	}
	for _, s := range o.playing {
		copied := *s
		playing = append(playing, link.Message{Kind: link.Shown, Showing: &copied, Reason: "still"})
	}
	o.mu.Unlock()
	err := conn.Send(hello)
	for _, m := range playing {
		err = errors.Join(err, conn.Send(m))
	}
	return err
}
