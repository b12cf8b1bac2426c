package store

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
)

// InMemory returns a store that keeps nothing beyond its own life.
func InMemory() *Store {
	return &Store{place: &memory{
		values:   make(map[string][]byte),
		contents: make(map[string][]byte),
		changed:  make(chan struct{}, 1),
	}}
}

type memory struct {
	mu       sync.RWMutex
	values   map[string][]byte
	contents map[string][]byte
	changed  chan struct{}
}

// memoryTx collects what is put, so that an error leaves nothing.
type memoryTx struct {
	values map[string][]byte
	puts   map[string][]byte
}

func (t memoryTx) get(key string) ([]byte, error) { return t.values[key], nil }

func (t memoryTx) put(key string, value []byte) error {
	t.puts[key] = value
	return nil
}

func (m *memory) update(_ context.Context, do func(tx) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := memoryTx{values: m.values, puts: make(map[string][]byte)}
	if err := do(t); err != nil {
		return err
	}
	maps.Copy(m.values, t.puts)
	if len(t.puts) > 0 {
		signal(m.changed)
	}
	return nil
}

func (m *memory) get(_ context.Context, key string) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.values[key], nil
}

func (m *memory) last(_ context.Context, prefix, before string, limit int) ([][]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var keys []string
	for key := range m.values {
		if strings.HasPrefix(key, prefix) && (before == "" || key < before) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	slices.Reverse(keys)
	if limit > 0 && len(keys) > limit {
		keys = keys[:limit]
	}
	values := make([][]byte, len(keys))
	for i, key := range keys {
		values[i] = m.values[key]
	}
	return values, nil
}

func (m *memory) putContent(_ context.Context, digest string, content []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.contents[digest] = content
	return nil
}

func (m *memory) content(_ context.Context, digest string) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.contents[digest], nil
}

func (m *memory) changes() <-chan struct{} { return m.changed }

func (m *memory) close() error { return nil }

// signal leaves one value in a channel that holds one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
