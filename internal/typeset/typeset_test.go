package typeset

import (
	"image"
	"image/color"
	"slices"
	"strings"
	"testing"

	"cotmoc/internal/golden"
	"cotmoc/internal/specimen"
)

var engine = New()

// What golden pictures must hold: clusters that others cut, shapes that others
// draw in Japanese.
var specimens = map[string]string{
	"vi": "Cửa khẩu quốc tế Hữu Nghị: đường biên, ƀuôn Ê-đê, ơ̆", "zh-Hans": "直骨角令化，友谊关口岸。“开放”……", "lo": "ເຫຼົ່ານີ້ ມະນຸດ\u200Bເກີດ\u200Bມາ",
	"km": "ក្នុង ប្អូន មនុស្ស\u200Bទាំងអស់", "th": "มนุษย์\u200Bทั้งหลาย กั้น ที่", "blt": "ꪶꪁꪙꪰ꫁ꪙ ꪋꪴ꫁ ꪹꪠ꪿ꪒꪽ", "en": "All human beings ← → ✓",
}

func TestSpecimens(t *testing.T) {
	for lang, text := range specimens {
		t.Run(lang, func(t *testing.T) {
			b := engine.Layout(text, Style{Lang: lang, Size: 40, Width: 420})
			if len(b.Missing) > 0 {
				t.Errorf("no font draws %q", string(b.Missing))
			}
			img := image.NewRGBA(image.Rect(0, 0, 440, b.Height+20))
			for i := range img.Pix {
				img.Pix[i] = 255
			}
			b.Draw(img, 10, 10, color.Black)
			golden.Check(t, "specimen-"+lang, img)
			// Ink stays inside the block: nothing is clipped by what draws it.
			for x := range img.Rect.Dx() {
				for _, y := range []int{0, 9, img.Rect.Dy() - 9, img.Rect.Dy() - 1} {
					if img.RGBAAt(x, y).R < 128 {
						t.Fatalf("ink at %d,%d outside of the block", x, y)
					}
				}
			}
		})
	}
}

func prepared(t testing.TB) map[string]string {
	t.Helper()
	out, err := specimen.Prepared()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Every language at three sizes and two widths, regular and bold, as the stage
// draws it.
func TestSheets(t *testing.T) {
	for lang, text := range prepared(t) {
		t.Run(lang, func(t *testing.T) {
			img := image.NewRGBA(image.Rect(0, 0, 1180, 860))
			for i := range img.Pix {
				img.Pix[i] = 255
			}
			x := 20.0
			for i, width := range []int{360, 720} {
				y := 16.0
				for _, size := range []float64{22, 34, 54} {
					b := engine.Layout(text, Style{Lang: lang, Size: size, Width: width, MaxLines: 4, Bold: size == 34})
					b.Draw(img, x, y, color.RGBA{0x0B, 0x25, 0x45, 0xFF})
					y += float64(b.Height) + 14
				}
				x += float64(width) + 40*float64(i+1)
			}
			golden.Check(t, "sheet-"+lang, img)
		})
	}
}

func lines(b *Block) []string {
	var out []string
	for _, l := range b.Lines {
		out = append(out, strings.Trim(l.Text, " \u200B"))
	}
	return out
}

func TestBreaks(t *testing.T) {
	// U+200B allows a break, U+2060 forbids one, a closing mark begins no line.
	b := engine.Layout("ມະນຸດ\u200Bເກີດ\u200Bມາ\u200Bມີ\u200Bສິດ", Style{Lang: "lo", Size: 40, Width: 150})
	if len(b.Lines) < 2 {
		t.Fatalf("one line: %q", lines(b))
	}
	words := []string{"ມະນຸດ", "ເກີດ", "ມາ", "ມີ", "ສິດ"}
	for _, l := range lines(b) {
		if !slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(l, w) }) {
			t.Errorf("line %q begins inside a word", l)
		}
	}
	for width := 70; width < 400; width += 7 {
		b := engine.Layout("人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心。", Style{Lang: "zh-Hans", Size: 32, Width: width})
		for _, l := range lines(b) {
			if strings.HasPrefix(l, "，") || strings.HasPrefix(l, "。") {
				t.Errorf("width %d: a line begins with %q", width, l)
			}
		}
	}
}

func TestNFCIsTheSameText(t *testing.T) {
	a := engine.Layout("Người Việt", Style{Lang: "vi", Size: 30})
	b := engine.Layout("Ngu\u031Bo\u031B\u0300i Vie\u0323\u0302t", Style{Lang: "vi", Size: 30})
	if a.Lines[0].Width != b.Lines[0].Width || b.Lines[0].Text != "Người Việt" {
		t.Errorf("decomposed text is %v wide, composed %v", b.Lines[0].Width, a.Lines[0].Width)
	}
}

func TestEllipsisAndBounds(t *testing.T) {
	b := engine.Layout(strings.Repeat("đường dài ", 50), Style{Lang: "vi", Size: 20, Width: 200, MaxLines: 2})
	if len(b.Lines) != 2 || !b.Cut || !strings.HasSuffix(b.Lines[1].Text, "…") {
		t.Errorf("%d lines, cut %v, %q", len(b.Lines), b.Cut, b.Lines[len(b.Lines)-1].Text)
	}
	for _, l := range b.Lines {
		if l.Width > 201 {
			t.Errorf("a line is %.0f wide", l.Width)
		}
	}
	if got := engine.Missing("\U000E1234 a"); len(got) != 1 {
		t.Errorf("missing %q", string(got))
	}
	if b := engine.Layout("", Style{Size: 20}); b.Height == 0 || len(b.Lines) != 1 {
		t.Errorf("empty text: %d lines, %d high", len(b.Lines), b.Height)
	}
}

func FuzzLayout(f *testing.F) {
	for lang, s := range specimens {
		f.Add(s, lang, 100)
	}
	f.Add("\xff\u202E\u2067abc\u0301\u0301", "ar", 1)
	f.Fuzz(func(t *testing.T, s, lang string, width int) {
		if len(s) > 4000 {
			s = s[:4000]
		}
		b := engine.Layout(s, Style{Lang: lang, Size: 16, Width: 1 + max(width, -width)%800, MaxLines: 40})
		if len(b.Lines) > 40 {
			t.Errorf("%d lines", len(b.Lines))
		}
		img := image.NewRGBA(image.Rect(0, 0, 64, 64))
		b.Draw(img, 0, 0, color.Black)
	})
}

func BenchmarkParagraph(b *testing.B) {
	for lang, text := range specimens {
		b.Run(lang, func(b *testing.B) {
			for b.Loop() {
				engine.Layout(text, Style{Lang: lang, Size: 24, Width: 400})
			}
		})
	}
}
