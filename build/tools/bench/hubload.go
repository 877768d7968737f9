package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/seed"
	"cotmoc/playlist"
)

func percentile(sorted []float64, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
}

func figures(perSecond float64, ms []float64) map[string]float64 {
	slices.Sort(ms)
	return map[string]float64{"per_s": perSecond, "p50_ms": percentile(ms, 0.5), "p99_ms": percentile(ms, 0.99), "clients": hubClients}
}

// staticPeer serves one page's bytes from a file, in this process, as nothing
// but a file server would.
func staticPeer(page []byte) (url string, stop func(), err error) {
	dir, err := os.MkdirTemp("", "static")
	if err != nil {
		return "", nil, err
	}
	if err := os.WriteFile(dir+"/page.json", page, 0o600); err != nil {
		return "", nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{Handler: http.FileServer(http.Dir(dir)), ReadHeaderTimeout: time.Second}
	go func() { _ = srv.Serve(l) }()
	return "http://" + l.Addr().String() + "/page.json", func() { _ = srv.Close(); _ = os.RemoveAll(dir) }, nil
}

// benchPages asks for pages of fifty rows, and for pages that have not changed,
// with a file server beside that serves the same bytes.
func benchPages(ctx context.Context, h *hubProcess) ([]result, error) {
	status, page, err := h.do(ctx, "GET", h.url+"/items?limit=50", nil)
	if err != nil || status != 200 {
		return nil, fmt.Errorf("a page: %d %w", status, err)
	}
	static, stop, err := staticPeer(page)
	if err != nil {
		return nil, err
	}
	defer stop()
	expect := func(want, status int, err error) error {
		if err == nil && status != want {
			err = fmt.Errorf("%d instead of %d", status, want)
		}
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+"/items?limit=50", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+h.token())
	res, err := h.http.Do(req)
	if err != nil {
		return nil, err
	}
	res.Body.Close()
	tag := res.Header.Get("Etag")
	kinds := []struct {
		name string
		ask  func(n int) error
		peer func(n int) error
	}{
		{"hub/page", func(n int) error {
			status, _, err := h.do(ctx, "GET", h.url+"/items?limit=50&after="+string(itemID(n*997%(hubItems-60))), nil)
			return expect(200, status, err)
		}, func(int) error { status, _, err := h.do(ctx, "GET", static, nil); return expect(200, status, err) }},
		{"hub/not-modified", func(int) error {
			status, _, err := h.do(ctx, "GET", h.url+"/items?limit=50", nil, "If-None-Match", tag)
			return expect(304, status, err)
		}, func(int) error {
			status, _, err := h.do(ctx, "GET", static, nil, "If-Modified-Since", time.Now().UTC().Format(http.TimeFormat))
			return expect(304, status, err)
		}},
	}
	var out []result
	for _, k := range kinds {
		r, err := paired(k.name, k.ask, k.peer)
		if err != nil {
			return out, err
		}
		r.Figures["page_kb"] = float64(len(page)) / 1000
		out = append(out, r)
	}
	return out, nil
}

// paired loads the hub and its peer by turns.
func paired(name string, ask, peerAsk func(int) error) (result, error) {
	r := result{Name: name, Pairs: 3, Peer: &peer{Name: "net/http file server in the load's own process"}}
	var ratios []float64
	for range r.Pairs {
		ours, ms, err := load(hubClients, ask)
		if err != nil {
			return r, err
		}
		r.Figures = figures(ours, ms)
		theirs, ms, err := load(hubClients, peerAsk)
		if err != nil {
			return r, err
		}
		r.Peer.Figures = figures(theirs, ms)
		ratios = append(ratios, theirs/ours) // time a request takes: ours over the peer's
	}
	r.Ratio = median(ratios)
	return r, nil
}

// benchWrites writes with four clients while thirty-two read.
func benchWrites(ctx context.Context, h *hubProcess) ([]result, error) {
	for n := range 4 {
		if err := h.ask(ctx, "POST", "/playlists", map[string]any{"id": fmt.Sprint("written-", n), "owner": seed.Ministry, "entries": []any{}}, nil); err != nil {
			return nil, err
		}
	}
	reading := make(chan error, 1)
	var reads float64
	var readMS []float64
	go func() {
		var err error
		reads, readMS, err = load(32, func(n int) error {
			return h.ask(ctx, "GET", "/items?limit=50&after="+string(itemID(n*997%(hubItems-60))), nil, nil)
		})
		reading <- err
	}()
	revs := [4]int{1, 1, 1, 1}
	writes, writeMS, err := load(4, func(n int) error {
		c := n % 4
		id := fmt.Sprint("written-", c)
		row := map[string]any{"id": id, "owner": seed.Ministry, "entries": []any{}, "names": map[string]string{"vi": strconv.Itoa(n)}}
		err := h.ask(ctx, "PUT", "/playlists/"+id, row, nil, "If-Match", fmt.Sprintf(`"%d"`, revs[c]))
		revs[c]++
		return err
	})
	if e := <-reading; err == nil {
		err = e
	}
	slices.Sort(readMS)
	slices.Sort(writeMS)
	return []result{{Name: "hub/writes-while-reading", Figures: map[string]float64{"writes_per_s": writes, "write_p99_ms": percentile(writeMS, 0.99),
		"reads_per_s": reads, "read_p99_ms": percentile(readMS, 0.99), "writers": 4, "readers": 32}}}, err
}

// benchWeeks asks for a week of every display.
func benchWeeks(ctx context.Context, h *hubProcess) ([]result, error) {
	from := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
	ask := func(n int) error {
		var stretches []desk.Stretch
		path := fmt.Sprintf("/resolve/range?display=display-%03d&from=%s&until=%s", n, from.Format(time.RFC3339), from.AddDate(0, 0, 7).Format(time.RFC3339))
		if err := h.ask(ctx, "GET", path, nil, &stretches); err != nil {
			return err
		}
		if len(stretches) < 7 {
			return fmt.Errorf("a week of %d stretches", len(stretches))
		}
		return nil
	}
	var err error
	first := took(func() { err = ask(0) }) // makes the plan
	if err != nil {
		return nil, err
	}
	var each []float64
	all := took(func() {
		for n := range hubDisplays {
			each = append(each, took(func() { err = ask(n) }))
			if err != nil {
				return
			}
		}
	})
	return []result{{Name: "hub/resolve-week", Figures: map[string]float64{"first_ms": first, "all_s": all / 1000, "each_ms": median(each), "displays": hubDisplays, "schedules": 40}}}, err
}

// benchPublish publishes everything, then again after 250 changes.
func benchPublish(ctx context.Context, h *hubProcess) ([]result, error) {
	scopes, err := h.scopes(ctx)
	if err != nil {
		return nil, err
	}
	var got []desk.Publication
	publish := func() (float64, error) {
		var err error
		ms := took(func() { err = h.ask(ctx, "POST", "/publications", map[string]any{"scopes": scopes}, &got) })
		return ms / 1000, err
	}
	first, err := publish()
	if err != nil {
		return nil, err
	}
	rows := 0
	for _, p := range got {
		rows += p.Rows
	}
	for n := range 250 {
		id := fmt.Sprintf("list-%02d", n%40)
		var row struct {
			Rev int64
			Row playlist.Playlist
		}
		if err := h.ask(ctx, "GET", "/playlists/"+id, nil, &row); err != nil {
			return nil, err
		}
		row.Row.Names = playlist.Names{"vi": fmt.Sprint("lần ", n)}
		if err := h.ask(ctx, "PUT", "/playlists/"+id, row.Row, nil, "If-Match", fmt.Sprintf(`"%d"`, row.Rev)); err != nil {
			return nil, err
		}
	}
	again, err := publish()
	if err != nil {
		return nil, err
	}
	return []result{{Name: "hub/publish", Figures: map[string]float64{"s": first, "again_s": again, "rows": float64(rows), "items": hubItems}}}, nil
}

func (h *hubProcess) scopes(ctx context.Context) ([]playlist.ID, error) {
	var out []playlist.ID
	after := ""
	for {
		var page struct {
			Rows []struct{ Row json.RawMessage }
			Next string
		}
		if err := h.ask(ctx, "GET", "/places?limit=200&after="+after, nil, &page); err != nil {
			return nil, err
		}
		for _, r := range page.Rows {
			var p playlist.Place
			if err := json.Unmarshal(r.Row, &p); err != nil {
				return nil, err
			}
			if p.Kind == playlist.Ministry || p.Kind == playlist.Province {
				out = append(out, p.ID)
			}
		}
		if after = page.Next; after == "" {
			return out, nil
		}
	}
}
