package graph

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/translate/transport"
)

// HTTPOptions say how a graph is served over HTTP. The zero value has the defaults.
type HTTPOptions struct {
	// Headers decides which headers go to backends. Nil: the tracing headers only.
	Headers *transport.Headers
	// Origins are other origins whose pages may send operations without a
	// preflight and open WebSockets, as [transport.OriginAllowed] has it.
	Origins []string
	// CompressionDisabled: responses are never compressed.
	CompressionDisabled bool
	// GraphiQLDisabled leaves out the page that browsers get.
	GraphiQLDisabled bool
	// InitTimeout is how long a WebSocket may be open before its client sends
	// connection_init. 0 means [DefaultInitTimeout].
	InitTimeout time.Duration
	// Stopping is done when the gateway goes down: WebSockets then end with 1001,
	// event streams without `complete`, so that clients connect elsewhere. Nil: never.
	Stopping context.Context
	// Clients is what is known of clients beyond one snapshot. Nil: the graph's own.
	Clients *Clients
	// Init is given the payload of a WebSocket's connection_init, a JSON object or nil,
	// and returns the context of the socket's operations, which may have another
	// principal. It is called before anything else is done for the socket. An error is a status: the
	// socket is then closed. Nil: the payload means nothing.
	Init func(ctx context.Context, payload json.RawMessage) (context.Context, error)
	// Current returns the graph that is served now, and what to call when an operation on it is over. The operations
	// of a WebSocket that was opened before run on it. Nil, or a nil graph: the graph that the socket was opened at.
	Current func() (g *Graph, over func())
	// Panicked is told of a panic that was answered with INTERNAL. Nil: nobody is.
	Panicked func(ctx context.Context, value any, stack []byte)
}

// ServeHTTP serves the graph: operations by GET and POST (GraphQL over HTTP),
// WebSocket (graphql-transport-ws) and server-sent events (graphql-sse, in both
// modes), and GraphiQL for browsers. It returns when the request is over,
// also when that was a WebSocket, of which net/http no longer knows then.
func (g *Graph) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.door.ServeHTTP(w, r)
}

// door serves an executor. It is immutable.
type door struct {
	exec graphql.GraphExecutor
	// own is exec where that is one of ours. It is asked without what gqlgen has between a transport and an
	// executor: a context of the operation with statistics, and a handler of responses.
	own     *Executor
	options HTTPOptions
}

// newDoor returns a door; without clients in the options they are its own.
func newDoor(exec graphql.GraphExecutor, o HTTPOptions) *door {
	if o.Clients == nil {
		o.Clients = NewClients(ClientOptions{})
	}
	own, _ := exec.(*Executor)
	return &door{exec: exec, own: own, options: o}
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := rpc.Refusal(r.Context()); err != nil {
		faultOf(err).write(w, negotiate(r.Header))
		return
	}
	switch {
	case transport.IsWebSocketUpgrade(r):
		d.serveWebSocket(w, r)
	case r.Method == http.MethodPost && streamToken(r) != "":
		d.serveStart(w, r)
	case r.Method == http.MethodPost:
		d.servePost(w, r)
	case r.Method == http.MethodPut:
		d.serveReserve(w, r)
	case r.Method == http.MethodDelete:
		d.serveStop(w, r)
	case r.Method == http.MethodGet && opensReserved(r):
		d.serveReserved(w, r)
	case r.Method == http.MethodGet && d.wantsGraphiQL(r):
		d.serveGraphiQL(w, r)
	case r.Method == http.MethodGet:
		d.serveGet(w, r)
	default:
		refuseMethod(w, r)
	}
}

func refuseMethod(w http.ResponseWriter, r *http.Request) {
	(&httpFault{
		status:  http.StatusMethodNotAllowed,
		message: "operations are sent by GET or POST",
		header:  "Allow", value: "GET, POST, PUT, DELETE",
	}).write(w, negotiate(r.Header))
}

// preflightHeaders make a browser ask before it sends a request to another
// origin, so whoever has one of them is no forger. Clients know one or the other.
var preflightHeaders = []string{"Graphql-Preflight", "Graphql-Require-Preflight", "Apollo-Require-Preflight", "X-Apollo-Operation-Name"}

// crossSite reports whether another site's page may have made a browser send the
// request without asking first. Clients that are not browsers send none of the headers.
func (d *door) crossSite(r *http.Request) bool {
	asked := func(name string) bool { return r.Header.Get(name) != "" }
	if slices.ContainsFunc(preflightHeaders, asked) || isJSON(r.Header.Get("Content-Type")) {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "":
		return !transport.OriginAllowed(r, d.options.Origins)
	default:
		return r.Header.Get("Origin") == "" || !transport.OriginAllowed(r, d.options.Origins)
	}
}

// whenStopping calls f when the gateway goes down, unless that is forgotten before.
func (d *door) whenStopping(f func()) (forget func() bool) {
	if d.options.Stopping == nil {
		return func() bool { return true }
	}
	return context.AfterFunc(d.options.Stopping, f)
}

// now returns the door of the graph that is served now, and what to call when an operation there is over.
func (d *door) now() (current *door, over func()) {
	if d.options.Current != nil {
		if g, over := d.options.Current(); g != nil {
			return g.door, over
		}
	}
	return d, func() {}
}

// request returns a context that knows what backends are told of the client.
func (d *door) request(r *http.Request) (context.Context, *httpFault) {
	headers := d.options.Headers
	if headers == nil {
		headers = &transport.Headers{}
	}
	md, err := headers.Chosen(r.Header)
	if err != nil {
		return nil, faultOf(err)
	}
	return WithRequest(r.Context(), Request{Metadata: md, Peer: r.RemoteAddr}), nil
}

// timedRequest is request with the time that the client is ready to wait. A
// WebSocket has no such time: it holds many operations. The caller must call cancel.
func (d *door) timedRequest(r *http.Request) (_ context.Context, cancel context.CancelFunc, _ *httpFault) {
	ctx, fault := d.request(r)
	if fault != nil {
		return nil, nil, fault
	}
	ctx, cancel, err := transport.WithTimeout(ctx, r.Header)
	if err != nil {
		return nil, nil, faultOf(err)
	}
	return ctx, cancel, nil
}
