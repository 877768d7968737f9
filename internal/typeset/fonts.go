// Package typeset sets text in every script of the border: one engine for the
// stage, the touch screens and the pictures in tests. It uses the fonts that
// the program carries and never the host's.
package typeset

import (
	"bytes"
	"fmt"
	"strings"
	"sync"

	"github.com/go-text/typesetting/font"

	"cotmoc/assets"
)

// chain is the order in which fonts are asked for a character.
var chain = []string{
	"NotoSans", "NotoSansKhmer", "NotoSansLao", "NotoSansThai", "NotoSansTaiViet",
	"NotoSansCham", "NotoSansNewTaiLue", "NotoSansCJKsc", "NotoSansSymbols", "NotoSansSymbols2",
	"NotoSansHebrew", "NotoSansArabic",
}

const chinese = 7 // index of the CJK font in chain

// loaded are the parsed fonts, shared by every engine of the process.
var loaded struct {
	sync.Mutex
	fonts map[string]*font.Font
}

// parse returns a font by file name, without its ending; nil if there is none.
func parse(name string) (*font.Font, error) {
	loaded.Lock()
	defer loaded.Unlock()
	if f, ok := loaded.fonts[name]; ok {
		return f, nil
	}
	var raw []byte
	var err error
	for _, ending := range []string{".ttf", ".otf"} {
		if raw, err = assets.Fonts.ReadFile("fonts/" + name + ending); err == nil {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("font %s is not built into this program: %w", name, err)
	}
	face, err := font.ParseTTF(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("font %s: %w", name, err)
	}
	if loaded.fonts == nil {
		loaded.fonts = map[string]*font.Font{}
	}
	loaded.fonts[name] = face.Font
	return face.Font, nil
}

// family is the chain in one weight. Faces are parsed when first needed: the
// Chinese font alone takes 26 MB.
type family struct {
	suffix string
	faces  [12]*font.Face
	names  map[*font.Face]string
	faked  map[*font.Face]bool // regular faces that are drawn bold
}

func (f *family) face(i int) *font.Face {
	if f.faces[i] != nil {
		return f.faces[i]
	}
	name := chain[i] + "-" + f.suffix
	parsed, err := parse(name)
	fake := err != nil && f.suffix != "Regular"
	if fake { // no bold of this script is carried: it is drawn from the regular one
		name = chain[i] + "-Regular"
		parsed, err = parse(name)
	}
	if err != nil {
		return nil
	}
	f.faces[i] = font.NewFace(parsed)
	if fake {
		f.faked[f.faces[i]] = true
	}
	f.names[f.faces[i]] = name
	return f.faces[i]
}

// script guesses which font of the chain holds r, so that no other is parsed.
func script(r rune) (first, last int) {
	switch {
	case 0x0590 <= r && r < 0x0600 || 0xFB1D <= r && r < 0xFB50:
		return 10, 10
	case 0x0600 <= r && r < 0x0900 || 0xFB50 <= r && r < 0xFE00 || 0xFE70 <= r && r < 0xFF00:
		return 11, 11
	case r < 0x0E00:
		return 0, 0
	case r < 0x0E80:
		return 3, 3
	case r < 0x0F00:
		return 2, 2
	case 0x1780 <= r && r < 0x1800 || 0x19E0 <= r && r < 0x1A00:
		return 1, 1
	case 0x1980 <= r && r < 0x19E0:
		return 6, 6
	case 0xAA00 <= r && r < 0xAA60:
		return 5, 5
	case 0xAA80 <= r && r < 0xAAE0:
		return 4, 4
	}
	return 0, len(chain) - 1
}

// name is a face's file name, without its ending.
func (m fontmaps) name(face *font.Face) string {
	if n, ok := m.plain.f.names[face]; ok {
		return n
	}
	return m.bold.f.names[face]
}

// wideQuotes are marks that Chinese sets a full em wide and Latin does not.
const wideQuotes = "‘’“”…—·"

// resolve returns the font that draws r, in the language's own form.
func (f *family) resolve(r rune, zh bool) (*font.Face, bool) {
	if zh && strings.ContainsRune(wideQuotes, r) {
		if face := f.face(chinese); face != nil {
			if _, ok := face.NominalGlyph(r); ok {
				return face, true
			}
		}
	}
	first, last := script(r)
	for pass := range 2 {
		for i := range chain {
			if (first <= i && i <= last) != (pass == 0) {
				continue
			}
			if face := f.face(i); face != nil {
				if _, ok := face.NominalGlyph(r); ok {
					return face, true
				}
			}
		}
		if last-first == len(chain)-1 {
			break
		}
	}
	return f.face(0), false
}
