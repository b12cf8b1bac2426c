package wire_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/wire"
)

// deviates reports whether a document is one of the deviations.
func deviates(document []byte, o wire.DecodeOptions) bool {
	return emptyExponent.Match(document) || o.IgnoreUnknown && bytes.Contains(document, []byte(`"[`))
}

var emptyExponent = regexp.MustCompile(`[0-9][eE][+-]?[^0-9+-]`)

// FuzzAppendWire gives arbitrary text, and documents made from random choices, to
// our decoder and to protojson: both accept with an equal message, or both refuse.
func FuzzAppendWire(f *testing.F) {
	s := decodeSchemaOf(f)
	for _, c := range accepted {
		if len(c.json) < 1000 {
			f.Add([]byte(c.json), uint64(len(c.json)), false)
		}
	}
	for _, c := range refused {
		f.Add([]byte(c.json), uint64(len(c.json)), true)
	}
	f.Fuzz(func(t *testing.T, document []byte, seed uint64, ignoreUnknown bool) {
		if len(document) > 4096 || strings.Count(string(document), "{")+strings.Count(string(document), "[") > 90 {
			return
		}
		o := wire.DecodeOptions{IgnoreUnknown: ignoreUnknown}
		for _, name := range decodeRoots {
			if !deviates(document, o) {
				s.compare(t, s.message(name), document, o)
			}
			made := s.documentMaker(seed).message(s.message(name), 3)
			s.compare(t, s.message(name), []byte(made), o)
		}
	})
}

var decodeRoots = []protoreflect.FullName{
	"rich.Rich", "legacy.Legacy", "edition.Edition", "google.protobuf.Value", "google.protobuf.Any",
}

// TestRandomDocuments is the fuzz target over made documents, for every run of the tests.
func TestRandomDocuments(t *testing.T) {
	s := decodeSchemaOf(t)
	ok := 0
	for seed := range uint64(2000) {
		for _, name := range decodeRoots {
			m := s.message(name)
			made := []byte(s.documentMaker(seed).message(m, 4))
			s.compare(t, m, made, wire.DecodeOptions{IgnoreUnknown: seed%2 == 0})
			if _, err := m.AppendWire(nil, made, wire.DecodeOptions{}); err == nil {
				ok++
			}
		}
	}
	if ok < 2000 {
		t.Errorf("only %d documents are right: the others prove little", ok)
	}
}

// documentMaker makes JSON documents for a message: most right, some subtly wrong.
type documentMaker struct {
	schema *decodeSchema
	*rand.Rand
}

func (s *decodeSchema) documentMaker(seed uint64) documentMaker {
	return documentMaker{s, rand.New(rand.NewPCG(seed, 1))}
}

func (r documentMaker) oneIn(n int) bool { return r.IntN(n) == 0 }

func (r documentMaker) pick(from ...string) string { return from[r.IntN(len(from))] }

func (r documentMaker) message(m *wire.Message, depth int) string {
	switch m.FullName() {
	case "google.protobuf.Any":
		return r.any(depth)
	case "google.protobuf.Value":
		return r.value(depth)
	case "google.protobuf.Struct":
		return r.object(depth, func() string { return r.value(depth - 1) })
	case "google.protobuf.ListValue":
		return r.list(func() string { return r.value(depth - 1) })
	case "google.protobuf.Timestamp":
		return r.pick(`"2020-02-29T12:34:56.789Z"`, `"1969-12-31T23:59:59+01:00"`, `"2020-01-01T1:00:00Z"`, `"2020-01-01T00:00:00,5Z"`, `"2021-02-29T00:00:00Z"`)
	case "google.protobuf.Duration":
		return r.pick(`"1s"`, `"-0.5s"`, `"3.000000001s"`, `".s"`, `"0s"`, `"1.2.3s"`)
	case "google.protobuf.FieldMask":
		return r.pick(`"a,bC.d"`, `""`, `"Foo"`, `"a..b"`, `"ä"`)
	}
	if strings.HasSuffix(string(m.FullName()), "Value") {
		return r.scalar(m.Fields()[0])
	}
	return "{" + strings.Join(r.members(m, depth), ",") + "}"
}

func (r documentMaker) members(m *wire.Message, depth int) (members []string) {
	for _, f := range m.Fields() {
		required := f.Descriptor().Cardinality() == protoreflect.Required
		if required && !r.oneIn(50) || r.oneIn(len(m.Fields())/4+1) {
			members = append(members, r.member(f, depth))
		}
	}
	if r.oneIn(30) && len(members) > 0 {
		members = append(members, r.pick(members...))
	}
	if r.oneIn(30) {
		members = append(members, `"nope":`+r.value(1))
	}
	if r.oneIn(2) {
		r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	}
	return members
}

func (r documentMaker) member(f *wire.Field, depth int) string {
	name := f.JSONName()
	if r.oneIn(4) && !f.Descriptor().IsExtension() {
		name = f.Descriptor().TextName()
	}
	return r.pick("", " ", "\n") + quoteJSON(name) + r.pick("", " ") + ":" + r.pick("", " ") + r.field(f, depth)
}

func (r documentMaker) field(f *wire.Field, depth int) string {
	switch {
	case r.oneIn(20):
		return "null"
	case depth == 0 && f.Message() != nil:
		return r.pick("{}", "[]", "null")
	case f.IsMap():
		return r.mapOf(f, depth)
	case f.IsList():
		return r.list(func() string { return r.element(f, depth) })
	default:
		return r.element(f, depth)
	}
}

func (r documentMaker) element(f *wire.Field, depth int) string {
	switch {
	case r.oneIn(50):
		return r.pick("null", "true", `"x"`, "1", "{}", "[]")
	case f.Message() != nil:
		return r.message(f.Message(), depth-1)
	default:
		return r.scalar(f)
	}
}

func (r documentMaker) mapOf(f *wire.Field, depth int) string {
	key, value := f.Message().FieldByNumber(1), f.Message().FieldByNumber(2)
	var members []string
	for range r.IntN(4) {
		name := r.pick(`"a"`, `""`, `"é"`)
		switch {
		case key.Kind() == protoreflect.BoolKind:
			name = r.pick(`"true"`, `"false"`)
		case key.Kind() != protoreflect.StringKind:
			name = r.pick(`"0"`, `"7"`, `"-1"`, `"01"`, `"1e0"`, `"4294967296"`)
		}
		members = append(members, name+":"+r.element(value, depth))
	}
	return "{" + strings.Join(members, ",") + "}"
}

func (r documentMaker) any(depth int) string {
	name := r.pick(append(r.schema.inAny, "no.Such")...)
	m := r.schema.FindMessageByName(protoreflect.FullName(name))
	if m == nil || depth <= 0 || r.oneIn(20) {
		return r.pick(`{}`, `{"@type":"x/rich.Rich"}`, `{"@type":"no.Such"}`, `{"a":1}`)
	}
	content := r.message(r.schema.types.Message(m), depth-1)
	members := []string{`"@type":"x/` + name + `"`, `"value":` + content}
	if !strings.HasPrefix(name, "google.protobuf.") {
		members[1] = strings.Trim(content, "{}") // at worst this is no JSON any more
	}
	if r.oneIn(2) {
		members[0], members[1] = members[1], members[0]
	}
	return "{" + strings.Trim(strings.Join(members, ","), ",") + "}"
}

func (r documentMaker) value(depth int) string {
	if depth <= 0 || r.oneIn(2) {
		return r.pick("null", "true", "false", "1", "-0.5e3", `"x"`, `"NaN"`, "1e999", "{}", "[]")
	}
	if r.oneIn(2) {
		return r.list(func() string { return r.value(depth - 1) })
	}
	return r.object(depth, func() string { return r.value(depth - 1) })
}

func (r documentMaker) object(depth int, value func() string) string {
	var members []string
	for range r.IntN(1 + max(depth, 0)) {
		members = append(members, r.pick(`"a"`, `"b"`, `"@type"`, `"\u0063"`)+":"+value())
	}
	return "{" + strings.Join(members, ",") + "}"
}

func (r documentMaker) list(element func() string) string {
	var elements []string
	for range r.IntN(4) {
		elements = append(elements, element())
	}
	return "[" + strings.Join(elements, r.pick(",", " , ")) + "]"
}

func (r documentMaker) scalar(f *wire.Field) string {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return r.pick("true", "false")
	case protoreflect.StringKind:
		return r.pick(`""`, `"x"`, `"é\n😀"`, `"\ud83d\ude00"`, quoteJSON(strings.Repeat("long ", r.IntN(60))), `"\ud800"`)
	case protoreflect.BytesKind:
		return r.pick(`""`, `"AQID"`, `"AQ=="`, `"AQ"`, `"-_8"`, `"A\nQ=="`, `"A"`)
	case protoreflect.EnumKind:
		values := f.Descriptor().Enum().Values()
		name := quoteJSON(string(values.Get(r.IntN(values.Len())).Name()))
		return r.pick(name, name, name, "1", "-1", "0", "17", `"MAUVE"`, "1.0", "null")
	default:
		return r.number()
	}
}

func (r documentMaker) number() string {
	n := r.pick("0", "1", "-1", "127", "300", "-0", "1e2", "1.0", "2.5e1", "0.1", "4294967295", "2147483648",
		strconv.FormatInt(int64(r.Uint64()), 10), strconv.FormatUint(r.Uint64(), 10), "1e19", "1e39", "1e309", "-1e-9")
	return r.pick(n, n, `"`+n+`"`, r.pick("0", "1", `"NaN"`, `" 1"`))
}

func quoteJSON(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// textFields are the fields that FuzzText reads, with the way to say the text in JSON.
var textFields = map[string]func(text string) string{
	"aBool": rawBool, "boolValue": rawBool,
	"aColor": nameOrNumber, "nullValue": nameOrNumber,
	"anInt32": quoteJSON, "aUint32": quoteJSON, "aSint64": quoteJSON, "aFixed64": quoteJSON,
	"aFloat": quoteJSON, "aDouble": quoteJSON, "aString": quoteJSON, "aBytes": quoteJSON,
	"timestamp": quoteJSON, "duration": quoteJSON, "mask": camelMask,
	"int32Value": quoteJSON, "uint64Value": quoteJSON, "doubleValue": quoteJSON,
	"stringValue": quoteJSON, "bytesValue": quoteJSON,
}

func rawBool(text string) string {
	if text == "true" || text == "false" {
		return text
	}
	return quoteJSON(text)
}

func nameOrNumber(text string) string {
	if json.Valid([]byte(text)) && strings.Trim(text, "-0123456789.eE+") == "" {
		return text
	}
	return quoteJSON(text)
}

// camelMask says a field mask in JSON, whose names may be those of the .proto file.
func camelMask(text string) string {
	return quoteJSON(snakeCase.ReplaceAllStringFunc(text, func(s string) string { return strings.ToUpper(s[1:]) }))
}

var snakeCase = regexp.MustCompile(`_[a-z]`)

// FuzzText compares a text's value with that of the same value in JSON, alone
// and behind a body that has another value.
func FuzzText(f *testing.F) {
	for _, text := range []string{
		"", "0", "-1", "1e3", "1.5", "true", "false", "RED", "-Infinity", "NaN", "AQ", "-_8=", "é", "\xff",
		"2020-01-01T00:00:00Z", "1.5s", "-0s", "a.bC,d", "foo_bar", "x y", "18446744073709551615", "null",
	} {
		f.Add(text)
	}
	s := decodeSchemaOf(f)
	m := s.message("rich.Rich")
	f.Fuzz(func(t *testing.T, text string) {
		for name, say := range textFields {
			if emptyExponent.MatchString(text) || name == "mask" && strings.Contains(snakeCase.ReplaceAllString(text, ""), "_") {
				continue
			}
			p := decodePath(t, m, name)
			got, gotErr := p.AppendText(bodyBefore(t, m), text)
			document := `{` + quoteJSON(name) + `:` + say(text) + `}`
			want, wantErr := s.plain(m, []byte(document), wire.DecodeOptions{})
			if accepts := wantErr == nil && utf8.ValidString(text); accepts != (gotErr == nil) {
				t.Fatalf("%s=%q: %v; as JSON: %v", name, text, gotErr, wantErr)
			}
			if gotErr == nil && !fieldAt(s.unmarshal(t, m, got), p).Equal(fieldAt(want, p)) {
				t.Fatalf("%s=%q: got %v, want %v", name, text, s.unmarshal(t, m, got), want)
			}
		}
	})
}

// bodyBefore returns a message that has a value for the field, which the text
// must replace. A field mask is a list: it would be added to.
func bodyBefore(t *testing.T, m *wire.Message) []byte {
	body := `{"aBool":true,"boolValue":true,"aColor":"RED","anInt32":9,"aUint32":9,"aSint64":9,"aFixed64":9,"aFloat":9,` +
		`"aDouble":9,"aString":"9","aBytes":"AQ","timestamp":"2020-01-01T00:00:00.5Z","duration":"-9.5s",` +
		`"int32Value":9,"uint64Value":9,"doubleValue":9,"stringValue":"9","bytesValue":"AQ"}`
	out, err := m.AppendWire(nil, []byte(body), wire.DecodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
