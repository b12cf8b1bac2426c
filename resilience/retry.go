package resilience

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
)

// Metadata of gRPC's retries (gRFC A6): how many attempts there were before this
// one, and how long the backend wants the next one to wait.
const (
	previousAttempts = "grpc-previous-rpc-attempts"
	pushback         = "grpc-retry-pushback-ms"
)

// Retry tries failed calls again, as their methods' [schema.Retry] says: only calls
// that may be repeated, only until the first header or message for the client, only while
// their deadline leaves time for it, never against an open breaker, and no more than the
// [budget] of the backend allows. The zero value is ready for use and safe for concurrent use.
type Retry struct {
	backends keyed[string, retryState]
}

type retryState struct {
	budget             budget
	retries, exhausted atomic.Uint64
}

// RetryState is what was done for one backend so far.
type RetryState struct {
	Backend string
	// Retries counts the attempts after a first one.
	Retries uint64
	// Exhausted counts the retries that the budget did not allow.
	Exhausted uint64
	// Budget is how many retries there may be now.
	Budget int
}

// State returns the state of all backends, by name.
func (p *Retry) State() []RetryState {
	var all []RetryState
	for name, s := range p.backends.all() {
		all = append(all, RetryState{name, s.retries.Load(), s.exhausted.Load(), s.budget.remaining()})
	}
	slices.SortFunc(all, func(a, b RetryState) int { return cmp.Compare(a.Backend, b.Backend) })
	return all
}

// Middleware repeats calls of next. Calls of methods without retry pass by untouched.
func (p *Retry) Middleware(next rpc.Handler) rpc.Handler {
	return func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
		if c.Method.Retry.Attempts <= 1 {
			return next(ctx, c, s)
		}
		state := p.backends.of(c.Method.Service.Backend.Name)
		state.budget.deposit()
		for n := 1; ; n++ {
			a := attempt{Stream: s}
			err := next(ctx, c, &a)
			wait, again := a.wait(&c.Method.Retry, n, err)
			if !again || !hasTime(ctx, wait) || !state.take() {
				a.flush()
				return err
			}
			if err := sleep(ctx, wait); err != nil {
				return err
			}
			c = repeated(c, n)
		}
	}
}

// take takes a retry out of the budget.
func (s *retryState) take() bool {
	if !s.budget.withdraw() {
		s.exhausted.Add(1)
		return false
	}
	s.retries.Add(1)
	return true
}

// attempt is the client's stream as one attempt sees it. What a failed attempt says
// reaches the client only where no other follows.
type attempt struct {
	rpc.Stream
	committed bool
	trailer   metadata.MD
	probe     probe // of the breaker, which comes next and sees each attempt once
}

func (a *attempt) SendHeader(md metadata.MD) error {
	a.committed = true
	return a.Stream.SendHeader(md)
}

func (a *attempt) Send(message []byte) error {
	a.committed = true
	return a.Stream.Send(message)
}

func (a *attempt) SetTrailer(md metadata.MD) {
	if a.committed {
		a.Stream.SetTrailer(md)
		return
	}
	a.trailer = metadata.Join(a.trailer, md)
}

// flush hands over what was kept from the client.
func (a *attempt) flush() {
	if len(a.trailer) > 0 {
		a.Stream.SetTrailer(a.trailer)
	}
}

// wait returns how long to wait before the next attempt, or false where there must be
// none: after success, after what the client has heard of, and where neither our policy
// nor the backend want one.
func (a *attempt) wait(r *schema.Retry, n int, err error) (time.Duration, bool) {
	if err == nil || a.committed || n >= r.Attempts || errors.Is(err, errLeftAlone) || rpc.IsResponseTooLarge(err) {
		return 0, false
	}
	if _, ours := errors.AsType[*rpc.PanicError](err); ours {
		return 0, false
	}
	st, ok := rpc.StatusOf(err)
	if !ok || !r.Retryable(st.Code()) {
		return 0, false
	}
	if said := a.trailer.Get(pushback); len(said) > 0 {
		ms, err := strconv.ParseUint(said[0], 10, 31)
		return time.Duration(ms) * time.Millisecond, err == nil
	}
	return jittered(r, n), true
}

// jittered is a time between nothing and a bound that doubles with each attempt
// ("full jitter"), so that callers that failed together do not come back together.
func jittered(r *schema.Retry, n int) time.Duration {
	bound := min(r.InitialBackoff<<(n-1), r.MaxBackoff)
	return rand.N(bound + 1) //nolint:gosec // spreads load, guards nothing
}

// hasTime reports whether a call is not over before the wait is.
func hasTime(ctx context.Context, wait time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > wait
}

func sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return rpc.ContextError(ctx)
	}
}

// repeated is the call with the number of attempts before it.
func repeated(c *rpc.Call, attempts int) *rpc.Call {
	md := c.Metadata.Copy()
	if md == nil {
		md = make(metadata.MD, 1)
	}
	md.Set(previousAttempts, strconv.Itoa(attempts))
	return c.WithMetadata(md)
}
