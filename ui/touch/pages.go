package touch

import (
	"slices"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"

	"cotmoc/internal/gate"
	"cotmoc/internal/words"
	"cotmoc/playlist"
	"cotmoc/ui/text"
	"cotmoc/ui/touch/library"
)

// title is the heading of a page: what it is, and of which gate.
func (a *App) title(key string) fyne.CanvasObject {
	b := text.NewTitle(a.word(), words.In(a.word(), key))
	return b
}

// home is where a visit begins.
func (a *App) home() fyne.CanvasObject {
	card := a.card()
	name, lang := card.Names.In(a.visit.lang, a.lib.Languages)
	class := card.Class
	if class == "" {
		class = "other"
	}
	var head []fyne.CanvasObject
	if name != "" {
		kind := a.block(a.word(), words.In(a.word(), "gate_"+class), theme.SizeNameText, theme.ColorNamePrimary, true)
		head = append(head, text.NewColumn(kind, text.NewTitle(string(lang), name)))
	}
	if card.Sample {
		head = append(head, a.block(a.word(), words.In(a.word(), "sample"), theme.SizeNameText, theme.ColorNamePrimary, true))
	}
	if !words.Has(string(a.visit.lang)) {
		head = append(head, a.block(a.word(), words.In(a.word(), "only_recordings"), theme.SizeNameText, theme.ColorNamePlaceHolder, false))
	}
	tiles := []fyne.CanvasObject{a.crossTile(card)}
	for _, s := range []struct {
		key   string
		shelf library.Shelf
	}{{"news", library.News}, {"watch", library.Watch}, {"read", library.Read}} {
		tiles = append(tiles, a.bigTile(s.key, a.newest(s.shelf), func() { a.open(page{kind: shelfPage, shelf: s.shelf}) }))
	}
	tiles = append(tiles, a.bigTile("about", a.facing(card), func() { a.open(page{kind: aboutPage}) }),
		a.bigTile("search", a.block(a.word(), words.In(a.word(), "type_here"), "", theme.ColorNamePlaceHolder, false), func() { a.find() }))
	columns := 3
	if a.portrait() {
		columns = 2
	}
	return container.NewBorder(text.NewColumn(head...), nil, nil, nil, container.New(grid{columns: columns, gap: gap}, tiles...))
}

// bigTile is one of the home page: a word, and a line of what is behind it.
func (a *App) bigTile(key string, detail *text.Block, f func()) *tile {
	b := a.say(key, theme.SizeNameSubHeadingText)
	b.Bold = true
	blocks := []*text.Block{b}
	if detail != nil {
		detail.TextSize, detail.MaxLines = theme.SizeNameText, 3
		blocks = append(blocks, detail)
	}
	t := newTile(a.do(f), blocks...)
	t.middle, t.least = false, fyne.NewSize(a.o.Finger, 3*a.o.Finger)
	return t
}

// crossTile says at once whether the gate is open.
func (a *App) crossTile(card gate.Card) *tile {
	state, word, detail := card.Status()
	now := a.block(a.word(), word, theme.SizeNameText, "", true)
	if state == gate.Unknown {
		now = a.block(a.word(), detail+": "+word, theme.SizeNameText, "", true)
		detail = ""
	}
	b := a.say("cross_here", theme.SizeNameSubHeadingText)
	b.Bold = true
	blocks := []*text.Block{b, now}
	if detail != "" {
		blocks = append(blocks, a.block(a.word(), detail, theme.SizeNameText, "", false))
	}
	t := newTile(a.do(func() { a.open(page{kind: crossPage}) }), blocks...)
	t.middle, t.least = false, fyne.NewSize(a.o.Finger, 3*a.o.Finger)
	t.fill = colours[state]
	return t
}

// colours go with a gate's state. The word says it as well: no colour says it alone.
var colours = map[gate.State]fyne.ThemeColorName{gate.Open: theme.ColorNameSuccess, gate.Closed: theme.ColorNameError, gate.Unknown: theme.ColorNameWarning}

// plate is the ground of something that cannot be touched.
func (a *App) plate(name fyne.ThemeColorName) *canvas.Rectangle {
	p := canvas.NewRectangle(theme.Color(name))
	p.CornerRadius = 14
	if a.visit.contrast {
		p.StrokeColor, p.StrokeWidth = theme.Color(theme.ColorNamePrimary), 2
	}
	return p
}

// newest is the first title of a shelf.
func (a *App) newest(s library.Shelf) *text.Block {
	all := a.lib.On(s, a.visit.lang, a.now(), 1)
	if len(all) == 0 {
		return a.block(a.word(), words.In(a.word(), "nothing_here"), "", theme.ColorNamePlaceHolder, false)
	}
	v, _ := all[0].In(a.visit.lang, a.lib.Languages)
	if v.Title == "" {
		return a.block(a.word(), words.In(a.word(), "kind_"+string(all[0].Kind)), "", theme.ColorNamePlaceHolder, false)
	}
	return a.block(string(v.Language), v.Title, "", theme.ColorNamePlaceHolder, false)
}

func (a *App) facing(card gate.Card) *text.Block {
	if n := card.Neighbour; n != nil {
		if o, l := n.Gate.In(a.visit.lang, a.lib.Languages); o != "" {
			return a.block(string(l), words.In(a.word(), "opposite")+": "+o, "", theme.ColorNamePlaceHolder, false)
		}
	}
	return nil
}

// cross answers whether, when and with what papers this gate can be crossed.
func (a *App) cross() fyne.CanvasObject {
	card := a.card()
	state, word, detail := card.Status()
	says := []fyne.CanvasObject{a.block(a.word(), word, theme.SizeNameHeadingText, "", true), a.block(a.word(), detail, theme.SizeNameSubHeadingText, "", false)}
	if state == gate.Unknown { // the question first, then the advice
		slices.Reverse(says)
	}
	status := container.NewStack(a.plate(colours[state]), container.NewPadded(text.NewColumn(says...)))
	all := []fyne.CanvasObject{a.title("cross_here"), status}
	if card.Trusted {
		all = append(all, a.clocks(card))
	}
	for _, r := range gate.Rows {
		all = append(all, a.factRow(card, r)...)
	}
	if note := card.SourceNote(); note != "" {
		all = append(all, a.block(a.word(), note, theme.SizeNameCaptionText, theme.ColorNamePlaceHolder, false))
	}
	return text.NewColumn(all...)
}

// clocks shows both sides' time.
func (a *App) clocks(card gate.Card) fyne.CanvasObject {
	var all []fyne.CanvasObject
	for _, z := range card.Zones() {
		t := gate.At(card.Now, z[1])
		label := a.block(a.word(), words.In(a.word(), z[0]), theme.SizeNameText, theme.ColorNamePrimary, true)
		digits := a.block("en", t.Format("15:04"), theme.SizeNameHeadingText, "", true)
		date := a.block(a.word(), words.Weekday(a.word(), t.Weekday())+" · "+words.Date(a.word(), t), theme.SizeNameText, theme.ColorNamePlaceHolder, false)
		for _, b := range []*text.Block{label, digits, date} {
			b.Centre = true
		}
		plate := a.plate(theme.ColorNameButton)
		all = append(all, container.NewStack(plate, container.NewPadded(text.NewColumn(label, digits, date))))
	}
	return container.New(grid{columns: len(all), gap: gap}, all...)
}

// factRow is all that is known of one kind: by kind of traveller where that differs.
func (a *App) factRow(card gate.Card, r gate.Row) []fyne.CanvasObject {
	rule := canvas.NewRectangle(theme.Color(theme.ColorNameButton))
	rule.SetMinSize(fyne.NewSize(1, 2))
	out := []fyne.CanvasObject{rule, a.block(a.word(), words.In(a.word(), r.Key), theme.SizeNameText, theme.ColorNamePrimary, true)}
	known := false
	for _, f := range card.Facts {
		if f.Kind != r.Kind || card.Trusted && !f.ValidAt(card.Now) {
			continue
		}
		known = true
		if f.Traveller != "" {
			out = append(out, a.block(a.word(), f.Traveller, theme.SizeNameText, "", true))
		}
		value, lang, ok := card.ValueOf(f)
		colour := theme.ColorNameForeground
		if !ok {
			colour = theme.ColorNamePlaceHolder
		}
		if len(f.Hours) == 0 || !ok || len(f.Value) > 0 {
			out = append(out, a.block(string(lang), value, theme.SizeNameSubHeadingText, colour, false))
		}
		if ok {
			out = append(out, a.hours(card, f)...)
		}
	}
	if !known {
		out = append(out, a.block(a.word(), words.In(a.word(), "ask"), theme.SizeNameSubHeadingText, theme.ColorNamePlaceHolder, false))
	}
	return out
}

// hours lists each side's hours by day, today's exceptions first.
func (a *App) hours(card gate.Card, f playlist.GateFact) (out []fyne.CanvasObject) {
	for _, s := range f.Hours {
		key := "side_vietnam"
		if s.Side != "vietnam" {
			key = "side_neighbour"
		}
		here := gate.At(card.Now, s.Zone)
		var lines []string
		if card.Trusted {
			for _, e := range s.Exceptions {
				if days := e.Date.UTC().Sub(playlist.DateOf(here).UTC()) / (24 * time.Hour); days < 0 || days > 7 {
					continue
				}
				day := words.Date(a.word(), e.Date.UTC())
				if e.Date == playlist.DateOf(here) {
					day = words.In(a.word(), "today") + ", " + day
				}
				reason, _ := e.Reason.In(a.visit.lang, a.lib.Languages)
				lines = append(lines, strings.TrimRight(day+": "+a.spans(e.Hours, false)+" · "+reason, " ·"))
			}
		}
		lines = append(lines, a.spans(s.Weekly, true))
		out = append(out, a.block(a.word(), words.In(a.word(), key), theme.SizeNameText, theme.ColorNamePlaceHolder, true))
		for _, l := range lines {
			out = append(out, a.block(a.word(), l, theme.SizeNameSubHeadingText, "", false))
		}
	}
	return out
}

func (a *App) spans(hours []playlist.DayHours, days bool) string {
	if len(hours) == 0 {
		return words.In(a.word(), "closed_all_day")
	}
	var parts []string
	for _, h := range hours {
		s := h.Open.String() + "–" + h.Close.String()
		if days {
			s = gate.DaysText(a.word(), h.Days) + " " + s
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, ", ")
}

// about tells of the place itself, and offers what staff put on its shelf.
func (a *App) about() fyne.CanvasObject {
	card := a.card()
	name, lang := card.Names.In(a.visit.lang, a.lib.Languages)
	all := []fyne.CanvasObject{a.title("about"), text.NewTitle(string(lang), name)}
	line := func(key, s string, lang playlist.Language) {
		if s != "" {
			all = append(all, a.block(a.word(), words.In(a.word(), key), theme.SizeNameText, theme.ColorNamePrimary, true),
				a.block(string(lang), s, theme.SizeNameSubHeadingText, "", false))
		}
	}
	p, l := card.Province.In(a.visit.lang, a.lib.Languages)
	line("province", p, l)
	if n := card.Neighbour; n != nil {
		o, l := n.Gate.In(a.visit.lang, a.lib.Languages)
		country, _ := n.Names.In(a.visit.lang, a.lib.Languages)
		line("opposite", strings.Trim(o+", "+country, ", "), l)
	}
	for _, h := range a.lib.Place.History {
		line("formerly", h.What+" ("+words.Date(a.word(), h.On.UTC())+")", playlist.Vietnamese)
	}
	return text.NewColumn(append(all, a.rows(a.lib.On(library.About, a.visit.lang, a.now(), maxRows))...)...)
}

// shelf lists what lies on a shelf.
func (a *App) shelf(p page) fyne.CanvasObject {
	all := []fyne.CanvasObject{a.title(string(p.shelf))}
	rows := a.rows(a.lib.On(p.shelf, a.visit.lang, a.now(), maxRows))
	if len(rows) == 0 {
		rows = append(rows, a.say("nothing_here", theme.SizeNameSubHeadingText))
	}
	return text.NewColumn(append(all, rows...)...)
}

// maxRows bounds how many rows a page makes: more are found by search.
const maxRows = 200

// rows makes a tile for each entry: title, summary, kind, and the language where it is
// not the visitor's.
func (a *App) rows(entries []library.Entry) (out []fyne.CanvasObject) {
	for _, e := range entries {
		v, fallback := e.In(a.visit.lang, a.lib.Languages)
		out = append(out, a.entryTile(e, v, fallback, v.Summary))
	}
	return out
}

func (a *App) entryTile(e library.Entry, v playlist.Version, fallback playlist.Language, detail string) *tile {
	lang := string(v.Language)
	title := v.Title
	if title == "" {
		title = words.In(a.word(), "kind_"+string(e.Kind))
		lang = a.word()
	}
	head := a.block(lang, title, theme.SizeNameSubHeadingText, "", true)
	blocks := []*text.Block{head}
	if detail != "" {
		d := a.block(string(v.Language), detail, theme.SizeNameText, theme.ColorNamePlaceHolder, false)
		d.MaxLines = 2
		d.Spans = marked(detail)
		blocks = append(blocks, d)
	}
	var notes []string
	if v.Title != "" { // else it stands there already
		notes = append(notes, words.In(a.word(), "kind_"+string(e.Kind)))
	}
	if fallback != "" {
		notes = append(notes, words.LanguageName(string(fallback)))
	}
	if len(notes) > 0 {
		blocks = append(blocks, a.block(a.word(), strings.Join(notes, " · "), theme.SizeNameCaptionText, theme.ColorNamePrimary, false))
	}
	t := newTile(a.do(func() {
		a.open(page{kind: itemPage, item: e.ID})
		a.o.Host.Counted(Count{What: "item", Item: e.ID, Language: v.Language})
	}), blocks...)
	t.least = fyne.NewSize(a.o.Finger, a.o.Finger)
	return t
}
