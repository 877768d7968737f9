package desk

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// brake slows down whoever guesses passwords: after a few wrong attempts for a
// login from one address, or many from an address, each further one must wait
// longer. It is bounded; when full, it forgets the oldest.
type brake struct {
	mu   *sync.Mutex
	hits map[string]misses
}

type misses struct {
	n    int
	last time.Time
}

const (
	freeAttempts   = 5
	freeOfAddress  = 50
	longestWait    = 5 * time.Minute
	forgetMisses   = 15 * time.Minute
	maxRemembered  = 10_000
	doublingFirst  = 2 * time.Second
	maxDoublings   = 10
	separatorInKey = "\n"
)

func newBrake() brake { return brake{mu: &sync.Mutex{}, hits: map[string]misses{}} }

func keys(login, from string) [2]string {
	return [2]string{strings.ToLower(strings.TrimSpace(login)) + separatorInKey + from, separatorInKey + from}
}

// try says how long the next attempt must wait; if it need not, it is counted.
func (b brake) try(login, from string, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	var longest time.Duration
	for n, key := range keys(login, from) {
		free := freeAttempts
		if n == 1 {
			free = freeOfAddress
		}
		m := b.hits[key]
		if m.n < free || now.Sub(m.last) > forgetMisses {
			continue
		}
		pause := min(doublingFirst<<min(m.n-free, maxDoublings), longestWait)
		// A clock that was set back must not lock people out for its jump.
		longest = max(longest, min(pause-now.Sub(m.last), longestWait))
	}
	if longest > 0 {
		return longest
	}
	for _, key := range keys(login, from) {
		m := b.hits[key]
		if now.Sub(m.last) > forgetMisses {
			m.n = 0
		}
		b.hits[key] = misses{m.n + 1, now}
	}
	if len(b.hits) > maxRemembered {
		b.evict()
	}
	return 0
}

// evict forgets the older half.
func (b brake) evict() {
	times := make([]time.Time, 0, len(b.hits))
	for _, m := range b.hits {
		times = append(times, m.last)
	}
	slices.SortFunc(times, time.Time.Compare)
	middle := times[len(times)/2]
	for key, m := range b.hits {
		if m.last.Before(middle) {
			delete(b.hits, key)
		}
	}
}

func (b brake) hit(login, from string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := keys(login, from)
	delete(b.hits, k[0])
	if m := b.hits[k[1]]; m.n > 1 {
		b.hits[k[1]] = misses{m.n - 1, m.last}
	} else {
		delete(b.hits, k[1])
	}
}
