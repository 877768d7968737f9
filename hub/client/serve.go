package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"cotmoc/hub/feed"
	"cotmoc/hub/local"
	"cotmoc/hub/trust"
	"cotmoc/playlist"
)

// How often the hub is looked at without being told to: seldom while its stream is
// open, else every minute or so.
const (
	pollOpen   = 6 * time.Hour
	pollClosed = time.Minute
	absentTime = 10 * time.Minute // before a file is asked for again that was not there
	reportTime = 2 * time.Hour
	flapping   = 15 * time.Minute       // troubles that come and go are not told each time
	spread     = 500 * time.Millisecond // over which thousands begin that were told together
)

// Fetch is the child's work: it does what kiosk wants until ctx ends.
type Fetch struct {
	Client *Client
	Boot   string
	Say    func(local.Progress) // to kiosk; what is said last counts

	mu        sync.Mutex
	want      *local.Want
	online    bool
	stream    bool
	lost      bool // the stream was open and broke
	why       string
	refused   string
	speed     speed
	look      chan struct{}        // a reason to look at once
	rearm     chan struct{}        // a reason to look before long: the stream broke
	until     time.Time            // a hub that is busy asked not to be asked before
	fresh     chan struct{}        // kiosk wants something else
	speak     chan struct{}        // there may be something to deliver
	anew      chan struct{}        // another kiosk listens, which did not hear what was said
	again     func()               // ends Serve
	notBefore map[string]time.Time // of files that the hub does not have as they are named
	told      feed.Report          // last delivered
	toldAt    time.Time
	owed      bool // a report is to be made, news or not
}

// NewFetch makes a fetch.
func NewFetch(c *Client, boot string, say func(local.Progress)) *Fetch {
	return &Fetch{Client: c, Boot: boot, Say: say, look: make(chan struct{}, 1), rearm: make(chan struct{}, 1), fresh: make(chan struct{}, 1), speak: make(chan struct{}, 1), anew: make(chan struct{}, 1), notBefore: map[string]time.Time{}}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Wants tells what kiosk wants from now on.
func (f *Fetch) Wants(w local.Want) {
	f.Client.Believe(w.At)
	f.mu.Lock()
	first := f.want == nil
	f.want = &w
	f.owed = f.owed || w.Urgent // a person waits for it
	f.mu.Unlock()
	poke(f.fresh)
	poke(f.speak)
	if first || w.Urgent {
		poke(f.look)
	}
}

// Greeted notes that a kiosk listens which may not have heard what was said before.
func (f *Fetch) Greeted() { poke(f.anew) }

// progress says how things stand, with what is new.
func (f *Fetch) progress(p local.Progress) {
	f.mu.Lock()
	p.HeardAgo, p.Ping = f.Client.Unheard(), f.Client.Ping()
	p.Online, p.Stream, p.Error, p.Refused, p.Goodput = f.online, f.stream, f.why, f.refused, f.speed.rate()
	f.mu.Unlock()
	p.Sent, p.Received = f.Client.Moved()
	f.Say(p)
}

// note remembers whether the hub could be reached.
func (f *Fetch) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.online = err == nil
	f.why, f.refused = "", ""
	var no *refusal
	var busy *busyError
	switch {
	case err == nil || errors.Is(err, context.Canceled):
	case errors.As(err, &no):
		f.refused, f.why = no.why, err.Error()
	case errors.As(err, &busy): // it is there
		f.online = true
	default:
		f.why = err.Error()
	}
}

// Serve works until ctx ends, or until there is a new certificate: whoever started it
// starts it again with that.
func (f *Fetch) Serve(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f.again = cancel
	wg.Go(func() { f.Client.Listen(ctx, f.Boot, func(e feed.Event) { f.heard(ctx, e) }, f.opened) })
	wg.Go(func() { f.files(ctx) })
	wg.Go(func() { f.deliver(ctx) })
	wg.Go(func() {
		if err := WatchNetwork(ctx, func() { f.Client.Rewire(); poke(f.rearm) }); err != nil { // it goes on without
			f.progress(local.Progress{Error: err.Error()})
		}
	})
	var pause backoff
	for {
		f.await(ctx, f.round(ctx, &pause))
		if ctx.Err() != nil {
			return nil
		}
	}
}

// await waits until it is time to look again. A reason to look does not overrule a hub that
// asked to be left alone.
func (f *Fetch) await(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	due := time.Now().Add(wait)
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-f.rearm:
			if soon := rand.N(localPause); time.Until(due) > soon {
				timer.Reset(soon)
				due = time.Now().Add(soon)
			}
		case <-f.look:
			f.mu.Lock()
			left := time.Until(f.until)
			f.mu.Unlock()
			if left <= 0 {
				return
			}
			timer.Reset(left)
			due = time.Now().Add(left)
		}
	}
}

func (f *Fetch) current() (local.Want, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.want == nil {
		return local.Want{}, false
	}
	return *f.want, true
}

// round looks once, and says after how long to look again.
func (f *Fetch) round(ctx context.Context, pause *backoff) time.Duration {
	w, ok := f.current()
	if !ok {
		return time.Second
	}
	came, err := f.Client.Look(ctx, w) // before anything that a wrong time could keep from going on
	f.note(err)
	f.progress(local.Progress{Staged: came, Round: true})
	if renewed, err := f.Client.Renew(ctx, w.Trust); renewed {
		f.again()
		return time.Hour
	} else if errors.Is(err, errRefused) {
		f.note(err)
	}
	f.mu.Lock()
	open := f.stream
	f.mu.Unlock()
	switch {
	case err == nil && open:
		pause.n = 0
		return pollOpen/2 + rand.N(pollOpen)
	case err == nil:
		pause.n = 0
		return pollClosed/2 + rand.N(pollClosed/2)
	}
	wait := pause.next(err, f.Client.Unheard())
	if isBusy(err) != nil {
		f.mu.Lock()
		f.until = time.Now().Add(wait)
		f.mu.Unlock()
	}
	return wait // forged and broken lines are tried again and again
}

// opened notes whether the stream is open.
func (f *Fetch) opened(open bool, err error) {
	f.mu.Lock()
	changed := f.stream != open
	f.stream = open
	if changed && open && f.lost { // what was told meanwhile went by
		poke(f.look)
	}
	f.lost = !open
	var no *refusal
	if errors.As(err, &no) {
		f.refused, f.why = no.why, err.Error()
		changed = true
	}
	f.mu.Unlock()
	if changed && !open {
		poke(f.rearm)
	}
	if changed || open { // kiosk says how long ago the hub was heard
		f.progress(local.Progress{})
	}
}

// heard acts on what the hub tells.
func (f *Fetch) heard(ctx context.Context, e feed.Event) {
	if len(e.Files) > 0 { // the duty officers: nothing is waited for
		if err := f.Client.KeepFiles(e); err == nil {
			f.progress(local.Progress{Staged: true})
		}
		poke(f.look) // where rows have to come as well
		return
	}
	w, ok := f.current()
	if ok && w.Report != nil && (e.Kind == "assignment" || e.Assignment > w.Report.Assignment) { // the answer to a report brings it
		f.mu.Lock()
		f.owed = true
		f.mu.Unlock()
		poke(f.speak)
	}
	if ok && e.Timestamp > 0 {
		if s, err := trust.Read(w.Trust.Timestamp); err == nil && s.Version >= e.Timestamp {
			return // known already
		}
	}
	if e.Kind == "edition" {
		select {
		case <-ctx.Done():
		case <-time.After(rand.N(spread)):
		}
	}
	poke(f.look)
}

// files brings what kiosk wants, the most urgent first, until nothing is left; then
// it waits for something new.
func (f *Fetch) files(ctx context.Context) {
	var pause backoff
	for ctx.Err() == nil {
		w, ok := f.current()
		next, found := f.next(w)
		if !ok || !found {
			select {
			case <-ctx.Done():
			case <-f.fresh:
			case <-time.After(time.Minute): // hours begin and end
			}
			continue
		}
		whole, err := f.Client.Bring(ctx, next, f.pace(w, next))
		switch {
		case err != nil:
			f.note(err)
			f.progress(local.Progress{})
			wait := pause.next(err, f.Client.Unheard())
			if errors.Is(err, errAbsent) || errors.Is(err, errForged) { // others must not wait for it
				f.mu.Lock()
				f.notBefore[string(next.SHA256)] = time.Now().Add(absentTime)
				f.mu.Unlock()
				wait = 0
			}
			select {
			case <-ctx.Done():
			case <-time.After(wait):
			}
		case whole:
			pause.n = 0
			f.arrived(ctx, next)
		}
	}
}

// maxSettling is how long kiosk may take over a file: it hashes all of it.
const maxSettling = 10 * time.Minute

// arrived tells kiosk of a file and waits until it has dealt with it: if it is wanted
// then still, its chunk table was a lie. Nothing touches the file meanwhile.
func (f *Fetch) arrived(ctx context.Context, file local.File) {
	file.Try = time.Now().UnixNano()
	f.progress(local.Progress{File: &file})
	ctx, cancel := context.WithTimeout(ctx, maxSettling)
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.anew:
			f.progress(local.Progress{File: &file})
		case <-f.fresh:
		}
		w, ok := f.current()
		if !ok || w.Settled != file.Try {
			continue
		}
		for _, again := range w.Files {
			if again.SHA256 == file.SHA256 {
				_ = f.Client.drop(file.SHA256) // or it is fetched over what is there
			}
		}
		return
	}
}

// next is the most urgent file that may come now.
func (f *Fetch) next(w local.Want) (local.File, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, file := range w.Files {
		if time.Now().Before(f.notBefore[string(file.SHA256)]) {
			continue
		}
		if file.Class >= local.Later && !within(w.Hours, w.Zone, f.Client.now(), w.Clock) {
			continue
		}
		return file, true
	}
	return local.File{}, false
}

// deliver hands reports and proof of play to the hub.
func (f *Fetch) deliver(ctx context.Context) {
	var pause backoff
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.speak:
		}
		w, ok := f.current()
		if !ok {
			continue
		}
		err := f.deliverOnce(ctx, w)
		if err == nil {
			pause.n = 0
			continue
		}
		f.note(err)
		select {
		case <-ctx.Done():
		case <-time.After(pause.next(err, f.Client.Unheard())):
			poke(f.speak)
		}
	}
}

// fewPlays is how many rows of proof are worth a connection of their own; fewer
// wait for the next report.
const fewPlays = 100

// worth says whether proof is worth a connection of its own: there is much of it, or a
// notice is in it, of which somebody wants to know where it was shown.
func worth(b *feed.Batch) bool {
	return len(b.Plays) >= fewPlays || slices.ContainsFunc(b.Plays, func(p feed.Play) bool {
		var row struct {
			Schedule string `json:"schedule"`
		}
		return json.Unmarshal(p.Row, &row) == nil && strings.HasPrefix(row.Schedule, playlist.NoticePrefix)
	})
}

func (f *Fetch) deliverOnce(ctx context.Context, w local.Want) error {
	f.mu.Lock()
	owed := f.owed
	f.mu.Unlock()
	due := w.Report != nil && (owed || f.news(*w.Report) || time.Since(f.toldAt) > f.every(w))
	if due {
		began := time.Now()
		var out feed.Reported
		if err := f.Client.post(ctx, "/device/v1/report", w.Report, &out); err != nil {
			return err
		}
		f.told, f.toldAt = *w.Report, time.Now()
		f.mu.Lock()
		f.owed = false
		f.mu.Unlock()
		f.progress(local.Progress{Time: &out.Time, Took: time.Since(began), Assignment: out.Assignment})
	}
	if w.Plays == nil || !due && !worth(w.Plays) {
		return nil
	}
	env, err := trust.Seal(feed.WhatBatch, w.Plays, f.Client.ID.Key)
	if err != nil {
		return err
	}
	var receipt feed.Receipt
	if err := f.Client.post(ctx, "/device/v1/plays", env, &receipt); err != nil {
		return err
	}
	f.mu.Lock()
	if f.want != nil && f.want.Plays == w.Plays {
		f.want.Plays = nil // until kiosk hands over the next
	}
	f.mu.Unlock()
	f.progress(local.Progress{Receipt: &receipt})
	return nil
}

// doubtTime is how often a machine whose clock is in doubt asks the hub for the time.
const doubtTime = 5 * time.Minute

// every is after how long a report is due without news.
func (f *Fetch) every(w local.Want) time.Duration {
	if w.Doubt {
		return doubtTime
	}
	return reportTime
}

// news says whether a report says something that the hub should know at once:
// another edition, another notice, other troubles.
func (f *Fetch) news(r feed.Report) bool {
	if f.toldAt.IsZero() {
		return true
	}
	if r.Edition != f.told.Edition || r.Number != f.told.Number || r.Emergency != f.told.Emergency || r.Assignment != f.told.Assignment {
		return true
	}
	was, trusted := said(f.told.Status)
	is, trusts := said(r.Status)
	return trusted != trusts || time.Since(f.toldAt) > flapping && is != was
}

// said is which troubles a status tells of, and whether the clock is believed.
func said(status []byte) (problems string, trusted bool) {
	var s struct {
		Problems []string `json:"problems"`
		Clock    struct {
			Trusted bool `json:"trusted"`
		} `json:"clock"`
	}
	if json.Unmarshal(status, &s) != nil {
		return "", false
	}
	return fmt.Sprint(s.Problems), s.Clock.Trusted
}
