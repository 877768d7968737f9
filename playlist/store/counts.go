package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"

	"cotmoc/playlist"
)

// Count is something that visitors do, on one local day. There is no finer time and no
// identity in it.
type Count struct {
	Day      playlist.Date     `json:"day"`
	What     string            `json:"what"` // visit, item, language, missing
	Item     playlist.ID       `json:"item,omitempty"`
	Language playlist.Language `json:"language,omitempty"`
}

// keptDays is how long counts stay on the machine.
const keptDays = 400

// AddCounts adds to the counts, in one transaction, and lets go of those that are
// older than some 13 months.
func (s *State) AddCounts(ctx context.Context, counts map[Count]int64) error {
	var newest playlist.Date
	err := inTx(ctx, s.db, func(tx *sql.Tx) error {
		for c, n := range maps.All(counts) {
			if c.Day.Compare(newest) > 0 {
				newest = c.Day
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO counts(day, what, item, language, n) VALUES(?,?,?,?,?)
				ON CONFLICT(day, what, item, language) DO UPDATE SET n=n+excluded.n`, c.Day.String(), c.What, c.Item, c.Language, n); err != nil {
				return fmt.Errorf("count: %w", err)
			}
		}
		if newest.IsZero() {
			return nil
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM counts WHERE day<?", newest.Add(-keptDays).String())
		return err
	})
	if err != nil {
		return fmt.Errorf("counts: %w", err)
	}
	return nil
}

// Counts returns what was counted on a day.
func (s *State) Counts(ctx context.Context, day playlist.Date) (map[Count]int64, error) {
	out := map[Count]int64{}
	err := eachRow(ctx, s.db, "SELECT what, item, language, n FROM counts WHERE day=?", []any{day.String()}, func(scan func(...any) error) error {
		c := Count{Day: day}
		var n int64
		if err := scan(&c.What, &c.Item, &c.Language, &n); err != nil {
			return err
		}
		out[c] = n
		return nil
	})
	return out, err
}

// Counted is a count and how often it happened.
type Counted struct {
	Count
	N int64
}

// UnsentCounts returns counts of which the hub holds less, the oldest days first, each
// as its whole sum: it may be sent again without counting twice.
func (s *State) UnsentCounts(ctx context.Context, limit int) (out []Counted, err error) {
	err = eachRow(ctx, s.db, "SELECT day, what, item, language, n FROM counts WHERE n>sent ORDER BY day, what, item, language LIMIT ?", []any{limit}, func(scan func(...any) error) error {
		var c Counted
		var day string
		if err := scan(&day, &c.What, &c.Item, &c.Language, &c.N); err != nil {
			return err
		}
		c.Day, err = playlist.NewDate(day)
		out = append(out, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("counts: %w", err)
	}
	return out, nil
}

// SentCounts notes that the hub holds these.
func (s *State) SentCounts(ctx context.Context, counts []Counted) error {
	err := inTx(ctx, s.db, func(tx *sql.Tx) error {
		for _, c := range counts {
			if _, err := tx.ExecContext(ctx, "UPDATE counts SET sent=max(sent, ?) WHERE day=? AND what=? AND item=? AND language=?", c.N, c.Day.String(), c.What, c.Item, c.Language); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("counts: %w", err)
	}
	return nil
}

// ResendCounts forgets what the hub holds: it was restored from a backup.
func (s *State) ResendCounts(ctx context.Context) error {
	if _, err := s.db.ExecContext(ctx, "UPDATE counts SET sent=0 WHERE sent>0"); err != nil {
		return fmt.Errorf("counts: %w", err)
	}
	return nil
}
