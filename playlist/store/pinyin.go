package store

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mozillazg/go-pinyin"
)

// Bounds of what is kept of a title's sound.
const (
	maxReadings = 8  // of a title, where characters have several: 重庆 is chongqing and zhongqing
	maxSounds   = 12 // syllables that one token takes
	maxSounded  = 60 // characters of a title
)

// sounds are the pinyin of the Chinese characters of a title, so that it is found by
// typing Latin letters: each reading as syllables, and from each character on as one
// word, so that youyiguan, guankou and you yi all find 友谊关口岸. It is "" where there
// are no Chinese characters.
func sounds(title string) string {
	var syllables [][]string
	args := pinyin.NewArgs()
	args.Heteronym = true
	for _, r := range strip(title) {
		if len(syllables) == maxSounded {
			break
		}
		if !unicode.Is(unicode.Han, r) {
			continue
		}
		var all []string
		for _, s := range pinyin.SinglePinyin(r, args) {
			if s = strings.ReplaceAll(s, "ü", "v"); !slices.Contains(all, s) { // as it is typed
				all = append(all, s)
			}
		}
		if len(all) > 0 {
			syllables = append(syllables, all)
		}
	}
	seen := map[string]bool{}
	var out []string
	add := func(s string) {
		if s != "" && !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	for from := range syllables {
		for _, r := range readings(syllables[from:min(from+maxSounds, len(syllables))]) {
			add(strings.Join(r, " "))
			add(strings.Join(r, ""))
		}
	}
	return strings.Join(out, "\n")
}

// readings are the ways to read syllables, the commonest first, at most maxReadings.
func readings(syllables [][]string) [][]string {
	out := [][]string{nil}
	for _, all := range syllables {
		var next [][]string
		for _, s := range all {
			for _, r := range out {
				if len(next) < maxReadings {
					next = append(next, append(slices.Clone(r), s))
				}
			}
		}
		out = next
	}
	return out
}

// typed is a query as sounds are kept, or "" if it cannot be pinyin.
func typed(query string) string {
	q := strings.Join(strings.Fields(strings.ToLower(strip(query))), " ")
	if utf8.RuneCountInString(q) < 2 || strings.Trim(strings.ReplaceAll(q, "ü", "v"), "abcdefghijklmnopqrstuvwxyz '") != "" {
		return ""
	}
	return strings.NewReplacer("ü", "v", "'", " ").Replace(q)
}
