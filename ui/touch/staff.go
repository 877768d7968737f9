package touch

import (
	"strconv"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"

	"cotmoc/internal/corner"
	"cotmoc/playlist"
	"cotmoc/ui/text"
)

// staff is what the screen knows while somebody of the staff is at it.
type staff struct {
	lang  string // vi or en
	pin   string
	state corner.State
	known bool // kiosk has answered
	asked time.Time
	test  bool            // the screen is being tested
	marks []fyne.Position // where it was touched meanwhile
}

// Times of the staff's page.
const (
	staffIdle = 3 * time.Minute // without a touch
	lookEvery = 2 * time.Second
	signTime  = 6 * time.Second // for the touches that open it
)

// sign is how staff say that they want in: touches in the upper corners, in turn, the
// left one first. Nobody does so by chance, and it is no gesture that must be practised.
type sign struct {
	n     int
	began time.Time
}

// signTouches is how many touches it takes.
const signTouches = 5

// touched says whether a touch completed the sign.
func (s *sign) touched(at fyne.Position, size fyne.Size, finger float32, now time.Time) bool {
	left := at.X < 1.5*finger
	right := at.X >= size.Width-1.5*finger
	if at.Y >= 1.5*finger || !left && !right {
		s.n = 0
		return false
	}
	if s.n > 0 && now.Sub(s.began) > signTime {
		s.n = 0
	}
	switch want := s.n%2 == 0; {
	case left == want:
		s.n++
	case left:
		s.n = 1
	default:
		s.n = 0
	}
	if s.n == 1 {
		s.began = now
	}
	if s.n == signTouches {
		s.n = 0
		return true
	}
	return false
}

// StaffIn shows the page that asks for the PIN.
func (a *App) StaffIn() {
	lang := "vi"
	if a.visit.lang != playlist.Vietnamese {
		lang = "en"
	}
	a.toHome()
	a.open(page{kind: staffPage})
	a.staff = &staff{lang: lang}
	a.idle.after = max(a.o.Idle, staffIdle)
	a.ask(corner.Order{Do: corner.Look})
	a.build()
}

func (a *App) staffOut() {
	a.o.Host.Staff(corner.Order{Do: corner.Leave})
	a.staff = nil
	a.idle.after = a.o.Idle
	a.visit.home()
}

func (a *App) ask(o corner.Order) {
	a.staff.asked = a.o.Now()
	a.o.Host.Staff(o)
}

// Told takes kiosk's answer to what staff asked.
func (a *App) Told(s corner.State) {
	if a.staff == nil {
		return
	}
	if s.Page != nil && s.Page.Taking != nil && !s.Page.Taking.Ended {
		a.idle.touched(a.o.Now()) // who waits for an import is still there
	}
	if s.Wrong || s.Open {
		a.staff.pin = ""
	}
	a.keep()
	a.staff.state, a.staff.known = s, true
	if !a.glass.held { // a page that is made anew would slip from under the finger; the next answer comes soon
		a.build()
	}
}

// tickStaff keeps the page up to date.
func (a *App) tickStaff() {
	if s := a.staff; s != nil && s.known && a.o.Now().Sub(s.asked) >= lookEvery {
		a.ask(corner.Order{Do: corner.Look})
	}
}

// staffSay makes words of the staff's page.
func (a *App) staffSay(s string, size fyne.ThemeSizeName, colour fyne.ThemeColorName, bold bool) *text.Block {
	return a.block(a.staff.lang, s, size, colour, bold)
}

func (a *App) staffKey(key string, f func()) *tile {
	b := a.staffSay(a.staff.word(key), theme.SizeNameText, "", true)
	b.Centre = true
	t := newTile(a.do(f), b)
	t.least = fyne.NewSize(a.o.Finger, a.o.Finger)
	return t
}

// staffFrame is the staff's page: the PIN, how the machine stands, or a test.
func (a *App) staffFrame() fyne.CanvasObject {
	s := a.staff
	if s.test {
		return a.screenTest()
	}
	other := map[string]string{"vi": "English", "en": "Tiếng Việt"}[s.lang]
	head := container.NewBorder(nil, nil, nil, container.NewHBox(
		a.chip(map[string]string{"vi": "en", "en": "vi"}[s.lang], other, false, a.do(func() { a.keep(); s.lang = map[string]string{"vi": "en", "en": "vi"}[s.lang] })),
		a.chip(s.lang, s.word("leave"), false, a.do(a.staffOut))), a.staffSay2("staff"))
	var body fyne.CanvasObject
	switch {
	case !s.known:
		body = text.NewColumn(a.staffSay(s.word("waiting"), theme.SizeNameSubHeadingText, "", false))
	case s.state.Page != nil:
		body = a.long(a.machine(s.state.Page))
	case !s.state.Set:
		body = text.NewColumn(a.staffSay(s.word("no_pin"), theme.SizeNameSubHeadingText, "", false))
	case s.state.Wait > 0:
		body = text.NewColumn(a.staffSay(s.word("locked", "n", strconv.Itoa((s.state.Wait+59)/60)), theme.SizeNameSubHeadingText, "", false))
	default:
		body = a.pinPad()
	}
	return container.New(inset{gap, gap}, container.NewBorder(container.NewVBox(head, space(gap)), nil, nil, nil, body))
}

func (a *App) staffSay2(key string) *text.Block {
	b := a.staffSay(a.staff.word(key), theme.SizeNameSubHeadingText, theme.ColorNamePrimary, true)
	return b
}

// pinPad takes the PIN. What was typed is shown as dots.
func (a *App) pinPad() fyne.CanvasObject {
	s := a.staff
	line := s.word("enter_pin")
	if s.state.Wrong {
		line = s.word("wrong", "n", strconv.Itoa(s.state.Left))
	}
	ask := a.staffSay(line, theme.SizeNameText, "", true)
	dots := a.staffSay(strings.Repeat("●", len(s.pin))+strings.Repeat("○", max(0, corner.MinPIN-len(s.pin))), theme.SizeNameSubHeadingText, "", false)
	ask.Centre, dots.Centre = true, true
	pad := container.New(grid{columns: 3, gap: gap})
	for _, k := range []string{"1", "2", "3", "4", "5", "6", "7", "8", "9"} {
		pad.Add(a.digit(k))
	}
	remove := a.staffKey("delete", func() { s.pin = s.pin[:max(0, len(s.pin)-1)] })
	remove.least.Height = a.padHeight()
	pad.Add(remove)
	pad.Add(a.digit("0"))
	enter := a.staffKey("enter", func() {
		if len(s.pin) >= corner.MinPIN {
			a.ask(corner.Order{Do: corner.Enter, PIN: s.pin})
		}
	})
	enter.least.Height = a.padHeight()
	enter.chosen = len(s.pin) >= corner.MinPIN
	pad.Add(enter)
	side := a.size.Width * 0.28
	if a.portrait() {
		side = a.size.Width * 0.1
	}
	return container.New(inset{side, 0}, text.NewColumn(ask, dots, space(gap), pad))
}

func (a *App) digit(k string) *tile {
	b := a.staffSay(k, theme.SizeNameSubHeadingText, "", true)
	b.Centre = true
	t := newTile(a.do(func() {
		if len(a.staff.pin) < corner.MaxPIN {
			a.staff.pin += k
		}
	}), b)
	t.least = fyne.NewSize(a.o.Finger, a.padHeight())
	return t
}

// padHeight is how high a key of the PIN's pad is: a finger, as far as four rows and what
// stands above them fit on the screen.
func (a *App) padHeight() float32 {
	left := a.size.Height - a.o.Finger - 4*a.chip("vi", "X", false, nil).inside.MinSize().Height - 8*gap
	return min(a.o.Finger, max(40, left/4-gap))
}

// maxMarks bounds how many touches a test shows.
const maxMarks = 200

// mark notes where a test of the screen was touched.
func (a *App) mark(at fyne.Position) {
	if a.staff == nil || !a.staff.test || len(a.staff.marks) >= maxMarks {
		return
	}
	a.staff.marks = append(a.staff.marks, at)
	a.build()
}

// screenTest shows bars of pure colours and of grey, a line around the very edge, and
// each touch where the machine took it to be.
func (a *App) screenTest() fyne.CanvasObject {
	all := container.NewWithoutLayout()
	bars := append(pure, grey...)
	wide := a.size.Width / float32(len(pure))
	for i, c := range bars {
		r := canvas.NewRectangle(c)
		r.Resize(fyne.NewSize(wide+1, a.size.Height/2))
		r.Move(fyne.NewPos(float32(i%len(pure))*wide, float32(i/len(pure))*a.size.Height/2))
		all.Add(r)
	}
	edge := canvas.NewRectangle(nil)
	edge.StrokeColor, edge.StrokeWidth = pure[0], 2
	edge.Resize(a.size)
	all.Add(edge)
	for _, at := range a.staff.marks {
		c := canvas.NewCircle(pure[4])
		c.StrokeColor, c.StrokeWidth = pure[0], 2
		c.Resize(fyne.NewSize(16, 16))
		c.Move(at.SubtractXY(8, 8))
		all.Add(c)
	}
	done := a.staffKey("end_test", func() { a.staff.test, a.staff.marks = false, nil })
	hint := a.staffSay(a.staff.word("test_hint"), theme.SizeNameText, "", false)
	hint.Centre = true
	plate := container.NewStack(a.plate(theme.ColorNameBackground), container.NewPadded(text.NewColumn(hint, done)))
	box := fyne.NewSize(a.size.Width*0.5, 0).Max(plate.MinSize())
	plate.Resize(box)
	plate.Move(fyne.NewPos((a.size.Width-box.Width)/2, (a.size.Height-box.Height)/2))
	all.Add(plate)
	return all
}
