// Package server is the hub: it joins store, desk, worker, API and pages, and
// serves them from one folder.
package server

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"cotmoc/hub/feed"
	"cotmoc/hub/server/admission"
	"cotmoc/hub/server/api"
	"cotmoc/hub/server/blob"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/fleet"
	"cotmoc/hub/server/intake"
	"cotmoc/hub/server/login"
	"cotmoc/hub/server/pages"
	"cotmoc/hub/server/publish"
	"cotmoc/hub/server/seed"
	"cotmoc/hub/server/sqlite"
	"cotmoc/hub/trust"
	"cotmoc/internal/atomicfile"
	"cotmoc/internal/typeset"
	"cotmoc/playlist"
)

// What lies where in a hub's folder.
const (
	dbFile         = "hub.db"
	keyFile        = "keys/audit.key"    // secret: signs the audit's checkpoints
	publicKeyFile  = "keys/audit.public" // to be kept elsewhere as well
	checkpointFile = "audit-checkpoints.jsonl"
	filesDir       = "files"
	uploadsDir     = "uploads"
	workDir        = "work"
	publicDir      = "public" // what kiosks and mirrors may fetch
	lockFile       = "lock"
	configFile     = "hub.json"
	fleetFile      = "fleet.db" // what kiosks report
	authorityKey   = "authority"
	authorityFile  = "authority.crt"
)

// Config is DIR/hub.json, which may be missing.
type Config struct {
	OIDC *login.Config `json:"oidc,omitempty"`
	// TimeServer is an NTP server with which this hub's clock is compared, as host or
	// host:port.
	TimeServer string `json:"time_server,omitempty"`
}

// Hub is an open hub.
type Hub struct {
	Dir     string
	Desk    *desk.Desk
	Plans   *desk.Plans
	Worker  *intake.Worker
	Public  publish.Public
	API     *api.Server
	Handler http.Handler
	Fleet   *fleet.Fleet
	Log     *slog.Logger

	online      desk.OnlineKeys
	reports     *sqlite.Fleet
	signing     sync.Mutex // what signs and publishes metadata
	reassigning sync.Mutex
	told        string // the emergency metadata that was announced last

	clock   *desk.Watch
	store   *sqlite.Store
	lock    *os.File
	metrics *metrics
	secure  bool
	proxies []netip.Prefix
}

// Options are how a hub is opened.
type Options struct {
	Now    func() time.Time
	Mono   func() time.Duration // SinceBoot; nil: the clock is not compared with it
	Log    *slog.Logger
	Self   []string // command that runs intake.RenderPDF
	Secure bool     // people reach it over TLS
	// Proxies are those whose word on where a request comes from is believed.
	Proxies []netip.Prefix
}

// ErrRunning is returned when another process has the folder open.
var ErrRunning = errors.New("a hub is running on this folder")

// ErrNoHub is returned when a folder holds no hub.
var ErrNoHub = errors.New("there is no hub in this folder: make one with hub init")

// Init makes a hub in an empty folder: database, keys, places and classes.
func Init(ctx context.Context, dir string, o Options) error {
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		return fmt.Errorf("the folder %s is not empty", dir)
	}
	if err := errors.Join(os.MkdirAll(filepath.Join(dir, "keys"), 0o700), os.Chmod(dir, 0o700)); err != nil {
		return fmt.Errorf("make the hub's folder: %w", err)
	}
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("make the audit's key: %w", err)
	}
	if err := errors.Join(atomicfile.Write(filepath.Join(dir, publicKeyFile), []byte(hex.EncodeToString(public)+"\n"), 0o644),
		atomicfile.Write(filepath.Join(dir, keyFile), []byte(hex.EncodeToString(key.Seed())+"\n"), 0o600)); err != nil {
		return err
	}
	if err := makeOnlineKeys(dir); err != nil {
		return err
	}
	h, err := open(ctx, dir, o, true)
	if err != nil {
		return err
	}
	return errors.Join(h.seed(ctx), h.Close())
}

// seed writes the places and classes that a hub begins with.
func (h *Hub) seed(ctx context.Context) error {
	console := desk.Caller{Account: desk.Console, Login: string(desk.Console), From: "console"}
	places, err := seed.Places()
	if err != nil {
		return err
	}
	if _, err := h.Desk.Import(ctx, console, playlist.Rows{Format: playlist.Format, Places: places}, seed.Ministry, nil); err != nil {
		return err
	}
	for _, c := range seed.Classes() {
		raw, err := json.Marshal(c)
		if err != nil {
			return fmt.Errorf("classes: %w", err)
		}
		if _, err := h.Desk.Put(ctx, console, central.Classes, c.ID, 0, raw); err != nil {
			return err
		}
	}
	return h.Desk.Checkpoint(ctx)
}

// Open opens the hub of a folder for the one process that writes it.
func Open(ctx context.Context, dir string, o Options) (*Hub, error) { return open(ctx, dir, o, false) }

func open(ctx context.Context, dir string, o Options, create bool) (h *Hub, err error) {
	key, err := readKey(filepath.Join(dir, keyFile))
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, dbFile)); err != nil && !create {
		return nil, fmt.Errorf("%w (%s)", ErrNoHub, dir)
	}
	h = &Hub{Dir: dir, Log: o.Log, secure: o.Secure, proxies: o.Proxies}
	if h.lock, err = lock(filepath.Join(dir, lockFile)); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
			h = nil
		}
	}()
	for _, d := range []string{uploadsDir, publicDir} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return h, fmt.Errorf("hub's folder: %w", err)
		}
	}
	if h.store, err = sqlite.Open(ctx, filepath.Join(dir, dbFile)); err != nil {
		return h, err
	}
	if err := os.Chmod(filepath.Join(dir, dbFile), 0o600); err != nil { // it holds password hashes
		return h, fmt.Errorf("hub's folder: %w", err)
	}
	folder, err := blob.OpenFolder(filepath.Join(dir, filesDir))
	if err != nil {
		return h, err
	}
	files := blob.Checked{Store: folder}
	config, err := readConfig(filepath.Join(dir, configFile))
	if err != nil {
		return h, err
	}
	if err := h.watchClock(o, config); err != nil {
		return h, err
	}
	h.Desk = desk.New(desk.Options{Store: h.store, Files: files, Fonts: typeset.New(), Now: o.Now, Log: o.Log, Key: key, Checkpoint: h.keepCheckpoint, Clock: h.clock})
	h.Plans = desk.NewPlans(h.Desk)
	h.Public = publish.Public{Dir: filepath.Join(dir, publicDir), Files: files}
	h.Desk.Written = h.Public.Has
	h.Worker = &intake.Worker{Desk: h.Desk, Dir: filepath.Join(dir, workDir), Self: o.Self, Log: o.Log}
	if err := h.openFleet(ctx); err != nil {
		return h, err
	}
	return h, errors.Join(h.Desk.Recover(ctx), h.overtake(ctx), h.routes())
}

// openFleet opens what kiosks need. A hub that was made before kiosks could enrol
// gets its online keys now.
func (h *Hub) openFleet(ctx context.Context) (err error) {
	if err := makeOnlineKeys(h.Dir); err != nil {
		return err
	}
	var key ed25519.PrivateKey
	if h.online, key, err = readOnlineKeys(h.Dir); err != nil {
		return err
	}
	authority, err := fleet.OpenAuthority(filepath.Join(h.Dir, onlineKeys, authorityFile), key, h.Desk.Now())
	if err != nil {
		return err
	}
	if h.reports, err = sqlite.OpenFleet(ctx, filepath.Join(h.Dir, fleetFile)); err != nil {
		return err
	}
	h.Fleet = fleet.New(fleet.Fleet{Desk: h.Desk, Store: h.reports, Authority: authority, Seal: h.online.Assignment, Public: static(h.Public.Dir), Log: h.Log})
	return nil
}

// announce tells the kiosks that wait of the newest timestamp. What the duty officers
// say goes with the news of it.
func (h *Hub) announce(files map[string][]byte, timestamp []byte) {
	e := feed.Event{Kind: "edition"}
	if said, err := trust.Read(timestamp); err == nil {
		e.Timestamp = said.Version
	}
	fresh := ""
	along := map[string][]byte{publish.TrustDir + "/timestamp.json": timestamp}
	for name, raw := range files {
		switch {
		case strings.HasSuffix(name, "."+trust.Emergency+".json"):
			fresh = name
			along[name] = raw
		case strings.HasSuffix(name, "."+trust.Snapshot+".json"), strings.HasPrefix(name, trust.Emergency+"/"):
			along[name] = raw
		}
	}
	if fresh != "" && fresh != h.told {
		e.Files = along
	}
	h.told = fresh
	h.Fleet.Announce(e)
}

// routes joins what answers requests.
func (h *Hub) routes() error {
	config, err := readConfig(filepath.Join(h.Dir, configFile))
	if err != nil {
		return err
	}
	var handler http.Handler
	h.API, handler = api.New(api.Options{Desk: h.Desk, Plans: h.Plans, Taker: h.Worker, Public: h.Public, Fleet: h.Fleet, Uploads: filepath.Join(h.Dir, uploadsDir), Secure: h.secure, Log: h.Log})
	h.metrics = newMetrics(h)
	var provider *login.Provider
	if config.OIDC != nil {
		provider = login.New(*config.OIDC, h.Desk.SignInOIDC, h.Desk.Now)
	}
	mux := http.NewServeMux()
	mux.Handle(api.Prefix+"/", handler)
	mux.Handle("/openapi.json", handler)
	mux.Handle("/healthz", http.HandlerFunc(h.healthz))
	mux.Handle("/metrics", h.metrics.handler())
	mux.Handle("/public/", http.StripPrefix("/public/", h.Fleet.Shared(static(h.Public.Dir))))
	mux.Handle("/", pages.New(pages.Options{Desk: h.Desk, Plans: h.Plans, Provider: provider, Fleet: h.Fleet, Demo: h.Demo, Secure: h.secure, Log: h.Log}))
	h.Handler = h.metrics.count(admission.Patient(mux))
	if len(h.proxies) > 0 {
		h.Handler = forwarded(h.proxies, h.Handler)
	}
	return nil
}

// Close ends a hub. Requests must have ended before.
func (h *Hub) Close() error {
	var errs []error
	if h.Desk != nil {
		errs = append(errs, h.Desk.Checkpoint(context.Background()))
	}
	if h.store != nil {
		errs = append(errs, h.keepClock())
	}
	if h.reports != nil {
		errs = append(errs, h.reports.Close())
	}
	if h.store != nil {
		errs = append(errs, h.store.Close())
	}
	if h.lock != nil {
		errs = append(errs, h.lock.Close())
	}
	return errors.Join(errs...)
}

// lock takes the folder for this process until the file is closed.
func lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("hub's folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(ErrRunning, f.Close())
	}
	return f, nil
}

func readKey(path string) (ed25519.PrivateKey, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w (%s)", ErrNoHub, filepath.Dir(filepath.Dir(path)))
	}
	if err != nil {
		return nil, fmt.Errorf("audit's key: %w", err)
	}
	seed, err := hex.DecodeString(strings.TrimSpace(string(raw)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("audit's key: %s is damaged", path)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

func readConfig(path string) (Config, error) {
	var c Config
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("configuration: %w", err)
	}
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return c, fmt.Errorf("configuration %s: %w", path, err)
	}
	return c, nil
}

// keepCheckpoint appends a checkpoint to a file that is easily copied elsewhere.
func (h *Hub) keepCheckpoint(c central.Checkpoint) {
	raw, err := json.Marshal(c)
	if err == nil {
		err = appendLine(filepath.Join(h.Dir, checkpointFile), raw)
	}
	if err != nil {
		h.Log.Error("Checkpoint of the audit was not written to its file", "error", err)
	}
}

// appendLine adds a line to a file. Half a line that a power cut left goes first.
func appendLine(path string, line []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return fmt.Errorf("append to %s: %w", path, err)
	}
	have, err := io.ReadAll(f)
	if err == nil {
		whole := int64(bytes.LastIndexByte(have, '\n') + 1)
		if err = f.Truncate(whole); err == nil {
			_, err = f.WriteAt(append(line, '\n'), whole)
		}
	}
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("append to %s: %w", path, err)
	}
	return nil
}
