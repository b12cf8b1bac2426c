package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/introspection"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// listElements is how many elements the backend of the large graph answers with.
const listElements = 10_000

// largeProto has so many messages, each with comments and six fields, an input for each, and a list of [listElements].
func largeProto(messages int) string {
	var b strings.Builder
	b.WriteString("syntax = \"proto3\";\npackage large.v1;\nservice Large {\n  rpc ListRows(ListRowsRequest) returns (ListRowsResponse);\n")
	for i := range messages {
		fmt.Fprintf(&b, "  // Changes message %d, which is one of many.\n  rpc ChangeM%d(M%d) returns (M%d);\n", i, i, i, i)
	}
	b.WriteString("}\nmessage ListRowsRequest { int32 page_size = 1; }\nmessage ListRowsResponse { repeated Row rows = 1; }\n")
	b.WriteString("message Row { string name = 1; int32 n = 2; Row inner = 3; repeated Row list = 4; }\n")
	for i := range messages {
		fmt.Fprintf(&b, "// Message %d is described by a comment of the usual length.\nmessage M%d {\n  // The name of it.\n  string name = 1;\n  int64 size = 2;\n"+
			"  M%d next = 3;\n  repeated M%d list = 4;\n  M%d other = 5;\n  bool done = 6;\n}\n", i, i, (i+1)%messages, (i*7)%messages, (i*13)%messages)
	}
	return b.String()
}

// newLargeGraph returns a graph of about twice as many types as messages.
func newLargeGraph(t testing.TB, messages int, o Options) *Graph {
	t.Helper()
	snap := rpctest.Compile(t, map[string]string{"in.proto": inputProto, "o.proto": overlapUnionProto, "large.proto": largeProto(messages)})
	rows := rowsResponse()
	g, _ := New(snap, func(_ context.Context, c *rpc.Call, s rpc.Stream) error {
		if string(c.Method.Descriptor.Name()) == "ListRows" {
			return s.Send(rows)
		}
		return s.Send(nil)
	}, o)
	return g
}

func rowsResponse() []byte {
	inner := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "inner")
	row := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "the name of a row")
	row = protowire.AppendVarint(protowire.AppendTag(row, 2, protowire.VarintType), 12345)
	row = protowire.AppendBytes(protowire.AppendTag(row, 3, protowire.BytesType), inner)
	var out []byte
	for range listElements {
		out = protowire.AppendBytes(protowire.AppendTag(out, 1, protowire.BytesType), row)
	}
	return out
}

const plainList = `{ listRows { rows { name n inner { name n } list { name } } } }`

// hostileSelections select much of a large graph or of a large answer.
func hostileSelections() map[string]string {
	spread := func(head, on, leaves, tail string) string { // 10,000 selections, written out
		return head + repeated(" ...F%d ", 30) + tail + repeated("fragment F%d on "+on+" { "+leaves+" } ", 30)
	}
	return map[string]string{
		"one name of each field":         `{__schema{types{fields{` + strings.Repeat("name ", 9900) + `}}}}`,
		"one name of each type":          `{__schema{types{` + strings.Repeat("name ", 9900) + `}}}`,
		"one type name":                  `{__schema{types{` + strings.Repeat("__typename ", 9900) + `}}}`,
		"fields again":                   `{__schema{types{` + strings.Repeat("fields{name} ", 4900) + `}}}`,
		"types again":                    `{__schema{` + strings.Repeat("types{name} ", 4900) + `}}`,
		"inline fragments":               `{__schema{types{` + strings.Repeat("...{name} ", 4900) + `}}}`,
		"spreads":                        spread("{__schema{types{", "__Type", strings.Repeat("name ", 320), "}}} "),
		"aliases of a name":              `{__schema{types{` + repeated("a%d:name ", 250) + `}}}`,
		"aliases of a field's name":      `{__schema{types{fields{` + repeated("a%d:name ", 250) + `}}}}`,
		"aliases of a type name":         `{__schema{types{fields{` + repeated("a%d:__typename ", 250) + `}}}}`,
		"aliases of a description":       `{__schema{types{` + repeated("a%d:description ", 250) + `}}}`,
		"aliases of fields":              `{__schema{types{` + repeated("a%d:fields{name} ", 250) + `}}}`,
		"aliases of no fields":           `{__schema{types{` + repeated("a%d:possibleTypes{name} ", 250) + `}}}`,
		"aliases of types":               `{__schema{` + repeated("a%d:types{name} ", 250) + `}}`,
		"aliases of empty objects":       `{__schema{` + repeated("a%d:types{...@include(if:false){name}} ", 250) + `}}`,
		"aliases of the schema":          `{` + repeated("a%d:__schema{types{name}} ", 250) + `}`,
		"aliases of one type":            `{` + repeated(`a%d:__type(name:"Query"){fields{name type{name kind}}} `, 250) + `}`,
		"aliases of directives":          `{__schema{` + repeated("a%d:directives{name args{name type{name}}} ", 250) + `}}`,
		"10,000 aliases of a name":       `{__schema{types{` + repeated("a%d:name ", 10_000) + `}}}`,
		"10,000 aliases of a type name":  `{__schema{types{` + repeated("a%d:__typename ", 10_000) + `}}}`,
		"types of fields of types":       `{__schema{types{fields{type{fields{type{name}}}}}}}`,
		"types of arguments of fields":   `{__schema{types{fields{args{type{ofType{inputFields{type{name}}}}}}}}}`,
		"possible types of types":        `{__schema{types{possibleTypes{fields{args{type{name}}}}}}}`,
		"a chain of types":               `{__schema{types{fields{` + strings.Repeat("type{kind name ofType{", 1) + strings.Repeat("kind name ofType{", 200) + "name" + strings.Repeat("}", 202) + `}}}}`,
		"aliases in a chain of types":    `{__schema{types{fields{type{` + repeated("a%d:ofType{kind ", 200) + "name" + strings.Repeat("}", 200) + `}}}}}`,
		"one name of each row":           `{listRows{rows{` + strings.Repeat("name ", 9900) + `}}}`,
		"aliases of a row's name":        `{listRows{rows{` + repeated("a%d:name ", 250) + `}}}`,
		"aliases of a row's number":      `{listRows{rows{` + repeated("a%d:n ", 250) + `}}}`,
		"aliases of a row's type":        `{listRows{rows{` + repeated("a%d:__typename ", 250) + `}}}`,
		"aliases of a row's empty list":  `{listRows{rows{` + repeated("a%d:list{n} ", 250) + `}}}`,
		"aliases of a row's inner row":   `{listRows{rows{` + repeated("a%d:inner{name n} ", 250) + `}}}`,
		"aliases of rows":                `{listRows{` + repeated("a%d:rows{name} ", 250) + `}}`,
		"aliases of a list":              `{` + repeated("a%d:listRows{rows{name n}} ", 50) + `}`,
		"10,000 aliases of a row's name": `{listRows{rows{` + repeated("a%d:name ", 10_000) + `}}}`,
		"spreads of a row":               spread("{listRows{rows{", "Row", strings.Repeat("name ", 320), "}}} "),
		"aliases in spreads of a row":    `{listRows{rows{` + repeated("b%d:inner{...F} ", 30) + `}}} fragment F on Row {` + repeated("a%d:name ", 200) + `}`,
		"aliases in spreads of a type":   `{__schema{types{fields{` + repeated("b%d:type{...F} ", 30) + `}}}} fragment F on __Type {` + repeated("a%d:name ", 200) + `}`,
		"aliases in a list of aliases":   `{listRows{` + repeated("b%d:rows{...F} ", 40) + `}} fragment F on Row {` + repeated("a%d:name ", 200) + `}`,
	}
}

// largeTransports send a document in each way that there is and return how much came back, in bytes, and whether it was rejected.
var largeTransports = map[string]func(t *testing.T, server *httptest.Server, document string) (size int, rejected bool){
	"POST": func(t *testing.T, server *httptest.Server, document string) (int, bool) {
		return exchangeLarge(t, http.MethodPost, server.URL, mediaJSON, document)
	},
	"GET": func(t *testing.T, server *httptest.Server, document string) (int, bool) {
		return exchangeLarge(t, http.MethodGet, server.URL+"?query="+url.QueryEscape(document), mediaJSON, "")
	},
	"SSE": func(t *testing.T, server *httptest.Server, document string) (int, bool) {
		return exchangeLarge(t, http.MethodPost, server.URL, mediaEvents, document)
	},
	"WebSocket": func(t *testing.T, server *httptest.Server, document string) (int, bool) {
		conn := connect(t, server.URL, "graphql-transport-ws", "")
		defer func() { _ = conn.Close() }()
		for _, message := range []map[string]any{
			{"type": "connection_init"},
			{"type": "subscribe", "id": "1", "payload": map[string]string{"query": document}},
		} {
			if err := conn.WriteJSON(message); err != nil {
				t.Fatal(err)
			}
			if _, answer, err := conn.ReadMessage(); err != nil || message["id"] != nil {
				return len(answer), err != nil || bytes.Contains(answer[:min(100, len(answer))], []byte(`"error`))
			}
		}
		return 0, true
	},
}

func exchangeLarge(t *testing.T, method, target, accept, document string) (size int, rejected bool) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"query": document})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, target, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", mediaJSON)
	r.Header.Set("Accept", accept)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return len(answer), bytes.Contains(answer[:min(100, len(answer))], []byte(`{"errors"`))
}

// TestHostileSelections bounds the work for documents that select much of a large graph or of a large answer. With -hostile, on a
// graph of 7,000 types and on every transport, to reject one costs 50 ms of the processor at most, and to answer one at most twice
// as much for each byte as a plain list does.
func TestHostileSelections(t *testing.T) {
	if *hostile {
		hostileOnEveryTransport(t, newLargeGraph(t, 3500, Options{}))
		return
	}
	g := newLargeGraph(t, 300, Options{})
	for name, document := range hostileSelections() {
		cost := measure(func() *graphql.Response { return responses(t, t.Context(), g, document, "")[0] })
		cost.name = name
		cost.check(t, g.options)
	}
}

func hostileOnEveryTransport(t *testing.T, g *Graph) {
	server := httptest.NewServer(g)
	defer server.Close()
	documents := hostileSelections()
	for name, document := range hostileDocuments(t) {
		documents[name] = document
	}
	for transport, exchange := range largeTransports {
		plain := dearest(t, g, func() (int, bool) { return exchange(t, server, plainList) })
		for name, document := range documents {
			if transport == "GET" && len(document) > 100_000 {
				continue // net/http takes no such URL
			}
			c := dearest(t, g, func() (int, bool) { return exchange(t, server, document) })
			allowed := hostileTime
			if !c.rejected {
				allowed = max(allowed, time.Duration(2*float64(plain.cpu)/float64(plain.size)*float64(c.size)))
			}
			if c.cpu > allowed {
				t.Errorf("%s, %s: %v of the processor for %d bytes, allowed are %v", transport, name, c.cpu, c.size, allowed)
			}
		}
		t.Logf("%s: a plain list costs %.2f ns a byte", transport, float64(plain.cpu)/float64(plain.size))
	}
}

// exchanged is what a document cost.
type exchanged struct {
	cpu      time.Duration
	size     int
	rejected bool
}

// dearest returns the best of several runs, each of a document that the graph has not seen.
func dearest(t *testing.T, g *Graph, exchange func() (int, bool)) (best exchanged) {
	t.Helper()
	for range 5 {
		g.executor.documents = newLRU[*document](g.options.DocumentBytes)
		begin := processorTime()
		size, rejected := exchange()
		if cpu := processorTime() - begin; best.cpu == 0 || cpu < best.cpu {
			best = exchanged{cpu, size, rejected}
		}
		if best.cpu < hostileTime/2 && size < 100_000 {
			break
		}
	}
	return best
}

// TestExecutionStopsWhenTheClientLeaves counts the work, in bytes that are allocated, of answers whose client leaves while the
// backend answers: it is a fraction of what the whole answer takes.
func TestExecutionStopsWhenTheClientLeaves(t *testing.T) {
	for name, document := range map[string]string{
		"list":          `{listRows{rows{` + repeated("a%d:name ", 60) + `}}}`,
		"introspection": `{__schema{types{name fields{` + repeated("a%d:description b%[1]d:name ", 60) + `}}} listRows{__typename}}`,
	} {
		t.Run(name, func(t *testing.T) {
			leave := context.CancelFunc(func() {})
			snap := rpctest.Compile(t, map[string]string{"large.proto": largeProto(500)})
			rows := rowsResponse()
			g, _ := New(snap, func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
				defer leave()
				return s.Send(rows)
			}, Options{})
			run := func(ctx context.Context) hostileCost {
				return measure(func() *graphql.Response { return responses(t, ctx, g, document, "")[0] })
			}
			run(t.Context()) // what is made once is made
			whole := run(t.Context())
			ctx, cancel := context.WithCancel(t.Context())
			leave = cancel
			cut := run(ctx)
			if cut.errorCount == 0 || cut.bytes > whole.bytes/5 {
				t.Errorf("%d bytes of %d, %d errors", cut.bytes, whole.bytes, cut.errorCount)
			}
		})
	}
}

// TestLargeIntrospection checks what tools ask of a large graph: all is there.
func TestLargeIntrospection(t *testing.T) {
	g := newLargeGraph(t, 300, Options{})
	r := responses(t, t.Context(), g, introspection.Query, "")[0]
	var out struct {
		Schema struct{ Types []struct{ Name string } } `json:"__schema"`
	}
	if err := json.Unmarshal(r.Data, &out); err != nil || len(r.Errors) > 0 || len(out.Schema.Types) != len(g.schema.Types) {
		t.Errorf("%d types of %d, %v %v", len(out.Schema.Types), len(g.schema.Types), r.Errors, err)
	}
}

// BenchmarkIntrospection is what tools ask of a graph of 7,000 types.
func BenchmarkIntrospection(b *testing.B) {
	benchmark(b, newLargeGraph(b, 3500, Options{}), introspection.Query)
}
