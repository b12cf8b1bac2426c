package graph

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// refusalText is what a client is told of an operation that was refused.
type refusalText struct{ Code, Message string }

// transports send an operation in each way that there is, and return its first error.
var transports = map[string]func(t *testing.T, base, query string) refusalText{
	"POST": func(t *testing.T, base, query string) refusalText {
		return firstError(t, send(t, http.MethodPost, base, mediaGraphQL, query))
	},
	"GET": func(t *testing.T, base, query string) refusalText {
		return firstError(t, send(t, http.MethodGet, base+"?query="+url.QueryEscape(query), mediaGraphQL, ""))
	},
	"SSE by POST": func(t *testing.T, base, query string) refusalText {
		return firstError(t, nextEvent(t, send(t, http.MethodPost, base, mediaEvents, query)))
	},
	"SSE by GET": func(t *testing.T, base, query string) refusalText {
		return firstError(t, nextEvent(t, send(t, http.MethodGet, base+"?query="+url.QueryEscape(query), mediaEvents, "")))
	},
	"SSE on one connection": func(t *testing.T, base, query string) refusalText {
		token, err := io.ReadAll(send(t, http.MethodPut, base, "", ""))
		if err != nil {
			t.Fatal(err)
		}
		return firstError(t, send(t, http.MethodPost, base+"?token="+string(token), mediaGraphQL, query))
	},
	"WebSocket": refusalOnWebSocket,
}

func refusalOnWebSocket(t *testing.T, base, query string) refusalText {
	conn := connect(t, base, subprotocol, "")
	subscribe, err := json.Marshal(map[string]any{"id": "1", "type": "subscribe", "payload": map[string]string{"query": query}})
	if err != nil {
		t.Fatal(err)
	}
	for _, message := range []string{`{"type":"connection_init"}`, string(subscribe)} {
		if err := conn.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
			t.Fatal(err)
		}
	}
	receive(conn) // the acknowledgement
	var answer struct{ Payload json.RawMessage }
	if text := receive(conn); json.Unmarshal([]byte(text), &answer) != nil {
		t.Fatalf("got %s", text)
	}
	return firstError(t, strings.NewReader(`{"errors":`+string(answer.Payload)+`}`))
}

// send sends an operation with an id, for those transports that want one.
func send(t *testing.T, method, target, accept, query string) io.Reader {
	t.Helper()
	var body io.Reader
	if query != "" {
		text, err := json.Marshal(map[string]any{"query": query, "extensions": map[string]string{"operationId": "1"}})
		if err != nil {
			t.Fatal(err)
		}
		body = strings.NewReader(string(text))
	}
	r, err := http.NewRequestWithContext(t.Context(), method, target, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = response.Body.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return response.Body
}

// nextEvent returns the data of the first event.
func nextEvent(t *testing.T, stream io.Reader) io.Reader {
	t.Helper()
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			return strings.NewReader(data)
		}
	}
	t.Fatal("there is no event")
	return nil
}

func firstError(t *testing.T, response io.Reader) refusalText {
	t.Helper()
	var answer struct {
		Data   json.RawMessage
		Errors []struct {
			Message    string
			Extensions struct{ Code string }
		}
	}
	text, err := io.ReadAll(response)
	if err != nil || json.Unmarshal(text, &answer) != nil || len(answer.Errors) == 0 || answer.Data != nil {
		t.Fatalf("not a refusal: %.300s, %v", text, err)
	}
	return refusalText{answer.Errors[0].Extensions.Code, answer.Errors[0].Message}
}

// TestGuardsOnEveryTransport: what is refused is refused by each with the same code
// and in the same words, and nothing is called.
func TestGuardsOnEveryTransport(t *testing.T) {
	var calls atomic.Int64
	g, _ := New(rpctest.Compile(t, map[string]string{"in.proto": inputProto}), func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
		calls.Add(1)
		return s.Send(nil)
	}, Options{IntrospectionDisabled: true, MaxTokens: 3000})
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	for _, c := range []struct{ name, query, code string }{
		{"no document", `{ getIt { int }`, codeParse},
		{"tokens", `{ getIt { ` + strings.Repeat("int ", 3000) + ` } }`, codeParse},
		{"depth", `{ getIt { inner { ` + strings.Repeat("list { ", 13) + "n" + strings.Repeat(" }", 13) + ` } } }`, codeValidation},
		{"aliases", `{ getIt { ` + repeated("a%d: int ", 251) + ` } }`, codeValidation},
		{"directives", `{ getIt { int ` + strings.Repeat("@include(if: true) ", 251) + ` } }`, codeValidation},
		{"fragments that double", `{ getIt { inner { ...F0 } } } ` + doubling(20), codeValidation},
		{"calls", `{ ` + repeated("a%d: getIt { int } ", 51) + ` }`, codeValidation},
		{"operations", repeated("query Q%d { getIt { int } } ", 11), codeValidation},
		{"introspection", `{ __schema { types { name } } getIt { int } }`, codeValidation},
		{"an unknown field", `{ getIt { nothing } }`, codeValidation},
		{"a wrong value", `{ getIt(int: "1") { int } }`, codeValidation},
		{"a conflict", `{ getIt { a: int a: uint } }`, codeValidation},
		{"a missing variable", `query($a: String!) { getIt(required: {a: $a}) { int } }`, codeInput},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := transports["POST"](t, server.URL, c.query)
			if want.Code != c.code {
				t.Errorf("by POST: %+v, want %s", want, c.code)
			}
			for name, transport := range transports {
				if got := transport(t, server.URL, c.query); got != want {
					t.Errorf("%s: %+v, want %+v", name, got, want)
				}
			}
			if n := calls.Swap(0); n != 0 {
				t.Errorf("%d calls were made", n)
			}
		})
	}
}
