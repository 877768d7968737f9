package fleet

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"sync"
	"time"

	"cotmoc/internal/atomicfile"
)

// How long certificates live, and when they are made anew.
const (
	CertificateLife = 90 * 24 * time.Hour
	authorityLife   = 20 * 365 * 24 * time.Hour
	early           = 24 * time.Hour // devices' clocks differ
)

// Authority certifies the hub's own listener and its devices.
type Authority struct {
	Certificate *x509.Certificate
	key         ed25519.PrivateKey

	mu     sync.Mutex
	server *tls.Certificate
}

// OpenAuthority reads the authority's certificate, or makes it for its key.
func OpenAuthority(path string, key ed25519.PrivateKey, now time.Time) (*Authority, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		raw, err = makeAuthority(path, key, now)
	}
	if err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, fmt.Errorf("authority: %s is damaged", path)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("authority: %s: %w", path, err)
	}
	if public, ok := cert.PublicKey.(ed25519.PublicKey); !ok || !public.Equal(key.Public()) {
		return nil, fmt.Errorf("authority: %s is of another key", path)
	}
	return &Authority{Certificate: cert, key: key}, nil
}

func makeAuthority(path string, key ed25519.PrivateKey, now time.Time) ([]byte, error) {
	t, err := template("Cột Mốc hub", now, authorityLife)
	if err != nil {
		return nil, err
	}
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero = true, true, true
	t.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	raw := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return raw, atomicfile.Write(path, raw, 0o644)
}

func template(name string, now time.Time, life time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-early), NotAfter: now.Add(life)}, nil
}

// Issue certifies a device's key. The answer is in DER.
func (a *Authority) Issue(device string, public ed25519.PublicKey, now time.Time) ([]byte, error) {
	t, err := template(device, now, CertificateLife)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	der, err := x509.CreateCertificate(rand.Reader, t, a.Certificate, public, a.key)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return der, nil
}

// Config is how the hub speaks with devices: HTTP/1.1 over TLS 1.3, with a
// certificate that the authority has issued for these names. Clients' certificates
// are asked for and looked at by the fleet, which knows of grace and revocation.
func (a *Authority) Config(names []string, now func() time.Time) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, ClientAuth: tls.RequestClientCert, Time: now, NextProtos: []string{"http/1.1"},
		SessionTicketsDisabled: true, // they save nothing where clients have certificates
		GetCertificate:         func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return a.own(names, now()) },
	}
}

// own is the listener's certificate, made anew at half its life.
func (a *Authority) own(names []string, now time.Time) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.server != nil && a.server.Leaf.NotAfter.Sub(now) > CertificateLife/2 && a.server.Leaf.NotAfter.Sub(now) <= CertificateLife {
		return a.server, nil
	}
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	t, err := template("hub", now, CertificateLife)
	if err != nil {
		return nil, err
	}
	// A kiosk without a clock of its own lives at the last instant that it knows of,
	// which may be long before this certificate was made.
	t.NotBefore = a.Certificate.NotBefore
	t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.Certificate, public, a.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	a.server = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	return a.server, nil
}
