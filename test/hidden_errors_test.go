package test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/gateway"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// TestHiddenErrorsAreLogged checks that what clients do not see of an error, its trailers included, is in the log under the
// id of the request.
func TestHiddenErrorsAreLogged(t *testing.T) {
	failure, err := status.New(codes.Unknown, "password=hunter2").WithDetails(&errdetails.ErrorInfo{Reason: "SQL"})
	if err != nil {
		t.Fatal(err)
	}
	snapshot := rpctest.Compile(t, map[string]string{"shapes.proto": shapesService})
	fail := func(s *rpctest.Stream) error {
		s.SetTrailer(metadata.Pairs("stack", "db.go:12"))
		return failure.Err()
	}
	backend := rpctest.Start(t, map[string]rpctest.Handler{shapeRead.path(): fail, shapeWrite.path(): fail}, rpctest.Reflect(snapshot.Backends[0]))
	var log lockedBuffer
	g, stop := startLoggedGateway(t, &log, &configv1.Config{
		Backends: []*configv1.Backend{backendAt("shapes", backend.Address)},
		Policies: []*configv1.PolicyRule{
			{Selector: proto.String("*"), Policy: &policyv1.Policy{Errors: &policyv1.Errors{Hide: []string{"UNKNOWN"}}}},
			{Selector: proto.String("shapes.v1.Shapes.Write"), Policy: &policyv1.Policy{Errors: &policyv1.Errors{}}},
		},
	})
	body := func(method, path string) string {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+g.Addr()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Request-Id", "request-7")
		r.Header.Set("Te", "trailers")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		var shown bytes.Buffer
		_ = res.Trailer.Write(&shown)
		return string(text) + shown.String()
	}
	if got := body(http.MethodGet, "/v1/note"); !strings.Contains(got, `"code":2`) || !strings.Contains(got, "request id request-7") ||
		strings.Contains(got, "hunter2") || strings.Contains(got, "SQL") || strings.Contains(got, "db.go") {
		t.Errorf("hidden: %s", got)
	}
	if got := body(http.MethodPost, "/v1/note"); !strings.Contains(got, "hunter2") || !strings.Contains(got, "SQL") || !strings.Contains(got, "db.go") {
		t.Errorf("a more specific policy that hides nothing: %s", got)
	}
	stop()
	line := loggedLine(t, log.String(), "error of the backend hidden from the client")
	for name, want := range map[string]any{
		"id": "request-7", "method": "/shapes.v1.Shapes/Read", "backend": "shapes", "code": "Unknown", "message": "password=hunter2",
	} {
		if line[name] != want {
			t.Errorf("the log has %s=%v, want %v", name, line[name], want)
		}
	}
	if details, _ := json.Marshal(line["details"]); !strings.Contains(string(details), "SQL") {
		t.Errorf("the log has the details %s", details)
	}
}

// loggedLine returns the one line of a log with a message.
func loggedLine(t *testing.T, log, message string) (found map[string]any) {
	t.Helper()
	for text := range strings.Lines(log) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		if line["msg"] != message {
			continue
		}
		if found != nil {
			t.Errorf("%q is logged twice", message)
		}
		found = line
	}
	if found == nil {
		t.Fatalf("%q is not logged: %s", message, log)
	}
	return found
}

// startLoggedGateway is startGateway with a log, in JSON.
func startLoggedGateway(t *testing.T, log io.Writer, config *configv1.Config) (g *gateway.Gateway, stop func()) {
	t.Helper()
	config.Listen, config.Admin = proto.String("127.0.0.1:0"), proto.String("127.0.0.1:0")
	g, err := gateway.New(config, slog.New(slog.NewJSONHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx, nil) }()
	<-g.Ready()
	return g, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
}
