package gateway

// families are the measurements that policies keep.
func (p *policies) families() []family {
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
