package kiosk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"cotmoc/device"
	"cotmoc/hub/feed"
	"cotmoc/hub/local"
	"cotmoc/internal/supervise"
	"cotmoc/player/link"
	"cotmoc/player/proof"
	"cotmoc/playlist"
	"cotmoc/playlist/media"
	"cotmoc/playlist/resolve"
	"cotmoc/playlist/store"
)

// Config says how a kiosk runs.
type Config struct {
	Dir        string
	Binaries   string   // folder of stage and sound
	Displays   []string // ids of this machine's displays; empty: those of the first display's place
	StageArgs  []string // added to every stage's command line
	TouchArgs  []string // added to the library's
	Quota      int64    // bytes of media; 0: only the disk limits
	Sticks     []string // folders below which sticks are mounted
	NoChildren bool     // tests talk to the socket themselves
	Fetch      []string // the command that speaks with the hub; empty: nobody does
	Clock      *device.Clock
	Log        *slog.Logger
}

// resolveEvery is how often the schedule is asked again at the latest.
const resolveEvery = 30 * time.Second

// Kiosk is one running kiosk. It holds the lock on its folder.
type Kiosk struct {
	cfg   Config
	lock  *os.File
	sock  string // where it listens
	state *store.State
	media *media.Store
	clock *device.Clock
	proof *proof.Log
	wake  chan struct{}
	began time.Time

	aging sync.Mutex // held while what remains of notices is read and written
	aged  time.Time  // when it was written last

	content sync.Mutex    // held while content is taken in, and while files are tidied
	known   chan struct{} // closed once the displays are known

	mu          sync.Mutex
	edition     *store.Edition
	playing     playlist.Rows // what the composer's catalogue was made of
	withdrawn   []playlist.ID // versions of the edition that may not be shown
	stickPlace  playlist.ID   // for which the stick was made that a machine without a hub took
	ahead       *ahead
	identity    *local.Identity
	assignment  *feed.Assignment
	fetch       *fetcher
	trial       *probation
	pairing     *playlist.Pairing // shown while staff confirm the machine
	pairingEnds time.Time
	composer    *Composer
	screens     map[playlist.ID]*screen
	sound       *soundDesk
	touch       *touchDesk
	staff       *staffDesk
	problems    map[string]string // what is wrong, by subject
	faults      []Fault
	conns       sync.WaitGroup
}

// Fault is something that a child reported: a bad entry, most often.
type Fault struct {
	At   time.Time `json:"at"`
	From string    `json:"from"`
	Text string    `json:"text"`
}

// screen is one display and its stage.
type screen struct {
	display  playlist.Display
	child    *supervise.Child
	conn     *link.Conn
	pid      int    // of the stage that spoke last
	print    string // of the programme last made, to see a change
	prog     *playlist.Programme
	plan     []Decision
	sequence uint64
	showing  map[playlist.ID]*link.Showing
	beat     link.Message
	stop     context.CancelFunc
	notice   playlist.ID         // whose chime was played
	deaths   map[playlist.ID]int // how often a stage ended on an item
	monitor  int
}

// Open takes the lock on the folder and opens what is in it. Damage is set
// aside and reported, never fatal.
func Open(ctx context.Context, cfg Config) (*Kiosk, error) {
	if err := os.MkdirAll(filepath.Join(cfg.Dir, "run"), 0o755); err != nil && !readable(cfg.Dir) {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	k := &Kiosk{cfg: cfg, lock: lock, clock: cfg.Clock, wake: make(chan struct{}, 1), known: make(chan struct{}), began: time.Now(), aged: time.Now(),
		screens: map[playlist.ID]*screen{}, problems: map[string]string{}}
	if k.cfg.Log == nil {
		k.cfg.Log = slog.New(slog.DiscardHandler)
	}
	if k.state, err = store.OpenState(ctx, cfg.Dir, time.Now()); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	if k.state.SetAside != "" {
		k.problems["state.db"] = "the database was damaged and was set aside as " + filepath.Base(k.state.SetAside) + "; positions and proof of play begin anew"
	}
	if k.state.Volatile != nil {
		k.problems["state.db"] = "the disk takes no writes: positions and proof of play are kept in memory only (" + k.state.Volatile.Error() + ")"
	}
	k.media = media.Open(filepath.Join(cfg.Dir, "media"), cfg.Quota)
	k.untake()
	if err := k.media.Problem(); err != nil {
		k.problems["media"] = err.Error()
	}
	if k.clock == nil {
		kept, err := k.keptClock(ctx)
		if err != nil {
			return nil, errors.Join(err, k.state.Close(), lock.Close())
		}
		k.clock = device.ContinueClock(kept)
	}
	k.proof = proof.NewLog(k.state)
	k.proof.Noticed = func() { k.fetch.wantChanged() }
	k.sound = newSoundDesk(k)
	k.touch = newTouchDesk(k)
	k.staff = newStaffDesk(k)
	k.staff.restore(ctx)
	k.fetch = newFetcher(k)
	k.loadIdentity(ctx)
	k.openActive(ctx)
	k.loadProbation(ctx)
	k.mendActive(ctx)
	return k, nil
}

// untake gives back what a power cut left half taken of the files that fetch brought.
func (k *Kiosk) untake() {
	paths, _ := filepath.Glob(filepath.Join(k.cfg.Dir, local.PartDir, "*"+media.Aside))
	for _, path := range paths {
		if err := os.Rename(path, strings.TrimSuffix(path, media.Aside)); err != nil {
			k.problems["media"] = err.Error()
		}
	}
}

func readable(dir string) bool {
	_, err := os.ReadDir(dir)
	return err == nil
}

// lockDir makes sure that only one process uses the folder. On a disk that
// takes no new file the folder itself is locked.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		if f, err = os.Open(dir); err != nil {
			return nil, fmt.Errorf("data folder: %w", err)
		}
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another kiosk is using %s", dir), f.Close())
	}
	return f, nil
}

// Close releases everything. Children go on: they are told to end before, or
// are adopted by the next kiosk.
func (k *Kiosk) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var err error
	if k.edition != nil {
		err = k.edition.Close()
	}
	return errors.Join(err, k.state.Close(), k.lock.Close())
}

// Nudge asks for the schedule to be resolved at once.
func (k *Kiosk) Nudge() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *Kiosk) problem(subject, text string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if text == "" {
		delete(k.problems, subject)
		return
	}
	if k.problems[subject] != text {
		k.cfg.Log.Warn("Problem", "subject", subject, "text", text)
	}
	k.problems[subject] = text
}

// noticesFor returns the kept notices that apply to a display, those whose time
// is over among them: what they cancel stays cancelled.
func (k *Kiosk) noticesFor(cat *playlist.Catalogue, d playlist.Display, kept []store.Notice) []resolve.Notice {
	var out []resolve.Notice
	for _, n := range kept {
		if k.applies(cat, n.Places, d) {
			out = append(out, resolve.Notice{Notice: n.Notice, Remaining: n.Remaining, Spent: n.Remaining <= 0})
		}
	}
	return out
}

// applies says whether what is meant for places holds for a display. Where the machine's
// place lies is for the hub to say as well: an edition may not know it yet.
func (k *Kiosk) applies(cat *playlist.Catalogue, places []playlist.ID, d playlist.Display) bool {
	if cat.Applies(places, nil, d) {
		return true
	}
	a := k.assignment
	mine := a != nil && (string(d.Place) == a.Place || slices.Contains(a.Displays, string(d.ID)))
	return mine && slices.ContainsFunc(places, func(p playlist.ID) bool {
		return string(p) == a.Place || slices.Contains(a.Above, string(p))
	})
}

// fingerprint is equal for programmes that a stage would show the same way.
func fingerprint(p *playlist.Programme) string {
	bare := *p
	bare.Sequence, bare.Positions = 0, nil
	bare.Mandatory = slices.Clone(p.Mandatory)
	for i := range bare.Mandatory {
		bare.Mandatory[i].DueIn = 0
	}
	if bare.Notice != nil {
		n := *bare.Notice
		n.Remaining = 0
		bare.Notice = &n
	}
	if bare.Default != nil {
		d := *bare.Default
		d.Positions = nil
		bare.Default = &d
	}
	raw, err := json.Marshal(bare)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

// Media is the kiosk's store of files.
func (k *Kiosk) Media() *media.Store { return k.media }

// TakeIn runs take while nothing else changes or removes content.
func (k *Kiosk) TakeIn(take func() error) error {
	k.content.Lock()
	defer k.content.Unlock()
	return take()
}

// MakeRoom removes files that neither the active edition nor the fresh files
// name, until the fresh ones fit. With room enough it removes nothing.
func (k *Kiosk) MakeRoom(ctx context.Context, fresh []playlist.Media) error {
	keep := map[playlist.Hash]bool{}
	var need int64
	for _, m := range fresh {
		keep[m.SHA256] = true
		if !k.media.Has(m.SHA256) {
			need += m.Bytes
		}
	}
	// The lock is not held while files are removed: that can take seconds, and
	// the stage's beats must be heard.
	k.mu.Lock()
	id := ""
	if k.edition != nil {
		id = k.edition.ID
	}
	k.mu.Unlock()
	if id != "" {
		for _, id := range k.rooted(id) {
			named, err := mediaOf(ctx, k.cfg.Dir, id)
			if err != nil {
				return err
			}
			for _, m := range named {
				keep[m.SHA256] = true
			}
		}
	}
	_, err := k.media.Collect(keep, need)
	return err
}

func mediaOf(ctx context.Context, dir, edition string) ([]playlist.Media, error) {
	e, err := store.OpenEdition(ctx, dir, edition)
	if err != nil {
		return nil, err
	}
	all, err := e.Media(ctx)
	held, err2 := e.Held(ctx)
	return append(all, held.Media...), errors.Join(err, err2, e.Close())
}

// rooted are the editions whose files are kept: the active one, and while it is on
// probation the one before.
func (k *Kiosk) rooted(active string) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.trial != nil && k.trial.Previous != "" && k.trial.Previous != active {
		return []string{active, k.trial.Previous}
	}
	return []string{active}
}

// Report makes a problem known in the status; empty text takes it back.
func (k *Kiosk) Report(subject, text string) { k.problem(subject, text) }

// Reader opens what plan and search need of a folder, without its lock: the
// active edition and the files here. The caller closes the edition.
func Reader(ctx context.Context, dir string) (*Composer, *store.Edition, error) {
	state, err := store.OpenStateReadOnly(ctx, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("no content was taken in yet: %s has no state.db", dir)
	}
	if err != nil {
		return nil, nil, err
	}
	defer state.Close()
	id, err := state.Meta(ctx, "edition")
	if err != nil {
		return nil, nil, err
	}
	if id == "" {
		return nil, nil, fmt.Errorf("no content was taken in yet: %s has no edition", dir)
	}
	e, err := store.OpenEdition(ctx, dir, id)
	if err != nil {
		return nil, nil, err
	}
	cat, err := e.Programmed(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, e.Close())
	}
	return &Composer{Catalogue: cat, Edition: id, Files: media.OpenReadOnly(filepath.Join(dir, "media"))}, e, nil
}
