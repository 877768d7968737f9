package prepare

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"cotmoc/internal/specimen"
	"cotmoc/playlist"
)

func TestDisplayIsTheTextWithMarks(t *testing.T) {
	texts, err := specimen.Paragraphs("../../assets/sample/udhr.json")
	if err != nil {
		t.Fatal(err)
	}
	for tag, paragraphs := range texts {
		lang := playlist.Language(tag)
		bytes, marked := 0, 0
		for _, p := range paragraphs {
			c, err := Display(lang, p)
			if err != nil {
				t.Fatal(err)
			}
			if Bare(c.Display) != Bare(p) || !strings.HasPrefix(c.ICU, "ICU ") {
				t.Errorf("%s: %q became %q by %q", lang, p, c.Display, c.ICU)
			}
			if strings.Count(c.Display, string(Allow)) != c.Added || strings.Contains(c.Display, "\u200B\u200B") {
				t.Errorf("%s: %d marks are counted in %q", lang, c.Added, c.Display)
			}
			again, err := Display(lang, c.Display)
			if err != nil || again.Display != c.Display {
				t.Errorf("%s: prepared twice it becomes %q, %v", lang, again.Display, err)
			}
			bytes, marked = bytes+len(p), marked+c.Added*3
		}
		spaceless := slices.Contains([]playlist.Language{"lo", "km", "th"}, lang)
		if grown := 100 * float64(marked) / float64(bytes); spaceless != (grown > 5) || grown > 30 {
			t.Errorf("%s grew by %.0f %%", lang, grown)
		}
	}
}

// Staff correct ICU: a break it missed, and one that it got wrong.
func TestMarksOfStaffAreKept(t *testing.T) {
	plain, err := Display("lo", "ຈື່ງມີສິດ")
	if err != nil {
		t.Fatal(err)
	}
	for at := range []rune(plain.Display) {
		if []rune(plain.Display)[at] != Allow {
			continue
		}
		forbidden := []rune(plain.Display)
		forbidden[at] = Forbid
		text := strings.ReplaceAll(string(forbidden), string(Allow), "")
		c, err := Display("lo", text)
		if err != nil || !strings.ContainsRune(c.Display, Forbid) || strings.Contains(c.Display, "\u2060\u200B") || strings.Contains(c.Display, "\u200B\u2060") {
			t.Errorf("%q became %q, %v", text, c.Display, err)
		}
	}
	c, err := Display("km", "ក\u200Bខ")
	if err != nil || !strings.ContainsRune(c.Display, Allow) || c.Added != 0 {
		t.Errorf("an allowed break became %q (%d added), %v", c.Display, c.Added, err)
	}
}

func TestAnyTextIsPrepared(t *testing.T) {
	alphabet := []rune("ab  \n.“”。កខ្ងាំំ ກາເຫຼົ່ານີ້ กำเแ้น 国口 \u200B\u2060\u200D\u0301\U0001F600\U0001F468\uFFFD\u0000")
	rapid.Check(t, func(t *rapid.T) {
		text := string(rapid.SliceOf(rapid.SampledFrom(alphabet)).Draw(t, "text"))
		lang := rapid.SampledFrom([]playlist.Language{"km", "lo", "th", "vi", "zh-Hans", "xx"}).Draw(t, "lang")
		c, err := Display(lang, text)
		if err != nil {
			t.Fatal(err)
		}
		// The copy is in NFC as it stands: a mark between two tone marks keeps their order.
		if Bare(c.Display) != Bare(text) || !norm.NFC.IsNormalString(c.Display) {
			t.Fatalf("%q became %q", text, c.Display)
		}
	})
	if c, err := Display("vi", ""); err != nil || c.Display != "" {
		t.Errorf("empty: %q, %v", c.Display, err)
	}
	if _, err := Display("th", "\xff\xfeก"); playlist.CodeOf(err) != playlist.CodeInvalid {
		t.Errorf("not UTF-8: %v", err)
	}
	if _, err := Display("km", strings.Repeat("មនុស្ស", playlist.MaxTextLen/19)); playlist.CodeOf(err) != playlist.CodeInvalid {
		t.Errorf("a copy too long to be taken in: %v", err)
	}
	if _, err := Display("th", strings.Repeat("ก", playlist.MaxTextLen)); playlist.CodeOf(err) != playlist.CodeInvalid {
		t.Errorf("too long: %v", err)
	}
}

// A Khmer conjunct is never torn, though ICU 72 would.
func TestConjunctsAreNotTorn(t *testing.T) {
	c, err := Display("km", "លក្ខណៈគតិយុត្ដរបស់ខ្លួន")
	if err != nil || strings.Contains(c.Display, "\u17D2\u200B") || c.Added < 3 {
		t.Errorf("%q, %v", c.Display, err)
	}
}

// What the screens say in Lao and Khmer is prepared as well.
func TestWordsArePrepared(t *testing.T) {
	for _, lang := range []playlist.Language{"lo", "km"} {
		raw, err := os.ReadFile("../../assets/words/" + string(lang) + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var words map[string]string
		if err := json.Unmarshal(raw, &words); err != nil {
			t.Fatal(err)
		}
		for key, text := range words {
			if key == "months" || key == "weekdays" || key == "date" {
				continue // set on one line
			}
			if c, err := Display(lang, Bare(text)); err != nil || c.Display != text {
				t.Errorf("%s %s is %q, prepared it is %q, %v", lang, key, text, c.Display, err)
			}
		}
	}
}

// Whatever bytes come: the copy is the text, and no mark tears a cluster.
func FuzzDisplay(f *testing.F) {
	for _, text := range []string{"ມະນຸດເກີດມາ", "យុត្ដរបស់", "เกียรติ[ศักดิ์]", "a\u0301\u200B\u2060国", "\xff\U0001F468\u200D\U0001F469", ""} {
		f.Add("km", text)
	}
	f.Fuzz(func(t *testing.T, lang, text string) {
		if len(text) > 4000 {
			text = text[:4000]
		}
		c, err := Display(playlist.Language(lang), text)
		if err != nil {
			return // not UTF-8, or a language that ICU refuses: nothing is stored
		}
		if Bare(c.Display) != Bare(text) {
			t.Errorf("%q became %q", text, c.Display)
		}
	})
}
