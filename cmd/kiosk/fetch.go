package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"cotmoc/device"
	"cotmoc/hub/client"
	"cotmoc/hub/local"
	"cotmoc/internal/kiosk"
	"cotmoc/player/link"
	"cotmoc/player/proof"
	"cotmoc/playlist"
)

// runFetch is the child that alone speaks with the network.
func runFetch(ctx context.Context, c *cli, args []string) error {
	set := c.flags("fetch")
	dir := set.String("data", "", "folder of the kiosk's data")
	socket := set.String("socket", "", "where kiosk listens")
	if err := parseWithData(set, args, 0, dir); err != nil {
		return err
	}
	id, err := local.Load(*dir)
	if err != nil {
		return err
	}
	alone, err := onlyFetch(ctx, *dir)
	if err != nil {
		return err
	}
	defer alone.Close()
	cl, err := client.New(*dir, id)
	if err != nil {
		return err
	}
	said := make(chan local.Progress, 64)
	f := client.NewFetch(cl, proof.BootID(), func(p local.Progress) {
		select {
		case said <- p:
		case <-ctx.Done():
		}
	})
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { done <- f.Serve(ctx); cancel() }() // a renewed certificate ends it, and kiosk starts it anew
	talk := link.Client{
		Socket: *socket,
		Greet: func(conn *link.Conn) error {
			defer f.Greeted()
			return conn.Send(link.Message{Kind: link.Hello, Role: "fetch", PID: os.Getpid()})
		},
		Receive: func(m link.Message) {
			if w, err := local.Decode[local.Want](m.Body); m.Kind == link.Want && err == nil {
				f.Wants(w)
			}
		},
		Pump: func(ctx context.Context, conn *link.Conn) error { return pump(ctx, conn, said) },
	}
	err = talk.Serve(ctx)
	return errors.Join(ignoreEnd(err), <-done)
}

// onlyFetch waits until no other fetch works in the folder: one that an earlier kiosk
// left behind ends when it finds nobody to talk to.
func onlyFetch(ctx context.Context, dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "run", "fetch.lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil { // a disk that takes no new file: fetch still tells the hub of it
		if f, err = os.Open(filepath.Join(dir, "device")); err != nil {
			return nil, fmt.Errorf("data folder: %w", err)
		}
	}
	for unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		case <-time.After(100 * time.Millisecond):
		}
	}
	return f, nil
}

func ignoreEnd(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// pump sends what fetch says, and a beat each second.
func pump(ctx context.Context, conn *link.Conn, said <-chan local.Progress) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		m := link.Message{Kind: link.Beat}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		case p := <-said:
			raw, err := json.Marshal(p)
			if err != nil {
				return err
			}
			m.Kind, m.Body = link.Got, raw
		}
		m.Routines = runtime.NumGoroutine()
		if err := conn.Send(m); err != nil {
			return err
		}
	}
}

var fingerprint = regexp.MustCompile(`^[0-9a-f]{64}$`)

// runEnrol makes the machine one of a hub's.
func runEnrol(ctx context.Context, c *cli, args []string) error {
	set := c.flags("enrol")
	dir := set.String("data", "", "folder of the kiosk's data (made if it is missing)")
	hub := set.String("hub", "", "address of the hub's door for kiosks, as https://HOST:8443")
	root := set.String("root", "", "fingerprint of the root of trust, brought by another way; without it the eight words are compared")
	code := set.String("code", "", "code that staff made with hub device invite")
	yes := set.Bool("words-match", false, "the words were compared already: do not ask")
	if err := parse(set, args, 0); err != nil {
		return err
	}
	if *dir == "" || *hub == "" {
		return usageError{"--data DIR and --hub URL are needed"}
	}
	if *root != "" && !fingerprint.MatchString(*root) {
		return usageError{"--root is the fingerprint of a root of trust: 64 hexadecimal digits"}
	}
	if err := os.MkdirAll(*dir, 0o755); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	e, err := client.Enrol(ctx, *dir, *hub, *root, *code, device.NewClock(time.Time{}).Floor())
	if err != nil {
		return err
	}
	if *code == "" {
		fmt.Fprintf(c.out, "Code   %s   (until %s)\nWords  %s\n", e.Code, e.Until.Local().Format("15:04:05"), strings.Join(e.Words, " "))
		if err := onScreen(ctx, *dir, &playlist.Pairing{Code: e.Code, Words: e.Words}); err != nil {
			return err
		}
		defer func() { _ = onScreen(context.WithoutCancel(ctx), *dir, nil) }() // it ends by itself as well
		fmt.Fprintln(c.err, "Staff now confirm the code on the hub, where the same eight words must stand.")
	}
	id, err := e.Wait(ctx)
	if err != nil {
		return err
	}
	if *root == "" && !*yes {
		if err := compared(c, e.Words); err != nil {
			return err
		}
	}
	if err := id.Save(*dir); err != nil {
		return err
	}
	if d, ok, err := kiosk.Ask(ctx, *dir, link.Message{ID: kiosk.OrderEnrolled}, nil); ok && (err != nil || d.Error != "") {
		return errors.Join(err, fmt.Errorf("the running kiosk did not take the enrolment: %s", d.Error))
	}
	fmt.Fprintf(c.out, "enrolled as %s\n", id.Device)
	return nil
}

// onScreen has a running kiosk show an enrolment code, or take it away.
func onScreen(ctx context.Context, dir string, p *playlist.Pairing) error {
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	_, _, err = kiosk.Ask(ctx, dir, link.Message{ID: kiosk.OrderPairing, Body: body}, nil)
	return err
}

// compared asks whether the hub shows the same words. Without a fingerprint they
// are what tells the hub from somebody who stands in between.
func compared(c *cli, words []string) error {
	fmt.Fprintf(c.out, "The hub must show these words for this code:\n  %s\nDoes it? Type yes: ", strings.Join(words, " "))
	text, err := bufio.NewReader(c.in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	if strings.TrimSpace(text) != "yes" {
		return errors.New("the words were not confirmed: nothing was kept")
	}
	return nil
}

// onKiosk has the running kiosk carry out an order, or opens the folder for it.
func onKiosk(ctx context.Context, c *cli, dir string, m link.Message, progress func(done, total int)) (kiosk.Done, error) {
	d, ok, err := kiosk.Ask(ctx, dir, m, progress)
	if ok || err != nil {
		return d, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return d, fmt.Errorf("data folder: %w", err)
	}
	exe, err := os.Executable()
	if err != nil {
		return d, err
	}
	k, err := kiosk.Open(ctx, kiosk.Config{Dir: dir, NoChildren: true, Fetch: []string{exe, "fetch"}})
	if err != nil {
		return d, err
	}
	work, finish := context.WithCancel(ctx)
	defer finish()
	serve := make(chan error, 1)
	go func() { serve <- k.Serve(work) }()
	d = k.Do(ctx, m, progress)
	if m.ID == kiosk.OrderSync && d.Error == "" {
		k.AwaitFiles(ctx)
		if d = k.Do(ctx, m, progress); d.Sync != nil {
			d.Moved = d.Sync.Sent + d.Sync.Received
		}
	}
	k.Quit()
	finish()
	return d, errors.Join(<-serve, k.Close())
}

// refusal carries the contract's exit code 3, notEnrolled 4.
type refusal struct{ error }
type notEnrolled struct{ error }

func asError(d kiosk.Done) error {
	switch err := errors.New(d.Error); {
	case d.Error == "":
		return nil
	case d.Nobody:
		return notEnrolled{err}
	case d.Refuse:
		return refusal{err}
	default:
		return err
	}
}

func runSync(ctx context.Context, c *cli, args []string) error {
	set := c.flags("sync")
	dir := set.String("data", "", "folder of the kiosk's data")
	asJSON := set.Bool("json", false, "print JSON")
	if err := parseWithData(set, args, 0, dir); err != nil {
		return err
	}
	if _, err := local.Load(*dir); errors.Is(err, local.ErrNotEnrolled) {
		return notEnrolled{err}
	}
	d, err := onKiosk(ctx, c, *dir, link.Message{ID: kiosk.OrderSync}, nil)
	if err != nil {
		return err
	}
	if *asJSON {
		return errors.Join(c.json(d), asError(d))
	}
	if d.Sync != nil {
		fmt.Fprintf(c.out, "%d bytes moved on the wire; the hub answers: %v, heard %d seconds ago\n", d.Moved, d.Sync.Online, d.Sync.Age)
	}
	return asError(d)
}

func runImport(ctx context.Context, c *cli, args []string) error {
	set := c.flags("import")
	dir := set.String("data", "", "folder of the kiosk's data (made if it is missing)")
	root := set.String("root", "", "fingerprint of the root of trust, for a machine that trusts none yet")
	asJSON := set.Bool("json", false, "print JSON")
	if err := parse(set, args, 1); err != nil {
		return err
	}
	if *dir == "" {
		return usageError{"--data DIR is missing"}
	}
	path, err := absolute(set.Arg(0))
	if err != nil {
		return err
	}
	d, err := onKiosk(ctx, c, *dir, link.Message{ID: kiosk.OrderImport, Path: path, Reason: *root}, func(done, total int) {
		if done%20 == 0 || done == total {
			fmt.Fprintf(c.err, "\rfile %d of %d", done, total)
		}
	})
	if err != nil {
		return err
	}
	if *asJSON {
		return errors.Join(c.json(d), asError(d))
	}
	if t := d.Taken; t != nil {
		fmt.Fprintf(c.out, "edition %s (%d), switched %v; %d files came, %d are missing\n", t.Edition, t.Number, t.Switched, t.Files, t.Missing)
		for _, a := range t.Aside {
			fmt.Fprintf(c.out, "left aside, for it does not concern this machine: %s: %s\n", a.Scope, a.Why)
		}
		if n := len(t.Damaged); n > 0 {
			fmt.Fprintf(c.out, "%d files that this machine does not need are damaged on the stick\n", n)
		}
		for _, x := range t.Dropped {
			fmt.Fprintf(c.out, "does not count: %s %s: %s\n", x.Scope, x.Row, x.Why)
		}
	}
	return asError(d)
}
