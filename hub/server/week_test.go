package server_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	hubclient "cotmoc/hub/client"
	"cotmoc/hub/feed"
	"cotmoc/hub/local"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/rights"
	"cotmoc/hub/server/seed"
	"cotmoc/hub/trust"
	"cotmoc/playlist"
)

// post is a machine at its gate, as the hub's stream tells it things.
type post struct {
	f    *fleetHub
	id   *local.Identity
	c    *hubclient.Client
	docs chan feed.Emergency // what the duty officers said, as it came
	end  context.CancelFunc
}

// man enrols a machine and lets it listen.
func (f *fleetHub) man() *post {
	f.t.Helper()
	p := &post{f: f, docs: make(chan feed.Emergency, 1000)}
	p.id, p.c = f.enrol(f.t.TempDir())
	ctx, cancel := context.WithCancel(f.t.Context())
	p.end = cancel
	ready := make(chan struct{}, 100)
	go p.c.Listen(ctx, "boot "+p.id.Device, func(e feed.Event) {
		if e.Kind == "hello" {
			p.look(ctx)
			ready <- struct{}{}
		}
		for name, raw := range e.Files {
			if strings.HasPrefix(name, "emergency/") {
				var doc feed.Emergency
				if json.Unmarshal(raw, &doc) == nil {
					p.docs <- doc
				}
			}
		}
	}, func(bool, error) {})
	<-ready
	return p
}

// look fetches what the hub has published, as a machine does whenever its stream opens, and
// reads what the duty officers said.
func (p *post) look(ctx context.Context) {
	root, err := p.f.Desk.TrustRoot(ctx)
	if err != nil {
		return // the test has ended
	}
	state, err := trust.Begin(root)
	if err == nil {
		_, err = p.c.Look(ctx, local.Want{Trust: state, At: p.f.clk.now()})
	}
	if err != nil && ctx.Err() == nil {
		p.f.t.Errorf("a look: %v", err)
	}
	heads, _ := filepath.Glob(filepath.Join(p.c.Dir, local.PublicDir, "emergency", "*", "head.json")) // the pattern is right
	for _, path := range heads {
		raw, err := os.ReadFile(path)
		var doc feed.Emergency
		if err == nil && json.Unmarshal(raw, &doc) == nil {
			p.docs <- doc
		}
	}
}

// notices are the rows of a document by their ids.
func notices(t *testing.T, doc feed.Emergency) map[playlist.ID]playlist.Notice {
	t.Helper()
	out := map[playlist.ID]playlist.Notice{}
	for _, raw := range doc.Notices {
		var n playlist.Notice
		if err := json.Unmarshal(raw, &n); err != nil {
			t.Fatal(err)
		}
		out[n.ID] = n
	}
	return out
}

// week is three offices with two people each, their machines, and what went out so far.
type week struct {
	*fleetHub
	posts   []*post
	people  map[playlist.ID][2]*client // author and planner, duty officer, of each office
	n       int
	over    map[playlist.ID]bool // cancelled
	slowest time.Duration
}

func newWeek(t *testing.T) *week {
	clk := &clock{at: time.Now(), boot: time.Hour}
	o := options(clk.now)
	o.Mono = clk.mono
	w := &week{fleetHub: startFleetOn(t, filepath.Join(t.TempDir(), "hub"), clk, o), people: map[playlist.ID][2]*client{}, over: map[playlist.ID]bool{}}
	for n, office := range []playlist.ID{seed.Ministry, langSon, laoCai} {
		w.people[office] = [2]*client{w.person(fmt.Sprint("bien-tap-", n), office, rights.Author, rights.Publisher),
			w.person(fmt.Sprint("truc-ban-", n), office, rights.EmergencyOfficer)}
	}
	for range 3 {
		w.posts = append(w.posts, w.man())
	}
	return w
}

// alert gives a notice of an office, which must reach every machine that has a link, with
// none of those that are over.
func (w *week) alert(office playlist.ID, lasts time.Duration, cancels ...playlist.ID) playlist.ID {
	w.t.Helper()
	w.n++
	id := playlist.ID(fmt.Sprint("tin-", w.n))
	began := time.Now()
	w.people[office][1].do(http.MethodPost, "/notices", playlist.Notice{ID: id, Owner: office, Severity: "extreme", Starts: w.clk.now(), Ends: w.clk.now().Add(lasts), Cancels: cancels,
		Bodies: map[playlist.Language]playlist.Body{"vi": {Title: "Lũ", Text: "Lũ về"}}}).want(http.StatusCreated)
	for _, gone := range cancels {
		w.over[gone] = true
	}
	w.reaches(id)
	w.slowest = max(w.slowest, time.Since(began))
	return id
}

func (w *week) reaches(id playlist.ID) {
	w.t.Helper()
	for n, p := range w.posts {
		late := time.After(20 * time.Second)
		for found := false; !found; {
			select {
			case <-late:
				w.t.Fatalf("the notice %s did not reach machine %d", id, n)
			case doc := <-p.docs:
				rows := notices(w.t, doc)
				_, found = rows[id]
				w.nothingReturns(rows)
			}
		}
	}
}

// nothingReturns checks that no row shows again which another has ended.
func (w *week) nothingReturns(rows map[playlist.ID]playlist.Notice) {
	w.t.Helper()
	for id := range rows {
		if !w.over[id] {
			continue
		}
		kept := false
		for _, by := range rows {
			kept = kept || slices.Contains(by.Cancels, id)
		}
		if !kept {
			w.t.Errorf("the notice %s was cancelled and is back", id)
		}
	}
}

// publish lets each office publish alone.
func (w *week) publish() {
	w.t.Helper()
	for office, people := range w.people {
		got := people[0].do(http.MethodPost, "/publications", map[string]any{"scopes": []playlist.ID{office}, "force": true})
		if got.status != http.StatusOK && got.status != http.StatusCreated {
			w.t.Errorf("%s cannot publish: %d %s", office, got.status, got.body)
		}
	}
}

// The week of three offices, in an hour of the test's clock: attacks go on in turns, a
// machine is enrolled late, one moves with its commune, one loses its link,
// a key is replaced, the hub's clock goes wrong and is set right. Each day every office publishes by itself,
// each gives a notice that reaches every machine, and what was cancelled never returns.
func TestWeekOfThreeOffices(t *testing.T) {
	w := newWeek(t)
	days := []struct {
		name   string
		attack string // said to the people's port by 200 who then wait
		do     func()
	}{
		{"a common day", "", func() {}},
		{"slow bodies, and a machine that comes late", "POST /api/v1/session HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", func() { w.posts = append(w.posts, w.man()) }},
		{"slow forms, and a link that drops", "POST /sign-in HTTP/1.1\r\nHost: hub\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nl", func() { w.posts[1].c.Rewire() }},
		{"slow headers, and a commune that moves", "GET /review HTTP/1.1\r\nHost: hub\r\n", w.moves},
		{"another office's row that dangles", "", func() {
			w.must(w.Desk.Store.Write(t.Context(), func(tx central.Tx) error {
				doc := central.Doc{Kind: central.Schedules, ID: "lo-lung", Owner: laoCai, At: w.clk.now()}
				w.must(doc.Encode(playlist.Schedule{ID: "lo-lung", Owner: laoCai, Playlist: "khong-co", Always: true}))
				_, err := tx.Put(t.Context(), doc)
				return err
			}))
			w.people[langSon][0].do(http.MethodPost, "/publications", map[string]any{"scopes": []playlist.ID{langSon}}).want(http.StatusOK)
			doc, err := w.Desk.Get(t.Context(), central.Schedules, "lo-lung")
			w.must(err)
			w.must(w.Desk.Delete(t.Context(), console, central.Schedules, "lo-lung", doc.Rev))
		}},
		{"a clock that goes back", "", func() { w.clockGoesWrong(-2 * time.Hour) }},
		{"a clock that is ahead", "", func() { w.clockGoesWrong(10 * time.Minute) }},
		{"a province's key is replaced", "", w.keyIsReplaced},
		{"a quiet end", "", func() {}},
	}
	for _, day := range days {
		t.Run(day.name, func(t *testing.T) {
			c := gather(t, 0, nil)
			if day.attack != "" {
				c = gather(t, 200, func(ctx context.Context, _ int, begun func()) { held(ctx, hostOf(t, w.url), nil, day.attack, begun) })
			}
			defer c.end()
			day.do()
			w.publish()
			first := w.alert(langSon, 30*time.Minute)
			w.alert(seed.Ministry, time.Hour)
			w.alert(langSon, 20*time.Second, first)
			w.clk.add(time.Minute) // the one that cancelled has ended
			w.alert(laoCai, time.Hour)
			w.clk.add(7 * time.Minute)
		})
	}
	t.Logf("%d notices; the slowest reached all machines in %v", w.n, w.slowest.Round(time.Millisecond))
}

// moves gives the commune of the machines' gate to another province.
func (w *week) moves() {
	w.t.Helper()
	gate, err := w.Desk.Place(w.t.Context(), gateplace)
	w.must(err)
	moved := gateplace
	if gate.Parent != langSon {
		moved = gate.Parent
	}
	m := desk.Move{Place: moved, To: laoCai}
	p, err := w.Desk.PreviewMove(w.t.Context(), console, m)
	w.must(err)
	if len(p.Machines) != len(w.posts) {
		w.t.Errorf("the preview names %d machines of %d", len(p.Machines), len(w.posts))
	}
	_, err = w.Desk.MovePlace(w.t.Context(), console, m, p.Seen)
	w.must(err)
	for _, post := range w.posts {
		a, err := w.Desk.Assignment(w.t.Context(), playlist.ID(post.id.Device))
		w.must(err)
		if !slices.Contains(a.Scopes, string(laoCai)) {
			w.t.Errorf("the machine that moved holds %v", a.Scopes)
		}
	}
}

// keyIsReplaced gives Lạng Sơn another key: what it published waits for its signature, and
// the gates take notices before and after it.
func (w *week) keyIsReplaced() {
	w.t.Helper()
	public, key, err := ed25519.GenerateKey(nil)
	w.must(err)
	k, err := trust.PublicKey(public)
	w.must(err)
	w.must(w.Desk.Delegate(w.t.Context(), console, map[string]trust.Holders{string(langSon): {Keys: []trust.Key{k}, Threshold: 1}}))
	waits := func() *desk.Request {
		all, err := w.Desk.Requests(w.t.Context())
		w.must(err)
		for _, q := range all {
			if q.Role == string(langSon) {
				return &q
			}
		}
		return nil
	}
	w.alert(seed.Ministry, time.Hour)
	w.must(w.Distribute(w.t.Context())) // the ministry signs that it trusts the key
	q := waits()
	if q == nil {
		w.t.Fatal("nobody is asked to sign with the new key")
	}
	_, err = w.Sign(w.t.Context(), console, *q, key)
	w.must(err)
	if waits() != nil {
		w.t.Error("it waits though it is signed")
	}
}

// clockGoesWrong takes a notice while the hub's clock is wrong: it goes out once a person has
// confirmed the clock, and not before.
func (w *week) clockGoesWrong(off time.Duration) {
	w.t.Helper()
	w.clk.slip(off)
	w.n++
	id := playlist.ID(fmt.Sprint("tin-", w.n))
	starts := w.clk.now().Add(-off)
	w.people[langSon][1].do(http.MethodPost, "/notices", playlist.Notice{ID: id, Owner: langSon, Severity: "extreme", Starts: starts, Ends: starts.Add(time.Hour),
		Bodies: map[playlist.Language]playlist.Body{"vi": {Title: "Lũ", Text: "Lũ về"}}}).want(http.StatusCreated)
	if err := w.Distribute(w.t.Context()); err == nil {
		w.t.Error("the hub signs though its clock went wrong")
	}
	w.clk.slip(-off)
	w.must(w.Desk.ConfirmClock(w.t.Context(), console))
	w.reaches(id)
	_, raw, err := w.Desk.TrustFiles(w.t.Context())
	w.must(err)
	if at := trust.IssuedAt(raw); at.After(w.clk.now().Add(time.Minute)) {
		w.t.Errorf("it has signed for %v", at)
	}
}
