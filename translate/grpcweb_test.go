package translate_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/translate"
)

const (
	web         = "application/grpc-web"
	webJSON     = "application/grpc-web+json"
	webText     = "application/grpc-web-text"
	webTextJSON = "application/grpc-web-text+json"

	webOK = "grpc-status: 0\r\n"
	// lost are the details of errMissing: a google.rpc.Status.
	webLost = "grpc-message: no note\r\ngrpc-status: 5\r\n" +
		"grpc-status-details-bin: CAUSB25vIG5vdGUaMgoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLkVycm9ySW5mbxIGCgRMT1NU\r\n"
)

func webDoor(snap *schema.Snapshot, h rpc.Handler) *translate.GRPCWeb {
	return translate.NewGRPCWeb(translate.NewMethods(snap, h, nil, translate.ReflectionOptions{}))
}

func TestGRPCWeb(t *testing.T) {
	end := func(trailers string) string { return frame(0x80, trailers) }
	fault := func(code, text string) string {
		return end("grpc-message: " + text + "\r\ngrpc-status: " + code + "\r\n")
	}
	gz := http.Header{"Grpc-Encoding": {"gzip"}}
	overBoth(t, webDoor(limited(t), scripted), []exchange{
		{name: "unary", path: get, kind: web, body: frame(0, note("hi")), want: frame(0, note("hi")) + end(webOK)},
		{name: "with +proto", path: get, kind: web + "+proto", body: frame(0, ""), want: frame(0, "") + end(webOK)},
		{name: "JSON", path: get, kind: webJSON, body: frame(0, `{"text":"hi","new":1}`), want: frame(0, `{"text":"hi"}`) + end(webOK)},
		{name: "server stream", path: watch, kind: web, body: frame(0, note("hi")), want: frame(0, note("hi")) + end(webOK)},
		{name: "client stream", path: collect, kind: web, body: frame(0, note("a")) + frame(0, note("b")), want: frame(0, note("b")) + end(webOK)},
		{name: "bidi stream", path: chat, kind: web, body: frame(0, note("a")) + frame(0, ""), want: frame(0, note("a")) + frame(0, "") + end(webOK)},
		{
			name: "metadata", path: get, kind: web, body: frame(0, note("meta")),
			want:       frame(0, note("meta")) + end(webOK+"t: 2\r\nt-bin: /v4\r\n"),
			wantHeader: map[string]string{"H": "1", "H-Bin": "/w", "Grpc-Status": ""},
		},
		{name: "error", path: get, kind: web, body: frame(0, note("fail")), want: end(webLost + "t: 2\r\nt-bin: /v4\r\n"), wantHeader: map[string]string{"H": "1"}},
		{name: "gzip", path: get, kind: web, header: gz, body: frame(1, zipped(note("hi"))), want: frame(0, note("hi")) + end(webOK)},
		{name: "unknown method", path: "/notes.v1.Notes/Nope", kind: web, want: fault("12", "unknown method of service notes.v1.Notes")},
		{name: "unknown compression", path: get, kind: web, header: http.Header{"Grpc-Encoding": {"snappy"}}, want: fault("12", "grpc-encoding must be identity or one of zstd, br, gzip"), wantHeader: map[string]string{"Grpc-Accept-Encoding": "zstd, br, gzip"}},
		{name: "over the limit", path: get, kind: web, body: frame(0, strings.Repeat("x", 1001)), want: fault("8", "a request message is larger than the limit of 1000 bytes")},
		{name: "trailers from a client", path: get, kind: web, body: frame(0x80, ""), want: fault("3", "a request message has flags that no request has")},
		{name: "no request", path: get, kind: web, want: fault("12", "the request has no message")},
		{
			name: "JSON that is none", path: chat, kind: webJSON, body: frame(0, `null`),
			want: end("grpc-message: message, line 1, column 1: expected an object, found null\r\ngrpc-status: 3\r\n" +
				"grpc-status-details-bin: CAMSOW1lc3NhZ2UsIGxpbmUgMSwgY29sdW1uIDE6IGV4cGVjdGVkIGFuIG9iamVjdCwgZm91bmQgbnVsbBpPCil0eXBl" +
				"Lmdvb2dsZWFwaXMuY29tL2dvb2dsZS5ycGMuQmFkUmVxdWVzdBIiCiASHmV4cGVjdGVkIGFuIG9iamVjdCwgZm91bmQgbnVsbA\r\n"),
		},
		{name: "another HTTP method", method: http.MethodPut, path: get, kind: web, status: http.StatusMethodNotAllowed, wantKind: typePlain, want: "gRPC-Web calls are POST requests\n"},
		{name: "another codec", path: get, kind: web + "+thrift", status: http.StatusUnsupportedMediaType, wantKind: typePlain, want: "the content type of gRPC-Web is application/grpc-web or application/grpc-web-text, with +proto or +json\n"},
	})
}

func TestGRPCWebText(t *testing.T) {
	b64 := func(frames ...string) (text string) {
		for _, f := range frames {
			text += base64.StdEncoding.EncodeToString([]byte(f))
		}
		return text
	}
	end := frame(0x80, webOK)
	overBoth(t, webDoor(limited(t), scripted), []exchange{
		{name: "unary", path: get, kind: webText, body: b64(frame(0, note("hi"))), want: b64(frame(0, note("hi")), end)},
		{name: "JSON", path: get, kind: webTextJSON, body: b64(frame(0, `{}`)), want: b64(frame(0, `{}`), end)},
		{name: "one piece", path: chat, kind: webText, body: b64(frame(0, note("a")) + frame(0, note("b"))), want: b64(frame(0, note("a")), frame(0, note("b")), end)},
		{name: "a piece a frame", path: chat, kind: webText, body: b64(frame(0, note("a")), frame(0, note("b"))), want: b64(frame(0, note("a")), frame(0, note("b")), end)},
		{name: "no base64", path: get, kind: webText, body: frame(0, "hi"), want: b64(frame(0x80, "grpc-message: the request is not base64\r\ngrpc-status: 3\r\n"))},
	})
}

// gRPC in JSON is translated to the backend's messages and back.
func TestGRPCJSON(t *testing.T) {
	address := serve(t, notes(t), scripted, nil)
	kind := http.Header{"Content-Type": {"application/grpc+json"}}
	for _, path := range []string{get, watch, collect, chat} {
		res := post(t, address, path, strings.NewReader(frame(0, ` {"text": "hi"} `)), kind)
		if got := body(t, res); got != frame(0, `{"text":"hi"}`) || res.Trailer.Get("Grpc-Status") != "0" || res.Header.Get("Content-Type") != kind.Get("Content-Type") {
			t.Errorf("%s: %q, %v", path, got, res.Trailer)
		}
	}
	res := post(t, address, get, strings.NewReader(frame(0, `[]`)), kind)
	if got := grpcStatus(res); got != "3" {
		t.Errorf("status %s", got)
	}
}
