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
	return [2]string{strings.ToLower(login) + separatorInKey + from, separatorInKey + from}
}

// wait says how long the next attempt must wait.
func (b brake) wait(login, from string, now time.Time) time.Duration {
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
		longest = max(longest, pause-now.Sub(m.last))
	}
	return longest
}

func (b brake) miss(login, from string, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
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
	delete(b.hits, keys(login, from)[0])
}
