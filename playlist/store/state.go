package store

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"cotmoc/playlist"
)

//go:embed migrations
var migrations embed.FS

// State is state.db. One process writes it: the kiosk that holds the lock on
// its folder.
type State struct {
	db *sql.DB
	// SetAside is where a damaged state.db was moved to at opening, or "".
	SetAside string
	// Volatile is why the state is kept in memory only, or nil: the disk takes
	// no writes, and the screens go on without.
	Volatile error
}

// OpenState opens or creates DIR/state.db. A damaged file is set aside and
// replaced by a new one: the screens go on, and the caller reports it.
func OpenState(ctx context.Context, dir string, now time.Time) (*State, error) {
	path := filepath.Join(dir, "state.db")
	s, err := openState(ctx, path)
	switch {
	case err == nil || errors.Is(err, ErrNewer):
		return s, err
	case !isDamage(err):
		return openVolatile(ctx, err)
	}
	aside, asideErr := setAside(path, now)
	if asideErr != nil {
		return openVolatile(ctx, errors.Join(err, asideErr))
	}
	if s, err = openState(ctx, path); err != nil {
		return openVolatile(ctx, err)
	}
	s.SetAside = aside
	return s, nil
}

// OpenStateReadOnly opens state.db beside the kiosk that may be writing it.
// Nothing is created, migrated or set aside.
func OpenStateReadOnly(ctx context.Context, dir string) (*State, error) {
	path := filepath.Join(dir, "state.db")
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("state.db: %w", err)
	}
	s, err := lookAt(ctx, path, beside)
	if err != nil { // without its companions it cannot be opened so on a read-only disk
		s, err = lookAt(ctx, path, immutable)
	}
	return s, err
}

func lookAt(ctx context.Context, path string, mode access) (*State, error) {
	db, err := openDB(path, mode)
	if err != nil {
		return nil, err
	}
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return nil, errors.Join(fmt.Errorf("read state.db: %w", err), db.Close())
	}
	return &State{db: db}, nil
}

// ErrNewer is wrapped when state.db was written by a newer program.
var ErrNewer = errors.New("state.db was written by a newer program")

// openVolatile makes a state in memory, for a disk that takes no writes.
func openVolatile(ctx context.Context, why error) (*State, error) {
	s, err := openState(ctx, ":memory:")
	if err != nil {
		return nil, errors.Join(why, err)
	}
	s.Volatile = why
	return s, nil
}

func isDamage(err error) bool {
	text := err.Error()
	return errors.Is(err, ErrDamaged) || strings.Contains(text, "not a database") || strings.Contains(text, "malformed")
}

func openState(ctx context.Context, path string) (*State, error) {
	db, err := openDB(path, writer)
	if err != nil {
		return nil, err
	}
	if err := check(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := migrate(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &State{db: db}, nil
}

// migrate applies the numbered scripts that the file has not seen, each in a
// transaction with its number.
func migrate(ctx context.Context, db *sql.DB) error {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return fmt.Errorf("list migrations: %w", err)
	}
	slices.Sort(names)
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	if version > len(names) {
		return fmt.Errorf("%w: it has schema %d, this one knows %d; install a newer program", ErrNewer, version, len(names))
	}
	for n := version; n < len(names); n++ {
		script, err := migrations.ReadFile(names[n])
		if err != nil {
			return fmt.Errorf("read %s: %w", names[n], err)
		}
		err = inTx(ctx, db, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, string(script)); err != nil {
				return fmt.Errorf("%s: %w", names[n], err)
			}
			_, err := tx.ExecContext(ctx, "PRAGMA user_version="+strconv.Itoa(n+1))
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Close closes the file.
func (s *State) Close() error { return s.db.Close() }

// Meta returns a kept value, "" if there is none.
func (s *State) Meta(ctx context.Context, key string) (string, error) {
	var v string
	err := s.db.QueryRowContext(ctx, "SELECT value FROM meta WHERE key=?", key).Scan(&v)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("read %s: %w", key, err)
	}
	return v, nil
}

const setMeta = "INSERT INTO meta VALUES(?,?) ON CONFLICT(key) DO UPDATE SET value=excluded.value"

// SetMeta keeps a value.
func (s *State) SetMeta(ctx context.Context, key, value string) error {
	_, err := s.db.ExecContext(ctx, setMeta, key, value)
	if err != nil {
		return fmt.Errorf("keep %s: %w", key, err)
	}
	return nil
}

// Keep keeps several values together.
func (s *State) Keep(ctx context.Context, values map[string]string) error {
	return inTx(ctx, s.db, func(tx *sql.Tx) error {
		for key, value := range values {
			if _, err := tx.ExecContext(ctx, setMeta, key, value); err != nil {
				return fmt.Errorf("keep %s: %w", key, err)
			}
		}
		return nil
	})
}

// Positions returns where each playlist stood on a display.
func (s *State) Positions(ctx context.Context, display playlist.ID) (map[playlist.ID]playlist.Position, error) {
	out := map[playlist.ID]playlist.Position{}
	err := s.each(ctx, "SELECT playlist, position FROM positions WHERE display=?", []any{display}, func(scan func(...any) error) error {
		var id playlist.ID
		var raw string
		if err := scan(&id, &raw); err != nil {
			return err
		}
		var p playlist.Position
		if json.Unmarshal([]byte(raw), &p) == nil { // an unreadable position starts the list anew
			out[id] = p
		}
		return nil
	})
	return out, err
}

// MandatoryLeft returns the main time left until each mandatory item is due.
func (s *State) MandatoryLeft(ctx context.Context, display playlist.ID) (map[playlist.ID]int64, error) {
	out := map[playlist.ID]int64{}
	err := s.each(ctx, "SELECT id, left_ms FROM mandatory WHERE display=?", []any{display}, func(scan func(...any) error) error {
		var id playlist.ID
		var left int64
		if err := scan(&id, &left); err != nil {
			return err
		}
		out[id] = left
		return nil
	})
	return out, err
}

func (s *State) each(ctx context.Context, query string, args []any, f func(scan func(...any) error) error) error {
	return eachRow(ctx, s.db, query, args, f)
}

func eachRow(ctx context.Context, db *sql.DB, query string, args []any, f func(scan func(...any) error) error) error {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return fmt.Errorf("read: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return nil
}

// Writable says whether the folder takes new files at all: a read-only or full
// disk is reported before anything depends on it.
func Writable(dir string) error {
	f, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return fmt.Errorf("the data folder cannot be written: %w", err)
	}
	_, err = f.Write(make([]byte, 4096))
	err = errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name()))
	if err != nil {
		return fmt.Errorf("the data folder cannot be written: %w", err)
	}
	return nil
}
