package edition

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"cotmoc/hub/feed"
)

// A packed delta is, in front, the names of the rows that it changes; and then the
// changes, packed with these rows as they were for a dictionary. A sentence that
// changes in a long text costs a sentence.

// name is a row that a delta changes and the edition before has.
type name [2]string

// dictID is any number: the dictionary never travels.
const dictID = 0xC07

// PackDelta packs a delta from rows that whoever reads it has as well.
func PackDelta(old []feed.Row, d feed.Delta) ([]byte, error) {
	names, dict := dictionary(old, d.Changes)
	front, err := Pack(names)
	if err != nil {
		return nil, err
	}
	var raw bytes.Buffer
	plain := json.NewEncoder(&raw)
	plain.SetEscapeHTML(false)
	if err := plain.Encode(d); err != nil {
		return nil, fmt.Errorf("pack a delta: %w", err)
	}
	if raw.Len() > MaxSnapshot {
		return nil, fmt.Errorf("pack a delta: it has %d MiB, more than %d", raw.Len()>>20, MaxSnapshot>>20)
	}
	options := []zstd.EOption{zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(8 << 20)}
	if len(dict) > 0 {
		options = append(options, zstd.WithEncoderDictRaw(dictID, dict))
	}
	enc, err := zstd.NewWriter(nil, options...)
	if err != nil {
		return nil, fmt.Errorf("pack a delta: %w", err)
	}
	out := binary.BigEndian.AppendUint32(nil, uint32(len(front)))
	return enc.EncodeAll(raw.Bytes(), append(out, front...)), enc.Close()
}

// dictionary is what the changed rows were, at most what a window holds.
func dictionary(old []feed.Row, changes []feed.Change) ([]name, []byte) {
	was := make(map[name]json.RawMessage, len(old))
	for _, r := range old {
		was[name{r.Kind, r.ID}] = r.Row
	}
	var names []name
	var dict []byte
	for _, c := range changes {
		n := name{c.Kind, c.ID}
		row, ok := was[n]
		if !ok || c.Drop || len(dict)+len(row) > 4<<20 {
			continue
		}
		names, dict = append(names, n), append(dict, row...)
	}
	return names, dict
}

// UnpackDelta reads what PackDelta wrote from the same rows.
func UnpackDelta(packed []byte, old []feed.Row) (d feed.Delta, err error) {
	if len(packed) < 4 || int64(binary.BigEndian.Uint32(packed)) > int64(len(packed)-4) {
		return d, errors.New("this is no packed delta")
	}
	n := binary.BigEndian.Uint32(packed)
	var names []name
	if err := Unpack(packed[4:4+n], &names); err != nil {
		return d, err
	}
	changes := make([]feed.Change, len(names))
	for i, n := range names {
		changes[i] = feed.Change{Kind: n[0], ID: n[1]}
	}
	found, dict := dictionary(old, changes)
	if len(found) != len(names) {
		return d, errors.New("the delta leads from rows that are not here")
	}
	options := []zstd.DOption{zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxSnapshot), zstd.WithDecoderMaxWindow(8 << 20)}
	if len(dict) > 0 {
		options = append(options, zstd.WithDecoderDictRaw(dictID, dict))
	}
	dec, err := zstd.NewReader(bytes.NewReader(packed[4+n:]), options...)
	if err != nil {
		return d, fmt.Errorf("unpack a delta: %w", err)
	}
	defer dec.Close()
	raw, err := io.ReadAll(io.LimitReader(dec, MaxSnapshot+1))
	if err == nil && len(raw) > MaxSnapshot {
		err = fmt.Errorf("more than %d MiB", MaxSnapshot>>20)
	}
	if err == nil {
		err = json.Unmarshal(raw, &d)
	}
	if err != nil {
		return d, fmt.Errorf("unpack a delta: %w", err)
	}
	return d, nil
}
