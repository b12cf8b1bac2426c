package graph

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/gorilla/websocket"
	"github.com/rogpeppe/go-internal/txtar"
	"go.uber.org/goleak"
	"google.golang.org/grpc/metadata"

	"github.com/protean-gateway/protean/translate/transport"
)

var rewriteHTTP = flag.Bool("rewrite-http", false, "write the answers that came into testdata/http")

// TestHTTP plays the exchanges of testdata/http: a request, and the answer word
// for word, less what differs from run to run.
func TestHTTP(t *testing.T) {
	files, err := filepath.Glob("testdata/http/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no exchanges: %v", err)
	}
	eachShop(t, func(t *testing.T, serve func(*testing.T, HTTPOptions) (*httptest.Server, *shop)) {
		for _, file := range files {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
				archive, err := txtar.ParseFile(file)
				if err != nil {
					t.Fatal(err)
				}
				server, shop := serve(t, HTTPOptions{Origins: []string{"https://friend.example"}})
				exchangeAll(t, server, shop, archive)
				if *rewriteHTTP && !shop.graph {
					if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	})
}

// exchangeAll sends the requests of an archive and compares the answers, which it puts into the archive.
func exchangeAll(t *testing.T, server *httptest.Server, shop *shop, archive *txtar.Archive) {
	t.Helper()
	for i := 0; i+1 < len(archive.Files); i += 2 {
		name, request, answer := archive.Files[i].Name, string(archive.Files[i].Data), &archive.Files[i+1]
		if shop.graph && (strings.Contains(request, `"{ panics }"}`) || strings.Contains(request, "X-Request-Timeout") || name == "a variable of the wrong type") {
			continue // what is the operation's there fails its field here
		}
		got := exchange(t, server.Client(), server.URL, []byte(shop.words(request)))
		if want := string(answer.Data); !shop.answers(got, want) && !*rewriteHTTP {
			t.Errorf("%s\ngot:\n%s\nwant:\n%s", name, got, want)
		}
		answer.Data = []byte(got)
	}
}

// exchange sends a request as it is written and returns the answer. A body that is
// `{large}` is larger than is allowed.
func exchange(t *testing.T, client *http.Client, url string, text []byte) string {
	t.Helper()
	head, body, _ := strings.Cut(string(text), "\n\n")
	line, headers, _ := strings.Cut(head, "\n")
	method, target, _ := strings.Cut(strings.TrimSpace(line), " ")
	body = strings.TrimSpace(body)
	if body == "{large}" {
		body = `{"query":"` + strings.Repeat("#", MaxBody) + `"}`
	}
	r, err := http.NewRequestWithContext(t.Context(), method, url+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(strings.TrimSpace(headers), "\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			r.Header.Set(name, value)
		}
	}
	if !r.URL.Query().Has("graphiql") {
		r.Header.Set("Accept-Encoding", "identity")
	}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return describeAnswer(t, response)
}

func describeAnswer(t *testing.T, response *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	body = bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n")) // of parts
	var b strings.Builder
	fmt.Fprintln(&b, response.Status)
	var names []string
	for name := range response.Header {
		if name != "Date" && name != "Content-Length" && name != "Connection" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(response.Header[name], ", "))
	}
	fmt.Fprintf(&b, "\n%s\n", bytes.TrimSpace(body))
	return b.String()
}

func TestSSEEndsTheOperationWhenTheClientGoes(t *testing.T) {
	eachShop(t, func(t *testing.T, serve func(*testing.T, HTTPOptions) (*httptest.Server, *shop)) {
		server, shop := serve(t, HTTPOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		lines := openEvents(t, ctx, server.Client(), server.URL, `subscription { silent }`)
		want := []string{":", "", "event: next", `data: {"data":{"silent":1}}`, ""}
		for i, w := range want {
			if got, err := lines.ReadString('\n'); err != nil || strings.TrimSuffix(got, "\n") != w {
				t.Fatalf("line %d is %q, %v; want %q", i, got, err, w)
			}
		}
		<-shop.began
		cancel()
		<-shop.end
	})
}

func TestSSEEndsWithoutCompleteWhenTheGatewayStops(t *testing.T) {
	eachShop(t, func(t *testing.T, serve func(*testing.T, HTTPOptions) (*httptest.Server, *shop)) {
		stopping, stop := context.WithCancel(t.Context())
		server, shop := serve(t, HTTPOptions{Stopping: stopping})
		lines := openEvents(t, t.Context(), server.Client(), server.URL, `subscription { silent }`)
		<-shop.began
		stop()
		<-shop.end
		rest, err := io.ReadAll(lines)
		if err != nil || strings.Contains(string(rest), "complete") {
			t.Errorf("the stream ends with %q, %v", rest, err)
		}
	})
}

// A client of parts must be able to tell the end of the stream from that of the operation.
func TestPartsEndWithAnErrorWhenTheGatewayStops(t *testing.T) {
	eachShop(t, func(t *testing.T, serve func(*testing.T, HTTPOptions) (*httptest.Server, *shop)) {
		stopping, stop := context.WithCancel(t.Context())
		server, shop := serve(t, HTTPOptions{Stopping: stopping})
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader(`{"query":"subscription { silent }"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", mediaJSON)
		r.Header.Set("Accept", mediaParts)
		response, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		<-shop.began
		stop()
		<-shop.end
		body, err := io.ReadAll(response.Body)
		if err != nil || !strings.HasSuffix(string(body), "\r\n\r\n"+streamEnded+"\r\n--graphql--\r\n") {
			t.Errorf("the stream ends with %q, %v", body, err)
		}
	})
}

func TestSSEOverHTTP2(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	shop := newShop()
	server := httptest.NewUnstartedServer(newDoor(executor.New(shop), HTTPOptions{}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	lines := openEvents(t, ctx, server.Client(), server.URL, `subscription { silent }`)
	if got, err := lines.ReadString('\n'); err != nil || got != ":\n" {
		t.Fatalf("got %q, %v", got, err)
	}
	<-shop.began
	cancel()
	<-shop.end
}

func openEvents(t *testing.T, ctx context.Context, client *http.Client, url, query string) *bufio.Reader {
	t.Helper()
	body := strings.NewReader(`{"query":"` + query + `"}`)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "text/event-stream")
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	if got := response.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Fatalf("Content-Type is %q", got)
	}
	return bufio.NewReader(response.Body)
}

func TestAQueryEndsWhenTheClientGoes(t *testing.T) {
	eachShop(t, func(t *testing.T, serve func(*testing.T, HTTPOptions) (*httptest.Server, *shop)) {
		server, shop := serve(t, HTTPOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"?query={silent}", nil)
		if err != nil {
			t.Fatal(err)
		}
		failed := make(chan error)
		go func() {
			response, err := server.Client().Do(r)
			if err == nil {
				_ = response.Body.Close()
			}
			failed <- err
		}()
		<-shop.began
		cancel()
		<-shop.end
		if err := <-failed; err == nil {
			t.Error("there was an answer")
		}
	})
}

func TestBackendsAreToldOfTheClient(t *testing.T) {
	eachShop(t, func(t *testing.T, serve func(*testing.T, HTTPOptions) (*httptest.Server, *shop)) {
		headers, err := transport.NewHeaders([]string{"X-Tenant"})
		if err != nil {
			t.Fatal(err)
		}
		server, shop := serve(t, HTTPOptions{Headers: headers})
		const asked = "X-Tenant: acme\nTraceparent: 00-1\nAuthorization: secret\n"
		want := metadata.MD{"x-tenant": {"acme"}, "traceparent": {"00-1"}}
		for _, request := range []string{
			"POST /\nContent-Type: application/json\n" + asked + "\n" + `{"query":"query Request { hello }"}`,
			"GET /?query=query+Request{hello}\n" + asked,
			"GET /?query=query+Request{hello}\nAccept: text/event-stream\n" + asked,
		} {
			exchange(t, server.Client(), server.URL, []byte(request))
			if got := <-shop.requests; !maps.EqualFunc(got.Metadata, want, slices.Equal) || !strings.HasPrefix(got.Peer, "127.0.0.1:") {
				t.Errorf("%s\nbackends are told %v", request, got)
			}
		}
		conn := connectWith(t, server.URL, subprotocol, http.Header{"X-Tenant": {"acme"}, "Traceparent": {"00-1"}, "Cookie": {"secret=1"}})
		for _, message := range []string{
			`{"type":"connection_init"}`, `{"id":"1","type":"subscribe","payload":{"query":"query Request { hello }"}}`,
		} {
			if err := conn.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
				t.Fatal(err)
			}
		}
		if got := <-shop.requests; !maps.EqualFunc(got.Metadata, want, slices.Equal) {
			t.Errorf("over a WebSocket, backends are told %v", got)
		}
	})
}

func TestPanicsAreReported(t *testing.T) {
	var value any
	server, _ := serveShop(t, HTTPOptions{Panicked: func(_ context.Context, v any, stack []byte) {
		value = v
		if len(stack) == 0 {
			t.Error("there is no stack")
		}
	}})
	got := exchange(t, server.Client(), server.URL, []byte("GET /?query={panics}"))
	if !strings.HasPrefix(got, "500 ") || strings.Contains(got, "must not reach") {
		t.Errorf("the client gets %s", got)
	}
	if value == nil {
		t.Error("the panic was not reported")
	}
}

func TestAcceptance(t *testing.T) {
	cases := []struct {
		accept string
		media  string // of a response of one piece
		single bool
		events bool // preferred even for one response
	}{
		{"", mediaJSON, true, false},
		{"*/*", mediaJSON, true, false},
		{"application/*", mediaJSON, true, false},
		{"application/json", mediaJSON, true, false},
		{"application/graphql-response+json", mediaGraphQL, true, false},
		{"application/graphql-response+json; charset=utf-8, application/json; charset=utf-8", mediaGraphQL, true, false},
		{"application/json, application/graphql-response+json", mediaGraphQL, true, false},
		{"application/graphql-response+json;q=0.5, application/json", mediaJSON, true, false},
		{"application/graphql-response+json;q=0, */*", mediaJSON, true, false},
		{"application/json;q=0", mediaJSON, false, false},
		{"application/json;q=2", mediaJSON, false, false},
		{"application/json;q=0, */*", mediaJSON, false, false},
		{"text/event-stream", mediaJSON, false, true},
		{"text/event-stream, application/json", mediaJSON, true, false},
		{"text/event-stream, application/json;q=0.9", mediaJSON, true, true},
		{" ", mediaJSON, true, false},
		{", ,", mediaJSON, true, false},
		{"image/png", mediaJSON, false, false},
		{"not a media type", mediaJSON, false, false},
	}
	for _, c := range cases {
		a := negotiate(http.Header{"Accept": {c.accept}})
		if a.media() != c.media || a.single() != c.single || a.prefersEvents() != c.events {
			t.Errorf("%q: %s, %v, %v; want %s, %v, %v", c.accept, a.media(), a.single(), a.prefersEvents(), c.media, c.single, c.events)
		}
	}
}
