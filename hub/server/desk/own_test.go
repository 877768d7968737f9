package desk

import (
	"errors"
	"testing"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/rights"
	"cotmoc/playlist"
)

// A password that an administrator sets opens nothing: it is changed at its first use, and
// what takes its place is known to the person alone.
func TestFirstPassword(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	a, err := w.AddAccount(ctx, w.ministry, Account{Login: "mai", Name: "Mai", Place: "ls"}, "lần đầu thì khác")
	if err != nil {
		t.Fatal(err)
	}
	const own = "thác bản giốc 41"
	for fresh, want := range map[string]error{"": ErrFirst, "lần đầu thì khác": nil, "1234567890": nil} {
		token, err := w.SignInFirst(ctx, "mai", "lần đầu thì khác", "", fresh, "10.0.0.1")
		if err == nil || token != "" || want != nil && !errors.Is(err, want) {
			t.Errorf("with %q as one's own: %q, %v", fresh, token, err)
		}
	}
	if _, err := w.SignInFirst(ctx, "mai", "lần đầu thì khác", "", own, "10.0.0.1"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.SignIn(ctx, "mai", "lần đầu thì khác", "", "10.0.0.1"); !errors.Is(err, ErrSignIn) {
		t.Errorf("the first password still counts: %v", err)
	}
	if _, err := w.SignIn(ctx, "mai", own, "", "10.0.0.1"); err != nil {
		t.Errorf("one's own does not: %v", err)
	}
	doc, _, _ := w.Account(ctx, a.ID)
	again := "lần hai lại khác nữa"
	if _, err := w.ChangeAccount(ctx, w.ministry, a.ID, doc.Rev, AccountChange{Password: &again}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.SignIn(ctx, "mai", again, "", "10.0.0.1"); !errors.Is(err, ErrFirst) {
		t.Errorf("a reset password: %v", err)
	}
}

func TestOwnSessions(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.withPassword("lan")
	other := w.withPassword("mai")
	here, err1 := w.SignIn(ctx, "lan", secretPhrase, "", "10.0.0.1")
	there, err2 := w.SignIn(ctx, "lan", secretPhrase, "", "10.0.0.2")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	by, err := w.Caller(ctx, here)
	if err != nil {
		t.Fatal(err)
	}
	all, err := w.Sessions(ctx, by, here)
	if err != nil || len(all) != 2 {
		t.Fatalf("%+v %v", all, err)
	}
	for _, s := range all {
		if s.This != (s.From == "10.0.0.1") {
			t.Errorf("%+v", s)
		}
		if s.This {
			continue
		}
		if err := w.EndSession(ctx, Caller{Account: other.ID, Login: "mai"}, s.ID); !errors.Is(err, central.ErrNotFound) {
			t.Errorf("another's session: %v", err)
		}
		if err := w.EndSession(ctx, by, s.ID); err != nil {
			t.Error(err)
		}
	}
	if _, err := w.Caller(ctx, there); !errors.Is(err, ErrSession) {
		t.Errorf("the session that was ended: %v", err)
	}
	if _, err := w.Caller(ctx, here); err != nil {
		t.Errorf("the other session: %v", err)
	}
}

func TestLastAdministrator(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	grants, err := w.List(ctx, central.Query{Kind: central.Grants, Parent: w.ministry.Account, Limit: 9}, "")
	if err != nil || len(grants.Docs) == 0 {
		t.Fatal(err)
	}
	var top playlist.ID
	for _, doc := range grants.Docs {
		if g, _ := central.Decode[rights.Grant](doc); g.Role == rights.Administrator && g.Place == "vn" {
			top = g.ID
		}
	}
	doc, _, _ := w.Account(ctx, w.ministry.Account)
	yes := true
	w.code("the last one's role", w.RemoveGrant(ctx, w.ministry, top), playlist.CodeRefused)
	_, err = w.ChangeAccount(ctx, w.ministry, w.ministry.Account, doc.Rev, AccountChange{Disabled: &yes})
	w.code("the last one disabled", err, playlist.CodeRefused)
	w.person("second", "vn", rights.Administrator)
	if err := w.RemoveGrant(ctx, w.ministry, top); err != nil {
		t.Errorf("with a second: %v", err)
	}
}
