package graph

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
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

// members are those of a request: query, extensions and so on.
type members map[string]any

// transports send an operation in each way that there is, and return its first error.
var transports = map[string]func(t *testing.T, base string, m members) refusalText{
	"POST": func(t *testing.T, base string, m members) refusalText {
		return firstError(t, send(t, http.MethodPost, base, mediaGraphQL, m))
	},
	"GET": func(t *testing.T, base string, m members) refusalText {
		return firstError(t, send(t, http.MethodGet, m.inURL(t, base), mediaGraphQL, nil))
	},
	"SSE by POST": func(t *testing.T, base string, m members) refusalText {
		return firstError(t, nextEvent(t, send(t, http.MethodPost, base, mediaEvents, m)))
	},
	"SSE by GET": func(t *testing.T, base string, m members) refusalText {
		return firstError(t, nextEvent(t, send(t, http.MethodGet, m.inURL(t, base), mediaEvents, nil)))
	},
	"SSE on one connection": func(t *testing.T, base string, m members) refusalText {
		token, err := io.ReadAll(send(t, http.MethodPut, base, "", nil))
		if err != nil {
			t.Fatal(err)
		}
		m = maps.Clone(m)
		extensions, _ := m["extensions"].(map[string]any)
		if extensions = maps.Clone(extensions); extensions == nil {
			extensions = make(map[string]any)
		}
		extensions["operationId"] = "1"
		m["extensions"] = extensions
		return firstError(t, send(t, http.MethodPost, base+"?token="+string(token), mediaGraphQL, m))
	},
	"WebSocket": refusalOnWebSocket,
}

// inURL returns where a GET sends the request.
func (m members) inURL(t *testing.T, base string) string {
	q := make(url.Values)
	for name, v := range m {
		text, ok := v.(string)
		if !ok {
			raw, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			text = string(raw)
		}
		q.Set(name, text)
	}
	return base + "?" + q.Encode()
}

func refusalOnWebSocket(t *testing.T, base string, m members) refusalText {
	conn := connect(t, base, subprotocol, "")
	subscribe, err := json.Marshal(map[string]any{"id": "1", "type": "subscribe", "payload": m})
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

// send sends a request, in a body if there is one.
func send(t *testing.T, method, target, accept string, m members) io.Reader {
	t.Helper()
	var body io.Reader
	if m != nil {
		text, err := json.Marshal(m)
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
	hash := func(text string) map[string]any {
		sum := sha256.Sum256([]byte(text))
		return map[string]any{"persistedQuery": map[string]any{"version": 1, "sha256Hash": hex.EncodeToString(sum[:])}}
	}
	for _, c := range []struct{ name, query, code string }{
		{"no document", `{ getIt { int }`, codeParse},
		{"tokens", `{ getIt { ` + strings.Repeat("int ", 3000) + ` } }`, codeParse},
		{"depth", `{ getIt { inner { ` + strings.Repeat("list { ", 13) + "n" + strings.Repeat(" }", 13) + ` } } }`, codeValidation},
		{"aliases", `{ getIt { ` + repeated("a%d: int ", 251) + ` } }`, codeValidation},
		{"directives", `{ getIt { int ` + strings.Repeat("@include(if: true) ", 251) + ` } }`, codeValidation},
		{"fragments that double", `{ getIt { inner { ...F0 } } } ` + doubling(20), codeValidation},
		{"calls", `{ ` + repeated("a%d: getIt { int } ", 51) + ` }`, codeValidation},
		{"operations", repeated("query Q%d { getIt { int } } ", 11), codeValidation},
		{"fragments", `{ getIt { int } } ` + repeated("fragment F%d on It { int } ", 31), codeValidation},
		{"variables", `query(` + repeated("$v%d: Int ", 251) + `) { getIt { int } }`, codeValidation},
		{"no operation", `fragment F on It { int }`, codeValidation},
		{"several operations", `query A { getIt { int } } query B { getIt { int } }`, codeOperation},
		{"a fragment in itself", `{ getIt { ...F } } fragment F on It { inner { n } ...F }`, codeValidation},
		{"introspection", `{ __schema { types { name } } getIt { int } }`, codeValidation},
		{"an unknown field", `{ getIt { nothing } }`, codeValidation},
		{"a wrong value", `{ getIt(int: "1") { int } }`, codeValidation},
		{"a conflict", `{ getIt { a: int a: uint } }`, codeValidation},
		{"a missing variable", `query($a: String!) { getIt(required: {a: $a}) { int } }`, codeInput},
	} {
		t.Run(c.name, func(t *testing.T) { refusedAlike(t, server.URL, members{"query": c.query}, c.code) })
	}
	const query = `query($a: Int) { getIt(int: $a) { int } }`
	for name, c := range map[string]struct {
		members
		code string
	}{
		"an unknown operation":     {members{"query": query, "operationName": "Other"}, codeOperation},
		"a wrong variable":         {members{"query": query, "variables": members{"a": "1"}}, codeInput},
		"a hash that is not known": {members{"extensions": hash(query)}, codeNotPersisted},
		"the hash of another":      {members{"query": query, "extensions": hash("{ getIt { int } }")}, codeInput},
		"an id that is not known":  {members{"documentId": "none"}, codeNotPersisted},
	} {
		t.Run(name, func(t *testing.T) { refusedAlike(t, server.URL, c.members, c.code) })
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("%d calls were made", n)
	}
}

// refusedAlike sends a request by each transport.
func refusedAlike(t *testing.T, base string, m members, code string) {
	t.Helper()
	want := transports["POST"](t, base, m)
	if want.Code != code {
		t.Errorf("by POST: %+v, want %s", want, code)
	}
	for name, transport := range transports {
		if got := transport(t, base, m); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

// TestTrustedOnEveryTransport refuses documents that the operator does not know, on each alike.
func TestTrustedOnEveryTransport(t *testing.T) {
	var calls atomic.Int64
	trusted, err := NewTrustedDocuments(map[string]string{"known": `{ getIt { int } }`})
	if err != nil {
		t.Fatal(err)
	}
	g, _ := New(rpctest.Compile(t, map[string]string{"in.proto": inputProto}), func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
		calls.Add(1)
		return s.Send(nil)
	}, Options{HTTP: HTTPOptions{Clients: NewClients(ClientOptions{Trusted: trusted})}})
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	refusedAlike(t, server.URL, members{"query": `{ getIt { uint } }`}, codeNotTrusted)
	refusedAlike(t, server.URL, members{"documentId": "other"}, codeNotPersisted)
	if n := calls.Load(); n != 0 {
		t.Errorf("%d calls were made", n)
	}
}
