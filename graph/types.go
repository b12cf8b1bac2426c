package graph

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/vektah/gqlparser/v2/ast"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/wire"
)

// builder makes the types of a graph from a snapshot, and beside each type what
// leads from it back to the wire: shapes for output, input shapes for input.
type builder struct {
	snap     *schema.Snapshot
	services []*schema.Service // that are built: all, or those of one group
	problems []schema.Problem
	reported map[schema.Problem]bool
	backend  string // whose types are being built, for problems

	definitions map[string]*ast.Definition
	order       []*ast.Definition // as they were first reached

	shapes  map[*wire.Message]*shape
	ordered []*shape
	byType  map[string][]*shape

	inputs       map[inputKey]*inputShape
	inputObjects map[string][]*inputShape
	requests     map[*wire.Message]readArgument // the inputs of methods

	enums map[string]enumNames

	options     Options
	idArguments func() map[protoreflect.FullName]bool // by full name of the field
	resources   *resources
	entities    map[string][]*entity // by type
	entityOrder []string
	nodes       map[string]*entity // by type
	pageInfo    *ast.Definition    // once there is a connection
	subgraph    *subgraph          // nil: the graph is none
	joined      []joinedField

	roots     map[ast.Operation]map[string]*root
	rootOrder map[ast.Operation][]*root

	differing map[*schema.Names][]string // from those of the snapshot

	oneofs  map[protoreflect.OneofDescriptor]string // the names of the fields that stand for them
	omitted map[*schema.Backend]bool                // backends that this build leaves out
	faulty  []string                                // backends that no build may contain
}

// operations are the root types, in the order in which they are declared.
var operations = []struct {
	operation schema.Operation
	ast       ast.Operation
	name      string
}{
	{schema.Query, ast.Query, "Query"},
	{schema.Mutation, ast.Mutation, "Mutation"},
	{schema.Subscription, ast.Subscription, "Subscription"},
}

func newBuilder(snap *schema.Snapshot, o Options) *builder {
	b := &builder{
		snap:         snap,
		services:     snap.Services,
		options:      o,
		entities:     make(map[string][]*entity),
		nodes:        make(map[string]*entity),
		reported:     make(map[schema.Problem]bool),
		definitions:  make(map[string]*ast.Definition),
		shapes:       make(map[*wire.Message]*shape),
		byType:       make(map[string][]*shape),
		inputs:       make(map[inputKey]*inputShape),
		inputObjects: make(map[string][]*inputShape),
		requests:     make(map[*wire.Message]readArgument),
		enums:        make(map[string]enumNames),
		roots:        make(map[ast.Operation]map[string]*root),
		rootOrder:    make(map[ast.Operation][]*root),
		differing:    make(map[*schema.Names][]string),
		oneofs:       make(map[protoreflect.OneofDescriptor]string),
		omitted:      make(map[*schema.Backend]bool),
	}
	b.idArguments = sync.OnceValue(func() map[protoreflect.FullName]bool { return findIDArguments(b.services) })
	if b.isWhole() {
		b.resources = findResources(snap.Services)
	}
	if o.Federation {
		b.subgraph = newSubgraph()
	}
	for _, o := range operations {
		b.roots[o.ast] = make(map[string]*root)
	}
	return b
}

// define adds a type.
func (b *builder) define(def *ast.Definition) *ast.Definition {
	b.definitions[def.Name] = def
	b.order = append(b.order, def)
	return def
}

// scalarType returns the name of a scalar and sees that it is defined.
func (b *builder) scalarType(s scalar) string {
	name := s.String()
	if !s.builtIn() && b.definitions[name] == nil {
		b.define(s.definition())
	}
	return name
}

// enumType returns the name of an enum's type. Backends that have the same enum
// share the type, with the values of all of them.
func (b *builder) enumType(ed protoreflect.EnumDescriptor) string {
	name := b.typeName(ed)
	def := b.definitions[name]
	if def == nil {
		def = b.define(&ast.Definition{Kind: ast.Enum, Name: name, Description: describe(ed)})
		b.annotate(ed, name, "", enumOptions(ed).GetDirectives())
		def.EnumValues = ast.EnumValueList{{
			Name:        unrecognized,
			Description: "A value that this schema does not know. It is never accepted as input.",
		}}
		b.enums[name] = make(enumNames)
	}
	for i := range ed.Values().Len() {
		vd := ed.Values().Get(i)
		if value := string(vd.Name()); value != unrecognized && !b.enums[name][value] {
			b.enums[name][value] = true
			def.EnumValues = slices.Insert(def.EnumValues, len(def.EnumValues)-1, enumValue(vd))
		}
	}
	return name
}

// enumNames are the names of an enum's values that clients may give.
type enumNames map[string]bool

// unrecognized stands for enum numbers without a name.
const unrecognized = "UNRECOGNIZED"

func enumValue(vd protoreflect.EnumValueDescriptor) *ast.EnumValueDefinition {
	o, _ := vd.Options().(interface{ GetDeprecated() bool })
	return &ast.EnumValueDefinition{
		Name:        string(vd.Name()),
		Description: describeValue(vd),
		Directives:  deprecated(o != nil && o.GetDeprecated()),
	}
}

// describeValue returns the description of an enum value. An alias is a value for input alone: JSON has the first name
// of a number.
func describeValue(vd protoreflect.EnumValueDescriptor) string {
	text := describe(vd)
	ed, _ := vd.Parent().(protoreflect.EnumDescriptor)
	first := ed.Values().ByNumber(vd.Number())
	if first.Name() == vd.Name() {
		return text
	}
	return strings.TrimSpace(fmt.Sprintf("%s\n\nAnother name for `%s`, which responses have.", text, first.Name()))
}

// speakable reports whether GraphQL can say all names of an enum.
func speakable(ed protoreflect.EnumDescriptor) bool {
	for i := range ed.Values().Len() {
		if !validValue(string(ed.Values().Get(i).Name())) {
			return false
		}
	}
	return true
}

// assemble makes the schema: group by group where that comes to the same.
func (b *builder) assemble() (*ast.Schema, error) {
	if !b.isWhole() {
		whole := newBuilder(b.snap, b.options)
		if fits, err := b.mergeGroups(); fits {
			if err != nil {
				return nil, err
			}
			return assemble(b.order, b.rootTypes())
		}
		*b = *whole
	}
	b.buildOwn()
	return assemble(nil, slices.Concat(b.rootTypes(), b.order))
}

// buildOwn makes the types of the builder's services, less the root types.
func (b *builder) buildOwn() {
	b.buildRoots()
	b.buildEntities()
	b.buildJoins()
	b.buildNodes()
	b.buildSubgraph()
	b.reconcileOutputs()
	b.reconcileInputs()
}

// abandoned reports whether nobody wants the graph any more.
func (b *builder) abandoned() bool { return b.options.Abandoned != nil && b.options.Abandoned() }

// empty is the schema that is served where none could be built.
func (b *builder) empty() *ast.Schema {
	fresh := newBuilder(b.snap, Options{})
	b.roots, b.entities, b.nodes, b.subgraph, b.joined = fresh.roots, nil, nil, nil, nil
	s, err := assemble(nil, fresh.rootTypes())
	if err != nil {
		panic("graph: the empty schema is invalid: " + err.Error())
	}
	return s
}
