package gateway

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/auth"
	"github.com/protean-gateway/protean/gateway/gate"
	"github.com/protean-gateway/protean/gateway/telemetry"
	"github.com/protean-gateway/protean/resilience"
	"github.com/protean-gateway/protean/rpc"
)

// policies are the middlewares with state. They live as long as the gateway, so
// that their state survives every reload.
type policies struct {
	log         *slog.Logger
	failures    failureLog
	metrics     *telemetry.Metrics // nil where nobody can ask for them
	usage       *gate.Usage        // by clients
	rateLimit   resilience.RateLimit
	redis       atomic.Pointer[resilience.Redis] // nil: none
	cache       *resilience.Cache
	unknown     atomic.Bool // what was said through the admin service; calls are refused
	coalesce    resilience.Coalesce
	concurrency resilience.Concurrency
	retry       resilience.Retry
	breaker     resilience.Breaker
}

func newPolicies(log *slog.Logger, metrics *telemetry.Metrics) *policies {
	p := &policies{log: log, metrics: metrics, usage: gate.NewUsage(usageHorizon), cache: resilience.NewCache(0)}
	p.breaker.Changed = p.breakerChanged
	return p
}

// follow takes on what a setup says of their state: where it is shared, and how much memory it may have.
func (p *policies) follow(s *setup) {
	p.redis.Store(s.redis)
	p.rateLimit.Share(s.redis)
	p.cache.Share(s.redis)
	p.cache.Resize(s.config.GetCacheBytes())
}

// close ends what policies do in the background.
func (p *policies) close() {
	p.cache.Close()
	closeRedis(p.redis.Load())
}

// chain is the way of every call, on every door, outermost first.
func (p *policies) chain(
	access *auth.Policies, validation *resilience.Validation, backend rpc.Handler,
) rpc.Handler {
	return recovered(p.log)(
		p.observed(
			p.hideErrors(
				resilience.Deadline(
					resilience.Streams(
						access.Authorize(
							access.Redact(
								p.rateLimit.Middleware(
									validation.Middleware(
										p.cache.Middleware(
											p.coalesce.Middleware(
												p.concurrency.Middleware(
													p.retry.Middleware(
														p.breaker.Middleware(
															resilience.AttemptTimeout(
																backend)))))))))))))))
}

// recovered turns a panic into INTERNAL and logs it, also one in a goroutine
// that worked for the call. The client learns nothing else.
func recovered(log *slog.Logger) rpc.Middleware {
	return func(next rpc.Handler) rpc.Handler {
		return func(ctx context.Context, c *rpc.Call, s rpc.Stream) (err error) {
			defer func() {
				if p := recover(); p != nil {
					err = &rpc.PanicError{Value: p, Stack: debug.Stack()}
				}
				if err == nil {
					return
				}
				if p, ok := errors.AsType[*rpc.PanicError](err); ok {
					log.ErrorContext(ctx, "a call panicked", "id", requestID(ctx), "method", c.Method.Path, "panic", p.Value, "stack", string(p.Stack))
				}
			}()
			return next(ctx, c, s)
		}
	}
}

// observed notes who makes a call, so that the compatibility check can name the clients of a change, measures it, and logs
// it if it failed through no fault of its client.
func (p *policies) observed(next rpc.Handler) rpc.Handler {
	return func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
		start := time.Now()
		p.usage.Called(clientOf(ctx), c.Method.Path, start)
		err := next(ctx, c, s)
		failed := isFailure(err)
		logs := failed || p.log.Enabled(ctx, slog.LevelDebug)
		if !logs && p.metrics == nil {
			return err
		}
		took := time.Since(start)
		p.metrics.CallEnded(c, err, took)
		switch {
		case failed:
			p.failed(ctx, c, err, took)
		case logs:
			logCall(ctx, p.log, slog.LevelDebug, c, err, took)
		}
		return err
	}
}

// logCall is apart from observed, on whose stack all below would carry the room for it.
//
//go:noinline
func logCall(ctx context.Context, log *slog.Logger, level slog.Level, c *rpc.Call, err error, took time.Duration, more ...slog.Attr) {
	log.LogAttrs(ctx, level, "call", append([]slog.Attr{
		slog.String("id", requestID(ctx)),
		slog.String("door", string(c.Door)),
		slog.String("method", c.Method.Path),
		slog.String("backend", c.Method.Service.Backend.Name),
		slog.String("code", status.Code(err).String()),
		slog.Duration("took", took),
	}, more...)...)
}

// isFailure reports whether a call failed through no fault of its client.
func isFailure(err error) bool { return err != nil && rpc.BackendFault(status.Code(err)) }
