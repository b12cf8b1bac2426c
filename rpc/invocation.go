package rpc

import (
	"context"
	"sync"
	"time"
)

// invocation is an attempt of a unary call with a [Deadline], and the context that grpc-go gets of it. That does what
// [context.WithDeadline] would: it ends with the deadline, and with the caller. But it knows that
// one context is derived from it, which is grpc-go's own and ends before it does: so it keeps a
// function where package context keeps a list, and shares its timer with others.
type invocation struct {
	context.Context // of values; it does not decide when the invocation ends
	bound           *Deadline
	exchange        exchange

	mu    sync.Mutex
	done  chan struct{} // nil until somebody asks for it
	err   error
	child func() // ends the context that was derived

	within, timed place // in the list of its scope, and in that of the deadlines of its backend
}

// unary calls the backend, until the time is over or the caller gone.
func (i *invocation) unary(conn *connection) error {
	conn.deadlines.add(i)
	defer conn.deadlines.remove(i)
	if scope := scopeOf(i.bound.Context); scope != nil {
		scope.join(i)
		defer scope.leave(i)
	} else {
		defer context.AfterFunc(i.bound.Context, i.callerGone)()
	}
	return i.exchange.unary(i, conn)
}

// Deadline is part of [context.Context]. grpc-go asks for it to tell the backend. The time that is left is rounded up to
// a deadlineStep: the header grpc-timeout then says the same for most calls, so that HTTP/2 need not send it again
// each time (RFC 7541).
func (i *invocation) Deadline() (time.Time, bool) {
	left := time.Until(i.bound.at)
	return i.bound.at.Add((left + deadlineStep - 1).Truncate(deadlineStep) - left), true
}

// Value is part of [context.Context].
func (i *invocation) Value(key any) any {
	if key == (exchangeKey{}) {
		return &i.exchange
	}
	return i.Context.Value(key)
}

// Done is part of [context.Context].
func (i *invocation) Done() <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.done == nil {
		i.done = make(chan struct{})
		if i.err != nil {
			close(i.done)
		}
	}
	return i.done
}

// Err is part of [context.Context].
func (i *invocation) Err() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.err
}

// AfterFunc is what package context looks for in the parent of a context. Taking back is not needed: f
// ends a context that has ended by itself when the invocation is over.
func (i *invocation) AfterFunc(f func()) (stop func() bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch earlier := i.child; {
	case i.err != nil:
		go f()
	case earlier != nil:
		i.child = func() { earlier(); f() }
	default:
		i.child = f
	}
	return keeps
}

func keeps() bool { return false }

// end ends the invocation; the first reason stays.
func (i *invocation) end(reason error) {
	i.mu.Lock()
	if i.err != nil {
		i.mu.Unlock()
		return
	}
	i.err = reason
	if i.done != nil {
		close(i.done)
	}
	child := i.child
	i.mu.Unlock()
	if child != nil {
		child()
	}
}

// callerGone ends the invocation for the reason that its caller's context has.
func (i *invocation) callerGone() {
	reason := i.bound.Context.Err()
	if reason == nil {
		reason = context.Canceled
	}
	i.end(reason)
}
