// Package screentest watches a virtual X screen from outside: it starts Xvfb
// and samples the root window, whoever draws there.
package screentest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"cotmoc/device"
)

// StartX starts a virtual display and returns its name and the server's process
// number. stop ends it.
//
// The number is picked here and not by the server: one that picks for itself
// takes no lock, and two that start together can get the same.
func StartX(ctx context.Context, w, h int) (name string, pid int, stop func() error, err error) {
	for range 20 {
		if name, pid, stop, err = startX(ctx, 1000+rand.IntN(30000), w, h); err == nil {
			break
		}
	}
	return name, pid, stop, err
}

func startX(ctx context.Context, number, w, h int) (name string, pid int, stop func() error, err error) {
	r, pipe, err := os.Pipe()
	if err != nil {
		return "", 0, nil, fmt.Errorf("start Xvfb: %w", err)
	}
	defer r.Close()
	cmd := exec.CommandContext(ctx, "Xvfb", fmt.Sprintf(":%d", number), "-displayfd", "3", "-screen", "0", fmt.Sprintf("%dx%dx24", w, h), "-nolisten", "tcp", "-noreset")
	cmd.ExtraFiles = []*os.File{pipe}
	if err := cmd.Start(); err != nil {
		return "", 0, nil, errors.Join(fmt.Errorf("start Xvfb: %w", err), pipe.Close())
	}
	pipe.Close()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil { // the number is taken, most likely
		return "", 0, nil, errors.Join(fmt.Errorf("the server Xvfb did not start: %w", err), cmd.Wait())
	}
	stop = func() error {
		cmd.Process.Kill()
		cmd.Wait()
		return nil
	}
	return ":" + strings.TrimSpace(line), cmd.Process.Pid, stop, nil
}

// Sample is one look at the watched part of the screen.
type Sample struct {
	At  time.Time
	Img *image.RGBA
}

// Black says whether nearly every pixel is.
func Black(img *image.RGBA) bool {
	dark := 0
	for i := 0; i < len(img.Pix); i += 4 {
		if int(img.Pix[i])+int(img.Pix[i+1])+int(img.Pix[i+2]) < 24 {
			dark++
		}
	}
	return dark*4 > len(img.Pix)*98/100
}

// Near says whether a colour is close to another.
func Near(a, b color.RGBA, by int) bool {
	d := func(x, y uint8) bool { return int(x)-int(y) <= by && int(y)-int(x) <= by }
	return d(a.R, b.R) && d(a.G, b.G) && d(a.B, b.B)
}

// Watch grabs part of the screen every interval and hands it to see, until
// stop is called, which waits for it.
func Watch(display string, r image.Rectangle, every time.Duration, see func(Sample)) (stop func() error, err error) {
	screen, err := device.OpenScreenNamed(display)
	if err != nil {
		return nil, err
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	var failed error
	wg.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		defer screen.Close()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			img, err := screen.Grab(r)
			if err != nil {
				failed = err
				return
			}
			see(Sample{time.Now(), img})
		}
	})
	return func() error {
		close(done)
		wg.Wait()
		return failed
	}, nil
}
