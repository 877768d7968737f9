package desk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/rights"
	"cotmoc/hub/trust"
)

// MaxClockStep is how far the wall clock may move against everything else before this hub
// stops signing.
const MaxClockStep = 5 * time.Minute

// maxAway is how long a hub may have been switched off and still be believed without a
// second source of time.
const maxAway = 40 * 24 * time.Hour

// ErrClock is wrapped where nothing is signed because the clock cannot be believed.
var ErrClock = errors.New("this hub's clock cannot be believed: nothing is signed until a person confirms it with hub clock confirm")

// Hold says why this hub does not sign.
type Hold struct {
	Against string    `json:"against"` // monotonic, signature, second source, away
	Wall    time.Time `json:"wall"`    // what the clock said
	Other   time.Time `json:"other"`   // what it should have said
}

// Kept is what the watch keeps for the next start.
type Kept struct {
	Boot string        `json:"boot,omitempty"`
	Wall time.Time     `json:"wall"`
	Mono time.Duration `json:"mono"`
	Hold *Hold         `json:"hold,omitempty"`

	Since *Anchor   `json:"since,omitempty"` // with which the clock is compared while this machine runs
	Wrong time.Time `json:"wrong,omitzero"`  // what was signed before a person confirmed the clock
}

// Anchor is a wall time and the time since boot at the same moment.
type Anchor struct {
	Wall time.Time     `json:"wall"`
	Mono time.Duration `json:"mono"`
}

// maxDrift is how far a clock may drift from the machine's own in a time: small steps do
// not add up unseen.
func maxDrift(since time.Duration) time.Duration { return MaxClockStep + since/2000 }

// Watch compares the wall clock with time that nobody sets, with what was signed last, and
// with a second source. Once they differ, it holds until a person confirms the clock.
type Watch struct {
	now    func() time.Time
	mono   func() time.Duration // since boot; nil: not compared
	second func() (time.Time, bool)

	mu     sync.Mutex
	wall   time.Time
	at     time.Duration
	signed time.Time
	wrong  time.Time // what was signed before a person confirmed the clock
	hold   *Hold
}

// NewWatch makes a watch. second may say what time another source has; it is asked at
// each Look.
func NewWatch(now func() time.Time, mono func() time.Duration, second func() (time.Time, bool)) *Watch {
	w := &Watch{now: now, mono: mono, second: second}
	w.anchor()
	return w
}

func (w *Watch) anchor() {
	w.wall = w.now().Round(0) // without Go's own monotonic reading, which would hide a step
	if w.mono != nil {
		w.at = w.mono()
	}
}

// Continue compares with what was kept at the last run: time that nobody sets goes on
// while the machine runs, and no clock goes back over a start.
func (w *Watch) Continue(kept Kept, boot string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if kept.Wall.IsZero() {
		return
	}
	w.hold, w.wrong = kept.Hold, kept.Wrong
	now := w.now().Round(0)
	switch {
	case kept.Boot == boot && boot != "" && kept.Mono > 0 && w.mono != nil:
		w.wall, w.at = kept.Wall, kept.Mono
		if kept.Since != nil && kept.Hold == nil {
			w.wall, w.at = kept.Since.Wall, kept.Since.Mono
		}
	case now.Before(kept.Wall.Add(-MaxClockStep)):
		w.holdFor("signature", now, kept.Wall)
	case now.After(kept.Wall.Add(maxAway)) && !w.confirmedBySecond(now):
		w.holdFor("away", now, kept.Wall)
	}
}

func (w *Watch) confirmedBySecond(now time.Time) bool {
	if w.second == nil {
		return false
	}
	other, ok := w.second()
	return ok && now.Sub(other).Abs() <= MaxClockStep
}

// Keep is what to keep for the next start.
func (w *Watch) Keep(boot string) Kept {
	w.mu.Lock()
	defer w.mu.Unlock()
	k := Kept{Wall: w.now().Round(0), Hold: w.hold, Wrong: w.wrong}
	if w.mono != nil { // else nothing was measured since that boot
		k.Boot, k.Mono, k.Since = boot, w.mono(), &Anchor{Wall: w.wall, Mono: w.at}
	}
	if w.hold != nil { // the clock of now is not what to compare with
		k.Wall, k.Mono = w.wall, w.at
	}
	return k
}

func (w *Watch) holdFor(against string, wall, other time.Time) {
	if w.hold == nil {
		w.hold = &Hold{Against: against, Wall: wall, Other: other}
	}
}

// Signed notes an instant at which this hub signed something.
func (w *Watch) Signed(at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if at.After(w.signed) && !at.Equal(w.wrong) {
		w.signed = at
	}
}

// Check compares the clock now, and returns an error while it cannot be believed.
func (w *Watch) Check() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now().Round(0)
	if w.mono != nil {
		since := w.mono() - w.at
		if should := w.wall.Add(since); now.Sub(should).Abs() > maxDrift(since) {
			w.holdFor("monotonic", now, should)
		}
	}
	if now.Before(w.signed.Add(-MaxClockStep)) {
		w.holdFor("signature", now, w.signed)
	}
	if w.hold != nil {
		return fmt.Errorf("%w (it said %s, and should have said %s by %s)", ErrClock, w.hold.Wall.UTC().Format(time.RFC3339), w.hold.Other.UTC().Format(time.RFC3339), w.hold.Against)
	}
	return nil
}

// Look is Check, with the second source asked as well.
func (w *Watch) Look() error {
	if w.second != nil {
		if other, ok := w.second(); ok {
			w.mu.Lock()
			if now := w.now().Round(0); now.Sub(other).Abs() > MaxClockStep {
				w.holdFor("second source", now, other)
			}
			w.mu.Unlock()
		}
	}
	return w.Check()
}

// Held returns why nothing is signed, or nil.
func (w *Watch) Held() *Hold {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hold
}

func (w *Watch) confirm(last time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hold, w.signed, w.wrong = nil, time.Time{}, last
	w.anchor()
}

// ConfirmClock is a person's word that this hub's clock is right now. What was signed for
// too long is signed again.
func (d *Desk) ConfirmClock(ctx context.Context, by Caller) error {
	last, err := d.SignedLast(ctx)
	if err != nil {
		return err
	}
	_, err = do(ctx, d, by, "confirm clock", func(t *tx) (struct{}, error) {
		t.about(central.Settings, "clock", t.tree.root)
		if err := t.need(rights.Administer, t.tree.root); err != nil {
			return struct{}{}, err
		}
		if h := d.Clock.Held(); h != nil {
			if err := t.detail(map[string]any{"against": h.Against, "said": h.Wall, "should": h.Other}); err != nil {
				return struct{}{}, err
			}
		}
		if err := t.requeue(); err != nil {
			return struct{}{}, err
		}
		t.after = append(t.after, func() { d.Clock.confirm(last) }, d.distribute, d.wakeUp)
		return struct{}{}, nil
	})
	return err
}

// requeue lets jobs run that a clock which was ahead has put off.
func (t *tx) requeue() error {
	docs, err := t.List(t.ctx, central.Query{Kind: central.Jobs, States: []string{JobQueued}})
	for _, doc := range docs {
		if doc.Due.After(t.now.Add(time.Hour)) {
			doc.Due = t.now
			if _, err := t.put(doc); err != nil {
				return err
			}
		}
	}
	return err
}

// SignedLast is when this hub says that it signed its newest timestamp; zero for never.
func (d *Desk) SignedLast(ctx context.Context) (at time.Time, err error) {
	err = d.Store.Read(ctx, func(r central.Reader) error {
		_, m, err := load(ctx, r, central.Signed, trust.Timestamp)
		if err == nil && m.Raw != nil {
			at = trust.IssuedAt(m.Raw)
		}
		return err
	})
	return at, err
}
