package touch

import (
	"image/color"
	"strconv"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
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
	body := container.NewBorder(a.languages(), bar, nil, nil, page)
	whole := container.New(inset{gap, gap}, body)
	free := a.free()
	if free == 0 {
		return whole
	}
	plate := canvas.NewRectangle(theme.Color(theme.ColorNameButton))
	card := a.card()
	name, lang := card.Names.In(a.visit.lang, a.lib.Languages)
	title := a.block(string(lang), name, theme.SizeNameHeadingText, "", true)
	title.Wrap = false
	return container.New(lowered{free}, whole, container.NewStack(plate, container.NewCenter(title)))
}

// free is the part of the height that is left free above what is touched. On a high
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

// languages is the bar of languages: the place's, then those in which there is
// something to hear or see; as many as two lines take.
func (a *App) languages() fyne.CanvasObject {
	all := append([]playlist.Language{}, a.lib.Languages...)
	all = append(all, a.lib.Spoken(a.now())...)
	line := container.NewHBox()
	lines := container.NewVBox(line)
	left := a.size.Width - 2*gap
	for _, l := range all {
		t := a.chip(string(l), words.LanguageName(string(l)), l == a.visit.lang, a.do(func() { a.speak(l) }))
		width := t.MinSize().Width + theme.Padding()
		if left < width {
			if len(lines.Objects) == maxLines {
				break
			}
			line, left = container.NewHBox(), a.size.Width-2*gap
			lines.Add(line)
		}
		left -= width
		line.Add(t)
	}
	lines.Add(space(gap / 2))
	return lines
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
	return container.NewVBox(space(gap/2), container.New(grid{columns: a.across(len(all)), gap: gap}, all...))
}

// across is how many of n controls stand beside each other: on a high screen words
// would be torn in a single row.
func (a *App) across(n int) int {
	if a.portrait() {
		return min(n, 3)
	}
	return n
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
	side := container.New(grid{columns: 1, gap: gap}, up, down)
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
