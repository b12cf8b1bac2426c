package transport

import (
	"net/http"
	"testing"

	"google.golang.org/grpc/codes"
)

func TestStatusTable(t *testing.T) {
	for c := codes.OK; c <= codes.Unauthenticated; c++ {
		var parsed codes.Code
		if err := parsed.UnmarshalJSON([]byte(`"` + CodeName(c) + `"`)); err != nil || parsed != c {
			t.Errorf("CodeName(%d) = %s, which gRPC reads as %v (%v)", c, CodeName(c), parsed, err)
		}
		if StatusText(HTTPStatus(c)) == "" {
			t.Errorf("HTTPStatus(%v) = %d, which has no text", c, HTTPStatus(c))
		}
	}
	if got := HTTPStatus(99); got != http.StatusInternalServerError {
		t.Errorf("HTTPStatus(99) = %d", got)
	}
	if got := CodeName(99); got != "99" {
		t.Errorf("CodeName(99) = %s", got)
	}
}

func TestCodeOfHTTPStatus(t *testing.T) {
	for _, c := range []codes.Code{
		codes.OK, codes.Canceled, codes.InvalidArgument, codes.DeadlineExceeded, codes.NotFound, codes.PermissionDenied,
		codes.ResourceExhausted, codes.Aborted, codes.Unimplemented, codes.Internal, codes.Unavailable, codes.Unauthenticated,
	} {
		if got := Code(HTTPStatus(c)); got != c {
			t.Errorf("%v is %d, and that is %v again", c, HTTPStatus(c), got)
		}
	}
	for status, want := range map[int]codes.Code{
		http.StatusNoContent:                   codes.OK,
		http.StatusMethodNotAllowed:            codes.Unimplemented,
		http.StatusNotAcceptable:               codes.InvalidArgument,
		http.StatusRequestTimeout:              codes.DeadlineExceeded,
		http.StatusRequestEntityTooLarge:       codes.ResourceExhausted,
		http.StatusRequestURITooLong:           codes.ResourceExhausted,
		http.StatusUnsupportedMediaType:        codes.InvalidArgument,
		http.StatusRequestHeaderFieldsTooLarge: codes.ResourceExhausted,
		http.StatusBadGateway:                  codes.Unavailable,
		http.StatusHTTPVersionNotSupported:     codes.Internal,
		http.StatusFound:                       codes.Unknown,
	} {
		if got := Code(status); got != want {
			t.Errorf("Code(%d) = %v, want %v", status, got, want)
		}
	}
}

func TestCloseCodes(t *testing.T) {
	for c, want := range map[codes.Code]int{
		codes.OK: 1000, codes.Canceled: 4001, codes.NotFound: 4005, codes.Unauthenticated: 4016,
		17: 4002, 99: 4002, // which gRPC does not know
	} {
		if got := CloseCodeOf(c); got != want {
			t.Errorf("%v closes with %d, want %d", c, got, want)
		}
	}
}
