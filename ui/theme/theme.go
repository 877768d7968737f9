// Package theme gives Fyne's widgets the colours, sizes and fonts of Cột Mốc,
// so that the touch screens and the stage look like one.
package theme

import (
	"fmt"
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/theme"

	"cotmoc/assets"
	"cotmoc/internal/palette"
)

// Theme is Cột Mốc's Fyne theme. It has one look, as a hall is neither light nor dark,
// and a second one for who needs all the contrast there is.
type Theme struct {
	regular, bold fyne.Resource
	step          int
	contrast      bool
}

// Steps is how many sizes of text a visitor may choose from.
const Steps = 3

// With returns the theme with text of a size from 0 to Steps-1, and with black, white
// and yellow alone if contrast.
func (t *Theme) With(step int, contrast bool) *Theme {
	out := *t
	out.step, out.contrast = min(max(step, 0), Steps-1), contrast
	return &out
}

var _ fyne.Theme = (*Theme)(nil)

// New makes the theme from the fonts that the program carries.
func New() (*Theme, error) {
	t := &Theme{}
	for name, at := range map[string]*fyne.Resource{"CotMocUI-Regular.ttf": &t.regular, "CotMocUI-Bold.ttf": &t.bold} {
		raw, err := assets.UIFonts.ReadFile("uifonts/" + name)
		if err != nil {
			return nil, fmt.Errorf("theme: %w", err)
		}
		*at = fyne.NewStaticResource(name, raw)
	}
	return t, nil
}

// Color implements fyne.Theme.
func (t *Theme) Color(name fyne.ThemeColorName, _ fyne.ThemeVariant) color.Color {
	if t.contrast {
		return strong(name)
	}
	switch name {
	case theme.ColorNameBackground, theme.ColorNameOverlayBackground:
		return palette.Navy
	case theme.ColorNameForeground, theme.ColorNameForegroundOnPrimary:
		return palette.White
	case theme.ColorNameButton, theme.ColorNameInputBackground, theme.ColorNameMenuBackground, theme.ColorNameHeaderBackground:
		return palette.Panel
	case theme.ColorNamePrimary, theme.ColorNameFocus, theme.ColorNameHyperlink:
		return palette.Gold
	case theme.ColorNamePlaceHolder, theme.ColorNameDisabled:
		return palette.Mist
	case theme.ColorNameError: // darker than the stage's: white words on them have 7 to 1
		return palette.DeepRed
	case theme.ColorNameSuccess:
		return palette.DeepGreen
	case theme.ColorNameWarning:
		return palette.Amber
	}
	return theme.DefaultTheme().Color(name, theme.VariantDark)
}

// strong is the look of all the contrast there is: 12 to 1 and more.
func strong(name fyne.ThemeColorName) color.Color {
	switch name {
	case theme.ColorNameForeground, theme.ColorNameForegroundOnPrimary, theme.ColorNamePlaceHolder, theme.ColorNameDisabled:
		return color.White
	case theme.ColorNamePrimary, theme.ColorNameFocus, theme.ColorNameHyperlink, theme.ColorNameSeparator:
		return palette.Gold
	case theme.ColorNameShadow:
		return color.Transparent
	}
	return color.Black
}

// Font implements fyne.Theme.
func (t *Theme) Font(style fyne.TextStyle) fyne.Resource {
	if style.Bold {
		return t.bold
	}
	return t.regular
}

// Icon implements fyne.Theme.
func (t *Theme) Icon(name fyne.ThemeIconName) fyne.Resource { return theme.DefaultTheme().Icon(name) }

// Size implements fyne.Theme. Text is larger than on a desktop: people stand.
func (t *Theme) Size(name fyne.ThemeSizeName) float32 {
	grow := 1 + 0.3*float32(t.step)
	switch name {
	case theme.SizeNameText:
		return 22 * grow
	case theme.SizeNameHeadingText:
		return 40 * grow
	case theme.SizeNameSubHeadingText:
		return 30 * grow
	case theme.SizeNameCaptionText:
		return 18 * grow
	case theme.SizeNamePadding:
		return 10
	}
	return theme.DefaultTheme().Size(name)
}
