package desk

import (
	"context"
	"errors"
	"time"

	"cotmoc/hub/server/central"
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
	doc, l, err := central.Load[leaps](ctx, tx, central.Settings, leapSetting)
	if err != nil && !errors.Is(err, central.ErrNotFound) {
		return err
	}
	l.Restores++
	if l.At == nil {
		l.At = map[playlist.ID]int64{}
	}
	all, err := tx.Editions(ctx, "", 1<<20)
	if err != nil {
		return err
	}
	for _, e := range all {
		l.At[e.Scope] = max(l.At[e.Scope], e.Number)
	}
	signed, err := signedRoles(ctx, tx)
	if err != nil {
		return err
	}
	for id, said := range signed {
		top := said.Version
		if said.Head != nil {
			top = max(top, said.Head.Number)
		}
		l.At[id] = max(l.At[id], top)
	}
	doc.Kind, doc.ID, doc.By, doc.At = central.Settings, leapSetting, Console, time.Now()
	if err := doc.Encode(l); err != nil {
		return err
	}
	_, err = tx.Put(ctx, doc)
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
