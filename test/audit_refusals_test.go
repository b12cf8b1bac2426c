package test

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
)

const auditedPolicies = `
graphql: {introspection: {roles: [clerk]}}
authorizers: [{name: desk, address: '127.0.0.1:1'}]
policies:
  - {selector: acme.catalog.*, policy: {authorize: {}}}
  - {selector: acme.catalog.v1.CatalogService.UpdateBook, policy: {authorize: {roles: [clerk]}}}
  - {selector: acme.catalog.v1.CatalogService.GetAuthor, policy: {authorize: {scopes: [authors]}}}
  - {selector: acme.catalog.v1.CatalogService.ArchiveBook, policy: {authorize: {external: desk}}}
  - {selector: acme.catalog.v1.CatalogService.BatchGetBooks, policy: {authorize: {}, authenticate: {anyOf: [others]}}}
  - {selector: orders.Orders.GetOrder, policy: {authorize: {rule: 'request.id > 5000u'}}}
  - {selector: acme.tracking.*, policy: {authorize: {}}}
`

// TestAuditOfRefusals has each kind of refusal leave its line: who, what, by which door, and why.
func TestAuditOfRefusals(t *testing.T) {
	record := filepath.Join(t.TempDir(), "audit.jsonl")
	key := func(name string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(name))) }
	g, _, stop := startShop(t, fmt.Sprintf(`audit: {file: %s}
authenticators:
  - name: keys
    apiKeys: {keys: [{sha256: %s, subject: ann, roles: [clerk]}, {sha256: %s, subject: ben}, {sha256: %s, subject: cat, expires: %q}]}
  - name: others
    apiKeys: {header: x-other-key, keys: [{sha256: %s, subject: dan}]}
`, record, key("ann"), key("ben"), key("cat"), time.Now().Add(3*time.Second).UTC().Format(time.RFC3339Nano), key("dan"))+auditedPolicies)
	defer stop()
	base := "http://" + g.Addr()
	send := func(key, method, path, contentType, body string) {
		request, err := http.NewRequest(method, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if key != "" {
			request.Header.Set("X-Api-Key", key)
		}
		request.Header.Set("Content-Type", contentType)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	const catalog, asJSON = "/acme.catalog.v1.CatalogService/", "application/json"
	frame := string([]byte{0, 0, 0, 0, 0})
	for _, c := range []struct {
		name string
		do   func()
		want string // kind, subject, door, method or target, code, reason
	}{
		{"nobody", func() { send("", "GET", "/v1/books/emma", "", "") },
			"denied|||rest|" + catalog + "GetBook|Unauthenticated|no credentials"},
		{"a wrong key", func() { send("guess", "GET", "/v1/books/emma", "", "") },
			"credentials|||||Unauthenticated|no such API key"},
		{"a role", func() { send("ben", "PATCH", "/v1/books/emma", asJSON, "{}") },
			"denied|ben|keys|rest|" + catalog + "UpdateBook|PermissionDenied|none of the roles"},
		{"a scope, over Connect", func() { send("ben", "POST", catalog+"GetAuthor", "application/proto", "") },
			"denied|ben|keys|connect|" + catalog + "GetAuthor|PermissionDenied|no scope authors"},
		{"an authorizer that is not there", func() { send("ben", "POST", "/v1/books/emma:archive", asJSON, "{}") },
			"denied|ben|keys|rest|" + catalog + "ArchiveBook|Unavailable|the authorizer cannot be asked"},
		{"another authenticator, over gRPC-Web", func() { send("ben", "POST", catalog+"BatchGetBooks", "application/grpc-web+proto", frame) },
			"denied|ben|keys|grpc-web|" + catalog + "BatchGetBooks|Unauthenticated|authenticated by keys, which does not count here"},
		{"a rule, over GraphQL", func() { send("ben", "POST", "/graphql", asJSON, `{"query":"{ getOrder(id: 7) { id } }"}`) },
			"denied|ben|keys|graphql|/orders.Orders/GetOrder|PermissionDenied|the rule does not hold"},
		{"nothing is said", func() { send("ann", "POST", "/orders.Orders/Cancel", asJSON, `{"id":7}`) },
			"denied|ann|keys|rest|/orders.Orders/Cancel|PermissionDenied|no policy allows the call"},
		{"introspection", func() { send("ben", "POST", "/graphql", asJSON, `{"query":"{ __schema { types { name } } }"}`) },
			"denied|ben|keys|graphql|introspection|PermissionDenied|none of the roles"},
		{"reflection", func() {
			conn, err := grpc.NewClient(g.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
			if err == nil {
				_, err = stream.Recv()
			}
			if err == nil {
				t.Error("reflection without credentials")
			}
		}, "denied|||grpc|/grpc.reflection.v1.ServerReflection/ServerReflectionInfo|Unauthenticated|no credentials"},
		{"a socket's words", func() {
			dialer := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}}
			conn, response, err := dialer.Dial("ws://"+g.Addr()+"/graphql", nil)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			defer conn.Close()
			_ = conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"connection_init","payload":{"X-Api-Key":"guess"}}`))
			_, _, _ = conn.ReadMessage()
		}, "credentials|||||Unauthenticated|no such API key"},
		{"a key that ends while a stream is open", func() { send("cat", "GET", "/v1/parcels/P-1002:watch", "", "") },
			"denied|cat|keys|rest|/acme.tracking.v1.TrackingService/WatchParcel|Unauthenticated|the credentials have expired"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(refusalsIn(t, record))
			c.do()
			await(t, "a line of "+c.name, func() bool { return len(refusalsIn(t, record)) > before })
			if got := refusalsIn(t, record)[before:]; len(got) != 1 || got[0] != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// refusalsIn returns what an audit log says of refusals. Each line says when, and in which request.
func refusalsIn(t *testing.T, path string) (lines []string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for scanner := bufio.NewScanner(f); scanner.Scan(); {
		var e map[string]string
		if json.Unmarshal(scanner.Bytes(), &e) != nil {
			return lines // it is being written
		}
		if e["time"] == "" || e["id"] == "" || e["decision"] != "denied" {
			t.Errorf("%s", scanner.Text())
		}
		lines = append(lines, strings.Join([]string{e["kind"], e["subject"], e["authenticator"], e["door"], e["method"] + e["target"], e["code"], e["reason"]}, "|"))
	}
	return lines
}
