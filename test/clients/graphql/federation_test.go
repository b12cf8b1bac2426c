package graphql

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

// federationCases are the cases of Apollo's compatibility suite.
const federationCases = 23

// TestFederationCompatibility runs Apollo's compatibility suite for subgraphs against a gateway whose
// backend has the suite's products, beside the suite's own subgraphs and Apollo Gateway.
func TestFederationCompatibility(t *testing.T) {
	install(t, ".")
	install(t, "federation")
	products := startProducts(t)
	suite := "federation/node_modules/@apollo/federation-subgraph-compatibility-tests/dist/subgraphs"
	users := startNode(t, "USERS_PORT", filepath.Join(suite, "users/index.js"))
	inventory := startNode(t, "INVENTORY_PORT", filepath.Join(suite, "inventory/index.js"))
	supergraph := startSupergraph(t, "products="+products, "users="+users, "inventory="+inventory)

	jest := exec.CommandContext(t.Context(), "node", "federation/node_modules/jest/bin/jest.js", "--ci", "--json", "--config", "federation/jest.config.cjs")
	jest.Env = append(os.Environ(), "PRODUCTS_URL="+products, "SUPERGRAPH_URL="+supergraph)
	out, err := jest.Output()
	var report struct {
		TestResults []struct {
			AssertionResults []struct {
				FullName, Status string
				FailureMessages  []string
			}
		}
	}
	if json.Unmarshal(out, &report) != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	passed := 0
	for _, file := range report.TestResults {
		for _, c := range file.AssertionResults {
			if c.Status != "passed" {
				t.Errorf("%s %s:\n%s", c.FullName, c.Status, strings.Join(c.FailureMessages, "\n"))
				continue
			}
			passed++
		}
	}
	t.Logf("%d of %d cases passed", passed, federationCases)
	if passed < federationCases {
		t.Error("the suite did not run whole")
	}
}

// startProducts starts the backend and a gateway before it, and returns the address of its graph.
func startProducts(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("federation/products.proto")
	if err != nil {
		t.Fatal(err)
	}
	snap := rpctest.Compile(t, map[string]string{"products.proto": string(text)})
	handlers := make(map[string]rpctest.Handler)
	for name, answer := range productMethods {
		path := "/products.v1.Products/" + name
		handlers[path] = answerWith(t, snap.Methods[path], answer)
	}
	backend := rpctest.Start(t, handlers, rpctest.Reflect(snap.Backends[0]))
	config := fmt.Sprintf("admin: 'off'\nlisten: 127.0.0.1:0\nbackends: [{name: products, address: '%s'}]\ngraphql: {federation: true}\n", backend.Address)
	address := start(t, build(t), "serve", "--config", write(t, "products.yaml", []byte(config)))
	url := "http://" + address + "/graphql"
	awaitGraph(t, url, `{ product(id: "apollo-federation") { id } }`)
	return url
}

// answerWith answers with JSON that depends on the fields of the request.
func answerWith(t *testing.T, m *schema.Method, answer func(fields map[string]any) any) rpctest.Handler {
	return func(s *rpctest.Stream) error {
		request, err := s.Recv()
		if err != nil {
			return err
		}
		in := dynamicpb.NewMessage(m.Input.Descriptor())
		if err := proto.Unmarshal(request, in); err != nil {
			return err
		}
		text, err := protojson.Marshal(in)
		if err != nil {
			return err
		}
		var fields map[string]any
		if err := json.Unmarshal(text, &fields); err != nil {
			return err
		}
		found := answer(fields)
		if found == nil {
			return status.Error(codes.NotFound, "there is none")
		}
		if text, err = json.Marshal(found); err != nil {
			return err
		}
		return s.Send(rpctest.Message(t, m.Output.Descriptor(), string(text)))
	}
}

// startNode runs a subgraph of the suite and returns its address, once it answers.
func startNode(t *testing.T, variable, script string) string {
	t.Helper()
	port := freePort(t)
	node := exec.Command("node", script)
	node.Env = append(os.Environ(), fmt.Sprintf("%s=%d", variable, port))
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = node.Process.Kill()
		_ = node.Wait()
	})
	url := fmt.Sprintf("http://localhost:%d/", port)
	awaitGraph(t, url, "{ __typename }")
	return url
}

// freePort returns a port that nobody listened on a moment ago.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// startSupergraph runs Apollo Gateway and returns its address.
func startSupergraph(t *testing.T, subgraphs ...string) string {
	t.Helper()
	node := exec.Command("node", append([]string{"federation/supergraph.mjs"}, subgraphs...)...)
	stdout, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	node.Stderr = &stderr
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = node.Process.Kill()
		_ = node.Wait()
	})
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() {
		_ = node.Wait()
		t.Fatalf("Apollo Gateway does not start:\n%s", &stderr)
	}
	return lines.Text()
}

// awaitGraph waits until a query is answered with data.
func awaitGraph(t *testing.T, url, query string) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		t.Fatal(err)
	}
	last := ""
	for begin := time.Now(); time.Since(begin) < 30*time.Second; time.Sleep(20 * time.Millisecond) {
		response, err := http.Post(url, "application/json", strings.NewReader(string(body)))
		if err != nil {
			last = err.Error()
			continue
		}
		var answer struct {
			Data   map[string]any
			Errors json.RawMessage
		}
		err = json.NewDecoder(response.Body).Decode(&answer)
		response.Body.Close()
		if last = string(answer.Errors); err == nil && answer.Data != nil && last == "" {
			return
		}
	}
	t.Fatalf("%s does not answer: %s", url, last)
}
