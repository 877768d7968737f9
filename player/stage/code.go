package stage

import (
	"hash/fnv"
	"image"
	"image/color"
)

// The corner code proves to another process which item and frame is seen: 32
// cells of codeCell pixels in the bottom left corner, 16 for the item (a hash
// of its id) and 16 for the number of the frame, the highest bit first.
const codeCell = 6

// ItemCode is the number by which the corner code names an item.
func ItemCode(item string) uint16 {
	h := fnv.New32a()
	h.Write([]byte(item))
	return uint16(h.Sum32())
}

func (g *game) drawCode(p *painter) {
	g.d.mu.Lock()
	item := ""
	for _, z := range g.d.zones {
		if z.isMain() && z.current != nil {
			item = string(z.current.cue.Entry.Item)
		}
	}
	g.d.mu.Unlock()
	bits := uint32(ItemCode(item))<<16 | uint32(g.drawn.Load()&0xFFFF)
	whole := image.Rect(0, 0, g.canvas.X, g.canvas.Y)
	for i := range 32 {
		c := color.RGBA{0, 0, 0, 255}
		if bits&(1<<(31-i)) != 0 {
			c = color.RGBA{255, 255, 255, 255}
		}
		x := whole.Min.X + i*codeCell
		p.fill(image.Rect(x, whole.Max.Y-codeCell, x+codeCell, whole.Max.Y), c, 1)
	}
}

func fullRect(d *Director) image.Rectangle { return image.Rectangle{Max: d.canvas} }

// fullyCovered says whether one zone hides the whole background.
func (d *Director) fullyCovered() bool {
	for _, z := range d.zones {
		if z.rect == fullRect(d) && z.current != nil {
			return true
		}
	}
	return false
}
