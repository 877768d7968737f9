package feed

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// Chunk is a piece of a file: whoever has its bytes already need not fetch them.
type Chunk struct {
	Bytes  uint32
	SHA256 [sha256.Size]byte
}

// chunkMagic begins a chunk table.
var chunkMagic = []byte("cotmoc-chunks/1\n")

// ChunkTable lists the chunks of the file with this hash, in order.
type ChunkTable struct {
	File   [sha256.Size]byte
	Chunks []Chunk
}

// MarshalBinary writes a table: its name, the file's hash, then 36 bytes a chunk.
func (t ChunkTable) MarshalBinary() ([]byte, error) {
	out := append(bytes.Clone(chunkMagic), t.File[:]...)
	for _, c := range t.Chunks {
		out = binary.BigEndian.AppendUint32(out, c.Bytes)
		out = append(out, c.SHA256[:]...)
	}
	return out, nil
}

// UnmarshalBinary reads a table. It refuses empty chunks, of which a hostile
// table could name endlessly many.
func (t *ChunkTable) UnmarshalBinary(raw []byte) error {
	rest, ok := bytes.CutPrefix(raw, chunkMagic)
	if !ok || len(rest) < sha256.Size || (len(rest)-sha256.Size)%36 != 0 {
		return errors.New("this is no chunk table")
	}
	copy(t.File[:], rest)
	t.Chunks = nil
	for rest = rest[sha256.Size:]; len(rest) > 0; rest = rest[36:] {
		c := Chunk{Bytes: binary.BigEndian.Uint32(rest)}
		copy(c.SHA256[:], rest[4:])
		if c.Bytes == 0 || c.Bytes > 16<<20 {
			return fmt.Errorf("the chunk table names a chunk of %d bytes", c.Bytes)
		}
		t.Chunks = append(t.Chunks, c)
	}
	return nil
}

// Size is the file's size in bytes.
func (t ChunkTable) Size() (n int64) {
	for _, c := range t.Chunks {
		n += int64(c.Bytes)
	}
	return n
}

// AverageChunk is the size around which a file of so many bytes is cut: small
// files finely, so that little is lost at a cut link, large ones coarsely, so
// that the table stays short.
func AverageChunk(bytes int64) int {
	switch {
	case bytes < 64<<20:
		return 32 << 10
	case bytes < 512<<20:
		return 256 << 10
	}
	return 1 << 20
}

// HexName is a hash as files are named by.
func HexName(sum [sha256.Size]byte) string { return hex.EncodeToString(sum[:]) }
