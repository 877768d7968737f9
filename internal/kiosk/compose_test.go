package kiosk

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"cotmoc/playlist"
	"cotmoc/playlist/resolve"
)

// shelf is an inventory of given files.
type shelf map[playlist.Hash]bool

func (s shelf) Has(h playlist.Hash) bool    { return s[h] }
func (s shelf) Path(h playlist.Hash) string { return "/media/" + string(h) }

func hash(c string) playlist.Hash { return playlist.Hash(strings.Repeat(c, 64)) }

var eight = time.Date(2027, 3, 1, 8, 30, 0, 0, time.FixedZone("+07", 7*3600))

func composer(t *testing.T, files shelf, change func(r *playlist.Rows)) *Composer {
	t.Helper()
	later := eight.Add(10 * time.Minute)
	r := playlist.Rows{
		Places: []playlist.Place{
			{ID: "m", Kind: playlist.Ministry, Names: playlist.Names{"vi": "Bộ"}, Zone: "Asia/Ho_Chi_Minh", Languages: []playlist.Language{"vi", "en"}, Defaults: map[playlist.Layer]playlist.ID{"main": "def"}},
			{ID: "p", Parent: "m", Kind: playlist.Province, Names: playlist.Names{"vi": "Tỉnh"}},
			{ID: "g", Parent: "p", Kind: playlist.Gate, Names: playlist.Names{"vi": "Cửa khẩu"}},
			{ID: "g2", Parent: "p", Kind: playlist.Gate, Names: playlist.Names{"vi": "Cửa khẩu 2"}}},
		Displays: []playlist.Display{{ID: "d", Place: "g", Width: 1280, Height: 720}, {ID: "d2", Place: "g2", Width: 1280, Height: 720}},
		Layouts:  []playlist.Layout{{ID: "two", Zones: []playlist.Zone{{ID: "main", W: 500, H: 1000, Source: playlist.Source{Kind: "layer", Layer: "main"}}, {ID: "gate", X: 500, W: 500, H: 1000, Source: playlist.Source{Kind: "gate"}}}}},
		Items: []playlist.Item{{ID: "text", Kind: playlist.Bulletin}, {ID: "film", Kind: playlist.Video}, {ID: "soon", Kind: playlist.Bulletin, ValidFrom: &later},
			{ID: "staff", Kind: playlist.Bulletin, Audience: playlist.Staff}, {ID: "card", Kind: playlist.Fact}, {ID: "must", Kind: playlist.Bulletin}},
		Versions: []playlist.Version{{Item: "text", Language: "vi", Text: "chào"}, {Item: "text", Language: "en", Text: "hello"}, {Item: "text", Language: "lo", Text: "draft", State: playlist.Draft},
			{Item: "film", Language: "zxx", Media: []playlist.Hash{hash("a")}}, {Item: "soon", Language: "vi", Text: "mới"}, {Item: "staff", Language: "vi", Text: "x"}, {Item: "must", Language: "vi", Text: "y"}},
		Media:     []playlist.Media{{SHA256: hash("a"), Type: "video/mp4"}},
		Playlists: []playlist.Playlist{{ID: "day", Entries: []playlist.Entry{{Item: "text"}, {Item: "film"}, {Item: "soon"}, {Item: "staff"}, {Item: "card"}}}, {ID: "films", Entries: []playlist.Entry{{Item: "film"}}}, {ID: "def", Entries: []playlist.Entry{{Item: "text"}}}},
		Schedules: []playlist.Schedule{{ID: "s", Owner: "p", Playlist: "day", Layout: "two", Starts: "0 8 * * *", Lasts: playlist.Duration(2 * time.Hour), Priority: 10, Places: []playlist.ID{"g"}},
			{ID: "f", Owner: "p", Playlist: "films", Starts: "0 8 * * *", Lasts: playlist.Duration(2 * time.Hour), Priority: 80, Places: []playlist.ID{"p"}}},
		Mandatory: []playlist.Mandatory{{Owner: "m", Item: "must", Every: playlist.Duration(10 * time.Minute), Places: []playlist.ID{"m"}}},
	}
	if change != nil {
		change(&r)
	}
	cat, err := playlist.NewCatalogue(r)
	if err != nil {
		t.Fatal(err)
	}
	return &Composer{Catalogue: cat, Edition: "e", Files: files}
}

func items(p *playlist.Programme) string {
	var out []string
	for _, e := range p.Zones[0].Entries {
		s := string(e.Item)
		for _, v := range e.Versions {
			s += "." + string(v.Language)
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func compose(c *Composer, display string, m Moment) *playlist.Programme {
	p, _ := c.Compose(c.Catalogue.Displays[playlist.ID(display)], m, Kept{})
	return p
}

func TestComposeShowsOnlyWhatIsHereAndApproved(t *testing.T) {
	c := composer(t, shelf{}, nil)
	p := compose(c, "d", Moment{At: eight, Trusted: true})
	if got := items(p); got != "text.vi.en card.vi.en" || p.Zones[0].Schedule != "s" {
		t.Errorf("without the film's file: %s by %s", got, p.Zones[0].Schedule)
	}
	if len(p.Zones) != 2 || p.Zones[1].Gate == nil {
		t.Errorf("the schedule's layout is not used: %+v", p.Zones)
	}
	if p.ValidUntil == nil || !p.ValidUntil.Equal(eight.Add(10*time.Minute)) {
		t.Errorf("valid until %v, want when an item becomes valid", p.ValidUntil)
	}
	c = composer(t, shelf{hash("a"): true}, nil)
	p = compose(c, "d", Moment{At: eight, Trusted: true})
	if items(p) != "film.zxx" || p.Zones[0].Schedule != "f" {
		t.Errorf("with it: %s by %s", items(p), p.Zones[0].Schedule)
	}
	if p := compose(composer(t, shelf{}, nil), "d2", Moment{At: eight, Trusted: true}); items(p) != "text.vi.en" || p.Zones[0].Schedule != "" {
		t.Errorf("another gate: %s", items(p))
	}
	dec := composer(t, shelf{}, nil).Decide(c.Catalogue.Displays["d"], playlist.Main, Moment{At: eight, Trusted: true}, true)
	if !slices.ContainsFunc(dec.Losers, func(l resolve.Loss) bool { return l.ID == "f" && l.Rule == resolve.RuleUnplayable && l.Detail != "" }) {
		t.Errorf("why f lost: %+v", dec.Losers)
	}
}

func TestComposeWithAnUntrustedClock(t *testing.T) {
	p := compose(composer(t, shelf{hash("a"): true}, nil), "d", Moment{At: time.Unix(0, 0), Trusted: false})
	if items(p) != "text.vi.en" || p.Clock.Trusted || p.Zones[0].Schedule != "" || p.ValidUntil != nil {
		t.Errorf("%s, trusted %v, until %v", items(p), p.Clock.Trusted, p.ValidUntil)
	}
	c := composer(t, shelf{}, func(r *playlist.Rows) {
		r.Playlists[2].Entries = append(r.Playlists[2].Entries, playlist.Entry{Item: "soon"})
	})
	if p := compose(c, "d", Moment{At: eight.Add(time.Hour), Trusted: false}); items(p) != "text.vi.en" {
		t.Errorf("a dated item plays without a clock: %s", items(p))
	}
}

func TestComposeNoticeAndDefaultAndMandatory(t *testing.T) {
	c := composer(t, shelf{}, nil)
	n := resolve.Notice{Notice: playlist.Notice{ID: "n", Severity: playlist.Extreme, Starts: eight.Add(-time.Minute), Ends: eight.Add(time.Minute), Bodies: map[playlist.Language]playlist.Body{"vi": {Title: "!"}}}}
	p := compose(c, "d", Moment{At: eight, Trusted: true, Notices: []resolve.Notice{n}})
	if p.Notice == nil || p.Notice.ID != "n" || items(p) == "" || p.ValidUntil == nil || !p.ValidUntil.Equal(n.Ends) {
		t.Errorf("notice %+v over %q until %v", p.Notice, items(p), p.ValidUntil)
	}
	if p.Default == nil || items(p.Default) != "text.vi.en" || p.Default.Default != nil {
		t.Errorf("default %+v", p.Default)
	}
	if len(p.Mandatory) != 1 || p.Mandatory[0].DueIn != 600_000 {
		t.Errorf("mandatory %+v", p.Mandatory)
	}
	kept, _ := c.Compose(c.Catalogue.Displays["d"], Moment{At: eight, Trusted: true}, Kept{Left: map[playlist.ID]int64{"must": -3000}})
	if kept.Mandatory[0].DueIn != -3000 {
		t.Errorf("an overdue item was forgotten: %d", kept.Mandatory[0].DueIn)
	}
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := playlist.DecodeProgramme(raw); err != nil {
		t.Errorf("the stage would refuse it: %v", err)
	}
}

func TestFingerprintIgnoresWhatDoesNotShow(t *testing.T) {
	c := composer(t, shelf{}, nil)
	d := c.Catalogue.Displays["d"]
	a, _ := c.Compose(d, Moment{At: eight, Trusted: true}, Kept{})
	b, _ := c.Compose(d, Moment{At: eight.Add(time.Second), Trusted: true}, Kept{Positions: map[playlist.ID]playlist.Position{"day": {Index: 1}}, Left: map[playlist.ID]int64{"must": 5}})
	b.Sequence = 7
	if fingerprint(a) != fingerprint(b) {
		t.Error("an unchanged programme would be sent again")
	}
	b.Zones[0].Entries[0].Versions[0].Text = "khác"
	if fingerprint(a) == fingerprint(b) {
		t.Error("a changed text would not be sent")
	}
}
