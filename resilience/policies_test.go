package resilience

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
)

// discard is a client that reads and forgets.
type discard struct{}

func (discard) Recv() ([]byte, error)        { panic("no request stream") }
func (discard) SendHeader(metadata.MD) error { return nil }
func (discard) Send([]byte) error            { return nil }
func (discard) SetTrailer(metadata.MD)       {}

func stateOf(b *Breaker) string { return b.State()[0].State }

func seconds(n int64) *durationpb.Duration { return &durationpb.Duration{Seconds: n} }

func callOf(policy *policyv1.Policy) *rpc.Call {
	return &rpc.Call{Method: &schema.Method{
		Path:    "/p.S/M",
		Service: &schema.Service{Backend: &schema.Backend{Name: "b"}},
		Policy:  policy,
		Timeout: schema.DefaultTimeout,
	}}
}

// failing answers with an error until healthy is closed or set.
type failing struct {
	mu    sync.Mutex
	code  codes.Code
	calls int
}

func (f *failing) handle(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
	f.mu.Lock()
	f.calls++
	code := f.code
	f.mu.Unlock()
	if code == codes.OK {
		return s.Send(nil)
	}
	return status.Error(code, "as scripted")
}

func (f *failing) set(code codes.Code) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.code, f.calls = code, 0
}

// callTimes returns how many calls reached the backend, and the last error.
func callTimes(f *failing, h rpc.Handler, c *rpc.Call, n int) (reached int, last error) {
	before := f.calls
	for range n {
		last = h(context.Background(), c, discard{})
	}
	return f.calls - before, last
}

func TestBreakerOpensProbesAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var breaker Breaker
		backend := &failing{code: codes.Unavailable}
		h, c := breaker.Middleware(backend.handle), callOf(&policyv1.Policy{})

		reached, err := callTimes(backend, h, c, 50)
		if reached != 10 || status.Code(err) != codes.Unavailable || stateOf(&breaker) != "open" {
			t.Fatalf("after failures: %d reached, %v, %s", reached, err, stateOf(&breaker))
		}
		time.Sleep(6 * time.Second)
		if reached, _ = callTimes(backend, h, c, 50); reached != 1 {
			t.Errorf("%d probes reached a backend that still fails", reached)
		}
		backend.set(codes.OK)
		time.Sleep(6 * time.Second)
		if reached, err = callTimes(backend, h, c, 50); reached != 50 || err != nil {
			t.Errorf("after recovery: %d reached, %v", reached, err)
		}
	})
}

func TestBreakerOpensByRatio(t *testing.T) {
	var breaker Breaker
	backend := &failing{}
	h, c := breaker.Middleware(backend.handle), callOf(&policyv1.Policy{Breaker: &policyv1.Breaker{
		FailureRatio: proto.Float64(0.4), MinRequests: proto.Uint32(10), ConsecutiveFailures: proto.Uint32(100),
	}})
	callTimes(backend, h, c, 6)
	backend.set(codes.Internal)
	if reached, _ := callTimes(backend, h, c, 20); reached != 4 {
		t.Errorf("%d failures until 4 of 10 had failed", reached)
	}
}

// TestBreakerCounts says which answers are a backend's failure.
func TestBreakerCounts(t *testing.T) {
	for code, opens := range map[codes.Code]bool{
		codes.Unavailable:        true,
		codes.DeadlineExceeded:   true,
		codes.Internal:           true,
		codes.Unknown:            true,
		codes.DataLoss:           true,
		codes.Canceled:           false,
		codes.InvalidArgument:    false,
		codes.NotFound:           false,
		codes.PermissionDenied:   false,
		codes.ResourceExhausted:  false,
		codes.FailedPrecondition: false,
		codes.Unimplemented:      false,
	} {
		var breaker Breaker
		backend := &failing{code: code}
		reached, _ := callTimes(backend, breaker.Middleware(backend.handle), callOf(&policyv1.Policy{}), 30)
		if got := reached < 30; got != opens {
			t.Errorf("%v opens the breaker: %v", code, got)
		}
	}
}

// TestBreakerPanics lets panics through as they are. They are no failure of the backend, and a probe that panics gives its
// place back.
func TestBreakerPanics(t *testing.T) {
	for _, streams := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var breaker Breaker
			c := callOf(&policyv1.Policy{})
			c.Method.ServerStreams = streams
			panicking := func(times int) {
				h := breaker.Middleware(func(context.Context, *rpc.Call, rpc.Stream) error { panic(t) })
				for range times {
					func() {
						defer func() {
							if p := recover(); p != t {
								t.Errorf("streams %v: the panic is %v", streams, p)
							}
						}()
						_ = h(t.Context(), c, discard{})
					}()
				}
			}
			if panicking(30); stateOf(&breaker) != "closed" {
				t.Errorf("streams %v: panics leave the breaker %s", streams, stateOf(&breaker))
			}
			backend := &failing{code: codes.Unavailable}
			callTimes(backend, breaker.Middleware(backend.handle), c, 10)
			time.Sleep(6 * time.Second)
			if panicking(2 * breakerProbes); stateOf(&breaker) != "half-open" {
				t.Errorf("streams %v: panics of probes leave the breaker %s", streams, stateOf(&breaker))
			}
			backend.set(codes.OK)
			if reached, err := callTimes(backend, breaker.Middleware(backend.handle), c, 20); reached != 20 || err != nil {
				t.Errorf("streams %v: %d of 20 reached, %v", streams, reached, err)
			}
		})
	}
}

func TestBreakerDisabled(t *testing.T) {
	var breaker Breaker
	backend := &failing{code: codes.Unavailable}
	c := callOf(&policyv1.Policy{Breaker: &policyv1.Breaker{Disabled: proto.Bool(true)}})
	if reached, _ := callTimes(backend, breaker.Middleware(backend.handle), c, 50); reached != 50 {
		t.Errorf("%d calls reached the backend", reached)
	}
}

// TestBreakerNewSettings replaces a breaker: a closed one by one that is closed, an
// open one by one on probation, and the settings of older chains no longer count.
func TestBreakerNewSettings(t *testing.T) {
	streak := func(n uint32) *rpc.Call {
		return callOf(&policyv1.Policy{Breaker: &policyv1.Breaker{ConsecutiveFailures: proto.Uint32(n)}})
	}
	synctest.Test(t, func(t *testing.T) {
		var breaker Breaker
		backend := &failing{code: codes.Unavailable}
		old := breaker.Middleware(backend.handle)
		if reached, _ := callTimes(backend, old, streak(2), 10); reached != 2 {
			t.Fatalf("%d reached under the strict setting", reached)
		}
		next, patient := breaker.Middleware(backend.handle), streak(5)
		_ = next(t.Context(), patient, discard{}) // changes the settings
		time.Sleep(time.Microsecond)
		if got := stateOf(&breaker); got != "half-open" {
			t.Fatalf("the open breaker's successor is %s", got)
		}
		if reached, _ := callTimes(backend, next, patient, 10); reached != 1 || stateOf(&breaker) != "open" {
			t.Fatalf("%d probes reached a backend that still fails; %s", reached, stateOf(&breaker))
		}
		if reached, _ := callTimes(backend, old, streak(2), 10); reached != 0 || stateOf(&breaker) != "open" {
			t.Fatalf("an older chain's setting replaced the breaker: %d reached, %s", reached, stateOf(&breaker))
		}
		time.Sleep(4 * time.Second)
		if reached, _ := callTimes(backend, next, patient, 10); reached != 0 {
			t.Fatalf("%d reached before the new breaker had been open for as long as it says", reached)
		}
		backend.set(codes.OK)
		time.Sleep(2 * time.Second)
		if reached, _ := callTimes(backend, next, patient, 20); reached != 20 || stateOf(&breaker) != "closed" {
			t.Fatalf("%d reached after recovery; %s", reached, stateOf(&breaker))
		}
		backend.set(codes.Unavailable)
		if reached, _ := callTimes(backend, next, patient, 10); reached != 5 {
			t.Errorf("%d reached under the new setting", reached)
		}
	})
}

// TestBreakerProbationThatSucceeds closes a breaker whose settings changed while it was open.
func TestBreakerProbationThatSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var breaker Breaker
		backend := &failing{code: codes.Unavailable}
		callTimes(backend, breaker.Middleware(backend.handle), callOf(&policyv1.Policy{}), 10)
		backend.set(codes.OK)
		h := breaker.Middleware(backend.handle)
		c := callOf(&policyv1.Policy{Breaker: &policyv1.Breaker{OpenFor: durationpb.New(time.Hour)}})
		_ = h(t.Context(), c, discard{})
		time.Sleep(time.Microsecond)
		if reached, err := callTimes(backend, h, c, 20); reached != 20 || err != nil || stateOf(&breaker) != "closed" {
			t.Errorf("%d of 20 reached, %v, %s", reached, err, stateOf(&breaker))
		}
	})
}

// TestBreakerProbesAtOnce lets five calls through while half-open, however many come.
func TestBreakerProbesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var breaker Breaker
		backend := &failing{code: codes.Unavailable}
		c := callOf(&policyv1.Policy{})
		callTimes(backend, breaker.Middleware(backend.handle), c, 10)
		time.Sleep(6 * time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		var entered atomic.Int32
		hanging := breaker.Middleware(func(ctx context.Context, _ *rpc.Call, _ rpc.Stream) error {
			entered.Add(1)
			<-ctx.Done()
			return status.Error(codes.Unavailable, "gone")
		})
		var calls sync.WaitGroup
		for range 100 {
			calls.Go(func() { _ = hanging(ctx, c, discard{}) })
		}
		synctest.Wait()
		if n := entered.Load(); n != 5 {
			t.Errorf("%d of 100 calls became probes", n)
		}
		cancel()
		calls.Wait()
		if got := breaker.State()[0]; got.State != "open" || got.Opened != 2 {
			t.Errorf("after probes that failed: %+v", got)
		}
	})
}

// TestBreakerSilentStream lets probes that hear nothing give their place back.
func TestBreakerSilentStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var breaker Breaker
		backend := &failing{code: codes.Unavailable}
		c := callOf(&policyv1.Policy{})
		c.Method.ServerStreams = true
		callTimes(backend, breaker.Middleware(backend.handle), c, 10)
		time.Sleep(6 * time.Second)

		ctx, cancel := context.WithCancel(t.Context())
		silent := breaker.Middleware(func(ctx context.Context, _ *rpc.Call, _ rpc.Stream) error {
			<-ctx.Done()
			return status.FromContextError(ctx.Err()).Err()
		})
		refused := make(chan error, 100)
		var streams sync.WaitGroup
		start := func(n int) {
			for range n {
				streams.Go(func() {
					if err := silent(ctx, c, discard{}); status.Code(err) == codes.Unavailable {
						refused <- err
					}
				})
			}
			synctest.Wait()
		}
		start(6)
		if len(refused) != 1 {
			t.Errorf("%d of 6 probes were refused", len(refused))
		}
		time.Sleep(probeVerdict + time.Second)
		start(5)
		if len(refused) != 1 {
			t.Errorf("%d probes were refused after the silent ones gave their place back", len(refused)-1)
		}
		cancel()
		streams.Wait()
	})
}

func TestConcurrencyRefusesOverTheBound(t *testing.T) {
	var concurrency Concurrency
	release, entered := make(chan struct{}), make(chan struct{}, 3)
	h := concurrency.Middleware(func(context.Context, *rpc.Call, rpc.Stream) error {
		entered <- struct{}{}
		<-release
		return nil
	})
	c := callOf(&policyv1.Policy{Concurrency: &policyv1.Concurrency{MaxInFlight: proto.Uint32(3)}})
	var calls sync.WaitGroup
	for range 3 {
		calls.Go(func() { _ = h(context.Background(), c, discard{}) })
	}
	for range 3 {
		<-entered
	}
	if err := h(context.Background(), c, discard{}); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("the fourth call: %v", err)
	}
	close(release)
	calls.Wait()
	if got := concurrency.State(); len(got) != 1 || got[0] != (ConcurrencyState{Backend: "b", Refused: 1}) {
		t.Errorf("after all ended: %v", got)
	}
	if err := h(context.Background(), c, discard{}); err != nil {
		t.Errorf("after the others ended: %v", err)
	}
}

func TestDeadlineNeverExtends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct{ client, method, want time.Duration }{
			{0, 0, 0},
			{0, time.Second, time.Second},
			{2 * time.Second, time.Second, time.Second},
			{time.Second, 2 * time.Second, time.Second},
		} {
			call := callOf(&policyv1.Policy{Timeout: &policyv1.Timeout{Call: durationpb.New(c.method)}})
			call.Method.Timeout = c.method
			ctx := context.Background()
			if c.client > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, c.client)
				defer cancel()
			}
			_ = Deadline(func(ctx context.Context, _ *rpc.Call, _ rpc.Stream) error {
				got := time.Duration(0)
				if deadline, ok := ctx.Deadline(); ok {
					got = time.Until(deadline)
				}
				if got != c.want {
					t.Errorf("client %v, method %v: %v", c.client, c.method, got)
				}
				return nil
			})(ctx, call, discard{})
		}
	})
}

// BenchmarkChain is what a unary call pays for the policies of its backend, all on, one
// after the other and together.
func BenchmarkChain(b *testing.B) {
	c := compiled(b, "Read", &policyv1.Policy{
		Retry:       &policyv1.Retry{MaxAttempts: proto.Uint32(3)},
		Timeout:     &policyv1.Timeout{Attempt: seconds(5)},
		Concurrency: &policyv1.Concurrency{Adaptive: proto.Bool(true)},
	})
	backend := func(_ context.Context, _ *rpc.Call, s rpc.Stream) error { return s.Send(nil) }
	for name, chain := range map[string]func(rpc.Handler) rpc.Handler{
		"deadline":    Deadline,
		"concurrency": new(Concurrency).Middleware,
		"retry":       new(Retry).Middleware,
		"breaker":     new(Breaker).Middleware,
		"attempt":     AttemptTimeout,
		"all": func(h rpc.Handler) rpc.Handler {
			return Deadline(Streams(new(Concurrency).Middleware(new(Retry).Middleware(new(Breaker).Middleware(AttemptTimeout(h))))))
		},
	} {
		h := chain(backend)
		b.Run(name, func(b *testing.B) {
			ctx, cancel := context.WithTimeout(b.Context(), c.Method.Timeout) // which doors see to
			defer cancel()
			b.ReportAllocs()
			for b.Loop() {
				if err := h(ctx, c, discard{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
