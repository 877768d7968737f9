package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// shortest is the least length of a word, in letters, that is corrected: shorter ones
// are like too many others.
const shortest = 4

// Correct returns a query with its misspelt words of Latin letters replaced by the
// commonest words of the library that are close to them, without marks. ok is false if
// nothing was replaced. The first letter is taken to be right.
func (x *Index) Correct(ctx context.Context, query string) (corrected string, ok bool, err error) {
	conn, err := x.db.Conn(ctx)
	if err != nil {
		return "", false, fmt.Errorf("correct a query: %w", err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "CREATE VIRTUAL TABLE IF NOT EXISTS temp.vocabulary USING fts5vocab('main', 'words', 'row')"); err != nil {
		return "", false, fmt.Errorf("correct a query: %w", err)
	}
	if len(query) > maxQuery {
		query = query[:maxQuery]
	}
	words := strings.Fields(Fold(query))
	for i, w := range words {
		if !latin(w) || utf8.RuneCountInString(w) < shortest {
			continue
		}
		better, err := closest(ctx, conn, w)
		if err != nil {
			return "", false, err
		}
		if better != "" {
			words[i], ok = better, true
		}
	}
	return strings.Join(words, " "), ok, nil
}

func latin(w string) bool {
	return strings.IndexFunc(w, func(r rune) bool { return !unicode.Is(unicode.Latin, r) }) < 0
}

// closest is the commonest word that is at most one stroke away, or two for long words;
// "" if the word itself is there, or nothing is close.
func closest(ctx context.Context, conn *sql.Conn, w string) (best string, err error) {
	first, n := utf8.DecodeRuneInString(w)
	rows, err := conn.QueryContext(ctx, "SELECT term, doc FROM temp.vocabulary WHERE term>=? AND term<?", w[:n], string(first+1))
	if err != nil {
		return "", fmt.Errorf("correct a query: %w", err)
	}
	defer rows.Close()
	most := 1
	if utf8.RuneCountInString(w) >= 8 {
		most = 2
	}
	least, common := most+1, int64(0)
	for rows.Next() {
		var term string
		var docs int64
		if err := rows.Scan(&term, &docs); err != nil {
			return "", fmt.Errorf("correct a query: %w", err)
		}
		if strings.HasPrefix(term, w) {
			return "", rows.Close()
		}
		if Fold(term) != term { // the words with their marks stand there as well
			continue
		}
		if d := distance(w, term, most); d < least || d == least && docs > common {
			best, least, common = term, d, docs
		}
	}
	if least > most {
		best = ""
	}
	if err := rows.Err(); err != nil {
		return "", fmt.Errorf("correct a query: %w", err)
	}
	return best, nil
}

// distance is how many letters have to be put in, left out, changed or exchanged with
// their neighbour to make one word of another (Damerau); most+1 for anything beyond.
func distance(a, b string, most int) int {
	x, y := []rune(a), []rune(b)
	if len(x)-len(y) > most || len(y)-len(x) > most {
		return most + 1
	}
	before, last, now := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		now[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
		before, last, now = last, now, before
	}
	return last[len(y)]
}
