package resilience

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
)

var errAttemptTimeout = status.Error(codes.DeadlineExceeded, "the backend took too long")

// AttemptTimeout bounds each attempt of a call by its method's AttemptTimeout; of a
// stream, the time until its first header or message. An attempt that takes longer ends with
// DEADLINE_EXCEEDED, which the breaker counts and after which the call, if it has time
// left, may be tried again.
func AttemptTimeout(next rpc.Handler) rpc.Handler {
	return func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
		bound := c.Method.AttemptTimeout
		if bound <= 0 {
			return next(ctx, c, s)
		}
		deadline := time.Now().Add(bound)
		if end, ok := ctx.Deadline(); ok && !end.After(deadline) {
			return next(ctx, c, s)
		}
		if c.Method.Streams() {
			return untilAnswered(ctx, bound, next, c, s)
		}
		attempt := rpc.WithDeadline(ctx, deadline)
		defer attempt.Release()
		err := next(attempt, c, s)
		// The backend hears of the deadline and may be the faster one to act on it.
		if status.Code(err) == codes.DeadlineExceeded && !rpc.FromBackend(err) && ctx.Err() == nil {
			return errAttemptTimeout
		}
		return err
	}
}

func untilAnswered(ctx context.Context, bound time.Duration, next rpc.Handler, c *rpc.Call, s rpc.Stream) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(bound, func() { cancel(errAttemptTimeout) })
	defer timer.Stop()
	return next(ctx, c, &answered{s, timer})
}

// answered stops a timer at the first header or message.
type answered struct {
	rpc.Stream
	timer *time.Timer
}

func (a *answered) SendHeader(md metadata.MD) error {
	a.timer.Stop()
	return a.Stream.SendHeader(md)
}

func (a *answered) Send(message []byte) error {
	a.timer.Stop()
	return a.Stream.Send(message)
}
