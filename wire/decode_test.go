package wire_test

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/wire"
)

// accepted documents mean to us what they mean to protojson. A document without
// a message name is a rich.Rich.
var accepted = []struct{ message, json string }{
	{"", `{}`},
	{"", " \t\r\n{ } \n"},
	{"", `{"aBool":true,"anInt32":-5,"anInt64":"9007199254740993","aUint32":4294967295,"aUint64":"18446744073709551615"}`},
	{"", `{"a_bool":false,"an_int32":0,"aSint32":-1,"aSint64":"-9223372036854775808","aFixed32":7,"aFixed64":8}`},
	{"", `{"aSfixed32":-2147483648,"aSfixed64":-3,"aFloat":1.5,"aDouble":-2.5e-3,"aString":"x","aBytes":"AQID","aColor":"GREEN"}`},
	// Numbers.
	{"", `{"anInt32":1e5,"anInt64":1.0,"aUint32":"1e2","aUint64":12300e-2,"aSint32":0.5e1}`},
	{"", `{"anInt32":-0,"aUint32":-0,"aUint64":-0.0e7,"aSint64":"-0"}`},
	{"", `{"anInt64":9223372036854775807,"aSfixed64":-9223372036854775808,"aUint64":1844674407370955161.5e1}`},
	{"", `{"anInt32":0e99999999999,"aUint64":10000000000000000000}`},
	{"", `{"aFloat":"NaN","aDouble":"Infinity","doubles":["-Infinity","1.5",2,"NaN",1e-400]}`},
	{"", `{"aFloat":3.4028235e38,"aDouble":1.7976931348623157e308}`},
	// Strings.
	{"", `{"aString":"\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00é😀"}`},
	{"", `{"aString":"` + strings.Repeat("plain ", 40) + `"}`},
	{"", `{"aString":"` + strings.Repeat("é\\n", 60) + `","strings":["","\u0000"]}`},
	{"", `{"aS\u0074ring":"escaped name"}`},
	{"", `{"o\"d\\d":"name with escapes"}`},
	{"", `{"newName":1}`},
	{"", `{"renamed":1}`},
	// Bytes.
	{"", `{"blobs":["","AQ==","AQ","-_8=","-_8","+/8","AQID","\u0041Q=="]}`},
	{"", `{"aBytes":"` + strings.Repeat("AQID", 80) + `"}`},
	// Enums.
	{"", `{"aColor":"NEGATIVE","maybeColor":0,"colors":["RED",2,-1,99,1.0,"UNKNOWN"]}`},
	// Null.
	{"", `{"aBool":null,"child":null,"children":null,"stringsByString":null,"timestamp":null,"int32Value":null,"aColor":null}`},
	{"", `{"text":null,"number":1,"message":null}`},
	{"", `{"null":null}`},
	{"", `{"value":null}`},
	{"", `{"anyValue":null,"nullValue":null,"anyValues":[null],"nulls":[null,"NULL_VALUE",0],"values":{"a":null},"nullsByString":{"a":null}}`},
	// Messages.
	{"", `{"child":{"child":{"anInt32":1},"children":[{},{"aString":"x"}]}}`},
	{"", `{"child":{"aString":"` + strings.Repeat("x", 130) + `","child":{"aString":"` + strings.Repeat("y", 17000) + `"}}}`},
	{"", `{"children":[` + strings.Repeat(`{"anInt32":1},`, 100) + `{}]}`},
	{"", `{"children":[],"int32s":[],"stringsByString":{}}`},
	// Lists.
	{"", `{"bools":[true,false],"int32s":[1,-1],"sint64s":["-1"],"fixed32s":[1],"unpacked":[1,2,0],"strings":["a",""]}`},
	{"", `{"fixed32s":[` + strings.Repeat("1,", 5000) + `0]}`},
	// Maps.
	{"", `{"stringsByString":{"a":"b","":""},"intsByInt":{"-1":1,"0":0,"+5":1},"colorsByBool":{"true":"RED","false":2}}`},
	{"", `{"richByUint":{"18446744073709551615":{"anInt32":1},"0":{}},"blobsBySfixed":{"-5":"AQ"}}`},
	{"", `{"richByUint":{"1":{"aString":"` + strings.Repeat("z", 300) + `"},"2":{"richByUint":{"1":{},"2":{}}}}}`},
	// Oneofs.
	{"", `{"text":"","one":"x"}`},
	{"", `{"message":{"message":{"text":"a"}}}`},
	// Well-known types.
	{"", `{"timestamp":"1970-01-01T00:00:00Z","timestamps":["0001-01-01T00:00:00Z","9999-12-31T23:59:59.999999999Z","2020-02-29T23:59:59.1+05:30","1969-12-31T23:59:59.5-00:00"]}`},
	{"", `{"duration":"1.5s"}`},
	{"", `{"duration":"-0.000000001s"}`},
	{"", `{"duration":"-315576000000s"}`},
	{"", `{"duration":"+.5s"}`},
	{"", `{"duration":"1.s"}`},
	{"", `{"mask":"a,fooBar.bazQux,x1"}`},
	{"", `{"mask":""}`},
	{"", `{"mask":" a "}`},
	{"", `{"struct":{"a":1,"b":[null,true,"x",{"c":{}}],"":-0.5}}`},
	{"", `{"anyValue":[[],{},"NaN",1e300],"list":[[1]],"anyValues":[1,"x"]}`},
	{"", `{"empty":{},"boolValue":false,"int32Value":"7","uint64Value":0,"doubleValue":"NaN","stringValue":"","bytesValue":"AQ","int32Values":[1,0]}`},
	// Any.
	{"", `{"any":{}}`},
	{"", `{"any":{"@type":"type.googleapis.com/rich.Rich","anInt32":1}}`},
	{"", `{"any":{"anInt32":1,"child":{},"@type":"rich.Rich"}}`},
	{"", `{"any":{"\u0040type":"a/b/rich.Rich"}}`},
	{"", `{"any":{"@type":"x/google.protobuf.Timestamp","value":"2020-01-01T00:00:00Z"}}`},
	{"", `{"any":{"value":[1],"@type":"x/google.protobuf.Value"}}`},
	{"", `{"any":{"@type":"x/google.protobuf.Value","value":null}}`},
	{"", `{"any":{"@type":"x/google.protobuf.Empty"}}`},
	{"", `{"any":{"@type":"x/google.protobuf.Empty","value":{}}}`},
	{"", `{"any":{"value":{"value":{"anInt32":3,"@type":"x/rich.Rich"},"@type":"x/google.protobuf.Any"},"@type":"x/google.protobuf.Any"}}`},
	{"", `{"anys":[{"any":{"aString":"q","@type":"x/rich.Rich"},"@type":"x/rich.Rich"},{"@type":"x/rich.Rich"},{}]}`},
	{"", `{"any":{"@type":"x/legacy.Legacy","name":"what an Any holds may lack what is required"}}`},
	// Proto2.
	{"legacy.Legacy", `{"id":0,"name":"","box":{"width":1,"inner":{"width":2}},"crate":[{"label":"a"},{"label":""}]}`},
	{"legacy.Legacy", `{"id":1,"Box":{},"Crate":[],"loose":[1,2],"packed":[1,2],"size":"LARGE","child":{"id":2}}`},
	{"legacy.Legacy", `{"id":1,"size":7}`},
	{"legacy.Legacy", `{"id":1,"long_box":{}}`},
	{"legacy.Legacy", `{"id":1,"longBox":{"width":1}}`},
	{"legacy.Legacy", `{"id":1,"[legacy.note]":"n","[legacy.marks]":[1,2],"[legacy.twin]":{"id":2},"[legacy.Scope.scope]":{"deep":true}}`},
	// Editions.
	{"edition.Edition", `{"required":0,"implicit":0,"explicit":0,"delimited":{"required":1},"delimiteds":[{"required":1}],"expanded":[1,2],"packed":[1,2]}`},
	// Roots that are not plain messages.
	{"google.protobuf.Value", `null`},
	{"google.protobuf.Value", ` "x" `},
	{"google.protobuf.Timestamp", `"2020-01-01T00:00:00Z"`},
	{"google.protobuf.Int64Value", `"5"`},
	{"google.protobuf.ListValue", `[1,[2]]`},
	{"google.protobuf.Struct", `{"a":{"b":{}}}`},
	{"google.protobuf.Empty", `{}`},
}

func TestAccepted(t *testing.T) {
	s := decodeSchemaOf(t)
	for _, c := range accepted {
		m := s.message(richUnless(c.message))
		if _, err := m.AppendWire(nil, []byte(c.json), wire.DecodeOptions{}); err != nil {
			t.Errorf("%s\nrefused: %v", c.json, err)
			continue
		}
		s.compare(t, m, []byte(c.json), wire.DecodeOptions{})
		s.compare(t, m, []byte(c.json), wire.DecodeOptions{IgnoreUnknown: true})
	}
}

func richUnless(name string) protoreflect.FullName {
	if name == "" {
		return "rich.Rich"
	}
	return protoreflect.FullName(name)
}

// deviations are documents of which only one of us and protojson accepts, each
// with the reason.
var deviations = []struct {
	json          string
	ignoreUnknown bool
	weAccept      bool
	reason        string
}{
	{
		json:   `{"anInt32":1e}`,
		reason: "an exponent without digits is no JSON",
	},
	{
		json:   strings.Repeat(`{"child":`, 100) + `{}` + strings.Repeat(`}`, 100),
		reason: "the depth of a document is bounded by 100, not by 10,000",
	},
	{
		json: `{"[legacy.note]":""}`, ignoreUnknown: true, weAccept: true,
		reason: "another message's extension is as unknown here as a name that nobody has",
	},
}

func TestDeviations(t *testing.T) {
	s := decodeSchemaOf(t)
	m := s.message("rich.Rich")
	for _, c := range deviations {
		o := wire.DecodeOptions{IgnoreUnknown: c.ignoreUnknown}
		_, theirs := s.plain(m, []byte(c.json), o)
		_, ours := s.decoded(t, m, []byte(c.json), o)
		if (ours == nil) != c.weAccept || (theirs == nil) == c.weAccept {
			t.Errorf("%s\n%s\nwe: %v\nprotojson: %v", c.json, c.reason, ours, theirs)
		}
	}
}

func TestIgnoreUnknown(t *testing.T) {
	s := decodeSchemaOf(t)
	m := s.message("rich.Rich")
	for _, json := range []string{
		`{"nope":{"a":[1,"x",null,true,{"b":{}}]},"anInt32":1,"nope":2}`,
		`{"aColor":"MAUVE","colors":["RED","MAUVE","GREEN"],"colorsByBool":{"true":"MAUVE","false":"RED"}}`,
		`{"colorsByBool":{"true":"MAUVE","true":"RED"}}`,
		`{"nullsByString":{"a":17,"b":"MAUVE","b":null}}`,
		`{"colors":["MAUVE"],"child":{"nope":1},"color":"MAUVE"}`,
		`{"any":{"nope":1}}`,
		`{"any":{"@type":"x/rich.Rich","nope":1}}`,
		`{"any":{"@type":"x/google.protobuf.Empty","nope":1}}`,
		`{"empty":{"nope":1}}`,
	} {
		s.compare(t, m, []byte(json), wire.DecodeOptions{IgnoreUnknown: true})
		if _, err := s.decoded(t, m, []byte(json), wire.DecodeOptions{IgnoreUnknown: true}); err != nil {
			t.Errorf("%s\nrefused: %v", json, err)
		}
		if _, err := s.decoded(t, m, []byte(json), wire.DecodeOptions{}); err == nil {
			t.Errorf("%s\naccepted without IgnoreUnknown", json)
		}
	}
}

func TestAllowPartial(t *testing.T) {
	s := decodeSchemaOf(t)
	s.compare(t, s.message("legacy.Legacy"), []byte(`{"child":{},"crate":[{}]}`), wire.DecodeOptions{AllowPartial: true})
}

// TestWireForm looks at the bytes: what a parser would not tell apart.
func TestWireForm(t *testing.T) {
	s := decodeSchemaOf(t)
	for _, c := range []struct{ message, json, want string }{
		{"", `{"int32s":[1,300]}`, "\xfa\x01\x03\x01\xac\x02"},
		{"", `{"int32s":[]}`, ""},
		{"", `{"unpacked":[1,2]}`, "\xb0\x02\x01\xb0\x02\x02"},
		{"legacy.Legacy", `{"id":1,"loose":[1,2],"packed":[1,2]}`, "\x08\x01\x28\x01\x28\x02\x32\x02\x01\x02"},
		{"legacy.Legacy", `{"id":1,"box":{"width":5}}`, "\x08\x01\x1b\x08\x05\x1c"},
		{"legacy.Legacy", `{"id":1,"crate":[{"label":"a"}]}`, "\x08\x01\x23\x0a\x01a\x24"},
		{"edition.Edition", `{"required":1,"delimited":{"required":2}}`, "\x18\x01\x23\x18\x02\x24"},
		{"", `{"aDouble":-0}`, "\x69\x00\x00\x00\x00\x00\x00\x00\x80"},
		{"", `{"aFloat":-0.0}`, "\x65\x00\x00\x00\x80"},
		{"", `{"anyValue":-0}`, "\x8a\x04\x09\x11\x00\x00\x00\x00\x00\x00\x00\x80"},
		{"", `{"anInt32":0}`, "\x10\x00"},
		{"", `{"maybeInt32":0}`, "\x88\x01\x00"},
		{"", `{"stringsByString":{"":""}}`, "\xc2\x02\x04\x0a\x00\x12\x00"},
		{"", `{"any":{}}`, "\xe2\x03\x00"},
	} {
		got, err := s.message(richUnless(c.message)).AppendWire(nil, []byte(c.json), wire.DecodeOptions{})
		if err != nil || string(got) != c.want {
			t.Errorf("%s\ngot  %x, %v\nwant %x", c.json, got, err, c.want)
		}
	}
}

func TestAppendWireJSON(t *testing.T) {
	s := decodeSchemaOf(t)
	m := s.message("rich.Rich")
	for _, c := range []struct{ field, json, whole string }{
		{"anInt32", `5`, `{"anInt32":5}`},
		{"int32s", ` [1,2] `, `{"int32s":[1,2]}`},
		{"child", `{"aString":"x"}`, `{"child":{"aString":"x"}}`},
		{"stringsByString", `{"a":"b"}`, `{"stringsByString":{"a":"b"}}`},
		{"child", `null`, `{}`},
		{"anyValue", `null`, `{"anyValue":null}`},
		{"nullValue", `null`, `{"nullValue":null}`},
	} {
		got, err := m.FieldByName(c.field).AppendWireJSON([]byte{}, []byte(c.json), wire.DecodeOptions{})
		want, _ := m.AppendWire(nil, []byte(c.whole), wire.DecodeOptions{})
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s %s: got %x, %v, want %x", c.field, c.json, got, err, want)
		}
	}
}

func TestAppendWireMessage(t *testing.T) {
	s := decodeSchemaOf(t)
	legacy := s.message("legacy.Legacy")
	out := legacy.FieldByName("child").AppendWireMessage(nil, []byte("\x08\x07"))
	out = legacy.FieldByName("box").AppendWireMessage(out, []byte("\x08\x05"))
	out = append(out, "\x08\x01"...)
	got := s.unmarshal(t, legacy, out)
	want, err := s.plain(legacy, []byte(`{"id":1,"child":{"id":7},"box":{"width":5}}`), wire.DecodeOptions{})
	if err != nil || !proto.Equal(got, want) {
		t.Errorf("got %v, want %v, %v", got, want, err)
	}
}

// TestEveryByteInAString puts each byte at each place of a word, where eight
// bytes are looked at together and where the rest is looked at one by one.
func TestEveryByteInAString(t *testing.T) {
	s := decodeSchemaOf(t)
	m := s.message("rich.Rich")
	for c := range 256 {
		for at := range 20 {
			text := []byte(`{"aString":"....................","text":"é"}`)
			text[len(`{"aString":"`)+at] = byte(c)
			s.compare(t, m, text, wire.DecodeOptions{})
		}
	}
}

// TestAnyInAnyWithTypeLast needs to know where each @type stands before any is read.
func TestAnyInAnyWithTypeLast(t *testing.T) {
	s := decodeSchemaOf(t)
	const levels = 45
	json := strings.Repeat(`{"value":`, levels) + `{"aString":"` + strings.Repeat("x", 1<<16) + `","@type":"x/rich.Rich"}` +
		strings.Repeat(`,"@type":"x/google.protobuf.Any"}`, levels)
	s.compare(t, s.message("rich.Rich"), []byte(`{"any":`+json+`,"anys":[`+json+`,`+json+`]}`), wire.DecodeOptions{})
}
