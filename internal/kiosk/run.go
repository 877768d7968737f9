package kiosk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"cotmoc/device"
	"cotmoc/internal/supervise"
	"cotmoc/player/link"
	"cotmoc/playlist"
	"cotmoc/playlist/store"
)

// Serve runs everything until ctx ends.
func (k *Kiosk) Serve(ctx context.Context) error {
	listener, err := k.listen()
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return k.accept(ctx, listener) })
	g.Go(func() error { return k.proof.Serve(ctx) })
	g.Go(func() error { return k.sound.Serve(ctx) })
	g.Go(func() error { return k.touch.Serve(ctx) })
	g.Go(func() error { return k.tend(ctx) })
	g.Go(func() error { return k.fetch.Serve(ctx) })
	g.Go(func() error {
		err := device.Steps(ctx.Done(), k.Nudge)
		if err != nil { // without it a step is noticed at the next half minute
			k.problem("clock steps", err.Error())
		}
		return nil
	})
	g.Go(func() error { return k.direct(ctx, g) })
	err = g.Wait()
	k.conns.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	k.proof.Flush(last) // rows that came while the others ended
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// direct resolves the schedule at its boundaries, at least every half minute,
// and at once when something changes.
func (k *Kiosk) direct(ctx context.Context, g *errgroup.Group) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next := k.resolve(ctx, g)
		timer.Reset(next)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		case <-k.wake:
		}
	}
}

// resolve brings every display's programme up to date and returns when to do
// so again. Wall times are only compared, never slept on for long: a clock
// that steps is caught within half a minute even without timerfd.
func (k *Kiosk) resolve(ctx context.Context, g *errgroup.Group) time.Duration {
	trusted, why := k.clock.Trusted()
	if trusted {
		k.problem("clock", "")
	} else {
		k.problem("clock", "the clock is not trusted: "+why)
	}
	kept, err := k.noticesLeft(ctx)
	if err != nil {
		k.problem("notices", err.Error())
	}
	k.mu.Lock()
	mine := k.displays()
	lacks := k.assignment != nil && len(k.mine()) == 0
	k.mu.Unlock()
	text := ""
	if lacks {
		text = "no display is set up for this machine, or its edition has not arrived: it shows its place's notices only"
	}
	k.problem("display", text)
	// The database is read before the lock is taken: a disk that stalls must
	// not keep the stage's beats from being heard.
	before := map[playlist.ID]Kept{}
	for id := range mine {
		before[id] = k.keptOf(ctx, id)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	wait := resolveEvery
	k.retire(mine)
	select {
	case <-k.known:
	default:
		close(k.known)
	}
	defer k.touch.follow(k.withdrawn, trusted)
	lead := slices.Min(slices.Collect(maps.Keys(mine))) // whose sound the hall hears
	for id, d := range mine {
		s := k.screens[id]
		if s == nil {
			s = k.newScreen(d, k.monitor(id, mine))
			k.screens[id] = s
			if s.child != nil {
				child, life := s.child, ctx
				life, s.stop = context.WithCancel(ctx)
				g.Go(func() error { child.Serve(life); return nil }) // ends with its display or with everything
			}
		}
		s.display = d
		now := k.clock.Now()
		m := Moment{At: now, Trusted: trusted, Notices: k.noticesFor(k.catalogue(), d, kept)}
		if until := k.update(s, m, before[id], id == lead); until != nil {
			if left := until.Sub(now); left > 0 && left < wait {
				wait = left
			}
		}
	}
	return wait
}

// displays are this machine's, those for touch alone among them: notices are shown by
// the stage. A stand-in where there is none lets an empty machine show the evergreen loop.
func (k *Kiosk) displays() map[playlist.ID]playlist.Display { return k.displaysOf(k.catalogue()) }

func (k *Kiosk) displaysOf(cat *playlist.Catalogue) map[playlist.ID]playlist.Display {
	out := k.mineOf(cat)
	if len(out) == 0 {
		d := playlist.Display{ID: playlist.StandIn, Width: 1280, Height: 720}
		if k.assignment != nil { // it takes its place's notices
			d.Place = playlist.ID(k.assignment.Place)
		}
		out[d.ID] = d
	}
	return out
}

// mine are this machine's displays: those that were named, else those that the hub
// assigned, else those at its place, which is that of the catalogue's first display where
// no hub has said.
func (k *Kiosk) mine() map[playlist.ID]playlist.Display { return k.mineOf(k.catalogue()) }

func (k *Kiosk) mineOf(cat *playlist.Catalogue) map[playlist.ID]playlist.Display {
	out := map[playlist.ID]playlist.Display{}
	for _, id := range cat.DisplayOrder {
		d := cat.Displays[id]
		mine := d.Place == cat.Displays[cat.DisplayOrder[0]].Place
		if k.stickPlace != "" {
			mine = d.Place == k.stickPlace
		}
		switch {
		case len(k.cfg.Displays) > 0:
			mine = slices.Contains(k.cfg.Displays, string(id))
		case k.assignment != nil && len(k.assignment.Displays) > 0:
			mine = slices.Contains(k.assignment.Displays, string(id))
		case k.assignment != nil:
			mine = string(d.Place) == k.assignment.Place
		}
		if mine {
			out[id] = d
		}
	}
	return out
}

func (k *Kiosk) monitor(id playlist.ID, mine map[playlist.ID]playlist.Display) int {
	n := 0
	for _, other := range k.catalogue().DisplayOrder {
		if other == id {
			break
		}
		if _, ok := mine[other]; ok {
			n++
		}
	}
	return n
}

func (k *Kiosk) catalogue() *playlist.Catalogue {
	if k.composer == nil {
		k.composer = &Composer{Catalogue: &playlist.Catalogue{}, Files: k.media}
	}
	return k.composer.Catalogue
}

// retire ends the stages of displays that are no longer this machine's.
func (k *Kiosk) retire(mine map[playlist.ID]playlist.Display) {
	for id, s := range k.screens {
		d, ok := mine[id]
		same := ok && s.monitor == k.monitor(id, mine) && d.Width == s.display.Width && d.Height == s.display.Height && d.Rotation == s.display.Rotation
		if same {
			continue
		}
		if s.stop != nil {
			s.child.Retire()
			s.stop()
			s.child.Kill()
		}
		k.closeShowings(s)
		delete(k.screens, id)
	}
}

// newScreen makes a display and its stage. Displays take the machine's monitors
// in the catalogue's order.
func (k *Kiosk) newScreen(d playlist.Display, monitor int) *screen {
	s := &screen{display: d, monitor: monitor, showing: map[playlist.ID]*link.Showing{}, deaths: map[playlist.ID]int{}}
	if !k.cfg.NoChildren {
		args := append([]string{"--socket", k.socket(), "--display", string(d.ID), "--choice", filepath.Join(k.cfg.Dir, "run", "frames.json"), "--monitor", strconv.Itoa(monitor)}, k.cfg.StageArgs...)
		s.child = &supervise.Child{Name: "stage-" + string(d.ID), Path: filepath.Join(k.cfg.Binaries, "stage"), Args: args, Dir: filepath.Join(k.cfg.Dir, "run")}
	}
	return s
}

// keptOf reads what a display's stage must know of earlier.
func (k *Kiosk) keptOf(ctx context.Context, id playlist.ID) Kept {
	positions, err := k.state.Positions(ctx, id)
	left, err2 := k.state.MandatoryLeft(ctx, id)
	text := ""
	if err := errors.Join(err, err2); err != nil {
		text = err.Error()
	}
	k.problem("positions", text)
	return Kept{Positions: positions, Left: left}
}

// update makes a display's programme and sends it if it differs.
func (k *Kiosk) update(s *screen, m Moment, kept Kept, lead bool) *time.Time {
	k.catalogue()
	p, plan := k.composer.Compose(s.display, m, kept)
	p.Unenrolled = k.assignment == nil
	p.NoDisplay = k.assignment != nil && len(k.mine()) == 0
	p.Touch = k.touch.invites(s.display)
	if k.pairing != nil && time.Now().Before(k.pairingEnds) {
		p.Pairing = k.pairing
	}
	for _, text := range k.composer.Problems(s.display) {
		k.problems["schedules"] = text
	}
	s.plan = plan
	if lead {
		k.sound.follow(s.display, plan, m)
	}
	k.chime(s, p)
	print := fingerprint(p)
	if print == s.print && s.prog != nil {
		return p.ValidUntil
	}
	s.sequence++
	p.Sequence = uint64(k.began.Unix())<<20 + s.sequence
	s.print, s.prog = print, p
	if s.conn != nil {
		s.conn.Post(link.Message{Kind: link.Programme, Programme: p})
	}
	return p.ValidUntil
}

// chime announces a new notice once.
func (k *Kiosk) chime(s *screen, p *playlist.Programme) {
	switch {
	case p.Notice == nil:
		s.notice = ""
	case s.notice != p.Notice.ID:
		s.notice = p.Notice.ID
		path := ""
		if p.Notice.SoundFile != nil {
			path = p.Notice.SoundFile.Path
		}
		k.sound.announce(string(p.Notice.ID), path)
	}
}

// tend does the slow work: re-hashing, the clock's floor, notices' remaining
// time, free space.
func (k *Kiosk) tend(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	k.ensureIndex(ctx)
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		damaged, err := k.media.Verify(4 << 20)
		text := ""
		if err != nil {
			text = err.Error()
		}
		k.problem("media check", text)
		if damaged != "" {
			k.problem("media", fmt.Sprintf("file %.12s… was damaged or gone; what is left of it was set aside", damaged))
			k.mu.Lock()
			k.composer.Forget()
			k.mu.Unlock()
			k.Nudge()
			k.fetch.wantChanged()
		}
		k.touch.keep(ctx)
		k.judge(ctx)
		if n%12 == 0 {
			k.keep(ctx)
			k.ensureIndex(ctx)
		}
		if n%720 == 1 { // at the start and once an hour
			k.tidy(ctx)
		}
	}
}

// tidy removes files that nothing needs while the quota or the disk's reserve
// is exceeded. It stands still while the clock is not trusted: what is
// scheduled cannot be told then.
func (k *Kiosk) tidy(ctx context.Context) {
	trusted, _ := k.clock.Trusted()
	k.mu.Lock()
	nothing := k.edition == nil // then every file may be wanted by what is mended
	k.mu.Unlock()
	if !trusted || nothing || !k.content.TryLock() {
		return
	}
	defer k.content.Unlock()
	text := ""
	if err := k.MakeRoom(ctx, nil); err != nil {
		text = err.Error()
	}
	k.problem("room for media", text)
}

// ensureIndex makes the active edition's search index if it is missing or
// damaged: it can be rebuilt at any time.
func (k *Kiosk) ensureIndex(ctx context.Context) {
	k.mu.Lock()
	id := ""
	if k.edition != nil {
		id = k.edition.ID
	}
	k.mu.Unlock()
	if id == "" || !k.content.TryLock() { // whoever takes content in makes its index
		return
	}
	defer k.content.Unlock()
	e, err := store.OpenEdition(ctx, k.cfg.Dir, id)
	if err == nil {
		err = errors.Join(store.EnsureIndex(ctx, e), e.Close())
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	k.problem("search index", text)
}

// keep persists, once a minute, what a restart must know.
func (k *Kiosk) keep(ctx context.Context) {
	text := ""
	if err := store.Writable(k.cfg.Dir); err != nil {
		text = err.Error()
	}
	k.problem("disk", text)
	text = ""
	if err := k.state.Keep(ctx, keepClock(map[string]string{}, k.clock)); err != nil {
		text = err.Error()
	}
	k.problem("state.db writes", text)
	text = ""
	if err := k.proof.Health(); err != nil {
		text = err.Error()
	}
	k.problem("proof of play", text)
	k.ageNotices(ctx)
}

// Quit asks every child to end, and ends those that do not within two seconds.
func (k *Kiosk) Quit() {
	k.mu.Lock()
	var children []*supervise.Child
	for _, s := range k.screens {
		if s.child != nil {
			s.child.Retire()
		}
		if s.conn != nil {
			s.conn.Post(link.Message{Kind: link.Quit})
		}
		if s.child != nil {
			children = append(children, s.child)
		}
	}
	k.mu.Unlock()
	children = append(children, k.sound.quit()...)
	children = append(children, k.touch.quit()...)
	if c := k.fetch.child; c != nil { // nothing of it is lost: what it brought is journalled
		c.Retire()
		c.Kill()
	}
	defer func() { // what did not say how it ended is proved until its last beat
		k.mu.Lock()
		defer k.mu.Unlock()
		for _, s := range k.screens {
			k.closeShowings(s)
		}
	}()
	deadline := time.Now().Add(2 * time.Second)
	for _, c := range children {
		for c.Alive() && time.Now().Before(deadline) {
			time.Sleep(20 * time.Millisecond)
		}
		c.Kill()
	}
}
