package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/password"
	"cotmoc/hub/server/rights"
	"cotmoc/playlist"
)

// Account is a person who works with the hub.
type Account struct {
	ID       playlist.ID `json:"id"`
	Login    string      `json:"login"`
	Name     string      `json:"name"`
	Place    playlist.ID `json:"place"` // whose administrators look after it
	Disabled bool        `json:"disabled,omitempty"`
	TwoSteps bool        `json:"two_steps"` // signs in with a code as well
	Created  time.Time   `json:"created"`
}

// secret is an account with what only the sign-in may see.
type secret struct {
	Account
	Password string `json:"password,omitempty"` // argon2id, PHC form
	TOTP     string `json:"totp,omitempty"`     // base32
	Step     int64  `json:"step,omitempty"`     // the last code that was used
	Subject  string `json:"subject,omitempty"`  // at the OpenID provider: issuer and subject

	First    bool     `json:"first,omitempty"`    // an administrator set the password: it is changed at its first use
	Recovery []string `json:"recovery,omitempty"` // hashes of codes that stand once for the second step
	Known    []string `json:"known,omitempty"`    // addresses from which it signed in, as hashes, the newest first
}

// NewAccount checks what a person may be called.
func NewAccount(a Account) (Account, error) {
	a.Login = strings.ToLower(strings.TrimSpace(a.Login))
	bad := func(why string) (Account, error) {
		return a, &playlist.Error{Code: playlist.CodeInvalid, Where: "account", Detail: why}
	}
	if len(a.Login) < 2 || len(a.Login) > 100 || strings.ContainsFunc(a.Login, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(".-_@+", r)
	}) {
		return bad("a login has 2 to 100 letters without accents, digits, and . - _ @ +")
	}
	if a.Login == string(Console) {
		return bad("this login is reserved")
	}
	if a.Name = strings.TrimSpace(a.Name); a.Name == "" || len(a.Name) > 200 {
		return bad("a name has 1 to 200 bytes")
	}
	return a, nil
}

// AddAccount makes an account with a password; an empty one means that the
// person signs in through the OpenID provider.
func (d *Desk) AddAccount(ctx context.Context, by Caller, a Account, pass string) (Account, error) {
	a, err := NewAccount(a)
	if err != nil {
		return a, err
	}
	by.Key = "" // a kept answer would keep a hash of the password with it
	if err := d.administers(ctx, by, a.Place); err != nil {
		return a, err // before hashing, which takes time by design
	}
	var hash string
	if pass != "" {
		if err := password.Weak(pass, a.Login); err != nil {
			return a, err
		}
		if hash, err = d.people.hasher.Hash(ctx, pass); err != nil {
			return a, err
		}
	}
	return do(ctx, d, by, "create account", func(t *tx) (Account, error) {
		if a.Place == "" {
			a.Place = t.tree.root
		}
		a.ID, a.Created, a.TwoSteps = NewID(), t.now, false
		t.about(central.Accounts, a.ID, a.Place)
		if err := t.need(rights.Administer, a.Place); err != nil {
			return a, err
		}
		if _, ok := t.tree.Places[a.Place]; !ok {
			return a, &playlist.Error{Code: playlist.CodeMissing, Where: "account", Detail: fmt.Sprintf("place %q does not exist", a.Place)}
		}
		if _, _, err := accountByLogin(ctx, t, a.Login); err == nil {
			return a, fmt.Errorf("account %q: %w", a.Login, central.ErrExists)
		} else if !errors.Is(err, central.ErrNotFound) {
			return a, err
		}
		if err := t.detail(map[string]any{"login": a.Login}); err != nil {
			return a, err
		}
		return a, t.keepAccount(central.Doc{Kind: central.Accounts, ID: a.ID}, secret{Account: a, Password: hash, First: pass != "" && by.Account != Console})
	})
}

// administers refuses early, and on the record, who may not administer a place;
// empty means the root.
func (d *Desk) administers(ctx context.Context, by Caller, place playlist.ID) error {
	err := d.read(ctx, func(_ central.Reader, places *tree) error {
		if place == "" {
			place = places.root
		}
		return (&tx{by: by, tree: places}).need(rights.Administer, place)
	})
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return errors.Join(err, d.refused(ctx, by, refusal, "administer account", central.Accounts, ""))
	}
	return err
}

func (t *tx) keepAccount(doc central.Doc, s secret) error {
	doc.Owner, doc.Name, doc.State = s.Place, s.Login, s.Subject
	if err := doc.Encode(s); err != nil {
		return err
	}
	_, err := t.put(doc)
	return err
}

func accountByLogin(ctx context.Context, r central.Reader, login string) (central.Doc, secret, error) {
	login = strings.ToLower(strings.TrimSpace(login))
	if login == "" { // it would mean every account
		return central.Doc{}, secret{}, fmt.Errorf("account: %w", central.ErrNotFound)
	}
	docs, err := r.List(ctx, central.Query{Kind: central.Accounts, Name: login, Limit: 1})
	if err != nil {
		return central.Doc{}, secret{}, err
	}
	if len(docs) == 0 {
		return central.Doc{}, secret{}, fmt.Errorf("account %q: %w", login, central.ErrNotFound)
	}
	s, err := central.Decode[secret](docs[0])
	return docs[0], s, err
}

// AccountChange is what may be changed of an account; nil leaves a field as it is.
type AccountChange struct {
	Name     *string `json:"name,omitempty"`
	Disabled *bool   `json:"disabled,omitempty"`
	Password *string `json:"password,omitempty"`
	// NoTwoSteps takes away the second step of somebody who lost their phone.
	NoTwoSteps bool `json:"no_two_steps,omitempty"`
}

// ChangeAccount changes an account. Its sessions end where a password changes
// or it is disabled.
func (d *Desk) ChangeAccount(ctx context.Context, by Caller, id playlist.ID, rev int64, change AccountChange) (central.Doc, error) {
	by.Key = ""
	var hash string
	if change.Password != nil {
		_, a, err := d.Account(ctx, id)
		if err == nil {
			err = d.administers(ctx, by, a.Place)
		}
		if err != nil {
			return central.Doc{}, err
		}
		if err := password.Weak(*change.Password, a.Login); err != nil {
			return central.Doc{}, err
		}
		if hash, err = d.people.hasher.Hash(ctx, *change.Password); err != nil {
			return central.Doc{}, err
		}
	}
	return do(ctx, d, by, "change account", func(t *tx) (central.Doc, error) {
		doc, s, err := t.account(id, rev)
		if err != nil {
			return doc, err
		}
		if change.Password != nil || change.NoTwoSteps {
			if err := t.takeOver(id); err != nil {
				return doc, err
			}
		}
		if change.Disabled != nil && *change.Disabled && !s.Disabled {
			if err := t.keepsAdministrator(id, nil); err != nil {
				return doc, err
			}
		}
		s.apply(change, hash, by.Account != id)
		if _, err := NewAccount(s.Account); err != nil {
			return doc, err
		}
		if change.Password != nil || s.Disabled || change.NoTwoSteps {
			if err := t.endSessions(id, ""); err != nil {
				return doc, err
			}
		}
		if err := t.keepAccount(doc, s); err != nil {
			return doc, err
		}
		doc.Rev++
		doc.Body = nil // no secret leaves
		return doc, doc.Encode(s.Account)
	})
}

// apply makes a change; hash is of the password, first whether another sets it.
func (s *secret) apply(change AccountChange, hash string, first bool) {
	if change.Name != nil {
		s.Name = *change.Name
	}
	if change.Disabled != nil {
		s.Disabled = *change.Disabled
	}
	if change.Password != nil {
		s.Password, s.First = hash, first
	}
	if change.NoTwoSteps {
		s.TOTP, s.TwoSteps, s.Recovery = "", false, nil
	}
}

// ChangePassword lets people set their own password, with the old one.
func (d *Desk) ChangePassword(ctx context.Context, by Caller, old, fresh string) error {
	by.Key = ""
	var s secret
	err := d.Store.Read(ctx, func(r central.Reader) (err error) {
		_, s, err = central.Load[secret](ctx, r, central.Accounts, by.Account)
		return err
	})
	if err != nil {
		return err
	}
	counts := []tally{{short("change", string(by.Account)), freeAttempts}}
	if err := d.attempt(by.Login, by.From, counts); err != nil {
		return err
	}
	right, err := d.people.hasher.Check(ctx, password.Who{Known: true}, s.Password, old)
	if err != nil {
		d.people.slow.undo(counts...)
		return err
	}
	if !right {
		return d.failed(ctx, s, by.Login, by.From, "wrong password at its change")
	}
	d.people.slow.right(counts...)
	if err := password.Weak(fresh, by.Login); err != nil {
		return err
	}
	hash, err := d.people.hasher.Hash(ctx, fresh)
	if err != nil {
		return err
	}
	_, err = do(ctx, d, by, "change own password", func(t *tx) (struct{}, error) {
		doc, s, err := central.Load[secret](t.ctx, t, central.Accounts, by.Account)
		if err != nil {
			return struct{}{}, err
		}
		t.about(central.Accounts, by.Account, doc.Owner)
		s.Password, s.First = hash, false
		return struct{}{}, errors.Join(t.endSessions(by.Account, ""), t.keepAccount(doc, s))
	})
	return err
}

func (t *tx) account(id playlist.ID, rev int64) (central.Doc, secret, error) {
	t.about(central.Accounts, id, "")
	doc, s, err := central.Load[secret](t.ctx, t, central.Accounts, id)
	if err != nil {
		return doc, s, err
	}
	t.about(central.Accounts, id, doc.Owner)
	if err := t.need(rights.Administer, doc.Owner); err != nil {
		return doc, s, err
	}
	if doc.Rev != rev {
		return doc, s, fmt.Errorf("account %s: %w: it is at revision %d, not at %d", id, central.ErrChanged, doc.Rev, rev)
	}
	return doc, s, nil
}

// Account returns an account with its revision, without its secrets.
func (d *Desk) Account(ctx context.Context, id playlist.ID) (central.Doc, Account, error) {
	doc, err := d.Get(ctx, central.Accounts, id)
	if err != nil {
		return doc, Account{}, err
	}
	a, err := central.Decode[Account](doc)
	doc.Body = nil
	return doc, a, err
}

// AddGrant gives an account a role at a place.
func (d *Desk) AddGrant(ctx context.Context, by Caller, g rights.Grant) (rights.Grant, error) {
	return do(ctx, d, by, "grant", func(t *tx) (rights.Grant, error) {
		g.ID = NewID()
		t.about(central.Grants, g.ID, g.Place)
		if err := t.need(rights.Administer, g.Place); err != nil {
			return g, err
		}
		if g.Account == t.by.Account {
			return g, &Refusal{Act: rights.Administer, Place: g.Place, Why: "nobody gives a role to themselves: another administrator must"}
		}
		if !g.Role.Known() {
			return g, &playlist.Error{Code: playlist.CodeInvalid, Where: "grant", Detail: fmt.Sprintf("the role %.40q is not one of the list", g.Role)}
		}
		if _, ok := t.tree.Places[g.Place]; !ok {
			return g, &playlist.Error{Code: playlist.CodeMissing, Where: "grant", Detail: fmt.Sprintf("place %q does not exist", g.Place)}
		}
		if _, err := t.Get(t.ctx, central.Accounts, g.Account); err != nil {
			return g, err
		}
		have, err := grantsOf(ctx, t, g.Account)
		if err != nil {
			return g, err
		}
		if slices.ContainsFunc(have, func(o rights.Grant) bool { return o.Role == g.Role && o.Place == g.Place }) {
			return g, fmt.Errorf("grant of %s at %s: %w", g.Role, g.Place, central.ErrExists)
		}
		if err := t.detail(map[string]any{"account": g.Account, "role": g.Role}); err != nil {
			return g, err
		}
		doc := central.Doc{Kind: central.Grants, ID: g.ID, Owner: g.Place, Parent: g.Account}
		if err := doc.Encode(g); err != nil {
			return g, err
		}
		_, err = t.put(doc)
		return g, err
	})
}

// RemoveGrant takes a role away.
func (d *Desk) RemoveGrant(ctx context.Context, by Caller, id playlist.ID) error {
	_, err := do(ctx, d, by, "revoke", func(t *tx) (struct{}, error) {
		t.about(central.Grants, id, "")
		doc, g, err := central.Load[rights.Grant](t.ctx, t, central.Grants, id)
		if err != nil {
			return struct{}{}, err
		}
		t.about(central.Grants, id, doc.Owner)
		if err := t.need(rights.Administer, doc.Owner); err != nil {
			return struct{}{}, err
		}
		if err := t.detail(map[string]any{"account": g.Account, "role": g.Role}); err != nil {
			return struct{}{}, err
		}
		if err := t.keepsAdministrator(g.Account, func(o rights.Grant) bool { return o.ID == g.ID }); err != nil {
			return struct{}{}, err
		}
		t.after = append(t.after, d.people.forget)
		return struct{}{}, t.drop(central.Grants, id, doc.Rev)
	})
	return err
}

func grantsOf(ctx context.Context, r central.Reader, account playlist.ID) ([]rights.Grant, error) {
	return central.All[rights.Grant](ctx, r, central.Query{Kind: central.Grants, Parent: account})
}

// Effective says what an account may do at a place, and by which grants.
func (d *Desk) Effective(ctx context.Context, account, place playlist.ID) ([]rights.Effective, error) {
	var out []rights.Effective
	err := d.read(ctx, func(r central.Reader, places *tree) error {
		if _, ok := places.Places[place]; !ok {
			return fmt.Errorf("place %q: %w", place, central.ErrNotFound)
		}
		if _, err := r.Get(ctx, central.Accounts, account); err != nil {
			return err
		}
		grants, err := grantsOf(ctx, r, account)
		out = rights.At(grants, place, places)
		return err
	})
	return out, err
}

// As returns the caller that works as an account, without a password: for
// commands on the hub's own machine.
func (d *Desk) As(ctx context.Context, login string) (Caller, error) {
	by := Caller{From: "console"}
	err := d.Store.Read(ctx, func(r central.Reader) error {
		_, s, err := accountByLogin(ctx, r, login)
		if err != nil {
			return err
		}
		if s.Disabled {
			return fmt.Errorf("account %q is disabled", login)
		}
		by.Account, by.Login = s.ID, s.Login
		by.Grants, err = grantsOf(ctx, r, s.ID)
		return err
	})
	return by, err
}
