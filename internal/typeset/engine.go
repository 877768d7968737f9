package typeset

import (
	"strings"
	"sync"

	"github.com/go-text/typesetting/di"
	"github.com/go-text/typesetting/font"
	"github.com/go-text/typesetting/language"
	"github.com/go-text/typesetting/shaping"
	"golang.org/x/image/math/fixed"
	"golang.org/x/text/unicode/norm"
)

// Bounds that keep hostile text cheap.
const (
	maxParagraph = 2000    // runes shaped at once; a longer paragraph is set in pieces
	maxText      = 200_000 // runes of a text; the rest is left out and Block.Cut says so
)

// Style says how text is set. Size is the em in pixels, Width the measure in
// pixels (0: no wrapping), MaxLines cuts with an ellipsis (0: no limit), Lead
// is added to the natural line height as a share of Size.
type Style struct {
	Lang     string
	Size     float64
	Width    int
	Bold     bool
	MaxLines int
	Lead     float64
	Centre   bool
}

// Engine sets and draws text. It is safe for use by several goroutines.
type Engine struct {
	mu       sync.Mutex
	shaper   shaping.HarfbuzzShaper
	split    shaping.Segmenter
	wrap     shaping.LineWrapper
	families map[bool]*family
	masks    maskCache
}

// New makes an engine with its own glyph cache.
func New() *Engine {
	e := &Engine{families: map[bool]*family{
		false: {suffix: "Regular", names: map[*font.Face]string{}},
		true:  {suffix: "Bold", names: map[*font.Face]string{}},
	}}
	e.shaper.SetFontCacheSize(16)
	return e
}

// Line is one line of set text. Base is the baseline's distance from the top
// of the block, in pixels.
type Line struct {
	Text  string
	Width float64
	Base  float64
	runs  []shaping.Output
	x     float64
}

// Block is set text, ready to be drawn.
type Block struct {
	Lines   []Line
	Width   int      // of the widest line, in pixels, rounded up
	Height  int      // in pixels, rounded up
	Pitch   float64  // distance from baseline to baseline
	Missing []rune   // characters that no font of ours draws
	Fonts   []string // fonts used, in order of first use
	Cut     bool     // text was left out: MaxLines, or longer than the engine takes
	e       *Engine
	bold    bool
}

type fontmap struct {
	f    *family
	zh   bool
	miss map[rune]bool
}

func (m fontmap) ResolveFace(r rune) *font.Face {
	face, ok := m.f.resolve(r, m.zh)
	if !ok && !invisible(r) {
		m.miss[r] = true
	}
	return face
}

func invisible(r rune) bool {
	return r < ' ' || r == 0x7F || r == 0xAD || 0x200B <= r && r <= 0x200F || 0x2028 <= r && r <= 0x202E ||
		0x2060 <= r && r <= 0x206F || 0xFE00 <= r && r <= 0xFE0F || r == 0xFEFF
}

// Layout sets text. Paragraphs end at line feeds. It never fails: what cannot
// be drawn is listed in Missing and shows as the font's replacement.
func (e *Engine) Layout(text string, s Style) *Block {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := &Block{e: e, bold: s.Bold}
	if s.Size < 1 {
		s.Size = 1
	}
	if s.Size > 2000 {
		s.Size = 2000
	}
	text, b.Cut = clean(text)
	m := fontmap{e.families[s.Bold], strings.HasPrefix(s.Lang, "zh"), map[rune]bool{}}
	for _, paragraph := range strings.Split(text, "\n") {
		for _, piece := range pieces([]rune(paragraph)) {
			if s.MaxLines > 0 && len(b.Lines) > s.MaxLines {
				break
			}
			e.setPiece(b, piece, s, m)
		}
	}
	if s.MaxLines > 0 && len(b.Lines) > s.MaxLines {
		e.ellipsis(b, s, m)
	}
	e.measure(b, s, m)
	return b
}

func clean(text string) (string, bool) {
	text = strings.ToValidUTF8(text, "\uFFFD")
	cut := false
	if len(text) > maxText { // at least as many bytes as runes
		if runes := []rune(text); len(runes) > maxText {
			text, cut = string(runes[:maxText]), true
		}
	}
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\t", " ").Replace(text)
	text = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || 0x7F <= r && r < 0xA0 {
			return -1
		}
		return r
	}, text)
	return norm.NFC.String(text), cut
}

// pieces cuts a long paragraph at a space, U+200B or, at worst, anywhere that
// is not before a combining mark, so that shaping stays linear.
func pieces(runes []rune) [][]rune {
	var out [][]rune
	for len(runes) > maxParagraph {
		n := maxParagraph
		for i := n; i > n/2; i-- {
			if runes[i-1] == ' ' || runes[i-1] == 0x200B || runes[i-1] == '。' {
				n = i
				break
			}
		}
		for n < len(runes) && n < maxParagraph+64 && (combines(runes[n]) || combines(runes[n-1])) {
			n++
		}
		out, runes = append(out, runes[:n]), runes[n:]
	}
	return append(out, runes)
}

func (e *Engine) setPiece(b *Block, runes []rune, s Style, m fontmap) {
	if len(runes) == 0 {
		b.Lines = append(b.Lines, Line{})
		return
	}
	size := fixed.Int26_6(s.Size * 64)
	in := shaping.Input{
		Text: runes, RunEnd: len(runes), Direction: direction(runes), Size: size,
		Language: language.NewLanguage(s.Lang),
	}
	inputs := e.split.Split(in, m)
	outs := make([]shaping.Output, len(inputs))
	for i, p := range inputs {
		outs[i] = e.shaper.Shape(p)
	}
	width := fixed.Int26_6(1 << 30)
	if s.Width > 0 {
		width = fixed.I(s.Width)
	}
	lines, _ := e.wrap.WrapParagraphF(shaping.WrapConfig{Direction: in.Direction, BreakPolicy: shaping.WhenNecessary},
		width, runes, shaping.NewSliceIterator(outs))
	for _, l := range lines {
		b.Lines = append(b.Lines, newLine(l, runes))
	}
}

func newLine(l shaping.Line, runes []rune) Line {
	line := Line{runs: visual(l)}
	low, high := len(runes), 0
	for _, r := range l {
		line.Width += float64(r.Advance) / 64
		low, high = min(low, r.Runes.Offset), max(high, r.Runes.Offset+r.Runes.Count)
	}
	if low < high {
		line.Text = string(runes[low:high])
	}
	return line
}

// visual copies the runs of a line in the order in which they are drawn.
func visual(l shaping.Line) []shaping.Output {
	runs := make([]shaping.Output, len(l))
	for _, r := range l {
		at := int(r.VisualIndex)
		if at < 0 || at >= len(runs) || runs[at].Face != nil {
			return append([]shaping.Output(nil), l...)
		}
		runs[at] = r
	}
	return runs
}

// direction is that of the first strong character.
func direction(runes []rune) di.Direction {
	for _, r := range runes {
		switch {
		case 0x0590 <= r && r <= 0x08FF || 0xFB1D <= r && r <= 0xFDFF || 0xFE70 <= r && r <= 0xFEFC:
			return di.DirectionRTL
		case r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= 0xC0 && r < 0x0590 || r >= 0x0E00 && r < 0xFB00 && r>>8 != 0x20:
			return di.DirectionLTR
		}
	}
	return di.DirectionLTR
}

// ellipsis shortens the last allowed line at a cluster until … fits.
func (e *Engine) ellipsis(b *Block, s Style, m fontmap) {
	b.Lines = b.Lines[:s.MaxLines]
	b.Cut = true
	last := &b.Lines[s.MaxLines-1]
	runes := []rune(strings.TrimRight(last.Text, " \u200B"))
	for {
		short := &Block{e: e}
		e.setPiece(short, append(append([]rune(nil), runes...), '…'), s, m)
		if len(short.Lines) == 1 || len(runes) == 0 {
			*last = short.Lines[0]
			return
		}
		runes = runes[:len(runes)-1]
		for len(runes) > 0 && (combines(runes[len(runes)-1]) || joins(runes[len(runes)-1])) {
			runes = runes[:len(runes)-1]
		}
	}
}

// measure places the baselines. Every line is as tall as the tallest, counting
// the ink of the glyphs really used: Khmer and Thai marks exceed what their
// fonts declare.
func (e *Engine) measure(b *Block, s Style, m fontmap) {
	// The main font's own height, so that a block without marks is as tall as one with.
	ascent, descent := 1.069*s.Size, 0.293*s.Size
	seen := map[*font.Face]bool{}
	for _, l := range b.Lines {
		for _, r := range l.runs {
			ascent = max(ascent, float64(r.LineBounds.Ascent)/64, float64(r.GlyphBounds.Ascent)/64)
			descent = max(descent, -float64(r.LineBounds.Descent)/64, -float64(r.GlyphBounds.Descent)/64)
			if !seen[r.Face] {
				seen[r.Face] = true
				b.Fonts = append(b.Fonts, m.f.names[r.Face])
			}
		}
	}
	b.Pitch = ascent + descent + s.Lead*s.Size
	for i := range b.Lines {
		l := &b.Lines[i]
		l.Base = ascent + float64(i)*b.Pitch
		b.Width = max(b.Width, ceil(l.Width))
	}
	for i := range b.Lines {
		l := &b.Lines[i]
		if s.Centre {
			l.x = (float64(max(s.Width, b.Width)) - l.Width) / 2
		} else if len(l.runs) > 0 && l.runs[0].Direction == di.DirectionRTL && s.Width > 0 {
			l.x = float64(s.Width) - l.Width
		}
	}
	if n := len(b.Lines); n > 0 {
		b.Height = ceil(ascent + descent + float64(n-1)*b.Pitch)
	}
	for r := range m.miss {
		b.Missing = append(b.Missing, r)
	}
}

// Missing lists the characters of text that no font of ours draws.
func (e *Engine) Missing(text string) []rune {
	return e.Layout(text, Style{Size: 16, Width: 2000}).Missing
}

func ceil(f float64) int {
	n := int(f)
	if float64(n) < f {
		n++
	}
	return n
}
