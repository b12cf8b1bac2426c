package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// shopProto makes the graph of shopSchema, but for what may be null and the argument of its mutation.
const shopProto = `
syntax = "proto3";
package shop.v1;
import "google/api/field_behavior.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/wrappers.proto";
import "protean/options/v1/options.proto";
service Reads {
  rpc Hello(HelloRequest) returns (google.protobuf.StringValue) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Silent(google.protobuf.Empty) returns (google.protobuf.StringValue) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Fails(google.protobuf.Empty) returns (google.protobuf.StringValue) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Panics(google.protobuf.Empty) returns (google.protobuf.StringValue) { option idempotency_level = NO_SIDE_EFFECTS; }
}
service Writes { rpc Rename(RenameRequest) returns (google.protobuf.StringValue); }
service Streams {
  rpc Count(CountRequest) returns (stream google.protobuf.Int32Value);
  rpc WatchSilent(google.protobuf.Empty) returns (stream google.protobuf.Int32Value);
  rpc Breaks(google.protobuf.Empty) returns (stream google.protobuf.Int32Value);
  rpc WatchPanics(google.protobuf.Empty) returns (stream google.protobuf.Int32Value);
}
message HelloRequest { string name = 1; }
message RenameRequest { string to = 1; }
message CountRequest { int32 to = 1 [(google.api.field_behavior) = REQUIRED]; }
`

// serveGraph serves the shop as a graph of ours.
func serveGraph(t *testing.T, o HTTPOptions) (*httptest.Server, *shop) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	s := newShop()
	s.graph = true
	g, problems := New(rpctest.Compile(t, map[string]string{"shop.proto": shopProto}), s.handle, Options{HTTP: o})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			body = []byte(s.words(string(body)))
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		}
		g.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server, s
}

// handle is the backend of the graph.
func (s *shop) handle(ctx context.Context, c *rpc.Call, stream rpc.Stream) error {
	_, _, n := protowire.ConsumeTag(c.Request)
	given := c.Request[max(n, 0):]
	text := func(prefix string) error {
		name, _ := protowire.ConsumeBytes(given)
		return stream.Send(protowire.AppendString([]byte{0x0a}, prefix+string(name)))
	}
	number := func(n uint64) error { return stream.Send(protowire.AppendVarint([]byte{0x08}, n)) }
	switch strings.TrimPrefix(c.Method.Path, "/shop.v1.") {
	case "Reads/Hello":
		s.asked(c)
		if len(given) == 0 {
			return text("Hello")
		}
		return text("Hello, ")
	case "Writes/Rename":
		return text("")
	case "Reads/Fails":
		return status.Error(codes.NotFound, "there is no such thing")
	case "Reads/Silent":
		s.wait(ctx)
		return rpc.ContextError(ctx)
	case "Streams/Count":
		for to, i := uint64(given[0]), uint64(1); i <= to; i++ {
			if err := number(i); err != nil {
				return err
			}
		}
		return nil
	case "Streams/Breaks", "Streams/WatchSilent":
		if err := number(1); err != nil {
			return err
		}
		if c.Method.Descriptor.Name() == "Breaks" {
			return status.Error(codes.Unavailable, "the backend is gone")
		}
		s.wait(ctx)
		return rpc.ContextError(ctx)
	}
	panic("this text must not reach a client")
}

// asked tells of the client of a call, where somebody wants to know.
func (s *shop) asked(c *rpc.Call) {
	select {
	case s.requests <- Request{Metadata: maps.Clone(c.Metadata), Peer: c.Peer}:
	default:
	}
}

// eachShop runs a test with the shop as gqlgen's executor serves it, and as a graph of ours does.
func eachShop(t *testing.T, run func(t *testing.T, serve func(*testing.T, HTTPOptions) (*httptest.Server, *shop))) {
	t.Helper()
	t.Run("gqlgen", func(t *testing.T) { run(t, serveShop) })
	t.Run("graph", func(t *testing.T) { run(t, serveGraph) })
}

// words puts a request into the words of the shop's schema.
func (s *shop) words(request string) string {
	if s.graph {
		return strings.NewReplacer(
			`rename(to: \"x\")`, `rename(input: {to: \"x\"})`, `rename(to:"x")`, `rename(input:{to:"x"})`,
			`subscription { silent }`, `subscription { silent: watchSilent }`,
			`subscription { panics }`, `subscription { panics: watchPanics }`,
		).Replace(request)
	}
	return request
}

// answers reports whether an answer is as wanted, word for word. That of a graph may say more of its errors.
func (s *shop) answers(got, want string) bool {
	if !s.graph || got == want {
		return got == want
	}
	got = strings.ReplaceAll(got, `"data":{"fails":null}`, `"data":null`) // root fields of ours may be null
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range g {
		if len(g) != len(w) || !sameAnswer(g[i], w[i]) {
			return false
		}
	}
	return true
}

// sameAnswer compares two lines, of JSON by their meaning.
func sameAnswer(got, want string) bool {
	text := func(line string) []byte { return []byte(strings.TrimPrefix(line, "data: ")) }
	var g, w any
	if json.Unmarshal(text(got), &g) != nil || json.Unmarshal(text(want), &w) != nil {
		return got == want
	}
	return reflect.DeepEqual(plainErrors(g), plainErrors(w))
}

// plainErrors leaves out where an error is and what gRPC says of it.
func plainErrors(v any) any {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			plainErrors(element)
		}
	case map[string]any:
		if _, isError := v["message"]; isError {
			delete(v, "locations")
			delete(v, "path")
			extensions, _ := v["extensions"].(map[string]any)
			delete(extensions, "grpc")
		}
		for _, member := range v {
			plainErrors(member)
		}
	}
	return v
}
