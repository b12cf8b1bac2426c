package graphql

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	optionsv1 "github.com/protean-gateway/protean/proto/protean/options/v1"
)

// randomMessage fills a message; depth bounds the messages within.
func randomMessage(r *rand.Rand, m protoreflect.Message, depth int) {
	switch name := m.Descriptor().FullName(); name {
	case "google.protobuf.Timestamp":
		setSeconds(m, pick(r, []int64{0, 1767225600, -62135596800, 253402300799, r.Int64N(1e10), 253402300800}), pick(r, []int32{0, 0, 500000000, 1, 999999999}))
		return
	case "google.protobuf.Duration":
		n := pick(r, []int32{0, 5, -5})
		setSeconds(m, int64(n)*pick(r, []int64{0, 1, 315576000000 / 5, 1e12}), n*pick(r, []int32{0, 1, 100000000}))
		return
	case "google.protobuf.FieldMask":
		list := m.Mutable(m.Descriptor().Fields().ByName("paths")).List()
		for range r.IntN(3) {
			list.Append(protoreflect.ValueOfString(pick(r, []string{"a", "b_c", "d.e_f"})))
		}
		return
	case "google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue":
		_ = protojson.Unmarshal([]byte(randomJSON(r, name, 3)), m.Interface())
		return
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		if fd := fields.Get(i); r.IntN(100) < 70 {
			randomField(r, m, fd, depth)
		}
	}
}

func setSeconds(m protoreflect.Message, seconds int64, nanos int32) {
	fields := m.Descriptor().Fields()
	m.Set(fields.ByName("seconds"), protoreflect.ValueOfInt64(seconds))
	m.Set(fields.ByName("nanos"), protoreflect.ValueOfInt32(nanos))
}

func randomField(r *rand.Rand, m protoreflect.Message, fd protoreflect.FieldDescriptor, depth int) {
	if fd.Message() != nil && depth == 0 {
		return
	}
	switch {
	case fd.IsMap():
		entries := m.Mutable(fd).Map()
		for range r.IntN(4) {
			key := randomScalar(r, fd.MapKey()).MapKey()
			if fd.MapValue().Message() != nil {
				v := entries.NewValue()
				randomMessage(r, v.Message(), depth-1)
				entries.Set(key, v)
			} else {
				entries.Set(key, randomScalar(r, fd.MapValue()))
			}
		}
	case fd.IsList():
		list := m.Mutable(fd).List()
		for range r.IntN(4) {
			if fd.Message() != nil {
				randomMessage(r, list.AppendMutable().Message(), depth-1)
			} else {
				list.Append(randomScalar(r, fd))
			}
		}
	case fd.Message() != nil:
		randomMessage(r, m.Mutable(fd).Message(), depth-1)
	default:
		m.Set(fd, randomScalar(r, fd))
	}
}

var randomTexts = []string{"", "a", "b", "c", "d", "e", "two words", `"quoted" \ back`, "line\nend\ttab", "<&>'", "é ß 漢字", "🙂", "\u2028\u2029", "\x01\x7f"}

// isKey reports whether a field is a key of an entity or leads to one.
func isKey(fd protoreflect.FieldDescriptor) bool {
	return fd.Name() == "key" && !fd.ContainingMessage().IsMapEntry() || strings.HasSuffix(string(fd.Name()), "_key")
}

func randomScalar(r *rand.Rand, fd protoreflect.FieldDescriptor) protoreflect.Value {
	if isKey(fd) {
		return keyValue(fd, r.IntN(8))
	}
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(r.IntN(2) == 1)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(pick(r, []int32{0, 1, 2, 3, -1, 77})))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(pick(r, []int32{0, 1, -1, math.MaxInt32, math.MinInt32, int32(r.Uint32())}))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(pick(r, []uint32{0, 1, math.MaxUint32, r.Uint32()}))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(pick(r, []int64{0, 1, -1, math.MaxInt64, math.MinInt64, r.Int64()}))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(pick(r, []uint64{0, 1, math.MaxUint64, r.Uint64()}))
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(pick(r, []float32{0, 1, -0.5, 0.1, math.MaxFloat32, math.SmallestNonzeroFloat32, float32(math.NaN()), float32(math.Inf(-1)), float32(r.NormFloat64())}))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(pick(r, []float64{0, 1, -0.5, 0.1, 1e21, 1e-7, 123456789012345680000, math.MaxFloat64, math.SmallestNonzeroFloat64, math.NaN(), math.Inf(1), math.Copysign(0, -1), r.NormFloat64()}))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(pick(r, randomTexts)))
	default:
		return protoreflect.ValueOfString(pick(r, randomTexts))
	}
}

// keyValue makes a key of a number: 0 is the zero of its type; there are entities for 1 to 5.
func keyValue(fd protoreflect.FieldDescriptor, n int) protoreflect.Value {
	switch fd.Kind() {
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(int64(n))
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(n))
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(n))
	default:
		return protoreflect.ValueOfString(strings.Repeat("k", n))
	}
}

func randomJSON(r *rand.Rand, name protoreflect.FullName, depth int) string {
	switch {
	case name == "google.protobuf.Struct":
		var members []string
		for _, key := range []string{"a", "b", "c d"} {
			if r.IntN(2) == 0 {
				members = append(members, quote(key)+":"+randomJSON(r, "", depth-1))
			}
		}
		return "{" + strings.Join(members, ",") + "}"
	case name == "google.protobuf.ListValue":
		var elements []string
		for range r.IntN(3) {
			elements = append(elements, randomJSON(r, "", depth-1))
		}
		return "[" + strings.Join(elements, ",") + "]"
	case depth > 0 && r.IntN(4) == 0:
		return randomJSON(r, "google.protobuf.Struct", depth)
	case depth > 0 && r.IntN(4) == 0:
		return randomJSON(r, "google.protobuf.ListValue", depth)
	}
	return pick(r, []string{"null", "true", "1", "-2.5", "1e30", `"text"`, `"é\n"`})
}

func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s)
	return strings.TrimSpace(b.String())
}

// What stands in a tree for what JSON or graphql-js cannot hold.
const (
	treeNaN = "\x00NaN" // a number that GraphQL cannot write
	treeBad = "\x00bad" // a value that cannot be serialized
)

// treeMaker turns messages into the objects that resolvers of graphql-js read, field by field
// as the mapping says. It is the plain twin of what the gateway does with wire bytes.
type treeMaker struct {
	joins map[string][]*sketchJoin // by message
}

func (t *treeMaker) message(m protoreflect.Message) any {
	md := m.Descriptor()
	if strings.HasPrefix(string(md.FullName()), "google.protobuf.") {
		return t.wellKnown(m)
	}
	out := map[string]any{"__typename": typeNameOf(md)}
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		out[fd.JSONName()] = t.field(m, fd)
	}
	for i := range md.Oneofs().Len() {
		t.oneof(out, m, md.Oneofs().Get(i))
	}
	for _, j := range t.joins[typeNameOf(md)] {
		out[j.field] = joinMark(m, j)
	}
	return out
}

func typeNameOf(md protoreflect.MessageDescriptor) string {
	return strings.ReplaceAll(strings.TrimPrefix(string(md.FullName()), "random.v1."), ".", "_")
}

func (t *treeMaker) field(m protoreflect.Message, fd protoreflect.FieldDescriptor) any {
	options, _ := proto.GetExtension(fd.Options(), optionsv1.E_Field).(*optionsv1.FieldOptions)
	asJSON := options.GetAsJson()
	switch {
	case fd.IsMap() && asJSON:
		return jsonOfField(m, fd)
	case fd.IsMap():
		return t.entries(m.Get(fd).Map(), fd)
	case fd.IsList():
		list := make([]any, 0, m.Get(fd).List().Len())
		for i := range m.Get(fd).List().Len() {
			list = append(list, t.value(m.Get(fd).List().Get(i), fd, asJSON))
		}
		return list
	case fd.HasPresence() && !m.Has(fd):
		return nil
	default:
		return t.value(m.Get(fd), fd, asJSON)
	}
}

// entries are in the order of the keys.
func (t *treeMaker) entries(entries protoreflect.Map, fd protoreflect.FieldDescriptor) any {
	var keys []protoreflect.MapKey
	entries.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
		keys = append(keys, k)
		return true
	})
	slices.SortFunc(keys, func(a, b protoreflect.MapKey) int {
		switch x := a.Interface().(type) {
		case bool:
			return strings.Compare(fmt.Sprint(x), fmt.Sprint(b.Bool()))
		case int32, int64:
			return compareNumbers(a.Int(), b.Int())
		case uint32, uint64:
			return compareNumbers(a.Uint(), b.Uint())
		default:
			return strings.Compare(a.String(), b.String())
		}
	})
	out := make([]any, 0, len(keys))
	for _, k := range keys {
		out = append(out, map[string]any{
			"key":   t.value(k.Value(), fd.MapKey(), false),
			"value": t.value(entries.Get(k), fd.MapValue(), false),
		})
	}
	return out
}

func compareNumbers[T int64 | uint64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (t *treeMaker) value(v protoreflect.Value, fd protoreflect.FieldDescriptor, asJSON bool) any {
	switch fd.Kind() {
	case protoreflect.MessageKind:
		if asJSON {
			return jsonOf(v.Message())
		}
		return t.message(v.Message())
	case protoreflect.EnumKind:
		if vd := fd.Enum().Values().ByNumber(v.Enum()); vd != nil {
			return string(vd.Name())
		}
		return "UNRECOGNIZED"
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return strconv.FormatInt(v.Int(), 10)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return strconv.FormatUint(v.Uint(), 10)
	case protoreflect.FloatKind:
		return number(v.Float(), 32)
	case protoreflect.DoubleKind:
		return number(v.Float(), 64)
	case protoreflect.BytesKind:
		return base64.StdEncoding.EncodeToString(v.Bytes())
	default:
		return v.Interface()
	}
}

func number(f float64, bits int) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return treeNaN
	}
	return json.Number(strconv.FormatFloat(f, 'g', -1, bits))
}

func (t *treeMaker) wellKnown(m protoreflect.Message) any {
	md := m.Descriptor()
	if strings.HasSuffix(string(md.Name()), "Value") && md.Fields().Len() == 1 && md.Name() != "ListValue" {
		fd := md.Fields().Get(0)
		return t.value(m.Get(fd), fd, false)
	}
	return jsonOf(m)
}

func jsonOf(m protoreflect.Message) any {
	text, err := protojson.MarshalOptions{}.Marshal(m.Interface())
	if err != nil {
		return treeBad
	}
	return json.RawMessage(text)
}

// jsonOfField writes one field of a message as ProtoJSON does.
func jsonOfField(m protoreflect.Message, fd protoreflect.FieldDescriptor) any {
	alone := dynamicpb.NewMessage(m.Descriptor())
	if m.Has(fd) {
		alone.Set(fd, m.Get(fd))
	}
	text, err := protojson.MarshalOptions{}.Marshal(alone)
	if err != nil {
		return treeBad
	}
	var members map[string]json.RawMessage
	_ = json.Unmarshal(text, &members)
	if value, ok := members[fd.JSONName()]; ok {
		return value
	}
	return json.RawMessage("{}")
}

func (t *treeMaker) oneof(out map[string]any, m protoreflect.Message, od protoreflect.OneofDescriptor) {
	if od.IsSynthetic() {
		return
	}
	camel := strings.ReplaceAll(string(od.Name()), "_", "") // choice_0 is choice0
	set := m.WhichOneof(od)
	options, _ := proto.GetExtension(m.Descriptor().Options(), optionsv1.E_Message).(*optionsv1.MessageOptions)
	switch union := slices.Contains(options.GetUnions(), string(od.Name())); {
	case set == nil:
		out[camel], out[camel+"Case"] = nil, nil
	case union:
		out[camel] = t.message(m.Get(set).Message())
	default:
		out[camel+"Case"] = strings.ToUpper(string(set.Name()))
	}
}

// joinMark tells the resolver of a joined field which keys to look up, and in what.
func joinMark(m protoreflect.Message, j *sketchJoin) any {
	fd := m.Descriptor().Fields().ByName(protoreflect.Name(j.key))
	keys := []string{}
	switch {
	case fd.IsList():
		for i := range m.Get(fd).List().Len() {
			keys = append(keys, fmt.Sprint(m.Get(fd).List().Get(i).Interface()))
		}
	case m.Has(fd):
		keys = append(keys, fmt.Sprint(m.Get(fd).Interface()))
	}
	return map[string]any{"$join": j.to.method, "keys": keys, "many": j.to.many, "list": j.keys}
}

// requestOf makes a request of the arguments that graphql-js coerced, as ProtoJSON reads them.
func requestOf(md protoreflect.MessageDescriptor, arguments any) (*dynamicpb.Message, error) {
	text, err := json.Marshal(protoJSON(md, arguments))
	if err != nil {
		return nil, err
	}
	m := dynamicpb.NewMessage(md)
	return m, protojson.Unmarshal(text, m)
}

func protoJSON(md protoreflect.MessageDescriptor, v any) any {
	given, ok := v.(map[string]any)
	if !ok || strings.HasPrefix(string(md.FullName()), "google.protobuf.") {
		return v
	}
	out := make(map[string]any)
	for i := range md.Oneofs().Len() {
		if members, ok := given[strings.ReplaceAll(string(md.Oneofs().Get(i).Name()), "_", "")].(map[string]any); ok {
			for name, value := range members {
				given[name] = value
			}
		}
	}
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if value, ok := given[fd.JSONName()]; ok && !(value == nil && fd.IsList()) {
			out[fd.JSONName()] = protoJSONField(fd, value)
		}
	}
	return out
}

func protoJSONField(fd protoreflect.FieldDescriptor, v any) any {
	options, _ := proto.GetExtension(fd.Options(), optionsv1.E_Field).(*optionsv1.FieldOptions)
	list, isList := v.([]any)
	switch {
	case fd.IsMap() && isList && !options.GetAsJson():
		out := make(map[string]any)
		for _, entry := range list {
			members, _ := entry.(map[string]any)
			key := fmt.Sprint(members["key"])
			if value, ok := members["value"]; ok && value != nil {
				out[key] = protoJSONField(fd.MapValue(), value)
			} else {
				out[key] = zeroJSON(fd.MapValue())
			}
		}
		return out
	case fd.Message() == nil || fd.IsMap() || options.GetAsJson():
		return v
	case fd.IsList() && isList:
		out := make([]any, len(list))
		for i := range list {
			out[i] = protoJSON(fd.Message(), list[i])
		}
		return out
	default:
		return protoJSON(fd.Message(), v)
	}
}

// zeroJSON is the value of a map's entry that has none.
func zeroJSON(fd protoreflect.FieldDescriptor) any {
	switch {
	case fd.Kind() == protoreflect.BytesKind:
		return ""
	case fd.Message() == nil:
		return fd.Default().Interface()
	}
	text, err := protojson.Marshal(dynamicpb.NewMessage(fd.Message()))
	if err != nil || !utf8.Valid(text) {
		return nil
	}
	return json.RawMessage(text)
}
