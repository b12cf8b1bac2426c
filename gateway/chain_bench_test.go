package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"testing"

	"google.golang.org/grpc/metadata"

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
service Shelves { rpc Get(M) returns (M) { option idempotency_level = NO_SIDE_EFFECTS; } }
message M { string name = 1; }
`

// sink is a stream that takes one answer.
type sink struct{ answer []byte }

func (*sink) Recv() ([]byte, error)        { return nil, nil }
func (*sink) SendHeader(metadata.MD) error { return nil }
func (s *sink) Send(m []byte) error        { s.answer = m; return nil }
func (*sink) SetTrailer(metadata.MD)       {}

// BenchmarkChain compares a bare unary call with one that has a token whose check is
// remembered, a rate limit, retries, a breaker and timeouts. The backend answers at once.
func BenchmarkChain(b *testing.B) {
	issuer := authtest.Start(b)
	c, err := ParseConfig("c.yaml", []byte("backends: [{name: shelf, address: 'localhost:1'}]\n"+
		"authenticators: [{name: login, jwt: {issuer: '"+issuer.URL+"', audiences: ["+authtest.Audience+"]}}]\n"+
		"policies: [{selector: '*', policy: {authorize: {}, rateLimit: {requests: 100000000, per: 1s}, retry: {maxAttempts: 3}, timeout: {call: 10s, attempt: 2s}}}]\n"))
	if err != nil {
		b.Fatal(err)
	}
	l, s, err := newFirst(b.Context(), c, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer l.close()
	snapshot, _ := schema.Compile(s.input([]schema.BackendFiles{{Name: "shelf", Files: rpctest.Files(b, map[string]string{"shelf.proto": chainService})}}, nil))
	m := snapshot.Method("/shelf.v1.Shelves/Get")
	access, _ := auth.Compile(snapshot, s.maker.auth)
	validation, _ := resilience.CompileValidation(snapshot)
	backend := func(_ context.Context, c *rpc.Call, s rpc.Stream) error { return s.Send(c.Request) }
	r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "/", nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+issuer.Token("alice", nil))
	run := func(h rpc.Handler, authenticate bool) func(*testing.B) {
		return func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ctx := b.Context()
				if authenticate {
					p, err := s.authenticators.FromRequest(r)
					if err != nil {
						b.Fatal(err)
					}
					ctx = auth.NewContext(ctx, p, "")
				}
				if err := h(ctx, &rpc.Call{Method: m, Request: []byte("\n\x01x")}, new(sink)); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.Run("bare", run(backend, false))
	b.Run("whole", run(l.policies.chain(access, validation, backend), true))
}
