package kiosk

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"cotmoc/hub/local"
	"cotmoc/playlist"
	"cotmoc/playlist/plan"
	"cotmoc/playlist/store"
)

// newNonce is a question that was never asked before.
func newNonce() string { return rand.Text() }

// all is an inventory that has everything: what should play once all is here.
type all struct{ Inventory }

func (all) Has(playlist.Hash) bool { return true }

// horizon is how far ahead the schedule is looked at for what is due.
const horizon = 24 * time.Hour

// maxBoundaries bounds how many boundaries of a layer are looked at.
const maxBoundaries = 500

// ahead is what an edition names, as it will play once every file is here.
type ahead struct {
	id    string
	media []playlist.Media
	held  []playlist.Media    // of the edition before, shown until those are here
	next  *playlist.Catalogue // without what is held: that is what must come
}

// lookAhead reads it once for each edition; nil without one.
func (k *Kiosk) lookAhead(ctx context.Context) (*ahead, error) {
	id := k.Playing()
	if id == "" {
		return nil, nil
	}
	k.mu.Lock()
	kept := k.ahead
	k.mu.Unlock()
	if kept != nil && kept.id == id {
		return kept, nil
	}
	e, err := store.OpenEdition(ctx, k.cfg.Dir, id)
	if err != nil {
		return nil, err
	}
	a := &ahead{id: id}
	var err1, err2, err3 error
	a.media, err1 = e.Media(ctx)
	held, err2 := e.Held(ctx)
	a.held = held.Media
	a.next, err3 = e.Programmed(ctx)
	if err := cmp.Or(err1, err2, err3, e.Close()); err != nil {
		return nil, err
	}
	k.mu.Lock()
	k.ahead = a
	k.mu.Unlock()
	return a, nil
}

// wanted lists the files that are not here, the most urgent first, as far as there
// is room for them. While the clock is not trusted nothing is let go for them.
func (k *Kiosk) wanted(ctx context.Context) ([]local.File, error) {
	a, err := k.lookAhead(ctx)
	if a == nil || err != nil {
		return nil, err
	}
	missing := slices.DeleteFunc(slices.Clone(a.media), func(m playlist.Media) bool { return k.media.Has(m.SHA256) })
	if len(missing) == 0 {
		k.problem("files in time", "")
		k.problem("room for files", "")
		return nil, nil
	}
	need := k.needs(a.next)
	var out []local.File
	for _, m := range missing {
		f := need[m.SHA256]
		if f.Class == 0 {
			f.Class = local.Library
		}
		f.SHA256, f.Bytes = m.SHA256, m.Bytes
		out = append(out, f)
	}
	slices.SortFunc(out, byNeed)
	k.foresee(out)
	return k.fitting(ctx, out)
}

// byNeed puts what is due first in front; of two that are due together the smaller.
func byNeed(a, b local.File) int {
	due := func(f local.File) int64 {
		if f.Due.IsZero() {
			return 1 << 62
		}
		return f.Due.Unix()
	}
	return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(due(a), due(b)), cmp.Compare(a.Bytes, b.Bytes), cmp.Compare(a.SHA256, b.SHA256))
}

// fitting keeps the files for which there is room, once what is less urgent has made
// way, and says which have none.
func (k *Kiosk) fitting(ctx context.Context, files []local.File) ([]local.File, error) {
	trusted, _ := k.clock.Trusted()
	var out []local.File
	var fresh []playlist.Media
	var none int64
	for _, f := range files {
		if f.Class == local.Library && none > 0 {
			none += f.Bytes
			continue
		}
		fits := k.media.Fits(f.Bytes + bytesOf(fresh))
		if !fits && trusted && f.Class < local.Library {
			fits = k.makeRoomFor(ctx, append(fresh, playlist.Media{SHA256: f.SHA256, Bytes: f.Bytes})) == nil
		}
		if !fits {
			none += f.Bytes
			continue
		}
		out, fresh = append(out, f), append(fresh, playlist.Media{SHA256: f.SHA256, Bytes: f.Bytes})
	}
	text := ""
	if none > 0 {
		text = fmt.Sprintf("there is no room for %d MB that the edition names", none>>20)
	}
	k.problem("room for files", text)
	return out, nil
}

func bytesOf(files []playlist.Media) (n int64) {
	for _, m := range files {
		n += m.Bytes
	}
	return n
}

// makeRoomFor lets go of what no edition here names; then, of the library.
func (k *Kiosk) makeRoomFor(ctx context.Context, fresh []playlist.Media) error {
	if err := k.MakeRoom(ctx, fresh); err == nil {
		return nil
	}
	a, err := k.lookAhead(ctx)
	if a == nil || err != nil {
		return err
	}
	keep := map[playlist.Hash]bool{}
	for h := range k.needs(a.next) {
		keep[h] = true
	}
	k.mu.Lock()
	for h := range k.catalogue().Media { // what plays now
		keep[h] = true
	}
	k.mu.Unlock()
	for _, m := range slices.Concat(a.held, fresh) {
		keep[m.SHA256] = true
	}
	_, err = k.media.Collect(keep, bytesOf(fresh))
	return err
}

// needs says for what and when each file of a programme is needed.
func (k *Kiosk) needs(cat *playlist.Catalogue) map[playlist.Hash]local.File {
	out := map[playlist.Hash]local.File{}
	add := func(h playlist.Hash, class local.Class, due time.Time) {
		f, ok := out[h]
		if h == "" || ok && (f.Class < class || f.Class == class && (due.IsZero() || !f.Due.IsZero() && !due.Before(f.Due))) {
			return
		}
		out[h] = local.File{Class: class, Due: due}
	}
	item := func(id playlist.ID, class local.Class, due time.Time) {
		for _, v := range cat.Versions[id] {
			if shown(v) {
				for _, h := range v.Files() {
					add(h, class, due)
				}
			}
		}
	}
	list := func(id playlist.ID, class local.Class, due time.Time) {
		for _, e := range cat.Flatten(id) {
			item(e.Item, class, due)
		}
	}
	for id := range cat.Playlists {
		list(id, local.Later, time.Time{})
	}
	for _, m := range cat.Mandatory {
		item(m.Item, local.Fallback, time.Time{})
	}
	for _, n := range cat.Notices {
		add(n.Sound, local.Fallback, time.Time{})
	}
	for _, l := range cat.Layouts {
		for _, z := range l.Zones {
			add(z.Source.Media, local.Fallback, time.Time{})
			list(z.Source.Playlist, local.Fallback, time.Time{})
		}
	}
	k.mu.Lock()
	mine := k.displays()
	k.mu.Unlock()
	planner := &plan.Planner{Catalogue: cat, Files: all{k.media}}
	for _, d := range mine {
		for _, l := range playlist.Layers {
			list(cat.DefaultOf(d, l), local.Fallback, time.Time{})
			k.today(planner, d, l, func(id playlist.ID, at time.Time) { list(id, local.Today, at) })
		}
	}
	return out
}

// today calls list for every list that plays on a layer within the horizon.
func (k *Kiosk) today(p *plan.Planner, d playlist.Display, l playlist.Layer, list func(playlist.ID, time.Time)) {
	trusted, _ := k.clock.Trusted()
	from := k.clock.Now()
	for at, n := from, 0; n < maxBoundaries; n++ {
		dec := p.Decide(d, l, Moment{At: at, Trusted: trusted}, false)
		if dec.Answer.Winner != nil {
			list(dec.Playlist, at)
		}
		if dec.Next == nil || dec.Next.Sub(from) > horizon || !dec.Next.After(at) {
			return
		}
		at = *dec.Next
	}
}

// Late is a file that will not be here when it is due.
type Late struct {
	SHA256 playlist.Hash `json:"sha256"`
	Due    time.Time     `json:"due"`
	Comes  time.Time     `json:"comes,omitzero"` // zero: nobody knows
}

// foresee tells staff before it happens, while a stick can still be sent.
func (k *Kiosk) foresee(files []local.File) {
	k.fetch.mu.Lock()
	goodput := k.fetch.last.Goodput
	k.fetch.mu.Unlock()
	text := ""
	if l := late(files, goodput, k.clock.Now()); len(l) > 0 {
		text = fmt.Sprintf("%d files will not be here when they are due; the first at %s: send a stick", len(l), l[0].Due.UTC().Format(time.RFC3339))
	}
	k.problem("files in time", text)
}

// late foresees, by the speed of the last files, which will not come in time.
func late(files []local.File, goodput float64, now time.Time) (out []Late) {
	var before int64
	for _, f := range files {
		before += f.Bytes
		if f.Due.IsZero() {
			continue
		}
		if goodput <= 0 {
			if !f.Due.After(now.Add(time.Hour)) {
				out = append(out, Late{f.SHA256, f.Due, time.Time{}})
			}
			continue
		}
		if comes := now.Add(time.Duration(float64(before) / goodput * float64(time.Second))); comes.After(f.Due) {
			out = append(out, Late{f.SHA256, f.Due, comes})
		}
	}
	return out
}
