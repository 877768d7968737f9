package desk

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/password"
	"cotmoc/hub/server/rights"
	"cotmoc/playlist"
)

// Session is one of a person's own sessions.
type Session struct {
	ID      playlist.ID `json:"id"`
	From    string      `json:"from"` // address
	Seen    time.Time   `json:"seen"`
	Expires time.Time   `json:"expires"`
	This    bool        `json:"this,omitempty"` // it asks now
}

// Sessions lists the caller's own sessions. token is that of the session which asks.
func (d *Desk) Sessions(ctx context.Context, by Caller, token string) ([]Session, error) {
	out := []Session{}
	err := d.Store.Read(ctx, func(r central.Reader) error {
		docs, err := r.List(ctx, central.Query{Kind: central.Sessions, Parent: by.Account})
		for _, doc := range docs {
			s, err := central.Decode[session](doc)
			if err != nil {
				return err
			}
			if now := d.Now(); now.Before(s.Expires) && now.Sub(s.Seen) <= SessionIdle {
				out = append(out, Session{doc.ID, s.From, s.Seen, s.Expires, doc.ID == sessionID(token)})
			}
		}
		return err
	})
	return out, err
}

// EndSession ends one of the caller's own sessions.
func (d *Desk) EndSession(ctx context.Context, by Caller, id playlist.ID) error {
	_, err := do(ctx, d, by, "end session", func(t *tx) (struct{}, error) {
		t.about(central.Accounts, by.Account, "")
		doc, err := t.Get(t.ctx, central.Sessions, id)
		if err == nil && doc.Parent != by.Account {
			err = fmt.Errorf("session: %w", central.ErrNotFound)
		}
		if err != nil {
			return struct{}{}, err
		}
		return struct{}{}, t.endSessions(by.Account, id)
	})
	return err
}

// recoveryCodes is how many are made at a time.
const recoveryCodes = 10

// RecoveryCodes makes codes that each stand once for a code of the second step, for the
// day on which the phone is lost. code is one of the second step: who holds a session alone
// makes no way round it. Codes that were made before hold no more.
func (d *Desk) RecoveryCodes(ctx context.Context, by Caller, code string) ([]string, error) {
	by.Key = "" // they are shown once and kept in no answer
	return do(ctx, d, by, "make recovery codes", func(t *tx) ([]string, error) {
		doc, s, err := central.Load[secret](t.ctx, t, central.Accounts, by.Account)
		if err != nil {
			return nil, err
		}
		t.about(central.Accounts, by.Account, doc.Owner)
		if !s.TwoSteps {
			return nil, &playlist.Error{Code: playlist.CodeRefused, Where: "recovery codes", Detail: "turn the second step on first"}
		}
		step, ok := password.Code(s.TOTP, code, t.now, s.Step)
		if !ok {
			return nil, &playlist.Error{Code: playlist.CodeInvalid, Where: "recovery codes", Detail: "the code of the second step is wrong"}
		}
		s.Step = step
		var out []string
		s.Recovery = nil
		for range recoveryCodes {
			code := strings.ToLower(rand.Text()[:10])
			out, s.Recovery = append(out, code), append(s.Recovery, recoveryHash(s.ID, code))
		}
		return out, t.keepAccount(doc, s)
	})
}

func recoveryHash(account playlist.ID, code string) string {
	sum := sha256.Sum256([]byte(string(account) + " " + strings.ToLower(strings.TrimSpace(code))))
	return hex.EncodeToString(sum[:])
}

// useRecovery uses a code up.
func (s *secret) useRecovery(code string) bool {
	n := slices.Index(s.Recovery, recoveryHash(s.ID, code))
	if n < 0 {
		return false
	}
	s.Recovery = slices.Delete(slices.Clone(s.Recovery), n, n+1)
	return true
}

// keepsAdministrator refuses to take away the last account that administers everything:
// nobody could give the right back.
func (t *tx) keepsAdministrator(without playlist.ID, but func(rights.Grant) bool) error {
	grants, err := central.All[rights.Grant](t.ctx, t, central.Query{Kind: central.Grants, Owners: []playlist.ID{t.tree.root}})
	if err != nil {
		return err
	}
	had := false
	for _, g := range grants {
		if g.Role != rights.Administrator {
			continue
		}
		_, s, err := central.Load[secret](t.ctx, t, central.Accounts, g.Account)
		if err != nil || s.Disabled {
			continue
		}
		if g.Account == without && (but == nil || but(g)) {
			had = true
			continue
		}
		return nil
	}
	if !had {
		return nil
	}
	return &playlist.Error{Code: playlist.CodeRefused, Where: "account " + string(without), Detail: "it is the last that administers the whole hub: give another account that role first"}
}

// takeOver takes from an account what others gave it, where the caller may not administer
// it: they set a password, and could sign in with it. Those who gave it are told.
func (t *tx) takeOver(id playlist.ID) error {
	held, err := t.List(t.ctx, central.Query{Kind: central.Grants, Parent: id})
	if err != nil {
		return err
	}
	for _, doc := range held {
		g, err := central.Decode[rights.Grant](doc)
		if err != nil {
			return err
		}
		if t.need(rights.Administer, g.Place) == nil {
			continue
		}
		if err := t.keepsAdministrator(id, func(o rights.Grant) bool { return o.ID == g.ID }); err != nil {
			return err
		}
		if err := t.drop(central.Grants, doc.ID, doc.Rev); err != nil {
			return err
		}
		if err := t.tell(g.Place, Message{Code: "grant-ended", Kind: central.Accounts, Row: id, Args: []string{string(g.Role)}}); err != nil {
			return err
		}
	}
	t.after = append(t.after, t.d.people.forget)
	return nil
}
