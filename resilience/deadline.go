// Package resilience holds the policies that keep a failing or slow backend from
// hurting its callers and its neighbours. Each is a [rpc.Middleware]; settings
// come with the method of a call, state lives here and survives a reload.
package resilience

import (
	"context"
	"time"

	"github.com/protean-gateway/protean/rpc"
)

// Deadline bounds each call by its method's timeout. A client's own deadline,
// which is in the context already, is kept where it is nearer and never extended.
func Deadline(next rpc.Handler) rpc.Handler {
	return func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
		m := c.Method
		if m.Timeout <= 0 {
			return next(ctx, c, s)
		}
		deadline := time.Now().Add(m.Timeout)
		if end, ok := ctx.Deadline(); ok && !end.After(deadline) {
			return next(ctx, c, s) // its door has bound it already
		}
		if m.Streams() {
			ctx, cancel := context.WithDeadline(ctx, deadline)
			defer cancel()
			return next(ctx, c, s)
		}
		call := rpc.WithDeadline(ctx, deadline)
		defer call.Release()
		return next(call, c, s)
	}
}
