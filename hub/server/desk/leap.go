package desk

import (
	"context"
	"errors"
	"slices"
	"time"

	"cotmoc/hub/server/central"
	"cotmoc/hub/trust"
	"cotmoc/playlist"
)

// leapBy is how far editions jump after a restore: further than anybody publishes
// between two backups.
const leapBy = 1000

// leaps says at which number each scope stood when its hub was restored.
type leaps struct {
	At       map[playlist.ID]int64 `json:"at"`
	Restores int                   `json:"restores"`
}

const leapSetting playlist.ID = "editions-at-restore"

// LeapAhead lets the next edition of every scope have a number that no edition
// had that went out after the backup which was just restored.
func LeapAhead(ctx context.Context, tx central.Tx) error {
	doc, l, err := loadLeaps(ctx, tx)
	if err != nil {
		return err
	}
	has, err := numbers(ctx, tx)
	if err != nil {
		return err
	}
	l.Restores++
	for id, number := range has {
		l.At[id] = max(l.At[id], number)
	}
	doc.By, doc.At = Console, time.Now()
	if err := doc.Encode(l); err != nil {
		return err
	}
	_, err = tx.Put(ctx, doc)
	return err
}

func loadLeaps(ctx context.Context, r central.Reader) (central.Doc, leaps, error) {
	doc, l, err := central.Load[leaps](ctx, r, central.Settings, leapSetting)
	if errors.Is(err, central.ErrNotFound) {
		err = nil
	}
	if l.At == nil {
		l.At = map[playlist.ID]int64{}
	}
	doc.Kind, doc.ID = central.Settings, leapSetting
	return doc, l, err
}

// numbers are the highest of each scope's editions and of each role's metadata.
func numbers(ctx context.Context, r central.Reader) (map[playlist.ID]int64, error) {
	out := map[playlist.ID]int64{}
	all, err := r.Editions(ctx, "", 1<<20)
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		out[e.Scope] = max(out[e.Scope], e.Number)
	}
	signed, err := signedRoles(ctx, r)
	if err != nil {
		return nil, err
	}
	for id, said := range signed {
		out[id] = max(out[id], said.Version)
		if said.Head != nil {
			out[id] = max(out[id], said.Head.Number)
		}
	}
	return out, nil
}

// Overtake compares the database with what this hub has published: numbers by scope and
// by role, and the roots in order. Where more was published than the database knows, it is
// an older copy; its next numbers go beyond all of them, and it takes the roots that follow
// its own. lost names what had gone further.
func (d *Desk) Overtake(ctx context.Context, published map[playlist.ID]int64, roots [][]byte) (lost []playlist.ID, err error) {
	ahead := func(r central.Reader) (central.Doc, leaps, []playlist.ID, error) {
		doc, l, err := loadLeaps(ctx, r)
		if err != nil {
			return doc, l, nil, err
		}
		has, err := numbers(ctx, r)
		var out []playlist.ID
		for id, number := range published {
			if has[id] > 0 && number > has[id] && number > l.At[id] { // what it lacks whole may have been removed
				out = append(out, id)
				l.At[id] = number
			}
		}
		slices.Sort(out)
		return doc, l, out, err
	}
	var next [][]byte
	err = d.Store.Read(ctx, func(r central.Reader) error {
		if next, err = d.rootsAfter(ctx, r, roots); err != nil {
			return err
		}
		_, _, lost, err = ahead(r)
		return err
	})
	if err != nil || len(lost)+len(next) == 0 {
		return nil, err
	}
	return do(ctx, d, worker, "overtake what was published", func(t *tx) ([]playlist.ID, error) {
		t.about(central.Settings, leapSetting, t.tree.root)
		doc, l, lost, err := ahead(t)
		if err != nil {
			return nil, err
		}
		for id, number := range published { // what was not ahead too: nothing comes twice
			l.At[id] = max(l.At[id], number)
		}
		l.Restores++
		doc.Owner = t.tree.root
		if err := doc.Encode(l); err != nil {
			return nil, err
		}
		if _, err := t.put(doc); err != nil {
			return nil, err
		}
		for _, raw := range next {
			if err := t.takeRoot(raw); err != nil {
				return nil, err
			}
			lost = append(lost, playlist.ID(trust.Root))
		}
		return lost, t.detail(map[string]any{"lost": lost})
	})
}

// rootsAfter are the roots that follow the newest of the database, each signed by the one
// before.
func (d *Desk) rootsAfter(ctx context.Context, r central.Reader, roots [][]byte) (next [][]byte, err error) {
	newest, err := newestRoot(ctx, r)
	if errors.Is(err, ErrNoTrust) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, raw := range roots {
		if trust.Chained(newest, raw) == nil {
			next, newest = append(next, raw), raw
		}
	}
	return next, nil
}

// takeRoot makes a root the newest; another that waited with its number waits no more.
func (t *tx) takeRoot(raw []byte) error {
	said, err := trust.Read(raw)
	if err != nil {
		return err
	}
	doc := central.Doc{Kind: central.Roots, ID: rootID(said.Version), Owner: t.tree.root}
	if err := doc.Encode(metadataDoc{Raw: raw}); err != nil {
		return err
	}
	if _, err := t.put(doc); err != nil {
		return err
	}
	waiting, m, err := load(t.ctx, t, central.Signing, trust.Root)
	if err != nil || m.Raw == nil {
		return err
	}
	return t.drop(waiting.Kind, waiting.ID, waiting.Rev)
}

// prepareLeapt gives what waited for signatures when the hub was restored a number beyond
// all that was published: signed with its old one, no machine would look at it.
func (d *Desk) prepareLeapt(ctx context.Context) error {
	var roles []string
	err := d.Store.Read(ctx, func(r central.Reader) (err error) {
		roles, err = leapt(ctx, r)
		return err
	})
	if err != nil || len(roles) == 0 {
		return err
	}
	_, err = do(ctx, d, worker, "number again what waits", func(t *tx) (struct{}, error) {
		t.about(central.Signing, "", t.tree.root)
		roles, err := leapt(t.ctx, t)
		if err != nil {
			return struct{}{}, err
		}
		for _, role := range roles {
			if err := t.renumber(role); err != nil {
				return struct{}{}, err
			}
		}
		return struct{}{}, t.detail(map[string]any{"roles": roles})
	})
	return err
}

// leapt lists the roles whose waiting metadata was numbered before the last restore. Roots
// follow each other one by one: they never leap.
func leapt(ctx context.Context, r central.Reader) (out []string, err error) {
	_, l, err := loadLeaps(ctx, r)
	if err != nil || l.Restores == 0 {
		return nil, err
	}
	docs, err := r.List(ctx, central.Query{Kind: central.Signing})
	if err != nil {
		return nil, err
	}
	for _, doc := range docs {
		m, err := central.Decode[metadataDoc](doc)
		if err != nil {
			return nil, err
		}
		said, err := trust.Read(m.Raw)
		if err != nil {
			return nil, err
		}
		role := string(doc.ID)
		if role == trust.Root || said.Version >= l.At[doc.ID]+leapBy {
			continue
		}
		_, held, err := holders(ctx, r, role)
		if err != nil {
			return nil, err
		}
		if held { // else it cannot be proposed
			out = append(out, role)
		}
	}
	return out, nil
}

// renumber proposes again what waits; the duty officers' document is made new.
func (t *tx) renumber(role string) error {
	doc, m, err := load(t.ctx, t, central.Signing, role)
	if err != nil {
		return err
	}
	if role == trust.Emergency {
		return t.drop(doc.Kind, doc.ID, doc.Rev)
	}
	said, err := trust.Read(m.Raw)
	if err != nil {
		return err
	}
	number := int64(0)
	if said.Head != nil {
		number = said.Head.Number
	}
	_, err = t.propose(role, m.Head, number, nil)
	return err
}

func nextNumber(ctx context.Context, r central.Reader, scope playlist.ID, last int64) (int64, error) {
	_, l, err := central.Load[leaps](ctx, r, central.Settings, leapSetting)
	if errors.Is(err, central.ErrNotFound) { // never restored
		return last + 1, nil
	}
	if err != nil {
		return 0, err
	}
	return max(last+1, l.At[scope]+leapBy), nil // 0 where the backup was older than its first edition
}
