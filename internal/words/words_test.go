package words

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// Every language has exactly the keys of the source, with the same places to
// fill in; and nothing is empty.
func TestCataloguesAreComplete(t *testing.T) {
	source := catalogues()["vi"]
	place := regexp.MustCompile(`\{[a-zA-Z]\}`)
	for _, l := range Languages {
		m := catalogues()[l]
		for key, s := range source {
			got, ok := m[key]
			if !ok || strings.TrimSpace(got) == "" {
				t.Errorf("%s lacks %q", l, key)
			}
			a, b := place.FindAllString(s, -1), place.FindAllString(got, -1)
			slices.Sort(a)
			slices.Sort(b)
			if !slices.Equal(a, b) {
				t.Errorf("%s %q: places %v, the source has %v", l, key, b, a)
			}
			if strings.Count(s, "|") != strings.Count(got, "|") {
				t.Errorf("%s %q: lists differ in length", l, key)
			}
		}
		for key := range m {
			if _, ok := source[key]; !ok {
				t.Errorf("%s has %q, which the source lacks", l, key)
			}
		}
	}
}

func TestDatesInEachLanguage(t *testing.T) {
	day := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
	for lang, want := range map[string]string{
		"vi": "1 tháng 3, 2027", "en": "1 March 2027", "zh-Hans": "2027年3月1日", "lo": "1 ມີນາ 2027", "km": "1 មីនា 2027",
		"tyz": "1 tháng 3, 2027", // no words of its own: Vietnamese
	} {
		if got := Date(lang, day); got != want {
			t.Errorf("%s: %q, want %q", lang, got, want)
		}
	}
	if got := Weekday("zh-Hans", time.Monday); got != "星期一" {
		t.Errorf("Monday is %q", got)
	}
	if LanguageName("tyz") != "Tày" || LanguageName("km") != "ភាសាខ្មែរ" || LanguageName("qaa") != "qaa" {
		t.Error("language names")
	}
}
