package gateway

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

func edgeOf(t *testing.T, config *configv1.Config, log io.Writer, door http.HandlerFunc) *httptest.Server {
	t.Helper()
	s, err := settingsOf(config)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.edge(observer{log: slog.New(slog.NewTextHandler(log, nil))}, nil, door))
	t.Cleanup(server.Close)
	return server
}

func send(t *testing.T, method, url string, headers map[string]string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func TestRequestID(t *testing.T) {
	var seen string
	server := edgeOf(t, &configv1.Config{}, io.Discard, func(_ http.ResponseWriter, r *http.Request) {
		seen = r.Header.Get("X-Request-Id")
	})
	for _, c := range []struct {
		sent string
		kept bool
	}{
		{"abc-123", true},
		{"", false},
		{"with space", false},
		{strings.Repeat("x", 129), false},
		{"ümlaut", false},
	} {
		got := send(t, http.MethodGet, server.URL, map[string]string{"X-Request-Id": c.sent}).Header.Get("X-Request-Id")
		if got == "" || got != seen || (got == c.sent) != c.kept {
			t.Errorf("sent %q: answered %q, passed on %q", c.sent, got, seen)
		}
	}
}

// TestPanicIsHidden has doors panic: clients read nothing of it, each in the form that it knows.
func TestPanicIsHidden(t *testing.T) {
	var log bytes.Buffer
	server := edgeOf(t, &configv1.Config{}, &log, func(http.ResponseWriter, *http.Request) { panic("the secret") })
	const graphQL = `{"errors":[{"message":"internal error","extensions":{"code":"INTERNAL"}}]}`
	for _, c := range []struct {
		path, contentType, accept string
		status                    int
		kind, body                string
	}{
		{"/v1/books", "", "", 500, "application/json", `{"code":13,"message":"internal error","details":[]}`},
		{"/graphql", "application/json", "", 500, "application/json; charset=utf-8", graphQL},
		{"/graphql/", "application/json", "", 500, "application/json; charset=utf-8", graphQL},
		{"/graphql", "application/json", "application/graphql-response+json", 500, "application/graphql-response+json; charset=utf-8", graphQL},
		{"/a.B/C", "application/proto", "", 500, "application/json", `{"code":"internal","message":"internal error"}`},
		{"/a.B/C", "application/grpc-web", "", 200, "application/grpc-web", "\x80\x00\x00\x00\x2fgrpc-message: internal error\r\ngrpc-status: 13\r\n"},
	} {
		log.Reset()
		resp := send(t, http.MethodPost, server.URL+c.path, map[string]string{"Content-Type": c.contentType, "Accept": c.accept})
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != c.status || resp.Header.Get("Content-Type") != c.kind || string(body) != c.body {
			t.Errorf("%s %s: %d %s %q", c.path, c.contentType, resp.StatusCode, resp.Header.Get("Content-Type"), body)
		}
		if !strings.Contains(log.String(), "the secret") {
			t.Errorf("the log does not tell: %s", log.String())
		}
	}
}

// TestPanicInMidAnswer must not look like a whole answer.
func TestPanicInMidAnswer(t *testing.T) {
	server := edgeOf(t, &configv1.Config{}, io.Discard, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic("now")
	})
	if _, err := io.ReadAll(send(t, http.MethodGet, server.URL, nil).Body); err == nil {
		t.Error("the client took half an answer for a whole one")
	}
}

func TestBounds(t *testing.T) {
	server := edgeOf(t, &configv1.Config{}, io.Discard, func(http.ResponseWriter, *http.Request) {})
	if code := send(t, http.MethodGet, server.URL+"/"+strings.Repeat("x", 9<<10), nil).StatusCode; code != http.StatusRequestURITooLong {
		t.Errorf("a long target: %d", code)
	}
	many := make(map[string]string)
	for i := range 120 {
		many["X-"+strings.Repeat("a", i+1)] = "1"
	}
	if code := send(t, http.MethodGet, server.URL, many).StatusCode; code != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("many headers: %d", code)
	}
}

func TestCORS(t *testing.T) {
	config := &configv1.Config{Http: &configv1.HTTP{Cors: &configv1.CORS{
		Origins: []string{"https://app.example"}, Credentials: proto.Bool(true),
		Headers: []string{"x-tenant"}, ExposedHeaders: []string{"x-total"},
	}}}
	server := edgeOf(t, config, io.Discard, func(http.ResponseWriter, *http.Request) {})
	for _, c := range []struct {
		name, method string
		headers      map[string]string
		status       int
		allowed      string
	}{
		{"preflight", http.MethodOptions, map[string]string{"Origin": "https://app.example", "Access-Control-Request-Method": "PATCH"}, 204, "https://app.example"},
		{"foreign preflight", http.MethodOptions, map[string]string{"Origin": "https://evil.example", "Access-Control-Request-Method": "PATCH"}, 204, ""},
		{"call", http.MethodPost, map[string]string{"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}, 200, "https://app.example"},
		{"foreign call", http.MethodPost, map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, 403, ""},
		{"foreign read", http.MethodGet, map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, 200, ""},
		{"no browser", http.MethodPost, nil, 200, ""},
	} {
		resp := send(t, c.method, server.URL, c.headers)
		if got := resp.Header.Get("Access-Control-Allow-Origin"); resp.StatusCode != c.status || got != c.allowed {
			t.Errorf("%s: %d, allowed %q", c.name, resp.StatusCode, got)
		}
		for name, want := range map[string]string{"Access-Control-Expose-Headers": ", x-total", "Access-Control-Allow-Headers": ", x-tenant"} {
			if got := resp.Header.Get(name); got != "" && (c.allowed == "" || !strings.HasSuffix(got, want)) {
				t.Errorf("%s: %s: %s", c.name, name, got)
			}
		}
	}
}

// TestRefusalsAreReadable has a script of an origin that may call read why the edge refuses it.
func TestRefusalsAreReadable(t *testing.T) {
	config := &configv1.Config{Http: &configv1.HTTP{Cors: &configv1.CORS{Origins: []string{"https://app.example"}}}}
	server := edgeOf(t, config, io.Discard, func(http.ResponseWriter, *http.Request) {})
	for origin, allowed := range map[string]string{"https://app.example": "https://app.example", "https://evil.example": "", "": ""} {
		resp := send(t, http.MethodGet, server.URL+"/"+strings.Repeat("x", 9<<10), map[string]string{"Origin": origin})
		if got := resp.Header.Get("Access-Control-Allow-Origin"); resp.StatusCode != http.StatusRequestURITooLong || got != allowed {
			t.Errorf("%q: %d, allowed %q", origin, resp.StatusCode, got)
		}
	}
}

func TestSettingsRefuse(t *testing.T) {
	for name, config := range map[string]*configv1.Config{
		"public listener":       {Listen: proto.String("0.0.0.0:80")},
		"any host":              {Listen: proto.String(":80")},
		"named host":            {Listen: proto.String("gateway.example:80")},
		"no port":               {Listen: proto.String("127.0.0.1")},
		"public admin":          {Admin: proto.String("0.0.0.0:81"), AllowUnauthenticated: proto.Bool(true)},
		"graph at the document": {Graphql: &configv1.GraphQL{Path: proto.String("/openapi.json")}},
		"star and credential":   {Http: &configv1.HTTP{Cors: &configv1.CORS{Origins: []string{"*"}, Credentials: proto.Bool(true)}}},
	} {
		if _, err := settingsOf(config); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for name, config := range map[string]*configv1.Config{
		"nothing":   {},
		"loopback":  {Listen: proto.String("[::1]:80"), Admin: proto.String("off")},
		"localhost": {Listen: proto.String("localhost:0")},
		"no document": {
			Graphql: &configv1.GraphQL{Path: proto.String("/openapi.json")}, Openapi: &configv1.OpenAPI{Disabled: proto.Bool(true)},
		},
		"said": {Listen: proto.String("0.0.0.0:80"), AllowUnauthenticated: proto.Bool(true)},
	} {
		if _, err := settingsOf(config); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSecret(t *testing.T) {
	t.Setenv("PROTEAN_TEST_SECRET", "from the environment")
	path := t.TempDir() + "/secret"
	if err := replaceFile(path, []byte("from a file\n")); err != nil {
		t.Fatal(err)
	}
	for said, want := range map[string]string{
		"plain":                   "plain",
		"env:PROTEAN_TEST_SECRET": "from the environment",
		"file:" + path:            "from a file",
	} {
		if got, err := secret(said); err != nil || got != want {
			t.Errorf("%s: %q, %v", said, got, err)
		}
	}
	for _, said := range []string{"env:PROTEAN_TEST_MISSING", "file:/nowhere/at/all"} {
		if _, err := secret(said); err == nil {
			t.Errorf("%s: accepted", said)
		}
	}
}

// TestDuplicateBackends needs names apart: everything is keyed by them.
func TestDuplicateBackends(t *testing.T) {
	b := &configv1.Backend{Address: proto.String("127.0.0.1:1")}
	if _, err := New(&configv1.Config{Backends: []*configv1.Backend{b, b}}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("accepted")
	}
}
