package touch

import "fyne.io/fyne/v2"

// screen gives all that it holds the size of the window, and asks for none: nothing inside
// may size the window.
type screen struct{}

// Layout implements fyne.Layout.
func (screen) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	for _, o := range objects {
		o.Move(fyne.NewPos(0, 0))
		o.Resize(size)
	}
}

// MinSize implements fyne.Layout.
func (screen) MinSize([]fyne.CanvasObject) fyne.Size { return fyne.NewSize(1, 1) }

// grid lays objects of one size out in so many columns. The rows share the height that
// is there, and are no lower than the highest object wants.
type grid struct {
	columns int
	gap     float32
}

// Layout implements fyne.Layout.
func (g grid) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	width := (size.Width - g.gap*float32(g.columns-1)) / float32(g.columns)
	for _, o := range objects { // a text's height follows its width
		o.Resize(fyne.NewSize(width, o.Size().Height))
	}
	rows := g.rows(len(objects))
	height := max(tallest(objects), (size.Height-g.gap*float32(rows-1))/float32(rows))
	for i, o := range objects {
		o.Resize(fyne.NewSize(width, height))
		o.Move(fyne.NewPos(float32(i%g.columns)*(width+g.gap), float32(i/g.columns)*(height+g.gap)))
	}
}

func (g grid) rows(n int) int { return max(1, (n+g.columns-1)/g.columns) }

func tallest(objects []fyne.CanvasObject) (h float32) {
	for _, o := range objects {
		h = max(h, o.MinSize().Height)
	}
	return h
}

// MinSize implements fyne.Layout.
func (g grid) MinSize(objects []fyne.CanvasObject) fyne.Size {
	rows := g.rows(len(objects))
	return fyne.NewSize(100, float32(rows)*tallest(objects)+g.gap*float32(rows-1))
}

// pillar puts tiles below each other; they share the height, and are as wide as the longest
// word on them wants, or wider.
type pillar struct{ gap, least float32 }

// Layout implements fyne.Layout.
func (p pillar) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	grid{columns: 1, gap: p.gap}.Layout(objects, size)
}

// MinSize implements fyne.Layout.
func (p pillar) MinSize(objects []fyne.CanvasObject) fyne.Size {
	size := grid{columns: 1, gap: p.gap}.MinSize(objects)
	size.Width = p.least
	for _, o := range objects {
		if t, ok := o.(*tile); ok {
			size.Width = max(size.Width, t.narrow()+8)
		}
	}
	return size
}

// inset keeps an object away from the edges.
type inset struct{ x, y float32 }

// Layout implements fyne.Layout.
func (i inset) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	for _, o := range objects {
		o.Move(fyne.NewPos(i.x, i.y))
		o.Resize(fyne.NewSize(size.Width-2*i.x, size.Height-2*i.y))
	}
}

// MinSize implements fyne.Layout.
func (i inset) MinSize(objects []fyne.CanvasObject) fyne.Size {
	return objects[0].MinSize().AddWidthHeight(2*i.x, 2*i.y)
}

// lowered puts its first object below a free part of the height, where it is within
// reach from a chair; the second gets the free part.
type lowered struct{ free float32 }

// Layout implements fyne.Layout.
func (u lowered) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	top := size.Height * u.free
	objects[0].Move(fyne.NewPos(0, top))
	objects[0].Resize(fyne.NewSize(size.Width, size.Height-top))
	if len(objects) > 1 {
		objects[1].Move(fyne.NewPos(0, 0))
		objects[1].Resize(fyne.NewSize(size.Width, top))
	}
}

// MinSize implements fyne.Layout.
func (lowered) MinSize([]fyne.CanvasObject) fyne.Size { return fyne.NewSize(100, 100) }

// beside puts its second object right of the first, if it is shown.
type beside struct{ gap float32 }

// Layout implements fyne.Layout.
func (b beside) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	width := size.Width
	if objects[1].Visible() {
		side := objects[1].MinSize().Width
		width -= side + b.gap
		objects[1].Move(fyne.NewPos(width+b.gap, 0))
		objects[1].Resize(fyne.NewSize(side, size.Height))
	}
	objects[0].Move(fyne.NewPos(0, 0))
	objects[0].Resize(fyne.NewSize(width, size.Height))
}

// MinSize implements fyne.Layout.
func (beside) MinSize([]fyne.CanvasObject) fyne.Size { return fyne.NewSize(100, 10) }

// bar lays controls out in as many columns as the longest word on them allows.
type bar struct {
	gap   float32
	most  int     // columns
	width float32 // that there will be: fyne asks for the height before it gives any
}

func (b *bar) grid(objects []fyne.CanvasObject) grid {
	longest := float32(0)
	for _, o := range objects {
		if t, ok := o.(*tile); ok {
			longest = max(longest, t.narrow()+16)
		}
	}
	n := max(1, min(b.most, len(objects)))
	for n > 1 && (b.width-b.gap*float32(n-1))/float32(n) < longest {
		n--
	}
	rows := (len(objects) + n - 1) / n
	return grid{columns: max(1, (len(objects)+rows-1)/max(1, rows)), gap: b.gap}
}

// Layout implements fyne.Layout.
func (b *bar) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	b.width = size.Width
	b.grid(objects).Layout(objects, size)
}

// MinSize implements fyne.Layout.
func (b *bar) MinSize(objects []fyne.CanvasObject) fyne.Size { return b.grid(objects).MinSize(objects) }
