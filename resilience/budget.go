package resilience

import (
	"sync"
	"time"
)

// The budget of retries: at most this share of the calls of the last seconds, and
// this many a second on top, so that a backend with few calls has some too.
const (
	budgetShare   = 5 // one retry for so many calls
	budgetRate    = 10
	budgetSeconds = 10
)

// budget bounds the retries of one backend over a sliding window. A backend that
// fails altogether then gets 1.2 times its calls and 10 more a second, not a multiple of them.
// The zero value is ready for use and safe for concurrent use.
type budget struct {
	mu             sync.Mutex
	start          time.Time
	second         int // of the newest bucket, counted from start
	buckets        [budgetSeconds]struct{ calls, retries int }
	calls, retries int // of all buckets
}

// deposit counts a call.
func (b *budget) deposit() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buckets[b.turn()].calls++
	b.calls++
}

// withdraw counts a retry, unless there are too many.
func (b *budget) withdraw() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.turn()
	if b.left() <= 0 {
		return false
	}
	b.buckets[now].retries++
	b.retries++
	return true
}

// left is how many retries there may be now. The caller holds mu, after turn.
func (b *budget) left() int {
	return b.calls/budgetShare + budgetRate*min(budgetSeconds, b.second+1) - b.retries
}

// remaining is how many retries there may be now.
func (b *budget) remaining() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn()
	return max(b.left(), 0)
}

// turn empties the buckets of seconds that are too old and returns the current one.
func (b *budget) turn() int {
	if b.start.IsZero() {
		b.start = time.Now()
	}
	second := int(time.Since(b.start) / time.Second)
	for ; b.second < second && b.calls+b.retries > 0; b.second++ {
		old := &b.buckets[(b.second+1)%budgetSeconds]
		b.calls -= old.calls
		b.retries -= old.retries
		old.calls, old.retries = 0, 0
	}
	b.second = second
	return second % budgetSeconds
}
