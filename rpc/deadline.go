package rpc

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc/metadata"
)

// Deadline is the context of a call with one request message, or of an attempt of it: it behaves as one
// that [context.WithDeadline] made. Mostly nobody waits for it, since [Pool.Handle] bounds what it does itself, so
// its channel and its timer are made when they are first asked for. It is safe for concurrent use.
type Deadline struct {
	context.Context // of the caller
	at              time.Time

	mu       sync.Mutex
	waited   context.Context // once somebody waits; then it decides
	cancel   context.CancelFunc
	released bool
	invoked  bool

	invocation invocation // room for the first one; most calls have one attempt
}

// WithDeadline returns a context that ends with ctx or at a time, whichever comes first. Its
// Release must be called once it is no longer used. Where ctx is a Deadline with a later time, it must be in use for longer
// than the new one.
func WithDeadline(ctx context.Context, at time.Time) *Deadline {
	if outer, ok := ctx.(*Deadline); ok && !outer.at.Before(at) {
		ctx = outer.Context
	}
	return &Deadline{Context: ctx, at: at}
}

// Deadline is part of [context.Context].
func (d *Deadline) Deadline() (time.Time, bool) { return d.at, true }

// Done is part of [context.Context].
func (d *Deadline) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.wait().Done()
}

// Err is part of [context.Context]. An error that was told once stays.
func (d *Deadline) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waited == nil && !d.released && d.Context.Err() == nil && time.Now().Before(d.at) {
		return nil
	}
	return d.wait().Err()
}

// wait returns the context that decides from now on. The caller holds d.mu.
func (d *Deadline) wait() context.Context {
	switch {
	case d.waited != nil:
	case d.released:
		d.waited, d.cancel = context.WithCancel(d.Context)
		d.cancel()
	default:
		d.waited, d.cancel = context.WithDeadline(d.Context, d.at)
	}
	return d.waited
}

// Value is part of [context.Context]. Package context finds by it what was made in Done, so that
// contexts derived from this one need no goroutine.
func (d *Deadline) Value(key any) any {
	d.mu.Lock()
	waited := d.waited
	d.mu.Unlock()
	if waited != nil {
		return waited.Value(key)
	}
	return d.Context.Value(key)
}

// invoke makes an attempt of the call.
func (d *Deadline) invoke(c *Call, s Stream) *invocation {
	d.mu.Lock()
	i := &d.invocation
	if d.invoked {
		i = new(invocation)
	}
	d.invoked = true
	d.mu.Unlock()
	i.Context, i.bound = metadata.NewOutgoingContext(d, c.Metadata), d
	i.exchange = exchange{call: c, client: s}
	return i
}

// Release ends the context with its call.
func (d *Deadline) Release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.released = true
	if d.cancel != nil {
		d.cancel()
	}
}
