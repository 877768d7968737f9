// Sound plays what kiosk says. It is expendable: when the sound system goes
// away it ends with code 5 and is started anew.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
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
	go func() { // ends with ctx, and so with the process
		for ctx.Err() == nil {
			if talk(ctx, socket, messages, out) != nil {
				select {
				case <-ctx.Done():
				case <-time.After(300 * time.Millisecond):
				}
			}
		}
	}()
	err := sound.Serve(ctx, latency, messages, tell)
	if errors.Is(err, sound.ErrNoSound) {
		tell(link.Message{Kind: link.Fault, Reason: err.Error()})
		time.Sleep(100 * time.Millisecond) // lets the fault out before the process ends
	}
	return err
}

func talk(ctx context.Context, socket string, messages chan<- link.Message, out <-chan link.Message) error {
	var dialer net.Dialer
	raw, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("connect to kiosk: %w", err)
	}
	conn := link.NewConn(raw)
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := conn.Send(link.Message{Kind: link.Hello, Role: "sound", PID: os.Getpid()}); err != nil {
		return err
	}
	// A kiosk that was started again knows none of our voices.
	select {
	case messages <- link.Message{Kind: link.Stop}:
	case <-ctx.Done():
	}
	gone := make(chan error, 1)
	go func() { // ends when the connection closes
		for {
			m, err := conn.Receive()
			if err != nil {
				gone <- err
				return
			}
			select {
			case messages <- m:
			case <-ctx.Done():
			}
		}
	}()
	for {
		select {
		case err := <-gone:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case m := <-out:
			if err := conn.Send(m); err != nil {
				return err
			}
		}
	}
}
