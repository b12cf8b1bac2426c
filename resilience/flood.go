package resilience

import (
	"net/netip"
	"time"
)

// Flood bounds the requests of one address a second, whatever they are. It is safe for
// concurrent use.
type Flood struct {
	rate  rate
	local localRates[netip.Addr]
}

// NewFlood bounds an address to so many requests a second, and to a burst at once; 0 is twice as
// many as in a second.
func NewFlood(requests, burst int) *Flood {
	if burst == 0 {
		burst = 2 * requests
	}
	return &Flood{rate: newRate(requests, time.Second, burst)}
}

// Wait counts a request of a peer, host:port, and returns 0, or how long the peer must wait
// where it is one too many. Of IPv6, all addresses of a network of 64 bits are one.
func (f *Flood) Wait(peer string) time.Duration {
	d := f.local.take(addressOf(peer), netip.Addr{}, f.rate)
	if d.allowed {
		return 0
	}
	return max(d.after, 1)
}
