package translate

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// TestSharedJSONNames sends two fields that have one JSON name in proto2, by REST and Connect, and reads both back.
func TestSharedJSONNames(t *testing.T) {
	snap := rpctest.Compile(t, map[string]string{"twins.proto": `syntax = "proto2";
package twins.v1;
import "google/api/annotations.proto";
message Pair { optional string foo_bar = 1; optional string fooBar = 2; }
service Twins { rpc Get(Pair) returns (Pair) { option (google.api.http) = {get: "/twins" additional_bindings {post: "/twins" body: "*"}}; } }`})
	echo := func(_ context.Context, c *rpc.Call, s rpc.Stream) error { return s.Send(c.Request) }
	rest, problems := NewREST(snap, echo, RESTOptions{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	connect := NewConnect(NewMethods(snap, echo, nil, ReflectionOptions{}))
	const both = `{"foo_bar":"1","fooBar":"2"}`
	for _, test := range []struct {
		handler              http.Handler
		method, target, body string
	}{
		{rest, "GET", "/twins?foo_bar=1&fooBar=2", ""},
		{rest, "POST", "/twins", both},
		{rest, "POST", "/twins.v1.Twins/Get", `{"fooBar":"2","foo_bar":"1"}`},
		{connect, "POST", "/twins.v1.Twins/Get", both},
	} {
		r := httptest.NewRequest(test.method, test.target, strings.NewReader(test.body))
		r.Header.Set("Content-Type", typeJSON)
		w := httptest.NewRecorder()
		test.handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK || w.Body.String() != both {
			t.Errorf("%s %s: %d %s", test.method, test.target, w.Code, w.Body)
		}
	}
}
