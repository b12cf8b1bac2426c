package graph

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/wire"
)

// What Relay asks of a server beyond connections: objects with an id that is unique in the whole
// graph, and a root field that fetches them by it.

const (
	nodeType  = "Node"
	nodeField = "node"
	idField   = "id"
)

// globalID is a field that has an object's id: its type's name and its key. Both last: names of
// types are locked, and keys are the backend's own.
type globalID struct {
	typeName string
	key      *wire.Path
}

// buildNodes makes a node of each type that has a key.
func (b *builder) buildNodes() {
	if !b.options.Relay {
		return
	}
	if b.typeTaken(nodeType) || b.roots[ast.Query][nodeField] != nil {
		b.refuse(nil, "graphql.relay: the graph has a type %s or a root field %s already; the options graphql_name and graphql.name give it another name", nodeType, nodeField)
		return
	}
	for _, name := range b.entityOrder {
		simple := func(e *entity) bool { return e.sole() != nil }
		if i := slices.IndexFunc(b.entities[name], simple); i >= 0 {
			b.addNode(b.entities[name][i])
		}
	}
	if len(b.nodes) > 0 {
		b.define(&ast.Definition{
			Kind: ast.Interface, Name: nodeType,
			Description: "An object with an id that is unique in the whole graph.",
			Fields:      ast.FieldList{idDefinition()},
		})
	}
}

func idDefinition() *ast.FieldDefinition {
	return &ast.FieldDefinition{
		Name:        idField,
		Description: "Unique in the whole graph, and opaque.",
		Type:        ast.NonNullNamedType(scalarID.String(), nil),
	}
}

// addNode gives a type an id, if every backend's message of that type has the key.
func (b *builder) addNode(e *entity) {
	shapes := b.byType[e.typeName]
	b.backend = shapes[0].backend
	key := e.sole()
	md := key.Descriptor().ContainingMessage()
	if shapes[0].definition.Fields.ForName(idField) != nil {
		b.warn(md, "graphql.relay: %s has a field %q of its own and cannot be a node; the option json_name, or hidden, makes room", e.typeName, idField)
		return
	}
	keys := make([]*wire.Path, len(shapes))
	for i, s := range shapes {
		var err error
		if keys[i], err = s.message.Path(string(key.Descriptor().Name())); err != nil || !sameKind(keys[i].Field(), key) {
			b.warn(s.message.Descriptor(), "graphql.relay: %s cannot be a node: it has no %s in backend %q", e.typeName, key.JSONName(), s.backend)
			return
		}
	}
	for i, s := range shapes {
		s.fields[idField] = &shapeField{
			global:    &globalID{typeName: e.typeName, key: keys[i]},
			selection: wire.Selection{Kind: wire.SelectJoin, NonNull: true},
		}
	}
	def := shapes[0].definition
	def.Fields = append(ast.FieldList{idDefinition()}, def.Fields...)
	def.Interfaces = append(def.Interfaces, nodeType)
	b.nodes[e.typeName] = e
}

func sameKind(a, b *wire.Field) bool {
	x, xok := keyScalar(a)
	y, yok := keyScalar(b)
	return xok && yok && x == y
}

// typeTaken reports whether a message or enum has the name.
func (b *builder) typeTaken(name string) bool {
	for _, given := range b.snap.Names.Types {
		if given == name {
			return true
		}
	}
	return b.definitions[name] != nil
}

// nodeRoot is the definition of `node(id:)`.
func nodeRoot() *ast.FieldDefinition {
	return &ast.FieldDefinition{
		Name:        nodeField,
		Description: "The object with an id; null where there is none.",
		Arguments: ast.ArgumentDefinitionList{{
			Name: idField, Type: ast.NonNullNamedType(scalarID.String(), nil),
		}},
		Type: ast.NamedType(nodeType, nil),
	}
}

// append writes the id of an object as JSON.
func (g *globalID) append(dst []byte, key wire.Value) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, []byte(g.typeName+":"+keyText(g.key.Field(), key)))
	return append(dst, '"')
}

// parseGlobalID takes an id apart.
func parseGlobalID(id string) (typeName, key string, err error) {
	text, err := base64.StdEncoding.DecodeString(id)
	typeName, key, ok := strings.Cut(string(text), ":")
	if err != nil || !ok || !protoreflect.Name(typeName).IsValid() {
		return "", "", errors.New("the id is none that this graph gave")
	}
	return typeName, key, nil
}
