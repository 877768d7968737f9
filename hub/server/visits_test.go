package server_test

import (
	"crypto/ed25519"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"cotmoc/hub/feed"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/fleet"
	"cotmoc/hub/server/rights"
	"cotmoc/hub/server/seed"
	"cotmoc/hub/trust"
	"cotmoc/playlist"
)

// Counts come as sums: twice is once, more replaces less, and what cannot be is left out.
// Few of anything are never shown, nor do sums tell them.
func TestVisitsAreCountedOnce(t *testing.T) {
	f := startFleet(t, filepath.Join(t.TempDir(), "hub"))
	id, _ := f.enrol(t.TempDir())
	dev, err := f.Desk.DeviceByKey(t.Context(), id.Key.Public().(ed25519.PublicKey))
	f.must(err)
	deliver := func(epoch string, counts ...feed.Count) {
		t.Helper()
		e, err := trust.Seal(feed.WhatBatch, feed.Batch{Device: id.Device, Epoch: epoch, Counts: counts, Tally: "t1"}, id.Key)
		f.must(err)
		got, err := f.Fleet.Deliver(t.Context(), dev, e)
		f.must(err)
		if got.Tally != "t1" {
			t.Errorf("the receipt names %q", got.Tally)
		}
	}
	visits := func(day string, n int64) feed.Count { return feed.Count{Day: day, What: "visit", N: n} }
	opened := func(item string, n int64) feed.Count {
		return feed.Count{Day: "2027-01-05", What: "item", Item: item, Language: "vi", N: n}
	}
	deliver("e1", visits("2027-01-04", 6), visits("2027-01-05", 4), opened("a", 7), opened("b", 4))
	deliver("e1", visits("2027-01-04", 6), visits("2027-01-04", 5), opened("a", 9))
	deliver("e2", visits("2027-01-04", 10), feed.Count{Day: "2027-01-04", What: "missing", N: 5}, feed.Count{Day: "2027-01-04", What: "language", Language: "lo", N: 8})
	deliver("e1", visits("1970-01-01", 9), visits("junk", 9), visits("2027-01-04", -5), visits("2027-01-04", feed.MaxCount+1), feed.Count{Day: "2027-01-04", What: "name", Item: "Lan", N: 9}, opened(strings.Repeat("x", 200), 9))

	from, until := playlist.Date{Year: 2027, Month: 1, Day: 3}, playlist.Date{Year: 2027, Month: 1, Day: 5}
	root, err := f.Desk.Root(t.Context())
	f.must(err)
	for _, place := range []playlist.ID{root, dev.Place} {
		got, err := f.Fleet.Visits(t.Context(), place, from, until)
		f.must(err)
		want := fleet.Visits{Place: place, From: from, Until: until, Days: []fleet.VisitDay{{Day: from}, {Day: from.Add(1), Visits: 16}, {Day: until, Hidden: true}},
			Items: []fleet.Ranked{{ID: "a", N: 9}}, Languages: []fleet.Ranked{{ID: "lo", N: 8}}, Missing: 5, Hidden: 2}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v\nwant %+v", got, want)
		}
	}
	if _, err := f.Fleet.Visits(t.Context(), root, until, from); playlist.CodeOf(err) != playlist.CodeInvalid {
		t.Error(err)
	}
	if _, err := f.Fleet.Visits(t.Context(), "nowhere", from, until); !errors.Is(err, central.ErrNotFound) {
		t.Error(err)
	}
	f.must(f.Fleet.Store.Forget(t.Context(), until))
	got, err := f.Fleet.Visits(t.Context(), root, from, until)
	f.must(err)
	if got.Days[1].Visits != 0 || !got.Days[2].Hidden {
		t.Errorf("%+v", got.Days)
	}
}

// What visitors did is drawn, with a table of the same figures; few are not told.
func TestVisitsPage(t *testing.T) {
	f := startFleet(t, filepath.Join(t.TempDir(), "hub"))
	f.person("ky-thuat", seed.Ministry, rights.Technician)
	id, _ := f.enrol(t.TempDir())
	today := playlist.DateOf(f.clk.now().In(time.FixedZone("", 7*3600)))
	b := feed.Batch{Device: id.Device, Epoch: "e", Counts: []feed.Count{{Day: today.Add(-3).String(), What: "visit", N: 3}, {Day: today.String(), What: "item", Item: "khong-ten", Language: "vi", N: 12},
		{Day: today.String(), What: "language", Language: "lo", N: 33}}}
	for n := range 25 {
		b.Counts = append(b.Counts, feed.Count{Day: today.Add(-n - 4).String(), What: "visit", N: int64(20 + n*n%37)})
	}
	_, err := f.Fleet.Store.Take(t.Context(), gateplace, b)
	f.must(err)
	ctx := browser(t)
	act(t, ctx, runtime.Enable(), emulation.SetDeviceMetricsOverride(1100, 900, 1, false), chromedp.Navigate(f.url+"/visits?lang=vi"), chromedp.WaitVisible("#login"),
		keys("ky-thuat"+kb.Tab+pass+kb.Enter), chromedp.WaitVisible("figure.days"))
	saw(t, ctx, "Lượt xem", "khong-ten", "12", "33", "Lào", "không hiện")
	sound(t, ctx, "vi")
	shot(t, ctx, "hub-visits")
	act(t, ctx, chromedp.Click("main summary", chromedp.ByQuery), chromedp.WaitVisible("details[open] table", chromedp.ByQuery))
	saw(t, ctx, "1–4")
	act(t, ctx, chromedp.Navigate(f.url+"/visits?lang=en&place=nowhere"), chromedp.WaitVisible("html[lang=en] .problem"))
	sound(t, ctx, "en")
}
