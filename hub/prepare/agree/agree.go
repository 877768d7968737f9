// Package agree measures how far the lines that the screens break agree with
// those that ICU would.
package agree

import (
	"math"
	"slices"
	"strings"
	"unicode"

	"cotmoc/hub/prepare"
	"cotmoc/internal/typeset"
	"cotmoc/playlist"
)

// Widths are the measures, in pixels at a size of Size pixels, at which lines
// are compared.
var Widths = []int{260, 410, 640, 900, 1500}

// Size is the em at which lines are compared, in pixels.
const Size = 32

// Result counts paragraphs at each width.
type Result struct {
	Same  int    // every line ends where ICU's breaks, taken greedily, end it
	All   int    // that could be compared
	Wide  int    // left out: a word is wider than the line, so ICU has no answer
	Torn  int    // breaks of ICU inside a Khmer conjunct, which are not followed
	Inner int    // lines that end inside a grapheme cluster of ICU
	First string // the first text that differs, if one does
}

// Lines compares the lines of a text, which is prepared here, with ICU's.
func (r *Result) Lines(e *typeset.Engine, lang playlist.Language, text string) error {
	c, err := prepare.Display(lang, text)
	if err != nil {
		return err
	}
	bare := []rune(prepare.Bare(text))
	allowed, err := prepare.LineBreaks(string(lang), bare)
	if err != nil {
		return err
	}
	clusters, err := prepare.Graphemes(string(lang), bare)
	if err != nil {
		return err
	}
	allowed = slices.DeleteFunc(allowed, func(at int) bool {
		inside := at < len(bare) && bare[at-1] == 0x17D2
		if inside {
			r.Torn++
		}
		return inside
	})
	for _, width := range Widths {
		got := ends(e.Layout(c.Display, typeset.Style{Lang: string(lang), Size: Size, Width: width}))
		for _, at := range got {
			if at > 0 && !slices.Contains(clusters, at) {
				r.Inner++
			}
		}
		want := greedy(e, string(lang), bare, allowed, width)
		switch {
		case want == nil:
			r.Wide++
			continue
		case slices.Equal(got, want):
			r.Same++
		case r.First == "":
			r.First = text
		}
		r.All++
	}
	return nil
}

// ends returns where lines of a block end, in runes of the bare text.
func ends(b *typeset.Block) []int {
	var out []int
	n := 0
	for _, l := range b.Lines {
		n += len([]rune(prepare.Bare(l.Text)))
		out = append(out, n)
	}
	return out
}

// greedy breaks text as ICU allows, each line as long as it fits. It returns nil
// if a single word is wider than the line: there ICU has no answer.
func greedy(e *typeset.Engine, lang string, bare []rune, allowed []int, width int) []int {
	fits := func(from, to int) bool {
		line := strings.TrimRightFunc(string(bare[from:to]), unicode.IsSpace)
		b := e.Layout(line, typeset.Style{Lang: lang, Size: Size})
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
