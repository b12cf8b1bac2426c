package rpc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
)

// Pool keeps one connection (with its own balancing over addresses) for each
// backend. It is safe for concurrent use.
type Pool struct {
	current atomic.Pointer[map[string]*connection] // by name; never written to once stored

	observe func(ConnectionChange) // nil: nobody

	mu     sync.Mutex
	open   map[*connection]struct{} // the current ones, and those that are not closed yet
	closed bool
}

// connection is the connection to one endpoint. The pool holds one reference
// while the endpoint is current, and every call holds one.
type connection struct {
	*grpc.ClientConn
	replicas *replicas
	endpoint Endpoint
	pool     *Pool
	refs     atomic.Int64
	closing  sync.Once
	done     chan struct{} // closed with the last reference

	deadlines deadlines // of calls with one request message
}

// NewPool returns an empty pool.
func NewPool() *Pool {
	p := &Pool{open: make(map[*connection]struct{})}
	p.current.Store(&map[string]*connection{})
	return p
}

// Observe has changes of connections reported to f, which must not block. It is called before the first Sync.
func (p *Pool) Observe(f func(ConnectionChange)) { p.observe = f }

var errPoolClosed = errors.New("the pool of connections is closed")

// Sync opens connections to endpoints that are new and closes, once their last
// call has ended, those that are gone. An endpoint whose address or TLS changed is a new
// one. It does not wait for connections to be up. An endpoint that is wrong is
// reported; its name keeps the connection it had, and all others take effect.
func (p *Pool) Sync(endpoints []Endpoint) error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return errPoolClosed
	}
	old := *p.current.Load()
	next, err := p.connect(old, endpoints)
	p.current.Store(&next)
	p.mu.Unlock()

	for name, c := range old {
		if next[name] != c {
			c.release()
		}
	}
	return err
}

// connect returns the connections for endpoints, those of old where they still
// fit. The caller holds p.mu.
func (p *Pool) connect(old map[string]*connection, endpoints []Endpoint) (map[string]*connection, error) {
	next := make(map[string]*connection, len(endpoints))
	var problems []error
	for _, e := range endpoints {
		if next[e.Name] != nil {
			problems = append(problems, fmt.Errorf("two backends are named %q", e.Name))
			continue
		}
		c, err := p.connectOne(old[e.Name], e)
		if err != nil {
			problems = append(problems, err)
		}
		if c != nil {
			next[e.Name] = c
		}
	}
	return next, errors.Join(problems...)
}

func (p *Pool) connectOne(old *connection, e Endpoint) (*connection, error) {
	if old != nil && old.endpoint == e {
		return old, nil
	}
	cc, replicas, err := e.open(p.observe)
	if err != nil {
		return old, err
	}
	c := &connection{ClientConn: cc, replicas: replicas, endpoint: e, pool: p, done: make(chan struct{})}
	c.refs.Store(1)
	p.open[c] = struct{}{}
	return c, nil
}

// acquire returns the current connection to a backend with a reference for the
// caller, or nil.
func (p *Pool) acquire(name string) *connection {
	for {
		c := (*p.current.Load())[name]
		if c == nil || c.acquire() {
			return c
		}
		// It was replaced, and its last call ended, after the map was loaded.
	}
}

// acquire takes a reference, unless the last one is gone already.
func (c *connection) acquire() bool {
	for {
		n := c.refs.Load()
		if n == 0 {
			return false
		}
		if c.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// release gives a reference back. The last one closes the connection.
func (c *connection) release() {
	if c.refs.Add(-1) > 0 {
		return
	}
	c.close()
	c.deadlines.stop()
	close(c.done)
	// Only now: until it is closed Pool.Close has to wait for it.
	c.pool.mu.Lock()
	delete(c.pool.open, c)
	c.pool.mu.Unlock()
}

// close closes the connection, once: a second Close of grpc's would end the context that the first one
// works in, and leave the balancer with its goroutine open for ever.
func (c *connection) close() {
	c.closing.Do(func() { _ = c.ClientConn.Close() }) // an error would say that it is closed
}

// Conn returns the connection to a backend for reflection and health checks. Generated
// clients work on it. It follows the backend's name: each call goes to the endpoint that
// is current when it starts, and fails where there is none.
func (p *Pool) Conn(name string) grpc.ClientConnInterface { return named{p, name} }

// Close closes all connections at once and returns when the last call has ended.
// Calls then fail with UNAVAILABLE. Doors are closed first, since a call that
// waits for a slow client ends with that client.
func (p *Pool) Close() {
	p.mu.Lock()
	closed := p.closed
	p.closed = true
	all := make([]*connection, 0, len(p.open))
	for c := range p.open {
		all = append(all, c)
	}
	current := *p.current.Swap(&map[string]*connection{})
	p.mu.Unlock()
	if closed {
		return
	}
	for _, c := range all {
		c.close()
	}
	for _, c := range current {
		c.release()
	}
	for _, c := range all {
		<-c.done
	}
}

// named is a backend's connection by its name.
type named struct {
	pool *Pool
	name string
}

func (n named) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	c := n.pool.acquire(n.name)
	if c == nil {
		return errNotConfigured
	}
	defer c.release()
	return c.ClientConn.Invoke(ctx, method, args, reply, opts...)
}

func (n named) NewStream(
	ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	c := n.pool.acquire(n.name)
	if c == nil {
		return nil, errNotConfigured
	}
	// grpc calls it once, also where no stream comes about.
	finished := grpc.OnFinish(func(error) { c.release() })
	return c.ClientConn.NewStream(ctx, desc, method, append(slices.Clip(opts), finished)...)
}
