package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cotmoc/hub/server"
	"cotmoc/hub/server/audit"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/rights"
	"cotmoc/hub/server/seed"
	"cotmoc/playlist"
)

// Sizes of the hub that is measured.
const (
	hubItems    = 20_000
	hubDisplays = 500
	hubAudit    = 100_000
	hubClients  = 64
	hubPeople   = 16 // who ask: the hub gives each person a share of its places
	hubPassword = "a long benchmark password"
	loadFor     = 4 * time.Second
)

// benchHub measures the hub's program over HTTP on a database of full size.
func benchHub(ctx context.Context, l *lab) ([]result, error) {
	dir := filepath.Join(l.work, "hub")
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := fillHub(ctx, dir); err != nil {
		return nil, err
	}
	verified, err := benchVerify(ctx, l, dir)
	if err != nil {
		return nil, err
	}
	out := []result{verified}
	h, err := startHub(ctx, l, dir)
	if err != nil {
		return out, err
	}
	defer h.stop()
	fmt.Fprintln(os.Stderr, "the hub of", hubItems, "items is ready")
	for _, run := range []func(context.Context, *hubProcess) ([]result, error){benchPages, benchWrites, benchWeeks, benchPublish} {
		more, err := run(ctx, h)
		for _, r := range more {
			fmt.Fprintln(os.Stderr, r.Name, r.Figures)
		}
		out = append(out, more...)
		if err != nil {
			return out, err
		}
	}
	out = append(out, result{Name: "hub/memory", Figures: map[string]float64{"rss_mb": h.rss()}})
	return out, nil
}

// fillHub makes a hub with everything approved and nothing published. Rows go
// straight into the store: two hundred thousand acts by people would take long.
func fillHub(ctx context.Context, dir string) error {
	o := server.Options{Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	if err := server.Init(ctx, dir, o); err != nil {
		return err
	}
	h, err := server.Open(ctx, dir, o)
	if err != nil {
		return err
	}
	err = addPeople(ctx, h)
	for _, fill := range []func(context.Context, central.Tx) error{fillItems, fillPlan, fillAudit} {
		if err == nil {
			err = h.Desk.Store.Write(ctx, func(tx central.Tx) error { return fill(ctx, tx) })
		}
	}
	return errors.Join(err, h.Close())
}

// addPeople makes accounts that may do everything everywhere.
func addPeople(ctx context.Context, h *server.Hub) error {
	console := desk.Caller{Account: desk.Console, Login: "console", From: "console"}
	for n := range hubPeople {
		a, err := h.Desk.AddAccount(ctx, console, desk.Account{Login: login(n), Name: "Bench", Place: seed.Ministry}, hubPassword)
		for _, r := range rights.Roles {
			if err == nil {
				_, err = h.Desk.AddGrant(ctx, console, rights.Grant{Account: a.ID, Role: r, Place: seed.Ministry})
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func login(n int) string { return fmt.Sprintf("bench-%02d", n) }

func keepDoc(ctx context.Context, tx central.Tx, d central.Doc, row any) error {
	if err := d.Encode(row); err != nil {
		return err
	}
	d.At, d.By = time.Now(), desk.Console
	_, err := tx.Put(ctx, d)
	return err
}

func itemID(n int) playlist.ID { return playlist.ID(fmt.Sprintf("item-%05d", n)) }

func fillItems(ctx context.Context, tx central.Tx) error {
	words := strings.Fields("cửa khẩu mở cửa từ bảy giờ sáng đến hai mươi hai giờ hành khách mang theo hộ chiếu còn hạn và giấy thông hành hàng hóa xuất nhập khẩu phải khai báo")
	r := rand.New(rand.NewPCG(3, 4))
	for n := range hubItems {
		var text strings.Builder
		for range 80 {
			text.WriteString(words[r.IntN(len(words))] + " ")
		}
		item := playlist.Item{ID: itemID(n), Owner: seed.Ministry, Kind: playlist.Bulletin, Class: "bulletin", Audience: playlist.Public, Shelf: fmt.Sprint("shelf-", n%20)}
		if err := keepDoc(ctx, tx, central.Doc{Kind: central.Items, ID: item.ID, Owner: item.Owner, State: string(playlist.Approved)}, item); err != nil {
			return err
		}
		v := desk.Version{Number: 1, Authors: []playlist.ID{"x"}}
		v.Version = playlist.Version{ID: item.ID + ":vi", Item: item.ID, Language: "vi", Form: playlist.FormText, Title: fmt.Sprintf("Bản tin số %d", n), Text: text.String(), Display: text.String(), DisplayBy: "ICU", State: playlist.Approved}
		if err := keepDoc(ctx, tx, central.Doc{Kind: central.Versions, ID: v.ID, Owner: item.Owner, Parent: item.ID, Name: "vi", State: string(playlist.Approved)}, v); err != nil {
			return err
		}
	}
	return nil
}

func fillPlan(ctx context.Context, tx central.Tx) error {
	for n := range 40 {
		p := playlist.Playlist{ID: playlist.ID(fmt.Sprintf("list-%02d", n)), Owner: seed.Ministry, Turns: playlist.Rotate}
		for e := range 50 {
			p.Entries = append(p.Entries, playlist.Entry{Item: itemID(n*50 + e), Fit: playlist.Contain, Transition: playlist.Transition{Kind: playlist.Cut}})
		}
		if err := keepDoc(ctx, tx, central.Doc{Kind: central.Playlists, ID: p.ID, Owner: p.Owner}, p); err != nil {
			return err
		}
		s := thousand()[50*(n/40)+3+n] // no rule that fires every minute
		s.Owner, s.Playlist, s.Layer = seed.Ministry, p.ID, playlist.Main
		if err := keepDoc(ctx, tx, central.Doc{Kind: central.Schedules, ID: s.ID, Owner: s.Owner}, s); err != nil {
			return err
		}
	}
	for n := range hubDisplays {
		d := playlist.Display{ID: playlist.ID(fmt.Sprintf("display-%03d", n)), Place: playlist.ID(fmt.Sprintf("G%03d", 1+n%87)), Width: 1920, Height: 1080, Role: playlist.RoleStage}
		if _, err := tx.Get(ctx, central.Places, d.Place); err != nil {
			d.Place = "G001"
		}
		if err := keepDoc(ctx, tx, central.Doc{Kind: central.Displays, ID: d.ID, Owner: d.Place}, d); err != nil {
			return err
		}
	}
	return nil
}

func fillAudit(ctx context.Context, tx central.Tx) error {
	for n := range hubAudit {
		e := audit.Entry{At: time.Now(), By: "01a2092e-9b00-745c-bfe4-8b0400a63f1b", Name: "ls-bien-tap", From: "10.0.0.7", Act: "change item", Kind: central.Items, ID: itemID(n % hubItems), Place: seed.Ministry, Outcome: audit.Done}
		if err := audit.Append(ctx, tx, e); err != nil {
			return err
		}
	}
	return nil
}

func benchVerify(ctx context.Context, l *lab, dir string) (result, error) {
	var times []float64
	for range 3 {
		var err error
		ms := took(func() {
			err = exec.CommandContext(ctx, filepath.Join(l.bin, "hub"), "audit", "verify", "--data", dir).Run()
		})
		if err != nil {
			return result{}, err
		}
		times = append(times, ms/1000)
	}
	return result{Name: "hub/audit-verify", Figures: map[string]float64{"s": median(times), "rows": hubAudit}}, nil
}

// hubProcess is the program under test, with a token of each person.
type hubProcess struct {
	cmd    *exec.Cmd
	url    string
	tokens []string
	turn   atomic.Int64
	http   *http.Client
}

func startHub(ctx context.Context, l *lab, dir string) (*hubProcess, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(l.bin, "hub"), "serve", "--data", dir, "--listen", "127.0.0.1:0", "--device-listen", "none")
	log, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	h := &hubProcess{cmd: cmd, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * hubClients}}}
	dec := json.NewDecoder(log)
	var first struct{ Address string }
	if err := dec.Decode(&first); err != nil {
		return nil, errors.Join(err, cmd.Process.Kill())
	}
	go func() { _, _ = io.Copy(io.Discard, io.MultiReader(dec.Buffered(), log)) }()
	h.url = "http://" + first.Address + "/api/v1"
	if err := h.signIn(ctx); err != nil {
		h.stop()
		return nil, err
	}
	return h, nil
}

func (h *hubProcess) signIn(ctx context.Context) error {
	var all []string
	for n := range hubPeople {
		var session struct{ Token string }
		if err := h.ask(ctx, "POST", "/session", map[string]string{"login": login(n), "password": hubPassword}, &session); err != nil {
			return err
		}
		all = append(all, session.Token)
	}
	h.tokens = all
	return nil
}

// token is that of the person whose turn it is; empty before anybody has signed in.
func (h *hubProcess) token() string {
	if len(h.tokens) == 0 {
		return ""
	}
	return h.tokens[int(h.turn.Add(1))%len(h.tokens)]
}

func (h *hubProcess) stop() {
	_ = h.cmd.Process.Kill()
	_ = h.cmd.Wait()
}

func (h *hubProcess) rss() float64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	var kb float64
	if at := bytes.Index(raw, []byte("VmRSS:")); at >= 0 {
		_, _ = fmt.Sscanf(string(raw[at:]), "VmRSS: %f", &kb)
	}
	return kb / 1024
}

// ask makes one request and reads its JSON answer.
func (h *hubProcess) ask(ctx context.Context, method, path string, body, into any, headers ...string) error {
	status, raw, err := h.do(ctx, method, h.url+path, body, headers...)
	if err != nil {
		return err
	}
	if status >= 300 {
		return fmt.Errorf("%s %s: %d %.300s", method, path, status, raw)
	}
	if into == nil || len(raw) == 0 {
		return nil
	}
	return json.Unmarshal(raw, into)
}

func (h *hubProcess) do(ctx context.Context, method, address string, body any, headers ...string) (int, []byte, error) {
	var in io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		in = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, in)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+h.token())
	req.Header.Set("Content-Type", "application/json")
	for n := 0; n+1 < len(headers); n += 2 {
		req.Header.Set(headers[n], headers[n+1])
	}
	res, err := h.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return res.StatusCode, raw, err
}

// load has clients ask as fast as they can, and returns requests a second and
// the times of the answers in ms, sorted.
func load(clients int, f func(n int) error) (perSecond float64, ms []float64, err error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	begin := time.Now()
	for c := range clients {
		wg.Go(func() {
			var mine []float64
			for n := c; time.Since(begin) < loadFor && failed.Load() == nil; n += clients {
				var err error
				mine = append(mine, took(func() { err = f(n) }))
				if err != nil {
					failed.Store(&err)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			ms = append(ms, mine...)
		})
	}
	wg.Wait()
	if e := failed.Load(); e != nil {
		return 0, nil, *e
	}
	return float64(len(ms)) / time.Since(begin).Seconds(), ms, nil
}
