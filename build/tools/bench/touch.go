package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"cotmoc/playlist"
	"cotmoc/playlist/store"
	"cotmoc/ui/touch/library"
)

// The library of the search benchmark: real text of eight languages.
const searchDocuments = 100_000

var searchLanguages = []string{"vi", "en", "zh-Hans", "lo", "km", "th", "fr", "blt"}

// queriesEach is how many queries of each language are typed.
const queriesEach = 25

// benchTouch types queries key by key, as on the touch screen, into a library of 100,000
// documents, and compares what is found with a linear scan of all of them.
func benchTouch(ctx context.Context, l *lab) ([]result, error) {
	dir := filepath.Join(l.work, "library")
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	r := rand.New(rand.NewPCG(1, 2))
	sentences, err := sentencesOf("assets/sample/udhr.json")
	if err != nil {
		return nil, err
	}
	rows := documents(r, sentences)
	began := time.Now()
	if err := store.WriteEdition(ctx, dir, "e", rows); err != nil {
		return nil, err
	}
	built := time.Since(began)
	began = time.Now()
	lib, err := library.Open(ctx, dir, library.Choice{Edition: "e", Trusted: true})
	if err != nil {
		return nil, err
	}
	opened := time.Since(began)
	index, err := store.OpenIndex(dir, "e")
	if err != nil {
		return nil, errors.Join(err, lib.Close())
	}
	t := &typist{ctx: ctx, lib: lib, index: index, rows: rows}
	for _, lang := range searchLanguages {
		for range queriesEach {
			if err := t.query(playlist.Language(lang), pick(r, sentences[lang])); err != nil {
				return nil, errors.Join(err, lib.Close(), index.Close())
			}
		}
	}
	size := int64(0)
	if info, err := os.Stat(filepath.Join(dir, "editions", "e.fts.db")); err == nil {
		size = info.Size()
	}
	figures := map[string]float64{"documents": searchDocuments, "keystrokes": float64(len(t.took)), "p50_ms": at(t.took, 0.5), "p99_ms": at(t.took, 0.99), "max_ms": at(t.took, 1),
		"recall": float64(t.found) / float64(t.there), "beyond_scan": float64(t.wrong), "index_mb": float64(size) / 1e6, "build_s": built.Seconds(), "open_s": opened.Seconds()}
	scan := &peer{Name: "linear scan of the folded texts", Figures: map[string]float64{"p50_ms": at(t.scans, 0.5), "p99_ms": at(t.scans, 0.99)}}
	return []result{{Name: "touch/search", Figures: figures, Peer: scan, Ratio: at(t.took, 0.99) / at(t.scans, 0.99), Pairs: 1}}, errors.Join(lib.Close(), index.Close())
}

func at(ms []float64, part float64) float64 {
	s := slices.Sorted(slices.Values(ms))
	if len(s) == 0 {
		return 0
	}
	return s[min(len(s)-1, int(part*float64(len(s))))]
}

// sentencesOf reads the Declaration's sentences by language.
func sentencesOf(path string) (map[string][]string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var u struct {
		Languages map[string]struct {
			Articles map[string]struct{ Text string }
		}
	}
	if err := json.Unmarshal(raw, &u); err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for _, lang := range searchLanguages {
		for _, a := range u.Languages[lang].Articles {
			for _, s := range strings.FieldsFunc(a.Text, func(r rune) bool { return strings.ContainsRune(".。!?;；:\n។", r) }) {
				if s = strings.TrimSpace(s); utf8.RuneCountInString(s) > 8 {
					out[lang] = append(out[lang], s)
				}
			}
		}
		slices.Sort(out[lang])
		if len(out[lang]) == 0 {
			return nil, fmt.Errorf("there is no text in %s", lang)
		}
	}
	return out, nil
}

func documents(r *rand.Rand, sentences map[string][]string) playlist.Rows {
	rows := playlist.Rows{Format: playlist.Format}
	for n := range searchDocuments {
		lang := searchLanguages[n%len(searchLanguages)]
		s := sentences[lang]
		id := playlist.ID(fmt.Sprintf("d%06d", n))
		rows.Items = append(rows.Items, playlist.Item{ID: id, Kind: playlist.Bulletin})
		rows.Versions = append(rows.Versions, playlist.Version{ID: id + "-v", Item: id, Language: playlist.Language(lang), Title: fmt.Sprintf("%s %d", clipped(s[r.IntN(len(s))], 40), n),
			Text: s[r.IntN(len(s))] + ". " + s[r.IntN(len(s))] + ". " + s[r.IntN(len(s))] + "."})
	}
	return rows
}

func clipped(s string, n int) string {
	r := []rune(s)
	for n < len(r) && unicode.IsMark(r[n]) {
		n++
	}
	return string(r[:min(n, len(r))])
}

// longest is how many characters a query has at most: few type more.
const longest = 20

// pick takes a query out of a sentence: some words, or for a script without spaces some
// characters that begin and end with whole clusters.
func pick(r *rand.Rand, sentences []string) string {
	s := sentences[r.IntN(len(sentences))]
	if words := strings.Fields(s); len(words) > 4 {
		from := r.IntN(len(words) - 2)
		return clipped(strings.Join(words[from:from+1+r.IntN(2)], " "), longest)
	}
	runes := []rune(s)
	from := r.IntN(max(1, len(runes)-6))
	for from > 0 && inCluster(runes, from) {
		from--
	}
	to := min(len(runes), from+2+r.IntN(5))
	for to < len(runes) && inCluster(runes, to) {
		to++
	}
	return strings.TrimSpace(string(runes[from:to]))
}

// inCluster says whether the character at i belongs to the one before it.
func inCluster(r []rune, i int) bool {
	return unicode.IsMark(r[i]) || i > 0 && r[i-1] == 0x17D2
}

// typist types queries and keeps what they cost and found.
type typist struct {
	ctx                 context.Context
	lib                 *library.Library
	index               *store.Index
	rows                playlist.Rows
	folded              [][]rune
	took, scans         []float64
	found, there, wrong int
}

func (t *typist) query(lang playlist.Language, q string) error {
	runes := []rune(q)
	for n := 1; n <= len(runes); n++ {
		if n < len(runes) && inCluster(runes, n) {
			continue // a key that only begins a cluster is followed by the next at once
		}
		began := time.Now()
		if _, _, err := t.lib.Search(t.ctx, string(runes[:n]), lang, library.Now{At: began, Trusted: true}); err != nil {
			return err
		}
		t.took = append(t.took, float64(time.Since(began).Microseconds())/1000)
	}
	hits, err := t.index.Search(t.ctx, q, "", searchDocuments)
	if err != nil {
		return err
	}
	got := map[playlist.ID]bool{}
	for _, h := range hits {
		got[h.Item] = true
	}
	want := t.scan(q)
	for id := range got {
		if !want[id] {
			t.wrong++
		}
	}
	for id := range want {
		t.there++
		if got[id] {
			t.found++
		}
	}
	return nil
}

// scan looks through all documents for a query: at the beginning of a word, or of a
// cluster where there are no spaces between words.
func (t *typist) scan(q string) map[playlist.ID]bool {
	if t.folded == nil {
		for _, v := range t.rows.Versions {
			t.folded = append(t.folded, []rune(store.Fold(v.Title+"\n"+v.Text)))
		}
	}
	want := []rune(store.Fold(q))
	out := map[playlist.ID]bool{}
	began := time.Now()
	for n, doc := range t.folded {
		for i := 0; i+len(want) <= len(doc); i++ {
			if doc[i] == want[0] && slices.Equal(doc[i:i+len(want)], want) && begins(doc, i) {
				out[t.rows.Versions[n].Item] = true
				break
			}
		}
	}
	t.scans = append(t.scans, float64(time.Since(began).Microseconds())/1000)
	return out
}

func begins(doc []rune, i int) bool {
	if i == 0 {
		return true
	}
	if unicode.In(doc[i], unicode.Han, unicode.Khmer, unicode.Lao, unicode.Thai) {
		return !inCluster(doc, i)
	}
	return !unicode.IsLetter(doc[i-1]) && !unicode.IsNumber(doc[i-1]) && !unicode.IsMark(doc[i-1])
}
