package resilience

import (
	"context"
	"math/rand/v2"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
)

func limited(l schema.RateLimit) *rpc.Call {
	return &rpc.Call{
		Method: &schema.Method{Path: "/p.S/M", Service: &schema.Service{Backend: &schema.Backend{Name: "b"}}, RateLimit: &l},
		Peer:   "192.0.2.1:4000",
	}
}

func answering(_ context.Context, _ *rpc.Call, s rpc.Stream) error { return s.Send(nil) }

// TestRate goes through the calls of one caller: at each time one call, and what comes of it.
func TestRate(t *testing.T) {
	r := newRate(2, time.Second, 3) // one in 500 ms, three at once
	type step struct {
		at        time.Duration
		allowed   bool
		remaining int
		reset     time.Duration
		after     time.Duration
	}
	const ms = time.Millisecond
	var remembered int64
	for i, s := range []step{
		{0, true, 2, 500 * ms, 0},
		{0, true, 1, 1000 * ms, 0},
		{0, true, 0, 1500 * ms, 0},
		{0, false, 0, 1500 * ms, 500 * ms},
		{400 * ms, false, 0, 1100 * ms, 100 * ms},
		{500 * ms, true, 0, 1500 * ms, 0},
		{5000 * ms, true, 2, 500 * ms, 0},
	} {
		var d decision
		d, remembered = r.take(int64(s.at)+1, remembered)
		if want := (decision{s.allowed, s.remaining, s.reset, s.after}); d != want {
			t.Errorf("step %d: got %+v, want %+v", i, d, want)
		}
	}
}

// TestRateAgainstBucket compares with a plain token bucket on random calls.
func TestRateAgainstBucket(t *testing.T) {
	for range 200 {
		requests, burst := 1+rand.IntN(50), 1+rand.IntN(20)
		r := newRate(requests, time.Second, burst)
		tokens, last := float64(burst), int64(1)
		var remembered int64
		now := int64(1)
		for range 500 {
			now += rand.Int64N(int64(3 * time.Second / time.Duration(requests)))
			tokens = min(float64(burst), tokens+float64(now-last)/float64(r.interval))
			last = now
			var d decision
			d, remembered = r.take(now, remembered)
			// Where the bucket has as good as one token, rounding decides.
			if near := tokens - 1; near < 1e-6 && near > -1e-6 {
				if d.allowed {
					tokens--
				}
				continue
			}
			if want := tokens >= 1; d.allowed != want {
				t.Fatalf("%d a second, %d at once: allowed %v with %v tokens", requests, burst, d.allowed, tokens)
			}
			if d.allowed {
				tokens--
			}
		}
	}
}

func TestRateLimitRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p RateLimit
		h, c := p.Middleware(answering), limited(schema.RateLimit{Scope: "*", Requests: 2, Per: time.Second, Burst: 2})
		for range 2 {
			if err := h(t.Context(), c, discard{}); err != nil {
				t.Fatal(err)
			}
		}
		report := new(Report)
		ctx := context.WithValue(t.Context(), ReportKey{}, report)
		err := h(ctx, c, discard{})
		st := status.Convert(err)
		if st.Code() != codes.ResourceExhausted || len(st.Details()) != 1 {
			t.Fatalf("the third call: %v", err)
		}
		if wait := st.Details()[0].(*errdetails.RetryInfo).GetRetryDelay().AsDuration(); wait != 500*time.Millisecond {
			t.Errorf("the client is to wait %v", wait)
		}
		header := make(http.Header)
		report.SetHeaders(header)
		for name, want := range map[string]string{
			"RateLimit-Policy": `"*";q=2;w=1`, "RateLimit": `"*";r=0;t=1`, "Retry-After": "1",
		} {
			if got := header.Get(name); got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
		time.Sleep(500 * time.Millisecond)
		if err := h(t.Context(), c, discard{}); err != nil {
			t.Errorf("after the wait: %v", err)
		}
		if state := p.State(); len(state) != 1 || state[0] != (RateLimitState{"*", 3, 1, 0}) {
			t.Errorf("state %+v", state)
		}
	})
}

// TestRateLimitTellsApart makes two calls under a limit of one; the second is refused
// where both count for one caller.
func TestRateLimitTellsApart(t *testing.T) {
	principal := func(subject string, claims map[string]any) func(context.Context) context.Context {
		return func(ctx context.Context) context.Context {
			return rpc.WithPrincipal(ctx, &rpc.Principal{Authenticator: "login", Subject: subject, Claims: claims})
		}
	}
	anonymous := func(ctx context.Context) context.Context { return ctx }
	header := func(v string) metadata.MD { return metadata.Pairs("tenant", v) }
	type caller struct {
		who  func(context.Context) context.Context
		peer string
		md   metadata.MD
	}
	tests := []struct {
		name          string
		keys          []schema.RateKey
		first, second caller
		apart         bool
	}{
		{"the same principal at another address", nil, caller{principal("a", nil), "192.0.2.1:1", nil}, caller{principal("a", nil), "192.0.2.2:1", nil}, false},
		{"another principal", nil, caller{principal("a", nil), "192.0.2.1:1", nil}, caller{principal("b", nil), "192.0.2.1:1", nil}, true},
		{"anonymous at another port", nil, caller{anonymous, "192.0.2.1:1", nil}, caller{anonymous, "192.0.2.1:2", nil}, false},
		{"anonymous at another address", nil, caller{anonymous, "192.0.2.1:1", nil}, caller{anonymous, "192.0.2.2:1", nil}, true},
		{"one network of IPv6", nil, caller{anonymous, "[2001:db8::1]:1", nil}, caller{anonymous, "[2001:db8::2:1]:1", nil}, false},
		{"another network of IPv6", nil, caller{anonymous, "[2001:db8::1]:1", nil}, caller{anonymous, "[2001:db8:0:1::1]:1", nil}, true},
		{"IPv4 written as IPv6", nil, caller{anonymous, "192.0.2.1:1", nil}, caller{anonymous, "[::ffff:192.0.2.1]:1", nil}, false},
		{"address of principals", []schema.RateKey{{Kind: schema.ByIP}}, caller{principal("a", nil), "192.0.2.1:1", nil}, caller{principal("b", nil), "192.0.2.1:1", nil}, false},
		{"another header", []schema.RateKey{{Kind: schema.ByHeader, Name: "tenant"}}, caller{anonymous, "192.0.2.1:1", header("x")}, caller{anonymous, "192.0.2.1:1", header("y")}, true},
		{"the same header", []schema.RateKey{{Kind: schema.ByHeader, Name: "tenant"}}, caller{anonymous, "192.0.2.1:1", header("x")}, caller{anonymous, "192.0.2.2:1", header("x")}, false},
		{"another claim", []schema.RateKey{{Kind: schema.ByClaim, Name: "org"}}, caller{principal("a", map[string]any{"org": "x"}), "", nil}, caller{principal("a", map[string]any{"org": []any{"x"}}), "", nil}, true},
		{"header and address together", []schema.RateKey{{Kind: schema.ByHeader, Name: "tenant"}, {Kind: schema.ByIP}}, caller{anonymous, "192.0.2.1:1", header("x")}, caller{anonymous, "192.0.2.2:1", header("x")}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var p RateLimit
			h := p.Middleware(answering)
			call := func(by caller) error {
				c := limited(schema.RateLimit{Scope: "*", Requests: 1, Per: time.Hour, Burst: 1, Keys: test.keys})
				c.Peer, c.Metadata = by.peer, by.md
				return h(by.who(t.Context()), c, discard{})
			}
			if err := call(test.first); err != nil {
				t.Fatal(err)
			}
			if err := call(test.second); (err == nil) != test.apart {
				t.Errorf("the second caller: %v", err)
			}
		})
	}
}

// TestRateLimitScopes shares a budget between methods of one scope, and no other.
func TestRateLimitScopes(t *testing.T) {
	var p RateLimit
	h := p.Middleware(answering)
	one, other := limited(schema.RateLimit{Scope: "a.*", Requests: 1, Per: time.Hour, Burst: 1}), limited(schema.RateLimit{Scope: "b.*", Requests: 1, Per: time.Hour, Burst: 1})
	beside := limited(*one.Method.RateLimit)
	beside.Method.Path = "/p.S/Other"
	for i, c := range []*rpc.Call{one, other} {
		if err := h(t.Context(), c, discard{}); err != nil {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if err := h(t.Context(), beside, discard{}); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("another method of the scope: %v", err)
	}
}

func TestRateLimitOfNone(t *testing.T) {
	var p RateLimit
	if err := p.Middleware(answering)(t.Context(), limited(schema.RateLimit{Scope: "*", Per: time.Second}), discard{}); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("got %v", err)
	}
}

// TestLocalRatesAreBounded sends more callers than are remembered: newcomers share a budget,
// and those who were there first keep theirs.
func TestLocalRatesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l localRates[int]
		r := newRate(1, time.Hour, 1)
		for i := range maxRateKeys + maxRateKeys/4 {
			l.take(i, -1, r)
		}
		if n := l.len(); n > maxRateKeys+1 {
			t.Errorf("%d callers are remembered", n)
		}
		if d := l.take(0, -1, r); d.allowed {
			t.Error("the first caller was forgotten")
		}
		time.Sleep(2 * time.Hour)
		for i := range 100 {
			if d := l.take(2*maxRateKeys+i, -1, r); !d.allowed {
				t.Fatalf("newcomer %d is refused although all others are idle", i)
			}
		}
	})
}

func TestQuoted(t *testing.T) {
	if got := quoted("a\"b\\c\x00ü*"); got != `"a\"b\\c*"` {
		t.Errorf("got %s", got)
	}
}

func TestRateLimitAllocatesNothing(t *testing.T) {
	var p RateLimit
	h, c := p.Middleware(answering), limited(schema.RateLimit{Scope: "*", Requests: 1 << 20, Per: time.Second, Burst: 1 << 20})
	ctx := rpc.WithPrincipal(t.Context(), &rpc.Principal{Subject: "a"})
	if n := testing.AllocsPerRun(100, func() { _ = h(ctx, c, discard{}) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRateLimit(b *testing.B) {
	var p RateLimit
	h, c := p.Middleware(answering), limited(schema.RateLimit{Scope: "*", Requests: 1 << 29, Per: time.Second, Burst: 1 << 29})
	ctx := rpc.WithPrincipal(b.Context(), &rpc.Principal{Subject: "a"})
	b.ReportAllocs()
	for b.Loop() {
		_ = h(ctx, c, discard{})
	}
}

// TestOutage asks a server that is not there: each policy says what becomes of calls then, at once.
func TestOutage(t *testing.T) {
	for outage, want := range map[Outage][]codes.Code{
		CountAlone: {codes.OK, codes.OK, codes.ResourceExhausted}, // a third of six
		RefuseAll:  {codes.ResourceExhausted, codes.ResourceExhausted, codes.ResourceExhausted},
		AllowAll:   {codes.OK, codes.OK, codes.OK},
	} {
		store := NewRedis(RedisOptions{Address: "127.0.0.1:1", Replicas: 3, Outage: outage, Budget: time.Second})
		var p RateLimit
		p.Share(store)
		h, c := p.Middleware(answering), limited(schema.RateLimit{Scope: "*", Requests: 6, Per: 6 * time.Hour, Burst: 6})
		for i, code := range want {
			err := h(t.Context(), c, discard{})
			if status.Code(err) != code {
				t.Errorf("outage %d, call %d: %v, want %v", outage, i, err, code)
			}
			if err != nil && len(status.Convert(err).Details()) != 1 {
				t.Errorf("outage %d: it does not say when to come again: %v", outage, err)
			}
		}
		if state := p.State(); state[0].Unshared != uint64(len(want)) || store.Answering() {
			t.Errorf("outage %d: state %+v", outage, state)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
}
