package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"cotmoc/internal/atomicfile"
	"cotmoc/playlist"
)

// The full-text index is a separate file: it can be rebuilt from the
// catalogue. It is contentless FTS5 over words, and over single clusters for
// scripts without spaces, in an exact and a folded column; beside it lies how Chinese
// titles and tags sound.

func indexPath(dir, id string) string { return editionPath(dir, id+".fts") }

const indexSchema = `
CREATE VIRTUAL TABLE words USING fts5(exact, folded, content='', contentless_delete=1,
  tokenize="unicode61 remove_diacritics 0 categories 'L* N* Co Mn Mc'");
CREATE VIRTUAL TABLE sounds USING fts5(pinyin, content='', contentless_delete=1);
CREATE TABLE documents (rowid INTEGER PRIMARY KEY, item TEXT NOT NULL, version TEXT NOT NULL, language TEXT NOT NULL, title TEXT NOT NULL) STRICT;`

// EnsureIndex makes the edition's index if it is missing or damaged.
func EnsureIndex(ctx context.Context, e *Edition) error {
	path := indexPath(e.dir, e.ID)
	if _, err := os.Stat(path); err == nil {
		db, err := openDB(path, immutable)
		if err == nil {
			err = errors.Join(check(ctx, db), whole(ctx, db), db.Close())
		}
		if err == nil {
			return nil
		}
	}
	items, err1 := rowsOf[playlist.Item](ctx, e, "item", "")
	versions, err2 := rowsOf[playlist.Version](ctx, e, "version", "")
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	return writeIndex(ctx, path, playlist.Rows{Items: items, Versions: versions})
}

// whole says whether an index has all that ours has: one of an earlier version lacks
// the sounds.
func whole(ctx context.Context, db *sql.DB) error {
	return eachRow(ctx, db, "SELECT rowid FROM sounds LIMIT 1", nil, func(scan func(...any) error) error {
		var id int64
		return scan(&id)
	})
}

// found says which versions a traveller may find: published ones of public items.
func found(rows playlist.Rows) func(playlist.Version) bool {
	staff := map[playlist.ID]bool{}
	for _, i := range rows.Items {
		staff[i.ID] = i.Audience == playlist.Staff
	}
	return func(v playlist.Version) bool {
		return !staff[v.Item] && (v.State == "" || v.State == playlist.Published)
	}
}

func writeIndex(ctx context.Context, path string, rows playlist.Rows) error {
	part := path + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove a half-written index: %w", err)
	}
	db, err := sql.Open("sqlite3", "file:"+part+"?_journal_mode=DELETE&_synchronous=FULL")
	if err != nil {
		return fmt.Errorf("create the search index: %w", err)
	}
	db.SetMaxOpenConns(1)
	err = inTx(ctx, db, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, indexSchema); err != nil {
			return fmt.Errorf("create the search index: %w", err)
		}
		public, tags := found(rows), map[playlist.ID]string{}
		for _, i := range rows.Items {
			tags[i.ID] = strings.Join(i.Tags, "\n")
		}
		for n, v := range rows.Versions {
			if !public(v) {
				continue
			}
			id := v.ID
			if id == "" {
				id = v.Item + ":" + playlist.ID(v.Language)
			}
			text := v.Title + "\n" + v.Summary + "\n" + v.Text + "\n" + tags[v.Item]
			if _, err := tx.ExecContext(ctx, "INSERT INTO words(rowid,exact,folded) VALUES(?,?,?)", n+1, clusters(exact(text)), clusters(Fold(text))); err != nil {
				return fmt.Errorf("index version %s: %w", id, err)
			}
			if s := sounds(v.Title + "\n" + tags[v.Item]); s != "" {
				if _, err := tx.ExecContext(ctx, "INSERT INTO sounds(rowid,pinyin) VALUES(?,?)", n+1, s); err != nil {
					return fmt.Errorf("index version %s: %w", id, err)
				}
			}
			if _, err := tx.ExecContext(ctx, "INSERT INTO documents VALUES(?,?,?,?,?)", n+1, v.Item, id, v.Language, v.Title); err != nil {
				return fmt.Errorf("index version %s: %w", id, err)
			}
		}
		return nil
	})
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	return atomicfile.Rename(part, path)
}

// Hit is a version that a search found.
type Hit struct {
	Item     playlist.ID       `json:"item"`
	Version  playlist.ID       `json:"version"`
	Language playlist.Language `json:"language"`
	Title    string            `json:"title"`
}

// ErrNoIndex is wrapped when an edition has no index yet.
var ErrNoIndex = errors.New("there is no search index")

// Index is an edition's search index, open. It is safe for concurrent use.
type Index struct {
	db *sql.DB
}

// OpenIndex opens the index of an edition.
func OpenIndex(dir, edition string) (*Index, error) {
	path := indexPath(dir, edition)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("edition %s: %w (%w)", edition, ErrNoIndex, err)
	}
	db, err := openDB(path, immutable)
	if err != nil {
		return nil, err
	}
	return &Index{db}, nil
}

// Close closes the file.
func (x *Index) Close() error { return x.db.Close() }

// maxQuery bounds what is searched for, in bytes.
const maxQuery = 500

// Search finds versions by words, with or without marks, best first, then Chinese
// titles and tags by their pinyin, at most limit of them. An empty language means any.
func (x *Index) Search(ctx context.Context, query string, lang playlist.Language, limit int) ([]Hit, error) {
	if len(query) > maxQuery {
		query = strings.ToValidUTF8(query[:maxQuery], "")
	}
	plain, folded := phrase(clusters(exact(query))), phrase(clusters(Fold(query)))
	if folded == "" {
		return nil, nil
	}
	// Exact matches rank above folded ones: ma, má and mà fold together.
	out, err := x.matches(ctx, "words", "exact : "+plain, lang, limit, nil)
	if err == nil && len(out) < limit {
		out, err = x.matches(ctx, "words", "folded : "+folded, lang, limit, out)
	}
	if sound := typed(query); err == nil && len(out) < limit && sound != "" {
		out, err = x.matches(ctx, "sounds", phrase(sound), lang, limit, out)
	}
	return out, err
}

// candidates is how many matches are ranked at least: a word that half of the library
// has need not be ranked through all of it.
const candidates = 2000

// short says whether what is looked for is one letter or two: half of the library has
// them, and to rank all that would take longer than the next key.
func short(match string) bool {
	_, phrase, _ := strings.Cut(match, `"`)
	return utf8.RuneCountInString(strings.TrimSuffix(phrase, `" *`)) <= 2
}

// matches adds to out what matches in a table, best first, up to limit in all.
func (x *Index) matches(ctx context.Context, table, match string, lang playlist.Language, limit int, out []Hit) ([]Hit, error) {
	known := map[playlist.ID]bool{}
	for _, h := range out {
		known[h.Version] = true
	}
	rank := "rank"
	if short(match) {
		rank = "0"
	}
	err := eachRow(ctx, x.db, `SELECT item, version, language, title FROM
		(SELECT d.item, d.version, d.language, d.title, `+rank+` AS r FROM `+table+` w JOIN documents d ON d.rowid=w.rowid
		WHERE `+table+` MATCH ? AND (?='' OR d.language=?) LIMIT ?) ORDER BY r LIMIT ?`,
		[]any{match, lang, lang, max(candidates, limit), limit + len(known)}, func(scan func(...any) error) error {
			var h Hit
			if err := scan(&h.Item, &h.Version, &h.Language, &h.Title); err != nil {
				return err
			}
			if !known[h.Version] && len(out) < limit {
				out = append(out, h)
			}
			return nil
		})
	return out, err
}

// Search opens an edition's index for one question; see Index.Search.
func Search(ctx context.Context, dir, edition, query string, lang playlist.Language, limit int) ([]Hit, error) {
	x, err := OpenIndex(dir, edition)
	if err != nil {
		return nil, err
	}
	out, err := x.Search(ctx, query, lang, limit)
	return out, errors.Join(err, x.Close())
}

// phrase quotes tokens as an FTS5 phrase whose last word may go on.
func phrase(tokens string) string {
	words := strings.FieldsFunc(tokens, func(r rune) bool {
		return !unicode.In(r, unicode.L, unicode.N, unicode.Co, unicode.Mn, unicode.Mc)
	})
	if len(words) == 0 {
		return ""
	}
	return `"` + strings.Join(words, " ") + `" *`
}

func exact(s string) string {
	return strings.ToLower(norm.NFC.String(strip(s)))
}

func strip(s string) string {
	return strings.Map(func(r rune) rune {
		if r == 0x200B || r == 0x2060 || r == 0xAD {
			return -1
		}
		return r
	}, s)
}

// letters that have no decomposition but are typed without their stroke.
var strokes = strings.NewReplacer("đ", "d", "ð", "d", "ƀ", "b", "ł", "l", "ø", "o")

// Fold makes text comparable as people type it: lower case, Latin letters
// without marks and strokes, invisible characters removed, NFC.
func Fold(s string) string {
	latin := false
	s = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) && r < 0x0370 && latin {
			return -1
		}
		latin = r < 0x0250
		return r
	}, norm.NFD.String(strings.ToLower(strip(s))))
	return norm.NFC.String(strokes.Replace(s))
}

// clusters puts each cluster of a script without spaces in a token of its own.
func clusters(s string) string {
	var b strings.Builder
	joined := false
	for _, r := range s {
		spaceless := unicode.In(r, unicode.Han, unicode.Khmer, unicode.Lao, unicode.Thai, unicode.Hiragana, unicode.Katakana)
		mark := unicode.Is(unicode.M, r)
		if spaceless && !mark && !joined {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
		joined = r == 0x17D2 // coeng takes the next consonant into its cluster
	}
	return b.String()
}
