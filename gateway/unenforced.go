package gateway

import (
	"context"
	"fmt"
	"maps"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	optionsv1 "github.com/protean-gateway/protean/proto/protean/options/v1"
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
		{"authenticate", p.GetAuthenticate() != nil},
		{"authorize", p.GetAuthorize() != nil && !onlyPublic(p.GetAuthorize())},
		{"rate_limit", p.GetRateLimit() != nil},
		{"validate", p.GetValidate().GetEnabled()},
		{"cache", p.GetCache() != nil},
		{"coalesce", p.GetCoalesce().GetEnabled()},
		{"concurrency", p.GetConcurrency().GetAdaptive()},
		{"retry", p.GetRetry() != nil},
		{"timeout.attempt", p.GetTimeout().GetAttempt() != nil},
		{"limits.idle", p.GetLimits().GetIdle() != nil},
		{"limits.max_life", p.GetLimits().GetMaxLife() != nil},
	}
	for _, part := range parts {
		if part.set {
			return part.name
		}
	}
	return ""
}

func onlyPublic(a *policyv1.Authorize) bool {
	return a.GetPublic() && len(a.GetScopes()) == 0 && len(a.GetRoles()) == 0 && a.GetRule() == ""
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
	none := make(messageSet)
	for _, m := range s.Methods {
		if part := unenforced(m.Policy); part != "" {
			refused[m] = "the policy part " + part
		} else if field := none.fieldPolicy(m.Descriptor.Output()); field != "" {
			refused[m] = "the policy of field " + string(field)
		}
	}
	return refused
}

// messageSet holds messages that contain no field with a policy, at any depth.
type messageSet map[protoreflect.MessageDescriptor]bool

// fieldPolicy finds a field with a policy in md and all that it contains. Where
// there is none, everything that was visited joins the set.
func (none messageSet) fieldPolicy(md protoreflect.MessageDescriptor) protoreflect.FullName {
	visited := make(messageSet)
	if field := none.search(md, visited); field != "" {
		return field
	}
	maps.Copy(none, visited)
	return ""
}

func (none messageSet) search(md protoreflect.MessageDescriptor, visited messageSet) protoreflect.FullName {
	if none[md] || visited[md] {
		return ""
	}
	visited[md] = true
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if hasFieldPolicy(fd) {
			return fd.FullName()
		}
		if fd.Message() == nil {
			continue
		}
		if field := none.search(fd.Message(), visited); field != "" {
			return field
		}
	}
	return ""
}

func hasFieldPolicy(fd protoreflect.FieldDescriptor) bool {
	options, ok := proto.GetExtension(fd.Options(), optionsv1.E_Field).(*optionsv1.FieldOptions)
	return ok && options.GetPolicy() != nil
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
