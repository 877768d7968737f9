package link

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// A child keeps looking for kiosk, greets every new one, and hands over what
// each says; what a lost one had in its queue is not sent twice.
func TestClientConnectsAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kiosk.sock")
	heard := make(chan Message, 10)
	client := Client{Socket: path,
		Greet:   func(c *Conn) error { return c.Send(Message{Kind: Hello, PID: 7}) },
		Receive: func(m Message) { heard <- m },
		Pump: func(ctx context.Context, c *Conn) error {
			if err := c.Send(Message{Kind: Beat}); err != nil {
				return err
			}
			<-ctx.Done()
			return ctx.Err()
		}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- client.Serve(ctx) }() // nobody listens yet
	for n := range 3 {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c := NewConn(raw)
		for _, want := range []Kind{Hello, Beat} {
			if m, err := c.Receive(); err != nil || m.Kind != want {
				t.Fatalf("connection %d: %+v, %v", n, m, err)
			}
		}
		c.Post(Message{Kind: Fault, Frames: uint64(n)})
		if m := <-heard; m.Frames != uint64(n) {
			t.Errorf("heard %+v", m)
		}
		c.Close()
		l.Close()
	}
	cancel()
	if err := <-done; err != context.Canceled {
		t.Errorf("it ended with %v", err)
	}
}

// Post never blocks, even if nobody reads: such a peer is cut off.
func TestAPeerThatDoesNotReadIsCutOff(t *testing.T) {
	a, b := net.Pipe() // without a buffer: the first message waits for a reader
	defer b.Close()
	c := NewConn(a)
	began := time.Now()
	for range maxPosted + 10 {
		c.Post(Message{Kind: Beat})
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("posting took %v", took)
	}
	if err := c.Send(Message{Kind: Beat}); err == nil {
		t.Error("the connection is still open")
	}
	if err := c.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
}
