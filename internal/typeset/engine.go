package typeset

import (
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/go-text/typesetting/font"
	"github.com/go-text/typesetting/shaping"
)

// Bounds that keep hostile text cheap.
const (
	maxPiece = 2000    // runes shaped at once; a longer paragraph is set in pieces
	maxText  = 200_000 // runes of a text; the rest is left out and Block.Cut says so
)

// Style says how text is set.
type Style struct {
	Lang     string  // BCP 47 tag: it chooses forms of characters, such as simplified Chinese ones
	Size     float64 // em in pixels, 1 to 2000, rounded to whole ones
	Width    int     // measure in pixels; 0: no wrapping
	Bold     bool
	MaxLines int     // a longer text is cut with an ellipsis; 0: no limit
	Lead     float64 // added to the natural line height, as a share of Size
	Centre   bool
	Balance  bool   // lines of about the same length, as titles want
	Strut    string // languages, with commas, that take turns in this place: first baseline and height do not jump
}

// Engine sets and draws text. It is safe for use by several goroutines.
type Engine struct {
	mu       sync.Mutex
	shaper   shaping.HarfbuzzShaper
	split    shaping.Segmenter
	wrap     shaping.LineWrapper
	families map[bool]*family
	masks    maskCache
	blocks   blockCache
	struts   map[strutKey]extent
}

// New makes an engine with its own glyph cache.
func New() *Engine {
	e := &Engine{struts: map[strutKey]extent{}, families: map[bool]*family{
		false: {suffix: "Regular", names: map[*font.Face]string{}},
		true:  {suffix: "Bold", names: map[*font.Face]string{}, faked: map[*font.Face]bool{}},
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
	first bool // of its paragraph
	rtl   bool // its paragraph reads from the right
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
	Torn    bool     // a short text has a word that is wider than the measure, and was cut in it
	e       *Engine
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
// be drawn is listed in Missing and shows as the font's replacement. What was
// set lately is not shaped again.
func (e *Engine) Layout(text string, s Style) *Block {
	return e.LayoutSpans([]Span{{Text: text}}, s)
}

// Span is a part of a text, bold or not.
type Span struct {
	Text string
	Bold bool
}

// LayoutSpans sets a text of which parts are bold. Words and lines are found as
// if it were one.
func (e *Engine) LayoutSpans(spans []Span, s Style) *Block {
	e.mu.Lock()
	defer e.mu.Unlock()
	// Shaping counts in whole pixels: anything else would put glyphs of one size
	// at distances of another.
	s.Size = math.Round(min(max(s.Size, 1), 2000))
	key, keep := keyOf(spans, s)
	b, ok := e.blocks.get(key)
	if !ok || !keep {
		b = e.layout(spans, s)
		if keep {
			e.blocks.put(key, b)
		}
	}
	copied := *b // its fields are the caller's; the lines are shared and never change
	return &copied
}

// fontmaps are the regular and the bold fonts of a language.
type fontmaps struct{ plain, bold fontmap }

func (e *Engine) layout(spans []Span, s Style) *Block {
	zh, miss := strings.HasPrefix(s.Lang, "zh"), map[rune]bool{}
	m := fontmaps{fontmap{e.families[s.Bold], zh, miss}, fontmap{e.families[true], zh, miss}}
	t, cut := gather(spans)
	b := &Block{e: e, Cut: cut}
	e.setParagraphs(b, t, s, m)
	if s.Balance && s.Width > 0 && !b.Cut && 1 < len(b.Lines) && len(b.Lines) <= maxBalanced {
		b = e.balanced(b, t, s, m)
	}
	b.Torn = s.Width > 0 && 1 < len(b.Lines) && len(b.Lines) <= 2*maxBalanced && tearsWords(b.Lines)
	e.measure(b, s, m)
	return b
}

func (e *Engine) setParagraphs(b *Block, t typed, s Style, m fontmaps) {
	for from := 0; from <= len(t.runes); {
		if s.MaxLines > 0 && len(b.Lines) > s.MaxLines {
			break
		}
		to := from
		for to < len(t.runes) && t.runes[to] != '\n' {
			to++
		}
		e.setParagraph(b, t.slice(from, to), s, m)
		from = to + 1
	}
	if s.MaxLines > 0 && len(b.Lines) > s.MaxLines {
		e.ellipsis(b, s, m)
	}
}

// Missing lists the characters of text that no font of ours draws. It looks
// them up without setting the text.
func (e *Engine) Missing(text string) []rune {
	e.mu.Lock()
	defer e.mu.Unlock()
	m := fontmap{f: e.families[false], miss: map[rune]bool{}}
	cleaned, _ := clean(text)
	for _, r := range cleaned {
		m.ResolveFace(r)
	}
	return slices.Sorted(maps.Keys(m.miss))
}

func ceil(f float64) int {
	n := int(f)
	if float64(n) < f {
		n++
	}
	return n
}
