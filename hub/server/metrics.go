package server

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"cotmoc/hub/server/central"
	"cotmoc/hub/server/desk"
)

// metrics are the figures of /metrics, in Prometheus' text form. They name no
// person and no place.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
}

func newMetrics(h *Hub) *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	m.requests = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "hub_request_seconds", Help: "Time to answer, by part of the hub, method and status.",
		Buckets: []float64{0.001, 0.005, 0.02, 0.1, 0.5, 2, 10}}, []string{"part", "method", "status"})
	gauge := func(name, help string, f func(context.Context, central.Reader) (float64, error)) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			var v float64
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			err := h.store.Read(ctx, func(r central.Reader) (err error) { v, err = f(ctx, r); return err })
			if err != nil {
				return -1 // cannot be told
			}
			return v
		})
	}
	jobs := func(states ...string) func(context.Context, central.Reader) (float64, error) {
		return func(ctx context.Context, r central.Reader) (float64, error) {
			n, err := r.Count(ctx, central.Query{Kind: central.Jobs, States: states})
			return float64(n), err
		}
	}
	m.registry.MustRegister(m.requests, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		gauge("hub_jobs_waiting", "Jobs that are queued or running.", jobs(desk.JobQueued, desk.JobRunning)),
		gauge("hub_jobs_dead", "Jobs that failed too often.", jobs(desk.JobDead)),
		gauge("hub_versions_in_review", "Versions that wait for a reviewer.", func(ctx context.Context, r central.Reader) (float64, error) {
			n, err := r.Count(ctx, central.Query{Kind: central.Versions, States: []string{"in review"}})
			return float64(n), err
		}),
		gauge("hub_audit_rows", "Rows of the audit.", func(ctx context.Context, r central.Reader) (float64, error) {
			head, err := r.AuditHead(ctx)
			return float64(head.Seq), err
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "hub_clock_held", Help: "1 while nothing is signed because the clock cannot be believed."}, func() float64 {
			if h.clock.Check() != nil {
				return 1
			}
			return 0
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "hub_disk_free_bytes", Help: "Room on the hub's disk."}, func() float64 {
			health, _ := h.Health(context.Background())
			return float64(health.FreeMB) * (1 << 20)
		}))
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// status remembers what was answered.
type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	if s.code == 0 {
		s.code = code
	}
	s.ResponseWriter.WriteHeader(code)
}

func (s *status) Write(p []byte) (int, error) {
	if s.code == 0 {
		s.code = http.StatusOK
	}
	return s.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (s *status) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (m *metrics) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := &status{ResponseWriter: w}
		begin := time.Now()
		next.ServeHTTP(s, r)
		m.requests.WithLabelValues(part(r.URL.Path), method(r.Method), strconv.Itoa(s.code)).Observe(time.Since(begin).Seconds())
	})
}

// part and method bound the labels: whoever asks for nonsense makes no new one.
func part(path string) string {
	path = strings.TrimPrefix(path, "/api/v1")
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch first {
	case "places", "displays", "layouts", "items", "gate-facts", "playlists", "schedules", "calendars", "mandatory", "notices", "classes", "versions",
		"translations", "review-queue", "session", "me", "accounts", "grants", "uploads", "files", "media", "jobs", "imports", "resolve", "preflight",
		"publications", "audit", "public", "metrics", "healthz", "review", "sign-in":
		return first
	}
	return "other"
}

func method(m string) string {
	switch m {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return m
	}
	return "other"
}
