// Package admission decides which requests are answered now. Places are shared out by
// purpose and by who asks, so that nobody can take those of others, and no place is held
// by a body that has not come yet.
package admission

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Room has places for requests of one purpose. Make it with NewRoom.
type Room struct {
	places, each int
	refused      atomic.Int64 // since the room was made

	mu   sync.Mutex
	used int
	by   map[string]int
	left chan struct{} // closed when somebody leaves
}

// NewRoom makes a room with places at once, of which one key may hold each.
func NewRoom(places, each int) *Room {
	return &Room{places: places, each: each, by: map[string]int{}, left: make(chan struct{})}
}

// Enter takes a place for a key. ok is false where none is free, or where the key has its
// share; else leave gives the place back, and must be called once.
func (r *Room) Enter(key string) (leave func(), ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.used >= r.places || r.by[key] >= r.each {
		r.refused.Add(1)
		return nil, false
	}
	r.used++
	r.by[key]++
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.used--
		if r.by[key]--; r.by[key] == 0 {
			delete(r.by, key)
		}
		close(r.left)
		r.left = make(chan struct{})
	}, true
}

// Wait is Enter for who may wait, until ctx ends.
func (r *Room) Wait(ctx context.Context, key string) (leave func(), err error) {
	for {
		r.mu.Lock()
		left := r.left
		r.mu.Unlock()
		if leave, ok := r.Enter(key); ok {
			return leave, nil
		}
		select {
		case <-left:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Used says how many places are taken.
func (r *Room) Used() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.used
}

// Refused says how many found no place.
func (r *Room) Refused() int64 { return r.refused.Load() }

// Address is who asks, by a request's remote address: an IPv4 address, or the /64 of an
// IPv6 one, which is what one subscriber has.
func Address(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if a = a.Unmap(); a.Is4() {
		return a.String()
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return a.String()
	}
	return p.String()
}

// Busy answers 503 and says when to come back: 1 to 5 seconds from now.
func Busy(w http.ResponseWriter) {
	w.Header().Set("Retry-After", strconv.Itoa(1+rand.IntN(5)))
	http.Error(w, "busy", http.StatusServiceUnavailable)
}

// Errors of a body.
var (
	ErrTooLarge = errors.New("the request is larger than it may be")
	ErrBroken   = errors.New("the request broke off, or came too slowly")
)

// Body reads a request's body whole, within a total time and so many bytes, and puts it
// back to be read again. It holds no place meanwhile.
func Body(w http.ResponseWriter, r *http.Request, most int64, within time.Duration) error {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	c := http.NewResponseController(w)
	if r.ContentLength > most {
		w.Header().Set("Connection", "close")
		_ = c.SetReadDeadline(time.Now())
		return ErrTooLarge
	}
	if p, ok := r.Body.(*pieces); ok {
		p.until = time.Now().Add(within)
	} else {
		_ = c.SetReadDeadline(time.Now().Add(within)) // a test's recorder has none
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, most+1))
	if err != nil || int64(len(raw)) > most {
		w.Header().Set("Connection", "close")
		_ = c.SetReadDeadline(time.Now()) // the rest of it is not waited for
		if err != nil {
			return errors.Join(ErrBroken, err)
		}
		return ErrTooLarge
	}
	_ = c.SetReadDeadline(time.Time{}) // what comes next is another request
	r.Body = io.NopCloser(bytes.NewReader(raw))
	r.ContentLength = int64(len(raw))
	return nil
}

// Shared lets a handler through for as many requests as a room has places; key says
// whose a request is.
func Shared(room *Room, key func(*http.Request) string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leave, ok := room.Enter(key(r))
		if !ok {
			Busy(w)
			return
		}
		defer leave()
		next.ServeHTTP(w, r)
	})
}

// ByAddress is a key for Shared.
func ByAddress(r *http.Request) string { return Address(r.RemoteAddr) }
