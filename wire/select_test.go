package wire_test

import (
	"cmp"
	"encoding/json"
	"testing"

	"github.com/protean-gateway/protean/wire"
)

func TestSelect(t *testing.T) {
	tests := []struct {
		name, selection string
		message         string // as ProtoJSON
		hex             string // behind it
		want            string
		faults          string
	}{
		{name: "order and aliases", selection: "b:size a:name",
			message: `{"name":"x","size":3}`, want: `{"b":3,"a":"x"}`},
		{name: "a field twice", selection: "a:first { title } b:first { price }",
			message: `{"first":{"title":"x","price":2}}`, want: `{"a":{"title":"x"},"b":{"price":2}}`},
		{name: "absent", selection: "name weight color open blob size text number book { title } first { title } books { title } weights labels { key } time extra",
			want: `{"name":"","weight":0,"color":"UNKNOWN","open":false,"blob":"","size":null,"text":null,"number":null,"book":null,"first":null,"books":[],"weights":[],"labels":[],"time":null,"extra":null}`},
		{name: "map without children", selection: "labels byCode", message: `{"labels":{"7":"x"}}`, want: `{"labels":{"7":"x"},"byCode":{}}`},
		{name: "map of scalars", selection: "labels { value key }",
			message: `{"labels":{"7":"b","-1":"a"}}`, want: `{"labels":[{"value":"a","key":-1},{"value":"b","key":7}]}`},
		{name: "map of messages", selection: "byCode { key value { title } }",
			message: `{"byCode":{"b":{"title":"2"},"a":{}}}`, want: `{"byCode":[{"key":"a","value":{"title":""}},{"key":"b","value":{"title":"2"}}]}`},
		{name: "entry without key and value", selection: "byCode { key value { title } } labels { key value } colors { key value }",
			hex: "1a00 2200 a20100", want: `{"byCode":[{"key":"","value":{"title":""}}],"labels":[{"key":0,"value":""}],"colors":[{"key":0,"value":"UNKNOWN"}]}`},
		{name: "last entry wins", selection: "labels { value }",
			message: `{"labels":{"7":"x"}}`, hex: "2205 0807 120179", want: `{"labels":[{"value":"y"}]}`},
		{name: "unknown enum number", selection: "color colors { value }",
			message: `{"color":9,"colors":{"1":8}}`, want: `{"color":"UNRECOGNIZED","colors":[{"value":"UNRECOGNIZED"}]}`},
		{name: "64 bits", selection: "number first { copies }",
			message: `{"number":"9007199254740993","first":{"copies":[1]}}`, want: `{"number":"9007199254740993","first":{"copies":["1"]}}`},
		{name: "case of a oneof", selection: "kind:?0",
			message: `{"number":"0"}`, want: `{"kind":"NUMBER"}`},
		{name: "case of a oneof that is not set", selection: "kind:?0", want: `{"kind":null}`},
		{name: "member that is overruled by one not selected", selection: "text kind:?0 a:?0",
			message: `{"text":"x"}`, hex: "5801", want: `{"text":null,"kind":"NUMBER","a":"NUMBER"}`},
		{name: "the member of a union", selection: "kind:&0 { book { title } }",
			message: `{"book":{"title":"x"}}`, want: `{"kind":{"title":"x"}}`},
		{name: "a union of which nothing is set", selection: "kind:&0 { book { title } } name", want: `{"kind":null,"name":""}`},
		{name: "a union whose member is not selected", selection: "kind:&0 { book { title } }",
			message: `{"number":"7"}`, want: `{"kind":null}`},
		{name: "a member of a union that is overruled", selection: "kind:&0 { book { title } } b:book { title }",
			message: `{"book":{"title":"x"}}`, hex: "5801", want: `{"kind":null,"b":null}`},
		{name: "null moves to the union", selection: "kind:&0 { book { title price! } } name",
			message: `{"book":{"price":"NaN"}}`, want: `{"kind":null,"name":""}`, faults: "kind.price: the number is not finite\n"},
		{name: "raw", selection: `__typename:="Shelf" later:=null`, want: `{"__typename":"Shelf","later":null}`},
		{name: "raw null that cannot be", selection: "first { later:=null! }", message: `{"first":{}}`,
			want: `{"first":null}`, faults: "first.later: no value for a field that cannot be null\n"},
		{name: "well-known forms", selection: "time extra score any",
			message: `{"time":"2026-01-02T03:04:05.5Z","extra":{"a":[1,null]},"score":2.5}`, hex: "820106 0a0178 120100",
			want: `{"time":"2026-01-02T03:04:05.500Z","extra":{"a":[1,null]},"score":2.5,"any":{"@type":"x","value":"AA=="}}`},
		{name: "well-known in parts", selection: "time { seconds nanos }",
			message: `{"time":"1970-01-01T00:01:00Z"}`, want: `{"time":{"seconds":"60","nanos":0}}`},
		{name: "not finite", selection: "weight weights name", message: `{"weight":"NaN","weights":[1,"Infinity",2]}`,
			want:   `{"weight":null,"weights":null,"name":""}`,
			faults: "weight: the number is not finite\nweights.1: the number is not finite\n"},
		{name: "not finite in a wrapper", selection: "score", message: `{"score":"-Infinity"}`,
			want: `{"score":null}`, faults: "score: the number is not finite\n"},
		{name: "time out of range", selection: "time times name", hex: "6a07 08ffffffffff7f aa0100 aa0102107f aa010b 10ffffffffffffffffff01",
			want:   `{"time":null,"times":null,"name":""}`,
			faults: "time: malformed message: google.protobuf.Timestamp: seconds out of range\ntimes.2: malformed message: google.protobuf.Timestamp: nanos out of range\n"},
		{name: "null moves to the parent", selection: "first { title price! } name", message: `{"first":{"title":"x","price":"NaN"}}`,
			want: `{"first":null,"name":""}`, faults: "first.price: the number is not finite\n"},
		{name: "null moves through a list", selection: "books { title price! } name", message: `{"books":[{"price":1},{"price":"NaN"},{"price":"NaN"}]}`,
			want: `{"books":null,"name":""}`, faults: "books.1.price: the number is not finite\n"},
		{name: "null moves through entries", selection: "byCode { key value! { price! } }", message: `{"byCode":{"a":{"price":1},"b":{"price":"NaN"}}}`,
			want: `{"byCode":null}`, faults: "byCode.1.value.price: the number is not finite\n"},
		{name: "null stays in a list's element", selection: "books { title price }", message: `{"books":[{"price":"NaN"},{"price":1},{"price":"NaN"}]}`,
			want:   `{"books":[{"title":"","price":null},{"title":"","price":1},{"title":"","price":null}]}`,
			faults: "books.0.price: the number is not finite\nbooks.2.price: the number is not finite\n"},
		{name: "null moves two levels", selection: "below { first! { sequel! { price! } } } name", message: `{"below":{"first":{"sequel":{"price":"NaN"}}}}`,
			want: `{"below":null,"name":""}`, faults: "below.first.sequel.price: the number is not finite\n"},
		{name: "absent and not nullable", selection: "first { title sequel! { title } }", message: `{"first":{}}`,
			want: `{"first":null}`, faults: "first.sequel: no value for a field that cannot be null\n"},
		{name: "split message", selection: "first { title price } name", hex: "2a03 0a0178 0a0179 2a09 110000000000000040",
			want: `{"first":{"title":"x","price":2},"name":"y"}`},
		{name: "no children", selection: "first { } books { }", message: `{"first":{},"books":[{},{}]}`, want: `{"first":{},"books":[{},{}]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := shelf(t, "Shelf")
			projection, err := m.Select(parseSelection(t, m, tt.selection))
			if err != nil {
				t.Fatal(err)
			}
			msg := append(fromJSON(t, m, cmp.Or(tt.message, "{}")), unhex(t, tt.hex)...)
			var sink wire.Sink
			got, err := projection.AppendJSON(nil, msg, &sink)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if faults := faultLines(sink.Faults); faults != tt.faults {
				t.Errorf("faults\n%s want\n%s", faults, tt.faults)
			}
			if !json.Valid(got) {
				t.Errorf("not JSON: %s", got)
			}
		})
	}
}
