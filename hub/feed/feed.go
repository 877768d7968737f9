// Package feed is what hub and kiosks say to each other about editions: pure
// types and the arithmetic on them. An edition of a scope is a set of rows; its
// head names one hash that fixes them all. Rows travel as a delta against an
// edition that the kiosk has, and are believed only if that hash comes out.
package feed

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Format is the version of the documents of this package.
const Format = "cotmoc-edition/1"

// Buckets is how many parts a catalogue is compared in where a delta does not
// come out right.
const Buckets = 256

// Row is a row of the catalogue in canonical JSON.
type Row struct {
	Kind string          `json:"kind"`
	ID   string          `json:"id"`
	Row  json.RawMessage `json:"row"`
}

// Ref names a file by its hash.
type Ref struct {
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
}

// RefOf is the reference to a file with these bytes.
func RefOf(raw []byte) Ref {
	sum := sha256.Sum256(raw)
	return Ref{SHA256: hex.EncodeToString(sum[:]), Bytes: int64(len(raw))}
}

// DeltaRef names the delta that leads here from an older edition.
type DeltaRef struct {
	From int64 `json:"from"`
	Ref
}

// Head is the document that is signed. It fixes an edition's whole content.
type Head struct {
	Format    string     `json:"format"`
	Scope     string     `json:"scope"`
	Number    int64      `json:"number"`
	Previous  string     `json:"previous,omitempty"` // SHA-256 of the head before
	IssuedAt  time.Time  `json:"issued_at"`
	Rows      int        `json:"rows"`
	Catalogue string     `json:"catalogue"` // SHA-256 of all bucket hashes
	Buckets   Ref        `json:"buckets"`   // file of the bucket hashes
	Snapshot  Ref        `json:"snapshot"`
	Parts     Ref        `json:"parts"` // the rows in packed buckets, one after another
	Deltas    []DeltaRef `json:"deltas,omitempty"`
	Withdrawn []string   `json:"withdrawn,omitempty"` // versions that must leave the screens first
}

// Check says whether a head is well formed.
func (h Head) Check() error {
	switch {
	case h.Format != Format:
		return fmt.Errorf("head: format %.40q is not %q", h.Format, Format)
	case h.Scope == "" || h.Number < 1 || h.Rows < 0:
		return errors.New("head: scope, number or rows are missing")
	}
	for _, s := range []string{h.Catalogue, h.Buckets.SHA256, h.Snapshot.SHA256, h.Parts.SHA256} {
		if raw, err := hex.DecodeString(s); err != nil || len(raw) != sha256.Size {
			return fmt.Errorf("head: %.80q is not a SHA-256", s)
		}
	}
	return nil
}

// Canonical returns a JSON value with its keys in order and nothing between.
func Canonical(raw []byte) (json.RawMessage, error) {
	v, err := decode(raw)
	if err != nil {
		return nil, err
	}
	return encode(v)
}

func decode(raw []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("row: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("row: there is something after the JSON value")
	}
	return v, nil
}

func encode(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("row: %w", err)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

func order(a, b Row) int { return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.ID, b.ID)) }

// Sort puts rows in the order of editions and refuses two with one name.
func Sort(rows []Row) error {
	slices.SortFunc(rows, order)
	for n := 1; n < len(rows); n++ {
		if order(rows[n-1], rows[n]) == 0 {
			return fmt.Errorf("two rows are called %s %s", rows[n].Kind, rows[n].ID)
		}
	}
	return nil
}

// bucketOf is the bucket in which a row is compared.
func bucketOf(kind, id string) int {
	sum := sha256.Sum256([]byte(kind + "\x00" + id))
	return int(sum[0])
}

// Sums are the bucket hashes of sorted rows.
type Sums [Buckets][sha256.Size]byte

// Sum computes the bucket hashes of sorted rows.
func Sum(rows []Row) Sums {
	var parts [Buckets][]byte
	for _, r := range rows {
		h := sha256.New()
		fmt.Fprintf(h, "%s\x00%s\x00", r.Kind, r.ID)
		h.Write(r.Row)
		b := bucketOf(r.Kind, r.ID)
		parts[b] = h.Sum(parts[b])
	}
	var s Sums
	for n, p := range parts {
		s[n] = sha256.Sum256(p)
	}
	return s
}

// Bytes is the form in which bucket hashes are kept: one after another.
func (s Sums) Bytes() []byte {
	out := make([]byte, 0, Buckets*sha256.Size)
	for _, b := range s {
		out = append(out, b[:]...)
	}
	return out
}

// BucketOf is the bucket in which a row is compared, 0 to 255.
func BucketOf(r Row) int { return bucketOf(r.Kind, r.ID) }

// Index is what a head's buckets file holds: the hash of each bucket, and where its
// packed rows lie in the parts file.
type Index struct {
	Sums  Sums
	Sizes [Buckets]uint32 // packed, in bytes
}

// Bytes is the form in which an index is kept: for each bucket its hash and size.
func (x Index) Bytes() []byte {
	out := make([]byte, 0, Buckets*(sha256.Size+4))
	for n, b := range x.Sums {
		out = append(out, b[:]...)
		out = binary.BigEndian.AppendUint32(out, x.Sizes[n])
	}
	return out
}

// ReadIndex reads what Bytes wrote.
func ReadIndex(raw []byte) (x Index, err error) {
	const each = sha256.Size + 4
	if len(raw) != Buckets*each {
		return x, fmt.Errorf("buckets: %d bytes are no index", len(raw))
	}
	for n := range Buckets {
		copy(x.Sums[n][:], raw[n*each:])
		x.Sizes[n] = binary.BigEndian.Uint32(raw[n*each+sha256.Size:])
	}
	return x, nil
}

// At is where a bucket lies in the parts file.
func (x Index) At(bucket int) (offset int64) {
	for _, n := range x.Sizes[:bucket] {
		offset += int64(n)
	}
	return offset
}

// Catalogue is the hash that a head names.
func (s Sums) Catalogue() string {
	sum := sha256.Sum256(s.Bytes())
	return hex.EncodeToString(sum[:])
}

// Change is one row of a delta: a whole row, the fields of a row that differ,
// or its end.
type Change struct {
	Kind  string          `json:"kind"`
	ID    string          `json:"id"`
	Row   json.RawMessage `json:"row,omitempty"`
	Patch json.RawMessage `json:"patch,omitempty"` // RFC 7396, of the old row
	Drop  bool            `json:"drop,omitempty"`
}

// Delta leads from one edition of a scope to another.
type Delta struct {
	Format  string   `json:"format"`
	Scope   string   `json:"scope"`
	From    int64    `json:"from"`
	To      int64    `json:"to"`
	Changes []Change `json:"changes"`
}

// Diff lists what leads from old to now, both sorted.
func Diff(old, now []Row) ([]Change, error) {
	out := []Change{}
	for len(old) > 0 || len(now) > 0 {
		side := 0
		switch {
		case len(old) == 0:
			side = 1
		case len(now) == 0:
			side = -1
		default:
			side = order(old[0], now[0])
		}
		switch {
		case side < 0:
			out = append(out, Change{Kind: old[0].Kind, ID: old[0].ID, Drop: true})
			old = old[1:]
		case side > 0:
			out = append(out, Change{Kind: now[0].Kind, ID: now[0].ID, Row: now[0].Row})
			now = now[1:]
		default:
			if !bytes.Equal(old[0].Row, now[0].Row) {
				c, err := smaller(old[0], now[0])
				if err != nil {
					return nil, err
				}
				out = append(out, c)
			}
			old, now = old[1:], now[1:]
		}
	}
	return out, nil
}

// smaller returns the patch from one row to another, or the whole row where
// that is no longer or no patch can say it.
func smaller(old, now Row) (Change, error) {
	whole := Change{Kind: now.Kind, ID: now.ID, Row: now.Row}
	a, err1 := decode(old.Row)
	b, err2 := decode(now.Row)
	if err := errors.Join(err1, err2); err != nil {
		return whole, fmt.Errorf("%s %s: %w", now.Kind, now.ID, err)
	}
	was, ok1 := a.(map[string]any)
	is, ok2 := b.(map[string]any)
	if !ok1 || !ok2 || hasNull(b) {
		return whole, nil
	}
	patch, err := encode(mergePatch(was, is))
	if err != nil || len(patch) >= len(now.Row) {
		return whole, err
	}
	return Change{Kind: now.Kind, ID: now.ID, Patch: patch}, nil
}

// hasNull: a merge patch cannot set a field to null.
func hasNull(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		for _, x := range v {
			if hasNull(x) {
				return true
			}
		}
	}
	return false
}

func mergePatch(old, now map[string]any) map[string]any {
	patch := map[string]any{}
	for k := range old {
		if _, stays := now[k]; !stays {
			patch[k] = nil
		}
	}
	for k, v := range now {
		was, had := old[k]
		a, aMap := was.(map[string]any)
		b, bMap := v.(map[string]any)
		switch {
		case had && aMap && bMap:
			if inner := mergePatch(a, b); len(inner) > 0 {
				patch[k] = inner
			}
		case !had || !same(was, v):
			patch[k] = v
		}
	}
	return patch
}

func same(a, b any) bool {
	x, err1 := encode(a)
	y, err2 := encode(b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}

// Apply returns the rows to which changes lead. Whether they are right is for
// the head's catalogue hash to say.
func Apply(old []Row, changes []Change) ([]Row, error) {
	byName := make(map[[2]string]Row, len(old)+len(changes))
	for _, r := range old {
		byName[[2]string{r.Kind, r.ID}] = r
	}
	for _, c := range changes {
		name := [2]string{c.Kind, c.ID}
		switch {
		case c.Drop:
			delete(byName, name)
		case c.Patch != nil:
			was, ok := byName[name]
			if !ok {
				return nil, fmt.Errorf("delta: %s %s is to be patched and is not there", c.Kind, c.ID)
			}
			row, err := patched(was.Row, c.Patch)
			if err != nil {
				return nil, fmt.Errorf("delta: %s %s: %w", c.Kind, c.ID, err)
			}
			byName[name] = Row{c.Kind, c.ID, row}
		default:
			row, err := Canonical(c.Row)
			if err != nil {
				return nil, fmt.Errorf("delta: %s %s: %w", c.Kind, c.ID, err)
			}
			byName[name] = Row{c.Kind, c.ID, row}
		}
	}
	out := make([]Row, 0, len(byName))
	for _, r := range byName {
		out = append(out, r)
	}
	return out, Sort(out)
}

func patched(row, patch []byte) (json.RawMessage, error) {
	a, err1 := decode(row)
	b, err2 := decode(patch)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	return encode(merge(a, b))
}

func merge(target, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	t, ok := target.(map[string]any)
	if !ok {
		t = map[string]any{}
	}
	for k, v := range p {
		if v == nil {
			delete(t, k)
		} else {
			t[k] = merge(t[k], v)
		}
	}
	return t
}
