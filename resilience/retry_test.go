package resilience

import (
	"context"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

// compiled returns a call of a method with the policy that a configuration gives it.
func compiled(t testing.TB, path string, policy *policyv1.Policy) *rpc.Call {
	t.Helper()
	snap := rpctest.CompileWith(t, policy, map[string]string{"s.proto": `
		edition = "2023";
		package p;
		message M { string id = 1; }
		service S {
			rpc Read(M) returns (M) { option idempotency_level = NO_SIDE_EFFECTS; }
			rpc Put(M) returns (M) { option idempotency_level = IDEMPOTENT; }
			rpc Write(M) returns (M);
			rpc Watch(M) returns (stream M) { option idempotency_level = NO_SIDE_EFFECTS; }
			rpc Upload(stream M) returns (M) { option idempotency_level = NO_SIDE_EFFECTS; }
		}`})
	return &rpc.Call{Method: rpctest.Method(t, snap, "/p.S/"+path), Metadata: metadata.Pairs("k", "v")}
}

// scripted fails as it is told, one answer an attempt, and then succeeds.
type scripted struct {
	answers  []func(context.Context, rpc.Stream) error
	attempts []metadata.MD
	times    []time.Time
}

func (b *scripted) handle(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
	n := len(b.attempts)
	b.attempts = append(b.attempts, c.Metadata)
	b.times = append(b.times, time.Now())
	if n < len(b.answers) {
		return b.answers[n](ctx, s)
	}
	_ = s.SendHeader(metadata.Pairs("h", "last"))
	err := s.Send([]byte("answer"))
	s.SetTrailer(metadata.Pairs("t", "last"))
	return err
}

func fail(c codes.Code, trailer ...string) func(context.Context, rpc.Stream) error {
	return func(_ context.Context, s rpc.Stream) error {
		s.SetTrailer(metadata.Pairs(trailer...))
		return status.Error(c, "as scripted")
	}
}

func afterHeader(_ context.Context, s rpc.Stream) error {
	_ = s.SendHeader(metadata.Pairs("h", "first"))
	s.SetTrailer(metadata.Pairs("t", "first"))
	return status.Error(codes.Unavailable, "as scripted")
}

func afterMessage(_ context.Context, s rpc.Stream) error {
	_ = s.Send([]byte("part"))
	return status.Error(codes.Unavailable, "as scripted")
}

func silent(ctx context.Context, _ rpc.Stream) error {
	<-ctx.Done()
	return rpc.ContextError(ctx)
}

func TestRetry(t *testing.T) {
	type answers = []func(context.Context, rpc.Stream) error
	unavailable := fail(codes.Unavailable, "t", "failed")
	three := &policyv1.Retry{MaxAttempts: new(uint32(3))}
	aborted := &policyv1.Retry{MaxAttempts: new(uint32(3)), Codes: []string{"ABORTED"}}
	for _, c := range []struct {
		name, path string
		retry      *policyv1.Retry
		answers    answers
		attempts   int
		want       codes.Code
		trailer    string
	}{
		{"reads are tried again", "Read", three, answers{unavailable, unavailable}, 3, codes.OK, "last"},
		{"so is what is idempotent", "Put", three, answers{unavailable}, 2, codes.OK, "last"},
		{"so are streams before their first answer", "Watch", three, answers{unavailable}, 2, codes.OK, "last"},
		{"no more often than said", "Read", three, answers{unavailable, unavailable, unavailable, unavailable}, 3, codes.Unavailable, "failed"},
		{"writes never are", "Write", three, answers{unavailable}, 1, codes.Unavailable, "failed"},
		{"nor client streams", "Upload", three, answers{unavailable}, 1, codes.Unavailable, "failed"},
		{"nor without a policy", "Read", nil, answers{unavailable}, 1, codes.Unavailable, "failed"},
		{"nor after a header", "Read", three, answers{afterHeader}, 1, codes.Unavailable, "first"},
		{"nor after a message", "Watch", three, answers{afterMessage}, 1, codes.Unavailable, ""},
		{"nor other codes", "Read", three, answers{fail(codes.Aborted)}, 1, codes.Aborted, ""},
		{"codes can be said", "Read", aborted, answers{fail(codes.Aborted)}, 2, codes.OK, "last"},
		{"and then no other counts", "Read", aborted, answers{fail(codes.Unavailable)}, 1, codes.Unavailable, ""},
		{"the backend wants none", "Read", three, answers{fail(codes.Unavailable, pushback, "-1")}, 1, codes.Unavailable, ""},
		{"the backend speaks unclearly", "Read", three, answers{fail(codes.Unavailable, pushback, "soon")}, 1, codes.Unavailable, ""},
		{"an open breaker", "Read", three, answers{func(context.Context, rpc.Stream) error { return errLeftAlone }}, 1, codes.Unavailable, ""},
		{"a panic", "Read", &policyv1.Retry{MaxAttempts: new(uint32(3)), Codes: []string{"INTERNAL"}},
			answers{func(context.Context, rpc.Stream) error { return &rpc.PanicError{} }}, 1, codes.Internal, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			call := compiled(t, c.path, &policyv1.Policy{Retry: c.retry})
			synctest.Test(t, func(t *testing.T) {
				var retry Retry
				backend := &scripted{answers: c.answers}
				client := rpctest.NewClient(t.Context())
				err := retry.Middleware(backend.handle)(t.Context(), call, client)
				if status.Code(err) != c.want || len(backend.attempts) != c.attempts {
					t.Errorf("%d attempts, %v", len(backend.attempts), err)
				}
				if got := first(client.Trailer()["t"]); got != c.trailer {
					t.Errorf("the trailer is %q, want %q", got, c.trailer)
				}
				for n, md := range backend.attempts {
					if got := first(md[previousAttempts]); n > 0 && got != strconv.Itoa(n) || first(md["k"]) != "v" {
						t.Errorf("attempt %d has the metadata %v", n, md)
					}
				}
				if call.Metadata.Len() != 1 {
					t.Errorf("the call's own metadata became %v", call.Metadata)
				}
			})
		})
	}
}

func first(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return all[0]
}

// TestRetryWaits has each wait between nothing and a bound that doubles up to the longest.
func TestRetryWaits(t *testing.T) {
	r := &schema.Retry{InitialBackoff: 25 * time.Millisecond, MaxBackoff: 70 * time.Millisecond}
	for n, bound := range []time.Duration{25 * time.Millisecond, 50 * time.Millisecond, 70 * time.Millisecond, 70 * time.Millisecond} {
		longest, sum := time.Duration(0), time.Duration(0)
		for range 2000 {
			wait := jittered(r, n+1)
			longest, sum = max(longest, wait), sum+wait
		}
		if longest > bound || longest < bound*9/10 || sum/2000 < bound*4/10 || sum/2000 > bound*6/10 {
			t.Errorf("attempt %d waits up to %v, %v on average; the bound is %v", n+2, longest, sum/2000, bound)
		}
	}
}

func TestRetryObeysThePushback(t *testing.T) {
	call := compiled(t, "Read", &policyv1.Policy{Retry: &policyv1.Retry{MaxAttempts: new(uint32(3))}})
	synctest.Test(t, func(t *testing.T) {
		var retry Retry
		backend := &scripted{answers: []func(context.Context, rpc.Stream) error{fail(codes.Unavailable, pushback, "1500")}}
		h := retry.Middleware(backend.handle)
		if err := h(t.Context(), call, discard{}); err != nil {
			t.Fatal(err)
		}
		if wait := backend.times[1].Sub(backend.times[0]); wait != 1500*time.Millisecond {
			t.Errorf("waited %v", wait)
		}
		backend.attempts = nil
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := h(ctx, call, discard{}); status.Code(err) != codes.Unavailable || time.Since(start) > 0 {
			t.Errorf("a call without time left waited %v for %v", time.Since(start), err)
		}
	})
}

func TestRetryEndsWithItsCaller(t *testing.T) {
	call := compiled(t, "Read", &policyv1.Policy{Retry: &policyv1.Retry{MaxAttempts: new(uint32(3))}})
	synctest.Test(t, func(t *testing.T) {
		var retry Retry
		backend := &scripted{answers: []func(context.Context, rpc.Stream) error{fail(codes.Unavailable, pushback, "60000")}}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		err := retry.Middleware(backend.handle)(ctx, call, discard{})
		if status.Code(err) != codes.Canceled || len(backend.attempts) != 1 {
			t.Errorf("%d attempts, %v", len(backend.attempts), err)
		}
	})
}

// TestRetryBudget bounds the retries of a backend that fails altogether.
func TestRetryBudget(t *testing.T) {
	call := compiled(t, "Read", &policyv1.Policy{Retry: &policyv1.Retry{MaxAttempts: new(uint32(4))}})
	synctest.Test(t, func(t *testing.T) {
		var retry Retry
		var counted atomic.Int64
		h := retry.Middleware(func(context.Context, *rpc.Call, rpc.Stream) error {
			counted.Add(1)
			return status.Error(codes.Unavailable, "down")
		})
		const seconds, rate = 60, 1000
		for range seconds * rate / 10 {
			for range 10 {
				go func() { _ = h(t.Context(), call, discard{}) }()
			}
			time.Sleep(10 * time.Millisecond)
		}
		synctest.Wait()
		time.Sleep(2 * time.Second)
		calls, reached := seconds*rate, int(counted.Load())
		if most := calls + calls/5 + 10*seconds + 100; reached > most || reached < calls*115/100 {
			t.Errorf("%d attempts of %d calls, %d are allowed", reached, calls, most)
		}
		s := retry.State()[0]
		if s.Backend != "backend" || int(s.Retries) != reached-calls || s.Exhausted == 0 {
			t.Errorf("state %+v", s)
		}
	})
}

// TestAttemptTimeout ends an attempt, which the breaker sees and another may follow.
func TestAttemptTimeout(t *testing.T) {
	policy := func(retries uint32) *policyv1.Policy {
		return &policyv1.Policy{
			Retry:   &policyv1.Retry{MaxAttempts: &retries},
			Timeout: &policyv1.Timeout{Attempt: seconds(2)},
		}
	}
	for _, c := range []struct {
		name, path string
		retries    uint32
		deadline   time.Duration
		want       codes.Code
		attempts   int
		took       time.Duration
	}{
		{"a read is tried again", "Read", 3, time.Minute, codes.OK, 2, 2 * time.Second},
		{"a stream too", "Watch", 3, time.Minute, codes.OK, 2, 2 * time.Second},
		{"a write is not", "Write", 3, time.Minute, codes.DeadlineExceeded, 1, 2 * time.Second},
		{"without retry", "Read", 1, time.Minute, codes.DeadlineExceeded, 1, 2 * time.Second},
		{"the call ends first", "Read", 3, time.Second, codes.DeadlineExceeded, 1, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			call := compiled(t, c.path, policy(c.retries))
			synctest.Test(t, func(t *testing.T) {
				var retry Retry
				var breaker Breaker
				backend := &scripted{answers: []func(context.Context, rpc.Stream) error{silent}}
				ctx, cancel := context.WithTimeout(t.Context(), c.deadline)
				defer cancel()
				start := time.Now()
				err := retry.Middleware(breaker.Middleware(AttemptTimeout(backend.handle)))(ctx, call, discard{})
				took := time.Since(start).Truncate(time.Second)
				if status.Code(err) != c.want || len(backend.attempts) != c.attempts || took != c.took {
					t.Errorf("%d attempts, %v after %v", len(backend.attempts), err, took)
				}
				if failures := breaker.methods.of(methodName{"backend", call.Method.Path}).current.Load().failures(); failures != 1 {
					t.Errorf("the breaker saw %d failures", failures)
				}
			})
		})
	}
}

func (m *methodBreaker) failures() uint32 {
	if m.early != nil {
		return m.early.Counts().TotalFailures
	}
	return m.end.Counts().TotalFailures
}

// TestAttemptTimeoutLeavesAnsweredStreams bounds a stream until its first answer only.
func TestAttemptTimeoutLeavesAnsweredStreams(t *testing.T) {
	call := compiled(t, "Watch", &policyv1.Policy{Timeout: &policyv1.Timeout{Attempt: seconds(2)}})
	synctest.Test(t, func(t *testing.T) {
		err := AttemptTimeout(func(ctx context.Context, _ *rpc.Call, s rpc.Stream) error {
			_ = s.SendHeader(nil)
			select {
			case <-ctx.Done():
				return rpc.ContextError(ctx)
			case <-time.After(time.Hour):
				return s.Send(nil)
			}
		})(t.Context(), call, discard{})
		if err != nil {
			t.Error(err)
		}
	})
}

// BenchmarkRetryOff is what a call pays whose method has no retry.
func BenchmarkRetryOff(b *testing.B) { benchmarkRetry(b, &policyv1.Policy{}) }

// BenchmarkRetryOn is what a call pays that succeeds at once.
func BenchmarkRetryOn(b *testing.B) {
	benchmarkRetry(b, &policyv1.Policy{Retry: &policyv1.Retry{MaxAttempts: new(uint32(3))}})
}

func benchmarkRetry(b *testing.B, policy *policyv1.Policy) {
	call := compiled(b, "Read", policy)
	var retry Retry
	h := retry.Middleware(func(_ context.Context, _ *rpc.Call, s rpc.Stream) error { return s.Send(nil) })
	b.ReportAllocs()
	for b.Loop() {
		if err := h(b.Context(), call, discard{}); err != nil {
			b.Fatal(err)
		}
	}
}

func TestKeyed(t *testing.T) {
	var k keyed[string, int]
	if k.find("a") != nil {
		t.Error("found what nobody made")
	}
	*k.of("a")++
	*k.of("b") = 5
	*k.of("a")++
	got := make(map[string]int)
	for name, n := range k.all() {
		got[name] = *n
	}
	if !slices.Equal([]int{got["a"], got["b"], len(got)}, []int{2, 5, 2}) {
		t.Errorf("got %v", got)
	}
}
