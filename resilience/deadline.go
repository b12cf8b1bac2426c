// Package resilience holds the policies that keep a failing or slow backend from
// hurting its callers and its neighbours. Each is a [rpc.Middleware]; settings
// come with the method of a call, state lives here and survives a reload.
package resilience

import (
	"context"
	"sync"
	"time"

	"github.com/protean-gateway/protean/rpc"
)

// Deadline bounds each call by its method's timeout. A client's own deadline,
// which is in the context already, is kept where it is nearer and never extended.
func Deadline(next rpc.Handler) rpc.Handler {
	return func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
		m := c.Method
		if m.Timeout <= 0 {
			return next(ctx, c, s)
		}
		deadline := time.Now().Add(m.Timeout)
		if end, ok := ctx.Deadline(); ok && !end.After(deadline) {
			return next(ctx, c, s) // its door has bound it already
		}
		if boundsAttempts(c) {
			call := &lazyDeadline{Context: ctx, deadline: deadline}
			defer call.release()
			return next(call, c, s)
		}
		ctx, cancel := context.WithDeadline(ctx, deadline)
		defer cancel()
		return next(ctx, c, s)
	}
}

// boundsAttempts reports whether the backend will see the context of an attempt in place of the call's.
func boundsAttempts(c *rpc.Call) bool {
	return !c.Method.Streams() && c.Method.AttemptTimeout > 0 && c.Method.AttemptTimeout < c.Method.Timeout
}

// lazyDeadline is the context of a call whose attempts have contexts and timers of their own, as
// [context.WithDeadline] would make it. Mostly nobody waits for it, since each attempt
// ends before it does, so its channel and its timer are made when they are first asked for.
type lazyDeadline struct {
	context.Context // of the caller
	deadline        time.Time

	mu       sync.Mutex
	waited   context.Context // once somebody waits; then it decides
	cancel   context.CancelFunc
	released bool
}

// Deadline is part of [context.Context].
func (d *lazyDeadline) Deadline() (time.Time, bool) { return d.deadline, true }

// Done is part of [context.Context].
func (d *lazyDeadline) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.wait().Done()
}

// Err is part of [context.Context]. An error that was told once stays.
func (d *lazyDeadline) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waited == nil && !d.released && d.Context.Err() == nil && time.Now().Before(d.deadline) {
		return nil
	}
	return d.wait().Err()
}

// wait returns the context that decides from now on. The caller holds d.mu.
func (d *lazyDeadline) wait() context.Context {
	switch {
	case d.waited != nil:
	case d.released:
		d.waited, d.cancel = context.WithCancel(d.Context)
		d.cancel()
	default:
		d.waited, d.cancel = context.WithDeadline(d.Context, d.deadline)
	}
	return d.waited
}

// Value is part of [context.Context]. Package context finds by it what was made in Done, so that
// contexts derived from this one need no goroutine.
func (d *lazyDeadline) Value(key any) any {
	d.mu.Lock()
	waited := d.waited
	d.mu.Unlock()
	if waited != nil {
		return waited.Value(key)
	}
	return d.Context.Value(key)
}

// release ends the context with its call.
func (d *lazyDeadline) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.released = true
	if d.cancel != nil {
		d.cancel()
	}
}

// callerContext returns the context that a lazy deadline was added to, for contexts that end before it.
func callerContext(ctx context.Context) context.Context {
	if d, ok := ctx.(*lazyDeadline); ok {
		return d.Context
	}
	return ctx
}
