package graph

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// TestTrace traces where a gateway of Apollo asks a subgraph for it, and nowhere else. What is in the trace
// is read by Apollo's own library in test/clients.
func TestTrace(t *testing.T) {
	snap := rpctest.Compile(t, map[string]string{"in.proto": inputProto})
	handler := func(_ context.Context, c *rpc.Call, s rpc.Stream) error {
		if len(c.Request) > 0 {
			return status.Error(codes.NotFound, "there is none")
		}
		return s.Send(nil)
	}
	const query = `{ one: getIt { int } getIt(int: 1) { int } __typename }`
	for name, c := range map[string]struct {
		federation bool
		header     string
		traced     bool
	}{
		"asked for":     {true, "ftv1", true},
		"not asked for": {true, "", false},
		"another form":  {true, "ftv2", false},
		"no subgraph":   {false, "ftv1", false},
	} {
		t.Run(name, func(t *testing.T) {
			g, _ := New(snap, handler, Options{Federation: c.federation})
			text, err := json.Marshal(map[string]string{"query": query})
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", bytes.NewReader(text))
			r.Header.Set("Content-Type", "application/json")
			if c.header != "" {
				r.Header.Set("apollo-federation-include-trace", c.header)
			}
			w := httptest.NewRecorder()
			g.ServeHTTP(w, r)
			var answer struct {
				Data       json.RawMessage
				Extensions map[string]string
			}
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
				t.Fatal(err)
			}
			trace, err := base64.StdEncoding.DecodeString(answer.Extensions["ftv1"])
			if err != nil || (len(trace) > 0) != c.traced || len(answer.Extensions) > 0 != c.traced {
				t.Fatalf("%v in %s", err, w.Body)
			}
			if c.traced && (!strings.Contains(string(trace), "there is none") || strings.Count(string(trace), "getIt") < 2) {
				t.Errorf("the trace lacks something: %q", trace)
			}
		})
	}
}
