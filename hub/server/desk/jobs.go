package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/rights"
	"cotmoc/playlist"
)

// The states of a job.
const (
	JobQueued  = "queued"
	JobRunning = "running"
	JobDone    = "done"
	JobDead    = "dead" // failed too often; a person must look
)

// MaxAttempts is how often a job is tried before it is dead.
const MaxAttempts = 5

// Job is work that is done beside the requests: durable, leased to one worker
// at a time, tried again with growing pauses.
type Job struct {
	ID       playlist.ID     `json:"id"`
	Kind     string          `json:"kind"`
	Subject  playlist.ID     `json:"subject"` // what it works on
	Owner    playlist.ID     `json:"owner"`   // place
	Payload  json.RawMessage `json:"payload,omitempty"`
	Attempts int             `json:"attempts"`
	Progress int             `json:"progress"` // per cent
	Problem  string          `json:"problem,omitempty"`
	Queued   time.Time       `json:"queued"`
}

func (t *tx) queue(j Job) error {
	j.ID, j.Queued = NewID(), t.now
	doc := central.Doc{Kind: central.Jobs, ID: j.ID, Owner: j.Owner, Parent: j.Subject, Name: j.Kind, State: JobQueued, Due: t.now}
	if err := doc.Encode(j); err != nil {
		return err
	}
	t.after = append(t.after, t.d.wakeUp)
	_, err := t.put(doc)
	return err
}

// Lease takes the oldest job that is due, for as long as lease. A job whose
// worker died is due again when its lease ends. It returns nil if none is due.
func (d *Desk) Lease(ctx context.Context, lease time.Duration) (*Job, error) {
	var job *Job
	err := d.Store.Write(ctx, func(tx central.Tx) error {
		docs, err := tx.List(ctx, central.Query{Kind: central.Jobs, States: []string{JobQueued, JobRunning}, Due: d.Now(), Limit: 1})
		if err != nil || len(docs) == 0 {
			return err
		}
		doc := docs[0]
		j, err := central.Decode[Job](doc)
		if err != nil {
			return err
		}
		j.Attempts++
		if j.Attempts > MaxAttempts {
			doc.State, doc.Due = JobDead, time.Time{}
			if j.Problem == "" {
				j.Problem = "its worker ended without a word, again and again"
			}
			if err := failFile(ctx, tx, d.Now(), j); err != nil {
				return err
			}
		} else {
			doc.State, doc.Due, job = JobRunning, d.Now().Add(lease), &j
		}
		return keepJob(ctx, tx, d.Now(), doc, j)
	})
	return job, err
}

// Recover gives the jobs of a process that died back at once. It is for the one
// process that has just taken the hub's folder: no other can be working on them.
func (d *Desk) Recover(ctx context.Context) error {
	return d.Store.Write(ctx, func(tx central.Tx) error {
		docs, err := tx.List(ctx, central.Query{Kind: central.Jobs, States: []string{JobRunning}})
		if err != nil {
			return err
		}
		for _, doc := range docs {
			j, err := central.Decode[Job](doc)
			if err != nil {
				return err
			}
			doc.State, doc.Due = JobQueued, d.Now()
			if err := keepJob(ctx, tx, d.Now(), doc, j); err != nil {
				return err
			}
		}
		return nil
	})
}

func keepJob(ctx context.Context, tx central.Tx, now time.Time, doc central.Doc, j Job) error {
	if err := doc.Encode(j); err != nil {
		return err
	}
	doc.At = now
	_, err := tx.Put(ctx, doc)
	return err
}

// failFile tells whoever brought a file that its job is dead.
func failFile(ctx context.Context, tx central.Tx, now time.Time, j Job) error {
	doc, f, err := central.Load[File](ctx, tx, central.Files, j.Subject)
	if errors.Is(err, central.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	f.State, f.Problem, doc.State, doc.At = FileFailed, j.Problem, string(FileFailed), now
	if err := doc.Encode(f); err != nil {
		return err
	}
	_, err = tx.Put(ctx, doc)
	return err
}

// GiveBack returns a job whose worker was stopped on purpose: it was no attempt.
func (d *Desk) GiveBack(ctx context.Context, j Job) error {
	return d.onLease(ctx, j, func(doc *central.Doc, now *Job) {
		doc.State, doc.Due = JobQueued, d.Now()
		now.Attempts--
	})
}

// WorkAgain queues the work on a file that failed, because it was brought again.
func (d *Desk) WorkAgain(ctx context.Context, by Caller, f File, kind string) (File, error) {
	return do(ctx, d, by, "work on file again", func(t *tx) (File, error) {
		doc, f, err := central.Load[File](t.ctx, t, central.Files, playlist.ID(f.SHA256))
		if err != nil {
			return f, err
		}
		t.about(central.Files, doc.ID, doc.Owner)
		if err := t.mayBring(doc.Owner); err != nil {
			return f, err
		}
		if f.State != FileFailed {
			return f, nil
		}
		f.State, f.Problem, doc.State = FileWorking, "", string(FileWorking)
		if err := doc.Encode(f); err != nil {
			return f, err
		}
		if err := t.queue(Job{Kind: kind, Subject: doc.ID, Owner: doc.Owner}); err != nil {
			return f, err
		}
		_, err = t.put(doc)
		return f, err
	})
}

// ErrLeaseLost tells a worker that its job was given to another.
var ErrLeaseLost = errors.New("the job's lease was lost")

// onLease changes a job that the worker of this attempt holds.
func (d *Desk) onLease(ctx context.Context, j Job, f func(*central.Doc, *Job)) error {
	return d.Store.Write(ctx, func(tx central.Tx) error {
		doc, now, err := central.Load[Job](ctx, tx, central.Jobs, j.ID)
		if err != nil {
			return err
		}
		if doc.State != JobRunning || now.Attempts != j.Attempts {
			return ErrLeaseLost
		}
		f(&doc, &now)
		return keepJob(ctx, tx, d.Now(), doc, now)
	})
}

// Renew keeps a job and says how far it is, in per cent.
func (d *Desk) Renew(ctx context.Context, j Job, lease time.Duration, progress int) error {
	return d.onLease(ctx, j, func(doc *central.Doc, now *Job) {
		doc.Due, now.Progress = d.Now().Add(lease), progress
	})
}

// Finish ends a job. A failure is tried again after a pause that doubles each
// time, unless final says that trying again would not help.
func (d *Desk) Finish(ctx context.Context, j Job, failure error, final bool) error {
	return d.onLease(ctx, j, func(doc *central.Doc, now *Job) {
		switch {
		case failure == nil:
			doc.State, doc.Due, now.Progress, now.Problem = JobDone, time.Time{}, 100, ""
		case final || now.Attempts >= MaxAttempts:
			doc.State, doc.Due, now.Problem = JobDead, time.Time{}, failure.Error()
		default:
			doc.State, now.Problem = JobQueued, failure.Error()
			doc.Due = d.Now().Add(30 * time.Second << now.Attempts)
		}
	})
}

// RetryJob gives a dead job another life.
func (d *Desk) RetryJob(ctx context.Context, by Caller, id playlist.ID) (Job, error) {
	return do(ctx, d, by, "retry job", func(t *tx) (Job, error) {
		t.about(central.Jobs, id, "")
		doc, j, err := central.Load[Job](t.ctx, t, central.Jobs, id)
		if err != nil {
			return j, err
		}
		t.about(central.Jobs, id, doc.Owner)
		if err := t.need(rights.Configure, doc.Owner); err != nil {
			return j, err
		}
		if doc.State != JobDead {
			return j, &playlist.Error{Code: playlist.CodeRefused, Where: "job " + string(id), Detail: fmt.Sprintf("it is %s, not dead", doc.State)}
		}
		j.Attempts, j.Progress, j.Problem = 0, 0, ""
		doc.State, doc.Due = JobQueued, t.now
		if err := doc.Encode(j); err != nil {
			return j, err
		}
		t.after = append(t.after, d.wakeUp)
		_, err = t.put(doc)
		return j, err
	})
}
