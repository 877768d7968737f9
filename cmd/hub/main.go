// Hub is the central database's program.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"cotmoc/hub/server"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/intake"
	"cotmoc/internal/version"
	"cotmoc/playlist"
)

const usage = `usage: hub COMMAND [FLAGS]

  init --data DIR [--demo]  make a hub: database, keys, places of the gates;
                            --demo adds six people whose password it prints, and keeps
                            the signing keys beside the data, as no real hub may
  serve --data DIR          answer requests (--listen 127.0.0.1:8080, --tls-cert, --tls-key, --behind-proxy)
                            and kiosks (--device-listen 127.0.0.1:8443, --device-names HOST,…)
  user add LOGIN            make an account; the password is read from standard input
                            (--name NAME, --place ID, --role ROLE, given again for more)
  import DIR                take in a content folder as drafts
                            (--as LOGIN who brings it, --reviewer LOGIN who approves it)
  publish                   prepare the next edition (--scope ID, all scopes without; --as LOGIN)
  key new FILE              make a signing key and FILE.pub; the passphrase comes on standard input
  sign --key KEY            show what waits for this key, ask, and sign it (--yes, --role ROLE)
                            --give FOLDER carries what waits away, --key KEY FILE… signs it
                            where the key lives, --take FILE… brings it back
  trust status              the root, who signs what, what waits for signatures
  trust set --role ROLE --key PUBLIC… --threshold N
                            who signs: root and targets (then trust start), emergency, a province
  trust start               make the next root of what was set
  device list, waiting      kiosks and what they last said; those that ask to be enrolled
  device show CODE          the eight words to compare with the kiosk's screen
  device confirm CODE       enrol it (--place ID, --displays ID,…)
  device invite --place ID  make the code first: kiosk enrol --code CODE
  device pin --place ID     the PIN of the staff's page on the screens there and below; it is
                            read from standard input, and empty leaves each to its own
  device hold ID, release ID, revoke ID
  place move ID --to ID     show what moving a place does, with --yes do it (--on DATE, --source TEXT)
  place close ID            the same for closing it: what it has goes to the place above it
  place moves               list planned moves and what became of them; place cancel MOVE takes one back
  place merge ID --to ID    the same for a place that goes up in another
  place import FILE.csv     places from a table: id, parent, kind, name_vi, name_LANGUAGE
  clock                     whether this hub's clock may sign
  clock confirm             it was checked and is right: sign again
  clock correct --to TIME   a root that sets kiosks' clocks back, after wrong times went out
  export DIR                write a stick (--place ID)
  --version                 say which version this is
  status                    editions, what waits, health (--json)
  audit verify              follow the audit's chain, also while no hub runs
                            (--key FILE, --checkpoints FILE: what was kept elsewhere)
  backup TO                 copy the whole hub into a folder; again brings it up to date
  restore FROM --data DIR   make a hub of a backup, verifying everything
  openapi                   print the description of the API
  prepare --lang TAG FILE   print the display copy of a text: NFC, with U+200B
                            where ICU allows a line to end (- reads standard input)

Commands that change something go through the hub that runs on --data DIR, if
one does. Exit codes: 0 done, 1 failed, 2 wrong use, 3 refused.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code, err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "hub:", err)
	}
	stop()
	os.Exit(code)
}

// through are the commands that work on an open hub.
var through = map[string]func(ctx context.Context, c *call) (int, error){
	"user": userAdd, "import": importFolder, "publish": publishScopes, "status": status, "backup": backup,
	"signatures": signatures, "trust": trustAdmin, "device": device, "export": export, "place": place, "clock": clock,
}

func run(ctx context.Context, args []string, in io.Reader, out, stderr io.Writer) (int, error) {
	if len(args) == 0 || args[0] == "--help" || args[0] == "-h" || args[0] == "help" {
		fmt.Fprint(stderr, usage)
		if len(args) == 0 {
			return 2, errors.New("no command was given")
		}
		return 0, nil
	}
	command, rest := args[0], args[1:]
	if _, ok := through[command]; ok {
		return onHub(ctx, command, rest, in, out, stderr)
	}
	switch command {
	case "--version":
		fmt.Fprintln(out, "hub", version.Number)
		return 0, nil
	case "init":
		return initHub(ctx, rest, out, stderr)
	case "serve":
		return serve(ctx, rest, stderr)
	case "audit":
		return verifyAudit(ctx, rest, out, stderr)
	case "restore":
		return restore(ctx, rest, out, stderr)
	case "openapi":
		return openapi(ctx, out)
	case "key":
		return newKey(rest, in, out, stderr)
	case "sign":
		return sign(ctx, rest, in, out, stderr)
	case "prepare":
		return prepareText(rest, in, out, stderr)
	case renderCommand: // a child of the worker's
		if len(rest) != 2 {
			return 2, errors.New("render-pdf takes a file and a folder")
		}
		return failed(intake.RenderPDF(rest[0], rest[1]))
	}
	return 2, fmt.Errorf("there is no command %q; see hub --help", command)
}

const renderCommand = "render-pdf"

// failed turns an error into an exit code: what is not allowed is 3.
func failed(err error) (int, error) {
	if err == nil {
		return 0, nil
	}
	if _, refused := errors.AsType[*desk.Refusal](err); refused || playlist.CodeOf(err) == playlist.CodeRefused {
		return 3, err
	}
	return 1, err
}

// flags makes a flag set with the flag that all commands have.
func flags(name string, stderr io.Writer) (*flag.FlagSet, *string) {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(stderr)
	return set, set.String("data", "", "folder of the hub")
}

// parse parses flags that may stand before and behind other arguments.
func parse(set *flag.FlagSet, args []string) (rest []string, code int, err error) {
	for {
		switch err := set.Parse(args); {
		case errors.Is(err, flag.ErrHelp):
			return nil, 0, err
		case err != nil:
			return nil, 2, err
		}
		if set.NArg() == 0 {
			return rest, 0, nil
		}
		rest = append(rest, set.Arg(0))
		args = set.Args()[1:]
	}
}

// asked ends a command whose flags were wrong or asked for help; flag has said
// why already.
func asked(code int, err error) (int, error) {
	if errors.Is(err, flag.ErrHelp) {
		return 0, nil
	}
	return code, nil
}

func options(stderr io.Writer) server.Options {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	return server.Options{Now: time.Now, Mono: server.SinceBoot, Log: slog.New(slog.NewJSONHandler(stderr, nil)), Self: []string{self, renderCommand}}
}

// call is a command that works on an open hub.
type call struct {
	hub    *server.Hub
	dir    string // for relative paths
	args   []string
	out    io.Writer
	stderr io.Writer
	secret string // read from standard input, where a command needs it
}

// path makes a path of the command's folder absolute.
func (c *call) path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(c.dir, p)
}

// onHub runs a command through the hub that runs on its folder, or on the
// folder itself.
func onHub(ctx context.Context, command string, args []string, in io.Reader, out, stderr io.Writer) (int, error) {
	if slices.Contains(args, "--help") || slices.Contains(args, "-h") {
		return through[command](ctx, &call{args: []string{"--help"}, out: out, stderr: stderr})
	}
	data, err := dataOf(args)
	if err != nil {
		return 2, err
	}
	secret := ""
	if command == "user" || command == "device" && slices.Contains(args, "pin") {
		raw, err := io.ReadAll(io.LimitReader(in, 4096))
		if err != nil {
			return 1, fmt.Errorf("read what comes on standard input: %w", err)
		}
		secret = firstLine(string(raw))
	}
	return onHubAt(ctx, data, append([]string{command, secret}, args...), out, stderr)
}

// onHubWords runs a command's words through the hub of their --data.
func onHubWords(ctx context.Context, words []string, out, stderr io.Writer) (int, error) {
	data, err := dataOf(words)
	if err != nil {
		return 2, err
	}
	return onHubAt(ctx, data, words, out, stderr)
}

func onHubAt(ctx context.Context, data string, words []string, out, stderr io.Writer) (int, error) {
	if code, ok, err := server.Ask(ctx, data, words, out, stderr); ok {
		return code, err
	}
	h, err := server.Open(ctx, data, options(stderr))
	if err != nil {
		return 1, err
	}
	wd, err := os.Getwd()
	if err != nil {
		return 1, errors.Join(err, h.Close())
	}
	code, err := console(ctx, h, wd, words, out, stderr)
	return code, errors.Join(err, h.Close())
}

// console runs a command on an open hub; server.Hub.Console calls it as well.
func console(ctx context.Context, h *server.Hub, dir string, words []string, out, stderr io.Writer) (int, error) {
	if len(words) < 2 {
		return 2, errors.New("no command was given")
	}
	do, ok := through[words[0]]
	if !ok {
		return 2, fmt.Errorf("there is no command %q", words[0])
	}
	return do(ctx, &call{hub: h, dir: dir, args: words[2:], out: out, stderr: stderr, secret: words[1]})
}

// dataOf finds --data among arguments before they are parsed.
func dataOf(args []string) (string, error) {
	for n, a := range args {
		for _, name := range []string{"--data", "-data"} {
			if a == name && n+1 < len(args) {
				return args[n+1], nil
			}
			if v, ok := cutFlag(a, name); ok {
				return v, nil
			}
		}
	}
	return "", errors.New("give --data DIR, the hub's folder")
}

func cutFlag(arg, name string) (string, bool) {
	if len(arg) > len(name) && arg[:len(name)+1] == name+"=" {
		return arg[len(name)+1:], true
	}
	return "", false
}
