// Kiosk is the supervisor on a gate's machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	_ "time/tzdata"

	"cotmoc/hub/client"
	"cotmoc/hub/local"
	"cotmoc/hub/trust"
	"cotmoc/internal/version"
)

// Exit codes of the contract.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitRefused     = 3
	exitNotEnrolled = 4
)

// command is one word of the command line.
type command struct {
	name, args, does string
	run              func(ctx context.Context, c *cli, args []string) error
}

// cli is where a command talks to.
type cli struct {
	in       io.Reader
	out, err io.Writer
}

// usageError is wrong use; its code is 2.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

var commands = []command{
	{"run", "--data DIR [--content FOLDER]", "everything, until stopped", runKiosk},
	{"enrol", "--data DIR --hub URL [--root FINGERPRINT] [--code CODE]", "makes the machine's key and asks a hub to take it in", runEnrol},
	{"sync", "--data DIR [--json]", "one round now; prints what moved, in bytes", runSync},
	{"import", "--data DIR [--root FINGERPRINT] [--json] PATH", "takes content from a stick or folder; refuses what is not signed or damaged", runImport},
	{"plan", "--data DIR --at TIME [--until TIME] [--display ID] [--json]", "what plays, why, what lost and why, and the next boundary", runPlan},
	{"vectors", "FILE", "runs schedule vectors through the resolver", runVectors},
	{"verify", "--data DIR [--json]", "hashes every file; lists what is missing, damaged or unreferenced", runVerify},
	{"status", "--data DIR [--json]", "what is on each display, and how the machine is", runStatus},
	{"pin", "--data DIR", "reads a PIN from its input; it opens the staff's page on the screen", runPIN},
	{"search", "--data DIR [--lang TAG] [--json] QUERY", "searches titles and texts as the touch screen does", runSearch},
	{"fetch", "--data DIR --socket PATH", "speaks with the hub; kiosk run starts it", runFetch},
	{"typeset", "--lang TAG --size PX --width PX [--png FILE] [--json] FILE", "sets a text file with the engine of stage and touch", runTypeset},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := dispatch(ctx, &cli{os.Stdin, os.Stdout, os.Stderr}, os.Args[1:])
	stop()
	os.Exit(code)
}

func dispatch(ctx context.Context, c *cli, args []string) int {
	if len(args) == 0 || args[0] == "--help" || args[0] == "-h" || args[0] == "help" {
		usage(c.out)
		if len(args) == 0 {
			return exitUsage
		}
		return 0
	}
	if args[0] == "--version" {
		fmt.Fprintln(c.out, "kiosk", version.Number)
		return 0
	}
	for _, cmd := range commands {
		if cmd.name != args[0] {
			continue
		}
		err := cmd.run(ctx, c, args[1:])
		var wrong usageError
		switch {
		case err == nil, errors.Is(err, flag.ErrHelp):
			return 0
		case errors.As(err, &wrong):
			fmt.Fprintf(c.err, "kiosk %s: %v (usage: kiosk %s %s)\n", cmd.name, err, cmd.name, cmd.args)
			return exitUsage
		}
		fmt.Fprintf(c.err, "kiosk %s: %v\n", cmd.name, err)
		return exitCode(err)
	}
	fmt.Fprintf(c.err, "kiosk: there is no command %q; see kiosk --help\n", args[0])
	return exitUsage
}

// exitCode is the contract's code of an error.
func exitCode(err error) int {
	var nobody notEnrolled
	var no refusal
	switch {
	case errors.As(err, &nobody), errors.Is(err, local.ErrNotEnrolled):
		return exitNotEnrolled
	case errors.As(err, &no), errors.Is(err, trust.ErrRefused), errors.Is(err, trust.ErrExpired), errors.Is(err, client.ErrDenied), errors.Is(err, client.ErrRootKey):
		return exitRefused
	}
	return exitFailed
}

func absolute(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return abs, nil
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "kiosk: the supervisor on a border gate's machine")
	for _, cmd := range commands {
		fmt.Fprintf(w, "  kiosk %-8s %s\n                 %s\n", cmd.name, cmd.args, cmd.does)
	}
	fmt.Fprintln(w, "  kiosk --version")
	fmt.Fprintln(w, "Exit codes: 0 done, 1 failed, 2 wrong use, 3 refused, 4 not enrolled, 5 asks to be restarted.")
}

// flags makes a flag set whose mistakes are usage errors.
func (c *cli) flags(name string) *flag.FlagSet {
	set := flag.NewFlagSet("kiosk "+name, flag.ContinueOnError)
	set.SetOutput(c.out)
	return set
}

// parse reads flags and checks the number of arguments that are left.
func parse(set *flag.FlagSet, args []string, rest int) error {
	quiet := set.Output()
	set.SetOutput(io.Discard)
	err := set.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		set.SetOutput(quiet)
		fmt.Fprintln(quiet, "usage of", set.Name()+":")
		set.PrintDefaults()
		return err
	}
	if err != nil {
		return usageError{err.Error()}
	}
	if set.NArg() != rest {
		return usageError{fmt.Sprintf("expected %d arguments after the flags, got %d", rest, set.NArg())}
	}
	return nil
}

// dataDir checks that a --data folder was named and exists.
func dataDir(dir string) error {
	if dir == "" {
		return usageError{"--data DIR is missing"}
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("data folder: %s is not a folder", dir)
	}
	return nil
}
