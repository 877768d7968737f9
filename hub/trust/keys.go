package trust

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"cotmoc/hub/feed"
)

// Key is a public Ed25519 key.
type Key struct {
	ID     string            `json:"id"` // TUF's key id
	Public ed25519.PublicKey `json:"-"`
}

// PublicKey names a public key as TUF does.
func PublicKey(public ed25519.PublicKey) (Key, error) {
	if len(public) != ed25519.PublicKeySize {
		return Key{}, errors.New("this is no Ed25519 public key")
	}
	k, err := metadata.KeyFromPublicKey(public)
	if err != nil {
		return Key{}, fmt.Errorf("public key: %w", err)
	}
	id, err := k.ID()
	if err != nil {
		return Key{}, fmt.Errorf("public key: %w", err)
	}
	return Key{ID: id, Public: public}, nil
}

func keyOf(k *metadata.Key) (Key, error) {
	if k == nil || k.Type != metadata.KeyTypeEd25519 {
		return Key{}, fmt.Errorf("%w (a key is not Ed25519)", ErrRefused)
	}
	raw, err := hex.DecodeString(k.Value.PublicKey)
	if err != nil {
		return Key{}, fmt.Errorf("%w (a key is damaged)", ErrRefused)
	}
	return PublicKey(raw)
}

// ParsePublicKey reads a public key in hex, as a .pub file holds it.
func ParsePublicKey(text string) (Key, error) {
	raw, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return Key{}, errors.New("a public key is 64 hexadecimal digits")
	}
	return PublicKey(raw)
}

// keyBlock is the PEM type of private keys in PKCS #8.
const keyBlock = "PRIVATE KEY"

// NewKey makes a key and its file: PKCS #8 in PEM, inside age's passphrase
// encryption unless the passphrase is empty.
func NewKey(passphrase string) (public Key, file []byte, err error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return public, nil, fmt.Errorf("make a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return public, nil, fmt.Errorf("make a key: %w", err)
	}
	if public, err = PublicKey(pub); err != nil {
		return public, nil, err
	}
	file = pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: der})
	if passphrase != "" {
		file, err = lock(file, passphrase)
	}
	return public, file, err
}

func lock(plain []byte, passphrase string) ([]byte, error) {
	to, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, fmt.Errorf("lock a key: %w", err)
	}
	var out bytes.Buffer
	text := armor.NewWriter(&out)
	w, err := age.Encrypt(text, to)
	if err != nil {
		return nil, fmt.Errorf("lock a key: %w", err)
	}
	if _, err := w.Write(plain); err != nil {
		return nil, fmt.Errorf("lock a key: %w", err)
	}
	if err := errors.Join(w.Close(), text.Close()); err != nil {
		return nil, fmt.Errorf("lock a key: %w", err)
	}
	return append(out.Bytes(), '\n'), nil
}

// Locked says whether a key file needs a passphrase.
func Locked(file []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(file), []byte(armor.Header)) }

// ReadKey reads a key file.
func ReadKey(file []byte, passphrase string) (ed25519.PrivateKey, error) {
	if Locked(file) {
		by, err := age.NewScryptIdentity(passphrase)
		if err != nil {
			return nil, errors.New("this key needs its passphrase")
		}
		r, err := age.Decrypt(armor.NewReader(bytes.NewReader(file)), by)
		if err == nil {
			file, err = io.ReadAll(io.LimitReader(r, 1<<16))
		}
		if err != nil {
			return nil, fmt.Errorf("the passphrase does not open this key: %w", err)
		}
	}
	block, _ := pem.Decode(file)
	if block == nil || block.Type != keyBlock {
		return nil, errors.New("this is no key file")
	}
	any, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("this key file is damaged: %w", err)
	}
	key, ok := any.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("this key is not Ed25519")
	}
	return key, nil
}

// Public is the public half of a private key.
func Public(key ed25519.PrivateKey) (Key, error) { return PublicKey(key.Public().(ed25519.PublicKey)) }

// Seal signs a document that is no TUF metadata, such as an assignment or an
// answer about the time. what keeps a signature for one purpose from serving
// another.
func Seal(what string, v any, key ed25519.PrivateKey) (feed.Envelope, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return feed.Envelope{}, fmt.Errorf("seal: %w", err)
	}
	k, err := Public(key)
	if err != nil {
		return feed.Envelope{}, err
	}
	return feed.Envelope{What: what, Body: raw, KeyID: k.ID, Signature: ed25519.Sign(key, sealed(what, raw))}, nil
}

func sealed(what string, body []byte) []byte {
	sum := sha256.Sum256(body)
	return append([]byte("cotmoc/1 "+what+"\x00"), sum[:]...)
}

// Open checks an envelope against the keys that may seal it and reads it into v.
func Open(what string, e feed.Envelope, keys []Key, v any) error {
	if e.What != what {
		return fmt.Errorf("%w (it is %.40q, not %q)", ErrRefused, e.What, what)
	}
	for _, k := range keys {
		if k.ID == e.KeyID && ed25519.Verify(k.Public, sealed(what, e.Body), e.Signature) {
			if err := json.Unmarshal(e.Body, v); err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			return nil
		}
	}
	return fmt.Errorf("%w (the seal of the %s)", ErrRefused, what)
}
