// Package password hashes passwords with argon2id and checks codes of the
// second step (TOTP, RFC 6238).
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"
	"golang.org/x/crypto/argon2"

	"cotmoc/playlist"
)

// Bounds of a password in characters.
const (
	Min = 10
	Max = 200
)

// Cost of a hash: 19 MiB of memory, two passes (OWASP's second choice).
const (
	memory  = 19 * 1024
	passes  = 2
	threads = 1
	keyLen  = 32
)

// ErrBusy tells that too many people sign in at once.
var ErrBusy = errors.New("too many people sign in at this moment: try again")

// Hasher hashes two passwords at a time: hashing takes memory and a core by
// design, and must not starve the screens' synchronisation.
type Hasher struct {
	slots chan struct{}
	dummy string
}

// New makes a hasher.
func New() Hasher {
	h := Hasher{slots: make(chan struct{}, 2)}
	h.dummy = encode(make([]byte, 16), make([]byte, keyLen))
	return h
}

func (h Hasher) enter(ctx context.Context) (func(), error) {
	wait := time.NewTimer(10 * time.Second)
	defer wait.Stop()
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	case <-wait.C:
		return nil, ErrBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Hash returns the PHC form of a password's hash, with fresh salt.
func (h Hasher) Hash(ctx context.Context, pass string) (string, error) {
	if n := utf8.RuneCountInString(pass); n < Min || n > Max {
		return "", &playlist.Error{Code: playlist.CodeInvalid, Where: "password", Detail: fmt.Sprintf("a password has %d to %d characters", Min, Max)}
	}
	leave, err := h.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	return encode(salt, argon2.IDKey([]byte(pass), salt, passes, memory, threads, keyLen)), nil
}

func encode(salt, key []byte) string {
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memory, passes, threads, b.EncodeToString(salt), b.EncodeToString(key))
}

// Check says whether pass is the password of a hash. An empty hash fits none
// and costs as much time.
func (h Hasher) Check(ctx context.Context, hash, pass string) (bool, error) {
	known := hash != ""
	if !known {
		hash = h.dummy
	}
	if len(pass) > 4*Max {
		pass = ""
	}
	var version int
	var m, t uint32
	var p uint8
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, errors.New("the kept password hash is not argon2id")
	}
	if _, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &m, &t, &p); err != nil || version != argon2.Version || m > 1<<20 || t > 20 || t == 0 || p == 0 {
		return false, errors.New("the kept password hash has parameters that are not taken")
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	want, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err := errors.Join(err1, err2); err != nil || len(want) == 0 {
		return false, fmt.Errorf("the kept password hash is damaged: %w", err)
	}
	leave, err := h.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	got := argon2.IDKey([]byte(pass), salt, t, m, p, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1 && known, nil
}

// period is how long a code of the second step holds.
const period = 30 * time.Second

// NewTOTP makes a secret for a login: as an otpauth address, and in base32.
func NewTOTP(login string) (address, secret string, err error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: "Cột Mốc", AccountName: login, Period: uint(period / time.Second), SecretSize: 20})
	if err != nil {
		return "", "", fmt.Errorf("make a secret for the second step: %w", err)
	}
	return key.URL(), key.Secret(), nil
}

// Code says whether a code is right at an instant, give or take half a minute,
// and later than the step used last. It returns the step that it uses up.
func Code(secret, code string, at time.Time, last int64) (step int64, ok bool) {
	if len(code) != 6 || secret == "" {
		return 0, false
	}
	now := at.Unix() / int64(period/time.Second)
	if last > now+10 { // used while the clock was wrong
		last = 0
	}
	for s := now - 1; s <= now+1; s++ {
		want, err := totp.GenerateCodeCustom(secret, time.Unix(s*int64(period/time.Second), 0), totp.ValidateOpts{Period: uint(period / time.Second), Digits: otp.DigitsSix})
		if err == nil && s > last && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			return s, true
		}
	}
	return 0, false
}
