package desk

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"cotmoc/hub/feed"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/rights"
	"cotmoc/internal/corner"
	"cotmoc/internal/phc"
	"cotmoc/playlist"
)

// DeviceState is whether a device may speak with the hub.
type DeviceState string

// States of a device. One that is held plays on with what it has.
const (
	DeviceActive  DeviceState = "active"
	DeviceHeld    DeviceState = "held"    // two machines speak with its key
	DeviceRevoked DeviceState = "revoked" // never again
)

// Device is a kiosk's machine.
type Device struct {
	ID       playlist.ID   `json:"id"`
	Name     string        `json:"name,omitempty"`
	Place    playlist.ID   `json:"place"`
	Displays []playlist.ID `json:"displays,omitempty"` // of this machine; empty: all at its place
	Public   string        `json:"public"`             // Ed25519, hex
	State    DeviceState   `json:"state"`
	Why      string        `json:"why,omitempty"` // it is held or revoked
	Kbit     int           `json:"kbit,omitempty" minimum:"0" maximum:"10000000" doc:"most kilobits a second for files"`
	Hours    string        `json:"hours,omitempty" doc:"local hours for what is not urgent, as 22:00-05:00"`
	QuotaMB  int           `json:"quota_mb,omitempty" minimum:"0"`
	PIN      string        `json:"pin,omitempty" doc:"of the staff's page, as a hash"`
	Created  time.Time     `json:"created"`

	Number int64 `json:"-"` // of its assignment; only where it was found by its key
}

// Upkeep is what staff set about a machine's line and disk. Zero values set no limit.
type Upkeep struct {
	Kbit    int    // most kilobits a second for files
	Hours   string // local hours for what is not urgent, as 22:00-05:00
	QuotaMB int    // most megabytes of media
}

// maxKbit and maxQuotaMB bound what can be meant.
const (
	maxKbit    = 10_000_000
	maxQuotaMB = 100_000_000
)

var hours = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$`)

func (u Upkeep) check() error {
	what := ""
	switch {
	case u.Kbit < 0 || u.Kbit > maxKbit:
		what = fmt.Sprintf("kilobits a second: 0 (no limit) to %d", maxKbit)
	case u.QuotaMB < 0 || u.QuotaMB > maxQuotaMB:
		what = fmt.Sprintf("megabytes: 0 (no limit) to %d", maxQuotaMB)
	case u.Hours != "" && !hours.MatchString(u.Hours):
		what = "hours: as 22:00-05:00, or nothing"
	default:
		return nil
	}
	return &playlist.Error{Code: playlist.CodeInvalid, Where: "device", Detail: what}
}

// SetDevice changes a device's state: held, revoked, or active again.
func (d *Desk) SetDevice(ctx context.Context, by Caller, id playlist.ID, to DeviceState, why string) (Device, error) {
	return do(ctx, d, by, "device "+string(to), func(t *tx) (Device, error) {
		doc, dev, err := central.Load[Device](t.ctx, t, central.Devices, id)
		if err != nil {
			return dev, err
		}
		t.about(central.Devices, id, dev.Place)
		if err := t.need(rights.Configure, dev.Place); err != nil {
			return dev, err
		}
		if dev.State == DeviceRevoked {
			return dev, &playlist.Error{Code: playlist.CodeRefused, Where: "device", Detail: "a revoked device stays revoked: enrol the machine with a new key"}
		}
		dev.State, dev.Why = to, clip(why)
		return dev, t.keepDevice(doc, dev)
	})
}

// Keep sets a machine's line and disk. It takes effect with its next look at the hub.
func (d *Desk) Keep(ctx context.Context, by Caller, id playlist.ID, u Upkeep) (Device, error) {
	if err := u.check(); err != nil {
		return Device{}, err
	}
	return do(ctx, d, by, "change device", func(t *tx) (Device, error) {
		doc, dev, err := central.Load[Device](t.ctx, t, central.Devices, id)
		if err != nil {
			return dev, err
		}
		t.about(central.Devices, id, dev.Place)
		if err := t.need(rights.Configure, dev.Place); err != nil {
			return dev, err
		}
		dev.Kbit, dev.Hours, dev.QuotaMB = u.Kbit, u.Hours, u.QuotaMB
		return dev, errors.Join(t.keepDevice(doc, dev), t.detail(map[string]any{"kbit": u.Kbit, "hours": u.Hours, "quota_mb": u.QuotaMB}))
	})
}

// SetPIN sets the PIN of the staff's page on every machine at a place and below it; ""
// leaves each to its own. It returns the machines.
func (d *Desk) SetPIN(ctx context.Context, by Caller, place playlist.ID, pin string) ([]playlist.ID, error) {
	hash := ""
	if pin != "" {
		if err := corner.CheckPIN(pin); err != nil {
			return nil, &playlist.Error{Code: playlist.CodeInvalid, Where: "PIN", Detail: err.Error()}
		}
		hash = phc.Hash(pin)
	}
	return do(ctx, d, by, "set PIN", func(t *tx) (out []playlist.ID, err error) {
		t.about(central.Places, place, place)
		if err := t.need(rights.Configure, place); err != nil {
			return nil, err
		}
		if _, ok := t.tree.Places[place]; !ok {
			return nil, fmt.Errorf("place %s: %w", place, central.ErrNotFound)
		}
		docs, err := t.List(t.ctx, central.Query{Kind: central.Devices, Owners: t.tree.below(place)})
		if err != nil {
			return nil, err
		}
		for _, doc := range docs {
			dev, err := central.Decode[Device](doc)
			if err != nil {
				return nil, err
			}
			if dev.State == DeviceRevoked {
				continue
			}
			dev.PIN = hash
			if err := t.keepDevice(doc, dev); err != nil {
				return nil, err
			}
			out = append(out, dev.ID)
		}
		return out, t.detail(map[string]any{"machines": len(out), "cleared": hash == ""})
	})
}

// Devices lists the devices, in order of their ids.
func (d *Desk) Devices(ctx context.Context) (out []Device, err error) {
	err = d.Store.Read(ctx, func(r central.Reader) error {
		out, err = central.All[Device](ctx, r, central.Query{Kind: central.Devices})
		return err
	})
	return out, err
}

// DeviceByKey finds a device by its key.
func (d *Desk) DeviceByKey(ctx context.Context, public ed25519.PublicKey) (dev Device, err error) {
	err = d.Store.Read(ctx, func(r central.Reader) error {
		docs, err := r.List(ctx, central.Query{Kind: central.Devices, Name: hex.EncodeToString(public), Limit: 1})
		if err != nil {
			return err
		}
		if len(docs) == 0 {
			return fmt.Errorf("device: %w", central.ErrNotFound)
		}
		if dev, err = central.Decode[Device](docs[0]); err != nil {
			return err
		}
		dev.Number, err = assignmentNumber(ctx, r, docs[0])
		return err
	})
	return dev, err
}

// assignmentNumber grows with each change of the device and leaps after a restore.
func assignmentNumber(ctx context.Context, r central.Reader, doc central.Doc) (int64, error) {
	_, l, err := central.Load[leaps](ctx, r, central.Settings, leapSetting)
	if err != nil && !errors.Is(err, central.ErrNotFound) {
		return 0, err
	}
	return doc.Rev + int64(l.Restores)*leapBy, nil
}

// Assignment says what a device holds: the ministry's edition and its province's,
// and the displays that are its own.
func (d *Desk) Assignment(ctx context.Context, id playlist.ID) (a feed.Assignment, err error) {
	err = d.read(ctx, func(r central.Reader, places *tree) error {
		doc, dev, err := central.Load[Device](ctx, r, central.Devices, id)
		if err != nil {
			return err
		}
		number, err := assignmentNumber(ctx, r, doc)
		if err != nil {
			return err
		}
		a = feed.Assignment{Device: string(dev.ID), Number: number, Place: string(dev.Place), Kbit: dev.Kbit, Hours: dev.Hours,
			QuotaMB: dev.QuotaMB, PIN: dev.PIN, IssuedAt: doc.At, Scopes: []string{string(places.root)}}
		if s := places.scope(dev.Place); s != places.root {
			a.Scopes = append(a.Scopes, string(s))
		}
		for _, s := range dev.Displays {
			a.Displays = append(a.Displays, string(s))
		}
		if len(a.Displays) > 0 {
			return nil
		}
		docs, err := r.List(ctx, central.Query{Kind: central.Displays, Owners: []playlist.ID{dev.Place}})
		for _, doc := range docs {
			a.Displays = append(a.Displays, string(doc.ID))
		}
		return err
	})
	return a, err
}

// ScopesOf lists the scopes that kiosks of a place hold, the ministry's first; all
// scopes for no place.
func (d *Desk) ScopesOf(ctx context.Context, place playlist.ID) (out []string, err error) {
	if place == "" {
		all, err := d.Scopes(ctx)
		for _, s := range all {
			out = append(out, string(s.ID))
		}
		return out, err
	}
	err = d.read(ctx, func(_ central.Reader, places *tree) error {
		if _, ok := places.Places[place]; !ok {
			return fmt.Errorf("place %q: %w", place, central.ErrNotFound)
		}
		out = []string{string(places.root)}
		if s := places.scope(place); s != places.root {
			out = append(out, string(s))
		}
		return nil
	})
	return out, err
}

func clip(s string) string {
	if len(s) > 200 {
		return strings.ToValidUTF8(s[:200], "")
	}
	return s
}

func (t *tx) keepDevice(doc central.Doc, dev Device) error {
	doc.Owner, doc.Name, doc.State = dev.Place, dev.Public, string(dev.State)
	if err := doc.Encode(dev); err != nil {
		return err
	}
	_, err := t.put(doc)
	return err
}
