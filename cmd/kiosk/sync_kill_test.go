package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cotmoc/hub/feed"
	"cotmoc/hub/local"
	"cotmoc/hub/server/publish/publishtest"
	"cotmoc/hub/trust"
)

// door serves a published folder to machines over TLS, as a hub does. It hears no
// report: it is a plain web server.
func door(t *testing.T, dir string) (url string, authority []byte) {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/public/", http.StripPrefix("/public", http.FileServer(http.Dir(dir))))
	mux.HandleFunc("/device/", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(feed.Reported{}) })
	s := httptest.NewUnstartedServer(mux)
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{certificate(t, nil)}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL, s.TLS.Certificates[0].Certificate[0]
}

// certificate is a self-signed one, good for a hub on this machine.
func certificate(t *testing.T, key ed25519.PrivateKey) tls.Certificate {
	t.Helper()
	if key == nil {
		var err error
		if _, key, err = ed25519.GenerateKey(nil); err != nil {
			t.Fatal(err)
		}
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 0, 80), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	raw, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}

// enrolled makes a data folder one of the world's machines.
func enrolled(t *testing.T, data string, w *publishtest.World, hub string, authority []byte) {
	t.Helper()
	key, err := local.Key(data)
	if err != nil {
		t.Fatal(err)
	}
	assignment, err := json.Marshal(feed.Assignment{Device: "me", Number: 1, Place: "ga", Displays: []string{"d1"}, Scopes: []string{"vn", "p-a"}})
	if err != nil {
		t.Fatal(err)
	}
	id := &local.Identity{Hub: hub, Device: "me", Key: key, Root: w.Repo.Files["1.root.json"], Authority: authority, Certificate: certificate(t, key).Certificate[0],
		Assignment: feed.Envelope{What: feed.WhatAssignment, Body: assignment}, Enrolled: time.Now()}
	if err := id.Save(data); err != nil {
		t.Fatal(err)
	}
}

// The real programs, kiosk and its child fetch, are killed at each numbered step of a
// sync over TLS, the one or the other. What was there is whole, and the next sync ends
// as if nothing had happened.
func TestSyncKilledAtEveryStep(t *testing.T) {
	w := publishtest.New(t)
	w.Now = time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
	w.Stamp()
	w.Show("p-a", "one", publishtest.Noise("a", 200_000))
	w.All()
	first := w.Copy()
	w.Show("p-a", "two", publishtest.Noise("a", 200_000), publishtest.Noise("b", 300_000))
	w.Edition("p-a")
	w.Sign()
	root := trust.Fingerprint(w.Repo.Files["1.root.json"])
	hub, authority := door(t, w.Dir)
	for _, who := range []string{"sync", "fetch"} {
		steps := 0
		for n := 1; ; n++ {
			data := filepath.Join(t.TempDir(), "data")
			if _, _, err := program(0, "import", "--data", data, "--root", root, first); err != nil {
				t.Fatal(err)
			}
			enrolled(t, data, w, hub, authority)
			once := filepath.Join(data, "killed")
			t.Setenv("KIOSK_TEST_ONCE", once)
			t.Setenv("KIOSK_TEST_WHO", who)
			_, _, err := program(n, "sync", "--data", data)
			t.Setenv("KIOSK_TEST_WHO", "")
			_, missed := os.Stat(once)
			if err != nil && missed != nil {
				t.Fatalf("%s, step %d: %v", who, n, err)
			}
			if err := sound(data); err != nil {
				t.Fatalf("%s killed at step %d: %v", who, n, err)
			}
			if _, _, err := program(0, "sync", "--data", data); err != nil {
				t.Fatalf("%s killed at step %d and done again: %v", who, n, err)
			}
			out, _, err := program(0, "verify", "--data", data)
			if err != nil || !strings.Contains(out, "2 files: 0 missing, 0 damaged") {
				t.Fatalf("%s killed at step %d and done again: %v %s", who, n, err, out)
			}
			if missed != nil {
				break
			}
			steps = n
		}
		t.Logf("%s was killed at %d steps", who, steps)
		if steps < 3 {
			t.Errorf("%s has only %d steps", who, steps)
		}
	}
}
