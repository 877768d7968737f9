package agree

import (
	"testing"

	"cotmoc/internal/specimen"
	"cotmoc/internal/typeset"
	"cotmoc/playlist"
)

// At five widths the lines of every paragraph of the Universal Declaration end
// where ICU's breaks, taken greedily, end them.
func TestLinesEndWhereICUEndsThem(t *testing.T) {
	texts, err := specimen.Paragraphs("../../../assets/sample/udhr.json")
	if err != nil {
		t.Fatal(err)
	}
	e := typeset.New()
	for lang, paragraphs := range texts {
		var r Result
		for _, p := range paragraphs {
			if err := r.Lines(e, playlist.Language(lang), p); err != nil {
				t.Fatal(err)
			}
		}
		if r.Same < r.All || r.All < 200 || r.Inner > 0 {
			t.Errorf("%s: %+v", lang, r)
		}
		t.Logf("%s: %d of %d the same; %d with a word wider than the line; %d breaks that would tear a conjunct", lang, r.Same, r.All, r.Wide, r.Torn)
	}
}
