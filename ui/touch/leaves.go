package touch

import (
	"image"
	"strconv"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"

	"cotmoc/internal/words"
	"cotmoc/player/decode"
	"cotmoc/playlist"
	"cotmoc/ui/text"
	"cotmoc/ui/touch/library"
)

// zooms are the widths at which a page can be read, as parts of the screen's.
var zooms = []float32{1, 1.6, 2.5}

// leaves shows a document by page: the hub has drawn each as a picture. A page is as
// wide as the screen at first; larger ones are dragged in both directions.
func (a *App) leaves(p page, files []library.File, head []fyne.CanvasObject) fyne.CanvasObject {
	n := min(max(p.leaf, 0), len(files)-1)
	turn := func(by int) func() {
		return func() {
			at := a.visit.here()
			at.leaf, at.offset = min(max(n+by, 0), len(files)-1), 0
		}
	}
	zoom := func(by int) func() {
		return func() { a.visit.here().zoom = min(max(p.zoom+by, 0), len(zooms)-1) }
	}
	number := a.block(a.word(), words.In(a.word(), "page", "n", strconv.Itoa(n+1), "m", strconv.Itoa(len(files))), theme.SizeNameText, "", true)
	number.Centre = true
	all := []fyne.CanvasObject{a.control("previous", n == 0, turn(-1)), container.NewCenter(number), a.control("next", n == len(files)-1, turn(1)),
		a.control("zoom_out", p.zoom == 0, zoom(-1)), a.control("zoom_in", p.zoom == len(zooms)-1, zoom(1))}
	keys := a.row(all...)
	pane := newPane(a.leaf(files[n], zooms[min(max(p.zoom, 0), len(zooms)-1)]), func() {})
	pane.scroll.Direction = container.ScrollBoth
	a.pane = pane
	return container.NewBorder(text.NewColumn(head...), container.NewVBox(space(gap/2), keys), nil, nil, pane)
}

// maxLeaf bounds a page's picture in pixels: 32 MB.
const maxLeaf = 8 << 20

// leaf is one page's picture.
func (a *App) leaf(f library.File, zoom float32) fyne.CanvasObject {
	scale := a.pixels()
	w := int((a.size.Width - 2*gap) * zoom * scale)
	h := maxLeaf / max(w, 1)
	img, err := decode.Picture(f.Path, w, h, playlist.Contain)
	if err != nil {
		return a.say("cannot_show", theme.SizeNameText)
	}
	c := canvas.NewImageFromImage(img)
	c.FillMode = canvas.ImageFillContain
	c.SetMinSize(sizeOf(img, scale))
	return c
}

// pixels is how many of the screen's make a unit of Fyne's.
func (a *App) pixels() float32 {
	if app := fyne.CurrentApp(); app != nil {
		if c := app.Driver().CanvasForObject(a.root); c != nil && c.Scale() > 0 {
			return c.Scale()
		}
	}
	return 1
}

func sizeOf(img image.Image, scale float32) fyne.Size {
	return fyne.NewSize(float32(img.Bounds().Dx())/scale, float32(img.Bounds().Dy())/scale)
}
