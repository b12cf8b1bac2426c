package rpc

import (
	"context"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
)

// ConnectionChange is a backend whose calls can be sent again, or cannot be sent any more.
type ConnectionChange struct {
	Backend, Address string
	Ready            bool
	// Reason is why no address takes connections, for the log. Nil: one does.
	Reason error
}

// UpdateState implements [balancer.ClientConn].
func (w watched) UpdateState(s balancer.State) {
	w.spread.replicas.report(s)
	w.ClientConn.UpdateState(s)
}

// report reports a state unless it is the one that was reported last. What lies between, such as a connection that
// is replaced by another, is not reported.
func (a *replicas) report(s balancer.State) {
	if a.observe == nil || s.ConnectivityState != connectivity.Ready && s.ConnectivityState != connectivity.TransientFailure {
		return
	}
	a.mu.Lock()
	same := a.reported == s.ConnectivityState
	a.reported = s.ConnectivityState
	a.mu.Unlock()
	if same {
		return
	}
	change := ConnectionChange{Ready: s.ConnectivityState == connectivity.Ready}
	if !change.Ready {
		_, change.Reason = s.Picker.Pick(balancer.PickInfo{Ctx: context.Background()})
	}
	a.observe(change)
}
