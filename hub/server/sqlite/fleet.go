package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"cotmoc/hub/feed"
	"cotmoc/hub/server/central"
	"cotmoc/playlist"
)

// Fleet is the fleet's store in a file of its own: thousands of kiosks that report
// never hold up the people at the central database.
type Fleet struct {
	write *sql.DB // one connection
	read  *sql.DB
	work  chan job
	done  chan struct{}
}

const fleetSchema = `
CREATE TABLE IF NOT EXISTS said (device TEXT PRIMARY KEY, row TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS play (device TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL, row TEXT NOT NULL, received INTEGER NOT NULL,
	PRIMARY KEY (device, epoch, seq)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cursor (device TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL, plays INTEGER NOT NULL, PRIMARY KEY (device, epoch)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS visit (place TEXT NOT NULL, day TEXT NOT NULL, what TEXT NOT NULL, item TEXT NOT NULL, language TEXT NOT NULL, device TEXT NOT NULL, epoch TEXT NOT NULL, n INTEGER NOT NULL,
	PRIMARY KEY (device, epoch, day, what, item, language)) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS play_id ON play(device, (CASE WHEN json_valid(row) THEN json_extract(row, '$.id') END));
CREATE INDEX IF NOT EXISTS play_notice ON play((CASE WHEN json_valid(row) THEN json_extract(row, '$.schedule') END)) WHERE (CASE WHEN json_valid(row) THEN json_extract(row, '$.schedule') END) >= 'notice:';
CREATE INDEX IF NOT EXISTS visit_day ON visit(place, day);`

// job is something to write. Many are written in one transaction.
type job struct {
	do   func(*sql.Tx) error
	done chan error
}

// together is how many writes share a transaction at most.
const together = 500

// OpenFleet opens or creates the file of the kiosks' reports.
func OpenFleet(ctx context.Context, path string) (*Fleet, error) {
	write, err := open(path, "rwc")
	if err != nil {
		return nil, err
	}
	write.SetMaxOpenConns(1)
	err = check(ctx, write)
	if err == nil {
		_, err = write.ExecContext(ctx, fleetSchema)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reports of kiosks %s: %w", path, err), write.Close())
	}
	read, err := open(path, "ro")
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	read.SetMaxOpenConns(4)
	f := &Fleet{write: write, read: read, work: make(chan job, together), done: make(chan struct{})}
	go f.loop() // ends with Close
	return f, nil
}

// Close writes what waits and closes the file.
func (f *Fleet) Close() error {
	close(f.work)
	<-f.done
	return errors.Join(f.read.Close(), f.write.Close())
}

// Backup writes a consistent copy to a new file.
func (f *Fleet) Backup(ctx context.Context, path string) error {
	if _, err := f.read.ExecContext(ctx, "VACUUM INTO ?", path); err != nil {
		return fmt.Errorf("copy the reports of kiosks: %w", err)
	}
	return nil
}

// loop writes what waits, all of it in one transaction.
func (f *Fleet) loop() {
	defer close(f.done)
	for first := range f.work {
		jobs := []job{first}
	gather:
		for len(jobs) < together {
			select {
			case j, ok := <-f.work:
				if !ok {
					break gather
				}
				jobs = append(jobs, j)
			default:
				break gather
			}
		}
		err := f.together(jobs)
		for _, j := range jobs {
			j.done <- err
		}
	}
}

func (f *Fleet) together(jobs []job) error {
	tx, err := f.write.Begin()
	if err != nil {
		return fmt.Errorf("reports of kiosks: %w", err)
	}
	for _, j := range jobs {
		if err := j.do(tx); err != nil {
			return errors.Join(fmt.Errorf("reports of kiosks: %w", err), tx.Rollback())
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("reports of kiosks: %w", err)
	}
	return nil
}

func (f *Fleet) do(ctx context.Context, do func(*sql.Tx) error) error {
	j := job{do, make(chan error, 1)}
	select {
	case f.work <- j:
	case <-ctx.Done():
		return ctx.Err()
	}
	return <-j.done
}

// Said implements the fleet's store.
func (f *Fleet) Said(ctx context.Context, device string) (s central.Said, err error) {
	var raw string
	err = f.read.QueryRowContext(ctx, "SELECT row FROM said WHERE device=?", device).Scan(&raw)
	if errors.Is(err, sql.ErrNoRows) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(raw), &s)
	}
	if err != nil {
		return s, fmt.Errorf("report of %s: %w", device, err)
	}
	return s, nil
}

// AllSaid implements the fleet's store.
func (f *Fleet) AllSaid(ctx context.Context) ([]central.Said, error) {
	var out []central.Said
	return out, f.each(ctx, nil, "SELECT row FROM said ORDER BY device", func(rows *sql.Rows) error {
		var raw string
		var s central.Said
		err := rows.Scan(&raw)
		if err == nil {
			err = json.Unmarshal([]byte(raw), &s)
		}
		out = append(out, s)
		return err
	})
}

func (f *Fleet) each(ctx context.Context, args []any, query string, row func(*sql.Rows) error) error {
	rows, err := f.read.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("reports of kiosks: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return fmt.Errorf("reports of kiosks: %w", err)
		}
	}
	return rows.Err()
}

// Keep implements the fleet's store.
func (f *Fleet) Keep(ctx context.Context, s central.Said) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("report of %s: %w", s.Device, err)
	}
	return f.do(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT INTO said VALUES(?,?) ON CONFLICT(device) DO UPDATE SET row=excluded.row", s.Device, string(raw))
		return err
	})
}

// keepPlay keeps a row once, in whichever epoch it comes: a database that was copied does
// not double what was played.
const keepPlay = `INSERT INTO play SELECT ?,?,?,?,? WHERE NOT EXISTS (SELECT 1 FROM play WHERE device=? AND (CASE WHEN json_valid(row) THEN json_extract(row, '$.id') END)=json_extract(?, '$.id')) ON CONFLICT DO NOTHING`

// Take implements the fleet's store.
func (f *Fleet) Take(ctx context.Context, place playlist.ID, b feed.Batch) (seq int64, err error) {
	now := time.Now().UnixMilli()
	err = f.do(ctx, func(tx *sql.Tx) error {
		var plays int64
		seq = 0
		err := tx.QueryRow("SELECT seq, plays FROM cursor WHERE device=? AND epoch=?", b.Device, b.Epoch).Scan(&seq, &plays)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		for _, p := range b.Plays {
			if p.Row == nil { // refused
				continue
			}
			r, err := tx.Exec(keepPlay, b.Device, b.Epoch, p.Seq, string(p.Row), now, b.Device, string(p.Row))
			if err != nil {
				return err
			}
			n, err := r.RowsAffected()
			if err != nil {
				return err
			}
			plays += n
		}
		for _, c := range b.Counts {
			_, err := tx.Exec("INSERT INTO visit VALUES(?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET n=max(n, excluded.n)", place, c.Day, c.What, c.Item, c.Language, b.Device, b.Epoch, c.N)
			if err != nil {
				return err
			}
		}
		seq = max(seq, b.Gone)
		if n := len(b.Plays); n > 0 && b.From <= seq {
			seq = max(seq, b.Plays[n-1].Seq)
		}
		_, err = tx.Exec("INSERT INTO cursor VALUES(?,?,?,?) ON CONFLICT(device, epoch) DO UPDATE SET seq=excluded.seq, plays=excluded.plays", b.Device, b.Epoch, seq, plays)
		return err
	})
	return seq, err
}

// CountPlays implements the fleet's store.
func (f *Fleet) CountPlays(ctx context.Context) (map[string]int64, error) {
	out := map[string]int64{}
	return out, f.each(ctx, nil, "SELECT device, sum(plays) FROM cursor GROUP BY device", func(rows *sql.Rows) error {
		var device string
		var n int64
		err := rows.Scan(&device, &n)
		out[device] = n
		return err
	})
}

// Counts implements the fleet's store.
func (f *Fleet) Counts(ctx context.Context, places []playlist.ID, from, until playlist.Date) (out []feed.Count, err error) {
	at, err := json.Marshal(places)
	if err != nil {
		return nil, fmt.Errorf("counts: %w", err)
	}
	const query = `SELECT day, what, item, language, sum(n) FROM visit WHERE place IN (SELECT value FROM json_each(?)) AND day BETWEEN ? AND ?
		GROUP BY day, what, item, language ORDER BY day, what, item, language`
	return out, f.each(ctx, []any{string(at), from.String(), until.String()}, query, func(rows *sql.Rows) error {
		var c feed.Count
		err := rows.Scan(&c.Day, &c.What, &c.Item, &c.Language, &c.N)
		out = append(out, c)
		return err
	})
}

// Forget implements the fleet's store.
func (f *Fleet) Forget(ctx context.Context, before playlist.Date) error {
	err := f.do(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec("DELETE FROM visit WHERE day<?", before.String())
		return err
	})
	for err == nil { // in pieces: reports wait for each
		var n int64
		err = f.do(ctx, func(tx *sql.Tx) error {
			r, err := tx.Exec("DELETE FROM play WHERE (device, epoch, seq) IN (SELECT device, epoch, seq FROM play WHERE received<? LIMIT 20000)", before.UTC().UnixMilli())
			if err == nil {
				n, err = r.RowsAffected()
			}
			return err
		})
		if n == 0 {
			break
		}
	}
	return err
}
