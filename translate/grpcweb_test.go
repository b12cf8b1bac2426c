package translate_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/translate"
	"github.com/protean-gateway/protean/translate/transport"
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
	return translate.NewGRPCWeb(translate.NewMethods(snap, h, nil, translate.ReflectionOptions{}), translate.GRPCWebOptions{})
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
		{name: "upper case", path: get, kind: "Application/GRPC-Web-Text", body: b64(frame(0, note("hi"))), want: b64(frame(0, note("hi")), end), wantKind: webText},
		{name: "base64 by name", path: get, kind: webText + "-base64", body: b64(frame(0, note("hi"))), want: b64(frame(0, note("hi")), end)},
		{name: "base64 by name with a codec", path: get, kind: webText + "-base64+json", body: b64(frame(0, `{}`)), want: b64(frame(0, `{}`), end)},
		{
			name: "pieces that end within frames", path: chat, kind: webText,
			body: b64(frame(0, note("a"))[:4], frame(0, note("a"))[4:]+frame(0, note("b"))[:1], frame(0, note("b"))[1:]),
			want: b64(frame(0, note("a")), frame(0, note("b")), end),
		},
		{name: "no base64", path: get, kind: webText, body: frame(0, "hi"), want: b64(frame(0x80, "grpc-message: the request is not base64\r\ngrpc-status: 3\r\n"))},
	})
}

// The response is text if the client accepts only that, whatever the request is.
func TestGRPCWebAccept(t *testing.T) {
	b64 := func(f string) string { return base64.StdEncoding.EncodeToString([]byte(f)) }
	const proto, textProto = web + "+proto", webText + "+proto"
	bytes := frame(0, note("hi")) + frame(0x80, webOK)
	text := b64(frame(0, note("hi"))) + b64(frame(0x80, webOK))
	var exchanges []exchange
	for _, c := range []struct{ kind, accept, wantKind string }{
		{proto, webText + "+proto", textProto},
		{proto, webText, textProto},
		{web, webText, webText},
		{web, "application/grpc-web-text-base64", webText},
		{web, "APPLICATION/GRPC-WEB-TEXT;q=1", webText},
		{web, webText + ", */*", webText},
		{web, "*/*", web},
		{web, "", web},
		{web, "application/json", web},
		{web, webText + ", " + web, web},
		{web, webText + ";q=0.9, " + web + ";q=0.8", webText},
		{web, webText + ";q=0", web},
		{webText, web, web},
		{webText, "*/*", webText},
		{webText, web + ", " + webText, webText},
		{textProto, proto, proto},
	} {
		x := exchange{
			name: c.kind + " accepts " + c.accept, path: get, kind: c.kind, body: frame(0, note("hi")), want: bytes,
			wantKind: c.wantKind, header: http.Header{"Accept": {c.accept}},
		}
		if strings.Contains(c.kind, "text") {
			x.body = b64(x.body)
		}
		if strings.Contains(c.wantKind, "text") {
			x.want = text
		}
		exchanges = append(exchanges, x)
	}
	overBoth(t, webDoor(limited(t), scripted), exchanges)
}

// The body of a request may be compressed as a whole, as HTTP has it.
func TestGRPCWebCodedRequest(t *testing.T) {
	in := func(coding, body string) (string, http.Header) {
		if coding != "identity" {
			var b bytes.Buffer
			transport.Coding(coding).Compress(&b, []byte(body))
			body = b.String()
		}
		return body, http.Header{"Content-Encoding": {coding}}
	}
	end := frame(0x80, webOK)
	fault := func(code, text string) string {
		return frame(0x80, "grpc-message: "+text+"\r\ngrpc-status: "+code+"\r\n")
	}
	var exchanges []exchange
	for _, coding := range []string{"gzip", "br", "zstd", "identity"} {
		x := exchange{name: coding, path: chat, kind: web, want: frame(0, note("a")) + frame(0, "") + end}
		x.body, x.header = in(coding, frame(0, note("a"))+frame(0, ""))
		exchanges = append(exchanges, x)
		x = exchange{name: coding + " over the limit", path: get, kind: web, want: fault("8", "a request message is larger than the limit of 1000 bytes")}
		x.body, x.header = in(coding, frame(0, strings.Repeat("x", 1001)))
		exchanges = append(exchanges, x)
	}
	text := exchange{name: "text", path: get, kind: webText}
	text.body, text.header = in("gzip", base64.StdEncoding.EncodeToString([]byte(frame(0, note("hi")))))
	text.want = base64.StdEncoding.EncodeToString([]byte(frame(0, note("hi")))) + base64.StdEncoding.EncodeToString([]byte(end))
	both := exchange{name: "compressed messages too", path: get, kind: web, want: frame(0, note("hi")) + end}
	both.body, both.header = in("br", frame(1, zipped(note("hi"))))
	both.header.Set("Grpc-Encoding", "gzip")
	cut := exchange{name: "cut off", path: get, kind: web, want: fault("3", "the body is not what its Content-Encoding says")}
	cut.body, cut.header = in("gzip", frame(0, note("hi")))
	cut.body = cut.body[:len(cut.body)-9]
	exchanges = append(exchanges, text, both, cut, exchange{
		name: "plain", path: get, kind: web, header: http.Header{"Content-Encoding": {"gzip"}}, body: frame(0, note("hi")),
		want: fault("3", "the body is not what its Content-Encoding says"),
	}, exchange{
		name: "unknown", path: get, kind: web, header: http.Header{"Content-Encoding": {"snappy"}}, body: frame(0, note("hi")),
		want:       fault("12", "content-encoding must be identity or one of zstd, br, gzip"),
		wantHeader: map[string]string{"Accept-Encoding": "zstd, br, gzip"},
	})
	overBoth(t, webDoor(limited(t), scripted), exchanges)
}

// A response that is not a stream is compressed as a whole for clients that accept it.
func TestGRPCWebCodedResponse(t *testing.T) {
	long := string(protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), strings.Repeat("long ", 1000)))
	snap := notes(t)
	for _, c := range []struct {
		name, path, kind, message string
		header                    http.Header
		disabled                  bool
		want                      string // content coding
	}{
		{name: "long", path: get, kind: web, message: long, want: "gzip"},
		{name: "client stream", path: collect, kind: web, message: long, want: "gzip"},
		{name: "text", path: get, kind: webText, message: long, want: "gzip"},
		{name: "short", path: get, kind: web, message: note("hi")},
		{name: "server stream", path: watch, kind: web, message: long},
		{name: "bidi stream", path: chat, kind: web, message: long},
		{name: "disabled", path: get, kind: web, message: long, disabled: true},
		{name: "messages are compressed already", path: get, kind: web, message: long, header: http.Header{"Grpc-Encoding": {"gzip"}, "Grpc-Accept-Encoding": {"gzip"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			door := translate.NewGRPCWeb(translate.NewMethods(snap, scripted, nil, translate.ReflectionOptions{}), translate.GRPCWebOptions{CompressionDisabled: c.disabled})
			h := c.header.Clone()
			if h == nil {
				h = make(http.Header)
			}
			h.Set("Content-Type", c.kind)
			h.Set("Accept-Encoding", "gzip")
			sent := frame(0, c.message)
			if c.kind == webText {
				sent = base64.StdEncoding.EncodeToString([]byte(sent))
			}
			res := post(t, serveDoor(t, door, nil), c.path, strings.NewReader(sent), h)
			got := body(t, res)
			if coding := res.Header.Get("Content-Encoding"); coding != c.want {
				t.Fatalf("content coding %q, want %q", coding, c.want)
			}
			if c.want == "gzip" {
				got = unzipped(t, got)
			}
			if c.header == nil && !strings.HasPrefix(got, sent) {
				t.Errorf("%d bytes that do not begin with the message", len(got))
			}
		})
	}
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

func unzipped(t *testing.T, text string) string {
	t.Helper()
	z, err := gzip.NewReader(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
