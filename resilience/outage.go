package resilience

import (
	"sync"

	"github.com/sony/gobreaker/v2"
)

// BreakerChange is a change of the state of one method's breaker.
type BreakerChange struct {
	Backend, Path string
	// State is closed, open or half-open.
	State string
	// Reason is the failure that opened the breaker; nil for other states.
	Reason error
	// Reopened counts the failed probes since it opened.
	Reopened int
}

// breakerOutage is what has been reported since a breaker opened.
type breakerOutage struct {
	mu       sync.Mutex
	probed   bool // half-open was reported
	reopened int
}

// next returns whether a change is news, and how often the breaker opened again before it.
func (o *breakerOutage) next(from, to gobreaker.State) (news bool, reopened int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case to == gobreaker.StateHalfOpen:
		news, o.probed = !o.probed, true
		return news, o.reopened
	case from == gobreaker.StateHalfOpen && to == gobreaker.StateOpen:
		o.reopened++
		return false, 0
	}
	reopened, o.probed, o.reopened = o.reopened, false, 0
	return true, reopened
}

// changed reports a change of state. gobreaker calls it with its lock held.
func (b *breakers) changed(m *methodBreaker, from, to gobreaker.State) {
	news, reopened := b.outage.next(from, to)
	if !news || b.policy.Changed == nil {
		return
	}
	change := BreakerChange{Backend: b.name.backend, Path: b.name.path, State: to.String(), Reopened: reopened}
	if failure := m.failure.Load(); failure != nil && to == gobreaker.StateOpen {
		change.Reason = *failure
	}
	b.policy.Changed(change)
}
