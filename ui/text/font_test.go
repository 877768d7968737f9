package text

import (
	"bytes"
	"testing"

	"github.com/go-text/typesetting/font"
)

func covered(t *testing.T, raw []byte) func(rune) bool {
	t.Helper()
	face, err := font.ParseTTF(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return func(r rune) bool {
		_, ok := face.NominalGlyph(r)
		return ok
	}
}
