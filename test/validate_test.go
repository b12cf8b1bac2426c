package test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

const shelfService = `
edition = "2023";
package shelf.v1;
import "buf/validate/validate.proto";
import "google/api/annotations.proto";
import "google/api/field_behavior.proto";

service Shelves {
  rpc CreateBook(CreateBookRequest) returns (Book) {
    option (google.api.http) = {post: "/v1/books" body: "book"};
  }
  rpc Import(stream Book) returns (Book);
}
message CreateBookRequest { Book book = 1 [(google.api.field_behavior) = REQUIRED]; }
message Book {
  string page_title = 1 [(google.api.field_behavior) = REQUIRED];
  repeated string authors = 2 [(buf.validate.field).repeated.items.string.min_len = 3];
}
`

// TestValidationOnEveryDoor sends a request that is not valid through each door: it is
// refused with what is wrong, in the door's own terms, and the backend never hears of it.
func TestValidationOnEveryDoor(t *testing.T) {
	snapshot := rpctest.Compile(t, map[string]string{"shelf.proto": shelfService})
	backend := rpctest.Start(t, map[string]rpctest.Handler{
		"/shelf.v1.Shelves/CreateBook": rpctest.Answer([]byte("\n\x04well")),
		"/shelf.v1.Shelves/Import":     rpctest.Answer([]byte("\n\x04well")),
	}, rpctest.Reflect(snapshot.Backends[0]))
	g, stop := startGateway(t, &configv1.Config{
		Backends: []*configv1.Backend{backendAt("shelf", backend.Address)},
		Policies: []*configv1.PolicyRule{{Selector: proto.String("*"), Policy: &policyv1.Policy{
			Validate: &policyv1.Validate{Enabled: proto.Bool(true)},
		}}},
	})
	defer stop()
	const book = `{"authors":["Ann","B"]}`
	for _, door := range []struct{ name, path, body, want string }{
		{"REST", "/v1/books", book,
			`"fieldViolations":[{"field":"/book/authors/1","description":"must be at least 3 characters","reason":"STRING_MIN_LEN"},{"field":"/book/pageTitle","description":"value is required","reason":"REQUIRED"}]`},
		{"Connect", "/shelf.v1.Shelves/CreateBook", `{"book":` + book + `}`,
			`"debug":{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"book.authors[1]"`},
		{"GraphQL", "/graphql", `{"query":"mutation { createBook(input: {book: {authors: [\"Ann\", \"B\"], pageTitle: \"\"}}) { pageTitle } }"}`,
			`"path":["input","book","authors",1]`},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+g.Addr()+door.path, strings.NewReader(door.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if door.name == "Connect" {
			r.Header.Set("Connect-Protocol-Version", "1")
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || !strings.Contains(string(text), door.want) || door.name != "GraphQL" && response.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d %s", door.name, response.StatusCode, text)
		}
	}
	conn, err := grpc.NewClient(g.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), exchangeTimeout)
	defer cancel()
	checkViolation(t, conn.Invoke(ctx, "/shelf.v1.Shelves/CreateBook", &rawMessage{}, &rawMessage{}, grpc.ForceCodec(rawCodec{})), "book")

	if n := backend.Calls("/shelf.v1.Shelves/CreateBook"); n > 0 {
		t.Errorf("%d requests that are not valid reached the backend", n)
	}
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, "/shelf.v1.Shelves/Import", grpc.ForceCodec(rawCodec{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []string{"\n\x04well", "\x12\x03Ann"} { // the second has no title
		_ = stream.SendMsg(&rawMessage{bytes: []byte(m)}) // RecvMsg has the status
	}
	checkViolation(t, stream.RecvMsg(&rawMessage{}), "page_title")
	if err := conn.Invoke(ctx, "/shelf.v1.Shelves/CreateBook", &rawMessage{bytes: []byte("\n\x03\n\x01t")}, &rawMessage{}, grpc.ForceCodec(rawCodec{})); err != nil {
		t.Errorf("a request that is valid: %v", err)
	}
}

// checkViolation checks that an error names just one field.
func checkViolation(t *testing.T, err error, field string) {
	t.Helper()
	st := status.Convert(err)
	if st.Code() != codes.InvalidArgument || len(st.Details()) != 1 {
		t.Errorf("%v", err)
		return
	}
	bad, ok := st.Details()[0].(*errdetails.BadRequest)
	if !ok || len(bad.GetFieldViolations()) != 1 || bad.GetFieldViolations()[0].GetField() != field {
		t.Errorf("details %v", st.Details())
	}
}
