package trust_test

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"pgregory.net/rapid"

	"cotmoc/hub/feed"
	"cotmoc/hub/trust"
	"cotmoc/hub/trust/trusttest"
)

var day = 24 * time.Hour
var now = time.Date(2027, 3, 1, 8, 0, 0, 0, time.UTC)

func head(scope string, n int64) []byte {
	sum := feed.Sum(nil).Catalogue()
	raw, _ := json.Marshal(feed.Head{Format: feed.Format, Scope: scope, Number: n, Catalogue: sum, Buckets: feed.Ref{SHA256: sum}, Snapshot: feed.Ref{SHA256: sum}, Parts: feed.Ref{SHA256: sum}})
	return raw
}

// world is a repository with content, and a machine that has accepted it.
func world(t testing.TB) (*trusttest.Repo, trust.State) {
	r := trusttest.New(t, now, "p-ls", "p-ld")
	r.Head("vn", 1, head("vn", 1))
	r.Head("p-ls", 1, head("p-ls", 1))
	r.Publish()
	s, err := trust.Begin(r.Files["1.root.json"])
	r.Must(err)
	s, e, err := s.Refresh(t.Context(), r, now, nil)
	r.Must(err)
	if e.Ministry != "vn" || e.Heads["p-ls"].Number != 1 || len(e.Heads) != 2 || len(e.Assigners) != 1 || e.Number != 2 || !e.IssuedAt.Equal(now) {
		t.Fatalf("%+v", e)
	}
	if _, err := e.Heads["p-ls"].Head(head("p-ls", 1)); err != nil {
		t.Fatal(err)
	}
	return r, s
}

func TestRefresh(t *testing.T) {
	r, s := world(t)
	again, e, err := s.Refresh(t.Context(), r, now, []string{"vn"})
	if err != nil || len(e.Heads) != 1 || !slices.Equal(e.Scopes, []string{"vn", "p-ls"}) {
		t.Errorf("only the ministry: %+v %v", e, err)
	}
	if len(again.Roles) != 1 {
		t.Errorf("roles that were not wanted are kept: %v", slices.Collect(maps.Keys(again.Roles)))
	}
	r.Head("p-ld", 1, head("p-ld", 1))
	r.Publish()
	s, e, err = s.Refresh(t.Context(), r, now, nil)
	if err != nil || len(e.Heads) != 3 || e.Number != 3 {
		t.Errorf("%+v %v", e, err)
	}
	kept, err := s.Edition(nil)
	if err != nil || kept.Number != 3 || len(kept.Heads) != 3 {
		t.Errorf("from what is kept: %+v %v", kept, err)
	}
}

// The attacks that TUF knows, each against a machine that has accepted an edition.
// None changes what it holds, and it takes the next honest edition.
func TestAttacks(t *testing.T) {
	for name, attack := range map[string]func(r *trusttest.Repo){
		"rollback of the timestamp": func(r *trusttest.Repo) { r.Jump(0, 0); r.Publish() },
		"rollback of a role": func(r *trusttest.Repo) {
			r.Put("p-ls", 0, r.Signed["p-ls"])
			raw, err := trust.MakeTargets(trust.Content{Version: 0, At: now, Life: day, Head: trust.TargetOf("p-ls", 1, head("p-ls", 1))})
			r.Put("p-ls", 0, r.Sign(raw, err, r.With("p-ls")...))
			r.Publish()
		},
		"a role leaves the snapshot": func(r *trusttest.Repo) { delete(r.Signed, "p-ls"); r.Publish() },
		"freeze":                     func(r *trusttest.Repo) { r.Now = now.Add(-40 * day); r.Publish() },
		"mix and match": func(r *trusttest.Repo) {
			raw, err := trust.MakeTargets(trust.Content{Version: 1, At: now, Life: day, Head: trust.TargetOf("p-ls", 9, head("p-ls", 9))})
			r.Publish()
			r.Files["1.p-ls.json"] = r.Sign(raw, err, r.With("p-ls")...) // signed, but not what the snapshot names
			r.Signed["p-ls"] = nil
			forget = true
		},
		"wrong province": func(r *trusttest.Repo) {
			raw, err := trust.MakeTargets(trust.Content{Version: 2, At: now, Life: day, Head: trust.TargetOf("p-ld", 7, head("p-ld", 7))})
			r.Put("p-ls", 2, r.Sign(raw, err, r.With("p-ls")...))
			r.Publish()
		},
		"a province in the ministry's name": func(r *trusttest.Repo) {
			raw, err := trust.MakeTargets(trust.Content{Version: 2, At: now, Life: day, Head: trust.TargetOf("vn", 7, head("vn", 7))})
			r.Put("p-ls", 2, r.Sign(raw, err, r.With("p-ls")...))
			r.Publish()
		},
		"the emergency role publishes an edition": func(r *trusttest.Repo) {
			raw, err := trust.MakeTargets(trust.Content{Version: 1, At: now, Life: day, Head: trust.TargetOf("vn", 7, head("vn", 7))})
			r.Put(trust.Emergency, 1, r.Sign(raw, err, r.With(trust.Emergency)...))
			r.Publish()
		},
		"one key of two signs the ministry's": func(r *trusttest.Repo) {
			raw, err := trust.MakeTargets(trust.Content{Version: 9, At: now, Life: day, Head: trust.TargetOf("vn", 9, head("vn", 9))})
			r.Put(trust.Targets, 9, r.Sign(raw, err, r.Keys[trust.Targets][0]))
			r.Publish()
		},
		"one key counts twice": func(r *trusttest.Repo) {
			raw, err := trust.MakeTargets(trust.Content{Version: 9, At: now, Life: day, Head: trust.TargetOf("vn", 9, head("vn", 9))})
			signed := r.Sign(raw, err, r.Keys[trust.Targets][0])
			unhashed(r, trust.Targets, 9, []byte(strings.Replace(string(signed), `"signatures":[`, `"signatures":[`+between(string(signed), `"signatures":[`, "]")+",", 1)))
		},
		"a stranger signs": func(r *trusttest.Repo) {
			r.Keys[trust.Timestamp] = []ed25519.PrivateKey{trusttest.Key("stranger")}
			r.Stamp()
		},
		"a root of strangers": func(r *trusttest.Repo) {
			r.Keys[trust.Root] = []ed25519.PrivateKey{trusttest.Key("a"), trusttest.Key("b"), trusttest.Key("c")}
			r.Rotate()
		},
		"a root that skips a version": func(r *trusttest.Repo) {
			old := r.With(trust.Root)
			r.Rotate(old...)
			r.Rotate(old...)
			r.Files["2.root.json"] = r.Files["3.root.json"]
			delete(r.Files, "3.root.json")
		},
		"two heads": func(r *trusttest.Repo) {
			raw, err := trust.MakeTargets(trust.Content{Version: 2, At: now, Life: day, Head: trust.TargetOf("p-ls", 7, head("p-ls", 7))})
			r.Must(err)
			raw = []byte(strings.Replace(string(raw), `"p-ls/7/head.json":{`, `"p-ls/8/head.json":{"length":1,"hashes":{"sha256":"`+strings.Repeat("0", 64)+`"}},"p-ls/7/head.json":{`, 1))
			r.Put("p-ls", 2, r.Sign(raw, nil, r.With("p-ls")...))
			r.Publish()
		},
		"rubbish":                  func(r *trusttest.Repo) { r.Files["timestamp.json"] = []byte("<html>please sign in</html>") },
		"nothing":                  func(r *trusttest.Repo) { r.Files["timestamp.json"] = nil },
		"a snapshot with no roles": func(r *trusttest.Repo) { clear(r.Signed); r.Publish() },
	} {
		t.Run(name, func(t *testing.T) {
			r, s := world(t)
			honest := *r
			honest.Files, honest.Signed, honest.Keys = maps.Clone(r.Files), maps.Clone(r.Signed), maps.Clone(r.Keys)
			forget = false
			attack(r)
			before := s
			if forget {
				s.Roles = nil
			}
			after, e, err := s.Refresh(t.Context(), r, now, nil)
			if err == nil { // one role is wrong: the others go on, and it stays as it was
				if e.Heads["vn"].Number != 1 || !forget && e.Heads["p-ls"].Number != 1 || e.Heads["p-ls"].Number > 1 || e.Emergency != nil || len(e.Heads) > 2 {
					t.Fatalf("it was taken: %+v", e)
				}
				honest = *r // the hub goes on from there
			} else if !errors.Is(err, trust.ErrRefused) && !errors.Is(err, trust.ErrExpired) {
				t.Errorf("it is neither refused nor expired: %v", err)
			}
			if err != nil && string(after.Snapshot) != string(before.Snapshot) {
				t.Error("the state changed")
			}
			honest.Head("p-ls", 20, head("p-ls", 20))
			honest.Publish()
			if _, e, err = after.Refresh(t.Context(), &honest, now, nil); err != nil || e.Heads["p-ls"].Number != 20 {
				t.Errorf("the next honest edition: %+v %v", e, err)
			}
		})
	}
}

// unhashed publishes a role by a snapshot that names its version only.
func unhashed(r *trusttest.Repo, role string, version int64, raw []byte) {
	r.Files[fmt.Sprintf("%d.%s.json", version, role)] = raw
	snapshot, err := metadata.Snapshot().FromBytes(r.Signed[trust.Snapshot])
	r.Must(err)
	snapshot.Signed.Version++
	snapshot.Signed.Meta[role+".json"] = metadata.MetaFile(version)
	snapshot.ClearSignatures()
	plain, err := snapshot.ToBytes(false)
	r.Signed[trust.Snapshot] = r.Sign(plain, err, r.With(trust.Snapshot)...)
	r.Files[fmt.Sprintf("%d.snapshot.json", snapshot.Signed.Version)] = r.Signed[trust.Snapshot]
	r.Stamp()
}

var forget bool

func between(s, from, to string) string {
	_, rest, _ := strings.Cut(s, from)
	in, _, _ := strings.Cut(rest, to)
	return in
}

// A machine that slept through three rotations follows them one by one, and a
// thief of the online keys who drove the numbers to the end is got rid of with
// new keys.
func TestRotations(t *testing.T) {
	r, s := world(t)
	r.Jump(math.MaxInt32, math.MaxInt32)
	r.Publish()
	stuck, _, err := s.Refresh(t.Context(), r, now, nil)
	r.Must(err)
	for n := range 3 {
		old := r.With(trust.Root)
		r.Keys[trust.Root] = []ed25519.PrivateKey{trusttest.Key(fmt.Sprint("r", n, 0)), trusttest.Key(fmt.Sprint("r", n, 1)), trusttest.Key(fmt.Sprint("r", n, 2))}
		r.Keys[trust.Timestamp] = []ed25519.PrivateKey{trusttest.Key(fmt.Sprint("t", n))}
		r.Keys[trust.Snapshot] = []ed25519.PrivateKey{trusttest.Key(fmt.Sprint("s", n))}
		r.Rotate(old...)
	}
	r.Jump(10, 10)
	r.Head("vn", 2, head("vn", 2))
	r.Publish()
	for name, from := range map[string]trust.State{"before the theft": s, "after it": stuck} {
		got, e, err := from.Refresh(t.Context(), r, now, nil)
		if err != nil || e.Root != 4 || e.Heads["vn"].Number != 2 || e.Number != 11 || got.RootVersion() != 4 {
			t.Errorf("%s: %+v %v", name, e, err)
		}
	}
}

// All metadata expired two months ago: nothing new is taken, what was accepted
// stays, and fresh metadata is taken again.
func TestExpired(t *testing.T) {
	r, s := world(t)
	later := now.Add(3 * 365 * day)
	kept, _, err := s.Refresh(t.Context(), r, later, nil)
	if !errors.Is(err, trust.ErrExpired) {
		t.Fatalf("%v", err)
	}
	if e, err := kept.Edition(nil); err != nil || e.Number != 2 {
		t.Errorf("what was accepted: %+v %v", e, err)
	}
	r.Now = later
	for _, role := range []string{"vn", "p-ls"} {
		r.Head(role, 5, head(role, 5))
	}
	r.Publish()
	if _, e, err := kept.Refresh(t.Context(), r, later.Add(60*day-day*30), nil); err != nil || e.Heads["vn"].Number != 5 {
		t.Errorf("%+v %v", e, err)
	}
	// A clock that stands at the floor takes them as well.
	if _, _, err := s.Refresh(t.Context(), r, time.Unix(0, 0), nil); err != nil {
		t.Errorf("a clock of 1970: %v", err)
	}
}

// Whatever bytes of whichever file are changed, nothing is taken that was not
// signed.
func TestFlippedBits(t *testing.T) {
	r, s := world(t)
	r.Head("p-ls", 2, head("p-ls", 2))
	r.Publish()
	want, _, err := s.Refresh(t.Context(), r, now, nil)
	r.Must(err)
	names := slices.Sorted(maps.Keys(r.Files))
	rapid.Check(t, func(t *rapid.T) {
		bad := *r
		bad.Files = maps.Clone(r.Files)
		name := rapid.SampledFrom(names).Draw(t, "file")
		raw := slices.Clone(bad.Files[name])
		at := rapid.IntRange(0, len(raw)-1).Draw(t, "at")
		raw[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		bad.Files[name] = raw
		got, e, err := s.Refresh(t.Context(), &bad, now, nil)
		stays := err == nil && e.Aside["p-ls"] != nil && e.Heads["p-ls"].Number == 1 // what was accepted before
		if err == nil && !stays && (e.Heads["p-ls"].Number != 2 || e.Number != 3) {
			t.Fatalf("%s at %d: %+v", name, at, e)
		}
		if name == "2.p-ls.json" { // asked for by name it is no other's
			if _, _, err := s.Refresh(t.Context(), &bad, now, []string{"vn", "p-ls"}); err == nil {
				t.Fatalf("%s at %d is taken", name, at)
			}
		}
		if err != nil && string(got.Snapshot) == string(want.Snapshot) {
			t.Fatalf("an error changed the state: %v", err)
		}
	})
}

func TestHolders(t *testing.T) {
	a, _ := trust.Public(trusttest.Key("a"))
	b, _ := trust.Public(trusttest.Key("b"))
	for name, h := range map[string]trust.Holders{"none": {Threshold: 1}, "too many": {Keys: []trust.Key{a}, Threshold: 2}, "zero": {Keys: []trust.Key{a}}, "twice": {Keys: []trust.Key{a, b, a}, Threshold: 2}} {
		if _, err := trust.MakeTargets(trust.Content{Version: 1, At: now, Life: day, Delegates: map[string]trust.Holders{"p-ls": h}}); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	r, _ := world(t)
	h, ok, err := trust.HoldersOf(r.Signed[trust.Targets], "p-ls")
	if err != nil || !ok || len(h.Keys) != 2 || h.Threshold != 1 {
		t.Errorf("%+v %v", h, err)
	}
	signed, err := trust.Signers(r.Signed["p-ls"], h.Keys)
	if err != nil || len(signed) != 1 || signed[0].ID != h.Keys[0].ID {
		t.Errorf("%+v %v", signed, err)
	}
	if _, ok, _ := trust.HoldersOf(r.Signed[trust.Root], "p-ls"); ok {
		t.Error("the root names a province")
	}
	if err := trust.Chained(r.Signed[trust.Root], r.Signed[trust.Root]); err == nil {
		t.Error("a root follows itself")
	}
}

func TestKeys(t *testing.T) {
	for _, pass := range []string{"", "bảy con ngựa"} {
		pub, file, err := trust.NewKey(pass)
		if err != nil {
			t.Fatal(err)
		}
		key, err := trust.ReadKey(file, pass)
		if err != nil || trust.Locked(file) != (pass != "") {
			t.Fatal(err)
		}
		if got, _ := trust.Public(key); got.ID != pub.ID {
			t.Error("another key came back")
		}
		if pass == "" {
			continue
		}
		for _, wrong := range []string{"", "x"} {
			if _, err := trust.ReadKey(file, wrong); err == nil {
				t.Errorf("passphrase %q opened it", wrong)
			}
		}
	}
	for _, bad := range []string{"", "x", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"} {
		if _, err := trust.ReadKey([]byte(bad), ""); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if _, err := trust.ParsePublicKey("00"); err == nil {
		t.Error("two digits are a key")
	}
}

func TestSeal(t *testing.T) {
	key := trusttest.Key("hub")
	pub, _ := trust.Public(key)
	e, err := trust.Seal(feed.WhatTime, feed.Time{Nonce: "n"}, key)
	if err != nil {
		t.Fatal(err)
	}
	var got feed.Time
	if err := trust.Open(feed.WhatTime, e, []trust.Key{pub}, &got); err != nil || got.Nonce != "n" {
		t.Errorf("%+v %v", got, err)
	}
	other, _ := trust.Public(trusttest.Key("other"))
	relabelled := e
	relabelled.What = feed.WhatAssignment
	changed := e
	changed.Body = []byte(`{"nonce":"m"}`)
	if trust.Open(feed.WhatTime, e, []trust.Key{other}, &got) == nil || trust.Open(feed.WhatAssignment, e, []trust.Key{pub}, &got) == nil ||
		trust.Open(feed.WhatAssignment, relabelled, []trust.Key{pub}, &got) == nil || trust.Open(feed.WhatTime, changed, []trust.Key{pub}, &got) == nil {
		t.Error("a seal was taken for another")
	}
}

func TestWords(t *testing.T) {
	seen := map[string]bool{}
	for n := range 256 {
		w := trust.Words([]byte{byte(n)})
		if len(w) != 8 || seen[strings.Join(w, " ")] {
			t.Fatalf("%v", w)
		}
		seen[strings.Join(w, " ")] = true
	}
	if slices.Equal(trust.Words([]byte("ab"), []byte("c")), trust.Words([]byte("a"), []byte("bc"))) {
		t.Error("where one part ends does not count")
	}
}

// 34 provinces are more than go-tuf's updater visits by default; our way to a role
// does not search.
func TestThirtyFourProvinces(t *testing.T) {
	var all []string
	for n := range 34 {
		all = append(all, fmt.Sprintf("p-%02d", n))
	}
	r := trusttest.New(t, now, all...)
	for _, p := range all {
		r.Head(p, 1, head(p, 1))
	}
	r.Publish()
	s, err := trust.Begin(r.Files["1.root.json"])
	r.Must(err)
	_, e, err := s.Refresh(t.Context(), r, now, []string{"p-33"})
	if err != nil || len(e.Heads) != 1 || len(e.Scopes) != 34 {
		t.Errorf("%+v %v", e, err)
	}
	t.Logf("timestamp %d B, snapshot %d B, targets %d B, province %d B", len(r.Signed[trust.Timestamp]), len(r.Signed[trust.Snapshot]), len(r.Signed[trust.Targets]), len(r.Signed["p-33"]))
}

// Whatever a line delivers in place of each file, nothing is believed that was not
// signed.
func FuzzRefresh(f *testing.F) {
	r, s := world(f)
	r.Head("p-ls", 2, head("p-ls", 2))
	r.Publish()
	names := slices.Sorted(maps.Keys(r.Files))
	for n, name := range names {
		f.Add(n, r.Files[name])
	}
	f.Fuzz(func(t *testing.T, n int, raw []byte) {
		bad := *r
		bad.Files = maps.Clone(r.Files)
		bad.Files[names[uint(n)%uint(len(names))]] = raw
		if _, e, err := s.Refresh(t.Context(), &bad, now, nil); err == nil && (e.Heads["p-ls"].Number > 2 || e.Heads["vn"].Number != 1) {
			t.Errorf("%+v", e)
		}
	})
}

// One role's time is over, for nobody of a province signed for long: everything else
// goes on being accepted, and the role stands as it was.
func TestOneQuietRole(t *testing.T) {
	r, s := world(t)
	r.Role(trust.Emergency, trust.TargetOf(trust.Emergency, 1, []byte("x")))
	r.Publish()
	s, _, err := s.Refresh(t.Context(), r, now, nil)
	r.Must(err)
	later := now.Add(trust.TargetsLife + day)
	r.Now = later
	r.Head("vn", 2, head("vn", 2))
	r.Publish()
	s, e, err := s.Refresh(t.Context(), r, later, nil)
	if err != nil || e.Heads["vn"].Number != 2 || e.Heads["p-ls"].Number != 1 || e.Emergency == nil {
		t.Fatalf("%+v %v", e, err)
	}
	if e, err = s.Edition(nil); err != nil || len(e.Heads) != 2 {
		t.Errorf("from what is kept: %+v %v", e, err)
	}
	// A machine that never saw the role takes the rest.
	fresh, err := trust.Begin(r.Files["1.root.json"])
	r.Must(err)
	fresh, e, err = fresh.Refresh(t.Context(), r, later, nil)
	if err != nil || e.Heads["vn"].Number != 2 || len(e.Heads) != 1 {
		t.Errorf("%+v %v", e, err)
	}
	if e, err = fresh.Edition(nil); err != nil || len(e.Heads) != 1 {
		t.Errorf("from what it kept: %+v %v", e, err)
	}
}
