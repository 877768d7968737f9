// Package golden compares pictures with the ones kept in testdata, which a
// person has looked at.
package golden

import (
	"flag"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update-golden", false, "write the golden pictures anew")

// Tolerance of a comparison: glyph edges may differ by rounding between
// processors, so two pixels in ten thousand may differ by more than maxStep of
// 255. One word that moved to the next line differs by six times as much.
const (
	maxStep  = 24
	maxShare = 0.0002
)

// Check compares got with testdata/golden/NAME.png. A failing picture is left
// beside it as NAME.failed.png.
func Check(t *testing.T, name string, got *image.RGBA) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name+".png")
	if *update {
		if err := save(path, got); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := load(path)
	if err != nil {
		t.Fatalf("%v (run with -update-golden, then look at the picture)", err)
	}
	if err := compare(got, want); err != nil {
		failed := filepath.Join("testdata", "golden", name+".failed.png")
		if saveErr := save(failed, got); saveErr != nil {
			t.Error(saveErr)
		}
		t.Errorf("%s: %v; the picture is in %s", name, err, failed)
	}
}

func compare(got, want *image.RGBA) error {
	if got.Rect.Size() != want.Rect.Size() {
		return fmt.Errorf("size is %v, want %v", got.Rect.Size(), want.Rect.Size())
	}
	wrong := 0
	for i := 0; i < len(got.Pix); i += 4 {
		for c := range 4 {
			if d := int(got.Pix[i+c]) - int(want.Pix[i+c]); d > maxStep || d < -maxStep {
				wrong++
				break
			}
		}
	}
	if share := float64(wrong) * 4 / float64(len(got.Pix)); share > maxShare {
		return fmt.Errorf("%.3f %% of the pixels differ", share*100)
	}
	return nil
}

func load(path string) (*image.RGBA, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	src, err := png.Decode(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	img := image.NewRGBA(image.Rect(0, 0, src.Bounds().Dx(), src.Bounds().Dy()))
	draw.Draw(img, img.Rect, src, src.Bounds().Min, draw.Src)
	return img, nil
}

func save(path string, img image.Image) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := png.Encode(f, img); err != nil {
		return err
	}
	return f.Close()
}
