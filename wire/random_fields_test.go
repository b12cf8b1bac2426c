package wire_test

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

func (m *typeMaker) field(d *descriptorpb.DescriptorProto, scope string, number int32, inOneof bool) *descriptorpb.FieldDescriptorProto {
	f := &descriptorpb.FieldDescriptorProto{
		Name:    proto.String(fmt.Sprintf([]string{"f_%d", "f_%d", "a_b_%d", "camelCase%d", "_u%d_"}[m.IntN(5)], number)),
		Number:  &number,
		Label:   descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		Options: &descriptorpb.FieldOptions{},
	}
	switch m.IntN(8) {
	case 0:
		f.JsonName = proto.String(fmt.Sprintf("json%d", number))
	case 1:
		f.JsonName = proto.String(fmt.Sprintf("\"<é%d", number))
	}
	if !inOneof {
		m.label(f)
	}
	if !inOneof && m.oneIn(8) {
		m.makeMap(d, scope, f)
		return f
	}
	m.setType(f, d, scope)
	m.fieldOptions(f, inOneof)
	return f
}

func (m *typeMaker) label(f *descriptorpb.FieldDescriptorProto) {
	switch n := m.IntN(24); {
	case n < 8:
		f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	case n == 8 && m.isProto2():
		f.Label = descriptorpb.FieldDescriptorProto_LABEL_REQUIRED.Enum()
	case n < 12 && m.isProto3():
		f.Proto3Optional = proto.Bool(true)
	}
}

var scalarTypes = []descriptorpb.FieldDescriptorProto_Type{
	descriptorpb.FieldDescriptorProto_TYPE_DOUBLE, descriptorpb.FieldDescriptorProto_TYPE_FLOAT,
	descriptorpb.FieldDescriptorProto_TYPE_INT64, descriptorpb.FieldDescriptorProto_TYPE_UINT64,
	descriptorpb.FieldDescriptorProto_TYPE_INT32, descriptorpb.FieldDescriptorProto_TYPE_FIXED64,
	descriptorpb.FieldDescriptorProto_TYPE_FIXED32, descriptorpb.FieldDescriptorProto_TYPE_BOOL,
	descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_BYTES,
	descriptorpb.FieldDescriptorProto_TYPE_UINT32, descriptorpb.FieldDescriptorProto_TYPE_SFIXED32,
	descriptorpb.FieldDescriptorProto_TYPE_SFIXED64, descriptorpb.FieldDescriptorProto_TYPE_SINT32,
	descriptorpb.FieldDescriptorProto_TYPE_SINT64, descriptorpb.FieldDescriptorProto_TYPE_STRING,
}

var knownTypes = []string{
	"Any", "Duration", "Empty", "FieldMask", "Struct", "Value", "ListValue", "Timestamp",
	"BoolValue", "Int64Value", "DoubleValue", "FloatValue", "StringValue", "BytesValue", "UInt32Value",
}

// setType gives the field a type. D is nil for extensions, which have no groups here.
func (m *typeMaker) setType(f *descriptorpb.FieldDescriptorProto, d *descriptorpb.DescriptorProto, scope string) {
	switch n := m.IntN(24); {
	case n < 12:
		f.Type = scalarTypes[m.IntN(len(scalarTypes))].Enum()
	case n < 14:
		m.setEnum(f, m.enums[m.IntN(len(m.enums))])
	case n < 18:
		f.Type = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
		f.TypeName = proto.String(fmt.Sprintf(".r.M%d", m.IntN(m.messages)))
	case n < 20 && d != nil && m.isProto2():
		m.makeGroup(f, d, scope)
	case n == 20:
		f.Type, f.TypeName = descriptorpb.FieldDescriptorProto_TYPE_ENUM.Enum(), proto.String(".google.protobuf.NullValue")
	default:
		f.Type = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
		f.TypeName = proto.String(".google.protobuf." + knownTypes[m.IntN(len(knownTypes))])
	}
}

func (m *typeMaker) setEnum(f *descriptorpb.FieldDescriptorProto, e randomEnum) {
	f.Type, f.TypeName = descriptorpb.FieldDescriptorProto_TYPE_ENUM.Enum(), &e.name
	if e.closed && m.isEdition() && f.GetLabel() == descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL {
		f.Options.Features = &descriptorpb.FeatureSet{FieldPresence: descriptorpb.FeatureSet_EXPLICIT.Enum()}
	}
}

// makeGroup makes the field a group, whose message has fields of its own.
func (m *typeMaker) makeGroup(f *descriptorpb.FieldDescriptorProto, d *descriptorpb.DescriptorProto, scope string) {
	name := fmt.Sprintf("Group%d", f.GetNumber())
	f.Name = proto.String(strings.ToLower(name))
	f.Type, f.TypeName = descriptorpb.FieldDescriptorProto_TYPE_GROUP.Enum(), proto.String(scope+"."+name)
	group := &descriptorpb.DescriptorProto{Name: &name}
	for _, number := range m.numbers(1 + m.IntN(3)) {
		inner := m.field(group, scope+"."+name, number, false)
		group.Field = append(group.Field, inner)
	}
	d.NestedType = append(d.NestedType, group)
}

// makeMap makes the field a map with keys and values of any kinds.
func (m *typeMaker) makeMap(d *descriptorpb.DescriptorProto, scope string, f *descriptorpb.FieldDescriptorProto) {
	name := entryName(f.GetName())
	f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	f.Type, f.TypeName, f.Proto3Optional = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), proto.String(scope+"."+name), nil
	key := &descriptorpb.FieldDescriptorProto{
		Name: proto.String("key"), Number: proto.Int32(1), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		Type: scalarTypes[2+m.IntN(14)].Enum(), // no floats
	}
	if key.GetType() == descriptorpb.FieldDescriptorProto_TYPE_BYTES {
		key.Type = descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum()
	}
	value := &descriptorpb.FieldDescriptorProto{
		Name: proto.String("value"), Number: proto.Int32(2), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		Options: &descriptorpb.FieldOptions{},
	}
	if m.setType(value, nil, ""); value.GetTypeName() != "" && value.GetType() == descriptorpb.FieldDescriptorProto_TYPE_ENUM {
		m.setEnum(value, m.enums[0]) // it begins with 0, as enums in maps must
	}
	value.Options = nil
	d.NestedType = append(d.NestedType, &descriptorpb.DescriptorProto{
		Name: &name, Options: &descriptorpb.MessageOptions{MapEntry: proto.Bool(true)},
		Field: []*descriptorpb.FieldDescriptorProto{key, value},
	})
}

// entryName returns what protoc calls the entry of a map.
func entryName(field string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(field, "_") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String() + "Entry"
}

// fieldOptions chooses what is said about a field beside its type.
func (m *typeMaker) fieldOptions(f *descriptorpb.FieldDescriptorProto, inOneof bool) {
	repeated := f.GetLabel() == descriptorpb.FieldDescriptorProto_LABEL_REPEATED
	isScalar := f.GetTypeName() == ""
	isText := f.GetType() == descriptorpb.FieldDescriptorProto_TYPE_STRING || f.GetType() == descriptorpb.FieldDescriptorProto_TYPE_BYTES
	switch {
	case !m.oneIn(3):
	case m.isEdition():
		m.fieldFeatures(f, repeated, inOneof)
	case repeated && isScalar && !isText:
		f.Options.Packed = proto.Bool(m.oneIn(2))
	case m.isProto2() && !repeated && isScalar && isText:
		f.DefaultValue = proto.String("abc")
	case m.isProto2() && !repeated && isScalar:
		if texts := randomDefaults[f.GetType()]; texts != nil {
			f.DefaultValue = proto.String(texts[m.IntN(len(texts))])
		}
	}
}

// randomDefaults are defaults that files may declare, by type.
var randomDefaults = map[descriptorpb.FieldDescriptorProto_Type][]string{
	descriptorpb.FieldDescriptorProto_TYPE_INT32:    {"-5"},
	descriptorpb.FieldDescriptorProto_TYPE_SINT64:   {"-9223372036854775808"},
	descriptorpb.FieldDescriptorProto_TYPE_UINT64:   {"18446744073709551615"},
	descriptorpb.FieldDescriptorProto_TYPE_SFIXED32: {"0", "-2147483648"},
	descriptorpb.FieldDescriptorProto_TYPE_FIXED32:  {"4294967295"},
	descriptorpb.FieldDescriptorProto_TYPE_BOOL:     {"true", "false"},
	descriptorpb.FieldDescriptorProto_TYPE_DOUBLE:   {"1.5", "nan", "-inf"},
	descriptorpb.FieldDescriptorProto_TYPE_FLOAT:    {"0.1", "inf"},
}

func (m *typeMaker) fieldFeatures(f *descriptorpb.FieldDescriptorProto, repeated, inOneof bool) {
	if f.Options.Features == nil {
		f.Options.Features = &descriptorpb.FeatureSet{}
	}
	features := f.Options.Features
	isMessage := f.GetType() == descriptorpb.FieldDescriptorProto_TYPE_MESSAGE
	isText := f.GetType() == descriptorpb.FieldDescriptorProto_TYPE_STRING || f.GetType() == descriptorpb.FieldDescriptorProto_TYPE_BYTES
	switch {
	case isMessage:
		features.MessageEncoding = descriptorpb.FeatureSet_DELIMITED.Enum()
	case repeated && !isText:
		features.RepeatedFieldEncoding = descriptorpb.FeatureSet_EXPANDED.Enum()
	case f.GetType() == descriptorpb.FieldDescriptorProto_TYPE_STRING:
		features.Utf8Validation = descriptorpb.FeatureSet_NONE.Enum()
	case repeated || inOneof:
	case m.oneIn(2):
		features.FieldPresence = descriptorpb.FeatureSet_LEGACY_REQUIRED.Enum()
	case f.GetTypeName() == "":
		features.FieldPresence = descriptorpb.FeatureSet_IMPLICIT.Enum()
	}
}
