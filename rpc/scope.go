package rpc

import (
	"context"
	"sync"
)

// Scope ends the calls that are made within a context when it is done, such as that of a request of
// HTTP. It is embedded in the type of such a context. A call that finds it in its own context
// joins it without an allocation; of other contexts package context has to keep a list and a
// channel for that. It is safe for concurrent use once it is open.
type Scope struct {
	ctx  context.Context //nolint:containedctx // it is part of one
	told bool            // End is called as soon as ctx is done

	mu    sync.Mutex
	calls invocations // that are under way
	stop  func() bool // where ctx was asked to tell of its end
	ended bool
}

// scoped is a context that ends with its scope.
type scoped interface{ scope() *Scope }

func (s *Scope) scope() *Scope { return s }

// Open makes it the scope of ctx, whose end is that of the context that it is embedded in. Where told is false, it asks
// ctx to tell of its end, once there is a call; else End must be called as soon as ctx is done.
func (s *Scope) Open(ctx context.Context, told bool) { s.ctx, s.told = ctx, told }

// End ends all calls, those to come as well. It must be called when nothing more is to be called within the scope.
func (s *Scope) End() {
	s.mu.Lock()
	s.ended = true
	calls, stop := s.calls.take(), s.stop
	s.stop = nil
	s.mu.Unlock()
	if stop != nil {
		stop()
	}
	for _, i := range calls {
		i.callerGone()
	}
}

// join has an invocation end with the scope, until it leaves.
func (s *Scope) join(i *invocation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		i.end(context.Canceled)
		return
	}
	if !s.told && s.stop == nil {
		s.stop = context.AfterFunc(s.ctx, s.End)
	}
	s.calls.add(&i.within, i)
}

// leave takes an invocation out.
func (s *Scope) leave(i *invocation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls.remove(&i.within)
}

// Carrier is a context that adds values to another one, and ends when that does.
type Carrier interface {
	context.Context
	// Carried returns the other one.
	Carried() context.Context
}

// scopeOf returns the scope that a context ends with, or nil where package context has to tell of its end.
func scopeOf(ctx context.Context) *Scope {
	for {
		switch c := ctx.(type) {
		case scoped:
			return c.scope()
		case Carrier:
			ctx = c.Carried()
		default:
			return nil
		}
	}
}
