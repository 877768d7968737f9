// Package audit keeps the hub's record of who did what: rows that are chained
// by their hashes, so that none can be changed, removed or slipped in without
// breaking the chain, and signed checkpoints, so that its end cannot be cut off.
package audit

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"cotmoc/hub/server/central"
	"cotmoc/playlist"
)

// The outcomes of an act.
const (
	Done    = "done"
	Refused = "refused"
	Failed  = "failed" // a sign-in with a wrong password
)

// Entry is one row.
type Entry struct {
	Seq     int64           `json:"seq"`
	At      time.Time       `json:"at"`
	By      playlist.ID     `json:"by,omitempty"`   // account
	Name    string          `json:"name,omitempty"` // its login then
	From    string          `json:"from,omitempty"` // address, or "console"
	Act     string          `json:"act"`
	Kind    central.Kind    `json:"kind,omitempty"`
	ID      playlist.ID     `json:"id,omitempty"`
	Place   playlist.ID     `json:"place,omitempty"`
	Outcome string          `json:"outcome"`
	Detail  json.RawMessage `json:"detail,omitempty"`
}

// Append adds an entry at the chain's end. Seq is set here.
func Append(ctx context.Context, tx central.Tx, e Entry) error {
	head, err := tx.AuditHead(ctx)
	if err != nil {
		return err
	}
	e.Seq, e.At = head.Seq+1, e.At.UTC().Truncate(time.Millisecond)
	raw, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("write the audit: %w", err)
	}
	return tx.AppendAudit(ctx, central.AuditRow{Seq: e.Seq, Row: raw, Hash: link(head.Hash, raw)})
}

func link(previous, row []byte) []byte {
	h := sha256.New()
	h.Write(previous)
	h.Write(row)
	return h.Sum(nil)
}

// message is what a checkpoint signs.
func message(c central.Checkpoint) []byte {
	b := []byte("cotmoc audit checkpoint 1\n")
	b = binary.BigEndian.AppendUint64(b, uint64(c.Seq))
	b = append(b, c.Hash...)
	return append(b, c.At.UTC().Format(time.RFC3339Nano)...)
}

// Checkpoint signs the chain's end, unless that is signed already. It returns
// nil if there was nothing to sign.
func Checkpoint(ctx context.Context, tx central.Tx, key ed25519.PrivateKey, at time.Time) (*central.Checkpoint, error) {
	head, err := tx.AuditHead(ctx)
	if err != nil || head.Seq == 0 {
		return nil, err
	}
	last, err := tx.Checkpoints(ctx, head.Seq-1)
	if err != nil || len(last) > 0 {
		return nil, err
	}
	c := central.Checkpoint{Seq: head.Seq, Hash: head.Hash, At: at.UTC().Truncate(time.Millisecond)}
	c.Signature = ed25519.Sign(key, message(c))
	return &c, tx.AddCheckpoint(ctx, c)
}

// Report is what a verification found.
type Report struct {
	Rows        int64     `json:"rows"`
	Checkpoints int       `json:"checkpoints"`
	Signed      int64     `json:"signed"` // rows up to the newest checkpoint
	First       time.Time `json:"first,omitzero"`
	Last        time.Time `json:"last,omitzero"`
	Outside     int       `json:"outside,omitempty"` // checkpoints kept elsewhere that agree
}

// ErrBroken is wrapped when the chain does not hold.
var ErrBroken = errors.New("the audit was tampered with or is damaged")

// Verify follows the whole chain and every checkpoint. outside are checkpoints
// that were kept away from this machine: a hub that was set back, or whose
// chain was made anew with a stolen key, does not agree with them.
func Verify(ctx context.Context, r central.Reader, key ed25519.PublicKey, outside []central.Checkpoint) (Report, error) {
	points, err := r.Checkpoints(ctx, 0)
	if err != nil {
		return Report{}, err
	}
	v := verifier{at: map[int64][]byte{}}
	for _, c := range append(points, outside...) {
		if !ed25519.Verify(key, message(c), c.Signature) {
			return Report{}, fmt.Errorf("%w: the checkpoint at row %d is not signed by this hub's key", ErrBroken, c.Seq)
		}
		if have, twice := v.at[c.Seq]; twice && !bytes.Equal(have, c.Hash) {
			return Report{}, fmt.Errorf("%w: two checkpoints at row %d differ", ErrBroken, c.Seq)
		}
		v.at[c.Seq] = c.Hash
		v.Signed = max(v.Signed, c.Seq)
	}
	v.Checkpoints, v.Outside = len(points), len(outside)
	if err := r.Audit(ctx, 0, 0, v.row); err != nil {
		return v.Report, err
	}
	if v.Signed > v.Rows {
		return v.Report, fmt.Errorf("%w: it ends at row %d, a checkpoint says that there were %d", ErrBroken, v.Rows, v.Signed)
	}
	return v.Report, nil
}

type verifier struct {
	Report
	hash []byte
	at   map[int64][]byte // hashes that checkpoints say
}

func (v *verifier) row(a central.AuditRow) error {
	v.Rows++
	if a.Seq != v.Rows {
		return fmt.Errorf("%w: row %d is missing", ErrBroken, v.Rows)
	}
	v.hash = link(v.hash, a.Row)
	if !bytes.Equal(v.hash, a.Hash) {
		return fmt.Errorf("%w: row %d was changed", ErrBroken, a.Seq)
	}
	if want, signed := v.at[a.Seq]; signed && !bytes.Equal(want, a.Hash) {
		return fmt.Errorf("%w: row %d is not the one that its checkpoint signed", ErrBroken, a.Seq)
	}
	var e struct {
		Seq int64     `json:"seq"`
		At  time.Time `json:"at"`
	}
	if err := json.Unmarshal(a.Row, &e); err != nil || e.Seq != a.Seq {
		return fmt.Errorf("%w: row %d does not say that it is row %d", ErrBroken, a.Seq, a.Seq)
	}
	if v.First.IsZero() {
		v.First = e.At
	}
	v.Last = e.At
	return nil
}

// ParseCheckpoints reads checkpoints, one JSON object a line, as the hub
// writes them to its checkpoint file.
func ParseCheckpoints(raw []byte) ([]central.Checkpoint, error) {
	var out []central.Checkpoint
	for n, line := range bytes.Split(raw, []byte("\n")) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var c central.Checkpoint
		if err := json.Unmarshal(line, &c); err != nil {
			return nil, fmt.Errorf("checkpoint file, line %d: %w", n+1, err)
		}
		out = append(out, c)
	}
	return out, nil
}
