package touch

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"cotmoc/internal/golden"
	"cotmoc/playlist"
	"cotmoc/playlist/store"
)

func TestParts(t *testing.T) {
	chapter := func(n int) string {
		return fmt.Sprintf("## Chương \\*%d\n\n", n) + strings.Repeat("Cửa khẩu mở cửa lúc bảy giờ.\n\n", 200)
	}
	got := parts("# Luật\n\nLời nói đầu.\n\n" + chapter(1) + chapter(2) + strings.Repeat("dài ", wholeText))
	var titles []string
	for _, p := range got {
		titles = append(titles, p.title)
	}
	if s := strings.Join(titles[:4], "|"); s != "Luật|Chương *2||" {
		t.Errorf("%q", s)
	}
	for text, want := range map[string]bool{"# a": true, "## a **b**": true, "### a": false, "#a": false, "a # b": false, "# ": false, "\n## a": true} {
		if _, ok := heading(text); ok != want {
			t.Errorf("%q: %v", text, ok)
		}
	}
}

// Nothing of a text is lost, and no part is much longer than a page, however it is made.
func TestPartsKeepEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		for range rapid.IntRange(0, 40).Draw(t, "blocks") {
			b.WriteString(rapid.SampledFrom([]string{"# một\n\n", "## hai\n\n", strings.Repeat("ba bốn ", 500) + "\n\n", strings.Repeat("năm ", 9000), "\n\n", "sáu\n\n", strings.Repeat("ກ", 20_000)}).Draw(t, "block"))
		}
		all := ""
		for _, p := range parts(b.String()) {
			if !utf8.ValidString(p.text) || len(p.text) > 3*wholeText || strings.TrimSpace(p.text) == "" {
				t.Fatalf("a part of %d bytes", len(p.text))
			}
			all += p.text
		}
		if strings.Join(strings.Fields(all), "") != strings.Join(strings.Fields(b.String()), "") {
			t.Fatal("something is lost")
		}
	})
}

// A book opens at the list of its chapters; one touch leads to any of them, and back.
func TestBook(t *testing.T) {
	d := start(t, 1280, 720)
	r := content(t, d.dir)
	text := ""
	for n := range 30 {
		text += fmt.Sprintf("# Chương %d\n\n", n+1) + strings.Repeat("Người xuất cảnh khai báo hải quan tại quầy.\n\n", 120)
	}
	r.Items = append(r.Items, playlist.Item{ID: "book", Kind: playlist.Document, Source: "NXB"})
	r.Versions = append(r.Versions, playlist.Version{Item: "book", Language: "vi", Title: "Sổ tay cửa khẩu", Text: text})
	if err := store.WriteEdition(t.Context(), d.dir, "e2", r); err != nil {
		t.Fatal(err)
	}
	d.load("e2")
	d.tap("Đọc")
	d.tap("Sổ tay cửa khẩu")
	if d.tiles()["Chương 30"] == nil || !d.says("Nguồn: NXB") || d.says("Người xuất cảnh") {
		t.Error("it does not begin with the contents")
	}
	golden.Check(t, "contents-vi-1280", d.picture())
	d.tap("Chương 3")
	if !d.says("Chương 3") || !d.says("Người xuất cảnh") || d.says("Chương 4") {
		t.Error("this is not chapter 3")
	}
	golden.Check(t, "chapter-vi-1280", d.picture())
	d.pane.turn(true)
	d.tap("Trang sau")
	if !d.says("Chương 4") || d.pane.part() != 0 {
		t.Error("the next one does not begin at its beginning")
	}
	d.tap("Mục lục")
	if d.tiles()["Chương 30"] == nil {
		t.Error("the contents are gone")
	}
}
