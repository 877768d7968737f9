package stage

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Stats counts what was presented. It is safe for concurrent use.
type Stats struct {
	mu        sync.Mutex
	start     time.Time
	first     time.Duration
	presented int
	frames    int
	late      int
	drops     int
	intervals []time.Duration
	lastDraw  time.Time
	changes   []Change
	way       Choice
}

// Change is one replacement of an entry. Gap is the time between the last
// picture of the one and the first of the other, as handed to the toolkit.
type Change struct {
	From  string  `json:"from"`
	To    string  `json:"to"`
	GapMS float64 `json:"gap_ms"`
}

// Report is what `stage --report` writes.
type Report struct {
	Presented    int                `json:"presented"`
	UniqueFrames int                `json:"unique_frames"`
	Late         int                `json:"late"`
	Dropped      int                `json:"dropped"`
	FirstFrameMS float64            `json:"first_frame_ms"`
	IntervalMS   map[string]float64 `json:"interval_ms"`
	Changes      []Change           `json:"changes"`
	RSSMB        float64            `json:"rss_mb"`
	CPUS         float64            `json:"cpu_s"` // this process and its children
	Renderer     string             `json:"renderer"`
	Decoder      string             `json:"decoder"`
	Way          Choice             `json:"frames"` // how video frames reach the screen, and what was measured
}

const (
	maxIntervals = 1 << 18
	maxChanges   = 1 << 14
)

func (s *Stats) frame(late time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frames++
	if late > 25*time.Millisecond {
		s.late++
	}
}

func (s *Stats) dropped(n int) {
	if n > 0 {
		s.mu.Lock()
		s.drops += n
		s.mu.Unlock()
	}
}

func (s *Stats) drawn(something bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.presented++
	if something && s.first == 0 {
		s.first = now.Sub(s.start)
	}
	if !s.lastDraw.IsZero() && len(s.intervals) < maxIntervals {
		s.intervals = append(s.intervals, now.Sub(s.lastDraw))
	}
	s.lastDraw = now
}

func (s *Stats) change(from, to *slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.changes) >= maxChanges {
		return
	}
	c := Change{To: string(to.cue.Entry.Item)}
	if from != nil {
		c.From = string(from.cue.Entry.Item)
		c.GapMS = float64(time.Since(s.lastDraw).Microseconds()) / 1000
	}
	s.changes = append(s.changes, c)
}

// Report sums up. renderer is the GL vendor string.
func (s *Stats) Report(renderer, decoder string) Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := Report{Presented: s.presented, UniqueFrames: s.frames, Late: s.late, Dropped: s.drops, Renderer: renderer, Decoder: decoder,
		FirstFrameMS: float64(s.first.Microseconds()) / 1000, Way: s.way, Changes: s.changes, RSSMB: rssMB(), CPUS: cpuSeconds()}
	sorted := slices.Clone(s.intervals)
	slices.Sort(sorted)
	at := func(share float64) float64 {
		if len(sorted) == 0 {
			return 0
		}
		return float64(sorted[int(share*float64(len(sorted)-1))].Microseconds()) / 1000
	}
	r.IntervalMS = map[string]float64{"p50": at(0.5), "p99": at(0.99), "max": at(1)}
	return r
}

func (s *Stats) count() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return uint64(s.presented)
}

func rssMB() float64 {
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	pages, err := strconv.Atoi(strings.Fields(string(raw) + " 0 0")[1])
	if err != nil {
		return 0
	}
	return float64(pages*os.Getpagesize()) / (1 << 20)
}

func cpuSeconds() float64 {
	var sum float64
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if unix.Getrusage(who, &u) == nil {
			sum += float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
		}
	}
	return sum
}
