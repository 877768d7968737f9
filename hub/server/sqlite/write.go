package sqlite

import (
	"context"
	"fmt"
	"time"

	"cotmoc/hub/server/central"
	"cotmoc/playlist"
)

type writer struct{ reader }

func (w writer) Put(ctx context.Context, d central.Doc) (central.Doc, error) {
	old := d.Rev
	d.Rev++
	if len(d.Body) == 0 {
		d.Body = []byte("{}")
	}
	d.At = d.At.UTC().Truncate(time.Millisecond)
	d.Due = d.Due.UTC().Truncate(time.Millisecond)
	args := []any{d.Rev, d.Owner, d.Parent, d.State, d.Name, millis(d.Due), string(d.Body), d.At.UnixMilli(), d.By, d.Kind, d.ID}
	text := "INSERT INTO doc(rev,owner,parent,state,name,due,body,at,by,kind,id) VALUES(?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING"
	if old > 0 {
		text = "UPDATE doc SET rev=?,owner=?,parent=?,state=?,name=?,due=?,body=?,at=?,by=? WHERE kind=? AND id=? AND rev=?"
		args = append(args, old)
	} else {
		// An id that was deleted may be used again: its history goes on.
		var last int64
		if err := w.tx.QueryRowContext(ctx, "SELECT coalesce(max(rev),0) FROM history WHERE kind=? AND id=?", d.Kind, d.ID).Scan(&last); err != nil {
			return d, fmt.Errorf("write %s %s: %w", d.Kind, d.ID, err)
		}
		d.Rev = last + 1
		args[0] = d.Rev
	}
	res, err := w.tx.ExecContext(ctx, text, args...)
	if err != nil {
		return d, fmt.Errorf("write %s %s: %w", d.Kind, d.ID, err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return d, w.why(ctx, d.Kind, d.ID, old, err)
	}
	return d, w.keep(ctx, d)
}

// why says why no row was changed.
func (w writer) why(ctx context.Context, kind central.Kind, id playlist.ID, old int64, err error) error {
	if err != nil {
		return fmt.Errorf("write %s %s: %w", kind, id, err)
	}
	if old == 0 {
		return fmt.Errorf("%s %q: %w", kind, id, central.ErrExists)
	}
	now, err := w.Get(ctx, kind, id)
	if err != nil {
		return err
	}
	return fmt.Errorf("%s %q: %w: it is at revision %d since %s, not at %d", kind, id, central.ErrChanged, now.Rev, now.At.Format(time.RFC3339), old)
}

// keep writes a revision into the history and counts the change.
func (w writer) keep(ctx context.Context, d central.Doc) error {
	if !d.Kind.Transient() {
		_, err := w.tx.ExecContext(ctx, "INSERT INTO history(kind,id,rev,owner,parent,state,name,due,body,at,by,deleted) VALUES(?,?,?,?,?,?,?,?,?,?,?,?)",
			d.Kind, d.ID, d.Rev, d.Owner, d.Parent, d.State, d.Name, millis(d.Due), string(d.Body), d.At.UnixMilli(), d.By, d.Deleted)
		if err != nil {
			return fmt.Errorf("keep the history of %s %s: %w", d.Kind, d.ID, err)
		}
	}
	if _, err := w.tx.ExecContext(ctx, "INSERT INTO seq VALUES(?,1) ON CONFLICT(kind) DO UPDATE SET n=n+1", d.Kind); err != nil {
		return fmt.Errorf("count a change of %s: %w", d.Kind, err)
	}
	return nil
}

func (w writer) Delete(ctx context.Context, kind central.Kind, id playlist.ID, rev int64, at time.Time, by playlist.ID) error {
	d, err := w.Get(ctx, kind, id)
	if err != nil {
		return err
	}
	res, err := w.tx.ExecContext(ctx, "DELETE FROM doc WHERE kind=? AND id=? AND rev=?", kind, id, rev)
	if err != nil {
		return fmt.Errorf("delete %s %s: %w", kind, id, err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return w.why(ctx, kind, id, rev, err)
	}
	d.Rev, d.At, d.By, d.Deleted = rev+1, at.UTC(), by, true
	return w.keep(ctx, d)
}

func (w writer) TrimHistory(ctx context.Context, kind central.Kind, id playlist.ID, state string, keep int) error {
	_, err := w.tx.ExecContext(ctx, `DELETE FROM history WHERE kind=?1 AND id=?2 AND state=?3 AND rev<=(
		SELECT rev FROM history WHERE kind=?1 AND id=?2 AND state=?3 ORDER BY rev DESC LIMIT 1 OFFSET ?4)`, kind, id, state, keep)
	if err != nil {
		return fmt.Errorf("trim the history of %s %s: %w", kind, id, err)
	}
	return nil
}

func (w writer) AppendAudit(ctx context.Context, r central.AuditRow) error {
	if _, err := w.tx.ExecContext(ctx, "INSERT INTO audit VALUES(?,?,?)", r.Seq, string(r.Row), r.Hash); err != nil {
		return fmt.Errorf("write the audit: %w", err)
	}
	return nil
}

func (w writer) AddCheckpoint(ctx context.Context, c central.Checkpoint) error {
	_, err := w.tx.ExecContext(ctx, "INSERT INTO checkpoint VALUES(?,?,?,?)", c.Seq, c.Hash, c.At.UTC().Format(time.RFC3339Nano), c.Signature)
	if err != nil {
		return fmt.Errorf("write a checkpoint of the audit: %w", err)
	}
	return nil
}

func (w writer) AddEdition(ctx context.Context, e central.Edition, keep int) error {
	var newest int64
	if err := w.tx.QueryRowContext(ctx, "SELECT coalesce(max(number),0) FROM edition WHERE scope=?", e.Scope).Scan(&newest); err != nil {
		return fmt.Errorf("add an edition: %w", err)
	}
	if e.Number <= newest {
		return fmt.Errorf("edition %d of %s: %w: the newest is %d", e.Number, e.Scope, central.ErrChanged, newest)
	}
	_, err := w.tx.ExecContext(ctx, "INSERT INTO edition VALUES(?,?,?,?,?,?)", e.Scope, e.Number, string(e.Head), e.Snapshot, e.At.UnixMilli(), e.By)
	if err != nil {
		return fmt.Errorf("add an edition: %w", err)
	}
	if _, err := w.tx.ExecContext(ctx, "UPDATE edition SET snapshot=NULL WHERE scope=?1 AND number NOT IN (SELECT number FROM edition WHERE scope=?1 ORDER BY number DESC LIMIT ?2)", e.Scope, keep); err != nil {
		return fmt.Errorf("let old editions go: %w", err)
	}
	return nil
}
