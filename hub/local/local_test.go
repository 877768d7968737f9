package local

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func identity(t *testing.T, dir string) *Identity {
	t.Helper()
	key, err := Key(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &Identity{Hub: "https://hub.test", Device: "d", Certificate: raw, Key: key}
}

// A machine makes its key once, and never another one in its place.
func TestIdentity(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(dir); !errors.Is(err, ErrNotEnrolled) {
		t.Errorf("nobody: %v", err)
	}
	id := identity(t, dir)
	if err := id.Save(dir); err != nil {
		t.Fatal(err)
	}
	again, err := Load(dir)
	if err != nil || !again.Key.Equal(id.Key) || again.Device != "d" {
		t.Fatalf("%+v %v", again, err)
	}
	if info, err := os.Stat(filepath.Join(dir, deviceDir, keyFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key may be read by others: %v %v", info.Mode(), err)
	}
	_, stranger, _ := ed25519.GenerateKey(nil)
	other := *id
	c := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour)}
	if other.Certificate, err = x509.CreateCertificate(rand.Reader, c, c, stranger.Public(), stranger); err != nil {
		t.Fatal(err)
	}
	if err := other.Save(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil {
		t.Error("a certificate of another key was taken")
	}
	for name, raw := range map[string]string{"empty": "", "half": `{"hub":`, "no certificate": `{}`} {
		if err := os.WriteFile(filepath.Join(dir, deviceDir, deviceFile), []byte(raw), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir); err == nil || errors.Is(err, ErrNotEnrolled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, deviceDir, keyFile), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Key(dir); err == nil {
		t.Error("a damaged key was replaced")
	}
}

// A stick may hold anything; nothing outside of it is read.
func TestFolder(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "secret")
	for _, err := range []error{os.WriteFile(secret, []byte("secret"), 0o644), os.MkdirAll(filepath.Join(dir, "trust"), 0o755),
		os.WriteFile(filepath.Join(dir, "trust", "timestamp.json"), []byte("0123456789"), 0o644), os.Symlink(secret, filepath.Join(dir, "link")), os.Symlink(outside, filepath.Join(dir, "away"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	f, err := OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, name := range []string{"link", "away/secret", "../" + filepath.Base(outside) + "/secret", secret, "trust", "nothing"} {
		if raw, err := f.Read(name, 100); err == nil {
			t.Errorf("%s was read: %s", name, raw)
		}
	}
	if raw, err := f.Metadata(t.Context(), "timestamp.json", 10); err != nil || string(raw) != "0123456789" {
		t.Errorf("%s %v", raw, err)
	}
	if _, err := f.Metadata(t.Context(), "timestamp.json", 9); err == nil {
		t.Error("more than allowed was read")
	}
	if _, err := f.Metadata(t.Context(), "2.root.json", 9); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
