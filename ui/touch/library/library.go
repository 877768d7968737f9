// Package library is what travellers may browse at a place: an edition's public
// items by shelf, in the languages that they have, as far as their files are here.
// It reads the kiosk's cached database and writes nothing.
package library

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"cotmoc/playlist"
	"cotmoc/playlist/media"
	"cotmoc/playlist/store"
)

// Shelf is a part of the library. An item lies where staff put it with its field
// shelf; one that names no shelf of these lies where its kind belongs.
type Shelf string

// The shelves.
const (
	News  Shelf = "news"
	Watch Shelf = "watch"
	Read  Shelf = "read"
	About Shelf = "about"
)

// Shelves are all, in the order of the screen.
var Shelves = []Shelf{News, Watch, Read, About}

// Now is what the library is asked with.
type Now struct {
	At      time.Time
	Trusted bool // whether At may be believed: if not, what is dated is not shown
}

// Choice is what is shown, decided by kiosk.
type Choice struct {
	Edition   string           `json:"edition"`
	Withdrawn []playlist.ID    `json:"withdrawn,omitempty"` // versions that duty officers took back
	Display   playlist.Display `json:"display"`
	Trusted   bool             `json:"trusted"` // the clock
}

// Entry is an item on a shelf.
type Entry struct {
	playlist.Item
	versions []playlist.Version
}

// Library is one edition as a place sees it. It is safe for concurrent use.
type Library struct {
	Place     playlist.Place
	Languages []playlist.Language // of the place, in order
	Card      playlist.GateCard

	dir     string
	edition *store.Edition
	index   *store.Index
	files   *media.Store
	shelves map[Shelf][]*Entry
	byID    map[playlist.ID]*Entry
}

// Open reads an edition. A library without content is no error: a machine that was
// never supplied shows its gate's name and nothing more.
func Open(ctx context.Context, dir string, c Choice) (*Library, error) {
	l := &Library{dir: dir, files: media.OpenReadOnly(filepath.Join(dir, "media")), shelves: map[Shelf][]*Entry{}, byID: map[playlist.ID]*Entry{}}
	l.Languages = []playlist.Language{playlist.Vietnamese, playlist.English}
	if c.Edition == "" {
		return l, nil
	}
	var err error
	if l.edition, err = store.OpenEdition(ctx, dir, c.Edition); err != nil {
		return nil, err
	}
	rows, err := l.edition.LibraryRows(ctx)
	if err == nil {
		err = l.fill(rows, c)
	}
	if err == nil { // without an index the library can be browsed as well
		if l.index, err = store.OpenIndex(dir, c.Edition); errors.Is(err, store.ErrNoIndex) {
			err = nil
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("library: %w", err), l.Close())
	}
	return l, nil
}

// Close closes the edition's files.
func (l *Library) Close() error {
	var errs []error
	if l.index != nil {
		errs = append(errs, l.index.Close())
	}
	if l.edition != nil {
		errs = append(errs, l.edition.Close())
	}
	return errors.Join(errs...)
}

func (l *Library) fill(rows playlist.Rows, c Choice) error {
	for i := range rows.Displays { // what they play is not the library's
		rows.Displays[i].Layout, rows.Displays[i].Defaults = "", nil
	}
	for i := range rows.Places {
		rows.Places[i].Layout, rows.Places[i].Defaults = "", nil
	}
	cat, err := playlist.NewCatalogue(playlist.Rows{Format: playlist.Format, Places: rows.Places, Facts: rows.Facts})
	if err != nil {
		return err
	}
	l.Place = cat.Places[c.Display.Place]
	if langs := cat.LanguagesOf(c.Display.Place); len(langs) > 0 {
		l.Languages = langs
	}
	l.Card = *cat.GateCard(c.Display.Place)
	gone := map[playlist.ID]bool{}
	for _, id := range c.Withdrawn {
		gone[id] = true
	}
	of := map[playlist.ID][]playlist.Version{}
	for _, v := range rows.Versions {
		if !gone[v.ID] && l.here(v) {
			of[v.Item] = append(of[v.Item], v)
		}
	}
	for _, i := range rows.Items {
		if len(of[i.ID]) == 0 || i.Kind == playlist.Fact {
			continue
		}
		e := &Entry{i, of[i.ID]}
		l.byID[i.ID] = e
		l.shelves[shelfOf(i)] = append(l.shelves[shelfOf(i)], e)
	}
	return nil
}

// here says whether all files of a version are, verified.
func (l *Library) here(v playlist.Version) bool {
	return !slices.ContainsFunc(v.Files(), func(h playlist.Hash) bool { return !l.files.Has(h) })
}

func shelfOf(i playlist.Item) Shelf {
	if s := Shelf(i.Shelf); slices.Contains(Shelves, s) {
		return s
	}
	switch i.Kind {
	case playlist.Video, playlist.Sounding, playlist.Picture:
		return Watch
	case playlist.Document, playlist.Course:
		return Read
	}
	if i.Shelf != "" { // a shelf of the staff's own naming, such as law
		return Read
	}
	return News
}

// On lists the first n of a shelf's entries that may be shown now, in the edition's order.
// Those that have a language of the visitor's come first: for a language that has
// recordings only, they are what the visitor came for.
func (l *Library) On(s Shelf, lang playlist.Language, now Now, n int) []Entry {
	var own, others []Entry
	for _, e := range l.shelves[s] {
		if len(own) == n {
			break
		}
		switch {
		case !current(e.Item, now):
		case e.has(lang):
			own = append(own, *e)
		case len(others) < n:
			others = append(others, *e)
		}
	}
	return append(own, others[:min(len(others), n-len(own))]...)
}

func current(i playlist.Item, now Now) bool {
	if !now.Trusted {
		return !i.Dated()
	}
	return i.ValidAt(now.At)
}

// Find returns an entry, if it may be shown now.
func (l *Library) Find(id playlist.ID, now Now) (Entry, bool) {
	e, ok := l.byID[id]
	if !ok {
		return Entry{}, false
	}
	return *e, current(e.Item, now)
}

func (e Entry) has(lang playlist.Language) bool {
	return slices.ContainsFunc(e.versions, func(v playlist.Version) bool { return v.Language == lang })
}

// Wordless is the language of what needs none.
const Wordless playlist.Language = "zxx"

// In returns the version to show to who reads want. fallback is its language where
// that is another one, which the screen says; wordless content needs no excuse.
func (e Entry) In(want playlist.Language, list []playlist.Language) (v playlist.Version, fallback playlist.Language) {
	lang, ok := playlist.Fallback(want, append(slices.Clone(list), Wordless), e.has)
	if !ok {
		lang = e.versions[0].Language
	}
	i := slices.IndexFunc(e.versions, func(v playlist.Version) bool { return v.Language == lang })
	if lang == want || lang == Wordless {
		return e.versions[i], ""
	}
	return e.versions[i], lang
}

// Spoken lists the languages, beside those of the place, in which something can be
// heard, seen or read here: by the first entry that has them.
func (l *Library) Spoken(now Now) (out []playlist.Language) {
	for _, s := range Shelves {
		for _, e := range l.shelves[s] {
			if !current(e.Item, now) {
				continue
			}
			for _, v := range e.versions {
				if v.Language != Wordless && !slices.Contains(out, v.Language) && !slices.Contains(l.Languages, v.Language) {
					out = append(out, v.Language)
				}
			}
		}
	}
	return out
}

// File is one file of a version, on this machine.
type File struct {
	playlist.Media
	Path string
}

// Body is a version with all that is needed to show it.
type Body struct {
	playlist.Version
	Files    []File
	Captions map[playlist.Language]File
}

// Text is what is set: with marks for breaking lines where there are any.
func (b Body) Text() string {
	if b.Display != "" {
		return b.Display
	}
	return b.Version.Text
}

// Open reads a version's body.
func (l *Library) Open(ctx context.Context, v playlist.Version) (Body, error) {
	if l.edition == nil {
		return Body{}, errors.New("library: there is no edition")
	}
	whole, err := l.edition.Version(ctx, v.ID)
	if err != nil {
		return Body{}, err
	}
	b := Body{Version: whole, Captions: map[playlist.Language]File{}}
	named, err := l.edition.MediaOf(ctx, whole.Media...)
	if err != nil {
		return b, err
	}
	for _, m := range named {
		b.Files = append(b.Files, File{m, l.files.Path(m.SHA256)})
	}
	for _, t := range whole.Captions {
		b.Captions[t.Language] = File{playlist.Media{SHA256: t.Media}, l.files.Path(t.Media)}
	}
	return b, nil
}
