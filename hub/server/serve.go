package server

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"cotmoc/hub/server/admission"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/playlist"
)

// Limits of connections. An upload's piece may take long; its bytes may not stop.
const (
	headerTime = 10 * time.Second
	idleTime   = 2 * time.Minute
	goodbye    = 15 * time.Second // for requests that are under way at the end
)

// forwarded takes a request's address from the proxies that passed it on, as far as they
// are trusted: what anybody else says of where a request comes from does not count.
func forwarded(trusted []netip.Prefix, next http.Handler) http.Handler {
	is := func(host string) bool {
		a, err := netip.ParseAddr(host)
		return err == nil && slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(a.Unmap().WithZone("")) })
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil || !is(from) {
			next.ServeHTTP(w, r)
			return
		}
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		for _, hop := range slices.Backward(hops) {
			a, err := netip.ParseAddr(strings.TrimSpace(hop))
			if err != nil {
				break
			}
			if from = a.String(); !is(from) {
				break
			}
		}
		r.RemoteAddr = net.JoinHostPort(from, "0")
		next.ServeHTTP(w, r)
	})
}

// Server makes an HTTP server with the hub's limits.
func (h *Hub) Server(handler http.Handler) *http.Server {
	return &http.Server{Handler: handler, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: 64 << 10}
}

// ServeDevices answers kiosks until ctx ends.
func (h *Hub) ServeDevices(ctx context.Context, listener net.Listener, names []string) error {
	srv := h.Server(admission.Patient(h.Fleet.Handler()))
	srv.ErrorLog = log.New(io.Discard, "", 0) // links that break are no news
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		err := srv.Serve(tls.NewListener(listener, h.Fleet.Authority.Config(names, h.Desk.Now)))
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return fmt.Errorf("serve kiosks: %w", err)
	})
	group.Go(func() error { return shutdown(ctx, srv) })
	group.Go(func() error { return h.Fleet.Serve(ctx) })
	return group.Wait()
}

// Serve answers requests and does the hub's other work until ctx ends.
func (h *Hub) Serve(ctx context.Context, listener net.Listener, tlsCert, tlsKey string) error {
	group, ctx := errgroup.WithContext(ctx)
	srv := h.Server(h.Handler)
	group.Go(func() error {
		var err error
		if tlsCert != "" {
			err = srv.ServeTLS(listener, tlsCert, tlsKey)
		} else {
			err = srv.Serve(listener)
		}
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return fmt.Errorf("serve: %w", err)
	})
	group.Go(func() error { return shutdown(ctx, srv) })
	group.Go(func() error { return h.Worker.Serve(ctx) })
	group.Go(func() error { return h.keep(ctx) })
	group.Go(func() error { return h.tell(ctx) })
	return group.Wait()
}

// keep does what must be done now and then.
func (h *Hub) keep(ctx context.Context) error {
	every := func(d time.Duration) *time.Ticker { return time.NewTicker(d) }
	minute, hour := every(time.Minute), every(time.Hour)
	defer minute.Stop()
	defer hour.Stop()
	h.lookAtClock(ctx)
	h.tidy(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-minute.C:
			h.lookAtClock(ctx)
			h.report(ctx, "A move of a place was not carried out", h.Desk.ApplyMoves(ctx))
			h.report(ctx, "Checkpoint of the audit failed", h.Desk.Checkpoint(ctx))
			h.report(ctx, "What kiosks fetch was not brought up to date", h.Distribute(ctx))
		case <-hour.C:
			h.tidy(ctx)
		}
	}
}

// tell brings out what changed, at once. A notice waits neither for what is done now and
// then, nor for editions, nor for the assignments of many machines; and these do not wait
// for each other.
func (h *Hub) tell(ctx context.Context) error {
	h.Desk.SendsUrgent()
	editions, stop1 := following(func() { h.report(ctx, "What kiosks fetch was not brought up to date", h.send(ctx)) })
	defer stop1()
	assignments, stop2 := following(func() { h.report(ctx, "Assignments were not brought up to date", h.reassign(ctx)) })
	defer stop2()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.Desk.Changed():
			h.Fleet.Forget()
			h.report(ctx, "What the duty officers say did not go out", h.sendUrgent(ctx))
			editions()
			assignments()
		}
	}
}

// following does something in a goroutine of its own after each call of again, once for all
// calls that come while it is being done. stop waits for its end.
func following(do func()) (again, stop func()) {
	due, done := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(done)
		for range due {
			do()
		}
	}()
	again = func() {
		select {
		case due <- struct{}{}:
		default:
		}
	}
	return again, func() { close(due); <-done }
}

// tidy removes what ended, and finishes what a power cut interrupted.
func (h *Hub) tidy(ctx context.Context) {
	if h.clock.Check() != nil || !h.clockHolds(ctx) {
		h.Log.Error("The clock is far from where it was: nothing expires until it is right", "now", h.Desk.Now())
		return
	}
	_, err := h.Desk.Expire(ctx)
	h.report(ctx, "Expiry failed", err)
	ended, err := h.Desk.Sweep(ctx)
	h.report(ctx, "Sweep failed", err)
	h.report(ctx, "Ended uploads were not removed", h.API.RemoveUploads(ctx, ended))
	h.report(ctx, "What was counted long ago was not removed", h.Fleet.Tidy(ctx))
	h.report(ctx, "What kiosks fetch was not brought up to date", h.Distribute(ctx))
	h.report(ctx, "Checkpoint of the audit failed", h.Desk.Checkpoint(ctx))
}

// clockHolds says whether the clock can be right: not an hour or more
// before the audit's last row, and not 400 days or more after it.
func (h *Hub) clockHolds(ctx context.Context) bool {
	var last struct {
		At time.Time `json:"at"`
	}
	err := h.store.Read(ctx, func(r central.Reader) error {
		head, err := r.AuditHead(ctx)
		if err != nil || head.Seq == 0 {
			return err
		}
		return json.Unmarshal(head.Row, &last)
	})
	ahead := h.Desk.Now().Sub(last.At)
	return err == nil && (last.At.IsZero() || ahead > -time.Hour && ahead < 400*24*time.Hour)
}

func (h *Hub) report(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil {
		h.Log.Error(what, "error", err)
	}
}

// static serves the published folder. Everything in it is immutable but
// newest.json, and nothing is listed.
func static(dir string) http.Handler {
	files := &packing{files: noFolders{http.Dir(dir)}, next: http.FileServerFS(noFolders{http.Dir(dir)}), kept: map[string]packed{}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Content-Type", "application/octet-stream")
		switch first, _, _ := strings.Cut(r.URL.Path, "/"); {
		case first == "files" || first == "chunks": // named by hash
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			w.Header().Set("ETag", `"`+filepath.Base(r.URL.Path)+`"`)
		case filepath.Base(r.URL.Path) == "newest.json":
			w.Header().Set("Cache-Control", "no-cache")
			w.Header().Set("Content-Type", "application/json")
			if raw, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(filepath.Clean("/"+r.URL.Path)))); err == nil {
				w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(raw)))
			}
		default:
			w.Header().Set("Cache-Control", "public, max-age=86400")
		}
		files.ServeHTTP(w, r)
	})
}

// noFolders opens files only.
type noFolders struct{ dir http.Dir }

func (n noFolders) Open(name string) (fs.File, error) {
	f, err := n.dir.Open("/" + name)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || info.IsDir() {
		return nil, errors.Join(fs.ErrNotExist, err, f.Close())
	}
	return f, nil
}

// Health is what /healthz says.
type Health struct {
	Status   string `json:"status"` // ok, or what is wrong
	FreeMB   int64  `json:"free_mb"`
	DeadJobs int    `json:"dead_jobs"`

	Clock *desk.Hold `json:"clock,omitempty"` // why nothing is signed
}

// minFree is the room below which a hub calls itself ill, in MB.
const minFree = 500

// Health looks at the hub.
func (h *Hub) Health(ctx context.Context) (Health, bool) {
	out := Health{Status: "ok"}
	var room unix.Statfs_t
	if err := unix.Statfs(h.Dir, &room); err == nil {
		out.FreeMB = int64(room.Bavail) * room.Bsize >> 20
	}
	err := h.store.Read(ctx, func(r central.Reader) (err error) {
		out.DeadJobs, err = r.Count(ctx, central.Query{Kind: central.Jobs, States: []string{desk.JobDead}})
		return err
	})
	switch {
	case err != nil:
		out.Status = "the database does not answer"
	case out.FreeMB < minFree:
		out.Status = "the disk is nearly full"
	case h.clock.Check() != nil:
		out.Status, out.Clock = desk.ErrClock.Error(), h.clock.Held()
	}
	return out, out.Status == "ok"
}

func (h *Hub) healthz(w http.ResponseWriter, r *http.Request) {
	health, well := h.Health(r.Context())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !well {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(health)
}

// Status is what `hub status` says.
type Status struct {
	Health   Health         `json:"health"`
	Editions []EditionLine  `json:"editions"`
	Counts   map[string]int `json:"counts"`
	Audit    int64          `json:"audit_rows"`
}

// EditionLine is a scope's newest edition.
type EditionLine struct {
	Scope  playlist.ID `json:"scope"`
	Name   string      `json:"name"`
	Number int64       `json:"number"`
	At     time.Time   `json:"at"`
}

// Status looks at everything worth a glance.
func (h *Hub) Status(ctx context.Context) (Status, error) {
	out := Status{Counts: map[string]int{}, Editions: []EditionLine{}}
	out.Health, _ = h.Health(ctx)
	scopes, err := h.Desk.Scopes(ctx)
	if err != nil {
		return out, err
	}
	err = h.store.Read(ctx, func(r central.Reader) error {
		for _, k := range []central.Kind{central.Places, central.Displays, central.Items, central.Versions, central.Playlists, central.Schedules, central.Accounts, central.Files} {
			n, err := r.Count(ctx, central.Query{Kind: k})
			if err != nil {
				return err
			}
			out.Counts[string(k)] = n
		}
		for _, s := range []string{string(playlist.InReview), string(playlist.Approved)} {
			n, err := r.Count(ctx, central.Query{Kind: central.Versions, States: []string{s}})
			if err != nil {
				return err
			}
			out.Counts["version "+s] = n
		}
		head, err := r.AuditHead(ctx)
		if err != nil {
			return err
		}
		out.Audit = head.Seq
		for _, s := range scopes {
			newest, err := r.Editions(ctx, s.ID, 1)
			if err != nil {
				return err
			}
			if len(newest) == 1 {
				name, _ := s.Names.In(playlist.Vietnamese, nil)
				out.Editions = append(out.Editions, EditionLine{s.ID, name, newest[0].Number, newest[0].At})
			}
		}
		return nil
	})
	return out, err
}

// shutdown lets a server finish its requests once ctx has ended, but not for ever.
func shutdown(ctx context.Context, srv *http.Server) error {
	<-ctx.Done()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	if err := srv.Shutdown(last); err != nil {
		return srv.Close()
	}
	return nil
}
