// Bench measures what the issue asks for and prints one JSON object a line.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	_ "time/tzdata"
)

// result is one line of output; see the contract.
type result struct {
	Name    string             `json:"name"`
	Figures map[string]float64 `json:"figures"`
	Peer    *peer              `json:"peer,omitempty"`
	Beside  *peer              `json:"beside,omitempty"` // another peer, for orientation
	Ratio   float64            `json:"ratio,omitempty"`
	Pairs   int                `json:"pairs,omitempty"`
}

type peer struct {
	Name    string             `json:"name"`
	Figures map[string]float64 `json:"figures"`
}

// lab is where benchmarks run.
type lab struct {
	bin, work, sample string
}

type benchmark struct {
	name string
	soak bool // runs only when named
	run  func(ctx context.Context, l *lab) ([]result, error)
}

var benchmarks = []benchmark{
	{"resolve", false, benchResolve},
	{"stage/1080p30", false, bench1080},
	{"stage/ticker", false, benchTicker},
	{"start", false, benchStart},
	{"typeset", false, benchTypeset},
	{"sound/sync", false, benchSync},
	{"hub", false, benchHub},
	{"touch/search", false, benchTouch},
	{"touch/screen", false, benchGlass},
	{"sync", false, benchFetch},
	{"idle", false, benchIdle},
	{"fleet", false, benchFleet},
	{"soak/changes", true, soakChanges},
	{"soak/hour", true, soakHour},
	{"soak/monkey", true, soakMonkey},
}

func main() {
	if path := os.Getenv("COTMOC_FLEET_CLIENTS"); path != "" { // the fleet's other process
		if err := fleetClients(path, os.Getenv("COTMOC_FLEET_DOOR")); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	l := &lab{}
	flag.StringVar(&l.bin, "bin", "bin", "folder of the programs")
	flag.StringVar(&l.work, "work", ".cache/bench", "folder for clips and data")
	flag.StringVar(&l.sample, "sample", ".cache/sample", "the sample content folder")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := l.all(ctx, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func (l *lab) all(ctx context.Context, names []string) error {
	for _, p := range []*string{&l.bin, &l.work, &l.sample} {
		abs, err := filepath.Abs(*p)
		if err != nil {
			return err
		}
		*p = abs
	}
	if err := os.MkdirAll(l.work, 0o755); err != nil {
		return err
	}
	ran := 0
	for _, b := range benchmarks {
		wanted := len(names) == 0 && !b.soak || slices.ContainsFunc(names, func(n string) bool {
			return n == b.name || strings.HasPrefix(b.name, n+"/") || strings.HasPrefix(n, b.name+"/")
		})
		if !wanted {
			continue
		}
		ran++
		results, err := b.run(ctx, l)
		for _, r := range results {
			if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
				return err
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
	}
	if ran == 0 {
		return fmt.Errorf("there is no benchmark %v", names)
	}
	return nil
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Clone(v)
	slices.Sort(s)
	return s[len(s)/2]
}
