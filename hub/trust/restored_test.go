package trust_test

import (
	"testing"

	"cotmoc/hub/trust"
	"cotmoc/hub/trust/trusttest"
)

// A hub that was restored from a backup names earlier versions of some roles, and lacks
// others. A machine keeps what it has of those, and takes what is new of the rest.
func TestRestored(t *testing.T) {
	type machine struct {
		r *trusttest.Repo
		s trust.State
	}
	// later is a repository whose roles have gone on since then, with a machine that knows.
	later := func(t *testing.T) (w machine, then func()) {
		w.r, w.s = world(t)
		targets, ls := w.r.Signed[trust.Targets], w.r.Signed["p-ls"]
		w.r.Head("vn", 2, head("vn", 2))
		w.r.Head("p-ls", 2, head("p-ls", 2))
		w.r.Head("p-ld", 1, head("p-ld", 1))
		w.r.Publish()
		var err error
		w.s, _, err = w.s.Refresh(t.Context(), w.r, now, nil)
		w.r.Must(err)
		return w, func() {
			w.r.Put(trust.Targets, 1, targets)
			w.r.Put("p-ls", 1, ls)
			delete(w.r.Signed, "p-ld")
		}
	}
	check := func(t *testing.T, s trust.State, e *trust.Edition, vn, ls, ld int64) {
		t.Helper()
		kept, err := s.Edition(nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, e := range map[string]*trust.Edition{"accepted": e, "from what is kept": kept} {
			if e.Heads["vn"].Number != vn || e.Heads["p-ls"].Number != ls || e.Heads["p-ld"].Number != ld {
				t.Errorf("%s: %+v", name, e.Heads)
			}
		}
	}
	refresh := func(t *testing.T, w *machine) *trust.Edition {
		t.Helper()
		s, e, err := w.s.Refresh(t.Context(), w.r, now, nil)
		if err != nil {
			t.Fatal(err)
		}
		w.s = s
		return e
	}

	t.Run("a notice", func(t *testing.T) {
		w, restore := later(t)
		restore()
		w.r.Role(trust.Emergency, trust.TargetOf(trust.Emergency, 1001, head("vn", 1)))
		w.r.Publish()
		e := refresh(t, &w)
		if e.Emergency == nil || e.Emergency.Number != 1001 {
			t.Errorf("the notice did not come: %+v", e)
		}
		check(t, w.s, e, 2, 2, 1)
		w.r.Publish() // and again, from what is kept
		check(t, w.s, refresh(t, &w), 2, 2, 1)
	})
	t.Run("another province goes on", func(t *testing.T) {
		w, restore := later(t)
		restore()
		w.r.Head("p-ls", 1001, head("p-ls", 1001)) // as version 2, which is no longer the one that is kept
		w.r.Head("p-ls", 1002, head("p-ls", 1002))
		w.r.Publish()
		check(t, w.s, refresh(t, &w), 2, 1002, 1)
	})
	t.Run("a key that is no longer trusted", func(t *testing.T) {
		w, restore := later(t)
		restore()
		w.r.Keys["p-ls"] = w.r.Keys["p-ld"]
		for range 4 { // the ministry's is newer than the one that is kept
			w.r.Head("vn", 3, head("vn", 3))
		}
		w.r.Put("p-ls", 1, w.r.Sign(w.r.Signed["p-ls"], nil, w.r.With("p-ls")...))
		w.r.Publish()
		check(t, w.s, refresh(t, &w), 3, 1, 1)
	})
}
