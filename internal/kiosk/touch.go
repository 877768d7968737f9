package kiosk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"cotmoc/device"
	"cotmoc/hub/feed"
	"cotmoc/internal/supervise"
	"cotmoc/player/link"
	"cotmoc/playlist"
	"cotmoc/playlist/store"
)

// touchDesk is kiosk's end of the library: it tells it what is in force, raises its
// window above the stage's when somebody touches the screen, and lowers it when the
// visit is over, when a notice covers everything, or when the library says nothing for
// five seconds.
type touchDesk struct {
	k     *Kiosk
	child *supervise.Child

	mu      sync.Mutex
	conn    *link.Conn
	pid     int
	ready   bool
	display playlist.Display
	sent    string // the choice that it was told last
	up      bool   // its window is on top
	counts  map[store.Count]int64
}

// choice is what the library shows; ui/touch/library reads it.
type choice struct {
	Edition   string           `json:"edition"`
	Withdrawn []playlist.ID    `json:"withdrawn,omitempty"`
	Display   playlist.Display `json:"display"`
	Trusted   bool             `json:"trusted"`
	Files     int              `json:"files"` // that are here: more of them is another library
}

func newTouchDesk(k *Kiosk) *touchDesk {
	d := &touchDesk{k: k, counts: map[store.Count]int64{}}
	path := filepath.Join(k.cfg.Binaries, "touch")
	if _, err := os.Stat(path); err == nil && !k.cfg.NoChildren {
		d.child = &supervise.Child{Name: "touch", Path: path, Dir: filepath.Join(k.cfg.Dir, "run"), Env: []string{"LANG=vi_VN.UTF-8"}}
	}
	return d
}

// How often the library's display and monitor are looked at, before it runs and then.
const (
	findEvery = time.Second
	lookEvery = 5 * time.Second
)

// Serve starts the library once one of the machine's displays is for touch, and keeps it
// running there: another display, or a screen that was plugged, unplugged or set to
// another size, is followed.
func (d *touchDesk) Serve(ctx context.Context) error {
	tick := time.NewTicker(findEvery)
	defer tick.Stop()
	g, ctx := errgroup.WithContext(ctx)
	for started := false; ; {
		if mine, ok := d.k.touchDisplay(); ok {
			d.moved(mine)
			args, seen := d.args(mine)
			switch {
			case d.child == nil:
			case !started: // one that runs from before is adopted as it is
				started, d.child.Args = true, args
				g.Go(func() error { return d.child.Serve(ctx) })
				tick.Reset(lookEvery)
			case seen:
				d.child.Use(args)
			}
		}
		select {
		case <-ctx.Done():
			return g.Wait()
		case <-tick.C:
		}
	}
}

// moved notes which display is the library's. A visit on another one is over.
func (d *touchDesk) moved(to playlist.Display) {
	d.mu.Lock()
	from := d.display
	d.mu.Unlock()
	if from.ID == to.ID {
		return // what else changed of it, follow sees
	}
	d.lower()
	d.mu.Lock()
	d.display = to
	d.mu.Unlock()
	d.settle(to.ID) // a library that was there before its display was known has not been
	d.k.Nudge()
}

// args are the library's command line for a display on the monitor that it has now. seen
// is false where no monitor could be asked for.
func (d *touchDesk) args(mine playlist.Display) (args []string, seen bool) {
	at := image.Rect(0, 0, mine.Width, mine.Height)
	if s, err := device.OpenScreen(); err == nil {
		if monitors := s.Monitors(); len(monitors) > 0 {
			at, seen = monitors[min(d.k.monitorOf(mine.ID), len(monitors)-1)], true
		}
		s.Close()
	}
	size := fmt.Sprintf("%dx%d+%d+%d", at.Dx(), at.Dy(), at.Min.X, at.Min.Y)
	return append([]string{"--socket", d.k.socket(), "--data", d.k.cfg.Dir, "--display", string(mine.ID), "--size", size, "--mm", strconv.Itoa(mine.WidthMM)}, d.k.cfg.TouchArgs...), seen
}

// touchDisplay is the first of this machine's displays that can be touched.
func (k *Kiosk) touchDisplay() (playlist.Display, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.firstTouch()
}

// firstTouch is touchDisplay for whoever holds the lock.
func (k *Kiosk) firstTouch() (first playlist.Display, ok bool) {
	for _, d := range k.mine() {
		if (d.Role == playlist.RoleBoth || d.Role == playlist.RoleTouch) && (!ok || d.ID < first.ID) {
			first, ok = d, true
		}
	}
	return first, ok
}

func (k *Kiosk) monitorOf(id playlist.ID) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.monitor(id, k.mine())
}

// serve talks with the library until it goes.
func (d *touchDesk) serve(ctx context.Context, c *link.Conn, hello link.Message) {
	d.mu.Lock()
	d.conn, d.pid, d.ready, d.sent = c, hello.PID, false, ""
	if d.child != nil {
		d.child.Hello(hello.PID)
	}
	d.mu.Unlock()
	d.k.staff.leave() // whoever was in before
	d.k.Nudge()       // it is told what is in force
	for {
		m, err := c.Receive()
		if err != nil {
			break
		}
		if m.Kind == link.Staff {
			d.k.staff.answer(ctx, c, m.Body)
			continue
		}
		d.hear(m)
	}
	d.mu.Lock()
	last := d.conn == c
	if last {
		d.conn, d.ready = nil, false
		if d.child != nil {
			d.child.Gone()
		}
	}
	d.mu.Unlock()
	if last {
		d.k.staff.leave()
		d.lower()
	}
}

func (d *touchDesk) hear(m link.Message) {
	switch m.Kind {
	case link.Ready:
		d.mu.Lock()
		d.ready, d.up = true, false
		// A kiosk before this one may have left a visit going, and the stage covered.
		d.conn.Post(link.Message{Kind: link.Wipe})
		display := d.display.ID
		d.mu.Unlock()
		d.settle(display)
		d.k.Nudge() // a display for touch alone raises it
	case link.Beat:
		if d.child != nil {
			d.child.Beat(m.Routines)
		}
	case link.Wiped:
		d.k.staff.leave()
		d.mu.Lock()
		always := d.display.Role == playlist.RoleTouch
		d.mu.Unlock()
		if !always { // a display for touch alone begins at home again
			d.lower()
		}
	case link.Play:
		d.k.sound.visitor(m)
	case link.Gain:
		d.k.sound.visitorLevel(m.Level)
	case link.Count:
		d.count(m.Body)
	case link.Fault:
		d.k.fault("touch", m.Reason)
	}
}

// invites says whether the stage of a display invites to touch. It does so also while
// the library is being started again: the picture must not jump.
// The kiosk's lock is held.
func (d *touchDesk) invites(display playlist.Display) bool {
	first, ok := d.k.firstTouch()
	return d.child != nil && ok && first.ID == display.ID && display.Role == playlist.RoleBoth
}

// settle puts the window on top that belongs there, and tells the stage of it: after a
// stage, a library or a kiosk was started again.
func (d *touchDesk) settle(display playlist.ID) {
	d.mu.Lock()
	mine, up, pid := display == d.display.ID, d.up, d.pid
	d.mu.Unlock()
	switch {
	case mine && up:
		d.k.post(display, link.Message{Kind: link.Cover})
		d.top(pid)
	case mine:
		d.k.post(display, link.Message{Kind: link.Uncover})
		d.top(d.stage())
	}
}

// touched is what a touch of the stage does: the library comes up.
func (d *touchDesk) touched(display playlist.ID) {
	if d.k.covered(display) {
		return
	}
	d.mu.Lock()
	ok := d.conn != nil && d.ready && display == d.display.ID && !d.up
	if ok {
		d.conn.Post(link.Message{Kind: link.Home})
	}
	d.mu.Unlock()
	if ok {
		d.raise()
	}
}

// covered says whether a notice covers a display.
func (k *Kiosk) covered(display playlist.ID) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.screens[display]
	return s != nil && s.prog != nil && s.prog.Notice != nil
}

func (d *touchDesk) raise() {
	d.mu.Lock()
	d.up = true
	display := d.display.ID
	d.mu.Unlock()
	d.settle(display)
}

// lower puts the stage on top again, and lets it go on.
func (d *touchDesk) lower() {
	d.mu.Lock()
	was, display := d.up, d.display.ID
	d.up = false
	d.mu.Unlock()
	if !was {
		return
	}
	d.settle(display)
	d.k.sound.visitor(link.Message{Kind: link.Play})
}

// stage is the process of the display's stage; 0 for none.
func (d *touchDesk) stage() int {
	d.mu.Lock()
	id := d.display.ID
	d.mu.Unlock()
	d.k.mu.Lock()
	defer d.k.mu.Unlock()
	if s := d.k.screens[id]; s != nil {
		return s.pid
	}
	return 0
}

// top raises the window of one of our children.
func (d *touchDesk) top(pid int) {
	if d.k.cfg.NoChildren || pid == 0 {
		return
	}
	s, err := device.OpenScreen()
	if err == nil {
		err = s.Raise(pid)
		s.Close()
	}
	text := ""
	if err != nil && !errors.Is(err, device.ErrNoWindow) { // one that is being started comes up on top
		text = err.Error()
	}
	d.k.problem("windows", text)
}

// post sends a message to a display's stage.
func (k *Kiosk) post(display playlist.ID, m link.Message) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.screens[display]; s != nil && s.conn != nil {
		s.conn.Post(m)
	}
}

// follow tells the library what is in force, when it changed; a notice ends the visit.
// It is called with the kiosk's lock held.
func (d *touchDesk) follow(withdrawn []playlist.ID, trusted bool) {
	files, _ := d.k.media.Usage()
	d.mu.Lock()
	defer d.mu.Unlock()
	notice := false
	if s := d.k.screens[d.display.ID]; s != nil && s.prog != nil {
		notice = s.prog.Notice != nil
	}
	if d.conn == nil || d.display.ID == "" { // what is shown depends on the place
		return
	}
	if fresh, ok := d.k.mine()[d.display.ID]; ok {
		d.display = fresh
	}
	c := choice{Display: d.display, Trusted: trusted, Withdrawn: withdrawn, Files: files}
	if d.k.edition != nil {
		c.Edition = d.k.edition.ID
	}
	raw, err := json.Marshal(c)
	if err != nil || c.Edition == "" {
		return
	}
	if string(raw) != d.sent {
		d.sent = string(raw)
		d.conn.Post(link.Message{Kind: link.Edition, Body: raw})
	}
	switch { // beside: the kiosk's lock is held here
	case notice && d.up:
		d.conn.Post(link.Message{Kind: link.Wipe})
		go d.lower()
	case !notice && !d.up && d.ready && d.display.Role == playlist.RoleTouch:
		d.conn.Post(link.Message{Kind: link.Home})
		go d.raise()
	}
}

func (d *touchDesk) quit() []*supervise.Child {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.child == nil {
		return nil
	}
	d.child.Retire()
	if d.conn != nil {
		d.conn.Post(link.Message{Kind: link.Quit})
	}
	return []*supervise.Child{d.child}
}

// count adds one to what visitors did on this local day.
func (d *touchDesk) count(raw []byte) {
	var c store.Count
	if json.Unmarshal(raw, &c) != nil {
		return
	}
	c.Day = d.today()
	if !(feed.Count{Day: c.Day.String(), What: c.What, Item: string(c.Item), Language: string(c.Language), N: 1}).Valid() { // a clock of 1970 too
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.counts) < maxWaiting {
		d.counts[c]++
	}
}

// today is the local date at the place.
func (d *touchDesk) today() playlist.Date {
	d.mu.Lock()
	place := d.display.Place
	d.mu.Unlock()
	d.k.mu.Lock()
	zone := d.k.catalogue().ZoneOf(place)
	d.k.mu.Unlock()
	return playlist.DateOf(d.k.Instant().In(zone))
}

// maxWaiting bounds what waits to be kept.
const maxWaiting = 10_000

// keep makes the counts durable. What cannot be written waits for the next time.
func (d *touchDesk) keep(ctx context.Context) {
	d.mu.Lock()
	counts := d.counts
	d.counts = map[store.Count]int64{}
	d.mu.Unlock()
	if len(counts) == 0 {
		return
	}
	text := ""
	if err := d.k.state.AddCounts(ctx, counts); err != nil {
		text = err.Error()
		d.mu.Lock()
		for c, n := range counts {
			d.counts[c] += n
		}
		d.mu.Unlock()
	}
	d.k.problem("counts", text)
}
