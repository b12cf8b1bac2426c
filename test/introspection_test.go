package test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// TestIntrospectors lets those introspect whom the configuration names.
func TestIntrospectors(t *testing.T) {
	snapshot := rpctest.Compile(t, map[string]string{"station.proto": stationProto})
	backend := rpctest.Start(t, nil, rpctest.Reflect(snapshot.Backends[0]))
	config := stationConfig(backend.Address)
	config.Graphql = &configv1.GraphQL{Introspection: &configv1.Introspectors{Roles: []string{"keeper"}}}
	config.Policies[0].Policy.Authorize.Public = proto.Bool(true)
	g, stop := startGateway(t, config)
	t.Cleanup(stop)
	for key, want := range map[string]string{
		"keeper-key": `"data":{"__schema"`,
		"guest-key":  `"code":"PERMISSION_DENIED"`,
		"":           `"code":"UNAUTHENTICATED"`,
	} {
		if body := introspect(t, g.Addr(), key); !strings.Contains(body, want) {
			t.Errorf("%q: %s; want %s", key, body, want)
		}
	}
}

func introspect(t *testing.T, address, key string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/graphql",
		strings.NewReader(`{"query":"{ __schema { queryType { name } } }"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("X-Api-Key", key)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
