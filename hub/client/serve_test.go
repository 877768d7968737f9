package client

import (
	"context"
	"crypto/ed25519"
	crand "crypto/rand"
	"crypto/x509"
	"math/big"
	"slices"
	"testing"
	"time"

	"cotmoc/hub/local"
	"cotmoc/hub/server/publish/publishtest"
	"cotmoc/playlist"
)

// A fetch as a whole, with a kiosk that does what kiosk does: it accepts what was
// staged and takes the files.
func TestFetchServes(t *testing.T) {
	s := newSite(t)
	s.Show("p-a", "one", publishtest.Noise("x", 300_000), publishtest.Noise("y", 100_000))
	s.All()
	s.c.ID = &local.Identity{Device: "me", Certificate: selfSigned(t)}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	said := make(chan local.Progress, 100)
	f := NewFetch(s.c, "boot", func(p local.Progress) {
		select {
		case said <- p:
		case <-ctx.Done():
		}
	})
	done := make(chan error, 1)
	go func() { done <- f.Serve(ctx) }()
	f.Wants(s.want)
	came := map[playlist.Hash]bool{}
	for len(came) < 2 {
		select {
		case <-ctx.Done():
			t.Fatal("it did not come")
		case p := <-said:
			if p.Staged {
				s.want.Files = s.files("p-a")
				f.Wants(s.want)
			}
			if p.File != nil {
				s.want.Settled = p.File.Try
				if !s.right(*p.File) {
					t.Errorf("%s is not right", p.File.SHA256)
				}
				came[p.File.SHA256] = true
				s.want.Files = slices.DeleteFunc(slices.Clone(s.want.Files), func(f local.File) bool { return came[f.SHA256] })
				f.Wants(s.want)
			}
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// selfSigned is a certificate that is young enough not to be renewed.
func selfSigned(t *testing.T) []byte {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: publishtest.Now.Add(-time.Hour), NotAfter: publishtest.Now.AddDate(1, 0, 0)}
	raw, err := x509.CreateCertificate(crand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
