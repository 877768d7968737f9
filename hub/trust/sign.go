package trust

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cotmoc/hub/feed"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// issuedAt is our own field of a timestamp: when it was signed.
const issuedAt = "x-cotmoc-issued-at"

// How long metadata is accepted after it was signed. A timestamp outlives the
// journey of a stick; the others are signed by people who meet now and then.
const (
	TimestampLife = 35 * 24 * time.Hour
	SnapshotLife  = 70 * 24 * time.Hour
	TargetsLife   = 550 * 24 * time.Hour
	EmergencyLife = 100 * 24 * time.Hour
	RootLife      = 5 * 365 * 24 * time.Hour
)

// Holders are the keys of a role and how many of them must sign.
type Holders struct {
	Keys      []Key
	Threshold int
}

// check refuses a threshold that cannot be met, and one key that counts twice.
func (h Holders) check(role string) error {
	if h.Threshold < 1 || h.Threshold > len(h.Keys) {
		return fmt.Errorf("%s: %d of %d keys cannot be", role, h.Threshold, len(h.Keys))
	}
	for n, k := range h.Keys {
		if slices.ContainsFunc(h.Keys[:n], func(o Key) bool { return o.Public.Equal(k.Public) }) {
			return fmt.Errorf("%s: one key is named twice", role)
		}
	}
	return nil
}

// MakeRoot makes an unsigned root.
func MakeRoot(version int64, at time.Time, roles map[string]Holders) ([]byte, error) {
	return MakeRootWith(version, at, roles, nil)
}

// Correction sets the floor of kiosks' clocks back: wrong times were signed by a hub whose
// clock was ahead, and lifted it.
type Correction struct {
	Number int64     // version of the root that first said it
	Floor  time.Time // at which kiosks begin again
}

// clockField is our own field of a root: a correction. Its values are text, which every
// implementation signs alike; who does not know it passes over it.
const clockField = "x-cotmoc-clock"

// CorrectionOf returns what a root says of kiosks' clocks; nil where it says nothing.
func CorrectionOf(root []byte) (*Correction, error) {
	m, err := metadata.Root().FromBytes(root)
	if err != nil {
		return nil, fmt.Errorf("root: %w", err)
	}
	said, ok := m.Signed.UnrecognizedFields[clockField].(map[string]any)
	if !ok {
		return nil, nil
	}
	number, _ := said["number"].(string)
	floor, _ := said["floor"].(string)
	c := &Correction{}
	c.Number, err = strconv.ParseInt(number, 10, 64)
	if err == nil {
		c.Floor, err = time.Parse(time.RFC3339, floor)
	}
	if err != nil || c.Number < 1 {
		return nil, fmt.Errorf("root: %w (its correction of clocks cannot be read)", ErrRefused)
	}
	return c, nil
}

// MakeRootWith makes an unsigned root with a correction of kiosks' clocks, or none.
func MakeRootWith(version int64, at time.Time, roles map[string]Holders, c *Correction) ([]byte, error) {
	root := metadata.Root(at.Add(RootLife).UTC().Truncate(time.Second))
	root.Signed.Version = version
	root.Signed.ConsistentSnapshot = true
	if c != nil {
		root.Signed.UnrecognizedFields = map[string]any{clockField: map[string]any{"number": strconv.FormatInt(c.Number, 10), "floor": c.Floor.UTC().Format(time.RFC3339)}}
	}
	for _, role := range []string{Root, Targets, Snapshot, Timestamp} {
		h := roles[role]
		if err := h.check(role); err != nil {
			return nil, err
		}
		for _, k := range h.Keys {
			key, err := metadata.KeyFromPublicKey(k.Public)
			if err == nil {
				err = root.Signed.AddKey(key, role)
			}
			if err != nil {
				return nil, fmt.Errorf("root: %w", err)
			}
		}
		root.Signed.Roles[role].Threshold = h.Threshold
	}
	return toBytes(root)
}

// Content is what a role's metadata says: the head that it names, and, in the
// ministry's, whom it trusts with what.
type Content struct {
	Version   int64
	At        time.Time
	Life      time.Duration
	Head      *Target
	Delegates map[string]Holders // of targets only
}

// MakeTargets makes an unsigned targets file, of the ministry or of a delegate.
func MakeTargets(c Content) ([]byte, error) {
	t := metadata.Targets(c.At.Add(c.Life).UTC().Truncate(time.Second))
	t.Signed.Version = c.Version
	if c.Head != nil {
		sum, err := hex.DecodeString(c.Head.SHA256)
		if err != nil {
			return nil, fmt.Errorf("targets: %w", err)
		}
		t.Signed.Targets[c.Head.Path] = &metadata.TargetFiles{Length: c.Head.Bytes, Hashes: metadata.Hashes{"sha256": sum}}
	}
	if len(c.Delegates) == 0 {
		return toBytes(t)
	}
	t.Signed.Delegations = &metadata.Delegations{Keys: map[string]*metadata.Key{}}
	names := make([]string, 0, len(c.Delegates))
	for name := range c.Delegates {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		h := c.Delegates[name]
		if err := h.check(name); err != nil {
			return nil, err
		}
		role := metadata.DelegatedRole{Name: name, Threshold: h.Threshold, Terminating: true, Paths: []string{name + "/*/head.json"}}
		for _, k := range h.Keys {
			key, err := metadata.KeyFromPublicKey(k.Public)
			if err != nil {
				return nil, fmt.Errorf("targets: %w", err)
			}
			t.Signed.Delegations.Keys[k.ID] = key
			role.KeyIDs = append(role.KeyIDs, k.ID)
		}
		t.Signed.Delegations.Roles = append(t.Signed.Delegations.Roles, role)
	}
	return toBytes(t)
}

// MakeSnapshot makes an unsigned snapshot of signed roles.
func MakeSnapshot(version int64, at time.Time, roles map[string][]byte) ([]byte, error) {
	s := metadata.Snapshot(at.Add(SnapshotLife).UTC().Truncate(time.Second))
	s.Signed.Version = version
	s.Signed.Meta = map[string]*metadata.MetaFiles{}
	for name, raw := range roles {
		t, err := metadata.Targets().FromBytes(raw)
		if err != nil {
			return nil, fmt.Errorf("snapshot: %s: %w", name, err)
		}
		s.Signed.Meta[name+".json"] = metaFile(t.Signed.Version, raw)
	}
	return toBytes(s)
}

// Named lists the versions of the roles that a snapshot names.
func Named(snapshot []byte) (map[string]int64, error) {
	s, err := metadata.Snapshot().FromBytes(snapshot)
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	out := map[string]int64{}
	for name, m := range s.Signed.Meta {
		out[strings.TrimSuffix(name, ".json")] = m.Version
	}
	return out, nil
}

// MakeTimestamp makes an unsigned timestamp of a signed snapshot.
func MakeTimestamp(version int64, at time.Time, snapshot []byte) ([]byte, error) {
	s, err := metadata.Snapshot().FromBytes(snapshot)
	if err != nil {
		return nil, fmt.Errorf("timestamp: %w", err)
	}
	t := metadata.Timestamp(at.Add(TimestampLife).UTC().Truncate(time.Second))
	t.Signed.Version = version
	t.Signed.Meta = map[string]*metadata.MetaFiles{"snapshot.json": metaFile(s.Signed.Version, snapshot)}
	t.Signed.UnrecognizedFields = map[string]any{issuedAt: at.UTC().Format(time.RFC3339)}
	return toBytes(t)
}

func metaFile(version int64, raw []byte) *metadata.MetaFiles {
	ref := feed.RefOf(raw)
	sum, _ := hex.DecodeString(ref.SHA256)
	return &metadata.MetaFiles{Version: version, Length: ref.Bytes, Hashes: metadata.Hashes{"sha256": sum}}
}

func toBytes[T metadata.Roles](m *metadata.Metadata[T]) ([]byte, error) {
	m.Signatures = []metadata.Signature{}
	raw, err := m.ToBytes(false)
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	return raw, nil
}

// document is any metadata file.
type document struct {
	Signatures []metadata.Signature `json:"signatures"`
	Signed     json.RawMessage      `json:"signed"`
}

// payload returns what is signed of a metadata file, in canonical JSON.
func (d document) payload() ([]byte, error) {
	var v any
	dec := json.NewDecoder(bytes.NewReader(d.Signed))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	raw, err := cjson.EncodeCanonical(v)
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	return raw, nil
}

func readDocument(raw []byte) (document, error) {
	var d document
	if err := json.Unmarshal(raw, &d); err != nil || len(d.Signed) == 0 {
		return d, errors.Join(errors.New("this is no metadata file"), err)
	}
	return d, nil
}

// Sign adds a key's signature to a metadata file, or replaces it.
func Sign(raw []byte, key ed25519.PrivateKey) ([]byte, error) {
	k, err := Public(key)
	if err != nil {
		return nil, err
	}
	d, err := readDocument(raw)
	if err != nil {
		return nil, err
	}
	payload, err := d.payload()
	if err != nil {
		return nil, err
	}
	return AddSignature(raw, metadata.Signature{KeyID: k.ID, Signature: ed25519.Sign(key, payload)})
}

// AddSignature adds a signature that was made elsewhere.
func AddSignature(raw []byte, sig metadata.Signature) ([]byte, error) {
	d, err := readDocument(raw)
	if err != nil {
		return nil, err
	}
	d.Signatures = slices.DeleteFunc(d.Signatures, func(s metadata.Signature) bool { return s.KeyID == sig.KeyID })
	d.Signatures = append(d.Signatures, sig)
	out, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	return out, nil
}

// Signatures returns the signatures of a metadata file.
func Signatures(raw []byte) ([]metadata.Signature, error) {
	d, err := readDocument(raw)
	return d.Signatures, err
}

// Signers lists which of the keys have signed a metadata file validly.
func Signers(raw []byte, keys []Key) ([]Key, error) {
	d, err := readDocument(raw)
	if err != nil {
		return nil, err
	}
	payload, err := d.payload()
	if err != nil {
		return nil, err
	}
	var out []Key
	for _, k := range keys {
		for _, s := range d.Signatures {
			if s.KeyID == k.ID && ed25519.Verify(k.Public, payload, s.Signature) {
				out = append(out, k)
			}
		}
	}
	return out, nil
}

// HoldersOf returns who holds a role: of a root file, its own roles; of a targets
// file, its delegates. ok is false where the role is not there.
func HoldersOf(raw []byte, role string) (h Holders, ok bool, err error) {
	keys, roles, err := rolesOf(raw)
	if err != nil {
		return h, false, err
	}
	r, ok := roles[role]
	if !ok {
		return h, false, nil
	}
	h.Threshold = r.Threshold
	for _, id := range r.KeyIDs {
		k, err := keyOf(keys[id])
		if err != nil {
			return h, false, fmt.Errorf("%s: %w", role, err)
		}
		h.Keys = append(h.Keys, k)
	}
	return h, true, nil
}

// AllHolders returns the holders of every role that a root or a targets file names.
func AllHolders(raw []byte) (map[string]Holders, error) {
	_, roles, err := rolesOf(raw)
	if err != nil {
		return nil, err
	}
	out := map[string]Holders{}
	for name := range roles {
		h, _, err := HoldersOf(raw, name)
		if err != nil {
			return nil, err
		}
		out[name] = h
	}
	return out, nil
}

func rolesOf(raw []byte) (map[string]*metadata.Key, map[string]metadata.Role, error) {
	out := map[string]metadata.Role{}
	if root, err := metadata.Root().FromBytes(raw); err == nil && root.Signed.Type == metadata.ROOT {
		for name, r := range root.Signed.Roles {
			out[name] = *r
		}
		return root.Signed.Keys, out, nil
	}
	t, err := metadata.Targets().FromBytes(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("metadata: %w", err)
	}
	if t.Signed.Delegations == nil {
		return nil, out, nil
	}
	for _, r := range t.Signed.Delegations.Roles {
		out[r.Name] = metadata.Role{KeyIDs: r.KeyIDs, Threshold: r.Threshold}
	}
	return t.Signed.Delegations.Keys, out, nil
}

// IssuedAt is when a timestamp says that it was signed; zero where it does not say.
func IssuedAt(raw []byte) time.Time {
	t, err := metadata.Timestamp().FromBytes(raw)
	if err != nil {
		return time.Time{}
	}
	text, _ := t.Signed.UnrecognizedFields[issuedAt].(string)
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return at
}

// Said is what a metadata file says of itself.
type Said struct {
	Type    string
	Version int64
	Expires time.Time
	Head    *Target
}

// Read reads what any metadata file says of itself. It verifies nothing.
func Read(raw []byte) (Said, error) {
	d, err := readDocument(raw)
	if err != nil {
		return Said{}, err
	}
	var s struct {
		Type    string    `json:"_type"`
		Version int64     `json:"version"`
		Expires time.Time `json:"expires"`
		Targets map[string]*metadata.TargetFiles
	}
	if err := json.Unmarshal(d.Signed, &s); err != nil {
		return Said{}, fmt.Errorf("metadata: %w", err)
	}
	out := Said{Type: s.Type, Version: s.Version, Expires: s.Expires}
	if s.Type == metadata.TARGETS {
		out.Head, err = only(s.Targets, nil)
	}
	return out, err
}

// TargetOf is the target of a document that was written under a path.
func TargetOf(scope string, number int64, raw []byte) *Target {
	return &Target{Path: HeadPath(scope, number), Number: number, Ref: feed.RefOf(raw)}
}

// Chained checks a new root against the one before: both must have signed it.
func Chained(old, new []byte) error {
	s, err := Begin(old)
	if err != nil {
		return err
	}
	r, err := metadata.Root().FromBytes(s.Root)
	if err != nil {
		return fmt.Errorf("root: %w", err)
	}
	n, err := metadata.Root().FromBytes(new)
	if err != nil {
		return refused("root", err)
	}
	if err := errors.Join(r.VerifyDelegate(metadata.ROOT, n), n.VerifyDelegate(metadata.ROOT, n)); err != nil {
		return refused("root", err)
	}
	if n.Signed.Version != r.Signed.Version+1 {
		return fmt.Errorf("root: %w (version %d does not follow %d)", ErrRefused, n.Signed.Version, r.Signed.Version)
	}
	return nil
}
