package clients

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// serversFolder has servers in other languages, which all serve shop.v1.Echo of shop.proto with server reflection.
const serversFolder = "servers"

// item has every shape of field that reflection servers are known to send wrongly.
const item = `{"id":"a1","counts":{"x":"7"},"createTime":"2026-01-02T03:04:05Z","price":{"currencyCode":"EUR","units":"5"},` +
	`"stock":0,"email":"ada@example.com","partsByName":{"lid":{"flags":{"1":true},"label":""}},` +
	`"extra":{"@type":"type.googleapis.com/google.protobuf.StringValue","value":"any"},"note":"","attributes":{"color":"red"},` +
	`"kind":"KIND_NEW","part":{"inner":{"label":"in"}},"list":[{"flags":{"2":true}}]}`

// query asks for the same item in GraphQL.
const query = `query($extra: JSON, $attributes: JSON) { getItem(
	id: "a1", counts: [{key: "x", value: "7"}], createTime: "2026-01-02T03:04:05Z", price: {currencyCode: "EUR", units: "5"}, stock: 0,
	contact: {email: "ada@example.com"}, partsByName: [{key: "lid", value: {flags: [{key: 1, value: true}], label: ""}}], extra: $extra, note: "",
	attributes: $attributes, kind: KIND_NEW, part: {inner: {label: "in"}}, list: [{flags: [{key: 2, value: true}]}]
) { id counts { key value } createTime price { currencyCode units } stock partsByName { key value { label flags { key value } } } extra note attributes email contactCase kind
	part { inner { label } } list { flags { key value } } } }`

// queried is the answer to query.
const queried = `{"data":{"getItem":{"id":"a1","counts":[{"key":"x","value":"7"}],"createTime":"2026-01-02T03:04:05Z",` +
	`"price":{"currencyCode":"EUR","units":"5"},"stock":0,"partsByName":[{"key":"lid","value":{"label":"","flags":[{"key":1,"value":true}]}}],` +
	`"extra":{"@type":"type.googleapis.com/google.protobuf.StringValue","value":"any"},"note":"","attributes":{"color":"red"},` +
	`"email":"ada@example.com","contactCase":"EMAIL","kind":"KIND_NEW","part":{"inner":{"label":"in"}},"list":[{"flags":[{"key":2,"value":true}]}]}}}`

// TestServers calls a server in each language through the gateway, which knows it by reflection alone.
func TestServers(t *testing.T) {
	node := filepath.Join(serversFolder, "node")
	runIn(t, node, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	gateway := filepath.Join(t.TempDir(), "protean")
	runIn(t, filepath.Join("..", ".."), "go", "build", "-o", gateway, "./cmd/protean")
	buf, err := filepath.Abs("../../.bin/buf")
	if err != nil {
		t.Fatal(err)
	}
	for _, arguments := range []string{"official keep", "official camel", "wrapper keep", "wrapper camel"} {
		t.Run("node "+arguments, func(t *testing.T) {
			port := startPrinting(t, exec.Command("node", append([]string{filepath.Join(node, "server.cjs")}, strings.Fields(arguments)...)...), "")
			base := startPrinting(t, exec.Command(gateway, "serve", "--listen", "127.0.0.1:0", "--admin", "off", "127.0.0.1:"+port), "Clients:  ")
			base, _, _ = strings.Cut(base, " ")
			awaitEcho(t, base)
			callEcho(t, base, buf)
		})
	}
}

// awaitEcho waits until the gateway has the server's schema.
func awaitEcho(t *testing.T, base string) {
	t.Helper()
	for {
		resp, err := http.Post(base+"/shop.v1.Echo/GetItem", "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// callEcho calls a server over REST, gRPC and GraphQL.
func callEcho(t *testing.T, base, buf string) {
	t.Helper()
	answer := fetch(t, "POST", base+"/shop.v1.Echo/GetItem", item, 200, "Content-Type: application/json")
	sameJSON(t, "REST", string(answer), item)
	out, _ := runTool(t, buf, "curl", "--protocol", "grpc", "--http2-prior-knowledge", "--data", item, base+"/shop.v1.Echo/GetItem")
	sameJSON(t, "gRPC", out, item)
	var sent map[string]any
	if err := json.Unmarshal([]byte(item), &sent); err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{"query": query, "variables": sent}) // those that the query does not declare are ignored
	if err != nil {
		t.Fatal(err)
	}
	answer = fetch(t, "POST", base+"/graphql", string(body), 200, "Content-Type: application/json")
	sameJSON(t, "GraphQL", string(answer), queried)
}

func sameJSON(t *testing.T, protocol, got, want string) {
	t.Helper()
	var gotValue, wantValue any
	if err := json.Unmarshal([]byte(got), &gotValue); err != nil {
		t.Errorf("%s: %v", protocol, err)
	}
	if err := json.Unmarshal([]byte(want), &wantValue); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(gotValue, wantValue) {
		t.Errorf("%s answers %s\nwant %s", protocol, got, want)
	}
}

// startPrinting starts a program that serves until its input ends, and returns what stands behind a prefix in
// what it prints.
func startPrinting(t *testing.T, cmd *exec.Cmd, prefix string) string {
	t.Helper()
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if printed, ok := strings.CutPrefix(lines.Text(), prefix); ok {
			go func() { _, _ = io.Copy(io.Discard, stdout) }()
			return printed
		}
	}
	t.Fatal("it printed no address")
	return ""
}
