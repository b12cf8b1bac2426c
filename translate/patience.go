package translate

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/schema"
)

var errSlowConsumer = status.Error(codes.ResourceExhausted, "the client reads too slowly")

// patience ends a stream whose client does not make room for a message in time. Until
// then a slow client holds the backend back, and nothing is kept for it. The zero value, for
// calls with one answer, waits as long as their deadline allows.
type patience struct {
	limit time.Duration
	timer *time.Timer
	end   context.CancelCauseFunc
}

// newPatience returns the context that ends with the patience for a method's client.
func newPatience(ctx context.Context, m *schema.Method) (patience, context.Context) {
	if !m.ServerStreams || m.Limits.SlowConsumer <= 0 {
		return patience{}, ctx
	}
	ctx, cancel := context.WithCancelCause(ctx)
	return patience{limit: m.Limits.SlowConsumer, end: cancel}, ctx
}

// begin says that a message is offered to the client.
func (p *patience) begin() {
	switch {
	case p.end == nil:
	case p.timer == nil:
		p.timer = time.AfterFunc(p.limit, func() { p.end(errSlowConsumer) })
	default:
		p.timer.Reset(p.limit)
	}
}

// done says that the client took the message, or never will.
func (p *patience) done() {
	if p.timer != nil {
		p.timer.Stop()
	}
}

// stop gives the context back.
func (p *patience) stop() {
	if p.end != nil {
		p.end(nil)
	}
}
