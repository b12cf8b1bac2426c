package gateway

import (
	"cmp"
	"slices"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
)

// policyStates returns what policies have counted and come to, in the order of kinds and names. It has
// names of backends, methods, addresses and selectors; callers are counted and not named.
func (g *Gateway) policyStates() []*adminv1.PolicyState {
	states := append(g.policies.states(), g.outlierStates()...)
	slices.SortFunc(states, func(a, b *adminv1.PolicyState) int {
		return cmp.Or(
			cmp.Compare(a.GetKind(), b.GetKind()),
			cmp.Compare(a.GetBackend(), b.GetBackend()),
			cmp.Compare(a.GetMethod(), b.GetMethod()),
			cmp.Compare(a.GetAddress(), b.GetAddress()),
			cmp.Compare(a.GetSelector(), b.GetSelector()),
		)
	})
	return states
}

func (g *Gateway) outlierStates() (states []*adminv1.PolicyState) {
	for _, b := range g.pool.State() {
		for _, a := range b.Addresses {
			states = append(states, &adminv1.PolicyState{
				Kind: "outliers", Backend: b.Backend, Address: a.Address,
				State: &adminv1.PolicyState_Outlier{Outlier: &adminv1.OutlierState{
					InFlight: count(a.InFlight), Ready: a.Ready, Ejected: a.Ejected, Ejections: count(a.Ejections),
				}},
			})
		}
	}
	return states
}

func (p *policies) states() []*adminv1.PolicyState {
	states := slices.Concat(p.limitStates(), p.backendStates())
	kept, shared := p.cache.State(), p.coalesce.State()
	return append(states,
		&adminv1.PolicyState{Kind: "cache", State: &adminv1.PolicyState_Cache{Cache: &adminv1.CacheState{
			Answers: uint64(max(kept.Answers, 0)), Bytes: kept.Bytes, Hits: kept.Hits, Stale: kept.Stale, Misses: kept.Misses, //nolint:gosec // not negative
			SharedHits: kept.SharedHits, SharedMisses: kept.SharedMisses, SharedFailures: kept.SharedFails,
			SharedKept: kept.SharedKept, SharedDropped: kept.SharedDropped,
		}}},
		&adminv1.PolicyState{Kind: "coalesce", State: &adminv1.PolicyState_Coalesce{Coalesce: &adminv1.CoalesceState{
			Calls: shared.Calls, Joined: shared.Joined,
		}}},
	)
}

func (p *policies) limitStates() (states []*adminv1.PolicyState) {
	for _, s := range p.rateLimit.State() {
		states = append(states, &adminv1.PolicyState{
			Kind: "rate_limit", Selector: s.Scope,
			State: &adminv1.PolicyState_RateLimit{RateLimit: &adminv1.RateLimitState{Allowed: s.Allowed, Limited: s.Limited, Unshared: s.Unshared}},
		})
	}
	all := &adminv1.RateLimitState{Callers: uint64(max(p.rateLimit.Remembered(), 0))} //nolint:gosec // not negative
	for _, s := range states {
		all.Allowed += s.GetRateLimit().GetAllowed()
		all.Limited += s.GetRateLimit().GetLimited()
		all.Unshared += s.GetRateLimit().GetUnshared()
	}
	states = append(states, &adminv1.PolicyState{Kind: "rate_limit", State: &adminv1.PolicyState_RateLimit{RateLimit: all}})
	redis := p.redis.Load()
	if redis == nil {
		return states
	}
	return append(states, &adminv1.PolicyState{Kind: "redis", State: &adminv1.PolicyState_Redis{Redis: &adminv1.RedisState{
		LimitsAnswering: redis.Answering(), CacheAnswering: redis.AnsweringCache(),
	}}})
}

func (p *policies) backendStates() (states []*adminv1.PolicyState) {
	for _, s := range p.breaker.State() {
		states = append(states, &adminv1.PolicyState{
			Kind: "breaker", Backend: s.Backend, Method: s.Path[1:],
			State: &adminv1.PolicyState_Breaker{Breaker: &adminv1.BreakerState{State: s.State, Opened: s.Opened}},
		})
	}
	for _, s := range p.concurrency.State() {
		states = append(states, &adminv1.PolicyState{
			Kind: "concurrency", Backend: s.Backend,
			State: &adminv1.PolicyState_Concurrency{Concurrency: &adminv1.ConcurrencyState{
				InFlight: count(s.InFlight), Limit: count(s.Limit), Refused: s.Refused,
			}},
		})
	}
	for _, s := range p.retry.State() {
		states = append(states, &adminv1.PolicyState{
			Kind: "retry", Backend: s.Backend,
			State: &adminv1.PolicyState_Retry{Retry: &adminv1.RetryState{Retries: s.Retries, Exhausted: s.Exhausted, Budget: count(s.Budget)}},
		})
	}
	return states
}

// count is a number of things that there cannot be four billion of.
func count(n int) uint32 { return uint32(max(n, 0)) } //nolint:gosec // as said
