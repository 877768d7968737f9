package workflow

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pmezard/go-difflib/difflib"

	"cotmoc/playlist"
)

// Piece is a stretch of a comparison: kept, only in the old text, or only in
// the new one.
type Piece struct {
	Old  string `json:"old,omitempty"`
	New  string `json:"new,omitempty"`
	Same string `json:"same,omitempty"`
}

// Change is what differs in one field of a version.
type Change struct {
	Field  string  `json:"field"`
	Pieces []Piece `json:"pieces"`
}

// maxWords bounds the comparison by words, which takes quadratic time at worst.
const maxWords = 5000

// Diff compares two versions as a reader would see them: marks that only steer
// line breaks do not count.
func Diff(old, now playlist.Version) []Change {
	out := []Change{}
	text := func(field, a, b string) {
		if bare(a) != bare(b) {
			out = append(out, Change{field, Words(a, b)})
		}
	}
	text("title", old.Title, now.Title)
	text("summary", old.Summary, now.Summary)
	text("text", marked(old), marked(now))
	text("form", string(old.Form), string(now.Form))
	text("media", hashes(old.Media), hashes(now.Media))
	text("captions", tracks(old.Captions), tracks(now.Captions))
	text("sound_tracks", tracks(old.Sounds), tracks(now.Sounds))
	return out
}

func marked(v playlist.Version) string {
	if v.Display != "" {
		return v.Display
	}
	return v.Text
}

func hashes(list []playlist.Hash) string {
	var b strings.Builder
	for _, h := range list {
		b.WriteString(string(h) + "\n")
	}
	return b.String()
}

func tracks(list []playlist.Track) string {
	var b strings.Builder
	for _, t := range list {
		b.WriteString(string(t.Language) + " " + string(t.Media) + "\n")
	}
	return b.String()
}

func bare(s string) string { return strings.NewReplacer("\u200B", "", "\u2060", "").Replace(s) }

// Words compares two texts word by word; where there are too many words, line
// by line. Line-break marks part words, and are not compared.
func Words(a, b string) []Piece {
	x, y := words(a), words(b)
	if len(x) > maxWords || len(y) > maxWords {
		x, y = strings.SplitAfter(bare(a), "\n"), strings.SplitAfter(bare(b), "\n")
	}
	if len(x) > maxWords || len(y) > maxWords {
		return []Piece{{Old: bare(a), New: bare(b)}}
	}
	var out []Piece
	for _, op := range difflib.NewMatcherWithJunk(x, y, false, nil).GetOpCodes() {
		old, now := strings.Join(x[op.I1:op.I2], ""), strings.Join(y[op.J1:op.J2], "")
		switch {
		case old+now == "":
		case op.Tag == 'e':
			out = append(out, Piece{Same: old})
		default:
			out = append(out, Piece{Old: old, New: now})
		}
	}
	return out
}

// words cuts a text into words, spaces between them and Chinese characters, and
// drops line-break marks, which part words.
func words(s string) []string {
	var out []string
	from := 0
	cut := func(at int) {
		if word := bare(s[from:at]); word != "" {
			out = append(out, word)
		}
		from = at
	}
	for at, r := range s {
		if r == '\u200B' || unicode.IsSpace(r) || unicode.Is(unicode.Han, r) {
			cut(at)
			cut(at + utf8.RuneLen(r))
		}
	}
	cut(len(s))
	return out
}
