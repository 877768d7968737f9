package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"cotmoc/internal/kiosk"
)

// soakHour plays the sample content for an hour (COTMOC_MINUTES asks for
// another length) and keeps memory, descriptors and goroutines of every process, a line a
// minute, in the work folder.
func soakHour(ctx context.Context, l *lab) ([]result, error) {
	minutes := 60
	if n, err := strconv.Atoi(os.Getenv("COTMOC_MINUTES")); err == nil && n > 0 {
		minutes = n
	}
	x, err := startX(ctx, 1280, 720)
	if err != nil {
		return nil, err
	}
	defer x.stop()
	data, err := os.MkdirTemp(l.work, "hour")
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(l.bin, "kiosk"), "run", "--data", data, "--content", l.sample)
	cmd.Env = append(os.Environ(), "DISPLAY="+x.name)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	}()
	curve, err := os.Create(filepath.Join(l.work, "hour.csv"))
	if err != nil {
		return nil, err
	}
	defer curve.Close()
	fmt.Fprintln(curve, "minute,process,rss_mb,descriptors,goroutines,threads")
	first, last := map[string]float64{}, map[string]float64{}
	figures := map[string]float64{"minutes": float64(minutes)}
	for m := range minutes {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Minute):
		}
		st, err := kiosk.AskStatus(ctx, data)
		if err != nil {
			return nil, err
		}
		ours := []process{{"kiosk", cmd.Process.Pid, st.Routines}}
		for _, c := range st.Children {
			ours = append(ours, process{c.Name, c.PID, c.Routines})
			figures["restarts_"+c.Name] = float64(c.Restarts)
		}
		for name, value := range note(curve, m+1, ours) {
			if m == min(5, minutes/2) {
				first[name] = value
			}
			last[name] = value
		}
		figures["plays"] = float64(st.Plays)
	}
	for name := range last {
		figures[name], figures["growth_"+name] = last[name], last[name]-first[name]
	}
	return []result{{Name: "soak/hour", Figures: figures}}, nil
}

type process struct {
	name     string
	pid      int
	routines int
}

// note writes a line for each process and returns its memory in MB,
// descriptors and goroutines.
func note(curve io.Writer, minute int, ours []process) map[string]float64 {
	out := map[string]float64{}
	for _, p := range ours {
		fds, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.pid)) // gone: no entries
		tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", p.pid))
		out["rss_mb_"+p.name], out["descriptors_"+p.name], out["goroutines_"+p.name] = rss(p.pid), float64(len(fds)), float64(p.routines)
		fmt.Fprintf(curve, "%d,%s,%.1f,%d,%d,%d\n", minute, p.name, out["rss_mb_"+p.name], len(fds), p.routines, len(tasks))
	}
	return out
}
