package typeset

import (
	"image"
	"image/color"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cotmoc/internal/specimen"
)

// declaration is the Universal Declaration of Human Rights, by language.
func declaration(t testing.TB) map[string][]string {
	t.Helper()
	articles, err := specimen.Declaration("../../assets/sample/udhr.json")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for l, all := range articles {
		for _, a := range all {
			out[l] = append(out[l], a.Heading, a.Text)
		}
		slices.Sort(out[l])
	}
	return out
}

// Every character of real text of every language is drawn: no glyph 0.
func TestEveryTextIsDrawn(t *testing.T) {
	for lang, texts := range declaration(t) {
		for _, bold := range []bool{false, true} {
			for _, text := range texts {
				b := engine.Layout(text, Style{Lang: lang, Size: 24, Width: 500, Bold: bold})
				if len(b.Missing) > 0 {
					t.Errorf("%s: no font draws %q", lang, string(b.Missing))
				}
				for _, l := range b.Lines {
					for _, r := range l.runs {
						for _, g := range r.Glyphs {
							if g.GlyphID == 0 {
								t.Fatalf("%s: glyph 0 in %q", lang, l.Text)
							}
						}
					}
				}
			}
		}
	}
}

// A text is the sum of its lines, and no line is wider than the measure unless
// one cluster is.
func TestLinesAreTheText(t *testing.T) {
	texts := declaration(t)
	rapid.Check(t, func(t *rapid.T) {
		lang := rapid.SampledFrom([]string{"vi", "zh-Hans", "lo", "km", "th", "blt", "fr"}).Draw(t, "lang")
		text := rapid.SampledFrom(texts[lang]).Draw(t, "text")
		width := rapid.IntRange(40, 1200).Draw(t, "width")
		b := engine.Layout(text, Style{Lang: lang, Size: 20, Width: width})
		var all strings.Builder
		for _, l := range b.Lines {
			all.WriteString(l.Text)
			if len(clusterEnds([]rune(strings.Trim(l.Text, " \u200B")))) > 1 && l.Width > float64(width)+1 {
				t.Errorf("a line of %.1f in %d: %q", l.Width, width, l.Text)
			}
		}
		if all.String() != strings.ReplaceAll(text, "\n", "") {
			t.Errorf("%q became %q", text, all.String())
		}
	})
}

// A paragraph that is shaped in pieces is broken like one in a single piece.
func TestLongParagraphsBreakAsShortOnesDo(t *testing.T) {
	for lang, texts := range declaration(t) {
		long := strings.ReplaceAll(strings.Join(texts, " "), "\n", " ")
		if len([]rune(long)) <= maxPiece {
			t.Fatalf("%s: the text is too short to tell", lang)
		}
		b := engine.Layout(long, Style{Lang: lang, Size: 20, Width: 700})
		// The same, a line at a time: set the rest and take its first line.
		rest := []rune(long)
		for n, l := range b.Lines {
			first := engine.Layout(string(rest[:min(len(rest), 1500)]), Style{Lang: lang, Size: 20, Width: 700}).Lines[0]
			if len(rest) > 1500 && first.Text != l.Text {
				t.Fatalf("%s: line %d is %q, alone %q", lang, n, l.Text, first.Text)
			}
			rest = rest[len([]rune(l.Text)):]
		}
		if one := engine.Layout(long, Style{Lang: lang, Size: 20}); len(one.Lines) != 1 || one.Lines[0].Text != long {
			t.Errorf("%s: without a measure it is %d lines", lang, len(one.Lines))
		}
	}
}

// Titles get lines of about the same length, and never more of them.
func TestBalancedTitles(t *testing.T) {
	for lang, texts := range declaration(t) {
		for _, text := range texts {
			if strings.Contains(text, "\n") {
				continue
			}
			s := Style{Lang: lang, Size: 30, Width: 600}
			plain := engine.Layout(text, s)
			s.Balance = true
			b := engine.Layout(text, s)
			if len(b.Lines) != len(plain.Lines) || b.Width > max(plain.Width, 600) {
				t.Errorf("%s: %d lines became %d", lang, len(plain.Lines), len(b.Lines))
			}
			if tearsWords(b.Lines) && !tearsWords(plain.Lines) {
				t.Errorf("%s: balancing tore a word: %q", lang, lines(b))
			}
			if len(b.Lines) == 2 && shortest(b) < shortest(plain)-0.5 {
				t.Errorf("%s: balancing made the shorter line of %q shorter", lang, text)
			}
		}
	}
	b := engine.Layout("Tuyên ngôn toàn thế giới về nhân quyền của Liên Hợp Quốc", Style{Lang: "vi", Size: 40, Width: 900, Balance: true})
	if len(b.Lines) != 2 || math.Abs(b.Lines[0].Width-b.Lines[1].Width) > 200 {
		t.Errorf("%q", lines(b))
	}
}

func shortest(b *Block) float64 {
	w := math.Inf(1)
	for _, l := range b.Lines {
		w = min(w, l.Width)
	}
	return w
}

// Where languages take turns the first baseline and the height stay; without
// that each has its own.
func TestStrutHoldsTheBaseline(t *testing.T) {
	words := map[string]string{"vi": "Đang mở cửa", "en": "Open now", "zh-Hans": "正在开放", "lo": "ເປີດຢູ່", "km": "បើកទ្វារ", "th": "เปิดอยู่", "blt": "ꪹꪜꪒ"}
	base, height := map[float64]bool{}, map[int]bool{}
	own := map[float64]bool{}
	for lang, text := range words {
		b := engine.Layout(text, Style{Lang: lang, Size: 40, Strut: "vi,en,zh-Hans,lo,km,th,blt"})
		base[b.Lines[0].Base], height[b.Height] = true, true
		own[engine.Layout(text, Style{Lang: lang, Size: 40}).Lines[0].Base] = true
	}
	if len(base) != 1 || len(height) != 1 || len(own) < 2 {
		t.Errorf("%d first baselines and %d heights, %d without a strut", len(base), len(height), len(own))
	}
}

// An ellipsis cuts at a cluster and uses the line.
func TestEllipsisCutsAtAClusterAndUsesTheLine(t *testing.T) {
	for lang, texts := range declaration(t) {
		for _, text := range texts[len(texts)-8:] {
			b := engine.Layout(text, Style{Lang: lang, Size: 28, Width: 420, MaxLines: 1})
			if !b.Cut {
				continue
			}
			got := []rune(strings.TrimSuffix(b.Lines[0].Text, "…"))
			if !slices.Contains(clusterEnds([]rune(text)), len(got)) && !strings.ContainsAny(string([]rune(text)[len(got)]), " ,;:，；：、") {
				t.Errorf("%s: cut inside a cluster: %q", lang, b.Lines[0].Text)
			}
			if w := b.Lines[0].Width; w > 420 || w < 280 {
				t.Errorf("%s: the line is %.0f of 420 wide: %q", lang, w, b.Lines[0].Text)
			}
		}
	}
}

// The numbers are bounds of memory, so they are counted here.
func TestCachesAreBounded(t *testing.T) {
	e := New()
	img := image.NewRGBA(image.Rect(0, 0, 400, 100))
	for n := range 600 {
		text := strings.Repeat("đường biên giới ", 40) + string(rune(0x4E00+n))
		e.Layout(text, Style{Lang: "vi", Size: float64(20 + n%60), Width: 300}).Draw(img, 0, 0, color.Black)
		glyphs := 0
		for _, gen := range []map[blockKey]*Block{e.blocks.young, e.blocks.old} {
			for _, b := range gen {
				for _, l := range b.Lines {
					for _, r := range l.runs {
						glyphs += len(r.Glyphs)
					}
				}
			}
		}
		if glyphs > 2*maxGlyphs+10_000 || e.masks.bytes > maxMaskBytes+1<<20 {
			t.Fatalf("%d glyphs and %d bytes of masks after %d texts", glyphs, e.masks.bytes, n+1)
		}
	}
	huge := strings.Repeat("a ", maxCached)
	e.Layout(huge, Style{Size: 20, Width: 300})
	if _, kept := e.blocks.get(blockKey{text: huge, style: Style{Size: 20, Width: 300}}); kept {
		t.Error("a text too long to keep was kept")
	}
	many := slices.Repeat([]Span{{Text: "a ", Bold: true}, {Text: "b "}}, 50_000)
	if b := e.LayoutSpans(many, Style{Size: 20, Width: 300}); len(b.Lines) < 100 {
		t.Errorf("%d lines", len(b.Lines))
	}
}

// What was set is not shaped again, and the copy is the caller's own.
func TestSetTextIsKept(t *testing.T) {
	e := New()
	s := Style{Lang: "km", Size: 30, Width: 300}
	a := e.Layout("ក្នុងប្រទេស", s)
	a.Height = -1
	if b := e.Layout("ក្នុងប្រទេស", s); b.Height <= 0 || &b.Lines[0] != &a.Lines[0] {
		t.Error("it was shaped again, or the first caller changed the second's")
	}
}

// Bold text is wider or darker than regular text in every script, also where no
// bold face is carried.
func TestBoldIsBolder(t *testing.T) {
	ink := func(text, lang string, bold bool) (sum int) {
		b := engine.Layout(text, Style{Lang: lang, Size: 60, Bold: bold})
		img := image.NewRGBA(image.Rect(0, 0, b.Width+20, b.Height+20))
		b.Draw(img, 10, 10, color.White)
		for i := 3; i < len(img.Pix); i += 4 {
			sum += int(img.Pix[i])
		}
		return sum
	}
	for lang, text := range specimens {
		if regular, bold := ink(text, lang, false), ink(text, lang, true); float64(bold) < 1.1*float64(regular) {
			t.Errorf("%s: %d regular, %d bold", lang, regular, bold)
		}
	}
}

// Right-to-left text is drawn from the right and reads right: the first word is
// the rightmost.
func TestRightToLeft(t *testing.T) {
	b := engine.Layout("שלום 123 abc", Style{Lang: "he", Size: 30, Width: 400})
	l := b.Lines[0]
	if len(l.runs) < 3 || l.x < 100 {
		t.Fatalf("%d runs at %.0f", len(l.runs), l.x)
	}
	if last := l.runs[len(l.runs)-1]; last.Runes.Offset != 0 {
		t.Errorf("the first word is not the last drawn: %+v", l.runs)
	}
}

// A million bytes in one paragraph, of anything, takes bounded time and memory.
func TestAMegabyteInOneParagraph(t *testing.T) {
	for name, text := range map[string]string{
		"words": strings.Repeat("biên giới ", 70_000), "no breaks": strings.Repeat("a", 1<<20), "khmer": strings.Repeat("ក្ដី", 80_000),
		"marks": "a" + strings.Repeat("\u0301", 500_000), "bidi": strings.Repeat("\u202E\u2067א", 100_000), "control": strings.Repeat("\x00\x01\x7f", 300_000),
		"unassigned": strings.Repeat("\U000E0FFF\u0378", 100_000),
	} {
		b := engine.Layout(text, Style{Lang: "vi", Size: 20, Width: 800})
		if n := len(b.Lines); n > maxText {
			t.Errorf("%s: %d lines", name, n)
		}
		if len([]rune(text)) > maxText && !b.Cut && name != "control" {
			t.Errorf("%s: nothing is said of what was left out", name)
		}
	}
}

// Bold parts do not change where lines end by words, and only they are bolder.
func TestSpans(t *testing.T) {
	spans := []Span{{Text: "Giấy tờ cần có: "}, {Text: "hộ chiếu", Bold: true}, {Text: " còn hạn sáu tháng, "}, {Text: "ຫຼື ប័ណ្ណ", Bold: true}, {Text: " của người biên giới."}}
	b := engine.LayoutSpans(spans, Style{Lang: "vi", Size: 30, Width: 260})
	var all strings.Builder
	for _, l := range b.Lines {
		all.WriteString(l.Text)
	}
	if got := all.String(); got != "Giấy tờ cần có: hộ chiếu còn hạn sáu tháng, ຫຼື ប័ណ្ណ của người biên giới." {
		t.Errorf("%q", got)
	}
	for _, name := range []string{"NotoSans-Regular", "NotoSans-Bold", "NotoSansLao-Bold", "NotoSansKhmer-Bold"} {
		if !slices.Contains(b.Fonts, name) {
			t.Errorf("%s is not among %v", name, b.Fonts)
		}
	}
	if plain := engine.Layout(all.String(), Style{Lang: "vi", Size: 30, Width: 260}); plain.Width == b.Width && slices.Equal(plain.Fonts, b.Fonts) {
		t.Error("the bold parts are not bold")
	}
}
