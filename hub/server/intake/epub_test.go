package intake

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"cotmoc/hub/server/desk"
)

// part is an entry of an archive.
type part struct{ name, body string }

const container = `<?xml version="1.0"?><container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="OEBPS/content.opf" media-type="application/oebps-package+xml"/></rootfiles></container>`

// pack makes an archive that begins as a book does.
func pack(parts ...part) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	first, err := z.CreateRaw(&zip.FileHeader{Name: "mimetype", Method: zip.Store, CRC32: 0x2CAB616F, CompressedSize64: 20, UncompressedSize64: 20})
	if err == nil {
		_, err = io.WriteString(first, desk.TypeEPUB)
	}
	for _, p := range parts {
		w, err2 := z.Create(p.name)
		if err2 == nil {
			_, err2 = io.WriteString(w, p.body)
		}
		if err2 != nil {
			err = err2
		}
	}
	if err2 := z.Close(); err != nil || err2 != nil {
		panic(fmt.Sprint(err, err2))
	}
	return b.Bytes()
}

// bookOf is a book of chapters, after these parts.
func bookOf(parts []part, chapters ...string) []byte {
	manifest, spine := "", ""
	for n, c := range chapters {
		manifest += fmt.Sprintf(`<item id="c%d" href="ch%%20%d.xhtml" media-type="application/xhtml+xml"/>`, n, n)
		spine = fmt.Sprintf(`<itemref idref="c%d"/>`, n) + spine // the last comes first
		parts = append(parts, part{fmt.Sprintf("OEBPS/ch %d.xhtml", n), `<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>no</title></head><body>` + c + `</body></html>`})
	}
	opf := `<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><manifest>` + manifest + `<item id="p" href="p.png" media-type="image/png"/></manifest><spine>` + spine + `<itemref idref="p"/></spine></package>`
	return pack(append([]part{{"META-INF/container.xml", container}, {"OEBPS/content.opf", opf}}, parts...)...)
}

func TestBook(t *testing.T) {
	b := newBench(t)
	f := b.take(b.write("truyen.epub", bookOf(nil,
		`<h2>ບົດທີ 2</h2><p>ປະຊາຊົນ<b>ລາວ</b></p><table><tr><th>Giờ</th><th>Cửa</th></tr><tr><td>7:00</td><td>mở</td></tr></table>`,
		`<h1>Chương *một*</h1><p>Đường &amp; phố, <a href="https://example.vn">trang nhà</a>.<img src="p.png" alt="ảnh"/></p><ul><li>một</li><li>hai</li></ul><script>evil()</script><nav>mục lục</nav>`)))
	if f.State != desk.FileReady || f.Type != desk.TypeEPUB {
		t.Fatalf("%+v", f)
	}
	want := "# Chương \\*một*\n\nĐường & phố, trang nhà.\n\n- một\n- hai\n\n## ບົດທີ 2\n\nປະຊາຊົນ**ລາວ**\n\nGiờ · Cửa\n\n7:00 · mở"
	if f.Text != want {
		t.Errorf("%q, want %q", f.Text, want)
	}
}

func TestHostileBooks(t *testing.T) {
	b := newBench(t)
	good := bookOf(nil, "<p>một</p>")
	lock := func(uri string) []part {
		return []part{{"META-INF/encryption.xml", `<encryption><EncryptedData><CipherData><CipherReference URI="` + uri + `"/></CipherData></EncryptedData></encryption>`}}
	}
	long := "<p>" + strings.Repeat("một hai ba ", 20_000) + "</p>"
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"only a beginning":  {good[:80], "damaged"},
		"cut":               {good[:len(good)-30], "damaged"},
		"no container":      {pack(), "lacks"},
		"container is junk": {pack(part{"META-INF/container.xml", "<a"}), "cannot be read"},
		"container empty":   {pack(part{"META-INF/container.xml", "<container/>"}), "where its contents are"},
		"no contents":       {pack(part{"META-INF/container.xml", container}), "lacks"},
		"no text":           {bookOf(nil, "<img src='p.png'/>"), "no text"},
		"locked":            {bookOf(lock("OEBPS/ch%200.xhtml"), "<p>a</p>"), "locked"},
		"bomb":              {bookOf(nil, "<p>"+strings.Repeat(" ", maxChapter)+"</p>"), "too large"},
		"many bombs":        {bookOf(nil, strings.Repeat(" ", maxChapter-1000), strings.Repeat(" ", maxChapter-1000), strings.Repeat(" ", maxChapter-1000), strings.Repeat(" ", maxChapter-1000), strings.Repeat(" ", maxChapter-1000)), "too large"},
		"endless":           {bookOf(nil, long, long, long, long, long, long), "split it"},
		"deep":              {bookOf(nil, strings.Repeat("<div>", 300)+"a"), "nested"},
		"bottomless":        {bookOf(nil, strings.Repeat("<div>", 5000)+"a"), "cannot be read"},
	} {
		_, err := b.TakeIn(t.Context(), console, "vn", name, b.write(name, c.data))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, data := range map[string][]byte{"fonts in disguise": bookOf(lock("OEBPS/font.otf"), "<p>một</p>"), "no document": bookOf(nil, "a <b>b")} {
		if f := b.take(b.write(name, data)); f.Text == "" {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if isEPUB([]byte("PK\x03\x04")) || sniff(pack()[30:]) == "book" {
		t.Error("that is no book")
	}
}
