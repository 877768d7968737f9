package touch

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"testing"
	"time"
	_ "time/tzdata"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"
	xdraw "golang.org/x/image/draw"

	"cotmoc/internal/corner"
	"cotmoc/internal/golden"
	"cotmoc/internal/specimen"
	"cotmoc/playlist"
	"cotmoc/playlist/store"
	"cotmoc/ui/touch/library"
)

// noon is 12:20 in Vietnam.
var noon = time.Date(2027, 3, 1, 5, 20, 0, 0, time.UTC)

var languages = []playlist.Language{"vi", "en", "zh-Hans", "lo", "km"}

// titles are the bulletins' headings: the name of the Declaration in each language.
var titles = map[playlist.Language]string{
	"vi": "Tuyên ngôn Quốc tế về Nhân quyền", "en": "Universal Declaration of Human Rights", "zh-Hans": "世界人权宣言",
	"lo": "ປະກາດ\u200Bສາກົນ\u200Bກ່ຽວກັບ\u200Bສິດ\u200Bຂອງ\u200Bມະນຸດ", "km": "សេចក្ដីប្រកាស\u200Bជា\u200Bសកល\u200Bស្ដីពី\u200Bសិទ្ធិមនុស្ស",
}

// content is a gate of which hours, e-visa and papers are known, with a bulletin in
// every language, one in Vietnamese alone, a picture and a recording in Jarai.
func content(t testing.TB, dir string) playlist.Rows {
	t.Helper()
	texts, err := specimen.Prepared()
	if err != nil {
		t.Fatal(err)
	}
	checked, review := playlist.Date{Year: 2027, Month: 2, Day: 1}, playlist.Date{Year: 2027, Month: 8, Day: 1}
	r := playlist.Rows{Format: playlist.Format,
		Places: []playlist.Place{{ID: "vn", Kind: playlist.Ministry, Names: playlist.Names{"vi": "Bộ"}},
			{ID: "ls", Parent: "vn", Kind: playlist.Province, Names: playlist.Names{"vi": "Lạng Sơn"}},
			{ID: "hn", Parent: "ls", Kind: playlist.Gate, Names: playlist.Names{"vi": "Hữu Nghị", "zh-Hans": "友谊"}, GateClass: "international", Zone: "Asia/Ho_Chi_Minh", Languages: languages,
				Neighbour: &playlist.Neighbour{Country: "CN", Zone: "Asia/Shanghai", Names: playlist.Names{"vi": "Trung Quốc", "en": "China", "zh-Hans": "中国", "lo": "ຈີນ", "km": "ចិន"}, Gate: playlist.Names{"vi": "Hữu Nghị Quan", "zh-Hans": "友谊关"}}}},
		Displays: []playlist.Display{{ID: "d1", Place: "hn", Width: 1280, Height: 720, Role: playlist.RoleBoth}},
		Facts: []playlist.GateFact{
			{ID: "h", Gate: "hn", Kind: playlist.FactHours, Source: "NQ 127/NQ-CP", CheckedOn: checked, ReviewBy: review, Hours: []playlist.SideHours{
				{Side: "vietnam", Zone: "Asia/Ho_Chi_Minh", Weekly: []playlist.DayHours{{Open: 7 * 60, Close: 20 * 60}},
					Exceptions: []playlist.HoursException{{Date: playlist.Date{Year: 2027, Month: 3, Day: 1}, Hours: []playlist.DayHours{{Open: 7 * 60, Close: 17 * 60}}}}},
				{Side: "neighbour", Zone: "Asia/Shanghai", Weekly: []playlist.DayHours{{Open: 8 * 60, Close: 21 * 60}}}}},
			{ID: "e", Gate: "hn", Kind: playlist.FactEVisa, Source: "NQ 127/NQ-CP", CheckedOn: checked, ReviewBy: review,
				Value: playlist.Names{"vi": "Được chấp nhận", "en": "Accepted", "zh-Hans": "可使用电子签证", "lo": "ຍອມຮັບ", "km": "ទទួលយក"}},
			{ID: "o", Gate: "hn", Kind: playlist.FactFee, Source: "NQ 127/NQ-CP", CheckedOn: checked, ReviewBy: playlist.Date{Year: 2027, Month: 2, Day: 2}, Value: playlist.Names{"vi": "25 USD"}}},
	}
	add := func(id playlist.ID, kind playlist.ItemKind, versions ...playlist.Version) {
		r.Items = append(r.Items, playlist.Item{ID: id, Owner: "hn", Kind: kind, Source: "UDHR", PublicURL: "https://example.vn/" + string(id)})
		for _, v := range versions {
			v.Item = id
			r.Versions = append(r.Versions, v)
		}
	}
	var all []playlist.Version
	for _, l := range languages {
		all = append(all, playlist.Version{Language: l, Title: titles[l], Summary: texts[string(l)], Text: texts[string(l)] + "\n\n" + texts[string(l)] + "\n\n" + texts[string(l)]})
	}
	add("rights", playlist.Bulletin, all...)
	add("only-vi", playlist.Bulletin, playlist.Version{Language: "vi", Title: "Hướng dẫn khai báo hải quan", Text: "Người xuất cảnh khai báo hải quan tại quầy số 4."})
	add("photo", playlist.Picture, playlist.Version{Language: "zxx", Media: []playlist.Hash{picture(t, dir, &r)}})
	add("leaflet", playlist.Document, playlist.Version{Language: "vi", Title: "Tờ rơi", Media: []playlist.Hash{r.Media[0].SHA256, r.Media[0].SHA256}})
	add("jarai", playlist.Bulletin, playlist.Version{Language: "jra", Title: "Hră pơthâo", Text: texts["jra"]})
	return r
}

// picture puts a picture into a data folder's media and its row into the catalogue.
func picture(t testing.TB, dir string, r *playlist.Rows) playlist.Hash {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 640, 400))
	for y := range 400 {
		for x := range 640 {
			img.SetRGBA(x, y, color.RGBA{uint8(60 + 150*y/400), uint8(120 + 80*x/640), uint8(200 - 120*y/400), 255})
		}
	}
	path := filepath.Join(t.TempDir(), "p.png")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(f, img); err != nil {
		t.Fatal(err)
	}
	f.Close()
	return keep(t, dir, path, "image/png", r)
}

// host notes what the library says.
type host struct {
	idle, wiped int
	counts      []Count
	sounds      []string
	speed       float64
	orders      []corner.Order
}

func (h *host) Idle()           { h.idle++ }
func (h *host) Wiped()          { h.wiped++ }
func (h *host) Counted(c Count) { h.counts = append(h.counts, c) }
func (h *host) Sound(path string, _ time.Duration, speed float64) {
	h.sounds, h.speed = append(h.sounds, path), speed
}
func (h *host) Volume(float64)       {}
func (h *host) Staff(o corner.Order) { h.orders = append(h.orders, o) }

// desk is an App in a window of Fyne's software driver.
type desk struct {
	*App
	t    *testing.T
	host *host
	win  fyne.Window
	now  time.Time
	dir  string
	todo chan func() // by Fyne's goroutine, which is the test's
}

func start(t *testing.T, w, h float32) *desk {
	t.Helper()
	test.NewTempApp(t)
	d := &desk{t: t, host: &host{}, now: noon, dir: t.TempDir(), todo: make(chan func(), 10_000)}
	if err := store.WriteEdition(t.Context(), d.dir, "e1", content(t, d.dir)); err != nil {
		t.Fatal(err)
	}
	a, err := New(Options{Dir: d.dir, Now: func() time.Time { return d.now }, Host: d.host, Do: func(f func()) { d.todo <- f }})
	if err != nil {
		t.Fatal(err)
	}
	d.App = a
	d.win = test.NewTempWindow(t, a.Show(fyne.NewSize(w, h)))
	d.win.SetPadded(false)
	d.win.Resize(fyne.NewSize(w, h))
	d.load("e1")
	a.Home()
	return d
}

func (d *desk) load(edition string, withdrawn ...playlist.ID) {
	d.t.Helper()
	c := library.Choice{Edition: edition, Display: playlist.Display{ID: "d1", Place: "hn"}, Trusted: true, Withdrawn: withdrawn}
	lib, err := library.Open(d.t.Context(), d.dir, c)
	if err == nil {
		err = d.Use(lib, c)
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// picture is the window at half its size.
func (d *desk) picture() *image.RGBA {
	src := d.win.Canvas().Capture()
	out := image.NewRGBA(image.Rect(0, 0, src.Bounds().Dx()/2, src.Bounds().Dy()/2))
	xdraw.ApproxBiLinear.Scale(out, out.Rect, src, src.Bounds(), draw.Src, nil)
	return out
}

// screens are all pages.
var screens = map[string]func(d *desk){
	"home":   func(d *desk) {},
	"cross":  func(d *desk) { d.open(page{kind: crossPage}) },
	"shelf":  func(d *desk) { d.open(page{kind: shelfPage, shelf: library.News}) },
	"item":   func(d *desk) { d.open(page{kind: itemPage, item: "rights"}) },
	"leaves": func(d *desk) { d.open(page{kind: itemPage, item: "leaflet", leaf: 1, zoom: 1}) },
	"about":  func(d *desk) { d.open(page{kind: aboutPage}) },
	"search": func(d *desk) {
		d.find()
		d.visit.query = map[playlist.Language]string{"vi": "tu do", "en": "free", "zh-Hans": "自由", "lo": "ມະນຸດ", "km": "មនុស្ស"}[d.visit.lang]
	},
	"warn": func(d *desk) { d.warned = 9 },
}

func TestGoldenScreens(t *testing.T) {
	for _, size := range []fyne.Size{{Width: 1280, Height: 720}, {Width: 720, Height: 1280}} {
		d := start(t, size.Width, size.Height)
		for name, open := range screens {
			for _, lang := range languages {
				for step := range 3 {
					d.visit = newVisit(lang)
					d.visit.step, d.warned = step, 0
					open(d)
					d.build()
					golden.Check(t, fmt.Sprintf("%s-%s-%.0f-%d", name, lang, size.Width, step), d.picture())
				}
			}
		}
	}
}

// The look of all the contrast there is, and the controls within reach from a chair.
func TestGoldenModes(t *testing.T) {
	for _, size := range []fyne.Size{{Width: 1280, Height: 720}, {Width: 720, Height: 1280}} {
		d := start(t, size.Width, size.Height)
		for _, name := range []string{"home", "cross", "search"} {
			for _, lang := range []playlist.Language{"vi", "km"} {
				d.visit = newVisit(lang)
				d.visit.contrast = true
				screens[name](d)
				d.build()
				golden.Check(t, fmt.Sprintf("contrast-%s-%s-%.0f", name, lang, size.Width), d.picture())
				d.visit.contrast, d.visit.low = false, true
				d.build()
				golden.Check(t, fmt.Sprintf("low-%s-%s-%.0f", name, lang, size.Width), d.picture())
			}
		}
	}
}
