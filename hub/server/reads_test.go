package server_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/rights"
	"cotmoc/hub/server/seed"
	"cotmoc/playlist"
)

// unpublished is what an office has that no other may read: a text that stands in each row.
type unpublished struct {
	marks []string
	ids   []playlist.ID
	file  playlist.Hash
}

// drafts makes an item, a version, a notice, a file and a job of Lạng Sơn.
func (r *running) drafts() unpublished {
	r.t.Helper()
	author := r.person("tac-gia", langSon, rights.Author, rights.EmergencyOfficer)
	raw := []byte("tệp của riêng Lạng Sơn")
	sum := sha256.Sum256(raw)
	u := unpublished{marks: []string{"kin-item", "kin-ban", "Tiêu đề kín", "Thông báo kín", "tep-kin.txt", hex.EncodeToString(sum[:])}, ids: []playlist.ID{"kin-item", "kin-ban", "kin-tin"}, file: playlist.Hash(hex.EncodeToString(sum[:]))}
	by, err := r.Desk.As(r.t.Context(), "tac-gia")
	if err != nil {
		r.t.Fatal(err)
	}
	f := desk.File{SHA256: u.file, Bytes: int64(len(raw)), Type: "text/plain", Name: "tep-kin.txt", State: desk.FileWorking}
	if _, err := r.Desk.AddFile(r.t.Context(), by, langSon, f, bytes.NewReader(raw), &desk.Job{Kind: "nothing", Subject: playlist.ID(u.file), Owner: langSon}); err != nil {
		r.t.Fatal(err)
	}
	author.do("POST", "/items", map[string]any{"id": "kin-item", "owner": langSon, "kind": "bulletin", "class": "bulletin"}).want(201)
	author.do("POST", "/versions", map[string]any{"id": "kin-ban", "item": "kin-item", "language": "vi", "title": "Tiêu đề kín", "text": "Chưa duyệt.", "media": []string{string(u.file)}}).want(201)
	author.do("POST", "/notices", map[string]any{"id": "kin-tin", "owner": langSon, "severity": "moderate", "starts": r.Desk.Now(), "ends": r.Desk.Now().AddDate(0, 0, 1),
		"bodies": map[string]any{"vi": map[string]any{"title": "Thông báo kín", "text": "Chưa duyệt."}}}).want(201)
	return u
}

// reads lists every path that can be read, with each of the ids in its place.
func (u unpublished) reads(t *testing.T) (out []string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "openapi.json"))
	if err != nil {
		t.Fatal(err)
	}
	var api struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(raw, &api); err != nil {
		t.Fatal(err)
	}
	query := "?limit=200&scope=" + string(langSon) + "&place=" + string(langSon) + "&display=x&from=2027-01-01&until=2027-01-02&item=kin-item"
	for path, ops := range api.Paths {
		if ops["get"] == nil {
			continue
		}
		path = strings.TrimPrefix(path, "/api/v1")
		if !strings.Contains(path, "{") {
			out = append(out, path, path+query)
			continue
		}
		for _, id := range append(slices.Clone(u.ids), playlist.ID(u.file)) {
			before, rest, _ := strings.Cut(path, "{")
			_, after, _ := strings.Cut(rest, "}")
			out = append(out, before+string(id)+after+query)
		}
	}
	slices.Sort(out)
	if len(out) < 60 {
		t.Fatalf("only %d paths: %v", len(out), out)
	}
	return out
}

// ask asks the API, or for a page as a browser does.
func (u unpublished) ask(c *client, path string) *answer {
	page, is := strings.CutPrefix(path, "page ")
	if !is {
		return c.do("GET", path, nil)
	}
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, c.url+page, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Cookie", "cotmoc_session="+c.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return &answer{t: c.t, what: path, status: resp.StatusCode, header: resp.Header, body: body}
}

// Every role at every place asks every path for what Lạng Sơn has not published: only those
// who may see drafts there find any of it, and no other takes its file into a row.
func TestWhoReadsDrafts(t *testing.T) {
	r := start(t, filepath.Join(t.TempDir(), "hub"), nil)
	u := r.drafts()
	paths := append(u.reads(t), "/files/"+string(u.file))
	for _, page := range []string{"/review", "/displays", "/kiosks", "/visits", "/review/version/kin-ban", "/review/item/kin-item", "/review/notice/kin-tin"} {
		paths = append(paths, "page "+page)
	}
	for _, place := range []playlist.ID{seed.Ministry, langSon, laoCai} {
		for n, role := range rights.Roles {
			c := r.person(fmt.Sprintf("nguoi-%s-%d", strings.ToLower(string(place)), n), place, role)
			may := role.Allows(rights.Read) && place != laoCai
			found := map[string]bool{}
			for _, path := range paths {
				got := u.ask(c, path)
				if got.status >= 500 {
					t.Errorf("%s of %s, GET %s: %d %s", role, place, path, got.status, got.body)
				}
				for _, mark := range u.marks {
					if !strings.Contains(string(got.body), mark) || got.status >= 400 {
						continue
					}
					found[mark] = true
					// Jobs are for technicians as well: their list names files by their hashes.
					job := mark == string(u.file) && role.Allows(rights.Configure) && strings.HasPrefix(path, "/jobs")
					audited := strings.HasPrefix(path, "/audit") && role.Allows(rights.Audit) && place != laoCai
					if !may && !(job && place != laoCai) && !audited {
						t.Errorf("%s of %s reads %q at %s", role, place, mark, path)
					}
				}
			}
			if may && len(found) < len(u.marks) {
				t.Errorf("%s of %s found only %v", role, place, found)
			}
		}
	}
	thief := r.person("nguoi-lay", laoCai, rights.Author)
	thief.do("POST", "/items", map[string]any{"id": "cua-lao-cai", "owner": laoCai, "kind": "bulletin", "class": "bulletin"}).want(201)
	thief.do("POST", "/versions", map[string]any{"id": "ban-lao-cai", "item": "cua-lao-cai", "language": "vi", "title": "x", "media": []string{string(u.file)}}).refused(http.StatusUnprocessableEntity, "missing")
	layout := playlist.FullLayout()
	layout.ID, layout.Owner = "bo-cuc", laoCai
	layout.Zones[0].Source = playlist.Source{Kind: playlist.FromLogo, Media: u.file}
	r.person("nguoi-cong-bo", laoCai, rights.Publisher).do("POST", "/layouts", layout).refused(http.StatusUnprocessableEntity, "missing")
	r.person("nguoi-bao", laoCai, rights.EmergencyOfficer).do("POST", "/notices", map[string]any{"id": "tin", "owner": laoCai, "severity": "moderate", "starts": r.Desk.Now(), "ends": r.Desk.Now().AddDate(0, 0, 1),
		"bodies": map[string]any{"vi": map[string]any{"title": "x", "text": "x"}}, "sound": u.file}).refused(http.StatusUnprocessableEntity, "missing")
	// What they may not see is not named as the place at which a page ends either.
	thief.do("POST", "/items", map[string]any{"id": "z-cua-lao-cai", "owner": laoCai, "kind": "bulletin", "class": "bulletin"}).want(201)
	var page struct {
		Rows []stored
		Next playlist.ID
	}
	thief.do("GET", "/items?limit=1", nil).want(200).into(&page)
	if len(page.Rows) != 1 || page.Rows[0].ID != "cua-lao-cai" || page.Next != "cua-lao-cai" {
		t.Errorf("the first page: %+v", page)
	}
	thief.do("GET", "/items?limit=1&after="+string(page.Next), nil).want(200).into(&page)
	if len(page.Rows) != 1 || page.Rows[0].ID != "z-cua-lao-cai" {
		t.Errorf("the second page: %+v", page)
	}
}
