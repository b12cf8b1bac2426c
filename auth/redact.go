package auth

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/wire"
)

// Redact is a [rpc.Middleware]: it takes out of every response message what its
// caller may not see, before anything that knows a door does. Which rules hold is
// decided once for a call. An answer that it cannot read is not passed on.
func (p *Policies) Redact(next rpc.Handler) rpc.Handler {
	return func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
		rules := p.fields[c.Method]
		if rules == nil {
			return next(ctx, c, s)
		}
		view := rules.viewOf(ctx, rpc.PrincipalFrom(ctx))
		if view == nil {
			return next(ctx, c, s)
		}
		c.Denied.Add(view.denied)
		return next(ctx, c, &redacted{s, view.mask, c.Method.Output})
	}
}

// redacted is a stream whose response messages pass a mask.
type redacted struct {
	rpc.Stream
	mask    *fieldMask
	message *wire.Message
}

var errUnreadable = status.Error(codes.Internal, "the backend's answer is broken")

// Send implements [rpc.Stream]. The message is replaced, not changed.
func (r *redacted) Send(message []byte) error {
	visible, err := r.mask.apply(r.message, message)
	if err != nil {
		return errUnreadable
	}
	return r.Stream.Send(visible)
}
