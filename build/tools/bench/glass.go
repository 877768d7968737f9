package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cotmoc/internal/kiosk"
	"cotmoc/internal/screentest"
	"cotmoc/internal/supervise"
	"cotmoc/playlist"
)

// hand is a visitor at a kiosk with a touch screen of 1280×720, run by the real programs.
type hand struct {
	ctx    context.Context
	x      *xServer
	cmd    *exec.Cmd
	data   string
	seen   string
	finger *screentest.Finger
}

// touchContent is a gate with a library of 20,000 items and one long document; its stage
// shows one plain picture.
func (l *lab) touchContent() (string, error) {
	dir := filepath.Join(l.work, "content-touch")
	if _, err := os.Stat(filepath.Join(dir, "content.json")); err == nil {
		return dir, nil
	}
	sentences, err := sentencesOf("assets/sample/udhr.json")
	if err != nil {
		return "", err
	}
	return dir, l.writeBig(dir, func(r *playlist.Rows) {
		r.Displays[0].Role = playlist.RoleBoth
		r.Places[0].Languages = []playlist.Language{"vi", "en", "zh-Hans", "lo", "km"}
		var long strings.Builder
		for _, s := range sentences["vi"] {
			long.WriteString(s + ".\n\n")
		}
		// The first on its shelf: where it is touched does not depend on the rest.
		r.Items = append([]playlist.Item{{ID: "long", Kind: playlist.Bulletin, Shelf: "read"}}, r.Items...)
		r.Versions = append(r.Versions, playlist.Version{Item: "long", Language: "vi", Title: "Văn bản dài", Text: clipped(long.String(), 20_000)})
	})
}

func (l *lab) newHand(ctx context.Context, content string, touchArgs ...string) (*hand, error) {
	x, err := startX(ctx, 1280, 720)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "cotmoc-hand")
	if err != nil {
		return nil, errors.Join(err, x.stop())
	}
	h := &hand{ctx: ctx, x: x, data: filepath.Join(l.work, "data-touch"), seen: filepath.Join(dir, "seen.json")}
	if h.finger, err = screentest.NewFinger(x.name); err != nil {
		return nil, errors.Join(err, h.close())
	}
	h.cmd = exec.CommandContext(ctx, filepath.Join(l.bin, "kiosk"), "run", "--data", h.data, "--content", content, "--touch-args", strings.Join(append(touchArgs, "--seen", h.seen), " "))
	h.cmd.Env = append(os.Environ(), "DISPLAY="+x.name)
	if err := h.cmd.Start(); err != nil {
		return nil, errors.Join(err, h.close())
	}
	if err := h.until("the stage and the library", func() bool { return h.library() != nil && h.look().N > 0 && h.atStage() }); err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

func (h *hand) close() error {
	var err error
	if h.finger != nil {
		h.finger.Close()
	}
	if h.cmd != nil && h.cmd.Process != nil {
		err = h.cmd.Process.Signal(os.Interrupt)
		_ = h.cmd.Wait()
	}
	return errors.Join(err, h.x.stop(), os.RemoveAll(filepath.Dir(h.seen)))
}

// library is the library as kiosk sees it; nil while it is not there.
func (h *hand) library() *supervise.Status {
	st, err := kiosk.AskStatus(h.ctx, h.data)
	if err != nil {
		return nil
	}
	i := slices.IndexFunc(st.Children, func(c supervise.Status) bool { return c.Name == "touch" && !c.LastBeat.IsZero() })
	if i < 0 {
		return nil
	}
	return &st.Children[i]
}

func (h *hand) look() screentest.Seen {
	s, err := screentest.ReadSeen(h.seen)
	if err != nil {
		return screentest.Seen{}
	}
	return s
}

// atStage says whether the stage's picture is on the screen.
func (h *hand) atStage() bool {
	img, err := h.x.grab(image.Rect(600, 300, 601, 301))
	return err == nil && screentest.Near(img.RGBAAt(0, 0), mark, 12)
}

func (h *hand) until(what string, ok func() bool) error {
	end := time.Now().Add(time.Minute)
	for !ok() {
		select {
		case <-h.ctx.Done():
			return h.ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(end) {
			return fmt.Errorf("waited a minute for %s", what)
		}
	}
	return nil
}

// still is how long a screen that is done stands still.
const still = 300 * time.Millisecond

// page is a part of the screen that every page fills: a larger one takes longer to look at.
var page = image.Rect(20, 100, 420, 420)

// touch touches what bears these words and returns when a part of the screen first
// changed, and when it changed last.
func (h *hand) touch(words string, watched image.Rectangle) (first, last float64, err error) {
	var at image.Point
	err = h.until(words, func() (ok bool) { at, ok = h.look().Target(words); return ok })
	if err != nil {
		return 0, 0, err
	}
	a, b, err := screentest.FirstChange(h.x.name, watched, still, func() error { return h.finger.Tap(at) })
	return ms(a), ms(b), err
}

// series are what was measured, by name.
type series map[string][]float64

func (s series) add(name string, first, last float64) {
	s[name+"_first_pixel"] = append(s[name+"_first_pixel"], first)
	s[name+"_done"] = append(s[name+"_done"], last)
}

func (s series) into(figures map[string]float64) {
	for name, v := range s {
		figures[name+"_p50_ms"], figures[name+"_max_ms"] = median(v), at(v, 1)
	}
}

// touchVisits is how many visits are made.
const touchVisits = 12

// benchGlass measures what a finger feels: the time from a touch to the first changed
// pixel and to the finished page, as another process sees the screen.
func benchGlass(ctx context.Context, l *lab) ([]result, error) {
	content, err := l.touchContent()
	if err != nil {
		return nil, err
	}
	h, err := l.newHand(ctx, content)
	if err != nil {
		return nil, err
	}
	s := series{}
	for n := range touchVisits {
		if err := h.visit(s, n == 0); err != nil {
			return nil, errors.Join(err, h.close())
		}
	}
	figures := map[string]float64{"visits": touchVisits, "items": 20_000}
	s.into(figures)
	if err := h.scroll(figures); err != nil {
		return nil, errors.Join(err, h.close())
	}
	if c := h.library(); c != nil {
		figures["rss_mb"], figures["restarts"] = rss(c.PID), float64(c.Restarts)
	}
	if err := h.close(); err != nil {
		return nil, err
	}
	if err := l.startGlass(ctx, figures); err != nil {
		return nil, err
	}
	return []result{{Name: "touch/screen", Figures: figures}}, nil
}

// visit goes from the stage to a long document, searches, and leaves. The first visit
// warms what the machine has never read; it is not counted.
func (h *hand) visit(s series, warming bool) error {
	if warming {
		s = series{}
	}
	first, last, err := screentest.FirstChange(h.x.name, page, still, func() error { return h.finger.Tap(image.Pt(640, 300)) })
	if err != nil {
		return fmt.Errorf("attract: %w", err)
	}
	s.add("attract_home", ms(first), ms(last))
	for _, step := range []struct{ name, words string }{{"home_shelf", "Đọc"}, {"shelf_item", "Văn bản dài"}, {"item_home", "Trang đầu"}, {"home_news", "Tin tức"}, {"news_home", "Trang đầu"}, {"home_search", "Tìm kiếm"}, {"key_results", "n"}, {"key_results", "o"}} {
		a, b, err := h.touch(step.words, page)
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		s.add(step.name, a, b)
	}
	if _, _, err := h.touch("Trang đầu", page); err != nil {
		return err
	}
	a, b, err := h.touch("Kết thúc", page)
	s.add("finish_stage", a, b)
	if err != nil {
		return err
	}
	return h.until("the stage", h.atStage)
}

// scroll drags a long document up and down, as fast as a finger does, and looks at when
// the page changes.
func (h *hand) scroll(figures map[string]float64) error {
	if _, _, err := screentest.FirstChange(h.x.name, page, still, func() error { return h.finger.Tap(image.Pt(640, 300)) }); err != nil {
		return err
	}
	for _, words := range []string{"Đọc", "Văn bản dài"} {
		if _, _, err := h.touch(words, page); err != nil {
			return err
		}
	}
	var frames []time.Time
	var before []byte
	stop, err := screentest.Watch(h.x.name, image.Rect(20, 160, 320, 500), time.Millisecond, func(s screentest.Sample) {
		if before != nil && !slices.Equal(before, s.Img.Pix) {
			frames = append(frames, s.At)
		}
		before = append(before[:0], s.Img.Pix...)
	})
	if err != nil {
		return err
	}
	err = h.drag()
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	var gaps []float64
	for n := 1; n < len(frames); n++ {
		if gap := frames[n].Sub(frames[n-1]); gap < still { // longer: the finger was lifted
			gaps = append(gaps, ms(gap))
		}
	}
	figures["scroll_frames"], figures["scroll_frame_p50_ms"], figures["scroll_frame_p99_ms"], figures["scroll_frame_max_ms"] = float64(len(frames)), median(gaps), at(gaps, 0.99), at(gaps, 1)
	return nil
}

// drag moves the page four times by most of the screen's height, 480 pixels a second, the
// finger being told of every eight milliseconds.
func (h *hand) drag() error {
	tick := time.NewTicker(8 * time.Millisecond)
	defer tick.Stop()
	for n := range 4 {
		from, to := 580, 180
		if n >= 2 {
			from, to = 180, 580
		}
		if err := h.finger.Down(image.Pt(600, from)); err != nil {
			return err
		}
		for y := from; y != to; y += 4 * (to - from) / 400 {
			<-tick.C
			if err := h.finger.Move(image.Pt(600, y)); err != nil {
				return err
			}
		}
		if err := h.finger.Up(); err != nil {
			return err
		}
		time.Sleep(2 * still)
	}
	return nil
}

// startGlass measures from the library's start to its standing first page, with the
// files in the machine's memory.
func (l *lab) startGlass(ctx context.Context, figures map[string]float64) error {
	editions, err := filepath.Glob(filepath.Join(l.work, "data-touch", "editions", "*.db"))
	editions = slices.DeleteFunc(editions, func(p string) bool { return strings.HasSuffix(p, ".fts.db") })
	if err != nil || len(editions) == 0 {
		return fmt.Errorf("no edition was made: %w", err)
	}
	s := series{}
	for n := range 5 {
		x, err := startX(ctx, 1280, 720)
		if err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, filepath.Join(l.bin, "touch"), "--data", filepath.Join(l.work, "data-touch"), "--edition", strings.TrimSuffix(filepath.Base(editions[len(editions)-1]), ".db"), "--place", "g", "--size", "1280x720")
		cmd.Env = append(os.Environ(), "DISPLAY="+x.name)
		first, last, err := screentest.FirstChange(x.name, page, time.Second, cmd.Start)
		if cmd.Process != nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		if err := errors.Join(err, x.stop()); err != nil {
			return err
		}
		if n > 0 {
			s.add("start", ms(first), ms(last))
		}
	}
	s.into(figures)
	return nil
}
