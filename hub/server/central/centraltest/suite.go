// Package centraltest is the contract of central.Store: every store passes it.
package centraltest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cotmoc/hub/server/central"
	"cotmoc/playlist"
)

// Now is an instant with a fraction of a millisecond, which stores round.
var Now = time.Date(2026, 11, 23, 8, 0, 0, 123456789, time.UTC)

// Run runs the suite. open opens the same empty database again each time that
// it is called with the same dir; openCopy opens what Backup wrote.
func Run(t *testing.T, open func(t *testing.T, dir string) central.Store, openCopy func(t *testing.T, path string) central.Store) {
	for name, test := range map[string]func(t *testing.T, s central.Store){
		"revisions": revisions, "list": list, "rollback": rollback, "history": history, "trim": trim, "seq": seq, "audit": audit,
		"editions": editions, "readers": readers, "twoOnOneRow": twoOnOneRow, "panics": panics, "model": model,
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			defer closed(t, s)
			test(t, s)
		})
	}
	t.Run("durable", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir)
		put(t, s, central.Doc{Kind: central.Items, ID: "i1", Owner: "vn", Body: json.RawMessage(`{"a":1}`)})
		closed(t, s)
		s = open(t, dir)
		defer closed(t, s)
		if d := get(t, s, central.Items, "i1"); string(d.Body) != `{"a":1}` || d.Owner != "vn" || d.Rev != 1 {
			t.Errorf("after opening again: %+v", d)
		}
	})
	t.Run("backup", func(t *testing.T) {
		s := open(t, t.TempDir())
		defer closed(t, s)
		put(t, s, central.Doc{Kind: central.Items, ID: "i1"})
		path := filepath.Join(t.TempDir(), "copy")
		if err := s.Backup(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		if s.Backup(t.Context(), path) == nil {
			t.Error("a backup was written over another")
		}
		put(t, s, central.Doc{Kind: central.Items, ID: "i2"})
		restored := openCopy(t, path)
		defer closed(t, restored)
		if got := ids(t, restored, central.Query{Kind: central.Items}); !slices.Equal(got, []playlist.ID{"i1"}) {
			t.Errorf("the copy holds %v", got)
		}
	})
}

func trim(t *testing.T, s central.Store) {
	d := central.Doc{Kind: central.Versions, ID: "v"}
	for n := range 10 {
		d.State = "draft"
		if n == 2 || n == 9 {
			d.State = "other"
		}
		d = put(t, s, d)
	}
	write(t, s, func(tx central.Tx) error { return tx.TrimHistory(t.Context(), central.Versions, "v", "draft", 3) })
	var revs []int64
	if err := s.Read(t.Context(), func(r central.Reader) error {
		all, err := r.History(t.Context(), central.Versions, "v")
		for _, doc := range all {
			revs = append(revs, doc.Rev)
		}
		return err
	}); err != nil || !slices.Equal(revs, []int64{3, 7, 8, 9, 10}) {
		t.Errorf("revisions %v are kept: %v", revs, err)
	}
}

func closed(t *testing.T, s central.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func write(t *testing.T, s central.Store, f func(tx central.Tx) error) {
	t.Helper()
	if err := s.Write(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, s central.Store, d central.Doc) central.Doc {
	t.Helper()
	if d.At.IsZero() {
		d.At = Now
	}
	write(t, s, func(tx central.Tx) (err error) { d, err = tx.Put(t.Context(), d); return err })
	return d
}

func get(t *testing.T, s central.Store, kind central.Kind, id playlist.ID) (d central.Doc) {
	t.Helper()
	err := s.Read(t.Context(), func(r central.Reader) (err error) { d, err = r.Get(t.Context(), kind, id); return err })
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func ids(t *testing.T, s central.Store, q central.Query) (out []playlist.ID) {
	t.Helper()
	err := s.Read(t.Context(), func(r central.Reader) error {
		docs, err := r.List(t.Context(), q)
		for _, d := range docs {
			out = append(out, d.ID)
		}
		if n, err := r.Count(t.Context(), q); err != nil || q.Limit == 0 && n != len(out) {
			t.Errorf("%+v: counted %d, listed %d, %v", q, n, len(out), err)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func revisions(t *testing.T, s central.Store) {
	d := put(t, s, central.Doc{Kind: central.Items, ID: "i1", Owner: "vn", Parent: "p", State: "draft", Name: "n", Due: Now, Body: json.RawMessage(`{"x":"é"}`), By: "me"})
	got := get(t, s, central.Items, "i1")
	if got.Rev != 1 || !got.At.Equal(Now.Truncate(time.Millisecond)) || !got.Due.Equal(Now.Truncate(time.Millisecond)) || string(got.Body) != `{"x":"é"}` ||
		got.Owner != "vn" || got.Parent != "p" || got.State != "draft" || got.Name != "n" || got.By != "me" {
		t.Errorf("read back %+v", got)
	}
	d.State = "in review"
	d = put(t, s, d)
	if d.Rev != 2 {
		t.Errorf("revision %d after a change", d.Rev)
	}
	ctx := t.Context()
	for name, c := range map[string]struct {
		do   func(tx central.Tx) error
		want error
	}{
		"old revision": {func(tx central.Tx) error { old := d; old.Rev = 1; _, err := tx.Put(ctx, old); return err }, central.ErrChanged},
		"future":       {func(tx central.Tx) error { old := d; old.Rev = 9; _, err := tx.Put(ctx, old); return err }, central.ErrChanged},
		"again":        {func(tx central.Tx) error { n := d; n.Rev = 0; _, err := tx.Put(ctx, n); return err }, central.ErrExists},
		"unknown": {func(tx central.Tx) error {
			_, err := tx.Put(ctx, central.Doc{Kind: central.Items, ID: "none", Rev: 1})
			return err
		}, central.ErrNotFound},
		"get":            {func(tx central.Tx) error { _, err := tx.Get(ctx, central.Places, "i1"); return err }, central.ErrNotFound},
		"delete old":     {func(tx central.Tx) error { return tx.Delete(ctx, central.Items, "i1", 1, Now, "me") }, central.ErrChanged},
		"delete unknown": {func(tx central.Tx) error { return tx.Delete(ctx, central.Items, "none", 1, Now, "me") }, central.ErrNotFound},
	} {
		if err := s.Write(ctx, c.do); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func list(t *testing.T, s central.Store) {
	for n := range 10 {
		d := central.Doc{Kind: central.Versions, ID: playlist.ID(fmt.Sprintf("v%d", n)), Owner: playlist.ID(fmt.Sprintf("o%d", n%3)),
			Parent: playlist.ID(fmt.Sprintf("i%d", n%2)), State: []string{"draft", "published"}[n%2], Name: []string{"vi", "lo"}[n/5]}
		if n > 6 {
			d.Due = Now.Add(time.Duration(n) * time.Hour)
		}
		put(t, s, d)
	}
	put(t, s, central.Doc{Kind: central.Items, ID: "v1"})
	for name, c := range map[string]struct {
		q    central.Query
		want string
	}{
		"all":        {central.Query{}, "[v0 v1 v2 v3 v4 v5 v6 v7 v8 v9]"},
		"page":       {central.Query{After: "v3", Limit: 3}, "[v4 v5 v6]"},
		"beyond":     {central.Query{After: "v9"}, "[]"},
		"owners":     {central.Query{Owners: []playlist.ID{"o0", "o2"}}, "[v0 v2 v3 v5 v6 v8 v9]"},
		"parent":     {central.Query{Parent: "i1"}, "[v1 v3 v5 v7 v9]"},
		"states":     {central.Query{States: []string{"draft", "x"}}, "[v0 v2 v4 v6 v8]"},
		"name":       {central.Query{Name: "lo", Parent: "i0"}, "[v6 v8]"},
		"due":        {central.Query{Due: Now.Add(8 * time.Hour)}, "[v7 v8]"},
		"injection":  {central.Query{Name: "' OR 1=1 --"}, "[]"},
		"all fields": {central.Query{Owners: []playlist.ID{"o1"}, Parent: "i1", States: []string{"published"}, Name: "lo", After: "v1", Limit: 5, Due: Now.Add(24 * time.Hour)}, "[v7]"},
	} {
		c.q.Kind = central.Versions
		if got := fmt.Sprint(ids(t, s, c.q)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func rollback(t *testing.T, s central.Store) {
	enough := errors.New("enough")
	err := s.Write(t.Context(), func(tx central.Tx) error {
		if _, err := tx.Put(t.Context(), central.Doc{Kind: central.Items, ID: "i1", At: Now}); err != nil {
			return err
		}
		if _, err := tx.Get(t.Context(), central.Items, "i1"); err != nil {
			t.Errorf("a transaction does not see what it wrote: %v", err)
		}
		return enough
	})
	if !errors.Is(err, enough) {
		t.Errorf("%v", err)
	}
	if got := ids(t, s, central.Query{Kind: central.Items}); len(got) != 0 {
		t.Errorf("kept %v", got)
	}
}

func history(t *testing.T, s central.Store) {
	d := put(t, s, central.Doc{Kind: central.Places, ID: "p", Body: json.RawMessage(`1`)})
	d.Body = json.RawMessage(`2`)
	d = put(t, s, d)
	write(t, s, func(tx central.Tx) error { return tx.Delete(t.Context(), central.Places, "p", d.Rev, Now, "me") })
	again := put(t, s, central.Doc{Kind: central.Places, ID: "p", Body: json.RawMessage(`4`)})
	if again.Rev != 4 {
		t.Errorf("a new life begins with revision %d: an old ETag would hold again", again.Rev)
	}
	put(t, s, central.Doc{Kind: central.Jobs, ID: "j"})
	err := s.Read(t.Context(), func(r central.Reader) error {
		all, err := r.History(t.Context(), central.Places, "p")
		var got string
		for _, d := range all {
			got += fmt.Sprintf("%d:%s:%t ", d.Rev, d.Body, d.Deleted)
		}
		if got != "1:1:false 2:2:false 3:2:true 4:4:false " {
			t.Errorf("history %s", got)
		}
		if all, err := r.History(t.Context(), central.Jobs, "j"); err != nil || len(all) != 0 {
			t.Errorf("a job left a history: %v %v", all, err)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func seq(t *testing.T, s central.Store) {
	of := func(k central.Kind) (n int64) {
		if err := s.Read(t.Context(), func(r central.Reader) (err error) { n, err = r.Seq(t.Context(), k); return err }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if of(central.Items) != 0 {
		t.Error("an empty kind has changed")
	}
	d := put(t, s, central.Doc{Kind: central.Items, ID: "i"})
	one := of(central.Items)
	write(t, s, func(tx central.Tx) error { return tx.Delete(t.Context(), central.Items, "i", d.Rev, Now, "") })
	if two := of(central.Items); one < 1 || two <= one || of(central.Places) != 0 {
		t.Errorf("%d, then %d; places %d", one, two, of(central.Places))
	}
}

func audit(t *testing.T, s central.Store) {
	ctx := t.Context()
	write(t, s, func(tx central.Tx) error {
		for n := range int64(5) {
			if err := tx.AppendAudit(ctx, central.AuditRow{Seq: n + 1, Row: json.RawMessage(fmt.Sprint(n)), Hash: []byte{byte(n), 0}}); err != nil {
				return err
			}
		}
		return tx.AddCheckpoint(ctx, central.Checkpoint{Seq: 5, Hash: []byte{4}, At: Now, Signature: []byte{7}})
	})
	if s.Write(ctx, func(tx central.Tx) error { return tx.AppendAudit(ctx, central.AuditRow{Seq: 3}) }) == nil {
		t.Error("a row of the audit was written over another")
	}
	err := s.Read(ctx, func(r central.Reader) error {
		var got []int64
		collect := func(a central.AuditRow) error { got = append(got, a.Seq); return nil }
		if err := r.Audit(ctx, 1, 2, collect); err != nil || !slices.Equal(got, []int64{2, 3}) {
			t.Errorf("%v %v", got, err)
		}
		stop := errors.New("stop")
		if err := r.Audit(ctx, 0, 0, func(central.AuditRow) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("%v", err)
		}
		head, err := r.AuditHead(ctx)
		if err != nil || head.Seq != 5 || string(head.Row) != "4" || !slices.Equal(head.Hash, []byte{4, 0}) {
			t.Errorf("%+v %v", head, err)
		}
		points, err := r.Checkpoints(ctx, 4)
		if err != nil || len(points) != 1 || !points[0].At.Equal(Now) || !slices.Equal(points[0].Signature, []byte{7}) {
			t.Errorf("%+v %v", points, err)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func editions(t *testing.T, s central.Store) {
	ctx := t.Context()
	add := func(scope playlist.ID, n int64) error {
		return s.Write(ctx, func(tx central.Tx) error {
			return tx.AddEdition(ctx, central.Edition{Scope: scope, Number: n, Head: json.RawMessage(`{}`), Snapshot: []byte{byte(n)}, At: Now, By: "me"}, 2)
		})
	}
	for n := range int64(4) {
		if err := add("vn", n+1); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(add("la", 1)); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int64{1, 4} {
		if err := add("vn", n); !errors.Is(err, central.ErrChanged) {
			t.Errorf("edition %d: %v", n, err)
		}
	}
	err := s.Read(ctx, func(r central.Reader) error {
		newest, err := r.Edition(ctx, "vn", 0)
		if err != nil || newest.Number != 4 || len(newest.Snapshot) != 1 {
			t.Errorf("%+v %v", newest, err)
		}
		old, err := r.Edition(ctx, "vn", 2)
		if err != nil || old.Snapshot != nil || string(old.Head) != "{}" {
			t.Errorf("%+v %v", old, err)
		}
		if _, err := r.Edition(ctx, "kh", 0); !errors.Is(err, central.ErrNotFound) {
			t.Errorf("%v", err)
		}
		all, err := r.Editions(ctx, "", 3)
		if err != nil || len(all) != 3 || all[0].Number != 4 || all[0].Snapshot != nil {
			t.Errorf("%+v %v", all, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// readers go on while a writer writes, and each sees one state.
func readers(t *testing.T, s central.Store) {
	put(t, s, central.Doc{Kind: central.Items, ID: "a"})
	put(t, s, central.Doc{Kind: central.Items, ID: "b"})
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				err := s.Read(context.Background(), func(r central.Reader) error {
					a, err1 := r.Get(context.Background(), central.Items, "a")
					b, err2 := r.Get(context.Background(), central.Items, "b")
					if a.Rev != b.Rev {
						t.Errorf("a reader saw half a transaction: %d and %d", a.Rev, b.Rev)
					}
					return errors.Join(err1, err2)
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for n := range int64(100) {
		write(t, s, func(tx central.Tx) error {
			for _, id := range []playlist.ID{"a", "b"} {
				if _, err := tx.Put(ctx, central.Doc{Kind: central.Items, ID: id, Rev: n + 1, At: Now}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	cancel()
	wg.Wait()
}

// Two people change one row: one succeeds, the others are told.
func twoOnOneRow(t *testing.T, s central.Store) {
	d := put(t, s, central.Doc{Kind: central.Items, ID: "i"})
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for n := range errs {
		wg.Go(func() {
			errs[n] = s.Write(context.Background(), func(tx central.Tx) error {
				mine := d
				mine.By = playlist.ID(fmt.Sprint("p", n))
				_, err := tx.Put(context.Background(), mine)
				return err
			})
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, central.ErrChanged) {
			t.Error(err)
		}
	}
	if now := get(t, s, central.Items, "i"); won != 1 || now.Rev != 2 {
		t.Errorf("%d of %d won, revision %d", won, len(errs), now.Rev)
	}
}

// A panic inside a transaction must not hold the one writer for ever.
func panics(t *testing.T, s central.Store) {
	func() {
		defer func() { _ = recover() }()
		_ = s.Write(t.Context(), func(tx central.Tx) error {
			_, _ = tx.Put(t.Context(), central.Doc{Kind: central.Items, ID: "x", At: Now})
			panic("at the worst moment")
		})
	}()
	put(t, s, central.Doc{Kind: central.Items, ID: "y"})
	if got := ids(t, s, central.Query{Kind: central.Items}); !slices.Equal(got, []playlist.ID{"y"}) {
		t.Errorf("kept %v", got)
	}
}

// model compares any sequence of puts and deletes with a map.
func model(t *testing.T, s central.Store) {
	ctx := t.Context()
	revs := map[playlist.ID]int64{} // last revision ever
	alive := map[playlist.ID]bool{}
	rapid.Check(t, func(rt *rapid.T) {
		id := playlist.ID(rapid.SampledFrom([]string{"a", "b", "ký", "d-1"}).Draw(rt, "id"))
		rev := rapid.Int64Range(0, 4).Draw(rt, "rev")
		remove := rapid.Bool().Draw(rt, "delete")
		if rapid.Bool().Draw(rt, "right") && alive[id] {
			rev = revs[id]
		}
		err := s.Write(ctx, func(tx central.Tx) error {
			if remove {
				return tx.Delete(ctx, central.Layouts, id, rev, Now, "")
			}
			_, err := tx.Put(ctx, central.Doc{Kind: central.Layouts, ID: id, Rev: rev, At: Now})
			return err
		})
		want := alive[id] && rev == revs[id] || !alive[id] && rev == 0 && !remove
		if (err == nil) != want {
			rt.Fatalf("id %s rev %d delete %t: %v; it is alive %t at %d", id, rev, remove, err, alive[id], revs[id])
		}
		if err == nil {
			revs[id]++
			alive[id] = !remove
		}
	})
	for id, rev := range revs {
		err := s.Read(ctx, func(r central.Reader) error {
			all, err := r.History(ctx, central.Layouts, id)
			if int64(len(all)) != rev {
				t.Errorf("%s: %d revisions kept of %d", id, len(all), rev)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
