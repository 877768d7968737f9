// Package trusttest makes signed repositories for tests: a small ministry with all
// its keys at hand.
package trusttest

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"testing"
	"time"

	"cotmoc/hub/trust"
)

// Ministry is the scope of a repository's targets role.
const Ministry = "vn"

// Repo is a repository and whoever may sign in it.
type Repo struct {
	T     testing.TB
	Now   time.Time
	Files map[string][]byte // what is published, by name
	Keys  map[string][]ed25519.PrivateKey
	Need  map[string]int

	roots, snapshots, stamps int64
	Signed                   map[string][]byte // newest metadata by role
	heads                    map[string]*trust.Target
	versions                 map[string]int64
	correction               *trust.Correction
}

// Key makes the same key for the same name.
func Key(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func keys(name string, n int) (out []ed25519.PrivateKey) {
	for i := range n {
		out = append(out, Key(fmt.Sprint(name, i)))
	}
	return out
}

// New makes a repository with a first root, a ministry, provinces, emergency and
// assignment roles, and publishes what has no content yet.
func New(t testing.TB, now time.Time, provinces ...string) *Repo {
	r := &Repo{T: t, Now: now, Files: map[string][]byte{}, Signed: map[string][]byte{}, heads: map[string]*trust.Target{}, versions: map[string]int64{},
		Keys: map[string][]ed25519.PrivateKey{trust.Root: keys("root", 5), trust.Targets: keys("targets", 3), trust.Snapshot: keys("snapshot", 1),
			trust.Timestamp: keys("timestamp", 1), trust.Emergency: keys("emergency", 4), trust.Assignment: keys("assignment", 1)},
		Need: map[string]int{trust.Root: 3, trust.Targets: 2}}
	for _, p := range provinces {
		r.Keys[p] = keys(p, 2)
	}
	r.Begin()
	return r
}

// Begin signs the first root, the ministry's metadata, and a snapshot of that.
func (r *Repo) Begin() {
	r.roots = 0
	r.Rotate()
	r.Role(trust.Targets, nil)
	r.Publish()
}

// Holders are the holders of a role.
func (r *Repo) Holders(role string) trust.Holders {
	h := trust.Holders{Threshold: max(1, r.Need[role])}
	for _, k := range r.Keys[role] {
		pub, err := trust.Public(k)
		r.Must(err)
		h.Keys = append(h.Keys, pub)
	}
	return h
}

// Must ends the test on an error.
func (r *Repo) Must(err error) {
	r.T.Helper()
	if err != nil {
		r.T.Fatal(err)
	}
}

// Sign signs metadata with as many of the keys as are needed.
func (r *Repo) Sign(raw []byte, err error, keys ...ed25519.PrivateKey) []byte {
	r.T.Helper()
	r.Must(err)
	for _, k := range keys {
		raw, err = trust.Sign(raw, k)
		r.Must(err)
	}
	return raw
}

// With returns as many of a role's keys as its threshold asks for.
func (r *Repo) With(role string) []ed25519.PrivateKey { return r.Keys[role][:max(1, r.Need[role])] }

// Rotate publishes the next root, signed by the old and the new root keys.
func (r *Repo) Rotate(old ...ed25519.PrivateKey) {
	r.roots++
	roles := map[string]trust.Holders{}
	for _, role := range []string{trust.Root, trust.Targets, trust.Snapshot, trust.Timestamp} {
		roles[role] = r.Holders(role)
	}
	raw, err := trust.MakeRootWith(r.roots, r.Now, roles, r.correction)
	r.Signed[trust.Root] = r.Sign(raw, err, slices.Concat(old, r.With(trust.Root))...)
	r.Files[fmt.Sprintf("%d.root.json", r.roots)] = r.Signed[trust.Root]
}

// Correct publishes the next root, which sets clocks back to an instant.
func (r *Repo) Correct(to time.Time) {
	r.correction = &trust.Correction{Number: r.roots + 1, Floor: to}
	r.Rotate(r.With(trust.Root)...)
}

// Head names a document of a scope, which its role will name from now on.
func (r *Repo) Head(scope string, number int64, raw []byte) {
	r.heads[scope] = trust.TargetOf(scope, number, raw)
	role := scope
	if scope == Ministry {
		role = trust.Targets
	}
	r.Role(role, r.heads[scope])
}

// Role signs a role's next version.
func (r *Repo) Role(role string, head *trust.Target) {
	r.versions[role]++
	c := trust.Content{Version: r.versions[role], At: r.Now, Life: trust.TargetsLife, Head: head}
	if role == trust.Targets {
		c.Head = r.heads[Ministry]
		c.Delegates = map[string]trust.Holders{}
		for name := range maps.Keys(r.Keys) {
			switch name {
			case trust.Root, trust.Targets, trust.Snapshot, trust.Timestamp:
			default:
				c.Delegates[name] = r.Holders(name)
			}
		}
	}
	raw, err := trust.MakeTargets(c)
	r.Put(role, r.versions[role], r.Sign(raw, err, r.With(role)...))
}

// Put publishes a role's metadata.
func (r *Repo) Put(role string, version int64, raw []byte) {
	r.versions[role] = version
	r.Signed[role] = raw
	r.Files[fmt.Sprintf("%d.%s.json", version, role)] = raw
}

// Publish signs a snapshot of all roles, and a timestamp.
func (r *Repo) Publish() {
	r.snapshots++
	roles := maps.Clone(r.Signed)
	for _, online := range []string{trust.Root, trust.Snapshot, trust.Timestamp} {
		delete(roles, online)
	}
	raw, err := trust.MakeSnapshot(r.snapshots, r.Now, roles)
	r.Signed[trust.Snapshot] = r.Sign(raw, err, r.With(trust.Snapshot)...)
	r.Files[fmt.Sprintf("%d.snapshot.json", r.snapshots)] = r.Signed[trust.Snapshot]
	r.Stamp()
}

// Stamp signs a timestamp of the newest snapshot.
func (r *Repo) Stamp() {
	r.stamps++
	raw, err := trust.MakeTimestamp(r.stamps, r.Now, r.Signed[trust.Snapshot])
	r.Signed[trust.Timestamp] = r.Sign(raw, err, r.With(trust.Timestamp)...)
	r.Files["timestamp.json"] = r.Signed[trust.Timestamp]
}

// Jump sets the numbers from which snapshots and timestamps go on.
func (r *Repo) Jump(snapshots, stamps int64) { r.snapshots, r.stamps = snapshots, stamps }

// Metadata implements trust.Source.
func (r *Repo) Metadata(_ context.Context, name string, _ int64) ([]byte, error) {
	if raw, ok := r.Files[name]; ok {
		return raw, nil
	}
	return nil, fs.ErrNotExist
}
