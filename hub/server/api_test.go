package server_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"cotmoc/hub/server/api"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/rights"
	"cotmoc/playlist"
)

// The description that is checked in is the one that the program serves.
func TestOpenAPI(t *testing.T) {
	s, _ := api.New(api.Options{Desk: desk.New(desk.Options{Now: time.Now})})
	want, err := os.ReadFile("../../docs/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, s.OpenAPI()) {
		t.Error("docs/openapi.json is not what the program serves: run bin/hub openapi > docs/openapi.json")
	}
	var doc struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			OperationID string         `json:"operationId"`
			Summary     string         `json:"summary"`
			Responses   map[string]any `json:"responses"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(want, &doc); err != nil || !strings.HasPrefix(doc.OpenAPI, "3.1") || len(doc.Paths) < 50 {
		t.Fatalf("%s, %d paths, %v", doc.OpenAPI, len(doc.Paths), err)
	}
	seen := map[string]bool{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			if op.OperationID == "" || op.Summary == "" || seen[op.OperationID] || !strings.HasPrefix(path, api.Prefix) || len(op.Responses) < 2 {
				t.Errorf("%s %s: %+v", method, path, op)
			}
			seen[op.OperationID] = true
		}
	}
}

func TestHTTP(t *testing.T) {
	r := start(t, filepath.Join(t.TempDir(), "hub"), nil)
	p := r.person("cong-bo", langSon, rights.Publisher, rights.Author)
	nobody := &client{t: t, url: r.url, login: "nobody"}
	nobody.do("GET", "/places", nil).refused(401, "sign-in")
	nobody.do("POST", "/session", map[string]any{"login": "cong-bo", "password": "wrong password"}).refused(401, "wrong-password")
	p.do("GET", "/nothing", nil).refused(404, "not-found")
	if got := p.do("PATCH", "/items", nil).refused(405, "method"); got.header.Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("%v", got.header)
	}
	nobody.do("POST", "/items", []byte(strings.Repeat("{", 100)), "Idempotency-Key", "a").refused(401, "sign-in")
	cookie := &client{t: t, url: r.url, login: "by cookie"}
	jar := "cotmoc_session=" + p.token
	cookie.do("GET", "/me", nil, "Cookie", jar).want(200)
	cookie.do("POST", "/items", map[string]any{"owner": langSon, "kind": "bulletin", "class": "bulletin"}, "Cookie", jar).refused(401, "sign-in")
	p.do("GET", "/items/none", nil).refused(404, "not-found")
	p.do("POST", "/items", []byte("{")).refused(400, "invalid")
	p.do("POST", "/items", map[string]any{"id": "x", "colour": "red"}).refused(422, "invalid")
	p.do("POST", "/playlists", map[string]any{"id": "x", "owner": laoCai, "entries": []any{}}).refused(403, "forbidden")
	p.do("POST", "/playlists", map[string]any{"id": "x", "owner": langSon, "entries": []any{map[string]any{"item": "none"}}}).refused(422, "missing")

	made := p.do("POST", "/playlists", map[string]any{"owner": langSon, "entries": []any{}}).want(201)
	var row stored
	made.into(&row)
	if made.etag() != `"1"` || made.header.Get("Location") != "/api/v1/playlists/"+string(row.ID) || len(row.ID) != 36 || row.ID[14] != '7' {
		t.Errorf("%v %+v", made.header, row)
	}
	path := "/playlists/" + string(row.ID)
	change := map[string]any{"id": row.ID, "owner": langSon, "entries": []any{}, "names": map[string]string{"vi": "Sáng"}}
	p.do("PUT", path, change).refused(428, "if-match-needed")
	p.do("PUT", path, change, "If-Match", `"7"`).refused(412, "changed")
	p.do("PUT", path, change, "If-Match", "nonsense").refused(412, "changed")
	if got := p.do("PUT", path, change, "If-Match", `"1"`).want(200); got.etag() != `"2"` {
		t.Errorf("%s", got.etag())
	}
	p.do("PUT", path, change, "If-Match", `"1"`).refused(412, "changed")
	p.do("PUT", "/playlists/another", change, "If-Match", `"2"`).refused(422, "invalid")
	if got := p.do("GET", path, nil, "If-None-Match", `"2"`).want(304); len(got.body) != 0 || got.etag() != `"2"` {
		t.Errorf("%q %s", got.body, got.etag())
	}
	p.do("GET", path, nil, "If-None-Match", `"1", W/"9"`).want(200)
	list := p.do("GET", "/playlists", nil).want(200)
	if got := p.do("GET", "/playlists", nil, "If-None-Match", list.etag()).want(304); len(got.body) != 0 {
		t.Errorf("%q", got.body)
	}
	p.do("DELETE", path, nil).refused(428, "if-match-needed")
	p.do("DELETE", path, nil, "If-Match", `"2"`).want(204)
	p.do("GET", "/playlists", nil, "If-None-Match", list.etag()).want(200)
	var history []stored
	p.do("GET", path+"/history", nil).want(200).into(&history)
	if len(history) != 3 {
		t.Errorf("%+v", history)
	}
	p.do("GET", "/playlists?limit=0", nil).refused(422, "invalid")
	p.do("GET", "/playlists?limit=100000", nil).refused(422, "invalid")
	if got := p.do("GET", "/items/none", nil, "Accept-Language", "en-GB,en;q=0.9"); !strings.Contains(string(got.body), `"Not found"`) {
		t.Errorf("%s", got.body)
	}
}

func TestPagesOfLists(t *testing.T) {
	r := start(t, filepath.Join(t.TempDir(), "hub"), nil)
	p := r.person("lan", langSon, rights.Author)
	seen := map[playlist.ID]bool{}
	after, pages := "", 0
	for {
		var page struct {
			Rows []stored `json:"rows"`
			Next string   `json:"next"`
		}
		p.do("GET", "/places?limit=50&after="+after, nil).want(200).into(&page)
		for _, row := range page.Rows {
			if seen[row.ID] {
				t.Errorf("%s came twice", row.ID)
			}
			seen[row.ID] = true
		}
		pages++
		if after = page.Next; after == "" {
			break
		}
	}
	if len(seen) != 123 || pages != 3 {
		t.Errorf("%d places on %d pages", len(seen), pages)
	}
}

func TestIdempotencyKey(t *testing.T) {
	r := start(t, filepath.Join(t.TempDir(), "hub"), nil)
	p := r.person("lan", langSon, rights.Author)
	p.create("/items", playlist.Item{ID: "i", Owner: langSon, Kind: playlist.Bulletin, Class: "bulletin"})
	body := map[string]any{"item": "i", "language": "vi", "title": "Một"}
	first := p.do("POST", "/versions", body, "Idempotency-Key", "k-1").want(201)
	again := p.do("POST", "/versions", body, "Idempotency-Key", "k-1").want(201)
	if !bytes.Equal(first.body, again.body) || first.etag() != again.etag() || first.header.Get("Location") != again.header.Get("Location") {
		t.Errorf("%s\n%s", first.body, again.body)
	}
	p.do("POST", "/versions", map[string]any{"item": "i", "language": "vi", "title": "Hai"}, "Idempotency-Key", "k-1").refused(422, "key-reused")
	p.do("POST", "/versions", body, "Idempotency-Key", strings.Repeat("k", 256)).refused(400, "invalid")
	p.do("POST", "/versions", body, "Idempotency-Key", "ký").refused(400, "invalid")
	var all []stored
	p.do("GET", "/items/i/versions", nil).want(200).into(&all)
	if len(all) != 1 {
		t.Errorf("%d versions", len(all))
	}
}

// tus asks like a tus client.
func (c *client) tus(method, url string, body []byte, headers ...string) *answer {
	c.t.Helper()
	return c.do(method, strings.TrimPrefix(url, api.Prefix), body, append([]string{"Tus-Resumable", "1.0.0", "Content-Type", "application/offset+octet-stream"}, headers...)...)
}

func (c *client) upload(name string, length int) string {
	c.t.Helper()
	meta := "filename " + base64.StdEncoding.EncodeToString([]byte(name)) + ",place " + base64.StdEncoding.EncodeToString([]byte(langSon))
	got := c.tus("POST", "/uploads", nil, "Upload-Length", strconv.Itoa(length), "Upload-Metadata", meta).want(201)
	if got.header.Get("Tus-Resumable") != "1.0.0" || got.header.Get("Upload-Expires") == "" {
		c.t.Errorf("%v", got.header)
	}
	return got.header.Get("Location")
}

func offset(a *answer) int {
	a.t.Helper()
	n, err := strconv.Atoi(a.header.Get("Upload-Offset"))
	if err != nil {
		a.t.Fatalf("%s: %v %s", a.what, a.header, a.body)
	}
	return n
}

// cut sends a part of the bytes and drops the connection.
func (c *client) cut(url string, at int, data []byte, send int) {
	c.t.Helper()
	body := io.MultiReader(bytes.NewReader(data[at:at+send]), breaking{})
	req, err := http.NewRequestWithContext(c.t.Context(), "PATCH", c.url+url, io.NopCloser(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.ContentLength = int64(len(data) - at)
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Tus-Resumable", "1.0.0")
	req.Header.Set("Upload-Offset", strconv.Itoa(at))
	req.Header.Set("Content-Type", "application/offset+octet-stream")
	if res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req); err == nil {
		res.Body.Close()
		if res.StatusCode != http.StatusLocked && res.StatusCode != http.StatusConflict { // the one that was cut before may come late
			c.t.Errorf("a cut upload was answered with %d", res.StatusCode)
		}
	}
}

type breaking struct{}

func (breaking) Read([]byte) (int, error) { return 0, fmt.Errorf("the link broke") }

func pictureBytes() []byte {
	raw, err := os.ReadFile("../../docs/images/scripts.png")
	if err != nil {
		panic(err)
	}
	return raw
}

// Cut at fifty random bytes, with the hub's folder on the same disk all along,
// an upload ends with the right hash.
func TestUploadCutFiftyTimes(t *testing.T) {
	r := start(t, filepath.Join(t.TempDir(), "hub"), nil)
	p := r.person("lan", langSon, rights.Author)
	data := pictureBytes()
	url := p.upload("../../etc/ảnh.png", len(data))
	rng := rand.New(rand.NewPCG(1, 2))
	at, cuts := 0, 0
	for ; cuts < 50; cuts++ {
		now := waitOffset(p, url)
		if now < at {
			t.Fatalf("bytes that were durable are gone: %d after %d", now, at)
		}
		at = now
		p.cut(url, at, data, rng.IntN(max(1, (len(data)-at)/20)))
	}
	for done := false; !done; { // the last one that was cut may come late and hold it
		at = waitOffset(p, url)
		switch got := p.tus("PATCH", url, data[at:], "Upload-Offset", strconv.Itoa(at)); got.status {
		case http.StatusLocked, http.StatusConflict:
		default:
			got.want(204)
			done = true
		}
	}
	var f desk.File
	p.do("POST", strings.TrimPrefix(url, api.Prefix)+"/finish", nil).want(201).into(&f)
	sum := sha256.Sum256(data)
	if string(f.SHA256) != hex.EncodeToString(sum[:]) || f.Type != "image/png" || f.Name != "ảnh.png" || f.State != desk.FileReady {
		t.Errorf("%+v", f)
	}
	got := p.do("GET", "/files/"+string(f.SHA256), nil).want(200)
	if !bytes.Equal(got.body, data) || !strings.Contains(got.header.Get("Content-Security-Policy"), "sandbox") || got.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%d bytes, %v", len(got.body), got.header)
	}
	part := p.do("GET", "/files/"+string(f.SHA256), nil, "Range", "bytes=100-199").want(206)
	if !bytes.Equal(part.body, data[100:200]) {
		t.Error("another range came")
	}
	(&client{t: t, url: r.url}).do("GET", "/files/"+string(f.SHA256), nil).refused(401, "sign-in")
	// Asked again, as after a lost link, the answer is the same.
	var again desk.File
	p.do("POST", strings.TrimPrefix(url, api.Prefix)+"/finish", nil).want(201).into(&again)
	if again.SHA256 != f.SHA256 || offset(p.tus("HEAD", url, nil).want(200)) != len(data) {
		t.Errorf("%+v", again)
	}
	left, _ := os.ReadDir(filepath.Join(r.Dir, "uploads"))
	if len(left) != 0 {
		t.Errorf("%d files are left", len(left))
	}
}

// waitOffset asks until the cut request is over: a server notices a dead
// connection when it reads on.
func waitOffset(c *client, url string) int {
	c.t.Helper()
	for {
		got := c.tus("PATCH", url, nil, "Upload-Offset", "99999999999")
		if got.status != http.StatusLocked {
			return offset(c.tus("HEAD", url, nil).want(200))
		}
	}
}

func TestUploadRules(t *testing.T) {
	r := start(t, filepath.Join(t.TempDir(), "hub"), nil)
	p := r.person("lan", langSon, rights.Author)
	other := r.person("hoa", langSon, rights.Author)
	options, err := http.NewRequestWithContext(t.Context(), "OPTIONS", r.url+api.Prefix+"/uploads", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(options)
	if err != nil || res.StatusCode != 204 || res.Header.Get("Tus-Version") != "1.0.0" || !strings.Contains(res.Header.Get("Tus-Extension"), "checksum") {
		t.Errorf("%v %v", res, err)
	}
	res.Body.Close()
	data := pictureBytes()
	for _, length := range []string{"", "0", "-1", "x"} {
		p.tus("POST", "/uploads", nil, "Upload-Length", length).refused(400, "invalid")
	}
	p.tus("POST", "/uploads", nil, "Upload-Length", strconv.Itoa(api.MaxUpload+1)).refused(413, "too-large")
	elsewhere := "place " + base64.StdEncoding.EncodeToString([]byte(laoCai))
	p.tus("POST", "/uploads", nil, "Upload-Length", "5", "Upload-Metadata", elsewhere).refused(403, "forbidden")
	p.tus("POST", "/uploads", nil, "Upload-Length", "5", "Upload-Metadata", "filename %%%").refused(400, "invalid")

	url := p.upload("a.png", len(data))
	p.do("HEAD", strings.TrimPrefix(url, api.Prefix), nil).want(412)
	other.tus("HEAD", url, nil).want(404)
	other.tus("PATCH", url, data[:10], "Upload-Offset", "0").refused(404, "not-found")
	p.tus("PATCH", url, data[:10], "Upload-Offset", "5").refused(409, "wrong-offset")
	p.tus("PATCH", url, data[:10], "Upload-Offset", "0", "Content-Type", "text/plain").refused(415, "unsupported")
	p.tus("PATCH", url, data[:10], "Upload-Offset", "0", "Upload-Checksum", "md5 abc").refused(400, "unsupported")
	sum := sha256.Sum256(data[:1000])
	right := "sha256 " + base64.StdEncoding.EncodeToString(sum[:])
	p.tus("PATCH", url, data[1:1001], "Upload-Offset", "0", "Upload-Checksum", right).refused(460, "wrong-checksum")
	if n := offset(p.tus("HEAD", url, nil).want(200)); n != 0 {
		t.Errorf("%d bytes of a wrong piece were kept", n)
	}
	if n := offset(p.tus("PATCH", url, data[:1000], "Upload-Offset", "0", "Upload-Checksum", right).want(204)); n != 1000 {
		t.Errorf("%d", n)
	}
	p.do("POST", strings.TrimPrefix(url, api.Prefix)+"/finish", nil, "Tus-Resumable", "1.0.0").refused(409, "wrong-offset")
	p.tus("PATCH", url, append(data[1000:], 'x'), "Upload-Offset", "1000").refused(413, "too-large")
	p.tus("DELETE", url, nil).want(204)
	p.tus("HEAD", url, nil).want(404)

	zip := []byte("PK\x03\x04 a bomb")
	url = p.upload("bomb.png", len(zip))
	p.tus("PATCH", url, zip, "Upload-Offset", "0").want(204)
	p.do("POST", strings.TrimPrefix(url, api.Prefix)+"/finish", nil).refused(422, "unacceptable-file")
	p.tus("HEAD", url, nil).want(404) // what was refused is not kept

	for range desk.MaxUploads {
		p.upload("a.png", 10)
	}
	p.tus("POST", "/uploads", nil, "Upload-Length", "5", "Upload-Metadata", "place "+base64.StdEncoding.EncodeToString([]byte(langSon))).refused(409, "refused")
}

// An upload goes on after the hub was started anew, and ends at its time.
func TestUploadOutlivesTheHub(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hub")
	now := time.Date(2027, 1, 4, 8, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	r := start(t, dir, clock)
	p := r.person("lan", langSon, rights.Author)
	data := pictureBytes()
	url := p.upload("a.png", len(data))
	p.tus("PATCH", url, data[:5000], "Upload-Offset", "0").want(204)
	late := p.upload("b.png", 10)
	r.stop()
	// What a power cut may leave behind the durable part.
	part, err := filepath.Glob(filepath.Join(dir, "uploads", "*.part"))
	if err != nil || len(part) != 1 {
		t.Fatal(part, err)
	}
	f, err := os.OpenFile(part[0], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.Write(make([]byte, 3000))
	f.Close()
	r = start(t, dir, clock)
	p.url = r.url
	if n := offset(p.tus("HEAD", url, nil).want(200)); n != 5000 {
		t.Errorf("%d bytes are there", n)
	}
	p.tus("PATCH", url, data[5000:], "Upload-Offset", "5000").want(204)
	p.do("POST", strings.TrimPrefix(url, api.Prefix)+"/finish", nil).want(201)
	now = now.Add(73 * time.Hour)
	p = r.signIn("lan")
	p.tus("HEAD", late, nil).want(404)
}

func TestHealthAndMetrics(t *testing.T) {
	r := start(t, filepath.Join(t.TempDir(), "hub"), nil)
	get := func(path string) (int, string) {
		res, err := http.Get(r.url + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		raw, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(raw)
	}
	if code, body := get("/healthz"); code != 200 || !strings.Contains(body, `"ok"`) {
		t.Errorf("%d %s", code, body)
	}
	for range 3 {
		get("/api/v1/" + strings.Repeat("x", 50))
	}
	code, body := get("/metrics")
	for _, want := range []string{`hub_request_seconds_count{method="GET",part="other",status="401"} 3`, "hub_jobs_waiting 0", "hub_audit_rows", "go_goroutines", "hub_disk_free_bytes"} {
		if code != 200 || !strings.Contains(body, want) {
			t.Errorf("metrics (%d) lack %s", code, want)
		}
	}
	if strings.Contains(body, "xxxx") {
		t.Error("whoever asks for nonsense makes a label of it")
	}
	if code, _ := get("/public/"); code != 404 {
		t.Errorf("the public folder is listed: %d", code)
	}
	if code, _ := get("/public/%2e%2e/hub.db"); code == 200 {
		t.Error("the database can be fetched")
	}
}

// FuzzAPI: whatever is asked, the answer is no mistake of the hub's, and nobody
// without a right changes anything.
func FuzzAPI(f *testing.F) {
	dir := f.TempDir()
	if err := os.RemoveAll(dir); err != nil {
		f.Fatal(err)
	}
	f.Add("POST", "/items", `{"id":"x","owner":"bvhttdl","kind":"bulletin"}`, `"1"`)
	f.Add("GET", "/resolve?display=x&at=2027-01-01T00:00:00Z", "", "")
	f.Add("PUT", "/versions/x", `{"item":"i","language":"vi"}`, `"9"`)
	f.Add("PATCH", "/uploads/x", "bytes", "")
	f.Add("GET", "/items?after=%00&limit=3&under=%ff", "", "")
	f.Add("POST", "/publications", `{"scopes":["bvhttdl"]}`, "")
	f.Add("POST", "/notices", `{"id":"n","severity":"extreme","starts":"9999-12-31T23:59:59Z","ends":"0001-01-01T00:00:00Z"}`, "")
	h := fuzzHub(f, dir)
	f.Fuzz(func(t *testing.T, method, path, body, match string) {
		req, err := http.NewRequest(method, "http://hub"+api.Prefix+"/"+strings.TrimPrefix(path, "/"), strings.NewReader(body))
		if err != nil {
			return
		}
		req.Header.Set("Authorization", "Bearer "+h.token)
		req.Header.Set("Content-Type", "application/json")
		req.Header["If-Match"] = []string{match}
		req.Header.Set("Tus-Resumable", "1.0.0")
		w := httptest.NewRecorder()
		h.handler.ServeHTTP(w, req)
		if w.Code >= 500 && w.Code != 501 {
			t.Errorf("%s %q %q: %d %s", method, path, body, w.Code, w.Body)
		}
	})
}
