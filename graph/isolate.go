package graph

import (
	"slices"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/protean-gateway/protean/schema"
)

const omittedFromGraph = "the graph is served without this backend, because it cannot be built with it"

// build makes the types of a snapshot and a schema of them. If they do not form a valid schema, or building them panics, which
// is a defect of this package, the backends at fault are omitted.
func build(snap *schema.Snapshot, o Options) (*builder, *ast.Schema) {
	b := newBuilder(snap, o)
	var s *ast.Schema
	err := schema.Guard(func() (err error) {
		s, err = b.assemble()
		return err
	})
	switch {
	case err == nil:
		return b, s
	case b.abandoned():
		return b, b.empty()
	}
	return isolate(snap, o)
}

// isolate is build without the backends at fault.
func isolate(snap *schema.Snapshot, o Options) (*builder, *ast.Schema) {
	var b *builder
	var s *ast.Schema
	backends := slices.Concat(snap.Groups...)
	_, faults, err := schema.Isolate(backends, func(part []*schema.Backend) (err error) {
		b = newBuilder(snap, o)
		b.omit(backends, part)
		b.buildOwn()
		s, err = assemble(nil, slices.Concat(b.rootTypes(), b.order))
		return err
	})
	if err != nil {
		b = newBuilder(snap, o)
		b.refuse(nil, "the GraphQL schema cannot be built: %s", err.Error())
		s = b.empty()
	}
	b.noteFaults(faults)
	return b, s
}

// omit excludes the backends that are not among those kept.
func (b *builder) omit(backends, kept []*schema.Backend) {
	for _, backend := range backends {
		if !slices.Contains(kept, backend) {
			b.omitted[backend] = true
		}
	}
	b.services = slices.DeleteFunc(slices.Clone(b.services), func(s *schema.Service) bool { return b.omitted[s.Backend] })
	if b.resources != nil {
		b.resources = findResources(b.services)
	}
}

func (b *builder) noteFaults(faults []schema.Fault[*schema.Backend]) {
	for _, f := range faults {
		b.faulty = append(b.faulty, f.Part.Name)
		b.problems = append(b.problems, f.Problem(f.Part.Name, omittedFromGraph))
	}
}

// Omitted returns the names of the backends that are not in the graph because it could not be built with them. A problem
// describes the cause for each.
func (g *Graph) Omitted() []string { return g.omitted }
