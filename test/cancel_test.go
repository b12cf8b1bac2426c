package test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

const silentService = `
edition = "2023";
package silent.v1;
import "google/api/annotations.proto";

service Silent {
  rpc Watch(WatchRequest) returns (stream Event) {
    option (google.api.http) = {get: "/v1/events"};
  }
  rpc Get(WatchRequest) returns (Event) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (google.api.http) = {get: "/v1/event"};
  }
  rpc Collect(stream Event) returns (Event);
  rpc Talk(stream Event) returns (stream Event);
}
message WatchRequest {}
message Event { string text = 1; }
`

// TestDisconnectReachesBackend lets clients of every kind go away from calls in
// which the backend says nothing, and waits for the backend to hear of it.
func TestDisconnectReachesBackend(t *testing.T) {
	const subscription = `{"query":"subscription { watch { text } }"}`
	for _, c := range []struct {
		name, method string
		// begin starts a call and returns how its client goes away.
		begin func(t *testing.T, address string) (leave func())
	}{
		{"REST unary", "Get", httpClient(http.MethodGet, "/v1/event", "", "")},
		{"REST stream", "Watch", httpClient(http.MethodGet, "/v1/events", "", "")},
		{"REST events", "Watch", httpClient(http.MethodGet, "/v1/events", "", "text/event-stream")},
		{"REST array", "Watch", httpClient(http.MethodGet, "/v1/events", "", "application/json")},
		{"REST client stream", "Collect", openClient("Collect", "application/x-ndjson", "{}\n", 1)},
		{"REST client stream over HTTP/2", "Collect", openClient("Collect", "application/x-ndjson", "{}\n", 2)},
		{"REST bidi stream", "Talk", openClient("Talk", "application/x-ndjson", "{}\n", 1)},
		{"REST bidi stream over HTTP/2", "Talk", openClient("Talk", "application/x-ndjson", "{}\n", 2)},
		{"REST WebSocket server stream", "Watch", restSocketClient("/v1/events", (*websocket.Conn).Close)},
		{"REST WebSocket client stream", "Collect", restSocketClient("/silent.v1.Silent/Collect", (*websocket.Conn).Close)},
		{"REST WebSocket bidi stream", "Talk", restSocketClient("/silent.v1.Silent/Talk", (*websocket.Conn).Close)},
		{"REST WebSocket close", "Talk", restSocketClient("/silent.v1.Silent/Talk", func(conn *websocket.Conn) error {
			return conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
		})},
		{"REST by default path", "Watch", httpClient(http.MethodPost, "/silent.v1.Silent/Watch", "{}", "")},
		{"GraphQL query", "Get", httpClient(http.MethodPost, "/graphql", `{"query":"{ get { text } }"}`, "")},
		{"GraphQL SSE", "Watch", httpClient(http.MethodPost, "/graphql", subscription, "text/event-stream")},
		{"GraphQL SSE in one stream", "Watch", reservedClient(func(c *http.Client, _ *http.Request, hangUp func()) {
			hangUp()
			c.CloseIdleConnections()
		})},
		{"GraphQL SSE in one stream stopped", "Watch", reservedClient(func(c *http.Client, stop *http.Request, _ func()) {
			if res, err := c.Do(stop); err == nil {
				res.Body.Close()
			}
		})},
		{"GraphQL WebSocket complete", "Watch", webSocketClient(func(conn *websocket.Conn) {
			_ = conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"complete","id":"1"}`))
		})},
		{"GraphQL WebSocket close", "Watch", webSocketClient(func(conn *websocket.Conn) { conn.Close() })},
		{"gRPC unary", "Get", grpcClient("Get", true)},
		{"gRPC server stream", "Watch", grpcClient("Watch", true)},
		{"gRPC client stream", "Collect", grpcClient("Collect", false)},
		{"gRPC bidi stream", "Talk", grpcClient("Talk", false)},
		{"Connect unary", "Get", framesClient("Get", "application/proto", "", 1)},
		{"Connect GET", "Get", httpClient(http.MethodGet, "/silent.v1.Silent/Get?connect=v1&encoding=json&message={}", "", "")},
		{"Connect server stream", "Watch", framesClient("Watch", "application/connect+proto", emptyFrame, 1)},
		{"Connect server stream over HTTP/2", "Watch", framesClient("Watch", "application/connect+proto", emptyFrame, 2)},
		{"Connect client stream", "Collect", openClient("Collect", "application/connect+proto", emptyFrame, 1)},
		{"Connect bidi stream", "Talk", openClient("Talk", "application/connect+proto", emptyFrame, 1)},
		{"Connect bidi stream over HTTP/2", "Talk", openClient("Talk", "application/connect+proto", emptyFrame, 2)},
		{"gRPC-Web unary", "Get", framesClient("Get", "application/grpc-web", emptyFrame, 1)},
		{"gRPC-Web server stream", "Watch", framesClient("Watch", "application/grpc-web+proto", emptyFrame, 2)},
		{"gRPC-Web server stream in text", "Watch", framesClient("Watch", "application/grpc-web-text", "AAAAAAA=", 1)},
		{"gRPC-Web bidi stream", "Talk", openClient("Talk", "application/grpc-web", emptyFrame, 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			hang := rpctest.NewHang()
			g := silentGateway(t, map[string]rpctest.Handler{"/silent.v1.Silent/" + c.method: hang.Handle})
			leave := c.begin(t, g)
			hang.WaitStarted(t)
			left := time.Now()
			leave()
			hang.WaitCancelled(t)
			t.Logf("the backend heard of it after %v", time.Since(left).Round(10*time.Microsecond))
		})
	}
}

// silentGateway returns the address of a gateway before a scripted backend.
func silentGateway(t *testing.T, handlers map[string]rpctest.Handler) string {
	t.Helper()
	snapshot := rpctest.Compile(t, map[string]string{"silent.proto": silentService})
	backend := rpctest.Start(t, handlers, rpctest.Reflect(snapshot.Backends[0]))
	g, stop := startGateway(t, &configv1.Config{
		Backends: []*configv1.Backend{backendAt("silent", backend.Address)},
	})
	t.Cleanup(stop)
	return g.Addr()
}

func httpClient(method, path, body, accept string) func(*testing.T, string) func() {
	return func(t *testing.T, address string) func() {
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, method, "http://"+address+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if accept != "" {
			req.Header.Set("Accept", accept)
		}
		return roundTrip(&http.Transport{}, req, cancel)
	}
}

// emptyFrame is an empty message as gRPC-Web and Connect frame it.
const emptyFrame = "\x00\x00\x00\x00\x00"

// framesClient calls a method with a whole body, over a version of HTTP.
func framesClient(method, contentType, body string, major int) func(*testing.T, string) func() {
	return func(t *testing.T, address string) func() {
		return call(t, address, method, contentType, io.NopCloser(strings.NewReader(body)), major)
	}
}

// openClient calls a method with one message and leaves the body open.
func openClient(method, contentType, message string, major int) func(*testing.T, string) func() {
	return func(t *testing.T, address string) func() {
		body, write := io.Pipe()
		go write.Write([]byte(message))
		return call(t, address, method, contentType, body, major)
	}
}

func call(t *testing.T, address, method, contentType string, body io.ReadCloser, major int) (leave func()) {
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/silent.v1.Silent/"+method, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(major == 1)
	transport.Protocols.SetUnencryptedHTTP2(major == 2)
	return roundTrip(transport, req, func() {
		cancel()
		body.Close() // for which the transport waits
	})
}

// roundTrip starts a request and returns how its client goes away.
func roundTrip(transport *http.Transport, req *http.Request, cancel func()) (leave func()) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		resp, err := transport.RoundTrip(req)
		if err != nil {
			return
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
	}()
	return func() {
		cancel()
		<-ended
		transport.CloseIdleConnections()
	}
}

// reservedClient subscribes by the single connection mode of graphql-sse. How it leaves is given
// the request that stops the operation, and what ends the stream.
func reservedClient(leave func(c *http.Client, stop *http.Request, hangUp func())) func(*testing.T, string) func() {
	return func(t *testing.T, address string) func() {
		client, token := &http.Client{Transport: &http.Transport{}}, ""
		request := func(ctx context.Context, method, target, body string) *http.Request {
			r, err := http.NewRequestWithContext(ctx, method, "http://"+address+"/graphql"+target, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header = http.Header{
				"Content-Type": {"application/json"}, "Accept": {"text/event-stream"}, "X-Graphql-Event-Stream-Token": {token},
			}
			return r
		}
		send := func(r *http.Request, status int) *http.Response {
			res, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { res.Body.Close() })
			if res.StatusCode != status {
				t.Fatal(res.Status)
			}
			return res
		}
		text, err := io.ReadAll(send(request(t.Context(), http.MethodPut, "", ""), http.StatusCreated).Body)
		if err != nil {
			t.Fatal(err)
		}
		token = string(text)
		ctx, hangUp := context.WithCancel(t.Context())
		t.Cleanup(hangUp)
		send(request(ctx, http.MethodGet, "", ""), http.StatusOK)
		const operation = `{"query":"subscription { watch { text } }","extensions":{"operationId":"1"}}`
		send(request(t.Context(), http.MethodPost, "", operation), http.StatusAccepted)
		stop := request(t.Context(), http.MethodDelete, "?operationId=1", "")
		return func() { leave(client, stop, hangUp) }
	}
}

func restSocketClient(path string, leave func(*websocket.Conn) error) func(*testing.T, string) func() {
	return func(t *testing.T, address string) func() {
		conn, _, err := websocket.DefaultDialer.Dial("ws://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return func() {
			if err := leave(conn); err != nil {
				t.Error(err)
			}
		}
	}
}

func webSocketClient(leave func(*websocket.Conn)) func(*testing.T, string) func() {
	return func(t *testing.T, address string) func() {
		dialer := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}}
		conn, _, err := dialer.Dial("ws://"+address+"/graphql", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		for _, message := range []string{
			`{"type":"connection_init"}`,
			`{"type":"subscribe","id":"1","payload":{"query":"subscription { watch { text } }"}}`,
		} {
			if err := conn.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
				t.Fatal(err)
			}
		}
		return func() { leave(conn) }
	}
}

func grpcClient(method string, halfClose bool) func(*testing.T, string) func() {
	return func(t *testing.T, address string) func() {
		conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true},
			"/silent.v1.Silent/"+method, grpc.ForceCodec(rawCodec{}))
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.SendMsg(&rawMessage{}); err != nil {
			t.Fatal(err)
		}
		if halfClose {
			if err := stream.CloseSend(); err != nil {
				t.Fatal(err)
			}
		}
		return cancel
	}
}
