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

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/rights"
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
	PIN      string        `json:"pin,omitempty" doc:"of the staff's page, as a hash, where no place has one"`
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

// PlaceDevice gives a machine to another place, or other displays of its own; none are
// all of the place. It takes effect with its next look at the hub.
func (d *Desk) PlaceDevice(ctx context.Context, by Caller, id, place playlist.ID, displays []playlist.ID) (Device, error) {
	return do(ctx, d, by, "place device", func(t *tx) (Device, error) {
		doc, dev, err := central.Load[Device](t.ctx, t, central.Devices, id)
		if err != nil {
			return dev, err
		}
		t.about(central.Devices, id, dev.Place)
		if err := t.need(rights.Configure, dev.Place); err != nil {
			return dev, err
		}
		if err := t.mayEnrol(place, displays); err != nil {
			return dev, err
		}
		if err := t.detail(map[string]any{"from": dev.Place, "to": place}); err != nil {
			return dev, err
		}
		dev.Place, dev.Displays = place, displays
		return dev, t.keepDevice(doc, dev)
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
		dev.Number, err = assignedNumber(ctx, r, docs[0])
		return err
	})
	return dev, err
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
