package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/playlist"
)

// device enrols kiosks and says how they are.
func device(ctx context.Context, c *call) (int, error) {
	set, _ := flags("device", c.stderr)
	place := set.String("place", "", "place of the machine")
	displays := set.String("displays", "", "ids of its displays, with commas; without it all of the place")
	why := set.String("why", "", "reason, for those who come after")
	var keep desk.Upkeep
	set.IntVar(&keep.Kbit, "kbit", 0, "for set: most kilobits a second for files; 0: no limit")
	set.StringVar(&keep.Hours, "hours", "", "for set: local hours for what is not urgent, as 22:00-05:00; empty: any")
	set.IntVar(&keep.QuotaMB, "quota-mb", 0, "for set: most megabytes of media; 0: no limit")
	as := set.String("as", "", "account that does it; without it the console")
	asJSON := set.Bool("json", false, "print JSON")
	rest, code, err := parse(set, c.args)
	if err != nil {
		return asked(code, err)
	}
	by, err := caller(ctx, c.hub, *as)
	if err != nil {
		return failed(err)
	}
	var ids []playlist.ID
	for _, s := range strings.FieldsFunc(*displays, func(r rune) bool { return r == ',' }) {
		ids = append(ids, playlist.ID(s))
	}
	word, arg := "", ""
	if len(rest) > 0 {
		word = rest[0]
	}
	if len(rest) > 1 {
		arg = rest[1]
	}
	switch {
	case word == "list" && len(rest) == 1:
		return failed(listDevices(ctx, c, *asJSON))
	case word == "waiting" && len(rest) == 1:
		return failed(listPairings(ctx, c))
	case word == "invite" && len(rest) == 1:
		return failed(invite(ctx, c, by, playlist.ID(*place), ids))
	case word == "show" && len(rest) == 2:
		return failed(showPairing(ctx, c, by, arg))
	case word == "confirm" && len(rest) == 2:
		return failed(confirm(ctx, c, by, arg, playlist.ID(*place), ids))
	case word == "set" && len(rest) == 2:
		given := map[string]bool{}
		set.Visit(func(f *flag.Flag) { given[f.Name] = true })
		return failed(setDevice(ctx, c, by, playlist.ID(arg), given, keep, playlist.ID(*place), ids))
	case word == "pin" && len(rest) == 1:
		return failed(setPIN(ctx, c, by, playlist.ID(*place)))
	case (word == "hold" || word == "release" || word == "revoke") && len(rest) == 2:
		to := map[string]desk.DeviceState{"hold": desk.DeviceHeld, "release": desk.DeviceActive, "revoke": desk.DeviceRevoked}[word]
		_, err := c.hub.Desk.SetDevice(ctx, by, playlist.ID(arg), to, *why)
		c.hub.Fleet.Forget()
		if to != desk.DeviceActive {
			c.hub.Fleet.Cut(arg)
		}
		return failed(err)
	}
	return 2, errors.New("give: device list, waiting, invite --place ID, show CODE, confirm CODE --place ID, set ID [--kbit N] [--hours HH:MM-HH:MM] [--quota-mb N] [--place ID] [--displays ID,ID], pin --place ID, hold ID, release ID, or revoke ID")
}

// setDevice changes what is given of a device: its line and disk, its place, its
// displays.
func setDevice(ctx context.Context, c *call, by desk.Caller, id playlist.ID, given map[string]bool, keep desk.Upkeep, place playlist.ID, displays []playlist.ID) error {
	all, err := c.hub.Desk.Devices(ctx)
	if err != nil {
		return err
	}
	n := slices.IndexFunc(all, func(d desk.Device) bool { return d.ID == id })
	if n < 0 {
		return fmt.Errorf("device %q: %w", id, central.ErrNotFound)
	}
	dev := all[n]
	if given["place"] || given["displays"] {
		if !given["place"] {
			place = dev.Place
		}
		if _, err := c.hub.Desk.PlaceDevice(ctx, by, id, place, displays); err != nil {
			return err
		}
	}
	if given["kbit"] || given["hours"] || given["quota-mb"] {
		if !given["kbit"] {
			keep.Kbit = dev.Kbit
		}
		if !given["hours"] {
			keep.Hours = dev.Hours
		}
		if !given["quota-mb"] {
			keep.QuotaMB = dev.QuotaMB
		}
		if _, err := c.hub.Desk.Keep(ctx, by, id, keep); err != nil {
			return err
		}
	}
	c.hub.Fleet.Changed(string(id))
	return nil
}

// setPIN sets the PIN of the staff's page for the machines of a place.
func setPIN(ctx context.Context, c *call, by desk.Caller, place playlist.ID) error {
	set, err := c.hub.Desk.SetPIN(ctx, by, place, c.secret)
	if err != nil {
		return err
	}
	for _, id := range set {
		c.hub.Fleet.Changed(string(id))
	}
	fmt.Fprintf(c.out, "%d machines\n", len(set))
	return nil
}

func listDevices(ctx context.Context, c *call, asJSON bool) error {
	lines, err := c.hub.Fleet.Lines(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(c.out, lines)
	}
	for _, l := range lines {
		state := string(l.Device.State)
		if !l.Since.IsZero() {
			state += fmt.Sprintf(", connected, heard %d s ago", l.Heard)
		}
		if l.Bare {
			state += ", has no display"
		}
		if l.Said.Assignment < l.Told {
			state += fmt.Sprintf(", has assignment %d of %d", l.Said.Assignment, l.Told)
		}
		last := "never reported"
		if !l.Said.Received.IsZero() {
			last = fmt.Sprintf("edition %s (%d), reported %s", l.Said.Edition, l.Said.Number, l.Said.Received.Local().Format("2006-01-02 15:04"))
		}
		fmt.Fprintf(c.out, "%s at %s: %s; %s; %d plays\n", l.Device.ID, l.Device.Place, state, last, l.Plays)
	}
	return nil
}

func listPairings(ctx context.Context, c *call) error {
	all, err := c.hub.Desk.Pairings(ctx)
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.Public == "" {
			fmt.Fprintf(c.out, "%s is for a machine at %s, until %s\n", p.Code, p.Place, p.Until.Local().Format("15:04:05"))
			continue
		}
		fmt.Fprintf(c.out, "%s until %s: %s\n", p.Code, p.Until.Local().Format("15:04:05"), strings.Join(p.Words, " "))
	}
	return nil
}

func invite(ctx context.Context, c *call, by desk.Caller, place playlist.ID, displays []playlist.ID) error {
	p, err := c.hub.Desk.Invite(ctx, by, place, displays)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s\n", p.Code)
	fmt.Fprintf(c.stderr, "The code is good once, until %s: kiosk enrol --code %s\n", p.Until.Local().Format("15:04"), p.Code)
	return nil
}

func showPairing(ctx context.Context, c *call, by desk.Caller, code string) error {
	p, err := c.hub.Desk.PairingByCode(ctx, by, code)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "The machine's screen must show these eight words:\n  %s\nIf it does: hub device confirm %s --place ID (until %s)\n", strings.Join(p.Words, " "), p.Code, p.Until.Local().Format(time.TimeOnly))
	return nil
}

func confirm(ctx context.Context, c *call, by desk.Caller, code string, place playlist.ID, displays []playlist.ID) error {
	d, err := c.hub.Desk.Confirm(ctx, by, code, place, displays)
	if err != nil {
		return err
	}
	c.hub.Fleet.Forget()
	fmt.Fprintf(c.out, "device %s is enrolled at %s\n", d.ID, d.Place)
	return nil
}

// export writes a stick.
func export(ctx context.Context, c *call) (int, error) {
	set, _ := flags("export", c.stderr)
	place := set.String("place", "", "place whose kiosks the stick is for; without it every place")
	rest, code, err := parse(set, c.args)
	if err != nil {
		return asked(code, err)
	}
	if len(rest) != 1 {
		return 2, errors.New("give the stick's folder")
	}
	files := &meter{out: c.stderr, what: "files"}
	n, bytes, err := c.hub.Export(ctx, playlist.ID(*place), c.path(rest[0]), files.report)
	if err != nil {
		return failed(err)
	}
	fmt.Fprintf(c.out, "The stick holds %d files, %d MB, all signed. At the kiosk: kiosk import --data DIR PATH\n", n, bytes>>20)
	return 0, nil
}
