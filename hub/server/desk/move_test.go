package desk

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cotmoc/hub/edition"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/rights"
	"cotmoc/playlist"
)

// plays lists what may play on a display of a machine: what the scopes that it is assigned
// have signed, joined as the machine joins them.
func (s *signs) plays(device, display playlist.ID) (out []string) {
	s.t.Helper()
	a, err := s.Assignment(s.t.Context(), device)
	s.ok(err)
	heads, err := s.SignedHeads(s.t.Context())
	s.ok(err)
	var scopes []edition.Scoped
	s.ok(s.Store.Read(s.t.Context(), func(r central.Reader) error {
		for _, id := range a.Scopes {
			rows, err := rowsOfEdition(s.t.Context(), r, playlist.ID(id), heads[playlist.ID(id)])
			if err != nil {
				return err
			}
			cat, err := edition.Catalogue(rows)
			if err != nil {
				return err
			}
			scopes = append(scopes, edition.Scoped{Scope: playlist.ID(id), Rows: cat})
		}
		return nil
	}))
	c, _, _, err := edition.Union("vn", scopes)
	s.ok(err)
	d, ok := c.Displays[display]
	if !ok {
		return nil
	}
	for item := range itemsOf(c, d) {
		for _, v := range c.Versions[item] {
			out = append(out, string(item)+" "+v.Title)
		}
	}
	slices.Sort(out)
	return out
}

// moving is a commune with a gate, a display, a machine and content: some of its own, some
// that leans on its province's.
func moving(t *testing.T) (*signs, playlist.ID) {
	s := newSigns(t)
	s.planned() // an item of dd, a list and a schedule of ls
	s.put(s.console, central.Items, "shared", playlist.Item{ID: "shared", Owner: "ls", Kind: playlist.Bulletin, Class: "bulletin"})
	author := s.person("tac-gia", "ls", rights.Author)
	id := s.draft(author, playlist.Version{Item: "shared", Language: "vi"})
	s.submit(author, id)
	s.ok(second(s.Approve(t.Context(), s.reviewer, id, s.rev(id))))
	s.put(s.console, central.Playlists, "own", playlist.Playlist{ID: "own", Owner: "dd", Entries: []playlist.Entry{{Item: "i1"}, {Item: "shared"}}})
	s.put(s.console, central.Schedules, "of-dd", playlist.Schedule{ID: "of-dd", Owner: "dd", Playlist: "own", Always: true, Priority: 10})
	s.put(s.console, central.Schedules, "of-ls", playlist.Schedule{ID: "of-ls", Owner: "ls", Playlist: "p1", Always: true, Priority: 10, Places: []playlist.ID{"hn"}})
	for _, scope := range []playlist.ID{"vn", "lc", "ls"} {
		s.publish(scope)
	}
	s.sign()
	p, err := s.Invite(t.Context(), s.console, "hn", nil)
	s.ok(err)
	p, err = s.Ask(t.Context(), "x", make([]byte, 32), nil, p.Code)
	s.ok(err)
	return s, p.Device
}

// A commune moves with content, others' schedules and a live machine. Each office
// publishes and signs when it likes, in every order, and none of it is refused because of
// another's; the machine shows right content all the while, and takes the notices of both.
func TestCommuneMoves(t *testing.T) {
	orders := [][]playlist.ID{{"ls", "lc", "vn"}, {"lc", "ls", "vn"}, {"vn", "lc", "ls"}, {"vn", "ls", "lc"}, {"ls", "ls", "lc", "ls"}, {"lc", "lc", "vn", "ls"}}
	for _, order := range orders {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			s, device := moving(t)
			want := []string{"i1 Giờ mở cửa", "shared Giờ mở cửa"}
			if got := s.plays(device, "d1"); !slices.Equal(got, want) {
				t.Fatalf("before it plays %v", got)
			}
			m := Move{Place: "dd", To: "lc", Source: "202/2025/QH15"}
			pre, err := s.PreviewMove(t.Context(), s.console, m)
			s.ok(err)
			if len(pre.Places) != 2 || !slices.Equal(pre.Machines, []playlist.ID{device}) || pre.From != "ls" || pre.Scope != "lc" || len(pre.Naming) != 1 || pre.Naming[0].ID != "of-ls" {
				t.Errorf("%+v", pre)
			}
			if _, err := s.MovePlace(t.Context(), s.console, m, "something else"); playlist.CodeOf(err) != playlist.CodeRefused {
				t.Errorf("it was moved unseen: %v", err)
			}
			s.ok(second(s.MovePlace(t.Context(), s.console, m, pre.Seen)))
			for step, scope := range order {
				if _, err := s.Publish(t.Context(), s.console, []playlist.ID{scope}, false); err != nil {
					t.Fatalf("step %d, %s: %v", step, scope, err)
				}
				for _, signed := range []bool{false, true} {
					if signed {
						s.sign()
					}
					if got := s.plays(device, "d1"); !slices.Equal(got, want) {
						t.Errorf("step %d, %s published, signed: %v: it plays %v", step, scope, signed, got)
					}
				}
				a, err := s.Assignment(t.Context(), device)
				s.ok(err)
				if !slices.Equal(a.Above, []string{"dd", "lc", "vn"}) {
					t.Errorf("above it: %v", a.Above)
				}
			}
		})
	}
}

// A move is planned for a day, and happens on it.
func TestMoveOnItsDay(t *testing.T) {
	s, _ := moving(t)
	m := Move{Place: "dd", To: "lc", On: playlist.Date{Year: 2027, Month: 1, Day: 10}}
	pre, err := s.PreviewMove(t.Context(), s.console, m)
	s.ok(err)
	s.ok(second(s.MovePlace(t.Context(), s.console, m, pre.Seen)))
	place := func() playlist.Place {
		doc, err := s.Get(t.Context(), central.Places, "dd")
		s.ok(err)
		p, err := central.Decode[playlist.Place](doc)
		s.ok(err)
		return p
	}
	s.now = time.Date(2027, 1, 9, 16, 59, 59, 0, time.UTC) // a second before midnight at the place
	s.ok(s.ApplyMoves(t.Context()))
	if p := place(); p.Parent != "ls" {
		t.Errorf("it moved before its day: %+v", p)
	}
	s.now = s.now.Add(time.Second)
	s.ok(s.ApplyMoves(t.Context()))
	s.ok(s.ApplyMoves(t.Context()))
	if p := place(); p.Parent != "lc" || len(p.History) != 1 || p.History[0].On != m.On {
		t.Errorf("%+v", p)
	}
}

// docRev is the revision of a row.
func (w *world) docRev(kind central.Kind, id playlist.ID) int64 {
	w.t.Helper()
	doc, err := w.Get(w.t.Context(), kind, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return doc.Rev
}

// A move needs the right at both ends.
func TestWhoMoves(t *testing.T) {
	s, _ := moving(t)
	here := s.person("admin-ls", "ls", rights.Administrator)
	there := s.person("admin-lc", "lc", rights.Administrator)
	for name, by := range map[string]Caller{"who loses it": here, "who gets it": there, "an author": s.editor} {
		_, err := s.PreviewMove(t.Context(), by, Move{Place: "dd", To: "lc"})
		s.refused(name, err)
	}
}

// Another office's row that dangles, is too large for its display, or stands twice keeps
// nobody from publishing; one's own new row that would not count does.
func TestOthersFaultsHinderNobody(t *testing.T) {
	s := newSigns(t)
	s.planned()
	for _, scope := range []playlist.ID{"vn", "lc", "ls"} {
		s.publish(scope)
	}
	s.ok(s.Store.Write(t.Context(), func(tx central.Tx) error { // what an earlier hub let through
		doc := central.Doc{Kind: central.Schedules, ID: "dangling", Owner: "lc", At: s.now}
		s.ok(doc.Encode(playlist.Schedule{ID: "dangling", Owner: "lc", Playlist: "gone", Always: true}))
		_, err := tx.Put(t.Context(), doc)
		return err
	}))
	if _, err := s.Publish(t.Context(), s.console, []playlist.ID{"lc"}, false); playlist.CodeOf(err) != playlist.CodeInvalid || !strings.Contains(err.Error(), "dangling") {
		t.Errorf("one's own new row that dangles: %v", err)
	}
	// Once it stands in an edition, it is told of and hinders nobody.
	rows := playlist.Rows{Format: playlist.Format, Places: []playlist.Place{{ID: "bx", Parent: "lc", Kind: playlist.Commune, Names: playlist.Names{"vi": "bx"}}},
		Displays:  []playlist.Display{{ID: "d9", Place: "bx", Width: 100, Height: 100, QuotaMB: 1}, {ID: "d1", Place: "bx", Width: 100, Height: 100}},
		Schedules: []playlist.Schedule{{ID: "dangling", Owner: "lc", Playlist: "gone", Always: true}}}
	s.ok(s.Store.Write(t.Context(), func(ctx central.Tx) error {
		places, err := s.places(t.Context(), ctx)
		s.ok(err)
		x := &tx{Tx: ctx, ctx: t.Context(), d: s.Desk, by: s.console, tree: places, now: s.now}
		raw, err := edition.Rows(rows)
		s.ok(err)
		_, err = x.addEdition(Publication{Scope: "lc"}, raw, nil)
		return err
	}))
	s.put(s.console, central.Displays, "d9", rows.Displays[0])
	for _, scope := range []playlist.ID{"vn", "ls", "lc"} {
		p, err := s.Publish(t.Context(), s.console, []playlist.ID{scope}, false)
		if err != nil {
			t.Fatalf("%s: %v", scope, err)
		}
		of := func(all []Held) bool {
			return slices.ContainsFunc(all, func(h Held) bool { return h.ID == "dangling" && h.Scope == "lc" })
		}
		if scope == "vn" && !of(p[0].Others) || scope == "lc" && !of(p[0].Held) {
			t.Errorf("%s says nothing of it: %+v", scope, p[0])
		}
	}
	if _, err := NewPlans(s.Desk).View(t.Context(), true); err != nil {
		t.Errorf("the published plan: %v", err)
	}
	if _, err := NewPlans(s.Desk).Unpublished(t.Context()); err != nil {
		t.Errorf("what is not published: %v", err)
	}
	// A damaged row of one office's keeps nobody else from publishing.
	s.ok(s.Store.Write(t.Context(), func(tx central.Tx) error {
		_, err := tx.Put(t.Context(), central.Doc{Kind: central.Playlists, ID: "broken", Owner: "lc", Body: []byte(`{"id":7}`), At: s.now})
		return err
	}))
	if _, err := s.Publish(t.Context(), s.console, []playlist.ID{"ls"}, false); err != nil {
		t.Errorf("another's damaged row: %v", err)
	}
}

// What others use is deleted only after asking, and they are told.
func TestDeletingWhatOthersUse(t *testing.T) {
	s, _ := moving(t)
	s.put(s.console, central.Schedules, "of-lc", playlist.Schedule{ID: "of-lc", Owner: "lc", Playlist: "p1", Always: true, Priority: 10})
	rev := s.docRev(central.Playlists, "p1")
	err := s.Delete(t.Context(), s.publisher, central.Playlists, "p1", rev)
	if used, ok := errors.AsType[*InUseError](err); !ok || len(used.Uses) < 2 {
		t.Fatalf("it does not say who uses it: %v", err)
	}
	s.ok(s.DeleteUsed(t.Context(), s.publisher, central.Playlists, "p1", rev))
	told, err := s.Messages(t.Context(), s.console, "lc")
	s.ok(err)
	if len(told) != 1 || told[0].Kind != central.Schedules || told[0].Row != "of-lc" || told[0].Code != "deleted" {
		t.Errorf("the other office is told %+v", told)
	}
	for _, scope := range []playlist.ID{"lc", "ls", "vn"} {
		if _, err := s.Publish(t.Context(), s.console, []playlist.ID{scope}, false); scope != "lc" && err != nil {
			t.Errorf("%s cannot publish: %v", scope, err)
		}
	}
}
