package server_test

import (
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
	"cotmoc/hub/server/rights"
	"cotmoc/playlist"
)

// An office reads in words what others did to its rows, and which moves are planned; others
// are told nothing of it.
func TestMessagesPage(t *testing.T) {
	f := startFleet(t, filepath.Join(t.TempDir(), "hub"))
	put := func(kind central.Kind, id playlist.ID, body string) {
		_, err := f.Desk.Put(t.Context(), console, kind, id, 0, []byte(body))
		f.must(err)
	}
	put(central.Playlists, "chung", `{"id":"chung","owner":"bvhttdl","names":{"vi":"Danh sách chung"},"entries":[]}`)
	put(central.Schedules, "sang-thu-hai", `{"id":"sang-thu-hai","owner":"`+string(langSon)+`","playlist":"chung","layer":"main","always":true}`)
	doc, err := f.Desk.Get(t.Context(), central.Playlists, "chung")
	f.must(err)
	f.must(f.Desk.DeleteUsed(t.Context(), console, central.Playlists, "chung", doc.Rev))
	m := desk.Move{Place: gateplace, To: laoCai, On: playlist.DateOf(f.clk.now().Add(400 * 24 * time.Hour)), Source: "1191/QĐ-TTg"}
	pre, err := f.Desk.PreviewMove(t.Context(), console, m)
	f.must(err)
	_, err = f.Desk.MovePlace(t.Context(), console, m, pre.Seen)
	f.must(err)
	f.person("can-bo", langSon, rights.Author)
	other := f.person("noi-khac", laoCai, rights.Author)

	ctx := browser(t)
	act(t, ctx, runtime.Enable(), emulation.SetDeviceMetricsOverride(1100, 900, 1, false), chromedp.Navigate(f.url+"/messages?lang=vi"), chromedp.WaitVisible("#login"),
		keys("can-bo"+kb.Tab+pass+kb.Enter), chromedp.WaitVisible("table"))
	saw(t, ctx, "Đã xóa danh sách phát chung", "lịch phát sang-thu-hai", "không có hiệu lực", "chuyển: Hữu Nghị → Lào Cai", "đã hẹn ngày", "1191/QĐ-TTg")
	sound(t, ctx, "vi")
	shot(t, ctx, "hub-messages")
	act(t, ctx, chromedp.Navigate(f.url+"/messages?lang=en"), chromedp.WaitVisible("html[lang=en] table"))
	saw(t, ctx, "playlist chung was deleted", "schedule sang-thu-hai", "planned")
	sound(t, ctx, "en")
	shot(t, ctx, "hub-messages-en")

	other.do(http.MethodGet, "/messages?place="+string(langSon), nil).want(http.StatusForbidden)
	var moves []desk.PlannedMove
	other.do(http.MethodGet, "/moves", nil).want(http.StatusOK).into(&moves)
	if len(moves) != 1 || moves[0].Place != m.Place {
		t.Errorf("the moves: %+v", moves)
	}
	other.do(http.MethodDelete, "/moves/"+string(moves[0].ID), nil).want(http.StatusForbidden)
}
