package resilience

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
)

// Coalesce lets identical reads in flight share one backend call, where their methods' policy
// says so: unary calls and server streams without side effects, of one principal unless answers are shared,
// with equal requests and metadata. The call goes on for as long as anyone waits for it, whoever came first. The
// zero value is ready for use and safe for concurrent use.
type Coalesce struct {
	mu         sync.Mutex
	flight     map[callKey]*flight
	broadcasts map[broadcastKey]*broadcast
	chains     uint64 // that were made; guarded by mu

	calls, joined atomic.Uint64
}

// flight is a call that several may wait for.
type flight struct {
	waiting int // guarded by Coalesce.mu
	cancel  context.CancelFunc
	done    chan struct{} // closed once there is an answer
	answer  answer
}

// CoalesceState is what was shared so far.
type CoalesceState struct {
	// Calls were made, and Joined calls shared one of those.
	Calls, Joined uint64
}

// State returns what was shared.
func (p *Coalesce) State() CoalesceState { return CoalesceState{p.calls.Load(), p.joined.Load()} }

// Middleware shares calls: those in flight over all chains, streams within one.
func (p *Coalesce) Middleware(next rpc.Handler) rpc.Handler {
	chain := p.newChain()
	return func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
		policy := c.Method.Policy.GetCoalesce()
		switch {
		case !c.Method.NoSideEffects || c.Method.ClientStreams:
			return next(ctx, c, s)
		case c.Method.ServerStreams && policy.GetStreams() && c.Method.Operation != schema.Query:
			return p.listen(ctx, broadcastKey{chain, sharedKey(ctx, c)}, next, c, s) // a stream that is collected must be whole
		case c.Method.ServerStreams || !policy.GetEnabled():
			return next(ctx, c, s)
		}
		key := sharedKey(ctx, c)
		f := p.join(ctx, key, next, c)
		select {
		case <-f.done:
			return f.answer.tell(s)
		case <-ctx.Done():
			p.leave(key, f)
			return rpc.ContextError(ctx)
		}
	}
}

// sharedKey is equal for calls that may share one.
func sharedKey(ctx context.Context, c *rpc.Call) callKey {
	k := newKeyer(ctx, c, c.Method.Policy.GetCoalesce().GetShared())
	k.everyValue(c)
	return k.key()
}

// join returns the flight of a call, which begins where there is none.
func (p *Coalesce) join(ctx context.Context, key callKey, next rpc.Handler, c *rpc.Call) *flight {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.flight[key]; f != nil {
		f.waiting++
		p.joined.Add(1)
		return f
	}
	if p.flight == nil {
		p.flight = make(map[callKey]*flight)
	}
	// The deadlines of those who wait are their own: each leaves when its time is over.
	shared, cancel := detached(ctx, c)
	f := &flight{waiting: 1, cancel: cancel, done: make(chan struct{})}
	p.flight[key] = f
	p.calls.Add(1)
	go func() {
		defer cancel()
		f.answer = answerOf(shared, next, c)
		p.mu.Lock()
		if p.flight[key] == f {
			delete(p.flight, key)
		}
		p.mu.Unlock()
		close(f.done)
	}()
	return f
}

// leave gives up waiting. The last to leave ends the call.
func (p *Coalesce) leave(key callKey, f *flight) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f.waiting--
	if f.waiting > 0 {
		return
	}
	f.cancel()
	if p.flight[key] == f {
		delete(p.flight, key)
	}
}

// detached returns a context that only the method's own timeout and the function end.
func detached(ctx context.Context, c *rpc.Call) (context.Context, context.CancelFunc) {
	ctx = context.WithoutCancel(ctx)
	if c.Method.Timeout > 0 {
		return context.WithTimeout(ctx, c.Method.Timeout)
	}
	return context.WithCancel(ctx)
}
