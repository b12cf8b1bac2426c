package graphql

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// sketch is a random .proto file. Names of fields tell what JSON their inputs take: see jsonInput.
type sketch struct {
	*rand.Rand
	text     strings.Builder
	enums    []string
	messages []string
	entities []*joinable
	methods  []*sketchMethod
	joins    []*sketchJoin
}

// joinable is a message that other messages point to by a key, and the method that fetches it.
type joinable struct {
	name, method, keyType string
	batch, many           bool
}

// sketchJoin is a field that is resolved by another method.
type sketchJoin struct {
	message, field, key string
	keys                bool // the key is repeated
	to                  *joinable
}

// sketchMethod is a method that operations call.
type sketchMethod struct {
	name           string
	output         string
	clientStreams  bool
	serverStreams  bool
	collect        bool
	input          string
	query, changes bool
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

func (s *sketch) chance(percent int) bool { return s.IntN(100) < percent }

func newSketch(r *rand.Rand) *sketch {
	s := &sketch{Rand: r}
	s.text.WriteString(`syntax = "proto3";
package random.v1;
import "google/api/field_behavior.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "protean/options/v1/options.proto";
`)
	for i := range 1 + s.IntN(2) {
		s.enum(fmt.Sprintf("E%d", i))
	}
	for i := range 2 + s.IntN(4) {
		s.messages = append(s.messages, fmt.Sprintf("M%d", i))
	}
	if s.chance(50) {
		s.messages = append(s.messages, "M0.Inner")
	}
	for i := range s.IntN(3) {
		s.entities = append(s.entities, &joinable{
			name: fmt.Sprintf("Entity%d", i), method: fmt.Sprintf("FetchEntity%d", i),
			keyType: pick(r, []string{"string", "int64", "int32", "uint32"}), batch: s.chance(70),
		})
	}
	for _, e := range s.entities {
		e.many = e.batch && s.chance(40)
	}
	for _, e := range s.entities {
		s.entity(e)
	}
	for _, m := range s.messages {
		if !strings.Contains(m, ".") {
			s.message(m)
		}
	}
	s.service()
	return s
}

func (s *sketch) line(format string, args ...any) { fmt.Fprintf(&s.text, format+"\n", args...) }

func (s *sketch) enum(name string) {
	s.enums = append(s.enums, name)
	s.line("enum %s {", name)
	alias := s.chance(30)
	if alias {
		s.line("  option allow_alias = true;")
	}
	for i := range 2 + s.IntN(4) {
		s.line("  %s_V%d = %d;", name, i, i)
	}
	if alias {
		s.line("  %s_ALIAS = 1;", name)
	}
	if s.chance(30) {
		s.line("  %s_NEGATIVE = -1;", name)
	}
	s.line("}")
}

func (s *sketch) entity(e *joinable) {
	repeated := ""
	if e.batch {
		repeated = "repeated "
		s.line("message %sList { repeated %s items = 1; }", e.name, e.name)
	}
	s.line("message %sKey { %s%s key = 1; }", e.name, repeated, e.keyType)
	s.body(e.name, func() { s.line("  %s key = 60;", e.keyType) })
}

func (s *sketch) message(name string) {
	s.body(name, func() {
		if name == "M0" && s.messages[len(s.messages)-1] == "M0.Inner" {
			s.body("Inner", func() {})
		}
	})
}

// body writes a message with random fields, some of which are keys of entities.
func (s *sketch) body(name string, more func()) {
	s.line("message %s {", name)
	if name != "Inner" {
		for i, e := range s.entities {
			if s.chance(40) {
				s.join(name, i, e)
			}
		}
	}
	n := 1
	for range s.IntN(7) {
		s.field(&n)
	}
	for i := range s.IntN(3) {
		s.oneof(name, i, &n)
	}
	more()
	s.line("}")
}

func (s *sketch) join(message string, i int, e *joinable) {
	j := &sketchJoin{message: message, field: fmt.Sprintf("joined%d", i), key: fmt.Sprintf("j%d_key", i), keys: s.chance(50), to: e}
	s.joins = append(s.joins, j)
	label := pick(s.Rand, []string{"", "optional "})
	if j.keys {
		label = "repeated "
	}
	s.line("  %s%s %s = %d;", label, e.keyType, j.key, 70+i)
	s.text.WriteString("  option (protean.options.v1.message).joins = {")
	fmt.Fprintf(&s.text, "field: %q method: \"random.v1.Random.%s\" key: %q argument: \"key\"", j.field, e.method, j.key)
	if e.batch {
		fmt.Fprintf(&s.text, " result: \"items\" result_key: \"key\" many: %v max_keys: %d", e.many, 1+s.IntN(4))
	}
	s.line("};")
}

var protoScalars = []string{
	"bool", "int32", "sint32", "sfixed32", "uint32", "fixed32", "int64", "sint64", "sfixed64",
	"uint64", "fixed64", "float", "double", "double", "string", "string", "bytes",
}

// wellKnown are types of google.protobuf with the prefix of the names of their fields.
var wellKnown = [][2]string{
	{"Timestamp", "x"}, {"Duration", "x"}, {"Struct", "st"}, {"Value", "va"}, {"ListValue", "li"}, {"Empty", "em"},
	{"FieldMask", "fm"}, {"DoubleValue", "x"}, {"FloatValue", "x"}, {"Int64Value", "x"}, {"UInt64Value", "x"},
	{"Int32Value", "x"}, {"UInt32Value", "x"}, {"BoolValue", "x"}, {"StringValue", "x"}, {"BytesValue", "x"},
}

// fieldType returns a type, the prefix of the field's name and its options.
func (s *sketch) fieldType() (typ, prefix string, options []string) {
	switch n := s.IntN(100); {
	case n < 45:
		typ, prefix = pick(s.Rand, protoScalars), "x"
		if typ == "string" && s.chance(15) {
			options = append(options, "(protean.options.v1.field).id = true")
		}
	case n < 55:
		typ, prefix = pick(s.Rand, s.enums), "x"
	case n < 75:
		known := pick(s.Rand, wellKnown)
		typ, prefix = "google.protobuf."+known[0], known[1]
	default:
		typ, prefix = pick(s.Rand, s.messages), "x"
		if s.chance(8) {
			prefix, options = "aj", append(options, "(protean.options.v1.field).as_json = true")
		}
	}
	if s.chance(8) {
		options = append(options, "(protean.options.v1.field).deniable = true")
	}
	return typ, prefix, options
}

func (s *sketch) field(n *int) {
	typ, prefix, options := s.fieldType()
	label := pick(s.Rand, []string{"", "", "", "optional ", "repeated "})
	if label != "repeated " && s.chance(15) {
		if prefix == "li" || prefix == "fm" { // the input of an entry is only called `value`
			typ = "google.protobuf.Struct"
		}
		typ, label = fmt.Sprintf("map<%s, %s>", pick(s.Rand, []string{"string", "int32", "int64", "uint64", "bool", "sfixed32"}), typ), ""
	} else if label == "" && s.chance(12) && !strings.HasPrefix(typ, "M") {
		options = append(options, "(google.api.field_behavior) = REQUIRED")
	}
	s.line("  %s%s %s%d_field = %d%s;", label, typ, prefix, *n, *n, bracketed(options))
	*n++
}

func bracketed(options []string) string {
	if len(options) == 0 {
		return ""
	}
	return " [" + strings.Join(options, ", ") + "]"
}

func (s *sketch) oneof(message string, i int, n *int) {
	name := fmt.Sprintf("choice_%d", i)
	if s.chance(30) && len(s.messages) > 1 { // a union
		members := s.Perm(len(s.messages))[:1+s.IntN(2)]
		s.line("  option (protean.options.v1.message).unions = %q;", name)
		s.line("  oneof %s {", name)
		for _, m := range members {
			s.line("    %s x%d_member = %d;", s.messages[m], *n, *n)
			*n++
		}
		s.line("  }")
		return
	}
	s.line("  oneof %s {", name)
	for range 1 + s.IntN(3) {
		typ, prefix, options := s.fieldType()
		s.line("    %s %s%d_member = %d%s;", typ, prefix, *n, *n, bracketed(options))
		*n++
	}
	s.line("  }")
}

func (s *sketch) service() {
	s.line("service Random {")
	for _, e := range s.entities {
		answer := e.name
		if e.batch {
			answer += "List"
		}
		s.line("  rpc %s(%sKey) returns (%s) { option idempotency_level = NO_SIDE_EFFECTS; }", e.method, e.name, answer)
	}
	for i := range 5 + s.IntN(4) {
		s.method(i)
	}
	s.line("}")
}

func (s *sketch) method(i int) {
	m := &sketchMethod{input: pick(s.Rand, s.messages), output: pick(s.Rand, s.messages)}
	if s.chance(10) {
		m.input = pick(s.Rand, []string{"google.protobuf.Empty", "google.protobuf.StringValue", "google.protobuf.Int64Value", "google.protobuf.Timestamp"})
	}
	if s.chance(12) {
		m.output = pick(s.Rand, []string{"google.protobuf.Empty", "google.protobuf.DoubleValue", "google.protobuf.Timestamp", "google.protobuf.Struct"})
	}
	var option string
	switch kind := s.IntN(100); {
	case i < 2 || kind < 45:
		m.query, m.name, option = true, "Ask", "option idempotency_level = NO_SIDE_EFFECTS;"
	case kind < 70:
		m.changes, m.name = true, "Do"
	case kind < 80:
		m.changes, m.clientStreams, m.name = true, true, "Send"
		if strings.HasPrefix(m.input, "google") {
			m.input = s.messages[0]
		}
	case kind < 90:
		m.serverStreams, m.name = true, "Watch"
	default:
		m.query, m.serverStreams, m.collect, m.name = true, true, true, "Gather"
		option = "option (protean.options.v1.method).graphql.collect = 5;"
	}
	m.name = fmt.Sprintf("%s%d", m.name, i)
	s.methods = append(s.methods, m)
	stream := map[bool]string{true: "stream "}
	s.line("  rpc %s(%s%s) returns (%s%s) { %s }", m.name, stream[m.clientStreams], m.input, stream[m.serverStreams], m.output, option)
}
