package kiosk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"cotmoc/player/link"
	"cotmoc/playlist"
)

func (k *Kiosk) socket() string { return k.sock }

// SocketPaths are where the kiosk of a folder listens: in the folder, or, if
// the disk takes no socket, in the folder for temporary files.
func SocketPaths(dir string) []string {
	abs, err := filepath.Abs(dir)
	if err != nil {
		abs = dir
	}
	h := fnv.New64a()
	h.Write([]byte(abs))
	return []string{filepath.Join(abs, "kiosk.sock"), filepath.Join(os.TempDir(), fmt.Sprintf("cotmoc-%x.sock", h.Sum64()))}
}

func (k *Kiosk) listen() (net.Listener, error) {
	var errs []error
	for _, path := range SocketPaths(k.cfg.Dir) {
		l, err := listenAt(path)
		if err == nil {
			k.sock = path
			return l, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

func listenAt(path string) (net.Listener, error) {
	if len(path) > 100 {
		return nil, fmt.Errorf("the data folder's path is too long for a socket: %s", path)
	}
	// We hold the folder's lock, so a socket that is there is a leftover.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("kiosk.sock: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("kiosk.sock: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("kiosk.sock: %w", err), l.Close())
	}
	return l, nil
}

func (k *Kiosk) accept(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		raw, err := l.Accept()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil { // out of descriptors, most likely: it passes
			k.problem("kiosk.sock", err.Error())
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		k.conns.Go(func() { k.serveConn(ctx, link.NewConn(raw)) })
	}
}

// serveConn talks with one child or command line until it goes.
func (k *Kiosk) serveConn(ctx context.Context, c *link.Conn) {
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	hello, err := c.Receive()
	if err != nil {
		return
	}
	switch {
	case hello.Kind == link.Ask:
		k.answer(c)
	case hello.Kind == link.Hello && hello.Role == "stage":
		k.serveStage(ctx, c, hello)
	case hello.Kind == link.Hello && hello.Role == "fetch":
		k.fetch.serve(ctx, c, hello)
	case hello.Kind == link.Hello && hello.Role == "touch":
		k.touch.serve(ctx, c, hello)
	case hello.Kind == link.Order:
		k.order(ctx, c, hello)
	case hello.Kind == link.Hello && hello.Role == "sound":
		k.sound.serve(c, hello)
	}
}

func (k *Kiosk) answer(c *link.Conn) {
	body, err := json.Marshal(k.Status())
	if err != nil {
		return
	}
	if err := c.Send(link.Message{Kind: link.Answer, Body: body}); err != nil {
		k.cfg.Log.Debug("Answer failed", "err", err)
	}
}

func (k *Kiosk) serveStage(ctx context.Context, c *link.Conn, hello link.Message) {
	select { // before that nobody knows which displays are ours; what the stage says waits
	case <-k.known:
	case <-ctx.Done():
		return
	}
	k.endShowings(hello)
	kept := k.latest(hello.Display)
	k.mu.Lock()
	s := k.screens[hello.Display]
	if s == nil {
		k.mu.Unlock()
		_ = c.Send(link.Message{Kind: link.Quit}) // if it has gone, all the better
		return
	}
	if s.conn != nil && s.pid != hello.PID {
		// A stage whose process number was lost, by a full disk most likely,
		// would play beside the new one for ever.
		s.conn.Post(link.Message{Kind: link.Quit})
	}
	s.conn, s.pid = c, hello.PID
	if s.child != nil {
		s.child.Hello(hello.PID)
	}
	if s.prog != nil && hello.Sequence != s.prog.Sequence {
		c.Post(link.Message{Kind: link.Programme, Programme: refreshed(s.prog, kept)})
	}
	k.mu.Unlock()
	k.touch.settle(hello.Display) // it may have been left covered, or must be covered anew
	for {
		m, err := c.Receive()
		if err != nil {
			break
		}
		k.hear(s, hello.Display, m)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if s.conn == c {
		s.conn = nil
		if s.child != nil {
			s.child.Gone()
		}
	}
}

// endShowings proves what the stage before the one that greets showed.
func (k *Kiosk) endShowings(hello link.Message) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.screens[hello.Display]; s != nil && s.pid != hello.PID {
		k.closeShowings(s)
	}
}

// deadly is how often a stage may end on one item before the item is passed
// over: else one bad file would keep a screen dark for ever.
const (
	deadly     = 2
	suspicious = time.Minute // after coming on
)

// closeShowings proves what an earlier stage showed until it ended: its last
// sign of life is the latest instant that is known.
func (k *Kiosk) closeShowings(s *screen) {
	k.sound.silence(s.display.ID)
	for zone, show := range s.showing {
		ended := *show
		ended.EndMono = max(s.beat.At, ended.StartMono)
		ended.End = ended.Start.Add(time.Duration(ended.EndMono - ended.StartMono))
		// A notice covers everything: it is never passed over.
		if !show.OfNotice() && ended.EndMono-ended.StartMono < int64(suspicious) { // what had long been on is not to blame
			s.deaths[show.Item]++
		}
		if s.deaths[show.Item] < deadly {
			ended.Position = nil // it is shown again, from its start
		} else if ended.Position != nil {
			k.keepFault("stage "+string(s.display.ID), fmt.Sprintf("the stage ended again and again while it showed %s, which is passed over", show.Item))
		}
		k.proof.Ended(s.display.ID, link.Message{Kind: link.Ended, Showing: &ended, Reason: "stage ended"})
		delete(s.showing, zone)
	}
}

// latest reads positions as they stand now: a stage that was started again goes
// on where the last one was.
func (k *Kiosk) latest(display playlist.ID) Kept {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	k.proof.Flush(ctx)
	kept := k.keptOf(ctx, display)
	kept.Notices = map[playlist.ID]time.Duration{}
	if rows, err := k.noticesLeft(ctx); err == nil { // else it runs for what it was sent with
		for _, n := range rows {
			kept.Notices[n.ID] = n.Remaining
		}
	}
	return kept
}

func refreshed(prog *playlist.Programme, kept Kept) *playlist.Programme {
	p := *prog
	if kept.Positions != nil {
		p.Positions = kept.Positions
	}
	p.Mandatory = slices.Clone(p.Mandatory)
	for i, m := range p.Mandatory {
		if ms, ok := kept.Left[m.ID]; ok {
			p.Mandatory[i].DueIn = ms
		}
	}
	if left, ok := kept.Notices[noticeOf(prog)]; ok {
		n := *p.Notice
		n.Remaining = playlist.Duration(left)
		if p.Notice = &n; left <= 0 && !p.Clock.Trusted { // a stage takes nothing left for all of it
			p.Notice = nil
		}
	}
	return &p
}

func noticeOf(p *playlist.Programme) playlist.ID {
	if p.Notice == nil {
		return ""
	}
	return p.Notice.ID
}

// hear takes in what the stage of a display says. A screen's own display is
// written anew at each resolve, under the lock.
func (k *Kiosk) hear(s *screen, display playlist.ID, m link.Message) {
	if m.Showing == nil && (m.Kind == link.Shown || m.Kind == link.Ended || m.Kind == link.Cancelled || m.Kind == link.Upcoming) {
		return
	}
	switch m.Kind {
	case link.Beat:
		if s.child != nil {
			s.child.Beat(m.Routines)
		}
		k.proof.Left(display, m.Left)
		k.mu.Lock()
		s.beat = m
		k.mu.Unlock()
	case link.Upcoming:
		k.sound.upcoming(display, m)
	case link.Shown:
		k.mu.Lock()
		s.showing[m.Showing.Zone] = m.Showing
		k.mu.Unlock()
		k.sound.shown(display, m)
	case link.Cancelled:
		k.sound.ended(display, m)
	case link.Ended:
		k.mu.Lock()
		if now := s.showing[m.Showing.Zone]; now != nil && now.ID == m.Showing.ID {
			delete(s.showing, m.Showing.Zone)
		}
		if !m.Showing.OfNotice() { // an item may have the same id
			delete(s.deaths, m.Showing.Item)
		}
		k.mu.Unlock()
		k.proof.Ended(display, m)
		k.sound.ended(display, m)
	case link.Ready:
		k.touch.settle(display) // its window has come up, over a visitor's perhaps
	case link.Touched:
		k.touch.touched(display)
	case link.Fault:
		k.fault("stage "+string(display), m.Reason)
	}
}

// maxFaultsKept bounds the list that kiosk status shows.
const maxFaultsKept = 100

func (k *Kiosk) fault(from, text string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keepFault(from, text)
}

func (k *Kiosk) keepFault(from, text string) {
	if len(text) > 500 {
		text = text[:500] + "…"
	}
	for _, f := range k.faults {
		if f.From == from && f.Text == text {
			return
		}
	}
	if len(k.faults) >= maxFaultsKept {
		k.faults = k.faults[1:]
	}
	k.faults = append(k.faults, Fault{time.Now(), from, text})
}
