package resilience

import (
	"context"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
)

// DefaultInFlight is how many calls may be in flight to one backend where no
// policy says otherwise.
const DefaultInFlight = 1000

// Concurrency is a bulkhead for each backend: a backend that hangs fills its own
// and no other. A call over the bound is refused at once, not queued: a queue
// would only add to the wait of callers that have a deadline. The zero value is
// ready for use and safe for concurrent use.
type Concurrency struct {
	inFlight sync.Map // backend name → *atomic.Int64
}

// Middleware refuses calls over the bound of their backend.
func (p *Concurrency) Middleware(next rpc.Handler) rpc.Handler {
	return func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
		count := p.count(c.Method.Service.Backend.Name)
		defer count.Add(-1)
		if count.Add(1) > int64(maxInFlight(c.Method)) {
			return status.Error(codes.ResourceExhausted, "too many calls to the backend are in flight; try again later")
		}
		return next(ctx, c, s)
	}
}

// InFlight returns how many calls to the backend are in flight.
func (p *Concurrency) InFlight(backend string) int {
	return int(p.count(backend).Load())
}

func (p *Concurrency) count(backend string) *atomic.Int64 {
	if count, ok := p.inFlight.Load(backend); ok {
		return count.(*atomic.Int64)
	}
	count, _ := p.inFlight.LoadOrStore(backend, new(atomic.Int64))
	return count.(*atomic.Int64)
}

func maxInFlight(m *schema.Method) uint32 {
	if n := m.Policy.GetConcurrency().GetMaxInFlight(); n > 0 {
		return n
	}
	return DefaultInFlight
}
