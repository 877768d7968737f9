package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cotmoc/internal/atomicfile"
	"cotmoc/playlist"
)

// Edition is one immutable catalogue file, opened read-only.
type Edition struct {
	ID  string
	db  *sql.DB
	dir string
}

// KeptEditions is how many catalogue files stay on the machine.
const KeptEditions = 3

const editionSchema = `
CREATE TABLE rows (kind TEXT NOT NULL, id TEXT NOT NULL, parent TEXT NOT NULL, pos INTEGER NOT NULL, row TEXT NOT NULL, PRIMARY KEY (kind, id)) STRICT, WITHOUT ROWID;
CREATE INDEX rows_parent ON rows (kind, parent, pos);
PRAGMA user_version = 1;`

func editionPath(dir, id string) string { return filepath.Join(dir, "editions", id+".db") }

// WriteEdition writes a checked set of rows as catalogue file ID, with its
// full-text index, and flushes both. An edition that is there already and whole
// is left; a damaged one is written anew.
func WriteEdition(ctx context.Context, dir, id string, rows playlist.Rows) error {
	if err := WriteCatalogue(ctx, dir, id, rows, playlist.Rows{}); err != nil {
		return err
	}
	e, err := OpenEdition(ctx, dir, id)
	if err != nil {
		return err
	}
	return errors.Join(EnsureIndex(ctx, e), e.Close())
}

// WriteCatalogue writes a catalogue file without its index, which can be made when
// the edition plays already. Held are rows of the edition before that go on until
// the files are here of what replaces them.
func WriteCatalogue(ctx context.Context, dir, id string, rows, held playlist.Rows) error {
	if err := playlist.ID(id).Check("edition"); err != nil {
		return err
	}
	path := editionPath(dir, id)
	if e, err := OpenEdition(ctx, dir, id); err == nil {
		return e.Close()
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make the editions folder: %w", err)
	}
	if err := atomicfile.SyncDir(dir); err != nil {
		return err
	}
	part := path + ".part"
	for _, old := range []string{part, part + "-wal", part + "-shm", part + "-journal"} {
		if err := os.Remove(old); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove a half-written edition: %w", err)
		}
	}
	if err := fillEdition(ctx, part, rows, held); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	sum, err := atomicfile.Hash(part)
	if err == nil {
		err = atomicfile.Write(sumPath(dir, id), []byte(sum), 0o644)
	}
	if err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return atomicfile.Rename(part, path)
}

// sumPath is where a catalogue file's hash is kept: SQLite does not notice a bit
// that flips inside of a text.
func sumPath(dir, id string) string { return filepath.Join(dir, "editions", id+".sum") }

// unchanged compares a catalogue file with the hash that it had when it was written.
// Files of earlier versions have none.
func unchanged(dir, id string) error {
	want, err := os.ReadFile(sumPath(dir, id))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("edition %s: %w", id, err)
	}
	got, err := atomicfile.Hash(editionPath(dir, id))
	if err == nil && got != string(want) {
		err = fmt.Errorf("%w: edition %s is not as it was written", ErrDamaged, id)
	}
	return err
}

func fillEdition(ctx context.Context, path string, rows, held playlist.Rows) error {
	db, err := sql.Open("sqlite3", "file:"+path+"?_journal_mode=DELETE&_synchronous=FULL")
	if err != nil {
		return fmt.Errorf("create an edition: %w", err)
	}
	db.SetMaxOpenConns(1)
	err = inTx(ctx, db, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, editionSchema); err != nil {
			return fmt.Errorf("create an edition: %w", err)
		}
		stmt, err := tx.PrepareContext(ctx, "INSERT INTO rows VALUES(?,?,?,?,?)")
		if err != nil {
			return fmt.Errorf("create an edition: %w", err)
		}
		defer stmt.Close()
		w := &rowWriter{ctx: ctx, stmt: stmt}
		w.all(rows)
		w.prefix = heldPrefix
		w.all(held)
		return w.err
	})
	return errors.Join(err, db.Close())
}

// rowWriter inserts rows of every kind and keeps the first error.
type rowWriter struct {
	ctx    context.Context
	stmt   *sql.Stmt
	prefix string // of the kinds
	n      int
	err    error
}

// heldPrefix marks the kinds of rows that are held from the edition before.
const heldPrefix = "held "

func (w *rowWriter) put(kind string, id, parent playlist.ID, row any) {
	if w.err != nil {
		return
	}
	raw, err := json.Marshal(row)
	if err == nil {
		w.n++
		_, err = w.stmt.ExecContext(w.ctx, w.prefix+kind, string(id), string(parent), w.n, string(raw))
	}
	if err != nil {
		w.err = fmt.Errorf("write %s %s: %w", kind, id, err)
	}
}

func (w *rowWriter) all(r playlist.Rows) {
	for _, x := range r.Places {
		w.put("place", x.ID, x.Parent, x)
	}
	for _, x := range r.Displays {
		w.put("display", x.ID, x.Place, x)
	}
	for _, x := range r.Layouts {
		w.put("layout", x.ID, "", x)
	}
	for _, x := range r.Items {
		w.put("item", x.ID, "", x)
	}
	for _, x := range r.Versions {
		if x.ID == "" {
			x.ID = x.Item + ":" + playlist.ID(x.Language)
		}
		w.put("version", x.ID, x.Item, x)
	}
	seen := map[playlist.Hash]bool{}
	for _, x := range r.Media { // two paths of a folder may hold the same bytes
		if seen[x.SHA256] {
			continue
		}
		seen[x.SHA256] = true
		w.put("media", playlist.ID(x.SHA256), "", x)
	}
	for _, x := range r.Facts {
		w.put("fact", x.ID, x.Gate, x)
	}
	for _, x := range r.Playlists {
		w.put("playlist", x.ID, "", x)
	}
	for _, x := range r.Schedules {
		w.put("schedule", x.ID, "", x)
	}
	for _, x := range r.Calendars {
		w.put("calendar", x.ID, "", x)
	}
	for _, x := range r.Mandatory {
		if x.ID == "" {
			x.ID = x.Item
		}
		w.put("mandatory", x.ID, "", x)
	}
	for _, x := range r.Notices {
		w.put("notice", x.ID, "", x)
	}
}

// OpenEdition opens a catalogue file and checks it.
func OpenEdition(ctx context.Context, dir, id string) (*Edition, error) {
	path := editionPath(dir, id)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("edition %s: %w", id, err)
	}
	if err := unchanged(dir, id); err != nil {
		return nil, err
	}
	db, err := openDB(path, immutable)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(check(ctx, db), ours(ctx, db)); err != nil {
		return nil, errors.Join(fmt.Errorf("edition %s: %w", id, err), db.Close())
	}
	return &Edition{ID: id, db: db, dir: dir}, nil
}

// ours says whether the file is a catalogue at all: an empty file is a whole
// database to SQLite.
func ours(ctx context.Context, db *sql.DB) error {
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("read its version: %w", err)
	}
	if version != 1 {
		return fmt.Errorf("%w: it is no catalogue of version 1", ErrDamaged)
	}
	return nil
}

// Close closes the file.
func (e *Edition) Close() error { return e.db.Close() }

func rowsOf[T any](ctx context.Context, e *Edition, kind, where string, args ...any) ([]T, error) {
	return rowsAs[T](ctx, e, "row", kind, where, args...)
}

// rowsAs is rowsOf with an expression for what is read of each row.
func rowsAs[T any](ctx context.Context, e *Edition, what, kind, where string, args ...any) ([]T, error) {
	var out []T
	err := eachRow(ctx, e.db, "SELECT "+what+" FROM rows WHERE kind=?"+where+" ORDER BY pos", append([]any{kind}, args...),
		func(scan func(...any) error) error {
			var raw string
			if err := scan(&raw); err != nil {
				return err
			}
			var row T
			if err := json.Unmarshal([]byte(raw), &row); err != nil {
				return err
			}
			out = append(out, row)
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("edition %s, %s: %w", e.ID, kind, err)
	}
	return out, nil
}

// Programmed returns the part of the catalogue that programmes are made of:
// everything but the items that no playlist and no mandatory row names. A
// library of 20,000 items does not slow the start down.
func (e *Edition) Programmed(ctx context.Context) (*playlist.Catalogue, error) {
	r, err := e.ProgrammedRows(ctx)
	if err != nil {
		return nil, err
	}
	return playlist.NewCatalogue(r)
}

// Held returns what the edition holds of the one before.
func (e *Edition) Held(ctx context.Context) (r playlist.Rows, err error) {
	var errs [4]error
	r.Items, errs[0] = rowsOf[playlist.Item](ctx, e, heldPrefix+"item", "")
	r.Versions, errs[1] = rowsOf[playlist.Version](ctx, e, heldPrefix+"version", "")
	r.Playlists, errs[2] = rowsOf[playlist.Playlist](ctx, e, heldPrefix+"playlist", "")
	r.Media, errs[3] = rowsOf[playlist.Media](ctx, e, heldPrefix+"media", "")
	return r, errors.Join(errs[:]...)
}

// ProgrammedRows returns the rows that Programmed makes its catalogue of.
func (e *Edition) ProgrammedRows(ctx context.Context) (playlist.Rows, error) {
	r := playlist.Rows{Format: playlist.Format, Name: e.ID}
	var errs [8]error
	r.Places, errs[0] = rowsOf[playlist.Place](ctx, e, "place", "")
	r.Displays, errs[1] = rowsOf[playlist.Display](ctx, e, "display", "")
	r.Layouts, errs[2] = rowsOf[playlist.Layout](ctx, e, "layout", "")
	r.Playlists, errs[3] = rowsOf[playlist.Playlist](ctx, e, "playlist", "")
	r.Schedules, errs[4] = rowsOf[playlist.Schedule](ctx, e, "schedule", "")
	r.Calendars, errs[5] = rowsOf[playlist.Calendar](ctx, e, "calendar", "")
	r.Mandatory, errs[6] = rowsOf[playlist.Mandatory](ctx, e, "mandatory", "")
	r.Notices, errs[7] = rowsOf[playlist.Notice](ctx, e, "notice", "")
	if err := errors.Join(errs[:]...); err != nil {
		return r, err
	}
	var err error
	if r.Facts, err = rowsOf[playlist.GateFact](ctx, e, "fact", ""); err != nil {
		return r, err
	}
	if err := e.items(ctx, &r); err != nil {
		return r, err
	}
	if err := e.files(ctx, &r); err != nil {
		return r, err
	}
	return r, nil
}

// items adds the items and versions that playlists and mandatory rows name.
func (e *Edition) items(ctx context.Context, r *playlist.Rows) error {
	wanted := map[playlist.ID]bool{}
	for _, p := range r.Playlists {
		for _, entry := range p.Entries {
			wanted[entry.Item] = true
		}
	}
	for _, m := range r.Mandatory {
		wanted[m.Item] = true
	}
	delete(wanted, "")
	for id := range wanted {
		items, err1 := rowsOf[playlist.Item](ctx, e, "item", " AND id=?", id)
		versions, err2 := rowsOf[playlist.Version](ctx, e, "version", " AND parent=?", id)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		r.Items, r.Versions = append(r.Items, items...), append(r.Versions, versions...)
	}
	return nil
}

// files adds the files that those versions, notices and layouts name.
func (e *Edition) files(ctx context.Context, r *playlist.Rows) error {
	files := map[playlist.Hash]bool{}
	for _, v := range r.Versions {
		for _, h := range v.Files() {
			files[h] = true
		}
	}
	for _, n := range r.Notices {
		files[n.Sound] = true
	}
	for _, l := range r.Layouts {
		for _, z := range l.Zones {
			files[z.Source.Media] = true
		}
	}
	delete(files, "")
	for h := range files {
		media, err := rowsOf[playlist.Media](ctx, e, "media", " AND id=?", h)
		if err != nil {
			return err
		}
		r.Media = append(r.Media, media...)
	}
	return nil
}

// Media lists every file that the edition names.
func (e *Edition) Media(ctx context.Context) ([]playlist.Media, error) {
	return rowsOf[playlist.Media](ctx, e, "media", "")
}

// sweepLeftovers removes what a power cut left: half-written files, and an
// index or a hash whose catalogue never came.
func sweepLeftovers(dir string) error {
	left, _ := filepath.Glob(filepath.Join(dir, "editions", "*.part*"))
	indexes, _ := filepath.Glob(filepath.Join(dir, "editions", "*.fts.db"))
	sums, _ := filepath.Glob(filepath.Join(dir, "editions", "*.sum"))
	for _, path := range append(indexes, sums...) {
		if _, err := os.Stat(strings.TrimSuffix(strings.TrimSuffix(path, ".sum"), ".fts.db") + ".db"); errors.Is(err, os.ErrNotExist) {
			left = append(left, path)
		}
	}
	for _, path := range left {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove a leftover: %w", err)
		}
	}
	return nil
}

// Prune removes catalogue files beyond the kept ones. keep are never removed;
// of the others the newest stay.
func Prune(dir string, keep ...string) error {
	found, err := filepath.Glob(filepath.Join(dir, "editions", "*.db"))
	if err != nil {
		return fmt.Errorf("list editions: %w", err)
	}
	if err := sweepLeftovers(dir); err != nil {
		return err
	}
	type file struct {
		id  string
		mod int64
	}
	var others []file
	for _, path := range found {
		id := filepath.Base(path)
		id = id[:len(id)-len(".db")]
		if filepath.Ext(id) == ".fts" || slices.Contains(keep, id) {
			continue
		}
		if info, err := os.Stat(path); err == nil {
			others = append(others, file{id, info.ModTime().UnixNano()})
		}
	}
	slices.SortFunc(others, func(a, b file) int { return int(min(1, max(-1, b.mod-a.mod))) })
	for i, f := range others {
		if i+len(keep) < KeptEditions {
			continue
		}
		for _, path := range []string{editionPath(dir, f.id), indexPath(dir, f.id), sumPath(dir, f.id)} {
			if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("remove an old edition: %w", err)
			}
		}
	}
	return nil
}

// Have lists which of some versions the edition holds, in a playlist or for the library
// alone.
func (e *Edition) Have(ctx context.Context, versions map[playlist.ID]bool) ([]playlist.ID, error) {
	if len(versions) == 0 {
		return nil, nil
	}
	ids, err := json.Marshal(slices.Sorted(maps.Keys(versions)))
	if err != nil {
		return nil, fmt.Errorf("edition %s: %w", e.ID, err)
	}
	return rowsAs[playlist.ID](ctx, e, "json_quote(id)", "version", " AND id IN (SELECT value FROM json_each(?))", string(ids))
}
