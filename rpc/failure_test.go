package rpc_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

func TestBackendErrors(t *testing.T) {
	snap := compile(t)
	detail := &anypb.Any{TypeUrl: "type.googleapis.com/acme.Unknown", Value: []byte{0x0a, 0x01, 0xff, 0x98, 0x06, 0x01}}
	stack := &anypb.Any{TypeUrl: "type.googleapis.com/google.rpc.DebugInfo", Value: []byte("\x0a\x09main.go:1")}
	st := status.New(codes.NotFound, "no note “7”\n")
	p := st.Proto()
	p.Details = []*anypb.Any{stack, detail}
	fail := rpctest.Fail(status.FromProto(p))
	afterHeader := func(s *rpctest.Stream) error {
		s.SendHeader(metadata.Pairs("h", "1"))
		s.SetTrailer(metadata.Pairs("t", "2"))
		return fail(s)
	}
	for name, h := range map[string]rpctest.Handler{"trailers only": fail, "after headers": afterHeader} {
		b := rpctest.Start(t, map[string]rpctest.Handler{get: h, watch: h, collect: h, chat: h})
		pool := connect(t, b.Endpoint(rpctest.BackendName))
		for _, path := range kinds {
			client, _, err := exchange(t, pool, call(t, snap, path, ""))
			got := status.Convert(err)
			if !rpc.FromBackend(err) || got.Code() != codes.NotFound || got.Message() != "no note “7”\n" {
				t.Errorf("%s, %s: %v", name, path, err)
			}
			if d := got.Proto().GetDetails(); len(d) != 1 || !proto.Equal(d[0], detail) {
				t.Errorf("%s, %s: details %v", name, path, d)
			}
			if name == "after headers" && (len(client.Header()["h"]) != 1 || len(client.Trailer()["t"]) != 1) {
				t.Errorf("%s: metadata %v, %v", path, client.Header(), client.Trailer())
			}
			if _, kept := client.Trailer()["grpc-status-details-bin"]; kept {
				t.Errorf("%s, %s: details are in the trailers too", name, path)
			}
		}
	}
}

// A backend may say what grpc-go would say; it stays the backend's word.
func TestBackendSpeaksLikeGRPC(t *testing.T) {
	snap := compile(t)
	for _, st := range []*status.Status{
		status.New(codes.Unavailable, "connection error: desc = \"transport: x\""),
		status.New(codes.Canceled, "context canceled"),
		status.New(codes.DeadlineExceeded, "context deadline exceeded"),
		status.New(codes.ResourceExhausted, "grpc: received message larger than max (9 vs. 4194304)"),
		status.New(codes.Internal, ""),
	} {
		b := rpctest.Start(t, map[string]rpctest.Handler{get: rpctest.Fail(st), chat: rpctest.Fail(st)})
		pool := connect(t, b.Endpoint(rpctest.BackendName))
		for _, path := range []string{get, chat} {
			_, _, err := exchange(t, pool, call(t, snap, path, ""))
			if got := status.Convert(err); !rpc.FromBackend(err) || got.Code() != st.Code() || got.Message() != st.Message() {
				t.Errorf("%s: %v, want %v", path, err, st)
			}
		}
	}
}

// A status that gRPC does not define is UNKNOWN, with its own message or one that has its number.
func TestUndefinedStatus(t *testing.T) {
	snap := compile(t)
	for _, c := range []struct {
		code          codes.Code
		message, want string
	}{
		{99, "", "the backend returned the status 99, which gRPC does not define"},
		{99, "odd", "odd"},
		{codes.Unknown, "", "the backend returned UNKNOWN without a message"},
		{codes.Unknown, "odd", "odd"},
	} {
		fail := rpctest.Fail(status.New(c.code, c.message))
		pool := connect(t, rpctest.Start(t, map[string]rpctest.Handler{get: fail, chat: fail}).Endpoint(rpctest.BackendName))
		for _, path := range []string{get, chat} {
			_, _, err := exchange(t, pool, call(t, snap, path, ""))
			if got := status.Convert(err); got.Code() != codes.Unknown || got.Message() != c.want {
				t.Errorf("%s: %v, want %q", path, err, c.want)
			}
		}
	}
}

// wantMade checks an error that was made here: its code, and that its text is ours.
func wantMade(t *testing.T, err error, code codes.Code, text string) {
	t.Helper()
	st := status.Convert(err)
	if rpc.FromBackend(err) || st.Code() != code || st.Message() != text {
		t.Errorf("got %v (from the backend: %v), want %v %q", err, rpc.FromBackend(err), code, text)
	}
}

func TestUnknownBackend(t *testing.T) {
	snap := compile(t)
	_, _, err := exchange(t, connect(t), call(t, snap, get, ""))
	wantMade(t, err, codes.Unavailable, "the backend of this method is not configured")
}

func TestBackendDown(t *testing.T) {
	snap := compile(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	pool := connect(t, rpc.Endpoint{Name: rpctest.BackendName, Address: listener.Addr().String()})
	for _, path := range kinds {
		_, _, err := exchange(t, pool, call(t, snap, path, ""))
		wantMade(t, err, codes.Unavailable, "the backend is not reachable")
	}
}

func TestBackendStopsInMidCall(t *testing.T) {
	snap := compile(t)
	hang := rpctest.NewHang()
	serve := func(s *rpctest.Stream) error {
		s.SendHeader(nil)
		return hang.Handle(s)
	}
	for _, path := range []string{watch, collect, chat} {
		b := rpctest.Start(t, map[string]rpctest.Handler{watch: serve, collect: serve, chat: serve})
		pool := connect(t, b.Endpoint(rpctest.BackendName))
		ctx, cancel := context.WithCancel(t.Context())
		client := rpctest.NewClient(ctx)
		done := make(chan error, 1)
		go func() { done <- pool.Handle(ctx, call(t, snap, path, ""), client) }()
		hang.WaitStarted(t)
		rpctest.Wait(t, client.HeaderSent(), "headers")
		b.Stop()
		wantMade(t, rpctest.Wait(t, done, "the call to end"), codes.Unavailable, "the connection to the backend was lost")
		cancel()
	}
}

func TestTooLarge(t *testing.T) {
	snap := compile(t)
	large := make([]byte, 1000)
	answer := rpctest.Answer(large)
	b := rpctest.Start(t, map[string]rpctest.Handler{get: answer, watch: answer, collect: answer, chat: answer})
	pool := connect(t, b.Endpoint(rpctest.BackendName))
	for _, path := range kinds {
		c := call(t, snap, path, "")
		m := *c.Method
		m.Limits.ResponseBytes = 999
		c.Method = &m
		_, _, err := exchange(t, pool, c)
		wantMade(t, err, codes.Internal, "a response message is larger than the limit of 999 bytes")
		if !rpc.IsResponseTooLarge(err) {
			t.Errorf("%s: %v does not count as too large", path, err)
		}
		m.Limits.ResponseBytes = 1000
		if _, _, err := exchange(t, pool, c); err != nil {
			t.Errorf("%s: %v", path, err)
		}

		m.Limits.RequestBytes = 9
		c = &rpc.Call{Method: &m, Request: large[:10]}
		_, _, err = exchange(t, pool, c, string(large[:10]))
		wantMade(t, err, codes.ResourceExhausted, "a request message is larger than the limit of 9 bytes")
	}
}

// broken are answers over HTTP/2 that are no gRPC, or no good gRPC.
var broken = map[string]struct {
	answer func(http.ResponseWriter)
	code   codes.Code
	text   string
}{
	"HTML": {func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<h1>secret</h1>")
	}, codes.Internal, "the backend did not answer in gRPC"},
	"HTML of a proxy": {func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
	}, codes.Unavailable, "the backend is not reachable"},
	"no trailers": {func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Write([]byte{0, 0, 0, 0, 0})
	}, codes.Internal, "the backend's answer is broken"},
	"half a frame": {func(w http.ResponseWriter) {
		grpcAnswer(w, []byte{0, 0, 0, 0, 9, 'x'})
	}, codes.Internal, "the backend's answer is broken"},
	"a flag that does not exist": {func(w http.ResponseWriter) {
		grpcAnswer(w, []byte{7, 0, 0, 0, 1, 'x'})
	}, codes.Internal, "the backend's answer is broken"},
	"compressed with nothing": {func(w http.ResponseWriter) {
		grpcAnswer(w, []byte{1, 0, 0, 0, 1, 'x'})
	}, codes.Internal, "the backend's answer is broken"},
	"no gzip": {func(w http.ResponseWriter) {
		w.Header().Set("Grpc-Encoding", "gzip")
		grpcAnswer(w, []byte{1, 0, 0, 0, 1, 'x'})
	}, codes.Internal, "the backend's answer is broken"},
	"a frame of 4 GiB": {func(w http.ResponseWriter) {
		grpcAnswer(w, binary.BigEndian.AppendUint32([]byte{0}, 1<<32-1))
	}, codes.Internal, "a response message is larger than the limit of 4194304 bytes"},
	"details of another code": {func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Grpc-Status", "5")
		w.Header().Set("Grpc-Status-Details-Bin", "CAM")
	}, codes.Internal, "the backend's answer is broken"},
	"trailers with an odd status": {func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Write([]byte{0, 0, 0, 0, 0})
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "odd")
	}, codes.Internal, "the backend's answer is broken"},
	"trailers with metadata that is not base64": {func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Write([]byte{0, 0, 0, 0, 0})
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "5")
		w.Header().Set(http.TrailerPrefix+"X-Data-Bin", "?")
	}, codes.Internal, "the backend's answer is broken"},
	"trailers of many bytes": {func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Write([]byte{0, 0, 0, 0, 0})
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "5")
		w.Header().Set(http.TrailerPrefix+"X-Data", strings.Repeat("x", 300<<10))
	}, codes.Unavailable, "the connection to the backend was lost"},
	"a reset after a message": {func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Write([]byte{0, 0, 0, 0, 0})
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}, codes.Internal, "the backend broke off the call"},
	"a reset": {func(http.ResponseWriter) {
		panic(http.ErrAbortHandler)
	}, codes.Internal, "the backend broke off the call"},
}

func grpcAnswer(w http.ResponseWriter, frame []byte) {
	w.Header().Set("Content-Type", "application/grpc")
	w.Write(frame)
	w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
}

func TestBrokenAnswers(t *testing.T) {
	snap := compile(t)
	for name, test := range broken {
		t.Run(name, func(t *testing.T) {
			address := rpctest.StartHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { test.answer(w) }))
			pool := connect(t, rpc.Endpoint{Name: rpctest.BackendName, Address: address})
			for _, path := range kinds {
				_, _, err := exchange(t, pool, call(t, snap, path, ""))
				wantMade(t, err, test.code, test.text)
			}
		})
	}
}

// TestStatusAlone has trailers after headers with nothing but a status.
func TestStatusAlone(t *testing.T) {
	snap := compile(t)
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		address := rpctest.StartHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/grpc")
			_ = http.NewResponseController(w).Flush()
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", strconv.Itoa(int(code)))
			w.Header().Set(http.TrailerPrefix+"Grpc-Message", "received an order that is not ours")
		}))
		pool := connect(t, rpc.Endpoint{Name: rpctest.BackendName, Address: address})
		for _, path := range kinds {
			_, _, err := exchange(t, pool, call(t, snap, path, ""))
			if st := status.Convert(err); !rpc.FromBackend(err) || st.Code() != code || st.Message() != "received an order that is not ours" {
				t.Errorf("%v, %s: %v", code, path, err)
			}
		}
	}
}

func TestUnknownCode(t *testing.T) {
	snap := compile(t)
	address := rpctest.StartHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Grpc-Status", "77")
		w.Header().Set("Grpc-Message", "odd")
	}))
	pool := connect(t, rpc.Endpoint{Name: rpctest.BackendName, Address: address})
	_, _, err := exchange(t, pool, call(t, snap, get, ""))
	if st := status.Convert(err); !rpc.FromBackend(err) || st.Code() != codes.Unknown || st.Message() != "odd" {
		t.Error(err)
	}
}

// The backend here knows nothing of deadlines, so its own answer to one cannot be first.
func TestDeadline(t *testing.T) {
	snap := compile(t)
	address := rpctest.StartHTTP(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	pool := connect(t, rpc.Endpoint{Name: rpctest.BackendName, Address: address})
	for _, path := range kinds {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		client := rpctest.NewClient(ctx)
		err := pool.Handle(ctx, call(t, snap, path, ""), client)
		cancel()
		wantMade(t, err, codes.DeadlineExceeded, "the deadline of the call passed")
	}
}

// The cause of a cancellation, where it is a status, is what the call ends with.
func TestCause(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(status.Error(codes.Unauthenticated, "expired"))
	if err := rpc.ContextError(ctx); status.Code(err) != codes.Unauthenticated {
		t.Error(err)
	}
}
