package graph

import (
	"context"
	"net/http"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/translate/transport"
)

// subprotocol is the only one spoken. Its older cousin, confusingly named
// graphql-ws, was given up by its own authors.
const subprotocol = "graphql-transport-ws"

// Close codes of graphql-transport-ws.
const (
	closeBadMessage      = 4400
	closeUnauthorized    = 4401
	closeForbidden       = 4403
	closeSubprotocol     = 4406
	closeInitTimeout     = 4408
	closeSubscriberInUse = 4409
	closeTooManyInits    = 4429
)

// Bounds of one socket.
const (
	// DefaultInitTimeout is how long a client may take to send connection_init.
	DefaultInitTimeout = 3 * time.Second
	// MaxSubscriptions bounds the operations of one socket at a time.
	MaxSubscriptions = 100
)

// socket is one connection that speaks graphql-transport-ws. Its reader is the
// goroutine of the HTTP request; each operation has one more.
type socket struct {
	door *door
	ws   *transport.WebSocket
	ctx  context.Context // of all operations; ends with the socket
	// caller is whose the socket is, for the count of his operations.
	caller string

	// Touched by the reader only.
	initiated bool
	unwatch   func() // ends the wait for the end of the caller's credentials

	mu            sync.Mutex
	subscriptions map[string]*subscription
	active        int // operations that are not over, also those that are complete for the client
	running       sync.WaitGroup
}

// serveWebSocket returns when the socket is closed and all of its operations are over.
func (d *door) serveWebSocket(w http.ResponseWriter, r *http.Request) {
	ctx, release, fault := d.admit(r)
	if fault != nil {
		fault.write(w, negotiate(r.Header))
		return
	}
	defer release()
	ws, err := transport.AcceptWebSocket(w, r, transport.WebSocketOptions{
		Subprotocols: []string{subprotocol},
		Origins:      d.options.Origins,
		MaxMessage:   MaxBody,
		Refuse:       func(httpStatus int, message string) { Refuse(w, r, httpStatus, message) },
	})
	if err != nil {
		return // it has been answered
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &socket{door: d, ws: ws, ctx: ctx, caller: callerOf(ctx), subscriptions: make(map[string]*subscription)}
	defer s.running.Wait()
	defer ws.Close()
	defer cancel()
	s.serve()
}

func (d *door) initTimeout() time.Duration {
	if d.options.InitTimeout > 0 {
		return d.options.InitTimeout
	}
	return DefaultInitTimeout
}

// serve reads until the socket is to be closed.
func (s *socket) serve() {
	if s.ws.Subprotocol() != subprotocol {
		s.ws.CloseWith(closeSubprotocol, "Subprotocol not acceptable")
		return
	}
	defer s.door.whenStopping(func() { s.ws.CloseWith(transport.CloseGoingAway, "Going away") })()
	s.awaitExpiry()
	defer func() { s.unwatch() }()
	patience := time.AfterFunc(s.door.initTimeout(), func() {
		s.ws.CloseWith(closeInitTimeout, "Connection initialisation timeout")
	})
	defer patience.Stop()
	for {
		kind, data, err := s.ws.Read()
		if err != nil {
			return
		}
		if kind != transport.TextMessage {
			s.ws.CloseWith(closeBadMessage, "messages are text")
			return
		}
		m, err := decodeMessage(data)
		if err != nil {
			s.ws.CloseWith(closeBadMessage, err.Error())
			return
		}
		if m.Type == messageInit {
			patience.Stop()
		}
		if !s.handle(m) {
			return
		}
	}
}

// handle does what a message asks for. It reports whether the socket goes on.
func (s *socket) handle(m clientMessage) bool {
	switch m.Type {
	case messageInit:
		if s.initiated {
			s.ws.CloseWith(closeTooManyInits, "Too many initialisation requests")
			return false
		}
		s.initiated = true
		return s.admitInit(m.Payload) && s.send(messageAck, "", nil) == nil
	case messagePing:
		return s.send(messagePong, "", m.Payload) == nil
	case messageSubscribe:
		if !s.initiated {
			s.ws.CloseWith(closeUnauthorized, "Unauthorized")
			return false
		}
		return s.subscribe(m)
	case messageComplete:
		s.complete(m.ID)
	}
	return true // a pong needs no answer
}

// admitInit takes the credentials in the payload of connection_init, which is where
// browsers have to put them. It reports whether the socket goes on.
func (s *socket) admitInit(payload []byte) bool {
	door, over := s.door.now()
	defer over()
	if door.options.Init == nil {
		return true
	}
	ctx, err := door.options.Init(s.ctx, payload)
	switch {
	case err == nil:
		s.ctx, s.caller = ctx, callerOf(ctx)
		s.unwatch()
		s.awaitExpiry()
		return true
	case status.Code(err) == codes.Unauthenticated:
		s.ws.CloseWith(closeForbidden, "Forbidden")
	default:
		s.ws.CloseWith(transport.CloseInternalError, status.Convert(err).Message())
	}
	return false
}

// awaitExpiry closes the socket when its caller's credentials end.
func (s *socket) awaitExpiry() {
	s.unwatch = rpc.WatchCaller(s.ctx, func(error) { s.ws.CloseWith(closeUnauthorized, "Unauthorized") })
}

func (s *socket) send(kind, id string, payload []byte) error {
	return s.write(appendMessage(nil, kind, id, payload))
}

func (s *socket) write(message []byte) error { return s.ws.Write(transport.TextMessage, message) }
