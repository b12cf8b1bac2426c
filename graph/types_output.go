package graph

import (
	"github.com/vektah/gqlparser/v2/ast"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/wire"
)

// shape is an object type of the graph as one backend's message fills it. Where
// several backends have the message, each has its own shape of the one type.
type shape struct {
	definition *ast.Definition
	message    *wire.Message
	backend    string
	fields     map[string]*shapeField
}

// shapeField is how a message answers one field of its type.
type shapeField struct {
	// selection lacks the response key and the children.
	selection wire.Selection
	// child is the shape of an object; nil for leaves.
	child *shape
	// union are the members of a oneof that is one field; nil for all others.
	union []unionMember
	// join resolves the field by another method; nil for the message's own fields.
	join *join
	// global makes the field the object's id in the whole graph; nil for all others.
	global *globalID
}

// placeholder is the field of a type without fields: GraphQL has no empty types,
// and with it the type can grow.
const placeholder = "_"

// object returns the shape of a message and sees that its type is defined.
func (b *builder) object(m *wire.Message) *shape {
	if s := b.shapes[m]; s != nil {
		return s
	}
	return b.objectNamed(b.typeName(m.Descriptor()), m)
}

// objectNamed is object with another name than the message's own.
func (b *builder) objectNamed(name string, m *wire.Message) *shape {
	md := m.Descriptor()
	def := b.definitions[name]
	if def == nil {
		def = b.define(&ast.Definition{Kind: ast.Object, Name: name, Description: describe(md)})
	}
	s := &shape{definition: def, message: m, backend: b.backend, fields: make(map[string]*shapeField)}
	b.shapes[m] = s // before it is filled, for the sake of recursion
	b.ordered = append(b.ordered, s)
	b.byType[name] = append(b.byType[name], s)
	b.checkUnions(md)
	for _, f := range m.Fields() {
		if od := f.Descriptor().ContainingOneof(); od == nil || !b.unionOf(od) {
			b.addOutput(s, f)
		}
	}
	b.addOneofs(s)
	if len(def.Fields) == 0 {
		def.Fields = append(def.Fields, placeholderField())
	}
	return s
}

// entries returns the shape of a map's entries.
func (b *builder) entries(f *wire.Field) *shape {
	if s := b.shapes[f.Message()]; s != nil {
		return s
	}
	return b.objectNamed(b.entryName(f.Descriptor()), f.Message())
}

func placeholderField() *ast.FieldDefinition {
	return &ast.FieldDefinition{
		Name:        placeholder,
		Description: "Always null. It stands here because GraphQL has no types without fields.",
		Type:        ast.NamedType("Boolean", nil),
	}
}

// addOutput adds a field to a shape, and to its type where no other backend has.
func (b *builder) addOutput(s *shape, f *wire.Field) {
	fd := f.Descriptor()
	if hiddenOutput(fd) {
		return
	}
	if !b.named(f) || !b.agreed(fd, "field", b.outputUse(fd)) {
		return
	}
	sf := &shapeField{selection: wire.Selection{Kind: wire.SelectField, Field: f}}
	typ := b.outputType(f, sf)
	sf.selection.NonNull = typ.NonNull
	def := &ast.FieldDefinition{
		Name:        f.JSONName(),
		Description: describe(fd),
		Type:        typ,
		Directives:  deprecated(fieldDeprecated(fd)),
	}
	b.addField(s, def, sf, fd)
}

// named reports whether GraphQL can have the name of a field. Otherwise it records that the field is omitted.
func (b *builder) named(f *wire.Field) bool {
	if validName(f.JSONName()) {
		return true
	}
	b.warn(f.Descriptor(), "the JSON name %q is not a valid GraphQL name; the field is omitted from the graph", f.JSONName())
	return false
}

func hiddenOutput(fd protoreflect.FieldDescriptor) bool {
	return fd.IsExtension() || fieldOptions(fd).GetHidden() || behaves(fd, annotations.FieldBehavior_INPUT_ONLY)
}

// addField enters a field in a shape and its type. A backend whose field has
// another type than the first backend's is left without that field.
func (b *builder) addField(s *shape, def *ast.FieldDefinition, sf *shapeField, d protoreflect.Descriptor) {
	have := s.definition.Fields.ForName(def.Name)
	switch {
	case s.fields[def.Name] != nil:
		b.warn(d, "two fields of %s have the GraphQL name %q; the second is left out", s.definition.Name, def.Name)
		return
	case have == nil:
		s.definition.Fields = append(s.definition.Fields, def)
	case !sameNamed(have.Type, def.Type):
		b.warn(d, "%s.%s is %s here and %s in another backend; the field is null where it comes from here",
			s.definition.Name, def.Name, def.Type, have.Type)
		return
	case !def.Type.NonNull:
		have.Type.NonNull = false
	}
	s.fields[def.Name] = sf
}

// sameNamed reports whether types are equal but for the outermost `!`.
func sameNamed(a, b *ast.Type) bool {
	if a.Elem == nil || b.Elem == nil {
		return a.NamedType == b.NamedType && a.Elem == b.Elem
	}
	return a.Elem.String() == b.Elem.String()
}

// outputType returns the type of a field and notes in sf where it leads.
func (b *builder) outputType(f *wire.Field, sf *shapeField) *ast.Type {
	fd := f.Descriptor()
	deniable := fieldOptions(fd).GetDeniable()
	if f.IsMap() && !fieldOptions(fd).GetAsJson() {
		sf.child = b.entries(f)
		elem := ast.NonNullNamedType(sf.child.definition.Name, nil)
		return &ast.Type{Elem: elem, NonNull: !deniable}
	}
	if f.IsMap() {
		return &ast.Type{NamedType: b.scalarType(scalarJSON), NonNull: !deniable}
	}
	elem := &ast.Type{NamedType: b.outputName(f, sf), NonNull: !holdsNull(fd)}
	nullable := deniable || b.options.NullableFloats && isFloat(fd)
	if f.IsList() {
		return &ast.Type{Elem: elem, NonNull: !nullable}
	}
	elem.NonNull = !nullable && (alwaysThere(fd) || b.promised(fd))
	return elem
}

// isFloat reports whether a field may be NaN or infinite.
func isFloat(fd protoreflect.FieldDescriptor) bool {
	switch fd.Kind() {
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return true
	case protoreflect.MessageKind:
		name := fd.Message().FullName()
		return name == "google.protobuf.DoubleValue" || name == "google.protobuf.FloatValue"
	}
	return false
}

// outputName returns the named type of one element of a field.
func (b *builder) outputName(f *wire.Field, sf *shapeField) string {
	fd := f.Descriptor()
	if f.Message() != nil {
		s, leaf := b.leafMessage(fd)
		if leaf {
			return b.scalarType(s)
		}
		sf.child = b.object(f.Message())
		return sf.child.definition.Name
	}
	if ed := fd.Enum(); ed != nil {
		return b.enumName(fd, ed)
	}
	s, _ := scalarOf(fd.Kind())
	return b.scalarType(b.identified(fd, s))
}

// leafMessage reports whether a message field is a scalar in the graph, and which.
func (b *builder) leafMessage(fd protoreflect.FieldDescriptor) (scalar, bool) {
	if s, ok := wellKnownScalars[fd.Message().FullName()]; ok {
		return s, true
	}
	return scalarJSON, fieldOptions(fd).GetAsJson()
}

// enumName returns the type of an enum field. NullValue is the JSON null, and an
// enum whose names GraphQL cannot say has to be text.
func (b *builder) enumName(fd protoreflect.FieldDescriptor, ed protoreflect.EnumDescriptor) string {
	if ed.FullName() == nullValue {
		return b.scalarType(scalarJSON)
	}
	if speakable(ed) {
		return b.enumType(ed)
	}
	b.warn(fd, "a value of %s has a name that GraphQL reserves; the field is a String", ed.FullName())
	return b.scalarType(scalarString)
}

const nullValue protoreflect.FullName = "google.protobuf.NullValue"

// identified makes text and 64-bit integers, which JSON writes as text too, an
// ID where they identify.
func (b *builder) identified(fd protoreflect.FieldDescriptor, s scalar) scalar {
	if !b.isID(fd) {
		return s
	}
	switch s {
	case scalarString, scalarInt64, scalarUInt64:
		return scalarID
	}
	if fieldOptions(fd).GetId() {
		b.warn(fd, "only strings and 64-bit integers can be an ID; the field is of type %s", s)
	}
	return s
}

// holdsNull reports whether an element of the field may be the JSON null.
func holdsNull(fd protoreflect.FieldDescriptor) bool {
	if ed := fd.Enum(); ed != nil {
		return ed.FullName() == nullValue
	}
	return fd.Message() != nil && fd.Message().FullName() == "google.protobuf.Value"
}

// alwaysThere reports whether a singular field has a value in every message.
func alwaysThere(fd protoreflect.FieldDescriptor) bool {
	if fd.Message() != nil || holdsNull(fd) {
		return false
	}
	if md := fd.ContainingMessage(); md.IsMapEntry() {
		return true
	}
	return !fd.HasPresence() || fd.Cardinality() == protoreflect.Required
}

// promised reports whether an option says that a field is in every message.
func (b *builder) promised(fd protoreflect.FieldDescriptor) bool {
	if !fieldOptions(fd).GetNonNull() {
		return false
	}
	if holdsNull(fd) {
		b.warn(fd, "non_null: the JSON null is a value of the field; the field stays nullable")
		return false
	}
	if od := fd.ContainingOneof(); od != nil && !od.IsSynthetic() {
		b.warn(fd, "non_null: a member of a oneof is not there when another one is; the field stays nullable")
		return false
	}
	return true
}

// reconcileOutputs makes every field that some backend lacks, or that may be null in
// one of them, null for all: a type has one definition for all its shapes.
func (b *builder) reconcileOutputs() {
	for _, shapes := range b.byType {
		for _, def := range shapes[0].definition.Fields {
			for _, s := range shapes {
				if s.fields[def.Name] == nil {
					def.Type.NonNull = false
					s.fields[def.Name] = &shapeField{selection: wire.Selection{Kind: wire.SelectRaw, Raw: "null"}}
				}
			}
			for _, s := range shapes {
				s.fields[def.Name].selection.NonNull = def.Type.NonNull
			}
		}
	}
}
