package kiosk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"cotmoc/internal/atomicfile"
	"cotmoc/internal/corner"
	"cotmoc/internal/phc"
	"cotmoc/player/link"
	"cotmoc/playlist"
)

// pinFile holds the hash of the machine's PIN.
const pinFile = "staff.pin"

// Keys of what outlives a power cut.
const (
	metaTries  = "staff_tries"  // wrong PINs since the last right one or the last lock
	metaVolume = "staff_volume" // per cent of what the place sets
)

// SetPIN keeps the PIN that opens the staff's page of a machine. A running kiosk goes by
// it at once.
func SetPIN(dir, pin string) error {
	if err := corner.CheckPIN(pin); err != nil {
		return err
	}
	path := filepath.Join(dir, pinFile)
	if err := atomicfile.Write(path, []byte(phc.Hash(pin)), 0o600); err != nil {
		return err
	}
	return likeFolder(dir, path)
}

// likeFolder gives a file that root wrote to whoever owns the folder: the kiosk, which
// could not read it otherwise.
func likeFolder(dir, path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("keep the PIN: %w", err)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		err = os.Chown(path, int(owner.Uid), int(owner.Gid))
	}
	return err
}

// staffDesk lets staff in and does what they ask. Its time is the machine's uptime: a
// clock that is set does not shorten a lock.
type staffDesk struct {
	k     *Kiosk
	since func() time.Duration // monotonic

	mu     sync.Mutex
	open   bool
	wrong  int           // tries
	locked time.Duration // until then
	taking *corner.Taking
	volume atomic.Int64 // without the lock: whoever sets the sound's level may hold another
}

func newStaffDesk(k *Kiosk) *staffDesk {
	began := time.Now()
	d := &staffDesk{k: k, since: func() time.Duration { return time.Since(began) }}
	d.volume.Store(100)
	return d
}

// restore reads what was kept. Whoever pulled the plug during a lock waits anew.
func (d *staffDesk) restore(ctx context.Context) {
	tries, err := d.k.state.Meta(ctx, metaTries)
	volume, err2 := d.k.state.Meta(ctx, metaVolume)
	if err := errors.Join(err, err2); err != nil {
		d.k.problem("staff", err.Error())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wrong, _ = strconv.Atoi(tries) // none was kept: 0
	if d.wrong >= corner.Tries {
		d.locked = d.since() + corner.LockFor
	}
	if n, err := strconv.Atoi(volume); err == nil && n >= 0 && n <= 100 {
		d.volume.Store(int64(n))
	}
}

// leave ends the staff's presence.
func (d *staffDesk) leave() {
	d.mu.Lock()
	d.open = false
	d.mu.Unlock()
}

// part is the staff's part of the place's volume, 0 to 1.
func (d *staffDesk) part() float64 { return float64(d.volume.Load()) / 100 }

// answer does what staff ask, and says how the machine stands.
func (d *staffDesk) answer(ctx context.Context, c *link.Conn, raw []byte) {
	var o corner.Order
	if err := json.Unmarshal(raw, &o); err != nil {
		return
	}
	body, err := json.Marshal(d.Do(ctx, o))
	if err == nil {
		c.Post(link.Message{Kind: link.Staff, Body: body})
	}
}

// pin is the hash of the PIN: the hub's, else the machine's own; "" for none.
func (d *staffDesk) pin() string {
	d.k.mu.Lock()
	a := d.k.assignment
	d.k.mu.Unlock()
	if a != nil && a.PIN != "" {
		return a.PIN
	}
	hash, err := os.ReadFile(filepath.Join(d.k.cfg.Dir, pinFile))
	text := ""
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		text = err.Error()
	}
	d.k.problem("PIN", text)
	return string(hash)
}

// Do does what staff ask. Until the PIN was entered nothing but that is done.
func (d *staffDesk) Do(ctx context.Context, o corner.Order) corner.State {
	hash := d.pin()
	s := corner.State{Set: hash != ""}
	if o.Do == corner.Enter && s.Set {
		s.Wrong = !d.enter(ctx, hash, o.PIN)
	}
	d.mu.Lock()
	if o.Do == corner.Leave || !s.Set {
		d.open = false
	}
	s.Open, s.Left = d.open, max(0, corner.Tries-d.wrong)
	if left := d.locked - d.since(); left > 0 && !d.open {
		s.Wait, s.Left = int((left+time.Second-1)/time.Second), 0
	}
	d.mu.Unlock()
	if !s.Open {
		return s
	}
	switch o.Do {
	case corner.Volume:
		d.setVolume(ctx, o.Level)
	case corner.Clock:
		d.k.clock.Confirm()
		d.k.Nudge()
	case corner.Import:
		d.take(ctx, o.Path)
	}
	s.Page = d.page(ctx)
	return s
}

// enter checks a PIN. A try is kept before it is looked at: power that goes gives none
// back.
func (d *staffDesk) enter(ctx context.Context, hash, pin string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.since() < d.locked {
		return false
	}
	if d.wrong >= corner.Tries { // the lock is over
		d.wrong = 0
	}
	d.wrong++
	d.keep(ctx, metaTries, d.wrong)
	if len(pin) > corner.MaxPIN {
		pin = ""
	}
	ok, err := phc.Check(hash, pin)
	if err != nil {
		d.k.fault("staff", err.Error())
	}
	if ok {
		d.open, d.wrong = true, 0
		d.keep(ctx, metaTries, 0)
	} else if d.wrong >= corner.Tries {
		d.locked = d.since() + corner.LockFor
		d.k.fault("staff", "a wrong PIN was entered five times; the staff's page is locked for 15 minutes")
	}
	return ok
}

func (d *staffDesk) keep(ctx context.Context, key string, n int) {
	text := ""
	if err := d.k.state.SetMeta(ctx, key, strconv.Itoa(n)); err != nil {
		text = err.Error()
	}
	d.k.problem("staff", text)
}

func (d *staffDesk) setVolume(ctx context.Context, level int) {
	level = min(100, max(0, level))
	d.volume.Store(int64(level))
	d.keep(ctx, metaVolume, level)
	d.k.sound.louder()
}

// take imports from a stick, one at a time, and only from one that was named.
func (d *staffDesk) take(ctx context.Context, path string) {
	if !slices.Contains(d.sticks(), path) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.taking != nil && !d.taking.Ended {
		return
	}
	t := &corner.Taking{Path: path}
	d.taking = t
	d.k.conns.Go(func() {
		taken, err := d.k.Import(ctx, path, func(done, total int) {
			d.mu.Lock()
			t.Done, t.Total = done, total
			d.mu.Unlock()
		})
		d.mu.Lock()
		defer d.mu.Unlock()
		t.Ended, t.Edition = true, taken.Edition
		if err != nil {
			t.Failed = err.Error()
		}
	})
}

// published is what a folder of published files has.
const published = "trust/timestamp.json"

// maxSticks bounds how many are offered.
const maxSticks = 5

// sticks are the folders, at most two below where media are mounted, in which published
// files lie.
func (d *staffDesk) sticks() (out []string) {
	for _, root := range d.k.cfg.Sticks {
		for _, pattern := range []string{"*", "*/*"} {
			found, err := filepath.Glob(filepath.Join(root, pattern, published))
			if err != nil {
				continue
			}
			for _, f := range found {
				out = append(out, filepath.Dir(filepath.Dir(f)))
			}
		}
	}
	return out[:min(len(out), maxSticks)]
}

// page is how the machine stands.
func (d *staffDesk) page(ctx context.Context) *corner.Page {
	st := d.k.Status()
	missing, err := d.k.wanted(ctx)
	if err != nil {
		st.Problems = append(st.Problems, err.Error())
	}
	display, _ := d.k.touchDisplay()
	p := &corner.Page{Trusted: st.Clock.Trusted, Why: string(d.k.clock.State()), Device: st.Device, Edition: st.Edition,
		Files: st.Inventory.Files, Lacking: len(missing), Damaged: len(st.Inventory.Damaged), Sticks: d.sticks(), Problems: st.Problems}
	if s := st.Sync; s != nil {
		p.Hub, p.Online, p.HubAge, p.Synced, p.Failed, p.Outbox = s.Hub, s.Online, s.Age, s.Synced, s.Error, s.Outbox
	}
	d.k.mu.Lock()
	cat := d.k.catalogue()
	zone := cat.ZoneOf(display.Place)
	p.Place, _ = cat.Places[display.Place].Names.In(playlist.Vietnamese, nil)
	why := map[playlist.Layer]Decision{} // beside what plays anyway, for which losers are not sought
	for _, s := range st.Displays {
		for _, plan := range s.Plan {
			if s.ID == display.ID {
				why[plan.Layer] = d.k.composer.Decide(display, plan.Layer, Moment{At: st.Now, Trusted: st.Clock.Trusted}, true)
			}
		}
	}
	d.k.mu.Unlock()
	p.Now, p.Zone = st.Now.In(zone), zone.String()
	for _, s := range st.Displays {
		if s.ID == display.ID {
			p.Layers = layersOf(s, cat, why)
		}
	}
	for i := range st.Faults {
		p.Problems = append(p.Problems, st.Faults[len(st.Faults)-1-i].Text)
	}
	p.Problems = p.Problems[:min(len(p.Problems), maxProblems)]
	p.Heard = int(d.k.sound.heard()*100 + 0.5)
	d.mu.Lock()
	defer d.mu.Unlock()
	p.Volume = int(d.volume.Load())
	if d.taking != nil {
		t := *d.taking
		p.Taking = &t
	}
	return p
}

// maxProblems bounds what the page lists: kiosk status has them all.
const maxProblems = 8

func layersOf(s DisplayStatus, cat *playlist.Catalogue, why map[playlist.Layer]Decision) (out []corner.Layer) {
	for _, p := range s.Plan {
		l := corner.Layer{Layer: string(p.Layer), Winner: p.Winner, Playlist: string(p.Playlist), Next: p.Next}
		lost := p.Losers
		if w := why[p.Layer]; w.Winner == p.Winner {
			lost = w.Losers
		}
		for _, lost := range lost {
			l.Losers = append(l.Losers, corner.Loser{ID: string(lost.ID), Rule: string(lost.Rule), By: string(lost.By)})
		}
		for _, show := range s.Showing {
			if show.Layer == p.Layer {
				since := show.Start
				l.Shown, l.Since = titleOf(cat, show.Item, show.Language), &since
			}
		}
		out = append(out, l)
	}
	return out
}

func titleOf(cat *playlist.Catalogue, item playlist.ID, lang playlist.Language) string {
	for _, v := range cat.Versions[item] {
		if v.Language == lang && v.Title != "" {
			return v.Title
		}
	}
	return string(item)
}
