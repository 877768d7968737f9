// Package touch is the library that travellers browse by touch: gate information,
// news, films, texts, search. It shows what kiosk says is in force, keeps nothing of
// whoever uses it, and opens nothing outside.
package touch

import (
	"context"
	"errors"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"

	"cotmoc/internal/corner"
	"cotmoc/internal/words"
	"cotmoc/playlist"
	"cotmoc/ui/text"
	uitheme "cotmoc/ui/theme"
	"cotmoc/ui/touch/library"
)

// Count is something that is counted, without any identity.
type Count struct {
	What     string            `json:"what"` // visit, item, language, missing: a search that found nothing
	Item     playlist.ID       `json:"item,omitempty"`
	Language playlist.Language `json:"language,omitempty"`
}

// Host is what the library asks of whoever runs it. Its methods are called by Fyne's
// goroutine and must return at once.
type Host interface {
	Idle()  // the visit is over: the stage comes back
	Wiped() // and nothing of it is left
	Counted(Count)
	Sound(path string, from time.Duration, speed float64) // begins to be heard SoundLead from now; "" ends it
	Volume(level float64)                                 // 0 to 1, within what the place allows
	Staff(corner.Order)                                   // answered by Told
}

// Options of an App.
type Options struct {
	Dir    string // the kiosk's data folder, read only
	Now    func() time.Time
	Idle   time.Duration // a visit's end; 0: DefaultIdle
	Finger float32       // 20 mm in Fyne's units, by the configured panel; at least 56 is used
	Host   Host

	// Scratch is a folder for what the machine reads aloud, while it does; "": it reads
	// nothing.
	Scratch string

	// Pointer returns where the finger is, in Fyne's units; without it Fyne's own word
	// is taken, which may be of the touch before.
	Pointer func() (fyne.Position, bool)

	// Seen is told what the screen shows whenever that changes; nil: nobody asks.
	Seen func(Seen)

	// Do has something done by Fyne's goroutine; without it fyne.Do.
	Do func(func())
}

// App is the library on one window. All methods are for Fyne's goroutine.
type App struct {
	o       Options
	theme   *uitheme.Theme
	glass   *glass
	dressed *look // the theme's
	root    *fyne.Container
	size    fyne.Size
	lib     *library.Library
	choice  library.Choice
	visit   visit
	idle    idle
	active  bool // somebody visits
	pane    *pane
	film    *film
	level   float64 // volume
	warned  int     // seconds that the warning shows
	said    string
	sign    sign
	staff   *staff // nil: nobody of the staff is here
	seen    int    // screens that were told
}

// New makes the library. It shows an empty home until it is told what is in force.
func New(o Options) (*App, error) {
	th, err := uitheme.New()
	if err != nil {
		return nil, err
	}
	if o.Idle == 0 {
		o.Idle = DefaultIdle
	}
	o.Finger = max(o.Finger, 56)
	if o.Do == nil {
		o.Do = fyne.Do
	}
	lib, err := library.Open(context.Background(), o.Dir, library.Choice{})
	if err := errors.Join(err, clearSpoken(o.Scratch)); err != nil {
		return nil, err
	}
	a := &App{o: o, theme: th, lib: lib, root: container.New(screen{}), idle: idle{after: o.Idle}, level: firstLevel}
	a.glass = newGlass(a)
	a.visit = newVisit(a.first())
	return a, nil
}

// first is the language that a visit begins with.
func (a *App) first() playlist.Language { return a.lib.Languages[0] }

// Show gives the app the size of its window and returns what the window shows.
func (a *App) Show(size fyne.Size) fyne.CanvasObject {
	a.size = size
	a.build()
	return a.root
}

// Use takes what is in force from now on, in place of the library before, which is
// closed. A visitor stays where they are; an item that was taken back while they looked
// at it closes, with a word of why.
func (a *App) Use(lib *library.Library, c library.Choice) error {
	old := a.lib
	a.lib, a.choice = lib, c
	if !a.active {
		a.visit = newVisit(a.first())
	}
	for i, p := range a.visit.pages {
		if _, ok := lib.Find(p.item, a.now()); p.kind == itemPage && !ok {
			if i == len(a.visit.pages)-1 {
				a.said = words.In(a.word(), "withdrawn")
			}
			a.stop()
			a.visit.pages = a.visit.pages[:i]
			break
		}
	}
	a.build()
	return old.Close()
}

func (a *App) now() library.Now { return library.Now{At: a.o.Now(), Trusted: a.choice.Trusted} }

// word is the language of the screen's own words: the visitor's, or where that has
// none of its own the place's first that has.
func (a *App) word() string {
	if a.staff != nil {
		return a.staff.lang
	}
	if words.Has(string(a.visit.lang)) {
		return string(a.visit.lang)
	}
	for _, l := range a.lib.Languages {
		if words.Has(string(l)) {
			return string(l)
		}
	}
	return string(playlist.Vietnamese)
}

// Home begins a visit.
func (a *App) Home() {
	if a.active {
		return
	}
	a.active = true
	a.idle.touched(a.o.Now())
	a.o.Host.Counted(Count{What: "visit"})
	a.build()
}

// Speak lets the visit go on in a language.
func (a *App) Speak(l playlist.Language) {
	a.speak(l)
	a.build()
}

// First is the id of an item with words, for pictures of an opened one; "home" where
// there is none.
func (a *App) First() string {
	for _, s := range []library.Shelf{library.Read, library.News} {
		if all := a.lib.On(s, a.visit.lang, a.now(), 1); len(all) > 0 {
			return string(all[0].ID)
		}
	}
	return "home"
}

// Visit opens a page: home, cross, search, or an item by its id.
func (a *App) Visit(name string) {
	a.toHome()
	switch name {
	case "home":
	case "cross":
		a.open(page{kind: crossPage})
	case "search":
		a.find()
	default:
		a.open(page{kind: itemPage, item: playlist.ID(name)})
	}
	a.build()
}

// Wipe forgets the visit.
func (a *App) Wipe() {
	a.stop()
	a.active, a.said, a.warned, a.staff = false, "", 0, nil
	a.glass.release()
	a.level = firstLevel
	a.visit = newVisit(a.first())
	a.idle = idle{after: a.o.Idle, last: a.o.Now()}
	a.build()
	a.o.Host.Wiped()
}

// touch notes that somebody is there.
func (a *App) touch() {
	a.idle.touched(a.o.Now())
	a.Home() // on a display for touch alone nobody else says that somebody came
	if a.warned > 0 {
		a.warned = 0
		a.build()
	}
}

// Tick looks at the clock; it is to be called some times a second.
func (a *App) Tick() {
	if !a.active {
		return
	}
	now := a.o.Now()
	if a.idle.left(now) <= 0 {
		a.o.Host.Idle()
		a.Wipe()
		return
	}
	a.tickStaff()
	if n := a.idle.warns(now); n != a.warned {
		a.warned = n
		a.build()
	}
}

// do wraps what a touch does.
func (a *App) do(f func()) func() {
	return func() {
		a.touch()
		a.said = ""
		f()
		a.build()
	}
}

// open goes to another page, keeping where this one was.
func (a *App) open(p page) {
	a.keep()
	a.stop()
	a.visit.open(p)
}

func (a *App) keep() {
	if a.pane != nil {
		a.visit.here().offset = a.pane.part()
	}
}

// build makes the screen anew.
func (a *App) build() {
	if a.size.Width == 0 {
		return
	}
	a.pane = nil
	old := a.root.Objects
	a.dress()
	all := []fyne.CanvasObject{canvas.NewRectangle(theme.Color(theme.ColorNameBackground)), a.frame()}
	if a.warned > 0 {
		all = append(all, a.warning())
	}
	a.root.Objects = append(all, a.glass)
	a.root.Refresh()
	for _, o := range old {
		release(o)
	}
	if a.pane != nil {
		a.pane.to(a.visit.here().offset * a.pane.span())
	}
	a.tell()
}

// look is what the theme depends on.
type look struct {
	step     int
	contrast bool
}

// dress sets the theme, if it is another one. Fyne measures what the window shows at once:
// the page of before, in letters that it was not made for, must not be there.
func (a *App) dress() {
	now := look{a.visit.step, a.visit.contrast}
	app := fyne.CurrentApp()
	if app == nil || a.dressed != nil && *a.dressed == now {
		return
	}
	a.root.Objects = nil
	app.Settings().SetTheme(a.theme.With(now.step, now.contrast))
	a.dressed = &now
}

// release gives back the pictures of what was on the screen.
func release(o fyne.CanvasObject) {
	switch o := o.(type) {
	case *text.Block:
		o.Release()
	case *canvas.Image:
		canvas.Refresh(o)
	case *tile:
		release(o.inside)
	case *pane:
		release(o.scroll.Content)
	case *fyne.Container:
		for _, c := range o.Objects {
			release(c)
		}
	}
}

// stage is what lies under the glass: the uppermost page.
func (a *App) stage() fyne.CanvasObject { return a.root.Objects[len(a.root.Objects)-2] }

func (a *App) portrait() bool { return a.size.Height > a.size.Width }

// block makes text in the visitor's language, or in the language given.
func (a *App) block(lang, s string, size fyne.ThemeSizeName, colour fyne.ThemeColorName, bold bool) *text.Block {
	b := text.New(lang, s)
	b.TextSize, b.Colour, b.Bold = size, colour, bold
	return b
}

// say makes one of the screen's own words.
func (a *App) say(key string, size fyne.ThemeSizeName, pairs ...string) *text.Block {
	return a.block(a.word(), words.In(a.word(), key, pairs...), size, "", false)
}
