// Package specimen holds text of the border's languages for tests, benchmarks
// and the sheet of all scripts. No program links it.
package specimen

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

//go:embed prepared.json
var prepared []byte

// Prepared returns a paragraph for each language, with its line breaks marked.
// Those of tyz, rad, jra, cjm, mixed, he and ar were composed for the tests; the
// others are of the Universal Declaration of Human Rights.
func Prepared() (map[string]string, error) {
	var out map[string]string
	if err := json.Unmarshal(prepared, &out); err != nil {
		return nil, fmt.Errorf("prepared texts: %w", err)
	}
	return out, nil
}

// Article is one of the Declaration.
type Article struct{ Heading, Text string }

// Declaration reads the Universal Declaration of Human Rights, by language and
// number of the article, from udhr.json of the sample's sources.
func Declaration(path string) (map[string]map[string]Article, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the Declaration: %w", err)
	}
	var u struct {
		Languages map[string]struct{ Articles map[string]Article }
	}
	if err := json.Unmarshal(raw, &u); err != nil {
		return nil, fmt.Errorf("the Declaration: %w", err)
	}
	out := map[string]map[string]Article{}
	for lang, d := range u.Languages {
		out[lang] = d.Articles
	}
	return out, nil
}

// Paragraphs returns the Declaration's paragraphs by language, sorted.
func Paragraphs(path string) (map[string][]string, error) {
	declaration, err := Declaration(path)
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for lang, articles := range declaration {
		for _, a := range articles {
			out[lang] = append(out[lang], strings.Split(a.Text, "\n")...)
		}
		slices.Sort(out[lang])
	}
	return out, nil
}
