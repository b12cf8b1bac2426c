package rpc

import (
	"sync"

	"github.com/protean-gateway/protean/wire"
)

// Denied collects the fields that a policy keeps from the caller of one or more
// calls, for doors that say so where a client asked for one. It is safe for
// concurrent use; its zero value is empty.
type Denied struct {
	mu     sync.RWMutex
	fields map[*wire.Field]struct{}
}

// Add adds fields. On nil it does nothing.
func (d *Denied) Add(fields []*wire.Field) {
	if d == nil || len(fields) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fields == nil {
		d.fields = make(map[*wire.Field]struct{}, len(fields))
	}
	for _, f := range fields {
		d.fields[f] = struct{}{}
	}
}

// Has reports whether a field was added.
func (d *Denied) Has(f *wire.Field) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	_, ok := d.fields[f]
	return ok
}

// Empty reports whether no field was added.
func (d *Denied) Empty() bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return len(d.fields) == 0
}
