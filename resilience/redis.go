package resilience

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// RedisOptions say how a server of Redis or Valkey is reached, and what holds while it is not.
type RedisOptions struct {
	Address            string // host:port
	TLS                *tls.Config
	Username, Password string
	Database           int
	Prefix             string        // what all keys begin with
	Budget             time.Duration // how long one answer may take; 0: 5 ms
	Replicas           int           // gateways that share the server; 0: 1
	Outage             Outage
	ValueBytes         int    // the largest answer that is kept; 0: 256 KiB
	Seal               string // the secret that answers are sealed with; empty: whoever can write to the server can make them
}

// Outage says what becomes of calls with a limit while the shared store does not answer.
type Outage uint8

// What holds during an outage.
const (
	CountAlone Outage = iota // each gateway counts for itself, up to its part of the limit
	RefuseAll                // no call is allowed
	AllowAll                 // no call is refused
)

// DefaultBudget is how long an answer of the shared store may take where nothing else is said.
const DefaultBudget = 5 * time.Millisecond

// askAgain is how long a server that failed is left alone. Then one call asks it, while the others
// go on without.
const askAgain = 500 * time.Millisecond

// Redis shares the counts of rate limits, and answers, between gateways. A server that does not answer
// within the budget is left alone for half a second, so that an outage costs calls nothing. Large
// answers take longer than counts, so that each of the two finds out for itself. It is safe for
// concurrent use.
type Redis struct {
	client         *redis.Client
	o              RedisOptions
	rates, answers outage
}

// outage remembers that a server did not answer.
type outage struct {
	until atomic.Int64 // when it is asked again, in Unix nanoseconds; 0: it answers
}

// withDefaults returns the options with all that is not said filled in.
func (o RedisOptions) withDefaults() RedisOptions {
	if o.Budget <= 0 {
		o.Budget = DefaultBudget
	}
	if o.ValueBytes <= 0 {
		o.ValueBytes = DefaultValueBytes
	}
	return o
}

// Is reports whether it was made with these options. It may be called on nil.
func (r *Redis) Is(o RedisOptions) bool { return r != nil && r.o == o.withDefaults() }

// NewRedis returns a client, which connects when it is first asked. Close it.
func NewRedis(o RedisOptions) *Redis {
	o = o.withDefaults()
	quiet()
	return &Redis{
		o: o,
		client: redis.NewClient(&redis.Options{
			Addr:                  o.Address,
			TLSConfig:             o.TLS,
			Username:              o.Username,
			Password:              o.Password,
			DB:                    o.Database,
			MaxRetries:            -1, // a second attempt has no time
			DialTimeout:           time.Second,
			DialerRetries:         1,
			ContextTimeoutEnabled: true,
			DisableIdentity:       true,
		}),
	}
}

// quiet keeps the client from writing to standard error: failures are counted, and seen in State.
var quiet = sync.OnceFunc(func() { redis.SetLogger(noLog{}) })

type noLog struct{}

func (noLog) Printf(context.Context, string, ...any) {}

// Close closes the connections. Calls after it count as in an outage.
func (r *Redis) Close() error { return r.client.Close() }

// Answering reports whether the server answered when it was last asked about a rate limit.
func (r *Redis) Answering() bool { return r.rates.over() }

// AnsweringCache reports whether the server answered when it was last asked about an answer.
func (r *Redis) AnsweringCache() bool { return r.answers.over() }

var errLeftDown = errors.New("the server did not answer lately")

// take asks the server about a call.
func (r *Redis) take(ctx context.Context, k *rateKey, limit rate) (decision, error) {
	if !r.rates.mayAsk() {
		return decision{}, errLeftDown
	}
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.o.Budget)
	defer cancel()
	d, err := r.ask(asking, r.o.Prefix+"rate:"+digestOf(k.text()), limit)
	r.rates.note(err == nil)
	return d, err
}

// over reports whether the server answered when it was last asked.
func (o *outage) over() bool { return o.until.Load() == 0 }

// note remembers whether the server answered.
func (o *outage) note(answered bool) {
	if !answered {
		o.until.Store(time.Now().Add(askAgain).UnixNano())
	} else if o.until.Load() != 0 {
		o.until.Store(0)
	}
}

// mayAsk lets everyone ask a server that answers, and one call at a time one that did not.
func (o *outage) mayAsk() bool {
	until := o.until.Load()
	if until == 0 {
		return true
	}
	now := time.Now()
	return now.UnixNano() >= until && o.until.CompareAndSwap(until, now.Add(askAgain).UnixNano())
}

// gcra is rate.take on the server, with its clock, in microseconds.
var gcra = redis.NewScript(`
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, tolerance = tonumber(ARGV[1]), tonumber(ARGV[2])
local remembered = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local ahead = remembered + interval - now
if ahead > tolerance then
  return {0, 0, math.ceil(remembered - now), math.ceil(ahead - tolerance)}
end
redis.call('SET', KEYS[1], string.format('%.3f', remembered + interval), 'PX', math.ceil(ahead / 1000))
return {1, math.floor((tolerance - ahead) / interval), math.ceil(ahead), 0}
`)

func (r *Redis) ask(ctx context.Context, key string, limit rate) (decision, error) {
	if limit.interval == 0 {
		d, _ := limit.take(0, 0)
		return d, nil
	}
	answer, err := gcra.Run(ctx, r.client, []string{key}, microseconds(limit.interval), microseconds(limit.tolerance)).Int64Slice()
	if err != nil {
		return decision{}, err
	}
	if len(answer) != 4 {
		return decision{}, fmt.Errorf("the script answered with %d numbers", len(answer))
	}
	return decision{
		allowed:   answer[0] == 1,
		remaining: int(answer[1]),
		reset:     time.Duration(answer[2]) * time.Microsecond,
		after:     time.Duration(answer[3]) * time.Microsecond,
	}, nil
}

func microseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Microsecond), 'f', 3, 64)
}

// alone decides about a call without the server.
func (r *Redis) alone(limit rate, count func(rate) decision) decision {
	switch r.o.Outage {
	case RefuseAll:
		return decision{after: askAgain}
	case AllowAll:
		return decision{allowed: true}
	default:
		return count(limit.shared(r.o.Replicas))
	}
}
