package graph

import (
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/wire"
)

// root is a field of a root type: one method.
type root struct {
	method     *schema.Method
	definition *ast.FieldDefinition
	arguments  argumentStyle
	input      *inputShape // of the request; nil for scalarRequest
	result     rootResult
	connection *connection // nil: the field is none
	collect    int         // messages of a server stream that are one list; 0: the field is none
}

// argumentStyle says how a request is given.
type argumentStyle uint8

const (
	flattened     argumentStyle = iota // each field is an argument
	inputObject                        // one argument, `input`
	inputList                          // `input` is the list of the messages of a client stream
	scalarRequest                      // `input` is a well-known type in its JSON form
)

// inputArgument is the name of the one argument of mutations.
const inputArgument = "input"

// maxStreamedInputs bounds the messages of a client stream in one mutation.
const maxStreamedInputs = 1000

// maxCollected bounds the messages of a server stream that are one list, whatever the option says.
const maxCollected = 10_000

// rootResult says how a response becomes the value of a root field.
type rootResult struct {
	kind resultKind
	// shape of the response, for resultMessage and resultUnwrapped.
	shape *shape
	// unwrap is the field that is the result, for resultUnwrapped.
	unwrap *shapeField
	// whole writes the response, for resultScalar.
	whole *wire.Projection
}

type resultKind uint8

const (
	resultMessage   resultKind = iota // an object
	resultTrue                        // google.protobuf.Empty: true
	resultScalar                      // a well-known type in its JSON form
	resultUnwrapped                   // one field of the response
)

// buildRoots adds a root field for every method that is in the graph.
func (b *builder) buildRoots() {
	for _, s := range b.services {
		for _, m := range s.Methods {
			if m.Operation != schema.Hidden {
				b.requests[m.Input] = max(b.requests[m.Input], readArgumentOf(m))
			}
		}
	}
	for _, s := range b.services {
		b.backend = s.Backend.Name
		if b.abandoned() {
			return
		}
		for _, m := range s.Methods {
			if o, ok := operationOf(m); ok {
				b.addRoot(o, m)
			}
		}
	}
	b.backend = ""
}

// readArgument says whether clients give the read mask of a request.
type readArgument uint8

const (
	notRequest   readArgument = iota
	readHidden                // it is derived
	readOptional              // it may be given, and is derived if it is required
	readGiven                 // it is derived for no method, or not for all that take the request
)

func readArgumentOf(m *schema.Method) readArgument {
	switch mask := readMaskOf(m); {
	case mask == nil:
		return readGiven
	case mask.declared:
		return readHidden
	default:
		return readOptional
	}
}

// operationOf returns the root type of a method; false where it is not in the
// graph. GraphQL has no way to say a stream in both directions.
func operationOf(m *schema.Method) (ast.Operation, bool) {
	if m.ClientStreams && m.ServerStreams {
		return "", false
	}
	for _, o := range operations {
		if o.operation == m.Operation {
			return o.ast, true
		}
	}
	return "", false
}

func (b *builder) addRoot(o ast.Operation, m *schema.Method) {
	name := b.snap.Names.Field(m.FullName())
	if name == "" {
		name = lowerFirst(string(m.Descriptor.Name())) // unknown to the lock
	}
	if !b.agreed(m.Descriptor, "method", b.rootUses(o, m)...) {
		return
	}
	if b.roots[o][name] != nil || !validName(name) {
		b.refuse(m.Descriptor, "the root field name %q cannot be given to %s: set graphql.name on it", name, m.FullName())
		return
	}
	options, _ := m.Descriptor.Options().(*descriptorpb.MethodOptions)
	r := &root{method: m}
	r.definition = &ast.FieldDefinition{
		Name:        name,
		Description: describe(m.Descriptor),
		Directives:  deprecated(options.GetDeprecated()),
	}
	r.definition.Type = b.addResult(r)
	if m.ServerStreams && o == ast.Query {
		r.collect = int(min(m.Options.GetGraphql().GetCollect(), maxCollected))
		r.definition.Type.NonNull = true
		r.definition.Type = ast.ListType(r.definition.Type, nil)
	}
	b.addArguments(o, r)
	b.enterRoot(o, r)
}

func (b *builder) enterRoot(o ast.Operation, r *root) {
	b.roots[o][r.definition.Name] = r
	b.rootOrder[o] = append(b.rootOrder[o], r)
}

// addResult decides what the result of a method is and returns its type, which is always nullable:
// a failing method must not take its neighbours along.
func (b *builder) addResult(r *root) *ast.Type {
	m := r.method.Output
	if t := b.connect(r); t != nil {
		return t
	}
	if m.FullName() == empty {
		r.result.kind = resultTrue
		return ast.NamedType("Boolean", nil)
	}
	if s, ok := wellKnownScalars[m.FullName()]; ok {
		r.result.kind, r.result.whole = resultScalar, m.SelectWhole()
		return ast.NamedType(b.scalarType(s), nil)
	}
	r.result.shape = b.object(m)
	if t := b.unwrapped(r); t != nil {
		return t
	}
	return ast.NamedType(r.result.shape.definition.Name, nil)
}

// unwrapped returns the type of the field that the method's option names, or nil.
func (b *builder) unwrapped(r *root) *ast.Type {
	name := r.method.Options.GetGraphql().GetUnwrap()
	if name == "" {
		return nil
	}
	if r.method.Operation == schema.Query && r.method.ServerStreams {
		b.refuse(r.method.Descriptor, "unwrap does not go with collect; the elements of the list stay messages")
		return nil
	}
	f := r.method.Output.FieldByName(name)
	if f == nil || r.result.shape.fields[f.JSONName()] == nil {
		b.refuse(r.method.Descriptor, "unwrap names %q, which is no field of %s in the graph", name, r.method.Output.FullName())
		return nil
	}
	r.result.kind = resultUnwrapped
	r.result.unwrap = r.result.shape.fields[f.JSONName()]
	return nullable(r.result.shape.definition.Fields.ForName(f.JSONName()).Type)
}

// addArguments decides how a request is given.
func (b *builder) addArguments(o ast.Operation, r *root) {
	m := r.method.Input
	if s, ok := wellKnownScalars[m.FullName()]; ok && m.FullName() != empty {
		r.arguments = scalarRequest
		r.definition.Arguments = ast.ArgumentDefinitionList{{
			Name: inputArgument, Type: ast.NonNullNamedType(b.scalarType(s), nil),
		}}
		return
	}
	key := inputKey{message: m}
	r.input = b.input(key)
	switch {
	case r.method.ClientStreams:
		r.arguments = inputList
		elem := ast.NonNullNamedType(b.inputObject(key), nil)
		r.definition.Arguments = ast.ArgumentDefinitionList{{
			Name:        inputArgument,
			Description: fmt.Sprintf("The messages to send, at most %d.", maxStreamedInputs),
			Type:        ast.NonNullListType(elem, nil),
		}}
	case r.connection != nil:
		r.arguments = flattened
		r.definition.Arguments = r.connection.arguments(r.input)
	case o != ast.Mutation:
		r.arguments = flattened
		r.definition.Arguments = flatArguments(r.input)
	case len(r.input.fields) > 0:
		r.arguments = inputObject
		r.definition.Arguments = ast.ArgumentDefinitionList{{
			Name: inputArgument, Type: ast.NonNullNamedType(b.inputObject(key), nil),
		}}
	}
}

// flatArguments makes an argument of each field of a request.
func flatArguments(s *inputShape) ast.ArgumentDefinitionList {
	args := make(ast.ArgumentDefinitionList, 0, len(s.fields))
	for _, in := range s.fields {
		args = append(args, &ast.ArgumentDefinition{
			Name:        in.definition.Name,
			Description: in.definition.Description,
			Type:        in.definition.Type,
			Directives:  in.definition.Directives,
		})
	}
	return args
}

// DigestField stands in for Query where no method is a query: GraphQL asks for that type. It
// is not there for clients.
const DigestField = "_schemaDigest"

// rootTypes returns the root types, with their fields in the order of the snapshot.
func (b *builder) rootTypes() []*ast.Definition {
	types := make([]*ast.Definition, 0, len(operations))
	for _, o := range operations {
		def := &ast.Definition{Kind: ast.Object, Name: o.name, Fields: b.rootFields(o.ast)}
		if o.ast == ast.Query && len(b.nodes) > 0 {
			def.Fields = append(def.Fields, nodeRoot())
		}
		if o.ast == ast.Query {
			def.Fields = append(def.Fields, b.subgraphRoots()...)
		}
		if o.ast == ast.Query && len(def.Fields) == 0 {
			def.Fields = ast.FieldList{{
				Name:        DigestField,
				Description: "The digest of the schema that is served. It stands here because no method is a query.",
				Type:        ast.NonNullNamedType("String", nil),
			}}
		}
		if len(def.Fields) > 0 {
			types = append(types, def)
		}
	}
	return types
}

func (b *builder) rootFields(o ast.Operation) ast.FieldList {
	fields := make(ast.FieldList, 0, len(b.rootOrder[o]))
	for _, r := range b.rootOrder[o] {
		fields = append(fields, r.definition)
	}
	return fields
}
