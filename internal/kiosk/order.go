package kiosk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"cotmoc/hub/local"
	"cotmoc/hub/trust"
	"cotmoc/player/link"
	"cotmoc/playlist"
)

// Orders that a command line gives to the kiosk.
const (
	OrderImport   = "import" // Path: a stick or folder; Reason: the fingerprint of a root to believe
	OrderSync     = "sync"
	OrderEnrolled = "enrolled"
	OrderPairing  = "pairing" // Body: the playlist.Pairing to show; none ends it
)

// pairingShown is how long an enrolment code stays on the screens: as long as it is
// good.
const pairingShown = 10 * time.Minute

// Done is the answer to an order.
type Done struct {
	Taken  *Taken      `json:"taken,omitempty"`
	Sync   *SyncStatus `json:"sync,omitempty"`
	Moved  int64       `json:"moved,omitempty"` // bytes on the wire, both ways
	Error  string      `json:"error,omitempty"`
	Refuse bool        `json:"refused,omitempty"`
	Nobody bool        `json:"not_enrolled,omitempty"`
}

// order does what a command line asks, saying now and then how far it is.
func (k *Kiosk) order(ctx context.Context, c *link.Conn, m link.Message) {
	done := k.Do(ctx, m, func(n, total int) {
		_ = c.Send(link.Message{Kind: link.Got, Frames: uint64(n), PCM: int64(total)}) // whoever asked may have gone
	})
	body, err := json.Marshal(done)
	if err == nil {
		err = c.Send(link.Message{Kind: link.Answer, Body: body})
	}
	if err != nil {
		k.cfg.Log.Debug("Answer failed", "err", err)
	}
}

// Do carries an order out.
func (k *Kiosk) Do(ctx context.Context, m link.Message, progress func(done, total int)) (d Done) {
	var err error
	switch m.ID {
	case OrderImport:
		err = k.orderImport(ctx, m, progress, &d)
	case OrderSync:
		err = k.orderSync(ctx, &d)
	case OrderEnrolled:
		k.showPairing(nil)
		err = k.Enrolled(ctx)
	case OrderPairing:
		var p *playlist.Pairing
		if err = json.Unmarshal(m.Body, &p); err == nil {
			k.showPairing(p)
		}
	default:
		err = fmt.Errorf("there is no order %q", m.ID)
	}
	if err != nil {
		d.Error = err.Error()
		d.Refuse = errors.Is(err, trust.ErrRefused) || errors.Is(err, trust.ErrExpired)
		d.Nobody = errors.Is(err, local.ErrNotEnrolled)
	}
	return d
}

// showPairing shows an enrolment code on every screen of the machine.
func (k *Kiosk) showPairing(p *playlist.Pairing) {
	k.mu.Lock()
	k.pairing, k.pairingEnds = p, time.Now().Add(pairingShown)
	k.mu.Unlock()
	k.Nudge()
}

func (k *Kiosk) orderImport(ctx context.Context, m link.Message, progress func(done, total int), d *Done) error {
	if m.Reason != "" {
		if err := k.believe(ctx, m.Path, m.Reason); err != nil {
			return err
		}
	}
	taken, err := k.Import(ctx, m.Path, progress)
	d.Taken = &taken
	return err
}

// believe begins with the root on a stick, if its fingerprint is the one that
// somebody brought by another way, and nobody is believed yet.
func (k *Kiosk) believe(ctx context.Context, dir, fingerprint string) error {
	if _, err := k.TrustState(ctx); !errors.Is(err, local.ErrNotEnrolled) {
		return err // it believes somebody already
	}
	folder, err := local.OpenFolder(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	root, err := FindRoot(ctx, folder, fingerprint)
	if err != nil {
		return err
	}
	return k.TrustRoot(ctx, root)
}

// FindRoot looks for the root with a fingerprint among all that a source has.
func FindRoot(ctx context.Context, from trust.Source, fingerprint string) ([]byte, error) {
	for n := 1; n <= 1000; n++ {
		root, err := from.Metadata(ctx, fmt.Sprintf("%d.root.json", n), trust.MaxMetadata)
		if err != nil {
			break
		}
		if trust.Fingerprint(root) == fingerprint {
			return root, nil
		}
	}
	return nil, fmt.Errorf("%w (no root there has the fingerprint %.16s…)", trust.ErrRefused, fingerprint)
}

// syncPatience is how long one round may take without an end.
const syncPatience = 10 * time.Minute

// orderSync has fetch look at once, and waits until it has looked at everything.
func (k *Kiosk) orderSync(ctx context.Context, d *Done) error {
	if !k.enrolled() {
		return local.ErrNotEnrolled
	}
	ctx, cancel := context.WithTimeout(ctx, syncPatience)
	defer cancel()
	f := k.fetch
	f.mu.Lock()
	before := f.last.Sent + f.last.Received
	rounds := f.rounds
	f.urgent = true
	f.mu.Unlock()
	f.wantChanged()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the round did not end: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
		s, _ := k.syncStatus(ctx)
		if s == nil || s.Rounds <= rounds {
			continue
		}
		d.Sync, d.Moved = s, s.Sent+s.Received-before
		f.mu.Lock()
		err := f.taken
		f.mu.Unlock()
		if err != nil {
			return err
		}
		if s.Error != "" {
			return errors.New(s.Error)
		}
		return nil
	}
}

// tellPatience is how long the hub may take to hear of the edition that plays.
const tellPatience = 10 * time.Second

// AwaitFiles waits until everything that is wanted is here and the hub was told, or
// the hub cannot be reached.
func (k *Kiosk) AwaitFiles(ctx context.Context) {
	for began := time.Now(); ctx.Err() == nil; {
		files, err := k.wanted(ctx)
		s, _ := k.syncStatus(ctx)
		plays := k.Playing()
		k.fetch.mu.Lock()
		spoke := k.fetch.told == plays || time.Since(began) > tellPatience
		k.fetch.mu.Unlock()
		if err != nil || len(files) == 0 && spoke || s == nil || s.Error != "" {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Ask gives the running kiosk of a folder an order. ok is false if none runs.
func Ask(ctx context.Context, dir string, m link.Message, progress func(done, total int)) (d Done, ok bool, err error) {
	var raw net.Conn
	for _, path := range SocketPaths(dir) {
		if raw, err = (&net.Dialer{}).DialContext(ctx, "unix", path); err == nil {
			break
		}
	}
	if raw == nil {
		return d, false, nil
	}
	c := link.NewConn(raw)
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	m.Kind = link.Order
	if err := c.Send(m); err != nil {
		return d, true, err
	}
	for {
		got, err := c.Receive()
		if err != nil {
			return d, true, fmt.Errorf("the kiosk did not answer: %w", err)
		}
		if got.Kind == link.Got && progress != nil {
			progress(int(got.Frames), int(got.PCM))
		}
		if got.Kind == link.Answer {
			return d, true, json.Unmarshal(got.Body, &d)
		}
	}
}
