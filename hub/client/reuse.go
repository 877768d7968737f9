package client

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	"cotmoc/hub/edition"
	"cotmoc/hub/feed"
	"cotmoc/playlist"
)

// reuseFrom is the size from which it pays to look for a file's chunks in others.
const reuseFrom = 256 << 10

// maxCut bounds how many bytes of files without a table are cut in one go: a table
// that a stick did not bring is made here, once.
const maxCut = 512 << 20

// place is where a chunk lies on this machine.
type place struct {
	path string
	at   int64
}

// reuse copies the chunks of a file that other files here hold, verified.
func (c *Client) reuse(ctx context.Context, t *transfer) error {
	if t.left < reuseFrom {
		return nil
	}
	want := map[[32]byte]bool{}
	for n, ch := range t.table.Chunks {
		if !t.have[n] {
			want[ch.SHA256] = true
		}
	}
	found, err := c.find(ctx, want)
	if err != nil || len(found) == 0 {
		return err
	}
	for n, ch := range t.table.Chunks {
		p, ok := found[ch.SHA256]
		if t.have[n] || !ok || ctx.Err() != nil {
			continue
		}
		b := make([]byte, ch.Bytes)
		if readAt(p, b) != nil {
			continue
		}
		if err := t.keep(n, b); err != nil && ctx.Err() == nil {
			continue // the other file is damaged there: the hub has it
		}
	}
	return t.flush()
}

func readAt(p place, b []byte) error {
	f, err := os.Open(p.path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.ReadAt(b, p.at)
	return err
}

// find looks for chunks in the files that are here.
func (c *Client) find(ctx context.Context, want map[[32]byte]bool) (map[[32]byte]place, error) {
	found := map[[32]byte]place{}
	paths, err := filepath.Glob(filepath.Join(c.Dir, "media", "??", "*"))
	if err != nil {
		return nil, err
	}
	slices.Sort(paths)
	cut := int64(0)
	for _, path := range paths {
		if ctx.Err() != nil || len(found) == len(want) {
			break
		}
		h := playlist.Hash(filepath.Base(path))
		info, err := os.Stat(path)
		if h.Check("") != nil || err != nil || info.Size() < reuseFrom {
			continue
		}
		table, ok := c.tableOf(h, path, info.Size(), &cut)
		if !ok {
			continue
		}
		var at int64
		for _, ch := range table.Chunks {
			if want[ch.SHA256] {
				found[ch.SHA256] = place{path, at}
			}
			at += int64(ch.Bytes)
		}
	}
	return found, nil
}

// tableOf returns the chunk table of a file that is here.
func (c *Client) tableOf(h playlist.Hash, path string, size int64, cut *int64) (t feed.ChunkTable, ok bool) {
	name := filePath("chunks", h)
	if raw, err := os.ReadFile(c.public(name)); err == nil && t.UnmarshalBinary(raw) == nil && t.Size() == size {
		return t, true
	}
	if *cut += size; *cut > maxCut {
		return t, false
	}
	f, err := os.Open(path)
	if err != nil {
		return t, false
	}
	defer f.Close()
	if t, err = edition.Chunks(f, size); err != nil {
		return t, false
	}
	if raw, err := t.MarshalBinary(); err == nil {
		_ = c.put(name, raw) // else it is made again the next time
	}
	return t, true
}
