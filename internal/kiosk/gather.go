package kiosk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"cotmoc/hub/edition"
	"cotmoc/hub/feed"
	"cotmoc/hub/local"
	"cotmoc/hub/trust"
	"cotmoc/internal/step"
	"cotmoc/playlist"
)

// A machine that no hub has told what it holds takes what lies on a stick. What concerns
// it must be whole; what is others' is left aside, and told of.

// metaStick is the place for which the stick was made that an unenrolled machine took.
const metaStick = "stick_place"

// stickNote is what a stick says of itself. It is not signed: it can make a stick be
// refused, and choose among what is signed; it adds nothing.
type stickNote = feed.Stick

// readStick reads what a stick says of itself; the zero value where it says nothing.
func readStick(f *local.Folder) (n stickNote) {
	raw, err := f.Read(feed.StickFile, 64<<10)
	if err != nil || json.Unmarshal(raw, &n) != nil || n.Format != feed.StickFormat {
		return stickNote{}
	}
	return n
}

// concerns says whether a scope must be whole for this machine.
func (t *taking) concerns(scope string) bool {
	return scope == t.ed.Ministry || slices.Contains(t.stick.Scopes, scope)
}

// gather reads every scope's rows. Of a scope that does not concern this machine and
// cannot be read, what was accepted before stays.
func (t *taking) gather() error {
	t.stick = readStick(t.from)
	if t.stick.Place != "" {
		t.keep[metaStick] = t.stick.Place
	}
	for _, s := range t.ed.Scopes {
		if err := t.ed.Aside[s]; err != nil {
			if t.concerns(s) {
				return fmt.Errorf("scope %s: %w", s, err)
			}
			t.leave(s, err)
		}
	}
	provinces := 0
	for _, s := range t.order() {
		rows, err := t.rows(t.ed.Heads[s])
		if err != nil {
			if t.concerns(s) {
				return fmt.Errorf("scope %s: %w", s, err)
			}
			t.leave(s, err)
			held := false
			if rows, held, err = t.earlier(s); err != nil && held { // it plays, perhaps here
				return fmt.Errorf("scope %s: %w", s, err)
			}
			if err != nil {
				delete(t.ed.Heads, s)
				continue
			}
		}
		if s != t.ed.Ministry {
			provinces++
		}
		t.scoped = append(t.scoped, edition.Scoped{Scope: playlist.ID(s), Rows: rows})
		step.At("take scope")
	}
	if provinces == 0 && len(t.aside) > 0 && len(t.stick.Scopes) == 0 { // nothing of it is anybody's
		return fmt.Errorf("scope %s: %w (%s)", t.aside[0].Scope, trust.ErrRefused, t.aside[0].Why)
	}
	return nil
}

func (t *taking) leave(scope string, err error) {
	why := err.Error()
	if errors.Is(err, fs.ErrNotExist) {
		why = "it is not here"
	}
	if !slices.ContainsFunc(t.aside, func(a Aside) bool { return a.Scope == scope }) {
		t.aside = append(t.aside, Aside{scope, why})
	}
}

// earlier reads the rows of a scope that were accepted before, and lets them count. held
// says whether there were any.
func (t *taking) earlier(scope string) (_ playlist.Rows, held bool, err error) {
	if len(t.before.Snapshot) == 0 {
		return playlist.Rows{}, false, fs.ErrNotExist
	}
	old, err := t.before.Edition(nil)
	if err != nil {
		return playlist.Rows{}, true, err
	}
	head, ok := old.Heads[scope]
	if !ok {
		return playlist.Rows{}, false, fs.ErrNotExist
	}
	here, err := local.OpenFolder(filepath.Join(t.k.cfg.Dir, local.PublicDir))
	if err != nil {
		return playlist.Rows{}, true, err
	}
	defer here.Close()
	mine := *t
	mine.from, mine.dir = here, filepath.Join(t.k.cfg.Dir, local.PublicDir)
	rows, err := mine.rows(head)
	if err == nil {
		t.ed.Heads[scope] = head
	}
	return rows, true, err
}
