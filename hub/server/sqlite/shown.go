package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"cotmoc/hub/server/central"
	"cotmoc/playlist"
)

// Shown implements the fleet's store.
func (f *Fleet) Shown(ctx context.Context, notice playlist.ID) ([]*central.Shown, error) {
	const schedule = `(CASE WHEN json_valid(row) THEN json_extract(row, '$.schedule') END)` // as the index play_notice has it
	const query = `SELECT device, row, received FROM play WHERE ` + schedule + `=? AND ` + schedule + ` >= 'notice:' ORDER BY device, epoch, seq`
	of := map[[2]string]*central.Shown{}
	out := []*central.Shown{}
	err := f.each(ctx, []any{playlist.NoticePrefix + string(notice)}, query, func(rows *sql.Rows) error {
		var device, raw string
		var received int64
		if err := rows.Scan(&device, &raw, &received); err != nil {
			return err
		}
		var row struct {
			Display    playlist.ID `json:"display"`
			Start, End time.Time
			Trusted    bool `json:"trusted"`
		}
		if err := json.Unmarshal([]byte(raw), &row); err != nil {
			return err
		}
		key := [2]string{device, string(row.Display)}
		if of[key] == nil || !of[key].Follows(row.Start) {
			of[key] = &central.Shown{Device: device, Display: row.Display}
			out = append(out, of[key])
		}
		of[key].Add(row.Start, row.End, row.Trusted, time.UnixMilli(received).UTC())
		return nil
	})
	return out, err
}
