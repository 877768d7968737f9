package keys

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Typed returns the text after a key. In Vietnamese Telex works within the last word,
// and a tone's own key marks the vowel that carries it.
func Typed(text, key, lang string) string {
	if lang != "vi" {
		return text + key
	}
	i := strings.LastIndexFunc(text, func(r rune) bool { return !unicode.IsLetter(r) }) + 1
	head, word := text[:i], norm.NFC.String(text[i:])
	if strings.ContainsAny(key, tones) {
		return head + tone(word, []rune(key)[0])
	}
	if r, _ := utf8.DecodeRuneInString(key); !unicode.IsLetter(r) {
		return text + key
	}
	return head + telex(word, key)
}

// tones are the combining marks of Vietnamese: sắc, huyền, hỏi, ngã, nặng.
const tones = "\u0301\u0300\u0309\u0303\u0323"

// telexTones are Telex's letters for them; z takes a tone away.
var telexTones = map[string]rune{"s": 0x301, "f": 0x300, "r": 0x309, "x": 0x303, "j": 0x323, "z": 0}

// doubled are the letters that a second stroke changes, and back.
var doubled = map[string]string{"a": "â", "e": "ê", "o": "ô", "d": "đ"}

// hooked are the letters that w changes.
var hooked = map[string]string{"a": "ă", "o": "ơ", "u": "ư"}

// telex types one letter behind a word.
func telex(word, key string) string {
	bare, mark := split(word)
	low := strings.ToLower(key)
	if m, ok := telexTones[low]; ok && vowelAt(bare) >= 0 {
		if m != 0 && m == mark { // twice: the letter itself
			return join(bare, 0) + key
		}
		return join(bare, m)
	}
	if to, ok := doubled[low]; ok {
		if i := strings.LastIndex(bare, low); i >= 0 && plausible(bare[i+len(low):]) {
			return join(bare[:i]+to+bare[i+len(low):], mark)
		}
		if i := strings.LastIndex(bare, to); i >= 0 && i == len(bare)-len(to) { // a third time: two letters
			return join(bare[:i]+low, mark) + key
		}
	}
	if low == "w" {
		if i := strings.LastIndex(bare, "uo"); i >= 0 {
			return join(bare[:i]+"ươ"+bare[i+2:], mark)
		}
		for i := len(bare) - 1; i >= 0; i-- {
			if to, ok := hooked[bare[i:i+1]]; ok {
				return join(bare[:i]+to+bare[i+1:], mark)
			}
		}
	}
	return join(bare+key, mark)
}

// plausible says whether what stands behind a letter can end its syllable: only then
// is a second stroke meant for it.
func plausible(rest string) bool {
	return slices.Contains([]string{"", "c", "ch", "i", "m", "n", "ng", "nh", "o", "p", "t", "u", "y"}, rest)
}

// tone puts a tone on a word, or takes it off if it is there.
func tone(word string, mark rune) string {
	bare, now := split(word)
	if mark == now {
		mark = 0
	}
	if vowelAt(bare) < 0 {
		return word
	}
	return join(bare, mark)
}

// split takes the tone off a word.
func split(word string) (bare string, mark rune) {
	var out []rune
	for _, r := range norm.NFD.String(word) {
		if strings.ContainsRune(tones, r) {
			mark = r
			continue
		}
		out = append(out, r)
	}
	return norm.NFC.String(string(out)), mark
}

func join(bare string, mark rune) string {
	at := vowelAt(bare)
	if mark == 0 || at < 0 {
		return bare
	}
	r := []rune(bare)
	return norm.NFC.String(string(r[:at+1]) + string(mark) + string(r[at+1:]))
}

const vowels = "aăâeêioôơuưy"

// vowelAt is the place of the vowel that carries the tone, in characters: the one with
// a mark of its own, else the last but one where nothing follows, else the last. -1
// where there is none.
func vowelAt(bare string) int {
	r := []rune(strings.ToLower(bare))
	from := 0
	if len(r) > 2 && (r[0] == 'q' && r[1] == 'u' || r[0] == 'g' && r[1] == 'i') && strings.ContainsRune(vowels, r[2]) {
		from = 2
	}
	first, last := -1, -1
	for i := from; i < len(r); i++ {
		if strings.ContainsRune(vowels, r[i]) {
			if first < 0 {
				first = i
			}
			last = i
		} else if first >= 0 {
			break
		}
	}
	if first < 0 {
		return -1
	}
	for i := last; i >= first; i-- {
		if strings.ContainsRune("ăâêôơư", r[i]) {
			return i
		}
	}
	switch n := last - first + 1; {
	case n == 1:
		return first
	case n == 2 && last == len(r)-1:
		return first
	case n == 2:
		return last
	}
	return first + 1
}
