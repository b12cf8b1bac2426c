package gate

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/protean-gateway/protean/graph"
)

// Bounds of what a [Usage] remembers. What was used longest ago is forgotten first.
const (
	maxUses          = 100_000
	maxDocumentBytes = 16 << 20
	maxAffected      = 20 // clients that a finding names
)

// Usage remembers which clients called which methods and sent which GraphQL documents, so
// that findings can name whom they hurt. A client is whatever name the caller of its methods gives
// it. What was not used for the horizon counts as not used. It is bounded, lives in
// memory only, and is safe for concurrent use; remembering what is known already allocates nothing.
type Usage struct {
	horizon time.Duration

	mu        sync.RWMutex
	uses      map[used]*atomic.Int64 // when it was used last, in Unix seconds
	documents int                    // bytes of documents in uses
}

// used is one client's use of a method, by its path, or of a document, by its text.
type used struct{ client, method, document string }

// NewUsage returns a memory of what was used within the horizon.
func NewUsage(horizon time.Duration) *Usage {
	return &Usage{horizon: horizon, uses: make(map[used]*atomic.Int64)}
}

// Called notes that a client called a method, `/pkg.Service/Method`, on any door at a time, which is now.
func (u *Usage) Called(client, method string, now time.Time) {
	u.note(used{client: client, method: method}, now)
}

// Ran notes that a client ran a GraphQL document.
func (u *Usage) Ran(client, document string) {
	u.note(used{client: client, document: document}, time.Now())
}

func (u *Usage) note(what used, now time.Time) {
	u.mu.RLock()
	last := u.uses[what]
	u.mu.RUnlock()
	if last != nil {
		last.Store(now.Unix())
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.uses[what] != nil || len(what.document) > maxDocumentBytes/16 {
		return
	}
	if len(u.uses) >= maxUses || u.documents+len(what.document) > maxDocumentBytes {
		u.forget()
	}
	last = new(atomic.Int64)
	last.Store(now.Unix())
	u.uses[what] = last
	u.documents += len(what.document)
}

// forget drops the older half.
func (u *Usage) forget() {
	times := make([]int64, 0, len(u.uses))
	for _, last := range u.uses {
		times = append(times, last.Load())
	}
	slices.Sort(times)
	middle := times[len(times)/2]
	for what, last := range u.uses {
		if last.Load() <= middle {
			delete(u.uses, what)
			u.documents -= len(what.document)
		}
	}
}

// Documents returns the documents that were run within the horizon, each with the clients that
// ran it, sorted.
func (u *Usage) Documents() map[string][]string {
	documents := make(map[string][]string)
	u.each(func(what used) {
		if what.document != "" {
			documents[what.document] = append(documents[what.document], what.client)
		}
	})
	for _, clients := range documents {
		slices.Sort(clients)
	}
	return documents
}

// each calls f for all that was used within the horizon.
func (u *Usage) each(f func(used)) {
	oldest := time.Now().Add(-u.horizon).Unix()
	u.mu.RLock()
	defer u.mu.RUnlock()
	for what, last := range u.uses {
		if last.Load() >= oldest {
			f(what)
		}
	}
}

// Affected returns, for each finding, the clients that it concerns: those that call its methods,
// or that run documents which use its element in the graph, sorted, and at most 20 of them. A finding
// that is safe concerns nobody. Where ctx ends on the way its cause is the error.
func (u *Usage) Affected(ctx context.Context, findings []Finding, g *graph.Graph) ([][]string, error) {
	callers := make(map[string][]string)
	u.each(func(what used) {
		if what.method != "" {
			callers[what.method] = append(callers[what.method], what.client)
		}
	})
	users := make(map[string][]string) // by coordinate or by the text of a document
	for document, clients := range u.Documents() {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		users[document] = clients
		for _, coordinate := range g.Coordinates(document) {
			users[coordinate] = append(users[coordinate], clients...)
		}
	}
	affected := make([][]string, len(findings))
	for i, f := range findings {
		if f.Severity == Safe {
			continue
		}
		clients := make(map[string]bool)
		for _, method := range f.Methods {
			add(clients, callers[method])
		}
		if f.Surface == GraphQL {
			add(clients, users[f.Element])
		}
		names := slices.Sorted(maps.Keys(clients))
		affected[i] = names[:min(len(names), maxAffected)]
	}
	return affected, nil
}

func add(to map[string]bool, names []string) {
	for _, name := range names {
		to[name] = true
	}
}
