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
		if c.Method.Timeout <= 0 {
			return next(ctx, c, s)
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= c.Method.Timeout {
			return next(ctx, c, s) // its door has bound it already
		}
		ctx, cancel := context.WithTimeout(ctx, c.Method.Timeout)
		defer cancel()
		return next(ctx, c, s)
	}
}
