// Package phc keeps secrets as argon2id hashes in the PHC string form.
package phc

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Cost of a hash: 19 MiB of memory, two passes (OWASP's second choice).
const (
	memory  = 19 * 1024
	passes  = 2
	threads = 1
	keyLen  = 32
)

// Dummy is a hash that fits nothing and costs as much to check as another.
var Dummy = encode(make([]byte, 16), make([]byte, keyLen))

// Hash returns the hash of a secret, with fresh salt.
func Hash(secret string) string {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	return encode(salt, argon2.IDKey([]byte(secret), salt, passes, memory, threads, keyLen))
}

func encode(salt, key []byte) string {
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memory, passes, threads, b.EncodeToString(salt), b.EncodeToString(key))
}

// Check says whether secret is the one of a hash. A hash that is damaged, or would cost
// more than a hash of ours might, is an error.
func Check(hash, secret string) (bool, error) {
	var version int
	var m, t uint32
	var p uint8
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, errors.New("the kept hash is not argon2id")
	}
	if _, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &m, &t, &p); err != nil || version != argon2.Version || m > 1<<20 || t > 20 || t == 0 || p == 0 {
		return false, errors.New("the kept hash has parameters that are not taken")
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	want, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err := errors.Join(err1, err2); err != nil || len(want) == 0 {
		return false, fmt.Errorf("the kept hash is damaged: %w", err)
	}
	got := argon2.IDKey([]byte(secret), salt, t, m, p, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}
