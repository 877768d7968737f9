package intake

import (
	"strings"
	"testing"
	"time"

	"cotmoc/hub/server/api"
	"cotmoc/hub/server/central"
	"cotmoc/playlist"
)

func TestFeed(t *testing.T) {
	b := newBench(t)
	rss := `<?xml version="1.0"?><rss version="2.0"><channel><title>Báo Đối ngoại</title><language>vi</language><link>https://example.vn</link>
<item><title>Mở cửa khẩu &amp; lối mở</title><link>https://example.vn/1</link><guid>tin-1</guid><description>&lt;p&gt;Đoạn một.&lt;/p&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;p&gt;Đoạn&amp;nbsp;hai.&lt;/p&gt;</description></item>
<item><title>Tin hai</title><link>https://example.vn/2</link><description>Ngắn.</description></item></channel></rss>`
	in := api.FeedImport{Kind: "feed", Owner: "vn", Class: "bulletin", Document: rss}
	got, err := b.Feed(t.Context(), console, in)
	if err != nil || len(got.Created) != 2 || got.Known != 0 {
		t.Fatalf("%+v %v", got, err)
	}
	_, v, err := b.Desk.Version(t.Context(), console, got.Created[0])
	if err != nil || v.State != playlist.Draft || v.Title != "Mở cửa khẩu & lối mở" || v.Text != "Đoạn một.\nĐoạn hai." || v.Language != "vi" {
		t.Errorf("%+v %v", v, err)
	}
	item, _ := b.Desk.Get(t.Context(), central.Items, v.Item)
	row, _ := central.Decode[playlist.Item](item)
	if row.ExternalID != "tin-1" || row.PublicURL != "https://example.vn/1" || row.Source != "Báo Đối ngoại" {
		t.Errorf("%+v", row)
	}
	again, err := b.Feed(t.Context(), console, in)
	if err != nil || len(again.Created) != 0 || again.Known != 2 {
		t.Errorf("%+v %v", again, err)
	}
	atom := `<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en"><title>T</title><entry><id>urn:1</id><title>One</title><content type="html">&lt;b&gt;Hi&lt;/b&gt;</content></entry></feed>`
	if got, err := b.Feed(t.Context(), console, api.FeedImport{Kind: "feed", Owner: "vn", Class: "bulletin", Language: "en", Document: atom}); err != nil || len(got.Created) != 1 {
		t.Errorf("%+v %v", got, err)
	}
	for name, bad := range map[string]api.FeedImport{
		"no XML":      {Kind: "feed", Document: "hello", Language: "vi"},
		"no language": {Kind: "feed", Document: strings.Replace(rss, "<language>vi</language>", "", 1)},
		"empty":       {Kind: "feed", Document: `<rss version="2.0"><channel></channel></rss>`, Language: "vi"},
		"no kind":     {Kind: "x", Document: rss},
	} {
		bad.Owner, bad.Class = "vn", "bulletin"
		if _, err := b.Feed(t.Context(), console, bad); playlist.CodeOf(err) != playlist.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func capOf(change func(string) string) string {
	return change(`<?xml version="1.0" encoding="UTF-8"?>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>KT-2027-01</identifier><sender>kttv@example.vn</sender><sent>2027-01-04T14:00:00+07:00</sent>
<status>Actual</status><msgType>Alert</msgType><scope>Public</scope>
<info><language>vi-VN</language><category>Geo</category><event>Sạt lở</event><urgency>Immediate</urgency><severity>Severe</severity><certainty>Observed</certainty>
<expires>2027-01-06T00:00:00+07:00</expires><senderName>Đài Khí tượng</senderName><headline>Sạt lở trên đường lên La Lay</headline><description>Đường tắc 200 mét.</description><instruction>Không đi qua.</instruction><area><areaDesc>La Lay</areaDesc></area></info>
<info><language>lo</language><event>ດິນເຈື່ອນ</event><headline>ດິນເຈື່ອນ ລາລາຍ</headline><description>ທາງປິດ.</description></info></alert>`)
}

func TestCAP(t *testing.T) {
	b := newBench(t)
	same := func(s string) string { return s }
	take := func(doc string) (api.ImportResult, error) {
		return b.Feed(t.Context(), console, api.FeedImport{Kind: "cap", Owner: "vn", Class: "bulletin", Document: doc})
	}
	got, err := take(capOf(same))
	if err != nil || len(got.Created) != 2 {
		t.Fatalf("%+v %v", got, err)
	}
	_, v, err := b.Desk.Version(t.Context(), console, got.Created[0])
	if err != nil || v.Language != "vi" || v.Title != "Sạt lở trên đường lên La Lay" || v.Text != "Đường tắc 200 mét.\nKhông đi qua.\nLa Lay" || v.State != playlist.Draft {
		t.Errorf("%+v %v", v, err)
	}
	doc, _ := b.Desk.Get(t.Context(), central.Items, v.Item)
	item, _ := central.Decode[playlist.Item](doc)
	if item.ValidUntil == nil || !item.ValidUntil.Equal(time.Date(2027, 1, 5, 17, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v", item)
	}
	if again, err := take(capOf(same)); err != nil || again.Known != 1 {
		t.Errorf("%+v %v", again, err)
	}
	swap := func(old, now string) string {
		return capOf(func(s string) string { return strings.Replace(s, old, now, 1) })
	}
	for name, doc := range map[string]string{
		"exercise": swap("Actual", "Exercise"), "private": swap("Public", "Private"), "cancel": swap(">Alert<", ">Cancel<"), "ack": swap(">Alert<", ">Ack<"),
		"old CAP": swap("cap:1.2", "cap:1.1"), "no id": swap("KT-2027-01", ""), "ended": swap("2027-01-06", "2027-01-01"), "no XML": "{}",
		"two at once": capOf(func(s string) string { return s + "<more/>" }),
		"entities":    `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>&x;</identifier></alert>`,
	} {
		if _, err := take(doc); playlist.CodeOf(err) != playlist.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"a<br>b<br/>c":                          "a\nb\nc",
		"<style>x{}</style>a<script>b</script>": "a",
		"&lt;b&gt; &amp;amp;":                   "<b> &",
		"<p>  nhiều   chỗ  trống </p><p></p>":   "nhiều chỗ trống",
		"<script>never closed":                  "",
		"\x00a\x07b\u200Bc":                     "abc",
	} {
		if got := Text(in); got != want {
			t.Errorf("%q became %q", in, got)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("<p>a&amp;b</p><script>")
	f.Fuzz(func(t *testing.T, s string) {
		if got := Text(s); strings.Contains(got, "\x00") || got != strings.TrimSpace(got) {
			t.Errorf("%q", got)
		}
	})
}
