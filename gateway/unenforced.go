package gateway

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
)

// The policy language says more than this version enforces. What is said and not
// enforced fails closed: a configuration is refused, and a method whose own
// options ask for it is not called.

// unenforced names the part of a policy that would not be enforced, or nothing.
func unenforced(p *policyv1.Policy) string {
	parts := []struct {
		name string
		set  bool
	}{
		{"rate_limit", p.GetRateLimit() != nil},
		{"cache", p.GetCache() != nil},
		{"coalesce", p.GetCoalesce().GetEnabled()},
	}
	for _, part := range parts {
		if part.set {
			return part.name
		}
	}
	return ""
}

func refuseUnenforced(name string, config *configv1.Config) error {
	for i, rule := range config.GetPolicies() {
		if part := unenforced(rule.GetPolicy()); part != "" {
			return fmt.Errorf("%s: policies[%d] (%s): this version does not enforce %s; remove it",
				name, i, rule.GetSelector(), part)
		}
	}
	return nil
}

// unenforcedMethods finds the methods that must not be called, each with the reason.
func unenforcedMethods(s *schema.Snapshot) map[*schema.Method]string {
	refused := make(map[*schema.Method]string)
	for _, m := range s.Methods {
		if part := unenforced(m.Policy); part != "" {
			refused[m] = "the policy part " + part
		}
	}
	return refused
}

func unenforcedProblems(refused map[*schema.Method]string) []schema.Problem {
	var problems []schema.Problem
	for m, why := range refused {
		problems = append(problems, schema.Problem{
			Severity: schema.Warning,
			Backend:  m.Service.Backend.Name,
			Element:  m.FullName(),
			Message:  fmt.Sprintf("calls are refused: this version does not enforce %s", why),
		})
	}
	return problems
}

// refuseMethods answers calls of refused methods with UNIMPLEMENTED.
func refuseMethods(refused map[*schema.Method]string) rpc.Middleware {
	return func(next rpc.Handler) rpc.Handler {
		if len(refused) == 0 {
			return next
		}
		return func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
			if _, ok := refused[c.Method]; ok {
				return status.Error(codes.Unimplemented, "the method has a policy that this gateway does not enforce")
			}
			return next(ctx, c, s)
		}
	}
}
