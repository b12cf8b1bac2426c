package graph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// TestWebSocket plays the exchanges of testdata/websocket. Lines with > are sent,
// lines with < must be the next that comes; `# ` begins a comment. The first line may
// say `protocol: …` or `origin: …`.
//
//	> text       a text message       >b text  a binary one
//	< text       a text message, word for word
//	< close 4400 reason               the server closes
//	began, end   the backend has begun to be silent, its context has ended
func TestWebSocket(t *testing.T) {
	files, err := filepath.Glob("testdata/websocket/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no exchanges: %v", err)
	}
	eachShop(t, func(t *testing.T, serve func(*testing.T, HTTPOptions) (*httptest.Server, *shop)) {
		for _, file := range files {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
				script, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				o := HTTPOptions{Origins: []string{"https://friend.example"}}
				if strings.HasPrefix(filepath.Base(file), "4408") {
					o.InitTimeout = 300 * time.Millisecond
				}
				server, shop := serve(t, o)
				play(t, server.URL, shop, string(script))
			})
		}
	})
}

func play(t *testing.T, url string, shop *shop, script string) {
	t.Helper()
	protocol, origin := subprotocol, ""
	var conn *websocket.Conn
	for i, line := range strings.Split(strings.TrimSpace(script), "\n") {
		verb, text, _ := strings.Cut(line, " ")
		switch verb {
		case "", "#":
			continue
		case "protocol:":
			protocol = text
			continue
		case "origin:":
			origin = text
			continue
		}
		if conn == nil {
			conn = connect(t, url, protocol, origin)
		}
		if err := step(conn, shop, verb, text); err != nil {
			t.Fatalf("line %d, %s: %v", i+1, line, err)
		}
	}
}

func step(conn *websocket.Conn, shop *shop, verb, text string) error {
	switch verb {
	case ">":
		return conn.WriteMessage(websocket.TextMessage, []byte(shop.words(text)))
	case ">b":
		return conn.WriteMessage(websocket.BinaryMessage, []byte(text))
	case "<":
		if got := receive(conn); !shop.answers(got, text) {
			return fmt.Errorf("got %s", got)
		}
	case "began":
		<-shop.began
	case "end":
		<-shop.end
	case "hang-up":
		return conn.Close()
	default:
		return fmt.Errorf("no such step")
	}
	return nil
}

func connect(t *testing.T, url, protocol, origin string) *websocket.Conn {
	t.Helper()
	header := http.Header{}
	if origin != "" {
		header.Set("Origin", origin)
	}
	return connectWith(t, url, protocol, header)
}

func connectWith(t *testing.T, url, protocol string, header http.Header) *websocket.Conn {
	t.Helper()
	dialer := websocket.Dialer{Subprotocols: strings.Fields(protocol)}
	conn, response, err := dialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(url, "http"), header)
	if err != nil {
		t.Fatalf("%v: %v", err, response)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// receive returns the next message, or how the socket was closed.
func receive(conn *websocket.Conn) string {
	_, data, err := conn.ReadMessage()
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		return strings.TrimSpace(fmt.Sprintf("close %d %s", closed.Code, closed.Text))
	}
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func TestWebSocketRefusesOtherOrigins(t *testing.T) {
	server, _ := serveShop(t, HTTPOptions{Origins: []string{"https://friend.example"}})
	for origin, want := range map[string]int{
		"":                         http.StatusSwitchingProtocols,
		"https://friend.example":   http.StatusSwitchingProtocols,
		server.URL:                 http.StatusSwitchingProtocols,
		"https://foe.example":      http.StatusForbidden,
		"https://friend.example:1": http.StatusForbidden,
		"null":                     http.StatusForbidden,
	} {
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		dialer := websocket.Dialer{Subprotocols: []string{subprotocol}}
		conn, response, err := dialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http"), header)
		if err == nil {
			_ = conn.Close()
		}
		if response == nil || response.StatusCode != want {
			t.Errorf("origin %q: %v, %v; want %d", origin, response, err, want)
		}
	}
}

func TestWebSocketGoesAwayWhenTheGatewayStops(t *testing.T) {
	eachShop(t, func(t *testing.T, serve func(*testing.T, HTTPOptions) (*httptest.Server, *shop)) {
		stopping, stop := context.WithCancel(t.Context())
		server, shop := serve(t, HTTPOptions{Stopping: stopping})
		conn := connect(t, server.URL, subprotocol, "")
		for _, message := range []string{
			`{"type":"connection_init"}`,
			shop.words(`{"id":"a","type":"subscribe","payload":{"query":"subscription { silent }"}}`),
		} {
			if err := conn.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
				t.Fatal(err)
			}
		}
		<-shop.began
		got := []string{receive(conn), receive(conn)}
		stop()
		for !strings.HasPrefix(got[len(got)-1], "close") {
			got = append(got, receive(conn))
		}
		want := `{"type":"connection_ack"} {"id":"a","type":"next","payload":{"data":{"silent":1}}} close 1001 Going away`
		if strings.Join(got, " ") != want {
			t.Errorf("got %s", got)
		}
		<-shop.end
	})
}

func TestASocketHasABoundedNumberOfOperations(t *testing.T) {
	eachShop(t, func(t *testing.T, serve func(*testing.T, HTTPOptions) (*httptest.Server, *shop)) {
		server, shop := serve(t, HTTPOptions{})
		conn := connect(t, server.URL, subprotocol, "")
		messages := []string{`{"type":"connection_init"}`}
		for i := range MaxSubscriptions {
			messages = append(messages, fmt.Sprintf(`{"id":"%d","type":"subscribe","payload":{"query":"{ silent }"}}`, i))
		}
		for _, m := range messages {
			if err := conn.WriteMessage(websocket.TextMessage, []byte(m)); err != nil {
				t.Fatal(err)
			}
		}
		for range MaxSubscriptions {
			<-shop.began
		}
		play1 := func(send, want string) {
			t.Helper()
			if err := conn.WriteMessage(websocket.TextMessage, []byte(send)); err != nil {
				t.Fatal(err)
			}
			if got := receive(conn); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		if got := receive(conn); got != `{"type":"connection_ack"}` {
			t.Fatal(got)
		}
		play1(`{"id":"more","type":"subscribe","payload":{"query":"{ hello }"}}`,
			`{"id":"more","type":"error","payload":[{"message":"the socket, or its caller, has too many operations","extensions":{"code":"RESOURCE_EXHAUSTED"}}]}`)
		// An operation counts until its backend is let go, whatever the client says.
		if err := conn.WriteMessage(websocket.TextMessage, []byte(`{"id":"0","type":"complete"}`)); err != nil {
			t.Fatal(err)
		}
		<-shop.end
		_ = conn.Close()
		for range MaxSubscriptions - 1 {
			<-shop.end
		}
	})
}

func TestAMessageThatIsTooLargeClosesTheSocket(t *testing.T) {
	server, _ := serveShop(t, HTTPOptions{})
	conn := connect(t, server.URL, subprotocol, "")
	go func() { _ = conn.WriteMessage(websocket.TextMessage, make([]byte, MaxBody+1)) }()
	if got := receive(conn); got != "close 1009" {
		t.Errorf("got %s", got)
	}
}

// TestAnIDIsFreeOnceItIsComplete reuses one id as fast as it can: what is said of
// one operation must never be taken for the next.
func TestAnIDIsFreeOnceItIsComplete(t *testing.T) {
	eachShop(t, func(t *testing.T, serve func(*testing.T, HTTPOptions) (*httptest.Server, *shop)) {
		server, _ := serve(t, HTTPOptions{})
		conn := connect(t, server.URL, subprotocol, "")
		send := func(m string) {
			if err := conn.WriteMessage(websocket.TextMessage, []byte(m)); err != nil {
				t.Fatal(err)
			}
		}
		send(`{"type":"connection_init"}`)
		receive(conn)
		const rounds = MaxSubscriptions - 1
		for i := range rounds {
			send(fmt.Sprintf(`{"id":"a","type":"subscribe","payload":{"query":"{ hello(name: \"%d\") }"}}`, i))
			if i < rounds-1 {
				send(`{"id":"a","type":"complete"}`)
			}
		}
		want := fmt.Sprintf(`{"id":"a","type":"next","payload":{"data":{"hello":"Hello, %d"}}}`, rounds-1)
		last := -1
		for {
			got := receive(conn)
			if got == want {
				break
			}
			var n int
			if _, err := fmt.Sscanf(got, `{"id":"a","type":"next","payload":{"data":{"hello":"Hello, %d"}}}`, &n); err == nil {
				if n <= last {
					t.Fatalf("%d comes after %d", n, last)
				}
				last = n
			} else if got != `{"id":"a","type":"complete"}` {
				t.Fatal(got)
			}
		}
		if got := receive(conn); got != `{"id":"a","type":"complete"}` {
			t.Errorf("the last message is %s", got)
		}
	})
}

func FuzzDecodeMessage(f *testing.F) {
	for _, seed := range []string{
		`{"type":"connection_init","payload":{"a":1}}`,
		`{"type":"ping"}`,
		`{"type":"pong","payload":null}`,
		`{"id":"1","type":"subscribe","payload":{"query":"{ a }","variables":{"b":[1e400]},"operationName":"x"}}`,
		`{"id":"1","type":"subscribe","payload":{"extensions":{"persistedQuery":{}}}}`,
		`{"id":"é","type":"complete"}`,
		`[]`, `{}`, `null`, `{"type":7}`, "\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := decodeMessage(data)
		if err != nil {
			if frame := websocket.FormatCloseMessage(closeBadMessage, err.Error()); len(frame) < 2 {
				t.Errorf("%q has no close frame", err)
			}
			return
		}
		checkDecoded(t, data, m)
	})
}

// checkDecoded compares with a plain decoder that knows nothing of the protocol.
func checkDecoded(t *testing.T, data []byte, m clientMessage) {
	t.Helper()
	var plain map[string]any
	if err := json.Unmarshal(data, &plain); err != nil {
		// A number that a float64 cannot hold is JSON all the same.
		if !strings.Contains(err.Error(), "cannot unmarshal number") {
			t.Fatalf("%q was taken, and is no JSON: %v", data, err)
		}
		return
	}
	if plain["type"] != m.Type {
		t.Errorf("type is %q, want %v", m.Type, plain["type"])
	}
	switch m.Type {
	case messageSubscribe:
		payload, _ := plain["payload"].(map[string]any)
		if query, _ := payload["query"].(string); plain["id"] != m.ID || query != m.params.query {
			t.Errorf("got %q %+v of %q", m.ID, m.params, data)
		}
	case messageComplete:
		if plain["id"] != m.ID || m.ID == "" {
			t.Errorf("id is %q, want %v", m.ID, plain["id"])
		}
	case messageInit, messagePing, messagePong:
		if _, object := plain["payload"].(map[string]any); object != (m.Payload != nil) {
			t.Errorf("payload is %q of %q", m.Payload, data)
		}
	default:
		t.Errorf("type %q was taken", m.Type)
	}
}
