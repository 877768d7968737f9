package text

import (
	"image"
	"image/draw"
	"math"
	"slices"
	"strings"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"cotmoc/internal/golden"
	"cotmoc/internal/specimen"
	"cotmoc/internal/words"
	uitheme "cotmoc/ui/theme"
)

func screen(t *testing.T) {
	t.Helper()
	th, err := uitheme.New()
	if err != nil {
		t.Fatal(err)
	}
	test.NewTempApp(t).Settings().SetTheme(th)
}

// capture shows o in a window of the given size, as the software painter draws it.
func capture(t *testing.T, o fyne.CanvasObject, w, h float32) *image.RGBA {
	t.Helper()
	win := test.NewTempWindow(t, o)
	win.SetPadded(true)
	win.Resize(fyne.NewSize(w, h))
	src := win.Canvas().Capture()
	out := image.NewRGBA(image.Rect(0, 0, src.Bounds().Dx(), src.Bounds().Dy()))
	draw.Draw(out, out.Rect, src, src.Bounds().Min, draw.Src)
	return out
}

func specimens(t *testing.T) map[string]string {
	t.Helper()
	out, err := specimen.Prepared()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Every language at three sizes and two widths, on the touch screens' ground,
// with a label, targets and Fyne's own button.
func TestGoldenTouchText(t *testing.T) {
	for lang, body := range specimens(t) {
		t.Run(lang, func(t *testing.T) {
			screen(t)
			columns := container.NewHBox()
			for _, width := range []float32{300, 560} {
				column := NewColumn()
				for _, size := range []fyne.ThemeSizeName{theme.SizeNameText, theme.SizeNameSubHeadingText, theme.SizeNameHeadingText} {
					b := New(lang, body)
					b.TextSize, b.MaxLines = size, 4
					column.Add(b)
				}
				columns.Add(container.New(fixedWidth(width), column))
			}
			chosen := NewTarget(NewLabel(lang, words.LanguageName(lang)), nil)
			chosen.Select(true)
			row := container.NewHBox(NewLabel(lang, words.LanguageName(lang)), NewTarget(NewLabel(lang, words.LanguageName(lang)), nil), chosen,
				widget.NewButton(words.In(lang, "language"), nil))
			golden.Check(t, "touch-"+lang, capture(t, container.NewVBox(row, columns), 920, 700))
		})
	}
}

// fixedWidth gives its one object a width and the height that it then asks for.
type fixedWidth float32

func (f fixedWidth) Layout(o []fyne.CanvasObject, size fyne.Size) {
	o[0].Resize(fyne.NewSize(float32(f), size.Height))
}

func (f fixedWidth) MinSize(o []fyne.CanvasObject) fyne.Size {
	o[0].Resize(fyne.NewSize(float32(f), o[0].MinSize().Height))
	return fyne.NewSize(float32(f), o[0].MinSize().Height)
}

func TestHeightFollowsWidth(t *testing.T) {
	screen(t)
	b := New("km", specimens(t)["km"])
	b.Resize(fyne.NewSize(900, 10))
	wide := b.MinSize().Height
	b.Resize(fyne.NewSize(250, 10))
	narrow := b.MinSize().Height
	if narrow < 2*wide {
		t.Errorf("%.0f high when narrow, %.0f when wide", narrow, wide)
	}
	b.Resize(fyne.NewSize(900, 10))
	if again := b.MinSize().Height; again != wide {
		t.Errorf("%.0f high, then %.0f", wide, again)
	}
	l := NewLabel("vi", "Cửa khẩu quốc tế")
	if l.Resize(fyne.NewSize(40, 10)); l.MinSize().Width < 100 {
		t.Error("a label shrank below its words")
	}
}

// The picture is that of the engine: not a pixel of ink is clipped, whatever the
// width, and whatever the scale makes of it.
func TestInkIsNotClipped(t *testing.T) {
	for lang, body := range specimens(t) {
		for _, width := range []float32{300, 300.5, 417.3} {
			screen(t)
			b := New(lang, body)
			b.Resize(fyne.NewSize(width, 10))
			b.Resize(fyne.NewSize(width, b.MinSize().Height))
			roomy := image.NewRGBA(image.Rect(0, 0, 600, int(b.MinSize().Height)+200))
			b.layout().Draw(roomy, 50, 100, theme.Color(theme.ColorNameForeground))
			if a, z := inked(b), ink(roomy); a != z {
				t.Errorf("%s at %.1f: ink %d of %d", lang, width, a, z)
			}
		}
	}
}

// inked adds up the ink of a block's strips.
func inked(b *Block) (sum int) {
	r := b.CreateRenderer().(*renderer)
	r.Layout(fyne.NewSize(b.wide, b.MinSize().Height))
	for _, s := range r.strips {
		size := s.raster.Size()
		sum += ink(r.draw(s, int(math.Ceil(float64(size.Width))), int(math.Ceil(float64(size.Height)))))
	}
	return sum
}

// A long text is shown in strips that a graphics card takes, with all its ink.
func TestLongTextIsStripped(t *testing.T) {
	screen(t)
	b := New("km", strings.Repeat(specimens(t)["km"]+" ", 40))
	b.Resize(fyne.NewSize(500, 10))
	b.Resize(fyne.NewSize(500, b.MinSize().Height))
	r := b.CreateRenderer().(*renderer)
	r.Layout(b.Size())
	if len(r.strips) < 3 {
		t.Fatalf("%d strips for %.0f", len(r.strips), b.MinSize().Height)
	}
	end := float32(0)
	for _, s := range r.strips {
		if s.raster.Position().Y != end || s.raster.Size().Height > 2*stripHeight {
			t.Errorf("a strip of %v at %v, after %.0f", s.raster.Size(), s.raster.Position(), end)
		}
		end += s.raster.Size().Height
	}
	roomy := image.NewRGBA(image.Rect(0, 0, 700, int(end)+200))
	b.layout().Draw(roomy, 50, 100, theme.Color(theme.ColorNameForeground))
	if a, z := inked(b), ink(roomy); math.Abs(float64(a-z)) > 0.001*float64(z) { // marks of one strip may reach a pixel into the next
		t.Errorf("ink %d of %d", a, z)
	}
}

func ink(img image.Image) (sum int) {
	rgba := img.(*image.RGBA)
	for i := 3; i < len(rgba.Pix); i += 4 {
		sum += int(rgba.Pix[i])
	}
	return sum
}

func TestTargets(t *testing.T) {
	screen(t)
	tapped := 0
	target := NewTarget(New("lo", "ເປີດຢູ່"), func() { tapped++ })
	target.Least = fyne.NewSize(120, 90)
	win := test.NewTempWindow(t, target)
	if size := target.MinSize(); size.Width < 120 || size.Height < 90 {
		t.Errorf("it is %v small", size)
	}
	test.Tap(target)
	win.Canvas().Focus(target)
	target.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
	target.TypedKey(&fyne.KeyEvent{Name: fyne.KeyA})
	if tapped != 2 {
		t.Errorf("tapped %d times", tapped)
	}
	plain := capture(t, target, 200, 120)
	target.Select(true)
	if chosen := capture(t, target, 200, 120); slices.Equal(plain.Pix, chosen.Pix) {
		t.Error("a chosen target looks like any other")
	}
}

const body = `# Giấy tờ cần có

Người Lào mang theo **hộ chiếu** hoặc *giấy thông hành*, xem
[trang này](https://example.org) và ![ảnh](x.png) <b>không có gì</b>.

1. Hộ chiếu
2. Tờ khai
   - bản giấy
   - bản điện tử

> Điều gì chưa biết: hãy hỏi tại quầy.

---

    mã số 123
`

func TestDocument(t *testing.T) {
	screen(t)
	doc := NewDocument("vi", body)
	var all []string
	var bold []string
	var walk func(o fyne.CanvasObject)
	walk = func(o fyne.CanvasObject) {
		switch o := o.(type) {
		case *Block:
			all = append(all, o.Words())
			for _, s := range o.Spans {
				if s.Bold {
					bold = append(bold, s.Text)
				}
			}
		case *fyne.Container:
			for _, c := range o.Objects {
				walk(c)
			}
		}
	}
	walk(doc)
	want := []string{"Giấy tờ cần có", "Người Lào mang theo hộ chiếu hoặc giấy thông hành, xem trang này và  không có gì.", "Hộ chiếu", "1.", "Tờ khai", "bản giấy", "•", "bản điện tử", "•", "2.",
		"Điều gì chưa biết: hãy hỏi tại quầy.", "mã số 123"}
	if !slices.Equal(all, want) {
		t.Errorf("got  %q\nwant %q", all, want)
	}
	if !slices.Equal(bold, []string{"hộ chiếu", "giấy thông hành"}) {
		t.Errorf("bold: %q", bold)
	}
	golden.Check(t, "document", capture(t, doc, 560, 640))
}

func TestEscapesInMarkdown(t *testing.T) {
	screen(t)
	for markdown, want := range map[string]string{`1\. Hộ chiếu`: "1. Hộ chiếu", `5 \* 3 &lt; 20`: "5 * 3 < 20", `A &amp; B \&amp;`: "A & B &amp;", "`\\*`": `\*`, `a&b; c`: "a&b; c", `50 &#37;`: "50 %"} {
		doc := NewDocument("vi", markdown).(*fyne.Container)
		if got := doc.Objects[0].(*Block).Words(); got != want {
			t.Errorf("%q became %q, want %q", markdown, got, want)
		}
	}
}

func TestChineseLinesJoinWithoutSpaces(t *testing.T) {
	screen(t)
	doc := NewDocument("zh-Hans", "人人生而自由，\n在尊严和权利上\nA 一律平等。").(*fyne.Container)
	if got := doc.Objects[0].(*Block).Words(); got != "人人生而自由，在尊严和权利上A 一律平等。" {
		t.Errorf("%q", got)
	}
}

func TestHostileDocuments(t *testing.T) {
	screen(t)
	for name, text := range map[string]string{
		"empty": "", "nested lists": strings.Repeat("- ", 2000) + "x", "nested quotes": strings.Repeat("> ", 2000) + "x", "brackets": strings.Repeat("[", 20000),
		"stars": strings.Repeat("*a_", 20000), "binary": "\x00\xff\xfe# \u202E x", "long": strings.Repeat("chữ ", 100_000),
	} {
		if doc := NewDocument("vi", text); doc == nil || doc.MinSize().Height < 0 {
			t.Errorf("%s: nothing came of it", name)
		}
	}
}

// Fyne's own widgets find every character of every UI language in the theme's
// font.
func TestThemeFontCoversTheWords(t *testing.T) {
	screen(t)
	for _, bold := range []bool{false, true} {
		has := covered(t, theme.Current().Font(fyne.TextStyle{Bold: bold}).Content())
		for _, lang := range words.Languages {
			for _, key := range []string{"open", "closed", "ask", "hours", "papers", "evisa", "fee", "forbidden", "hotline", "language", "weekdays", "months", "unenrolled", "extreme", "opens_soon_other"} {
				for _, r := range words.In(lang, key) {
					if r != '\u200B' && !has(r) {
						t.Errorf("%s %s: %q (U+%04X) is not in the theme's font", lang, key, r, r)
					}
				}
			}
		}
	}
}
