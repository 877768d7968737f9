package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"cotmoc/playlist"
)

// Notice is a notice as it was received. Remaining is how long it would still
// run from now on a clock that is not trusted; 0: its time is over, and only
// what it cancels counts.
type Notice struct {
	playlist.Notice
	Received  time.Time
	Remaining time.Duration
}

// Notices returns the notices kept.
func (s *State) Notices(ctx context.Context) ([]Notice, error) {
	var out []Notice
	err := s.each(ctx, "SELECT row, received, remaining_ms FROM notices ORDER BY id", nil, func(scan func(...any) error) error {
		var raw string
		var received, remaining int64
		if err := scan(&raw, &received, &remaining); err != nil {
			return err
		}
		n := Notice{Received: time.UnixMilli(received), Remaining: time.Duration(remaining) * time.Millisecond}
		if err := json.Unmarshal([]byte(raw), &n.Notice); err != nil {
			return fmt.Errorf("a kept notice: %w", err)
		}
		out = append(out, n)
		return nil
	})
	return out, err
}

// Switch is what changes together when an edition becomes the active one.
type Switch struct {
	Edition   string
	Notices   []playlist.Notice
	At        time.Time         // of receipt
	Keep      map[string]string // kept values
	Cancelled []playlist.ID     // notices that never show again
	Withdrawn []playlist.ID     // versions that never show again
	Forget    bool              // what ended before was another hub's
}

// SwitchEdition makes an edition the active one and its notices those kept, in
// one transaction with everything else that changes with it. A notice that was
// kept already goes on where it stands.
func (s *State) SwitchEdition(ctx context.Context, to Switch) error {
	id, notices, at := to.Edition, to.Notices, to.At
	return inTx(ctx, s.db, func(tx *sql.Tx) error {
		if to.Forget {
			if _, err := tx.ExecContext(ctx, "DELETE FROM ended"); err != nil {
				return fmt.Errorf("forget what ended: %w", err)
			}
		}
		if err := errors.Join(end(ctx, tx, EndedNotice, to.Cancelled), end(ctx, tx, EndedVersion, to.Withdrawn)); err != nil {
			return err
		}
		for key, value := range to.Keep {
			if _, err := tx.ExecContext(ctx, setMeta, key, value); err != nil {
				return fmt.Errorf("keep %s: %w", key, err)
			}
		}
		if _, err := tx.ExecContext(ctx, setMeta, "edition", id); err != nil {
			return fmt.Errorf("switch to edition %s: %w", id, err)
		}
		if _, err := tx.ExecContext(ctx, "CREATE TEMP TABLE IF NOT EXISTS fresh(id TEXT PRIMARY KEY)"); err != nil {
			return fmt.Errorf("switch to edition %s: %w", id, err)
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM fresh"); err != nil {
			return fmt.Errorf("switch to edition %s: %w", id, err)
		}
		kept, err := noticesIn(ctx, tx)
		if err != nil {
			return err
		}
		for _, n := range notices {
			left := n.Ends.Sub(n.Starts)
			if old, ok := kept[n.ID]; ok { // longer or shorter than it was: by so much
				left = max(0, old.Remaining+left-old.Ends.Sub(old.Starts))
			}
			raw, err := json.Marshal(n)
			if err != nil {
				return fmt.Errorf("keep notice %s: %w", n.ID, err)
			}
			_, err = tx.ExecContext(ctx, `INSERT INTO notices VALUES(?,?,?,?)
				ON CONFLICT(id) DO UPDATE SET row=excluded.row, remaining_ms=excluded.remaining_ms`,
				n.ID, string(raw), at.UnixMilli(), left.Milliseconds())
			if err == nil {
				_, err = tx.ExecContext(ctx, "INSERT INTO fresh VALUES(?)", n.ID)
			}
			if err != nil {
				return fmt.Errorf("keep notice %s: %w", n.ID, err)
			}
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM notices WHERE id NOT IN (SELECT id FROM fresh)")
		return err
	})
}

func noticesIn(ctx context.Context, tx *sql.Tx) (map[playlist.ID]Notice, error) {
	rows, err := tx.QueryContext(ctx, "SELECT row, remaining_ms FROM notices")
	if err != nil {
		return nil, fmt.Errorf("read notices: %w", err)
	}
	defer rows.Close()
	out := map[playlist.ID]Notice{}
	for rows.Next() {
		var raw string
		var remaining int64
		var n Notice
		if err := rows.Scan(&raw, &remaining); err != nil {
			return nil, fmt.Errorf("read notices: %w", err)
		}
		if json.Unmarshal([]byte(raw), &n.Notice) == nil { // an unreadable one is replaced
			n.Remaining = time.Duration(remaining) * time.Millisecond
			out[n.ID] = n
		}
	}
	return out, rows.Err()
}

// AgeNotices lowers what remains of every notice: by the time that has passed
// on a clock that is not trusted, else to what the clock at now leaves.
func (s *State) AgeNotices(ctx context.Context, passed time.Duration, now time.Time, trusted bool) error {
	if !trusted {
		// What came since the last time has aged by less than the time between.
		_, err := s.db.ExecContext(ctx, `UPDATE notices SET remaining_ms=max(0, remaining_ms-CASE WHEN received<=?2 THEN min(?1, max(0, ?2-received)) ELSE ?1 END)
			WHERE remaining_ms>0`, passed.Milliseconds(), now.UnixMilli())
		if err != nil {
			return fmt.Errorf("age notices: %w", err)
		}
		return nil
	}
	kept, err := s.Notices(ctx)
	if err != nil {
		return err
	}
	for _, n := range kept {
		left := min(max(0, n.Ends.Sub(now)), n.Ends.Sub(n.Starts))
		if left.Milliseconds() == n.Remaining.Milliseconds() {
			continue
		}
		if _, err := s.db.ExecContext(ctx, "UPDATE notices SET remaining_ms=? WHERE id=?", left.Milliseconds(), n.ID); err != nil {
			return fmt.Errorf("age notice %s: %w", n.ID, err)
		}
	}
	return nil
}
