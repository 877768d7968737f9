package store

import (
	"context"
	"database/sql"
	"fmt"

	"cotmoc/playlist"
)

// Kinds of what ends for good on this machine.
const (
	EndedNotice  = "notice"  // it was cancelled, and the cancelling took effect
	EndedVersion = "version" // it was withdrawn
)

// maxEnded bounds how much of a kind is remembered. The oldest is forgotten first:
// by then no edition names it.
const maxEnded = 20_000

// Ended returns the ids of a kind that ended for good: a set that only grows.
func (s *State) Ended(ctx context.Context, kind string) (map[playlist.ID]bool, error) {
	out := map[playlist.ID]bool{}
	err := s.each(ctx, "SELECT id FROM ended WHERE kind=?", []any{kind}, func(scan func(...any) error) error {
		var id playlist.ID
		err := scan(&id)
		out[id] = true
		return err
	})
	return out, err
}

func end(ctx context.Context, tx *sql.Tx, kind string, ids []playlist.ID) error {
	if len(ids) == 0 {
		return nil
	}
	for _, id := range ids {
		if _, err := tx.ExecContext(ctx, "INSERT INTO ended(kind,id) VALUES(?,?) ON CONFLICT DO NOTHING", kind, id); err != nil {
			return fmt.Errorf("remember the end of %s %s: %w", kind, id, err)
		}
	}
	_, err := tx.ExecContext(ctx, "DELETE FROM ended WHERE kind=?1 AND seq<=(SELECT seq FROM ended WHERE kind=?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)", kind, maxEnded)
	if err != nil {
		return fmt.Errorf("forget the oldest ends: %w", err)
	}
	return nil
}
