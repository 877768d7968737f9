package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"

	"cotmoc/internal/kiosk"
)

// soakMonkey touches and drags anywhere for an hour (COTMOC_MINUTES asks for another
// length), three times a second, and looks for crashes, growth and ways out. Now and then
// it rests for so long that the visit ends by itself.
func soakMonkey(ctx context.Context, l *lab) ([]result, error) {
	minutes := 60
	if n, err := strconv.Atoi(os.Getenv("COTMOC_MINUTES")); err == nil && n > 0 {
		minutes = n
	}
	content, err := l.touchContent()
	if err != nil {
		return nil, err
	}
	h, err := l.newHand(ctx, content, "--idle", monkeyIdle.String())
	if err != nil {
		return nil, err
	}
	figures, err := h.monkey(rand.New(rand.NewPCG(7, 7)), time.Duration(minutes)*time.Minute)
	return []result{{Name: "soak/monkey", Figures: figures}}, errors.Join(err, h.close())
}

// monkey acts for a time. Memory is compared from a tenth of the time to its end.
func (h *hand) monkey(r *rand.Rand, length time.Duration) (map[string]float64, error) {
	began := time.Now()
	early, most, acts := 0.0, 0.0, 0
	next := began
	for time.Since(began) < length {
		if err := h.act(r); err != nil {
			return nil, err
		}
		acts++
		if now := time.Now(); now.After(next) {
			next = now.Add(10 * time.Second)
			c := h.library()
			if c == nil || c.Restarts > 0 {
				return nil, fmt.Errorf("after %v and %d acts the library is gone or was started again: %+v", now.Sub(began), acts, c)
			}
			mb := rss(c.PID)
			most = max(most, mb)
			if early == 0 && now.Sub(began) > length/10 {
				early = mb
			}
		}
		select {
		case <-h.ctx.Done():
			return nil, h.ctx.Err()
		case <-time.After(pause(r)):
		}
	}
	windows, strangers, err := h.x.windows(h.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	st, err := kiosk.AskStatus(h.ctx, h.data)
	if err != nil {
		return nil, err
	}
	for _, f := range st.Faults {
		fmt.Fprintln(os.Stderr, "fault:", f.From, f.Text)
	}
	last := 0.0
	if c := h.library(); c != nil {
		last = rss(c.PID)
	}
	return map[string]float64{"minutes": length.Minutes(), "acts": float64(acts), "visits": float64(st.Visits.Visits), "items_opened": float64(st.Visits.Items), "restarts": 0, "faults": float64(len(st.Faults)),
		"rss_early_mb": early, "rss_last_mb": last, "rss_max_mb": most, "windows": float64(windows), "strange_windows": float64(strangers)}, nil
}

// monkeyIdle ends a visit; one act in two hundred is followed by a rest that is longer.
const monkeyIdle = 20 * time.Second

func pause(r *rand.Rand) time.Duration {
	if r.IntN(200) == 0 {
		return monkeyIdle + 2*time.Second
	}
	return time.Duration(100+r.IntN(400)) * time.Millisecond
}

// act is one thing that a hand may do: mostly a touch, now and then a drag.
func (h *hand) act(r *rand.Rand) error {
	from := image.Pt(r.IntN(1280), r.IntN(720))
	if r.IntN(5) > 0 {
		return h.finger.Tap(from)
	}
	to := image.Pt(r.IntN(1280), r.IntN(720))
	err := h.finger.Down(from)
	for n := 1; n <= 10; n++ {
		time.Sleep(8 * time.Millisecond)
		err = errors.Join(err, h.finger.Move(from.Add(to.Sub(from).Mul(n).Div(10))))
	}
	return errors.Join(err, h.finger.Up())
}

// windows counts the windows that can be seen, and those of them that neither kiosk nor
// its children have opened.
func (x *xServer) windows(kiosk int) (all, strangers int, err error) {
	conn, err := xgb.NewConnDisplay(x.name)
	if err != nil {
		return 0, 0, fmt.Errorf("windows: %w", err)
	}
	defer conn.Close()
	root := xproto.Setup(conn).DefaultScreen(conn).Root
	tree, err := xproto.QueryTree(conn, root).Reply()
	if err != nil {
		return 0, 0, fmt.Errorf("windows: %w", err)
	}
	name, err := xproto.InternAtom(conn, true, uint16(len("_NET_WM_PID")), "_NET_WM_PID").Reply()
	if err != nil {
		return 0, 0, fmt.Errorf("windows: %w", err)
	}
	for _, w := range tree.Children {
		a, err := xproto.GetWindowAttributes(conn, w).Reply()
		if err != nil || a.MapState != xproto.MapStateViewable {
			continue // gone by now, or only kept
		}
		all++
		p, err := xproto.GetProperty(conn, false, w, name.Atom, xproto.AtomCardinal, 0, 1).Reply()
		if err != nil || len(p.Value) < 4 || parent(int(binary.LittleEndian.Uint32(p.Value))) != kiosk {
			strangers++
		}
	}
	return all, strangers, nil
}

// parent is the process that started another; 0 where there is none.
func parent(pid int) int {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	n, err := strconv.Atoi(f[1])
	if err != nil {
		return 0
	}
	return n
}
