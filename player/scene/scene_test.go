package scene

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"cotmoc/internal/gate"
	"cotmoc/internal/golden"
	"cotmoc/internal/typeset"
	"cotmoc/playlist"
)

var engine = typeset.New()

// Article 1 of the Universal Declaration of Human Rights.
var article = map[playlist.Language][2]string{
	"vi":      {"Tuyên ngôn Quốc tế về Nhân quyền", "Mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền lợi. Mọi con người đều được tạo hóa ban cho lý trí và lương tâm và cần phải đối xử với nhau trong tình bằng hữu."},
	"en":      {"Universal Declaration of Human Rights", "All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience and should act towards one another in a spirit of brotherhood."},
	"zh-Hans": {"世界人权宣言", "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。"},
	"lo":      {"ປະກາດ\u200Bສາກົນ\u200Bກ່ຽວກັບ\u200Bສິດ\u200Bຂອງ\u200Bມະນຸດ", "ມະນຸດ\u200Bເກີດ\u200Bມາ\u200Bມີ\u200Bສິດ\u200Bເສລີພາບ ແລະ\u200Bສະເໝີ\u200Bໜ້າ\u200Bກັນ\u200Bໃນ\u200Bທາງ\u200Bກຽດຕິສັກ ແລະ\u200Bທາງ\u200Bສິດ\u200Bດ້ວຍ\u200Bມະນຸດ\u200Bມີ\u200Bສະຕິ\u200Bສຳ\u200Bປັດ\u200Bຊັນ\u200Bຍະ"},
	"km":      {"សេចក្ដីប្រកាស\u200Bជា\u200Bសកល\u200Bស្ដីពី\u200Bសិទ្ធិមនុស្ស", "មនុស្ស\u200Bទាំងអស់\u200Bកើតមក\u200Bមាន\u200Bសេរីភាព និង\u200Bសមភាព\u200Bក្នុង\u200Bសេចក្ដីថ្លៃថ្នូរ\u200Bនិង\u200Bសិទ្ធិ។ មនុស្ស\u200Bមាន\u200Bវិចារណញ្ញាណ\u200Bនិង\u200Bសតិសម្បជញ្ញៈ"},
}

var languages = []playlist.Language{"vi", "en", "zh-Hans", "lo", "km"}

var noon = time.Date(2027, 3, 1, 5, 20, 0, 0, time.UTC) // 12:20 in Vietnam

func photo(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, color.RGBA{uint8(60 + 150*y/h), uint8(120 + 80*x/w), uint8(200 - 120*y/h), 255})
		}
	}
	return img
}

func sampleCard(lang playlist.Language, known bool) Card {
	card := Card{Card: gate.Card{Lang: lang, Langs: languages, Now: noon, Trusted: true}}
	card.Names = playlist.Names{"vi": "Hữu Nghị"}
	card.Class, card.Zone, card.Province = "international", "Asia/Ho_Chi_Minh", playlist.Names{"vi": "Lạng Sơn"}
	card.Neighbour = &playlist.Neighbour{Country: "CN", Zone: "Asia/Shanghai", Names: playlist.Names{"vi": "Trung Quốc", "en": "China", "zh-Hans": "中国", "lo": "ຈີນ", "km": "ចិន"}, Gate: playlist.Names{"vi": "Hữu Nghị Quan"}}
	checked, review := playlist.Date{Year: 2027, Month: 2, Day: 1}, playlist.Date{Year: 2027, Month: 8, Day: 1}
	card.Facts = []playlist.GateFact{{ID: "e", Kind: playlist.FactEVisa, Source: "NQ 127/NQ-CP", CheckedOn: checked, ReviewBy: review,
		Value: playlist.Names{"vi": "Được chấp nhận", "en": "Accepted", "zh-Hans": "接受", "lo": "ຮັບ", "km": "ទទួលយក"}}}
	if known {
		card.Sample = true
		hours := []playlist.SideHours{{Side: "vietnam", Zone: "Asia/Ho_Chi_Minh", Weekly: []playlist.DayHours{{Open: 7 * 60, Close: 20 * 60}}},
			{Side: "neighbour", Zone: "Asia/Shanghai", Weekly: []playlist.DayHours{{Open: 8 * 60, Close: 20 * 60}}}}
		card.Facts = append(card.Facts, playlist.GateFact{ID: "h", Kind: playlist.FactHours, Source: "NQ 127/NQ-CP", Hours: hours, CheckedOn: checked, ReviewBy: review})
	}
	return card
}

func TestGoldenInvite(t *testing.T) {
	golden.Check(t, "invite-wide", Invite(engine, 1280, 720, languages))
	golden.Check(t, "invite-high", Invite(engine, 720, 1280, languages))
	golden.Check(t, "invite-two", Invite(engine, 1280, 720, []playlist.Language{"vi", "jra", "lo"}))
}

func TestGoldenScreens(t *testing.T) {
	place := playlist.ProgrammePlace{Names: playlist.Names{"vi": "Hữu Nghị"}, Languages: languages, Zone: "Asia/Ho_Chi_Minh"}
	for _, lang := range languages {
		for _, size := range []image.Point{{960, 540}, {540, 960}} {
			name := fmt.Sprintf("%s-%dx%d", lang, size.X, size.Y)
			t.Run(name, func(t *testing.T) {
				pw, ph := PictureSize(size.X, size.Y)
				b := NewBulletin(engine, Bulletin{W: size.X, H: size.Y, Langs: languages, Picture: photo(pw, ph), Source: "UDHR", Date: noon,
					Columns: []Column{{Lang: lang, Title: article[lang][0], Text: article[lang][1]}}})
				golden.Check(t, "bulletin-"+name, b.Draw(0))
				golden.Check(t, "gate-"+name, GateCard(engine, size.X, size.Y, sampleCard(lang, true)))
				golden.Check(t, "evergreen-"+name, Evergreen(engine, size.X, size.Y, place, lang, noon, true))
				n := playlist.Notice{Severity: playlist.Extreme, Bodies: map[playlist.Language]playlist.Body{lang: {Title: article[lang][0], Text: article[lang][1]}}}
				golden.Check(t, "notice-"+name, Notice(engine, size.X, size.Y, n, lang, noon, "Asia/Ho_Chi_Minh", true))
			})
		}
		golden.Check(t, "clock-"+string(lang), Clock(engine, 320, 180, lang, languages, noon, "Asia/Ho_Chi_Minh", true))
		golden.Check(t, "pairing-"+string(lang), Pairing(engine, 960, 540, lang, playlist.Pairing{Code: "X6Z5-7NXH", Words: []string{"nhong", "seo", "hum", "ni", "de", "dem", "loi", "lum"}}))
		tiles, _ := Ticker(engine, 60, []string{article[lang][1]}, []playlist.Language{lang})
		golden.Check(t, "ticker-"+string(lang), tiles[0])
		golden.Check(t, "caption-"+string(lang), Caption(engine, 960, 540, []string{article[lang][0], article["en"][0]}, []playlist.Language{lang, "en"}))
	}
	two := NewBulletin(engine, Bulletin{W: 960, H: 540, Source: "UDHR", Columns: []Column{
		{Lang: "vi", Title: article["vi"][0], Text: article["vi"][1]}, {Lang: "zh-Hans", Title: article["zh-Hans"][0], Text: article["zh-Hans"][1]}}})
	golden.Check(t, "bulletin-together", two.Draw(0))
	long := NewBulletin(engine, Bulletin{W: 960, H: 540, Source: "UDHR",
		Columns: []Column{{Lang: "vi", Fallback: "km", Title: article["vi"][0], Text: strings.Repeat(article["vi"][1]+"\n", 9)}}})
	if long.Pages() < 2 {
		t.Errorf("a long text has %d page", long.Pages())
	}
	golden.Check(t, "bulletin-long", long.Draw(1))
	golden.Check(t, "gate-unknown", GateCard(engine, 960, 540, sampleCard("vi", false)))
	untrusted := sampleCard("en", true)
	untrusted.Trusted = false
	golden.Check(t, "gate-untrusted", GateCard(engine, 960, 540, untrusted))
}

// WCAG 2.2 asks for 4.5 to 1.
func TestContrast(t *testing.T) {
	luminance := func(c color.RGBA) float64 {
		f := func(v uint8) float64 {
			x := float64(v) / 255
			if x <= 0.04045 {
				return x / 12.92
			}
			return math.Pow((x+0.055)/1.055, 2.4)
		}
		return 0.2126*f(c.R) + 0.7152*f(c.G) + 0.0722*f(c.B)
	}
	for name, pair := range map[string][2]color.RGBA{
		"white on navy": {White, Navy}, "gold on navy": {Gold, Navy}, "mist on navy": {Mist, Navy}, "white on panel": {White, Panel},
		"mist on panel": {Mist, Panel}, "gold on panel": {Gold, Panel}, "ink on paper": {Ink, Paper}, "soft on paper": {Soft, Paper},
		"navy on paper": {Navy, Paper}, "white on green": {White, Green}, "white on red": {White, Red}, "white on orange": {White, Orange},
		"white on blue": {White, Blue}, "white on amber": {White, Amber}, "ink on gold": {Ink, Gold},
		"soft on fallback chip": {Soft, {0xE7, 0xE2, 0xD4, 0xFF}},
	} {
		a, b := luminance(pair[0]), luminance(pair[1])
		if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < 4.5 {
			t.Errorf("%s: %.2f to 1", name, ratio)
		}
	}
}

// Hostile text gives a picture, never a panic or an endless loop.
func TestHostileText(t *testing.T) {
	for name, s := range map[string]string{
		"a megabyte in one paragraph": strings.Repeat("một đoạn văn rất dài ", 50_000), "no space at all": strings.Repeat("x", 100_000),
		"unassigned": "\U000E1234\uFFFF\u0378", "control": "a\x00b\x1bc\u0085", "right to left": "שלום عليكم 123",
		"only marks": strings.Repeat("\u0301", 5000), "empty": "", "not utf-8": "\xff\xfe\x80",
	} {
		t.Run(name, func(t *testing.T) {
			b := NewBulletin(engine, Bulletin{W: 480, H: 270, Columns: []Column{{Lang: "vi", Title: s, Text: s}}})
			if b.Pages() < 1 || b.Pages() > maxPages {
				t.Errorf("%d pages", b.Pages())
			}
			img := b.Draw(b.Pages() - 1)
			if img.Rect.Dx() != 480 {
				t.Errorf("picture is %v", img.Rect)
			}
		})
	}
}
