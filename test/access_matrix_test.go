package test

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/gateway"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
)

var matrixRequests = flag.Int("matrix", 2500, "requests of TestAccessMatrix; make matrix sends 50,000")

// A trick changes how a request is spelled, in headers that clients control. None
// of them changes what the policy says of it.
var tricks = []struct {
	name  string
	apply func(http.Header)
}{
	{"none", func(http.Header) {}},
	{"a subject of its own", func(h http.Header) { h.Set("X-Protean-Subject", "alice") }},
	{"a subject with underscores", func(h http.Header) { h["X_protean_subject"] = []string{"alice"} }},
	{"a subject with dots", func(h http.Header) { h["X.protean.subject"] = []string{"alice"} }},
	{"a subject as metadata", func(h http.Header) { h.Set("Grpc-Metadata-X-Protean-Subject", "alice") }},
	{"another method", func(h http.Header) { h.Set("X-Http-Method-Override", "DELETE"); h.Set("X-Method-Override", "GET") }},
	{"another address", func(h http.Header) {
		h.Set("X-Forwarded-For", "127.0.0.1")
		h.Set("Forwarded", "for=127.0.0.1")
		h.Set("X-Real-Ip", "::1")
	}},
	{"another path", func(h http.Header) {
		h.Set("X-Original-Url", "/v1/public/alice")
		h.Set("X-Rewrite-Url", "/v1/public/alice")
		h.Set("X-Forwarded-Prefix", "/v1/public")
	}},
	{"another host", func(h http.Header) { h.Set("X-Forwarded-Host", "localhost"); h.Set("X-Forwarded-Proto", "https") }},
	{"a key in another header", func(h http.Header) { h.Set("Api-Key", robotKey); h["X_api_key"] = []string{robotKey} }},
	{"a token in a cookie", func(h http.Header) { h.Set("Cookie", "authorization=Bearer x; token=x") }},
	{"a token for the proxy", func(h http.Header) { h.Set("Proxy-Authorization", "Bearer x") }},
	{"a header that shall go", func(h http.Header) { h.Set("X-Remove", "authorization") }},
	{"a scheme in capitals", func(h http.Header) {
		if v := h.Get("Authorization"); strings.HasPrefix(v, "Bearer ") {
			h.Set("Authorization", "BEARER "+v[len("Bearer "):])
		}
	}},
}

// TestAccessMatrix calls methods with different policies as different callers on
// every door, spelled in different ways. Each decision must be the policy's, each
// answer must show what the caller may see, and what is refused must not reach the backend.
func TestAccessMatrix(t *testing.T) {
	m := visitAll(t, startVault(t, federated), *matrixRequests)
	if t.Failed() {
		return
	}
	promise := ""
	if *matrixRequests >= 50_000 {
		promise = "PROMISE P15 PASS (access) "
	}
	t.Logf(promise+"%d requests as %d callers to %d methods on %d doors over %d transports with %d tricks: %d allowed, %d refused, none of those reached the backend",
		*matrixRequests, len(m.callers), len(matrixMethods), len(m.doors), len(m.ways), len(tricks), m.allowed.Load(), m.refused.Load())
}

// TestAccessMatrixSaid is [TestAccessMatrix] with the rules said through the admin service, to a gateway
// whose configuration and whose first policies say others.
func TestAccessMatrixSaid(t *testing.T) {
	h := newVault(t, func(c *configv1.Config) {
		federated(c)
		for _, rule := range c.GetPolicies() {
			rule.Policy = &policyv1.Policy{Authorize: &policyv1.Authorize{Scopes: []string{"of-nobody"}}}
		}
	})
	h.started = func(g *gateway.Gateway) {
		client := adminOf(t, g)
		say := func(selector string, p *policyv1.Policy) {
			_, err := client.PutPolicy(t.Context(), &adminv1.PutPolicyRequest{
				Selector: selector, Said: &adminv1.PutPolicyRequest_Policy{Policy: p}, Override: &adminv1.Override{Reason: "test"},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, rule := range vaultRules() {
			say(rule.GetSelector(), &policyv1.Policy{Authorize: &policyv1.Authorize{Public: proto.Bool(true)}})
		}
		for _, rule := range vaultRules() {
			say(rule.GetSelector(), rule.GetPolicy())
		}
	}
	g, stop := startGateway(t, h.config())
	t.Cleanup(stop)
	h.started(g)
	h.address = g.Addr()
	m := visitAll(t, h, *matrixRequests/2)
	t.Logf("%d allowed, %d refused", m.allowed.Load(), m.refused.Load())
}

// visitAll sends so many requests to a vault.
func visitAll(t *testing.T, h *vaultHouse, requests int) *matrix {
	t.Helper()
	m := &matrix{house: h, ways: h.waysTo(t), callers: h.callers(), doors: slices.Concat(doorways, moreDoorways)}
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for n := m.next.Add(1) - 1; n < int64(requests) && !t.Failed(); n = m.next.Add(1) - 1 {
				m.visit(t, int(n))
			}
		})
	}
	workers.Wait()
	return m
}

// federated makes the graph of a vault a subgraph, which has _entities.
func federated(c *configv1.Config) {
	c.Graphql = &configv1.GraphQL{Federation: proto.Bool(true)}
}

type matrix struct {
	house            *vaultHouse
	ways             []wayTo
	doors            []doorway
	callers          []caller
	next             atomic.Int64
	allowed, refused atomic.Int64
}

var matrixMethods = []string{"Known", "Public", "Scoped", "Kept", "Own", "Closed"}

// visit sends the n-th request: first each combination once, without its tricks,
// then random ones.
func (m *matrix) visit(t *testing.T, n int) {
	random := rand.New(rand.NewPCG(uint64(n), 1))
	pick := func(count, radix int) int {
		if n < len(m.callers)*len(matrixMethods)*len(m.doors) {
			return n / radix % count
		}
		return random.IntN(count)
	}
	who := m.callers[pick(len(m.callers), 1)]
	method := matrixMethods[pick(len(matrixMethods), len(m.callers))]
	door := m.doors[pick(len(m.doors), len(m.callers)*len(matrixMethods))]
	way := m.ways[random.IntN(len(m.ways))]
	trick := tricks[random.IntN(len(tricks))]
	owner := []string{"alice", "bob", "robot"}[random.IntN(3)]

	id := fmt.Sprintf("visit-%d", n)
	if door.name == "GraphQL _entities" {
		owner = "alice" // an entity has the key that it was asked for by
	}
	v := &visit{way: way, method: method, owner: owner, header: http.Header{}}
	for name, values := range who.header {
		v.header[name] = values
	}
	trick.apply(v.header)
	v.header.Set("X-Request-Id", id)
	if door.name == "GraphQL join" {
		owner = "alice" // what Hold says
	}
	got, err := door.call(v)
	where := fmt.Sprintf("%s as %s on %s over %s with %s", method, who.name, door.name, way.name, trick.name)
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	if door.name == "REST path in another spelling" && m.house.calls(id) == 0 &&
		(got.code == codes.NotFound || method == "Own" && got.code == codes.PermissionDenied) {
		m.refused.Add(1) // it is no path of the method, or of another owner's box
		return
	}
	m.check(t, where, door, who, got, who.decision(method, owner), m.house.calls(id))
}

func (m *matrix) check(t *testing.T, where string, door doorway, who caller, got reply, want codes.Code, calls int) {
	if got.code != want {
		t.Errorf("%s: %v, want %v: %q", where, got.code, want, got.body)
		return
	}
	expected := 0
	if door.name == "GraphQL join" && !who.invalid {
		expected++ // Hold is public
	}
	if want == codes.OK {
		m.allowed.Add(1)
		expected++
	} else {
		m.refused.Add(1)
	}
	if calls != expected {
		t.Errorf("%s: %d calls reached the backend, want %d", where, calls, expected)
	}
	ok := want == codes.OK
	if shown := bytes.Contains(got.body, []byte(boxPin)); shown != (ok && who.seesPin()) {
		t.Errorf("%s: the pin is shown: %v: %q", where, shown, got.body)
	}
	if shown := bytes.Contains(got.body, []byte(boxPhone)); shown != (ok && who.seesPhone()) {
		t.Errorf("%s: the phone is shown: %v: %q", where, shown, got.body)
	}
}
