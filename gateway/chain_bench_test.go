package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/auth"
	"github.com/protean-gateway/protean/auth/authtest"
	"github.com/protean-gateway/protean/resilience"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

const chainService = `
edition = "2023";
package shelf.v1;
import "buf/validate/validate.proto";
service Shelves { rpc Get(M) returns (M) { option idempotency_level = NO_SIDE_EFFECTS; } }
message M { string name = 1 [(buf.validate.field).cel = {id: "known", message: "no such name", expression: "this == 'x'"}]; }
`

// sink is a stream that takes one answer.
type sink struct{ answer []byte }

func (*sink) Recv() ([]byte, error)        { return nil, nil }
func (*sink) SendHeader(metadata.MD) error { return nil }
func (s *sink) Send(m []byte) error        { s.answer = m; return nil }
func (*sink) SetTrailer(metadata.MD)       {}

// chainPolicies are all that a unary call goes through: a rate limit, retries, a breaker and timeouts
// of the call and of the attempt. What is said beside them is added.
const chainPolicies = "rateLimit: {requests: 100000000, per: 1s}, retry: {maxAttempts: 3}, timeout: {call: 10s, attempt: 2s}, "

// chainCase is a chain with callers who have tokens. Its backend answers at once.
type chainCase struct {
	issuer *authtest.Issuer
	state  *policies
	setup  *setup
	method *schema.Method
	bare   rpc.Handler
	whole  rpc.Handler
}

func newChainCase(tb testing.TB, policy string) *chainCase {
	tb.Helper()
	issuer := authtest.Start(tb)
	c, err := ParseConfig("c.yaml", []byte("backends: [{name: shelf, address: 'localhost:1'}]\n"+
		"authenticators: [{name: login, jwt: {issuer: '"+issuer.URL+"', audiences: ["+authtest.Audience+"]}}]\n"+
		"policies: [{selector: '*', policy: {"+policy+"}}]\n"))
	if err != nil {
		tb.Fatal(err)
	}
	l, s, err := newFirst(tb.Context(), c, slog.New(slog.DiscardHandler), nil, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(l.close)
	snapshot, _ := schema.Compile(s.input([]schema.BackendFiles{{Name: "shelf", Files: rpctest.Files(tb, map[string]string{"shelf.proto": chainService})}}, nil))
	access, _ := auth.Compile(snapshot, s.maker.auth)
	validation, _ := resilience.CompileValidation(snapshot)
	bare := func(_ context.Context, c *rpc.Call, s rpc.Stream) error { return s.Send(c.Request) }
	return &chainCase{issuer, l.policies, s, snapshot.Method("/shelf.v1.Shelves/Get"), bare, l.policies.chain(access, validation, bare)}
}

// request is one with a token.
func (c *chainCase) request(tb testing.TB, token string) *http.Request {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, "/", nil)
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// call makes a call of whom a request is from.
func (c *chainCase) call(tb testing.TB, r *http.Request) {
	ctx, err := c.setup.authenticators.Caller(r, false)
	if err != nil {
		tb.Fatal(err)
	}
	c.callIn(tb, ctx, c.whole)
}

func (c *chainCase) callIn(tb testing.TB, ctx context.Context, h rpc.Handler) {
	if err := h(ctx, &rpc.Call{Method: c.method, Request: []byte("\n\x01x")}, new(sink)); err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkChain compares a bare unary call with one that has the whole chain before it and a
// token whose check is remembered; with one whose token was never seen; and with ones that a rule of
// CEL or of protovalidate decides about too.
func BenchmarkChain(b *testing.B) {
	plain := newChainCase(b, chainPolicies+"authorize: {}")
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			plain.callIn(b, b.Context(), plain.bare)
		}
	})
	b.Run("whole", func(b *testing.B) { benchmarkWarm(b, plain) })
	b.Run("new-token", func(b *testing.B) { benchmarkNewTokens(b, plain) })
	b.Run("authorize-rule", func(b *testing.B) {
		benchmarkWarm(b, newChainCase(b, chainPolicies+`authorize: {rule: "request.name == 'x'"}`))
	})
	b.Run("validate-rule", func(b *testing.B) {
		benchmarkWarm(b, newChainCase(b, chainPolicies+"authorize: {}, validate: {enabled: true}"))
	})
}

func benchmarkWarm(b *testing.B, c *chainCase) {
	r := c.request(b, c.issuer.Token("alice", nil))
	c.call(b, r)
	b.ReportAllocs()
	for b.Loop() {
		c.call(b, r)
	}
}

// benchmarkNewTokens has a caller for each call.
func benchmarkNewTokens(b *testing.B, c *chainCase) {
	var fresh []*http.Request
	made := 0
	b.ReportAllocs()
	for b.Loop() {
		if len(fresh) == 0 {
			b.StopTimer()
			for range 500 {
				made++
				fresh = append(fresh, c.request(b, c.issuer.Token("caller-"+strconv.Itoa(made), nil)))
			}
			b.StartTimer()
		}
		c.call(b, fresh[0])
		fresh = fresh[1:]
	}
}

// mostAllocations is what the whole chain may add to a unary call.
const mostAllocations = 8

// TestChainAllocations counts what the chain adds where the check of the token is remembered.
func TestChainAllocations(t *testing.T) {
	c := newChainCase(t, chainPolicies+"authorize: {}")
	r := c.request(t, c.issuer.Token("alice", nil))
	ctx := t.Context()
	bare := testing.AllocsPerRun(1000, func() { c.callIn(t, ctx, c.bare) })
	whole := testing.AllocsPerRun(1000, func() { c.call(t, r) })
	if whole-bare > mostAllocations {
		t.Errorf("%v allocations, and %v of the bare call", whole, bare)
	}
}

// TestCacheHitsCount answers from what is kept, which counts against the caller's rate all the same.
func TestCacheHitsCount(t *testing.T) {
	c := newChainCase(t, "authorize: {}, rateLimit: {requests: 2, per: 3600s}, cache: {ttl: 60s}")
	ctx, err := c.setup.authenticators.Caller(c.request(t, c.issuer.Token("alice", nil)), false)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []codes.Code{codes.OK, codes.OK, codes.ResourceExhausted} {
		if err := c.whole(ctx, &rpc.Call{Method: c.method, Request: []byte("\n\x01x")}, new(sink)); status.Code(err) != want {
			t.Errorf("call %d: %v, want %v", i+1, err, want)
		}
	}
	if hits := c.state.cache.State().Hits; hits != 1 {
		t.Errorf("%d hits", hits)
	}
}
