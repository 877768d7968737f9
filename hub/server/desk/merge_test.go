package desk

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/rights"
	"cotmoc/hub/trust"
	"cotmoc/playlist"
)

// ownScreen gives the commune a screen of its own; the gate below it has one already.
func (s *signs) ownScreen() {
	s.put(s.console, central.Displays, "d-dd", playlist.Display{ID: "d-dd", Place: "dd", Width: 1920, Height: 1080})
}

func (s *signs) row(kind central.Kind, id playlist.ID) (doc central.Doc, was aim) {
	s.t.Helper()
	doc, err := s.Get(s.t.Context(), kind, id)
	if !errors.Is(err, central.ErrNotFound) {
		s.ok(err)
		s.ok(json.Unmarshal(doc.Body, &was))
	}
	return doc, was
}

// A commune with a screen of its own is merged into its province: every office can publish,
// in any order, and both screens show what they showed.
func TestMergerKeepsScreens(t *testing.T) {
	for name, m := range map[string]Move{"closed": {Place: "dd", Close: true}, "merged": {Place: "dd", To: "ls", Merge: true}} {
		for _, by := range []string{"schedules", "defaults"} {
			t.Run(name+" "+by, func(t *testing.T) {
				s, device := moving(t)
				s.ownScreen()
				for _, id := range []playlist.ID{"of-ls", "s1"} { // only its own row reaches them
					s.ok(s.Delete(t.Context(), s.console, central.Schedules, id, s.docRev(central.Schedules, id)))
				}
				if by == "defaults" {
					s.ok(s.Delete(t.Context(), s.console, central.Schedules, "of-dd", s.docRev(central.Schedules, "of-dd")))
					doc, err := s.Get(t.Context(), central.Places, "dd")
					s.ok(err)
					p, err := central.Decode[playlist.Place](doc)
					s.ok(err)
					p.Defaults = map[playlist.Layer]playlist.ID{playlist.Main: "own"}
					s.put(s.console, central.Places, "dd", p)
				}
				for _, scope := range []playlist.ID{"ls", "vn"} {
					s.publish(scope)
					s.sign()
				}
				want := s.plays(device, "d1")
				if len(want) == 0 || !slices.Equal(s.plays(device, "d-dd"), want) {
					t.Fatalf("before they show %v and %v", want, s.plays(device, "d-dd"))
				}
				s.planMove(s.console, m)
				for _, scope := range []playlist.ID{"ls", "lc", "vn", "ls"} {
					if _, err := s.Publish(t.Context(), s.console, []playlist.ID{scope}, false); err != nil {
						t.Fatalf("%s cannot publish: %v", scope, err)
					}
					s.sign()
					for _, display := range []playlist.ID{"d1", "d-dd"} {
						if got := s.plays(device, display); !slices.Equal(got, want) {
							t.Errorf("%s published: %s shows %v, want %v", scope, display, got, want)
						}
					}
				}
			})
		}
	}
}

// What a row is meant for after a merger: the same screens, never more than that.
func TestAimOfAMerger(t *testing.T) {
	for name, c := range map[string]struct {
		own  bool // the commune has a screen of its own
		was  aim
		want aim
		gone bool
	}{
		"the commune":                   {false, aim{Places: []playlist.ID{"dd"}}, aim{Places: []playlist.ID{"hn"}}, false},
		"the commune, with a screen":    {true, aim{Places: []playlist.ID{"dd"}}, aim{Displays: []playlist.ID{"d-dd", "d1"}}, false},
		"the commune and another":       {false, aim{Places: []playlist.ID{"dd", "bx"}}, aim{Places: []playlist.ID{"bx", "hn"}}, false},
		"screens, which alone count":    {true, aim{Places: []playlist.ID{"dd"}, Displays: []playlist.ID{"d1"}}, aim{Displays: []playlist.ID{"d1"}}, false},
		"the province, as it was":       {true, aim{Places: []playlist.ID{"ls"}}, aim{Places: []playlist.ID{"ls"}}, false},
		"a gate of it, as it was":       {true, aim{Places: []playlist.ID{"hn"}}, aim{Places: []playlist.ID{"hn"}}, false},
		"another commune with no gates": {false, aim{Places: []playlist.ID{"empty"}}, aim{Places: []playlist.ID{"empty"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := moving(t)
			s.put(s.console, central.Places, "empty", playlist.Place{ID: "empty", Parent: "ls", Kind: playlist.Commune, Names: playlist.Names{"vi": "x"}})
			if c.own {
				s.ownScreen()
			}
			s.put(s.console, central.Schedules, "row", playlist.Schedule{ID: "row", Owner: "vn", Playlist: "own", Always: true, Priority: 1, Places: c.was.Places, Displays: c.was.Displays})
			s.planMove(s.console, Move{Place: "dd", Close: true})
			_, got := s.row(central.Schedules, "row")
			slices.Sort(got.Displays)
			if !slices.Equal(got.Places, c.want.Places) || !slices.Equal(got.Displays, c.want.Displays) {
				t.Errorf("meant for %+v, want %+v", got, c.want)
			}
		})
	}
	// Meant for a commune without any screen: it ends with it, and its office is told.
	s, _ := moving(t)
	s.put(s.console, central.Places, "empty", playlist.Place{ID: "empty", Parent: "ls", Kind: playlist.Commune, Names: playlist.Names{"vi": "x"}})
	s.put(s.console, central.Schedules, "row", playlist.Schedule{ID: "row", Owner: "vn", Playlist: "own", Always: true, Priority: 1, Places: []playlist.ID{"empty"}})
	if m := s.planMove(s.console, Move{Place: "empty", Close: true}); m.State != MoveDone {
		t.Errorf("%+v", m)
	}
	if doc, _ := s.row(central.Schedules, "row"); doc.Rev != 0 {
		t.Errorf("it is meant for %s", doc.Body)
	}
	told, err := s.Messages(t.Context(), s.console, "vn")
	s.ok(err)
	if len(told) != 1 || told[0].Code != "target-gone" || told[0].Row != "row" {
		t.Errorf("told: %+v", told)
	}
}

// A place does not go up in another while a notice is in force for it; a planned closing
// waits for its end.
func TestNoticeHoldsAMerger(t *testing.T) {
	for _, n := range []playlist.Notice{{Owner: "dd"}, {Owner: "ls", Places: []playlist.ID{"dd"}}} {
		s, _ := moving(t)
		planned := s.planMove(s.console, Move{Place: "dd", Close: true, On: moveOn})
		s.now = moveBegin.Add(-time.Minute)
		n.ID, n.Severity, n.Starts, n.Ends = "flood", playlist.Extreme, s.now, s.now.Add(time.Hour)
		n.Bodies = map[playlist.Language]playlist.Body{"vi": {Title: "Lũ", Text: "Lũ về"}}
		s.put(s.officer, central.Notices, "flood", n)
		pre, err := s.PreviewMove(t.Context(), s.console, Move{Place: "dd", Close: true})
		s.ok(err)
		if _, err := s.MovePlace(t.Context(), s.console, Move{Place: "dd", Close: true}, pre.Seen); playlist.CodeOf(err) != playlist.CodeRefused {
			t.Errorf("closed at once: %v", err)
		}
		for range 2 {
			s.now = s.now.Add(10 * time.Minute)
			s.ok(s.ApplyMoves(t.Context()))
		}
		all, err := s.PlannedMoves(t.Context())
		s.ok(err)
		doc, was := s.row(central.Notices, "flood")
		if s.parentOf("dd") != "ls" || all[0].State != MovePlanned || !strings.Contains(all[0].Why, "in force") || doc.Owner != n.Owner || !slices.Equal(was.Places, n.Places) {
			t.Errorf("the notice is of %s for %v; %+v", doc.Owner, was.Places, all)
		}
		s.now = s.now.Add(time.Hour)
		s.ok(s.ApplyMoves(t.Context()))
		if s.parentOf("dd") != "gone" || all[0].ID != planned.ID {
			t.Errorf("it was not closed after the end of the notice: %+v", all)
		}
	}
}

// On its day a closing goes by where the place lies then, and by a clock that is believed.
func TestClosingOnItsDay(t *testing.T) {
	s, _ := moving(t)
	s.planMove(s.console, Move{Place: "dd", Close: true, On: moveOn})
	s.put(s.console, central.Places, "dd", playlist.Place{ID: "dd", Parent: "lc", Kind: playlist.Commune, Names: playlist.Names{"vi": "Đồng Đăng"}})
	mono := time.Minute
	s.Clock = NewWatch(func() time.Time { return s.now }, func() time.Duration { return mono }, nil)
	right := s.now
	s.now = moveBegin.AddDate(1, 0, 0)
	if s.Clock.Check() == nil {
		t.Fatal("the clock is believed")
	}
	s.ok(s.ApplyMoves(t.Context()))
	if s.parentOf("dd") != "lc" {
		t.Error("it was closed by a clock that is not believed")
	}
	s.now = moveBegin.Add(time.Minute)
	mono += s.now.Sub(right)
	s.Clock = NewWatch(func() time.Time { return s.now }, func() time.Duration { return mono }, nil)
	s.ok(s.ApplyMoves(t.Context()))
	if s.parentOf("dd") != "gone" || s.parentOf("hn") != "lc" {
		t.Errorf("dd lies under %s, its gate under %s", s.parentOf("dd"), s.parentOf("hn"))
	}
}

// Machines go on with the screens and the PIN that they had; a new place of the same name
// gets neither.
func TestMachinesOfAClosedPlace(t *testing.T) {
	s, device := moving(t)
	s.ownScreen()
	s.put(s.console, central.Displays, "d-ls", playlist.Display{ID: "d-ls", Place: "ls", Width: 1920, Height: 1080})
	enrol := func(place playlist.ID, key byte) playlist.ID {
		p, err := s.Invite(t.Context(), s.console, place, nil)
		s.ok(err)
		p, err = s.Ask(t.Context(), string(place), append(make([]byte, 31), key), nil, p.Code)
		s.ok(err)
		return p.Device
	}
	machines := []playlist.ID{device, enrol("dd", 1), enrol("ls", 2)}
	s.ok(second(s.SetPIN(t.Context(), s.console, "dd", "739164")))
	said := func() (displays [][]string, pins []bool) {
		for _, id := range machines {
			a, err := s.Assignment(t.Context(), id)
			s.ok(err)
			displays, pins = append(displays, a.Displays), append(pins, a.PIN != "")
		}
		return displays, pins
	}
	displays, pins := said()
	s.planMove(s.console, Move{Place: "dd", Close: true})
	after, pinsAfter := said()
	for n, id := range machines {
		if !slices.Equal(displays[n], after[n]) || pins[n] != pinsAfter[n] {
			t.Errorf("%s: %v, PIN %v; before %v, %v", id, after[n], pinsAfter[n], displays[n], pins[n])
		}
	}
	s.put(s.console, central.Places, "dd", playlist.Place{ID: "dd", Parent: "lc", Kind: playlist.Commune, Names: playlist.Names{"vi": "x"}})
	s.ok(s.Store.Read(t.Context(), func(r central.Reader) error {
		places, err := s.places(t.Context(), r)
		s.ok(err)
		pin, err := pinOf(t.Context(), r, places, Device{Place: "dd"})
		if pin != "" {
			t.Error("a new place has the PIN of the one that closed")
		}
		return err
	}))
}

// What comes to a place while it closes goes the way of the rest; a gate closes by its facts.
func TestLateComersOfAClosedPlace(t *testing.T) {
	s, _ := moving(t)
	s.planMove(s.console, Move{Place: "ls", Close: true})
	late := s.person("moi-den", "ls", rights.Author)
	s.ok(s.ApplyMoves(t.Context()))
	s.publish("vn")
	s.sign()
	s.ok(s.ApplyMoves(t.Context()))
	if s.parentOf("ls") != "gone" {
		all, err := s.PlannedMoves(t.Context())
		t.Errorf("it stays: %+v, %v", all, err)
	}
	if doc, _ := s.row(central.Accounts, late.Account); doc.Owner != "vn" {
		t.Errorf("the account is of %s", doc.Owner)
	}
	if _, err := s.PreviewMove(t.Context(), s.console, Move{Place: "hn", Close: true}); playlist.CodeOf(err) != playlist.CodeRefused {
		t.Errorf("a gate went up in a commune: %v", err)
	}
}

// What is no move is not planned: a second one of a place, one to where it lies, one on a
// day that has passed.
func TestMovesThatAreNone(t *testing.T) {
	s, _ := moving(t)
	planned := s.planMove(s.console, Move{Place: "dd", To: "lc", On: moveOn})
	for name, c := range map[string]struct {
		m    Move
		code playlist.Code
	}{
		"a second one":          {Move{Place: "dd", Close: true}, playlist.CodeRefused},
		"to where it lies":      {Move{Place: "hn", To: "dd"}, playlist.CodeRefused},
		"on a day that is over": {Move{Place: "hn", To: "bx", On: playlist.DateOf(s.now).Add(-2)}, playlist.CodeInvalid},
	} {
		pre, err := s.PreviewMove(t.Context(), s.console, c.m)
		if err == nil {
			_, err = s.MovePlace(t.Context(), s.console, c.m, pre.Seen)
		}
		if playlist.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.ok(s.CancelMove(t.Context(), s.console, planned.ID))
	s.planMove(s.console, Move{Place: "dd", Close: true})
	if s.parentOf("dd") != "gone" {
		t.Error("it was not closed after the other plan was cancelled")
	}
}

// Another person's planned move that fails is no answer to who moves a place now.
func TestOthersMoveFails(t *testing.T) {
	s, _ := moving(t)
	s.put(s.console, central.Places, "lc2", playlist.Place{ID: "lc2", Parent: "vn", Kind: playlist.Province, Names: playlist.Names{"vi": "x"}})
	s.planMove(s.console, Move{Place: "bx", To: "lc2", On: moveOn})
	s.ok(s.Delete(t.Context(), s.console, central.Places, "lc2", s.docRev(central.Places, "lc2")))
	s.now = moveBegin.Add(time.Second)
	pre, err := s.PreviewMove(t.Context(), s.console, Move{Place: "dd", To: "lc"})
	s.ok(err)
	if _, err := s.MovePlace(t.Context(), s.console, Move{Place: "dd", To: "lc"}, pre.Seen); err != nil || s.parentOf("dd") != "lc" {
		t.Errorf("it lies under %s: %v", s.parentOf("dd"), err)
	}
}

// Nothing is signed whose edition is not written, also where a delegation takes its head
// along; what was signed before may be signed for again though its files have gone.
func TestNothingUnwrittenIsSigned(t *testing.T) {
	s, _ := moving(t)
	before, err := s.SignedHeads(t.Context())
	s.ok(err)
	s.Written = func(string, int64) bool { return false }
	s.put(s.console, central.Displays, "d-vn", playlist.Display{ID: "d-vn", Place: "vn", Width: 1920, Height: 1080})
	s.publish("vn")
	try := func() (errs []error) {
		s.ok(s.Prepare(t.Context()))
		all, err := s.Requests(t.Context())
		s.ok(err)
		for _, q := range all {
			raw, err := trust.Sign(q.Raw, s.signer(q.Role))
			s.ok(err)
			sigs, err := trust.Signatures(raw)
			s.ok(err)
			for _, sig := range sigs {
				errs = append(errs, second(s.AddSignature(t.Context(), s.console, q.Role, q.Version, sig)))
			}
		}
		return errs
	}
	unwritten := func(err error) bool { return errors.Is(err, ErrWriting) }
	if errs := try(); !slices.ContainsFunc(errs, unwritten) {
		t.Errorf("signed: %v", errs)
	}
	s.ok(s.Delegate(t.Context(), s.console, map[string]trust.Holders{"ls": s.holder("ls2"), "lc": s.holder("lc"), trust.Emergency: s.holder(trust.Emergency)}))
	try()
	if now, err := s.SignedHeads(t.Context()); err != nil || now["vn"] != before["vn"] {
		t.Errorf("edition %d of vn was signed, %v", now["vn"], err)
	}
	s.Written = nil
	try()
	s.Written = func(string, int64) bool { return false }
	s.now = s.now.Add(trust.TargetsLife - 24*time.Hour)
	if errs := try(); slices.ContainsFunc(errs, unwritten) || len(errs) == 0 {
		t.Errorf("what was signed before is not signed for again: %v", errs)
	}
}
