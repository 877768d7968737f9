package client

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"cotmoc/hub/feed"
	"cotmoc/hub/local"
	"cotmoc/internal/step"
	"cotmoc/playlist"
)

// Journalling: chunks count once they were flushed, and they are flushed together.
const (
	flushChunks = 16
	flushTime   = 2 * time.Second
	maxSpan     = 1 << 20 // bytes of one request
	lookAhead   = 64      // chunks behind the journal's last that may lie there already
)

// transfer is a file on its way: its bytes at their places, and a journal of the
// chunks that are there, verified and flushed.
type transfer struct {
	c     *Client
	file  local.File
	table feed.ChunkTable
	at    []int64 // where each chunk begins
	have  []bool
	left  int64

	part    *os.File
	journal *os.File
	fresh   []int // written, not flushed
	flushed time.Time
}

func filePath(kind string, h playlist.Hash) string {
	return kind + "/" + string(h[:2]) + "/" + string(h)
}

// chunkTable returns a file's chunk table, from here or from the hub. It is not
// signed: a wrong one costs time, for in the end the file's own hash must come out.
func (c *Client) chunkTable(ctx context.Context, f local.File) (t feed.ChunkTable, err error) {
	name := filePath("chunks", f.SHA256)
	raw, err := os.ReadFile(c.public(name))
	if err == nil && t.UnmarshalBinary(raw) == nil && t.Size() == f.Bytes && feed.HexName(t.File) == string(f.SHA256) {
		return t, nil
	}
	if raw, err = c.get(ctx, name, 4096+f.Bytes/64); err != nil {
		return t, err
	}
	if err := t.UnmarshalBinary(raw); err != nil {
		return t, fmt.Errorf("%w (%w)", errForged, err)
	}
	if t.Size() != f.Bytes || feed.HexName(t.File) != string(f.SHA256) {
		return t, fmt.Errorf("%w (the chunk table is of another file)", errForged)
	}
	return t, c.put(name, raw)
}

// begin opens a transfer where it was left.
func (c *Client) begin(ctx context.Context, f local.File) (_ *transfer, err error) {
	t := &transfer{c: c, file: f, flushed: time.Now()}
	if t.table, err = c.chunkTable(ctx, f); err != nil {
		return nil, err
	}
	dir := filepath.Join(c.Dir, local.PartDir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("files on their way: %w", err)
	}
	t.have = make([]bool, len(t.table.Chunks))
	var at int64
	for _, ch := range t.table.Chunks {
		t.at = append(t.at, at)
		at += int64(ch.Bytes)
	}
	t.left = at
	if t.part, err = os.OpenFile(t.path(".part"), os.O_CREATE|os.O_RDWR, 0o644); err != nil {
		return nil, fmt.Errorf("files on their way: %w", err)
	}
	if t.journal, err = os.OpenFile(t.path(".journal"), os.O_CREATE|os.O_RDWR, 0o644); err != nil {
		return nil, errors.Join(fmt.Errorf("files on their way: %w", err), t.part.Close())
	}
	if err := t.prepare(at); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

func (t *transfer) path(suffix string) string {
	return filepath.Join(t.c.Dir, local.PartDir, string(t.file.SHA256)+suffix)
}

// prepare takes the room for the file, so that a full disk shows before and not in
// the middle, and reads the journal.
func (t *transfer) prepare(size int64) error {
	info, err := t.part.Stat()
	if err == nil && info.Size() == 0 { // a new one: an older journal does not speak of it
		err = t.journal.Truncate(0)
	}
	if err != nil {
		return fmt.Errorf("files on their way: %w", err)
	}
	if info.Size() != size {
		if err := unix.Fallocate(int(t.part.Fd()), 0, 0, max(size, 1)); err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
			return fmt.Errorf("room for a file of %d MB: %w", size>>20, err)
		}
		if err := t.part.Truncate(size); err != nil {
			return fmt.Errorf("room for a file: %w", err)
		}
	}
	last, err := t.readJournal()
	if err != nil {
		return err
	}
	for n := last + 1; n < len(t.have) && n <= last+lookAhead; n++ { // written, but the journal was cut off
		if !t.have[n] && t.there(n) {
			t.mark(n)
			t.fresh = append(t.fresh, n)
		}
	}
	return nil
}

const journalEntry = 8

// entry is a chunk's line in the journal: its number, and a sum that no torn or
// zeroed tail has.
func (t *transfer) entry(n int) []byte {
	e := binary.BigEndian.AppendUint32(nil, uint32(n))
	return binary.BigEndian.AppendUint32(e, crc32.ChecksumIEEE(append(e, t.table.Chunks[n].SHA256[:]...)))
}

func (t *transfer) readJournal() (last int, err error) {
	raw, err := io.ReadAll(t.journal)
	if err != nil {
		return -1, fmt.Errorf("journal of a file on its way: %w", err)
	}
	last = -1
	good := 0
	for ; good+journalEntry <= len(raw); good += journalEntry {
		n := int(binary.BigEndian.Uint32(raw[good:]))
		if n >= len(t.have) || string(t.entry(n)) != string(raw[good:good+journalEntry]) {
			continue // a torn tail, or of a table that was a lie
		}
		last = max(last, n)
		t.mark(n)
	}
	if err := t.journal.Truncate(int64(good)); err != nil {
		return last, fmt.Errorf("journal of a file on its way: %w", err)
	}
	_, err = t.journal.Seek(int64(good), io.SeekStart)
	return last, err
}

func (t *transfer) mark(n int) {
	if !t.have[n] {
		t.have[n] = true
		t.left -= int64(t.table.Chunks[n].Bytes)
	}
}

// there says whether a chunk's bytes lie at its place.
func (t *transfer) there(n int) bool {
	b := make([]byte, t.table.Chunks[n].Bytes)
	_, err := t.part.ReadAt(b, t.at[n])
	return err == nil && sha256.Sum256(b) == t.table.Chunks[n].SHA256
}

// keep writes a chunk whose bytes are right to its place.
func (t *transfer) keep(n int, b []byte) error {
	if sha256.Sum256(b) != t.table.Chunks[n].SHA256 {
		return fmt.Errorf("%w (chunk %d of %.12s…)", errForged, n, t.file.SHA256)
	}
	if _, err := t.part.WriteAt(b, t.at[n]); err != nil {
		return fmt.Errorf("write a chunk: %w", err)
	}
	t.mark(n)
	step.At("fetch chunk")
	if t.fresh = append(t.fresh, n); len(t.fresh) >= flushChunks || time.Since(t.flushed) > flushTime {
		return t.flush()
	}
	return nil
}

// flush makes what was written durable, and then says so in the journal.
func (t *transfer) flush() error {
	t.flushed = time.Now()
	if len(t.fresh) == 0 {
		return nil
	}
	if err := unix.Fdatasync(int(t.part.Fd())); err != nil {
		return fmt.Errorf("flush chunks: %w", err)
	}
	step.At("fetch flush")
	var raw []byte
	for _, n := range t.fresh {
		raw = append(raw, t.entry(n)...)
	}
	if _, err := t.journal.Write(raw); err != nil {
		return fmt.Errorf("journal chunks: %w", err)
	}
	if err := unix.Fdatasync(int(t.journal.Fd())); err != nil {
		return fmt.Errorf("journal chunks: %w", err)
	}
	t.fresh = t.fresh[:0]
	step.At("fetch journal")
	return nil
}

func (t *transfer) close() error { return errors.Join(t.part.Close(), t.journal.Close()) }

// span is the next run of chunks that lack, of at most most bytes.
func (t *transfer) span(most int64) (first, n int) {
	for first = 0; first < len(t.have) && t.have[first]; first++ {
	}
	var bytes int64
	for n = 0; first+n < len(t.have) && !t.have[first+n]; n++ {
		if bytes += int64(t.table.Chunks[first+n].Bytes); n > 0 && bytes > most {
			break
		}
	}
	return first, n
}

// more fetches the next chunks. Each is verified and kept as it comes, so that an
// answer that breaks off loses one at most.
func (t *transfer) more(ctx context.Context, most int64) (bytes int64, err error) {
	first, n := t.span(most)
	if n == 0 {
		return 0, nil
	}
	from := t.at[first]
	to := t.at[first+n-1] + int64(t.table.Chunks[first+n-1].Bytes)
	name := filePath("files", t.file.SHA256)
	ref := feed.Ref{SHA256: string(t.file.SHA256), Bytes: t.file.Bytes}
	err = t.c.span(ctx, name, ref, from, to, func(r io.Reader) error {
		for i := first; i < first+n; i++ {
			b := make([]byte, t.table.Chunks[i].Bytes)
			if _, err := io.ReadFull(r, b); err != nil {
				return fmt.Errorf("the answer broke off: %w", err)
			}
			if err := t.keep(i, b); err != nil {
				return err
			}
			bytes += int64(len(b))
		}
		return nil
	})
	return bytes, err
}

// drop begins a file anew: its bytes were not what they should be, although each
// chunk was what its table says. The table was the lie.
func (c *Client) drop(h playlist.Hash) error {
	var errs []error
	for _, path := range []string{c.public(filePath("chunks", h)), filepath.Join(c.Dir, local.PartDir, string(h)+".part"), filepath.Join(c.Dir, local.PartDir, string(h)+".journal")} {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Bring fetches one file as far as it can: what other files here hold is copied,
// the rest comes from the hub. whole is true once all of it is here. pause is asked
// between requests how many bytes may come next, and waits if need be; 0 ends for
// now, because something more urgent came up.
func (c *Client) Bring(ctx context.Context, f local.File, pause func(ctx context.Context, came int64) int64) (whole bool, err error) {
	t, err := c.begin(ctx, f)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, t.flush(), t.close()) }()
	if err := c.reuse(ctx, t); err != nil {
		return false, err
	}
	var came int64
	for t.left > 0 {
		most := pause(ctx, came)
		if most <= 0 || ctx.Err() != nil {
			return false, ctx.Err()
		}
		if came, err = t.more(ctx, min(most, maxSpan)); err != nil {
			if errors.Is(err, errForged) { // the line lies, or the table does: that is fetched anew
				err = errors.Join(err, os.Remove(c.public(filePath("chunks", f.SHA256))))
			}
			return false, err
		}
	}
	return true, t.flush()
}
