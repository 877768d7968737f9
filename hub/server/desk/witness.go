package desk

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"cotmoc/hub/edition"
	"cotmoc/hub/feed"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/publish"
	"cotmoc/hub/server/rights"
	"cotmoc/hub/trust"
	"cotmoc/playlist"
)

// OnlineKeys are the keys that lie on the hub itself. Whoever steals them can hold
// news back and choose among what is approved, and can add nothing.
type OnlineKeys struct {
	Snapshot, Timestamp, Assignment ed25519.PrivateKey
}

// worker is the caller of what the hub does by itself.
var worker = Caller{Account: Console, Login: "worker", From: "hub"}

func rowsOfEdition(ctx context.Context, r central.Reader, scope playlist.ID, number int64) ([]feed.Row, error) {
	e, err := r.Edition(ctx, scope, number)
	if err != nil {
		return nil, err
	}
	if e.Snapshot == nil {
		return nil, central.ErrNotFound
	}
	var rows []feed.Row
	return rows, edition.Unpack(e.Snapshot, &rows)
}

// StartTrust lets the first root, or the next, wait for its signatures. A hub
// signs snapshots, timestamps and assignments by itself: the root must name the
// keys that it has for them.
func (d *Desk) StartTrust(ctx context.Context, by Caller, roles map[string]trust.Holders, online OnlineKeys) (Request, error) {
	return d.startRoot(ctx, by, roles, online, time.Time{})
}

// CorrectClocks lets a root wait for its signatures that sets the floor of kiosks' clocks
// back to an instant: wrong times went out under this hub's keys. All that was signed for
// too long waits for new signatures as well.
func (d *Desk) CorrectClocks(ctx context.Context, by Caller, online OnlineKeys, to time.Time) (Request, error) {
	if to.IsZero() || to.After(d.Now().Add(5*time.Minute)) {
		return Request{}, &playlist.Error{Code: playlist.CodeInvalid, Where: "clock", Detail: "give an instant that has passed: kiosks begin again from it"}
	}
	return d.startRoot(ctx, by, nil, online, to)
}

func (d *Desk) startRoot(ctx context.Context, by Caller, roles map[string]trust.Holders, online OnlineKeys, floor time.Time) (Request, error) {
	return do(ctx, d, by, "prepare root", func(t *tx) (Request, error) {
		t.about(central.Signing, playlist.ID(trust.Root), t.tree.root)
		if err := t.need(rights.Administer, t.tree.root); err != nil {
			return Request{}, err
		}
		version := int64(1)
		if roles = maps.Clone(roles); roles == nil {
			roles = map[string]trust.Holders{}
		}
		var correction *trust.Correction
		old, err := newestRoot(t.ctx, t)
		if err == nil {
			said, err := trust.Read(old)
			if err != nil {
				return Request{}, err
			}
			version = said.Version + 1
			if correction, err = trust.CorrectionOf(old); err != nil {
				return Request{}, err
			}
			before, err := trust.AllHolders(old)
			if err != nil {
				return Request{}, err
			}
			for role, h := range before { // what is not named stays
				if _, named := roles[role]; !named {
					roles[role] = h
				}
			}
		} else if !errors.Is(err, ErrNoTrust) {
			return Request{}, err
		}
		for role, key := range map[string]ed25519.PrivateKey{trust.Snapshot: online.Snapshot, trust.Timestamp: online.Timestamp} {
			k, err := trust.Public(key)
			if err != nil {
				return Request{}, err
			}
			roles[role] = trust.Holders{Keys: []trust.Key{k}, Threshold: 1}
		}
		if !floor.IsZero() {
			correction = &trust.Correction{Number: version, Floor: floor}
		}
		raw, err := trust.MakeRootWith(version, t.now, roles, correction)
		if err != nil {
			return Request{}, &playlist.Error{Code: playlist.CodeInvalid, Where: "root", Detail: err.Error()}
		}
		if err := t.wait(trust.Root, metadataDoc{Raw: raw}); err != nil {
			return Request{}, err
		}
		if err := t.proposeStale(); err != nil && !errors.Is(err, ErrNoTrust) {
			return Request{}, err
		}
		doc, err := t.Get(t.ctx, central.Signing, playlist.ID(trust.Root))
		if err != nil {
			return Request{}, err
		}
		return request(t.ctx, t, doc)
	})
}

// Delegate lets the ministry's next metadata, which trusts holders with a role,
// wait for its signatures. No holders take the role away.
func (d *Desk) Delegate(ctx context.Context, by Caller, changes map[string]trust.Holders) error {
	_, err := do(ctx, d, by, "delegate", func(t *tx) (struct{}, error) {
		t.about(central.Signing, playlist.ID(trust.Targets), t.tree.root)
		if err := t.need(rights.Administer, t.tree.root); err != nil {
			return struct{}{}, err
		}
		for role := range changes {
			p, ok := t.tree.Places[playlist.ID(role)]
			if role != trust.Emergency && role != trust.Assignment && (!ok || p.Kind != playlist.Province) {
				return struct{}{}, &playlist.Error{Code: playlist.CodeInvalid, Where: "delegate", Detail: fmt.Sprintf("%q is no province, nor emergency or assignment", role)}
			}
		}
		all := map[string]trust.Holders{}
		raw, err := newest(t.ctx, t, trust.Targets)
		if err == nil && raw != nil {
			all, err = trust.AllHolders(raw)
		}
		if err != nil {
			return struct{}{}, err
		}
		for role, h := range changes {
			if all[role] = h; len(h.Keys) == 0 {
				delete(all, role)
			}
		}
		ok, err := t.propose(trust.Targets, nil, 0, all)
		if err == nil && !ok {
			err = ErrNoTrust
		}
		if err != nil {
			return struct{}{}, err
		}
		if err := t.proposeStale(); err != nil { // their new holders may sign at once
			return struct{}{}, err
		}
		t.after = append(t.after, t.d.distribute)
		return struct{}{}, t.detail(map[string]any{"roles": slices.Sorted(maps.Keys(changes))})
	})
	return err
}

// restampAfter is the age at which a timestamp is signed again though nothing
// changed.
const restampAfter = 24 * time.Hour

// Witness signs a new snapshot and timestamp where roles changed, or the timestamp
// has grown old.
func (d *Desk) Witness(ctx context.Context, keys OnlineKeys) error {
	due := false
	err := d.Store.Read(ctx, func(r central.Reader) (err error) {
		_, _, due, err = d.behind(ctx, r)
		return err
	})
	if err != nil || !due {
		return err
	}
	if err := d.Clock.Check(); err != nil {
		return err
	}
	_, err = do(ctx, d, worker, "sign snapshot", func(t *tx) (struct{}, error) {
		t.about(central.Signed, playlist.ID(trust.Snapshot), t.tree.root)
		roles, changed, due, err := d.behind(t.ctx, t)
		if err != nil || !due {
			return struct{}{}, err
		}
		snapshot, err := t.online(trust.Snapshot, keys.Snapshot, changed, func(version int64) ([]byte, error) {
			return trust.MakeSnapshot(version, t.now, roles)
		})
		if err != nil {
			return struct{}{}, err
		}
		_, err = t.online(trust.Timestamp, keys.Timestamp, true, func(version int64) ([]byte, error) {
			return trust.MakeTimestamp(version, t.now, snapshot)
		})
		return struct{}{}, err
	})
	return err
}

// behind says whether the snapshot lacks roles' newest versions, or whether the
// timestamp has to be signed again.
func (d *Desk) behind(ctx context.Context, r central.Reader) (roles map[string][]byte, changed, due bool, err error) {
	docs, err := r.List(ctx, central.Query{Kind: central.Signed})
	if err != nil {
		return nil, false, false, err
	}
	roles = map[string][]byte{}
	var snapshot, stamp []byte
	var stamped time.Time
	for _, doc := range docs {
		m, err := central.Decode[metadataDoc](doc)
		if err != nil {
			return nil, false, false, err
		}
		switch string(doc.ID) {
		case trust.Snapshot:
			snapshot = m.Raw
		case trust.Timestamp:
			stamp, stamped = m.Raw, trust.IssuedAt(m.Raw)
		default:
			roles[string(doc.ID)] = m.Raw
		}
	}
	root, err := newestRoot(ctx, r)
	if errors.Is(err, ErrNoTrust) || roles[trust.Targets] == nil {
		return nil, false, false, nil
	}
	if err != nil {
		return nil, false, false, err
	}
	if h, ok, err := trust.HoldersOf(root, trust.Targets); err != nil || !ok {
		return nil, false, false, err
	} else if good, err := verified(roles[trust.Targets], h); err != nil || !good {
		return nil, false, false, err // no kiosk would take it before the ministry has signed again
	}
	state := trust.State{Root: root, Timestamp: stamp, Snapshot: snapshot, Roles: roles}
	// A new root may name other online keys; roles may have moved on.
	_, err = state.Edition(nil)
	if changed = snapshot == nil || err != nil; !changed {
		said, err := trust.Read(snapshot)
		if err != nil {
			return nil, false, false, err
		}
		if left := said.Expires.Sub(d.Now()); left < trust.SnapshotLife/2 || left > trust.SnapshotLife+time.Hour { // or it was signed by a clock that was ahead
			return roles, true, true, nil
		}
		if changed, err = lacks(snapshot, roles); err != nil {
			return nil, false, false, err
		}
	}
	leapt, err := stampLeaps(ctx, r, stamp)
	if err != nil || leapt {
		return roles, true, true, err
	}
	age := d.Now().Sub(stamped)
	newRoot, err := rootSince(ctx, r, root, docs)
	return roles, changed, changed || newRoot || age > restampAfter || age < -MaxClockStep, err
}

// stampLeaps says whether the timestamp was numbered before the hub was restored: machines
// have seen later ones, and look at nothing until there is one beyond those.
func stampLeaps(ctx context.Context, r central.Reader, stamp []byte) (bool, error) {
	_, l, err := loadLeaps(ctx, r)
	if err != nil || l.Restores == 0 || stamp == nil {
		return false, err
	}
	said, err := trust.Read(stamp)
	return err == nil && said.Version < l.At[playlist.ID(trust.Timestamp)]+leapBy, err
}

// rootSince says whether a root came after the newest timestamp: kiosks look for roots
// where there is a new timestamp.
func rootSince(ctx context.Context, r central.Reader, root []byte, signed []central.Doc) (bool, error) {
	said, err := trust.Read(root)
	if err != nil {
		return false, err
	}
	for _, doc := range signed {
		if string(doc.ID) != trust.Timestamp {
			continue
		}
		m, err := central.Decode[metadataDoc](doc)
		return err == nil && m.Root < said.Version, err
	}
	return true, nil
}

// lacks says whether a snapshot does not name some role in its newest version.
func lacks(snapshot []byte, roles map[string][]byte) (bool, error) {
	named, err := trust.Named(snapshot)
	if err != nil {
		return false, err
	}
	for role, raw := range roles {
		said, err := trust.Read(raw)
		if err != nil {
			return false, err
		}
		if named[role] != said.Version {
			return true, nil
		}
	}
	return false, nil
}

// online makes and signs the next version of a role that the hub itself holds.
func (t *tx) online(role string, key ed25519.PrivateKey, changed bool, make func(version int64) ([]byte, error)) ([]byte, error) {
	doc, m, err := load(t.ctx, t, central.Signed, role)
	if err != nil || !changed {
		return m.Raw, err
	}
	last := int64(0)
	if m.Raw != nil {
		said, err := trust.Read(m.Raw)
		if err != nil {
			return nil, err
		}
		last = said.Version
	}
	version, err := nextNumber(t.ctx, t, playlist.ID(role), last)
	if err != nil {
		return nil, err
	}
	raw, err := make(version)
	if err == nil {
		raw, err = trust.Sign(raw, key)
	}
	if err != nil {
		return nil, err
	}
	doc.Owner = t.tree.root
	kept := metadataDoc{Raw: raw}
	if root, err := newestRoot(t.ctx, t); err == nil {
		said, err := trust.Read(root)
		if err != nil {
			return nil, err
		}
		kept.Root = said.Version
	}
	if err := doc.Encode(kept); err != nil {
		return nil, err
	}
	_, err = t.put(doc)
	return raw, err
}

// TrustFiles returns everything that is published beside the editions: metadata by
// file name below trust/, and emergency documents by path. The timestamp is nil
// before the first.
func (d *Desk) TrustFiles(ctx context.Context) (files map[string][]byte, timestamp []byte, err error) {
	files = map[string][]byte{}
	err = d.Store.Read(ctx, func(r central.Reader) error {
		roots, err := central.All[metadataDoc](ctx, r, central.Query{Kind: central.Roots})
		if err != nil {
			return err
		}
		for _, m := range roots {
			if err := name(files, trust.Root, m); err != nil {
				return err
			}
		}
		docs, err := r.List(ctx, central.Query{Kind: central.Signed})
		if err != nil {
			return err
		}
		for _, doc := range docs {
			m, err := central.Decode[metadataDoc](doc)
			if err != nil {
				return err
			}
			if string(doc.ID) == trust.Timestamp {
				timestamp = m.Raw
				continue
			}
			if err := name(files, string(doc.ID), m); err != nil {
				return err
			}
		}
		return nil
	})
	return files, timestamp, err
}

func name(files map[string][]byte, role string, m metadataDoc) error {
	said, err := trust.Read(m.Raw)
	if err != nil {
		return err
	}
	files[publish.TrustDir+"/"+fmt.Sprintf("%d.%s.json", said.Version, role)] = m.Raw
	if m.Head != nil && said.Head != nil && role == trust.Emergency {
		files[said.Head.Path] = m.Head
	}
	return nil
}

// signedRoles returns what the newest signed metadata of each role says.
func signedRoles(ctx context.Context, r central.Reader) (map[playlist.ID]trust.Said, error) {
	docs, err := r.List(ctx, central.Query{Kind: central.Signed})
	if err != nil {
		return nil, err
	}
	out := map[playlist.ID]trust.Said{}
	for _, doc := range docs {
		m, err := central.Decode[metadataDoc](doc)
		if err != nil {
			return nil, err
		}
		if out[doc.ID], err = trust.Read(m.Raw); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// SignedHeads returns the numbers of the heads that are signed, by scope.
func (d *Desk) SignedHeads(ctx context.Context) (out map[playlist.ID]int64, err error) {
	err = d.read(ctx, func(r central.Reader, places *tree) (err error) {
		out, err = signedHeads(ctx, r, places)
		return err
	})
	return out, err
}

// headsAt are the signed heads at a state of the database.
type headsAt struct {
	seq   int64
	heads map[playlist.ID]int64
}

// heads returns what SignedHeads does, of the state that r reads. Those of the last
// committed state are kept; they are not to be changed.
func (d *Desk) heads(ctx context.Context, r central.Reader, places *tree) (map[playlist.ID]int64, error) {
	seq, err := r.Seq(ctx, central.Signed)
	if err != nil {
		return nil, err
	}
	if kept := d.signedAt.Load(); kept != nil && kept.seq == seq {
		return kept.heads, nil
	}
	heads, err := signedHeads(ctx, r, places)
	if _, changing := r.(central.Tx); err == nil && !changing {
		d.signedAt.Store(&headsAt{seq, heads})
	}
	return heads, err
}

func signedHeads(ctx context.Context, r central.Reader, places *tree) (map[playlist.ID]int64, error) {
	out := map[playlist.ID]int64{}
	signed, err := signedRoles(ctx, r)
	if err != nil {
		return nil, err
	}
	for id, said := range signed {
		scope := id
		if string(id) == trust.Targets {
			scope = places.root
		}
		if said.Head != nil {
			out[scope] = said.Head.Number
		}
	}
	return out, nil
}

// Changed is signalled when kiosks may have to be told of something.
func (d *Desk) Changed() <-chan struct{} { return d.changed }

func (d *Desk) distribute() {
	select {
	case d.changed <- struct{}{}:
	default:
	}
}
