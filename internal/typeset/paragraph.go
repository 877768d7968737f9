package typeset

import (
	"slices"
	"strings"

	"github.com/go-text/typesetting/di"
	"github.com/go-text/typesetting/language"
	"github.com/go-text/typesetting/shaping"
	"golang.org/x/image/math/fixed"
	"golang.org/x/text/unicode/norm"
)

// typed is text with, for each rune, whether it is bold; nil: none is.
type typed struct {
	runes []rune
	bold  []bool
}

func (t typed) slice(from, to int) typed {
	out := typed{runes: t.runes[from:to]}
	if t.bold != nil {
		out.bold = t.bold[from:to]
	}
	return out
}

// gather cleans the spans and joins them.
func gather(spans []Span) (typed, bool) {
	var t typed
	cut := false
	for _, s := range spans {
		text, short := clean(s.Text)
		cut = cut || short
		runes := []rune(text)
		if over := len(t.runes) + len(runes) - maxText; over > 0 {
			runes, cut = runes[:len(runes)-over], true
		}
		if s.Bold && t.bold == nil {
			t.bold = make([]bool, len(t.runes))
		}
		t.runes = append(t.runes, runes...)
		if t.bold != nil {
			t.bold = append(t.bold, slices.Repeat([]bool{s.Bold}, len(runes))...)
		}
	}
	return t, cut
}

// lineEnds are the other ways to end a line or a paragraph.
var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n", "\t", " ")

func clean(text string) (string, bool) {
	text = strings.ToValidUTF8(text, "\uFFFD")
	cut := false
	if len(text) > maxText { // at least as many bytes as runes
		if runes := []rune(text); len(runes) > maxText {
			text, cut = string(runes[:maxText]), true
		}
	}
	text = lineEnds.Replace(text)
	text = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || 0x7F <= r && r < 0xA0 {
			return -1
		}
		return r
	}, text)
	return norm.NFC.String(text), cut
}

// setParagraph sets one paragraph. A long one is shaped in pieces, so that the
// time stays proportional to its length; the last line of a piece is set again
// with the piece after it, so that lines end where they would in one go.
func (e *Engine) setParagraph(b *Block, t typed, s Style, m fontmaps) {
	if len(t.runes) == 0 {
		b.Lines = append(b.Lines, Line{first: true})
		return
	}
	dir := direction(t.runes)
	from := len(b.Lines)
	defer func() {
		for i := from; i < len(b.Lines); i++ {
			b.Lines[i].first, b.Lines[i].rtl = i == from, dir == di.DirectionRTL
		}
	}()
	if s.Width <= 0 {
		e.setOneLine(b, t, s, m, dir)
		return
	}
	for len(t.runes) > 0 {
		size := maxPiece
		n := pieceEnd(t.runes, size)
		lines := e.wrapped(t.slice(0, n), s, m, dir)
		for len(lines) == 1 && n < len(t.runes) { // the measure holds more than a piece
			size *= 2
			n = pieceEnd(t.runes, size)
			lines = e.wrapped(t.slice(0, n), s, m, dir)
		}
		if n < len(t.runes) {
			last := len(lines) - 1
			n -= len([]rune(lines[last].Text))
			lines = lines[:last]
		}
		b.Lines = append(b.Lines, lines...)
		if s.MaxLines > 0 && len(b.Lines) > s.MaxLines {
			return
		}
		t = t.slice(n, len(t.runes))
	}
}

// setOneLine sets text that is not wrapped.
func (e *Engine) setOneLine(b *Block, t typed, s Style, m fontmaps, dir di.Direction) {
	var line Line
	for len(t.runes) > 0 {
		n := pieceEnd(t.runes, maxPiece)
		for _, l := range e.wrapped(t.slice(0, n), s, m, dir) {
			line.Text += l.Text
			line.Width += l.Width
			if dir == di.DirectionRTL {
				line.runs = append(l.runs, line.runs...)
			} else {
				line.runs = append(line.runs, l.runs...)
			}
		}
		t = t.slice(n, len(t.runes))
	}
	b.Lines = append(b.Lines, line)
}

// pieceEnd is where to cut a long text for shaping: after a space or U+200B, or
// at worst anywhere that is not before a combining mark.
func pieceEnd(runes []rune, size int) int {
	if len(runes) <= size {
		return len(runes)
	}
	for i := size; i > size/2; i-- {
		if runes[i-1] == ' ' || runes[i-1] == 0x200B || runes[i-1] == '。' {
			return i
		}
	}
	n := size
	for n < len(runes) && n < size+64 && (combines(runes[n]) || combines(runes[n-1])) {
		n++
	}
	return n
}

// CutAt is where to cut a text of more than most characters: after a word if
// there is one, never inside a cluster of marks.
func CutAt(runes []rune, most int) int { return pieceEnd(runes, max(2, most)) }

// wrapped shapes a piece and breaks it into lines.
func (e *Engine) wrapped(t typed, s Style, m fontmaps, dir di.Direction) []Line {
	runes := t.runes
	in := shaping.Input{Text: runes, RunEnd: len(runes), Direction: dir, Size: fixed.Int26_6(s.Size * 64), Language: language.NewLanguage(s.Lang)}
	var outs []shaping.Output
	for in.RunStart = 0; in.RunStart < len(runes); in.RunStart = in.RunEnd {
		fonts := m.plain
		in.RunEnd = len(runes)
		if t.bold != nil {
			if t.bold[in.RunStart] {
				fonts = m.bold
			}
			in.RunEnd = in.RunStart
			for in.RunEnd < len(runes) && t.bold[in.RunEnd] == t.bold[in.RunStart] {
				in.RunEnd++
			}
		}
		for _, p := range e.split.Split(in, fonts) {
			outs = append(outs, e.shaper.Shape(p))
		}
	}
	width := fixed.Int26_6(1 << 30)
	if s.Width > 0 {
		width = fixed.I(s.Width)
	}
	wrapped, _ := e.wrap.WrapParagraphF(shaping.WrapConfig{Direction: dir, BreakPolicy: shaping.WhenNecessary}, width, runes, shaping.NewSliceIterator(outs))
	lines := make([]Line, 0, len(wrapped))
	for _, l := range wrapped {
		lines = append(lines, newLine(l, runes, dir))
	}
	return lines
}

func newLine(l shaping.Line, runes []rune, dir di.Direction) Line {
	if dir == di.DirectionRTL {
		foldTrailingSpace(l, runes)
	}
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

// foldTrailingSpace takes the room from the space that ends a line with Latin
// words in a right-to-left paragraph: it would stand in the middle of the line
// (UAX 9, rule L1).
func foldTrailingSpace(l shaping.Line, runes []rune) {
	last := -1
	for i := range l {
		if last < 0 || l[i].Runes.Offset > l[last].Runes.Offset {
			last = i
		}
	}
	if last < 0 || l[last].Direction == di.DirectionRTL || len(l[last].Glyphs) == 0 {
		return
	}
	run := &l[last]
	end := run.Runes.Offset + run.Runes.Count
	if glyph := &run.Glyphs[len(run.Glyphs)-1]; end > 0 && runes[end-1] == ' ' {
		run.Advance -= glyph.Advance
		glyph.Advance = 0
	}
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
