package desk

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/rights"
	"cotmoc/hub/trust"
	"cotmoc/playlist"
)

// Pairing is a machine that asks to be enrolled: once, for ten minutes.
type Pairing struct {
	ID       playlist.ID   `json:"id"`
	Code     string        `json:"code"`
	Public   string        `json:"public,omitempty"` // Ed25519, hex; empty: staff made the code first
	Request  []byte        `json:"csr,omitempty"`
	Until    time.Time     `json:"until"`
	Tries    int           `json:"tries"`
	State    string        `json:"state"` // waiting, accepted, refused
	Device   playlist.ID   `json:"device,omitempty"`
	Words    []string      `json:"words,omitempty"` // to compare with the machine's screen
	Place    playlist.ID   `json:"place,omitempty"`
	Displays []playlist.ID `json:"displays,omitempty"`
	By       playlist.ID   `json:"-"`
}

// Limits of pairing.
const (
	PairingTime  = 10 * time.Minute
	pairingTries = 5
	maxPairings  = 200 // that wait at once
)

// Pairing states.
const (
	PairingWaits    = "waiting"
	PairingAccepted = "accepted"
	PairingRefused  = "refused"
)

// ErrPairing is returned for a code that is wrong, was used, or is over.
var ErrPairing = errors.New("this code is wrong, was used, or its ten minutes are over")

// newCode makes a pairing code: 40 bits, in letters and digits that are not taken
// for each other.
func newCode() string {
	const letters = "ABCDEFGHJKMNPQRSTVWXYZ0123456789"
	var raw [8]byte
	_, _ = rand.Read(raw[:]) // never fails
	var out []byte
	for n, b := range raw {
		if n == 4 {
			out = append(out, '-')
		}
		out = append(out, letters[b&31])
	}
	return string(out)
}

// codeOf reads a code as people type it.
func codeOf(s string) string {
	s = strings.ToUpper(strings.NewReplacer(" ", "", "-", "", "O", "0", "o", "0", "I", "1", "i", "1", "L", "1", "l", "1").Replace(s))
	if len(s) != 8 {
		return s
	}
	return s[:4] + "-" + s[4:]
}

// TrustRoot returns the newest root of trust.
func (d *Desk) TrustRoot(ctx context.Context) (raw []byte, err error) {
	err = d.Store.Read(ctx, func(r central.Reader) error { raw, err = newestRoot(ctx, r); return err })
	return raw, err
}

// PairingWords are the eight words that show that machine and hub hold the same
// root of trust and the same key.
func PairingWords(root []byte, public string) []string {
	return trust.Words(root, []byte(public))
}

// Ask takes a machine's wish to be enrolled. With a code it claims a pairing that
// staff made first.
func (d *Desk) Ask(ctx context.Context, from string, public ed25519.PublicKey, csr []byte, code string) (Pairing, error) {
	by := Caller{Account: Console, Login: "device", From: from}
	return do(ctx, d, by, "ask for enrolment", func(t *tx) (Pairing, error) {
		t.about(central.Pairings, "", t.tree.root)
		root, err := newestRoot(t.ctx, t)
		if err != nil {
			return Pairing{}, err
		}
		all, err := t.List(t.ctx, central.Query{Kind: central.Pairings})
		if err != nil {
			return Pairing{}, err
		}
		p := Pairing{ID: NewID(), Code: newCode(), Until: t.now.Add(PairingTime), State: PairingWaits}
		doc := central.Doc{Kind: central.Pairings, ID: p.ID, Owner: t.tree.root}
		if code != "" {
			if doc, p, err = t.claim(all, code); err != nil {
				return p, err
			}
		} else if len(all) >= maxPairings {
			return p, &playlist.Error{Code: playlist.CodeRefused, Where: "enrolment", Detail: "too many machines ask at once: try again in ten minutes"}
		}
		p.Public, p.Request = hex.EncodeToString(public), csr
		p.Words = PairingWords(root, p.Public)
		doc.Due = p.Until
		if err := doc.Encode(p); err != nil {
			return p, err
		}
		if _, err := t.put(doc); err != nil {
			return p, err
		}
		if code != "" { // staff confirmed it when they made the code
			return t.enrol(p)
		}
		return p, nil
	})
}

// claim finds the pairing that staff made for a code. A wrong code counts against
// every one of them that waits: five, and they are void.
func (t *tx) claim(all []central.Doc, code string) (central.Doc, Pairing, error) {
	for _, doc := range all {
		p, err := central.Decode[Pairing](doc)
		if err != nil {
			return doc, p, err
		}
		if t.open(p) && p.Code == codeOf(code) {
			return doc, p, nil
		}
	}
	return central.Doc{}, Pairing{}, ErrPairing
}

// open says whether a code that staff made can still be used.
func (t *tx) open(p Pairing) bool {
	return p.Public == "" && p.State == PairingWaits && t.now.Before(p.Until) && p.Tries < pairingTries
}

// WrongCode counts a wrong code against what waits for one. Where nothing does,
// nothing is written: strangers must not fill the audit.
func (d *Desk) WrongCode(ctx context.Context, from string) error {
	waits := false
	err := d.read(ctx, func(r central.Reader, places *tree) error {
		all, err := central.All[Pairing](ctx, r, central.Query{Kind: central.Pairings})
		waits = slices.ContainsFunc(all, (&tx{now: d.Now(), tree: places}).open)
		return err
	})
	if err != nil || !waits {
		return err
	}
	_, err = do(ctx, d, Caller{Account: Console, Login: "device", From: from}, "wrong pairing code", func(t *tx) (struct{}, error) {
		t.about(central.Pairings, "", t.tree.root)
		all, err := t.List(t.ctx, central.Query{Kind: central.Pairings})
		if err != nil {
			return struct{}{}, err
		}
		for _, doc := range all {
			p, err := central.Decode[Pairing](doc)
			if err != nil {
				return struct{}{}, err
			}
			if !t.open(p) {
				continue
			}
			p.Tries++
			if err := doc.Encode(p); err != nil {
				return struct{}{}, err
			}
			if _, err := t.put(doc); err != nil {
				return struct{}{}, err
			}
		}
		return struct{}{}, nil
	})
	return err
}

// Invite makes a code for a machine that will be enrolled at a place.
func (d *Desk) Invite(ctx context.Context, by Caller, place playlist.ID, displays []playlist.ID) (Pairing, error) {
	return do(ctx, d, by, "invite device", func(t *tx) (Pairing, error) {
		t.about(central.Pairings, "", place)
		p := Pairing{ID: NewID(), Code: newCode(), Until: t.now.Add(PairingTime), State: PairingWaits, Place: place, Displays: displays}
		if err := t.mayEnrol(place, displays); err != nil {
			return p, err
		}
		doc := central.Doc{Kind: central.Pairings, ID: p.ID, Owner: place, Due: p.Until}
		if err := doc.Encode(p); err != nil {
			return p, err
		}
		_, err := t.put(doc)
		return p, err
	})
}

func (t *tx) mayEnrol(place playlist.ID, displays []playlist.ID) error {
	if _, ok := t.tree.Places[place]; !ok {
		return &playlist.Error{Code: playlist.CodeMissing, Where: "enrolment", Detail: fmt.Sprintf("the place %q does not exist", place)}
	}
	if err := t.need(rights.Configure, place); err != nil {
		return err
	}
	for _, id := range displays {
		_, d, err := central.Load[playlist.Display](t.ctx, t, central.Displays, id)
		if err != nil {
			return fmt.Errorf("display %q: %w", id, err)
		}
		if d.Place != place {
			return &playlist.Error{Code: playlist.CodeInvalid, Where: "enrolment", Detail: fmt.Sprintf("display %s is at %s, not at %s", id, d.Place, place)}
		}
	}
	return nil
}

// PairingByCode finds what waits under a code that a screen shows. Five wrong codes
// of one account lock it out of pairing for as long as a code lives.
func (d *Desk) PairingByCode(ctx context.Context, by Caller, code string) (Pairing, error) {
	if wait := d.people.slow.try("pairing code", string(by.Account), d.Now()); wait > 0 {
		return Pairing{}, fmt.Errorf("too many wrong codes: wait %d seconds: %w", int(wait.Seconds())+1, ErrPairing)
	}
	var found Pairing
	err := d.Store.Read(ctx, func(r central.Reader) error {
		all, err := central.All[Pairing](ctx, r, central.Query{Kind: central.Pairings})
		if err != nil {
			return err
		}
		for _, p := range all {
			if p.Public != "" && p.State == PairingWaits && d.Now().Before(p.Until) && p.Code == codeOf(code) {
				found = p
				return nil
			}
		}
		return ErrPairing
	})
	if err == nil {
		d.people.slow.hit("pairing code", string(by.Account))
	}
	return found, err
}

// Confirm enrols the machine that shows a code, after staff have compared its words.
func (d *Desk) Confirm(ctx context.Context, by Caller, code string, place playlist.ID, displays []playlist.ID) (Device, error) {
	p, err := d.PairingByCode(ctx, by, code)
	if err != nil {
		return Device{}, err
	}
	return do(ctx, d, by, "enrol device", func(t *tx) (Device, error) {
		t.about(central.Devices, "", place)
		if err := t.mayEnrol(place, displays); err != nil {
			return Device{}, err
		}
		doc, p, err := central.Load[Pairing](t.ctx, t, central.Pairings, p.ID)
		if err != nil || p.State != PairingWaits {
			return Device{}, errors.Join(ErrPairing, err)
		}
		p.Place, p.Displays = place, displays
		if err := doc.Encode(p); err != nil {
			return Device{}, err
		}
		if _, err := t.put(doc); err != nil {
			return Device{}, err
		}
		if p, err = t.enrol(p); err != nil {
			return Device{}, err
		}
		_, dev, err := central.Load[Device](t.ctx, t, central.Devices, p.Device)
		return dev, err
	})
}

// enrol makes a pairing's device.
func (t *tx) enrol(p Pairing) (Pairing, error) {
	twin, err := t.List(t.ctx, central.Query{Kind: central.Devices, Name: p.Public})
	if err != nil {
		return p, err
	}
	dev := Device{ID: NewID(), Place: p.Place, Displays: p.Displays, Public: p.Public, State: DeviceActive, Created: t.now}
	doc := central.Doc{Kind: central.Devices, ID: dev.ID}
	if len(twin) > 0 { // the same machine again, at another place perhaps
		old, err := central.Decode[Device](twin[0])
		if err != nil {
			return p, err
		}
		if old.State != DeviceActive {
			return p, &Refusal{Act: rights.Configure, Place: p.Place, Why: fmt.Sprintf("the machine's key belongs to device %s, which is %s: it needs a new key", old.ID, old.State)}
		}
		doc, dev.ID, dev.Created, dev.Kbit, dev.Hours, dev.QuotaMB = twin[0], old.ID, old.Created, old.Kbit, old.Hours, old.QuotaMB
	}
	if err := t.keepDevice(doc, dev); err != nil {
		return p, err
	}
	kept, err := t.Get(t.ctx, central.Pairings, p.ID)
	if err != nil {
		return p, err
	}
	p.State, p.Device = PairingAccepted, dev.ID
	if err := kept.Encode(p); err != nil {
		return p, err
	}
	_, err = t.put(kept)
	t.about(central.Devices, dev.ID, dev.Place)
	return p, errors.Join(err, t.detail(map[string]any{"key": p.Public[:16]}))
}

// Pairing returns how far an enrolment is.
func (d *Desk) Pairing(ctx context.Context, id playlist.ID) (p Pairing, err error) {
	err = d.Store.Read(ctx, func(r central.Reader) error {
		_, p, err = central.Load[Pairing](ctx, r, central.Pairings, id)
		return err
	})
	return p, err
}

// Pairings lists the machines that wait.
func (d *Desk) Pairings(ctx context.Context) (out []Pairing, err error) {
	err = d.Store.Read(ctx, func(r central.Reader) error {
		all, err := central.All[Pairing](ctx, r, central.Query{Kind: central.Pairings})
		out = slices.DeleteFunc(all, func(p Pairing) bool { return p.State != PairingWaits || !d.Now().Before(p.Until) })
		return err
	})
	return out, err
}
