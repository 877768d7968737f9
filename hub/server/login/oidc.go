// Package login is the sign-in through an OpenID provider: authorization code
// flow with PKCE, state and nonce.
package login

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"cotmoc/hub/server/admission"
)

// Config is what a provider and a hub must know of each other.
type Config struct {
	Issuer       string `json:"issuer"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	RedirectURL  string `json:"redirect_url"` // https://HUB/auth/oidc/callback
}

const (
	pendingLife = 10 * time.Minute
	maxPending  = 1000
	cookieName  = "cotmoc_oidc"
)

// Open opens a session for somebody whom the provider vouches for.
type Open func(ctx context.Context, issuer, subject, email string, verified bool, from string) (token string, err error)

// Provider signs people in. It is asked for its configuration at the first
// sign-in, so that a hub starts without it.
type Provider struct {
	config Config
	open   Open
	now    func() time.Time

	mu      sync.Mutex
	found   *oidc.Provider
	pending map[string]pending // by the hash of state
}

type pending struct {
	nonce    string
	verifier string
	browser  string // hash of the cookie
	from     string // address
	expires  time.Time
}

// New makes a provider.
func New(c Config, open Open, now func() time.Time) *Provider {
	return &Provider{config: c, open: open, now: now, pending: map[string]pending{}}
}

func (p *Provider) provider(ctx context.Context) (*oidc.Provider, *oauth2.Config, error) {
	p.mu.Lock()
	found := p.found
	p.mu.Unlock()
	if found == nil {
		// The provider keeps the context for fetching its keys later.
		var err error
		if found, err = oidc.NewProvider(within(context.WithoutCancel(ctx)), p.config.Issuer); err != nil {
			return nil, nil, fmt.Errorf("the OpenID provider does not answer: %w", err)
		}
		p.mu.Lock()
		p.found = found
		p.mu.Unlock()
	}
	return found, &oauth2.Config{ClientID: p.config.ClientID, ClientSecret: p.config.ClientSecret, RedirectURL: p.config.RedirectURL,
		Endpoint: found.Endpoint(), Scopes: []string{oidc.ScopeOpenID, "email", "profile"}}, nil
}

// within has requests to the provider end in time.
func within(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, &http.Client{Timeout: 10 * time.Second})
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// Start sends the browser to the provider.
func (p *Provider) Start(w http.ResponseWriter, r *http.Request, secure bool) error {
	_, config, err := p.provider(r.Context())
	if err != nil {
		return err
	}
	state, browser := rand.Text(), rand.Text()
	in := pending{nonce: rand.Text(), verifier: oauth2.GenerateVerifier(), browser: hash(browser), from: admission.Address(r.RemoteAddr), expires: p.now().Add(pendingLife)}
	p.mu.Lock()
	for key, old := range p.pending {
		if !p.now().Before(old.expires) {
			delete(p.pending, key)
		}
	}
	if len(p.pending) >= maxPending {
		p.makeRoom()
	}
	p.pending[hash(state)] = in
	p.mu.Unlock()
	// Lax, because the provider sends the browser back from another site.
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: browser, Path: "/auth/oidc", HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode, MaxAge: int(pendingLife.Seconds())})
	http.Redirect(w, r, config.AuthCodeURL(state, oidc.Nonce(in.nonce), oauth2.S256ChallengeOption(in.verifier)), http.StatusFound)
	return nil
}

// makeRoom forgets the oldest sign-in of the address that began most of them: strangers
// must not lock people out.
func (p *Provider) makeRoom() {
	count := map[string]int{}
	for _, in := range p.pending {
		count[in.from]++
	}
	oldest := ""
	for key, in := range p.pending {
		o := p.pending[oldest]
		if oldest == "" || count[in.from] > count[o.from] || count[in.from] == count[o.from] && in.expires.Before(o.expires) {
			oldest = key
		}
	}
	delete(p.pending, oldest)
}

// ErrCallback is wrapped by everything that is wrong with a callback.
var ErrCallback = errors.New("the sign-in did not succeed")

// Finish takes the browser back from the provider and returns a session's token.
func (p *Provider) Finish(r *http.Request, from string) (string, error) {
	provider, config, err := p.provider(r.Context())
	if err != nil {
		return "", err
	}
	q := r.URL.Query()
	p.mu.Lock()
	in, ok := p.pending[hash(q.Get("state"))]
	delete(p.pending, hash(q.Get("state"))) // once
	p.mu.Unlock()
	cookie, err := r.Cookie(cookieName)
	switch {
	case !ok || !p.now().Before(in.expires):
		return "", fmt.Errorf("%w: it took too long, or was begun elsewhere", ErrCallback)
	case err != nil || subtle.ConstantTimeCompare([]byte(hash(cookie.Value)), []byte(in.browser)) != 1:
		return "", fmt.Errorf("%w: it was begun in another browser", ErrCallback)
	case q.Get("error") != "":
		return "", fmt.Errorf("%w: the provider says %.100q", ErrCallback, q.Get("error"))
	}
	token, err := config.Exchange(within(r.Context()), q.Get("code"), oauth2.VerifierOption(in.verifier))
	if err != nil {
		return "", fmt.Errorf("%w: %v", ErrCallback, err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return "", fmt.Errorf("%w: the provider gave no id_token", ErrCallback)
	}
	id, err := provider.VerifierContext(r.Context(), &oidc.Config{ClientID: p.config.ClientID, Now: p.now}).Verify(r.Context(), raw)
	if err != nil {
		return "", fmt.Errorf("%w: %v", ErrCallback, err)
	}
	var claims struct {
		Email    string `json:"email"`
		Verified bool   `json:"email_verified"`
	}
	if err := id.Claims(&claims); err != nil {
		return "", fmt.Errorf("%w: %v", ErrCallback, err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(in.nonce)) != 1 {
		return "", fmt.Errorf("%w: the answer is to another question", ErrCallback)
	}
	return p.open(r.Context(), id.Issuer, id.Subject, claims.Email, claims.Verified, from)
}
