package translate

import (
	"slices"

	v2 "github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv2/options"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	validatepb "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"

	"github.com/protean-gateway/protean/wire"
)

// field describes a field as a property: its value, its constraints, and what
// its file says about it.
func (s *schemas) field(f *wire.Field, form jsonForm) *object {
	schema := s.fieldValue(f, form)
	fd := f.Descriptor()
	words := fieldWordsOf(f)
	words.apply(schema)
	schema.setTrue("readOnly", isOutputOnly(f))
	schema.setTrue("writeOnly", behaves(fd, annotations.FieldBehavior_INPUT_ONLY))
	return schema
}

// fieldValue describes the values of a field, with the constraints on them.
func (s *schemas) fieldValue(f *wire.Field, form jsonForm) *object {
	rules := rulesOf(f.Descriptor())
	switch {
	case f.IsMap():
		return s.mapValue(f, form, rules.GetMap())
	case f.IsList():
		items := s.element(f, form)
		constrain(items, f, form, rules.GetRepeated().GetItems())
		schema := newObject(member{"type", "array"}, member{"items", items})
		constrainList(schema, rules.GetRepeated())
		return schema
	default:
		schema := s.element(f, form)
		constrain(schema, f, form, rules)
		return schema
	}
}

func (s *schemas) mapValue(f *wire.Field, form jsonForm, rules *validatepb.MapRules) *object {
	key, value := f.Message().FieldByNumber(1), f.Message().FieldByNumber(2)
	values := s.element(value, form)
	constrain(values, value, form, rules.GetValues())
	schema := newObject(member{"type", "object"}, member{"additionalProperties", values})
	keys := keySchema(key)
	constrain(keys, key, form, rules.GetKeys())
	schema.setObject("propertyNames", keys)
	constrainMap(schema, rules)
	return schema
}

// keySchema describes the keys of a map, which are strings in JSON.
func keySchema(key *wire.Field) *object {
	switch key.Kind() {
	case protoreflect.StringKind:
		return newObject()
	case protoreflect.BoolKind:
		return newObject(member{"enum", []any{"true", "false"}})
	default:
		return newObject(member{"pattern", "^-?[0-9]+$"})
	}
}

// element describes one value of a field: of a list, one element.
func (s *schemas) element(f *wire.Field, form jsonForm) *object {
	switch m := f.Message(); {
	case m != nil && m.HasOwnForm() && m.FullName() != anyName:
		return ownForm(m)
	case m != nil:
		return s.message(m, form)
	case f.Kind() == protoreflect.EnumKind:
		return s.enumElement(f.Descriptor().Enum(), form)
	default:
		return scalarSchema(f.Kind())
	}
}

func (s *schemas) enumElement(ed protoreflect.EnumDescriptor, form jsonForm) *object {
	if ed.FullName() == "google.protobuf.NullValue" {
		return newObject(member{"type", "null"})
	}
	return s.enum(ed, form)
}

// scalarSchema describes a scalar in ProtoJSON. Integers of 64 bits are strings.
// A NaN or an infinity is a string as well; no schema says so, for its sake every
// client's number would be a number or a string.
func scalarSchema(k protoreflect.Kind) *object {
	switch k {
	case protoreflect.BoolKind:
		return newObject(member{"type", "boolean"})
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return formatted("integer", "int32")
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return formatted("integer", "uint32")
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return formatted("string", "int64")
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return formatted("string", "uint64")
	case protoreflect.FloatKind:
		return formatted("number", "float")
	case protoreflect.DoubleKind:
		return formatted("number", "double")
	case protoreflect.BytesKind:
		return formatted("string", "byte")
	default:
		return newObject(member{"type", "string"})
	}
}

func formatted(kind, format string) *object {
	return newObject(member{"type", kind}, member{"format", format})
}

const anyName protoreflect.FullName = "google.protobuf.Any"

// ownForm describes the well-known types that are no objects of their fields.
func ownForm(m *wire.Message) *object {
	switch m.FullName() {
	case anyName:
		return anySchema()
	case "google.protobuf.Timestamp":
		return formatted("string", "date-time")
	case "google.protobuf.Duration":
		return newObject(member{"type", "string"}, member{"pattern", `^[-+]?[0-9]+(\.[0-9]{1,9})?s$`},
			member{"description", "A duration in seconds, such as 1.5s."})
	case "google.protobuf.FieldMask":
		return newObject(member{"type", "string"},
			member{"description", "Paths of fields in lowerCamelCase, separated by commas."})
	case "google.protobuf.Struct":
		return newObject(member{"type", "object"}, member{"additionalProperties", true})
	case "google.protobuf.ListValue":
		return newObject(member{"type", "array"}, member{"items", newObject()})
	case "google.protobuf.Value":
		return newObject(member{"description", "Any JSON value."})
	default: // a wrapper
		schema := scalarSchema(m.FieldByNumber(1).Kind())
		schema.set("type", []any{schema.get("type"), "null"})
		return schema
	}
}

func anySchema() *object {
	return newObject(
		member{"type", "object"},
		member{"description", "A message of any type. Its fields stand beside `@type`; " +
			"a type that has a JSON form of its own stands in `value`."},
		member{"properties", newObject(member{"@type", newObject(
			member{"type", "string"},
			member{"description", "The type, such as `type.googleapis.com/google.rpc.ErrorInfo`."},
		)})},
		member{"required", []any{"@type"}},
		member{"additionalProperties", true},
	)
}

// isRequired reports whether a field must be there: in proto2, by AIP-203, or by
// protovalidate.
func isRequired(f *wire.Field) bool {
	fd := f.Descriptor()
	return fd.Cardinality() == protoreflect.Required ||
		behaves(fd, annotations.FieldBehavior_REQUIRED) ||
		rulesOf(fd).GetRequired()
}

// isOutputOnly reports whether only answers have the field.
func isOutputOnly(f *wire.Field) bool {
	fd := f.Descriptor()
	return behaves(fd, annotations.FieldBehavior_OUTPUT_ONLY) ||
		extensionOf[*v2.JSONSchema](fd, v2.E_Openapiv2Field).GetReadOnly()
}

// behaves reports whether google.api.field_behavior says b of a field.
func behaves(fd protoreflect.FieldDescriptor, b annotations.FieldBehavior) bool {
	list, _ := proto.GetExtension(fd.Options(), annotations.E_FieldBehavior).([]annotations.FieldBehavior)
	return slices.Contains(list, b)
}
