package admin

import (
	"context"
	"errors"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/gateway/gate"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	"github.com/protean-gateway/protean/schema/store"
)

// mostPolicies bounds the selectors of which something is said, those included of which it was taken back.
const mostPolicies = 2000

// ListPolicies implements the admin service. Page tokens are selectors.
func (s *Service) ListPolicies(ctx context.Context, in *adminv1.ListPoliciesRequest) (*adminv1.ListPoliciesResponse, error) {
	size, err := pageSize(in.GetPageSize())
	if err != nil {
		return nil, err
	}
	all, err := s.store.Policies(ctx)
	if all == nil && err != nil {
		return nil, s.storeError(ctx, err)
	}
	all = slices.DeleteFunc(all, func(p *adminv1.RegisteredPolicy) bool { return p.GetDeleted() || p.GetSelector() <= in.GetPageToken() })
	out := &adminv1.ListPoliciesResponse{Policies: all}
	if len(all) > size {
		out.Policies = all[:size]
		out.NextPageToken = all[size-1].GetSelector()
	}
	return out, nil
}

// pageSize is how much one answer of a list has.
func pageSize(said int32) (int, error) {
	const defaultPage, largestPage = 100, 500
	switch {
	case said < 0:
		return 0, invalid("page_size is negative")
	case said == 0:
		return defaultPage, nil
	}
	return min(int(said), largestPage), nil
}

// PutPolicy implements the admin service.
func (s *Service) PutPolicy(ctx context.Context, in *adminv1.PutPolicyRequest) (*adminv1.PutPolicyResponse, error) {
	p := &adminv1.RegisteredPolicy{Selector: in.GetSelector(), Reason: in.GetReason()}
	switch said := in.GetSaid().(type) {
	case *adminv1.PutPolicyRequest_Policy:
		p.Said = &adminv1.RegisteredPolicy_Policy{Policy: said.Policy}
	case *adminv1.PutPolicyRequest_Field:
		p.Said = &adminv1.RegisteredPolicy_Field{Field: said.Field}
	}
	return s.say(ctx, &saying{policy: p, expected: in.GetExpected(), dryRun: in.GetDryRun(), override: in.GetOverride(), force: in.GetForce()})
}

// DeletePolicy implements the admin service. A tombstone keeps the number.
func (s *Service) DeletePolicy(ctx context.Context, in *adminv1.DeletePolicyRequest) (*adminv1.PutPolicyResponse, error) {
	p := &adminv1.RegisteredPolicy{Selector: in.GetSelector(), Reason: in.GetReason(), Deleted: true}
	return s.say(ctx, &saying{policy: p, expected: in.GetExpected(), dryRun: in.GetDryRun(), override: in.GetOverride()})
}

// saying is what is to be said of a selector.
type saying struct {
	policy   *adminv1.RegisteredPolicy
	expected string
	dryRun   bool
	override *adminv1.Override
	force    bool // accepts a selector that matches nothing
	tries    int
}

// say checks what an operator says, lets it through the gate, and keeps and serves it.
func (s *Service) say(ctx context.Context, p *saying) (*adminv1.PutPolicyResponse, error) {
	owner, err := s.owners().of(ctx)
	if err != nil {
		return nil, err
	}
	if !owner.operator {
		return nil, status.Error(codes.PermissionDenied, "policies are the operators' to say: teams say theirs in .proto files, which can narrow what operators allow")
	}
	if err := s.checkSaying(p); err != nil {
		return nil, err
	}
	p.policy.Owner = owner.name
	head, err := s.policyHead(ctx, p)
	if err != nil {
		return nil, err
	}
	if p.policy.GetDeleted() && head.GetDeleted() {
		return nil, status.Errorf(codes.NotFound, "nothing is said of %s here", p.policy.GetSelector())
	}
	if sameSaid(p.policy, head) && (p.expected == "" || p.expected == head.GetDigest()) {
		return &adminv1.PutPolicyResponse{Policy: head, Unchanged: true}, nil
	}
	preview, err := s.gateway.PreviewPolicy(ctx, p.policy)
	if err != nil {
		return nil, err
	}
	if err := refuseBrokenPolicy(preview); err != nil {
		return nil, err
	}
	if !p.force && !p.policy.GetDeleted() && !matches(p.policy, preview.Snapshot) {
		return nil, status.Errorf(codes.FailedPrecondition, "selector: %q matches no %s that is served; check the spelling, "+
			"or pass --force (force) if it is not registered yet", p.policy.GetSelector(), kindOf(p.policy))
	}
	return s.decidePolicy(ctx, p, head, preview)
}

// checkSaying looks at what is said by itself.
func (s *Service) checkSaying(p *saying) error {
	switch {
	case len(p.policy.GetReason()) > longestReason || len(p.override.GetReason()) > longestReason:
		return invalid("reason is longer than %d bytes", longestReason)
	case p.override != nil && strings.TrimSpace(p.override.GetReason()) == "":
		return invalid("override.reason is missing: why breaking findings may pass")
	}
	violations := s.gateway.CheckPolicy(p.policy)
	if len(violations) == 0 {
		return nil
	}
	texts := make([]string, len(violations))
	for i, v := range violations {
		texts[i] = v.GetField() + ": " + v.GetDescription()
	}
	text := strings.Join(texts, "\n")
	with, err := status.New(codes.InvalidArgument, text).WithDetails(&errdetails.BadRequest{FieldViolations: violations})
	if err != nil {
		return status.Error(codes.InvalidArgument, text)
	}
	return with.Err()
}

// policyHead returns what is said now: a tombstone where that is nothing. What is damaged can be replaced
// and taken back.
func (s *Service) policyHead(ctx context.Context, p *saying) (*adminv1.RegisteredPolicy, error) {
	nothing := &adminv1.RegisteredPolicy{Deleted: true}
	head, err := s.store.Policy(ctx, p.policy.GetSelector())
	switch {
	case err == nil:
		return head, nil
	case errors.Is(err, store.ErrNotFound):
		all, err := s.store.Policies(ctx)
		if all == nil && err != nil {
			return nil, s.storeError(ctx, err)
		}
		if len(all) >= mostPolicies {
			return nil, status.Errorf(codes.ResourceExhausted, "something is said of %d selectors already", mostPolicies)
		}
		return nothing, nil
	case errors.Is(err, store.ErrDamaged) && p.expected == "":
		return &adminv1.RegisteredPolicy{}, nil
	}
	return nil, s.storeError(ctx, err)
}

func sameSaid(a, b *adminv1.RegisteredPolicy) bool {
	return a.GetDeleted() == b.GetDeleted() && (a.GetPolicy() != nil) == (b.GetPolicy() != nil) &&
		(a.GetField() != nil) == (b.GetField() != nil) &&
		proto.Equal(a.GetPolicy(), b.GetPolicy()) && proto.Equal(a.GetField(), b.GetField())
}

// refuseBrokenPolicy refuses what could not be served.
func refuseBrokenPolicy(preview *Preview) error {
	if err := refuseBroken(preview.Problems); err != nil {
		return invalid("policy: %s", strings.TrimPrefix(status.Convert(err).Message(), "descriptors: "))
	}
	return nil
}

// decidePolicy lets what is said through the gate or not.
func (s *Service) decidePolicy(
	ctx context.Context, p *saying, head *adminv1.RegisteredPolicy, preview *Preview,
) (*adminv1.PutPolicyResponse, error) {
	out := &adminv1.PutPolicyResponse{
		Policy:   p.policy,
		Findings: preview.Findings,
		Problems: problemsOf(preview.Problems),
		Blocked:  preview.Worst >= gate.Breaking && !s.warns() && p.override == nil,
	}
	if p.dryRun {
		return out, nil
	}
	if out.Blocked {
		s.log.InfoContext(ctx, "the compatibility check rejected a policy", "subject", callerOf(ctx), "selector", p.policy.GetSelector(),
			"breaking", breakingOf(out.GetFindings()))
		out.Policy = nil
		return nil, blockedPolicy(out)
	}
	put, err := s.keepPolicy(ctx, p, head)
	if _, lost := errors.AsType[*store.ConflictError](err); lost && p.expected == "" && p.tries < mostTries {
		p.tries++
		return s.say(ctx, p) // all is checked anew beside what is said now
	}
	if err != nil {
		return nil, s.storeError(ctx, err)
	}
	out.Policy = put
	s.log.InfoContext(ctx, "a policy was said", "subject", callerOf(ctx), "selector", put.GetSelector(), "number", put.GetNumber(),
		"digest", short(put.GetDigest()), "deleted", put.GetDeleted(), "reason", put.GetReason(),
		"breaking", breakingOf(out.GetFindings()), "override", p.override.GetReason())
	if err := s.apply(ctx); err != nil {
		// It is kept, and will hold: the caller must not believe that it will not.
		s.log.WarnContext(ctx, "a policy is kept and does not hold yet", "selector", put.GetSelector(), "error", err)
	}
	return out, nil
}

func (s *Service) keepPolicy(ctx context.Context, p *saying, head *adminv1.RegisteredPolicy) (*adminv1.RegisteredPolicy, error) {
	p.policy.CreateTime = s.timestamp()
	seen := head.GetDigest()
	if head.GetDeleted() && seen == "" {
		seen = store.None
	}
	return s.store.PutPolicy(ctx, store.PolicyChange{Policy: p.policy, Expected: p.expected, Seen: seen})
}

// blockedPolicy is FAILED_PRECONDITION with the findings.
func blockedPolicy(out *adminv1.PutPolicyResponse) error {
	out.Problems = nil
	out.Findings = within64K(out.GetFindings())
	return rejection(out)
}
