package kiosk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"cotmoc/hub/feed"
	"cotmoc/hub/local"
	"cotmoc/hub/trust"
	"cotmoc/internal/supervise"
	"cotmoc/player/link"
	"cotmoc/playlist"
	"cotmoc/playlist/store"
)

// fetcher is kiosk's end of its child fetch, which alone speaks with the hub. What
// it brings is verified and committed here.
type fetcher struct {
	k     *Kiosk
	child *supervise.Child

	mu      sync.Mutex
	conn    *link.Conn
	last    local.Progress
	heardAt time.Time // the hub, at last
	synced  time.Time // when a round last ended well
	rounds  int
	asked   string // the edition that the last report named
	told    string // the edition that the hub knows of
	taken   error  // what came of the last that was taken in
	nonce   string
	changed chan struct{}
	urgent  bool
	settled int64 // local.File.Try of the file that was dealt with last
	counts  []store.Counted
	tallied string // names counts, which were handed over last
}

func newFetcher(k *Kiosk) *fetcher {
	f := &fetcher{k: k, changed: make(chan struct{}, 1)}
	if len(k.cfg.Fetch) > 0 {
		f.child = &supervise.Child{Name: "fetch", Path: k.cfg.Fetch[0], Dir: filepath.Join(k.cfg.Dir, "run")}
	}
	return f
}

// wantChanged has fetch told anew what is wanted.
func (f *fetcher) wantChanged() {
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// Serve keeps the child running while the machine is enrolled.
func (f *fetcher) Serve(ctx context.Context) error {
	if f.child == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	f.child.Args = append(slices.Clone(f.k.cfg.Fetch[1:]), "--socket", f.k.socket(), "--data", f.k.cfg.Dir)
	for { // not before the machine is enrolled
		if f.k.enrolled() {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
	return f.child.Serve(ctx)
}

func (k *Kiosk) enrolled() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.identity != nil
}

// loadIdentity reads who the machine is, and what it was last assigned.
func (k *Kiosk) loadIdentity(ctx context.Context) {
	id, err := local.Load(k.cfg.Dir)
	if errors.Is(err, local.ErrNotEnrolled) {
		return
	}
	if err != nil {
		k.problem("enrolment", err.Error())
		return
	}
	if err := k.belong(ctx, id); err != nil {
		k.problem("enrolment", err.Error())
		return
	}
	k.mu.Lock()
	k.identity, k.assignment = id, nil
	k.mu.Unlock()
	k.problem("enrolment", "")
	defer k.limit()
	if raw, err := k.state.Meta(ctx, metaAssignment); err == nil && raw != "" {
		var a feed.Assignment
		if json.Unmarshal([]byte(raw), &a) == nil && a.Device == id.Device {
			k.mu.Lock()
			k.assignment = &a
			k.mu.Unlock()
			return
		}
	}
	// Enrolment checked the seal; the state was lost or never had it.
	var a feed.Assignment
	if err := json.Unmarshal(id.Assignment.Body, &a); err == nil && a.Device == id.Device {
		k.mu.Lock()
		k.assignment = &a
		k.mu.Unlock()
	}
}

// limit keeps the media within what the command line and the hub allow, whichever
// is less.
func (k *Kiosk) limit() {
	quota := k.cfg.Quota
	k.mu.Lock()
	if a := k.assignment; a != nil && a.QuotaMB > 0 && (quota == 0 || int64(a.QuotaMB)<<20 < quota) {
		quota = int64(a.QuotaMB) << 20
	}
	k.mu.Unlock()
	k.media.Limit(quota)
}

// belong forgets what another enrolment had accepted: another hub has another root,
// and numbers of its own. What plays goes on until the new hub's edition is here.
func (k *Kiosk) belong(ctx context.Context, id *local.Identity) error {
	now := id.Device + " " + id.Enrolled.UTC().Format(time.RFC3339Nano)
	kept, err := k.state.Meta(ctx, metaEnrolment)
	if err != nil || kept == now {
		return err
	}
	if err := k.changeHub(ctx, id.Root); err != nil {
		return err
	}
	return k.state.Keep(ctx, map[string]string{metaEnrolment: now, metaTrust: "", metaAssignment: "", metaEmergency: "", metaAccepted: "", metaRefused: ""})
}

// Enrolled takes a fresh enrolment into account.
func (k *Kiosk) Enrolled(ctx context.Context) error {
	k.loadIdentity(ctx)
	if !k.enrolled() {
		return local.ErrNotEnrolled
	}
	k.Nudge()
	if c := k.fetch.child; c != nil { // it speaks with the hub of before
		c.Kill()
	}
	k.fetch.wantChanged()
	return nil
}

// serve talks with the child until it goes.
func (f *fetcher) serve(ctx context.Context, c *link.Conn, hello link.Message) {
	if f.child != nil {
		f.child.Hello(hello.PID)
	}
	f.mu.Lock()
	f.conn = c
	f.mu.Unlock()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	// What it says is acted on beside its beats: a large file takes long to hash, and a
	// child that is not heard would be taken for dead.
	said := make(chan local.Progress, maxSaid)
	var beside sync.WaitGroup
	beside.Go(func() { f.tell(ctx, c) })
	beside.Go(func() {
		for p := range said {
			f.hear(ctx, p)
		}
	})
	for {
		m, err := c.Receive()
		if err != nil {
			break
		}
		if f.child != nil {
			f.child.Beat(m.Routines)
		}
		if p, err := local.Decode[local.Progress](m.Body); m.Kind == link.Got && err == nil {
			f.queue(said, p)
		}
	}
	close(said)
	stop()
	beside.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conn == c {
		f.conn = nil
		f.last.Online, f.last.Stream = false, false
		if f.child != nil {
			f.child.Gone()
		}
	}
}

// maxSaid is how much of what fetch says may wait.
const maxSaid = 256

// queue lets what was said wait its turn; what only says how far a file is may be
// lost.
func (f *fetcher) queue(said chan<- local.Progress, p local.Progress) {
	if p.Arriving != nil {
		select {
		case said <- p:
		default:
		}
		return
	}
	said <- p
}

// tell sends what is wanted whenever it changes, and now and then.
func (f *fetcher) tell(ctx context.Context, c *link.Conn) {
	for {
		w, err := f.want(ctx)
		if err != nil {
			f.k.problem("fetch", err.Error())
		} else if raw, err := json.Marshal(w); err == nil {
			if c.Send(link.Message{Kind: link.Want, Body: raw}) != nil {
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-f.changed:
		case <-time.After(30 * time.Second):
		}
	}
}

// want is everything that fetch is to bring and to deliver.
func (f *fetcher) want(ctx context.Context) (local.Want, error) {
	k := f.k
	state, err := k.TrustState(ctx)
	if err != nil {
		return local.Want{}, err
	}
	trusted, _ := k.clock.Trusted()
	w := local.Want{Trust: state, At: k.Instant(), Clock: trusted, Doubt: k.clock.Doubt() != nil, Scopes: k.scopes()}
	k.mu.Lock()
	if a := k.assignment; a != nil {
		w.Kbit, w.Hours = a.Kbit, a.Hours
		w.Zone = k.catalogue().ZoneOf(playlist.ID(a.Place)).String()
	}
	k.mu.Unlock()
	text := ""
	if w.Files, err = k.wanted(ctx); err != nil { // a damaged edition must not keep the next one away
		text = err.Error()
	}
	k.problem("files that are wanted", text)
	f.mu.Lock()
	w.Urgent, f.urgent = f.urgent, false
	w.Settled = f.settled
	f.mu.Unlock()
	text = ""
	if w.Plays, err = f.batch(ctx); err != nil { // nor a log that cannot be read
		text = err.Error()
	}
	k.problem("proof of play", text)
	w.Report = f.report(ctx)
	return w, nil
}

// hear acts on what the child says.
func (f *fetcher) hear(ctx context.Context, p local.Progress) {
	k := f.k
	if p.Assignment != nil {
		f.assigned(ctx, *p.Assignment)
	}
	if p.Staged {
		_, err := k.Take(ctx, filepath.Join(k.cfg.Dir, local.PublicDir))
		text := ""
		if err != nil {
			text = err.Error()
		}
		f.mu.Lock()
		f.taken = err
		f.mu.Unlock()
		k.problem("what the hub sent", text)
		f.wantChanged()
	}
	if p.File != nil {
		f.file(ctx, *p.File)
	}
	if p.Time != nil { // a hub whose own clock is in doubt seals none
		f.time(ctx, p)
		f.mu.Lock()
		f.told = f.asked
		f.mu.Unlock()
		f.wantChanged()
	}
	if p.Receipt != nil {
		f.receipt(ctx, *p.Receipt)
	}
	f.mu.Lock()
	f.last, f.heardAt = p, time.Now().Add(-p.HeardAgo)
	if p.Round && p.Error == "" {
		f.synced = time.Now()
	}
	if p.Round {
		f.rounds++
	}
	f.mu.Unlock()
	f.health(p)
}

func (f *fetcher) health(p local.Progress) {
	text := p.Refused
	if text != "" {
		text = "the hub refuses this machine: " + text
	}
	f.k.problem("enrolment", text)
	f.k.problem("hub", p.Error)
}

// file verifies a file that arrived and gives it its name.
func (f *fetcher) file(ctx context.Context, file local.File) {
	k := f.k
	path := filepath.Join(k.cfg.Dir, local.PartDir, string(file.SHA256)+".part")
	text := ""
	err := k.media.Adopt(playlist.Media{SHA256: file.SHA256, Bytes: file.Bytes}, path)
	if err != nil && !(errors.Is(err, os.ErrNotExist) && k.media.Has(file.SHA256)) { // it may be told twice
		text = err.Error()
	}
	journal := filepath.Join(k.cfg.Dir, local.PartDir, string(file.SHA256)+".journal")
	if rm := os.Remove(journal); rm != nil && !errors.Is(rm, os.ErrNotExist) {
		text += rm.Error()
	}
	k.problem("file that arrived", text)
	f.mu.Lock()
	f.settled = file.Try
	f.mu.Unlock()
	k.arrived(ctx)
	f.wantChanged()
}

// assigned takes what the hub lets this machine hold. It chooses among what others
// sign, and never goes back.
func (f *fetcher) assigned(ctx context.Context, e feed.Envelope) {
	k := f.k
	err := func() error {
		state, err := k.TrustState(ctx)
		if err != nil {
			return err
		}
		ed, err := state.Edition([]string{})
		if err != nil {
			return err
		}
		var a feed.Assignment
		if err := trust.Open(feed.WhatAssignment, e, ed.Assigners, &a); err != nil {
			return err
		}
		k.mu.Lock()
		now, id := k.assignment, k.identity
		k.mu.Unlock()
		if id == nil || a.Device != id.Device {
			return fmt.Errorf("%w (it is for another device)", trust.ErrRefused)
		}
		if now != nil && a.Number <= now.Number {
			return nil
		}
		if err := k.state.SetMeta(ctx, metaAssignment, string(e.Body)); err != nil {
			return err
		}
		k.mu.Lock()
		k.assignment = &a
		k.mu.Unlock()
		k.limit()
		k.Nudge()
		if now == nil || !slices.Equal(now.Scopes, a.Scopes) {
			f.retake(ctx)
		}
		f.mu.Lock()
		f.urgent = true
		f.mu.Unlock()
		f.wantChanged()
		return nil
	}()
	text := ""
	if err != nil {
		text = err.Error()
	}
	k.problem("assignment", text)
}

// retake joins what lies here already under other scopes, or in another order. What is
// not here yet fetch brings.
func (f *fetcher) retake(ctx context.Context) {
	_, err := f.k.Take(ctx, filepath.Join(f.k.cfg.Dir, local.PublicDir))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		f.k.problem("what the hub sent", err.Error())
	}
}

// maxTook is how long the hub's answer about the time may take to be of use for
// setting a clock right.
const maxTook = 30 * time.Second

// time believes the hub's sealed time if it answers our question of just now.
func (f *fetcher) time(ctx context.Context, p local.Progress) {
	k := f.k
	f.mu.Lock()
	nonce := f.nonce
	f.mu.Unlock()
	state, err := k.TrustState(ctx)
	if err != nil || nonce == "" {
		return
	}
	ed, err := state.Edition([]string{})
	if err != nil {
		return
	}
	var at feed.Time
	if trust.Open(feed.WhatTime, *p.Time, ed.Assigners, &at) != nil || at.Nonce != nonce || p.Took > maxTook {
		return
	}
	if !at.At.Before(ed.Until) {
		k.problem("clock and hub", "the hub says a time beyond what the ministry has signed: it is not believed")
		return
	}
	f.mu.Lock()
	f.nonce = ""
	f.mu.Unlock()
	k.clock.Heard(at.At, p.Took)
	k.ageNotices(ctx)
	text := ""
	if d := k.clock.Doubt(); d != nil {
		text = fmt.Sprintf("the clock says %s, the hub %s: it is not believed", d.Local.UTC().Format(time.RFC3339), d.Signed.UTC().Format(time.RFC3339))
	}
	k.problem("clock and hub", text)
	k.Nudge()
}
