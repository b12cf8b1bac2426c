package translate

import (
	"context"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/translate/transport"
)

// GRPC serves the methods of a snapshot as gRPC over HTTP/2, as grpc's
// PROTOCOL-HTTP2 describes it, on net/http's server. Messages pass through
// untouched. It is immutable and safe for concurrent use.
//
// Reflection and health checks are answered here and never reach a backend or
// a policy: they say nothing that the snapshot does not.
type GRPC struct {
	headers  *transport.Headers
	methods  map[string]grpcMethod // by path
	services map[string]bool
}

// grpcMethod is a method and who answers it.
type grpcMethod struct {
	*schema.Method
	handler rpc.Handler
}

// NewGRPC returns the view of a snapshot that h answers. Headers decides which
// headers pass; nil has the defaults. There is nothing about a method that this
// door could not serve, so no problem is ever returned.
func NewGRPC(snap *schema.Snapshot, h rpc.Handler, headers *transport.Headers) (*GRPC, []schema.Problem) {
	if headers == nil {
		headers = new(transport.Headers)
	}
	g := &GRPC{
		headers:  headers,
		methods:  make(map[string]grpcMethod, len(snap.Methods)),
		services: make(map[string]bool, len(snap.Services)),
	}
	for path, m := range snap.Methods {
		g.add(path, m, h)
	}
	own := ownServices()
	health := newHealth(snap, own)
	reflection := newReflector(snap, own)
	for _, s := range own.Services {
		for _, m := range s.Methods {
			if m.Service.FullName() == healthService {
				g.add(m.Path, m, health.handlers[m.Descriptor.Name()])
			} else {
				g.add(m.Path, m, reflection.handle)
			}
		}
	}
	return g, nil
}

func (g *GRPC) add(path string, m *schema.Method, h rpc.Handler) {
	g.methods[path] = grpcMethod{m, h}
	g.services[m.Service.FullName()] = true
}

// ServeHTTP carries out one call. Requests that are no gRPC over HTTP/2 get an
// HTTP error, all others status 200 and a gRPC status, which is in the headers
// where nothing else was sent.
func (g *GRPC) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	contentType, ok := grpcTypes[mediaType(r.Header)]
	switch {
	case !ok:
		http.Error(w, "the content type of gRPC is application/grpc or application/grpc+proto", http.StatusUnsupportedMediaType)
		return
	case r.ProtoMajor != 2:
		http.Error(w, "gRPC needs HTTP/2", http.StatusHTTPVersionNotSupported)
		return
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "gRPC calls are POST requests", http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h["Content-Type"] = contentType
	// What net/http adds by itself would reach clients as metadata.
	h["Date"], h["Content-Length"] = nil, nil

	s := &grpcStream{writer: w, control: http.NewResponseController(w), headers: g.headers}
	s.writeStatus(g.call(s, r))
}

// grpcTypes are the media types of gRPC with protobuf, which mean the same, as
// header values. For other codecs messages would have to be translated.
var grpcTypes = map[string][]string{
	"application/grpc":       {"application/grpc"},
	"application/grpc+proto": {"application/grpc+proto"},
}

// mediaType returns the content type without its parameters.
func mediaType(h http.Header) string {
	text, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.TrimSpace(text)
}

// call finds the method, and makes and carries out the call. On return nobody
// reads the request any more.
func (g *GRPC) call(s *grpcStream, r *http.Request) error {
	m, err := g.method(r)
	if err != nil {
		return err
	}
	if err := s.negotiate(m.Method, r); err != nil {
		return err
	}
	md, err := g.headers.All(r.Header)
	if err != nil {
		return err
	}
	ctx, cancel, err := callContext(m.Method, r)
	if err != nil {
		return err
	}
	s.start(ctx, cancel)
	defer s.stop()
	c := &rpc.Call{Method: m.Method, Metadata: md, Door: rpc.GRPC, Peer: r.RemoteAddr}
	if !m.ClientStreams {
		if c.Request, err = s.only(); err != nil {
			return err
		}
	}
	return m.handler(ctx, c, s)
}

func (g *GRPC) method(r *http.Request) (grpcMethod, error) {
	path := r.URL.EscapedPath() // methods have one spelling
	if m, ok := g.methods[path]; ok {
		return m, nil
	}
	service, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if g.services[service] {
		return grpcMethod{}, status.Error(codes.Unimplemented, "unknown method of service "+service)
	}
	return grpcMethod{}, status.Error(codes.Unimplemented, "unknown service "+service)
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
