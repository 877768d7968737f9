package agree

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"cotmoc/internal/typeset"
	"cotmoc/playlist"
)

// At five widths the lines of every paragraph of the Universal Declaration end
// where ICU's breaks, taken greedily, end them.
func TestLinesEndWhereICUEndsThem(t *testing.T) {
	raw, err := os.ReadFile("../../../assets/sample/udhr.json")
	if err != nil {
		t.Fatal(err)
	}
	var u struct {
		Languages map[playlist.Language]struct {
			Articles map[string]struct{ Text string }
		}
	}
	if err := json.Unmarshal(raw, &u); err != nil {
		t.Fatal(err)
	}
	e := typeset.New()
	for lang, d := range u.Languages {
		var r Result
		for _, a := range d.Articles {
			for paragraph := range strings.SplitSeq(a.Text, "\n") {
				if err := r.Lines(e, lang, paragraph); err != nil {
					t.Fatal(err)
				}
			}
		}
		if r.Same < r.All || r.All < 200 || r.Inner > 0 {
			t.Errorf("%s: %+v", lang, r)
		}
		t.Logf("%s: %d of %d the same; %d with a word wider than the line; %d breaks that would tear a conjunct", lang, r.Same, r.All, r.Wide, r.Torn)
	}
}
