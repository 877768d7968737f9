package main

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

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

var neighbours = map[string]playlist.Neighbour{
	"Trung Quoc": {Country: "CN", Zone: "Asia/Shanghai", Names: playlist.Names{"vi": "Trung Quốc", "en": "China", "zh-Hans": "中国", "lo": "ຈີນ", "km": "ចិន"}},
	"Lao":        {Country: "LA", Zone: "Asia/Vientiane", Names: playlist.Names{"vi": "Lào", "en": "Laos", "zh-Hans": "老挝", "lo": "ລາວ", "km": "ឡាវ"}},
	"Campuchia":  {Country: "KH", Zone: "Asia/Phnom_Penh", Names: playlist.Names{"vi": "Campuchia", "en": "Cambodia", "zh-Hans": "柬埔寨", "lo": "ກຳປູເຈຍ", "km": "កម្ពុជា"}},
}

var accepted = playlist.Names{"vi": "Được chấp nhận", "en": "Accepted", "zh-Hans": "可使用电子签证", "lo": "ຍອມຮັບ", "km": "ទទួលយក"}

func (b *builder) places() error {
	f, err := os.Open(filepath.Join(b.assets, "gates.csv"))
	if err != nil {
		return err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return fmt.Errorf("gates.csv: %w", err)
	}
	b.rows.Places = append(b.rows.Places, playlist.Place{ID: "bvhttdl", Kind: playlist.Ministry, Zone: "Asia/Ho_Chi_Minh",
		Names:     playlist.Names{"vi": "Bộ Văn hóa, Thể thao và Du lịch", "en": "Ministry of Culture, Sports and Tourism"},
		Languages: []playlist.Language{"vi", "en"}, Defaults: map[playlist.Layer]playlist.ID{playlist.Main: "default", playlist.Ticker: "ticker"}})
	col := map[string]int{}
	for i, name := range rows[0] {
		col[name] = i
	}
	provinces := map[string]playlist.ID{}
	count := map[string]int{}
	for _, row := range rows[1:] {
		get := func(name string) string { return strings.TrimSpace(row[col[name]]) }
		n, ok := neighbours[get("neighbour")]
		international := strings.HasPrefix(get("type_latest"), "quoc te")
		wanted := contains(shown, get("id")) || international && n.Country != "CN" && get("mode") == "road" && count[n.Country] < 5
		if !ok || !wanted {
			continue
		}
		count[n.Country]++
		province := get("province_2025")
		if provinces[province] == "" {
			id := playlist.ID(fmt.Sprintf("province-%d", len(provinces)+1))
			provinces[province] = id
			b.rows.Places = append(b.rows.Places, playlist.Place{ID: id, Parent: "bvhttdl", Kind: playlist.Province, Names: playlist.Names{"vi": province}})
		}
		b.gate(get, n, provinces[province])
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

// gate takes over what gates.csv knows, and nothing else.
func (b *builder) gate(get func(string) string, n playlist.Neighbour, province playlist.ID) {
	id := playlist.ID(get("id"))
	class := map[string]string{"quoc te": "international", "chinh/so": "main", "phu/tinh": "secondary"}[clip(get("type_latest"), 7, 8)]
	if class == "" {
		class = "other"
	}
	if o := get("opposite_gate"); o != "" {
		n.Gate = playlist.Names{"vi": o}
	}
	p := playlist.Place{ID: id, Parent: province, Kind: playlist.Gate, Names: playlist.Names{"vi": get("name_vi")}, GateClass: class,
		Neighbour: &n, Languages: facing[n.Country].languages}
	lat, err1 := strconv.ParseFloat(get("lat"), 64)
	lon, err2 := strconv.ParseFloat(get("lon"), 64)
	if err1 == nil && err2 == nil && strings.HasPrefix(get("coord_kind"), "gate point") {
		p.Coordinates = &playlist.Coordinates{Lat: lat, Lon: lon}
	}
	b.rows.Places = append(b.rows.Places, p)
	if list := get("evisa_list"); list != "" {
		source := map[string]string{"2023": "Nghị quyết 127/NQ-CP (14/8/2023)", "2025": "Nghị quyết 389/NQ-CP (2025)"}[list]
		if source != "" {
			b.rows.Facts = append(b.rows.Facts, playlist.GateFact{ID: id + "-evisa", Gate: id, Kind: playlist.FactEVisa, Value: accepted, Source: source})
		}
	}
}

// clip returns the first n bytes of s for either length that is a known class.
func clip(s string, lengths ...int) string {
	for _, n := range lengths {
		if len(s) >= n {
			switch s[:n] {
			case "quoc te", "chinh/so", "phu/tinh":
				return s[:n]
			}
		}
	}
	return s
}

// sampleGate is made up and complete, and says so on the screen.
func (b *builder) sampleGate() {
	n := neighbours["Trung Quoc"]
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
