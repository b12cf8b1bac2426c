package resilience

import (
	"context"
	"errors"
	"strings"
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

// counted answers with the number of the call, and counts.
type counted struct {
	calls  atomic.Int64
	header metadata.MD
	err    error
}

func (b *counted) handle(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
	n := b.calls.Add(1)
	if b.err != nil {
		return b.err
	}
	if err := s.SendHeader(b.header.Copy()); err != nil {
		return err
	}
	s.SetTrailer(metadata.Pairs("took", "long"))
	return s.Send([]byte{byte(n)})
}

func readCall(policy *policyv1.Policy, request string, md metadata.MD) *rpc.Call {
	return &rpc.Call{
		Method: &schema.Method{
			Path: "/p.S/Get", NoSideEffects: true, Policy: policy,
			Service: &schema.Service{Backend: &schema.Backend{Name: "b", Digest: "d1"}},
		},
		Request:  []byte(request),
		Metadata: md,
	}
}

func cached(ttl, stale time.Duration, change ...func(*policyv1.Cache)) *policyv1.Policy {
	c := &policyv1.Cache{Ttl: durationpb.New(ttl), StaleWhileRevalidate: durationpb.New(stale)}
	for _, f := range change {
		f(c)
	}
	return &policyv1.Policy{Cache: c}
}

// kept is a client that keeps what it hears.
type kept struct {
	discard
	header, trailer metadata.MD
	message         []byte
}

func (k *kept) SendHeader(md metadata.MD) error {
	k.header = md
	return nil
}

func (k *kept) Send(m []byte) error {
	k.message = m
	return nil
}

func (k *kept) SetTrailer(md metadata.MD) { k.trailer = md }

// ask makes a call and returns the number that the backend gave its answer, and the header.
func ask(t *testing.T, h rpc.Handler, ctx context.Context, c *rpc.Call) (int, metadata.MD) {
	t.Helper()
	var s kept
	if err := h(ctx, c, &s); err != nil {
		t.Fatal(err)
	}
	if s.trailer.Get("took")[0] != "long" {
		t.Errorf("the trailer is %v", s.trailer)
	}
	return int(s.message[0]), s.header
}

func newTestCache(t *testing.T) *Cache {
	c := NewCache(0)
	t.Cleanup(c.Close)
	return c
}

func TestCacheKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, p := &counted{header: metadata.Pairs("x", "y")}, NewCache(0)
		defer p.Close()
		h, c := p.Middleware(b.handle), readCall(cached(10*time.Second, 0), "r", nil)
		n, header := ask(t, h, t.Context(), c)
		if n != 1 || header.Get("cache-control")[0] != "private, max-age=10" || len(header.Get("age")) > 0 {
			t.Errorf("the first: %d %v", n, header)
		}
		time.Sleep(3 * time.Second)
		n, header = ask(t, h, t.Context(), c)
		if n != 1 || header.Get("age")[0] != "3" || header.Get("cache-control")[0] != "private, max-age=7" || header.Get("x")[0] != "y" {
			t.Errorf("three seconds on: %d %v", n, header)
		}
		time.Sleep(8 * time.Second)
		if n, _ = ask(t, h, t.Context(), c); n != 2 {
			t.Errorf("after its time: %d", n)
		}
		if s := p.State(); s.Hits != 1 || s.Misses != 2 || s.Stale != 0 {
			t.Errorf("state %+v", s)
		}
	})
}

func TestCacheRevalidates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, p := &counted{}, NewCache(0)
		defer p.Close()
		slow := func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
			time.Sleep(time.Second)
			return b.handle(ctx, c, s)
		}
		h, c := p.Middleware(slow), readCall(cached(10*time.Second, time.Minute), "r", nil)
		ask(t, h, t.Context(), c)
		time.Sleep(11 * time.Second)
		for range 5 {
			if n, _ := ask(t, h, t.Context(), c); n != 1 {
				t.Errorf("while it is stale: %d", n)
			}
			if b.calls.Load() > 2 {
				t.Errorf("%d calls for one stale answer", b.calls.Load())
			}
		}
		time.Sleep(2 * time.Second)
		if n, _ := ask(t, h, t.Context(), c); n != 2 || b.calls.Load() != 2 {
			t.Errorf("after the refresh: answer %d of %d", n, b.calls.Load())
		}
	})
}

// TestCacheTellsApart makes two calls; the second is answered from the first, or not.
func TestCacheTellsApart(t *testing.T) {
	as := func(subject string) context.Context {
		return rpc.WithPrincipal(context.Background(), &rpc.Principal{Authenticator: "login", Subject: subject})
	}
	none := context.Background()
	policy := cached(time.Hour, 0)
	shared := cached(time.Hour, 0, func(c *policyv1.Cache) { c.Shared = proto.Bool(true) })
	varied := cached(time.Hour, 0, func(c *policyv1.Cache) { c.Vary = []string{"Accept-Language"} })
	de, en := metadata.Pairs("accept-language", "de"), metadata.Pairs("accept-language", "en")
	added := func(p *policyv1.Policy, name, value string) *rpc.Call {
		c := readCall(p, "r", metadata.Pairs(name, value))
		c.Added = []string{name}
		return c
	}
	changed := readCall(policy, "r", nil)
	changed.Method.Service.Backend.Digest = "d2"
	tests := map[string]struct {
		first, second       context.Context
		firstCall, nextCall *rpc.Call
		apart               bool
	}{
		"the same":             {none, none, readCall(policy, "r", nil), readCall(policy, "r", nil), false},
		"another request":      {none, none, readCall(policy, "r", nil), readCall(policy, "s", nil), true},
		"the same principal":   {as("a"), as("a"), readCall(policy, "r", nil), readCall(policy, "r", nil), false},
		"another principal":    {as("a"), as("b"), readCall(policy, "r", nil), readCall(policy, "r", nil), true},
		"somebody and nobody":  {as("a"), none, readCall(policy, "r", nil), readCall(policy, "r", nil), true},
		"shared":               {as("a"), as("b"), readCall(shared, "r", nil), readCall(shared, "r", nil), false},
		"metadata":             {none, none, readCall(policy, "r", de), readCall(policy, "r", en), false},
		"metadata that varies": {none, none, readCall(varied, "r", de), readCall(varied, "r", en), true},
		"another schema":       {none, none, readCall(policy, "r", nil), changed, true},
		"another identity":     {as("a"), as("a"), added(policy, "x-tenant", "1"), added(policy, "x-tenant", "2"), true},
		"another identity where answers are shared": {as("a"), as("a"), added(shared, "x-tenant", "1"), added(shared, "x-tenant", "2"), true},
		"one identity where answers are shared":     {as("a"), as("b"), added(shared, "x-tenant", "1"), added(shared, "x-tenant", "1"), false},
		"an identity and none":                      {none, none, added(shared, "x-tenant", "1"), readCall(shared, "r", nil), true},
		"forwarded credentials":                     {none, none, readCall(shared, "r", metadata.Pairs("authorization", "1")), readCall(shared, "r", metadata.Pairs("authorization", "2")), true},
		"forwarded cookies":                         {none, none, readCall(policy, "r", metadata.Pairs("cookie", "1")), readCall(policy, "r", metadata.Pairs("cookie", "2")), true},
		"a client that insists":                     {none, none, readCall(policy, "r", nil), readCall(policy, "r", metadata.Pairs("cache-control", "no-cache")), true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := &counted{}
			h := newTestCache(t).Middleware(b.handle)
			ask(t, h, test.first, test.firstCall)
			if n, _ := ask(t, h, test.second, test.nextCall); (n == 2) != test.apart {
				t.Errorf("the second answer is %d", n)
			}
		})
	}
}

// TestCacheKeepsNot makes two calls whose answers must not be kept.
func TestCacheKeepsNot(t *testing.T) {
	writes := readCall(cached(time.Hour, 0), "r", nil)
	writes.Method.NoSideEffects = false
	streams := readCall(cached(time.Hour, 0), "r", nil)
	streams.Method.ServerStreams = true
	for name, test := range map[string]struct {
		backend *counted
		call    *rpc.Call
	}{
		"a method with side effects": {&counted{}, writes},
		"a stream":                   {&counted{}, streams},
		"no ttl":                     {&counted{}, readCall(cached(0, time.Hour), "r", nil)},
		"an error":                   {&counted{err: status.Error(codes.NotFound, "")}, readCall(cached(time.Hour, 0), "r", nil)},
		"a backend that forbids it":  {&counted{header: metadata.Pairs("cache-control", "private, no-store")}, readCall(cached(time.Hour, 0), "r", nil)},
		"a client that forbids it":   {&counted{}, readCall(cached(time.Hour, 0), "r", metadata.Pairs("cache-control", "no-store"))},
	} {
		t.Run(name, func(t *testing.T) {
			p := newTestCache(t)
			h := p.Middleware(test.backend.handle)
			for range 2 {
				_ = h(t.Context(), test.call, &kept{})
			}
			if n := test.backend.calls.Load(); n != 2 {
				t.Errorf("%d calls reached the backend", n)
			}
		})
	}
}

func TestCacheIsBounded(t *testing.T) {
	p := NewCache(1 << 20)
	t.Cleanup(p.Close)
	large := strings.Repeat("x", 64<<10)
	h := p.Middleware(func(_ context.Context, _ *rpc.Call, s rpc.Stream) error { return s.Send([]byte(large)) })
	for i := range 200 {
		if err := h(t.Context(), readCall(cached(time.Hour, 0), string(rune('a'+i)), nil), &kept{}); err != nil {
			t.Fatal(err)
		}
	}
	p.answers.CleanUp()
	if s := p.State(); s.Bytes > 1<<20 || s.Answers == 0 {
		t.Errorf("state %+v", s)
	}
}

// TestCacheCloses ends a refresh that hangs.
func TestCacheCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, first := NewCache(0), true
		h := p.Middleware(func(ctx context.Context, _ *rpc.Call, s rpc.Stream) error {
			if first {
				first = false
				return s.Send(nil)
			}
			<-ctx.Done()
			return ctx.Err()
		})
		c := readCall(cached(time.Second, time.Hour), "r", nil)
		_ = h(t.Context(), c, &kept{})
		time.Sleep(2 * time.Second)
		_ = h(t.Context(), c, &kept{})
		p.Close()
	})
}

func coalescing(change ...func(*policyv1.Coalesce)) *policyv1.Policy {
	c := &policyv1.Coalesce{Enabled: proto.Bool(true)}
	for _, f := range change {
		f(c)
	}
	return &policyv1.Policy{Coalesce: c}
}

// TestCoalesceShares lets many wait for one call; one that leaves takes nobody along.
func TestCoalesceShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Coalesce
		var calls atomic.Int64
		release := make(chan struct{})
		h := p.Middleware(func(ctx context.Context, _ *rpc.Call, s rpc.Stream) error {
			calls.Add(1)
			select {
			case <-release:
				return s.Send([]byte("answer"))
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		c := readCall(coalescing(), "r", metadata.Pairs("x-request-id", "1"))
		other := readCall(coalescing(), "r", metadata.Pairs("x-request-id", "2"))
		leaver, leave := context.WithCancel(t.Context())
		var left error
		var waiting sync.WaitGroup
		waiting.Go(func() { left = h(leaver, c, &kept{}) })
		synctest.Wait()
		var got [8]kept
		for i := range got {
			waiting.Go(func() {
				if err := h(t.Context(), other, &got[i]); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		leave()
		synctest.Wait()
		if status.Code(left) != codes.Canceled {
			t.Errorf("who left got %v", left)
		}
		close(release)
		waiting.Wait()
		for i := range got {
			if string(got[i].message) != "answer" {
				t.Errorf("caller %d got %q", i, got[i].message)
			}
		}
		if calls.Load() != 1 || p.State() != (CoalesceState{1, 8}) {
			t.Errorf("%d calls, state %+v", calls.Load(), p.State())
		}
	})
}

// TestCoalesceEnds cancels the call when the last who waited has left; whoever comes then makes
// another.
func TestCoalesceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Coalesce
		var cancelled atomic.Int64
		h := p.Middleware(func(ctx context.Context, _ *rpc.Call, _ rpc.Stream) error {
			<-ctx.Done()
			cancelled.Add(1)
			return ctx.Err()
		})
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if err := h(ctx, readCall(coalescing(), "r", nil), &kept{}); status.Code(err) != codes.DeadlineExceeded {
				t.Errorf("got %v", err)
			}
			cancel()
			synctest.Wait()
		}
		if cancelled.Load() != 2 || len(p.flight) != 0 {
			t.Errorf("%d calls ended, %d are in flight", cancelled.Load(), len(p.flight))
		}
	})
}

func TestCoalesceTellsApart(t *testing.T) {
	as := func(subject string) context.Context {
		return rpc.WithPrincipal(context.Background(), &rpc.Principal{Subject: subject})
	}
	shared := coalescing(func(c *policyv1.Coalesce) { c.Shared = proto.Bool(true) })
	for name, test := range map[string]struct {
		first, second *rpc.Call
		a, b          context.Context
		calls         int64
	}{
		"principals":        {readCall(coalescing(), "r", nil), readCall(coalescing(), "r", nil), as("a"), as("b"), 2},
		"shared principals": {readCall(shared, "r", nil), readCall(shared, "r", nil), as("a"), as("b"), 1},
		"metadata":          {readCall(shared, "r", metadata.Pairs("tenant", "a")), readCall(shared, "r", metadata.Pairs("tenant", "b")), as("a"), as("a"), 2},
		"requests":          {readCall(shared, "r", nil), readCall(shared, "s", nil), as("a"), as("a"), 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var p Coalesce
				var calls atomic.Int64
				h := p.Middleware(func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
					calls.Add(1)
					time.Sleep(time.Second)
					return s.Send(nil)
				})
				var waiting sync.WaitGroup
				waiting.Go(func() { _ = h(test.a, test.first, &kept{}) })
				waiting.Go(func() { _ = h(test.b, test.second, &kept{}) })
				waiting.Wait()
				if calls.Load() != test.calls {
					t.Errorf("%d calls", calls.Load())
				}
			})
		})
	}
}

func TestCoalescePanics(t *testing.T) {
	var p Coalesce
	h := p.Middleware(func(context.Context, *rpc.Call, rpc.Stream) error { panic("no") })
	err := h(t.Context(), readCall(coalescing(), "r", nil), &kept{})
	if _, ok := errors.AsType[*rpc.PanicError](err); !ok {
		t.Errorf("got %v", err)
	}
}

func BenchmarkCacheHit(b *testing.B) {
	p := NewCache(0)
	b.Cleanup(p.Close)
	h, c := p.Middleware((&counted{}).handle), readCall(cached(time.Hour, 0), "request", nil)
	b.ReportAllocs()
	for b.Loop() {
		_ = h(b.Context(), c, discard{})
	}
}

func BenchmarkCoalesce(b *testing.B) {
	var p Coalesce
	h, c := p.Middleware((&counted{}).handle), readCall(coalescing(), "request", nil)
	b.ReportAllocs()
	for b.Loop() {
		_ = h(b.Context(), c, discard{})
	}
}
