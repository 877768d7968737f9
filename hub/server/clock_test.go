package server

import (
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"cotmoc/hub/server/central"
)

// TestClockHolds: a clock that lost its battery, or leapt, is not believed; one
// that sleeps through a long outage is.
func TestClockHolds(t *testing.T) {
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	o := Options{
		Now:  func() time.Time { return now },
		Log:  slog.New(slog.NewTextHandler(io.Discard, nil)),
		Self: []string{"false"},
	}
	dir := filepath.Join(t.TempDir(), "hub")
	if err := Init(t.Context(), dir, o); err != nil {
		t.Fatal(err)
	}
	h, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}()
	err = h.store.Read(t.Context(), func(r central.Reader) error {
		head, err := r.AuditHead(t.Context())
		if err == nil && head.Seq == 0 {
			t.Fatal("the new hub's audit is empty: nothing to hold the clock against")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	written := now
	for _, c := range []struct {
		name string
		now  time.Time
		want bool
	}{
		{"as written", written, true},
		{"set back a little", written.Add(-59 * time.Minute), true},
		{"set back a day", written.AddDate(0, 0, -1), false},
		{"battery lost", time.Unix(0, 0), false},
		{"off for a year", written.AddDate(1, 0, 0), true},
		{"leapt ten years", written.AddDate(10, 0, 0), false},
	} {
		now = c.now
		if got := h.clockHolds(t.Context()); got != c.want {
			t.Errorf("%s: clockHolds = %v, want %v", c.name, got, c.want)
		}
	}
}
