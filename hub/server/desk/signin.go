package desk

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"cotmoc/hub/server/admission"
	"cotmoc/hub/server/audit"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/password"
	"cotmoc/playlist"
)

// How long a session lives.
const (
	SessionLife = 12 * time.Hour // from the sign-in
	SessionIdle = time.Hour      // without a request
)

// Errors of the sign-in. They do not tell a wrong login from a wrong password.
var (
	ErrSignIn = errors.New("login, password or code is wrong")
	ErrCode   = errors.New("the code of the second step is missing")
	ErrFirst  = errors.New("this password was given to you: choose your own")
	ErrSlow   = errors.New("too many wrong attempts: wait a little")
	// ErrSession means that a session ended or never was.
	ErrSession = errors.New("you are not signed in")
)

type session struct {
	Account playlist.ID `json:"account"`
	Seen    time.Time   `json:"seen"`
	Expires time.Time   `json:"expires"`
	From    string      `json:"from"`
}

// people is what the sign-in keeps in memory.
type people struct {
	hasher password.Hasher
	slow   *brake

	unknown allowance // rows of the audit about logins that do not exist

	mu         sync.Mutex
	generation int
	known      map[playlist.ID]known // by session
}

type known struct {
	caller Caller
	sess   session
}

// allowance is so much in an hour: strangers must not fill the audit.
type allowance struct {
	mu    sync.Mutex
	hour  time.Time
	taken int
}

const unknownAnHour = 100

func (a *allowance) take(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if h := now.Truncate(time.Hour); !h.Equal(a.hour) {
		a.hour, a.taken = h, 0
	}
	a.taken++
	return a.taken <= unknownAnHour
}

func newPeople() *people {
	return &people{hasher: password.New(), slow: newBrake(), known: map[playlist.ID]known{}}
}

// forget drops who is signed in from memory: an account, grant or session
// changed. The next request reads them again.
func (p *people) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.generation++
	clear(p.known)
}

// SignIn checks login, password and, where the account has it, the code of the
// second step, and opens a session. The token is shown once and kept nowhere.
func (d *Desk) SignIn(ctx context.Context, login, pass, code, from string) (token string, err error) {
	return d.SignInFirst(ctx, login, pass, code, "", from)
}

// SignInFirst is SignIn with a password of one's own in place of the first, which an
// administrator set and which opens nothing by itself.
func (d *Desk) SignInFirst(ctx context.Context, login, pass, code, fresh, from string) (token string, err error) {
	var s secret
	err = d.Store.Read(ctx, func(r central.Reader) (err error) { _, s, err = accountByLogin(ctx, r, login); return err })
	if err != nil && !errors.Is(err, central.ErrNotFound) {
		return "", err
	}
	unknown := err != nil
	known := slices.Contains(s.Known, knownFrom(s.ID, from))
	counts := signInCounts(login, from, known)
	if err := d.attempt(login, from, counts); err != nil {
		return "", err
	}
	// An unknown login costs as much time as a wrong password.
	right, err := d.people.hasher.Check(ctx, password.Who{From: admission.Address(from), Known: known}, s.Password, pass)
	if err != nil {
		d.people.slow.undo(counts...)
		return "", err
	}
	if unknown || !right || s.Disabled {
		return "", d.failed(ctx, s, login, from, "wrong password or login")
	}
	if s.TwoSteps && code == "" { // it is asked for next: no guess was wrong
		d.people.slow.undo(counts...)
		return "", ErrCode
	}
	hash := ""
	if s.First {
		if hash, err = d.ownPassword(ctx, s, pass, fresh); err != nil {
			d.people.slow.undo(counts...)
			return "", err
		}
	}
	token, err = d.open(ctx, opening{s.ID, login, code, from, hash})
	switch {
	case err == nil:
		d.people.slow.right(counts...)
	case !errors.Is(err, ErrSignIn):
		d.people.slow.undo(counts...)
	}
	return token, err
}

// ownPassword hashes the password that takes the place of the first.
func (d *Desk) ownPassword(ctx context.Context, s secret, first, fresh string) (string, error) {
	if fresh == "" {
		return "", ErrFirst
	}
	if fresh == first {
		return "", &playlist.Error{Code: playlist.CodeInvalid, Where: "password", Detail: "choose another than the one that you were given"}
	}
	if err := password.Weak(fresh, s.Login); err != nil {
		return "", err
	}
	return d.people.hasher.Hash(ctx, fresh)
}

// knownFrom names an address from which an account signs in, without telling it.
func knownFrom(account playlist.ID, from string) string {
	return short("known", string(account), admission.Address(from))
}

// maxKnown is how many addresses of an account are remembered.
const maxKnown = 8

// attempt counts an attempt, or says how long to wait. Each doubling of the wait is
// worth a line in the log.
func (d *Desk) attempt(login, from string, counts []tally) error {
	wait, missed := d.people.slow.attempt(d.Now(), counts...)
	if wait > 0 {
		return &SlowError{wait}
	}
	if missed >= freeAttempts {
		d.Log.Warn("Guessing is slowed", "login", clip(login), "address", from, "missed", missed)
	}
	return nil
}

// failed records a failed sign-in.
func (d *Desk) failed(ctx context.Context, s secret, login, from, why string) error {
	if len(login) > 100 {
		login = login[:100]
	}
	if s.ID == "" && !d.people.unknown.take(d.Now()) {
		d.Log.Warn("Sign-in with an unknown login failed", "login", login, "address", from)
		return ErrSignIn
	}
	e := audit.Entry{At: d.Now(), By: s.ID, Name: login, From: from, Act: "sign in", Kind: central.Accounts, ID: s.ID, Outcome: audit.Failed}
	e.Detail, _ = json.Marshal(map[string]string{"why": why})
	return errors.Join(ErrSignIn, d.record(context.WithoutCancel(ctx), e))
}

// opening is what a session is opened with: hash is of the password that takes the place
// of the first.
type opening struct {
	account                 playlist.ID
	login, code, from, hash string
}

// open checks the code in the same transaction that uses it up, and makes the
// session.
func (d *Desk) open(ctx context.Context, o opening) (string, error) {
	account, login, code, from := o.account, o.login, o.code, o.from
	token := rand.Text() + rand.Text()
	caller := Caller{Account: account, Login: login, From: from}
	_, err := do(ctx, d, caller, "sign in", func(t *tx) (struct{}, error) {
		doc, s, err := central.Load[secret](t.ctx, t, central.Accounts, account)
		if err != nil {
			return struct{}{}, err
		}
		t.about(central.Accounts, account, doc.Owner)
		if s.Disabled {
			return struct{}{}, ErrSignIn
		}
		changed := false
		if s.TwoSteps {
			step, ok := password.Code(s.TOTP, code, t.now, s.Step)
			switch {
			case ok:
				s.Step = step
			case !s.useRecovery(code):
				return struct{}{}, ErrSignIn
			}
			changed = true
		}
		if o.hash != "" {
			if !s.First { // somebody was faster
				return struct{}{}, ErrSignIn
			}
			s.Password, s.First, changed = o.hash, false, true
		}
		if here := knownFrom(account, from); !slices.Contains(s.Known, here) {
			s.Known = append([]string{here}, s.Known[:min(len(s.Known), maxKnown-1)]...)
			changed = true
		}
		if changed {
			if err := t.keepAccount(doc, s); err != nil {
				return struct{}{}, err
			}
		}
		sess := session{Account: account, Seen: t.now, Expires: t.now.Add(SessionLife), From: from}
		kept := central.Doc{Kind: central.Sessions, ID: sessionID(token), Parent: account, Due: sess.Expires}
		if err := kept.Encode(sess); err != nil {
			return struct{}{}, err
		}
		_, err = t.put(kept)
		return struct{}{}, err
	})
	if errors.Is(err, ErrSignIn) {
		return "", d.failed(ctx, secret{Account: Account{ID: account}}, login, from, "wrong code")
	}
	if err != nil {
		return "", err
	}
	return token, nil
}

func sessionID(token string) playlist.ID {
	sum := sha256.Sum256([]byte(token))
	return playlist.ID(hex.EncodeToString(sum[:]))
}

// Caller returns who holds a token.
func (d *Desk) Caller(ctx context.Context, token string) (Caller, error) {
	if len(token) < 20 || len(token) > 200 {
		return Caller{}, ErrSession
	}
	id := sessionID(token)
	d.people.mu.Lock()
	k, ok := d.people.known[id]
	generation := d.people.generation
	d.people.mu.Unlock()
	if !ok {
		var err error
		if k, err = d.load(ctx, id); err != nil {
			return Caller{}, err
		}
		d.people.mu.Lock()
		if d.people.generation == generation {
			d.people.known[id] = k
		}
		d.people.mu.Unlock()
	}
	now := d.Now()
	if !now.Before(k.sess.Expires) || now.Sub(k.sess.Seen) > SessionIdle {
		return Caller{}, ErrSession
	}
	if now.Sub(k.sess.Seen) > SessionIdle/10 {
		if err := d.touch(ctx, id); err != nil {
			return Caller{}, err
		}
	}
	return k.caller, nil
}

func (d *Desk) load(ctx context.Context, id playlist.ID) (known, error) {
	var k known
	err := d.Store.Read(ctx, func(r central.Reader) error {
		_, sess, err := central.Load[session](ctx, r, central.Sessions, id)
		if errors.Is(err, central.ErrNotFound) {
			return ErrSession
		}
		if err != nil {
			return err
		}
		_, s, err := central.Load[secret](ctx, r, central.Accounts, sess.Account)
		if err != nil {
			return err
		}
		if s.Disabled {
			return ErrSession
		}
		k = known{Caller{Account: s.ID, Login: s.Login, From: sess.From}, sess}
		k.caller.Grants, err = grantsOf(ctx, r, s.ID)
		return err
	})
	return k, err
}

// touch notes, now and then, that a session is used.
func (d *Desk) touch(ctx context.Context, id playlist.ID) error {
	err := d.Store.Write(ctx, func(tx central.Tx) error {
		doc, s, err := central.Load[session](ctx, tx, central.Sessions, id)
		if err != nil {
			return err
		}
		s.Seen, doc.At = d.Now(), d.Now()
		if err := doc.Encode(s); err != nil {
			return err
		}
		_, err = tx.Put(ctx, doc)
		return err
	})
	d.people.forget()
	if errors.Is(err, central.ErrNotFound) {
		return ErrSession
	}
	return err
}

// SignOut ends a session.
func (d *Desk) SignOut(ctx context.Context, by Caller, token string) error {
	_, err := do(ctx, d, by, "sign out", func(t *tx) (struct{}, error) {
		t.about(central.Accounts, by.Account, "")
		return struct{}{}, t.endSessions(by.Account, sessionID(token))
	})
	return err
}

// endSessions ends one session of an account, or all of them.
func (t *tx) endSessions(account, only playlist.ID) error {
	docs, err := t.List(t.ctx, central.Query{Kind: central.Sessions, Parent: account})
	if err != nil {
		return err
	}
	t.after = append(t.after, t.d.people.forget)
	for _, doc := range docs {
		if only == "" || doc.ID == only {
			if err := t.drop(central.Sessions, doc.ID, doc.Rev); err != nil {
				return err
			}
		}
	}
	return nil
}

// StartTwoSteps makes a secret for the caller's second step and returns it as
// an otpauth address. It holds once a code made with it was given.
func (d *Desk) StartTwoSteps(ctx context.Context, by Caller) (string, error) {
	return do(ctx, d, by, "start two steps", func(t *tx) (string, error) {
		t.about(central.Accounts, by.Account, "")
		doc, s, err := central.Load[secret](t.ctx, t, central.Accounts, by.Account)
		if err != nil {
			return "", err
		}
		if s.TwoSteps {
			return "", &playlist.Error{Code: playlist.CodeRefused, Where: "two steps", Detail: "they are on already; an administrator can take them away"}
		}
		address, key, err := password.NewTOTP(s.Login)
		if err != nil {
			return "", err
		}
		s.TOTP, s.Step = key, 0
		return address, t.keepAccount(doc, s)
	})
}

// ConfirmTwoSteps turns the second step on.
func (d *Desk) ConfirmTwoSteps(ctx context.Context, by Caller, code string) error {
	_, err := do(ctx, d, by, "confirm two steps", func(t *tx) (struct{}, error) {
		t.about(central.Accounts, by.Account, "")
		doc, s, err := central.Load[secret](t.ctx, t, central.Accounts, by.Account)
		if err != nil {
			return struct{}{}, err
		}
		step, ok := password.Code(s.TOTP, code, t.now, s.Step)
		if !ok || s.TOTP == "" {
			return struct{}{}, &playlist.Error{Code: playlist.CodeInvalid, Where: "two steps", Detail: "the code is wrong; is this machine's clock right?"}
		}
		s.TwoSteps, s.Step = true, step
		return struct{}{}, t.keepAccount(doc, s)
	})
	return err
}

// SignInOIDC opens a session for somebody whom the OpenID provider vouches for.
// The first time, the provider's verified e-mail address must be the login of an
// account that has no password and was not tied to anyone.
func (d *Desk) SignInOIDC(ctx context.Context, issuer, subject, email string, verified bool, from string) (string, error) {
	sum := sha256.Sum256([]byte(issuer + "\n" + subject))
	key := "oidc-" + base64.RawURLEncoding.EncodeToString(sum[:])
	by := Caller{Login: email, From: from}
	id, err := do(ctx, d, by, "sign in by provider", func(t *tx) (playlist.ID, error) {
		docs, err := t.List(t.ctx, central.Query{Kind: central.Accounts, States: []string{key}, Limit: 1})
		if err != nil {
			return "", err
		}
		if len(docs) == 1 {
			t.about(central.Accounts, docs[0].ID, docs[0].Owner)
			return docs[0].ID, nil
		}
		doc, s, err := accountByLogin(t.ctx, t, email)
		if err != nil || !verified || s.Password != "" || s.Subject != "" || s.Disabled {
			return "", &Refusal{Why: "there is no account for this person here: an administrator makes one, with the e-mail address as its login and without a password"}
		}
		t.about(central.Accounts, doc.ID, doc.Owner)
		s.Subject = key
		return doc.ID, t.keepAccount(doc, s)
	})
	if err != nil {
		return "", err
	}
	return d.openTrusted(ctx, id, email, from)
}

// openTrusted opens a session without a code: the provider has its own second step.
func (d *Desk) openTrusted(ctx context.Context, id playlist.ID, login, from string) (string, error) {
	var s secret
	err := d.Store.Read(ctx, func(r central.Reader) (err error) {
		_, s, err = central.Load[secret](ctx, r, central.Accounts, id)
		return err
	})
	if err != nil {
		return "", err
	}
	if s.TwoSteps {
		return "", &Refusal{Why: "this account signs in with password and code"}
	}
	return d.open(ctx, opening{account: id, login: login, from: from})
}
