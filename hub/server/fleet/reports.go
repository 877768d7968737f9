package fleet

import (
	"context"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"slices"
	"time"

	"cotmoc/hub/feed"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/trust"
)

// keptBoots is how many earlier boots of a device are remembered. One that comes
// back is a second machine with the same key: a boot never returns.
const keptBoots = 16

var worker = desk.Caller{Account: desk.Console, Login: "fleet", From: "hub"}

// booted notes the boot of a device that speaks, and holds the device if two
// machines speak in turn.
func (f *Fleet) booted(ctx context.Context, dev desk.Device, boot string) (held bool, err error) {
	if boot == "" || len(boot) > 64 {
		return false, nil
	}
	said, err := f.Store.Said(ctx, string(dev.ID))
	if err != nil || said.Boot == boot {
		return false, err
	}
	if slices.Contains(said.Boots, boot) {
		_, err := f.Desk.SetDevice(ctx, worker, dev.ID, desk.DeviceHeld, "two machines speak with this device's key; both are held until one is enrolled anew")
		f.Forget()
		f.Tell(string(dev.ID), feed.Event{Kind: "held"})
		f.Cut(string(dev.ID))
		return true, err
	}
	if said.Boot != "" {
		said.Boots = append([]string{said.Boot}, said.Boots...)
	}
	said.Boots = said.Boots[:min(len(said.Boots), keptBoots)]
	said.Device, said.Boot, said.Received = string(dev.ID), boot, f.Desk.Now()
	return false, f.Store.Keep(ctx, said)
}

// report takes what a device says of itself, and answers with the time and, where
// the device's is older, its assignment.
func (f *Fleet) report(w http.ResponseWriter, r *http.Request) {
	dev, ok := f.device(w, r, false)
	if !ok {
		return
	}
	var got feed.Report
	leave, ok := f.read(w, r, maxReport, postTime, &got)
	if !ok {
		return
	}
	defer leave()
	held, err := f.booted(r.Context(), dev, got.Boot)
	if held && err == nil {
		refuse(w, http.StatusForbidden, "held")
		return
	}
	var said central.Said
	if err == nil {
		said, err = f.Store.Said(r.Context(), string(dev.ID))
	}
	if err == nil {
		got.Device = string(dev.ID)
		err = f.Store.Keep(r.Context(), central.Said{Report: got, Received: f.Desk.Now(), Boots: said.Boots})
	}
	var out feed.Reported
	if err == nil && len(got.Nonce) <= 64 && f.Desk.Clock.Check() == nil { // no time is better than a wrong one
		out.Time, err = trust.Seal(feed.WhatTime, feed.Time{Nonce: got.Nonce, At: f.Desk.Now()}, f.Seal)
	}
	if err == nil {
		out.Assignment, err = f.newer(r.Context(), dev, got.Assignment)
	}
	if err != nil {
		f.Log.Error("Report was not taken", "device", dev.ID, "error", err)
		busy(w)
		return
	}
	answer(w, out)
}

func (f *Fleet) newer(ctx context.Context, dev desk.Device, have int64) (*feed.Envelope, error) {
	a, err := f.Desk.Assignment(ctx, dev.ID)
	if err == nil && have > a.Number {
		a, err = f.Desk.OutrunAssignment(ctx, dev.ID, have)
	}
	if err != nil || a.Number <= have {
		return nil, err
	}
	e, err := trust.Seal(feed.WhatAssignment, a, f.Seal)
	return &e, err
}

// plays takes a piece of a device's outbox. The device's own key signs it, so that
// it may come by whatever way.
func (f *Fleet) plays(w http.ResponseWriter, r *http.Request) {
	dev, ok := f.device(w, r, false)
	if !ok {
		return
	}
	var e feed.Envelope
	leave, ok := f.read(w, r, maxBatch, postTime, &e)
	if !ok {
		return
	}
	defer leave()
	receipt, err := f.Deliver(r.Context(), dev, e)
	switch {
	case errors.Is(err, trust.ErrRefused), errors.Is(err, ErrBatch):
		refuse(w, http.StatusBadRequest, err.Error())
	case errors.Is(err, errFast):
		busy(w)
	case err != nil:
		f.Log.Error("Proof of play was not taken", "device", dev.ID, "error", err)
		busy(w)
	default:
		answer(w, receipt)
	}
}

// ErrBatch is returned for a batch that cannot be.
var ErrBatch = errors.New("this batch of proof of play is not well formed")

// How many rows and counts a batch may have.
const (
	maxPlays  = 5000
	maxCounts = 5000
)

// Deliver takes a batch, whichever way it came. Each row counts once.
func (f *Fleet) Deliver(ctx context.Context, dev desk.Device, e feed.Envelope) (feed.Receipt, error) {
	public, err := hex.DecodeString(dev.Public)
	if err != nil {
		return feed.Receipt{}, err
	}
	key, err := trust.PublicKey(public)
	if err != nil {
		return feed.Receipt{}, err
	}
	var b feed.Batch
	if err := trust.Open(feed.WhatBatch, e, []trust.Key{key}, &b); err != nil {
		return feed.Receipt{}, err
	}
	if b.Device != string(dev.ID) || b.Epoch == "" || len(b.Epoch) > 64 || len(b.Plays) > maxPlays || b.From < 0 || b.Gone < 0 {
		return feed.Receipt{}, ErrBatch
	}
	for n, p := range b.Plays {
		if p.Seq <= b.From || n > 0 && p.Seq <= b.Plays[n-1].Seq || len(p.Row) > 16<<10 {
			return feed.Receipt{}, ErrBatch
		}
	}
	if len(b.Counts) > maxCounts || len(b.Tally) > 64 {
		return feed.Receipt{}, ErrBatch
	}
	if !f.rates.take(b.Device, len(b.Plays), f.Desk.Now()) {
		return feed.Receipt{}, errFast
	}
	if err := f.sift(ctx, dev, &b); err != nil {
		return feed.Receipt{}, err
	}
	b.Counts = slices.DeleteFunc(b.Counts, func(c feed.Count) bool { return !c.Valid() }) // no later try would mend it
	seq, err := f.Store.Take(ctx, dev.Place, b)
	return feed.Receipt{Epoch: b.Epoch, Seq: seq, Tally: b.Tally}, err
}

// address is where a request came from, without its port.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// Line is a device as staff see it.
type Line struct {
	Device desk.Device  `json:"device"`
	Said   central.Said `json:"said,omitzero"`
	Since  time.Time    `json:"connected_since,omitzero"`
	Heard  int          `json:"heard_ago_s,omitempty"` // while it is connected
	Plays  int64        `json:"plays"`
	Told   int64        `json:"assignment_told,omitempty"` // number of its newest assignment
	Bare   bool         `json:"no_display,omitempty"`      // it has no display of its own
}

// Lines lists all devices with what they last said.
func (f *Fleet) Lines(ctx context.Context) ([]Line, error) {
	all, err := f.Desk.Devices(ctx)
	if err != nil {
		return nil, err
	}
	said, err := f.Store.AllSaid(ctx)
	if err != nil {
		return nil, err
	}
	plays, err := f.Store.CountPlays(ctx)
	if err != nil {
		return nil, err
	}
	byID := map[string]central.Said{}
	for _, s := range said {
		byID[s.Device] = s
	}
	told, err := f.Desk.Told(ctx)
	if err != nil {
		return nil, err
	}
	waiting, heard := f.Waiting(), f.Heard()
	var out []Line
	for _, d := range all {
		t, known := told[d.ID]
		out = append(out, Line{Device: d, Said: byID[string(d.ID)], Since: waiting[string(d.ID)], Heard: int(heard[string(d.ID)].Seconds()), Plays: plays[string(d.ID)], Told: t.Number, Bare: known && t.Displays == 0})
	}
	return out, nil
}
