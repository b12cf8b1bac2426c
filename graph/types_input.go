package graph

import (
	"fmt"
	"maps"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/wire"
)

// inputShape is what leads from the arguments of a root field or the fields of an
// input object to one backend's message. A oneof has a shape too: its members are
// fields of the message around it.
type inputShape struct {
	message *wire.Message
	backend string
	oneof   bool
	patch   bool          // of a message that is changed in part: no field is required
	fields  []*inputField // in the order in which they are encoded
	byName  map[string]*inputField
	masks   masks // of a request
}

// inputField is one argument or input field and where it goes on the wire.
type inputField struct {
	definition *ast.FieldDefinition
	kind       inputKind
	field      *wire.Field // nil for a oneof and for what this backend lacks
	scalar     scalar
	enum       enumNames
	child      *inputShape // of objects, map entries and oneofs
	identifier bool        // names the resource: an update mask never lists it
	patch      bool        // the message is changed in part
}

// inputKind says how the value of an input field is encoded.
type inputKind uint8

const (
	inputAbsent  inputKind = iota // this backend has no such field
	inputScalar                   // from text
	inputEnum                     // from the name of a value
	inputJSON                     // from any JSON
	inputMessage                  // from an input object
	inputMap                      // from a list of entries
	inputOneof                    // from an input object, into the message around it
)

// inputKey names an input shape: a message has one for when it is given as a whole,
// and may have one for when it is changed in part.
type inputKey struct {
	message *wire.Message
	patch   bool
}

// input returns the input shape of a message. Its type is only defined where an
// input object is needed, see inputObject.
func (b *builder) input(key inputKey) *inputShape {
	if s := b.inputs[key]; s != nil {
		return s
	}
	m := key.message
	s := &inputShape{message: m, backend: b.backend, patch: key.patch, byName: make(map[string]*inputField)}
	b.inputs[key] = s // before it is filled, for the sake of recursion
	request := b.requests[m]
	if request != notRequest {
		s.masks.updated = b.updatedField(m)
	}
	oneofs := make(map[protoreflect.OneofDescriptor]*inputShape)
	for _, f := range m.Fields() {
		if request == notRequest || !s.takeMask(f, request) {
			b.addInput(s, oneofs, f)
		}
	}
	s.findMasked()
	if request != notRequest {
		s.findReadMask(request)
	}
	return s
}

// updatedField returns the field of a request whose update mask is derived: the resource of an update, if it is
// given as an input object. The update mask of any other request is an argument.
func (b *builder) updatedField(request *wire.Message) protoreflect.FieldDescriptor {
	fd := schema.UpdatedField(request.Descriptor())
	if fd == nil || !isInput(fd) || declaredOneof(fd) != nil {
		return nil
	}
	if _, leaf := b.leafMessage(fd); leaf {
		return nil
	}
	return fd
}

// isInput reports whether clients can give a field.
func isInput(fd protoreflect.FieldDescriptor) bool {
	return !hiddenInput(fd) && validName(fd.JSONName())
}

func hiddenInput(fd protoreflect.FieldDescriptor) bool {
	return fd.IsExtension() || fieldOptions(fd).GetHidden() || behaves(fd, annotations.FieldBehavior_OUTPUT_ONLY)
}

// declaredOneof returns the oneof that a field is a member of, nil if it is not: proto3's `optional` makes a synthetic one.
func declaredOneof(fd protoreflect.FieldDescriptor) protoreflect.OneofDescriptor {
	if od := fd.ContainingOneof(); od != nil && !od.IsSynthetic() {
		return od
	}
	return nil
}

// addInput adds a field of a message: to its shape, or to that of its oneof.
func (b *builder) addInput(s *inputShape, oneofs map[protoreflect.OneofDescriptor]*inputShape, f *wire.Field) {
	fd := f.Descriptor()
	if hiddenInput(fd) || !b.named(f) {
		return
	}
	into := s
	if od := declaredOneof(fd); od != nil {
		if _, known := oneofs[od]; !known {
			oneofs[od] = b.addOneofInput(s, od)
		}
		if into = oneofs[od]; into == nil {
			return
		}
	}
	if into.byName[f.JSONName()] != nil {
		b.warn(fd, "two inputs of %s have the GraphQL name %q; the second is omitted", fd.Parent().FullName(), f.JSONName())
		return
	}
	if b.agreed(fd, "input", b.inputUse(fd, into.patchesIn(fd))) {
		into.add(b.inputField(into, f))
	}
}

func (s *inputShape) add(f *inputField) {
	s.fields = append(s.fields, f)
	s.byName[f.definition.Name] = f
}

// inputField returns the input of a field. Members of a oneof are nullable, as @oneOf
// asks for, and so is all of what is changed in part.
func (b *builder) inputField(into *inputShape, f *wire.Field) *inputField {
	fd := f.Descriptor()
	in := &inputField{field: f, identifier: identifies(fd) || isEntityKey(fd)}
	in.definition = &ast.FieldDefinition{Name: f.JSONName(), Description: describe(fd)}
	in.patch = into.patchesIn(fd)
	typ := b.inputType(f, in)
	typ.NonNull = !into.oneof && !into.patch && requiredInput(fd) && !endless(fd)
	in.definition.Type = typ
	in.definition.Directives = deprecated(fieldDeprecated(fd) && !typ.NonNull)
	return in
}

// inputType returns the nullable type of a field and notes in how it is encoded.
func (b *builder) inputType(f *wire.Field, in *inputField) *ast.Type {
	fd := f.Descriptor()
	if f.IsMap() {
		return b.mapInputType(f, in)
	}
	elem := ast.NamedType(b.elementInput(f, in), nil)
	if !f.IsList() {
		return elem
	}
	elem.NonNull = !holdsNull(fd)
	return ast.ListType(elem, nil)
}

func (b *builder) mapInputType(f *wire.Field, in *inputField) *ast.Type {
	if fieldOptions(f.Descriptor()).GetAsJson() {
		in.kind, in.scalar = inputJSON, scalarJSON
		return ast.NamedType(b.scalarType(scalarJSON), nil)
	}
	in.kind, in.child = inputMap, b.input(inputKey{message: f.Message()})
	in.child.byName["key"].definition.Type.NonNull = true
	name := b.entryInputName(f.Descriptor())
	b.enterInputObject(name, describe(f.Message().Descriptor()), in.child)
	return ast.ListType(ast.NonNullNamedType(name, nil), nil)
}

// elementInput returns the named type of one element of a field.
func (b *builder) elementInput(f *wire.Field, in *inputField) string {
	fd := f.Descriptor()
	if f.Message() != nil {
		s, leaf := b.leafMessage(fd)
		if !leaf {
			key := inputKey{f.Message(), in.patch}
			in.kind, in.child = inputMessage, b.input(key)
			return b.inputObject(key)
		}
		in.kind, in.scalar = inputScalar, s
		if s == scalarJSON {
			in.kind = inputJSON
		}
		return b.scalarType(s)
	}
	if ed := fd.Enum(); ed != nil {
		return b.enumInputName(fd, ed, in)
	}
	s, _ := scalarOf(fd.Kind())
	in.kind, in.scalar = inputScalar, b.identified(fd, s)
	return b.scalarType(in.scalar)
}

func (b *builder) enumInputName(fd protoreflect.FieldDescriptor, ed protoreflect.EnumDescriptor, in *inputField) string {
	switch name := b.enumName(fd, ed); {
	case ed.FullName() == nullValue:
		in.kind, in.scalar = inputJSON, scalarJSON
		return name
	case !speakable(ed):
		in.kind, in.scalar = inputScalar, scalarString
		return name
	default:
		in.kind, in.enum = inputEnum, b.enums[name]
		return name
	}
}

// inputObject returns the name of a message's input object and sees that it is
// defined. Backends that have the same message share it.
func (b *builder) inputObject(key inputKey) string {
	md := key.message.Descriptor()
	name := b.inputName(md)
	if key.patch {
		name = b.patchInputName(md)
	}
	b.enterInputObject(name, describe(md), b.input(key))
	return name
}

// enterInputObject notes that an input object has a further shape.
func (b *builder) enterInputObject(name, description string, s *inputShape) {
	for _, have := range b.inputObjects[name] {
		if have == s {
			return
		}
	}
	if b.definitions[name] == nil {
		def := &ast.Definition{Kind: ast.InputObject, Name: name, Description: description}
		if s.oneof {
			def.Directives = ast.DirectiveList{{Name: "oneOf"}}
		}
		b.define(def)
	}
	b.inputObjects[name] = append(b.inputObjects[name], s)
}

// addOneofInput adds the field of a oneof to a shape and returns the shape of its members; nil if it is omitted.
func (b *builder) addOneofInput(s *inputShape, od protoreflect.OneofDescriptor) *inputShape {
	child := &inputShape{message: s.message, backend: s.backend, oneof: true, byName: make(map[string]*inputField)}
	field, name := b.oneofName(od), b.oneofInputName(od)
	if !b.agreed(od, "oneof", typeUse{name: name, kind: ast.InputObject, oneof: true}) {
		return nil
	}
	if s.byName[field] != nil {
		b.warn(od, "two inputs of %s have the GraphQL name %q; the second is omitted", od.Parent().FullName(), field)
		return nil
	}
	b.enterInputObject(name, fmt.Sprintf("One of the fields of `%s`.", field), child)
	s.add(&inputField{
		definition: &ast.FieldDefinition{Name: field, Description: describe(od), Type: ast.NamedType(name, nil)},
		kind:       inputOneof, child: child,
	})
	return child
}

// reconcileInputs fills the input objects from their shapes. What some backend
// lacks, or does not require, is nullable for all.
func (b *builder) reconcileInputs() {
	for _, name := range slices.Sorted(maps.Keys(b.inputObjects)) {
		def, shapes := b.definitions[name], b.inputObjects[name]
		for _, s := range shapes {
			b.fillInputObject(def, s)
		}
		for _, fd := range def.Fields {
			for _, s := range shapes {
				if s.byName[fd.Name] == nil {
					fd.Type = nullable(fd.Type)
					s.add(&inputField{definition: fd})
				}
				s.byName[fd.Name].definition = fd
			}
		}
		if len(def.Fields) == 0 {
			def.Fields = append(def.Fields, placeholderField())
		}
	}
}

// fillInputObject adds to an input object the fields that a shape has.
func (b *builder) fillInputObject(def *ast.Definition, s *inputShape) {
	b.backend = s.backend
	for _, in := range s.fields {
		have := def.Fields.ForName(in.definition.Name)
		switch {
		case have == nil:
			copied := *in.definition
			def.Fields = append(def.Fields, &copied)
		case !sameNamed(have.Type, in.definition.Type):
			b.warn(s.message.Descriptor(), "input %s.%s is %s here and %s in another backend; it cannot be given here",
				def.Name, have.Name, in.definition.Type, have.Type)
			in.kind = inputAbsent
		case !in.definition.Type.NonNull:
			have.Type = nullable(have.Type)
		}
	}
}

func nullable(t *ast.Type) *ast.Type {
	copied := *t
	copied.NonNull = false
	return &copied
}
