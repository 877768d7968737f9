package device

import (
	"fmt"
	"image"

	"github.com/jezek/xgb/xproto"
)

// SetBackground makes img what the X server itself shows where there is no
// window: when the stage dies, the screen is this picture and not black. It
// stays after the connection is closed.
func (s *Screen) SetBackground(img *image.RGBA) error {
	pixmap, err := xproto.NewPixmapId(s.conn)
	if err != nil {
		return fmt.Errorf("set the background: %w", err)
	}
	screen := xproto.Setup(s.conn).DefaultScreen(s.conn)
	w, h := img.Rect.Dx(), img.Rect.Dy()
	if err := xproto.CreatePixmapChecked(s.conn, screen.RootDepth, pixmap, xproto.Drawable(s.root), uint16(w), uint16(h)).Check(); err != nil {
		return fmt.Errorf("set the background: %w", err)
	}
	gc, err := xproto.NewGcontextId(s.conn)
	if err != nil {
		return fmt.Errorf("set the background: %w", err)
	}
	if err := xproto.CreateGCChecked(s.conn, gc, xproto.Drawable(pixmap), 0, nil).Check(); err != nil {
		return fmt.Errorf("set the background: %w", err)
	}
	rows := max(1, 200_000/(w*4)) // a request holds at most 256 KiB
	for y := 0; y < h; y += rows {
		n := min(rows, h-y)
		data := make([]byte, n*w*4)
		for i := 0; i < len(data); i += 4 {
			p := img.Pix[y*img.Stride+i:]
			data[i], data[i+1], data[i+2] = p[2], p[1], p[0]
		}
		if err := xproto.PutImageChecked(s.conn, xproto.ImageFormatZPixmap, xproto.Drawable(pixmap), gc, uint16(w), uint16(n), 0, int16(y), 0, screen.RootDepth, data).Check(); err != nil {
			return fmt.Errorf("set the background: %w", err)
		}
	}
	if err := xproto.ChangeWindowAttributesChecked(s.conn, s.root, xproto.CwBackPixmap, []uint32{uint32(pixmap)}).Check(); err != nil {
		return fmt.Errorf("set the background: %w", err)
	}
	// The server keeps the picture with the window; the pixmap may go.
	return xproto.ClearAreaChecked(s.conn, false, s.root, 0, 0, 0, 0).Check()
}
