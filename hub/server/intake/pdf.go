package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/klippa-app/go-pdfium/requests"
	"github.com/klippa-app/go-pdfium/webassembly"
	"github.com/tetratelabs/wazero"
	wasm "github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/text/unicode/norm"

	"cotmoc/hub/server/desk"
	"cotmoc/internal/bounded"
	"cotmoc/playlist"
)

// Limits of a PDF. A page is drawn to fit a screen in either direction.
const (
	MaxPages   = 99 // a version has at most 100 files
	pageSide   = 1920
	maxPNG     = 1 << 20 // a page that is larger is kept as JPEG
	maxPDFText = 1 << 20
	maxMemory  = 16384 // pages of WebAssembly of 64 KiB: one GiB
)

// pdfResult is what RenderPDF tells its parent.
type pdfResult struct {
	Pages   []string `json:"pages"` // file names in order
	Text    string   `json:"text"`
	Problem string   `json:"problem,omitempty"`
}

// RenderPDF draws the pages of a PDF into a folder and writes result.json beside
// them. It runs in a child of its own, and pdfium inside it in WebAssembly: a
// hostile document gets at no file and no memory but its own.
func RenderPDF(path, dir string) error {
	result := pdfResult{}
	if err := render(path, dir, &result); err != nil {
		line, _, _ := strings.Cut(err.Error(), "\n") // a trace of the machine inside is nobody's business
		result = pdfResult{Problem: line}
	}
	raw, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("PDF: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, "result.json"), raw, 0o600)
}

func render(path, dir string, result *pdfResult) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the PDF: %w", err)
	}
	// pdfium is compiled once for all documents between two starts of the hub.
	compiled, err := wazero.NewCompilationCacheWithDir(filepath.Join(filepath.Dir(dir), "pdfium"))
	if err != nil {
		return fmt.Errorf("start pdfium: %w", err)
	}
	config := wazero.NewRuntimeConfig().WithMemoryLimitPages(maxMemory).WithCompilationCache(compiled).WithCoreFeatures(wasm.CoreFeaturesV2 | experimental.CoreFeaturesExceptionHandling)
	pool, err := webassembly.Init(webassembly.Config{MinIdle: 1, MaxIdle: 1, MaxTotal: 1, RuntimeConfig: config, Stdout: io.Discard, Stderr: io.Discard})
	if err != nil {
		return fmt.Errorf("start pdfium: %w", err)
	}
	defer pool.Close()
	pdfium, err := pool.GetInstance(time.Minute)
	if err != nil {
		return fmt.Errorf("start pdfium: %w", err)
	}
	doc, err := pdfium.OpenDocument(&requests.OpenDocument{File: &raw})
	if err != nil {
		return fmt.Errorf("the PDF cannot be opened (it may be locked by a password): %w", err)
	}
	count, err := pdfium.FPDF_GetPageCount(&requests.FPDF_GetPageCount{Document: doc.Document})
	if err != nil {
		return fmt.Errorf("count its pages: %w", err)
	}
	if count.PageCount < 1 || count.PageCount > MaxPages {
		return fmt.Errorf("the PDF has %d pages: 1 to %d can be taken; split it", count.PageCount, MaxPages)
	}
	var text strings.Builder
	for n := range count.PageCount {
		page := requests.Page{ByIndex: &requests.PageByIndex{Document: doc.Document, Index: n}}
		drawn, err := pdfium.RenderPageInPixels(&requests.RenderPageInPixels{Page: page, Width: pageSide, Height: pageSide})
		if err != nil {
			return fmt.Errorf("draw page %d: %w", n+1, err)
		}
		name, err := savePage(dir, n+1, drawn.Result.RenderedImage)
		drawn.Cleanup()
		if err != nil {
			return err
		}
		result.Pages = append(result.Pages, name)
		words, err := pdfium.GetPageText(&requests.GetPageText{Page: page})
		if err == nil && text.Len() < maxPDFText { // a page whose words cannot be read still shows
			text.WriteString(clip(clean(words.Text), maxPDFText-text.Len()) + "\n")
		}
		fmt.Println(100 * (n + 1) / count.PageCount) // progress, for the parent
	}
	result.Text = strings.TrimSpace(text.String())
	return nil
}

// clean keeps of a page's text what people read.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r) || r == unicode.ReplacementChar || r == '\u200B' || r == '\ufffe' || r == '\uffff':
			return -1
		}
		return r
	}, strings.ReplaceAll(s, "\r\n", "\n"))
	return norm.NFC.String(strings.ToValidUTF8(s, ""))
}

func savePage(dir string, n int, page image.Image) (string, error) {
	name := fmt.Sprintf("page-%03d.png", n)
	path := filepath.Join(dir, name)
	if err := write(path, func(f *os.File) error { return (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(f, page) }); err != nil {
		return "", err
	}
	if info, err := os.Stat(path); err != nil || info.Size() <= maxPNG {
		return name, err
	}
	smaller := strings.TrimSuffix(name, ".png") + ".jpg"
	return smaller, write(filepath.Join(dir, smaller), func(f *os.File) error { return jpeg.Encode(f, page, &jpeg.Options{Quality: 85}) })
}

func write(path string, f func(*os.File) error) error {
	out, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write a page: %w", err)
	}
	if err := errors.Join(f(out), out.Close()); err != nil {
		return fmt.Errorf("write a page: %w", err)
	}
	return nil
}

// pages has a child draw a PDF, and keeps its pages and text.
func (w *Worker) pages(ctx context.Context, f *desk.File, source, dir string, progress chan<- int) ([]desk.File, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	args := append(append([]string{"-n", "10"}, w.Self...), source, dir)
	cmd := exec.CommandContext(ctx, "nice", args...)
	var complaint bounded.Tail
	cmd.Stderr = &complaint
	cmd.Env = append(os.Environ(), "GOMEMLIMIT=1GiB", "GOMAXPROCS=2")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("PDF: %w", err)
	}
	if err := bounded.Start(cmd, 16<<30); err != nil { // address space: WebAssembly reserves much and uses little
		return nil, err
	}
	percent(out, progress)
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("draw the PDF: %s", bounded.Reason(&complaint, err))
	}
	raw, err := os.ReadFile(filepath.Join(dir, "result.json"))
	if err != nil {
		return nil, fmt.Errorf("draw the PDF: %w", err)
	}
	var result pdfResult
	if err := json.Unmarshal(raw, &result); err != nil {
		return nil, fmt.Errorf("draw the PDF: %w", err)
	}
	if result.Problem != "" {
		return nil, fmt.Errorf("%w: %s", errHopeless, result.Problem)
	}
	var made []desk.File
	f.Pages, f.Text = []playlist.Hash{}, result.Text
	for n, name := range result.Pages {
		kind := "image/png"
		if filepath.Ext(name) == ".jpg" {
			kind = "image/jpeg"
		}
		page, err := w.keep(ctx, filepath.Join(dir, filepath.Base(name)), desk.File{Name: fmt.Sprintf("%s, page %d", f.Name, n+1), Type: kind})
		if err != nil {
			return nil, err
		}
		f.Pages, made = append(f.Pages, page.SHA256), append(made, page)
	}
	return made, nil
}
