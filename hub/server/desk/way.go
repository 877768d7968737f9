package desk

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"cotmoc/hub/server/rights"
)

// The database has one writer. A publication of a whole country holds it for seconds, and no
// notice may wait for that: a long act gives way, and begins again once the notice has gone
// out.

// errGivesWay is the cause that ends an act for which something urgent does not wait.
var errGivesWay = errors.New("a notice comes first")

const (
	maxGivesWay = 3               // then an act goes on to its end: nobody can hold it up for ever
	urgentTime  = 5 * time.Second // for a notice to be signed and sent
)

// way knows the long acts that go on, and whether something urgent is on its way.
type way struct {
	mu    sync.Mutex
	acts  map[*context.CancelCauseFunc]bool
	clear chan struct{} // closed once nothing urgent is on its way; nil: nothing is
	sent  bool          // somebody sends what is urgent, and calls done
}

// enter notes a long act, which ends with cancel if something urgent comes.
func (w *way) enter(cancel context.CancelCauseFunc) (leave func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.acts == nil {
		w.acts = map[*context.CancelCauseFunc]bool{}
	}
	w.acts[&cancel] = true
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.acts, &cancel)
	}
}

// urgent ends the long acts that go on. They begin again after done, or urgentTime later.
func (w *way) urgent() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for cancel := range w.acts {
		(*cancel)(errGivesWay)
	}
	if w.clear == nil && w.sent {
		w.clear = make(chan struct{})
	}
}

// done lets long acts go on.
func (w *way) done() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.clear != nil {
		close(w.clear)
		w.clear = nil
	}
}

// wait waits until nothing urgent is on its way.
func (w *way) wait(ctx context.Context) {
	w.mu.Lock()
	clear := w.clear
	w.mu.Unlock()
	if clear == nil {
		return
	}
	late := time.NewTimer(urgentTime)
	defer late.Stop()
	select {
	case <-ctx.Done():
	case <-clear:
	case <-late.C:
	}
}

// givingWay does a long act, from its beginning again where it gave way.
func givingWay[T any](ctx context.Context, w *way, act func(ctx context.Context) (T, error)) (T, error) {
	for range maxGivesWay {
		w.wait(ctx)
		own, cancel := context.WithCancelCause(ctx)
		leave := w.enter(cancel)
		out, err := act(own)
		leave()
		cancel(nil)
		if err == nil || !errors.Is(context.Cause(own), errGivesWay) {
			return out, err
		}
	}
	w.wait(ctx)
	return act(ctx)
}

// urgently does what no long act may hold up.
func urgently[T any](w *way, act func() (T, error)) (T, error) {
	w.urgent()
	out, err := act()
	if err != nil { // nothing is to go out
		w.done()
	}
	return out, err
}

// SendsUrgent says that from now on what is urgent is sent at once, after which UrgentIsOut
// is called.
func (d *Desk) SendsUrgent() {
	d.way.mu.Lock()
	defer d.way.mu.Unlock()
	d.way.sent = true
}

// UrgentIsOut says that what the duty officers say has gone out.
func (d *Desk) UrgentIsOut() { d.way.done() }

// mayHurry says whether a caller may do an act anywhere: for others nothing gives way.
func mayHurry(by Caller, act rights.Act) bool {
	return by.Account == Console || slices.ContainsFunc(by.Grants, func(g rights.Grant) bool { return g.Role.Allows(act) })
}
