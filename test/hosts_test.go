package test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// TestLoopbackHosts calls gateways under several host names, on every protocol. If only the loopback address protects the
// backends, a name that a web page made lead here is rejected.
func TestLoopbackHosts(t *testing.T) {
	alone := func() *configv1.Config {
		return &configv1.Config{Http: &configv1.HTTP{Hosts: []string{"gateway.test", "other.test:8080"}}}
	}
	everyone := func() *configv1.Config { return &configv1.Config{AllowUnauthenticated: proto.Bool(true)} }
	for name, c := range map[string]struct {
		config   *configv1.Config
		host     string
		rejected bool
	}{
		"localhost":                         {alone(), "localhost:8080", false},
		"an address":                        {alone(), "127.0.0.1", false},
		"an address of IPv6":                {alone(), "[::1]:8080", false},
		"a configured name":                 {alone(), "Gateway.test:9", false},
		"a configured name with its port":   {alone(), "other.test:8080", false},
		"a configured name, another port":   {alone(), "other.test:1", true},
		"another name":                      {alone(), "rebound.example", true},
		"a name that looks like an address": {alone(), "127.0.0.1.rebound.example:8080", true},
		"everyone may call":                 {everyone(), "rebound.example", false},
	} {
		t.Run(name, func(t *testing.T) {
			g, stop := startGateway(t, c.config)
			defer stop()
			for _, r := range []struct {
				method, path, body string
				header             http.Header
			}{
				{http.MethodGet, "/v1/none", "", nil},
				{http.MethodGet, "/openapi.json", "", nil},
				{http.MethodPost, "/graphql", `{"query":"{ __typename }"}`, http.Header{"Content-Type": {"application/json"}}},
				{http.MethodGet, "/graphql", "", http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Version": {"13"},
					"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Protocol": {"graphql-transport-ws"}}},
				{http.MethodPost, "/a.B/C", "{}", http.Header{"Content-Type": {"application/json"}, "Connect-Protocol-Version": {"1"}}},
			} {
				request, err := http.NewRequest(r.method, "http://"+g.Addr()+r.path, strings.NewReader(r.body))
				if err != nil {
					t.Fatal(err)
				}
				request.Host = c.host
				for key, values := range r.header {
					request.Header[key] = values
				}
				response, err := http.DefaultClient.Do(request)
				if err != nil {
					t.Fatal(err)
				}
				if response.StatusCode == http.StatusSwitchingProtocols {
					response.Body.Close()
				}
				text, _ := io.ReadAll(response.Body)
				response.Body.Close()
				if (response.StatusCode == http.StatusMisdirectedRequest) != c.rejected {
					t.Errorf("%s %s: %d %s", r.method, r.path, response.StatusCode, text)
				}
			}
			conn, err := grpc.NewClient(g.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority(c.host))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			want := codes.OK
			if c.rejected {
				want = codes.InvalidArgument
			}
			err = conn.Invoke(context.Background(), "/grpc.health.v1.Health/Check", &rawMessage{}, &rawMessage{}, grpc.ForceCodec(rawCodec{}))
			checkStatus(t, "gRPC health", err, want)
		})
	}
}
