package desk

import (
	"context"
	"errors"
	"fmt"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/rights"
	"cotmoc/internal/corner"
	"cotmoc/internal/phc"
	"cotmoc/playlist"
)

// placePIN is the PIN of the staff's page for the machines of a place and below it. An
// empty one says that each machine has its own.
type placePIN struct {
	Hash string `json:"hash"`
}

func pinID(place playlist.ID) playlist.ID { return "pin:" + place }

// SetPIN sets the PIN of the staff's page on every machine at a place and below it, now
// and later; "" leaves each to its own. It returns the machines that are there now.
func (d *Desk) SetPIN(ctx context.Context, by Caller, place playlist.ID, pin string) ([]playlist.ID, error) {
	hash := ""
	if pin != "" {
		if err := corner.CheckPIN(pin); err != nil {
			return nil, &playlist.Error{Code: playlist.CodeInvalid, Where: "PIN", Detail: err.Error()}
		}
		hash = phc.Hash(pin)
	}
	return do(ctx, d, by, "set PIN", func(t *tx) ([]playlist.ID, error) {
		t.about(central.Places, place, place)
		if err := t.need(rights.Configure, place); err != nil {
			return nil, err
		}
		if _, ok := t.tree.Places[place]; !ok {
			return nil, fmt.Errorf("place %s: %w", place, central.ErrNotFound)
		}
		below := t.tree.below(place)
		if err := t.keepPIN(place, below, hash); err != nil {
			return nil, err
		}
		out, err := t.clearPINs(below)
		if err != nil {
			return nil, err
		}
		return out, t.detail(map[string]any{"machines": len(out), "cleared": hash == ""})
	})
}

// keepPIN writes a place's PIN, which replaces those of the places below it.
func (t *tx) keepPIN(place playlist.ID, below []playlist.ID, hash string) error {
	for _, id := range below {
		doc, err := t.Get(t.ctx, central.Settings, pinID(id))
		if errors.Is(err, central.ErrNotFound) {
			doc, err = central.Doc{Kind: central.Settings, ID: pinID(id), Owner: id}, nil
			if id != place {
				continue
			}
		}
		if err != nil {
			return err
		}
		if id != place {
			if err := t.drop(doc.Kind, doc.ID, doc.Rev); err != nil {
				return err
			}
			continue
		}
		if err := doc.Encode(placePIN{hash}); err != nil {
			return err
		}
		if _, err := t.put(doc); err != nil {
			return err
		}
	}
	return nil
}

// clearPINs lists the machines at places, and takes away PINs that an earlier hub kept
// on the machines themselves.
func (t *tx) clearPINs(places []playlist.ID) (out []playlist.ID, err error) {
	docs, err := t.List(t.ctx, central.Query{Kind: central.Devices, Owners: places})
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
		out = append(out, dev.ID)
		if dev.PIN == "" {
			continue
		}
		dev.PIN = ""
		if err := t.keepDevice(doc, dev); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// pinOf is the PIN of a machine: of the nearest place that has one, else its own.
func pinOf(ctx context.Context, r central.Reader, places *tree, dev Device) (string, error) {
	for _, p := range places.Ancestry(dev.Place) {
		_, pin, err := central.Load[placePIN](ctx, r, central.Settings, pinID(p.ID))
		if err == nil {
			return pin.Hash, nil
		}
		if !errors.Is(err, central.ErrNotFound) {
			return "", err
		}
	}
	return dev.PIN, nil
}
