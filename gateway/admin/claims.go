package admin

import (
	"cmp"
	"context"
	"maps"
	"slices"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/schema/store"
)

// Holders are the backends that have services now.
type Holders struct {
	Serving    map[string]string // by service: the backend that serves it
	Configured map[string]bool   // services that a configured backend has
	Loaded     bool              // Configured is complete
}

// ClaimsOf returns the claims of a revision.
func ClaimsOf(r *adminv1.Revision) *schema.Claims {
	claims := &schema.Claims{}
	for _, c := range r.GetClaims() {
		claim := schema.Claim{Rank: c.GetRank(), BeforeConfigured: c.GetBeforeConfigured()}
		if len(c.GetServices()) == 0 {
			claims.Default = claim
			continue
		}
		if claims.Services == nil {
			claims.Services = make(map[string]schema.Claim)
		}
		for _, service := range c.GetServices() {
			claims.Services[service] = claim
		}
	}
	return claims
}

// claim gives a proposal its claims. A service that the current revision has keeps its claim, so that it stays
// where it is; a new one comes behind all others that have it, unless it is taken over.
func (s *Service) claim(ctx context.Context, p *proposal, head *adminv1.Revision) error {
	before, err := s.servicesOf(ctx, head)
	if err != nil {
		return err
	}
	earlier, holders := ClaimsOf(head), s.gateway.Holders()
	claims := make(map[string]schema.Claim)
	p.claimed, p.takenOver = nil, nil
	for _, service := range servedOf(p.files, p.revision.GetServices()) {
		holder, held := holders.Serving[service]
		switch {
		case p.takeOver && held && holder != p.revision.GetBackend():
			claims[service] = schema.Claim{Rank: store.TakeOverRank, BeforeConfigured: true}
			p.takenOver = append(p.takenOver, service)
		case before[service]:
			claims[service] = earlier.Of(service)
		default:
			claims[service] = schema.Claim{Rank: store.NextRank, BeforeConfigured: holders.Loaded && !holders.Configured[service]}
			p.claimed = append(p.claimed, service)
		}
	}
	p.revision.Claims = claimMessages(claims)
	return nil
}

// servicesOf returns the services that a revision has: none of one that is deleted, or nil.
func (s *Service) servicesOf(ctx context.Context, r *adminv1.Revision) (map[string]bool, error) {
	if r == nil || r.GetDeleted() {
		return nil, nil
	}
	if services := r.GetServices(); len(services) > 0 {
		return setOf(services), nil
	}
	descriptors, err := s.store.Descriptors(ctx, r)
	if err != nil {
		return nil, s.storeError(ctx, err)
	}
	files, err := parse(descriptors)
	if err != nil {
		return nil, err
	}
	return setOf(files.Services), nil
}

func setOf(names []string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}

func servedOf(files *schema.Files, services []string) []string {
	if len(services) > 0 {
		return services
	}
	return files.Services
}

// claimMessages groups services by their claims. The largest group is not spelled out.
func claimMessages(claims map[string]schema.Claim) []*adminv1.ServiceClaim {
	groups := make(map[schema.Claim][]string)
	for service, claim := range claims {
		groups[claim] = append(groups[claim], service)
	}
	ordered := slices.SortedFunc(maps.Keys(groups), func(a, b schema.Claim) int {
		return cmp.Or(-cmp.Compare(len(groups[a]), len(groups[b])), cmp.Compare(a.Rank, b.Rank))
	})
	var out []*adminv1.ServiceClaim
	for i, claim := range ordered {
		c := &adminv1.ServiceClaim{Rank: claim.Rank, BeforeConfigured: claim.BeforeConfigured}
		if i > 0 {
			slices.Sort(groups[claim])
			c.Services = groups[claim]
		}
		out = append(out, c)
	}
	return out
}
