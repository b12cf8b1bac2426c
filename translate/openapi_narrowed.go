package translate

import (
	"context"
	"slices"
	"sync"

	"github.com/protean-gateway/protean/schema"
)

// How many narrowed documents are kept, and in how many bytes. Callers differ in few ways: their scopes and roles.
const (
	maxNarrowedDocuments = 16
	maxNarrowedBytes     = 64 << 20
)

// narrowedDocuments are documents of some of a snapshot's methods, by which these are: callers that may call the same
// share one, and it is built once, however many ask at once. Those that were asked for last are kept. Names of
// operations and schemas are given as if there were no other methods.
type narrowedDocuments struct {
	visible func(context.Context, *schema.Method) bool
	methods []*schema.Method
	build   func(shown func(*schema.Method) bool) ([]byte, error)

	mu   sync.Mutex
	kept []narrowedDocument // asked for last in front

	building sync.Mutex // one at a time, so that they do not need the memory of many
}

type narrowedDocument struct {
	set schema.MethodSet
	*openDocument
}

func newNarrowedDocuments(snap *schema.Snapshot, rest *REST, o OpenAPIOptions) *narrowedDocuments {
	n := &narrowedDocuments{visible: o.Visible}
	for _, s := range snap.Services {
		n.methods = append(n.methods, s.Methods...)
	}
	n.build = func(shown func(*schema.Method) bool) ([]byte, error) {
		n.building.Lock()
		defer n.building.Unlock()
		return newOpenBuilder(snap, o, shown).document(rest)
	}
	return n
}

// of returns the document for the caller of ctx, which is the whole one where everything is.
func (n *narrowedDocuments) of(ctx context.Context, whole *openDocument) *openDocument {
	set, all := schema.MethodsWith(n.methods, func(m *schema.Method) bool { return n.visible(ctx, m) })
	if all {
		return whole
	}
	return n.get(set)
}

func (n *narrowedDocuments) get(set schema.MethodSet) *openDocument {
	n.mu.Lock()
	defer n.mu.Unlock()
	var one narrowedDocument
	if i := slices.IndexFunc(n.kept, func(d narrowedDocument) bool { return d.set == set }); i >= 0 {
		one = n.kept[i]
		n.kept = slices.Delete(n.kept, i, i+1)
	} else {
		one = narrowedDocument{set, newOpenDocument(func() ([]byte, error) {
			shown, _ := set.Split(n.methods)
			return n.build(func(m *schema.Method) bool { return shown[m] })
		})}
	}
	n.kept = slices.Insert(n.kept, 0, one)
	n.forget()
	return one.openDocument
}

// forget keeps the bounds. The document in front is always kept.
func (n *narrowedDocuments) forget() {
	size := int64(0)
	for i, d := range n.kept {
		size += d.size.Load()
		if i > 0 && (i >= maxNarrowedDocuments || size > maxNarrowedBytes) {
			n.kept = slices.Delete(n.kept, i, len(n.kept))
			return
		}
	}
}
