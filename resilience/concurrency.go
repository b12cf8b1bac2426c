package resilience

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc"
)

// DefaultInFlight is how many calls may be in flight to one backend where no
// policy says otherwise.
const DefaultInFlight = 1000

// Concurrency is a bulkhead for each backend: a backend that hangs fills its own
// and no other. A call over the bound is refused at once, not queued: a queue
// would only add to the wait of callers that have a deadline. Where there are many calls, those
// of low priority are refused first. The zero value is ready for use and safe for concurrent use.
type Concurrency struct {
	backends keyed[string, bulkhead]
}

// bulkhead is the state of one backend.
type bulkhead struct {
	inFlight atomic.Int64
	refused  atomic.Uint64
	adaptive adaptiveLimit
}

// ConcurrencyState is the state of one backend's bulkhead.
type ConcurrencyState struct {
	Backend  string
	InFlight int
	// Limit is what the adaptive limit has come to; 0 where no call is under one.
	Limit int
	// Refused counts the calls that were one too many.
	Refused uint64
}

// State returns the state of all bulkheads, by name.
func (p *Concurrency) State() []ConcurrencyState {
	var all []ConcurrencyState
	for name, b := range p.backends.all() {
		all = append(all, ConcurrencyState{name, int(b.inFlight.Load()), int(b.adaptive.limit.Load()), b.refused.Load()})
	}
	slices.SortFunc(all, func(a, b ConcurrencyState) int { return cmp.Compare(a.Backend, b.Backend) })
	return all
}

// Middleware refuses calls over the bound of their backend.
func (p *Concurrency) Middleware(next rpc.Handler) rpc.Handler {
	return func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
		b := p.backends.of(c.Method.Service.Backend.Name)
		said := c.Method.Policy.GetConcurrency()
		bound := maxInFlight(said)
		adaptive := said.GetAdaptive()
		if adaptive {
			bound = b.adaptive.within(bound)
		}
		defer b.inFlight.Add(-1)
		inFlight := b.inFlight.Add(1)
		if inFlight > share(bound, said.GetPriority()) {
			b.refused.Add(1)
			return status.Error(codes.ResourceExhausted, "too many calls to the backend are in flight; try again later")
		}
		if !adaptive || c.Method.Streams() {
			return next(ctx, c, s) // how long a stream takes says nothing of its backend
		}
		start := time.Now()
		err := next(ctx, c, s)
		b.adaptive.observe(c.Method.Path, start, inFlight, maxInFlight(said), err)
		return err
	}
}

func maxInFlight(said *policyv1.Concurrency) int64 {
	if n := said.GetMaxInFlight(); n > 0 {
		return int64(n)
	}
	return DefaultInFlight
}

// share is how far calls of a priority may go. At least one call may always be under way.
func share(bound int64, p policyv1.Concurrency_Priority) int64 {
	switch p {
	case policyv1.Concurrency_PRIORITY_LOW:
		return max(1, bound*8/10)
	case policyv1.Concurrency_PRIORITY_HIGH:
		return bound + max(1, bound/10)
	default:
		return bound
	}
}
