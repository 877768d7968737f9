package server

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cotmoc/hub/server/audit"
	"cotmoc/hub/server/blob"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/sqlite"
	"cotmoc/internal/atomicfile"
	"cotmoc/playlist"
)

// Manifest says what a backup holds. It is replaced last and at once: a backup
// that was cut off leaves the one before it whole.
type Manifest struct {
	At       time.Time       `json:"at"`
	Database string          `json:"database"` // file name; its hash is in it
	SHA256   string          `json:"database_sha256"`
	Files    int             `json:"files"`
	Bytes    int64           `json:"bytes"`
	Missing  []playlist.Hash `json:"missing,omitempty"` // that the hub itself had lost

	// Parts are the hashes of everything else: keys, configuration, checkpoints, the reports
	// of kiosks. Backups of older hubs have none.
	Parts map[string]string `json:"parts,omitempty"`
}

const manifestFile = "manifest.json"

// keptFiles are the small files of a hub's or a backup's folder that a backup
// holds: keys, configuration, checkpoints.
func keptFiles(dir string) []string {
	names := []string{keyFile, publicKeyFile, checkpointFile, configFile, filepath.Join(onlineKeys, authorityFile)}
	for _, folder := range []string{onlineKeys, demoKeys} {
		found, _ := filepath.Glob(filepath.Join(dir, folder, "*.key"))
		for _, path := range found {
			names = append(names, filepath.Join(folder, filepath.Base(path)))
		}
	}
	return names
}

// Backup copies the hub into a folder: the database as of one instant, every
// file that it names, the keys, the configuration. A folder that holds an older
// backup of the same hub is brought up to date: files that are there already
// are not copied again. It runs beside everything else. Files that the hub has
// lost are named in the manifest and in the error; the rest is saved all the same.
func (h *Hub) Backup(ctx context.Context, to string, progress func(done, total int)) (Manifest, error) {
	m := Manifest{At: h.Desk.Now().UTC()}
	if err := errors.Join(os.MkdirAll(filepath.Join(to, "keys"), 0o700), os.Chmod(to, 0o700)); err != nil {
		return m, fmt.Errorf("backup: %w", err)
	}
	// Before the database: a checkpoint that is younger than it would say that
	// rows were cut off.
	for _, name := range keptFiles(h.Dir) {
		if err := setAside(to, name); err != nil {
			return m, err
		}
		if err := copyIfThere(filepath.Join(h.Dir, name), filepath.Join(to, name)); err != nil {
			return m, err
		}
	}
	fresh := filepath.Join(to, "hub.db.new")
	if err := errors.Join(removeIfThere(fresh), h.store.Backup(ctx, fresh)); err != nil {
		return m, err
	}
	reports := filepath.Join(to, fleetFile+".new")
	if err := errors.Join(removeIfThere(reports), h.reports.Backup(ctx, reports), setAside(to, fleetFile), atomicfile.Rename(reports, filepath.Join(to, fleetFile))); err != nil {
		return m, err
	}
	if err := h.copyFiles(ctx, fresh, to, &m, progress); err != nil {
		return m, err
	}
	var err error
	if m.SHA256, err = atomicfile.Hash(fresh); err != nil {
		return m, err
	}
	m.Database = "hub-" + m.SHA256[:16] + ".db"
	if err := atomicfile.Rename(fresh, filepath.Join(to, m.Database)); err != nil {
		return m, err
	}
	if m.Parts, err = partsOf(to); err != nil {
		return m, err
	}
	raw, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return m, fmt.Errorf("backup: %w", err)
	}
	if err := atomicfile.Write(filepath.Join(to, manifestFile), raw, 0o600); err != nil {
		return m, err
	}
	for name := range m.Parts {
		err = errors.Join(err, removeIfThere(filepath.Join(to, name+before)))
	}
	old, _ := filepath.Glob(filepath.Join(to, "hub-*.db"))
	for _, path := range old {
		if filepath.Base(path) != m.Database {
			err = errors.Join(err, removeIfThere(path))
		}
	}
	if len(m.Missing) > 0 {
		err = errors.Join(err, fmt.Errorf("the backup is made, but %d files are missing in the hub itself: %v", len(m.Missing), m.Missing))
	}
	return m, err
}

// before ends the name of a part as the manifest of the backup before has it: until the
// new manifest is written, that one holds.
const before = ".before"

// setAside keeps a part of the backup that is being replaced.
func setAside(to, name string) error {
	aside := filepath.Join(to, name+before)
	if _, err := os.Stat(aside); err == nil { // of a backup that was cut off
		return nil
	}
	if err := os.Link(filepath.Join(to, name), aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return copyIfThere(filepath.Join(to, name), aside) // a file system without links
	}
	return nil
}

// partsOf hashes what a backup holds beside its database and files.
func partsOf(to string) (map[string]string, error) {
	out := map[string]string{}
	for _, name := range append(keptFiles(to), fleetFile) {
		sum, err := atomicfile.Hash(filepath.Join(to, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out[name] = sum
	}
	return out, nil
}

// verifiedParts finds every part that the manifest names, as it names it.
func verifiedParts(from string, m Manifest) (map[string]string, error) {
	out := map[string]string{}
	if m.Parts == nil { // of an older hub
		for _, name := range append(keptFiles(from), fleetFile) {
			if _, err := os.Stat(filepath.Join(from, name)); err == nil {
				out[name] = filepath.Join(from, name)
			}
		}
		return out, nil
	}
	for name, want := range m.Parts {
		if !filepath.IsLocal(name) {
			return nil, fmt.Errorf("the backup's manifest names %q", name)
		}
		for _, path := range []string{filepath.Join(from, name), filepath.Join(from, name+before)} {
			sum, err := atomicfile.Hash(path)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
			if err == nil && sum == want {
				out[name] = path
				break
			}
		}
		if out[name] == "" {
			return nil, fmt.Errorf("the backup's %s is missing or is not what its manifest says", name)
		}
	}
	return out, nil
}

// copyFiles copies what the copied database names.
func (h *Hub) copyFiles(ctx context.Context, database, to string, m *Manifest, progress func(done, total int)) error {
	copied, err := sqlite.OpenReadOnly(ctx, database)
	if err != nil {
		return err
	}
	files, err := filesOf(ctx, copied)
	if err := errors.Join(err, copied.Close()); err != nil {
		return err
	}
	kept, err := blob.OpenFolder(filepath.Join(to, filesDir))
	if err != nil {
		return err
	}
	for n, f := range files {
		switch err := h.copyFile(ctx, f, blob.Checked{Store: kept}); {
		case errors.Is(err, blob.ErrNotFound):
			m.Missing = append(m.Missing, f.SHA256)
		case err != nil:
			return err
		default:
			m.Files, m.Bytes = m.Files+1, m.Bytes+f.Bytes
		}
		if progress != nil {
			progress(n+1, len(files))
		}
	}
	return nil
}

func (h *Hub) copyFile(ctx context.Context, m playlist.Media, to blob.Store) error {
	in, err := h.Desk.Files.Open(ctx, m.SHA256)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	defer in.Close()
	return to.Put(ctx, m, in)
}

// filesOf lists the files that a database names.
func filesOf(ctx context.Context, s central.Store) ([]playlist.Media, error) {
	var out []playlist.Media
	err := s.Read(ctx, func(r central.Reader) error {
		rows, err := central.All[playlist.Media](ctx, r, central.Query{Kind: central.Files})
		out = rows
		return err
	})
	return out, err
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

func copyIfThere(from, to string) error {
	raw, err := os.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return atomicfile.Write(to, raw, 0o600)
}

// Restore makes a hub of a backup in an empty folder. Everything is verified on
// the way: the database's hash, every file's, and the audit's chain.
func Restore(ctx context.Context, from, dir string, progress func(done, total int)) (Manifest, error) {
	m, err := readManifest(from)
	if err != nil {
		return m, err
	}
	if err := beginRestore(dir); err != nil {
		return m, err
	}
	database := filepath.Join(from, filepath.Base(m.Database))
	if sum, err := atomicfile.Hash(database); err != nil || sum != m.SHA256 {
		return m, errors.Join(err, errors.New("the backup's database is not what its manifest says"))
	}
	db, err := sqlite.OpenReadOnly(ctx, database)
	if err != nil {
		return m, err
	}
	files, err := filesOf(ctx, db)
	if err := errors.Join(err, db.Close()); err != nil {
		return m, err
	}
	files = slices.DeleteFunc(files, func(f playlist.Media) bool { return slices.Contains(m.Missing, f.SHA256) })
	parts, err := verifiedParts(from, m)
	if err != nil {
		return m, err
	}
	for name, path := range parts {
		if name == fleetFile {
			continue
		}
		if err := copyIfThere(path, filepath.Join(dir, name)); err != nil {
			return m, err
		}
	}
	if err := restoreFiles(ctx, from, dir, files, progress); err != nil {
		return m, err
	}
	if path, ok := parts[fleetFile]; ok { // backups of older hubs have none
		if err := restoreReports(ctx, path, dir); err != nil {
			return m, err
		}
	}
	// The database last: a folder without it is no hub, and can be begun anew.
	if err := copyLarge(database, filepath.Join(dir, dbFile)); err != nil {
		return m, err
	}
	if _, err = VerifyAudit(ctx, dir, "", ""); err != nil {
		return m, err
	}
	if err := leap(ctx, filepath.Join(dir, dbFile)); err != nil {
		return m, err
	}
	return m, removeIfThere(filepath.Join(dir, restoring))
}

func readManifest(from string) (m Manifest, err error) {
	raw, err := os.ReadFile(filepath.Join(from, manifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("%s holds no whole backup: its manifest is missing", from)
	}
	if err == nil {
		err = json.Unmarshal(raw, &m)
	}
	if err != nil {
		return m, fmt.Errorf("backup's manifest: %w", err)
	}
	return m, nil
}

// restoring marks a folder into which a backup is being restored.
const restoring = "restoring"

// beginRestore takes an empty folder, or one in which a restore was cut off.
func beginRestore(dir string) error {
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(dir, restoring)); err != nil {
			return fmt.Errorf("the folder %s is not empty", dir)
		}
	}
	if err := errors.Join(os.MkdirAll(filepath.Join(dir, "keys"), 0o700), os.Chmod(dir, 0o700)); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return atomicfile.Write(filepath.Join(dir, restoring), nil, 0o600)
}

// leap lets the next edition of every scope jump ahead: editions that went out
// after the backup was made must not come again with other content.
func leap(ctx context.Context, database string) error {
	s, err := sqlite.Open(ctx, database)
	if err != nil {
		return err
	}
	return errors.Join(s.Write(ctx, func(tx central.Tx) error { return desk.LeapAhead(ctx, tx) }), s.Close())
}

func restoreFiles(ctx context.Context, from, dir string, files []playlist.Media, progress func(done, total int)) error {
	source, err := blob.OpenFolder(filepath.Join(from, filesDir))
	if err != nil {
		return err
	}
	to, err := blob.OpenFolder(filepath.Join(dir, filesDir))
	if err != nil {
		return err
	}
	for n, m := range files {
		in, err := source.Open(ctx, m.SHA256)
		if err != nil {
			return fmt.Errorf("restore: %w", err)
		}
		err = blob.Checked{Store: to}.Put(ctx, m, in)
		if err := errors.Join(err, in.Close()); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
		if progress != nil {
			progress(n+1, len(files))
		}
	}
	return nil
}

// restoreReports copies the reports of kiosks, and checks them by opening them.
func restoreReports(ctx context.Context, from, dir string) error {
	if err := copyLarge(from, filepath.Join(dir, fleetFile)); err != nil {
		return err
	}
	reports, err := sqlite.OpenFleet(ctx, filepath.Join(dir, fleetFile))
	if err != nil {
		return err
	}
	return reports.Close()
}

func copyLarge(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer in.Close()
	out, err := os.OpenFile(to+".part", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return atomicfile.Rename(to+".part", to)
}

// VerifyAudit checks the audit of a hub's folder, whether the hub runs or not.
// keyPath and checkpoints name a public key and checkpoints that were kept
// elsewhere; empty means the folder's own.
func VerifyAudit(ctx context.Context, dir, keyPath, checkpoints string) (audit.Report, error) {
	if keyPath == "" {
		keyPath = filepath.Join(dir, publicKeyFile)
	}
	raw, err := os.ReadFile(keyPath)
	if err != nil {
		return audit.Report{}, fmt.Errorf("audit's public key: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(raw)))
	if err != nil || len(key) != ed25519.PublicKeySize {
		return audit.Report{}, fmt.Errorf("audit's public key: %s is damaged", keyPath)
	}
	if checkpoints == "" {
		checkpoints = filepath.Join(dir, checkpointFile)
	}
	outside, err := readCheckpoints(checkpoints)
	if err != nil {
		return audit.Report{}, err
	}
	s, err := sqlite.OpenReadOnly(ctx, filepath.Join(dir, dbFile))
	if err != nil {
		return audit.Report{}, err
	}
	defer s.Close()
	var report audit.Report
	err = s.Read(ctx, func(r central.Reader) (err error) {
		report, err = audit.Verify(ctx, r, key, outside)
		return err
	})
	return report, err
}

// readCheckpoints reads a checkpoint file. A last line that a power cut broke is
// left out.
func readCheckpoints(path string) ([]central.Checkpoint, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint file: %w", err)
	}
	defer f.Close()
	var whole []byte
	lines := bufio.NewReader(f)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("checkpoint file: %w", err)
		}
		whole = append(whole, line...)
	}
	return audit.ParseCheckpoints(whole)
}
