package timeline

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cotmoc/playlist"
)

var now = time.Date(2027, 3, 1, 5, 0, 0, 0, time.UTC)

func entry(id string, langs ...playlist.Language) playlist.ProgrammeEntry {
	e := playlist.ProgrammeEntry{ID: playlist.ID(id), Item: playlist.ID(id)}
	for _, l := range langs {
		e.Versions = append(e.Versions, playlist.ProgrammeVersion{Version: playlist.ID(id + ":" + string(l)), Language: l})
	}
	return e
}

func walk(t *Track, n int) string {
	var out []string
	for range n {
		cue, ok := t.Next(now)
		if !ok {
			return strings.Join(append(out, "nothing"), " ")
		}
		s := string(cue.Entry.Item)
		for _, v := range cue.Versions {
			s += "." + string(v.Language)
		}
		if cue.Fallback {
			s += "!"
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func TestTurns(t *testing.T) {
	place := []playlist.Language{"vi", "zh-Hans", "en"}
	list := []playlist.ProgrammeEntry{entry("a", "vi", "en", "zh-Hans"), entry("b", "zxx"), entry("c", "vi"), entry("d", "lo")}
	for _, c := range []struct {
		name    string
		turns   playlist.Turns
		allowed []playlist.Language
		want    string
	}{
		// c lacks zh-Hans and en: shown once more per cycle, in a fallback.
		{"rotate", playlist.Rotate, nil, "a.vi b.zxx c.vi d.lo! a.zh-Hans b.zxx c.vi! a.en b.zxx a.vi b.zxx"},
		{"each", playlist.Each, nil, "a.vi a.zh-Hans a.en b.zxx c.vi d.lo! a.vi a.zh-Hans"},
		{"together", playlist.Together, nil, "a.vi.zh-Hans b.zxx c.vi d.lo! a.en.vi b.zxx c.vi d.lo! a.zh-Hans.en"},
		{"rotate, allowed only", playlist.Rotate, []playlist.Language{"en"}, "a.en b.zxx c.vi! d.lo! a.en"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := NewTrack(playlist.ProgrammeZone{Turns: c.turns, Allowed: c.allowed, Entries: list}, place, playlist.Position{})
			if got := walk(tr, len(strings.Fields(c.want))); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestPositionIsResumed(t *testing.T) {
	zone := playlist.ProgrammeZone{Turns: playlist.Each, Entries: []playlist.ProgrammeEntry{entry("a", "vi", "en"), entry("b", "vi", "en")}}
	place := []playlist.Language{"vi", "en"}
	tr := NewTrack(zone, place, playlist.Position{})
	cue, _ := tr.Next(now)
	again := NewTrack(zone, place, cue.After)
	if got := walk(again, 3); got != "a.en b.vi b.en" {
		t.Errorf("got %s", got)
	}
	zone.Entries = append([]playlist.ProgrammeEntry{entry("new", "vi")}, zone.Entries...)
	if got := walk(NewTrack(zone, place, cue.After), 2); got != "a.en b.vi" {
		t.Errorf("after an insertion: %s", got)
	}
	for _, p := range []playlist.Position{{Index: 99}, {Index: -1, Round: -7, Turn: -2}, {Entry: "gone", Index: 1, Turn: 5}} {
		if got := walk(NewTrack(zone, place, p), 1); got == "nothing" {
			t.Errorf("position %+v: nothing", p)
		}
	}
}

func TestExpiredEntriesAreLeftOut(t *testing.T) {
	past, future := now.Add(-time.Nanosecond), now.Add(time.Nanosecond)
	a, b, c := entry("a", "vi"), entry("b", "vi"), entry("c", "vi")
	a.ValidUntil, b.ValidUntil, c.ValidUntil = &past, &future, &now
	tr := NewTrack(playlist.ProgrammeZone{Entries: []playlist.ProgrammeEntry{a, b, c}}, []playlist.Language{"vi"}, playlist.Position{})
	if got := walk(tr, 3); got != "b.vi b.vi b.vi" {
		t.Errorf("got %s", got)
	}
	tr = NewTrack(playlist.ProgrammeZone{Entries: []playlist.ProgrammeEntry{a}}, nil, playlist.Position{})
	if got := walk(tr, 1); got != "nothing" {
		t.Errorf("only expired: %s", got)
	}
	if got := walk(NewTrack(playlist.ProgrammeZone{}, nil, playlist.Position{}), 1); got != "nothing" {
		t.Errorf("an empty list: %s", got)
	}
}

// No item and no language of an item starves, wherever the list is entered.
func TestNothingStarves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		langs := []playlist.Language{"vi", "en", "zh-Hans", "lo", "km", "blt", "zxx"}
		var list []playlist.ProgrammeEntry
		for i := range rapid.IntRange(1, 8).Draw(t, "entries") {
			var has []playlist.Language
			for _, l := range langs {
				if rapid.Bool().Draw(t, "has") {
					has = append(has, l)
				}
			}
			if len(has) == 0 {
				has = []playlist.Language{"th"}
			}
			list = append(list, entry(fmt.Sprint("i", i), has...))
		}
		place := langs[:rapid.IntRange(1, 5).Draw(t, "place")]
		turns := rapid.SampledFrom([]playlist.Turns{playlist.Rotate, playlist.Each, playlist.Together}).Draw(t, "turns")
		pos := playlist.Position{Index: rapid.IntRange(0, 20).Draw(t, "index"), Round: rapid.IntRange(0, 20).Draw(t, "round")}
		tr := NewTrack(playlist.ProgrammeZone{Turns: turns, Entries: list}, place, pos)
		seen := map[string]bool{}
		for range 3 * len(list) * (len(langs) + 1) {
			cue, ok := tr.Next(now)
			if !ok {
				t.Fatal("nothing to show")
			}
			for _, v := range cue.Versions {
				seen[string(cue.Entry.Item)+string(v.Language)] = true
				seen[string(cue.Entry.Item)] = true
			}
		}
		for _, e := range list {
			if !seen[string(e.Item)] {
				t.Fatalf("item %s starves", e.Item)
			}
			for _, l := range place {
				if _, ok := exact(e, l); ok && !seen[string(e.Item)+string(l)] {
					t.Fatalf("item %s starves in %s (%s)", e.Item, l, turns)
				}
			}
		}
	})
}

func TestMandatoryItems(t *testing.T) {
	must := func(id string, every, due time.Duration) playlist.ProgrammeMust {
		return playlist.ProgrammeMust{ID: playlist.ID(id), Entry: entry(id, "vi"), Every: playlist.Duration(every), DueIn: due.Milliseconds()}
	}
	d := NewDuties([]playlist.ProgrammeMust{must("a", 10*time.Minute, time.Minute), must("b", 5*time.Minute, -time.Minute)}, []playlist.Language{"vi"}, nil)
	cue, late, ok := d.Due(0, now, "")
	if !ok || cue.Mandatory != "b" || late != time.Minute {
		t.Fatalf("first %s, %v late", cue.Mandatory, late)
	}
	if again, _, _ := d.Due(0, now, "b"); again.Mandatory == "b" {
		t.Error("an item that is on follows itself")
	}
	d.Ended("b")
	if _, _, ok := d.Due(59*time.Second, now, ""); ok {
		t.Error("due too soon")
	}
	if cue, _, ok := d.Due(time.Minute, now, ""); !ok || cue.Mandatory != "a" {
		t.Error("a is due at the end of an entry that ends in a minute")
	}
	d.Advance(7 * time.Minute)
	if cue, late, _ := d.Due(0, now, ""); cue.Mandatory != "a" || late != 6*time.Minute {
		t.Errorf("the longest overdue comes first: %s, %v", cue.Mandatory, late)
	}
	kept := NewDuties([]playlist.ProgrammeMust{must("a", 10*time.Minute, 10*time.Minute)}, nil, d)
	if left := kept.Left()["a"]; left != -6*time.Minute {
		t.Errorf("a new programme forgot what had passed: %v left", left)
	}
}

func TestReadingTime(t *testing.T) {
	short, long := ReadingTime("vi", "Chào"), ReadingTime("vi", strings.Repeat("chữ ", 200))
	if short != minReading || long <= short || ReadingTime("zh-Hans", strings.Repeat("字", 2000)) != maxReading {
		t.Errorf("short %v, long %v", short, long)
	}
	if ReadingTime("km", strings.Repeat("ក", 100)) <= ReadingTime("en", strings.Repeat("a", 100)) {
		t.Error("Khmer is read no slower than English")
	}
}

const vtt = "\uFEFFWEBVTT\r\n\r\nNOTE a note\r\n\r\n1\r\n00:01.000 --> 00:02.500 line:0\r\n<v An>Xin &amp; chào</v>\r\nhai\r\n\r\n00:00:02.000 --> 00:00:03.000\r\nba\r\n\r\nbad --> worse\r\nlost\r\n"

func TestCaptions(t *testing.T) {
	c, err := ParseVTT(strings.NewReader(vtt))
	if err != nil || len(c) != 2 {
		t.Fatalf("%+v, %v", c, err)
	}
	for at, want := range map[time.Duration]string{0: "", time.Second: "Xin & chào\nhai", 2 * time.Second: "Xin & chào\nhai\nba", 2500 * time.Millisecond: "ba", 3 * time.Second: ""} {
		if got, _ := c.At(at); got != want {
			t.Errorf("at %v: %q, want %q", at, got, want)
		}
	}
	if _, next := c.At(0); next != time.Second {
		t.Errorf("next %v", next)
	}
	if _, err := ParseVTT(strings.NewReader("SRT")); err == nil {
		t.Error("not WebVTT, taken")
	}
}

func FuzzVTT(f *testing.F) {
	f.Add(vtt)
	f.Add("WEBVTT\n\n99:59:59.999 --> 00:00.000\nx")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseVTT(strings.NewReader(s))
		if err != nil {
			return
		}
		for _, cue := range c {
			if cue.End <= cue.Start {
				t.Errorf("caption %+v", cue)
			}
		}
	})
}
