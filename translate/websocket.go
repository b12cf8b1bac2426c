package translate

import (
	"context"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/translate/transport"
	"github.com/protean-gateway/protean/wire"
)

// A WebSocket (RFC 6455) is one call of a method with streams. It is opened with GET at the
// path of any of the method's bindings, or at /pkg.Service/Method. Path and query complete
// each request message, as they do those of any other body.
//
// Both sides send the frames of frames.go as text. The client's are
//
//	{"data": <message>}    a request message, or what the binding's body is
//	{"end":  {}}           there are no more
//
// With the subprotocol protean.proto, messages are binary instead: one request or answer
// in protobuf's wire form; end and error remain text. A method without a stream of requests
// takes one message, or none where the binding has no body.
//
// After the last frame the socket closes with 1000, or with 4000 and the number of the
// status code; see [transport.CloseCodeOf]. A client that closes cancels the call. The
// handshake is over before the backend has said anything, so its header metadata is not
// passed on.
const (
	subprotocolJSON  = "protean.json"
	subprotocolProto = "protean.proto"
)

// frameRoom is what a frame may have beyond its message, in bytes.
const frameRoom = 64

// socketVerbs are the HTTP methods of bindings that a WebSocket may stand for, which
// is opened with GET whatever they are. The first that leads to a stream serves.
var socketVerbs = [...]string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// findSocket sets the route for a request to open a WebSocket. Where there is none
// with a stream, the request is served as if it had not asked.
func (x *exchange) findSocket(r *http.Request) (found bool, err error) {
	if !x.headers.upgrade || r.Method != http.MethodGet || !transport.IsWebSocketUpgrade(r) {
		return false, nil
	}
	for _, verb := range socketVerbs {
		if err := x.path.split(requestPath(r.URL)); err != nil {
			return false, err
		}
		if x.path.trailing {
			return false, nil
		}
		if x.route = x.rest.trie.match(verb, &x.path); x.route != nil && x.route.method.Streams() {
			return true, nil
		}
	}
	return false, nil
}

// socket is one call over a WebSocket.
type socket struct {
	frames
	ws     *transport.WebSocket
	ctx    context.Context //nolint:containedctx // of this one call
	cancel context.CancelCauseFunc
	reader socketReader

	mu      sync.Mutex
	sending bool // a message may be blocked
}

// serveSocket serves a route that findSocket found. Where it returns an error nothing was
// written.
func (x *exchange) serveSocket(r *http.Request) error {
	q := query{route: x.route, accepted: &x.accepted}
	if err := q.read(r.URL.RawQuery, x.rest.queryParameters); err != nil {
		return err
	}
	x.chooseAnswer()
	projection, err := x.answer.framed(q.mask)
	if err != nil {
		return err
	}
	if err := x.headers.fault; err != nil {
		return err
	}
	ctx, cancel, err := callContext(x.route.method, r)
	if err != nil {
		return err
	}
	defer cancel()
	ws, err := transport.AcceptWebSocket(x.writer, r, x.socketOptions(r))
	if err != nil {
		return nil // it has been answered
	}
	defer ws.Close()
	s := &socket{frames: frames{x: x, projection: projection}, ws: ws}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.reader = newSocketReader(s, q.wire)
	s.serve(&rpc.Call{Method: x.route.method, Metadata: x.headers.metadata, Door: rpc.REST, Peer: r.RemoteAddr, Denied: x.watchDenied()})
	return nil
}

func (x *exchange) socketOptions(r *http.Request) transport.WebSocketOptions {
	return transport.WebSocketOptions{
		Subprotocols: []string{subprotocolJSON, subprotocolProto},
		Origins:      x.rest.origins,
		MaxMessage:   int64(x.route.method.Limits.RequestBytes) + frameRoom,
		WriteTimeout: x.route.method.Limits.SlowConsumer,
		Refuse: func(httpStatus int, message string) {
			x.rest.errors.write(x.writer, r, refuse(httpStatus, message))
		},
	}
}

// serve carries out the call. A second goroutine reads, so that a client that closes
// is noticed at any time; it is waited for.
func (s *socket) serve(c *rpc.Call) {
	var reading sync.WaitGroup
	reading.Go(s.read)
	defer reading.Wait()
	defer s.cancel(nil)
	defer context.AfterFunc(s.ctx, s.interrupt)()
	err := s.call(c)
	_ = s.ws.Write(transport.TextMessage, s.appendLast(nil, err)) // a client that is gone needs no end
	code := statusOf(err).Code()
	s.ws.CloseWith(transport.CloseCodeOf(code), transport.CodeName(code))
}

func (s *socket) read() {
	defer func() {
		if p := recover(); p != nil {
			s.cancel(&rpc.PanicError{Value: p, Stack: debug.Stack()})
		}
	}()
	s.cancel(s.reader.run())
}

// call makes and carries out the call.
func (s *socket) call(c *rpc.Call) (err error) {
	if !c.Method.ClientStreams {
		if c.Request, err = s.only(); err != nil {
			return err
		}
	}
	return s.x.rest.handler(s.ctx, c, s)
}

// only returns the one request of a call: what path and query say where the binding has
// no body, else the client's message, for which the call does not wait for ever.
func (s *socket) only() ([]byte, error) {
	if !s.x.route.hasBody() {
		return s.reader.complete(nil)
	}
	patience := time.NewTimer(schema.DefaultTimeout)
	defer patience.Stop()
	select {
	case m := <-s.reader.messages:
		return m, nil
	case <-s.reader.ended:
		return nil, status.Error(codes.InvalidArgument, `the request has no message: send {"data": …} before {"end": {}}`)
	case <-s.ctx.Done():
		return nil, rpc.ContextError(s.ctx)
	case <-patience.C:
		return nil, status.Error(codes.DeadlineExceeded, "the request took too long to arrive")
	}
}

// Recv returns the next message. See [rpc.Stream].
func (s *socket) Recv() ([]byte, error) { return s.reader.next(s.ctx) }

// SendHeader has nowhere to write headers to.
func (*socket) SendHeader(metadata.MD) error { return nil }

// Send writes a message. It blocks while the client is slow, and that is the back-pressure.
func (s *socket) Send(msg []byte) error {
	if s.binary() {
		return s.write(transport.BinaryMessage, msg)
	}
	content, err := s.appendData(s.x.json[:0], msg)
	s.x.json = content
	if err != nil {
		return err
	}
	return s.write(transport.TextMessage, content)
}

func (s *socket) binary() bool { return s.ws.Subprotocol() == subprotocolProto }

func (s *socket) write(kind transport.MessageKind, content []byte) error {
	if !s.setSending(true) {
		return rpc.ContextError(s.ctx)
	}
	defer s.setSending(false)
	return sentTo(s.ctx, s.ws.Write(kind, content))
}

// setSending reports whether the call goes on.
func (s *socket) setSending(on bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if on && s.ctx.Err() != nil {
		return false
	}
	s.sending = on
	return true
}

// interrupt ends a message that a client makes no room for, once the call is over; the
// close code is then all that it can still hear.
func (s *socket) interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.sending {
		return
	}
	code := statusOf(rpc.ContextError(s.ctx)).Code()
	s.ws.CloseWith(transport.CloseCodeOf(code), transport.CodeName(code))
}

// framed returns what is written under a client's field mask for a message in a
// frame, where raw bodies are JSON, too.
func (a *answer) framed(mask string) (*wire.Projection, error) {
	if a.raw() && (mask == "" || mask == "*") {
		return a.method.Output.Project(a.options), nil
	}
	return a.projection(mask)
}
