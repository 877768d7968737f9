package theme

import (
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
