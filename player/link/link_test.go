package link

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"cotmoc/playlist"
)

func TestMessagesCross(t *testing.T) {
	a, b := net.Pipe()
	left, right := NewConn(a), NewConn(b)
	big := strings.Repeat("x", 300_000)
	go func() {
		left.Send(Message{Kind: Shown, Showing: &Showing{ID: "1", Item: "i", Language: "vi"}, At: 5})
		left.Send(Message{Kind: Fault, Reason: big})
		left.Send(Message{Kind: Programme, Programme: &playlist.Programme{Format: 1, Sequence: 9}})
		left.Close()
	}()
	m, err := right.Receive()
	if err != nil || m.Showing.Item != "i" || m.At != 5 {
		t.Fatalf("%+v, %v", m, err)
	}
	if m, err = right.Receive(); err != nil || m.Reason != big {
		t.Fatalf("%d bytes, %v", len(m.Reason), err)
	}
	if m, err = right.Receive(); err != nil || m.Programme.Sequence != 9 {
		t.Fatalf("%+v, %v", m, err)
	}
	if _, err = right.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}

func TestMalformedMessages(t *testing.T) {
	for _, text := range []string{"hello\n", "{\n", "[]\n", `{"kind":5}` + "\n", `{"kind":"beat"`} {
		a, b := net.Pipe()
		go func() {
			io.WriteString(a, text)
			a.Close()
		}()
		if _, err := NewConn(b).Receive(); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestMonoOnlyGrows(t *testing.T) {
	if a, b := Mono(), Mono(); a <= 0 || b < a {
		t.Errorf("%d then %d", a, b)
	}
}
