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

// WithRequest returns a context for [Executor.DispatchOperation] whose calls
// carry r. Without it, calls carry no metadata and no peer.
func WithRequest(ctx context.Context, r Request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

func requestFrom(ctx context.Context) Request {
	r, _ := ctx.Value(requestKey{}).(Request)
	return r
}
