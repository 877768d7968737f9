package fleet

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"cotmoc/hub/feed"
	"cotmoc/hub/server/desk"
)

// Times of the stream. A ping keeps the connection through routers that forget, and
// finds those that died; with all headers it costs some 250 KB a day.
const (
	pingEvery    = 150 * time.Second
	writeTime    = 2 * time.Second
	broadcasters = 32
)

// stream holds the connections on which devices wait. Once it is open a connection
// costs no goroutine and no buffer: events and pings are written by a few workers.
type stream struct {
	mu    sync.Mutex
	conns map[string]*waiting // by device
	last  atomic.Pointer[feed.Event]
}

type waiting struct {
	conn  net.Conn
	boot  string
	since time.Time
	mu    sync.Mutex // one writes at a time
}

func newStream() *stream {
	s := &stream{conns: map[string]*waiting{}}
	s.last.Store(&feed.Event{Kind: "edition"})
	return s
}

const head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"

// events opens a device's stream. It begins with what is the newest, so that a
// device which missed something knows at once.
func (f *Fleet) events(w http.ResponseWriter, r *http.Request) {
	key, _ := f.key(r)
	leave, ok := f.rooms.opening.Enter(key)
	if !ok {
		busy(w)
		return
	}
	defer leave()
	dev, ok := f.device(w, r, false)
	if !ok {
		return
	}
	boot := r.URL.Query().Get("boot")
	if held, err := f.booted(r.Context(), dev, boot); err != nil || held {
		if err != nil {
			busy(w)
			return
		}
		refuse(w, http.StatusForbidden, "held")
		return
	}
	hello := *f.stream.last.Load()
	hello.Kind, hello.Assignment = "hello", dev.Number
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		refuse(w, http.StatusInternalServerError, "no stream")
		return
	}
	_ = c.SetDeadline(time.Time{})
	f.stream.add(string(dev.ID), &waiting{conn: c, boot: boot, since: time.Now()}, hello)
}

func (s *stream) add(device string, c *waiting, hello feed.Event) {
	s.mu.Lock()
	old := s.conns[device]
	s.conns[device] = c
	s.mu.Unlock()
	if old != nil {
		old.conn.Close()
	}
	if !c.write(append([]byte(head), line(hello)...)) {
		s.drop(device, c)
	}
}

func line(e feed.Event) []byte {
	raw, err := json.Marshal(e)
	if err != nil {
		return nil
	}
	return append(append([]byte("data: "), raw...), '\n', '\n')
}

func (c *waiting) write(b []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.conn.SetWriteDeadline(time.Now().Add(writeTime))
	_, err := c.conn.Write(b)
	return err == nil
}

func (s *stream) drop(device string, c *waiting) {
	s.mu.Lock()
	if s.conns[device] == c {
		delete(s.conns, device)
	}
	s.mu.Unlock()
	c.conn.Close()
}

type entry struct {
	device string
	conn   *waiting
}

func (s *stream) all() []entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]entry, 0, len(s.conns))
	for id, c := range s.conns {
		out = append(out, entry{id, c})
	}
	return out
}

// send writes bytes to everybody who waits, many at a time: one that does not read
// holds up nobody else.
func (s *stream) send(b []byte) {
	to := s.all()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(broadcasters, len(to)) {
		wg.Go(func() {
			for n := next.Add(1) - 1; n < int64(len(to)); n = next.Add(1) - 1 {
				if e := to[n]; !e.conn.write(b) {
					s.drop(e.device, e.conn)
				}
			}
		})
	}
	wg.Wait()
}

// Announce tells everybody who waits of the newest edition.
func (f *Fleet) Announce(e feed.Event) {
	bare := e
	bare.Files = nil // whoever opens a stream fetches them
	f.stream.last.Store(&bare)
	f.stream.send(line(e))
}

// Tell writes an event to one device, if it waits.
func (f *Fleet) Tell(device string, e feed.Event) {
	f.stream.mu.Lock()
	c := f.stream.conns[device]
	f.stream.mu.Unlock()
	if c != nil && !c.write(line(e)) {
		f.stream.drop(device, c)
	}
}

// Changed tells a device that staff changed what it holds.
func (f *Fleet) Changed(device string) {
	f.Forget()
	f.Tell(device, feed.Event{Kind: "assignment"})
}

// Cut ends a device's stream.
func (f *Fleet) Cut(device string) {
	f.stream.mu.Lock()
	c := f.stream.conns[device]
	f.stream.mu.Unlock()
	if c != nil {
		f.stream.drop(device, c)
	}
}

// Waiting says since when each device's stream is open.
func (f *Fleet) Waiting() map[string]time.Time {
	out := map[string]time.Time{}
	for _, e := range f.stream.all() {
		out[e.device] = e.conn.since
	}
	return out
}

// Serve pings until ctx ends, and closes all streams then.
func (f *Fleet) Serve(ctx context.Context) error {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			for _, e := range f.stream.all() {
				f.stream.drop(e.device, e.conn)
			}
			return nil
		case <-tick.C:
			f.stream.send([]byte(":\n\n"))
		}
	}
}

// devices remembers devices by their keys for a little while, so that a herd of
// them does not read the database once for each request.
type devices struct {
	mu    sync.Mutex
	byKey map[string]remembered
}

type remembered struct {
	dev desk.Device
	at  time.Time
}

// remember is how long; revoking forgets at once.
const remember = time.Minute

func newDevices() *devices { return &devices{byKey: map[string]remembered{}} }

func (d *devices) get(ctx context.Context, from *desk.Desk, public ed25519.PublicKey) (desk.Device, error) {
	d.mu.Lock()
	r, ok := d.byKey[string(public)]
	d.mu.Unlock()
	if ok && time.Since(r.at) < remember {
		return r.dev, nil
	}
	dev, err := from.DeviceByKey(ctx, public)
	if err != nil {
		return dev, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.byKey[string(public)] = remembered{dev, time.Now()}
	return dev, nil
}

// Forget drops what is remembered of all devices.
func (f *Fleet) Forget() {
	f.known.mu.Lock()
	defer f.known.mu.Unlock()
	clear(f.known.byKey)
}
