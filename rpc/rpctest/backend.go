// Package rpctest fakes what stands on both sides of package rpc: backends that
// answer by a script, on a real gRPC server, and clients of a handler. It works on
// wire bytes and descriptors; there is no generated code in it.
package rpctest

import (
	"context"
	"crypto/tls"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
)

// Backend is a gRPC server that answers by a script. It is safe for concurrent use.
type Backend struct {
	// Address is what an [rpc.Endpoint] has for it.
	Address string

	server   *grpc.Server
	handlers map[string]Handler
	served   chan struct{}

	mu       sync.Mutex
	calls    map[string]int
	metadata map[string]metadata.MD
}

// Handler answers the calls of one method. Its error is the status of the call.
// The stream's context ends when the call was cancelled.
type Handler func(*Stream) error

// Option changes how a backend listens.
type Option func(*settings)

type settings struct {
	network, address, scheme string
	server                   []grpc.ServerOption
	reflected                *schema.Backend
	health                   healthpb.HealthServer
}

// TLS serves with a certificate, at an address of `grpcs://`.
func TLS(config *tls.Config) Option {
	return func(s *settings) {
		s.scheme = "grpcs://"
		s.server = append(s.server, grpc.Creds(credentials.NewTLS(config)))
	}
}

// Unix listens on a socket in a folder of the test.
func Unix(t testing.TB) Option {
	return func(s *settings) {
		s.network, s.address, s.scheme = "unix", filepath.Join(t.TempDir(), "backend.sock"), "unix://"
	}
}

// At listens on a given host:port, as a backend that comes back does.
func At(address string) Option {
	return func(s *settings) { s.address = address }
}

// Reflect serves reflection of a backend's services.
func Reflect(b *schema.Backend) Option {
	return func(s *settings) { s.reflected = b }
}

// Health serves grpc.health.v1.
func Health(h healthpb.HealthServer) Option {
	return func(s *settings) { s.health = h }
}

// Start serves handlers by the paths of their methods until the test ends. All
// other methods are UNIMPLEMENTED.
func Start(t testing.TB, handlers map[string]Handler, options ...Option) *Backend {
	t.Helper()
	s := settings{network: "tcp", address: "127.0.0.1:0"}
	for _, o := range options {
		o(&s)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), s.network, s.address)
	if err != nil {
		t.Fatal(err)
	}
	b := &Backend{
		Address:  s.scheme + listener.Addr().String(),
		handlers: maps.Clone(handlers),
		served:   make(chan struct{}),
		calls:    make(map[string]int),
		metadata: make(map[string]metadata.MD),
	}
	b.server = grpc.NewServer(append(s.server,
		grpc.ForceServerCodec(Codec{}), grpc.UnknownServiceHandler(b.serve))...)
	if s.health != nil {
		healthpb.RegisterHealthServer(b.server, s.health)
	}
	if s.reflected != nil {
		register(b.server, s.reflected)
	}
	go func() {
		defer close(b.served)
		_ = b.server.Serve(listener) // ends when the server is stopped
	}()
	t.Cleanup(b.Stop)
	return b
}

// StartHTTP serves HTTP/2 without TLS, for answers that are no gRPC, and returns its address.
func StartHTTP(t testing.TB, h http.Handler) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h, Protocols: new(http.Protocols)}
	server.Protocols.SetUnencryptedHTTP2(true)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // ends when the server is closed
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	return listener.Addr().String()
}

// register serves reflection from the files that the backend was compiled from.
func register(server *grpc.Server, b *schema.Backend) {
	reflectionv1.RegisterServerReflectionServer(server, reflection.NewServerV1(reflection.ServerOptions{
		Services:           reflected{b},
		DescriptorResolver: b.Files,
	}))
}

type reflected struct{ backend *schema.Backend }

func (r reflected) GetServiceInfo() map[string]grpc.ServiceInfo {
	info := make(map[string]grpc.ServiceInfo)
	for _, s := range r.backend.Services {
		info[s.FullName()] = grpc.ServiceInfo{Metadata: s.Descriptor.ParentFile().Path()}
	}
	return info
}

// Stop ends the server and all its calls at once.
func (b *Backend) Stop() {
	b.server.Stop()
	<-b.served
}

// Drain ends the server as a rolling restart does: it takes no further calls and returns
// when those under way have ended.
func (b *Backend) Drain() {
	b.server.GracefulStop()
	<-b.served
}

// Endpoint returns how a pool reaches the backend under a name.
func (b *Backend) Endpoint(name string) rpc.Endpoint {
	return rpc.Endpoint{Name: name, Address: b.Address}
}

// Handle changes what answers a method.
func (b *Backend) Handle(path string, h Handler) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.handlers[path] = h
}

// Calls counts the calls of a method that arrived.
func (b *Backend) Calls(path string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls[path]
}

// Metadata returns what the latest call of a method carried.
func (b *Backend) Metadata(path string) metadata.MD {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.metadata[path]
}

func (b *Backend) serve(_ any, st grpc.ServerStream) error {
	path, _ := grpc.MethodFromServerStream(st)
	md, _ := metadata.FromIncomingContext(st.Context())
	b.mu.Lock()
	b.calls[path]++
	b.metadata[path] = md
	h := b.handlers[path]
	b.mu.Unlock()
	if h == nil {
		return status.Error(codes.Unimplemented, "no handler for "+path)
	}
	return h(&Stream{st: st})
}

// Stream is the backend's side of a call.
type Stream struct{ st grpc.ServerStream }

// Context ends when the client is gone.
func (s *Stream) Context() context.Context { return s.st.Context() }

// Metadata returns what the client sent.
func (s *Stream) Metadata() metadata.MD {
	md, _ := metadata.FromIncomingContext(s.st.Context())
	return md
}

// Recv returns the next request message, and io.EOF after the last.
func (s *Stream) Recv() (m []byte, err error) {
	err = s.st.RecvMsg(&m)
	return m, err
}

// Send sends a response message; any bytes will do.
func (s *Stream) Send(m []byte) error { return s.st.SendMsg(&m) }

// SendHeader sends headers at once.
func (s *Stream) SendHeader(md metadata.MD) error { return s.st.SendHeader(md) }

// SetTrailer adds to what is sent with the status.
func (s *Stream) SetTrailer(md metadata.MD) { s.st.SetTrailer(md) }
