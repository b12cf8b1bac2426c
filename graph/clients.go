package graph

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"github.com/protean-gateway/protean/rpc"
)

// ClientOptions bound what clients may hold at a time. Each zero stands for its default.
type ClientOptions struct {
	// MaxSockets is how many WebSockets and event streams one caller may have
	// open. Default 1,000.
	MaxSockets int
	// MaxSubscriptions is how many operations one caller may have under way on
	// WebSockets and event streams. Default 5,000.
	MaxSubscriptions int
	// PersistedBytes bounds the memory for queries that clients persist by their
	// hash, in bytes of text. Default 8 MiB; negative: no client can persist a query.
	PersistedBytes int
	// Trusted are the only documents that run. Nil: every document runs.
	Trusted *TrustedDocuments
}

// Clients is what is known of clients whatever the snapshot: what each caller
// holds, the event streams that were reserved, and the queries that were persisted. All
// graphs that follow each other share one, or a reservation would end with a
// reload. It is safe for concurrent use.
type Clients struct {
	options      ClientOptions
	holdings     *holdings
	reservations *reservations
	persisted    *persistedQueries // nil where clients persist nothing
}

// NewClients returns what is known at the start: nothing.
func NewClients(o ClientOptions) *Clients {
	return (&Clients{holdings: new(holdings), reservations: new(reservations)}).With(o)
}

// With returns the same clients under other bounds. What they hold, have reserved and
// have persisted stays theirs.
func (c *Clients) With(o ClientOptions) *Clients {
	if o.MaxSockets <= 0 {
		o.MaxSockets = 1_000
	}
	if o.MaxSubscriptions <= 0 {
		o.MaxSubscriptions = 5_000
	}
	next := &Clients{options: o, holdings: c.holdings, reservations: c.reservations}
	switch {
	case o.PersistedBytes < 0 || o.Trusted != nil:
	case c.persisted != nil && c.options.PersistedBytes == o.PersistedBytes:
		next.persisted = c.persisted
	default:
		next.persisted = newPersistedQueries(o.PersistedBytes)
	}
	return next
}

// takeSocket counts a socket of a caller until it is released. It reports false
// where the caller has as many as it may have.
func (c *Clients) takeSocket(caller string) (release func(), ok bool) {
	return c.holdings.take(holding{caller, "socket"}, c.options.MaxSockets)
}

// takeSubscription counts an operation on a socket likewise.
func (c *Clients) takeSubscription(caller string) (release func(), ok bool) {
	return c.holdings.take(holding{caller, "subscription"}, c.options.MaxSubscriptions)
}

// holdings counts what callers hold. Who holds nothing takes no memory.
type holdings struct {
	mu     sync.Mutex
	counts map[holding]int
}

type holding struct{ caller, kind string }

func (h *holdings) take(what holding, limit int) (release func(), ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.counts[what] >= limit {
		return nil, false
	}
	if h.counts == nil {
		h.counts = make(map[holding]int)
	}
	h.counts[what]++
	return sync.OnceFunc(func() { h.release(what) }), true
}

func (h *holdings) release(what holding) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.counts[what]--; h.counts[what] == 0 {
		delete(h.counts, what)
	}
}

// callerOf names who is counted: the principal, and of anonymous callers the
// address. One host has a whole /64 of IPv6 to call from.
func callerOf(ctx context.Context) string {
	if p := rpc.PrincipalFrom(ctx); p != nil {
		return strings.Join([]string{"principal", p.Authenticator, p.Issuer, p.Subject}, "\n")
	}
	peer := requestFrom(ctx).Peer
	host, _, err := net.SplitHostPort(peer)
	if err != nil {
		return "peer " + peer
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return "peer " + host
	}
	if address = address.Unmap(); address.Is6() {
		if network, err := address.WithZone("").Prefix(64); err == nil {
			return "peer " + network.String()
		}
	}
	return "peer " + address.String()
}

// admit reads a request that is to hold a socket, or what stands for one, and counts
// it against its caller until release is called.
func (d *door) admit(r *http.Request) (ctx context.Context, release func(), fault *httpFault) {
	ctx, fault = d.request(r)
	if fault != nil {
		return nil, nil, fault
	}
	release, ok := d.options.Clients.takeSocket(callerOf(ctx))
	if !ok {
		return nil, nil, tooManySockets()
	}
	return ctx, release, nil
}
