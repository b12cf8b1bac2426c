package gateway

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/resilience"
	"github.com/protean-gateway/protean/rpc"
)

// The bounds of the log of failures: so many lines of one kind within a window, and so many kinds.
const (
	failureWindow   = 10 * time.Second
	failuresLogged  = 5
	maxFailureKinds = 10_000
)

// reasonBreakerOpen is the reason of calls that an open breaker refused.
const reasonBreakerOpen = "breaker_open"

// failureKind is what lines of the log are counted by.
type failureKind struct {
	backend, reason string
	code            codes.Code
}

// failureLog bounds how many lines failures of one kind get. The zero value is ready for use, and safe for
// concurrent use.
type failureLog struct {
	mu    sync.Mutex
	kinds map[failureKind]*failureCount
}

type failureCount struct {
	since      time.Time
	logged     int
	suppressed int
}

// admit reports whether a failure gets a line, and how many of its kind got none since the last line.
func (l *failureLog) admit(kind failureKind, now time.Time) (ok bool, suppressed int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	count := l.of(kind)
	if now.Sub(count.since) >= failureWindow {
		count.since, count.logged = now, 0
	}
	if count.logged >= failuresLogged {
		count.suppressed++
		return false, 0
	}
	count.logged++
	suppressed, count.suppressed = count.suppressed, 0
	return true, suppressed
}

// of returns the count of a kind. Kinds for which there is no room share one.
func (l *failureLog) of(kind failureKind) *failureCount {
	if l.kinds == nil {
		l.kinds = make(map[failureKind]*failureCount)
	}
	if _, known := l.kinds[kind]; !known && len(l.kinds) >= maxFailureKinds {
		kind = failureKind{}
	}
	if l.kinds[kind] == nil {
		l.kinds[kind] = &failureCount{}
	}
	return l.kinds[kind]
}

// failed counts a call that failed through no fault of its client, and writes a line for it, unless one about the state
// of its backend says the same or there were too many of its kind.
func (p *policies) failed(ctx context.Context, c *rpc.Call, err error, took time.Duration) {
	backend, reason := c.Method.Service.Backend.Name, rpc.FailureReason(err)
	if resilience.IsBreakerOpen(err) {
		reason = reasonBreakerOpen
	}
	p.metrics.CallFailed(backend, reason)
	level := slog.LevelWarn
	if reason == reasonBreakerOpen || reason == rpc.ReasonUnreachable {
		level = slog.LevelDebug
	}
	if !p.log.Enabled(ctx, level) {
		return
	}
	suppressed := 0
	if level == slog.LevelWarn {
		var ok bool
		if ok, suppressed = p.failures.admit(failureKind{backend, reason, status.Code(err)}, time.Now()); !ok {
			return
		}
	}
	attributes := []slog.Attr{slog.String("reason", reason)}
	if suppressed > 0 {
		attributes = append(attributes, slog.Int("suppressed", suppressed))
	}
	logCall(ctx, p.log, level, c, err, took, attributes...)
}

// breakerChanged logs that a breaker opened, is probed, or closed again.
func (p *policies) breakerChanged(c resilience.BreakerChange) {
	ok, suppressed := p.failures.admit(failureKind{backend: c.Backend, reason: "breaker " + c.State}, time.Now())
	if !ok {
		return
	}
	level := slog.LevelInfo
	attributes := []slog.Attr{slog.String("backend", c.Backend), slog.String("method", c.Path), slog.String("state", c.State)}
	if c.Reason != nil {
		level = slog.LevelWarn
		attributes = append(attributes, slog.String("reason", rpc.FailureReason(c.Reason)), slog.String("error", status.Convert(c.Reason).Message()))
	}
	if c.Reopened > 0 {
		attributes = append(attributes, slog.Int("failed_probes", c.Reopened))
	}
	if suppressed > 0 {
		attributes = append(attributes, slog.Int("suppressed", suppressed))
	}
	p.log.LogAttrs(context.Background(), level, "circuit breaker changed state", attributes...)
}

// connectionChanged logs that a backend can be reached, or cannot any more.
func connectionChanged(log *slog.Logger) func(rpc.ConnectionChange) {
	return func(c rpc.ConnectionChange) {
		if c.Ready {
			log.Info("backend connection is ready", "backend", c.Backend, "address", c.Address)
			return
		}
		log.Warn("backend connection failed; calls are refused until it is ready", "backend", c.Backend, "address", c.Address, "reason", c.Reason)
	}
}
