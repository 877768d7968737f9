package desk

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"cotmoc/hub/server/admission"
)

// brake slows down guessing: beyond some free attempts of a kind, each further one must
// wait twice as long. It is bounded; when full, it forgets what ended, then who missed
// least.
type brake struct {
	mu   sync.Mutex
	hits map[string]misses
}

type misses struct {
	n    int
	last time.Time
}

// tally is what an attempt counts against, and how many attempts are free.
type tally struct {
	key  string
	free int
}

const (
	freeAttempts  = 5  // of a login from an address
	freeOfAccount = 20 // of a login, from wherever
	freeOfAddress = 50 // from an address, for whatever
	longestWait   = 5 * time.Minute
	forgetMisses  = 15 * time.Minute
	maxRemembered = 10_000
	doublingFirst = 2 * time.Second
	maxDoublings  = 10
)

func newBrake() *brake { return &brake{hits: map[string]misses{}} }

// SlowError says how long to wait before the next attempt.
type SlowError struct{ Wait time.Duration }

func (e *SlowError) Error() string {
	return fmt.Sprintf("%v (%v)", ErrSlow, e.Wait.Round(time.Second))
}

// Is makes it an ErrSlow.
func (e *SlowError) Is(target error) bool { return target == ErrSlow }

// short is a key of bounded length.
func short(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:12])
}

// signInCounts are what an attempt to sign in counts against. One from where the account
// signed in before counts by itself: strangers who guess at an account, or share an
// address with it, lock nobody out.
func signInCounts(login, from string, known bool) []tally {
	login = strings.ToLower(strings.TrimSpace(login))
	from = admission.Address(from)
	pair := tally{short("pair", login, from), freeAttempts}
	if known {
		return []tally{pair}
	}
	return []tally{pair, {short("account", login), freeOfAccount}, {short("address", from), freeOfAddress}}
}

// attempt counts an attempt, before it is known how it ends, so that many at once are no
// way round; or says how long it must wait. missed is how often was missed before.
func (b *brake) attempt(now time.Time, counts ...tally) (wait time.Duration, missed int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range counts {
		m := b.hits[c.key]
		if m.n < c.free || now.Sub(m.last) > forgetMisses {
			continue
		}
		pause := min(doublingFirst<<min(m.n-c.free, maxDoublings), longestWait)
		// A clock that was set back must not lock people out for its jump.
		wait = max(wait, min(pause-now.Sub(m.last), longestWait))
	}
	if wait > 0 {
		return wait, 0
	}
	for n, c := range counts {
		m := b.hits[c.key]
		if now.Sub(m.last) > forgetMisses {
			m.n = 0
		}
		if over := m.n - c.free; n == 0 || over >= 0 {
			missed = max(missed, m.n)
		}
		b.hits[c.key] = misses{m.n + 1, now}
	}
	if len(b.hits) > maxRemembered {
		b.evict(now)
	}
	return 0, missed
}

// evict forgets half: what ended first, then what was missed least and longest ago.
func (b *brake) evict(now time.Time) {
	all := make([]string, 0, len(b.hits))
	for key, m := range b.hits {
		if now.Sub(m.last) > forgetMisses {
			delete(b.hits, key)
			continue
		}
		all = append(all, key)
	}
	if len(all) <= maxRemembered/2 {
		return
	}
	slices.SortFunc(all, func(x, y string) int {
		return cmp.Or(cmp.Compare(b.hits[x].n, b.hits[y].n), b.hits[x].last.Compare(b.hits[y].last))
	})
	for _, key := range all[:len(all)-maxRemembered/2] {
		delete(b.hits, key)
	}
}

// undo takes an attempt back that was no guess.
func (b *brake) undo(counts ...tally) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range counts {
		if m := b.hits[c.key]; m.n > 1 {
			b.hits[c.key] = misses{m.n - 1, m.last}
		} else {
			delete(b.hits, c.key)
		}
	}
}

// right forgets the misses of the first of counts and takes the attempt back of the
// others.
func (b *brake) right(counts ...tally) {
	b.undo(counts...)
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(counts) > 0 {
		delete(b.hits, counts[0].key)
	}
}
