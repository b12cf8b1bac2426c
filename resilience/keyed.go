package resilience

import (
	"iter"
	"maps"
	"sync"
	"sync/atomic"
)

// keyed keeps a policy's state by the names of backends or methods, so that it
// survives a reload. Finding what is there takes no lock and no memory. The zero value is empty.
type keyed[K comparable, T any] struct {
	current atomic.Pointer[map[K]*T] // never written to once stored
	mu      sync.Mutex               // held while something is added
}

// of returns the state of a name, which is new where there was none.
func (k *keyed[K, T]) of(name K) *T {
	if state := k.find(name); state != nil {
		return state
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if state := k.find(name); state != nil {
		return state
	}
	next := make(map[K]*T)
	if m := k.current.Load(); m != nil {
		maps.Copy(next, *m)
	}
	next[name] = new(T)
	k.current.Store(&next)
	return next[name]
}

// find returns the state of a name, or nil.
func (k *keyed[K, T]) find(name K) *T {
	m := k.current.Load()
	if m == nil {
		return nil
	}
	return (*m)[name]
}

// all returns all names and their states, in no order.
func (k *keyed[K, T]) all() iter.Seq2[K, *T] {
	m := k.current.Load()
	if m == nil {
		return func(func(K, *T) bool) {}
	}
	return maps.All(*m)
}

// methodName names a method of a backend.
type methodName struct{ backend, path string }
