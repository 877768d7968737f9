package kiosk

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"cotmoc/hub/feed"
	"cotmoc/hub/local"
	"cotmoc/playlist"
	"cotmoc/playlist/store"
)

// openActive opens the active edition; if it is damaged, the newest of the
// others that is whole.
func (k *Kiosk) openActive(ctx context.Context) {
	active, err := k.state.Meta(ctx, "edition")
	if err != nil {
		k.problems["edition"] = err.Error()
		return
	}
	k.readStickPlace(ctx)
	candidates := []string{active}
	if found, err := filepath.Glob(filepath.Join(k.cfg.Dir, "editions", "*.db")); err == nil {
		for _, path := range newestFirst(found) {
			if id := filepath.Base(path[:len(path)-len(".db")]); filepath.Ext(id) == "" && id != active {
				candidates = append(candidates, id)
			}
		}
	}
	for _, id := range candidates {
		if id == "" {
			continue
		}
		if err := k.activate(ctx, id); err != nil {
			k.problems["edition"] = err.Error()
			continue
		}
		if id != active && active != "" {
			k.problems["edition"] += "; edition " + id + " plays instead"
		}
		if active == "" { // the state was lost: its notices with it
			if err := k.switchTo(ctx, id, loaded{catalogue: k.composer.Catalogue, withdrawn: k.withdrawn}, k.emergency(ctx), nil); err != nil {
				k.problems["state.db"] = err.Error()
			}
		}
		return
	}
}

// mendActive writes the edition that was accepted last anew, where its own file is
// damaged: what fetch brought of it still lies here, and the hub has nothing newer to
// tell that would bring it back.
func (k *Kiosk) mendActive(ctx context.Context) {
	active, err := k.state.Meta(ctx, "edition")
	if err != nil || active == "" || active == k.Playing() {
		return
	}
	if _, err := k.Take(ctx, filepath.Join(k.cfg.Dir, local.PublicDir)); err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, local.ErrNotEnrolled) {
		k.problem("edition", k.problems["edition"]+"; it could not be written anew: "+err.Error())
	}
}

func newestFirst(paths []string) []string {
	age := func(path string) int64 {
		info, err := os.Stat(path)
		if err != nil {
			return 0
		}
		return -info.ModTime().UnixNano()
	}
	slices.SortFunc(paths, func(a, b string) int { return cmp.Compare(age(a), age(b)) })
	return paths
}

// loaded is an edition that was read and could play.
type loaded struct {
	edition   *store.Edition
	rows      playlist.Rows
	catalogue *playlist.Catalogue
	withdrawn []playlist.ID // versions of the edition that may not be shown
	anothers  bool          // it is the first of another hub
}

// load reads an edition: its own rows, and what it holds of the one before where
// files are still on their way. Versions that were withdrawn do not count. What was
// remembered of that does not hold for an edition that is another hub's.
func (k *Kiosk) load(ctx context.Context, id string, emergency feed.Emergency, anothers bool) (loaded, error) {
	e, err := store.OpenEdition(ctx, k.cfg.Dir, id)
	if err != nil {
		return loaded{}, err
	}
	rows, err1 := e.ProgrammedRows(ctx)
	held, err2 := e.Held(ctx)
	if err := errors.Join(err1, err2); err != nil {
		return loaded{}, errors.Join(err, e.Close())
	}
	gone, err := k.gone(ctx, emergency, anothers)
	if err != nil {
		return loaded{}, errors.Join(err, e.Close())
	}
	had, err := e.Have(ctx, gone) // the library shows what no playlist names
	if err != nil {
		return loaded{}, errors.Join(err, e.Close())
	}
	rows.Name = id
	l := loaded{edition: e, rows: hold(rows, held, k.media.Has, gone), withdrawn: withdrawnOf(gone, had, rows, held), anothers: anothers}
	if l.catalogue, err = playlist.NewCatalogue(l.rows); err != nil { // what was held does not fit any more
		l.rows = withoutVersions(rows, gone)
		l.catalogue, err = playlist.NewCatalogue(l.rows)
	}
	if err != nil {
		return loaded{}, errors.Join(err, e.Close())
	}
	return l, nil
}

// install makes a loaded edition the one that plays.
func (k *Kiosk) install(l loaded) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.edition != nil {
		if err := k.edition.Close(); err != nil {
			k.problems["edition"] = err.Error()
		}
	}
	k.edition, k.playing, k.withdrawn = l.edition, l.rows, l.withdrawn
	k.composer = &Composer{Catalogue: l.catalogue, Edition: l.edition.ID, Files: k.media}
}

func (k *Kiosk) activate(ctx context.Context, id string) error {
	l, err := k.load(ctx, id, k.emergency(ctx), false)
	if err != nil {
		return err
	}
	k.install(l)
	return nil
}

// emergency is what the duty officers last said.
func (k *Kiosk) emergency(ctx context.Context) (e feed.Emergency) {
	raw, err := k.state.Meta(ctx, metaEmergency)
	if err == nil && raw != "" {
		err = json.Unmarshal([]byte(raw), &e)
	}
	if err != nil {
		k.problem("emergency", err.Error())
	}
	return e
}

// Adopt takes a written edition as the active one: one transaction, pointer
// and notices. What plays goes on until its entry ends.
func (k *Kiosk) Adopt(ctx context.Context, id string) error { return k.adopt(ctx, id, nil) }

// adopt is Adopt with what else is to be remembered in the same transaction. What
// cannot be loaded is not adopted; what cannot be remembered does not play.
func (k *Kiosk) adopt(ctx context.Context, id string, keep map[string]string) error {
	emergency := k.emergency(ctx)
	if raw, ok := keep[metaEmergency]; ok {
		emergency = feed.Emergency{}
		if err := json.Unmarshal([]byte(raw), &emergency); err != nil {
			return fmt.Errorf("emergency: %w", err)
		}
	}
	before := k.Playing()
	stale, err := k.state.Meta(ctx, metaStale)
	if err != nil {
		return err
	}
	l, err := k.load(ctx, id, emergency, stale != "" && id != before)
	if err != nil {
		return err
	}
	keep, trial := k.onProbation(before, id, keep)
	if err := k.switchTo(ctx, id, l, emergency, keep); err != nil {
		return errors.Join(err, l.edition.Close())
	}
	k.install(l)
	k.readStickPlace(ctx)
	k.mu.Lock()
	if trial != nil {
		k.trial = trial
	}
	delete(k.problems, "edition")
	k.mu.Unlock()
	k.ageNotices(ctx)
	k.Nudge()
	k.fetch.wantChanged()
	if before == id {
		return nil
	}
	return store.Prune(k.cfg.Dir, id, before)
}

// arrived looks again at what is here, after files came.
func (k *Kiosk) arrived(ctx context.Context) {
	k.content.Lock()
	defer k.content.Unlock()
	id := k.Playing()
	if id == "" {
		return
	}
	if err := k.activate(ctx, id); err != nil {
		k.problem("edition", err.Error())
	}
	k.Nudge()
}

// readStickPlace reads for which place the stick was made that was taken last.
func (k *Kiosk) readStickPlace(ctx context.Context) {
	place, err := k.state.Meta(ctx, metaStick)
	if err != nil {
		k.problem("stick", err.Error())
		return
	}
	k.mu.Lock()
	k.stickPlace = playlist.ID(place)
	k.mu.Unlock()
}
