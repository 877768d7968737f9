package playlist

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// border is a small tree: ministry > province > gate, and another province.
func border() Rows {
	name := Names{"vi": "x"}
	return Rows{Format: Format,
		Places: []Place{
			{ID: "bo", Kind: Ministry, Names: name, Zone: "Asia/Ho_Chi_Minh", Languages: []Language{"vi", "en"}, Layout: "full", Defaults: map[Layer]ID{Main: "list"}},
			{ID: "langson", Parent: "bo", Kind: Province, Names: name, Languages: []Language{"vi", "zh-Hans", "tyz"}},
			{ID: "huunghi", Parent: "langson", Kind: Gate, Names: name},
			{ID: "hatinh", Parent: "bo", Kind: Province, Names: name, Zone: "Asia/Vientiane"},
			{ID: "cautreo", Parent: "hatinh", Kind: Gate, Names: name},
		},
		Displays:  []Display{{ID: "hn1", Place: "huunghi", Width: 1920, Height: 1080}, {ID: "ct1", Place: "cautreo", Width: 1080, Height: 1920, Layout: "split"}},
		Layouts:   []Layout{FullLayoutAs("full"), FullLayoutAs("split")},
		Items:     []Item{{ID: "i", Kind: Bulletin}},
		Versions:  []Version{{Item: "i", Language: "vi", Title: "t"}},
		Playlists: []Playlist{{ID: "list", Entries: []Entry{{Item: "i"}}}, {ID: "other", Entries: []Entry{{Playlist: "list"}, {Item: "i"}}}},
	}
}

func FullLayoutAs(id ID) Layout {
	l := FullLayout()
	l.ID = id
	return l
}

func catalogue(t *testing.T, change func(*Rows)) (*Catalogue, error) {
	t.Helper()
	r := border()
	change(&r)
	return NewCatalogue(r)
}

func TestInheritance(t *testing.T) {
	c, err := catalogue(t, func(*Rows) {})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.LanguagesOf("huunghi"); !slices.Equal(got, []Language{"vi", "zh-Hans", "tyz"}) {
		t.Errorf("languages %v", got)
	}
	if got := c.LanguagesOf("cautreo"); !slices.Equal(got, []Language{"vi", "en"}) {
		t.Errorf("languages %v", got)
	}
	if c.ZoneOf("cautreo").String() != "Asia/Vientiane" || c.ZoneOf("huunghi").String() != "Asia/Ho_Chi_Minh" || c.ZoneOf("nowhere").String() != "Asia/Ho_Chi_Minh" {
		t.Error("zones are not inherited")
	}
	if c.LayoutOf(c.Displays["hn1"]).ID != "full" || c.LayoutOf(c.Displays["ct1"]).ID != "split" || c.LayoutOf(Display{}).ID != FullLayout().ID {
		t.Error("layouts are not inherited")
	}
	if c.DefaultOf(c.Displays["hn1"], Main) != "list" || c.DefaultOf(c.Displays["hn1"], Ticker) != "" {
		t.Error("default playlists are not inherited")
	}
	if !c.Within("huunghi", "bo") || !c.Within("bo", "bo") || c.Within("huunghi", "hatinh") || c.Within("nowhere", "bo") {
		t.Error("the tree is wrong")
	}
	if line := c.Ancestry("huunghi"); len(line) != 3 || line[2].ID != "bo" {
		t.Errorf("ancestry %v", line)
	}
}

// What an owner may say, and where.
func TestScopes(t *testing.T) {
	now := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
	schedule := func(owner ID, priority int, places, displays []ID) func(*Rows) {
		return func(r *Rows) {
			r.Schedules = []Schedule{{ID: "s", Owner: owner, Playlist: "list", Always: true, Priority: priority, Places: places, Displays: displays}}
		}
	}
	notice := func(owner ID, places ...ID) func(*Rows) {
		return func(r *Rows) {
			r.Notices = []Notice{{ID: "n", Owner: owner, Severity: Extreme, Starts: now, Ends: now.Add(time.Hour), Places: places, Bodies: map[Language]Body{"vi": {Title: "x"}}}}
		}
	}
	must := func(owner ID, places ...ID) func(*Rows) {
		return func(r *Rows) {
			r.Mandatory = []Mandatory{{ID: "m", Owner: owner, Item: "i", Every: Duration(10 * time.Minute), Places: places}}
		}
	}
	for name, c := range map[string]struct {
		change func(*Rows)
		code   Code
	}{
		"ministry everywhere":           {schedule("bo", 100, nil, nil), ""},
		"province at its ceiling":       {schedule("langson", 89, nil, nil), ""},
		"province above its ceiling":    {schedule("langson", 90, nil, nil), CodeRefused},
		"gate at its ceiling":           {schedule("huunghi", 69, nil, nil), ""},
		"gate above its ceiling":        {schedule("huunghi", 70, nil, nil), CodeRefused},
		"province in its gate":          {schedule("langson", 10, []ID{"huunghi"}, nil), ""},
		"province in another's gate":    {schedule("langson", 10, []ID{"huunghi", "cautreo"}, nil), CodeRefused},
		"province on another's display": {schedule("langson", 10, nil, []ID{"ct1"}), CodeRefused},
		"province above itself":         {schedule("langson", 10, []ID{"bo"}, nil), CodeRefused},
		"unknown place":                 {schedule("langson", 10, []ID{"nowhere"}, nil), CodeMissing},
		"notice in its own":             {notice("langson", "huunghi"), ""},
		"notice in another province":    {notice("langson", "cautreo"), CodeRefused},
		"mandatory in its own":          {must("bo"), ""},
		"mandatory in another province": {must("hatinh", "langson"), CodeRefused},
	} {
		_, err := catalogue(t, c.change)
		if CodeOf(err) != c.code || (err == nil) != (c.code == "") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A row without places holds in its owner's subtree, and nowhere else.
func TestRowsWithoutPlacesStayAtHome(t *testing.T) {
	c, err := catalogue(t, func(r *Rows) {
		r.Schedules = []Schedule{{ID: "s", Owner: "langson", Playlist: "list", Always: true}}
	})
	if err != nil {
		t.Fatal(err)
	}
	s := c.Schedules[0]
	if !c.Applies(s.Places, s.Displays, c.Displays["hn1"]) || c.Applies(s.Places, s.Displays, c.Displays["ct1"]) {
		t.Errorf("it holds at %v", s.Places)
	}
	if !c.Applies(nil, []ID{"ct1"}, c.Displays["ct1"]) || c.Applies([]ID{"bo"}, []ID{"ct1"}, c.Displays["hn1"]) {
		t.Error("named displays alone count")
	}
}

func TestBrokenReferences(t *testing.T) {
	for name, change := range map[string]func(*Rows){
		"item of a version":      func(r *Rows) { r.Versions[0].Item = "none" },
		"item of a playlist":     func(r *Rows) { r.Playlists[0].Entries[0].Item = "none" },
		"playlist of a playlist": func(r *Rows) { r.Playlists[1].Entries[0].Playlist = "none" },
		"place of a display":     func(r *Rows) { r.Displays[0].Place = "none" },
		"parent of a place":      func(r *Rows) { r.Places[1].Parent = "none" },
		"layout of a display":    func(r *Rows) { r.Displays[1].Layout = "none" },
		"media of a version":     func(r *Rows) { r.Versions[0].Media = []Hash{Hash(strings.Repeat("ab", 32))} },
		"gate of a fact": func(r *Rows) {
			r.Facts = []GateFact{{ID: "f", Gate: "none", Kind: FactFee, Source: "x"}}
		},
		"calendar of a schedule": func(r *Rows) {
			r.Schedules = []Schedule{{ID: "s", Playlist: "list", Always: true, Except: []string{"cal:tet"}}}
		},
	} {
		if _, err := catalogue(t, change); CodeOf(err) != CodeMissing {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDuplicatesAndCycles(t *testing.T) {
	h := Hash(strings.Repeat("ab", 32))
	for name, c := range map[string]struct {
		change func(*Rows)
		code   Code
	}{
		"item twice":    {func(r *Rows) { r.Items = append(r.Items, r.Items[0]) }, CodeDuplicate},
		"version twice": {func(r *Rows) { r.Versions = append(r.Versions, r.Versions[0]) }, CodeDuplicate},
		"file twice": {func(r *Rows) {
			r.Media = []Media{{SHA256: h, Type: "a/b", Path: "1"}, {SHA256: h, Type: "a/b", Path: "2"}}
		}, ""},
		"two sizes":       {func(r *Rows) { r.Media = []Media{{SHA256: h, Type: "a/b"}, {SHA256: h, Type: "a/b", Bytes: 1}} }, CodeDuplicate},
		"own playlist":    {func(r *Rows) { r.Playlists[0].Entries = []Entry{{Playlist: "list"}} }, CodeCycle},
		"two playlists":   {func(r *Rows) { r.Playlists[0].Entries = []Entry{{Playlist: "other"}} }, CodeCycle},
		"place in itself": {func(r *Rows) { r.Places[0].Parent = "huunghi" }, CodeCycle},
	} {
		if _, err := catalogue(t, c.change); CodeOf(err) != c.code || (err == nil) != (c.code == "") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A chain of playlists is taken or refused by its depth, whatever the order in
// which a map is walked.
func TestDepthIsBounded(t *testing.T) {
	chain := func(n int) func(*Rows) {
		return func(r *Rows) {
			r.Playlists = []Playlist{{ID: "list", Entries: []Entry{{Item: "i"}}}}
			last := ID("list")
			for i := range n {
				id := ID(fmt.Sprintf("p%03d", i))
				r.Playlists = append(r.Playlists, Playlist{ID: id, Entries: []Entry{{Playlist: last}}})
				last = id
			}
		}
	}
	for range 20 {
		if _, err := catalogue(t, chain(maxDepth-1)); err != nil {
			t.Fatalf("%d deep: %v", maxDepth, err)
		}
		if _, err := catalogue(t, chain(maxDepth)); CodeOf(err) != CodeCycle {
			t.Fatalf("%d deep: %v", maxDepth+1, err)
		}
	}
}

// Nested playlists are flattened in order; a hostile nest ends quickly and is cut.
func TestFlatten(t *testing.T) {
	c, err := catalogue(t, func(r *Rows) {
		r.Items = append(r.Items, Item{ID: "j", Kind: Bulletin})
		r.Playlists[1].Entries = []Entry{{Item: "j"}, {Playlist: "list"}, {Playlist: "list"}, {Item: "j"}}
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []ID
	for _, e := range c.Flatten("other") {
		got = append(got, e.Item)
	}
	if !slices.Equal(got, []ID{"j", "i", "i", "j"}) {
		t.Errorf("flattened %v", got)
	}
	for name, leaf := range map[string][]Entry{"empty": nil, "full": slices.Repeat([]Entry{{Item: "i"}}, MaxListEntries)} {
		c, err := catalogue(t, func(r *Rows) {
			r.Playlists = []Playlist{{ID: "list", Entries: leaf}, {ID: "a", Entries: slices.Repeat([]Entry{{Playlist: "list"}}, MaxListEntries)},
				{ID: "b", Entries: slices.Repeat([]Entry{{Playlist: "a"}}, MaxListEntries)}}
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(c.Flatten("b")); n != min(len(leaf), MaxListEntries) {
			t.Errorf("%s: %d entries", name, n)
		}
	}
}

func TestConstructorsBoundEverything(t *testing.T) {
	long := strings.Repeat("x", MaxTitleLen+1)
	for name, change := range map[string]func(*Rows){
		"display of no pixels": func(r *Rows) { r.Displays[0].Width = 0 },
		"display of a million": func(r *Rows) { r.Displays[0].Height = 1_000_000 },
		"display turned by 45": func(r *Rows) { r.Displays[0].Rotation = 45 },
		"volume of 101":        func(r *Rows) { r.Displays[0].Sound.Volume = 101 },
		"role":                 func(r *Rows) { r.Displays[0].Role = "mirror" },
		"kind of a place":      func(r *Rows) { r.Places[0].Kind = "moon" },
		"zone of a place":      func(r *Rows) { r.Places[0].Zone = "Mars/Olympus" },
		"place without a name": func(r *Rows) { r.Places[0].Names = nil },
		"kind of an item":      func(r *Rows) { r.Items[0].Kind = "game" },
		"audience":             func(r *Rows) { r.Items[0].Audience = "nobody" },
		"validity that ends first": func(r *Rows) {
			a, b := time.Unix(2, 0), time.Unix(1, 0)
			r.Items[0].ValidFrom, r.Items[0].ValidUntil = &a, &b
		},
		"title too long":             func(r *Rows) { r.Versions[0].Title = long },
		"text of control characters": func(r *Rows) { r.Versions[0].Text = "a\x00b" },
		"text that is not UTF-8":     func(r *Rows) { r.Versions[0].Text = "\xff\xfe" },
		"version without language":   func(r *Rows) { r.Versions[0].Language = "" },
		"state of a version":         func(r *Rows) { r.Versions[0].State = "maybe" },
		"form of a version":          func(r *Rows) { r.Versions[0].Form = "smell" },
		"no zones":                   func(r *Rows) { r.Layouts[0].Zones = nil },
		"zone outside":               func(r *Rows) { r.Layouts[0].Zones[0].X = 500 },
		"entry of nothing":           func(r *Rows) { r.Playlists[0].Entries[0] = Entry{} },
		"entry of two":               func(r *Rows) { r.Playlists[0].Entries[0].Playlist = "other" },
		"turns":                      func(r *Rows) { r.Playlists[0].Turns = "random" },
		"fit":                        func(r *Rows) { r.Playlists[0].Entries[0].Fit = "stretch" },
		"transition":                 func(r *Rows) { r.Playlists[0].Entries[0].Transition.Kind = "explode" },
		"two ways to start": func(r *Rows) {
			r.Schedules = []Schedule{{ID: "s", Playlist: "list", Always: true, Starts: "0 8 * * *"}}
		},
		"no way to start": func(r *Rows) { r.Schedules = []Schedule{{ID: "s", Playlist: "list"}} },
		"lasts for ever": func(r *Rows) {
			r.Schedules = []Schedule{{ID: "s", Playlist: "list", Starts: "0 8 * * *", Lasts: Duration(169 * time.Hour)}}
		},
		"priority 101": func(r *Rows) { r.Schedules = []Schedule{{ID: "s", Playlist: "list", Always: true, Priority: 101}} },
		"until before from": func(r *Rows) {
			r.Schedules = []Schedule{{ID: "s", Playlist: "list", Always: true, From: Date{2027, 3, 2}, Until: Date{2027, 3, 1}}}
		},
		"mandatory each second": func(r *Rows) { r.Mandatory = []Mandatory{{ID: "m", Item: "i", Every: Duration(time.Second)}} },
		"notice of four days": func(r *Rows) {
			r.Notices = []Notice{{ID: "n", Severity: Extreme, Starts: time.Unix(0, 0), Ends: time.Unix(73*3600, 0), Bodies: map[Language]Body{"vi": {Title: "x"}}}}
		},
		"notice without words": func(r *Rows) {
			r.Notices = []Notice{{ID: "n", Severity: Extreme, Starts: time.Unix(0, 0), Ends: time.Unix(3600, 0)}}
		},
		"fact without source": func(r *Rows) { r.Facts = []GateFact{{ID: "f", Gate: "huunghi", Kind: FactFee}} },
		"hours without hours": func(r *Rows) { r.Facts = []GateFact{{ID: "f", Gate: "huunghi", Kind: FactHours, Source: "x"}} },
	} {
		_, err := catalogue(t, change)
		if err == nil || CodeOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// All problems are named, not only the first; and not without bound.
func TestProblemsAreJoined(t *testing.T) {
	_, err := catalogue(t, func(r *Rows) {
		for i := range 500 {
			r.Items = append(r.Items, Item{ID: ID(fmt.Sprint("bad", i)), Kind: "game"})
		}
	})
	if n := strings.Count(err.Error(), "\n") + 1; n != 100 {
		t.Errorf("%d problems are named", n)
	}
}

func TestUnknownFieldsAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"unknown field": `{"format":"cotmoc-content/1","plases":[]}`, "other format": `{"format":"cotmoc-content/9"}`, "no format": `{}`,
		"not JSON": "hello", "empty": "", "two values": `{"format":"cotmoc-content/1"} {}`, "null": "null",
	} {
		if _, err := DecodeRows([]byte(text)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := DecodeRows([]byte(`{"format":"cotmoc-content/1"}`)); err != nil {
		t.Error(err)
	}
}
