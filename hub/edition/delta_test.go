package edition

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cotmoc/hub/feed"
)

// Whatever changes, the delta leads from the one to the other, and bytes that are
// damaged lead nowhere.
func TestPackDelta(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		side := func(label string) []feed.Row {
			var out []feed.Row
			for n := range rapid.IntRange(0, 30).Draw(t, label) {
				body := fmt.Sprintf(`{"n":%d,"text":%q}`, rapid.IntRange(0, 3).Draw(t, "n"), strings.Repeat("chữ ", rapid.IntRange(0, 50).Draw(t, "words")))
				raw, err := feed.Canonical([]byte(body))
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, feed.Row{Kind: "item", ID: fmt.Sprint("i", n), Row: raw})
			}
			if err := feed.Sort(out); err != nil {
				t.Fatal(err)
			}
			return out
		}
		old, now := side("old"), side("now")
		changes, err := feed.Diff(old, now)
		if err != nil {
			t.Fatal(err)
		}
		packed, err := PackDelta(old, feed.Delta{Format: feed.Format, Changes: changes})
		if err != nil {
			t.Fatal(err)
		}
		again, _ := PackDelta(old, feed.Delta{Format: feed.Format, Changes: changes})
		if !bytes.Equal(packed, again) {
			t.Fatal("one delta is packed in two ways")
		}
		d, err := UnpackDelta(packed, old)
		if err != nil {
			t.Fatal(err)
		}
		got, err := feed.Apply(old, d.Changes)
		if err != nil || feed.Sum(got) != feed.Sum(now) {
			t.Fatalf("it leads elsewhere: %v", err)
		}
		at := rapid.IntRange(0, len(packed)-1).Draw(t, "at")
		packed[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if d, err := UnpackDelta(packed, old); err == nil { // the head's hash tells in the end
			_, _ = feed.Apply(old, d.Changes)
		}
	})
	for _, bad := range [][]byte{nil, {0, 0, 0}, {255, 255, 255, 255, 0}, {0, 0, 0, 1, 0}} {
		if _, err := UnpackDelta(bad, nil); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}

func FuzzUnpackDelta(f *testing.F) {
	old := []feed.Row{{Kind: "item", ID: "a", Row: []byte(`{"text":"một"}`)}}
	now := []feed.Row{{Kind: "item", ID: "a", Row: []byte(`{"text":"hai"}`)}}
	changes, err := feed.Diff(old, now)
	if err != nil {
		f.Fatal(err)
	}
	good, err := PackDelta(old, feed.Delta{Format: feed.Format, Changes: changes})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := UnpackDelta(raw, old)
		if err != nil {
			return
		}
		if got, err := feed.Apply(old, d.Changes); err == nil && feed.Sort(got) != nil {
			t.Error("rows came out twice")
		}
	})
}
