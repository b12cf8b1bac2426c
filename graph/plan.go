package graph

import (
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/protean-gateway/protean/wire"
)

// plan is an operation made ready to run, for one outcome of its @skip and
// @include. It is immutable and safe for concurrent use.
type plan struct {
	operation ast.Operation
	fields    []*rootField
	calls     int // of root fields
	// introspects is where the plan asks for the schema; nil: it does not.
	introspects *ast.Position
	// describes is whether a field is answered from the schema itself: by introspection, or as _service.
	describes bool
	// measured is the size of introspection that was measured last; it is nil if that depends on variables.
	measured *atomic.Pointer[measuredSchema]
	// single: there is one field, and nothing is fetched but the answer of its method.
	single bool
	// together are the fields of a query, as indices, that fetch in common: they have joins in common.
	together [][]int
}

// rootField is a selected field of a root type.
type rootField struct {
	key  string
	name string
	at   *ast.Position
	kind rootKind
	// definition of the field in its root type.
	definition *ast.FieldDefinition
	// root, argument and output are of rootCall.
	root     *root
	argument argument
	output   output
	// described is what __schema, __type or _service selects.
	described  *describedObject
	typeName   *ast.Value      // the argument of __type
	lookup     *lookup         // of rootEntities and rootNode
	connection *connectionPlan // nil: the method is none
}

// calls reports whether the field makes calls.
func (f *rootField) calls() bool { return f.kind == rootCall || f.lookup != nil }

// single reports whether nothing is fetched but the answer of the field's method.
func (f *rootField) single() bool {
	return f.kind == rootCall && f.connection == nil && len(f.output.joins) == 0
}

type rootKind uint8

const (
	rootCall     rootKind = iota // calls a method
	rootTypename                 // __typename
	rootSchema                   // __schema
	rootType                     // __type
	rootDigest                   // the field that stands in for queries
	rootService                  // _service of a subgraph
	rootEntities                 // _entities of a subgraph
	rootNode                     // node of Relay
)

// output is how messages of one type are written: those of a root field, or the results of a join.
type output struct {
	projection *wire.Projection
	joins      []*joinOutput // their number in the projection is their index
	// paths and mask are of a join whose method takes a read mask: the paths of what is selected, and those encoded.
	paths []string
	mask  []byte
}

// joinOutput is a selected join, or the id of an object, which is written like one.
type joinOutput struct {
	join   *join  // nil for global
	path   string // of response keys, from the output that it belongs to
	output output
	global *globalID // nil for join
}

// key leads from the parent to what is asked for.
func (j *joinOutput) key() *wire.Path {
	if j.global != nil {
		return j.global.key
	}
	return j.join.key
}

// planner makes a plan.
type planner struct {
	graph      *Graph
	conditions *conditions
	varies     bool // the size of introspection depends on variables
}

// plan makes a plan of an operation that passed validation.
func (p *planner) plan(op *ast.OperationDefinition) (*plan, *gqlerror.Error) {
	out := &plan{operation: op.Operation}
	for _, group := range collect([]ast.SelectionSet{op.SelectionSet}, p.graph.typeOf(op.Operation), p.conditions) {
		f, err := p.rootField(op.Operation, group)
		if err != nil {
			return nil, withCode(gqlerror.ErrorPosf(group.first().Position, "the field cannot be planned"), codeInternal)
		}
		if f.calls() {
			out.calls++
		}
		if f.kind == rootSchema || f.kind == rootType {
			out.introspects = f.at
		}
		out.describes = out.describes || f.describes()
		out.fields = append(out.fields, f)
	}
	if out.introspects != nil && p.graph.options.IntrospectionDisabled {
		return nil, withCode(gqlerror.ErrorPosf(out.introspects, "Introspection is turned off."), codeValidation)
	}
	if out.describes && !p.varies {
		out.measured = new(atomic.Pointer[measuredSchema])
	}
	out.together = together(out.fields)
	out.single = len(out.fields) == 1 && out.fields[0].single()
	if out.calls > p.graph.options.MaxCalls {
		return nil, refusal("the operation makes more than %d calls", p.graph.options.MaxCalls)
	}
	if op.Operation == ast.Subscription && out.calls != 1 {
		return nil, refusal("a subscription must select one field, whatever the variables")
	}
	return out, nil
}

func (p *planner) rootField(o ast.Operation, group *fieldGroup) (*rootField, error) {
	first := group.first()
	f := &rootField{key: group.key, name: first.Name, at: first.Position, definition: first.Definition}
	switch f.name {
	case "__typename":
		f.kind = rootTypename
	case "__schema":
		f.kind, f.described = rootSchema, p.described(group)
	case "__type":
		f.kind, f.described, f.typeName = rootType, p.described(group), first.Arguments.ForName("name").Value
		p.varies = p.varies || f.typeName.Kind == ast.Variable
	case DigestField:
		f.kind = rootDigest
	case serviceField:
		f.kind, f.described = rootService, p.described(group)
	case entitiesField:
		f.kind, f.lookup = rootEntities, newLookup(group)
	default:
		return f, p.call(o, f, group)
	}
	return f, nil
}

func newLookup(group *fieldGroup) *lookup {
	return &lookup{
		argument: group.first().Arguments[0].Value,
		sets:     group.selections(),
		outputs:  make(map[string]plannedOutput),
	}
}

// call plans a root field that calls a method.
func (p *planner) call(o ast.Operation, f *rootField, group *fieldGroup) error {
	f.root = p.graph.roots[o][f.name]
	if f.root == nil && f.name == nodeField && len(p.graph.nodes) > 0 {
		f.kind, f.lookup = rootNode, newLookup(group)
		return nil
	}
	if f.root == nil {
		return fmt.Errorf("no method answers field %q", f.name)
	}
	if f.root.connection != nil {
		return p.page(f, group)
	}
	var selections []wire.Selection
	var err error
	sel := selector{planner: p}
	switch f.root.result.kind {
	case resultMessage:
		selections, err = sel.object(f.root.result.shape, group.selections())
	case resultUnwrapped:
		selections, err = sel.unwrapped(f.root.result.unwrap, group)
	}
	if err == nil && selections != nil {
		f.output, err = sel.finish(f.root.result.shape, selections)
	}
	if err == nil {
		f.argument = p.graph.argumentOf(f.root, group.first().Arguments, p.readMask(f.root, selections, sel.joins))
	}
	return err
}

// page plans a root field that is a connection.
func (p *planner) page(f *rootField, group *fieldGroup) (err error) {
	f.connection, err = p.connection(f.root.connection, named(f.root.definition.Type), group)
	if err == nil {
		f.argument = p.graph.argumentOf(f.root, group.first().Arguments, p.pageMask(f.root, f.connection))
	}
	return err
}

// result plans how the results of a join are written, and what its method is told to read.
func (p *planner) result(j *join, sets []ast.SelectionSet) (output, error) {
	out, selections, err := p.selected(j.shape, sets)
	if err != nil || j.readMask == nil {
		return out, err
	}
	if out.paths = readPathsOf(j.shape.message, selections, out.joins); j.resultKey != nil {
		out.paths = merged(append(out.paths, protoPath(j.resultKey))) // by which the results are matched
	}
	if len(out.paths) > 0 {
		out.mask = appendMask(nil, j.readMask, out.paths)
	}
	return out, nil
}

// selected plans how messages of a shape are written, and returns what is selected of them.
func (p *planner) selected(s *shape, sets []ast.SelectionSet) (output, []wire.Selection, error) {
	sel := selector{planner: p}
	selections, err := sel.object(s, sets)
	if err != nil {
		return output{}, nil, err
	}
	out, err := sel.finish(s, selections)
	return out, selections, err
}

// selector turns GraphQL selections into those of package wire, for one projection.
type selector struct {
	planner *planner
	joins   []*joinOutput
	path    []string // response keys that lead to what is being selected
}

func (s *selector) finish(of *shape, selections []wire.Selection) (output, error) {
	projection, err := of.message.Select(selections)
	return output{projection: projection, joins: s.joins}, err
}

// unwrapped selects a result that is one field of its message. It is written as an
// object with the response key alone, whose braces are taken off.
func (s *selector) unwrapped(f *shapeField, group *fieldGroup) ([]wire.Selection, error) {
	one, err := s.field(f, group)
	one.NonNull = false
	return []wire.Selection{one}, err
}

// object selects from the message of a shape.
func (s *selector) object(of *shape, sets []ast.SelectionSet) ([]wire.Selection, error) {
	groups := collect(sets, of.definition.Name, s.planner.conditions)
	selections := make([]wire.Selection, 0, len(groups)) // never nil, which would select everything
	for _, group := range groups {
		one, err := s.named(of, group)
		if err != nil {
			return nil, err
		}
		selections = append(selections, one)
	}
	return selections, nil
}

func (s *selector) named(of *shape, group *fieldGroup) (wire.Selection, error) {
	name := group.first().Name
	if name == "__typename" {
		return wire.Selection{Kind: wire.SelectRaw, Key: group.key, Raw: quoted(of.definition.Name)}, nil
	}
	f := of.fields[name]
	if f == nil {
		return wire.Selection{}, fmt.Errorf("nothing answers field %q of %s", name, of.definition.Name)
	}
	return s.field(f, group)
}

func (s *selector) field(f *shapeField, group *fieldGroup) (wire.Selection, error) {
	one := f.selection
	one.Key = group.key
	s.path = append(s.path, group.key)
	defer func() { s.path = s.path[:len(s.path)-1] }()
	var err error
	switch {
	case f.global != nil:
		one.Join = len(s.joins)
		s.joins = append(s.joins, &joinOutput{global: f.global})
	case f.join != nil:
		one.Join = len(s.joins)
		j := &joinOutput{join: f.join, path: strings.Join(s.path, ".")}
		s.joins = append(s.joins, j)
		j.output, err = s.planner.result(f.join, group.selections())
	case f.union != nil:
		one.Members, err = s.union(f, group)
	case f.child != nil:
		one.Children, err = s.object(f.child, group.selections())
	}
	return one, err
}
