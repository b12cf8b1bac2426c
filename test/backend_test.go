package test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// answers is what each door says of one failure. The text of the network, of
// libraries and of the backend's bytes must not be in it.
type answers struct {
	restStatus int
	rest       string
	graphql    string
	grpc       codes.Code
	grpcText   string
	connect    string // in proto
	web        string // the last frame, less its head
}

// TestFailingBackend calls a backend that is down, hangs, answers garbage or
// fails, on every door.
func TestFailingBackend(t *testing.T) {
	for _, c := range []struct {
		name    string
		handler rpctest.Handler
		stop    bool // the backend before the calls
		want    answers
	}{
		{
			name: "down",
			stop: true,
			want: answers{
				restStatus: http.StatusServiceUnavailable,
				rest:       `{"code":14,"message":"the backend is not reachable","details":[]}`,
				graphql:    `{"errors":[{"message":"the backend is not reachable","path":["get"],"locations":[{"line":1,"column":3}],"extensions":{"code":"UNAVAILABLE","grpc":{"code":14,"status":"UNAVAILABLE"}}}],"data":{"get":null}}`,
				grpc:       codes.Unavailable,
				grpcText:   "the backend is not reachable",
				connect:    `{"code":"unavailable","message":"the backend is not reachable"}`,
				web:        "grpc-message: the backend is not reachable\r\ngrpc-status: 14\r\n",
			},
		},
		{
			name:    "hangs",
			handler: rpctest.NewHang().Handle,
			want: answers{
				restStatus: http.StatusGatewayTimeout,
				rest:       `{"code":4,"message":"the deadline of the call passed","details":[]}`,
				graphql:    `{"errors":[{"message":"the deadline of the call passed","path":["get"],"locations":[{"line":1,"column":3}],"extensions":{"code":"DEADLINE_EXCEEDED","grpc":{"code":4,"status":"DEADLINE_EXCEEDED"}}}],"data":{"get":null}}`,
				grpc:       codes.DeadlineExceeded,
				grpcText:   "the deadline of the call passed",
				connect:    `{"code":"deadline_exceeded","message":"the deadline of the call passed"}`,
				web:        "grpc-message: the deadline of the call passed\r\ngrpc-status: 4\r\n",
			},
		},
		{
			name:    "garbage",
			handler: rpctest.Answer([]byte{0x0a, 0xff}),
			want: answers{
				restStatus: http.StatusInternalServerError,
				rest:       `{"code":13,"message":"the backend's answer is not a valid silent.v1.Event","details":[]}`,
				graphql:    `{"errors":[{"message":"the backend's answer is not a valid message","path":["get"],"locations":[{"line":1,"column":3}],"extensions":{"code":"INTERNAL","grpc":{"code":13,"status":"INTERNAL"}}}],"data":{"get":null}}`,
				grpc:       codes.OK, // gRPC passes bytes as they are
				connect:    "\n\xff",
				web:        "grpc-status: 0\r\n",
			},
		},
		{
			name:    "fails",
			handler: rpctest.Fail(status.New(codes.FailedPrecondition, "the shelf is full")),
			want: answers{
				restStatus: http.StatusBadRequest,
				rest:       `{"code":9,"message":"the shelf is full","details":[]}`,
				graphql:    `{"errors":[{"message":"the shelf is full","path":["get"],"locations":[{"line":1,"column":3}],"extensions":{"code":"FAILED_PRECONDITION","grpc":{"code":9,"status":"FAILED_PRECONDITION"}}}],"data":{"get":null}}`,
				grpc:       codes.FailedPrecondition,
				grpcText:   "the shelf is full",
				connect:    `{"code":"failed_precondition","message":"the shelf is full"}`,
				web:        "grpc-message: the shelf is full\r\ngrpc-status: 9\r\n",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			snapshot := rpctest.Compile(t, map[string]string{"silent.proto": silentService})
			backend := rpctest.Start(t, map[string]rpctest.Handler{"/silent.v1.Silent/Get": c.handler},
				rpctest.Reflect(snapshot.Backends[0]))
			g, stop := startGateway(t, waiting(backend.Address, timeoutFor(c.want.grpc)))
			defer stop()
			if c.stop {
				backend.Stop()
				awaitLoss(t, g.Addr())
			}
			checkREST(t, g.Addr(), c.want)
			checkGraphQL(t, g.Addr(), c.want)
			checkGRPC(t, g.Addr(), c.want)
			checkConnect(t, g.Addr(), c.want)
			checkGRPCWeb(t, g.Addr(), c.want)
		})
	}
}

// awaitLoss waits until a gateway knows that it has no connection to its backend any more: calls until then may
// be on the old one when it breaks, and are told so.
func awaitLoss(t *testing.T, address string) {
	t.Helper()
	await(t, "that the backend is gone", func() bool {
		_, body := fetch(t, "http://"+address+"/v1/event")
		return strings.Contains(body, "not reachable")
	})
}

// timeoutFor returns the timeout of calls that are to end with a code: short where they run into it, else one
// that only a hanging test takes.
func timeoutFor(code codes.Code) time.Duration {
	if code == codes.DeadlineExceeded {
		return 300 * time.Millisecond
	}
	return exchangeTimeout
}

// waiting is a configuration with a timeout for calls and no breaker.
func waiting(address string, timeout time.Duration) *configv1.Config {
	return &configv1.Config{
		Backends: []*configv1.Backend{backendAt("silent", address)},
		Policies: []*configv1.PolicyRule{{
			Selector: proto.String("*"),
			Policy: &policyv1.Policy{
				Timeout: &policyv1.Timeout{Call: durationpb.New(timeout)},
				Breaker: &policyv1.Breaker{Disabled: proto.Bool(true)},
			},
		}},
	}
}

func checkREST(t *testing.T, address string, want answers) {
	t.Helper()
	status, body := fetch(t, "http://"+address+"/v1/event")
	if status != want.restStatus || strings.TrimSpace(body) != want.rest {
		t.Errorf("REST: %d %s", status, body)
	}
}

func checkGraphQL(t *testing.T, address string, want answers) {
	t.Helper()
	resp, err := http.Post("http://"+address+"/graphql", "application/json", strings.NewReader(`{"query":"{ get { text } }"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(string(body)) != want.graphql {
		t.Errorf("GraphQL: %s", body)
	}
}

func checkGRPC(t *testing.T, address string, want answers) {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), exchangeTimeout)
	defer cancel()
	err = conn.Invoke(ctx, "/silent.v1.Silent/Get", &rawMessage{}, &rawMessage{}, grpc.ForceCodec(rawCodec{}))
	if status.Code(err) != want.grpc || status.Convert(err).Message() != want.grpcText {
		t.Errorf("gRPC: %v", err)
	}
}

func checkConnect(t *testing.T, address string, want answers) {
	t.Helper()
	resp, body := postRPC(t, address, "application/proto", "")
	if string(body) != want.connect {
		t.Errorf("Connect: %d %q", resp.StatusCode, body)
	}
	if want.grpc != codes.OK && resp.StatusCode != want.restStatus {
		t.Errorf("Connect: status %d", resp.StatusCode)
	}
}

func checkGRPCWeb(t *testing.T, address string, want answers) {
	t.Helper()
	resp, body := postRPC(t, address, "application/grpc-web+proto", emptyFrame)
	_, last, ok := bytes.Cut(body, []byte{0x80, 0, 0, 0, byte(len(want.web))})
	if !ok || string(last) != want.web || resp.StatusCode != http.StatusOK {
		t.Errorf("gRPC-Web: %d %q", resp.StatusCode, body)
	}
}

func postRPC(t *testing.T, address, contentType, body string) (*http.Response, []byte) {
	t.Helper()
	resp, err := http.Post("http://"+address+"/silent.v1.Silent/Get", contentType, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, answer
}

// TestGatewayBeforeBackend starts the gateway before there is a backend.
func TestGatewayBeforeBackend(t *testing.T) {
	snapshot := rpctest.Compile(t, map[string]string{"silent.proto": silentService})
	listener := listenForHandover(t)
	address := listener.Addr().String()
	listener.Close()
	config := waiting(address, exchangeTimeout)
	config.StartupGrace = durationpb.New(0)
	g, stop := startGateway(t, config)
	defer stop()
	if status, _ := fetch(t, "http://"+g.Addr()+"/v1/event"); status != http.StatusNotFound {
		t.Errorf("a route of a backend that was never seen answers %d", status)
	}
	rpctest.Start(t, map[string]rpctest.Handler{"/silent.v1.Silent/Get": rpctest.Answer(nil)},
		rpctest.Reflect(snapshot.Backends[0]), rpctest.At(address))
	await(t, "the backend's route", func() bool {
		status, _ := fetch(t, "http://"+g.Addr()+"/v1/event")
		return status == http.StatusOK
	})
}

// TestTooLarge sends bodies over the limits.
func TestTooLarge(t *testing.T) {
	g := silentGateway(t, nil)
	body := `{"text":"` + strings.Repeat("x", 5<<20) + `"}`
	for _, path := range []string{"/silent.v1.Silent/Get", "/graphql"} {
		resp, err := http.Post("http://"+g+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: %d %s", path, resp.StatusCode, text)
		}
	}
	for contentType, want := range map[string]string{
		"application/proto":    `{"code":"resource_exhausted","message":"a request message is larger than the limit of 4194304 bytes"}`,
		"application/grpc-web": "\x80\x00\x00\x00\x5bgrpc-message: a request message is larger than the limit of 4194304 bytes\r\ngrpc-status: 8\r\n",
	} {
		if _, answer := postRPC(t, g, contentType, "\x00\x00\x50\x00\x00"+body); string(answer) != want {
			t.Errorf("%s: %q", contentType, answer)
		}
	}
	if status, body := fetch(t, "http://"+g+"/v1/event?x="+strings.Repeat("x", 9<<10)); status != http.StatusRequestURITooLong {
		t.Errorf("a long URL: %d %s", status, body)
	}
}
