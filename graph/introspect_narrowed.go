package graph

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/protean-gateway/protean/schema"
)

// maxNarrowedSchemas bounds how many narrowed schemas are kept. Callers differ in few ways: their scopes and roles.
const maxNarrowedSchemas = 16

// narrowedSchemas are what introspection shows of a graph to callers for whom some of its methods are not, by which
// these are: callers that may call the same share one, and it is made once, however many ask at once.
type narrowedSchemas struct {
	graph   *Graph
	visible func(context.Context, *schema.Method) bool
	methods func() []*schema.Method // that some field calls, each once
	joined  []joinedField
	kept    *lru[func() *shownSchema] // by [schema.MethodSet]
}

func newNarrowedSchemas(g *Graph, joined []joinedField, visible func(context.Context, *schema.Method) bool) *narrowedSchemas {
	n := &narrowedSchemas{graph: g, visible: visible, joined: joined, kept: newLRU[func() *shownSchema](maxNarrowedSchemas)}
	n.methods = sync.OnceValue(n.called)
	return n
}

// called returns the methods that fields call.
func (n *narrowedSchemas) called() []*schema.Method {
	seen := make(map[*schema.Method]bool)
	for _, roots := range n.graph.roots {
		for _, r := range roots {
			seen[r.method] = true
		}
	}
	for _, j := range n.joined {
		seen[j.method] = true
	}
	for _, entities := range n.graph.entities {
		for _, e := range entities {
			seen[e.join.method] = true
		}
	}
	return slices.Collect(maps.Keys(seen))
}

// shownTo returns what introspection shows to the caller of ctx.
func (g *Graph) shownTo(ctx context.Context) *shownSchema {
	if g.narrowed == nil {
		return g.shown
	}
	return g.narrowed.of(ctx)
}

func (n *narrowedSchemas) of(ctx context.Context) *shownSchema {
	set, all := schema.MethodsWith(n.methods(), func(m *schema.Method) bool { return n.visible(ctx, m) })
	if all {
		return n.graph.shown
	}
	made := sync.OnceValue(func() *shownSchema {
		_, hidden := set.Split(n.methods())
		return newShownSchema(n.graph.narrow(n.joined, hidden))
	})
	return n.kept.getOrAdd(string(set), made, 1)()
}

// narrowing makes a schema of what callers reach that may not call some methods. Types of which nothing is left out are
// shared with the whole schema, which others read: nothing of it is changed.
type narrowing struct {
	whole  *ast.Schema
	out    *ast.Schema
	less   map[string]map[string]bool // fields that are left out, by type
	member map[string]bool            // what is left of the types that are fetched by a key, for supergraphs
	queue  []*ast.Definition
}

// narrow returns the schema less the fields that call hidden methods, and less the types that nothing else leads to.
func (g *Graph) narrow(joined []joinedField, hidden map[*schema.Method]bool) *ast.Schema {
	common := prelude()
	n := &narrowing{
		whole: g.schema,
		out: &ast.Schema{
			Types: make(map[string]*ast.Definition), Directives: g.schema.Directives,
			PossibleTypes: make(map[string][]*ast.Definition), Description: g.schema.Description,
		},
		less:   make(map[string]map[string]bool),
		member: make(map[string]bool),
	}
	n.leaveOut(g, joined, hidden)
	for name := range common.Types {
		n.reach(name)
	}
	for _, root := range []struct {
		whole *ast.Definition
		shown **ast.Definition
	}{
		{g.schema.Query, &n.out.Query}, {g.schema.Mutation, &n.out.Mutation}, {g.schema.Subscription, &n.out.Subscription},
	} {
		if root.whole != nil && (root.whole == g.schema.Query || len(n.fieldsOf(root.whole)) > 0) {
			n.reach(root.whole.Name)
			*root.shown = n.out.Types[root.whole.Name]
		}
	}
	if n.shows(g.schema.Query, nodeField) && g.roots[ast.Query][nodeField] == nil {
		for name, e := range g.nodes {
			if !hidden[e.join.method] {
				n.reach(name)
			}
		}
	}
	for len(n.queue) > 0 {
		def := n.queue[0]
		n.queue = n.queue[1:]
		n.follow(def)
	}
	n.relate()
	return n.out
}

// leaveOut notes the fields that call hidden methods only.
func (n *narrowing) leaveOut(g *Graph, joined []joinedField, hidden map[*schema.Method]bool) {
	for _, o := range operations {
		for name, r := range g.roots[o.ast] {
			n.drop(o.name, name, hidden[r.method])
		}
	}
	for _, j := range joined {
		n.drop(j.typeName, j.field, hidden[j.method])
	}
	for _, j := range joined { // a backend whose method is visible is enough
		if !hidden[j.method] {
			delete(n.less[j.typeName], j.field)
		}
	}
	fetched := false
	for _, e := range g.nodes {
		fetched = fetched || !hidden[e.join.method]
	}
	if g.roots[ast.Query][nodeField] == nil {
		n.drop(g.schema.Query.Name, nodeField, !fetched)
	}
	for name, entities := range g.entities {
		n.member[name] = slices.ContainsFunc(entities, func(e *entity) bool { return !hidden[e.join.method] })
	}
	if g.options.Federation {
		n.drop(g.schema.Query.Name, entitiesField, len(n.membersOf(g.schema.Types[entityType])) == 0)
	}
}

func (n *narrowing) drop(typeName, field string, hidden bool) {
	if !hidden {
		return
	}
	if n.less[typeName] == nil {
		n.less[typeName] = make(map[string]bool)
	}
	n.less[typeName][field] = true
}

// shows reports whether a type has a field that is shown.
func (n *narrowing) shows(def *ast.Definition, field string) bool {
	return def.Fields.ForName(field) != nil && !n.less[def.Name][field]
}

func (n *narrowing) fieldsOf(def *ast.Definition) ast.FieldList {
	less := n.less[def.Name]
	if len(less) == 0 {
		return def.Fields
	}
	return slices.DeleteFunc(slices.Clone(def.Fields), func(f *ast.FieldDefinition) bool { return less[f.Name] })
}

// membersOf returns the members of a union: of the types that supergraphs fetch by a key, those that the caller may fetch.
func (n *narrowing) membersOf(def *ast.Definition) []string {
	if def == nil {
		return nil
	}
	if def.Name != entityType || def.Kind != ast.Union {
		return def.Types
	}
	return slices.DeleteFunc(slices.Clone(def.Types), func(name string) bool { return !n.member[name] })
}

// reach takes in a type, and what it leads to in its turn.
func (n *narrowing) reach(name string) {
	def := n.whole.Types[name]
	if def == nil || n.out.Types[name] != nil {
		return
	}
	if fields, members := n.fieldsOf(def), n.membersOf(def); len(fields) < len(def.Fields) || len(members) < len(def.Types) {
		narrowed := *def
		narrowed.Fields, narrowed.Types = fields, members
		def = &narrowed
	}
	n.out.Types[name] = def
	n.queue = append(n.queue, def)
}

func (n *narrowing) follow(def *ast.Definition) {
	for _, f := range def.Fields {
		n.reach(f.Type.Name())
		for _, a := range f.Arguments {
			n.reach(a.Type.Name())
		}
	}
	for _, name := range def.Interfaces {
		n.reach(name)
	}
	for _, name := range def.Types {
		n.reach(name)
	}
}

// relate enters the types where those of which they are one are looked up.
func (n *narrowing) relate() {
	for name, def := range n.out.Types {
		for _, possible := range n.whole.PossibleTypes[name] {
			shown := n.out.Types[possible.Name]
			if shown != nil && (def.Kind != ast.Union || slices.Contains(def.Types, possible.Name)) {
				n.out.PossibleTypes[name] = append(n.out.PossibleTypes[name], shown)
			}
		}
	}
}
