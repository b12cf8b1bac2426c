package resilience

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
)

const (
	breakerWindow = 10 * time.Second // over which failures are counted
	breakerBucket = time.Second
	breakerProbes = 5               // calls let through while half-open
	probeVerdict  = 5 * time.Second // after which a silent stream gives its probe back
)

// Breaker stops calling a method of a backend while it keeps failing. Each
// method of each backend has its own, under its name, so that it survives a
// reload. The zero value is ready for use and safe for concurrent use.
//
// New settings take effect at once. Where the breaker was open or on probation, it is
// then on probation under the new ones.
type Breaker struct {
	// Changed is called with each change of state, as far as it is news: within an outage the breaker opens
	// again after each failed probe, which is counted and not reported. It must not block. Nil: nobody is told.
	Changed func(BreakerChange)

	methods keyed[methodName, breakers]
	chains  atomic.Uint64 // how many times Middleware was called
}

// errLeftAlone answers calls that an open breaker refuses. Retry tells it from others.
var errLeftAlone = status.Error(codes.Unavailable, "the backend keeps failing and is left alone for a while; try again later")

// Middleware refuses calls of methods whose breaker is open. The settings of the
// latest middleware hold; calls on an earlier one, which go on after a reload, follow them.
func (p *Breaker) Middleware(next rpc.Handler) rpc.Handler {
	chain := p.chains.Add(1)
	return func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
		settings := breakerSettingsOf(c.Method)
		if settings.disabled {
			return next(ctx, c, s)
		}
		name := methodName{c.Method.Service.Backend.Name, c.Method.Path}
		breaker := p.methods.of(name).get(settings, chain, p, name)
		if breaker.early != nil {
			return breaker.judgeEarly(ctx, next, c, s)
		}
		return breaker.judgeEnd(ctx, next, c, s)
	}
}

// judgeEnd judges a call as it ends.
func (m *methodBreaker) judgeEnd(ctx context.Context, next rpc.Handler, c *rpc.Call, s rpc.Stream) (err error) {
	allowed := false
	_, _ = m.end.Execute(func() (struct{}, error) {
		allowed = true
		err = next(ctx, c, s)
		return struct{}{}, m.judge(err)
	})
	if !allowed {
		return errLeftAlone
	}
	return err
}

// judgeEarly judges a call by its first header or message, otherwise as it ends.
func (m *methodBreaker) judgeEarly(ctx context.Context, next rpc.Handler, c *rpc.Call, s rpc.Stream) error {
	done, err := m.early.Allow()
	if err != nil {
		return errLeftAlone
	}
	probe := probeOf(s)
	probe.done, probe.breaker = done, m
	if mayBeSilent(ctx, c) && m.State() == gobreaker.StateHalfOpen {
		timer := time.AfterFunc(probeVerdict, func() { probe.settle(errSilent) })
		defer timer.Stop()
	}
	outcome := errPanicked
	defer func() { probe.settle(outcome) }()
	outcome = next(ctx, c, probe)
	return outcome
}

// mayBeSilent reports whether a call may take for ever, and with it the place of a probe.
func mayBeSilent(ctx context.Context, c *rpc.Call) bool {
	_, bounded := ctx.Deadline()
	return c.Method.Streams() || !bounded
}

// BreakerState is the state of the breaker of one method.
type BreakerState struct {
	Backend, Path string
	// State is closed, open or half-open.
	State string
	// Opened counts how often it opened.
	Opened uint64
}

// State returns the state of all breakers of methods that were called, in order of
// their names.
func (p *Breaker) State() []BreakerState {
	var all []BreakerState
	for name, b := range p.methods.all() {
		if current := b.current.Load(); current != nil {
			all = append(all, BreakerState{name.backend, name.path, current.State().String(), b.opened.Load()})
		}
	}
	slices.SortFunc(all, func(a, b BreakerState) int {
		return cmp.Or(cmp.Compare(a.Backend, b.Backend), cmp.Compare(a.Path, b.Path))
	})
	return all
}

// breakerSettings are a policy's with all defaults filled in.
type breakerSettings struct {
	disabled     bool
	early        bool // calls are judged before they end, since that may take for ever
	failureRatio float64
	minRequests  uint32
	streak       uint32
	openFor      time.Duration
}

func breakerSettingsOf(m *schema.Method) breakerSettings {
	p := m.Policy.GetBreaker()
	s := breakerSettings{
		disabled:     p.GetDisabled(),
		early:        m.Streams() || m.Timeout <= 0,
		failureRatio: 0.5,
		minRequests:  20,
		streak:       10,
		openFor:      5 * time.Second,
	}
	if v := p.GetFailureRatio(); v > 0 {
		s.failureRatio = v
	}
	if v := p.GetMinRequests(); v > 0 {
		s.minRequests = v
	}
	if v := p.GetConsecutiveFailures(); v > 0 {
		s.streak = v
	}
	if v := p.GetOpenFor().AsDuration(); v > 0 {
		s.openFor = v
	}
	return s
}

func (s breakerSettings) trips(counts gobreaker.Counts) bool {
	if counts.ConsecutiveFailures >= s.streak {
		return true
	}
	judged := counts.TotalSuccesses + counts.TotalFailures
	return judged >= s.minRequests && float64(counts.TotalFailures) >= s.failureRatio*float64(judged)
}

var (
	errSilent        = status.Error(codes.Canceled, "the stream is silent")
	errPanicked      = errors.New("panic")
	errBackendFailed = errors.New("the backend failed")
)

// IsBreakerOpen reports whether an open breaker refused a call.
func IsBreakerOpen(err error) bool { return errors.Is(err, errLeftAlone) }

// judge is verdict, and keeps the failure as the reason of what follows from it.
func (m *methodBreaker) judge(err error) error {
	outcome := verdict(err)
	if errors.Is(outcome, errBackendFailed) {
		failure := err
		m.failure.Store(&failure)
	}
	return outcome
}

// verdict is what gobreaker is told of a call: nothing of one that went well, errBackendFailed, or another error, which
// does not count. Such is what gobreaker makes of a panic, too.
func verdict(err error) error {
	if err != nil && isBackendFailure(err) {
		return errBackendFailed
	}
	return err
}

// isBackendFailure tells a failing backend from a client's fault, a
// cancellation and an answer that is merely no.
func isBackendFailure(err error) bool {
	if errors.Is(err, errPanicked) {
		return false
	}
	return !isOfBounds(err) && !rpc.IsResponseTooLarge(err) && rpc.BackendFault(status.Code(err))
}

// probe reports the outcome of a call that is judged early to the breaker once.
type probe struct {
	rpc.Stream
	once    sync.Once
	done    func(error)
	breaker *methodBreaker
}

// probeOf returns the probe of a client's stream, which retries have room for.
func probeOf(s rpc.Stream) *probe {
	a, ok := s.(*attempt)
	if !ok {
		return &probe{Stream: s}
	}
	a.probe.Stream = s
	return &a.probe
}

func (p *probe) settle(err error) { p.once.Do(func() { p.done(p.breaker.judge(err)) }) }

func (p *probe) SendHeader(md metadata.MD) error {
	p.settle(nil)
	return p.Stream.SendHeader(md)
}

func (p *probe) Send(message []byte) error {
	p.settle(nil)
	return p.Stream.Send(message)
}
