package playlist

import (
	"maps"
	"slices"
	"strings"
)

// Language is a BCP 47 tag in its usual case: "vi", "zh-Hans", "zxx".
type Language string

// The languages that the code itself knows by name.
const (
	Vietnamese Language = "vi"
	English    Language = "en"
	Wordless   Language = "zxx" // no linguistic content: shown to everyone
)

// NewLanguage checks the form of a BCP 47 tag (RFC 5646) and puts it in its
// usual case. Whether the subtags are registered is checked where content is
// taken in, because that needs the registry.
func NewLanguage(tag string) (Language, error) {
	bad := func(why string) (Language, error) {
		return "", &Error{Code: CodeLanguage, Detail: "language tag \"" + clip(tag, 40) + "\" " + why}
	}
	if tag == "" || len(tag) > 64 {
		return bad("is empty or too long")
	}
	parts := strings.Split(tag, "-")
	for i, p := range parts {
		if p == "" || len(p) > 8 || !alphanumeric(p) {
			return bad("has a malformed subtag")
		}
		switch {
		case i == 0:
			if len(p) < 2 || len(p) == 4 || !alphabetic(p) {
				return bad("does not begin with a language of 2, 3 or 5 to 8 letters")
			}
			parts[i] = strings.ToLower(p)
		case len(p) == 4 && alphabetic(p):
			parts[i] = strings.ToUpper(p[:1]) + strings.ToLower(p[1:])
		case len(p) == 2 && alphabetic(p):
			parts[i] = strings.ToUpper(p)
		default:
			parts[i] = strings.ToLower(p)
		}
	}
	return Language(strings.Join(parts, "-")), nil
}

// UnmarshalText reads a tag and checks its form.
func (l *Language) UnmarshalText(b []byte) error {
	v, err := NewLanguage(string(b))
	*l = v
	return err
}

// Base returns the primary language subtag: "zh" of "zh-Hans".
func (l Language) Base() string {
	base, _, _ := strings.Cut(string(l), "-")
	return base
}

// Names holds one text per language.
type Names map[Language]string

// In returns the text in want, or by the fallback order: the languages of
// the list, then vi, then en, then any (the first tag in order). The language
// actually used is returned so that the screen can say so.
func (n Names) In(want Language, list []Language) (string, Language) {
	have := func(l Language) bool { return n[l] != "" }
	if l, ok := Fallback(want, list, have); ok {
		return n[l], l
	}
	for _, l := range slices.Sorted(maps.Keys(n)) {
		if n[l] != "" {
			return n[l], l
		}
	}
	return "", ""
}

func (n Names) check(where string) error {
	for l, s := range n {
		if err := checkText(where+" "+string(l), s, MaxTitleLen); err != nil {
			return err
		}
	}
	return nil
}

// Fallback picks the language to use when want is asked for: want itself, then
// the place's list in order, then vi, then en.
// ok is false when none of these is there.
func Fallback(want Language, list []Language, have func(Language) bool) (Language, bool) {
	order := append([]Language{want}, list...)
	order = append(order, Vietnamese, English)
	for _, l := range order {
		if l != "" && have(l) {
			return l, true
		}
	}
	return "", false
}

func alphanumeric(s string) bool {
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9') {
			return false
		}
	}
	return true
}

func alphabetic(s string) bool {
	return alphanumeric(s) && !strings.ContainsAny(s, "0123456789")
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}
