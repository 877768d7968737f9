package words

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// forms are the plural categories that a language has for whole numbers.
func forms(lang string) map[string]bool {
	out := map[string]bool{}
	for n := range 201 {
		out[pluralForm(lang, n)] = true
	}
	return out
}

// needs are the keys that a language must have for those of the source: a
// counted key in each of its plural forms.
func needs(lang string) map[string]string {
	out := map[string]string{}
	for key, text := range catalogues()["vi"] {
		stem, counted := strings.CutSuffix(key, "_other")
		if !counted || stem == "gate" { // gate_other is a class of gate
			out[key] = text
			continue
		}
		for form := range forms(lang) {
			out[stem+"_"+form] = text
		}
	}
	return out
}

// Every language has exactly the keys that the source asks for, with the same
// places to fill in; and nothing is empty.
func TestCataloguesAreComplete(t *testing.T) {
	place := regexp.MustCompile(`\{[a-zA-Z]\}`)
	for _, l := range Languages {
		m, wanted := catalogues()[l], needs(l)
		for key, s := range wanted {
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
			if _, ok := wanted[key]; !ok {
				t.Errorf("%s has %q, which the source lacks", l, key)
			}
		}
	}
}

// Every key that the code asks for exists, and every key that exists is asked for.
func TestKeysAreUsed(t *testing.T) {
	asked := regexp.MustCompile(`words\.(?:In|Count)\([^,"]*, "([a-z_A-Z]+)"`)
	var code strings.Builder
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != "../.." && d.Name() != ".." {
			if d != nil && d.IsDir() && d.Name() != ".." {
				return fs.SkipDir
			}
			return err
		}
		if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			raw, err := os.ReadFile(path)
			code.Write(raw)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	source := catalogues()["vi"]
	for _, m := range asked.FindAllStringSubmatch(code.String(), -1) {
		prefix := slices.ContainsFunc(slices.Collect(maps.Keys(source)), func(key string) bool { return strings.HasPrefix(key, m[1]) })
		if source[m[1]] == "" && source[m[1]+"_other"] == "" && !(strings.HasSuffix(m[1], "_") && prefix) {
			t.Errorf("the code asks for %q, which is not there", m[1])
		}
	}
	for key := range source {
		used := strings.Contains(code.String(), `"`+key+`"`) || strings.Contains(code.String(), `"`+strings.TrimSuffix(key, "_other")+`"`)
		if stem, _, ok := strings.Cut(key, "_"); ok { // "gate_" + class
			used = used || strings.Contains(code.String(), `"`+stem+`_"`)
		}
		if !used {
			t.Errorf("nothing asks for %q", key)
		}
	}
}

func TestCounts(t *testing.T) {
	for _, c := range []struct {
		lang string
		n    int
		want string
	}{
		{"en", 1, "Opens in 1 minute, at 7:00"}, {"en", 2, "Opens in 2 minutes, at 7:00"}, {"en", 0, "Opens in 0 minutes, at 7:00"},
		{"vi", 1, "Mở cửa sau 1 phút, lúc 7:00"}, {"zh-Hans", 1, "1分钟后开放（7:00）"}, {"tyz", 5, "Mở cửa sau 5 phút, lúc 7:00"},
	} {
		if got := Count(c.lang, "opens_soon", c.n, "t", "7:00"); got != c.want {
			t.Errorf("%s %d: %q", c.lang, c.n, got)
		}
	}
	if !maps.Equal(forms("en"), map[string]bool{"one": true, "other": true}) || !maps.Equal(forms("vi"), map[string]bool{"other": true}) || len(forms("ar")) != 6 {
		t.Errorf("plural forms: en %v, vi %v, ar %v", forms("en"), forms("vi"), forms("ar"))
	}
}

func TestNumbersInEachLanguage(t *testing.T) {
	for lang, want := range map[string]string{"vi": "1.234.567", "en": "1,234,567", "zh-Hans": "1,234,567", "lo": "1.234.567", "km": "1.234.567", "fr": "1\u00a0234\u00a0567"} {
		if got := Number(lang, 1234567); got != want {
			t.Errorf("%s: %q, want %q", lang, got, want)
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
