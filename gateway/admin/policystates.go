package admin

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
)

// policyKinds are the kinds of states.
var policyKinds = []string{"breaker", "cache", "coalesce", "concurrency", "outliers", "rate_limit", "redis", "retry"}

// ListPolicyStates implements the admin service. A page token is the place of the last state: what
// there is may change between two pages.
func (s *Service) ListPolicyStates(_ context.Context, in *adminv1.ListPolicyStatesRequest) (*adminv1.ListPolicyStatesResponse, error) {
	size, err := pageSize(in.GetPageSize())
	if err != nil {
		return nil, err
	}
	if kind := in.GetKind(); kind != "" && !slices.Contains(policyKinds, kind) {
		return nil, invalid("kind: expected one of %s", strings.Join(policyKinds, ", "))
	}
	after, err := placeOf(in.GetPageToken())
	if err != nil {
		return nil, err
	}
	states := slices.DeleteFunc(s.gateway.PolicyStates(), func(p *adminv1.PolicyState) bool {
		return in.GetKind() != "" && p.GetKind() != in.GetKind() ||
			in.GetBackend() != "" && p.GetBackend() != in.GetBackend() ||
			after != nil && slices.Compare(place(p), after) <= 0
	})
	out := &adminv1.ListPolicyStatesResponse{States: states}
	if len(states) > size {
		out.States = states[:size]
		out.NextPageToken = base64.RawURLEncoding.EncodeToString([]byte(strings.Join(place(states[size-1]), "\x00")))
	}
	return out, nil
}

// place is where a state stands among all.
func place(p *adminv1.PolicyState) []string {
	return []string{p.GetKind(), p.GetBackend(), p.GetMethod(), p.GetAddress(), p.GetSelector()}
}

func placeOf(token string) ([]string, error) {
	if token == "" {
		return nil, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	after := strings.Split(string(raw), "\x00")
	if err != nil || len(after) != len(place(nil)) {
		return nil, invalid("page_token is not one that an answer had")
	}
	return after, nil
}
