package graph

import (
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// scalar is a GraphQL scalar by the way its input is read. Output needs no
// such distinction: package wire writes each kind in its one form.
type scalar uint8

const (
	scalarBoolean scalar = iota
	scalarInt
	scalarUInt32
	scalarInt64
	scalarUInt64
	scalarFloat
	scalarString
	scalarID
	scalarBytes
	scalarDateTime
	scalarDuration
	scalarJSON
)

// scalarTypes has the names of the scalars, and of those that GraphQL does not
// bring along the description and the address of what specifies them.
var scalarTypes = [...]struct{ name, description, specifiedBy string }{
	scalarBoolean: {name: "Boolean"},
	scalarInt:     {name: "Int"},
	scalarUInt32: {"UInt32", "A whole number from 0 to 4,294,967,295.",
		""},
	scalarInt64: {"Int64", "A whole number of 64 bits in decimal digits, as a string. Safe numbers are accepted too.",
		"https://protobuf.dev/programming-guides/json/"},
	scalarUInt64: {"UInt64", "A natural number of 64 bits in decimal digits, as a string. Safe numbers are accepted too.",
		"https://protobuf.dev/programming-guides/json/"},
	scalarFloat:  {name: "Float"},
	scalarString: {name: "String"},
	scalarID:     {name: "ID"},
	scalarBytes: {"Bytes", "Bytes in base64. Either alphabet is accepted.",
		"https://www.rfc-editor.org/rfc/rfc4648#section-4"},
	scalarDateTime: {"DateTime", "A moment in time, such as `2026-01-31T23:59:59.5Z`.",
		"https://www.rfc-editor.org/rfc/rfc3339"},
	scalarDuration: {"Duration", "A length of time in seconds, such as `90s` or `0.25s`.",
		"https://protobuf.dev/programming-guides/json/"},
	scalarJSON: {"JSON", "Any JSON value.",
		"https://www.rfc-editor.org/rfc/rfc8259"},
}

func (s scalar) String() string { return scalarTypes[s].name }

// scalarNamed finds a scalar of the graph by its name.
func scalarNamed(name string) (scalar, bool) {
	i := slices.IndexFunc(scalarTypes[:], func(t struct{ name, description, specifiedBy string }) bool {
		return t.name == name
	})
	return scalar(i), i >= 0
}

// definition returns the definition of a scalar that GraphQL does not bring along.
func (s scalar) definition() *ast.Definition {
	t := scalarTypes[s]
	def := &ast.Definition{Kind: ast.Scalar, Name: t.name, Description: t.description}
	if t.specifiedBy != "" {
		def.Directives = ast.DirectiveList{directive("specifiedBy", "url", t.specifiedBy)}
	}
	return def
}

func (s scalar) builtIn() bool { return scalarTypes[s].description == "" }

// scalarOf returns the scalar of a field's kind; false for messages and enums.
func scalarOf(k protoreflect.Kind) (scalar, bool) {
	switch k {
	case protoreflect.BoolKind:
		return scalarBoolean, true
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return scalarInt, true
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return scalarUInt32, true
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return scalarInt64, true
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return scalarUInt64, true
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return scalarFloat, true
	case protoreflect.StringKind:
		return scalarString, true
	case protoreflect.BytesKind:
		return scalarBytes, true
	}
	return 0, false
}

// empty has no arguments as a request, and is true as a result.
const empty protoreflect.FullName = "google.protobuf.Empty"

// wellKnownScalars are the message types that are scalars in the graph.
var wellKnownScalars = map[protoreflect.FullName]scalar{
	"google.protobuf.Timestamp":   scalarDateTime,
	"google.protobuf.Duration":    scalarDuration,
	"google.protobuf.FieldMask":   scalarString,
	"google.protobuf.Any":         scalarJSON,
	empty:                         scalarJSON,
	"google.protobuf.Struct":      scalarJSON,
	"google.protobuf.Value":       scalarJSON,
	"google.protobuf.ListValue":   scalarJSON,
	"google.protobuf.DoubleValue": scalarFloat,
	"google.protobuf.FloatValue":  scalarFloat,
	"google.protobuf.Int64Value":  scalarInt64,
	"google.protobuf.UInt64Value": scalarUInt64,
	"google.protobuf.Int32Value":  scalarInt,
	"google.protobuf.UInt32Value": scalarUInt32,
	"google.protobuf.BoolValue":   scalarBoolean,
	"google.protobuf.StringValue": scalarString,
	"google.protobuf.BytesValue":  scalarBytes,
}

// directive applies a directive with one text argument.
func directive(name, argument, text string) *ast.Directive {
	return &ast.Directive{Name: name, Arguments: ast.ArgumentList{{
		Name:  argument,
		Value: &ast.Value{Kind: ast.StringValue, Raw: text},
	}}}
}
