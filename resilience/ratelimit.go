package resilience

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
)

// RateLimit refuses calls that come too often, as their methods' [schema.RateLimit] says, by the
// generic cell rate algorithm. It counts in memory, or with others in a [Redis]. A refused
// call is RESOURCE_EXHAUSTED with a google.rpc.RetryInfo. The zero value counts in memory; it is
// safe for concurrent use.
type RateLimit struct {
	redis  atomic.Pointer[Redis]
	local  localRates[rateKey]
	scopes keyed[string, scopeState]
}

type scopeState struct{ allowed, limited, unshared atomic.Uint64 }

// RateLimitState is what was decided under one scope so far.
type RateLimitState struct {
	Scope string
	// Allowed and Limited count calls.
	Allowed, Limited uint64
	// Unshared counts the calls that were decided without the store that is shared with others,
	// because it did not answer.
	Unshared uint64
}

// State returns what was decided, by scope.
func (p *RateLimit) State() []RateLimitState {
	var all []RateLimitState
	for scope, s := range p.scopes.all() {
		all = append(all, RateLimitState{scope, s.allowed.Load(), s.limited.Load(), s.unshared.Load()})
	}
	slices.SortFunc(all, func(a, b RateLimitState) int { return cmp.Compare(a.Scope, b.Scope) })
	return all
}

// Remembered returns how many callers are remembered in memory.
func (p *RateLimit) Remembered() int { return p.local.len() }

// Share counts in a store that others count in, too; nil goes back to counting alone.
func (p *RateLimit) Share(with *Redis) { p.redis.Store(with) }

// Middleware refuses calls over their limit. What was decided goes to the [Report] in the context.
func (p *RateLimit) Middleware(next rpc.Handler) rpc.Handler {
	return func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
		l := c.Method.RateLimit
		if l == nil {
			return next(ctx, c, s)
		}
		d := p.decide(ctx, c, l)
		reportTo(ctx, l, d)
		if !d.allowed {
			return tooMany(l, d)
		}
		return next(ctx, c, s)
	}
}

func (p *RateLimit) decide(ctx context.Context, c *rpc.Call, l *schema.RateLimit) decision {
	state := p.scopes.of(l.Scope)
	r := newRate(l.Requests, l.Per, l.Burst)
	k := callerOf(ctx, c, l)
	var d decision
	if shared := p.redis.Load(); shared != nil {
		var err error
		if d, err = shared.take(ctx, &k, r); err != nil {
			state.unshared.Add(1)
			d = shared.alone(r, func(part rate) decision { return p.local.take(k, rateKey{scope: k.scope}, part) })
		}
	} else {
		d = p.local.take(k, rateKey{scope: k.scope}, r)
	}
	if d.allowed {
		state.allowed.Add(1)
	} else {
		state.limited.Add(1)
	}
	return d
}

// tooMany says when to come again, also in words that name the limit.
func tooMany(l *schema.RateLimit, d decision) error {
	st := status.New(codes.ResourceExhausted, "too many calls; try again later")
	if l.Requests == 0 {
		st = status.New(codes.ResourceExhausted, "no calls are allowed")
	}
	with, err := st.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(roundedUp(d.after))})
	if err != nil {
		return st.Err()
	}
	return with.Err()
}

// roundedUp spares clients a precision that the way to them does not have.
func roundedUp(d time.Duration) time.Duration {
	unit := time.Millisecond
	if d >= time.Second {
		unit = time.Second
	}
	return (d + unit - 1).Truncate(unit)
}

// quoted writes a text as a string of structured fields (RFC 9651, section 3.3.3), which
// has visible ASCII alone.
func quoted(text string) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, text)
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(clean) + `"`
}
