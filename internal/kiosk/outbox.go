package kiosk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"cotmoc/device"
	"cotmoc/hub/feed"
	"cotmoc/player/proof"
	"cotmoc/playlist/store"
)

// Positions of the outbox.
const metaDelivered = "delivered"

// How many rows of proof, and how many counts, travel at once.
const (
	maxBatch  = 500
	maxCounts = 500
)

// batch is the next piece of proof of play that the hub lacks; nil for none.
func (f *fetcher) batch(ctx context.Context) (*feed.Batch, error) {
	k := f.k
	epoch, err1 := k.state.Meta(ctx, "epoch")
	kept, err2 := k.state.Meta(ctx, metaDelivered)
	first, err3 := k.state.FirstPlay(ctx)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	delivered, _ := strconv.ParseInt(kept, 10, 64) // 0: nothing was
	plays, err := k.state.Plays(ctx, delivered, maxBatch)
	if err != nil {
		return nil, err
	}
	counts, err := k.state.UnsentCounts(ctx, maxCounts)
	if err != nil || len(plays)+len(counts) == 0 {
		return nil, err
	}
	k.mu.Lock()
	id := k.identity
	k.mu.Unlock()
	if id == nil {
		return nil, nil
	}
	b := &feed.Batch{Device: id.Device, Epoch: epoch, From: delivered}
	if first > delivered+1 {
		b.Gone = first - 1
	}
	for _, p := range plays {
		raw, err := json.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("proof of play: %w", err)
		}
		b.Plays = append(b.Plays, feed.Play{Seq: p.Seq, Row: raw})
	}
	f.tally(b, counts)
	return b, nil
}

// tally puts counts into a batch and notes which, for the receipt.
func (f *fetcher) tally(b *feed.Batch, counts []store.Counted) {
	for _, c := range counts {
		b.Counts = append(b.Counts, feed.Count{Day: c.Day.String(), What: c.What, Item: string(c.Item), Language: string(c.Language), N: c.N})
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Equal(f.counts, counts) { // the same batch is made again at each look
		f.counts, f.tallied = counts, ""
		if len(counts) > 0 {
			f.tallied = newNonce()
		}
	}
	b.Tally = f.tallied
}

// counted notes which counts the hub holds now. One that holds less proof than it did was
// restored from a backup, and has lost counts as well.
func (f *fetcher) counted(ctx context.Context, r feed.Receipt) error {
	kept, err := f.k.state.Meta(ctx, metaDelivered)
	if err != nil {
		return err
	}
	if delivered, err := strconv.ParseInt(kept, 10, 64); err == nil && r.Seq < delivered {
		return f.k.state.ResendCounts(ctx)
	}
	f.mu.Lock()
	var counts []store.Counted
	if r.Tally != "" && r.Tally == f.tallied {
		counts = f.counts
	}
	f.mu.Unlock()
	return f.k.state.SentCounts(ctx, counts)
}

// receipt notes up to where the hub has everything. It may go back: a hub that was
// restored asks again for what it lost.
func (f *fetcher) receipt(ctx context.Context, r feed.Receipt) {
	epoch, err := f.k.state.Meta(ctx, "epoch")
	if err != nil || epoch != r.Epoch {
		return
	}
	text := ""
	err = f.counted(ctx, r)
	if err := errors.Join(err, f.k.state.SetMeta(ctx, metaDelivered, strconv.FormatInt(r.Seq, 10))); err != nil {
		text = err.Error()
	}
	f.k.problem("outbox", text)
	f.wantChanged()
}

// report is what the hub is told, when it is due.
func (f *fetcher) report(ctx context.Context) *feed.Report {
	k := f.k
	status, edition := k.brief(), k.Playing()
	raw, err := json.Marshal(status)
	if err != nil {
		return nil
	}
	k.mu.Lock()
	id, a := k.identity, k.assignment
	k.mu.Unlock()
	if id == nil {
		return nil
	}
	number, _ := k.state.Meta(ctx, metaAccepted)
	r := &feed.Report{Device: id.Device, Boot: proof.BootID(), At: k.clock.Now(), Uptime: device.Uptime(), Edition: edition, Status: raw, Emergency: k.emergency(ctx).Number}
	r.Number, _ = strconv.ParseInt(number, 10, 64) // 0: nothing was accepted yet
	if a != nil {
		r.Assignment = a.Number
	}
	f.mu.Lock()
	if f.nonce == "" { // asked until it is answered
		f.nonce = newNonce()
	}
	r.Nonce = f.nonce
	f.asked = edition
	f.mu.Unlock()
	return r
}
