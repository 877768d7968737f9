package desk

import (
	"fmt"
	"slices"
	"strings"

	"cotmoc/hub/edition"
	"cotmoc/hub/feed"
	"cotmoc/hub/server/central"
	"cotmoc/playlist"
)

// A publication is checked by the code by which kiosks join scopes, and only for what is
// the scope's own to keep whole. What other offices' rows lack is told and hinders nobody.

// checked is what a check found that does not refuse a publication.
type checked struct {
	held   []Held // of the scope: as it was before, without what others took away
	others []Held
}

// maxTold bounds how much of a check is told.
const maxTold = 100

// checks checks the scopes that are published together.
type checks struct {
	*tx
	fresh map[playlist.ID]gathered
	force bool

	whole *playlist.Catalogue // all scopes joined, where no row was dropped; else nil
	top   playlist.Rows       // the ministry's, with it
}

// manyScopes is from how many scopes on all are joined first: what holds together in the
// whole country need not be joined once more for each province.
const manyScopes = 4

// checks checks each of the scopes, and fails with the first that is refused.
func (t *tx) checks(scopes []playlist.ID, fresh map[playlist.ID]gathered, force bool) (map[playlist.ID]checked, error) {
	c := &checks{tx: t, fresh: fresh, force: force}
	if len(scopes) >= manyScopes {
		all, err := t.heldBeside(t.tree.root, fresh)
		if err != nil {
			return nil, err
		}
		if whole, _, dropped, err := edition.Union(t.tree.root, all); err == nil && len(dropped) == 0 {
			c.whole, c.top = whole, all[0].Rows
		}
	}
	out := map[playlist.ID]checked{}
	for _, scope := range scopes {
		one, err := c.check(scope)
		if err != nil {
			return nil, err
		}
		out[scope] = one
	}
	return out, nil
}

// check joins a scope's new rows with what its kiosks hold beside it. A row that is new or
// changed and would not count is refused; one that others' acts have left without what it
// names is told of.
func (c *checks) check(scope playlist.ID) (checked, error) {
	var out checked
	if c.whole != nil && (scope == c.tree.root || standsAlone(c.fresh[scope].rows, c.top)) {
		return out, c.fits(scope, c.whole, c.force, &out)
	}
	scopes, err := c.heldBeside(scope, c.fresh)
	if err != nil {
		return out, err
	}
	joined, _, dropped, err := edition.Union(c.tree.root, scopes)
	if err != nil {
		return out, &playlist.Error{Code: playlist.CodeInvalid, Where: "publish", Detail: "the edition would not be whole: " + err.Error()}
	}
	isNew := map[string]bool{}
	if slices.ContainsFunc(dropped, func(d edition.Dropped) bool { return d.Scope == scope }) {
		if isNew, err = c.newRows(scope, c.fresh[scope].rows); err != nil {
			return out, err
		}
	}
	var bad []string
	for _, d := range dropped {
		kind, id, _ := strings.Cut(d.Row, " ")
		told := Held{Kind: central.Kind(kind), ID: playlist.ID(id), Why: d.Why, Scope: d.Scope}
		switch name, _, _ := strings.Cut(d.Row, ":"); {
		case d.Scope != scope && len(out.others) < maxTold:
			out.others = append(out.others, told)
		case d.Scope != scope:
		case isNew[name]:
			bad = append(bad, d.Row+": "+d.Why)
		case len(out.held) < maxTold:
			out.held = append(out.held, told)
		}
	}
	if len(bad) > 0 {
		return out, &playlist.Error{Code: playlist.CodeInvalid, Where: "publish",
			Detail: "the edition would not be whole; what it names of another scope must be published with it or before: " + strings.Join(bad[:min(len(bad), 20)], "; ")}
	}
	return out, c.fits(scope, joined, c.force, &out)
}

// heldBeside are the scopes that a scope's kiosks hold, its new rows among them: the
// ministry's first; all of them for the ministry.
func (t *tx) heldBeside(scope playlist.ID, fresh map[playlist.ID]gathered) ([]edition.Scoped, error) {
	rowsOf := func(id playlist.ID) (playlist.Rows, error) {
		if g, ok := fresh[id]; ok {
			return g.rows, nil
		}
		return publishedRows(t.ctx, t, id)
	}
	top, err := rowsOf(t.tree.root)
	if err != nil {
		return nil, err
	}
	if len(top.Places) == 0 {
		return nil, &playlist.Error{Code: playlist.CodeRefused, Where: "publish", Detail: "the ministry has published nothing yet: its edition, which names the provinces, comes first"}
	}
	out := []edition.Scoped{{Scope: t.tree.root, Rows: top}}
	if scope != t.tree.root {
		own := fresh[scope].rows
		out = append(out, edition.Scoped{Scope: scope, Rows: own})
		for _, other := range t.leansOn(own, top) {
			rows, err := rowsOf(other)
			if err != nil {
				return nil, err
			}
			out = append(out, edition.Scoped{Scope: other, Rows: rows})
		}
		return out, nil
	}
	for _, id := range t.tree.scopes() {
		if id == t.tree.root {
			continue
		}
		rows, err := rowsOf(id)
		if err != nil {
			return nil, err
		}
		out = append(out, edition.Scoped{Scope: id, Rows: rows})
	}
	return out, nil
}

// leansOn lists the other provinces whose rows a scope's rows name: content that a place
// brought along when it moved.
func (t *tx) leansOn(own, top playlist.Rows) (out []playlist.ID) {
	known := idsOf(own)
	known.addAll(idsOf(top))
	for name := range namedBy(own) {
		if known[name] {
			continue
		}
		doc, err := t.Get(t.ctx, name.kind, name.id)
		if err != nil {
			continue // the check says what is missing
		}
		if s := t.tree.scope(doc.Owner); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return out
}

// newRows names the rows that differ from the scope's newest edition, as Union names them.
func (t *tx) newRows(scope playlist.ID, rows playlist.Rows) (map[string]bool, error) {
	old, err := publishedRows(t.ctx, t, scope)
	if err != nil {
		return nil, err
	}
	before, err1 := edition.List(old)
	now, err2 := edition.List(rows)
	if err1 != nil || err2 != nil {
		return nil, fmt.Errorf("publish: %w", firstOf(err1, err2))
	}
	was := map[string]string{}
	for _, r := range before {
		was[edition.NameOf(r)] = string(r.Row)
	}
	out := map[string]bool{}
	for _, r := range now {
		if name := edition.NameOf(r); was[name] != string(r.Row) {
			out[name] = true
		}
	}
	return out, nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// fits checks the disks of the scope's own displays; others' are told of.
func (t *tx) fits(scope playlist.ID, c *playlist.Catalogue, force bool, out *checked) error {
	for _, id := range c.DisplayOrder {
		d := c.Displays[id]
		if d.QuotaMB == 0 {
			continue
		}
		need := bytesOf(c, d)
		if need <= int64(d.QuotaMB)*1e6 {
			continue
		}
		why := fmt.Sprintf("display %s must hold %d MB and may keep %d MB", id, need/1e6, d.QuotaMB)
		switch of := t.tree.scope(d.Place); {
		case of != scope && scope != t.tree.root && of != t.tree.root: // its kiosks do not hold that one's
		case of != scope:
			out.others = append(out.others, Held{Kind: central.Displays, ID: id, Why: why, Scope: of})
		case !force:
			return &playlist.Error{Code: playlist.CodeRefused, Where: "publish", Detail: why}
		}
	}
	return nil
}

// carryOver keeps, in a scope's new edition, what its last one held of places that have
// moved to another scope, until that one's signed edition has them: in between they would
// be in none, and their machines would show nothing.
func (t *tx) carryOver(scope playlist.ID, rows *playlist.Rows) error {
	old, err := publishedRows(t.ctx, t, scope)
	if err != nil {
		return err
	}
	leaving, err := t.leaving(scope, old)
	if err != nil || len(leaving) == 0 {
		return err
	}
	carry(&rows.Places, old.Places, func(p playlist.Place) bool { return leaving[p.ID] })
	carry(&rows.Displays, old.Displays, func(d playlist.Display) bool { return leaving[d.Place] })
	carry(&rows.Layouts, old.Layouts, func(l playlist.Layout) bool { return leaving[l.Owner] })
	carry(&rows.Items, old.Items, func(i playlist.Item) bool { return leaving[i.Owner] })
	carry(&rows.Playlists, old.Playlists, func(p playlist.Playlist) bool { return leaving[p.Owner] })
	carry(&rows.Schedules, old.Schedules, func(s playlist.Schedule) bool { return leaving[s.Owner] })
	carry(&rows.Mandatory, old.Mandatory, func(m playlist.Mandatory) bool { return leaving[m.Owner] })
	carry(&rows.Notices, old.Notices, func(n playlist.Notice) bool { return leaving[n.Owner] })
	carry(&rows.Facts, old.Facts, func(f playlist.GateFact) bool { return leaving[f.Gate] })
	items := map[playlist.ID]bool{}
	for _, i := range old.Items {
		items[i.ID] = leaving[i.Owner]
	}
	withdrawn := map[playlist.ID]bool{}
	carry(&rows.Versions, old.Versions, func(v playlist.Version) bool {
		if items[v.Item] {
			doc, err := t.Get(t.ctx, central.Versions, v.ID)
			withdrawn[v.ID] = err == nil && doc.State == string(playlist.Withdrawn)
		}
		return items[v.Item]
	})
	for n, v := range rows.Versions {
		if withdrawn[v.ID] {
			rows.Versions[n] = playlist.Version{ID: v.ID, Item: v.Item, Language: v.Language, State: playlist.Withdrawn}
		}
	}
	have := map[playlist.Hash]bool{}
	for _, m := range rows.Media {
		have[m.SHA256] = true
	}
	for _, m := range old.Media { // whatever carried rows name of it; a file more is no harm
		if !have[m.SHA256] {
			rows.Media = append(rows.Media, m)
		}
	}
	return nil
}

func carry[T any](to *[]T, old []T, leaves func(T) bool) {
	for _, row := range old {
		if leaves(row) {
			*to = append(*to, row)
		}
	}
}

// leaving are the places of a scope's last edition that lie in another scope now, whose
// signed edition does not have them yet.
func (t *tx) leaving(scope playlist.ID, old playlist.Rows) (map[playlist.ID]bool, error) {
	out := map[playlist.ID]bool{}
	heads, err := t.d.heads(t.ctx, t, t.tree)
	if err != nil {
		return nil, err
	}
	for _, p := range old.Places {
		now, known := t.tree.Places[p.ID]
		if !known || t.tree.scopeOfPlace(now) == scope {
			continue
		}
		to := t.tree.scopeOfPlace(now)
		s, err := t.d.signedRows(t.ctx, t, to, heads[to])
		if err != nil {
			return nil, err
		}
		if !s.places[p.ID] {
			out[p.ID] = true
		}
	}
	merged, err := t.merged()
	if err != nil || len(merged) == 0 {
		return out, err
	}
	docs, err := t.List(t.ctx, central.Query{Kind: central.Displays})
	if err != nil {
		return nil, err
	}
	at := map[playlist.ID]playlist.ID{}
	for _, doc := range docs {
		at[doc.ID] = doc.Owner
	}
	for _, d := range old.Displays { // a place that was merged gave its displays away
		to := t.tree.scope(at[d.ID])
		if _, known := t.tree.Places[at[d.ID]]; !merged[d.Place] || !known || to == scope {
			continue
		}
		s, err := t.d.signedRows(t.ctx, t, to, heads[to])
		if err != nil {
			return nil, err
		}
		if !s.screens[d.ID] {
			out[d.Place] = true
		}
	}
	return out, nil
}

// namedElsewhere are the scopes whose signed editions hold what a scope's signed edition
// names and neither it nor the ministry's has.
func namedElsewhere(own, top *signedRows, others map[playlist.ID]*signedRows) (out []string) {
	for name := range own.names {
		if own.ids[name] || top.ids[name] {
			continue
		}
		for scope, s := range others {
			if s.ids[name] && !slices.Contains(out, string(scope)) {
				out = append(out, string(scope))
			}
		}
	}
	slices.Sort(out)
	return out
}

// readSigned keeps what is asked of a signed edition.
func (s *signedRows) readSigned(rows []feed.Row) error {
	cat, err := edition.Catalogue(rows)
	if err != nil {
		return err
	}
	s.ids, s.names = idsOf(cat), namedBy(cat)
	for name := range s.names {
		if s.ids[name] {
			delete(s.names, name)
		}
	}
	return nil
}

// merged are the places that were merged into others.
func (t *tx) merged() (map[playlist.ID]bool, error) {
	all, err := central.All[PlannedMove](t.ctx, t, central.Query{Kind: central.Moves, States: []string{string(MoveDone), string(MoveClosing)}})
	out := map[playlist.ID]bool{}
	for _, m := range all {
		if m.Merge {
			out[m.Place] = true
		}
	}
	return out, err
}
