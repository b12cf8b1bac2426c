package graph

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/vektah/gqlparser/v2/ast"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/wire"
)

// lookup is a root field whose objects are fetched by keys that the client gives: `_entities` and `node`.
type lookup struct {
	argument *ast.Value // the representations, or the id
	sets     []ast.SelectionSet

	mu      sync.Mutex
	outputs map[string]plannedOutput // by type, as they are asked for
}

type plannedOutput struct {
	output output
	err    error
}

// outputOf plans how objects of an entity are written. That depends on nothing that
// the plan does not depend on, but a graph may have more types than an operation asks for.
func (l *lookup) outputOf(p *planner, e *entity) (output, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	planned, ok := l.outputs[e.typeName]
	if !ok {
		planned.output, planned.err = p.result(e.join, l.sets)
		l.outputs[e.typeName] = planned
	}
	return planned.output, planned.err
}

// found is what a lookup found.
type found struct {
	slots  []slot
	groups []*foundGroup
}

// slot is one object that the client asked for.
type slot struct {
	group *foundGroup // nil: err says why
	key   int         // among those of the group's wave
	err   error
}

// foundGroup are the objects of one entity, fetched together.
type foundGroup struct {
	entity *entity
	joined *joined
	err    error
}

// look fetches the objects of a lookup: those of one entity in batches. It notes what is to be joined to them.
func (x *execution) look(ctx context.Context, f *rootField, a *answer) error {
	out := &found{}
	a.found = out
	v, _ := x.operation.variables.resolve(value{literal: f.lookup.argument})
	if f.kind == rootNode {
		out.slots = []slot{out.node(x, v)}
	} else {
		out.representations(x, v)
	}
	x.each(len(out.groups), func(i int) {
		g := out.groups[i]
		g.err = x.protect(ctx, func() error { return x.fetchGroup(ctx, f.lookup, g) })
	})
	for _, g := range out.groups {
		if g.err != nil {
			continue
		}
		if g.joined.site = g.joined.results(); g.joined.site != nil {
			a.sites = append(a.sites, g.joined.site)
		}
	}
	return nil
}

func (x *execution) fetchGroup(ctx context.Context, l *lookup, g *foundGroup) error {
	p := &planner{graph: x.graph, conditions: &conditions{variables: x.operation.variables, schema: x.graph.schema}}
	out, err := l.outputOf(p, g.entity)
	if err != nil {
		return err
	}
	g.joined.selected = &joinOutput{join: g.entity.join, output: out}
	g.joined.wave.selections = []*joinOutput{g.joined.selected}
	x.fetchWave(ctx, g.joined.wave)
	return nil
}

// add returns the slot of a key.
func (o *found) add(e *entity, key wire.Value) slot {
	i := slices.IndexFunc(o.groups, func(g *foundGroup) bool { return g.entity == e })
	if i < 0 {
		i = len(o.groups)
		o.groups = append(o.groups, &foundGroup{entity: e, joined: &joined{wave: newWave(e.join)}})
	}
	g := o.groups[i]
	n := g.joined.wave.indexOf(key)
	g.joined.keyOf = append(g.joined.keyOf, n)
	return slot{group: g, key: n}
}

func badSlot(format string, args ...any) slot {
	return slot{err: status.Errorf(codes.InvalidArgument, format, args...)}
}

// node finds the slot of an id.
func (o *found) node(x *execution, v value) slot {
	id, err := scalarID.read(v)
	if err != nil {
		return badSlot("%s", err.Error())
	}
	typeName, text, err := parseGlobalID(id)
	if err != nil {
		return badSlot("%s", err.Error())
	}
	e := x.graph.nodes[typeName]
	if e == nil {
		return badSlot("the id is none that this graph gave")
	}
	key, err := e.parts[0].parse(text)
	if err != nil {
		return badSlot("%s", err.Error())
	}
	return o.add(e, key)
}

// representations finds the slots of a list of representations; a value that is no list is its only element.
func (o *found) representations(x *execution, v value) {
	n, ok := v.isList()
	if !ok {
		o.slots = []slot{o.representation(x, v)}
		return
	}
	o.slots = make([]slot, n)
	for i, element := range v.elements() {
		element, _ = x.operation.variables.resolve(element)
		o.slots[i] = o.representation(x, element)
	}
}

// representation finds the slot of an object with a type's name and a key.
func (o *found) representation(x *execution, v value) slot {
	if !v.isObject() {
		return badSlot("a representation must be an object, not %s", v)
	}
	typeName, _ := x.given(v, "__typename").text()
	entities := x.graph.entities[typeName]
	if entities == nil {
		return badSlot("a representation's __typename must be that of an entity, not %q", shortened(typeName))
	}
	for _, e := range entities {
		if !x.hasKey(v, e) {
			continue
		}
		key, err := x.keyOf(v, e)
		if err != nil {
			return badSlot("%s.%s", typeName, err.Error())
		}
		return o.add(e, key)
	}
	return badSlot("a representation of %s must have a key: %s", typeName, entities[0].fields)
}

// hasKey reports whether a representation has all fields of an entity's key.
func (x *execution) hasKey(representation value, e *entity) bool {
	for _, p := range e.parts {
		if x.at(representation, p.field).isNull() {
			return false
		}
	}
	return true
}

// keyOf returns the key that a representation has.
func (x *execution) keyOf(representation value, e *entity) (wire.Value, error) {
	if c := e.join.composite; c != nil {
		return x.composite(c, representation)
	}
	p := &e.parts[0]
	key, err := p.read(x.at(representation, p.field))
	if err != nil {
		err = fmt.Errorf("%s: %w", p.field, err)
	}
	return key, err
}

// given returns a field of an object, null where it was not given.
func (x *execution) given(object value, name string) value {
	v, ok := object.field(name)
	if ok {
		v, ok = x.operation.variables.resolve(v)
	}
	if !ok {
		return value{}
	}
	return v
}
