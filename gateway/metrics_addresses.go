package gateway

import "github.com/protean-gateway/protean/rpc"

// addressFamilies are the measurements of the addresses of backends.
func addressFamilies(pool *rpc.Pool) []family {
	each := func(value func(rpc.AddressState) float64) func(emit) {
		return func(emit emit) {
			for _, b := range pool.State() {
				for _, a := range b.Addresses {
					emit(value(a), b.Backend, a.Address)
				}
			}
		}
	}
	labels := []string{"protean_backend", "server_address"}
	return []family{
		gauge("protean_address_ready", "1 for an address that takes calls: connected, and healthy where that is asked for.",
			each(func(a rpc.AddressState) float64 { return one(a.Ready) }), labels...),
		gauge("protean_address_calls_in_flight", "Calls under way to an address.",
			each(func(a rpc.AddressState) float64 { return float64(a.InFlight) }), labels...),
		gauge("protean_address_ejected", "1 for an address that is left out because calls to it failed.",
			each(func(a rpc.AddressState) float64 { return one(a.Ejected) }), labels...),
		counter("protean_address_ejections_total", "How often an address was left out.",
			each(func(a rpc.AddressState) float64 { return float64(a.Ejections) }), labels...),
	}
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
