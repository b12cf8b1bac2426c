// Package conformance runs what others wrote, servers and clients, against the gateway.
package conformance

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
)

// build compiles a main package of the module in dir and returns the path of the binary.
func build(t *testing.T, dir, pkg string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), filepath.Base(pkg))
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", binary, pkg)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return binary
}

// start runs a server until the test ends and returns the address that it prints.
func start(t *testing.T, binary string, args ...string) string {
	t.Helper()
	cmd := exec.Command(binary, args...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if i := strings.Index(lines.Text(), "127.0.0.1:"); i >= 0 {
			address, _, _ := strings.Cut(lines.Text()[i:], " ")
			return address
		}
	}
	t.Fatalf("%s printed no address", binary)
	return ""
}

// startInterop starts gRPC's own interoperability server and the gateway before
// it, without a line of configuration.
func startInterop(t *testing.T) (gateway string) {
	t.Helper()
	backend := start(t, build(t, ".", "./interopserver"))
	gateway = start(t, build(t, "../..", "./cmd/protean"), "serve", backend, "--listen", "127.0.0.1:0", "--admin", "off")
	for begin := time.Now(); time.Since(begin) < 30*time.Second; time.Sleep(20 * time.Millisecond) {
		resp, err := http.Post("http://"+gateway+"/grpc.testing.TestService/EmptyCall", "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return gateway
		}
	}
	t.Fatal("the interop server is not served")
	return ""
}

// TestForeignServer serves a server that this project did not write, on every door.
func TestForeignServer(t *testing.T) {
	gateway := startInterop(t)
	for _, c := range []struct{ name, path, accept, body, want string }{
		{
			name: "REST unary",
			path: "/grpc.testing.TestService/UnaryCall",
			body: `{"responseSize": 3, "payload": {"body": "AAAA"}}`,
			want: `{"payload":{"body":"AAAA"}}`,
		},
		{
			name: "REST server stream as NDJSON",
			path: "/grpc.testing.TestService/StreamingOutputCall",
			body: `{"responseParameters": [{"size": 1}, {"size": 2}]}`,
			want: `{"data":{"payload":{"body":"AA=="}}}` + "\n" + `{"data":{"payload":{"body":"AAA="}}}` + "\n" + `{"end":{}}`,
		},
		{
			name: "REST error",
			path: "/grpc.testing.TestService/UnaryCall",
			body: `{"responseStatus": {"code": 5, "message": "not here"}}`,
			want: `{"code":5,"message":"not here","details":[]}`,
		},
		{
			name: "GraphQL mutation",
			path: "/graphql",
			body: `{"query": "mutation { unaryCall(input: {responseSize: 3}) { payload { body } } }"}`,
			want: `{"data":{"unaryCall":{"payload":{"body":"AAAA"}}}}`,
		},
		{
			name:   "GraphQL subscription",
			path:   "/graphql",
			accept: "text/event-stream",
			body:   `{"query": "subscription { streamingOutputCall(responseParameters: [{size: 1}, {size: 2}]) { payload { body } } }"}`,
			want: "event: next\n" + `data: {"data":{"streamingOutputCall":{"payload":{"body":"AA=="}}}}` + "\n\n" +
				"event: next\n" + `data: {"data":{"streamingOutputCall":{"payload":{"body":"AAA="}}}}` + "\n\n" +
				"event: complete",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := post(t, "http://"+gateway+c.path, c.accept, c.body); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
	t.Run("gRPC bidi by grpcurl", func(t *testing.T) { bidiByGrpcurl(t, gateway) })
}

func post(t *testing.T, url, accept, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	// Comments of event streams, and the data line that ends them, say nothing.
	text := strings.TrimPrefix(string(answer), ":\n\n")
	return strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "data:"))
}

func bidiByGrpcurl(t *testing.T, gateway string) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "tool", "grpcurl", "-plaintext", "-d", "@", gateway, "grpc.testing.TestService/FullDuplexCall")
	cmd.Stdin = strings.NewReader(`{"responseParameters": [{"size": 1}]} {"responseParameters": [{"size": 2}]}`)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	got := strings.Join(strings.Fields(string(out)), "")
	if want := `{"payload":{"body":"AA=="}}{"payload":{"body":"AAA="}}`; got != want {
		t.Errorf("got %s", out)
	}
}

// TestInteropClient runs gRPC's own interoperability client through the gateway.
// The cases about compression and credentials of cloud providers need flags and
// accounts that a plain server has not.
func TestInteropClient(t *testing.T) {
	conn, err := grpc.NewClient(startInterop(t), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := testgrpc.NewTestServiceClient(conn)
	for name, run := range map[string]func(context.Context){
		"empty_unary":                 func(ctx context.Context) { interop.DoEmptyUnaryCall(ctx, client) },
		"large_unary":                 func(ctx context.Context) { interop.DoLargeUnaryCall(ctx, client) },
		"client_streaming":            func(ctx context.Context) { interop.DoClientStreaming(ctx, client) },
		"server_streaming":            func(ctx context.Context) { interop.DoServerStreaming(ctx, client) },
		"ping_pong":                   func(ctx context.Context) { interop.DoPingPong(ctx, client) },
		"empty_stream":                func(ctx context.Context) { interop.DoEmptyStream(ctx, client) },
		"timeout_on_sleeping_server":  func(ctx context.Context) { interop.DoTimeoutOnSleepingServer(ctx, client) },
		"cancel_after_begin":          func(ctx context.Context) { interop.DoCancelAfterBegin(ctx, client) },
		"cancel_after_first_response": func(ctx context.Context) { interop.DoCancelAfterFirstResponse(ctx, client) },
		"status_code_and_message":     func(ctx context.Context) { interop.DoStatusCodeAndMessage(ctx, client) },
		"special_status_message":      func(ctx context.Context) { interop.DoSpecialStatusMessage(ctx, client) },
		"custom_metadata":             func(ctx context.Context) { interop.DoCustomMetadata(ctx, client) },
		"unimplemented_method":        func(ctx context.Context) { interop.DoUnimplementedMethod(ctx, conn) },
		"unimplemented_service": func(ctx context.Context) {
			interop.DoUnimplementedService(ctx, testgrpc.NewUnimplementedServiceClient(conn))
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			run(ctx) // it ends the process where a case fails
		})
	}
}
