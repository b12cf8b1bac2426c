package rpc

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"
)

// Outliers says when an address of a backend is left out although it takes
// connections. The zero value leaves none out.
type Outliers struct {
	// Streak is how many failures in a row leave an address out; 0: none do.
	Streak int
	// FailureRatio is the share of failures within [outlierWindow] that does, once the
	// address has had MinCalls; 0: none does.
	FailureRatio float64
	MinCalls     int
	// EjectFor is how long the first time; each further time as much longer, up to
	// [longestEjection].
	EjectFor time.Duration
	// MaxEjected is the share of addresses that may be left out at a time. It is never all.
	MaxEjected float64
}

// DefaultOutliers are those of a backend of which nothing was said.
var DefaultOutliers = Outliers{Streak: 5, FailureRatio: 0.5, MinCalls: 20, EjectFor: 10 * time.Second, MaxEjected: 0.5}

const (
	outlierWindow   = 10 * time.Second
	longestEjection = 5 * time.Minute
)

// replicas are the addresses of one endpoint, and how each of them does.
type replicas struct {
	settings        replicaSettings
	resolveInterval time.Duration
	turn            atomic.Uint64
	observe         func(ConnectionChange) // nil: nobody
	ejected         atomic.Int32           // those that may be left out now; none where it is 0

	mu         sync.Mutex
	known      map[string]*replica
	up         []*replica         // that take calls
	connecting map[string]bool    // addresses that have neither been connected to yet nor failed
	resolved   bool               // there were addresses
	reported   connectivity.State // the last state that was reported; Idle: none
}

type replicaSettings struct {
	Balancing Balancing
	Outliers  Outliers
}

func newReplicas(s replicaSettings) *replicas {
	return &replicas{settings: s, resolveInterval: resolveInterval, known: make(map[string]*replica), connecting: make(map[string]bool)}
}

// replica is one address.
type replica struct {
	all      *replicas
	address  string
	inFlight atomic.Int64
	until    atomic.Int64 // when it is let in again, in nanoseconds; 0: it is not left out
	done     func(balancer.DoneInfo)

	mu        sync.Mutex
	streak    int
	window    time.Time // when the counts below began: with a failure
	calls     int
	failures  int
	ejections int
	times     int       // ejected with no long time between
	back      time.Time // from the latest time
}

// of returns the replica of an address, which is new where it was not known.
func (a *replicas) of(address string) *replica {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.known[address]
	if r == nil {
		r = &replica{all: a, address: address}
		r.done = r.report
		a.known[address] = r
	}
	return r
}

// ready says which replicas take calls. Of others that have none, nothing is kept.
func (a *replicas) ready(targets []target) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.up = a.up[:0]
	for _, t := range targets {
		a.up = append(a.up, t.replica)
	}
	now := time.Now()
	for address, r := range a.known {
		if !slices.Contains(a.up, r) && r.inFlight.Load() == 0 && !r.isEjected(now) {
			delete(a.known, address)
		}
	}
}

// isEjected reports whether a replica is left out. One whose time is over is let in.
func (r *replica) isEjected(now time.Time) bool {
	until := r.until.Load()
	if until == 0 {
		return false
	}
	if now.UnixNano() < until {
		return true
	}
	if r.until.CompareAndSwap(until, 0) {
		r.all.ejected.Add(-1)
	}
	return false
}

// report takes notice of how a call ended. Grpc may tell of no error also where a call was not sent after all,
// or failed before all of it was: what went well the [exchange] says.
func (r *replica) report(info balancer.DoneInfo) {
	r.inFlight.Add(-1)
	if o := &r.all.settings.Outliers; info.Err != nil && o.any() && r.judge(o, BackendFault(status.Code(info.Err))) {
		r.all.eject(r)
	}
}

// answered takes notice of a call that went well.
func (r *replica) answered() {
	if o := &r.all.settings.Outliers; o.any() {
		r.judge(o, false)
	}
}

func (o *Outliers) any() bool { return o.Streak > 0 || o.FailureRatio > 0 }

// judge counts a call and reports whether the replica fails too much.
func (r *replica) judge(o *Outliers, failed bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	if !failed {
		r.streak = 0
		return false
	}
	if now := time.Now(); now.Sub(r.window) > outlierWindow {
		r.window, r.calls, r.failures = now, 1, 0
	}
	r.streak++
	r.failures++
	bad := o.Streak > 0 && r.streak >= o.Streak ||
		o.FailureRatio > 0 && r.calls >= o.MinCalls && float64(r.failures) >= o.FailureRatio*float64(r.calls)
	if bad {
		r.streak, r.calls, r.failures = 0, 0, 0
	}
	return bad
}

// eject leaves a replica out for a while, unless too many are.
func (a *replicas) eject(r *replica) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	out := 0
	for _, other := range a.up {
		if other.isEjected(now) {
			out++
		}
	}
	o := &a.settings.Outliers
	allowed := min(int(o.MaxEjected*float64(len(a.up))), len(a.up)-1)
	if out >= allowed || r.isEjected(now) || !slices.Contains(a.up, r) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.back) > longestEjection {
		r.times = 0 // it has done well for long
	}
	r.times++
	r.ejections++
	r.back = now.Add(min(time.Duration(r.times)*o.EjectFor, longestEjection))
	r.until.Store(r.back.UnixNano())
	a.ejected.Add(1)
}

// BackendState is the state of one backend's addresses.
type BackendState struct {
	Backend   string
	Addresses []AddressState // in order; those that take calls, and that are left out
}

// AddressState is the state of one address.
type AddressState struct {
	Address  string
	InFlight int
	// Ready: it takes connections, and is healthy where that is asked for.
	Ready bool
	// Ejected: it is left out, because calls to it failed.
	Ejected bool
	// Ejections counts how often it was left out.
	Ejections int
}

func (a *replicas) state() []AddressState {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	var states []AddressState
	for address, r := range a.known {
		s := AddressState{
			Address:  address,
			InFlight: int(r.inFlight.Load()),
			Ready:    slices.Contains(a.up, r),
			Ejected:  r.isEjected(now),
		}
		r.mu.Lock()
		s.Ejections = r.ejections
		r.mu.Unlock()
		states = append(states, s)
	}
	slices.SortFunc(states, func(x, y AddressState) int { return cmp.Compare(x.Address, y.Address) })
	return states
}

// State returns the state of all endpoints, by name.
func (p *Pool) State() []BackendState {
	var states []BackendState
	for name, c := range *p.current.Load() {
		states = append(states, BackendState{name, c.replicas.state()})
	}
	slices.SortFunc(states, func(a, b BackendState) int { return cmp.Compare(a.Backend, b.Backend) })
	return states
}
