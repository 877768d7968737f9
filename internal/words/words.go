// Package words holds what the screens say in each language: Vietnamese is the
// source, the others are complete, and a language without words of its own is
// shown in Vietnamese.
package words

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/number"

	"cotmoc/assets"
)

// Languages lists the languages that have words, the source first.
var Languages = []string{"vi", "en", "zh-Hans", "lo", "km"}

var catalogues = sync.OnceValue(func() map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, l := range Languages {
		raw, err := assets.Words.ReadFile("words/" + l + ".json")
		if err != nil {
			panic(fmt.Sprintf("words of %s are not built in: %v", l, err))
		}
		var m map[string]string
		if err := json.Unmarshal(raw, &m); err != nil {
			panic(fmt.Sprintf("words of %s: %v", l, err))
		}
		all[l] = m
	}
	return all
})

// Has says whether lang has words of its own.
func Has(lang string) bool { return catalogues()[lang] != nil }

// In returns the words for key in lang, with {name} replaced by the value that
// follows it in pairs.
func In(lang, key string, pairs ...string) string {
	m := catalogues()[lang]
	if m == nil {
		m = catalogues()["vi"]
	}
	s := m[key]
	for i := 0; i+1 < len(pairs); i += 2 {
		s = strings.ReplaceAll(s, "{"+pairs[i]+"}", pairs[i+1])
	}
	return s
}

// Count returns the words for key that go with n things: the form that the
// language's plural rule (CLDR) asks for, with {n} replaced by the number.
func Count(lang, key string, n int, pairs ...string) string {
	if !Has(lang) {
		lang = "vi"
	}
	form := key + "_" + pluralForm(lang, n)
	if catalogues()[lang][form] == "" {
		form = key + "_other"
	}
	return In(lang, form, append([]string{"n", Number(lang, n)}, pairs...)...)
}

// pluralForm names n's plural category in lang: zero, one, two, few, many or other.
func pluralForm(lang string, n int) string {
	switch plural.Cardinal.MatchPlural(language.Make(lang), max(n, -n), 0, 0, 0, 0) {
	case plural.Zero:
		return "zero"
	case plural.One:
		return "one"
	case plural.Two:
		return "two"
	case plural.Few:
		return "few"
	case plural.Many:
		return "many"
	}
	return "other"
}

// Number writes a whole number with the language's own digit groups (CLDR).
func Number[N int | float64](lang string, n N) string {
	return message.NewPrinter(language.Make(lang)).Sprint(number.Decimal(n))
}

// Date writes a date in the language's own form, Gregorian year.
func Date(lang string, t time.Time) string {
	months := strings.Split(In(lang, "months"), "|")
	return In(lang, "date", "D", strconv.Itoa(t.Day()), "M", months[t.Month()-1], "Y", strconv.Itoa(t.Year()))
}

// Weekday names the day of the week.
func Weekday(lang string, d time.Weekday) string {
	return strings.Split(In(lang, "weekdays"), "|")[d]
}

// autonyms are the languages' own names, for those without words here.
var autonyms = map[string]string{
	"th": "ภาษาไทย", "fr": "français", "tyz": "Tày", "nut": "Nùng", "hmn": "Hmoob", "mww": "Hmoob", "ium": "Dao",
	"blt": "ꪼꪕꪒꪾ", "jra": "Jrai", "rad": "Êđê", "bdq": "Bahnar", "cjm": "Chăm", "ktv": "Cơ Tu", "bru": "Bru",
}

// LanguageName is a language's name in itself, or its tag if we know none.
func LanguageName(lang string) string {
	if Has(lang) {
		return In(lang, "language")
	}
	base, _, _ := strings.Cut(lang, "-")
	if n, ok := autonyms[base]; ok {
		return n
	}
	return lang
}
