package desk

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"cotmoc/hub/server/audit"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/rights"
	"cotmoc/playlist"
)

const secretPhrase = "một mật khẩu dài"

func (w *world) withPassword(login string) Account {
	w.t.Helper()
	a, err := w.AddAccount(w.t.Context(), w.console, Account{Login: login, Name: "Nguyễn Thị Lan", Place: "ls"}, secretPhrase)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func TestSignIn(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	a := w.withPassword("Lan@mt.gov.vn")
	if a.Login != "lan@mt.gov.vn" {
		t.Errorf("login %q", a.Login)
	}
	token, err := w.SignIn(ctx, " LAN@mt.gov.vn", secretPhrase, "", "10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	by, err := w.Caller(ctx, token)
	if err != nil || by.Account != a.ID || by.Login != a.Login || len(by.Grants) != 0 {
		t.Errorf("%+v %v", by, err)
	}
	if _, err := w.AddGrant(ctx, w.ministry, rights.Grant{Account: a.ID, Role: rights.Author, Place: "ls"}); err != nil {
		t.Fatal(err)
	}
	if by, _ = w.Caller(ctx, token); len(by.Grants) != 1 {
		t.Error("a new grant does not hold at once")
	}
	if err := w.RemoveGrant(ctx, w.ministry, by.Grants[0].ID); err != nil {
		t.Fatal(err)
	}
	if by, _ = w.Caller(ctx, token); len(by.Grants) != 0 {
		t.Error("a grant that was taken away still holds")
	}
	if err := w.SignOut(ctx, by, token); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{token, "", "x", strings.Repeat("y", 52), strings.Repeat("z", 1000)} {
		if _, err := w.Caller(ctx, bad); !errors.Is(err, ErrSession) {
			t.Errorf("%.10q: %v", bad, err)
		}
	}
	for _, try := range [][2]string{{"lan@mt.gov.vn", "wrong"}, {"nobody", secretPhrase}, {"", ""}, {"console", secretPhrase}, {"editor", ""}} {
		if _, err := w.SignIn(ctx, try[0], try[1], "", "10.0.0.9"); !errors.Is(err, ErrSignIn) {
			t.Errorf("%v: %v", try, err)
		}
		if last := w.lastAudit(); last.Act != "sign in" || last.Outcome != audit.Failed || strings.Contains(string(last.Detail), secretPhrase) {
			t.Errorf("%v: %+v", try, last)
		}
	}
}

func TestSessionsEnd(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	a := w.withPassword("lan")
	sign := func() string {
		token, err := w.SignIn(ctx, "lan", secretPhrase, "", "x")
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	alive := func(token string) bool { _, err := w.Caller(ctx, token); return err == nil }
	idle := sign()
	w.now = w.now.Add(SessionIdle)
	if !alive(idle) {
		t.Error("an hour to the second is too much")
	}
	w.now = w.now.Add(SessionIdle + time.Millisecond)
	if alive(idle) {
		t.Error("an idle session lives on")
	}
	busy := sign()
	for begin := w.now; w.now.Sub(begin) < SessionLife-10*time.Minute; w.now = w.now.Add(9 * time.Minute) {
		if !alive(busy) {
			t.Fatalf("a busy session ended after %v", w.now.Sub(begin))
		}
	}
	w.now = w.now.Add(20 * time.Minute)
	if alive(busy) {
		t.Error("a session lives longer than it may")
	}
	changed := sign()
	doc, _, err := w.Account(ctx, a.ID)
	if err != nil || doc.Body != nil {
		t.Errorf("an account was handed out with its secrets: %s %v", doc.Body, err)
	}
	fresh := "một mật khẩu khác"
	shown, err := w.ChangeAccount(ctx, w.ministry, a.ID, doc.Rev, AccountChange{Password: &fresh})
	own := "và một của riêng lan"
	if err != nil || strings.Contains(string(shown.Body), "argon2id") {
		t.Fatalf("%s %v", shown.Body, err)
	}
	if alive(changed) {
		t.Error("a session outlives its password")
	}
	if _, err := w.SignIn(ctx, "lan", secretPhrase, "", "y"); !errors.Is(err, ErrSignIn) {
		t.Errorf("the old password: %v", err)
	}
	token, err := w.SignInFirst(ctx, "lan", fresh, "", own, "x")
	if err != nil {
		t.Fatal(err)
	}
	if doc, _, err = w.Account(ctx, a.ID); err != nil {
		t.Fatal(err)
	}
	shown = doc
	yes := true
	if _, err := w.ChangeAccount(ctx, w.ministry, a.ID, shown.Rev, AccountChange{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	if alive(token) {
		t.Error("a disabled account works on")
	}
	if _, err := w.SignIn(ctx, "lan", fresh, "", "x"); !errors.Is(err, ErrSignIn) {
		t.Errorf("a disabled account signs in: %v", err)
	}
	w.now = w.now.Add(SessionLife)
	if _, err := w.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	page, _ := w.List(ctx, central.Query{Kind: central.Sessions, Limit: 10}, "")
	if len(page.Docs) != 0 {
		t.Errorf("%d sessions are left", len(page.Docs))
	}
}

func TestTwoSteps(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	a := w.withPassword("lan")
	token, err := w.SignIn(ctx, "lan", secretPhrase, "", "x")
	if err != nil {
		t.Fatal(err)
	}
	by, _ := w.Caller(ctx, token)
	address, err := w.StartTwoSteps(ctx, by)
	if err != nil || !strings.HasPrefix(address, "otpauth://totp/") {
		t.Fatal(address, err)
	}
	key := strings.Split(strings.Split(address, "secret=")[1], "&")[0]
	code := func() string { c, _ := totp.GenerateCode(key, w.now); return c }
	w.code("a wrong code", w.ConfirmTwoSteps(ctx, by, "000000"), playlist.CodeInvalid)
	if _, err := w.SignIn(ctx, "lan", secretPhrase, "", "x"); err != nil {
		t.Errorf("before it is confirmed no code is asked for: %v", err)
	}
	if err := w.ConfirmTwoSteps(ctx, by, code()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.SignIn(ctx, "lan", secretPhrase, "", "x"); !errors.Is(err, ErrCode) {
		t.Errorf("without a code: %v", err)
	}
	if _, err := w.SignIn(ctx, "lan", secretPhrase, code(), "x"); !errors.Is(err, ErrSignIn) {
		t.Errorf("the code that confirmed was taken again: %v", err)
	}
	w.now = w.now.Add(30 * time.Second)
	if _, err := w.SignIn(ctx, "lan", secretPhrase, code(), "x"); err != nil {
		t.Error(err)
	}
	if _, err := w.RecoveryCodes(ctx, by, code()); err == nil {
		t.Error("a code that was used made recovery codes")
	}
	w.now = w.now.Add(30 * time.Second)
	codes, err := w.RecoveryCodes(ctx, by, code())
	if err != nil || len(codes) != recoveryCodes {
		t.Fatal(codes, err)
	}
	for n, want := range []error{nil, ErrSignIn} { // each stands once
		if _, err := w.SignIn(ctx, "lan", secretPhrase, codes[3], "x"); !errors.Is(err, want) {
			t.Errorf("a recovery code, the %d. time: %v", n+1, err)
		}
	}
	if _, err := w.StartTwoSteps(ctx, by); err == nil {
		t.Error("the secret could be replaced by whoever holds a session")
	}
	doc, now, _ := w.Account(ctx, a.ID)
	if !now.TwoSteps {
		t.Error("the account does not say that it has two steps")
	}
	if _, err := w.ChangeAccount(ctx, w.ministry, a.ID, doc.Rev, AccountChange{NoTwoSteps: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.SignIn(ctx, "lan", secretPhrase, "", "x"); err != nil {
		t.Errorf("after it was taken away: %v", err)
	}
}

func TestGuessing(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.withPassword("lan")
	for range freeAttempts {
		if _, err := w.SignIn(ctx, "lan", "wrong", "", "10.0.0.1"); !errors.Is(err, ErrSignIn) {
			t.Fatal(err)
		}
	}
	if _, err := w.SignIn(ctx, "lan", secretPhrase, "", "10.0.0.1"); !errors.Is(err, ErrSlow) {
		t.Errorf("the sixth attempt: %v", err)
	}
	if _, err := w.SignIn(ctx, "lan", secretPhrase, "", "10.0.0.2"); err != nil {
		t.Errorf("the right one, from elsewhere, is locked out: %v", err)
	}
	w.now = w.now.Add(longestWait)
	if _, err := w.SignIn(ctx, "lan", secretPhrase, "", "10.0.0.1"); err != nil {
		t.Errorf("after the wait: %v", err)
	}
}

func TestBrakeIsBounded(t *testing.T) {
	b := newBrake()
	now := time.Unix(0, 0)
	for range freeAttempts + 3 { // one who guesses, whom a flood of others does not hide
		now = now.Add(time.Minute)
		b.attempt(now, tally{"victim", freeAttempts})
	}
	for n := range maxRemembered + 500 {
		b.attempt(now, tally{fmt.Sprint(n), freeAttempts})
	}
	if len(b.hits) > maxRemembered+2 {
		t.Errorf("%d are remembered", len(b.hits))
	}
	if wait, _ := b.attempt(now, tally{"victim", freeAttempts}); wait <= 0 {
		t.Error("a flood of others made it forget who guesses")
	}
	if wait, _ := b.attempt(now.Add(forgetMisses+1), tally{"victim", freeAttempts}); wait != 0 {
		t.Errorf("after a quarter of an hour it must still wait %v", wait)
	}
}

// An address that guesses many logins is slowed down, and a login at which many addresses
// guess; neither locks out who signed in from where he is before, and neither a missing
// code nor a busy hub is a guess.
func TestGuessingInCrowds(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.withPassword("lan")
	if _, err := w.SignIn(ctx, "lan", secretPhrase, "", "10.9.0.1"); err != nil {
		t.Fatal(err)
	}
	slow := 0
	for n := range freeOfAccount + 5 {
		_, err := w.SignIn(ctx, "lan", "wrong", "", fmt.Sprintf("10.0.1.%d", n))
		if errors.Is(err, ErrSlow) {
			slow++
		}
	}
	if slow != 5 {
		t.Errorf("of many addresses that guess at one login %d were slowed down", slow)
	}
	if _, err := w.SignIn(ctx, "lan", secretPhrase, "", "10.9.0.1"); err != nil {
		t.Errorf("the account is locked out where it signs in: %v", err)
	}
	for n := range freeOfAddress + 5 {
		_, err := w.SignIn(ctx, fmt.Sprint("nobody", n), "wrong", "", "10.9.0.1")
		if want := n >= freeOfAddress; errors.Is(err, ErrSlow) != want {
			t.Fatalf("attempt %d of an address: %v", n, err)
		}
	}
	if _, err := w.SignIn(ctx, "lan", secretPhrase, "", "10.9.0.1"); err != nil {
		t.Errorf("it is locked out by others at its address: %v", err)
	}
}

func TestAccounts(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	admin := w.person("admin", "ls", rights.Administrator)
	_, err := w.AddAccount(ctx, admin, Account{Login: "x1", Name: "x", Place: "lc"}, "")
	w.refused("an account of another province", err)
	_, err = w.AddAccount(ctx, w.editor, Account{Login: "x1", Name: "x", Place: "dd"}, "")
	w.refused("an account by an author", err)
	if _, err = w.AddAccount(ctx, admin, Account{Login: "EDITOR", Name: "x", Place: "ls"}, ""); !errors.Is(err, central.ErrExists) {
		t.Errorf("a login twice: %v", err)
	}
	for _, bad := range []Account{{Login: "console", Name: "x"}, {Login: "lân", Name: "x"}, {Login: "a b", Name: "x"}, {Login: "x", Name: "x"}, {Login: "xx"}} {
		bad.Place = "ls"
		_, err := w.AddAccount(ctx, admin, bad, "")
		w.code(bad.Login, err, playlist.CodeInvalid)
	}
	_, err = w.AddAccount(ctx, admin, Account{Login: "weak", Name: "x", Place: "ls"}, "123")
	w.code("a short password", err, playlist.CodeInvalid)
	_, err = w.AddGrant(ctx, admin, rights.Grant{Account: w.editor.Account, Role: rights.Reviewer, Place: "vn"})
	w.refused("a grant above oneself", err)
	_, err = w.AddGrant(ctx, admin, rights.Grant{Account: w.editor.Account, Role: "king", Place: "ls"})
	w.code("a role that is none", err, playlist.CodeInvalid)
	grant := rights.Grant{Account: w.editor.Account, Role: rights.Translator, Place: "hn"}
	if _, err := w.AddGrant(ctx, admin, grant); err != nil {
		t.Fatal(err)
	}
	if _, err := w.AddGrant(ctx, admin, grant); !errors.Is(err, central.ErrExists) {
		t.Errorf("a grant twice: %v", err)
	}
	err = w.RemoveGrant(ctx, admin, w.ministry.Grants[0].ID)
	w.refused("taking the ministry's grant", err)
	effective, err := w.Effective(ctx, w.editor.Account, "hn")
	if err != nil || ids(effective, func(e rights.Effective) string { return string(e.Act) }) != "[read write translate]" || len(effective[2].By) != 2 {
		t.Errorf("%+v %v", effective, err)
	}
	if _, err := w.Effective(ctx, w.editor.Account, "mars"); !errors.Is(err, central.ErrNotFound) {
		t.Error(err)
	}
}

func TestOIDC(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, err := w.SignInOIDC(ctx, "https://id", "s1", "nobody@mt.gov.vn", true, "x")
	w.refused("somebody without an account", err)
	a, err := w.AddAccount(ctx, w.ministry, Account{Login: "lan@mt.gov.vn", Name: "Lan", Place: "ls"}, "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.SignInOIDC(ctx, "https://id", "s1", "lan@mt.gov.vn", false, "x")
	w.refused("an address that is not verified", err)
	token, err := w.SignInOIDC(ctx, "https://id", "s1", "lan@mt.gov.vn", true, "x")
	if err != nil {
		t.Fatal(err)
	}
	if by, err := w.Caller(ctx, token); err != nil || by.Account != a.ID {
		t.Errorf("%+v %v", by, err)
	}
	_, err = w.SignInOIDC(ctx, "https://id", "s2", "lan@mt.gov.vn", true, "x")
	w.refused("another person with the same address", err)
	_, err = w.SignInOIDC(ctx, "https://other", "s1", "lan@mt.gov.vn", true, "x")
	w.refused("another provider", err)
	if _, err := w.SignInOIDC(ctx, "https://id", "s1", "lan.married@mt.gov.vn", true, "x"); err != nil {
		t.Errorf("the same person with a new address: %v", err)
	}
	w.withPassword("hoa@mt.gov.vn")
	_, err = w.SignInOIDC(ctx, "https://id", "s3", "hoa@mt.gov.vn", true, "x")
	w.refused("an account with a password of its own", err)
}

// No secret is ever in what the desk hands out or writes into the audit.
func TestSecretsStay(t *testing.T) {
	w := newWorld(t)
	w.withPassword("lan")
	token, err := w.SignIn(t.Context(), "lan", secretPhrase, "", "x")
	if err != nil {
		t.Fatal(err)
	}
	err = w.Store.Read(t.Context(), func(r central.Reader) error {
		return r.Audit(t.Context(), 0, 0, func(a central.AuditRow) error {
			for _, s := range []string{secretPhrase, token, "argon2id"} {
				if strings.Contains(string(a.Row), s) {
					t.Errorf("the audit holds a secret: %s", a.Row)
				}
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	docs, _ := w.List(t.Context(), central.Query{Kind: central.Sessions, Limit: 10}, "")
	raw, _ := json.Marshal(docs)
	if strings.Contains(string(raw), token) {
		t.Error("the database holds a session's token")
	}
}
