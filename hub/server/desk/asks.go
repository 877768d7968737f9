package desk

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"cotmoc/playlist"
)

// asks are the machines that want to be enrolled and were not invited. Anybody may ask,
// so nothing of it is written: they live in memory, for ten minutes. An address has its
// share, and where there are too many, those go first whose machines do not ask how far
// it is: a real one does so every few seconds.
type asks struct {
	mu   sync.Mutex
	byID map[playlist.ID]*asking
}

type asking struct {
	Pairing
	from   string
	polled time.Time // zero: never
	added  time.Time
}

const (
	maxAsks        = 200
	maxAsksOfOne   = 20
	askIsAbandoned = 30 * time.Second
)

func newAsks() *asks { return &asks{byID: map[playlist.ID]*asking{}} }

// ErrManyAsk is returned where so many machines ask that really wait for an answer.
var ErrManyAsk = &playlist.Error{Code: playlist.CodeRefused, Where: "enrolment", Detail: "too many machines ask at once: use an invitation's code, or try again in ten minutes"}

func (a *asks) add(p Pairing, from string, now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	ofOne := 0
	for id, o := range a.byID {
		switch {
		case !now.Before(o.Until), o.Public == p.Public: // over, or the same machine again
			delete(a.byID, id)
		case o.from == from:
			ofOne++
		}
	}
	if ofOne >= maxAsksOfOne && !a.makeRoom(now, from) || len(a.byID) >= maxAsks && !a.makeRoom(now, "") && !a.shares(from, ofOne) {
		return ErrManyAsk
	}
	a.byID[p.ID] = &asking{Pairing: p, from: from, added: now}
	return nil
}

// makeRoom forgets one that nobody waits for, of an address or of all.
func (a *asks) makeRoom(now time.Time, from string) bool {
	count := map[string]int{}
	var idle []*asking
	for _, o := range a.byID {
		count[o.from]++
		if from != "" && o.from != from || !o.polled.IsZero() && now.Sub(o.polled) < askIsAbandoned {
			continue
		}
		idle = append(idle, o)
	}
	if len(idle) == 0 {
		return false
	}
	first := slices.MinFunc(idle, func(x, y *asking) int { // of the busiest address, the oldest
		return cmp.Or(cmp.Compare(count[y.from], count[x.from]), x.added.Compare(y.added), cmp.Compare(x.ID, y.ID))
	})
	delete(a.byID, first.ID)
	return true
}

// shares forgets the oldest of the address that has most, for one that has less: many
// that wait keep nobody out.
func (a *asks) shares(from string, has int) bool {
	count := map[string]int{}
	for _, o := range a.byID {
		count[o.from]++
	}
	var first *asking
	for _, o := range a.byID {
		if o.from == from || count[o.from] <= has+1 {
			continue
		}
		if first == nil || cmp.Or(cmp.Compare(count[first.from], count[o.from]), o.added.Compare(first.added), cmp.Compare(o.ID, first.ID)) < 0 {
			first = o
		}
	}
	if first == nil {
		return false
	}
	delete(a.byID, first.ID)
	return true
}

func (a *asks) byCode(code string, now time.Time) (Pairing, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, o := range a.byID {
		if o.Code == code && now.Before(o.Until) {
			return o.Pairing, true
		}
	}
	return Pairing{}, false
}

// polled returns one, and notes that its machine asked.
func (a *asks) polled(id playlist.ID, now time.Time) (Pairing, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	o, ok := a.byID[id]
	if !ok {
		return Pairing{}, false
	}
	o.polled = now
	return o.Pairing, true
}

func (a *asks) drop(id playlist.ID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.byID, id)
}

func (a *asks) list(now time.Time) (out []Pairing) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, o := range a.byID {
		if now.Before(o.Until) {
			out = append(out, o.Pairing)
		}
	}
	slices.SortFunc(out, func(x, y Pairing) int { return cmp.Compare(x.ID, y.ID) })
	return out
}
