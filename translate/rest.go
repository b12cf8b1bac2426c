// Package translate turns what clients say in HTTP into calls, and answers back:
// one protocol a file. REST is google.api.http with JSON.
//
// The way of a REST request: headers.go says what its headers say, path.go splits the path, trie.go finds the route,
// request.go makes the message (body.go, form.go, multipart.go, query.go, path variables) or
// request_stream.go a stream of them, the handler calls the backend, response.go or stream.go
// writes the answer, errors.go and errorbody.go what went wrong. websocket.go is a way of
// its own for methods with streams.
package translate

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"google.golang.org/grpc/metadata"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/translate/transport"
)

// RESTOptions are the settings of the REST door. The zero value has the defaults.
type RESTOptions struct {
	// Headers decides which headers reach backends. Nil: the tracing headers.
	Headers *transport.Headers
	// QueryParameters is how many parameters one request may have. 0:
	// [DefaultQueryParameters].
	QueryParameters int
	// Origins are other origins whose pages may open a WebSocket; see
	// [transport.OriginAllowed].
	Origins []string
	// CompressionDisabled: answers are never compressed.
	CompressionDisabled bool
	// Listed is where routes are described, which clients are told that ask for one that there is not. Empty: nowhere.
	Listed string
	// GRPCGateway reads requests as grpc-gateway does, and ends each message of a raw stream with a line feed, for clients that
	// rely on it: see http.grpc_gateway_compatibility in the configuration.
	GRPCGateway bool
	// Reserved are paths of the gateway itself. No binding gets them. Nil:
	// [ReservedPaths].
	Reserved []string
}

// ReservedPaths are the paths that no binding gets, where nothing else is said.
var ReservedPaths = []string{"/graphql", "/openapi.json", "/openapi.yaml"}

// REST serves the methods of a snapshot as JSON over HTTP. It is immutable and
// safe for concurrent use.
type REST struct {
	handler         rpc.Handler
	headers         *transport.Headers
	queryParameters int
	origins         []string
	uncompressed    bool
	listed          string
	trie            trie
	routes          []Route
	errors          *errorWriter
}

// Route is a place where a method is served.
type Route struct {
	Verb     string // the HTTP method, or `*` for all
	Template string
	Method   *schema.Method
	Body     string // `*`, a field path, or empty for no body

	route *route
}

// NewREST returns the view of a snapshot that h answers. It never fails: a
// binding that cannot be served is left out and is a problem, and so are two methods that
// claim one route, which the first in the order of the snapshot keeps. Each method is also
// served as POST /pkg.Service/Method.
func NewREST(snap *schema.Snapshot, h rpc.Handler, o RESTOptions) (*REST, []schema.Problem) {
	t := &REST{
		handler:         h,
		headers:         o.Headers,
		queryParameters: o.QueryParameters,
		origins:         o.Origins,
		uncompressed:    o.CompressionDisabled,
		listed:          o.Listed,
		errors:          newErrorWriter(snap),
	}
	if t.headers == nil {
		t.headers = new(transport.Headers)
	}
	if t.queryParameters == 0 {
		t.queryParameters = DefaultQueryParameters
	}
	if o.Reserved == nil {
		o.Reserved = ReservedPaths
	}
	return t, t.placeAll(snap, o)
}

// placeAll places the default mapping of every method first, so that no
// annotation takes it away, and then the bindings.
func (t *REST) placeAll(snap *schema.Snapshot, o RESTOptions) (problems []schema.Problem) {
	t.routes = make([]Route, 0, 2*len(snap.Methods))
	place := func(list []bound) {
		for _, b := range list {
			if finding := t.place(b, o.Reserved); finding != "" {
				problems = append(problems, problem(b.Binding, " is not served: "+finding))
				continue
			}
			for _, finding := range b.advice {
				problems = append(problems, problem(b.Binding, ": "+finding))
			}
		}
	}
	for _, s := range snap.Services {
		place(boundOf(s, o.GRPCGateway).byDefault)
	}
	for _, s := range snap.Services {
		place(boundOf(s, o.GRPCGateway).said)
	}
	return problems
}

// bound is a binding with its route, or with what is wrong with it.
type bound struct {
	*schema.Binding
	route  *route
	fault  error
	advice []string
}

// serviceBindings are the bindings of one service.
type serviceBindings struct{ byDefault, said []bound }

// boundKey is where the bindings of a service are kept with its backend: they depend on nothing else.
type boundKey struct {
	service     *schema.Service
	grpcGateway bool
}

// boundOf returns the bindings of a service. Views of many snapshots share them.
func boundOf(s *schema.Service, grpcGateway bool) *serviceBindings {
	return s.Backend.Derived(boundKey{s, grpcGateway}, func() any {
		all := &serviceBindings{byDefault: make([]bound, 0, len(s.Methods)), said: make([]bound, 0, len(s.Methods))}
		for _, m := range s.Methods {
			all.byDefault = append(all.byDefault, bind(&schema.Binding{Method: m, Verb: "POST", Template: m.Path, Body: "*"}, grpcGateway))
			for _, b := range m.Bindings {
				one := bind(b, grpcGateway)
				if one.fault == nil {
					one.advice = one.route.advice()
				}
				all.said = append(all.said, one)
			}
		}
		return all
	}).(*serviceBindings)
}

func bind(b *schema.Binding, grpcGateway bool) bound {
	r, err := newRoute(b)
	if err == nil && grpcGateway {
		r.grpcGateway, r.ignoreUnknown = true, true
	}
	return bound{Binding: b, route: r, fault: err}
}

// place adds a binding to the trie, or says why not.
func (t *REST) place(b bound, reserved []string) (finding string) {
	if b.fault != nil {
		return b.fault.Error()
	}
	r := b.route
	if slices.Contains(reserved, literalPath(r.template)) {
		return "is reserved for the gateway itself; choose another path"
	}
	owner := t.trie.add(r)
	switch {
	case owner == nil:
		t.routes = append(t.routes, Route{r.verb, b.Template, b.Method, b.Body, r})
		return ""
	case owner.same(r):
		return ""
	default:
		return fmt.Sprintf("is claimed by %s already, as %s; that one serves it",
			owner.method.FullName(), owner.binding.Template)
	}
}

func problem(b *schema.Binding, finding string) schema.Problem {
	return schema.Problem{
		Severity: schema.Warning,
		Backend:  b.Method.Service.Backend.Name,
		Element:  b.Method.FullName(),
		Position: b.Position,
		Message:  b.Verb + " " + b.Template + finding,
	}
}

// Routes returns all routes: the default mappings in the order of the snapshot,
// then the bindings. The slice must not be changed.
func (t *REST) Routes() []Route { return t.routes }

// Differing returns the routes of each view that are not the very same in both. Views of snapshots that one compiler made
// share those of backends that did not change.
func Differing(old, updated *REST) (gone, come []Route) {
	return old.routesBeside(updated), updated.routesBeside(old)
}

func (t *REST) routesBeside(other *REST) []Route {
	shared := make(map[*route]bool, len(other.routes))
	for _, r := range other.routes {
		shared[r.route] = true
	}
	return slices.DeleteFunc(slices.Clone(t.routes), func(r Route) bool { return shared[r.route] })
}

// ServeHTTP answers a request, whatever its path.
func (t *REST) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := exchanges.Get().(*exchange)
	x.rest, x.writer = t, w
	if err := x.serve(r); err != nil {
		x.writeError(r, err)
	}
	if x.in == nil { // a late Recv of a client stream still looks into x
		x.release()
	}
}

func (x *exchange) serve(r *http.Request) error {
	if err := rpc.Refusal(r.Context()); err != nil {
		return err
	}
	x.headers.read(x.rest.headers, r.Header)
	if socket, err := x.findSocket(r); err != nil {
		return err
	} else if socket {
		x.negotiate()
		return x.serveSocket(r)
	}
	if err := x.find(r); err != nil {
		return err
	}
	if err := x.route.servable(); err != nil {
		return err
	}
	if !x.negotiate() && x.route.method.ServerStreams {
		return errNotAcceptable
	}
	ctx, cancel, err := x.bounded(r)
	if err != nil {
		return err
	}
	defer cancel()
	x.lasting = new(lasting)
	if x.route.method.ClientStreams {
		return x.serveStream(ctx, r)
	}
	request, mask, err := x.encode(r)
	if err != nil {
		return err
	}
	return x.call(ctx, r, request, mask)
}

// negotiate decides how the answer is written, and reports whether the client takes it.
func (x *exchange) negotiate() (ok bool) {
	x.accepted, ok = x.route.accept(x.headers.accept)
	x.chooseAnswer()
	return ok
}

// chooseAnswer sets how the answer is written, by what Accept and the query have come to so far.
func (x *exchange) chooseAnswer() { x.answer = x.route.answerWith(x.accepted.options) }

// bounded returns the context of the call. The bound of a method with streams must hold
// for reading and writing here, too; that of a unary call holds in the chain, and nothing
// here can block for longer.
func (x *exchange) bounded(r *http.Request) (context.Context, context.CancelFunc, error) {
	if x.route.method.Streams() {
		return callContext(x.route.method, r)
	}
	if !x.headers.timeout {
		return r.Context(), func() {}, nil
	}
	return transport.WithTimeout(r.Context(), r.Header)
}

// serveStream serves a method that takes a stream of messages.
func (x *exchange) serveStream(ctx context.Context, r *http.Request) error {
	in, mask, release, err := x.openRequests(ctx, r)
	if err != nil {
		return err
	}
	defer release()
	x.in = in
	return x.call(ctx, r, nil, mask)
}

// call makes the call of a request and writes its answer. Where it returns an
// error nothing was written.
func (x *exchange) call(ctx context.Context, r *http.Request, request []byte, mask string) error {
	projection, err := x.answer.projection(mask)
	if err != nil {
		return err
	}
	if err := x.headers.fault; err != nil {
		return err
	}
	m := x.route.method
	call := &x.lasting.call
	*call = rpc.Call{Method: m, Metadata: x.headers.metadata, Request: request, Door: rpc.REST, Peer: r.RemoteAddr, Denied: x.watchDenied()}
	if m.ServerStreams {
		return x.callStream(ctx, r, call, projection)
	}
	return x.callUnary(ctx, r, call, projection)
}

// find sets the route for a request. The method is the one in the request line:
// there is no override by a header or a parameter.
func (x *exchange) find(r *http.Request) error {
	p, t := &x.path, &x.rest.trie
	if err := p.split(requestPath(r.URL)); err != nil {
		return err
	}
	if p.trailing {
		return x.rest.noRoute(r.Method, p)
	}
	if x.route = t.match(r.Method, p); x.route != nil {
		return nil
	}
	if r.Method == http.MethodHead {
		if x.route = t.match(http.MethodGet, p); x.route != nil && !x.route.method.ServerStreams {
			return nil
		}
		if err := p.split(p.escaped); err != nil { // a match may have cut the verb off
			return err
		}
	}
	if allow := t.allowed(p); allow != "" {
		return notAllowed(r.Method, allow)
	}
	return x.rest.noRoute(r.Method, p)
}

// copyHeader puts a backend's header metadata into the headers of the answer.
func copyHeader(policy *transport.Headers, to http.Header, md metadata.MD) {
	if len(md) == 0 {
		return
	}
	policy.CopyHeader(to, headerPrefix, md)
	delete(to, http.CanonicalHeaderKey(headerPrefix+httpCodeKey))
}
