package typeset

import (
	"fmt"
	"strings"
)

// blockKey names set text.
type blockKey struct {
	text  string
	bold  string // which spans are, and how long each is
	style Style
}

// keyOf names a text; keep is false for one that is too long to be kept.
func keyOf(spans []Span, s Style) (key blockKey, keep bool) {
	length := 0
	for _, span := range spans {
		length += len(span.Text)
	}
	if length > maxCached || len(spans) > maxSpans {
		return blockKey{}, false
	}
	if len(spans) == 1 && !spans[0].Bold {
		return blockKey{text: spans[0].Text, style: s}, true
	}
	var text, bold strings.Builder
	for _, span := range spans {
		text.WriteString(span.Text)
		fmt.Fprint(&bold, len(span.Text), span.Bold, " ")
	}
	return blockKey{text.String(), bold.String(), s}, true
}

// blockCache keeps text that was set lately, in two generations: what is asked
// for moves to the young one, and when that is full the old one is dropped.
type blockCache struct {
	young, old map[blockKey]*Block
	glyphs     int // in the young generation
}

// maxGlyphs bounds a generation: about 8 MB. maxCached is the longest text that
// is kept, in bytes.
const (
	maxGlyphs = 60_000
	maxCached = 16 << 10
	maxSpans  = 500
)

func (c *blockCache) get(key blockKey) (*Block, bool) {
	if b, ok := c.young[key]; ok {
		return b, true
	}
	b, ok := c.old[key]
	if ok {
		c.put(key, b)
	}
	return b, ok
}

func (c *blockCache) put(key blockKey, b *Block) {
	if c.young == nil || c.glyphs > maxGlyphs {
		c.young, c.old, c.glyphs = map[blockKey]*Block{}, c.young, 0
	}
	c.young[key] = b
	c.glyphs += 16 // an empty text costs as well
	for _, l := range b.Lines {
		for _, r := range l.runs {
			c.glyphs += len(r.Glyphs)
		}
	}
}
