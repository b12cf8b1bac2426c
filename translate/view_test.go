package translate

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

const faultyProto = `syntax = "proto3";
package faulty.v1;
import "google/api/annotations.proto";
message M { string a = 1; M m = 2; repeated M list = 3; map<string, string> labels = 4; }
service A {
  rpc Get(M) returns (M) { option (google.api.http) = { get: "/v1/{a}" additional_bindings { get: "/v1/%s" } }; }
  rpc Same(M) returns (M) { option (google.api.http) = { get: "/v1/{a}" additional_bindings { get: "/v1/{a}" } }; }
}
service B {
  rpc Other(M) returns (M) { option (google.api.http) = { get: "/v1/{m.a}" additional_bindings { post: "/graphql" body: "*" } }; }
  rpc Bad(M) returns (M) { option (google.api.http) = {
    get: "/v1/{a"
    additional_bindings { get: "/v2/{nothing}" }
    additional_bindings { get: "/v3/{labels}" }
    additional_bindings { post: "/v4" body: "nothing" }
    additional_bindings { post: "/v5" body: "list.a" }
    additional_bindings { get: "/v6" response_body: "nothing" }
    additional_bindings { get: "/v7" }
  }; }
}
`

func TestProblems(t *testing.T) {
	snap := rpctest.Compile(t, map[string]string{"faulty.proto": strings.Replace(faultyProto, "%s", "x", 1)})
	rest, problems := NewREST(snap, nil, RESTOptions{})
	want := []string{
		`faulty.v1.A.Same: GET /v1/{a} is not served: is claimed by faulty.v1.A.Get already, as /v1/{a}; that one serves it`,
		`faulty.v1.A.Same: GET /v1/{a} is not served: is claimed by faulty.v1.A.Get already, as /v1/{a}; that one serves it`,
		`faulty.v1.B.Other: GET /v1/{m.a} is not served: is claimed by faulty.v1.A.Get already, as /v1/{a}; that one serves it`,
		`faulty.v1.B.Other: POST /graphql is not served: is reserved for the gateway itself; choose another path`,
		`faulty.v1.B.Bad: GET /v1/{a is not served: column 7: } expected to end the variable a`,
	}
	for i, p := range problems {
		got := p.Element + ": " + p.Message
		if i < len(want) && got != want[i] {
			t.Errorf("got %s\nwant %s", got, want[i])
		}
		if p.Severity != schema.Warning || p.Backend != rpctest.BackendName || !strings.HasPrefix(p.Position, "faulty.proto:") {
			t.Errorf("%s: %v of %q at %q", got, p.Severity, p.Backend, p.Position)
		}
	}
	for i, start := range []string{"GET /v2/", "GET /v3/", "POST /v4", "POST /v5", "GET /v6"} {
		if p := problems[min(len(want)+i, len(problems)-1)]; !strings.HasPrefix(p.Message, start) {
			t.Errorf("%s: got %s", start, p.Message)
		}
	}
	if len(problems) != len(want)+5 {
		t.Errorf("%d problems", len(problems))
	}
	var routes []string
	for _, r := range rest.Routes() {
		routes = append(routes, fmt.Sprintf("%s %s %s %s", r.Verb, r.Template, r.Method.FullName(), r.Body))
	}
	if got, want := strings.Join(routes, "\n"), strings.Join([]string{
		"POST /faulty.v1.A/Get faulty.v1.A.Get *",
		"POST /faulty.v1.A/Same faulty.v1.A.Same *",
		"POST /faulty.v1.B/Other faulty.v1.B.Other *",
		"POST /faulty.v1.B/Bad faulty.v1.B.Bad *",
		"GET /v1/{a} faulty.v1.A.Get ",
		"GET /v1/x faulty.v1.A.Get ",
		"GET /v7 faulty.v1.B.Bad ",
	}, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestExamples checks that the examples of the repository have no problems.
func TestExamples(t *testing.T) {
	sources := make(map[string]string)
	for _, path := range []string{"acme/catalog/v1/catalog.proto", "acme/tracking/v1/tracking.proto", "orders/orders.proto"} {
		text, err := os.ReadFile("../examples/proto/" + path)
		if err != nil {
			t.Fatal(err)
		}
		sources[path] = string(text)
	}
	if _, problems := NewREST(rpctest.Compile(t, sources), nil, RESTOptions{}); len(problems) > 0 {
		t.Error(problems)
	}
}

// FuzzPathWins checks that whatever body and query say, either the request is
// refused or the backend sees the fields of the path as the path has them.
func FuzzPathWins(f *testing.F) {
	const part = "--b\r\nContent-Disposition: form-data; name="
	for kind, bodies := range [][]string{
		{`{"parent":"shelves/2"}`, `{"number":"7"}`, `{"book":{"title":"x"},"parent":"shelves/1"}`, `{"ids":[7]}`, `{"ids":[8]}`, `{"number":5.0,"genre":1}`},
		{"parent=shelves%2F2", "number=7&genre=1", "ids=8&ids=7", "optional=0", "book.title=x&bookId=y"},
		{part + "parent\r\n\r\nshelves/2\r\n--b--", part + "ids\r\nContent-Type: application/json\r\n\r\n[8]\r\n--b--"},
		{`{"number":"7"}` + "\n" + `{"number":"8"}`, "{}\n{}"},
	} {
		for i, body := range bodies {
			f.Add("shelves/1", []string{"7", "0", "-1"}[i%3], uint8(kind), body, []string{"", "parent=x", "bookId=x", "number=1"}[i%4])
			f.Add("shelves/%2F", "5", uint8(kind), body, "a=b&fields=x")
		}
	}
	snap := library(f)
	var seen []*rpc.Call // the one of a stream has no request
	rest, _ := NewREST(snap, func(_ context.Context, c *rpc.Call, s rpc.Stream) error {
		seen = append(seen, c)
		if c.Method.ClientStreams {
			for m, err := s.Recv(); err == nil; m, err = s.Recv() {
				seen = append(seen, &rpc.Call{Method: c.Method, Request: m})
			}
		}
		return s.Send(nil)
	}, RESTOptions{})
	kinds := []string{typeJSON, typeForm, typeMultipart + "; boundary=b", typeNDJSON, ""}
	f.Fuzz(func(t *testing.T, parent, number string, kind uint8, body, query string) {
		targets := []struct{ path, field, template, value string }{
			{"/v1/" + parent + "/books:whole", "parent", "/v1/{parent=shelves/*}/books:whole", parent},
			{"/v1/" + parent + "/books", "parent", "/v1/{parent=shelves/*}/books", parent},
			{"/v1/optional/" + number, "optional", "/v1/optional/{optional}", number},
			{"/v1/list/" + number, "ids", "/v1/list/{ids}", number},
			{"/v1/collect/" + number, "number", "/v1/collect/{number}", number},
		}
		for _, target := range targets {
			r, err := http.NewRequest(http.MethodPost, "http://x"+target.path, strings.NewReader(body))
			if err != nil || r.URL.RawQuery != "" || r.URL.Fragment != "" || r.URL.EscapedPath() != target.path {
				continue
			}
			r.URL.RawQuery = query
			r.Header.Set("Content-Type", kinds[int(kind)%len(kinds)])
			seen = nil
			rest.ServeHTTP(httptest.NewRecorder(), r)
			for _, c := range seen {
				if !c.Method.ClientStreams || c.Request != nil {
					checkPathWins(t, c, target.field, target.value)
				}
			}
		}
	})
}

// checkPathWins decodes what the backend would, and encodes the field as text again.
func checkPathWins(t *testing.T, c *rpc.Call, field, want string) {
	m := decode(t, c.Method.Input.Descriptor(), c.Request)
	fd := m.Descriptor().Fields().ByName(protoreflect.Name(field))
	if fd == nil { // another route of the same path
		return
	}
	path, err := c.Method.Input.Path(field)
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{want}
	if fd.IsList() {
		texts = strings.Split(want, ",")
	} else if fd.Kind() == protoreflect.StringKind {
		texts = []string{decodeKeepingSlashes(want)}
	}
	wire, err := path.AppendText(nil, texts...)
	if err != nil {
		t.Fatalf("%s: %v", want, err)
	}
	md := m.Descriptor()
	if !m.Get(fd).Equal(decode(t, md, wire).Get(fd)) {
		t.Errorf("the path says %s, the backend sees %s", asJSON(t, md, wire), asJSON(t, md, c.Request))
	}
}

func BenchmarkGet(b *testing.B) {
	benchmarkREST(b, func() *http.Request {
		return httptest.NewRequest(http.MethodGet, "/v1/shelves/1/books/2", nil)
	})
}

func BenchmarkGetFields(b *testing.B) {
	benchmarkREST(b, func() *http.Request {
		return httptest.NewRequest(http.MethodGet, "/v1/shelves/1/books/2?fields=name,title", nil)
	})
}

// benchmarkREST answers requests with a book. They have the headers that most clients send, and the id of the edge.
func benchmarkREST(b *testing.B, request func() *http.Request) {
	snap := library(b)
	method := rpctest.Method(b, snap, "/lib.v1.Library/GetBook")
	book := rpctest.Message(b, method.Output.Descriptor(),
		`{"name":"shelves/1/books/2","title":"`+strings.Repeat("Emma ", 40)+`","copies":"5"}`)
	rest, _ := NewREST(snap, func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
		return s.Send(book)
	}, RESTOptions{})
	r := request()
	r.Header.Set("Accept", "*/*")
	r.Header.Set("User-Agent", "bench")
	r.Header.Set("X-Request-Id", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
	w := &discard{header: make(http.Header)}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		rest.ServeHTTP(w, r)
	}
	if w.status != http.StatusOK {
		b.Fatal(w.status)
	}
}

type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
