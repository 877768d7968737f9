package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cotmoc/hub/server/desk"
	"cotmoc/hub/trust"
	"cotmoc/internal/atomicfile"
)

// newKey makes a key file and prints its public half. The passphrase comes on
// standard input; an empty line leaves the key unlocked.
func newKey(args []string, in io.Reader, out, stderr io.Writer) (int, error) {
	set := flag.NewFlagSet("key", flag.ContinueOnError)
	set.SetOutput(stderr)
	rest, code, err := parse(set, args)
	if err != nil {
		return asked(code, err)
	}
	if len(rest) != 2 || rest[0] != "new" {
		return 2, errors.New("give: key new FILE")
	}
	if _, err := os.Stat(rest[1]); err == nil {
		return 1, fmt.Errorf("%s exists already: a key is never overwritten", rest[1])
	}
	pass, err := passphrase(in, stderr)
	if err != nil {
		return 1, err
	}
	public, file, err := trust.NewKey(pass)
	if err != nil {
		return 1, err
	}
	line := hex.EncodeToString(public.Public) + "\n"
	if err := errors.Join(atomicfile.Write(rest[1], file, 0o600), atomicfile.Write(rest[1]+".pub", []byte(line), 0o644)); err != nil {
		return 1, err
	}
	locked := "locked with its passphrase"
	if pass == "" {
		locked = "NOT locked: whoever has the file can sign"
	}
	fmt.Fprintf(out, "%s is %s\nkey     %s\npublic  %s", rest[1], locked, public.ID[:8], line)
	return 0, nil
}

func passphrase(in io.Reader, stderr io.Writer) (string, error) {
	fmt.Fprint(stderr, "Passphrase (empty: none): ")
	text, err := bufio.NewReader(io.LimitReader(in, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("passphrase: %w", err)
	}
	return strings.TrimRight(text, "\r\n"), nil
}

// signing is what hub sign was asked for.
type signing struct {
	key  ed25519.PrivateKey
	yes  bool
	in   *bufio.Reader
	out  io.Writer
	role string
}

// sign signs what waits, on the hub or in files that came from it. It shows what a
// signature would change and asks.
func sign(ctx context.Context, args []string, in io.Reader, out, stderr io.Writer) (int, error) {
	set, data := flags("sign", stderr)
	keyFile := set.String("key", "", "key file to sign with")
	yes := set.Bool("yes", false, "do not ask")
	role := set.String("role", "", "sign only this role")
	take := set.Bool("take", false, "take signed files back into the hub on --data")
	give := set.String("give", "", "write what waits on --data into this folder, to be signed elsewhere")
	files, code, err := parse(set, args)
	if err != nil {
		return asked(code, err)
	}
	s := signing{yes: *yes, in: bufio.NewReader(in), out: out, role: *role}
	if *keyFile != "" {
		if s.key, err = s.open(*keyFile, stderr); err != nil {
			return 1, err
		}
	}
	switch {
	case *data == "" && s.key != nil && len(files) > 0:
		return s.files(files)
	case *data != "" && len(files) > 0 && *take, *data != "" && len(files) == 0 && (*give != "" || s.key != nil):
		args := []string{"signatures", "", "--data", *data}
		return s.hub(ctx, args, files, *give, stderr)
	}
	return 2, errors.New("give --data DIR --key KEY to sign on the hub, --data DIR --give FOLDER to carry away what waits, --key KEY FILE… to sign it there, and --data DIR --take FILE… to bring it back")
}

func (s signing) open(path string, stderr io.Writer) (ed25519.PrivateKey, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	pass := ""
	if trust.Locked(file) {
		fmt.Fprintf(stderr, "Passphrase of %s: ", path)
		if pass, err = s.in.ReadString('\n'); err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("passphrase: %w", err)
		}
	}
	return trust.ReadKey(file, strings.TrimRight(pass, "\r\n"))
}

// confirm shows what a file would change and asks whether to sign it.
func (s signing) confirm(f desk.SignFile) (bool, error) {
	lines, err := f.Changes()
	if err != nil {
		return false, err
	}
	fmt.Fprintln(s.out, strings.Join(lines, "\n  "))
	if s.yes {
		return true, nil
	}
	fmt.Fprint(s.out, "Sign this? Type yes: ")
	text, err := s.in.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("answer: %w", err)
	}
	return strings.TrimSpace(text) == "yes", nil
}

// files signs files, on a machine that needs no hub.
func (s signing) files(paths []string) (int, error) {
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			return 1, err
		}
		f, err := desk.ReadSignFile(raw)
		if err != nil {
			return 1, fmt.Errorf("%s: %w", path, err)
		}
		public, err := trust.Public(s.key)
		if err != nil {
			return 1, err
		}
		if len(f.Keys) > 0 && !slices.Contains(f.Keys, public.ID) {
			fmt.Fprintf(s.out, "%s is not for this key\n", path)
			continue
		}
		ok, err := s.confirm(f)
		if err != nil {
			return 3, fmt.Errorf("%s: %w", path, err)
		}
		if !ok {
			fmt.Fprintln(s.out, "not signed")
			continue
		}
		if f.Raw, err = trust.Sign(f.Raw, s.key); err != nil {
			return 1, err
		}
		if raw, err = json.Marshal(f); err != nil {
			return 1, err
		}
		if err := atomicfile.Write(path, raw, 0o644); err != nil {
			return 1, err
		}
		fmt.Fprintf(s.out, "%s is signed\n", path)
	}
	return 0, nil
}

// hub signs what waits on a hub: it fetches the files, signs them here, and brings
// the signatures back. The key never goes to the hub's process.
func (s signing) hub(ctx context.Context, words []string, files []string, give string, stderr io.Writer) (int, error) {
	if len(files) > 0 {
		for _, path := range files {
			abs, err := filepath.Abs(path)
			if err != nil {
				return 1, err
			}
			words = append(words, abs)
		}
		return onHubWords(ctx, words, s.out, stderr)
	}
	dir := give
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "cotmoc-sign-"); err != nil {
			return 1, err
		}
		defer os.RemoveAll(dir)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return 1, err
	}
	var said strings.Builder
	if code, err := onHubWords(ctx, append(slices.Clone(words), "--give", dir), &said, stderr); code != 0 || err != nil {
		return code, err
	}
	if give != "" {
		fmt.Fprint(s.out, said.String())
		return 0, nil
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.sign.json"))
	if err != nil {
		return 1, err
	}
	mine, err := s.ofKey(found)
	if err != nil {
		return 1, err
	}
	if len(mine) == 0 {
		fmt.Fprintln(s.out, "Nothing waits for this key.")
		return 0, nil
	}
	if code, err := s.files(mine); err != nil {
		return code, err
	}
	return onHubWords(ctx, append(slices.Clone(words), mine...), s.out, stderr)
}

// ofKey picks the files that the key may sign.
func (s signing) ofKey(paths []string) ([]string, error) {
	public, err := trust.Public(s.key)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		f, err := desk.ReadSignFile(raw)
		if err != nil {
			return nil, err
		}
		if slices.Contains(f.Keys, public.ID) && (s.role == "" || s.role == f.Role) {
			out = append(out, path)
		}
	}
	return out, nil
}

// signatures gives out what waits and takes signatures in; hub sign calls it.
func signatures(ctx context.Context, c *call) (int, error) {
	set, _ := flags("sign", c.stderr)
	give := set.String("give", "", "folder for what waits")
	files, code, err := parse(set, c.args)
	if err != nil {
		return asked(code, err)
	}
	if *give != "" {
		return failed(giveOut(ctx, c, c.path(*give)))
	}
	_, err = c.hub.Desk.WriteEditions(ctx, c.hub.Public) // what is signed must be there
	errs := []error{err}
	for _, path := range files { // one that is not taken holds up no other: it may be a notice
		if err := takeSigned(ctx, c, c.path(path)); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
		}
	}
	return failed(errors.Join(append(errs, c.hub.Distribute(ctx))...))
}

func giveOut(ctx context.Context, c *call, dir string) error {
	if err := c.hub.Desk.Prepare(ctx); err != nil {
		return err
	}
	all, err := c.hub.Desk.Requests(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, q := range all {
		f, err := c.hub.Desk.SignFile(ctx, q.Role)
		if err != nil {
			return err
		}
		f.Keys = q.Keys
		raw, err := json.Marshal(f)
		if err != nil {
			return err
		}
		path := filepath.Join(dir, fmt.Sprintf("%s-%d.sign.json", q.Role, q.Version))
		if err := atomicfile.Write(path, raw, 0o644); err != nil {
			return err
		}
		fmt.Fprintf(c.out, "%s has %d of %d signatures\n", path, len(q.Have), q.Need)
	}
	return nil
}

func takeSigned(ctx context.Context, c *call, path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	f, err := desk.ReadSignFile(raw)
	if err != nil {
		return err
	}
	all, err := trust.Signatures(f.Raw)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		fmt.Fprintf(c.out, "%s version %d is not signed\n", f.Role, f.Version)
		return nil
	}
	for _, s := range all {
		q, err := c.hub.Desk.AddSignature(ctx, consoleCaller, f.Role, f.Version, s)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "%s version %d: %d of %d signatures\n", q.Role, q.Version, len(q.Have), q.Need)
		if len(q.Have) >= q.Need && f.Role != trust.Root {
			return nil // it holds now, and waits no more
		}
	}
	return nil
}

// trustAdmin says who is trusted with what.
func trustAdmin(ctx context.Context, c *call) (int, error) {
	set, _ := flags("trust", c.stderr)
	threshold := set.Int("threshold", 1, "how many of the keys must sign")
	role := set.String("role", "", "root, targets, emergency, or a province's id")
	keys, err := holdersFlag(set)
	rest, code, perr := parse(set, c.args)
	if perr != nil {
		return asked(code, perr)
	}
	if len(rest) != 1 {
		return 2, errors.New("give: trust status, trust set --role ROLE --key PUBLIC… --threshold N, or trust start")
	}
	switch rest[0] {
	case "status":
		return failed(trustStatus(ctx, c))
	case "start":
		return failed(trustStart(ctx, c))
	case "set":
		h, herr := keys(c)
		if err := errors.Join(err, herr); err != nil {
			return 2, err
		}
		h.Threshold = *threshold
		return failed(trustSet(ctx, c, *role, h))
	}
	return 2, fmt.Errorf("there is no trust %q", rest[0])
}

// holdersFlag adds --key, which may be given again: a public key, or its file.
func holdersFlag(set *flag.FlagSet) (func(*call) (trust.Holders, error), error) {
	var given []string
	set.Func("key", "a public key, or the file that holds it; may be given again", func(s string) error { given = append(given, s); return nil })
	return func(c *call) (h trust.Holders, err error) {
		for _, s := range given {
			if raw, err := os.ReadFile(c.path(s)); err == nil {
				s = string(raw)
			}
			k, err := trust.ParsePublicKey(s)
			if err != nil {
				return h, err
			}
			h.Keys = append(h.Keys, k)
		}
		return h, nil
	}, nil
}

// ceremony are the roles whose holders a root names. They are gathered with trust
// set, and become a root to sign with trust start.
const ceremonyFile = "ceremony.json"

func trustSet(ctx context.Context, c *call, role string, h trust.Holders) error {
	if role != trust.Root && role != trust.Targets {
		if err := c.hub.Delegate(ctx, consoleCaller, map[string]trust.Holders{role: h}); err != nil {
			return err
		}
		fmt.Fprintf(c.out, "The ministry's signers must now sign: hub sign --role %s\n", trust.Targets)
		return nil
	}
	kept, err := readCeremony(c)
	if err != nil {
		return err
	}
	var ids []string
	for _, k := range h.Keys {
		ids = append(ids, hex.EncodeToString(k.Public))
	}
	kept[role] = ceremonyRole{ids, h.Threshold}
	raw, err := json.MarshalIndent(kept, "", " ")
	if err != nil {
		return err
	}
	if err := atomicfile.Write(filepath.Join(c.hub.Dir, ceremonyFile), raw, 0o600); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s: %d of %d keys. When root and targets are as they should be: hub trust start\n", role, h.Threshold, len(h.Keys))
	return nil
}

type ceremonyRole struct {
	Keys      []string `json:"keys"`
	Threshold int      `json:"threshold"`
}

func readCeremony(c *call) (map[string]ceremonyRole, error) {
	out := map[string]ceremonyRole{}
	raw, err := os.ReadFile(filepath.Join(c.hub.Dir, ceremonyFile))
	if errors.Is(err, os.ErrNotExist) {
		return out, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	return out, err
}

func trustStart(ctx context.Context, c *call) error {
	kept, err := readCeremony(c)
	if err != nil {
		return err
	}
	roles := map[string]trust.Holders{}
	for role, k := range kept {
		h := trust.Holders{Threshold: k.Threshold}
		for _, s := range k.Keys {
			key, err := trust.ParsePublicKey(s)
			if err != nil {
				return err
			}
			h.Keys = append(h.Keys, key)
		}
		roles[role] = h
	}
	q, err := c.hub.StartTrust(ctx, consoleCaller, roles)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "Root %d waits for its signatures:\n  %s\n", q.Version, strings.Join(q.Changes, "\n  "))
	return os.Remove(filepath.Join(c.hub.Dir, ceremonyFile))
}

func trustStatus(ctx context.Context, c *call) error {
	root, err := c.hub.Desk.TrustRoot(ctx)
	if errors.Is(err, desk.ErrNoTrust) {
		fmt.Fprintln(c.out, err)
	} else if err != nil {
		return err
	} else {
		said, err := trust.Read(root)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "root %d, accepted until %s\nfingerprint %s\n", said.Version, said.Expires.Format("2006-01-02"), trust.Fingerprint(root))
	}
	if c.hub.Demo() {
		fmt.Fprintln(c.out, "DEMONSTRATION: the keys lie beside the data. Nothing here is safe from whoever holds the hub.")
	}
	all, err := c.hub.Desk.Requests(ctx)
	if err != nil {
		return err
	}
	for _, q := range all {
		fmt.Fprintf(c.out, "%s version %d waits: %d of %d signatures\n  %s\n", q.Role, q.Version, len(q.Have), q.Need, strings.Join(q.Changes, "\n  "))
	}
	heads, err := c.hub.Desk.SignedHeads(ctx)
	if err != nil {
		return err
	}
	for scope, n := range heads {
		fmt.Fprintf(c.out, "signed: %s %d\n", scope, n)
	}
	return nil
}
