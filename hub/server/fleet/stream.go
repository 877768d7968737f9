package fleet

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/json"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"cotmoc/hub/feed"
	"cotmoc/hub/server/desk"
	"cotmoc/playlist"
)

// Times of the stream. A ping keeps the connection through routers that forget, and
// finds those that died; with all headers it costs some 250 KB a day.
const (
	pingEvery    = 150 * time.Second
	pingAlert    = 15 * time.Second // while a notice runs at the machine's place
	restartAfter = 5                // seconds within which machines come back to a hub that goes down
	writeTime    = 2 * time.Second
	broadcasters = 32
)

// stream holds the connections on which devices wait. Once it is open a connection
// costs no goroutine and no buffer: events and pings are written by a few workers.
type stream struct {
	mu    sync.Mutex
	conns map[string]*waiting // by device
	last  atomic.Pointer[feed.Event]

	alerted atomic.Pointer[func(playlist.ID) bool] // whether a notice runs at a place
}

type waiting struct {
	conn  net.Conn
	boot  string
	place playlist.ID
	since time.Time
	mu    sync.Mutex // one writes at a time

	every time.Duration // between pings; under the stream's lock
	due   time.Time     // of the next one
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
	dev, c, ok := f.opened(w, r)
	if ok {
		f.add(dev, c) // outside the room: a machine that has read this may come again at once
	}
}

// opened admits a device and takes its connection over; else it has answered.
func (f *Fleet) opened(w http.ResponseWriter, r *http.Request) (dev desk.Device, c *waiting, ok bool) {
	key, _ := f.key(r)
	leave, ok := f.rooms.opening.Enter(key)
	if !ok {
		busy(w)
		return dev, nil, false
	}
	defer leave()
	if dev, ok = f.device(w, r, false); !ok {
		return dev, nil, false
	}
	boot := r.URL.Query().Get("boot")
	held, err := f.booted(r.Context(), dev, boot)
	switch {
	case err != nil:
		busy(w)
		return dev, nil, false
	case held:
		refuse(w, http.StatusForbidden, "held")
		return dev, nil, false
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		refuse(w, http.StatusInternalServerError, "no stream")
		return dev, nil, false
	}
	_ = conn.SetDeadline(time.Time{}) // where it fails, the first write does as well, and drops the stream
	return dev, &waiting{conn: conn, boot: boot, place: dev.Place, since: time.Now()}, true
}

// add lets a device's connection wait. It is among those that are told before it is known
// what was told last: nothing falls in between.
func (f *Fleet) add(dev desk.Device, c *waiting) {
	s, device := f.stream, string(dev.ID)
	c.every = f.pingOf(c.place)
	c.due = time.Now().Add(rand.N(c.every))
	c.mu.Lock() // nothing is written before the answer's head
	s.mu.Lock()
	old := s.conns[device]
	s.conns[device] = c
	s.mu.Unlock()
	hello := *s.last.Load()
	hello.Kind, hello.Assignment, hello.Ping = "hello", dev.Number, int(c.every/time.Second)
	ok := c.put(append([]byte(head), line(hello)...))
	c.mu.Unlock()
	if old != nil {
		old.conn.Close()
	}
	if !ok {
		s.drop(device, c)
	}
}

// pingOf is how often the machines of a place are told that the hub is there.
func (f *Fleet) pingOf(place playlist.ID) time.Duration {
	if alerted := f.stream.alerted.Load(); alerted != nil && (*alerted)(place) {
		return pingAlert
	}
	return pingEvery
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
	return c.put(b)
}

func (c *waiting) put(b []byte) bool {
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
func (s *stream) send(b []byte) { s.sendTo(s.all(), func(entry) []byte { return b }) }

func (s *stream) sendTo(to []entry, what func(entry) []byte) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(broadcasters, len(to)) {
		wg.Go(func() {
			for n := next.Add(1) - 1; n < int64(len(to)); n = next.Add(1) - 1 {
				if e := to[n]; !e.conn.write(what(e)) {
					s.drop(e.device, e.conn)
				}
			}
		})
	}
	wg.Wait()
}

// Announce tells everybody who waits of the newest edition.
func (f *Fleet) Announce(e feed.Event) {
	defer f.lookForAlerts(context.Background())
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

// Serve pings until ctx ends, and closes all streams then: machines are told to come back
// within some seconds.
func (f *Fleet) Serve(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	looked := time.Time{}
	for {
		select {
		case <-ctx.Done():
			f.stream.send(line(feed.Event{Kind: "restart", After: restartAfter}))
			for _, e := range f.stream.all() {
				f.stream.drop(e.device, e.conn)
			}
			return nil
		case now := <-tick.C:
			if now.Sub(looked) > pingAlert {
				looked = now
				f.lookForAlerts(ctx)
				f.dropDead()
			}
			f.pings(now)
		}
	}
}

// lookForAlerts finds out where notices run.
func (f *Fleet) lookForAlerts(ctx context.Context) {
	alerted, err := f.Desk.Alerted(ctx)
	if err != nil {
		f.Log.Warn("Where notices run is not known", "error", err)
		return
	}
	f.stream.alerted.Store(&alerted)
}

// pings writes to those whose ping is due, and tells those whose pings come at another pace
// from now on.
func (f *Fleet) pings(now time.Time) {
	changed := map[*waiting]bool{}
	var due []entry
	for _, e := range f.stream.all() {
		every := f.pingOf(e.conn.place)
		f.stream.mu.Lock()
		switch {
		case every != e.conn.every:
			e.conn.every, e.conn.due = every, now.Add(every/2+rand.N(every/2))
			changed[e.conn] = true
			due = append(due, e)
		case !now.Before(e.conn.due):
			e.conn.due = now.Add(every)
			due = append(due, e)
		}
		f.stream.mu.Unlock()
	}
	f.stream.sendTo(due, func(e entry) []byte {
		if changed[e.conn] {
			return line(feed.Event{Kind: "ping", Ping: int(f.pingOf(e.conn.place) / time.Second)})
		}
		return []byte(":\n\n")
	})
}

// dropDead ends the streams whose TCP connection is over: nothing else would tell before
// the next ping.
func (f *Fleet) dropDead() {
	for _, e := range f.stream.all() {
		if info := tcpInfo(e.conn.conn); info != nil && info.State != tcpEstablished {
			f.stream.drop(e.device, e.conn)
		}
	}
}

const tcpEstablished = 1

// tcpInfo is what the kernel knows of a connection; nil where it is none of TCP.
func tcpInfo(conn net.Conn) (info *unix.TCPInfo) {
	if over, ok := conn.(*tls.Conn); ok {
		conn = over.NetConn()
	}
	c, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	_ = raw.Control(func(fd uintptr) {
		info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	})
	return info
}

// Heard says how long ago each machine whose stream is open was heard last, by its TCP's
// acknowledgements.
func (f *Fleet) Heard() map[string]time.Duration {
	out := map[string]time.Duration{}
	for _, e := range f.stream.all() {
		if info := tcpInfo(e.conn.conn); info != nil {
			out[e.device] = time.Duration(info.Last_ack_recv) * time.Millisecond
		}
	}
	return out
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
