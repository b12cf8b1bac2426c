// Package telemetry counts what the gateway does and shows it to Prometheus.
//
// Calls and requests are measured as they end, under the names of OpenTelemetry's semantic
// conventions. What others count, such as policies, is read when somebody asks.
package telemetry

import (
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// buckets of durations, in seconds, as the semantic conventions advise.
var buckets = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}

// maxSeries bounds the combinations of labels of one histogram. Further ones are not counted
// apart: they are one series whose labels are all "other".
const maxSeries = 20_000

// Metrics are the measurements of one gateway. They are safe for concurrent use. A nil
// *Metrics measures nothing.
type Metrics struct {
	registry *prometheus.Registry
	calls    *durations[callLabels]
	requests *durations[requestLabels]
	failures *failures
	active   prometheus.Gauge
}

// New returns measurements of everything that happens from now on, and of the process.
func New(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		calls: newDurations[callLabels]("rpc_server_call_duration_seconds",
			"How long calls took, on all doors, policies and backend included.",
			"rpc_method", "protean_backend", "protean_door", "rpc_response_status_code"),
		requests: newDurations[requestLabels]("http_server_request_duration_seconds",
			"How long HTTP requests took, streams and WebSockets included.",
			"http_request_method", "http_response_status_code"),
		failures: newFailures(),
		active: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "http_server_active_requests",
			Help: "HTTP requests under way.",
		}),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "protean_build_info",
		Help:        "Always 1; the version is the label.",
		ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	m.registry.MustRegister(
		m.calls.histogram, m.requests.histogram, m.failures.counter, m.active, info,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// Handler answers with all measurements, in the formats of Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true, MaxRequestsInFlight: 4})
}

// labels are the values of a histogram's labels. Equal labels are one series.
type labels interface {
	comparable
	values() []string
}

// durations is a histogram whose series are found without allocating.
type durations[L labels] struct {
	histogram *prometheus.HistogramVec
	mu        sync.RWMutex
	series    map[L]prometheus.Observer
	other     prometheus.Observer
}

func newDurations[L labels](name, help string, names ...string) *durations[L] {
	return &durations[L]{
		histogram: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, names),
		series:    make(map[L]prometheus.Observer),
	}
}

func (d *durations[L]) observe(l L, took time.Duration) { d.of(l).Observe(took.Seconds()) }

func (d *durations[L]) of(l L) prometheus.Observer {
	d.mu.RLock()
	series := d.series[l]
	d.mu.RUnlock()
	if series != nil {
		return series
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if series = d.series[l]; series != nil {
		return series
	}
	values := l.values()
	if len(d.series) < maxSeries {
		series = d.histogram.WithLabelValues(values...)
		d.series[l] = series
		return series
	}
	if d.other == nil {
		for i := range values {
			values[i] = "other"
		}
		d.other = d.histogram.WithLabelValues(values...)
	}
	return d.other
}
