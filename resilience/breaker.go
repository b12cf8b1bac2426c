package resilience

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc"
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
// New settings take effect when the breaker is closed: one that is open or on
// probation keeps the settings it opened with until the backend has recovered.
type Breaker struct {
	methods sync.Map // backend and method → *methodBreaker
}

// Middleware refuses calls of methods whose breaker is open.
func (p *Breaker) Middleware(next rpc.Handler) rpc.Handler {
	return func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
		settings := breakerSettingsOf(c.Method.Policy.GetBreaker())
		if settings.disabled {
			return next(ctx, c, s)
		}
		breaker := p.of(c.Method.Service.Backend.Name+c.Method.Path, settings)
		done, err := breaker.Allow()
		if err != nil {
			return status.Error(codes.Unavailable, "the backend keeps failing and is left alone for a while; try again later")
		}
		probe := &probe{Stream: s, done: done}
		if c.Method.ServerStreams && breaker.State() == gobreaker.StateHalfOpen {
			timer := time.AfterFunc(probeVerdict, func() { probe.settle(errSilent) })
			defer timer.Stop()
		}
		outcome := errPanicked
		defer func() { probe.settle(outcome) }()
		outcome = next(ctx, c, probe)
		return outcome
	}
}

// State names the state of a method's breaker: closed, open or half-open.
func (p *Breaker) State(backend, path string) string {
	if b, ok := p.methods.Load(backend + path); ok {
		return b.(*methodBreaker).State().String()
	}
	return gobreaker.StateClosed.String()
}

type methodBreaker struct {
	*gobreaker.TwoStepCircuitBreaker[struct{}]
	settings breakerSettings
}

func (p *Breaker) of(name string, settings breakerSettings) *methodBreaker {
	found, ok := p.methods.Load(name)
	if !ok {
		found, _ = p.methods.LoadOrStore(name, newMethodBreaker(name, settings))
	}
	breaker := found.(*methodBreaker)
	if breaker.settings == settings || breaker.State() != gobreaker.StateClosed {
		return breaker
	}
	p.methods.CompareAndSwap(name, breaker, newMethodBreaker(name, settings))
	found, _ = p.methods.Load(name)
	return found.(*methodBreaker)
}

// breakerSettings are a policy's with all defaults filled in.
type breakerSettings struct {
	disabled     bool
	failureRatio float64
	minRequests  uint32
	streak       uint32
	openFor      time.Duration
}

func breakerSettingsOf(p *policyv1.Breaker) breakerSettings {
	s := breakerSettings{
		disabled:     p.GetDisabled(),
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

func newMethodBreaker(name string, s breakerSettings) *methodBreaker {
	return &methodBreaker{
		settings: s,
		TwoStepCircuitBreaker: gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
			Name:         name,
			MaxRequests:  breakerProbes,
			Interval:     breakerWindow,
			BucketPeriod: breakerBucket,
			Timeout:      s.openFor,
			ReadyToTrip:  s.trips,
			IsSuccessful: func(err error) bool { return err == nil },
			IsExcluded:   func(err error) bool { return err != nil && !isBackendFailure(err) },
		}),
	}
}

func (s breakerSettings) trips(counts gobreaker.Counts) bool {
	if counts.ConsecutiveFailures >= s.streak {
		return true
	}
	judged := counts.TotalSuccesses + counts.TotalFailures
	return judged >= s.minRequests && float64(counts.TotalFailures) >= s.failureRatio*float64(judged)
}

var (
	errSilent   = status.Error(codes.Canceled, "the stream is silent")
	errPanicked = errors.New("panic")
)

// isBackendFailure tells a failing backend from a client's fault, a
// cancellation and an answer that is merely no.
func isBackendFailure(err error) bool {
	if errors.Is(err, errPanicked) {
		return false
	}
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Internal, codes.Unknown, codes.DataLoss:
		return true
	default:
		return false
	}
}

// probe reports a call's outcome to the breaker once: well at the first header
// or message, otherwise as the call ended.
type probe struct {
	rpc.Stream
	once sync.Once
	done func(error)
}

func (p *probe) settle(err error) { p.once.Do(func() { p.done(err) }) }

func (p *probe) SendHeader(md metadata.MD) error {
	p.settle(nil)
	return p.Stream.SendHeader(md)
}

func (p *probe) Send(message []byte) error {
	p.settle(nil)
	return p.Stream.Send(message)
}
