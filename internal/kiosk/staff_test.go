package kiosk

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"cotmoc/hub/feed"
	"cotmoc/internal/corner"
	"cotmoc/internal/phc"
	"cotmoc/player/link"
	"cotmoc/playlist"
)

func TestSetPIN(t *testing.T) {
	dir := t.TempDir()
	for _, bad := range []string{"", "12345", "24681", "1234567890123", "12345a", "111111", "123456", "987654", "２４６８１０"} {
		if err := SetPIN(dir, bad); !errors.Is(err, corner.ErrPIN) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := SetPIN(dir, "246813"); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, pinFile))
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		if err := SetPIN(dir, "246813"); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(filepath.Join(dir, pinFile)); err != nil || info.Sys().(*syscall.Stat_t).Uid != 12345 {
			t.Errorf("the kiosk cannot read what root wrote: %v %v", info, err)
		}
	}
	if info, err2 := os.Stat(filepath.Join(dir, pinFile)); errors.Join(err, err2) != nil || len(raw) < 60 || info.Mode().Perm() != 0o600 {
		t.Errorf("%q %v %v", raw, err, err2)
	}
}

// A PIN that the hub has set goes before the machine's own, which is good again when the
// hub takes it back.
func TestHubsPIN(t *testing.T) {
	d, _ := lockable(t, t.TempDir(), hall(nil))
	if err := SetPIN(d.dir, "246813"); err != nil {
		t.Fatal(err)
	}
	d.k.mu.Lock()
	d.k.assignment = &feed.Assignment{PIN: phc.Hash("135792")}
	d.k.mu.Unlock()
	if s := try(t, d, "246813"); s.Open || !s.Wrong {
		t.Errorf("the machine's own: %+v", s)
	}
	if s := try(t, d, "135792"); !s.Open {
		t.Errorf("the hub's: %+v", s)
	}
	d.k.staff.leave()
	d.k.mu.Lock()
	d.k.assignment = &feed.Assignment{}
	d.k.mu.Unlock()
	if s := try(t, d, "246813"); !s.Open {
		t.Errorf("the machine's own, again: %+v", s)
	}
}

// lockable is a kiosk whose uptime the test sets.
func lockable(t *testing.T, dir string, rows playlist.Rows) (*desk, *time.Duration) {
	t.Helper()
	d := newDesk(t, dir, rows)
	up := new(time.Duration)
	d.k.staff.since = func() time.Duration { return *up }
	return d, up
}

func try(t *testing.T, d *desk, pin string) corner.State {
	t.Helper()
	return d.k.staff.Do(t.Context(), corner.Order{Do: corner.Enter, PIN: pin})
}

// Nobody gets in without a PIN, nor with a wrong one; five wrong ones lock for 15 minutes
// of the machine's own time, the right one waits as well, and a clock that is set or a
// plug that is pulled shortens nothing.
func TestStaffIsLockedOut(t *testing.T) {
	dir := t.TempDir()
	d, up := lockable(t, dir, hall(nil))
	if s := try(t, d, ""); s.Set || s.Open {
		t.Errorf("without a PIN: %+v", s)
	}
	if err := SetPIN(dir, "246813"); err != nil {
		t.Fatal(err)
	}
	for n := range corner.Tries {
		for _, do := range []string{corner.Volume, corner.Clock, corner.Import, corner.Look} {
			if s := d.k.staff.Do(t.Context(), corner.Order{Do: do, Level: 3, Path: "/"}); s.Open || s.Page != nil {
				t.Fatalf("%s without a PIN: %+v", do, s)
			}
		}
		if s := try(t, d, "246814"); s.Open || !s.Wrong || s.Left != corner.Tries-n-1 {
			t.Errorf("try %d: %+v", n, s)
		}
	}
	d.set(d.clock().Add(time.Hour))
	if s := try(t, d, "246813"); s.Open || s.Wait != 15*60 {
		t.Errorf("while it is locked: %+v", s)
	}
	again := newStaffDesk(d.k) // as after a power cut
	again.restore(t.Context())
	if s := again.Do(t.Context(), corner.Order{Do: corner.Enter, PIN: "246813"}); s.Open || s.Wait < 14*60 {
		t.Errorf("after a restart: %+v", s)
	}
	*up = corner.LockFor
	if s := try(t, d, "999999"); s.Open || s.Left != corner.Tries-1 {
		t.Errorf("after the lock: %+v", s)
	}
	if s := try(t, d, "246813"); !s.Open || s.Page == nil || s.Left != corner.Tries {
		t.Errorf("the right one: %+v", s)
	}
	if s := d.k.staff.Do(t.Context(), corner.Order{Do: corner.Leave}); s.Open {
		t.Errorf("after leaving: %+v", s)
	}
}

// Staff see what plays and why, quieten the machine, confirm its clock and import from a
// stick; when the visit is wiped they are out.
func TestStaff(t *testing.T) {
	dir, media := t.TempDir(), t.TempDir()
	d := newDesk(t, dir, hall(func(r *playlist.Rows) {
		r.Displays[0].Role, r.Displays[0].Sound.Volume = playlist.RoleBoth, 80
		r.Schedules = append(r.Schedules, playlist.Schedule{ID: "weak", Owner: "g", Playlist: "def", Always: true, Priority: 1})
	}))
	d.k.cfg.Sticks = []string{media}
	stick := filepath.Join(media, "usb", "trust")
	if err := errors.Join(os.MkdirAll(stick, 0o755), os.WriteFile(filepath.Join(stick, "timestamp.json"), []byte("{}"), 0o644), SetPIN(dir, "246813")); err != nil {
		t.Fatal(err)
	}
	_, told := d.stage(1000001, 0)
	d.told(told, "a programme", plays("day"))
	library, in := d.connect(link.Message{Kind: link.Hello, Role: "touch", Display: "d", PID: 1000002})
	_, heard := d.connect(link.Message{Kind: link.Hello, Role: "sound", PID: 1000003})
	ask := func(o corner.Order) (s corner.State) {
		t.Helper()
		raw, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		d.says(library, link.Message{Kind: link.Staff, Body: raw})
		if err := json.Unmarshal(d.hears(in, link.Staff).Body, &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	p := ask(corner.Order{Do: corner.Enter, PIN: "246813"}).Page
	if p == nil || p.Now.Format("15:04") != "08:30" || !p.Trusted || p.Place != "Cửa khẩu" || p.Edition != "e1" || len(p.Sticks) != 1 || p.Volume != 100 || p.Heard != 80 {
		t.Fatalf("%+v", p)
	}
	var main corner.Layer
	for _, l := range p.Layers {
		if l.Layer == "main" {
			main = l
		}
	}
	if main.Winner != "s" || main.Playlist != "day" || main.Next == nil || len(main.Losers) != 1 || main.Losers[0].ID != "weak" || main.Losers[0].Rule != "priority" {
		t.Errorf("%+v", main)
	}
	if p := ask(corner.Order{Do: corner.Volume, Level: 50}).Page; p.Heard != 40 {
		t.Errorf("%+v", p)
	}
	for m := d.hears(heard, link.Gain); m.Level != 0.4; m = d.hears(heard, link.Gain) {
		t.Log("level", m.Level)
	}
	d.set(d.clock().AddDate(3, 0, 0))
	if p := ask(corner.Order{Do: corner.Look}).Page; p.Trusted || p.Why != "ahead" {
		t.Errorf("%+v", p)
	}
	if p := ask(corner.Order{Do: corner.Clock}).Page; !p.Trusted || p.Why != "confirmed" {
		t.Errorf("%+v", p)
	}
	if p := ask(corner.Order{Do: corner.Import, Path: dir}).Page; p.Taking != nil {
		t.Errorf("a folder that is no stick: %+v", p.Taking)
	}
	ask(corner.Order{Do: corner.Import, Path: p.Sticks[0]})
	until(t, "the import ends", func() bool {
		got := ask(corner.Order{Do: corner.Look}).Page.Taking
		return got != nil && got.Ended && got.Failed != ""
	})
	d.says(library, link.Message{Kind: link.Wiped})
	if s := ask(corner.Order{Do: corner.Look}); s.Open || s.Page != nil {
		t.Errorf("after the visit: %+v", s)
	}
	ask(corner.Order{Do: corner.Enter, PIN: "246813"})
	library, in = d.connect(link.Message{Kind: link.Hello, Role: "touch", Display: "d", PID: 1000004}) // while the old one is still there
	if s := ask(corner.Order{Do: corner.Look}); s.Open || s.Page != nil {
		t.Errorf("a library that was started again: %+v", s)
	}
	pin := filepath.Join(dir, pinFile)
	if err := errors.Join(os.Remove(pin), os.Mkdir(pin, 0o700)); err != nil { // whoever is root reads any file
		t.Fatal(err)
	}
	if s := ask(corner.Order{Do: corner.Look}); s.Set || !slices.ContainsFunc(d.k.Status().Problems, func(p string) bool { return strings.HasPrefix(p, "PIN: ") }) {
		t.Errorf("a PIN that cannot be read: %+v %v", s, d.k.Status().Problems)
	}
}
