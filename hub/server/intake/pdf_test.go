package intake

import (
	"bytes"
	"fmt"
	"image/png"
	"path/filepath"
	"strings"
	"testing"

	"cotmoc/hub/server/desk"
)

// textPDF is a PDF of so many pages, each with one line.
func textPDF(pages int) []byte {
	var b bytes.Buffer
	var at []int
	object := func(body string) {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", len(at), body)
	}
	b.WriteString("%PDF-1.4\n")
	object("<< /Type /Catalog /Pages 2 0 R >>")
	kids := ""
	for n := range pages {
		kids += fmt.Sprintf("%d 0 R ", 4+2*n)
	}
	object(fmt.Sprintf("<< /Type /Pages /Kids [%s] /Count %d >>", kids, pages))
	object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
	for n := range pages {
		object(fmt.Sprintf("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R /Resources << /Font << /F1 3 0 R >> >> >>", 5+2*n))
		line := fmt.Sprintf("BT /F1 24 Tf 72 700 Td (Border gate rules, page %d) Tj ET", n+1)
		object(fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(line), line))
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, o := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&b, "trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(at)+1, start)
	return b.Bytes()
}

func TestPDF(t *testing.T) {
	b := newBench(t)
	f := b.take(b.write("quy-dinh.pdf", textPDF(3)))
	if f.State != desk.FileReady || len(f.Pages) != 3 || !strings.Contains(f.Text, "Border gate rules, page 2") {
		t.Fatalf("%+v", f)
	}
	page, err := b.Desk.Files.Open(t.Context(), f.Pages[1])
	if err != nil {
		t.Fatal(err)
	}
	defer page.Close()
	img, err := png.Decode(page)
	if err != nil || img.Bounds().Dy() != pageSide {
		t.Fatalf("%v %v", img.Bounds(), err)
	}
	dark := 0
	for y := range img.Bounds().Dy() / 4 {
		for x := range img.Bounds().Dx() {
			if r, _, _, _ := img.At(x, y).RGBA(); r < 0x4000 {
				dark++
			}
		}
	}
	if dark < 500 {
		t.Errorf("the page shows no words: %d dark points", dark)
	}
}

func TestHostilePDF(t *testing.T) {
	b := newBench(t)
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"only a beginning": {[]byte("%PDF-1.7\n"), "cannot be opened"},
		"noise":            {append([]byte("%PDF-1.7\n"), bytes.Repeat([]byte{0xff, 0, 7}, 4000)...), "cannot be opened"},
		"too many pages":   {textPDF(MaxPages + 1), "100 pages"},
		"huge page":        {bytes.ReplaceAll(textPDF(1), []byte("[0 0 595 842]"), []byte("[0 0 9e9 9e9]")), ""},
		"endless form":     {bytes.Replace(textPDF(1), []byte("/Contents 5 0 R"), []byte("/Contents 4 0 R"), 1), ""},
	} {
		f := b.take(b.write(strings.ReplaceAll(name, " ", "-")+".pdf", c.data))
		if c.want != "" && (f.State != desk.FileFailed || !strings.Contains(f.Problem, c.want)) || f.State == desk.FileWorking {
			t.Errorf("%s: %s %q", name, f.State, f.Problem)
		}
		if len(f.Pages) > MaxPages {
			t.Errorf("%s: %d pages", name, len(f.Pages))
		}
	}
}

func TestRealPDFs(t *testing.T) {
	found, _ := filepath.Glob("/usr/share/forensics-samples/original-files/*/*.pdf")
	if len(found) == 0 {
		t.Skip("Debian's forensics-samples-files holds no PDF here")
	}
	b := newBench(t)
	for _, path := range found {
		if filepath.Ext(path) != ".pdf" {
			continue
		}
		f := b.take(path)
		if f.State == desk.FileWorking || f.State == desk.FileReady && len(f.Pages) == 0 {
			t.Errorf("%s: %+v", path, f)
		}
		t.Logf("%s: %s, %d pages, %d characters %s", filepath.Base(path), f.State, len(f.Pages), len(f.Text), f.Problem)
	}
}
