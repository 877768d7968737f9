package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/mattn/go-sqlite3"
)

// ErrDamaged is wrapped by errors about a file that SQLite cannot trust.
var ErrDamaged = errors.New("the database file is damaged")

// access is how a SQLite file is opened.
type access int

const (
	writer    access = iota // the one process that writes it
	beside                  // reads while the writer writes
	immutable               // nobody writes it while it is open
)

// openDB opens a SQLite file with one connection.
func openDB(path string, mode access) (*sql.DB, error) {
	q := url.Values{"_foreign_keys": {"on"}, "_busy_timeout": {"5000"}}
	switch mode {
	case beside:
		q.Set("mode", "ro")
	case immutable:
		q.Set("mode", "ro")
		q.Set("immutable", "1")
	default:
		q.Set("_journal_mode", "WAL")
		q.Set("_synchronous", "FULL")
		q.Set("_txlock", "immediate")
	}
	name := "file:" + (&url.URL{Path: path}).EscapedPath()
	if path == ":memory:" {
		name = "file::memory:"
	}
	db, err := sql.Open("sqlite3", name+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// check runs quick_check, which finds torn and zeroed pages.
func check(ctx context.Context, db *sql.DB) error {
	var answer string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&answer); err != nil {
		text := err.Error()
		if strings.Contains(text, "malformed") || strings.Contains(text, "not a database") || strings.Contains(text, "corrupt") {
			return fmt.Errorf("%w: %v", ErrDamaged, err)
		}
		return fmt.Errorf("open the database: %w", err)
	}
	if answer != "ok" {
		return fmt.Errorf("%w: %s", ErrDamaged, answer)
	}
	return nil
}

// setAside renames a damaged file and its companions, so that nothing is lost
// and a new one can be made in its place.
func setAside(path string, now time.Time) (string, error) {
	to := path + ".damaged-" + now.UTC().Format("20060102T150405")
	if err := os.Rename(path, to); err != nil {
		return "", fmt.Errorf("set a damaged file aside: %w", err)
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Rename(path+suffix, to+suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("set a damaged file aside: %w", err)
		}
	}
	return to, keepNewest(path+".damaged-*", 3)
}

// keepNewest bounds how many files match a pattern whose names sort by time.
func keepNewest(pattern string, keep int) error {
	found, err := filepath.Glob(pattern)
	if err != nil {
		return fmt.Errorf("list %s: %w", pattern, err)
	}
	var names []string
	for _, f := range found {
		if !strings.HasSuffix(f, "-wal") && !strings.HasSuffix(f, "-shm") {
			names = append(names, f)
		}
	}
	for len(names) > keep {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if err := os.Remove(names[0] + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("remove an old damaged file: %w", err)
			}
		}
		names = names[1:]
	}
	return nil
}

// inTx runs f in one transaction: all of it happens, or nothing.
func inTx(ctx context.Context, db *sql.DB, f func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	if err := f(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}
