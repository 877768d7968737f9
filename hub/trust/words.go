package trust

import (
	"crypto/sha256"
	"strings"
)

// A word stands for a byte: sixteen beginnings and sixteen endings of Vietnamese
// syllables without marks, which are told apart on a screen and over a telephone.
var (
	beginnings = strings.Fields("b ch d h kh l m n nh ph s t th tr v x")
	endings    = strings.Fields("a ac ai am ao e em eo i im o oi ong u ui um")
)

// Words are the eight words by which two people compare what their screens hold:
// 64 bits of a hash over all parts.
func Words(parts ...[]byte) []string {
	h := sha256.New()
	h.Write([]byte("cotmoc words/1"))
	for _, p := range parts {
		sum := sha256.Sum256(p)
		h.Write(sum[:])
	}
	var out []string
	for _, b := range h.Sum(nil)[:8] {
		out = append(out, beginnings[b>>4]+endings[b&15])
	}
	return out
}
