package touch

import (
	"context"
	"strings"
	"unicode/utf8"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"

	"cotmoc/internal/typeset"
	"cotmoc/internal/words"
	"cotmoc/ui/text"
	"cotmoc/ui/touch/keys"
)

// maxQuery bounds what a visitor can type, in characters.
const maxQuery = 60

// find opens the page where visitors type, with the keyboard of their language.
func (a *App) find() {
	a.open(page{kind: searchPage})
	a.visit.layout, a.visit.level = keys.For(string(a.visit.lang)), 0
}

// search is the page where visitors type. Results come with each key.
func (a *App) search() fyne.CanvasObject {
	lang := keys.Layouts[a.visit.layout].Lang
	query := text.NewLabel(lang, a.visit.query+"|")
	if a.visit.query == "" {
		query = text.NewLabel(a.word(), words.In(a.word(), "type_here"))
		query.Colour = theme.ColorNamePlaceHolder
	}
	query.TextSize = theme.SizeNameSubHeadingText
	plate := canvas.NewRectangle(theme.Color(theme.ColorNameInputBackground))
	plate.CornerRadius, plate.StrokeWidth, plate.StrokeColor = 14, 2, theme.Color(theme.ColorNamePrimary)
	back := a.chip(a.word(), words.In(a.word(), "back"), false, a.do(a.back))
	home := a.chip(a.word(), words.In(a.word(), "home"), false, a.do(a.toHome))
	room := a.size.Width - 2*gap - back.MinSize().Width - home.MinSize().Width - 8*theme.Padding()
	for q := []rune(a.visit.query); len(q) > 1 && query.MinSize().Width > room; { // the end is what is being typed
		q = q[1:]
		query.Spans = []typeset.Span{{Text: "…" + string(q) + "|"}}
	}
	field := container.NewBorder(nil, nil, container.NewHBox(back, home), nil, container.NewStack(plate, container.NewPadded(query)))
	return container.NewBorder(container.NewVBox(field, space(gap/2)), a.keyboard(), nil, nil, a.long(a.results()))
}

func (a *App) results() fyne.CanvasObject {
	if strings.TrimSpace(a.visit.query) == "" {
		return text.NewColumn()
	}
	found, instead, err := a.lib.Search(context.Background(), a.visit.query, a.visit.lang, a.now())
	if err != nil || len(found) == 0 {
		return text.NewColumn(a.say("no_results", theme.SizeNameSubHeadingText))
	}
	var all []fyne.CanvasObject
	if instead != "" {
		all = append(all, a.block(a.word(), words.In(a.word(), "results_for", "q", instead), theme.SizeNameText, theme.ColorNamePlaceHolder, false))
	}
	for _, f := range found {
		detail := f.Snippet
		if detail == "" {
			detail = f.Version.Summary
		}
		fallback := f.Version.Language
		if fallback == a.visit.lang {
			fallback = ""
		}
		all = append(all, a.entryTile(f.Entry, f.Version, fallback, detail))
	}
	return text.NewColumn(all...)
}

// missed counts a search that found nothing, once, when the visitor leaves it. What was
// typed is not kept.
func (a *App) missed() {
	if a.visit.here().kind != searchPage || strings.TrimSpace(a.visit.query) == "" {
		return
	}
	found, _, err := a.lib.Search(context.Background(), a.visit.query, a.visit.lang, a.now())
	if err == nil && len(found) == 0 {
		a.o.Host.Counted(Count{What: "missing"})
	}
}

// keyboard is the one of the layout that the visitor chose.
func (a *App) keyboard() fyne.CanvasObject {
	layout := keys.Layouts[a.visit.layout]
	level := layout.Levels[a.visit.level%len(layout.Levels)]
	rows := container.NewVBox(space(gap / 2))
	for _, r := range level {
		all := container.New(grid{columns: len(strings.Fields(r)), gap: gap / 2})
		for _, k := range strings.Fields(r) {
			all.Add(a.key(layout.Lang, k, len(strings.Fields(r))))
		}
		rows.Add(all)
	}
	rows.Add(a.lastRow(layout))
	return rows
}

// key is one letter. A mark that stands alone is shown on a dotted circle.
func (a *App) key(lang, k string, ofRow int) *tile {
	shown := k
	if r, _ := utf8.DecodeRuneInString(k); combining(r) {
		shown = "\u25CC" + k
	}
	t := newChip(a.typed(func() { a.visit.query = keys.Typed(a.visit.query, k, lang) }), text.NewLabel(lang, shown), 2)
	t.least = fyne.NewSize(10, a.keyHeight())
	if wide := (a.size.Width - 2*gap - gap/2*float32(ofRow-1)) / float32(ofRow); t.narrow() > wide-4 {
		t.blocks[0].TextSize = theme.SizeNameCaptionText // it must not be cut
	}
	return t
}

// keyHeight is how high a key is: a good part of a finger, as far as all rows, the field,
// the languages and some results fit on the screen.
func (a *App) keyHeight() float32 {
	l := keys.Layouts[a.visit.layout]
	rows := len(l.Levels[a.visit.level%len(l.Levels)]) + 1
	if a.portrait() {
		rows++
	}
	left := a.size.Height*(1-a.free()) - 2*a.o.Finger - a.turning() - 5*gap
	return min(a.o.Finger*0.8, max(36, left/float32(rows)-gap/2))
}

// typed wraps what a key does: the query stays within its length.
func (a *App) typed(f func()) func() {
	return a.do(func() {
		before := a.visit.query
		if f(); utf8.RuneCountInString(a.visit.query) > maxQuery {
			a.visit.query = before
		}
		a.visit.here().offset = 0
	})
}

// lastRow has what every keyboard needs: other letters, space, delete, other scripts.
func (a *App) lastRow(layout keys.Layout) fyne.CanvasObject {
	word := func(k string, f func()) *tile {
		t := newChip(a.typed(f), text.NewLabel(a.word(), words.In(a.word(), k)), 4)
		t.least = fyne.NewSize(10, a.keyHeight())
		return t
	}
	var all, more []fyne.CanvasObject
	for n, l := range keys.Layouts {
		t := newChip(a.typed(func() { a.visit.layout, a.visit.level = n, 0 }), text.NewLabel(l.Lang, l.Name), 4)
		t.chosen = n == a.visit.layout
		t.least = fyne.NewSize(10, a.keyHeight())
		all = append(all, t)
	}
	if len(layout.Levels) > 1 {
		more = append(more, word("more", func() { a.visit.level++ }))
	}
	more = append(more, word("space", func() { a.visit.query += " " }),
		word("delete", func() { a.visit.query = shorter(a.visit.query) }))
	if a.portrait() {
		return container.NewVBox(container.New(grid{columns: len(all), gap: gap / 2}, all...), container.New(grid{columns: len(more), gap: gap / 2}, more...))
	}
	all = append(all, more...)
	return container.New(grid{columns: len(all), gap: gap / 2}, all...)
}

// shorter takes the last character away, with the marks on it.
func shorter(s string) string {
	for s != "" {
		r, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
		if !combining(r) {
			break
		}
	}
	return s
}
