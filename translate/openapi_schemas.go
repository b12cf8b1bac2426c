package translate

import (
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/wire"
)

// jsonForm is what the options of a service change in the JSON of a message.
type jsonForm struct{ protoNames, enumNumbers bool }

// name returns the name that a field has in JSON.
func (f jsonForm) name(field *wire.Field) string {
	if fd := field.Descriptor(); f.protoNames && !fd.IsExtension() {
		return fd.TextName()
	}
	return field.JSONName()
}

// schemaKey tells component schemas apart. A message that several backends have is
// described as the first of them has it: types of one name are compatible.
type schemaKey struct {
	name protoreflect.FullName
	enum bool // an enum in one backend may have the name of a message in another
	form jsonForm
}

// schemas makes the component schemas, each when it is first referred to. Whoever
// comes first has the short name, so that what is added later renames nothing.
type schemas struct {
	names   map[schemaKey]string
	owners  map[string]schemaKey
	pending []pendingSchema
}

// pendingSchema is a schema that was referred to and not written yet.
type pendingSchema struct {
	name    string
	form    jsonForm
	message *wire.Message
	enum    protoreflect.EnumDescriptor
}

func newSchemas() *schemas {
	return &schemas{names: make(map[schemaKey]string), owners: make(map[string]schemaKey)}
}

// message returns a reference to the schema of a message.
func (s *schemas) message(m *wire.Message, form jsonForm) *object {
	name, isNew := s.nameFor(m.Descriptor(), form)
	if isNew {
		s.pending = append(s.pending, pendingSchema{name: name, form: form, message: m})
	}
	return reference("schemas", name)
}

// enum returns a reference to the schema of an enum.
func (s *schemas) enum(ed protoreflect.EnumDescriptor, form jsonForm) *object {
	name, isNew := s.nameFor(ed, jsonForm{enumNumbers: form.enumNumbers})
	if isNew {
		s.pending = append(s.pending, pendingSchema{name: name, form: form, enum: ed})
	}
	return reference("schemas", name)
}

// next returns a schema that was referred to and not written yet.
func (s *schemas) next() (name string, schema *object, ok bool) {
	if len(s.pending) == 0 {
		return "", nil, false
	}
	p := s.pending[0]
	s.pending = s.pending[1:]
	if p.enum != nil {
		return p.name, enumSchema(p.enum, p.form), true
	}
	return p.name, s.messageSchema(p.message, p.form), true
}

func reference(section, name string) *object {
	return newObject(member{"$ref", "#/components/" + section + "/" + name})
}

// nameFor returns the name of a type's schema, and whether it was just given.
func (s *schemas) nameFor(d protoreflect.Descriptor, form jsonForm) (name string, isNew bool) {
	_, enum := d.(protoreflect.EnumDescriptor)
	key := schemaKey{d.FullName(), enum, form}
	if name, ok := s.names[key]; ok {
		return name, false
	}
	full := string(d.FullName())
	name = shortName(d)
	for n := 2; s.taken(name); n++ {
		if name != full && !s.taken(full) {
			name = full
			break
		}
		name = full + "_" + strconv.Itoa(n)
	}
	s.names[key] = name
	s.owners[name] = key
	return name, true
}

func (s *schemas) taken(name string) bool {
	_, ok := s.owners[name]
	return ok || strings.HasPrefix(name, ownPrefix)
}

// ownPrefix begins the names of schemas that belong to the gateway.
const ownPrefix = "protean."

// shortName returns the name of a type without its package. Google's own types keep
// theirs, so that a Status or an Any of somebody else's can have the short name.
func shortName(d protoreflect.Descriptor) string {
	full, pkg := string(d.FullName()), string(d.ParentFile().Package())
	if pkg == "" || pkg == "google.protobuf" || pkg == "google.rpc" {
		return full
	}
	return strings.TrimPrefix(full, pkg+".")
}

// messageSchema describes a message that is a JSON object.
func (s *schemas) messageSchema(m *wire.Message, form jsonForm) *object {
	if m.HasOwnForm() {
		return ownForm(m)
	}
	return s.objectSchema(m, form, objectShape{})
}

// objectShape says what the schema of a message leaves out.
type objectShape struct {
	without [][]*wire.Field // fields that come from elsewhere
	partial bool            // nothing is required
}

// inside returns the shape of a field's message.
func (o objectShape) inside(f *wire.Field) objectShape {
	var inner objectShape
	for _, path := range o.without {
		if len(path) > 1 && path[0] == f {
			inner.without = append(inner.without, path[1:])
		}
	}
	return inner
}

func (o objectShape) lacks(f *wire.Field) bool {
	for _, path := range o.without {
		if len(path) == 1 && path[0] == f {
			return true
		}
	}
	return false
}

func (s *schemas) objectSchema(m *wire.Message, form jsonForm, shape objectShape) *object {
	properties := newObject()
	var required []any
	words := messageWordsOf(m)
	for _, f := range m.Fields() {
		if shape.lacks(f) {
			continue
		}
		name := form.name(f)
		if properties.get(name) != nil {
			continue // fields may have the same JSON name
		}
		if inner := shape.inside(f); len(inner.without) > 0 {
			properties.set(name, s.objectSchema(f.Message(), form, inner))
		} else {
			properties.set(name, s.field(f, form))
		}
		if !shape.partial && (isRequired(f) || words.requires(f)) {
			required = append(required, name)
		}
	}
	schema := newObject(member{"type", "object"})
	words.apply(schema)
	schema.setObject("properties", properties)
	schema.setList("required", required)
	return schema
}

// uploadSchema describes a message as a form whose fields for bytes and
// google.api.HttpBody are files. It returns nil where it has none.
func (s *schemas) uploadSchema(m *wire.Message, form jsonForm, shape objectShape) *object {
	var files []*wire.Field
	for _, f := range m.Fields() {
		if f.IsMap() || shape.lacks(f) || isOutputOnly(f) {
			continue
		}
		if f.Kind() == protoreflect.BytesKind || f.Message() != nil && isHTTPBody(f.Message()) {
			files = append(files, f)
		}
	}
	if len(files) == 0 {
		return nil
	}
	schema := s.objectSchema(m, form, shape)
	properties, _ := schema.get("properties").(*object)
	for _, f := range files {
		file := binarySchema()
		if f.IsList() {
			file = newObject(member{"type", "array"}, member{"items", file})
		}
		properties.set(form.name(f), file)
	}
	return schema
}

// enumSchema describes an enum: its names, or its numbers. Numbers that have no name
// may come from newer backends; JSON has them as they are.
func enumSchema(ed protoreflect.EnumDescriptor, form jsonForm) *object {
	var values []any
	var notes []string
	documented := false
	seen := make(map[protoreflect.EnumNumber]bool)
	for i := range ed.Values().Len() {
		v := ed.Values().Get(i)
		shown := string(v.Name())
		if form.enumNumbers {
			shown = strconv.Itoa(int(v.Number()))
		}
		if comment := commentOf(v); comment != "" {
			documented = true
			notes = append(notes, "- `"+shown+"`: "+strings.ReplaceAll(comment, "\n", " "))
		} else {
			notes = append(notes, "- `"+shown+"`")
		}
		switch {
		case !form.enumNumbers:
			values = append(values, shown)
		case !seen[v.Number()]:
			values = append(values, int(v.Number()))
		}
		seen[v.Number()] = true
	}
	kind := "string"
	if form.enumNumbers {
		kind = "integer"
	}
	schema := newObject(member{"type", kind})
	description := commentOf(ed)
	if documented {
		description = paragraphs(description, strings.Join(notes, "\n"))
	}
	schema.setText("description", description)
	schema.setList("enum", values)
	schema.setTrue("deprecated", isDeprecated(ed))
	applyEnumWords(schema, ed)
	return schema
}

// requiredOf counts the fields of a message that must be there, by its shape.
func (s *schemas) requiredOf(m *wire.Message, shape objectShape) (count int) {
	if shape.partial {
		return 0
	}
	words := messageWordsOf(m)
	for _, f := range m.Fields() {
		if !shape.lacks(f) && (isRequired(f) || words.requires(f)) {
			count++
		}
	}
	return count
}

// losesInside reports whether a message within the message is described without
// some of its fields.
func (o objectShape) losesInside() bool {
	for _, path := range o.without {
		if len(path) > 1 {
			return true
		}
	}
	return false
}
