// Package graphql runs clients and tools that others wrote against the gateway's graph.
// They are npm packages; what is asked of them is in suites.
package graphql

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSuites runs each suite as one test against `protean demo`.
func TestSuites(t *testing.T) {
	install(t, ".")
	binary := build(t)
	demo := start(t, binary, "demo", "--listen", "127.0.0.1:0", "--admin", "off")
	subgraph := startSubgraph(t, binary, demo, "backends: [{name: shop, address: '%s'}]\ngraphql: {federation: true}", "{ listBooks { totalSize } }")
	catalog := startSubgraph(t, binary, demo, relaySubgraph("acme.catalog.v1.CatalogService"), "{ listBooks { totalSize } }")
	orders := startSubgraph(t, binary, demo, relaySubgraph("orders.Orders"), "{ findOrders { __typename } }")
	schema, err := exec.CommandContext(t.Context(), binary, "sdl", demo).Output()
	if err != nil {
		t.Fatal(err)
	}
	environment := append(os.Environ(),
		"GRAPHQL_URL=http://"+demo+"/graphql",
		"GRAPHQL_SUBGRAPH_URL=http://"+subgraph+"/graphql",
		"GRAPHQL_RELAY_SUBGRAPH_URLS=http://"+catalog+"/graphql http://"+orders+"/graphql",
		"GRAPHQL_SDL="+write(t, "schema.graphql", schema))
	suites, err := filepath.Glob("suites/*.test.mjs")
	if err != nil || len(suites) == 0 {
		t.Fatal("no suites", err)
	}
	for _, suite := range suites {
		t.Run(strings.TrimSuffix(filepath.Base(suite), ".test.mjs"), func(t *testing.T) {
			node := exec.CommandContext(t.Context(), "node", "--test", "--test-reporter=spec", "--test-timeout=60000", suite)
			node.Env = environment
			out, err := node.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			t.Logf("%s", out)
		})
	}
}

// install installs the packages of a folder's package-lock.json, unless that was done before.
func install(t *testing.T, folder string) {
	t.Helper()
	lock, err := os.ReadFile(filepath.Join(folder, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(lock)
	stamp := filepath.Join(folder, "node_modules", ".installed")
	if have, err := os.ReadFile(stamp); err == nil && string(have) == hex.EncodeToString(sum[:]) {
		return
	}
	run(t, "npm", "--prefix", folder, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	if err := os.WriteFile(stamp, []byte(hex.EncodeToString(sum[:])), 0o644); err != nil {
		t.Fatal(err)
	}
}

func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "protean")
	run(t, "go", "-C", "../../..", "build", "-o", binary, "./cmd/protean")
	return binary
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

func write(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// start runs a gateway until the test ends and returns the address that it prints.
func start(t *testing.T, binary string, args ...string) (address string) {
	t.Helper()
	gateway := exec.Command(binary, args...)
	stdout, err := gateway.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	gateway.Stderr = &stderr
	if err := gateway.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = gateway.Process.Kill()
		_ = gateway.Wait()
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if _, after, ok := strings.Cut(lines.Text(), "http://"); ok {
			go func() { _, _ = io.Copy(io.Discard, stdout) }() // it must not block on a full pipe
			return strings.Fields(after)[0]
		}
	}
	_ = gateway.Process.Kill()
	_ = gateway.Wait()
	t.Fatalf("protean %s printed no address\n%s", args[0], &stderr)
	return ""
}

// relaySubgraph is the configuration of a subgraph with Relay that serves one service.
func relaySubgraph(service string) string {
	return "backends: [{name: shop, address: '%s', services: [" + service + "]}]\ngraphql: {federation: true, relay: true}"
}

// startSubgraph runs another gateway, before the first, as a subgraph of a federation. The configuration has a place for the
// first one's address, and the subgraph is ready once it answers the query.
func startSubgraph(t *testing.T, binary, demo, config, query string) (address string) {
	t.Helper()
	config = fmt.Sprintf("admin: 'off'\nlisten: 127.0.0.1:0\n"+config+"\n", demo)
	address = start(t, binary, "serve", "--config", write(t, "subgraph.yaml", []byte(config)))
	awaitGraph(t, "http://"+address+"/graphql", query)
	return address
}
