package rpc_test

import (
	"context"
	"crypto/tls"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

func TestAddresses(t *testing.T) {
	snap := compile(t)
	server, client := rpctest.Certificate(t)
	handlers := map[string]rpctest.Handler{get: rpctest.Echo}
	plain, secure := rpctest.Start(t, handlers), rpctest.Start(t, handlers, rpctest.TLS(server))
	socket := rpctest.Start(t, handlers, rpctest.Unix(t))
	for _, test := range []struct {
		address string
		tls     *tls.Config
	}{
		{plain.Address, nil},
		{"dns:///" + plain.Address, nil},
		{"dns:///" + strings.Replace(plain.Address, "127.0.0.1", "localhost", 1), nil},
		{secure.Address, client},
		{socket.Address, nil},
	} {
		pool := connect(t, rpc.Endpoint{Name: rpctest.BackendName, Address: test.address, TLS: test.tls})
		if _, got, err := exchange(t, pool, call(t, snap, get, "m")); err != nil || len(got) != 1 {
			t.Errorf("%s: %q, %v", test.address, got, err)
		}
	}
}

func TestUntrustedCertificate(t *testing.T) {
	snap := compile(t)
	server, _ := rpctest.Certificate(t)
	b := rpctest.Start(t, nil, rpctest.TLS(server))
	pool := connect(t, b.Endpoint(rpctest.BackendName)) // with the system's authorities
	_, _, err := exchange(t, pool, call(t, snap, get, ""))
	wantMade(t, err, codes.Unavailable, "the backend is not reachable")
	if b.Calls(get) != 0 {
		t.Error("the call reached a backend that is not trusted")
	}
}

func TestBadEndpoints(t *testing.T) {
	snap := compile(t)
	b := rpctest.Start(t, map[string]rpctest.Handler{get: rpctest.Echo})
	pool := connect(t, b.Endpoint(rpctest.BackendName))
	for _, address := range []string{
		"", "host", "host:", ":80", "unix://relative", "http://host:80", "host:80/path", "[::1:80",
	} {
		err := pool.Sync([]rpc.Endpoint{{Name: rpctest.BackendName, Address: address}})
		if err == nil || !strings.Contains(err.Error(), rpctest.BackendName) {
			t.Errorf("address %q: %v", address, err)
		}
		if _, _, err := exchange(t, pool, call(t, snap, get, "")); err != nil {
			t.Errorf("address %q cost the connection there was: %v", address, err)
		}
	}
	if err := pool.Sync([]rpc.Endpoint{b.Endpoint("a"), b.Endpoint("a")}); err == nil {
		t.Error("two endpoints of one name were accepted")
	}
}

// Calls neither fail nor reach a backend that was replaced before they began.
func TestSyncUnderLoad(t *testing.T) {
	snap := compile(t)
	handlers := map[string]rpctest.Handler{get: rpctest.Echo, chat: rpctest.Echo}
	first, second := rpctest.Start(t, handlers), rpctest.Start(t, handlers)
	pool := connect(t, first.Endpoint(rpctest.BackendName))

	var load sync.WaitGroup
	var calls atomic.Int64
	stop, enough := make(chan struct{}), make(chan struct{})
	for _, path := range []string{get, get, chat} {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, got, err := exchange(t, pool, call(t, snap, path, "m"), "m"); err != nil || len(got) != 1 {
					t.Errorf("%s: %q, %v", path, got, err)
				}
				if calls.Add(1) == 300 {
					close(enough)
				}
			}
		})
	}
	for i := range 100 {
		b := []*rpctest.Backend{second, first}[i%2]
		if err := pool.Sync([]rpc.Endpoint{b.Endpoint(rpctest.BackendName)}); err != nil {
			t.Error(err)
		}
	}
	<-enough
	close(stop)
	load.Wait()

	if err := pool.Sync([]rpc.Endpoint{second.Endpoint(rpctest.BackendName)}); err != nil {
		t.Fatal(err)
	}
	before := first.Calls(get)
	if _, _, err := exchange(t, pool, call(t, snap, get, "")); err != nil || first.Calls(get) != before {
		t.Errorf("%v; the first backend was called %d times after it was replaced", err, first.Calls(get)-before)
	}
}

// A stream outlives the endpoint it began on.
func TestRemovedEndpointKeepsItsCalls(t *testing.T) {
	snap := compile(t)
	b := rpctest.Start(t, map[string]rpctest.Handler{chat: rpctest.Echo})
	pool := connect(t, b.Endpoint(rpctest.BackendName))
	client := rpctest.NewClient(t.Context())
	done := make(chan error, 1)
	go func() { done <- pool.Handle(t.Context(), call(t, snap, chat, ""), client) }()
	client.Requests <- []byte("before")
	rpctest.Wait(t, client.Responses, "an answer")
	if err := pool.Sync(nil); err != nil {
		t.Fatal(err)
	}
	client.Requests <- []byte("after")
	if got := rpctest.Wait(t, client.Responses, "an answer"); string(got) != "after" {
		t.Errorf("got %q", got)
	}
	close(client.Requests)
	if err := rpctest.Wait(t, done, "the call to end"); err != nil {
		t.Error(err)
	}
	_, _, err := exchange(t, pool, call(t, snap, chat, ""))
	wantMade(t, err, codes.Unavailable, "the backend of this method is not configured")
}

func TestRestartedBackendIsReached(t *testing.T) {
	snap := compile(t)
	handlers := map[string]rpctest.Handler{get: rpctest.Echo}
	b := rpctest.Start(t, handlers)
	pool := connect(t, b.Endpoint(rpctest.BackendName))
	if _, _, err := exchange(t, pool, call(t, snap, get, "")); err != nil {
		t.Fatal(err)
	}
	b.Stop()
	if _, _, err := exchange(t, pool, call(t, snap, get, "")); err == nil {
		t.Fatal("a stopped backend answered")
	}
	rpctest.Start(t, handlers, rpctest.At(b.Address))
	ctx, cancel := context.WithTimeout(t.Context(), rpctest.Patience)
	defer cancel()
	for {
		_, _, err := exchange(t, pool, call(t, snap, get, ""))
		if err == nil {
			return
		}
		wantMade(t, err, codes.Unavailable, "the backend is not reachable")
		if ctx.Err() != nil {
			t.Fatal("the backend that came back was not reached")
		}
	}
}

func TestCloseEndsCalls(t *testing.T) {
	snap := compile(t)
	hang := rpctest.NewHang()
	b := rpctest.Start(t, map[string]rpctest.Handler{get: hang.Handle, chat: hang.Handle})
	for _, path := range []string{get, chat} {
		pool := rpc.NewPool()
		if err := pool.Sync([]rpc.Endpoint{b.Endpoint(rpctest.BackendName)}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			defer cancel() // as a door does
			done <- pool.Handle(ctx, call(t, snap, path, ""), rpctest.NewClient(ctx))
		}()
		hang.WaitStarted(t)
		pool.Close()
		pool.Close()
		wantMade(t, rpctest.Wait(t, done, "the call to end"), codes.Unavailable, "the connection to the backend was lost")
		if pool.Sync(nil) == nil {
			t.Error("a closed pool was opened again")
		}
	}
}

// The last call on a connection ends just as its pool is closed. Nothing of the connection stays; goleak looks.
func TestCloseAsLastCallEnds(t *testing.T) {
	snap := compile(t)
	hang := rpctest.NewHang()
	b := rpctest.Start(t, map[string]rpctest.Handler{chat: hang.Handle})
	for range 100 {
		pool := rpc.NewPool()
		if err := pool.Sync([]rpc.Endpoint{b.Endpoint(rpctest.BackendName)}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- pool.Handle(ctx, call(t, snap, chat, ""), rpctest.NewClient(ctx)) }()
		hang.WaitStarted(t)
		if err := pool.Sync(nil); err != nil {
			t.Fatal(err)
		}
		go cancel()
		pool.Close()
		if rpctest.Wait(t, done, "the call to end") == nil {
			t.Error("a call that was cancelled ended well")
		}
	}
}

// Generated clients work on a pool's connection, also after the address changed.
func TestConn(t *testing.T) {
	snap := compile(t)
	first := rpctest.Start(t, nil, rpctest.Reflect(snap.Backends[0]))
	second := rpctest.Start(t, nil, rpctest.Reflect(snap.Backends[0]))
	pool := connect(t, first.Endpoint("a"))
	if err := pool.Conn("b").Invoke(t.Context(), "/x.Y/Z", nil, nil); status.Code(err) != codes.Unavailable {
		t.Errorf("a backend that is not configured answers %v", err)
	}
	conn := pool.Conn("a")
	listServices(t, conn)
	if err := pool.Sync([]rpc.Endpoint{second.Endpoint("a")}); err != nil {
		t.Fatal(err)
	}
	first.Stop()
	listServices(t, conn)
	if err := pool.Sync(nil); err != nil {
		t.Fatal(err)
	}
	if err := conn.Invoke(t.Context(), get, nil, nil); status.Code(err) != codes.Unavailable {
		t.Error(err)
	}
}

func listServices(t *testing.T, conn grpc.ClientConnInterface) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{},
	}); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if got := answer.GetListServicesResponse().GetService(); len(got) != 1 || got[0].GetName() != "notes.v1.Notes" {
		t.Errorf("services %v", got)
	}
}
