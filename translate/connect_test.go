package translate_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/translate"
	"github.com/protean-gateway/protean/translate/transport"
)

const read = "/notes.v1.Notes/Read"

// note is the wire form of a note.
func note(text string) string {
	if len(text) > 127 {
		panic("a note of the tests has a length of one byte")
	}
	return "\n" + string(rune(len(text))) + text
}

// scripted answers notes with themselves, and some of them with more: `meta` has
// metadata, `fail` fails. It is the handler of the tests of exchanges.
func scripted(_ context.Context, c *rpc.Call, s rpc.Stream) error {
	request := c.Request
	if c.Method.ClientStreams {
		for {
			m, err := s.Recv()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			if request = m; c.Method.ServerStreams {
				if err := s.Send(m); err != nil {
					return err
				}
			}
		}
	}
	if strings.HasSuffix(string(request), "meta") || strings.HasSuffix(string(request), "fail") {
		if err := s.SendHeader(metadata.Pairs("h", "1", "h-bin", "\xff", "trailer-x", "no", "connect-x", "no")); err != nil {
			return err
		}
		s.SetTrailer(metadata.Pairs("t", "2", "t-bin", "\xfe\xfe"))
	}
	if strings.HasSuffix(string(request), "fail") {
		return errMissing
	}
	if c.Method.ClientStreams && c.Method.ServerStreams {
		return nil
	}
	return s.Send(request)
}

var errMissing = func() error {
	st, err := status.New(codes.NotFound, "no note").WithDetails(&errdetails.ErrorInfo{Reason: "LOST"})
	if err != nil {
		panic(err)
	}
	return st.Err()
}()

// missingJSON is errMissing as Connect writes it.
const missingJSON = `{"code":"not_found","message":"no note","details":[{"type":"google.rpc.ErrorInfo","value":"CgRMT1NU",` +
	`"debug":{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"LOST"}}]}`

// limited compiles notes with a limit of 1000 bytes for requests.
func limited(t *testing.T) *schema.Snapshot {
	t.Helper()
	snap := notes(t)
	for _, m := range snap.Methods {
		m.Limits.RequestBytes = 1000
	}
	return snap
}

// exchange is a request and what is wanted of its answer, byte by byte.
type exchange struct {
	name, method, path string
	header             http.Header // `Content-Type` is added where there is a kind
	kind, body         string
	status             int
	want               string
	wantKind           string
	wantHeader         map[string]string
}

// overBoth runs exchanges over HTTP/1.1 and HTTP/2.
func overBoth(t *testing.T, door http.Handler, exchanges []exchange) {
	address := serveDoor(t, door, nil)
	for name, major := range map[string]int{"HTTP/1.1": 1, "HTTP/2": 2} {
		transport := &http.Transport{DisableCompression: true, Protocols: new(http.Protocols)}
		transport.Protocols.SetHTTP1(major == 1)
		transport.Protocols.SetUnencryptedHTTP2(major == 2)
		t.Cleanup(transport.CloseIdleConnections)
		for _, x := range exchanges {
			t.Run(name+" "+x.name, func(t *testing.T) { x.run(t, transport, "http://"+address) })
		}
	}
}

func (x exchange) run(t *testing.T, transport *http.Transport, base string) {
	if x.method == "" {
		x.method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(t.Context(), x.method, base+x.path, strings.NewReader(x.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = x.header.Clone()
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	if x.kind != "" {
		r.Header.Set("Content-Type", x.kind)
	}
	res, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if x.status == 0 {
		x.status = http.StatusOK
	}
	if x.wantKind == "" {
		x.wantKind = x.kind
	}
	if res.StatusCode != x.status || string(body) != x.want || res.Header.Get("Content-Type") != x.wantKind {
		t.Errorf("got  %d %s\n%q\nwant %d %s\n%q", res.StatusCode, res.Header.Get("Content-Type"), body, x.status, x.wantKind, x.want)
	}
	for name, value := range x.wantHeader {
		if got := strings.Join(res.Header[name], ","); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
}

func connectDoor(snap *schema.Snapshot, h rpc.Handler) *translate.Connect {
	return translate.NewConnect(translate.NewMethods(snap, h, nil, translate.ReflectionOptions{}))
}

func zipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(text))
	z.Close()
	return b.String()
}

const (
	typeProto   = "application/proto"
	typeJSON    = "application/json"
	typePlain   = "text/plain; charset=utf-8"
	streamProto = "application/connect+proto"
	streamJSON  = "application/connect+json"
)

func TestConnectUnary(t *testing.T) {
	metadata := map[string]string{"H": "1", "H-Bin": "/w", "Trailer-T": "2", "Trailer-T-Bin": "/v4", "Trailer-X": "", "Connect-X": ""}
	long := strings.Repeat("x", 1001)
	overBoth(t, connectDoor(limited(t), scripted), []exchange{
		{name: "proto", path: get, kind: typeProto, body: note("hi"), want: note("hi")},
		{name: "empty proto", path: get, kind: typeProto, want: ""},
		{name: "JSON", path: get, kind: typeJSON, body: ` {"text": "hi"} `, want: `{"text":"hi"}`},
		{name: "JSON with a charset", path: get, kind: typeJSON + "; charset=utf-8", body: `{}`, want: `{}`, wantKind: typeJSON},
		{name: "unknown field", path: get, kind: typeJSON, body: `{"text":"hi","new":[1]}`, want: `{"text":"hi"}`},
		{name: "metadata", path: get, kind: typeProto, body: note("meta"), want: note("meta"), wantHeader: metadata},
		{name: "version", path: get, kind: typeProto, header: http.Header{"Connect-Protocol-Version": {"1"}}},
		{
			name: "error", path: get, kind: typeProto, body: note("fail"),
			status: http.StatusNotFound, wantKind: typeJSON, want: missingJSON, wantHeader: metadata,
		},
		{
			name: "empty JSON", path: get, kind: typeJSON, status: http.StatusBadRequest,
			want: `{"code":"invalid_argument","message":"message, line 1, column 1: the body is empty; expected a JSON object","details":[` +
				`{"type":"google.rpc.BadRequest","value":"CisSKXRoZSBib2R5IGlzIGVtcHR5OyBleHBlY3RlZCBhIEpTT04gb2JqZWN0",` +
				`"debug":{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"description":"the body is empty; expected a JSON object"}]}}]}`,
		},
		{
			name: "unknown method", path: "/notes.v1.Notes/Nope", kind: typeProto, status: http.StatusNotFound, wantKind: typeJSON,
			want: `{"code":"unimplemented","message":"unknown method of service notes.v1.Notes"}`,
		},
		{
			name: "another version", path: get, kind: typeProto, header: http.Header{"Connect-Protocol-Version": {"2"}},
			status: http.StatusBadRequest, wantKind: typeJSON,
			want: `{"code":"invalid_argument","message":"connect-protocol-version must be 1"}`,
		},
		{
			name: "bad timeout", path: get, kind: typeProto, header: http.Header{"Connect-Timeout-Ms": {"1s"}},
			status: http.StatusBadRequest, wantKind: typeJSON,
			want: `{"code":"invalid_argument","message":"header connect-timeout-ms does not say a time"}`,
		},
		{
			name: "bad binary header", path: get, kind: typeProto, header: http.Header{"X-Bin": {"%"}},
			status: http.StatusBadRequest, wantKind: typeJSON,
			want: `{"code":"invalid_argument","message":"header x-bin is not base64"}`,
		},
		{name: "gzip", path: get, kind: typeProto, header: http.Header{"Content-Encoding": {"gzip"}}, body: zipped(note("hi")), want: note("hi")},
		{
			name: "no gzip", path: get, kind: typeProto, header: http.Header{"Content-Encoding": {"gzip"}}, body: note("hi"),
			status: http.StatusBadRequest, wantKind: typeJSON,
			want: `{"code":"invalid_argument","message":"a request message is not valid gzip"}`,
		},
		{
			name: "unknown compression", path: get, kind: typeProto, header: http.Header{"Content-Encoding": {"snappy"}},
			status: http.StatusNotImplemented, wantKind: typeJSON, wantHeader: map[string]string{"Accept-Encoding": "zstd, br, gzip"},
			want: `{"code":"unimplemented","message":"content-encoding must be identity or one of zstd, br, gzip"}`,
		},
		{
			name: "over the limit", path: get, kind: typeProto, body: long,
			status: http.StatusTooManyRequests, wantKind: typeJSON,
			want: `{"code":"resource_exhausted","message":"a request message is larger than the limit of 1000 bytes"}`,
		},
		{
			name: "over the limit when inflated", path: get, kind: typeProto, header: http.Header{"Content-Encoding": {"gzip"}}, body: zipped(long),
			status: http.StatusTooManyRequests, wantKind: typeJSON,
			want: `{"code":"resource_exhausted","message":"a request message is larger than the limit of 1000 bytes"}`,
		},
		{
			name: "another HTTP method", method: http.MethodDelete, path: get, kind: typeProto,
			status: http.StatusMethodNotAllowed, wantKind: typePlain, want: "Connect calls are POST requests\n", wantHeader: map[string]string{"Allow": "POST"},
		},
		{
			name: "another content type", path: get, kind: "application/foo", status: http.StatusUnsupportedMediaType, wantKind: typePlain,
			want: "the content type must be one of application/proto, application/json, application/connect+proto, application/connect+json\n",
		},
		{
			name: "a method with streams", path: watch, kind: typeProto, status: http.StatusUnsupportedMediaType, wantKind: typePlain,
			want:       "the content type must be one of application/connect+proto, application/connect+json\n",
			wantHeader: map[string]string{"Accept-Post": streamProto + ", " + streamJSON},
		},
	})
}

func TestConnectGet(t *testing.T) {
	query := func(path string, pairs ...string) string {
		v := url.Values{"connect": {"v1"}}
		for i := 0; i < len(pairs); i += 2 {
			v.Add(pairs[i], pairs[i+1])
		}
		return path + "?" + v.Encode()
	}
	invalid := func(text string) (want string) { return `{"code":"invalid_argument","message":"` + text + `"}` }
	b64 := base64.URLEncoding.EncodeToString
	bad := http.StatusBadRequest
	exchanges := []exchange{
		{name: "JSON", path: query(read, "encoding", "json", "message", `{"text":"hi"}`), wantKind: typeJSON, want: `{"text":"hi"}`, wantHeader: map[string]string{"Vary": "Accept-Encoding"}},
		{name: "proto", path: query(read, "encoding", "proto", "base64", "1", "message", b64([]byte(note("hi")))), wantKind: typeProto, want: note("hi")},
		{name: "proto unpadded", path: query(read, "encoding", "proto", "base64", "1", "message", strings.TrimRight(b64([]byte(note("hi!"))), "=")), wantKind: typeProto, want: note("hi!")},
		{name: "proto as it is", path: query(read, "encoding", "proto", "message", note("hi")), wantKind: typeProto, want: note("hi")},
		{name: "empty message", path: query(read, "encoding", "proto", "message", ""), wantKind: typeProto},
		{name: "gzip", path: query(read, "encoding", "json", "base64", "1", "compression", "gzip", "message", b64([]byte(zipped(`{}`)))), wantKind: typeJSON, want: `{}`},
		{name: "error", path: query(read, "encoding", "json", "message", `{"text":"fail"}`), status: http.StatusNotFound, wantKind: typeJSON, want: missingJSON},
		{name: "no message", path: query(read, "encoding", "json"), status: bad, wantKind: typeJSON, want: invalid("the query parameter message is missing")},
		{name: "message twice", path: query(read, "encoding", "json", "message", "{}", "message", "{}"), status: bad, wantKind: typeJSON, want: invalid("the query parameter message is there more than once")},
		{name: "another version", path: read + "?connect=v2&encoding=json&message={}", status: bad, wantKind: typeJSON, want: invalid("the query parameter connect must be v1")},
		{name: "malformed query", path: read + "?connect=v1&message=%zz", status: bad, wantKind: typeJSON, want: invalid("the query is malformed")},
		{name: "no base64", path: query(read, "encoding", "proto", "base64", "1", "message", "!"), status: bad, wantKind: typeJSON, want: invalid("the query parameter message is not base64")},
		{name: "over the limit", path: query(read, "encoding", "proto", "compression", "gzip", "base64", "1", "message", b64([]byte(zipped(strings.Repeat("x", 1001))))), status: http.StatusTooManyRequests, wantKind: typeJSON, want: `{"code":"resource_exhausted","message":"a request message is larger than the limit of 1000 bytes"}`},
		{name: "unknown compression", path: query(read, "encoding", "proto", "compression", "snappy", "message", ""), status: http.StatusNotImplemented, wantKind: typeJSON, want: `{"code":"unimplemented","message":"the query parameter compression must be identity or one of zstd, br, gzip"}`},
		{name: "unknown encoding", path: query(read, "encoding", "xml", "message", ""), status: http.StatusUnsupportedMediaType, wantKind: typePlain, want: "the query parameter encoding must be proto or json\n"},
		{name: "side effects", path: query(get, "encoding", "json", "message", "{}"), status: http.StatusMethodNotAllowed, wantKind: typePlain, want: "only methods without streams and side effects can be called with GET\n", wantHeader: map[string]string{"Allow": "POST"}},
		{name: "a stream", path: query(watch, "encoding", "json", "message", "{}"), status: http.StatusMethodNotAllowed, wantKind: typePlain, want: "only methods without streams and side effects can be called with GET\n"},
		{name: "unknown method", path: query("/notes.v1.Nope/Get", "encoding", "json", "message", "{}"), status: http.StatusNotFound, wantKind: typeJSON, want: `{"code":"unimplemented","message":"unknown service notes.v1.Nope"}`},
	}
	for i := range exchanges {
		exchanges[i].method = http.MethodGet
	}
	overBoth(t, connectDoor(limited(t), scripted), exchanges)
}

func TestConnectStreams(t *testing.T) {
	end := func(json string) string { return frame(2, json) }
	fault := func(code, text string) string {
		return end(`{"error":{"code":"` + code + `","message":"` + text + `"}}`)
	}
	gz := http.Header{"Connect-Content-Encoding": {"gzip"}}
	long := strings.Repeat("x", 1001)
	overBoth(t, connectDoor(limited(t), scripted), []exchange{
		{name: "server stream", path: watch, kind: streamProto, body: frame(0, note("hi")), want: frame(0, note("hi")) + end(`{}`)},
		{name: "client stream", path: collect, kind: streamProto, body: frame(0, note("a")) + frame(0, note("b")), want: frame(0, note("b")) + end(`{}`)},
		{name: "bidi stream", path: chat, kind: streamProto, body: frame(0, note("a")) + frame(0, ""), want: frame(0, note("a")) + frame(0, "") + end(`{}`)},
		{name: "no messages", path: chat, kind: streamProto, want: end(`{}`)},
		{name: "JSON", path: chat, kind: streamJSON, body: frame(0, `{"text":"a"}`) + frame(0, ` {} `), want: frame(0, `{"text":"a"}`) + frame(0, `{}`) + end(`{}`)},
		{
			name: "metadata", path: watch, kind: streamProto, body: frame(0, note("meta")),
			want:       frame(0, note("meta")) + end(`{"metadata":{"t":["2"],"t-bin":["/v4"]}}`),
			wantHeader: map[string]string{"H": "1", "H-Bin": "/w"},
		},
		{
			name: "error", path: watch, kind: streamProto, body: frame(0, note("fail")),
			want: end(`{"error":` + missingJSON + `,"metadata":{"t":["2"],"t-bin":["/v4"]}}`),
		},
		{name: "gzip", path: chat, kind: streamProto, header: gz, body: frame(1, zipped(note("a"))) + frame(0, note("b")), want: frame(0, note("a")) + frame(0, note("b")) + end(`{}`)},
		{name: "no gzip", path: chat, kind: streamProto, header: gz, body: frame(1, "a"), want: fault("invalid_argument", "a request message is not valid gzip")},
		{name: "compressed without a name", path: chat, kind: streamProto, body: frame(1, zipped("a")), want: fault("internal", "a request message is compressed, and no header says how")},
		{
			name: "unknown compression", path: chat, kind: streamProto, header: http.Header{"Connect-Content-Encoding": {"snappy"}},
			want: fault("unimplemented", "connect-content-encoding must be identity or one of zstd, br, gzip"), wantHeader: map[string]string{"Connect-Accept-Encoding": "zstd, br, gzip"},
		},
		{name: "a last frame from a client", path: chat, kind: streamProto, body: frame(2, "{}"), want: fault("invalid_argument", "a request message has flags that no request has")},
		{name: "half a message", path: chat, kind: streamProto, body: frame(0, "message")[:7], want: fault("invalid_argument", "the request ends within a message")},
		{name: "over the limit", path: chat, kind: streamProto, body: frame(0, long), want: fault("resource_exhausted", "a request message is larger than the limit of 1000 bytes")},
		{name: "over the limit when inflated", path: chat, kind: streamProto, header: gz, body: frame(1, zipped(long)), want: fault("resource_exhausted", "a request message is larger than the limit of 1000 bytes")},
		{name: "no request", path: watch, kind: streamProto, want: fault("unimplemented", "the request has no message")},
		{name: "two requests", path: watch, kind: streamProto, body: frame(0, "") + frame(0, ""), want: fault("unimplemented", "the request has more than one message")},
		{name: "unknown method", path: "/notes.v1.Notes/Nope", kind: streamProto, want: fault("unimplemented", "unknown method of service notes.v1.Notes")},
		{name: "another version", path: watch, kind: streamProto, header: http.Header{"Connect-Protocol-Version": {"2"}}, want: fault("invalid_argument", "connect-protocol-version must be 1")},
		{name: "bad timeout", path: watch, kind: streamProto, header: http.Header{"Connect-Timeout-Ms": {"-1"}}, want: fault("invalid_argument", "header connect-timeout-ms does not say a time")},
		{
			name: "a method without streams", path: get, kind: streamProto, status: http.StatusUnsupportedMediaType, wantKind: typePlain,
			want: "the content type must be one of application/proto, application/json\n",
		},
	})
}

// Large answers are compressed as the client likes it.
func TestConnectCompressesAnswers(t *testing.T) {
	large := `{"text":"` + strings.Repeat("compressible ", 100) + `"}`
	address := serveDoor(t, connectDoor(notes(t), scripted), nil)
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	for accept, want := range map[string]string{"": "", "gzip": "gzip", "br, gzip;q=0.5": "br", "zstd": "zstd", "gzip;q=0": "", "identity": ""} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+get, strings.NewReader(large))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", typeJSON)
		r.Header.Set("Accept-Encoding", accept)
		res, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := decompressed(res)
		if err != nil || text != large || res.Header.Get("Content-Encoding") != want {
			t.Errorf("%q: %.20q in %q, %v", accept, text, res.Header.Get("Content-Encoding"), err)
		}
	}
}

func decompressed(res *http.Response) (string, error) {
	defer res.Body.Close()
	coding := transport.Coding(res.Header.Get("Content-Encoding"))
	message, err := transport.ReadMessage(res.Body, 1<<20, coding)
	return string(message), err
}

// A unary method whose backend answers otherwise fails.
func TestConnectNotOneAnswer(t *testing.T) {
	const want = `{"code":"internal","message":"the backend did not answer with exactly one message"}`
	for name, h := range map[string]rpc.Handler{
		"none": func(context.Context, *rpc.Call, rpc.Stream) error { return nil },
		"two": func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
			return errors.Join(s.Send(nil), s.Send(nil))
		},
	} {
		overBoth(t, connectDoor(notes(t), h), []exchange{
			{name: name, path: get, kind: typeProto, status: http.StatusInternalServerError, wantKind: typeJSON, want: want},
		})
	}
}

// What a backend says wrong is no answer in JSON, and shows nothing of itself.
func TestConnectAnswerNotJSON(t *testing.T) {
	const text = "the backend's answer is not a valid notes.v1.Note"
	h := func(_ context.Context, _ *rpc.Call, s rpc.Stream) error { return s.Send([]byte("\n\xffsecret")) }
	overBoth(t, connectDoor(notes(t), h), []exchange{
		{name: "unary", path: get, kind: typeJSON, body: `{}`, status: http.StatusInternalServerError, want: `{"code":"internal","message":"` + text + `"}`},
		{name: "stream", path: watch, kind: streamJSON, body: frame(0, `{}`), want: frame(2, `{"error":{"code":"internal","message":"`+text+`"}}`)},
	})
}

// Full duplex works over HTTP/1.1 too, and what a client still sends when its call
// has ended is not the next request.
func TestConnectDuplexOverHTTP1(t *testing.T) {
	answered := make(chan struct{})
	h := func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
		m, err := s.Recv()
		if err != nil {
			return err
		}
		if err := s.Send(m); err != nil {
			return err
		}
		<-answered
		return nil
	}
	address := serveDoor(t, connectDoor(notes(t), h), nil)
	body, write := io.Pipe()
	defer write.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+chat, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", streamProto)
	go write.Write([]byte(frame(0, note("a"))))
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got := make([]byte, len(frame(0, note("a"))))
	if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != frame(0, note("a")) {
		t.Errorf("%q, %v", got, err)
	}
	close(answered)
	if rest, err := io.ReadAll(res.Body); err != nil || string(rest) != frame(2, `{}`) || !res.Close {
		t.Errorf("%q, %v; the connection is closed: %v", rest, err, res.Close)
	}
}

func TestConnectDeadlines(t *testing.T) {
	waits := func(ctx context.Context, _ *rpc.Call, _ rpc.Stream) error {
		<-ctx.Done()
		return rpc.ContextError(ctx)
	}
	const want = `{"code":"deadline_exceeded","message":"the deadline of the call passed"}`
	soon := http.Header{"Connect-Timeout-Ms": {"20"}}
	overBoth(t, connectDoor(notes(t), waits), []exchange{
		{name: "unary", path: get, kind: typeProto, header: soon, status: http.StatusGatewayTimeout, wantKind: typeJSON, want: want},
		{name: "stream", path: watch, kind: streamProto, header: soon, body: frame(0, ""), want: frame(2, `{"error":`+want+`}`)},
	})
}

// A request that never ends is bounded by the method's timeout.
func TestConnectSlowRequest(t *testing.T) {
	snap := notes(t)
	rpctest.Method(t, snap, get).Timeout = 50 * time.Millisecond
	address := serveDoor(t, connectDoor(snap, scripted), nil)
	body, write := io.Pipe()
	defer write.Close()
	go write.Write([]byte("x"))
	res := post(t, address, get, body, http.Header{"Content-Type": {typeProto}})
	if res.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("%d", res.StatusCode)
	}
}

func TestConnectTakes(t *testing.T) {
	door := connectDoor(notes(t), nil)
	version := http.Header{"Connect-Protocol-Version": {"1"}}
	for _, test := range []struct {
		method, target, kind string
		header               http.Header
		want                 bool
	}{
		{http.MethodPost, get, typeJSON, nil, false},
		{http.MethodPost, get, typeJSON, version, true},
		{http.MethodPost, "/unknown", typeJSON, version, true},
		{http.MethodPost, get, typeProto, nil, true},
		{http.MethodPost, "/v1/files", typeProto, nil, false},
		{http.MethodPost, "/unknown", streamJSON, nil, true},
		{http.MethodGet, read + "?connect=v1&encoding=json", "", nil, true},
		{http.MethodGet, read + "?encoding=json", "", nil, false},
		{http.MethodGet, "/v1/notes?connect=v1", "", nil, false},
		{http.MethodPut, get, typeProto, nil, false},
		{http.MethodPost, get, "image/jpeg", nil, true},
		{http.MethodPost, get, "image/jpeg", http.Header{"Accept": {"*/*"}}, false},
		{http.MethodPost, get, "image/jpeg", http.Header{"Accept": {""}}, true},
		{http.MethodPost, "/v1/files", "image/jpeg", nil, false},
		{http.MethodPost, get, "application/x-www-form-urlencoded", nil, false},
		{http.MethodPost, get, "", nil, false},
	} {
		r, err := http.NewRequestWithContext(t.Context(), test.method, test.target, nil)
		if err != nil {
			t.Fatal(err)
		}
		if test.header != nil {
			r.Header = test.header.Clone()
		}
		r.Header.Set("Content-Type", test.kind)
		if door.Takes(r) != test.want {
			t.Errorf("%s %s, %q: %v", test.method, test.target, test.kind, !test.want)
		}
	}
}
