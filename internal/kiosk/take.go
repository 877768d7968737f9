package kiosk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cotmoc/hub/edition"
	"cotmoc/hub/feed"
	"cotmoc/hub/local"
	"cotmoc/hub/trust"
	"cotmoc/internal/atomicfile"
	"cotmoc/internal/step"
	"cotmoc/playlist"
	"cotmoc/playlist/media"
	"cotmoc/playlist/store"
)

// What is kept in state.db of what was accepted.
const (
	metaTrust      = "trust"      // trust.State
	metaEmergency  = "emergency"  // feed.Emergency
	metaAssignment = "assignment" // feed.Assignment
	metaAccepted   = "accepted"   // number of the snapshot
	metaEnrolment  = "enrolment"  // to which all that belongs
	metaRefused    = "refused"    // edition that was rolled back
	metaProbation  = "probation"
)

// ErrRolledBack is returned for an edition that had to be taken back here.
var ErrRolledBack = errors.New("this edition was rolled back on this machine")

// Taken is what taking in published files did.
type Taken struct {
	Edition   string            `json:"edition"`
	Number    int64             `json:"number"` // of the snapshot
	Switched  bool              `json:"switched"`
	Emergency int64             `json:"emergency,omitempty"`
	Dropped   []edition.Dropped `json:"dropped,omitempty"`
	Files     int               `json:"files"` // that were copied
	Missing   int               `json:"missing"`
	Aside     []Aside           `json:"aside,omitempty"`   // what does not concern this machine, and could not be had
	Damaged   []playlist.Hash   `json:"damaged,omitempty"` // files that this machine does not need
}

// Aside is a scope of others that was left aside.
type Aside struct {
	Scope string `json:"scope"`
	Why   string `json:"why"`
}

// taking is one round of taking in.
type taking struct {
	k     *Kiosk
	from  *local.Folder
	dir   string
	state trust.State
	ed    *trust.Edition
	keep  map[string]string

	before trust.State // that was accepted before
	stick  stickNote
	scoped []edition.Scoped // rows, where they were read already
	aside  []Aside
}

// Take verifies what lies in a folder of published files and makes it what plays:
// metadata, then heads, then rows, then one transaction. Nothing that is not signed,
// complete and newer changes anything. What fetch brings and what a stick holds go
// the same way.
func (k *Kiosk) Take(ctx context.Context, dir string) (Taken, error) {
	k.content.Lock()
	defer k.content.Unlock()
	folder, err := local.OpenFolder(dir)
	if err != nil {
		return Taken{}, err
	}
	defer folder.Close()
	t := &taking{k: k, from: folder, dir: dir, keep: map[string]string{}}
	if err := t.verify(ctx); err != nil {
		return Taken{}, err
	}
	out := Taken{Number: t.ed.Number}
	emergency, err := t.emergency(ctx)
	if err != nil {
		return out, err
	}
	out.Emergency = emergency.Number
	if len(t.ed.Heads) == 0 {
		return out, t.remember(ctx)
	}
	if t.k.scopes() == nil { // what is whose is known by what can be read
		if err := t.gather(); err != nil {
			return out, err
		}
	}
	out.Aside = t.aside
	out.Edition = t.id()
	if refused, err := k.state.Meta(ctx, metaRefused); err != nil || refused == out.Edition {
		return out, errors.Join(err, t.same(ctx), fmt.Errorf("%s: %w", out.Edition, ErrRolledBack))
	}
	if playing := k.Playing(); playing == out.Edition {
		return out, t.same(ctx)
	}
	if raw, ok := t.keep[metaEmergency]; ok && k.Playing() != "" { // it waits for nothing
		if err := k.adopt(ctx, k.Playing(), map[string]string{metaEmergency: raw}); err != nil {
			return out, err
		}
	}
	out.Dropped, err = t.write(ctx, out.Edition)
	if err != nil {
		return out, err
	}
	step.At("take catalogue")
	if err := k.adopt(ctx, out.Edition, t.keep); err != nil {
		return out, err
	}
	step.At("take switch")
	out.Switched = true
	k.reportDropped(out.Dropped)
	return out, nil
}

func (k *Kiosk) reportDropped(dropped []edition.Dropped) {
	text := ""
	if n := len(dropped); n > 0 {
		text = fmt.Sprintf("%d rows of the edition do not count here, the first: %s: %s", n, dropped[0].Row, dropped[0].Why)
	}
	k.problem("edition's rows", text)
}

// Playing is the id of the edition that plays; "" for none.
func (k *Kiosk) Playing() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.edition == nil {
		return ""
	}
	return k.edition.ID
}

// TrustState is what this machine has accepted so far.
func (k *Kiosk) TrustState(ctx context.Context) (trust.State, error) {
	raw, err := k.state.Meta(ctx, metaTrust)
	if err != nil {
		return trust.State{}, err
	}
	if raw != "" {
		var s trust.State
		err := json.Unmarshal([]byte(raw), &s)
		if err == nil {
			_, err = trust.Begin(s.Root)
		}
		if err == nil {
			return s, nil
		}
		// Damaged: it begins again from enrolment, and relearns the numbers from
		// whatever is signed.
	}
	k.mu.Lock()
	id := k.identity
	k.mu.Unlock()
	if id == nil {
		return trust.State{}, local.ErrNotEnrolled
	}
	return trust.Begin(id.Root)
}

// TrustRoot lets a machine that trusts nobody yet believe a root, whose fingerprint
// somebody compared.
func (k *Kiosk) TrustRoot(ctx context.Context, root []byte) error {
	s, err := trust.Begin(root)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("trust: %w", err)
	}
	return errors.Join(k.changeHub(ctx, root), k.state.SetMeta(ctx, metaTrust, string(raw)))
}

// verify brings the accepted metadata up to date.
func (t *taking) verify(ctx context.Context) (err error) {
	k := t.k
	if t.state, err = k.TrustState(ctx); err != nil {
		return err
	}
	before := t.state
	t.before = before
	t.state, t.ed, err = t.state.Refresh(ctx, t.from, k.Instant(), k.scopes())
	if c, cErr := t.state.Correction(before); cErr != nil {
		return errors.Join(err, cErr)
	} else if c != nil {
		k.clock.Lower(c.Floor)
		keepClock(t.keep, k.clock)
	}
	if err != nil {
		if string(t.state.Root) != string(before.Root) { // a new root stays, whatever came with it
			err = errors.Join(err, t.remember(ctx))
		}
		return err
	}
	fresh := string(t.state.Timestamp) != string(before.Timestamp) // each lifts the floor once
	if fresh && !t.ed.IssuedAt.IsZero() && t.ed.IssuedAt.Before(t.ed.Until) {
		k.clock.Raise(t.ed.IssuedAt)
	}
	raw, err := json.Marshal(t.state)
	if err != nil {
		return fmt.Errorf("trust: %w", err)
	}
	t.keep[metaTrust] = string(raw)
	t.keep[metaAccepted] = fmt.Sprint(t.ed.Number)
	return nil
}

// Instant is what expiry is measured by: now, if the clock may be believed, else
// the latest instant that is known to have passed.
func (k *Kiosk) Instant() time.Time {
	if ok, _ := k.clock.Trusted(); ok {
		return k.clock.Now()
	}
	return k.clock.Floor()
}

func (k *Kiosk) scopes() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.assignment == nil {
		return nil
	}
	return k.assignment.Scopes
}

// remember keeps what was accepted, without switching.
func (t *taking) remember(ctx context.Context) error {
	raw, err := json.Marshal(t.state)
	if err != nil {
		return fmt.Errorf("trust: %w", err)
	}
	t.keep[metaTrust] = string(raw)
	return t.k.state.Keep(ctx, t.keep)
}

// same keeps newer metadata for the edition that plays already, and takes the duty
// officers' notices over.
func (t *taking) same(ctx context.Context) error {
	return t.k.adopt(ctx, t.k.Playing(), t.keep)
}

// emergency reads what the duty officers say, if it changed.
func (t *taking) emergency(ctx context.Context) (feed.Emergency, error) {
	var now feed.Emergency
	kept, err := t.k.state.Meta(ctx, metaEmergency)
	if err != nil {
		return now, err
	}
	if kept != "" {
		if err := json.Unmarshal([]byte(kept), &now); err != nil {
			now = feed.Emergency{}
		}
	}
	if t.ed.Emergency == nil || t.ed.Emergency.Number <= now.Number {
		return now, nil
	}
	raw, err := t.from.Read(t.ed.Emergency.Path, trust.MaxMetadata)
	if err != nil {
		return now, fmt.Errorf("emergency: %w", err)
	}
	fresh, err := t.ed.Emergency.Notices(raw)
	if err != nil {
		return now, err
	}
	t.keep[metaEmergency] = string(raw)
	return fresh, nil
}

// id names an edition by its snapshot and by what its heads fix.
func (t *taking) id() string {
	h := sha256.New()
	scopes := slices.Sorted(maps.Keys(t.ed.Heads))
	for _, s := range scopes {
		fmt.Fprintf(h, "%s %s\n", s, t.ed.Heads[s].SHA256)
	}
	fmt.Fprintln(h, strings.Join(t.order(), " "))
	return "e" + hex.EncodeToString(h.Sum(nil)[:8])
}

// order is the order in which scopes take precedence: the ministry, the machine's
// own province, then the others by name.
func (t *taking) order() []string {
	out := []string{}
	add := func(s string) {
		if _, ok := t.ed.Heads[s]; ok && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	add(t.ed.Ministry)
	for _, s := range t.k.scopes() {
		add(s)
	}
	for _, s := range slices.Sorted(maps.Keys(t.ed.Heads)) {
		add(s)
	}
	return out
}

// write verifies every scope's rows against its signed head and writes the union as
// a catalogue.
func (t *taking) write(ctx context.Context, id string) ([]edition.Dropped, error) {
	scoped := t.scoped
	for _, s := range t.order() {
		if len(t.scoped) > 0 {
			break
		}
		rows, err := t.rows(t.ed.Heads[s])
		if err != nil {
			return nil, fmt.Errorf("scope %s: %w", s, err)
		}
		scoped = append(scoped, edition.Scoped{Scope: playlist.ID(s), Rows: rows})
		step.At("take scope")
	}
	_, rows, dropped, err := edition.Union(playlist.ID(t.ed.Ministry), scoped)
	if err != nil {
		return dropped, err
	}
	t.k.mu.Lock()
	var playing playlist.Rows
	if t.k.edition != nil {
		playing = t.k.playing
	}
	t.k.mu.Unlock()
	return dropped, store.WriteCatalogue(ctx, t.k.cfg.Dir, id, rows, toHold(playing, rows, t.k.media.Has))
}

// rows reads a scope's rows and believes them only if they are those that its head
// fixes. It leaves head and rows where fetch will find them for the next delta.
func (t *taking) rows(head trust.Target) (playlist.Rows, error) {
	raw, err := t.from.Read(head.Path, trust.MaxMetadata)
	if err != nil {
		return playlist.Rows{}, err
	}
	h, err := head.Head(raw)
	if err != nil {
		return playlist.Rows{}, err
	}
	name := path.Join(path.Dir(head.Path), "snapshot.zst")
	packed, err := t.from.Read(name, edition.MaxSnapshot)
	if errors.Is(err, fs.ErrNotExist) {
		return playlist.Rows{}, err
	}
	var rows []feed.Row
	if err == nil {
		err = edition.Unpack(packed, &rows)
	}
	if err == nil && (feed.Sum(rows).Catalogue() != h.Catalogue || len(rows) != h.Rows) {
		err = fmt.Errorf("%w (the rows are not those that the head fixes)", trust.ErrRefused)
	}
	if err != nil {
		if public := filepath.Join(t.k.cfg.Dir, local.PublicDir); t.dir == public { // fetch brings them anew
			err = errors.Join(err, os.Remove(filepath.Join(public, filepath.FromSlash(name))))
		}
		return playlist.Rows{}, err
	}
	out, err := edition.Catalogue(rows)
	if err != nil {
		return out, err
	}
	return out, t.keepCopy(head.Path, raw, name, packed)
}

// keepCopy copies what came on a stick to the folder that fetch fills.
func (t *taking) keepCopy(head string, raw []byte, name string, packed []byte) error {
	public := filepath.Join(t.k.cfg.Dir, local.PublicDir)
	if t.dir == public {
		return nil
	}
	if err := os.MkdirAll(filepath.Join(public, filepath.Dir(head)), 0o755); err != nil {
		return fmt.Errorf("keep what came: %w", err)
	}
	return errors.Join(atomicfile.Write(filepath.Join(public, name), packed, 0o644), atomicfile.Write(filepath.Join(public, head), raw, 0o644))
}

// Import takes a stick in: metadata and rows like everything else, then the files
// that the edition which plays lacks. An older stick never becomes active, but its
// files are kept.
func (k *Kiosk) Import(ctx context.Context, dir string, progress func(done, total int)) (Taken, error) {
	out, err := k.Take(ctx, dir)
	if err != nil && (k.Playing() == "" || ctx.Err() != nil) {
		return out, err
	}
	var copyErr error
	out.Files, out.Missing, out.Damaged, copyErr = k.importFiles(ctx, dir, progress)
	if out.Files > 0 {
		k.arrived(ctx)
	}
	return out, errors.Join(err, copyErr)
}

// importFiles copies the files that the active edition lacks. A damaged one that this
// machine needs is an error; others are told of.
func (k *Kiosk) importFiles(ctx context.Context, dir string, progress func(done, total int)) (n, missing int, damaged []playlist.Hash, err error) {
	folder, err := local.OpenFolder(dir)
	if err != nil {
		return 0, 0, nil, err
	}
	defer folder.Close()
	id := k.Playing()
	if id == "" {
		return 0, 0, nil, nil
	}
	all, err := mediaOf(ctx, k.cfg.Dir, id)
	if err != nil {
		return 0, 0, nil, err
	}
	all = slices.DeleteFunc(all, func(m playlist.Media) bool { return k.media.Has(m.SHA256) })
	needed, err := k.needed(ctx)
	if err != nil {
		return 0, 0, nil, err
	}
	var errs []error
	for i, m := range all {
		if ctx.Err() != nil {
			return n, missing, damaged, ctx.Err()
		}
		file, err := folder.Open(fmt.Sprintf("files/%s/%s", m.SHA256[:2], m.SHA256))
		if errors.Is(err, fs.ErrNotExist) {
			missing++
			continue
		}
		if err == nil {
			err = errors.Join(k.media.Put(m, file), file.Close())
		}
		switch {
		case err == nil:
			n++
			step.At("import file")
		case errors.Is(err, media.ErrNoRoom): // the next ones would not fit either
			return n, missing + len(all) - i, damaged, errors.Join(append(errs, err)...)
		case needed == nil || needed[m.SHA256]:
			missing++
			if len(errs) < 10 {
				errs = append(errs, err)
			}
		default:
			damaged = append(damaged, m.SHA256)
		}
		if progress != nil {
			progress(i+1, len(all))
		}
	}
	return n, missing, damaged, errors.Join(errs...)
}

// needed are the files that this machine shows; nil for all of its edition, where a hub
// has said what it holds.
func (k *Kiosk) needed(ctx context.Context) (map[playlist.Hash]bool, error) {
	if k.scopes() != nil {
		return nil, nil
	}
	a, err := k.lookAhead(ctx)
	if a == nil || err != nil {
		return nil, err
	}
	out := map[playlist.Hash]bool{}
	for h, f := range k.needs(a.next) {
		out[h] = f.Class < local.Later
	}
	return out, nil
}
