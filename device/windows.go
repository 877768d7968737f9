package device

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"

	"github.com/jezek/xgb/randr"
	"github.com/jezek/xgb/xproto"
)

// ErrNoWindow is returned where a process has no window.
var ErrNoWindow = errors.New("the process has no window on this screen")

// Raise puts the window of a process above all others. There is no window manager on
// a kiosk: what stands on top has the touches. It takes a few milliseconds; the picture
// changes at once, with no frame in between.
func (s *Screen) Raise(pid int) error {
	w, err := s.windowOf(pid)
	if err != nil {
		return err
	}
	err = xproto.ConfigureWindowChecked(s.conn, w, xproto.ConfigWindowStackMode, []uint32{xproto.StackModeAbove}).Check()
	if err != nil {
		return fmt.Errorf("raise a window: %w", err)
	}
	return nil
}

// windowOf finds the uppermost mapped window that says that it belongs to a process.
func (s *Screen) windowOf(pid int) (xproto.Window, error) {
	name, err := xproto.InternAtom(s.conn, true, uint16(len("_NET_WM_PID")), "_NET_WM_PID").Reply()
	if err != nil {
		return 0, fmt.Errorf("look for a window: %w", err)
	}
	tree, err := xproto.QueryTree(s.conn, s.root).Reply()
	if err != nil {
		return 0, fmt.Errorf("look for a window: %w", err)
	}
	for i := len(tree.Children) - 1; i >= 0; i-- {
		w := tree.Children[i]
		p, err := xproto.GetProperty(s.conn, false, w, name.Atom, xproto.AtomCardinal, 0, 1).Reply()
		if err != nil || len(p.Value) < 4 || int(binary.LittleEndian.Uint32(p.Value)) != pid {
			continue // it may be gone by now
		}
		a, err := xproto.GetWindowAttributes(s.conn, w).Reply()
		if err == nil && a.MapState == xproto.MapStateViewable {
			return w, nil
		}
	}
	return 0, ErrNoWindow
}

// Monitors lists the screen's monitors, the primary one first; the whole screen where
// the server cannot say.
func (s *Screen) Monitors() []image.Rectangle {
	whole := []image.Rectangle{{Max: s.Size}}
	if randr.Init(s.conn) != nil {
		return whole
	}
	reply, err := randr.GetMonitors(s.conn, s.root, true).Reply()
	if err != nil || len(reply.Monitors) == 0 {
		return whole
	}
	var out []image.Rectangle
	for _, m := range reply.Monitors {
		r := image.Rect(int(m.X), int(m.Y), int(m.X)+int(m.Width), int(m.Y)+int(m.Height))
		if m.Primary {
			out = append([]image.Rectangle{r}, out...)
			continue
		}
		out = append(out, r)
	}
	return out
}
