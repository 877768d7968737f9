package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"cotmoc/internal/screentest"
	"cotmoc/playlist"
)

// mixed is a list of clips of 1 to 3 s and pictures of 1 to 2 s.
type mixedItem struct {
	id     int
	path   string
	frames int // 0: a picture
	lasts  time.Duration
}

func (l *lab) mixed() ([]mixedItem, error) {
	var out []mixedItem
	for i, frames := range []int{60, 0, 30, 45, 0, 90, 36, 0, 30, 75} {
		item := mixedItem{id: i + 1, frames: frames, lasts: time.Duration(frames) * time.Second / 30}
		var err error
		if frames > 0 {
			item.path, err = l.codedClip(item.id, frames)
		} else {
			item.lasts = time.Second
			item.path, err = l.codedPicture(item.id)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, item)
	}
	return out, nil
}

// observer follows the codes on the screen.
type observer struct {
	list         []mixedItem
	began        bool
	item, frame  int
	newFrame     time.Time // when the newest frame appeared
	changes      int
	black, wrong int
	skipped      int // changes that are not to the list's next item
	gaps         []float64
	samples      int
}

func (o *observer) see(s screentest.Sample) {
	o.samples++
	item, frame, ok := readCode(s.Img)
	switch {
	case !ok && !o.began:
		return
	case !ok && screentest.Black(s.Img):
		o.black++
		return
	case !ok:
		o.wrong++
		return
	}
	if !o.began {
		o.began, o.item, o.frame, o.newFrame = true, item, frame, s.At
		return
	}
	if item != o.item {
		o.change(item, s.At)
	} else if frame == o.frame {
		return
	}
	o.item, o.frame, o.newFrame = item, frame, s.At
}

// change notes the time between the last new picture of one item and the first
// of the next, less what a picture is meant to stand.
func (o *observer) change(to int, at time.Time) {
	o.changes++
	from := o.list[(o.item-1)%len(o.list)]
	if to != from.id%len(o.list)+1 {
		o.skipped++
	}
	gap := at.Sub(o.newFrame)
	if from.frames == 0 {
		gap -= from.lasts
		gap = max(gap, 0) + time.Second/30
	}
	o.gaps = append(o.gaps, ms(gap))
}

func (o *observer) figures() map[string]float64 {
	slices.Sort(o.gaps)
	at := func(share float64) float64 {
		if len(o.gaps) == 0 {
			return math.NaN()
		}
		return o.gaps[int(share*float64(len(o.gaps)-1))]
	}
	if len(o.gaps) == 0 {
		o.gaps = []float64{0}
	}
	return map[string]float64{"changes": float64(o.changes), "black_frames": float64(o.black), "wrong_frames": float64(o.wrong), "out_of_order": float64(o.skipped),
		"gap_p50_ms": at(0.5), "gap_p99_ms": at(0.99), "gap_max_ms": at(1), "samples": float64(o.samples)}
}

// soakChanges watches 1,000 changes of ours, then 200 of mpv's on the same
// list. COTMOC_CHANGES asks for another number, to try it out.
func soakChanges(ctx context.Context, l *lab) ([]result, error) {
	wanted := 1000
	if n, err := strconv.Atoi(os.Getenv("COTMOC_CHANGES")); err == nil && n > 0 {
		wanted = n
	}
	list, err := l.mixed()
	if err != nil {
		return nil, err
	}
	var entries []playlist.ProgrammeEntry
	mpv := []string{"--no-config", "--vo=gpu", "--gpu-sw=yes", "--no-audio", "--really-quiet", "--fs", "--loop-playlist=inf", "--image-display-duration=1", "--prefetch-playlist=yes"}
	for _, m := range list {
		e := clipEntry(fmt.Sprintf("item-%d", m.id), m.path)
		if m.frames == 0 {
			e.Kind, e.Duration, e.Versions[0].Media[0].Type = playlist.Picture, playlist.Duration(m.lasts), "image/png"
		}
		entries = append(entries, e)
		mpv = append(mpv, m.path)
	}
	doc, err := l.programme("changes", 1280, 720, mainZone(1000, entries...))
	if err != nil {
		return nil, err
	}
	us, growth, err := l.observe(ctx, list, wanted, filepath.Join(l.bin, "stage"), "--choice", filepath.Join(l.work, "frames.json"), "--programme", doc)
	if err != nil {
		return nil, err
	}
	them, _, err := l.observe(ctx, list, max(20, wanted/5), "mpv", mpv...)
	if err != nil {
		return nil, err
	}
	figures := us.figures()
	figures["rss_growth_mb"] = growth
	return []result{{Name: "soak/changes", Figures: figures, Peer: &peer{"mpv --vo=gpu, same list", them.figures()}, Ratio: figures["gap_max_ms"] / them.figures()["gap_max_ms"], Pairs: 1}}, nil
}

// observe runs a player until so many changes were seen. growth is how much
// its memory grew from a tenth of the way to the end.
func (l *lab) observe(ctx context.Context, list []mixedItem, wanted int, name string, args ...string) (*observer, float64, error) {
	x, err := startX(ctx, 1280, 720)
	if err != nil {
		return nil, 0, err
	}
	defer x.stop()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "DISPLAY="+x.name)
	if err := cmd.Start(); err != nil {
		return nil, 0, err
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	o := &observer{list: list}
	enough := make(chan struct{})
	early := 0.0
	done := false
	stop, err := screentest.Watch(x.name, image.Rect(0, 0, cell*cells, cell), 4*time.Millisecond, func(s screentest.Sample) {
		if done {
			return
		}
		o.see(s)
		if o.changes == max(10, wanted/10) && early == 0 {
			early = rss(cmd.Process.Pid)
		}
		if o.changes >= wanted {
			done = true
			close(enough)
		}
	})
	if err != nil {
		return nil, 0, err
	}
	select {
	case <-enough:
	case <-ctx.Done():
		return nil, 0, errors.Join(ctx.Err(), stop())
	case <-time.After(time.Duration(wanted)*4*time.Second + time.Minute):
		return nil, 0, errors.Join(fmt.Errorf("%s made only %d changes", name, o.changes), stop())
	}
	growth := rss(cmd.Process.Pid) - early
	return o, growth, stop()
}

// rss is a process's resident memory in MB.
func rss(pid int) float64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(raw))
	pages, err := strconv.Atoi(f[1])
	if err != nil {
		return 0
	}
	return float64(pages*os.Getpagesize()) / (1 << 20)
}
