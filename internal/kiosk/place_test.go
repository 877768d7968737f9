package kiosk

import (
	"slices"
	"testing"
	"time"

	"cotmoc/hub/feed"
	"cotmoc/hub/server/publish/publishtest"
	"cotmoc/hub/trust"
	"cotmoc/playlist"
)

// assign has a hub tell a machine what to hold.
func (g *gate) assign(w *publishtest.World, a feed.Assignment) {
	g.t.Helper()
	a.Device = "me"
	e, err := trust.Seal(feed.WhatAssignment, a, w.Keys[trust.Assignment][0])
	if err != nil {
		g.t.Fatal(err)
	}
	g.fetch.assigned(g.t.Context(), e)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.assignment == nil || g.assignment.Number != a.Number {
		g.t.Fatalf("assignment %d was not taken", a.Number)
	}
}

// screens lists the machine's displays, the stand-in among them.
func (g *gate) screens() []playlist.ID {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []playlist.ID
	for id := range g.displays() {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

// noticedOn is the notice that some display of the machine shows.
func (g *gate) noticedOn(id playlist.ID) playlist.ID {
	g.t.Helper()
	kept, err := g.noticesKept(g.t.Context())
	if err != nil {
		g.t.Fatal(err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	d := g.displays()[id]
	p, _ := g.composer.Compose(d, Moment{At: g.now, Trusted: true, Notices: g.noticesFor(g.catalogue(), d, kept)}, Kept{})
	if p.Notice == nil {
		return ""
	}
	return p.Notice.ID
}

// A machine that was enrolled before its display was made takes its place's notices, also
// those for what lies above, though no edition knows its place; and its display as soon
// as there is one.
func TestMachineWithoutADisplay(t *testing.T) {
	w := publishtest.New(t)
	r := w.Rows["p-a"]
	display := r.Displays
	r.Displays, r.Places = nil, nil
	w.Rows["p-a"] = r
	w.All()
	g := newGate(t, w, t.TempDir(), publishtest.Now)
	g.identity = identityOf(t, g.dir)
	g.identity.Root = w.Repo.Files["1.root.json"]
	take(t, g, w.Dir)
	g.assign(w, feed.Assignment{Number: 1, Place: "ga", Above: []string{"p-a", "vn"}, Scopes: []string{"vn", "p-a"}})
	if got := g.screens(); !slices.Equal(got, []playlist.ID{"screen"}) {
		t.Fatalf("displays %v", got)
	}
	n := alert("a", g.now, time.Hour)
	n.Places = []playlist.ID{"p-b"}
	w.Emergency(1, []playlist.Notice{n})
	w.Sign()
	take(t, g, w.Dir)
	if got := g.noticedOn("screen"); got != "" {
		t.Errorf("it shows %q, which is for another province", got)
	}
	for number, place := range []playlist.ID{"ga", "p-a", "vn"} {
		n.Places = []playlist.ID{place}
		n.ID = "at-" + place
		w.Emergency(int64(number+2), []playlist.Notice{n})
		w.Sign()
		take(t, g, w.Dir)
		if got := g.noticedOn("screen"); got != n.ID {
			t.Errorf("a notice at %s: it shows %q", place, got)
		}
	}
	r.Displays, r.Places = display, []playlist.Place{{ID: "ga", Parent: "p-a", Kind: playlist.Gate, Names: playlist.Names{"vi": "x"}}}
	w.Rows["p-a"] = r
	w.Edition("p-a")
	w.Sign()
	take(t, g, w.Dir)
	if got := g.screens(); !slices.Equal(got, []playlist.ID{"d1"}) {
		t.Errorf("displays %v", got)
	}
}

// A machine whose gate moves to another province shows what it showed until that one's
// edition has the gate, and takes the notices of both meanwhile; nobody waits for another.
func TestMachineThatMoves(t *testing.T) {
	for _, first := range []string{"p-a", "p-b"} {
		t.Run("signed first: "+first, func(t *testing.T) {
			w := publishtest.New(t)
			w.Show("p-a", "old", publishtest.Noise("a", 1000))
			w.All()
			g := newGate(t, w, t.TempDir(), publishtest.Now)
			g.identity = identityOf(t, g.dir)
			g.identity.Root = w.Repo.Files["1.root.json"]
			take(t, g, w.Dir)
			g.assign(w, feed.Assignment{Number: 1, Place: "ga", Displays: []string{"d1"}, Scopes: []string{"vn", "p-a"}})
			// The hub moves the gate: both scopes are held until the new one has it.
			g.assign(w, feed.Assignment{Number: 2, Place: "ga", Displays: []string{"d1"}, Above: []string{"p-b", "vn"}, Scopes: []string{"vn", "p-b", "p-a"}})
			take(t, g, w.Dir)
			if got := g.shows(); !slices.Equal(got, []string{"i-0 old"}) {
				t.Fatalf("before anything is signed: %v", got)
			}
			n := alert("a", g.now, time.Hour)
			n.Owner, n.Places = "p-b", []playlist.ID{"p-b"}
			w.Emergency(1, []playlist.Notice{n})
			w.Sign()
			take(t, g, w.Dir)
			if got := g.noticedOn("d1"); got != "a" {
				t.Errorf("a notice of the new province: it shows %q", got)
			}
			signed := func(scope string) {
				t.Helper()
				r := w.Rows["p-a"]
				gate := r.Places[slices.IndexFunc(r.Places, func(p playlist.Place) bool { return p.ID == "ga" })]
				switch scope {
				case "p-b":
					gate.Parent = "p-b"
					b := w.Rows["p-b"]
					b.Places = append(slices.Clone(b.Places), gate)
					b.Displays = append(slices.Clone(b.Displays), r.Displays...)
					w.Rows["p-b"] = b
					w.Show("p-b", "new", publishtest.Noise("b", 1000))
				}
				w.Edition(scope)
				w.Sign()
				take(t, g, w.Dir)
			}
			if first == "p-b" {
				signed("p-b")
				if got := g.shows(); !slices.Equal(got, []string{"i-0 new"}) {
					t.Errorf("with the new province's edition: %v", got)
				}
				g.assign(w, feed.Assignment{Number: 3, Place: "ga", Displays: []string{"d1"}, Scopes: []string{"vn", "p-b"}})
				take(t, g, w.Dir)
				if got := g.shows(); !slices.Equal(got, []string{"i-0 new"}) {
					t.Errorf("without the old province: %v", got)
				}
				return
			}
			w.Edition("p-a")
			w.Sign()
			take(t, g, w.Dir)
			if got := g.shows(); !slices.Equal(got, []string{"i-0 old"}) {
				t.Errorf("the old province published again: %v", got)
			}
			signed("p-b")
			if got := g.shows(); !slices.Equal(got, []string{"i-0 new"}) {
				t.Errorf("%v", got)
			}
		})
	}
}
