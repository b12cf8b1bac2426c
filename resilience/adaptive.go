package resilience

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// How the adaptive limit learns.
const (
	adaptWindow    = 100 * time.Millisecond // calls are judged together for at least so long
	adaptCalls     = 10                     // and at least so many
	adaptTolerance = 2.0                    // times the best time of a method that are still well
	adaptFailures  = 0.1                    // the share of calls that fail under load, from which on the limit falls
	adaptBackoff   = 0.9                    // what remains of the limit then
	adaptLeast     = 4                      // calls that are always allowed
	bestRemembered = time.Minute            // how long the best time of a method is believed
	bestWindows    = 3                      // windows in which it is measured anew
)

// adaptiveLimit finds out how many calls a backend carries at once. A backend that has more to
// do than it can has calls wait in a queue, and the time of calls grows; so the time of each
// method's calls, on average over a window, is compared with the best that it was over the last
// minute. While calls take more than twice that, the limit falls in proportion, at most by half in a
// window; else it grows by its square root, as long as it is used. That is the gradient
// algorithm, with the average of windows in place of single calls.
//
// Under steady overload the best time would be forgotten, and the queue taken for what is
// normal. So once a minute the limit is a quarter for a moment while it is below its maximum: the queue
// runs empty and the best time shows again.
type adaptiveLimit struct {
	limit atomic.Int64 // 0: nothing was learnt yet

	mu       sync.Mutex
	methods  map[string]*methodTimes
	end      time.Time // of the window
	calls    int
	failed   int
	peak     int64 // calls in flight
	measured time.Time
	probing  int   // windows that the limit is still cut for
	restore  int64 // the limit before it was cut
}

// methodTimes are the times of one method's calls.
type methodTimes struct {
	sum          time.Duration // of this window
	calls        int
	best, before float64 // average of the best window, in seconds, now and in the time before; 0: none
}

// within returns the limit, at most a bound.
func (a *adaptiveLimit) within(bound int64) int64 {
	if limit := a.limit.Load(); limit > 0 {
		return min(limit, bound)
	}
	return bound
}

// observe takes notice of a call that ended, and of the calls in flight when it began.
func (a *adaptiveLimit) observe(path string, start time.Time, inFlight, bound int64, err error) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.methods == nil {
		a.methods = make(map[string]*methodTimes)
		a.end, a.measured = now.Add(adaptWindow), now
	}
	a.calls++
	a.peak = max(a.peak, inFlight)
	switch status.Code(err) {
	case codes.OK:
		m := a.methods[path]
		if m == nil {
			m = new(methodTimes)
			a.methods[path] = m
		}
		m.sum += now.Sub(start)
		m.calls++
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted:
		a.failed++
	default: // an answer that says nothing of the load: it may have been quick because it is no
	}
	if a.calls >= adaptCalls && now.After(a.end) {
		a.turn(now, bound)
	}
}

// turn ends a window.
func (a *adaptiveLimit) turn(now time.Time, bound int64) {
	limit := a.within(bound)
	slowness := a.slowness()
	switch {
	case a.probing > 0:
		limit = a.probed(limit)
	case float64(a.failed) > adaptFailures*float64(a.calls):
		limit = int64(float64(limit) * adaptBackoff)
	case slowness > adaptTolerance:
		limit = int64(float64(limit) * max(0.5, adaptTolerance/slowness))
	case a.peak > limit/2:
		limit += max(1, int64(math.Sqrt(float64(limit))))
	}
	limit = max(adaptLeast, min(limit, bound))
	if now.Sub(a.measured) > bestRemembered {
		limit = a.measureAnew(now, limit, bound)
	}
	a.limit.Store(limit)
	a.end, a.calls, a.failed, a.peak = now.Add(adaptWindow), 0, 0, 0
}

// slowness says how many times the best time the calls of the window took on average, and
// begins a new window for all methods.
func (a *adaptiveLimit) slowness() float64 {
	var sum float64
	var calls int
	for _, m := range a.methods {
		if m.calls == 0 {
			continue
		}
		average := m.sum.Seconds() / float64(m.calls)
		if m.best == 0 || average < m.best {
			m.best = average
		}
		best := m.best
		if m.before > 0 {
			best = min(best, m.before)
		}
		if best > 0 {
			sum += average / best * float64(m.calls)
			calls += m.calls
		}
		m.sum, m.calls = 0, 0
	}
	if calls == 0 {
		return 1
	}
	return sum / float64(calls)
}

// measureAnew begins to forget the best times, and cuts the limit where there may be a
// queue that hides the true ones.
func (a *adaptiveLimit) measureAnew(now time.Time, limit, bound int64) int64 {
	a.measured = now
	for _, m := range a.methods {
		m.before, m.best = m.best, 0
	}
	if limit >= bound {
		return limit
	}
	a.probing, a.restore = bestWindows, limit
	return max(adaptLeast, limit/4)
}

// probed is the limit after a window in which it was cut.
func (a *adaptiveLimit) probed(limit int64) int64 {
	a.probing--
	if a.probing > 0 {
		return limit
	}
	return a.restore
}
