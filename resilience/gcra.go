package resilience

import "time"

// rate is a limit for the generic cell rate algorithm (ITU-T I.371): calls at a steady distance,
// of which some may come at once. What it has to remember of a caller is one time.
type rate struct {
	interval  time.Duration // between calls at the steady rate; 0: no call is allowed
	tolerance time.Duration // how far calls may run ahead: interval times the burst
}

func newRate(requests int, per time.Duration, burst int) rate {
	if requests <= 0 {
		return rate{}
	}
	interval := max(per/time.Duration(requests), 1)
	return rate{interval, saturated(interval, max(burst, 1))}
}

// saturated is a product that does not overflow.
func saturated(d time.Duration, n int) time.Duration {
	const most = time.Duration(1<<63 - 1)
	if d > most/2/time.Duration(n) {
		return most / 2
	}
	return d * time.Duration(n)
}

// decision is what became of one call.
type decision struct {
	allowed   bool
	remaining int           // calls that could follow at once
	reset     time.Duration // until the whole burst is there again
	after     time.Duration // until the next call is allowed; of refused calls
}

// take decides about a call at a time, given the time that was remembered of the caller, or 0.
// It returns the time to remember, which is the old one where the call is refused. Times are in nanoseconds
// of one clock.
func (r rate) take(now, remembered int64) (decision, int64) {
	if r.interval == 0 {
		return decision{after: time.Second}, remembered
	}
	next := max(remembered, now) + int64(r.interval)
	ahead := time.Duration(next - now)
	if ahead > r.tolerance {
		return decision{reset: time.Duration(max(remembered-now, 0)), after: ahead - r.tolerance}, remembered
	}
	return decision{allowed: true, remaining: int((r.tolerance - ahead) / r.interval), reset: ahead}, next
}

// shared returns the part of a limit that one of several gateways has.
func (r rate) shared(by int) rate {
	if by <= 1 || r.interval == 0 {
		return r
	}
	part := rate{interval: saturated(r.interval, by), tolerance: r.tolerance}
	part.tolerance = max(part.tolerance, part.interval) // one call at least
	return part
}
