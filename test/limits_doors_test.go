package test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

const meterService = `
edition = "2023";
package meter.v1;
import "google/api/annotations.proto";
service Meter {
  rpc Read(Reading) returns (Reading) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (google.api.http) = {get: "/v1/readings/{name}"};
  }
  rpc Follow(Reading) returns (stream Reading);
}
message Reading { string name = 1; }
`

// told is what a client hears of its call: headers, if the door has room for them, and all else.
type told struct {
	header http.Header
	text   string
}

// meteredDoors make one call each. Refused is what their answer has once the budget is used up; headers says
// whether the head of the answer can tell of the limit: that of event streams and sockets is sent before.
var meteredDoors = []struct {
	name    string
	call    func(ctx context.Context, addr string) (told, error)
	refused string // a regular expression
	headers bool
}{
	{"REST", metered(http.MethodGet, "/v1/readings/x", "", "", ""), `"retryDelay":"3[56]\d\ds"`, true},
	{"REST as lines", metered(http.MethodPost, "/meter.v1.Meter/Follow", "application/json", "application/x-ndjson", "{}"), `"retryDelay":"3[56]\d\ds"`, true},
	{"REST as events", metered(http.MethodPost, "/meter.v1.Meter/Follow", "application/json", "text/event-stream", "{}"), `"retryDelay":"3[56]\d\ds"`, false},
	{"REST WebSocket", meteredSocket("/meter.v1.Meter/Follow", "protean.json", `{"data":{}}`), `"retryDelay":"3[56]\d\ds"`, false},
	{"gRPC", meteredGRPC("/meter.v1.Meter/Read"), "ResourceExhausted, again after (1h0m0s|59m\\d+s)", true},
	{"gRPC stream", meteredGRPC("/meter.v1.Meter/Follow"), "ResourceExhausted, again after (1h0m0s|59m\\d+s)", true},
	{"gRPC-Web", metered(http.MethodPost, "/meter.v1.Meter/Read", "application/grpc-web+proto", "", "\x00\x00\x00\x00\x00"), "grpc-status: 8", true},
	{"gRPC-Web stream", metered(http.MethodPost, "/meter.v1.Meter/Follow", "application/grpc-web+proto", "", "\x00\x00\x00\x00\x00"), "grpc-status: 8", true},
	{"Connect", metered(http.MethodPost, "/meter.v1.Meter/Read", "application/proto", "", ""), `"retryDelay":"3[56]\d\ds"`, true},
	{"Connect GET", metered(http.MethodGet, "/meter.v1.Meter/Read?connect=v1&encoding=json&message={}", "", "", ""), `"retryDelay":"3[56]\d\ds"`, true},
	{"Connect stream", metered(http.MethodPost, "/meter.v1.Meter/Follow", "application/connect+json", "", framedJSON("{}")), `"retryDelay":"3[56]\d\ds"`, true},
	{"GraphQL", metered(http.MethodPost, "/graphql", "application/json", "", `{"query":"{ read(name: \"x\") { name } }"}`), `"retryAfter":3[56]\d\d`, true},
	{"GraphQL events", metered(http.MethodPost, "/graphql", "application/json", "text/event-stream", `{"query":"subscription { follow(name: \"x\") { name } }"}`), `"retryAfter":3[56]\d\d`, false},
	{"GraphQL WebSocket", meteredSocket("/graphql", "graphql-transport-ws",
		`{"type":"connection_init"}`, `{"type":"subscribe","id":"1","payload":{"query":"subscription { follow(name: \"x\") { name } }"}}`), `"retryAfter":3[56]\d\d`, false},
}

func metered(verb, path, contentType, accept, body string) func(context.Context, string) (told, error) {
	return func(ctx context.Context, addr string) (told, error) {
		header := make(http.Header)
		for name, value := range map[string]string{"Content-Type": contentType, "Accept": accept} {
			if value != "" {
				header.Set(name, value)
			}
		}
		if strings.HasPrefix(path, "/meter.v1.Meter/Read") {
			header.Set("Connect-Protocol-Version", "1")
		}
		response, text, err := holdRequest(ctx, verb, "http://"+addr+path, header, body)
		if err != nil {
			return told{}, err
		}
		return told{response.Header, text}, nil
	}
}

func meteredGRPC(path string) func(context.Context, string) (told, error) {
	return func(ctx context.Context, addr string) (told, error) {
		conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return told{}, err
		}
		defer conn.Close()
		stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, path, grpc.ForceCodec(rawCodec{}))
		if err != nil {
			return told{}, err
		}
		_ = stream.SendMsg(&rawMessage{}) // RecvMsg has the status
		_ = stream.CloseSend()
		for err == nil {
			err = stream.RecvMsg(&rawMessage{})
		}
		md, _ := stream.Header()
		header := make(http.Header)
		for name, values := range metadata.Join(md, stream.Trailer()) {
			header[http.CanonicalHeaderKey(name)] = values
		}
		st := status.Convert(err)
		text := st.Code().String()
		for _, d := range st.Details() {
			if info, ok := d.(*errdetails.RetryInfo); ok {
				text += ", again after " + info.GetRetryDelay().AsDuration().String()
			}
		}
		return told{header, text}, nil
	}
}

// meteredSocket sends messages and reads until the socket closes or, as one of GraphQL does not, has said
// how the operation went.
func meteredSocket(path, protocol string, messages ...string) func(context.Context, string) (told, error) {
	return func(ctx context.Context, addr string) (told, error) {
		dialer := websocket.Dialer{Subprotocols: []string{protocol}, HandshakeTimeout: exchangeTimeout}
		conn, response, err := dialer.DialContext(ctx, "ws://"+addr+path, nil)
		if err != nil {
			return told{}, err
		}
		response.Body.Close()
		defer conn.Close()
		if err := conn.SetReadDeadline(time.Now().Add(exchangeTimeout)); err != nil {
			return told{}, err
		}
		for _, m := range messages {
			if err := conn.WriteMessage(websocket.TextMessage, []byte(m)); err != nil {
				return told{}, err
			}
		}
		var said strings.Builder
		for {
			_, m, err := conn.ReadMessage()
			if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
				return told{response.Header, fmt.Sprintf("%sclose %d", said.String(), closed.Code)}, nil
			}
			if err != nil {
				return told{}, err
			}
			said.Write(m)
			if strings.Contains(string(m), `"type":"complete"`) || strings.Contains(string(m), `"type":"error"`) {
				return told{response.Header, said.String()}, nil
			}
		}
	}
}

// TestOneBudgetOnAllDoors makes one call on each door, each of which takes one of the same budget, and then one
// more on each: none of them reaches the backend, and each door says when to come again.
func TestOneBudgetOnAllDoors(t *testing.T) {
	snapshot := rpctest.Compile(t, map[string]string{"meter.proto": meterService})
	backend := rpctest.Start(t, map[string]rpctest.Handler{
		"/meter.v1.Meter/Read":   rpctest.Answer([]byte("\n\x01x")),
		"/meter.v1.Meter/Follow": rpctest.Answer([]byte("\n\x01x")),
	}, rpctest.Reflect(snapshot.Backends[0]))
	budget := len(meteredDoors)
	g, stop := startGateway(t, &configv1.Config{
		Backends: []*configv1.Backend{backendAt("meter", backend.Address)},
		Policies: []*configv1.PolicyRule{{Selector: proto.String("*"), Policy: &policyv1.Policy{RateLimit: &policyv1.RateLimit{
			Requests: proto.Uint32(uint32(budget)), Per: durationpb.New(time.Duration(budget) * time.Hour),
		}}}},
	})
	defer stop()
	ctx, cancel := context.WithTimeout(t.Context(), exchangeTimeout)
	defer cancel()
	calls := func() int { return backend.Calls("/meter.v1.Meter/Read") + backend.Calls("/meter.v1.Meter/Follow") }
	for i, door := range meteredDoors {
		got, err := door.call(ctx, g.Addr())
		if err != nil {
			t.Fatalf("%s: %v", door.name, err)
		}
		if calls() != i+1 || matches(door.refused, got.text) {
			t.Fatalf("%s: %d calls reached the backend, want %d: %q", door.name, calls(), i+1, got.text)
		}
		checkLimitHeaders(t, door.name, door.headers, got.header, budget, budget-i-1, "^$")
	}
	for _, door := range meteredDoors {
		got, err := door.call(ctx, g.Addr())
		if err != nil {
			t.Fatalf("%s: %v", door.name, err)
		}
		if !matches(door.refused, got.text) {
			t.Errorf("%s: %q, want %q", door.name, got.text, door.refused)
		}
		checkLimitHeaders(t, door.name, door.headers, got.header, budget, 0, `^3[56]\d\d$`)
	}
	if calls() != budget {
		t.Errorf("%d calls reached the backend, which the budget allows %d", calls(), budget)
	}
}

func matches(pattern, text string) bool { return regexp.MustCompile(pattern).MatchString(text) }

// checkLimitHeaders compares what the head of an answer says of the limit.
func checkLimitHeaders(t *testing.T, door string, there bool, header http.Header, budget, remaining int, after string) {
	t.Helper()
	if !there {
		return
	}
	policy := fmt.Sprintf(`"*";q=%d;w=%d`, budget, budget*3600)
	if got := header.Get("RateLimit-Policy"); got != policy {
		t.Errorf("%s: RateLimit-Policy %q, want %q", door, got, policy)
	}
	if got := header.Get("RateLimit"); !strings.HasPrefix(got, `"*";r=`+strconv.Itoa(remaining)+";t=") {
		t.Errorf("%s: RateLimit %q, want %d remaining", door, got, remaining)
	}
	if got := header.Get("Retry-After"); !matches(after, got) {
		t.Errorf("%s: Retry-After %q, want %q", door, got, after)
	}
}
