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
		if view.redaction == nil {
			return errNotRedactable
		}
		c.Denied.Add(view.denied)
		return next(ctx, c, &redacted{s, view.redaction})
	}
}

// redacted is a stream whose response messages are redacted.
type redacted struct {
	rpc.Stream
	redaction *wire.Redaction
}

var (
	errUnreadable    = status.Error(codes.Internal, "the backend's answer is not a valid message")
	errNotRedactable = status.Error(codes.Internal, "the method's answers cannot be redacted as their policy asks")
)

// Send implements [rpc.Stream]. The message is replaced, not changed.
func (r *redacted) Send(message []byte) error {
	visible, err := r.redaction.Apply(message)
	if err != nil {
		return errUnreadable
	}
	return r.Stream.Send(visible)
}
