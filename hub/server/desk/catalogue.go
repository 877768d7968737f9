package desk

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"cotmoc/hub/prepare"
	"cotmoc/hub/server/central"
	"cotmoc/playlist"
)

// gathered is the catalogue of some owners as the database has it.
type gathered struct {
	rows      playlist.Rows
	withdrawn []string
	held      []Held
}

// Held is something that is planned and not shown yet, and why.
type Held struct {
	Kind central.Kind `json:"kind"`
	ID   playlist.ID  `json:"id"`
	Why  string       `json:"why"`

	Scope playlist.ID `json:"scope,omitempty" doc:"whose row it is, where it is another's"`
}

// gatherer reads the rows of a scope, or of all. Approved versions count as
// published: that is what the next editions show.
type gatherer struct {
	ctx   context.Context
	r     central.Reader
	tree  *tree
	scope playlist.ID // empty: all
	out   gathered
	files map[playlist.Hash]bool
	*approved
}

func gather(ctx context.Context, r central.Reader, places *tree, scope playlist.ID, a *approved) (gathered, error) {
	g := &gatherer{ctx: ctx, r: r, tree: places, scope: scope, files: map[playlist.Hash]bool{}, approved: a}
	g.out.rows.Format = playlist.Format
	for _, step := range []func() error{g.places, g.content, g.planning, g.lists, g.notices, g.media} {
		if err := step(); err != nil {
			return g.out, err
		}
	}
	return g.out, nil
}

// mine says whether a row of this owner belongs to the scope.
func (g *gatherer) mine(owner playlist.ID) bool {
	return g.scope == "" || g.tree.scope(owner) == g.scope
}

func (g *gatherer) places() error {
	for id, p := range g.tree.Places {
		if g.scope == "" || g.tree.scopeOfPlace(p) == g.scope {
			g.out.rows.Places = append(g.out.rows.Places, g.tree.Places[id])
		}
	}
	slices.SortFunc(g.out.rows.Places, func(a, b playlist.Place) int { return cmp.Compare(a.ID, b.ID) })
	return nil
}

// each decodes the scope's rows of a kind.
func each[T any](g *gatherer, kind central.Kind, f func(central.Doc, T)) error {
	docs, err := g.r.List(g.ctx, central.Query{Kind: kind})
	if err != nil {
		return err
	}
	for _, d := range docs {
		if !g.mine(d.Owner) {
			continue
		}
		v, err := central.Decode[T](d)
		if err != nil {
			return err
		}
		f(d, v)
	}
	return nil
}

func (g *gatherer) planning() error {
	rows := &g.out.rows
	if err := each(g, central.Displays, func(_ central.Doc, d playlist.Display) { rows.Displays = append(rows.Displays, d) }); err != nil {
		return err
	}
	err := each(g, central.Layouts, func(_ central.Doc, l playlist.Layout) {
		l.Zones = slices.Clone(l.Zones)
		for n, z := range l.Zones {
			if z.Source.Media != "" && !g.seen[z.Source.Media] {
				g.hold(central.Layouts, l.ID, "its logo is left out: the picture is in no approved version")
				l.Zones[n].Source.Media = ""
			}
			g.need(l.Zones[n].Source.Media)
		}
		rows.Layouts = append(rows.Layouts, l)
	})
	if err != nil {
		return err
	}
	err = each(g, central.Calendars, func(_ central.Doc, c Calendar) { rows.Calendars = append(rows.Calendars, c.Calendar) })
	if err != nil {
		return err
	}
	return each(g, central.Schedules, func(_ central.Doc, s playlist.Schedule) { rows.Schedules = append(rows.Schedules, s) })
}

func (g *gatherer) need(hashes ...playlist.Hash) {
	for _, h := range hashes {
		if h != "" {
			g.files[h] = true
		}
	}
}

// content gathers items, versions and gate facts: of each what was approved.
func (g *gatherer) content() error {
	for _, i := range g.rows {
		if g.mine(i.owner) {
			g.out.rows.Items = append(g.out.rows.Items, i.row)
		}
	}
	for n, owner := range g.owners {
		v := g.versions[n]
		if !g.mine(owner) {
			continue
		}
		if g.overtaken[v.ID] {
			g.hold(central.Versions, v.ID, "it is left out: what it translates has changed in substance since")
			continue
		}
		if err := g.version(v, g.coming[turn{v.Item, v.Language}]); err != nil {
			return err
		}
	}
	return g.facts()
}

func (g *gatherer) facts() error {
	docs, err := g.r.List(g.ctx, central.Query{Kind: central.Facts})
	if err != nil {
		return err
	}
	for _, d := range docs {
		shown, err := approvedRow(g.ctx, g.r, d)
		if err != nil {
			return err
		}
		if shown == nil || !g.mine(shown.Owner) { // not where somebody wants to move it
			continue
		}
		f, err := central.Decode[playlist.GateFact](*shown)
		if err != nil {
			return err
		}
		if f.Value, err = names(f.Value); err != nil {
			return err
		}
		g.out.rows.Facts = append(g.out.rows.Facts, f)
	}
	return nil
}

func first(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (g *gatherer) version(v Version, replaced bool) error {
	switch {
	case v.State == playlist.Withdrawn: // what it was is nobody's business any more
		if g.items[v.Item] {
			g.out.rows.Versions = append(g.out.rows.Versions, playlist.Version{ID: v.ID, Item: v.Item, Language: v.Language, State: playlist.Withdrawn})
			g.out.withdrawn = append(g.out.withdrawn, string(v.ID))
		}
		return nil
	case v.State == playlist.Published && replaced:
		return nil
	case !g.items[v.Item]:
		g.hold(central.Versions, v.ID, fmt.Sprintf("its item %s is not approved: the one who approved the version wrote the item", v.Item))
		return nil
	}
	row := v.Version
	row.State = playlist.Published
	row.BaseVersion, row.MaterialChange = "", false // for staff
	var err error
	if row.Title, err = marked(row.Language, row.Title); err != nil {
		return err
	}
	if row.Summary, err = marked(row.Language, row.Summary); err != nil {
		return err
	}
	if row.Media, err = g.renditions(row.Media); err != nil {
		return err
	}
	row.Sounds = nil
	for _, s := range v.Sounds {
		made, err := g.renditions([]playlist.Hash{s.Media})
		if err != nil {
			return err
		}
		if len(made) > 0 { // a book is none
			s.Media = made[0]
			row.Sounds = append(row.Sounds, s)
		}
	}
	g.need(row.Files()...)
	g.out.rows.Versions = append(g.out.rows.Versions, row)
	return nil
}

func (g *gatherer) hold(kind central.Kind, id playlist.ID, why string) {
	g.out.held = append(g.out.held, Held{Kind: kind, ID: id, Why: why})
}

// marked gives a short text its line breaks. Wordless versions have no language.
func marked(l playlist.Language, text string) (string, error) {
	if text == "" {
		return "", nil
	}
	c, err := prepare.Display(l, text)
	return c.Display, err
}

func names(n playlist.Names) (playlist.Names, error) {
	out := playlist.Names{}
	for l, text := range n {
		var err error
		if out[l], err = marked(l, text); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// renditions replaces files by what was made of them for the screens.
func (g *gatherer) renditions(files []playlist.Hash) ([]playlist.Hash, error) {
	var out []playlist.Hash
	for _, h := range files {
		_, f, err := central.Load[File](g.ctx, g.r, central.Files, playlist.ID(h))
		if err != nil {
			return nil, err
		}
		switch {
		case f.Renditions["1080p"] != "":
			h = f.Renditions["1080p"]
		case f.Renditions["sound"] != "":
			h = f.Renditions["sound"]
		}
		switch {
		case f.Type == TypeEPUB: // its words are the version's text
		case len(f.Pages) > 0: // the document itself never leaves the hub
			out = append(out, f.Pages...)
		default:
			out = append(out, h)
		}
	}
	return out, nil
}

// lists gathers playlists and mandatory items, without what may not be shown.
func (g *gatherer) lists() error {
	err := each(g, central.Playlists, func(_ central.Doc, p playlist.Playlist) {
		var entries []playlist.Entry
		for _, e := range p.Entries {
			if e.Item != "" && !g.items[e.Item] {
				g.hold(central.Playlists, p.ID, fmt.Sprintf("item %s is left out: it is not approved", e.Item))
				continue
			}
			entries = append(entries, e)
		}
		p.Entries = entries
		g.out.rows.Playlists = append(g.out.rows.Playlists, p)
	})
	if err != nil {
		return err
	}
	return each(g, central.Mandatory, func(_ central.Doc, m playlist.Mandatory) {
		if !g.items[m.Item] {
			g.hold(central.Mandatory, m.ID, fmt.Sprintf("item %s is not approved", m.Item))
			return
		}
		g.out.rows.Mandatory = append(g.out.rows.Mandatory, m)
	})
}

func (g *gatherer) notices() error {
	var inner error
	err := each(g, central.Notices, func(_ central.Doc, n playlist.Notice) {
		bodies := map[playlist.Language]playlist.Body{}
		for l, b := range n.Bodies {
			var err1, err2 error
			b.Title, err1 = marked(l, b.Title)
			b.Text, err2 = marked(l, b.Text)
			inner = first(inner, first(err1, err2))
			bodies[l] = b
		}
		n.Bodies = bodies
		if n.Sound != "" {
			_, f, err := central.Load[File](g.ctx, g.r, central.Files, playlist.ID(n.Sound))
			inner = first(inner, err)
			switch {
			case err == nil && f.State != FileReady: // words now are better than sound later
				g.hold(central.Notices, n.ID, "it goes out without its sound, which is not ready")
				n.Sound = ""
			case f.Renditions["sound"] != "":
				n.Sound = f.Renditions["sound"]
			}
		}
		g.need(n.Sound)
		g.out.rows.Notices = append(g.out.rows.Notices, n)
	})
	return first(err, inner)
}

// media lists the files that the rows name.
func (g *gatherer) media() error {
	hashes := make([]playlist.Hash, 0, len(g.files))
	for h := range g.files {
		hashes = append(hashes, h)
	}
	slices.Sort(hashes)
	for _, h := range hashes {
		_, f, err := central.Load[File](g.ctx, g.r, central.Files, playlist.ID(h))
		if err != nil {
			return err
		}
		g.out.rows.Media = append(g.out.rows.Media, f.Media())
	}
	return nil
}
