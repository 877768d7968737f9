package library

import (
	"context"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"cotmoc/playlist"
	"cotmoc/playlist/store"
)

// Found is an item that a search found, in the version that holds the words.
type Found struct {
	Entry
	Version playlist.Version
	Snippet string // where the words are, with the hit marked by ** as in Markdown
}

// maxFound is how many results a screen offers.
const maxFound = 20

// Search finds items by words in any language and script, with or without marks; where
// nothing has them, by the library's own words that are close to them in Latin letters.
// Of an item that was found in several languages the visitor's own is shown. instead is
// what was looked for in place of the query, "" for the query itself.
func (l *Library) Search(ctx context.Context, query string, lang playlist.Language, now Now) (out []Found, instead string, err error) {
	if l.index == nil || strings.TrimSpace(query) == "" {
		return nil, "", nil
	}
	out, err = l.search(ctx, query, lang, now)
	if err != nil || len(out) > 0 {
		return out, "", err
	}
	better, ok, err := l.index.Correct(ctx, query) // a slip of the finger, perhaps
	if err != nil || !ok {
		return nil, "", err
	}
	out, err = l.search(ctx, better, lang, now)
	return out, better, err
}

func (l *Library) search(ctx context.Context, query string, lang playlist.Language, now Now) ([]Found, error) {
	hits, err := l.index.Search(ctx, query, "", 4*maxFound)
	if err != nil {
		return nil, err
	}
	var out []Found
	for _, h := range hits {
		e, ok := l.Find(h.Item, now)
		if !ok || e.Kind == playlist.Fact {
			continue
		}
		i := slices.IndexFunc(e.versions, func(v playlist.Version) bool { return v.ID == h.Version })
		if i < 0 {
			continue
		}
		at := slices.IndexFunc(out, func(f Found) bool { return f.ID == e.ID })
		switch {
		case at < 0 && len(out) < maxFound:
			out = append(out, Found{Entry: e, Version: e.versions[i]})
		case at >= 0 && h.Language == lang:
			out[at].Version = e.versions[i]
		}
	}
	for i := range out {
		body, err := l.Open(ctx, out[i].Version)
		if err != nil {
			return nil, err
		}
		out[i].Snippet = snippet(body, query)
	}
	return out, nil
}

// around is how many characters a snippet shows beside the hit.
const around = 60

// snippet cuts the words around the hit out of a text, on one line. A hit in the title
// alone has none: the title is shown anyway.
func snippet(b Body, query string) string {
	text := []rune(strings.Join(strings.Fields(strings.NewReplacer("#", " ", "*", " ", "_", " ", "`", " ").Replace(b.Text())), " "))
	from, to := find(text, query)
	if from < 0 {
		return ""
	}
	start, end := max(0, from-around), min(len(text), to+around)
	for start > 0 && start < from && text[start-1] != ' ' && from-start > around/2 {
		start++
	}
	out := string(text[start:from]) + "**" + string(text[from:to]) + "**" + string(text[to:end])
	if start > 0 {
		out = "…" + out
	}
	if end < len(text) {
		out += "…"
	}
	return out
}

// find returns where a text holds a query, compared as the search compares.
func find(text []rune, query string) (from, to int) {
	want := store.Fold(strings.Join(strings.Fields(query), " "))
	if want == "" {
		return -1, -1
	}
	// Folding keeps the order of characters, so what each one folds to is laid side by
	// side with where it came from.
	var folded strings.Builder
	var at []int // rune index, by byte of folded
	for i := 0; i < len(text); {
		j := i + 1
		for j < len(text) && combines(text[j]) {
			j++
		}
		f := fold(text[i:j])
		folded.WriteString(f)
		for range len(f) {
			at = append(at, i)
		}
		i = j
	}
	pos := strings.Index(folded.String(), want)
	if pos < 0 {
		return -1, -1
	}
	from = at[pos]
	if end := pos + len(want); end < len(at) {
		return from, max(at[end], from+1)
	}
	return from, len(text)
}

// fold is store.Fold of one character with its marks; most need no looking up.
func fold(c []rune) string {
	switch r := c[0]; {
	case len(c) == 1 && r < 0x80:
		return string(unicode.ToLower(r))
	case len(c) == 1 && r >= 0xE00 && r < 0x1E00, len(c) == 1 && r >= 0x2E80 && r < 0xA000: // scripts without capitals and strokes
		return string(r)
	}
	return store.Fold(string(c))
}

// combines says whether a character belongs to the one before it.
func combines(r rune) bool {
	return r >= 0x300 && r < 0x370 || r == 0x200B || r == 0x2060 || r == 0xAD || !utf8.ValidRune(r)
}
