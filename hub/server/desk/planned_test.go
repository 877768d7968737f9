package desk

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/rights"
	"cotmoc/playlist"
)

// moveOn is the day of the moves that are planned here, and the instant at which it begins.
var (
	moveOn    = playlist.Date{Year: 2027, Month: 1, Day: 10}
	moveBegin = time.Date(2027, 1, 9, 17, 0, 0, 0, time.UTC)
)

func (s *signs) planMove(by Caller, m Move) PlannedMove {
	s.t.Helper()
	pre, err := s.PreviewMove(s.t.Context(), by, m)
	s.ok(err)
	s.ok(second(s.MovePlace(s.t.Context(), by, m, pre.Seen)))
	all, err := s.PlannedMoves(s.t.Context())
	s.ok(err)
	return all[0]
}

func (s *signs) parentOf(id playlist.ID) playlist.ID {
	s.t.Helper()
	p, err := s.Place(s.t.Context(), id)
	if errors.Is(err, central.ErrNotFound) {
		return "gone"
	}
	s.ok(err)
	return p.Parent
}

// What stops a planned move before its day, or on it.
func TestPlannedMoveStops(t *testing.T) {
	for name, c := range map[string]struct {
		stop  func(s *signs, admin Caller, m PlannedMove)
		state MoveState
		why   string
	}{
		"nothing": {func(*signs, Caller, PlannedMove) {}, MoveDone, ""},
		"cancelled by who planned it": {func(s *signs, admin Caller, m PlannedMove) {
			s.ok(s.CancelMove(s.t.Context(), admin, m.ID))
			if err := s.CancelMove(s.t.Context(), admin, m.ID); playlist.CodeOf(err) != playlist.CodeRefused {
				s.t.Errorf("cancelled twice: %v", err)
			}
		}, MoveCancelled, ""},
		"cancelled by somebody without the right": {func(s *signs, _ Caller, m PlannedMove) {
			s.refused("an administrator of one end", s.CancelMove(s.t.Context(), s.person("mot-dau", "ls", rights.Administrator), m.ID))
			s.refused("an author", s.CancelMove(s.t.Context(), s.person("nguoi-viet", "vn", rights.Author), m.ID))
		}, MoveDone, ""},
		"the planner lost the right": {func(s *signs, admin Caller, _ PlannedMove) {
			s.ok(s.RemoveGrant(s.t.Context(), s.console, admin.Grants[0].ID))
		}, MoveFailed, "no right"},
		"the planner is disabled": {func(s *signs, admin Caller, _ PlannedMove) {
			doc, err := s.Get(s.t.Context(), central.Accounts, admin.Account)
			s.ok(err)
			yes := true
			s.ok(second(s.ChangeAccount(s.t.Context(), s.console, admin.Account, doc.Rev, AccountChange{Disabled: &yes})))
		}, MoveFailed, "disabled"},
		"the other place has gone": {func(s *signs, _ Caller, _ PlannedMove) {
			doc, err := s.Get(s.t.Context(), central.Places, "lc2")
			s.ok(err)
			s.ok(s.Delete(s.t.Context(), s.console, central.Places, "lc2", doc.Rev))
		}, MoveFailed, "does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := moving(t)
			s.put(s.console, central.Places, "lc2", playlist.Place{ID: "lc2", Parent: "vn", Kind: playlist.Province, Names: playlist.Names{"vi": "Lào Cai"}})
			admin := s.person("quan-tri", "vn", rights.Administrator)
			m := s.planMove(admin, Move{Place: "dd", To: "lc2", On: moveOn})
			if m.State != MovePlanned || !m.Begins.Equal(moveBegin) || m.Account != admin.Account {
				t.Errorf("planned: %+v", m)
			}
			c.stop(s, admin, m)
			s.now = moveBegin.Add(time.Minute)
			err := s.ApplyMoves(t.Context())
			if failed := c.state == MoveFailed; (err != nil) != failed {
				t.Errorf("applied: %v", err)
			}
			s.ok(s.ApplyMoves(t.Context())) // it is not tried again
			all, err := s.PlannedMoves(t.Context())
			s.ok(err)
			want := playlist.ID("ls")
			if c.state == MoveDone {
				want = "lc2"
			}
			if len(all) != 1 || all[0].State != c.state || !strings.Contains(all[0].Why, c.why) || s.parentOf("dd") != want {
				t.Errorf("it lies under %s; %+v", s.parentOf("dd"), all)
			}
			told, err := s.Messages(t.Context(), s.console, "vn")
			s.ok(err)
			if (c.state == MoveFailed) != slices.ContainsFunc(told, func(m Message) bool { return m.Code == "move-failed" }) {
				t.Errorf("told %+v", told)
			}
		})
	}
}

// A commune closes: its gate, displays, machine and content go to the province, the machine
// plays on, and the commune is deleted with the rights at it.
func TestPlaceCloses(t *testing.T) {
	s, device := moving(t)
	holder := s.person("can-bo-xa", "dd", rights.Author)
	s.ok(second(s.Invite(t.Context(), s.console, "dd", nil)))
	want := s.plays(device, "d1")
	if _, err := s.PreviewMove(t.Context(), s.console, Move{Place: "dd", To: "lc", Close: true}); playlist.CodeOf(err) != playlist.CodeInvalid {
		t.Errorf("closed into another province: %v", err)
	}
	if _, err := s.PreviewMove(t.Context(), s.console, Move{Place: "vn", Close: true}); !errors.Is(err, central.ErrNotFound) {
		t.Errorf("the ministry was closed: %v", err)
	}
	_, err := s.PreviewMove(t.Context(), s.person("quan-tri-xa", "dd", rights.Administrator), Move{Place: "dd", Close: true})
	s.refused("an administrator of the commune alone", err)
	m := s.planMove(s.console, Move{Place: "dd", Close: true, Source: "1191/QĐ-TTg"})
	if m.State != MoveDone || m.To != "ls" || !m.Merge {
		t.Fatalf("%+v", m)
	}
	if s.parentOf("dd") != "gone" || s.parentOf("hn") != "ls" {
		t.Errorf("dd lies under %s, hn under %s", s.parentOf("dd"), s.parentOf("hn"))
	}
	s.ok(s.Store.Read(t.Context(), func(r central.Reader) error {
		grants, err := grantsOf(t.Context(), r, holder.Account)
		if len(grants) != 0 {
			t.Errorf("rights at the closed commune: %v", grants)
		}
		return err
	}))
	for _, scope := range []playlist.ID{"ls", "vn"} {
		if got := s.plays(device, "d1"); !slices.Equal(got, want) {
			t.Errorf("it plays %v, want %v", got, want)
		}
		s.publish(scope)
		s.sign()
	}
	if got := s.plays(device, "d1"); !slices.Equal(got, want) {
		t.Errorf("after all it plays %v, want %v", got, want)
	}
}

// A province that closes stays until the editions that its machines need are signed.
func TestProvinceCloses(t *testing.T) {
	s, device := moving(t)
	want := s.plays(device, "d1")
	m := s.planMove(s.console, Move{Place: "ls", Close: true})
	if m.State != MoveClosing || s.parentOf("ls") != "vn" || s.parentOf("dd") != "vn" {
		t.Fatalf("%+v; ls lies under %s, dd under %s", m, s.parentOf("ls"), s.parentOf("dd"))
	}
	s.ok(s.ApplyMoves(t.Context()))
	if s.parentOf("ls") == "gone" {
		t.Error("it was deleted while its machines need its edition")
	}
	if all, err := s.PlannedMoves(t.Context()); err != nil || !strings.Contains(all[0].Why, "not signed yet") {
		t.Errorf("what it waits for: %+v, %v", all, err)
	}
	s.publish("vn")
	s.sign()
	s.ok(s.ApplyMoves(t.Context()))
	if s.parentOf("ls") != "gone" {
		t.Error("it was not deleted")
	}
	if got := s.plays(device, "d1"); !slices.Equal(got, want) {
		t.Errorf("it plays %v, want %v", got, want)
	}
}
