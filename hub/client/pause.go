package client

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// How attempts are spread after a fault: a random part of a time that doubles, drawn after
// the cap, so that thousands never fall into step. A fault of the line is over in a moment,
// perhaps: the cap is low. A hub that is overloaded or refuses is asked seldom.
const (
	firstPause  = time.Second
	localPause  = 30 * time.Second
	remotePause = 5 * time.Minute
	longUnheard = 10 * time.Minute // without a word of the hub, it is taken to be down
	maxAfter    = time.Hour        // for which a hub may ask to be left alone
)

// backoff spreads attempts.
type backoff struct{ n int }

// next is how long to wait after a fault. unheard is how long ago the hub last answered.
func (b *backoff) next(err error, unheard time.Duration) time.Duration {
	most := localPause
	if isBusy(err) != nil || errors.Is(err, errRefused) || unheard > longUnheard {
		most = remotePause
	}
	if b.n < 9 {
		most = min(most, firstPause<<b.n)
	}
	b.n++
	wait := rand.N(most) + 50*time.Millisecond
	if busy := isBusy(err); busy != nil {
		wait = max(wait, busy.after+rand.N(busy.after/10+time.Second))
	}
	return wait
}

func isBusy(err error) *busyError {
	var busy *busyError
	if errors.As(err, &busy) {
		return busy
	}
	return nil
}

// retryAfter reads when a hub asks to be asked again: in seconds, or as a date.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		return min(time.Duration(n)*time.Second, maxAfter)
	}
	at, err1 := http.ParseTime(text)
	now, err2 := http.ParseTime(h.Get("Date")) // by the same clock
	if err1 == nil && err2 == nil && at.After(now) {
		return min(at.Sub(now), maxAfter)
	}
	return 5 * time.Second
}
