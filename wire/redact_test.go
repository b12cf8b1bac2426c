package wire_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/wire"
)

// FuzzRandomRedact compares a redaction with the same rules on an object.
func FuzzRandomRedact(f *testing.F) { fuzzRandom(f, checkRandomRedact) }

func checkRandomRedact(t *testing.T, types []byte, seed uint64, raw []byte, choice byte) {
	s := randomSchemaOf(types)
	if s == nil {
		return
	}
	m := s.randomMessage(choice)
	msg := s.randomWire(m, seed, raw, choice)
	oracle := redactOracle{schema: s, rules: randomRules(rand.New(rand.NewPCG(seed, 7)), m)}
	redaction := oracle.compile(t, m)
	object, err := s.object(m, msg)
	if err != nil {
		_, _ = redaction.Apply(msg) // it may look at less than a parser
		return
	}
	// As an encoder would write it, nothing is split and nothing refused.
	anys := redactOracle{schema: s} // without rules: encodes what is in an Any again
	if !anys.redact(object.ProtoReflect(), ".") {
		return
	}
	plain, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(object)
	if err != nil || !oracle.redact(object.ProtoReflect(), ".") {
		return
	}
	oracle.compareRedacted(t, m, redaction, object, plain)
	if _, err := redaction.Apply(msg); err == nil {
		oracle.compareRedacted(t, m, redaction, object, msg)
	}
}

func (o *redactOracle) compareRedacted(t *testing.T, m *wire.Message, redaction *wire.Redaction, want proto.Message, msg []byte) {
	t.Helper()
	before := bytes.Clone(msg)
	out, err := redaction.Apply(msg)
	if err != nil {
		if strings.Contains(err.Error(), "too deep") || strings.Contains(err.Error(), "one by one") && o.hasBareAny {
			return
		}
		t.Fatalf("%x\n%+v\n%v", msg, o.rules, err)
	}
	if !bytes.Equal(msg, before) {
		t.Fatalf("%x was changed to %x", before, msg)
	}
	got, err := o.schema.object(m, out)
	if err != nil {
		t.Fatalf("%x\n%+v\nbecomes %x: %v", msg, o.rules, out, err)
	}
	anys := redactOracle{schema: o.schema}
	anys.redact(got.ProtoReflect(), ".")
	if !proto.Equal(got, want) {
		t.Fatalf("%x\n%+v\nbecomes %x\ngot  %v\nwant %v", msg, o.rules, out, got, want)
	}
}

// randomRules returns a few rules for fields of m and of what is below it.
func randomRules(r *rand.Rand, m *wire.Message) (rules []wire.RedactRule) {
	for range 1 + r.IntN(3) {
		at, path := m, ""
		for len(at.Fields()) > 0 {
			f := at.Fields()[r.IntN(len(at.Fields()))]
			if at.FullName() == "google.protobuf.Any" {
				break // without its type, what it holds is lost
			}
			path += "." + f.JSONName()
			if f.Message() != nil && r.IntN(3) > 0 && strings.Count(path, ".") < 8 {
				at = f.Message()
				continue
			}
			rule := wire.RedactRule{Path: path[1:]}
			if r.IntN(2) == 0 {
				rule = wire.RedactRule{Field: f.Descriptor().FullName()}
			}
			if f.Kind() == protoreflect.StringKind || f.Kind() == protoreflect.BytesKind {
				rule.Action = wire.RedactAction(r.IntN(2))
				rule.Text = strings.Repeat("x", r.IntN(3)*70)
			}
			rules = append(rules, rule)
			break
		}
	}
	return rules
}

// redactOracle redacts objects.
type redactOracle struct {
	schema     *decodeSchema
	rules      []wire.RedactRule
	byField    map[protoreflect.FullName]*wire.RedactRule
	byPath     map[string]*wire.RedactRule
	hasBareAny bool // an Any has a value without a type
}

// compile compiles the rules that are valid.
func (o *redactOracle) compile(t *testing.T, m *wire.Message) *wire.Redaction {
	var valid []wire.RedactRule
	for _, rule := range o.rules {
		if _, err := m.NewRedaction([]wire.RedactRule{rule}); err == nil {
			valid = append(valid, rule)
		} else if text := err.Error(); !strings.Contains(text, "required") && !strings.Contains(text, "key of a map") {
			t.Fatalf("%+v: %v", rule, err)
		}
	}
	o.rules = valid
	o.byField, o.byPath = make(map[protoreflect.FullName]*wire.RedactRule), make(map[string]*wire.RedactRule)
	for i := range valid {
		if rule := &valid[i]; rule.Field != "" {
			o.byField[rule.Field] = rule
		} else {
			o.byPath["."+rule.Path] = rule
		}
	}
	redaction, err := m.NewRedaction(valid)
	if err != nil {
		t.Fatal(err)
	}
	return redaction
}

func (o *redactOracle) rule(fd protoreflect.FieldDescriptor, path string) *wire.RedactRule {
	if rule := o.byPath[path]; rule != nil {
		return rule
	}
	return o.byField[fd.FullName()]
}

func below(path string, fd protoreflect.FieldDescriptor) string {
	name := fd.JSONName()
	if fd.IsExtension() {
		name = "[" + string(fd.FullName()) + "]"
	}
	return strings.TrimSuffix(path, ".") + "." + name
}

// redact applies the rules to a message at a path. It reports false where an Any
// holds what is no message of its type.
func (o *redactOracle) redact(msg protoreflect.Message, path string) bool {
	ok := true
	if msg.Descriptor().FullName() == "google.protobuf.Any" && msg.Descriptor().Fields().ByNumber(2) != nil {
		ok = o.redactAny(msg)
	}
	o.dropUnknown(msg, path)
	msg.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		at := below(path, fd)
		rule := o.rule(fd, at)
		switch {
		case rule != nil && rule.Action == wire.RedactDrop:
			msg.Clear(fd)
		case rule != nil && fd.IsList():
			for i := range v.List().Len() {
				v.List().Set(i, textValue(fd, rule.Text))
			}
		case rule != nil:
			msg.Set(fd, textValue(fd, rule.Text))
		case fd.IsMap():
			ok = o.redactMap(msg.Mutable(fd).Map(), fd.MapValue(), at) && ok
		case fd.Message() == nil:
		case fd.IsList():
			for i := range v.List().Len() {
				ok = o.redact(v.List().Get(i).Message(), at) && ok
			}
		default:
			ok = o.redact(v.Message(), at) && ok
		}
		return true
	})
	return ok
}

func textValue(fd protoreflect.FieldDescriptor, text string) protoreflect.Value {
	if fd.Kind() == protoreflect.BytesKind {
		return protoreflect.ValueOfBytes([]byte(text))
	}
	return protoreflect.ValueOfString(text)
}

func (o *redactOracle) redactMap(m protoreflect.Map, fd protoreflect.FieldDescriptor, path string) bool {
	ok := true
	at := path + ".value"
	rule := o.rule(fd, at)
	m.Range(func(key protoreflect.MapKey, v protoreflect.Value) bool {
		switch {
		case rule != nil && rule.Action == wire.RedactReplace:
			if !v.Equal(fd.Default()) {
				m.Set(key, textValue(fd, rule.Text))
			}
		case rule != nil && fd.Message() != nil:
			m.Set(key, m.NewValue())
		case rule != nil:
			m.Set(key, fd.Default())
		case fd.Message() != nil:
			ok = o.redact(v.Message(), at) && ok
		}
		return true
	})
	return ok
}

// dropUnknown drops unknown records that have the number of a redacted field.
func (o *redactOracle) dropUnknown(msg protoreflect.Message, path string) {
	var kept []byte
	for rest := msg.GetUnknown(); len(rest) > 0; {
		number, _, n := protowire.ConsumeField(rest)
		fd := msg.Descriptor().Fields().ByNumber(number)
		for _, xd := range o.schema.ExtensionsOf(msg.Descriptor().FullName()) {
			if xd.Number() == number {
				fd = xd
			}
		}
		if fd == nil || o.rule(fd, below(path, fd)) == nil {
			kept = append(kept, rest[:n]...)
		}
		rest = rest[n:]
	}
	msg.SetUnknown(kept)
}

// redactAny applies the rules for fields to what is in an Any.
func (o *redactOracle) redactAny(msg protoreflect.Message) bool {
	url, value := msg.Descriptor().Fields().ByNumber(1), msg.Descriptor().Fields().ByNumber(2)
	name := msg.Get(url).String()
	if !msg.Has(url) {
		o.hasBareAny = o.hasBareAny || msg.Has(value)
		return true
	}
	md := o.schema.FindMessageByName(protoreflect.FullName(name[strings.LastIndexByte(name, '/')+1:]))
	if md == nil || !msg.Has(value) {
		return true
	}
	m := o.schema.types.Message(md)
	inner, err := o.schema.object(m, msg.Get(value).Bytes())
	if err != nil {
		return false
	}
	ok := o.redact(inner.ProtoReflect(), "inside")
	body, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(inner)
	if err != nil {
		return false
	}
	msg.Set(value, protoreflect.ValueOfBytes(body))
	return ok
}

func TestRedact(t *testing.T) {
	schema := decodeSchemaOf(t)
	for _, tt := range []struct {
		name  string
		rules []wire.RedactRule
		json  string
		want  string
	}{
		{"drop", []wire.RedactRule{{Path: "aString"}}, `{"aString":"x","anInt32":1}`, `{"anInt32":1}`},
		{"replace", []wire.RedactRule{{Path: "aString", Action: wire.RedactReplace, Text: "***"}}, `{"aString":"secret"}`, `{"aString":"***"}`},
		{"what is absent stays absent", []wire.RedactRule{{Path: "aString", Action: wire.RedactReplace, Text: "***"}}, `{"anInt32":1}`, `{"anInt32":1}`},
		{"by path, there alone", []wire.RedactRule{{Path: "children.aString"}}, `{"aString":"x","children":[{"aString":"y","anInt32":1},{"children":[{"aString":"z"}]}]}`,
			`{"aString":"x","children":[{"anInt32":1},{"children":[{"aString":"z"}]}]}`},
		{"by field, everywhere", []wire.RedactRule{{Field: "rich.Rich.a_string"}}, `{"aString":"x","children":[{"aString":"y","children":[{"aString":"z","anInt32":1}]}],"any":{"@type":"x/rich.Rich","aString":"q","anInt32":2}}`,
			`{"children":[{"children":[{"anInt32":1}]}],"any":{"@type":"x/rich.Rich","anInt32":2}}`},
		{"path before field", []wire.RedactRule{{Field: "rich.Rich.a_string"}, {Path: "aString", Action: wire.RedactReplace, Text: "top"}}, `{"aString":"x","children":[{"aString":"y"}]}`,
			`{"aString":"top","children":[{}]}`},
		{"values of maps", []wire.RedactRule{{Path: "stringsByString.value", Action: wire.RedactReplace, Text: "*"}}, `{"stringsByString":{"a":"b","c":"d"}}`, `{"stringsByString":{"a":"*","c":"*"}}`},
		{"lengths grow", []wire.RedactRule{{Field: "rich.Rich.a_string", Action: wire.RedactReplace, Text: strings.Repeat("x", 200)}}, `{"children":[{"children":[{"aString":"y"}]},{"anInt32":1}]}`,
			`{"children":[{"children":[{"aString":"` + strings.Repeat("x", 200) + `"}]},{"anInt32":1}]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := schema.message("rich.Rich")
			redaction, err := m.NewRedaction(tt.rules)
			if err != nil {
				t.Fatal(err)
			}
			msg, err := m.AppendWire(nil, []byte(tt.json), wire.DecodeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			out, err := redaction.Apply(msg)
			if err != nil {
				t.Fatal(err)
			}
			got, err := m.Project(wire.Options{}).AppendJSON(nil, out, nil)
			if err != nil {
				t.Fatal(err)
			}
			want, err := m.AppendWire(nil, []byte(tt.want), wire.DecodeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			wanted, err := m.Project(wire.Options{}).AppendJSON(nil, want, nil)
			if err != nil || string(got) != string(wanted) {
				t.Errorf("got  %s\nwant %s, %v", got, wanted, err)
			}
		})
	}
}

// TestRedactCopiesNothing checks that a message without redacted fields is returned as it is.
func TestRedactCopiesNothing(t *testing.T) {
	m := decodeSchemaOf(t).message("rich.Rich")
	redaction, err := m.NewRedaction([]wire.RedactRule{{Field: "rich.Rich.a_string"}})
	if err != nil {
		t.Fatal(err)
	}
	msg, err := m.AppendWire(nil, []byte(`{"anInt32":1,"children":[{"anInt32":2}]}`), wire.DecodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := redaction.Apply(msg)
	if err != nil || &out[0] != &msg[0] || len(out) != len(msg) {
		t.Errorf("%x became %x, %v", msg, out, err)
	}
}

func TestRedactRefusesRules(t *testing.T) {
	schema := decodeSchemaOf(t)
	for _, tt := range []struct {
		rule wire.RedactRule
		want string
	}{
		{wire.RedactRule{}, "a rule of a redaction needs a path or a field, and not both"},
		{wire.RedactRule{Path: "a", Field: "b"}, "a rule of a redaction needs a path or a field, and not both"},
		{wire.RedactRule{Path: "children.nothing"}, `children.nothing: rich.Rich has no field "nothing"`},
		{wire.RedactRule{Path: "aString.more"}, "aString.more: a path cannot lead through rich.Rich.a_string"},
		{wire.RedactRule{Field: "rich.Rich.nothing"}, "there is no field rich.Rich.nothing"},
		{wire.RedactRule{Path: "stringsByString.key"}, "rich.Rich.StringsByStringEntry.key is the key of a map and cannot be redacted"},
		{wire.RedactRule{Path: "anInt32", Action: wire.RedactReplace}, "rich.Rich.an_int32 is neither string nor bytes and can only be dropped"},
	} {
		_, err := schema.message("rich.Rich").NewRedaction([]wire.RedactRule{tt.rule})
		if err == nil || err.Error() != tt.want {
			t.Errorf("%+v: got  %v\nwant %s", tt.rule, err, tt.want)
		}
	}
}

// TestRedactRefusesBytes has what cannot be redacted without merging, and what is no message.
func TestRedactRefusesBytes(t *testing.T) {
	schema := decodeSchemaOf(t)
	m := schema.message("google.protobuf.Any")
	redaction, err := m.NewRedaction([]wire.RedactRule{{Field: "rich.Rich.a_string"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, msg := range map[string]string{
		"two types":             "\x0a\x01a\x0a\x01b",
		"a value and no type":   "\x12\x02\x08\x01",
		"two values":            "\x0a\x01a\x12\x00\x12\x00",
		"cut off":               "\x0a\x05a",
		"a group without start": "\x0c",
	} {
		if out, err := redaction.Apply([]byte(msg)); !errors.Is(err, wire.ErrMalformed) || out != nil {
			t.Errorf("%s: %x, %v", name, out, err)
		}
	}
}
