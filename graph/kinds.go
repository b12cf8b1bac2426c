package graph

import (
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/schema"
)

// Backends may disagree about what a full name means: a message here, an enum there; a oneof here, a nested message there. A
// GraphQL type has one kind. The first backend that needs the type decides it, and what needs another kind of it is omitted.

// typeUse is a GraphQL type that a declaration needs. The zero value stands for a scalar, which is never in conflict.
type typeUse struct {
	name  string
	kind  ast.DefinitionKind
	oneof bool // an input object of which one field is given, or an enum of the members of a oneof
}

// fits reports whether a type has the kind, or is not defined yet.
func (b *builder) fits(name string, kind ast.DefinitionKind) bool {
	return b.agrees(typeUse{name: name, kind: kind})
}

func (b *builder) agrees(u typeUse) bool {
	def := b.definitions[u.name]
	return def == nil || def.Kind == u.kind && b.ofOneof(def) == u.oneof
}

// ofOneof reports whether a type stands for a oneof.
func (b *builder) ofOneof(def *ast.Definition) bool {
	if def.Kind == ast.Enum {
		return b.enums[def.Name] == nil
	}
	return def.Directives.ForName("oneOf") != nil
}

// disagreement returns what is wrong with a type that does not agree with the definition of another backend.
func (b *builder) disagreement(u typeUse) error {
	def := b.definitions[u.name]
	return fmt.Errorf("the GraphQL type %s is %s here and %s in another backend", u.name, kindWords(u.kind, u.oneof), kindWords(def.Kind, b.ofOneof(def)))
}

func kindWords(kind ast.DefinitionKind, oneof bool) string {
	switch {
	case oneof && kind == ast.Enum:
		return "an enum of the members of a oneof"
	case oneof:
		return "an input object of which one field is given"
	case kind == ast.InputObject:
		return "an input object"
	case kind == ast.Enum:
		return "an enum"
	case kind == ast.Union:
		return "a union"
	case kind == ast.Scalar:
		return "a scalar"
	default:
		return "an object"
	}
}

// agreed reports whether all types agree with those of other backends. Otherwise it records that the declaration is omitted.
func (b *builder) agreed(d protoreflect.Descriptor, noun string, uses ...typeUse) bool {
	for _, u := range uses {
		if !b.agrees(u) {
			b.warn(d, "%s; this %s is omitted from the graph", b.disagreement(u).Error(), noun)
			return false
		}
	}
	return true
}

// outputUse returns the type of a field in answers.
func (b *builder) outputUse(fd protoreflect.FieldDescriptor) typeUse {
	if fd.IsMap() {
		if fieldOptions(fd).GetAsJson() {
			return typeUse{}
		}
		return typeUse{name: b.entryName(fd), kind: ast.Object}
	}
	if md := fd.Message(); md != nil {
		return b.messageUse(fd, b.typeName(md), ast.Object)
	}
	return b.enumUse(fd)
}

// inputUse returns the type of a field in requests.
func (b *builder) inputUse(fd protoreflect.FieldDescriptor, patch bool) typeUse {
	if fd.IsMap() {
		if fieldOptions(fd).GetAsJson() {
			return typeUse{}
		}
		return typeUse{name: b.entryInputName(fd), kind: ast.InputObject}
	}
	if md := fd.Message(); md != nil {
		name := b.inputName(md)
		if patch {
			name = b.patchInputName(md)
		}
		return b.messageUse(fd, name, ast.InputObject)
	}
	return b.enumUse(fd)
}

func (b *builder) messageUse(fd protoreflect.FieldDescriptor, name string, kind ast.DefinitionKind) typeUse {
	if _, leaf := b.leafMessage(fd); leaf {
		return typeUse{}
	}
	return typeUse{name: name, kind: kind}
}

func (b *builder) enumUse(fd protoreflect.FieldDescriptor) typeUse {
	ed := fd.Enum()
	if ed == nil || ed.FullName() == nullValue || !speakable(ed) {
		return typeUse{}
	}
	return typeUse{name: b.typeName(ed), kind: ast.Enum}
}

// rootUses returns the types of a method's response and request.
func (b *builder) rootUses(o ast.Operation, m *schema.Method) []typeUse {
	var uses []typeUse
	if _, scalar := wellKnownScalars[m.Output.FullName()]; !scalar && m.Output.FullName() != empty {
		uses = append(uses, typeUse{name: b.typeName(m.Output.Descriptor()), kind: ast.Object})
	}
	if _, scalar := wellKnownScalars[m.Input.FullName()]; !scalar && (o == ast.Mutation || m.ClientStreams) {
		uses = append(uses, typeUse{name: b.inputName(m.Input.Descriptor()), kind: ast.InputObject})
	}
	return uses
}
