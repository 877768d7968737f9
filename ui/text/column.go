package text

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
)

// NewColumn stacks objects, each as wide as the column and as high as it then
// wants to be. (Fyne's own VBox asks for the height before it gives the width.)
func NewColumn(objects ...fyne.CanvasObject) *fyne.Container {
	return container.New(column{}, objects...)
}

type column struct{}

// Layout implements fyne.Layout.
func (column) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	y := float32(0)
	for _, o := range objects {
		if !o.Visible() {
			continue
		}
		o.Resize(fyne.NewSize(size.Width, o.MinSize().Height))
		least := fyne.NewSize(size.Width, o.MinSize().Height)
		o.Resize(least)
		o.Move(fyne.NewPos(0, y))
		y += least.Height + theme.Padding()
	}
}

// MinSize implements fyne.Layout.
func (column) MinSize(objects []fyne.CanvasObject) fyne.Size {
	var size fyne.Size
	for _, o := range objects {
		if !o.Visible() {
			continue
		}
		least := o.MinSize()
		size.Width = max(size.Width, least.Width)
		if size.Height > 0 {
			size.Height += theme.Padding()
		}
		size.Height += least.Height
	}
	return size
}
