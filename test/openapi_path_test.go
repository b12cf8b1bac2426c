package test

import (
	"encoding/json"
	"net/http"
	"testing"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// openAPIRoute has a route where the description is served if nothing else is said.
const openAPIRoute = `
edition = "2023";
package route.v1;
import "google/api/annotations.proto";

service Route {
  rpc Get(Empty) returns (Empty) {
    option (google.api.http) = {get: "/openapi.json"};
  }
}
message Empty {}
`

// TestOpenAPIPath moves the description, and turns it off: its paths go with it.
func TestOpenAPIPath(t *testing.T) {
	snapshot := rpctest.Compile(t, map[string]string{"route.proto": openAPIRoute})
	backend := rpctest.Start(t, map[string]rpctest.Handler{"/route.v1.Route/Get": rpctest.Answer(nil)}, rpctest.Reflect(snapshot.Backends[0]))
	for _, c := range []struct {
		name   string
		config *configv1.OpenAPI
		// title is that of the document at each path, statuses what other paths answer.
		title    map[string]string
		statuses map[string]int
	}{
		{"default", nil, map[string]string{"/openapi.json": "API"}, map[string]int{"/openapi.yaml": 200, "/openapi": 404}},
		{
			"moved", &configv1.OpenAPI{Path: proto.String("/docs/api"), Title: proto.String("Routes"), Version: proto.String("7")},
			map[string]string{"/docs/api.json": "Routes", "/openapi.json": ""},
			map[string]int{"/docs/api.yaml": 200, "/openapi.yaml": 404},
		},
		{
			"off", &configv1.OpenAPI{Disabled: proto.Bool(true)},
			map[string]string{"/openapi.json": ""}, map[string]int{"/openapi.yaml": 404},
		},
	} {
		g, stop := startGateway(t, &configv1.Config{
			Backends: []*configv1.Backend{backendAt("route", backend.Address)},
			Openapi:  c.config,
		})
		for path, want := range c.title {
			status, text := fetch(t, "http://"+g.Addr()+path)
			var document struct{ Info struct{ Title string } }
			if err := json.Unmarshal([]byte(text), &document); err != nil || status != http.StatusOK || document.Info.Title != want {
				t.Errorf("%s: %s: %d %q, %v", c.name, path, status, text, err)
			}
		}
		for path, want := range c.statuses {
			if status, text := fetch(t, "http://"+g.Addr()+path); status != want {
				t.Errorf("%s: %s: got %d %s, want %d", c.name, path, status, text, want)
			}
		}
		stop()
	}
}
