package gateway

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// wholeConfig says something of nearly everything that a configuration can say.
const wholeConfig = `listen: 127.0.0.1:0
admin: "off"
startupGrace: 1s
drainTimeout: 2s
pollInterval: 5s
logLevel: warn
logFormat: json
trustProtoPolicies: true
reflectionPublic: true
identity: {claims: [email], disabled: false}
http:
  headerBytes: 9000
  urlBytes: 4000
  headerTimeout: 4s
  bodyIdleTimeout: 5s
  queryParameters: 9
  forwardHeaders: [x-team]
  requestIdHeader: x-id
  trustedProxies: [10.0.0.0/8]
  cors: {origins: ['https://app.example'], headers: [x-team], credentials: true, maxAge: 60s}
graphql:
  path: /graph
  maxDepth: 9
  maxCalls: 8
  joins: JOINS_AIP
  relay: true
authenticators:
  - name: login
    jwt:
      issuer: https://issuer.example
      audiences: [api]
      algorithms: [ES256]
      refreshInterval: 60s
  - name: keys
    apiKeys:
      header: x-key
      keys:
        - sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
          subject: robot
          scopes: [read]
          expires: 2099-01-01T00:00:00Z
  - name: opaque
    introspection: {url: 'https://issuer.example/introspect', clientId: gateway, clientSecret: 'env:BROKEN_TEST_SECRET', cache: 10s}
authorizers:
  - name: desk
    address: localhost:1
    timeout: 1s
backends:
  - name: orders
    address: localhost:2
    keepalive: 20s
    services: [shop.v1.Orders]
    reflection: {pollInterval: 5s, timeout: 2s, metadata: {authorization: 'env:BROKEN_TEST_SECRET'}}
    outliers: {consecutiveFailures: 4, failureRatio: 0.4}
  - name: users
    address: grpcs://users.example:443
    tls: {serverName: users.example}
overlays:
  - selector: shop.v1.Order.price
    field:
      deniable: true
      policy: {action: ACTION_DENY, unless: "'keeper' in principal.roles"}
policies:
  - selector: "*"
    policy:
      authenticate: {anyOf: [login, keys]}
      authorize: {scopes: [read], roles: [clerk], rule: "principal.subject != ''", external: desk}
      timeout: {call: 10s, attempt: 2s}
      retry: {maxAttempts: 3, codes: [UNAVAILABLE], initialBackoff: 0.05s, maxBackoff: 1s}
      breaker: {failureRatio: 0.5, minRequests: 10, consecutiveFailures: 5, openFor: 5s}
      concurrency: {maxInFlight: 100, adaptive: true}
      limits: {requestBytes: 1000, responseBytes: 1000, jsonBytes: 1000, idle: 10s, maxLife: 60s}
      rateLimit: {requests: 10, per: 1s, burst: 20, key: [principal]}
  - selector: shop.v1.Orders.Get
    policy:
      validate: {enabled: true}
      cache: {ttl: 10s, staleWhileRevalidate: 5s, vary: [accept-language]}
      coalesce: {enabled: true}
`

// refusal returns why a configuration is refused, or nil.
func refusal(t *testing.T, text string) error {
	t.Helper()
	c, err := ParseConfig("c.yaml", []byte(text))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l, _, err := newFirst(ctx, c, slog.New(slog.DiscardHandler), nil, nil)
	if err == nil {
		l.close()
	}
	return err
}

// brokenConfig is one configuration with a fault.
type brokenConfig struct{ name, text string }

// mutated takes the whole configuration apart: each key is once misspelled, once said
// twice, and each value is once of a kind that it cannot be.
func mutated(t *testing.T) (cases []brokenConfig) {
	t.Helper()
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(wholeConfig), &root); err != nil {
		t.Fatal(err)
	}
	add := func(name string) {
		var text bytes.Buffer
		if err := yaml.NewEncoder(&text).Encode(&root); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, brokenConfig{name, text.String()})
	}
	var walk func(path string, n *yaml.Node)
	walk = func(path string, n *yaml.Node) {
		switch n.Kind {
		case yaml.MappingNode:
			for i := 0; i < len(n.Content); i += 2 {
				key, value := n.Content[i], n.Content[i+1]
				at := path + "." + key.Value
				if !strings.HasSuffix(path, ".metadata") { // whose keys are free
					said := key.Value
					key.Value = said + "x"
					add("misspelled " + at)
					key.Value = said
				}
				n.Content = append(n.Content, key, value)
				add("twice " + at)
				n.Content = n.Content[:len(n.Content)-2]
				walk(at, value)
			}
		case yaml.SequenceNode:
			for i, element := range n.Content {
				walk(fmt.Sprintf("%s[%d]", path, i), element)
			}
		case yaml.ScalarNode:
			was := *n
			*n = yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: "x"}, {Kind: yaml.ScalarNode, Value: "y"}}}
			add("a mapping " + path)
			*n = was
		}
	}
	walk("", root.Content[0])
	return cases
}

// replaced breaks one value each, in ways that only its meaning shows.
func replaced(t *testing.T) (cases []brokenConfig) {
	t.Helper()
	text, err := os.ReadFile("testdata/broken/values.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		was, is, ok := strings.Cut(line, " => ")
		if !ok || strings.Count(wholeConfig, was) == 0 {
			t.Fatalf("%q replaces nothing", line)
		}
		cases = append(cases, brokenConfig{line, strings.Replace(wholeConfig, was, strings.ReplaceAll(is, `\n`, "\n"), 1)})
	}
	return cases
}

var positioned = regexp.MustCompile(`^c\.yaml:\d+:\d+[: ]`)

// TestBrokenConfigs refuses each broken configuration with a position. What is said of
// each stands in testdata/broken.
func TestBrokenConfigs(t *testing.T) {
	t.Setenv("BROKEN_TEST_SECRET", "secret-in-the-environment")
	if err := refusal(t, wholeConfig); err != nil {
		t.Fatalf("the whole configuration is refused: %v", err)
	}
	mutations, values := mutated(t), replaced(t)
	var said strings.Builder
	accepted, unplaced, leaks := 0, 0, 0
	for _, c := range append(mutations, values...) {
		err := refusal(t, c.text)
		if err == nil {
			accepted++
			t.Errorf("%s is accepted", c.name)
			continue
		}
		first, _, _ := strings.Cut(err.Error(), "\n")
		if !positioned.MatchString(first) {
			unplaced++
			t.Errorf("%s has no position: %s", c.name, first)
		}
		if strings.Contains(err.Error(), "secret-in-the-environment") {
			leaks++
			t.Errorf("%s: a secret is in the error", c.name)
		}
		fmt.Fprintf(&said, "%s\n\t%s\n", c.name, first)
	}
	golden := filepath.Join("testdata", "broken", "said.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(said.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if said.String() != string(want) {
		t.Errorf("other words than in %s; look at the difference after -update", golden)
	}
	if !t.Failed() {
		t.Logf("PROMISE P20 PASS %d broken configurations (%d by mutation, %d by meaning): %d accepted, %d without file, line and column",
			len(mutations)+len(values), len(mutations), len(values), accepted, unplaced)
	}
}
