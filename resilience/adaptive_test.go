package resilience

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc"
)

// queueing is a backend with workers, each busy with a call for a time, and a queue before
// them that has no end.
type queueing struct {
	workers chan struct{}
	takes   atomic.Int64 // nanoseconds
	done    atomic.Int64
}

func newQueueing(workers int, takes time.Duration) *queueing {
	q := &queueing{workers: make(chan struct{}, workers)}
	q.takes.Store(int64(takes))
	return q
}

func (q *queueing) handle(ctx context.Context, _ *rpc.Call, s rpc.Stream) error {
	select {
	case q.workers <- struct{}{}:
	case <-ctx.Done():
		return rpc.ContextError(ctx)
	}
	defer func() { <-q.workers }()
	time.Sleep(time.Duration(q.takes.Load()))
	q.done.Add(1)
	return s.Send(nil)
}

// load calls at a steady rate, whether or not calls come back, and returns what it saw.
type load struct {
	calls      sync.WaitGroup
	mu         sync.Mutex
	took       time.Duration
	ok, failed int
}

func (l *load) run(ctx context.Context, h rpc.Handler, c *rpc.Call, rate int, length time.Duration) (took time.Duration, ok, failed int) {
	l.mu.Lock()
	l.took, l.ok, l.failed = 0, 0, 0
	l.mu.Unlock()
	every := time.Second / time.Duration(rate)
	for end := time.Now().Add(length); time.Now().Before(end); time.Sleep(every) {
		l.calls.Go(func() {
			start := time.Now()
			err := h(ctx, c, discard{})
			l.mu.Lock()
			defer l.mu.Unlock()
			if err != nil {
				l.failed++
				return
			}
			l.ok++
			l.took += time.Since(start)
		})
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.took / time.Duration(max(1, l.ok)), l.ok, l.failed
}

// TestAdaptiveLimit simulates a backend of 20 workers of 10 ms each, which carries 2,000
// calls a second, under half, double and again half of that.
func TestAdaptiveLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var concurrency Concurrency
		backend := newQueueing(20, 10*time.Millisecond)
		h := concurrency.Middleware(backend.handle)
		c := callOf(&policyv1.Policy{Concurrency: &policyv1.Concurrency{Adaptive: proto.Bool(true)}})
		limit := func() int { return concurrency.State()[0].Limit }
		var l load

		took, _, failed := l.run(ctx, h, c, 1000, 5*time.Second)
		if took != 10*time.Millisecond || failed > 0 || limit() < 900 {
			t.Errorf("half loaded: %v a call, %d failed, limit %d", took, failed, limit())
		}
		l.run(ctx, h, c, 4000, 5*time.Second) // it learns
		for minute := range 3 {               // and does not forget
			took, ok, _ := l.run(ctx, h, c, 4000, time.Minute)
			if took > 35*time.Millisecond || ok < 60*2000*85/100 {
				t.Errorf("minute %d of overload: %v a call, %d answered, limit %d", minute+1, took, ok, limit())
			}
		}
		l.run(ctx, h, c, 1000, 10*time.Second)
		took, _, failed = l.run(ctx, h, c, 1000, 10*time.Second)
		if took > 11*time.Millisecond || failed > 0 {
			t.Errorf("after the overload: %v a call, %d failed, limit %d", took, failed, limit())
		}
		backend.takes.Store(int64(time.Millisecond)) // it became ten times as fast
		l.run(ctx, h, c, 10000, 30*time.Second)
		took, ok, _ := l.run(ctx, h, c, 10000, 10*time.Second)
		if took > 5*time.Millisecond || ok < 95000 {
			t.Errorf("a faster backend: %v a call, %d answered, limit %d", took, ok, limit())
		}
		l.calls.Wait()
	})
}

// TestAdaptiveLimitOfMethods holds the limit where slow and fast methods take turns: each is
// compared with itself.
func TestAdaptiveLimitOfMethods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var concurrency Concurrency
		adaptive := &policyv1.Policy{Concurrency: &policyv1.Concurrency{Adaptive: proto.Bool(true)}}
		fast, slow := callOf(adaptive), callOf(adaptive)
		slow.Method.Path = "/p.S/Slow"
		h := concurrency.Middleware(func(_ context.Context, c *rpc.Call, _ rpc.Stream) error {
			if c == slow {
				time.Sleep(500 * time.Millisecond)
			}
			time.Sleep(time.Millisecond)
			return nil
		})
		var l load
		for range 10 {
			l.run(t.Context(), h, fast, 500, time.Second)
			l.run(t.Context(), h, slow, 500, time.Second)
		}
		l.calls.Wait()
		if got := concurrency.State()[0]; got.Limit != DefaultInFlight || got.Refused > 0 {
			t.Errorf("after well-behaved methods: %+v", got)
		}
	})
}

// TestAdaptiveLimitOfFailures lowers the limit of a backend that refuses under load.
func TestAdaptiveLimitOfFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var concurrency Concurrency
		c := callOf(&policyv1.Policy{Concurrency: &policyv1.Concurrency{Adaptive: proto.Bool(true)}})
		h := concurrency.Middleware(func(context.Context, *rpc.Call, rpc.Stream) error {
			time.Sleep(time.Millisecond)
			return status.Error(codes.ResourceExhausted, "too much")
		})
		var l load
		l.run(t.Context(), h, c, 1000, 20*time.Second)
		l.calls.Wait()
		if got := concurrency.State()[0].Limit; got > 20 || got < adaptLeast {
			t.Errorf("the limit is %d", got)
		}
	})
}

// TestPriorities fills a backend with calls of one priority and looks how many pass.
func TestPriorities(t *testing.T) {
	for priority, want := range map[policyv1.Concurrency_Priority]int64{
		policyv1.Concurrency_PRIORITY_UNSPECIFIED: 50,
		policyv1.Concurrency_PRIORITY_LOW:         40,
		policyv1.Concurrency_PRIORITY_NORMAL:      50,
		policyv1.Concurrency_PRIORITY_HIGH:        55,
	} {
		synctest.Test(t, func(t *testing.T) {
			var concurrency Concurrency
			var entered atomic.Int64
			ctx, cancel := context.WithCancel(t.Context())
			h := concurrency.Middleware(func(ctx context.Context, _ *rpc.Call, _ rpc.Stream) error {
				entered.Add(1)
				<-ctx.Done()
				return nil
			})
			c := callOf(&policyv1.Policy{Concurrency: &policyv1.Concurrency{MaxInFlight: proto.Uint32(50), Priority: &priority}})
			var calls sync.WaitGroup
			for range 100 {
				calls.Go(func() { _ = h(ctx, c, discard{}) })
			}
			synctest.Wait()
			if got := entered.Load(); got != want {
				t.Errorf("%v: %d of 100 calls passed, want %d", priority, got, want)
			}
			cancel()
			calls.Wait()
		})
	}
	for bound := range int64(3) {
		if low := share(bound, policyv1.Concurrency_PRIORITY_LOW); low < 1 {
			t.Errorf("of %d calls none may be of low priority", bound)
		}
	}
}
