package resilience

import (
	"hash/maphash"
	"sync"
	"time"
)

// What a gateway remembers by itself.
const (
	rateShards  = 64
	maxRateKeys = 1 << 20 // callers, in all
)

// localRates remembers callers in memory. It is bounded: where there are more callers than
// it may remember, and none that is idle, newcomers of a scope share one budget. The zero
// value is empty and safe for concurrent use.
type localRates[K comparable] struct {
	once   sync.Once
	start  time.Time
	seed   maphash.Seed
	shards [rateShards]rateShard[K]
}

type rateShard[K comparable] struct {
	mu    sync.Mutex
	times map[K]int64
	_     [40]byte // keeps the locks of shards on lines of their own
}

// take decides about a call of a caller; others is who it is where it cannot be remembered.
func (l *localRates[K]) take(k, others K, r rate) decision {
	l.once.Do(l.init)
	now := int64(time.Since(l.start)) + 1
	shard := &l.shards[maphash.Comparable(l.seed, k)%rateShards]
	shard.mu.Lock()
	remembered, known := shard.times[k]
	if !known && len(shard.times) >= maxRateKeys/rateShards && !shard.forget(now) {
		shard.mu.Unlock()
		shard = &l.shards[maphash.Comparable(l.seed, others)%rateShards]
		k = others
		shard.mu.Lock()
		remembered = shard.times[k]
	}
	defer shard.mu.Unlock()
	d, next := r.take(now, remembered)
	if next != remembered {
		shard.times[k] = next
	}
	return d
}

func (l *localRates[K]) init() {
	l.start, l.seed = time.Now(), maphash.MakeSeed()
	for i := range l.shards {
		l.shards[i].times = make(map[K]int64)
	}
}

// forgetAtOnce is how many callers are looked at to make place for one.
const forgetAtOnce = 32

// forget drops callers that are idle: what is in the past says no more than nothing. It looks at
// some at a time, in no order, and reports whether it found one.
func (s *rateShard[K]) forget(now int64) bool {
	looked, found := 0, false
	for k, t := range s.times {
		if t <= now {
			delete(s.times, k)
			found = true
		}
		if looked++; looked == forgetAtOnce {
			break
		}
	}
	return found
}

// len returns how many callers are remembered.
func (l *localRates[K]) len() int {
	n := 0
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		n += len(s.times)
		s.mu.Unlock()
	}
	return n
}
