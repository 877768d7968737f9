package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"cotmoc/device"
	"cotmoc/internal/screentest"
	"cotmoc/player/stage"
	"cotmoc/playlist"
)

// xServer is a private virtual display whose CPU time is counted.
type xServer struct {
	name string
	pid  int
	stop func() error
}

func startX(ctx context.Context, w, h int) (*xServer, error) {
	name, pid, stop, err := screentest.StartX(ctx, w, h)
	if err != nil {
		return nil, err
	}
	return &xServer{name, pid, stop}, nil
}

// cpu is the server's CPU time in seconds.
func (x *xServer) cpu() float64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", x.pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	user, err1 := strconv.Atoi(f[11])
	system, err2 := strconv.Atoi(f[12])
	if err1 != nil || err2 != nil {
		return 0
	}
	return float64(user+system) / 100
}

// grab takes a picture of a part of the screen.
func (x *xServer) grab(r image.Rectangle) (*image.RGBA, error) {
	s, err := device.OpenScreenNamed(x.name)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return s.Grab(r)
}

// spent runs a command on the display for a time and returns its CPU seconds a
// second, children and X server included.
func (x *xServer) spent(ctx context.Context, length time.Duration, name string, args ...string) (float64, error) {
	before := x.cpu()
	ctx, cancel := context.WithTimeout(ctx, length+30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "DISPLAY="+x.name)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	timer := time.AfterFunc(length, func() { cmd.Process.Signal(syscall.SIGTERM) })
	defer timer.Stop()
	err := cmd.Wait()
	ran := time.Since(start)
	if ran < length*9/10 {
		return 0, fmt.Errorf("%s ended after %v: %v: %s", name, ran, err, complaint.String())
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, errors.New("no resource usage")
	}
	own := float64(usage.Utime.Sec+usage.Stime.Sec) + float64(usage.Utime.Usec+usage.Stime.Usec)/1e6
	return (own + x.cpu() - before) / ran.Seconds(), nil
}

// make makes a file with ffmpeg, once.
func (l *lab) make(name string, args ...string) (string, error) {
	path := filepath.Join(l.work, name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	part := filepath.Join(l.work, "part-"+name)
	args = append([]string{"-nostdin", "-v", "error", "-y"}, append(args, part)...)
	if text, err := exec.Command("ffmpeg", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("make %s: %w: %s", name, err, text)
	}
	return path, os.Rename(part, path)
}

// programme writes a programme document with one main zone and returns its path.
func (l *lab) programme(name string, w, h int, zones ...playlist.ProgrammeZone) (string, error) {
	p := playlist.Programme{Format: playlist.ProgrammeFormat, Display: playlist.ProgrammeDisplay{ID: "bench", Width: w, Height: h},
		Place: playlist.ProgrammePlace{ID: "bench", Names: playlist.Names{"vi": "Bench"}, Languages: []playlist.Language{"vi"}, Zone: "Asia/Ho_Chi_Minh"},
		Clock: playlist.ProgrammeClock{Trusted: true}, Zones: zones}
	raw, err := json.Marshal(p)
	if err != nil {
		return "", err
	}
	path := filepath.Join(l.work, name+".json")
	return path, os.WriteFile(path, raw, 0o644)
}

func clipEntry(id string, paths ...string) playlist.ProgrammeEntry {
	e := playlist.ProgrammeEntry{ID: playlist.ID(id), Item: playlist.ID(id), Kind: playlist.Video}
	for _, p := range paths {
		e.Versions = append(e.Versions, playlist.ProgrammeVersion{Version: playlist.ID(id), Language: "zxx", Media: []playlist.ProgrammeFile{{Path: p, Type: "video/mp4"}}})
	}
	return e
}

func mainZone(h int, entries ...playlist.ProgrammeEntry) playlist.ProgrammeZone {
	return playlist.ProgrammeZone{Zone: playlist.Zone{ID: "main", W: 1000, H: h, Source: playlist.Source{Kind: playlist.FromLayer, Layer: playlist.Main}},
		Turns: playlist.Rotate, Entries: entries}
}

func readReport(path string) (stage.Report, error) {
	var r stage.Report
	raw, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(raw, &r)
}
