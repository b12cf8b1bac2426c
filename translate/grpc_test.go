package translate_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/translate"
)

const (
	get     = "/notes.v1.Notes/Get"
	watch   = "/notes.v1.Notes/Watch"
	collect = "/notes.v1.Notes/Collect"
	chat    = "/notes.v1.Notes/Chat"
)

var kinds = []string{get, watch, collect, chat}

func notes(t testing.TB) *schema.Snapshot {
	t.Helper()
	return rpctest.Compile(t, map[string]string{"notes.proto": `
		syntax = "proto3";
		package notes.v1;
		message Note { string text = 1; }
		service Notes {
			rpc Get(Note) returns (Note);
			rpc Read(Note) returns (Note) { option idempotency_level = NO_SIDE_EFFECTS; }
			rpc Watch(Note) returns (stream Note);
			rpc Collect(stream Note) returns (Note);
			rpc Chat(stream Note) returns (stream Note);
		}`})
}

// serve serves the gRPC door on loopback and returns its address.
func serve(t testing.TB, snap *schema.Snapshot, h rpc.Handler, config *tls.Config) string {
	t.Helper()
	return serveDoor(t, translate.NewGRPC(translate.NewMethods(snap, h, nil, translate.ReflectionOptions{})), config)
}

// serveDoor serves a door on loopback, over HTTP/1.1 and HTTP/2, and returns its address.
func serveDoor(t testing.TB, door http.Handler, config *tls.Config) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: door, TLSConfig: config, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetHTTP2(config != nil)
	server.Protocols.SetUnencryptedHTTP2(config == nil)
	served := make(chan struct{})
	go func() {
		defer close(served)
		if config != nil {
			server.ServeTLS(listener, "", "")
		} else {
			server.Serve(listener)
		}
	}()
	t.Cleanup(func() {
		server.Close()
		<-served
	})
	return listener.Addr().String()
}

// dial returns a connection whose messages are *[]byte.
func dial(t testing.TB, address string, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	cc, err := grpc.NewClient(address, append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(rpctest.Codec{})),
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	return cc
}

// through returns a client connection to the door, behind which is a fake backend.
func through(t testing.TB, handlers map[string]rpctest.Handler) (*grpc.ClientConn, *rpctest.Backend) {
	t.Helper()
	b := rpctest.Start(t, handlers)
	pool := rpc.NewPool()
	if err := pool.Sync([]rpc.Endpoint{b.Endpoint(rpctest.BackendName)}); err != nil {
		t.Fatal(err)
	}
	address := serve(t, notes(t), pool.Handle, nil)
	t.Cleanup(pool.Close)
	return dial(t, address), b
}

// answer is what a client saw of a call.
type answer struct {
	header, trailer metadata.MD
	messages        []string
	err             error
}

// ask sends requests in any kind of call and reads all there is.
func ask(ctx context.Context, cc *grpc.ClientConn, path string, requests ...string) (a answer) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	desc := &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
	s, err := cc.NewStream(ctx, desc, path)
	if err != nil {
		return answer{err: err}
	}
	for _, r := range requests {
		m := []byte(r)
		if s.SendMsg(&m) != nil {
			break
		}
	}
	s.CloseSend()
	a.header, _ = s.Header()
	for {
		var m []byte
		if a.err = s.RecvMsg(&m); a.err != nil {
			break
		}
		a.messages = append(a.messages, string(m))
	}
	if errors.Is(a.err, io.EOF) {
		a.err = nil
	}
	a.trailer = s.Trailer()
	return a
}

func wantStatus(t *testing.T, err error, code codes.Code, text string) {
	t.Helper()
	if st := status.Convert(err); st.Code() != code || st.Message() != text {
		t.Errorf("got %v, want %v %q", err, code, text)
	}
}

func TestGRPCKinds(t *testing.T) {
	large := strings.Repeat("large", 100_000)
	cc, _ := through(t, map[string]rpctest.Handler{
		get: rpctest.Echo, watch: rpctest.Answer([]byte("a"), nil, []byte(large)),
		collect: rpctest.Answer([]byte("sum")), chat: rpctest.Echo,
	})
	for _, test := range []struct {
		path           string
		requests, want []string
	}{
		{get, []string{"one"}, []string{"one"}},
		{get, []string{""}, []string{""}},
		{get, []string{large}, []string{large}},
		{watch, []string{"one"}, []string{"a", "", large}},
		{collect, []string{"one", "two"}, []string{"sum"}},
		{collect, nil, []string{"sum"}},
		{chat, []string{"one", "", large}, []string{"one", "", large}},
		{chat, nil, nil},
	} {
		a := ask(t.Context(), cc, test.path, test.requests...)
		if a.err != nil || !slices.Equal(a.messages, test.want) {
			t.Errorf("%s: %.40q, %v", test.path, a.messages, a.err)
		}
	}
}

func TestGRPCOverTLS(t *testing.T) {
	server, client := rpctest.Certificate(t)
	address := serve(t, notes(t), func(_ context.Context, c *rpc.Call, s rpc.Stream) error { return s.Send(c.Request) }, server)
	cc := dial(t, address, grpc.WithTransportCredentials(credentials.NewTLS(client)))
	if a := ask(t.Context(), cc, get, "one"); a.err != nil || !slices.Equal(a.messages, []string{"one"}) {
		t.Errorf("%q, %v", a.messages, a.err)
	}
}

func TestGRPCFullDuplex(t *testing.T) {
	cc, _ := through(t, map[string]rpctest.Handler{chat: rpctest.Echo})
	s, err := cc.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, chat)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"a", "b", "c"} {
		m := []byte(text)
		if err := s.SendMsg(&m); err != nil {
			t.Fatal(err)
		}
		if err := s.RecvMsg(&m); err != nil || string(m) != text {
			t.Fatalf("%q, %v", m, err)
		}
	}
	s.CloseSend()
	if err := s.RecvMsg(new([]byte)); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

func TestGRPCMetadata(t *testing.T) {
	answers := func(s *rpctest.Stream) error {
		s.SendHeader(metadata.Pairs("h", "1", "h", "2", "h-bin", "\x00\xff", "x-protean-x", "no"))
		s.SetTrailer(metadata.Pairs("t", "3", "t-bin", "\xfe"))
		return s.Send(nil)
	}
	cc, b := through(t, map[string]rpctest.Handler{get: answers, watch: answers, collect: answers, chat: answers})
	ctx := metadata.AppendToOutgoingContext(t.Context(),
		"m", "a", "m", "b", "m-bin", "\x00\x01", "x-protean-subject", "root", "X_Protean.Subject", "root", "authorization", "Bearer secret")
	for _, path := range kinds {
		a := ask(ctx, cc, path, "m")
		if a.err != nil {
			t.Fatalf("%s: %v", path, a.err)
		}
		header, trailer := a.header.Copy(), a.trailer
		delete(header, "content-type")
		if len(header) != 2 || !slices.Equal(header["h"], []string{"1", "2"}) || !slices.Equal(header["h-bin"], []string{"\x00\xff"}) {
			t.Errorf("%s: headers %q", path, header)
		}
		if len(trailer) != 2 || !slices.Equal(trailer["t"], []string{"3"}) || !slices.Equal(trailer["t-bin"], []string{"\xfe"}) {
			t.Errorf("%s: trailers %q", path, trailer)
		}
		got := b.Metadata(path)
		if !slices.Equal(got["m"], []string{"a", "b"}) || !slices.Equal(got["m-bin"], []string{"\x00\x01"}) {
			t.Errorf("%s: the backend got %q", path, got)
		}
		for _, key := range []string{"x-protean-subject", "x_protean.subject", "authorization"} {
			if got[key] != nil {
				t.Errorf("%s: %s reached the backend", path, key)
			}
		}
	}
}

func TestGRPCErrors(t *testing.T) {
	p := status.New(codes.NotFound, "no “note” 100%\n").Proto()
	p.Details = []*anypb.Any{{TypeUrl: "type.googleapis.com/acme.Unknown", Value: []byte{0x0a, 0x01, 0xff, 0x98, 0x06, 0x01}}}
	fail := rpctest.Fail(status.FromProto(p))
	late := func(s *rpctest.Stream) error {
		s.SendHeader(metadata.Pairs("h", "1"))
		s.SetTrailer(metadata.Pairs("t", "2"))
		return fail(s)
	}
	for name, h := range map[string]rpctest.Handler{"trailers only": fail, "after headers": late} {
		t.Run(name, func(t *testing.T) {
			cc, _ := through(t, map[string]rpctest.Handler{get: h, watch: h, collect: h, chat: h})
			for _, path := range kinds {
				a := ask(t.Context(), cc, path, "m")
				if got := status.Convert(a.err).Proto(); !proto.Equal(got, p) {
					t.Errorf("%s: %v, want %v", path, got, p)
				}
				if name == "after headers" && (len(a.header["h"]) != 1 || len(a.trailer["t"]) != 1) {
					t.Errorf("%s: metadata %v, %v", path, a.header, a.trailer)
				}
				if name == "trailers only" && a.trailer["content-length"] != nil {
					t.Errorf("%s: HTTP shows through: %v", path, a.trailer)
				}
			}
		})
	}
}

func TestGRPCErrorAfterMessages(t *testing.T) {
	h := func(s *rpctest.Stream) error {
		s.Send([]byte("a"))
		return status.Error(codes.Aborted, "enough")
	}
	cc, _ := through(t, map[string]rpctest.Handler{watch: h, chat: h})
	for _, path := range []string{watch, chat} {
		a := ask(t.Context(), cc, path, "m")
		if !slices.Equal(a.messages, []string{"a"}) {
			t.Errorf("%s: messages %q", path, a.messages)
		}
		wantStatus(t, a.err, codes.Aborted, "enough")
	}
}

func TestGRPCUnknown(t *testing.T) {
	cc, _ := through(t, nil)
	for path, text := range map[string]string{
		"/notes.v1.Notes/Nope":  "unknown method of service notes.v1.Notes",
		"/notes.v1.Nope/Get":    "unknown service notes.v1.Nope",
		"/notes.v1.Notes":       "unknown method of service notes.v1.Notes",
		"/notes.v1.Notes/G%65t": "unknown method of service notes.v1.Notes",
	} {
		a := ask(t.Context(), cc, path, "m")
		wantStatus(t, a.err, codes.Unimplemented, text)
	}
}

// An error that is no status must not show its text.
func TestGRPCForeignError(t *testing.T) {
	address := serve(t, notes(t), func(context.Context, *rpc.Call, rpc.Stream) error { return io.ErrNoProgress }, nil)
	a := ask(t.Context(), dial(t, address), get, "m")
	wantStatus(t, a.err, codes.Internal, "internal error")
}

func TestGRPCGzip(t *testing.T) {
	cc, b := through(t, map[string]rpctest.Handler{get: rpctest.Echo, chat: rpctest.Echo})
	texts := []string{"short", strings.Repeat("compressible ", 1000)}
	for _, path := range []string{get, chat} {
		for _, text := range texts {
			var got []byte
			m := []byte(text)
			var header metadata.MD
			err := cc.Invoke(t.Context(), path, &m, &got, grpc.UseCompressor(gzip.Name), grpc.Header(&header))
			if err != nil || string(got) != text {
				t.Errorf("%s: %.20q, %v", path, got, err)
			}
		}
	}
	if b.Metadata(get)["grpc-encoding"] != nil {
		t.Error("the client's encoding reached the backend as metadata")
	}
	bomb := make([]byte, schema.DefaultRequestBytes+1)
	err := cc.Invoke(t.Context(), get, &bomb, new([]byte), grpc.UseCompressor(gzip.Name))
	wantStatus(t, err, codes.ResourceExhausted, "a request message is larger than the limit of 4194304 bytes")
	if n := b.Calls(get); n != len(texts) {
		t.Errorf("the backend was called %d times", n)
	}
}

func TestGRPCDeadlines(t *testing.T) {
	hang := rpctest.NewHang()
	cc, _ := through(t, map[string]rpctest.Handler{get: hang.Handle, watch: hang.Handle, collect: hang.Handle, chat: hang.Handle})
	for _, path := range kinds {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond) // the backend is reached before
		a := ask(ctx, cc, path, "m")
		cancel()
		if status.Code(a.err) != codes.DeadlineExceeded {
			t.Errorf("%s: %v", path, a.err)
		}
		hang.WaitCancelled(t)
	}
}

// The client's deadline is the handler's, less the way.
func TestGRPCDeadlinePassesOn(t *testing.T) {
	deadlines := make(chan time.Duration, 1)
	h := func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
		d, ok := ctx.Deadline()
		if !ok {
			d = time.Time{}
		}
		deadlines <- time.Until(d)
		return s.Send(nil)
	}
	snap := notes(t)
	rpctest.Method(t, snap, get).Timeout = time.Hour
	cc := dial(t, serve(t, snap, h, nil))
	for _, test := range []struct{ client, want time.Duration }{
		{time.Minute, time.Minute}, {10 * time.Hour, time.Hour}, {0, time.Hour},
	} {
		ctx, cancel := t.Context(), context.CancelFunc(func() {})
		if test.client > 0 {
			ctx, cancel = context.WithTimeout(ctx, test.client)
		}
		if a := ask(ctx, cc, get, "m"); a.err != nil {
			t.Error(a.err)
		}
		cancel()
		if got := <-deadlines; got > test.want || got < test.want-rpctest.Patience {
			t.Errorf("client %v: the handler had %v", test.client, got)
		}
	}
}

func TestGRPCCancellationReachesSilentBackends(t *testing.T) {
	hang := rpctest.NewHang()
	afterHeader := func(s *rpctest.Stream) error {
		s.SendHeader(metadata.Pairs("h", "1"))
		return hang.Handle(s)
	}
	for _, h := range []rpctest.Handler{hang.Handle, afterHeader} {
		cc, _ := through(t, map[string]rpctest.Handler{get: h, watch: h, collect: h, chat: h})
		for _, path := range kinds {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan answer, 1)
			go func() { done <- ask(ctx, cc, path, "m") }()
			hang.WaitStarted(t)
			cancel()
			hang.WaitCancelled(t)
			rpctest.Wait(t, done, "the client")
		}
	}
}

// A client whose connection is gone has cancelled.
func TestGRPCDisconnectReachesSilentBackends(t *testing.T) {
	hang := rpctest.NewHang()
	cc, _ := through(t, map[string]rpctest.Handler{get: hang.Handle, watch: hang.Handle, collect: hang.Handle, chat: hang.Handle})
	for _, path := range kinds {
		own := dial(t, cc.Target())
		done := make(chan answer, 1)
		go func() { done <- ask(t.Context(), own, path, "m") }()
		hang.WaitStarted(t)
		own.Close()
		hang.WaitCancelled(t)
		rpctest.Wait(t, done, "the client")
	}
}

// A handler may end the call while the client says nothing and keeps its side open.
func TestGRPCHandlerEndsFirst(t *testing.T) {
	for name, h := range map[string]rpc.Handler{
		"at once": func(context.Context, *rpc.Call, rpc.Stream) error {
			return status.Error(codes.FailedPrecondition, "not now")
		},
		"with a Recv in progress": func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
			receiving := make(chan struct{})
			go func() {
				close(receiving)
				s.Recv()
			}()
			<-receiving
			return status.Error(codes.FailedPrecondition, "not now")
		},
	} {
		t.Run(name, func(t *testing.T) {
			cc := dial(t, serve(t, notes(t), h, nil))
			for _, path := range []string{collect, chat} {
				s, err := cc.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, path)
				if err != nil {
					t.Fatal(err)
				}
				wantStatus(t, s.RecvMsg(new([]byte)), codes.FailedPrecondition, "not now")
			}
		})
	}
}

// A Recv ends with the call's deadline, though the client sends nothing.
func TestGRPCRecvEndsWithContext(t *testing.T) {
	received := make(chan error, 1)
	h := func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
		_, err := s.Recv()
		received <- err
		return err
	}
	snap := notes(t)
	rpctest.Method(t, snap, chat).Timeout = 50 * time.Millisecond
	cc := dial(t, serve(t, snap, h, nil))
	s, err := cc.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, chat)
	if err != nil {
		t.Fatal(err)
	}
	wantStatus(t, s.RecvMsg(new([]byte)), codes.DeadlineExceeded, "the deadline of the call passed")
	wantStatus(t, <-received, codes.DeadlineExceeded, "the deadline of the call passed")
}

// A unary request that never ends is bounded by the method's timeout.
func TestGRPCSlowRequest(t *testing.T) {
	snap := notes(t)
	rpctest.Method(t, snap, get).Timeout = 50 * time.Millisecond
	address := serve(t, snap, func(context.Context, *rpc.Call, rpc.Stream) error { return nil }, nil)
	body, write := io.Pipe()
	defer write.Close()
	go write.Write([]byte{0, 0, 0, 0, 9, 'x'})
	res := post(t, address, get, body, nil)
	if got := grpcStatus(res); got != "4" {
		t.Errorf("status %s", got)
	}
}

// A client that stops reading does not hold a call beyond its deadline.
func TestGRPCSlowReader(t *testing.T) {
	ended := make(chan error, 1)
	h := func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
		for {
			if err := s.Send(make([]byte, 1<<20)); err != nil {
				ended <- err
				return err
			}
		}
	}
	snap := notes(t)
	rpctest.Method(t, snap, watch).Timeout = 200 * time.Millisecond
	cc := dial(t, serve(t, snap, h, nil))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := cc.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, watch)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SendMsg(new([]byte)); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, rpctest.Wait(t, ended, "the call to end"), codes.DeadlineExceeded, "the deadline of the call passed")
}

// post sends a request as a client that is not grpc-go.
func post(t *testing.T, address, path string, body io.Reader, header http.Header) *http.Response {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/grpc")
	for name, values := range header {
		r.Header[name] = values
	}
	res, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

// grpcStatus reads the answer to its end.
func grpcStatus(res *http.Response) string {
	io.Copy(io.Discard, res.Body)
	return res.Header.Get("Grpc-Status") + res.Trailer.Get("Grpc-Status")
}

// body reads the answer to its end.
func body(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func frame(flag byte, message string) string {
	return string(binary.BigEndian.AppendUint32([]byte{flag}, uint32(len(message)))) + message
}

func TestGRPCRequestsThatBreakRules(t *testing.T) {
	echo := func(_ context.Context, c *rpc.Call, s rpc.Stream) error {
		if !c.Method.ClientStreams {
			return s.Send(c.Request)
		}
		for {
			if m, err := s.Recv(); errors.Is(err, io.EOF) {
				return s.Send(nil)
			} else if err != nil {
				return err
			} else if len(m) > 1000 {
				t.Error("a message over the limit came through")
			}
		}
	}
	snap := notes(t)
	for _, m := range snap.Methods {
		m.Limits.RequestBytes = 1000
	}
	address := serve(t, snap, echo, nil)
	gzip := http.Header{"Grpc-Encoding": {"gzip"}}
	for _, test := range []struct {
		name, path, body string
		header           http.Header
		want             string
	}{
		{"good", get, frame(0, "m"), nil, "0"},
		{"no message", get, "", nil, "12"},
		{"two messages", get, frame(0, "m") + frame(0, "n"), nil, "12"},
		{"two messages to a server stream", watch, frame(0, "m") + frame(0, "n"), nil, "12"},
		{"half a head", get, "\x00\x00", nil, "3"},
		{"half a message", get, frame(0, "message")[:7], nil, "3"},
		{"half a message of a stream", chat, frame(0, "m") + frame(0, "message")[:7], nil, "3"},
		{"unknown flag", get, frame(2, "m"), nil, "3"},
		{"at the limit", get, frame(0, strings.Repeat("x", 1000)), nil, "0"},
		{"over the limit", get, frame(0, strings.Repeat("x", 1001)), nil, "8"},
		{"over the limit in a stream", chat, frame(0, "m") + frame(0, strings.Repeat("x", 1001)), nil, "8"},
		{"a claim of 4 GiB", get, "\x00\xff\xff\xff\xff", nil, "8"},
		{"compressed without a name", get, frame(1, "m"), nil, "13"},
		{"no gzip", get, frame(1, "m"), gzip, "3"},
		{"gzip declared, not used", get, frame(0, "m"), gzip, "0"},
		{"unknown encoding", get, frame(0, "m"), http.Header{"Grpc-Encoding": {"snappy"}}, "12"},
		{"identity", get, frame(0, "m"), http.Header{"Grpc-Encoding": {"identity"}}, "0"},
		{"bad timeout", get, frame(0, "m"), http.Header{"Grpc-Timeout": {"soon"}}, "3"},
		{"bad binary header", get, frame(0, "m"), http.Header{"X-Bin": {"%%%"}}, "3"},
	} {
		res := post(t, address, test.path, strings.NewReader(test.body), test.header)
		if got := grpcStatus(res); res.StatusCode != http.StatusOK || got != test.want {
			t.Errorf("%s: HTTP %d, grpc-status %q, want %q", test.name, res.StatusCode, got, test.want)
		}
		if test.name == "unknown encoding" && res.Header.Get("Grpc-Accept-Encoding") != "zstd, br, gzip" {
			t.Error("the answer does not say which encodings are accepted")
		}
	}
}

func TestGRPCNotGRPC(t *testing.T) {
	address := serve(t, notes(t), nil, nil)
	for contentType, want := range map[string]int{
		"application/json":            http.StatusUnsupportedMediaType,
		"application/grpc+thrift":     http.StatusUnsupportedMediaType,
		"application/grpc-web+proto":  http.StatusUnsupportedMediaType,
		"application/grpc; charset=x": http.StatusOK,
		"application/grpc+proto":      http.StatusOK,
	} {
		res := post(t, address, "/x/y", nil, http.Header{"Content-Type": {contentType}})
		if res.StatusCode != want {
			t.Errorf("%s: %d, want %d", contentType, res.StatusCode, want)
		}
	}
	door := translate.NewGRPC(translate.NewMethods(notes(t), nil, nil, translate.ReflectionOptions{}))
	for _, test := range []struct {
		method string
		major  int
		want   int
	}{
		{http.MethodGet, 2, http.StatusMethodNotAllowed},
		{http.MethodPost, 1, http.StatusHTTPVersionNotSupported},
	} {
		r := httptest.NewRequest(test.method, get, nil)
		r.Header.Set("Content-Type", "application/grpc")
		r.ProtoMajor = test.major
		w := httptest.NewRecorder()
		door.ServeHTTP(w, r)
		if w.Code != test.want {
			t.Errorf("%s over HTTP/%d: %d, want %d", test.method, test.major, w.Code, test.want)
		}
	}
}
