package rpc

import (
	"context"
	"net"
	"time"

	"google.golang.org/grpc/balancer"
)

// Sockets returns what connections to the endpoint are opened with.
func Sockets(e Endpoint) *net.Dialer { return e.sockets() }

// WithXDS reports whether xds:/// may be used.
const WithXDS = withXDS

// SetResolveInterval changes how often names are resolved, until restore is called.
func SetResolveInterval(d time.Duration) (restore func()) {
	resolveInterval = d
	return func() { resolveInterval = 30 * time.Second }
}

// Invocation returns the context of an attempt, and what ends it.
func Invocation(d *Deadline) (context.Context, func(error)) {
	i := d.invoke(&Call{}, nil)
	return i, i.end
}

// Replica is one address.
type Replica = replica

// OneOfTwo returns a replica beside another.
func OneOfTwo(o Outliers) *Replica {
	a := newReplicas(replicaSettings{Outliers: o})
	one := a.of("one")
	a.ready([]target{{replica: one}, {replica: a.of("other")}})
	return one
}

// Report is what grpc calls at the end of a call.
func (r *replica) Report(info balancer.DoneInfo) { r.report(info) }

// Answered is what a call says that went well.
func (r *replica) Answered() { r.answered() }

// IsEjected reports whether the replica is left out.
func (r *replica) IsEjected(now time.Time) bool { return r.isEjected(now) }
