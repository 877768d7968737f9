package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cotmoc/hub/edition"
	"cotmoc/hub/feed"
	"cotmoc/hub/server/publish"
	"cotmoc/hub/trust"
	"cotmoc/internal/atomicfile"
	"cotmoc/playlist"
)

// readyFile is written last to a stick: without it, something was cut off.
const readyFile = "READY"

// Export copies what kiosks of a place need onto a stick: the chain of roots, the
// newest signed metadata, the editions of the place's scopes and their files. An
// empty place copies all scopes. What is on the stick already is not copied again.
func (h *Hub) Export(ctx context.Context, place playlist.ID, to string, progress func(done, total int)) (files int, size int64, err error) {
	if err := h.Distribute(ctx); err != nil {
		return 0, 0, err
	}
	scopes, err := h.Desk.ScopesOf(ctx, place)
	if err != nil {
		return 0, 0, err
	}
	out := &stick{from: h.Public.Dir, to: to}
	if err := out.begin(); err != nil {
		return 0, 0, err
	}
	root, err := h.Desk.TrustRoot(ctx)
	if err != nil {
		return 0, 0, err
	}
	state, err := trust.Begin(root)
	if err != nil {
		return 0, 0, err
	}
	e, err := out.trust(ctx, state, h, scopes)
	if err != nil {
		return 0, 0, err
	}
	all, err := out.editions(e)
	if err != nil {
		return 0, 0, err
	}
	for n, m := range all {
		if err := ctx.Err(); err != nil {
			return 0, 0, err
		}
		for _, kind := range []string{"files", "chunks"} {
			if err := out.copy(filepath.Join(kind, string(m.SHA256[:2]), string(m.SHA256))); err != nil {
				return 0, 0, err
			}
		}
		size += m.Bytes
		if progress != nil {
			progress(n+1, len(all))
		}
	}
	return len(all), size, errors.Join(out.note(place, scopes), out.end())
}

type stick struct{ from, to string }

func (s *stick) begin() error {
	if err := os.MkdirAll(s.to, 0o755); err != nil {
		return fmt.Errorf("stick: %w", err)
	}
	if err := os.Remove(filepath.Join(s.to, readyFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("stick: %w", err)
	}
	return nil
}

func (s *stick) end() error {
	return atomicfile.Write(filepath.Join(s.to, readyFile), []byte("cotmoc\n"), 0o644)
}

// note says for what the stick was made.
func (s *stick) note(place playlist.ID, scopes []string) error {
	n := feed.Stick{Format: feed.StickFormat, Place: string(place)}
	if place != "" {
		n.Scopes = scopes
	}
	raw, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("stick: %w", err)
	}
	return atomicfile.Write(filepath.Join(s.to, feed.StickFile), raw, 0o644)
}

// trust copies metadata: the roles of the wanted scopes, and every root.
func (s *stick) trust(ctx context.Context, state trust.State, h *Hub, scopes []string) (*trust.Edition, error) {
	_, e, err := state.Refresh(ctx, folder(filepath.Join(s.from, publish.TrustDir)), h.Desk.Now(), scopes)
	if err != nil {
		return nil, fmt.Errorf("nothing is signed that could be carried: %w", err)
	}
	entries, err := os.ReadDir(filepath.Join(s.from, publish.TrustDir))
	if err != nil {
		return nil, fmt.Errorf("stick: %w", err)
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return strings.Compare(b.Name(), a.Name()) })
	for _, entry := range entries { // old versions are harmless
		if err := s.copy(filepath.Join(publish.TrustDir, entry.Name())); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// editions copies heads and snapshots, and lists the files that they name.
func (s *stick) editions(e *trust.Edition) ([]playlist.Media, error) {
	var out []playlist.Media
	seen := map[playlist.Hash]bool{}
	if e.Emergency != nil {
		if err := s.copy(e.Emergency.Path); err != nil {
			return nil, err
		}
	}
	for _, t := range e.Heads {
		dir := filepath.Dir(t.Path)
		for _, name := range []string{"head.json", "snapshot.zst"} {
			if err := s.copy(filepath.Join(dir, name)); err != nil {
				return nil, err
			}
		}
		raw, err := os.ReadFile(filepath.Join(s.from, dir, "snapshot.zst"))
		if err != nil {
			return nil, fmt.Errorf("stick: %w", err)
		}
		var rows []feed.Row
		if err := edition.Unpack(raw, &rows); err != nil {
			return nil, err
		}
		files, err := publish.FilesOf(rows)
		if err != nil {
			return nil, err
		}
		for _, m := range files {
			if !seen[m.SHA256] {
				seen[m.SHA256] = true
				out = append(out, m)
			}
		}
	}
	return out, nil
}

func (s *stick) copy(name string) error {
	in, err := os.Open(filepath.Join(s.from, name))
	if err != nil {
		return fmt.Errorf("stick: %w", err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return fmt.Errorf("stick: %w", err)
	}
	path := filepath.Join(s.to, name)
	if have, err := os.Stat(path); err == nil && have.Size() == info.Size() {
		same, err := sameBytes(in, path)
		if err != nil || same {
			return err
		}
		if _, err := in.Seek(0, io.SeekStart); err != nil { // what lies there is damaged: it is written again
			return fmt.Errorf("stick: %w", err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("stick: %w", err)
	}
	part, err := os.Create(path + ".part")
	if err != nil {
		return fmt.Errorf("stick: %w", err)
	}
	_, err = io.Copy(part, in)
	if err := errors.Join(err, part.Sync(), part.Close()); err != nil {
		return errors.Join(fmt.Errorf("stick: %w", err), os.Remove(path+".part"))
	}
	return atomicfile.Rename(path+".part", path)
}

// sameBytes says whether a file on the stick is what it should be. One that cannot be read
// is not.
func sameBytes(in io.Reader, path string) (bool, error) {
	have, err := os.Open(path)
	if err != nil {
		return false, nil
	}
	defer have.Close()
	a, b := make([]byte, 256<<10), make([]byte, 256<<10)
	for {
		n, err := io.ReadFull(in, a)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return false, fmt.Errorf("stick: %w", err)
		}
		m, _ := io.ReadFull(have, b[:n])
		if m != n || !bytes.Equal(a[:n], b[:m]) {
			return false, nil
		}
		if n < len(a) {
			return true, nil
		}
	}
}

// folder is a trust.Source in a folder.
type folder string

// Metadata implements trust.Source.
func (f folder) Metadata(_ context.Context, name string, most int64) ([]byte, error) {
	file, err := os.Open(filepath.Join(string(f), name))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, most))
}
