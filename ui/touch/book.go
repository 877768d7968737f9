package touch

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"

	"cotmoc/internal/words"
	"cotmoc/ui/text"
	"cotmoc/ui/touch/library"
)

// wholeText is up to how many bytes a text is one page; a longer one is read by parts,
// so that opening a book takes no longer than opening a bulletin.
const wholeText = 24 << 10

// part is a piece of a long text: a chapter, or as much of one as a page holds.
type part struct {
	title string // of the chapter that begins here; "" for its continuation
	text  string
}

// parts cuts a text in Markdown at its headings of the first two levels, and at the ends
// of paragraphs where a chapter is longer than a page. Small chapters stay together.
func parts(markdown string) (out []part) {
	var now part
	flush := func() {
		if strings.TrimSpace(now.text) != "" {
			out = append(out, now)
		}
		now = part{}
	}
	for _, block := range strings.SplitAfter(markdown, "\n\n") {
		title, ok := heading(block)
		if ok && len(now.text) > wholeText/8 || len(now.text)+len(block) > wholeText {
			flush()
		}
		if ok && now.title == "" && strings.TrimSpace(now.text) == "" {
			now.title = title
		}
		now.text += block
		for len(now.text) > 2*wholeText { // one paragraph without an end
			cut := cutAt(now.text, wholeText)
			rest := now.text[cut:]
			now.text = now.text[:cut]
			flush()
			now.text = rest
		}
	}
	flush()
	return out
}

// cutAt is the last place up to n bytes where a line may end; without one it lies between
// two characters.
func cutAt(s string, n int) int {
	if cut := strings.LastIndexAny(s[:n], " \n\u200B"); cut > 0 {
		return cut
	}
	for n > 1 && !utf8.RuneStart(s[n]) {
		n--
	}
	return n
}

// heading returns the words of a block that is a heading of the first two levels.
func heading(block string) (string, bool) {
	line, _, _ := strings.Cut(strings.TrimLeft(block, "\n"), "\n")
	level := len(line) - len(strings.TrimLeft(line, "#"))
	if level < 1 || level > 2 || !strings.HasPrefix(line[level:], " ") {
		return "", false
	}
	title := strings.TrimSpace(strings.NewReplacer("\\", "", "**", "", "__", "").Replace(line[level:]))
	return title, title != ""
}

// book shows a long text by parts. Where its chapters have names the first page is the
// list of them.
func (a *App) book(p page, body library.Body, head, foot []fyne.CanvasObject) fyne.CanvasObject {
	all := parts(body.Text())
	first, named := 0, 0
	for _, c := range all {
		if c.title != "" {
			named++
		}
	}
	if named > 1 {
		first = 1
	}
	last := len(all) - 1 + first
	n := min(max(p.leaf, 0), last)
	jump := func(to int) func() {
		return func() { a.stop(); at := a.visit.here(); at.leaf, at.offset = min(max(to, 0), last), 0 }
	}
	var content fyne.CanvasObject
	if n < first {
		content = text.NewColumn(append(append(head, a.chapters(body, all, jump)...), foot...)...)
	} else {
		all := []fyne.CanvasObject{text.NewDocument(string(body.Language), all[n-first].text)}
		if n == 0 {
			all = append(head, all...)
		}
		if n == last && first == 0 {
			all = append(all, foot...)
		}
		content = text.NewColumn(all...)
	}
	number := a.block(a.word(), words.In(a.word(), "page", "n", strconv.Itoa(n+1), "m", strconv.Itoa(last+1)), theme.SizeNameText, "", true)
	number.Centre = true
	keys := []fyne.CanvasObject{a.control("previous", n == 0, jump(n-1)), container.NewCenter(number), a.control("next", n == last, jump(n+1))}
	if first > 0 {
		keys = append(keys, a.control("contents", n == 0, jump(0)))
	}
	page := a.long(content)
	return container.NewBorder(nil, container.NewVBox(space(gap/2), a.row(keys...)), nil, nil, page)
}

// chapters lists the chapters that have names.
func (a *App) chapters(body library.Body, all []part, jump func(int) func()) (out []fyne.CanvasObject) {
	for n, c := range all {
		if c.title == "" || len(out) == maxRows {
			continue
		}
		t := newTile(a.do(jump(n+1)), a.block(string(body.Language), c.title, theme.SizeNameSubHeadingText, "", false))
		t.least = fyne.NewSize(a.o.Finger, a.o.Finger)
		out = append(out, t)
	}
	return out
}

// control is a key below the page, with one of the screen's own words.
func (a *App) control(word string, idle bool, f func()) fyne.CanvasObject {
	b := a.say(word, theme.SizeNameText)
	b.Centre = true
	t := newTile(a.do(f), b)
	t.dim, t.least = idle, fyne.NewSize(a.o.Finger, a.o.Finger)
	return t
}
