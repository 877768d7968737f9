package desk

import (
	"crypto/ed25519"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"cotmoc/hub/edition"
	"cotmoc/hub/feed"
	"cotmoc/hub/server/central"
	"cotmoc/hub/trust"
	"cotmoc/playlist"
	"cotmoc/playlist/resolve"
)

// signs makes a world's hub sign whatever waits, with keys of its own.
type signs struct {
	*world
	held map[string]ed25519.PrivateKey
}

func newSigns(t *testing.T) *signs {
	t.Helper()
	s := &signs{world: newWorld(t), held: map[string]ed25519.PrivateKey{}}
	roles := map[string]trust.Holders{trust.Root: s.holder(trust.Root), trust.Targets: s.holder(trust.Targets)}
	online := OnlineKeys{Snapshot: s.signer(trust.Snapshot), Timestamp: s.signer(trust.Timestamp), Assignment: s.signer(trust.Assignment)}
	s.ok(second(s.StartTrust(t.Context(), s.console, roles, online)))
	s.sign()
	s.ok(s.Delegate(t.Context(), s.console, map[string]trust.Holders{"ls": s.holder("ls"), "lc": s.holder("lc"), trust.Emergency: s.holder(trust.Emergency)}))
	s.sign()
	return s
}

func second[T any](_ T, err error) error { return err }

func (s *signs) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *signs) signer(role string) ed25519.PrivateKey {
	if s.held[role] == nil {
		_, key, err := ed25519.GenerateKey(nil)
		s.ok(err)
		s.held[role] = key
	}
	return s.held[role]
}

func (s *signs) holder(role string) trust.Holders {
	k, err := trust.Public(s.signer(role))
	s.ok(err)
	return trust.Holders{Keys: []trust.Key{k}, Threshold: 1}
}

// sign prepares and signs until nothing waits that there is a key for.
func (s *signs) sign() {
	s.t.Helper()
	for range 5 {
		s.ok(s.Prepare(s.t.Context()))
		all, err := s.Requests(s.t.Context())
		s.ok(err)
		for _, q := range all {
			raw, err := trust.Sign(q.Raw, s.signer(q.Role))
			s.ok(err)
			sigs, err := trust.Signatures(raw)
			s.ok(err)
			for _, sig := range sigs {
				s.ok(second(s.AddSignature(s.t.Context(), s.console, q.Role, q.Version, sig)))
			}
		}
		if len(all) == 0 {
			return
		}
	}
}

// said is what the signed emergency document says: notices, and withdrawn versions.
func (s *signs) said() (notices []playlist.Notice, withdrawn []string) {
	s.t.Helper()
	s.sign()
	var e feed.Emergency
	s.ok(s.Store.Read(s.t.Context(), func(r central.Reader) error {
		_, m, err := load(s.t.Context(), r, central.Signed, trust.Emergency)
		if err != nil || m.Head == nil {
			return err
		}
		return json.Unmarshal(m.Head, &e)
	}))
	for _, raw := range e.Notices {
		var n playlist.Notice
		s.ok(json.Unmarshal(raw, &n))
		notices = append(notices, n)
	}
	return notices, e.Withdrawn
}

// shown resolves what a gate that holds the signed edition and the emergency document
// shows at an instant.
func (s *signs) shown(at time.Time) playlist.ID {
	s.t.Helper()
	notices, _ := s.said()
	known := map[playlist.ID]bool{}
	var q resolve.Question
	for _, n := range notices {
		known[n.ID] = true
		q.Notices = append(q.Notices, resolve.Notice{Notice: n})
	}
	heads, err := s.SignedHeads(s.t.Context())
	s.ok(err)
	s.ok(s.Store.Read(s.t.Context(), func(r central.Reader) error {
		delete(heads, trust.Emergency)
		for scope, number := range heads {
			rows, err := rowsOfEdition(s.t.Context(), r, scope, number)
			if err != nil {
				return err
			}
			cat, err := edition.Catalogue(rows)
			if err != nil {
				return err
			}
			for _, n := range cat.Notices {
				if !known[n.ID] {
					q.Notices = append(q.Notices, resolve.Notice{Notice: n})
				}
			}
		}
		return nil
	}))
	q.At = at
	set, err := resolve.Compile(nil, nil, time.UTC)
	s.ok(err)
	a := set.Resolve(q)
	if a.Notice == nil {
		return ""
	}
	return a.Notice.ID
}

func (s *signs) alert(id playlist.ID, lasts time.Duration, cancels ...playlist.ID) playlist.Notice {
	return playlist.Notice{ID: id, Owner: "ls", Severity: "extreme", Starts: s.now, Ends: s.now.Add(lasts), Cancels: cancels,
		Bodies: map[playlist.Language]playlist.Body{"vi": {Title: "Lũ", Text: string(id)}}}
}

// A notice that was cancelled stays out of everything that is signed, whatever is
// published, edited or deleted after the one that cancelled it has ended.
func TestCancelledNoticeIsNeverSignedAgain(t *testing.T) {
	for name, after := range map[string]func(*signs){
		"another notice": func(s *signs) { s.put(s.officer, central.Notices, "c", s.alert("c", time.Second)) },
		"a publication":  func(s *signs) { s.publish("ls") },
		"a publication, and another notice": func(s *signs) {
			s.publish("ls")
			s.put(s.officer, central.Notices, "c", s.alert("c", time.Second))
		},
		"its canceller deleted": func(s *signs) { s.ok(s.remove(s.officer, central.Notices, "b")) },
		"both deleted": func(s *signs) {
			s.ok(s.remove(s.officer, central.Notices, "b"))
			s.ok(s.remove(s.officer, central.Notices, "a"))
		},
		"prolonged": func(s *signs) {
			a := s.alert("a", 2*time.Hour)
			a.Starts = a.Starts.Add(-time.Minute)
			s.put(s.officer, central.Notices, "a", a)
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, published := range []bool{false, true} {
				s := newSigns(t)
				s.put(s.officer, central.Notices, "a", s.alert("a", 30*time.Minute))
				if published {
					s.publish("ls")
				}
				if got := s.shown(s.now); got != "a" {
					t.Fatalf("it shows %q", got)
				}
				s.now = s.now.Add(time.Minute)
				s.put(s.officer, central.Notices, "b", s.alert("b", 20*time.Second, "a"))
				if got := s.shown(s.now); got != "b" {
					t.Fatalf("it shows %q, not b", got)
				}
				s.now = s.now.Add(time.Minute)
				after(s)
				for range 3 {
					s.now = s.now.Add(time.Minute)
					if got := s.shown(s.now); got != "" {
						t.Errorf("published before: %v; it shows %q", published, got)
					}
					s.publish("ls")
				}
				s.now = s.now.Add(3 * time.Hour) // nothing of it matters any more
				s.publish("ls")
				if notices, _ := s.said(); len(notices) != 0 {
					t.Errorf("it is still said: %v", notices)
				}
			}
		})
	}
}

func (w *world) remove(by Caller, kind central.Kind, id playlist.ID) error {
	doc, err := w.Get(w.t.Context(), kind, id)
	if err != nil {
		return err
	}
	return w.Delete(w.t.Context(), by, kind, id, doc.Rev)
}

// A notice that is deleted while it runs is ended on machines that hold it in a signed
// edition, and at once.
func TestDeletedNoticeEnds(t *testing.T) {
	s := newSigns(t)
	s.put(s.officer, central.Notices, "a", s.alert("a", time.Hour))
	s.publish("ls")
	s.sign()
	for len(s.Changed()) > 0 {
		<-s.Changed()
	}
	s.ok(s.remove(s.officer, central.Notices, "a"))
	if len(s.Changed()) == 0 {
		t.Error("it waits for the next minute")
	}
	s.now = s.now.Add(time.Second)
	if got := s.shown(s.now); got != "" {
		t.Errorf("it shows %q", got)
	}
}

// What took effect is not taken back by an edit.
func TestCancellingIsNotEditedAway(t *testing.T) {
	s := newSigns(t)
	s.put(s.officer, central.Notices, "a", s.alert("a", time.Hour))
	s.put(s.officer, central.Notices, "b", s.alert("b", time.Minute, "a"))
	s.now = s.now.Add(time.Second)
	for name, n := range map[string]playlist.Notice{"it cancels nothing": s.alert("b", time.Minute), "it begins later": func() playlist.Notice {
		n := s.alert("b", time.Minute, "a")
		n.Starts, n.Ends = n.Starts.Add(time.Hour), n.Ends.Add(time.Hour)
		return n
	}()} {
		if _, err := s.try(s.officer, central.Notices, "b", n); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
}

// An edition that was published while the clock was ahead keeps no later notice and no
// later withdrawal back.
func TestNoticesAfterAClockAhead(t *testing.T) {
	s := newSigns(t)
	right := s.now
	s.now = right.AddDate(1, 0, 0)
	s.planned()
	s.publish("ls")
	s.sign()
	s.now = right
	s.put(s.officer, central.Notices, "a", s.alert("a", time.Hour))
	if got := s.shown(s.now); got != "a" {
		t.Errorf("it shows %q", got)
	}
	var version playlist.ID
	s.ok(s.Store.Read(t.Context(), func(r central.Reader) error {
		docs, err := r.List(t.Context(), central.Query{Kind: central.Versions, States: []string{string(playlist.Published)}})
		if len(docs) > 0 {
			version = docs[0].ID
		}
		return err
	}))
	_, err := s.Withdraw(t.Context(), s.console, version, s.rev(version), "wrong")
	s.ok(err)
	if _, withdrawn := s.said(); !slices.Equal(withdrawn, []string{string(version)}) {
		t.Errorf("withdrawn: %v", withdrawn)
	}
}

// roles that wait for signatures.
func (s *signs) waits() (out []string) {
	s.t.Helper()
	s.ok(s.Prepare(s.t.Context()))
	all, err := s.Requests(s.t.Context())
	s.ok(err)
	for _, q := range all {
		out = append(out, q.Role)
	}
	slices.Sort(out)
	return out
}

// signOne signs what waits of one role with the key that is known for it.
func (s *signs) signOne(role string) {
	s.t.Helper()
	all, err := s.Requests(s.t.Context())
	s.ok(err)
	for _, q := range all {
		if q.Role != role {
			continue
		}
		raw, err := trust.Sign(q.Raw, s.signer(role))
		s.ok(err)
		sigs, err := trust.Signatures(raw)
		s.ok(err)
		s.ok(second(s.AddSignature(s.t.Context(), s.console, role, q.Version, sigs[len(sigs)-1])))
		return
	}
	s.t.Fatalf("%s does not wait", role)
}

// believed says whether the newest signed metadata of a role is signed by who holds it.
func (s *signs) believed(role string) (good bool) {
	s.t.Helper()
	s.ok(s.Store.Read(s.t.Context(), func(r central.Reader) error {
		_, m, err := load(s.t.Context(), r, central.Signed, role)
		if err != nil {
			return err
		}
		h, _, err := holders(s.t.Context(), r, role)
		if err != nil {
			return err
		}
		good, err = verified(m.Raw, h)
		return err
	}))
	return good
}

// When a role gets other keys, what it signed is asked for again, and its new holders may
// sign before the change takes effect, so that nothing is missing in between.
func TestKeysReplaced(t *testing.T) {
	for _, role := range []string{"ls", trust.Emergency, trust.Targets} {
		for _, early := range []bool{false, true} {
			s := newSigns(t)
			s.planned()
			s.put(s.officer, central.Notices, "a", s.alert("a", time.Hour))
			s.publish("ls")
			s.sign()
			delete(s.held, role)
			above := trust.Targets
			if role == trust.Targets {
				above = trust.Root
				online := OnlineKeys{Snapshot: s.signer(trust.Snapshot), Timestamp: s.signer(trust.Timestamp), Assignment: s.signer(trust.Assignment)}
				s.ok(second(s.StartTrust(t.Context(), s.console, map[string]trust.Holders{trust.Targets: s.holder(trust.Targets)}, online)))
			} else {
				s.ok(s.Delegate(t.Context(), s.console, map[string]trust.Holders{role: s.holder(role)}))
			}
			if got := s.waits(); !slices.Contains(got, role) || !slices.Contains(got, above) {
				t.Fatalf("%s: what waits is %v", role, got)
			}
			if early {
				s.signOne(role)
				if !slices.Contains(s.waits(), role) {
					t.Errorf("%s holds before its keys are trusted", role)
				}
			}
			s.signOne(above)
			if !early {
				if role == trust.Targets { // the root waits as well: under it alone no notice would go out
					if !s.believed(role) || !slices.Contains(s.waits(), trust.Root) {
						t.Error("a root holds whose ministry has not signed")
					}
				} else if s.believed(role) || !slices.Contains(s.waits(), role) {
					t.Errorf("%s: it waits for no signature of its new keys", role)
				}
				s.signOne(role)
			}
			if !s.believed(role) || slices.Contains(s.waits(), role) {
				t.Errorf("%s, signed early: %v: it is not signed by its new keys", role, early)
			}
			if got := s.shown(s.now); got != "a" {
				t.Errorf("%s: the notice is lost", role)
			}
		}
	}
}

// A publication that no key will ever sign says so, changed or not.
func TestPublicationOfAScopeThatNobodyHolds(t *testing.T) {
	s := newSigns(t)
	s.ok(s.Delegate(t.Context(), s.console, map[string]trust.Holders{"lc": {}}))
	s.sign()
	for range 2 {
		if p := s.publish("lc"); !p.Unheld {
			t.Errorf("%+v", p)
		}
		if p := s.publish("ls"); p.Unheld {
			t.Errorf("%+v", p)
		}
	}
	if w := newWorld(t); !w.publish("ls").Unheld {
		t.Error("a hub without a root says nothing")
	}
}
