package translate

import "sync"

// memo keeps what was compiled from texts of clients. It is bounded: once full
// it stays as it is, and what else is asked for is compiled each time. A client can
// so waste its room, but neither grow it nor drive anything out.
type memo[V any] struct {
	limit int // of values

	mu     sync.RWMutex
	values map[string]V
}

// get returns the value for a text, compiled at most once where there is room.
// Texts that do not compile are not kept.
func (m *memo[V]) get(text string, compile func(string) (V, error)) (V, error) {
	m.mu.RLock()
	v, ok := m.values[text]
	m.mu.RUnlock()
	if ok {
		return v, nil
	}
	v, err := compile(text)
	if err != nil {
		return v, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.values == nil {
		m.values = make(map[string]V)
	}
	if len(m.values) < m.limit {
		m.values[text] = v
	}
	return v, nil
}
