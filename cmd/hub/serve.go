package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"cotmoc/hub/server"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/rights"
	"cotmoc/hub/server/seed"
	"cotmoc/playlist"
)

// demo are the people of a hub that shows itself, at the places of its gates.
var demo = []struct {
	login, name string
	place       playlist.ID
	roles       []rights.Role
}{
	{"bo-quan-tri", "Quản trị Bộ", seed.Ministry, []rights.Role{rights.Administrator, rights.Auditor, rights.Technician}},
	{"bo-bien-tap", "Biên tập Bộ", seed.Ministry, []rights.Role{rights.Author, rights.Translator}},
	{"bo-duyet", "Duyệt Bộ", seed.Ministry, []rights.Role{rights.Reviewer}},
	{"bo-cong-bo", "Công bố Bộ", seed.Ministry, []rights.Role{rights.Publisher, rights.EmergencyOfficer}},
	{"ls-bien-tap", "Biên tập Lạng Sơn", "p-lang-son", []rights.Role{rights.Author, rights.Translator}},
	{"ls-duyet", "Duyệt Lạng Sơn", "p-lang-son", []rights.Role{rights.Reviewer, rights.Publisher}},
}

func initHub(ctx context.Context, args []string, out, stderr io.Writer) (int, error) {
	set, data := flags("init", stderr)
	withPeople := set.Bool("demo", false, "add six people for trying it out")
	rest, code, err := parse(set, args)
	if err != nil {
		return asked(code, err)
	}
	if *data == "" || len(rest) > 0 {
		return 2, errors.New("give --data DIR, an empty or new folder")
	}
	if err := server.Init(ctx, *data, options(stderr)); err != nil {
		return failed(err)
	}
	key, err := os.ReadFile(filepath.Join(*data, "keys", "audit.public"))
	if err != nil {
		return 1, err
	}
	fmt.Fprintf(out, "A hub was made in %s.\nKeep the audit's public key elsewhere as well: %s", *data, key)
	if !*withPeople {
		fmt.Fprintf(out, "Next: hub user add LOGIN --data %s --name NAME --role administrator\n", *data)
		return 0, nil
	}
	return failed(addDemo(ctx, *data, out, stderr))
}

func addDemo(ctx context.Context, data string, out, stderr io.Writer) error {
	h, err := server.Open(ctx, data, options(stderr))
	if err != nil {
		return err
	}
	pass := strings.ToLower(rand.Text()[:12])
	for _, p := range demo {
		if err = addPerson(ctx, h, desk.Account{Login: p.login, Name: p.name, Place: p.place}, pass, p.roles); err != nil {
			break
		}
	}
	if err == nil {
		err = h.StartDemoTrust(ctx)
	}
	if err := errors.Join(err, h.Close()); err != nil {
		return err
	}
	fmt.Fprintln(out, "The signing keys of this demonstration lie in keys/demo beside the data: never show anything official with it.")
	fmt.Fprintf(out, "People of the demonstration, all with the password %s:\n", pass)
	for _, p := range demo {
		fmt.Fprintf(out, "  %-12s %s %v\n", p.login, p.name, p.roles)
	}
	return nil
}

var consoleCaller = desk.Caller{Account: desk.Console, Login: string(desk.Console), From: "console"}

func addPerson(ctx context.Context, h *server.Hub, a desk.Account, pass string, roles []rights.Role) error {
	made, err := h.Desk.AddAccount(ctx, consoleCaller, a, pass)
	if err != nil {
		return err
	}
	for _, r := range roles {
		if _, err := h.Desk.AddGrant(ctx, consoleCaller, rights.Grant{Account: made.ID, Role: r, Place: made.Place}); err != nil {
			return err
		}
	}
	return nil
}

func serve(ctx context.Context, args []string, stderr io.Writer) (int, error) {
	set, data := flags("serve", stderr)
	listen := set.String("listen", "127.0.0.1:8080", "address and port")
	cert := set.String("tls-cert", "", "certificate file; people and kiosks need TLS unless a proxy before the hub speaks it")
	key := set.String("tls-key", "", "its private key")
	proxy := set.Bool("behind-proxy", false, "a proxy before the hub speaks TLS and says in X-Forwarded-For where requests come from")
	trusted := set.String("trusted-proxies", "", "with --behind-proxy: addresses or networks of the proxies, with commas; without it those of this machine")
	devices := set.String("device-listen", "127.0.0.1:8443", "address and port for kiosks; none: kiosks are not served")
	names := set.String("device-names", "", "names and addresses by which kiosks reach the hub, with commas; the listening address is one of them")
	rest, code, err := parse(set, args)
	if err != nil {
		return asked(code, err)
	}
	if *data == "" || len(rest) > 0 || (*cert == "") != (*key == "") {
		return 2, errors.New("give --data DIR, and --tls-cert and --tls-key together or not at all")
	}
	o := options(stderr)
	if !given(set, "device-listen") {
		*devices = besides(*listen, *devices)
	}
	o.Secure = *cert != "" || *proxy
	if o.Proxies, err = proxies(*proxy, *trusted); err != nil {
		return 2, err
	}
	// Both listen before the folder is opened: who comes meanwhile waits instead of being
	// turned away.
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *listen)
	if err != nil {
		return 1, fmt.Errorf("listen: %w", err)
	}
	var kiosks net.Listener
	if *devices != "none" {
		// The stream's own pings keep lines open; TCP's would cost each kiosk a megabyte a day.
		if kiosks, err = (&net.ListenConfig{KeepAlive: -1, Control: userTimeout}).Listen(ctx, "tcp", *devices); err != nil {
			return 1, errors.Join(fmt.Errorf("listen for kiosks: %w", err), listener.Close())
		}
	}
	h, err := server.Open(ctx, *data, o)
	if err != nil {
		err = errors.Join(err, listener.Close())
		if kiosks != nil {
			err = errors.Join(err, kiosks.Close())
		}
		return 1, err
	}
	o.Log.Info("The hub serves", "address", listener.Addr().String(), "tls", o.Secure)
	if host, _, _ := net.SplitHostPort(listener.Addr().String()); !o.Secure && !net.ParseIP(host).IsLoopback() {
		o.Log.Warn("The hub speaks no TLS: passwords are readable on the way unless a proxy before it does (then say --behind-proxy)")
	}
	group, ctx := errgroup.WithContext(ctx)
	if kiosks != nil {
		o.Log.Info("The hub serves kiosks", "address", kiosks.Addr().String())
		group.Go(func() error { return h.ServeDevices(ctx, kiosks, deviceNames(*names, kiosks.Addr().String())) })
	}
	group.Go(func() error { return h.Serve(ctx, listener, *cert, *key) })
	group.Go(func() error { return h.Console(ctx, console) })
	return failed(errors.Join(group.Wait(), h.Close()))
}

// userTimeout has the kernel give a connection up whose bytes nobody acknowledges for 20
// seconds; connections that are accepted inherit it.
func userTimeout(_, _ string, raw syscall.RawConn) (err error) {
	set := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 20_000)
	})
	return errors.Join(set, err)
}

// given says whether a flag was named on the command line.
func given(set *flag.FlagSet, name string) (is bool) {
	set.Visit(func(f *flag.Flag) { is = is || f.Name == name })
	return is
}

// besides is the usual address for kiosks, or, where people were given its port, the next
// one.
func besides(people, kiosks string) string {
	_, port, err1 := net.SplitHostPort(people)
	host, usual, err2 := net.SplitHostPort(kiosks)
	n, err3 := strconv.Atoi(usual)
	if err1 != nil || err2 != nil || err3 != nil || port != usual {
		return kiosks
	}
	return net.JoinHostPort(host, strconv.Itoa(n+1))
}

// proxies are those whose word on where a request comes from is believed.
func proxies(behind bool, list string) (out []netip.Prefix, err error) {
	if !behind {
		if list != "" {
			return nil, errors.New("--trusted-proxies goes with --behind-proxy")
		}
		return nil, nil
	}
	if list == "" {
		list = "127.0.0.0/8,::1"
	}
	for _, s := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		p, err := netip.ParsePrefix(s)
		if a, err2 := netip.ParseAddr(s); err != nil && err2 == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("--trusted-proxies: %q is neither an address nor a network", s)
		}
		out = append(out, p)
	}
	return out, nil
}

// deviceNames are what the hub's certificate for kiosks is made out to.
func deviceNames(given, address string) []string {
	names := strings.FieldsFunc(given, func(r rune) bool { return r == ',' || r == ' ' })
	if host, _, err := net.SplitHostPort(address); err == nil {
		ip := net.ParseIP(host)
		switch {
		case ip.IsLoopback():
			names = append(names, host, "localhost")
		case ip.IsUnspecified(): // every address of this machine, and its name
			names = append(names, "localhost")
			if name, err := os.Hostname(); err == nil {
				names = append(names, name)
			}
			if all, err := net.InterfaceAddrs(); err == nil {
				for _, a := range all {
					if n, ok := a.(*net.IPNet); ok && !n.IP.IsLinkLocalUnicast() {
						names = append(names, n.IP.String())
					}
				}
			}
		default:
			names = append(names, host)
		}
	}
	return names
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return strings.TrimRight(line, "\r")
}

func printJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", " ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}
