package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	hubclient "cotmoc/hub/client"
	"cotmoc/hub/feed"
	"cotmoc/hub/server/central"
	"cotmoc/hub/server/rights"
	"cotmoc/hub/server/seed"
	"cotmoc/playlist"
)

// browser starts Chromium, which complains of anything into the test.
func browser(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("there is no chromium: build/test installs it")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.UserDataDir(t.TempDir()))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	chromedp.ListenTarget(ctx, func(ev any) {
		switch e := ev.(type) {
		case *runtime.EventExceptionThrown:
			t.Errorf("a page threw: %s", e.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			t.Errorf("a page complained: %s %v", e.Type, e.Args)
		}
	})
	return ctx
}

func act(t *testing.T, ctx context.Context, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// keys presses keys one after another, as somebody without a mouse does.
func keys(text string) chromedp.Action { return chromedp.KeyEvent(text) }

func text(t *testing.T, ctx context.Context) string {
	t.Helper()
	var s string
	act(t, ctx, chromedp.Text("body", &s, chromedp.ByQuery))
	return s
}

func saw(t *testing.T, ctx context.Context, what ...string) {
	t.Helper()
	page := text(t, ctx)
	for _, w := range what {
		if !strings.Contains(page, w) {
			t.Errorf("the page does not say %q:\n%s", w, page)
		}
	}
}

// shot keeps a picture where COTMOC_SHOTS asks for it.
func shot(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	dir := os.Getenv("COTMOC_SHOTS")
	if dir == "" {
		return
	}
	var raw []byte
	act(t, ctx, chromedp.FullScreenshot(&raw, 100))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), raw, 0o644); err != nil {
		t.Fatal(err)
	}
}

// sound checks what a screen reader and a narrow screen need.
func sound(t *testing.T, ctx context.Context, lang string) {
	t.Helper()
	// The driver's own types are older than the browser: only what is needed is read.
	var tree struct {
		Nodes []struct {
			Ignored bool `json:"ignored"`
			Role    struct {
				Value string `json:"value"`
			} `json:"role"`
			Name struct {
				Value string `json:"value"`
			} `json:"name"`
		} `json:"nodes"`
	}
	var have string
	var wide int
	act(t, ctx, chromedp.ActionFunc(func(ctx context.Context) error {
		return cdp.Execute(ctx, accessibility.CommandGetFullAXTree, nil, &tree)
	}),
		chromedp.Evaluate("document.documentElement.lang", &have),
		emulation.SetDeviceMetricsOverride(320, 900, 1, true),
		chromedp.Evaluate("document.documentElement.scrollWidth", &wide),
		emulation.SetDeviceMetricsOverride(1100, 800, 1, false))
	if have != lang {
		t.Errorf("the page says that it is in %q", have)
	}
	if wide > 320 {
		t.Errorf("the page is %d wide on a screen of 320", wide)
	}
	roles := map[string]int{}
	for _, n := range tree.Nodes {
		if n.Ignored {
			continue
		}
		roles[n.Role.Value]++
		switch n.Role.Value {
		case "textbox", "button", "link", "combobox", "image", "heading", "navigation":
			if strings.TrimSpace(n.Name.Value) == "" {
				t.Errorf("a %s has no name for a screen reader", n.Role.Value)
			}
		}
	}
	if roles["main"] != 1 || roles["heading"] < 1 || roles["banner"] != 1 {
		t.Errorf("landmarks: %v", roles)
	}
}

// A new person signs in for the first time with the keyboard alone, and replaces the
// password that the administrator gave.
func TestFirstPasswordPage(t *testing.T) {
	r := start(t, filepath.Join(t.TempDir(), "hub"), nil)
	r.person("quan-tri", langSon, rights.Administrator).do("POST", "/accounts", map[string]any{"login": "nguoi-moi", "name": "Lò Thị Mai", "place": langSon, "password": "phát cho người mới"}).want(201)
	ctx := browser(t)
	for n, lang := range []string{"vi", "en"} {
		act(t, ctx, runtime.Enable(), emulation.SetDeviceMetricsOverride(1100, 800, 1, false), chromedp.Navigate(r.url+"/sign-in?lang="+lang), chromedp.WaitVisible("#login"),
			keys("nguoi-moi"+kb.Tab+"phát cho người mới"+kb.Enter), chromedp.WaitVisible("#new"))
		saw(t, ctx, []string{"Mật khẩu này do người khác cấp", "This password was given to you"}[n])
		sound(t, ctx, lang)
		shot(t, ctx, "hub-first-password-"+lang)
	}
	act(t, ctx, keys("phát cho người mới"+kb.Tab+"1234567890"+kb.Enter), chromedp.WaitVisible("//*[@role='alert'][contains(., 'Not valid')]"))
	act(t, ctx, keys("phát cho người mới"+kb.Tab+"thác bản giốc 41"+kb.Enter), chromedp.WaitVisible("header form button"))
	saw(t, ctx, "To review")
	if _, err := r.Desk.SignIn(t.Context(), "nguoi-moi", "phát cho người mới", "", "10.0.0.9"); err == nil {
		t.Error("the password that was given still opens the account")
	}
}

// A reviewer signs in, reads, approves and sends back, with the keyboard alone.
func TestPagesByKeyboard(t *testing.T) {
	r := start(t, filepath.Join(t.TempDir(), "hub"), nil)
	author := r.person("tac-gia", langSon, rights.Author)
	r.person("nguoi-duyet", langSon, rights.Reviewer, rights.Publisher)
	first := author.bulletin("tin-1", langSon, "vi", "Cửa khẩu Hữu Nghị mở cửa từ 7 giờ", "Từ ngày 1/12 cửa khẩu mở cửa từ 7 giờ đến 22 giờ.")
	lao := author.bulletin("tin-2", langSon, "lo", "ດ່ານຊາຍແດນເປີດເວລາ 7 ໂມງ", "ຜູ້ເດີນທາງຕ້ອງມີໜັງສືຜ່ານແດນທີ່ຍັງບໍ່ໝົດອາຍຸ. <script>alert(1)</script>")
	ctx := browser(t)

	act(t, ctx, runtime.Enable(), emulation.SetDeviceMetricsOverride(1100, 800, 1, false), chromedp.Navigate(r.url+"/?lang=vi"), chromedp.WaitVisible("#login"))
	act(t, ctx, chromedp.Navigate(r.url+"/sign-in?lang=vi&next=/review"), chromedp.WaitVisible("#login"))
	sound(t, ctx, "vi")
	shot(t, ctx, "hub-sign-in")
	act(t, ctx, keys("nguoi-duyet"+kb.Tab+"sai mật khẩu rồi"+kb.Enter), chromedp.WaitVisible("[role=alert]"))
	saw(t, ctx, "Sai tên, mật khẩu hoặc mã")
	act(t, ctx, chromedp.Focus("#password"), keys(pass+kb.Enter), chromedp.WaitVisible("table"))
	saw(t, ctx, "Chờ duyệt", "Cửa khẩu Hữu Nghị mở cửa từ 7 giờ", "tiếng Lào", "Bản tin", "Lạng Sơn", "có thể duyệt")
	sound(t, ctx, "vi")
	shot(t, ctx, "hub-queue")

	act(t, ctx, chromedp.Focus(fmt.Sprintf("a[href='/review/version/%s']", first.ID)), keys(kb.Enter), chromedp.WaitVisible("#diff"))
	saw(t, ctx, "Chưa có bản nào được phát", "22 giờ", "Người viết: tac-gia")
	sound(t, ctx, "vi")
	shot(t, ctx, "hub-review")
	act(t, ctx, chromedp.Focus("button.ok"), keys(kb.Enter), chromedp.WaitVisible(".done"))
	saw(t, ctx, "Đã duyệt.")

	act(t, ctx, chromedp.Focus("a[hreflang=en]"), keys(kb.Enter), chromedp.WaitVisible("html[lang=en]"))
	saw(t, ctx, "To review", "Lao", "Bulletin")
	act(t, ctx, chromedp.Focus(fmt.Sprintf("a[href='/review/version/%s']", lao.ID)), keys(kb.Enter), chromedp.WaitVisible("#note"))
	saw(t, ctx, "<script>alert(1)</script>", "Send back")
	sound(t, ctx, "en")
	act(t, ctx, chromedp.Focus("#reason"), keys("wrong w"+kb.Tab+"Viết lại câu thứ hai"+kb.Tab+kb.Enter), chromedp.WaitVisible(".done"))
	saw(t, ctx, "Sent back to the author.", "Nothing waits for review.")

	doc, err := r.Desk.Get(t.Context(), central.Versions, lao.ID)
	if err != nil || doc.State != string(playlist.Superseded) {
		t.Errorf("%s %v", doc.State, err)
	}
	remarks, err := r.Desk.Remarks(t.Context(), console, lao.ID)
	if err != nil || len(remarks.Reviews) != 1 || remarks.Reviews[0].Note != "Viết lại câu thứ hai" || remarks.Reviews[0].Reason != "wrong wording" {
		t.Errorf("%+v %v", remarks, err)
	}

	act(t, ctx, chromedp.Focus("header form button"), keys(kb.Enter), chromedp.WaitVisible("#login"))
	act(t, ctx, chromedp.Navigate(r.url+"/review"), chromedp.WaitVisible("#login"))
}

func TestDisplaysPage(t *testing.T) {
	r := start(t, filepath.Join(t.TempDir(), "hub"), nil)
	admin := r.person("quan-tri", seed.Ministry, rights.Technician, rights.Publisher, rights.Author, rights.Reviewer)
	other := r.person("nguoi-khac", seed.Ministry, rights.Reviewer)
	admin.create("/displays", playlist.Display{ID: "huu-nghi-1", Place: "G007", Width: 1920, Height: 1080, QuotaMB: 8000})
	v := admin.bulletin("tin-1", seed.Ministry, "vi", "Chào mừng", "Chào mừng quý khách.")
	other.do("POST", "/versions/"+string(v.ID)+"/approve", nil, "If-Match", tag(v.Rev)).want(200)
	admin.create("/playlists", playlist.Playlist{ID: "buoi-sang", Owner: seed.Ministry, Entries: []playlist.Entry{{Item: "tin-1"}}})
	admin.create("/schedules", map[string]any{"id": "ca-ngay", "owner": seed.Ministry, "playlist": "buoi-sang", "always": true, "priority": 10})
	admin.do("POST", "/publications", map[string]any{"scopes": []playlist.ID{seed.Ministry, langSon}}).want(200)
	v = admin.bulletin("tin-2", seed.Ministry, "vi", "Tin mới", "Tin chưa công bố.")
	other.do("POST", "/versions/"+string(v.ID)+"/approve", nil, "If-Match", tag(v.Rev)).want(200)

	ctx := browser(t)
	act(t, ctx, runtime.Enable(), emulation.SetDeviceMetricsOverride(1100, 800, 1, false), chromedp.Navigate(r.url+"/displays?lang=vi"), chromedp.WaitVisible("#login"),
		keys("quan-tri"+kb.Tab+pass+kb.Enter), chromedp.WaitVisible("table"))
	saw(t, ctx, "huu-nghi-1", "Hữu Nghị", "ca-ngay", "buoi-sang", "tiếng Trung: 1", "CHƯA công bố", "đến khi có thay đổi")
	sound(t, ctx, "vi")
	shot(t, ctx, "hub-displays")
	act(t, ctx, chromedp.Navigate(r.url+"/displays?lang=en"), chromedp.WaitVisible("html[lang=en] table"))
	saw(t, ctx, "NOT published", "until further notice", "Chinese: 1")
	act(t, ctx, page.SetBypassCSP(false), chromedp.Navigate(r.url+"/nothing/here"), chromedp.WaitVisible("h1"))
	saw(t, ctx, "This page does not exist.")
	sound(t, ctx, "en")
}

// A technician enrols a machine by its code: the words first, then the place. The
// page says what machines said, and that this is a demonstration.
func TestKiosksPage(t *testing.T) {
	f := startFleet(t, filepath.Join(t.TempDir(), "hub"))
	f.person("ky-thuat", seed.Ministry, rights.Technician)
	id, _ := f.enrol(t.TempDir())
	status := `{"problems":["files in time: 1 files will not be here when they are due"],"displays":[{"id":"huu-nghi-1","main":"day-1-morning","playlist":"morning"}]}`
	said := central.Said{Report: feed.Report{Device: id.Device, Boot: "b", Edition: "e1", Number: 12, Status: json.RawMessage(status)}, Received: f.clk.now()}
	f.must(f.Fleet.Store.Keep(t.Context(), said))
	asking, err := hubclient.Enrol(t.Context(), t.TempDir(), f.door, "", "", f.clk.now())
	f.must(err)

	ctx := browser(t)
	act(t, ctx, runtime.Enable(), emulation.SetDeviceMetricsOverride(1100, 900, 1, false), chromedp.Navigate(f.url+"/kiosks?lang=vi"), chromedp.WaitVisible("#login"),
		keys("ky-thuat"+kb.Tab+pass+kb.Enter), chromedp.WaitVisible("table"))
	saw(t, ctx, "Hữu Nghị", "hoạt động", "12", "day-1-morning", "files in time", "BẢN DÙNG THỬ")
	sound(t, ctx, "vi")
	act(t, ctx, chromedp.Focus("#code"), keys("WRONG-00"+kb.Enter), chromedp.WaitVisible(".problem"))
	saw(t, ctx, "Mã sai")
	act(t, ctx, chromedp.Focus("#code"), keys(asking.Code+kb.Enter), chromedp.WaitVisible(".words"))
	saw(t, ctx, strings.Join(asking.Words, " "))
	shot(t, ctx, "hub-kiosks")
	act(t, ctx, chromedp.Focus("#place"), keys(string(gateplace)+kb.Enter), chromedp.WaitVisible(".done"))
	saw(t, ctx, "Máy đã được ghi danh.")
	act(t, ctx, chromedp.Click("td summary"), chromedp.SetValue("#kbit-"+id.Device, "512"), chromedp.SetValue("#hours-"+id.Device, "22:00-05:00"), chromedp.Click("td form button"), chromedp.WaitVisible(`//summary[contains(., "512")]`))
	saw(t, ctx, "Đã lưu", "512 kbit/s · 22:00-05:00")
	if a, err := f.Desk.Assignment(t.Context(), playlist.ID(id.Device)); err != nil || a.Kbit != 512 || a.Hours != "22:00-05:00" {
		t.Errorf("the assignment says %+v %v", a, err)
	}
	act(t, ctx, chromedp.Navigate(f.url+"/kiosks?lang=en"), chromedp.WaitVisible("html[lang=en] table"))
	saw(t, ctx, "DEMONSTRATION", "Nothing waits for signatures", "active")
	sound(t, ctx, "en")
	shot(t, ctx, "hub-kiosks-en")
}
