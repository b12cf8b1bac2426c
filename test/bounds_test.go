package test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/translate/transport"
)

// boundedGateway is a gateway whose streams have limits, before a scripted backend.
func boundedGateway(t *testing.T, limits *policyv1.Limits, watch rpctest.Handler) string {
	t.Helper()
	snapshot := rpctest.Compile(t, map[string]string{"silent.proto": silentService})
	backend := rpctest.Start(t, map[string]rpctest.Handler{"/silent.v1.Silent/Watch": watch}, rpctest.Reflect(snapshot.Backends[0]))
	g, stop := startGateway(t, &configv1.Config{
		Backends: []*configv1.Backend{backendAt("silent", backend.Address)},
		Policies: []*configv1.PolicyRule{{Selector: proto.String("*"), Policy: &policyv1.Policy{Limits: limits}}},
	})
	t.Cleanup(stop)
	return g.Addr()
}

// streamDoors read a stream to its end on each door that has streams, and return how it ended in
// the door's own words.
var streamDoors = []struct {
	name string
	end  func(t *testing.T, address string) string
	want func(code codes.Code) string
}{
	{"gRPC", watchOverGRPC, func(c codes.Code) string { return c.String() }},
	{"gRPC-Web", watchOver("/silent.v1.Silent/Watch", "application/grpc-web+proto", "", emptyFrame), func(c codes.Code) string {
		return fmt.Sprintf("grpc-status: %d", c)
	}},
	{"Connect", watchOver("/silent.v1.Silent/Watch", "application/connect+proto", "", emptyFrame), func(c codes.Code) string {
		return fmt.Sprintf(`{"error":{"code":%q`, transport.ConnectCode(c))
	}},
	{"NDJSON", watchOver("/silent.v1.Silent/Watch", "application/json", "application/x-ndjson", "{}"), func(c codes.Code) string {
		return fmt.Sprintf(`{"error":{"code":%d`, c)
	}},
	{"SSE", watchOver("/silent.v1.Silent/Watch", "application/json", "text/event-stream", "{}"), func(c codes.Code) string {
		return fmt.Sprintf("event: error\ndata: {\"error\":{\"code\":%d", c)
	}},
	{"WebSocket", watchOverSocket("/v1/events", ""), func(c codes.Code) string {
		return fmt.Sprintf("close %d: %s", transport.CloseCodeOf(c), transport.CodeName(c))
	}},
	{"GraphQL SSE", watchOver("/graphql", "application/json", "text/event-stream", `{"query":"subscription { watch { text } }"}`), func(c codes.Code) string {
		return fmt.Sprintf(`"code":%q`, transport.CodeName(c))
	}},
	{"GraphQL WebSocket", watchOverSocket("/graphql", "graphql-transport-ws",
		`{"type":"connection_init"}`, `{"type":"subscribe","id":"1","payload":{"query":"subscription { watch { text } }"}}`), func(c codes.Code) string {
		return fmt.Sprintf(`"code":%q`, transport.CodeName(c))
	}},
}

// TestStreamBounds ends streams at each limit on every door, after what came within it.
func TestStreamBounds(t *testing.T) {
	once := func(s *rpctest.Stream) error {
		if err := s.Send([]byte("\n\x05first")); err != nil {
			return err
		}
		<-s.Context().Done()
		return s.Context().Err()
	}
	many := func(s *rpctest.Stream) error {
		for {
			if err := s.Send([]byte("\n\x05first")); err != nil {
				return err
			}
			select {
			case <-time.After(20 * time.Millisecond):
			case <-s.Context().Done():
				return s.Context().Err()
			}
		}
	}
	short := durationpb.New(2 * time.Second) // a message comes before
	for _, c := range []struct {
		name    string
		limits  *policyv1.Limits
		backend rpctest.Handler
		code    codes.Code
	}{
		{"idle", &policyv1.Limits{Idle: short}, once, codes.DeadlineExceeded},
		{"life", &policyv1.Limits{MaxLife: short}, many, codes.Unavailable},
		{"messages", &policyv1.Limits{StreamMessages: proto.Uint64(3)}, many, codes.ResourceExhausted},
		{"bytes", &policyv1.Limits{StreamBytes: proto.Uint64(30)}, many, codes.ResourceExhausted},
	} {
		address := boundedGateway(t, c.limits, c.backend)
		for _, door := range streamDoors {
			t.Run(c.name+" "+door.name, func(t *testing.T) {
				t.Parallel()
				if got, want := door.end(t, address), door.want(c.code); !strings.Contains(got, want) || !strings.Contains(got, "first") {
					t.Errorf("%q does not say %q", got, want)
				}
			})
		}
	}
}

// watchOver reads an answer over HTTP.
func watchOver(path, contentType, accept, body string) func(*testing.T, string) string {
	return func(t *testing.T, address string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), exchangeTimeout)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", contentType)
		if accept != "" {
			r.Header.Set("Accept", accept)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

func watchOverGRPC(t *testing.T, address string) string {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), exchangeTimeout)
	defer cancel()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/silent.v1.Silent/Watch", grpc.ForceCodec(rawCodec{}))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.SendMsg(&rawMessage{}); err != nil {
		t.Fatal(err)
	}
	_ = stream.CloseSend() // the status says more
	var said strings.Builder
	for {
		m := new(rawMessage)
		if err := stream.RecvMsg(m); err != nil {
			return said.String() + status.Code(err).String()
		}
		said.Write(m.bytes)
	}
}

// watchOverSocket reads a WebSocket until it closes, or says that its one operation failed.
func watchOverSocket(path, subprotocol string, messages ...string) func(*testing.T, string) string {
	return func(t *testing.T, address string) string {
		t.Helper()
		dialer := websocket.Dialer{HandshakeTimeout: exchangeTimeout}
		if subprotocol != "" {
			dialer.Subprotocols = []string{subprotocol}
		}
		conn, response, err := dialer.Dial("ws://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		defer conn.Close()
		if err := conn.SetReadDeadline(time.Now().Add(exchangeTimeout)); err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			if err := conn.WriteMessage(websocket.TextMessage, []byte(m)); err != nil {
				t.Fatal(err)
			}
		}
		var said strings.Builder
		for {
			_, m, err := conn.ReadMessage()
			if err != nil {
				return said.String() + err.Error()[len("websocket: "):]
			}
			said.Write(m)
			if strings.Contains(string(m), `"type":"error"`) || strings.Contains(string(m), `"errors"`) {
				return said.String()
			}
		}
	}
}

// TestSlowConsumer opens streams and never reads, on each door, until the gateway gives its
// client up and the backend hears of it.
func TestSlowConsumer(t *testing.T) {
	gone := make(chan struct{}, 10)
	address := boundedGateway(t, &policyv1.Limits{SlowConsumer: durationpb.New(300 * time.Millisecond)}, func(s *rpctest.Stream) error {
		message := append([]byte{0x0a, 0x80, 0x80, 0x04}, strings.Repeat("x", 1<<16)...)
		for {
			if err := s.Send(message); err != nil {
				gone <- struct{}{}
				return err
			}
		}
	})
	request := func(major int, contentType, accept, body string) func(*testing.T) {
		return func(t *testing.T) {
			client := &http.Transport{Protocols: new(http.Protocols)}
			client.Protocols.SetHTTP1(major == 1)
			client.Protocols.SetUnencryptedHTTP2(major == 2)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/silent.v1.Silent/Watch", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", contentType)
			if accept != "" {
				r.Header.Set("Accept", accept)
			}
			response, err := client.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				response.Body.Close()
				client.CloseIdleConnections()
			})
		}
	}
	for name, open := range map[string]func(*testing.T){
		"gRPC":     request(2, "application/grpc", "", emptyFrame),
		"gRPC-Web": request(1, "application/grpc-web+proto", "", emptyFrame),
		"Connect":  request(2, "application/connect+proto", "", emptyFrame),
		"NDJSON":   request(1, "application/json", "application/x-ndjson", "{}"),
		"NDJSON 2": request(2, "application/json", "application/x-ndjson", "{}"),
		"SSE":      request(1, "application/json", "text/event-stream", "{}"),
		"WebSocket": func(t *testing.T) {
			conn, response, err := websocket.DefaultDialer.Dial("ws://"+address+"/v1/events", nil)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			t.Cleanup(func() { conn.Close() })
		},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			open(t)
			rpctest.Wait(t, gone, "the slow client to be given up")
			if took := time.Since(start); took < 300*time.Millisecond {
				t.Errorf("given up after %v", took)
			}
		})
	}
}
