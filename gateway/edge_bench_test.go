package gateway

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// BenchmarkEdge is the edge alone, before a door that says nothing. Two of the allocations
// are the client's: what it is, and its headers.
func BenchmarkEdge(b *testing.B) {
	s, err := settingsOf(&configv1.Config{})
	if err != nil {
		b.Fatal(err)
	}
	door := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	edge := s.edge(observer{log: slog.New(slog.NewTextHandler(io.Discard, nil))}, nil, door)
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/v1/books/1", nil)
	b.ReportAllocs()
	for b.Loop() {
		r.Header.Del(s.requestIDHeader)
		edge.ServeHTTP(&silent{header: make(http.Header)}, r)
	}
}

// silent is a client that hears nothing.
type silent struct{ header http.Header }

func (s *silent) Header() http.Header       { return s.header }
func (*silent) Write(b []byte) (int, error) { return len(b), nil }
func (*silent) WriteHeader(int)             {}
