package touch

import (
	"image"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"

	"cotmoc/playlist"
	"cotmoc/ui/text"
	"cotmoc/ui/touch/library"
)

// tiles lists what can be touched now, by its words.
func (d *desk) tiles() map[string]*tile {
	out := map[string]*tile{}
	var walk func(o fyne.CanvasObject)
	walk = func(o fyne.CanvasObject) {
		if !o.Visible() {
			return
		}
		switch o := o.(type) {
		case *tile:
			for _, b := range o.blocks {
				if out[b.Words()] == nil {
					out[b.Words()] = o
				}
			}
		case *pane:
			walk(o.scroll.Content)
		case *fyne.Container:
			for _, c := range o.Objects {
				walk(c)
			}
		}
	}
	walk(d.stage())
	return out
}

// tap touches the tile with these words, in the middle, as a finger does.
func (d *desk) tap(words string) {
	d.t.Helper()
	t := d.tiles()[words]
	if t == nil {
		d.t.Fatalf("there is no %q to touch", words)
	}
	at := fyne.CurrentApp().Driver().AbsolutePositionForObject(t).AddXY(t.Size().Width/2, t.Size().Height/2)
	e := &desktop.MouseEvent{}
	e.AbsolutePosition = at
	d.glass.MouseDown(e)
	if !t.pressed {
		d.t.Errorf("%q does not answer at once", words)
	}
	d.glass.MouseUp(e)
}

// says says whether some text is on the screen.
func (d *desk) says(part string) bool {
	found := false
	var walk func(o fyne.CanvasObject)
	walk = func(o fyne.CanvasObject) {
		switch o := o.(type) {
		case *text.Block:
			found = found || strings.Contains(strings.ReplaceAll(o.Words(), "\u200B", ""), part)
		case *tile:
			walk(o.inside)
		case *pane:
			walk(o.scroll.Content)
		case *fyne.Container:
			for _, c := range o.Objects {
				walk(c)
			}
		}
	}
	walk(d.stage())
	return found
}

// tick lets time pass, looking at the clock as the window does.
func (d *desk) tick(t time.Duration) {
	for end := d.now.Add(t); d.now.Before(end); {
		d.now = d.now.Add(250 * time.Millisecond)
		d.Tick()
	}
}

// Whether, when and with what papers: two touches, in any language.
func TestTwoTouches(t *testing.T) {
	d := start(t, 1280, 720)
	d.tap("ພາສາ\u200Bລາວ")
	for _, c := range []struct{ tile, sees string }{{"ຂ້າມ\u200Bດ່ານ\u200Bນີ້", "17:00"}} {
		d.tap(c.tile)
		if !d.says(c.sees) || !d.says("ຍອມຮັບ") {
			t.Errorf("the page does not say %q", c.sees)
		}
	}
	if !d.says("12:20") || !d.says("13:20") {
		t.Error("both clocks are not there")
	}
}

// Another language keeps the place on the screen, and the reading position.
func TestLanguageKeepsThePlace(t *testing.T) {
	d := start(t, 720, 1280)
	d.visit.step = 2
	d.tap("English")
	d.tap("News")
	d.tap("Universal Declaration of Human Rights")
	d.pane.to(d.pane.span() / 2)
	at := d.pane.part()
	d.tap("中文")
	if p := d.visit.here(); p.kind != itemPage || p.item != "rights" || !d.says("世界人权宣言") {
		t.Errorf("%+v", p)
	}
	if got := d.pane.part(); d.pane.span() > 0 && (got < at-0.1 || got > at+0.1) {
		t.Errorf("the page stands at %.2f, not at %.2f", got, at)
	}
	if !slices.Contains(d.host.counts, Count{What: "language", Language: "zh-Hans"}) || !slices.Contains(d.host.counts, Count{What: "item", Item: "rights", Language: "en"}) {
		t.Errorf("%v", d.host.counts)
	}
}

func TestIdle(t *testing.T) {
	d := start(t, 1280, 720)
	d.tap("English")
	d.tap("News")
	d.tick(44 * time.Second)
	if d.warned != 0 {
		t.Fatal("it warns too early")
	}
	d.tick(6 * time.Second)
	if d.warned == 0 || !d.says("Are you still there?") || !d.says("10") {
		t.Fatalf("no warning: %d", d.warned)
	}
	d.tap("I am still here")
	if d.warned != 0 || d.visit.here().kind != shelfPage || d.visit.lang != "en" {
		t.Errorf("somebody who is there lost the page: %+v", d.visit)
	}
	d.tick(61 * time.Second)
	if d.host.idle != 1 || d.host.wiped != 1 || d.active || len(d.visit.pages) != 1 || d.visit.lang != "vi" || d.visit.query != "" {
		t.Errorf("after a minute alone: %+v %+v", d.host, d.visit)
	}
	d.tick(10 * time.Minute)
	if d.host.idle != 1 {
		t.Error("nobody is there, and goes again")
	}
}

// A film that the visitor started is not cut off by the timer; five minutes of it
// without a touch are.
func TestIdleAndFilms(t *testing.T) {
	now := time.Unix(1000, 0)
	i := idle{after: time.Minute}
	i.touched(now)
	i.play(true, now)
	if i.left(now.Add(4*time.Minute)) <= 0 || i.left(now.Add(5*time.Minute)) > 0 {
		t.Error("a film without a touch")
	}
	i.play(false, now.Add(2*time.Minute))
	if got := i.left(now.Add(2 * time.Minute)); got != time.Minute {
		t.Errorf("after a film's end %v are left", got)
	}
	i.play(false, now.Add(150*time.Second)) // what does not play does not end
	if got := i.left(now.Add(150 * time.Second)); got != 30*time.Second {
		t.Errorf("%v are left", got)
	}
}

func TestWithdrawnWhileOpen(t *testing.T) {
	d := start(t, 1280, 720)
	d.tap("English")
	d.tap("News")
	d.tap("Hướng dẫn khai báo hải quan")
	if !d.says("Not yet available in English") {
		t.Error("the fallback is not said")
	}
	d.load("e1", "only-vi:vi")
	if !d.says("This was just taken back") || d.visit.here().kind != shelfPage {
		t.Errorf("%+v", d.visit.here())
	}
	d.tap("Home")
	d.tap("News")
	if d.tiles()["Hướng dẫn khai báo hải quan"] != nil {
		t.Error("it is still on its shelf")
	}
}

func TestSearch(t *testing.T) {
	d := start(t, 1280, 720)
	d.tap("Tìm kiếm")
	for _, k := range "hai" {
		d.tap(string(k))
	}
	d.tap("dấu cách")
	for _, k := range "quan" {
		d.tap(string(k))
	}
	if d.visit.query != "hai quan" || d.tiles()["Hướng dẫn khai báo hải quan"] == nil {
		t.Errorf("%q found %v", d.visit.query, d.tiles())
	}
	d.visit.query = "khaai"
	d.build()
	if d.tiles()["Hướng dẫn khai báo hải quan"] == nil {
		t.Error("a slip of the finger finds nothing")
	}
	if !d.says("Kết quả cho: khai") {
		t.Error("nothing says what was looked for instead")
	}
	d.visit.query = "hai quan"
	d.build()
	if d.says("Kết quả cho") {
		t.Error("a search that was not corrected says that it was")
	}
	d.tap("Xóa")
	if d.visit.query != "hai qua" {
		t.Errorf("%q", d.visit.query)
	}
	for range 80 {
		d.tap("1")
	}
	if n := len([]rune(d.visit.query)); n != maxQuery {
		t.Errorf("%d characters can be typed", n)
	}
	if !d.says("Không tìm thấy") {
		t.Error("nothing found is not said")
	}
	d.tap("Quay lại")
	if !slices.Contains(d.host.counts, Count{What: "missing"}) {
		t.Error("a search without results is not counted")
	}
}

// A drag moves the page and touches nothing.
func TestDrag(t *testing.T) {
	d := start(t, 1280, 720)
	d.tap("Qua cửa khẩu này")
	e := &desktop.MouseEvent{}
	e.AbsolutePosition = fyne.NewPos(300, 500)
	d.glass.MouseDown(e)
	for y := float32(500); y > 200; y -= 20 {
		m := &fyne.DragEvent{}
		m.AbsolutePosition = fyne.NewPos(300, y)
		d.glass.Dragged(m)
	}
	d.glass.MouseUp(e)
	if off := d.pane.scroll.Offset.Y; off < 200 || d.visit.here().kind != crossPage {
		t.Errorf("the page moved by %v", off)
	}
	d.tap("Xuống")
	if d.pane.part() < 0.3 {
		t.Errorf("%v", d.pane.part())
	}
}

// Every tile is at least as high as a finger needs, at every size, on every page.
func TestTargets(t *testing.T) {
	d := start(t, 1280, 720)
	for name, open := range screens {
		for step := range 3 {
			d.visit = newVisit("vi")
			d.visit.step, d.warned = step, 0
			open(d)
			d.build()
			for words, tile := range d.tiles() {
				least := d.o.Finger
				if name == "search" { // keys stand close, one beside the other
					least *= 0.8
				}
				if tile.Size().Height < least-0.5 {
					t.Errorf("%s: %q is %.0f high", name, words, tile.Size().Height)
				}
			}
		}
	}
}

// A language without words of its own is chosen like any other: what it has comes
// first, and the screen speaks the place's language.
func TestLanguageOfRecordings(t *testing.T) {
	d := start(t, 1280, 720)
	d.tap("Jrai")
	if !d.says("Chỉ có tiếng và hình") {
		t.Error("it does not say what there is")
	}
	d.tap("Tin tức")
	all := d.lib.On(library.News, "jra", d.App.now(), maxRows)
	if all[0].ID != "jarai" || d.tiles()["Hră pơthâo"] == nil {
		t.Errorf("%v", all)
	}
}

// The library opens on whatever there is: nothing at all, no clock, dated items.
func TestPoorMachines(t *testing.T) {
	d := start(t, 1280, 720)
	lib, err := library.Open(t.Context(), t.TempDir(), library.Choice{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Use(lib, library.Choice{}); err != nil {
		t.Fatal(err)
	}
	d.tap("Tin tức")
	if !d.says("Chưa có nội dung") {
		t.Error("an empty shelf says nothing")
	}
	d.load("e1")
	d.choice.Trusted = false
	d.visit.home()
	d.build()
	d.tap("Qua cửa khẩu này")
	if d.says("12:20") || d.says("Đang mở cửa") || !d.says("Hỏi tại quầy") {
		t.Error("a clock that is not believed is shown")
	}
	if _, err := library.Open(t.Context(), d.dir, library.Choice{Edition: "gone", Display: playlist.Display{Place: "hn"}}); err == nil {
		t.Error("an edition that is not there was opened")
	}
}

// A document is read by page, larger and smaller, and dragged in both directions.
func TestLeaves(t *testing.T) {
	d := start(t, 1280, 720)
	d.tap("Đọc")
	d.tap("Tờ rơi")
	d.tap("Trang sau")
	if !d.says("Trang 2/2") {
		t.Error("the second page is not there")
	}
	d.tap("Trang sau") // there is no third
	d.tap("Phóng to")
	d.tap("Phóng to")
	d.tap("Phóng to")
	if p := d.visit.here(); p.leaf != 1 || p.zoom != 2 {
		t.Errorf("%+v", p)
	}
	e := &desktop.MouseEvent{}
	e.AbsolutePosition = fyne.NewPos(600, 400)
	d.glass.MouseDown(e)
	m := &fyne.DragEvent{}
	m.AbsolutePosition = fyne.NewPos(400, 300)
	d.glass.Dragged(m)
	d.glass.MouseUp(e)
	if off := d.pane.scroll.Offset; off.X < 150 || off.Y < 50 {
		t.Errorf("the page was dragged to %v", off)
	}
	d.tap("Thu nhỏ")
	d.tap("Trang trước")
	if p := d.visit.here(); p.leaf != 0 || p.zoom != 1 {
		t.Errorf("%+v", p)
	}
}

// Whatever somebody touches for an hour: nothing breaks, nothing stays, and nobody gets
// out.
func TestMonkey(t *testing.T) {
	d := start(t, 1280, 720)
	r := rand.New(rand.NewPCG(7, 7))
	for n := range 1500 {
		e := &desktop.MouseEvent{}
		e.AbsolutePosition = fyne.NewPos(r.Float32()*1280, r.Float32()*720)
		d.glass.MouseDown(e)
		if r.IntN(5) == 0 {
			m := &fyne.DragEvent{}
			m.AbsolutePosition = fyne.NewPos(r.Float32()*1280, r.Float32()*720)
			d.glass.Dragged(m)
		}
		d.glass.MouseUp(e)
		d.now = d.now.Add(time.Duration(r.IntN(4000)) * time.Millisecond)
		d.Tick()
		if !d.active {
			d.Home()
		}
		if n%100 == 0 {
			d.load("e1")
		}
		if len(d.visit.pages) > maxPages || len([]rune(d.visit.query)) > maxQuery || len(d.root.Objects) > 4 {
			t.Fatalf("after %d touches: %+v", n, d.visit)
		}
	}
	d.Wipe()
	if v := d.visit; v.query != "" || len(v.pages) != 1 || v.lang != "vi" || v.contrast || v.low || v.step != 0 {
		t.Errorf("something stayed: %+v", v)
	}
}

// Whoever drives the screen from outside is told what it says and what can be touched, as
// far as it can be seen.
func TestSeen(t *testing.T) {
	d := start(t, 1280, 720)
	var seen Seen
	d.o.Seen = func(s Seen) { seen = s }
	d.open(page{kind: shelfPage, shelf: library.News})
	d.build()
	first := seen.N
	words := 0
	for _, target := range seen.Targets {
		if target.At.Empty() || !target.At.In(image.Rect(0, 0, 1280, 720)) || len(target.Words) == 0 {
			t.Errorf("%+v", target)
		}
		words += len(target.Words)
	}
	if len(seen.Says) <= words || !slices.Contains(seen.Says, "Tin tức") {
		t.Errorf("%d targets, says %q", len(seen.Targets), seen.Says)
	}
	d.Speak("lo")
	if seen.N <= first || slices.ContainsFunc(seen.Says, func(s string) bool { return strings.Contains(s, "\u200B") }) {
		t.Errorf("%+v", seen)
	}
}

// Fyne rounds a scale to tenths; a page must be made for the one that it uses.
func TestScaleIsWhatFyneUses(t *testing.T) {
	for size, want := range map[image.Point]float32{{X: 1280, Y: 720}: 1, {X: 1920, Y: 1080}: 1.5, {X: 1366, Y: 768}: 1.1, {X: 1280, Y: 1024}: 1.4, {X: 800, Y: 600}: 0.8, {X: 1080, Y: 1920}: 1.5, {X: 3840, Y: 2160}: 3, {X: 1024, Y: 768}: 1.1} {
		if got := Scale(image.Rectangle{Max: size}); got != want {
			t.Errorf("%v: %v, want %v", size, got, want)
		}
	}
}
