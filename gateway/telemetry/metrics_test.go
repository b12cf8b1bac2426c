package telemetry

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
)

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body, err := io.ReadAll(rec.Body)
	if err != nil || rec.Code != http.StatusOK {
		t.Fatalf("status %d, %v: %s", rec.Code, err, body)
	}
	return string(body)
}

func callOf(path string) *rpc.Call {
	return &rpc.Call{
		Method: &schema.Method{Path: path, Service: &schema.Service{Backend: &schema.Backend{Name: "shop"}}},
		Door:   rpc.REST,
	}
}

func TestMetrics(t *testing.T) {
	m := New("v1")
	for range 2 {
		m.CallEnded(callOf("/shop.Shop/Get"), status.Error(codes.NotFound, ""), time.Millisecond)
	}
	m.RequestBegan()
	m.RequestEnded("BREW", http.StatusNotFound, 30*time.Millisecond)
	m.RequestBegan()
	m.Read(Family{Name: "protean_test_state", Help: "A state.", Labels: []string{"name"}}, func(emit func(float64, ...string)) {
		emit(3, "one")
		emit(4, "two")
	})
	text := scrape(t, m)
	for _, want := range []string{
		`rpc_server_call_duration_seconds_count{protean_backend="shop",protean_door="rest",rpc_method="shop.Shop/Get",rpc_response_status_code="NOT_FOUND"} 2`,
		`http_server_request_duration_seconds_bucket{http_request_method="_OTHER",http_response_status_code="404",le="0.05"} 1`,
		`http_server_request_duration_seconds_bucket{http_request_method="_OTHER",http_response_status_code="404",le="0.025"} 0`,
		`http_server_active_requests 1`,
		`protean_build_info{version="v1"} 1`,
		`protean_test_state{name="one"} 3`,
		`protean_test_state{name="two"} 4`,
		`go_goroutines `,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s", want)
		}
	}
}

// TestSeriesAreBounded makes more series than are counted apart.
func TestSeriesAreBounded(t *testing.T) {
	d := newDurations[callLabels]("test_seconds", "", "a", "b", "c", "d")
	for i := range maxSeries + 100 {
		d.observe(callLabels{method: fmt.Sprint(i)}, time.Second)
	}
	if len(d.series) != maxSeries || d.other == nil {
		t.Errorf("%d series are kept", len(d.series))
	}
}

func TestNilMeasuresNothing(t *testing.T) {
	var m *Metrics
	m.RequestBegan()
	m.RequestEnded("GET", 200, time.Second)
	m.Read(Family{}, nil)
	m.CallEnded(nil, nil, time.Second)
}

func TestObservingAllocatesNothing(t *testing.T) {
	m := New("v1")
	c := callOf("/shop.Shop/Get")
	if n := testing.AllocsPerRun(100, func() {
		m.RequestBegan()
		m.CallEnded(c, nil, time.Millisecond)
		m.RequestEnded(http.MethodGet, http.StatusOK, time.Millisecond)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCallEnded(b *testing.B) {
	m := New("v1")
	c := callOf("/shop.Shop/Get")
	b.ReportAllocs()
	for b.Loop() {
		m.CallEnded(c, nil, time.Millisecond)
	}
}
