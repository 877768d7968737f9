package desk

import (
	"errors"
	"fmt"
	"strings"

	"cotmoc/hub/server/central"
	"cotmoc/playlist"
)

// mini gathers the small catalogue around one row: the row itself, and of what
// it refers to as much as the domain's own checks need. So a row is checked
// when it is written by the same code that checks a whole edition.
type mini struct {
	t    *tx
	rows playlist.Rows
	done map[playlist.ID]bool // playlists and places that are in rows
	had  []playlist.Hash      // files that the row names until now
	err  error
}

// checkRow checks a row in its surroundings.
func checkRow(t *tx, o object) error {
	m := &mini{t: t, rows: playlist.Rows{Format: playlist.Format}, done: map[playlist.ID]bool{}}
	if p, ok := o.row.(playlist.Place); ok {
		m.done[p.ID] = true
	}
	var err error
	if m.had, err = t.filesHad(o.row); err != nil {
		return err
	}
	o.mini(m)
	if m.err != nil {
		return m.err
	}
	_, err = playlist.NewCatalogue(m.rows)
	return err
}

// exists says whether a document is there. An empty id refers to nothing.
func (m *mini) exists(kind central.Kind, id playlist.ID) bool {
	if id == "" {
		return false
	}
	_, err := m.t.Get(m.t.ctx, kind, id)
	if errors.Is(err, central.ErrNotFound) {
		err = &playlist.Error{Code: playlist.CodeMissing, Where: string(kind), Detail: fmt.Sprintf("%q does not exist", id)}
	}
	m.err = errors.Join(m.err, err)
	return err == nil
}

func (m *mini) place(ids ...playlist.ID) {
	for _, id := range ids {
		for _, p := range m.t.tree.Ancestry(id) {
			if !m.done[p.ID] {
				m.done[p.ID] = true
				m.rows.Places = append(m.rows.Places, playlist.Place{ID: p.ID, Parent: p.Parent, Kind: p.Kind, Names: p.Names})
			}
		}
	}
}

func (m *mini) layout(id playlist.ID) {
	if m.exists(central.Layouts, id) {
		l := playlist.FullLayout()
		l.ID = id
		m.rows.Layouts = append(m.rows.Layouts, l)
	}
}

func (m *mini) item(id playlist.ID) {
	if m.exists(central.Items, id) {
		m.rows.Items = append(m.rows.Items, playlist.Item{ID: id, Kind: playlist.Bulletin})
	}
}

func (m *mini) media(h playlist.Hash) {
	if h == "" || !m.exists(central.Files, playlist.ID(h)) {
		return
	}
	doc, f, err := central.Load[File](m.t.ctx, m.t, central.Files, playlist.ID(h))
	if err == nil {
		err = m.t.mayTake(doc, f, m.had)
	}
	if m.err = errors.Join(m.err, err); err == nil {
		m.rows.Media = append(m.rows.Media, playlist.Media{SHA256: h})
	}
}

// filesHad are the files that a layout or a notice names until now.
func (t *tx) filesHad(row any) (out []playlist.Hash, err error) {
	switch row := row.(type) {
	case playlist.Layout:
		_, old, err := central.Load[playlist.Layout](t.ctx, t, central.Layouts, row.ID)
		for _, z := range old.Zones {
			out = append(out, z.Source.Media)
		}
		return out, unlessMissing(err)
	case playlist.Notice:
		_, old, err := central.Load[playlist.Notice](t.ctx, t, central.Notices, row.ID)
		return []playlist.Hash{old.Sound}, unlessMissing(err)
	}
	return nil, nil
}

func unlessMissing(err error) error {
	if errors.Is(err, central.ErrNotFound) {
		return nil
	}
	return err
}

func (m *mini) displays(ids []playlist.ID) {
	for _, id := range ids {
		_, d, err := central.Load[playlist.Display](m.t.ctx, m.t, central.Displays, id)
		if errors.Is(err, central.ErrNotFound) {
			err = &playlist.Error{Code: playlist.CodeMissing, Where: "display", Detail: fmt.Sprintf("%q does not exist", id)}
		}
		if m.err = errors.Join(m.err, err); err == nil {
			m.place(d.Place)
			m.rows.Displays = append(m.rows.Displays, playlist.Display{ID: id, Place: d.Place, Width: d.Width, Height: d.Height})
		}
	}
}

func (m *mini) calendar(exception string) {
	name, ok := strings.CutPrefix(exception, "cal:")
	if ok && m.exists(central.Calendars, playlist.ID(name)) {
		m.rows.Calendars = append(m.rows.Calendars, playlist.Calendar{ID: playlist.ID(name)})
	}
}

// playlist adds a playlist with the playlists inside it, so that a circle is
// found, and without its items.
func (m *mini) playlist(id playlist.ID) {
	if id == "" || m.done[id] {
		return
	}
	m.done[id] = true
	if !m.exists(central.Playlists, id) {
		return
	}
	_, p, err := central.Load[playlist.Playlist](m.t.ctx, m.t, central.Playlists, id)
	if m.err = errors.Join(m.err, err); err != nil {
		return
	}
	bare := playlist.Playlist{ID: id}
	for _, e := range p.Entries {
		if e.Playlist != "" {
			bare.Entries = append(bare.Entries, playlist.Entry{Playlist: e.Playlist})
			m.playlist(e.Playlist)
		}
	}
	m.rows.Playlists = append(m.rows.Playlists, bare)
}

func (m *mini) entries(p playlist.Playlist) {
	seen := map[playlist.ID]bool{}
	for _, e := range p.Entries {
		if e.Item != "" && !seen[e.Item] {
			seen[e.Item] = true
			m.item(e.Item)
		}
		m.playlist(e.Playlist)
	}
}
