package telemetry

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// failures counts failed calls by backend and reason.
type failures struct {
	counter *prometheus.CounterVec
	mu      sync.RWMutex
	series  map[failureLabels]prometheus.Counter
}

type failureLabels struct{ backend, reason string }

func newFailures() *failures {
	return &failures{
		counter: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "protean_call_failures_total",
			Help: "Calls that the backend failed, or that were refused because it keeps failing, by reason.",
		}, []string{"protean_backend", "reason"}),
		series: make(map[failureLabels]prometheus.Counter),
	}
}

// CallFailed counts a call that failed, or was refused, for a reason.
func (m *Metrics) CallFailed(backend, reason string) {
	if m != nil {
		m.failures.of(failureLabels{backend, reason}).Inc()
	}
}

func (f *failures) of(l failureLabels) prometheus.Counter {
	f.mu.RLock()
	series := f.series[l]
	f.mu.RUnlock()
	if series != nil {
		return series
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.series) >= maxSeries {
		l.backend = "other"
	}
	if series = f.series[l]; series == nil {
		series = f.counter.WithLabelValues(l.backend, l.reason)
		f.series[l] = series
	}
	return series
}
