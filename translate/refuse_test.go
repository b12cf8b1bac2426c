package translate_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/protean-gateway/protean/translate"
)

// TestRefuse refuses a request before any door has seen it: each client reads the refusal
// in its own protocol.
func TestRefuse(t *testing.T) {
	refused := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		translate.Refuse(w, r, http.StatusTooManyRequests, "slow down")
	})
	trailers := "grpc-message: slow down\r\ngrpc-status: 8\r\n"
	connect := `{"code":"resource_exhausted","message":"slow down"}`
	overBoth(t, refused, []exchange{
		{name: "REST", path: "/", kind: typeJSON, status: http.StatusTooManyRequests, want: `{"code":8,"message":"slow down","details":[]}`},
		{
			name: "REST problem", path: "/", header: http.Header{"Accept": {"application/problem+json"}}, status: http.StatusTooManyRequests,
			wantKind: "application/problem+json",
			want:     `{"type":"about:blank","title":"Too Many Requests","status":429,"detail":"slow down","code":"RESOURCE_EXHAUSTED","details":[]}`,
		},
		{name: "gRPC-Web", path: "/", kind: "application/grpc-web+proto", want: "\x80\x00\x00\x00\x29" + trailers},
		{name: "gRPC-Web text", path: "/", kind: "application/grpc-web-text", want: "gAAAAClncnBjLW1lc3NhZ2U6IHNsb3cgZG93bg0KZ3JwYy1zdGF0dXM6IDgNCg=="},
		{name: "Connect proto", path: "/", kind: typeProto, status: http.StatusTooManyRequests, wantKind: typeJSON, want: connect},
		{
			name: "Connect JSON", path: "/", kind: typeJSON, header: http.Header{"Connect-Protocol-Version": {"1"}},
			status: http.StatusTooManyRequests, want: connect,
		},
		{name: "Connect GET", method: http.MethodGet, path: "/?connect=v1", status: http.StatusTooManyRequests, wantKind: typeJSON, want: connect},
		{name: "Connect stream", path: "/", kind: streamJSON, want: "\x02\x00\x00\x00\x3d" + `{"error":` + connect + `}`},
	})
}

// TestRefuseGRPC has the status in the headers and nothing that net/http adds.
func TestRefuseGRPC(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.ProtoMajor = 2
	r.Header.Set("Content-Type", "application/grpc")
	w := httptest.NewRecorder()
	translate.Refuse(w, r, http.StatusForbidden, "100% no")
	h := w.Header()
	if w.Code != http.StatusOK || h.Get("Grpc-Status") != "7" || h.Get("Grpc-Message") != "100%25 no" ||
		h.Get("Content-Type") != "application/grpc" || h["Date"] != nil || w.Body.Len() != 0 {
		t.Errorf("got %d %v %q", w.Code, h, w.Body)
	}
}
