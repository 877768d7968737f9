package main

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"io/fs"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"

	"cotmoc/assets"
	"cotmoc/hub/prepare"
	"cotmoc/hub/prepare/agree"
	"cotmoc/internal/specimen"
	"cotmoc/internal/typeset"
	"cotmoc/playlist"
)

// benchTypeset measures speed by script, memory, and agreement with ICU and Pango.
func benchTypeset(ctx context.Context, l *lab) ([]result, error) {
	texts, err := specimen.Paragraphs("assets/sample/udhr.json")
	if err != nil {
		return nil, err
	}
	var out []result
	for _, lang := range slices.Sorted(maps.Keys(texts)) {
		r, err := typesetSpeed(playlist.Language(lang), texts[lang])
		if err != nil {
			return out, err
		}
		out = append(out, r)
	}
	icu, err := typesetICU(texts)
	if err != nil {
		return out, err
	}
	pango, err := l.typesetPango(ctx, texts)
	if err != nil {
		return out, err
	}
	return append(append(out, icu...), append(pango, typesetMemory(texts))...), nil
}

// typesetSpeed sets every paragraph: for the first time, again with other
// measures (nothing kept helps), again as before (kept), and drawn.
func typesetSpeed(lang playlist.Language, paragraphs []string) (result, error) {
	e := typeset.New()
	var shown []string
	for _, p := range paragraphs {
		c, err := prepare.Display(lang, p)
		if err != nil {
			return result{}, err
		}
		shown = append(shown, c.Display)
	}
	set := func(width int) float64 {
		return took(func() {
			for _, p := range shown {
				e.Layout(p, typeset.Style{Lang: string(lang), Size: 32, Width: width})
			}
		})
	}
	first := set(600)
	var anew, kept, drawn []float64
	img := image.NewRGBA(image.Rect(0, 0, 640, 2000))
	for n := range 9 {
		anew = append(anew, set(601+n))
		kept = append(kept, set(601+n))
		drawn = append(drawn, took(func() {
			for _, p := range shown {
				e.Layout(p, typeset.Style{Lang: string(lang), Size: 32, Width: 601 + n}).Draw(img, 10, 10, color.White)
			}
		}))
	}
	perSecond := func(ms float64) float64 { return math.Round(1000 * float64(len(shown)) / ms) }
	return result{Name: "typeset/" + string(lang), Figures: map[string]float64{
		"first_paragraphs_per_s": perSecond(first), "anew_paragraphs_per_s": perSecond(median(anew)),
		"kept_paragraphs_per_s": perSecond(median(kept)), "drawn_paragraphs_per_s": perSecond(median(drawn))}}, nil
}

func typesetICU(texts map[string][]string) ([]result, error) {
	e := typeset.New()
	var out []result
	for _, lang := range slices.Sorted(maps.Keys(texts)) {
		var r agree.Result
		for _, p := range texts[lang] {
			if err := r.Lines(e, playlist.Language(lang), p); err != nil {
				return nil, err
			}
		}
		out = append(out, result{Name: "typeset/breaks/" + lang, Peer: &peer{prepare.Version(), map[string]float64{"paragraphs": float64(r.All)}},
			Figures: map[string]float64{"same_paragraphs": float64(r.Same), "same_percent": 100 * float64(r.Same) / float64(r.All),
				"word_wider_than_line": float64(r.Wide), "conjuncts_icu_would_tear": float64(r.Torn)}})
	}
	return out, nil
}

// pangoFonts are the same files, by the names under which Pango finds them.
var pangoFonts = map[string]string{"km": "Noto Sans Khmer", "lo": "Noto Sans Lao", "th": "Noto Sans Thai", "zh": "Noto Sans CJK SC", "blt": "Noto Sans Tai Viet"}

// typesetPango compares the width of each article's first line of words.
func (l *lab) typesetPango(ctx context.Context, texts map[string][]string) ([]result, error) {
	const size = 200 // large, so that rounding to pixels hides nothing
	e := typeset.New()
	var out []result
	for _, lang := range slices.Sorted(maps.Keys(texts)) {
		family := "Noto Sans"
		if base := playlist.Language(lang).Base(); pangoFonts[base] != "" {
			f := pangoFonts[base]
			family = f
			if base != "zh" { // as in our own chain; Pango takes Chinese marks from the Chinese font likewise
				family = "Noto Sans," + f
			}
		}
		var off []float64
		unknown := 0.0
		for _, p := range texts[lang] {
			text := string([]rune(p)[:min(60, len([]rune(p)))])
			theirs, err := l.pangoWidth(ctx, lang, family, text, size)
			if err != nil {
				return out, err
			}
			b := e.Layout(text, typeset.Style{Lang: lang, Size: size})
			off = append(off, 100*math.Abs(b.Lines[0].Width-theirs)/theirs)
			unknown += float64(len(b.Missing))
		}
		out = append(out, result{Name: "typeset/advance/" + lang, Peer: &peer{"pango-view, " + family, map[string]float64{"texts": float64(len(off))}},
			Figures: map[string]float64{"off_percent_median": median(off), "off_percent_max": slices.Max(off), "characters_without_glyph": unknown}})
	}
	return out, nil
}

func (l *lab) pangoWidth(ctx context.Context, lang, family, text string, size int) (float64, error) {
	file := filepath.Join(l.work, "pango.json")
	cmd := exec.CommandContext(ctx, "pango-view", "-q", "--no-display", "--language="+lang, fmt.Sprintf("--font=%s %dpx", family, size), "--dpi=72", "--hinting=none", "--subpixel-positions",
		"--serialize-to="+file, "-o", filepath.Join(l.work, "pango.png"), "--text="+text)
	if said, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("pango-view: %w: %s", err, said)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	var answer struct {
		Output struct {
			Width   float64
			Unknown int `json:"unknown-glyphs"`
		}
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return 0, fmt.Errorf("pango-view answered nonsense: %w", err)
	}
	return answer.Output.Width / 1024, nil
}

// typesetMemory is what fonts and caches take.
func typesetMemory(texts map[string][]string) result {
	disk := 0.0
	err := fs.WalkDir(assets.Fonts, ".", func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if info, err := d.Info(); err == nil {
				disk += float64(info.Size())
			}
		}
		return err
	})
	heap := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc) / (1 << 20)
	}
	figures := map[string]float64{"fonts_on_disk_mb": disk / (1 << 20)}
	if err != nil {
		figures["fonts_on_disk_mb"] = math.NaN()
	}
	e := typeset.New()
	before := heap()
	img := image.NewRGBA(image.Rect(0, 0, 900, 3000))
	pages := func(size float64) {
		for lang, paragraphs := range texts {
			for _, p := range paragraphs {
				e.Layout(p, typeset.Style{Lang: lang, Size: size, Width: 800}).Draw(img, 0, 0, color.White)
			}
		}
	}
	pages(20)
	figures["heap_after_all_scripts_mb"] = heap() - before
	for n := range 40 {
		pages(float64(21 + n))
	}
	figures["heap_after_40_sizes_mb"] = heap() - before
	runtime.KeepAlive(e)
	return result{Name: "typeset/memory", Figures: figures}
}
