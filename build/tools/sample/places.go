package main

import (
	"fmt"
	"strings"

	"cotmoc/hub/server/seed"
	"cotmoc/playlist"
)

// shown are the gates of gates.csv that get a card.
var shown = []string{"G001", "G007", "G008", "G010", "G017", "G024"}

// facing are the gates with a display of their own, one for each neighbour.
var facing = map[string]struct {
	display   playlist.ID
	languages []playlist.Language
}{
	"CN": {"huu-nghi-1", []playlist.Language{"vi", "zh-Hans", "en"}},
	"LA": {"cau-treo-1", []playlist.Language{"vi", "lo", "en", "blt"}},
	"KH": {"moc-bai-1", []playlist.Language{"vi", "km", "en"}},
}

var accepted = playlist.Names{"vi": "Được chấp nhận", "en": "Accepted", "zh-Hans": "可使用电子签证", "lo": "ຍອມຮັບ", "km": "ទទួលយក"}

// places takes the ministry and some gates from the hub's list, and what that
// knows of them, and nothing else.
func (b *builder) places() error {
	gates, err := seed.Gates()
	if err != nil {
		return err
	}
	root := seed.Root()
	root.Defaults = map[playlist.Layer]playlist.ID{playlist.Main: "default", playlist.Ticker: "ticker"}
	b.rows.Places = append(b.rows.Places, root)
	provinces := map[string]bool{}
	count := map[string]int{}
	for _, g := range gates {
		n := g.Neighbour.Country
		if !contains(shown, string(g.ID)) && (g.GateClass != "international" || n == "CN" || g.Mode != "road" || count[n] >= 5) {
			continue
		}
		count[n]++
		if !provinces[g.Province] {
			provinces[g.Province] = true
			b.rows.Places = append(b.rows.Places, playlist.Place{ID: g.Parent, Parent: seed.Ministry, Kind: playlist.Province, Names: playlist.Names{"vi": g.Province}})
		}
		g.Languages = facing[n].languages
		b.rows.Places = append(b.rows.Places, g.Place)
		if g.EVisa != nil {
			b.rows.Facts = append(b.rows.Facts, *g.EVisa)
		}
	}
	b.sampleGate()
	if len(b.rows.Facts) == 0 || len(b.rows.Places) < 16 {
		return fmt.Errorf("gates.csv gave only %d places", len(b.rows.Places))
	}
	return nil
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// sampleGate is made up and complete, and says so on the screen.
func (b *builder) sampleGate() {
	n := seed.Neighbours["Trung Quoc"]
	n.Gate = playlist.Names{"vi": "Cửa khẩu đối diện mẫu", "en": "Sample opposite gate", "zh-Hans": "示例对面口岸"}
	b.rows.Places = append(b.rows.Places, playlist.Place{ID: "sample-gate", Parent: "bvhttdl", Kind: playlist.Gate, Sample: true, GateClass: "international",
		Names:     playlist.Names{"vi": "Cửa khẩu Mẫu", "en": "Sample Gate", "zh-Hans": "示例口岸", "lo": "ດ່ານຕົວຢ່າງ", "km": "ច្រកគំរូ"},
		Neighbour: &n, Languages: []playlist.Language{"vi", "en", "zh-Hans", "lo", "km", "blt"}})
	day := func(y int, m, d int) playlist.Date {
		date, err := playlist.NewDate(fmt.Sprintf("%04d-%02d-%02d", y, m, d))
		if err != nil {
			panic(err) // a constant of this file
		}
		return date
	}
	fact := func(kind playlist.FactKind, value playlist.Names, hours ...playlist.SideHours) {
		b.rows.Facts = append(b.rows.Facts, playlist.GateFact{ID: "sample-" + playlist.ID(strings.ReplaceAll(string(kind), " ", "-")), Gate: "sample-gate", Kind: kind,
			Value: value, Hours: hours, Source: "Dữ liệu mẫu", CheckedOn: day(2026, 11, 1), ReviewBy: day(2030, 12, 31)})
	}
	fact(playlist.FactHours, nil,
		playlist.SideHours{Side: "vietnam", Zone: "Asia/Ho_Chi_Minh", Weekly: []playlist.DayHours{{Open: 7 * 60, Close: 20 * 60}},
			Exceptions: []playlist.HoursException{{Date: day(2027, 2, 6), Reason: playlist.Names{"vi": "Mùng một Tết"}}}},
		playlist.SideHours{Side: "neighbour", Zone: "Asia/Shanghai", Weekly: []playlist.DayHours{{Open: 8 * 60, Close: 21 * 60}}})
	fact(playlist.FactPapers, playlist.Names{"vi": "Hộ chiếu hoặc giấy thông hành còn hạn", "en": "Valid passport or border pass", "zh-Hans": "有效护照或边境通行证",
		"lo": "ໜັງສືຜ່ານແດນທີ່ຍັງບໍ່ໝົດອາຍຸ", "km": "លិខិតឆ្លងដែនដែលនៅមានសុពលភាព"})
	fact(playlist.FactEVisa, accepted)
	fact(playlist.FactFee, playlist.Names{"vi": "Không thu phí", "en": "No fee", "zh-Hans": "免费", "lo": "ບໍ່ເສຍຄ່າ", "km": "មិនគិតថ្លៃ"})
	fact(playlist.FactForbidden, playlist.Names{"vi": "Vũ khí, chất nổ, ma túy, pháo", "en": "Weapons, explosives, drugs, fireworks", "zh-Hans": "武器、爆炸物、毒品、烟花",
		"lo": "ອາວຸດ ລະເບີດ ຢາເສບຕິດ ໝາກກະໂພກ", "km": "អាវុធ គ្រឿងផ្ទុះ គ្រឿងញៀន កាំជ្រួច"})
	fact(playlist.FactHotline, playlist.Names{"vi": "0000 000 000 (mẫu)", "en": "0000 000 000 (sample)", "zh-Hans": "0000 000 000（示例）", "lo": "0000 000 000", "km": "0000 000 000"})
}
