package server_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cotmoc/hub/edition"
	"cotmoc/hub/feed"
	"cotmoc/hub/server"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/publish"
	"cotmoc/hub/server/rights"
	"cotmoc/hub/server/seed"
	"cotmoc/internal/specimen"
	"cotmoc/playlist"
)

// people of a day: six, of three levels, in two provinces.
type people struct {
	communeAuthor, translator, provinceReviewer, otherAuthor, ministryReviewer, publisher *client
}

func (r *running) crew() people {
	commune := playlist.Place{ID: "dong-dang", Parent: langSon, Kind: playlist.Commune, Names: playlist.Names{"vi": "Đồng Đăng"}}
	raw, _ := json.Marshal(commune)
	if _, err := r.Desk.Put(r.t.Context(), console, "place", "", 0, raw); err != nil {
		r.t.Fatal(err)
	}
	return people{
		communeAuthor:    r.person("xa-bien-tap", "dong-dang", rights.Author),
		translator:       r.person("tinh-dich", langSon, rights.Translator),
		provinceReviewer: r.person("tinh-duyet", langSon, rights.Reviewer, rights.Auditor),
		otherAuthor:      r.person("lao-cai", laoCai, rights.Author, rights.Reviewer, rights.Publisher),
		ministryReviewer: r.person("bo-duyet", seed.Ministry, rights.Reviewer, rights.Administrator, rights.Technician),
		publisher:        r.person("bo-cong-bo", seed.Ministry, rights.Publisher, rights.EmergencyOfficer, rights.Auditor),
	}
}

// dayLanguages are eight languages with real text.
var dayLanguages = []playlist.Language{"vi", "en", "zh-Hans", "lo", "km", "fr", "blt", "th"}

// article is the text of an article of the Universal Declaration in a language.
func article(t *testing.T, l playlist.Language, n int) (title, text string) {
	t.Helper()
	all, err := specimen.Declaration("../../assets/sample/udhr.json")
	if err != nil {
		t.Fatal(err)
	}
	a, ok := all[string(l)][fmt.Sprint(1+n%30)]
	if !ok {
		t.Fatalf("there is no declaration in %s", l)
	}
	return fmt.Sprintf("%s (%d)", a.Heading, n), a.Text
}

// A day at the hub, through its API alone.
func TestScriptedDay(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hub")
	r := start(t, dir, nil)
	p := r.crew()
	first := r.morning(t, p)
	r.attempts(t, p, first)
	r.afternoon(t, p, first)
	r.evening(t, p, dir)
}

// morning: 200 items are written, translated, submitted, approved and published.
func (r *running) morning(t *testing.T, p people) []stored {
	t.Helper()
	var versions []stored
	for n := range 200 {
		l := dayLanguages[n%len(dayLanguages)]
		title, text := article(t, l, n)
		item := playlist.ID(fmt.Sprintf("tin-%03d", n))
		p.communeAuthor.create("/items", playlist.Item{ID: item, Owner: "dong-dang", Kind: playlist.Bulletin, Class: []string{"bulletin", "law"}[n%10/9]})
		versions = append(versions, p.communeAuthor.create("/versions", map[string]any{"item": item, "language": l, "title": title, "text": text}))
	}
	for n, v := range versions {
		path := "/versions/" + string(v.ID)
		p.communeAuthor.do("POST", path+"/submit", nil, "If-Match", tag(v.Rev)).want(200).into(&v)
		var verdict desk.Verdict
		p.provinceReviewer.do("POST", path+"/approve", nil, "If-Match", tag(v.Rev)).want(200).into(&verdict)
		if n%10 == 9 { // a law needs the ministry as well
			if verdict.State != playlist.InReview || !slices.Equal(verdict.Needed, []playlist.PlaceKind{playlist.Ministry}) {
				t.Fatalf("%+v", verdict)
			}
			p.ministryReviewer.do("POST", path+"/approve", nil, "If-Match", tag(verdict.Rev)).want(200).into(&verdict)
		}
		if verdict.State != playlist.Approved {
			t.Fatalf("%s: %+v", v.ID, verdict)
		}
		versions[n].Rev = verdict.Rev
	}
	// A translation of the first, by somebody who may only translate.
	title, text := article(t, "en", 1)
	en := p.translator.create("/versions", map[string]any{"item": "tin-000", "language": "en", "base_version": versions[0].ID, "title": title, "text": text})
	p.translator.do("POST", "/versions/"+string(en.ID)+"/submit", nil, "If-Match", tag(en.Rev)).want(200).into(&en)
	p.provinceReviewer.do("POST", "/versions/"+string(en.ID)+"/approve", nil, "If-Match", tag(en.Rev)).want(200)
	var got []desk.Publication
	p.publisher.do("POST", "/publications", map[string]any{"scopes": []playlist.ID{seed.Ministry, langSon}}).want(200).into(&got)
	if len(got) != 2 || len(got[1].Published) != 201 || len(got[1].Held) != 0 {
		t.Fatalf("%+v", got)
	}
	return versions
}

// attempts: everybody tries what they may not. Each attempt is refused, and
// each stands in the audit.
func (r *running) attempts(t *testing.T, p people, versions []stored) {
	t.Helper()
	draft := p.communeAuthor.create("/items", playlist.Item{ID: "nhap", Owner: "dong-dang", Kind: playlist.Bulletin, Class: "bulletin"})
	v := p.communeAuthor.bulletin(draft.ID, "dong-dang", "vi", "Nháp", "Chưa duyệt.")
	published := "/versions/" + string(versions[0].ID)
	soon := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	later := time.Now().Add(2 * time.Hour).UTC().Format(time.RFC3339)
	item := map[string]any{"id": "y", "owner": seed.Ministry, "kind": "bulletin", "class": "bulletin"}
	rev := tag(v.Rev)
	tries := []struct {
		by           *client
		method, path string
		body         any
		match        string
	}{
		{p.communeAuthor, "POST", "/versions/" + string(v.ID) + "/approve", nil, rev},
		{p.communeAuthor, "POST", "/versions/" + string(v.ID) + "/reject", map[string]any{"reason": "wrong fact", "note": "không đúng"}, rev},
		{p.communeAuthor, "POST", published + "/withdraw", map[string]any{"why": "thử xem"}, "*"},
		{p.communeAuthor, "POST", "/items", item, ""},
		{p.communeAuthor, "POST", "/publications", map[string]any{"scopes": []playlist.ID{langSon}}, ""},
		{p.communeAuthor, "POST", "/playlists", map[string]any{"id": "y", "owner": "dong-dang", "entries": []any{}}, ""},
		{p.communeAuthor, "POST", "/displays", map[string]any{"id": "y", "place": "dong-dang", "width": 100, "height": 100}, ""},
		{p.communeAuthor, "POST", "/grants", map[string]any{"account": "x", "role": "administrator", "place": "dong-dang"}, ""},
		{p.communeAuthor, "POST", "/accounts", map[string]any{"login": "ma", "name": "Ma", "place": "dong-dang"}, ""},
		{p.communeAuthor, "POST", "/places", map[string]any{"id": "y", "parent": "dong-dang", "kind": "gate", "names": map[string]string{"vi": "y"}}, ""},
		{p.communeAuthor, "POST", "/notices", map[string]any{"id": "y", "owner": "dong-dang", "severity": "extreme", "starts": soon, "ends": later, "bodies": map[string]any{"vi": map[string]string{"title": "Giả"}}}, ""},
		{p.communeAuthor, "GET", "/audit", nil, ""},
		{p.translator, "POST", "/items", map[string]any{"id": "y", "owner": langSon, "kind": "bulletin", "class": "bulletin"}, ""},
		{p.translator, "POST", "/versions", map[string]any{"item": "tin-001", "language": "fr", "title": "Sans base"}, ""},
		{p.provinceReviewer, "POST", "/versions", map[string]any{"item": "tin-001", "language": "fr", "title": "x"}, ""},
		{p.provinceReviewer, "POST", "/publications", map[string]any{"scopes": []playlist.ID{langSon}}, ""},
		{p.otherAuthor, "POST", "/versions/" + string(v.ID) + "/approve", nil, rev},
		{p.otherAuthor, "POST", "/items", map[string]any{"id": "y", "owner": langSon, "kind": "bulletin", "class": "bulletin"}, ""},
		{p.otherAuthor, "POST", "/publications", map[string]any{"scopes": []playlist.ID{langSon}}, ""},
		{p.otherAuthor, "POST", "/schedules", map[string]any{"id": "y", "owner": seed.Ministry, "playlist": "none", "always": true, "priority": 100}, ""},
		{p.ministryReviewer, "POST", "/publications", map[string]any{"scopes": []playlist.ID{seed.Ministry}}, ""},
		{p.ministryReviewer, "POST", "/items", item, ""},
		{p.publisher, "POST", "/versions/" + string(v.ID) + "/approve", nil, rev},
		{p.publisher, "POST", "/accounts", map[string]any{"login": "ma", "name": "Ma", "place": seed.Ministry}, ""},
	}
	before := r.refusals(t, p.publisher)
	for _, try := range tries {
		headers := []string{}
		switch try.match {
		case "":
		case "*":
			headers = []string{"If-Match", p.publisher.do("GET", published, nil).want(200).etag()}
		default:
			headers = []string{"If-Match", try.match}
		}
		try.by.do(try.method, try.path, try.body, headers...).refused(403, "forbidden")
	}
	// A draft of another province is as if it were not there.
	p.otherAuthor.do("GET", "/versions/"+string(v.ID), nil).refused(404, "not-found")
	if now := r.refusals(t, p.publisher); now != before+len(tries)+1 {
		t.Errorf("%d attempts left %d rows in the audit", len(tries)+1, now-before)
	}
}

func (r *running) refusals(t *testing.T, auditor *client) (n int) {
	t.Helper()
	after := int64(0)
	for {
		var page struct {
			Rows []struct{ Outcome string }
			Next int64
		}
		auditor.do("GET", fmt.Sprintf("/audit?limit=1000&after=%d", after), nil).want(200).into(&page)
		for _, row := range page.Rows {
			if row.Outcome == "refused" {
				n++
			}
		}
		if after = page.Next; after == 0 {
			return n
		}
	}
}

// afternoon: something is rejected, something withdrawn, and what is left on
// the screens is what should be.
func (r *running) afternoon(t *testing.T, p people, versions []stored) {
	t.Helper()
	gone := "/versions/" + string(versions[7].ID)
	match := p.publisher.do("GET", gone, nil).want(200).etag()
	p.publisher.do("POST", gone+"/withdraw", map[string]any{"why": "bản đồ sai"}, "If-Match", match).want(200)
	var got []desk.Publication
	p.publisher.do("POST", "/publications", map[string]any{"scopes": []playlist.ID{langSon}}).want(200).into(&got)
	if got[0].Number != 2 || got[0].Withdrawn != 1 {
		t.Errorf("%+v", got)
	}
	head, rows := readPublic(t, r.Public, string(langSon))
	if head.Number != 2 || len(head.Deltas) != 1 || !slices.Equal(head.Withdrawn, []string{string(versions[7].ID)}) {
		t.Errorf("%+v", head)
	}
	live := 0
	for _, row := range rows {
		if row.Kind != "version" {
			continue
		}
		var v playlist.Version
		if err := json.Unmarshal(row.Row, &v); err != nil {
			t.Fatal(err)
		}
		switch {
		case v.State == playlist.Published:
			live++
		case v.ID != versions[7].ID || v.Title+v.Text != "":
			t.Errorf("a version that is %s left the hub: %+v", v.State, v)
		}
	}
	if live != 200 {
		t.Errorf("%d versions are on the screens", live)
	}
}

// readPublic reads the newest edition of a scope as a mirror carries it.
func readPublic(t *testing.T, public publish.Public, scope string) (feed.Head, []feed.Row) {
	t.Helper()
	newest, err := public.Newest(scope)
	if err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(public.Dir, scope, fmt.Sprint(newest.Number))
	raw, err := os.ReadFile(filepath.Join(at, "head.json"))
	if err != nil {
		t.Fatal(err)
	}
	var head feed.Head
	if err := json.Unmarshal(raw, &head); err != nil {
		t.Fatal(err)
	}
	packed, err := os.ReadFile(filepath.Join(at, "snapshot.zst"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []feed.Row
	if err := edition.Unpack(packed, &rows); err != nil {
		t.Fatal(err)
	}
	if feed.Sum(rows).Catalogue() != head.Catalogue {
		t.Error("the snapshot is not what its head says")
	}
	return head, rows
}

// evening: a backup is made while people work, the hub is lost, and restored.
// Nothing that the backup holds is lost.
func (r *running) evening(t *testing.T, p people, dir string) {
	t.Helper()
	count := func(c *client, path string) (n int) {
		after := ""
		for {
			var page struct {
				Rows []stored
				Next string
			}
			c.do("GET", path+"?limit=200&after="+after, nil).want(200).into(&page)
			n += len(page.Rows)
			if after = page.Next; after == "" {
				return n
			}
		}
	}
	items, places := count(p.publisher, "/items"), count(p.publisher, "/places")
	to := filepath.Join(t.TempDir(), "backup")
	if _, err := r.Backup(t.Context(), to, nil); err != nil {
		t.Fatal(err)
	}
	before, _ := readPublic(t, r.Public, string(langSon))
	r.stop()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Restore(t.Context(), to, dir, nil); err != nil {
		t.Fatal(err)
	}
	restored := start(t, dir, nil)
	c := restored.signIn("bo-cong-bo")
	if a, b := count(c, "/items"), count(c, "/places"); a != items || b != places || a != 201 {
		t.Errorf("%d items of %d, %d places of %d", a, items, b, places)
	}
	if _, err := restored.Desk.WriteEditions(t.Context(), restored.Public); err != nil {
		t.Fatal(err)
	}
	after, _ := readPublic(t, restored.Public, string(langSon))
	if after.Catalogue != before.Catalogue || after.Number != before.Number || !after.IssuedAt.Equal(before.IssuedAt) {
		t.Errorf("the edition of the restored hub is another one: %+v", after)
	}
	// What went out after the backup must not come again with other content: the
	// next edition leaps ahead.
	c.create("/playlists", map[string]any{"id": "bo", "owner": seed.Ministry, "entries": []any{}})
	var jumped []desk.Publication
	c.do("POST", "/publications", map[string]any{"scopes": []playlist.ID{seed.Ministry}}).want(200).into(&jumped)
	if head, _ := readPublic(t, restored.Public, string(seed.Ministry)); jumped[0].Number != 1001 || head.Number != 1001 || len(head.Deltas) != 1 || head.Deltas[0].From != 1 {
		t.Errorf("%+v %+v", jumped, head)
	}
	// Work goes on where it was.
	p.communeAuthor = restored.signIn("xa-bien-tap")
	p.communeAuthor.bulletin("toi-nay", "dong-dang", "vi", "Tối nay", "Vẫn làm việc.")
	restored.stop()
	if report, err := server.VerifyAudit(t.Context(), dir, "", ""); err != nil || report.Rows < 800 {
		t.Errorf("%+v %v", report, err)
	}
}

// A damaged or unfinished backup is refused, whatever is wrong with it.
func TestDamagedBackups(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hub")
	r := start(t, dir, nil)
	p := r.person("lan", langSon, rights.Author)
	data := pictureBytes()
	url := p.upload("a.png", len(data))
	p.tus("PATCH", url, data, "Upload-Offset", "0").want(204)
	var f desk.File
	p.do("POST", strings.TrimPrefix(url, "/api/v1")+"/finish", nil).want(201).into(&f)
	to := filepath.Join(t.TempDir(), "backup")
	for range 2 { // the second brings it up to date
		if _, err := r.Backup(t.Context(), to, nil); err != nil {
			t.Fatal(err)
		}
	}
	database, err := filepath.Glob(filepath.Join(to, "hub-*.db"))
	if err != nil || len(database) != 1 {
		t.Fatal(database, err)
	}
	blobPath := filepath.Join(to, "files", string(f.SHA256[:2]), string(f.SHA256))
	flip := func(path string) func() {
		return func() {
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			raw[len(raw)/2] ^= 1
			if err := os.WriteFile(path, raw, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	type harm struct{ do, undo func() }
	damages := map[string]harm{
		"a bit of a file":          {flip(blobPath), flip(blobPath)},
		"a bit of the database":    {flip(database[0]), flip(database[0])},
		"a file that is missing":   {func() { os.Rename(blobPath, blobPath+".x") }, func() { os.Rename(blobPath+".x", blobPath) }},
		"no manifest":              {func() { os.Rename(to+"/manifest.json", to+"/x") }, func() { os.Rename(to+"/x", to+"/manifest.json") }},
		"a key of somebody else's": {flip(filepath.Join(to, "keys", "audit.public")), flip(filepath.Join(to, "keys", "audit.public"))},
	}
	raw, err := os.ReadFile(filepath.Join(to, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var manifest server.Manifest
	if err := json.Unmarshal(raw, &manifest); err != nil || len(manifest.Parts) < 5 {
		t.Fatalf("the manifest names %v, %v", manifest.Parts, err)
	}
	for part := range manifest.Parts {
		path := filepath.Join(to, part)
		damages["a bit of "+part] = harm{flip(path), flip(path)}
		damages["without "+part] = harm{func() { os.Rename(path, path+".x") }, func() { os.Rename(path+".x", path) }}
	}
	for name, damage := range damages {
		damage.do()
		if _, err := server.Restore(t.Context(), to, filepath.Join(t.TempDir(), "new"), nil); err == nil {
			t.Errorf("%s: it was restored", name)
		}
		damage.undo()
	}
	// A power cut leaves the next backup half made: new parts, and the manifest of before.
	for part := range manifest.Parts {
		path := filepath.Join(to, part)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.WriteFile(path+".before", whole, 0o600), os.WriteFile(path, append(whole, 'x'), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := server.Restore(t.Context(), to, filepath.Join(t.TempDir(), "new"), nil); err != nil {
		t.Errorf("the backup before one that was cut off: %v", err)
	}
	if _, err := r.Backup(t.Context(), to, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Restore(t.Context(), to, filepath.Join(t.TempDir(), "new"), nil); err != nil {
		t.Errorf("the whole backup: %v", err)
	}
	if _, err := server.Restore(t.Context(), to, dir, nil); err == nil {
		t.Error("a backup was restored over a hub")
	}
}
