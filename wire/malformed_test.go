package wire_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/wire"
)

// TestWireToJSON has what the official conformance suite does not notice.
func TestWireToJSON(t *testing.T) {
	tests := []struct {
		name    string
		message protoreflect.FullName
		hex     string
		options wire.Options
		want    string
	}{
		{name: "explicit zeros without presence", message: "rich.Rich", hex: "0800 1000 7200 7a00 8001808000 6500000000 690000000000000000", want: `{}`},
		{name: "explicit zeros with presence", message: "rich.Rich", hex: "880100 920100 980100", want: `{"maybeInt32":0,"maybeString":"","maybeColor":"UNKNOWN"}`},
		{name: "negative zero", message: "rich.Rich", hex: "6500000080 690000000000000080", want: `{"aFloat":-0,"aDouble":-0}`},
		{name: "too wide for its kind", message: "rich.Rich", hex: "108080808010 2081 808080 10 0880808080808001", want: `{"aBool":true,"aUint32":1}`},
		{name: "not finite", message: "rich.Rich", hex: "650000c07f 69000000000000f07f", want: `{"aFloat":"NaN","aDouble":"Infinity"}`},
		{name: "overlong tag", message: "rich.Rich", hex: "9080808080000 7", want: `{"anInt32":7}`},
		{name: "overlong tag of ten bytes", message: "rich.Rich", hex: "90808080808080808000 07", want: `{"anInt32":7}`},
		{name: "overlong length", message: "rich.Rich", hex: "728180808000 78", want: `{"aString":"x"}`},
		{name: "a group that is length-delimited", message: "legacy.Legacy", hex: "0801 1a020805", want: `{"id":1}`},
		{name: "a message that is a group", message: "rich.Rich", hex: "a301 1005 a401", want: `{}`},
		{name: "group", message: "legacy.Legacy", hex: "0801 1b 0805 1200 1c", want: `{"id":1,"box":{"width":5,"inner":{}}}`},
		{name: "split group", message: "legacy.Legacy", hex: "0801 1b 0805 1c 1b 1202 0806 1c", want: `{"id":1,"box":{"width":5,"inner":{"width":6}}}`},
		{name: "packed and not, mixed", message: "rich.Rich", hex: "fa01020102 f80103 b2020104 b00205", want: `{"int32s":[1,2,3],"unpacked":[4,5]}`},
		{name: "empty packed list", message: "rich.Rich", hex: "fa0100", want: `{}`},
		{name: "interleaved lists", message: "rich.Rich", hex: "f80101 9a020161 f80102 9a020162", want: `{"int32s":[1,2],"strings":["a","b"]}`},
		{name: "last scalar wins", message: "rich.Rich", hex: "1001 1002 720161 720162", want: `{"anInt32":2,"aString":"b"}`},
		{name: "split message merges", message: "rich.Rich", hex: "a201021001 a201 06 2005 fa010107 a20102 1002", want: `{"child":{"anInt32":2,"aUint32":5,"int32s":[7]}}`},
		{name: "another member of a oneof", message: "rich.Rich", hex: "920302 6869 980307", want: `{"number":7}`},
		{name: "the same member again merges", message: "rich.Rich", hex: "a203021001 a203022005", want: `{"message":{"anInt32":1,"aUint32":5}}`},
		{name: "a member that comes back does not merge", message: "rich.Rich", hex: "a203021001 980307 a203022005", want: `{"message":{"aUint32":5}}`},
		{name: "keys of maps are in order", message: "rich.Rich", hex: "c202060a0162120132 c202060a0161120131", want: `{"stringsByString":{"a":"1","b":"2"}}`},
		{name: "last entry of a map wins", message: "rich.Rich", hex: "da020808071204 10012002 da020608071202 1009", want: `{"richByUint":{"7":{"anInt32":9}}}`},
		{name: "an entry without value", message: "rich.Rich", hex: "da020208 07 c20200", want: `{"stringsByString":{"":""},"richByUint":{"7":{}}}`},
		{name: "a value in two parts", message: "rich.Rich", hex: "da020a0807 12021001 12022002", want: `{"richByUint":{"7":{"anInt32":1,"aUint32":2}}}`},
		{name: "unknown fields", message: "rich.Rich", hex: "c03e01 c13e0000000000000000 c23e0161 c33e0801c43e c53e00000000 1007", want: `{"anInt32":7}`},
		{name: "unknown enum number", message: "rich.Rich", hex: "800109", want: `{"aColor":9}`},
		{name: "html", message: "rich.Rich", hex: "7203 3c263e", options: wire.Options{HTMLSafe: true}, want: `{"aString":"\u003c\u0026\u003e"}`},
		{name: "no html", message: "rich.Rich", hex: "7203 3c263e", want: `{"aString":"<&>"}`},
		{name: "unknown Any", message: "google.protobuf.Any", hex: "0a03 612f62 1202 ffff", want: `{"@type":"a/b","value":"//8="}`},
		{name: "required in an Any", message: "google.protobuf.Any", hex: "0a0f 612f6c65676163792e4c6567616379", want: `{"@type":"a/legacy.Legacy"}`},
		{name: "nothing in an Any", message: "google.protobuf.Any", want: `{}`},
	}
	schema := decodeSchemaOf(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := schema.message(tt.message)
			got, err := m.Project(tt.options).AppendJSON(nil, unhex(t, tt.hex), nil)
			if err != nil || string(got) != tt.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, tt.want)
			}
		})
	}
}

func TestWireToJSONRefuses(t *testing.T) {
	tests := []struct {
		name    string
		message protoreflect.FullName
		hex     string
		want    string // behind "malformed message: "
	}{
		{"required and absent", "legacy.Legacy", "1201 61", "legacy.Legacy.id: required and absent"},
		{"required and absent below", "legacy.Legacy", "0801 3a00", "legacy.Legacy.id: required and absent"},
		{"required and absent in a group", "legacy.Legacy", "0801 2324", "legacy.Legacy.Crate.label: required and absent"},
		{"string", "rich.Rich", "7201ff", "rich.Rich.a_string: invalid UTF-8"},
		{"string that is overruled", "rich.Rich", "7201ff 720161", "rich.Rich.a_string: invalid UTF-8"},
		{"surrogate", "rich.Rich", "7203eda080", "rich.Rich.a_string: invalid UTF-8"},
		{"string of proto2", "legacy.Legacy", "0801 1201ff", "legacy.Legacy.name: invalid UTF-8"},
		{"string in a list", "rich.Rich", "9a0201ff", "rich.Rich.strings: invalid UTF-8"},
		{"key of a map", "rich.Rich", "c202030a01ff", "rich.Rich.StringsByStringEntry.key: invalid UTF-8"},
		{"value of a map", "rich.Rich", "c202031201ff", "rich.Rich.StringsByStringEntry.value: invalid UTF-8"},
		{"value of a map that is overruled", "rich.Rich", "c202031201ff c20200", "rich.Rich.StringsByStringEntry.value: invalid UTF-8"},
		{"member of a oneof that is overruled", "rich.Rich", "920301ff 980301", "rich.Rich.text: invalid UTF-8"},
		{"message of a oneof that is overruled", "rich.Rich", "a203037201ff 980301", "rich.Rich.a_string: invalid UTF-8"},
		{"type URL", "google.protobuf.Any", "0a01ff", "google.protobuf.Any.type_url: invalid UTF-8"},
		{"no type URL", "google.protobuf.Any", "120161", "google.protobuf.Any: a value without a type"},
		{"bytes in an Any", "google.protobuf.Any", "0a0b 612f726963682e52696368 120108", "rich.Rich: varint cut off or longer than 64 bits"},
		{"varint of eleven bytes", "rich.Rich", "10ffffffffffffffffffff01", "rich.Rich: varint cut off or longer than 64 bits"},
		{"varint of 65 bits", "rich.Rich", "10ffffffffffffffffff02", "rich.Rich: varint cut off or longer than 64 bits"},
		{"unknown varint of eleven bytes", "rich.Rich", "c03effffffffffffffffffff01", "rich.Rich: varint cut off or longer than 64 bits"},
		{"tag cut off", "rich.Rich", "80", "rich.Rich: varint cut off or longer than 64 bits"},
		{"tag of eleven bytes", "rich.Rich", "9080808080808080808000 07", "rich.Rich: varint cut off or longer than 64 bits"},
		{"field number 0", "rich.Rich", "0000", "rich.Rich: field number out of range"},
		{"field number 2^29", "rich.Rich", "8080808010 00", "rich.Rich: field number out of range"},
		{"wire type 6", "rich.Rich", "16", "rich.Rich: unknown wire type"},
		{"wire type 7 in a group", "rich.Rich", "c33e 17", "rich.Rich: unknown wire type"},
		{"end of no group", "rich.Rich", "c43e", "rich.Rich: end of a group that was not begun"},
		{"end of another group", "rich.Rich", "c33e 1c", "rich.Rich: end of a group that was not begun"},
		{"group without end", "rich.Rich", "c33e 0801", "rich.Rich: truncated"},
		{"length too long", "rich.Rich", "720261", "rich.Rich: truncated"},
		{"length of 2^63", "rich.Rich", "72ffffffffffffffffff01", "rich.Rich: truncated"},
		{"fixed64 cut off", "rich.Rich", "6900", "rich.Rich: truncated"},
		{"packed varint cut off", "rich.Rich", "fa010180", "rich.Rich.int32s: truncated"},
		{"packed fixed32 cut off", "rich.Rich", "8a020100", "rich.Rich.fixed32s: truncated"},
		{"timestamp before the year 1", "google.protobuf.Timestamp", "08ff91b8c398feffffff01", "google.protobuf.Timestamp: seconds out of range"},
		{"timestamp after the year 9999", "google.protobuf.Timestamp", "088083d1ffaf07", "google.protobuf.Timestamp: seconds out of range"},
		{"value without a kind", "google.protobuf.Value", "", "google.protobuf.Value: no value is set"},
		{"value that is NaN", "google.protobuf.Value", "11000000000000f87f", "google.protobuf.Value: the number is not finite"},
		{"mask that is no path", "google.protobuf.FieldMask", "0a02612e", "google.protobuf.FieldMask: a path has no JSON form"},
		{"mask that cannot be turned back", "google.protobuf.FieldMask", "0a03615f31", "google.protobuf.FieldMask: a path has no JSON form"},
		{"duration with two signs", "google.protobuf.Duration", "0801 10ffffffffffffffffff01", "google.protobuf.Duration: seconds and nanos differ in sign"},
	}
	schema := decodeSchemaOf(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := schema.message(tt.message)
			got, err := m.Project(wire.Options{}).AppendJSON([]byte("before"), unhex(t, tt.hex), nil)
			if !errors.Is(err, wire.ErrMalformed) || err.Error() != "malformed message: "+tt.want {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
			if string(got) != "before" {
				t.Errorf("dst has %q", got)
			}
		})
	}
}

// TestDepthOfJSON nests messages in each way there is: the outermost message is the first level.
func TestDepthOfJSON(t *testing.T) {
	tests := []struct {
		name    string
		message protoreflect.FullName
		around  func(inner []byte) []byte
		levels  int // that around adds
	}{
		{"messages", "rich.Rich", within(20), 1},
		{"list elements", "rich.Rich", within(21), 1},
		{"members of a oneof", "rich.Rich", within(52), 1},
		{"Value and ListValue", "google.protobuf.Value", func(inner []byte) []byte { return within(6)(within(1)(inner)) }, 2},
		{"Value and Struct", "google.protobuf.Value", func(inner []byte) []byte { return within(5)(within(1)(within(2)(inner))) }, 2},
		{"Any", "google.protobuf.Any", func(inner []byte) []byte {
			return append([]byte("\x0a\x15a/google.protobuf.Any"), within(2)(inner)...)
		}, 1},
		{"groups", "edition.Edition", inGroup(4), 1},
		{"unknown groups", "edition.Edition", inGroup(2000), 1},
	}
	schema := decodeSchemaOf(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := schema.message(tt.message).Project(wire.Options{})
			for _, levels := range []int{100, 101, 1_000} {
				_, err := p.AppendJSON(nil, nested(tt.message, tt.around, (levels-1)/tt.levels), nil)
				fits := 1+(levels-1)/tt.levels*tt.levels <= 100
				if deep := err != nil && strings.Contains(err.Error(), "nested too deep"); deep == fits {
					t.Errorf("%d levels: %v", levels, err)
				}
			}
		})
	}
}

func nested(name protoreflect.FullName, around func([]byte) []byte, times int) (msg []byte) {
	switch name {
	case "google.protobuf.Value":
		msg = []byte{0x20, 1} // true: a Value cannot be empty
	case "edition.Edition":
		msg = []byte{0x18, 0}
	}
	for range times {
		msg = around(msg)
	}
	if name == "edition.Edition" {
		msg = append(msg, 0x18, 0)
	}
	return msg
}

func within(n protowire.Number) func([]byte) []byte {
	return func(inner []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), inner)
	}
}

func inGroup(n protowire.Number) func([]byte) []byte {
	return func(inner []byte) []byte {
		msg := protowire.AppendTag([]byte{0x18, 0}, n, protowire.StartGroupType)
		return protowire.AppendTag(append(msg, inner...), n, protowire.EndGroupType)
	}
}

func TestBoundOfJSON(t *testing.T) {
	schema := decodeSchemaOf(t)
	m := schema.message("rich.Rich")
	tests := map[string][]byte{
		"defaults of many empty messages": bytes.Repeat(within(21)(nil), 10_000),
		"packed list":                     within(30)(bytes.Repeat([]byte{1}, 10_000)),
		"list":                            bytes.Repeat(within(35)([]byte("\x01")), 10_000),
		"map":                             manyEntries(10_000),
		"one long string":                 within(14)(bytes.Repeat([]byte("\x01"), 10_000)),
		"mask":                            within(63)(bytes.Repeat(within(1)([]byte("abcdef")), 10_000)),
	}
	const limit = 10_000
	for name, msg := range tests {
		t.Run(name, func(t *testing.T) {
			p := m.Project(wire.Options{EmitDefaults: true})
			out, err := p.AppendJSON([]byte("before"), msg, &wire.Sink{MaxBytes: limit})
			if err != wire.ErrTooLarge || string(out) != "before" {
				t.Fatalf("%d bytes, %v", len(out), err)
			}
			full, err := p.AppendJSON(nil, msg, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.AppendJSON(nil, msg, &wire.Sink{MaxBytes: len(full)}); err != nil {
				t.Errorf("just large enough: %v", err)
			}
			if _, err := p.AppendJSON(nil, msg, &wire.Sink{MaxBytes: len(full) - 1}); err != wire.ErrTooLarge {
				t.Errorf("one byte over the bound: %v", err)
			}
		})
	}
}

func manyEntries(n int) (msg []byte) {
	for i := range n {
		msg = append(msg, within(41)(protowire.AppendVarint([]byte{8}, uint64(i)))...)
	}
	return msg
}
