package translate

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/translate/transport"
)

// Methods are the methods of a snapshot as the RPC doors serve them: gRPC,
// gRPC-Web and Connect, all at `/pkg.Service/Method`. It is immutable and safe for
// concurrent use.
//
// Reflection and health checks are answered here and never reach a backend or
// the policies of methods: they say nothing that the snapshot does not.
type Methods struct {
	headers  *transport.Headers
	errors   *errorWriter
	methods  map[string]rpcMethod // by path
	services map[string]bool
}

// rpcMethod is a method and who answers it.
type rpcMethod struct {
	*schema.Method
	handler rpc.Handler
}

// ReflectionOptions say who is told what by server reflection. The zero value tells everybody everything.
type ReflectionOptions struct {
	// Guards are middleware before it, outermost first.
	Guards []rpc.Middleware
	// Visible decides of each caller whether there is a method for it. It must be quick, and is called
	// concurrently. Nil: all are.
	Visible func(context.Context, *schema.Method) bool
}

// NewMethods returns the methods of a snapshot, which h answers. Headers decides
// which headers pass; nil has the defaults. There is nothing about a method that the
// RPC doors could not serve, so there are no problems to return.
func NewMethods(snap *schema.Snapshot, h rpc.Handler, headers *transport.Headers, o ReflectionOptions) *Methods {
	if headers == nil {
		headers = new(transport.Headers)
	}
	m := &Methods{
		headers:  headers,
		errors:   newErrorWriter(snap),
		methods:  make(map[string]rpcMethod, len(snap.Methods)),
		services: make(map[string]bool, len(snap.Services)),
	}
	for _, method := range snap.Methods {
		m.add(method, h)
	}
	own := ownServices()
	health := newHealth(snap, own)
	reflect := newReflector(snap, own, o.Visible).handle
	for _, guard := range slices.Backward(o.Guards) {
		reflect = guard(reflect)
	}
	for _, s := range own.Services {
		for _, method := range s.Methods {
			if s.FullName() == healthService {
				m.add(method, health.handlers[method.Descriptor.Name()])
			} else {
				m.add(method, reflect)
			}
		}
	}
	return m
}

func (m *Methods) add(method *schema.Method, h rpc.Handler) {
	m.methods[method.Path] = rpcMethod{method, h}
	m.services[method.Service.FullName()] = true
}

// find returns the method that a request calls, or why it is not called: the
// request was refused before, or there is no such method.
func (m *Methods) find(r *http.Request) (rpcMethod, error) {
	if err := rpc.Refusal(r.Context()); err != nil {
		return rpcMethod{}, err
	}
	return m.lookup(r)
}

// lookup returns the method that a request calls, or UNIMPLEMENTED.
func (m *Methods) lookup(r *http.Request) (rpcMethod, error) {
	path := requestPath(r.URL) // methods have one spelling
	if method, ok := m.methods[path]; ok {
		return method, nil
	}
	service, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if m.services[service] {
		return rpcMethod{}, status.Error(codes.Unimplemented, "unknown method of service "+service)
	}
	return rpcMethod{}, status.Error(codes.Unimplemented, "unknown service "+service)
}

// serve carries out a call of a protocol with frames, to its last byte. On
// return nobody reads the request any more.
func (m *Methods) serve(s *frameStream, r *http.Request) {
	defer s.release()
	defer s.stop()
	err := m.call(s, r)
	if gone := s.close(); err == nil {
		err = gone
	}
	s.dialect.end(s, err)
}

// call finds the method, and makes and carries out the call.
func (m *Methods) call(s *frameStream, r *http.Request) error {
	method, err := m.find(r)
	if err != nil {
		return err
	}
	if err := s.negotiate(method.Method, r); err != nil {
		return err
	}
	md, err := m.headers.All(r.Header)
	if err != nil {
		return err
	}
	if err := s.begin(method.Method, r); err != nil {
		return err
	}
	c := &rpc.Call{Method: method.Method, Metadata: md, Door: s.dialect.door, Peer: r.RemoteAddr}
	if !method.ClientStreams {
		if c.Request, err = s.only(); err != nil {
			return err
		}
	}
	return method.handler(s.ctx, c, s)
}

// callContext bounds the call by the client's deadline and the method's,
// whichever comes first, the time that the request takes included.
func callContext(m *schema.Method, r *http.Request) (context.Context, context.CancelFunc, error) {
	timeout, ok, err := transport.Timeout(r.Header)
	if err != nil {
		return nil, nil, err
	}
	if m.Timeout > 0 && (!ok || m.Timeout < timeout) {
		timeout, ok = m.Timeout, true
	}
	if !ok {
		ctx, cancel := context.WithCancel(r.Context())
		return ctx, cancel, nil
	}
	ctx, cancel := context.WithDeadline(r.Context(), time.Now().Add(timeout))
	return ctx, cancel, nil
}

// onlyPost refuses all other HTTP methods and reports whether it did. Clients of
// RPC read the HTTP status where there is no status of their protocol.
func onlyPost(w http.ResponseWriter, r *http.Request, protocol string) (refused bool) {
	if r.Method == http.MethodPost {
		return false
	}
	w.Header().Set("Allow", http.MethodPost)
	http.Error(w, protocol+" calls are POST requests", http.StatusMethodNotAllowed)
	return true
}

// mediaType returns the content type without its parameters, in lower case.
func mediaType(h http.Header) string {
	return mediaTypeOf(first(h["Content-Type"]))
}

func mediaTypeOf(contentType string) string {
	text, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(text))
}
