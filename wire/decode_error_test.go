package wire_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/protean-gateway/protean/wire"
)

// refused documents are refused by protojson too, unless the case says why not.
var refused = []struct {
	message, json string
	want          string // the text of the error; where it ends with an ellipsis, its beginning
}{
	{"", ``, `line 1, column 1: the body is empty; expected a JSON object`},
	{"", " \n ", `line 1, column 1: the body is empty; expected a JSON object`},
	// Syntax.
	{"", `{`, `line 1, column 2: expected a name in double quotes, found the end of the document`},
	{"", `{"aBool":true`, `line 1, column 14: expected a comma or }, found the end of the document`},
	{"", `{"aBool":true,}`, `line 1, column 15: expected a name in double quotes, found '}'`},
	{"", `{,"aBool":true}`, `line 1, column 2: expected a name in double quotes, found ','`},
	{"", `{"aBool" true}`, `line 1, column 10: expected a colon, found a boolean`},
	{"", `{"aBool":true "anInt32":1}`, `line 1, column 15: expected a comma or }, found a string`},
	{"", `{aBool:true}`, `line 1, column 2: expected a name in double quotes, found 'a'`},
	{"", `{"bools":[true,]}`, `line 1, column 16: bools[1]: expected true or false, found ']'`},
	{"", `{"bools":[true false]}`, `line 1, column 16: bools: expected a comma or ], found a boolean`},
	{"", `{"aBool":tru}`, `line 1, column 10: aBool: expected true`},
	{"", `{"aBool":nul}`, `line 1, column 10: aBool: expected null`},
	{"", `[]`, `line 1, column 1: expected an object, found a list`},
	{"", `null`, `line 1, column 1: expected an object, found null`},
	{"", "\ufeff{}", `line 1, column 1: expected an object, found a byte order mark`},
	{"", "{} \n x", `line 2, column 2: there is more after the end of the document`},
	{"", `{}{}`, `line 1, column 3: there is more after the end of the document`},
	{"", "{}\x00", `line 1, column 3: there is more after the end of the document`},
	{"", "{\n  \"child\": {\n    \"anInt32\": x\n  }\n}", `line 3, column 16: child.anInt32: expected a number, found 'x'`},
	// Strings.
	{"", "{\"aString\":\"ab\xffcdefgh\"}", `line 1, column 15: aString: the string is not valid UTF-8`},
	{"", "{\"aString\":\"\\n\xc3\"}", `line 1, column 15: aString: the string is not valid UTF-8`},
	{"", "{\"strin\xffgs\":[]}", `line 1, column 8: the string is not valid UTF-8`},
	{"", "{\"stringsByString\":{\"\xc0\x80\":\"\"}}", `line 1, column 22: stringsByString: the string is not valid UTF-8`},
	{"", "{\"aString\":\"a\nb\"}", `line 1, column 14: aString: a control character in a string must be escaped`},
	{"", `{"aString":"abc`, `line 1, column 12: aString: the string has no end`},
	{"", `{"aString":"abc\`, `line 1, column 16: aString: the string has no end`},
	{"", `{"aString":"\x41"}`, `line 1, column 13: aString: the string has an invalid escape`},
	{"", `{"aString":"\u12g4"}`, `line 1, column 13: aString: the string has an invalid escape`},
	{"", `{"aString":"\u12`, `line 1, column 13: aString: the string has an invalid escape`},
	{"", `{"aString":"\ud800"}`, `line 1, column 13: aString: the string has half of a surrogate pair`},
	{"", `{"aString":"\udc00\ud800"}`, `line 1, column 13: aString: the string has half of a surrogate pair`},
	{"", `{"aString":"\ud800\u0041"}`, `line 1, column 13: aString: the string has half of a surrogate pair`},
	{"", `{"aString":1}`, `line 1, column 12: aString: expected a string, found a number`},
	// Numbers.
	{"", `{"anInt32":01}`, `line 1, column 12: anInt32: this is not a valid number`},
	{"", `{"anInt32":+1}`, `line 1, column 12: anInt32: expected a number, found '+'`},
	{"", `{"anInt32":.5}`, `line 1, column 12: anInt32: expected a number, found '.'`},
	{"", `{"anInt32":1.}`, `line 1, column 12: anInt32: this is not a valid number`},
	{"", `{"anInt32":-}`, `line 1, column 12: anInt32: this is not a valid number`},
	{"", `{"anInt32":1e+}`, `line 1, column 12: anInt32: this is not a valid number`},
	{"", `{"anInt32":0x1}`, `line 1, column 13: expected a comma or }, found 'x'`},
	{"", `{"anInt32":1.5}`, `line 1, column 12: anInt32: expected a whole number`},
	{"", `{"anInt32":1e-1}`, `line 1, column 12: anInt32: expected a whole number`},
	{"", `{"anInt32":105e-2}`, `line 1, column 12: anInt32: expected a whole number`},
	{"", `{"anInt32":2147483648}`, `line 1, column 12: anInt32: the number is out of range for int32`},
	{"", `{"anInt32":-2147483649}`, `line 1, column 12: anInt32: the number is out of range for int32`},
	{"", `{"aUint32":-1}`, `line 1, column 12: aUint32: the number is out of range for uint32`},
	{"", `{"aUint64":18446744073709551616}`, `line 1, column 12: aUint64: the number is out of range for uint64`},
	{"", `{"anInt64":9223372036854775808}`, `line 1, column 12: anInt64: the number is out of range for int64`},
	{"", `{"anInt64":1e99999999999}`, `line 1, column 12: anInt64: the number is out of range for int64`},
	{"", `{"anInt64":0.00000000000000000000000001e26}`, `line 1, column 12: anInt64: the number is out of range for int64`},
	{"", `{"anInt32":"1 "}`, `line 1, column 12: anInt32: expected a whole number`},
	{"", `{"anInt32":""}`, `line 1, column 12: anInt32: expected a whole number`},
	{"", `{"anInt32":true}`, `line 1, column 12: anInt32: expected a number, found a boolean`},
	{"", `{"aFloat":1e39}`, `line 1, column 11: aFloat: the number is out of range for float`},
	{"", `{"aDouble":-1e309}`, `line 1, column 12: aDouble: the number is out of range for double`},
	{"", `{"aDouble":"nan"}`, `line 1, column 12: aDouble: expected a number`},
	{"", `{"aDouble":NaN}`, `line 1, column 12: aDouble: expected a number, found 'N'`},
	{"", `{"aBool":"true"}`, `line 1, column 10: aBool: expected true or false, found a string`},
	{"", `{"aBool":1}`, `line 1, column 10: aBool: expected true or false, found a number`},
	{"", `{"aBytes":"A"}`, `line 1, column 11: aBytes: expected base64`},
	{"", `{"aBytes":"-_+/"}`, `line 1, column 11: aBytes: expected base64`},
	{"", `{"aBytes":5}`, `line 1, column 11: aBytes: expected a string of base64, found a number`},
	{"", `{"aColor":"MAUVE"}`, `line 1, column 11: aColor: "MAUVE" is no value of Color`},
	{"", `{"aColor":"1"}`, `line 1, column 11: aColor: "1" is no value of Color`},
	{"", `{"aColor":1.5}`, `line 1, column 11: aColor: expected a whole number`},
	{"", `{"aColor":3000000000}`, `line 1, column 11: aColor: the number is out of range for enum`},
	{"", `{"aColor":{}}`, `line 1, column 11: aColor: expected the name or number of an enum value, found an object`},
	// Names.
	{"", `{"aBoool":true}`, `line 1, column 2: unknown field "aBoool"; did you mean "aBool"?`},
	{"", `{"child":{"children":[{},{"titel":1}]}}`, `line 1, column 27: child.children[1]: unknown field "titel"`},
	{"", `{"` + strings.Repeat("é", 50) + `":1}`, `line 1, column 2: unknown field "` + strings.Repeat("é", 32) + `…"`},
	{"", `{"[legacy.note]":""}`, `line 1, column 2: unknown field "[legacy.note]"`},
	{"", `{"@type":"x/rich.Rich"}`, `line 1, column 2: unknown field "@type"`},
	// Duplicates.
	{"", `{"aBool":true,"aBool":true}`, `line 1, column 15: aBool: duplicate field`},
	{"", `{"aBool":true,"a_bool":true}`, `line 1, column 15: aBool: duplicate field`},
	{"", `{"aBool":null,"aBool":true}`, `line 1, column 15: aBool: duplicate field`},
	{"", `{"stringsByString":{"a":"","\u0061":""}}`, `line 1, column 28: stringsByString["a"]: duplicate key`},
	{"", `{"intsByInt":{"1":1,"+1":1}}`, `line 1, column 21: intsByInt["+1"]: duplicate key`},
	{"", `{"struct":{"a":1,"a":2}}`, `line 1, column 18: struct["a"]: duplicate key`},
	{"", `{"anyValue":[{"a":1,"b":{"c":1,"c":1}}]}`, `line 1, column 32: anyValue[0]["b"]["c"]: duplicate key`},
	{"", `{"text":"","number":1}`, `line 1, column 12: number: another field of the oneof "choice" is set already`},
	{"", `{"null":null,"text":""}`, `line 1, column 14: text: another field of the oneof "choice" is set already`},
	// Null.
	{"", `{"strings":["a",null]}`, `line 1, column 17: strings[1]: expected a string, found null`},
	{"", `{"children":[null]}`, `line 1, column 14: children[0]: expected an object, found null`},
	{"", `{"int32Values":[null]}`, `line 1, column 17: int32Values[0]: expected a number, found null`},
	{"", `{"stringsByString":{"de":null}}`, `line 1, column 26: stringsByString["de"]: expected a string, found null`},
	{"", `{"anyValues":null}`, `line 1, column 14: anyValues: expected a list, found null`},
	// Shapes.
	{"", `{"child":[]}`, `line 1, column 10: child: expected an object, found a list`},
	{"", `{"strings":{}}`, `line 1, column 12: strings: expected a list, found an object`},
	{"", `{"stringsByString":[]}`, `line 1, column 20: stringsByString: expected an object, found a list`},
	{"", `{"colorsByBool":{"True":0}}`, `line 1, column 18: colorsByBool["True"]: expected true or false`},
	{"", `{"intsByInt":{"1.0":0}}`, `line 1, column 15: intsByInt["1.0"]: expected a key of type int32`},
	{"", `{"intsByInt":{"2147483648":0}}`, `line 1, column 15: intsByInt["2147483648"]: expected a key of type int32`},
	{"", `{"richByUint":{"-1":{}}}`, `line 1, column 16: richByUint["-1"]: expected a key of type uint64`},
	{"", `{"richByUint":{"7":{"anInt32":{}}}}`, `line 1, column 31: richByUint["7"].anInt32: expected a number, found an object`},
	// Well-known types.
	{"", `{"timestamp":"2020-01-01t00:00:00Z"}`, `line 1, column 14: timestamp: expected a time such as 2006-01-02T15:04:05.999Z`},
	{"", `{"timestamp":"2020-01-01T00:00:00"}`, `line 1, column 14: timestamp: expected a time such as…`},
	{"", `{"timestamp":"2020-01-01T00:00:00.1234567890Z"}`, `line 1, column 14: timestamp: expected a time such as…`},
	{"", `{"timestamp":"0001-01-01T00:00:00+00:01"}`, `line 1, column 14: timestamp: the time is not in the years 0001 to 9999`},
	{"", `{"timestamp":5}`, `line 1, column 14: timestamp: expected a time in a string, found a number`},
	{"", `{"duration":"1"}`, `line 1, column 13: duration: expected a duration such as 1.5s`},
	{"", `{"duration":"1.0000000001s"}`, `line 1, column 13: duration: expected a duration such as 1.5s`},
	{"", `{"duration":"01s"}`, `line 1, column 13: duration: expected a duration such as 1.5s`},
	{"", `{"duration":"-s"}`, `line 1, column 13: duration: expected a duration such as 1.5s`},
	{"", `{"duration":"315576000001s"}`, `line 1, column 13: duration: the duration is longer than 10,000 years`},
	{"", `{"mask":"foo_bar"}`, `line 1, column 9: mask: the field mask has the invalid path "foo_bar"`},
	{"", `{"mask":"a,,b"}`, `line 1, column 9: mask: the field mask has the invalid path ""`},
	{"", `{"mask":"a,"}`, `line 1, column 9: mask: the field mask has the invalid path…`},
	{"", `{"anyValue":NaN}`, `line 1, column 13: anyValue: expected a value, found 'N'`},
	{"", `{"anyValue":1e309}`, `line 1, column 13: anyValue: the number is out of range for double`},
	{"", `{"list":{}}`, `line 1, column 9: list: expected a list, found an object`},
	{"", `{"boolValue":{"value":true}}`, `line 1, column 14: boolValue: expected true or false, found an object`},
	{"", `{"empty":{"a":1}}`, `line 1, column 11: empty: unknown field "a"`},
	// Any.
	{"", `{"any":{"aBool":true}}`, `line 1, column 8: any: the member @type is missing`},
	{"", `{"any":{"@type":"x/no.Such"}}`, `line 1, column 17: any.@type: unknown type "x/no.Such"`},
	{"", `{"any":{"@type":""}}`, `line 1, column 17: any.@type: the type of an Any is empty`},
	{"", `{"any":{"@type":1}}`, `line 1, column 17: any.@type: expected a string, found a number`},
	{"", `{"any":{"@type":"x/rich.Rich","@type":"x/rich.Rich"}}`, `line 1, column 31: any.@type: duplicate field`},
	{"", `{"any":{"@type":"x/google.protobuf.Struct"}}`, `line 1, column 43: any: the member "value" is missing`},
	{"", `{"any":{"@type":"x/google.protobuf.Struct","value":{},"value":{}}}`, `line 1, column 55: any.value: duplicate field`},
	{"", `{"any":{"@type":"x/google.protobuf.Struct","x":{}}}`, `line 1, column 44: any: unknown field "x"`},
	{"", `{"any":{"aBool":tru,"@type":"x/rich.Rich"}}`, `line 1, column 17: any: expected true`},
	{"", `{"any":[]}`, `line 1, column 8: any: expected an object, found a list`},
	// Required fields.
	{"legacy.Legacy", `{"name":"x"}`, `line 1, column 12: required field "id" is missing`},
	{"legacy.Legacy", `{"id":null}`, `line 1, column 11: a required field is null`},
	{"legacy.Legacy", `{"id":1,"crate":[{}]}`, `line 1, column 19: crate[0]: required field "label" is missing`},
	{"legacy.Legacy", `{"id":1,"[legacy.twin]":{"id":"x"}}`, `line 1, column 31: [legacy.twin].id: expected a whole number`},
	{"legacy.Legacy", `{"id":1,"child":{"id":1,"[legacy.marks]":["x"]}}`, `line 1, column 43: child.[legacy.marks][0]: expected a whole number`},
	{"edition.Edition", `{}`, `line 1, column 2: required field "required" is missing`},
}

func TestRefused(t *testing.T) {
	s := decodeSchemaOf(t)
	for _, c := range refused {
		m := s.message(richUnless(c.message))
		_, err := s.decoded(t, m, []byte(c.json), wire.DecodeOptions{})
		if err == nil || !matchesText(err.Error(), c.want) {
			t.Errorf("%s\ngot  %v\nwant %s", c.json, err, c.want)
		}
		if _, err := s.plain(m, []byte(c.json), wire.DecodeOptions{}); err == nil {
			t.Errorf("%s\nprotojson accepts it; list it as a deviation", c.json)
		}
	}
}

func matchesText(got, want string) bool {
	if start, ok := strings.CutSuffix(want, "…"); ok {
		return strings.HasPrefix(got, start)
	}
	return got == want
}

func TestDepth(t *testing.T) {
	s := decodeSchemaOf(t)
	m := s.message("rich.Rich")
	nest := func(open, core, shut string, n int) string {
		return strings.Repeat(open, n) + core + strings.Repeat(shut, n)
	}
	for name, document := range map[string]func(levels int) string{
		"messages": func(n int) string { return nest(`{"child":`, `{}`, `}`, n-1) },
		"lists":    func(n int) string { return `{"list":` + nest(`[`, `1`, `]`, n-1) + `}` },
		"structs":  func(n int) string { return `{"struct":` + nest(`{"a":`, `{}`, `}`, n-2) + `}` },
		"any": func(n int) string {
			return `{"any":` + nest(`{"@type":"google.protobuf.Any","value":`, `{}`, `}`, n-2) + `}`
		},
		"any with @type last": func(n int) string {
			return `{"any":` + nest(`{"value":`, `{}`, `,"@type":"google.protobuf.Any"}`, n-2) + `}`
		},
		"unknown": func(n int) string { return `{"nope":` + nest(`[`, `1`, `]`, n-1) + `}` },
	} {
		o := wire.DecodeOptions{IgnoreUnknown: true}
		if _, err := m.AppendWire(nil, []byte(document(100)), o); err != nil {
			t.Errorf("%s: 100 levels: %v", name, err)
		}
		var e *wire.Error
		_, err := m.AppendWire(nil, []byte(document(101)), o)
		if !errors.As(err, &e) || e.Reason != "the document is nested too deeply" {
			t.Errorf("%s: 101 levels: %v", name, err)
		}
		_, err = m.AppendWire(nil, []byte(document(4)), wire.DecodeOptions{IgnoreUnknown: true, MaxDepth: 3})
		if err == nil {
			t.Errorf("%s: 4 levels of 3 are accepted", name)
		}
		if _, err := m.AppendWire(nil, []byte(document(200)), wire.DecodeOptions{IgnoreUnknown: true, MaxDepth: 200}); err != nil {
			t.Errorf("%s: 200 levels of 200: %v", name, err)
		}
	}
}

// TestManyKeys takes maps beyond the size up to which keys are compared one by one.
func TestManyKeys(t *testing.T) {
	s := decodeSchemaOf(t)
	m := s.message("rich.Rich")
	for _, size := range []int{11, 12, 13, 14, 100, 5000} {
		document := manyKeys(size)
		s.compare(t, m, []byte(document+`}}`), wire.DecodeOptions{})
		for _, again := range []int{0, size / 2, size - 1} {
			json := document + `,"` + keyName(again) + `":{}}}`
			_, err := m.AppendWire(nil, []byte(json), wire.DecodeOptions{})
			if err == nil || !strings.Contains(err.Error(), `richByUint["`+keyName(again)+`"]: duplicate key`) {
				t.Errorf("%d keys and number %d again: %v", size, again, err)
			}
		}
	}
}

// manyKeys returns the beginning of a document with that many keys in a map.
// Some of the values are maps themselves, large ones among them.
func manyKeys(size int) string {
	var b strings.Builder
	b.WriteString(`{"richByUint":{`)
	for i := range size {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + keyName(i) + `":`)
		if i%40 == 39 {
			b.WriteString(manyKeys(i%80) + `}}`)
		} else {
			b.WriteString(`{"struct":{"a":1,"b":2}}`)
		}
	}
	return b.String()
}

func keyName(i int) string { return strconv.Itoa(i * 7919) }
