// Package prepare makes the display copy of a text: the text in NFC with U+200B
// where ICU allows a line to end and nothing else shows it. Lao, Khmer and Thai
// are written without spaces, and only a dictionary knows their words. It runs
// once, where a text is submitted; kiosks carry no ICU.
package prepare

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-text/typesetting/segmenter"
	"golang.org/x/text/unicode/norm"

	"cotmoc/playlist"
)

// The marks that steer line breaks.
const (
	Allow  = '\u200B' // ZERO WIDTH SPACE: a line may end here
	Forbid = '\u2060' // WORD JOINER: it may not
)

// Copy is a text's display copy.
type Copy struct {
	Display string `json:"display"`
	ICU     string `json:"icu"`   // version that found the breaks
	Added   int    `json:"added"` // marks that were added
}

// Display makes the display copy of text in lang. Marks that staff put into the
// text are kept: U+200B allows a break that ICU missed, U+2060 forbids one that
// it got wrong. A text that is not UTF-8, or whose copy has more than
// playlist.MaxTextLen bytes, is refused.
func Display(lang playlist.Language, text string) (Copy, error) {
	if len(text) > playlist.MaxTextLen {
		return Copy{}, &playlist.Error{Code: playlist.CodeInvalid, Where: "prepare", Detail: fmt.Sprintf("the text has %d bytes, more than %d", len(text), playlist.MaxTextLen)}
	}
	if !utf8.ValidString(text) {
		return Copy{}, &playlist.Error{Code: playlist.CodeInvalid, Where: "prepare", Detail: "the text is not UTF-8"}
	}
	runes := []rune(norm.NFC.String(text))
	c := Copy{ICU: Version()}
	if !slices.ContainsFunc(runes, spaceless) {
		c.Display = string(runes)
		return c, nil
	}
	found, err := LineBreaks(string(lang), runes)
	if err != nil {
		return Copy{}, err
	}
	known, clusters := plainBreaks(runes)
	var out strings.Builder
	last := 0
	for _, at := range found {
		out.WriteString(string(runes[last:at]))
		last = at
		if at < len(runes) && !known[at] && clusters[at] {
			out.WriteRune(Allow)
			c.Added++
		}
	}
	out.WriteString(string(runes[last:]))
	if c.Display = out.String(); len(c.Display) > playlist.MaxTextLen {
		return Copy{}, &playlist.Error{Code: playlist.CodeInvalid, Where: "prepare", Detail: fmt.Sprintf("with its line breaks the text has %d bytes, more than %d", len(c.Display), playlist.MaxTextLen)}
	}
	return c, nil
}

// plainBreaks are the breaks that UAX 14 allows without a dictionary, which the
// kiosk finds by itself; clusters is where grapheme clusters end. ICU 72 breaks
// some Khmer words after U+17D2, inside a conjunct: its Unicode does not know
// yet that the consonant belongs to the cluster. A mark there would tear it.
func plainBreaks(runes []rune) (known, clusters map[int]bool) {
	var s segmenter.Segmenter
	s.Init(runes)
	known, clusters = map[int]bool{}, map[int]bool{}
	for it := s.LineIterator(); it.Next(); {
		l := it.Line()
		known[l.Offset+len(l.Text)] = true
	}
	for it := s.GraphemeIterator(); it.Next(); {
		g := it.Grapheme()
		clusters[g.Offset+len(g.Text)] = true
	}
	return known, clusters
}

// spaceless says whether r belongs to a script whose words only a dictionary
// knows.
func spaceless(r rune) bool { return unicode.In(r, unicode.Lao, unicode.Khmer, unicode.Thai) }

// Bare is a text without the marks, for comparing.
func Bare(text string) string {
	return strings.Map(func(r rune) rune {
		if r == Allow || r == Forbid {
			return -1
		}
		return r
	}, norm.NFC.String(text))
}
