package graph

import (
	"context"

	"google.golang.org/grpc/metadata"
)

// Request is what a transport knows of the client and every call of its
// operation carries to the backends.
type Request struct {
	// Metadata has been through the header policy. It is never written to.
	Metadata metadata.MD
	// Peer is the address of the client, as host:port; may be empty.
	Peer string
}

type requestKey struct{}

// requestContext is a context with a request.
type requestContext struct {
	context.Context
	request Request
}

func (c *requestContext) Value(key any) any {
	if key == (requestKey{}) {
		return &c.request
	}
	return c.Context.Value(key)
}

// Carried is part of [rpc.Carrier].
func (c *requestContext) Carried() context.Context { return c.Context }

// WithRequest returns a context for [Executor.DispatchOperation] whose calls
// carry r. Without it, calls carry no metadata and no peer.
func WithRequest(ctx context.Context, r Request) context.Context {
	return &requestContext{ctx, r}
}

func requestFrom(ctx context.Context) Request {
	if r, ok := ctx.Value(requestKey{}).(*Request); ok {
		return *r
	}
	return Request{}
}
