package theme

import (
	"image/color"
	"math"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/theme"

	"cotmoc/internal/palette"
)

func TestThemeLooksLikeTheStage(t *testing.T) {
	th, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for _, variant := range []fyne.ThemeVariant{theme.VariantDark, theme.VariantLight} {
		if got := th.Color(theme.ColorNameBackground, variant); got != palette.Navy {
			t.Errorf("background %v", got)
		}
		if got := th.Color(theme.ColorNameForeground, variant); got != palette.White {
			t.Errorf("text %v", got)
		}
	}
	if th.Size(theme.SizeNameText) < 20 {
		t.Error("text is too small for people who stand")
	}
	if a, b := th.Font(fyne.TextStyle{}), th.Font(fyne.TextStyle{Bold: true}); a.Name() == b.Name() || len(a.Content()) < 100_000 {
		t.Error("fonts are not ours")
	}
}

// Words on whatever they stand on have at least 7 to 1, in both looks.
func TestContrast(t *testing.T) {
	th, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for _, contrast := range []bool{false, true} {
		look := th.With(0, contrast)
		for _, ground := range []fyne.ThemeColorName{theme.ColorNameBackground, theme.ColorNameButton, theme.ColorNameInputBackground, theme.ColorNameSuccess, theme.ColorNameError, theme.ColorNameWarning} {
			inks := []fyne.ThemeColorName{theme.ColorNameForeground}
			if ground == theme.ColorNameBackground || ground == theme.ColorNameButton {
				inks = append(inks, theme.ColorNamePlaceHolder, theme.ColorNamePrimary)
			}
			for _, ink := range inks {
				if c := ratio(look.Color(ink, theme.VariantDark), look.Color(ground, theme.VariantDark)); c < 7 {
					t.Errorf("%s on %s, contrast %v: %.1f to 1", ink, ground, contrast, c)
				}
			}
		}
		if c := ratio(look.Color(theme.ColorNameBackground, theme.VariantDark), look.Color(theme.ColorNameForeground, theme.VariantDark)); c < 7 {
			t.Errorf("a chosen tile: %.1f to 1", c)
		}
	}
	if a, b := th.With(0, false).Size(theme.SizeNameText), th.With(2, false).Size(theme.SizeNameText); b < 1.5*a {
		t.Errorf("the largest text is %v, the smallest %v", b, a)
	}
}

// ratio is WCAG's contrast of two colours.
func ratio(a, b color.Color) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(c color.Color) float64 {
	r, g, b, _ := c.RGBA()
	lin := func(v uint32) float64 {
		s := float64(v) / 0xFFFF
		if s <= 0.03928 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*lin(r) + 0.7152*lin(g) + 0.0722*lin(b)
}
