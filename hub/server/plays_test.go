package server_test

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"cotmoc/hub/feed"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/trust"
	"cotmoc/playlist"
)

// playRow is a row of proof that a machine can have written.
func playRow(f *fleetHub, dev desk.Device, id string) json.RawMessage {
	f.t.Helper()
	displays, err := f.Desk.DisplaysOf(f.t.Context(), dev.ID)
	f.must(err)
	if len(displays) == 0 {
		_, err := f.Desk.Put(f.t.Context(), console, central.Displays, "man-1", 0, []byte(`{"id":"man-1","place":"`+string(dev.Place)+`","width":1920,"height":1080}`))
		f.must(err)
		displays = []playlist.ID{"man-1"}
	}
	raw, err := json.Marshal(map[string]any{"id": id, "display": displays[0], "layer": "main", "item": "x", "Start": f.clk.now().Add(-time.Minute), "End": f.clk.now(), "trusted": true})
	f.must(err)
	return raw
}

// A machine's key writes only what the machine can have played: rows of its own displays,
// in a time that has been, once, and no faster than it plays.
func TestPlaysThatCannotBe(t *testing.T) {
	f := startFleet(t, filepath.Join(t.TempDir(), "hub"))
	id, _ := f.enrol(t.TempDir())
	dev, err := f.Desk.DeviceByKey(t.Context(), id.Key.Public().(ed25519.PublicKey))
	f.must(err)
	deliver := func(epoch string, from int64, rows ...json.RawMessage) (feed.Receipt, error) {
		b := feed.Batch{Device: id.Device, Epoch: epoch, From: from}
		for n, r := range rows {
			b.Plays = append(b.Plays, feed.Play{Seq: from + int64(n) + 1, Row: r})
		}
		e, err := trust.Seal(feed.WhatBatch, b, id.Key)
		f.must(err)
		return f.Fleet.Deliver(t.Context(), dev, e)
	}
	plays := func() int64 {
		lines, err := f.Fleet.Lines(t.Context())
		f.must(err)
		return lines[0].Plays
	}
	change := func(what string, v any) json.RawMessage {
		var row map[string]any
		f.must(json.Unmarshal(playRow(f, dev, "bad-"+what), &row))
		row[what] = v
		raw, err := json.Marshal(row)
		f.must(err)
		return raw
	}
	bad := []json.RawMessage{json.RawMessage(`{}`), json.RawMessage(`[1]`), json.RawMessage(`"x"`), change("display", "another"), change("layer", "wall"), change("id", ""),
		change("End", f.clk.now().Add(time.Hour)), change("Start", f.clk.now().AddDate(-2, 0, 0)), change("Start", f.clk.now().Add(time.Second))}
	got, err := deliver("e1", 0, bad...)
	if err != nil || got.Seq != int64(len(bad)) || plays() != 0 {
		t.Errorf("rows that cannot be: receipt %+v, %d plays, %v", got, plays(), err)
	}
	good := playRow(f, dev, "one")
	for _, epoch := range []string{"e2", "e3"} {
		if _, err := deliver(epoch, 0, good); err != nil || plays() != 1 {
			t.Errorf("one row in the epoch %s: %d plays, %v", epoch, plays(), err)
		}
	}
	taken := 0
	for n := range 200 {
		rows := make([]json.RawMessage, 500)
		for i := range rows {
			rows[i] = playRow(f, dev, fmt.Sprintf("many-%d-%d", n, i))
			if i > 0 {
				rows[i] = json.RawMessage(`{}`)
			}
		}
		if _, err := deliver("e4", int64(500*n), rows...); err == nil {
			taken += 500
		}
	}
	if taken == 0 || taken > 25_000 {
		t.Errorf("%d of 100,000 rows were taken at once", taken)
	}
}

// Plays count once, however often and in whatever order they come, and a hub that
// was restored asks again for what it lost.
func TestPlaysCountOnce(t *testing.T) {
	f := startFleet(t, filepath.Join(t.TempDir(), "hub"))
	dir := t.TempDir()
	id, _ := f.enrol(dir)
	dev, err := f.Desk.DeviceByKey(t.Context(), id.Key.Public().(ed25519.PublicKey))
	f.must(err)
	batch := func(epoch string, from int64, gone int64, seqs ...int64) feed.Envelope {
		b := feed.Batch{Device: id.Device, Epoch: epoch, From: from, Gone: gone}
		for _, s := range seqs {
			b.Plays = append(b.Plays, feed.Play{Seq: s, Row: playRow(f, dev, fmt.Sprintf("%s-%d", epoch, s))})
		}
		e, err := trust.Seal(feed.WhatBatch, b, id.Key)
		f.must(err)
		return e
	}
	for n, c := range []struct {
		e     feed.Envelope
		seq   int64
		total int64
	}{
		{batch("e1", 0, 0, 1, 2, 3), 3, 3}, {batch("e1", 0, 0, 1, 2, 3), 3, 3}, {batch("e1", 3, 0, 4, 6), 6, 5},
		{batch("e1", 10, 0, 11), 6, 6}, // something between is missing: asked for again
		{batch("e1", 6, 0, 7, 11), 11, 7}, {batch("e1", 20, 20, 21), 21, 8}, {batch("e2", 0, 0, 1), 1, 9},
	} {
		got, err := f.Fleet.Deliver(t.Context(), dev, c.e)
		f.must(err)
		lines, err := f.Fleet.Lines(t.Context())
		f.must(err)
		if got.Seq != c.seq || lines[0].Plays != c.total {
			t.Errorf("batch %d: receipt %d, %d plays; want %d and %d", n, got.Seq, lines[0].Plays, c.seq, c.total)
		}
	}
	_, stranger, err := ed25519.GenerateKey(nil)
	f.must(err)
	forged, err := trust.Seal(feed.WhatBatch, feed.Batch{Device: id.Device, Epoch: "e1"}, stranger)
	f.must(err)
	if _, err := f.Fleet.Deliver(t.Context(), dev, forged); !errors.Is(err, trust.ErrRefused) {
		t.Errorf("a stranger's batch: %v", err)
	}
	for name, e := range map[string]feed.Envelope{"backwards": batch("e1", 0, 0, 3, 2), "twice": batch("e1", 0, 0, 2, 2), "no epoch": batch("", 0, 0, 1), "before its beginning": batch("e1", 5, 0, 5)} {
		if _, err := f.Fleet.Deliver(t.Context(), dev, e); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// A notice leaves a proof of its own, also on a machine without a display; what a notice
// cannot have left is refused.
func TestNoticeIsProved(t *testing.T) {
	f := startFleet(t, filepath.Join(t.TempDir(), "hub"))
	id, _ := f.enrol(t.TempDir())
	dev, err := f.Desk.DeviceByKey(t.Context(), id.Key.Public().(ed25519.PublicKey))
	f.must(err)
	row := func(id, display, layer, schedule, item string, from, until time.Duration, trusted bool) json.RawMessage {
		raw, err := json.Marshal(map[string]any{"id": id, "display": display, "layer": layer, "schedule": schedule, "item": item,
			"Start": f.clk.now().Add(from), "End": f.clk.now().Add(until), "trusted": trusted})
		f.must(err)
		return raw
	}
	b := feed.Batch{Device: id.Device, Epoch: "e1"}
	for n, r := range []json.RawMessage{
		row("1", "screen", "", "notice:a", "a", -9*time.Minute, -4*time.Minute, true), row("2", "screen", "", "notice:a", "a", -4*time.Minute, -3*time.Minute, false),
		row("2b", "screen", "", "notice:a", "a", -2*time.Minute, -time.Minute, true), // something else was on between
		row("3", "screen", "", "notice:b", "b", -2*time.Minute, -time.Minute, true),
		// Not so: of another display, of a layer, of two names, of an item on the stand-in.
		row("4", "another", "", "notice:a", "a", -time.Minute, 0, true), row("5", "screen", "main", "notice:a", "a", -time.Minute, 0, true),
		row("6", "screen", "", "notice:a", "b", -time.Minute, 0, true), row("7", "screen", "", "notice:", "", -time.Minute, 0, true),
		row("8", "screen", "main", "s", "a", -time.Minute, 0, true), row("9", "screen", "", "notice:a", "a", 0, time.Hour, true),
	} {
		b.Plays = append(b.Plays, feed.Play{Seq: int64(n) + 1, Row: r})
	}
	e, err := trust.Seal(feed.WhatBatch, b, id.Key)
	f.must(err)
	if got, err := f.Fleet.Deliver(t.Context(), dev, e); err != nil || got.Seq != int64(len(b.Plays)) {
		t.Fatalf("receipt %+v, %v", got, err)
	}
	shown, err := f.Fleet.Store.Shown(t.Context(), "a")
	f.must(err)
	if len(shown) != 2 || shown[1].Seconds != 60 || !shown[1].Trusted || shown[0].Device != id.Device || shown[0].Display != playlist.StandIn || shown[0].Seconds != 360 || shown[0].Trusted ||
		!shown[0].From.Equal(f.clk.now().Add(-9*time.Minute)) || !shown[0].Until.Equal(f.clk.now().Add(-3*time.Minute)) {
		t.Errorf("of a: %+v", shown)
	}
	for notice, want := range map[playlist.ID]int{"b": 1, "c": 0, "": 0} {
		if shown, err := f.Fleet.Store.Shown(t.Context(), notice); err != nil || len(shown) != want {
			t.Errorf("of %q: %d, %v; want %d", notice, len(shown), err, want)
		}
	}
}
