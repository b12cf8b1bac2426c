package graph

import (
	"slices"
	"sync"

	"github.com/vektah/gqlparser/v2/ast"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/schema"
)

// group is what the graph has of backends that have nothing to do with others, see [schema.Snapshot.Groups]. It is immutable
// but for its names, and the graphs of many snapshots share it.
type group struct {
	backends []*schema.Backend
	names    *schema.Names // of the last snapshot that it was fit for
	floats   bool          // [Options.NullableFloats]

	definitions []*ast.Definition // without the root types
	pageInfo    *ast.Definition
	roots       []*root
	joined      []joinedField
	enums       map[string]enumNames
	problems    []schema.Problem
	faulty      []string // backends that are omitted, because the group cannot be built with them
	fault       error    // why the group cannot be built even without its backends
}

// groupKey is where the groups of which a backend is the first are kept with it.
type groupKey struct{}

// keptGroups are those of the last graphs: of what is served, and of what is judged.
type keptGroups struct {
	mu   sync.Mutex
	list []*group
}

const mostKeptGroups = 2

// isWhole reports whether the graph cannot be made group by group: what identifies an object, and so where else it is
// fetched, may lie in any backend.
func (b *builder) isWhole() bool {
	return b.options.JoinsAIP || b.options.Relay || b.options.Federation
}

// mergeGroups makes the types of all groups those of the builder. It reports whether no two of them are of the same
// name, which the lock of names sees to, but for types that it does not know.
func (b *builder) mergeGroups() (fits bool, err error) {
	byMethod := make(map[*schema.Method]*root, len(b.snap.Methods))
	for _, backends := range b.snap.Groups {
		if b.abandoned() {
			return true, nil
		}
		g := b.groupOf(backends)
		if g.fault != nil {
			return true, g.fault
		}
		if !b.take(g) {
			return false, nil
		}
		for _, r := range g.roots {
			byMethod[r.method] = r
		}
	}
	for _, s := range b.snap.Services {
		for _, m := range s.Methods {
			r := byMethod[m]
			if r == nil {
				continue
			}
			o, _ := operationOf(m)
			if b.roots[o][r.definition.Name] != nil {
				return false, nil
			}
			b.enterRoot(o, r)
		}
	}
	return true, nil
}

// take adds the definitions of a group. Scalars, and what says where a page ends, are the same in each.
func (b *builder) take(g *group) (fits bool) {
	for _, def := range g.definitions {
		switch have := b.definitions[def.Name]; {
		case have == nil:
			b.define(def)
		case have.Kind == ast.Scalar && def.Kind == ast.Scalar, def == g.pageInfo && have == b.pageInfo:
		default:
			return false
		}
	}
	if b.pageInfo == nil {
		b.pageInfo = g.pageInfo
	}
	for name, values := range g.enums {
		b.enums[name] = values
	}
	b.joined = append(b.joined, g.joined...)
	b.problems = append(b.problems, g.problems...)
	b.faulty = append(b.faulty, g.faulty...)
	return true
}

// groupOf returns the group of backends, made anew where it is not kept.
func (b *builder) groupOf(backends []*schema.Backend) *group {
	kept := backends[0].Derived(groupKey{}, func() any { return new(keptGroups) }).(*keptGroups)
	kept.mu.Lock()
	defer kept.mu.Unlock()
	for _, g := range kept.list {
		if g.floats == b.options.NullableFloats && slices.Equal(g.backends, backends) && b.sameNames(g) {
			g.names = b.snap.Names
			return g
		}
	}
	g := b.makeGroup(backends)
	if !b.abandoned() && g.pageInfo == nil { // which may be the name of any other backend's type
		kept.list = append([]*group{g}, kept.list...)
		kept.list = kept.list[:min(len(kept.list), mostKeptGroups)]
	}
	return g
}

// sameNames reports whether everything in a group goes by the names that it has.
func (b *builder) sameNames(g *group) bool {
	if g.names == b.snap.Names {
		return true
	}
	differing, known := b.differing[g.names]
	if !known {
		differing = g.names.Differing(b.snap.Names)
		b.differing[g.names] = differing
	}
	for _, name := range differing {
		for _, backend := range g.backends {
			if _, err := backend.Files.FindDescriptorByName(protoreflect.FullName(name)); err == nil {
				return false
			}
		}
	}
	return true
}

// makeGroup returns the group of backends, less those with which it cannot be built.
func (b *builder) makeGroup(backends []*schema.Backend) *group {
	var g *group
	try := func(part []*schema.Backend) error {
		g = b.buildGroup(backends, part)
		return checkTypes(g.definitions)
	}
	err := schema.Guard(func() error { return try(backends) })
	switch {
	case err == nil:
		return g
	case b.abandoned():
		return &group{}
	}
	_, faults, err := schema.Isolate(backends, try)
	if err != nil {
		return &group{backends: backends, names: b.snap.Names, fault: err}
	}
	for _, f := range faults {
		g.faulty = append(g.faulty, f.Part.Name)
		g.problems = append(g.problems, f.Problem(f.Part.Name, omittedFromGraph))
	}
	return g
}

// buildGroup returns a group with what some of its backends have.
func (b *builder) buildGroup(backends, part []*schema.Backend) *group {
	one := newBuilder(b.snap, b.options)
	one.services = nil
	for _, backend := range backends {
		one.services = append(one.services, backend.Services...)
	}
	one.omit(backends, part)
	one.buildOwn()
	g := &group{
		backends: backends, names: b.snap.Names, floats: b.options.NullableFloats,
		definitions: one.order, pageInfo: one.pageInfo, enums: one.enums, problems: one.problems,
		joined: one.joined,
	}
	for _, o := range operations {
		g.roots = append(g.roots, one.rootOrder[o.ast]...)
	}
	return g
}
