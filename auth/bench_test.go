package auth_test

import (
	"context"
	"testing"

	"google.golang.org/grpc/metadata"

	"github.com/protean-gateway/protean/auth"
	"github.com/protean-gateway/protean/auth/authtest"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// BenchmarkToken is what a request pays for its token: one that was checked
// before, and one that was not.
func BenchmarkToken(b *testing.B) {
	issuer := authtest.Start(b)
	a := authenticators(b, jwtConfig(issuer))
	warm := bearer(b, issuer.Token("alice", map[string]any{"scope": "read write"}))
	b.Run("checked before", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := a.FromRequest(warm); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			a.ForgetTokens()
			if _, err := a.FromRequest(warm); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkAuthorize is what a unary call pays for its policies: nothing but
// to be known, a scope with the identity told to the backend, and a rule that reads the request.
func BenchmarkAuthorize(b *testing.B) {
	for name, said := range map[string]*policyv1.Authorize{
		"known":   {},
		"scopes":  {Scopes: []string{"read", "write"}},
		"rule":    rule("principal.claims.tenant == 'acme'"),
		"request": rule("request.owner == principal.subject"),
	} {
		b.Run(name, func(b *testing.B) {
			snap := compileVault(b, authorize("*", said))
			m := rpctest.Method(b, snap, "/vault.v1.Vault/Open")
			p, _ := auth.Compile(snap, auth.PolicyOptions{Authenticators: both})
			handler := p.Authorize(func(context.Context, *rpc.Call, rpc.Stream) error { return nil })
			ctx := rpc.WithPrincipal(b.Context(), alice)
			request := rpctest.Message(b, m.Input.Descriptor(), `{"owner":"alice"}`)
			md := metadata.Pairs("traceparent", "00-1", "x-request-id", "1")
			b.ReportAllocs()
			for b.Loop() {
				call := &rpc.Call{Method: m, Request: request, Metadata: md}
				if err := handler(ctx, call, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRedact takes fields out of an answer.
func BenchmarkRedact(b *testing.B) {
	p, m, snap := openVault(b)
	answer := boxOf(b, snap, m, fullBox)
	handler := p.Redact(func(_ context.Context, _ *rpc.Call, s rpc.Stream) error { return s.Send(answer) })
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rpc.Unary(b.Context(), handler, &rpc.Call{Method: m}); err != nil {
			b.Fatal(err)
		}
	}
}
