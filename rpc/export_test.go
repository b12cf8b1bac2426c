package rpc

import (
	"context"
	"net"
	"time"
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
