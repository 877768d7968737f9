package admission

import (
	"io"
	"net/http"
	"time"
)

// patience is how long the other side may take for the next piece of a body, or to take
// the next piece of an answer; slowest is the bytes a second that a whole body must bring
// on the average, after a first minute.
const (
	patience = time.Minute
	slowest  = 2 << 10
	longest  = 24 * time.Hour
)

// Patient gives each piece of a request and of its answer its own time, and a whole body
// one of its own, so that a silent client cannot hold a connection.
func Patient(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		if r.Body != nil && r.Body != http.NoBody {
			within := longest
			if r.ContentLength >= 0 {
				within = min(longest, patience+time.Duration(r.ContentLength/slowest)*time.Second)
			}
			r.Body = &pieces{ReadCloser: r.Body, c: c, until: time.Now().Add(within)}
		}
		next.ServeHTTP(&slowly{ResponseWriter: w, c: c}, r)
		_ = c.SetWriteDeadline(time.Time{}) // the next request begins with none
	})
}

type pieces struct {
	io.ReadCloser
	c     *http.ResponseController
	until time.Time
}

func (p *pieces) Read(b []byte) (int, error) {
	deadline := time.Now().Add(patience)
	if p.until.Before(deadline) {
		deadline = p.until
	}
	_ = p.c.SetReadDeadline(deadline) // a test's recorder has none
	n, err := p.ReadCloser.Read(b)
	if err != nil { // what comes next is another request, or nothing
		_ = p.c.SetReadDeadline(time.Time{})
	}
	return n, err
}

type slowly struct {
	http.ResponseWriter
	c *http.ResponseController
}

func (s *slowly) Write(b []byte) (int, error) {
	_ = s.c.SetWriteDeadline(time.Now().Add(patience))
	return s.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (s *slowly) Unwrap() http.ResponseWriter { return s.ResponseWriter }
