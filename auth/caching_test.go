package auth_test

import (
	"context"
	"fmt"
	"testing"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/auth"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// TestCachingIsLimited sends response metadata past the policies of a method, and compares what arrives.
func TestCachingIsLimited(t *testing.T) {
	everyone := authorize("*", &policyv1.Authorize{Public: proto.Bool(true)})
	open := auth.PolicyOptions{Authenticators: both, CallerHeaders: []string{"Authorization"}}
	silent := open
	silent.Identity = &configv1.Identity{Disabled: proto.Bool(true)}
	const shared = "public, max-age=60, s-maxage=600"
	for name, c := range map[string]struct {
		rule    *configv1.PolicyRule
		options auth.PolicyOptions
		method  string
		who     *rpc.Principal
		said    metadata.MD
		want    string
	}{
		"without authenticators":        {nil, auth.PolicyOptions{}, "Peek", nil, metadata.Pairs("cache-control", shared), "map[cache-control:[public, max-age=60, s-maxage=600]]"},
		"fields with policies":          {nil, auth.PolicyOptions{}, "Open", nil, metadata.Pairs("cache-control", shared), "map[cache-control:[private, max-age=60]]"},
		"anonymous on an open method":   {everyone, open, "Peek", nil, metadata.Pairs("cache-control", shared), "map[cache-control:[public, max-age=60, s-maxage=600] vary:[Authorization]]"},
		"known on an open method":       {everyone, open, "Peek", alice, metadata.Pairs("cache-control", shared), "map[cache-control:[private, max-age=60]]"},
		"the backend learns of nobody":  {everyone, silent, "Peek", alice, metadata.Pairs("cache-control", shared, "vary", "tenant"), "map[cache-control:[public, max-age=60, s-maxage=600] vary:[tenant Authorization]]"},
		"a method that is not open":     {authorize("*", &policyv1.Authorize{}), silent, "Peek", alice, metadata.Pairs("cache-control", shared), "map[cache-control:[private, max-age=60]]"},
		"forwarded cookies":             {nil, auth.PolicyOptions{}, "Baked", nil, metadata.Pairs("cache-control", shared), "map[cache-control:[private, max-age=60]]"},
		"several lines, odd spellings":  {nil, auth.PolicyOptions{}, "Open", nil, metadata.Pairs("cache-control", " Public ,,max-age=1", "cache-control", `S-MaxAge = 9, PRIVATE="a,public", no-cache="b\",public"`), "map[cache-control:[private, max-age=1, no-cache]]"},
		"no-store stays":                {nil, auth.PolicyOptions{}, "Open", nil, metadata.Pairs("cache-control", "no-store"), "map[cache-control:[private, no-store]]"},
		"nothing is said about caching": {nil, auth.PolicyOptions{}, "Open", nil, metadata.Pairs("etag", `"1"`), `map[etag:["1"]]`},
	} {
		t.Run(name, func(t *testing.T) {
			var rules []*configv1.PolicyRule
			if c.rule != nil {
				rules = append(rules, c.rule)
			}
			snap := compileVault(t, rules...)
			md := metadata.MD{}
			if c.method == "Baked" {
				c.method, md = "Peek", metadata.Pairs("cookie", "session=1")
			}
			p, _ := auth.Compile(snap, c.options)
			ctx := t.Context()
			if c.who != nil {
				ctx = rpc.WithPrincipal(ctx, c.who)
			}
			before := fmt.Sprint(c.said)
			got, err := rpc.Unary(ctx, p.Authorize(func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
				if err := s.SendHeader(c.said); err != nil {
					return err
				}
				return s.Send(nil)
			}), &rpc.Call{Method: rpctest.Method(t, snap, "/vault.v1.Vault/"+c.method), Metadata: md})
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(map[string][]string(got.Header)) != c.want {
				t.Errorf("%v, want %s", map[string][]string(got.Header), c.want)
			}
			if fmt.Sprint(c.said) != before {
				t.Errorf("what was sent was changed to %v", c.said)
			}
		})
	}
}
