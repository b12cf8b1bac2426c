package graph

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// TestOperationsDoNotMix: what operations share in turn never shows in another one, whether they are answered, refused, fail or
// are given up.
func TestOperationsDoNotMix(t *testing.T) {
	snap := rpctest.Compile(t, map[string]string{"echo.proto": `
syntax = "proto3";
package echo.v1;
import "google/protobuf/timestamp.proto";
service Echo { rpc GetIt(It) returns (It); rpc WatchIt(It) returns (stream It); }
message It { string text = 1; bytes raw = 2; google.protobuf.Timestamp at = 3; repeated It list = 4; }
`})
	g, problems := New(snap, func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
		if err := s.Send(c.Request); err != nil || !c.Method.ServerStreams {
			return err
		}
		return s.Send(c.Request)
	}, Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 150 {
				echo(t, g, fmt.Sprintf("%d-%d-%s", worker, i, strings.Repeat("x", i*worker)), i)
			}
		})
	}
	wg.Wait()
}

// echo sends a text in one of several ways and looks for it, and nothing else of its kind, in the answer.
func echo(t *testing.T, g *Graph, text string, way int) {
	const declared = `($it: ItInput!, $text: String!, $at: DateTime, $raw: Bytes)`
	const selected = `{ getIt(list: [$it], text: $text, at: $at, raw: $raw) { list { text } text at raw } }`
	query, accept, want := "query "+declared+" "+selected, mediaGraphQL, fmt.Sprintf(
		`{"list":[{"text":"%s"}],"text":"%s\n","at":"2026-01-01T00:00:%02dZ","raw":"%s"}`, text, text, way%60, "AAAA")
	answer := `{"data":{"getIt":` + want + `}}`
	switch way % 5 {
	case 1:
		query, accept = strings.NewReplacer("query", "subscription", "getIt", "watchIt").Replace(query), mediaEvents
		answer = `data: {"data":{"watchIt":` + want + `}}`
	case 2: // refused
		query = strings.Replace(query, "[$it]", "[$other]", 1)
		answer = `Variable \"$other\" is not defined`
	}
	body := fmt.Sprintf(`{"query":%q,"variables":{"it":{"text":"%s"},"text":"%s\n","at":"2026-01-01T00:00:%02dZ","raw":"AAAA"}}`,
		query, text, text, way%60)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if way%5 == 3 { // given up
		cancel()
		answer = "the client gave up"
	}
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/graphql", strings.NewReader(body))
	r.Header.Set("Content-Type", mediaJSON)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	if g.ServeHTTP(w, r); !strings.Contains(w.Body.String(), answer) {
		t.Errorf("%s: %s, want %s", body, w.Body, answer)
	}
}
