package server_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	hubclient "cotmoc/hub/client"
	"cotmoc/hub/local"
	"cotmoc/hub/server/central"
	"cotmoc/hub/trust"
	"cotmoc/playlist"
)

// restoredHub is a hub, and a machine that looks at it.
type restoredHub struct {
	*fleetHub
	dir   string
	id    local.Identity
	c     *hubclient.Client
	state trust.State
}

func hubToRestore(t *testing.T) *restoredHub {
	f := &restoredHub{fleetHub: startFleet(t, filepath.Join(t.TempDir(), "hub")), dir: t.TempDir()}
	id, c := f.enrol(f.dir)
	f.id, f.c = *id, c
	var err error
	f.state, err = trust.Begin(id.Root)
	f.must(err)
	f.look()
	return f
}

// look fetches what the hub has, and returns what the machine then accepts.
func (f *restoredHub) look() *trust.Edition {
	f.t.Helper()
	_, err := f.c.Look(f.t.Context(), local.Want{Trust: f.state, At: f.clk.now(), Scopes: []string{string(f.root()), string(langSon)}})
	f.must(err)
	f.state = trustOf(f.fleetHub, f.dir, f.state)
	e, err := f.state.Edition(nil)
	f.must(err)
	return e
}

func (f *restoredHub) put(owner playlist.ID, name string) {
	f.t.Helper()
	f.write(central.Playlists, playlist.ID("l-"+name), playlist.Playlist{ID: playlist.ID("l-" + name), Owner: owner, Names: playlist.Names{"vi": name}})
	_, err := f.Desk.Publish(f.t.Context(), console, []playlist.ID{owner}, true)
	f.must(err)
	f.must(f.Distribute(f.t.Context()))
}

func (f *restoredHub) notice(id playlist.ID) {
	f.t.Helper()
	f.write(central.Notices, id, playlist.Notice{ID: id, Owner: langSon, Severity: "extreme", Starts: f.clk.now(), Ends: f.clk.now().Add(time.Hour),
		Bodies: map[playlist.Language]playlist.Body{"vi": {Title: "Lũ", Text: "Lũ về"}}})
	f.must(f.Distribute(f.t.Context()))
}

func (f *restoredHub) write(kind central.Kind, id playlist.ID, row any) {
	f.t.Helper()
	raw, err := json.Marshal(row)
	f.must(err)
	_, err = f.Desk.Put(f.t.Context(), console, kind, id, 0, raw)
	f.must(err)
}

// again starts the hub in a folder, and lets the machine find it.
func (f *restoredHub) again(dir string) {
	f.t.Helper()
	old := f.clk
	f.fleetHub = startFleet(f.t, dir)
	f.clk.add(old.now().Sub(f.clk.now()))
	f.id.Hub = f.door
	var err error
	f.c, err = hubclient.New(f.dir, &f.id)
	f.must(err)
	f.c.Believe(f.clk.now())
}

// A hub that comes back from yesterday's backup: machines take the notices of its officers
// and the editions of each office, whatever other offices published after the backup, and
// keep what those had published until they publish again.
func TestRestoredHub(t *testing.T) {
	f := hubToRestore(t)
	backup := filepath.Join(t.TempDir(), "backup")
	_, err := f.Backup(t.Context(), backup, nil)
	f.must(err)
	f.put(f.root(), "lost-1")
	f.put(langSon, "lost-2")
	f.notice("lost")
	lost := f.look()
	f.stop()
	restored := filepath.Join(t.TempDir(), "restored")
	if _, err := restore(t.Context(), backup, restored); err != nil {
		t.Fatal(err)
	}
	f.again(restored)
	f.notice("flood")
	e := f.look()
	if e.Number <= lost.Number || e.Emergency == nil || e.Emergency.Number <= lost.Emergency.Number {
		t.Errorf("the notice did not come: %+v, before the restore %+v", e.Emergency, lost.Emergency)
	}
	if e.Heads[string(f.root())] != lost.Heads[string(f.root())] || e.Heads[string(langSon)] != lost.Heads[string(langSon)] {
		t.Errorf("what was accepted is gone: %+v, before %+v", e.Heads, lost.Heads)
	}
	f.put(langSon, "after")
	e = f.look()
	if e.Heads[string(langSon)].Number <= lost.Heads[string(langSon)].Number || e.Heads[string(f.root())] != lost.Heads[string(f.root())] {
		t.Errorf("after Lạng Sơn published: %+v, before %+v", e.Heads, lost.Heads)
	}
	f.put(f.root(), "last")
	if e = f.look(); e.Heads[string(f.root())].Number <= lost.Heads[string(f.root())].Number {
		t.Errorf("after the ministry published: %+v, before %+v", e.Heads, lost.Heads)
	}
	f.must(f.stream(f.c, "boot-9")) // its certificate is still believed
}

// A database that is put back from a copy, under what the hub has published since: no
// number comes twice, the roots that were signed since are taken, and it says so once.
func TestOlderDatabase(t *testing.T) {
	f := hubToRestore(t)
	f.put(langSon, "first")
	dir := f.Dir
	f.stop()
	copyTo := filepath.Join(t.TempDir(), "hub.db")
	copyDatabase(t, filepath.Join(dir, "hub.db"), copyTo)
	f.again(dir)
	f.put(f.root(), "lost-1")
	f.put(langSon, "lost-2")
	f.notice("lost")
	_, err := f.StartTrust(t.Context(), console, nil)
	f.must(err)
	f.must(f.Distribute(t.Context()))
	lost := f.look()
	if lost.Root != 2 {
		t.Fatalf("root %d", lost.Root)
	}
	f.stop()
	copyDatabase(t, copyTo, filepath.Join(dir, "hub.db"))
	f.again(dir)
	f.notice("flood")
	f.put(langSon, "after")
	e := f.look()
	if e.Number <= lost.Number || e.Root != 2 || e.Emergency.Number <= lost.Emergency.Number || e.Heads[string(langSon)].Number <= lost.Heads[string(langSon)].Number {
		t.Errorf("%+v, before %+v", e, lost)
	}
	_, err = f.StartTrust(t.Context(), console, nil)
	f.must(err)
	f.must(f.Distribute(t.Context()))
	if e := f.look(); e.Root != 3 {
		t.Errorf("root %d", e.Root)
	}
	for range 2 { // a start finds nothing more
		f.stop()
		f.again(dir)
	}
	rows, _, err := f.Desk.AuditPage(t.Context(), console, 0, 500)
	f.must(err)
	acts := 0
	for _, row := range rows {
		if strings.Contains(string(row), "overtake what was published") {
			acts++
		}
	}
	if acts != 1 {
		t.Errorf("overtaken %d times", acts)
	}
}

// copyDatabase copies a database that no process has open.
func copyDatabase(t *testing.T, from, to string) {
	t.Helper()
	for _, end := range []string{"", "-wal", "-shm"} {
		raw, err := os.ReadFile(from + end)
		if errors.Is(err, fs.ErrNotExist) {
			_ = os.Remove(to + end)
			continue
		}
		if err == nil {
			err = os.WriteFile(to+end, raw, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
