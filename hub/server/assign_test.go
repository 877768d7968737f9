package server_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"cotmoc/hub/feed"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/internal/phc"
	"cotmoc/playlist"
)

func (f *fleetHub) put(kind central.Kind, id playlist.ID, row any) {
	f.t.Helper()
	raw, err := json.Marshal(row)
	f.must(err)
	rev := int64(0)
	if old, err := f.Desk.Get(f.t.Context(), kind, id); err == nil {
		rev = old.Rev
	}
	_, err = f.Desk.Put(f.t.Context(), console, kind, id, rev, raw)
	f.must(err)
}

// Whatever an assignment is made of, a change of it gives the assignment the next number
// and goes out to the machine at once; nothing else does.
func TestAssignmentFollowsItsContent(t *testing.T) {
	f := startFleet(t, filepath.Join(t.TempDir(), "hub"))
	id, c := f.enrol(t.TempDir()) // before there is any display
	device := playlist.ID(id.Device)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	events := make(chan feed.Event, 1000)
	go c.Listen(ctx, "boot", func(e feed.Event) { events <- e }, func(bool, error) {})
	if e := <-events; e.Kind != "hello" {
		t.Fatalf("%+v", e)
	}
	last, err := f.Desk.Assignment(t.Context(), device)
	f.must(err)
	if len(last.Displays) != 0 || !slices.Equal(last.Scopes, []string{string(f.root()), string(langSon)}) {
		t.Fatalf("%+v", last)
	}
	told := func() bool {
		deadline := time.After(5 * time.Second)
		for {
			select {
			case e := <-events:
				if e.Kind == "assignment" {
					return true
				}
			case <-deadline:
				return false
			}
		}
	}
	gate, err := f.Desk.Get(t.Context(), central.Places, gateplace)
	f.must(err)
	place, err := central.Decode[playlist.Place](gate)
	f.must(err)
	for _, step := range []struct {
		name string
		do   func()
		want func(a feed.Assignment) bool
	}{
		{"its first display", func() {
			f.put(central.Displays, "d1", playlist.Display{ID: "d1", Place: gateplace, Width: 1920, Height: 1080})
		}, func(a feed.Assignment) bool { return slices.Equal(a.Displays, []string{"d1"}) }},
		{"a second display", func() {
			f.put(central.Displays, "d2", playlist.Display{ID: "d2", Place: gateplace, Width: 1920, Height: 1080})
		}, func(a feed.Assignment) bool { return slices.Equal(a.Displays, []string{"d1", "d2"}) }},
		{"a display that is deleted", func() {
			old, err := f.Desk.Get(t.Context(), central.Displays, "d2")
			f.must(err)
			f.must(f.Desk.Delete(t.Context(), console, central.Displays, "d2", old.Rev))
		}, func(a feed.Assignment) bool { return slices.Equal(a.Displays, []string{"d1"}) }},
		{"a limit", func() {
			_, err := f.Desk.Keep(t.Context(), console, device, desk.Upkeep{Kbit: 512})
			f.must(err)
		}, func(a feed.Assignment) bool { return a.Kbit == 512 }},
		{"the PIN of the province", func() {
			_, err := f.Desk.SetPIN(t.Context(), console, langSon, "246813")
			f.must(err)
		}, func(a feed.Assignment) bool { ok, err := phc.Check(a.PIN, "246813"); return ok && err == nil }},
		{"its gate in another province", func() {
			place.Parent = laoCai
			f.put(central.Places, gateplace, place)
		}, func(a feed.Assignment) bool {
			return a.PIN == "" && slices.Equal(a.Scopes, []string{string(f.root()), string(laoCai), string(langSon)}) && slices.Contains(a.Above, string(laoCai))
		}},
		{"the new province's edition signed", func() {
			_, err := f.Desk.Publish(t.Context(), console, []playlist.ID{laoCai, langSon}, true)
			f.must(err)
			f.must(f.Distribute(t.Context()))
		}, func(a feed.Assignment) bool {
			return slices.Equal(a.Scopes, []string{string(f.root()), string(laoCai)})
		}},
		{"another place of the machine", func() {
			_, err := f.Desk.PlaceDevice(t.Context(), console, device, langSon, nil)
			f.must(err)
		}, func(a feed.Assignment) bool { return a.Place == string(langSon) }},
	} {
		for len(events) > 0 {
			<-events
		}
		step.do()
		if !told() {
			t.Errorf("%s: the machine was not told", step.name)
		}
		a, err := f.Desk.Assignment(t.Context(), device)
		f.must(err)
		if a.Number <= last.Number || !step.want(a) {
			t.Errorf("%s: %+v after %+v", step.name, a, last)
		}
		if again, err := f.Desk.Assignment(t.Context(), device); err != nil || again.Number != a.Number {
			t.Errorf("%s: asked again it is number %d, not %d (%v)", step.name, again.Number, a.Number, err)
		}
		last = a
	}
	f.put(central.Playlists, "p", playlist.Playlist{ID: "p", Owner: langSon})
	f.must(f.Distribute(t.Context()))
	if a, err := f.Desk.Assignment(t.Context(), device); err != nil || a.Number != last.Number {
		t.Errorf("a playlist changed it: %+v %v", a, err)
	}
	// A hub that lost count outruns what the machine holds, but believes no number that
	// cannot be one of its own.
	if a, err := f.Desk.OutrunAssignment(t.Context(), device, last.Number+7); err != nil || a.Number != last.Number+8 {
		t.Errorf("%+v %v", a, err)
	}
	if a, err := f.Desk.OutrunAssignment(t.Context(), device, 1<<60); err != nil || a.Number != last.Number+8 {
		t.Errorf("%+v %v", a, err)
	}
}
