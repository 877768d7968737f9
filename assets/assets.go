// Package assets holds what the programs carry inside them: fonts, the words
// of the screens, the logo. Fonts are made by build/setup from Debian's Noto
// packages and are not in the repository.
package assets

import "embed"

// Fonts holds fonts/*.ttf and *.otf, under the SIL Open Font License 1.1.
//
//go:embed fonts
var Fonts embed.FS

// UIFonts holds uifonts/CotMocUI-Regular.ttf and -Bold.ttf: one face for every
// language of Fyne's own widgets, merged from Noto fonts, under the same licence.
// Only programs with touch screens carry them.
//
//go:embed uifonts
var UIFonts embed.FS

// Words holds words/TAG.json: the words of the screens in each language.
//
//go:embed words
var Words embed.FS
