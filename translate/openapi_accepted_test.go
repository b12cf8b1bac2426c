package translate

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

var documentedSchemas = flag.Int("documented", 60, "of how many random schemas every documented parameter and property is sent")

// TestDocumentedIsAccepted reads the OpenAPI documents of random schemas, and sends each query parameter and each property of
// a body that they list, by itself. None of them may be rejected.
func TestDocumentedIsAccepted(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 2))
	t.Logf("seed %d", seed)
	parameters, properties := 0, 0
	for range *documentedSchemas {
		source := randomService(r)
		snap := rpctest.Compile(t, map[string]string{"random.proto": source})
		rest, _ := NewREST(snap, answerNothing, RESTOptions{})
		d := &documented{t: t, rest: rest, source: source}
		if err := json.Unmarshal(buildOpenAPI(t, snap, OpenAPIOptions{AllMethods: true}), &d.document); err != nil {
			t.Fatal(err)
		}
		d.sendAll()
		parameters, properties = parameters+d.parameters, properties+d.properties
	}
	t.Logf("%d parameters, %d properties", parameters, properties)
	if parameters < *documentedSchemas || properties < *documentedSchemas {
		t.Errorf("only %d parameters and %d properties", parameters, properties)
	}
}

func answerNothing(_ context.Context, _ *rpc.Call, s rpc.Stream) error { return s.Send(nil) }

// documented sends what a document lists.
type documented struct {
	t          *testing.T
	rest       *REST
	source     string
	document   map[string]any
	parameters int
	properties int
}

func (d *documented) sendAll() {
	paths, _ := d.document["paths"].(map[string]any)
	for template, item := range paths {
		for method, operation := range item.(map[string]any) {
			if o, ok := operation.(map[string]any); ok && method != "parameters" {
				d.sendOperation(strings.ToUpper(method), template, o)
			}
		}
	}
}

func (d *documented) sendOperation(method, template string, o map[string]any) {
	list, _ := o["parameters"].([]any)
	var queries []map[string]any
	path := template
	for _, one := range list {
		p := d.resolved(one)
		if name := p["name"].(string); p["in"] == "path" {
			path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(d.text(p)))
		} else if p["in"] == "query" && name != "fields" && name != "$fields" {
			queries = append(queries, p)
		}
	}
	for _, p := range queries {
		d.parameters++
		name := p["name"].(string)
		if p["style"] == "deepObject" {
			name += "[1]"
			if keys := p["schema"].(map[string]any)["propertyNames"]; keys != nil && keys.(map[string]any)["enum"] != nil {
				name = strings.TrimSuffix(name, "[1]") + "[true]"
			}
		}
		d.send(method, path+"?"+url.QueryEscape(name)+"="+url.QueryEscape(d.text(p)), "")
		if !strings.ContainsAny(name, " &=+#%") {
			d.send(method, path+"?"+name+"="+url.QueryEscape(d.text(p)), "")
		}
	}
	body, _ := o["requestBody"].(map[string]any)
	media, _ := at(body, []string{"content", typeJSON, "schema"}).(map[string]any)
	if media == nil {
		return
	}
	fields, _ := d.resolved(media)["properties"].(map[string]any)
	for name, value := range fields {
		d.properties++
		text, err := json.Marshal(map[string]any{name: d.value(value, 0)})
		if err != nil {
			d.t.Fatal(err)
		}
		d.send(method, path, string(text))
	}
}

func (d *documented) send(method, target, body string) {
	d.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	w := httptest.NewRecorder()
	d.rest.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		d.t.Fatalf("%s %s %s: %d %s\n%s", method, target, body, w.Code, w.Body, d.source)
	}
}

func (d *documented) resolved(value any) map[string]any {
	m, _ := value.(map[string]any)
	if ref, ok := m["$ref"].(string); ok {
		m, _ = at(d.document, strings.Split(strings.TrimPrefix(ref, "#/"), "/")).(map[string]any)
	}
	return m
}

// text is a value of a parameter.
func (d *documented) text(parameter map[string]any) string {
	value := d.value(parameter["schema"], 0)
	switch v := value.(type) {
	case []any:
		value = v[0]
	case map[string]any:
		for _, inner := range v {
			value = inner
		}
	}
	return fmt.Sprint(value)
}

// value is one that a schema describes.
func (d *documented) value(schema any, depth int) any {
	s := d.resolved(schema)
	if values, _ := s["enum"].([]any); len(values) > 0 {
		return values[len(values)-1]
	}
	kind, _ := s["type"].(string)
	if kinds, _ := s["type"].([]any); len(kinds) > 0 {
		kind = kinds[0].(string)
	}
	switch kind {
	case "boolean":
		return true
	case "integer":
		return 7
	case "number":
		return 1.5
	case "array":
		return []any{d.value(s["items"], depth+1)}
	case "object":
		if values := s["additionalProperties"]; values != nil && values != true && depth < 3 {
			key := "1"
			if names := d.resolved(s["propertyNames"]); names["enum"] != nil {
				key = "true"
			}
			return map[string]any{key: d.value(values, depth+1)}
		}
		return map[string]any{}
	case "null":
		return nil
	}
	switch pattern, _ := s["pattern"].(string); {
	case s["format"] == "date-time":
		return "2024-02-29T12:00:00Z"
	case s["format"] == "int64" || s["format"] == "uint64":
		return "7"
	case s["format"] == "byte":
		return "QUJD"
	case strings.HasSuffix(pattern, "s$"):
		return "1.5s"
	default:
		return "x"
	}
}

// randomService writes a service whose requests have fields of every kind, in and out of oneofs, under awkward names, with
// random rules.
func randomService(r *rand.Rand) string {
	g := &serviceWriter{rand: r}
	g.line(`syntax = "proto3";`)
	g.line("package random.v1;")
	for _, file := range []string{"api/annotations", "protobuf/timestamp", "protobuf/duration", "protobuf/field_mask", "protobuf/wrappers", "protobuf/struct"} {
		g.line(`import "google/%s.proto";`, file)
	}
	g.line("enum Mood { MOOD_UNSPECIFIED = 0; MOOD_GOOD = 1; }")
	for i := range 4 {
		g.message(i)
	}
	g.line("service S {")
	for i := range 4 {
		for j := range 1 + r.IntN(2) {
			g.method(i, j)
		}
	}
	g.line("}")
	return g.String()
}

type serviceWriter struct {
	strings.Builder
	rand     *rand.Rand
	messages [4][]randomField
}

type randomField struct {
	name, kind string
	bindable   bool // it can be a path variable
}

func (g *serviceWriter) line(format string, args ...any) {
	fmt.Fprintf(&g.Builder, format+"\n", args...)
}

var randomKinds = []string{
	"string", "bytes", "bool", "int32", "sint64", "fixed32", "uint64", "float", "double", "Mood",
	"google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.Int64Value", "google.protobuf.BoolValue", "google.protobuf.StringValue",
}

var randomContainers = []string{
	"repeated string", "repeated Mood", "repeated google.protobuf.Duration", "map<string, string>", "map<int32, Mood>", "map<bool, google.protobuf.Timestamp>",
	"google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.FieldMask", "map<string, M3>", "repeated M3",
}

// message writes a message. One contains only those after it, and the last may contain itself.
func (g *serviceWriter) message(i int) {
	g.line("message M%d {", i)
	open := false
	for n := 1; n <= 3+g.rand.IntN(7); n++ {
		f := g.field(i, n)
		switch inOneof := !strings.ContainsAny(f.kind, " <"); {
		case open && (!inOneof || g.rand.IntN(3) == 0):
			g.line("  }")
			open = false
		case !open && inOneof && g.rand.IntN(4) == 0:
			g.line("  oneof choice_%d {", n)
			open = true
		}
		g.line("    %s %s = %d%s;", f.kind, f.name, n, g.jsonName(n))
		g.messages[i] = append(g.messages[i], f)
	}
	if open {
		g.line("  }")
	}
	g.line("}")
}

func (g *serviceWriter) field(i, n int) randomField {
	f := randomField{name: fmt.Sprintf("f_%d", n)}
	if g.rand.IntN(6) == 0 {
		f.name = []string{"alt", "fields", "key", "pretty_print"}[n%4] + cmp.Or(map[bool]string{n > 4: fmt.Sprint(n)}[n > 4], "")
	}
	switch g.rand.IntN(5) {
	case 0:
		f.kind = randomContainers[g.rand.IntN(len(randomContainers))]
	case 1:
		f.kind = fmt.Sprintf("M%d", min(3, i+1+g.rand.IntN(2)))
	default:
		f.kind = randomKinds[g.rand.IntN(len(randomKinds))]
		f.bindable = true
	}
	return f
}

func (g *serviceWriter) jsonName(n int) string {
	if g.rand.IntN(4) > 0 {
		return ""
	}
	names := []string{"n%d[term]", "n%d.of", "n%d[a.b]", "[n%d]x", "$n%d", "n%d[]", "n%d-x", "n%d.a.b[c]", "n%d é", "n%d&=+#%%"}
	return fmt.Sprintf(" [json_name = %q]", fmt.Sprintf(names[g.rand.IntN(len(names))], n))
}

// variable returns a field path for a path variable, or nothing.
func (g *serviceWriter) variable(i int) string {
	f := g.messages[i][g.rand.IntN(len(g.messages[i]))]
	var inner int
	switch _, err := fmt.Sscanf(f.kind, "M%d", &inner); {
	case f.bindable:
		return f.name
	case err == nil && inner > i:
		if rest := g.variable(inner); rest != "" {
			return f.name + "." + rest
		}
	}
	return ""
}

func (g *serviceWriter) method(i, j int) {
	path := fmt.Sprintf("/r%d/m%d", i, j)
	var bound []string
	for range g.rand.IntN(3) {
		if v := g.variable(i); v != "" && !slices.Contains(bound, v) {
			bound = append(bound, v)
			path += "/{" + v + "}"
		}
	}
	verb, body := []string{"get", "delete", "post", "put", "patch"}[g.rand.IntN(5)], ""
	if verb[0] == 'p' {
		body = ` body: "*"`
		if g.rand.IntN(2) == 0 {
			body = fmt.Sprintf(" body: %q", g.messages[i][g.rand.IntN(len(g.messages[i]))].name)
		}
	}
	g.line("  rpc Do%d_%d(M%d) returns (M%d) { option (google.api.http) = {%s: %q%s}; }", i, j, i, i, verb, path, body)
}

// TestBracketsInNames sends entries of maps, and fields whose names look like them.
func TestBracketsInNames(t *testing.T) {
	snap := rpctest.Compile(t, map[string]string{"b.proto": `syntax = "proto3";
package brackets.v1;
import "google/api/annotations.proto";
message Inner { string term = 1 [json_name = "x.y[z]"]; map<string, string> tags = 2; }
message Query {
  string search_term = 1 [json_name = "search[term]"];
  map<string, string> search = 2;
  Inner inner = 3;
  string dotted = 4 [json_name = "inner.tags.deep"];
  map<string, string> odd = 5 [json_name = "odd[map]"];
  int32 number = 6;
  string alt = 7 [json_name = "$alt"];
}
service S { rpc Ask(Query) returns (Query) { option (google.api.http) = {get: "/q"}; } }`})
	for query, want := range map[string]string{
		"search[term]=a":                `{"search[term]":"a"}`,
		"search%5Bterm%5D=a":            `{"search[term]":"a"}`,
		"search_term=a":                 `{"search[term]":"a"}`,
		"search[other]=a":               `{"search":{"other":"a"}}`,
		"search[a[b].c]=a":              `{"search":{"a[b].c":"a"}}`,
		"search[]=a":                    `{"search":{"":"a"}}`,
		"inner.x.y[z]=a":                `{"inner":{"x.y[z]":"a"}}`,
		"inner.term=a":                  `{"inner":{"x.y[z]":"a"}}`,
		"inner.tags[deep]=a":            `{"inner":{"tags":{"deep":"a"}}}`,
		"inner.tags.deep=a":             `{"inner.tags.deep":"a"}`,
		"odd[map][k]=a":                 `{"odd[map]":{"k":"a"}}`,
		"odd[k]=a":                      `{"odd[map]":{"k":"a"}}`,
		"$alt=json":                     `{"$alt":"json"}`,
		"search[x]=a&search[term]=b":    `{"search[term]":"b","search":{"x":"a"}}`,
		"search[term]=a&search_term=b":  `query parameter "search_term" is given twice`,
		"odd[map]=a":                    `entries of a map, and only those, are written as name[key]`,
		"number[x]=1":                   `entries of a map, and only those, are written as name[key]`,
		"search.x=1":                    `unknown query parameter "search.x"`,
		"inner.x.y=1":                   `unknown query parameter "inner.x.y"`,
		strings.Repeat("inner.", 200):   `unknown query parameter`,
		strings.Repeat("search[", 2000): `unknown query parameter`,
	} {
		s := &script{t: t}
		rest, _ := NewREST(snap, s.handle, RESTOptions{})
		w := httptest.NewRecorder()
		rest.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/q?"+query, nil))
		var refused struct{ Message string }
		_ = json.Unmarshal(w.Body.Bytes(), &refused)
		_, call, _ := strings.Cut(string(s.call), "\n")
		if got := cmp.Or(strings.TrimSpace(call), refused.Message); !strings.Contains(got, want) {
			t.Errorf("%.50s: got %s, want %s", query, got, want)
		}
	}
}

// TestParameterNamesAllocateNothing finds the fields of parameters that were seen before.
func TestParameterNamesAllocateNothing(t *testing.T) {
	var r *route
	rest, _ := NewREST(library(t), nil, RESTOptions{})
	for _, one := range rest.Routes() {
		if one.Template == "/v1/books" {
			r = one.route
		}
	}
	q := &query{route: r}
	for _, name := range []string{"pageSize", "author.display_name", "labels[color]"} {
		if n := testing.AllocsPerRun(100, func() {
			q.seen = q.seen[:0]
			if p, _, err := q.find(name); err != nil || p == nil {
				t.Fatal(err)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
