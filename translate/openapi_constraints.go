package translate

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	validatepb "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"

	"github.com/protean-gateway/protean/wire"
)

// rulesOf returns the rules of protovalidate (buf/validate/validate.proto) for a
// field; never nil. Rules in CEL have no counterpart in JSON Schema and stay unsaid.
func rulesOf(fd protoreflect.FieldDescriptor) *validatepb.FieldRules {
	rules, _ := proto.GetExtension(fd.Options(), validatepb.E_Field).(*validatepb.FieldRules)
	if rules == nil || rules.GetIgnore() == validatepb.Ignore_IGNORE_ALWAYS {
		return &validatepb.FieldRules{}
	}
	return rules
}

// constrain adds what the rules say about one value of a field to its schema.
func constrain(schema *object, f *wire.Field, form jsonForm, rules *validatepb.FieldRules) {
	keywords := newObject()
	constrainValue(keywords, f, form, rules)
	constrainString(keywords, rules.GetString())
	constrainBytes(keywords, rules.GetBytes())
	setFieldInfo(keywords, f)
	if rules.GetIgnore() == validatepb.Ignore_IGNORE_IF_ZERO_VALUE && len(keywords.members) > 0 {
		if zero := zeroOf(f, form); zero != nil {
			schema.set("anyOf", []any{newObject(member{"const", zero}), keywords})
			return
		}
	}
	for _, m := range keywords.members {
		schema.set(m.name, m.value)
	}
}

// zeroOf returns the zero value of a scalar in JSON, or nil.
func zeroOf(f *wire.Field, form jsonForm) any {
	if f.Message() != nil {
		return nil
	}
	if f.Kind() == protoreflect.EnumKind {
		return enumValue(f.Descriptor().Enum(), 0, form)
	}
	switch scalarSchema(f.Kind()).get("type") {
	case "boolean":
		return false
	case "integer", "number":
		return 0
	}
	if k := f.Kind(); k != protoreflect.StringKind && k != protoreflect.BytesKind {
		return "0"
	}
	return ""
}

// constrainValue adds what all kinds of rules have under the same names.
func constrainValue(schema *object, f *wire.Field, form jsonForm, rules *validatepb.FieldRules) {
	r := rules.ProtoReflect()
	chosen := r.WhichOneof(r.Descriptor().Oneofs().ByName("type"))
	if chosen == nil || chosen.Message() == nil {
		return
	}
	of := r.Get(chosen).Message()
	show := func(v protoreflect.Value, fd protoreflect.FieldDescriptor) any { return ruleValue(v, fd, f, form) }
	for _, rule := range [...]struct {
		name    protoreflect.Name
		keyword string
	}{
		{"lt", "exclusiveMaximum"}, {"lte", "maximum"}, {"gt", "exclusiveMinimum"}, {"gte", "minimum"},
	} {
		if v, fd, ok := ruleOf(of, rule.name); ok {
			schema.setNumber(rule.keyword, v, fd)
		}
	}
	if v, fd, ok := ruleOf(of, "const"); ok {
		schema.setValue("const", show(v, fd))
	}
	if list := ruleList(of, "in", show); len(list) > 0 {
		schema.remove("$ref")
		schema.set("enum", list)
	}
	if list := ruleList(of, "not_in", show); len(list) > 0 {
		schema.set("not", newObject(member{"enum", list}))
	}
	schema.setList("examples", ruleList(of, "example", show))
}

func ruleOf(of protoreflect.Message, name protoreflect.Name) (protoreflect.Value, protoreflect.FieldDescriptor, bool) {
	fd := of.Descriptor().Fields().ByName(name)
	if fd == nil || !of.Has(fd) {
		return protoreflect.Value{}, nil, false
	}
	return of.Get(fd), fd, true
}

func ruleList(of protoreflect.Message, name protoreflect.Name, show func(protoreflect.Value, protoreflect.FieldDescriptor) any) (list []any) {
	v, fd, ok := ruleOf(of, name)
	if !ok || !fd.IsList() || of.Descriptor().FullName() == "buf.validate.AnyRules" {
		return nil
	}
	for i := range v.List().Len() {
		if shown := show(v.List().Get(i), fd); shown != nil {
			list = append(list, shown)
		}
	}
	return list
}

// setNumber adds a bound. Of a 64-bit integer, which is a string in JSON, it tells
// readers what to write; validators pass over it.
func (o *object) setNumber(keyword string, v protoreflect.Value, fd protoreflect.FieldDescriptor) {
	if fd.Message() != nil {
		return // of times: JSON Schema compares numbers only
	}
	if text := numberText(v); text != "" {
		o.set(keyword, json.RawMessage(text))
	}
}

// setValue adds a member unless its value is nil.
func (o *object) setValue(name string, value any) {
	if value != nil {
		o.set(name, value)
	}
}

// numberText returns a number in JSON, and nothing for one that is not finite.
func numberText(v protoreflect.Value) string {
	switch n := v.Interface().(type) {
	case float32:
		return floatText(float64(n), 32)
	case float64:
		return floatText(n, 64)
	default:
		return v.String()
	}
}

func floatText(n float64, bits int) string {
	if math.IsNaN(n) || math.IsInf(n, 0) {
		return ""
	}
	return strconv.FormatFloat(n, 'g', -1, bits)
}

// ruleValue returns the value in a rule as the field's JSON has it, or nil.
func ruleValue(v protoreflect.Value, fd protoreflect.FieldDescriptor, f *wire.Field, form jsonForm) any {
	switch value := v.Interface().(type) {
	case bool:
		return value
	case string:
		return value
	case []byte:
		return base64.StdEncoding.EncodeToString(value)
	case protoreflect.Message:
		return timeText(value.Interface())
	}
	if f.Kind() == protoreflect.EnumKind {
		return enumValue(f.Descriptor().Enum(), protoreflect.EnumNumber(v.Int()), form)
	}
	text := numberText(v)
	switch fd.Kind() {
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind,
		protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return text
	}
	if text == "" {
		return nil
	}
	return json.RawMessage(text)
}

func timeText(m proto.Message) any {
	switch m := m.(type) {
	case *timestamppb.Timestamp:
		return m.AsTime().Format(time.RFC3339Nano)
	case *durationpb.Duration:
		return strconv.FormatFloat(m.AsDuration().Seconds(), 'f', -1, 64) + "s"
	case *fieldmaskpb.FieldMask:
		return maskText(m.GetPaths())
	}
	return nil
}

// enumValue returns the value of an enum in JSON: a name, if it has one.
func enumValue(ed protoreflect.EnumDescriptor, n protoreflect.EnumNumber, form jsonForm) any {
	v := ed.Values().ByNumber(n)
	if v == nil || form.enumNumbers {
		return int(n)
	}
	return string(v.Name())
}

func count(n uint64) json.RawMessage { return strconv.AppendUint(nil, n, 10) }

func constrainList(schema *object, rules *validatepb.RepeatedRules) {
	if rules == nil {
		return
	}
	if rules.MinItems != nil {
		schema.set("minItems", count(rules.GetMinItems()))
	}
	if rules.MaxItems != nil {
		schema.set("maxItems", count(rules.GetMaxItems()))
	}
	schema.setTrue("uniqueItems", rules.GetUnique())
}

func constrainMap(schema *object, rules *validatepb.MapRules) {
	if rules == nil {
		return
	}
	if rules.MinPairs != nil {
		schema.set("minProperties", count(rules.GetMinPairs()))
	}
	if rules.MaxPairs != nil {
		schema.set("maxProperties", count(rules.GetMaxPairs()))
	}
}

// constrainBytes turns lengths of bytes into lengths of their base64, with or without padding.
func constrainBytes(schema *object, r *validatepb.BytesRules) {
	if r == nil {
		return
	}
	if r.Len != nil {
		r = &validatepb.BytesRules{MinLen: r.Len, MaxLen: r.Len}
	}
	if r.MinLen != nil && r.GetMinLen() < maxRuleLength {
		schema.set("minLength", count((r.GetMinLen()*4+2)/3))
	}
	if r.MaxLen != nil && r.GetMaxLen() < maxRuleLength {
		schema.set("maxLength", count((r.GetMaxLen()+2)/3*4))
	}
}

// maxRuleLength is the least length that is as good as none, in bytes.
const maxRuleLength = 1 << 32

// fieldInfoFormats are the formats of google.api.field_info (AIP-202).
var fieldInfoFormats = map[annotations.FieldInfo_Format]string{
	annotations.FieldInfo_UUID4: "uuid",
	annotations.FieldInfo_IPV4:  "ipv4",
	annotations.FieldInfo_IPV6:  "ipv6",
}

func setFieldInfo(schema *object, f *wire.Field) {
	info, _ := proto.GetExtension(f.Descriptor().Options(), annotations.E_FieldInfo).(*annotations.FieldInfo)
	if f.Kind() == protoreflect.StringKind {
		schema.setText("format", fieldInfoFormats[info.GetFormat()])
	}
}

// maskText writes the paths of a field mask as JSON has them.
func maskText(paths []string) string {
	var b bytes.Buffer
	for i, p := range paths {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(snake.ReplaceAllStringFunc(p, func(s string) string { return string(s[1] - 'a' + 'A') }))
	}
	return b.String()
}

var snake = regexp.MustCompile("_[a-z]")
