package rpc

import (
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ended reports whether the status with which a call failed came in the backend's
// trailers. grpc-go returns such a status and those it makes itself as one type.
//
// Nearly always the metadata tells them apart: trailers without headers before them have their
// content type in it, other trailers often have some, and what grpc-go makes has none. What
// remains are trailers after headers with nothing but a status in them. Only a stats handler is
// told of those, at the price of a sixth of all allocations of every call; so here grpc-go's
// codes and texts decide. A backend that ends a call with just such a text is taken for a broken
// one and gets our text in place of its own, and nothing worse.
func (x *exchange) ended(st *status.Status) bool {
	switch {
	case len(x.trailer) > 0:
		return true
	case x.header == nil:
		return false
	default:
		return !madeByGRPC(st)
	}
}

// madeByGRPC reports whether a status after headers is one that grpc-go makes of a
// broken stream or connection.
func madeByGRPC(st *status.Status) bool {
	switch st.Code() {
	case codes.Internal, codes.Unavailable, codes.Unknown, codes.ResourceExhausted, codes.Unimplemented,
		codes.Canceled, codes.DeadlineExceeded, codes.PermissionDenied:
	default:
		return false
	}
	for _, start := range grpcTexts {
		if strings.HasPrefix(st.Message(), start) {
			return true
		}
	}
	return strings.Contains(st.Message(), "-bytes data exceeding the limit")
}

// grpcTexts are how the texts of grpc-go, and of the HTTP/2 below it, begin. The tests have a
// backend that causes them.
var grpcTexts = [...]string{
	// of a connection
	"connection error: ", "error reading from server: ", "closing transport due to: ", "transport is closing",
	"the connection is draining", "keepalive ping failed", "received goaway", "received GOAWAY",
	// of a stream
	"stream terminated by RST_STREAM", "server closed the stream without sending trailers",
	"a HEADERS frame cannot appear", "peer header list size exceeded", "transport: ",
	"received invalid frame", "received from peer", "invalid header field ", "invalid pseudo-header",
	"mix of request and response pseudo headers", "pseudo header field after regular",
	"context canceled", "context deadline exceeded", "Unexpected error from context",
	// of a message
	"grpc: ", "cardinality violation: ", "unexpected EOF",
}
