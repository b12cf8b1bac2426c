package rpc

import (
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Balancing says which address of a backend gets a call.
type Balancing uint8

// The ways of balancing.
const (
	RoundRobin   Balancing = iota // one after the other
	LeastRequest                  // of two taken at random, the one with fewer calls in flight
)

// picker picks among the addresses that take calls. It is immutable and takes no lock.
type picker struct {
	replicas *replicas
	ready    []target
}

type target struct {
	conn    balancer.SubConn
	replica *replica
}

// Pick implements [balancer.Picker].
func (p *picker) Pick(info balancer.PickInfo) (balancer.PickResult, error) {
	chosen, err := p.target(pinned(info))
	if err != nil {
		return balancer.PickResult{}, err
	}
	chosen.replica.inFlight.Add(1)
	if x, ok := info.Ctx.Value(exchangeKey{}).(*exchange); ok {
		x.replica.Store(chosen.replica)
	}
	return balancer.PickResult{SubConn: chosen.conn, Done: chosen.replica.done}, nil
}

// target returns the one at an address, or where that is empty, whose turn it is.
func (p *picker) target(address string) (target, error) {
	if address == "" {
		return p.choose(), nil
	}
	for _, t := range p.ready {
		if t.replica.address == address {
			return t, nil
		}
	}
	return target{}, status.Error(codes.Unavailable, "the address takes no calls any more")
}

func (p *picker) choose() target {
	if len(p.ready) == 1 {
		return p.ready[0]
	}
	if p.replicas.settings.Balancing == LeastRequest {
		a, b := p.at(rand.Uint64()), p.at(rand.Uint64()) //nolint:gosec // spreads load, guards nothing
		if b.replica.inFlight.Load() < a.replica.inFlight.Load() {
			return b
		}
		return a
	}
	return p.at(p.replicas.turn.Add(1))
}

// at returns the address at a position, which goes round, among those that are not left
// out; among all where every one is, which is when others went away.
func (p *picker) at(position uint64) target {
	if p.replicas.ejected.Load() == 0 {
		return p.ready[position%uint64(len(p.ready))]
	}
	now := time.Now()
	in := make([]target, 0, 16)
	for _, t := range p.ready {
		if !t.replica.isEjected(now) {
			in = append(in, t)
		}
	}
	if len(in) == 0 {
		in = p.ready
	}
	return in[position%uint64(len(in))]
}
