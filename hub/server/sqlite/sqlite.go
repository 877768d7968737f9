// Package sqlite keeps the central database in one SQLite file: one writer,
// many readers, WAL, every commit flushed.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/mattn/go-sqlite3"
	"github.com/pressly/goose/v3"

	"cotmoc/hub/server/central"
	"cotmoc/internal/atomicfile"
)

//go:embed migrations
var migrations embed.FS

// readers is how many may read at once. Two cores are busy with eight.
const readers = 8

// Store is a central.Store in a file.
type Store struct {
	path  string
	write *sql.DB // one connection
	read  *sql.DB
}

var _ central.Store = (*Store)(nil)

// Open opens or creates the file and brings its tables up to date. Only one
// process may hold it so.
func Open(ctx context.Context, path string) (*Store, error) {
	write, err := open(path, "rwc")
	if err != nil {
		return nil, err
	}
	write.SetMaxOpenConns(1)
	if err := errors.Join(check(ctx, write), migrate(ctx, write)); err != nil {
		return nil, errors.Join(fmt.Errorf("central database %s: %w", path, err), write.Close())
	}
	read, err := open(path, "ro")
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	read.SetMaxOpenConns(readers)
	read.SetMaxIdleConns(readers)
	return &Store{path: path, write: write, read: read}, nil
}

// OpenReadOnly opens an existing file for looking only, also beside the hub
// that writes it.
func OpenReadOnly(ctx context.Context, path string) (*Store, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("central database: %w", err)
	}
	read, err := open(path, "ro")
	if err != nil {
		return nil, err
	}
	if err := read.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("central database %s: %w", path, err), read.Close())
	}
	return &Store{path: path, read: read}, nil
}

func open(path, mode string) (*sql.DB, error) {
	q := url.Values{"mode": {mode}, "_busy_timeout": {"10000"}, "_cache_size": {"-16000"}}
	if mode != "ro" {
		q.Set("_journal_mode", "WAL")
		q.Set("_synchronous", "FULL")
		q.Set("_txlock", "immediate")
	}
	db, err := sql.Open("sqlite3", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return db, nil
}

func check(ctx context.Context, db *sql.DB) error {
	var answer string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&answer); err != nil {
		return fmt.Errorf("the file cannot be read: %w", err)
	}
	if answer != "ok" {
		return fmt.Errorf("the file is damaged, restore a backup: %s", answer)
	}
	return nil
}

func migrate(ctx context.Context, db *sql.DB) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, dir)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	have, want, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	if have > want {
		return fmt.Errorf("the file was written by a newer program (tables %d, this program knows %d)", have, want)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	return nil
}

// Close closes the file. The write-ahead log is folded into it.
func (s *Store) Close() error {
	err := s.read.Close()
	if s.write != nil {
		err = errors.Join(err, s.write.Close())
	}
	return err
}

// Read implements central.Store.
func (s *Store) Read(ctx context.Context, f func(central.Reader) error) error {
	tx, err := s.read.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("read the central database: %w", err)
	}
	return errors.Join(f(reader{tx}), tx.Rollback())
}

// Write implements central.Store.
func (s *Store) Write(ctx context.Context, f func(central.Tx) error) error {
	if s.write == nil {
		return errors.New("the central database is open for looking only")
	}
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("write the central database: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing; a panic in f must not hold the one writer
	if err := f(writer{reader{tx}}); err != nil {
		return full(err)
	}
	if err := tx.Commit(); err != nil {
		return full(fmt.Errorf("commit to the central database: %w", err))
	}
	return nil
}

// full names the error of a disk without room.
func full(err error) error {
	if e, ok := errors.AsType[sqlite3.Error](err); ok && e.Code == sqlite3.ErrFull {
		return errors.Join(central.ErrNoRoom, err)
	}
	return err
}

// Backup implements central.Store.
func (s *Store) Backup(ctx context.Context, path string) error {
	if _, err := os.Stat(path); err == nil {
		return fmt.Errorf("%s exists already", path)
	}
	part := path + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("backup: %w", err)
	}
	if _, err := s.read.ExecContext(ctx, "VACUUM INTO ?", part); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	f, err := os.OpenFile(part, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if err := errors.Join(f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("flush the backup: %w", err)
	}
	if err := atomicfile.Rename(part, path); err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(path))
}

func millis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

func instant(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return time.UnixMilli(ms.Int64).UTC()
}
