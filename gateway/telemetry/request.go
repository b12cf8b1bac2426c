package telemetry

import (
	"net/http"
	"strconv"
	"time"
)

// requestLabels follow the semantic conventions for HTTP metrics.
type requestLabels struct {
	method string
	status int
}

func (l requestLabels) values() []string { return []string{l.method, strconv.Itoa(l.status)} }

// RequestBegan notes that a request is under way until RequestEnded.
func (m *Metrics) RequestBegan() {
	if m != nil {
		m.active.Inc()
	}
}

// RequestEnded measures a request by its method and the status of its answer; 0 stands for
// none, where the client was gone before.
func (m *Metrics) RequestEnded(method string, status int, took time.Duration) {
	if m == nil {
		return
	}
	m.active.Dec()
	m.requests.observe(requestLabels{knownMethod(method), status}, took)
}

// knownMethod keeps what clients make up out of the labels.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return method
	default:
		return "_OTHER"
	}
}
