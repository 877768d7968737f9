// Package device is this machine: its screens, its clock, its health.
package device

import (
	"fmt"
	"image"
	"io"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
)

// Screen reads the pixels of an X screen's root window: what is really seen,
// whoever drew it. It is not safe for concurrent use.
type Screen struct {
	conn *xgb.Conn
	root xproto.Window
	Size image.Point
}

// OpenScreen connects to the X server named by DISPLAY.
func OpenScreen() (*Screen, error) { return OpenScreenNamed("") }

// OpenScreenNamed connects to the X server with the given name, such as ":7".
func OpenScreenNamed(display string) (*Screen, error) {
	xgb.Logger.SetOutput(io.Discard) // it reports the lack of an authority file, which is no error
	conn, err := xgb.NewConnDisplay(display)
	if err != nil {
		return nil, fmt.Errorf("connect to the X server: %w", err)
	}
	s := xproto.Setup(conn).DefaultScreen(conn)
	return &Screen{conn: conn, root: s.Root, Size: image.Pt(int(s.WidthInPixels), int(s.HeightInPixels))}, nil
}

// Grab returns the pixels of r. It takes a few milliseconds for a full screen.
func (s *Screen) Grab(r image.Rectangle) (*image.RGBA, error) {
	img := image.NewRGBA(image.Rectangle{Max: r.Size()})
	// A reply is limited in size, so tall pictures come in strips.
	const strip = 256
	for y := 0; y < r.Dy(); y += strip {
		h := min(strip, r.Dy()-y)
		reply, err := xproto.GetImage(s.conn, xproto.ImageFormatZPixmap, xproto.Drawable(s.root),
			int16(r.Min.X), int16(r.Min.Y+y), uint16(r.Dx()), uint16(h), ^uint32(0)).Reply()
		if err != nil {
			return nil, fmt.Errorf("read the screen: %w", err)
		}
		if len(reply.Data) < r.Dx()*h*4 {
			return nil, fmt.Errorf("the screen has %d bits a pixel, expected 32", len(reply.Data)*8/(r.Dx()*h))
		}
		out := img.Pix[y*img.Stride:]
		for i := 0; i < r.Dx()*h*4; i += 4 {
			out[i], out[i+1], out[i+2], out[i+3] = reply.Data[i+2], reply.Data[i+1], reply.Data[i], 255
		}
	}
	return img, nil
}

// Close closes the connection.
func (s *Screen) Close() { s.conn.Close() }

// GrabAll returns the whole screen.
func (s *Screen) GrabAll() (*image.RGBA, error) { return s.Grab(image.Rectangle{Max: s.Size}) }

// Pointer returns where the pointer, or the last finger, is.
func (s *Screen) Pointer() (image.Point, bool) {
	p, err := xproto.QueryPointer(s.conn, s.root).Reply()
	if err != nil {
		return image.Point{}, false
	}
	return image.Pt(int(p.RootX), int(p.RootY)), true
}
