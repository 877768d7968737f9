package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"cotmoc/hub/edition"
	"cotmoc/hub/feed"
	"cotmoc/hub/local"
	"cotmoc/hub/trust"
	"cotmoc/internal/atomicfile"
	"cotmoc/internal/step"
)

// public is a path below the folder of published files.
func (c *Client) public(name string) string {
	return filepath.Join(c.Dir, local.PublicDir, filepath.FromSlash(name))
}

// put keeps a published file so that it outlives a power cut.
func (c *Client) put(name string, raw []byte) error {
	if err := os.MkdirAll(filepath.Dir(c.public(name)), 0o755); err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	return atomicfile.Write(c.public(name), raw, 0o644)
}

// online is a trust.Source that remembers what it fetches, until it is known whether
// that is signed.
type online struct {
	c    *Client
	came map[string][]byte // that was not here
	anew bool              // what is here may be damaged
}

// Metadata implements trust.Source. Everything but the timestamp is immutable: what
// is here already is not fetched.
func (o *online) Metadata(ctx context.Context, name string, most int64) ([]byte, error) {
	file := "trust/" + name
	have, err := os.ReadFile(o.c.public(file))
	if err == nil && name != "timestamp.json" && !o.anew {
		return have, nil
	}
	raw, err := o.c.get(ctx, file, most)
	if errors.Is(err, errAbsent) && o.anew && have != nil { // the hub knows nothing of what lies here
		return nil, errors.Join(err, gone(o.c.public(file)))
	}
	if err != nil {
		return nil, err
	}
	if string(raw) == string(have) {
		return raw, nil
	}
	o.came[name] = raw
	return raw, nil
}

// keep writes what came, now that it is known to be signed. The timestamp is left
// for when all that it leads to is here.
func (o *online) keep() error {
	for name, raw := range o.came {
		if name == "timestamp.json" {
			continue
		}
		if err := o.c.put("trust/"+name, raw); err != nil {
			return err
		}
	}
	return nil
}

// keepRoots writes the roots that came: the chain to the newest one verifies by itself.
func (o *online) keepRoots() error {
	for name, raw := range o.came {
		if !strings.HasSuffix(name, ".root.json") {
			continue
		}
		if err := o.c.put("trust/"+name, raw); err != nil {
			return err
		}
	}
	return nil
}

// Look brings metadata and rows up to date. It returns true if something came that
// kiosk has to look at. What kiosk accepts is for kiosk to decide; what is not
// signed is not even kept.
func (c *Client) Look(ctx context.Context, w local.Want) (bool, error) {
	src := &online{c: c, came: map[string][]byte{}}
	state, ed, err := w.Trust.Refresh(ctx, src, w.At, w.Scopes)
	if errors.Is(err, trust.ErrRefused) {
		src = &online{c: c, came: map[string][]byte{}, anew: true}
		state, ed, err = w.Trust.Refresh(ctx, src, w.At, w.Scopes)
	}
	if err != nil {
		if state.RootVersion() > w.Trust.RootVersion() { // a new root is taken, whatever came with it
			return true, errors.Join(err, src.keepRoots())
		}
		return false, err
	}
	if len(src.came) == 0 && string(state.Timestamp) == string(w.Trust.Timestamp) && sameRoles(state.Roles, w.Trust.Roles) && c.whole(ed) {
		return false, nil
	}
	if err := errors.Join(src.keep(), c.setAside(ed, state)); err != nil {
		return false, err
	}
	step.At("fetch metadata")
	if err := c.emergency(ctx, ed); err != nil {
		return false, err
	}
	for scope, head := range ed.Heads {
		if err := c.scope(ctx, scope, head); err != nil {
			return false, fmt.Errorf("scope %s: %w", scope, err)
		}
		step.At("fetch scope")
	}
	if err := c.putTimestamp(state.Timestamp); err != nil {
		return false, err
	}
	step.At("fetch timestamp")
	return true, errors.Join(c.prune(ed), c.sweep(w, state))
}

// setAside removes what lies here of roles that were not taken this time: kiosk would take
// them, and not find the rows to which they lead.
func (c *Client) setAside(ed *trust.Edition, state trust.State) error {
	var errs []error
	for role := range ed.Aside {
		names, err := filepath.Glob(c.public("trust/*." + role + ".json"))
		errs = append(errs, err)
		for _, name := range names {
			if raw, err := os.ReadFile(name); err == nil && string(raw) == string(state.Roles[role]) {
				continue
			}
			errs = append(errs, gone(name))
		}
	}
	return errors.Join(errs...)
}

// sameRoles says whether two states hold the same roles: other scopes may be wanted.
func sameRoles(a, b map[string][]byte) bool {
	return maps.EqualFunc(a, b, func(x, y []byte) bool { return string(x) == string(y) })
}

// whole says whether all that an edition names is here. Rows are only looked for:
// kiosk reads them, and removes what is damaged.
func (c *Client) whole(ed *trust.Edition) bool {
	here := func(t trust.Target) bool {
		raw, err := os.ReadFile(c.public(t.Path))
		return err == nil && feed.RefOf(raw) == t.Ref
	}
	if ed.Emergency != nil && !here(*ed.Emergency) {
		return false
	}
	for _, head := range ed.Heads {
		if !here(head) {
			return false
		}
		if _, err := os.Stat(c.public(path.Join(path.Dir(head.Path), "snapshot.zst"))); err != nil {
			return false
		}
	}
	return true
}

func (c *Client) emergency(ctx context.Context, ed *trust.Edition) error {
	if ed.Emergency == nil {
		return nil
	}
	raw, err := c.named(ctx, ed.Emergency.Path, ed.Emergency.Ref)
	if err != nil {
		return err
	}
	_, err = ed.Emergency.Notices(raw)
	return err
}

// named returns a file whose hash is signed, from here or from the hub.
func (c *Client) named(ctx context.Context, name string, ref feed.Ref) ([]byte, error) {
	if raw, err := os.ReadFile(c.public(name)); err == nil && feed.RefOf(raw) == ref {
		return raw, nil
	}
	raw, err := c.get(ctx, name, ref.Bytes)
	if err != nil {
		return nil, err
	}
	if feed.RefOf(raw) != ref {
		return nil, fmt.Errorf("%s: %w", name, errForged)
	}
	return raw, c.put(name, raw)
}

// scope brings a scope's rows: by the delta from what is here, else by the buckets
// that differ, else as a whole. They are kept only if they are what the head fixes.
func (c *Client) scope(ctx context.Context, scope string, target trust.Target) error {
	dir := path.Dir(target.Path)
	if _, err := os.Stat(c.public(path.Join(dir, "snapshot.zst"))); err == nil {
		if raw, err := os.ReadFile(c.public(target.Path)); err == nil && feed.RefOf(raw) == target.Ref {
			return nil
		}
	}
	raw, err := c.named(ctx, target.Path, target.Ref)
	if err != nil {
		return err
	}
	head, err := target.Head(raw)
	if err != nil {
		return err
	}
	base, number := c.held(scope)
	rows, err := c.rows(ctx, dir, head, base, number)
	if err != nil {
		return err
	}
	packed, err := edition.PackFast(rows)
	if err != nil {
		return err
	}
	return c.put(path.Join(dir, "snapshot.zst"), packed)
}

func (c *Client) rows(ctx context.Context, dir string, head feed.Head, base []feed.Row, number int64) ([]feed.Row, error) {
	var errs []error
	for _, way := range []func() ([]feed.Row, error){
		func() ([]feed.Row, error) { return c.delta(ctx, dir, head, base, number) },
		func() ([]feed.Row, error) { return c.buckets(ctx, dir, head, base) },
		func() ([]feed.Row, error) { return c.snapshot(ctx, dir, head) },
	} {
		rows, err := way()
		if err == nil && rows != nil && feed.Sum(rows).Catalogue() == head.Catalogue {
			return rows, nil
		}
		if ctx.Err() != nil || errors.Is(err, errRefused) {
			return nil, errors.Join(err, ctx.Err())
		}
		var busy *busyError
		if errors.As(err, &busy) {
			return nil, err
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(append(errs, fmt.Errorf("the hub has nothing from which the rows of edition %d come out", head.Number))...)
}

// held returns the rows of a scope that are here, of the newest edition that can be
// read.
func (c *Client) held(scope string) ([]feed.Row, int64) {
	entries, err := os.ReadDir(c.public(scope))
	if err != nil {
		return nil, 0
	}
	var newest int64
	var rows []feed.Row
	for _, e := range entries {
		n, err := strconv.ParseInt(e.Name(), 10, 64)
		if err != nil || n <= newest {
			continue
		}
		raw, err := os.ReadFile(c.public(path.Join(scope, e.Name(), "snapshot.zst")))
		if err != nil {
			continue
		}
		var got []feed.Row
		if edition.Unpack(raw, &got) == nil && feed.Sort(got) == nil {
			newest, rows = n, got
		}
	}
	return rows, newest
}

// delta is nil where there is none from the edition that is here.
func (c *Client) delta(ctx context.Context, dir string, head feed.Head, base []feed.Row, number int64) ([]feed.Row, error) {
	for _, d := range head.Deltas {
		if d.From != number || base == nil {
			continue
		}
		raw, err := c.get(ctx, path.Join(dir, fmt.Sprintf("delta-%d.zst", d.From)), d.Bytes)
		if err != nil {
			return nil, err
		}
		if feed.RefOf(raw) != d.Ref {
			return nil, errForged
		}
		delta, err := edition.UnpackDelta(raw, base)
		if err != nil {
			return nil, err
		}
		return feed.Apply(base, delta.Changes)
	}
	return nil, nil
}

// buckets fetches the buckets that differ from what is here, one run of ranges.
func (c *Client) buckets(ctx context.Context, dir string, head feed.Head, base []feed.Row) ([]feed.Row, error) {
	if base == nil {
		return nil, nil
	}
	raw, err := c.named(ctx, path.Join(dir, "buckets"), head.Buckets)
	if err != nil {
		return nil, err
	}
	index, err := feed.ReadIndex(raw)
	if err != nil || index.Sums.Catalogue() != head.Catalogue {
		return nil, errors.Join(err, errForged)
	}
	have := feed.Sum(base)
	var differ []int
	for n := range have {
		if have[n] != index.Sums[n] {
			differ = append(differ, n)
		}
	}
	var rows []feed.Row
	changed := map[int]bool{}
	for _, n := range differ {
		changed[n] = true
	}
	for _, r := range base {
		if !changed[feed.BucketOf(r)] {
			rows = append(rows, r)
		}
	}
	for n := 0; n < len(differ); {
		run := 1
		for n+run < len(differ) && differ[n+run] == differ[n]+run {
			run++
		}
		got, err := c.bucketRun(ctx, path.Join(dir, "parts.zst"), head.Parts, index, differ[n], run)
		if err != nil {
			return nil, err
		}
		rows = append(rows, got...)
		n += run
	}
	return rows, feed.Sort(rows)
}

func (c *Client) bucketRun(ctx context.Context, name string, parts feed.Ref, index feed.Index, first, run int) ([]feed.Row, error) {
	from := index.At(first)
	to := index.At(first+run-1) + int64(index.Sizes[first+run-1])
	if from == to {
		return nil, nil
	}
	if to > parts.Bytes {
		return nil, errForged
	}
	raw := make([]byte, 0, to-from)
	err := c.span(ctx, name, parts, from, to, func(r io.Reader) (err error) {
		raw, err = io.ReadAll(io.LimitReader(r, to-from))
		return err
	})
	if err != nil || int64(len(raw)) != to-from {
		return nil, errors.Join(err, io.ErrUnexpectedEOF)
	}
	var out []feed.Row
	for n := first; n < first+run; n++ {
		size := int64(index.Sizes[n])
		if size == 0 {
			continue
		}
		var rows []feed.Row
		at := index.At(n) - from
		if err := edition.Unpack(raw[at:at+size], &rows); err != nil {
			return nil, err
		}
		out = append(out, rows...)
	}
	return out, nil
}

func (c *Client) snapshot(ctx context.Context, dir string, head feed.Head) ([]feed.Row, error) {
	raw, err := c.get(ctx, path.Join(dir, "snapshot.zst"), head.Snapshot.Bytes)
	if err != nil {
		return nil, err
	}
	if feed.RefOf(raw) != head.Snapshot {
		return nil, errForged
	}
	var rows []feed.Row
	return rows, edition.Unpack(raw, &rows)
}

// span fetches the bytes from from up to to of a file, and takes nothing that is
// not exactly these: a proxy may answer with all of it, or with something else.
func (c *Client) span(ctx context.Context, name string, ref feed.Ref, from, to int64, use func(io.Reader) error) error {
	header := http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", from, to-1)}, "Accept-Encoding": {"identity"}}
	return c.do(ctx, http.MethodGet, "/public/"+name, header, nil, func(r *http.Response) error {
		switch r.StatusCode {
		case http.StatusPartialContent:
			if r.Header.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/%d", from, to-1, ref.Bytes) {
				return fmt.Errorf("%w (asked for %d-%d of %d, got %q)", errForged, from, to-1, ref.Bytes, r.Header.Get("Content-Range"))
			}
			return use(r.Body)
		default: // the whole file: what lies before is passed over, if it is that file at all
			if r.ContentLength >= 0 && r.ContentLength != ref.Bytes {
				return fmt.Errorf("%w (a file of %d bytes, not %d)", errForged, r.ContentLength, ref.Bytes)
			}
			if _, err := io.CopyN(io.Discard, r.Body, from); err != nil {
				return err
			}
			return use(io.LimitReader(r.Body, to-from))
		}
	})
}

// prune removes editions that are not named any more, but the one before: kiosk may
// have to go back to its rows.
func (c *Client) prune(ed *trust.Edition) error {
	for scope, head := range ed.Heads {
		entries, err := os.ReadDir(c.public(scope))
		if err != nil {
			return fmt.Errorf("old editions: %w", err)
		}
		var before int64
		for _, e := range entries {
			if n, err := strconv.ParseInt(e.Name(), 10, 64); err == nil && n < head.Number {
				before = max(before, n)
			}
		}
		for _, e := range entries {
			n, err := strconv.ParseInt(e.Name(), 10, 64)
			if err != nil || n >= before {
				continue
			}
			if err := os.RemoveAll(c.public(path.Join(scope, e.Name()))); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("old editions: %w", err)
			}
		}
	}
	return nil
}
