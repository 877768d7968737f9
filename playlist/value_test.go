package playlist

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{"2h30m": 150 * time.Minute, "1ns": 1, "168h": 168 * time.Hour, "0s": 0} {
		if d, err := NewDuration(text); err != nil || d.Std() != want {
			t.Errorf("%s: %v, %v", text, d.Std(), err)
		}
	}
	// 300 years are refused, not overflowed; so is what is no duration.
	for _, text := range []string{"", "2628000h", "9999999999999h", "5", "-5", "1h30", "NaN", "1e9h", strings.Repeat("9", 400) + "h"} {
		if d, err := NewDuration(text); err == nil && checkSpan("x", d, MaxOccurrence) == nil {
			t.Errorf("%q was taken as %v", clip(text, 20), d.Std())
		}
	}
}

func TestDurationsSurviveJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Duration(rapid.Int64Range(0, int64(MaxOccurrence)).Draw(t, "d"))
		raw, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		var back Duration
		if err := json.Unmarshal(raw, &back); err != nil || back != d {
			t.Fatalf("%s became %v, %v", raw, back, err)
		}
	})
}

func TestDates(t *testing.T) {
	for _, text := range []string{"2027-02-29", "2027-2-1", "27-02-01", "2027-13-01", "", "2027-02-01T00:00", "0000-00-00"} {
		if d, err := NewDate(text); err == nil {
			t.Errorf("%q was taken as %v", text, d)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := DateOf(time.Unix(rapid.Int64Range(0, 4_000_000_000).Draw(t, "s"), 0).UTC())
		back, err := NewDate(d.String())
		if err != nil || back != d {
			t.Fatalf("%v became %v, %v", d, back, err)
		}
		n := rapid.IntRange(-4000, 4000).Draw(t, "n")
		if d.Add(n).Add(-n) != d || d.Add(n).Compare(d) != compareInts(n, 0) {
			t.Fatalf("%v plus %d is %v", d, n, d.Add(n))
		}
	})
}

func compareInts(a, b int) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func TestClockTimes(t *testing.T) {
	for n := range 24 * 60 {
		text := fmt.Sprintf("%02d:%02d", n/60, n%60)
		if c, err := NewClockTime(text); err != nil || int(c) != n || c.String() != text {
			t.Fatalf("%s: %v, %v", text, c, err)
		}
	}
	for _, text := range []string{"", "7:30", "24:01", "12:60", "12-30", "12:3", "-1:00", "aa:bb"} {
		if c, err := NewClockTime(text); err == nil {
			t.Errorf("%q was taken as %v", text, c)
		}
	}
}

func TestIDsAndHashes(t *testing.T) {
	for _, id := range []ID{"", ID(strings.Repeat("x", 300)), "a b", "a\nb", "a/../b", "ệ", "a\x00"} {
		if id.Check("test") == nil {
			t.Errorf("id %q was taken", clip(string(id), 20))
		}
	}
	for _, id := range []ID{"a", "huu-nghi", "item:vi", "3:item", "A_1.b"} {
		if err := id.Check("test"); err != nil {
			t.Errorf("id %q: %v", id, err)
		}
	}
	good := Hash(strings.Repeat("0a", 32))
	if err := good.Check("test"); err != nil {
		t.Error(err)
	}
	for _, h := range []Hash{"", good[:63], good + "0", Hash(strings.ToUpper(string(good))), Hash(strings.Repeat("../", 21) + "a")} {
		if h.Check("test") == nil {
			t.Errorf("hash %q was taken", h)
		}
	}
}

func TestLanguageTags(t *testing.T) {
	for in, want := range map[string]Language{"VI": "vi", "zh-hans": "zh-Hans", "ZH-HANS-cn": "zh-Hans-CN", "zxx": "zxx", "blt": "blt", "en-us": "en-US"} {
		if l, err := NewLanguage(in); err != nil || l != want {
			t.Errorf("%s: %q, %v", in, l, err)
		}
	}
	for _, in := range []string{"", "v", "tiếng", "vi_VN", "vi-", "-vi", "abcd", "123", "vi-toolongsubtag", strings.Repeat("vi-", 40) + "vi"} {
		if l, err := NewLanguage(in); err == nil || CodeOf(err) != CodeLanguage {
			t.Errorf("%q was taken as %q, %v", in, l, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) { // total, and its own normal form
		l, err := NewLanguage(rapid.String().Draw(t, "tag"))
		if err != nil {
			return
		}
		if again, err := NewLanguage(string(l)); err != nil || again != l {
			t.Fatalf("%q became %q, %v", l, again, err)
		}
	})
}

// The fallback is: the chosen language, the place's list, vi, en.
func TestFallbackOrder(t *testing.T) {
	list := []Language{"lo", "vi", "en"}
	for _, c := range []struct {
		want Language
		have []Language
		got  Language
		ok   bool
	}{
		{"km", []Language{"km", "lo"}, "km", true},
		{"km", []Language{"vi", "lo"}, "lo", true},
		{"km", []Language{"en", "vi"}, "vi", true},
		{"km", []Language{"en"}, "en", true},
		{"km", []Language{"fr"}, "", false},
		{"", []Language{"vi"}, "vi", true},
	} {
		got, ok := Fallback(c.want, list, func(l Language) bool { return slices.Contains(c.have, l) })
		if got != c.got || ok != c.ok {
			t.Errorf("%s of %v: %q, %v", c.want, c.have, got, ok)
		}
	}
	if text, l := (Names{"fr": "x", "th": "y"}).In("km", list); text != "x" || l != "fr" {
		t.Errorf("none of the order: %q in %q", text, l)
	}
	if text, l := (Names{}).In("vi", nil); text != "" || l != "" {
		t.Errorf("nothing at all: %q in %q", text, l)
	}
}

func TestErrorsHaveCodes(t *testing.T) {
	err := fmt.Errorf("take in: %w", &Error{Code: CodeCycle, Where: "playlist p", Detail: "it contains itself"})
	if CodeOf(err) != CodeCycle || CodeOf(fmt.Errorf("other")) != "" || CodeOf(nil) != "" {
		t.Errorf("code %q", CodeOf(err))
	}
	if text := err.Error(); text != "take in: playlist p: it contains itself" {
		t.Error(text)
	}
}
