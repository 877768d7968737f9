package kiosk

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"cotmoc/hub/feed"
	"cotmoc/hub/server/publish/publishtest"
	"cotmoc/hub/trust"
	"cotmoc/hub/trust/trusttest"
	"cotmoc/playlist"
)

// A province signs what is not its own: that does not count, and the kiosk says so.
func TestWrongProvince(t *testing.T) {
	w := publishtest.New(t)
	w.Show("p-a", "one", publishtest.Noise("a", 1000))
	r := w.Rows["p-b"]
	r.Playlists = []playlist.Playlist{{ID: "evil", Owner: "p-b"}}
	r.Schedules = []playlist.Schedule{{ID: "evil", Owner: "p-b", Playlist: "evil", Always: true, Priority: 89, Places: []playlist.ID{"ga"}},
		{ID: "loud", Owner: "p-b", Playlist: "evil", Always: true, Priority: 100}}
	w.Rows["p-b"] = r
	w.All()
	g := newGate(t, w, t.TempDir(), publishtest.Now)
	got := take(t, g, w.Dir)
	if len(got.Dropped) != 2 || !slices.Equal(g.shows(), []string{"i-0 one"}) {
		t.Errorf("%+v %v", got.Dropped, g.shows())
	}
	if st := g.Status(); !slices.ContainsFunc(st.Problems, func(p string) bool { return strings.Contains(p, "do not count") }) {
		t.Errorf("%v", st.Problems)
	}
}

// An edition that makes stages end is taken back, and not taken again; the next is.
func TestRollBack(t *testing.T) {
	w := publishtest.New(t)
	w.Show("p-a", "one", publishtest.Noise("a", 1000))
	w.All()
	g := newGate(t, w, t.TempDir(), publishtest.Now)
	take(t, g, w.Dir)
	first := g.Playing()
	w.Show("p-a", "two", publishtest.Noise("b", 1000))
	w.Edition("p-a")
	w.Sign()
	take(t, g, w.Dir)
	g.mu.Lock()
	trial := g.trial
	g.mu.Unlock()
	if trial == nil || trial.Previous != first {
		t.Fatalf("%+v", trial)
	}
	g.rollBack(t.Context(), trial, "the stage ended three times")
	if g.Playing() != first || !slices.Equal(g.shows(), []string{"i-0 one"}) {
		t.Errorf("%s plays: %v", g.Playing(), g.shows())
	}
	if _, err := g.Import(t.Context(), w.Dir, nil); !errors.Is(err, ErrRolledBack) || g.Playing() != first {
		t.Errorf("it was taken again: %v", err)
	}
	w.Show("p-a", "three", publishtest.Noise("c", 1000))
	w.Edition("p-a")
	w.Sign()
	take(t, g, w.Dir)
	if !slices.Equal(g.shows(), []string{"i-0 three"}) {
		t.Errorf("%v", g.shows())
	}
}

// A machine that is enrolled anew, while no kiosk runs, believes the new hub and
// nothing that the old one said; what plays goes on until then.
func TestAnotherHub(t *testing.T) {
	dir := t.TempDir()
	old := publishtest.New(t)
	old.Show("p-a", "one", publishtest.Noise("a", 1000))
	old.Emergency(9, nil, "v-0-two")
	old.All()
	enrol(t, dir, old, "at-the-old-hub")
	g := newGate(t, nil, dir, publishtest.Now)
	take(t, g, old.Dir)
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	fresh := publishtest.New(t)
	fresh.Keys[trust.Root], fresh.Keys[trust.Targets] = []ed25519.PrivateKey{trusttest.Key("x"), trusttest.Key("y"), trusttest.Key("z")}, []ed25519.PrivateKey{trusttest.Key("v"), trusttest.Key("w")}
	clear(fresh.Repo.Files)
	fresh.Jump(0, 0)
	fresh.Begin()
	fresh.Show("p-a", "two", publishtest.Noise("b", 1000))
	fresh.All()
	enrol(t, dir, fresh, "at-the-new-hub")
	g = newGate(t, nil, dir, publishtest.Now)
	if !slices.Equal(g.shows(), []string{"i-0 one"}) {
		t.Errorf("before the new hub's edition: %v", g.shows())
	}
	take(t, g, fresh.Dir)
	if !slices.Equal(g.shows(), []string{"i-0 two"}) {
		t.Errorf("%v", g.shows())
	}
}

// enrol makes a machine one of a world's, as kiosk enrol does.
func enrol(t *testing.T, dir string, w *publishtest.World, device string) {
	t.Helper()
	id := identityOf(t, dir)
	id.Device, id.Root, id.Enrolled = device, w.Repo.Files["1.root.json"], time.Now()
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	var err error
	if id.Certificate, err = x509.CreateCertificate(rand.Reader, c, c, id.Key.Public(), id.Key); err != nil {
		t.Fatal(err)
	}
	if err := id.Save(dir); err != nil {
		t.Fatal(err)
	}
}

// An assignment chooses; it never goes back, and never speaks for another device.
func TestAssignment(t *testing.T) {
	w := publishtest.New(t)
	w.All()
	g := newGate(t, w, t.TempDir(), publishtest.Now)
	take(t, g, w.Dir)
	g.identity = identityOf(t, g.dir)
	seal := func(a feed.Assignment, key int) feed.Envelope {
		e, err := trust.Seal(feed.WhatAssignment, a, w.Keys[[]string{trust.Assignment, "p-a"}[key]][0])
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	now := func() int64 {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.assignment == nil {
			return 0
		}
		return g.assignment.Number
	}
	for _, c := range []struct {
		e    feed.Envelope
		want int64
	}{
		{seal(feed.Assignment{Device: "other", Number: 9}, 0), 0},
		{seal(feed.Assignment{Device: "me", Number: 9}, 1), 0},
		{seal(feed.Assignment{Device: "me", Number: 3, Scopes: []string{"vn", "p-a"}}, 0), 3},
		{seal(feed.Assignment{Device: "me", Number: 2}, 0), 3},
		{seal(feed.Assignment{Device: "me", Number: 4}, 0), 4},
	} {
		g.fetch.assigned(t.Context(), c.e)
		if got := now(); got != c.want {
			t.Errorf("assignment %s: number %d, not %d", c.e.Body, got, c.want)
		}
	}
	raw, _ := g.state.Meta(t.Context(), metaAssignment)
	var kept feed.Assignment
	if err := json.Unmarshal([]byte(raw), &kept); err != nil || kept.Number != 4 {
		t.Errorf("%s %v", raw, err)
	}
}
