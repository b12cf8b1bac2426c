package wire_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/wire"
)

func decodePath(tb testing.TB, m *wire.Message, dotted string) *wire.Path {
	tb.Helper()
	p, err := m.Path(dotted)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// compareWire checks that wire bytes are the message that protojson reads.
func (s *decodeSchema) compareWire(tb testing.TB, m *wire.Message, body []byte, json string) {
	tb.Helper()
	got := s.unmarshal(tb, m, body)
	want, err := s.plain(m, []byte(json), wire.DecodeOptions{AllowPartial: true})
	if err != nil {
		tb.Fatal(err)
	}
	if !proto.Equal(got, want) {
		tb.Errorf("got %v, want %v", got, want)
	}
}

func TestAppendText(t *testing.T) {
	s := decodeSchemaOf(t)
	for _, c := range []struct {
		message, path string
		texts         []string
		want          string
	}{
		{"", "aBool", []string{"true"}, `{"aBool":true}`},
		{"", "a_bool", []string{"false"}, `{}`},
		{"", "anInt32", []string{"-5"}, `{"anInt32":-5}`},
		{"", "aUint64", []string{"18446744073709551615"}, `{"aUint64":"18446744073709551615"}`},
		{"", "aSint64", []string{"1e3"}, `{"aSint64":1000}`},
		{"", "aFixed32", []string{"7"}, `{"aFixed32":7}`},
		{"", "aFloat", []string{"-Infinity"}, `{"aFloat":"-Infinity"}`},
		{"", "aDouble", []string{"0.1"}, `{"aDouble":0.1}`},
		{"", "aString", []string{"a/b é \" "}, `{"aString":"a/b é \" "}`},
		{"", "aString", []string{""}, `{}`},
		{"", "aBytes", []string{"-_8"}, `{"aBytes":"-_8="}`},
		{"", "aColor", []string{"RED"}, `{"aColor":"RED"}`},
		{"", "aColor", []string{"-1"}, `{"aColor":-1}`},
		{"", "maybeString", []string{""}, `{"maybeString":""}`},
		{"", "child.child.anInt32", []string{"3"}, `{"child":{"child":{"anInt32":3}}}`},
		{"", "child.aString", []string{strings.Repeat("x", 200)}, `{"child":{"aString":"` + strings.Repeat("x", 200) + `"}}`},
		{"", "child.int32s", []string{"1", "2"}, `{"child":{"int32s":[1,2]}}`},
		{"", "unpacked", []string{"1", "2"}, `{"unpacked":[1,2]}`},
		{"", "strings", []string{"a", "", "a"}, `{"strings":["a","","a"]}`},
		{"", "strings", nil, `{}`},
		{"", "child.strings", nil, `{}`},
		{"", "colors", []string{"RED", "2"}, `{"colors":["RED","GREEN"]}`},
		{"", "timestamp", []string{"2020-01-01T00:00:00Z"}, `{"timestamp":"2020-01-01T00:00:00Z"}`},
		{"", "timestamps", []string{"1970-01-01T00:00:00Z", "1970-01-01T00:00:01Z"}, `{"timestamps":["1970-01-01T00:00:00Z","1970-01-01T00:00:01Z"]}`},
		{"", "duration", []string{"-1.5s"}, `{"duration":"-1.5s"}`},
		{"", "mask", []string{"a.fooBar,display_name"}, `{"mask":"a.fooBar,displayName"}`},
		{"", "int32Value", []string{"0"}, `{"int32Value":0}`},
		{"", "int32Values", []string{"1", "0"}, `{"int32Values":[1,0]}`},
		{"", "boolValue", []string{"true"}, `{"boolValue":true}`},
		{"", "stringValue", []string{""}, `{"stringValue":""}`},
		{"", "bytesValue", []string{"AQ"}, `{"bytesValue":"AQ=="}`},
		{"", "doubleValue", []string{"NaN"}, `{"doubleValue":"NaN"}`},
		{"", "text", []string{""}, `{"text":""}`},
		{"legacy.Legacy", "box.width", []string{"4"}, `{"box":{"width":4}}`},
		{"legacy.Legacy", "box.inner.width", []string{"4"}, `{"box":{"inner":{"width":4}}}`},
	} {
		m := s.message(richUnless(c.message))
		body, err := decodePath(t, m, c.path).AppendText(nil, c.texts...)
		if err != nil {
			t.Errorf("%s=%q: %v", c.path, c.texts, err)
			continue
		}
		s.compareWire(t, m, body, c.want)
	}
}

func TestAppendTextRefuses(t *testing.T) {
	s := decodeSchemaOf(t)
	m := s.message("rich.Rich")
	for _, c := range []struct {
		path  string
		texts []string
		want  string
	}{
		{"anInt32", []string{"x"}, `anInt32: expected a whole number`},
		{"an_int32", []string{""}, `anInt32: expected a whole number`},
		{"child.anInt32", []string{"2147483648"}, `child.anInt32: the number is out of range for int32`},
		{"anInt32", []string{"1", "2"}, `anInt32: expected one value, found 2`},
		{"int32s", []string{"1", "x"}, `int32s[1]: expected a whole number`},
		{"aUint32", []string{"-1"}, `aUint32: the number is out of range for uint32`},
		{"aBool", []string{"1"}, `aBool: expected true or false`},
		{"aColor", []string{"MAUVE"}, `aColor: "MAUVE" is no value of Color`},
		{"aColor", []string{"1.5"}, `aColor: expected a whole number`},
		{"aBytes", []string{"?"}, `aBytes: expected base64`},
		{"aString", []string{"\xff"}, `aString: the text is not valid UTF-8`},
		{"aDouble", []string{"1e400"}, `aDouble: the number is out of range for double`},
		{"child", []string{"{}"}, `child: a rich.Rich cannot be read from text`},
		{"struct", []string{"{}"}, `struct: a google.protobuf.Struct cannot be read from text`},
		{"stringsByString", []string{"x"}, `stringsByString: expected a key and a value`},
		{"timestamp", []string{"today"}, `timestamp: expected a time such as 2006-01-02T15:04:05.999Z`},
		{"mask", []string{"a,1"}, `mask: the field mask has the invalid path "1"`},
	} {
		out, err := decodePath(t, m, c.path).AppendText([]byte("dst"), c.texts...)
		if err == nil || err.Error() != c.want || string(out) != "dst" {
			t.Errorf("%s=%q: %q, %v; want %s", c.path, c.texts, out, err, c.want)
		}
	}
}

func TestAppendMapText(t *testing.T) {
	s := decodeSchemaOf(t)
	m := s.message("rich.Rich")
	for _, c := range []struct{ path, key, value, want string }{
		{"stringsByString", "de", "Buch", `{"stringsByString":{"de":"Buch"}}`},
		{"stringsByString", "", "", `{"stringsByString":{"":""}}`},
		{"child.intsByInt", "-7", "0", `{"child":{"intsByInt":{"-7":0}}}`},
		{"colorsByBool", "true", "RED", `{"colorsByBool":{"true":"RED"}}`},
		{"blobsBySfixed", "5", "AQ", `{"blobsBySfixed":{"5":"AQ=="}}`},
	} {
		body, err := decodePath(t, m, c.path).AppendMapText(nil, c.key, c.value)
		if err != nil {
			t.Errorf("%s[%s]=%s: %v", c.path, c.key, c.value, err)
			continue
		}
		s.compareWire(t, m, body, c.want)
	}
	for _, c := range []struct{ path, key, value, want string }{
		{"intsByInt", "x", "1", `intsByInt["x"]: expected a key of type int32`},
		{"child.intsByInt", "1", "x", `child.intsByInt["1"]: expected a whole number`},
		{"richByUint", "1", "{}", `richByUint["1"]: a rich.Rich cannot be read from text`},
		{"stringsByString", "\xff", "x", `stringsByString["\xff"]: the key is not valid UTF-8`},
		{"strings", "1", "x", `strings: a key stands for a field that is not a map`},
	} {
		out, err := decodePath(t, m, c.path).AppendMapText([]byte("dst"), c.key, c.value)
		if err == nil || err.Error() != c.want || string(out) != "dst" {
			t.Errorf("%s[%s]=%s: %q, %v; want %s", c.path, c.key, c.value, out, err, c.want)
		}
	}
}

func TestAppendWireText(t *testing.T) {
	s := decodeSchemaOf(t)
	m := s.message("rich.Rich")
	out := []byte{}
	for _, c := range []struct{ field, text, want string }{
		{"anInt32", "0", ""},
		{"int32s", "1", ""},
		{"int32s", "2", ""},
		{"timestamp", "1970-01-01T00:00:01Z", ""},
		{"int32s", "x", "int32s: expected a whole number"},
		{"stringsByString", "x", "stringsByString: expected a key and a value"},
	} {
		next, err := m.FieldByName(c.field).AppendWireText(out, c.text)
		if err == nil && c.want != "" || err != nil && (err.Error() != c.want || !bytes.Equal(next, out)) {
			t.Errorf("%s=%s: %v, want %s", c.field, c.text, err, c.want)
		}
		out = next
	}
	s.compareWire(t, m, out, `{"int32s":[1,2],"timestamp":"1970-01-01T00:00:01Z"}`)
}

func TestAppendValues(t *testing.T) {
	s := decodeSchemaOf(t)
	m := s.message("rich.Rich")
	minus := func(n int64) uint64 { return uint64(-n) }
	for _, c := range []struct {
		path   string
		values []wire.Value
		want   string // JSON, or an error's text
	}{
		{"anInt32", []wire.Value{{Bits: 5}}, `{"anInt32":5}`},
		{"anInt32", []wire.Value{{Bits: minus(5)}}, `{"anInt32":-5}`},
		{"anInt32", []wire.Value{{Bits: 1}, {Bits: 2}}, `{"anInt32":2}`},
		{"anInt32", []wire.Value{{Bits: 1 << 31}}, `anInt32: the number is out of range for int32`},
		{"anInt32", []wire.Value{{Bits: minus(1<<31 + 1)}}, `anInt32: the number is out of range for int32`},
		{"aUint32", []wire.Value{{Bits: math.MaxUint32}}, `{"aUint32":4294967295}`},
		{"aUint32", []wire.Value{{Bits: 1 << 32}}, `aUint32: the number is out of range for uint32`},
		{"aFixed32", []wire.Value{{Bits: minus(1)}}, `aFixed32: the number is out of range for fixed32`},
		{"aUint64", []wire.Value{{Bits: math.MaxUint64}}, `{"aUint64":"18446744073709551615"}`},
		{"sint64s", []wire.Value{{Bits: 1}, {Bits: minus(1)}}, `{"sint64s":[1,-1]}`},
		{"child.unpacked", []wire.Value{{Bits: 1}, {Bits: 2}}, `{"child":{"unpacked":[1,2]}}`},
		{"child.int32s", []wire.Value{{Bits: 1}, {Bits: 1 << 40}}, `child.int32s[1]: the number is out of range for int32`},
		{"aDouble", []wire.Value{{Bits: math.Float64bits(-1.5)}}, `{"aDouble":-1.5}`},
		{"aFloat", []wire.Value{{Bits: math.Float64bits(math.Inf(1))}}, `{"aFloat":"Infinity"}`},
		{"aFloat", []wire.Value{{Bits: math.Float64bits(1e300)}}, `aFloat: the number is out of range for float`},
		{"aBool", []wire.Value{{Bits: 1}}, `{"aBool":true}`},
		{"aBool", []wire.Value{{Bits: 2}}, `aBool: the number is out of range for bool`},
		{"aColor", []wire.Value{{Bits: minus(1)}}, `{"aColor":"NEGATIVE"}`},
		{"strings", []wire.Value{{Text: "a"}, {Text: ""}}, `{"strings":["a",""]}`},
		{"aString", []wire.Value{{Text: "\xff"}}, `aString: the text is not valid UTF-8`},
		{"aBytes", []wire.Value{{Text: "\xff"}}, `{"aBytes":"/w=="}`},
		{"child", []wire.Value{{Text: "x"}}, `child: expected a field that is not a message`},
		{"child.strings", nil, `{}`},
	} {
		body, err := decodePath(t, m, c.path).AppendValues(nil, c.values)
		switch {
		case err == nil && c.want[0] == '{':
			s.compareWire(t, m, body, c.want)
		case err == nil || err.Error() != c.want:
			t.Errorf("%s %v: %v, want %s", c.path, c.values, err, c.want)
		}
	}
}

func TestPathAppendJSON(t *testing.T) {
	s := decodeSchemaOf(t)
	m := s.message("rich.Rich")
	for _, c := range []struct{ path, json, want string }{
		{"child.child", `{"anInt32":1}`, `{"child":{"child":{"anInt32":1}}}`},
		{"child.int32s", `[1,2]`, `{"child":{"int32s":[1,2]}}`},
		{"child.child", `null`, `{}`},
		{"child.anyValue", `null`, `{"child":{"anyValue":null}}`},
		{"aString", `"x"`, `{"aString":"x"}`},
		{"child.child", `{"int32s":[1,"x"]}`, `line 1, column 14: child.child.int32s[1]: expected a whole number`},
		{"child.child", ``, `line 1, column 1: child.child: the body is empty; expected a JSON value`},
		{"child.child", `{} x`, `line 1, column 4: child.child: there is more after the end of the document`},
	} {
		body, err := decodePath(t, m, c.path).AppendJSON(nil, []byte(c.json), wire.DecodeOptions{})
		switch {
		case err == nil && c.want[0] == '{':
			s.compareWire(t, m, body, c.want)
			if c.json == "null" && c.want == "{}" && len(body) > 0 {
				t.Errorf("%s: null wrote %x", c.path, body)
			}
		case err == nil || err.Error() != c.want:
			t.Errorf("%s %s: %v, want %s", c.path, c.json, err, c.want)
		}
	}
}

// TestTextWins checks that a path or query value replaces what a body before it says.
func TestTextWins(t *testing.T) {
	s := decodeSchemaOf(t)
	m := s.message("rich.Rich")
	body := `{"anInt32":9,"aBool":true,"aString":"x","aDouble":1,"aColor":"RED","aBytes":"AQ","int32Value":9,` +
		`"timestamp":"2020-01-01T00:00:00.5Z","duration":"-9.5s","number":9,"child":{"anInt32":9,"aBool":true}}`
	for path, c := range map[string]struct{ text, want string }{
		"anInt32":       {"0", `0`},
		"aBool":         {"false", `false`},
		"aString":       {"", `""`},
		"aDouble":       {"0", `0`},
		"aColor":        {"UNKNOWN", `0`},
		"aBytes":        {"", `""`},
		"int32Value":    {"0", `0`},
		"timestamp":     {"1970-01-01T00:00:00Z", `"1970-01-01T00:00:00Z"`},
		"duration":      {"0s", `"0s"`},
		"text":          {"", `""`},
		"child.anInt32": {"0", `0`},
	} {
		out, err := m.AppendWire(nil, []byte(body), wire.DecodeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		p := decodePath(t, m, path)
		if out, err = p.AppendText(out, c.text); err != nil {
			t.Fatal(err)
		}
		alone, err := p.AppendJSON(nil, []byte(c.want), wire.DecodeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got, want := fieldAt(s.unmarshal(t, m, out), p), fieldAt(s.unmarshal(t, m, alone), p)
		if !got.Equal(want) {
			t.Errorf("%s=%s: got %v, want %v", path, c.text, got, want)
		}
	}
}

// fieldAt reads the field that a path leads to.
func fieldAt(msg proto.Message, p *wire.Path) protoreflect.Value {
	v := protoreflect.ValueOfMessage(msg.ProtoReflect())
	for _, f := range p.Fields() {
		v = v.Message().Get(v.Message().Descriptor().Fields().ByNumber(f.Number()))
	}
	return v
}
