// Package rpc is the one shape that every call has on its way through the
// gateway, whatever the protocol of its client, and the pool of connections that
// carries it to a backend.
package rpc

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc/metadata"

	"github.com/protean-gateway/protean/schema"
)

// Call is one call of a method. It is immutable once it is handed to a [Handler].
type Call struct {
	Method *schema.Method
	// Metadata goes to the backend. Doors have left out what a client may not say.
	Metadata metadata.MD
	// Added has the names of metadata that the gateway itself sets, where a call has any of it: the caller's identity
	// and what an external authorizer sets or removes. Responses may depend on it, so calls that differ in it
	// must not share one. Nobody writes to it.
	Added []string
	// Request is the whole request message, in wire form, unless
	// Method.ClientStreams. It is never written to; anyone may keep it.
	Request []byte
	// Door is the protocol of the client.
	Door Door
	// Peer is the address of the client, as host:port; may be empty.
	Peer string
	// Denied is told which fields of the answers the caller may not see. Nil: the
	// door does not tell them from fields that are absent.
	Denied *Denied

	decoded atomic.Pointer[decoded]
}

// WithMetadata returns the call with other metadata. What was decoded is shared.
func (c *Call) WithMetadata(md metadata.MD) *Call {
	other := new(Call)
	other.SetTo(c, md)
	return other
}

// SetTo makes c, a call that nobody has yet, what other is, with other metadata, for those who have
// room for a call beside something else.
func (c *Call) SetTo(other *Call, md metadata.MD) {
	c.Method, c.Metadata, c.Added, c.Request = other.Method, md, other.Added, other.Request
	c.Door, c.Peer, c.Denied = other.Door, other.Peer, other.Denied
	c.decoded.Store(other.decoded.Load())
}

// Door is a protocol that clients speak.
type Door string

// The doors.
const (
	REST    Door = "rest"
	GraphQL Door = "graphql"
	GRPC    Door = "grpc"
	GRPCWeb Door = "grpc-web"
	Connect Door = "connect"
)

// Handler carries out a call. It sends what there is to send on s and returns
// nil, or an error that is a gRPC status. It returns only when the call is over
// and sends nothing on s then. A Recv in progress may outlast it, where the backend ended
// the call before the client did; it ends with the call's context, which doors
// therefore cancel once the handler has returned.
type Handler func(ctx context.Context, c *Call, s Stream) error

// Middleware wraps a handler, as in net/http.
type Middleware func(Handler) Handler

// Stream carries the messages of one call; a unary call is a stream of one. Recv
// may be called by one goroutine while another calls the rest.
//
// Messages are in wire form and immutable: nobody writes to them once they were
// received or sent, and anyone may keep them.
type Stream interface {
	// Recv returns a further request message, and io.EOF after the last. Only
	// for methods with Method.ClientStreams. It returns promptly once the call's
	// context is done.
	Recv() ([]byte, error)
	// SendHeader sends response metadata. It is called at most once, before the
	// first Send; after it the call is committed and must not be retried.
	SendHeader(metadata.MD) error
	// Send sends a response message. It blocks while the client is slow.
	Send([]byte) error
	// SetTrailer sets the metadata that is sent with the status.
	SetTrailer(metadata.MD)
}
