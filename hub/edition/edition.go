// Package edition joins the domain's catalogue and the rows that travel: hub
// and kiosk turn one into the other by the same code.
package edition

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/jotfs/fastcdc-go"
	"github.com/klauspost/compress/zstd"

	"cotmoc/hub/feed"
	"cotmoc/playlist"
)

// MaxSnapshot bounds an unpacked catalogue or delta, in bytes.
const MaxSnapshot = 256 << 20

// column is one kind of row: how it is listed, and how it is read.
type column struct {
	kind string
	list func(r *playlist.Rows, put func(id playlist.ID, row any))
	read func(r *playlist.Rows, raw []byte) error
}

func kind[T any](name string, at func(*playlist.Rows) *[]T, id func(T) playlist.ID) column {
	return column{name,
		func(r *playlist.Rows, put func(playlist.ID, any)) {
			for _, row := range *at(r) {
				put(id(row), row)
			}
		},
		func(r *playlist.Rows, raw []byte) error {
			var row T
			dec := json.NewDecoder(bytes.NewReader(raw))
			dec.DisallowUnknownFields()
			if err := dec.Decode(&row); err != nil {
				return err
			}
			*at(r) = append(*at(r), row)
			return nil
		}}
}

var columns = []column{
	kind("calendar", func(r *playlist.Rows) *[]playlist.Calendar { return &r.Calendars }, func(c playlist.Calendar) playlist.ID { return c.ID }),
	kind("display", func(r *playlist.Rows) *[]playlist.Display { return &r.Displays }, func(d playlist.Display) playlist.ID { return d.ID }),
	kind("fact", func(r *playlist.Rows) *[]playlist.GateFact { return &r.Facts }, func(f playlist.GateFact) playlist.ID { return f.ID }),
	kind("item", func(r *playlist.Rows) *[]playlist.Item { return &r.Items }, func(i playlist.Item) playlist.ID { return i.ID }),
	kind("layout", func(r *playlist.Rows) *[]playlist.Layout { return &r.Layouts }, func(l playlist.Layout) playlist.ID { return l.ID }),
	kind("mandatory", func(r *playlist.Rows) *[]playlist.Mandatory { return &r.Mandatory }, func(m playlist.Mandatory) playlist.ID { return m.ID }),
	kind("media", func(r *playlist.Rows) *[]playlist.Media { return &r.Media }, func(m playlist.Media) playlist.ID { return playlist.ID(m.SHA256) }),
	kind("notice", func(r *playlist.Rows) *[]playlist.Notice { return &r.Notices }, func(n playlist.Notice) playlist.ID { return n.ID }),
	kind("place", func(r *playlist.Rows) *[]playlist.Place { return &r.Places }, func(p playlist.Place) playlist.ID { return p.ID }),
	kind("playlist", func(r *playlist.Rows) *[]playlist.Playlist { return &r.Playlists }, func(p playlist.Playlist) playlist.ID { return p.ID }),
	kind("schedule", func(r *playlist.Rows) *[]playlist.Schedule { return &r.Schedules }, func(s playlist.Schedule) playlist.ID { return s.ID }),
	kind("version", func(r *playlist.Rows) *[]playlist.Version { return &r.Versions }, func(v playlist.Version) playlist.ID { return v.ID }),
}

// Rows returns a catalogue's rows as they travel, sorted. Two rows of one name are
// refused.
func Rows(r playlist.Rows) ([]feed.Row, error) {
	out, err := List(r)
	return out, errors.Join(err, feed.Sort(out))
}

// List returns a catalogue's rows as they travel, in no order.
func List(r playlist.Rows) ([]feed.Row, error) {
	var out []feed.Row
	var errs []error
	for _, c := range columns {
		c.list(&r, func(id playlist.ID, row any) {
			raw, err := json.Marshal(row)
			if err == nil {
				raw, err = feed.Canonical(raw)
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("%s %s: %w", c.kind, id, err))
			}
			out = append(out, feed.Row{Kind: c.kind, ID: string(id), Row: raw})
		})
	}
	return out, errors.Join(errs...)
}

// NameOf is how Union names a row.
func NameOf(r feed.Row) string {
	switch r.Kind {
	case "fact":
		return "gate fact " + r.ID
	case "media":
		return "media " + short(r.ID)
	}
	return r.Kind + " " + r.ID
}

// Catalogue returns rows that travelled as the domain's. It reads strictly and
// checks no reference: playlist.NewCatalogue does.
func Catalogue(rows []feed.Row) (playlist.Rows, error) {
	out := playlist.Rows{Format: playlist.Format}
	byKind := map[string]column{}
	for _, c := range columns {
		byKind[c.kind] = c
	}
	for _, r := range rows {
		c, ok := byKind[r.Kind]
		if !ok {
			return out, fmt.Errorf("edition: rows of the kind %.40q are not known", r.Kind)
		}
		if err := c.read(&out, r.Row); err != nil {
			return out, fmt.Errorf("edition: %s %s: %w", r.Kind, r.ID, err)
		}
	}
	return out, nil
}

// Pack compresses a JSON value. The same value gives the same bytes.
func Pack(v any) ([]byte, error) { return pack(v, packer) }

// PackFast compresses a JSON value with little work, for this machine only.
func PackFast(v any) ([]byte, error) { return pack(v, fastPacker) }

func pack(v any, with func() (*zstd.Encoder, error)) ([]byte, error) {
	var raw bytes.Buffer
	plain := json.NewEncoder(&raw)
	plain.SetEscapeHTML(false) // or a row would come out as other bytes than went in
	if err := plain.Encode(v); err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	if raw.Len() > MaxSnapshot { // nobody could read it again
		return nil, fmt.Errorf("pack: it has %d MiB, more than %d", raw.Len()>>20, MaxSnapshot>>20)
	}
	enc, err := with()
	if err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	return enc.EncodeAll(raw.Bytes(), nil), nil
}

var fastPacker = sync.OnceValues(func() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
})

// packer is made once: it is large, and packs whole values for many at a time.
var packer = sync.OnceValues(func() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(8<<20))
})

// Unpack reads what Pack wrote into v. More than MaxSnapshot bytes are refused,
// however small they were packed.
func Unpack(packed []byte, v any) error {
	dec, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxSnapshot), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	defer dec.Close()
	raw, err := io.ReadAll(io.LimitReader(dec, MaxSnapshot+1))
	if err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	if len(raw) > MaxSnapshot {
		return fmt.Errorf("unpack: more than %d MiB", MaxSnapshot>>20)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	return nil
}

// Chunks cuts a file of so many bytes where its content says, so that a change
// in one place leaves the chunks elsewhere as they were.
func Chunks(r io.Reader, size int64) (feed.ChunkTable, error) {
	var table feed.ChunkTable
	whole := sha256.New()
	if size > 0 {
		cut, err := fastcdc.NewChunker(io.TeeReader(r, whole), fastcdc.Options{AverageSize: feed.AverageChunk(size)})
		if err != nil {
			return table, fmt.Errorf("chunks: %w", err)
		}
		for {
			c, err := cut.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return table, fmt.Errorf("chunks: %w", err)
			}
			table.Chunks = append(table.Chunks, feed.Chunk{Bytes: uint32(c.Length), SHA256: sha256.Sum256(c.Data)})
		}
	}
	copy(table.File[:], whole.Sum(nil))
	if n := table.Size(); n != size {
		return table, fmt.Errorf("chunks: the file has %d bytes, not %d", n, size)
	}
	return table, nil
}
