package wire_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/wire"
)

// unseenOut are faults on the way out that the official conformance suite does not
// see. Want is the JSON, or a part of the error where it does not begin with a brace.
var unseenOut = []struct {
	fault   string
	message protoreflect.FullName
	hex     string
	want    string
}{
	{"a required field is missing", "legacy.Legacy", "1201 61", "legacy.Legacy.id: required and absent"},
	{"a required field is missing in an element", "legacy.Legacy", "0801 23 24", "legacy.Legacy.Crate.label: required and absent"},
	{"nesting without end", "rich.Rich", fmt.Sprintf("%x", nested("rich.Rich", within(20), 100)), "nested too deep"},
	{"nesting of groups without end", "rich.Rich", strings.Repeat("a301", 100) + strings.Repeat("a401", 100), "nested too deep"},
	{"negative zero is dropped", "rich.Rich", "6500000080 690000000000000080", `{"aFloat":-0,"aDouble":-0}`},
	{"a zero without presence is written", "rich.Rich", "0800 1000 7200 7a00 800100 6500000000", `{}`},
	{"invalid UTF-8", "rich.Rich", "7201ff", "rich.Rich.a_string: invalid UTF-8"},
	{"invalid UTF-8 in an overruled value", "rich.Rich", "7201ff 720161", "rich.Rich.a_string: invalid UTF-8"},
	{"a group is read as length-delimited", "legacy.Legacy", "0801 1a020805", `{"id":1}`},
	{"an overlong tag is refused", "rich.Rich", "90808080808080808000 07", `{"anInt32":7}`},
	{"an overlong tag of 65 bits is taken", "rich.Rich", "90808080808080808002 07", "varint"},
}

// unseenIn are those on the way in. Want is the wire form in hexadecimal, or a part of
// the error where it begins with a colon.
var unseenIn = []struct {
	fault   string
	message protoreflect.FullName
	json    string
	want    string
}{
	{"trailing data", "rich.Rich", `{"anInt32":1} 2`, ":there is more after the end of the document"},
	{"trailing bracket", "rich.Rich", `{"anInt32":1}}`, ":there is more after the end of the document"},
	{"a required field is missing", "legacy.Legacy", `{"name":"x"}`, `:required field "id" is missing`},
	{"nesting without end", "rich.Rich", strings.Repeat(`{"child":`, 100) + `{}` + strings.Repeat(`}`, 100), ":nested too deeply"},
	{"negative zero is dropped", "rich.Rich", `{"aFloat":-0.0,"aDouble":-0}`, "6500000080 690000000000000080"},
	{"a zero without presence is dropped", "rich.Rich", `{"anInt32":0,"aString":""}`, "1000 7200"},
	{"a key twice in a map", "rich.Rich", `{"stringsByString":{"a":"1","\u0061":"2"}}`, ":duplicate key"},
	{"a number twice as key in a map", "rich.Rich", `{"intsByInt":{"1":1,"+1":2}}`, ":duplicate key"},
	{"invalid UTF-8", "rich.Rich", "{\"aString\":\"\xff\"}", ":not valid UTF-8"},
	{"a group is written as length-delimited", "legacy.Legacy", `{"id":1,"box":{"width":5}}`, "0801 1b 0805 1c"},
}

func TestFaultsThatTheSuiteDoesNotSee(t *testing.T) {
	schema := decodeSchemaOf(t)
	for _, tt := range unseenOut {
		t.Run("out/"+tt.fault, func(t *testing.T) {
			got, err := schema.message(tt.message).Project(wire.Options{}).AppendJSON(nil, unhex(t, tt.hex), nil)
			if strings.HasPrefix(tt.want, "{") {
				if err != nil || string(got) != tt.want {
					t.Errorf("got %s, %v\nwant %s", got, err, tt.want)
				}
			} else if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %s, %v\nwant the error %s", got, err, tt.want)
			}
		})
	}
	for _, tt := range unseenIn {
		t.Run("in/"+tt.fault, func(t *testing.T) {
			got, err := schema.message(tt.message).AppendWire(nil, []byte(tt.json), wire.DecodeOptions{})
			if reason, refused := strings.CutPrefix(tt.want, ":"); refused {
				if err == nil || !strings.Contains(err.Error(), reason) {
					t.Errorf("got %x, %v\nwant the error %s", got, err, reason)
				}
			} else if want := unhex(t, tt.want); err != nil || string(got) != string(want) {
				t.Errorf("got %x, %v\nwant %x", got, err, want)
			}
		})
	}
}
