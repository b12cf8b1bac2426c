package graph

import (
	"fmt"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/wire"
)

// unionMember is a member of a oneof that is a union in the graph.
type unionMember struct {
	field *wire.Field
	child *shape
}

// unionOf reports whether a oneof is one field of a union type. An option that asks for it in vain
// is a problem, and the oneof is as others are.
func (b *builder) unionOf(od protoreflect.OneofDescriptor) bool {
	md, _ := od.Parent().(protoreflect.MessageDescriptor)
	if od.IsSynthetic() || !slices.Contains(messageOptions(md).GetUnions(), string(od.Name())) {
		return false
	}
	seen := make(map[protoreflect.FullName]bool)
	for i := range od.Fields().Len() {
		fd := od.Fields().Get(i)
		switch _, leaf := b.memberLeaf(fd); {
		case leaf:
			b.refuse(od, "unions: %s is no message with fields of its own; the oneof is not a union", fd.Name())
			return false
		case seen[fd.Message().FullName()]:
			b.refuse(od, "unions: two members are of type %s; the oneof is not a union", fd.Message().FullName())
			return false
		}
		seen[fd.Message().FullName()] = true
	}
	return true
}

// memberLeaf reports whether a field is a scalar or enum in the graph.
func (b *builder) memberLeaf(fd protoreflect.FieldDescriptor) (scalar, bool) {
	if fd.Message() == nil {
		return 0, true
	}
	return b.leafMessage(fd)
}

// checkUnions reports options that name no oneof.
func (b *builder) checkUnions(md protoreflect.MessageDescriptor) {
	for _, name := range messageOptions(md).GetUnions() {
		if od := md.Oneofs().ByName(protoreflect.Name(name)); od == nil || od.IsSynthetic() {
			b.refuse(md, "unions: %s has no oneof %q", md.FullName(), name)
		}
	}
}

// addUnion adds a oneof as one field of a union type.
func (b *builder) addUnion(s *shape, od protoreflect.OneofDescriptor) {
	sf := &shapeField{selection: wire.Selection{Kind: wire.SelectUnion, Oneof: od.Index()}}
	var types []string
	for i := range od.Fields().Len() {
		f := s.message.FieldByNumber(od.Fields().Get(i).Number()) // a name may be the JSON name of another field
		if f == nil || hiddenOutput(f.Descriptor()) || !b.agreed(f.Descriptor(), "member", b.outputUse(f.Descriptor())) {
			continue
		}
		child := b.object(f.Message())
		sf.union = append(sf.union, unionMember{f, child})
		types = append(types, child.definition.Name)
	}
	if len(types) == 0 {
		return
	}
	field, name := b.oneofName(od), b.unionName(od)
	if !b.agreed(od, "oneof", typeUse{name: name, kind: ast.Union}) {
		return
	}
	b.mergeUnion(name, fmt.Sprintf("What `%s` may be.", field), types)
	b.addField(s, &ast.FieldDefinition{
		Name: field, Description: describe(od), Type: ast.NamedType(name, nil),
	}, sf, od)
}

// mergeUnion defines a union, or adds to it the types of a further backend.
func (b *builder) mergeUnion(name, description string, types []string) {
	def := b.definitions[name]
	if def == nil {
		def = b.define(&ast.Definition{Kind: ast.Union, Name: name, Description: description})
	}
	for _, t := range types {
		if !slices.Contains(def.Types, t) {
			def.Types = append(def.Types, t)
		}
	}
}

// union selects from the members: of each, what is selected for its type.
func (s *selector) union(f *shapeField, group *fieldGroup) ([]wire.Selection, error) {
	var members []wire.Selection
	for _, m := range f.union {
		children, err := s.object(m.child, group.selections())
		if err != nil {
			return nil, err
		}
		members = append(members, wire.Selection{Kind: wire.SelectField, Field: m.field, Children: children})
	}
	return members, nil
}
