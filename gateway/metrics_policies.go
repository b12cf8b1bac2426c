package gateway

import "slices"

// families are the measurements that policies keep.
func (p *policies) families() []family {
	return slices.Concat(p.limitFamilies(), p.cacheFamilies(), p.backendFamilies())
}

func (p *policies) limitFamilies() []family {
	return []family{
		counter("protean_rate_limit_calls_total", "Calls under a rate limit, by what was decided.", func(emit emit) {
			for _, s := range p.rateLimit.State() {
				emit(float64(s.Allowed), s.Scope, "allowed")
				emit(float64(s.Limited), s.Scope, "limited")
			}
		}, "scope", "decision"),
		counter("protean_rate_limit_unshared_total", "Calls that were decided without the shared store, because it did not answer.", func(emit emit) {
			for _, s := range p.rateLimit.State() {
				emit(float64(s.Unshared), s.Scope)
			}
		}, "scope"),
		gauge("protean_rate_limit_callers", "Callers that are remembered in memory.", func(emit emit) {
			emit(float64(p.rateLimit.Remembered()))
		}),
		gauge("protean_redis_answering", "Whether the shared store answered when it was last asked about a rate limit.", func(emit emit) {
			if redis := p.redis.Load(); redis != nil {
				emit(one(redis.Answering()))
			}
		}),
	}
}

func (p *policies) cacheFamilies() []family {
	return []family{
		gauge("protean_cache_answers", "Answers that are kept.", func(emit emit) { emit(float64(p.cache.State().Answers)) }),
		gauge("protean_cache_bytes", "Memory for the answers that are kept.", func(emit emit) { emit(float64(p.cache.State().Bytes)) }),
		counter("protean_cache_calls_total", "Calls whose answers may be kept, by what was found.", func(emit emit) {
			s := p.cache.State()
			emit(float64(s.Hits), "hit")
			emit(float64(s.Stale), "stale")
			emit(float64(s.Misses), "miss")
		}, "found"),
		counter("protean_cache_shared_lookups_total", "Answers that were looked for in the shared store, by what was found.", func(emit emit) {
			s := p.cache.State()
			emit(float64(s.SharedHits), "hit")
			emit(float64(s.SharedMisses), "miss")
			emit(float64(s.SharedFails), "failed")
		}, "found"),
		counter("protean_cache_shared_answers_total", "Answers for the shared store, by what became of them.", func(emit emit) {
			s := p.cache.State()
			emit(float64(s.SharedKept), "kept")
			emit(float64(s.SharedDropped), "dropped")
		}, "outcome"),
		gauge("protean_cache_redis_answering", "Whether the shared store answered when it was last asked about an answer.", func(emit emit) {
			if redis := p.redis.Load(); redis != nil {
				emit(one(redis.AnsweringCache()))
			}
		}),
		counter("protean_coalesce_calls_total", "Calls that were made, and calls that shared one of those.", func(emit emit) {
			s := p.coalesce.State()
			emit(float64(s.Calls), "made")
			emit(float64(s.Joined), "joined")
		}, "kind"),
	}
}

func (p *policies) backendFamilies() []family {
	return []family{
		gauge("protean_concurrency_calls_in_flight", "Calls under way to a backend.", func(emit emit) {
			for _, s := range p.concurrency.State() {
				emit(float64(s.InFlight), s.Backend)
			}
		}, "protean_backend"),
		gauge("protean_concurrency_limit", "What the adaptive limit of calls to a backend has come to.", func(emit emit) {
			for _, s := range p.concurrency.State() {
				if s.Limit > 0 {
					emit(float64(s.Limit), s.Backend)
				}
			}
		}, "protean_backend"),
		counter("protean_concurrency_refused_total", "Calls that were one too many for a backend.", func(emit emit) {
			for _, s := range p.concurrency.State() {
				emit(float64(s.Refused), s.Backend)
			}
		}, "protean_backend"),
		counter("protean_retry_attempts_total", "Attempts after a first one.", func(emit emit) {
			for _, s := range p.retry.State() {
				emit(float64(s.Retries), s.Backend)
			}
		}, "protean_backend"),
		counter("protean_retry_exhausted_total", "Retries that the budget did not allow.", func(emit emit) {
			for _, s := range p.retry.State() {
				emit(float64(s.Exhausted), s.Backend)
			}
		}, "protean_backend"),
		gauge("protean_breaker_state", "1 for the state that the breaker of a method is in.", func(emit emit) {
			for _, s := range p.breaker.State() {
				emit(1, s.Backend, s.Path[1:], s.State)
			}
		}, "protean_backend", "rpc_method", "state"),
		counter("protean_breaker_opened_total", "How often the breaker of a method opened.", func(emit emit) {
			for _, s := range p.breaker.State() {
				emit(float64(s.Opened), s.Backend, s.Path[1:])
			}
		}, "protean_backend", "rpc_method"),
	}
}
