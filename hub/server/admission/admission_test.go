package admission

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever comes and goes, no key has more than its share, all together no more than
// there are, and one that has nothing gets in while a place is free.
func TestRoom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		places, each := rapid.IntRange(1, 20).Draw(t, "places"), rapid.IntRange(1, 5).Draw(t, "each")
		r := NewRoom(places, each)
		held := map[string][]func(){}
		total := 0
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			key := fmt.Sprint(rapid.IntRange(0, 6).Draw(t, "key"))
			if rapid.Bool().Draw(t, "leaves") && len(held[key]) > 0 {
				held[key][0]()
				held[key] = held[key][1:]
				total--
				continue
			}
			leave, ok := r.Enter(key)
			if want := total < places && len(held[key]) < each; ok != want {
				t.Fatalf("%d of %d taken, %d of %d by this one: let in: %v", total, places, len(held[key]), each, ok)
			}
			if ok {
				held[key] = append(held[key], leave)
				total++
			}
		}
		if r.Used() != total {
			t.Fatalf("%d are counted, %d are held", r.Used(), total)
		}
		for _, all := range held {
			for _, leave := range all {
				leave()
			}
		}
		if r.Used() != 0 || len(r.by) != 0 {
			t.Fatalf("%d places and %d keys stay", r.Used(), len(r.by))
		}
	})
}

func TestAddress(t *testing.T) {
	for remote, want := range map[string]string{
		"10.1.2.3:80": "10.1.2.3", "10.1.2.3": "10.1.2.3", "[::ffff:10.1.2.3]:80": "10.1.2.3",
		"[2001:db8:1:2:3:4:5:6]:80": "2001:db8:1:2::/64", "[2001:db8:1:2:ffff::1]:9": "2001:db8:1:2::/64", "[fe80::1%eth0]:1": "fe80::/64", "pipe": "pipe",
	} {
		if got := Address(remote); got != want {
			t.Errorf("%s is %s, not %s", remote, got, want)
		}
	}
}

// A body that is too long or too slow takes nobody's time, and a good one can be read.
func TestBody(t *testing.T) {
	results := make(chan error, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := Body(w, r, 10, 300*time.Millisecond)
		if err == nil {
			var raw []byte
			if raw, err = io.ReadAll(r.Body); err == nil && string(raw) != "0123456789" {
				err = fmt.Errorf("read %q", raw)
			}
		}
		results <- err
	}))
	defer srv.Close()
	for _, c := range []struct {
		body io.Reader
		want error
	}{{strings.NewReader("0123456789"), nil}, {strings.NewReader("0123456789x"), ErrTooLarge}, {io.MultiReader(strings.NewReader("012345"), strings.NewReader("6789x")), ErrTooLarge}} {
		resp, err := http.Post(srv.URL, "text/plain", c.body)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if err := <-results; !errors.Is(err, c.want) {
			t.Errorf("%v, not %v", err, c.want)
		}
	}
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0")
	if err := <-results; !errors.Is(err, ErrBroken) {
		t.Errorf("a body that never comes: %v", err)
	}
}
