package touch

import (
	"time"

	"cotmoc/playlist"
	"cotmoc/ui/touch/library"
)

// pageKind is what a page shows.
type pageKind int

const (
	homePage pageKind = iota
	crossPage
	shelfPage
	itemPage
	searchPage
	aboutPage
	languagePage
	staffPage
)

// page is a place in the library that a visitor came to.
type page struct {
	kind   pageKind
	shelf  library.Shelf
	item   playlist.ID
	leaf   int     // of a document
	zoom   int     // of its pages
	offset float32 // how far it is scrolled, as a part of all of it
}

// visit is everything that is known of a visitor, and forgotten when the visit ends.
type visit struct {
	lang     playlist.Language
	step     int // size of text
	contrast bool
	low      bool // controls within reach from a chair
	query    string
	layout   int    // of the keyboard
	level    int    // of the layout
	pages    []page // the last one is shown; the first is home
}

func newVisit(lang playlist.Language) visit { return visit{lang: lang, pages: []page{{}}} }

func (v *visit) here() *page { return &v.pages[len(v.pages)-1] }

// maxPages bounds how far back a visitor can go.
const maxPages = 20

func (v *visit) open(p page) {
	if len(v.pages) == maxPages {
		v.pages = append(v.pages[:1], v.pages[2:]...)
	}
	v.pages = append(v.pages, p)
}

func (v *visit) back() {
	if len(v.pages) > 1 {
		v.pages = v.pages[:len(v.pages)-1]
	}
}

func (v *visit) home() { v.pages = v.pages[:1] }

// Times of a visit.
const (
	DefaultIdle = 60 * time.Second // without a touch
	warnFor     = 15 * time.Second // of it with a countdown
	playIdle    = 5 * time.Minute  // of a film without a touch
)

// idle says when a visit is over. A film that the visitor started is not cut off: time
// counts from its end, or from five minutes of it without a touch.
type idle struct {
	after   time.Duration
	last    time.Time // touch, or end of a film
	playing bool
}

func (i *idle) touched(now time.Time) { i.last = now }

func (i *idle) play(on bool, now time.Time) {
	if i.playing && !on {
		i.last = now
	}
	i.playing = on
}

// left is how long the visit goes on without a touch.
func (i *idle) left(now time.Time) time.Duration {
	after := i.after
	if i.playing {
		after = max(after, playIdle)
	}
	return i.last.Add(after).Sub(now)
}

// warns says how many seconds the warning counts; 0: there is none yet.
func (i *idle) warns(now time.Time) int {
	left := i.left(now)
	if left > warnFor || left <= 0 {
		return 0
	}
	return int((left + time.Second - 1) / time.Second)
}
