package rpc_test

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// A backend that has said nothing, or only its headers, learns that the client is gone.
func TestCancellationReachesSilentBackends(t *testing.T) {
	snap := compile(t)
	hang := rpctest.NewHang()
	afterHeader := func(s *rpctest.Stream) error {
		s.SendHeader(metadata.Pairs("h", "1"))
		return hang.Handle(s)
	}
	for _, h := range []rpctest.Handler{hang.Handle, afterHeader} {
		b := rpctest.Start(t, map[string]rpctest.Handler{get: h, watch: h, collect: h, chat: h})
		pool := connect(t, b.Endpoint(rpctest.BackendName))
		for _, path := range kinds {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- pool.Handle(ctx, call(t, snap, path, ""), rpctest.NewClient(ctx)) }()
			hang.WaitStarted(t)
			cancel()
			hang.WaitCancelled(t)
			wantMade(t, rpctest.Wait(t, done, "the call to end"), codes.Canceled, "the call was cancelled")
		}
	}
}

// A client that fails while it sends, or breaks a rule, ends the backend's stream.
func TestRequestFailureReachesBackend(t *testing.T) {
	snap := compile(t)
	hang := rpctest.NewHang()
	b := rpctest.Start(t, map[string]rpctest.Handler{collect: hang.Handle, chat: hang.Handle})
	pool := connect(t, b.Endpoint(rpctest.BackendName))
	for _, path := range []string{collect, chat} {
		for name, recv := range map[string]func() ([]byte, error){
			"error": func() ([]byte, error) { return nil, status.Error(codes.InvalidArgument, "broken frame") },
			"panic": func() ([]byte, error) { panic("secret") },
		} {
			client := failingClient{rpctest.NewClient(t.Context()), func() ([]byte, error) {
				hang.WaitStarted(t)
				return recv()
			}}
			err := pool.Handle(t.Context(), call(t, snap, path, ""), client)
			hang.WaitCancelled(t)
			want := status.New(codes.InvalidArgument, "broken frame")
			if name == "panic" {
				want = status.New(codes.Internal, "internal error")
				var p *rpc.PanicError
				if !errors.As(err, &p) || p.Value != "secret" || len(p.Stack) == 0 {
					t.Errorf("%s: %v does not tell the log about the panic", path, err)
				}
			}
			wantMade(t, err, want.Code(), want.Message())
		}
	}
}

type failingClient struct {
	*rpctest.Client
	recv func() ([]byte, error)
}

func (c failingClient) Recv() ([]byte, error) { return c.recv() }

// A client that is gone shows in Send; the backend's stream is then reset.
func TestSendFailureReachesBackend(t *testing.T) {
	snap := compile(t)
	hang := rpctest.NewHang()
	serve := func(s *rpctest.Stream) error {
		s.Send([]byte("m"))
		return hang.Handle(s)
	}
	b := rpctest.Start(t, map[string]rpctest.Handler{watch: serve, chat: serve})
	pool := connect(t, b.Endpoint(rpctest.BackendName))
	for _, path := range []string{watch, chat} {
		client := deafClient{rpctest.NewClient(t.Context())}
		err := pool.Handle(t.Context(), call(t, snap, path, ""), client)
		hang.WaitCancelled(t)
		wantMade(t, err, codes.Canceled, "gone")
		close(client.Requests)
	}
}

type deafClient struct{ *rpctest.Client }

func (deafClient) Send([]byte) error { return status.Error(codes.Canceled, "gone") }

// A backend may answer before the client has sent all; the call then ends, and
// the Recv in progress with the context of the call.
func TestBackendEndsFirst(t *testing.T) {
	snap := compile(t)
	ok := func(s *rpctest.Stream) error { return s.Send([]byte("early")) }
	b := rpctest.Start(t, map[string]rpctest.Handler{collect: ok, chat: ok})
	pool := connect(t, b.Endpoint(rpctest.BackendName))
	for _, path := range []string{collect, chat} {
		ctx, cancel := context.WithCancel(t.Context())
		client := rpctest.NewClient(ctx)
		if err := pool.Handle(ctx, call(t, snap, path, ""), client); err != nil {
			t.Error(err)
		}
		if got := rpctest.Wait(t, client.Responses, "the answer"); string(got) != "early" {
			t.Errorf("%s: %q", path, got)
		}
		cancel()
	}
}
