package prepare

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"cotmoc/internal/typeset"
	"cotmoc/playlist"
)

// declaration is real text: the Universal Declaration, by language.
func declaration(t testing.TB) map[playlist.Language][]string {
	t.Helper()
	raw, err := os.ReadFile("../../assets/sample/udhr.json")
	if err != nil {
		t.Fatal(err)
	}
	var u struct {
		Languages map[playlist.Language]struct {
			Articles map[string]struct{ Text string }
		}
	}
	if err := json.Unmarshal(raw, &u); err != nil {
		t.Fatal(err)
	}
	out := map[playlist.Language][]string{}
	for l, d := range u.Languages {
		for _, a := range d.Articles {
			out[l] = append(out[l], strings.Split(a.Text, "\n")...)
		}
		slices.Sort(out[l])
	}
	return out
}

func TestDisplayIsTheTextWithMarks(t *testing.T) {
	for lang, paragraphs := range declaration(t) {
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
		if Bare(c.Display) != Bare(text) || !norm.NFC.IsNormalString(Bare(c.Display)) {
			t.Fatalf("%q became %q", text, c.Display)
		}
	})
	if c, err := Display("vi", ""); err != nil || c.Display != "" {
		t.Errorf("empty: %q, %v", c.Display, err)
	}
	if c, err := Display("th", "\xff\xfeก"); err != nil || !strings.Contains(c.Display, "ก") {
		t.Errorf("not UTF-8: %q, %v", c.Display, err)
	}
	if _, err := Display("th", strings.Repeat("ก", playlist.MaxTextLen)); playlist.CodeOf(err) != playlist.CodeInvalid {
		t.Errorf("too long: %v", err)
	}
}

// ends returns where lines of a block end, in runes of the bare text, without
// the spaces at a line's end.
func ends(b *typeset.Block) []int {
	var out []int
	n := 0
	for _, l := range b.Lines {
		n += len([]rune(Bare(l.Text)))
		out = append(out, n)
	}
	return out
}

// greedy breaks text as ICU allows, each line as long as it fits. It returns nil
// if a single word is wider than the line: there ICU has no answer.
func greedy(e *typeset.Engine, lang string, bare []rune, allowed []int, size float64, width int) []int {
	fits := func(from, to int) bool {
		line := strings.TrimRightFunc(string(bare[from:to]), unicode.IsSpace)
		b := e.Layout(line, typeset.Style{Lang: lang, Size: size})
		return math.Ceil(b.Lines[0].Width) <= float64(width)
	}
	var out []int
	from, last := 0, 0
	for _, at := range allowed {
		if !fits(from, at) && last > from {
			out, from = append(out, last), last
		}
		if !fits(from, at) {
			return nil
		}
		last = at
	}
	return append(out, len(bare))
}

// A Khmer conjunct is never torn, though ICU 72 would.
func TestConjunctsAreNotTorn(t *testing.T) {
	c, err := Display("km", "លក្ខណៈគតិយុត្ដរបស់ខ្លួន")
	if err != nil || strings.Contains(c.Display, "\u17D2\u200B") || c.Added < 3 {
		t.Errorf("%q, %v", c.Display, err)
	}
}

// At five widths the lines of every paragraph end where ICU's breaks, taken
// greedily, end them.
func TestLinesEndWhereICUEndsThem(t *testing.T) {
	e := typeset.New()
	for lang, paragraphs := range declaration(t) {
		same, all, wide, torn := 0, 0, 0, 0
		for _, p := range paragraphs {
			c, err := Display(lang, p)
			if err != nil {
				t.Fatal(err)
			}
			bare := []rune(Bare(p))
			allowed, err := LineBreaks(string(lang), bare)
			if err != nil {
				t.Fatal(err)
			}
			allowed = slices.DeleteFunc(allowed, func(at int) bool {
				inside := at < len(bare) && bare[at-1] == 0x17D2
				if inside {
					torn++
				}
				return inside
			})
			clusters, err := Graphemes(string(lang), bare)
			if err != nil {
				t.Fatal(err)
			}
			for _, width := range []int{260, 410, 640, 900, 1500} {
				got := ends(e.Layout(c.Display, typeset.Style{Lang: string(lang), Size: 32, Width: width}))
				want := greedy(e, string(lang), bare, allowed, 32, width)
				if want == nil {
					wide++
					continue
				}
				all++
				if slices.Equal(got, want) {
					same++
				} else if all-same <= 3 {
					t.Logf("%s at %d: lines end at %v, ICU's at %v\n%s", lang, width, got, want, p)
				}
				for _, at := range got {
					if !slices.Contains(clusters, at) {
						t.Errorf("%s at %d: a line ends inside a cluster at %d of %q", lang, width, at, p)
					}
				}
			}
		}
		t.Logf("%s: %d of %d the same; %d have a word wider than the line; %d breaks of ICU would tear a Khmer conjunct", lang, same, all, wide, torn)
		if same < all {
			t.Errorf("%s: %d of %d paragraphs are broken otherwise than by ICU", lang, all-same, all)
		}
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
