// Package password hashes passwords with argon2id and checks codes of the
// second step (TOTP, RFC 6238).
package password

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"cotmoc/hub/server/admission"
	"cotmoc/internal/phc"
	"cotmoc/playlist"
)

// Bounds of a password in characters.
const (
	Min = 10
	Max = 200
)

// ErrBusy tells that too many people sign in at once.
var ErrBusy = errors.New("too many people sign in at this moment: try again")

// Hasher hashes two passwords at a time: hashing takes memory and a core by
// design, and must not starve the screens' synchronisation. One of the two places is
// kept for people who were here before, so that strangers who guess keep nobody out.
type Hasher struct {
	any, kept chan struct{}
	waiting   *admission.Room // of strangers
}

// Who is it whose password is hashed.
type Who struct {
	From  string // address
	Known bool   // it signed in from there before, or is signed in
}

// New makes a hasher.
func New() Hasher {
	return Hasher{any: make(chan struct{}, 1), kept: make(chan struct{}, 1), waiting: admission.NewRoom(32, 4)}
}

// patience is how long somebody waits for a place.
const patience = 10 * time.Second

func (h Hasher) enter(ctx context.Context, who Who) (func(), error) {
	kept := h.kept
	if !who.Known {
		kept = nil
		leave, ok := h.waiting.Enter(who.From)
		if !ok {
			return nil, ErrBusy
		}
		defer leave()
	}
	wait := time.NewTimer(patience)
	defer wait.Stop()
	select {
	case h.any <- struct{}{}:
		return func() { <-h.any }, nil
	case kept <- struct{}{}:
		return func() { <-h.kept }, nil
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
	leave, err := h.enter(ctx, Who{Known: true})
	if err != nil {
		return "", err
	}
	defer leave()
	return phc.Hash(pass), nil
}

// Check says whether pass is the password of a hash. An empty hash fits none
// and costs as much time.
func (h Hasher) Check(ctx context.Context, who Who, hash, pass string) (bool, error) {
	known := hash != ""
	if !known {
		hash = phc.Dummy
	}
	if len(pass) > 4*Max {
		pass = ""
	}
	leave, err := h.enter(ctx, who)
	if err != nil {
		return false, err
	}
	defer leave()
	ok, err := phc.Check(hash, pass)
	return ok && known, err
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
