package touch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"

	"cotmoc/internal/corner"
	"cotmoc/internal/golden"
	"cotmoc/playlist/resolve"
)

func TestSign(t *testing.T) {
	size := fyne.NewSize(1280, 720)
	place := map[rune]fyne.Position{'l': {X: 10, Y: 10}, 'r': {X: 1270, Y: 5}, 'm': {X: 640, Y: 10}, 'b': {X: 10, Y: 700}}
	for _, c := range []struct {
		touches string
		every   time.Duration
		want    bool
	}{
		{"lrlrl", time.Second, true}, {"lrlrl", 2 * time.Second, false}, {"lllll", time.Second, false}, {"rlrlr", time.Second, false},
		{"lrlml", time.Second, false}, {"lrlrb", time.Second, false}, {"rlrlrl", time.Second, true}, {"llrlrl", time.Second, true}, {"lrlr", time.Second, false},
	} {
		var s sign
		got, now := false, noon
		for _, r := range c.touches {
			got = s.touched(place[r], size, 56, now)
			now = now.Add(c.every)
		}
		if got != c.want {
			t.Errorf("%s every %v: %v", c.touches, c.every, got)
		}
	}
}

// finger touches a place, whatever lies there.
func (d *desk) finger(at fyne.Position) {
	e := &desktop.MouseEvent{}
	e.AbsolutePosition = at
	d.glass.MouseDown(e)
	d.glass.MouseUp(e)
}

// reach scrolls to a tile of the page and touches it.
func (d *desk) reach(words string) {
	d.t.Helper()
	d.pane.to(0)
	driver := fyne.CurrentApp().Driver()
	if t := d.tiles()[words]; t != nil {
		d.pane.to(driver.AbsolutePositionForObject(t).Y - d.size.Height/2)
	}
	d.tap(words)
}

// standing is how a machine might stand.
func standing() *corner.Page {
	at := noon.In(time.FixedZone("Asia/Ho_Chi_Minh", 7*3600))
	next, since := at.Add(40*time.Minute), at.Add(-time.Minute)
	return &corner.Page{Now: at, Zone: "Asia/Ho_Chi_Minh", Why: "ahead", Device: "k-104", Place: "Hữu Nghị", Edition: "0123456789abcdef", Hub: "https://hub.example.vn",
		Synced: at.Add(-50 * time.Hour), Failed: "connection refused", Outbox: 1204, Files: 412, Lacking: 3, Damaged: 1,
		Layers: []corner.Layer{{Layer: "main", Winner: "sang", Playlist: "tin-sang", Shown: "Tuyên ngôn Quốc tế về Nhân quyền", Since: &since, Next: &next,
			Losers: []corner.Loser{{ID: "ca-ngay", Rule: "priority"}, {ID: "tet", Rule: "not now"}}}, {Layer: "ticker", Winner: "default"}},
		Volume: 70, Heard: 42, Sticks: []string{"/media/USB"}, Problems: []string{"positions: disk full"}}
}

// Staff come in by the corners and the PIN, and out by leaving, by idling, and by a wipe.
func TestStaff(t *testing.T) {
	d := start(t, 1280, 720)
	for i := range signTouches {
		d.finger(fyne.NewPos([]float32{8, 1272}[i%2], 4))
	}
	if d.staff == nil || len(d.host.orders) != 1 || d.host.orders[0].Do != corner.Look {
		t.Fatalf("%+v %+v", d.staff, d.host.orders)
	}
	d.Told(corner.State{Set: true, Left: 5})
	for _, k := range "246813" {
		d.tap(string(k))
	}
	d.tap("Vào")
	if last := d.host.orders[len(d.host.orders)-1]; last.Do != corner.Enter || last.PIN != "246813" {
		t.Errorf("%+v", last)
	}
	d.Told(corner.State{Set: true, Left: 4, Wrong: true})
	if d.staff.pin != "" || !d.says("Mã PIN sai. Còn 4 lần thử.") {
		t.Errorf("%q", d.staff.pin)
	}
	d.Told(corner.State{Set: true, Open: true, Left: 5, Page: standing()})
	d.reach("To hơn")
	if last := d.host.orders[len(d.host.orders)-1]; last.Do != corner.Volume || last.Level != 80 {
		t.Errorf("%+v", last)
	}
	d.reach("Nhập từ USB")
	if last := d.host.orders[len(d.host.orders)-1]; last.Do != corner.Import || last.Path != "/media/USB" {
		t.Errorf("%+v", last)
	}
	d.reach("Giờ trên màn hình này là đúng")
	if last := d.host.orders[len(d.host.orders)-1]; last.Do != corner.Clock {
		t.Errorf("%+v", last)
	}
	d.reach("Thử màn hình và cảm ứng")
	d.finger(fyne.NewPos(100, 600))
	if len(d.staff.marks) != 1 || d.staff.marks[0] != fyne.NewPos(100, 600) {
		t.Errorf("%v", d.staff.marks)
	}
	d.tap("Kết thúc thử")
	page, at := d.pane, &desktop.MouseEvent{}
	at.AbsolutePosition = fyne.NewPos(300, 500)
	d.glass.MouseDown(at)
	d.Told(corner.State{Set: true, Open: true, Page: standing()})
	if d.pane != page {
		t.Error("an answer takes the page from under the finger")
	}
	d.glass.MouseUp(at)
	before := len(d.host.orders)
	d.now = d.now.Add(lookEvery)
	d.Tick()
	if len(d.host.orders) != before+1 {
		t.Error("the page is not kept up to date")
	}
	d.tap("Thoát")
	if last := d.host.orders[len(d.host.orders)-1]; last.Do != corner.Leave || d.staff != nil || d.visit.here().kind != homePage {
		t.Errorf("%+v %+v", last, d.visit)
	}
	d.StaffIn()
	d.Told(corner.State{Set: true, Open: true, Page: standing()})
	d.now = d.now.Add(staffIdle)
	if d.Tick(); d.staff != nil || d.host.idle != 1 {
		t.Error("the staff's page stays when nobody is there")
	}
	d.Told(corner.State{Set: true, Open: true, Page: standing()})
	if d.staff != nil || d.active {
		t.Error("a late answer opens the page again")
	}
}

// No state of the machine is without words, and no word without its translation.
func TestStaffWords(t *testing.T) {
	need := []string{"clock_synced", "clock_confirmed", "clock_plausible", "clock_behind", "clock_ahead", "layer_main", "layer_side", "layer_ticker", "layer_audio"}
	for _, r := range []resolve.Rule{resolve.RuleNotice, resolve.RuleClock, resolve.RuleNotNow, resolve.RuleUnplayable, resolve.RulePriority, resolve.RuleOneOff, resolve.RuleLater, resolve.RuleID} {
		need = append(need, "rule_"+string(r))
	}
	for _, k := range need {
		if staffWords[k][0] == "" {
			t.Errorf("no words for %s", k)
		}
	}
	var code strings.Builder
	for _, f := range []string{"staff.go", "machine.go"} {
		raw, err := os.ReadFile(filepath.Clean(f))
		if err != nil {
			t.Fatal(err)
		}
		code.Write(raw)
	}
	for k, w := range staffWords {
		if w[0] == "" || w[1] == "" {
			t.Errorf("%s: %q", k, w)
		}
		if strings.Count(w[0], "{") != strings.Count(w[1], "{") {
			t.Errorf("%s: the languages take other values: %q", k, w)
		}
		prefix, _, _ := strings.Cut(k, "_")
		if !strings.Contains(code.String(), `"`+k+`"`) && !strings.Contains(strings.ReplaceAll(code.String(), " ", ""), `"`+prefix+`_"+`) {
			t.Errorf("%s is never asked for", k)
		}
	}
}

func TestGoldenStaff(t *testing.T) {
	taking := standing()
	taking.Taking, taking.Trusted, taking.Why = &corner.Taking{Path: "/media/USB", Done: 12, Total: 400}, true, "synced"
	taking.Online, taking.Failed, taking.Problems = true, "", nil
	for _, size := range []fyne.Size{{Width: 1280, Height: 720}, {Width: 720, Height: 1280}} {
		d := start(t, size.Width, size.Height)
		for name, s := range map[string]corner.State{"pin": {Set: true, Left: 5}, "wrong": {Set: true, Left: 2, Wrong: true}, "locked": {Set: true, Wait: 700}, "none": {},
			"page": {Set: true, Open: true, Page: standing()}, "taking": {Set: true, Open: true, Page: taking}, "test": {Set: true, Open: true, Page: standing()}} {
			for _, lang := range []string{"vi", "en"} {
				d.StaffIn()
				d.staff.lang, d.staff.test = lang, name == "test"
				d.Told(s)
				if name == "test" {
					d.mark(fyne.NewPos(200, 150))
				}
				if name == "pin" {
					d.staff.pin = "24"
					d.build()
				}
				golden.Check(t, fmt.Sprintf("staff-%s-%s-%.0f", name, lang, size.Width), d.picture())
				if name == "page" || name == "taking" {
					d.pane.to(d.pane.span())
					golden.Check(t, fmt.Sprintf("staff-%s-end-%s-%.0f", name, lang, size.Width), d.picture())
					d.pane.to(0)
				}
				d.staffOut()
			}
		}
	}
}
