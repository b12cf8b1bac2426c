package rpc

import (
	"context"
	"sync"
	"time"
)

// invocation is an attempt of a unary call with a [Deadline], and the context that grpc-go gets of it. That does what
// [context.WithDeadline] would: it ends with the deadline, and with the caller. But it knows that
// one context is derived from it, which is grpc-go's own and ends before it does: so it keeps a
// function where package context keeps a list, and it borrows its timer.
type invocation struct {
	context.Context // of values; it does not decide when the invocation ends
	bound           *Deadline
	exchange        exchange

	mu    sync.Mutex
	done  chan struct{} // nil until somebody asks for it
	err   error
	child func() // ends the context that was derived

	joined         bool // it is in the list of its scope, which guards this and what follows
	next, previous *invocation
}

// unary calls the backend, until the time is over or the caller gone.
func (i *invocation) unary(conn *connection) error {
	alarm := setAlarm(i)
	defer alarm.clear()
	if scope := scopeOf(i.bound.Context); scope != nil {
		scope.join(i)
		defer scope.leave(i)
	} else {
		defer context.AfterFunc(i.bound.Context, i.callerGone)()
	}
	return i.exchange.unary(i, conn)
}

// timeoutStep is what the time that is left is rounded up to for the backend. The header grpc-timeout
// then says the same for most calls, so that HTTP/2 need not send it again each time (RFC 7541).
const timeoutStep = time.Millisecond

// Deadline is part of [context.Context]. grpc-go asks for it to tell the backend. It is up to a
// timeoutStep later than the end of the invocation.
func (i *invocation) Deadline() (time.Time, bool) {
	left := time.Until(i.bound.at)
	return i.bound.at.Add((left + timeoutStep - 1).Truncate(timeoutStep) - left), true
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

// alarm ends an invocation at its deadline. Alarms are used again, since most never ring.
type alarm struct {
	timer *time.Timer
	mu    sync.Mutex
	of    *invocation
}

var alarms = sync.Pool{New: func() any {
	a := new(alarm)
	a.timer = time.AfterFunc(time.Duration(1<<63-1), a.ring)
	return a
}}

func setAlarm(i *invocation) *alarm {
	a := alarms.Get().(*alarm)
	a.mu.Lock()
	a.of = i
	a.mu.Unlock()
	a.timer.Reset(time.Until(i.bound.at))
	return a
}

func (a *alarm) ring() {
	a.mu.Lock()
	i := a.of
	a.mu.Unlock()
	i.end(context.DeadlineExceeded)
}

// clear gives the alarm back, unless it rings.
func (a *alarm) clear() {
	if !a.timer.Stop() {
		return
	}
	a.mu.Lock()
	a.of = nil
	a.mu.Unlock()
	alarms.Put(a)
}
