package client

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cotmoc/hub/feed"
	"cotmoc/hub/local"
	"cotmoc/hub/trust"
)

// Enrolment is a machine on its way to belonging to a hub.
type Enrolment struct {
	c     *Client
	key   ed25519.PrivateKey
	state trust.State
	first []byte // the root that is believed once words or fingerprint were compared
	id    string

	Code  string
	Until time.Time
	Words []string // to compare with the hub's screen
}

// askEvery is how often the hub is asked whether staff have confirmed.
const askEvery = 2 * time.Second

// Errors of enrolment.
var (
	ErrOver    = errors.New("the code's ten minutes are over: ask for a new one")
	ErrDenied  = errors.New("staff refused this machine")
	ErrRootKey = errors.New("the hub's root of trust has another fingerprint than the one given")
)

// Enrol asks a hub to take a machine in. Nothing that the hub says is believed but
// what its root of trust signs; the root itself is compared by people: by the
// fingerprint that they brought along, or by the eight words.
func Enrol(ctx context.Context, dir, hub, fingerprint, code string, at time.Time) (*Enrolment, error) {
	base, err := url.Parse(strings.TrimSuffix(hub, "/"))
	if err != nil || base.Host == "" || base.Scheme != "https" {
		return nil, fmt.Errorf("the hub's address %q is no https URL", hub)
	}
	// The root is fetched before the hub learns the key, and a machine that is nobody's
	// yet takes a new key for each attempt: whoever stands in between cannot look for
	// a root that gives the same words.
	if _, err := local.Load(dir); errors.Is(err, local.ErrNotEnrolled) {
		if err := local.Forget(dir); err != nil {
			return nil, err
		}
	}
	key, err := local.Key(dir)
	if err != nil {
		return nil, err
	}
	c := &Client{Dir: dir, base: base}
	// The hub's certificate comes sealed at the end; until then the line may be
	// anybody's, and only what the root signs counts.
	c.http = &http.Client{Transport: c.transport(&tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true}), CheckRedirect: noRedirect}
	e := &Enrolment{c: c, key: key}
	if err := e.believe(ctx, fingerprint, at); err != nil {
		return nil, err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "kiosk"}}, key)
	if err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	public := key.Public().(ed25519.PublicKey)
	var p feed.Pairing
	if err := c.post(ctx, "/device/v1/ask", feed.Asking{Public: public, Request: csr, Code: code}, &p); err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	e.id, e.Code, e.Until = p.ID, p.Code, p.Until
	e.Words = trust.Words(e.state.Root, fmt.Appendf(nil, "%x", []byte(public)))
	return e, nil
}

// believe fetches the chain of roots. With a fingerprint it begins at the root that
// has it; without, at the first, and people compare words.
func (e *Enrolment) believe(ctx context.Context, fingerprint string, at time.Time) error {
	fingerprint = strings.ToLower(strings.TrimSpace(fingerprint))
	src := plain{e.c}
	for n := 1; n <= 1000; n++ {
		root, err := src.Metadata(ctx, fmt.Sprintf("%d.root.json", n), trust.MaxMetadata)
		if errors.Is(err, errAbsent) {
			break
		}
		if err != nil {
			return fmt.Errorf("enrol: %w", err)
		}
		if fingerprint != "" && trust.Fingerprint(root) != fingerprint {
			continue
		}
		s, err := trust.Begin(root)
		if err != nil {
			return err
		}
		s, _, err = s.Refresh(ctx, src, at, []string{})
		e.state, e.first = s, root
		if err != nil {
			return fmt.Errorf("the hub has nothing signed yet: %w", err)
		}
		return nil
	}
	if fingerprint != "" {
		return fmt.Errorf("%w: %w", ErrRootKey, trust.ErrRefused)
	}
	return errors.New("the hub has no root of trust yet")
}

// plain is a trust.Source that keeps nothing.
type plain struct{ c *Client }

// Metadata implements trust.Source.
func (p plain) Metadata(ctx context.Context, name string, most int64) ([]byte, error) {
	return p.c.get(ctx, "trust/"+name, most)
}

// Wait waits until staff have confirmed. Who the machine is is for the caller to
// keep, once the words were compared.
func (e *Enrolment) Wait(ctx context.Context) (*local.Identity, error) {
	for {
		var p feed.Pending
		err := e.c.do(ctx, http.MethodGet, "/device/v1/ask/"+url.PathEscape(e.id), nil, nil, func(r *http.Response) error { return decode(r.Body, &p) })
		var busy *busyError
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil && !errors.As(err, &busy) && time.Now().After(e.Until):
			return nil, err
		case err != nil: // the link comes and goes
		case p.State == "over":
			return nil, ErrOver
		case p.State == "refused":
			return nil, ErrDenied
		case p.Enrolled != nil:
			return e.take(*p.Enrolled)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(askEvery):
		}
	}
}

// take checks that whoever answers is trusted by the root, and speaks of our key.
func (e *Enrolment) take(env feed.Envelope) (*local.Identity, error) {
	got, err := opened(e.state, env, e.key.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, err
	}
	return &local.Identity{Hub: e.c.base.String(), Device: got.Device, Certificate: got.Certificate, Authority: got.Authority, Root: e.state.Root,
		Assignment: got.Assignment, Enrolled: time.Now().UTC(), Key: e.key}, nil
}

func opened(state trust.State, env feed.Envelope, public ed25519.PublicKey) (got feed.Enrolled, err error) {
	ed, err := state.Edition([]string{})
	if err != nil {
		return got, err
	}
	if err := trust.Open(feed.WhatEnrolled, env, ed.Assigners, &got); err != nil {
		return got, err
	}
	if !public.Equal(ed25519.PublicKey(got.Public)) {
		return got, fmt.Errorf("%w (the hub enrolled another key: somebody is in between)", trust.ErrRefused)
	}
	var a feed.Assignment
	if err := trust.Open(feed.WhatAssignment, got.Assignment, ed.Assigners, &a); err != nil {
		return got, err
	}
	if a.Device != got.Device {
		return got, fmt.Errorf("%w (the assignment is another device's)", trust.ErrRefused)
	}
	return got, nil
}

// Renew gets a new certificate for the same key once half its life is over, or all
// of it. It returns true if there is a new one.
func (c *Client) Renew(ctx context.Context, state trust.State) (bool, error) {
	cert, err := x509.ParseCertificate(c.ID.Certificate)
	if err != nil {
		return false, fmt.Errorf("certificate: %w", err)
	}
	half := cert.NotBefore.Add(cert.NotAfter.Sub(cert.NotBefore) / 2)
	if c.now().Before(half) {
		return false, nil
	}
	var env feed.Envelope
	if err := c.post(ctx, "/device/v1/renew", struct{}{}, &env); err != nil {
		return false, err
	}
	got, err := opened(state, env, c.ID.Key.Public().(ed25519.PublicKey))
	if err != nil {
		return false, err
	}
	fresh := *c.ID
	fresh.Certificate, fresh.Authority = got.Certificate, got.Authority
	return true, fresh.Save(c.Dir)
}
