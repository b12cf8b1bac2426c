package translate

import (
	"net/http"
	"slices"
	"testing"

	"github.com/protean-gateway/protean/translate/transport"
)

// TestRequestHeaders compares what one pass finds with what the headers have, all of them at once and each alone.
func TestRequestHeaders(t *testing.T) {
	all := http.Header{
		"Accept":             {"text/plain", "*/*"},
		"Accept-Encoding":    {"br", "gzip"},
		"Content-Encoding":   {"gzip"},
		"Content-Type":       {"Text/Plain; charset=utf-8", "other"},
		"If-Match":           {`"a"`, `"b"`},
		"If-None-Match":      {`"c"`, `"d"`},
		"Te":                 {"gzip", "trailers"},
		"Upgrade":            {"websocket"},
		"Grpc-Timeout":       {"1S"},
		"Connect-Timeout-Ms": {"1000"},
		"X-Request-Timeout":  {"1"},
		"Traceparent":        {"00-1-2-03"},
		"X-Other":            {"x"},
	}
	cases := []http.Header{{}, all}
	for name, values := range all {
		cases = append(cases, http.Header{name: values})
	}
	var h requestHeaders
	for _, c := range cases {
		h.read(new(transport.Headers), c)
		_, timeout, err := transport.Timeout(c)
		if err != nil {
			t.Fatal(err)
		}
		for what, same := range map[string]bool{
			"Accept":           slices.Equal(h.accept, c["Accept"]),
			"Accept-Encoding":  slices.Equal(h.acceptEncoding, c["Accept-Encoding"]),
			"Content-Encoding": h.coded == (c["Content-Encoding"] != nil),
			"Content-Type":     h.contentType == c.Get("Content-Type") && h.mediaType() == mediaType(c),
			"If-Match":         slices.Equal(h.ifMatch, c["If-Match"]),
			"If-None-Match":    slices.Equal(h.ifNoneMatch, c["If-None-Match"]),
			"TE":               slices.Equal(h.te, c["Te"]),
			"Upgrade":          h.upgrade == (c["Upgrade"] != nil),
			"a timeout":        h.timeout == timeout,
			"metadata":         h.fault == nil && slices.Equal(h.metadata["traceparent"], c["Traceparent"]) && len(h.metadata) == len(c["Traceparent"]),
		} {
			if !same {
				t.Errorf("%v: %s is not as in %+v", c, what, h)
			}
		}
	}
	bad := http.Header{"X-Key-Bin": {"%"}, "Accept": {"*/*"}}
	policy, err := transport.NewHeaders([]string{"x-key-bin"})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 { // in any order
		if h.read(policy, bad); h.fault == nil || len(h.accept) != 1 {
			t.Fatalf("%+v", h)
		}
	}
}
