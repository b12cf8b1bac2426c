package graph

import (
	"container/list"
	"sync"
)

// lru keeps what was used last, up to a sum of costs. It is safe for concurrent use.
type lru[V any] struct {
	limit int

	mu     sync.Mutex
	size   int
	recent *list.List // of *lruEntry[V], the last used in front
	byKey  map[string]*list.Element
}

type lruEntry[V any] struct {
	key   string
	value V
	cost  int
}

func newLRU[V any](limit int) *lru[V] {
	return &lru[V]{limit: limit, recent: list.New(), byKey: make(map[string]*list.Element)}
}

func (c *lru[V]) get(key string) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byKey[key]
	if e == nil {
		return value, false
	}
	c.recent.MoveToFront(e)
	return e.Value.(*lruEntry[V]).value, true
}

// getOrAdd returns the value of a key. Where there is none it is the given one from now on.
func (c *lru[V]) getOrAdd(key string, value V, cost int) V {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.byKey[key]; e != nil {
		c.recent.MoveToFront(e)
		return e.Value.(*lruEntry[V]).value
	}
	c.insert(key, value, cost)
	return value
}

// add keeps a value, unless its key has one, or it alone would push out most of the others.
func (c *lru[V]) add(key string, value V, cost int) {
	if cost > c.limit/8 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byKey[key] != nil {
		return // another request was faster
	}
	c.insert(key, value, cost)
}

// insert puts a value in front and forgets what there is no room for any more. The caller holds mu.
func (c *lru[V]) insert(key string, value V, cost int) {
	c.byKey[key] = c.recent.PushFront(&lruEntry[V]{key, value, cost})
	c.size += cost
	for c.size > c.limit {
		last := c.recent.Remove(c.recent.Back()).(*lruEntry[V])
		delete(c.byKey, last.key)
		c.size -= last.cost
	}
}
