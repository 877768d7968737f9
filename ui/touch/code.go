package touch

import (
	"image"
	"unicode"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"github.com/boombuler/barcode"
	"github.com/boombuler/barcode/qr"

	"cotmoc/ui/text"
)

// code shows an item's public address as a QR code: the one way out of the kiosk, in
// the visitor's own pocket.
func (a *App) code(url string) fyne.CanvasObject {
	made, err := qr.Encode(url, qr.M, qr.Auto)
	if err != nil {
		return a.block("en", url, theme.SizeNameText, "", false)
	}
	const quiet = 4 // modules of white around it
	n := made.Bounds().Dx() + 2*quiet
	side := int(4 * a.o.Finger)
	k := max(1, side/n)
	scaled, err := barcode.Scale(made, made.Bounds().Dx()*k, made.Bounds().Dy()*k)
	if err != nil {
		return a.block("en", url, theme.SizeNameText, "", false)
	}
	img := image.NewGray(image.Rect(0, 0, n*k, n*k))
	for i := range img.Pix {
		img.Pix[i] = 0xFF
	}
	for y := range scaled.Bounds().Dy() {
		for x := range scaled.Bounds().Dx() {
			img.Set(x+quiet*k, y+quiet*k, scaled.At(x, y))
		}
	}
	c := canvas.NewImageFromImage(img)
	c.ScaleMode = canvas.ImageScalePixels
	c.FillMode = canvas.ImageFillContain
	c.SetMinSize(fyne.NewSize(4*a.o.Finger, 4*a.o.Finger))
	note := a.say("take_along", theme.SizeNameText)
	return text.NewColumn(note, container.NewHBox(c))
}

func combining(r rune) bool { return unicode.Is(unicode.M, r) }
