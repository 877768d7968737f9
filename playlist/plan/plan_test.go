package plan

import (
	"slices"
	"testing"
	"time"

	"cotmoc/playlist/resolve"
)

var eight = time.Date(2027, 1, 1, 8, 0, 0, 0, time.UTC)

func TestUnion(t *testing.T) {
	at := func(h int) time.Time { return eight.Add(time.Duration(h) * time.Hour) }
	got := union([]resolve.Span{{Start: at(5), End: at(6)}, {Start: at(1), End: at(3)}, {Start: at(2), End: at(4)}, {Start: at(8)}, {Start: at(9), End: at(10)}})
	want := []resolve.Span{{Start: at(1), End: at(4)}, {Start: at(5), End: at(6)}, {Start: at(8)}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}
