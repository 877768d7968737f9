// Package seed holds the places that a new hub begins with: the ministry, the
// provinces and the gates of a public, sourced list. They are a beginning, not
// constants: every one can be changed, moved and closed afterwards. What the
// list leaves blank is unknown and stays so.
package seed

import (
	"embed"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"cotmoc/hub/server/workflow"
	"cotmoc/playlist"
)

//go:embed gates.csv
var files embed.FS

// Ministry is the place at the root.
const Ministry playlist.ID = "bvhttdl"

// Neighbours are the countries across the border, by their names in the list.
var Neighbours = map[string]playlist.Neighbour{
	"Trung Quoc": {Country: "CN", Zone: "Asia/Shanghai", Names: playlist.Names{"vi": "Trung Quốc", "en": "China", "zh-Hans": "中国", "lo": "ຈີນ", "km": "ចិន"}},
	"Lao":        {Country: "LA", Zone: "Asia/Vientiane", Names: playlist.Names{"vi": "Lào", "en": "Laos", "zh-Hans": "老挝", "lo": "ລາວ", "km": "ឡាវ"}},
	"Campuchia":  {Country: "KH", Zone: "Asia/Phnom_Penh", Names: playlist.Names{"vi": "Campuchia", "en": "Cambodia", "zh-Hans": "柬埔寨", "lo": "ກຳປູເຈຍ", "km": "កម្ពុជា"}},
}

// languages of a gate: Vietnamese, the neighbour's, English (Decision 273).
var languages = map[string][]playlist.Language{"CN": {"vi", "zh-Hans", "en"}, "LA": {"vi", "lo", "en"}, "KH": {"vi", "km", "en"}}

var accepted = playlist.Names{"vi": "Được chấp nhận", "en": "Accepted", "zh-Hans": "可使用电子签证", "lo": "ຍອມຮັບ", "km": "ទទួលយក"}

// decisions are the lists of gates that take electronic visas, by year.
var decisions = map[string]string{"2023": "Nghị quyết 127/NQ-CP (14/8/2023)", "2025": "Nghị quyết 389/NQ-CP (2025)"}

// Gate is a gate of the list.
type Gate struct {
	playlist.Place
	Province string // by its name since 2025
	Mode     string // road, rail, river …
	EVisa    *playlist.GateFact
}

// Root is the ministry's place.
func Root() playlist.Place {
	return playlist.Place{ID: Ministry, Kind: playlist.Ministry, Zone: "Asia/Ho_Chi_Minh",
		Names:     playlist.Names{"vi": "Bộ Văn hóa, Thể thao và Du lịch", "en": "Ministry of Culture, Sports and Tourism"},
		Languages: []playlist.Language{"vi", "en"}}
}

// Classes are the classes of content that a new hub begins with.
func Classes() []workflow.Class {
	province, both := []playlist.PlaceKind{playlist.Province}, []playlist.PlaceKind{playlist.Province, playlist.Ministry}
	return []workflow.Class{
		{ID: "bulletin", Names: playlist.Names{"vi": "Bản tin", "en": "Bulletin"}, Levels: province},
		{ID: "culture", Names: playlist.Names{"vi": "Văn hóa, du lịch", "en": "Culture and tourism"}, Levels: province},
		{ID: "gate-fact", Names: playlist.Names{"vi": "Thông tin cửa khẩu", "en": "Gate information"}, Levels: province},
		{ID: "law", Names: playlist.Names{"vi": "Pháp luật", "en": "Law"}, Levels: both},
		{ID: "foreign-affairs", Names: playlist.Names{"vi": "Đối ngoại, biên giới lãnh thổ", "en": "Foreign affairs and territory"}, Levels: both},
	}
}

// ProvinceID makes a province's id of its name: "Lạng Sơn" is p-lang-son.
func ProvinceID(name string) playlist.ID {
	var b strings.Builder
	for _, r := range norm.NFD.String(strings.ToLower(name)) {
		switch {
		case r == 'đ':
			b.WriteByte('d')
		case unicode.Is(unicode.Mn, r):
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			b.WriteRune(r)
		default:
			b.WriteByte('-')
		}
	}
	return playlist.ID("p-" + strings.Trim(b.String(), "-"))
}

// Gates reads the list.
func Gates() ([]Gate, error) {
	f, err := files.Open("gates.csv")
	if err != nil {
		return nil, fmt.Errorf("gates.csv: %w", err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("gates.csv: %w", err)
	}
	var out []Gate
	for _, row := range rows[1:] {
		g, err := gate(func(name string) string {
			return strings.TrimSpace(row[slices.Index(rows[0], name)])
		})
		if err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
}

func gate(get func(string) string) (Gate, error) {
	n, ok := Neighbours[get("neighbour")]
	if !ok {
		return Gate{}, fmt.Errorf("gates.csv: %s: the neighbour %q is not known", get("id"), get("neighbour"))
	}
	if o := get("opposite_gate"); o != "" {
		n.Gate = playlist.Names{"vi": o}
	}
	g := Gate{Province: get("province_2025"), Mode: get("mode")}
	g.Place = playlist.Place{ID: playlist.ID(get("id")), Parent: ProvinceID(g.Province), Kind: playlist.Gate, Names: playlist.Names{"vi": get("name_vi")},
		GateClass: class(get("type_latest")), Neighbour: &n, Languages: languages[n.Country]}
	lat, err1 := strconv.ParseFloat(get("lat"), 64)
	lon, err2 := strconv.ParseFloat(get("lon"), 64)
	// Other coordinates are of towns and district seats up to 30 km away.
	if err1 == nil && err2 == nil && strings.HasPrefix(get("coord_kind"), "gate point") {
		g.Coordinates = &playlist.Coordinates{Lat: lat, Lon: lon}
	}
	if before := get("province_pre2025"); before != "" && before != g.Province {
		g.History = append(g.History, playlist.PlaceChange{What: fmt.Sprintf("Trước khi sắp xếp năm 2025 thuộc tỉnh %s", before), Source: "Nghị quyết 202/2025"})
	}
	if before := get("type_in_2020_snapshot"); before != "" && class(before) != g.GateClass {
		g.History = append(g.History, playlist.PlaceChange{What: fmt.Sprintf("Khoảng năm 2020 xếp loại %s", classNames[class(before)]), Source: clip(get("source"), 300)})
	}
	if source := decisions[get("evisa_list")]; source != "" {
		g.EVisa = &playlist.GateFact{ID: g.ID + "-evisa", Gate: g.ID, Kind: playlist.FactEVisa, Value: accepted, Source: source}
	}
	return g, nil
}

var classNames = map[string]string{"international": "quốc tế", "main": "chính", "secondary": "phụ", "other": "khác"}

func class(text string) string {
	for prefix, class := range map[string]string{"quoc te": "international", "chinh/so": "main", "phu/tinh": "secondary"} {
		if strings.HasPrefix(text, prefix) {
			return class
		}
	}
	return "other"
}

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}

// Places lists the ministry, the provinces and the gates, each after what it
// lies under.
func Places() ([]playlist.Place, error) {
	gates, err := Gates()
	if err != nil {
		return nil, err
	}
	out := []playlist.Place{Root()}
	seen := map[string]bool{}
	for _, g := range gates {
		if !seen[g.Province] {
			seen[g.Province] = true
			out = append(out, playlist.Place{ID: ProvinceID(g.Province), Parent: Ministry, Kind: playlist.Province, Names: playlist.Names{"vi": g.Province}})
		}
	}
	for _, g := range gates {
		out = append(out, g.Place)
	}
	return out, nil
}
