package typeset

import (
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/go-text/typesetting/di"
	"github.com/go-text/typesetting/font"
	"github.com/go-text/typesetting/segmenter"
)

// maxBalanced is how many lines are balanced at most: more are no title.
const maxBalanced = 6

// balanced sets text in the narrowest measure that takes no more lines.
func (e *Engine) balanced(b *Block, t typed, s Style, m fontmaps) *Block {
	best := b
	low, high := s.Width/len(b.Lines), s.Width
	for high-low > 4 {
		narrow := s
		narrow.Width = (low + high) / 2
		try := &Block{e: e}
		e.setParagraphs(try, t, narrow, m)
		if len(try.Lines) > len(b.Lines) || try.Cut || tearsWords(try.Lines) {
			low = narrow.Width
		} else {
			best, high = try, narrow.Width
		}
	}
	return best
}

// tearsWords says whether a line ends where no line should: inside a word that
// was too wide for the measure.
func tearsWords(lines []Line) bool {
	var paragraph []rune
	var ends []int
	torn := func() bool {
		var s segmenter.Segmenter
		s.Init(paragraph)
		allowed := map[int]bool{}
		for it := s.LineIterator(); it.Next(); {
			l := it.Line()
			allowed[l.Offset+len(l.Text)] = true
		}
		return slices.ContainsFunc(ends, func(at int) bool { return !allowed[at] })
	}
	for _, l := range lines {
		if l.first && len(paragraph) > 0 {
			if torn() {
				return true
			}
			paragraph, ends = nil, nil
		}
		paragraph = append(paragraph, []rune(l.Text)...)
		ends = append(ends, len(paragraph))
	}
	return len(paragraph) > 0 && torn()
}

// ellipsis shortens the last allowed line, at a cluster, until … fits.
func (e *Engine) ellipsis(b *Block, s Style, m fontmaps) {
	text := b.Lines[s.MaxLines-1].Text
	if next := b.Lines[s.MaxLines]; !next.first { // part of the word after the break fits as well
		text += next.Text
	}
	b.Lines = b.Lines[:s.MaxLines]
	b.Cut = true
	last := &b.Lines[s.MaxLines-1]
	first, rtl := last.first, last.rtl
	runes := []rune(strings.TrimRight(text, " \u200B"))
	ends := append([]int{0}, clusterEnds(runes)...)
	dir := di.DirectionLTR
	if rtl {
		dir = di.DirectionRTL
	}
	// The widest that fits, found by halving: a line may hold a thousand clusters.
	low, high := 0, len(ends)-1
	for low < high {
		mid := (low + high + 1) / 2
		if l := e.cutLine(runes[:ends[mid]], s, m, dir); l.Width <= float64(s.Width) || s.Width <= 0 {
			low = mid
		} else {
			high = mid - 1
		}
	}
	*last = e.cutLine(runes[:ends[low]], s, m, dir)
	last.first, last.rtl = first, rtl
}

func (e *Engine) cutLine(runes []rune, s Style, m fontmaps, dir di.Direction) Line {
	text := strings.TrimRight(string(runes), " \u200B,;:，；：、")
	whole := s
	whole.Width = 0
	short := &Block{e: e}
	e.setOneLine(short, typed{runes: []rune(text + "…")}, whole, m, dir)
	return short.Lines[0]
}

// clusterEnds lists where the grapheme clusters of text end, in runes.
func clusterEnds(runes []rune) []int {
	var s segmenter.Segmenter
	s.Init(runes)
	var out []int
	for it := s.GraphemeIterator(); it.Next(); {
		g := it.Grapheme()
		out = append(out, g.Offset+len(g.Text))
	}
	return out
}

// tall holds, for each script, clusters that reach as high and as deep as its
// words do.
var tall = map[string]string{
	"vi": "Ặểỵ", "en": "Ág", "zh": "国", "km": "ញ៉ាំអ៊ីស្ត្រីង្គ្រោះ", "lo": "ຫຼິ້ປູ່ຟ້ຳ", "th": "ปี้กู้ฎุ์ญู", "blt": "ꪶꪁꪙꪰ꫁ꪙ",
	"cjm": "ꨀꨯꨱꩀ", "khb": "ᦀᦱᧈ",
}

type strutKey struct {
	lang string
	bold bool
}

// extent is how far text reaches from its baseline, in ems.
type extent struct{ ascent, descent float64 }

// strut is what the languages of a style's Strut need, whichever is on.
func (e *Engine) strut(s Style) extent {
	var all extent
	for lang := range strings.SplitSeq(s.Strut, ",") {
		base, _, _ := strings.Cut(lang, "-")
		key := strutKey{base, s.Bold}
		x, ok := e.struts[key]
		if !ok && tall[base] != "" {
			const size = 200
			b := e.layout([]Span{{Text: tall[base]}}, Style{Lang: lang, Size: size, Bold: s.Bold})
			x = extent{b.Lines[0].Base / size, (float64(b.Height) - b.Lines[0].Base) / size}
			e.struts[key] = x
		}
		all.ascent, all.descent = max(all.ascent, x.ascent), max(all.descent, x.descent)
	}
	return all
}

// measure places the baselines. Every line is as tall as the tallest, counting
// the ink of the glyphs really used: Khmer and Thai marks exceed what their
// fonts declare.
func (e *Engine) measure(b *Block, s Style, m fontmaps) {
	// The main font's own height, so that a block without marks is as tall as one with.
	ascent, descent := 1.069*s.Size, 0.293*s.Size
	seen := map[*font.Face]bool{}
	for _, l := range b.Lines {
		for _, r := range l.runs {
			ascent = max(ascent, float64(r.LineBounds.Ascent)/64, float64(r.GlyphBounds.Ascent)/64)
			descent = max(descent, -float64(r.LineBounds.Descent)/64, -float64(r.GlyphBounds.Descent)/64)
			if !seen[r.Face] {
				seen[r.Face] = true
				b.Fonts = append(b.Fonts, m.name(r.Face))
			}
		}
	}
	// Whole pixels: lines are evenly spaced, and rounding clips no ink.
	// Glyphs are drawn at quarters of a pixel, which may be a quarter lower.
	ascent, descent = math.Ceil(ascent), math.Ceil(descent+0.25)
	b.Pitch = ascent + descent + math.Round(s.Lead*s.Size)
	// Only the first baseline and the height are held for languages that take
	// turns: the lines of one text stay as close as its own script allows.
	top := e.strut(s)
	ascent, descent = max(ascent, math.Ceil(top.ascent*s.Size)), max(descent, math.Ceil(top.descent*s.Size))
	for i := range b.Lines {
		l := &b.Lines[i]
		l.Base = ascent + float64(i)*b.Pitch
		b.Width = max(b.Width, ceil(l.Width))
	}
	for i := range b.Lines {
		l := &b.Lines[i]
		if s.Centre {
			l.x = (float64(max(s.Width, b.Width)) - l.Width) / 2
		} else if l.rtl && s.Width > 0 {
			l.x = float64(s.Width) - l.Width
		}
	}
	if n := len(b.Lines); n > 0 {
		b.Height = ceil(ascent + descent + float64(n-1)*b.Pitch)
	}
	b.Missing = slices.Sorted(maps.Keys(m.plain.miss))
}
