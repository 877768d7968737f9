package touch

import (
	"image/color"
	"slices"
	"strconv"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"

	"cotmoc/internal/gate"
	"cotmoc/internal/words"
	"cotmoc/playlist"
	"cotmoc/ui/text"
	uitheme "cotmoc/ui/theme"
)

const gap = 12

// frame is the page with the bars around it. Languages are there on every page, each
// by its own name; whoever sits has everything in the lower part.
func (a *App) frame() fyne.CanvasObject {
	if a.staff != nil {
		return a.staffFrame()
	}
	page := a.page()
	bar := a.bar()
	if a.film != nil && a.film.aloud != nil {
		bar = container.NewVBox(a.reading(), bar)
	}
	if a.visit.here().kind == searchPage { // the keyboard needs the room; back and home stand beside the field
		bar = nil
	}
	top, free := a.budget(page, bar)
	body := container.NewBorder(top, bar, nil, nil, page)
	whole := container.New(inset{gap, gap}, body)
	if free == 0 {
		return whole
	}
	plate := canvas.NewRectangle(theme.Color(theme.ColorNameButton))
	card := a.card()
	name, lang := card.Names.In(a.visit.lang, a.lib.Languages)
	title := a.block(string(lang), name, theme.SizeNameHeadingText, "", true)
	title.Centre, title.MaxLines = true, 2
	return container.New(lowered{free}, whole, container.NewStack(plate, container.New(inset{gap, gap}, container.NewVBox(layout.NewSpacer(), title, layout.NewSpacer()))))
}

// budget shares out the height: first what is touched, then what is left free above it for
// whoever sits. Languages take one line where two are too many.
func (a *App) budget(page, bar fyne.CanvasObject) (languages fyne.CanvasObject, free float32) {
	inside := fyne.NewSize(a.size.Width-2*gap, a.size.Height)
	height := func(o fyne.CanvasObject) float32 {
		if o == nil {
			return 0
		}
		o.Resize(inside) // a text's height follows its width
		return o.MinSize().Height
	}
	least := height(page) + height(bar) + 2*gap + 2*theme.Padding()
	if a.pane != nil {
		least += a.turning()
	}
	for lines := maxLines; ; lines-- {
		languages = a.languages(lines)
		left := a.size.Height - least - height(languages)
		if left < 0 && lines == 1 && a.visit.here().kind == searchPage { // the keyboard has its own languages
			return space(0), 0
		}
		if left >= 0 || lines == 1 {
			return languages, max(0, min(a.free(), left/a.size.Height))
		}
	}
}

// turning is the height of the two tiles that turn a page.
func (a *App) turning() float32 { return 2*a.chip(a.word(), "X", false, nil).MinSize().Height + gap }

// free is the part of the height that is to be left free above what is touched. On a high
// screen that brings everything within reach from a chair; a keyboard on a wide one
// stands at the bottom anyway, and needs the room.
func (a *App) free() float32 {
	switch {
	case !a.visit.low:
		return 0
	case a.portrait():
		return 0.4
	case a.visit.here().kind == searchPage:
		return 0
	}
	return 0.25
}

// chip is a tile with one word.
func (a *App) chip(lang, word string, chosen bool, tapped func()) *tile {
	label := text.NewLabel(lang, word)
	label.TextSize = theme.SizeNameText
	t := newChip(tapped, label, 16)
	t.chosen, t.least = chosen, fyne.NewSize(a.o.Finger*1.3, a.o.Finger)
	return t
}

// maxLines bounds how many lines the bar of languages takes.
const maxLines = 2

// all are the languages to choose from: the place's, then those in which there is
// something to hear or see.
func (a *App) all() []playlist.Language {
	return append(append([]playlist.Language{}, a.lib.Languages...), a.lib.Spoken(a.now())...)
}

func (a *App) language(l playlist.Language, then func()) *tile {
	return a.chip(string(l), words.LanguageName(string(l)), l == a.visit.lang, a.do(func() { a.speak(l); then() }))
}

// languages is the bar of languages, in so many lines; those that do not fit have a page of
// their own. The one that is chosen is always there.
func (a *App) languages(most int) fyne.CanvasObject {
	all := a.all()
	var chips []*tile
	for _, l := range all {
		chips = append(chips, a.language(l, func() {}))
	}
	lines, n := a.lines(chips, most, 0)
	if n < len(chips) {
		more := a.chip(a.word(), words.In(a.word(), "languages"), a.visit.here().kind == languagePage, a.do(func() {
			if a.visit.here().kind != languagePage {
				a.open(page{kind: languagePage})
			}
		}))
		if at := slices.Index(all, a.visit.lang); at >= 0 {
			chosen := chips[at]
			chips = append([]*tile{chosen}, slices.Delete(chips, at, at+1)...)
		}
		lines, _ = a.lines(chips, most, more.MinSize().Width+theme.Padding())
		last := lines.Objects[len(lines.Objects)-1].(*fyne.Container)
		last.Add(more)
	}
	lines.Add(space(gap / 2))
	return lines
}

// lines puts chips into lines, with some room kept in the last one, and says how many of
// them found a place.
func (a *App) lines(chips []*tile, most int, kept float32) (*fyne.Container, int) {
	line := container.NewHBox()
	lines := container.NewVBox(line)
	room := func() float32 {
		w := a.size.Width - 2*gap
		if len(lines.Objects) == most {
			w -= kept
		}
		return w
	}
	left := room()
	for n, t := range chips {
		width := t.MinSize().Width + theme.Padding()
		if left < width {
			if len(lines.Objects) == most {
				return lines, n
			}
			line = container.NewHBox()
			lines.Add(line)
			left = room()
			if left < width {
				return lines, n
			}
		}
		left -= width
		line.Add(t)
	}
	return lines, len(chips)
}

// tongues is the page of all languages, for when the bar has no room for them.
func (a *App) tongues() fyne.CanvasObject {
	keys := container.New(&bar{gap: gap, most: 3, width: a.size.Width - 2*gap})
	for _, l := range a.all() {
		keys.Add(a.language(l, a.visit.back))
	}
	return text.NewColumn(keys)
}

// speak changes the language and nothing else: the visitor stays where they are.
func (a *App) speak(l playlist.Language) {
	a.keep()
	if a.visit.lang != l {
		a.stop()
		a.visit.lang = l
		a.o.Host.Counted(Count{What: "language", Language: l})
	}
}

func space(h float32) fyne.CanvasObject {
	r := canvas.NewRectangle(color.Transparent)
	r.SetMinSize(fyne.NewSize(1, h))
	return r
}

// bar is the row of controls below the page, which is there already.
func (a *App) bar() fyne.CanvasObject {
	lang := a.word()
	key := func(k string, chosen bool, f func()) fyne.CanvasObject {
		b := text.New(lang, words.In(lang, k))
		b.Centre = true
		t := newTile(a.do(f), b)
		t.chosen, t.least = chosen, fyne.NewSize(a.o.Finger, a.o.Finger)
		return t
	}
	var all []fyne.CanvasObject
	if len(a.visit.pages) > 1 {
		all = append(all,
			key("back", false, a.back),
			key("home", false, a.toHome))
	} else {
		all = append(all, key("finish", false, func() { a.o.Host.Idle(); a.Wipe() }))
	}
	all = append(all, key("search", false, func() { a.find() }),
		key("text_size", a.visit.step > 0, func() { a.keep(); a.visit.step = (a.visit.step + 1) % uitheme.Steps }),
		key("contrast", a.visit.contrast, func() { a.keep(); a.visit.contrast = !a.visit.contrast }),
		key("reach", a.visit.low, func() { a.keep(); a.visit.low = !a.visit.low }))
	if words := a.readable(); words != "" {
		all = append(all, key("read_aloud", a.film != nil, func() { a.read(words) }))
	}
	return container.NewVBox(space(gap/2), a.row(all...))
}

// row lays controls out beside each other, in as many rows as their words need: none is
// torn.
func (a *App) row(all ...fyne.CanvasObject) *fyne.Container {
	most := len(all)
	if a.portrait() {
		most = min(most, 3)
	}
	return container.New(&bar{gap: gap, most: most, width: a.size.Width - 2*gap}, all...)
}

func (a *App) back() {
	a.missed()
	a.stop()
	a.visit.back()
}

func (a *App) toHome() {
	a.missed()
	a.stop()
	a.visit.home()
}

// warning covers everything: the visit ends unless somebody is still there.
func (a *App) warning() fyne.CanvasObject {
	lang := a.word()
	shade := canvas.NewRectangle(theme.Color(theme.ColorNameBackground))
	title := a.block(lang, words.In(lang, "idle_title"), theme.SizeNameHeadingText, "", true)
	count := a.block(lang, words.Count(lang, "idle_left", a.warned), theme.SizeNameSubHeadingText, "", false)
	number := a.block("en", strconv.Itoa(a.warned), theme.SizeNameHeadingText, theme.ColorNamePrimary, true)
	for _, b := range []*text.Block{title, count, number} {
		b.Centre = true
	}
	stay := a.say("stay", theme.SizeNameSubHeadingText)
	finish := a.say("finish", theme.SizeNameSubHeadingText)
	stay.Centre, finish.Centre = true, true
	yes := newTile(a.do(func() {}), stay)
	no := newTile(func() { a.o.Host.Idle(); a.Wipe() }, finish)
	yes.least, no.least = fyne.NewSize(200, 2*a.o.Finger), fyne.NewSize(200, 2*a.o.Finger)
	yes.chosen = true
	keys := container.New(grid{columns: 2, gap: 2 * gap}, yes, no)
	return container.NewStack(shade, newPane(container.New(inset{a.size.Width * 0.12, a.size.Height * 0.2},
		text.NewColumn(title, number, count, space(gap), keys)), func() {}))
}

// page is the part between the bars.
func (a *App) page() fyne.CanvasObject {
	if a.said != "" {
		note := a.block(a.word(), a.said, theme.SizeNameSubHeadingText, "", true)
		note.Centre = true
		ok := a.say("home", theme.SizeNameSubHeadingText)
		ok.Centre = true
		t := newTile(a.do(a.visit.home), ok)
		t.least = fyne.NewSize(200, a.o.Finger)
		return a.long(text.NewColumn(space(3*gap), note, space(gap), t))
	}
	switch p := a.visit.here(); p.kind {
	case crossPage:
		return a.long(a.cross())
	case shelfPage:
		return a.long(a.shelf(*p))
	case itemPage:
		return a.item(*p)
	case searchPage:
		return a.search()
	case languagePage:
		return a.long(a.tongues())
	case aboutPage:
		return a.long(a.about())
	}
	return a.long(a.home())
}

// long makes a page that may be longer than the screen: it is dragged, or moved by the
// two tiles at its side, which are there where there is more.
func (a *App) long(content fyne.CanvasObject) fyne.CanvasObject {
	up := a.chip(a.word(), words.In(a.word(), "up"), false, nil)
	down := a.chip(a.word(), words.In(a.word(), "down"), false, nil)
	up.least.Height, down.least.Height = 40, 40 // they share the height that there is
	side := container.New(pillar{gap, 100}, up, down)
	side.Hide()
	var whole *fyne.Container
	var p *pane
	p = newPane(content, func() {
		if whole == nil || p.span() <= 4 {
			return
		}
		if !side.Visible() {
			side.Show()
			whole.Refresh()
		}
		for t, on := range map[*tile]bool{up: p.part() > 0.001, down: p.part() < 0.999} {
			if t.dim == on {
				t.dim = !on
				t.Refresh()
			}
		}
	})
	a.pane = p
	up.tapped = func() { p.turn(false) }
	down.tapped = func() { p.turn(true) }
	whole = container.New(beside{gap}, p, side)
	return whole
}

func (a *App) card() gate.Card {
	n := a.now()
	return gate.Card{GateCard: a.lib.Card, Lang: playlist.Language(a.word()), Langs: a.lib.Languages, Now: n.At, Trusted: n.Trusted}
}
