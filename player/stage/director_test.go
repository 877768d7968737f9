package stage

import (
	"context"
	"fmt"
	"image"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cotmoc/player/link"
	"cotmoc/playlist"
)

// hall is a director without a window: it is moved on in simulated time, and
// what it says is kept.
type hall struct {
	t    *testing.T
	d    *Director
	mu   sync.Mutex
	said []link.Message
}

func newHall(t *testing.T, p *playlist.Programme) *hall {
	h := &hall{t: t}
	ctx, cancel := context.WithCancel(t.Context())
	h.d = NewDirector(ctx, image.Pt(320, 180), func(m link.Message) {
		if m.Showing != nil {
			copied := *m.Showing
			m.Showing = &copied
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.said = append(h.said, m)
	})
	t.Cleanup(func() {
		cancel()
		h.d.Close()
	})
	h.play(p)
	return h
}

func (h *hall) play(p *playlist.Programme) {
	h.t.Helper()
	if err := h.d.Play(p); err != nil {
		h.t.Fatal(err)
	}
}

// run lets so much time pass, as the game's loop does.
func (h *hall) run(length time.Duration) {
	for end := time.Now().Add(length); ; {
		_, sleep := h.d.tick()
		left := time.Until(end)
		if left <= 0 {
			return
		}
		timer := time.NewTimer(min(max(sleep, time.Millisecond), left))
		select {
		case <-timer.C:
		case <-h.d.wake:
			timer.Stop()
		}
		synctest.Wait()
	}
}

// proof returns what was proved so far of the zones: zone, item, seconds and reason.
func (h *hall) proof() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, m := range h.said {
		if m.Kind == link.Ended && !m.Showing.OfNotice() {
			out = append(out, fmt.Sprintf("%s %s %.0fs %s", m.Showing.Zone, m.Showing.Item, m.Showing.End.Sub(m.Showing.Start).Seconds(), m.Reason))
		}
	}
	return out
}

func (h *hall) faults() (out []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.said {
		if m.Kind == link.Fault {
			out = append(out, m.Reason)
		}
	}
	return out
}

func (h *hall) expect(want ...string) {
	h.t.Helper()
	if got := h.proof(); !slices.Equal(got, want) {
		h.t.Errorf("proved\n%q, want\n%q", got, want)
	}
}

func text(id string, lasts time.Duration) playlist.ProgrammeEntry {
	return playlist.ProgrammeEntry{ID: playlist.ID(id), Item: playlist.ID(id), Kind: playlist.Bulletin, Duration: playlist.Duration(lasts),
		Versions: []playlist.ProgrammeVersion{{Version: playlist.ID(id + ":vi"), Language: "vi", Title: id}}}
}

func side(id string, layer playlist.Layer, x, w int, entries ...playlist.ProgrammeEntry) playlist.ProgrammeZone {
	return playlist.ProgrammeZone{Zone: playlist.Zone{ID: playlist.ID(id), X: x, W: w, H: 1000, Source: playlist.Source{Kind: playlist.FromLayer, Layer: layer}},
		Playlist: playlist.ID("list-" + id), Entries: entries}
}

func sheet(zones ...playlist.ProgrammeZone) *playlist.Programme {
	return &playlist.Programme{Format: 1, Sequence: 1, Display: playlist.ProgrammeDisplay{ID: "d", Width: 320, Height: 180},
		Place: playlist.ProgrammePlace{ID: "g", Names: playlist.Names{"vi": "Cửa khẩu"}, Languages: []playlist.Language{"vi"}, Zone: "Asia/Ho_Chi_Minh"},
		Clock: playlist.ProgrammeClock{Trusted: true}, Zones: zones}
}

func main2(a, b time.Duration) playlist.ProgrammeZone {
	return side("main", playlist.Main, 0, 1000, text("a", a), text("b", b))
}

func TestEntriesFollowEachOtherInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHall(t, sheet(main2(10*time.Second, 20*time.Second)))
		h.run(61 * time.Second)
		h.expect("main a 10s done", "main b 20s done", "main a 10s done", "main b 20s done")
	})
}

// What is covered is not proved: neither by a notice nor by the touch window.
func TestCoveredTimeIsNotProved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHall(t, sheet(main2(10*time.Second, 20*time.Second)))
		h.run(4 * time.Second)
		h.d.Cover(true)
		h.run(time.Hour)
		h.d.Cover(false)
		h.run(7 * time.Second)
		h.expect("main a 4s covered", "main a 6s done")
	})
}

// A notice ends by itself though kiosk is gone, by the clock or, without a
// trusted one, by the time since it came. What it covered goes on where it was.
func TestNoticeEndsWithoutKiosk(t *testing.T) {
	for _, trusted := range []bool{true, false} {
		t.Run(fmt.Sprint("trusted ", trusted), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := sheet(main2(30*time.Second, 20*time.Second))
				h := newHall(t, p)
				h.run(10 * time.Second)
				now := time.Now()
				with := *p
				with.Sequence, with.Clock.Trusted = 2, trusted
				with.Notice = &playlist.ProgrammeNotice{Notice: playlist.Notice{ID: "n", Severity: playlist.Extreme, Starts: now.Add(-time.Minute), Ends: now.Add(time.Hour),
					Bodies: map[playlist.Language]playlist.Body{"vi": {Title: "Sơ tán"}}}, Remaining: playlist.Duration(time.Hour)}
				h.play(&with)
				h.run(59 * time.Minute)
				if h.d.notice == nil || len(h.d.still) == 0 {
					t.Fatal("the notice is not on")
				}
				h.run(2 * time.Minute)
				if h.d.notice != nil || len(h.d.still) != 0 {
					t.Fatal("the notice is still on")
				}
				got := h.proof()
				if len(got) < 3 || got[0] != "main a 10s notice" || got[1] != "main a 20s done" || got[2] != "main b 20s done" {
					t.Errorf("proved %q", got)
				}
				h.play(&with) // a kiosk that comes back with the same does not bring it back
				h.run(time.Second)
				if len(h.d.still) != 0 {
					t.Error("an ended notice came back")
				}
			})
		})
	}
}

// A notice that follows another, together with a changed programme, leaves no
// gap between them and no row too many.
func TestOneNoticeReplacesAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := sheet(main2(30*time.Second, 20*time.Second))
		h := newHall(t, p)
		h.run(10 * time.Second)
		with := func(seq uint64, id playlist.ID, zones ...playlist.ProgrammeZone) *playlist.Programme {
			n := *p
			n.Sequence, n.Zones = seq, zones
			n.Notice = &playlist.ProgrammeNotice{Notice: playlist.Notice{ID: id, Severity: playlist.Extreme, Starts: time.Now(), Ends: time.Now().Add(time.Hour),
				Bodies: map[playlist.Language]playlist.Body{"vi": {Title: string(id)}}}}
			return &n
		}
		h.play(with(2, "first", p.Zones...))
		h.run(time.Minute)
		h.play(with(3, "second", side("main", playlist.Main, 0, 1000, text("x", 15*time.Second))))
		if h.d.noticeOld == nil {
			t.Error("nothing covers the programme until the second has a picture")
		}
		h.run(time.Minute)
		if h.d.noticeOld != nil || h.d.noticed.ID != "second" {
			t.Error("the first is still kept")
		}
		last := *p
		last.Sequence, last.Zones = 4, []playlist.ProgrammeZone{side("main", playlist.Main, 0, 1000, text("x", 15*time.Second))}
		h.play(&last)
		h.run(16 * time.Second)
		got := h.proof()
		if len(got) != 3 || got[0] != "main a 10s notice" || got[2] != "main x 15s done" {
			t.Errorf("proved %q", got)
		}
	})
}

// Sound must be taken up where the picture goes on.
func TestResumedShowingSaysWhereItStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHall(t, sheet(main2(30*time.Second, 20*time.Second)))
		h.run(12 * time.Second)
		h.d.Cover(true)
		h.run(time.Minute)
		h.d.Cover(false)
		h.run(time.Second)
		h.mu.Lock()
		defer h.mu.Unlock()
		var last link.Message
		for _, m := range h.said {
			if m.Kind == link.Shown {
				last = m
			}
		}
		if at := last.Showing.SoundMS; at < 11_900 || at > 12_100 {
			t.Errorf("it goes on at %d ms", at)
		}
	})
}

// Without kiosk the programme lasts until valid_until, then the default one.
func TestDefaultProgrammeWhenNoneComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := sheet(main2(10*time.Second, 20*time.Second))
		end := time.Now().Add(25 * time.Second)
		p.ValidUntil = &end
		p.Default = sheet(side("main", playlist.Main, 0, 1000, text("default", 15*time.Second)))
		p.Default.Zones[0].Playlist = "other"
		h := newHall(t, p)
		h.run(60 * time.Second)
		h.expect("main a 10s done", "main b 19s programme changed", "main default 15s done", "main default 15s done")
		if f := h.faults(); len(f) != 1 {
			t.Errorf("said %q", f)
		}
	})
}

// A side zone whose list has run dry does not keep showing what is withdrawn.
func TestEmptySideZoneIsBlank(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := sheet(side("main", playlist.Main, 0, 500, text("a", 10*time.Second)), side("price", playlist.Side, 500, 500, text("old", time.Hour)))
		h := newHall(t, full)
		h.run(5 * time.Second)
		empty := *full
		empty.Sequence, empty.Zones = 2, []playlist.ProgrammeZone{full.Zones[0], side("price", playlist.Side, 500, 500)}
		h.play(&empty)
		h.run(time.Second)
		if got := h.proof(); !slices.Contains(got, "price old 5s programme changed") {
			t.Errorf("proved %q", got)
		}
		again := *full
		again.Sequence = 3
		h.play(&again)
		h.run(2 * time.Second)
		if z := h.d.zones[1]; z.current == nil || z.current.cue.Entry.Item != "old" {
			t.Error("the list came back and is not shown")
		}
	})
}

// The same where the last item of a side list expires and kiosk is gone.
func TestExpiredSideItemGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		item := text("old", 10*time.Second)
		until := time.Now().Add(25 * time.Second)
		item.ValidUntil = &until
		h := newHall(t, sheet(side("main", playlist.Main, 0, 500, text("a", 10*time.Second)), side("price", playlist.Side, 500, 500, item)))
		h.run(2 * time.Minute)
		if z := h.d.zones[1]; !z.current.standIn {
			t.Errorf("the expired item is still on: %q", h.proof())
		}
		if z := h.d.zones[0]; z.current.standIn || z.current.cue.Entry.Item != "a" {
			t.Error("the main zone suffered")
		}
	})
}

// A mandatory item comes at an entry's end once its interval has passed, and an
// edition that changes meanwhile does not make the list begin anew.
func TestMandatoryItemKeepsTheListsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := sheet(side("main", playlist.Main, 0, 1000, text("a", 20*time.Second), text("b", 20*time.Second), text("c", 20*time.Second)))
		p.Mandatory = []playlist.ProgrammeMust{{ID: "m", Entry: text("must", 10*time.Second), Every: playlist.Duration(30 * time.Second), DueIn: 30_000}}
		h := newHall(t, p)
		h.run(45 * time.Second) // a, b, and must is on
		changed := *p
		changed.Sequence = 2
		changed.Zones = []playlist.ProgrammeZone{side("main", playlist.Main, 0, 1000, text("a", 20*time.Second), text("b", 20*time.Second), text("c", 20*time.Second), text("new", 20*time.Second))}
		h.play(&changed)
		h.run(30 * time.Second)
		got := h.proof()
		want := []string{"main a 20s done", "main b 20s done", "main must 10s done", "main c 20s done"}
		if !slices.Equal(got, want) {
			t.Errorf("proved %q, want %q", got, want)
		}
	})
}

// An unchanged entry is not restarted by a new programme; a removed one goes
// at once.
func TestChangedProgramme(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := sheet(main2(20*time.Second, 20*time.Second))
		h := newHall(t, p)
		h.run(10 * time.Second)
		more := *p
		more.Sequence, more.Zones = 2, []playlist.ProgrammeZone{side("main", playlist.Main, 0, 1000, text("a", 20*time.Second), text("c", 20*time.Second))}
		h.play(&more)
		h.run(5 * time.Second)
		h.expect()
		other := *p
		other.Sequence, other.Zones = 3, []playlist.ProgrammeZone{side("main", playlist.Main, 0, 1000, text("x", 20*time.Second))}
		h.play(&other)
		h.run(time.Second)
		h.expect("main a 15s programme changed")
	})
}

// A zone too small to show anything is said so and left out.
func TestTinyZonesAreLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tiny := side("dot", playlist.Side, 0, 1, text("x", time.Second))
		h := newHall(t, sheet(main2(10*time.Second, 10*time.Second), tiny))
		h.run(time.Second)
		if len(h.d.zones) != 1 || len(h.faults()) != 1 {
			t.Errorf("%d zones, said %q", len(h.d.zones), h.faults())
		}
		h.play(sheet(tiny))
		h.run(20 * time.Second)
		if len(h.d.zones) != 1 || !h.d.zones[0].fixed || h.d.zones[0].current == nil {
			t.Error("with nothing left the evergreen page is not on")
		}
	})
}

// Over a day of a list with bad entries every good one is shown as often as the
// others: nobody starves.
func TestNobodyStarves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := text("bad", time.Second)
		bad.Kind, bad.Versions[0].Media = playlist.Picture, []playlist.ProgrammeFile{{Path: "/nonexistent", Type: "image/png"}}
		h := newHall(t, sheet(side("main", playlist.Main, 0, 1000, text("a", time.Minute), bad, text("b", time.Minute), text("c", time.Minute))))
		h.run(5 * time.Hour)
		count := map[string]int{}
		for _, row := range h.proof() {
			count[row]++
		}
		if n := count["main a 60s done"]; n < 98 || n-count["main b 60s done"] > 1 || n-count["main c 60s done"] > 1 {
			t.Errorf("shown %v", count)
		}
	})
}
