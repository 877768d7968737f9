// Sound plays what kiosk says. It is expendable: when the sound system goes
// away it ends with code 5 and is started anew.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"cotmoc/player/link"
	"cotmoc/player/sound"
)

func main() {
	socket := flag.String("socket", "", "kiosk.sock to obey")
	latency := flag.Duration("latency", 15*time.Millisecond, "time from mixing a sample to hearing it")
	flag.Parse()
	if *socket == "" || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "sound: give --socket PATH")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *socket, *latency)
	stop()
	switch {
	case err == nil || errors.Is(err, context.Canceled):
	case errors.Is(err, sound.ErrNoSound):
		fmt.Fprintln(os.Stderr, "sound:", err)
		os.Exit(5)
	default:
		fmt.Fprintln(os.Stderr, "sound:", err)
		os.Exit(1)
	}
}

// run connects to kiosk and plays; without kiosk it stays silent and tries
// again, because what it plays is the hall's and not its own.
func run(ctx context.Context, socket string, latency time.Duration) error {
	messages := make(chan link.Message, 64)
	out := make(chan link.Message, 256)
	tell := func(m link.Message) {
		select {
		case out <- m:
		default: // kiosk is away or slow: old positions are worth nothing
		}
	}
	client := link.Client{Socket: socket,
		Greet: func(c *link.Conn) error {
			// A kiosk that was started again knows none of our voices.
			hear(ctx, messages, link.Message{Kind: link.Stop})
			return c.Send(link.Message{Kind: link.Hello, Role: "sound", PID: os.Getpid()})
		},
		Receive: func(m link.Message) { hear(ctx, messages, m) },
		Pump:    func(ctx context.Context, c *link.Conn) error { return pump(ctx, c, out) },
	}
	go client.Serve(ctx) // ends with ctx, and so with the process
	err := sound.Serve(ctx, latency, messages, tell)
	if errors.Is(err, sound.ErrNoSound) {
		tell(link.Message{Kind: link.Fault, Reason: err.Error()})
		time.Sleep(100 * time.Millisecond) // lets the fault out before the process ends
	}
	return err
}

func hear(ctx context.Context, messages chan<- link.Message, m link.Message) {
	select {
	case messages <- m:
	case <-ctx.Done():
	}
}

func pump(ctx context.Context, conn *link.Conn, out <-chan link.Message) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case m := <-out:
			if err := conn.Send(m); err != nil {
				return err
			}
		}
	}
}
