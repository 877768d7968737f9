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

	"cotmoc/hub/server/admission"
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
	pairingTries = 5  // wrong codes that void an invitation
	freeCodes    = 20 // wrong codes of an address before it must wait
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

// Ask takes a machine's wish to be enrolled. With a code it claims an invitation that
// staff made; without one it waits in memory until staff confirm what its screen shows.
func (d *Desk) Ask(ctx context.Context, from string, public ed25519.PublicKey, csr []byte, code string) (Pairing, error) {
	root, err := d.TrustRoot(ctx)
	if err != nil {
		return Pairing{}, err
	}
	key := hex.EncodeToString(public)
	words := PairingWords(root, key)
	if code == "" {
		p := Pairing{ID: NewID(), Code: newCode(), Until: d.Now().UTC().Add(PairingTime), State: PairingWaits, Public: key, Request: csr, Words: words}
		return p, d.asks.add(p, admission.Address(from), d.Now())
	}
	if err := d.mayClaim(ctx, from, code); err != nil {
		return Pairing{}, err
	}
	by := Caller{Account: Console, Login: "device", From: from}
	return do(ctx, d, by, "claim invitation", func(t *tx) (Pairing, error) {
		t.about(central.Pairings, "", t.tree.root)
		doc, p, err := t.invitation(code)
		if err != nil || p.Code != codeOf(code) {
			return p, errors.Join(ErrPairing, err)
		}
		p.Public, p.Request, p.Words = key, csr, words
		doc.Due = p.Until
		if err := doc.Encode(p); err != nil {
			return p, err
		}
		if _, err := t.put(doc); err != nil {
			return p, err
		}
		return t.enrol(p) // staff confirmed it when they made the code
	})
}

// mayClaim looks for the invitation of a code before anything is written. A wrong code
// counts against the one invitation that its first half names; one that names none, against
// the address that gave it.
func (d *Desk) mayClaim(ctx context.Context, from, code string) error {
	var p Pairing
	err := d.read(ctx, func(r central.Reader, places *tree) (err error) {
		_, p, err = (&tx{Tx: readOnly{r}, ctx: ctx, tree: places, now: d.Now()}).invitation(code)
		return err
	})
	switch {
	case err == nil && p.Code == codeOf(code):
		return nil
	case errors.Is(err, ErrPairing):
		if wait, missed := d.people.slow.attempt(d.Now(), tally{short("invitation", admission.Address(from)), freeCodes}); wait > 0 {
			return &SlowError{wait}
		} else if missed >= freeCodes {
			d.Log.Warn("Guessing of invitations is slowed", "address", from, "missed", missed)
		}
		return err
	case err != nil:
		return err
	}
	_, err = do(ctx, d, Caller{Account: Console, Login: "device", From: from}, "wrong invitation code", func(t *tx) (struct{}, error) {
		doc, p, err := t.invitation(code)
		if err != nil {
			return struct{}{}, err
		}
		t.about(central.Pairings, p.ID, p.Place)
		p.Tries++
		if err := doc.Encode(p); err != nil {
			return struct{}{}, err
		}
		_, err = t.put(doc)
		return struct{}{}, err
	})
	return errors.Join(ErrPairing, err)
}

// invitation finds the open invitation that the first half of a code names.
func (t *tx) invitation(code string) (central.Doc, Pairing, error) {
	all, err := t.List(t.ctx, central.Query{Kind: central.Pairings})
	if err != nil {
		return central.Doc{}, Pairing{}, err
	}
	for _, doc := range all {
		p, err := central.Decode[Pairing](doc)
		if err != nil {
			return doc, p, err
		}
		if t.open(p) && half(p.Code) == half(codeOf(code)) {
			return doc, p, nil
		}
	}
	return central.Doc{}, Pairing{}, ErrPairing
}

func half(code string) string {
	first, _, _ := strings.Cut(code, "-")
	return first
}

// open says whether an invitation can still be used.
func (t *tx) open(p Pairing) bool {
	return p.Public == "" && p.State == PairingWaits && t.now.Before(p.Until) && p.Tries < pairingTries
}

// Invite makes a code for a machine that will be enrolled at a place.
func (d *Desk) Invite(ctx context.Context, by Caller, place playlist.ID, displays []playlist.ID) (Pairing, error) {
	return do(ctx, d, by, "invite device", func(t *tx) (Pairing, error) {
		t.about(central.Pairings, "", place)
		p := Pairing{ID: NewID(), Code: newCode(), Until: t.now.Add(PairingTime), State: PairingWaits, Place: place, Displays: displays}
		if err := t.mayEnrol(place, displays); err != nil {
			return p, err
		}
		for { // its first half names it
			if _, _, err := t.invitation(p.Code); errors.Is(err, ErrPairing) {
				break
			} else if err != nil {
				return p, err
			}
			p.Code = newCode()
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
	counts := []tally{{short("pairing code", string(by.Account)), freeAttempts}}
	if wait, _ := d.people.slow.attempt(d.Now(), counts...); wait > 0 {
		return Pairing{}, errors.Join(ErrPairing, &SlowError{wait})
	}
	p, ok := d.asks.byCode(codeOf(code), d.Now())
	if !ok {
		return p, ErrPairing
	}
	d.people.slow.right(counts...)
	return p, nil
}

// Confirm enrols the machine that shows a code, after staff have compared its words.
func (d *Desk) Confirm(ctx context.Context, by Caller, code string, place playlist.ID, displays []playlist.ID) (Device, error) {
	p, err := d.PairingByCode(ctx, by, code)
	if err != nil {
		return Device{}, err
	}
	dev, err := do(ctx, d, by, "enrol device", func(t *tx) (Device, error) {
		t.about(central.Devices, "", place)
		if err := t.mayEnrol(place, displays); err != nil {
			return Device{}, err
		}
		p.Place, p.Displays = place, displays
		doc := central.Doc{Kind: central.Pairings, ID: p.ID, Owner: place, Due: p.Until}
		if err := doc.Encode(p); err != nil {
			return Device{}, err
		}
		if _, err := t.put(doc); errors.Is(err, central.ErrExists) { // confirmed twice
			return Device{}, ErrPairing
		} else if err != nil {
			return Device{}, err
		}
		p, err := t.enrol(p)
		if err != nil {
			return Device{}, err
		}
		_, dev, err := central.Load[Device](t.ctx, t, central.Devices, p.Device)
		return dev, err
	})
	if err == nil {
		d.asks.drop(p.ID)
	}
	return dev, err
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
	if p, ok := d.asks.polled(id, d.Now()); ok {
		return p, nil
	}
	err = d.Store.Read(ctx, func(r central.Reader) error {
		_, p, err = central.Load[Pairing](ctx, r, central.Pairings, id)
		return err
	})
	return p, err
}

// Pairings lists the machines that wait, and the invitations that are open.
func (d *Desk) Pairings(ctx context.Context) (out []Pairing, err error) {
	err = d.Store.Read(ctx, func(r central.Reader) error {
		all, err := central.All[Pairing](ctx, r, central.Query{Kind: central.Pairings})
		out = slices.DeleteFunc(all, func(p Pairing) bool { return p.State != PairingWaits || !d.Now().Before(p.Until) })
		return err
	})
	return append(out, d.asks.list(d.Now())...), err
}
