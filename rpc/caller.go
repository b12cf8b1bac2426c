package rpc

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Credential is what a caller has shown, to be checked again while a call of his goes on. It is safe for
// concurrent use.
type Credential interface {
	// Again checks it as things are now. UNAUTHENTICATED says that it is no good any more; any other
	// error, that this cannot be said at the moment.
	Again(ctx context.Context) error
	// Every is how often that is to be done; 0: never.
	Every() time.Duration
}

// WithCaller returns a context that carries a principal and the credential that it was made of.
func WithCaller(ctx context.Context, p *Principal, shown Credential) context.Context {
	return &callerContext{ctx, p, shown}
}

// callerContext carries both at the price of one.
type callerContext struct {
	context.Context
	principal *Principal
	shown     Credential // nil: it is not checked again
}

type credentialKey struct{}

// Value is part of [context.Context].
func (c *callerContext) Value(key any) any {
	switch key.(type) {
	case principalKey:
		return c.principal
	case credentialKey:
		return c.shown
	default:
		return c.Context.Value(key)
	}
}

// OfCaller reports whether a value of a context is one that this package keeps there about its caller. A
// context that callers are added to, and that none is in, can say so at once.
func OfCaller(key any) bool {
	switch key.(type) {
	case principalKey, credentialKey, refusalKey:
		return true
	default:
		return false
	}
}

// Carried is part of [Carrier].
func (c *callerContext) Carried() context.Context { return c.Context }

var errExpired = status.Error(codes.Unauthenticated, "the credentials have expired")

// WatchCaller calls end once, with an UNAUTHENTICATED status, when the credential of the caller of ctx ends or
// is found to be no good any more, unless that is forgotten before. Forget does not wait.
func WatchCaller(ctx context.Context, end func(error)) (forget func()) {
	w := &watch{end: end}
	if w.principal = PrincipalFrom(ctx); w.principal == nil {
		return func() {}
	}
	if w.shown, _ = ctx.Value(credentialKey{}).(Credential); w.shown != nil {
		w.every = w.shown.Every()
	}
	if w.every == 0 && w.principal.Expires.IsZero() {
		return func() {}
	}
	w.ctx, w.cancel = context.WithCancel(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(w.wait(), w.look)
	return w.forget
}

// watch waits for the end of a credential.
type watch struct {
	principal *Principal
	shown     Credential
	every     time.Duration
	end       func(error)
	ctx       context.Context //nolint:containedctx // of checks
	cancel    context.CancelFunc

	mu    sync.Mutex
	timer *time.Timer // nil once it is over
}

// wait is the time until the next look. Those of many streams that were opened at once spread out.
func (w *watch) wait() time.Duration {
	wait := time.Duration(1<<63 - 1)
	if w.every > 0 {
		wait = w.every/2 + rand.N(w.every/2+1) //nolint:gosec // spreads load, guards nothing
	}
	if !w.principal.Expires.IsZero() {
		wait = min(wait, time.Until(w.principal.Expires))
	}
	return wait
}

func (w *watch) look() {
	err := w.check()
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.timer == nil:
	case err != nil:
		w.over()
		w.end(err)
	default:
		w.timer.Reset(w.wait())
	}
}

func (w *watch) check() error {
	if end := w.principal.Expires; !end.IsZero() && !time.Now().Before(end) {
		return errExpired
	}
	if w.every == 0 {
		return nil
	}
	if err := w.shown.Again(w.ctx); status.Code(err) == codes.Unauthenticated {
		return err
	}
	return nil
}

func (w *watch) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.over()
	}
}

// over ends the watch. The caller holds w.mu.
func (w *watch) over() {
	w.timer.Stop()
	w.timer = nil
	w.cancel()
}
