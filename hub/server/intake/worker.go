package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"cotmoc/hub/server/desk"
	"cotmoc/internal/ffmpeg"
	"cotmoc/internal/step"
	"cotmoc/playlist"
)

// The kinds of work on a file.
const (
	workVideo = "rendition"
	workPDF   = "pdf"
)

const (
	lease     = 2 * time.Minute
	renewEach = 20 * time.Second
	idleLook  = 30 * time.Second // for jobs whose pause ended
)

// Worker does the jobs of a desk, one after another: a machine with two cores
// has none to spare.
type Worker struct {
	Desk *desk.Desk
	Dir  string   // for files in the making; emptied at each start
	Self []string // command that runs RenderPDF: this program and its arguments
	Log  *slog.Logger
}

// Serve works until ctx ends.
func (w *Worker) Serve(ctx context.Context) error {
	if err := errors.Join(os.RemoveAll(w.Dir), os.MkdirAll(w.Dir, 0o700)); err != nil {
		return fmt.Errorf("work folder: %w", err)
	}
	for {
		worked, err := w.One(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			w.Log.Error("A job's outcome could not be kept", "error", err)
		}
		if worked && err == nil {
			continue
		}
		look := time.NewTimer(idleLook)
		select {
		case <-ctx.Done():
		case <-w.Desk.Woken():
		case <-look.C:
		}
		look.Stop()
	}
}

// One does the next job that is due; false if there is none.
func (w *Worker) One(ctx context.Context) (bool, error) {
	job, err := w.Desk.Lease(ctx, lease)
	if err != nil || job == nil {
		return false, err
	}
	step.At("job leased")
	working, stop := context.WithCancelCause(ctx)
	progress := make(chan int, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.renew(working, *job, progress, stop)
	}()
	err = w.safely(working, *job, progress)
	cause := context.Cause(working)
	stop(nil)
	<-done
	if errors.Is(cause, desk.ErrLeaseLost) {
		return true, nil // whoever holds the job now goes on with it
	}
	if ctx.Err() != nil && err != nil {
		return true, w.Desk.GiveBack(context.WithoutCancel(ctx), *job)
	}
	refused := errors.Is(err, errHopeless) || errors.Is(err, ffmpeg.ErrUnplayable)
	if err != nil {
		w.Log.Warn("Job failed", "kind", job.Kind, "subject", job.Subject, "attempt", job.Attempts, "error", err)
	}
	if refused || err != nil && job.Attempts >= desk.MaxAttempts {
		err = errors.Join(err, w.fail(ctx, *job, err))
	}
	return true, w.Desk.Finish(ctx, *job, err, refused)
}

// errHopeless is wrapped by failures that trying again would not mend.
var errHopeless = errors.New("the file cannot be shown")

// fail tells whoever brought the file.
func (w *Worker) fail(ctx context.Context, job desk.Job, why error) error {
	f, err := w.Desk.File(ctx, playlist.Hash(job.Subject))
	if err != nil {
		return err
	}
	f.State, f.Problem = desk.FileFailed, why.Error()
	return w.Desk.SettleFile(ctx, f, nil)
}

// renew keeps the lease while the work goes on, and ends the work if the lease
// is lost.
func (w *Worker) renew(ctx context.Context, job desk.Job, progress <-chan int, stop context.CancelCauseFunc) {
	tick := time.NewTicker(renewEach)
	defer tick.Stop()
	percent := 0
	for {
		select {
		case <-ctx.Done():
			return
		case percent = <-progress:
		case <-tick.C:
			if err := w.Desk.Renew(ctx, job, lease, percent); errors.Is(err, desk.ErrLeaseLost) {
				stop(err)
				return
			}
		}
	}
}

// safely turns a panic over a strange file into a failure of its job.
func (w *Worker) safely(ctx context.Context, job desk.Job, progress chan<- int) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the worker broke down over it: %v", p)
		}
	}()
	return w.work(ctx, job, progress)
}

// work makes what is to be made of the job's file.
func (w *Worker) work(ctx context.Context, job desk.Job, progress chan<- int) error {
	f, err := w.Desk.File(ctx, playlist.Hash(job.Subject))
	if err != nil {
		return err
	}
	if f.State == desk.FileReady {
		return nil // done by a worker that did not live to say so
	}
	dir := filepath.Join(w.Dir, string(job.ID))
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700)); err != nil {
		return fmt.Errorf("work folder: %w", err)
	}
	defer os.RemoveAll(dir)
	source := filepath.Join(dir, "source")
	if err := w.fetch(ctx, f.SHA256, source); err != nil {
		return err
	}
	step.At("job fetched")
	var made []desk.File
	switch job.Kind {
	case workVideo:
		made, err = w.renditions(ctx, &f, source, dir, progress)
	case workPDF:
		made, err = w.pages(ctx, &f, source, dir, progress)
	default:
		err = fmt.Errorf("%w: work of the kind %q is not known", errHopeless, job.Kind)
	}
	if err != nil {
		return err
	}
	step.At("job made")
	f.State, f.Problem = desk.FileReady, ""
	return w.Desk.SettleFile(ctx, f, made)
}

// fetch brings a kept file where a child may read it.
func (w *Worker) fetch(ctx context.Context, h playlist.Hash, to string) error {
	in, err := w.Desk.Files.Open(ctx, h)
	if err != nil {
		return err
	}
	defer in.Close()
	if f, ok := in.(*os.File); ok && os.Link(f.Name(), to) == nil {
		return nil // a disk that is nearly full need not hold it twice
	}
	out, err := os.Create(to)
	if err != nil {
		return fmt.Errorf("work folder: %w", err)
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("work folder: %w", err)
	}
	return nil
}

// keep keeps a file that was made, and returns what is known of it.
func (w *Worker) keep(ctx context.Context, path string, f desk.File) (desk.File, error) {
	hash, n, err := Hash(path)
	if err != nil {
		return f, err
	}
	f.SHA256, f.Bytes, f.State = hash, n, desk.FileReady
	in, err := os.Open(path)
	if err != nil {
		return f, fmt.Errorf("keep a rendition: %w", err)
	}
	defer in.Close()
	err = w.Desk.Files.Put(ctx, f.Media(), in)
	step.At("job kept a file")
	return f, err
}
