package main

import (
	"context"
	"encoding/json"
	"fmt"
	"image/color"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cotmoc/internal/kiosk"
	"cotmoc/internal/screentest"
	"cotmoc/player/link"
	"cotmoc/playlist"
)

// line is a machine's line to the hub, which a test cuts and mends.
type line struct {
	at   string
	cut  atomic.Bool
	mu   sync.Mutex
	open map[net.Conn]bool
}

func newLine(t *testing.T, to string) *line {
	t.Helper()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{at: listen.Addr().String(), open: map[net.Conn]bool{}}
	t.Cleanup(func() { _ = listen.Close(); l.drop() })
	go func() {
		for {
			near, err := listen.Accept()
			if err != nil {
				return
			}
			go l.carry(near, to)
		}
	}()
	return l
}

func (l *line) carry(near net.Conn, to string) {
	far, err := net.Dial("tcp", to)
	if err != nil || l.cut.Load() {
		_ = near.Close()
		if far != nil {
			_ = far.Close()
		}
		return
	}
	l.mu.Lock()
	l.open[near], l.open[far] = true, true
	l.mu.Unlock()
	var both sync.WaitGroup
	for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			_, _ = io.Copy(pair[0], pair[1])
			_ = pair[0].Close()
		})
	}
	both.Wait()
	l.mu.Lock()
	delete(l.open, near)
	delete(l.open, far)
	l.mu.Unlock()
}

func (l *line) drop() {
	l.cut.Store(true)
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		_ = c.Close()
	}
}

func (l *line) mend() { l.cut.Store(false) }

// realWeek is a hub, its offices and their machines, all of them the real programs.
type realWeek struct {
	*demoHub
	tokens   map[playlist.ID]string // of each office's duty officer
	machines map[string]*machine
	under    map[string]playlist.ID // the province of each
	away     map[string]bool        // machines without a link
	n        int
	over     map[string]bool // notices that were cancelled
	slowest  time.Duration
}

func newRealWeek(t *testing.T) *realWeek {
	w := &realWeek{demoHub: newDemoHubOf(t, weekContent(t)), tokens: map[playlist.ID]string{}, machines: map[string]*machine{}, under: map[string]playlist.ID{}, away: map[string]bool{}, over: map[string]bool{}}
	w.serves()
	for _, office := range []playlist.ID{"bvhttdl", "p-lang-son", "p-lao-cai"} {
		w.add(fmt.Sprint("truc-ban-", office), office, "emergency officer")
		w.add(fmt.Sprint("cong-bo-", office), office, "publisher")
	}
	return w
}

// weekContent is a bulletin on a small screen at one gate.
func weekContent(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	raw, err := json.Marshal(playlist.Rows{Format: playlist.Format,
		Places: []playlist.Place{{ID: "bvhttdl", Kind: playlist.Ministry, Names: playlist.Names{"vi": "Bộ"}, Languages: []playlist.Language{"vi", "en"}},
			{ID: "p-lang-son", Parent: "bvhttdl", Kind: playlist.Province, Names: playlist.Names{"vi": "Lạng Sơn"}},
			{ID: "G007", Parent: "p-lang-son", Kind: playlist.Gate, Names: playlist.Names{"vi": "Hữu Nghị"}}},
		Displays:  []playlist.Display{{ID: "man-1", Place: "G007", Width: 320, Height: 180}},
		Items:     []playlist.Item{{ID: "gio", Owner: "bvhttdl", Kind: playlist.Bulletin, Source: "thử"}},
		Versions:  []playlist.Version{{Item: "gio", Language: "vi", Title: "Giờ mở cửa", Text: "Mỗi ngày từ 7 giờ đến 19 giờ."}},
		Playlists: []playlist.Playlist{{ID: "chung", Owner: "bvhttdl", Entries: []playlist.Entry{{Item: "gio"}}}},
		Schedules: []playlist.Schedule{{ID: "luon-luon", Owner: "bvhttdl", Playlist: "chung", Layer: playlist.Main, Always: true}}})
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "content.json"), raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// add makes an account, and signs its duty officers in.
func (w *realWeek) add(login string, place playlist.ID, role string) {
	w.t.Helper()
	const password = "bốn con voi đi bộ qua cầu"
	cmd := exec.Command(filepath.Join(w.bin, "hub"), "user", "add", login, "--place", string(place), "--role", role, "--data", w.data)
	cmd.Stdin = strings.NewReader(password + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("%v: %s", err, out)
	}
	if role != "emergency officer" {
		return
	}
	w.token = ""
	var session struct{ Token string }
	w.ask(http.MethodPost, "/session", "", map[string]string{"login": login, "password": password}, &session)
	w.tokens[place] = session.Token
}

// serves waits until the hub answers.
func (w *realWeek) serves() {
	w.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for tick := time.NewTicker(50 * time.Millisecond); ; <-tick.C {
		if resp, err := http.Get("http://" + w.http + "/healthz"); err == nil {
			_ = resp.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatal("the hub does not serve")
		}
	}
}

// man enrols a machine at a place over an address, and starts it. off is how far its clock
// is wrong.
func (w *realWeek) man(name string, province, place playlist.ID, door string, off time.Duration) {
	w.t.Helper()
	m := newMachineOf(w.t, 320, 180)
	w.enrolThrough(m.data, place, door)
	if off != 0 { // the program in this test, which knows another time
		m.bin = w.t.TempDir()
		own, err := os.Executable()
		if err != nil {
			w.t.Fatal(err)
		}
		for name, from := range map[string]string{"kiosk": own, "stage": filepath.Join(w.bin, "stage"), "sound": filepath.Join(w.bin, "sound"), "touch": filepath.Join(w.bin, "touch")} {
			if err := copyProgram(from, filepath.Join(m.bin, name)); err != nil {
				w.t.Fatal(err)
			}
		}
		w.t.Setenv("KIOSK_TEST_PROGRAM", "1")
		w.t.Setenv("KIOSK_TEST_CLOCK", off.String())
	}
	m.start("")
	w.t.Setenv("KIOSK_TEST_CLOCK", "")
	w.machines[name], w.under[name] = m, province
	m.until(name+" runs and has heard the hub", func() bool { st := m.status(); return st != nil && st.Sync.Online })
}

func copyProgram(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	raw, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, raw, 0o755)
}

// showsNotice says whether a machine's stage has said that a notice is on it.
func (m *machine) showsNotice(id playlist.ID) bool {
	st := m.status()
	return st != nil && slices.ContainsFunc(st.Displays, func(d kiosk.DisplayStatus) bool {
		return slices.ContainsFunc(d.Showing, func(s *link.Showing) bool { return s.Schedule == playlist.NoticePrefix+id })
	})
}

// winners is what plays on a machine's displays.
func (m *machine) winners() (out []string) {
	st := m.status()
	if st == nil {
		return nil
	}
	for _, d := range st.Displays {
		for _, p := range d.Plan {
			out = append(out, p.Winner)
		}
	}
	return out
}

// alert gives a notice, which must be shown by every machine that has a link.
func (w *realWeek) alert(office playlist.ID, lasts time.Duration, cancels ...playlist.ID) playlist.ID {
	w.t.Helper()
	w.n++
	id := playlist.ID(fmt.Sprint("tin-", w.n))
	now := time.Now()
	w.token = w.tokens[office]
	w.ask(http.MethodPost, "/notices", "", playlist.Notice{ID: id, Owner: office, Severity: playlist.Extreme, Starts: now.Add(-time.Second), Ends: now.Add(lasts), Cancels: cancels,
		Bodies: map[playlist.Language]playlist.Body{"vi": {Title: "Lũ", Text: "Lũ về " + string(id)}}}, nil)
	w.reaches(office, id)
	for _, gone := range cancels {
		w.over["notice:"+string(gone)] = true
	}
	w.slowest = max(w.slowest, time.Since(now))
	return id
}

// reaches waits until a notice of an office is on every machine of its that has a link;
// nothing that is over may be seen on the way.
func (w *realWeek) reaches(office, id playlist.ID) {
	w.t.Helper()
	for name, m := range w.machines {
		if w.away[name] || office != "bvhttdl" && office != w.under[name] {
			continue
		}
		m.until(fmt.Sprintf("%s shows %s", name, id), func() bool {
			w.nothingReturns(name, m.winners())
			return m.showsNotice(id)
		})
	}
}

func (w *realWeek) nothingReturns(name string, now []string) {
	for _, winner := range now {
		if w.over[winner] {
			w.t.Errorf("%s shows %s, which was cancelled", name, winner)
		}
	}
}

// quiet waits until no machine shows a notice, and looks that none comes back.
func (w *realWeek) quiet() {
	w.t.Helper()
	for name, m := range w.machines {
		if w.away[name] {
			continue
		}
		m.until(name+" shows no notice", func() bool {
			now := m.winners()
			w.nothingReturns(name, now)
			return len(now) > 0 && !slices.ContainsFunc(now, func(s string) bool { return strings.HasPrefix(s, playlist.NoticePrefix) })
		})
	}
}

// proved waits until the hub knows of every machine when it showed a notice.
func (w *realWeek) proved(id playlist.ID) {
	w.t.Helper()
	w.token = w.tokens["bvhttdl"]
	began := time.Now()
	for tick := time.NewTicker(200 * time.Millisecond); ; <-tick.C {
		var shown []struct {
			Device  string
			Seconds float64
		}
		w.ask(http.MethodGet, "/notices/"+string(id)+"/shown", "", nil, &shown)
		of := map[string]bool{}
		for _, s := range shown {
			of[s.Device] = s.Seconds > 0
		}
		if len(of) == len(w.machines) {
			return
		}
		if time.Since(began) > time.Minute {
			w.t.Fatalf("the hub knows of %d machines of %d that they showed %s", len(of), len(w.machines), id)
		}
	}
}

// linkDrops cuts a machine's line, lets offices give and cancel notices meanwhile, and mends
// it: the machine shows what counts now, and nothing that is over.
func (w *realWeek) linkDrops(l *line) {
	w.t.Helper()
	const name = "one whose link drops"
	gone := w.alert("bvhttdl", time.Hour) // it shows this one
	l.drop()
	w.away[name] = true
	now := w.alert("bvhttdl", time.Hour, gone)
	delete(w.over, "notice:"+string(gone)) // this one cannot know before it hears of it
	l.mend()
	w.away[name] = false
	w.reaches("bvhttdl", now)
	w.over["notice:"+string(gone)] = true
	w.alert("bvhttdl", 6*time.Second, now)
	w.quiet()
}

// restored puts a hub that was restored from a backup in the place of the one that runs.
func (w *realWeek) restored(backup string) {
	w.t.Helper()
	w.stop()
	data := filepath.Join(w.t.TempDir(), "restored")
	w.do("restore", backup, "--data", data)
	w.data = data
	w.serve()
	w.serves()
	w.under["one three hours ahead"] = "p-lang-son" // the move was made after the backup
	for name, m := range w.machines {
		m.until(name+" has heard the restored hub", func() bool { st := m.status(); return st != nil && st.Sync.Online && st.Sync.Stream })
	}
}

// crowd is 300 people who each send half a request and wait.
func (w *realWeek) crowd(said string) (end func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	var all sync.WaitGroup
	for range 300 {
		all.Go(func() {
			c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", w.http)
			if err != nil {
				return
			}
			defer c.Close()
			_, _ = io.WriteString(c, said)
			<-ctx.Done()
		})
	}
	return func() { cancel(); all.Wait() }
}

// The week of three offices with the real programs, a day in some seconds: a machine that
// comes late, one that moves with its place, one whose link drops, one whose clock is three
// hours ahead; slow strangers by the hundred; a hub restored from the first day's backup.
// Each day every office publishes alone, a notice reaches every machine that has a link,
// and none returns after its end.
func TestWeekWithRealPrograms(t *testing.T) {
	w := newRealWeek(t)
	drops := newLine(t, w.door)
	w.man("one at its gate", "p-lang-son", "G007", w.door, 0)
	w.man("one whose link drops", "p-lang-son", "G008", drops.at, 0)
	w.man("one three hours ahead", "p-lang-son", "G010", w.door, 3*time.Hour)
	gate, red := w.machines["one at its gate"], color.RGBA{0xB4, 0x1F, 0x24, 0xFF}
	backup := filepath.Join(t.TempDir(), "backup")
	days := []struct {
		name, attack string
		do           func()
	}{
		{"a common day", "", func() {}},
		{"slow bodies, and a machine that comes late", "POST /api/v1/session HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
			func() {
				w.man("one that comes late", "p-lao-cai", "G024", w.door, 0)
				w.do("backup", backup, "--data", w.data)
			}},
		{"slow forms, and a link that drops", "POST /sign-in HTTP/1.1\r\nHost: hub\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nl",
			func() { w.linkDrops(drops) }},
		{"slow headers, and a gate that moves", "GET /review HTTP/1.1\r\nHost: hub\r\n",
			func() {
				w.do("place", "move", "G010", "--to", "p-lao-cai", "--yes", "--data", w.data)
				w.under["one three hours ahead"] = "p-lao-cai"
				w.alert("p-lao-cai", 6*time.Second)
			}},
		{"a hub that is restored", "", func() { w.restored(backup) }},
		{"a quiet end", "", func() {}},
	}
	for _, day := range days {
		t.Run(day.name, func(t *testing.T) {
			if day.attack != "" {
				defer w.crowd(day.attack)()
			}
			day.do()
			for office := range w.tokens {
				w.do("publish", "--scope", string(office), "--as", "cong-bo-"+string(office), "--data", w.data)
			}
			first := w.alert("bvhttdl", time.Hour)
			gate.until("the notice is seen", func() bool { return screentest.Near(gate.pixelAt(4, 175), red, 12) })
			second := w.alert("p-lang-son", time.Hour)
			w.alert("bvhttdl", 6*time.Second, first, second)
			w.quiet()
			w.proved(first)
			gate.until("the notice has left the screen", func() bool { return !screentest.Near(gate.pixelAt(4, 175), red, 12) })
		})
	}
	t.Logf("%d notices; the slowest was on all screens in %v", w.n, w.slowest.Round(time.Millisecond))
	m := w.machines["one three hours ahead"]
	if st := m.status(); st == nil || st.Clock.Trusted || st.Clock.Doubt == nil {
		t.Errorf("the machine whose clock is wrong says of it: %+v", st)
	}
}
