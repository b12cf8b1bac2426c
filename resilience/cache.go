package resilience

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"google.golang.org/grpc/metadata"

	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc"
)

// DefaultCacheBytes is the memory for answers where nothing else is said.
const DefaultCacheBytes = 64 << 20

// maxSharing bounds how many answers are on their way to the shared store at once. Further ones are kept
// here alone.
const maxSharing = 16

// maxRefreshes bounds how many stale answers are fetched anew at once. Further ones stay stale.
const maxRefreshes = 64

// The metadata of answers that are kept: how old they are, and how long clients may keep
// them (RFC 9111, sections 5.1 and 5.2).
const (
	ageKey          = "age"
	cacheControlKey = "cache-control"
	varyKey         = "vary"
)

// Cache keeps the answers of unary calls without side effects, where their methods' policy says
// for how long. What it keeps is whole, as the backend said it; what a caller may not see is taken
// out further up. Errors are not kept, nor answers that the backend says not to. With a [Redis], and
// where a policy says so, an answer that is not here is looked for there, and one that was had is put
// there, on no call's time. Make one with [NewCache]; it is safe for concurrent use.
type Cache struct {
	answers *otter.Cache[callKey, *keptAnswer]
	redis   atomic.Pointer[Redis]

	mu         sync.Mutex
	refreshing map[callKey]bool
	looking    map[callKey]*lookup
	sharing    map[callKey]*keptAnswer // on their way to the shared store
	background sync.WaitGroup
	stop       context.CancelFunc
	stopped    context.Context

	hits, stale, misses                   atomic.Uint64
	sharedHits, sharedMisses, sharedFails atomic.Uint64
	sharedKept, sharedDropped             atomic.Uint64
}

type keptAnswer struct {
	answer
	since time.Time
	good  time.Duration // from then on it is of no use, stale or not
}

// NewCache returns an empty cache that takes about so many bytes at the most; 0 is
// [DefaultCacheBytes]. Close it.
func NewCache(bytes uint64) *Cache {
	if bytes == 0 {
		bytes = DefaultCacheBytes
	}
	c := &Cache{
		refreshing: make(map[callKey]bool),
		looking:    make(map[callKey]*lookup),
		sharing:    make(map[callKey]*keptAnswer),
		answers: otter.Must(&otter.Options[callKey, *keptAnswer]{
			MaximumWeight: bytes,
			Weigher:       func(_ callKey, a *keptAnswer) uint32 { return uint32(a.bytes()) }, //nolint:gosec // messages are far below 4 GiB
			ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[callKey, *keptAnswer]) time.Duration {
				return e.Value.good
			}),
		}),
	}
	c.stopped, c.stop = context.WithCancel(context.Background())
	return c
}

// Resize sets how many bytes the answers take at the most; 0 is [DefaultCacheBytes]. Where they take more, some are forgotten.
func (p *Cache) Resize(bytes uint64) {
	if bytes == 0 {
		bytes = DefaultCacheBytes
	}
	p.answers.SetMaximum(bytes)
}

// Close ends the calls that fetch answers anew, and waits for them.
func (p *Cache) Close() {
	p.mu.Lock() // so that none begins after it
	p.stop()
	p.mu.Unlock()
	p.background.Wait()
	p.answers.StopAllGoroutines()
}

// CacheState is what was kept and used so far.
type CacheState struct {
	Answers int
	Bytes   uint64
	// Hits were fresh; Stale ones are told while they are fetched anew; Misses went to the backend.
	Hits, Stale, Misses uint64
	// Of the shared store: what was found there, what was not, and how often it did not answer.
	SharedHits, SharedMisses, SharedFails uint64
	// Answers that were put there, and those that were not: too large, too many at once, or it did not answer.
	SharedKept, SharedDropped uint64
}

// State returns what was kept and used.
func (p *Cache) State() CacheState {
	return CacheState{
		Answers: p.answers.EstimatedSize(), Bytes: p.answers.WeightedSize(),
		Hits: p.hits.Load(), Stale: p.stale.Load(), Misses: p.misses.Load(),
		SharedHits: p.sharedHits.Load(), SharedMisses: p.sharedMisses.Load(), SharedFails: p.sharedFails.Load(),
		SharedKept: p.sharedKept.Load(), SharedDropped: p.sharedDropped.Load(),
	}
}

// Middleware answers calls with what is kept.
func (p *Cache) Middleware(next rpc.Handler) rpc.Handler {
	return func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
		policy := c.Method.Policy.GetCache()
		ttl := policy.GetTtl().AsDuration()
		if ttl <= 0 || !c.Method.NoSideEffects || c.Method.Streams() {
			return next(ctx, c, s)
		}
		wanted := directives(c.Metadata)
		if wanted["no-store"] {
			return next(ctx, c, s)
		}
		key := cacheKey(ctx, c, policy)
		if !wanted["no-cache"] {
			if found, age := p.find(key, c); found != nil {
				if age < ttl {
					p.hits.Add(1)
				} else {
					p.stale.Add(1)
					p.refresh(ctx, key, next, c)
				}
				return found.tellAged(s, age, policy)
			}
		}
		p.misses.Add(1)
		t := &tee{Stream: s, policy: policy}
		err := next(ctx, c, t)
		if err == nil {
			p.keep(key, policy, t.said)
		}
		return err
	}
}

// find returns an answer that is of use, fresh or stale, and its age; nil: there is none. It is looked for
// here, and then in the shared store.
func (p *Cache) find(key callKey, c *rpc.Call) (*keptAnswer, time.Duration) {
	policy := c.Method.Policy.GetCache()
	good := policy.GetTtl().AsDuration() + policy.GetStaleWhileRevalidate().AsDuration()
	if found, ok := p.answers.GetIfPresent(key); ok {
		if age := time.Since(found.since); age < good {
			return found, age
		}
	}
	if found := p.look(key, c); found != nil {
		if age := time.Since(found.since); age < good {
			return found, age
		}
	}
	return nil, 0
}

func cacheKey(ctx context.Context, c *rpc.Call, policy *policyv1.Cache) callKey {
	k := newKeyer(ctx, c, policy.GetShared())
	for _, name := range policy.GetVary() {
		k.values(c, strings.ToLower(name))
	}
	return k.key()
}

// keep remembers an answer, unless the backend says that it is for nobody else.
func (p *Cache) keep(key callKey, policy *policyv1.Cache, answered rpc.Response) {
	said := directives(answered.Header)
	if said["no-store"] || said["no-cache"] {
		return
	}
	kept := &keptAnswer{
		answer: answer{Response: answered},
		since:  time.Now(),
		good:   policy.GetTtl().AsDuration() + policy.GetStaleWhileRevalidate().AsDuration(),
	}
	p.answers.Set(key, kept)
	if policy.GetRedis() {
		p.share(key, kept)
	}
}

// refresh fetches an answer anew, once however many callers find it stale, and not for
// their account: none of them waits for it.
func (p *Cache) refresh(ctx context.Context, key callKey, next rpc.Handler, c *rpc.Call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refreshing[key] || len(p.refreshing) >= maxRefreshes || p.stopped.Err() != nil {
		return
	}
	p.refreshing[key] = true
	ctx, cancel := detached(ctx, c)
	unhook := context.AfterFunc(p.stopped, cancel)
	p.background.Go(func() {
		defer unhook()
		defer cancel()
		if !p.renewedElsewhere(key, c) {
			if a := answerOf(ctx, next, c); a.err == nil {
				p.keep(key, c.Method.Policy.GetCache(), a.Response)
			}
		}
		p.mu.Lock()
		delete(p.refreshing, key)
		p.mu.Unlock()
	})
}

// tellAged says an answer with its age and how long it is good for.
func (a *keptAnswer) tellAged(s rpc.Stream, age time.Duration, policy *policyv1.Cache) error {
	header := withControl(a.Header, policy, policy.GetTtl().AsDuration()-age)
	header[ageKey] = []string{strconv.FormatInt(int64(age/time.Second), 10)}
	return a.tellAs(s, header)
}

// withControl returns a copy of metadata that says how long clients may store the response, unless the backend has
// said that itself, and which request metadata the response depends on. The middleware that knows callers makes
// `public` private where the response is not the same for all of them.
func withControl(header metadata.MD, policy *policyv1.Cache, left time.Duration) metadata.MD {
	header = header.Copy()
	if vary := policy.GetVary(); len(vary) > 0 {
		header[varyKey] = slices.Concat(header[varyKey], vary)
	}
	if len(header.Get(cacheControlKey)) > 0 {
		return header
	}
	said := "private, max-age="
	if policy.GetShared() {
		said = "public, max-age="
	}
	header[cacheControlKey] = []string{said + strconv.FormatInt(int64(max(left, 0)/time.Second), 10)}
	return header
}

// directives are the words of Cache-Control in metadata, without their values.
func directives(md metadata.MD) map[string]bool {
	var words map[string]bool
	for _, line := range md.Get(cacheControlKey) {
		for word := range strings.SplitSeq(line, ",") {
			if words == nil {
				words = make(map[string]bool)
			}
			name, _, _ := strings.Cut(strings.TrimSpace(word), "=")
			words[strings.ToLower(name)] = true
		}
	}
	return words
}

// tee passes an answer on and keeps it.
type tee struct {
	rpc.Stream
	said   rpc.Response
	policy *policyv1.Cache
}

func (t *tee) SendHeader(md metadata.MD) error {
	t.said.Header = md.Copy()
	return t.Stream.SendHeader(withControl(md, t.policy, t.policy.GetTtl().AsDuration()))
}

func (t *tee) Send(m []byte) error {
	t.said.Message = m
	return t.Stream.Send(m)
}

func (t *tee) SetTrailer(md metadata.MD) {
	t.said.Trailer = metadata.Join(t.said.Trailer, md)
	t.Stream.SetTrailer(md)
}
