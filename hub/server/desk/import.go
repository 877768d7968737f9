package desk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"cotmoc/hub/prepare"
	"cotmoc/hub/server/central"
	"cotmoc/internal/step"
	"cotmoc/playlist"
)

// importAtOnce is how many rows one transaction of an import takes.
const importAtOnce = 200

// Imported says what an import did.
type Imported struct {
	Created  int           `json:"created"`
	Changed  int           `json:"changed"`
	Same     int           `json:"same"`
	Versions []playlist.ID `json:"versions"` // drafts that it made
}

// importRow is one row on its way in.
type importRow struct {
	kind  central.Kind
	id    playlist.ID
	row   any
	draft *playlist.Version // a version, which becomes a draft and nothing more
	first bool              // only if it is not there: it comes once more, whole
}

// Import takes in the rows of a content folder whose files are here already.
// Rows without an owner become owner's. Versions become drafts, whatever state
// the folder says that they have: what another system approved, nobody here
// has. Doing it again changes nothing, so an import that was cut off at any
// moment is simply done again.
func (d *Desk) Import(ctx context.Context, by Caller, rows playlist.Rows, owner playlist.ID, progress func(done, total int)) (Imported, error) {
	all, err := inOrder(rows, owner)
	if err != nil {
		return Imported{}, err
	}
	var total Imported
	for from := 0; from < len(all); from += importAtOnce {
		part := all[from:min(from+importAtOnce, len(all))]
		done, err := doPrepared(ctx, d, by, "import", func(t *tx) (Imported, error) { return t.importRows(part, owner) })
		if err != nil {
			return total, err
		}
		step.At("import rows")
		total.Created, total.Changed, total.Same = total.Created+done.Created, total.Changed+done.Changed, total.Same+done.Same
		total.Versions = append(total.Versions, done.Versions...)
		if progress != nil {
			progress(from+len(part), len(all))
		}
	}
	return total, nil
}

func (t *tx) importRows(part []importRow, owner playlist.ID) (Imported, error) {
	var out Imported
	names := []string{}
	for _, r := range part {
		var err error
		before := out.Same
		if r.draft != nil {
			err = t.importVersion(*r.draft, &out)
		} else {
			err = t.importObject(r, &out)
		}
		if err != nil {
			return out, fmt.Errorf("%s %s: %w", r.kind, r.id, err)
		}
		if out.Same == before {
			names = append(names, string(r.kind)+" "+string(r.id))
		}
		if r.kind == central.Places { // rights and owners of later rows
			if t.tree, err = t.d.places(t.ctx, t.Tx); err != nil {
				return out, err
			}
		}
	}
	t.about("", "", owner)
	return out, t.detail(map[string]any{"rows": names})
}

func (t *tx) importObject(r importRow, out *Imported) error {
	raw, err := json.Marshal(r.row)
	if err != nil {
		return err
	}
	old, err := t.Get(t.ctx, r.kind, r.id)
	if err != nil && !errors.Is(err, central.ErrNotFound) {
		return err
	}
	if err == nil && r.first {
		return nil
	}
	if err == nil {
		o, err := kinds[r.kind].decode(raw)
		if err != nil {
			return err
		}
		now, err := json.Marshal(o.row)
		if err != nil {
			return err
		}
		if bytes.Equal(now, old.Body) {
			out.Same++
			return nil
		}
		out.Changed++
	} else {
		out.Created++
	}
	_, err = t.object(r.kind, r.id, old.Rev, raw)
	return err
}

// importVersion makes a draft unless the item says this already in this
// language.
func (t *tx) importVersion(v playlist.Version, out *Imported) error {
	docs, err := t.List(t.ctx, central.Query{Kind: central.Versions, Parent: v.Item, Name: string(v.Language)})
	if err != nil {
		return err
	}
	newest, latest := central.Doc{}, Version{}
	for _, doc := range docs {
		have, err := central.Decode[Version](doc)
		if err != nil {
			return err
		}
		if have.Number > latest.Number {
			newest, latest = doc, have
		}
	}
	if latest.Number > 0 && sameContent(latest.Version, v) {
		out.Same++
		return nil
	}
	switch latest.State {
	case playlist.Draft: // go on with it
		if err := t.mayWrite(v, newest.Owner); err != nil {
			return err
		}
		v.ID = latest.ID
		latest.Version, latest.Authors = v, with(latest.Authors, t.by.Account)
		latest.State = playlist.Draft
		out.Changed++
		out.Versions = append(out.Versions, v.ID)
		_, err := t.keepVersion(newest, latest)
		return err
	case playlist.InReview, playlist.Approved:
		return fmt.Errorf("its version %s is %s: %w", latest.ID, latest.State, central.ErrExists)
	}
	if v.ID == "" {
		v.ID = v.Item + ":" + playlist.ID(v.Language)
	}
	if _, err := t.Get(t.ctx, central.Versions, v.ID); err == nil {
		v.ID = NewID()
	} else if !errors.Is(err, central.ErrNotFound) {
		return err
	}
	out.Created++
	out.Versions = append(out.Versions, v.ID)
	_, err = t.createVersion(v)
	return err
}

func sameContent(a, b playlist.Version) bool {
	texts := func(v playlist.Version) [3]string {
		return [3]string{prepare.Bare(v.Title), prepare.Bare(v.Summary), prepare.Bare(v.Text)}
	}
	return texts(a) == texts(b) && slices.Equal(a.Media, b.Media) && slices.Equal(a.Captions, b.Captions) && slices.Equal(a.Sounds, b.Sounds)
}

// inOrder lists rows so that each comes after what it refers to.
func inOrder(r playlist.Rows, owner playlist.ID) ([]importRow, error) {
	var out []importRow
	add := func(kind central.Kind, id playlist.ID, row any) {
		out = append(out, importRow{kind: kind, id: id, row: row})
	}
	own := func(id *playlist.ID) {
		if *id == "" {
			*id = owner
		}
	}
	places, err := parentsFirst(r.Places)
	if err != nil {
		return nil, err
	}
	for _, x := range r.Calendars {
		add(central.Calendars, x.ID, Calendar{x, owner})
	}
	for _, x := range r.Items {
		own(&x.Owner)
		if x.Class == "" {
			x.Class = "bulletin"
		}
		add(central.Items, x.ID, x)
	}
	for _, x := range r.Versions {
		x.State = ""
		out = append(out, importRow{kind: central.Versions, id: x.ID, draft: &x})
	}
	lists, err := innerFirst(r.Playlists)
	if err != nil {
		return nil, err
	}
	for _, x := range lists {
		own(&x.Owner)
		add(central.Playlists, x.ID, x)
	}
	out = append(out, planned(r, places, owner)...)
	return append(bare(places), out...), nil
}

// planned are the rows that refer to items and playlists.
func planned(r playlist.Rows, places []playlist.Place, owner playlist.ID) []importRow {
	var out []importRow
	add := func(kind central.Kind, id playlist.ID, row any) {
		out = append(out, importRow{kind: kind, id: id, row: row})
	}
	own := func(id *playlist.ID) {
		if *id == "" {
			*id = owner
		}
	}
	for _, x := range r.Layouts {
		own(&x.Owner)
		add(central.Layouts, x.ID, x)
	}
	for _, x := range places { // once more, with their layouts and default playlists
		add(central.Places, x.ID, x)
	}
	for _, x := range r.Displays {
		add(central.Displays, x.ID, x)
	}
	for _, x := range r.Facts {
		add(central.Facts, x.ID, x)
	}
	for _, x := range r.Schedules {
		own(&x.Owner)
		add(central.Schedules, x.ID, x)
	}
	for _, x := range r.Mandatory {
		own(&x.Owner)
		if x.ID == "" {
			x.ID = x.Item
		}
		add(central.Mandatory, x.ID, x)
	}
	for _, x := range r.Notices {
		own(&x.Owner)
		add(central.Notices, x.ID, x)
	}
	return out
}

// bare are places without what they refer to, which comes later.
func bare(places []playlist.Place) []importRow {
	out := make([]importRow, 0, len(places))
	for _, p := range places {
		p.Layout, p.Defaults = "", nil
		out = append(out, importRow{kind: central.Places, id: p.ID, row: p, first: true})
	}
	return out
}

func parentsFirst(places []playlist.Place) ([]playlist.Place, error) {
	return after(places, func(p playlist.Place) playlist.ID { return p.ID }, func(p playlist.Place) []playlist.ID { return []playlist.ID{p.Parent} })
}

func innerFirst(lists []playlist.Playlist) ([]playlist.Playlist, error) {
	return after(lists, func(p playlist.Playlist) playlist.ID { return p.ID }, func(p playlist.Playlist) (out []playlist.ID) {
		for _, e := range p.Entries {
			out = append(out, e.Playlist)
		}
		return out
	})
}

// after sorts rows so that each comes after those that it names; names of rows
// that are not in the list are for others to check.
func after[T any](rows []T, id func(T) playlist.ID, needs func(T) []playlist.ID) ([]T, error) {
	at := map[playlist.ID]T{}
	for _, r := range rows {
		at[id(r)] = r
	}
	var out []T
	state := map[playlist.ID]int{} // 1: on its way, 2: done
	var visit func(r T) error
	visit = func(r T) error {
		switch state[id(r)] {
		case 1:
			return &playlist.Error{Code: playlist.CodeCycle, Where: string(id(r)), Detail: "it contains itself"}
		case 2:
			return nil
		}
		state[id(r)] = 1
		for _, n := range needs(r) {
			if other, ok := at[n]; ok {
				if err := visit(other); err != nil {
					return err
				}
			}
		}
		state[id(r)] = 2
		out = append(out, r)
		return nil
	}
	for _, r := range rows {
		if err := visit(r); err != nil {
			return nil, err
		}
	}
	return out, nil
}
