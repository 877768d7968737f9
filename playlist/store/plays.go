package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"cotmoc/playlist"
)

// Play is one row of proof of play.
type Play struct {
	Seq                int64             `json:"seq"`
	ID                 string            `json:"id"`
	Boot               string            `json:"boot"`
	Display            playlist.ID       `json:"display"`
	Zone               playlist.ID       `json:"zone"`
	Layer              playlist.Layer    `json:"layer"`
	Schedule           playlist.ID       `json:"schedule,omitempty"`
	Playlist           playlist.ID       `json:"playlist"`
	Edition            string            `json:"edition"`
	Item               playlist.ID       `json:"item"`
	Version            playlist.ID       `json:"version"`
	Language           playlist.Language `json:"language"`
	Mandatory          playlist.ID       `json:"mandatory,omitempty"`
	LateMS             int64             `json:"late_ms,omitempty"`
	Start, End         time.Time
	StartMono, EndMono int64
	Trusted            bool   `json:"trusted"` // whether Start and End may be believed
	Reason             string `json:"reason"`  // why it ended
}

// Batch is what is made durable together: proof of play, positions and the
// time left of mandatory items.
type Batch struct {
	Plays     []Play
	Positions map[playlist.ID]map[playlist.ID]playlist.Position // by display and playlist
	Mandatory map[playlist.ID]map[playlist.ID]int64             // by display and id
}

// Empty says whether there is nothing to write.
func (b Batch) Empty() bool {
	return len(b.Plays) == 0 && len(b.Positions) == 0 && len(b.Mandatory) == 0
}

// MaxPlays bounds the proof kept on a kiosk: at one showing every five seconds
// it is two months. The oldest rows go first.
const MaxPlays = 1_000_000

// Write makes a batch durable in one transaction. A play that is already there
// (same id) is left as it is.
func (s *State) Write(ctx context.Context, b Batch) error {
	return inTx(ctx, s.db, func(tx *sql.Tx) error {
		for _, p := range b.Plays {
			_, err := tx.ExecContext(ctx, `INSERT INTO plays(id,boot,display,zone,layer,schedule,playlist,edition,item,version,language,
				mandatory,late_ms,start_ms,end_ms,start_mono,end_mono,trusted,reason)
				VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(id) DO NOTHING`,
				p.ID, p.Boot, p.Display, p.Zone, p.Layer, p.Schedule, p.Playlist, p.Edition, p.Item, p.Version, p.Language,
				p.Mandatory, p.LateMS, p.Start.UnixMilli(), p.End.UnixMilli(), p.StartMono, p.EndMono, p.Trusted, p.Reason)
			if err != nil {
				return fmt.Errorf("write proof of play: %w", err)
			}
		}
		if len(b.Plays) > 0 {
			if _, err := tx.ExecContext(ctx, "DELETE FROM plays WHERE seq <= (SELECT max(seq) FROM plays) - ?", MaxPlays); err != nil {
				return fmt.Errorf("bound proof of play: %w", err)
			}
		}
		for display, positions := range b.Positions {
			for list, p := range positions {
				raw, err := json.Marshal(p)
				if err != nil {
					return fmt.Errorf("write a position: %w", err)
				}
				if _, err := tx.ExecContext(ctx, `INSERT INTO positions VALUES(?,?,?)
					ON CONFLICT(display,playlist) DO UPDATE SET position=excluded.position`, display, list, string(raw)); err != nil {
					return fmt.Errorf("write a position: %w", err)
				}
			}
		}
		for display, left := range b.Mandatory {
			for id, ms := range left {
				if _, err := tx.ExecContext(ctx, `INSERT INTO mandatory VALUES(?,?,?)
					ON CONFLICT(display,id) DO UPDATE SET left_ms=excluded.left_ms`, display, id, ms); err != nil {
					return fmt.Errorf("write a mandatory item's time: %w", err)
				}
			}
		}
		return nil
	})
}

// Plays returns rows of proof with a higher seq, at most limit of them.
func (s *State) Plays(ctx context.Context, after int64, limit int) ([]Play, error) {
	var out []Play
	err := s.each(ctx, `SELECT seq,id,boot,display,zone,layer,schedule,playlist,edition,item,version,language,mandatory,late_ms,
		start_ms,end_ms,start_mono,end_mono,trusted,reason FROM plays WHERE seq>? ORDER BY seq LIMIT ?`, []any{after, limit},
		func(scan func(...any) error) error {
			var p Play
			var start, end int64
			err := scan(&p.Seq, &p.ID, &p.Boot, &p.Display, &p.Zone, &p.Layer, &p.Schedule, &p.Playlist, &p.Edition, &p.Item, &p.Version,
				&p.Language, &p.Mandatory, &p.LateMS, &start, &end, &p.StartMono, &p.EndMono, &p.Trusted, &p.Reason)
			p.Start, p.End = time.UnixMilli(start), time.UnixMilli(end)
			out = append(out, p)
			return err
		})
	return out, err
}

// FirstPlay is the lowest number of a row of proof that is still kept, 0 without
// any.
func (s *State) FirstPlay(ctx context.Context) (n int64, err error) {
	if err := s.db.QueryRowContext(ctx, "SELECT coalesce(min(seq),0) FROM plays").Scan(&n); err != nil {
		return 0, fmt.Errorf("read proof of play: %w", err)
	}
	return n, nil
}

// PlaysAfter counts the rows of proof with a higher number.
func (s *State) PlaysAfter(ctx context.Context, after int64) (n int64, err error) {
	if err := s.db.QueryRowContext(ctx, "SELECT count(*) FROM plays WHERE seq>?", after).Scan(&n); err != nil {
		return 0, fmt.Errorf("count proof of play: %w", err)
	}
	return n, nil
}

// CountPlays returns how many rows of proof there are.
func (s *State) CountPlays(ctx context.Context) (n int64, err error) {
	if err := s.db.QueryRowContext(ctx, "SELECT count(*) FROM plays").Scan(&n); err != nil {
		return 0, fmt.Errorf("count proof of play: %w", err)
	}
	return n, nil
}
