package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"cotmoc/hub/server/central"
	"cotmoc/playlist"
)

type reader struct{ tx *sql.Tx }

const columns = "kind,id,rev,owner,parent,state,name,due,body,at,by"

func scan(row interface{ Scan(...any) error }, d *central.Doc, more ...any) error {
	var due sql.NullInt64
	var at int64
	var body []byte
	err := row.Scan(append([]any{&d.Kind, &d.ID, &d.Rev, &d.Owner, &d.Parent, &d.State, &d.Name, &due, &body, &at, &d.By}, more...)...)
	d.Due, d.At, d.Body = instant(due), time.UnixMilli(at).UTC(), body
	return err
}

func (r reader) Get(ctx context.Context, kind central.Kind, id playlist.ID) (central.Doc, error) {
	var d central.Doc
	err := scan(r.tx.QueryRowContext(ctx, "SELECT "+columns+" FROM doc WHERE kind=? AND id=?", kind, id), &d)
	if errors.Is(err, sql.ErrNoRows) {
		return d, fmt.Errorf("%s %q: %w", kind, id, central.ErrNotFound)
	}
	if err != nil {
		return d, fmt.Errorf("read %s %s: %w", kind, id, err)
	}
	return d, nil
}

// where turns a query into conditions.
func where(q central.Query) (string, []any, error) {
	text, args := " FROM doc WHERE kind=?", []any{q.Kind}
	add := func(given bool, condition string, arg any) {
		if given {
			text += " AND " + condition
			args = append(args, arg)
		}
	}
	add(q.Parent != "", "parent=?", q.Parent)
	// A parent has few children; of a state there may be all. The plus keeps
	// SQLite, which does not know, from searching by the state.
	plus := ""
	if q.Parent != "" {
		plus = "+"
	}
	add(q.Name != "", plus+"name=?", q.Name)
	add(!q.Due.IsZero(), "due<=?", q.Due.UnixMilli())
	add(q.After != "", "id>?", q.After)
	if len(q.States) > 0 {
		text += " AND " + plus + "state IN (?" + strings.Repeat(",?", len(q.States)-1) + ")"
		for _, s := range q.States {
			args = append(args, s)
		}
	}
	if len(q.Owners) > 0 { // a subtree may have thousands
		raw, err := json.Marshal(q.Owners)
		if err != nil {
			return "", nil, fmt.Errorf("list %s: %w", q.Kind, err)
		}
		add(true, "owner IN (SELECT value FROM json_each(?))", string(raw))
	}
	return text, args, nil
}

func (r reader) List(ctx context.Context, q central.Query) ([]central.Doc, error) {
	text, args, err := where(q)
	if err != nil {
		return nil, err
	}
	text = "SELECT " + columns + text + " ORDER BY id"
	if q.Limit > 0 {
		text += " LIMIT ?"
		args = append(args, q.Limit)
	}
	var out []central.Doc
	err = r.each(ctx, text, args, func(rows *sql.Rows) error {
		var d central.Doc
		err := scan(rows, &d)
		out = append(out, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", q.Kind, err)
	}
	return out, nil
}

func (r reader) each(ctx context.Context, text string, args []any, f func(*sql.Rows) error) error {
	rows, err := r.tx.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (r reader) Count(ctx context.Context, q central.Query) (int, error) {
	text, args, err := where(q)
	if err != nil {
		return 0, err
	}
	var n int
	if err := r.tx.QueryRowContext(ctx, "SELECT count(*)"+text, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("count %s: %w", q.Kind, err)
	}
	return n, nil
}

func (r reader) History(ctx context.Context, kind central.Kind, id playlist.ID) ([]central.Doc, error) {
	var out []central.Doc
	err := r.each(ctx, "SELECT "+columns+",deleted FROM history WHERE kind=? AND id=? ORDER BY rev", []any{kind, id}, func(rows *sql.Rows) error {
		var d central.Doc
		err := scan(rows, &d, &d.Deleted)
		out = append(out, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("history of %s %s: %w", kind, id, err)
	}
	return out, nil
}

func (r reader) Seq(ctx context.Context, kind central.Kind) (int64, error) {
	var n int64
	err := r.tx.QueryRowContext(ctx, "SELECT n FROM seq WHERE kind=?", kind).Scan(&n)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("state of %s: %w", kind, err)
	}
	return n, nil
}

func (r reader) Audit(ctx context.Context, after int64, limit int, each func(central.AuditRow) error) error {
	if limit <= 0 {
		limit = -1
	}
	err := r.each(ctx, "SELECT seq,row,hash FROM audit WHERE seq>? ORDER BY seq LIMIT ?", []any{after, limit}, func(rows *sql.Rows) error {
		var a central.AuditRow
		if err := rows.Scan(&a.Seq, (*[]byte)(&a.Row), &a.Hash); err != nil {
			return err
		}
		return each(a)
	})
	if err != nil {
		return fmt.Errorf("read the audit: %w", err)
	}
	return nil
}

func (r reader) AuditHead(ctx context.Context) (central.AuditRow, error) {
	var a central.AuditRow
	err := r.tx.QueryRowContext(ctx, "SELECT seq,row,hash FROM audit ORDER BY seq DESC LIMIT 1").Scan(&a.Seq, (*[]byte)(&a.Row), &a.Hash)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return a, fmt.Errorf("read the audit: %w", err)
	}
	return a, nil
}

func (r reader) Checkpoints(ctx context.Context, after int64) ([]central.Checkpoint, error) {
	var out []central.Checkpoint
	err := r.each(ctx, "SELECT seq,hash,at,signature FROM checkpoint WHERE seq>? ORDER BY seq", []any{after}, func(rows *sql.Rows) error {
		var c central.Checkpoint
		var at string
		if err := rows.Scan(&c.Seq, &c.Hash, &at, &c.Signature); err != nil {
			return err
		}
		var err error
		c.At, err = time.Parse(time.RFC3339Nano, at)
		out = append(out, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the audit's checkpoints: %w", err)
	}
	return out, nil
}

func (r reader) Edition(ctx context.Context, scope playlist.ID, number int64) (central.Edition, error) {
	e := central.Edition{}
	text, args := "SELECT scope,number,head,snapshot,at,by FROM edition WHERE scope=?", []any{scope}
	if number > 0 {
		text, args = text+" AND number=?", append(args, number)
	}
	var at int64
	err := r.tx.QueryRowContext(ctx, text+" ORDER BY number DESC LIMIT 1", args...).Scan(&e.Scope, &e.Number, (*[]byte)(&e.Head), &e.Snapshot, &at, &e.By)
	if errors.Is(err, sql.ErrNoRows) {
		return e, fmt.Errorf("edition %d of %s: %w", number, scope, central.ErrNotFound)
	}
	if err != nil {
		return e, fmt.Errorf("read an edition: %w", err)
	}
	e.At = time.UnixMilli(at).UTC()
	return e, nil
}

func (r reader) Editions(ctx context.Context, scope playlist.ID, limit int) ([]central.Edition, error) {
	var out []central.Edition
	err := r.each(ctx, "SELECT scope,number,head,at,by FROM edition WHERE ?1='' OR scope=?1 ORDER BY CASE WHEN ?1='' THEN at END DESC, number DESC, scope LIMIT ?2", []any{scope, limit},
		func(rows *sql.Rows) error {
			var e central.Edition
			var at int64
			err := rows.Scan(&e.Scope, &e.Number, (*[]byte)(&e.Head), &at, &e.By)
			e.At = time.UnixMilli(at).UTC()
			out = append(out, e)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("list editions: %w", err)
	}
	return out, nil
}
