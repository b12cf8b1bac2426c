package graph

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/wire"
)

const updateProto = `syntax = "proto3";
package up.v1;
import "google/api/field_behavior.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "protean/options/v1/options.proto";
service Books {
  rpc UpdateBook(UpdateBookRequest) returns (Done);
  rpc UpdateText(UpdateTextRequest) returns (Done);
}
message Done { bool ok = 1; }
message UpdateBookRequest { Book book = 1; google.protobuf.FieldMask update_mask = 2; }
message UpdateTextRequest { Book text = 1 [(protean.options.v1.field).as_json = true]; google.protobuf.FieldMask update_mask = 2; }
enum State { STATE_UNSPECIFIED = 0; SOLD = 1; }
message Book {
  string name = 1 [(google.api.field_behavior) = IDENTIFIER];
  Book part = 2;
  string full_title = 3;
  optional int32 page_count = 4;
  State state = 5;
  Price list_price = 6;
  repeated string tag_list = 7;
  repeated Price old_prices = 8;
  map<string, string> labels = 9;
  map<string, string> raw_labels = 10 [(protean.options.v1.field).as_json = true];
  google.protobuf.StringValue sub_title = 11;
  google.protobuf.Timestamp release_time = 12;
  google.protobuf.Struct extra = 13;
  bytes cover_image = 14;
  oneof availability { int32 in_stock = 15; string expected_on = 16; Price at_price = 17; }
}
message Price { string currency = 1; int64 units = 2; }
`

// updatedFields are the kinds of fields: a value as GraphQL literal and as JSON, how the value is seen on the wire, and
// the paths that an update of the field and one with null name.
var updatedFields = []struct {
	name, literal, json string
	body                string // "" for the same as json
	set, cleared        []string
}{
	{name: "fullTitle", literal: `"T"`, json: `"T"`, set: []string{"full_title"}},
	{name: "pageCount", literal: `7`, json: `7`, set: []string{"page_count"}},
	{name: "state", literal: `SOLD`, json: `"SOLD"`, set: []string{"state"}},
	{name: "listPrice", literal: `{units: 5}`, json: `{"units":"5"}`, set: []string{"list_price.units"}, cleared: []string{"list_price"}},
	{name: "tagList", literal: `["a"]`, json: `["a"]`, set: []string{"tag_list"}},
	{name: "oldPrices", literal: `[{units: 5}]`, json: `[{"units":"5"}]`, set: []string{"old_prices"}},
	{name: "labels", literal: `[{key: "k", value: "v"}]`, json: `[{"key":"k","value":"v"}]`, body: `{"k":"v"}`, set: []string{"labels"}},
	{name: "rawLabels", literal: `{k: "v"}`, json: `{"k":"v"}`, set: []string{"raw_labels"}},
	{name: "subTitle", literal: `"S"`, json: `"S"`, set: []string{"sub_title"}},
	{name: "releaseTime", literal: `"2020-01-01T00:00:00Z"`, json: `"2020-01-01T00:00:00Z"`, set: []string{"release_time"}},
	{name: "extra", literal: `{k: 1}`, json: `{"k":1}`, set: []string{"extra"}},
	{name: "coverImage", literal: `"AAEC"`, json: `"AAEC"`, set: []string{"cover_image"}},
	{name: "availability", literal: `{inStock: 3}`, json: `{"inStock":3}`, set: []string{"in_stock"},
		cleared: []string{"in_stock", "expected_on", "at_price"}},
	{name: "availability", literal: `{atPrice: {units: 3}}`, json: `{"atPrice":{"units":"3"}}`, set: []string{"at_price.units"},
		cleared: []string{"in_stock", "expected_on", "at_price"}},
}

// TestUpdateNulls sends each kind of field in an update in each way that GraphQL has, and compares the body and the update
// mask with what the table says, and with the update mask that REST derives for the same JSON.
func TestUpdateNulls(t *testing.T) {
	g, sent := updateGraph(t)
	ways := []struct {
		name  string
		value func(literal string) string // in the document
		given func(json string) string    // of the variable $v, "" for none
		null  bool
		none  bool
	}{
		{"literal", func(l string) string { return l }, nil, false, false},
		{"variable", func(string) string { return "$v" }, func(j string) string { return j }, false, false},
		{"null", func(string) string { return "null" }, nil, true, false},
		{"variable that is null", func(string) string { return "$v" }, func(string) string { return "null" }, true, false},
		{"variable without a value", func(string) string { return "$v" }, nil, false, true},
		{"absent", func(string) string { return "" }, nil, false, true},
	}
	for _, f := range updatedFields {
		if f.body == "" {
			f.body = f.json
		}
		if f.cleared == nil {
			f.cleared = f.set
		}
		for _, way := range ways {
			for _, nested := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/nested=%v", f.set[0], way.name, nested), func(t *testing.T) {
					member, variables, operation := "", "", "mutation"
					if value := way.value(f.literal); value != "" {
						member = f.name + ": " + value
					}
					if strings.Contains(member, "$v") {
						operation = fmt.Sprintf("mutation($v: %s)", g.schema.Types["BookInput"].Fields.ForName(f.name).Type)
					}
					if way.given != nil {
						variables = `{"v": ` + way.given(f.json) + `}`
					}
					prefix, open, end := "", "", ""
					if nested {
						prefix, open, end = "part.", "part: {", "}"
					}
					query := operation + ` { updateBook(input: {book: {name: "b", ` + open + member + end + `}}) { ok } }`
					if r := responses(t, t.Context(), g, query, variables)[0]; len(r.Errors) > 0 {
						t.Fatal(query, r.Errors)
					}
					got := sent()
					paths := f.set
					switch {
					case way.null:
						paths = f.cleared
					case way.none && nested:
						prefix, paths = "", []string{"part"} // an empty message, however its fields were left out
					case way.none:
						paths = nil
					}
					if want := prefixed(prefix, paths); !slices.Equal(got.mask, want) {
						t.Errorf("%s\n%s: update_mask %q, want %q", query, got.book, got.mask, want)
					}
					body, fields := `{"name":"b"}`, fmt.Sprintf("%q:%s", f.name, f.body)
					if f.name == "availability" {
						fields = strings.TrimSuffix(strings.TrimPrefix(f.body, "{"), "}")
					}
					if way.null || way.none {
						fields = ""
					}
					if nested {
						body = `{"name":"b","part":{` + fields + `}}`
					} else if fields != "" {
						body = `{"name":"b",` + fields + `}`
					}
					if want := canonical(t, []byte(body)); got.book != want {
						t.Errorf("%s\nbody %s, want %s", query, got.book, want)
					}
				})
			}
		}
		t.Run(f.set[0]+"/REST", func(t *testing.T) { checkRESTMask(t, g, f.name, f.body, f.set, f.cleared) })
	}
}

// checkRESTMask compares the paths of a JSON body with those of the same update in GraphQL.
func checkRESTMask(t *testing.T, g *Graph, name, body string, set, cleared []string) {
	t.Helper()
	book := g.roots["mutation"]["updateBook"].input.byName["book"].field.Message()
	document, null := fmt.Sprintf("{%q:%s}", name, body), fmt.Sprintf("{%q:null}", name)
	if name == "availability" { // JSON has no oneofs: each member is null by itself
		document, null = body, `{"inStock":null,"expectedOn":null,"atPrice":null}`
	}
	for doc, want := range map[string][]string{document: set, null: cleared} {
		if paths, err := book.FieldPaths([]byte(doc)); err != nil || !slices.Equal(paths, want) {
			t.Errorf("REST: %s: %q %v, want %q", doc, paths, err, want)
		}
	}
}

func prefixed(prefix string, paths []string) []string {
	var out []string
	for _, path := range paths {
		out = append(out, prefix+path)
	}
	return out
}

// TestUpdateNullsRejected checks the nulls that no update mask can say.
func TestUpdateNullsRejected(t *testing.T) {
	g, _ := updateGraph(t)
	for _, c := range []struct{ variable, arguments, want string }{
		{"", `book: null`, "the resource to update cannot be null"},
		{"($v: BookPatchInput)", `book: $v`, "the resource to update cannot be null"},
		{"", `book: {availability: null, part: {availability: {inStock: null}}}`, "null"},
		{"($v: Int)", `book: {availability: {inStock: $v}}`, "null"},
		{"", `book: {availability: {}}`, "exactly one"},
		{"", `book: {tagList: [null]}`, "null"},
		{`($v: String = "t")`, `book: {tagList: [$v]}`, "null"},
		{"", `book: {labels: [{key: null, value: "v"}]}`, "null"},
	} {
		query := `mutation` + c.variable + ` { updateBook(input: {` + c.arguments + `}) { ok } }`
		r := responses(t, t.Context(), g, query, `{"v": null}`)[0]
		if len(r.Errors) == 0 || !strings.Contains(r.Errors[0].Message, c.want) {
			t.Errorf("%s: %v, want %q", query, r.Errors, c.want)
		}
	}
}

// TestUpdateMaskArgument checks that the update mask is an argument if it cannot be derived.
func TestUpdateMaskArgument(t *testing.T) {
	g, sent := updateGraph(t)
	r := responses(t, t.Context(), g, `mutation { updateText(input: {text: {fullTitle: null}, updateMask: "fullTitle"}) { ok } }`, "")[0]
	if got := sent(); len(r.Errors) > 0 || !slices.Equal(got.mask, []string{"full_title"}) {
		t.Errorf("%v, update_mask %q", r.Errors, got.mask)
	}
}

// update is a request as its backend receives it.
type update struct {
	mask []string
	book string // JSON
}

func updateGraph(t *testing.T) (g *Graph, sent func() update) {
	t.Helper()
	var last update
	snap := rpctest.Compile(t, map[string]string{"up.proto": updateProto})
	g, problems := New(snap, func(_ context.Context, c *rpc.Call, s rpc.Stream) error {
		last = readUpdate(t, c.Method.Input, c.Request)
		return s.Send(nil)
	}, Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return g, func() update { return last }
}

func readUpdate(t *testing.T, m *wire.Message, request []byte) (out update) {
	t.Helper()
	msg := dynamicpb.NewMessage(m.Descriptor())
	if err := proto.Unmarshal(request, msg); err != nil {
		t.Fatal(err)
	}
	fields := m.Descriptor().Fields()
	if mask := fields.ByName("update_mask"); msg.Has(mask) {
		paths := msg.Get(mask).Message()
		list := paths.Get(paths.Descriptor().Fields().ByName("paths")).List()
		for i := range list.Len() {
			out.mask = append(out.mask, list.Get(i).String())
		}
	}
	text, err := protojson.Marshal(msg.Get(fields.Get(0)).Message().Interface())
	if err != nil {
		t.Fatal(err)
	}
	out.book = canonical(t, text)
	return out
}
