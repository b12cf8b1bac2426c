package translate

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

// TestGRPCGatewayCompatibility sends what grpc-gateway ignores, with the setting and without.
func TestGRPCGatewayCompatibility(t *testing.T) {
	for _, test := range []struct{ method, target, body, call string }{
		{"GET", "/v1/isbn/a?name=b", "", `{"name":"a"}`},
		{"GET", "/v1/isbn/a?nme=b", "", `{"name":"a"}`},
		{"POST", "/v1/shelves/1/books?book.title=b&parent=shelves/2&book_id=7", `{"title":"t"}`, `{"parent":"shelves/1","book":{"title":"t"},"bookId":"7"}`},
		{"POST", "/v1/shelves/1/books:whole?book_id=7", `{"book":{"title":"t","extra":[{}]},"other":1}`, `{"parent":"shelves/1","book":{"title":"t"}}`},
		{"POST", "/v1/shelves/1/books", `{"title":"t","genre":"GENRE_LATER","extra":1}`, `{"parent":"shelves/1","book":{"title":"t"}}`},
		{"POST", "/v1/collect", "{\"text\":\"a\",\"more\":1}\n{\"text\":\"b\"}", "{\"text\":\"a\"}\n{\"text\":\"b\"}"},
	} {
		for _, compatible := range []bool{false, true} {
			s := &script{t: t}
			rest, _ := NewREST(library(t), s.handle, RESTOptions{GRPCGateway: compatible})
			w := httptest.NewRecorder()
			rest.ServeHTTP(w, httptest.NewRequest(test.method, test.target, strings.NewReader(test.body)))
			if !compatible {
				if w.Code != 400 {
					t.Errorf("%s %s without the setting: %d %s", test.method, test.target, w.Code, w.Body)
				}
				continue
			}
			_, call, _ := strings.Cut(string(s.call), "\n")
			if w.Code != 200 || strings.TrimSpace(call) != test.call {
				t.Errorf("%s %s: %d %s, call %s, want %s", test.method, test.target, w.Code, w.Body, call, test.call)
			}
		}
	}
}

// TestGRPCGatewayLineFeeds streams contents of google.api.HttpBody.
func TestGRPCGatewayLineFeeds(t *testing.T) {
	for compatible, want := range map[bool]string{false: "onetwo", true: "one\ntwo\n"} {
		s := &script{t: t, answer: `message {"contentType":"text/plain","data":"b25l"}` + "\n" + `message {"data":"dHdv"}`}
		rest, _ := NewREST(library(t), s.handle, RESTOptions{GRPCGateway: compatible})
		w := httptest.NewRecorder()
		rest.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/archive/p:fetch", nil))
		if w.Body.String() != want {
			t.Errorf("%v: got %q, want %q", compatible, w.Body, want)
		}
	}
}

const legacyProto = `syntax = "proto2";
package legacy.v1;
import "google/api/annotations.proto";
message Part { required string id = 1; optional Part next = 2; repeated Part more = 3; }
message Order { required string name = 1; optional Part part = 2; required int32 count = 3; map<string, Part> parts = 4; }
service Legacy {
  rpc Get(Order) returns (Part) { option (google.api.http) = {
    get: "/orders/{name}"
    additional_bindings {post: "/orders" body: "part"}
    additional_bindings {put: "/orders/{name}/{part.id}" body: "*"}
  }; }
  rpc Plain(Loose) returns (Part) { option (google.api.http) = {get: "/plain"}; }
}
message Loose { optional string name = 1; }
`

// TestRequiredFromEverywhere puts requests with required fields together from path, query and body.
func TestRequiredFromEverywhere(t *testing.T) {
	snap := rpctest.Compile(t, map[string]string{"legacy.proto": legacyProto})
	for _, test := range []struct{ method, target, body, missing string }{
		{"GET", "/orders/a?count=1", "", ""},
		{"GET", "/orders/a", "", "count"},
		{"GET", "/orders/a?count=1&part.next.id=x", "", "part.id"},
		{"GET", "/orders/a?count=1&part.id=x&part.next.id=y", "", ""},
		{"GET", "/orders/a?count=1&part.id=x&part.next.next.id=y", "", "part.next.id"},
		{"POST", "/orders?count=1", `{"id":"x"}`, "name"},
		{"POST", "/orders?count=1&name=n", `{"id":"x"}`, ""},
		{"POST", "/orders?count=1&name=n", ``, ""},
		{"PUT", "/orders/a/x", `{"count":1}`, ""},
		{"PUT", "/orders/a/x", `{"part":{"next":{"id":"y"}},"count":1}`, ""},
		{"PUT", "/orders/a/x", `{"part":{"next":{}},"count":1}`, "part.next.id"},
		{"PUT", "/orders/a/x", `{"part":{"more":[{}]},"count":1}`, "part.more.id"},
		{"PUT", "/orders/a/x", `{"parts":{"k":{}},"count":1}`, "parts.value.id"},
		{"PUT", "/orders/a/x", `{}`, "count"},
		{"GET", "/plain", "", ""},
	} {
		s := &script{t: t, answer: `message {"id":"x"}`}
		rest, _ := NewREST(snap, s.handle, RESTOptions{})
		w := httptest.NewRecorder()
		rest.ServeHTTP(w, httptest.NewRequest(test.method, test.target, strings.NewReader(test.body)))
		want, code := `required field \"`+test.missing+`\" is missing`, 400
		if test.missing == "" {
			want, code = "", 200
		}
		if w.Code != code || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s %s %s: %d %s, want %d %s", test.method, test.target, test.body, w.Code, w.Body, code, want)
		}
	}
}

// TestRuleAdvice compiles rules that are served and cannot do what they were meant for.
func TestRuleAdvice(t *testing.T) {
	for rule, want := range map[string]string{
		`get: "/a?full=true"`:                        `'?' ends the path of a URL`,
		`get: "/a/b?x/{id}"`:                         `'?' ends the path of a URL`,
		`get: "/b#x"`:                                `'#' ends the path of a URL`,
		`get: "/b/{id}:go?x=1"`:                      `'?' ends the path of a URL`,
		`get: "/c/{n}"`:                              `path variable n is a ck.v1.Inner, which has no text form`,
		`get: "/c/{many}"`:                           `path variable many is a ck.v1.Inner, which has no text form`,
		`get: "/c/{any}"`:                            `path variable any is a google.protobuf.Any, which has no text form`,
		`get: "/c/{texts}"`:                          `path variable texts is repeated`,
		`get: "/d" body: "*"`:                        `the body of a GET request has no meaning`,
		`delete: "/d" body: "n"`:                     `the body of a DELETE request has no meaning`,
		`custom {kind: "head" path: "/d"} body: "*"`: `the body of a HEAD request has no meaning`,
		`post: "/e/{id}" body: "id"`:                 `the path sets id, so that each body with id is rejected`,
		`post: "/e/{left}" body: "right"`:            `the path sets left, so that each body with right is rejected`,
		`get: "/f/{id}/{id}"`:                        `is not served: column 10: field id is bound twice`,
		`get: "/f/{none}"`:                           `is not served: column 4: none: ck.v1.M has no field "none"`,
		`get: "/f/{map}"`:                            `is not served: column 4: map map cannot be a path variable`,
		`post: "/f" body: "none"`:                    `is not served: body "none": none: ck.v1.M has no field "none"`,
		`get: "/f" response_body: "none"`:            `is not served: response_body "none": none: ck.v1.M has no field "none"`,
		`get: "/f/{left}/{right}"`:                   `is not served: column 11: left and right are of one oneof`,
		`get: "/%67raphql"`:                          `is not served: is reserved for the gateway itself`,
		`get: "/g/:"`:                                `is not served: column 4: a path segment expected`,
		`get: "/h/{id}:"`:                            `is not served: column 8: a verb expected after :`,
		`post: "/ck.v1.S/Do" body: "*"`:              ``,
		`get: "/ok/{id}"`:                            ``,
		`get: "/ok/{time}/{n.text}"`:                 ``,
		`post: "/ok/%3F%23" body: "*"`:               ``,
		`patch: "/ok/{n.text}" body: "n"`:            ``,
	} {
		snap := rpctest.Compile(t, map[string]string{"ck.proto": `syntax = "proto3";
package ck.v1;
import "google/api/annotations.proto";
import "google/protobuf/any.proto";
import "google/protobuf/timestamp.proto";
message Inner { string text = 1; }
message M {
  string id = 1; Inner n = 2; repeated Inner many = 3; google.protobuf.Any any = 4; repeated string texts = 5; map<string, string> map = 6;
  oneof side { string left = 7; string right = 8; } google.protobuf.Timestamp time = 9;
}
service S { rpc Do(M) returns (M) { option (google.api.http) = {` + rule + `}; } }`})
		_, problems := NewREST(snap, nil, RESTOptions{})
		checkAdvice(t, rule, problems, want)
	}
}

func checkAdvice(t *testing.T, rule string, problems []schema.Problem, want string) {
	t.Helper()
	switch {
	case want == "" && len(problems) > 0:
		t.Errorf("%s: %v", rule, problems)
	case want != "" && (len(problems) != 1 || !strings.Contains(problems[0].Message, want) || problems[0].Severity != schema.Warning):
		t.Errorf("%s: got %v, want %s", rule, problems, want)
	}
}

// TestStreamAdvice checks rules of a method that takes a stream.
func TestStreamAdvice(t *testing.T) {
	for rule, want := range map[string]string{
		`get: "/s"`:                               `the rule has no body, so that only a WebSocket can call it here`,
		`post: "/s/{id}"`:                         `the rule has no body, so that only a WebSocket can call it here`,
		`get: "/s" body: "*"`:                     `the body of a GET request has no meaning`,
		`post: "/s" body: "*"`:                    ``,
		`custom {kind: "*" path: "/s"} body: "*"`: ``,
	} {
		snap := rpctest.Compile(t, map[string]string{"s.proto": `syntax = "proto3";
package s.v1;
import "google/api/annotations.proto";
message M { string id = 1; }
service S { rpc Do(stream M) returns (M) { option (google.api.http) = {` + rule + `}; } }`})
		_, problems := NewREST(snap, nil, RESTOptions{})
		checkAdvice(t, rule, problems, want)
	}
}
