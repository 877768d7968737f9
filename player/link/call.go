package link

import (
	"context"
	"fmt"
	"net"
	"time"
)

// redial is the pause before a lost kiosk is looked for again.
const redial = 300 * time.Millisecond

// Client is a child's end of kiosk.sock.
type Client struct {
	Socket  string
	Greet   func(*Conn) error                  // the first words on a new connection
	Receive func(Message)                      // what kiosk says, in order
	Pump    func(context.Context, *Conn) error // sends until ctx ends, which it does with the connection
}

// Serve keeps the child connected for as long as ctx lives: children outlive
// kiosk, so a lost connection is tried again and again.
func (c Client) Serve(ctx context.Context) error {
	for ctx.Err() == nil {
		if c.talk(ctx) == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(redial):
		}
	}
	return ctx.Err()
}

func (c Client) talk(ctx context.Context) error {
	var dialer net.Dialer
	raw, err := dialer.DialContext(ctx, "unix", c.Socket)
	if err != nil {
		return fmt.Errorf("connect to kiosk: %w", err)
	}
	conn := NewConn(raw)
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := c.Greet(conn); err != nil {
		return err
	}
	alive, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	go func() { // ends when the connection closes
		for {
			m, err := conn.Receive()
			if err != nil {
				lost(err)
				return
			}
			c.Receive(m)
		}
	}()
	if err := c.Pump(alive, conn); err != nil && alive.Err() == nil {
		return err
	}
	return context.Cause(alive)
}
