// Package trust says which editions may be believed. It keeps the roles of The
// Update Framework (TUF 1.0.34) through go-tuf's metadata packages: root, targets
// (the ministry), one role for each province, emergency, snapshot and timestamp.
// An edition is a snapshot: it names one version of each role, and each role names
// one head. Expiry limits what is accepted, never what was accepted.
package trust

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"

	"cotmoc/hub/feed"
)

// Roles that are no scope's.
const (
	Root       = metadata.ROOT
	Targets    = metadata.TARGETS
	Snapshot   = metadata.SNAPSHOT
	Timestamp  = metadata.TIMESTAMP
	Emergency  = "emergency"  // notices and withdrawals of the duty officers
	Assignment = "assignment" // an online key: which scopes a device holds
)

// MaxMetadata bounds one metadata file, in bytes.
const MaxMetadata = 2 << 20

// maxRotations bounds how many roots are followed in one refresh.
const maxRotations = 256

// Errors that a caller tells apart.
var (
	ErrExpired = errors.New("what came is signed, but its time is over")
	ErrRefused = errors.New("what came is not signed as it must be")
)

// Source hands over metadata files by their names, such as "3.root.json". A file
// that is not there is fs.ErrNotExist.
type Source interface {
	Metadata(ctx context.Context, name string, most int64) ([]byte, error)
}

// State is what a machine has accepted, in the bytes in which it came.
type State struct {
	Root      []byte            `json:"root"`
	Timestamp []byte            `json:"timestamp,omitempty"`
	Snapshot  []byte            `json:"snapshot,omitempty"`
	Roles     map[string][]byte `json:"roles,omitempty"`

	Corrected int64 `json:"corrected,omitempty"` // number of the newest correction of clocks that was taken
}

// Target is a head or an emergency document that a role names.
type Target struct {
	Path   string // below the published folder
	Number int64
	feed.Ref
}

// Edition is what an accepted snapshot says.
type Edition struct {
	Number    int64     // the snapshot's version
	Root      int64     // the root's version
	IssuedAt  time.Time // of the timestamp
	Ministry  string    // the scope whose head the targets role names; "" before the first
	Heads     map[string]Target
	Emergency *Target
	Scopes    []string         // that have a role, whether they were asked for or not
	Assigners []Key            // who may sign assignments
	Aside     map[string]error // scopes that nobody asked for by name and that cannot be had, and why
	Until     time.Time        // to which the ministry's own signature reaches: no online key may speak of a time beyond
}

// Begin makes the state of a machine that trusts a root and has seen nothing yet.
func Begin(root []byte) (State, error) {
	if _, err := trustedmetadata.New(root); err != nil {
		return State{}, refused("root", err)
	}
	s := State{Root: root}
	c, err := CorrectionOf(root)
	if c != nil { // what was wrong before this machine came does not concern it
		s.Corrected = c.Number
	}
	return s, err
}

// Correction returns the correction of clocks that a machine takes with this state, after
// one in which it had taken before; nil for none.
func (s State) Correction(before State) (*Correction, error) {
	if s.Corrected <= before.Corrected {
		return nil, nil
	}
	return CorrectionOf(s.Root)
}

// RootVersion is the version of the newest root that was accepted; 0 without one.
func (s State) RootVersion() int64 {
	root, err := metadata.Root().FromBytes(s.Root)
	if err != nil {
		return 0
	}
	return root.Signed.Version
}

func refused(what string, err error) error {
	var expired *metadata.ErrExpiredMetadata
	if errors.As(err, &expired) {
		return fmt.Errorf("%s: %w (%v)", what, ErrExpired, err)
	}
	return fmt.Errorf("%s: %w (%v)", what, ErrRefused, err)
}

// refresh is one round of TUF's client workflow (section 5).
type refresh struct {
	ctx  context.Context
	old  State
	new  State
	from Source
	at   time.Time
	tm   *trustedmetadata.TrustedMetadata
}

// Refresh accepts what from has that is newer, and returns the state to keep. Only
// the roles of wanted scopes are fetched; nil wants all. The state returned beside
// an error holds the roots that were accepted on the way and is to be kept as well.
// The instant must come from a clock that is trusted, or be the latest instant that
// is known to have passed.
func (s State) Refresh(ctx context.Context, from Source, at time.Time, wanted []string) (State, *Edition, error) {
	tm, err := trustedmetadata.New(s.Root)
	if err != nil {
		return s, nil, refused("the kept root", err)
	}
	tm.RefTime = at
	r := &refresh{ctx: ctx, old: s, new: State{Root: s.Root, Roles: map[string][]byte{}, Corrected: s.Corrected}, from: from, at: at, tm: tm}
	if err := r.roots(); err != nil {
		return r.kept(), nil, err
	}
	if err := r.correct(); err != nil {
		return r.kept(), nil, err
	}
	if err := r.snapshot(); err != nil {
		return r.kept(), nil, err
	}
	if err := r.role(Targets, Root); err != nil {
		return r.kept(), nil, err
	}
	e, err := r.edition(wanted)
	if err != nil {
		return r.kept(), nil, err
	}
	return r.new, e, nil
}

// Edition is what the state holds, without asking anybody. Expired or not, it was
// accepted.
func (s State) Edition(wanted []string) (*Edition, error) {
	_, e, err := s.Refresh(context.Background(), nothing{}, time.Unix(0, 0), wanted)
	return e, err
}

type nothing struct{}

func (nothing) Metadata(context.Context, string, int64) ([]byte, error) { return nil, fs.ErrNotExist }

// kept is the old state with the newest root.
func (r *refresh) kept() State {
	s := r.old
	s.Root, s.Corrected = r.new.Root, r.new.Corrected
	return s
}

// correct takes the newest root's word on the time, where it is new: the instant to which
// the machine came may be one that a wrong clock has signed, at which nothing that is right
// would be accepted any more.
func (r *refresh) correct() error {
	c, err := CorrectionOf(r.new.Root)
	if err != nil || c == nil || c.Number <= r.old.Corrected {
		return err
	}
	r.new.Corrected = c.Number
	if r.at.After(c.Floor) {
		r.at, r.tm.RefTime = c.Floor, c.Floor
	}
	return nil
}

// roots follows the chain of roots, one version after the other, to the newest.
func (r *refresh) roots() error {
	for range maxRotations {
		raw, err := r.from.Metadata(r.ctx, fmt.Sprintf("%d.root.json", r.tm.Root.Signed.Version+1), MaxMetadata)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("root: %w", err)
		}
		if _, err := r.tm.UpdateRoot(raw); err != nil {
			return refused("root", err)
		}
		r.new.Root = raw
	}
	return fmt.Errorf("root: %w (more than %d rotations)", ErrRefused, maxRotations)
}

// snapshot brings timestamp and snapshot up to date. What is kept is loaded first,
// so that nothing older is taken; kept files that the newest root does not believe
// any more do not count, which is how keys that were stolen are got rid of.
func (r *refresh) snapshot() error {
	haveOld := false
	if r.old.Timestamp != nil {
		_, err := r.tm.UpdateTimestamp(r.old.Timestamp)
		haveOld = r.tm.Timestamp != nil
		_ = err // it may have expired, or belong to an earlier root
	}
	raw, err := r.from.Metadata(r.ctx, "timestamp.json", MaxMetadata)
	switch {
	case errors.Is(err, fs.ErrNotExist) && haveOld:
		raw = r.old.Timestamp
	case err != nil:
		return fmt.Errorf("timestamp: %w", err)
	default:
		var same *metadata.ErrEqualVersionNumber
		if _, err := r.tm.UpdateTimestamp(raw); errors.As(err, &same) {
			raw = r.old.Timestamp
		} else if err != nil {
			return refused("timestamp", err)
		}
	}
	r.new.Timestamp = raw
	if r.old.Snapshot != nil {
		if _, err := r.tm.UpdateSnapshot(r.old.Snapshot, true); err == nil {
			r.new.Snapshot = r.old.Snapshot
			return nil
		}
	}
	meta, ok := r.tm.Timestamp.Signed.Meta["snapshot.json"]
	if !ok {
		return fmt.Errorf("timestamp: %w (it names no snapshot)", ErrRefused)
	}
	if raw, err = r.from.Metadata(r.ctx, fmt.Sprintf("%d.snapshot.json", meta.Version), MaxMetadata); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	r.tm.Snapshot = nil // what is kept of each role guards against going back: see keptRole
	if _, err := r.tm.UpdateSnapshot(raw, false); err != nil {
		return refused("snapshot", err)
	}
	r.new.Snapshot = raw
	return nil
}

// keptRole loads the kept file of a role, if it is the one that the snapshot names or a
// later one. A hub that was restored from a backup names what it has; no role goes back
// for that, and none keeps the others waiting.
func (r *refresh) keptRole(name, by string) bool {
	kept := r.old.Roles[name]
	if kept == nil {
		return false
	}
	said, err := Read(kept)
	if err != nil {
		return false
	}
	file := name + ".json"
	named := r.tm.Snapshot.Signed.Meta[file]
	if named == nil || named.Version < said.Version {
		r.tm.Snapshot.Signed.Meta[file] = metadata.MetaFile(said.Version)
	}
	if _, err := r.tm.UpdateDelegatedTargets(kept, name, by); err == nil {
		r.new.Roles[name] = kept
		return true
	}
	if r.tm.Snapshot.Signed.Meta[file] = named; named == nil { // its holders changed, or it expired
		delete(r.tm.Snapshot.Signed.Meta, file)
	}
	return false
}

// role loads a role: the kept file, or the one that the snapshot names.
func (r *refresh) role(name, by string) error {
	if r.keptRole(name, by) {
		return nil
	}
	meta, ok := r.tm.Snapshot.Signed.Meta[name+".json"]
	if !ok {
		return fmt.Errorf("%s: %w", name, errUnnamed)
	}
	raw, err := r.from.Metadata(r.ctx, fmt.Sprintf("%d.%s.json", meta.Version, name), MaxMetadata)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if _, err := r.tm.UpdateDelegatedTargets(raw, name, by); err != nil {
		if meta.VerifyLengthHashes(raw) == nil { // these are the bytes that the snapshot means
			return fmt.Errorf("%w: %w", errOwn, refused(name, err))
		}
		return refused(name, err)
	}
	r.new.Roles[name] = raw
	return nil
}

// errUnnamed is a role that the snapshot does not name, and of which nothing is kept that
// holds.
var errUnnamed = fmt.Errorf("%w (the snapshot does not name it)", ErrRefused)

// errOwn marks a role that is wrong or late in itself, and not on its way.
var errOwn = errors.New("the role's own fault")

// edition gathers what the roles name.
func (r *refresh) edition(wanted []string) (*Edition, error) {
	issued, _ := r.tm.Timestamp.Signed.UnrecognizedFields[issuedAt].(string)
	e := &Edition{Number: r.tm.Snapshot.Signed.Version, Root: r.tm.Root.Signed.Version, Heads: map[string]Target{}}
	e.IssuedAt, _ = time.Parse(time.RFC3339, issued) // zero where it does not say
	top := r.tm.Targets[Targets]
	e.Until = top.Signed.Expires
	if t, err := only(top.Signed.Targets, nil); err != nil {
		return nil, fmt.Errorf("%s: %w", Targets, err)
	} else if t != nil {
		e.Ministry = scopeOf(t.Path)
		e.Heads[e.Ministry] = *t
		e.Scopes = append(e.Scopes, e.Ministry)
	}
	if top.Signed.Delegations == nil {
		return e, nil
	}
	for _, d := range top.Signed.Delegations.Roles {
		if err := r.delegated(e, d, top.Signed.Delegations.Keys, wanted); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func (r *refresh) delegated(e *Edition, d metadata.DelegatedRole, keys map[string]*metadata.Key, wanted []string) error {
	if d.Name == Assignment {
		for _, id := range d.KeyIDs {
			k, err := keyOf(keys[id])
			if err != nil {
				return fmt.Errorf("%s: %w", d.Name, err)
			}
			e.Assigners = append(e.Assigners, k)
		}
		return nil
	}
	if _, ok := r.tm.Snapshot.Signed.Meta[d.Name+".json"]; !ok && r.old.Roles[d.Name] == nil { // it has published nothing yet
		return nil
	}
	if d.Name != Emergency {
		e.Scopes = append(e.Scopes, d.Name)
	}
	if wanted != nil && d.Name != Emergency && !slices.Contains(wanted, d.Name) {
		return nil
	}
	t, err := r.fresh(d)
	_, offline := r.from.(nothing)
	switch {
	case errors.Is(err, errOwn), errors.Is(err, errUnnamed):
		t = r.before(d) // it must not hold up the others
	case offline && errors.Is(err, fs.ErrNotExist): // it never was right
		return nil
	case err != nil && wanted == nil && d.Name != Emergency && r.ctx.Err() == nil: // another's, perhaps
		t = r.before(d)
		if e.Aside == nil {
			e.Aside = map[string]error{}
		}
		e.Aside[d.Name] = err
	case err != nil:
		return err
	}
	switch {
	case t == nil:
	case d.Name == Emergency:
		e.Emergency = t
	default:
		e.Heads[d.Name] = *t
	}
	return nil
}

// fresh is what the role's newest version names.
func (r *refresh) fresh(d metadata.DelegatedRole) (*Target, error) {
	if err := r.role(d.Name, Targets); err != nil {
		return nil, err
	}
	t, err := headOf(r.tm.Targets[d.Name], d)
	if err != nil {
		err = fmt.Errorf("%w: %w", errOwn, err)
	}
	return t, err
}

// before is what the version of a role names that was accepted before, as long as its
// holders are still trusted. Expired or not, it was accepted.
func (r *refresh) before(d metadata.DelegatedRole) *Target {
	delete(r.new.Roles, d.Name)
	kept, err := metadata.Targets().FromBytes(r.old.Roles[d.Name])
	if err != nil || r.tm.Targets[Targets].VerifyDelegate(d.Name, kept) != nil {
		return nil
	}
	t, err := headOf(kept, d)
	if err != nil {
		return nil
	}
	r.new.Roles[d.Name] = r.old.Roles[d.Name]
	return t
}

func headOf(m *metadata.Metadata[metadata.TargetsType], d metadata.DelegatedRole) (*Target, error) {
	t, err := only(m.Signed.Targets, &d)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Name, err)
	}
	if t != nil && scopeOf(t.Path) != d.Name {
		return nil, fmt.Errorf("%s: %w (it names %q)", d.Name, ErrRefused, t.Path)
	}
	return t, nil
}

// only returns the one target of a role; nil where it names none.
func only(targets map[string]*metadata.TargetFiles, d *metadata.DelegatedRole) (*Target, error) {
	if len(targets) > 1 {
		return nil, fmt.Errorf("%w (it names %d heads)", ErrRefused, len(targets))
	}
	for p, t := range targets {
		if d != nil {
			if may, err := d.IsDelegatedPath(p); err != nil || !may {
				return nil, fmt.Errorf("%w (it may not name %q)", ErrRefused, p)
			}
		}
		parts := strings.Split(p, "/")
		if len(parts) != 3 || parts[2] != "head.json" || path.Clean(p) != p || strings.HasPrefix(p, ".") {
			return nil, fmt.Errorf("%w (%q is no head)", ErrRefused, p)
		}
		n, err := strconv.ParseInt(parts[1], 10, 64)
		sum := t.Hashes["sha256"]
		if err != nil || n < 1 || len(sum) != 32 || t.Length < 1 || t.Length > MaxMetadata {
			return nil, fmt.Errorf("%w (%q is no head)", ErrRefused, p)
		}
		return &Target{Path: p, Number: n, Ref: feed.Ref{SHA256: sum.String(), Bytes: t.Length}}, nil
	}
	return nil, nil
}

func scopeOf(p string) string { return strings.Split(p, "/")[0] }

// HeadPath is where a scope's head of a number is published, which is also the name
// under which its role names it.
func HeadPath(scope string, number int64) string {
	return scope + "/" + strconv.FormatInt(number, 10) + "/head.json"
}

// Fingerprint names a root: the SHA-256 of its bytes, in hex.
func Fingerprint(root []byte) string { return feed.RefOf(root).SHA256 }

// Head checks a head's bytes against the target that names them and reads it.
func (t Target) Head(raw []byte) (feed.Head, error) {
	var h feed.Head
	if feed.RefOf(raw) != t.Ref {
		return h, fmt.Errorf("%s: %w (its bytes are others)", t.Path, ErrRefused)
	}
	if err := json.Unmarshal(raw, &h); err != nil {
		return h, fmt.Errorf("%s: %w", t.Path, err)
	}
	if err := h.Check(); err != nil {
		return h, err
	}
	if h.Scope != scopeOf(t.Path) || h.Number != t.Number {
		return h, fmt.Errorf("%s: %w (it is edition %d of %s)", t.Path, ErrRefused, h.Number, h.Scope)
	}
	return h, nil
}

// Notices checks an emergency document's bytes and reads it.
func (t Target) Notices(raw []byte) (feed.Emergency, error) {
	var e feed.Emergency
	if feed.RefOf(raw) != t.Ref {
		return e, fmt.Errorf("%s: %w (its bytes are others)", t.Path, ErrRefused)
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		return e, fmt.Errorf("%s: %w", t.Path, err)
	}
	if e.Format != feed.EmergencyFormat || e.Number != t.Number {
		return e, fmt.Errorf("%s: %w (it is number %d in format %.40q)", t.Path, ErrRefused, e.Number, e.Format)
	}
	return e, nil
}
