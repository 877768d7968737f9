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

// Prepare brings what waits for signatures up to date.
func (d *Desk) Prepare(ctx context.Context) error {
	return errors.Join(d.prepareLeapt(ctx), d.PrepareEmergency(ctx), d.prepareStale(ctx), d.prepareMissing(ctx), d.prepareOld(ctx))
}

// prepareOld lets roles wait for new signatures that were signed for too long, by a clock
// that was ahead, or whose time will be over before long:
// half of it for the duty officers, whose keys are at hand, else a third.
func (d *Desk) prepareOld(ctx context.Context) error {
	var late []string
	err := d.Store.Read(ctx, func(r central.Reader) (err error) {
		late, err = d.old(ctx, r)
		return err
	})
	if err != nil || len(late) == 0 {
		return err
	}
	var errs []error
	for _, role := range late {
		_, err = do(ctx, d, worker, "prepare signatures again", func(t *tx) (struct{}, error) {
			t.about(central.Signing, playlist.ID(role), t.tree.root)
			still, err := d.old(t.ctx, t) // it may have been signed meanwhile
			if err != nil || !slices.Contains(still, role) {
				return struct{}{}, err
			}
			return struct{}{}, t.again(role)
		})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// old lists the roles that need new signatures and do not wait for any.
func (d *Desk) old(ctx context.Context, r central.Reader) (late []string, err error) {
	signed, err := signedRoles(ctx, r)
	if err != nil {
		return nil, err
	}
	for id, said := range signed {
		role, soon := string(id), trust.TargetsLife/3
		left, _, err := load(ctx, r, central.Signing, role)
		if err != nil {
			return nil, err
		}
		if role == trust.Emergency {
			soon = trust.EmergencyLife / 2
		}
		rest, life := said.Expires.Sub(d.Now()), trust.TargetsLife
		if role == trust.Emergency {
			life = trust.EmergencyLife
		}
		if role != trust.Snapshot && role != trust.Timestamp && left.Rev == 0 && (rest < soon || rest > life+24*time.Hour) {
			late = append(late, role)
		}
	}
	slices.Sort(late)
	return late, nil
}

// again proposes what a role says already. The duty officers' document goes along.
func (t *tx) again(role string) error {
	_, m, err := load(t.ctx, t, central.Signed, role)
	if err != nil {
		return err
	}
	said, err := trust.Read(m.Raw)
	if err != nil {
		return err
	}
	if m.Head != nil && said.Head != nil {
		_, err = t.propose(role, m.Head, said.Head.Number, nil)
	} else {
		_, err = t.propose(role, nil, 0, nil)
	}
	return err
}

// prepareMissing lets the heads of scopes wait that were published before their
// role was held by anybody.
func (d *Desk) prepareMissing(ctx context.Context) error {
	var missing []playlist.ID
	err := d.read(ctx, func(r central.Reader, places *tree) error {
		if _, err := newestRoot(ctx, r); err != nil {
			return err
		}
		for id, p := range places.Places {
			if p.Kind != playlist.Ministry && p.Kind != playlist.Province {
				continue
			}
			lacks, err := unnamed(ctx, r, (&tx{tree: places}).roleOf(id), id)
			if err != nil {
				return err
			}
			if lacks {
				missing = append(missing, id)
			}
		}
		return nil
	})
	if errors.Is(err, ErrNoTrust) || err == nil && len(missing) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	slices.Sort(missing)
	var errs []error
	for _, scope := range missing { // one that is damaged must not hold up the others
		_, err = do(ctx, d, worker, "prepare heads", func(t *tx) (struct{}, error) {
			t.about(central.Signing, "", scope)
			if lacks, err := unnamed(t.ctx, t, t.roleOf(scope), scope); err != nil || !lacks { // it may have been named meanwhile
				return struct{}{}, err
			}
			e, err := t.Edition(t.ctx, scope, 0)
			if err == nil {
				_, err = t.propose(t.roleOf(scope), e.Head, e.Number, nil)
			}
			return struct{}{}, err
		})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// unnamed says whether a scope has an edition that neither its role nor what waits
// for signatures names, although somebody holds the role.
func unnamed(ctx context.Context, r central.Reader, role string, scope playlist.ID) (bool, error) {
	e, err := r.Editions(ctx, scope, 1)
	if err != nil || len(e) == 0 {
		return false, err
	}
	if _, held, err := holders(ctx, r, role); err != nil || !held {
		return false, err
	}
	raw, err := newest(ctx, r, role)
	if err != nil || raw == nil {
		return err == nil, err
	}
	said, err := trust.Read(raw)
	return err == nil && (said.Head == nil || said.Head.Number < e[0].Number), err
}
