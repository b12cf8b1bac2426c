package rpc

import (
	"context"
	"strings"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/resolver"
)

// Replicas asks each address of one backend by itself, over the connections that calls use
// as well. It is safe for concurrent use.
type Replicas struct {
	pool *Pool
	name string
}

// Replicas returns the addresses of a backend. They follow its name, as [Pool.Conn] does.
func (p *Pool) Replicas(name string) Replicas { return Replicas{p, name} }

// Addresses returns those that take calls, in order. It is empty where they are not known: of xDS, or
// before the first connection is up.
func (r Replicas) Addresses() []string {
	c := (*r.pool.current.Load())[r.name]
	if c == nil {
		return nil
	}
	var addresses []string
	for _, s := range c.replicas.state() {
		if s.Ready {
			addresses = append(addresses, s.Address)
		}
	}
	return addresses
}

type pinnedKey struct{}

// On returns a context with which calls of server reflection go to one address, and fail with
// UNAVAILABLE where it takes none. Other calls are spread as ever.
func (Replicas) On(ctx context.Context, address string) context.Context {
	return context.WithValue(ctx, pinnedKey{}, address)
}

const reflectionPrefix = "/grpc.reflection."

// pinned returns the address that a call must go to, or "". It looks at the method first, so
// that it costs other calls nothing.
func pinned(info balancer.PickInfo) string {
	if !strings.HasPrefix(info.FullMethodName, reflectionPrefix) {
		return ""
	}
	address, _ := info.Ctx.Value(pinnedKey{}).(string)
	return address
}

// Connected waits until no address of any backend is being connected to for the first time, but
// no longer than ctx lasts.
func (p *Pool) Connected(ctx context.Context) {
	every := time.NewTicker(10 * time.Millisecond)
	defer every.Stop()
	for p.connecting() {
		select {
		case <-every.C:
		case <-ctx.Done():
			return
		}
	}
}

func (p *Pool) connecting() bool {
	for _, c := range *p.current.Load() {
		if c.replicas.isConnecting() {
			return true
		}
	}
	return false
}

// watched tells replicas which of their addresses have not been connected to yet, nor failed.
type watched struct {
	balancer.ClientConn
	spread *spread
}

// NewSubConn implements [balancer.ClientConn].
func (w watched) NewSubConn(addresses []resolver.Address, o balancer.NewSubConnOptions) (balancer.SubConn, error) {
	replicas, listener := w.spread.replicas, o.StateListener
	if len(addresses) == 1 && listener != nil {
		address := addresses[0].Addr
		replicas.begin(address)
		o.StateListener = func(s balancer.SubConnState) {
			if s.ConnectivityState != connectivity.Idle && s.ConnectivityState != connectivity.Connecting {
				defer replicas.began(address) // after the listener has said that it is ready
			}
			listener(s)
		}
	}
	return w.ClientConn.NewSubConn(addresses, o) //nolint:staticcheck // base makes them so, one address each
}

func (a *replicas) begin(address string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.connecting[address] = true
}

func (a *replicas) began(address string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.connecting, address)
}

// isConnecting is also true before the addresses are known.
func (a *replicas) isConnecting() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.resolved || len(a.connecting) > 0
}

// settle notes that the name was resolved, or could not be.
func (a *replicas) settle() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.resolved = true
}
