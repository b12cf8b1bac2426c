package graph

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

const inputProto = `
syntax = "proto3";
package in.v1;
import "google/api/field_behavior.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "protean/options/v1/options.proto";
service In {
  rpc GetIt(It) returns (It);
  rpc GetStruct(google.protobuf.Struct) returns (It);
}
message It {
  int32 int = 1;
  uint32 uint = 2;
  int64 long = 3;
  uint64 ulong = 4;
  double float = 5;
  float single = 6;
  string text = 7;
  bool yes = 8;
  bytes raw = 9;
  Colour colour = 10;
  string id = 11 [(protean.options.v1.field).id = true];
  int64 number = 12 [(protean.options.v1.field).id = true];
  repeated int32 ints = 13;
  repeated Inner inners = 14;
  Inner inner = 15;
  map<string, Inner> entries = 16;
  map<int64, string> names = 17;
  google.protobuf.Timestamp at = 18;
  google.protobuf.Duration lasts = 19;
  google.protobuf.Value json = 20;
  repeated google.protobuf.Value jsons = 21;
  google.protobuf.Int64Value wrapped = 22;
  oneof choice { string by_text = 23; Inner by_inner = 24; }
  Required required = 25;
}
enum Colour { COLOUR_UNSPECIFIED = 0; RED = 1; }
message Inner { int32 n = 1; repeated Inner list = 2; }
message Required { string a = 1 [(google.api.field_behavior) = REQUIRED]; int32 b = 2; }
`

// inputGraph returns a graph, and a function that returns the request of its last call as JSON.
func inputGraph(t testing.TB) (*Graph, func() string) {
	t.Helper()
	snap := rpctest.Compile(t, map[string]string{"in.proto": inputProto})
	var last string
	g, _ := New(snap, func(_ context.Context, c *rpc.Call, s rpc.Stream) error {
		msg := dynamicpb.NewMessage(c.Method.Input.Descriptor())
		if err := proto.Unmarshal(c.Request, msg); err != nil {
			t.Error(err)
		}
		text, err := protojson.Marshal(msg)
		if err != nil {
			t.Error(err)
		}
		last = canonical(t, text)
		return s.Send(nil)
	}, Options{})
	return g, func() string { return last }
}

// TestLiterals checks values that stand in the document.
func TestLiterals(t *testing.T) {
	g, last := inputGraph(t)
	for _, c := range []struct{ args, want string }{
		{`int: 12`, `{"int":12}`},
		{`int: -2147483648`, `{"int":-2147483648}`},
		{`int: 2147483648`, `error: Int cannot represent 2147483648`},
		{`int: "12"`, `error: Int cannot represent`},
		{`int: 1.0`, `error: Int cannot represent`},
		{`int: null`, `{}`},
		{`int: 0`, `{}`},
		{`uint: 4294967295`, `{"uint":4294967295}`},
		{`uint: -1`, `error: UInt32 cannot represent -1`},
		{`long: 9223372036854775807`, `{"long":"9223372036854775807"}`},
		{`long: "-9223372036854775808"`, `{"long":"-9223372036854775808"}`},
		{`long: 9223372036854775808`, `error: Int64 cannot represent 9223372036854775808`},
		{`long: "twelve"`, `error: Int64 cannot represent "twelve"`},
		{`long: 1.5`, `error: Int64 cannot represent 1.5`},
		{`ulong: "18446744073709551615"`, `{"ulong":"18446744073709551615"}`},
		{`ulong: -1`, `error: UInt64 cannot represent -1`},
		{`float: 1`, `{"float":1}`},
		{`float: 1.5e3`, `{"float":1500}`},
		{`float: 1e999`, `error: Float cannot represent`},
		{`float: "1"`, `error: Float cannot represent`},
		{`single: 1e39`, `error: Argument single`},
		{`text: "a\u00e9\n"`, `{"text":"aé\n"}`},
		{`text: """block"""`, `{"text":"block"}`},
		{`text: 12`, `error: String cannot represent`},
		{`text: {}`, `error: String cannot represent`},
		{`yes: true`, `{"yes":true}`},
		{`yes: 1`, `error: Boolean cannot represent`},
		{`raw: "AQI="`, `{"raw":"AQI="}`},
		{`raw: "%"`, `error: Bytes cannot represent`},
		{`colour: RED`, `{"colour":"RED"}`},
		{`colour: "RED"`, `error: Enum "Colour" cannot represent`},
		{`colour: UNRECOGNIZED`, `error: UNRECOGNIZED is no value`},
		{`colour: PINK`, `error: Value "PINK" does not exist`},
		{`id: "x"`, `{"id":"x"}`},
		{`id: 12`, `{"id":"12"}`},
		{`id: 1.5`, `error: ID cannot represent`},
		{`number: "12"`, `{"number":"12"}`},
		{`number: 12`, `{"number":"12"}`},
		{`number: "x"`, `error: Argument number`},
		{`ints: [1, 2]`, `{"ints":[1,2]}`},
		{`ints: 1`, `{"ints":[1]}`},
		{`ints: []`, `{}`},
		{`ints: [1, null]`, `error: Expected value of type "Int!", found null`},
		{`inners: [{n: 1}, {}]`, `{"inners":[{"n":1},{}]}`},
		{`inner: {list: {n: 2}}`, `{"inner":{"list":[{"n":2}]}}`},
		{`inner: {m: 1}`, `error: Field "m" is not defined by type "InnerInput"`},
		{`inner: {n: 1, n: 2}`, `error: There can be only one input field named "n"`},
		{`entries: [{key: "a", value: {n: 1}}, {key: "b"}]`, `{"entries":{"a":{"n":1},"b":{}}}`},
		{`entries: [{key: "a"}, {key: "a"}]`, `error: Argument entries[1]: the key of the entry stands in another one`},
		{`entries: [{value: {}}]`, `error: Field "ItEntriesEntryInput.key" of required type`},
		{`names: [{key: 1, value: "x"}, {key: "2", value: "y"}]`, `{"names":{"1":"x","2":"y"}}`},
		{`names: [{key: 1, value: "x"}, {key: "1", value: "y"}]`, `error: the key of the entry stands in another one`},
		{`at: "2026-01-02T03:04:05Z"`, `{"at":"2026-01-02T03:04:05Z"}`},
		{`at: "yesterday"`, `error: DateTime cannot represent`},
		{`at: 12`, `error: DateTime cannot represent 12`},
		{`lasts: "1.5s"`, `{"lasts":"1.500s"}`},
		{`json: {a: [1, "b", true, null, RED, {}]}`, `{"json":{"a":[1,"b",true,null,"RED",{}]}}`},
		{`json: null`, `{"json":null}`},
		{`jsons: [1, null]`, `{"jsons":[1,null]}`},
		{`jsons: 1`, `{"jsons":[1]}`},
		{`wrapped: "0"`, `{"wrapped":"0"}`},
		{`choice: {byText: "x"}`, `{"byText":"x"}`},
		{`choice: {byInner: {}}`, `{"byInner":{}}`},
		{`choice: {byText: ""}`, `{"byText":""}`},
		{`choice: {}`, `error: OneOf Input Object "ItChoiceInput" must specify exactly one key`},
		{`choice: {byText: "x", byInner: {}}`, `error: must specify exactly one key`},
		{`choice: {byText: null}`, `error: field "byText" of ItChoiceInput cannot be null`},
		{`choice: {byInner: null}`, `error: field "byInner" of ItChoiceInput cannot be null`},
		{`required: {a: ""}`, `{"required":{}}`},
		{`required: {b: 1}`, `error: Field "RequiredInput.a" of required type "String!" was not provided`},
		{`nothing: 1`, `error: Unknown argument "nothing"`},
	} {
		t.Run(c.args, func(t *testing.T) {
			check(t, g, last, `{ getIt(`+c.args+`) { __typename } }`, "", c.want)
		})
	}
}

// TestVariables checks values that come as JSON.
func TestVariables(t *testing.T) {
	g, last := inputGraph(t)
	for _, c := range []struct{ declared, args, variables, want string }{
		{`$v: Int`, `int: $v`, `{"v": 12}`, `{"int":12}`},
		{`$v: Int`, `int: $v`, `{"v": 1.0}`, `{"int":1}`},
		{`$v: Int`, `int: $v`, `{"v": 1e3}`, `{"int":1000}`},
		{`$v: Int`, `int: $v`, `{"v": 1.5}`, `error: Variable $v: Int cannot represent 1.5`},
		{`$v: Int`, `int: $v`, `{"v": "12"}`, `error: Variable $v: Int cannot represent "12"`},
		{`$v: Int`, `int: $v`, `{"v": 9999999999}`, `error: Variable $v: Int cannot represent 9999999999`},
		{`$v: Int`, `int: $v`, `{"v": true}`, `error: Variable $v: Int cannot represent true`},
		{`$v: Int`, `int: $v`, `{"v": null}`, `{}`},
		{`$v: Int`, `int: $v`, `{}`, `{}`},
		{`$v: Int = 5`, `int: $v`, `{}`, `{"int":5}`},
		{`$v: Int = 5`, `int: $v`, `{"v": null}`, `{}`},
		{`$v: Int!`, `int: $v`, `{}`, `error: Variable $v: a value is required`},
		{`$v: Int!`, `int: $v`, `{"v": null}`, `error: Variable $v: Int! cannot be null`},
		{`$v: Int`, `int: $v`, `{"v": 1, "more": 2}`, `{"int":1}`},
		{`$v: Int64`, `long: $v`, `{"v": 9007199254740991}`, `{"long":"9007199254740991"}`},
		{`$v: Int64`, `long: $v`, `{"v": 9007199254740992}`, `error: Int64 cannot represent 9007199254740992 safely`},
		{`$v: Int64`, `long: $v`, `{"v": "9223372036854775807"}`, `{"long":"9223372036854775807"}`},
		{`$v: Int64`, `long: $v`, `{"v": " 1"}`, `error: Int64 cannot represent`},
		{`$v: Float`, `float: $v`, `{"v": 3}`, `{"float":3}`},
		{`$v: Float`, `float: $v`, `{"v": "3"}`, `error: Float cannot represent "3"`},
		{`$v: Float`, `float: $v`, `{"v": 1e400}`, `error: Float cannot represent`},
		{`$v: String!`, `text: $v`, `{"v": 3}`, `error: Variable $v: String cannot represent 3`},
		{`$v: String`, `text: $v`, `{"v": "x"}`, `{"text":"x"}`},
		{`$v: Boolean`, `yes: $v`, `{"v": "true"}`, `error: Boolean cannot represent "true"`},
		{`$v: ID`, `id: $v`, `{"v": 12}`, `{"id":"12"}`},
		{`$v: ID`, `id: $v`, `{"v": 1.5}`, `error: ID cannot represent 1.5`},
		{`$v: Colour`, `colour: $v`, `{"v": "RED"}`, `{"colour":"RED"}`},
		{`$v: Colour`, `colour: $v`, `{"v": 1}`, `error: Variable $v: 1 is no value of the enum`},
		{`$v: Colour`, `colour: $v`, `{"v": "UNRECOGNIZED"}`, `error: "UNRECOGNIZED" is no value of the enum`},
		{`$v: [Int!]`, `ints: $v`, `{"v": [1, 2.0]}`, `{"ints":[1,2]}`},
		{`$v: [Int!]`, `ints: $v`, `{"v": 1}`, `{"ints":[1]}`},
		{`$v: [Int!]`, `ints: $v`, `{"v": [1, null]}`, `error: Variable $v[1]: Int! cannot be null`},
		{`$v: [Int!]`, `ints: $v`, `{"v": [1, "2"]}`, `error: Variable $v[1]: Int cannot represent "2"`},
		{`$v: Int`, `ints: $v`, `{"v": 1}`, `error: Variable "$v" of type "Int" used in position expecting type "[Int!]"`},
		{`$v: Int!`, `ints: [1, $v]`, `{"v": 2}`, `{"ints":[1,2]}`},
		{`$v: InnerInput`, `inner: $v`, `{"v": {"n": 1, "list": {"n": 2}}}`, `{"inner":{"list":[{"n":2}],"n":1}}`},
		{`$v: InnerInput`, `inner: $v`, `{"v": {"m": 1}}`, `error: Variable $v: InnerInput has no field "m"`},
		{`$v: InnerInput`, `inner: $v`, `{"v": "x"}`, `error: Variable $v: InnerInput must be an object`},
		{`$v: InnerInput`, `inner: $v`, `{"v": {"list": [{"n": "x"}]}}`, `error: Variable $v.list[0].n: Int cannot represent "x"`},
		{`$v: Int`, `inner: {n: $v}`, `{}`, `{"inner":{}}`},
		{`$v: RequiredInput`, `required: $v`, `{"v": {"b": 1}}`, `error: Variable $v: field "a" of type String! is required`},
		{`$v: ItChoiceInput`, `choice: $v`, `{"v": {"byText": "x"}}`, `{"byText":"x"}`},
		{`$v: ItChoiceInput`, `choice: $v`, `{"v": {"byText": "x", "byInner": {}}}`, `error: ItChoiceInput takes exactly one field, not 2`},
		{`$v: ItChoiceInput`, `choice: $v`, `{"v": {"byText": null}}`, `error: field "byText" of ItChoiceInput cannot be null`},
		{`$v: ItChoiceInput`, `choice: $v`, `{"v": {}}`, `error: ItChoiceInput takes exactly one field, not 0`},
		{`$v: String!`, `choice: {byText: $v}`, `{"v": "x"}`, `{"byText":"x"}`},
		{`$v: String`, `choice: {byText: $v}`, `{"v": "x"}`, `error: must be non-nullable to be used for OneOf`},
		{`$v: [ItEntriesEntryInput!]`, `entries: $v`, `{"v": [{"key": "a"}, {"key": "a"}]}`, `error: the key of the entry stands in another one`},
		{`$v: JSON`, `json: $v`, `{"v": {"a": [1, null]}}`, `{"json":{"a":[1,null]}}`},
		{`$v: JSON`, `json: {a: $v}`, `{"v": 9007199254740993}`, `{"json":{"a":9007199254740992}}`},
		{`$v: JSON`, `json: {a: $v, b: 1}`, `{}`, `{"json":{"b":1}}`},
		{`$v: String = "x"`, `required: {a: $v}`, `{"v": null}`, `null: Argument required.a: a value is required`},
		{`$v: String = "x"`, `required: {a: $v}`, `{}`, `{"required":{"a":"x"}}`},
		{`$v: Int = 1`, `ints: [$v]`, `{"v": null}`, `null: Argument ints[0]: an element of the list cannot be null`},
		{`$v: Boolean = true`, `yes: $v) @skip(if: $v`, `{"v": null}`, `error: Variable $v: a condition cannot be null`},
		{`$v: Int`, `int: 1`, `{"v": "x"}`, `error: Variable "$v" is never used`},
		{`$v: Nothing`, `int: $v`, `{}`, `error: Unknown type "Nothing"`},
	} {
		t.Run(c.declared+" "+c.variables, func(t *testing.T) {
			check(t, g, last, `query(`+c.declared+`) { getIt(`+c.args+`) { __typename } }`, c.variables, c.want)
		})
	}
}

func TestScalarRequest(t *testing.T) {
	g, last := inputGraph(t)
	check(t, g, last, `{ getStruct(input: {a: 1}) { __typename } }`, "", `{"a":1}`)
	check(t, g, last, `{ getStruct(input: 1) { __typename } }`, "", `error: Argument input`)
}

// check runs a query and compares the request that is made, or the first error.
func check(t *testing.T, g *Graph, last func() string, query, vars, want string) {
	t.Helper()
	r := responses(t, t.Context(), g, query, vars)[0]
	message, failing := strings.CutPrefix(want, "error: ")
	data := ""
	if m, ok := strings.CutPrefix(want, "null: "); ok { // the field fails, and not the operation
		message, failing, data = m, true, `{"getIt":null}`
	}
	switch {
	case failing && len(r.Errors) == 0:
		t.Errorf("request %s, want an error with %q", last(), message)
	case failing && (!strings.Contains(r.Errors[0].Message, message) && !scalarWords(r.Errors[0].Message, message)):
		t.Errorf("error %q, want %q", r.Errors[0].Message, message)
	case failing && string(r.Data) != data:
		t.Errorf("data %s, want %q", r.Data, data)
	case !failing && len(r.Errors) > 0:
		text, _ := json.Marshal(r.Errors)
		t.Errorf("errors %s, want %s", text, want)
	case !failing && last() != want:
		t.Errorf("request %s, want %s", last(), want)
	}
}

// scalarWords accepts how the validation rules word what the encoder would refuse too.
func scalarWords(got, want string) bool {
	name, _, ok := strings.Cut(want, " cannot represent")
	return ok && strings.HasPrefix(got, name+" cannot represent")
}

// FuzzExecute runs documents and variables of any kind: none brings the
// executor down, and data are always JSON.
func FuzzExecute(f *testing.F) {
	g, _ := inputGraph(f)
	f.Add(`query($v: ItInput) { getIt(int: 1) { __typename inners { n } } }`, `{"v": {"int": 1}}`)
	f.Add(`query($v: [Int!] = [1]) { a: getIt(ints: $v, choice: {byText: "x"}) { ...F } } fragment F on It { entries { key } }`, `{}`)
	f.Add(`query($v: JSON, $w: Boolean!) { getIt(json: {a: $v}, jsons: [$v]) { json @include(if: $w) } __schema { types { name } } }`, `{"v": [1, null], "w": true}`)
	f.Add(`{ getStruct(input: {a: [1.5e3, "\u0041", """b"""]}) { choiceCase } __type(name: "It") { fields { name } } }`, ``)
	f.Fuzz(func(t *testing.T, query, vars string) {
		var given map[string]any
		d := json.NewDecoder(strings.NewReader(vars))
		d.UseNumber()
		if d.Decode(&given) != nil {
			given = nil
		}
		op, errs := g.Executor().CreateOperationContext(t.Context(), &graphql.RawParams{Query: query, Variables: given})
		if len(errs) > 0 {
			if errs[0].Extensions["code"] == codeInternal {
				t.Error(errs)
			}
			return
		}
		next, ctx := g.Executor().DispatchOperation(t.Context(), op)
		if r := next(ctx); !json.Valid(r.Data) {
			t.Errorf("%s is no JSON", r.Data)
		}
	})
}

// TestRequestsAreBounded: one large variable in many places must not multiply.
func TestRequestsAreBounded(t *testing.T) {
	g, _ := inputGraph(t)
	query := `query($v: JSON) { getIt(json: [` + strings.Repeat("$v ", 1000) + `]) { __typename } }`
	vars := `{"v": "` + strings.Repeat("x", 100_000) + `"}`
	r := responses(t, t.Context(), g, query, vars)[0]
	if len(r.Errors) == 0 || !strings.Contains(r.Errors[0].Message, "grows over") {
		t.Errorf("got %v", r.Errors)
	}
}
