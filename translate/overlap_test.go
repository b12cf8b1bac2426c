package translate

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/protean-gateway/protean/rpc/rpctest"
)

func TestOverlap(t *testing.T) {
	tests := []struct{ a, b, want string }{
		{"GET /v1/books/*", "GET /v1/books/*", "GET /v1/books/x"},
		{"GET /v1/books/*", "GET /v1/{name=*/emma}", "GET /v1/books/emma"},
		{"GET /v1/books/*", "POST /v1/books/*", ""},
		{"* /v1/books/*", "POST /v1/books/*", "POST /v1/books/x"},
		{"* /a", "* /a", "GET /a"},
		{"GET /v1/books", "GET /v1/books/*", ""},
		{"GET /v1/books", "GET /v1/books/**", "GET /v1/books"},
		{"GET /v1/**/meta", "GET /v1/a/b/*", "GET /v1/a/b/meta"},
		{"GET /v1/**/meta", "GET /v1/a/**/b/meta", "GET /v1/a/b/meta"},
		{"GET /v1/**/meta", "GET /v1/a/b", ""},
		{"GET /v1/*:stop", "GET /v1/*", "GET /v1/x:stop"},
		{"GET /v1/*:stop", "GET /v1/*:go", ""},
		{"GET /v1/*:stop", "GET /v1/*:now:stop", "GET /v1/x:now:stop"},
		{"GET /v1/a:stop", "GET /v1/*:stop", "GET /v1/a:stop"},
		{"GET /v1/a:stop", "GET /v1/b:stop", ""},
		{"GET /v1/**:stop", "GET /v1/a/*", "GET /v1/a/x:stop"},
		{"GET /v1/**:stop", "GET /v1", ""},
		{"GET /v1/a%20b", "GET /v1/*", "GET /v1/a%20b"},
		{"GET /v1/**:stop", "GET /*", "GET /v1:stop"},
		{"GET /", "GET /", "GET /"},
		{"GET /", "GET /**", "GET /"},
	}
	for _, test := range tests {
		for _, pair := range [][2]string{{test.a, test.b}, {test.b, test.a}} {
			got, ok := overlapping(t, pair[0]).Overlap(overlapping(t, pair[1]))
			if ok != (test.want != "") || ok && got != test.want {
				t.Errorf("%s and %s: got %q, %v, want %q", pair[0], pair[1], got, ok, test.want)
			}
		}
	}
}

// TestOverlaps names requests that routes of several methods take, and who serves them.
func TestOverlaps(t *testing.T) {
	rest, _ := NewREST(rpctest.Compile(t, map[string]string{"a.proto": `
edition = "2023";
package a;
import "google/api/annotations.proto";
service A {
  rpc Any(Thing) returns (Thing) { option (google.api.http) = {get: "/v1/{name=**}"}; }
  rpc Get(Thing) returns (Thing) {
    option (google.api.http) = {get: "/v1/{name=things/*}" additional_bindings: {get: "/v1/things/first"}};
  }
  rpc Best(Thing) returns (Thing) { option (google.api.http) = {get: "/v1/things/best"}; }
  rpc Post(Thing) returns (Thing) { option (google.api.http) = {post: "/v1/things/best"}; }
}
message Thing { string name = 1; }`}), nil, RESTOptions{})
	var got []string
	for _, o := range rest.Overlaps(100) {
		got = append(got, fmt.Sprintf("%s: %s, not %s", o.Request, o.Serves.Template, o.Passed.Template))
	}
	want := []string{
		"GET /v1/things/x: /v1/{name=things/*}, not /v1/{name=**}",
		"GET /v1/things/first: /v1/things/first, not /v1/{name=**}",
		"GET /v1/things/best: /v1/things/best, not /v1/{name=**}",
		"GET /v1/things/best: /v1/things/best, not /v1/{name=things/*}",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if n := len(rest.Overlaps(1)); n != 1 {
		t.Errorf("%d of at most 1", n)
	}
}

func overlapping(t *testing.T, text string) Route {
	verb, template, _ := strings.Cut(text, " ")
	return Route{Verb: verb, Template: template, route: testRoute(t, verb, template)}
}

// FuzzOverlap compares what is said of two routes with the requests that they take: both
// take the witness, and where there is none, no request is taken by both.
func FuzzOverlap(f *testing.F) {
	f.Add([]byte("\x01\x02\x03"), []byte("\x04\x01"), []byte("\x01\x02"))
	f.Add([]byte("\x04\x01\x02"), []byte("\x00\x04\x01\x02"), []byte("\x04\x06"))
	f.Add([]byte("\x07\x03"), []byte("\x0e\x03"), []byte("\x04\x15"))
	f.Fuzz(func(t *testing.T, first, second, request []byte) {
		a, b := fuzzRoute(first, "GET"), fuzzRoute(second, "GET")
		if a == nil || b == nil {
			return
		}
		witness, ok := Route{Verb: "GET", route: a}.Overlap(Route{Verb: "GET", route: b})
		text := fuzzPath(request)
		if ok {
			text = strings.TrimPrefix(witness, "GET ")
		}
		takesA := naiveRank(a.template, split(t, text)) != ""
		takesB := naiveRank(b.template, split(t, text)) != ""
		if ok && !(takesA && takesB) || !ok && takesA && takesB {
			t.Errorf("%s and %s: overlap in %q is %v; taken by %v and %v", a.method.Path, b.method.Path, text, ok, takesA, takesB)
		}
	})
}
