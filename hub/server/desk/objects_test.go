package desk

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/rights"
	"cotmoc/hub/server/workflow"
	"cotmoc/playlist"
)

// Every kind, written by the one whose role carries the right, by everyone
// else of the province, and by the right role in another province.
func TestWhoWritesWhat(t *testing.T) {
	w := newWorld(t)
	w.item("i1", "bulletin")
	w.put(w.publisher, central.Playlists, "p1", playlist.Playlist{ID: "p1", Owner: "ls", Entries: []playlist.Entry{{Item: "i1"}}})
	people := map[rights.Role]Caller{}
	elsewhere := map[rights.Role]Caller{}
	for _, r := range rights.Roles {
		login := strings.ReplaceAll(string(r), " ", "-")
		people[r], elsewhere[r] = w.person("ls-"+login, "ls", r), w.person("lc-"+login, "lc", r)
	}
	names := playlist.Names{"vi": "x"}
	start := w.now.Add(time.Hour)
	n := 0
	for kind, c := range map[central.Kind]struct {
		by  rights.Role
		row func(id playlist.ID) any
	}{
		central.Places: {rights.Administrator, func(id playlist.ID) any {
			return playlist.Place{ID: id, Parent: "ls", Kind: playlist.Gate, Names: names}
		}},
		central.Displays: {rights.Technician, func(id playlist.ID) any { return playlist.Display{ID: id, Place: "hn", Width: 1920, Height: 1080} }},
		central.Layouts:  {rights.Publisher, func(id playlist.ID) any { l := playlist.FullLayout(); l.ID, l.Owner = id, "ls"; return l }},
		central.Items: {rights.Author, func(id playlist.ID) any {
			return playlist.Item{ID: id, Owner: "ls", Kind: playlist.Bulletin, Class: "bulletin"}
		}},
		central.Facts: {rights.Author, func(id playlist.ID) any {
			return playlist.GateFact{ID: id, Gate: "hn", Kind: playlist.FactFee, Source: "x"}
		}},
		central.Playlists: {rights.Publisher, func(id playlist.ID) any {
			return playlist.Playlist{ID: id, Owner: "ls", Entries: []playlist.Entry{{Item: "i1"}}}
		}},
		central.Schedules: {rights.Publisher, func(id playlist.ID) any {
			return playlist.Schedule{ID: id, Owner: "ls", Playlist: "p1", Always: true, Priority: 89}
		}},
		central.Calendars: {rights.Publisher, func(id playlist.ID) any { return Calendar{playlist.Calendar{ID: id}, "ls"} }},
		central.Mandatory: {rights.Publisher, func(id playlist.ID) any {
			return playlist.Mandatory{ID: id, Owner: "ls", Item: "i1", Every: playlist.Duration(time.Hour)}
		}},
		central.Notices: {rights.EmergencyOfficer, func(id playlist.ID) any {
			return playlist.Notice{ID: id, Owner: "ls", Severity: playlist.Severe, Starts: start, Ends: start.Add(time.Hour), Bodies: map[playlist.Language]playlist.Body{"vi": {Title: "Sạt lở"}}}
		}},
		central.Classes: {"", func(id playlist.ID) any {
			return workflow.Class{ID: id, Levels: []playlist.PlaceKind{playlist.Ministry}}
		}},
	} {
		for _, r := range rights.Roles {
			id := playlist.ID(fmt.Sprintf("%s-%d", kind, n))
			n++
			doc, err := w.try(people[r], kind, id, c.row(id))
			if r != c.by {
				w.refused(fmt.Sprintf("%s by %s", kind, r), err)
				continue
			}
			if err != nil || doc.Rev != 1 {
				t.Errorf("%s by %s: %v", kind, r, err)
				continue
			}
			_, err = w.try(elsewhere[r], kind, id, c.row(id))
			w.refused(fmt.Sprintf("%s by %s of another province", kind, r), err)
			if err := w.Delete(t.Context(), elsewhere[r], kind, id, doc.Rev); err == nil {
				t.Errorf("%s was deleted by %s of another province", kind, r)
			}
		}
	}
	if len(kinds) != 11 || n != 88 {
		t.Errorf("%d kinds, %d cases", len(kinds), n)
	}
	if _, err := w.try(w.ministry, central.Classes, "c2", workflow.Class{ID: "c2", Levels: []playlist.PlaceKind{playlist.Ministry}}); err != nil {
		t.Errorf("a class by the ministry: %v", err)
	}
}

func TestRowsAreCheckedInTheirSurroundings(t *testing.T) {
	w := newWorld(t)
	w.item("i1", "bulletin")
	w.put(w.publisher, central.Playlists, "p1", playlist.Playlist{ID: "p1", Owner: "ls", Entries: []playlist.Entry{{Item: "i1"}}})
	w.put(w.publisher, central.Playlists, "p2", playlist.Playlist{ID: "p2", Owner: "ls", Entries: []playlist.Entry{{Playlist: "p1"}}})
	s := func(change func(*playlist.Schedule)) playlist.Schedule {
		x := playlist.Schedule{ID: "s1", Owner: "ls", Playlist: "p1", Starts: "0 8 * * *", Lasts: playlist.Duration(time.Hour), Priority: 50}
		change(&x)
		return x
	}
	w.put(w.publisher, central.Schedules, "s0", func() playlist.Schedule { x := s(func(*playlist.Schedule) {}); x.ID = "s0"; return x }())
	for name, c := range map[string]struct {
		kind central.Kind
		id   playlist.ID
		row  any
		code playlist.Code
	}{
		"an unknown playlist":          {central.Schedules, "s1", s(func(x *playlist.Schedule) { x.Playlist = "none" }), playlist.CodeMissing},
		"an unknown calendar":          {central.Schedules, "s1", s(func(x *playlist.Schedule) { x.Except = []string{"cal:none"} }), playlist.CodeMissing},
		"an unknown display":           {central.Schedules, "s1", s(func(x *playlist.Schedule) { x.Displays = []playlist.ID{"none"} }), playlist.CodeMissing},
		"a priority above the ceiling": {central.Schedules, "s1", s(func(x *playlist.Schedule) { x.Priority = 90 }), playlist.CodeRefused},
		"a place of another province":  {central.Schedules, "s1", s(func(x *playlist.Schedule) { x.Places = []playlist.ID{"bx"} }), playlist.CodeRefused},
		"a rule that never fires":      {central.Schedules, "s1", s(func(x *playlist.Schedule) { x.Starts = "0 0 30 2 *" }), playlist.CodeInvalid},
		"too long":                     {central.Schedules, "s1", s(func(x *playlist.Schedule) { x.Lasts = playlist.Duration(169 * time.Hour) }), playlist.CodeInvalid},
		"a playlist of itself":         {central.Playlists, "p1", playlist.Playlist{ID: "p1", Owner: "ls", Entries: []playlist.Entry{{Playlist: "p2"}}}, playlist.CodeCycle},
		"an unknown item":              {central.Playlists, "p3", playlist.Playlist{ID: "p3", Owner: "ls", Entries: []playlist.Entry{{Item: "none"}}}, playlist.CodeMissing},
		"no owner":                     {central.Playlists, "p3", playlist.Playlist{ID: "p3"}, playlist.CodeMissing},
		"a field that is unknown":      {central.Playlists, "p3", map[string]any{"id": "p3", "owner": "ls", "entries": []any{}, "colour": "red"}, playlist.CodeInvalid},
		"an id with a slash":           {central.Playlists, "p/3", playlist.Playlist{ID: "p/3", Owner: "ls"}, playlist.CodeInvalid},
	} {
		_, err := w.try(w.publisher, c.kind, c.id, c.row)
		w.code(name, err, c.code)
	}
	_, err := w.try(w.editor, central.Items, "i9", playlist.Item{ID: "i9", Owner: "dd", Kind: playlist.Bulletin, Class: "none"})
	w.code("an unknown class", err, playlist.CodeMissing)
	_, err = w.try(w.officer, central.Notices, "n1", playlist.Notice{ID: "n1", Owner: "ls", Severity: playlist.Severe, Starts: w.now, Ends: w.now.Add(73 * time.Hour), Bodies: map[playlist.Language]playlist.Body{"vi": {Title: "x"}}})
	w.code("a notice of 73 hours", err, playlist.CodeInvalid)
}

func TestDeleteWhatIsUsed(t *testing.T) {
	w := newWorld(t)
	w.item("i1", "bulletin")
	w.put(w.publisher, central.Calendars, "tet", Calendar{playlist.Calendar{ID: "tet"}, "ls"})
	w.put(w.publisher, central.Playlists, "p1", playlist.Playlist{ID: "p1", Owner: "ls", Entries: []playlist.Entry{{Item: "i1"}}})
	w.put(w.publisher, central.Schedules, "s1", playlist.Schedule{ID: "s1", Owner: "ls", Playlist: "p1", Starts: "0 8 * * *", Lasts: playlist.Duration(time.Hour), Except: []string{"cal:tet"}})
	for kind, id := range map[central.Kind]playlist.ID{central.Items: "i1", central.Calendars: "tet", central.Playlists: "p1", central.Places: "dd", central.Classes: "bulletin"} {
		err := w.Delete(t.Context(), w.console, kind, id, 1)
		w.code(fmt.Sprintf("deleting %s %s", kind, id), err, playlist.CodeRefused)
	}
	for _, x := range []struct {
		kind central.Kind
		id   playlist.ID
	}{{central.Schedules, "s1"}, {central.Calendars, "tet"}, {central.Playlists, "p1"}, {central.Items, "i1"}} {
		if err := w.Delete(t.Context(), w.console, x.kind, x.id, 1); err != nil {
			t.Errorf("%s %s, which nothing uses: %v", x.kind, x.id, err)
		}
	}
	history, err := w.History(t.Context(), central.Items, "i1")
	if err != nil || len(history) != 2 || !history[1].Deleted {
		t.Errorf("%v %v", history, err)
	}
}

func TestTwoPeopleOneRow(t *testing.T) {
	w := newWorld(t)
	w.put(w.publisher, central.Playlists, "p1", playlist.Playlist{ID: "p1", Owner: "ls"})
	raw := []byte(`{"id":"p1","owner":"ls","entries":[],"names":{"vi":"tôi"}}`)
	if _, err := w.Put(t.Context(), w.publisher, central.Playlists, "p1", 1, raw); err != nil {
		t.Fatal(err)
	}
	_, err := w.Put(t.Context(), w.ministry, central.Playlists, "p1", 1, []byte(`{"id":"p1","owner":"ls","entries":[],"names":{"vi":"bạn"}}`))
	if !errors.Is(err, central.ErrChanged) {
		t.Errorf("the second was not told: %v", err)
	}
	doc, _ := w.Get(t.Context(), central.Playlists, "p1")
	if !strings.Contains(string(doc.Body), "tôi") {
		t.Errorf("the first change was lost: %s", doc.Body)
	}
	_, err = w.Put(t.Context(), w.publisher, central.Playlists, "p1", 0, raw)
	if !errors.Is(err, central.ErrExists) {
		t.Errorf("created twice: %v", err)
	}
}

func TestIdempotency(t *testing.T) {
	w := newWorld(t)
	by := w.publisher
	by.Key, by.Request = "k1", []byte("hash of the request")
	raw := []byte(`{"id":"p1","owner":"ls","entries":[]}`)
	first, err := w.Put(t.Context(), by, central.Playlists, "p1", 0, raw)
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.Put(t.Context(), by, central.Playlists, "p1", 0, raw)
	if err != nil || again.Rev != first.Rev || string(again.Body) != string(first.Body) {
		t.Errorf("%+v %v", again, err)
	}
	audits := w.lastAudit().Seq
	other := by
	other.Request = []byte("another")
	if _, err := w.Put(t.Context(), other, central.Playlists, "p2", 0, raw); !errors.Is(err, ErrKeyReused) {
		t.Errorf("%v", err)
	}
	if w.lastAudit().Seq != audits {
		t.Error("a repeated request left another row in the audit")
	}
	stranger := w.ministry // the same key of another person is another key
	stranger.Key, stranger.Request = "k1", []byte("x")
	if _, err := w.Put(t.Context(), stranger, central.Playlists, "p3", 0, []byte(`{"id":"p3","owner":"vn","entries":[]}`)); err != nil {
		t.Error(err)
	}
	w.now = w.now.Add(keepAnswers)
	if _, err := w.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Put(t.Context(), by, central.Playlists, "p1", 0, raw); !errors.Is(err, central.ErrExists) {
		t.Errorf("an old key still answers: %v", err)
	}
}

func TestTreeOfPlaces(t *testing.T) {
	w := newWorld(t)
	admin := w.person("admin", "ls", rights.Administrator)
	names := playlist.Names{"vi": "x"}
	for name, c := range map[string]struct {
		by      Caller
		row     playlist.Place
		refused bool
		code    playlist.Code
	}{
		"a second root":                   {w.console, playlist.Place{ID: "vn2", Kind: playlist.Ministry}, false, playlist.CodeRefused},
		"a root by a person":              {w.ministry, playlist.Place{ID: "vn2", Kind: playlist.Ministry}, true, ""},
		"a province under a province":     {w.ministry, playlist.Place{ID: "x", Parent: "ls", Kind: playlist.Province}, false, playlist.CodeRefused},
		"a ministry under a province":     {admin, playlist.Place{ID: "x", Parent: "ls", Kind: playlist.Ministry}, false, playlist.CodeRefused},
		"a province under a gate":         {w.ministry, playlist.Place{ID: "x", Parent: "hn", Kind: playlist.Commune}, false, ""},
		"its own kind, by a province":     {admin, playlist.Place{ID: "ls", Parent: "vn", Kind: playlist.Other}, true, ""},
		"a circle":                        {w.ministry, playlist.Place{ID: "dd", Parent: "hn", Kind: playlist.Commune}, false, playlist.CodeCycle},
		"an unknown parent":               {w.console, playlist.Place{ID: "x", Parent: "none", Kind: playlist.Gate}, false, playlist.CodeMissing},
		"a gate of another province":      {admin, playlist.Place{ID: "x", Parent: "bx", Kind: playlist.Gate}, true, ""},
		"a gate taken from its neighbour": {admin, playlist.Place{ID: "bx", Parent: "ls", Kind: playlist.Commune}, true, ""},
	} {
		c.row.Names = names
		_, err := w.try(c.by, central.Places, c.row.ID, c.row)
		switch {
		case c.refused:
			w.refused(name, err)
		case c.code != "":
			w.code(name, err, c.code)
		}
	}
	w.put(admin, central.Places, "ls", playlist.Place{ID: "ls", Parent: "vn", Kind: playlist.Province, Names: playlist.Names{"vi": "Lạng Sơn"}})
}

// A merger of provinces: what lay under one lies under the other, with a row of
// history, and rights follow the new tree at once.
func TestMerger(t *testing.T) {
	w := newWorld(t)
	before, _ := w.Effective(t.Context(), w.reviewer.Account, "bx")
	w.put(w.ministry, central.Places, "bx", playlist.Place{ID: "bx", Parent: "ls", Kind: playlist.Commune, Names: playlist.Names{"vi": "Bát Xát"},
		History: []playlist.PlaceChange{{On: playlist.Date{Year: 2025, Month: 7, Day: 1}, What: "sáp nhập tỉnh", Source: "202/2025/QH15"}}})
	after, err := w.Effective(t.Context(), w.reviewer.Account, "bx")
	if err != nil || len(before) != 0 || len(after) != 2 {
		t.Errorf("before %v, after %v, %v", before, after, err)
	}
	for _, k := range []central.Kind{central.Places} {
		doc, err := w.Get(t.Context(), k, "lc")
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Delete(t.Context(), w.ministry, k, "lc", doc.Rev); err != nil {
			t.Error(err)
		}
	}
	history, err := w.History(t.Context(), central.Places, "bx")
	if err != nil || len(history) != 2 {
		t.Errorf("%d revisions, %v", len(history), err)
	}
	page, err := w.List(t.Context(), central.Query{Kind: central.Places, Limit: 2}, "ls")
	if err != nil || ids(page.Docs, func(d central.Doc) string { return string(d.ID) }) != "[bx dd]" || page.Next != "dd" {
		t.Errorf("%+v %v", page, err)
	}
}

func TestAuditPage(t *testing.T) {
	w := newWorld(t)
	auditor := w.person("auditor", "ls", rights.Auditor)
	w.item("i1", "bulletin")
	if _, _, err := w.AuditPage(t.Context(), w.editor, 0, 10); err == nil {
		t.Error("an author reads the audit")
	} else {
		w.refused("an author reads the audit", err)
	}
	rows, _, err := w.AuditPage(t.Context(), auditor, 0, 1000)
	if err != nil || len(rows) == 0 {
		t.Fatal(len(rows), err)
	}
	for _, r := range rows {
		for _, alien := range []string{`"place":"lc"`, `"place":"vn"`} {
			if strings.Contains(string(r), alien) {
				t.Errorf("an auditor of the province reads %s", r)
			}
		}
	}
	all, next, err := w.AuditPage(t.Context(), w.ministry, 0, 5)
	if err != nil || len(all) != 5 || next != 5 {
		t.Errorf("%d rows, next %d, %v", len(all), next, err)
	}
}
