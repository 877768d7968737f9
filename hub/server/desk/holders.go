package desk

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"cotmoc/hub/server/central"
	"cotmoc/hub/trust"
	"cotmoc/playlist"
)

// holders returns who may sign a role now: whose signature is believed.
func holders(ctx context.Context, r central.Reader, role string) (trust.Holders, bool, error) {
	root, err := newestRoot(ctx, r)
	if err != nil {
		return trust.Holders{}, false, err
	}
	if h, ok, err := trust.HoldersOf(root, role); ok || err != nil {
		return h, ok, err
	}
	_, top, err := load(ctx, r, central.Signed, trust.Targets)
	if err != nil || top.Raw == nil {
		return trust.Holders{}, false, err
	}
	return trust.HoldersOf(top.Raw, role)
}

// signersOf is who may sign a request: who holds the role now, and who will once the
// root and the ministry's metadata that wait are signed. Those may sign before, so that
// what they sign counts from the moment in which they hold the role. The first root is
// signed by its own keys, a later one by those of the root before as well.
func signersOf(ctx context.Context, r central.Reader, q Request) (trust.Holders, bool, error) {
	if q.Role == trust.Root {
		return signersOfRoot(ctx, r, q)
	}
	h, ok, err := holders(ctx, r, q.Role)
	if err != nil {
		return h, ok, err
	}
	soon, coming, err := holdersToBe(ctx, r, q.Role)
	if err != nil || !coming {
		return h, ok, err
	}
	if !ok {
		return soon, true, nil
	}
	h.Keys = addKeys(h.Keys, soon.Keys)
	return h, true, nil
}

// isHeld says whether anybody holds a role, or will.
func (t *tx) isHeld(role string) (bool, error) {
	_, ok, err := holders(t.ctx, t, role)
	if errors.Is(err, ErrNoTrust) {
		return false, nil
	}
	if err != nil || ok {
		return ok, err
	}
	_, ok, err = holdersToBe(t.ctx, t, role)
	return ok, err
}

func addKeys(to, more []trust.Key) []trust.Key {
	for _, k := range more {
		if !slices.ContainsFunc(to, func(o trust.Key) bool { return o.ID == k.ID }) {
			to = append(to, k)
		}
	}
	return to
}

func signersOfRoot(ctx context.Context, r central.Reader, q Request) (trust.Holders, bool, error) {
	h, ok, err := trust.HoldersOf(q.Raw, trust.Root)
	if err != nil || !ok {
		return h, ok, err
	}
	old, ok, err := holders(ctx, r, trust.Root)
	if errors.Is(err, ErrNoTrust) {
		return h, true, nil
	}
	h.Keys = addKeys(h.Keys, old.Keys)
	return h, ok, err
}

// holdersToBe are a role's holders once the root and the ministry's metadata that wait
// are signed.
func holdersToBe(ctx context.Context, r central.Reader, role string) (trust.Holders, bool, error) {
	by := trust.Targets
	if role == trust.Targets {
		by = trust.Root
	}
	_, m, err := load(ctx, r, central.Signing, by)
	if err != nil || m.Raw == nil {
		return trust.Holders{}, false, err
	}
	return trust.HoldersOf(m.Raw, role)
}

// verified says whether so many of a role's holders have signed it as must.
func verified(raw []byte, h trust.Holders) (bool, error) {
	signed, err := trust.Signers(raw, h.Keys)
	return err == nil && h.Threshold > 0 && len(signed) >= h.Threshold, err
}

// enough says whether a request has all its signatures.
func (t *tx) enough(q Request) (bool, error) {
	if q.Role != trust.Root {
		h, ok, err := holders(t.ctx, t, q.Role)
		if err != nil || !ok {
			return false, err
		}
		return verified(q.Raw, h)
	}
	old, err := newestRoot(t.ctx, t)
	if errors.Is(err, ErrNoTrust) {
		_, err = trust.Begin(q.Raw)
	} else if err == nil {
		err = trust.Chained(old, q.Raw)
	}
	if errors.Is(err, trust.ErrRefused) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return t.ministryFollows(q)
}

// ministryFollows says whether the ministry's metadata has the signatures that a new root
// asks for. Until then that root waits with all its own signatures: kiosks would take no
// timestamp, and so no emergency notice, under a root whose ministry has not signed.
func (t *tx) ministryFollows(root Request) (bool, error) {
	_, now, err := load(t.ctx, t, central.Signed, trust.Targets)
	if err != nil || now.Raw == nil {
		return err == nil, err
	}
	h, ok, err := trust.HoldersOf(root.Raw, trust.Targets)
	if err != nil || !ok {
		return false, err
	}
	if good, err := verified(now.Raw, h); err != nil || good {
		return good, err
	}
	_, next, err := load(t.ctx, t, central.Signing, trust.Targets)
	if err != nil || next.Raw == nil {
		return false, err
	}
	return verified(next.Raw, h)
}

// rootFollows promotes the root that waited for the ministry's signatures.
func (t *tx) rootFollows() error {
	doc, err := t.Get(t.ctx, central.Signing, playlist.ID(trust.Root))
	if errors.Is(err, central.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	q, err := request(t.ctx, t, doc)
	if err != nil && q.Need == 0 {
		return err
	}
	whole, err := t.enough(q)
	if err != nil || !whole {
		return err
	}
	return t.promote(doc, metadataDoc{Raw: q.Raw, Head: q.Head}, q)
}

// promote makes signed metadata the one that holds. Where that changes who holds other
// roles, what their holders have signed before holds as well, and what they have not is
// asked for.
func (t *tx) promote(waiting central.Doc, m metadataDoc, q Request) error {
	if err := t.holds(waiting, m, q); err != nil {
		return err
	}
	if q.Role != trust.Root && q.Role != trust.Targets {
		return nil
	}
	docs, err := t.List(t.ctx, central.Query{Kind: central.Signing})
	if err != nil {
		return err
	}
	slices.SortFunc(docs, func(a, b central.Doc) int { // the ministry's first: others hang on it
		return cmp.Compare(b2i(a.ID != playlist.ID(trust.Targets)), b2i(b.ID != playlist.ID(trust.Targets)))
	})
	for _, doc := range docs {
		if doc.ID == playlist.ID(trust.Root) {
			continue
		}
		other, err := request(t.ctx, t, doc)
		if err != nil && other.Need == 0 {
			return err
		}
		whole, err := t.enough(other)
		if err != nil {
			return err
		}
		if whole {
			if err := t.holds(doc, metadataDoc{Raw: other.Raw, Head: other.Head}, other); err != nil {
				return err
			}
		}
	}
	return t.proposeStale()
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// stale lists the roles whose newest signed metadata is not signed by those who hold
// the role, or will hold it: it must be signed again. What waits already is left out.
func stale(ctx context.Context, r central.Reader) ([]string, error) {
	signed, err := r.List(ctx, central.Query{Kind: central.Signed})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, doc := range signed {
		role := string(doc.ID)
		if role == trust.Snapshot || role == trust.Timestamp {
			continue
		}
		waits, _, err := load(ctx, r, central.Signing, role)
		if err != nil {
			return nil, err
		}
		if waits.Rev > 0 {
			continue
		}
		m, err := central.Decode[metadataDoc](doc)
		if err != nil {
			return nil, err
		}
		for _, of := range []func(context.Context, central.Reader, string) (trust.Holders, bool, error){holders, holdersToBe} {
			h, ok, err := of(ctx, r, role)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
			if good, err := verified(m.Raw, h); err != nil {
				return nil, err
			} else if !good {
				out = append(out, role)
				break
			}
		}
	}
	slices.Sort(out)
	return out, nil
}

// proposeStale lets roles wait for the signatures of their new holders.
func (t *tx) proposeStale() error {
	roles, err := stale(t.ctx, t)
	if err != nil {
		return err
	}
	for _, role := range roles {
		if err := t.again(role); err != nil {
			return err
		}
	}
	return nil
}

// prepareStale is proposeStale for what a hub of before left behind.
func (d *Desk) prepareStale(ctx context.Context) error {
	var roles []string
	err := d.Store.Read(ctx, func(r central.Reader) (err error) {
		roles, err = stale(ctx, r)
		return err
	})
	if err != nil || len(roles) == 0 {
		return err
	}
	_, err = do(ctx, d, worker, "prepare signatures of new holders", func(t *tx) (struct{}, error) {
		t.about(central.Signing, "", t.tree.root)
		return struct{}{}, t.proposeStale()
	})
	return err
}

// holds makes signed metadata the newest of its role.
func (t *tx) holds(waiting central.Doc, m metadataDoc, q Request) error {
	if err := t.drop(waiting.Kind, waiting.ID, waiting.Rev); err != nil {
		return err
	}
	t.after = append(t.after, t.d.distribute)
	doc := central.Doc{Kind: central.Roots, ID: rootID(q.Version), Owner: t.tree.root}
	if q.Role != trust.Root {
		var err error
		if doc, _, err = load(t.ctx, t, central.Signed, q.Role); err != nil {
			return err
		}
		doc.Owner = t.tree.root
	}
	if err := doc.Encode(m); err != nil {
		return err
	}
	_, err := t.put(doc)
	return err
}
