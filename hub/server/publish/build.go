// Package publish makes an edition of a scope and writes it as static files,
// which any web server, mirror or stick can carry.
package publish

import (
	"encoding/json"
	"fmt"
	"time"

	"cotmoc/hub/edition"
	"cotmoc/hub/feed"
)

// Deltas is against how many older editions a delta is made. Whoever is further
// behind fetches the differing buckets or the snapshot.
const Deltas = 8

// Kept is how many snapshots the database keeps of a scope: the newest edition
// can be written again as a whole, its deltas included.
const Kept = Deltas + 1

// Older is an edition that kiosks may still have.
type Older struct {
	Number   int64
	Snapshot []byte
}

// Built is an edition with all its files but the media.
type Built struct {
	Head     feed.Head
	HeadRaw  []byte
	Snapshot []byte
	Buckets  []byte
	Parts    []byte
	Deltas   map[int64][]byte
}

// Edition is what an edition is made of.
type Edition struct {
	Scope     string
	Number    int64
	Previous  []byte // the head before, as it was written
	At        time.Time
	Rows      []feed.Row // sorted
	Withdrawn []string
	Older     []Older // the newest Deltas of them are used
}

// Build makes an edition. The same input gives the same bytes.
func Build(e Edition) (*Built, error) {
	snapshot, err := edition.Pack(e.Rows)
	if err != nil {
		return nil, err
	}
	sums := feed.Sum(e.Rows)
	parts, index, err := parts(e.Rows, sums)
	if err != nil {
		return nil, err
	}
	b := &Built{Snapshot: snapshot, Buckets: index.Bytes(), Parts: parts, Deltas: map[int64][]byte{}}
	b.Head = feed.Head{
		Format: feed.Format, Scope: e.Scope, Number: e.Number, IssuedAt: e.At.UTC().Truncate(time.Second), Rows: len(e.Rows),
		Catalogue: sums.Catalogue(), Buckets: feed.RefOf(b.Buckets), Snapshot: feed.RefOf(snapshot), Parts: feed.RefOf(parts), Withdrawn: e.Withdrawn,
	}
	if len(e.Previous) > 0 {
		b.Head.Previous = feed.RefOf(e.Previous).SHA256
	}
	for _, old := range e.Older {
		if old.Number >= e.Number || old.Snapshot == nil || len(b.Deltas) == Deltas {
			continue
		}
		packed, err := delta(e, old)
		if err != nil {
			return nil, err
		}
		b.Deltas[old.Number] = packed
		b.Head.Deltas = append(b.Head.Deltas, feed.DeltaRef{From: old.Number, Ref: feed.RefOf(packed)})
	}
	b.HeadRaw, err = json.Marshal(b.Head)
	if err != nil {
		return nil, fmt.Errorf("edition %d of %s: %w", e.Number, e.Scope, err)
	}
	return b, nil
}

// As makes a rebuilt edition the one that was signed: its head and snapshot as
// they were kept. A delta that another version of the packer packed otherwise is
// left out; whoever needs it takes the snapshot.
func (b *Built) As(head, snapshot []byte) error {
	var signed feed.Head
	if err := json.Unmarshal(head, &signed); err != nil {
		return fmt.Errorf("kept head: %w", err)
	}
	if signed.Catalogue != b.Head.Catalogue || feed.RefOf(snapshot) != signed.Snapshot {
		return fmt.Errorf("edition %d of %s cannot be made again: the database does not hold what was signed", signed.Number, signed.Scope)
	}
	for _, d := range signed.Deltas {
		if raw, ok := b.Deltas[d.From]; ok && feed.RefOf(raw) != d.Ref {
			delete(b.Deltas, d.From)
		}
	}
	if feed.RefOf(b.Parts) != signed.Parts {
		b.Parts = nil // packed otherwise by another version of the packer: the snapshot serves
	}
	b.Head, b.HeadRaw, b.Snapshot = signed, head, snapshot
	return nil
}

// parts packs each bucket's rows by themselves, so that a kiosk can fetch those that
// differ by their ranges.
func parts(rows []feed.Row, sums feed.Sums) ([]byte, feed.Index, error) {
	var in [feed.Buckets][]feed.Row
	for _, r := range rows {
		n := feed.BucketOf(r)
		in[n] = append(in[n], r)
	}
	index := feed.Index{Sums: sums}
	var out []byte
	for n, rows := range in {
		if len(rows) == 0 {
			continue
		}
		packed, err := edition.Pack(rows)
		if err != nil {
			return nil, index, err
		}
		index.Sizes[n] = uint32(len(packed))
		out = append(out, packed...)
	}
	return out, index, nil
}

func delta(e Edition, old Older) ([]byte, error) {
	var rows []feed.Row
	if err := edition.Unpack(old.Snapshot, &rows); err != nil {
		return nil, fmt.Errorf("edition %d of %s: %w", old.Number, e.Scope, err)
	}
	changes, err := feed.Diff(rows, e.Rows)
	if err != nil {
		return nil, err
	}
	return edition.PackDelta(rows, feed.Delta{Format: feed.Format, Scope: e.Scope, From: old.Number, To: e.Number, Changes: changes})
}
