package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cotmoc/hub/feed"
)

// opener is a network that opens streams: each question is answered by the next of its
// answers, and it remembers when it was asked.
type opener struct {
	answers []func() (*http.Response, error)
	asked   []time.Time
}

func (o *opener) RoundTrip(r *http.Request) (*http.Response, error) {
	o.asked = append(o.asked, time.Now())
	if len(o.answers) == 0 {
		return nil, errors.New("no route to host")
	}
	next := o.answers[0]
	if len(o.answers) > 1 {
		o.answers = o.answers[1:]
	}
	resp, err := next()
	if resp != nil {
		if body, ok := resp.Body.(*io.PipeReader); ok {
			context.AfterFunc(r.Context(), func() { body.CloseWithError(r.Context().Err()) })
		}
	}
	return resp, err
}

func noRoute() (*http.Response, error) { return nil, errors.New("no route to host") }

func answers(code int, after string) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		return &http.Response{StatusCode: code, Header: http.Header{"Retry-After": {after}}, Body: io.NopCloser(strings.NewReader("{}"))}, nil
	}
}

// stream answers with a stream that the test writes to.
func stream() (*io.PipeWriter, func() (*http.Response, error)) {
	r, w := io.Pipe()
	return w, func() (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: r}, nil
	}
}

// inTime runs a test in simulated time.
func inTime(t *testing.T, play func(*testing.T)) {
	t.Helper()
	synctest.Test(t, play)
}

// listen runs a client until the function that it returns is called, which says when the
// stream was lost.
func listen(t *testing.T, o *opener) (*Client, func() []time.Time) {
	c := Through(t.TempDir(), o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	var ended []time.Time
	go func() {
		defer close(done)
		c.Listen(ctx, "boot", func(feed.Event) {}, func(open bool, _ error) {
			if !open {
				ended = append(ended, time.Now())
			}
		})
	}()
	return c, func() []time.Time {
		cancel()
		<-done
		return ended
	}
}

// A line that is dead without saying so is given up within two pings and a moment: with the
// pings of a machine whose place has a notice, within 35 seconds.
func TestDeadStream(t *testing.T) {
	for _, ping := range []int{150, 15} {
		inTime(t, func(t *testing.T) {
			w, answer := stream()
			began := time.Now()
			_, end := listen(t, &opener{answers: []func() (*http.Response, error){answer, noRoute}})
			_, _ = io.WriteString(w, `data: {"kind":"ping","ping":`+strconv.Itoa(ping)+"}\n\n")
			time.Sleep(10 * time.Minute)
			most := 2*time.Duration(ping)*time.Second + 6*time.Second
			if ended := end(); len(ended) == 0 || ended[0].Sub(began) > most {
				t.Errorf("ping %d s: the stream was given up at %v, want within %v", ping, ended, most)
			}
		})
	}
}

// While the fault may be the line's own, half a minute is the longest wait; after ten
// minutes without a word, five minutes are.
func TestTriesWhileAway(t *testing.T) {
	inTime(t, func(t *testing.T) {
		began := time.Now()
		o := &opener{answers: []func() (*http.Response, error){noRoute}}
		_, end := listen(t, o)
		time.Sleep(3 * time.Hour)
		end()
		early, late, longest := 0, 0, time.Duration(0)
		for i := 1; i < len(o.asked); i++ {
			gap := o.asked[i].Sub(o.asked[i-1])
			if o.asked[i-1].Sub(began) < longUnheard {
				early++
				if gap > localPause+time.Second {
					t.Errorf("%v after the line went, the next try took %v", o.asked[i].Sub(began), gap)
				}
				continue
			}
			late++
			longest = max(longest, gap)
		}
		if early < 25 || late < 30 || late > 200 || longest < localPause || longest > remotePause+time.Second {
			t.Errorf("%d tries in the first ten minutes, %d in the hours after, the longest wait %v", early, late, longest)
		}
	})
}

// A change of the network is tried within two seconds, however long the wait was to be.
func TestTriesAfterRewiring(t *testing.T) {
	for range 20 {
		inTime(t, func(t *testing.T) {
			o := &opener{answers: []func() (*http.Response, error){noRoute}}
			c, end := listen(t, o)
			time.Sleep(time.Hour) // in waits of up to five minutes
			synctest.Wait()       // nothing tries at this very moment
			before, at := len(o.asked), time.Now()
			c.Rewire()
			time.Sleep(rewired + time.Millisecond)
			end()
			if len(o.asked) <= before || o.asked[before].Sub(at) > rewired {
				t.Errorf("tried at %v after a change at %v", o.asked[before:], at)
			}
		})
	}
}

// A hub that asks to be left alone is left alone; one that goes down for a restart is asked
// again within the time that it gave.
func TestObeysTheHub(t *testing.T) {
	inTime(t, func(t *testing.T) {
		o := &opener{answers: []func() (*http.Response, error){answers(http.StatusServiceUnavailable, "120")}}
		_, end := listen(t, o)
		time.Sleep(20 * time.Minute)
		end()
		if len(o.asked) < 3 {
			t.Fatalf("asked %d times in twenty minutes", len(o.asked))
		}
		for i := 1; i < len(o.asked); i++ {
			if gap := o.asked[i].Sub(o.asked[i-1]); gap < 2*time.Minute {
				t.Errorf("asked again after %v, though the hub said 120 seconds", gap)
			}
		}
	})
	inTime(t, func(t *testing.T) {
		w, answer := stream()
		o := &opener{answers: []func() (*http.Response, error){answer, noRoute}}
		_, end := listen(t, o)
		_, _ = io.WriteString(w, "data: {\"kind\":\"restart\",\"after\":60}\n\n")
		_ = w.Close()
		time.Sleep(5 * time.Minute)
		end()
		if len(o.asked) < 2 || o.asked[1].Sub(o.asked[0]) > 62*time.Second {
			t.Errorf("asked at %v: a restart takes a minute", o.asked)
		}
	})
}
